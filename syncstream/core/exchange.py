"""How long messages travel from the exchange, by its own clock: what one clock here and one there can tell. Pure.

A message that was sent at `s` by the venue's clock and came at `r` by ours shows `r - s`: its journey and the difference of the
two clocks, in one number. Only the sum is known. The fastest of the last few thousand batches is taken for a journey of no time:
its `r - s` is the estimated offset (what our clock is ahead of the venue's, plus the shortest journey there is), and every other
message took as much longer as it shows more. So queues, bursts and stalls between the exchange and here are seen to the
microsecond, whatever the clocks say; the constant part of the way is not.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple, Optional

KEPT = 4096
"""Batches. The clocks drift apart; what is older says nothing about now."""


class Delays(NamedTuple):
    """Seconds beyond the fastest, sorted; and the offset, seconds."""

    offset: float
    sorted: list[float]

    def percentile(self, share: float) -> float:
        """The value that `share` of all (0.99: 99 %) do not exceed."""
        return self.sorted[max(0, -int(-share * len(self.sorted) // 1) - 1)]


class Journeys:
    """Owned by: the reader thread. Others may call: delays()."""

    def __init__(self) -> None:
        self._seen: deque[int] = deque(maxlen=KEPT)

    def came(self, sent_ns: int, received_ns: int) -> None:
        """The first message of a batch: the one that has waited longest."""
        self._seen.append(received_ns - sent_ns)

    def delays(self) -> Optional[Delays]:
        """`None` as long as nothing came that told when it was sent."""
        seen = sorted(self._seen.copy())
        if not seen:
            return None
        return Delays(seen[0] / 1e9, [(one - seen[0]) / 1e9 for one in seen])
