"""The overload bench, three seconds of each policy: what must hold on every machine."""

from __future__ import annotations

from concurrent.futures import Future

import pytest

from tests.together import asked, together

from .overload import POLICIES, Result, growth, measure

JOBS = 2


@pytest.fixture(scope="module")
def results(request: pytest.FixtureRequest) -> dict[str, Future[Result]]:
    """What the consumer of each policy found that this run of pytest will ask for."""
    return together(lambda policy: measure(policy, 3.0, 2000.0), asked(request, "policy"), jobs=JOBS)


@pytest.mark.slow
@pytest.mark.parametrize("policy", POLICIES)
def test_a_market_five_times_as_fast_as_its_consumer(results: dict[str, Future[Result]], policy: str) -> None:
    """The queue keeps its bound and memory is flat, every message is delivered or told, and the healed state is the venue's."""
    assert results[policy].result().wrong == []


def test_growth_is_that_of_a_line() -> None:
    """A leak shows in MiB; a figure that jumps and comes back does not; a few samples tell nothing."""
    leaks = [(n / 10, 50 + n / 10) for n in range(31)]
    assert growth(leaks) == pytest.approx(2.0)
    assert growth([(n / 10, 50 + n % 2) for n in range(31)]) == pytest.approx(0.0, abs=0.1)
    assert growth(leaks[:6]) is None
