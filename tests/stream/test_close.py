"""close(): from any thread, in every state. It keeps its time, wakes every wait, and leaves nothing behind."""

from __future__ import annotations

import threading
from math import inf
from typing import Any, Callable, Iterator

import pytest

from syncstream import (
    Closed,
    ConnectFailed,
    Feed,
    FeedError,
    HandlerFailed,
    NotConnected,
    Report,
    Rest,
    SendUnknown,
    Snapshot,
    Stream,
    StreamClosed,
    UsageError,
)
from syncstream.clock import now
from syncstream.errors import DialError
from tests.deadlines import SLACK, within

from .setting import PATIENCE, feed_of, plain_feed, stuck
from .states import STATES, Scene, State


@pytest.fixture
def scene() -> Iterator[Scene]:
    with Scene() as scene:
        yield scene


def limit(state: State) -> float:
    """Seconds given to close(). A line that does not answer takes one of them; what hangs takes all."""
    return 0.3 if state.left else 2.0


def left_over(state: State, report: Report) -> set[str]:
    """Threads that should have ended, and have not."""
    return set(report.threads) - set(state.left)


def first_message(scene: Scene, stream: Stream) -> None:
    """Let the venue say something until the stream is live in every respect and has a message."""
    scene.subscribed(stream)
    scene.broker.publish("ABC")
    scene.broker.wait_for(lambda: stream.latest.live("ABC"), PATIENCE)
    scene.broker.publish("ABC")


class Waiter:
    """Owned by: the test. A thread in a blocking call; how that ended, and when."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self.result: Any = None
        self.ended_at = 0.0
        self._call = call
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.result = self._call()
        except Exception as error:
            self.result = error
        self.ended_at = now()

    def wait(self, timeout: float) -> bool:
        """Whether it has ended."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def end(self) -> Any:
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()
        return self.result


@pytest.mark.parametrize("name", STATES)
def test_close_in_every_state(scene: Scene, name: str) -> None:
    """A consumer that waits is woken at once, the deadline holds, and what cannot end is named. A second close adds nothing."""
    state = STATES[name]
    stream = Stream(state.feed(scene), **state.options)
    first_message(scene, stream)
    assert stream.get(timeout=PATIENCE)
    state.enter(scene, stream)
    waiter = Waiter(lambda: list(stream)) if name != "paused" else None
    began = now()
    with within(limit(state), rather_than=state.lasts):
        report = stream.close(limit(state))
    assert left_over(state, report) == set()
    assert stream.closed
    assert stream.status.state == "closed"
    if waiter is not None:
        waiter.end()
        assert waiter.ended_at - began < SLACK
    with pytest.raises(StreamClosed):
        stream.get()
    scene.gate.open()
    again = stream.close(PATIENCE)
    assert (again.threads, again.discarded) == ((), report.discarded)


@pytest.mark.parametrize("name", [name for name in STATES if name not in ("live", "half-open", "snapshot refused")])
def test_close_before_anything_was_live(scene: Scene, name: str) -> None:
    """The same from the first moment on: a stream can be closed while its first line is being dialled."""
    state = STATES[name]
    scene.gate.shut = name == "dialing"
    if name == "upgrade hangs":
        scene.dial_the_mute()
    elif name == "backing off":
        scene.broker.faults.refuse(503, seconds=60)
    stream = Stream(state.feed(scene), **state.options)
    with within(limit(state), rather_than=state.lasts):
        report = stream.close(limit(state))
    assert left_over(state, report) == set()
    assert stream.status.state == "closed"


@pytest.mark.parametrize("drain", [False, True])
@pytest.mark.parametrize("name", STATES)
def test_close_from_a_callback(scene: Scene, name: str, drain: bool) -> None:
    """It does not wait for the callback it was called from; run() ends when that returns."""
    state = STATES[name]
    stream = Stream(state.feed(scene), **state.options)
    reports: list[tuple[Report, float]] = []
    go_on = threading.Event()

    @stream.on()
    def message(item: Any) -> None:
        if not reports:
            assert go_on.wait(PATIENCE)
            began = now()
            reports.append((stream.close(limit(state), drain=drain), now() - began))

    running = Waiter(lambda: stream.run(markers="ignore"))
    first_message(scene, stream)
    scene.broker.wait_for(lambda: stream.status.messages >= 1, PATIENCE)
    state.enter(scene, stream)
    go_on.set()
    assert running.end() is None
    report, took = reports[0]
    assert took < limit(state) + SLACK < state.lasts
    assert left_over(state, report) == set()
    scene.gate.open()
    assert stream.close(PATIENCE).threads == ()


