"""`Book` against a naive reference, the text of its numbers, reads from other threads, and the checksums by their examples."""

from __future__ import annotations

import threading
import zlib
from decimal import Decimal, localcontext
from typing import Any, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncstream.book import Book, Level, Top, kraken_checksum, okx_checksum, same_checksum

PATIENCE = 20.0

Rows = list[tuple[str, str]]


class Naive:
    """Owned by: the test. A dict a side, sorted whenever somebody looks."""

    def __init__(self, depth: Optional[int]) -> None:
        self.depth = depth
        self.sides: list[dict[Decimal, tuple[str, str]]] = [{}, {}]

    def replace(self, bids: Rows, asks: Rows) -> None:
        self.sides = [{}, {}]
        self.apply(bids, asks)

    def apply(self, bids: Rows, asks: Rows) -> None:
        for side, rows in zip(self.sides, (bids, asks)):
            for price, size in rows:
                side[Decimal(price)] = (price, size)
        for index, side in enumerate(self.sides):
            kept = {price: row for price, row in side.items() if Decimal(row[1]) != 0}
            best_first = sorted(kept, reverse=index == 0)[: self.depth]
            self.sides[index] = {price: kept[price] for price in best_first}

    def levels(self) -> list[list[Level]]:
        return [[Level(Decimal(price), Decimal(size)) for price, size in side.values()] for side in self.sides]


def number(digits: int, places: int, zeros: int) -> str:
    """The same number in one of many texts."""
    return format(Decimal(digits).scaleb(-places), "f") + ("." if places == 0 and zeros else "") + "0" * zeros


PRICES = st.builds(number, st.integers(-3, 30), st.integers(0, 2), st.integers(0, 2))
SIZES = st.one_of(st.sampled_from(["0", "0.000"]), st.builds(number, st.integers(0, 9), st.integers(0, 9), st.integers(0, 3)))
ROWS = st.lists(st.tuples(PRICES, SIZES), max_size=12)


@given(
    depth=st.one_of(st.none(), st.integers(1, 6)), steps=st.lists(st.tuples(st.sampled_from(["replace", "apply"]), ROWS, ROWS))
)
def test_a_book_is_what_the_naive_one_is(depth: Optional[int], steps: list[tuple[str, Rows, Rows]]) -> None:
    """After any snapshots and deltas: the same levels in the same order, at every number of levels asked for."""
    book, naive = Book(depth=depth), Naive(depth)
    for position, (call, bids, asks) in enumerate(steps):
        getattr(book, call)(bids, asks, position=position)
        getattr(naive, call)(bids, asks)
        bid_levels, ask_levels = naive.levels()
        for levels in (None, 0, 1, 3, 100):
            assert book.top(levels) == Top(tuple(bid_levels[:levels]), tuple(ask_levels[:levels]), position, True)
        assert len(book) == len(bid_levels) + len(ask_levels)
        assert book.crossed == bool(bid_levels and ask_levels and bid_levels[0][0] >= ask_levels[0][0])


@given(rows=ROWS, bad=st.sampled_from([("x", "1"), ("1", "-1"), ("nan", "1"), ("1", "inf"), ("1",), (True, "1"), (None, "1"), 5]))
def test_what_cannot_be_applied_changes_nothing(rows: Rows, bad: Any) -> None:
    """A row that is no level raises, on either side, and the book is as it was, whatever stood before that row."""
    book = Book([("9", "1")], [("11", "2")], position=7)
    before = book.top()
    for bids, asks in (([*rows, bad], rows), (rows, [*rows, bad])):
        for call in (book.apply, book.replace):
            with pytest.raises((ValueError, TypeError, IndexError)):
                call(bids, asks, position=8)
            assert book.top() == before


def test_numbers_keep_the_digits_they_came_with() -> None:
    """Zeros at the end, prices of many digits and any context: nothing is rounded or normalised."""
    price = "123456789012345678901234567890.00000100"
    with localcontext() as context:
        context.prec = 5
        book = Book([("0.00000010", "0.00005100")], [(price, "1.10")])
    top = book.top()
    assert [format(one, "f") for one in (*top.bids[0], *top.asks[0])] == ["0.00000010", "0.00005100", price, "1.10"]


def test_any_kind_of_number_is_taken_and_further_columns_are_left_alone() -> None:
    """Text, `int`, `Decimal` and the shortest text of a `float`; rows of a tuple or list of any length from two."""
    book = Book([["10", "1", "1618678123.4", "r"], (9, Decimal("2.50"))], [(10.1, 0.3)])
    assert book.top() == Top(
        (Level(Decimal(10), Decimal(1)), Level(Decimal(9), Decimal("2.50"))),
        (Level(Decimal("10.1"), Decimal("0.3")),),
        None,
        True,
    )


