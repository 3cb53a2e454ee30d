"""The demo on a terminal: a table that is alive, the fault that is on, and the last events. Needs rich.

What is drawn is a function of the picture and the size of the terminal. Deliberately not here: what it means (demo.py, story.py).
"""

from __future__ import annotations

from types import TracebackType
from typing import Optional, Sequence, TextIO, Union

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from .picture import COMPLETE, HEALING, NO_LINE, PROMISE, About, Picture, Row
from .plain import verdict_lines
from .story import Entry, span
from .verdict import EQUAL, INTERRUPTED, Result

_AROUND = 13  # lines of a frame that are neither symbols nor events
_EVENTS_LEAST, _EVENTS_MOST = 5, 16
_STATES = {COMPLETE: "green", HEALING: "yellow", NO_LINE: "red"}
_KINDS = {
    "fault": ("venue ", "bold red"),
    "trouble": ("stream", "yellow"),
    "good": ("stream", "green"),
    "note": ("stream", "dim"),
}


class Screen:
    """Owned by: the thread of the demo."""

    def __init__(self, out: TextIO, *, force_terminal: Optional[bool] = None) -> None:
        self._console = Console(file=out, highlight=False, force_terminal=force_terminal)
        self._live = Live(console=self._console, auto_refresh=False, vertical_overflow="crop")
        self._about: Optional[About] = None

    def __enter__(self) -> Screen:
        self._live.start()
        return self

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], traceback: Optional[TracebackType]
    ) -> None:
        self._live.stop()

    def began(self, about: About) -> None:
        self._about = about

    def told(self, entry: Entry, now: float) -> None:
        """The next picture has it."""

    def show(self, picture: Picture) -> None:
        assert self._about is not None  # `began` comes first
        size = self._console.size
        self._live.update(draw(self._about, picture, size.width, size.height), refresh=True)

    def verdict(self, result: Result) -> None:
        colour = {EQUAL: "green", INTERRUPTED: "yellow"}.get(result.verdict, "red")
        first, *rest = verdict_lines(result)
        body = Group(Text(first, style=f"bold {colour}"), *(Text(line) for line in rest))
        self._console.print(Panel(body, border_style=colour, box=box.ROUNDED))


def draw(about: About, picture: Picture, width: int, height: int) -> RenderableType:
    """One frame of at most `height - 1` lines, as long as there is room for three symbols and one event."""
    room = height - 1 - _AROUND
    shown = min(len(picture.rows), max(3, room - _EVENTS_LEAST))
    rest = len(picture.rows) - shown
    events = min(_EVENTS_MOST, max(1, room - shown - (rest > 0)))
    return Group(
        _title(about, picture, width),
        *(_line(text) for text in PROMISE),
        Text(),
        _fault_line(about, picture),
        Text(),
        _table(picture.rows[:shown], width),
        *([_line((f"and {rest} more symbols", "dim"))] if rest else []),
        Text(),
        _check_line(picture),
        Rule(style="dim"),
        *_events(picture.entries, events),
        *(
            _line((f"{'quick settings:' if not index else ''} {text}".strip(), "dim"))
            for index, text in enumerate(about.settings)
        ),
    )


def _line(*parts: Union[str, tuple[str, str]]) -> Text:
    """One line, cut off where the terminal ends."""
    return Text.assemble(*parts, no_wrap=True, overflow="ellipsis")


def _title(about: About, picture: Picture, width: int) -> RenderableType:
    name, values = "syncstream demo", f" seed {about.seed} · {about.symbols} symbols · {about.rate:g} messages/s"
    clock = f"{picture.elapsed:.0f} of {about.duration:g} s"
    bar = max(8, width - len(name) - len(values) - len(clock) - 4)
    grid = Table.grid(padding=(0, 1))
    grid.add_row(
        Text(name, style="bold cyan"),
        Text(values, style="dim"),
        ProgressBar(total=about.duration, completed=min(picture.elapsed, about.duration), width=bar),
        Text(clock, style="dim"),
    )
    return grid


def _fault_line(about: About, picture: Picture) -> Text:
    if picture.fault:
        return _line((f" FAULT {picture.injected}/{about.faults} ", "bold white on red"), f" the venue {picture.doing}")
    return _line((" ALL QUIET ", "bold black on green"), f" {picture.doing}")


def _table(rows: tuple[Row, ...], width: int) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2 if width >= 90 else 1, 0, 0), header_style="bold underline")
    table.add_column("symbol", no_wrap=True)
    for name, least in (("position", 9), ("rate", 7), ("gaps found", 0), ("gaps healed", 0), ("reconnects", 0), ("lag", 8)):
        table.add_column(name, justify="right", no_wrap=True, min_width=least)
    table.add_column("state", no_wrap=True, min_width=8)
    for row in rows:
        table.add_row(
            Text(row.symbol, style="bold"),
            "-" if row.position is None else f"{row.position:,}",
            f"{row.rate:.0f}/s",
            _count(row.gaps_found),
            _count(row.gaps_healed, "green" if row.gaps_healed == row.gaps_found else "yellow"),
            _count(row.reconnects),
            "-" if row.lag is None else span(row.lag),
            Text(row.state, style=_STATES[row.state]),
        )
    return table


def _count(number: int, style: str = "") -> Text:
    return Text(f"{number:,}", style=style if number else "dim")


def _check_line(picture: Picture) -> Text:
    wrong = picture.lost + picture.duplicated + picture.out_of_order
    found = f"{picture.lost} lost, {picture.duplicated} twice, {picture.out_of_order} out of order"
    return _line(
        f"checked {picture.messages:,} messages: ",
        (found, "bold red" if wrong else "bold green"),
        (f" · {picture.duplicates:,} repeats held back", "dim"),
    )


def _events(entries: Sequence[Entry], lines: int) -> list[Text]:
    shown = []
    for entry in list(entries)[-lines:]:
        who, style = _KINDS[entry.kind]
        shown.append(
            _line((f"{entry.at:5.1f}  ", "dim"), (f"{who}  ", style), (str(entry), style if entry.kind == "fault" else ""))
        )
    return shown + [Text()] * (lines - len(shown))
