"""The venue's side: what is true of each key at each version, how its numbers stand on the wire, and who gets what. Pure.

A change of a key moves its *version* by one and its *state*, a sum and a chained level: any change that is lost or applied twice
shows for ever. Versions never restart; the *numbers* on the wire may (an *era* each time), the state is carried on.
Each message carries `id`, by which the oracles find what it truly is; the engine does not know it.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Optional

import msgspec

from .config import KEYS, Config
from .wire import ALIAS, Wire, fragments, text_frame

State = tuple[int, int]
EMPTY: State = (0, 0)
_BASES = [million * 1_000_000 for million in (50, 1, 90, 30, 70, 10, 60, 20, 80, 40, 2, 95)]
_encode = msgspec.json.encode


def changed(state: State, amount: int) -> State:
    """The state after one change."""
    return state[0] + amount, (state[1] * 31 + amount) % 1_000_003


def amount_of(version: int) -> int:
    """What the change that leads to this version is."""
    return version * 7919 % 97 + 1


class Truth(NamedTuple):
    """What a message truly is: changes `after + 1`..`to` of a key; `first`..`last` are its key's numbers, in era `era`."""

    key: str
    era: int
    first: int
    last: int
    after: int
    to: int
    whole: bool = False
    anew: bool = False  # the numbers of its key start anew with it, and it says so


class Answer(NamedTuple):
    """A state of a key, as the snapshot service gives it out."""

    key: str
    version: int
    era: int
    position: int
    state: State


class Numbers:
    """Owned by: the venue. One key."""

    def __init__(self, small: bool, stride: int = 1) -> None:
        self.small = small
        self.stride = stride
        self.anew = False  # the next message is the first of an era
        self.states: list[State] = [EMPTY]
        self.era = 0
        self.began = [0]  # at which version each era began

    @property
    def version(self) -> int:
        return len(self.states) - 1

    def base(self, era: int) -> int:
        return 0 if self.small else _BASES[era]

    def number(self, version: int, era: int) -> int:
        """The number of a version on the wire."""
        return self.base(era) + self.stride * (version - self.began[era])

    def era_of(self, version: int) -> int:
        """The era in which a version came to be."""
        return max(era for era, began in enumerate(self.began) if began < version or era == 0)

    def restart(self) -> bool:
        if self.era + 1 >= len(_BASES):
            return False
        self.era += 1
        self.began.append(self.version)
        self.anew = True
        return True


class Venue:
    """Owned by: its world."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.keys = {key: Numbers(config.small, 3 if config.ranges == "chain" else 1) for key in KEYS[: config.keys]}
        self.truths: list[Truth] = []
        self.channel = _BASES[0]
        self.channel_era = 0
        self.wires: dict[int, Wire] = {}
        self.deaf: set[str] = set()  # keys whose next subscription is refused
        self.lost: set[str] = set()  # keys whose next subscription, or its acknowledgement, goes astray
        self.entry = config.entry  # what a login leads to: "ok", "no", "final", or "" for nothing

    def answer(self, key: str, version: Optional[int] = None) -> Answer:
        """The state of a key, now or at an earlier version."""
        numbers = self.keys[key]
        era = numbers.era
        if version is None or version >= numbers.version:
            version = numbers.version
        else:
            era = numbers.era_of(version)
        position = 3 * version if self.config.scope == "growing" else numbers.number(version, era)
        return Answer(key, version, era, position, numbers.states[version])

    def change(self, key: str, count: int) -> list[tuple[int, Truth]]:
        """The market moves: `count` changes, in one message or in several. Returns them with their ids, unsent."""
        numbers = self.keys[key]
        pieces = [count] if self.config.ranges != "one" else [1] * count
        made = []
        for piece in pieces:
            after = numbers.version
            for _ in range(piece):
                numbers.states.append(changed(numbers.states[-1], amount_of(numbers.version + 1)))
            if self.config.ranges == "overlap" and piece > 1:
                after = max(numbers.began[numbers.era], after - 1)  # it tells the change before once more
            made.append(self._truth(key, after, numbers.version))
        return made

    def _truth(self, key: str, after: int, to: int, whole: bool = False) -> tuple[int, Truth]:
        numbers = self.keys[key]
        era = numbers.era
        first, last = numbers.number(after + 1, era), numbers.number(to, era)
        anew = self.config.resets and numbers.anew and not whole
        if self.config.ranges == "chain":
            first = numbers.number(after, numbers.era_of(after) if anew else era)  # its link
        numbers.anew = numbers.anew and whole
        truth = Truth(key, era, last if whole else first, last, after, to, whole, anew)
        self.truths.append(truth)
        return len(self.truths) - 1, truth

    def whole(self, key: str, version: Optional[int] = None) -> tuple[int, Truth]:
        """A message that carries the state of a key as it is, or was."""
        numbers = self.keys[key]
        if version is None or version >= numbers.version:
            return self._truth(key, numbers.version, numbers.version, whole=True)
        era = numbers.era_of(version)
        at = numbers.number(version, era)
        self.truths.append(Truth(key, era, at, at, version, version, True))
        return len(self.truths) - 1, self.truths[-1]

    def stands(self, key: str, wire: Wire) -> bytes:
        """A heartbeat that says where the counter of a key stands."""
        numbers, scope = self.keys[key], self.config.scope
        at = {"shared": self.channel, "connection": wire.number}.get(scope)
        at = numbers.number(numbers.version, numbers.era_of(numbers.version)) if at is None else at
        return self._framed({"k": key, "t": "beat", "i": 1, "n": at, "m": at, "c": "ch", **self._alias(key)})

    def _alias(self, key: str) -> dict[str, Any]:
        """What stands for the id that each connection has for it."""
        return {"a": f"{key}{ALIAS}"} if self.config.alias else {}

    def count(self) -> int:
        """The next number of the channel."""
        self.channel += 1
        return self.channel

    def recount(self) -> None:
        """The counters over many keys start anew."""
        if self.channel_era + 1 < len(_BASES):
            self.channel_era += 1
            self.channel = _BASES[self.channel_era]
            for wire in self.wires.values():
                wire.number = _BASES[self.channel_era]

    def first_number(self) -> int:
        """Where the counter of a new connection stands."""
        return 0 if self.config.start else _BASES[0]

    def frame(self, ident: int, truth: Truth, number: Optional[int], *, odd: bool = False) -> bytes:
        """A message as it stands on the wire; `number` is that of the counter over many keys, where there is one.

        An `odd` one has no number to count with.
        """
        message: dict[str, Any] = {"k": truth.key, "id": ident, **self._alias(truth.key)}
        scope = self.config.scope
        if scope in ("key", "growing"):
            message["n"] = truth.first
            if self.config.ranges != "one":
                message["m"] = truth.last
            if scope == "growing":
                message["n"] = 3 * truth.to
        elif scope != "none":
            if number is not None:
                message["n"] = number
                message["c"] = "ch"
            message["v"] = truth.first
            if self.config.ranges != "one":
                message["w"] = truth.last
        if odd:
            message.update((name, "odd") for name in "nmvw" if name in message)
        if truth.whole:
            message["t"] = "snap"
            message["d"] = self.keys[truth.key].states[truth.to]
        else:
            message["d"] = [(version, amount_of(version)) for version in range(truth.after + 1, truth.to + 1)]
        if truth.anew:
            message["r"] = 1
        return self._framed(message)

    def _framed(self, message: dict[str, Any]) -> bytes:
        payload = _encode(message)
        if self.config.packed:
            payload = b'[{"t":"skip"},' + payload + b',{"t":"skip"}]'
        return fragments(payload) if self.config.fragments else text_frame(payload)
