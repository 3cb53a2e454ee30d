"""Tests of the check by which other tests tell that a call kept its time."""

from __future__ import annotations

import pytest

from tests import deadlines
from tests.deadlines import SLACK, within


def test_a_block_in_time_passes() -> None:
    """The limit itself may be none at all: what counts is that waiting would take far longer."""
    with within(0.0, rather_than=float("inf")):
        pass


def test_a_block_that_takes_too_long_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond limit and slack, with both in the text."""
    moments = iter([100.0, 100.0 + 0.5 + SLACK])
    monkeypatch.setattr(deadlines, "now", lambda: next(moments))
    with pytest.raises(AssertionError, match=r"took 5\.50 s, and 0\.5 s were allowed"), within(0.5, rather_than=60.0):
        pass


def test_a_check_that_could_not_fail_is_refused() -> None:
    """What would end within the slack by itself proves nothing."""
    with pytest.raises(AssertionError, match="would pass too"), within(1.0, rather_than=1.0 + SLACK):
        raise LookupError("not reached")
