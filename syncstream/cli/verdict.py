"""The verdict: what was folded from the stream, against the venue's true state. Pure, computed from the two and nothing else.

Deliberately not here: waiting until there is something to compare (demo.py), and how it looks (plain.py, screen.py).
"""

from __future__ import annotations

from typing import Mapping, Optional

import msgspec

from ..events import KeyStatus, Status
from ..testing import Replica, State
from .figures import Figures
from .schedule import messages

EQUAL, UNEQUAL, INTERRUPTED = "equal", "unequal", "interrupted"
_EXIT_CODES = {EQUAL: 0, UNEQUAL: 1, INTERRUPTED: 130}

FAULT_COUNTS = {
    "dropped": "messages lost",
    "duplicated": "messages sent twice",
    "reordered": "messages swapped",
    "garbage": "messages unreadable",
    "cut": "lines cut",
    "closed": "lines closed",
    "muted": "lines mute",
    "half_opened": "lines half-open",
    "refused": "handshakes refused",
    "restarted": "numberings restarted",
    "stale_snapshots": "snapshots stale",
    "slow_snapshots": "snapshots slow",
    "failed_snapshots": "snapshots failed",
}
"""What a `Broker` counts of its own faults, in words."""


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """What happened. `faults`: how often each was injected; `venue`: `Broker.counts`; `error`: what ended the stream early."""

    seed: int
    duration: float
    faults: Mapping[str, int]
    left_out: tuple[str, ...] = ()
    venue: Mapping[str, int] = {}
    events: Mapping[str, int] = {}
    longest_repair: float = 0.0
    error: str = ""
    interrupted: bool = False


class SymbolResult(msgspec.Struct, frozen=True, kw_only=True):
    """One symbol at the end. `difference` says what is not as at the venue, or is empty; the lag in milliseconds."""

    equal: bool
    difference: str
    position: Optional[int]
    true_position: int
    messages: int
    lost: int
    duplicated: int
    out_of_order: int
    snapshots: int
    gaps_found: int
    gaps_healed: int
    worst_lag_ms: float


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What `--json` prints; `differences` names all that speaks against `"equal"`.

    `duration` in seconds, as long as it took. `faults`: how often each was injected, `left_out`: those there was no time for,
    `venue`: what the venue then did wrong, by its own count.
    """

    verdict: str
    seed: int
    duration: float
    messages: int
    lost: int
    duplicated: int
    out_of_order: int
    gaps_found: int
    gaps_healed: int
    reconnects: int
    longest_repair_ms: float
    differences: tuple[str, ...]
    faults: dict[str, int]
    left_out: tuple[str, ...]
    venue: dict[str, int]
    events: dict[str, int]
    symbols: dict[str, SymbolResult]

    @property
    def exit_code(self) -> int:
        return _EXIT_CODES[self.verdict]


class Truth:
    """The true states of one moment."""

    def __init__(self, states: Mapping[str, State]) -> None:
        self._states = states

    def states(self) -> Mapping[str, State]:
        return self._states


def judge(truth: Mapping[str, State], replica: Replica, status: Status, figures: Mapping[str, Figures], run: Run) -> Result:
    """Compare. An interrupted run is not judged: its market moved on meanwhile."""
    unlike = {line.partition(": ")[0]: line.partition(": ")[2] for line in replica.differences(Truth(truth))}
    total = replica.total
    against = [f"the stream ended: {run.error}"] if run.error else []
    against += [f"{symbol}: {difference}" for symbol, difference in unlike.items()]
    for symbol in truth:
        against += _wrong(symbol, replica)
    return Result(
        verdict=INTERRUPTED if run.interrupted else UNEQUAL if against else EQUAL,
        seed=run.seed,
        duration=round(run.duration, 3),
        messages=total.applied,
        lost=total.lost,
        duplicated=total.duplicated,
        out_of_order=total.out_of_order,
        gaps_found=status.gaps,
        gaps_healed=status.healed,
        reconnects=status.reconnects,
        longest_repair_ms=round(run.longest_repair * 1e3, 3),
        differences=() if run.interrupted else tuple(against),
        faults=dict(run.faults),
        left_out=run.left_out,
        venue={name: run.venue[name] for name in FAULT_COUNTS if run.venue.get(name)},
        events=dict(run.events),
        symbols={
            symbol: _symbol(true, unlike.get(symbol, ""), replica, status, figures[symbol]) for symbol, true in truth.items()
        },
    )


def _wrong(symbol: str, replica: Replica) -> list[str]:
    """What a stream must never do."""
    counts = replica.counts(symbol)
    found = {
        "lost without a word": counts.lost,
        "delivered twice": counts.duplicated,
        "delivered out of order": counts.out_of_order,
    }
    return [f"{symbol}: {messages(count)} {what}" for what, count in found.items() if count]


def _symbol(true: State, difference: str, replica: Replica, status: Status, figures: Figures) -> SymbolResult:
    counts, key = replica.counts(true.symbol), status.keys.get(true.symbol, KeyStatus())
    return SymbolResult(
        equal=not difference,
        difference=difference,
        position=figures.position,
        true_position=true.position,
        messages=counts.applied,
        lost=counts.lost,
        duplicated=counts.duplicated,
        out_of_order=counts.out_of_order,
        snapshots=counts.snapshots,
        gaps_found=key.gaps,
        gaps_healed=key.healed,
        worst_lag_ms=round(figures.worst_lag * 1e3, 3),
    )
