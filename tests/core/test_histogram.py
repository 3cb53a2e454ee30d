"""Tests of core/histogram.py: percentiles that are right to 3 %, and a minute that rolls."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncstream.core.histogram import SLICE, SLICES, Histogram, bucket, edge


@given(st.floats(1e-6, 100_000.0))
def test_a_bucket_holds_its_values(seconds: float) -> None:
    """A value is in its bucket, whose upper edge is at most 1/32 above it."""
    index = bucket(seconds)
    assert seconds <= edge(index) <= seconds * (1 + 1 / 32) + 1e-12
    assert index == 0 or edge(index - 1) <= seconds


@pytest.mark.parametrize("seconds", [0.0, -1.0, 1e-9, 1e9, math.inf])
def test_what_is_outside_counts_at_the_end(seconds: float) -> None:
    """Nothing falls off: no time at all, a clock that was behind, more than a day."""
    if seconds < math.inf:
        histogram = Histogram()
        histogram.record(seconds, 0.0)
        assert histogram.spread(0.0).total == 1
        assert histogram.spread(0.0).buckets[bucket(seconds)] == 1


@given(st.lists(st.floats(1e-5, 1000.0), min_size=1, max_size=300), st.sampled_from((0.5, 0.9, 0.99, 0.999)))
def test_percentiles_are_right_to_three_per_cent(values: list[float], share: float) -> None:
    """Never below the truth, never above the greatest."""
    histogram = Histogram()
    for value in values:
        histogram.record(value, 1.0)
    spread = histogram.spread(1.0)
    true = sorted(values)[max(0, math.ceil(share * len(values)) - 1)]
    assert true * (1 - 1e-9) <= spread.percentile(share) <= min(true * (1 + 1 / 32) + 1e-12, max(values))
    assert (spread.total, spread.greatest) == (len(values), max(values))


def test_many_at_once_count_as_many() -> None:
    """One record for a batch."""
    histogram = Histogram()
    histogram.record(1.0, 0.0, 999)
    histogram.record(8.0, 0.0)
    spread = histogram.spread(0.0)
    assert spread.total == 1000
    assert spread.percentile(0.999) == pytest.approx(1.0, rel=1 / 32)
    assert spread.percentile(1.0) == 8.0


def test_nothing_has_no_percentile() -> None:
    """Before anything came it is 0."""
    spread = Histogram().spread(5.0)
    assert (spread.total, spread.greatest, spread.percentile(0.5)) == (0, 0.0, 0.0)


@pytest.mark.parametrize("began", [0.0, 5.0, 123_456.7])
def test_a_minute_is_remembered(began: float) -> None:
    """What is 50 s old counts, what is 60 s old does not; a slice goes at a time."""
    histogram = Histogram()
    histogram.record(3.0, began)
    minute = SLICES * SLICE
    assert histogram.spread(began + minute - SLICE - 0.1).total == 1
    assert histogram.spread(began + minute + 0.1).total == 0
    assert histogram.spread(began + minute + 0.1).greatest == 0.0


@given(st.lists(st.floats(0.0, 35.0), max_size=60))
def test_it_agrees_with_a_list(pauses: list[float]) -> None:
    """Whatever the pauses: at least all of the last 50 s counts, and nothing older than 60 s."""
    histogram, now, seen = Histogram(), 1000.0, list[float]()
    for pause in pauses:
        now += pause
        histogram.record(0.5, now)
        seen.append(now)
        total = histogram.spread(now).total
        assert sum(now - at < 49.9 for at in seen) <= total <= sum(now - at < 60.1 for at in seen)
