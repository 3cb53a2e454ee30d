"""One adapter whose snapshots come on the line, along one recorded session, through a real socket.

The consumer keeps books of its own from what it is given, and judges each state at once: by the checksum that the venue sends
with it; else by the best ten levels of the replay's own books, at that number where each message has one of its key, or among
all that they ever were. A state that is wrong has to be told by a `Gap`, behind what was read with it, and nothing of that key
comes then before a snapshot.
"""

from __future__ import annotations

import bisect
import math
import threading
import time
from decimal import Decimal
from typing import Any, Callable, Hashable, Optional

from syncstream import Book, Event, Feed, Gap, Levels, Snapshot, Stream
from syncstream.book import Top, same_checksum
from syncstream.clock import now
from syncstream.core.aliases import Named
from syncstream.events import Status
from tests import replay

from .run import Result

PATIENCE = 40.0
BEST = 10

State = tuple[tuple[tuple[str, str], ...], ...]


class Verdict(Result):
    """`told`: wrong checksums that a `Gap` told. `after_gap`: messages between a `Gap` that is being healed and the snapshot."""

    told: int = 0
    after_gap: int = 0
    healed: int = 0
    reconnects: int = 0


class Consumer:
    """Owned by: the consuming thread. Books from nothing but what the stream yields."""

    def __init__(self, feed: Feed, truth: dict[tuple[str, Any], set[State]]) -> None:
        levels, reading = feed.book, feed.book_reading()
        assert isinstance(levels, Levels)
        assert reading is not None
        self.books: dict[Hashable, Book] = {}
        self.compared = self.contradicted = self.told = self.after_gap = self.messages = 0
        self._levels = levels
        self._reading = reading
        self._rules = feed.rules()
        self._key = feed.item_key()
        self._truth = truth
        self._doubted: set[Hashable] = set()

    def take(self, item: Any) -> None:
        """Applies one item, and judges the state that it leads to."""
        if isinstance(item, Snapshot):
            changes = self._reading.snapshot(item.state)
            book = self.books[item.key] = Book(*changes, position=item.position, depth=self._levels.depth)
            self._doubted.discard(item.key)
            self._judge(item.key, book, item.state)
        elif isinstance(item, Gap):
            self.told += item.reason == "checksum"
            if item.healing and item.reason != "reconnect":  # behind a new line a message may show that nothing was missed
                self._doubted.add(item.key)
        elif not isinstance(item, Event):
            key = self._key(item)
            item = item.message if isinstance(item, Named) else item
            book = self.books[key]  # a message before the first snapshot is an error
            self.messages += 1
            self.after_gap += key in self._doubted
            changes_ = self._reading.message(item, book.position)
            assert changes_ is not None
            book.apply(*changes_, position=None if self._rules.last is None else self._rules.last(item))
            self._judge(key, book, item)

    def _judge(self, key: Hashable, book: Book, told: Any) -> None:
        right = self._agrees(key, book, told)
        if right is None:
            return
        self.compared += 1
        self.contradicted += not right

    def _agrees(self, key: Hashable, book: Book, told: Any) -> Optional[bool]:
        """Whether the state is right; `None`: nobody says."""
        if self._levels.checksum is not None and self._reading.expected is not None:
            expected = self._reading.expected(told)
            if expected not in (None, "", 0, "0"):
                return same_checksum(expected, self._levels.checksum(book))
        truth = self._truth.get((str(key), None)) or self._truth.get((str(key), book.position))
        return None if truth is None else state_of(book.top(BEST)) in truth


def books(make: Callable[[replay.ReplayServer], Feed], server: replay.ReplayServer, *, whole: bool = True) -> Verdict:
    """Until the session is over and each book is the venue's: all levels, or (`whole=False`) the best ten."""
    feed = make(server)
    consumer = Consumer(feed, truth_of(server.history))
    final = {key: book.levels() for key, book in server.final_books().items()}
    best = None if whole else BEST
    wanted = {key: tuple(tuple(map(tuple, side[:best])) for side in sides) for key, sides in final.items()}
    stream = Stream(feed, queue_size=100_000)
    found: list[tuple[Status, bool]] = []

    first = {key: tuple(side[:1] for side in sides) for key, sides in wanted.items()}

    def near() -> bool:
        """A cheap look before the long one."""
        return {key: state_of(book.top(1)) for key, book in list(consumer.books.items())} == first

    def there() -> bool:
        kept = {key: state_of(book.top(best)) for key, book in stream.books.items() if book.live}
        own = {key: state_of(book.top(best)) for key, book in list(consumer.books.items())}
        return kept == own == wanted

    def watch() -> None:
        """Until it is there, and a tenth of a second more, which the picture may be old."""
        end = now() + PATIENCE
        while now() < end and not (server.finished and near() and there()):
            time.sleep(0.01)
        time.sleep(0.15)
        found.append((stream.status, there()))
        stream.close()

    with stream:
        watcher = threading.Thread(target=watch)
        watcher.start()
        for item in stream.events():
            consumer.take(item)
        watcher.join()
    ((status, complete),) = found
    return Verdict(
        expected=sum(delta is not None for delta in server.history.deltas),
        messages=consumer.messages,
        gaps=status.gaps,
        unhealed=status.unhealed,
        quarantined=status.quarantined,
        duplicates=status.duplicates,
        compared=consumer.compared,
        contradicted=consumer.contradicted,
        whole=complete,
        told=consumer.told,
        after_gap=consumer.after_gap,
        healed=status.healed,
        reconnects=status.reconnects,
    )


