"""`Replica`: what a consumer of a stream knows, folded from what the stream yields, and what can be proved wrong about it.

It believes what it is given: a delta is applied whether it fits or not, so that what a stream did wrong shows in the state as
well as in the counts. It mends nothing by itself. Pure; used by one thread at a time.
"""

from __future__ import annotations

from typing import Any, Hashable, Mapping, Optional, Protocol, Union

import msgspec

from ..events import Dropped, Event, Gap, Snapshot
from .market import State

_MAX_REMEMBERED = 100_000  # positions of one hole that are known again when they come late
_FORGETFUL = ("restart", "unhealed")  # gaps after which any position may come


class Source(Protocol):
    """What knows the true states: a `Broker`."""

    def states(self) -> Mapping[str, State]: ...


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """What one key, or all of them, went through.

    `applied`: deltas. Wrong unless 0: `lost` positions that no marker told of; `duplicated` deltas, also such as a snapshot
    held already; deltas `out_of_order`, which came late and so do not count as lost any more. Told and fine: `snapshots`,
    `gaps`, `dropped` messages, `restarts` of the numbering.
    """

    applied: int = 0
    lost: int = 0
    duplicated: int = 0
    out_of_order: int = 0
    snapshots: int = 0
    gaps: int = 0
    dropped: int = 0
    restarts: int = 0

    @property
    def wrong(self) -> int:
        """How often the stream did what a stream must never do."""
        return self.lost + self.duplicated + self.out_of_order


class Replica:
    """Owned by: the thread that consumes the stream.

        replica = Replica()
        for item in stream:
            replica.apply(item)
        ...
        broker.pause()      # and when the stream has delivered everything:
        assert replica.differences(broker) == []
        assert replica.total.wrong == 0

    A key is known from its first `Snapshot`, or from a delta with version 1 on. A `Gap` or `Dropped` makes it unknown until the
    next `Snapshot`; only the gap of a reconnect is taken back when the next delta goes on from where the key was.
    """

    def __init__(self) -> None:
        self._keys: dict[Hashable, _Key] = {}

    def __repr__(self) -> str:
        return f"Replica({len(self._keys)} keys, {self.total!r})"

    def apply(self, item: Any) -> None:
        """One item of a stream: a message, or a marker. Messages without a version and other events change nothing."""
        if isinstance(item, Event):
            self._apply_event(item)
            return
        message = _fields(item)
        if "version" in message:
            self._key(message["symbol"]).delta(message)

    def state(self, key: Hashable) -> Optional[State]:
        """The state of a key, `None` while it is not known."""
        found = self._keys.get(key)
        return found.state() if found is not None and found.known else None

    def counts(self, key: Hashable) -> Counts:
        found = self._keys.get(key)
        return Counts() if found is None else Counts(**found.counts)

    @property
    def keys(self) -> list[Hashable]:
        """All keys seen, in the order they came."""
        return list(self._keys)

    @property
    def total(self) -> Counts:
        """The counts of all keys together."""
        names = Counts.__struct_fields__
        return Counts(**{name: sum(key.counts[name] for key in self._keys.values()) for name in names})

    def differences(self, truth: Source) -> list[str]:
        """One line for each symbol of the venue whose state or position is not the true one. Let the market rest meanwhile."""
        found = []
        for symbol, true in truth.states().items():
            key = self._keys.get(symbol) or _Key(symbol)
            difference = key.difference(true)
            if difference:
                found.append(f"{symbol}: {difference}")
        return found

    def equal(self, truth: Source) -> bool:
        return not self.differences(truth)

    def _key(self, key: Hashable) -> _Key:
        found = self._keys.get(key)
        if found is None:
            found = self._keys[key] = _Key(key)
        return found

    def _apply_event(self, event: Event) -> None:
        if isinstance(event, Snapshot):
            body = _fields(event.state)
            self._key(body["symbol"] if event.key is None else event.key).snapshot(body)
        elif isinstance(event, (Gap, Dropped)):
            for key in list(self._keys.values()) if event.key is None else [self._key(event.key)]:
                key.gap(event)


