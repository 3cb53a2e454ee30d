"""The script that opens a connection: send, expect, the next step; all before the first subscription. Pure.

Rules
* A step sends what it has to, then waits for the message it expects, `within` seconds from when it began. A step that expects
  nothing is over at once.
* `expect` and `fail` look at each message that comes while their step waits; what neither takes is handled like any other. One
  that raises because the message has no such place (`paths.MISSING`) does not take it.
* While we ourselves do not read no deadline runs against the venue.
"""

from __future__ import annotations

from typing import Any, Callable, NamedTuple, Optional, Sequence, Union

from ..errors import FeedError, Severity
from .actions import Payload
from .options import Options, check_seconds, shape
from .paths import MISSING


class Step(Options, frozen=True, kw_only=True):
    """One step of `Feed.opening`.

    `send`: a payload, a tuple of several, or a callable without arguments that returns them, asked at every attempt off the
    reader. `expect`: message → whether it is the one this step waits for. `fail`: message → `None` or `False`: no; `True` or a
    text that says why: refused, FATAL (so final before the stream was ever live, slow after); or a `Severity`. Both are pure and
    run on the reader. `within`: seconds for the answer; after that the attempt has failed and is made again.
    """

    send: Any = None
    expect: Optional[Callable[[Any], Any]] = None
    fail: Optional[Callable[[Any], Any]] = None
    within: float = 10.0

    def __post_init__(self) -> None:
        for field in ("expect", "fail"):
            value: object = getattr(self, field)
            if value is not None and not callable(value):
                raise FeedError(field, type(value).__name__, "expected a callable: message -> what is to be made of it")
        if self.expect is None and self.fail is not None:
            raise FeedError("fail", "a callable", "a step that expects nothing is over at once and cannot fail; give expect=")
        if self.expect is None and self.send is None:
            raise FeedError("expect", None, "a step sends something, expects something, or both")
        check_seconds("within", self.within)

    def __repr__(self) -> str:
        return f"Step({', '.join(f'{name}={value}' for name, value in self.__rich_repr__())})"

    def __rich_repr__(self) -> list[tuple[str, str]]:  # else rich shows every field of a Struct
        shown = [(name, shape(getattr(self, name))) for name in ("send", "expect", "fail") if getattr(self, name) is not None]
        return [*shown, ("within", f"{self.within:g}")]


class Refusal(NamedTuple):
    """The venue does not let us in."""

    severity: Severity
    reason: str


class Opening:
    """Owned by: the engine, one per connection."""

    def __init__(self, steps: Sequence[Step], said: Sequence[Sequence[Payload]]) -> None:
        self._steps = steps
        self._said = said
        self._at = -1
        self.until: Optional[float] = None  # when the step that waits has waited enough

    @property
    def done(self) -> bool:
        return self._at >= len(self._steps)

    def advance(self, now: float) -> list[Payload]:
        """The next step begins; returns all that is to be sent before one has to wait."""
        payloads: list[Payload] = []
        self.until = None
        for at in range(self._at + 1, len(self._steps)):
            self._at = at
            payloads += self._said[at] if at < len(self._said) else ()
            if self._steps[at].expect is not None:
                self.until = now + self._steps[at].within
                return payloads
        self._at = len(self._steps)
        return payloads

    def judge(self, message: Any) -> Union[bool, Refusal, None]:
        """`True`: this is the message the step waits for; a `Refusal`; or `None`: it is not the step's business.

        Raises what the user's callables raise, but for a message that has no such place.
        """
        step = self._steps[self._at]
        if step.fail is not None:
            try:
                verdict = step.fail(message)
            except MISSING:
                verdict = None
            if verdict is not None and verdict is not False:
                return self._refusal(verdict)
        assert step.expect is not None  # only such a step waits
        try:
            return True if step.expect(message) else None
        except MISSING:
            return None

    def overdue(self) -> str:
        """What to say when the deadline has passed."""
        return f"opening: step {self._at + 1} of {len(self._steps)} got no answer within {self._steps[self._at].within:g} s"

    def resume(self, now: float) -> None:
        """We read again: the step that waits has its whole time anew."""
        if self.until is not None:
            self.until = now + self._steps[self._at].within

    def _refusal(self, verdict: Any) -> Refusal:
        place = f"opening: step {self._at + 1} of {len(self._steps)} was refused"
        if isinstance(verdict, Severity):
            return Refusal(verdict, place)
        return Refusal(Severity.FATAL, place if verdict is True else f"{place}: {verdict}")
