"""`python -m tests.bench.book [--repeat N]`: why a side of a book is a dict and a sorted list, and how fast a book is.

Three containers follow the same deltas: a plain dict, whose best price is looked for; the dict and sorted list that `Book` has;
and `sortedcontainers.SortedDict`, where that package is installed (it is no dependency). Numbers are parsed in all three; after
each message the best price, the ten best, or nothing is read. The last row of each table is `Book` itself, with its lock and the
values it hands out. Messages a second, best of N.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from bisect import bisect_left, insort
from decimal import Decimal
from typing import Any, Callable, NamedTuple, Optional

from syncstream.book import Book
from tests import replay

Rows = list[Any]


class Step(NamedTuple):
    """One message: of which key, whether it replaces, its rows."""

    key: str
    whole: bool
    bids: Rows
    asks: Rows


class Plain:
    """A dict a side, searched for its best."""

    def __init__(self) -> None:
        self.sides: tuple[Any, Any] = ({}, {})

    def take(self, step: Step) -> None:
        if step.whole:
            self.sides = self._sides()
        for side, rows in zip(self.sides, (step.bids, step.asks)):
            for row in rows:
                price, size = Decimal(row[0]), Decimal(row[1])
                if size:
                    side[price] = size
                else:
                    side.pop(price, None)

    def best(self) -> Any:
        bids, asks = self.sides
        return max(bids, default=None), min(asks, default=None)

    def ten(self) -> Any:
        bids, asks = self.sides
        return sorted(bids, reverse=True)[:10], sorted(asks)[:10]

    def _sides(self) -> tuple[Any, Any]:
        return {}, {}


class Bisected(Plain):
    """A dict and a sorted list a side, the list kept by bisection."""

    def __init__(self) -> None:
        self.sides = ({}, {})
        self.orders: tuple[list[Decimal], list[Decimal]] = ([], [])

    def take(self, step: Step) -> None:
        if step.whole:
            super().take(step)
            self.orders = sorted(self.sides[0]), sorted(self.sides[1])
            return
        for side, order, rows in zip(self.sides, self.orders, (step.bids, step.asks)):
            for row in rows:
                price, size = Decimal(row[0]), Decimal(row[1])
                if size:
                    if price not in side:
                        insort(order, price)
                    side[price] = size
                elif side.pop(price, None) is not None:
                    del order[bisect_left(order, price)]

    def best(self) -> Any:
        bids, asks = self.orders
        return bids[-1:], asks[:1]

    def ten(self) -> Any:
        bids, asks = self.orders
        return bids[:-11:-1], asks[:10]


class Contained(Plain):
    """A `SortedDict` a side."""

    def __init__(self, made: Callable[[], Any]) -> None:
        self.made = made
        self.sides = self._sides()

    def best(self) -> Any:
        bids, asks = self.sides
        return bids.peekitem(-1) if bids else None, asks.peekitem(0) if asks else None

    def ten(self) -> Any:
        bids, asks = self.sides
        return bids.keys()[:-11:-1], asks.keys()[:10]

    def _sides(self) -> tuple[Any, Any]:
        return self.made(), self.made()


class Whole:
    """`syncstream.Book`."""

    def __init__(self) -> None:
        self.book = Book()

    def take(self, step: Step) -> None:
        (self.book.replace if step.whole else self.book.apply)(step.bids, step.asks)

    def best(self) -> Any:
        return self.book.best()

    def ten(self) -> Any:
        return self.book.top(10)


def containers() -> dict[str, Callable[[], Any]]:
    """By name; without the sorted container where it is not installed."""
    found: dict[str, Callable[[], Any]] = {"dict, searched": Plain, "dict and bisected list": Bisected}
    try:
        made = __import__("sortedcontainers").SortedDict
    except ImportError:
        print("sortedcontainers is not installed: left out", file=sys.stderr)
    else:
        found["sortedcontainers.SortedDict"] = lambda: Contained(made)
    return {**found, "syncstream.Book": Whole}


def recorded() -> list[Step]:
    """Ten Binance symbols, some hundreds to a thousand levels a side."""
    history = replay.history("binance_spot_10sym_20210405")
    steps = []
    for taken in history.snapshots:
        body = json.loads(taken.text)
        steps.append(Step(taken.key, True, body["bids"], body["asks"]))
    return steps + [Step(delta.key, False, [*delta.bids], [*delta.asks]) for delta in history.deltas if delta is not None]


def made(levels: int, messages: int) -> list[Step]:
    """One key of so many levels a side; most changes are near the best price."""
    dice = random.Random(1)
    steps = [Step("X", True, [(f"{-n}", "1") for n in range(levels)], [(f"{n + 1}", "1") for n in range(levels)])]
    for _ in range(messages):
        place, size = min(levels - 1, int(dice.expovariate(1 / 50))), dice.choice(["0", "2"])
        steps.append(Step("X", False, [(f"{-place}.5", size)], [(f"{place + 1}.5", size)]))
    return steps


def measure(steps: list[Step], make: Callable[[], Any], read: Optional[str]) -> float:
    """Messages a second."""
    books: dict[str, Any] = {step.key: make() for step in steps}
    begun_at = time.perf_counter()
    for step in steps:
        book = books[step.key]
        book.take(step)
        if read is not None:
            getattr(book, read)()
    return len(steps) / (time.perf_counter() - begun_at)


def main() -> int:
    """Prints a table for each session."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.book")
    parser.add_argument("--repeat", type=int, default=3)
    repeat = parser.parse_args().repeat
    for name, steps in (("Binance spot, recorded", recorded()), ("50,000 levels a side, made", made(50_000, 3000))):
        print(f"\n{name}: {len(steps):,} messages\n")
        print("| a side is | nothing read | best | ten best |\n| --- | ---: | ---: | ---: |")
        for container, make in containers().items():
            few = steps[:100] if make is Plain and name.startswith("50,000") else steps  # it takes milliseconds a message there
            speeds = [max(measure(few, make, read) for _ in range(repeat)) for read in (None, "best", "ten")]
            print(f"| {container} | " + " | ".join(f"{speed:,.0f}" for speed in speeds) + " |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
