"""The snapshot service: what it answers, when, and which answers no longer count. Pure.

Checks: `concurrency`, `late`, `pace`. The last one: after an answer that was of no use a key is asked for again no sooner than
the policy says; nor after an overload, or a reconnect after which a message may prove it. Known limit: a key whose source was
given up may be mistrusted because of old messages, and is then asked for at once.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple, Optional

from syncstream.errors import FetchError, Severity
from syncstream.events import Gap, Resynced, Snapshot

from .config import FETCH_BACKOFF, FETCH_LIMIT, RESYNC_INTERVAL, VERIFY_AFTER, Config
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
        self.before_loss: set[int] = set()  # epochs of requests that the loss of all lines may have made pointless, or not
        self.not_before: dict[str, float] = {}  # when a key may be asked for again at the soonest
        self.verified_at = 0.0  # until then a message may prove what was complete
        self.failures: Counter[str] = Counter()  # in a row, without those that got no answer: the wait is that long at least
        self.given_up: set[str] = set()
        self.anew: set[str] = set()  # keys whose numbers have started anew by right: that ends a request, and nobody is told
        self.complete: dict[str, float] = {}  # keys that were told to be, and when

    def asked(self, key: str, epoch: int, now: float, *, wanted: bool) -> Request:
        """A request goes out. Not `wanted`: a snapshot that came by itself, in the same moment, has made it pointless already."""
        request = Request(key, epoch, now)
        self.expire(now)
        soonest = self.not_before.pop(key, now)
        require(now >= soonest - 1e-9, "pace", f"{key} is asked for at {now}, {soonest - now:.3f} s too soon")
        self.under_way[epoch] = request
        if not wanted:
            self.dead.add(epoch)
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

    def counts(self, reply: Reply, chance: float, now: float) -> None:
        """It came in, and this dice was thrown: unless it turns out to be of use (see `told`), the next one has to wait."""
        key = reply.request.key
        if reply.request.epoch in self.before_loss or key in self.given_up or key in self.anew:
            return
        wait = chance * min(FETCH_BACKOFF.maximum, FETCH_BACKOFF.base * 2.0 ** min(self.failures[key], 100))
        if reply.error is not None:
            wait += reply.error.retry_after or 0.0
        self.failures[key] += 1
        self.not_before[key] = now + wait

    def told(self, item: Any, now: float) -> None:
        """What the engine says of a key ends its requests, and the wait for the next one."""
        if not isinstance(item, (Gap, Resynced, Snapshot)):
            return
        key = str(item.key)
        if not isinstance(item, Gap) or item.reason in ("restart", "drop", "unhealed"):
            self._end(key)
        if isinstance(item, Gap):
            self._told_gap(key, item, now)
            return
        self.failures[key] = 0
        self.not_before.pop(key, None)
        self.given_up.discard(key)
        if isinstance(item, Resynced):
            self.complete[key] = now

    def _told_gap(self, key: str, gap: Gap, now: float) -> None:
        since = self.complete.pop(key, None)
        if gap.reason == "unhealed":
            self.failures[key] = 0
            self.given_up.add(key)
            self.not_before.pop(key, None)
        elif gap.reason == "drop" and since is not None:
            self.not_before[key] = since + RESYNC_INTERVAL
        elif gap.reason in ("drop", "restart") or not self.failures[key] or self.not_before.get(key) == self.verified_at:
            self.not_before.pop(key, None)  # a hole is no longer to be proved; what it waits for after an answer may be sooner

    def cut_off(self) -> None:
        """No line is open any more. What waits for an answer, or for the next request, may be proved by a message now."""
        self.not_before.clear()
        self.before_loss.update(self.under_way)

    def reopened(self, now: float) -> None:
        """The first line is open again: what was complete may be proved by a message, and is not asked for at once."""
        self.verified_at = now + VERIFY_AFTER
        for key in self.complete:
            self.not_before[key] = self.verified_at

    def withdraw(self, key: str) -> None:
        """It is not wanted any more."""
        self._end(key)
        self.not_before.pop(key, None)
        self.complete.pop(key, None)
        self.failures.pop(key, None)
        self.given_up.discard(key)

    def _end(self, key: str) -> None:
        self.dead.update(request.epoch for request in self.under_way.values() if request.key == key)
