"""One key's state: what has been delivered, what is held, and how a snapshot is joined to what is held. Pure.

Rules
* A key is LIVE only while it is known to be complete. Everything that casts doubt moves it away, one thing brings it back.
* A snapshot that reaches what is held is applied *up to the next hole*; then the key syncs again. Throwing it away instead
  would livelock where holes come faster than the venue's REST.
* A snapshot older than all that is held, or than what was delivered, is not applied; it is asked for again, with back-off. Where
  numbers cannot show a hole, "all that is held" is what came before the request: the venue had it by then.
* What was too much to hold counts as held before the next request; where numbers show holes they show that one by themselves.
* A snapshot newer than all that is held is applied at once. The key is then *anchored*: messages at or below are stale.
* Numbers that start anew by right show no hole before them. So a key that stands on what was held when
  the line was lost is anchored, too.
* A doubt later than the request is covered only where the numbers show it: a message held since is at or below the snapshot.
* A snapshot without a position replaces the state whole; messages held since it was asked for follow it.

Table of moves
    state      doubt()     lost()      live()     snapshot           dropped()   relieved()
    LIVE       SYNCING     UNPROVEN    LIVE       LIVE (in-band)     DROPPED     -
    UNPROVEN   SYNCING     UNPROVEN    LIVE       LIVE               DROPPED     -
    SYNCING    SYNCING     SYNCING     LIVE       LIVE or SYNCING    DROPPED     -
    DROPPED    DROPPED     DROPPED     -          LIVE (in-band)     DROPPED     SYNCING
"""

from __future__ import annotations

import enum
from typing import Any, Generic, Hashable, Optional, TypeVar

from .counter import Counter, Held
from .sequence import Rule, Verdict

T = TypeVar("T")


class State(enum.Enum):
    """Whether what was delivered of a key is complete."""

    LIVE = "live"
    UNPROVEN = "unproven"  # complete when the line was lost; nothing has shown yet that it still is
    SYNCING = "syncing"  # not complete; needs a snapshot, holds what comes
    DROPPED = "dropped"  # the consumer is too slow; waits until it has caught up, holds nothing


class Fit(enum.Enum):
    """How a snapshot meets what is held."""

    JOINS = "joins"
    SAME = "same"  # exactly where the key stands: nothing was missed
    OLD = "old"  # cannot be joined: ask again


class Trouble:
    """Owned by: its `Sync`. What a key has that was ever in doubt, or fetched; without a source most never were."""

    __slots__ = (
        "attempts",
        "behind",
        "behind_at",
        "comes_at",
        "covered",
        "crossed",
        "doubts",
        "epoch",
        "fetch_at",
        "fetching",
        "floor",
        "gaps",
        "healed",
        "incomplete",
        "let_go",
        "mistakes",
        "resynced_at",
        "sealed",
        "segments",
        "unbroken",
        "vain",
    )

    def __init__(self) -> None:
        self.segments: list[list[Held]] = []  # what is held; between two of them is a hole
        self.sealed = 0  # so many segments were there when the snapshot was asked for: a doubt since is a segment more
        self.covered = 0  # so many messages were in the last of them
        self.crossed = False  # the line was lost behind what is held
        self.let_go: Optional[Held] = None  # the last of what was too much to hold: behind a snapshot below it not all is held
        self.floor: Optional[Held] = None  # the same, of what came before the snapshot was asked for
        self.incomplete = False  # its source was given up; what is delivered has no beginning
        self.unbroken = False  # SYNCING, and what is held goes on from what was delivered
        self.doubts = 0  # gaps told since the key was LIVE
        self.gaps = 0
        self.healed = 0
        self.epoch = 0
        self.fetching = False
        self.fetch_at: Optional[float] = None
        self.attempts = 0
        self.vain = 0  # so many snapshots in a row were followed by a hole, and by nothing before it
        self.mistakes = 0  # it was wrong, by its checksum, so often in a row soon after it was healed
        self.behind = 0
        self.behind_at = 0.0
        self.resynced_at = float("-inf")
        self.comes_at = float("-inf")  # until then a snapshot may come that need not be asked for, or was


