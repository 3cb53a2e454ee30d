"""Many worlds, in shares that processes can take, and what they were like together. Pure."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple, Optional

from .run import Found, Report, run_worlds

SHARE = 20  # worlds a process takes at once


class Sum(NamedTuple):
    """What some worlds were like together, and the first violation in them."""

    worlds: int
    steps: int
    items: int
    met: int
    longest: float
    faults: Counter[str]
    found: Optional[Found]


def share(task: tuple[int, int, int]) -> Sum:
    """Run worlds `seed` .. `seed + worlds - 1`. Runs in a process of its own."""
    seed, worlds, steps = task
    reports: list[Report] = []
    found = run_worlds(seed, worlds, steps, reports.append)
    faults: Counter[str] = Counter()
    for report in reports:
        faults.update(report.faults)
    return Sum(
        len(reports),
        sum(report.steps for report in reports),
        sum(report.items for report in reports),
        sum(report.met for report in reports),
        max((report.seconds for report in reports), default=0.0),
        faults,
        found,
    )


def tasks(seed: int, worlds: int, steps: int) -> list[tuple[int, int, int]]:
    """All worlds, in shares."""
    return [(at, min(SHARE, seed + worlds - at), steps) for at in range(seed, seed + worlds, SHARE)]


def add(one: Sum, other: Sum) -> Sum:
    return Sum(
        one.worlds + other.worlds,
        one.steps + other.steps,
        one.items + other.items,
        one.met + other.met,
        max(one.longest, other.longest),
        one.faults + other.faults,
        one.found or other.found,
    )
