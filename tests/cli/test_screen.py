"""Tests of the live view: what a frame shows, and that it fits the terminal."""

from __future__ import annotations

import io
import re

import msgspec
import pytest
from rich.console import Console

from syncstream.cli.picture import Picture
from syncstream.cli.screen import Screen, draw
from tests.cli.pictures import RUN, about, delta, judged, picture, snapshot


def frame(shown: Picture, width: int = 80, height: int = 24) -> list[str]:
    """The lines of one frame, as a terminal of this size has them."""
    console = Console(
        file=io.StringIO(), width=width, height=height, force_terminal=True, color_system=None, legacy_windows=False
    )
    drawn = draw(about(len(shown.rows)), shown, width, height)
    return ["".join(part.text for part in line).rstrip() for line in console.render_lines(drawn, pad=False)]


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 36), (200, 60), (80, 18)])
@pytest.mark.parametrize("symbols", [1, 5, 60])
@pytest.mark.parametrize("entries", [0, 30])
def test_a_frame_fits(width: int, height: int, symbols: int, entries: int) -> None:
    """Never more lines than the terminal has, nor longer ones, and always as many: the screen must not jump."""
    lines = frame(picture(symbols, entries), width, height)

    assert len(lines) <= height - 1
    assert len(lines) == len(frame(picture(symbols, 7), width, height))
    assert max(map(len, lines)) <= width


def test_what_a_frame_shows() -> None:
    """What this is, the fault that is on, the table, the check so far, the last events, the settings."""
    lines = frame(picture())
    text = "\n".join(lines)

    assert lines[0].startswith("syncstream demo  seed 7 · 5 symbols · 200 messages/s")
    assert lines[0].endswith("12 of 20 s")
    assert " FAULT 7/15  the venue loses 2 messages of SYMBOL2" in lines
    assert re.search(r"symbol +position +rate +gaps found +gaps healed +reconnects +lag +state", text)
    assert re.search(r"SYMBOL1 +4,712 +40/s +2 +2 +3 +0.4 ms +complete", text)
    assert re.search(r"SYMBOL2 +4,713 +40/s +2 +1 +3 +0.4 ms +healing", text)
    assert re.search(r"SYMBOL3 +- +40/s +2 +2 +3 +- +complete", text)
    assert "checked 2,401 messages: 0 lost, 0 twice, 0 out of order · 25 repeats held back" in lines
    assert "event 29" in text
    assert "event 0" not in text
    assert lines[-2].startswith("quick settings: heartbeat=0.5")


def test_a_quiet_moment() -> None:
    """Between faults the line says so."""
    assert " ALL QUIET  the market rests" in frame(picture(fault="", doing="the market rests"))


def test_more_symbols_than_room() -> None:
    """The rest is counted."""
    assert "and 55 more symbols" in frame(picture(60))


def test_a_life_on_a_terminal() -> None:
    """Frames replace each other, then the verdict stands below the last one, and the cursor is back."""
    out = io.StringIO()
    screen = Screen(out, force_terminal=True)
    with screen:
        screen.began(about())
        screen.show(picture())
        screen.show(picture(messages=9_999))
    screen.verdict(judged(snapshot(), delta(11), delta(12), delta(13)))
    written = out.getvalue()

    assert written.index("2,401") < written.index("9,999") < written.index("VERDICT: equal")
    assert written.rindex("\x1b[?25h") > written.rindex("\x1b[?25l")


@pytest.mark.parametrize(("interrupted", "words"), [(False, "VERDICT: NOT EQUAL"), (True, "VERDICT: interrupted")])
def test_other_verdicts(interrupted: bool, words: str) -> None:
    """A failed and an interrupted demo say so in the same place."""
    out = io.StringIO()
    Screen(out).verdict(judged(snapshot(), run=msgspec.structs.replace(RUN, interrupted=interrupted)))

    assert words in out.getvalue()
