"""`core/budget.py`: so many times within so many seconds, whichever seconds one looks at."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncstream.core.budget import Budget, Ledger
from syncstream.errors import FeedError


@pytest.mark.parametrize("count", [0, -1, 1.5, True, "5", None])
def test_a_count_is_a_whole_number(count: Any) -> None:
    """The field and the value are named."""
    with pytest.raises(FeedError, match=r"^count="):
        Budget(count=count, per=1.0)


@pytest.mark.parametrize("per", [0, -1.0, float("inf"), float("nan"), True, "1"])
def test_a_span_is_seconds(per: Any) -> None:
    """The field and the value are named."""
    with pytest.raises(FeedError, match=r"^per="):
        Budget(count=1, per=per)


def test_beyond_the_count_one_waits_for_the_oldest() -> None:
    """Room comes back one by one, as each moment leaves the window."""
    ledger = Ledger(Budget(count=2, per=10.0))
    assert ledger.room_at() == float("-inf")
    assert [ledger.take(100.0), ledger.take(103.0), ledger.take(109.9)] == [True, True, False]
    assert ledger.room_at() == 110.0
    assert ledger.take(110.0)
    assert ledger.room_at() == 113.0


def test_what_does_not_wait_counts() -> None:
    """Pongs beyond the budget push the next room further out."""
    ledger = Ledger(Budget(count=2, per=10.0))
    for now in (100.0, 101.0, 102.0, 103.0):
        ledger.spend(now)
    assert ledger.room_at() == 112.0


@given(count=st.integers(1, 5), pauses=st.lists(st.floats(0.0, 2.0), max_size=60))
def test_no_window_ever_holds_more(count: int, pauses: list[float]) -> None:
    """However it is asked: within any `per` seconds at most `count` are let through, and none is refused for nothing."""
    ledger = Ledger(Budget(count=count, per=1.0))
    now = 100.0
    taken: list[float] = []
    for pause in pauses:
        now += pause
        room = len([at for at in taken if at + 1.0 > now]) < count
        assert ledger.take(now) is room
        if room:
            taken.append(now)
        assert ledger.room_at() <= now or ledger.room_at() in [at + 1.0 for at in taken]
