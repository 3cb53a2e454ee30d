"""Which fault comes when: a table of faults, and a plan drawn from a seed. Pure; the same arguments give the same plan.

Deliberately not here: switching the faults on (demo.py), and what they do (syncstream.testing).
"""

from __future__ import annotations

import random
from typing import Any, Callable, Iterator, NamedTuple, Sequence

RESTART_AFTER = 20
"""The feed's `restart_after`: so many numbers must go backwards before the stream believes in a restart."""

STAGE = 8  # faults that befall one symbol befall one of the first so many, which are those the table shows
_FIRST = ("drop", "cut")  # what a newcomer understands at once
_SQUEEZE = 0.85  # of their time is enough for the faults, if that lets all of them happen
_SHOWN_CODES = ((1000, "normal closure"), (1001, "going away"), (1011, "internal error"), (1012, "service restart"))
_SHOWN_FAILURES = ((503, "fails twice (503)"), ("cut", "breaks off twice"), ("html", "is twice an HTML page"))


class Call(NamedTuple):
    """One call of a `syncstream.testing.Faults`."""

    method: str
    settings: dict[str, Any]


class Step(NamedTuple):
    """One fault at its time. `at`, `seconds`: since the start, and until all should be well again; `says` what the venue does."""

    at: float
    seconds: float
    name: str
    says: str
    calls: tuple[Call, ...]


class Plan(NamedTuple):
    """`calm_at`: when the faults are over. `left_out`: the faults there was no time for."""

    steps: tuple[Step, ...]
    calm_at: float
    left_out: tuple[str, ...]


class Fault(NamedTuple):
    """A thing that venues do wrong. `loses`: messages get lost by it. `draw` makes one of it: (what the venue does, calls)."""

    what: str
    seconds: float
    loses: bool
    draw: Callable[[random.Random, str], tuple[str, tuple[Call, ...]]]


def call(method: str, **settings: Any) -> Call:
    return Call(method, settings)


def _drop(dice: random.Random, symbol: str) -> tuple[str, tuple[Call, ...]]:
    count = dice.randint(1, 3)
    return f"loses {messages(count)} of {symbol}", (call("drop", count=count, symbol=symbol),)


def _duplicate(dice: random.Random, symbol: str) -> tuple[str, tuple[Call, ...]]:
    count = dice.randint(3, 6)
    return f"sends {messages(count)} of {symbol} twice", (call("duplicate", count=count, symbol=symbol),)


def _reorder(_dice: random.Random, symbol: str) -> tuple[str, tuple[Call, ...]]:
    return f"swaps two messages of {symbol}", (call("reorder", count=1, symbol=symbol),)


def _garbage(_dice: random.Random, _symbol: str) -> tuple[str, tuple[Call, ...]]:
    return "sends a message that nobody can read", (call("garbage"),)


def _cut(dice: random.Random, _symbol: str) -> tuple[str, tuple[Call, ...]]:
    reset = dice.random() < 0.5
    return f"cuts the line ({'TCP reset' if reset else 'no close frame'})", (call("cut", reset=reset),)


def _mid_frame(dice: random.Random, _symbol: str) -> tuple[str, tuple[Call, ...]]:
    return "cuts the line in the middle of a message", (call("cut", mid_frame=True, reset=dice.random() < 0.5),)


def _close(dice: random.Random, _symbol: str) -> tuple[str, tuple[Call, ...]]:
    code, meaning = dice.choice(_SHOWN_CODES)
    return f"closes the line with code {code} ({meaning})", (call("close", code=code, reason=meaning),)


def _mute(_dice: random.Random, _symbol: str) -> tuple[str, tuple[Call, ...]]:
    return "goes mute: no data, only pongs", (call("mute"),)


def _half_open(_dice: random.Random, _symbol: str) -> tuple[str, tuple[Call, ...]]:
    return "is gone without a goodbye: a half-open line", (call("half_open"),)


def _restart(_dice: random.Random, symbol: str) -> tuple[str, tuple[Call, ...]]:
    return f"numbers the messages of {symbol} from 1 again", (call("restart", symbol=symbol),)


def _stale_snapshot(dice: random.Random, symbol: str) -> tuple[str, tuple[Call, ...]]:
    versions, (says, calls) = dice.randint(20, 60), _drop(dice, symbol)
    says += f", its snapshot is {versions} messages old"
    return says, (call("stale_snapshot", versions=versions, count=2, symbol=symbol), *calls)


def _slow_snapshot(dice: random.Random, symbol: str) -> tuple[str, tuple[Call, ...]]:
    seconds, (says, calls) = dice.choice((0.4, 0.5, 0.6)), _drop(dice, symbol)
    return f"{says}, its snapshot takes {seconds:g} s", (call("slow_snapshot", seconds=seconds, symbol=symbol), *calls)


def _failing_snapshot(dice: random.Random, symbol: str) -> tuple[str, tuple[Call, ...]]:
    (how, shown), (says, calls) = dice.choice(_SHOWN_FAILURES), _drop(dice, symbol)
    says += f", its snapshot {shown}"
    return says, (call("fail_snapshot", how=how, count=2, symbol=symbol), *calls)


