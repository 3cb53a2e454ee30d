"""One open connection as the reader holds it: what is waiting to go out, and whether there may be more to read.

Reader thread only. Not here: what to say and when (the engine), how bytes travel (transport).

Rules
* Once a send was attempted its bytes are frozen: what is half out stays at the front; urgent frames (pong, close) go behind it,
  before all others.
* A send that makes no progress for `SEND_LIMIT`, or more than `OUT_LIMIT` bytes waiting, means that the line is lost. Half a
  frame is never followed by another.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Optional, Union

from .errors import NotConnected, SendUnknown, SyncstreamError
from .transport import Connection, frame

SEND_LIMIT = 10.0
OUT_LIMIT = 4 * 1024 * 1024


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

    __slots__ = ("data", "sent", "ticket", "urgent")

    def __init__(self, data: bytes, ticket: Optional[Ticket], urgent: bool) -> None:
        self.data = data
        self.sent = 0
        self.ticket = ticket
        self.urgent = urgent


class Link:
    """Owned by: the reader thread."""

    def __init__(self, line: int, epoch: int, connection: Connection) -> None:
        self.line = line
        self.epoch = epoch
        self.connection = connection
        self.more = True  # it may have bytes that the selector does not know of: read before it is selected
        self.registered = 0  # the selector's mask it stands with
        self.waiting = 0  # bytes
        self.stuck_at: Optional[float] = None
        self._out: deque[_Out] = deque()

    @property
    def wants_out(self) -> bool:
        return bool(self._out) or self.connection.wants_write

    def put(self, opcode: int, payload: Union[bytes, str], *, urgent: bool = False, ticket: Optional[Ticket] = None) -> None:
        """Queue one frame."""
        out = _Out(frame(opcode, payload), ticket, urgent)
        self.waiting += len(out.data)
        if not urgent:
            self._out.append(out)
            return
        place = 0
        while place < len(self._out) and (self._out[place].sent or self._out[place].urgent):
            place += 1
        self._out.insert(place, out)

    def flush(self, now: float) -> None:
        """Send what the kernel takes. Raises `OSError` if the connection broke, or if it has been stuck for too long."""
        while self._out:
            out = self._out[0]
            sent = self.connection.send(memoryview(out.data)[out.sent :] if out.sent else out.data)
            if not sent:
                self._stuck(now)
                return
            self.stuck_at = None
            out.sent += sent
            self.waiting -= sent
            if out.sent == len(out.data):
                self._out.popleft()
                if out.ticket is not None:
                    out.ticket.settle(None)
        self.stuck_at = None

    def deadline(self) -> Optional[float]:
        """When being stuck becomes being lost."""
        return None if self.stuck_at is None else self.stuck_at + SEND_LIMIT

    def close(self) -> None:
        """Release the connection; tell the senders what became of their messages."""
        self.connection.close()
        for out in self._out:
            if out.ticket is not None:
                out.ticket.settle(
                    SendUnknown("the line was lost while the message was going out")
                    if out.sent
                    else NotConnected("the line was lost before the message went out")
                )
        self._out.clear()

    def _stuck(self, now: float) -> None:
        if self.stuck_at is None:
            self.stuck_at = now
        if now - self.stuck_at >= SEND_LIMIT:
            raise TimeoutError(f"the venue took no bytes for {SEND_LIMIT:g} s")
        if self.waiting > OUT_LIMIT:
            raise BufferError(f"more than {OUT_LIMIT} bytes wait to be sent")
