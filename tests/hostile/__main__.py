"""`python -m tests.hostile [--readme]`: every hostile server, and a table of what it cost. Exit code 1 if a bound was broken."""

from __future__ import annotations

import argparse
import platform
import re
import sys
import time

from tests import readme

from .cases import CASES, MEBIBYTE, Case, Found, run

_HEAD = ("a venue that sends", "memory, MiB", "told after, s", "then", "what you see")


def wrong(case: Case, found: Found) -> list[str]:
    """Which of the bounds of a case do not hold."""
    said = []
    if len(found.told) != 1 or not found.told[0].startswith(case.told):
        said.append(f"told {found.told}, not one {case.told}")
    if found.told_after is None or found.told_after > case.seconds:
        said.append(f"told after {found.told_after} s, not within {case.seconds}")
    if found.memory > case.memory:
        said.append(f"took {found.memory / MEBIBYTE:.1f} MiB, more than {case.memory / MEBIBYTE:g}")
    if found.recovered is not case.recovers:
        said.append("recovered" if found.recovered else "did not recover")
    if found.closed_after > 2.0 or found.left:
        said.append(f"close() took {found.closed_after:.1f} s and left {found.left}")
    return said


def row(case: Case, found: Found) -> list[object]:
    then = "goes on" if found.recovered else "over"
    words = found.told[0] if found.told else "nothing"
    after = f"{found.told_after:.1f}" if found.told_after is not None else "never"
    words = words if len(words) <= 120 else words[:117] + "..."
    words = re.sub("localhost:[0-9]+", "...", words)  # the port is another one each time
    return [case.name, f"{max(0.0, found.memory / MEBIBYTE):.1f}", after, then, words]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.hostile", description="Hostile servers, and what they cost.")
    parser.add_argument("--readme", action="store_true", help="write the table into README.md")
    options = parser.parse_args()
    rows, broken = [], []
    for number, case in enumerate(CASES, start=1):
        sys.stderr.write(f"{number} of {len(CASES)}: {case.name}\n")
        found = run(case)
        rows.append(row(case, found))
        broken += [f"{case.name}: {words}" for words in wrong(case, found)]
    when = time.strftime("%Y-%m-%d", time.gmtime())
    text = f"{readme.table(_HEAD, rows)}\n\nPython {platform.python_version()}, {platform.system()}; {when}."
    print(text)
    for words in broken:
        print(f"wrong: {words}")
    if options.readme and not broken:
        readme.write("hostile", text)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
