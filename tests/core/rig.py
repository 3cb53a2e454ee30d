"""An engine on a bench: a virtual clock, frames as a server sends them, answers by hand, and what came out in words."""

from __future__ import annotations

from typing import Any, Hashable, Optional

import msgspec

from syncstream import Feed, Rest
from syncstream.core.backoff import Backoff
from syncstream.core.engine import Call, Dial, Engine, Payload, Send
from syncstream.core.frames import TEXT
from syncstream.core.keys import Fetch
from syncstream.core.liveness import Liveness
from syncstream.core.rules import Kind, Rules, Scope
from syncstream.core.sequence import Chained, Contiguous, Increasing
from syncstream.core.sources import Ask
from syncstream.errors import DialError, FetchError, StreamFailed
from syncstream.events import Connected, Disconnected, Event, Gap, Resynced, Snapshot

KINDS = {"snap": Kind.SNAPSHOT, "beat": Kind.HEARTBEAT, "ignore": Kind.IGNORE}


def decode(payload: bytes, text: bool) -> Any:
    return msgspec.json.decode(payload)


def key_of(message: Any) -> Hashable:
    found: Hashable = message["k"]
    return found


def number_of(message: Any) -> Any:
    return message["n"]


def before_of(message: Any) -> Any:
    return message["n"] - 1


def version_of(message: Any) -> Any:
    return message["v"]


def channel_of(message: Any) -> Any:
    return message["c"]


def classify(message: Any) -> Optional[Kind]:
    return KINDS.get(message.get("t"))


def change(rules: Rules, **fields: Any) -> Rules:
    """The same rules but for these fields."""
    return msgspec.structs.replace(rules, **fields)


QUIET = Liveness(ping_after=1e6, silence=1e6, maximum_silence=1e6)
"""So that a test of something else need not answer pings."""

NUMBERED = Rules(
    liveness=QUIET,
    decode=decode,
    key=key_of,
    key_text="'k'",
    rule=Contiguous("n"),
    rule_text="'n'",
    first=number_of,
    last=number_of,
    fetch_backoff=Backoff(base=1.0, maximum=8.0),
    backoff=Backoff(base=1.0, maximum=8.0, stable_after=10.0),
)
"""One number a message and key; no snapshots: a gap is told."""

HEALED = msgspec.structs.replace(NUMBERED, source=True, splice=NUMBERED.rule)
"""The same with a source of snapshots."""

BY_CONNECTION = msgspec.structs.replace(
    HEALED, scope=Scope.CONNECTION, splice=Contiguous("v"), splice_first=version_of, splice_last=version_of
)
"""One counter over everything, and the version of each key, which the snapshots count in."""

BY_CHANNEL = msgspec.structs.replace(BY_CONNECTION, scope=Scope.SHARED, counter=channel_of)
"""A counter for each channel, which outlives the connection."""

WHOLE = msgspec.structs.replace(HEALED, splice=None, whole=True)
"""Snapshots without a position."""

PLAIN = Rules(liveness=QUIET, decode=decode, key=key_of, key_text="'k'")
"""No numbers at all."""

GROWING = msgspec.structs.replace(HEALED, rule=Increasing("n"), splice=Increasing("n"))
"""Numbers that only grow, with snapshots."""


LINKED = msgspec.structs.replace(
    HEALED, rule=Chained(before_of, "n"), splice=Chained(before_of, "n"), rule_text="'n'", first=before_of, last=number_of
)
"""Each message names the number before its own."""

TYPED = msgspec.structs.replace(HEALED, classify=classify)
"""Some messages are in-band snapshots."""

AGAIN = change(TYPED, ask=Ask.RESUBSCRIBE, comes_within=4.0, fetch_limit=4.0, asks=True, leaves=True)
"""Each subscription begins with an in-band snapshot, and so a key is healed."""

ANEW = change(AGAIN, ask=Ask.RECONNECT, fetch_attempts=2, fetch_concurrency=1000, fetch_backoff=Backoff(maximum=300.0))
"""The same, healed by a new connection."""

REQUESTED = change(
    TYPED,
    ask=Ask.REQUEST,
    fetch_limit=4.0,
    request=lambda key: Payload(TEXT, b"req %s" % key.encode()),
    answer_position=number_of,
)
"""Snapshots are asked for over the line."""

