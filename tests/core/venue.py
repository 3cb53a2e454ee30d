"""A small venue with a true state, a world around one engine, and a consumer who checks what he is given. No clock, no I/O.

Messages change a state so that any loss or repetition shows for ever: a sum of deltas, or (for snapshots without a position)
fields that are set. Snapshots are taken when they are asked for, and answered late, stale, from now, or not at all.
"""

from __future__ import annotations

from typing import Any, Hashable, NamedTuple, Optional

import msgspec

from syncstream.core.engine import Abandon, Dial, Engine, Hangup, Send
from syncstream.core.frames import PING, PONG
from syncstream.core.keys import Fetch
from syncstream.core.rules import Rules, Scope
from syncstream.core.sync import State
from syncstream.errors import DialError, FetchError
from syncstream.events import Dropped, Event, Gap, Snapshot

from .rig import frame, text

KEYS = "ABCD"
FIELDS = 3
ERA = 10_000
"""Each restart counts from so much lower, so that the new numbers never meet the old ones: nobody could tell them apart."""


class Place(NamedTuple):
    """A position of a key, since which restart, and the true state there."""

    era: int
    version: int
    state: Any


class Market:
    """Owned by: one world. The truth."""

    def __init__(self, whole: bool) -> None:
        self.whole = whole
        self.now = {key: Place(0, 9 * ERA, (0,) * FIELDS if whole else 0) for key in KEYS}
        self.past = {key: [place] for key, place in self.now.items()}
        self.changes = 0

    def change(self, key: str) -> dict[str, Any]:
        """The next message of a key, without the number of a connection."""
        self.changes += 1
        era, version, state = self.now[key]
        message = {"k": key, "e": era, "v": version + 1, "d": self.changes * 1_000_003 % 999_983}
        self.now[key] = Place(era, version + 1, fold(state, message))
        self.past[key].append(self.now[key])
        return message

    def restart(self, key: str) -> None:
        """Its numbers start anew, lower than ever."""
        era, _, state = self.now[key]
        self.now[key] = Place(era + 1, (8 - era) * ERA, state)
        self.past[key] = [self.now[key]]


def fold(state: Any, message: dict[str, Any]) -> Any:
    """What a message makes of the state."""
    if not isinstance(state, tuple):
        return state + message["d"]
    field = message["d"] % FIELDS
    return (*state[:field], message["d"], *state[field + 1 :])


