"""All keys of a stream: what is delivered, held or dropped, what is in doubt, and how it is healed. Pure.

Rules (the contract, per key)
* Between two delivered messages that do not follow each other stands a `Snapshot`, a `Gap` or a `Dropped`.
* A doubted key with a snapshot source is held and healed; without one the gap is told and the key goes on.
* A key that was complete when the line was lost is proved by the first message that goes on from it; if it stays silent it is
  fetched. Where a message cannot prove that, every key is fetched, or one gap for all is told.
* A source that does not answer is given up after so many attempts: the gap is told, and what was held is delivered. The key is
  then incomplete. It is asked for again from time to time, and what comes is held only while an answer is awaited.
"""

from __future__ import annotations

import math
from typing import Any, Hashable, Iterable, Iterator, NamedTuple, Optional

from ..errors import FetchError, Severity, SnapshotFailed
from ..events import KeyStatus, Snapshot
from .counter import Held
from .placement import Placement
from .sequence import Verdict
from .sources import Ask
from .sync import Fit, State, Sync

_BEHIND_COUNT = 3
_BEHIND_AFTER = 2.0
_BEHIND_ALONE_AFTER = 60.0


class Fetch(NamedTuple):
    """Action: ask for the snapshot of `key`; the answer names `epoch`."""

    key: Hashable
    epoch: int


