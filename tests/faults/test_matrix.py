"""The fault matrix, one fault a test; the cases are played side by side before the first. And that no pair is missing."""

from __future__ import annotations

import itertools
from concurrent.futures import Future

import pytest

from tests.servers.certificates import ca_file
from tests.together import asked, together

from .matrix import CASES, FAULTS, FRONTS, PHASES, Case, play

JOBS = 12
Outcomes = dict[Case, Future[list[str]]]


@pytest.fixture(scope="module")
def outcomes(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Outcomes:
    """What was wrong in each case of the faults that this run of pytest will ask for."""
    authority = ca_file(tmp_path_factory.mktemp("authority"))
    faults = asked(request, "fault")
    return together(lambda case: play(case, authority), [case for case in CASES if case.fault in faults], jobs=JOBS)


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize("fault", FAULTS)
def test_whatever_happens_all_is_whole_again(outcomes: Outcomes, fault: str) -> None:
    """In each phase: the state is the venue's, nothing lost untold, nothing doubled, nothing out of order; close in time."""
    found = {case: outcomes[case].result() for case in CASES if case.fault == fault}
    assert len(found) == len(PHASES)
    assert {case: wrong for case, wrong in found.items() if wrong} == {}


def test_every_pair_occurs() -> None:
    """Each fault in each phase and over each front, each phase over each front."""
    for first, second in itertools.combinations(range(3), 2):
        values = (tuple(FAULTS), PHASES, FRONTS)
        wanted = set(itertools.product(values[first], values[second]))
        assert wanted <= {(case[first], case[second]) for case in CASES}
