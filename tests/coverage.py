"""What the tests reach. `python -m tests.coverage core`: each module of `core`, all its branches, by its own test files alone.
`python -m tests.coverage package`: the whole package by the whole suite, in one run. Exit code 1: not enough.

What does not count (`exclude_also`) stands in pyproject.toml.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Optional

import coverage

ROOT = Path(__file__).parent.parent
CORE = ROOT / "syncstream" / "core"
TESTS = ROOT / "tests" / "core"

PACKAGE_LEAST = 97
"""Per cent of lines and branches together, of the whole package."""


class Reach(NamedTuple):
    """What one run reached of one module."""

    statements: int
    branches: int
    percent: float
    missing: str  # lines, and branches as `from->to`, by number
    failed: str  # what pytest said, if its tests did not pass

    @property
    def whole(self) -> bool:
        return not self.missing and not self.failed


def own_tests(code: Path = CORE, tests: Path = TESTS) -> dict[Path, list[Path]]:
    """The test files of each module of a folder: `test_X.py` and `test_X_*.py`. A file of no module raises `LookupError`."""
    found: dict[Path, list[Path]] = {path: [] for path in sorted(code.glob("*.py")) if path.stem != "__init__"}
    for test in sorted(tests.glob("test_*.py")):
        name = test.stem[len("test_") :]
        owners = [path for path in found if name == path.stem or name.startswith(f"{path.stem}_")]
        if not owners:
            raise LookupError(f"{test.name} is named after no module of {code.name}")
        found[max(owners, key=lambda path: len(path.stem))].append(test)
    return found


def measure(module: Path, tests: list[Path], *, root: Path = ROOT) -> Reach:
    """Run these tests alone, in a process of their own, and see what they reach of the module."""
    with tempfile.TemporaryDirectory() as folder:
        data = os.path.join(folder, "data")
        # No settings file: those of pyproject.toml are for the whole package, child processes included.
        traced = ["coverage", "run", f"--rcfile={os.devnull}", f"--data-file={data}", "--branch", f"--include={module}"]
        command = [sys.executable, "-m", *traced, "-m", "pytest", "-p", "no:cacheprovider", *map(str, tests)]
        # Nor is this a child process of a run that is measured itself.
        alone = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
        done = subprocess.run(
            command, cwd=root, env=alone, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        if done.returncode:
            return Reach(0, 0, 0.0, "", done.stdout)
        return _read(Path(data), module)


def _read(data: Path, module: Path) -> Reach:
    measured = coverage.Coverage(data_file=str(data), config_file=str(ROOT / "pyproject.toml"))
    measured.load()
    report = data.with_suffix(".json")
    measured.json_report(morfs=[str(module)], outfile=str(report))
    (found,) = json.loads(report.read_text(encoding="utf-8"))["files"].values()
    missing = [str(line) for line in found["missing_lines"]]
    missing += [f"{start}->{'exit' if stop < 0 else stop}" for start, stop in found["missing_branches"]]
    told = found["summary"]
    return Reach(told["num_statements"], told["num_branches"], told["percent_covered"], ", ".join(missing), "")


def table(reached: Iterator[tuple[Path, Reach]]) -> Iterator[str]:
    """One line a module, as it is measured."""
    yield f"{'module':12}{'statements':>12}{'branches':>10}{'reached':>10}  missing"
    for module, reach in reached:
        if reach.failed:
            yield f"{module.stem:12}  its tests fail:\n{reach.failed}"
            continue
        # Rounded down: 100 means all.
        percent = int(reach.percent * 10) / 10
        yield f"{module.stem:12}{reach.statements:12}{reach.branches:10}{percent:9}%  {reach.missing}".rstrip()


def core(names: list[str]) -> bool:
    """Measure these modules of `core`, all if none is named, and print the table. True if nothing is missing."""
    wanted = {module: tests for module, tests in own_tests().items() if not names or module.stem in names}
    whole = True

    def each() -> Iterator[tuple[Path, Reach]]:
        nonlocal whole
        for module, tests in wanted.items():
            reach = measure(module, tests)
            whole = whole and reach.whole
            yield module, reach

    for line in table(each()):
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
    return whole


def package(arguments: list[str]) -> bool:
    """Run the whole suite, child processes included, and print what misses something. True if it passes and reaches enough."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "COVERAGE_FILE": os.path.join(folder, "data")}

        def call(*words: str) -> bool:
            return subprocess.run([sys.executable, "-m", *words], cwd=ROOT, env=environment, check=False).returncode == 0

        passed = call("coverage", "run", "-m", "pytest", *arguments)
        return call("coverage", "combine", "-q") and call("coverage", "report", f"--fail-under={PACKAGE_LEAST}") and passed


def main(arguments: Optional[list[str]] = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.coverage", description=__doc__)
    parser.add_argument("what", choices=["core", "package"])
    parser.add_argument("rest", nargs="*", metavar="NAME", help="core: only these modules; package: words for pytest")
    options = parser.parse_args(arguments)
    unknown = set(options.rest) - {module.stem for module in own_tests()}
    if options.what == "core" and unknown:
        parser.error(f"no module of core: {', '.join(sorted(unknown))}")
    enough = core(options.rest) if options.what == "core" else package(options.rest)
    return 0 if enough else 1


if __name__ == "__main__":
    sys.exit(main())
