"""Follows one counter: next, duplicate, hole, restart, and the reorder window. Pure.

Rules
* A counter knows only what messages have shown; snapshots never move it. (They move a key: see `sync`.)
* Duplicates are dropped, but numbers that *keep* going backwards mean that the venue started to count anew: more than
  `restart_after` of them without an advance; at least three that have gone on for two seconds (a slow market); or at least
  three that began in the lower half of what was counted, when an advance follows: what was missed meanwhile looked old.
* With a reorder window a message beyond a hole waits for the missing ones, at most that long; without a hole nothing waits.
  Each has the whole window: a hole that was filled does not shorten the next one's.
* A message that only says where the counter stands (`idle`) moves it over a hole, and else not.
* With two lines the slower one is not a restart: backward is measured against what the same line showed before.
"""

from __future__ import annotations

import enum
from types import MappingProxyType
from typing import Any, Hashable, NamedTuple, Optional

from .sequence import Rule, Verdict

# What nearly every counter has none of. They cannot be changed; what is to be put there needs a place of its own.
_NONE: Any = MappingProxyType({})
_NOTHING: Any = ()

RESTART_WINDOW = 2.0
RESTART_LEAST = 3


class Outcome(enum.Enum):
    """What became of a message on its counter."""

    NEXT = "next"
    DUPLICATE = "duplicate"
    HOLE = "hole"
    RESTART = "restart"
    EARLY = "early"  # put aside: the reorder window is open


_OUTCOMES = {Verdict.NEXT: Outcome.NEXT, Verdict.HOLE: Outcome.HOLE}  # a duplicate is looked into


def countable(*numbers: Any, ordered: bool = True) -> None:
    """Raise `TypeError` unless one can count with them. Not `ordered`: unless they are texts, or numbers."""
    for number in numbers:
        if not ordered and isinstance(number, str):
            continue
        if isinstance(number, bool) or not isinstance(number, (int, float)):
            raise TypeError(f"{number!r} is not a number to count with")


class Held(NamedTuple):
    """A message that waits for a snapshot, with its numbers in the key's numbering (`None` where there are none).

    `size`: its bytes as they came, inflated.
    """

    message: Any
    first: Any
    last: Any
    size: int = 0


class Numbered(NamedTuple):
    """A message with its numbers on the counter. `held` is `None` for what is counted but not data.

    `idle`: it only says that the counter stands at `last`; `first` is what would be next. `reset`: it begins the numbers anew.
    """

    first: Any
    last: Any
    key: Hashable
    held: Optional[Held]
    line: int
    idle: bool = False
    reset: bool = False


