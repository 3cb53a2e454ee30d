"""`python -m tests.faults [--only TEXT] [--repeat N] [--jobs J] [--write]`: play the scenarios and print the table of the README.

`--write` puts it there, between its markers. Exit code 0: all have passed. 1: the first run in which one has not, and why.
"""

from __future__ import annotations

import argparse
import platform
import sys
import time
from typing import Optional

from . import table
from .catalogue import SCENARIOS
from .run import JOBS, Outcome, play_all


def show(run: int, runs: int, done: int, count: int, began: float, outcome: Outcome) -> None:
    """One line of progress for each scenario that ends."""
    record = outcome.record
    took = (
        ""
        if record is None
        else ", ".join(
            f"{what} {value:.2f} s" for what, value in (("noticed", record.noticed), ("whole", record.whole)) if value is not None
        )
    )
    passed = "FAILED" if outcome.failures else "passed"
    sys.stderr.write(
        f"[{time.monotonic() - began:6.1f} s] run {run}/{runs}, {done:2}/{count} {passed}: {outcome.scenario.name} ({took})\n"
    )
    sys.stderr.flush()


def main(arguments: Optional[list[str]] = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--only", metavar="TEXT", default="", help="scenarios whose name holds this")
    parser.add_argument("--repeat", type=int, default=1, metavar="N", help="so many runs in a row")
    parser.add_argument("--jobs", type=int, default=JOBS, help="scenarios side by side")
    parser.add_argument("--write", action="store_true", help="put the table into README.md")
    options = parser.parse_args(arguments)
    chosen = [scenario for scenario in SCENARIOS if options.only in scenario.name]
    if options.write and len(chosen) < len(SCENARIOS):
        parser.error("--write needs all scenarios")
    began = time.monotonic()
    outcomes: dict[str, list[Outcome]] = {scenario.name: [] for scenario in chosen}
    for run in range(1, options.repeat + 1):
        failed: list[Outcome] = []
        for done, outcome in enumerate(play_all(chosen, options.jobs), 1):
            show(run, options.repeat, done, len(chosen), began, outcome)
            outcomes[outcome.scenario.name].append(outcome)
            failed += [outcome] if outcome.failures else []
        if failed:
            for outcome in failed:
                sys.stdout.write(f"{outcome.scenario.name}: {'; '.join(outcome.failures)}\n{outcome.record}\n")
            return 1
    text = table.section(chosen, outcomes, options.repeat, platform.python_version())
    sys.stdout.write(f"{text}\n")
    if options.write:
        readme = table.README.read_text(encoding="utf-8")
        table.README.write_text(table.written(readme, text), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
