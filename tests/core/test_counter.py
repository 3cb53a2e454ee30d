"""One counter: next, duplicate, hole; restarts exactly at their limits; the reorder window; two lines."""

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
        assert (c.position, c.early, c.run) == (6, [], 0)
        assert judge(c, 7) == [NEXT]


@given(numbers=st.lists(st.integers(0, 12), max_size=40))
def test_an_old_position_is_never_next(numbers: list[int]) -> None:
    """Any order of any numbers, repeated at will: what is delivered only advances, and holes are told where they are."""
    c, top = counter(), -1
    repeats: list[int] = []  # since the last advance
    for n in numbers:
        (outcome,) = judge(c, n)
        climbed = repeats[-4:] == [top - 3, top - 2, top - 1, top]
        if top < 0:
            assert outcome is NEXT
        elif n <= top:
            assert outcome is DUPLICATE
        elif n == top + 1:
            assert outcome is (RESTART if climbed else NEXT)
        else:
            assert outcome is HOLE
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
        ([7, 8, 9, 10, 11], RESTART),
        ([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], RESTART),
        ([3, 7, 8, 9, 10, 11], RESTART),
        ([8, 9, 10, 11], NEXT),  # only two below where it stands: late copies
        ([7, 8, 9, 11], NEXT),  # not up to there
        ([7, 9, 8, 10, 11], NEXT),  # not one by one
        ([7, 8, 9, 10, 10, 11], NEXT),
        ([7, 8, 9, 10, 3, 11], NEXT),
        ([7, 8, 9, 10, 12], HOLE),  # not the next one: a hole, which heals all the same
    ],
)
def test_old_numbers_that_count_up_to_where_we_stand(numbers: list[int], expected: Outcome) -> None:
    """The venue counts anew and has just come up to our position: the next number is not the next message."""
    c = counter(10)
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


def test_forget() -> None:
    """Whatever number comes next is the first; nothing of before is left."""
    c = counter(10)
    judge(c, 7, 8, 9, 10, 20, reorder=WINDOW)
    c.forget()
    assert (c.position, c.early, c.early_until, c.shown) == (None, [], None, {})
    assert judge(c, 3, 4) == [NEXT, NEXT]
    assert judge(c, 1, 2, after=2) == [DUPLICATE, DUPLICATE]  # counted from none


# ---------------------------------------------------------------- the reorder window


def settle(c: Counter, item: Numbered, now: float) -> list[tuple[Outcome, Numbered]]:
    """What the owner of a counter does: judge, then take what has waited for it."""
    outcome = c.judge(item, now, restart_after=100, reorder=WINDOW)
    done = [] if outcome is EARLY else [(outcome, item)]
    while outcome is not EARLY and (ready := c.ready()) is not None:
        done.append((c.judge(ready, now, restart_after=100), ready))
    return done


def expired(c: Counter, now: float) -> list[tuple[Outcome, Numbered]]:
    return [(c.judge(item, now, restart_after=100), item) for item in c.expire()]


def arrive(c: Counter, item: Numbered, now: float) -> list[tuple[Outcome, int]]:
    return [(outcome, one.last) for outcome, one in settle(c, item, now)]


def expire(c: Counter, now: float) -> list[tuple[Outcome, int]]:
    return [(outcome, one.last) for outcome, one in expired(c, now)]


def until(c: Counter) -> Optional[float]:
    return c.early_until


def test_an_early_message_waits_for_the_missing_one() -> None:
    """Without a hole nothing waits; with one, what is beyond it comes after what was missing."""
    c = counter(10)
    assert arrive(c, number(11), 1.0) == [(NEXT, 11)]
    assert until(c) is None
    assert arrive(c, number(13), 2.0) == []
    assert until(c) == 2.0 + WINDOW
    assert arrive(c, number(14), 2.01) == []
    assert arrive(c, number(12), 2.02) == [(NEXT, 12), (NEXT, 13), (NEXT, 14)]
    assert (c.position, c.early, c.early_until) == (14, [], None)


def test_a_duplicate_does_not_wait() -> None:
    """Not when it comes, and not when it came early, twice."""
    c = counter(10)
    assert arrive(c, number(12), 0.0) == []
    assert arrive(c, number(12), 0.0) == []
    assert arrive(c, number(10), 0.0) == [(DUPLICATE, 10)]
    assert arrive(c, number(11), 0.0) == [(NEXT, 11), (NEXT, 12), (DUPLICATE, 12)]
    assert c.early == []


