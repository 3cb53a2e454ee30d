"""The true state: an order book per symbol that moves by numbered deltas, and the memory to tell an older state.

Pure: no thread, no clock; the dice are a seed. The venue calls it under its lock. Every symbol has dice of its own, so what
happens to one symbol depends on the seed and on how often it moved, and not on the order in which the symbols took turns.

Deliberately not here: messages, who receives them, and sequence numbers of connections.
"""

from __future__ import annotations

import itertools
import random
from collections import deque
from typing import Iterator, NamedTuple, Sequence, Union

import msgspec

HISTORY = 2_000
"""How many moves of a symbol can be taken back for a stale snapshot."""

_DEPTH = 20  # price levels on each side
_LARGEST = 9  # sizes and volumes are 1 to this


class State(msgspec.Struct, frozen=True, kw_only=True):
    """A symbol at one moment. `bids` and `asks`: price text → size, best price first; `volume`: the sum of all increments.

    `version` is the position: the number of the last delta that is in it.
    """

    symbol: str
    version: int = 0
    bids: dict[str, int] = {}
    asks: dict[str, int] = {}
    volume: int = 0

    @property
    def position(self) -> int:
        return self.version


class Delta(NamedTuple):
    """One move. `size` is the new size of the level (0: the level is gone), `volume` an increment."""

    symbol: str
    version: int
    side: str
    price: str
    size: int
    volume: int


class _Undo(NamedTuple):
    side: str
    price: str
    size: int
    volume: int


class Book:
    """Owned by: the market, one per symbol."""

    def __init__(self, symbol: str, middle: int, dice: random.Random) -> None:
        self.symbol = symbol
        self.version = 0
        self.volume = 0
        self._dice = dice
        self._sides: dict[str, dict[str, int]] = {"bid": {}, "ask": {}}
        self._past: deque[_Undo] = deque(maxlen=HISTORY)
        self._levels = [("bid", _price(middle - offset)) for offset in range(1, _DEPTH + 1)]
        self._levels += [("ask", _price(middle + offset)) for offset in range(1, _DEPTH + 1)]

    def move(self) -> Delta:
        dice = self._dice.random  # three plain draws: randrange and choice would take most of the time of a message
        side, price = self._levels[int(dice() * len(self._levels))]
        size = int(dice() * (_LARGEST + 1))
        volume = 1 + int(dice() * _LARGEST)
        levels = self._sides[side]
        before = levels.get(price, 0)
        if not size and not before:
            size = 1  # nothing to delete there
        if size:
            levels[price] = size
        else:
            del levels[price]
        self.version += 1
        self.volume += volume
        self._past.append(_Undo(side, price, before, volume))
        return Delta(self.symbol, self.version, side, price, size, volume)

    def state(self, ago: int = 0) -> State:
        """The state `ago` versions earlier, or the earliest that can still be told."""
        sides = {side: dict(levels) for side, levels in self._sides.items()}
        volume, ago = self.volume, min(ago, len(self._past))
        for undo in itertools.islice(reversed(self._past), ago):
            sides[undo.side][undo.price] = undo.size
            volume -= undo.volume
        return State(
            symbol=self.symbol,
            version=self.version - ago,
            bids=_sorted(sides["bid"], best_is_high=True),
            asks=_sorted(sides["ask"], best_is_high=False),
            volume=volume,
        )

    def restart(self, *, empty: bool) -> None:
        """Count from 1 again. What was before can no longer be told."""
        self.version = 0
        self._past.clear()
        if empty:
            self.volume = 0
            self._sides = {"bid": {}, "ask": {}}


class Market:
    """Owned by: the venue's lock."""

    def __init__(self, symbols: Sequence[str], seed: Union[int, str]) -> None:
        self._dice = random.Random(f"{seed}/market")
        self._symbols = tuple(symbols)
        self.books = {
            symbol: Book(symbol, 10_000 + 1_000 * index, random.Random(f"{seed}/{symbol}"))
            for index, symbol in enumerate(symbols)
        }

    def pick(self) -> str:
        """The symbol whose turn it is."""
        return self._symbols[int(self._dice.random() * len(self._symbols))]

    def __iter__(self) -> Iterator[Book]:
        return iter(self.books.values())


def _price(hundredths: int) -> str:
    return f"{hundredths // 100}.{hundredths % 100:02d}"


def _sorted(levels: dict[str, int], *, best_is_high: bool) -> dict[str, int]:
    prices = sorted((price for price, size in levels.items() if size), key=float, reverse=best_is_high)
    return {price: levels[price] for price in prices}
