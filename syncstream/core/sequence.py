"""How a venue's numbers count: `Contiguous`, `Chained`, `Increasing`. Frozen rules; each judges a message by a position. Pure.

A rule reads two numbers from a message, `first` and `last` (equal where a message has one number), and says what the message
is for a counter that stands at `position`:

    NEXT        goes on exactly there (or may, where the rule cannot know better)
    DUPLICATE   says nothing new
    HOLE        something before it is missing

`splice` asks the same of the first message after a snapshot, where overlapping it is always legal.

Which message is the first to apply after a snapshot at `L`, and which are dropped as part of it. Where the first one does not
apply, and is not dropped either, the snapshot is too old and is asked for again; where all are dropped, the next one has to.

    sequence= (or splice=)            dropped     the first to apply      venues
    Contiguous("U", "u")              u <= L      U <= L + 1 <= u         Binance spot, Gate: usually U == L + 1
    Contiguous("U", "u", overlap=True) u <= L      U <= L + 1 <= u         KuCoin, where later ones may overlap, too
    Contiguous("n")                   n <= L      n == L + 1              AscendEX, Bybit, Kraken Futures
    Chained("pu", "u")                u <= L      pu <= L < u             Binance futures; one with u == L is in the
                                                                          snapshot, and the next has pu == L
    Chained("prev", "seq")            seq <= L    prev == L, any seq      OKX (keepalives, restarts), Deribit, HTX
    Increasing("at")                  at <= L     at > L                  Bitstamp, by time: what is missing is not seen

`Contiguous` and `Chained` take two modifiers, for messages that do not count as the others do:

    idle        a path or predicate: the message only says where the counter stands (a heartbeat with the last number). A hole
                before it is seen; it is nothing new itself, so no duplicate, no restart, and it is not delivered
    reset       a predicate: the venue starts its numbers anew here by right. There is no gap, whatever the number is; what
                was lost just before it cannot be seen. After a reconnect, or right after a snapshot, it proves nothing
"""

from __future__ import annotations

import enum
from typing import Any, Callable, Optional, Union

from ..errors import FeedError
from .options import Options
from .paths import Path

Predicate = Callable[[Any], Any]


class Verdict(enum.Enum):
    """What a message is for its counter."""

    NEXT = "next"
    DUPLICATE = "duplicate"
    HOLE = "hole"


NEXT, DUPLICATE, HOLE = Verdict.NEXT, Verdict.DUPLICATE, Verdict.HOLE


class Contiguous(Options, frozen=True, repr_omit_defaults=True):
    """Every number comes, one after the other. A message covers `first`..`last`, or one number if only `first` is given.

    `first`, `last`: a field name, a dotted path or a callable, message → `int`. With `overlap` a message may begin before the
    position as long as it ends after it (KuCoin). `start`: the number that every counter begins with on a new connection, if
    the venue says so: a later one shows a hole. What was missed between two connections cannot be seen then, and is told.
    `idle`, `reset`: see above.
    """

    first: Path
    last: Optional[Path] = None
    overlap: bool = False
    start: Optional[int] = None
    idle: Optional[Path] = None
    reset: Optional[Predicate] = None

    def __post_init__(self) -> None:
        _check_path("first", self.first)
        if self.last is not None:
            _check_path("last", self.last)
        _check_modifiers(self.idle, self.reset)
        if self.start is not None and (isinstance(self.start, bool) or not isinstance(self.start, int)):
            raise FeedError("start", self.start, "the first number of a counter is an int")

    @property
    def detects(self) -> bool:
        """Whether a hole can be seen at all."""
        return True

    @property
    def ordered(self) -> bool:
        """Whether of two numbers one is the later: without that neither what is old nor a restart can be told."""
        return True

    @property
    def ahead(self) -> int:
        """How far beyond the position the first number of a plain next message stands."""
        return 1

    def judge(self, position: Any, first: Any, last: Any) -> Verdict:
        if first == position + 1 and last >= first:
            return NEXT
        if last <= position:
            return DUPLICATE
        if first <= position and self.overlap:
            return NEXT
        return HOLE

    def splice(self, position: Any, first: Any, last: Any) -> Verdict:
        if last <= position:
            return DUPLICATE
        return NEXT if first <= position + 1 else HOLE

    def missing(self, position: Any, first: Any) -> Optional[int]:
        """How many positions the hole has; `None` where that cannot be said."""
        count = first - position - 1
        return int(count) if count > 0 else None


