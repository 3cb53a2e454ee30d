"""The overload bench, three seconds of each policy: what must hold on every machine."""

from __future__ import annotations

import pytest

from .overload import POLICIES, growth, measure


@pytest.mark.slow
@pytest.mark.parametrize("policy", POLICIES)
def test_a_market_five_times_as_fast_as_its_consumer(policy: str) -> None:
    """The queue keeps its bound and memory is flat, every message is delivered or told, and the healed state is the venue's."""
    assert measure(policy, 3.0, 2000.0).wrong == []


def test_growth_is_that_of_a_line() -> None:
    """A leak shows in MiB; a figure that jumps and comes back does not; a few samples tell nothing."""
    leaks = [(n / 10, 50 + n / 10) for n in range(31)]
    assert growth(leaks) == pytest.approx(2.0)
    assert growth([(n / 10, 50 + n % 2) for n in range(31)]) == pytest.approx(0.0, abs=0.1)
    assert growth(leaks[:6]) is None
