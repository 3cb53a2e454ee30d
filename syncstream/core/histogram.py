"""How long something took, over the last minute: counts in buckets, and the percentiles read from them. Pure.

A bucket is at most 1/32 of its value wide, from 1 µs to a day, so a percentile is right to about 3 %; it is the upper edge of
its bucket, never below the truth. The minute is kept in slices that are forgotten one by one: what is told covers the last 50
to 60 seconds.
"""

from __future__ import annotations

from math import frexp
from typing import NamedTuple, Sequence

SLICES = 6
SLICE = 10.0
"""Seconds."""

_PARTS = 32  # buckets for each doubling
_LEAST = -20  # 2 ** -20 s, about 1 µs
_MOST = 17  # 2 ** 17 s, more than a day
_BUCKETS = (_MOST - _LEAST) * _PARTS


class Spread(NamedTuple):
    """What was counted: how many, the greatest, and the buckets."""

    total: int
    greatest: float
    buckets: Sequence[int]

    def percentile(self, share: float) -> float:
        """The value that `share` of all (0.99: 99 %) do not exceed. 0.0 if there is none."""
        wanted = share * self.total
        reached = 0
        for index, count in enumerate(self.buckets):
            reached += count
            if count and reached >= wanted:
                return min(edge(index), self.greatest)
        return self.greatest


def bucket(seconds: float) -> int:
    """The number of the bucket that counts this value."""
    part, power = frexp(seconds)
    index = (power - 1 - _LEAST) * _PARTS + int(part * (2 * _PARTS)) - _PARTS
    return 0 if index < 0 or seconds <= 0 else index if index < _BUCKETS else _BUCKETS - 1


def edge(index: int) -> float:
    """The upper edge of a bucket."""
    power, part = divmod(index, _PARTS)
    return float(2.0 ** (power + _LEAST) * (1 + (part + 1) / _PARTS))


class Histogram:
    """Owned by: whoever holds the lock of what it measures."""

    def __init__(self) -> None:
        self._slices = [[0] * _BUCKETS for _ in range(SLICES)]
        self._greatest = [0.0] * SLICES
        self._now = 0  # the slice that counts
        self._counts = self._slices[0]
        self._until = 0.0

    def record(self, seconds: float, now: float, count: int = 1) -> None:
        """`count` of them took so long, seen at `now`."""
        if now >= self._until:
            self._turn(now)
        part, power = frexp(seconds)  # as `bucket`, without its call
        index = (power - 1 - _LEAST) * _PARTS + int(part * (2 * _PARTS)) - _PARTS
        if index < 0 or seconds <= 0:
            index = 0
        elif index >= _BUCKETS:
            index = _BUCKETS - 1
        self._counts[index] += count
        if seconds > self._greatest[self._now]:
            self._greatest[self._now] = seconds

    def spread(self, now: float) -> Spread:
        """What the last minute counted."""
        if now >= self._until:
            self._turn(now)
        buckets = [sum(counts) for counts in zip(*self._slices)]
        return Spread(sum(buckets), max(self._greatest), buckets)

    def _turn(self, now: float) -> None:
        """Forget what is a minute old. After a long silence that is everything."""
        ended = 1 if now < self._until + SLICE else int(min(SLICES, (now - self._until) // SLICE + 1))
        for _ in range(ended):
            self._now = (self._now + 1) % SLICES
            self._slices[self._now] = [0] * _BUCKETS
            self._greatest[self._now] = 0.0
        self._counts = self._slices[self._now]
        self._until = self._until + ended * SLICE if ended < SLICES else now + SLICE
