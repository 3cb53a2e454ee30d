"""The table of the README: each scenario, what the user sees, and how long it took at most in the runs that were made."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Optional

from .run import Outcome
from .scenario import Scenario

README = Path(__file__).parent.parent.parent / "README.md"
BEGIN = "<!-- faults: written by `python -m tests.faults --write`, do not edit -->"
END = "<!-- faults: end -->"


def rows(scenarios: Sequence[Scenario], outcomes: Mapping[str, list[Outcome]]) -> list[str]:
    """The lines of the table. Raises `KeyError` if a scenario was not played."""
    lines = ["| scenario | settings | what you see | noticed | whole again |", "| --- | --- | --- | --- | --- |"]
    for scenario in scenarios:
        records = [outcome.record for outcome in outcomes[scenario.name] if outcome.record is not None]
        noticed = _longest([record.noticed for record in records])
        whole = _longest([record.whole for record in records])
        lines.append(f"| {scenario.name} | {scenario.settings or 'default'} | {scenario.sees} | {noticed} | {whole} |")
    return lines


def section(scenarios: Sequence[Scenario], outcomes: Mapping[str, list[Outcome]], runs: int, python: str) -> str:
    """What stands between the markers."""
    day = datetime.datetime.now(datetime.timezone.utc).date()
    times = "one run" if runs == 1 else f"{runs} runs"
    counted = "*Whole again* counts from the end of the fault, or from the fault where it happens at once."
    head = f"Longest of {times} on {day}, Python {python}. {counted}"
    return "\n".join([head, "", *rows(scenarios, outcomes)])


def written(text: str, between: str) -> str:
    """The text with that between the markers. Raises `ValueError` if they are not there, once each."""
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise ValueError(f"README.md needs one line {BEGIN!r} and one line {END!r}")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{between}\n\n{END}{after}"


def _longest(values: Sequence[Optional[float]]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return ""
    longest = max(known)
    return f"{longest:.1f} s" if longest >= 0.1 else "at once"
