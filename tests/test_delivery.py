"""Tests of delivery.py: waits, views, the end, and the contract under overload, with real threads."""

from __future__ import annotations

import contextlib
import copy
import logging
import pickle
import queue
import random
import signal
import sys
import threading
import time
import traceback
from typing import Any, Callable, Hashable, Optional

import pytest

from syncstream import clock
from syncstream import delivery as module
from syncstream.core import items as core_items
from syncstream.delivery import Delivery
from syncstream.errors import Empty, FeedError, Overflow, StreamClosed, StreamFailed, UsageError
from syncstream.events import Closed, Connected, Dropped, Event, Gap, Snapshot

LONG = 10.0
"""Seconds after which a test gives up; nothing that passes waits so long."""


def key_of(message: dict[str, Any]) -> Hashable:
    key: Hashable = message["key"]
    return key


def messages(keys: str, start: int = 1) -> list[dict[str, Any]]:
    """One message per letter, numbered through."""
    return [{"key": key, "number": number} for number, key in enumerate(keys, start)]


def make(maxsize: int = 10, view: Optional[str] = "default", **options: Any) -> Delivery:
    delivery = Delivery(maxsize, key=options.pop("key", key_of), **options)
    if view:
        delivery.use(view)
    return delivery


def adds_up(delivery: Delivery) -> bool:
    t = delivery.tally()
    return t.received + t.marked == t.delivered + t.dropped + t.fallen + t.discarded + t.queued


class Waits:
    """Owned by: one test. Lets it know when a thread is about to wait; who then gets the lock knows that it waits."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._begun = threading.Semaphore(0)
        wait = clock.wait

        def noted(condition: threading.Condition, timeout: Optional[float] = None) -> bool:
            self._begun.release()
            return wait(condition, timeout)

        monkeypatch.setattr(clock, "wait", noted)

    def until(self, delivery: Delivery, count: int = 1) -> None:
        """Return when `count` waits have begun."""
        for _ in range(count):
            assert self._begun.acquire(timeout=LONG)
        with delivery.mutex:
            pass


@pytest.fixture(autouse=True)
def _no_wait_looks_again_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits come back every second, and would hide that nobody woke them. Here only the tests of Ctrl-C need that."""
    monkeypatch.setattr(clock, "_LONGEST", 3600.0)


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> Waits:
    return Waits(monkeypatch)


class Call:
    """Owned by: one test. A call on a thread of its own: its result or what it raised."""

    def __init__(self, function: Callable[..., Any], *args: Any) -> None:
        self._result: Any = None
        self._error: Optional[BaseException] = None

        def run() -> None:
            try:
                self._result = function(*args)
            except BaseException as error:
                self._error = error

        self._thread = threading.Thread(target=run)
        self._thread.start()

    def result(self) -> Any:
        self._thread.join(LONG)
        assert not self._thread.is_alive(), "the call did not return"
        if self._error is not None:
            raise self._error
        return self._result


# --- a queue.Queue ---


def test_code_that_only_knows_queue_works() -> None:
    """A worker loop written for `queue.Queue` drains it, and `join` returns when all is done."""
    delivery = make(view=None)
    seen: list[Any] = []

    def legacy(source: queue.Queue[Any]) -> None:
        while True:
            try:
                item = source.get(True, LONG)
            except StreamClosed:
                return
            seen.append(item)
            source.task_done()

    call = Call(legacy, delivery)
    items = messages("ABCAB")
    delivery.put_batch(items, 0.0)
    delivery.join()
    assert seen == items
    assert (delivery.qsize(), delivery.empty(), delivery.full(), delivery.unfinished_tasks) == (0, True, False, 0)
    delivery.close(drain=True)
    call.result()


def test_sizes_are_those_of_the_default_view_before_the_first_get() -> None:
    """Code that asks before it gets is not told of items that its `get` will not show."""
    delivery = make(2, view=None, heals=False)
    delivery.put_batch([Connected()], 0.0)
    assert (delivery.qsize(), delivery.empty()) == (0, True)
    delivery.put_batch(messages("A"), 0.0)
    assert (delivery.qsize(), delivery.empty(), delivery.maxsize) == (1, False, 2)
    delivery.put_batch(messages("AA"), 0.0)
    assert delivery.full()


def test_idle_is_what_has_nothing_to_take_and_nothing_to_tell() -> None:
    """An item ends it, a marker that stands ahead of the queue, and the end of the stream."""
    delivery = make()
    seen = [delivery.idle]
    delivery.put_batch(messages("A"), 1.0)
    seen.append(delivery.idle)
    delivery.get()
    seen.append(delivery.idle)
    delivery.close(drain=False)
    assert [*seen, delivery.idle] == [True, False, True, False]
    dropped = make(1, overflow="drop_oldest")
    dropped.put_batch(messages("AB"), 1.0)
    assert isinstance(dropped.get(), Dropped)
    dropped.get()
    assert dropped.idle


def test_empty_is_the_time_out_of_both_worlds() -> None:
    """Nothing in time: an error that is a `TimeoutError`, a `queue.Empty` and our own; the stream goes on."""
    delivery = make()
    for get in (
        delivery.get_nowait,
        lambda: delivery.get(False),
        lambda: delivery.get(timeout=0),
        lambda: delivery.get(True, 0.01),
    ):
        for kind in (Empty, TimeoutError, queue.Empty):
            with pytest.raises(kind):
                get()
    assert delivery.get_many(5, 0) == delivery.get_many(5, 0.01) == []
    delivery.put_batch(messages("A"), 0.0)
    assert delivery.get_nowait() == {"key": "A", "number": 1}


