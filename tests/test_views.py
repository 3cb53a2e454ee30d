"""The iterators, the queue and the mapping a stream hands out, over a delivery and keys of their own."""

from __future__ import annotations

import contextlib
import gc
import itertools
import queue
import signal
import sys
import threading
import time
import weakref
from typing import Any, Callable, Optional

import pytest

from syncstream import Contiguous, Empty, Feed, Snapshot, StreamClosed, StreamFailed, UsageError, clock
from syncstream.core.keys import Keys
from syncstream.core.sync import State
from syncstream.delivery import Delivery
from syncstream.views import Latest, Tap, items_of

PATIENCE = 10.0


class Owner:
    """Owned by: the test. What the views need of a stream."""

    def __init__(self, delivery: Optional[Delivery] = None) -> None:
        self.delivery = delivery or Delivery(5, key=lambda item: None)
        self.asked = 0  # how often an item was asked for
        self.closed_with: list[bool] = []
        self.elsewhere = False

    def get(self, timeout: Optional[float] = None) -> Any:
        self.asked += 1
        return self.delivery.get(timeout=timeout)

    def get_nowait(self) -> Any:
        return self.get(timeout=0)

    def get_many(self, max_items: int = 1000, timeout: Optional[float] = None) -> list[Any]:
        return self.delivery.get_many(max_items, timeout)

    def close(self, timeout: float = 5.0, *, drain: bool = False) -> None:
        self.closed_with.append(drain)
        self.delivery.close(drain=drain)

    def _check_process(self) -> None:
        if self.elsewhere:
            raise UsageError("another process")

    def __repr__(self) -> str:
        return "<a stream>"


@pytest.fixture
def owner() -> Owner:
    return Owner()


def filled(owner: Owner, *items: Any) -> Tap:
    """Its queue with these items in it."""
    owner.delivery.put_batch(list(items), 0.0)
    return Tap(owner, owner.delivery)


# ---------------------------------------------------------------- Items


def test_the_iterator_ends_with_the_stream(owner: Owner) -> None:
    """It gives one item after the other, and goes on being at its end."""
    filled(owner, 1, 2)
    owner.delivery.close(drain=True)
    items = items_of(owner, owner.delivery)
    assert iter(items) is items
    assert list(items) == [1, 2]
    assert list(items) == []


def test_the_iterator_takes_nothing_ahead(owner: Owner) -> None:
    """After a break the rest is still there, for whoever comes next."""
    filled(owner, 1, 2, 3)
    for item in items_of(owner, owner.delivery):
        assert item == 1
        break
    assert [owner.get(), next(items_of(owner, owner.delivery))] == [2, 3]


def test_the_iterator_raises_the_failure_each_time(owner: Owner) -> None:
    """A loop that is entered again must not look as if the stream had ended well."""
    owner.delivery.fail(StreamFailed("gone"))
    items = items_of(owner, owner.delivery)
    for _ in range(3):
        with pytest.raises(StreamFailed, match="gone"):
            next(items)


def waiting(overflow: str = "raise", count: int = 100, maxsize: int = 1000) -> Owner:
    """So many items wait."""
    made = Owner(Delivery(maxsize, overflow=overflow, key=lambda item: item))
    made.delivery.use("default")
    made.delivery.put_batch(list(range(count)), 0.0)
    return made


def test_of_what_waits_much_is_taken_without_the_lock() -> None:
    """In its order, from the one queue: whoever takes in between gets what is next, and each item counts once."""
    owner = waiting()
    items = items_of(owner, owner.delivery)
    assert [next(items) for _ in range(10)] == list(range(10))
    assert owner.asked <= 3  # how fast it is shows after the first
    assert (owner.get(), owner.delivery.get_many(3), next(items)) == (10, [11, 12, 13], 14)
    assert owner.delivery.get_many(1000) == list(range(15, 100))
    owner.delivery.put_batch([100], 0.0)
    assert (next(items), owner.delivery.tally().delivered) == (100, 101)
    assert owner.delivery.latency(1.0).total >= 100


