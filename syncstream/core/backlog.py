"""What waits for the consumer: three places, the view, and what goes when it is full. Pure; the lock is `Delivery`'s.

The places are taken in this order:
  1. `Dropped` markers, one per key, for what overload threw away. All that is left of such a key is later than its marker.
  2. Markers about every key (`Connected`, a `Gap` after a reconnect) that outlived the messages before them; the newest few.
  3. The queue, in the reader's order.
Only the queue and what workers have in hand count to the bound. The first place is bounded by the number of keys, the second
by `KEPT`.

What goes is the oldest. With `heals` (a snapshot brings a lost key back) all that waits of a key goes at once, because it would
follow a hole. Every loss is counted, and where it touches the consumer's state a `Dropped` tells it. Markers of a key that
change no state go untold; their key's `Dropped` covers those that do.

With `conflates` a newer one replaces what is older of its key: of each key only the newest message or `Snapshot` stays, in its
place, and a `Dropped` tells how many it stands for. With `heals` the newest is the snapshot to come, since a message cannot be
joined to what it does not follow: of a key that has more than one item waiting all goes. A key of which nothing is replaced
loses nothing. Only if there are still too many, because more keys wait than there are places, do the oldest go as above.
"""

from __future__ import annotations

import contextlib
from collections import Counter, OrderedDict, deque
from itertools import islice, repeat, starmap
from typing import Any, Hashable, NamedTuple, Optional, Sequence

from ..events import Dropped, Event, Snapshot
from .arrivals import Arrivals
from .items import shown

KEPT = 64
"""How many markers about every key may outlive the messages before them."""

SPARE = 16
"""With `heals`, one place in so many is freed beyond the need: to look through all that waits must not come per message."""


class Tally(NamedTuple):
    """What went through. Always `received + marked == delivered + dropped + fallen + discarded + queued`."""

    received: int  # items put that the view shows
    marked: int  # `Dropped` markers made here; two that became one count once
    delivered: int  # items handed out, markers included
    dropped: int  # messages thrown away by overload: the sum of all `Dropped.count`
    fallen: int  # markers thrown away by overload
    discarded: int  # items that came, or were still here, when nothing could be delivered any more
    queued: int  # items waiting
    in_hand: int  # of those delivered, how many a worker has not finished
    high_water: int  # the greatest depth so far
    size: int = 0  # bytes of what waits and is in hand, as they came over the line, inflated


class Look(NamedTuple):
    """The oldest items, those of a new batch behind them, as they were at one moment."""

    reordered: int
    queued: int
    items: list[Any]


def falls(
    items: list[Any],
    keys: list[Optional[Hashable]],
    need: int,
    *,
    sizes: Sequence[int] = (),
    excess: float = 0,
    old: int = 0,
) -> tuple[int, set[Hashable]]:
    """Which of `items`, oldest first, must go to free `need` places, where a snapshot brings a lost key back: so many from the
    left, and all items of these keys.

    Where `sizes` of all items are given, the `old` ones (the others are fresh) must make room for `excess` bytes, too.
    """
    left = Counter(keys)
    bytes_left: Counter[Optional[Hashable]] = Counter()
    for key, size in zip(keys, sizes):
        bytes_left[key] += size
    purged: set[Hashable] = set()
    at = 0
    while at < len(items) and (need > 0 or (excess > 0 and at < old)):
        item, key = items[at], keys[at]
        size = sizes[at] if sizes else 0
        at += 1
        if key in purged:  # its place was reckoned with its key
            continue
        if key is not None and _matters(item):
            purged.add(key)
            need -= left[key]
            excess -= bytes_left[key]
        else:
            left[key] -= 1
            need -= 1
            bytes_left[key] -= size
            excess -= size
    return at, purged


def replaced(items: list[Any], keys: list[Optional[Hashable]], *, heals: bool, keyless: bool) -> set[int]:
    """Which of `items` a newer one of its key replaces, by their places. With `heals` the snapshot to come replaces all of it."""
    newest: dict[Optional[Hashable], int] = {}
    several: set[Optional[Hashable]] = set()
    for place, (item, key) in enumerate(zip(items, keys)):
        if (key is not None or keyless) and (not isinstance(item, Event) or isinstance(item, Snapshot)):
            if key in newest:
                several.add(key)
            newest[key] = place
    if heals:
        return {place for place, key in enumerate(keys) if key in several}
    return {place for place, key in enumerate(keys) if key in several and place < newest[key]}


