"""The health card of a stream: one piece of plain HTML, no script. Pure.

Everything that comes from outside (names, keys, errors) is escaped. Colours are those of the reader's scheme, light or dark: the
card draws on the page's own background and text colour, and says states by word, not by colour alone.
"""

from __future__ import annotations

from html import escape
from typing import Any, Optional

from ..events import KeyStatus, Status
from ..stats import Latency, Stats, span

KEYS_SHOWN = 12
"""Rows of the table of keys; those in trouble come first."""

_GOOD, _WAITING, _BAD = "#1a7f37", "#9a6700", "#cf222e"
_COLOURS = {"live": _GOOD, "connecting": _WAITING, "syncing": _WAITING, "waiting": _WAITING, "incomplete": _BAD, "failed": _BAD}
_GREY = "#6e7781"  # 4.5 : 1 on white and on black

_STYLE = """
.syncstream{font:13px/1.5 system-ui,sans-serif;border:1px solid #8886;border-radius:8px}
.syncstream{padding:10px 14px;max-width:680px;color:inherit}
.syncstream h4{margin:0 0 6px;font-size:14px;font-weight:600;overflow-wrap:anywhere}
.syncstream b.state{color:#fff;border-radius:9px;padding:1px 9px;font-weight:600;margin-right:6px}
.syncstream dl{display:grid;grid-template-columns:repeat(auto-fill,minmax(120px,1fr));gap:4px 14px;margin:0}
.syncstream dt{opacity:.7;font-size:11px;margin:0}
.syncstream dd{margin:0;font-variant-numeric:tabular-nums}
.syncstream table{border-collapse:collapse;margin:8px 0 0;font-size:12px;width:100%;background:none;color:inherit}
.syncstream th,.syncstream td{text-align:right;padding:1px 8px;border-top:1px solid #8883;background:none;color:inherit}
.syncstream th:first-child,.syncstream td:first-child{text-align:left;padding-left:0;overflow-wrap:anywhere}
.syncstream p{margin:6px 0 0;overflow-wrap:anywhere}
""".strip().replace("\n", "")


def card(name: str, status: Status, stats: Stats, *, bound: int) -> str:
    """The card of a stream that is called `name`; `bound`: how many items its queue holds."""
    colour = _COLOURS.get(status.state, _GREY)
    head = f'<b class="state" style="background:{colour}">{escape(status.state)}</b>{escape(name)}'
    figures = "".join(f"<dt>{term}</dt><dd>{escape(text)}</dd>" for term, text in _figures(status, stats, bound))
    grouped = figures.replace("</dd><dt>", "</dd></div><div><dt>")
    error = f'<p role="alert"><b>{escape(status.error)}</b></p>' if status.error else ""
    return (
        f'<div class="syncstream" role="group" aria-label="stream {escape(name, quote=True)}"><style>{_STYLE}</style>'
        f"<h4>{head}</h4><dl><div>{grouped}</div></dl>{error}{_keys(status)}</div>"
    )


def _figures(status: Status, stats: Stats, bound: int) -> list[tuple[str, str]]:
    gaps = f"{status.gaps:,}" + (f" ({status.healed:,} healed)" if status.gaps else "")
    figures = [
        ("messages", f"{status.messages:,}"),
        ("silence", _span(status.silence)),
        ("gaps", gaps),
        ("reconnects", f"{status.reconnects:,}"),
        ("queued", f"{stats.depth:,} of {bound:,}"),
        ("deepest", f"{stats.high_water:,}"),
        ("lag", _span(stats.lag)),
        ("dropped", f"{stats.dropped:,}"),
        ("latency p50 / p99", _latency(stats.latency)),
    ]
    if stats.exchange is not None:
        figures.append(("exchange p50 / p99", _latency(stats.exchange)))
    if stats.clock_offset is not None:
        figures.append(("clock offset", f"{stats.clock_offset * 1e3:+,.1f} ms"))
    return figures


def _keys(status: Status) -> str:
    if not status.keys:
        return ""
    trouble = {"incomplete": 0, "syncing": 1}
    ordered = sorted(status.keys.items(), key=lambda one: (trouble.get(one[1].state, 2), str(one[0])))
    rows = "".join(_row(key, state) for key, state in ordered[:KEYS_SHOWN])
    left = len(ordered) - KEYS_SHOWN
    more = f"<p>and {left:,} more keys</p>" if left > 0 else ""
    return (
        '<table><thead><tr><th scope="col">key</th><th scope="col">state</th><th scope="col">position</th>'
        f'<th scope="col">gaps</th><th scope="col">held</th></tr></thead><tbody>{rows}</tbody></table>{more}'
    )


def _row(key: Any, state: KeyStatus) -> str:
    colour = _COLOURS.get(state.state, _GREY)
    position = "" if state.position is None else str(state.position)
    cells = (f'<span style="color:{colour}" aria-hidden="true">&#9679;</span> {escape(state.state)}', escape(position))
    return (
        f"<tr><td>{escape(_text(key))}</td><td>{cells[0]}</td><td>{cells[1]}</td>"
        f"<td>{state.gaps:,}</td><td>{state.held:,}</td></tr>"
    )


def _text(key: Any) -> str:
    text = "(all)" if key is None else str(key)
    return text if len(text) <= 60 else text[:59] + "…"


def _span(seconds: Optional[float]) -> str:
    return "none" if seconds is None else span(seconds)


def _latency(latency: Latency) -> str:
    return f"{span(latency.p50)} / {span(latency.p99)}" if latency.count else "none yet"
