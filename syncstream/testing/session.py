"""One TCP connection of the venue: HTTP request, upgrade, frames, and every way to end.

Owned by the I/O thread alone; it calls the venue, which has its own lock. The protocol is that of the `websockets` package in
its form without I/O, so bytes can also be held back, cut in the middle or left unanswered. Data frames come ready-made from
the client's queue; pongs and the answers to a close come from the protocol; both are joined only at frame boundaries.

Deliberately not here: what is sent and why (venue.py), and waiting (server.py).
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import struct
from typing import Optional

from websockets.datastructures import Headers
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from . import answers
from .answers import Answer
from .client import Client, Ending
from .venue import FEED_PATH, Venue
from .wire import close_frame, half_frame

CLOSE_WAIT = 2.0  # seconds a client has to answer a close frame, or to hang up after a FIN
FLUSH_WAIT = 1.0  # seconds in which what waits must have been written before a cut is made anyway

_READ = 65536
_MAX_STASH = 1 << 20  # bytes kept of what a client says to a half-open connection
_MAX_MESSAGE = 1 << 20
_RESET = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)

# Not part of the logging tree: at DEBUG the protocol would log header lines, tokens included.
_silent = logging.Logger("syncstream.testing.wire", level=logging.CRITICAL + 1)


class Session:
    """Owned by: the I/O thread.

    `done` says that the socket is to be closed, which the server does, since its selector must forget it first. The life of a
    session: request → answer → end, or request → upgrade → open → one of the endings. `_then` says what comes when everything
    has been written: nothing, `"fin"` or `"reset"`.
    """

    def __init__(
        self, sock: socket.socket, venue: Venue, *, ping_interval: Optional[float], ping_timeout: Optional[float]
    ) -> None:
        sock.setblocking(False)
        with contextlib.suppress(OSError):  # the client is gone already: the first read will tell
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = sock
        self.done = False
        self._venue = venue
        self._protocol = ServerProtocol(max_size=_MAX_MESSAGE, logger=_silent)
        self._client: Optional[Client] = None
        self._answer: Optional[Answer] = None
        self._answer_at = 0.0
        self._message = b""  # the fragments so far
        self._pending = memoryview(b"")  # bytes on their way, a whole number of frames unless the connection is ending
        self._extra: list[bytes] = []  # and what follows them
        self._then = ""
        self._closing = False  # our own close frame is out: wait for the client's
        self._finished = False  # our FIN is out: wait for the client's
        self._parked = False  # the client hung up on a half-open connection, and is not told
        self._stash = bytearray()
        self._give_up_at: Optional[float] = None
        self._ping_interval = ping_interval
        self._ping_timeout = ping_timeout
        self._ping_at: Optional[float] = None
        self._pong_by: Optional[float] = None

    # Questions of the loop

    @property
    def reads(self) -> bool:
        return not self._parked

    @property
    def writes(self) -> bool:
        return self._unwritten or (self._collects and self._client is not None and self._client.waiting > 0)

    def deadline(self, now: float) -> Optional[float]:
        moments = [self._give_up_at, None if self._answer is None else self._answer_at]
        if self._client is not None and not self._client.is_deaf(now):
            moments += [self._ping_at, self._pong_by]
        return min((at for at in moments if at is not None), default=None)

    @property
    def _unwritten(self) -> bool:
        return bool(self._pending or self._extra)

    @property
    def _collects(self) -> bool:
        """Whether the client's frames are still wanted. Nothing follows a close frame or an ending."""
        return not (self.done or self._then or self._closing) and self._protocol.state is OPEN

    # What happens

    def readable(self, now: float) -> None:
        try:
            data = self.sock.recv(_READ)
        except BlockingIOError:
            return
        except OSError:
            self.reset()
            return
        if self._client is not None and self._client.is_deaf(now):
            self._overhear(data)
        else:
            self._collect(now)  # what the venue did before comes before what the client says now
            self._take(data, now)

    def advance(self, now: float) -> None:
        """Do all that can be done now: answers that are due, frames that wait, endings, pings, deadlines."""
        if self.done:
            return
        if self._give_up_at is not None and now >= self._give_up_at:
            self.reset()
            return
        if self._client is not None:
            if not self._client.is_deaf(now):
                self._listen_again(now)
                self._ping(now)
            self._collect(now)
        if self._answer is not None and now >= self._answer_at:
            self._respond(now)
        self._write()
        self._finish(now)

    def reset(self) -> None:
        """Cut the line: the other side sees a TCP reset."""
        if not self.done:
            with contextlib.suppress(OSError):  # the client was faster
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self.close()

    def close(self) -> None:
        if not self.done:
            self.done = True
            self._left()

    def farewell(self, now: float) -> None:
        """The venue stops: a close frame to those who can still hear, and the end for the others."""
        if self._client is None or self._client.is_silent(now):
            self.close()
        else:
            self._collect(now)  # what waits, and perhaps an ending of its own
            if self._collects:
                self._end(Ending(kind="close", code=1001, reason="the venue stops"), now)
            self._write()

    # Receiving

    def _take(self, data: bytes, now: float) -> None:
        if not data:
            self.close()
            return
        if self._finished or self._then:
            return
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Request):
                self._requested(event, now)
            elif isinstance(event, Frame):
                self._framed(event)
        self._take_output(now)

    def _take_output(self, now: float) -> None:
        """What the protocol wants to be sent: pongs, the answer to a close. After our own close frame: nothing."""
        for data in self._protocol.data_to_send():
            if not data:
                self._then_fin(now)
            elif not self._closing:
                self._extra.append(data)

    def _requested(self, request: Request, now: float) -> None:
        authorization = request.headers.get_all("Authorization")
        if request.path.partition("?")[0] != FEED_PATH:
            answer: Optional[Answer] = self._venue.snapshot(request.path, authorization, now)
        else:
            answer = self._venue.refusal(authorization, now)
        if answer is not None:
            self._answer, self._answer_at = answer, now + answer.after
            return
        response = self._protocol.accept(request)
        self._protocol.send_response(response)
        if self._protocol.state is OPEN:
            self._client = self._venue.opened(now)
            if self._ping_interval is not None:
                self._ping_at = now + self._ping_interval

    def _framed(self, frame: Frame) -> None:
        if frame.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            self._message += bytes(frame.data)
            if frame.fin and self._client is not None and not self._closing:
                message, self._message = self._message, b""
                self._venue.received(self._client, message)
        elif frame.opcode is Opcode.PING:
            self._venue.tally("pings")
        elif frame.opcode is Opcode.PONG:
            self._pong_by = None
            self._venue.tally("pongs")
        else:
            self._left()

    def _overhear(self, data: bytes) -> None:
        """Half-open: the client talks to nobody. If it hangs up, it is not told that this was noticed."""
        if data:
            self._stash += data[: _MAX_STASH - len(self._stash)]
        else:
            self._parked = True
            self._left()

    def _listen_again(self, now: float) -> None:
        if self._parked:
            self.close()
        elif self._stash:
            data, self._stash = bytes(self._stash), bytearray()
            self._take(data, now)

    # Sending

    def _collect(self, now: float) -> None:
        """Take the frames that wait, and then the ending, if any. Of a client that does not read, frames stay in its queue."""
        client = self._client
        if client is None or not self._collects:
            return
        with self._venue.lock:
            ending = client.ending
            if self._pending and ending is None:
                return
            frames = client.take()
            client.in_flight = len(frames)
        if frames:
            self._extra.append(frames)
        if ending is not None:
            self._end(ending, now)

    def _end(self, ending: Ending, now: float) -> None:
        self._ping_at = self._pong_by = None
        if ending.kind == "close":
            self._extra.append(close_frame(ending.code, ending.reason))
            self._closing = True
            self._give_up_at = now + CLOSE_WAIT
        else:
            if ending.mid_frame:
                self._extra.append(half_frame())
            self._then = ending.kind
            self._give_up_at = now + FLUSH_WAIT
        self._left()

    def _respond(self, now: float) -> None:
        answer, self._answer = self._answer, None
        assert answer is not None
        headers = Headers({"Content-Type": answer.content_type, "Content-Length": str(len(answer.body)), "Connection": "close"})
        headers.update(answer.headers)
        response = Response(answer.status, answers.phrase(answer.status), headers, answer.body)
        if answer.cut:
            self._extra.append(response.serialize()[: -(len(answer.body) // 2) or None])
            self._then = "reset"
            self._give_up_at = now + FLUSH_WAIT
        else:
            self._protocol.send_response(response)
            self._take_output(now)

    def _ping(self, now: float) -> None:
        if self._pong_by is not None and now >= self._pong_by:
            self._venue.tally("unanswered")
            self._end(Ending(kind="close", code=1011, reason="no pong"), now)
        elif self._ping_at is not None and now >= self._ping_at:
            assert self._ping_interval is not None
            self._ping_at = now + self._ping_interval
            if self._pong_by is None and self._ping_timeout is not None:
                self._pong_by = now + self._ping_timeout
            self._protocol.send_ping(b"venue")
            self._take_output(now)

    def _write(self) -> None:
        while not self.done:
            if not self._pending:
                if not self._extra:
                    break
                self._pending, self._extra = memoryview(b"".join(self._extra)), []
            try:
                self._pending = self._pending[self.sock.send(self._pending) :]
            except BlockingIOError:
                break
            except OSError:
                self.reset()
        if self._client is not None:
            self._client.in_flight = len(self._pending)

    # Ending

    def _then_fin(self, now: float) -> None:
        self._then = self._then or "fin"
        self._give_up_at = now + CLOSE_WAIT
        self._ping_at = self._pong_by = None
        self._left()

    def _finish(self, now: float) -> None:
        """When all has been written: what was to come then?"""
        if self._unwritten or self.done or self._finished:
            return
        if self._then == "reset":
            self.reset()
        elif self._then == "fin":
            self._finished = True
            self._give_up_at = now + CLOSE_WAIT
            try:
                self.sock.shutdown(socket.SHUT_WR)
            except OSError:  # the client was faster
                self.reset()

    def _left(self) -> None:
        if self._client is not None:
            self._venue.closed(self._client)
