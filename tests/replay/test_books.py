"""The book that both sides of a replay trust."""

from __future__ import annotations

from decimal import Decimal

import pytest

from .books import Book, Delta, Hole, Level, Top


def book() -> Book:
    return Book(10, [["9", "1"], ["8", "2.0"]], [["11.0", "3"], ["12", "4"]])


def delta(first: int, last: int, *, bids: tuple[Level, ...] = (), asks: tuple[Level, ...] = ()) -> Delta:
    return Delta("K", first, last, bids, asks)


def test_a_following_delta_sets_and_deletes() -> None:
    """A new size replaces, size 0 deletes, and the position becomes the delta's last."""
    local = book()
    assert local.apply(delta(11, 12, bids=(Level("9.0", "0", 11), Level("8.5", "7", 12)), asks=(Level("11", "6", 12),)))
    assert local == Book(12, [["8.5", "7"], ["8", "2.0"]], [["11", "6"], ["12", "4"]])


def test_numbers_equal_in_value_are_one_level_and_keep_their_text() -> None:
    """11 and 11.0 are the same price; the text kept is the last one sent."""
    local = book()
    local.apply(delta(11, 11, asks=(Level("11.000", "3.10", 11),)))
    assert local.asks[Decimal(11)] == ("11.000", "3.10")
    assert len(local.asks) == 2


def test_a_delta_the_book_has_changes_nothing() -> None:
    """What ends at or before the position is refused as old."""
    local = book()
    assert not local.apply(delta(9, 10, bids=(Level("9", "5", 10),)))
    assert local == book()


def test_an_overlapping_delta_applies_only_what_is_new() -> None:
    """Changes numbered at or below the position are in the book already, perhaps with a later value."""
    local = book()
    assert local.apply(delta(10, 11, bids=(Level("9", "99", 10), Level("8", "5", 11))))
    assert local.bids[Decimal(9)] == ("9", "1")
    assert local.bids[Decimal(8)] == ("8", "5")


def test_a_hole_is_refused_and_changes_nothing() -> None:
    """A delta that does not follow raises, and the book stays what it was."""
    local = book()
    with pytest.raises(Hole, match=r"K: 12\.\.13 does not follow 10"):
        local.apply(delta(12, 13, bids=(Level("9", "5", 12),)))
    assert local == book()


def test_price_zero_only_advances() -> None:
    """KuCoin uses numbers up with price 0; deleting an unknown level is as harmless."""
    local = book()
    assert local.apply(delta(11, 12, bids=(Level("0", "0", 11),), asks=(Level("50", "0", 12),)))
    assert local == Book(12, [["9", "1"], ["8", "2.0"]], [["11.0", "3"], ["12", "4"]])


def test_the_top_is_the_best_of_both_sides() -> None:
    """Highest bid, lowest ask, with their sizes; no top while a side is empty."""
    assert book().top() == Top.of("9", "1", "11", "3")
    assert Book(1, [], [["1", "1"]]).top() is None


def test_levels_are_sorted_best_first_in_the_venues_text() -> None:
    """What goes into a REST body is what came in, in the order venues use."""
    assert Book(1, [["8", "2.0"], ["10", "1"]], [["12", "4"], ["11.0", "3"]]).levels() == (
        [["10", "1"], ["8", "2.0"]],
        [["11.0", "3"], ["12", "4"]],
    )


def test_books_differ_in_position_and_in_any_size() -> None:
    """Equality is whole: position, prices and the text of sizes."""
    assert book() != Book(11, [["9", "1"], ["8", "2.0"]], [["11.0", "3"], ["12", "4"]])
    assert book() != Book(10, [["9", "1"], ["8", "2"]], [["11.0", "3"], ["12", "4"]])
    assert book() != "a book"
