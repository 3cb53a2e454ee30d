"""`Book`: the price levels of one key, exact, and `kraken_checksum`, `okx_checksum` over its best ones.

Each side is a dict price → level beside a sorted list of its prices, best last, kept by bisection. Measured on recorded sessions
(`python -m tests.bench.book`) that is as fast as a sorted container up to some thousands of levels, and many times faster than
looking for the best price in a plain dict.

Any thread: a lock guards the levels, so a reader sees what one delta has left, never half of it. No user code runs under it.
Not here: whether a delta may be applied. That is the stream's business; a book believes what it is given.
"""

from __future__ import annotations

import threading
import zlib
from bisect import bisect_left, insort
from decimal import Decimal, InvalidOperation
from typing import Any, Iterable, NamedTuple, Optional, Sequence, Union

Number = Union[str, int, float, Decimal]
Row = Sequence[Any]  # price, size, and whatever the venue adds

_CHECKED = 10  # levels a side, Kraken
_OKX_CHECKED = 25
_MASK = 0xFFFFFFFF


class Level(NamedTuple):
    """The total `size` offered at a `price`. Both keep the digits the venue sent: `Decimal("0.00005100")` has its zeros."""

    price: Decimal
    size: Decimal


class Top(NamedTuple):
    """The best levels of a book at one moment, best first. It does not change any more.

    `live`: whether it was complete and current then. `position`: what it stood at, `None` where the venue counts nothing.
    """

    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    position: Any
    live: bool

    @property
    def bid(self) -> Optional[Level]:
        """The best bid; `None` while there is none."""
        return self.bids[0] if self.bids else None

    @property
    def ask(self) -> Optional[Level]:
        """The best ask; `None` while there is none."""
        return self.asks[0] if self.asks else None

    @property
    def crossed(self) -> bool:
        """Whether the best bid is at the best ask or above: by right in an auction, else a sign of trouble."""
        return bool(self.bids and self.asks and self.bids[0].price >= self.asks[0].price)


class Book:
    """Owned by: whoever applies, one thread at a time. Any thread may read.

    `bids`, `asks`: rows of price and size; what else a row has is left alone. Numbers are texts, `int`, `Decimal` or `float`
    (which has lost its trailing zeros already, so no checksum over text can be right). `depth`: keep so many levels a side, as
    venues do that send no deletions for what falls out; `None`: all.
    """

    def __init__(
        self,
        bids: Iterable[Row] = (),
        asks: Iterable[Row] = (),
        *,
        position: Any = None,
        depth: Optional[int] = None,
    ) -> None:
        if depth is not None and (type(depth) is not int or depth < 1):
            raise ValueError(f"depth={depth!r}: expected a whole number of levels, at least 1, or None for all")
        self.depth = depth
        self._lock = threading.Lock()  # guards: everything below
        self._bids, self._asks = _Side(rising=False), _Side(rising=True)
        self._position: Any = None
        self._live = False
        self.replace(bids, asks, position=position)

    # ---------------------------------------------------------------- its owner

    def replace(self, bids: Iterable[Row], asks: Iterable[Row], *, position: Any = None, live: bool = True) -> None:
        """A snapshot: these levels and no others, and by `live` whether it is current. Raises as `apply` does."""
        sides = _changes(bids), _changes(asks)
        with self._lock:
            for side, changes in zip((self._bids, self._asks), sides):
                side.replace(changes, self.depth)
            self._position = position
            self._live = live

    def apply(self, bids: Iterable[Row], asks: Iterable[Row], *, position: Any = None) -> None:
        """A delta: each row is the new total size at a price, 0 for none any more. `position`: where the book stands then.

        Deleting what is not there is routine. Rows of one price count in their order. Raises `ValueError` for what is no finite
        number or a size below zero, `TypeError` or `IndexError` for what is no row of two; the book is unchanged then.
        """
        sides = _changes(bids), _changes(asks)
        with self._lock:
            for side, changes in zip((self._bids, self._asks), sides):
                side.apply(changes, self.depth)
            if position is not None:
                self._position = position

    def doubt(self) -> None:
        """Something is missing: the levels stay, and are said to be stale, until the next snapshot (or `trust`)."""
        with self._lock:
            self._live = False

    def trust(self) -> None:
        """Nothing was missing after all."""
        with self._lock:
            self._live = True

    # ---------------------------------------------------------------- any thread

    @property
    def live(self) -> bool:
        """Whether it is complete and current, as far as its owner knows. `top` tells it for the same moment as the levels."""
        return self._live

    @property
    def position(self) -> Any:
        """The position of the last snapshot or delta that had one."""
        return self._position

    @property
    def crossed(self) -> bool:
        """As `top(1).crossed`."""
        return self.top(1).crossed

    def best(self) -> Top:
        """The best level of each side: `top(1)`."""
        return self.top(1)

    def top(self, levels: Optional[int] = None) -> Top:
        """The best `levels` of each side (`None`: all), as they are at one moment."""
        if levels is not None and levels < 0:
            raise ValueError(f"levels={levels!r}: expected zero or more, or None for all")
        with self._lock:
            return Top(self._bids.best(levels), self._asks.best(levels), self._position, self._live)

    def __len__(self) -> int:
        """How many levels both sides have."""
        with self._lock:
            return len(self._bids.prices) + len(self._asks.prices)

    def __bool__(self) -> bool:
        return True  # an empty book is a book

    def __repr__(self) -> str:
        top = self.top(1)
        sides = "/".join("-" if level is None else f"{level.size}@{level.price}" for level in (top.bid, top.ask))
        return f"<Book {sides}, {len(self)} levels, position {top.position!r}{'' if top.live else ', stale'}>"


