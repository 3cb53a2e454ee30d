"""A recording as its venue understands it, and the venue's own books along it.

`History` lines up frames with what they mean. `Books` is the authoritative state at a position of the tape: it follows every
recorded delta, whatever a replay leaves out for its clients. Pure, no thread.
"""

from __future__ import annotations

import bisect
import json
from typing import TYPE_CHECKING, Callable, Hashable, Mapping, NamedTuple, Optional

from .books import Book, Delta, Top
from .recording import Frame, Recording

if TYPE_CHECKING:  # the venues make lines, which look into histories
    from .venues import Venue


class Taken(NamedTuple):
    """A recorded snapshot: after how many frames, of which key, the body's text."""

    position: int
    key: str
    text: str


class Whole(NamedTuple):
    """A recorded in-band snapshot: of which key, and its book, which nobody changes."""

    key: str
    book: Book


class History:
    """`frames`, `deltas` and `topics` have the same indexes; a position is a number of frames played. Never changes.

    Control frames are not among them: they belong to a connection, and each connection gets its own from the venue. `topics`:
    whose subscribers a frame is for, `None` where it is for everybody. `wholes`: which frames are in-band snapshots.
    """

    def __init__(self, recording: Recording, venue: Venue) -> None:
        self.recording = recording
        self.venue = venue
        self.oracle: dict[tuple[str, int], Top] = {}
        self.wholes: dict[int, Whole] = {}
        frames: list[Frame] = []
        deltas: list[Optional[Delta]] = []
        topics: list[Hashable] = []
        origin: list[int] = []  # the frame's index in the recording
        counts: dict[str, int] = {}  # of a venue that does not number: deltas so far
        venue.learn(recording)
        for number, frame in enumerate(recording.frames):
            message = venue.decode(frame.data)
            if message is not None and venue.is_control(message):
                continue
            origin.append(number)
            frames.append(frame)
            delta = None if message is None else venue.delta(message)
            if delta is not None and not venue.numbers:
                counts[delta.key] = count = counts.get(delta.key, 0) + 1
                delta = delta._replace(first=count, last=count)
            deltas.append(delta)
            topics.append(None if message is None else venue.topic(message))
            whole = None if message is None else venue.whole(message)
            if whole is not None:
                book = venue.book(message)
                book.position = book.position if venue.numbers else counts.get(whole, 0)
                self.wholes[len(frames) - 1] = Whole(whole, book)
            quote = None if message is None else venue.quote(message)
            if quote is not None:
                self.oracle[quote.key, quote.position] = quote.top
        self.frames = tuple(frames)
        self.deltas = tuple(deltas)
        self.topics = tuple(topics)
        self.snapshots = tuple(
            Taken(bisect.bisect_left(origin, body.position), key, body.text)
            for body in recording.bodies
            for key in [venue.key_of(body.url)]
            if key is not None
        )
        self.final = {delta.key: delta.last for delta in deltas if delta is not None}  # the last position of each key

    def tails(self) -> set[int]:
        """The index of each key's last delta: without it nothing later could show that it is missing."""
        return set({delta.key: index for index, delta in enumerate(self.deltas) if delta is not None}.values())


class Books:
    """The venue's books after `position` frames. Owned by: whoever made it; one thread at a time.

    `seen` is told each book after each delta that moved it, and after each in-band snapshot.
    """

    def __init__(self, history: History, seen: Optional[Callable[[str, Book], None]] = None) -> None:
        self._history = history
        self._seen = seen
        self._books: dict[str, Book] = {}
        self._waiting: dict[str, list[Delta]] = {}
        self._snapshots = list(history.snapshots)
        self.position = 0

    def advance(self, position: int) -> Mapping[str, Book]:
        """Plays the frames up to `position` (never back) and gives the books that have been spliced by then."""
        history = self._history
        for index in range(self.position, min(position, len(history.frames))):
            self._splice(index)
            self._begin(index)
            delta = history.deltas[index]
            if delta is not None and delta.key in self._books:
                self._apply(delta)
            elif delta is not None:
                self._waiting.setdefault(delta.key, []).append(delta)
            self.position = index + 1
        self._splice(self.position)
        return self._books

    def _splice(self, position: int) -> None:
        """Turns the snapshots that were taken by now into books and replays what waited for them."""
        while self._snapshots and self._snapshots[0].position <= position:
            taken = self._snapshots.pop(0)
            self._books[taken.key] = self._history.venue.book(json.loads(taken.text))
            for delta in self._waiting.pop(taken.key, []):
                self._apply(delta)

    def _begin(self, index: int) -> None:
        """An in-band snapshot is the book, whatever was before."""
        whole = self._history.wholes.get(index)
        if whole is None:
            return
        book = self._books[whole.key] = whole.book.copy()
        self._waiting.pop(whole.key, None)
        if self._seen is not None:
            self._seen(whole.key, book)

    def _apply(self, delta: Delta) -> None:
        book = self._books[delta.key]
        if book.apply(delta) and self._seen is not None:
            self._seen(delta.key, book)
