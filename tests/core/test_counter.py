"""One counter: next, duplicate, hole; restarts exactly at their limits; two lines. (See also test_counter_reorder.)"""

from __future__ import annotations

from typing import Any, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncstream.core.counter import Counter, Numbered, Outcome
from syncstream.core.sequence import Contiguous, Increasing

NEXT, DUPLICATE, HOLE, RESTART, EARLY = Outcome.NEXT, Outcome.DUPLICATE, Outcome.HOLE, Outcome.RESTART, Outcome.EARLY
WINDOW = 0.05


def number(first: Any, last: Any = None, line: int = 0) -> Numbered:
    return Numbered(first, first if last is None else last, "ABC", None, line)


def counter(position: Optional[int] = None, **rule: Any) -> Counter:
    made = Counter("ABC", Contiguous("U", "u", **rule))
    made.position = position
    return made


def judge(
    c: Counter, *numbers: int, now: float = 0.0, after: int = 100, reorder: float = 0.0, line: int = 0, lines: int = 1
) -> list[Outcome]:
    return [c.judge(number(n, line=line), now, restart_after=after, reorder=reorder, lines=lines) for n in numbers]


# ---------------------------------------------------------------- the plain life of a counter


def test_a_new_counter() -> None:
    """It has a name and a rule, and has seen nothing."""
    c = Counter("ABC", Contiguous("U", "u"))
    assert (c.name, c.rule, c.position, list(c.keys)) == ("ABC", Contiguous("U", "u"), None, [])
    assert c.unproven is False


def test_it_goes_on_repeats_and_leaves_out() -> None:
    """The first number is where it begins; after a hole it goes on from where the hole was seen."""
    c = counter()
    assert judge(c, 7, 8, 8, 7, 9, 12, 13, 10) == [NEXT, NEXT, DUPLICATE, DUPLICATE, NEXT, HOLE, NEXT, DUPLICATE]
    assert c.position == 13


def test_ranges_move_to_their_end() -> None:
    """A message covers several numbers; the position is the last one."""
    c = counter(10)
    assert c.judge(number(11, 15), 0.0, restart_after=100) is NEXT
    assert c.judge(number(14, 18), 0.0, restart_after=100) is HOLE
    assert c.position == 18
    wide = counter(10, overlap=True)
    assert wide.judge(number(9, 12), 0.0, restart_after=100) is NEXT
    assert wide.position == 12


def test_numbers_that_only_grow_have_no_holes() -> None:
    """`Increasing` skips what it likes; what does not grow is old."""
    c = Counter("ABC", Increasing("ts"))
    assert judge(c, 5, 900, 900, 6, 901) == [NEXT, NEXT, DUPLICATE, DUPLICATE, NEXT]


@pytest.mark.parametrize(
    ("start", "first", "expected"), [(None, 50, NEXT), (1, 1, NEXT), (1, 0, NEXT), (1, 2, HOLE), (0, 1, HOLE), (0, 0, NEXT)]
)
def test_where_a_counter_must_begin(start: Optional[int], first: int, expected: Outcome) -> None:
    """If the venue says so, a first number beyond it shows a hole; nothing else is held against it."""
    c = counter(start=start)
    assert judge(c, first, first + 1) == [expected, NEXT]


BAD_NUMBERS: list[Any] = ["7", None, [7], {"u": 7}, b"7"]


@pytest.mark.parametrize("value", [True, *BAD_NUMBERS])
def test_what_cannot_be_counted_from(value: Any) -> None:
    """The first message decides what a number is: anything else raises `TypeError` with it, and nothing has moved."""
    for first, last in ((value, value), (7, value), (value, 7)):
        c = counter()
        with pytest.raises(TypeError) as caught:
            c.judge(Numbered(first, last, "ABC", None, 0), 0.0, restart_after=100)
        assert str(caught.value) == f"{value!r} is not a number to count with"
        assert judge(c, 7) == [NEXT]


