"""Tests of tests/threads: the table of what is proved where holds, and the command runs what it says."""

from __future__ import annotations

import ast
import functools
from pathlib import Path

import pytest

from tests.threads import ELSEWHERE, HERE, HURRIED, PROOFS
from tests.threads import __main__ as command

ROOT = Path(__file__).parent.parent


@functools.cache
def functions(path: str) -> dict[str, ast.FunctionDef]:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_each_proof_exists() -> None:
    """Every test that the table names is there."""
    named = [test.split("::") for tests in PROOFS.values() for test in tests]
    assert [f"{path}::{name}" for path, name in named if name not in functions(path)] == []


def test_each_test_here_proves_something() -> None:
    """No test of the folder is missing from the table, but one for a bug."""
    named = {test for tests in PROOFS.values() for test in tests}
    files = sorted((ROOT / HERE).glob("test_*.py"))
    found = [f"{HERE}{path.name}::{name}" for path in files for name in functions(f"{HERE}{path.name}") if name[:5] == "test_"]
    spoken = {f"{HERE}test_lives.py::test_a_thread_that_has_the_number_of_the_dead_reader"}
    assert [test for test in found if test not in named | spoken] == []


def test_those_in_a_hurry_are() -> None:
    """Each test that the table says to run with the shortest switch interval does so."""
    sources = {test: functions(test.split("::")[0])[test.split("::")[1]] for test in HURRIED}
    assert [test for test, source in sources.items() if "hurried" not in ast.dump(source)] == []


def test_the_command_stops_at_the_first_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The output of that run is kept, and the exit code tells."""
    runs: list[list[str]] = []

    def once(targets: list[str]) -> tuple[int, str]:
        runs.append(targets)
        return (1 if len(runs) == 3 else 0), f"output {len(runs)}"

    monkeypatch.setattr(command, "once", once)
    assert command.main(["--repeat", "2"]) == 0
    assert command.main(["--repeat", "5", "--named", "--keep", str(tmp_path / "kept")]) == 1
    assert (tmp_path / "kept").read_text(encoding="utf-8") == "output 3"
    assert runs == [["tests/threads"]] * 2 + [["tests/threads", *ELSEWHERE]]


def test_the_command_runs_pytest() -> None:
    """In a Python of its own; a test that does not exist is no success."""
    code, output = command.once([f"{HERE}test_states.py::test_that_does_not_exist"])
    assert code in command.NO_TESTS
    assert "test_that_does_not_exist" in output
