"""`stream.books` along recorded sessions with losses and cuts: every state that is said to be live is the venue's own.

The books are looked at on the reader, after each message (by a checksum that only looks), and meanwhile from another thread.
"""

from __future__ import annotations

import math
import threading
from typing import Any, Optional

import msgspec
import pytest

from syncstream import Book, Feed, Levels, Stream
from syncstream.book import Top as BookTop
from syncstream.clock import now
from tests import replay
from tests.captures import test_binance_spot as binance
from tests.captures import test_kucoin as kucoin
from tests.replay import Top

PATIENCE = 30.0


def binance_levels(look: Any) -> Levels:
    """`b` and `a` in a message, `bids` and `asks` in a snapshot."""
    places: dict[str, Any] = {"bids": "data.b", "asks": "data.a", "snapshot_bids": "bids", "snapshot_asks": "asks"}
    return Levels(**places, checksum=look, expected=lambda message: 1)


def kucoin_levels(look: Any) -> Levels:
    """Rows have their own numbers, and price 0 where one was only used up."""

    def side(name: str) -> Any:
        return lambda message: [row for row in message["data"]["changes"][name] if row[0] != "0"]

    places = {"bids": side("bids"), "asks": side("asks"), "snapshot_bids": "data.bids", "snapshot_asks": "data.asks"}
    return Levels(**places, number=2, checksum=look, expected=lambda message: 1)


class Looker:
    """Owned by: the test. What was seen on the reader and from a thread."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, Optional[Top]]] = []  # on the reader: position and top
        self.pictures: list[tuple[Any, BookTop]] = []
        self._over = threading.Event()

    def checksum(self, book: Book) -> int:
        self.seen.append((book.position, top_of(book.best())))
        return 1

    def look(self, stream: Stream) -> None:
        while not self._over.is_set():
            self.pictures += [(key, book.top(1)) for key, book in stream.books.items()]
            self._over.wait(0.002)

    def end(self) -> None:
        self._over.set()


def top_of(top: BookTop) -> Optional[Top]:
    """As the replay has it."""
    return None if top.bid is None or top.ask is None else Top(*top.bid, *top.ask)


def truth_of(history: replay.History) -> dict[tuple[str, int], Optional[Top]]:
    """The venue's best prices at each position of each key."""
    truth: dict[tuple[str, int], Optional[Top]] = {}
    replay.Books(history, lambda key, book: truth.__setitem__((key, book.position), book.top())).advance(len(history.frames))
    return truth


def run(feed: Feed, server: replay.ReplayServer, looker: Looker) -> Stream:
    """Until every book is live and at its end. Nobody consumes: the oldest go, and the books are none the worse."""
    final = server.history.final
    with Stream(feed, overflow="drop_oldest", queue_size=100_000) as stream:
        thread = threading.Thread(target=looker.look, args=(stream,))
        thread.start()
        end = now() + PATIENCE
        while {key: book.position for key, book in stream.books.items() if book.live} != final and now() < end:
            threading.Event().wait(0.01)
        looker.end()
        thread.join(PATIENCE)
        assert {key: book.position for key, book in stream.books.items() if book.live} == final
        assert (stream.books.mismatches, stream.books.unreadable) == (0, 0)
        assert_whole(stream, server)
    return stream


def assert_whole(stream: Stream, server: replay.ReplayServer) -> None:
    """Every level of every book is the venue's, digit for digit."""
    for key, reference in server.final_books().items():
        top = stream.books[key].top()
        sides = [[[format(number, "f") for number in level] for level in side] for side in (top.bids, top.asks)]
        assert sides == [*reference.levels()], key


@pytest.mark.parametrize(
    "faults",
    [
        pytest.param({}, id="no fault"),
        pytest.param({"leave_out": 0.01, "seed": 4}, id="one percent left out"),
        pytest.param({"cut_after": 500}, id="cuts", marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("venue", ["binance", "kucoin"])
def test_what_is_live_is_right(venue: str, faults: dict[str, Any]) -> None:
    """On the reader after each message, and from another thread at any time; at the end level for level."""
    name = {"binance": "binance_spot_10sym_20210405", "kucoin": "kucoin_level2_20210425"}[venue]
    module: Any = {"binance": binance, "kucoin": kucoin}[venue]
    levels = {"binance": binance_levels, "kucoin": kucoin_levels}[venue]
    history, looker = replay.history(name), Looker()
    with replay.ReplayServer(history, speed=math.inf, rate=1500.0, **faults) as server:
        feed = msgspec.structs.replace(module.feed(server), book=levels(looker.checksum))
        stream = run(feed, server, looker)
    truth = truth_of(history)
    tops = {position: top for (_, position), top in truth.items()}  # no two keys share a position here
    assert len(tops) == len(truth)
    assert [(at, top, tops[at]) for at, top in looker.seen if at in tops and tops[at] != top] == []
    live = [(key, top) for key, top in looker.pictures if top.live and (key, top.position) in truth]
    assert [(key, top) for key, top in live if truth[key, top.position] != top_of(top)] == []
    oracle = {position: top for (_, position), top in history.oracle.items()}
    compared = [at for at, top in looker.seen if at in oracle and oracle[at] == top]
    assert [at for at, top in looker.seen if at in oracle and oracle[at] != top] == []
    assert len(compared) > 200
    assert len(live) > 100
    assert (stream.status.gaps > 0) is bool(faults)
