"""Tests of core/arrivals.py: what waits keeps its moment and its bytes, whatever is taken, sifted or put back."""

from __future__ import annotations

import itertools
from collections import deque
from typing import Any, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncstream.core.arrivals import Arrivals


def arrivals(*batches: tuple[list[int], float]) -> Arrivals:
    """Batches of (the bytes of each item, when it came)."""
    made = Arrivals()
    for sizes, at in batches:
        made.add(len(sizes), at, sizes)
    return made


TWO = ([4, 16], 1.0), ([80, 9, 1], 2.0)


def test_the_oldest_is_reckoned_from_what_waits() -> None:
    """Nobody tells of a take: the length of the queue does."""
    a = arrivals(*TWO)
    assert [a.oldest(waiting) for waiting in (5, 4, 3, 2, 1, 0)] == [1.0, 1.0, 2.0, 2.0, 2.0, None]
    assert not a.batches  # what was taken is forgotten


def test_nothing_is_not_a_batch() -> None:
    """An empty batch leaves no record."""
    a = arrivals(([], 1.0), ([5], 2.0), ([], 3.0))
    assert (len(a.batches), a.oldest(1), a.size(1)) == (1, 2.0, 5)


def test_each_item_has_its_own_bytes() -> None:
    """The small ones of a batch take nothing of the large one with them."""
    a = arrivals(*TWO)
    assert a.sizes(5, 4) == [4, 16, 80, 9]
    assert a.sizes(4, 2) == [16, 80]
    assert [a.size(waiting) for waiting in (5, 4, 3, 2, 1, 0)] == [110, 106, 90, 10, 1, 0]
    assert arrivals(*TWO).sizes(2, 2) == [9, 1]  # whoever asks first


def test_what_need_not_be_counted_is_never_too_little() -> None:
    """With the batch that was begun as if nothing of it had been taken, and without those that were taken whole."""
    a = arrivals(*TWO)
    assert [a.most(waiting) for waiting in (5, 4, 3, 2, 1, 0)] == [110, 110, 90, 90, 90, 0]


def test_where_nobody_counts_there_are_no_bytes() -> None:
    """Beside batches that have some, too."""
    a = arrivals(TWO[0])
    a.add(3, 2.0)
    assert (a.size(5), a.sizes(4, 3), a.leading(4, 16), a.leading(4, 17)) == (20, [16, 0, 0], 1, 4)
    a.keep([True, True, False, True])
    assert (a.size(3), a.sizes(3, 3), a.size(2), a.size(1)) == (16, [16, 0, 0], 0, 0)
    a.add(1, 3.0, [5])
    assert a.sizes(3, 3) == [0, 0, 5]


def test_what_does_not_stay_leaves_no_record() -> None:
    """Nor does what was taken before, whoever asks first."""
    a = arrivals(*TWO)
    a.keep([True, True, False, False, False])
    assert (len(a.batches), a.sizes(2, 2)) == (1, [4, 16])
    a = arrivals(*TWO)
    a.keep([True, False])
    assert (len(a.batches), a.sizes(1, 1), a.oldest(1)) == (1, [9], 2.0)


def test_when_what_is_taken_came() -> None:
    """A take over several batches names each with its part."""
    a = arrivals(([0, 0], 1.0), ([0, 0, 0], 2.0), ([0], 3.0))
    assert a.taken(6, 4) == [(1.0, 2), (2.0, 2)]
    assert a.taken(6, 6) == [(1.0, 2), (2.0, 3), (3.0, 1)]
    assert a.taken(3, 1) == [(2.0, 1)]
    assert a.taken(2, 0) == []


@pytest.mark.parametrize(
    ("size", "items"), [(0, 0), (1, 1), (4, 1), (5, 2), (20, 2), (21, 3), (100, 3), (101, 4), (110, 5), (999, 5)]
)
def test_how_many_have_so_many_bytes(size: float, items: int) -> None:
    """At least that many, never less, and all of them where there is not enough."""
    assert arrivals(*TWO).leading(5, size) == items


def test_what_was_taken_of_a_batch_is_not_counted_again() -> None:
    """How many have so many bytes begins with the oldest that waits."""
    a = arrivals(*TWO)
    assert [a.leading(4, size) for size in (0, 1, 16, 17, 96, 97)] == [0, 1, 1, 2, 2, 3]
    assert arrivals(*TWO).leading(2, 10) == 2  # whoever asks first


