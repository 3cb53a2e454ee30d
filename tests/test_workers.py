"""Tests of workers.py: order per key, side by side, barriers, failures and the end, with real threads and no sleeps."""

from __future__ import annotations

import logging
import random
import signal
import sys
import threading
from collections import Counter, defaultdict
from typing import Any, Callable, Hashable, Iterator, Optional

import pytest

from syncstream import clock
from syncstream.delivery import Delivery
from syncstream.errors import FeedError, StreamClosed, StreamFailed, UsageError
from syncstream.events import Dropped, Gap, Snapshot
from syncstream.workers import Workers

LONG = 10.0
"""Seconds after which a test gives up; nothing that passes waits so long."""

Start = Callable[..., Workers]


def key_of(message: dict[str, Any]) -> Hashable:
    key: Hashable = message["key"]
    return key


def messages(keys: str, start: int = 1) -> list[dict[str, Any]]:
    """One message per letter, numbered through; "-" has no key."""
    return [{"number": n} if key == "-" else {"key": key, "number": n} for n, key in enumerate(keys, start)]


def numbers(items: list[Any]) -> list[int]:
    return [item["number"] for item in items]


@pytest.fixture
def delivery(request: pytest.FixtureRequest) -> Delivery:
    return Delivery(1000, key=key_of, overflow=getattr(request, "param", "raise"))


@pytest.fixture
def start(delivery: Delivery) -> Iterator[Start]:
    """Starts workers on `delivery`; they are stopped and joined at the end."""
    started: list[Workers] = []

    def start(handle: Callable[[Any], None], count: int = 4, failed: Optional[Callable[[BaseException], None]] = None) -> Workers:
        workers = Workers(delivery, handle, key=key_of, count=count, failed=failed or unexpected.append)
        started.append(workers)
        workers.start()
        return workers

    unexpected: list[BaseException] = []
    yield start
    delivery.close(drain=False)
    for workers in started:
        assert workers.stop(LONG) == []
    assert unexpected == []


@pytest.fixture(autouse=True)
def _no_wait_looks_again_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits come back every second, and would hide that nobody woke them. Here only the test of Ctrl-C needs that."""
    monkeypatch.setattr(clock, "_LONGEST", 3600.0)


class Gate:
    """Owned by: one test. Holds a handler until the test lets it go."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.open = threading.Event()

    def hold(self) -> None:
        self.entered.set()
        assert self.open.wait(LONG)

    def held(self) -> None:
        assert self.entered.wait(LONG)


def finished(delivery: Delivery) -> None:
    assert delivery.wait_drained(LONG)


# --- order and parallelism ---


@pytest.mark.parametrize("count", [1, 2, 8])
def test_every_item_once_and_in_order_per_key(delivery: Delivery, start: Start, count: int) -> None:
    """A key is never in two hands, its items keep their order, and nothing is handled twice or left out."""
    busy: Counter[str] = Counter()
    seen: dict[str, list[int]] = defaultdict(list)

    def handle(item: dict[str, Any]) -> None:
        key = item["key"]
        busy[key] += 1
        assert busy[key] == 1
        threading.Event().wait(0)  # let others run
        seen[key].append(item["number"])
        busy[key] -= 1

    start(handle, count)
    dice = random.Random(3)
    sent: dict[str, list[int]] = defaultdict(list)
    number = 0
    while number < 3000:
        batch = messages("".join(dice.choices("AAAABCDEFG", k=dice.choice((1, 5, 60)))), number)
        number += len(batch)
        for item in batch:
            sent[item["key"]].append(item["number"])
        delivery.put_batch(batch, 0.0)
        if delivery.depth > 800:
            finished(delivery)
    finished(delivery)
    assert seen == sent
    assert delivery.unfinished_tasks == 0


def test_different_keys_are_handled_side_by_side(delivery: Delivery, start: Start) -> None:
    """Four keys, four workers: all four are in their handlers at the same time."""
    together = threading.Barrier(4)
    start(lambda item: together.wait(LONG) and None)
    delivery.put_batch(messages("ABCD"), 0.0)
    finished(delivery)
    assert not together.broken


