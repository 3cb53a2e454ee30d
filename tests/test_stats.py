"""Tests of stats.py: the figures that are made of what the parts know."""

from __future__ import annotations

import pytest

from syncstream.core.backlog import Tally
from syncstream.core.exchange import Journeys
from syncstream.core.histogram import Histogram
from syncstream.stats import Latency, Stats, collect, span


def test_the_parts_make_a_whole() -> None:
    """What was received is what was delivered, dropped, discarded or waits; latencies are in seconds."""
    histogram = Histogram()
    for _ in range(99):
        histogram.record(0.001, 0.0)
    histogram.record(1.0, 0.0)
    journeys = Journeys()
    for took in (5, 6, 9):
        journeys.came(0, took * 1_000_000)
    tally = Tally(
        received=20, marked=3, delivered=9, dropped=6, fallen=2, discarded=1, queued=5, in_hand=4, high_water=12, size=700
    )
    stats = collect(tally, depth=9, lag=0.5, spread=histogram.spread(0.0), delays=journeys.delays())
    assert stats.received == stats.delivered + stats.dropped + stats.discarded + stats.queued == 21
    assert (stats.depth, stats.in_hand, stats.high_water, stats.queued_bytes, stats.lag) == (9, 4, 12, 700, 0.5)
    assert stats.latency.count == 100
    assert (stats.latency.p50, stats.latency.p99, stats.latency.p999) == pytest.approx((0.001, 0.001, 1.0), rel=1 / 128)
    assert stats.latency.maximum == pytest.approx(1.0, rel=1 / 128)
    assert stats.clock_offset == 0.005
    assert stats.exchange is not None
    assert (stats.exchange.count, stats.exchange.p50, stats.exchange.maximum) == (3, 0.001, 0.004)


def test_what_is_not_known_is_not_told() -> None:
    """No timestamps, nothing delivered yet: `None`, and a latency of no items."""
    tally = Tally(0, 0, 0, 0, 0, 0, 0, 0, 0)
    assert collect(tally, depth=0, lag=None, spread=Histogram().spread(0.0), delays=None) == Stats()
    assert Stats().latency == Latency(count=0)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0 µs"),
        (0.000_35, "350 µs"),
        (0.0012, "1.2 ms"),
        (0.5, "500 ms"),
        (4.0, "4 s"),
        (75.25, "75.2 s"),
        (1234.5, "1,234 s"),
    ],
)
def test_a_span_as_people_read_it(seconds: float, text: str) -> None:
    """Three figures and the unit that fits."""
    assert span(seconds) == text
