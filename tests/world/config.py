"""What kind of venue and stream a world is about: plain values, and the engine's `Rules` for them. Pure."""

from __future__ import annotations

import random
from typing import Any, Callable, NamedTuple, Optional

import msgspec

from syncstream.core.actions import Payload
from syncstream.core.aliases import Named
from syncstream.core.backoff import Backoff
from syncstream.core.budget import Budget
from syncstream.core.frames import TEXT
from syncstream.core.keepalive import Keepalive
from syncstream.core.liveness import Liveness
from syncstream.core.opening import Step
from syncstream.core.rules import Kind, Rules, Scope
from syncstream.core.sequence import Chained, Contiguous, Increasing, Rule
from syncstream.core.sources import Ask
from syncstream.core.subscriptions import Acks
from syncstream.errors import Severity
from syncstream.schema import Json

KEYS = "ABCDEF"
KINDS = {
    **{"snap": Kind.SNAPSHOT, "beat": Kind.HEARTBEAT, "skip": Kind.IGNORE, "name": Kind.ACK},
    **{kind.value: kind for kind in Kind if kind not in (Kind.DATA, Kind.SNAPSHOT, Kind.HEARTBEAT, Kind.IGNORE)},
}
LIVENESS = Liveness(ping_after=2.0, pong_within=1.0, silence=6.0, maximum_silence=24.0, pause_limit=8.0)
STEP_WITHIN = 2.0
ACK_WITHIN, ACK_ATTEMPTS = 2.0, 4
DATA_WITHIN = 3.0
FINAL_CODE = 4000
"""The close code by which the venue turns away those it does not know; the feed says so."""
BACKOFF = Backoff(base=0.5, maximum=4.0, stable_after=3.0)
FETCH_BACKOFF = Backoff(base=0.25, maximum=2.0)
DIAL_LIMIT = 3.0
ANSWER_LIMIT = 0.1
FETCH_LIMIT = 4.0
VERIFY_AFTER = 1.5
WITHIN = 2.5
"""So soon a snapshot comes by itself, or over the line."""
IN_BAND = ("again", "anew")
OVER_THE_LINE = (*IN_BAND, "asked")
"""Sources: by a new subscription, by a new connection, by a request."""
RESYNC_INTERVAL = 0.5


class Config(NamedTuple):
    """One kind of world.

    `scope`: what the numbers count: "key", "shared" (a channel of all keys), "connection", "growing" (increasing, per key) or
    "none". `ranges`: how the key's own numbers stand in a message: "one", "range" (first..last) or "overlap". `source`: "rest",
    "whole" (no position), "none", or one of `OVER_THE_LINE`. `fragments`: each message comes in two frames, a pong between them.
    `small`: numbers begin at 1, and again at each restart, so that those of two eras may meet. `script`: a line is let in by a
    welcome and a login. `acks`: how subscriptions are acknowledged, if they are. `budget`: sends within a second.
    `ranges` may be "chain", too: numbers that skip, each message with the one before. `idle`: the venue says now and then where
    its counter stands. `resets`: where numbers start anew by right the message says so, or its link does. `packed`: a frame is
    an array, with the message among others. `alias`: messages name their keys by ids that each connection gives out
    anew, and tells first.
    `first_dial`, `entry`: what dials and logins lead to at first, until a step says otherwise. Without a `script`, "final" lets
    us in and closes on the first subscription.
    """

    scope: str = "key"
    ranges: str = "one"
    source: str = "rest"
    lines: int = 1
    keys: int = 2
    reorder: float = 0.0
    heartbeat: Optional[float] = None
    classify: bool = True
    fragments: bool = False
    small: bool = False
    start: bool = False
    restart_after: int = 8
    concurrency: int = 2
    attempts: int = 4
    hold_limit: int = 1000
    policy: str = ""
    maxsize: int = 16
    view: str = "events"
    flow: float = 0.0
    calm_latency: float = 0.3
    calm_interval: float = 0.05
    first_dial: str = "open"
    script: bool = False
    entry: str = "ok"
    acks: str = ""
    lifetime: Optional[float] = None
    quiet_after: Optional[float] = None
    keepalive: Optional[float] = None
    budget: int = 0
    idle: bool = False
    resets: bool = False
    packed: bool = False
    alias: bool = False