_NEW = Trouble()
_NEW.segments = ()  # type: ignore[assignment]  # what was never there cannot be changed by accident


class _Rare(Generic[T]):
    """An attribute of a `Sync` that stands in its `Trouble`. Without one it is as new, and setting it to that makes none."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, sync: Sync, owner: type) -> T:
        found: T = getattr(sync.trouble or _NEW, self._name)
        return found

    def __set__(self, sync: Sync, value: T) -> None:
        if sync.trouble is None:
            if value == getattr(_NEW, self._name):
                return
            sync.trouble = Trouble()
        setattr(sync.trouble, self._name, value)


class Sync:
    """Owned by: the engine. One key."""

    __slots__ = ("anchor", "counter", "delivered", "key", "own", "since", "state", "trouble")

    def __init__(self, key: Hashable, state: State, now: float) -> None:
        self.key = key
        self.state = state
        self.delivered: Any = None  # the position delivered last, known exactly only when not LIVE or when anchored
        self.anchor: Any = None  # a snapshot's position that no message has joined yet; only while nothing is missing
        self.counter: Optional[Counter] = None  # its own, where the numbers count per key
        self.own: Optional[Counter] = None  # elsewhere: follows the key's numbering, only to see it start anew
        self.since = now
        self.trouble: Optional[Trouble] = None

    segments = _Rare[list[list[Held]]]()
    sealed = _Rare[int]()
    covered = _Rare[int]()
    crossed = _Rare[bool]()
    floor = _Rare[Optional[Held]]()
    let_go = _Rare[Optional[Held]]()
    incomplete = _Rare[bool]()
    unbroken = _Rare[bool]()
    doubts = _Rare[int]()
    gaps = _Rare[int]()
    healed = _Rare[int]()
    epoch = _Rare[int]()
    fetching = _Rare[bool]()
    fetch_at = _Rare[Optional[float]]()
    attempts = _Rare[int]()
    vain = _Rare[int]()
    mistakes = _Rare[int]()
    behind = _Rare[int]()
    behind_at = _Rare[float]()
    resynced_at = _Rare[float]()
    comes_at = _Rare[float]()

    @property
    def held(self) -> int:
        return sum(map(len, self.segments))

    @property
    def held_bytes(self) -> int:
        """Counted when it is asked for, which is when all of it is let go of or looked through."""
        return sum(item.size for segment in self.segments for item in segment)

    def doubt(self, delivered: Any, now: float) -> None:
        """Something is missing after `delivered`. What comes from here on is held apart from what is held already."""
        if self.state is State.DROPPED:
            return
        if self.state is not State.SYNCING:
            self.since = self.since if self.state is State.UNPROVEN else now
            self.state = State.SYNCING
            self.delivered = delivered
            self.anchor = None
        elif not self.held:
            self.unbroken = False  # what comes does not go on from what was delivered
        self.cut()

    def lost(self, delivered: Any, now: float) -> None:
        """Every line is gone. Only a key that was complete can be proved by the next message."""
        if self.state is State.LIVE:
            self.state = State.UNPROVEN
            self.delivered = delivered
            self.since = now

    def dropped(self, delivered: Any, now: float) -> None:
        """Messages of this key were thrown away behind the engine's back."""
        if self.state in (State.LIVE, State.UNPROVEN):
            self.since = now
            self.delivered = delivered
        self.state = State.DROPPED
        self.anchor = None
        self.clear()

    def relieved(self) -> None:
        """The consumer has caught up: hold again, and ask."""
        self.state = State.SYNCING

    def live(self) -> None:
        """Complete, or given up."""
        self.state = State.LIVE
        self.clear()

    def clear(self) -> None:
        """Hold nothing."""
        if self.trouble is None:
            return
        self.segments = []
        self.sealed = self.covered = 0
        self.unbroken = self.crossed = False
        self.floor = self.let_go = None

    def cut(self) -> None:
        """The next message held does not follow the one before, or that is not known."""
        if not self.segments:
            self.segments = []  # of its own
        if len(self.segments) == self.sealed or self.segments[-1]:
            self.segments.append([])

    def shed(self) -> None:
        """Too much is held: go on with the next message, as after a hole."""
        if self.segments and self.segments[-1]:
            last = self.segments[-1][-1]
            self.let_go = Held(None, last.first, last.last)  # its numbers, not the message: it was too much
        self.segments = [[]]
        self.sealed, self.covered = 1, 0
        self.unbroken = self.crossed = False
        self.cut()

    def hold(self, item: Held) -> None:
        if not self.segments:
            self.segments = [[]]
        self.segments[-1].append(item)
        self.crossed = False

    def asked(self) -> None:
        """A snapshot is asked for now."""
        self.segments = self.segments or [[]]
        self.sealed, self.covered = len(self.segments), len(self.segments[-1])
        self.floor = self.let_go

    def cover(self) -> list[Held]:
        """What was held before the request is covered by the answer. Returns that."""
        if not self.sealed:
            return []
        last = self.segments[self.sealed - 1]
        earlier = [item for segment in self.segments[: self.sealed - 1] for item in segment]
        gone = [] if self.floor is None else [self.floor]
        before = gone + earlier + last[: self.covered]
        self.segments[: self.sealed] = [last[self.covered :]]
        self.sealed, self.covered = 1, 0
        return before

    def fit(self, position: Any, rule: Optional[Rule]) -> Fit:
        """How a snapshot at `position`, that was asked for, meets this key. If it joins, the first segment is what follows it."""
        if position is None or rule is None:
            self.cover()
            return Fit.JOINS
        if self.delivered is not None and position < self.delivered:
            return Fit.OLD
        floor = None if rule.detects else self.floor  # else the next number shows what is missing
        if floor is not None and rule.splice(position, floor.first, floor.last) is not Verdict.DUPLICATE:
            return Fit.OLD
        if self.state is State.UNPROVEN and position == self.delivered:
            return Fit.SAME
        reached = len(self.segments) if rule.detects else self.sealed
        covers = False
        for index, segment in enumerate(self.segments[:reached]):
            for place, item in enumerate(segment):
                verdict = rule.splice(position, item.first, item.last)
                early = not rule.detects and (index < self.sealed - 1 or place < self.covered)  # the venue had it by then
                if not covers and (verdict is Verdict.HOLE or (verdict is Verdict.NEXT and early)):
                    return Fit.OLD
                if verdict is not Verdict.DUPLICATE:
                    self.segments[: index + 1] = [segment[place:]]
                    if verdict is Verdict.HOLE:
                        self.segments.insert(0, [])
                    return Fit.JOINS
                covers = True
        left = self.segments[reached:]
        if not left and len(self.segments) > self.sealed and not self.segments[-1]:
            left = [[]]  # a doubt later than the request, and nothing came since that shows it is covered
        self.segments = [[], *left]
        return Fit.JOINS

    def replay(self, position: Any) -> list[Held]:
        """After `fit` said JOINS: what follows the snapshot, up to the next hole. The key is LIVE if no hole is left."""
        replayed = self.segments.pop(0) if self.segments else []
        self.sealed = self.covered = 0
        self.unbroken = False  # what is left lies beyond a hole
        self.delivered = replayed[-1].last if replayed else position
        self.anchor = self.delivered if not self.segments and (self.crossed or not replayed) else None
        self.behind = 0
        self.state = State.SYNCING if self.segments else State.LIVE
        if not self.segments:
            self.floor = self.let_go = None
        return replayed