@pytest.mark.parametrize("name", STATES)
def test_close_from_many_threads_at_once(scene: Scene, name: str) -> None:
    """Each call holds its own deadline, and what was discarded is counted once."""
    state = STATES[name]
    stream = Stream(state.feed(scene), **state.options)
    first_message(scene, stream)
    assert stream.get(timeout=PATIENCE)
    state.enter(scene, stream)
    with within(limit(state), rather_than=state.lasts):
        closers = [Waiter(lambda: stream.close(limit(state))) for _ in range(4)]
        reports = [closer.end() for closer in closers]
    assert all(left_over(state, report) == set() for report in reports)
    discarded = max(report.discarded for report in reports)
    scene.gate.open()
    assert stream.close().discarded == discarded


def test_a_deadline_that_is_too_short_is_held(scene: Scene) -> None:
    """What has not ended by then is named, and ends by itself."""
    stream = Stream(plain_feed(scene.broker))
    first_message(scene, stream)
    stream.get(timeout=PATIENCE)
    scene.broker.faults.half_open()  # the goodbye waits a second for its answer
    report = stream.close(0)
    assert report.threads == ("syncstream-reader",)
    assert stream.close(PATIENCE).threads == ()


@pytest.mark.parametrize("timeout", [0, 0.0, float("inf"), 1e300, 10**12])
def test_a_deadline_may_be_now_or_never(scene: Scene, timeout: float) -> None:
    """Never is taken for a very long time."""
    stream = Stream(plain_feed(scene.broker))
    first_message(scene, stream)
    report = stream.close(timeout)
    assert stream.close(PATIENCE).threads == ()
    assert timeout == 0 or report.threads == ()


# ---------------------------------------------------------------- what waits


@pytest.mark.parametrize(
    ("call", "ends_with"),
    [
        (lambda stream: stream.get(), StreamClosed),
        (lambda stream: stream.get(timeout=60), StreamClosed),
        (lambda stream: stream.get_many(), StreamClosed),
        (lambda stream: stream.get_many(timeout=60), StreamClosed),
        (lambda stream: stream.queue.get(), StreamClosed),
        (lambda stream: list(stream), list),
        (lambda stream: list(stream.messages()), list),
        (lambda stream: list(stream.events()), list),
        (lambda stream: stream.join(), bool),
        (lambda stream: stream.join(60), bool),
        (lambda stream: stream.run(markers="ignore"), type(None)),
    ],
)
def test_every_blocking_call_is_woken(scene: Scene, call: Callable[[Stream], Any], ends_with: type) -> None:
    """A loop ends, a get raises, join and run return."""
    stream = Stream(plain_feed(scene.broker))
    stream.on()(lambda item: None)
    scene.subscribed(stream)
    waiter = Waiter(lambda: call(stream))
    assert not waiter.wait(0.05)
    began = now()
    stream.close(PATIENCE)
    assert isinstance(waiter.end(), ends_with)
    assert waiter.ended_at - began < SLACK


def test_a_send_that_is_stuck_is_woken(scene: Scene) -> None:
    """The venue reads nothing: the sender of what is half out hears that nobody will know, the next one that nothing left."""
    stream = Stream(plain_feed(scene.broker, heartbeat=None))
    first_message(scene, stream)
    stream.get(timeout=PATIENCE)
    with scene.broker._venue.lock:  # the venue's thread stands still: it does not read
        first = Waiter(lambda: stream.send("x" * 20_000_000, timeout=60))
        stuck(stream, 1)
        second = Waiter(lambda: stream.send("y", timeout=60))
        stuck(stream, 2)
        began = now()
        stream.close(PATIENCE)
        assert isinstance(first.end(), SendUnknown)
        assert isinstance(second.end(), NotConnected)
    assert max(first.ended_at, second.ended_at) - began < SLACK


# ---------------------------------------------------------------- from a signal handler


@pytest.mark.parametrize("drain", [False, True])
def test_close_on_top_of_a_call_that_it_has_interrupted(scene: Scene, drain: bool) -> None:
    """As in a signal handler: that call holds the lock and cannot go on, so nothing is waited for; it takes effect afterwards."""
    stream = Stream(plain_feed(scene.broker))
    scene.subscribed(stream)
    scene.broker.publish("ABC", 5)
    scene.broker.wait_for(lambda: stream.queue.qsize() == 5, PATIENCE)
    began = now()
    with stream._delivery.mutex:
        assert stream.status.queued == 5
        report = stream.close(PATIENCE, drain=drain)
    assert now() - began < SLACK
    assert report.threads == ()
    scene.broker.wait_for(lambda: stream.closed, PATIENCE)
    assert [item["seq"] for item in stream] == ([1, 2, 3, 4, 5] if drain else [])
    report = stream.close()
    assert (report.threads, report.discarded) == ((), 0 if drain else 5)


