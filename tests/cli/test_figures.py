"""Tests of the figures: rate and lag are those of what was taken."""

from __future__ import annotations

import pytest

from syncstream import Connected, Snapshot
from syncstream.cli.figures import WINDOW, Figures, take


def test_before_anything_came() -> None:
    """Nothing is measured out of nothing."""
    figures = Figures()

    assert (figures.position, figures.rate(10.0), figures.lag(10.0), figures.worst_lag) == (None, 0.0, None, 0.0)


def test_rate_and_lag_of_the_last_moments() -> None:
    """A steady stream has its rate and the median of its lags; when it stops both fall away."""
    figures = Figures()
    for number in range(100):
        figures.message(number, 0.3 if number == 90 else 0.002, number * 0.02)

    assert figures.rate(1.98) == pytest.approx(50.0, rel=0.03)
    assert (figures.lag(1.98), figures.worst_lag, figures.messages, figures.position) == (0.002, 0.3, 100, 99)
    assert figures.rate(1.98 + WINDOW / 2) == pytest.approx(25.0, rel=0.05)
    assert (figures.rate(5.0), figures.lag(5.0)) == (0.0, None)


def test_a_beginning_counts_from_its_first_message() -> None:
    """Half a second after the first message the rate is that of half a second, and the very first is not a burst."""
    figures = Figures()
    figures.message(1, 0.0, 100.0)

    assert figures.rate(100.0) == 4.0
    for number in range(2, 27):
        figures.message(number, 0.0, 100.0 + number * 0.02)
    assert figures.rate(100.52) == pytest.approx(50.0, rel=0.03)


def test_take_sorts_what_came() -> None:
    """Messages are measured against their own stamp, snapshots give a position only, other items nothing."""
    figures = {"ABC": Figures(), "XYZ": Figures()}
    items = [
        Connected(),
        {"type": "heartbeat", "ts_ns": 5},
        Snapshot(key="XYZ", position=4711),
        {"symbol": "ABC", "version": 18, "ts_ns": 1_000_000_000},
    ]

    take(figures, items, now=7.0, wall_ns=1_003_000_000)

    assert (figures["XYZ"].position, figures["XYZ"].messages) == (4711, 0)
    assert (figures["ABC"].position, figures["ABC"].messages, figures["ABC"].lag(7.0)) == (18, 1, 0.003)
