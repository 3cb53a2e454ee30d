"""Play scenarios side by side: they mostly wait. What each measured, or what it raised."""

from __future__ import annotations

import concurrent.futures
import traceback
from collections.abc import Iterable, Iterator
from typing import NamedTuple, Optional

from .scenario import Record, Scenario, judge

JOBS = 8


class Outcome(NamedTuple):
    """`failures` is empty where the scenario has passed. `record` is `None` where it raised."""

    scenario: Scenario
    record: Optional[Record]
    failures: list[str]


def play(scenario: Scenario) -> Outcome:
    try:
        record = scenario.play()
    except Exception:
        return Outcome(scenario, None, [traceback.format_exc()])
    return Outcome(scenario, record, judge(scenario, record))


def play_all(scenarios: Iterable[Scenario], jobs: int = JOBS) -> Iterator[Outcome]:
    """Each as it ends. The longest ones stand first in their queue."""
    chosen = sorted(scenarios, key=lambda scenario: -scenario.lasts)
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        for done in concurrent.futures.as_completed([pool.submit(play, scenario) for scenario in chosen]):
            yield done.result()
