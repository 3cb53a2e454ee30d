"""Order books rebuilt from nothing but what a stream yields, and everything that can be said against them.

`rebuild` consumes a stream of a replayed session until every key stands at its last recorded position. `Rebuild` holds what came
out of it. The rules it enforces while it goes are the contract's: a message never follows a hole, never repeats, and never comes
before the first snapshot; a snapshot never goes back.
"""

from __future__ import annotations

import threading
import time
from typing import Any, Iterator, Optional

from syncstream import Event, Feed, Gap, Snapshot, Stream
from syncstream.events import Status
from tests.replay import Book, History, ReplayServer, Top

PATIENCE = 45.0  # seconds after which a stream that does not get there is closed, and the test fails


class Rebuild:
    """Owned by: the consuming thread. The local books, and what happened on the way."""

    def __init__(self, history: History) -> None:
        self._history = history
        self.books: dict[str, Book] = {}
        self.tops: dict[tuple[str, int], Optional[Top]] = {}  # by key and position: every state the books were in
        self.events: list[Event] = []
        self.messages = 0
        self.snapshots = 0
        self.status = Status()

    @property
    def complete(self) -> bool:
        """Every key stands where the recording ends."""
        return {key: book.position for key, book in self.books.items()} == self._history.final

    @property
    def gaps(self) -> list[Gap]:
        return [event for event in self.events if isinstance(event, Gap)]

    def take(self, item: Any) -> None:
        """Applies one item of the stream. Raises where the item breaks the contract."""
        if isinstance(item, Snapshot):
            self.snapshots += 1
            self._replace(item)
        elif isinstance(item, Event):
            self.events.append(item)
        else:
            self.messages += 1
            self._apply(item)

    def against_oracle(self) -> tuple[int, dict[tuple[str, int], Any]]:
        """How many states the venue's ticker speaks of, and those of them that it contradicts."""
        oracle = self._history.oracle
        compared = [at for at in self.tops if at in oracle]
        return len(compared), {at: (self.tops[at], oracle[at]) for at in compared if self.tops[at] != oracle[at]}

    def _replace(self, item: Snapshot) -> None:
        assert isinstance(item.key, str)
        book = self._history.venue.book(item.state)
        assert book.position == item.position
        known = self.books.get(item.key)
        assert known is None or book.position >= known.position, f"the snapshot of {item.key} goes back"
        self._stand(item.key, book)

    def _apply(self, message: Any) -> None:
        delta = self._history.venue.delta(message)
        assert delta is not None, f"not a message of a key: {message}"
        assert delta.key in self.books, f"{delta.key}: a message before the first snapshot"
        book = self.books[delta.key]
        assert book.apply(delta), f"{delta.key}: {delta.first}..{delta.last} is old at {book.position}"  # a hole raises
        self._stand(delta.key, book)

    def _stand(self, key: str, book: Book) -> None:
        self.books[key] = book
        self.tops[key, book.position] = book.top()


def rebuild(feed: Feed, server: ReplayServer, *, events: bool = False) -> Rebuild:
    """Consumes the default view, or `events()`, to the end of the session. The status is the one after the last item."""
    result = Rebuild(server.history)
    with Stream(feed) as stream:
        watchdog = threading.Timer(PATIENCE, stream.close)
        watchdog.start()
        try:
            items: Iterator[Any] = iter(stream.events() if events else stream)
            for item in items:
                result.take(item)
                if result.complete:
                    break
            result.status = settled(stream, server.history)
        finally:
            watchdog.cancel()
            watchdog.join()
    return result


def settled(stream: Stream, history: History) -> Status:
    """The status once it shows every key live and at its end, or after two seconds as it is then."""
    give_up_at = time.monotonic() + 2.0
    while True:
        status = stream.status
        reached = {key: picture.position for key, picture in status.keys.items() if picture.state == "live"}
        if reached == history.final or time.monotonic() > give_up_at:
            return status
        time.sleep(0.005)  # the picture may be a tenth of a second old


def assert_complete(result: Rebuild, server: ReplayServer, *, checked: int) -> None:
    """The verdict: `checked` states or more were compared, the ticker contradicts none, and the books end as the venue's."""
    compared, contradicted = result.against_oracle()
    assert not contradicted
    assert result.books == server.final_books()
    assert compared >= checked  # far below what an idle machine reaches: while a key heals, the tape plays on
    status = result.status
    assert {key: picture.position for key, picture in status.keys.items()} == server.history.final
    assert (status.unhealed, status.dropped, status.quarantined, status.syncing) == (0, 0, 0, 0)
    assert status.gaps == status.healed


def assert_told(result: Rebuild, server: ReplayServer) -> None:
    """On one connection that was never cut: each `Gap` names positions that were left out, and only such."""
    left_out: dict[str, set[int]] = {}
    for delta in server.left_out:
        left_out.setdefault(delta.key, set()).update(range(delta.first, delta.last + 1))
    assert result.gaps
    for gap in result.gaps:
        assert isinstance(gap.key, str)
        positions = set(range(gap.after + 1, gap.before))
        assert positions <= left_out[gap.key], gap
        assert (gap.reason, gap.healing, gap.missing) == ("hole", True, len(positions))
    assert len(result.gaps) == result.status.gaps <= len(server.left_out)
