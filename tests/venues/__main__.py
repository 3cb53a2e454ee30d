"""`python -m tests.venues [--write]`: run every adapter along its recorded session; `--write` puts the table into its README.

Exit code 0: each run is whole, without a gap and without a contradiction. 1: it says which is not.
"""

from __future__ import annotations

import argparse
import platform
import sys
import time
from pathlib import Path

from tests import readme

from .run import Result
from .sessions import SESSIONS

README = Path(__file__).parent.parent.parent / "syncstream" / "venues" / "README.md"
HEAD = ("adapter", "session", "messages", "gaps", "best prices compared", "of them wrong", "all levels at the end")


def row(adapter: str, capture: str, result: Result) -> tuple[object, ...]:
    """A line of the table."""
    begin = (f"`{adapter}`", capture, f"{result.expected:,}", result.gaps)
    if result.whole is None:
        return (*begin, "no book", "", "")
    return (*begin, f"{result.compared:,}", result.contradicted, "equal" if result.whole else "NOT equal")


def holds(result: Result) -> bool:
    """Whether the run shows what the adapter says.

    A book's snapshots jump over messages, so there they are not counted; but the venue's own words must have been compared.
    """
    faults = result.gaps + result.unhealed + result.quarantined + result.contradicted
    shown = result.messages == result.expected if result.whole is None else result.whole and result.compared > 0
    return faults == 0 and shown


def main() -> int:
    """Runs, prints, writes."""
    parser = argparse.ArgumentParser(prog="python -m tests.venues")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    rows, wrong = [], []
    for session in SESSIONS:
        result = session.run()
        rows.append(row(session.adapter, session.capture, result))
        if not holds(result):
            wrong.append(f"{session.adapter}: {result}")
    ran = f"Run on {time.strftime('%Y-%m-%d')}, Python {platform.python_version()}."
    table = f"{readme.table(HEAD, rows)}\n\n{ran}"
    print(table)
    if options.write and not wrong:
        readme.write("runs", table, README)
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