def test_a_slow_consumer_asks_for_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it says of how long items have waited is never much too little."""
    moment = [1.0]
    monkeypatch.setattr(clock, "now", lambda: moment[0])
    owner = waiting()
    items = items_of(owner, owner.delivery)
    for number in range(20):
        assert next(items) == number
        moment[0] += 0.0005
    assert owner.asked >= 6


@pytest.mark.parametrize("overflow", ["drop_oldest", "conflate"])
def test_where_what_waits_may_go_each_is_asked_for(overflow: str) -> None:
    """The reader rearranges the queue under the lock."""
    owner = waiting(overflow)
    items = items_of(owner, owner.delivery)
    assert [next(items) for _ in range(10)] == list(range(10))
    assert owner.asked == 10


def test_a_pause_ends_though_the_last_items_are_taken_without_the_lock() -> None:
    """The reader is woken before the next item is waited for."""
    woken: list[bool] = []
    owner = Owner(Delivery(100, overflow="block", key=lambda item: item, wake=lambda: woken.append(True)))
    owner.delivery.use("default")
    owner.delivery.put_batch(list(range(60)), 0.0)
    items = items_of(owner, owner.delivery)
    assert next(items) == 0
    owner.delivery.put_batch(list(range(60, 101)), 0.0)
    assert owner.delivery.paused
    assert [next(items) for _ in range(100)] == list(range(1, 101))
    with pytest.raises(Empty):
        owner.delivery.get(timeout=0)
    assert (owner.delivery.paused, woken) == (False, [True])


def test_what_is_discarded_is_not_taken() -> None:
    """Closing throws away what waits, also what an iterator may take."""
    owner = waiting()
    items = items_of(owner, owner.delivery)
    assert next(items) == 0
    assert owner.delivery.close(drain=False) == 99
    assert list(items) == []
    assert owner.delivery.tally().delivered == 1


@pytest.mark.parametrize("shared", [False, True], ids=["each its own", "one iterator for all"])
def test_many_threads_take_each_item_once(shared: bool) -> None:
    """Loops, `get`, `get_many` and closing, all at once, without an order among them."""
    owner = waiting(count=0, maxsize=1_000_000)
    found: list[list[Any]] = [[] for _ in range(5)]
    one = items_of(owner, owner.delivery)

    def loop(into: list[Any]) -> None:
        into.extend(one if shared else items_of(owner, owner.delivery))

    def take(into: list[Any]) -> None:
        with contextlib.suppress(StreamClosed):
            while True:
                into.append(owner.delivery.get(timeout=10.0))
                into.extend(owner.delivery.get_many(50, timeout=10.0))

    threads = [threading.Thread(target=target, args=(into,)) for target, into in zip((loop, loop, loop, take, take), found)]
    for thread in threads:
        thread.start()
    for first in range(0, 100_000, 500):
        owner.delivery.put_batch(list(range(first, first + 500)), 0.0)
    owner.delivery.close(drain=True)
    for thread in threads:
        thread.join(10.0)
    assert sorted(item for into in found for item in into) == list(range(100_000))


def test_an_interrupt_does_not_end_the_iterator(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is raised while it waits, or between two items, it goes on with the next one."""
    owner = waiting(count=20)
    items = items_of(owner, owner.delivery)
    get, found = owner.delivery.get, []
    moments = iter([False, True, False] * 100)

    def interrupted(*args: Any, **options: Any) -> Any:
        if next(moments):
            raise KeyboardInterrupt
        return get(*args, **options)

    monkeypatch.setattr(owner.delivery, "get", interrupted)
    for round_ in range(3):
        for _ in range(40):
            with contextlib.suppress(KeyboardInterrupt, Empty):
                found.append(next(items) if owner.delivery.qsize() else owner.get(timeout=0))
        assert found == list(range(20 * (round_ + 1)))
        owner.delivery.put_batch(list(range(len(found), len(found) + 20)), 0.0)


