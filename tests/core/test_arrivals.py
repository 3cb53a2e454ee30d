"""Tests of core/arrivals.py: what waits keeps its moment and its share of the bytes, whatever is taken, sifted or put back."""

from __future__ import annotations

from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncstream.core.arrivals import Arrivals


def arrivals(*batches: tuple[int, float, float]) -> Arrivals:
    """Batches of (count, size, at)."""
    made = Arrivals()
    for count, size, at in batches:
        made.add(count, size, at)
    return made


def test_the_oldest_is_reckoned_from_what_waits() -> None:
    """Nobody tells of a take: the length of the queue does."""
    a = arrivals((2, 20, 1.0), (3, 90, 2.0))
    assert [a.oldest(waiting) for waiting in (5, 4, 3, 2, 1, 0)] == [1.0, 1.0, 2.0, 2.0, 2.0, None]
    assert not a.batches  # what was taken is forgotten


def test_nothing_is_not_a_batch() -> None:
    """An empty batch leaves no record."""
    a = arrivals((0, 50, 1.0), (1, 5, 2.0))
    assert (a.oldest(1), a.size(1), len(a.batches)) == (2.0, 5.0, 1)


def test_bytes_are_spread_over_their_batch() -> None:
    """Half of a batch has half of its bytes."""
    a = arrivals((2, 20, 1.0), (3, 90, 2.0))
    assert [a.size(waiting) for waiting in (5, 4, 3, 2, 1, 0)] == pytest.approx([110, 100, 90, 60, 30, 0])


def test_when_what_is_taken_came() -> None:
    """A take over several batches names each with its part."""
    a = arrivals((2, 0, 1.0), (3, 0, 2.0), (1, 0, 3.0))
    assert a.taken(6, 4) == [(1.0, 2), (2.0, 2)]
    assert a.taken(6, 6) == [(1.0, 2), (2.0, 3), (3.0, 1)]
    assert a.taken(3, 1) == [(2.0, 1)]
    assert a.taken(2, 0) == []


@pytest.mark.parametrize(("size", "items"), [(0, 0), (1, 1), (10, 1), (11, 2), (20, 2), (21, 3), (50, 3), (110, 5), (999, 5)])
def test_how_many_have_so_many_bytes(size: float, items: int) -> None:
    """At least that many, never less, and all of them where there is not enough."""
    assert arrivals((2, 20, 1.0), (3, 90, 2.0)).leading(5, size) == items


def test_what_is_put_back_is_the_oldest_again() -> None:
    """Also in the middle of a batch."""
    a = arrivals((4, 40, 1.0))
    a.put_back(2, 2, 20, 0.5)
    assert [a.oldest(waiting) for waiting in (4, 3, 2, 1)] == [0.5, 0.5, 1.0, 1.0]
    a = arrivals((4, 40, 1.0))
    a.put_back(0, 1, 7, 0.5)
    assert (a.oldest(1), a.size(1)) == (0.5, 7.0)


def test_nothing_put_back_is_no_batch() -> None:
    """It leaves no record, and nothing is older for it."""
    a = arrivals((2, 20, 1.0))
    a.put_back(2, 0, 50, 0.5)
    assert (a.oldest(2), a.size(2), len(a.batches)) == (1.0, 20.0, 1)


@st.composite
def changes(draw: st.DrawFn) -> list[tuple[str, int, int]]:
    return draw(
        st.lists(st.tuples(st.sampled_from(("add", "take", "keep", "back", "add")), st.integers(0, 6), st.integers(0, 63)))
    )


@given(changes())
def test_it_agrees_with_a_record_per_item(changes: list[tuple[str, int, int]]) -> None:
    """The same moments and the same bytes as if every item carried its own."""
    a, items = Arrivals(), deque[tuple[float, float]]()  # (when, its bytes)
    for number, (what, count, bits) in enumerate(changes):
        at = float(number)
        if what == "add":
            a.add(count, float(bits), at)
            items.extend([(at, bits / count)] * count if count else [])
        elif what == "take":
            n = min(count, len(items))
            assert [moment for moment, many in a.taken(len(items), n) for _ in range(many)] == [items[i][0] for i in range(n)]
            for _ in range(n):
                items.popleft()
        elif what == "keep":
            stays = [bool(bits >> place % 6 & 1) for place in range(len(items))]
            a.keep(stays)
            items = deque(item for item, stay in zip(items, stays) if stay)
        else:
            a.put_back(len(items), count, float(bits), at)
            items.extendleft([(at, bits / count)] * count if count else [])
        assert a.oldest(len(items)) == (items[0][0] if items else None)
        assert a.size(len(items)) == pytest.approx(sum(size for _, size in items), abs=1e-6)
        assert len(a.batches) <= len(items)
