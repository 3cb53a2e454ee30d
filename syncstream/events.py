"""What a stream yields besides messages, and the picture of its state.

Every marker is an instance of `Event` and names its key (`None`: every key of the stream); a message never is one, so
`isinstance(item, Event)` always tells them apart. `Event.in_default_view` says whether a plain `for` loop sees it: only what
changes the consumer's local state. Times that end in `_ns` are wall clock, nanoseconds since 1970. Pure values, no thread.
"""

from __future__ import annotations

from typing import Any, Hashable, Mapping, Optional

import msgspec

from .secret import scrub, scrub_bytes


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """A marker in the order of the messages. `key` is what it is about; `None` means every key."""

    key: Optional[Hashable] = None
    at_ns: int = 0

    @property
    def in_default_view(self) -> bool:
        return False


class Connected(Event, frozen=True, kw_only=True):
    """A line is open and has been subscribed. `attempt` counts from 1 since the last line that proved itself."""

    line: int = 0
    attempt: int = 1


class Disconnected(Event, frozen=True, kw_only=True):
    """A line was lost or an attempt failed. `retry_in` seconds; `None`: never, it was the last one, and `Closed` follows.

    `code`: a WebSocket close code. The venue's, whichever it sent; or ours, for what broke the standard or a bound: 1002, 1007,
    1009; or 1006: the connection ended or broke without a close frame. `None` where there is no code: a close frame that has
    none, an attempt that failed, and whenever we gave the line up: silence, an opening script that did not go through, a
    lifetime that is over, a venue that asked to reconnect.
    """

    line: int = 0
    reason: str = ""
    code: Optional[int] = None
    retry_in: Optional[float] = None

    def __post_init__(self) -> None:
        _hide(self, reason=scrub(self.reason, cut=True))  # it may be the venue's, who may repeat what it was told


class Gap(Event, frozen=True, kw_only=True):
    """Something is missing between the message before and the message after.

    `after` is the last position applied, `before` the one that showed the hole (each `None` where unknown); `missing` how many
    positions, where they can be counted. `reason`: `"hole"`, `"reconnect"`, `"restart"`, `"drop"`, `"quiet"`, `"checksum"` (what
    was delivered is wrong), `"unreadable"` (a book could not follow it), `"unnamed"` (messages came before the venue told whose
    they are, see `Feed.alias`) or `"unhealed"`.
    With `healing` a snapshot will follow; otherwise nothing can heal it and the default view shows it.
    """

    reason: str = "hole"
    after: Any = None
    before: Any = None
    missing: Optional[int] = None
    healing: bool = False
    since_ns: Optional[int] = None
    until_ns: Optional[int] = None

    @property
    def in_default_view(self) -> bool:
        return not self.healing


class Snapshot(Event, frozen=True, kw_only=True):
    """The authoritative state of a key: replace what you have by `state`. Messages that follow go on from `position`.

    `position` is `None` where the snapshot carries none; it still replaces the state whole.
    """

    position: Any = None
    state: Any = None

    @property
    def in_default_view(self) -> bool:
        return True


class Dropped(Event, frozen=True, kw_only=True):
    """`count` messages of this key were thrown away because the consumer was too slow."""

    count: int = 0

    @property
    def in_default_view(self) -> bool:
        return True


class Resynced(Event, frozen=True, kw_only=True):
    """A key is live and complete again, after `seconds`. `replayed` held messages followed the snapshot, if one was needed."""

    position: Any = None
    replayed: int = 0
    seconds: float = 0.0


class Stale(Event, frozen=True, kw_only=True):
    """Nothing but pongs for `silence` seconds, where no heartbeat was declared: perhaps a dead feed, perhaps a quiet market.

    With a `key`: nothing of this key for longer than its `quiet_after`, while the line is alive.
    """

    silence: float = 0.0


class Subscribed(Event, frozen=True, kw_only=True):
    """A topic is subscribed: the venue has acknowledged it, or its first data came. `topic` is `None` for a fixed payload."""

    topic: Optional[Hashable] = None


class Refused(Event, frozen=True, kw_only=True):
    """A topic was refused, or nothing came of it in time. `reason` in words; `topic` is `None` where that is not known.

    `retry_in`: seconds until it is asked for again; `None`: not again on this connection.
    """

    topic: Optional[Hashable] = None
    reason: str = ""
    retry_in: Optional[float] = None


class Quarantined(Event, frozen=True, kw_only=True):
    """Something was kept aside, and the stream goes on. `reason` is what went wrong.

    A frame that could not be understood: `raw` is its beginning. Or, with `on_error="quarantine"`, an item of `key` at which a
    callback failed: `raw` is empty, the item is in `stream.set_aside`.
    """

    reason: str = ""
    raw: bytes = b""

    def __post_init__(self) -> None:
        _hide(self, reason=scrub(self.reason, cut=True), raw=scrub_bytes(self.raw))


class Closed(Event, frozen=True, kw_only=True):
    """The last item of `events()`. `error` is the text of the failure that ended the stream, or empty after `close()`."""

    error: str = ""


class KeyStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One key as the reader last saw it. `held` messages wait for a snapshot.

    `state`: `"live"`; `"syncing"`, in doubt and being healed; or `"incomplete"`: its snapshot source was given up, messages go on
    without a beginning, and from time to time it is asked again.
    """

    state: str = "syncing"
    position: Any = None
    gaps: int = 0
    healed: int = 0
    held: int = 0


class TopicStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One topic as the open connection knows it; `asked` times on it.

    `state`: `"wanted"`, not yet asked for; `"sent"`; `"acknowledged"` by the venue; `"live"`, data of its key has come; or
    `"refused"`, with the `reason`: it is asked for again with the next connection.
    """

    state: str = "wanted"
    asked: int = 0
    reason: str = ""


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """The stream at one moment. Replaced as a whole, never changed.

    `state`: `"connecting"`, `"live"` (a line is open), `"syncing"` (open, some keys not yet complete), `"waiting"` (before the
    next attempt), `"closed"` or `"failed"`.
    """

    state: str = "connecting"
    lines: int = 0  # open lines
    connects: int = 0  # lines opened since the start
    reconnects: int = 0
    messages: int = 0  # delivered towards the consumer
    duplicates: int = 0
    gaps: int = 0
    healed: int = 0
    unhealed: int = 0
    snapshots: int = 0
    dropped: int = 0
    quarantined: int = 0
    keyless: int = 0
    late_answers: int = 0  # of an older epoch, counted and ignored
    held: int = 0
    queued: int = 0  # items waiting for the consumer
    depth: int = 0  # what the bound counts: the same, and what workers have in hand
    high_water: int = 0  # the greatest depth so far
    queued_bytes: int = 0  # of `depth`, as they came over the line, inflated; 0 where `queue_bytes` is off
    lag: Optional[float] = None  # seconds since the oldest item came that waits; None: nothing does
    syncing: int = 0  # keys that are not live
    silence: Optional[float] = None  # seconds since the last message
    error: str = ""
    keys: Mapping[Hashable, KeyStatus] = {}
    topics: Mapping[Hashable, TopicStatus] = {}


def _hide(event: Event, **shown: Any) -> None:
    """What an event shows instead, decided while it is made."""
    for field, value in shown.items():
        msgspec.structs.force_setattr(event, field, value)
