"""Tests of core/exchange.py: what the venue's timestamps tell, and what they cannot."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncstream.core.exchange import KEPT, Journeys

MS = 1_000_000


def test_nothing_is_known_before_anything_came() -> None:
    """No figure is better than a wrong one."""
    assert Journeys().delays() is None


@pytest.mark.parametrize("ahead", [0, 3_600_000, -3_600_000])
def test_what_is_longer_than_the_fastest_shows_whatever_the_clocks_say(ahead: int) -> None:
    """The journeys took 10, 15 and 30 ms; the clocks differ by an hour, or not."""
    journeys = Journeys()
    for number, took in enumerate((10, 15, 30)):
        journeys.came(number * MS, (number + took + ahead) * MS)
    delays = journeys.delays()
    assert delays is not None
    assert delays.sorted == [0.0, 0.005, 0.020]
    assert delays.offset == pytest.approx((10 + ahead) / 1000)
    assert (delays.percentile(0.5), delays.percentile(0.99)) == pytest.approx((0.005, 0.020))


def test_what_is_old_is_forgotten() -> None:
    """A clock that was set again is believed when the old figures have gone."""
    journeys = Journeys()
    journeys.came(0, -5000 * MS)
    for _ in range(KEPT):
        journeys.came(0, 7 * MS)
    delays = journeys.delays()
    assert delays is not None
    assert (delays.offset, delays.percentile(0.999)) == (0.007, 0.0)


@given(st.lists(st.integers(-(10**12), 10**12), min_size=1, max_size=200), st.floats(0.01, 1.0))
def test_a_percentile_is_one_of_them(seen: list[int], share: float) -> None:
    """At least `share` of all do not exceed it, and less than that many do not reach it."""
    journeys = Journeys()
    for one in seen:
        journeys.came(0, one)
    delays = journeys.delays()
    assert delays is not None
    found = delays.percentile(share)
    assert found in delays.sorted
    assert sum(one <= found for one in delays.sorted) >= share * len(seen) * (1 - 1e-9)
    assert sum(one < found for one in delays.sorted) < share * len(seen) + 1e-9