@pytest.mark.parametrize("value", BAD_NUMBERS)
def test_what_cannot_be_counted_on_with(value: Any) -> None:
    """Later too, with or without a window: `TypeError`, and nothing has moved."""
    for rule in (Contiguous("U", "u"), Contiguous("U", "u", overlap=True), Increasing("ts")):
        c = Counter("ABC", rule)
        judge(c, 6)
        for first in (7, 9, value):
            with pytest.raises(TypeError):
                c.judge(Numbered(first, value, "ABC", None, 0), 0.0, restart_after=100, reorder=WINDOW)
        assert (c.position, [*c.early], c.run) == (6, [], 0)
        assert judge(c, 7) == [NEXT]


@given(numbers=st.lists(st.integers(0, 12), max_size=40))
def test_an_old_position_is_never_next(numbers: list[int]) -> None:
    """Any order of any numbers, repeated at will: what is delivered only advances, and holes are told where they are."""
    c, top = counter(), -1
    repeats: list[int] = []  # since the last advance
    for n in numbers:
        (outcome,) = judge(c, n)
        old = [repeat for repeat in repeats if repeat < top]
        anew = len(old) >= 3 and 2 * old[0] <= top
        if top < 0:
            assert outcome is NEXT
        elif n <= top:
            assert outcome is DUPLICATE
        elif anew:
            assert outcome is RESTART
        else:
            assert outcome is (NEXT if n == top + 1 else HOLE)
        repeats = [*repeats, n] if outcome is DUPLICATE else []
        top = max(top, n)
        assert c.position == top


# ---------------------------------------------------------------- restarts


@pytest.mark.parametrize("after", [1, 2, 3, 100])
def test_more_than_so_many_backward_positions_are_a_restart(after: int) -> None:
    """Exactly `restart_after` of them are still duplicates, one more is not; then it counts from there."""
    c = counter(1_000)
    assert judge(c, *range(1, after + 1), after=after) == [DUPLICATE] * after
    assert c.position == 1_000
    assert judge(c, after + 1, after=after) == [RESTART]
    assert c.position == after + 1
    assert judge(c, after + 2, after + 2, after=after) == [NEXT, DUPLICATE]


@pytest.mark.parametrize(
    ("moments", "expected"),
    [
        ([0.0, 1.0, 1.999], [DUPLICATE, DUPLICATE, DUPLICATE]),
        ([0.0, 1.0, 2.0], [DUPLICATE, DUPLICATE, RESTART]),
        ([0.0, 0.0, 1.0, 2.0], [DUPLICATE, DUPLICATE, DUPLICATE, RESTART]),
        ([0.0, 60.0], [DUPLICATE, DUPLICATE]),
        ([0.0, 60.0, 60.0], [DUPLICATE, DUPLICATE, RESTART]),
    ],
)
def test_a_slow_market_restarts_too(moments: list[float], expected: list[Outcome]) -> None:
    """Three of them that have gone on for two seconds, without an advance, are enough; two never are."""
    c = counter(1_000)
    assert [judge(c, n, now=50.0 + at)[0] for n, at in enumerate(moments, 1)] == expected


def test_an_advance_starts_the_count_anew() -> None:
    """Old messages between new ones are late copies, however many and however long."""
    c, at = counter(1_000), 0.0
    for step in range(1, 50):
        assert judge(c, 5, 6, now=at, after=3) == [DUPLICATE, DUPLICATE]
        assert judge(c, 1_000 + step, now=at + 1.0, after=3) == [NEXT]
        at += 2.5
    assert judge(c, 5, 6, 7, 8, now=at, after=3) == [DUPLICATE, DUPLICATE, DUPLICATE, RESTART]


def test_a_hole_is_an_advance() -> None:
    """The counter has moved on: what went backwards before does not count any more."""
    c = counter(1_000)
    assert judge(c, 1, 2, 1_005, 3, 4, after=2) == [DUPLICATE, DUPLICATE, HOLE, DUPLICATE, DUPLICATE]


