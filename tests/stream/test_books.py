"""`stream.books` through the public API: what the venue's book is, through every fault, from any thread."""

from __future__ import annotations

import threading
from decimal import Decimal
from typing import Any, Iterator

import pytest

from syncstream import Book, Feed, Levels, Rest, Snapshot, Stream, UsageError
from syncstream.clock import now
from syncstream.testing import Broker, State

from .setting import PATIENCE, feed_of, plain_feed


def side_of(side: str) -> Any:
    """Where a broker's message has its one row, if it is on this side."""
    return lambda message: [(message["price"], message["size"])] if message["side"] == side else None


LEVELS = Levels(bids=side_of("bid"), asks=side_of("ask"), snapshot_bids="bids", snapshot_asks="asks")


@pytest.fixture
def broker() -> Iterator[Broker]:
    """A market that moves."""
    with Broker(symbols=("ABC", "XYZ"), rate=150, heartbeat=0.1, seed=5) as broker:
        yield broker


def book_feed(broker: Broker, **changes: Any) -> Feed:
    return feed_of(broker, **{"book": LEVELS, **changes})


def wait(true: Any, what: str) -> None:
    """Until it is true."""
    end = now() + PATIENCE
    while not true():
        assert now() < end, what
        threading.Event().wait(0.005)


def equal(book: Book, state: State) -> bool:
    """Whether a book is the venue's, level for level."""
    top = book.top()
    sides = [[(Decimal(price), Decimal(size)) for price, size in side.items()] for side in (state.bids, state.asks)]
    return top.live and top.position == state.position and [[*top.bids], [*top.asks]] == sides


def settle(stream: Stream, broker: Broker) -> None:
    """Wait until there are books, pause the market, and wait until they are the venue's."""
    wait(lambda: len(stream.books) == 2, "no books")
    broker.pause()
    for symbol in ("ABC", "XYZ"):
        wait(
            lambda symbol=symbol: symbol in stream.books and equal(stream.books[symbol], broker.state(symbol)),
            f"{symbol}: {stream.books.get(symbol)!r}, {stream.status}",
        )
    broker.resume()


def test_books_follow_the_market_without_a_consumer(broker: Broker) -> None:
    """Nobody takes anything, and the books are right; they end with the stream."""
    with Stream(book_feed(broker)) as stream:
        settle(stream, broker)
        held = stream.books["ABC"]
        assert set(stream.books) == {"ABC", "XYZ"}
        assert (stream.books.unreadable, stream.books.mismatches) == (0, 0)
    assert not held.live
    assert len(held) > 0


@pytest.mark.parametrize("fault", ["drop", "duplicate", "cut", "garbage"])
def test_books_are_right_again_after_a_fault(broker: Broker, fault: str) -> None:
    """Whatever was lost is healed by a snapshot, in the same book that the user holds."""
    with Stream(book_feed(broker)) as stream:
        settle(stream, broker)
        held = stream.books["ABC"]
        before = broker.state("ABC").position
        getattr(broker.faults, fault)()
        wait(lambda: broker.state("ABC").position > before + 20, "the market stands still")
        settle(stream, broker)
        assert stream.books["ABC"] is held


def test_a_live_book_is_never_wrong_and_never_half(broker: Broker) -> None:
    """Under losses and cuts, each picture that says it is live is the venue's book at that position."""
    seen: list[Any] = []
    over = threading.Event()

    def look(stream: Stream) -> None:
        while not over.is_set():
            for key, book in stream.books.items():
                top = book.top()
                if top.live:
                    seen.append((key, top))
            over.wait(0.001)

    truth: dict[tuple[str, int], State] = {}
    with Stream(book_feed(broker)) as stream:
        settle(stream, broker)
        broker.pause()
        looker = threading.Thread(target=look, args=(stream,))
        looker.start()
        for turn in range(300):
            symbol = ("ABC", "XYZ")[turn % 2]
            if turn % 40 == 20:
                broker.faults.drop(count=2)
            if turn % 100 == 70:
                broker.faults.cut()
            broker.publish(symbol, 1)
            state = broker.state(symbol)
            truth[symbol, state.position] = state
            over.wait(0.002)
        settle(stream, broker)
        over.set()
        looker.join(PATIENCE)
    compared = [(top, truth[key, top.position]) for key, top in seen if (key, top.position) in truth]
    for top, state in compared:
        assert {str(level.price): int(level.size) for level in top.bids} == state.bids
        assert {str(level.price): int(level.size) for level in top.asks} == state.asks
    assert len({(id(state), state.position) for _, state in compared}) > 20
    assert stream.status.gaps > 0


def test_a_book_is_said_to_be_stale_while_it_heals(broker: Broker) -> None:
    """From the hole until the snapshot, which is held back, its levels stay and `live` is false."""
    with Stream(book_feed(broker, snapshot=Rest(broker.snapshot_url, position="seq", timeout=PATIENCE))) as stream:
        settle(stream, broker)
        book = stream.books["ABC"]
        broker.faults.slow_snapshot(1.0)
        broker.faults.drop(count=1, symbol="ABC")
        wait(lambda: not book.live, "nobody noticed")
        assert len(book) > 0
        broker.faults.clear()
        settle(stream, broker)


def test_without_a_source_a_gap_leaves_a_stale_book(broker: Broker) -> None:
    """No snapshot, no book; the feed has to say so by an in-band one, and a broker has none."""
    feed = plain_feed(broker, book=LEVELS, classify=lambda message: None)
    with Stream(feed) as stream:
        wait(lambda: stream.status.messages > 20, "nothing comes")
        assert dict(stream.books) == {}


def test_a_topic_that_is_left_has_no_book(broker: Broker) -> None:
    """Unsubscribed at run time: gone from the mapping, and stale where somebody holds it."""
    feed = book_feed(
        broker,
        subscribe=lambda topics: {"action": "subscribe", "symbols": list(topics)},
        unsubscribe=lambda topics: {"action": "unsubscribe", "symbols": list(topics)},
        topics=["ABC", "XYZ"],
    )
    with Stream(feed) as stream:
        settle(stream, broker)
        held = stream.books["ABC"]
        stream.unsubscribe("ABC")
        wait(lambda: "ABC" not in stream.books, "it is still there")
        assert not held.live
        assert stream.books["XYZ"].live


def test_the_book_is_at_least_as_new_as_what_was_consumed(broker: Broker) -> None:
    """It is moved before the consumer is told."""
    with Stream(book_feed(broker)) as stream:
        for number, item in enumerate(stream):
            position = item.position if isinstance(item, Snapshot) else item["seq"]
            key = item.key if isinstance(item, Snapshot) else item["symbol"]
            assert stream.books[key].position >= position
            if number > 100:
                break


def test_a_feed_without_levels_has_no_books(broker: Broker) -> None:
    """Asking for them says what the feed lacks."""
    with Stream(feed_of(broker)) as stream, pytest.raises(UsageError, match="book=Levels"):
        _ = stream.books
