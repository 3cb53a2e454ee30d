"""One open connection as the reader holds it: what is waiting to go out, and whether there may be more to read.

Reader thread only. Not here: what to say and when (the engine), how bytes travel (transport).

Rules
* Once a send was attempted its bytes are frozen, even if none was taken: over TLS they are encrypted by then. Such a frame stays
  at the front; pongs go behind it, then the other urgent frames (ping, close), before all others.
* At most `max_pings` pings wait for their answer. When there are more the oldest get none, which the standard allows, and the
  latest is answered first.
* What we compress is compressed when its turn has come, and never thrown away after that but with the line.
* A user's message whose time is over is taken back, as long as it has not begun. If it has the send has failed.
* Nothing follows a close frame. What has not begun by then is refused; of what has, nobody will know.
* A send that makes no progress for `SEND_LIMIT` has failed; so has one with more than `OUT_LIMIT` bytes of ours (subscriptions)
  behind it. A user's message that would wait behind so much is refused. Half a frame is never followed by another.
* No `Secret` goes out on a line that a redirect led to another host.
* The end of a line is told by TLS, too, if that can be done without waiting.
* After a send that failed nothing goes out any more. What the venue has said until then lies with the system, its close frame
  perhaps; it is read, as much as can lie there, before the line is lost.
"""

from __future__ import annotations

import selectors
import threading
from collections import deque
from typing import Optional, Union

from .core import frames
from .core.deflate import Pack
from .core.engine import Payload
from .errors import NotConnected, SendUnknown, SyncstreamError
from .secret import stands_in
from .transport import Connection, frame

_READ, _WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE

SEND_LIMIT = 10.0
OUT_LIMIT = 4 * 1024 * 1024
_PONG_SIZE = 6  # bytes of a pong without its payload


class Ticket:
    """Owned by: the sender's thread until posted, then the reader. What became of one `send`; `done` is set once."""

    def __init__(self) -> None:
        self.done = threading.Event()
        self.error: Optional[SyncstreamError] = None

    def settle(self, error: Optional[SyncstreamError]) -> None:
        self.error = error
        self.done.set()


class _Out:
    """Owned by: the reader thread. One frame on its way."""

    __slots__ = ("data", "payload", "sent", "ticket")

    def __init__(self, data: bytes, ticket: Optional[Ticket] = None, payload: Optional[Payload] = None) -> None:
        self.data = data
        self.payload = payload  # what is in it, if it is to be compressed when its turn comes
        self.sent = 0  # bytes
        self.ticket = ticket

    def settle(self, error: Optional[SyncstreamError]) -> None:
        """Tell the sender, if there is one and it has not been told."""
        if self.ticket is not None:
            self.ticket.settle(error)
            self.ticket = None


