"""Tests of clock.py: the two clocks, and a wait that ends when it should."""

from __future__ import annotations

import signal
import sys
import threading
import time

import pytest

from syncstream import clock


def test_now_is_monotonic_seconds() -> None:
    """`now` is the monotonic clock, in seconds."""
    before = time.monotonic()
    assert before <= clock.now() <= time.monotonic()


def test_wall_clock_is_nanoseconds_since_1970() -> None:
    """`wall_ns` is the wall clock, in nanoseconds."""
    before = time.time_ns()
    assert before <= clock.wall_ns() <= time.time_ns()


def test_the_clocks_are_read_until_nothing_came_in_between(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that was stopped between the two readings would tell a wrong difference; without a good one the best is taken."""
    moments: list[float] = []
    seen: list[float] = []

    def now() -> float:
        seen.append(moments.pop(0))
        return seen[-1]

    def offset(*stops: float) -> int:
        moments[:] = [at + 100.0 for number, stop in enumerate(stops) for at in (number, number + stop)]
        return clock.wall_offset()

    monkeypatch.setattr(clock, "now", now)
    monkeypatch.setattr(clock, "wall_ns", lambda: int((seen[-1] + 5000.0) * 1e9))
    assert offset(0.02, 0.02, 0.0, 0.02) == 5000 * 10**9
    assert moments == [103.0, 103.02]
    assert offset(*[0.03] * 5, 0.001, *[0.02] * 4) == pytest.approx(5000e9, abs=1e6)
    assert moments == []


def test_a_wait_is_false_when_the_time_is_over() -> None:
    """Nobody notifies: False, and not before the time."""
    condition = threading.Condition()
    start = clock.now()
    with condition:
        assert clock.wait(condition, 0.02) is False
        assert clock.wait(condition, 0.0) is False
    assert clock.now() - start >= 0.019


@pytest.mark.parametrize("timeout", [None, 30.0, 1e12, float("inf")])
def test_a_notification_ends_a_wait(timeout: float | None) -> None:
    """A notification is True at once, whatever the limit; a limit beyond what the platform can count is none."""
    condition = threading.Condition()
    waits = threading.Event()
    results: list[bool] = []

    def wait() -> None:
        with condition:
            waits.set()
            results.append(clock.wait(condition, timeout))

    thread = threading.Thread(target=wait)
    thread.start()
    assert waits.wait(10)
    with condition:  # free only once the thread waits
        condition.notify()
    thread.join(10)
    assert results == [True]


@pytest.mark.parametrize("timeout", [None, 30.0])
def test_a_wait_in_slices_asks_the_caller_to_look_again(monkeypatch: pytest.MonkeyPatch, timeout: float | None) -> None:
    """Where a lock wait cannot be interrupted the wait is short, and True: the time is not over."""
    monkeypatch.setattr(clock, "_LONGEST", 0.01)
    condition = threading.Condition()
    with condition:
        assert clock.wait(condition, timeout) is True
        assert clock.wait(condition, 0.005) is False


@pytest.mark.skipif(sys.platform == "win32", reason="a signal cannot be sent to a thread on Windows")
@pytest.mark.parametrize("timeout", [None, 30.0])
def test_ctrl_c_ends_a_wait(timeout: float | None) -> None:
    """SIGINT raises KeyboardInterrupt out of the wait, and the condition is held again."""
    condition = threading.Condition()
    main = threading.main_thread().ident
    assert main is not None

    def interrupt() -> None:
        with condition:  # free only once the main thread waits
            signal.pthread_kill(main, signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    with condition:
        thread.start()
        with pytest.raises(KeyboardInterrupt):
            clock.wait(condition, timeout)
        assert condition._is_owned()  # type: ignore[attr-defined]
    thread.join(10)


def test_waiting_for_an_event(monkeypatch: pytest.MonkeyPatch) -> None:
    """True when it is set, before or meanwhile; False when the time is over; slices change nothing."""
    event = threading.Event()
    for longest in (1.0, 0.01):
        monkeypatch.setattr(clock, "_LONGEST", longest)
        event.clear()
        start = clock.now()
        assert clock.wait_event(event, 0) is False
        assert clock.wait_event(event, 0.03) is False
        assert clock.now() - start >= 0.029
        setter = threading.Timer(0.03, event.set)
        setter.start()
        assert clock.wait_event(event) is True
        assert clock.wait_event(event, 0) is True
        setter.join(10)


@pytest.mark.skipif(sys.platform == "win32", reason="a signal cannot be sent to a thread on Windows")
def test_ctrl_c_ends_a_wait_for_an_event() -> None:
    """SIGINT raises KeyboardInterrupt out of it."""
    main = threading.main_thread().ident
    assert main is not None
    timer = threading.Timer(0.05, signal.pthread_kill, (main, signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        clock.wait_event(threading.Event(), 30.0)
    timer.join(10)
