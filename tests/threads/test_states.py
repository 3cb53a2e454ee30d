"""A stream is closed, or dropped, in each state."""

from __future__ import annotations

import gc
import sys
import threading
import weakref
from typing import Any, Iterator

import pytest

from syncstream import Feed, Overflow, Rest, Stream, StreamClosed
from tests.deadlines import SLACK, within
from tests.stream.setting import feed_of, plain_feed

from .crew import PATIENCE, Crew
from .states import DIALS, MORE, STATES, Place, bring, limit

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="needs a listen queue that drops what is too much")


@pytest.fixture
def place() -> Iterator[Place]:
    with Place() as place:
        yield place


def test_a_close_that_ignores_its_deadline_would_be_found() -> None:
    """In every state there is something that lasts longer than a busy machine may add: without it a test could not fail."""
    assert [name for name in STATES if STATES[name].lasts <= limit(name) + SLACK] == []


# ---------------------------------------------------------------- close


@LINUX
@pytest.mark.parametrize("name", MORE)
def test_close_in_the_further_states(place: Place, name: str) -> None:
    """Who waits is woken at once, the deadline holds, what cannot end is named, and nothing stays open at the venue."""
    stream = bring(place, name)
    failed = name == "overflowed"
    with Crew() as crew:
        if not stream._callbacks.running and not failed:
            crew.start(lambda: list(iter(stream)))
        crew.start(stream.join)
        with within(limit(name), rather_than=STATES[name].lasts):
            report = stream.close(limit(name))
        assert set(report.threads) <= set(STATES[name].left)
        assert stream.closed
        place.gate.open()
        results = crew.woken()
    assert [type(result) for result in results if not isinstance(result, list)] == [Overflow if failed else bool]
    with pytest.raises(Overflow if failed else StreamClosed):
        stream.get(timeout=0)
    assert stream.close(PATIENCE).threads == ()
    place.broker.wait_for(lambda: not place.broker.connections, PATIENCE)


@LINUX
@pytest.mark.parametrize("name", DIALS)
def test_close_during_the_very_first_dial(place: Place, name: str) -> None:
    """Nothing was live before: who waits is woken, and the dial is given up."""
    DIALS[name].send(place)
    stream = Stream(STATES[name].feed(place))
    with Crew() as crew:
        crew.start(lambda: list(stream))
        DIALS[name].there(place, stream)
        with within(limit(name), rather_than=STATES[name].lasts):
            assert stream.close(limit(name)).threads == ()
        assert crew.woken() == [[]]


# ---------------------------------------------------------------- dropped


@pytest.fixture
def unraised(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What finalizers raised."""
    found: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", found.append)
    return found


@LINUX
@pytest.mark.parametrize("name", STATES)
def test_a_stream_dropped_in_each_state(place: Place, name: str, unraised: list[Any]) -> None:
    """Without the collector: all of it ends, at both ends of the line; what hangs in the user's code ends with that."""
    gc.disable()
    try:
        stream = bring(place, name)
        gone, reader = weakref.ref(stream), stream._reader
        del stream
        assert gone() is None
    finally:
        gc.enable()
    assert reader.ended.wait(SLACK)
    place.broker.wait_for(lambda: not place.broker.connections, PATIENCE)
    place.gate.open()
    assert reader.join(PATIENCE) == []
    assert unraised == []


@pytest.mark.parametrize("where", ["callback", "endpoint", "key", "snapshot"])
def test_a_stream_may_be_dropped_by_its_own_threads(place: Place, where: str, unraised: list[Any]) -> None:
    """The last one who held it is a callback, or a callable of its feed: its finalizer runs on that thread."""
    held: list[Stream] = []
    ready = threading.Event()
    broker = place.broker

    def drop(*arguments: Any) -> Any:
        assert ready.wait(PATIENCE)
        held.clear()
        return {"endpoint": broker.url, "key": "ABC", "snapshot": place.snapshot("ABC"), "callback": None}[where]

    feeds = {
        "callback": lambda: plain_feed(broker),
        "endpoint": lambda: Feed(drop),
        "key": lambda: plain_feed(broker, key=drop),
        "snapshot": lambda: feed_of(broker, snapshot=Rest(drop, position="seq")),
    }
    held.append(Stream(feeds[where]()))
    gone, reader = weakref.ref(held[0]), held[0]._reader
    if where == "callback":
        held[0].on()(drop)
        held[0].start(markers="ignore")
    ready.set()
    broker.wait_for(lambda: reader.ended.is_set() or any(broker.subscriptions.values()), PATIENCE)
    broker.publish("ABC", 5)
    assert reader.ended.wait(PATIENCE)
    assert reader.join(PATIENCE) == []
    broker.wait_for(lambda: gone() is None, PATIENCE)  # its finalizer may still be on the way back
    place.broker.wait_for(lambda: not place.broker.connections, PATIENCE)
    assert unraised == []
