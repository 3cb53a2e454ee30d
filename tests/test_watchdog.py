"""Tests of watchdog.py: a callback that holds a worker for too long is named while it does."""

from __future__ import annotations

import logging
import threading
from typing import Any, Optional

import pytest

from syncstream.errors import FeedError
from syncstream.timings import Running, Timings
from syncstream.watchdog import Watchdog

LONG = 10.0


class Told(Timings):
    """Owned by: one test, which says what runs."""

    def __init__(self, *running: Running) -> None:
        super().__init__()
        self.now_running = list(running)

    def running(self) -> list[Running]:
        return self.now_running


def watchdog(timings: Timings, *, came_at: Optional[float] = None, slow_after: Any = 2.0) -> Watchdog:
    return Watchdog(timings, slow_after=slow_after, key=lambda item: item["key"], came_at=lambda: came_at)


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "syncstream.watchdog"]


def test_a_slow_callback_is_named_with_its_share_of_the_lag(caplog: pytest.LogCaptureFixture) -> None:
    """It has run for 3 of the 4 seconds that the oldest item waits."""
    dog = watchdog(Told(Running("on_trade", {"key": "ABC"}, "syncstream-worker-1", 101.0)), came_at=100.0)
    dog._look(102.9)
    assert said(caplog) == []
    dog._look(104.0)
    text = "the callback on_trade has held syncstream-worker-1 for 3 s with an item of key 'ABC': 75% of the 4 s that the oldest"
    assert said(caplog) == [f"{text} item waits"]


def test_it_is_named_again_when_it_has_taken_twice_as_long(caplog: pytest.LogCaptureFixture) -> None:
    """Not at every look; the next call of it is another one."""
    told = Told(Running("on_trade", {"key": "ABC"}, "w", 100.0))
    dog = watchdog(told)
    for now in (102.0, 103.0, 103.9, 104.0, 105.0, 107.9, 108.0):
        dog._look(now)
    assert [text.split(" for ")[1].split(" s ")[0] for text in said(caplog)] == ["2", "4", "8"]
    assert "nothing waits behind it" in said(caplog)[0]
    told.now_running = [Running("on_trade", {"key": "ABC"}, "w", 108.0)]
    dog._look(110.0)
    assert len(said(caplog)) == 4


def test_an_item_without_a_key_is_named_all_the_same(caplog: pytest.LogCaptureFixture) -> None:
    """The user's key function may fail; it came before the item and not longer ago than the item waits."""
    dog = watchdog(Told(Running("on_trade", {}, "w", 100.0)), came_at=103.0)
    dog._look(104.0)
    assert said(caplog) == [
        "the callback on_trade has held w for 4 s with an item of key None: 100% of the 1 s that the oldest item waits"
    ]


def test_its_thread_looks_and_ends(caplog: pytest.LogCaptureFixture) -> None:
    """By itself, in time, and at once when it is told to stop."""
    seen = threading.Event()

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.set()

    handler = Handler()
    logging.getLogger("syncstream.watchdog").addHandler(handler)
    try:
        dog = watchdog(Told(Running("on_trade", {"key": "A"}, "w", 0.0)), slow_after=0.01)
        dog.start()
        assert seen.wait(LONG)
        dog.stop()
        dog.join()
    finally:
        logging.getLogger("syncstream.watchdog").removeHandler(handler)
    assert "syncstream-watchdog" not in [thread.name for thread in threading.enumerate()]


@pytest.mark.parametrize("slow_after", [0, -1.0, float("nan"), float("inf"), True, "1"])
def test_a_limit_that_is_none_is_refused(slow_after: Any) -> None:
    """By its name and value."""
    with pytest.raises(FeedError, match="slow_after="):
        watchdog(Timings(), slow_after=slow_after)
