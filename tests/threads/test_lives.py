"""Many lives: streams opened and closed again and again, side by side, and one that reconnects for long."""

from __future__ import annotations

import gc
import logging
import re
import sys
import threading
import tracemalloc
import urllib.parse
import weakref
from collections import Counter
from typing import Any, Iterator

import pytest

from syncstream import Backoff, Feed, NotConnected, Snapshot, Stream
from syncstream import stream as module
from syncstream.testing import Broker
from tests.stream.setting import feed_of, plain_feed

from .crew import PATIENCE, Crew, hurried, open_files


@pytest.fixture
def broker() -> Iterator[Broker]:
    with Broker(symbols=("ABC", "XYZ"), rate=0, heartbeat=0.2) as broker:
        yield broker


def gone(broker: Broker) -> None:
    """Wait until the venue has nobody."""
    broker.wait_for(lambda: not broker.connections, PATIENCE)


def until(stream: Stream, broker: Broker, stage: int) -> None:
    """Let the stream come so far: not at all, dialled, subscribed, with a message."""
    if stage >= 1:
        broker.wait_for(lambda: broker.connections, PATIENCE)
    if stage >= 2:
        broker.wait_for(lambda: any(broker.subscriptions.values()), PATIENCE)
    if stage >= 3:
        broker.publish("ABC", 2)
        assert stream.get(timeout=PATIENCE)["seq"] > 0


def test_two_hundred_streams_one_after_the_other(broker: Broker) -> None:
    """Closed at whatever stage: each ends whole, the venue has nobody afterwards, and nothing is left of any of them."""
    refs: list[weakref.ref[Stream]] = []
    before = threads = 0
    for number in range(200):
        if number == 8:
            gone(broker)
            before, threads = open_files(), threading.active_count()
        stream = Stream(plain_feed(broker))
        refs.append(weakref.ref(stream))
        until(stream, broker, number % 4)
        assert stream.close(PATIENCE).threads == ()
        assert stream.status.state == "closed"
        gone(broker)
    del stream
    assert [ref for ref in refs if ref() is not None] == []
    broker.wait_for(lambda: open_files() <= before, PATIENCE)
    assert threading.active_count() <= threads
    assert broker.counts["disconnects"] == broker.counts["connects"] >= 150


def test_streams_side_by_side(broker: Broker) -> None:
    """Opened, used and closed by eight threads at once: none hears of another's end, each has every message of its time."""

    def live() -> int:
        for number in range(5):
            with Stream(plain_feed(broker)) as stream:
                if number % 2:
                    items = [stream.get(timeout=PATIENCE) for _ in range(20)]
                    first = items[0]["seq"]
                    assert [item["seq"] for item in items] == list(range(first, first + 20))
                    stream.send({"action": "unsubscribe", "symbols": []})
        return number

    over = threading.Event()

    def move() -> None:
        while not over.wait(0.001):
            broker.publish("ABC", 5)

    with hurried(), Crew() as market, Crew() as crew:
        market.start(move)
        try:
            for _ in range(8):
                crew.start(live)
            assert crew.end() == [4] * 8
        finally:
            over.set()
    gone(broker)


def test_start_and_close_at_once(broker: Broker) -> None:
    """Callbacks that are started while somebody else closes: they run or they do not, all threads end, and nobody hangs."""
    with hurried():
        for number in range(40):
            stream = Stream(plain_feed(broker))
            stream.on()(lambda item: None)
            begin = threading.Barrier(3)

            def at_once(call: Any, begin: threading.Barrier = begin) -> Any:
                begin.wait(PATIENCE)
                return call()

            with Crew() as crew:
                crew.start(at_once, lambda: stream.run(workers=3, markers="ignore"))  # noqa: B023
                crew.start(at_once, lambda: stream.close(PATIENCE, drain=bool(number % 2)).threads)  # noqa: B023
                crew.start(at_once, stream.join)
            assert sorted(map(repr, crew.results)) == ["()", "None", "True"]
    gone(broker)


def test_the_end_of_the_interpreter_while_others_open_streams() -> None:
    """Closing all that are open does not mind that there are more of them at each step; those it has found are closed."""
    feed = Feed("ws://127.0.0.1:9/")
    found = [Stream(feed) for _ in range(3)]
    late: list[Stream] = []

    def open_another(frame: Any, event: str, argument: Any) -> None:
        """In place of another thread, which may have its turn at any call."""
        if event in ("call", "c_call") and len(late) < 20 and "syncstream" not in frame.f_code.co_filename:
            sys.setprofile(None)
            late.append(Stream(feed))
            sys.setprofile(open_another)

    sys.setprofile(open_another)
    try:
        module._close_all()
    finally:
        sys.setprofile(None)
    assert [stream.closed for stream in found] == [True] * 3
    assert late
    for stream in found + late:
        assert stream.close().threads == ()