@pytest.mark.parametrize("timeout", [-1, -0.001, float("-inf"), float("nan")])
def test_a_time_out_below_zero_is_refused(timeout: float) -> None:
    """A negative time-out is a `ValueError` that names it, as in `queue.Queue`; without blocking it means nothing."""
    delivery = make()
    delivery.put_batch(messages("A"), 0.0)
    for wait in (
        lambda: delivery.get(timeout=timeout),
        lambda: delivery.get_many(1, timeout),
        lambda: delivery.wait_drained(timeout),
    ):
        with pytest.raises(ValueError, match=r"timeout=.*non-negative"):
            wait()
    assert delivery.get(block=False, timeout=timeout)["number"] == 1


@pytest.mark.parametrize("most", [0, -1, 1.5, True, None])
def test_get_many_needs_a_count(most: Any) -> None:
    """`max_items` is a whole number from 1 on."""
    with pytest.raises(FeedError, match="max_items"):
        make().get_many(most)


@pytest.mark.parametrize(
    ("field", "options"),
    [
        ("maxsize", {"maxsize": 0}),
        ("maxsize", {"maxsize": 2.0}),
        ("overflow", {"overflow": "drop_newest"}),
        ("maxbytes", {"maxbytes": 0}),
        ("maxbytes", {"maxbytes": 1e6}),
        ("block_limit", {"block_limit": 0}),
        ("block_limit", {"block_limit": float("nan")}),
    ],
)
def test_options_that_cannot_work_are_named(field: str, options: dict[str, Any]) -> None:
    """Each option is checked at once, by name and value; a queue without a bound is none of ours."""
    with pytest.raises(FeedError, match=field):
        Delivery(**{"key": key_of, **options})


def test_only_the_stream_puts() -> None:
    """`put` and `put_nowait` are refused with what to do instead."""
    delivery = make()
    for put in (delivery.put, delivery.put_nowait):
        with pytest.raises(UsageError, match="send"):
            put({})


def test_it_cannot_be_pickled_or_copied() -> None:
    """A queue belongs to connections of this process; the error says so."""
    for refused in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(UsageError, match="this process"):
            refused(make())


def test_repr_is_one_line() -> None:
    """It shows what waits, the bound, and the state."""
    delivery = make()
    delivery.put_batch(messages("AB"), 0.0)
    assert repr(delivery) == "<Delivery 2 of 10, overflow='raise', view='default'>"
    delivery.close(drain=False)
    assert repr(delivery) == "<Delivery 0 of 10, closed>"
    failed = make()
    failed.fail(StreamFailed("x"))
    assert repr(failed) == "<Delivery 0 of 10, failed>"


def test_task_done_counts_like_queue() -> None:
    """Once per item; more often is a `ValueError`."""
    delivery = make()
    delivery.put_batch(messages("AB"), 0.0)
    assert delivery.unfinished_tasks == 2
    delivery.task_done()
    delivery.task_done()
    with pytest.raises(ValueError, match="too many"):
        delivery.task_done()


@pytest.mark.parametrize("end", ["drop", "view", "close", "refuse"])
def test_what_is_thrown_away_needs_no_task_done(waits: Waits, end: str) -> None:
    """`join` does not hang on items that nobody will ever get."""
    delivery = make(4, view=None, overflow="drop_oldest", heals=True)
    delivery.put_batch([*messages("AA"), Connected()], 0.0)
    call = Call(delivery.join)
    waits.until(delivery)
    if end == "drop":
        delivery.put_batch(messages("AAAA"), 0.0)
        assert [type(delivery.get()) for _ in range(delivery.qsize())] == [Dropped]
        delivery.task_done()
    elif end == "view":
        delivery.use("messages")
        delivery.get_many(9)
        delivery.task_done()
        delivery.task_done()
    else:
        delivery.close(drain=False)
        delivery.put_batch(messages("A"), 0.0)
    call.result()
    assert delivery.unfinished_tasks == 0
    assert adds_up(delivery)


# --- waits ---


def test_order_is_that_of_the_queue() -> None:
    """One consumer gets everything in the order in which it was put, one at a time or many."""
    delivery = make(100)
    items = messages("ABCABCABC")
    delivery.put_batch(items[:4], 0.0)
    delivery.put_batch(items[4:], 0.0)
    assert [delivery.get(), *delivery.get_many(3), *delivery.get_many(100)] == items


def test_get_many_waits_for_the_first_item_only(waits: Waits) -> None:
    """It returns what is there as soon as anything is, never more than asked for."""
    delivery = make()
    call = Call(delivery.get_many, 2, LONG)
    waits.until(delivery)
    items = messages("ABC")
    delivery.put_batch(items, 0.0)
    assert call.result() == items[:2]
    assert delivery.get_many(1000, LONG) == items[2:]


def test_a_batch_wakes_as_many_as_it_has_items(waits: Waits) -> None:
    """Three wait, two items come: two return, the third goes on waiting."""
    delivery = make()
    calls = [Call(delivery.get) for _ in range(3)]
    waits.until(delivery, 3)
    delivery.put_batch(messages("AB"), 0.0)
    delivery.put_batch(messages("C", 3), 0.0)
    assert sorted(call.result()["number"] for call in calls) == [1, 2, 3]


def test_a_loop_ends_when_the_stream_is_closed() -> None:
    """Iteration takes what is queued and stops; a `break` loses nothing."""
    delivery = make(view=None)
    delivery.put_batch(messages("ABC"), 0.0)
    delivery.close(drain=True)
    for item in delivery:
        assert item["number"] == 1
        break
    assert [item["number"] for item in delivery] == [2, 3]
    assert list(delivery) == []


