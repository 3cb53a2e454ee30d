"""Where a message of a key goes: delivered, held or dropped; and what puts a key in doubt or proves it. Pure.

`Keys` adds what heals: the snapshots, and what happens to the lines.

Rules
* A message that joins what was delivered is delivered; one that leaves a hole is held, if a snapshot can heal it.
* A gap is told once, at its place in the order; whether it heals is said with it.
* What is held is bounded over all keys. The key that would go beyond the bound starts over.
"""

from __future__ import annotations

from typing import Any, Hashable, Optional

from ..errors import DataFailed, StreamFailed
from ..events import Gap, Resynced, Snapshot
from .aliases import Named
from .counter import Counter, Held, Numbered, Outcome
from .fetches import Fetches
from .rules import Rules, Scope
from .sequence import Verdict
from .sources import Ask
from .sync import State, Sync

_VAIN = 3
"""From so many snapshots in a row that no message has followed the next one waits."""


class Placement:
    """Owned by: the engine, as part of `Keys`."""

    def __init__(self, rules: Rules, *, wall_ns: int, sized: bool = False) -> None:
        self.rules = rules
        self.out: list[Any] = []
        self.failure: Optional[StreamFailed] = None
        self.syncs: dict[Hashable, Sync] = {}
        self.plain: dict[Hashable, Any] = {}  # LIVE and joined, and the counter they are on: the hot path may deliver
        self.latest: dict[Hashable, Any] = {}
        self.muted: dict[Hashable, None] = {}  # a set that keeps its order: not wanted any more
        self.dropped_keys: dict[Hashable, None] = {}  # those that are DROPPED
        self.fetches = Fetches(rules.fetch_concurrency, rules.fetch_limit, frees=rules.ask is not Ask.FETCH)
        self.messages = self.stale = self.gaps = self.healed = self.unhealed = self.snapshots = self.held = self.held_bytes = 0
        self.sizes: Optional[list[int]] = [] if sized else None  # of the messages and snapshots in `out`
        self.fresh: list[Hashable] = []  # new keys whose silence is to be watched
        self.open_lines = 0
        self.wall_ns = wall_ns  # wall clock at moment 0; the shell may set it again when that clock was changed
        self._lost_at: Optional[float] = None
        self._anchors = rules.source and not rules.whole and rules.splice is not None

    def wall(self, now: float) -> int:
        """Wall clock, nanoseconds since 1970, of a moment of the monotonic clock."""
        return self.wall_ns + int(now * 1e9)

    # ---------------------------------------------------------------- messages

    def find(self, key: Hashable, now: float) -> Optional[Sync]:
        """The state of this key, made if it is new; `None` if it is not wanted, or one too many (then `failure` is set)."""
        sync = self.syncs.get(key)
        if sync is not None:
            return sync
        if key in self.muted:
            return None
        if len(self.syncs) >= self.rules.max_keys:
            self.fail_keys(f"key={self.rules.key_text}")
            return None
        sync = self.syncs[key] = Sync(key, State.SYNCING if self.rules.source else State.LIVE, now)
        if self.rules.source:
            self.fetches.want(sync, now + (self.rules.comes_within or 0.0))
            self.comes(sync, now)
        if self.rules.quiet_after is not None:
            self.fresh.append(key)
        return sync

    def comes(self, sync: Sync, now: float) -> None:
        """A key is subscribed (again): where that begins with a snapshot, one is on its way."""
        if self.rules.comes_within is not None:
            sync.comes_at = now + self.rules.comes_within

    def fail_keys(self, field: str) -> None:
        """One key more than the bound allows."""
        limit = self.rules.max_keys
        text = f"{field}: more than max_keys={limit} different values; is it really what belongs together?"
        self.failure = self.failure or DataFailed(text)

    def place(self, sync: Sync, item: Held, now: float, counter: Optional[Counter] = None) -> None:
        """Deliver the message, hold it, or drop it as stale. `counter`: the one that has numbered it, if one has."""
        if self._renumbered(sync, item, now):
            self.doubt(sync, "restart", sync.delivered, item.first, now)
        if sync.state is State.DROPPED:
            return
        if sync.state is State.SYNCING:
            self._hold(sync, item)
            return
        verdict = self._splices(sync, item)
        if verdict is Verdict.DUPLICATE:
            self.stale += 1
            self._mistrust(sync, now)
            return
        if verdict is Verdict.HOLE:
            self.doubt(sync, "hole", sync.delivered if sync.anchor is None else sync.anchor, item.first, now)
            self._hold(sync, item)
            return
        sync.anchor = None
        if sync.state is State.UNPROVEN:
            self._live(sync, 0, now, item.last)
        self.latest[sync.key] = item.message
        self.out.append(item.message)
        if self.sizes is not None:
            self.sizes.append(item.size)
        self.messages += 1
        self._plain(sync, counter)

    def _renumbered(self, sync: Sync, item: Held, now: float) -> bool:
        """Whether the numbers of this key have started anew, where the messages are counted by other ones."""
        if self.rules.scope is Scope.KEY or self.rules.splice is None:
            return False
        if sync.own is None:
            sync.own = Counter(sync.key, self.rules.splice)
        numbered = Numbered(item.first, item.last, sync.key, item, 0)
        return sync.own.judge(numbered, now, restart_after=self.rules.restart_after) is Outcome.RESTART

    def _mistrust(self, sync: Sync, now: float) -> None:
        """Messages are still below the snapshot: the line may be that late, or the numbers have started anew under it."""
        if sync.state is State.LIVE and now - sync.resynced_at >= self.rules.verify_after:
            sync.lost(sync.anchor, now)
            self.fetches.want(sync, now)

    def _splices(self, sync: Sync, item: Held) -> Verdict:
        """How a message meets the snapshot, or the position before a loss, that it must join."""
        anchor = sync.anchor
        if anchor is None and sync.state is State.UNPROVEN and self._anchors:
            anchor = sync.delivered
        if anchor is None or self.rules.splice is None:
            return Verdict.NEXT
        return self.rules.splice.splice(anchor, item.first, item.last)

    def _hold(self, sync: Sync, item: Held) -> None:
        sync.hold(item)
        self.held += 1
        self.held_bytes += item.size
        if self.overfull():  # this key starts over, with a later snapshot
            self._let_go(sync)
            sync.shed()

    def overfull(self, early: int = 0, early_bytes: int = 0) -> bool:
        """Whether too much is held, together with what waits in reorder windows."""
        return self.held + early > self.rules.hold_limit or self.held_bytes + early_bytes > self.rules.hold_bytes

    def _let_go(self, sync: Sync) -> None:
        """What is held of this key is about to be forgotten."""
        self.held -= sync.held
        self.held_bytes -= sync.held_bytes

    def _keep(self, sync: Sync) -> None:
        """What was let go of was looked through, and this is left."""
        self.held += sync.held
        self.held_bytes += sync.held_bytes

    def _plain(self, sync: Sync, counter: Optional[Counter]) -> None:
        """Let the hot path have this key, if nothing but its counter need be asked about its next message."""
        if sync.state is not State.LIVE or sync.anchor is not None:
            return
        if self.rules.rule is not None and (counter is None or counter.early):
            return
        if self.rules.scope is Scope.KEY or self.rules.splice is None:  # else it has a numbering of its own besides
            self.plain[sync.key] = counter

    # ---------------------------------------------------------------- doubts

    def doubt(self, sync: Sync, reason: str, after: Any, before: Any, now: float, *, since: Optional[float] = None) -> None:
        """Tell a gap of this key; with a source, start to heal it. `after` is the last position before it."""
        dropped = sync.state is State.DROPPED
        if dropped and reason != "restart":
            return
        healing = self.rules.source
        delivered = self._delivered(sync, after)
        sync.gaps += 1
        self.gaps += 1
        self._tell_gap(sync.key, reason, after, before, now, healing=healing, since=since)
        if not healing:
            self.unhealed += 1
            if sync.state is State.UNPROVEN:
                sync.state = State.LIVE
            return
        sync.doubts += 1
        self.plain.pop(sync.key, None)
        if reason == "restart":
            delivered = None
            self._forget(sync)
        comes = self.rules.comes_within is not None and sync.state is State.UNPROVEN  # by itself, and was not asked for
        waits = sync.fetch_at is not None and (sync.state is State.SYNCING or sync.attempts > 0 or comes)  # keeps its back-off
        pause = self._pause(sync, isinstance(self.latest.get(sync.key), Snapshot)) if sync.state is State.LIVE else 0.0
        sync.doubt(delivered, now)
        if not waits and not dropped:
            self.fetches.want(sync, now + pause)

    def _pause(self, sync: Sync, vain: bool) -> float:
        """Seconds before it is asked again. `vain`: no message has followed the last snapshot; two may be late, more are not."""
        sync.vain = sync.vain + 1 if vain else 0
        return 0.0 if sync.vain < _VAIN else self.rules.fetch_backoff.delay(sync.vain - _VAIN, 1.0)

    def _tell_gap(
        self, key: Hashable, reason: str, after: Any, before: Any, now: float, *, healing: bool, since: Optional[float] = None
    ) -> None:
        rule = self.rules.rule
        counted = rule is not None and reason == "hole" and after is not None and before is not None
        self.out.append(
            Gap(
                key=key,
                at_ns=self.wall(now),
                reason=reason,
                after=after,
                before=before,
                missing=rule.missing(after, before) if rule is not None and counted else None,
                healing=healing,
                since_ns=None if since is None else self.wall(since),
                until_ns=self.wall(now),
            )
        )

    def _forget(self, sync: Sync) -> None:
        """The numbers start anew: what is held and what is on its way counts in the old ones."""
        self._let_go(sync)
        sync.clear()
        sync.delivered = None
        if self.rules.comes_within is None:  # else it comes in the order of the line, in whatever numbers those are
            self.fetches.withdraw(sync)

    def _delivered(self, sync: Sync, after: Any) -> Any:
        """The position of this key delivered last; `after` is where its own counter stood."""
        if sync.anchor is not None:
            return sync.anchor
        if sync.state is not State.LIVE:
            return sync.delivered
        if sync.counter is not None and self.rules.splice_last is None:
            return after
        message = self.latest.get(sync.key)
        if self.rules.splice_last is None or message is None or isinstance(message, Snapshot):
            return sync.delivered
        return self.rules.splice_last(message.message if isinstance(message, Named) else message)

    def missed(self, key: Hashable, after: Any, before: Any, now: float) -> None:
        """Something is missing of a key that was not seen yet, or (`None`) of nobody knows which. A source begins each anyway."""
        if not self.rules.source:
            self.gaps += 1
            self.unhealed += 1
            self._tell_gap(key, "hole", after, before, now, healing=False)

    def unproved(self, sync: Sync, now: float) -> None:
        """A message comes on a counter this key was never seen on: that proves nothing, unless it can be joined itself."""
        if sync.state is State.UNPROVEN and not (self._anchors and sync.delivered is not None):
            self.doubt(sync, "reconnect", sync.delivered, None, now, since=self._lost_at)

    def anew(self, sync: Sync, first: Any, now: float) -> None:
        """The numbers of this key start anew by right, with a message that goes on from what was delivered."""
        if sync.state is State.UNPROVEN or sync.anchor is not None:  # or perhaps not: nothing has joined that yet
            self.doubt(sync, "restart", sync.delivered, first, now)
        elif sync.state is State.SYNCING:
            due_at = sync.fetch_at  # keeps its back-off
            self._forget(sync)
            self.fetches.want(sync, now if due_at is None else due_at)

    def prove(self, sync: Sync, now: float) -> None:
        """The counter of this key has gone on without a hole."""
        if sync.state is State.UNPROVEN:
            self._live(sync, 0, now, sync.delivered)

    def _live(self, sync: Sync, replayed: int, now: float, position: Any) -> None:
        """The key is complete again, or as incomplete as it was before the doubt."""
        sync.live()
        if sync.incomplete:
            self._ask_later(sync, now)
            return
        self.fetches.withdraw(sync)
        sync.attempts = sync.behind = 0
        sync.healed += sync.doubts
        self.healed += sync.doubts
        sync.doubts = 0
        sync.resynced_at = now
        self.out.append(
            Resynced(key=sync.key, at_ns=self.wall(now), position=position, replayed=replayed, seconds=now - sync.since)
        )

    def _ask_later(self, sync: Sync, now: float) -> None:
        """Trouble of the source passes; a key that was given up is asked for at the policy's longest wait."""
        self.fetches.withdraw(sync)
        self.fetches.want(sync, now + self.rules.fetch_backoff.maximum)

    def _lose(self, sync: Sync, now: float) -> None:
        """No line is open: a complete key has to be proved; one that no message can prove is in doubt."""
        self.plain.pop(sync.key, None)
        if sync.fetching and self.rules.ask is not Ask.FETCH:  # what was asked on a line is over with it
            self.fetches.withdraw(sync)
            self.fetches.want(sync, now)
        delivered = self._delivered(sync, sync.counter.position if sync.counter is not None else None)
        provable = self.rules.proves and (sync.counter is not None or delivered is not None or self.rules.scope is Scope.SHARED)
        if provable and sync.state is not State.SYNCING:
            sync.lost(delivered, now)
            self.fetches.withdraw(sync)  # an answer to what was asked before proves nothing after
        elif provable and self.rules.scope is not Scope.CONNECTION:
            if sync.fetching:  # its counter goes on and will show a hole, but what was asked for may be older than that
                sync.cut()
            elif self.rules.reset is not None and sync.segments and sync.segments[-1]:
                sync.crossed = True  # numbers that start anew by right show no hole before them
        elif self.rules.source:
            self.doubt(sync, "reconnect", delivered, None, now, since=self._lost_at)
