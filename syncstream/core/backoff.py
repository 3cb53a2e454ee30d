"""How long to wait before the next attempt. A frozen policy; the count of attempts is the caller's. Pure.

Exponential with full jitter: a uniform choice between nothing and the ceiling spreads a crowd of clients best. The exponent
is clamped, so that the thousandth attempt is as harmless as the tenth.
"""

from __future__ import annotations

from typing import Optional

from ..errors import FeedError, Severity
from .options import Options, check_count, check_seconds

_LARGEST_EXPONENT = 60


class Backoff(Options, frozen=True, kw_only=True):
    """Wait up to `base * 2**attempt` seconds, never more than `maximum`.

    A line has proved itself once it carried data for `stable_after` seconds; only then the attempts count from zero again.
    `max_attempts` failures in a row, or an attempt that would come more than `max_elapsed` seconds after a line last carried
    data, end the stream with `ConnectFailed`; `None`: it goes on for ever.
    """

    base: float = 1.0
    maximum: float = 30.0
    stable_after: float = 10.0
    max_attempts: Optional[int] = None
    max_elapsed: Optional[float] = None

    def __post_init__(self) -> None:
        for field in ("base", "maximum", "stable_after"):
            value = getattr(self, field)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < float("inf"):
                raise FeedError(field, value, "a back-off needs a finite number of seconds, zero or more")
        if self.maximum < self.base:
            raise FeedError("maximum", self.maximum, f"is below base={self.base!r}")
        if self.max_attempts is not None:
            check_count("max_attempts", self.max_attempts)
        if self.max_elapsed is not None:
            check_seconds("max_elapsed", self.max_elapsed)

    def over(self, failures: int, elapsed: float) -> str:
        """Why there is no further attempt after so many failures in a row, so long after it was good; or nothing."""
        if self.max_attempts is not None and failures >= self.max_attempts:
            return f"max_attempts={self.max_attempts} are used up"
        if self.max_elapsed is not None and elapsed > self.max_elapsed:
            return f"max_elapsed={self.max_elapsed:g} s are over"
        return ""

    def ceiling(self, attempt: int) -> float:
        """The longest wait before attempt number `attempt` (0: the first retry)."""
        return min(self.maximum, self.base * 2.0 ** min(attempt, _LARGEST_EXPONENT))

    def delay(
        self, attempt: int, chance: float, *, severity: Severity = Severity.RETRY, retry_after: Optional[float] = None
    ) -> float:
        """Seconds to wait; `chance` is uniform in [0, 1). What the venue asked for is the least, jitter comes on top."""
        wait = chance * self.ceiling(attempt) if severity is Severity.RETRY else self.maximum * (0.5 + 0.5 * chance)
        return wait if retry_after is None else retry_after + wait
