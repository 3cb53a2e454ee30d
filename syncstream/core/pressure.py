"""What the depth of the queue means under each policy: go on, pause, drop or fail; when to warn. Pure; the lock is `Delivery`'s.

Depth is counted in items and, with `maxbytes`, in bytes too: the queue is full when either is. One batch always fits into an
empty queue, whatever its bytes: a bound in bytes must not keep out a message that nothing could ever make room for.

    policy       the queue is full, somebody consumes      nobody has consumed yet
    -----------  ----------------------------------------  ------------------------------------------------------
    raise        fails                                     drops the oldest: an idle notebook must not die
    block        pauses until below half; fails when that  pauses; drops the oldest when that takes longer than
                 takes longer than `block_limit`           `block_limit`, and from then on at once
    drop_oldest  drops the oldest                          drops the oldest
    conflate     drops what a newer one replaces           drops what a newer one replaces

Pressure lasts from a pause or a drop until the depth is below half, in items and in bytes.
"""

from __future__ import annotations

import enum
import sys
from typing import Optional

POLICIES = ("raise", "block", "drop_oldest", "conflate")

WARN_EVERY = 60.0
"""Seconds between two warnings. While nobody consumes there is only one: `latest` needs no consumer."""


class Verdict(enum.Enum):
    """What to do with a batch."""

    FITS = "fits"
    FAILS = "fails"
    DROPS = "drops"


class Pressure:
    """Owned by: whoever holds the lock of its `Delivery`. Others may read `paused_at`."""

    def __init__(self, maxsize: int, *, policy: str, block_limit: float, maxbytes: Optional[int] = None) -> None:
        self.paused_at: Optional[float] = None
        self.alarm = 0  # a take that leaves the queue shorter than this asks `eased`; 0 as long as nobody wants to know
        self._maxsize = maxsize
        self._half = (maxsize + 1) // 2
        self._maxbytes = float("inf") if maxbytes is None else maxbytes
        self._policy = policy
        self._block_limit = block_limit
        self._pressed = False
        self._watchers = 0
        self._waited_in_vain = False  # a pause went past its limit, and nobody consumed
        self._warned_at: Optional[float] = None

    def arrived(self, depth: int, now: float, *, consumed: bool, size: float = 0.0, alone: bool = False) -> Verdict:
        """A batch is here that would bring the queue to `depth` items and `size` bytes; `alone`: nothing waits before it."""
        if self._policy == "block" and (consumed or not self._waited_in_vain):
            if (depth >= self._maxsize or size >= self._maxbytes) and self.paused_at is None:
                self.paused_at = now
                self.press()
            return Verdict.FITS  # reading stops behind it: one batch above the bound
        if depth <= self._maxsize and (alone or size <= self._maxbytes):
            return Verdict.FITS
        return Verdict.FAILS if self._policy == "raise" and consumed else Verdict.DROPS

    def deadline(self) -> Optional[float]:
        """The end of the longest pause. `None` while not paused."""
        paused_at = self.paused_at
        return None if paused_at is None else paused_at + self._block_limit

    def expired(self, now: float, *, consumed: bool) -> Optional[Verdict]:
        """The pause is past its limit: what follows. `None` while it is not."""
        deadline = self.deadline()
        if deadline is None or now < deadline:
            return None
        self.paused_at = None
        if consumed:
            return Verdict.FAILS
        self._waited_in_vain = True
        return Verdict.DROPS

    def press(self) -> None:
        """Something was dropped, or reading pauses: whoever did it wants to be woken when it is over."""
        self._pressed = True
        self._set_alarm()

    def relieved(self, depth: int, size: float = 0.0) -> bool:
        """Below half: there is room for what heals, and for what was not read."""
        return depth < self._half and size * 2 < self._maxbytes

    def eased(self, depth: int, size: float = 0.0) -> bool:
        """Whether the pressure has just ended: `wake` is due."""
        if not self._pressed or not self.relieved(depth, size):
            return False
        self.end()
        return True

    def end(self) -> None:
        self._pressed = False
        self.paused_at = None
        self._set_alarm()

    def watch(self, change: int) -> None:
        """One more (+1) or one less (-1) waits for the very last item to be taken."""
        self._watchers += change
        self._set_alarm()

    def may_warn(self, depth: int, now: float, *, consumed: bool, size: float = 0.0) -> bool:
        """Whether to warn that the queue is filling up."""
        if depth * 5 < self._maxsize * 4 and size * 5 < self._maxbytes * 4:
            return False
        if self._warned_at is not None and (not consumed or now - self._warned_at < WARN_EVERY):
            return False
        self._warned_at = now
        return True

    def _set_alarm(self) -> None:
        if not self._pressed:
            self.alarm = min(self._watchers, 1)
        elif self._maxbytes == float("inf"):
            self.alarm = self._half
        else:
            self.alarm = sys.maxsize  # bytes may have room at any depth