def test_repeating_the_last_position_is_not_going_backwards() -> None:
    """A venue may send the same number again and again; that never is a restart."""
    c = counter(1_000)
    assert {judge(c, 1_000, now=float(at), after=3)[0] for at in range(200)} == {DUPLICATE}
    assert c.run == 0


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], RESTART),
        ([5, 6, 7, 8, 9, 10, 11], RESTART),
        ([1, 2, 3, 5, 7, 8, 10, 11], RESTART),  # some of the new ones were lost
        ([1, 2, 3, 3, 4, 9, 10, 10, 11], RESTART),  # or came twice
        ([1, 2, 3, 12], RESTART),  # the new ones passed ours in a hole
        ([6, 7, 8, 9, 10, 11], NEXT),  # the last ones told again
        ([6, 7, 8, 9, 10, 12], HOLE),
        ([1, 2, 10, 11], NEXT),  # only two below where it stands: late copies
    ],
)
def test_old_numbers_from_a_new_beginning(numbers: list[int], expected: Outcome) -> None:
    """The venue counts anew, and has come up to our position or past it: what follows is not the next message."""
    c = counter()
    assert judge(c, 10) == [NEXT]
    *old, last = judge(c, *numbers)
    assert set(old) == {DUPLICATE}
    assert last is expected
    assert c.position == numbers[-1]
    assert judge(c, numbers[-1] + 1) == [NEXT]


def test_ranges_count_up_too() -> None:
    """What counts is that one begins where the one before ended."""
    c = counter(10)
    for first, last in ((1, 3), (4, 4), (5, 9), (10, 10)):
        assert c.judge(number(first, last), 0.0, restart_after=100) is DUPLICATE
    assert c.judge(number(11, 12), 0.0, restart_after=100) is RESTART


def test_after_a_restart_the_next_one_is_judged_afresh() -> None:
    """The count of backward positions began anew with it."""
    c = counter(1_000)
    assert judge(c, 500, 501, 502, after=2) == [DUPLICATE, DUPLICATE, RESTART]
    assert judge(c, 1, 2, 3, after=2) == [DUPLICATE, DUPLICATE, RESTART]


def test_a_restart_throws_away_what_came_early() -> None:
    """It counts in the old numbers; the gap that is told covers it."""
    c = counter(1_000)
    assert judge(c, 1_002, reorder=WINDOW) == [EARLY]
    assert judge(c, 1, 2, 3, after=2, reorder=WINDOW) == [DUPLICATE, DUPLICATE, RESTART]
    assert ([*c.early], c.early_until, c.ready()) == ([], None, None)


@pytest.mark.parametrize("numbers", [[1, 2, 3], [7, 8, 9, 10]])
def test_what_was_counted_before_forgetting_does_not_count_after(numbers: list[int]) -> None:
    """Not even if it begins again where it stood."""
    c = counter(10)
    assert set(judge(c, *numbers, after=3)) == {DUPLICATE}
    c.forget()
    assert judge(c, 10) == [NEXT]
    assert judge(c, 1, 2, 3, after=3) == [DUPLICATE] * 3
    c.forget()
    assert judge(c, 10, 11) == [NEXT, NEXT]


def test_forgetting_forgets_since_when_numbers_go_back() -> None:
    """What lasts for two seconds must have begun after it, though the counter stands where it stood then."""
    c = counter(10)
    judge(c, 7, now=0.0)
    c.forget()
    assert judge(c, 10, 7, 8, 9, now=50.0) == [NEXT, DUPLICATE, DUPLICATE, DUPLICATE]


def test_forget() -> None:
    """Whatever number comes next is the first; nothing of before is left."""
    c = counter(10)
    judge(c, 7, 8, 9, 10, 20, reorder=WINDOW)
    c.forget()
    assert (c.position, [*c.early], c.early_until, c.shown) == (None, [], None, {})
    assert judge(c, 3, 4) == [NEXT, NEXT]
    assert judge(c, 1, 2, after=2) == [DUPLICATE, DUPLICATE]  # counted from none


@pytest.mark.parametrize("last", [3, 10, 50])
def test_it_stands_where_it_is_told_to(last: int) -> None:
    """Forwards or back, and what was counted or came early before that is forgotten, but for what is beyond it going forwards."""
    c = counter()
    judge(c, 10, 7, 8, 9, 20, reorder=WINDOW)
    covered = c.stand(last, 0, 1)
    early = [20] if last == 10 else []
    assert (c.position, [item.last for _, item in c.early], c.shown) == (last, early, {})
    assert (covered, c.early_until) == (1 - len(early), WINDOW if early else None)
    assert judge(c, last, last + 1, last + 3) == [DUPLICATE, NEXT, HOLE]