class Link:
    """Owned by: the reader thread."""

    def __init__(self, line: int, epoch: int, connection: Connection, *, max_pings: int = 64) -> None:
        self.line = line
        self.epoch = epoch
        self.connection = connection
        self.more = True  # it may have bytes that the selector does not know of: read before it is selected
        self.registered = 0  # the selector's mask it stands with
        self.waiting = 0  # bytes
        self.stuck_at: Optional[float] = None
        self.failed: Optional[str] = None  # why no more can be sent
        self._unread = 0  # bytes, at most, that may be read after that
        agreed = connection.deflate
        self._pack = Pack(agreed) if agreed is not None and agreed.send else None
        self._max_pings = max_pings
        self._flooded = False  # pings went unanswered, and those that wait are answered backwards
        self._begun: Optional[_Out] = None
        self._frozen = False  # its bytes cannot be taken back
        self._pongs: deque[bytes] = deque()  # payloads, so that one that is never sent costs no frame
        self._urgent: deque[_Out] = deque()
        self._others: deque[_Out] = deque()

    def events(self, *, reading: bool) -> int:
        """What the selector should wait for, as its mask. Over TLS, rarely, a read waits for room, or a send for bytes."""
        connection = self.connection
        mask = 0
        if self.waiting:
            mask |= _READ if connection.wants_read else _WRITE
        if reading:
            mask |= _WRITE if connection.wants_write else _READ
        return mask

    def put(self, opcode: int, payload: Union[bytes, str], *, urgent: bool = False) -> None:
        """Queue one frame; nothing where no more can be sent."""
        if self.failed is not None:
            return
        data = payload.encode() if isinstance(payload, str) else payload
        if opcode == frames.PONG:
            self._put_pong(data)
            return
        if opcode == frames.CLOSE:
            self._end("the line was closed")
        if self._withheld(data):
            self.fail(f"what is to be sent holds a Secret, and a redirect led to {self.connection.elsewhere}")
            return
        packs = self._pack is not None and opcode in (frames.TEXT, frames.BINARY) and not urgent
        payload_to_pack = Payload(opcode, data) if packs else None
        self._put(_Out(frame(opcode, data), payload=payload_to_pack), self._urgent if urgent else self._others)

    def put_frame(self, data: bytes, ticket: Ticket, payload: Optional[Payload] = None) -> None:
        """Queue a user's message, a frame already; `payload` is what is in it, for a line on which we compress."""
        begun = self._begun
        if self.failed is not None:
            ticket.settle(NotConnected(f"nothing was sent, the line is about to be lost: {self.failed}"))
        elif payload is not None and self._withheld(payload.data):
            ticket.settle(NotConnected(f"nothing was sent: it holds a Secret, and a redirect led to {self.connection.elsewhere}"))
        elif self.stuck_at is not None and begun is not None and self.waiting - (len(begun.data) - begun.sent) > OUT_LIMIT:
            ticket.settle(NotConnected(f"nothing was sent: the venue is slow, and more than {OUT_LIMIT} bytes wait before it"))
        else:
            self._put(_Out(data, ticket, payload if self._pack is not None else None), self._others)

    def withdraw(self, ticket: Ticket, timeout: float) -> bool:
        """This sender has waited for `timeout` seconds and waits no more. True if the message has begun: the send has failed."""
        begun = self._begun
        if begun is not None and begun.ticket is ticket:
            if begun.sent or self._frozen:
                begun.settle(SendUnknown(f"the venue did not take all of the message within {timeout:g} s"))
                return True
            self._begun = None
            self._take_back(begun, timeout)
        else:
            for out in self._others:
                if out.ticket is ticket:
                    self._others.remove(out)
                    self._take_back(out, timeout)
                    break
        return False

    def _take_back(self, out: _Out, timeout: float) -> None:
        self.waiting -= len(out.data)
        if not self.waiting:
            self.stuck_at = None
        out.settle(NotConnected(f"nothing was sent: the line was busy for {timeout:g} s"))

    def receive(self, size: int) -> Optional[bytes]:
        """As `Connection.receive`. After a send that failed `None` is the last answer: what had come until then has been read."""
        if self.failed is None:
            return self.connection.receive(size)
        data = self.connection.receive(size) if self._unread > 0 else None
        self._unread -= len(data or b"")
        return data

    def flush(self, now: float) -> None:
        """Send what the kernel takes. Raises `OSError` if the connection broke, or if it has been stuck for too long."""
        while self.waiting:
            out = self._begun = self._begun or self._begin(self._next())
            sent = self.connection.send(memoryview(out.data)[out.sent :] if out.sent else out.data)
            if not sent:
                self._stuck(now)
                return
            self.stuck_at = None
            out.sent += sent
            self.waiting -= sent
            if out.sent == len(out.data):
                self._begun = None
                out.settle(None)

    def deadline(self) -> Optional[float]:
        """When being stuck becomes being lost."""
        return None if self.stuck_at is None else self.stuck_at + SEND_LIMIT

    def fail(self, why: str) -> None:
        """A send has failed: nothing more goes out, which the senders are told. What has come by now can still be read."""
        self.failed = why
        self.more = True
        self.stuck_at = None
        self._unread = self.connection.unread_limit()
        self._drop()

    def close(self) -> None:
        """Release the connection; tell the senders what became of their messages."""
        self.connection.end_tls()
        self.connection.close()
        self._drop()

    def _drop(self) -> None:
        self._end("the line was lost")
        self._begun = None
        self._pongs.clear()
        self._urgent.clear()
        self.waiting = 0

    def _withheld(self, payload: bytes) -> bool:
        """Whether this is not to be said here. Another host than the user's was led to by whoever answered there."""
        return bool(self.connection.elsewhere) and stands_in(payload)

    def _put(self, out: _Out, place: deque[_Out]) -> None:
        self.waiting += len(out.data)
        place.append(out)

    def _put_pong(self, payload: bytes) -> None:
        if len(self._pongs) == self._max_pings:
            self.waiting -= _PONG_SIZE + len(self._pongs.popleft())
            self._flooded = True
        self.waiting += _PONG_SIZE + len(payload)
        self._pongs.append(payload)

    def _next(self) -> _Out:
        """The frame whose turn it is; one waits."""
        if not self._pongs:
            return (self._urgent or self._others).popleft()
        payload = self._pongs.pop() if self._flooded else self._pongs.popleft()
        self._flooded = self._flooded and bool(self._pongs)
        return _Out(frame(frames.PONG, payload))

    def _begin(self, out: _Out) -> _Out:
        """Its turn has come. From here on what is compressed leans on it."""
        self._frozen = self.connection.freezes
        payload = out.payload
        packed = self._pack.message(payload.data) if self._pack is not None and payload is not None else None
        if payload is not None and packed is not None:
            self._frozen = True
            made = frame(payload.opcode, packed, compressed=True)
            self.waiting += len(made) - len(out.data)
            out.data = made
        return out

    def _end(self, why: str) -> None:
        """Let nothing but the frame that has begun and the urgent ones go out, and tell the senders at once."""
        if self._begun is not None:
            self._begun.settle(SendUnknown(f"{why} while the message was going out"))
        for out in self._others:
            self.waiting -= len(out.data)
            out.settle(NotConnected(f"{why} before the message went out"))
        self._others.clear()

    def _stuck(self, now: float) -> None:
        if self.stuck_at is None:
            self.stuck_at = now
        if now - self.stuck_at >= SEND_LIMIT:
            raise TimeoutError(f"the venue took no bytes for {SEND_LIMIT:g} s")
        if self.waiting > OUT_LIMIT:
            ours = sum(len(out.data) for out in (*self._urgent, *self._others) if out.ticket is None)
            if ours > OUT_LIMIT:
                raise OSError(f"the venue is slow to take what we send: more than {OUT_LIMIT} bytes wait")