def _refuse_429(_dice: random.Random, _symbol: str) -> tuple[str, tuple[Call, ...]]:
    says = "cuts the line, then refuses it: 429, retry after 1 s"
    return says, (call("refuse", status=429, attempts=1, retry_after=1), call("cut"))


def _refuse_503(_dice: random.Random, _symbol: str) -> tuple[str, tuple[Call, ...]]:
    return "cuts the line, then refuses it twice: 503", (call("refuse", status=503, attempts=2), call("cut"))


FAULTS = {
    "drop": Fault("messages get lost", 0.8, True, _drop),
    "duplicate": Fault("messages come twice", 0.6, False, _duplicate),
    "reorder": Fault("messages change places", 0.7, False, _reorder),
    "garbage": Fault("a message nobody can read", 0.5, False, _garbage),
    "cut": Fault("the line is cut", 0.9, True, _cut),
    "mid-frame": Fault("the line is cut in mid-message", 0.9, True, _mid_frame),
    "close": Fault("the venue closes the line", 0.9, True, _close),
    "mute": Fault("no data, only pongs", 1.7, True, _mute),
    "half-open": Fault("the venue is gone, the line seems open", 1.7, True, _half_open),
    "restart": Fault("the numbers start again at 1", 1.0, False, _restart),
    "stale-snapshot": Fault("a snapshot older than the gap", 1.2, True, _stale_snapshot),
    "slow-snapshot": Fault("a snapshot that takes long", 1.3, True, _slow_snapshot),
    "failing-snapshot": Fault("a snapshot that fails", 1.4, True, _failing_snapshot),
    "refuse-429": Fault("too many connects, retry later", 2.2, True, _refuse_429),
    "refuse-503": Fault("no service for a while", 1.3, True, _refuse_503),
}


def plan(*, seed: int, duration: float, faults: Sequence[str], symbols: Sequence[str], rate: float) -> Plan:
    """The faults that fit into `duration` seconds; each once before any comes twice, one that loses messages first.

    A market that is quiet at first and again at the end frames them. `rate`: messages per second of one symbol. The first fault
    always comes, however short the time.
    """
    dice = random.Random(f"{seed}/schedule")
    begin, calm_at = min(1.0, 0.15 * duration), duration - min(1.0, 0.2 * duration)
    drawn = _draw(dice, calm_at - begin, faults, rate)
    needed = sum(_seconds(name, rate) for name in drawn)
    stretch = (calm_at - begin) / needed if drawn else 1.0
    steps, at = [], begin
    for name, symbol in zip(drawn, _symbols(dice, drawn, symbols)):
        seconds = _seconds(name, rate) * stretch
        says, calls = FAULTS[name].draw(dice, symbol)
        steps.append(Step(round(at, 3), round(seconds, 3), name, says, calls))
        at += seconds
    return Plan(tuple(steps), calm_at, tuple(name for name in faults if name not in drawn))


def messages(count: int) -> str:
    return f"{count:,} message{'s' * (count != 1)}"


def _seconds(name: str, rate: float) -> float:
    """How long a fault needs until all is well again, on a machine that is not too busy."""
    return FAULTS[name].seconds + (RESTART_AFTER / rate if name == "restart" else 0.0)


def _draw(dice: random.Random, room: float, faults: Sequence[str], rate: float) -> list[str]:
    """Names in their order, as many as there is room for."""
    order = _first_round(dice, faults)
    needed = sum(_seconds(name, rate) for name in order)
    if order and room < needed * _SQUEEZE:
        return order[:1] + _fitting(order[1:], room - _seconds(order[0], rate), rate)
    drawn = order
    while needed < room:
        more = _fitting(dice.sample(faults, len(faults)), room - needed, rate) if faults else []
        if not more:
            break
        drawn = drawn + more
        needed += sum(_seconds(name, rate) for name in more)
    return drawn


def _first_round(dice: random.Random, faults: Sequence[str]) -> list[str]:
    losing = [name for name in faults if FAULTS[name].loses]
    first = [name for name in _FIRST if name in faults] or dice.sample(losing, min(1, len(losing)))
    rest = [name for name in faults if name not in first]
    return first + dice.sample(rest, len(rest))


def _fitting(order: Sequence[str], room: float, rate: float) -> list[str]:
    found = []
    for name in order:
        if _seconds(name, rate) <= room:
            found.append(name)
            room -= _seconds(name, rate)
    return found


def _symbols(dice: random.Random, drawn: Sequence[str], symbols: Sequence[str]) -> Iterator[str]:
    """Whom each fault befalls. Restarts take turns: new numbers that pass the old ones unseen could not be told from them."""
    stage = dice.sample(list(symbols[:STAGE]), min(STAGE, len(symbols)))
    restarts = 0
    for name in drawn:
        yield stage[restarts % len(stage)] if name == "restart" else dice.choice(stage)
        restarts += name == "restart"
