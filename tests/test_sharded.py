"""Tests of sharded.py: many topics over several lines, as one stream. Real sockets, a venue that moves by hand."""

from __future__ import annotations

import gc
import threading
import weakref
from collections import Counter
from typing import Any, Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncstream import (
    Backoff,
    Budget,
    Connected,
    ConnectFailed,
    Empty,
    Event,
    Feed,
    FeedError,
    Gap,
    Overflow,
    Rest,
    Sharded,
    StreamClosed,
    UsageError,
    clock,
    streams,
)
from syncstream.inbox import Fail
from syncstream.sharded import share_out
from syncstream.testing import Broker, Replica
from syncstream.venues import binance
from tests.deadlines import within
from tests.stream.setting import PATIENCE, messages

SYMBOLS = tuple("ABCDEFGHIJ")

Make = Callable[..., Sharded[Any]]


@pytest.fixture
def broker() -> Iterator[Broker]:
    """Ten symbols, each with numbers of its own."""
    with Broker(symbols=SYMBOLS, rate=0, heartbeat=None) as broker:
        yield broker


@pytest.fixture
def make(broker: Broker) -> Iterator[Make]:
    """Opens them with four topics a line at most, waits until the venue has them all, and closes them."""
    opened: list[Sharded[Any]] = []

    def make(per_line: int = 4, **fields: Any) -> Sharded[Any]:
        opened.append(Sharded(feeds(broker, **fields), SYMBOLS, per_line=per_line))
        everything(broker)
        return opened[-1]

    yield make
    for stream in opened:
        stream.close()


def feeds(broker: Broker, **fields: Any) -> Callable[[list[Any]], Feed]:
    """Topics → a feed that tells its gaps, and comes back quickly."""
    short = Backoff(base=0.02, maximum=0.1, stable_after=0.5)
    return lambda topics: broker.feed(topics=topics, **{"snapshot": None, "book": None, "backoff": short, **fields})


def healing(broker: Broker) -> dict[str, Any]:
    """Fields that have snapshots and books as well."""
    feed = broker.feed()
    rest = Rest(broker.snapshot_url, position="seq", backoff=Backoff(base=0.02, maximum=0.1))
    return {"snapshot": rest, "book": feed.book, "verify_after": 0.2}


def everything(broker: Broker) -> None:
    """Wait until each symbol is subscribed, once."""
    broker.wait_for(
        lambda: sorted(topic for topics in broker.subscriptions.values() for topic in topics) == list(SYMBOLS), PATIENCE
    )


def publish(broker: Broker, stream: Sharded[Any], count: int = 1) -> None:
    """So many of each symbol, and wait until they are queued."""
    for symbol in broker.symbols:
        broker.publish(symbol, count)
    queued(broker, stream, count * len(broker.symbols))


def queued(broker: Broker, stream: Sharded[Any], count: int) -> None:
    """Wait until so many items are."""
    broker.wait_for(lambda: stream.status.queued >= count, PATIENCE)


def numbers(items: list[Any]) -> dict[str, list[int]]:
    """The numbers of each symbol, in the order they came."""
    found: dict[str, list[int]] = {}
    for item in items:
        found.setdefault(item["symbol"], []).append(item["seq"])
    return found


# ---------------------------------------------------------------- sharing out


