"""Snapshots that come over the line, and how one is asked for: by a new subscription, a new connection, or a request. Pure.

The values are what `Feed.snapshot` takes beside `Rest`. What comes is a message that `classify` calls `Kind.SNAPSHOT`.

Rules
* What a subscription begins with comes by itself, within `within` seconds; only then is it asked for. So it is after a reconnect.
* It ends what was asked for its key, and stands in the order of the line: what came before is covered, what comes after follows.
  The answer to a `Request` that has a position is joined by that, as one by `Rest` is.
* Whatever was asked on a connection is over with it.
"""

from __future__ import annotations

import enum
from typing import Any, Callable, Optional, Union

from ..errors import FeedError
from .backoff import Backoff
from .options import Options, check_count, check_seconds, shape
from .paths import Path


class Ask(enum.Enum):
    """How a snapshot is asked for."""

    FETCH = "fetch"  # by an action of its own; the answer names its epoch
    RESUBSCRIBE = "resubscribe"
    RECONNECT = "reconnect"
    REQUEST = "request"


class Resubscribe(Options, frozen=True, kw_only=True):
    """A key is healed by leaving its topics and subscribing to them again: the venue begins every subscription with a snapshot.

    It needs `subscribe` and `unsubscribe` as callables, and `topic_key` where a topic is not its key. `within`: seconds for the
    snapshot, of the first subscription as of every later one. One key is tried `attempts` times, with `backoff` between, before
    its gap is given up; up to `concurrency` keys are under way at once.

    What comes while a topic is left is lost. Where no snapshot makes up for that and no sequence shows it, a gap tells it, with
    `since_ns` and `until_ns`: between which messages it was nobody can see.
    """

    within: float = 10.0
    attempts: int = 8
    backoff: Backoff = Backoff(base=0.5)
    concurrency: int = 4

    def __post_init__(self) -> None:
        _check_pace(self)

    def rules(self) -> dict[str, Any]:
        """The fields of `Rules` that this says."""
        return {"ask": Ask.RESUBSCRIBE, "comes_within": self.within, **_pace(self)}


_LATER = Backoff(base=1.0, maximum=300.0)
"""A key that no new connection has healed is no reason to leave one more often: all the others pay for it."""


class Reconnect(Options, frozen=True, kw_only=True):
    """Keys are healed by a new connection, all at once: the venue begins every subscription with a snapshot.

    The line is dialled again at once if it has proved itself, else after `Feed.backoff`. `within`: seconds for the snapshot, from
    when the line is open. A key without one after `attempts` connections is given up, and asked for every five minutes.
    """

    within: float = 10.0
    attempts: int = 3

    def __post_init__(self) -> None:
        check_seconds("within", self.within)
        check_count("attempts", self.attempts)

    def rules(self) -> dict[str, Any]:
        """The fields of `Rules` that this says."""
        return {
            "ask": Ask.RECONNECT,
            "comes_within": self.within,
            "fetch_limit": self.within,
            "fetch_attempts": self.attempts,
            "fetch_backoff": _LATER,
            "fetch_concurrency": 1 << 30,
        }


class Request(Options, frozen=True):
    """A snapshot is asked for over the line: `payload` (key → what to send) is pure and runs on the reader.

    The answer is the message of that key that `classify` calls `Kind.SNAPSHOT`. `position`: where it says at which position it
    was taken (a name, a dotted path, or a callable message → position). `whole=True`: it says none, and replaces the state as of
    its place on the line. `within`: seconds for the answer. The rest is as with `Resubscribe`.
    """

    payload: Callable[[Any], Any]
    position: Optional[Path] = None
    whole: bool = False
    within: float = 10.0
    attempts: int = 8
    backoff: Backoff = Backoff(base=0.5)
    concurrency: int = 4

    def __post_init__(self) -> None:
        given: object = self.payload
        if not callable(given):
            raise FeedError("payload", type(given), "expected a callable: key -> what to send")
        check_position(self.position, self.whole)
        _check_pace(self)

    def rules(self) -> dict[str, Any]:
        """The fields of `Rules` that this says, but for the callables."""
        return {"ask": Ask.REQUEST, **_pace(self)}

    def __repr__(self) -> str:
        place = shape(self.position) if callable(self.position) else repr(self.position)
        return f"Request({shape(self.payload)}, {'whole=True' if self.whole else f'position={place}'})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:  # else rich shows every field of a Struct
        place = shape(self.position) if callable(self.position) else self.position
        return [("", shape(self.payload)), ("whole", True) if self.whole else ("position", place)]


def _check_pace(source: Union[Resubscribe, Request]) -> None:
    check_seconds("within", source.within)
    check_count("attempts", source.attempts)
    check_backoff(source.backoff)
    check_count("concurrency", source.concurrency)


def _pace(source: Union[Resubscribe, Request]) -> dict[str, Any]:
    """How often, and how many at once, as `Rules` has it."""
    return {
        "fetch_limit": source.within,
        "fetch_attempts": source.attempts,
        "fetch_backoff": source.backoff,
        "fetch_concurrency": source.concurrency,
    }


def check_position(position: Optional[Path], whole: bool) -> None:
    """Raise `FeedError` unless a snapshot has a position, or is one that needs none."""
    if position is not None and whole:
        raise FeedError("whole", True, "a snapshot with a position is joined by it; give one or the other")
    if position is None and not whole:
        raise FeedError("position", None, "say where the snapshot's position stands, or that it replaces the state (whole=True)")


def check_backoff(backoff: object) -> None:
    """Raise `FeedError` for what is no back-off of a snapshot."""
    if not isinstance(backoff, Backoff):
        raise FeedError("backoff", backoff, "expected Backoff(...)")
    if backoff.max_attempts is not None or backoff.max_elapsed is not None:
        raise FeedError("backoff", backoff, "max_attempts and max_elapsed are about lines; here attempts= says how often")