def draw_config(dice: random.Random) -> Config:
    """Any of them that a feed may be."""
    scope = dice.choice(("key", "key", "key", "key", "shared", "shared", "connection", "connection", "growing", "none"))
    sources = {"none": ("whole", "none"), "growing": ("rest", "rest", "none")}.get(
        scope, ("rest", "rest", "rest", "rest", "whole", "none")
    )
    source = dice.choice(sources)
    lines = 2 if scope in ("key", "shared") and dice.random() < 0.3 else 1
    counted = scope not in ("none", "growing")
    policy = dice.choice(("", "", "", "raise", "block", "block", "drop_oldest"))
    hold_limit = dice.choice((8, 60, 1000, 1000))
    drawn = Config(
        scope=scope,
        ranges=dice.choice(("one", "one", "range", "overlap")) if counted else "one",
        source=source,
        lines=lines,
        keys=dice.randint(1, 5),
        reorder=dice.choice((0.0, 0.0, 0.05, 0.4)) if counted else 0.0,
        heartbeat=dice.choice((None, 2.0)),
        classify=dice.random() < 0.6,
        fragments=dice.random() < 0.1,
        small=scope == "key" and source != "whole" and dice.random() < 0.2,
        start=scope == "connection" and dice.random() < 0.5,
        restart_after=dice.choice((3, 8, 30)),
        concurrency=dice.choice((1, 2, 4)),
        attempts=dice.choice((2, 4, 8)),
        hold_limit=hold_limit,  # has to hold what comes in the calm while a snapshot is under way
        policy=policy,
        maxsize=dice.choice((24, 64)),  # a queue has to hold a snapshot and what came while it was under way
        view=dice.choice(("events", "events", "default")),
        flow=dice.choice((0.0, 0.0, 0.02, 0.3)),
        calm_latency=dice.choice((0.05, 0.3) if hold_limit == 8 else (0.05, 0.3, 1.0)),
        calm_interval=0.5 if hold_limit == 8 else dice.choice((0.1, 0.5) if policy or hold_limit == 60 else (0.02, 0.1, 0.5)),
        first_dial=dice.choice(("retry", "slow", "fatal", "hang")) if dice.random() < 0.05 else "open",
    )
    if policy == "drop_oldest" and drawn.restart_after == 8:  # by no dice of its own: they would make other worlds of all seeds
        drawn = drawn._replace(policy="conflate")
    if dice.random() < 0.4:  # the life of a line as most venues have it
        return drawn
    return drawn._replace(
        classify=True,
        script=dice.random() < 0.5,
        acks=dice.choice(("", "id", "key", "count", "cumulative")),
        lifetime=dice.choice((None, None, 12.0, 40.0)),
        quiet_after=dice.choice((None, 3.0)),
        keepalive=dice.choice((None, 1.5)),
        budget=dice.choice((0, 0, 4)),
        entry=dice.choice(("ok",) * 8 + ("final", "")),
    )


OTHER_KINDS = 20_000_000
"""From this seed on worlds are of other kinds besides, by dice of their own: those before it stay what they were."""


def other_kind(config: Config, dice: random.Random) -> Config:
    """The same kind of world, and one or more of what some venues do."""
    many = config.scope in ("shared", "connection")
    chain = config.scope == "key" and dice.random() < 0.4
    small = config.small and not chain
    kinds = config._replace(
        classify=True,
        ranges="chain" if chain else config.ranges,
        reorder=0.0 if chain else config.reorder,
        small=small,
        idle=(many or config.scope == "key") and dice.random() < 0.6,
        resets=config.scope == "key" and config.lines == 1 and not small and dice.random() < 0.5,
        packed=dice.random() < 0.5,
    )
    return kinds if kinds.idle or kinds.resets or chain else kinds._replace(packed=True)


NAMED = 2_000_000_000
"""From this seed on keys have other names on each connection."""


def draw_named(dice: random.Random) -> Config:
    """One that a venue with ids for its subscriptions has, on its one line."""
    drawn = draw_over_the_line(dice) if dice.random() < 0.5 else draw_config(dice)
    acks = drawn.acks if drawn.acks == "id" else ""  # by key nobody knows what is meant before it is named
    return other_kind(drawn._replace(lines=1, acks=acks, small=False), dice)._replace(alias=True, resets=False)


def draw_over_the_line(dice: random.Random) -> Config:
    """One whose snapshots come over its one line."""
    drawn = draw_config(dice)
    source = dice.choice(("again", "again", "anew", "asked"))
    if drawn.scope == "none" and source == "asked":  # nothing could join the answer
        source = "again"
    return drawn._replace(source=source, lines=1, classify=True, small=False)


decode = Json(msgspec.json.Decoder().decode)
"""A message: what stands in a text frame."""


def _field(name: str) -> Callable[[Any], Any]:
    def find(message: Any) -> Any:
        return message[name]

    return find


FIELDS = {name: _field(name) for name in "knmvwca"}


def key_of(item: Any) -> Any:
    """The key of a message as it is delivered."""
    return item.key if isinstance(item, Named) else item["k"]


def classify(message: Any) -> Optional[Kind]:
    """By its type."""
    return KINDS.get(message.get("t"))


def answer(message: Any) -> Payload:
    """What a challenge wants."""
    return Payload(TEXT, b'{"answer":%d}' % message["id"])


def refusal(message: Any) -> Any:
    """A login may be refused for now, or for good."""
    return message["t"] == "no" and (Severity.SLOW if message["slow"] else True)