class _Key:
    """Owned by: its replica.

    `last` is the highest version seen, `None` where any may come next. `told`: a marker came since, so a hole is no surprise.
    `resumes`: if the next delta goes on from `last` after all, nothing was missed.
    """

    def __init__(self, key: Hashable) -> None:
        self.counts: dict[str, int] = dict.fromkeys(Counts.__struct_fields__, 0)
        self.known = False
        self._symbol = str(key)
        self._unknown_because = "nothing received"
        self._last: Optional[int] = None
        self._told = False
        self._resumes = False
        self._missing: set[int] = set()
        self._sides: dict[str, dict[str, int]] = {"bid": {}, "ask": {}}
        self._volume = 0

    def delta(self, delta: Mapping[str, Any]) -> None:
        self.counts["applied"] += 1
        self._follow(delta["version"])
        levels = self._sides[delta["side"]]
        if delta["size"]:
            levels[delta["price"]] = delta["size"]
        else:
            levels.pop(delta["price"], None)
        self._volume += delta["volume"]

    def _follow(self, version: int) -> None:
        last = self._last
        if last is None:
            if not self._told:
                self.known = version == 1
                self._unknown_because = f"began at position {version} without a snapshot"
        elif version == last + 1:
            self.known = self.known or self._resumes
        elif version > last:
            if not self._told:
                self.counts["lost"] += version - last - 1
                self._missing.update(range(last + 1, min(version, last + 1 + _MAX_REMEMBERED)))
        elif version in self._missing:
            self._missing.discard(version)
            self.counts["lost"] -= 1
            self.counts["out_of_order"] += 1
            return
        else:
            self.counts["duplicated"] += 1
            return
        self._last = version
        self._told = self._resumes = False

    def snapshot(self, body: Mapping[str, Any]) -> None:
        version = body["version"]
        self.counts["snapshots"] += 1
        self.counts["restarts"] += self._last is not None and version < self._last
        self.known = True
        self._last = version
        self._told = self._resumes = False
        self._missing.clear()
        self._sides = {"bid": dict(body["bids"]), "ask": dict(body["asks"])}
        self._volume = body["volume"]

    def gap(self, event: Union[Gap, Dropped]) -> None:
        reason = event.reason if isinstance(event, Gap) else "dropped"
        self.counts["gaps"] += isinstance(event, Gap)
        self.counts["dropped"] += event.count if isinstance(event, Dropped) else 0
        self.counts["restarts"] += reason == "restart"
        self._resumes = reason == "reconnect" and (self.known or self._resumes)
        self._told = True
        self._unknown_because = f"unknown since a gap ({reason})"
        self.known = False
        if reason in _FORGETFUL:
            self._last = None
            self._missing.clear()

    def state(self) -> State:
        return State(
            symbol=self._symbol, version=self._last or 0, bids=self._sides["bid"], asks=self._sides["ask"], volume=self._volume
        )

    def difference(self, true: State) -> str:
        """What is not as it should be, or nothing. A key that never moved need not be known."""
        if not self.known:
            untouched = self._last is None and not self._told and true == State(symbol=true.symbol)
            return "" if untouched else f"{self._unknown_because}, true position {true.version}"
        mine = self.state()
        wrong = [f"{name} {a}, true {b}" for name, a, b in _scalars(mine, true) if a != b]
        wrong += [f"{name} {_levels(a, b)}" for name, a, b in _books(mine, true) if a != b]
        return "; ".join(wrong)


def _fields(item: Any) -> Mapping[str, Any]:
    if isinstance(item, Mapping):
        return item
    if isinstance(item, msgspec.Struct):
        return msgspec.structs.asdict(item)
    raise TypeError(f"a message of a Broker is a dict or a msgspec.Struct with its fields, not {type(item).__name__}")


def _scalars(mine: State, true: State) -> list[Any]:
    return [("position", mine.position, true.position), ("volume", mine.volume, true.volume)]


def _books(mine: State, true: State) -> list[Any]:
    return [("bids", mine.bids, true.bids), ("asks", mine.asks, true.asks)]


def _levels(mine: Mapping[str, int], true: Mapping[str, int]) -> str:
    prices = sorted((price for price in {*mine, *true} if mine.get(price) != true.get(price)), key=float)
    first = prices[0]
    more = f" and {len(prices) - 1} more" if len(prices) > 1 else ""
    return f"at {first} {mine.get(first, 0)}, true {true.get(first, 0)}{more}"
