"""`python -m tests.conformance [--cases 6.*,12.1.*] [--jobs N] [--readme] [--prepare]`: run the Autobahn TestSuite.

Exit code 0: nothing failed, or the suite cannot be had here, which is said. 1: what failed is listed.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time

from tests import readme

from . import suite
from .run import report, run


def show(done: int, count: int) -> None:
    """One line on the terminal, written over; into a file a line for each tenth."""
    if sys.stderr.isatty():
        bar = "#" * (30 * done // count)
        sys.stderr.write(f"\r[{bar:.<30}] {done} of {count} cases" + ("\n" if done == count else ""))
    elif 10 * done // count > 10 * (done - 1) // count:
        sys.stderr.write(f"{done} of {count} cases\n")
    sys.stderr.flush()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description="The Autobahn TestSuite against echo.py.")
    parser.add_argument("--cases", default="*", help="which, by commas: 6.*,12.1.* (default: all 517)")
    parser.add_argument("--jobs", type=int, default=1, help="servers side by side (default: 1)")
    parser.add_argument("--readme", action="store_true", help="write the table into README.md")
    parser.add_argument("--prepare", action="store_true", help="only install the suite, if it can be had here")
    options = parser.parse_args()
    logging.getLogger("syncstream").setLevel(logging.ERROR)  # that a line is lost is what it is all about here
    try:
        suite.interpreter()
        suite.install()
        if options.prepare:
            print(f"the Autobahn TestSuite is installed in {suite.folder()}")
            return 0
        began = time.monotonic()
        results = run(options.cases.split(","), show, jobs=max(1, options.jobs))
    except suite.Missing as missing:
        print(f"skipped: {missing}")
        return 0
    text = report(results)
    print(text)
    print(f"{time.monotonic() - began:.0f} s")
    for result in results:
        if result.behavior == "NON-STRICT":
            print(f"non-strict: {result.case}")
    wrong = suite.wrong(results)
    for result in wrong:
        print(f"wrong: {result.case}: {result.behavior}, close {result.close} with code {result.code}")
    if options.readme and options.cases == "*":
        readme.write("conformance", text)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
