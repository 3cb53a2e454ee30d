"""The snapshot service: what it answers, when, and which answers no longer count. Pure.

Checks: `concurrency`, `late`.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Optional

from syncstream.errors import FetchError, Severity
from syncstream.events import Gap, Resynced

from .config import FETCH_LIMIT, Config
from .venue import Answer, Venue
from .violation import require

MODES = ("ok", "stale", "cached", "fail", "slow", "fatal", "lost", "odd")
_SEVERITIES = {"fail": Severity.RETRY, "slow": Severity.SLOW, "fatal": Severity.FATAL}


class Request(NamedTuple):
    """One request under way, or answered."""

    key: str
    epoch: int
    asked_at: float


class Reply(NamedTuple):
    """What comes back: an answer, or an error."""

    request: Request
    position: Any
    state: Any
    error: Optional[FetchError]


class Service:
    """Owned by: its world."""

    def __init__(self, venue: Venue, config: Config) -> None:
        self.venue = venue
        self.config = config
        self.mode = "ok"
        self.latency = 0.05
        self.retry_after: Optional[float] = None
        self.cache: dict[str, Answer] = {}
        self.under_way: dict[int, Request] = {}  # not answered, and not given up
        self.dead: set[int] = set()  # epochs whose answer, if it comes, must change nothing
        self.untrue: set[str] = set()  # keys of which an old state was given out
        self.crossed = False  # a state of an older era was given out
        self.replies: list[Reply] = []  # the last few that came in

    def asked(self, key: str, epoch: int, now: float) -> Request:
        """A request goes out."""
        request = Request(key, epoch, now)
        self.expire(now)
        self.under_way[epoch] = request
        limit = self.config.concurrency
        require(len(self.under_way) <= limit, "concurrency", f"{len(self.under_way)} requests at once, the limit is {limit}")
        return request

    def reply(self, request: Request) -> Optional[Reply]:
        """What the service makes of it, at the moment it looks; `None`: nothing, ever."""
        mode, key = self.mode, request.key
        if mode == "lost":
            return None
        if mode in _SEVERITIES:
            error = FetchError(f"{mode} of {key}", severity=_SEVERITIES[mode], retry_after=self.retry_after)
            return Reply(request, None, None, error)
        answer = self.venue.answer(key)
        tells = self.config.source != "whole" and self.config.scope != "growing"  # whether one can see that a state is old
        if mode == "stale" and tells:
            answer = self.venue.answer(key, max(0, answer.version - 3))
        if mode == "cached" and tells:
            answer = self.cache.setdefault(key, answer)
        if answer.version < self.venue.keys[key].version:
            self.untrue.add(key)
        self.crossed |= answer.era != self.venue.keys[key].era
        position: Any = answer.position
        if self.config.source == "whole":
            position = "none"
        elif mode == "odd":
            position = "odd"
        return Reply(request, position, answer, None)

    def expire(self, now: float) -> None:
        """Requests whose time is over do not count any more."""
        for request in list(self.under_way.values()):
            if now >= request.asked_at + FETCH_LIMIT:
                self.dead.add(request.epoch)
                del self.under_way[request.epoch]

    def answered(self, reply: Reply) -> bool:
        """It comes in. True if it must change nothing."""
        epoch = reply.request.epoch
        was_dead = epoch in self.dead
        self.under_way.pop(epoch, None)
        self.dead.add(epoch)
        self.replies = [*self.replies[-7:], reply]
        return was_dead

    def told(self, item: Any) -> None:
        """What the engine says of a key ends its requests."""
        if isinstance(item, Resynced) or (isinstance(item, Gap) and item.reason in ("restart", "drop", "unhealed")):
            self.withdraw(str(item.key))

    def withdraw(self, key: str) -> None:
        self.dead.update(request.epoch for request in self.under_way.values() if request.key == key)
