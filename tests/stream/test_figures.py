"""What a stream tells of itself: stats, lag, timestamps of the venue, slow callbacks, the list of all streams."""

from __future__ import annotations

import logging
import threading
import time
from itertools import islice
from typing import Any

import pytest

from syncstream import Overflow, Stats, Stream, clock, streams
from syncstream.testing import Broker

from .setting import PATIENCE, feed_of, plain_feed


@pytest.fixture
def broker() -> Any:
    """A venue that moves by hand."""
    with Broker(symbols=("ABC", "XYZ"), rate=0, heartbeat=0.1) as broker:
        yield broker


def opened(broker: Broker) -> None:
    broker.wait_for(lambda: broker.subscriptions and all(broker.subscriptions.values()), PATIENCE)


def pause(seconds: float) -> None:
    threading.Event().wait(seconds)


def test_what_waits_is_told_with_its_age(broker: Broker) -> None:
    """Depth, the deepest so far, bytes, and how long the oldest waits; nothing waits: no lag."""
    with Stream(plain_feed(broker)) as stream:
        iter(stream)  # the life of the stream, which it does not show, is kept for nobody
        opened(broker)
        assert (stream.status.lag, stream.stats().lag) == (None, None)
        broker.publish("ABC", 10)
        broker.wait_for(lambda: stream.status.queued == 10, PATIENCE)
        pause(0.05)
        status = stream.status
        assert (status.queued, status.depth, status.high_water) == (10, 10, 10)
        assert 10 * 100 < status.queued_bytes < 10 * 250
        assert status.lag is not None
        assert status.lag >= 0.05
        stream.get_many()
        status = stream.status
        assert (status.queued, status.depth, status.high_water, status.queued_bytes, status.lag) == (0, 0, 10, 0, None)


@pytest.mark.parametrize("form", ["get", "get_many", "for", "stamped", "run"])
def test_latency_is_what_an_item_waited(broker: Broker, form: str) -> None:
    """However it is taken: every item counts, and none less than it waited."""
    with Stream(plain_feed(broker)) as stream:
        opened(broker)
        broker.publish("ABC", 20)
        broker.wait_for(lambda: stream.status.queued == 20, PATIENCE)
        pause(0.05)
        if form == "get":
            taken = [stream.get() for _ in range(20)]
        elif form == "get_many":
            taken = stream.get_many(15) + stream.get_many(15)
        elif form == "for":
            taken = list(islice(stream, 20))
        elif form == "stamped":
            taken = list(islice(stream.stamped(), 20))
        else:
            taken = []
            stream.on()(taken.append)
            stream.start(2, markers="ignore")
            broker.wait_for(lambda: len(taken) == 20 and stream.stats().in_hand == 0, PATIENCE)
        assert len(taken) == 20
        latency = stream.stats().latency
        assert latency.count == 20
        assert 0.05 <= latency.p50 <= latency.p90 <= latency.p99 <= latency.p999 <= latency.maximum < PATIENCE


def test_stats_are_frozen_and_add_up(broker: Broker) -> None:
    """What came is what was delivered, dropped, discarded, or waits."""
    with Stream(plain_feed(broker), queue_size=10, overflow="drop_oldest") as stream:
        iter(stream)
        opened(broker)
        broker.publish("ABC", 30)
        broker.wait_for(lambda: stream.stats().dropped + stream.stats().queued >= 30, PATIENCE)
        stream.get()
        stats = stream.stats()
        assert isinstance(stats, Stats)
        assert stats.received == stats.delivered + stats.dropped + stats.discarded + stats.queued
        assert (stats.delivered, stats.high_water) == (1, 10)
        with pytest.raises(AttributeError):
            stats.delivered = 5  # type: ignore[misc]
        stream.close()
        stats = stream.stats()
        assert stats.received == stats.delivered + stats.dropped + stats.discarded + stats.queued
        assert (stats.queued, stats.lag) == (0, None)


