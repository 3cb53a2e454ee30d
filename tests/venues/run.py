"""One adapter along one recorded session: what came, and what the venue's own words say of it.

A session carries all that its client had subscribed; `only` leaves what this adapter's URL asks for, as the venue would.
"""

from __future__ import annotations

import math
import time
from decimal import Decimal
from typing import Any, Callable, Optional

import msgspec

from syncstream import Backoff, Book, Budget, Feed, Gap, Levels, Stream
from syncstream.clock import now
from tests import replay
from tests.replay import Top
from tests.replay.recording import Body

PATIENCE = 60.0
SHOWN = 5  # levels a side of each state
DIALS = Budget(count=10_000, per=1.0)  # all venues are one host here
AGAIN = Backoff(base=0.02, maximum=0.05)  # between two requests of a snapshot

Make = Callable[[replay.ReplayServer], Feed]

FAULTS: dict[str, dict[str, Any]] = {
    "left out": {"leave_out": 0.01, "seed": 5},
    "cuts": {"cut_after": 500, "lose": 20},
    "duplicates": {"repeat": 0.05, "seed": 5},
    "old snapshots": {"leave_out": 0.01, "seed": 5, "old_bodies": 2},
}
"""What a test of a feed with books lets a `ReplayServer` do."""


class Result(msgspec.Struct, kw_only=True):
    """What one run found. `expected`: messages the session has for this adapter."""

    expected: int
    messages: int
    gaps: int
    unhealed: int
    quarantined: int
    duplicates: int
    compared: int = 0  # best prices that the venue states of a position the book stood at
    contradicted: int = 0
    whole: Optional[bool] = None  # whether all levels of all books are the venue's at the end


def only(history: replay.History, wanted: Callable[[Any], bool]) -> replay.History:
    """The session without the frames of other channels; what the ticker says stays known."""
    recording, kept, bodies, place = history.recording, [], [], 0
    waiting = list(recording.bodies)
    for index, frame in enumerate(recording.frames):
        while waiting and waiting[0].position <= index:
            bodies.append(Body(place, waiting[0].url, waiting.pop(0).text))
        if wanted(history.venue.decode(frame.data)):
            kept.append(frame)
            place += 1
    bodies += [Body(place, body.url, body.text) for body in waiting]
    part = replay.History(recording._replace(frames=tuple(kept), bodies=tuple(bodies)), history.venue)
    part.oracle = history.oracle
    return part


def count(feed: Feed, expected: int) -> Result:
    """A feed without books: consume as many messages as the session has."""
    messages = 0
    with Stream(feed, queue_size=100_000) as stream:
        iterator = stream.messages()
        for _ in range(expected):
            next(iterator)
            messages += 1
        return result_of(stream, expected, messages)


def session(make: Make, history: replay.History) -> Result:
    """All of it, as fast as the server can, for a feed without books."""
    with play(history) as server:
        return count(make(server), len(history.frames))


def whole(make: Make, history: replay.History, sides: Callable[[Any], tuple[str, Any, Any]]) -> Result:
    """All of it, for a feed whose every message is a book: the best levels of each state are those of the frame as it was
    recorded, and at the end all of them.

    `sides`: a decoded frame → its key, bids and asks, as they stand in the book, best first.
    """
    truth: dict[str, list[Any]] = {}
    for frame in history.frames:
        key, *both = sides(history.venue.decode(frame.data))
        truth.setdefault(key, []).append(both)
    states: dict[str, int] = dict.fromkeys(truth, 0)
    found: list[bool] = []

    def compare(book: Book) -> int:
        found.append(_numbers(book, SHOWN) == _decimals(truth[keys[-1]][states[keys[-1]]], SHOWN))
        states[keys[-1]] += 1
        return 1

    def take(message: Any) -> int:
        keys.append(key_of(message))
        return 1

    keys: list[Any] = []  # of the messages so far
    with play(history) as server:
        feed = make(server)
        assert isinstance(feed.book, Levels)
        key_of = feed.rules().key or (lambda message: None)
        levels = msgspec.structs.replace(feed.book, checksum=compare, expected=take)
        with Stream(msgspec.structs.replace(feed, book=levels), queue_size=100_000) as stream:
            iterator = stream.messages()
            for _ in history.frames:
                next(iterator)
            result = result_of(stream, len(history.frames), len(history.frames))
            result.compared, result.contradicted = len(found), found.count(False)
            result.whole = {key: _numbers(book) for key, book in stream.books.items()} == {
                key: _decimals(both[-1]) for key, both in truth.items()
            }
            return result


