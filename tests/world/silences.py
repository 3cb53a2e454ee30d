"""How long each key was silent, and whether that is told: what `Config.quiet_after` asks for. Pure.

Check: `quiet`. A silence is told after its limit, twice that if it goes on, and so on; a key is looked at four times within
its limit, so it may be a quarter late, but no more, unless the look itself is late. Nothing is told while nobody listens: no
line is live, the venue pauses, or we do not read.
"""

from __future__ import annotations

from typing import Iterable, Optional

from .lines import LineWatch
from .violation import require
from .wire import DATA, NAMES, Piece

_LATE = 1.3  # a quarter, and what is not exact
_NOTICED = 2.1  # a key whose first message ends its connection is known with the next bytes: the answer to a ping


class Silences:
    """Owned by: its world."""

    def __init__(self, limit: Optional[float], reorder: float) -> None:
        self.limit = limit
        self.slack = _NOTICED + reorder
        self.spoke_at: dict[str, float] = {}  # when something of a key was delivered
        self.stirred_at: dict[str, float] = {}  # when it came, or was told, whether that counts or not
        self.jumped_at = 0.0  # when looks were late
        self.told: dict[str, tuple[float, float]] = {}  # how long a silence is told next, and when one was told last
        self.told_late: set[str] = set()  # those that were told by a late look: the next moment may be near

    def came(self, pieces: list[Piece], now: float) -> None:
        """These were read."""
        if self.limit is not None:
            for piece in pieces:
                if piece.proves == DATA:
                    at = piece.data.index(NAMES) + len(NAMES)
                    self.stirred_at[chr(piece.data[at])] = now

    def delivered(self, key: str, now: float, *, counts: bool) -> None:
        """An item of this key; `counts`: it is a message or a state."""
        self.stirred_at[key] = now
        if counts:
            self.spoke_at[key] = now
            self.told.pop(key, None)

    def forget(self, key: str) -> None:
        """It is not wanted any more."""
        for kept in (self.spoke_at, self.stirred_at, self.told):
            kept.pop(key, None)

    def stale(self, key: str, watches: Iterable[LineWatch], now: float) -> None:
        """A silence is told."""
        assert self.limit is not None
        since = max(self.spoke_at.get(key, 0.0), self._listening(watches))
        following, last = self.told.get(key, (self.limit, float("-inf")))
        limit = self.limit * (1 - 1e-6)
        require(now >= since + limit, "quiet", f"{key} is told to be silent {now - since} s after it was not")
        apart = now >= last + 0.7 * limit or key in self.told_late
        require(apart, "quiet", f"{key} is told to be silent once more {now - last} s after that")
        following *= 2
        while following <= now - since:  # the look was late: it is told once, for all the times that it was missed
            following *= 2
        self.told[key] = (following, now)
        (self.told_late.add if self.jumped_at == now else self.told_late.discard)(key)

    def check(self, watches: list[LineWatch], now: float) -> None:
        """No key that has spoken is silent for too long and nothing said."""
        if self.limit is None or not any(watch.listens for watch in watches):
            return
        listening = self._listening(watches)
        for key in self.spoke_at:
            following, last = self.told.get(key, (self.limit, 0.0))
            since = max(self.stirred_at[key], listening, last, self.jumped_at)
            late = since + _LATE * following + self.slack
            require(now < late, "quiet", f"{key} is silent since {since}, which was to be told after {following} s")

    @staticmethod
    def _listening(watches: Iterable[LineWatch]) -> float:
        """Since when anybody listens: silence counts anew from each time that a line begins to."""
        return max(max(watch.live_at, watch.resumed_at, watch.missed_at or 0.0) for watch in watches)