def test_one_worker_keeps_the_order_of_the_stream(delivery: Delivery, start: Start) -> None:
    """With a single worker all keys together are in order."""
    seen: list[Any] = []
    start(seen.append, 1)
    items = messages("ABACBA-BAACBCAB" * 20)
    delivery.put_batch(items, 0.0)
    finished(delivery)
    assert seen == items


def test_a_busy_key_does_not_hold_up_others(delivery: Delivery, start: Start) -> None:
    """400 items of a key whose handler hangs stand before another key, which is handled all the same."""
    gate = Gate()
    others = threading.Semaphore(0)

    def handle(item: dict[str, Any]) -> None:
        if item["key"] == "A":
            gate.hold()
        else:
            others.release()

    start(handle, 2)
    delivery.put_batch(messages("A" * 400 + "B" * 3 + "C"), 0.0)
    for _ in range(4):
        assert others.acquire(timeout=LONG)
    assert delivery.depth == 400  # they count until they are handled
    gate.open.set()
    finished(delivery)


def test_a_key_keeps_its_worker_while_it_has_items_waiting(delivery: Delivery, start: Start) -> None:
    """What came in while the first item was handled is handled by the same thread."""
    gate = Gate()
    names: list[str] = []
    other = threading.Event()

    def handle(item: dict[str, Any]) -> None:
        if item["key"] == "B":
            other.set()
            return
        names.append(threading.current_thread().name)
        gate.hold()

    start(handle, 4)
    delivery.put_batch(messages("A"), 0.0)
    gate.held()
    delivery.put_batch(messages("AAAAAAAAAB"), 0.0)
    assert other.wait(LONG)  # another worker has looked past them
    gate.open.set()
    finished(delivery)
    assert len(names) == 10
    assert len(set(names)) == 1
    assert names[0].startswith("syncstream-worker-")


def test_an_idle_worker_takes_over_the_wait(delivery: Delivery, start: Start) -> None:
    """While one worker is busy with what it took, the next one already waits for the next item."""
    gates = {key: Gate() for key in "ABCD"}
    start(lambda item: gates[item["key"]].hold())
    for key in "ABCD":
        delivery.put_batch(messages(key), 0.0)
        gates[key].held()
    for gate in gates.values():
        gate.open.set()
    finished(delivery)


@pytest.mark.parametrize("barrier", [{"number": 3}, Gap(reason="reconnect"), Dropped(count=3)])
def test_an_item_without_a_key_is_a_barrier(delivery: Delivery, start: Start, barrier: Any) -> None:
    """All before it is finished first, it is alone, then come the rest: a message or a marker about every key."""
    before, alone = Gate(), Gate()
    log: list[Any] = []
    after = threading.Barrier(3)

    def handle(item: Any) -> None:
        if item is barrier:
            log.append("alone")
            alone.hold()
            log.append("alone no more")
        elif item["number"] < 3:
            before.hold()
            log.append("before")
        else:
            after.wait(LONG)
            log.append("after")

    start(handle)
    delivery.put_batch([*messages("AB"), barrier, *messages("CDE", 4)], 0.0)
    before.held()
    assert log == []
    before.open.set()
    alone.held()
    assert log == ["before", "before", "alone"]
    alone.open.set()
    finished(delivery)
    assert log == ["before", "before", "alone", "alone no more", "after", "after", "after"]


def test_barriers_in_a_row(delivery: Delivery, start: Start) -> None:
    """A stream of items without keys is handled one by one, in order, by whichever worker."""
    seen: list[Any] = []
    inside: list[int] = []

    def handle(item: Any) -> None:
        inside.append(1)
        assert len(inside) == 1
        seen.append(item)
        inside.pop()

    start(handle)
    items = messages("-" * 200)
    delivery.put_batch(items, 0.0)
    finished(delivery)
    assert seen == items


def test_a_marker_goes_by_its_own_key(delivery: Delivery, start: Start) -> None:
    """A `Snapshot` of a key waits for the messages of that key only."""
    gate, other = Gate(), threading.Event()
    seen: list[Any] = []

    def handle(item: Any) -> None:
        if isinstance(item, Snapshot):
            (seen.append if item.key == "A" else lambda _: other.set())("snapshot")
        else:
            gate.hold()
            seen.append("message")

    start(handle, 2)
    delivery.put_batch([*messages("A"), Snapshot(key="A"), Snapshot(key="B")], 0.0)
    assert other.wait(LONG)
    gate.open.set()
    finished(delivery)
    assert seen == ["message", "snapshot"]


