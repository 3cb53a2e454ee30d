"""What is changed in a source, what is not, and how a mutant is named."""

from __future__ import annotations

import sys

import pytest

from tests.coverage import own_tests

from .equivalent import FILE, read
from .mutants import mutants, names


def changed(source: str) -> list[str]:
    """The statements of all mutants, without the place."""
    return [mutant.after for mutant in mutants(source, "x.py")]


@pytest.mark.parametrize(
    ("source", "after"),
    [
        ("f(a < b)", ["pass", "f(a <= b)", "f(a >= b)"]),
        ("x = a is b", ["x = a is not b"]),
        ("x = a and b", ["x = a or b", "x = b", "x = a"]),
        ("x = a + 1", ["x = a - 1", "x = a + 2"]),
        ("x = not a", ["x = a"]),
        ("x = True", ["x = False"]),
        ("x = 'n'", ["x = 'n~'"]),
        ("x = None", ["x = 0"]),
        ("x += 1", ["pass", "x -= 1", "x += 2"]),
        ("x.y = z", ["pass"]),
        ("x = f(a, b=c)", ["x = f(a)"]),
        ("x = min(a, b)", ["x = max(a, b)"]),
        ("x = a[b:c]", ["x = a[:c]", "x = a[b:]"]),
        ("x = (a, b)", ["x = (b,)", "x = (a,)"]),
        ("x = {a: b, c: d}", ["x = {c: d}", "x = {a: b}"]),
        ("if a < b: pass", ["if False:", "if True:", "if a <= b:"]),
        ("while a: continue", ["while False:", "pass", "break"]),
        ("x = a if b else c", ["x = a if False else c", "x = a if True else c"]),
        ("x = [a for a in b if a]", ["x = [a for a in b if False]", "x = [a for a in b if True]"]),
        ("x = f'n {a + b}'", ["x = f'n {a - b}'"]),
    ],
)
def test_what_is_changed(source: str, after: list[str]) -> None:
    """Each kind of change, and no other one."""
    assert changed(source) == after


@pytest.mark.parametrize(
    "source",
    [
        "'what it is'",
        "import a.b as c",
        "x: Optional[int]",
        "assert a < 1",
        "__slots__ = ('a', 'b')",
        "class E(enum.Enum):\n    A = 'a'",
        "if TYPE_CHECKING:\n    x = 1",
        "x = f'n'",
        "def f(a: 'A') -> 'B':\n    'what it does'\n    return a",
    ],
)
def test_what_is_not_changed(source: str) -> None:
    """It is read by people, or by type checkers."""
    assert changed(source) == []


def test_the_code_is_that_of_the_mutant_alone() -> None:
    """Each change is undone before the next one."""
    found = []
    for mutant in mutants("x = 1\ny = 10", "x.py"):
        names: dict[str, int] = {}
        exec(mutant.code, names)
        found.append((names["x"], names["y"]))
    assert found == [(2, 10), (1, 11)]


SOURCE = """\
class Line:
    def dial(self, after=1):
        def inner():
            self.n += 1
            self.n += 1
        return inner
"""


def test_names_and_places() -> None:
    """The class and function, the statement before and after, and which one of several that are alike; no line number."""
    found = list(mutants(SOURCE, "x.py"))
    assert [(mutant.place, mutant.within, mutant.line) for mutant in found] == [
        ("Line.dial", None, 2),
        *[("Line.dial.inner", "Line.dial", line) for line in (4, 4, 4, 5, 5, 5)],
    ]
    assert [mutant.name for mutant in found] == [
        "Line.dial: def dial(self, after=1):  =>  def dial(self, after=2):",
        "Line.dial.inner: self.n += 1  =>  pass",
        "Line.dial.inner: self.n += 1  =>  self.n -= 1",
        "Line.dial.inner: self.n += 1  =>  self.n += 2",
        "Line.dial.inner: self.n += 1  =>  pass  #2",
        "Line.dial.inner: self.n += 1  =>  self.n -= 1  #2",
        "Line.dial.inner: self.n += 1  =>  self.n += 2  #2",
    ]
    assert list(names(f"\n\n{SOURCE}")) == [mutant.name for mutant in found]


@pytest.mark.skipif(sys.version_info < (3, 11), reason="a name is what ast.unparse writes, and older ones wrote it otherwise")
def test_whatever_is_excused_is_there() -> None:
    """A mutant in equivalent.txt that cannot be made any more is a line to delete."""
    modules = {module.stem: module for module in own_tests()}
    excused = read(FILE.read_text(encoding="utf-8"))
    assert set(excused) <= set(modules)
    for name, reasons in excused.items():
        there = set(names(modules[name].read_text(encoding="utf-8")))
        assert [mutant for mutant in reasons if mutant not in there] == [], name