def run(make: Callable[[replay.ReplayServer], Feed], history: replay.History, **settings: Any) -> Verdict:
    """The whole session, as fast as it goes unless told otherwise."""
    with play(history, **settings) as server:
        return books(make, server)


def truth_of(history: replay.History) -> dict[tuple[str, Any], set[State]]:
    """The best levels of the venue's books at each of their positions; at `None` where the venue counts nothing by key."""
    truth: dict[tuple[str, Any], set[State]] = {}
    books = replay.Books(history)
    ranks: dict[str, tuple[list[Decimal], list[Decimal]]] = {}  # the prices of each side, best last; asks with their sign turned
    for index, delta in enumerate(history.deltas):
        whole = history.wholes.get(index)
        key = whole.key if whole is not None else None if delta is None else delta.key
        book = None if key is None else books.advance(index + 1).get(key)
        if key is None or book is None:
            continue
        if delta is None:
            ranks[key] = sorted(book.bids), sorted(-price for price in book.asks)
        else:
            _rank(ranks[key], book, delta)
        bids = tuple(book.bids[price] for price in reversed(ranks[key][0][-BEST:]))
        asks = tuple(book.asks[-price] for price in reversed(ranks[key][1][-BEST:]))
        truth.setdefault((key, book.position if history.venue.numbers else None), set()).add((bids, asks))
    return truth


def _rank(ranks: tuple[list[Decimal], list[Decimal]], book: replay.Book, delta: replay.Delta) -> None:
    """The prices as they are after this delta."""
    for rank, side, levels, sign in ((ranks[0], book.bids, delta.bids, 1), (ranks[1], book.asks, delta.asks, -1)):
        for level in levels:
            price = Decimal(level.price)
            at = bisect.bisect_left(rank, sign * price)
            there = at < len(rank) and rank[at] == sign * price
            if (price in side) is there:
                continue
            if there:
                del rank[at]
            else:
                rank.insert(at, sign * price)


def state_of(top: Top) -> State:
    """With the digits that were sent."""
    return tuple(tuple((format(price, "f"), format(size, "f")) for price, size in side) for side in (top.bids, top.asks))


def count(make: Callable[[replay.ReplayServer], Feed], history: replay.History, wanted: Callable[[Any], bool]) -> Result:
    """A feed without books: all messages of the topics that are `wanted`; snapshots of them are counted, too, heartbeats not."""
    frames = zip(history.frames, history.topics)
    topics = [topic for frame, topic in frames if topic is not None and wanted(topic) and '"hb"' not in str(frame.data)]
    with play(history, topics=len(set(topics))) as server, Stream(make(server), queue_size=100_000) as stream:
        end, came = now() + PATIENCE, 0
        while came < len(topics) and now() < end:
            items = stream.get_many(5_000, timeout=0.05)
            came += sum(isinstance(item, Snapshot) or not isinstance(item, Event) for item in items)
        status = stream.status
        return Result(
            expected=len(topics),
            messages=came,
            gaps=status.gaps,
            unhealed=status.unhealed,
            quarantined=status.quarantined,
            duplicates=status.duplicates,
        )


def play(history: replay.History, **settings: Any) -> replay.ReplayServer:
    """As fast as it can, unless told otherwise; it begins when all topics of the books are subscribed."""
    return replay.ReplayServer(history, **{"speed": math.inf, "topics": len(keys(history)), **settings})


def part(history: replay.History, line: int) -> replay.History:
    """One connection of a session that had several."""
    frames = tuple(frame._replace(line=0) for frame in history.recording.frames if frame.line == line)
    return replay.History(history.recording._replace(frames=frames), history.venue)


def keys(history: replay.History) -> list[str]:
    """Those that have a book."""
    return sorted({whole.key for whole in history.wholes.values()})
