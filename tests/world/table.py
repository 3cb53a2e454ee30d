"""`python -m tests.world.mutants [--measure] [NAME...]`: run the seeded bugs, and print what caught each.

With `--measure` each gets ten times its budget, from its own first world on; the column `worlds` is then what `took` should say.
Exit code 0: all were caught. 1: some survived, and they are named.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable
from typing import Optional

from .mutants import MUTANTS, Mutant
from .mutate import Caught, catch

ROW = "{:32} {:12} {:>7} {:>7} {:>8} {:>8}\n"


def survivors(mutants: list[Mutant], results: Iterable[Caught]) -> list[str]:
    """Print a line for each as it comes, and how far it is on the terminal; returns the names of those that nothing caught."""
    began, left, worlds, steps = time.monotonic(), [], 0, 0
    sys.stdout.write(ROW.format("mutant", "caught by", "seed", "worlds", "steps", "seconds"))
    for count, caught in enumerate(results, 1):
        worlds, steps = worlds + caught.worlds, steps + caught.steps
        seed = str(caught.seed) if caught.check else "-"
        row = (caught.name, caught.check or "SURVIVED", seed, caught.worlds, caught.steps, f"{caught.seconds:.1f}")
        sys.stdout.write(ROW.format(*row))
        sys.stdout.flush()
        if not caught.check:
            left.append(caught.name)
        if sys.stderr.isatty():
            sys.stderr.write(f"{count} of {len(mutants)}, {time.monotonic() - began:.0f} s\r")
            sys.stderr.flush()
    spent = time.monotonic() - began
    caught_all = len(mutants) - len(left)
    sys.stdout.write(f"{caught_all} of {len(mutants)} caught, {worlds:,} worlds, {steps:,} steps, {spent:.1f} s\n")
    return left


def main(arguments: Optional[list[str]] = None) -> int:
    names = [mutant.name for mutant in MUTANTS]
    parser = argparse.ArgumentParser(prog="python -m tests.world.mutants", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these")
    parser.add_argument("--measure", action="store_true", help="ten times the budget")
    options = parser.parse_args(arguments)
    unknown = set(options.names) - set(names)
    if unknown:
        parser.error(f"no such mutant: {', '.join(sorted(unknown))}")
    mutants = [mutant for mutant in MUTANTS if not options.names or mutant.name in options.names]
    if options.measure:
        mutants = [mutant._replace(took=10 * mutant.took) for mutant in mutants]
    left = survivors(mutants, catch(mutants))
    if left:
        sys.stdout.write(f"survived: {', '.join(left)}\n")
    return 1 if left else 0
