"""From frames to an ordered, gap-free list of deliveries: decode, classify, number, judge. Pure.

Rules
* A hole on a counter puts every key on it in doubt (`keys` heals them).
* Two readings of one message are never mixed: `scan` delivers only what is plain (next in its counter, key live and joined)
  and leaves everything else, untouched, to `read` and `use`.
* What cannot be read is quarantined: counted, told, and never fatal. What has no key is counted. If by the first-data deadline
  ten messages came and none could be used, the feed does not fit the venue, and that is said.
* A counter of a whole connection counts everything that has a number, data or not, and starts anew with each connection.
"""

from __future__ import annotations

import contextlib
from typing import Any, Hashable, Iterable, NamedTuple, Optional, Union

from ..errors import DataFailed
from ..events import Quarantined, Snapshot
from .aliases import Aliases, Named
from .counter import Counter, Held, Numbered, Outcome, countable
from .keys import Keys
from .parts import Part, Parts, Unreadable
from .paths import MISSING
from .received import Received
from .rules import DELIVERED, Kind, Rules, Scope
from .scan import Scan
from .sync import State

_RAW_KEPT = 256
_UNUSABLE_LEAST = 10


class Item(NamedTuple):
    """One message that could be read. `has_key`: whether `key` is one. `part`: what it came as; `size`: its bytes."""

    message: Any
    kind: Kind
    key: Hashable
    has_key: bool
    part: Union[bytes, Part]
    size: int


class Whole(Held):
    """An in-band snapshot on its way through a counter of many keys."""


