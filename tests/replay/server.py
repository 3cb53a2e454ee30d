"""A venue that plays a recording: WebSocket lines and REST snapshots on one loopback port.

Threads: the `websockets` package runs one thread per connection (and one that reads it); `replay-accept` takes new ones, the
tape's thread lets the time pass. Not here: what frames mean (`venues/`), the venue's books (`history.py`).
"""

from __future__ import annotations

import contextlib
import math
import random
import socket
import threading
from collections import Counter
from types import TracebackType
from typing import Callable, Optional, Union

from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve

from .books import Book, Delta
from .history import Books, History
from .line import Line
from .tape import Tape, schedule
from .venues import Reply

REPEAT_AFTER = 3
POLL = 0.01  # seconds between two looks for a client's message on a quiet tape

LeaveOut = Union[float, Callable[[Delta], bool]]


class ReplayServer:
    """Plays `history` to every client that connects. Use as a context manager.

    `speed`, `rate`     the recorded times so many times faster, and at most so many frames a second
    `leave_out`         a fraction of the deltas (drawn from `seed`, and anew for each connection), or a predicate on them. Never
                        the last delta of a key: nothing later would show that it is missing
    `cut_after`         each connection is dropped, without a close frame, after so many frames; the tape goes on
    `lose`              so many frames at least of those after a cut reach no connection, however fast the client is back
    `repeat`            a fraction of the deltas (drawn likewise) comes once more, `REPEAT_AFTER` frames later
    `rest_lag`          snapshots are so many seconds of venue time old
    `old_bodies`        of the snapshots of a key so many in a row are older than every delta, then one is good, and so on; what
                        an old one says is wrong for each position that the session has

    `topics`            the tape starts when one connection has subscribed so many topics, of a venue with in-band snapshots

    The tape starts when the first client has connected; where the recording's client subscribed, when one has sent a message,
    or subscribed. A connection that comes later begins where the tape is.

    Owned by: the thread that made it. Connection threads share the counts, guarded by `_lock`, and the tape.
    """

    def __init__(
        self,
        history: History,
        *,
        speed: float = 1.0,
        rate: float = math.inf,
        leave_out: LeaveOut = 0.0,
        seed: int = 0,
        topics: int = 1,
        cut_after: Optional[int] = None,
        lose: int = 0,
        repeat: float = 0.0,
        rest_lag: float = 0.0,
        old_bodies: int = 0,
    ) -> None:
        self.history = history
        self._leave_out = leave_out
        self._seed = seed
        self._topics = topics
        self._cut_after = cut_after
        self._lose = lose
        self._repeat = repeat
        self._rest_lag = rest_lag
        self._old_bodies = old_bodies
        self._tape = Tape(schedule((frame.at for frame in history.frames), speed, rate))
        self._tails = history.tails()
        self._stopping = threading.Event()
        self._lock = threading.Lock()  # guards what follows; never held while sending
        self._books = Books(history)
        self._threads: list[threading.Thread] = []
        self._lines: set[ServerConnection] = set()
        self._left_out: list[Delta] = []
        self._fetched: Counter[str] = Counter()
        self._connections = 0
        self._cuts = 0
        self._from = 0  # where on the tape a connection begins that comes now, at the earliest
        self._repeated = 0
        self._heard: list[str] = []
        self._server = serve(
            self._line,
            "127.0.0.1",
            0,
            process_request=self._request,
            compression=None,
            ping_interval=None,
            close_timeout=1.0,
        )
        self.port: int = self._server.socket.getsockname()[1]
        self._accept = threading.Thread(target=self._server.serve_forever, name="replay-accept", daemon=True)
        self._accept.start()

    # What a test asks.

    @property
    def ws_url(self) -> str:
        """The address of the recording's first connection."""
        return self.line_url(0)

    def line_url(self, line: int) -> str:
        """The address of the recording's connection number `line`."""
        return f"ws://127.0.0.1:{self.port}/line/{line}"

    @property
    def rest_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def position(self) -> int:
        """How many frames have been played."""
        return self._tape.position()

    @property
    def finished(self) -> bool:
        """The whole recording has been played."""
        return self.position == len(self.history.frames)

    @property
    def connections(self) -> int:
        """WebSocket connections taken so far."""
        with self._lock:
            return self._connections

    @property
    def cuts(self) -> int:
        with self._lock:
            return self._cuts

    @property
    def left_out(self) -> list[Delta]:
        """The deltas that were due on a connection and were not sent, in order."""
        with self._lock:
            return list(self._left_out)

    @property
    def heard(self) -> list[str]:
        """What clients have said, in order."""
        with self._lock:
            return list(self._heard)

    @property
    def repeated(self) -> int:
        """How many deltas were sent twice."""
        with self._lock:
            return self._repeated

    @property
    def fetched(self) -> dict[str, int]:
        """Snapshot requests answered, by key."""
        with self._lock:
            return dict(self._fetched)

    def final_books(self) -> dict[str, Book]:
        """The venue's books after the whole recording."""
        return dict(Books(self.history).advance(len(self.history.frames)))

    # Life.

    def close(self) -> None:
        """Drops every line, frees the port and joins every thread."""
        self._stopping.set()
        self._tape.close()
        with self._lock:
            lines, threads = list(self._lines), list(self._threads)
        for line in lines:
            _drop(line)  # also frees a send that a client who does not read has blocked
        self._server.shutdown()
        self._accept.join()
        with self._lock:
            threads += self._threads
        for thread in threads:
            thread.join(10)
            if thread.is_alive():
                raise RuntimeError(f"the thread of a connection does not end: {thread.name}")

    def __enter__(self) -> ReplayServer:
        return self

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.close()

    # REST, on a connection's thread.

    def _request(self, connection: ServerConnection, request: Request) -> Optional[Response]:
        """Answers a REST request; None lets the WebSocket upgrade go on."""
        with self._lock:
            self._threads = [thread for thread in self._threads if thread.is_alive()]
            self._threads.append(threading.current_thread())
        if "Upgrade" in request.headers:
            return None
        reply = self._reply(request.path)
        payload = reply.text.encode()
        headers = Headers()
        headers["Content-Type"] = "application/json"
        headers["Content-Length"] = str(len(payload))
        headers["Connection"] = "close"
        return Response(reply.status, "OK" if reply.status == 200 else "Error", headers, payload)

    def _reply(self, path: str) -> Reply:
        """The book as the venue has it now; before its own splice, the body it gave when the session was recorded."""
        history = self.history
        key = history.venue.key_of(path)
        if key is None:
            recorded = [body.text for body in history.recording.bodies if body.url.endswith(path)]
            return Reply(200, recorded[0]) if recorded else Reply(404, "{}")
        taken = [snapshot.text for snapshot in history.snapshots if snapshot.key == key]
        if not taken:
            return history.venue.unknown(key)
        position = self._rest_position()
        with self._lock:
            self._fetched[key] += 1
            if self._fetched[key] % (self._old_bodies + 1):
                return Reply(200, history.venue.body(self._older(key)))
            book = self._books.advance(position).get(key)
            return Reply(200, taken[0] if book is None else history.venue.body(book))

    def _older(self, key: str) -> Book:
        """A book from before the session, that is empty but for one level."""
        first = next(delta.first for delta in self.history.deltas if delta is not None and delta.key == key)
        return Book(first - 10, [("0.00000001", "1")], [])

    def _rest_position(self) -> int:
        """After how many frames the books are that REST tells of."""
        return self._tape.position(self._rest_lag)

    # A line, on its connection's thread.

    def _line(self, connection: ServerConnection) -> None:
        with self._lock:
            number = self._connections
            self._connections += 1
            self._lines.add(connection)
        try:
            line = self.history.venue.line(self.history, number)
            self._play(connection, line, self._plan(number), self._chosen(self._repeat, f"again-{self._seed}-{number}"))
        except ConnectionClosed:
            return  # the client went, or we cut it
        finally:
            with self._lock:
                self._lines.discard(connection)

    def _play(
        self, connection: ServerConnection, line: Line, leave_out: Callable[[int, Delta], bool], repeated: list[bool]
    ) -> None:
        """Sends what the tape plays from now on, and answers the client in between."""
        again: list[tuple[int, Union[str, bytes]]] = []  # after how many frames, what
        history = self.history
        number = _line_number(connection)
        for said in line.greeting():
            connection.send(said)
        sent = 0
        cursor: Optional[int] = None
        while not self._stopping.is_set():
            cursor = self._answer(connection, line, cursor)
            if cursor is None or (line.subscribed < self._topics and not self._tape.started):
                continue
            self._tape.start()
            due = self._tape.wait(cursor, POLL)
            while cursor < due:
                index, cursor = cursor, cursor + 1
                if history.frames[index].line != number:
                    continue
                data = line.play(index)
                if data is None:
                    continue
                delta = history.deltas[index]
                if delta is not None and leave_out(index, delta):
                    with self._lock:
                        self._left_out.append(delta)
                    continue
                connection.send(data)
                sent += 1
                if delta is not None and repeated[index]:
                    again.append((sent + REPEAT_AFTER, data))
                while again and again[0][0] <= sent:
                    connection.send(again.pop(0)[1])
                    with self._lock:
                        self._repeated += 1
                if sent == self._cut_after:
                    self._cut(connection, cursor)

    def _answer(self, connection: ServerConnection, line: Line, cursor: Optional[int]) -> Optional[int]:
        """Answers the client's messages that have come. Returns where on the tape this line is; `None` before it asked."""
        if cursor is None and line.subscribed:
            cursor = self._begin()
        timeout = POLL if cursor is None or not self._tape.started else 0.0
        while True:
            try:
                message = connection.recv(timeout=timeout)
            except TimeoutError:
                return cursor
            timeout = 0.0
            if cursor is None:
                cursor = self._begin()
            if isinstance(message, str):
                with self._lock:
                    self._heard.append(message)
                for data in line.hear(message, cursor):
                    connection.send(data)

    def _begin(self) -> int:
        position = self._tape.position()
        with self._lock:
            return max(position, self._from)

    def _cut(self, connection: ServerConnection, cursor: int) -> None:
        """Ends the TCP connection as a dying venue does: no close frame."""
        with self._lock:
            self._cuts += 1
            self._from = min(cursor + self._lose, len(self.history.frames))
        _drop(connection)
        connection.recv(timeout=5.0)  # raises ConnectionClosed

    def _plan(self, number: int) -> Callable[[int, Delta], bool]:
        """Which deltas connection `number` does not get: the same ones in every run."""
        choose = self._leave_out
        if callable(choose):
            return lambda index, delta: index not in self._tails and choose(delta)
        chosen = self._chosen(choose, f"{self._seed}-{number}")
        return lambda index, delta: chosen[index] and index not in self._tails

    def _chosen(self, fraction: float, seed: str) -> list[bool]:
        dice = random.Random(seed)
        return [dice.random() < fraction for _ in self.history.frames]


def _drop(connection: ServerConnection) -> None:
    """Ends the TCP connection; what was sent before still arrives."""
    with contextlib.suppress(OSError):  # the client was faster
        connection.socket.shutdown(socket.SHUT_RDWR)


def _line_number(connection: ServerConnection) -> int:
    """Which recorded connection the client asked for: `/line/N`; any other path is the first."""
    path = connection.request.path if connection.request is not None else ""
    prefix, _, number = path.partition("?")[0].rpartition("/")
    return int(number) if prefix == "/line" and number.isdigit() else 0