def test_a_busy_key_holds_up_no_other_however_much_of_it_waits(start: Start, delivery: Delivery) -> None:
    """Where nothing is thrown away, workers look through all of the queue for another key."""
    gate, other = Gate(), threading.Event()

    def handle(item: dict[str, Any]) -> None:
        if item["key"] == "A":
            gate.hold()
        else:
            other.set()

    start(handle, 2)
    delivery.put_batch(messages("A" * 900 + "B"), 0.0)
    gate.held()
    assert other.wait(LONG)
    assert delivery.depth == 900
    gate.open.set()
    finished(delivery)


@pytest.mark.parametrize("delivery", ["drop_oldest", "conflate"], indirect=True)
def test_not_more_than_half_the_bound_is_pulled_ahead(start: Start, delivery: Delivery) -> None:
    """A key that hangs cannot draw the whole queue out of reach of the overflow policy; later others go on."""
    gate, other = Gate(), threading.Event()

    def handle(item: dict[str, Any]) -> None:
        if item["key"] == "A":
            gate.hold()
        else:
            other.set()

    start(handle, 2)
    delivery.put_batch(messages("A" * 501), 0.0)
    gate.held()
    delivery.put_batch(messages("A" * 400 + "B", 502), 0.0)
    assert delivery.depth == 902
    assert delivery.qsize() >= 400
    gate.open.set()
    assert other.wait(LONG)
    finished(delivery)


def test_one_who_waits_for_room_goes_on_when_there_is_some(monkeypatch: pytest.MonkeyPatch) -> None:
    """All the room to pull ahead is taken by a busy key; as soon as one item of it is handled another key has its turn."""
    delivery = Delivery(4, key=key_of, overflow="drop_oldest")
    gates = [Gate(), Gate()]
    other = threading.Event()
    asked: list[int] = []
    take = delivery.take_in_hand

    def noted(most: int, stopped: Callable[[], bool]) -> list[Any]:
        asked.append(most)
        return take(most, stopped)

    def handle(item: dict[str, Any]) -> None:
        if item["key"] == "B":
            other.set()
        elif item["number"] <= 2:
            gates[item["number"] - 1].hold()

    monkeypatch.setattr(delivery, "take_in_hand", noted)
    delivery.put_batch(messages("AAAB"), 0.0)
    workers = Workers(delivery, handle, key=key_of, count=2, failed=lambda error: None)
    workers.start()
    gates[0].held()
    while delivery.qsize() > 1:  # the other one pulls two more and waits for room
        threading.Event().wait(0.001)
    assert not other.is_set()
    gates[0].open.set()
    assert other.wait(LONG)
    gates[1].open.set()
    delivery.close(drain=True)
    assert workers.join(LONG)
    assert min(asked) >= 1


def test_the_key_function_may_fail(delivery: Delivery) -> None:
    """A message for which it raises has no key: it is handled, alone."""
    seen: list[Any] = []

    def key(message: Any) -> Hashable:
        raise RuntimeError("no key today")

    workers = Workers(delivery, seen.append, key=key, count=3, failed=seen.append)
    workers.start()
    delivery.put_batch(messages("ABC"), 0.0)
    delivery.close(drain=True)
    assert workers.join(LONG)
    assert numbers(seen) == [1, 2, 3]


# --- failures ---


@pytest.mark.parametrize("kind", [ValueError, SystemExit, KeyboardInterrupt, GeneratorExit])
def test_whatever_a_handler_raises_is_reported_once(delivery: Delivery, start: Start, kind: type[BaseException]) -> None:
    """The error itself, with its traceback; then no item is begun any more, and those pulled ahead go back in order."""
    reported: list[BaseException] = []
    gate = Gate()

    def handle(item: dict[str, Any]) -> None:
        if item["key"] == "A":
            gate.hold()
            raise kind("boom")
        if item["key"] == "C":
            seen.set()

    seen = threading.Event()
    workers = start(handle, 2, reported.append)
    delivery.put_batch(messages("A"), 0.0)
    gate.held()
    delivery.put_batch(messages("AAAAC", 2), 0.0)
    assert seen.wait(LONG)  # the items of A before it have been pulled
    gate.open.set()
    assert workers.join(LONG)
    assert [type(error) for error in reported] == [kind]
    assert reported[0].__traceback__ is not None
    delivery.put_batch(messages("B", 7), 0.0)
    assert numbers(delivery.get_many(99)) == [2, 3, 4, 5, 7]
    assert delivery.depth == 0


