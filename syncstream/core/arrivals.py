"""When what waits in a queue came, and how many bytes each of it was: one record a batch, a take has nothing to count. Pure.

Items are numbered in the order of the queue. The newest so far has the number `end`, so of `n` that wait the oldest is the one
after `end - n`: what was taken from the left is reckoned from the length of the queue.
Bytes are optional: a batch without sizes has none. Its sizes are a list, given once and only read after that.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from itertools import accumulate, compress, islice
from typing import Optional, Sequence

import msgspec


class Arrival(msgspec.Struct, frozen=True, gc=False):
    """One batch: the number of its last item, all bytes up to there, when it came, and the bytes of each item, if it has any."""

    end: int
    size_end: int
    at: float
    sizes: Sequence[int] = ()


class Arrivals:
    """Owned by: whoever holds the lock of its `Delivery`."""

    def __init__(self) -> None:
        self.end = 0
        self.batches: deque[Arrival] = deque()  # of what waits, and perhaps of what was taken since
        self._before = Arrival(0, 0, 0.0)  # the batch before the first of them
        self._summed: tuple[Sequence[int], list[int]] = ((), [])  # the sizes of one batch, and their sums from its first item on

    def add(self, count: int, at: float, sizes: Optional[Sequence[int]] = None) -> None:
        """A batch of `count` items came. `sizes`: the bytes of each; `None`: none."""
        if count:
            self.end += count
            size_end = self.batches[-1].size_end if self.batches else self._before.size_end
            self.batches.append(Arrival(self.end, size_end + sum(sizes), at, sizes) if sizes else Arrival(self.end, size_end, at))

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
        for batch in self._first(count):  # none is empty
            if at >= last:
                break
            upto = min(batch.end, last)
            found.append((batch.at, upto - at))
            at = upto
        return found

    def _first(self, count: int) -> tuple[Arrival, ...]:
        try:
            return tuple(islice(self.batches, count))
        except RuntimeError:  # a signal handler has taken some meanwhile
            return tuple(self.batches)

    def size(self, waiting: int) -> int:
        """Bytes of `waiting` items."""
        return self.batches[-1].size_end - self._size_before(waiting) if self.oldest(waiting) is not None else 0

    def most(self, waiting: int) -> int:
        """Bytes of `waiting` items and of those of the oldest batch that were taken: what needs no counting."""
        return 0 if self.oldest(waiting) is None else self.batches[-1].size_end - self._before.size_end

    def sizes(self, waiting: int, count: int) -> list[int]:
        """The bytes of each of the oldest `count` of `waiting` items."""
        self.oldest(waiting)
        found: list[int] = []
        start, at = self._before.end, self.end - waiting
        for batch in self.batches:
            if len(found) >= count:
                break
            found += batch.sizes[at - start :] if batch.sizes else [0] * (batch.end - at)
            start = at = batch.end
        return found[:count]

    def leading(self, waiting: int, size: float) -> int:
        """How many of the oldest of `waiting` items have `size` bytes together, or all of them."""
        goal = self._size_before(waiting) + size
        first, before = self.end - waiting, self._before
        for batch in self.batches:
            if batch.size_end >= goal:
                within = bisect_left(self._sums(batch), goal - before.size_end) + 1 if goal > before.size_end else 0
                return max(0, before.end + within - first)
            before = batch
        return waiting

    def keep(self, stays: Sequence[bool]) -> None:
        """Of what waits only these stay."""
        waiting = len(stays)
        self.oldest(waiting)
        at, count, size = 0, 0, 0
        start, kept = self.end - waiting, deque[Arrival]()
        for batch in self.batches:
            upto = batch.end - start
            staying = stays[at:upto]
            if any(staying):
                sizes = list(compress(batch.sizes[-len(staying) :], staying))  # of the first batch some may have been taken
                count += sum(staying)
                size += sum(sizes)
                kept.append(Arrival(count, size, batch.at, sizes))
            at = upto
        self.end, self.batches, self._before = count, kept, Arrival(0, 0, 0.0)

    def put_back(self, waiting: int, count: int, at: float, sizes: Optional[Sequence[int]] = None) -> None:
        """Before `waiting` items come `count` older ones again."""
        size_before = self._size_before(waiting)
        first = self.end - waiting
        if self.batches:  # what was taken of the first is no part of it any more
            head = self.batches[0]
            self.batches[0] = msgspec.structs.replace(head, sizes=head.sizes[first - self._before.end :])
        self.batches.appendleft(Arrival(first, size_before, at, sizes or ()))
        self._before = Arrival(first - count, size_before - sum(sizes or ()), at)

    def _size_before(self, waiting: int) -> int:
        """All bytes up to the oldest of `waiting` items."""
        self.oldest(waiting)
        taken = self.end - waiting - self._before.end
        if not taken or not self.batches[0].sizes:
            return self._before.size_end
        return self._before.size_end + self._sums(self.batches[0])[taken - 1]

    def _sums(self, batch: Arrival) -> list[int]:
        if self._summed[0] is not batch.sizes:
            self._summed = (batch.sizes, list(accumulate(batch.sizes)))
        return self._summed[1]