def test_what_is_put_back_is_the_oldest_again() -> None:
    """Also in the middle of a batch."""
    a = arrivals(([1, 2, 3, 4], 1.0))
    a.put_back(2, 2, 0.5, [1, 2])
    assert [a.oldest(waiting) for waiting in (4, 3, 2, 1)] == [0.5, 0.5, 1.0, 1.0]
    a = arrivals(([1, 2, 3, 4], 1.0))
    a.put_back(2, 2, 0.5, [1, 2])
    assert [a.size(waiting) for waiting in (4, 3, 2, 1)] == [10, 9, 7, 4]
    a = arrivals(([1, 2, 3, 4], 1.0))
    a.put_back(0, 1, 0.5, [7])
    assert (a.oldest(1), a.size(1)) == (0.5, 7)
    a = arrivals(*TWO)
    assert a.oldest(2) == 2.0
    a.put_back(2, 1, 0.5, [80])
    assert (a.oldest(3), a.sizes(3, 3)) == (0.5, [80, 9, 1])


def test_what_is_put_back_may_have_no_bytes() -> None:
    """It is like a batch without any."""
    a = arrivals(([1, 2, 3, 4], 1.0))
    a.put_back(2, 2, 0.5)
    assert (a.size(4), a.sizes(4, 4)) == (7, [0, 0, 3, 4])
    a.keep([True, False, True, True])
    assert (a.size(3), a.sizes(3, 3), a.oldest(3)) == (7, [0, 3, 4], 0.5)


def test_nothing_put_back_is_no_batch() -> None:
    """It leaves no record, and nothing is older for it."""
    a = arrivals(TWO[0])
    a.put_back(2, 0, 0.5, [])
    assert (a.oldest(2), a.size(2), len(a.batches)) == (1.0, 20, 1)


@st.composite
def changes(draw: st.DrawFn) -> list[tuple[str, int, int]]:
    return draw(
        st.lists(st.tuples(st.sampled_from(("add", "take", "keep", "back", "add")), st.integers(0, 6), st.integers(0, 63)))
    )


@given(changes())
def test_it_agrees_with_a_record_per_item(changes: list[tuple[str, int, int]]) -> None:
    """The same moments and the same bytes as if every item carried its own."""
    a, items = Arrivals(), deque[tuple[float, int]]()  # (when, its bytes)
    for number, (what, count, bits) in enumerate(changes):
        at = float(number)
        sizes: Optional[list[int]] = [bits * n % 7 for n in range(count)] if bits else None
        if what == "add":
            a.add(count, at, sizes)
            items.extend([(at, size) for size in sizes or [0] * count])
        elif what == "take":
            n = min(count, len(items))
            assert [moment for moment, many in a.taken(len(items), n) for _ in range(many)] == [items[i][0] for i in range(n)]
            assert a.sizes(len(items), n) == [items[i][1] for i in range(n)]
            for _ in range(n):
                items.popleft()
        elif what == "keep":
            stays = [bool(bits >> place % 6 & 1) for place in range(len(items))]
            a.keep(stays)
            items = deque(item for item, stay in zip(items, stays) if stay)
        else:
            a.put_back(len(items), count, at, sizes)
            items.extendleft([(at, size) for size in reversed(sizes or [0] * count)])
        assert a.oldest(len(items)) == (items[0][0] if items else None)
        total = sum(size for _, size in items)
        assert a.size(len(items)) == total
        assert a.sizes(len(items), len(items)) == [size for _, size in items]
        goal = bits % (total + 1)
        n = a.leading(len(items), goal)
        assert sum(items[i][1] for i in range(n)) >= goal
        assert not n or sum(items[i][1] for i in range(n - 1)) < goal
        assert len(a.batches) <= len(items)


def test_a_signal_handler_may_take_while_it_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """On top of the look at the first batches: the look is taken again."""
    made = arrivals(([0, 0], 1.0), ([0, 0], 2.0), ([0, 0], 3.0))

    def interrupted(batches: Any, count: int) -> Any:
        found = itertools.islice(batches, count)
        made.oldest(4)
        return found

    monkeypatch.setattr("syncstream.core.arrivals.islice", interrupted)
    assert made.taken(6, 4) == [(2.0, 4)]
