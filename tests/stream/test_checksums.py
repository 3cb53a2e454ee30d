"""A wrong checksum through the public API, on real sockets: the numbers are right, a message is not, and the book is healed."""

from __future__ import annotations

import functools
import zlib
from typing import Any, Callable, Optional

import msgspec
import pytest

from syncstream import Book, Feed, Gap, Levels, Snapshot, Stream
from syncstream.testing import Broker, Replica
from syncstream.testing.market import Market, State

from .setting import PATIENCE, catch_up, feed_of, marker, take_until
from .test_sources import SOURCES, asked, kind_of

SEED, SYMBOLS, MOST = 11, ("ABC", "XYZ"), 3000
BAD = 40
"""The version of ABC whose message is wrong."""


def sum_of(levels: Any) -> int:
    return zlib.crc32(";".join(f"{price}:{size}" for price, size in levels).encode())


def of_state(state: State) -> int:
    return sum_of([*state.bids.items(), *state.asks.items()])


def of_book(book: Book) -> int:
    return sum_of([(str(level.price), int(level.size)) for level in (*book.top().bids, *book.top().asks)])


@pytest.fixture(scope="module")
def truth() -> dict[tuple[str, int], int]:
    """What the venue would say with each message: the same market, moved beforehand."""
    market = Market(SYMBOLS, SEED)
    found = {}
    for symbol in SYMBOLS:
        for _ in range(MOST):
            market.books[symbol].move()
            state = market.books[symbol].state()
            found[symbol, state.version] = of_state(state)
    return found


def spoiling(symbol: str, version: int) -> Callable[[bytes], Any]:
    """A decoder that gets one message wrong, once."""
    left = [True]

    def decode(payload: bytes) -> Any:
        message = msgspec.json.decode(payload)
        if left and message.get("type") == "delta" and (message["symbol"], message["version"]) == (symbol, version):
            left.clear()
            message["size"] += 1
        return message

    return decode


def running(in_band: bool) -> Broker:
    """The market of `truth`."""
    return Broker(symbols=SYMBOLS, rate=150, heartbeat=0.1, seed=SEED, in_band=in_band)


def checked(broker: Broker, truth: dict[tuple[str, int], int], **changes: Any) -> Feed:
    levels = Levels(
        bids=lambda message: [(message["price"], message["size"])] if message["side"] == "bid" else None,
        asks=lambda message: [(message["price"], message["size"])] if message["side"] == "ask" else None,
        snapshot_bids="bids",
        snapshot_asks="asks",
        checksum=of_book,
        expected=lambda message: truth[message["symbol"], message["version"]] if message["version"] else None,
    )
    settings: dict[str, Any] = {
        "book": levels,
        "decode": spoiling("ABC", BAD),
        "classify": kind_of,
        "subscribe": asked("subscribe"),
        "unsubscribe": asked("unsubscribe"),
        "topics": SYMBOLS,
        "resync_interval": 0.05,
    }
    return feed_of(broker, **{**settings, **changes})


@pytest.mark.parametrize("source", [None, *SOURCES], ids=lambda name: name or "rest")
def test_a_wrong_book_is_healed(truth: dict[tuple[str, int], int], source: Optional[str]) -> None:
    """The gap is told where it is seen, a snapshot follows, and the books are the venue's again; no hole was ever told."""
    changes = {} if source is None else {"snapshot": SOURCES[source]}
    in_band = source in ("resubscribe", "reconnect")
    replica = Replica()
    with running(in_band) as broker, Stream(checked(broker, truth, **changes)) as stream:
        taken = take_until(stream, marker(Gap, reason="checksum"), stream.events())
        taken += take_until(stream, marker(Snapshot, key="ABC"), stream.events())
        for item in taken:
            replica.apply(item)
        catch_up(stream, broker, replica)
        assert {str(item.reason) for item in taken if isinstance(item, Gap)} <= {"checksum", "reconnect"}
        for symbol, state in broker.states().items():
            book = stream.books[symbol]
            broker.wait_for(functools.partial(getattr, book, "live"), PATIENCE)
            assert of_book(book) == of_state(state)
        assert stream.books.checking
        assert stream.books.mismatches >= 1
        assert stream.status.unhealed == 0


def test_without_a_source_it_is_told(truth: dict[tuple[str, int], int]) -> None:
    """In the default view, once; the book is stale until the next snapshot, and the others go on."""
    with running(True) as broker, Stream(checked(broker, truth, snapshot=None)) as stream:
        gap = take_until(stream, marker(Gap))[-1]
        assert (gap.key, gap.reason, gap.healing) == ("ABC", "checksum", False)
        assert (stream.books["ABC"].live, stream.books["XYZ"].live) == (False, True)
        stream.send({"action": "snapshot", "symbols": ["ABC"]})
        taken = take_until(stream, marker(Snapshot, key="ABC"))
        assert [item for item in taken if isinstance(item, Gap)] == []
        broker.wait_for(lambda: stream.books["ABC"].live, PATIENCE)


def test_a_check_that_is_wrong_itself_ends(truth: dict[tuple[str, int], int]) -> None:
    """Ten times; then the keys that it doubted are healed for the last time, and believed."""
    nonsense = dict.fromkeys(truth, 1)
    with running(False) as broker, Stream(checked(broker, nonsense), overflow="drop_oldest") as stream:
        broker.wait_for(lambda: "ABC" in stream.books and not stream.books.checking, PATIENCE)
        broker.wait_for(lambda: stream.books["ABC"].live and stream.books["XYZ"].live, PATIENCE)
        before = broker.counts["sent"]
        broker.wait_for(lambda: broker.counts["sent"] > before + 100, PATIENCE)
        assert stream.books.mismatches == 10
        assert stream.books["ABC"].live
    assert stream.status.gaps < 10