class Backlog:
    """Owned by: whoever holds the lock of its `Delivery`."""

    def __init__(
        self,
        maxsize: int,
        *,
        heals: bool,
        keyless: bool = False,
        conflates: bool = False,
        maxbytes: Optional[int] = None,
    ) -> None:
        self.maxsize = maxsize
        self.maxbytes = maxbytes
        self.queue: deque[Any] = deque()  # always this object: `Delivery` takes from it directly
        self.ahead = 0  # how many items wait before the queue
        self.in_hand = 0
        self.view: Optional[str] = None
        self.arrivals = Arrivals()  # of the queue
        self._hand_size = 0
        self._heals = heals
        self._conflates = conflates
        self._keyless = keyless  # everything belongs to one key, and that key is `None`
        self._drops: OrderedDict[Optional[Hashable], Dropped] = OrderedDict()
        self._kept: deque[Event] = deque()
        self._reordered = 0  # changes of the queue that are no take from its left
        self._received = self._marked = self._dropped = self._fallen = self._discarded = self._high_water = 0

    @property
    def depth(self) -> int:
        """What the bound counts."""
        return len(self.queue) + self.in_hand

    @property
    def size(self) -> int:
        """Bytes of what the bound counts."""
        return self.arrivals.size(len(self.queue)) + self._hand_size

    def roomy(self, count: int, size: int) -> bool:
        """Whether so many items and bytes more leave it below four fifths of its bounds, were nothing taken of what waits."""
        if 5 * (len(self.queue) + self.in_hand + count) >= 4 * self.maxsize:
            return False
        return self.maxbytes is None or 5 * (self.arrivals.most(len(self.queue)) + self._hand_size + size) < 4 * self.maxbytes

    @property
    def waiting(self) -> int:
        """Items that can be taken. Before a view is fixed: those that the default view shows."""
        if self.view is not None:
            return self.ahead + len(self.queue)
        return len(self._drops) + len(shown([*self._kept, *self.queue], "default"))

    @property
    def owed(self) -> int:
        """Items that were or will be delivered."""
        return self._received + self._marked - self._dropped - self._fallen - self._discarded

    def tally(self) -> Tally:
        queued = self.ahead + len(self.queue)
        # Reckoned, not counted: an interrupt (Ctrl-C) between taking an item and counting it cannot make it wrong.
        delivered = self.owed - queued
        return Tally(
            self._received,
            self._marked,
            delivered,
            self._dropped,
            self._fallen,
            self._discarded,
            queued,
            self.in_hand,
            self._high_water,
            self.size,
        )

    def append(self, items: list[Any], at: float = 0.0, sizes: Optional[Sequence[int]] = None) -> None:
        """A batch that came `at` this moment. `sizes`: the bytes of each of it, if they are counted."""
        count = len(items)
        self._received += count
        self.queue.extend(items)
        self.arrivals.add(count, at, sizes)
        depth = len(self.queue) + self.in_hand
        if depth > self._high_water:
            self._high_water = depth

    def refuse(self, items: list[Any]) -> None:
        """Count items that come when nothing can be delivered any more."""
        self._received += len(items)
        self._discarded += len(items)

    def take(self, most: int) -> list[Any]:
        """The next items, at most so many."""
        items: list[Any] = []
        while self.ahead and len(items) < most:
            items.append(self._drops.popitem(last=False)[1] if self._drops else self._kept.popleft())
            self.ahead -= 1
        self._take_left(items, most - len(items))
        return items

    def _take_left(self, items: list[Any], most: int) -> None:
        """From the queue. In one call of C code: a signal handler that takes, too, comes before it or after."""
        with contextlib.suppress(IndexError):  # it came between the number and the call; what was taken is among the items
            items.extend(starmap(self.queue.popleft, repeat((), min(most, len(self.queue)))))

    def take_in_hand(self, most: int, now: float) -> list[tuple[Any, float, int]]:
        """Like `take`; they count to the bound until `finish`. Each with the moment it came (a marker made here: `now`) and its
        bytes."""
        ahead = min(self.ahead, most)
        from_queue = min(most - ahead, len(self.queue))
        ages = self.arrivals.taken(len(self.queue), from_queue)
        moments = [now] * ahead + [at for at, count in ages for _ in range(count)]
        sizes = [0] * ahead + self.arrivals.sizes(len(self.queue), from_queue)
        items = self.take(most)
        self.in_hand += len(items)
        self._hand_size += sum(sizes)
        return list(zip(items, moments, sizes))

    def finish(self, count: int, size: int = 0) -> None:
        """So many in hand, of so many bytes together, are done."""
        self._hand_size -= size
        self.in_hand -= count

    def give_back(self, items: list[Any], at: float = 0.0, sizes: Optional[Sequence[int]] = None) -> None:
        """Put items in hand back where they were. What stood ahead of the queue is later, so it goes into it behind them.

        `at`: when the oldest of them came. `sizes`: their bytes, as they were taken.
        """
        self._hand_size -= sum(sizes or ())
        self.in_hand -= len(items)
        ahead = [*self._drops.values(), *self._kept]
        back = [*items, *ahead]
        self.arrivals.put_back(len(self.queue), len(back), at, [*sizes, *[0] * len(ahead)] if sizes else None)
        self.queue.extendleft(reversed(back))
        self._reordered += 1
        self._empty_ahead()

    def fix(self, view: str) -> list[Any]:
        """Fix the view. Returns what it does not show; let go of it without the lock, it is the user's."""
        before = [*self._kept, *self.queue]
        self.view = view
        kept, seen = shown(list(self._kept), view), shown(list(self.queue), view)
        self._received -= len(before) - len(kept) - len(seen)
        if view == "messages":
            self._marked -= len(self._drops)
            self._drops.clear()
        self._kept = deque(kept)
        self.ahead = len(self._drops) + len(kept)
        left = deque(seen)
        stays = [bool(left) and left[0] is item and left.popleft() is item for item in self.queue]
        self.arrivals.keep(stays)
        self.queue.clear()
        self.queue.extend(seen)
        self._reordered += 1
        return before

    def clear(self) -> list[Any]:
        """Discard what waits. Returns it; let go of it without the lock."""
        gone = [*self._drops.values(), *self._kept]
        self._take_left(gone, len(self.queue))
        self._discarded += len(gone)
        self._empty_ahead()
        self._reordered += 1
        return gone

    def look(self, batch: list[Any], size: int = 0) -> Look:
        """What may have to go so that `batch`, of `size` bytes, fits. Find the keys of it without the lock, then `make_room`."""
        need = self._excess(len(batch), self.size + size)
        everything = self._heals or self._conflates
        items = list(self.queue if everything else islice(self.queue, need)) + batch
        return Look(self._reordered, len(self.queue), items if everything else items[:need])

    def make_room(
        self,
        batch: list[Any],
        seen: Look,
        keys: list[Optional[Hashable]],
        at_ns: int,
        *,
        at: float = 0.0,
        sizes: Optional[Sequence[int]] = None,
    ) -> Optional[list[Hashable]]:
        """Let go of what must go and append `batch`. Returns the keys that lost something, or `None`: look again.

        `keys` are those of `seen.items`. Items that consumers took since that look are skipped.
        """
        need = self._excess(len(batch), self.size + sum(sizes or ()))
        if not need:
            self.append(batch, at, sizes)
            return []
        taken = seen.queued - len(self.queue)
        if self._reordered != seen.reordered or len(seen.items) - taken < need:
            return None
        items, keys = seen.items[taken:], keys[taken:]
        self._received += len(batch)
        self.arrivals.add(len(batch), at, sizes)
        if self._heals or self._conflates:
            gone = self._sift(items, keys, need, len(batch))
        else:
            gone = list(zip(items[:need], keys))
            from_queue = min(need, len(self.queue))
            for _ in range(from_queue):
                self.queue.popleft()
            self.queue.extend(batch[need - from_queue :])
        self._high_water = max(self._high_water, self.depth)
        return self._let_go(gone, at_ns)

    def _sift(
        self, items: list[Any], keys: list[Optional[Hashable]], need: int, fresh: int
    ) -> list[tuple[Any, Optional[Hashable]]]:
        """Leave of `items`, which are all that waits and `fresh` new ones, what stays. Returns what goes, with its keys."""
        pairs = list(zip(items, keys))
        gone: list[tuple[Any, Optional[Hashable]]] = []
        if self._conflates:
            goes = replaced(items, keys, heals=self._heals, keyless=self._keyless)
            gone = [pairs[place] for place in sorted(goes)]
            stays = [place not in goes for place in range(len(items))]
            fresh = sum(stays[len(stays) - fresh :])
            pairs = self._only(pairs, stays)
            need = self._excess(fresh, self.size, old=len(pairs) - fresh)
        if need:
            at, purged = self._falls([item for item, _ in pairs], [key for _, key in pairs], need, fresh)
            stays = [place >= at and key not in purged for place, (_, key) in enumerate(pairs)]
            gone += [pair for pair, stay in zip(pairs, stays) if not stay]
            self._only(pairs, stays)
        return gone

    def _falls(self, items: list[Any], keys: list[Optional[Hashable]], need: int, fresh: int) -> tuple[int, set[Hashable]]:
        """Which of all that waits must go. Where a key goes as a whole, its later items may be smaller than the oldest ones."""
        if not self._heals:
            return need, set()
        spare = self.maxsize // SPARE
        size = self.arrivals.size(len(items)) + self._hand_size  # the fresh ones are no part of the queue yet
        if self.maxbytes is None or size <= self.maxbytes:
            return falls(items, keys, need + spare)
        places, old = self._crowd(fresh, len(items) - fresh), len(items) - fresh
        sizes = self.arrivals.sizes(len(items), len(items))
        excess = size - self.maxbytes + self.maxbytes // SPARE
        return falls(items, keys, places + spare if places else 0, sizes=sizes, excess=excess, old=old)

    def _only(self, pairs: list[tuple[Any, Optional[Hashable]]], stays: list[bool]) -> list[tuple[Any, Optional[Hashable]]]:
        """Of all that waits these stay."""
        left = [pair for pair, stay in zip(pairs, stays) if stay]
        self.arrivals.keep(stays)
        self.queue.clear()
        self.queue.extend([item for item, _ in left])
        return left

    def _let_go(self, gone: list[tuple[Any, Optional[Hashable]]], at_ns: int) -> list[Hashable]:
        told: dict[Optional[Hashable], int] = {}  # how many messages of each key; 0 where a marker changed the state
        harmed: dict[Hashable, None] = {}
        for item, key in gone:
            if isinstance(item, Dropped):  # nothing is lost with it: it becomes one with the marker ahead
                told[key] = told.get(key, 0) + item.count
                self._marked -= 1
            elif isinstance(item, Event) and key is None and not isinstance(item, Snapshot):
                self._kept.append(item)
                self.ahead += 1
            elif isinstance(item, Event):
                self._fallen += 1
                if item.in_default_view:
                    told.setdefault(key, 0)
                    harmed[key] = None
            else:
                self._dropped += 1
                told[key] = told.get(key, 0) + 1
                harmed[key] = None
        while len(self._kept) > KEPT:
            self.ahead -= 1
            self._fallen += 1
            if self._kept.popleft().in_default_view:
                told.setdefault(None, 0)
        self._tell(told, at_ns)
        if not self._keyless:
            harmed.pop(None, None)  # nothing could heal it
        return list(harmed)

    def _tell(self, told: dict[Optional[Hashable], int], at_ns: int) -> None:
        if self.view == "messages":
            return
        for key, count in told.items():
            earlier = self._drops.get(key)
            if earlier is None:
                self._drops[key] = Dropped(key=key, count=count, at_ns=at_ns)
                self._marked += 1
                self.ahead += 1
            else:
                self._drops[key] = Dropped(key=key, count=earlier.count + count, at_ns=earlier.at_ns)

    def _excess(self, fresh: int, size: float, *, old: Optional[int] = None) -> int:
        """How many must go of `old` items (all in the queue) and `fresh` ones, so that they fit; `size`: bytes of them all.

        Fresh ones are never too big for an empty queue by their bytes alone.
        """
        old = len(self.queue) if old is None else old
        need = self._crowd(fresh, old)
        if self.maxbytes is not None and size > self.maxbytes:
            need = max(need, min(old, self.arrivals.leading(len(self.queue), size - self.maxbytes)))
        return need

    def _crowd(self, fresh: int, old: int) -> int:
        """How many of them have no place, whatever their bytes."""
        return max(0, min(old + fresh, old + fresh + self.in_hand - self.maxsize))

    def _empty_ahead(self) -> None:
        self._drops.clear()
        self._kept.clear()
        self.ahead = 0


def _matters(item: Any) -> bool:
    """Whether the consumer's state is wrong without it. A `Dropped` is not lost: it goes ahead of the queue."""
    return not isinstance(item, Event) or (item.in_default_view and not isinstance(item, Dropped))
