"""What the engine is told about a venue: a `Feed` boiled down to callables and numbers. Pure, frozen.

The core does not know `Feed`; `feed.Feed.rules()` makes this from one. Getters raise one of `paths.MISSING` where a message has
no such place.
"""

from __future__ import annotations

import enum
from typing import Any, Callable, Hashable, Mapping, Optional, Sequence

import msgspec

from .actions import Payload
from .backoff import Backoff
from .budget import Budget
from .failures import Failures
from .keepalive import Keepalive
from .liveness import Liveness
from .opening import Step
from .paths import Getter
from .sequence import Rule
from .sources import Ask
from .subscriptions import Acks


class Kind(enum.Enum):
    """What `classify` may say a message is. `DATA` if it says nothing. Only data and snapshots are delivered.

    What each of them proves stands in `core.liveness`.
    """

    DATA = "data"
    SNAPSHOT = "snapshot"  # in-band: replaces the state of its key
    HEARTBEAT = "heartbeat"
    IGNORE = "ignore"  # as if it had not come
    ACK = "ack"  # a subscription was accepted: see `Acks`; so is an unsubscription where they are counted, else ignore it
    ERROR = "error"  # a subscription was refused
    LIMITED = "limited"  # too much was asked for at once: nothing is refused, and what was is asked for again, with a back-off
    PONG = "pong"  # the answer to our keepalive: proves the transport, not the feed
    CHALLENGE = "challenge"  # wants an answer: see `Feed.answer`
    RECONNECT = "reconnect"  # the venue asks us to connect anew
    PAUSE = "pause"  # the venue will be silent, until RESUME or RESUBSCRIBE
    RESUME = "resume"  # it speaks again; subscribe again
    RESUBSCRIBE = "resubscribe"  # subscribe again


DELIVERED = (Kind.DATA, Kind.SNAPSHOT)


class Scope(enum.Enum):
    """What a counter counts."""

    KEY = "key"
    CONNECTION = "connection"
    SHARED = "shared"  # something else: a channel, a subscription; `Rules.counter` tells which


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """Owned by nobody: frozen. The getters for `first` and `last` are the same object where a message has one number."""

    decode: Callable[[bytes, bool], Any]
    key: Optional[Getter] = None
    key_text: str = "None"  # as the user wrote it, for errors
    key_may_miss: bool = True  # a path that is not there means "no key"; a callable that raises means trouble
    classify: Optional[Callable[[Any], Optional[Kind]]] = None
    alias: Optional[Callable[[Any], Optional[tuple[Hashable, Hashable]]]] = None
    transform: Optional[Callable[[bytes], bytes]] = None
    split: Optional[Callable[[Any], Optional[Sequence[Any]]]] = None
    split_path: Optional[tuple[str, ...]] = None  # see `parts.Parts`
    fields: Callable[[Any], list[str]] = lambda message: [type(message).__name__]

    rule: Optional[Rule] = None
    rule_text: str = "None"
    first: Optional[Getter] = None
    last: Optional[Getter] = None
    idle: Optional[Getter] = None  # whether a message only says where its counter stands
    reset: Optional[Getter] = None  # whether the numbers start anew with it
    scope: Scope = Scope.KEY
    counter: Optional[Getter] = None
    reorder: float = 0.0
    restart_after: int = 100

    source: bool = False
    ask: Ask = Ask.FETCH
    comes_within: Optional[float] = None  # so soon a snapshot comes by itself after each subscription; None: it does not
    request: Optional[Callable[[Hashable], Payload]] = None  # for Ask.REQUEST
    answer_position: Optional[Getter] = None
    whole: bool = False
    splice: Optional[Rule] = None
    splice_first: Optional[Getter] = None
    splice_last: Optional[Getter] = None
    verify_after: float = 5.0
    resync_interval: float = 1.0
    fetch_backoff: Backoff = Backoff(base=0.5)
    fetch_attempts: int = 8
    fetch_concurrency: int = 4
    fetch_limit: float = 15.0

    heartbeat: Optional[float] = None
    liveness: Liveness = Liveness()
    backoff: Backoff = Backoff()
    dial_limit: float = 15.0
    close_limit: float = 1.0
    answer_limit: float = 0.1  # a venue that breaks the protocol: so long may what came before be answered
    first_live_limit: float = 60.0
    first_data_limit: float = 30.0

    opening: tuple[Step, ...] = ()
    literals: Mapping[bytes, Kind] = {}
    answer: Optional[Callable[[Any], Optional[Payload]]] = None
    keepalive: Optional[Keepalive] = None
    keepalive_payload: Optional[Callable[[], Payload]] = None  # none: a WebSocket ping
    quiet_after: Optional[Callable[[Hashable], Optional[float]]] = None
    lifetime: Optional[float] = None
    failures: Failures = {}

    asks: bool = False  # there is something to subscribe with
    leaves: bool = False  # single topics can be left and subscribed again
    acks: Optional[Acks] = None
    ack_id: Optional[Getter] = None
    ack_topics: Optional[Getter] = None
    topic_data_limit: Optional[float] = None
    send_budget: Optional[Budget] = None

    max_message_size: int = 16 * 1024 * 1024
    max_fragments: int = 128 * 1024
    max_keys: int = 100_000
    hold_limit: int = 100_000
    hold_bytes: int = 256 * 1024 * 1024

    @property
    def heals_drops(self) -> bool:
        """Whether what a slow consumer has missed is healed by a snapshot. It is no reason for a new connection."""
        return self.source and self.ask is not Ask.RECONNECT

    @property
    def proves(self) -> bool:
        """Whether a message after a reconnect can prove that nothing was missed in between."""
        if self.rule is None:
            return False
        if self.scope is Scope.CONNECTION:
            return self.splice is not None and self.splice.detects
        return self.rule.detects and self.rule.start is None  # else it begins anew, whatever was missed