class Chained(Options, frozen=True, repr_omit_defaults=True):
    """Each message names the one before it; the numbers themselves may skip. Binance futures (`pu`, `u`), OKX, Deribit.

    `previous`, `current`: a field name, a dotted path or a callable, message → number. A message goes on where its `previous` is
    the position, whatever its `current` is: the same for one that only shows life, a lower one where the venue starts its numbers
    anew in the chain (OKX does both). After a snapshot the first to apply is the one whose link spans the position, or begins
    there: `previous <= position < current`. With `ordered=False` they are names, of which only equality says something (event
    ids of Bitstamp): whatever does not go on from the position and is not there already is a hole, and a snapshot cannot be
    joined by them. `idle`, `reset`: see above.
    """

    previous: Path
    current: Path
    ordered: bool = True
    idle: Optional[Path] = None
    reset: Optional[Predicate] = None

    def __post_init__(self) -> None:
        _check_path("previous", self.previous)
        _check_path("current", self.current)
        _check_modifiers(self.idle, self.reset)
        if not isinstance(self.ordered, bool):
            raise FeedError("ordered", self.ordered, "expected True or False")

    @property
    def first(self) -> Path:
        return self.previous

    @property
    def last(self) -> Optional[Path]:
        return self.current

    @property
    def start(self) -> Optional[int]:
        return None

    @property
    def detects(self) -> bool:
        return True

    @property
    def ahead(self) -> int:
        return 0

    def judge(self, position: Any, first: Any, last: Any) -> Verdict:
        if first == position:
            return NEXT
        return DUPLICATE if last == position or (self.ordered and last < position) else HOLE

    def splice(self, position: Any, first: Any, last: Any) -> Verdict:
        verdict = self.judge(position, first, last)
        return NEXT if verdict is HOLE and first <= position else verdict

    def missing(self, position: Any, first: Any) -> Optional[int]:
        return None


class Increasing(Options, frozen=True):
    """Numbers only grow; some are skipped by right, so loss cannot be seen. `position`: a name, a path or a callable."""

    position: Path

    def __post_init__(self) -> None:
        _check_path("position", self.position)

    @property
    def idle(self) -> None:
        return None

    @property
    def reset(self) -> None:
        return None

    @property
    def ordered(self) -> bool:
        return True

    @property
    def first(self) -> Path:
        return self.position

    @property
    def last(self) -> Optional[Path]:
        return None

    @property
    def start(self) -> Optional[int]:
        return None

    @property
    def detects(self) -> bool:
        return False

    @property
    def ahead(self) -> int:
        return 1

    def judge(self, position: Any, first: Any, last: Any) -> Verdict:
        return NEXT if last > position else DUPLICATE

    def splice(self, position: Any, first: Any, last: Any) -> Verdict:
        return self.judge(position, first, last)

    def missing(self, position: Any, first: Any) -> Optional[int]:
        return None


Rule = Union[Contiguous, Chained, Increasing]


def _check_modifiers(idle: object, reset: object) -> None:
    if idle is not None:
        _check_path("idle", idle)
    if reset is not None and not callable(reset):
        raise FeedError("reset", reset, "expected a callable: message -> whether the numbers start anew there")


def _check_path(field: str, path: object) -> None:
    if not callable(path) and not (isinstance(path, str) and all(path.split("."))):
        raise FeedError(field, path, "expected a field name, a dotted path such as 'data.u', or a callable")
