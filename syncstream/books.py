"""`stream.books`: the order books that the reader keeps, for feeds that say how (`Feed(book=Levels(...))`).

`Shelf` is the reader's: it takes what the engine lets through, in its order, before the consumer gets it. A book begins with a
`Snapshot`, follows messages, and is stale from whatever puts its key in doubt until the engine says that nothing is missing:

* while the engine holds the key back, or no line is open: its levels stay as they were;
* from a `Gap` that nothing heals until the next `Snapshot`: what comes in between has no beginning, and is left out;
* from a message that could not be applied, likewise; it is counted, and the first one of each key is in the log. Where others
  could be, since the last snapshot, the key is healed as after a wrong checksum: else it is the feed that reads them wrongly;
* from a wrong checksum until the next `Snapshot`: `take` says which keys are wrong, and from which item on, so that the engine
  doubts them, and heals them where it can. A check that failed `_SUSPECTED` times and never succeeded switches itself off, and
  says so in the log: venues have given up their checksums before. The last of these doubts nothing any more; what came before
  it does, in the same call or not.

What the consumer has missed (`Dropped`) is no matter: the book has it. `Books` is what any thread sees.
"""

from __future__ import annotations

from typing import Any, Hashable, Iterator, Mapping, NamedTuple, Optional, Protocol

from .book import Book, same_checksum
from .core.aliases import Named
from .core.keys import Keys
from .core.paths import MISSING, Getter
from .core.sync import State
from .events import Event, Gap, Snapshot
from .levels import Changes, Levels, Reading
from .logs import logger

_log = logger("syncstream.books")

_SUSPECTED = 10


class Wrong(NamedTuple):
    """Where a book turned out wrong: its item's place in the batch, the book's position (`None`: not known), and why."""

    place: int
    position: Any
    reason: str = "checksum"


