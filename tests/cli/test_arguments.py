"""Tests of the command line's arguments: what they mean, and what is refused how."""

from __future__ import annotations

import pytest

import syncstream
from syncstream.cli.arguments import MOST_SYMBOLS, NAMES, Options, parse
from syncstream.cli.schedule import FAULTS


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What is said about arguments that end the program with exit code 2."""
    with pytest.raises(SystemExit) as ended:
        parse(["demo", *arguments])
    assert ended.value.code == 2
    return capsys.readouterr().err


def test_defaults() -> None:
    """Without options: seed 1, about 20 seconds, five symbols, all faults, for people."""
    assert parse(["demo"]) == Options(seed=1, duration=20.0, symbols=NAMES[:5], faults=tuple(FAULTS), json=False)


def test_every_option() -> None:
    """Each option arrives; faults in the order of the table, whatever the order they were given in."""
    given = parse(["demo", "--seed", "7", "--duration", "3.5", "--symbols", "AA,B.B-1", "--faults", "cut,drop", "--json"])

    assert given == Options(seed=7, duration=3.5, symbols=("AA", "B.B-1"), faults=("drop", "cut"), json=True)


@pytest.mark.parametrize("count", [1, 8, 9, MOST_SYMBOLS])
def test_symbols_by_number(count: int) -> None:
    """A number stands for that many different symbols, the known names first."""
    symbols = parse(["demo", "--symbols", str(count)]).symbols

    assert len(set(symbols)) == count
    assert symbols[:8] == NAMES[:count]


def test_no_faults() -> None:
    """`none` is a venue that does everything right."""
    assert parse(["demo", "--faults", "none"]).faults == ()


@pytest.mark.parametrize("text", ["tornado", "drop,tornado", "none,drop", "all,drop", "", "drop,"])
def test_an_unknown_fault_lists_the_known(capsys: pytest.CaptureFixture[str], text: str) -> None:
    """A fault that does not exist is named, with all that do."""
    said = refused(capsys, "--faults", text)

    assert "there is no fault '" in said
    assert all(name in said for name in (*FAULTS, "none", "all"))


@pytest.mark.parametrize(
    "text", ["0", "201", "A,,B", "A B", "A,A", "A/B", "ABCDEFGHIJKLM", ",".join(f"S{n}" for n in range(201))]
)
def test_symbols_that_cannot_be(capsys: pytest.CaptureFixture[str], text: str) -> None:
    """None at all, too many, the same twice, or letters that a URL would need to quote: refused, naming the option."""
    assert "--symbols" in refused(capsys, "--symbols", text)


@pytest.mark.parametrize("text", ["0.5", "-3", "nan", "inf", "4000", "soon"])
def test_durations_that_cannot_be(capsys: pytest.CaptureFixture[str], text: str) -> None:
    """A duration is a number of seconds that leaves room for at least one fault."""
    assert f"{text}: expected 1 to 3600 seconds" in refused(capsys, f"--duration={text}")


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    """`--version` prints the name and the version, and ends well."""
    with pytest.raises(SystemExit) as ended:
        parse(["--version"])

    assert ended.value.code == 0
    assert capsys.readouterr().out == f"syncstream {syncstream.__version__}\n"


def test_no_command_gets_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    """Who names no command is told which there are; that is exit code 2."""
    with pytest.raises(SystemExit) as ended:
        parse([])

    assert ended.value.code == 2
    assert "demo " in capsys.readouterr().err


def test_help_explains_every_fault(capsys: pytest.CaptureFixture[str]) -> None:
    """`demo --help` says of each fault what it is, on lines that fit a terminal."""
    with pytest.raises(SystemExit) as ended:
        parse(["demo", "--help"])
    said = capsys.readouterr().out

    assert ended.value.code == 0
    assert all(name in said and fault.what in said for name, fault in FAULTS.items())
    assert max(map(len, said.splitlines())) <= 100
