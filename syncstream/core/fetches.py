"""Which snapshots are asked for, and when: a schedule, a limit on how many at once, an epoch for each request. Pure.

A request that was withdrawn (its key was proved, dropped or unsubscribed meanwhile) still takes a place until its answer comes;
the answer is then late and changes nothing. Where nobody works on it (`frees`: what is asked over the line) its place is free at
once. A request whose answer does not come within `limit` is given up, so that a hung callable cannot use up the places for good.
"""

from __future__ import annotations

import heapq
import math
from typing import Hashable, Optional

from .sync import Sync


class Fetches:
    """Owned by: the engine."""

    def __init__(self, concurrency: int, limit: float, *, frees: bool = False) -> None:
        self.concurrency = concurrency
        self.limit = limit
        self.frees = frees
        self.late = 0
        self._epoch = 0
        self._due: list[tuple[float, int, Sync]] = []
        self._asked: dict[int, tuple[Sync, float]] = {}
        self._owed: dict[Hashable, list[float]] = {}  # of requests withdrawn: until when each may still be answered
        self._order = 0

    @property
    def under_way(self) -> int:
        return len(self._asked)

    def want(self, sync: Sync, at: float) -> None:
        """Ask for this key's snapshot at `at`, unless it is being asked for now. An earlier wish for it is replaced."""
        if sync.fetching:
            return
        sync.fetch_at = at
        self._order += 1
        heapq.heappush(self._due, (at, self._order, sync))

    def withdraw(self, sync: Sync) -> None:
        """No answer for this key is wanted any more."""
        if self.frees and sync.epoch in self._asked:
            self._owed.setdefault(sync.key, []).append(self._asked.pop(sync.epoch)[1])
        sync.fetch_at = None
        sync.fetching = False
        sync.epoch = 0

    def take(self, now: float) -> Optional[Sync]:
        """The next key to ask for, with its new epoch set; `None` if none is due or no place is free."""
        self._skim()
        if not self._due or self._due[0][0] > now or len(self._asked) >= self.concurrency:
            return None
        sync = heapq.heappop(self._due)[2]
        self._epoch += 1
        sync.epoch = self._epoch
        sync.fetch_at = None
        sync.fetching = True
        self._asked[sync.epoch] = (sync, now + self.limit)
        return sync

    def answered(self, epoch: int) -> Optional[Sync]:
        """The key that waits for this answer; `None` (and counted) if none does any more."""
        sync, _ = self._asked.pop(epoch, (None, 0.0))
        if sync is None or sync.epoch != epoch:
            self.late += 1
            return None
        sync.epoch = 0
        sync.fetching = False
        return sync

    def owed(self, key: Hashable, now: float) -> bool:
        """Whether an answer over the line, which names no epoch, is that of a request that was withdrawn: they come in order."""
        owed = [limit_at for limit_at in self._owed.pop(key, ()) if limit_at > now]
        if owed[1:]:
            self._owed[key] = owed[1:]
        return bool(owed)

    def forgive(self, key: Hashable) -> None:
        """Nothing is owed any more for this key."""
        self._owed.pop(key, None)

    def extend(self, sync: Sync, at: float) -> None:
        """The request under way went out at `at`; infinity: it waits."""
        self._asked[sync.epoch] = (sync, at + self.limit)

    def lost(self, now: float) -> None:
        """A line is gone, and with it what waited to be said on it."""
        for epoch, (sync, limit_at) in self._asked.items():
            self._asked[epoch] = (sync, min(limit_at, now + self.limit))

    def ended(self) -> None:
        """The line is gone, and with it what was owed."""
        self._owed.clear()

    def overdue(self, now: float) -> Optional[int]:
        """The epoch of a request whose answer no longer counts on coming. One that was withdrawn only gives its place back."""
        for epoch, (sync, limit_at) in list(self._asked.items()):
            if limit_at > now:
                continue
            if sync.epoch == epoch:
                return epoch
            del self._asked[epoch]  # nobody to tell; if its answer comes after all, it is late
        return None

    def deadline(self, *, asking: bool) -> Optional[float]:
        """When `take` or `overdue` next have something; `asking` says whether new requests may go out at all."""
        self._skim()
        first = min((limit_at for _, limit_at in self._asked.values()), default=math.inf)
        if asking and self._due and len(self._asked) < self.concurrency:
            first = min(first, self._due[0][0])
        return None if first == math.inf else first

    def clear(self) -> None:
        """Ask for nothing any more; what is under way will be late."""
        for _, _, sync in self._due:
            sync.fetch_at = None
        for sync, _ in list(self._asked.values()):
            self.withdraw(sync)
        self._due = []
        self._asked = {}

    def _skim(self) -> None:
        while self._due and self._due[0][2].fetch_at != self._due[0][0]:
            heapq.heappop(self._due)