# ---------------------------------------------------------------- one that lives long

WARM, LONG = 10, 40
"""Reconnects before the first look, and between it and the last."""
FETCHERS = 4
"""So many threads may fetch, each with a connection that it keeps; which of them have had to by the first look is chance."""


def test_nothing_grows_over_many_reconnects(broker: Broker, caplog: pytest.LogCaptureFixture) -> None:
    """Descriptors, threads and memory are as they were forty reconnects ago, healing included."""
    caplog.set_level(logging.CRITICAL, "syncstream")  # pytest would keep the records
    stream = Stream(feed_of(broker, backoff=Backoff(base=0.001, maximum=0.002), verify_after=0.05))

    def reconnect(times: int) -> None:
        for _ in range(times):
            last = max(broker.subscriptions, default=0)
            broker.faults.cut()
            broker.publish("ABC")  # lost: a hole
            broker.wait_for(lambda: any(n > last and topics for n, topics in broker.subscriptions.items()), PATIENCE)  # noqa: B023
            broker.publish("ABC")
            while not isinstance(stream.get(timeout=PATIENCE), Snapshot):
                pass

    with stream:
        broker.wait_for(lambda: any(broker.subscriptions.values()), PATIENCE)
        broker.publish("ABC")
        assert isinstance(stream.get(timeout=PATIENCE), Snapshot)
        reconnect(WARM)
        descriptors, threads, things = open_files(), threading.active_count(), own_things()
        tracemalloc.start()
        try:
            reconnect(5)
            first = ours()
            reconnect(LONG)
            last = ours()
        finally:
            tracemalloc.stop()
        broker.wait_for(lambda: open_files() <= descriptors + 2 * FETCHERS, PATIENCE)  # both ends of a connection are here
        broker.wait_for(lambda: threading.active_count() <= threads + FETCHERS, PATIENCE)
        assert grown(things, own_things()) == {}
    assert last - first < LONG * 1000  # bytes for each reconnect: far less than what belongs to one
    assert broker.counts["connects"] > WARM + LONG


def ours() -> int:
    """Bytes that the library holds, and the libraries below it; not those of the venue in this process, nor Python's caches."""
    urllib.parse.clear_cache()  # type: ignore[attr-defined]
    re.purge()
    gc.collect()
    outside = ("*/syncstream/testing/*", "*/websockets/*", "*/tests/*", "*/tracemalloc.py", "*/_pytest/*", "*/email/utils.py")
    patterns = (*outside, "<string>")  # where named tuples are made, the venue's too: see own_things()
    taken = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(False, pattern) for pattern in patterns])
    return sum(trace.size for trace in taken.traces)


def own_things() -> Counter[str]:
    """How many objects there are of each class of the library."""
    gc.collect()
    kinds = Counter(f"{type(thing).__module__}.{type(thing).__qualname__}" for thing in gc.get_objects())
    return Counter({name: count for name, count in kinds.items() if name.startswith("syncstream.") and ".testing." not in name})


def grown(before: Counter[str], after: Counter[str]) -> dict[str, int]:
    """What has become more, by more than what may be on its way."""
    return {name: count - before[name] for name, count in after.items() if count > before[name] + 5}


# ---------------------------------------------------------------- afterwards


def test_a_thread_that_has_the_number_of_the_dead_reader(broker: Broker) -> None:
    """The system gives the number of a thread that has ended to the next one: that one is not taken for the reader."""
    stream = Stream(plain_feed(broker))
    stream.close()

    def ask() -> bool:
        stream._reader._thread._ident = threading.get_ident()  # type: ignore[attr-defined]  # not left to chance
        with pytest.raises(NotConnected):
            stream.send("x")
        return stream.join()

    with Crew() as crew:
        crew.start(ask)
    assert crew.results == [True]


def test_many_threads_ask_a_closed_stream(broker: Broker) -> None:
    """Each hears that it is over, at once."""
    stream = Stream(plain_feed(broker))
    stream.close()
    with hurried(), Crew() as crew:
        for _ in range(10):
            crew.start(stream.get)
            crew.start(stream.join)
        crew.woken()
    kinds = sorted(type(result).__name__ for result in crew.results)
    assert kinds == ["StreamClosed"] * 10 + ["bool"] * 10
