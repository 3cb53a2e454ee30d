"""The forms in which a stream is consumed, and its views."""

from __future__ import annotations

import itertools
import queue
import threading
from typing import Any, Iterator, Union

import msgspec
import pytest

from syncstream import (
    Closed,
    Connected,
    Event,
    Feed,
    Gap,
    HandlerFailed,
    Resynced,
    Snapshot,
    Stream,
    StreamClosed,
    UsageError,
)
from syncstream.testing import Broker, Replica

from .setting import PATIENCE, catch_up, feed_of, marker, messages, plain_feed, take_until


@pytest.fixture
def broker() -> Iterator[Broker]:
    """A venue that moves by hand."""
    with Broker(symbols=("ABC", "XYZ"), rate=0, heartbeat=0.2) as broker:
        yield broker


def opened(stream: Stream, broker: Broker) -> None:
    broker.wait_for(lambda: broker.subscriptions and all(broker.subscriptions.values()), PATIENCE)


def test_the_loop_gives_every_message_in_order(broker: Broker) -> None:
    """A plain for loop sees what the venue sent, one after the other, and nothing else."""
    with Stream(plain_feed(broker)) as stream:
        opened(stream, broker)
        broker.publish("ABC", 50)
        taken = list(itertools.islice(stream, 50))
    assert [message["seq"] for message in taken] == list(range(1, 51))


def test_break_loses_nothing(broker: Broker) -> None:
    """After a break the next loop goes on with the next message."""
    with Stream(plain_feed(broker)) as stream:
        opened(stream, broker)
        broker.publish("ABC", 20)
        for message in stream:
            if message["seq"] == 5:
                break
        assert next(iter(stream))["seq"] == 6


def test_get_says_empty_in_both_words(broker: Broker) -> None:
    """A time-out is a TimeoutError and a queue.Empty, and the stream goes on after it."""
    with Stream(plain_feed(broker)) as stream:
        opened(stream, broker)
        with pytest.raises(TimeoutError):
            stream.get(timeout=0.01)
        with pytest.raises(queue.Empty):
            stream.get_nowait()
        broker.publish("ABC")
        assert stream.get(timeout=PATIENCE)["seq"] == 1


def test_get_many_waits_for_the_first_only(broker: Broker) -> None:
    """A batch is what is there once something is there; an empty list when nothing comes."""
    with Stream(plain_feed(broker)) as stream:
        opened(stream, broker)
        assert stream.get_many(timeout=0.01) == []
        broker.publish("ABC", 30)
        taken: list[Any] = []
        while len(taken) < 30:
            batch = stream.get_many(max_items=7, timeout=PATIENCE)
            assert 1 <= len(batch) <= 7
            taken += batch
    assert [message["seq"] for message in taken] == list(range(1, 31))


def test_the_queue_is_a_queue(broker: Broker) -> None:
    """Code that knows only queue.Queue gets items, time-outs, counts and task_done as it expects."""
    with Stream(plain_feed(broker)) as stream:
        work = stream.queue
        assert isinstance(work, queue.Queue)
        opened(stream, broker)
        with pytest.raises(queue.Empty):
            work.get(timeout=0.01)
        with pytest.raises(queue.Empty):
            work.get(block=False)
        broker.publish("ABC", 2)
        first = work.get(timeout=PATIENCE)
        second = work.get(timeout=PATIENCE)
        assert (first["seq"], second["seq"]) == (1, 2)
        assert work.empty()
        work.task_done()
        work.task_done()
        work.join()
        with pytest.raises(UsageError):
            work.put("mine")


def test_latest_needs_no_consumer(broker: Broker) -> None:
    """The last message of each key can be looked up while nobody consumes; an unseen key is a KeyError."""
    with Stream(plain_feed(broker)) as stream:
        opened(stream, broker)
        broker.publish("ABC", 3)
        broker.publish("XYZ", 2)
        broker.wait_for(lambda: stream.latest.get("XYZ", {}).get("seq") == 2, PATIENCE)
        assert stream.latest["ABC"]["seq"] == 3
        assert stream.latest.live("ABC")
        assert sorted(map(str, stream.latest)) == ["ABC", "XYZ"]
        with pytest.raises(KeyError):
            stream.latest["NONE"]
        assert stream.get(timeout=1)["seq"] == 1  # and the queue still has everything