def _decimals(both: Any, levels: Optional[int] = None) -> tuple[list[list[Decimal]], ...]:
    return tuple([[Decimal(str(number)) for number in level[:2]] for level in side[:levels]] for side in both)


def _numbers(book: Book, levels: Optional[int] = None) -> tuple[list[list[Decimal]], ...]:
    top = book.top(levels)
    return tuple([list(level) for level in side] for side in (top.bids, top.asks))


def told_after_a_cut(make: Make, history: replay.History, cut_after: int, heard: int = 0) -> tuple[Gap, list[str]]:
    """What a feed that cannot see loss says after a cut, and what its clients have said to the server: so many texts at least."""
    with play(history, rate=1000.0, cut_after=cut_after) as server:
        feed = msgspec.structs.replace(make(server), backoff=AGAIN)
        with Stream(feed, queue_size=100_000) as stream:
            gap = next(item for item in stream if isinstance(item, Gap))
            end = now() + PATIENCE
            while len(server.heard) < heard and now() < end:
                time.sleep(0.01)  # what is said on the new line is on its way
        return gap, server.heard


def books(make: Callable[[], Feed], server: replay.ReplayServer) -> Result:
    """A feed with books: until each is live at its last position. Every state on the way is compared with the ticker."""
    history = server.history
    oracle = {position: top for (_, position), top in history.oracle.items()}
    found: list[bool] = []

    def compare(book: Book) -> int:
        expected = oracle.get(book.position)
        if expected is not None:
            top = book.best()
            found.append(top.bid is not None and top.ask is not None and Top(*top.bid, *top.ask) == expected)
        return 1

    feed = make()
    levels = feed.book
    assert isinstance(levels, Levels)
    levels = msgspec.structs.replace(levels, checksum=compare, expected=lambda message: 1)
    expected = sum(delta is not None for delta in history.deltas)
    snapshot = None if feed.snapshot is None else msgspec.structs.replace(feed.snapshot, backoff=AGAIN)
    with Stream(msgspec.structs.replace(feed, book=levels, snapshot=snapshot), queue_size=100_000) as stream:
        end = now() + PATIENCE
        while {key: book.position for key, book in stream.books.items() if book.live} != history.final and now() < end:
            stream.get_many(timeout=0.01)
        result = result_of(stream, expected, stream.status.messages)
        result.compared, result.contradicted = len(found), found.count(False)
        result.whole = all(_same(stream.books[key], book) for key, book in server.final_books().items())
        return result


def play(history: replay.History, **settings: Any) -> replay.ReplayServer:
    """A server that sends as fast as it can, unless told otherwise."""
    return replay.ReplayServer(history, **{"speed": math.inf, **settings})


def check_faults(name: str, result: Result, server: replay.ReplayServer, *, compared: int) -> None:
    """What has to hold behind the fault of that name: healed, nothing contradicted on the way, every book whole at the end."""
    assert (result.unhealed, result.quarantined, result.contradicted, result.whole) == (0, 0, 0, True)
    assert result.compared >= compared
    if name == "duplicates":
        assert result.gaps == 0
        assert result.duplicates >= 0.9 * server.repeated > 0  # what comes again before its key is live is no duplicate
    else:
        assert result.gaps > 0
    if name == "cuts":
        assert server.cuts > 1
    if name == "old snapshots":
        assert sum(server.fetched.values()) >= 3 * len(server.history.final)


def _same(book: Book, reference: replay.Book) -> bool:
    top = book.top()
    return top.live and [[[format(number, "f") for number in level] for level in side] for side in (top.bids, top.asks)] == [
        *reference.levels()
    ]


def result_of(stream: Stream, expected: int, messages: int) -> Result:
    """What the stream says of itself, once it has counted so many messages."""
    end = now() + 2.0
    while stream.status.messages < messages and now() < end:
        time.sleep(0.01)  # the picture may be a tenth of a second old
    status = stream.status
    return Result(
        expected=expected,
        messages=messages,
        gaps=status.gaps,
        unhealed=status.unhealed,
        quarantined=status.quarantined,
        duplicates=status.duplicates,
    )
