"""`Levels`: where the price levels of a book stand in a feed's messages, for `stream.books`. Pure, frozen.

Not here: the book (`book.py`), when a message is applied to it (`books.py`).
"""

from __future__ import annotations

import operator
from typing import Any, Callable, Iterable, NamedTuple, Optional, Sequence, Union

from . import schema
from .core.options import Options, check_count
from .core.paths import Getter, Path
from .errors import FeedError

Column = Union[int, str]
Row = Sequence[Any]


class Levels(Options, frozen=True, kw_only=True):
    """How a feed's messages and snapshots change a book.

    `bids`, `asks`: where a message has its rows (a name, a dotted path or a callable). A row is the new size at a price, 0: none.
    They must be there; a callable may return `None` for "no rows on this side", and for both sides where a message is none of the
    book's. `snapshot_bids`, `snapshot_asks`: the same for `Snapshot.state`; left out, they are where a message has them. `price`,
    `size`: which column of a row, by number or name. `number`: the column where each row has a number of its own, if it has; rows
    at or below the book's position are old, then, as they are where messages may overlap. `depth`: how many levels a side the
    venue keeps, where it sends no deletion for what falls out. `whole`: each message is all of the book.

    `checksum`: book → `int`, asked after each message (`syncstream.book.kraken_checksum`), and `expected`: where the message says
    what it should be. A message without it, or with 0, is not checked.
    """

    bids: Path
    asks: Path
    snapshot_bids: Optional[Path] = None
    snapshot_asks: Optional[Path] = None
    price: Column = 0
    size: Column = 1
    number: Optional[Column] = None
    depth: Optional[int] = None
    whole: bool = False
    checksum: Optional[Callable[[Any], int]] = None
    expected: Optional[Path] = None

    def __post_init__(self) -> None:
        columns = {"price": self.price, "size": self.size, **({} if self.number is None else {"number": self.number})}
        for field, column in columns.items():
            if isinstance(column, bool) or not isinstance(column, (int, str)):
                raise FeedError(field, column, "a column of a row: its number from 0, or its name")
        if self.depth is not None:
            check_count("depth", self.depth)
        if self.checksum is not None and not callable(self.checksum):
            raise FeedError("checksum", self.checksum, "expected a callable: book -> int")
        if (self.checksum is None) is not (self.expected is None):
            given, other = ("checksum", "expected") if self.expected is None else ("expected", "checksum")
            raise FeedError(given, getattr(self, given), f"a check needs both: give {other}=..., too")

    def check(self, *, decode: Any, snapshot_decode: Any) -> None:
        """Raise `FeedError` where messages and snapshots of these types cannot have the paths."""
        for field in ("bids", "asks", "expected"):
            schema.check_path(f"book {field}", getattr(self, field), decode)
        for field in ("bids", "asks"):
            schema.check_path(f"book snapshot_{field}", self._of_snapshot(field), snapshot_decode)

    def reading(self, *, decode: Any, snapshot_decode: Any, watch: Callable[[str, Any], Any]) -> Reading:
        """The callables that read messages and snapshots of these types. `watch` may wrap the user's own."""

        def place(path: Path, kind: Any) -> Getter:
            return watch("book", path) if callable(path) else schema.field_getter(path, kind)

        return Reading(
            bids=place(self.bids, decode),
            asks=place(self.asks, decode),
            snapshot_bids=place(self._of_snapshot("bids"), snapshot_decode),
            snapshot_asks=place(self._of_snapshot("asks"), snapshot_decode),
            pick=None if (self.price, self.size) == (0, 1) else operator.itemgetter(self.price, self.size),
            number=None if self.number is None else operator.itemgetter(self.number),
            expected=None if self.expected is None else place(self.expected, decode),
        )

    def _of_snapshot(self, side: str) -> Path:
        own: Optional[Path] = getattr(self, f"snapshot_{side}")
        path: Path = getattr(self, side)
        return path if own is None else own


class Changes(NamedTuple):
    """Rows of price and size."""

    bids: Iterable[Row]
    asks: Iterable[Row]


class Reading(NamedTuple):
    """`Levels`, ready to read. Owned by: nobody."""

    bids: Getter
    asks: Getter
    snapshot_bids: Getter
    snapshot_asks: Getter
    pick: Optional[Getter]
    number: Optional[Getter]
    expected: Optional[Getter]

    def message(self, message: Any, after: Any) -> Optional[Changes]:
        """What a message changes in a book that stands at `after`; `None` if it is none of the book's."""
        bids, asks = self.bids(message), self.asks(message)
        if bids is None and asks is None:
            return None
        return Changes(self._rows(bids, after), self._rows(asks, after))

    def snapshot(self, state: Any) -> Changes:
        """All levels of a snapshot."""
        return Changes(self._rows(self.snapshot_bids(state), None), self._rows(self.snapshot_asks(state), None))

    def _rows(self, rows: Optional[Iterable[Row]], after: Any) -> Iterable[Row]:
        if rows is None:
            return ()
        if self.number is not None and after is not None:
            number = self.number
            rows = [row for row in rows if int(number(row)) > after]
        return rows if self.pick is None else map(self.pick, rows)