def test_after_an_interrupt_it_is_as_fast_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever it comes: what was granted is still taken without asking for each."""
    for name in ("length_hint", "starmap"):
        owner = waiting(count=2000, maxsize=10_000)
        items = items_of(owner, owner.delivery)
        found = [next(items)]

        def interrupted(*args: Any, name: str = name) -> Any:
            monkeypatch.undo()
            raise KeyboardInterrupt(name)

        monkeypatch.setattr(f"syncstream.views.{name}", interrupted)
        with pytest.raises(KeyboardInterrupt):
            found += items
        found += itertools.islice(items, owner.delivery.qsize())
        assert found == list(range(2000))
        assert owner.asked < 100


def test_what_is_cleared_under_the_lock_is_not_taken() -> None:
    """As legacy code empties a `queue.Queue`: the iterator waits for what comes next."""
    owner = waiting()
    tap, items = Tap(owner, owner.delivery), items_of(owner, owner.delivery)
    assert [next(items) for _ in range(20)] == list(range(20))
    with tap.mutex:
        tap.queue.clear()
    owner.delivery.put_batch([100, 101], 0.0)
    owner.delivery.close(drain=True)
    assert list(items) == [100, 101]


def test_the_first_overflow_calls_off_what_a_loop_was_granted_meanwhile() -> None:
    """Nobody consumed when it was decided what goes; the user's `key` is asked without the lock, and a loop begins."""
    found: list[Any] = []

    def key(item: Any) -> Any:
        if not found:
            found.append(None)  # once
            found.extend(next(items) for _ in range(20))
        return item >= 90  # what waits is of one key, and goes as a whole

    owner = Owner(Delivery(100, key=key))
    items = items_of(owner, owner.delivery)
    owner.delivery.put_batch(list(range(90)), 0.0)
    owner.delivery.put_batch(list(range(90, 130)), 0.0)
    owner.delivery.close(drain=True)
    found += items
    assert [item for item in found[1:] if isinstance(item, int)] == sorted({item for item in found[1:] if isinstance(item, int)})
    assert owner.delivery.tally().dropped > 0


def test_what_was_granted_in_vain_counts_as_one_latency_each() -> None:
    """Two loops call each other off all the time; each item was handed out once."""
    owner = waiting(count=1000, maxsize=10_000)
    loops = [items_of(owner, owner.delivery) for _ in range(2)]
    assert [next(loops[number % 2]) for number in range(1000)] == list(range(1000))
    assert owner.delivery.latency(clock.now()).total == 1000


def test_with_the_iterator_goes_whatever_it_holds() -> None:
    """At once, not when the garbage collector comes by: a stream that nobody holds is closed."""
    owner = waiting()
    gone = weakref.ref(owner)
    items = items_of(owner, owner.delivery)
    assert [next(items) for _ in range(10)] == list(range(10))
    assert owner.asked < 10  # it is in the midst of what was granted
    gc.disable()
    try:
        del owner
        assert gone() is not None
        del items
        assert gone() is None
    finally:
        gc.enable()


def test_what_is_given_back_comes_before_what_was_granted() -> None:
    """A worker that puts back what it had taken moves nothing behind the iterator's back."""
    owner = waiting()
    (first, came_at, _), *_ = owner.delivery.take_in_hand(1, lambda: False)
    items = items_of(owner, owner.delivery)
    assert [next(items) for _ in range(5)] == [1, 2, 3, 4, 5]
    owner.delivery.give_back([first], came_at)
    assert [next(items) for _ in range(95)] == [0, *range(6, 100)]
    assert owner.delivery.came_at() is None


@pytest.mark.parametrize(
    "take",
    [
        lambda delivery: delivery.get(),
        lambda delivery: delivery.get_with_moment(),
        lambda delivery: delivery.get_many(1),
        lambda delivery: delivery.take_in_hand(1, lambda: False),
        lambda delivery: delivery.give_back([]),
        lambda delivery: delivery.grant(1.0, 1),
        lambda delivery: delivery.close(drain=False),
    ],
    ids=["get", "get_with_moment", "get_many", "take_in_hand", "give_back", "grant", "close"],
)
def test_whoever_takes_calls_off_what_was_granted(take: Callable[[Delivery], Any]) -> None:
    """Else it would be for items that are there no more."""
    owner = waiting()
    granted = owner.delivery.grant(1.0, 100)
    assert granted is not None
    assert next(granted) == ()
    take(owner.delivery)
    assert list(granted) == []


