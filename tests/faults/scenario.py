"""What a scenario is, and when it has passed."""

from __future__ import annotations

from typing import Callable, NamedTuple, Optional


class Record(NamedTuple):
    """What one run of a scenario measured.

    `noticed`: seconds from the fault until the user could know. `whole`: seconds from the end of the fault (for one that happens
    at once: from the fault) until every key spoke again and was complete. `None` where there is nothing to notice or to mend.
    `saw`: the kinds of markers and errors the user got, in order, each once. `dials`: connections, the first one included.
    `wrong`: messages lost untold, doubled or out of order, and keys whose state is not the venue's at the end.
    """

    noticed: Optional[float]
    whole: Optional[float]
    saw: tuple[str, ...]
    dials: int = 1
    wrong: tuple[str, ...] = ()


class Scenario(NamedTuple):
    """`name` and `sees` stand in the table of the README, `settings` too where they are not the defaults.

    The pass mark: `notice_within` and `whole_within` in seconds (`None`: nothing to measure), `must_see`, in this order among
    whatever else is seen, `never_see`, and at most so many `dials`. And always: nothing wrong. `lasts`: about so many seconds.
    """

    name: str
    play: Callable[[], Record]
    sees: str
    settings: str = ""
    notice_within: Optional[float] = None
    whole_within: Optional[float] = None
    must_see: tuple[str, ...] = ()
    never_see: tuple[str, ...] = ()
    dials: int = 3
    lasts: float = 2.0


def judge(scenario: Scenario, record: Record) -> list[str]:
    """Why it has not passed; nothing if it has."""
    found = list(record.wrong)
    for what, took, limit in (
        ("noticed", record.noticed, scenario.notice_within),
        ("whole again", record.whole, scenario.whole_within),
    ):
        if (took is None) is not (limit is None):
            found.append(f"{what}: measured {took}, the mark is {limit}")
        elif took is not None and limit is not None and took > limit:
            found.append(f"{what} after {took:.2f} s, the mark is {limit:g} s")
    rest = iter(record.saw)
    found += [f"{kind} was not seen, or not in its place: {record.saw}" for kind in scenario.must_see if kind not in rest]
    found += [f"{kind} was seen" for kind in scenario.never_see if kind in record.saw]
    if record.dials > scenario.dials:
        found.append(f"{record.dials} dials, the mark is {scenario.dials}")
    return found