def test_only_the_line_that_shows_where_it_stands_has_shown_it() -> None:
    """The other one is behind until it shows how far it is; then it is measured against that."""
    c = counter()
    judge(c, 100, line=0, lines=2)
    c.stand(50, 1, 2)
    assert c.shown == {1: 50}
    assert judge(c, 40, 39, 38, line=0, lines=2, after=1) == [DUPLICATE, DUPLICATE, RESTART]
    assert judge(c, 39, line=1, lines=2) == [NEXT]


# ---------------------------------------------------------------- two lines


def test_the_slower_of_two_lines_is_not_a_restart() -> None:
    """It is behind, not backwards: measured against what the same line showed before."""
    c = counter()
    assert judge(c, *range(1, 500), line=0, lines=2) == [NEXT] * 499
    assert set(judge(c, *range(1, 400), line=1, lines=2, now=9.0, after=3)) == {DUPLICATE}
    assert judge(c, 500, line=1, lines=2) == [NEXT]


def test_the_slower_line_may_count_up_to_the_faster_one() -> None:
    """That is what it does all day."""
    c = counter()
    judge(c, 1, 2, 3, 4, 5, line=0, lines=2)
    assert judge(c, 1, 2, 3, 4, 5, 6, line=1, lines=2) == [DUPLICATE] * 5 + [NEXT]


def test_a_line_that_goes_back_on_itself_is_a_restart() -> None:
    """Then it counts from there, for both lines."""
    c = counter()
    judge(c, 100, 101, line=0, lines=2)
    assert judge(c, 100, 101, line=1, lines=2) == [DUPLICATE, DUPLICATE]
    assert judge(c, 1, 2, 3, line=1, lines=2, after=2) == [DUPLICATE, DUPLICATE, RESTART]
    assert c.position == 3
    assert judge(c, 3, 4, line=0, lines=2, after=2) == [DUPLICATE, NEXT]


def test_a_piece_of_the_past_on_one_of_two_lines_is_no_new_beginning() -> None:
    """As long as it is short: the other line goes on, and so does the counter."""
    c = counter()
    judge(c, 10, line=0, lines=2)
    assert judge(c, 9, 1, 2, 3, line=1, lines=2) == [DUPLICATE] * 4
    assert judge(c, 11, line=0, lines=2) == [NEXT]


def test_the_line_that_leads_is_measured_against_itself() -> None:
    """What it has shown is what it delivered."""
    c = counter()
    judge(c, 100, line=0, lines=2)
    assert judge(c, 1, 2, 3, line=0, lines=2, after=2) == [DUPLICATE, DUPLICATE, RESTART]


def test_the_line_that_follows_is_measured_against_how_far_it_came() -> None:
    """Not against where it began."""
    c = counter()
    judge(c, 100, line=0, lines=2)
    assert judge(c, 50, 60, line=1, lines=2, after=2) == [DUPLICATE, DUPLICATE]
    assert judge(c, 55, 56, 57, line=1, lines=2, after=2) == [DUPLICATE, DUPLICATE, RESTART]


def test_a_restart_forgets_what_every_line_has_shown() -> None:
    """The other line restarts too, and comes after: it is behind again, not backwards."""
    c = counter()
    judge(c, 100, line=0, lines=2)
    judge(c, 100, line=1, lines=2)
    assert judge(c, 1, 2, 3, line=1, lines=2, after=2) == [DUPLICATE, DUPLICATE, RESTART]
    assert judge(c, 1, 2, 3, 4, line=0, lines=2, after=2) == [DUPLICATE, DUPLICATE, DUPLICATE, NEXT]


def test_keys_are_seen_in_their_order_and_on_this_counter_only() -> None:
    """What is told of several keys is told in the order in which they came."""
    one, other = Counter("one", Contiguous("n")), Counter("other", Contiguous("n"))
    for key in ("B", "A", "B"):
        one.see(key)
    assert (list(one.keys), list(other.keys)) == (["B", "A"], [])
