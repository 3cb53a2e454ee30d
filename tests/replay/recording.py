"""One recorded session of the captures folder, read into memory.

The format is in the README of that folder. This module knows rows, not venues: what a frame means is in `venues/`. Frames keep
the kind they had on the wire (`str` for text, `bytes` for binary). Values only, no thread.
"""

from __future__ import annotations

import base64
import functools
import gzip
import json
import os
from pathlib import Path
from typing import Iterable, NamedTuple, Union

import pytest


class Frame(NamedTuple):
    """One frame as the venue sent it: seconds since the first row, which of the session's connections, the payload."""

    at: float
    line: int
    data: Union[str, bytes]


class Body(NamedTuple):
    """One REST answer as the venue gave it, after the first `position` frames of the session."""

    position: int
    url: str
    text: str


class Recording(NamedTuple):
    """A whole session. `sent` is what that day's client sent; `lines` how many connections it had that received anything."""

    name: str
    frames: tuple[Frame, ...]
    bodies: tuple[Body, ...]
    sent: tuple[str, ...]
    lines: int


def folder() -> Path:
    """Where the captures are: beside the repository, or where SYNCSTREAM_CAPTURES says."""
    override = os.environ.get("SYNCSTREAM_CAPTURES")
    return Path(override) if override else Path(__file__).resolve().parents[2].parent / "shared" / "captures"


def require(name: str) -> Recording:
    """The recording of that name; skips the test that asks if the folder does not have it."""
    path = folder() / f"{name}.jsonl.gz"
    plain = folder() / "tickvault" / f"{name}.jsonl"
    if plain.is_file():
        return messages(plain)
    if not path.is_file():
        pytest.skip(f"no capture {name}: {path} is not there (SYNCSTREAM_CAPTURES may name the folder)")
    return load(path)


@functools.lru_cache(maxsize=4)  # the tests of one capture follow each other
def load(path: Path) -> Recording:
    """Reads a gzip JSONL file."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return parse(path.name.split(".")[0], lines)


@functools.lru_cache(maxsize=4)
def messages(path: Path) -> Recording:
    """Reads a file of nothing but the venue's messages, a line each: a tenth of a second between two of them."""
    lines = path.read_text(encoding="utf-8").splitlines()
    rows = ({"t": number / 10, "k": "recv", "conn": "c", "text": line} for number, line in enumerate(lines))
    return parse(path.stem, map(json.dumps, rows))


def parse(name: str, lines: Iterable[str]) -> Recording:
    """Reads the rows of one session, in their order. A row of an unknown kind is an error: guessing would lose data."""
    frames: list[Frame] = []
    bodies: list[Body] = []
    sent: list[str] = []
    numbers: dict[str, int] = {}
    started_at = None
    for line in lines:
        row = json.loads(line)
        if started_at is None:
            started_at = row["t"]
        kind = row["k"]
        if kind == "recv":
            data = row["text"] if "text" in row else base64.b64decode(row["b64"])
            number = numbers.setdefault(row["conn"], len(numbers))
            frames.append(Frame(row["t"] - started_at, number, data))
        elif kind == "http":
            bodies.append(Body(len(frames), row["url"], row["text"]))
        elif kind == "send":
            sent.append(row["text"])
        elif kind != "connect":
            raise ValueError(f"{name}: a row of the unknown kind {kind!r}")
    return Recording(name, tuple(frames), tuple(bodies), tuple(sent), len(numbers))