def test_what_is_granted_while_somebody_waits_is_called_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """He looks at the queue when he has the lock again, and so takes what was granted meanwhile."""
    owner = waiting(count=0)
    granted: list[Any] = []

    def woken(condition: threading.Condition, timeout: Optional[float] = None) -> bool:
        owner.delivery.put_batch(list(range(10)), 0.0)
        granted.append(owner.delivery.grant(1.0, 10))
        return True

    monkeypatch.setattr(clock, "wait", woken)
    assert owner.delivery.get() == 0
    assert list(granted[0]) == []


def test_in_the_child_of_a_fork_nothing_is_left_to_take() -> None:
    """Also of what was granted: the iterator asks, and is told what it may not."""
    owner = waiting()
    items = items_of(owner, owner.delivery)
    assert [next(items) for _ in range(5)] == [0, 1, 2, 3, 4]
    owner.delivery.leave()
    owner.delivery.fail(StreamFailed("the parent's"))
    with pytest.raises(StreamFailed, match="the parent's"):
        next(items)


def test_a_signal_handler_may_take_while_something_is_granted(monkeypatch: pytest.MonkeyPatch) -> None:
    """It runs on top of the call that it interrupts: then nothing is granted, for it may be gone."""
    owner = waiting()
    owner.delivery.get()

    def interrupted(*args: Any) -> Any:
        assert owner.delivery.get_many(90) == list(range(1, 91))
        return itertools.repeat(*args)

    monkeypatch.setattr("syncstream.delivery.repeat", interrupted)
    granted = owner.delivery.grant(1.0, 50)
    assert granted is not None
    assert list(granted) == []
    assert next(items_of(owner, owner.delivery)) == 91