class _Side:
    """Owned by: its book, under the book's lock. `order` has the keys sorted, the best one last: changes are mostly there.

    A key is the price, of asks with its sign turned. `copy_negate` does that exactly; a minus would round to the context.
    """

    __slots__ = ("order", "prices", "rising")

    def __init__(self, *, rising: bool) -> None:
        self.rising = rising
        self.prices: dict[Decimal, Level] = {}
        self.order: list[Decimal] = []

    def replace(self, changes: list[Level], depth: Optional[int]) -> None:
        self.prices = {}
        for level in changes:
            key = level.price.copy_negate() if self.rising else level.price
            if level.size:
                self.prices[key] = level
            else:
                self.prices.pop(key, None)
        self.order = sorted(self.prices)
        self._cut(depth)

    def apply(self, changes: list[Level], depth: Optional[int]) -> None:
        prices, order, rising = self.prices, self.order, self.rising
        for level in changes:
            price, size = level
            key = price.copy_negate() if rising else price
            if size:
                if key not in prices:
                    insort(order, key)
                prices[key] = level
            elif prices.pop(key, None) is not None:
                del order[bisect_left(order, key)]
        self._cut(depth)

    def best(self, levels: Optional[int]) -> tuple[Level, ...]:
        prices, order = self.prices, self.order
        begin = 0 if levels is None else max(0, len(order) - levels)
        return tuple([prices[key] for key in reversed(order[begin:])])

    def _cut(self, depth: Optional[int]) -> None:
        """Forget what stands behind the best `depth` levels."""
        excess = 0 if depth is None else len(self.order) - depth
        if excess > 0:
            for key in self.order[:excess]:
                del self.prices[key]
            del self.order[:excess]


def _changes(rows: Iterable[Row]) -> list[Level]:
    """All rows as numbers, before anything is changed."""
    changes: list[Level] = []
    for row in rows:
        price, size = _number(row[0]), _number(row[1])
        if size < 0:
            raise ValueError(f"a size of {size} at {price}: sizes are not below zero")
        changes.append(_level(Level, (price, size)))
    return changes


_level = tuple.__new__  # what `Level(price, size)` comes to, at half its cost: a book of a thousand levels has as many


def _number(value: Number) -> Decimal:
    try:
        number = value if type(value) is Decimal else Decimal(value if type(value) is str else _plain(value))
    except InvalidOperation:
        raise ValueError(f"{value!r} is not the text of a number") from None
    if not number.is_finite():
        raise ValueError(f"{value!r} is not a finite number")
    return number


def _plain(value: Number) -> Union[str, int, Decimal]:
    if isinstance(value, bool) or not isinstance(value, (str, int, float, Decimal)):
        raise TypeError(f"{value!r} is not a number, nor the text of one")
    return repr(value) if isinstance(value, float) else value  # the shortest text: Decimal(0.1) has 55 digits


# -------------------------------------------------------------------- checksums


def kraken_checksum(book: Book) -> int:
    """CRC32 as Kraken reckons it over the ten best levels: asks, then bids, digits without point and leading zeros.

    To be asked after a message was applied to a book of the subscribed `depth`. It needs the digits as they were sent, so v2,
    which sends JSON numbers, has to be decoded with `Decimal`s. Unsigned. Source: docs.kraken.com, "Book checksum" (WebSocket v1
    and v2), read 2026-11-26; equal on every message of the recorded sessions, v1 (4,269) and v2 (4).
    """
    top = book.top(_CHECKED)
    text = "".join([_digits(number) for level in top.asks + top.bids for number in level])
    return zlib.crc32(text.encode("ascii"))


def okx_checksum(book: Book) -> int:
    """CRC32 as OKX reckons it over the 25 best levels: `bid:size:ask:size:...` in turn, the longer side alone at the end.

    Signed, 32 bits, as OKX sends it. Since 2026-06-23 it sends 0, which means: none (OKX, "Checksum Field Deprecation", of
    2026-05-21). Equal on every message (290) of a session recorded in 2022, whose rule it is.
    """
    top = book.top(_OKX_CHECKED)
    parts = []
    for index in range(max(len(top.bids), len(top.asks))):
        for side in (top.bids, top.asks):
            if index < len(side):
                parts += [format(side[index].price, "f"), format(side[index].size, "f")]
    checksum = zlib.crc32(":".join(parts).encode("ascii"))
    return checksum - (1 << 32) if checksum >> 31 else checksum


def same_checksum(expected: Number, reckoned: int) -> bool:
    """Whether two are the same 32 bits, signed or not, number or text."""
    return int(expected) & _MASK == reckoned & _MASK


def _digits(number: Decimal) -> str:
    return format(number, "f").replace(".", "").lstrip("0")
