"""Tests of notebook/live.py: a card that is kept fresh, and ends with its stream."""

from __future__ import annotations

import gc
import logging
import threading
import weakref
from typing import Any, Callable

import pytest

from syncstream.errors import FeedError
from syncstream.notebook.live import Live

LONG = 10.0


class Shown:
    """Owned by: one test. A stream with a card."""

    def __init__(self) -> None:
        self.closed = False
        self.asked = 0

    def _repr_html_(self) -> str:
        self.asked += 1
        return f"card {self.asked}{' closed' if self.closed else ''}"


class Cell:
    """Owned by: one test. What stands below it, and a wait for the next change."""

    def __init__(self) -> None:
        self.cards: list[str] = []
        self.changed = threading.Semaphore(0)
        self.broken = False

    def show(self, html: str) -> Callable[[str], None]:
        self.cards.append(html)
        return self.update

    def update(self, html: str) -> None:
        self.changed.release()
        if self.broken:
            raise RuntimeError("the kernel has gone")
        self.cards.append(html)


def test_a_card_is_refreshed_until_it_is_stopped() -> None:
    """The last one stays."""
    stream, cell = Shown(), Cell()
    live = Live(stream, cell.show, every=0.005)
    for _ in range(3):
        assert cell.changed.acquire(timeout=LONG)
    assert repr(live) == "<card, refreshed every 0.005 s>"
    live.stop()
    assert cell.cards[:3] == ["card 1", "card 2", "card 3"]
    assert repr(live) == "<card, refreshed every 0.005 s, stopped>"
    live.stop()


def test_it_shows_the_end_of_its_stream() -> None:
    """And ends with it."""
    stream, cell = Shown(), Cell()
    live = Live(stream, cell.show, every=0.005)
    stream.closed = True
    live._thread.join(LONG)
    assert not live._thread.is_alive()
    assert cell.cards[-1].endswith("closed")


def test_it_does_not_keep_its_stream() -> None:
    """A stream that nobody holds any more goes, and the card stays as it is."""
    stream, cell = Shown(), Cell()
    live = Live(stream, cell.show, every=0.005)
    reference = weakref.ref(stream)
    del stream
    live._thread.join(LONG)
    gc.collect()
    assert reference() is None
    assert not live._thread.is_alive()


def test_a_notebook_that_went_away_ends_it(caplog: pytest.LogCaptureFixture) -> None:
    """With a word in the log, not with a traceback on somebody's screen."""
    stream, cell = Shown(), Cell()
    cell.broken = True
    with caplog.at_level(logging.WARNING):
        live = Live(stream, cell.show, every=0.005)
        live._thread.join(LONG)
    assert "the kernel has gone" in caplog.text


def test_it_may_be_stopped_from_its_own_thread() -> None:
    """By what it calls to show a card."""
    stopped: list[Any] = []

    def update(html: str) -> None:
        live.stop()
        stopped.append(html)

    stream = Shown()
    live = Live(stream, lambda html: update, every=0.005)
    live._thread.join(LONG)
    assert stopped == ["card 2"]


@pytest.mark.parametrize("every", [0, -1.0, True, float("nan"), float("inf")])
def test_a_time_that_is_none_is_refused(every: Any) -> None:
    """Before anything is shown."""
    cell = Cell()
    with pytest.raises(FeedError, match="every="):
        Live(Shown(), cell.show, every=every)
    assert cell.cards == []