SCRIPT = (
    Step(expect=lambda message: message["t"] == "welcome", within=STEP_WITHIN),
    Step(send="login", expect=lambda message: message["t"] == "ok", fail=refusal, within=STEP_WITHIN),
)


def rules(config: Config) -> Rules:
    """What the engine is told."""
    ranged = config.ranges != "one"
    overlap = config.ranges == "overlap"
    rule: Optional[Rule]
    first, last = FIELDS["n"], FIELDS["n"]
    splice_first = splice_last = None
    splice: Optional[Rule]
    if config.scope == "none":
        rule = splice = None
    elif config.scope == "growing":
        rule = splice = Increasing("n")
    elif config.scope == "key":
        rule = splice = Contiguous("n", "m" if ranged else None, overlap=overlap)
        last = FIELDS["m"] if ranged else first
        if config.ranges == "chain":
            rule = splice = Chained("n", "m")
    else:
        rule = Contiguous("n", start=1 if config.start else None)
        splice = Contiguous("v", "w" if ranged else None, overlap=overlap)
        splice_first = FIELDS["v"]
        splice_last = FIELDS["w"] if ranged else splice_first
    if config.source not in ("rest", *OVER_THE_LINE):
        splice = splice_first = splice_last = None
    return Rules(
        decode=decode,
        key=FIELDS["a" if config.alias else "k"],
        alias=(lambda message: (message["a"], message["k"]) if message.get("t") == "name" else None) if config.alias else None,
        key_text="'k'",
        classify=classify if config.classify else None,
        rule=rule,
        rule_text="'n'",
        first=None if rule is None else first,
        last=None if rule is None else last,
        idle=(lambda message: message.get("i")) if config.idle else None,
        reset=(lambda message: message.get("r")) if config.resets and config.ranges != "chain" else None,
        split=(lambda frame: frame if isinstance(frame, list) else None) if config.packed else None,
        scope={"shared": Scope.SHARED, "connection": Scope.CONNECTION}.get(config.scope, Scope.KEY),
        counter=FIELDS["c"] if config.scope == "shared" else None,
        reorder=config.reorder,
        restart_after=config.restart_after,
        source=config.source != "none",
        **_asking(config, splice_last or last),
        whole=config.source == "whole",
        splice=splice,
        splice_first=splice_first,
        splice_last=splice_last,
        verify_after=VERIFY_AFTER,
        resync_interval=RESYNC_INTERVAL,
        fetch_backoff=FETCH_BACKOFF,
        fetch_attempts=config.attempts,
        fetch_concurrency=(1 << 30) if config.source == "anew" else config.concurrency,
        fetch_limit=WITHIN if config.source in IN_BAND else FETCH_LIMIT,
        opening=SCRIPT if config.script else (),
        answer=answer if config.classify else None,
        keepalive=_keepalive(config),
        keepalive_payload=lambda: Payload(TEXT, b'{"ping":1}'),
        quiet_after=None if config.quiet_after is None else lambda key: config.quiet_after,
        lifetime=config.lifetime,
        asks=True,
        leaves=True,
        acks=_acks(config),
        topic_data_limit=DATA_WITHIN if config.acks == "count" else None,  # which cannot tell whose request was lost
        ack_id=_field("id"),
        ack_topics=_field("all") if config.acks == "cumulative" else None,
        send_budget=Budget(count=config.budget, per=1.0) if config.budget else None,
        heartbeat=config.heartbeat,
        liveness=LIVENESS,
        failures={FINAL_CODE: Severity.FATAL},
        backoff=BACKOFF,
        dial_limit=DIAL_LIMIT,
        answer_limit=ANSWER_LIMIT,
        first_live_limit=30.0,
        first_data_limit=20.0,
        max_message_size=4096,
        hold_limit=config.hold_limit,
    )


def _asking(config: Config, position: Callable[[Any], Any]) -> dict[str, Any]:
    """How snapshots are asked for, where that is over the line."""
    if config.source in IN_BAND:
        return {"ask": Ask.RESUBSCRIBE if config.source == "again" else Ask.RECONNECT, "comes_within": WITHIN}
    if config.source == "asked":
        return {"ask": Ask.REQUEST, "request": _request, "answer_position": position}
    return {}


def _request(key: Any) -> Payload:
    return Payload(TEXT, b'{"req":"%s"}' % key.encode())


def expects_pong(config: Config) -> bool:
    """Whether only the venue's own pong answers a keepalive."""
    return config.keepalive is not None and config.acks in ("key", "count")


def _keepalive(config: Config) -> Optional[Keepalive]:
    if config.keepalive is None:
        return None
    return Keepalive(every=config.keepalive, send="ping", expect="pong" if expects_pong(config) else None)


def _acks(config: Config) -> Optional[Acks]:
    if not config.acks:
        return None
    topics = "all" if config.acks == "cumulative" else None
    return Acks(by=config.acks, topics=topics, within=ACK_WITHIN, attempts=ACK_ATTEMPTS)