def test_when_the_window_is_over_the_hole_is_told() -> None:
    """Everything that waited comes by position, judged without a window; the missing one comes too late."""
    c = counter(10)
    for n in (15, 13, 12):
        assert arrive(c, number(n), 1.0) == []
    assert expire(c, 1.0 + WINDOW) == [(HOLE, 12), (NEXT, 13), (HOLE, 15)]
    assert (c.early, c.early_until) == ([], None)
    assert arrive(c, number(11), 2.0) == [(DUPLICATE, 11)]


def test_the_window_is_that_of_the_message_that_waits_longest() -> None:
    """A second hole has the whole window to itself: it is not cut short by the first one, which was filled."""
    c = counter(10)
    arrive(c, number(12), 0.0)
    arrive(c, number(14), 0.04)
    arrive(c, number(16), 0.045)
    assert until(c) == WINDOW
    assert arrive(c, number(11), 0.045) == [(NEXT, 11), (NEXT, 12)]
    assert until(c) == 0.04 + WINDOW
    assert arrive(c, number(13), 0.08) == [(NEXT, 13), (NEXT, 14)]
    assert until(c) == 0.045 + WINDOW
    assert arrive(c, number(15), 0.09) == [(NEXT, 15), (NEXT, 16)]
    assert until(c) is None


def test_nothing_is_ready_where_nothing_waits() -> None:
    """Asking an idle counter is harmless."""
    assert counter(10).ready() is None
    assert counter(10).expire() == []


def test_overlapping_ranges_in_any_order() -> None:
    """The one that joins is found wherever it stands."""
    c = counter(10, overlap=True)
    assert arrive(c, number(16, 20), 0.0) == []
    assert arrive(c, number(12, 17), 0.0) == []
    assert arrive(c, number(9, 12), 0.0) == [(NEXT, 12), (NEXT, 17), (NEXT, 20)]


DELAYED = st.lists(st.tuples(st.floats(0, 0.1), st.floats(0, WINDOW, exclude_max=True)), min_size=1, max_size=25)


@given(sent=DELAYED, copies=st.lists(st.integers(0, 24), max_size=5))
def test_what_is_reordered_within_the_window_comes_out_complete_and_in_order(
    sent: list[tuple[float, float]], copies: list[int]
) -> None:
    """Each message is sent some time after the one before and is under way for less than the window: no gap, ever."""
    at, arrivals = 0.0, []
    for index, (pause, delay) in enumerate(sent, 1):
        at += pause
        arrivals += [(at + delay, index)] * (1 + copies.count(index))
    c, delivered = counter(0), []
    for now, index in sorted(arrivals):
        if c.early_until is not None and c.early_until <= now:
            delivered += expire(c, c.early_until)
        delivered += arrive(c, number(index), now)
        assert (c.early_until is None) == (not c.early)
    assert c.early == []
    assert [n for outcome, n in delivered if outcome is not DUPLICATE] == list(range(1, len(sent) + 1))
    assert {outcome for outcome, _ in delivered} <= {NEXT, DUPLICATE}
    assert len(delivered) == len(arrivals)


@given(numbers=st.lists(st.tuples(st.integers(1, 15), st.floats(0, 0.04)), max_size=40))
def test_no_message_waits_longer_than_the_window(numbers: list[tuple[int, float]]) -> None:
    """Whatever is lost or repeated: each comes out once, at most a window after it came, and positions only advance."""
    c, now = counter(0), 1.0
    came: list[float] = []
    out: list[tuple[Outcome, Numbered]] = []
    for place, (n, pause) in enumerate(numbers):
        now += pause
        while c.early_until is not None and c.early_until <= now:
            moment = c.early_until
            late = expired(c, moment)
            out += late
            assert min(came[item.line] for _, item in late) + WINDOW == moment
        came.append(now)
        for outcome, item in settle(c, number(n, line=place), now):  # the line serves as a name for the message
            assert now - came[item.line] < WINDOW
            out.append((outcome, item))
    out += expired(c, now + WINDOW)
    assert sorted(item.line for _, item in out) == list(range(len(numbers)))
    moved = [item.last for outcome, item in out if outcome in (NEXT, HOLE)]
    assert moved == sorted(set(moved))


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
