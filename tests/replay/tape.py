"""Venue time: how many frames of the recording have been played.

One thread lets the time pass and nothing else; lines and REST requests ask for the position. Time passes in small steps, and a
step is never longer than `MOST`: what a starved process sleeps through is not played. So a loaded machine slows the venue and its
client alike, and a test's figures do not depend on the load.
"""

from __future__ import annotations

import bisect
import threading
import time
from typing import Callable, Iterable

STEP = 0.002  # seconds between two looks at the clock
MOST = 0.02


def schedule(times: Iterable[float], speed: float, rate: float) -> list[float]:
    """When each frame is due, in seconds from the first: the recorded times `speed` times as fast, at most `rate` frames/s."""
    due: list[float] = []
    first_at = None
    for at in times:
        if first_at is None:
            first_at = at
        earliest = due[-1] + 1 / rate if due else 0.0
        due.append(max((at - first_at) / speed, earliest))
    return due


class Tape:
    """Owned by: the thread `replay-tape`. Others may call everything; the condition guards `_elapsed` and `_closed`."""

    def __init__(self, due: list[float], now: Callable[[], float] = time.monotonic) -> None:
        self._due = due
        self._now = now
        self._elapsed = -1.0  # negative: not started
        self._closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="replay-tape", daemon=True)

    def start(self) -> None:
        """Begins to play; later calls change nothing."""
        with self._changed:
            if self._elapsed < 0 and not self._closed:
                self._elapsed = 0.0
                self._thread.start()

    @property
    def started(self) -> bool:
        with self._changed:
            return self._elapsed >= 0

    def position(self, lag: float = 0.0) -> int:
        """The number of frames due by now, or `lag` seconds ago."""
        with self._changed:
            return self._position(lag)

    def wait(self, position: int, timeout: float) -> int:
        """Waits until more than `position` frames are due, `timeout` seconds at most. Gives the position, also when closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._position() > position, timeout)
            return self._position()

    def close(self) -> None:
        """Stops the time and joins its thread."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            started = self._elapsed >= 0
        if started:
            self._thread.join()

    def _position(self, lag: float = 0.0) -> int:
        return bisect.bisect_right(self._due, self._elapsed - lag)

    def _run(self) -> None:
        before_at = self._now()
        with self._changed:
            while not self._closed:
                self._changed.wait(STEP)
                now = self._now()
                played = self._position()
                self._elapsed += min(now - before_at, MOST)
                before_at = now
                if self._position() != played:
                    self._changed.notify_all()
