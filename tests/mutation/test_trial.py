"""The trial of a mutant, from the command line to the verdict: a real one of each kind, by the real tests."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.coverage import ROOT

pytest.importorskip("resource", reason="mutants are tried in forks")


def mutation(*arguments: str) -> tuple[int, list[str]]:
    """Exit code and lines of `python -m tests.mutation`."""
    command = [sys.executable, "-m", "tests.mutation", *arguments]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.returncode, done.stdout.splitlines()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("match", "figures"),
    [
        ("Backoff: base: float = 1.0", "1 mutants, 1 killed, 0 timed out, 0 equivalent, 0 survived"),  # all is loaded anew
        (
            "Backoff.ceiling: return min(self.maximum, self.base * 2.0 ** min(attempt, _LARGEST_EXPONENT))  =>  return max",
            "1 killed",
        ),
    ],
)
def test_what_a_test_notices_is_killed(match: str, figures: str) -> None:
    """Outside of a function as well as within one."""
    code, lines = mutation("backoff", "--match", match)
    assert code == 0, lines
    assert figures in lines[-1]


@pytest.mark.slow
def test_what_no_test_notices_is_named() -> None:
    """With the file and the line, by the name under which it can be excused."""
    code, lines = mutation("backoff", "--match", "_LARGEST_EXPONENT = 61")
    assert code == 1
    assert [line.split(" ", 1)[0].split(":")[0] for line in lines] == ["backoff.py", "backoff"]
    assert lines[0].endswith("  (module): _LARGEST_EXPONENT = 60  =>  _LARGEST_EXPONENT = 61")
    assert "1 mutants, 0 killed, 0 timed out, 0 equivalent, 1 survived" in lines[-1]


ENDLESS = """
from tests.mutation.trial import fork

def spin():
    while True:
        pass

print(*(fork(work, 1, quiet=True)[0].value for work in (spin, lambda: 0, lambda: 1, lambda: 1 / 0)), sep=", ")
"""


def test_what_never_ends_is_timed_out() -> None:
    """By the processor time it takes; whatever else does not end well is killed."""
    done = subprocess.run([sys.executable, "-c", ENDLESS], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "timed out, survived, killed, killed"