class Counter:
    """Owned by: the engine. `position` is the last number shown, `keys` what has been seen on this counter."""

    __slots__ = (
        "early",
        "early_until",
        "keys",
        "name",
        "position",
        "rule",
        "run",
        "run_at",
        "run_began",
        "run_from",
        "shown",
        "unproven",
    )

    def __init__(self, name: Hashable, rule: Rule) -> None:
        self.name = name
        self.rule = rule
        self.position: Any = None
        self.keys: dict[Hashable, None] = _NONE  # a set that keeps its order, so that what is told does
        self.shown: dict[int, Any] = _NONE
        self.unproven = False  # the line was lost; the next message shows whether its keys are complete
        self.run = 0
        self.run_at = 0.0
        self.run_from: Any = None
        self.run_began: Any = None
        self.early: list[tuple[float, Numbered]] = _NOTHING  # until when each one waits; as they came
        self.early_until: Optional[float] = None

    def see(self, key: Hashable) -> None:
        """A message of this key is counted here."""
        if not self.keys:
            self.keys = {}
        self.keys[key] = None

    def judge(self, item: Numbered, now: float, *, restart_after: int, reorder: float = 0.0, lines: int = 1) -> Outcome:
        """Say what `item` is, and move on. Raises `TypeError` for a number that cannot be counted with; nothing moved then."""
        first, last = item.first, item.last
        countable(first, last, ordered=self.rule.ordered)
        if self.position is None:
            return self._begin(first, last, item.line, lines)
        if item.reset and lines == 1 and last != self.position:  # of two lines the slower one tells it again
            self._restart(last, item.line, lines)
            return Outcome.NEXT
        verdict = self.rule.judge(self.position, first, last)
        if item.idle and verdict is not Verdict.HOLE:
            return Outcome.NEXT  # and nothing has moved
        if verdict is Verdict.DUPLICATE:
            return self._backward(item, now, restart_after, lines)
        if self._began_anew() and not item.idle:
            self._restart(last, item.line, lines)
            return Outcome.RESTART
        if verdict is Verdict.HOLE and reorder > 0:
            if not self.early:
                self.early = []
            self.early.append((now + reorder, item))
            self.early_until = self.early[0][0]
            return Outcome.EARLY
        self._move(last, item.line, lines)
        return _OUTCOMES[verdict]

    def ready(self) -> Optional[Numbered]:
        """Take the one of the early messages that goes on now, if there is one."""
        for index, (_, item) in enumerate(self.early):
            verdict = self.rule.judge(self.position, item.first, item.last)
            if verdict is not Verdict.HOLE:
                del self.early[index]
                self.early_until = self.early[0][0] if self.early else None
                return item
        return None

    def expire(self) -> list[Numbered]:
        """The window is over: all early messages, by position, to be judged without one."""
        late = sorted((item for _, item in self.early), key=lambda item: (item.first, item.last))
        self.early = _NOTHING
        self.early_until = None
        return late

    def forget(self) -> None:
        """Start anew: whatever number comes next is the first."""
        self.position = None
        self.shown = _NONE
        self.run = 0
        self.early = _NOTHING
        self.early_until = None

    def stand(self, last: Any, line: int, lines: int) -> int:
        """Whatever was counted, it stands at `last` now; `line` has shown that. What waits beyond that goes on to wait.

        Returns how many early messages are covered by it. Where it goes back the numbers have started anew, and all are.
        """
        early = self.early
        onward = self.position is not None and self.rule.ordered and last >= self.position
        self.forget()
        self._move(last, line, lines)
        if onward:
            self.early = [each for each in early if self.rule.splice(last, each[1].first, each[1].last) is not Verdict.DUPLICATE]
            self.early_until = self.early[0][0] if self.early else None
        return len(early) - len(self.early)

    def _begin(self, first: Any, last: Any, line: int, lines: int) -> Outcome:
        self._move(last, line, lines)
        start = self.rule.start
        return Outcome.HOLE if start is not None and first > start else Outcome.NEXT

    def _move(self, last: Any, line: int, lines: int) -> None:
        self.position = last
        if lines > 1:
            self.shown = {**self.shown, line: last}

    def _backward(self, item: Numbered, now: float, restart_after: int, lines: int) -> Outcome:
        last = item.last
        reference = self.shown.get(item.line, last) if lines > 1 else self.position
        if lines > 1:
            self.shown = {**self.shown, item.line: max(last, reference)}
        if last >= reference:
            return Outcome.DUPLICATE
        if self.run == 0 or self.run_from != self.position:
            self.run, self.run_at, self.run_from, self.run_began = 0, now, self.position, item.first
        self.run += 1
        lasting = self.run >= RESTART_LEAST and now - self.run_at >= RESTART_WINDOW
        if self.run <= restart_after and not lasting:
            return Outcome.DUPLICATE
        self._restart(last, item.line, lines)
        return Outcome.RESTART

    def _began_anew(self) -> bool:
        """Whether the numbers that went backwards look like a new beginning, not like a piece of the past told again.

        Of two lines, the slower one goes backwards by right.
        """
        return (
            self.run >= RESTART_LEAST
            and self.run_from == self.position
            and 2 * self.run_began <= self.position
            and not self.shown
        )

    def _restart(self, last: Any, line: int, lines: int) -> None:
        self.forget()
        self._move(last, line, lines)
