"""Tests of merge.py: several streams in one loop, over real streams."""

from __future__ import annotations

import gc
import threading
import weakref
from itertools import islice
from typing import Any, Iterator

import pytest

from syncstream import Feed, FeedError, Overflow, Stream, UsageError, clock, merge
from syncstream.testing import Broker
from tests.stream.setting import PATIENCE, plain_feed


@pytest.fixture
def brokers() -> Iterator[tuple[Broker, Broker]]:
    """Two venues that move by hand."""
    with Broker(symbols=("ABC",), rate=0, heartbeat=0.1) as one, Broker(symbols=("XYZ",), rate=0, heartbeat=0.1) as other:
        yield one, other


@pytest.fixture
def streams(brokers: tuple[Broker, Broker]) -> Iterator[tuple[Stream, Stream]]:
    with Stream(plain_feed(brokers[0]), name="a") as a, Stream(plain_feed(brokers[1]), name="b") as b:
        for broker in brokers:
            subscribed(broker)
        yield a, b


def subscribed(broker: Broker) -> None:
    """Wait until the stream is."""
    broker.wait_for(lambda: broker.subscriptions and all(broker.subscriptions.values()), PATIENCE)


def waiting(broker: Broker, stream: Stream, count: int) -> None:
    """Publish so many, and wait until they are queued."""
    broker.publish(broker.symbols[0], count)
    broker.wait_for(lambda: stream.queue.qsize() >= count, PATIENCE)


def test_each_has_its_turn(brokers: tuple[Broker, Broker], streams: tuple[Stream, Stream]) -> None:
    """One item of each as long as both have some, however many one of them has; the order of each holds."""
    waiting(brokers[0], streams[0], 30)
    waiting(brokers[1], streams[1], 3)
    found = [(stream.name, item["seq"]) for stream, item in islice(merge(*streams), 33)]
    assert found[:6] == [("a", 1), ("b", 1), ("a", 2), ("b", 2), ("a", 3), ("b", 3)]
    assert found[6:] == [("a", seq) for seq in range(4, 31)]


def test_it_waits_for_whichever_comes_first(brokers: tuple[Broker, Broker], streams: tuple[Stream, Stream]) -> None:
    """No polling: the wait is one for all."""
    merged = merge(*streams)
    for broker, stream in (*zip(brokers, streams), *zip(brokers, streams)):
        timer = threading.Timer(0.02, broker.publish, (broker.symbols[0],))
        timer.start()
        assert next(merged)[0] is stream
        timer.join()


def test_break_loses_nothing(brokers: tuple[Broker, Broker], streams: tuple[Stream, Stream]) -> None:
    """The rest is still there, for another merge or for the stream itself."""
    waiting(brokers[0], streams[0], 5)
    assert [item["seq"] for _, item in islice(merge(*streams), 2)] == [1, 2]
    assert [item["seq"] for _, item in islice(merge(*streams), 2)] == [3, 4]
    assert streams[0].get_nowait()["seq"] == 5


def test_it_ends_when_all_are_closed(brokers: tuple[Broker, Broker], streams: tuple[Stream, Stream]) -> None:
    """A closed one is left out; what it held is taken first. Nothing to merge ends at once."""
    waiting(brokers[0], streams[0], 2)
    streams[0].close(drain=True)
    merged = merge(*streams)
    assert [(stream.name, item["seq"]) for stream, item in islice(merged, 2)] == [("a", 1), ("a", 2)]
    timer = threading.Timer(0.02, streams[1].close)
    timer.start()
    assert list(merged) == list(merged) == []
    timer.join()
    assert list(merge()) == []


def test_a_failure_is_raised_in_its_turn(brokers: tuple[Broker, Broker], streams: tuple[Stream, Stream]) -> None:
    """When all it held has been taken, and every time; the other stream is untouched."""
    waiting(brokers[0], streams[0], 1)
    merged = merge(*streams)
    streams[0]._delivery.fail(Overflow("too slow"))
    assert next(merged)[1]["seq"] == 1
    for _ in range(2):
        with pytest.raises(Overflow):
            next(merged)
    waiting(brokers[1], streams[1], 1)
    assert next(merge(streams[1]))[1]["symbol"] == "XYZ"


def test_what_cannot_be_merged(brokers: tuple[Broker, Broker], streams: tuple[Stream, Stream]) -> None:
    """Things that are no streams, a stream twice, one whose view is another, one whose callbacks run."""
    wrong: Any = streams[0].queue
    with pytest.raises(FeedError, match=r"streams=.*takes streams"):
        merge(wrong)
    with pytest.raises(FeedError, match="each stream once"):
        merge(streams[0], streams[0])
    streams[0].messages()
    with pytest.raises(UsageError, match="one view"):
        merge(*streams)
    streams[1].on()(lambda item: None)
    streams[1].start(markers="ignore")
    with pytest.raises(UsageError, match="callbacks are running"):
        merge(streams[1])


def test_it_keeps_its_streams_and_they_not_it() -> None:
    """`for stream, item in merge(Stream(a), Stream(b))` goes on; with the loop they go, and a stream remembers no merge."""
    with Broker(symbols=("ABC",), rate=0, heartbeat=0.1) as broker:
        stream = Stream(plain_feed(broker))
        merged = merge(stream)
        reference = weakref.ref(stream)
        event = weakref.ref(merged._turns._came)  # type: ignore[attr-defined]
        reader = stream._reader
        del stream
        gc.collect()
        assert reference() is not None
        del merged
        gc.collect()
        assert (reference(), event()) == (None, None)
        assert clock.wait_event(reader.ended, PATIENCE)


def test_a_merged_stream_that_is_only_there_to_be_closed() -> None:
    """One that never had a line ends with its own failure, not with silence."""
    with Stream(Feed("ws://127.0.0.1:9/", first_live_limit=0.05)) as stream, pytest.raises(ConnectionError):
        next(merge(stream))