def reached_15(item: Any) -> bool:
    """Whether this message or snapshot stands at 15."""
    return bool(item.position == 15 if isinstance(item, Snapshot) else item["seq"] == 15)


def test_a_snapshot_comes_before_the_first_message(broker: Broker) -> None:
    """With a snapshot source each key begins with its whole state."""
    broker.publish("ABC", 10)
    with Stream(feed_of(broker)) as stream:
        opened(stream, broker)
        broker.publish("ABC", 5)
        taken = take_until(stream, reached_15)
    assert isinstance(taken[0], Snapshot)
    assert taken[0].key == "ABC"
    assert [message["seq"] for message in messages(taken)] == list(range(taken[0].position + 1, 16))


def test_events_show_the_life_of_the_stream(broker: Broker) -> None:
    """events() holds connects, gaps that heal, resyncs and the end, in the order of the messages."""
    stream = Stream(feed_of(broker))
    items = stream.events()
    opened(stream, broker)
    broker.publish("ABC")
    taken = take_until(stream, marker(Resynced, key="ABC"), items)
    broker.faults.drop(count=1)
    broker.publish("ABC", 2)
    taken += take_until(stream, marker(Resynced, key="ABC"), items)
    stream.close(drain=True)
    taken += list(items)
    kinds = [type(item) for item in taken if isinstance(item, Event)]
    assert kinds[0] is Connected
    assert kinds[-1] is Closed
    gap = next(item for item in taken if isinstance(item, Gap))
    assert (gap.key, gap.healing, gap.missing) == ("ABC", True, 1)
    assert kinds.index(Gap) < kinds.index(Snapshot, kinds.index(Gap)) < len(kinds) - 1


def test_messages_shows_no_marker(broker: Broker) -> None:
    """messages() is for those who keep no state: a gap is not in it."""
    with Stream(plain_feed(broker)) as stream:
        items = stream.messages()
        opened(stream, broker)
        broker.publish("ABC")
        broker.wait_for(lambda: "ABC" in stream.latest, PATIENCE)
        broker.faults.drop(count=1)
        broker.publish("ABC", 2)
        assert [next(items)["seq"], next(items)["seq"]] == [1, 3]


def test_views_do_not_mix(broker: Broker) -> None:
    """The first consuming call fixes the view; another one is refused by name."""
    with Stream(plain_feed(broker)) as stream:
        stream.events()
        with pytest.raises(UsageError, match=r"events\(\)"):
            stream.messages()


class Delta(msgspec.Struct, tag="delta", tag_field="type"):
    """A venue's delta, typed."""

    symbol: str
    seq: int
    version: int
    side: str
    price: str
    size: int
    volume: int


class Beat(msgspec.Struct, tag="heartbeat", tag_field="type"):
    """Its heartbeat."""


class Ack(msgspec.Struct, tag="subscribed", tag_field="type"):
    """Its answer to a subscription."""


def test_typed_messages_from_a_tagged_union(broker: Broker) -> None:
    """decode= takes any msgspec type; members without the key are not delivered."""
    with Stream(plain_feed(broker, decode=Union[Delta, Beat, Ack])) as stream:
        opened(stream, broker)
        broker.publish("XYZ", 2)
        taken = [stream.get(timeout=PATIENCE), stream.get(timeout=PATIENCE)]
    assert [(type(item), item.symbol, item.seq) for item in taken] == [(Delta, "XYZ", 1), (Delta, "XYZ", 2)]


def test_text_and_bytes_as_they_are(broker: Broker) -> None:
    """decode=str and decode=bytes deliver frames undecoded, heartbeats and acks included."""
    for kind in (str, bytes):
        with Stream(Feed(broker.url, subscribe=broker.subscribe, decode=kind)) as stream:
            item = take_until(stream, lambda item: not isinstance(item, Event))[-1]
            assert type(item) is kind