class Shelf:
    """Owned by: reader thread. Others may read: `books`, `mismatches`, `unreadable`, `checks`."""

    def __init__(self, levels: Levels, reading: Reading, *, key: Getter, position: Optional[Getter], keys: Keys) -> None:
        self.books: dict[Hashable, Book] = {}
        self.mismatches = 0
        self.unreadable = 0
        self.checks = levels.checksum is not None
        self._levels = levels
        self._reading = reading
        self._key = key
        self._position = position
        self._keys = keys
        self._broken: set[Hashable] = set()  # what comes cannot be applied until there is a snapshot
        self._followed: set[Hashable] = set()  # a message was applied since the last one
        self._wrong: set[Hashable] = set()  # by their checksums, since their last snapshot
        self._found: dict[Hashable, Wrong] = {}  # of these, what has turned out so in this call of `take`
        self._index = 0  # of the item in hand
        self._matches = 0
        self._told: set[Hashable] = set()

    def take(self, items: list[Any]) -> dict[Hashable, Wrong]:
        """Apply what was let through, and look again at the keys that a marker names.

        Returns those that turned out wrong, and that no later snapshot among the items has put right.
        """
        touched: dict[Hashable, None] = {}
        for self._index, item in enumerate(items):
            if isinstance(item, Event):
                touched.update(dict.fromkeys(self.books if item.key is None and not isinstance(item, Snapshot) else (item.key,)))
                self._mark(item)
            else:
                self._follow(item, touched)
        for key in touched:
            self._refresh(key)
        found, self._found = self._found, {}
        return found

    def key_of(self, item: Any) -> Optional[Hashable]:
        """The key of a message that was taken, or of a marker."""
        found: Optional[Hashable] = item.key if isinstance(item, Event) else self._key(item)
        return found

    def prune(self) -> None:
        """Forget the books of keys that nobody wants any more."""
        for key in [key for key in self.books if key not in self._keys.syncs]:
            self.books.pop(key).doubt()
            for marked in (self._broken, self._followed, self._wrong, self._told):
                marked.discard(key)

    def close(self) -> None:
        """Nothing follows any more."""
        for book in self.books.values():
            book.doubt()

    # ---------------------------------------------------------------- items

    def _mark(self, event: Event) -> None:
        if isinstance(event, Snapshot):
            self._begin(event)
        elif isinstance(event, Gap):
            for key in list(self.books) if event.key is None else [event.key]:
                book = self.books.get(key)
                if book is not None:
                    book.doubt()
                    if not event.healing and event.reason != "checksum":  # what is wrong is followed, to see whether it stays so
                        self._broken.add(key)

    def _begin(self, snapshot: Snapshot) -> None:
        try:
            changes = self._reading.snapshot(snapshot.state)
            self._replace(snapshot.key, changes, snapshot.position, snapshot.state)
        except Exception as error:  # the user's paths and callables, a stranger's snapshot
            self._cannot(snapshot.key, error)

    def _follow(self, message: Any, touched: dict[Hashable, None]) -> None:
        key = self._key(message)
        message = message.message if isinstance(message, Named) else message
        if self._levels.whole:
            self._follow_whole(key, message)
            touched[key] = None
            return
        book = self.books.get(key)
        if book is None or key in self._broken:
            return
        try:
            changes = self._reading.message(message, book.position)
            if changes is None:
                return
            book.apply(*changes, position=self._position_of(message))
        except Exception as error:
            self._cannot(key, error)
            if key in self._followed and self._keys.rules.source:
                self._found[key] = Wrong(self._index, book.position, "unreadable")
            return
        self._followed.add(key)
        self._check(key, book, message)

    def _follow_whole(self, key: Hashable, message: Any) -> None:
        """A message that is all of the book."""
        try:
            changes = self._reading.message(message, None)
            if changes is not None:
                self._replace(key, changes, self._position_of(message), message)
        except Exception as error:
            self._cannot(key, error)

    def _position_of(self, message: Any) -> Any:
        return None if self._position is None else self._position(message)

    def _replace(self, key: Hashable, changes: Changes, position: Any, told: Any) -> None:
        """Begin with these levels, live when the engine says so. Raises what cannot be applied."""
        book = self.books.get(key) or Book(depth=self._levels.depth)
        book.replace(*changes, position=position, live=False)
        self.books[key] = book
        self._broken.discard(key)
        self._followed.discard(key)
        self._wrong.discard(key)
        self._found.pop(key, None)
        self._check(key, book, told)

    def _cannot(self, key: Hashable, error: Exception) -> None:
        """What came cannot be applied: nothing that follows can be right, until the next snapshot."""
        self.unreadable += 1
        self._broken.add(key)
        if key in self.books:
            self.books[key].doubt()
        if key not in self._told:
            self._told.add(key)
            _log.warning("the book of %r is stale until its next snapshot: %s: %s", key, type(error).__name__, error)

    def _refresh(self, key: Hashable) -> None:
        """Say whether the book is complete and current."""
        book = self.books.get(key)
        if book is None:
            return
        sync = self._keys.syncs.get(key)
        live = sync is not None and sync.state is State.LIVE and not sync.incomplete and self._keys.open_lines > 0
        if live and key not in self._broken and key not in self._wrong:
            book.trust()
        else:
            book.doubt()

    # ---------------------------------------------------------------- checksums

    def _check(self, key: Hashable, book: Book, message: Any) -> None:
        checksum, expected_of = self._levels.checksum, self._reading.expected
        if not self.checks or checksum is None or expected_of is None or self._withheld(key):
            return
        try:
            try:
                expected = expected_of(message)
            except MISSING:
                return  # not every message has one
            if expected in (None, "", 0, "0"):
                return
            matches = same_checksum(expected, checksum(book))
        except Exception as error:  # the user's callables, a stranger's number
            self._cannot(key, error)
            return
        if matches:
            self._matches += 1
            return
        self.mismatches += 1
        seen = key in self._wrong or self._levels.whole  # where the next message is all of the book
        self._wrong.add(key)
        book.doubt()
        if self.mismatches >= _SUSPECTED and not self._matches:
            self._give_up_checking()
            return
        if not seen:
            self._found[key] = Wrong(self._index, book.position)
        if self.mismatches == 1:
            _log.warning("the book of %r has another checksum than the venue says; it is stale until its next snapshot", key)

    def _withheld(self, key: Hashable) -> bool:
        """Whether it has turned out wrong in this call of `take`, and will be healed: nobody gets what came after that."""
        return key in self._found and self._keys.rules.source

    def _give_up_checking(self) -> None:
        """No book is doubted for a checksum any more. What earlier items have shown is told all the same."""
        self.checks = False
        for key in [key for key in self._wrong if not self._withheld(key)]:
            self._wrong.discard(key)
            self._refresh(key)
        _log.warning("checksum=: %d were wrong and none was right; books are not checked any more", self.mismatches)


class Owner(Protocol):
    """What `Books` needs of the `Stream`."""

    def _check_process(self) -> None: ...


class Books(Mapping[Hashable, Book]):
    """Owned by: the reader thread, which follows. The book of each key, from its first snapshot on: `stream.books["ABC"]`.

    A book that is taken from here goes on by itself; read it, and leave changing it to the stream. `book.live` says whether it is
    complete and current, `book.top(...)` tells it with the levels, for the same moment. A key without a snapshot so far raises
    `KeyError`.
    """

    def __init__(self, stream: Owner, shelf: Shelf) -> None:
        self._stream = stream
        self._shelf = shelf

    def __getitem__(self, key: Hashable) -> Book:
        return self._here().books[key]

    def __iter__(self) -> Iterator[Hashable]:
        return iter(list(self._here().books))

    def __len__(self) -> int:
        return len(self._here().books)

    @property
    def mismatches(self) -> int:
        """How many checksums were wrong; behind one that is to be healed none is looked at until the snapshot."""
        return self._here().mismatches

    @property
    def unreadable(self) -> int:
        """How many messages and snapshots could not be applied."""
        return self._here().unreadable

    @property
    def checking(self) -> bool:
        """Whether checksums are looked at; not any more where none was ever right."""
        return self._here().checks

    def _here(self) -> Shelf:
        """In the child of a fork nothing follows: the books would be taken for current for ever."""
        self._stream._check_process()
        return self._shelf

    def __repr__(self) -> str:
        return f"<books of {self._stream!r}: {len(self._shelf.books)} keys>"
