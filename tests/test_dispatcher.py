"""Tests of dispatcher.py: callbacks on a user's executor, in the order of our own workers, and executors that misbehave."""

from __future__ import annotations

import random
import threading
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any, Callable, Hashable, Iterator, Optional

import pytest

from syncstream import clock
from syncstream.delivery import Delivery
from syncstream.dispatcher import Dispatcher, hire
from syncstream.errors import FeedError, StreamClosed
from syncstream.handlers import ExecutorTrouble, Handlers
from syncstream.workers import Workers

LONG = 10.0

Start = Callable[..., Dispatcher]


def key_of(message: dict[str, Any]) -> Hashable:
    key: Hashable = message["key"]
    return key


def messages(keys: str, start: int = 1) -> list[dict[str, Any]]:
    """One message per letter, numbered through; "-" has no key."""
    return [{"number": n} if key == "-" else {"key": key, "number": n} for n, key in enumerate(keys, start)]


@pytest.fixture
def delivery() -> Delivery:
    return Delivery(1000, key=key_of)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as pool:
        yield pool


@pytest.fixture
def failures() -> list[BaseException]:
    return []


@pytest.fixture
def start(delivery: Delivery, failures: list[BaseException]) -> Iterator[Start]:
    """Starts a dispatcher on `delivery`; it is stopped and joined at the end."""
    started: list[Dispatcher] = []

    def start(handle: Callable[[Any], None], executor: Executor) -> Dispatcher:
        dispatcher = Dispatcher(delivery, handle, key=key_of, executor=executor, failed=failures.append)
        started.append(dispatcher)
        dispatcher.start()
        return dispatcher

    yield start
    delivery.close(drain=False)
    for dispatcher in started:
        assert dispatcher.stop(LONG) == []


