"""Reading the captures' rows."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from .recording import Body, Frame, folder, load, parse, require

ROWS = [
    {"t": 100.5, "k": "connect", "conn": "a", "url": "wss://venue.example"},
    {"t": 100.6, "k": "send", "conn": "a", "text": "hello"},
    {"t": 100.75, "k": "recv", "conn": "a", "text": "é"},
    {"t": 101.0, "k": "http", "conn": "rest", "url": "https://venue.example/x", "text": "{}"},
    {"t": 101.5, "k": "recv", "conn": "b", "b64": "AAH/"},
]


def test_rows_become_frames_bodies_and_sends() -> None:
    """Kinds, times from the first row, connections in the order they were heard, and the place of a body among the frames."""
    recording = parse("made", map(json.dumps, ROWS))
    assert recording.frames == (Frame(0.25, 0, "é"), Frame(1.0, 1, b"\x00\x01\xff"))
    assert recording.bodies == (Body(1, "https://venue.example/x", "{}"),)
    assert recording.sent == ("hello",)
    assert recording.lines == 2


def test_an_unknown_kind_is_an_error() -> None:
    """A row we do not understand is never skipped in silence."""
    with pytest.raises(ValueError, match="made: a row of the unknown kind 'gone'"):
        parse("made", [json.dumps({"t": 1, "k": "gone"})])


def test_a_file_is_read_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SYNCSTREAM_CAPTURES names the folder."""
    with gzip.open(tmp_path / "made_1.jsonl.gz", "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in ROWS)
    monkeypatch.setenv("SYNCSTREAM_CAPTURES", str(tmp_path))
    assert folder() == tmp_path
    assert require("made_1") == parse("made_1", map(json.dumps, ROWS))
    load.cache_clear()


def test_a_missing_capture_skips_with_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the folder is absent, tests that need it skip and say where it was looked for."""
    monkeypatch.setenv("SYNCSTREAM_CAPTURES", str(tmp_path / "nowhere"))
    with pytest.raises(pytest.skip.Exception, match=r"no capture binance_spot_10sym_20210405: .*nowhere"):
        require("binance_spot_10sym_20210405")
