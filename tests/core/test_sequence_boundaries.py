"""`core/sequence.py`: the first message after a snapshot, by the rules of real venues, each boundary on both sides."""

from __future__ import annotations

from typing import Any, Optional

import pytest

from syncstream.core.rules import Rules
from syncstream.core.sequence import Chained, Contiguous, Increasing, Rule, Verdict

from .rig import HEALED, Rig, change

NEXT, DUPLICATE, HOLE = Verdict.NEXT, Verdict.DUPLICATE, Verdict.HOLE
L = 100
SPOT, KUCOIN = Contiguous("f", "n"), Contiguous("f", "n", overlap=True)
FUTURES, GROWING = Chained("f", "n"), Increasing("n")

RANGES = [
    (90, L - 1, DUPLICATE),
    (90, L, DUPLICATE),  # u == L: it is in the snapshot
    (L, L, DUPLICATE),
    (90, L + 1, NEXT),  # U <= L <= u
    (L, L + 5, NEXT),
    (L + 1, L + 1, NEXT),  # U == L + 1, the usual case
    (L + 1, L + 9, NEXT),
    (L + 2, L + 2, HOLE),
    (L + 2, L + 9, HOLE),
]
LINKS = [
    (80, L - 1, DUPLICATE),
    (90, L, DUPLICATE),  # u == L
    (90, L + 7, NEXT),  # pu <= L < u
    (L - 1, L + 1, NEXT),
    (L, L + 7, NEXT),  # pu == L: behind the one with u == L
    (L, L, NEXT),  # a keepalive
    (L, 3, NEXT),  # numbers that start anew in the chain
    (L + 1, L + 7, HOLE),
    (L + 5, L + 7, HOLE),
]
TIMES = [(L - 1, L - 1, DUPLICATE), (L, L, DUPLICATE), (L + 1, L + 1, NEXT), (L + 50, L + 50, NEXT)]
CASES = [
    *((SPOT, *case) for case in RANGES),
    *((KUCOIN, *case) for case in RANGES),
    *((FUTURES, *case) for case in LINKS),
    *((GROWING, *case) for case in TIMES),
]


def first_of(message: Any) -> Any:
    return message["f"]


def last_of(message: Any) -> Any:
    return message["n"]


def rules(rule: Rule) -> Rules:
    first = last_of if isinstance(rule, Increasing) else first_of
    return change(HEALED, rule=rule, splice=rule, first=first, last=last_of)


@pytest.mark.parametrize(("rule", "first", "last", "expected"), CASES)
def test_the_first_message_after_a_snapshot(rule: Rule, first: int, last: int, expected: Verdict) -> None:
    """Each rule by itself."""
    assert rule.splice(L, first, last) is expected


@pytest.mark.parametrize("waits", [True, False], ids=["the message waits", "the snapshot was first"])
@pytest.mark.parametrize(("rule", "first", "last", "expected"), CASES)
def test_what_becomes_of_it(rule: Rule, first: int, last: int, expected: Verdict, waits: bool) -> None:
    """Whichever comes first: it follows the snapshot, is dropped as part of it, or the snapshot is asked for again.

    That is done where numbers only grow, too: a message that came before the request must not be above the answer.
    """
    expected = HOLE if waits and expected is NEXT and isinstance(rule, Increasing) else expected
    rig = Rig(rules(rule))
    rig.open()
    message = {"k": "A", "f": first, "n": last}
    if waits:
        rig.send(message)
        rig.answer("A", L)
    else:
        rig.send({"k": "A", "f": 1, "n": 2})
        rig.answer("A", L)
        rig.send(message)
    items = rig.said()[1:]
    delivered, held_back = f"A{last}" in items, rig.state("A") == "syncing"
    assert (delivered, held_back) == (expected is NEXT, expected is HOLE)
    assert (f"snapshot A at {L}" in items) is not (waits and expected is HOLE)


def test_the_snapshot_of_a_future_is_anchored_by_the_message_before() -> None:
    """Where one has u == L it is dropped, and its follower joins by pu == L: no number need be spanned."""
    for messages, said in (
        ([(90, L), (L, 130)], ["snapshot A at 100", "A130", "resynced A at 130 +1"]),
        ([(90, 120), (120, 130)], ["snapshot A at 100", "A120", "A130", "resynced A at 130 +2"]),
        ([(110, 120)], []),
    ):
        rig = Rig(rules(FUTURES))
        rig.open()
        rig.said()
        rig.send(*({"k": "A", "f": first, "n": last} for first, last in messages))
        rig.answer("A", L)
        assert rig.said() == said


@pytest.mark.parametrize(("rule", "overlaps"), [(SPOT, "gap A hole 102..102 healing"), (KUCOIN, None)])
def test_later_on_an_overlap_is_legal_only_where_the_rule_says_so(rule: Rule, overlaps: Optional[str]) -> None:
    """The first message may overlap the snapshot by any rule; one after it may overlap the one before by KuCoin's."""
    rig = Rig(rules(rule))
    rig.open()
    rig.send({"k": "A", "f": 90, "n": 102})
    rig.answer("A", L)
    rig.said()
    rig.send({"k": "A", "f": 102, "n": 105})
    assert rig.said() == ([overlaps] if overlaps else ["A105"])
