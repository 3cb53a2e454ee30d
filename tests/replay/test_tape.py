"""Venue time."""

from __future__ import annotations

import math
import threading

import pytest

from .tape import MOST, Tape, schedule


@pytest.mark.parametrize(
    ("speed", "rate", "due"),
    [
        (1.0, math.inf, [0.0, 1.0, 1.0, 4.0]),
        (2.0, math.inf, [0.0, 0.5, 0.5, 2.0]),
        (1.0, 2.0, [0.0, 1.0, 1.5, 4.0]),
        (math.inf, 4.0, [0.0, 0.25, 0.5, 0.75]),
        (math.inf, math.inf, [0.0, 0.0, 0.0, 0.0]),
    ],
)
def test_a_schedule_keeps_the_recorded_times_within_the_rate(speed: float, rate: float, due: list[float]) -> None:
    """Times shrink by the speed, begin at zero, and frames keep the distance the rate asks for."""
    assert schedule([7.0, 8.0, 8.0, 11.0], speed, rate) == due


def test_nothing_is_played_before_the_start() -> None:
    """The first frame is due at once, but only once the tape runs."""
    tape = Tape([0.0, 0.0])
    assert tape.wait(0, 0.02) == 0
    tape.start()
    tape.start()
    assert tape.wait(1, 10) == 2
    tape.close()


def test_wait_ends_at_its_time_out_and_at_close() -> None:
    """A wait for what will not come gives the position it stands at."""
    tape = Tape([0.0, 3600.0])
    tape.start()
    assert tape.wait(1, 0.02) == 1
    waiter = threading.Thread(target=tape.wait, args=(1, 3600))
    waiter.start()
    tape.close()
    waiter.join(10)
    assert not waiter.is_alive()


def test_a_lag_is_an_older_position() -> None:
    """The position some venue seconds ago."""
    tape = Tape([0.0, 0.1, 0.2])
    tape.start()
    assert tape.wait(2, 10) == 3
    assert tape.position(0.25) == 0  # waiters are woken when the position moves: that was just now
    assert tape.position() == 3
    tape.close()


def test_time_slept_through_is_not_played() -> None:
    """A process that could not run for long goes on where it was, one short step later."""
    looks = 0
    enough = threading.Event()

    def clock() -> float:
        nonlocal looks
        looks += 1
        if looks > 6:
            enough.set()
        return looks * 1000.0

    tape = Tape([0.0, MOST * 4.5, 500.0], now=clock)
    tape.start()
    assert tape.wait(1, 10) == 2
    assert enough.wait(10)
    assert tape.position() == 2
    tape.close()