FEED = Feed(
    "wss://venue.example/stream",
    key="k",
    sequence=Contiguous("n"),
    snapshot=Rest("https://venue.example/{key}", position="n", backoff=Backoff(base=1.0, maximum=8.0)),
    liveness=QUIET,
).rules()
"""What `HEALED` says, said as a user does."""


def frame(opcode: int, payload: bytes) -> bytes:
    """One whole frame as a server sends it: not masked."""
    length = len(payload)
    if length < 126:
        return bytes((0x80 | opcode, length)) + payload
    return bytes((0x80 | opcode, 126)) + length.to_bytes(2, "big") + payload


def text(message: Any) -> bytes:
    """A message in a frame; `bytes` go in as they are."""
    return frame(TEXT, message if isinstance(message, bytes) else msgspec.json.encode(message))


def delta(key: Any, number: Any, **more: Any) -> dict[str, Any]:
    """A message of `key` with number `number`."""
    return {"k": key, "n": number, **more}


def snap(key: Any, number: Any = None, **more: Any) -> dict[str, Any]:
    """An in-band snapshot; without a number if none is given."""
    return {"k": key, "t": "snap", **({} if number is None else {"n": number}), **more}


def run_of(key: Any, first: int, last: int) -> list[dict[str, Any]]:
    """Messages `first`..`last` of `key`."""
    return [delta(key, number) for number in range(first, last + 1)]


def words(item: Any) -> str:
    """What was delivered, short enough to compare whole lists of it."""
    if isinstance(item, Gap):
        fate = "healing" if item.healing else "told"
        return f"gap {item.key} {item.reason} {item.after}..{item.before} {fate}"
    if isinstance(item, Snapshot):
        return f"snapshot {item.key} at {item.position}"
    if isinstance(item, Resynced):
        return f"resynced {item.key} at {item.position} +{item.replayed}"
    if isinstance(item, Connected):
        return f"connected {item.line} attempt {item.attempt}"
    if isinstance(item, Disconnected):
        return f"disconnected {item.line}: {item.reason}"
    if isinstance(item, Event):
        return type(item).__name__.lower()
    if isinstance(item, dict):
        return f"{item.get('k')}{item.get('v', item.get('n', ''))}"
    return repr(item)