def test_what_was_pulled_goes_back_in_order(delivery: Delivery, start: Start) -> None:
    """Some wait behind a key in hand and some are nobody's yet: the order of the stream is restored."""
    gates = {"A": Gate(), "C": Gate()}
    workers = start(lambda item: gates[item["key"]].hold(), 2)
    delivery.put_batch(messages("A"), 0.0)
    gates["A"].held()
    delivery.put_batch(messages("ACADA", 2), 0.0)
    gates["C"].held()
    assert workers.stop(0) == ["syncstream-worker-1", "syncstream-worker-2"]
    for gate in gates.values():
        gate.open.set()
    assert workers.stop(LONG) == []
    assert numbers(delivery.get_many(99)) == [2, 4, 5, 6]


def test_a_second_failure_is_logged(delivery: Delivery, start: Start, caplog: pytest.LogCaptureFixture) -> None:
    """Two handlers fail together: one is reported, the other stands in the log and is not lost."""
    together = threading.Barrier(2)
    reported: list[BaseException] = []

    def handle(item: dict[str, Any]) -> None:
        together.wait(LONG)
        raise ValueError(item["key"])

    with caplog.at_level(logging.ERROR, "syncstream.workers"):
        workers = start(handle, 2, reported.append)
        delivery.put_batch(messages("AB"), 0.0)
        assert workers.join(LONG)
    logged = [record.exc_info[1] for record in caplog.records if record.exc_info]
    assert sorted([str(reported[0]), str(logged[0])]) == ["A", "B"]
    assert (len(reported), len(logged)) == (1, 1)


def test_no_lock_is_held_in_the_users_code(delivery: Delivery) -> None:
    """Neither in the handler nor in `failed`: both may call everything, `stop` included."""
    done: list[str] = []

    def handle(item: Any) -> None:
        assert delivery.mutex.acquire(timeout=LONG)  # others may have it for a moment; we may not have it already
        delivery.mutex.release()
        assert workers.stop(LONG) == []
        done.append("handle")
        raise ValueError

    def failed(error: BaseException) -> None:
        assert workers.stop(LONG) == []
        delivery.close(drain=False)
        done.append("failed")

    workers = Workers(delivery, handle, key=key_of, count=3, failed=failed)
    workers.start()
    delivery.put_batch(messages("A"), 0.0)
    assert workers.join(LONG)
    assert done == ["handle", "failed"]


# --- the end ---


def test_they_end_when_the_queue_is_closed_and_taken(delivery: Delivery, start: Start) -> None:
    """After a close with drain everything is handled first."""
    seen: list[Any] = []
    lock = threading.Lock()

    def handle(item: Any) -> None:
        with lock:
            seen.append(item)

    workers = start(handle)
    delivery.put_batch(messages("ABC-ABC-CBA"), 0.0)
    delivery.close(drain=True)
    assert workers.join(LONG)
    assert sorted(numbers(seen)) == list(range(1, 12))
    assert delivery.depth == 0


def test_a_thread_that_is_being_started_is_not_joined(delivery: Delivery, start: Start) -> None:
    """It has its number before it can be; whoever waits at that moment waits for those that run."""

    class Starting(threading.Thread):
        ident = 7

    workers = start(lambda item: None)
    workers._threads.append(Starting())
    delivery.close(drain=True)
    assert workers.join(LONG)


def test_they_end_when_the_queue_has_failed(delivery: Delivery, start: Start) -> None:
    """What was queued is handled first; the failure is the stream's to raise, not the workers'."""
    seen: list[Any] = []
    delivery.put_batch(messages("AAA"), 0.0)
    delivery.fail(StreamFailed("it ended"))
    workers = start(seen.append)
    assert workers.join(LONG)
    assert numbers(seen) == [1, 2, 3]


