"""A price-level book that is exact, small and independent of the library: what the venue knows, and what a test rebuilds.

Prices and sizes stay the text the venue sent; the number is only the key. `Book.apply` refuses a hole, so a rebuilt book is
itself a proof that nothing was missing. Values and one plain object, no thread.
"""

from __future__ import annotations

import copy
from decimal import Decimal
from typing import Iterable, NamedTuple, Optional


class Level(NamedTuple):
    """A new total size at a price; size 0 deletes it. `position` is the number of this one change."""

    price: str
    size: str
    position: int


class Delta(NamedTuple):
    """The changes of one key from position `first` to position `last`, both included."""

    key: str
    first: int
    last: int
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]


class Top(NamedTuple):
    """Best bid and best ask with their sizes: what a ticker says and what a book must agree with."""

    bid: Decimal
    bid_size: Decimal
    ask: Decimal
    ask_size: Decimal

    @classmethod
    def of(cls, bid: str, bid_size: str, ask: str, ask_size: str) -> Top:
        return cls(Decimal(bid), Decimal(bid_size), Decimal(ask), Decimal(ask_size))


class Hole(Exception):
    """A delta does not follow the book's position: something between them is missing."""


Side = dict[Decimal, tuple[str, str]]


class Book:
    """The levels of one key at one position. Owned by: whoever made it; one thread at a time."""

    def __init__(self, position: int, bids: Iterable[Iterable[str]], asks: Iterable[Iterable[str]]) -> None:
        self.position = position
        self.bids = _side(bids)
        self.asks = _side(asks)

    def apply(self, delta: Delta) -> bool:
        """Applies what is newer than the book. False: nothing was. Raises `Hole`, and then changes nothing."""
        if delta.last <= self.position:
            return False
        if delta.first > self.position + 1:
            raise Hole(f"{delta.key}: {delta.first}..{delta.last} does not follow {self.position}")
        for side, levels in ((self.bids, delta.bids), (self.asks, delta.asks)):
            for level in levels:
                if level.position > self.position:  # an overlapping delta begins with changes the book has
                    _put(side, level)
        self.position = delta.last
        return True

    def copy(self) -> Book:
        """Another one of the same kind, at the same position."""
        book = copy.copy(self)
        book.bids, book.asks = dict(self.bids), dict(self.asks)
        return book

    def top(self) -> Optional[Top]:
        """The best prices; None while a side is empty."""
        if not self.bids or not self.asks:
            return None
        return Top.of(*self.bids[max(self.bids)], *self.asks[min(self.asks)])

    def levels(self) -> tuple[list[list[str]], list[list[str]]]:
        """Bids and asks as the venues write them: `[price, size]`, best first."""
        bids = [list(self.bids[price]) for price in sorted(self.bids, reverse=True)]
        asks = [list(self.asks[price]) for price in sorted(self.asks)]
        return bids, asks

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Book):
            return NotImplemented
        return (self.position, self.bids, self.asks) == (other.position, other.bids, other.asks)

    __hash__ = None  # type: ignore[assignment]  # it changes

    def __repr__(self) -> str:
        return f"Book(position={self.position}, bids={len(self.bids)}, asks={len(self.asks)}, top={self.top()})"


def _side(levels: Iterable[Iterable[str]]) -> Side:
    side: Side = {}
    for price, size in levels:
        side[Decimal(price)] = (price, size)
    return side


def _put(side: Side, level: Level) -> None:
    price = Decimal(level.price)
    if price == 0:  # KuCoin: a number was used up, no level changed
        return
    if Decimal(level.size) == 0:
        side.pop(price, None)  # deleting what is not there is routine
    else:
        side[price] = (level.price, level.size)
