"""`core/counter.py`: messages that only say where the counter stands, numbers that start anew by right, and names."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncstream.core.counter import Counter, Numbered, Outcome, countable
from syncstream.core.sequence import Chained, Contiguous

NEXT, DUPLICATE, HOLE, RESTART, EARLY = Outcome.NEXT, Outcome.DUPLICATE, Outcome.HOLE, Outcome.RESTART, Outcome.EARLY


def number(n: int) -> Numbered:
    return Numbered(n, n, "ABC", None, 0)


def stands(n: int) -> Numbered:
    """It says that the counter stands at `n`."""
    return Numbered(n + 1, n, "ABC", None, 0, idle=True)


def anew(n: int) -> Numbered:
    return Numbered(n, n, "ABC", None, 0, reset=True)


def judge(c: Counter, *items: Numbered, reorder: float = 0.0, lines: int = 1) -> list[Outcome]:
    return [c.judge(item, 0.0, restart_after=2, reorder=reorder, lines=lines) for item in items]


def test_what_only_says_where_it_stands_moves_it_over_a_hole() -> None:
    """It is no duplicate, and no restart however often it is said; the first says where the counter begins."""
    c = Counter("ABC", Contiguous("n"))
    assert judge(c, stands(5), number(6), stands(6), *[stands(2)] * 9, number(7)) == [NEXT] * 13
    assert (c.position, c.run) == (7, 0)
    assert judge(c, stands(9), number(10), number(9)) == [HOLE, NEXT, DUPLICATE]


def test_a_start_counts_for_what_only_says_where_it_stands() -> None:
    """Before the first number there is nothing; after it something is missing."""
    assert judge(Counter("ABC", Contiguous("n", start=1)), stands(0), number(1)) == [NEXT, NEXT]
    assert judge(Counter("ABC", Contiguous("n", start=1)), stands(1)) == [HOLE]


def test_in_a_reorder_window_it_waits_like_any_other() -> None:
    """What comes late is no hole; when that has come it says nothing more."""
    c = Counter("ABC", Contiguous("n"))
    assert judge(c, number(1), stands(3), number(2), number(3), reorder=0.5) == [NEXT, EARLY, NEXT, NEXT]
    ready = c.ready()
    assert ready is not None
    assert judge(c, ready) == [NEXT]
    assert (c.position, [*c.early]) == (3, [])
    assert judge(c, stands(5), number(7), reorder=0.5) == [EARLY, EARLY]
    assert judge(c, *c.expire()) == [HOLE, HOLE]
    assert c.position == 7


def test_it_is_no_advance_behind_numbers_that_went_backwards() -> None:
    """Three in the lower half, and a hole that it shows: that is the hole."""
    c = Counter("ABC", Contiguous("n"))
    c.position = 100
    for n in (1, 2, 3):
        assert c.judge(number(n), 0.0, restart_after=9) is DUPLICATE
    assert c.judge(stands(105), 0.0, restart_after=9) is HOLE


def test_numbers_start_anew_where_that_is_said() -> None:
    """Whatever the number is; the same one once more is a duplicate. What was counted backwards before is forgotten."""
    c = Counter("ABC", Contiguous("n"))
    assert judge(c, number(100), number(99), anew(1), number(2), number(1)) == [NEXT, DUPLICATE, NEXT, NEXT, DUPLICATE]
    assert judge(c, anew(50), anew(50), number(51), anew(52)) == [NEXT, DUPLICATE, NEXT, NEXT]
    assert c.position == 52
    with pytest.raises(TypeError):
        judge(c, Numbered("x", "x", "ABC", None, 0, reset=True))
    assert c.position == 52


def test_of_two_lines_no_number_starts_anew() -> None:
    """The slower line tells it again, and that would be the end of what the faster one has counted since."""
    c = Counter("ABC", Contiguous("n"))
    assert judge(c, number(100), anew(1), lines=2) == [NEXT, DUPLICATE]


def test_names_go_on_from_each_other() -> None:
    """One that is told again is a duplicate; any other is a hole, and nothing ever a restart."""
    c = Counter("ABC", Chained("p", "n", ordered=False))

    def named(previous: Any, current: Any) -> Numbered:
        return Numbered(previous, current, "ABC", None, 0)

    told = [named("z", "b"), named("b", "a"), named("b", "a"), named("a", "x"), named("q", "b"), named("b", "0")]
    assert judge(c, *told) == [NEXT, NEXT, DUPLICATE, NEXT, HOLE, NEXT]
    for _ in range(5):
        assert judge(c, named("b", "0")) == [DUPLICATE]


@pytest.mark.parametrize("wrong", [None, True, [], b"x"])
def test_what_is_no_name(wrong: Any) -> None:
    """Texts and numbers are."""
    countable("a", 1, 2.5, ordered=False)
    for ordered in (True, False):
        with pytest.raises(TypeError):
            countable(1, wrong, ordered=ordered)
    with pytest.raises(TypeError):
        countable("a")


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=40))
def test_where_it_stands_shows_each_hole_once(steps: list[tuple[int, bool]]) -> None:
    """For any numbers left out: with what says where the counter stands, as many are told missing as are."""
    c = Counter("ABC", Contiguous("n"))
    judge(c, number(0))
    at = told = missing = 0
    for skipped, says in steps:
        at += skipped
        missing += skipped
        after = c.position
        item = stands(at) if says else number(at + 1)
        at += not says
        if judge(c, item) == [HOLE]:
            told += c.rule.missing(after, item.first) or 0
    assert told == missing