@pytest.mark.parametrize("count", [1, 4])
def test_idle_workers_end_at_once(delivery: Delivery, start: Start, count: int) -> None:
    """A close wakes the one that waits at the queue and those that wait behind it."""
    workers = start(lambda item: None, count)
    assert not workers.join(0.01)
    delivery.close(drain=False)
    assert workers.join(LONG)


def test_a_close_without_drain_discards_what_was_pulled(delivery: Delivery, start: Start) -> None:
    """The item in hand is finished; what its worker and others had pulled ahead is discarded and counted."""
    gate, other = Gate(), threading.Event()
    seen: list[int] = []

    def handle(item: dict[str, Any]) -> None:
        if item["key"] == "B":
            other.set()
            return
        gate.hold()
        seen.append(item["number"])

    workers = start(handle, 2)
    delivery.put_batch(messages("A" * 100 + "B"), 0.0)
    assert other.wait(LONG)
    delivery.close(drain=False)
    gate.open.set()
    assert workers.join(LONG)
    assert seen == [1]
    tally = delivery.tally()
    assert (tally.delivered, tally.discarded, tally.in_hand, delivery.unfinished_tasks) == (2, 99, 0, 0)


def test_a_close_during_a_barrier(delivery: Delivery, start: Start) -> None:
    """Nobody waits at the queue then; they see it when the barrier is through."""
    gate = Gate()
    workers = start(lambda item: gate.hold())
    delivery.put_batch(messages("-AB"), 0.0)
    gate.held()
    delivery.close(drain=False)
    gate.open.set()
    assert workers.join(LONG)
    assert delivery.tally().discarded == 2


def test_stop_lets_finish_what_is_in_hand(delivery: Delivery, start: Start) -> None:
    """Nothing further is begun, and the stream can be consumed on from there, in order."""
    gate = Gate()
    workers = start(lambda item: gate.hold(), 1)
    delivery.put_batch(messages("ABABAB"), 0.0)
    gate.held()
    assert workers.stop(0.01) == ["syncstream-worker-1"]
    gate.open.set()
    assert workers.stop(LONG) == []
    assert numbers(delivery.get_many(99)) == [2, 3, 4, 5, 6]


def test_stopped_at_any_moment_nothing_is_lost_or_done_twice(delivery: Delivery, start: Start) -> None:
    """Fifty crews follow each other, each is stopped after a few items: every item once, in order per key."""
    seen: dict[str, list[int]] = defaultdict(list)
    some = threading.Semaphore(0)

    def handle(item: dict[str, Any]) -> None:
        seen[item.get("key", "-")].append(item["number"])
        some.release()

    dice = random.Random(4)
    items = messages("".join(dice.choices("AAAABCDEFG-", k=900)))
    delivery.put_batch(items, 0.0)
    for _ in range(50):
        workers = start(handle, dice.randint(1, 5))
        assert some.acquire(timeout=LONG)
        assert workers.stop(LONG) == []
        assert delivery.tally().in_hand == 0
        if delivery.empty():
            break
    rest = delivery.get_many(1000) if not delivery.empty() else []
    for item in rest:
        seen[item.get("key", "-")].append(item["number"])
    assert sorted(number for found in seen.values() for number in found) == list(range(1, 901))
    assert all(found == sorted(found) for found in seen.values())


@pytest.mark.parametrize("count", [1, 4])
def test_stop_from_a_handler_does_not_wait_for_itself(delivery: Delivery, start: Start, count: int) -> None:
    """It returns when the others have ended; its own thread ends with the handler."""
    results: list[Any] = []

    def handle(item: Any) -> None:
        results.append((workers.stop(None), workers.join(None)))

    workers = start(handle, count)
    delivery.put_batch(messages("A"), 0.0)
    assert workers.join(LONG)
    assert results == [([], True)]


def test_two_handlers_that_stop_do_not_wait_for_each_other(delivery: Delivery, start: Start) -> None:
    """Both return, though neither thread has ended."""
    together = threading.Barrier(2)
    results: list[bool] = []

    def handle(item: Any) -> None:
        together.wait(LONG)
        workers.stop(None)
        results.append(True)

    workers = start(handle, 2)
    delivery.put_batch(messages("AB"), 0.0)
    assert workers.join(LONG)
    assert results == [True, True]