@given(st.lists(st.integers(0, 50)), st.integers(1, 7))
def test_topics_are_shared_out(topics: list[int], per_line: int) -> None:
    """Each once, on as few lines as can be, equally many on each but for one."""
    lines = share_out(topics, per_line)
    assert sorted(topic for line in lines for topic in line) == sorted(set(topics))
    assert len(lines) == -(-len(set(topics)) // per_line)
    assert all(0 < len(line) <= per_line for line in lines)
    assert not lines or max(map(len, lines)) - min(map(len, lines)) <= 1


@given(st.sets(st.tuples(st.integers(0, 9), st.integers(0, 2))), st.integers(3, 7))
def test_topics_of_a_key_stay_together(topics: set[tuple[int, int]], per_line: int) -> None:
    """However few places are left on a line."""
    lines = share_out(sorted(topics), per_line, lambda topic: topic[0])
    assert sorted(topic for line in lines for topic in line) == sorted(topics)
    assert all(0 < len(line) <= per_line for line in lines)
    where = Counter(key for line in lines for key in {topic[0] for topic in line})
    assert set(where.values()) <= {1}


def test_a_key_with_too_many_topics() -> None:
    """It cannot be on one line, and must not be on two."""
    with pytest.raises(FeedError, match=r"per_line=2: 'A' alone has 3 topics"):
        share_out(["A1", "A2", "A3"], 2, lambda topic: topic[0])


# ---------------------------------------------------------------- consuming


def test_each_line_has_a_share(broker: Broker, make: Make) -> None:
    """Ten topics, four a line: three lines; a loop yields each message once, and each key's in order."""
    stream = make()
    assert sorted(map(len, broker.subscriptions.values())) == [3, 3, 4]
    assert len(stream.streams) == 3
    publish(broker, stream, 20)
    found = [next(iter(stream)) for _ in range(200)]
    assert numbers(found) == {symbol: list(range(1, 21)) for symbol in numbers(found)}
    assert len(numbers(found)) == 10


def test_a_busy_line_keeps_none_waiting(broker: Broker, make: Make) -> None:
    """Each line has its turn, item by item and in batches."""
    stream = make(per_line=5)
    broker.publish("A", 100)
    broker.publish("B", 3)
    queued(broker, stream, 103)
    assert Counter(stream.get()["symbol"] for _ in range(4)) == {"A": 2, "B": 2}
    assert Counter(item["symbol"] for item in stream.get_many(10)) == {"A": 9, "B": 1}


def test_get_and_get_many(broker: Broker, make: Make) -> None:
    """They wait, return what is there, and say when nothing is."""
    stream = make()
    with pytest.raises(Empty):
        stream.get_nowait()
    with pytest.raises(Empty):
        stream.get(timeout=0.01)
    assert stream.get_many(timeout=0.01) == []
    timer = threading.Timer(0.02, broker.publish, ("C",))
    timer.start()
    assert stream.get(timeout=PATIENCE)["symbol"] == "C"
    timer.join()
    publish(broker, stream, 5)
    taken = stream.get_many(17) + stream.get_many(1) + stream.get_many()
    assert len(taken) == 50
    assert all(found == sorted(found) for found in numbers(taken).values())
    for wrong in (0, 2.5):
        with pytest.raises(FeedError, match="max_items"):
            stream.get_many(wrong)  # type: ignore[arg-type]


def test_other_views(broker: Broker, make: Make) -> None:
    """The life of every line; messages only; each with its moment. One view, as ever."""
    stream = make()
    events = stream.events()
    publish(broker, stream)
    found = [next(events) for _ in range(3 + 10 + 10)]
    assert sum(isinstance(item, Connected) for item in found) == 3
    assert len(messages(found)) == 10
    with pytest.raises(UsageError, match="one view"):
        iter(stream)
    stream.close()
    stamped = make()
    publish(broker, stamped)
    began = clock.now()
    assert all(0 < began - next(stamped.stamped()).at < PATIENCE for _ in range(10))
    stamped.close()
    plain = make()
    publish(broker, plain)
    assert len(numbers([next(plain.messages()) for _ in range(10)])) == 10


def test_several_threads_share_it(broker: Broker, make: Make) -> None:
    """Each item goes to one of them, and all of them end."""
    stream = make()
    taken: list[list[Any]] = [[], [], []]

    def consume(mine: list[Any]) -> None:
        mine.extend(stream)

    threads = [threading.Thread(target=consume, args=(mine,)) for mine in taken]
    for thread in threads:
        thread.start()
    for symbol in SYMBOLS:
        broker.publish(symbol, 50)
    broker.wait_for(lambda: sum(map(len, taken)) == 500, PATIENCE)
    stream.close()
    for thread in threads:
        thread.join(PATIENCE)
    assert {symbol: sorted(found) for symbol, found in numbers([item for mine in taken for item in mine]).items()} == {
        symbol: list(range(1, 51)) for symbol in SYMBOLS
    }


# ---------------------------------------------------------------- what is known


def test_latest_books_and_status(broker: Broker, make: Make) -> None:
    """Those of all lines as one; a key that no line has is none."""
    stream = make(**healing(broker))
    broker.wait_for(lambda: len(stream.status.topics) == len(SYMBOLS), PATIENCE)
    assert sorted(stream.wait_live(0.0)) == list(SYMBOLS)
    for symbol in SYMBOLS:
        broker.publish(symbol, 50)
    assert stream.wait_live(PATIENCE) == []
    for symbol, state in broker.states().items():
        broker.wait_for(lambda symbol=symbol: stream.books[symbol].position == 50, PATIENCE)  # type: ignore[misc]
        top = stream.books[symbol].top(20)
        assert top.live
        assert {str(level.price): level.size for level in top.bids} == state.bids
        assert stream.latest.live(symbol)
    for known in (stream.latest, stream.latest(), stream.books, stream.status.keys, stream.status.topics):
        assert sorted(map(str, known)) == list(SYMBOLS)
    broker.wait_for(lambda: stream.status.state == "live", PATIENCE)
    assert (stream.status.lines, stream.status.connects) == (3, 3)
    assert "3 of 3 lines, 10 keys" in repr(stream)
    with pytest.raises(KeyError):
        stream.books["Z"]
    assert not stream.latest.live("Z")


def test_each_key_is_healed_on_its_line(broker: Broker, make: Make) -> None:
    """Holes and cuts of some lines; at the end the consumer knows what the venue knows, and nothing was wrong on the way."""
    stream, replica = make(**healing(broker)), Replica()
    for _ in range(3):
        broker.faults.drop(count=2)
        for symbol in SYMBOLS:
            broker.publish(symbol, 20)
        broker.faults.cut(connection=broker.connections[0])
        everything(broker)
        for symbol in SYMBOLS:
            broker.publish(symbol, 2)
        end = clock.now() + PATIENCE
        while replica.differences(broker):
            assert clock.now() < end, replica.differences(broker)
            for item in stream.get_many(timeout=0.1):
                replica.apply(item)
    assert replica.total.wrong == 0
    broker.wait_for(lambda: stream.status.reconnects == 3, PATIENCE)


def test_a_marker_of_a_line_is_about_its_own_keys(broker: Broker, make: Make) -> None:
    """A reconnect that may have lost something says so of each key of that line, never of every key there is."""
    stream = make(sequence=None)
    publish(broker, stream)
    assert len(stream.get_many(100)) == 10
    cut = broker.connections[0]
    lost = sorted(broker.subscriptions[cut])
    broker.faults.cut(connection=cut)
    broker.wait_for(lambda: stream.status.reconnects == 1, PATIENCE)
    everything(broker)
    publish(broker, stream)
    first = stream.get(timeout=PATIENCE)
    found = [first, *stream.get_many(2), *stream.get_many(100)]
    assert {item.key for item in found if isinstance(item, Gap)} == set(lost)
    assert sum(isinstance(item, Gap) for item in found) == len(lost)
    assert len(messages(found)) == 10
    assert not any(item.key is None for item in found if isinstance(item, Event))
    before = [index for index, item in enumerate(found) if not isinstance(item, Event) and item["symbol"] == lost[0]]
    assert all(index < before[0] for index, item in enumerate(found) if isinstance(item, Gap))


def test_a_feed_without_keys_has_nothing_to_tell_apart(broker: Broker) -> None:
    """Its markers come as they are."""
    with Sharded(feeds(broker, key=None, sequence=None, acks=None), SYMBOLS, per_line=5) as stream:
        everything(broker)
        broker.publish("A")
        queued(broker, stream, 1)
        broker.faults.cut(connection=next(number for number, topics in broker.subscriptions.items() if "A" in topics))
        broker.wait_for(lambda: stream.status.reconnects == 1, PATIENCE)
        everything(broker)
        broker.publish("A")
        found = [stream.get(timeout=PATIENCE) for _ in range(3)]
        assert [getattr(item, "key", item) for item in found if isinstance(item, Event)] == [None]


# ---------------------------------------------------------------- failing, ending


def test_a_failure_of_one_line_is_raised(broker: Broker, make: Make) -> None:
    """When all that line held has been taken, and every time; the others still have theirs."""
    stream = make()
    broker.publish("A", 2)
    queued(broker, stream, 2)
    stream.streams[0]._delivery.fail(Overflow("too slow"))
    assert [item["seq"] for item in stream.get_many(2)] == [1, 2]
    for _ in range(2):
        with pytest.raises(Overflow):
            stream.get()
        with pytest.raises(Overflow):
            stream.get_many()
    assert not stream.closed
    with pytest.raises(Overflow):
        stream.wait_live(PATIENCE)


def test_batches_are_not_lost_with_a_failure(broker: Broker, make: Make) -> None:
    """What was taken before it is returned, and the next call raises."""
    stream = make()
    stream.streams[0]._delivery.fail(Overflow("too slow"))
    broker.publish("B", 2)
    queued(broker, stream, 2)
    stream._delivery._turns._turns.rotate(-1)  # type: ignore[attr-defined]  # the line of B is next
    assert [item["seq"] for item in stream.get_many()] == [1, 2]
    with pytest.raises(Overflow):
        stream.get_many()


def left(broker: Broker, body: Callable[[Sharded[Any]], None]) -> None:
    """Open, let the second line fail, do something, and leave."""
    with Sharded(feeds(broker), SYMBOLS, per_line=4) as stream:
        stream.streams[1]._delivery.fail(Overflow("too slow"))
        body(stream)


def test_leaving_raises_what_nobody_has_seen(broker: Broker) -> None:
    """Once, however many lines have failed, and never over the body's own exception."""

    def wrong(stream: Sharded[Any]) -> None:
        raise KeyError

    def see(stream: Sharded[Any]) -> None:
        with pytest.raises(Overflow, match="slow"):
            list(stream)

    def see_one_of_two(stream: Sharded[Any]) -> None:
        stream.streams[2]._delivery.fail(Overflow("slow, too"))
        see(stream)

    def wait(stream: Sharded[Any]) -> None:
        with within(5.0, rather_than=PATIENCE), pytest.raises(Overflow):  # the first line goes on, and is silent
            stream.wait_live(PATIENCE)

    with pytest.raises(Overflow):
        left(broker, lambda stream: None)
    with pytest.raises(KeyError):
        left(broker, wrong)
    for told in (see, see_one_of_two, wait):
        left(broker, told)


def test_join(broker: Broker, make: Make) -> None:
    """It waits until all have ended, or one has failed, whichever that is."""
    stream = make()
    assert not stream.join(0)
    assert not stream.join(0.07)
    timer = threading.Timer(0.02, stream.close)
    timer.start()
    assert stream.join(PATIENCE)
    assert stream.join()
    timer.join()
    failing = make()
    timer = threading.Timer(0.02, failing.streams[2]._reader.post, (Fail(Overflow("too slow")),))
    timer.start()
    with within(0.1, rather_than=PATIENCE), pytest.raises(Overflow):
        failing.join(PATIENCE)
    timer.join()


def test_a_venue_that_is_not_there() -> None:
    """The stream fails as one with a single line does."""
    make = lambda topics: Feed("ws://127.0.0.1:9/", first_live_limit=0.05, subscribe=list, topics=topics)  # noqa: E731
    with Sharded(make, SYMBOLS, per_line=5) as stream, pytest.raises(ConnectFailed):
        list(stream)


def test_close_ends_all_lines(broker: Broker, make: Make) -> None:
    """Every wait ends, all that was left is counted, and doing it again changes nothing."""
    stream = make()
    publish(broker, stream, 2)
    stream.get()
    report = stream.close()
    assert (report.delivered, report.discarded, report.threads) == (1, 19, ())
    assert stream.closed
    assert stream.status.state == "closed"
    assert list(stream) == []
    with pytest.raises(StreamClosed):
        stream.get()
    with pytest.raises(StreamClosed):
        stream.get_many()
    assert stream.close() == report
    broker.wait_for(lambda: not broker.connections, PATIENCE)


def test_what_waits_can_be_taken_after_a_drain(broker: Broker, make: Make) -> None:
    """As of one stream."""
    stream = make()
    publish(broker, stream, 2)
    assert stream.close(drain=True).discarded == 0
    assert len(list(stream)) == 20


def test_lines_say_goodbye_at_the_same_time(broker: Broker, make: Make) -> None:
    """Ten lines that are not answered take no longer than one."""
    stream = make(per_line=1)
    broker.faults.half_open()
    with within(1.0, rather_than=10.0):
        stream.close(timeout=20.0)


def test_nobody_holds_it(broker: Broker) -> None:
    """It closes itself, like a stream; an iterator holds it."""
    items = iter(Sharded(feeds(broker), SYMBOLS, per_line=4))
    everything(broker)
    held = [weakref.ref(stream) for stream in streams()]
    gc.collect()
    assert len([reference for reference in held if reference() is not None]) == 3
    del items
    gc.collect()
    broker.wait_for(lambda: not broker.connections, PATIENCE)


def test_dials_are_paced_by_the_budget(broker: Broker) -> None:
    """Five lines, two dials within a third of a second: the last one waits for two more thirds."""
    began = clock.now()
    with Sharded(feeds(broker, dial_budget=Budget(count=2, per=0.33)), SYMBOLS, per_line=2):
        everything(broker)
        assert clock.now() - began >= 0.6
        assert broker.counts["connects"] == 5


# ---------------------------------------------------------------- what cannot be


def test_what_is_refused(broker: Broker) -> None:
    """By name, and before anything is dialled."""
    wrong: Any
    for wrong in ("ABC", [], ()):
        with pytest.raises(FeedError, match="topics="):
            Sharded(feeds(broker), wrong, per_line=4)
    for wrong in (0, 1.5, True, None):
        with pytest.raises(FeedError, match="per_line="):
            Sharded(feeds(broker), SYMBOLS, per_line=wrong)
    made: list[Any] = []

    def second_fails(topics: list[Any]) -> Feed:
        made.append(topics)
        if len(made) > 1:
            raise FeedError("symbols", topics, "none of mine")
        return feeds(broker)(topics)

    with pytest.raises(FeedError, match="none of mine"):
        Sharded(second_fails, SYMBOLS, per_line=4)
    with pytest.raises(FeedError, match="expected a Feed"):
        Sharded(lambda topics: feeds(broker)(topics) if "A" in topics else topics, SYMBOLS, per_line=4)  # type: ignore[return-value,arg-type]
    with pytest.raises(FeedError, match="queue_size"):
        Sharded(feeds(broker), SYMBOLS, per_line=4, queue_size=0)
    assert streams() == []


def test_an_adapter_points_to_it_where_topics_are_too_many() -> None:
    """Its shares are what the adapter takes."""
    symbols = [f"S{number}" for number in range(1500)]
    with pytest.raises(FeedError, match="Sharded"):
        binance.depth(symbols)
    urls = [str(binance.depth(share).endpoint) for share in share_out(symbols, 1024)]
    assert [url.count("@depth") for url in urls] == [750, 750]


def test_each_line_has_a_name(broker: Broker) -> None:
    """Names tell the lines apart in logs, and no line closes another in a notebook."""
    with Sharded(feeds(broker), SYMBOLS, per_line=4, name="box") as stream:
        assert [one.name for one in stream.streams] == ["box 1", "box 2", "box 3"]
        assert repr(stream).startswith("<Sharded box ")