def test_callbacks_by_type_in_order_per_key(broker: Broker) -> None:
    """run() calls each handler with what it asked for; one key's messages come in order."""
    stream = Stream(feed_of(broker))
    seen: dict[str, list[int]] = {"ABC": [], "XYZ": []}
    snapshots = []
    done = threading.Event()

    @stream.on()
    def message(item: Any) -> None:
        seen[item["symbol"]].append(item["seq"])
        if all(numbers and numbers[-1] == 200 for numbers in seen.values()):
            done.set()

    @stream.on(Snapshot, Gap)
    def state(event: Any) -> None:
        snapshots.append(event)

    stream.start(workers=4)
    opened(stream, broker)
    for symbol in ("ABC", "XYZ"):
        broker.publish(symbol)
    broker.wait_for(lambda: len(snapshots) == 2, PATIENCE)
    while broker.state("XYZ").position < 200:
        broker.publish("ABC")
        broker.publish("XYZ")
    assert done.wait(PATIENCE)
    stream.close()
    assert stream.join(PATIENCE)
    for event in snapshots:
        first = event.position + 1
        assert seen[event.key] == list(range(first, 201))


def test_run_refuses_markers_nobody_takes(broker: Broker) -> None:
    """A feed that can yield markers needs a handler for them, or the word that they may be ignored."""
    with Stream(feed_of(broker)) as stream:
        with pytest.raises(UsageError, match="no handler"):
            stream.start()
        stream.on(dict)(lambda item: None)
        with pytest.raises(UsageError, match="Gap, Snapshot"):
            stream.start()
        stream.start(markers="ignore")
        with pytest.raises(UsageError, match="running"):
            stream.get(timeout=0)


def test_a_callback_that_raises_ends_the_stream_loudly(broker: Broker) -> None:
    """run() raises HandlerFailed with the original as its cause, and so does every later call."""
    stream = Stream(plain_feed(broker))

    @stream.on()
    def message(item: Any) -> None:
        raise KeyError("mine")

    stream.on(Gap)(lambda event: None)
    opened(stream, broker)
    broker.publish("ABC")
    with pytest.raises(HandlerFailed) as caught:
        stream.run()
    assert isinstance(caught.value.__cause__, KeyError)
    stream.close()
    with pytest.raises((HandlerFailed, StreamClosed)):
        stream.get(timeout=1)


def test_two_consumers_share_without_loss(broker: Broker) -> None:
    """Several threads that get() from one stream take each message exactly once."""
    taken: list[int] = []
    lock = threading.Lock()
    with Stream(plain_feed(broker)) as stream:

        def consume() -> None:
            for message in stream:
                with lock:
                    taken.append(message["seq"])

        threads = [threading.Thread(target=consume) for _ in range(4)]
        for thread in threads:
            thread.start()
        opened(stream, broker)
        broker.publish("ABC", 2000)
        broker.wait_for(lambda: len(taken) == 2000, PATIENCE)
        stream.close()
        for thread in threads:
            thread.join(PATIENCE)
    assert sorted(taken) == list(range(1, 2001))


def test_close_stops_a_loop_and_get_raises(broker: Broker) -> None:
    """After close() a for loop ends and get() raises StreamClosed."""
    stream = Stream(plain_feed(broker))
    ended = threading.Event()

    def consume() -> None:
        for _ in stream:
            pass
        ended.set()

    thread = threading.Thread(target=consume)
    thread.start()
    opened(stream, broker)
    report = stream.close()
    assert ended.wait(PATIENCE)
    thread.join(PATIENCE)
    assert report.threads == ()
    with pytest.raises(StreamClosed):
        stream.get()
    assert list(stream) == []


@pytest.mark.parametrize("drain", [False, True])
def test_close_reports_what_it_discarded(broker: Broker, drain: bool) -> None:
    """Without drain the queued items are discarded and counted; with drain they can still be taken."""
    stream = Stream(plain_feed(broker))
    opened(stream, broker)
    broker.publish("ABC", 10)
    broker.wait_for(lambda: stream.queue.qsize() >= 10, PATIENCE)
    assert stream.get(timeout=1)
    report = stream.close(drain=drain)
    left = list(stream)
    assert (report.discarded >= 9, len(messages(left))) == ((False, 9) if drain else (True, 0))
    assert stream.close().threads == ()
    broker.wait_for(lambda: not broker.connections, PATIENCE)


def test_the_counts_add_up_under_a_steady_market() -> None:
    """With the market moving by itself the replica equals the venue, and nothing was lost, doubled or late."""
    replica = Replica()
    with Broker(symbols=("A", "B", "C"), rate=300, heartbeat=0.2) as broker, Stream(feed_of(broker)) as stream:
        for item in itertools.islice(stream, 300):
            replica.apply(item)
        catch_up(stream, broker, replica)
    assert replica.total.wrong == 0