def test_the_position_stays_where_a_delta_has_none() -> None:
    """A delta without a position moves levels only; a snapshot without one has none."""
    book = Book(position=5)
    book.apply([("1", "1")], [])
    assert book.position == 5
    book.apply([], [], position=6)
    assert book.position == 6
    book.replace([], [])
    assert book.position is None


def test_doubt_is_told_with_the_levels_and_ends_with_a_snapshot_or_trust() -> None:
    """A stale book keeps its levels and says so, in `top` for the same moment; deltas do not make it live."""
    book = Book([("1", "1")], [])
    book.doubt()
    book.apply([("2", "1")], [])
    assert (book.live, book.top().live, len(book)) == (False, False, 2)
    assert repr(book) == "<Book 1@2/-, 2 levels, position None, stale>"
    book.trust()
    assert book.live
    book.doubt()
    book.replace([("1", "1")], [("3", "2.0")], position=9)
    assert repr(book) == "<Book 1@1/2.0@3, 2 levels, position 9>"


def test_an_empty_book_has_no_best_level_and_is_not_crossed() -> None:
    """No level: `None` for the best ones, and no side can cross. It is a book all the same."""
    book = Book()
    top = book.best()
    assert (top.bid, top.ask, top.crossed, book.crossed, bool(book)) == (None, None, False, False, True)


def test_a_book_can_be_crossed() -> None:
    """Equal prices cross; what is best on each side is at hand."""
    book = Book([("10", "1")], [("10.0", "2"), ("11", "1")])
    top = book.best()
    assert (book.crossed, top.bid, top.ask) == (True, Level(Decimal(10), Decimal(1)), Level(Decimal(10), Decimal(2)))


@pytest.mark.parametrize("depth", [0, -1, True, 1.0, "5"])
def test_a_depth_that_is_none_is_refused(depth: Any) -> None:
    """A depth is a whole number of levels."""
    with pytest.raises(ValueError, match="whole number of levels"):
        Book(depth=depth)


def test_a_negative_number_of_levels_is_refused() -> None:
    """So that nobody takes the worst for the best."""
    with pytest.raises(ValueError, match="zero or more"):
        Book().top(-1)


def test_other_threads_never_see_half_of_a_delta() -> None:
    """While one thread moves both sides together, each picture of another one has both moved, or neither."""
    book = Book()
    moved = threading.Event()
    wrong: list[Top] = []
    seen: set[Any] = set()

    def move(number: int) -> None:
        rows = [(str(-price), str(number if price < number else 0)) for price in range(40)]
        book.apply(rows, [("50", str(number))], position=number)

    def look() -> None:
        while not moved.is_set() and not wrong:
            top = book.top()
            seen.add(top.position)
            numbers = {level.size for level in top.bids + top.asks}
            if numbers != {top.position} or len(top.bids) != top.position:
                wrong.append(top)

    move(1)
    threads = [threading.Thread(target=look) for _ in range(2)]
    for thread in threads:
        thread.start()
    for turn in range(3000):
        move(turn % 40 + 1)
    moved.set()
    for thread in threads:
        thread.join(PATIENCE)
    assert wrong == []
    assert len(seen) > 1


def test_the_checksum_of_kraken_takes_ten_levels_asks_first() -> None:
    """Digits without point and leading zeros, ten asks and then ten bids, best first; what stands behind counts not."""
    bids = [(f"0.0{level}500", "0.00005100") for level in range(10, 30)]
    asks = [(f"0.{level}5", "1.00") for level in range(30, 50)]
    text = "".join([f"{level}5100" for level in range(30, 40)] + [f"{level}5005100" for level in range(29, 19, -1)])
    assert kraken_checksum(Book(bids, asks)) == zlib.crc32(text.encode())


def test_the_checksum_of_okx_takes_turns_and_is_signed() -> None:
    """Bid and ask in turn, the longer side alone at the end, 25 levels, in 32 bits with a sign."""
    book = Book([("3366.1", "7"), ("3366", "6")], [("3366.8", "9"), ("3368", "8"), ("3372", "8.0")])
    text = "3366.1:7:3366.8:9:3366:6:3368:8:3372:8.0"
    assert okx_checksum(book) & 0xFFFFFFFF == zlib.crc32(text.encode())
    assert any(okx_checksum(Book([(str(price), "1")], [])) < 0 for price in range(10))
    many = [(str(price), "1") for price in range(100, 0, -1)]
    assert okx_checksum(Book(many, [])) == okx_checksum(Book(many[:25], []))


@given(st.integers(0, 2**32 - 1))
def test_checksums_are_compared_as_bits(bits: int) -> None:
    """Signed, unsigned or text, and one bit is enough to differ."""
    signed = bits - 2**32 if bits >> 31 else bits
    assert same_checksum(signed, bits)
    assert same_checksum(str(bits), signed)
    assert not same_checksum(bits ^ 4, signed)
