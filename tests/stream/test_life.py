"""A stream that nobody holds any more, what keeps one, what it leaves behind; and what is refused at the public surface."""

from __future__ import annotations

import copy
import functools
import gc
import os
import pickle
import re
import sys
import threading
import weakref
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

from syncstream import Connected, Event, Feed, FeedError, Gap, Stream, UsageError
from syncstream import stream as module
from syncstream.clock import now
from syncstream.reader import Reader
from syncstream.testing import Broker
from tests.deadlines import within

from .setting import PATIENCE, feed_of, plain_feed


@pytest.fixture
def broker() -> Iterator[Broker]:
    with Broker(symbols=("ABC",), rate=0, heartbeat=0.2) as broker:
        yield broker


@pytest.fixture
def unraised(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What finalizers raised."""
    found: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", found.append)
    return found


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Only what nobody refers to goes."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def live(broker: Broker, **options: Any) -> tuple[Stream, Reader]:
    """A stream with one message taken, and its reader, which tells when it has ended."""
    stream = Stream(plain_feed(broker), **options)
    broker.wait_for(lambda: broker.subscriptions and all(broker.subscriptions.values()), PATIENCE)
    broker.publish("ABC", 2)
    assert stream.get(timeout=PATIENCE)["seq"] == 1
    return stream, stream._reader


def ended(broker: Broker, reader: Reader) -> bool:
    """Whether all is over, at both ends."""
    if not reader.ended.wait(PATIENCE) or reader.join(PATIENCE):
        return False
    broker.wait_for(lambda: not broker.connections, PATIENCE)
    return True


# ---------------------------------------------------------------- dropped


@pytest.mark.usefixtures("no_collector")
def test_a_dropped_stream_closes_itself(broker: Broker, unraised: list[Any]) -> None:
    """At once, without the collector: nothing inside refers to it."""
    stream, reader = live(broker)
    gone = weakref.ref(stream)
    del stream
    assert gone() is None
    assert ended(broker, reader)
    assert unraised == []


KEEPERS: dict[str, Callable[[Stream], Any]] = {
    "iterator": iter,
    "queue": lambda stream: stream.queue,
    "latest": lambda stream: stream.latest,
    "bound method": lambda stream: stream.get,
}


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("name", KEEPERS)
def test_what_was_taken_from_a_stream_keeps_it(broker: Broker, name: str, unraised: list[Any]) -> None:
    """`for item in Stream(feed)` goes on; when the iterator goes too, the stream closes."""
    stream, reader = live(broker)
    gone = weakref.ref(stream)
    keeper = KEEPERS[name](stream)
    del stream
    assert gone() is not None
    broker.publish("ABC")
    broker.wait_for(lambda: reader.engine.keys.latest["ABC"]["seq"] == 3, PATIENCE)
    assert not reader.ended.is_set()
    del keeper
    assert gone() is None
    assert ended(broker, reader)
    assert unraised == []


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("view", ["events", "messages"])
def test_the_other_iterators_keep_it_too(broker: Broker, view: str) -> None:
    """`for event in Stream(feed).events()`."""
    stream = Stream(plain_feed(broker))
    reader = stream._reader
    items = getattr(stream, view)()
    del stream
    broker.wait_for(lambda: broker.subscriptions and all(broker.subscriptions.values()), PATIENCE)
    broker.publish("ABC")
    first = next(items)
    assert isinstance(first, Connected) if view == "events" else first["seq"] == 1
    del items
    assert ended(broker, reader)


def refer_to_itself(stream: Stream, kind: str) -> None:
    if kind == "attribute":
        stream.itself = stream  # type: ignore[attr-defined]
    elif kind == "callback":
        stream.on(dict, Gap)(lambda item: stream.status)
    else:
        stream.on(Gap)(functools.partial(print, stream))


@pytest.mark.parametrize("kind", ["attribute", "callback", "partial"])
def test_a_stream_in_a_cycle_closes_when_it_is_collected(broker: Broker, kind: str, unraised: list[Any]) -> None:
    """An object that holds its own stream, a callback that mentions it: the collector finds them."""
    stream, reader = live(broker)
    refer_to_itself(stream, kind)
    gone = weakref.ref(stream)
    del stream
    assert not reader.ended.is_set()
    gc.collect()
    assert gone() is None
    assert ended(broker, reader)
    assert unraised == []


@pytest.mark.usefixtures("no_collector")
def test_callbacks_get_what_was_left_when_their_stream_is_dropped(broker: Broker) -> None:
    """The workers do not hold it; they hand out what is queued, and end."""
    seen: list[int] = []
    stream = Stream(plain_feed(broker))
    reader = stream._reader
    stream.on()(lambda item: seen.append(item["seq"]))
    stream.start(workers=2, markers="ignore")
    broker.wait_for(lambda: broker.subscriptions and all(broker.subscriptions.values()), PATIENCE)
    broker.publish("ABC", 20)
    broker.wait_for(lambda: reader.engine.keys.messages == 20, PATIENCE)
    gone = weakref.ref(stream)
    del stream
    assert gone() is None
    assert ended(broker, reader)
    deadline = now() + PATIENCE
    while len(seen) < 20 and now() < deadline:
        threading.Event().wait(0.005)
    assert seen == list(range(1, 21))


def test_a_stream_may_be_dropped_wherever_a_finalizer_runs(broker: Broker) -> None:
    """Even while this thread holds every lock there is: its finalizer takes none."""
    stream, reader = live(broker)
    delivery, lock = stream._delivery, stream._lock
    finished = threading.Event()

    def drop(held: list[Stream]) -> None:
        with delivery.mutex, lock:
            held.clear()
        finished.set()

    thread = threading.Thread(target=drop, args=([stream],), daemon=True)
    del stream
    thread.start()
    assert finished.wait(PATIENCE)
    thread.join()
    assert ended(broker, reader)


def test_dropping_a_closed_stream_does_nothing(broker: Broker, unraised: list[Any]) -> None:
    """It has nothing to say any more."""
    stream, reader = live(broker)
    stream.close()
    del stream
    gc.collect()
    assert ended(broker, reader)
    assert unraised == []


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs a look at the descriptors")
def test_streams_leave_no_descriptor_and_no_thread(broker: Broker) -> None:
    """Closed or dropped, live or refused: afterwards there are as many as before."""

    def open_ones() -> int:
        return len(os.listdir("/proc/self/fd"))

    def use(number: int) -> None:
        feed = (feed_of(broker), plain_feed(broker), Feed("ws://127.0.0.1:9/"))[number % 3]
        stream = Stream(feed)
        reader = stream._reader
        if number % 3 < 2:
            broker.wait_for(lambda: broker.subscriptions and all(broker.subscriptions.values()), PATIENCE)
            broker.publish("ABC")
            stream.get(timeout=PATIENCE)
        if number % 2:
            stream.close()
        del stream
        assert ended(broker, reader)

    for number in range(3):
        use(number)
    gc.collect()
    descriptors, threads = open_ones(), threading.active_count()
    for number in range(12):
        use(number)
    gc.collect()
    assert open_ones() <= descriptors
    assert threading.active_count() <= threads


def test_the_end_of_the_interpreter_is_one_second_for_all(broker: Broker) -> None:
    """Lines that do not answer hold up neither each other nor the goodbye of those that do."""
    streams = [Stream(plain_feed(broker)) for _ in range(16)]
    broker.wait_for(lambda: len(broker.subscriptions) == 16 and all(broker.subscriptions.values()), PATIENCE)
    for number in range(1, 17, 2):
        broker.faults.half_open(connection=number)
    with within(1.0, rather_than=8.0):  # a second for each of them
        module._close_all()
    assert [stream.closed for stream in streams] == [True] * 16
    assert sum(stream._reader.ended.is_set() for stream in streams) >= 8
    for stream in streams:
        assert stream.close().threads == ()


# ---------------------------------------------------------------- refused


@pytest.mark.filterwarnings("ignore:Pickle, copy, and deepcopy support will be removed from itertools")
@pytest.mark.parametrize("way", [pickle.dumps, copy.deepcopy])
@pytest.mark.parametrize("name", ["stream", "iterator", "queue", "latest"])
def test_a_stream_cannot_be_pickled_or_copied(broker: Broker, name: str, way: Callable[[Any], Any]) -> None:
    """multiprocessing would try: the reason says what to do instead."""
    with Stream(plain_feed(broker)) as stream:
        thing = stream if name == "stream" else KEEPERS[name](stream)
        with pytest.raises((TypeError, UsageError), match=r"cannot be pickled.*Feed"):
            way(thing)


def test_without_a_thread_there_is_no_stream(monkeypatch: pytest.MonkeyPatch, unraised: list[Any]) -> None:
    """The system's own error, and nothing of the half-made stream is left."""

    def none_left(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    before = set(module._open)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", none_left)
        with pytest.raises(RuntimeError, match="can't start new thread"):
            Stream(Feed("ws://127.0.0.1:9/"))
    gc.collect()
    assert set(module._open) == before
    assert unraised == []


def test_without_threads_for_callbacks_the_stream_goes_on(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    """start() raises what the system says; afterwards nothing stands in the way of get()."""
    stream, _ = live(broker)
    stream.on()(lambda item: None)

    def none_left(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", none_left)
        with pytest.raises(RuntimeError, match="can't start new thread"):
            stream.start(workers=3, markers="ignore")
    assert stream.get(timeout=PATIENCE)["seq"] == 2
    stream.close()


FEED = Feed("ws://127.0.0.1:9/")

WRONG: dict[str, tuple[Callable[[], Any], str]] = {
    "no feed": (lambda: Stream("ws://127.0.0.1:9/"), "feed="),  # type: ignore[arg-type]
    "nothing": (lambda: Stream(None), "feed="),  # type: ignore[arg-type]
    "a class": (lambda: Stream(Feed), "feed="),  # type: ignore[arg-type]
    "no queue": (lambda: Stream(FEED, queue_size=0), "queue_size=0"),
    "a negative queue": (lambda: Stream(FEED, queue_size=-1), "queue_size=-1"),
    "half a place": (lambda: Stream(FEED, queue_size=1.5), "queue_size=1.5"),  # type: ignore[arg-type]
    "no number": (lambda: Stream(FEED, queue_size=None), "queue_size=None"),  # type: ignore[arg-type]
    "yes": (lambda: Stream(FEED, queue_size=True), "queue_size=True"),
    "a text": (lambda: Stream(FEED, queue_size="10"), "queue_size='10'"),  # type: ignore[arg-type]
    "no such policy": (lambda: Stream(FEED, overflow="x"), "overflow='x'"),
    "no policy": (lambda: Stream(FEED, overflow=None), "overflow=None"),  # type: ignore[arg-type]
    "no limit": (lambda: Stream(FEED, block_limit=0), "block_limit=0"),
    "a negative limit": (lambda: Stream(FEED, block_limit=-1.0), "block_limit=-1.0"),
    "not a number": (lambda: Stream(FEED, block_limit=float("nan")), "block_limit=nan"),
    "a wait below nothing": (lambda: Stream(FEED, coalesce=-1.0), "coalesce=-1.0"),
    "too long a wait": (lambda: Stream(FEED, coalesce=1.0), "coalesce=1.0"),
    "a name that is none": (lambda: Stream(FEED, name=5), "name=5"),  # type: ignore[arg-type]
    "no name": (lambda: Stream(FEED, name=None), "name=None"),  # type: ignore[arg-type]
    "a limit in words": (lambda: Stream(FEED, block_limit="1"), "block_limit='1'"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("name", WRONG)
def test_a_stream_that_cannot_work_is_refused(name: str) -> None:
    """Before anything is started, by the name the user wrote, with the value."""
    make, said = WRONG[name]
    before = threading.active_count()
    with pytest.raises(FeedError) as caught:
        make()
    assert str(caught.value).startswith(said)
    assert threading.active_count() == before


MISUSED: dict[str, tuple[Callable[[Stream], Any], str]] = {
    "get": (lambda stream: stream.get(timeout=-1), "timeout=-1"),
    "get nan": (lambda stream: stream.get(timeout=float("nan")), "timeout=nan"),
    "get text": (lambda stream: stream.get(timeout="1"), "timeout='1'"),  # type: ignore[call-overload]
    "get_many": (lambda stream: stream.get_many(timeout=-0.5), "timeout=-0.5"),
    "get_many text": (lambda stream: stream.get_many(timeout="1"), "timeout='1'"),  # type: ignore[call-overload]
    "get_many none": (lambda stream: stream.get_many(0), "max_items=0"),
    "get_many half": (lambda stream: stream.get_many(1.5), "max_items=1.5"),  # type: ignore[call-overload]
    "queue": (lambda stream: stream.queue.get(True, -1), "timeout=-1"),
    "join": (lambda stream: stream.join(-1), "timeout=-1"),
    "join nan": (lambda stream: stream.join(float("nan")), "timeout=nan"),
    "join text": (lambda stream: stream.join("1"), "timeout='1'"),  # type: ignore[arg-type]
    "send": (lambda stream: stream.send("x", timeout=-1), "timeout=-1"),
    "send nan": (lambda stream: stream.send("x", timeout=float("nan")), "timeout=nan"),
    "send for ever": (lambda stream: stream.send("x", timeout=None), "timeout=None"),  # type: ignore[arg-type]
    "close": (lambda stream: stream.close(-1), "timeout=-1"),
    "no workers": (lambda stream: stream.start(workers=0), "workers=0"),
    "run no workers": (lambda stream: stream.run(workers=0), "workers=0"),
    "workers half": (lambda stream: stream.start(workers=1.5), "workers=1.5"),  # type: ignore[arg-type]
    "markers": (lambda stream: stream.start(markers="x"), "markers='x'"),
    "markers no": (lambda stream: stream.start(markers=False), "markers=False"),  # type: ignore[arg-type]
    "on a name": (lambda stream: stream.on("Trade"), "on='Trade'"),  # type: ignore[arg-type]
    "on a function": (lambda stream: stream.on(lambda item: None), "on=<function"),  # type: ignore[arg-type]
    "on nothing": (lambda stream: stream.on()(None), "on=None"),  # type: ignore[type-var]
}


@pytest.mark.parametrize("name", MISUSED)
def test_a_call_that_cannot_work_is_refused_and_changes_nothing(broker: Broker, name: str) -> None:
    """By the name the user wrote, with the value; the stream goes on, in whatever view."""
    call, said = MISUSED[name]
    with Stream(plain_feed(broker)) as stream:
        if name not in ("on nothing", "get", "get nan", "get text", "get_many", "queue"):
            stream.on()(lambda item: None)
        with pytest.raises(FeedError) as caught:
            call(stream)
        assert str(caught.value).startswith(said)
        items = stream.messages() if not name.startswith(("get", "queue")) else iter(stream)
        broker.wait_for(lambda: broker.subscriptions and all(broker.subscriptions.values()), PATIENCE)
        broker.publish("ABC")
        assert next(item for item in items if not isinstance(item, Event))["seq"] == 1


def test_calls_that_do_not_fit_are_told() -> None:
    """What the stream is doing stands in the way."""
    with Broker(symbols=("ABC",), rate=0) as broker, Stream(plain_feed(broker)) as stream:
        with pytest.raises(UsageError, match="no handler"):
            stream.run()
        with pytest.raises(UsageError, match="subscribe=<callable"):
            stream.subscribe("ABC")
        with pytest.raises(UsageError, match="unsubscribe=<callable"):
            stream.unsubscribe("ABC")
        stream.on()(lambda item: None)
        stream.start(markers="ignore")
        for call in (stream.get, stream.get_nowait, stream.get_many, stream.queue.get, stream.messages, lambda: iter(stream)):
            with pytest.raises(UsageError, match="the callbacks are running"):
                call()
        for call in (stream.start, stream.run):
            with pytest.raises(UsageError, match="running already"):
                call()
        with pytest.raises(UsageError, match="before run"):
            stream.on(dict)(lambda item: None)


def test_what_a_stream_says_of_itself(broker: Broker) -> None:
    """Where, how it is, how many keys; no secret of the URL."""
    with Stream(plain_feed(broker)) as stream:
        broker.wait_for(lambda: broker.subscriptions and all(broker.subscriptions.values()), PATIENCE)
        broker.publish("ABC")
        broker.wait_for(lambda: stream.status.messages == 1, PATIENCE)
        assert re.fullmatch(rf"<Stream {broker.url} live: 1 keys, no gaps, 1 queued for [\d.]+ (µs|ms|s)>", repr(stream))
        stream.get()
        assert repr(stream) == f"<Stream {broker.url} live: 1 keys, no gaps, 0 queued>"
        assert repr(stream.queue) == f"<queue of {stream!r}>"
        assert repr(stream.latest) == f"<latest of {stream!r}: 1 keys>"
    with Stream(Feed("ws://me:pass@127.0.0.1:9/?token=secret"), name="quotes") as stream:
        assert repr(stream).startswith("<Stream quotes ")
    with Stream(Feed("ws://me:pass@127.0.0.1:9/?token=secret")) as stream:
        assert "secret" not in repr(stream)
        assert "pass" not in repr(stream)