@pytest.fixture(autouse=True)
def _no_wait_looks_again_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits come back every second, and would hide that nobody woke them."""
    monkeypatch.setattr(clock, "_LONGEST", 3600.0)


def adds_up(delivery: Delivery) -> bool:
    t = delivery.tally()
    return t.received + t.marked == t.delivered + t.dropped + t.fallen + t.discarded + t.queued


@pytest.mark.parametrize("threads", [1, 4])
def test_every_item_once_and_in_order_per_key(delivery: Delivery, start: Start, failures: list[Any], threads: int) -> None:
    """Keys side by side, each in its order and never twice at once, barriers between; all that waits is handled to the end."""
    dice = random.Random(threads)
    sent = messages("".join(dice.choice("AABCDE-") for _ in range(900)))
    done: list[dict[str, Any]] = []
    busy: set[Hashable] = set()
    lock = threading.Lock()

    def handle(item: dict[str, Any]) -> None:
        key = item.get("key")
        with lock:
            assert key not in busy
            assert not (busy if key is None else None in busy)
            busy.add(key)
        if item["number"] % 7 == 0:
            threading.Event().wait(0.001)
        with lock:
            busy.discard(key)
            done.append(item)

    with ThreadPoolExecutor(threads) as pool:
        dispatcher = start(handle, pool)
        for at in range(0, 900, 90):
            delivery.put_batch(sent[at : at + 90], clock.now())
        delivery.close(drain=True)
        assert dispatcher.join(LONG)
    assert failures == []
    assert sorted(item["number"] for item in done) == list(range(1, 901))
    for key in "ABCDE":
        of_key = [item["number"] for item in done if item.get("key") == key]
        assert of_key == sorted(of_key)
    assert (delivery.tally().in_hand, delivery.unfinished_tasks) == (0, 0)
    assert delivery.latency(clock.now()).total == 900


def test_a_quiet_stream_holds_no_thread_of_the_executor(delivery: Delivery, start: Start) -> None:
    """The only thread of a pool is free for others before, between and after items."""
    handled = threading.Semaphore(0)
    with ThreadPoolExecutor(1) as pool:
        start(lambda item: handled.release(), pool)
        for _ in range(3):
            assert pool.submit(lambda: 5).result(LONG) == 5
            delivery.put_batch(messages("AB"), clock.now())
            assert handled.acquire(timeout=LONG)
            assert handled.acquire(timeout=LONG)


def test_a_busy_key_takes_turns_with_others(delivery: Delivery, start: Start) -> None:
    """Though more of it waits: what somebody else has submitted meanwhile comes in between, and the order holds."""
    done: list[Any] = []
    with ThreadPoolExecutor(1) as pool:

        def handle(item: dict[str, Any]) -> None:
            done.append(item["number"])
            if item["number"] == 1:
                pool.submit(done.append, "somebody else")

        dispatcher = start(handle, pool)
        delivery.put_batch(messages("A" * 200), clock.now())
        delivery.close(drain=True)
        assert dispatcher.join(LONG)
    assert done.index("somebody else") < 100
    done.remove("somebody else")
    assert done == list(range(1, 201))


def test_what_a_handler_raises_ends_it(delivery: Delivery, start: Start, pool: Executor, failures: list[Any]) -> None:
    """It is reported once, and what was not begun is in the queue again, in order."""
    error = ValueError("no such symbol")

    def handle(item: dict[str, Any]) -> None:
        raise error

    dispatcher = start(handle, pool)
    delivery.put_batch(messages("AAAB-B"), clock.now())
    assert dispatcher.join(LONG)
    assert failures == [error]
    left = [item["number"] for item in delivery.get_many(99, timeout=0)]
    assert left == sorted(left)
    assert 4 <= len(left) <= 5  # B may have been begun too
    assert adds_up(delivery)


def test_stop_takes_back_what_a_busy_executor_has_not_begun(delivery: Delivery, start: Start) -> None:
    """Somebody else has the only thread: nothing is handled, and nothing is lost."""
    release = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(release.wait)
        dispatcher = start(lambda item: None, pool)
        delivery.put_batch(messages("ABCA"), clock.now())
        deadline = clock.now() + LONG
        while len(dispatcher._submitted) < 3 and clock.now() < deadline:
            threading.Event().wait(0.001)
        assert dispatcher.stop(LONG) == []
        assert [item["number"] for item in delivery.get_many(99, timeout=0)] == [1, 2, 3, 4]
        assert adds_up(delivery)
        release.set()


def test_stop_names_a_thread_that_is_still_at_it(delivery: Delivery, start: Start) -> None:
    """As with our own threads."""
    entered, release = threading.Event(), threading.Event()

    def handle(item: Any) -> None:
        entered.set()
        release.wait()

    with ThreadPoolExecutor(1, thread_name_prefix="pool") as pool:
        dispatcher = start(handle, pool)
        delivery.put_batch(messages("A"), clock.now())
        assert entered.wait(LONG)
        assert dispatcher.stop(0.05) == ["pool_0"]
        release.set()
        assert dispatcher.stop(LONG) == []


def test_stop_from_a_handler_does_not_wait_for_itself(delivery: Delivery, start: Start, pool: Executor) -> None:
    """It ends when the handler returns."""
    stopped: list[list[str]] = []

    def handle(item: Any) -> None:
        stopped.append(dispatcher.stop(LONG))

    dispatcher = start(handle, pool)
    delivery.put_batch(messages("A"), clock.now())
    assert dispatcher.join(LONG)
    assert stopped == [[]]


def test_an_executor_that_was_shut_down_ends_it(delivery: Delivery, start: Start, failures: list[Any]) -> None:
    """It refuses; that is reported before anybody is told that all have ended, and the items are still there."""
    pool = ThreadPoolExecutor(1)
    pool.shutdown()
    dispatcher = start(lambda item: None, pool)
    delivery.put_batch(messages("AB"), clock.now())
    assert dispatcher.join(LONG)
    assert isinstance(failures[0], ExecutorTrouble)
    assert str(failures[0]).startswith("the executor refused what was submitted to it: RuntimeError: cannot schedule")
    assert isinstance(failures[0].__cause__, RuntimeError)
    assert [item["number"] for item in delivery.get_many(99, timeout=0)] == [1, 2]


class Odd(Executor):
    """Owned by: one test. Keeps what is submitted until the test says what becomes of it."""

    def __init__(self) -> None:
        self.futures: list[Future[Any]] = []
        self.submitted = threading.Semaphore(0)

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.futures.append(future)
        self.submitted.release()
        return future


@pytest.mark.parametrize("how", ["cancelled", "could not run"])
def test_an_executor_that_never_begins_ends_it(delivery: Delivery, start: Start, failures: list[Any], how: str) -> None:
    """It cancelled what it had taken, or failed before it called it: that is told, and no item is lost."""
    odd = Odd()
    dispatcher = start(lambda item: None, odd)
    delivery.put_batch(messages("AA"), clock.now())
    assert odd.submitted.acquire(timeout=LONG)
    deadline = clock.now() + LONG
    while clock.now() < deadline:  # until it has been told of the future
        with dispatcher._changed:
            if dispatcher._submitted[0][0] is not None:
                break
    if how == "cancelled":
        odd.futures[0].cancel()
    else:
        odd.futures[0].set_running_or_notify_cancel()
        odd.futures[0].set_exception(OSError("no memory"))
    assert dispatcher.join(LONG)
    assert how in str(failures[0])
    assert [item["number"] for item in delivery.get_many(99, timeout=0)] == [1, 2]
    assert adds_up(delivery)


def test_processes_are_refused(delivery: Delivery) -> None:
    """What a callback changes would be lost in the other process."""
    with ProcessPoolExecutor(1) as pool, pytest.raises(FeedError, match=r"workers=.*this process"):
        Dispatcher(delivery, print, key=key_of, executor=pool, failed=print)


def test_who_is_hired(delivery: Delivery, pool: Executor) -> None:
    """A number: so many threads of our own; an executor: its threads. Anything else is named."""

    def call(workers: Any, slow_after: Optional[float] = 1.0) -> Workers:
        return hire(delivery, Handlers(), key=key_of, workers=workers, slow_after=slow_after, failed=print)

    assert type(call(2)) is Workers
    assert type(call(pool)) is Dispatcher
    assert call(2, slow_after=None).watchdog is None
    for wrong in (0, "4", None):
        with pytest.raises(FeedError, match="workers="):
            call(wrong)
    with pytest.raises(FeedError, match="slow_after=0"):
        call(1, slow_after=0)


def test_a_closed_queue_ends_it(delivery: Delivery, start: Start, pool: Executor) -> None:
    """Idle or not."""
    dispatcher = start(lambda item: None, pool)
    delivery.close(drain=True)
    assert dispatcher.join(LONG)
    with pytest.raises(StreamClosed):
        delivery.get(timeout=0)