class Keys(Placement):
    """Owned by: the engine."""

    # ---------------------------------------------------------------- snapshots

    def due(self, now: float) -> Iterator[Fetch]:
        """The requests to send now. To be asked only while a line is live: else deltas to join would be missing."""
        while True:
            sync = self.fetches.take(now)
            if sync is None:
                return
            if sync.incomplete and sync.state is not State.SYNCING:
                self._hold_again(sync, now)
            elif self._leaves:
                sync.cut()
            sync.asked()
            self.comes(sync, now)
            yield Fetch(sync.key, sync.epoch)

    def stranded(self, now: float) -> bool:
        """Whether a new connection is wanted, for the keys that are due by then. It counts as an attempt of each of them."""
        found = False
        for sync in [self.syncs[key] for key, _ in self.due(now)]:
            self.fetches.withdraw(sync)
            if sync.attempts >= self.rules.fetch_attempts:
                self._give_up(sync, now)
            else:
                sync.attempts += 1
                self.fetches.want(sync, now + self.rules.fetch_limit)
                found = True
        return found

    def answered(self, key: Hashable, position: Any, state: Any, now: float, chance: float, *, size: int = 0) -> None:
        """A snapshot came that is asked for over the line; what nobody waits for is late."""
        sync = self.syncs.get(key)
        if sync is not None and self.rules.whole:
            sync.asked()  # it stands in the order of the line: what came before is in it
        owed = self.fetches.owed(key, now)
        self.fetched(0 if sync is None or owed else sync.epoch, position, state, now, chance, size=size)

    def fetched(self, epoch: int, position: Any, state: Any, now: float, chance: float, *, size: int = 0) -> None:
        """A snapshot of `size` bytes came. `chance` is uniform in [0, 1), for the back-off if it is of no use."""
        sync = self.fetches.answered(epoch)
        if sync is None:
            return
        position = None if self.rules.whole else position
        if not self.rules.whole and (isinstance(position, bool) or not isinstance(position, (int, float))):
            text = f"snapshot of {sync.key!r}: position={position!r} is not a number, the messages' positions are"
            self._unfetched(sync, FetchError(text, severity=Severity.FATAL), now, chance)
            return
        self.snapshots += 1
        self._let_go(sync)
        fit = sync.fit(position, self.rules.splice)
        self._keep(sync)
        if fit is Fit.SAME:
            sync.anchor = position  # or so an old cache says: the next message has to join it all the same
            self._live(sync, 0, now, position)
        elif fit is Fit.JOINS or self._restarted(sync, position, now):
            self.apply(sync, position, state, now, size)
        else:
            error = FetchError(f"the snapshot of {sync.key!r} at {position!r} is older than what came over the line")
            self._unfetched(sync, error, now, chance, answered=True)

    def unfetched(self, epoch: int, error: FetchError, now: float, chance: float) -> None:
        """A request failed."""
        sync = self.fetches.answered(epoch)
        if sync is not None:
            self._unfetched(sync, error, now, chance)

    def apply(self, sync: Sync, position: Any, state: Any, now: float, size: int, *, proved: bool = True) -> None:
        """Deliver a snapshot that fits, and what was held, up to the next hole. Not `proved`: it may be an old one."""
        marker = Snapshot(key=sync.key, at_ns=self.wall(now), position=position, state=state)
        self.out.append(marker)
        if self.sizes is not None:
            self.sizes.append(size)
        self.latest[sync.key] = marker
        sync.comes_at = now
        was_live = sync.state is State.LIVE
        sync.incomplete = False
        replayed = sync.replay(position)
        self._replay(sync, replayed)
        if sync.state is State.SYNCING:
            sync.attempts = 0
            self.fetches.want(sync, now + self._pause(sync, not replayed))
            return
        if not proved and not replayed:
            sync.lost(sync.delivered, now)
            self.fetches.want(sync, now + self._patience(sync))
            return
        if not was_live:
            self._live(sync, len(replayed), now, sync.delivered)
        self._settle(sync, now)

    def _replay(self, sync: Sync, items: list[Held]) -> None:
        sizes = [item.size for item in items]
        self.held -= len(items)
        self.held_bytes -= sum(sizes)
        self.messages += len(items)
        self.out.extend(item.message for item in items)
        if self.sizes is not None:
            self.sizes += sizes
        if items:
            self.latest[sync.key] = items[-1].message

    def _settle(self, sync: Sync, now: float) -> None:
        """After it became LIVE: is it still, with no line open?"""
        self._plain(sync, sync.counter)
        if not self.open_lines:
            self._lose(sync, now)

    def _restarted(self, sync: Sync, position: Any, now: float) -> bool:
        """Whether snapshots that stay behind what was delivered, with nothing held against them, show a restarted counter.

        Soon if messages are behind it too; alone they may as well be a stale cache, and get a minute.
        """
        if sync.delivered is None or position >= sync.delivered:
            return False
        behind = [item.last <= sync.delivered for segment in sync.segments for item in segment]
        if not all(behind):
            return False
        if sync.behind == 0:
            sync.behind_at = now
        sync.behind += 1
        counter = sync.counter or sync.own
        backwards = counter is not None and counter.run > 0 and counter.run_from == counter.position
        patience = _BEHIND_AFTER if backwards or behind else _BEHIND_ALONE_AFTER
        if sync.behind < _BEHIND_COUNT or now - sync.behind_at < patience:
            return False
        if counter is not None:
            counter.forget()
        self.doubt(sync, "restart", sync.delivered, position, now)
        self.fetches.withdraw(sync)
        return True

    def _unfetched(self, sync: Sync, error: FetchError, now: float, chance: float, *, answered: bool = False) -> None:
        # Asked twice, so that one key nobody knows does not end the others' stream before they were answered.
        if error.severity is Severity.FATAL and not self.snapshots and sync.attempts:
            failure = SnapshotFailed(str(error))
            failure.__cause__ = error
            self.failure = self.failure or failure
            return
        # What is final at first (no such page, HTML in place of JSON) may be a passing trouble once it has worked.
        delay = self.rules.fetch_backoff.delay(sync.attempts, chance, retry_after=error.retry_after)
        sync.attempts += 1
        attempts = 1 if sync.incomplete and not answered else self.rules.fetch_attempts
        if sync.state is not State.UNPROVEN and sync.attempts >= attempts:
            self._give_up(sync, now)
        else:
            self.fetches.want(sync, now + delay)

    def _give_up(self, sync: Sync, now: float) -> None:
        segments: list[list[Held]] = [segment for segment in sync.segments if segment]
        if not sync.segments or not sync.segments[-1]:
            segments.append([])  # nothing is held that shows the end of this one
        stale, unbroken, crossed, goes_on = self.stale, sync.unbroken, sync.crossed, True
        since = sync.since if self._leaves else None  # nobody sees between which messages the loss is, but between which moments
        for index, segment in enumerate(segments):
            segment = self._above(sync, segment)
            if index or not (unbroken and self._follows(sync, segment)):
                self.unhealed += 1
                first = segment[0].first if segment else None
                self._tell_gap(sync.key, "unhealed", sync.delivered, first, now, healing=False, since=since)
                goes_on = False
            self._replay(sync, segment)
            if segment:
                sync.delivered = segment[-1].last
        sync.doubts = 0
        sync.attempts = 0  # but what stays behind is counted on: a restart takes longer to show than a source to be given up
        sync.live()
        if self.stale > stale or crossed or (goes_on and self._anchors):
            # The line is that late, or counts anew, or did so before, or was lost since: what comes next has to join.
            sync.anchor = sync.delivered
        sync.incomplete = True
        self._ask_later(sync, now)
        self._settle(sync, now)

    def _follows(self, sync: Sync, segment: list[Held]) -> bool:
        """Whether what was held joins what was delivered before, as far as that shows."""
        if not (segment and self._anchors and self.rules.splice is not None) or sync.delivered is None:
            return True
        return self.rules.splice.splice(sync.delivered, segment[0].first, segment[0].last) is not Verdict.HOLE

    def _hold_again(self, sync: Sync, now: float) -> None:
        """What comes from here on must be there to follow the answer."""
        self.plain.pop(sync.key, None)
        proved = sync.state is State.LIVE
        sync.doubt(self._delivered(sync, sync.counter.position if sync.counter is not None else None), now)
        sync.unbroken = proved and not self._leaves

    @property
    def _leaves(self) -> bool:
        """Whether asking loses what comes meanwhile, and no number shows that."""
        return self.rules.ask is Ask.RESUBSCRIBE and not self.rules.proves

    def _above(self, sync: Sync, segment: list[Held]) -> list[Held]:
        """What is held from the first above the position delivered last; a lower one after it is a number started anew."""
        rule, delivered = self.rules.splice, sync.delivered
        if rule is None or delivered is None:
            return segment
        behind = 0
        for item in segment:
            if rule.splice(delivered, item.first, item.last) is not Verdict.DUPLICATE:
                break
            behind += 1
        self.held -= behind
        self.held_bytes -= sum(item.size for item in segment[:behind])
        self.stale += behind
        return segment[behind:]

    def in_band(self, sync: Sync, position: Any, state: Any, now: float, size: int) -> None:
        """A snapshot in the stream's own order: it replaces the state whenever it comes.

        What is held and follows it is replayed; what was held before it is covered by it, and so is what was held before the
        subscription that it belongs to, whatever its numbers are: they may begin anew with each. Or it is an old one: where such
        a message is above it, the next one has to show which it is.
        """
        self._let_go(sync)
        due_at = sync.fetch_at
        self.fetches.withdraw(sync)
        self.fetches.forgive(sync.key)
        covered = sync.cover() if self.rules.comes_within is not None else []
        sync.asked()  # now, and answered now
        fit = sync.fit(position, self.rules.splice) if sync.state is State.SYNCING else None
        if fit is not Fit.JOINS:
            sync.clear()
        self._keep(sync)
        self.snapshots += 1
        self.plain.pop(sync.key, None)
        self.dropped_keys.pop(sync.key, None)
        old = fit is Fit.OLD or any(self._above_it(position, item) for item in covered)
        self.apply(sync, position, state, now, size, proved=not old)
        if sync.state is State.UNPROVEN and due_at is not None and sync.fetch_at is not None:
            self.fetches.want(sync, max(due_at, sync.fetch_at))  # it keeps its back-off

    def _above_it(self, position: Any, item: Held) -> bool:
        """Whether a message is above a snapshot, as far as that shows."""
        rule = self.rules.splice
        if rule is None or not rule.ordered or position is None or item.last is None:
            return False
        return rule.splice(position, item.first, item.last) is not Verdict.DUPLICATE

    # ---------------------------------------------------------------- the world

    def opened(self, now: float) -> None:
        """A line is open. What was lost must be proved, or fetched, or told."""
        self.open_lines += 1
        if self.open_lines == 1 and self._lost_at is not None:
            self._verify(now)

    def _verify(self, now: float) -> None:
        for sync in self.syncs.values():
            if sync.state is State.UNPROVEN and self.rules.source:
                self.fetches.want(sync, now + self._patience(sync))
        if not self.rules.source and not self.rules.proves:
            self.gaps += 1
            self.unhealed += 1
            self._tell_gap(None, "reconnect", None, None, now, healing=False, since=self._lost_at)

    def subscribed(self, now: float) -> None:
        """Everything is subscribed on a line. Where that begins with a snapshot, what is not complete waits for it."""
        if self.rules.comes_within is None:
            return
        for sync in self.syncs.values():
            self.begins(sync, now)
            if sync.state in (State.UNPROVEN, State.SYNCING):
                self.fetches.want(sync, now + self._patience(sync))

    def awaits(self, key: Hashable, sent_at: Optional[float]) -> None:
        """A snapshot of this key was asked for over the line, or (`None`) waits to be: its time runs from when that went out."""
        sync = self.syncs.get(key)
        if sync is None:
            return
        at = math.inf if sent_at is None else sent_at
        if sync.fetching:
            self.fetches.extend(sync, at)
        elif sync.fetch_at is not None and sync.state in (State.UNPROVEN, State.SYNCING):
            self.fetches.want(sync, at + self._patience(sync))
        if sent_at is not None and self.rules.comes_within is not None:
            self.begins(sync, sent_at)

    def begins(self, sync: Sync, now: float) -> None:
        """A subscription begins here, with a snapshot: what was held so far is of the one before."""
        self.comes(sync, now)
        if sync.state is State.SYNCING:
            sync.asked()

    def _patience(self, sync: Sync) -> float:
        """Seconds until a key is asked for that was just subscribed (again): it may be proved, or its snapshot come by itself."""
        proving = self.rules.verify_after if sync.state is State.UNPROVEN else 0.0
        return max(proving, self.rules.comes_within or 0.0)

    def lost(self, now: float, data_at: float, *, covered: bool) -> None:
        """A line is gone; `data_at` is when its last message came. `covered`: another one has carried everything since then."""
        self.open_lines -= 1
        self.fetches.lost(now)
        if covered:
            return
        self._lost_at = data_at
        for sync in self.syncs.values():
            self._lose(sync, now)
        self.fetches.ended()
        if self.open_lines:  # opened too late to have carried everything
            self._verify(now)

    def watch(self, key: Hashable) -> None:
        """The next message of this key (`None`: of every key) has to go the slow way, where it is noticed."""
        if key is None:
            self.plain.clear()
        else:
            self.plain.pop(key, None)

    def quieted(self, key: Hashable, now: float, *, again: bool) -> None:
        """A key has been silent for too long: have it proved by its next message, or by a snapshot if none comes.

        `again`: it is subscribed anew, so the venue may have lost it; where no number can show what was missed that is told. A
        silent key is no reason for a new connection.
        """
        sync = self.syncs.get(key)
        if sync is None or sync.state is not State.LIVE:
            return  # it is being healed, or proved, as it is
        delivered = self._delivered(sync, sync.counter.position if sync.counter is not None else None)
        asks = self.rules.source and (again or self.rules.ask is not Ask.RECONNECT)
        if self.rules.proves and delivered is not None:
            self.plain.pop(key, None)
            sync.lost(delivered, now)
        elif again or asks:
            self.doubt(sync, "quiet", delivered, None, now)
        if asks:
            self.fetches.want(sync, now + max(self.rules.verify_after, self.rules.comes_within or 0.0))  # it is subscribed first
            self.comes(sync, now)

    def mismatched(self, key: Hashable, now: float, chance: float, reason: str = "checksum") -> None:
        """The venue's own checksum says that what was delivered of this key is wrong. What the messages say is no help any more.

        `reason` is what the gap says.

        It is healed at most once per `resync_interval`; one that is wrong again soon after it was healed waits longer each time,
        and is given up as if nothing had come, in the end.
        """
        sync = self.syncs.get(key)
        if sync is None or sync.state not in (State.LIVE, State.UNPROVEN):
            return  # it is being healed as it is, or will be
        delivered = self._delivered(sync, sync.counter.position if sync.counter is not None else None)
        comes_at = sync.fetch_at if self.rules.comes_within is not None and sync.state is State.UNPROVEN else None
        self.doubt(sync, reason, delivered, None, now)
        if self.rules.source:
            backoff = self.rules.fetch_backoff
            sync.mistakes = sync.mistakes + 1 if now - sync.resynced_at <= backoff.maximum else 0
            if sync.mistakes >= self.rules.fetch_attempts:  # its source says nothing better
                self._give_up(sync, now)
                return
            delay = backoff.delay(sync.mistakes - 1, chance) if sync.mistakes else 0.0
            self.fetches.want(sync, max(now + delay, sync.resynced_at + self.rules.resync_interval, comes_at or now))

    def dropped(self, keys: Iterable[Hashable], now: float) -> None:
        """Queued messages of these keys were thrown away; each is healed when the consumer has caught up."""
        if not self.rules.heals_drops:
            return
        for key in keys:
            sync = self.syncs.get(key)
            if sync is None or sync.state is State.DROPPED:
                continue
            after = sync.counter.position if sync.counter is not None else None
            delivered = self._delivered(sync, after)
            self._let_go(sync)
            self.doubt(sync, "drop", delivered, None, now)
            self.fetches.withdraw(sync)
            sync.dropped(delivered, now)
            self.dropped_keys[key] = None

    def relieved(self, now: float) -> None:
        """The consumer has caught up: heal what it missed, each key at most once per `resync_interval`, and by what is on its way
        already if there is any."""
        for key in self.dropped_keys:
            sync = self.syncs[key]
            sync.relieved()
            self.fetches.want(sync, max(now, sync.resynced_at + self.rules.resync_interval, sync.comes_at))
        self.dropped_keys.clear()

    def unsubscribed(self, key: Hashable) -> None:
        """Nothing more of this key is wanted, not even what is on its way; its counter goes on."""
        self.muted[key] = None
        if len(self.muted) > self.rules.max_keys:  # of the one left longest ago nothing is on its way any more
            del self.muted[next(iter(self.muted))]
        sync = self.syncs.pop(key, None)
        self.plain.pop(key, None)
        self.latest.pop(key, None)
        self.dropped_keys.pop(key, None)
        if sync is not None:
            self._let_go(sync)
            self.fetches.withdraw(sync)

    def close(self) -> None:
        """Nothing is due from here on."""
        self.fetches.clear()
        self.plain.clear()
        self.dropped_keys.clear()
        for sync in self.syncs.values():
            sync.clear()
        self.held = self.held_bytes = 0

    def status(self) -> dict[Hashable, KeyStatus]:
        """A picture of every key. While it is taken nothing is read, so most of them, never in doubt, take no call each."""
        own, live = self.rules.splice_last is None, State.LIVE
        return {
            key: KeyStatus(state="live", position=sync.counter.position)
            if own and sync.state is live and sync.trouble is None and sync.anchor is None and sync.counter is not None
            else self._one_status(sync)
            for key, sync in self.syncs.items()
        }

    def _one_status(self, sync: Sync) -> KeyStatus:
        position = self._delivered(sync, sync.counter.position if sync.counter is not None else None)
        state = "incomplete" if sync.incomplete else "live" if sync.state is State.LIVE else "syncing"
        return KeyStatus(state=state, position=position, gaps=sync.gaps, healed=sync.healed, held=sync.held)