# ---------------------------------------------------------------- draining


def test_draining_gives_the_callbacks_what_is_left(scene: Scene) -> None:
    """Nothing is discarded, the line is hung up, and all of it has been handled when close returns."""
    stream = Stream(plain_feed(scene.broker))
    seen: list[int] = []
    slowly = threading.Event()

    @stream.on()
    def message(item: Any) -> None:
        slowly.wait(0.001)
        seen.append(item["seq"])

    stream.start(markers="ignore")
    scene.subscribed(stream)
    scene.broker.publish("ABC", 200)
    scene.broker.wait_for(lambda: stream.status.messages >= 200, PATIENCE)
    report = stream.close(PATIENCE, drain=True)
    assert seen == list(range(1, 201))
    assert (report.discarded, report.threads) == (0, ())
    scene.broker.wait_for(lambda: not scene.broker.connections, PATIENCE)


def test_draining_from_a_callback_lets_the_rest_follow(scene: Scene) -> None:
    """close(drain=True) cannot wait for what only its own worker could do: it returns, then that goes on to the end."""
    stream = Stream(plain_feed(scene.broker))
    seen: list[int] = []
    took: list[float] = []

    @stream.on()
    def message(item: Any) -> None:
        seen.append(item["seq"])
        if item["seq"] == 3:
            scene.broker.wait_for(lambda: stream.status.messages >= 50, PATIENCE)
            began = now()
            stream.close(PATIENCE, drain=True)
            took.append(now() - began)

    running = Waiter(lambda: stream.run(markers="ignore"))
    scene.subscribed(stream)
    scene.broker.publish("ABC", 50)
    assert running.end() is None
    assert seen == list(range(1, 51))
    assert took[0] < SLACK
    assert stream.closed


def test_draining_ends_when_its_time_is_over(scene: Scene) -> None:
    """Callbacks that hang are left behind, what they had no time for is discarded and counted."""
    stream = Stream(plain_feed(scene.broker))
    hanging = threading.Event()
    stream.on()(lambda item: hanging.wait())
    stream.start(markers="ignore")
    first_message(scene, stream)
    scene.broker.publish("ABC", 9)
    scene.broker.wait_for(lambda: stream.status.messages >= 10, PATIENCE)
    with within(0.3, rather_than=inf):
        report = stream.close(0.3, drain=True)
    assert report.threads == ("syncstream-worker-1",)
    hanging.set()
    threads_end(stream)
    assert stream.close().discarded >= 1


def threads_end(stream: Stream) -> None:
    """Wait until workers that were left behind are gone."""
    deadline = now() + PATIENCE
    while any(thread.name.startswith("syncstream-worker") for thread in threading.enumerate()):
        assert now() < deadline
        threading.Event().wait(0.01)


def test_draining_leaves_the_rest_to_get(scene: Scene) -> None:
    """Without callbacks the queue can be emptied after the end, then it says so."""
    stream = Stream(plain_feed(scene.broker))
    scene.subscribed(stream)
    scene.broker.publish("ABC", 5)
    scene.broker.wait_for(lambda: stream.status.messages >= 5, PATIENCE)
    report = stream.close(PATIENCE, drain=True)
    assert (report.discarded, report.threads) == (0, ())
    assert [item["seq"] for item in stream] == [1, 2, 3, 4, 5]
    with pytest.raises(StreamClosed):
        stream.get()


def test_what_was_drained_can_still_be_discarded(scene: Scene) -> None:
    """A second close without drain counts what is thrown away."""
    stream = Stream(plain_feed(scene.broker))
    scene.subscribed(stream)
    scene.broker.publish("ABC", 5)
    scene.broker.wait_for(lambda: stream.status.messages >= 5, PATIENCE)
    stream.close(PATIENCE, drain=True)
    assert stream.get()["seq"] == 1
    report = stream.close()
    assert (report.discarded, report.delivered) == (4, 1)


