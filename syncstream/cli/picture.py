"""What a view is given to show: one picture of the running demo, and the protocol of the views. Pure values, one thread.

Deliberately not here: drawing (plain.py, screen.py), and where the figures come from (demo.py).
"""

from __future__ import annotations

from types import TracebackType
from typing import Optional, Protocol, Sequence

import msgspec

from .story import Entry
from .verdict import Result

COMPLETE, HEALING, NO_LINE = "complete", "healing", "no line"

PROMISE = (
    "A venue on this machine loses messages and cuts lines, on purpose.",
    "The stream must notice, heal itself, and end with exactly what the venue has.",
)


class About(msgspec.Struct, frozen=True, kw_only=True):
    """What stays the same. `settings`: those of the feed, a line each; `faults`: how many are planned."""

    seed: int
    duration: float
    symbols: int
    rate: float
    faults: int
    left_out: tuple[str, ...]
    settings: tuple[str, ...]


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One symbol. `rate` in messages per second, `lag` in seconds; `state` is `COMPLETE`, `HEALING` or `NO_LINE`."""

    symbol: str
    position: Optional[int]
    rate: float
    gaps_found: int
    gaps_healed: int
    reconnects: int
    lag: Optional[float]
    state: str


class Picture(msgspec.Struct, frozen=True, kw_only=True):
    """The demo at one moment, `elapsed` seconds since the start.

    `fault`: the name of the one that is on now, or empty; `doing`: what the venue does, in words. `duplicates`: messages that the
    stream kept from us; `lost`, `duplicated`, `out_of_order`: what it gave us, counted, and must stay 0.
    """

    elapsed: float
    fault: str
    doing: str
    injected: int
    rows: tuple[Row, ...]
    messages: int
    duplicates: int
    lost: int
    duplicated: int
    out_of_order: int
    gaps_found: int
    gaps_healed: int
    reconnects: int
    entries: Sequence[Entry]


class View(Protocol):
    """Shows a demo. All calls come from one thread."""

    def __enter__(self) -> View: ...

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], traceback: Optional[TracebackType]
    ) -> None: ...

    def began(self, about: About) -> None:
        """Before the first picture."""

    def told(self, entry: Entry, now: float) -> None:
        """An entry is new, or got its ending."""

    def show(self, picture: Picture) -> None:
        """About ten times a second."""

    def verdict(self, result: Result) -> None:
        """After the view was left."""
