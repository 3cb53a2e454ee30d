"""The measure itself: whose tests are whose, what counts as reached, and that every module of `core` has tests of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import coverage
from tests.coverage import Reach, measure, own_tests, table

CODE = """\
def half(number):
    if number < 0:
        raise ValueError(number)
    for _ in range(number):
        if number % 2:
            break
    return number // 2
"""


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_every_module_of_core_has_tests_of_its_own() -> None:
    """And every test file there is named after a module."""
    assert [module.stem for module, tests in own_tests().items() if not tests] == []


def test_a_test_file_belongs_to_the_longest_name(tmp_path: Path) -> None:
    """`test_line_end.py` is of `line_end` where there is one, else of `line`; a file of no module is named."""
    for name in (
        "__init__.py",
        "line.py",
        "line_end.py",
        "lines.py",
        "test_line.py",
        "test_line_end_late.py",
        "test_line_new.py",
    ):
        write(tmp_path, name, "")
    found = {module.stem: [test.stem for test in tests] for module, tests in own_tests(tmp_path, tmp_path).items() if tests}
    assert found["line"] == ["test_line", "test_line_new"]
    assert found["line_end"] == ["test_line_end_late"]
    write(tmp_path, "test_other.py", "")
    with pytest.raises(LookupError, match=r"^test_other\.py is named after no module of "):
        own_tests(tmp_path, tmp_path)


@pytest.mark.parametrize(
    ("body", "missing"),
    [
        ("half(2), half(1), half(0)\n    with pytest.raises(ValueError): half(-1)", ""),
        ("half(2), half(1), half(0)", "3, 2->3"),
        ("half(2)\n    with pytest.raises(ValueError): half(-1)", "6, 5->6"),
    ],
)
def test_what_a_test_does_not_reach_is_named(tmp_path: Path, body: str, missing: str) -> None:
    """Lines and branches, by number; and only all of them are all."""
    module = write(tmp_path, "halves.py", CODE)
    test = write(tmp_path, "test_halves.py", f"import pytest\nfrom halves import half\n\ndef test_half():\n    {body}\n")
    reach = measure(module, [test], root=tmp_path)
    assert (reach.missing, reach.failed, reach.whole) == (missing, "", not missing)
    assert (reach.statements, reach.branches, reach.percent == 100.0) == (7, 6, not missing)


def test_tests_that_fail_reach_nothing(tmp_path: Path) -> None:
    """What they said is kept, for the one who has to mend them."""
    module = write(tmp_path, "halves.py", CODE)
    test = write(tmp_path, "test_halves.py", "from halves import half\n\ndef test_half():\n    assert half(2) == 2\n")
    reach = measure(module, [test], root=tmp_path)
    assert not reach.whole
    assert "assert 1 == 2" in reach.failed


def test_the_table_rounds_down() -> None:
    """99.99 % is not all of it."""
    rows = [(Path("a.py"), Reach(1000, 2000, 99.99, "7", "")), (Path("b.py"), Reach(3, 0, 100.0, "", ""))]
    rows.append((Path("c.py"), Reach(0, 0, 0.0, "", "E  boom")))
    assert [line.split() for line in table(iter(rows))][1:] == [
        ["a", "1000", "2000", "99.9%", "7"],
        ["b", "3", "0", "100.0%"],
        ["c", "its", "tests", "fail:", "E", "boom"],
    ]


@pytest.mark.parametrize(("missing", "code"), [("", 0), ("7->9", 1)])
def test_the_exit_code_says_whether_it_is_enough(
    missing: str, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One module that misses something is enough to fail; only what was named is measured."""
    reach = {"line": Reach(1, 2, 50.0, missing, "")}
    monkeypatch.setattr(coverage, "measure", lambda module, tests: reach.get(module.stem, Reach(1, 2, 100.0, "", "")))
    assert coverage.main(["core", "line", "rules"]) == code
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["module", "line", "rules"]
    assert coverage.main(["core", "rules"]) == 0


def test_a_module_that_is_not_there_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    """A table of nothing would pass."""
    with pytest.raises(SystemExit):
        coverage.main(["core", "nothing"])
    assert "no module of core: nothing" in capsys.readouterr().err
