"""`python -m tests.world --seed N --steps M --worlds K [--jobs J] [--json FILE]`: rerun one world, or run many for long.

Exit code 0: no violation. 1: the first one found, with its shrunk script and the line that runs it again.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import Iterable
from typing import Any, Optional

from .many import Sum, add, share, tasks


class Bar:
    """Owned by: `main`. One line on the terminal, written over."""

    def __init__(self, worlds: int) -> None:
        self.worlds = worlds
        self.began = time.monotonic()
        self.shown_at = 0.0

    def show(self, total: Sum, *, last: bool = False) -> None:
        now = time.monotonic()
        if now - self.shown_at < 0.2 and not last:
            return
        self.shown_at = now
        full = int(30 * total.worlds / self.worlds)
        rate = total.steps / max(1e-9, now - self.began)
        bar = "#" * full + "." * (30 - full)
        sys.stderr.write(f"\r[{bar}] {total.worlds:,} of {self.worlds:,} worlds, {total.steps:,} steps, {rate:,.0f} steps/s  ")
        sys.stderr.write("\n" if last else "")
        sys.stderr.flush()


def go(results: Iterable[Sum], bar: Bar) -> Sum:
    """Add up until the end, or the first violation."""
    total = Sum(0, 0, 0, 0, 0.0, Counter(), None)
    for result in results:
        total = add(total, result)
        bar.show(total)
        if total.found is not None:
            break
    bar.show(total, last=True)
    return total


def summary(total: Sum, seconds: float, options: argparse.Namespace) -> dict[str, Any]:
    """The whole run as plain values."""
    return {
        "seed": options.seed,
        "worlds": total.worlds,
        "steps": total.steps,
        "seconds": round(seconds, 1),
        "steps_per_second": round(total.steps / max(1e-9, seconds)),
        "delivered": total.items,
        "eras_met": total.met,
        "longest_recovery": round(total.longest, 2),
        "inputs": dict(sorted(total.faults.items())),
        "violation": None if total.found is None else str(total.found),
    }


def main(arguments: Optional[list[str]] = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.world", description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="of the first world; the next ones count on")
    parser.add_argument("--steps", type=int, default=200, help="of each world")
    parser.add_argument("--worlds", type=int, default=500)
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--json", metavar="FILE", help="write the summary there")
    options = parser.parse_args(arguments)
    began = time.monotonic()
    work, bar = tasks(options.seed, options.worlds, options.steps), Bar(options.worlds)
    if options.jobs > 1:
        with multiprocessing.get_context("spawn").Pool(options.jobs) as pool:
            total = go(pool.imap(share, work), bar)
    else:
        total = go(map(share, work), bar)
    told = summary(total, time.monotonic() - began, options)
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(told, file, indent=2)
    sys.stdout.write(json.dumps({name: value for name, value in told.items() if name != "violation"}, indent=2) + "\n")
    if total.found is not None:
        sys.stdout.write(f"{total.found}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