def test_each_item_goes_to_exactly_one_of_ten_threads() -> None:
    """Ten consumers in three forms, a reader in bursts: every message once."""
    delivery = make(1_000_000)
    taken: list[list[Any]] = [[] for _ in range(10)]

    def consume(n: int) -> None:
        mine = taken[n]
        if n % 3 == 0:
            mine.extend(delivery)
            return
        while True:
            try:
                if n % 3 == 1:
                    mine.append(delivery.get(timeout=LONG))
                else:
                    mine.extend(delivery.get_many(7, LONG))
            except StreamClosed:
                return

    calls = [Call(consume, n) for n in range(10)]
    dice = random.Random(1)
    number = 0
    while number < 20_000:
        batch = messages("A" * dice.choice((1, 2, 50, 500)), number)
        number += len(batch)
        delivery.put_batch(batch, 0.0)
    delivery.close(drain=True)
    for call in calls:
        call.result()
    assert sorted(item["number"] for mine in taken for item in mine) == list(range(number))
    assert delivery.tally().delivered == number


@pytest.mark.skipif(sys.platform == "win32", reason="a signal cannot be sent to a thread on Windows")
@pytest.mark.parametrize("wait", ["get", "get_many", "loop", "join", "wait_drained"])
def test_ctrl_c_ends_a_wait_and_not_the_stream(waits: Waits, wait: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGINT raises KeyboardInterrupt out of every wait; the same iterator goes on afterwards."""
    monkeypatch.setattr(clock, "_LONGEST", 1.0)
    delivery = make()
    main = threading.main_thread().ident
    assert main is not None
    iterator = iter(delivery)
    blocked: dict[str, Callable[[], Any]] = {
        "get": delivery.get,
        "get_many": lambda: delivery.get_many(5, LONG),
        "loop": lambda: next(iterator),
        "join": delivery.join,
        "wait_drained": lambda: delivery.wait_drained(LONG),
    }
    if wait in ("join", "wait_drained"):
        delivery.put_batch(messages("A"), 0.0)

    def interrupt() -> None:
        waits.until(delivery)
        signal.pthread_kill(main, signal.SIGINT)

    call = Call(interrupt)
    with pytest.raises(KeyboardInterrupt):
        blocked[wait]()
    call.result()
    if wait not in ("join", "wait_drained"):
        delivery.put_batch(messages("A"), 0.0)
    assert next(iterator)["number"] == 1


def test_an_interrupted_wait_hands_its_notification_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C can hit the very thread that an item was announced to; another one that waits gets it."""
    delivery = make()
    begun = threading.Semaphore(0)
    wait = clock.wait

    def interrupted(condition: threading.Condition, timeout: Optional[float] = None) -> bool:
        begun.release()
        result = wait(condition, timeout)
        if threading.current_thread().name == "first" and delivery.queue:
            raise KeyboardInterrupt
        return result

    def first() -> None:
        threading.current_thread().name = "first"
        delivery.get()

    monkeypatch.setattr(clock, "wait", interrupted)
    calls = []
    for function in (first, delivery.get):
        calls.append(Call(function))
        assert begun.acquire(timeout=LONG)
        with delivery.mutex:
            pass
    delivery.put_batch(messages("A"), 0.0)
    with pytest.raises(KeyboardInterrupt):
        calls[0].result()
    assert calls[1].result()["number"] == 1


def test_wait_drained_waits_for_the_queue_and_for_hands(waits: Waits) -> None:
    """It returns when the last item has been taken and finished, and says when the time is over first."""
    delivery = make()
    assert delivery.wait_drained(0)
    delivery.put_batch(messages("AB"), 0.0)
    assert not delivery.wait_drained(0.01)
    call = Call(delivery.wait_drained)
    waits.until(delivery, 2)
    assert len(delivery.take_in_hand(1, lambda: False)) == 1
    delivery.get()
    delivery.finish()
    assert call.result() is True


@pytest.mark.parametrize("end", ["take", "discard"])
def test_wait_drained_sees_the_last_item_go(waits: Waits, end: str) -> None:
    """Whether it is taken or discarded."""
    delivery = make()
    delivery.put_batch(messages("A"), 0.0)
    call = Call(delivery.wait_drained)
    waits.until(delivery)
    if end == "take":
        delivery.get()
    else:
        delivery.close(drain=False)
    assert call.result() is True


# --- views ---


@pytest.mark.parametrize(
    ("view", "shown"),
    [
        ("default", ["Snapshot", "dict", "Gap"]),
        ("events", ["Connected", "Snapshot", "dict", "Gap", "Gap"]),
        ("messages", ["dict"]),
    ],
)
@pytest.mark.parametrize("fixed_first", [True, False])
def test_a_view_shows_the_same_whenever_it_is_fixed(view: str, shown: list[str], fixed_first: bool) -> None:
    """What is put before the first consuming call is shown like what is put after it."""
    delivery = make(view=view if fixed_first else None)
    items = [Connected(), Snapshot(key="A"), *messages("A"), Gap(key="A", healing=True), Gap(key="A")]
    delivery.put_batch(items, 0.0)
    assert delivery.started is fixed_first
    delivery.use(view)
    assert (delivery.started, delivery.view, delivery.qsize()) == (True, view, len(shown))
    assert [type(item).__name__ for item in delivery.get_many(10)] == shown
    assert adds_up(delivery)


@pytest.mark.parametrize(
    "first_call", [lambda d: d.get_nowait(), lambda d: d.get_many(1, 0), lambda d: d.take_in_hand(1, lambda: True)]
)
def test_the_first_consuming_call_fixes_the_default_view(first_call: Callable[[Delivery], Any]) -> None:
    """As code that only knows `queue.Queue` expects; looking at the size fixes nothing."""
    delivery = make(view=None)
    delivery.put_batch([Connected()], 0.0)
    assert delivery.empty()
    assert delivery.view is None
    with contextlib.suppress(Empty):
        first_call(delivery)
    assert delivery.view == "default"


def test_mixing_views_names_both() -> None:
    """The second view is refused, by name, with the calls they belong to; the first goes on."""
    delivery = make(view="events")
    with pytest.raises(UsageError, match=r"'events'.*events\(\).*'messages'.*messages\(\)"):
        delivery.use("messages")
    delivery.use("events")
    delivery.put_batch([Connected()], 0.0)
    assert isinstance(delivery.get(), Connected)
    with pytest.raises(FeedError, match="view='all'"):
        delivery.use("all")


def test_a_view_that_is_fixed_during_a_put_holds_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reader sorts out a batch before it takes the lock; a consumer that comes in between sees no wrong item."""
    delivery = make(view=None)
    shown = core_items.shown_sized

    def late(items: list[Any], sizes: Optional[list[int]], view: Optional[str]) -> Any:
        monkeypatch.setattr(module, "shown_sized", shown)
        delivery.use("default")
        return shown(items, sizes, view)

    monkeypatch.setattr(module, "shown_sized", late)
    delivery.put_batch([Connected(), *messages("A")], 0.0)
    assert delivery.get_many(9) == messages("A")
    assert adds_up(delivery)


# --- the end ---


def test_close_wakes_every_wait() -> None:
    """Gets, batches, loops and workers return at once."""
    delivery = make()
    ready = threading.Barrier(5)

    def call(wait: Callable[[], Any]) -> Any:
        ready.wait(LONG)
        return wait()

    calls = [
        Call(call, wait)
        for wait in (
            delivery.get,
            lambda: delivery.get_many(5),
            lambda: list(delivery),
            lambda: delivery.take_in_hand(1, lambda: False),
        )
    ]
    ready.wait(LONG)
    delivery.close(drain=False)
    assert calls[2].result() == []
    for n in (0, 1, 3):
        with pytest.raises(StreamClosed):
            calls[n].result()


def test_close_with_drain_lets_take_what_is_queued() -> None:
    """Nothing new comes in, what is there can be taken, then `StreamClosed` for ever."""
    woken: list[bool] = []
    delivery: Delivery = make(wake=lambda: woken.append(delivery.interrupted))
    delivery.put_batch(messages("AB"), 0.0)
    assert delivery.close(drain=True) == 0
    assert woken == [False]  # the reader hears of it, without the lock
    assert delivery.put_batch(messages("C", 3), 0.0) == []
    assert [item["number"] for item in delivery.get_many(9)] == [1, 2]
    for _ in range(2):
        with pytest.raises(StreamClosed):
            delivery.get_nowait()
        with pytest.raises(StreamClosed):
            delivery.get_many(9, 0)
    assert delivery.tally().discarded == 1
    assert adds_up(delivery)


def test_close_without_drain_discards_and_counts() -> None:
    """What could have been taken is discarded; it may follow a close with drain; twice is harmless."""
    delivery = make()
    delivery.put_batch(messages("ABC"), 0.0)
    delivery.close(drain=True)
    delivery.get()
    before = delivery.discards
    assert (delivery.close(drain=False), delivery.close(drain=False)) == (2, 0)
    assert (before, delivery.discards) == (False, True)
    with pytest.raises(StreamClosed):
        delivery.get()
    assert delivery.tally().discarded == 2
    assert adds_up(delivery)


def test_closed_is_a_shut_down_where_python_has_it() -> None:
    """`shutdown` is `close`, and what it raises is `queue.ShutDown` from 3.13 on."""
    delivery = make()
    delivery.put_batch(messages("AB"), 0.0)
    before = delivery.is_shutdown
    delivery.shutdown()
    assert (before, delivery.is_shutdown) == (False, True)
    delivery.get()
    delivery.shutdown(immediate=True)
    with pytest.raises(getattr(queue, "ShutDown", StreamClosed)):
        delivery.get()


def failure() -> StreamFailed:
    """A failure that was raised, with a cause."""
    try:
        try:
            raise ValueError("deep down")
        except ValueError as cause:
            raise StreamFailed("it ended") from cause
    except StreamFailed as error:
        return error


def test_a_failure_is_raised_after_what_is_queued(waits: Waits) -> None:
    """Every wait raises the same error, with its cause and original traceback, which does not grow."""
    delivery = make()
    delivery.put_batch(messages("A"), 0.0)
    error = failure()
    delivery.fail(error)
    assert delivery.error is error
    assert delivery.get()["number"] == 1
    lengths = []
    for wait in (delivery.get, lambda: delivery.get_many(5), lambda: next(iter(delivery)), delivery.get):
        with pytest.raises(StreamFailed) as caught:
            wait()
        assert caught.value is error
        assert isinstance(error.__cause__, ValueError)
        frames = traceback.extract_tb(error.__traceback__)
        assert frames[-1].name == "failure"
        lengths.append(len(frames))
    assert lengths[0] == lengths[-1]


def test_a_failure_wakes_a_wait(waits: Waits) -> None:
    """A blocked `get` raises it at once."""
    delivery = make()
    call = Call(delivery.get)
    waits.until(delivery)
    delivery.fail(failure())
    with pytest.raises(StreamFailed, match="it ended"):
        call.result()


def test_the_first_end_counts() -> None:
    """A later failure or close changes nothing; only discarding what is left can still follow."""
    first, second = failure(), failure()
    delivery = make()
    delivery.put_batch(messages("A"), 0.0)
    delivery.fail(first)
    delivery.fail(second)
    assert delivery.close(drain=False) == 1
    with pytest.raises(StreamFailed) as caught:
        delivery.get()
    assert caught.value is first
    closed = make()
    closed.close(drain=True)
    closed.fail(first)
    assert closed.error is None
    with pytest.raises(StreamClosed):
        closed.get()


@pytest.mark.parametrize("drain", [True, False])
@pytest.mark.parametrize("given", [True, False])
def test_closed_is_the_last_event(drain: bool, given: bool) -> None:
    """`events()` ends with `Closed`, the reader's if it gave one, whatever is discarded; others never see it."""
    delivery = make(view="events")
    delivery.put_batch([*messages("A"), *([Closed(error="the reader's")] if given else [])], 0.0)
    delivery.close(drain=drain)
    *before, last = delivery
    assert before == (messages("A") if drain else [])
    assert isinstance(last, Closed)
    assert last.error == ("the reader's" if given else "")
    assert list(delivery) == []
    other = make(view="default")
    other.put_batch([Closed()], 0.0)
    other.close(drain=True)
    assert list(other) == []
    assert other.unfinished_tasks == 0


def test_closed_tells_the_failure_and_comes_before_it() -> None:
    """The last event has the text of the error; then the error is raised. Also where the view is fixed after the end."""
    delivery = make(view=None)
    delivery.fail(failure())
    delivery.use("events")
    last = delivery.get()
    assert (type(last), last.error, last.at_ns > 0) == (Closed, "it ended", True)
    with pytest.raises(StreamFailed):
        delivery.get()
    assert adds_up(delivery)


# --- overload ---


def test_raise_before_a_consumer_drops_the_oldest() -> None:
    """An idle notebook must not die: the oldest go, and the first look shows what is missing."""
    delivery = make(4, view=None, heals=False)
    lost = [delivery.put_batch(messages("ABC", n), 0.0) for n in (1, 4, 7)]
    assert lost == [[], ["A", "B"], ["C", "A", "B"]]
    items = delivery.get_many(99)
    assert [(type(item).__name__, item.key, item.count) for item in items[:3]] == [
        ("Dropped", "A", 2),
        ("Dropped", "B", 2),
        ("Dropped", "C", 1),
    ]
    assert [item["number"] for item in items[3:]] == [6, 7, 8, 9]
    assert delivery.error is None
    assert adds_up(delivery)


def test_raise_is_loud_once_somebody_consumes() -> None:
    """What fits can still be taken, then `Overflow` says how deep, how long, and what to do."""
    delivery = make(1000, view="events")
    delivery.put_batch(messages("A" * 999), 0.0)
    assert delivery.put_batch(messages("ABC", 1000), 0.0) == []
    assert isinstance(delivery.error, Overflow)
    assert delivery.depth == 1000
    items = delivery.get_many(2000)
    assert [item["number"] for item in items] == list(range(1, 1001))
    assert isinstance(delivery.get(), Closed)
    with pytest.raises(Overflow, match=r"1,002 items .* holds 1,000.*get_many.*workers.*drop_oldest"):
        delivery.get()
    assert delivery.tally().discarded == 2
    assert adds_up(delivery)


def test_drop_oldest_goes_on_for_ever() -> None:
    """With a consumer too; the depth stays at the bound, and nobody is woken before it is below half."""
    woken: list[bool] = []
    delivery: Delivery = make(10, overflow="drop_oldest", heals=False, wake=lambda: woken.append(delivery.interrupted))
    for n in range(50):
        delivery.put_batch(messages("AB", n), 0.0)
        assert delivery.depth <= 10
    assert (delivery.relieved, delivery.paused, delivery.tally().high_water) == (False, False, 10)
    assert [(item.key, item.count) for item in delivery.get_many(2)] == [("A", 45), ("B", 45)]
    delivery.get_many(5)
    assert (delivery.relieved, woken) == (False, [])
    delivery.get()
    assert (delivery.relieved, woken) == (True, [False])  # called once, without the lock
    delivery.get_many(9)
    assert woken == [False]
    assert adds_up(delivery)


@pytest.mark.parametrize("relief", ["get", "get_many", "finish", "give_back", "use"])
def test_every_way_to_relieve_it_wakes_the_reader(relief: str) -> None:
    """Whatever brings the depth below half."""
    woken: list[bool] = []
    view = None if relief == "use" else "default"
    delivery: Delivery = make(2, view=view, overflow="block", wake=lambda: woken.append(delivery.interrupted))
    delivery.put_batch([Connected(), Connected()] if relief == "use" else messages("AB"), 0.0)
    assert delivery.paused
    if relief == "use":
        delivery.use("default")
    elif relief == "get":
        delivery.get()
        delivery.get()
    elif relief == "get_many":
        delivery.get_many(2)
    else:
        items = delivery.take_in_hand(2, lambda: False)
        assert delivery.paused
        delivery.finish()
        if relief == "finish":
            delivery.finish()
        else:
            delivery.give_back(items[1:])
            assert delivery.depth == 1
            delivery.get()
    assert woken == [False]
    assert not delivery.paused


def test_a_drop_that_leaves_room_needs_no_wake() -> None:
    """A whole key went and the depth is below half already: the reader sees it itself."""
    woken: list[int] = []
    delivery = make(10, overflow="drop_oldest", heals=True, wake=lambda: woken.append(1))
    assert delivery.put_batch(messages("A" * 10 + "B"), 0.0) == ["A"]
    assert delivery.relieved
    delivery.get_many(9)
    assert woken == []


def test_block_pauses_until_below_half() -> None:
    """A batch is always taken whole; reading stops at the bound and goes on below half."""
    delivery = make(4, overflow="block")
    delivery.put_batch(messages("AAA"), 1.0)
    assert (delivery.paused, delivery.deadline()) == (False, None)
    assert delivery.put_batch(messages("AAAA", 4), 2.0) == []
    assert (delivery.paused, delivery.depth, delivery.deadline()) == (True, 7, 7.0)
    assert delivery.tick(6.9) == []
    delivery.get_many(5)
    assert delivery.paused
    delivery.get()
    assert (delivery.paused, delivery.deadline(), delivery.error) == (False, None, None)
    assert delivery.tick(99.0) == []


def test_block_fails_when_it_takes_too_long() -> None:
    """Past its limit it is as loud as `raise`, after what is queued."""
    delivery = make(4, overflow="block", block_limit=2.0)
    delivery.put_batch(messages("AAAAA"), 1.0)
    delivery.tick(3.0)
    assert (delivery.paused, delivery.deadline()) == (False, None)
    assert len(delivery.get_many(9)) == 5
    with pytest.raises(Overflow, match="5 items still wait, and the queue holds 4"):
        delivery.get()
    assert adds_up(delivery)


def test_block_without_a_consumer_drops_after_its_limit() -> None:
    """An idle notebook must not die here either; it does not pause again before somebody consumes."""
    delivery = make(4, view=None, overflow="block", block_limit=2.0, heals=False)
    delivery.put_batch(messages("ABABAB"), 1.0)
    assert delivery.tick(3.0) == ["A", "B"]
    assert (delivery.paused, delivery.depth) == (False, 4)
    assert delivery.put_batch(messages("A", 7), 4.0) == ["A"]
    assert not delivery.paused
    items = delivery.get_many(9)
    assert [(item.key, item.count) for item in items[:2]] == [("A", 2), ("B", 1)]
    assert [item["number"] for item in items[2:]] == [4, 5, 6, 7]
    delivery.put_batch(messages("AAAA"), 5.0)
    assert delivery.paused


@pytest.mark.parametrize("end", ["close", "fail"])
def test_an_end_ends_a_pause(end: str) -> None:
    """Nothing is due any more."""
    delivery = make(2, overflow="block")
    delivery.put_batch(messages("AB"), 1.0)
    if end == "close":
        delivery.close(drain=True)
    else:
        delivery.fail(failure())
    assert (delivery.paused, delivery.deadline(), delivery.tick(99.0)) == (False, None, [])
    assert len(delivery.get_many(9)) == 2


def test_the_users_key_runs_without_the_lock() -> None:
    """It may be slow, may fail, may even consume: it never holds up the consumers."""
    locked: list[bool] = []

    def key(message: dict[str, Any]) -> Hashable:
        locked.append(delivery.interrupted)
        return key_of(message)

    delivery = make(3, overflow="drop_oldest", key=key)
    delivery.put_batch(messages("ABCA"), 0.0)
    assert locked
    assert not any(locked)


@pytest.mark.parametrize("heals", [True, False])
@pytest.mark.parametrize("what", ["take", "take all", "close", "in hand"])
def test_what_happens_while_keys_are_found(heals: bool, what: str) -> None:
    """Consumers take, or close, between the look and the drop: nothing is lost twice, and no count is wrong."""
    taken: list[Any] = []

    def key(message: dict[str, Any]) -> Hashable:
        if not taken:
            taken.append(None)
            if what == "take":
                taken.append(delivery.get())
            elif what == "take all":
                taken.extend(delivery.get_many(99))
            elif what == "in hand":
                taken.extend(item for item, _, _ in delivery.take_in_hand(2, lambda: False))
            else:
                delivery.close(drain=False)
        return key_of(message)

    delivery = make(4, overflow="drop_oldest", key=key, heals=heals)
    delivery.put_batch(messages("ABCD"), 0.0)
    lost = delivery.put_batch(messages("EF", 5), 0.0)
    assert lost == {"take": ["B"], "take all": [], "close": [], "in hand": ["C", "D"]}[what]
    assert adds_up(delivery)
    if what == "close":
        assert delivery.tally().discarded == 6
    else:
        rest = delivery.get_many(99)
        numbers = [item["number"] for item in [*taken[1:], *rest] if not isinstance(item, Event)]
        assert numbers == {"take": [1, 3, 4, 5, 6], "take all": [1, 2, 3, 4, 5, 6], "in hand": [1, 2, 5, 6]}[what]


def test_a_view_fixed_while_keys_are_found() -> None:
    """The keys belong to other places then; it looks again."""
    fixed: list[bool] = []

    def key(message: dict[str, Any]) -> Hashable:
        if not fixed:
            fixed.append(True)
            delivery.use("default")
        return key_of(message)

    delivery = make(4, view=None, overflow="drop_oldest", key=key, heals=False)
    delivery.put_batch([Connected(), *messages("ABC")], 0.0)
    assert delivery.put_batch(messages("DE", 4), 0.0) == ["A"]
    assert [type(item).__name__ for item in delivery.get_many(9)] == ["Dropped", "dict", "dict", "dict", "dict"]
    assert adds_up(delivery)


class Probe(dict[str, Any]):
    """A message whose finalizer looks whether the lock is held."""

    delivery: Delivery
    locked: list[bool]

    def __del__(self) -> None:
        self.locked.append(self.delivery.interrupted)


@pytest.mark.parametrize("end", ["drop", "heal", "view", "close"])
def test_messages_are_let_go_without_the_lock(end: str) -> None:
    """A finalizer is the user's code: under the lock it could block everybody, or itself for ever."""
    Probe.locked = []
    Probe.delivery = delivery = make(2, view=None, overflow="drop_oldest", heals=end == "heal")
    delivery.put_batch([Snapshot(key="A", state=Probe()) if end == "view" else Probe(key="A")], 0.0)
    if end == "view":
        delivery.use("messages")
    elif end == "close":
        delivery.close(drain=False)
    else:
        delivery.put_batch(messages("BC"), 0.0)
    assert Probe.locked == [False]


def test_what_was_looked_at_is_let_go_without_the_lock() -> None:
    """The reader looks again after a change; what it saw the first time may be gone for everybody else."""
    Probe.locked = []

    def key(message: dict[str, Any]) -> Hashable:
        delivery.use("messages")
        return key_of(message)

    Probe.delivery = delivery = make(2, view=None, overflow="drop_oldest", key=key)
    delivery.put_batch([Snapshot(key="A", state=Probe())], 0.0)
    delivery.put_batch(messages("BCD"), 0.0)
    assert Probe.locked == [False]


def test_a_warning_at_most_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    """From 80 % on, with the figures, and never under the lock."""
    delivery = make(10)
    locked: list[bool] = []

    class Look(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            locked.append(delivery.interrupted)

    look = Look()
    logging.getLogger("syncstream.delivery").addHandler(look)
    try:
        delivery.put_batch(messages("A" * 7), 100.0)
        assert caplog.records == []
        for now in (100.0, 159.0, 160.0):
            delivery.put_batch(messages("A"), now)
    finally:
        logging.getLogger("syncstream.delivery").removeHandler(look)
    assert [record.getMessage() for record in caplog.records] == [
        "the queue is over 80 % full (8 of 10 items): the consumer is slow",
        "the queue is over 80 % full (10 of 10 items): the consumer is slow",
    ]
    assert locked == [False, False]


def test_a_stream_that_nobody_consumes_warns_once(caplog: pytest.LogCaptureFixture) -> None:
    """`latest` needs no consumer: the log must not fill up."""
    delivery = make(10, view=None)
    for now in range(0, 600, 30):
        delivery.put_batch(messages("A" * 5), float(now))
    assert [record.getMessage() for record in caplog.records] == [
        "the queue is over 80 % full (10 of 10 items): nobody consumes yet"
    ]


def test_life_without_a_consumer_stays_bounded() -> None:
    """A line that comes and goes for days while nobody looks."""
    delivery = make(10, view=None)
    for n in range(5000):
        delivery.put_batch([Connected(attempt=n), Gap(reason="reconnect")], 0.0)
    assert delivery.depth <= 10
    assert delivery.tally().queued < 100
    items = delivery.get_many(1000)
    assert (type(items[0]), items[0].key) == (Dropped, None)
    assert adds_up(delivery)


@pytest.mark.parametrize("heals", [True, False])
def test_the_contract_holds_with_real_threads(heals: bool) -> None:
    """A reader five times as fast as its consumers: per key no silent hole, and the counts add up exactly."""
    delivery = make(200, overflow="drop_oldest", heals=heals)
    sent: dict[str, int] = {}
    last: dict[Hashable, Optional[int]] = {}
    missing: dict[Hashable, int] = {}
    counts = {"taken": 0, "told": 0}

    def consume() -> None:
        for item in delivery:
            if isinstance(item, Dropped):
                counts["told"] += item.count
                missing[item.key] = missing.get(item.key, 0) + item.count
                if heals:
                    last[item.key] = None
            elif isinstance(item, Snapshot):
                last[item.key] = item.position
                missing.pop(item.key, None)
            else:
                counts["taken"] += 1
                before = last.get(item["key"], 0)
                assert before is not None, "a message between a loss and its snapshot"
                assert item["number"] == before + missing.pop(item["key"], 0) + 1
                last[item["key"]] = item["number"]
                if counts["taken"] % 20 == 0:
                    time.sleep(0)  # let the reader have the interpreter

    call = Call(consume)
    dice = random.Random(2)
    waiting: list[Hashable] = []
    for _ in range(3000):
        batch: list[Any] = []
        if heals and waiting and delivery.relieved:
            batch = [Snapshot(key=key, position=sent[str(key)]) for key in waiting]
            waiting = []
        for _ in range(dice.randrange(60)):
            key = dice.choice("ABCDEFGH")
            if key not in waiting:
                sent[key] = sent.get(key, 0) + 1
                batch.append({"key": key, "number": sent[key]})
        lost = delivery.put_batch(batch, 0.0)
        if heals:
            waiting += [key for key in lost if key not in waiting]
        assert delivery.depth <= 200
    delivery.close(drain=True)
    call.result()
    tally = delivery.tally()
    assert sum(sent.values()) == counts["taken"] + counts["told"]
    assert (counts["told"], tally.queued) == (tally.dropped, 0)
    assert tally.dropped > 0
    assert adds_up(delivery)


# --- in hand ---


def test_items_in_hand_count_to_the_bound() -> None:
    """A worker that sits on its items fills the queue as if they were in it."""
    delivery = make(4)
    delivery.put_batch(messages("ABCD"), 0.0)
    assert len(delivery.take_in_hand(3, lambda: False)) == 3
    assert (delivery.depth, delivery.qsize(), delivery.tally().in_hand) == (4, 1, 3)
    delivery.finish(2)
    assert (delivery.depth, delivery.unfinished_tasks) == (2, 2)
    delivery.put_batch(messages("EF", 5), 0.0)
    assert delivery.error is None
    delivery.put_batch(messages("G", 7), 0.0)
    assert isinstance(delivery.error, Overflow)


def test_take_in_hand_ends_when_told(waits: Waits) -> None:
    """It waits for items until `stopped` says so; `rouse` makes it look."""
    delivery = make()
    stop = threading.Event()
    call = Call(delivery.take_in_hand, 5, stop.is_set)
    waits.until(delivery)
    stop.set()
    delivery.rouse()
    assert call.result() == []
    delivery.put_batch(messages("A"), 0.0)
    assert delivery.take_in_hand(5, stop.is_set) == []
    assert delivery.qsize() == 1


@pytest.mark.parametrize("discards", [True, False])
def test_items_in_hand_can_be_given_back(waits: Waits, discards: bool) -> None:
    """They stand first again, or are discarded like the rest; either way they are accounted for."""
    delivery = make()
    delivery.put_batch(messages("ABCD"), 0.0)
    items = [item for item, _, _ in delivery.take_in_hand(2, lambda: False)]
    delivery.get_many(9)
    call = Call(delivery.get)
    waits.until(delivery)
    if discards:
        delivery.close(drain=False)
    delivery.give_back(items)
    if discards:
        with pytest.raises(StreamClosed):
            call.result()
        assert (delivery.tally().discarded, delivery.unfinished_tasks) == (2, 2)
    else:
        assert call.result()["number"] == 1
        assert delivery.get()["number"] == 2
    assert delivery.depth == 0
    assert adds_up(delivery)


# --- moments and bytes ---


def test_latency_counts_from_when_a_batch_came(monkeypatch: pytest.MonkeyPatch) -> None:
    """Item by item, whatever takes it; a marker that was made here came from nowhere and counts not."""
    delivery = make(6, overflow="drop_oldest", heals=False)
    monkeypatch.setattr(clock, "now", lambda: 50.0)
    delivery.put_batch(messages("ABCDEF"), 40.0)
    delivery.put_batch(messages("GH", 7), 48.0)  # A and B go
    assert [type(item) for item in (delivery.get(), delivery.get())] == [Dropped, Dropped]
    assert delivery.came_at() == 40.0
    assert delivery.latency(50.0).total == 0
    delivery.get()
    delivery.get_many(2)
    assert delivery.latency(50.0).percentile(1.0) == pytest.approx(10.0, rel=1 / 128)
    taken = delivery.take_in_hand(9, lambda: False)
    assert [at for _, at, _ in taken] == [40.0, 48.0, 48.0]
    assert delivery.latency(50.0).total == 3
    delivery.finish(1, waited=7.0)
    assert delivery.latency(50.0).total == 4
    assert delivery.came_at() is None


def test_the_last_word_has_waited_for_nobody() -> None:
    """`Closed` is made when it is taken."""
    delivery = make(view="events")
    delivery.close(drain=True)
    assert isinstance(delivery.get(), Closed)
    assert delivery.latency(clock.now()).percentile(1.0) < LONG


def test_what_is_given_back_is_as_old_as_it_was() -> None:
    """It is the oldest again."""
    delivery = make()
    delivery.put_batch(messages("AB"), 40.0)
    delivery.put_batch(messages("C", 3), 48.0)
    items = [item for item, _, _ in delivery.take_in_hand(1, lambda: False)]
    delivery.give_back(items, 40.0)
    assert [item["number"] for item in (delivery.get(), delivery.get())] == [1, 2]
    assert delivery.came_at() == 48.0


def test_who_listens_is_told_of_items_and_of_the_end() -> None:
    """As long as somebody else holds what is set; the queue does not."""
    delivery = make()
    event = threading.Event()
    delivery.listen(event)
    delivery.put_batch(messages("A"), 0.0)
    assert event.is_set()
    event.clear()
    delivery.get()
    assert not event.is_set()
    delivery.close(drain=True)
    assert event.is_set()
    del event
    assert not delivery._listeners


def test_the_wall_keeps_the_order_of_moments(monkeypatch: pytest.MonkeyPatch) -> None:
    """The two clocks are never read at once; a wall clock that is set is believed."""
    delivery = make()
    readings = iter([1_000_000_500, 1_000_000_900, 1_000_000_100, 7_000_000_000])
    monkeypatch.setattr(clock, "wall_ns", lambda: next(readings))
    monkeypatch.setattr(clock, "now", lambda: 0.0)
    assert [delivery.wall_ns(at) for at in (1.0, 1.0, 2.0, 2.0)] == [2_000_000_500, 2_000_000_500, 3_000_000_500, 9_000_000_000]


@pytest.mark.parametrize(("size", "fits"), [(60, True), (61, False)])
def test_the_bound_in_bytes(size: int, fits: bool) -> None:
    """Up to it everything fits; above it the policy decides, and the text names the bytes."""
    delivery = make(maxbytes=200)
    delivery.put_batch(messages("A"), 0.0, [100])
    delivery.put_batch(messages("BC", 2), 0.0, [40, size])
    assert (delivery.error is None) is fits
    if not fits:
        assert "3 items of 201 bytes came together and the queue holds 10, or 200 bytes" in str(delivery.error)
    assert [item["number"] for item in delivery.get_many(9, timeout=0)] == ([1, 2, 3] if fits else [1, 2])
    assert adds_up(delivery)


def test_one_batch_fits_an_empty_queue_whatever_its_bytes() -> None:
    """Nothing could ever make room for it."""
    delivery = make(maxbytes=10)
    delivery.put_batch(messages("AB"), 0.0, [2500, 2500])
    assert delivery.error is None
    assert len(delivery.get_many(9)) == 2


def test_a_warning_names_the_bytes(caplog: pytest.LogCaptureFixture) -> None:
    """At 80 % of them, with one item in the queue."""
    delivery = make(maxbytes=1000)
    with caplog.at_level(logging.WARNING):
        delivery.put_batch(messages("A"), 0.0, [800])
    assert "1 of 10 items, 800 of 1000 bytes" in caplog.text


def test_a_pause_for_bytes_ends_with_them() -> None:
    """Under `block` every take looks, because the items were never many."""
    woken: list[bool] = []
    delivery = make(overflow="block", maxbytes=1000, wake=lambda: woken.append(True))
    delivery.put_batch(messages("ABC"), 0.0, [50, 650, 500])
    assert delivery.paused
    delivery.get()
    assert delivery.paused
    delivery.get()
    assert delivery.paused
    delivery.get()
    assert (delivery.paused, woken) == (False, [True])
