"""Values to draw and to judge, made by hand. Used by the tests of the views and of the verdict."""

from __future__ import annotations

from typing import Any

import msgspec

from syncstream import KeyStatus, Snapshot, Status
from syncstream.cli.figures import Figures
from syncstream.cli.picture import COMPLETE, HEALING, About, Picture, Row
from syncstream.cli.story import Entry
from syncstream.cli.verdict import Result, Run, judge
from syncstream.testing import Replica, State

RUN = Run(seed=7, duration=20.4123, faults={"drop": 2}, left_out=("mute",), venue={"dropped": 5, "sent": 99, "cut": 0})


def about(symbols: int = 5) -> About:
    return About(
        seed=7,
        duration=20.0,
        symbols=symbols,
        rate=200.0,
        faults=15,
        left_out=("mute",),
        settings=("heartbeat=0.5, verify_after=1.0, restart_after=20", "backoff: 0.1 to 1 s; Rest backoff: 0.05 to 0.5 s"),
    )


def picture(symbols: int = 5, entries: int = 30, **changes: Any) -> Picture:
    """A picture in the middle of a demo; the second symbol is being healed."""
    rows = [
        Row(
            symbol=f"SYMBOL{number}",
            position=None if number == 3 else 4_711 + number,
            rate=39.6,
            gaps_found=2,
            gaps_healed=1 if number == 2 else 2,
            reconnects=3,
            lag=None if number == 3 else 0.0004,
            state=HEALING if number == 2 else COMPLETE,
        )
        for number in range(1, symbols + 1)
    ]
    made = Picture(
        elapsed=12.34,
        fault="drop",
        doing="loses 2 messages of SYMBOL2",
        injected=7,
        rows=tuple(rows),
        messages=2_401,
        duplicates=25,
        lost=0,
        duplicated=0,
        out_of_order=0,
        gaps_found=10,
        gaps_healed=9,
        reconnects=3,
        entries=[
            Entry(number, "trouble" if number % 2 else "fault", f"event {number} " + "long " * 30) for number in range(entries)
        ],
    )
    return msgspec.structs.replace(made, **changes)


def delta(version: int, **changes: Any) -> dict[str, Any]:
    """A message of ABC that sets the size of one level and moves one lot."""
    return {"symbol": "ABC", "version": version, "side": "bid", "price": f"9.{version:02}", "size": 1, "volume": 1, **changes}


def state(version: int) -> State:
    """ABC after `snapshot()` and the deltas up to `version`."""
    return State(symbol="ABC", version=version, bids={f"9.{n:02}": 1 for n in range(11, version + 1)}, volume=version)


def snapshot() -> Snapshot:
    body = {"symbol": "ABC", "version": 10, "bids": [], "asks": [], "volume": 10}
    return Snapshot(key="ABC", position=10, state=body)


def judged(*items: Any, true: int = 13, run: Run = RUN) -> Result:
    """The verdict about ABC after these items."""
    replica = Replica()
    for item in items:
        replica.apply(item)
    status = Status(gaps=2, healed=2, reconnects=1, keys={"ABC": KeyStatus(state="live", gaps=2, healed=2)})
    return judge({"ABC": state(true)}, replica, status, {"ABC": Figures()}, run)
