"""How long something took, over the last minute: counts in buckets, and the percentiles read from them. Pure.

A bucket is what the upper half of a 32-bit float tells: sign, exponent, and seven bits of the value. It is at most 1/128 of its
value wide, over all magnitudes, and a batch of values is put into buckets by C code alone. A percentile is the upper edge of its
bucket, never below the truth. The minute is kept in slices that are forgotten one by one: what is told covers the last 50 to 60
seconds.

`fresh` is public for the one place that cannot afford a call per value (`Delivery.get`): what is appended there counts at the
next `fold`, which whoever owns the histogram calls often enough; `spread` does too.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections import Counter
from typing import Mapping, NamedTuple

SLICES = 6
SLICE = 10.0
"""Seconds."""

FRESH = 64
"""Values that may wait for a `fold`: more of them at once are hardly cheaper, and hold up who folds them."""

_UPPER = 1 if sys.byteorder == "little" else 0  # which half of a float is the upper one
_NEGATIVE = 0x8000


class Spread(NamedTuple):
    """What was counted: how many, and how many in each bucket."""

    total: int
    buckets: Mapping[int, int]

    def percentile(self, share: float) -> float:
        """The value that `share` of all (0.99: 99 %) do not exceed; 1.0: the greatest. 0.0 if there is none."""
        wanted = share * self.total
        reached = 0
        for number in sorted(self.buckets):
            reached += self.buckets[number]
            if reached >= wanted:
                return edge(number)
        return 0.0


def bucket(seconds: float) -> int:
    """The number of the bucket that counts this value; a negative one counts as 0."""
    number: int = struct.unpack("=HH", struct.pack("=f", seconds))[_UPPER]
    return number if number < _NEGATIVE else 0


def edge(number: int) -> float:
    """The upper edge of a bucket."""
    value: float = struct.unpack("=f", struct.pack("=I", (number + 1) << 16))[0]
    return value


class Histogram:
    """Owned by: whoever holds the lock of what it measures."""

    def __init__(self) -> None:
        self.fresh = array("f")  # always this object
        self._slices: list[Counter[int]] = [Counter() for _ in range(SLICES)]
        self._now = 0  # the slice that counts
        self._until = 0.0  # when it is over

    def record(self, seconds: float, now: float, count: int = 1) -> None:
        """`count` of them took so long, seen at `now`. Less than 0: so many were counted in vain."""
        if now >= self._until:
            self._turn(now)
        self._slices[self._now][bucket(seconds)] += count

    def fold(self, now: float) -> None:
        """Put what is fresh into buckets."""
        if now >= self._until:
            self._turn(now)
        if self.fresh:
            data = self.fresh.tobytes()  # a copy: a signal handler may add some meanwhile
            with memoryview(data).cast("H") as halves:
                self._slices[self._now].update(halves[_UPPER::2].tolist())  # a list: C code counts it
            del self.fresh[: len(data) // self.fresh.itemsize]

    def spread(self, now: float) -> Spread:
        """What the last minute counted."""
        self.fold(now)
        buckets: Counter[int] = Counter()
        for counts in self._slices:
            buckets.update(counts)
        for number in [number for number in buckets if number >= _NEGATIVE]:  # what is below nothing counts as that
            buckets[0] += buckets.pop(number)
        buckets = +buckets  # what was counted in vain may be forgotten later than that it was counted
        return Spread(sum(buckets.values()), buckets)

    def _turn(self, now: float) -> None:
        """Forget what is a minute old. After a long silence that is everything."""
        ended = int(min(SLICES, (now - self._until) // SLICE + 1))
        for _ in range(ended):
            self._now = (self._now + 1) % SLICES
            self._slices[self._now] = Counter()
        self._until = self._until + ended * SLICE if ended < SLICES else now + SLICE