def test_a_signal_handler_may_take_on_top_of_a_take(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look at how many there are and the take: each item comes once, to one of them."""
    owner = waiting()
    taken: list[Any] = []

    def interrupted(*args: Any) -> Any:
        monkeypatch.undo()
        taken.extend(owner.delivery.get_many(98))
        return itertools.repeat(*args)

    monkeypatch.setattr("syncstream.core.backlog.repeat", interrupted)
    assert owner.delivery.get_many(50) == [98, 99]
    assert taken == list(range(98))


def test_what_a_signal_handler_was_granted_during_a_take_is_called_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """The take goes on behind it: it may be gone."""
    owner = waiting()
    granted: list[Any] = []

    def interrupted(*args: Any) -> Any:
        granted.append(owner.delivery.grant(1.0, 90))
        return itertools.repeat(*args)

    monkeypatch.setattr("syncstream.core.backlog.repeat", interrupted)
    assert owner.delivery.get_many(50) == list(range(50))
    assert list(granted[0]) == []


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="Windows has no such signal")
@pytest.mark.parametrize("most", [20, 10_000])
def test_real_signals_take_on_top_of_a_take(most: int) -> None:
    """Loops that are begun and left, on top of `get_many` and of a loop, at whatever moment: nothing is lost or comes twice."""
    owner = waiting(count=0, maxsize=10_000_000)
    delivery, found, inside = owner.delivery, list[Any](), list[int]()

    def handle(number: int, frame: Any) -> None:
        if not inside:  # it may be interrupted itself
            inside.append(number)
            found.extend(itertools.islice(items_of(owner, delivery), min(12, delivery.qsize())))
            inside.clear()

    wanted: queue.SimpleQueue[int] = queue.SimpleQueue()

    def put() -> None:  # signals are for the main thread, and it never puts
        for first in iter(wanted.get, -1):
            delivery.put_batch(list(range(first, first + 3000)), 0.0)

    before = signal.signal(signal.SIGALRM, handle)
    items = items_of(owner, delivery)
    putting = threading.Thread(target=put)
    putting.start()
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.0002, 0.0001)
        for first in range(0, 600_000, 3000):
            wanted.put(first)
            while delivery.tally().received <= first:
                time.sleep(0.0)
            while delivery.qsize() > 100:
                taken = delivery.get_many(most, timeout=0)
                found.extend(taken)
                if delivery.qsize() > 100:
                    found.append(next(items))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        wanted.put(-1)
        putting.join(PATIENCE)
    found.extend(delivery.get_many(10_000, timeout=0))
    assert sorted(found) == list(range(600_000))


# ---------------------------------------------------------------- Tap


def test_a_tap_is_a_queue(owner: Owner) -> None:
    """To isinstance, and in every question legacy code asks of one."""
    tap = filled(owner, 1, 2, 3, 4, 5)
    assert isinstance(tap, queue.Queue)
    assert (tap.maxsize, tap.qsize(), tap.full(), tap.empty()) == (5, 5, True, False)
    assert list(tap.queue) == [1, 2, 3, 4, 5]
    with tap.mutex:
        assert len(tap.queue) == 5
    assert [tap.get(), tap.get(True), tap.get(True, 1.0), tap.get(block=False), tap.get_nowait()] == [1, 2, 3, 4, 5]
    assert (tap.qsize(), tap.full(), tap.empty()) == (0, False, True)


@pytest.mark.parametrize(
    "take",
    [
        lambda tap: tap.get(timeout=0.01),
        lambda tap: tap.get(True, 0.01),
        lambda tap: tap.get(False),
        lambda tap: tap.get(block=False, timeout=5),
        lambda tap: tap.get_nowait(),
    ],
)
def test_an_empty_tap_raises_as_queues_do(owner: Owner, take: Callable[[Tap], Any]) -> None:
    """queue.Empty, and our own name of it."""
    with pytest.raises(queue.Empty) as caught:
        take(filled(owner))
    assert isinstance(caught.value, Empty)


def test_a_negative_timeout_is_a_value_error_as_in_queues(owner: Owner) -> None:
    """Code that catches it goes on working."""
    with pytest.raises(ValueError, match="non-negative"):
        filled(owner).get(timeout=-1)


def test_tasks_are_counted(owner: Owner) -> None:
    """join waits for a task_done per item, and one too many is an error."""
    tap = filled(owner, 1, 2)
    assert tap.unfinished_tasks == 2
    tap.get()
    tap.task_done()
    ended = threading.Event()

    def join() -> None:
        tap.join()
        ended.set()

    thread = threading.Thread(target=join)
    thread.start()
    tap.get()
    assert not ended.wait(0.02)
    tap.task_done()
    assert ended.wait(PATIENCE)
    thread.join()
    with pytest.raises(ValueError, match="too many times"):
        tap.task_done()


def test_nobody_else_may_put(owner: Owner) -> None:
    """Only the stream does."""
    tap = filled(owner)
    with pytest.raises(UsageError, match="only the stream puts"):
        tap.put(1)
    with pytest.raises(UsageError, match="only the stream puts"):
        tap.put_nowait(1)
    with pytest.raises(UsageError, match="only the stream puts"):
        tap.put(1, False, 1.0)


@pytest.mark.parametrize("immediate", [False, True])
def test_shutting_the_queue_down_closes_the_stream(owner: Owner, immediate: bool) -> None:
    """As queue.Queue has it since 3.13: at once, or when what is queued has been taken."""
    tap = filled(owner, 1)
    before = tap.is_shutdown
    tap.shutdown(immediate=immediate)
    assert owner.closed_with == [not immediate]
    assert (before, tap.is_shutdown) == (False, True)
    if not immediate:
        assert tap.get() == 1
    with pytest.raises(StreamClosed) as caught:
        tap.get()
    if sys.version_info >= (3, 13):
        assert isinstance(caught.value, queue.ShutDown)


def test_batches_can_be_taken_from_a_tap(owner: Owner) -> None:
    """What queue.Queue does not have, but its users would like."""
    tap = filled(owner, 1, 2, 3)
    assert tap.get_many(2) == [1, 2]
    assert tap.get_many(timeout=0.01) == [3]
    assert tap.get_many(timeout=0.01) == []


@pytest.mark.parametrize("call", [Tap.qsize, Tap.empty, Tap.full, Tap.task_done, Tap.join])
def test_in_another_process_a_tap_is_refused(owner: Owner, call: Callable[[Tap], Any]) -> None:
    """Rather than waiting for a lock that was held when the process was forked."""
    tap = filled(owner, 1)
    owner.elsewhere = True
    with owner.delivery.mutex, pytest.raises(UsageError, match="another process"):
        call(tap)


# ---------------------------------------------------------------- Latest


@pytest.fixture
def keys() -> Keys:
    feed = Feed("ws://127.0.0.1:9/", key="symbol", sequence=Contiguous("seq"))
    keys = Keys(feed.rules(), wall_ns=0)
    for key in ("ABC", "XYZ"):
        keys.find(key, 0.0)
        keys.latest[key] = {"symbol": key, "seq": 1}
    return keys


def test_latest_is_a_mapping(owner: Owner, keys: Keys) -> None:
    """Look-ups, tests, iteration, and a KeyError for what was never seen."""
    latest = Latest(owner, keys)
    assert latest["ABC"] == {"symbol": "ABC", "seq": 1}
    assert ("ABC" in latest, "NONE" in latest, len(latest)) == (True, False, 2)
    assert (list(latest), dict(latest)) == (["ABC", "XYZ"], keys.latest)
    assert latest.get("NONE", 5) == 5
    with pytest.raises(KeyError):
        latest["NONE"]
    assert repr(latest) == "<latest of <a stream>: 2 keys>"


def test_latest_called_is_a_copy_of_one_moment(owner: Owner, keys: Keys) -> None:
    """What comes later does not change it."""
    copy = Latest(owner, keys)()
    keys.latest["ABC"] = {"symbol": "ABC", "seq": 2}
    keys.latest["NEW"] = {"symbol": "NEW", "seq": 1}
    assert copy == {"ABC": {"symbol": "ABC", "seq": 1}, "XYZ": {"symbol": "XYZ", "seq": 1}}


def test_latest_tells_which_keys_are_complete(owner: Owner, keys: Keys) -> None:
    """A key that is being healed keeps its last value, marked."""
    latest = Latest(owner, keys)
    keys.syncs["XYZ"].state = State.SYNCING
    assert (latest.live("ABC"), latest.live("XYZ"), latest.live("NONE")) == (True, False, False)
    assert latest["XYZ"]["seq"] == 1
    keys.latest["XYZ"] = Snapshot(key="XYZ", position=9, state={})
    assert latest["XYZ"].position == 9


@pytest.mark.parametrize(
    "call",
    [
        lambda latest: latest["ABC"],
        lambda latest: latest.get("ABC"),
        lambda latest: "ABC" in latest,
        lambda latest: latest(),
        lambda latest: latest.live("ABC"),
        lambda latest: latest.items(),
        list,
        len,
    ],
)
def test_in_another_process_latest_is_refused(owner: Owner, keys: Keys, call: Callable[[Any], Any]) -> None:
    """Nothing replaces its values there, so they would be taken for the latest for ever; it can still be shown."""
    latest = Latest(owner, keys)
    owner.elsewhere = True
    with pytest.raises(UsageError, match="another process"):
        call(latest)
    assert repr(latest) == "<latest of <a stream>: 2 keys>"


def test_latest_can_be_walked_while_it_changes(owner: Owner, keys: Keys) -> None:
    """Keys come and go on the reader's thread; a walk sees all of one moment and never fails."""
    latest = Latest(owner, keys)
    stop = threading.Event()

    def change() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            keys.latest[f"new {number}"] = number
            keys.latest.pop(f"new {number - 50}", None)

    thread = threading.Thread(target=change)
    thread.start()
    try:
        for _ in range(300):
            assert set(latest) >= {"ABC", "XYZ"}
            items, values = latest.items(), latest.values()
            assert {"ABC", "XYZ"} <= dict(items).keys()
            assert (len(list(items)), len(list(values))) == (len(items), len(values))
    finally:
        stop.set()
        thread.join(PATIENCE)


# ---------------------------------------------------------------- all


@pytest.mark.parametrize(
    "view",
    [
        lambda owner, keys: items_of(owner, owner.delivery),
        lambda owner, keys: Tap(owner, owner.delivery),
        lambda owner, keys: Latest(owner, keys),
    ],
)
def test_a_view_keeps_its_stream(keys: Keys, view: Callable[[Owner, Keys], Any]) -> None:
    """`for item in Stream(feed)` must not close the stream under its own loop; with the view it goes."""
    owner = Owner()
    gone = weakref.ref(owner)
    held = view(owner, keys)
    del owner
    gc.collect()
    assert gone() is not None
    del held
    gc.collect()
    assert gone() is None
