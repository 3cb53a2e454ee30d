"""What must be so after every step, whatever happened. Each check has its name; those of lines, requests and folds are theirs.

    ends         after a close frame, or bytes that break the protocol, the connection is hung up
    alarm        no restart of a key's own numbers is told where nothing old was told again
    figures      what is counted is what was delivered, and `latest` holds the last of it
    busy         `deadline()` after `tick(now)` is later than `now`, and a moment needs few inputs
    bounds       holds, early messages and requests are within their bounds, and `held` is the true sum
    closed       after the end nothing is delivered but `Closed`, once; and no deadline remains once finished
    failure      the stream fails only for a reason that the world gave
    loud         and it does fail for it
    late         an answer of an older epoch changes nothing (`digest`), but for the counters of late ones

Known limits of detection that these and the folds model: see `fold`, and
* a restart of the numbers while the position is below 4 cannot be told from duplicates that stop (part of `met`);
* until a restarted counter is recognised (more than `restart_after` messages, or three that last 2 s) its messages are dropped;
* of two lines, one that never showed a key's numbers is taken for the slower one: a restart is not seen as long as the other line
  does not bring that key any more. So both lines carry the same topics here.
"""

from __future__ import annotations

from typing import Any, Hashable

from syncstream.core.engine import Engine
from syncstream.core.line import Line
from syncstream.core.sync import Sync, Trouble

from .fold import Fold
from .violation import Violation, require

_NOT_IN_DIGEST = {
    "plain",
    "late",
    "actions",
    "fetches",
    "random",
    "rules",
    "out",
    "keys",
    "order",
    "lines",
    "syncs",
    "counters",
    "quiet",
    "asking",
    "connections",
    "dialogue",
}


def bounds(engine: Engine) -> None:
    """Memory is bounded, and counted right."""
    keys, rules = engine.keys, engine.rules
    held = 0
    for sync in keys.syncs.values():
        if sync.segments:
            held += sum(map(len, sync.segments))
    require(keys.held == held, "bounds", f"held={keys.held}, but {held} are")
    require(held <= rules.hold_limit, "bounds", f"{held} messages are held, the limit is {rules.hold_limit}")
    require(keys.fetches.under_way <= rules.fetch_concurrency, "bounds", f"{keys.fetches.under_way} requests are under way")
    for counter in engine.order.counters.values():
        if counter.early:
            require(len(counter.early) <= rules.hold_limit, "bounds", f"{len(counter.early)} messages wait in the reorder window")


def figures(engine: Engine, fold: Fold) -> None:
    """What users read of the stream is what it delivered."""
    require(
        engine.keys.messages == fold.messages, "figures", f"messages={engine.keys.messages}, but {fold.messages} were delivered"
    )
    latest = engine.keys.latest
    for key, item in fold.latest.items():
        if latest.get(key) is not item and key not in fold.unwanted:
            raise Violation("figures", f"latest of {key} is {latest.get(key)}, the last that was delivered is {item}")


def totals(engine: Engine, fold: Fold, now: float) -> None:
    """The whole picture, at the end."""
    status, told = engine.status(now), fold.told
    counted = (status.connects, status.gaps, status.unhealed, status.quarantined)
    gaps = {name: count for name, count in told.items() if isinstance(name, tuple)}
    expected = (
        told["Connected"],
        sum(count for (reason, _), count in gaps.items() if reason != "unhealed"),
        sum(count for (_, healing), count in gaps.items() if not healing),
        told["Quarantined"],
    )
    require(counted == expected, "figures", f"connects, gaps, unhealed, quarantined are {counted}, told were {expected}")


def digest(engine: Engine) -> dict[Hashable, str]:
    """All of the engine's state in words, in parts: each key, each line, each counter, and the rest."""
    parts: dict[Hashable, str] = {("key", key): _sync(sync) for key, sync in engine.keys.syncs.items()}
    parts.update({("counter", name): _slots(counter) for name, counter in engine.order.counters.items()})
    parts.update({("line", line.index): _line(line) for line in engine.lines})
    for name, part in (("engine", engine), ("connections", engine.connections), ("keys", engine.keys), ("order", engine.order)):
        fields = {field: value for field, value in vars(part).items() if field not in _NOT_IN_DIGEST}
        parts[name] = repr(fields)
    return parts


def changes(before: dict[Hashable, str], after: dict[Hashable, str], allowed: set[Any]) -> list[Any]:
    """The parts that are not the same, but for these keys."""
    return [
        (name, before.get(name), after.get(name))
        for name in {**before, **after}
        if before.get(name) != after.get(name) and not (isinstance(name, tuple) and name[0] == "key" and name[1] in allowed)
    ]


def _slots(thing: Any, *, without: tuple[str, ...] = ()) -> str:
    return repr([(name, getattr(thing, name)) for name in thing.__slots__ if name not in without])


def _sync(sync: Sync) -> str:
    return repr((_slots(sync, without=("counter", "trouble")), [(name, getattr(sync, name)) for name in Trouble.__slots__]))


def _line(line: Line) -> str:
    fields = {name: value for name, value in vars(line).items() if name not in ("rules", "frames", "clocks")}
    return repr((fields, vars(line.clocks), {name: value for name, value in vars(line.frames).items() if name != "_utf8"}))