class Consumer:
    """Owned by: one world. Folds the default view, and raises on what the contract forbids."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.at: dict[Hashable, Place] = {}
        self.order: dict[Hashable, tuple[int, int]] = {}  # era and version that nothing may fall behind
        self.known: set[Hashable] = set()  # keys whose state follows from a snapshot, with nothing told missing since
        self.told: set[Hashable] = set()  # a marker came since the last message
        self.anew: set[Hashable] = set()  # a restart was told since the last message or snapshot
        self.messages = 0

    def take(self, item: Any) -> None:
        if isinstance(item, Gap) and item.reason == "restart":
            self.anew.add(item.key)
        if isinstance(item, Snapshot):
            self.replace(item)
        elif isinstance(item, (Gap, Dropped)) and item.in_default_view:
            for key in KEYS if item.key is None else (item.key,):
                self.told.add(key)
                self.known.discard(key)
        elif not isinstance(item, Event):
            self.apply(item)

    def replace(self, item: Snapshot) -> None:
        key, place, rules = item.key, item.state, self.world.rules
        if not isinstance(place, Place):  # in-band: it may go back, and says so by itself
            place = Place(*place["place"])
            assert item.position == (place.version if rules.scope is Scope.KEY or rules.splice is not None else None)
            self.order[key] = place[:2]
        elif rules.whole:  # it has no position: what follows it may be below
            assert item.position is None
        else:
            assert item.position == place.version
            self.advance(key, place.era, place.version, least=0)
        self.at[key] = place
        self.known.add(key)
        self.told.add(key)

    def apply(self, message: dict[str, Any]) -> None:
        key, era, version = message["k"], message["e"], message["v"]
        before = self.order.get(key)
        self.advance(key, era, version, least=1)
        follows = before in (None, (era, version - 1))
        assert follows or key in self.told, f"{key}: {version} after {before}, and nothing told"
        self.told.discard(key)
        place = self.at.get(key, self.world.market.past[key][0])
        self.at[key] = Place(era, version, fold(place.state, message))
        self.messages += 1

    def advance(self, key: Hashable, era: int, version: int, *, least: int) -> None:
        before = self.order.get(key)
        if before is not None:
            anew = key in self.anew or (era > before[0] and key not in self.known)  # told, or told to be incomplete anyhow
            assert version >= before[1] + least or anew, f"{key}: back to {version} after {before}"
        self.order[key] = (era, version)
        self.anew.discard(key)

    def forget(self, key: str) -> None:
        """The key is not subscribed any more."""
        self.at.pop(key, None)
        self.order.pop(key, None)
        self.known.discard(key)

    def is_current(self, key: str) -> bool:
        """Whether he knows the truth as it is now."""
        return key in self.known and self.at[key] == self.world.market.now[key]


class Asked(NamedTuple):
    """A snapshot request on its way, and what it would have found at the moment it was sent."""

    key: str
    epoch: int
    found: Place


class World:
    """Owned by: one test. Everything outside the engine."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.now = 0.0
        self.dice = 0
        self.engine = Engine(rules, random=self.random, sized=True)
        self.market = Market(rules.whole)
        self.consumer = Consumer(self)
        self.dialled: Optional[int] = None  # the epoch of the dial under way
        self.open: Optional[int] = None  # the epoch of the open connection
        self.counts = dict.fromkeys(("all", KEYS[:2], KEYS[2:]), 9 * ERA)  # the number of the last message of each counter
        self.wire: list[dict[str, Any]] = []
        self.asked: list[Asked] = []
        self.muted: set[str] = set()
        self.mute = False
        self.engine.start(0.0)
        self.act()

    def random(self) -> float:
        self.dice = (self.dice * 16807 + 11) % 2147483647
        return self.dice / 2147483647

    # ---------------------------------------------------------------- what the engine does

    def act(self) -> None:
        """Do what the engine asks for, hand out what it delivers, and check it."""
        for action in self.engine.take_actions():
            if isinstance(action, Dial):
                assert self.dialled is None, "two dials under way"
                assert self.open is None, "a dial while a connection is open"
                self.dialled = action.epoch
            elif isinstance(action, Abandon):
                self.dialled = None
            elif isinstance(action, Hangup):
                self.open = None
                self.wire = []
            elif isinstance(action, Fetch):
                assert isinstance(action.key, str)
                self.asked.append(Asked(action.key, action.epoch, self.market.now[action.key]))
            elif isinstance(action, Send) and action.opcode == PING and action.epoch == self.open and not self.mute:
                self.engine.batch(0, action.epoch, frame(PONG, action.payload), self.now)
        items = self.engine.take_deliveries()
        sizes = self.engine.take_sizes(items)
        assert sizes is not None
        assert len(sizes) == len(items)
        for item, size in zip(items, sizes):
            said = item.state if isinstance(item, Snapshot) else item
            assert size == (len(msgspec.json.encode(said)) if isinstance(said, dict) else 0)  # of what came over the line
            self.consumer.take(item)
        self.check()

    def check(self) -> None:
        """What holds at every moment."""
        keys = self.engine.keys
        assert keys.held == sum(sync.held for sync in keys.syncs.values())
        assert keys.held_bytes == sum(sync.held_bytes for sync in keys.syncs.values())
        assert keys.fetches.under_way <= self.rules.fetch_concurrency
        for key, sync in keys.syncs.items():
            if sync.state is State.SYNCING:
                assert sync.fetching or sync.fetch_at is not None, f"{key} is syncing, and nobody asks"
            assert key not in keys.plain or (sync.state is State.LIVE and sync.anchor is None)
        for key in self.consumer.known:
            place = self.consumer.at[key]
            if not self.market.whole or (place.version == self.market.now[str(key)].version and sync_of(keys, key) is State.LIVE):
                self.check_state(str(key), place)

    def check_state(self, key: str, place: Place) -> None:
        past = self.market.past[key]
        if place.era == past[0].era:
            assert place == past[place.version - past[0].version], f"{key}: {place} is not what was"

    # ---------------------------------------------------------------- what the venue does

    def emit(self, key: str, *, skip: bool = False, copies: int = 1) -> None:
        self.put(key, self.market.change(key), 0 if skip else copies)

    def show(self, key: str) -> None:
        """An in-band snapshot, if the venue has any."""
        if self.rules.classify is not None:
            place = self.market.now[key]
            self.put(key, {"k": key, "t": "snap", "v": place.version, "place": place}, 1)

    def put(self, key: str, message: dict[str, Any], copies: int) -> None:
        """Number it, and put it on the wire."""
        message["c"] = self.counter_of(key)
        if self.rules.scope is Scope.KEY:
            message["n"] = message["v"]
        else:
            self.counts[message["c"]] += 1
            message["n"] = self.counts[message["c"]]
        if self.open is not None:
            self.wire += [message] * copies

    def counter_of(self, key: str) -> str:
        """Two keys to a channel; a connection is one channel, which begins anew."""
        return "all" if self.rules.scope is Scope.CONNECTION else KEYS[KEYS.index(key) // 2 * 2 :][:2]

    def swap(self) -> None:
        """The last two messages change places, unless the numbers started anew between them: nobody could tell."""
        if len(self.wire) > 1 and self.wire[-2]["n"] < self.wire[-1]["n"] + ERA // 2:
            self.wire[-2:] = reversed(self.wire[-2:])

    def fall_silent(self) -> None:
        """Nothing comes any more on this connection, not even pongs."""
        self.mute = True

    def restart(self, key: str) -> None:
        if self.rules.scope is not Scope.KEY:
            self.counts[self.counter_of(key)] -= ERA
        elif self.market.now[key].era < 8:
            self.market.restart(key)

    def flush(self, size: int = 1 << 30, *, keep: int = 0) -> None:
        """What is on the wire arrives, in chunks of this size; the last bytes may never do."""
        if self.open is None or self.mute:
            return
        data = b"".join(map(text, self.wire))
        data = data[: len(data) - keep] if keep else data
        self.wire = []
        for start in range(0, len(data), size):
            if self.open is not None:
                self.engine.batch(0, self.open, data[start : start + size], self.now)
                self.act()

    def cut(self, *, keep: int = 0) -> None:
        self.flush(keep=keep)
        if self.open is not None:
            self.engine.lost(0, self.open, "cut", self.now)
            self.act()

    def accept(self) -> None:
        """The dial under way succeeds."""
        if self.dialled is not None:
            self.open, self.dialled = self.dialled, None
            self.counts["all"], self.wire, self.mute = 9 * ERA, [], False
            assert self.engine.opened(0, self.open, (), self.now)
            self.act()

    def refuse(self) -> None:
        if self.dialled is not None:
            epoch, self.dialled = self.dialled, None
            self.engine.refused(0, epoch, DialError("refused"), self.now)
            self.act()

    def answer(self, index: int, kind: str) -> None:
        """A request is answered: with what it found when it was sent, with what is true now, with something older, or not."""
        if not self.asked:
            return
        key, epoch, found = self.asked.pop(index % len(self.asked))
        past, now = self.market.past[key], self.market.now[key]
        if kind == "lost":
            return
        if kind == "failed":
            self.engine.unfetched(epoch, FetchError("failed"), self.now)
        else:
            place = now if kind == "now" else found
            if kind == "stale" and not self.rules.whole:
                place = past[-1 - index % min(len(past), 5)]
            self.engine.fetched(epoch, place.version, place, self.now)
        self.act()

    # ---------------------------------------------------------------- the consumer and the time

    def drop(self, key: str) -> None:
        """What waited for the consumer was thrown away."""
        if self.rules.source and key in self.engine.keys.syncs:
            self.consumer.take(Dropped(key=key, count=1))
            self.engine.dropped([key], self.now)
            self.act()

    def relieve(self) -> None:
        self.engine.relieved(self.now)
        self.act()

    def leave(self, key: str) -> None:
        self.engine.unsubscribe([key], (), self.now)
        self.muted.add(key)
        self.consumer.forget(key)
        self.act()

    def join(self, key: str) -> None:
        self.engine.subscribe([key], (), self.now)
        self.muted.discard(key)
        self.act()

    def wait(self, seconds: float) -> None:
        end = self.now + seconds
        while True:
            deadline = self.engine.deadline()
            if deadline is None or deadline > end:
                break
            assert deadline >= self.now, "due in the past"
            self.now = deadline
            self.engine.tick(self.now)
            self.act()
        self.now = end


def sync_of(keys: Any, key: Hashable) -> Optional[State]:
    sync = keys.syncs.get(key)
    return None if sync is None else sync.state
