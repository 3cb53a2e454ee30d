"""The consumer's queue without its lock: `Backlog` and `Pressure` put together as the real hand-off does. Pure.

Checks: `bounds` (what is queued, and whether reading goes on), `failure` and `loud` (the queue fails as its policy says).
"""

from __future__ import annotations

from typing import Any, Hashable, Optional

from syncstream.core.backlog import Backlog
from syncstream.core.items import keys_of, shown
from syncstream.core.pressure import Pressure, Verdict
from syncstream.errors import Overflow
from syncstream.events import Closed

from .config import key_of
from .violation import require

BLOCK_LIMIT = 6.0


class Outlet:
    """Owned by: its world."""

    def __init__(self, policy: str, maxsize: int, view: str, *, heals: bool) -> None:
        self.backlog = Backlog(maxsize, heals=heals, conflates=policy == "conflate")
        self.pressure = Pressure(maxsize, policy=policy, block_limit=BLOCK_LIMIT)
        self.policy = policy
        self.view = view
        self.maxsize = maxsize
        self.error: Optional[Overflow] = None
        self.over = False
        self.stalled = False
        self.drops = 0
        self.full_since: Optional[float] = None  # with "block": since when nothing should be read

    def start(self) -> None:
        """The consumer begins: the view is fixed."""
        if self.backlog.view is None:
            self.backlog.fix(self.view)
            self.pressure.eased(self.backlog.depth)

    def put(self, items: list[Any], now: float) -> list[Hashable]:
        """A batch; returns the keys that lost something."""
        if items and isinstance(items[-1], Closed):
            items = items[:-1]
        items = shown(items, self.backlog.view)
        if self.over:
            self.backlog.refuse(items)
            return []
        consumed = self.backlog.view is not None
        verdict = self.pressure.arrived(self.backlog.depth + len(items), now, consumed=consumed)
        if verdict is Verdict.FITS:
            self.backlog.append(items)
            depth = self.backlog.depth
            require(depth <= self.maxsize or self.policy == "block", "bounds", f"{depth} items are queued")
            if depth >= self.maxsize and self.policy == "block":
                require(self.paused, "bounds", f"{depth} items are queued, and reading goes on")
                self.full_since = now if self.full_since is None else self.full_since
        elif verdict is Verdict.FAILS:
            require(consumed and self.policy == "raise", "failure", f"the queue overflows; consumed={consumed}, {self.policy}")
            room = max(0, self.maxsize - self.backlog.depth)
            self.backlog.append(items[:room])
            self.backlog.refuse(items[room:])
            self._fail()
        else:
            require(self.policy != "raise" or not consumed, "loud", "the queue overflows, and what is thrown away is no error")
            return self._make_room(items)
        return []

    def tick(self, now: float) -> list[Hashable]:
        verdict = self.pressure.expired(now, consumed=self.backlog.view is not None)
        if verdict is not None:
            long = self.full_since is not None and now >= self.full_since + BLOCK_LIMIT
            require(long, "failure", f"the queue was full since {self.full_since}, and that was too long at {now}")
            self.full_since = None
        if verdict is Verdict.FAILS:
            self._fail()
        return self._make_room([]) if verdict is Verdict.DROPS else []

    def close(self) -> None:
        """The stream is over: nothing more comes in, and nobody waits for room."""
        self.over = True
        self.full_since = None
        self.pressure.end()

    def _fail(self) -> None:
        self.error = Overflow("the consumer is too slow")
        self.close()

    def _make_room(self, batch: list[Any]) -> list[Hashable]:
        seen = self.backlog.look(batch)
        lost = self.backlog.make_room(batch, seen, keys_of(seen.items, key_of), 0)
        assert lost is not None  # nobody takes between the two
        if not self.relieved:
            self.pressure.press()
        self.drops += 1
        require(self.backlog.depth <= self.maxsize, "bounds", f"{self.backlog.depth} of {self.maxsize} items are queued")
        return lost

    def take(self, most: int) -> list[Any]:
        """The consumer takes."""
        self.start()
        items = self.backlog.take(most)
        if len(self.backlog.queue) < self.pressure.alarm:
            self.pressure.eased(self.backlog.depth)
        if not self.paused:
            require(self.full_since is None or self.relieved, "bounds", f"reading goes on with {self.backlog.depth} items queued")
            self.full_since = None
        require(
            not self.paused or not self.relieved, "bounds", f"nothing is read, and only {self.backlog.depth} items are queued"
        )
        return items

    @property
    def paused(self) -> bool:
        return self.pressure.paused_at is not None

    @property
    def relieved(self) -> bool:
        return self.pressure.relieved(self.backlog.depth)
