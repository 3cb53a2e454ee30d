"""How many messages a second an adapter takes, end to end: from the server's `send` to the consumer's `get_many`.

A session of some thousand messages is over in a few hundredths of a second, so it is repeated, its numbers shifted on, until
there are `LEAST` frames (or `MOST_BYTES`); in-band snapshots are repeated only where what follows would be wrong without. All
frames are in memory before the clock starts, and go out in one `sendall`: the server only copies. What opens the line, the first
message of every key and the snapshots that it leads to come before and are not measured. Server, reader and consumer share one
process, hence one interpreter lock.
"""

from __future__ import annotations

import statistics
import struct
import threading
import time
from typing import Any, Callable, Iterable, Iterator, Sequence

from websockets.sync.server import ServerConnection

from syncstream import Event, Feed, Stream
from syncstream.core.paths import getter
from tests import replay
from tests.replay.line import Line

ENOUGH = 100_000  # messages a second; less than that needs a reason
LEAST = 60_000
MOST_BYTES = 8 * 1024 * 1024  # of a session repeated
RUNS = 3
QUIET = 0.3  # seconds without an item: that was all
PATIENCE = 30.0

Make = Callable[[replay.ReplayServer], Feed]


def rate(make: Make, history: replay.History, *, key: str = "", numbers: Sequence[str] = (), snapshots: bool = False) -> float:
    """Messages a second, the median of `RUNS`.

    `numbers`: where a message has its first and its last number (or the only one), then all others that count with them; a path
    may have `*` for "each". They go on from one pass to the next, for each `key`. Without them frames are repeated as they are.
    `snapshots`: repeat in-band ones, too, for messages that are right only behind them, as those with a checksum.
    """
    return statistics.median(_once(make, history, key, numbers, snapshots) for _ in range(RUNS))


class Blast(replay.ReplayServer):
    """Sends the frames that open every key, and at `go` all others at once. Owned by: the thread that made it."""

    def __init__(self, history: replay.History, load: Callable[[Blast, Line], bytes]) -> None:
        self.started = _start(history)
        self.opened = threading.Event()
        self.sent = threading.Event()
        self._go = threading.Event()
        super().__init__(history, topics=max(1, len({whole.key for whole in history.wholes.values()})))
        self._load = load

    def __enter__(self) -> Blast:
        return self

    def go(self) -> float:
        """Lets it begin. Gives the time."""
        self._go.set()
        return time.perf_counter()

    def _rest_position(self) -> int:
        return self.started

    def _play(self, connection: ServerConnection, line: Line, leave_out: Any, repeated: list[bool]) -> None:
        for said in line.greeting():
            connection.send(said)
        while line.subscribed < self._topics and not self._stopping.is_set():
            self._answer(connection, line, 0)
        connection.socket.sendall(_sent(line, range(self.started)))
        load = self._load(self, line)
        self.opened.set()
        while not self._go.is_set() and not self._stopping.is_set():
            self._answer(connection, line, 0)
        connection.socket.sendall(load)
        self.sent.set()
        while not self._stopping.is_set():
            self._answer(connection, line, 0)


def _sent(line: Line, indexes: Iterable[int]) -> bytes:
    """What this connection gets of these frames."""
    return b"".join(frame(data) for data in map(line.play, indexes) if data is not None)


def frame(payload: Any) -> bytes:
    """One unmasked frame: text for `str`, binary for `bytes`."""
    data, opcode = (payload.encode(), 1) if isinstance(payload, str) else (payload, 2)
    size = len(data)
    if size < 126:
        return struct.pack("!BB", 0x80 | opcode, size) + data
    if size < 1 << 16:
        return struct.pack("!BBH", 0x80 | opcode, 126, size) + data
    return struct.pack("!BBQ", 0x80 | opcode, 127, size) + data


def _start(history: replay.History) -> int:
    """After so many frames each key has come, and each snapshot can be had."""
    first: dict[str, int] = {}
    for index, delta in enumerate(history.deltas):
        if delta is not None:
            first.setdefault(delta.key, index + 1)
    return max([0, *first.values(), *(taken.position for taken in history.snapshots)])


def _once(make: Make, history: replay.History, key: str, numbers: Sequence[str], snapshots: bool) -> float:
    def load(server: Blast, line: Line) -> bytes:
        rule = make(server).sequence
        again = [index for index in range(len(history.frames)) if snapshots or index not in history.wholes]
        rest = _sent(line, range(server.started, len(history.frames)))
        return rest + b"".join(map(frame, _passes(line, again, key, numbers, 1 if rule is None else rule.ahead)))

    with Blast(history, load) as server, Stream(make(server), queue_size=1_000_000, queue_bytes=None) as stream:
        assert server.opened.wait(PATIENCE)
        _settle(stream, {delta.key for delta in history.deltas if delta is not None} if history.snapshots else set())
        began_at = server.go()
        ended_at, count = began_at, 0
        while True:
            sent = server.sent.is_set()
            items = stream.get_many(5_000, timeout=QUIET)
            if not items and sent:
                break
            ended_at = time.perf_counter() if items else ended_at
            count += sum(not isinstance(item, Event) for item in items)
        status = stream.status
        assert (status.gaps, status.unhealed, status.quarantined) == (0, 0, 0), status
        return count / (ended_at - began_at)


def _settle(stream: Stream[Any], keys: set[str]) -> None:
    """Until every key is live and all that came so far is taken."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if not stream.get_many(5_000, timeout=QUIET):
            picture = stream.status
            if picture.syncing == 0 and keys <= set(picture.keys):
                return
    raise AssertionError(f"not live: {stream.status}")


def _passes(line: Line, indexes: Sequence[int], key: str, numbers: Sequence[str], ahead: int) -> Iterator[Any]:
    """All these frames, as the line gets them, again and again."""
    venue = line.history.venue
    frames = [data for data in map(line.play, indexes) if data is not None] if numbers else []
    sizes = list(map(len, frames)) or [len(line.history.frames[index].data) for index in indexes]
    passes = range(1, max(1, min(-(-LEAST // len(sizes)), MOST_BYTES // sum(sizes))))
    if not numbers:
        yield from (data for _ in passes for data in map(line.play, indexes) if data is not None)
        return
    key_of, first_of, last_of = getter(key), getter(numbers[0]), getter(numbers[min(1, len(numbers) - 1)])
    span: dict[Any, tuple[int, int]] = {}
    for data in frames:
        message = venue.decode(data)
        first = span.get(key_of(message), (int(first_of(message)), 0))[0]
        span[key_of(message)] = (first, int(last_of(message)))
    for number in passes:
        for data in frames:
            message = venue.decode(data)
            first, last = span[key_of(message)]
            for path in numbers:
                _shift(message, path.split("."), number * (last - first + ahead))
            yield venue.encode(message)


def _shift(place: Any, path: Sequence[str], offset: int) -> None:
    """Add to the numbers at `path`; a text stays one."""
    name, *rest = path
    for one in range(len(place)) if name == "*" else [int(name) if isinstance(place, list) else name]:
        if rest:
            _shift(place[one], rest, offset)
        else:
            place[one] = type(place[one])(int(place[one]) + offset)