def test_the_venues_own_timestamps(broker: Broker) -> None:
    """The journeys beyond the fastest; both clocks are this machine's, so the offset is the shortest journey."""
    with Stream(plain_feed(broker, timestamp="ts_ns", timestamp_unit="ns")) as stream:
        opened(broker)
        for number in range(1, 6):
            broker.publish("ABC")
            broker.wait_for(lambda number=number: stream.status.queued == number, PATIENCE)  # type: ignore[misc]
        stats = stream.stats()
        assert stats.exchange is not None
        assert stats.exchange.count == 5
        assert 0.0 <= stats.exchange.p50 <= stats.exchange.p99 < PATIENCE
        assert stats.clock_offset is not None
        assert 0.0 < stats.clock_offset < PATIENCE
    with Stream(plain_feed(broker)) as stream:
        assert (stream.stats().exchange, stream.stats().clock_offset) == (None, None)


def test_timestamps_that_cannot_be_read_are_left_out(broker: Broker, caplog: pytest.LogCaptureFixture) -> None:
    """Told once, and the stream goes on."""
    with Stream(plain_feed(broker, timestamp="side", timestamp_unit="iso")) as stream:
        opened(broker)
        for number in range(1, 4):
            broker.publish("ABC")
            assert stream.get(timeout=PATIENCE)["seq"] == number
        assert stream.stats().exchange is None
    assert len([record for record in caplog.records if "timestamp=" in record.getMessage()]) == 1


def test_what_was_held_for_a_snapshot_is_no_journey(broker: Broker) -> None:
    """It is old when it is let through; the wait for the snapshot is not the venue's."""
    broker.faults.slow_snapshot(0.3)
    with Stream(feed_of(broker, timestamp="ts_ns", timestamp_unit="ns")) as stream:
        opened(broker)
        broker.publish("ABC", 3)
        broker.wait_for(lambda: stream.latest.live("ABC"), PATIENCE)
        assert stream.stats().exchange is None
        broker.publish("ABC")
        broker.wait_for(lambda: stream.stats().exchange is not None, PATIENCE)
        exchange = stream.stats().exchange
        assert exchange is not None
        assert exchange.count == 1


def test_a_callback_that_hangs_is_named(broker: Broker, caplog: pytest.LogCaptureFixture) -> None:
    """While it does, with its key; what waits behind it is in the lag."""
    release = threading.Event()
    with caplog.at_level(logging.WARNING, "syncstream.watchdog"), Stream(plain_feed(broker)) as stream:

        @stream.on()
        def slow_trade(item: Any) -> None:
            release.wait()

        stream.start(1, markers="ignore", slow_after=0.02)
        opened(broker)
        broker.publish("ABC", 2)
        broker.wait_for(lambda: "slow_trade has held syncstream-worker-1" in caplog.text, PATIENCE)
        broker.wait_for(lambda: "of the" in caplog.text, PATIENCE)
        assert "key 'ABC'" in caplog.text
        assert (stream.status.lag or 0.0) > 0.0
        release.set()
        broker.wait_for(lambda: stream.stats().callbacks and stream.stats().callbacks[0].calls == 2, PATIENCE)
        assert stream.stats().callbacks[0].longest >= 0.02


def test_without_a_limit_nobody_watches(broker: Broker) -> None:
    """`slow_after=None`: no thread."""
    with Stream(plain_feed(broker)) as stream:
        stream.on()(lambda item: None)
        stream.start(1, markers="ignore", slow_after=None)
        assert "syncstream-watchdog" not in [thread.name for thread in threading.enumerate()]


def test_the_streams_of_this_process() -> None:
    """Those that have not ended."""
    with Broker(symbols=("ABC",), rate=0) as one, Stream(plain_feed(one), name="one") as a:
        with Stream(plain_feed(one), name="two") as b:
            assert {a, b} <= set(streams())
        assert b not in streams()
        assert a in streams()
        a._delivery.fail(Overflow("too slow"))
        assert clock.wait_event(a._reader.ended, PATIENCE)
        assert a not in streams()
        with pytest.raises(Overflow):
            a.get()


