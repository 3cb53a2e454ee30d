"""The moving figures of the table, measured as messages are taken from the stream. Pure: the moments are arguments.

Deliberately not here: gaps and reconnects, which the stream counts itself (`Stream.status`).
"""

from __future__ import annotations

import statistics
from collections import deque
from typing import Any, Iterable, Mapping, Optional

from ..events import Event, Snapshot

WINDOW = 1.5
"""Seconds that a rate and a lag are measured over."""


class Figures:
    """Owned by: the consuming thread. One symbol; `position` is that of the last item taken.

    A lag is the time from the venue's stamp in a message to the moment the message was taken from the stream.
    """

    __slots__ = ("_began", "_lags", "messages", "position", "worst_lag")

    def __init__(self) -> None:
        self.messages = 0
        self.position: Optional[int] = None
        self.worst_lag = 0.0
        self._began: Optional[float] = None
        self._lags: deque[tuple[float, float]] = deque()  # (moment, seconds)

    def message(self, position: int, lag: float, now: float) -> None:
        if self._began is None:
            self._began = now
        self.messages += 1
        self.position = position
        self.worst_lag = max(self.worst_lag, lag)
        self._lags.append((now, lag))
        self._forget(now)

    def rate(self, now: float) -> float:
        """Messages per second, lately."""
        self._forget(now)
        if self._began is None:
            return 0.0
        return len(self._lags) / min(WINDOW, max(0.25, now - self._began))

    def lag(self, now: float) -> Optional[float]:
        """The median, lately, in seconds; `None` if nothing came."""
        self._forget(now)
        return statistics.median(lag for _, lag in self._lags) if self._lags else None

    def _forget(self, now: float) -> None:
        while self._lags and self._lags[0][0] < now - WINDOW:
            self._lags.popleft()


def take(figures: Mapping[str, Figures], items: Iterable[Any], now: float, wall_ns: int) -> None:
    """Measure items taken from the stream at the moment `now`, which the wall clock calls `wall_ns`."""
    for item in items:
        if isinstance(item, Snapshot):
            figures[str(item.key)].position = item.position
        elif not isinstance(item, Event) and "version" in item:
            figures[item["symbol"]].message(item["version"], (wall_ns - item["ts_ns"]) / 1e9, now)