def test_join_says_when_the_time_is_over(delivery: Delivery, start: Start) -> None:
    """False after the time-out; True once all have ended."""
    workers = start(lambda item: None)
    assert not workers.join(0)
    assert not workers.join(0.01)
    workers.stop(LONG)
    assert workers.join(0)


@pytest.mark.skipif(sys.platform == "win32", reason="a signal cannot be sent to a thread on Windows")
def test_ctrl_c_ends_a_join(delivery: Delivery, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGINT raises KeyboardInterrupt out of it; the workers go on."""
    seen = threading.Event()
    workers = start(lambda item: seen.set())
    main = threading.main_thread()
    assert main.ident is not None
    begun = threading.Event()
    wait = clock.wait

    def noted(condition: threading.Condition, timeout: Optional[float] = None) -> bool:
        if threading.current_thread() is main:
            begun.set()
        return wait(condition, timeout)

    def interrupt() -> None:
        assert begun.wait(LONG)
        signal.pthread_kill(main.ident or 0, signal.SIGINT)

    monkeypatch.setattr(clock, "wait", noted)
    monkeypatch.setattr(clock, "_LONGEST", 1.0)
    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        workers.join()
    thread.join(LONG)
    delivery.put_batch(messages("A"), 0.0)
    assert seen.wait(LONG)


def test_they_are_daemons_with_names(delivery: Delivery, start: Start) -> None:
    """A hanging handler cannot hold the interpreter's exit, and a thread dump says who they are."""
    start(lambda item: None, 3)
    threads = [thread for thread in threading.enumerate() if thread.name.startswith("syncstream-worker-")]
    assert sorted(thread.name for thread in threads) == [f"syncstream-worker-{n}" for n in (1, 2, 3)]
    assert all(thread.daemon for thread in threads)


def test_they_start_once(delivery: Delivery, start: Start) -> None:
    """A second start is refused."""
    workers = start(lambda item: None)
    with pytest.raises(UsageError, match="before"):
        workers.start()


def test_without_threads_to_be_had_none_is_left(delivery: Delivery, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system refuses the third thread: the error comes out, and the first two end."""
    workers = Workers(delivery, lambda item: None, key=key_of, count=4, failed=lambda error: None)
    begin = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name.endswith("-3"):
            raise RuntimeError("can't start new thread")
        begin(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(RuntimeError, match="can't start"):
        workers.start()
    assert workers.join(LONG)
    assert workers.stop(0) == []


@pytest.mark.parametrize("count", [0, -1, 1.5, True, "4"])
def test_the_number_of_workers_is_checked(delivery: Delivery, count: Any) -> None:
    """A whole number from 1 on."""
    with pytest.raises(FeedError, match="workers"):
        Workers(delivery, lambda item: None, key=key_of, count=count, failed=lambda error: None)


def test_a_broken_queue_is_reported_too(delivery: Delivery, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug below the workers does not end them without a word."""

    def broken(*_: Any) -> list[Any]:
        raise LookupError("a bug")

    reported: list[BaseException] = []
    monkeypatch.setattr(delivery, "take_in_hand", broken)
    workers = start(lambda item: None, 3, reported.append)
    assert workers.join(LONG)
    assert [type(error) for error in reported] == [LookupError]
    delivery.close(drain=True)
    with pytest.raises(StreamClosed):
        delivery.get()


def test_no_thread_begins_behind_a_stop() -> None:
    """Another thread stops them while they are being started: whoever it has waited for was the last."""
    delivery = Delivery(10, key=key_of)
    workers = Workers(delivery, lambda item: None, key=key_of, count=3, failed=lambda error: None)
    begin, named = workers._threads[1].start, []

    def stopped_meanwhile() -> None:
        begin()
        named.append(workers.stop(LONG))

    workers._threads[1].start = stopped_meanwhile  # type: ignore[method-assign]
    workers.start()
    assert named == [[]]
    assert workers._threads[2].ident is None
    assert workers.join(LONG)
    delivery.close(drain=False)
