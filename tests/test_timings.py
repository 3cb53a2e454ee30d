"""Tests of timings.py: what each callback has taken, and which ones run."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from syncstream import clock
from syncstream.stats import CallbackStats
from syncstream.timings import Running, Timings


class Clock:
    """Owned by: one test. Moves by hand."""

    def __init__(self) -> None:
        self.time = 100.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(clock, "now", made)
    return made


def test_calls_are_timed(now: Clock) -> None:
    """How often, how long in all, the longest, and the part of all: the most first."""
    timings = Timings()

    def trade(took: float) -> str:
        now.time += took
        return "done"

    class Quotes:
        def __call__(self, took: float) -> None:
            now.time += took

    on_trade, on_quote = timings.watch(trade), timings.watch(Quotes())
    assert timings.figures() == ()
    assert [on_trade(2.0), on_trade(4.0), on_quote(2.0)] == ["done", "done", None]
    name = f"{test_calls_are_timed.__name__}.<locals>."
    assert timings.figures() == (
        CallbackStats(name=f"{name}trade", calls=2, seconds=6.0, longest=4.0, share=0.75),
        CallbackStats(name=f"{name}Quotes", calls=1, seconds=2.0, longest=2.0, share=0.25),
    )


def test_a_call_that_raises_counts_and_ends(now: Clock) -> None:
    """The error is the caller's; the time was spent all the same."""
    timings = Timings()

    def fails(item: Any) -> None:
        now.time += 3.0
        raise KeyError(item)

    with pytest.raises(KeyError):
        timings.watch(fails)("A")
    assert [(one.calls, one.seconds) for one in timings.figures()] == [(1, 3.0)]
    assert timings.running() == []


def test_what_runs_is_told(now: Clock) -> None:
    """While it runs, with its item, its thread and when it began."""
    timings = Timings()
    entered, release = threading.Event(), threading.Event()

    def waits(item: Any) -> None:
        entered.set()
        release.wait()

    thread = threading.Thread(target=timings.watch(waits), args=("ABC",), name="worker-7")
    thread.start()
    assert entered.wait(10.0)
    assert timings.running() == [Running(waits.__qualname__, "ABC", "worker-7", 100.0)]
    release.set()
    thread.join()
    assert timings.running() == []


def test_threads_are_summed() -> None:
    """Each writes only what is its own, so no call is lost."""
    timings = Timings()
    call = timings.watch(lambda item: None)
    threads = [threading.Thread(target=lambda: [call(n) for n in range(500)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [one.calls for one in timings.figures()] == [2000]