class Order:
    """Owned by: the engine."""

    def __init__(self, rules: Rules, *, wall_ns: int, lines: int, sized: bool) -> None:
        self.rules = rules
        self.keys = Keys(rules, wall_ns=wall_ns, sized=sized)
        self.lines = lines
        self.counters: dict[Hashable, Counter] = {}
        self.used = 0  # messages that had what the feed says they have
        self.unusable = 0
        self.unusable_why = ""
        self.quarantine_why = ""
        self.duplicates = self.quarantined = self.keyless = 0
        self._waiting: dict[Hashable, Counter] = {}  # counters with a reorder window open
        self._early = self._early_bytes = 0  # what waits in them, at most: it is counted when that is too much
        self.parts = _parts(rules)
        self.aliases = [] if rules.alias is None else [Aliases(rules.alias, rules.max_keys) for _ in range(lines)]  # one a line
        table = self.aliases[0].keys if self.aliases else None
        self.scan = Scan(rules, self.keys, self.counters, lines=lines, aliases=table)

    # ---------------------------------------------------------------- messages

    def entries(self, frames: Received) -> Iterable[Received]:
        """What there is to read in these frames, a few at a time: the frames themselves, or the messages in them."""
        return (frames,) if self.parts is None else self.parts.entries(frames)

    def read(self, came: Union[bytes, Part, Unreadable], text: bool, now: float, line: int = 0) -> Optional[Item]:
        """One message, the long way: what it is. `None` if it cannot be read, and was quarantined."""
        rules = self.rules
        if isinstance(came, Unreadable):
            self._cannot_read(came.raw, came.reason, now)
            return None
        if text and isinstance(came, bytes) and came in rules.literals:
            return Item(came.decode(), rules.literals[came], None, False, came, len(came))
        size = came.size if isinstance(came, Part) else len(came)
        try:
            message = came.message if isinstance(came, Part) else rules.decode(came, text)
            kind = (rules.classify(message) if rules.classify is not None else None) or Kind.DATA
            if not isinstance(kind, Kind):
                raise TypeError(f"classify returned {kind!r}, which is not a Kind")
            key, has_key = self._key(message)
        except Exception as error:  # user code and strangers' bytes: whatever it is, it is this message's trouble only
            self._cannot_read(_shown(came), f"{type(error).__name__}: {error}", now)
            return None
        item = Item(message, kind, key, has_key, came, size)
        if not self.aliases or not has_key:
            return item
        if kind in DELIVERED:
            return self._named(item, self.aliases[line], now)
        known = self.aliases[line].keys  # a mark has the key of its id, or none
        return item if rules.idle is None else item._replace(key=known.get(key), has_key=key in known)

    def _named(self, item: Item, aliases: Aliases, now: float) -> Item:
        """The same with the key its id stands for on this line; where nobody has told, it is set aside, and only counted."""
        if item.key in aliases.keys:
            return item._replace(key=aliases.keys[item.key])
        aliases.missed(item.key)
        if aliases.overfull:
            self.keys.fail_keys(f"key={self.rules.key_text}")
        reason = f"alias: nothing has told yet which key {item.key!r} is on this connection"
        self._unusable(reason)
        self.quarantine(item, reason, now)
        return item._replace(key=None, has_key=False, kind=Kind.IGNORE)

    def learn(self, item: Item, line: int, now: float) -> None:
        """An acknowledgement may tell which key an id is, from here on. What was set aside until then is missing there."""
        if not self.aliases:
            return
        aliases = self.aliases[line]
        try:
            key, missed = aliases.learn(item.message)
        except Exception as error:  # user code
            self.quarantine(item, f"alias: {type(error).__name__}: {error}", now)
            return
        if aliases.overfull:
            self.keys.fail_keys("alias")
        sync = self.keys.find(key, now) if missed else None
        if sync is not None:
            after = None if sync.counter is None else sync.counter.position
            self.keys.doubt(sync, "unnamed", after, None, now)

    def _cannot_read(self, raw: bytes, reason: str, now: float) -> None:
        self._unusable(f"no message could be read: {reason[:_RAW_KEPT]}; the last one began: {raw[:80]!r}")
        self._quarantine(raw, reason, now)

    def use(self, item: Item, line: int, now: float) -> bool:
        """A message that was read takes its place. True if it was a key's data."""
        rules = self.rules
        message, kind, has_key = item.message, item.kind, item.has_key
        data = has_key and kind in DELIVERED
        if not has_key and kind is Kind.DATA:
            self.keyless += 1
            self._unusable(self._lacks(f"key={rules.key_text}", message))
        try:
            own = rules.scope is Scope.KEY
            idle = rules.idle is not None and (has_key or not own) and bool(rules.idle(message))
            if own and not data and not idle:
                return False
            if rules.rule is None:
                self._unnumbered(item, now)
            elif own and item.key in self.keys.muted:  # nobody wants it, and it has no counter any more
                if kind is not Kind.SNAPSHOT:
                    countable(*self._numbers(message), ordered=rules.rule.ordered)
            elif idle:
                self._stands(item, line, now)
            elif kind is Kind.SNAPSHOT and rules.scope is Scope.KEY:
                self._own_snapshot(item, line, now)
            else:
                self._numbered(item, data, line, now)
        except Exception as error:
            if data:
                self._unusable(self._lacks(f"sequence={rules.rule_text}", message))
                self.quarantine(item, f"sequence={rules.rule_text}: {type(error).__name__}: {error}", now)
            return False
        self.used += data
        return data

    def count(self, item: Item, line: int, now: float) -> None:
        """What is no message of its key has its number on a counter of many keys all the same, if it carries one."""
        if self.rules.rule is not None and self.rules.scope is not Scope.KEY:
            with contextlib.suppress(Exception):  # it carries none, or strangers' bytes
                self._numbered(item, False, line, now)

    def _key(self, message: Any) -> tuple[Hashable, bool]:
        """The key, and whether there is one. Where the feed names none, everything belongs to one."""
        if self.rules.key is None:
            return None, True
        try:
            key = self.rules.key(message)
        except MISSING:
            if not self.rules.key_may_miss:
                raise
            return None, False
        hash(key)
        return key, key is not None

    def _unnumbered(self, item: Item, now: float) -> None:
        sync = self.keys.find(item.key, now)
        if sync is None:
            return
        if item.kind is Kind.SNAPSHOT:
            self.keys.in_band(sync, None, item.message, now, item.size)
        else:
            self.keys.place(sync, Held(self._given(item), None, None, item.size), now)

    def _own_snapshot(self, item: Item, line: int, now: float) -> None:
        """An in-band snapshot of a key with its own counter: its number says where that stands, it need not go on."""
        message, key = item.message, item.key
        try:
            first, last = self._numbers(message)
            position = self._held(item, first, last).last
        except MISSING:
            last = position = None
        if last is not None:
            assert self.rules.rule is not None
            countable(last, ordered=self.rules.rule.ordered)
            countable(position, ordered=(self.rules.splice or self.rules.rule).ordered)
        sync = self.keys.find(key, now)
        if sync is None:
            return
        healing = sync.state is not State.LIVE
        counter = sync.counter = self._counter(key, message, line)
        self.keys.in_band(sync, None if last is None else position, message, now, item.size)
        if last is None and healing and isinstance(self.keys.latest.get(key), Snapshot):
            counter.forget()  # what was missed before it is in it, and nobody says where it stands
        if sync.anchor is not None:  # nothing that was held followed it
            self.keys.stale += counter.stand(last, line, self.lines)
            self._follow(counter, now)

    def _numbered(self, item: Item, data: bool, line: int, now: float) -> None:
        try:
            first, last = self._numbers(item.message)
        except MISSING:
            if not data or item.kind is not Kind.SNAPSHOT:
                raise
            self._uncounted(item, now)
            return
        held = None
        if data:
            held = self._whole(item) if item.kind is Kind.SNAPSHOT else self._held(item, first, last)
        reset = self.rules.reset is not None and bool(self.rules.reset(item.message))
        counter = self._counter(item.key, item.message, line)
        if reset:  # what waits there counts in the old numbers
            self._expire(counter, now)
        self._judge(counter, Numbered(first, last, item.key, held, line, reset=reset), now)

    def _uncounted(self, item: Item, now: float) -> None:
        """An in-band snapshot that no counter of many keys counts: it replaces the state whenever it comes."""
        sync = self.keys.find(item.key, now)
        if sync is not None:
            self.keys.in_band(sync, self._whole(item).last, item.message, now, item.size)

    def _stands(self, item: Item, line: int, now: float) -> None:
        """A message that only says where its counter stands."""
        _, last = self._numbers(item.message)
        rule = self.rules.rule
        first = last + 1 if rule is not None and rule.ahead else last  # what would be next, so that what is missing is counted
        self._judge(self._counter(item.key, item.message, line), Numbered(first, last, item.key, None, line, idle=True), now)

    def _numbers(self, message: Any) -> tuple[Any, Any]:
        first_of, last_of = self.rules.first, self.rules.last
        assert first_of is not None  # a rule has both
        assert last_of is not None
        first = first_of(message)
        return first, (first if first_of is last_of else last_of(message))

    def _held(self, item: Item, first: Any, last: Any) -> Held:
        """The message with its numbers in the key's numbering, which a snapshot's position counts in."""
        rules, given, size = self.rules, self._given(item), item.size
        if rules.splice_first is None or rules.splice_last is None:
            return Held(given, first, last, size)
        return Held(given, rules.splice_first(item.message), rules.splice_last(item.message), size)

    def _given(self, item: Item) -> Any:
        """What the consumer gets of it."""
        return Named(item.key, item.message) if self.aliases else item.message

    def _whole(self, item: Item) -> Whole:
        """An in-band snapshot; its number on the counter is no position of the key, but it may carry one."""
        try:
            position = self._held(item, None, None).last
        except MISSING:
            position = None
        if position is not None:
            countable(position)
        return Whole(item.message, None, position, item.size)

    def _unusable(self, why: str) -> None:
        self.unusable += 1
        if self.unusable <= _UNUSABLE_LEAST:
            self.unusable_why = why

    def _lacks(self, field: str, message: Any) -> str:
        return f"{field}: no message has it; the fields seen are: {', '.join(self.rules.fields(message))}"

    def quarantine(self, item: Item, reason: str, now: float) -> None:
        """Keep a message aside that is of no use, and tell."""
        self._quarantine(_shown(item.part), reason, now)

    def _quarantine(self, payload: bytes, reason: str, now: float) -> None:
        self.quarantined += 1
        self.quarantine_why = reason[:_RAW_KEPT]
        self.keys.out.append(Quarantined(reason=reason[:_RAW_KEPT], raw=payload[:_RAW_KEPT], at_ns=self.keys.wall(now)))

    def never_usable(self) -> Optional[DataFailed]:
        """The failure to raise if, by the first-data deadline, messages came and not one could be used."""
        if self.used or self.unusable < _UNUSABLE_LEAST:
            return None
        return DataFailed(f"{self.unusable_why} ({self.unusable} messages)")

    # ---------------------------------------------------------------- counters

    def _counter(self, key: Hashable, message: Any, line: int) -> Counter:
        scope = self.rules.scope
        name: Hashable = key
        if scope is Scope.CONNECTION:
            name = line
        elif scope is Scope.SHARED:
            assert self.rules.counter is not None
            name = self.rules.counter(message)
        counter = self.counters.get(name)
        if counter is None:
            assert self.rules.rule is not None
            counter = Counter(name, self.rules.rule)
            if len(self.counters) >= self.rules.max_keys:
                self._prune()
            if len(self.counters) < self.rules.max_keys:
                self.counters[name] = counter
            else:
                self.keys.fail_keys("counter" if scope is Scope.SHARED else f"key={self.rules.key_text}")
        return counter

    def _prune(self) -> None:
        """Forget counters that nothing was seen on since the line was lost, or whose keys nobody wants any more.

        What names them may be of one connection, or of one subscription.
        """
        shared = self.rules.scope is Scope.SHARED
        for name, counter in list(self.counters.items()):
            wanted = any(key in self.keys.syncs for key in (counter.keys if shared else (name,)))
            if not counter.early and (not wanted or (shared and counter.unproven)):
                del self.counters[name]

    def _judge(self, counter: Counter, item: Numbered, now: float) -> None:
        rules = self.rules
        after = counter.position
        outcome = counter.judge(item, now, restart_after=rules.restart_after, reorder=rules.reorder, lines=self.lines)
        if outcome is Outcome.EARLY:
            self.keys.plain.pop(counter.name, None)
            self._waiting[counter.name] = counter
            self._early += 1
            self._early_bytes += item.held.size if item.held is not None else 0
            if self._overfull():
                self._expire(counter, now)
            return
        self._settle(counter, outcome, after, item, now)
        self._follow(counter, now)

    def _overfull(self) -> bool:
        """Whether what waits in reorder windows and for snapshots is too much together."""
        if not self.keys.overfull(self._early, self._early_bytes):
            return False
        waiting = [item.held for counter in self._waiting.values() for _, item in counter.early]
        self._early = len(waiting)
        self._early_bytes = sum(held.size for held in waiting if held is not None)
        return self.keys.overfull(self._early, self._early_bytes)

    def _follow(self, counter: Counter, now: float) -> None:
        """What waited for this message goes on now."""
        while counter.early:
            ready = counter.ready()
            if ready is None:
                return
            self._again(counter, ready, now)
        self._waiting.pop(counter.name, None)

    def _again(self, counter: Counter, item: Numbered, now: float) -> None:
        after = counter.position
        outcome = counter.judge(item, now, restart_after=self.rules.restart_after, lines=self.lines)
        self._settle(counter, outcome, after, item, now)

    def _expire(self, counter: Counter, now: float) -> None:
        self._waiting.pop(counter.name, None)
        for item in counter.expire():
            self._again(counter, item, now)

    def _settle(self, counter: Counter, outcome: Outcome, after: Any, item: Numbered, now: float) -> None:
        """The counter has judged: tell the keys, and place the message."""
        keys = self.keys
        whole = isinstance(item.held, Whole)
        if outcome is Outcome.DUPLICATE and whole and item.last < counter.position and self.lines == 1:
            counter.forget()  # nobody repeats an old state: the venue counts anew
            counter.position = item.last
            outcome = Outcome.RESTART
        elif outcome is Outcome.DUPLICATE and whole and self._heals(item):
            outcome = Outcome.NEXT
        if outcome is Outcome.DUPLICATE:
            self.duplicates += 1
            keys.plain.pop(item.key, None)  # the counter wants to see what follows
            return
        if item.reset and outcome is Outcome.NEXT and counter.unproven and self.rules.scope is Scope.SHARED:
            outcome = Outcome.RESTART  # whether it went on before that, nobody can see
        if self.rules.scope is not Scope.KEY:
            self._tell_all(counter, outcome, after, item, now)
        elif item.idle:
            self._settle_idle(counter, outcome, after, item, now)
        sync = keys.find(item.key, now) if item.held is not None else None
        if sync is None or item.held is None:
            return
        if self.rules.scope is Scope.KEY:
            sync.counter = counter
            # The snapshot it stands on says what is missing, if messages can be joined to it.
            covered = outcome is Outcome.HOLE and sync.anchor is not None and self.rules.splice is not None
            if outcome is not Outcome.NEXT and not covered:
                keys.doubt(sync, outcome.value, after, item.first, now)
            elif item.reset and outcome is Outcome.NEXT:
                keys.anew(sync, item.first, now)
        else:
            counter.see(item.key)
        if whole:
            keys.in_band(sync, item.held.last, item.held.message, now, item.held.size)
            return
        if self.rules.scope is Scope.SHARED:
            keys.unproved(sync, now)
        keys.place(sync, item.held, now, counter)

    def _heals(self, item: Numbered) -> bool:
        """Whether a snapshot with the number that its counter stands at, as nothing else has come, is waited for."""
        sync = self.keys.syncs.get(item.key)
        return sync is not None and sync.state is not State.LIVE

    def _settle_idle(self, counter: Counter, outcome: Outcome, after: Any, item: Numbered, now: float) -> None:
        """A key's own counter stands there: what was delivered is complete, or something is missing."""
        sync = self.keys.syncs.get(item.key)
        if sync is None:
            return
        if outcome is Outcome.NEXT:
            if counter.position == item.last:
                self.keys.prove(sync, now)
        elif sync.anchor is None or self.rules.splice is None or item.last > sync.anchor:
            self.keys.doubt(sync, outcome.value, after if sync.anchor is None else sync.anchor, item.first, now)

    def _tell_all(self, counter: Counter, outcome: Outcome, after: Any, item: Numbered, now: float) -> None:
        """A counter over many keys: what it shows holds for each of them."""
        keys, shared = self.keys, self.rules.scope is Scope.SHARED
        proves = shared and counter.unproven
        counter.unproven = False
        if outcome is Outcome.NEXT and not proves:
            return
        if outcome is Outcome.HOLE and not (counter.keys if shared else keys.syncs):
            keys.missed(item.key if shared else None, after, item.first, now)
        for key in counter.keys if shared else keys.syncs:  # a connection's counter is new, but counts for all that was before
            sync = keys.syncs.get(key)
            if sync is None:
                continue
            if outcome is Outcome.NEXT:
                keys.prove(sync, now)
            else:
                keys.doubt(sync, outcome.value, after, item.first, now)

    # ---------------------------------------------------------------- the world

    def begun(self, line: int) -> None:
        """A connection stands. What the one before it has named is not known on it."""
        for aliases in self.aliases[line : line + 1]:
            aliases.clear()

    def opened(self, line: int, now: float) -> None:
        """A line is open."""
        if self.rules.scope is Scope.CONNECTION:
            self.counters.pop(line, None)
        elif self.rules.rule is not None and self.rules.rule.start is not None and self.lines == 1:
            for counter in self.counters.values():  # which begin anew with it, by right
                counter.forget()
        self.keys.opened(now)

    def lost(self, line: int, now: float, data_at: float, *, covered: bool) -> None:
        """A line is gone; `data_at` is when its last message came. Unless another one has `covered` it, open at its last message
        and ever since, every counter has to show that it goes on.

        Reorder windows end before that: what waited in them came before the loss, and proves nothing after it.
        """
        for counter in list(self._waiting.values()):
            if not covered or (self.rules.scope is Scope.CONNECTION and counter.name == line):
                self._expire(counter, now)
        self.keys.lost(now, data_at, covered=covered)
        if not covered:
            for counter in self.counters.values():
                counter.unproven = True

    def subscribed(self, key: Hashable) -> None:
        """Wanted (again)."""
        self.keys.muted.pop(key, None)

    def unsubscribed(self, key: Hashable) -> None:
        """Not wanted any more. A counter of its own is over with it: what would come between is not asked for."""
        if self.rules.scope is Scope.KEY:
            self.counters.pop(key, None)
            self._waiting.pop(key, None)
        self.keys.unsubscribed(key)

    def tick(self, now: float) -> None:
        """Reorder windows that are over."""
        for counter in [c for c in self._waiting.values() if c.early_until is not None and c.early_until <= now]:
            self._expire(counter, now)

    def deadline(self) -> Optional[float]:
        """When a reorder window ends."""
        return min((c.early_until for c in self._waiting.values() if c.early_until is not None), default=None)

    def close(self) -> None:
        """Nothing is delivered and nothing is due from here on."""
        self._waiting.clear()
        self.keys.close()


def _parts(rules: Rules) -> Optional[Parts]:
    """What takes frames apart, if a frame is not simply a message."""
    if rules.transform is None and rules.split is None:
        return None
    return Parts(
        rules.decode,
        literals=rules.literals,
        transform=rules.transform,
        split=rules.split,
        path=rules.split_path,
        limit=rules.max_message_size,
    )


def _shown(came: Union[bytes, Part]) -> bytes:
    return came.shown(_RAW_KEPT) if isinstance(came, Part) else came
