"""A venue that is faster than its consumer, under each policy: what is told, raised, healed, and what stays bounded."""

from __future__ import annotations

import threading
from typing import Any, Callable, Iterator, Optional

import pytest

from syncstream import Backoff, Dropped, Event, Gap, Overflow, Rest, Snapshot, Stream, StreamFailed, UsageError
from syncstream.clock import now
from syncstream.testing import Broker, Replica

from .setting import PATIENCE, catch_up, feed_of, marker, messages, plain_feed, take_until

SIZE = 100
BATCH = 64 * 1024 // 100
"""More messages than one turn of the reader can bring: none of the venue's has under 100 bytes."""


@pytest.fixture
def broker() -> Iterator[Broker]:
    """A venue that moves by hand, so that overload comes when it is wanted."""
    with Broker(symbols=("ABC", "XYZ"), rate=0, heartbeat=0.1) as broker:
        yield broker


def opened(broker: Broker) -> None:
    broker.wait_for(lambda: bool(broker.subscriptions) and all(broker.subscriptions.values()), PATIENCE)


def flood(broker: Broker, stream: Stream, count: int = 2000) -> None:
    """So many messages at once, each symbol in its turn, and wait until they tell."""
    for _ in range(count // 100):
        broker.publish("ABC", 50)
        broker.publish("XYZ", 50)
    broker.wait_for(lambda: stream.queue.qsize() >= SIZE // 2 or stream.closed or stream.status.dropped, PATIENCE)


def newest(stream: Stream, symbol: str, version: int) -> bool:
    """Whether this is the newest of the symbol. There may be none yet, or a snapshot."""
    item = stream.latest().get(symbol)
    return isinstance(item, dict) and item["version"] == version


def take_all(stream: Stream, timeout: float = 0.3) -> tuple[list[Any], Optional[StreamFailed]]:
    """Everything that comes until nothing does, and the failure at the end, if there is one."""
    items: list[Any] = []
    try:
        while batch := stream.get_many(timeout=timeout):
            items += batch
    except StreamFailed as failure:
        return items, failure
    return items, None


def versions(items: list[Any], symbol: str) -> list[int]:
    return [item["version"] for item in messages(items) if item["symbol"] == symbol]


def high_water(stream: Stream) -> int:
    """The most that ever waited."""
    return stream._delivery.tally().high_water


def consecutive(numbers: list[int]) -> bool:
    return numbers == list(range(numbers[0], numbers[0] + len(numbers))) if numbers else True


# ---------------------------------------------------------------- before anybody consumes


@pytest.mark.parametrize("policy", ["raise", "drop_oldest"])
def test_before_a_consumer_has_started_the_oldest_go(broker: Broker, policy: str) -> None:
    """An idle notebook must not die: what went is told, per symbol and exactly, and the newest is there."""
    with Stream(plain_feed(broker), queue_size=SIZE, overflow=policy) as stream:
        opened(broker)
        flood(broker, stream)
        broker.wait_for(lambda: newest(stream, "ABC", 1000) and newest(stream, "XYZ", 1000), PATIENCE)
        assert not stream.closed
        items, failure = take_all(stream)
        assert failure is None
        drops = {item.key: item.count for item in items if isinstance(item, Dropped)}
        assert items[: len(drops)] == [item for item in items if isinstance(item, Event)]
        for symbol in ("ABC", "XYZ"):
            left = versions(items, symbol)
            assert consecutive(left)
            assert drops[symbol] + len(left) == 1000
            assert not left or left[-1] == 1000
        assert sum(drops.values()) >= 2000 - SIZE
        broker.wait_for(lambda: stream.status.dropped == sum(drops.values()), PATIENCE)
        assert high_water(stream) <= SIZE
    assert broker.counts["connects"] == 1


@pytest.mark.parametrize("policy", ["raise", "drop_oldest", "conflate", "block"])
def test_what_went_before_a_consumer_had_started_is_healed(broker: Broker, policy: str) -> None:
    """With a snapshot source the first consumer gets a state that is whole."""
    replica = Replica()
    with Stream(feed_of(broker, resync_interval=0.05), queue_size=SIZE, overflow=policy, block_limit=0.1) as stream:
        opened(broker)
        broker.publish("ABC")
        broker.publish("XYZ")
        broker.wait_for(lambda: len(stream.latest) == 2, PATIENCE)
        flood(broker, stream)
        broker.wait_for(lambda: stream.status.dropped, PATIENCE)
        if policy != "block":  # that one reads on only when somebody takes
            counters = stream._reader.engine.order.counters
            broker.wait_for(lambda: all(one.position == 1001 for one in counters.values()), PATIENCE)  # all of it is here
        catch_up(stream, broker, replica)
        assert replica.total.dropped > 0
        assert stream.status.unhealed == 0
        assert high_water(stream) <= SIZE + (BATCH if policy == "block" else 0)
    assert replica.total.wrong == 0
    assert broker.counts["connects"] == 1


@pytest.mark.parametrize("heartbeat", [0.1, None])
def test_what_leaves_room_as_it_goes_is_healed_at_once(heartbeat: Optional[float]) -> None:
    """One symbol fills the queue; all of it goes, so there is room: the snapshot is asked for, though no message comes."""
    with Broker(symbols=("ABC",), rate=0, heartbeat=heartbeat) as broker:
        feed = feed_of(broker, heartbeat=None, resync_interval=0.0)
        with Stream(feed, queue_size=SIZE, overflow="drop_oldest") as stream:
            opened(broker)
            broker.publish("ABC")
            broker.wait_for(lambda: stream.latest.live("ABC"), PATIENCE)
            broker.publish("ABC", 120)
            broker.wait_for(lambda: stream.status.dropped, PATIENCE)
            broker.wait_for(lambda: stream.latest.live("ABC") and broker.counts["snapshots"] >= 2, 4.5)
            items, _ = take_all(stream, timeout=0.05)
        assert [type(item) for item in items[-2:]] == [Dropped, Snapshot]
        assert items[-1].position == 121


def test_callbacks_that_start_late_must_take_what_was_dropped(broker: Broker) -> None:
    """Where nothing heals it, a loss before start() is told like any other; who would not hear it is refused."""
    with Stream(plain_feed(broker), queue_size=SIZE) as stream:
        stream.on()(lambda item: None)
        stream.on(Gap)(lambda item: None)
        opened(broker)
        flood(broker, stream)
        broker.wait_for(lambda: stream.status.dropped, PATIENCE)
        broker.wait_for(lambda: newest(stream, "ABC", 1000) and newest(stream, "XYZ", 1000), PATIENCE)
        with pytest.raises(UsageError, match="no handler takes Dropped"):
            stream.start()
        dropped: list[Dropped] = []
        stream.on(Dropped)(dropped.append)
        stream.start()
        broker.wait_for(lambda: len(dropped) == 2, PATIENCE)


# ---------------------------------------------------------------- raise


def test_overflow_comes_after_what_was_queued(broker: Broker) -> None:
    """Nothing that could be taken is lost with it, and nothing of what is taken is out of place."""
    with Stream(plain_feed(broker), queue_size=SIZE) as stream:
        opened(broker)
        broker.publish("ABC")
        assert stream.get(timeout=PATIENCE)["version"] == 1
        flood(broker, stream)
        assert stream._reader.ended.wait(PATIENCE)
        items, failure = take_all(stream, timeout=PATIENCE)
        assert isinstance(failure, Overflow)
        assert len(items) == SIZE
        assert consecutive([1, *versions(items, "ABC")])
        assert consecutive(versions(items, "XYZ"))
        for _ in range(3):
            with pytest.raises(Overflow, match="too slow"):
                stream.get()
        broker.wait_for(lambda: not broker.connections, PATIENCE)
        assert stream.status.state == "failed"
        assert "too slow" in stream.status.error
        assert high_water(stream) <= SIZE


CONSUMERS: dict[str, Callable[[Stream], Any]] = {
    "for": lambda stream: [item for item in stream if slowly(item)],
    "events": lambda stream: [item for item in stream.events() if slowly(item)],
    "messages": lambda stream: [item for item in stream.messages() if slowly(item)],
    "run": lambda stream: stream.run(workers=2, markers="ignore"),
    "queue": lambda stream: [slowly(stream.queue.get()) for _ in iter(int, 1)],
}


def slowly(item: Any) -> bool:
    threading.Event().wait(0.002)
    return True


@pytest.mark.parametrize("name", CONSUMERS)
def test_every_kind_of_consumer_hears_of_an_overflow(name: str) -> None:
    """It is slower than the venue for good: the end is loud, not a silent hole."""
    with (
        Broker(symbols=("ABC", "XYZ"), rate=3000, heartbeat=0.1) as market,
        Stream(plain_feed(market), queue_size=SIZE) as stream,
    ):
        stream.on()(slowly)
        with pytest.raises(Overflow):
            CONSUMERS[name](stream)


# ---------------------------------------------------------------- drop_oldest


@pytest.mark.parametrize("policy", ["drop_oldest", "conflate"])
def test_a_slow_consumer_loses_what_is_old_and_is_healed(broker: Broker, policy: str) -> None:
    """Dropped, then the snapshot, then messages that go on from it; the line is not touched."""
    replica = Replica()
    with Stream(feed_of(broker, resync_interval=0.05), queue_size=SIZE, overflow=policy) as stream:
        opened(broker)
        broker.publish("ABC")
        broker.publish("XYZ")
        for _ in range(2):
            replica.apply(stream.get(timeout=PATIENCE))
        for _ in range(5):
            flood(broker, stream, 500)
            broker.wait_for(lambda: stream.status.dropped, PATIENCE)
            for item in stream.get_many(max_items=30, timeout=0.1):
                replica.apply(item)
        catch_up(stream, broker, replica)
        assert replica.total.dropped > 0
        broker.wait_for(lambda: stream.status.dropped == replica.total.dropped, PATIENCE)
        assert (stream.status.unhealed, stream.status.reconnects) == (0, 0)
        assert high_water(stream) <= SIZE
    assert replica.total.wrong == 0
    assert broker.counts["connects"] == 1


@pytest.mark.parametrize("policy", ["drop_oldest", "conflate"])
def test_a_consumer_that_is_always_too_slow_is_never_wrong(policy: str) -> None:
    """A market four times as fast as its reader: what it has is always true as of some moment, and whole in the end."""
    replica = Replica()
    with Broker(symbols=("A", "B", "C", "D"), rate=4000, heartbeat=0.1, seed=11) as market:
        feed = feed_of(market, resync_interval=0.02)
        with Stream(feed, queue_size=SIZE, overflow=policy) as stream:
            end = now() + 1.0
            while now() < end:
                replica.apply(stream.get(timeout=PATIENCE))
                threading.Event().wait(0.001)
            catch_up(stream, market, replica)
            assert replica.total.dropped > 100
            assert replica.total.snapshots > 4
            assert high_water(stream) <= SIZE
    assert replica.total.wrong == 0
    assert market.counts["connects"] == 1


def test_a_key_is_not_healed_more_often_than_it_may(broker: Broker) -> None:
    """A consumer who keeps falling behind must not become a storm of requests."""
    with Stream(feed_of(broker, resync_interval=30.0, verify_after=30.0), queue_size=SIZE, overflow="drop_oldest") as stream:
        opened(broker)
        broker.publish("ABC")
        broker.publish("XYZ")
        broker.wait_for(lambda: stream.latest.live("ABC") and stream.latest.live("XYZ"), PATIENCE)
        for _ in range(10):
            flood(broker, stream, 300)
            take_all(stream, timeout=0.02)
        assert stream.status.dropped
    assert broker.counts["snapshots"] == 2


def test_callbacks_that_are_too_slow_are_healed() -> None:
    """Items in the hands of workers count to the bound, and a key's callbacks see a whole state in the end."""
    replica = Replica()
    lock = threading.Lock()
    with Broker(symbols=("A", "B", "C"), rate=4000, heartbeat=0.1, seed=4) as market:
        stream = Stream(feed_of(market, resync_interval=0.02), queue_size=SIZE, overflow="drop_oldest")

        @stream.on(Event, dict)
        def apply(item: Any) -> None:
            with lock:
                replica.apply(item)
            threading.Event().wait(0.001)

        stream.start(workers=3)
        market.wait_for(lambda: stream.status.dropped > 300, PATIENCE)
        market.pause()

        def whole() -> bool:
            with lock:
                return not replica.differences(market)

        market.wait_for(whole, PATIENCE)
        assert high_water(stream) <= SIZE
        assert stream.close().threads == ()
    assert replica.total.wrong == 0


# ---------------------------------------------------------------- conflate


def test_conflate_keeps_the_newest_of_each_symbol(broker: Broker) -> None:
    """Without a snapshot source: one `Dropped` per symbol says how many were replaced, then the newest one and what follows."""
    with Stream(plain_feed(broker), queue_size=SIZE, overflow="conflate") as stream:
        opened(broker)
        broker.publish("ABC")
        assert stream.get(timeout=PATIENCE)["version"] == 1
        flood(broker, stream)
        broker.wait_for(lambda: newest(stream, "ABC", 1001), PATIENCE)
        broker.wait_for(lambda: newest(stream, "XYZ", 1000), PATIENCE)
        items, failure = take_all(stream)
        assert failure is None
        for symbol, first, last in (("ABC", 2, 1001), ("XYZ", 1, 1000)):
            left = versions(items, symbol)
            assert left[-1] == last
            dropped = sum(item.count for item in items if isinstance(item, Dropped) and item.key == symbol)
            assert dropped > 0
            assert dropped + len(left) == last - first + 1
        assert high_water(stream) <= SIZE


def test_a_quiet_symbol_is_not_touched_by_a_hot_one(broker: Broker) -> None:
    """What nothing newer replaces stays, however much of another symbol comes."""
    with Stream(plain_feed(broker), queue_size=SIZE, overflow="conflate") as stream:
        opened(broker)
        broker.publish("XYZ")
        broker.wait_for(lambda: len(stream.latest) == 1, PATIENCE)
        for _ in range(20):
            broker.publish("ABC", 50)
        broker.wait_for(lambda: newest(stream, "ABC", 1000), PATIENCE)
        items, _ = take_all(stream)
        assert [item.key for item in items if isinstance(item, Dropped)] == ["ABC"]
        assert versions(items, "XYZ") == [1]


# ---------------------------------------------------------------- bytes


@pytest.mark.parametrize("policy", ["drop_oldest", "conflate"])
def test_the_bound_in_bytes_holds(broker: Broker, policy: str) -> None:
    """Far fewer items than `queue_size`, because the bytes are all there; what is dropped is told and counted as ever."""
    with Stream(plain_feed(broker), queue_bytes=20_000, overflow=policy) as stream:
        opened(broker)
        flood(broker, stream)
        broker.wait_for(lambda: newest(stream, "XYZ", 1000), PATIENCE)
        broker.wait_for(lambda: newest(stream, "ABC", 1000), PATIENCE)
        broker.publish("ABC")  # one read that is too big stays until something else comes: it found nothing to make room for
        broker.wait_for(lambda: newest(stream, "ABC", 1001), PATIENCE)
        broker.wait_for(lambda: stream.status.queued_bytes <= 20_000, PATIENCE)
        status = stream.status
        assert 1 <= status.depth < 400
        assert status.queued_bytes > 0
        assert status.high_water < 1000
        items, failure = take_all(stream)
        assert failure is None
        assert sum(item.count for item in items if isinstance(item, Dropped)) + len(messages(items)) == 2001
        assert stream.status.queued_bytes == 0


def test_overflow_of_bytes_is_loud(broker: Broker) -> None:
    """The text names the bytes; what fitted can be taken first."""
    with Stream(plain_feed(broker), queue_bytes=20_000) as stream:
        opened(broker)
        broker.publish("ABC")
        assert stream.get(timeout=PATIENCE)["version"] == 1
        flood(broker, stream)
        assert stream._reader.ended.wait(PATIENCE)
        items, failure = take_all(stream, timeout=PATIENCE)
        assert isinstance(failure, Overflow)
        assert "bytes came together" in str(failure)
        assert consecutive([1, *versions(items, "ABC")])


def test_block_pauses_for_bytes(broker: Broker) -> None:
    """Nothing is lost, and reading goes on as soon as the consumer has taken half of the bytes."""
    with Stream(plain_feed(broker), queue_bytes=20_000, overflow="block", block_limit=30.0) as stream:
        opened(broker)
        publisher = threading.Thread(target=broker.publish, args=("ABC", 5000))
        publisher.start()
        taken = [stream.get(timeout=PATIENCE)["seq"] for _ in range(5000)]
        publisher.join()
        assert high_water(stream) < 2000
    assert taken == list(range(1, 5001))


# ---------------------------------------------------------------- block


def test_block_loses_nothing(broker: Broker) -> None:
    """Reading pauses while the queue is full and goes on when it is half empty; our own clocks do not kill the line meanwhile."""
    replica = Replica()
    with Stream(feed_of(broker, heartbeat=0.2), queue_size=SIZE, overflow="block", block_limit=30.0) as stream:
        opened(broker)
        broker.publish("ABC")
        broker.publish("XYZ")
        for _ in range(2):
            replica.apply(stream.get(timeout=PATIENCE))
        flood(broker, stream, 20_000)
        broker.wait_for(lambda: stream.queue.qsize() >= SIZE, PATIENCE)
        threading.Event().wait(0.5)  # more than the heartbeat allows
        waiting = stream.queue.qsize()
        assert SIZE <= waiting <= SIZE + BATCH
        assert stream.status.lines == 1
        catch_up(stream, broker, replica)
        assert high_water(stream) <= SIZE + BATCH
        assert (stream.status.dropped, stream.status.gaps) == (0, 0)
    assert replica.total.wrong == 0
    assert replica.total.applied >= 20_000
    assert broker.counts["connects"] == 1


def test_block_has_a_limit(broker: Broker) -> None:
    """Past it the stream fails as under `raise`: what is queued is taken first."""
    with Stream(plain_feed(broker), queue_size=SIZE, overflow="block", block_limit=0.3) as stream:
        opened(broker)
        broker.publish("ABC")
        assert stream.get(timeout=PATIENCE)["version"] == 1
        began = now()
        flood(broker, stream, 5000)
        assert stream._reader.ended.wait(PATIENCE)
        assert now() - began >= 0.3
        items, failure = take_all(stream, timeout=PATIENCE)
        assert isinstance(failure, Overflow)
        assert "pause" in str(failure)
        assert SIZE <= len(items) <= SIZE + BATCH
        assert consecutive([1, *versions(items, "ABC")])
        assert consecutive(versions(items, "XYZ"))


def test_block_before_a_consumer_drops_after_its_limit(broker: Broker) -> None:
    """It pauses first; nobody comes; then the oldest go, and what was paused comes in."""
    with Stream(plain_feed(broker), queue_size=SIZE, overflow="block", block_limit=0.2) as stream:
        opened(broker)
        flood(broker, stream, 5000)
        broker.wait_for(lambda: newest(stream, "XYZ", 2500), PATIENCE)
        items, failure = take_all(stream, timeout=0.1)
        assert failure is None
        dropped = sum(item.count for item in items if isinstance(item, Dropped))
        assert dropped + len(messages(items)) == 5000
        assert versions(items, "XYZ")[-1] == 2500


def test_block_goes_on_when_the_consumer_does(broker: Broker) -> None:
    """Many short pauses: each ends as soon as there is room, and nothing is missing."""
    with Stream(plain_feed(broker), queue_size=20, overflow="block", block_limit=30.0) as stream:
        opened(broker)
        publisher = threading.Thread(target=broker.publish, args=("ABC", 20_000))
        publisher.start()
        taken = [stream.get(timeout=PATIENCE)["seq"] for _ in range(20_000)]
        publisher.join()
    assert taken == list(range(1, 20_001))


def test_a_line_that_is_lost_during_a_pause_is_found_after_it(broker: Broker) -> None:
    """What had come before is delivered, the loss is seen, and the gap is healed."""
    replica = Replica()
    with Stream(feed_of(broker), queue_size=SIZE, overflow="block", block_limit=30.0) as stream:
        opened(broker)
        broker.publish("ABC")
        replica.apply(stream.get(timeout=PATIENCE))
        flood(broker, stream, 4000)
        broker.wait_for(lambda: stream.queue.qsize() >= SIZE, PATIENCE)
        broker.faults.cut()
        broker.publish("ABC", 10)
        catch_up(stream, broker, replica)
    assert replica.total.wrong == 0
    assert broker.counts["connects"] == 2


# ---------------------------------------------------------------- the line


@pytest.mark.parametrize("policy", ["raise", "drop_oldest", "conflate", "block"])
@pytest.mark.parametrize("consumer", ["idle", "callback hangs"])
def test_the_pings_of_the_venue_are_answered(policy: str, consumer: str) -> None:
    """Whatever the consumer does not do: the reader does not wait for it. (A pause may delay a pong, as long as it lasts.)"""
    released = threading.Event()
    options: dict[str, Any] = {"ping_interval": 0.05, "ping_timeout": 0.6, "heartbeat": 0.1, "seed": 2}
    with Broker(symbols=("ABC", "XYZ"), rate=500, **options) as market:
        rest = Rest(market.snapshot_url, position="seq", backoff=Backoff(base=0.02))
        stream = Stream(feed_of(market, snapshot=rest), queue_size=10_000, overflow=policy, block_limit=0.2)
        if consumer == "callback hangs":
            stream.on()(lambda item: released.wait())
            stream.start(markers="ignore")
        try:
            market.wait_for(lambda: market.counts["pongs"] >= 8, PATIENCE)
            assert market.counts["unanswered"] == 0
            assert (market.counts["connects"], stream.closed) == (1, False)
        finally:
            released.set()
            stream.close()


def test_a_snapshot_that_waits_for_its_time_comes_then() -> None:
    """The relief of the queue makes it due; on a quiet line nothing else happens that would show that, not even a question."""
    with Broker(symbols=("ABC",), rate=0, heartbeat=None) as broker:
        feed = feed_of(broker, heartbeat=None, resync_interval=2.0)
        with Stream(feed, queue_size=16, overflow="drop_oldest") as stream:
            opened(broker)
            broker.publish("ABC", 1)
            take_until(stream, marker(Snapshot, key="ABC"))
            broker.publish("ABC", 40)
            broker.wait_for(lambda: stream.stats().dropped > 0, PATIENCE)
            began = now()
            take_until(stream, marker(Snapshot, key="ABC"))
            assert now() - began < 8.0  # else with the next ping, after 15 s
