"""Tests of core/histogram.py: percentiles that are right to 1 %, and a minute that rolls."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncstream.core.histogram import SLICE, SLICES, Histogram, bucket, edge


@given(st.floats(1e-6, 100_000.0))
def test_a_bucket_holds_its_values(seconds: float) -> None:
    """A value is in its bucket, whose upper edge is at most 1/128 above it."""
    index = bucket(seconds)
    assert seconds <= edge(index) * (1 + 1e-6)  # a 32-bit float
    assert edge(index) <= seconds * (1 + 1 / 128) * (1 + 1e-6)
    assert edge(index - 1) <= seconds * (1 + 1e-6)


@pytest.mark.parametrize("seconds", [0.0, -0.0, -1.0, -1e-9, -1e-44, 1e-30, 1e9])
def test_every_value_counts(seconds: float) -> None:
    """Nothing falls off: no time at all, a clock that was behind, years."""
    histogram = Histogram()
    histogram.record(seconds, 0.0)
    histogram.fresh.append(seconds)
    spread = histogram.spread(0.0)
    assert (spread.total, spread.buckets) == (2, {bucket(max(0.0, seconds)): 2})
    assert spread.percentile(1.0) == pytest.approx(max(0.0, seconds), rel=1 / 128)


@given(st.lists(st.floats(1e-5, 1000.0), min_size=1, max_size=300), st.sampled_from((0.5, 0.9, 0.99, 0.999)), st.booleans())
def test_percentiles_are_right_to_one_per_cent(values: list[float], share: float, at_once: bool) -> None:
    """Never below the truth; one by one, or put into buckets all at once."""
    histogram = Histogram()
    for value in values:
        if at_once:
            histogram.fresh.append(value)
        else:
            histogram.record(value, 1.0)
    spread = histogram.spread(1.0) if not at_once else histogram.spread(0.0)
    true = sorted(values)[max(0, math.ceil(share * len(values)) - 1)]
    assert true * (1 - 1e-6) <= spread.percentile(share) <= true * (1 + 1 / 128) * (1 + 1e-6)
    assert spread.total == len(values)


def test_many_at_once_count_as_many() -> None:
    """One record for a batch."""
    histogram = Histogram()
    histogram.record(1.0, 0.0, 999)
    histogram.record(8.0, 0.0)
    spread = histogram.spread(0.0)
    assert spread.total == 1000
    assert spread.percentile(0.999) == pytest.approx(1.0, rel=1 / 128)
    assert spread.percentile(1.0) == pytest.approx(8.0, rel=1 / 128)


def test_what_is_fresh_counts_when_it_is_folded() -> None:
    """A negative value as none at all; into the slice of that moment, however long nobody looked."""
    histogram = Histogram()
    histogram.fresh.extend([1.0, 2.0, -3.0])
    histogram.fold(1000.0)
    assert not histogram.fresh
    spread = histogram.spread(1000.0)
    assert (spread.total, spread.buckets[0]) == (3, 1)
    assert histogram.spread(1000.0 + SLICES * SLICE + SLICE).total == 0


def test_nothing_has_no_percentile() -> None:
    """Before anything came it is 0."""
    spread = Histogram().spread(5.0)
    assert (spread.total, spread.percentile(0.5)) == (0, 0.0)


@pytest.mark.parametrize("began", [0.0, 5.0, 123_456.7])
def test_a_minute_is_remembered(began: float) -> None:
    """What is 50 s old counts, what is 60 s old does not; a slice goes at a time."""
    histogram = Histogram()
    histogram.record(3.0, began)
    minute = SLICES * SLICE
    assert histogram.spread(began + minute - SLICE - 0.1).total == 1
    assert histogram.spread(began + minute + 0.1).total == 0


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