def test_a_stamped_item_came_when_it_came(broker: Broker) -> None:
    """Both clocks, between the publication and the arrival here."""
    with Stream(plain_feed(broker)) as stream:
        opened(broker)
        before, before_ns = clock.now(), time.time_ns()
        broker.publish("ABC")
        broker.wait_for(lambda: stream.status.queued == 1, PATIENCE)
        after, after_ns = clock.now(), time.time_ns()
        pause(0.02)
        stamped = next(stream.stamped())
        assert before - 0.2 <= stamped.at <= after  # it came in the turn of the reader that began at that moment
        assert before_ns - 200_000_000 <= stamped.at_ns <= after_ns + 2_000_000


def test_to_pandas_takes_what_comes_in_that_time(broker: Broker) -> None:
    """A typed table with the time as its index; it ends with the stream; what comes after is still there."""
    pytest.importorskip("pandas", reason="the extra 'pandas' is not installed")
    with Stream(plain_feed(broker)) as stream:
        opened(broker)
        broker.publish("ABC", 5)
        broker.wait_for(lambda: stream.status.queued == 5, PATIENCE)
        frame = stream.to_pandas(seconds=0.05)
        assert list(frame["seq"]) == [1, 2, 3, 4, 5]
        assert str(frame["seq"].dtype) == "Int64"
        assert frame.index.name == "received"
        assert frame.index.is_monotonic_increasing
        broker.publish("ABC")
        assert stream.get(timeout=PATIENCE)["seq"] == 6
        broker.publish("XYZ")
        broker.wait_for(lambda: "XYZ" in stream.latest, PATIENCE)
        table = stream.table()
        assert list(table.index) == ["ABC", "XYZ"]
        assert table.loc["ABC", "seq"] == 6
        stream.close()
        assert len(stream.to_pandas(seconds=5)) == 0


def test_to_pandas_gives_what_came_before_a_failure(broker: Broker) -> None:
    """As any other call: what was queued is had first, then the failure is raised, at the latest when the stream is left."""
    pytest.importorskip("pandas", reason="the extra 'pandas' is not installed")
    stream = Stream(plain_feed(broker), queue_size=20)
    opened(broker)
    stream.get_many(timeout=0.0)  # a consumer has started
    broker.publish("ABC", 500)
    assert clock.wait_event(stream._reader.ended, PATIENCE)
    assert len(stream.to_pandas(seconds=5)) == 20
    with pytest.raises(Overflow):
        stream.__exit__(None, None, None)
    with pytest.raises(Overflow):
        stream.to_pandas(seconds=5)


def test_a_callable_of_the_feed_sees_how_the_stream_is(broker: Broker) -> None:
    """It runs on the thread that takes the pictures, which cannot wait for itself; nobody need have asked before."""
    seen: list[Any] = []
    made: list[Stream] = []

    def key_of(message: Any) -> Any:
        if message["seq"] == 3:
            seen.append(made[0].status)
        return message["symbol"]

    with Stream(plain_feed(broker, key=key_of)) as stream:
        made.append(stream)
        opened(broker)
        for _ in range(3):
            broker.publish("ABC")
            stream.get(timeout=PATIENCE)
    assert [(status.state, status.lines, list(status.keys)) for status in seen[:1]] == [("live", 1, ["ABC"])]


def test_everybody_is_shown_how_the_stream_is(broker: Broker) -> None:
    """Many at once, and however long nobody has asked."""
    with Stream(plain_feed(broker)) as stream:
        opened(broker)
        broker.publish("ABC", 5)
        for _ in range(5):
            stream.get(timeout=PATIENCE)
        seen: list[int] = []
        asking = [threading.Thread(target=lambda: seen.append(stream.status.messages)) for _ in range(20)]
        for thread in asking:
            thread.start()
        for thread in asking:
            thread.join(PATIENCE)
        assert seen == [5] * 20
        broker.publish("ABC", 5)
        for _ in range(5):
            stream.get(timeout=PATIENCE)
        pause(0.11)  # a picture may be a tenth of a second old
        assert stream.status.messages == 10
    assert stream.status.state == "closed"
