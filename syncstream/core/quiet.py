"""Keys that are silent for longer than they should be: sampled, so that a message costs nothing. Pure.

Rules
* A key is looked at four times within its limit; what its latest message is, and how much of it is held, shows whether it has
  spoken since. So a silence is found after its limit and at most a quarter more.
* A silence is told once, then the limit of that key doubles until it speaks again; as often as it takes to be above the silence,
  for a look may come late.
* Silence of all, because no line is open, or the venue pauses, or we do not read, is no silence of a key: `restart` begins anew.
* Keys of the same limit are looked at together: the moments are whole multiples of a quarter of it.
"""

from __future__ import annotations

import heapq
import math
from typing import Any, Callable, Hashable, NamedTuple, Optional

Limit = Callable[[Hashable], Optional[float]]
"""key → seconds; `None`: it may be silent for ever."""

Mark = tuple[Any, Any, int]
"""What of a key changes with each message: the latest one (the very object), its position, how many are held."""

_LOOKS = 4
_ROUNDED = 1 - 1e-9  # multiples of a step are not exact


class Silent(NamedTuple):
    """A key that was silent for `seconds`."""

    key: Hashable
    seconds: float


class _Watch:
    """Owned by: its `Quiet`. One key."""

    __slots__ = ("at", "doubled", "limit", "mark", "spoke_at")

    def __init__(self, limit: float, mark: Mark, now: float) -> None:
        self.limit = limit
        self.doubled = limit
        self.mark = mark
        self.spoke_at = now
        self.at = now  # when it is looked at next


class Quiet:
    """Owned by: the engine. `limit`: key → seconds; `None`: no key is watched. `mark`: key → what changes with each message."""

    def __init__(self, limit: Optional[Limit], mark: Callable[[Hashable], Mark]) -> None:
        self._limit = limit
        self._mark = mark
        self._watches: dict[Hashable, Optional[_Watch]] = {}
        self._wheel: dict[float, list[Hashable]] = {}
        self._moments: list[float] = []

    def __len__(self) -> int:
        return len(self._watches)

    def add(self, key: Hashable, now: float) -> None:
        """A key has spoken for the first time. Raises what the user's callable raises, once."""
        self._watches[key] = None
        limit = None if self._limit is None else self._limit(key)
        if limit is not None:
            watch = self._watches[key] = _Watch(limit, self._mark(key), now)
            self._plan(key, watch, now)

    def forget(self, key: Hashable) -> None:
        """Nobody wants it any more."""
        self._watches.pop(key, None)

    def restart(self, now: float) -> None:
        """Silence counts from now."""
        for watch in self._watches.values():
            if watch is not None:
                watch.spoke_at = now

    def due(self, now: float) -> list[Silent]:
        """Look at the keys whose moment has come; returns those that are silent for too long."""
        silent = []
        while self._moments and self._moments[0] <= now:
            moment = heapq.heappop(self._moments)
            for key in self._wheel.pop(moment):
                watch = self._watches.get(key)
                if watch is None or watch.at != moment:  # forgotten, and perhaps known again since
                    continue
                if self._spoke(key, watch):
                    watch.spoke_at = now
                    watch.doubled = watch.limit
                elif now - watch.spoke_at >= watch.doubled * _ROUNDED:
                    silent.append(Silent(key, now - watch.spoke_at))
                    while now - watch.spoke_at >= watch.doubled * _ROUNDED:
                        watch.doubled *= 2
                self._plan(key, watch, now)
        return silent

    def deadline(self) -> Optional[float]:
        """When to look next."""
        return self._moments[0] if self._moments else None

    def _spoke(self, key: Hashable, watch: _Watch) -> bool:
        before, now = watch.mark, self._mark(key)
        watch.mark = now
        return before[0] is not now[0] or before[1:] != now[1:]

    def _plan(self, key: Hashable, watch: _Watch, now: float) -> None:
        step = watch.limit / _LOOKS
        watch.at = (math.floor(now / step) + 1) * step
        if watch.at <= now:  # as a multiple, rounding made it this very moment
            watch.at = now + step
        keys = self._wheel.get(watch.at)
        if keys is None:
            keys = self._wheel[watch.at] = []
            heapq.heappush(self._moments, watch.at)
        keys.append(key)
