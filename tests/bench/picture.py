"""The picture of a benchmark: one panel a scenario, a bar for each client. Plain SVG, which needs no library.

Pure but for `draw`.
"""

from __future__ import annotations

from html import escape
from pathlib import Path
from statistics import median
from typing import Mapping

from .client import Measured
from .peers import PEERS

_WIDTH, _BAR, _NAMES, _HEAD = 900, 22, 240, 44
_OURS, _THEIRS, _INK = "#1f77b4", "#b0b7bf", "#222"


def draw(found: Mapping[str, Mapping[str, list[Measured]]], path: Path) -> None:
    """Write the picture of what was found: scenario → peer → its runs."""
    path.write_text(svg(found), encoding="utf-8")


def svg(found: Mapping[str, Mapping[str, list[Measured]]]) -> str:
    """Bars are medians, the thin line over each is from the least to the most. Latencies: p99; else quotes a second."""
    parts: list[str] = []
    top = 0
    for title, peers in found.items():
        shown = {peer: runs for peer, runs in peers.items() if not runs[0].missing}
        timed = any(each.p99 for runs in shown.values() for each in runs)
        figure = "p99, microseconds (less is better)" if timed else "quotes a second (more is better)"
        parts.append(_text(10, top + 26, f"{title}: {figure}", bold=True))
        values = {peer: [each.p99 if timed else each.rate for each in runs] for peer, runs in shown.items()}
        longest = max((max(each) for each in values.values()), default=1.0) or 1.0
        for place, (peer, each) in enumerate(values.items()):
            parts += _bar(peer, each, top + _HEAD + place * _BAR, (_WIDTH - _NAMES - 120) / longest)
        top += _HEAD + len(values) * _BAR + 16
    size = f'viewBox="0 0 {_WIDTH} {top}" width="{_WIDTH}" height="{top}"'
    sheet = f'<rect width="{_WIDTH}" height="{top}" fill="white"/>'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="13">{sheet}{"".join(parts)}</svg>\n'
    )


def _bar(peer: str, values: list[float], top: float, scale: float) -> list[str]:
    title = PEERS[peer][0].replace("`", "")
    middle, color = top + _BAR / 2, _OURS if title.startswith("syncstream") else _THEIRS
    least, usual, most = (_NAMES + value * scale for value in (min(values), median(values), max(values)))
    return [
        _text(10, middle + 4, title),
        f'<rect x="{_NAMES}" y="{top + 3:.1f}" width="{usual - _NAMES:.1f}" height="{_BAR - 6}" fill="{color}"/>',
        f'<line x1="{least:.1f}" y1="{middle:.1f}" x2="{most:.1f}" y2="{middle:.1f}" stroke="{_INK}"/>',
        _text(most + 6, middle + 4, f"{median(values):,.0f}"),
    ]


def _text(x: float, y: float, text: str, *, bold: bool = False) -> str:
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{_INK}"{weight}>{escape(text)}</text>'