class Rig:
    """Owned by: one test. Time stands still unless `wait` moves it."""

    def __init__(self, rules: Rules = HEALED, *, chance: float = 0.5, **options: Any) -> None:
        self.now = 100.0
        self.chance = chance
        self.engine = Engine(rules, random=lambda: self.chance, **options)
        self.keys = self.engine.keys
        self.order = self.engine.order
        self.items: list[Any] = []
        self.sizes: list[int] = []  # of all that was delivered so far, if the engine is to tell them
        self.actions: list[Any] = []
        self.dials: dict[int, Dial] = {}
        self.fetches: dict[Hashable, int] = {}  # the epoch asked last, per key

    def gather(self) -> None:
        """Take what the engine has made."""
        items = self.engine.take_deliveries()
        sizes = self.engine.take_sizes(items)
        assert sizes is None or len(sizes) == len(items)
        self.items += items
        self.sizes += sizes or ()
        for action in self.engine.take_actions():
            self.actions.append(action)
            if isinstance(action, Dial):
                self.dials[action.line] = action
            elif isinstance(action, Fetch):
                self.fetches[action.key] = action.epoch

    # ---------------------------------------------------------------- lines

    def start(self) -> None:
        self.engine.start(self.now)
        self.gather()

    def open(self, line: int = 0, payloads: tuple[Payload, ...] = (), steps: tuple[tuple[Payload, ...], ...] = ()) -> bool:
        """The dial under way succeeds; starts the engine if that has not been done."""
        if not self.dials:
            self.start()
        taken = self.engine.opened(line, self.dials[line].epoch, payloads, self.now, steps=steps)
        self.gather()
        return taken

    def refuse(self, line: int = 0, message: str = "refused", **options: Any) -> None:
        if not self.dials:
            self.start()
        self.engine.refused(line, self.dials[line].epoch, DialError(message, **options), self.now)
        self.gather()

    def raw(self, data: bytes, line: int = 0) -> None:
        """Bytes came."""
        self.engine.batch(line, self.dials[line].epoch, data, self.now)
        self.gather()

    def send(self, *messages: Any, line: int = 0) -> None:
        """Messages came, in one batch."""
        self.raw(b"".join(map(text, messages)), line)

    def cut(self, line: int = 0, reason: str = "cut") -> None:
        """The connection broke."""
        self.engine.lost(line, self.dials[line].epoch, reason, self.now)
        self.gather()

    def answer_call(self, *topics: Any, line: int = 0) -> Call:
        """The user's callables answer the last call: one payload for each topic. Returns what was asked."""
        call = [action for action in self.actions if isinstance(action, Call)][-1]
        self.actions.clear()
        left = [Payload(TEXT, b"leave %s" % str(topic).encode(), (topic,)) for topic in call.leave]
        asked = [Payload(TEXT, b"ask %s" % str(topic).encode(), (topic,)) for topic in topics or call.ask]
        self.engine.spoken(line, call.epoch, left, asked, self.now)
        self.gather()
        return call

    def texts(self) -> list[str]:
        """What was said to the venue in text frames since the last time this was called."""
        return [action.payload.decode() for action in self.did(Send) if action.opcode == TEXT]

    def reopen(self) -> None:
        """The connection broke and the next one stands, with no time between."""
        self.cut()
        self.redial()
        self.open()

    def redial(self) -> None:
        """Wait for the next dial, and no longer."""
        dial = self.dials[0]
        while self.dials[0] is dial:
            self.step()

    # ---------------------------------------------------------------- time

    def step(self) -> None:
        """Go to the next deadline and tick."""
        deadline = self.engine.deadline()
        assert deadline is not None, "nothing is due, ever"
        self.now = max(self.now, deadline)
        self.tick()

    def wait(self, seconds: float) -> None:
        """Let time pass, with every tick when it is due."""
        end = self.now + seconds
        for _ in range(10_000):
            deadline = self.engine.deadline()
            if deadline is None or deadline > end:
                self.now = end
                return
            self.now = max(self.now, deadline)
            self.tick()
        raise AssertionError("something is due again and again, and no time passes")

    def tick(self) -> None:
        self.engine.tick(self.now)
        self.gather()
        deadline = self.engine.deadline()
        assert deadline is None or deadline >= self.now, "due, though a tick has just done what is due"

    # ---------------------------------------------------------------- snapshots

    def asked(self) -> list[Hashable]:
        """The keys asked for since the last time this was called."""
        keys = [action.key for action in self.actions if isinstance(action, Fetch)]
        self.actions = [action for action in self.actions if not isinstance(action, Fetch)]
        return keys

    def answer(self, key: Hashable, position: Any, state: Any = "state", *, epoch: Optional[int] = None, size: int = 0) -> None:
        """The snapshot of `key`, to the last request for it."""
        self.engine.fetched(self.fetches[key] if epoch is None else epoch, position, state, self.now, size=size)
        self.gather()

    def fail(self, key: Hashable, message: str = "no", **options: Any) -> None:
        self.engine.unfetched(self.fetches[key], FetchError(message, **options), self.now)
        self.gather()

    def drop(self, *keys: Hashable) -> None:
        self.engine.dropped(keys, self.now)
        self.gather()

    def relieve(self) -> None:
        self.engine.relieved(self.now)
        self.gather()

    # ---------------------------------------------------------------- what came out

    def said(self) -> list[str]:
        """What was delivered since the last time this was called, in words."""
        self.gather()
        items, self.items = self.items, []
        return [words(item) for item in items]

    def did(self, *kinds: type) -> list[Any]:
        """The actions of these kinds since the last time this was called; the others are forgotten."""
        self.gather()
        actions, self.actions = self.actions, []
        return [action for action in actions if not kinds or isinstance(action, kinds)]

    def failure(self) -> Optional[StreamFailed]:
        return self.engine.failure

    def state(self, key: Hashable) -> str:
        return self.keys.syncs[key].state.value

    def live(self, key: Hashable = "A", position: int = 5) -> None:
        """Bring a key to LIVE: its first message, then the snapshot it is already in. Nothing of it is left in `said`."""
        if not self.dials:
            self.open()
        self.send(delta(key, position, v=position, c="c"))
        if self.engine.rules.source:
            self.answer(key, None if self.engine.rules.whole else position)
        assert self.state(key) == "live"
        self.said()
        self.did()
