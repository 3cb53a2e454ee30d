"""A quick part of the Autobahn TestSuite, where it is installed: one look at each group but the slow one, which is 9."""

from __future__ import annotations

import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests import readme

from . import run as running
from . import suite
from .run import report, run
from .suite import Missing, Result

FRAMES = ["1.1.*", "1.2.1", "1.2.8", "2.*", "3.*", "4.*", "5.*", "6.1.*", "6.2.*", "6.3.*", "6.4.*", "7.*", "10.*"]
QUICK = [*FRAMES, "12.1.1", "13.3.1"]
GOOD = Result("1.1.1", "OK", "OK", 1000)
BAD = [
    Result("2.1", "FAILED", "OK", 1000),
    Result("3.1", "OK", "WRONG CODE", 1000),
    Result("4.1.1", "UNIMPLEMENTED", "OK", 1000),
    Result("5.1", "OK", "UNCLEAN", None),
]


@pytest.fixture
def available() -> None:
    """Skips where the suite is not; it asks no network."""
    try:
        suite.interpreter()
        suite.installed()
    except Missing as missing:
        pytest.skip(str(missing))


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.usefixtures("available")
def test_the_suite_finds_nothing_wrong() -> None:
    """No case fails, none is unsupported, and every connection ends as the standard wants it."""
    try:
        results = run(QUICK)
    except Missing as missing:
        pytest.skip(str(missing))
    assert len(results) > 100
    assert suite.wrong(results) == []


class FakeSuite:
    """A server whose cases are run by nobody: it remembers which it was asked for."""

    def __init__(self, cases: list[str]) -> None:
        self.url = "fake"
        self.ran: list[int] = []

    def __enter__(self) -> FakeSuite:
        FAKES[threading.get_ident()] = self
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def results(self) -> list[Result]:
        return [Result(f"1.{number}", "OK", "OK", 1000) for number in self.ran]


FAKES: dict[int, FakeSuite] = {}


def test_a_long_case_keeps_none_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """While one server is at a case that takes long, the others take all the rest, each case once."""
    others, done = threading.Event(), []

    def echo(url: str) -> None:
        if "runCase" not in url:
            return
        number = int(url.partition("case=")[2].partition("&")[0])
        FAKES[threading.get_ident()].ran.append(number)
        if number == 1:
            assert others.wait(20.0)
        done.append(number)
        if len(done) == 9:
            others.set()

    monkeypatch.setattr(running, "Suite", FakeSuite)
    monkeypatch.setattr(running, "loaded", lambda path: SimpleNamespace(echo=echo))
    monkeypatch.setattr(running, "_count", lambda url: 10)
    results = run(["*"], jobs=3)
    assert done[-1] == 1
    assert [result.case for result in results] == [f"1.{number}" for number in range(1, 11)]


def test_what_counts_as_wrong() -> None:
    """A failure, a missing feature, a wrong close code, an unclean end; nothing else."""
    fine = [GOOD, Result("6.4.3", "NON-STRICT", "OK", 1007), Result("7.1.6", "INFORMATIONAL", "INFORMATIONAL", 1000)]
    assert suite.wrong([*fine, *BAD]) == BAD


def test_the_table() -> None:
    """A row for each group that ran and one for all, every case counted once."""
    lines = report([GOOD, Result("1.1.2", "NON-STRICT", "OK", None), *BAD]).splitlines()
    assert lines[2] == "| 1 framing | 2 | 1 | 1 | 0 | 0 | 0 |"
    assert lines[6] == "| 5 fragmentation | 1 | 1 | 0 | 0 | 0 | 1 |"
    assert lines[7] == "| all | 6 | 3 | 1 | 0 | 2 | 2 |"


def test_without_the_interpreter_it_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither on PATH nor in pyenv: the reason says where was looked, and nothing is installed."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    monkeypatch.setenv("PYTHON27", str(tmp_path / "python2.7"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(Missing, match=r"no Python 2\.7"):
        suite.install()
    assert not (tmp_path / "cache").exists()


def test_a_package_that_cannot_be_had_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The first error of pip is the reason, and nothing half installed is left."""
    python = tmp_path / "python2.7"
    python.write_text(
        '#!/bin/sh\ncase "$2" in pip) echo "ERROR: no network" >&2; exit 1;; *pip*) echo 19.2.3;; *) echo True;; esac\n'
    )
    python.chmod(0o755)
    monkeypatch.setenv("PYTHON27", str(python))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(Missing, match=r"pip for Python 2\.7 failed: ERROR: no network"):
        suite.install()
    assert list((tmp_path / "cache" / "syncstream-conformance").iterdir()) == []


def test_readme_keeps_what_is_not_between_the_markers(tmp_path: Path) -> None:
    """Only the part between the markers is replaced; without markers nothing is written."""
    path = tmp_path / "README.md"
    path.write_text("a\n<!-- x -->\nold\n<!-- /x -->\nb\n")
    readme.write("x", "new\n\n", path)
    readme.write("x", "newer", path)
    assert path.read_text() == "a\n<!-- x -->\nnewer\n<!-- /x -->\nb\n"
    with pytest.raises(ValueError, match="<!-- y -->"):
        readme.write("y", "new", path)
    assert path.read_text() == "a\n<!-- x -->\nnewer\n<!-- /x -->\nb\n"
