"""The demo line by line: for files, pipes, CI, and terminals without rich. No colours, no control codes.

One line for each event, one for each second. Deliberately not here: what the lines are about (story.py, demo.py).
"""

from __future__ import annotations

from types import TracebackType
from typing import Optional, TextIO

from .picture import COMPLETE, PROMISE, About, Picture
from .story import Entry, span
from .verdict import EQUAL, FAULT_COUNTS, INTERRUPTED, Result


class Plain:
    """Owned by: the thread of the demo. Writes to `out`."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._next_second = 1

    def __enter__(self) -> Plain:
        return self

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], traceback: Optional[TracebackType]
    ) -> None:
        self._out.flush()

    def began(self, about: About) -> None:
        for line in (*PROMISE, *headline(about)):
            self._say(line)
        self._say("")

    def told(self, entry: Entry, now: float) -> None:
        self._say(f"{now:6.2f}  {'VENUE ' if entry.kind == 'fault' else 'stream'}  {entry}")

    def show(self, picture: Picture) -> None:
        if picture.elapsed >= self._next_second:
            self._next_second = int(picture.elapsed) + 1
            self._say(f"{picture.elapsed:6.2f}  ------  {second(picture)}")

    def verdict(self, result: Result) -> None:
        self._say("")
        for line in verdict_lines(result):
            self._say(line)
        self._out.flush()

    def _say(self, line: str) -> None:
        print(line, file=self._out, flush=True)


def headline(about: About) -> list[str]:
    """What the demo is run with."""
    lines = [
        f"seed {about.seed}, {about.symbols} symbol{'s' * (about.symbols != 1)}, {about.rate:g} messages/s, "
        f"{about.duration:g} s, {about.faults} fault{'s' * (about.faults != 1)}",
        "quick settings, so that recovery can be watched: " + "; ".join(about.settings),
    ]
    if about.left_out:
        lines.append("no time for: " + ", ".join(about.left_out))
    return lines


def second(picture: Picture) -> str:
    """The table in one line."""
    lags = [row.lag for row in picture.rows if row.lag is not None]
    complete = sum(row.state == COMPLETE for row in picture.rows)
    return (
        f"{complete}/{len(picture.rows)} complete, {sum(row.rate for row in picture.rows):.0f} msg/s, "
        f"lag {span(max(lags)) if lags else '-'}, gaps {picture.gaps_found} found {picture.gaps_healed} healed, "
        f"reconnects {picture.reconnects}; so far {picture.lost} lost, {picture.duplicated} twice, "
        f"{picture.out_of_order} out of order"
    )


def verdict_lines(result: Result) -> list[str]:
    """The end, in words; the first line is the verdict."""
    count = len(result.symbols)
    if result.verdict == INTERRUPTED:
        lines = ["VERDICT: interrupted, nothing was compared"]
    elif result.verdict == EQUAL:
        lines = [
            f"VERDICT: equal. {'Each of the ' + str(count) + ' symbols' if count != 1 else 'The symbol'} is exactly as at the "
            "venue: position, price levels, sizes, volume."
        ]
    else:
        lines = ["VERDICT: NOT EQUAL", *(f"  {difference}" for difference in result.differences)]
    done = ", ".join(f"{words} {result.venue[name]:,}" for name, words in FAULT_COUNTS.items() if name in result.venue)
    lines += [
        f"delivered: {result.messages:,} messages; {result.lost} lost, {result.duplicated} duplicated, "
        f"{result.out_of_order} out of order",
        f"the venue: {done or 'did nothing wrong'}",
        f"the stream: gaps found {result.gaps_found}, healed {result.gaps_healed}; reconnects {result.reconnects}; "
        f"longest repair {span(result.longest_repair_ms / 1e3)}",
    ]
    return lines
