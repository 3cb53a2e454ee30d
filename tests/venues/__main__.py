"""`python -m tests.venues [--write] [NAME ...]`: run every adapter along its recorded session, or those whose name begins so.

`--write` puts the table into its README; the lines of adapters that were not asked for stay as they are.

Exit code 0: each run is whole, without a gap and without a contradiction. 1: it says which is not.
"""

from __future__ import annotations

import argparse
import platform
import sys
import time
from pathlib import Path

from tests import readme

from .adapters import adapters
from .run import Result
from .sessions import SESSIONS, Session
from .speed import ENOUGH

README = Path(__file__).parent.parent.parent / "syncstream" / "venues" / "README.md"
NOT_RUN = "from documentation, not run"
HEAD = (
    *("adapter", "session", "messages", "gaps", "compared with", "states", "of them wrong", "all levels at the end"),
    *("messages/s", "note"),
)


def lines() -> dict[str, dict[str, str]]:
    """The table as it stands: adapter → column → cell."""
    found = {}
    for line in README.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if len(cells) == len(HEAD) and cells[0].startswith("`"):
            found[cells[0].strip("`")] = dict(zip(HEAD, cells))
    return found


def row(session: Session, result: Result, rate: float) -> tuple[str, ...]:
    """A line of the table."""
    compared = (session.against, f"{result.compared:,}", str(result.contradicted)) if result.compared else ("", "", "")
    whole = "" if result.whole is None else "equal" if result.whole else "NOT equal"
    begin = (f"`{session.adapter}`", session.capture, f"{result.expected:,}", str(result.gaps))
    return (*begin, *compared, whole, f"{float(f'{rate:.2g}'):,.0f}", session.note)


def not_run(adapter: str) -> tuple[str, ...]:
    """The line of an adapter that there is no session for."""
    return (f"`{adapter}`", NOT_RUN, *[""] * (len(HEAD) - 2))


def holds(result: Result, *, compared: bool = True) -> bool:
    """Whether the run shows what the adapter says.

    A book's snapshots jump over messages, so there they are not counted; but the venue's own words must have been `compared`, if
    the session has any.
    """
    faults = result.gaps + result.unhealed + result.quarantined + result.contradicted
    shown = result.messages == result.expected if result.whole is None else result.whole and (result.compared > 0 or not compared)
    return faults == 0 and shown


def main() -> int:
    """Runs, prints, writes."""
    parser = argparse.ArgumentParser(prog="python -m tests.venues")
    parser.add_argument("--write", action="store_true", help="put the table into venues/README.md, if every run holds")
    parser.add_argument("names", nargs="*", help="such as binance. or binance.depth")
    options = parser.parse_args()
    asked = tuple(options.names) or ("",)
    known, rows, wrong = lines(), [], []
    for session in SESSIONS:
        if not session.adapter.startswith(asked):
            rows += [tuple(known[session.adapter].values())] if session.adapter in known else []
            continue
        result, rate = session.run(), session.rate()
        rows.append(row(session, result, rate))
        print(*rows[-1], sep=" | ", flush=True)
        if not holds(result, compared=bool(session.against)):
            wrong.append(f"{session.adapter}: {result}")
        if rate < ENOUGH and not session.note:
            wrong.append(f"{session.adapter}: {rate:,.0f} messages/s, and no note that says why")
    rows += [not_run(adapter) for adapter in sorted(adapters() - {session.adapter for session in SESSIONS})]
    ran = f"Run on {time.strftime('%Y-%m-%d')}, Python {platform.python_version()}."
    table = f"{readme.table(HEAD, rows)}\n\n{ran}"
    if options.write and not wrong:
        readme.write("runs", table, README)
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
