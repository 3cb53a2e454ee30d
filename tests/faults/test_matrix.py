"""The fault matrix, one fault a test: its six phases side by side. And that no pair is missing."""

from __future__ import annotations

import concurrent.futures
import itertools
from pathlib import Path

import pytest

from tests.servers.certificates import ca_file

from .matrix import CASES, FAULTS, FRONTS, PHASES, play


@pytest.mark.parametrize("fault", FAULTS)
def test_whatever_happens_all_is_whole_again(fault: str, tmp_path: Path) -> None:
    """In each phase: the state is the venue's, nothing lost untold, nothing doubled, nothing out of order; close in time."""
    authority = ca_file(tmp_path)
    cases = [case for case in CASES if case.fault == fault]
    with concurrent.futures.ThreadPoolExecutor(len(cases)) as pool:
        found = dict(zip(cases, pool.map(lambda case: play(case, authority), cases)))
    assert {case: wrong for case, wrong in found.items() if wrong} == {}


def test_every_pair_occurs() -> None:
    """Each fault in each phase and over each front, each phase over each front."""
    for first, second in itertools.combinations(range(3), 2):
        values = (tuple(FAULTS), PHASES, FRONTS)
        wanted = set(itertools.product(values[first], values[second]))
        assert wanted <= {(case[first], case[second]) for case in CASES}
