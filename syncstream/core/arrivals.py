"""When what waits in a queue came, and how many bytes it was: one record a batch, nothing per item. Pure.

Items are numbered in the order of the queue. The newest so far has the number `end`, so of `n` that wait the oldest is the one
after `end - n`: what was taken from the left is reckoned from the length of the queue, and a take has nothing to count.
The bytes of a batch are spread evenly over its items.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple, Optional, Sequence


class Arrival(NamedTuple):
    """One batch: the number of its last item, all bytes up to there, and when it came."""

    end: int
    size_end: float
    at: float


class Arrivals:
    """Owned by: whoever holds the lock of its `Delivery`."""

    def __init__(self) -> None:
        self.end = 0
        self.batches: deque[Arrival] = deque()  # of what waits, and perhaps of what was taken since
        self._before = Arrival(0, 0.0, 0.0)  # the batch before the first of them

    def add(self, count: int, size: float, at: float) -> None:
        """A batch of `count` items and `size` bytes came."""
        if count:
            self.end += count
            size_end = self.batches[-1].size_end if self.batches else self._before.size_end
            self.batches.append(Arrival(self.end, size_end + size, at))

    def oldest(self, waiting: int) -> Optional[float]:
        """When the oldest of `waiting` items came; `None` if none waits. What came before it is forgotten."""
        first, batches = self.end - waiting, self.batches
        while batches and batches[0].end <= first:
            self._before = batches.popleft()
        return batches[0].at if batches else None

    def taken(self, waiting: int, count: int) -> list[tuple[float, int]]:
        """For the oldest `count` of `waiting` items: (when they came, how many of them), oldest first."""
        self.oldest(waiting)
        found: list[tuple[float, int]] = []
        at, last = self.end - waiting, self.end - waiting + count
        for batch in self.batches:
            if at >= last:
                break
            upto = min(batch.end, last)
            found.append((batch.at, upto - at))
            at = upto
        return found

    def size(self, waiting: int) -> float:
        """Bytes of `waiting` items."""
        return self.batches[-1].size_end - self._size_before(waiting) if self.oldest(waiting) is not None else 0.0

    def leading(self, waiting: int, size: float) -> int:
        """How many of the oldest of `waiting` items have `size` bytes together, or all of them."""
        goal = self._size_before(waiting) + size
        first, before = self.end - waiting, self._before
        for batch in self.batches:
            if batch.size_end >= goal:
                share = (goal - before.size_end) / (batch.size_end - before.size_end)
                return min(waiting, -int(-share * (batch.end - before.end) // 1) + before.end - first)
            before = batch
        return waiting

    def keep(self, stays: Sequence[bool]) -> None:
        """Of what waits only these stay."""
        self.oldest(len(stays))
        at, count, size = 0, 0, 0.0
        start, before, kept = self.end - len(stays), self._before, deque[Arrival]()
        for batch in self.batches:
            upto = batch.end - start
            staying = sum(stays[at:upto])
            if staying:
                count += staying
                size += staying * (batch.size_end - before.size_end) / (batch.end - before.end)
                kept.append(Arrival(count, size, batch.at))
            at, before = upto, batch
        self.end, self.batches, self._before = count, kept, Arrival(0, 0.0, 0.0)

    def put_back(self, waiting: int, count: int, size: float, at: float) -> None:
        """Before `waiting` items come `count` older ones again."""
        if count:
            size_before = self._size_before(waiting)
            first = self.end - waiting
            self.batches.appendleft(Arrival(first, size_before, at))
            self._before = Arrival(first - count, size_before - size, at)

    def _size_before(self, waiting: int) -> float:
        """All bytes up to the oldest of `waiting` items."""
        if self.oldest(waiting) is None:
            return self._before.size_end
        head, before = self.batches[0], self._before
        share = (self.end - waiting - before.end) / (head.end - before.end)
        return before.size_end + share * (head.size_end - before.size_end)
