"""`python -m tests.threads --repeat N`: run the tests of this folder N times in a row, each time in a Python of its own.

Stops at the first run that fails, and keeps its output in `--keep FILE`. Exit code 0: all green. 1: one failed. 2: nothing ran.
`--named` also runs the tests elsewhere that the table names. What follows `--` goes to pytest.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Optional

from syncstream.clock import now

from . import ELSEWHERE

ROOT = Path(__file__).parent.parent.parent
NO_TESTS = (4, 5)  # pytest's exit codes for a wrong command line, and for no test at all


def once(targets: list[str]) -> tuple[int, str]:
    """Exit code and output of one run."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "--durations=5", *targets]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.returncode, done.stdout


def show(done: int, of: int, began: float, *, last: bool = False) -> None:
    """One line on the terminal, written over."""
    took = now() - began
    rate = took / done if done else 0.0
    full = 30 * done // of
    sys.stderr.write(f"\r[{'#' * full}{'.' * (30 - full)}] {done} of {of} runs, {rate:.1f} s each, {took:.0f} s so far  ")
    sys.stderr.write("\n" if last else "")
    sys.stderr.flush()


def main(arguments: Optional[list[str]] = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.threads", description=__doc__)
    parser.add_argument("--repeat", type=int, default=1, help="how many runs")
    parser.add_argument("--keep", metavar="FILE", help="where the output of a run that fails goes (default: a temporary file)")
    parser.add_argument("--named", action="store_true", help="also the tests elsewhere that the table names")
    parser.add_argument("rest", nargs="*", help="for pytest, after `--`")
    options = parser.parse_args(arguments)
    if options.repeat < 1:
        parser.error(f"--repeat={options.repeat}: at least 1")
    targets = ["tests/threads", *(ELSEWHERE if options.named else ()), *options.rest]
    began = now()
    for done in range(options.repeat):
        show(done, options.repeat, began)
        code, output = once(targets)
        if code:
            show(done, options.repeat, began, last=True)
            keep = Path(options.keep or Path(tempfile.mkdtemp()) / "threads.txt")
            keep.write_text(output, encoding="utf-8")
            sys.stdout.write(f"{output}\nrun {done + 1} of {options.repeat} failed; its output is kept in {keep}\n")
            return 2 if code in NO_TESTS else 1
    show(options.repeat, options.repeat, began, last=True)
    sys.stdout.write(f"{options.repeat} runs in a row were green, in {now() - began:.0f} s\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