def test_the_end_is_the_last_event(scene: Scene) -> None:
    """events() says it in words, once, whichever way the stream was closed."""
    for drain in (False, True):
        stream = Stream(plain_feed(scene.broker))
        events = stream.events()
        scene.broker.wait_for(lambda: len(scene.broker.connections) == 1, PATIENCE)
        stream.close(drain=drain)
        last = list(events)
        assert isinstance(last[-1], Closed)
        assert last[-1].error == ""
        assert [type(item) for item in last].count(Closed) == 1
        assert list(events) == []
        scene.broker.wait_for(lambda: not scene.broker.connections, PATIENCE)


# ---------------------------------------------------------------- `with`


class Mine(Exception):
    """The body's own."""


def test_with_closes(scene: Scene) -> None:
    """Leaving the block ends the stream, and joins its threads."""
    before = set(threading.enumerate())
    with Stream(feed_of(scene.broker)) as stream:
        first_message(scene, stream)
        assert isinstance(stream.get(timeout=PATIENCE), Snapshot)
    assert stream.closed
    assert set(threading.enumerate()) <= before


def broken_stream() -> Stream:
    """One that fails by itself: nobody listens there."""
    return Stream(Feed("ws://127.0.0.1:9/", first_live_limit=0.05))


def test_with_raises_a_failure_that_nobody_has_seen() -> None:
    """A body that never looked must not end as if all had been well."""
    with pytest.raises(ConnectFailed, match="refused"), broken_stream() as stream:
        assert stream._reader.ended.wait(PATIENCE)


def test_with_never_masks_the_error_of_its_body() -> None:
    """The failure of the stream waits; the body's own exception goes up untouched."""

    def body() -> None:
        with broken_stream() as stream:
            assert stream._reader.ended.wait(PATIENCE)
            raise Mine

    with pytest.raises(Mine) as caught:
        body()
    assert caught.value.__context__ is None


def test_with_does_not_raise_twice() -> None:
    """A failure that the body has caught is done with."""
    with broken_stream() as stream, pytest.raises(ConnectFailed):
        stream.get(timeout=PATIENCE)
    with broken_stream() as stream, pytest.raises(ConnectFailed):
        stream.join(PATIENCE)
    with broken_stream() as stream, pytest.raises(ConnectFailed):
        next(iter(stream))
    with broken_stream() as stream:
        stream.on()(lambda item: None)
        with pytest.raises(ConnectFailed):
            stream.run(markers="ignore")


def test_every_wait_raises_the_failure() -> None:
    """The first one and all after it, with a traceback that does not grow."""
    with broken_stream() as stream:
        depths = []
        for call in (stream.get, stream.get_nowait, stream.get_many, stream.join, stream.__iter__().__next__):
            for _ in range(3):
                with pytest.raises(ConnectFailed) as caught:
                    call()
                depths.append(len(caught.traceback))
        assert all(depths[at] == depths[at + 1] == depths[at + 2] for at in range(0, len(depths), 3))


def test_a_failure_is_chained_down_to_what_the_system_said() -> None:
    """The last attempt is the cause, with its traceback, and below it the system's own error."""
    with broken_stream() as stream, pytest.raises(ConnectFailed) as caught:
        stream.get(timeout=PATIENCE)
    attempt = caught.value.__cause__
    assert isinstance(attempt, DialError)
    assert isinstance(attempt.__cause__, ConnectionRefusedError)
    assert attempt.__traceback__ is not None


def test_a_callback_that_fails_while_the_stream_closes_is_heard(scene: Scene) -> None:
    """Its error comes after close() has begun, and is raised where `with` ends."""
    stream = Stream(plain_feed(scene.broker))
    started = threading.Event()

    @stream.on()
    def message(item: Any) -> None:
        started.set()
        scene.broker.wait_for(lambda: stream.closed, PATIENCE)
        raise KeyError("mine")

    def body() -> None:
        with stream:
            stream.start(markers="ignore")
            first_message(scene, stream)
            assert started.wait(PATIENCE)
            assert not stream.closed

    with pytest.raises(HandlerFailed, match="KeyError") as caught:
        body()
    assert isinstance(caught.value.__cause__, KeyError)


def test_a_callback_may_close_and_then_fail(scene: Scene) -> None:
    """run() raises what it raised."""
    stream = Stream(plain_feed(scene.broker))

    @stream.on()
    def message(item: Any) -> None:
        stream.close()
        raise KeyError("mine")

    running = Waiter(lambda: stream.run(markers="ignore"))
    first_message(scene, stream)
    assert isinstance(running.end(), HandlerFailed)


# ---------------------------------------------------------------- afterwards


