"""`python -m tests.mutation [MODULE ...] [--match TEXT] [--quick] [--loud]`: every mutant of these modules of `core`.

Of all modules, if none is named. Prints what survived as it is met, then the figures. Exit code 0: whatever survived stands in
equivalent.txt, with its reason.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Optional

from tests.coverage import CORE, own_tests

from .equivalent import FILE, read
from .mutants import mutants
from .trial import Fate, Trials, load


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def run(
    module: Path, tests: list[Path], excused: Mapping[str, str], *, match: str = "", quick: bool = False, loud: bool = False
) -> Counter[str]:
    """Try the mutants of one module whose name has `match` in it; returns how many met each fate."""
    figures: Counter[str] = Counter()
    wanted = [mutant for mutant in mutants(module.read_text(encoding="utf-8"), str(module)) if match in mutant.name]
    if quick:
        wanted = [mutant for mutant in wanted if mutant.within]
    if not match:
        figures["equivalent"] = sum(mutant.name in excused for mutant in wanted)
    figures["mutants"] = len(wanted)
    trials = Trials(module, tests, quick=quick, quiet=not loud)
    for mutant, fate in trials.run([one for one in wanted if match or one.name not in excused]):
        figures[fate.value] += 1
        if fate is Fate.SURVIVED:
            say(f"{module.stem}.py:{mutant.line}  {mutant.name}")
    return figures


def main(arguments: Optional[list[str]] = None) -> int:
    owned = own_tests()
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("modules", nargs="*", metavar="MODULE", help=", ".join(path.stem for path in owned))
    parser.add_argument("--match", metavar="TEXT", default="", help="only mutants whose name has it, excused ones too")
    parser.add_argument("--quick", action="store_true", help="within functions only, and some may be found that do not survive")
    parser.add_argument("--loud", action="store_true", help="show what the tests say")
    options = parser.parse_args(arguments)
    excused = read(FILE.read_text(encoding="utf-8"))
    load()
    total: Counter[str] = Counter()
    for name in options.modules or [path.stem for path in owned]:
        module = CORE / f"{name}.py"
        began = time.monotonic()
        figures = run(module, owned[module], excused.get(name, {}), match=options.match, quick=options.quick, loud=options.loud)
        total += figures
        told = [f"{figures[fate]} {fate}" for fate in ("mutants", "killed", "timed out", "equivalent", "survived")]
        say(f"{name}: {', '.join(told)}; {time.monotonic() - began:.0f} s")
    return 1 if total["survived"] else 0


if __name__ == "__main__":
    sys.exit(main())
