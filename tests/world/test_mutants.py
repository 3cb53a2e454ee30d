"""The seeded bugs: each is caught by the worlds within its budget, and the list follows the code."""

from __future__ import annotations

import sys
from collections import Counter

import pytest

from .mutants import MUTANTS, Mutant
from .mutate import CHILD, PACKAGE, NotFound, catch, mutated, source_of
from .table import main

MODULES = sorted({mutant.module for mutant in MUTANTS})
DECIDES = {
    "asking",
    "backlog",
    "backoff",
    "budget",
    "connections",
    "counter",
    "dialogue",
    "engine",
    "failures",
    "fast_path",
    "fetches",
    "frames",
    "keepalive",
    "keys",
    "line",
    "liveness",
    "opening",
    "order",
    "parts",
    "placement",
    "pressure",
    "quiet",
    "scan",
    "sequence",
    "subscriptions",
    "sync",
    "talk",
}
ONE = next(mutant for mutant in MUTANTS if mutant.name == "hole-as-next")


@pytest.mark.slow
@pytest.mark.mutants
@pytest.mark.timeout(600)
@pytest.mark.parametrize("module", MODULES)
def test_the_worlds_catch_each_seeded_bug(module: str) -> None:
    """Each of this module's is caught within its budget of worlds."""
    results = list(catch([mutant for mutant in MUTANTS if mutant.module == module]))
    assert [caught.name for caught in results if not caught.check] == []
    assert [caught.name for caught in results] == [mutant.name for mutant in MUTANTS if mutant.module == module]


def test_every_module_that_decides_has_seeded_bugs() -> None:
    """None of the core's modules is left out."""
    assert set(MODULES) == DECIDES


@pytest.mark.parametrize("mutant", MUTANTS, ids=[mutant.name for mutant in MUTANTS])
def test_each_changes_one_line_that_is_there_once(mutant: Mutant) -> None:
    """The line before stands in the source exactly once, the one after can be compiled, and all other lines are the same."""
    source = source_of(mutant.module)
    changed = mutated(mutant, source)
    compile(changed, mutant.module, "exec")
    pairs = list(zip(source.splitlines(), changed.splitlines()))
    assert len(pairs) == len(source.splitlines()) == len(changed.splitlines())
    assert [(one.strip(), other.strip()) for one, other in pairs if one != other] == [(mutant.before, mutant.after)]


def test_names_are_unique() -> None:
    """So that one can be asked for."""
    assert [name for name, count in Counter(mutant.name for mutant in MUTANTS).items() if count > 1] == []


@pytest.mark.parametrize(
    ("function", "before", "text"),
    [
        ("Contiguous.judge", "return UP", "0 times"),
        ("", "if last <= position:", "2 times"),
        ("Contiguous.judges", "return DUPLICATE", "there is no sequence.Contiguous.judges"),
    ],
)
def test_a_mutant_that_the_code_has_left_behind_fails(function: str, before: str, text: str) -> None:
    """A line, or a function, that is not there, or not once, is said by name."""
    mutant = Mutant("gone", "sequence", function, before, "pass", "", took=1)
    with pytest.raises(NotFound, match=text):
        mutated(mutant, source_of("sequence"))


def test_a_mutant_that_changes_nothing_survives() -> None:
    """It is the mutation that is caught, not the way it is loaded; and the next one in the same process is caught again."""
    same = ONE._replace(name="same", after=ONE.before)
    results = [(caught.name, bool(caught.check), caught.worlds) for caught in catch([ONE, same._replace(took=1), ONE])]
    assert results == [(ONE.name, True, ONE.took), ("same", False, same._replace(took=1).worlds), (ONE.name, True, ONE.took)]


def test_the_one_who_asks_stays_clean() -> None:
    """What this process has imported of the core stays what it was."""
    before = {name: module for name, module in sys.modules.items() if name.startswith(PACKAGE)}
    finders = list(sys.meta_path)
    assert [caught.check for caught in catch([ONE])] == ["hole"]
    assert {name: module for name, module in sys.modules.items() if name.startswith(PACKAGE)} == before
    assert sys.meta_path == finders


def test_trouble_in_the_other_process_is_raised_here() -> None:
    """It is not taken for a mutant that was caught."""
    with pytest.raises(RuntimeError, match="NotFound: lost: "):
        list(catch([ONE._replace(name="lost", before="return UP")]))


def test_the_table_names_what_caught_each(capsys: pytest.CaptureFixture[str]) -> None:
    """One line for each mutant: its check, its seed, and what that took."""
    assert main([ONE.name]) == 0
    header, row, total = capsys.readouterr().out.splitlines()
    assert header.split() == ["mutant", "caught", "by", "seed", "worlds", "steps", "seconds"]
    assert row.split()[:4] == [ONE.name, "hole", str(ONE.first + ONE.took - 1), str(ONE.took)]
    assert total.startswith("1 of 1 caught, ")


def test_the_table_refuses_a_name_it_does_not_know(capsys: pytest.CaptureFixture[str]) -> None:
    """A slip of the pen runs nothing."""
    with pytest.raises(SystemExit):
        main(["nobody"])
    assert "no such mutant: nobody" in capsys.readouterr().err


def test_the_child_is_this_module() -> None:
    """What `catch` starts can be found."""
    assert CHILD in sys.modules