def test_a_closed_stream_answers_every_call(scene: Scene) -> None:
    """Nothing waits, and nothing is silently ignored."""
    stream = Stream(plain_feed(scene.broker, subscribe=lambda topics: {"action": "subscribe", "symbols": topics}, topics=["ABC"]))
    first_message(scene, stream)
    scene.broker.wait_for(lambda: stream.latest["ABC"]["seq"] == 2, PATIENCE)
    stream.close()
    began = now()
    with pytest.raises(NotConnected):
        stream.send("x")
    with pytest.raises(StreamClosed):
        stream.subscribe("XYZ")
    with pytest.raises(StreamClosed):
        stream.get_many()
    assert stream.join() is True
    assert list(stream) == []
    assert stream.latest["ABC"]["seq"] == 2
    assert stream.queue.is_shutdown
    assert (stream.closed, stream.status.state) == (True, "closed")
    assert " closed: " in repr(stream)
    assert now() - began < SLACK


@pytest.mark.parametrize(("drain", "handled"), [(False, []), (True, [1, 2, 3])])
def test_callbacks_of_a_closed_stream_end_at_once(scene: Scene, drain: bool, handled: list[int]) -> None:
    """run() has nothing to do; a stream that was drained hands over what is left first."""
    seen: list[Any] = []
    stream = Stream(plain_feed(scene.broker))
    stream.on()(seen.append)
    scene.subscribed(stream)
    scene.broker.publish("ABC", 3)
    scene.broker.wait_for(lambda: stream.status.messages == 3, PATIENCE)
    stream.close(drain=drain)
    stream.run(markers="ignore")
    assert [item["seq"] for item in seen] == handled


def test_callables_of_the_feed_may_close_and_must_not_wait(scene: Scene) -> None:
    """They run on the reader: close() returns at once and takes effect when they do; waiting for oneself is refused."""
    refused: list[type] = []
    streams: list[Stream] = []
    ready = threading.Event()

    def key(item: Any) -> Any:
        assert ready.wait(PATIENCE)
        stream = streams[0]
        if stream._reader.inside and not refused:
            for call in (lambda: stream.send("x"), stream.join):
                try:
                    call()
                except UsageError as error:
                    refused.append(type(error))
            assert stream.close().threads == ()
        return "one"

    streams.append(Stream(plain_feed(scene.broker, key=key)))
    ready.set()
    scene.broker.wait_for(lambda: scene.broker.counts["received"], PATIENCE)
    scene.broker.publish("ABC")
    assert streams[0]._reader.ended.wait(PATIENCE)
    assert refused == [UsageError, UsageError]
    assert streams[0].close().threads == ()


@pytest.mark.parametrize("where", ["endpoint", "subscribe", "snapshot", "headers"])
def test_callables_that_are_asked_elsewhere_may_close(scene: Scene, where: str) -> None:
    """They run on the thread of a dial or of a fetch, which close() does not wait for."""
    reports: list[Report] = []
    streams: list[Stream] = []
    ready = threading.Event()

    def close(*topics: Any) -> Any:
        assert ready.wait(PATIENCE)
        reports.append(streams[0].close())
        return RETURNS[where]

    rest = Rest(close, whole=True) if where == "snapshot" else Rest(scene.broker.snapshot_url, whole=True, headers=close)
    feeds = {
        "endpoint": lambda: Feed(close),
        "subscribe": lambda: Feed(scene.broker.url, subscribe=close, topics=["ABC"]),
        "snapshot": lambda: Feed(scene.broker.url, key="symbol", subscribe=scene.broker.subscribe, snapshot=rest),
        "headers": lambda: Feed(scene.broker.url, key="symbol", subscribe=scene.broker.subscribe, snapshot=rest),
    }
    streams.append(Stream(feeds[where]()))
    ready.set()
    if where in ("snapshot", "headers"):
        scene.subscribed(streams[0])
        scene.broker.publish("ABC")
    assert streams[0]._reader.ended.wait(PATIENCE)
    assert streams[0].close().threads == ()
    assert [report.threads for report in reports] == [()]


RETURNS: dict[str, Any] = {
    "endpoint": "ws://127.0.0.1:9/",
    "subscribe": "hello",
    "snapshot": "http://127.0.0.1:9/",
    "headers": {},
}


def test_a_wrong_deadline_is_refused_and_changes_nothing(scene: Scene) -> None:
    """The stream goes on."""
    with Stream(plain_feed(scene.broker)) as stream:
        for timeout in (-1, float("nan"), "soon", None, True):
            with pytest.raises(FeedError, match="timeout="):
                stream.close(timeout)  # type: ignore[arg-type]
        first_message(scene, stream)
        assert stream.get(timeout=PATIENCE)
