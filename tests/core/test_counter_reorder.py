"""The reorder window of a counter: what waits, for how long, and in which order it comes out. (See also test_counter.)"""

from __future__ import annotations

from typing import Any, Optional

from hypothesis import given
from hypothesis import strategies as st

from syncstream.core.counter import Counter, Held, Numbered, Outcome
from syncstream.core.sequence import Contiguous

NEXT, DUPLICATE, HOLE, EARLY = Outcome.NEXT, Outcome.DUPLICATE, Outcome.HOLE, Outcome.EARLY
WINDOW = 0.05


def number(first: Any, last: Any = None, line: int = 0) -> Numbered:
    return Numbered(first, first if last is None else last, "ABC", None, line)


def counter(position: Optional[int] = None, **rule: Any) -> Counter:
    made = Counter("ABC", Contiguous("U", "u", **rule))
    made.position = position
    return made


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
    assert (c.position, [*c.early], c.early_until) == (14, [], None)


def test_a_duplicate_does_not_wait() -> None:
    """Not when it comes, and not when it came early, twice."""
    c = counter(10)
    assert arrive(c, number(12), 0.0) == []
    assert arrive(c, number(12), 0.0) == []
    assert arrive(c, number(10), 0.0) == [(DUPLICATE, 10)]
    assert arrive(c, number(11), 0.0) == [(NEXT, 11), (NEXT, 12), (DUPLICATE, 12)]
    assert [*c.early] == []


def test_when_the_window_is_over_the_hole_is_told() -> None:
    """Everything that waited comes by position, judged without a window; the missing one comes too late."""
    c = counter(10)
    for n in (15, 13, 12):
        assert arrive(c, number(n), 1.0) == []
    assert expire(c, 1.0 + WINDOW) == [(HOLE, 12), (NEXT, 13), (HOLE, 15)]
    assert ([*c.early], c.early_until) == ([], None)
    assert arrive(c, number(11), 2.0) == [(DUPLICATE, 11)]


def test_copies_that_waited_come_out_one_after_the_other() -> None:
    """They have the same numbers; what they say need not be comparable, and is not compared."""
    c = counter(10)
    copies = [Numbered(12, 12, "ABC", Held({"u": 12, "at": at}, 12, 12), 0) for at in (1, 2)]
    for copy in copies:
        assert settle(c, copy, 0.0) == []
    assert expired(c, WINDOW) == [(HOLE, copies[0]), (DUPLICATE, copies[1])]


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
    assert [*c.early] == []
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
