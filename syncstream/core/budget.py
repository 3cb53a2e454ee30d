"""How often something may be done: so many times within so many seconds, whichever seconds one looks at. Pure.

A sliding window and not a bucket of tokens: a full bucket and what flows in meanwhile let nearly twice `count` through within one
`per`, and venues count what they have seen in the last seconds.
"""

from __future__ import annotations

from collections import deque

from .options import Options, check_count, check_seconds


class Budget(Options, frozen=True, kw_only=True):
    """At most `count` times within any `per` seconds."""

    count: int
    per: float

    def __post_init__(self) -> None:
        check_count("count", self.count)
        check_seconds("per", self.per)


class Ledger:
    """Owned by: whoever asks it. The last `count` moments at which something was done."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self._spent: deque[float] = deque(maxlen=budget.count)

    def take(self, now: float) -> bool:
        """Whether it may be done now; then it counts as done."""
        if self.room_at() > now:
            return False
        self._spent.append(now)
        return True

    def spend(self, now: float) -> None:
        """It is done now, whether there is room for it or not."""
        self._spent.append(now)

    def room_at(self) -> float:
        """Since when, or from when on, there is room; minus infinity if it was never full."""
        if len(self._spent) < self.budget.count:
            return float("-inf")
        return self._spent[0] + self.budget.per
