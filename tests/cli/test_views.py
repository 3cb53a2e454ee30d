"""Tests of the choice of the view: a terminal gets the live one, all else lines, and JSON has stdout to itself."""

from __future__ import annotations

import io
import sys

import msgspec
import pytest

from syncstream.cli.arguments import Options
from syncstream.cli.picture import View
from syncstream.cli.plain import Plain
from syncstream.cli.screen import Screen
from syncstream.cli.story import Entry
from syncstream.cli.verdict import Result
from syncstream.cli.views import Json, choose
from tests.cli.pictures import delta, judged, snapshot


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def on_a_terminal(monkeypatch: pytest.MonkeyPatch, kind: str = "xterm-256color") -> View:
    """What is chosen there. (Not a fixture: pytest puts its own stdout in place before the test begins.)"""
    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.setenv("TERM", kind)
    return choose(Options())


def test_a_terminal_gets_the_live_view(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal that can move its cursor, and rich is there."""
    assert isinstance(on_a_terminal(monkeypatch), Screen)


def test_a_dumb_terminal_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal that cannot move its cursor would show control codes."""
    assert isinstance(on_a_terminal(monkeypatch, "dumb"), Plain)


def test_without_rich_a_terminal_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """rich is an extra; the demo runs without it."""
    monkeypatch.delitem(sys.modules, "syncstream.cli.screen")
    monkeypatch.setitem(sys.modules, "rich.live", None)

    assert isinstance(on_a_terminal(monkeypatch), Plain)


def test_a_file_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is no terminal gets text and no codes."""
    monkeypatch.setattr(sys, "stdout", io.StringIO())

    assert isinstance(choose(Options()), Plain)


def test_a_letter_that_cannot_be_written_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """An output that is ASCII only gets question marks instead of an error."""
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    choose(Options()).told(Entry(1.0, "trouble", "XYZ", is_open=True), 1.0)

    assert raw.getvalue().decode() == "  1.00  stream  XYZ ?\n"


def test_json_has_stdout_to_itself(capsys: pytest.CaptureFixture[str]) -> None:
    """What people read goes to stderr; stdout gets one line, the result."""
    result = judged(snapshot(), delta(11), delta(12), delta(13))
    view = choose(Options(json=True))
    with view:
        view.told(Entry(1.0, "fault", "cuts the line"), 1.0)
    view.verdict(result)
    captured = capsys.readouterr()

    assert isinstance(view, Json)
    assert "cuts the line" in captured.err
    assert "VERDICT: equal" in captured.err
    assert captured.out.count("\n") == 1
    assert msgspec.json.decode(captured.out, type=Result) == result
