"""`core/order.py`: messages numbered by names, healed by snapshots in the line's own order; no order of names joins them."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest

from syncstream.core.engine import Call
from syncstream.core.rules import Rules, Scope
from syncstream.core.sequence import Chained

from .rig import AGAIN, ANEW, Rig, change, channel_of, number_of

NAMED = change(
    AGAIN, rule=Chained("p", "n", ordered=False), rule_text="'n'", splice=None, first=lambda message: message["p"], last=number_of
)
"""By a new subscription."""

NAMED_ANEW = change(
    ANEW, rule=NAMED.rule, rule_text="'n'", splice=None, first=NAMED.first, last=NAMED.last, backoff=change(ANEW).backoff
)
"""By a new connection."""

BOTH = pytest.mark.parametrize("rules", [NAMED, NAMED_ANEW], ids=["resubscribe", "reconnect"])


class Chain:
    """Owned by: the test. A counter of the venue: each message names the one before; the names fall and rise."""

    def __init__(self) -> None:
        self.at = "begin"
        self._count = count(1)

    def next(self, key: str, **more: Any) -> dict[str, Any]:
        before, number = self.at, next(self._count)
        self.at = f"{'zamk'[number % 4]}{number}"
        return {"k": key, "p": before, "n": self.at, "c": "c", **more}

    def state(self, key: str) -> dict[str, Any]:
        """A snapshot that says where the counter stands, and is no member of it."""
        return {"k": key, "t": "snap", "p": "", "n": self.at}


def asked_again(rig: Rig) -> None:
    """What heals a key is under way: it is subscribed again, or a new connection stands."""
    if rig.engine.rules.leaves and any(isinstance(action, Call) for action in rig.actions):
        rig.answer_call()
    else:
        rig.redial()
        rig.open()
    rig.said()


def said(rig: Rig) -> list[str]:
    """What was delivered; that topics are subscribed is another matter."""
    return [item for item in rig.said() if item != "subscribed"]


@BOTH
def test_a_hole_between_names_is_healed(rules: Rules) -> None:
    """What came before the snapshot is covered by it, another hole too; what comes after follows."""
    rig, chain = Rig(rules, topics=("A",)), Chain()
    rig.open()
    rig.send(chain.state("A"), chain.next("A"))
    assert rig.said()[1:] == ["snapshot A at begin", "resynced A at begin +0", "Aa1"]
    rig.did()
    chain.next("A")
    rig.send(chain.next("A"), chain.next("A"))
    assert rig.said()[0] == "gap A hole a1..m2 healing"
    asked_again(rig)
    chain.next("A")
    rig.send(chain.next("A"), chain.state("A"), chain.next("A"), chain.next("A"))
    assert said(rig) == ["gap A hole z4..a5 healing", "snapshot A at m6", "resynced A at m6 +0", "Ak7", "Az8"]
    assert (rig.state("A"), rig.keys.held) == ("live", 0)


@BOTH
def test_a_hole_right_behind_a_snapshot_at_a_name_is_one(rules: Rules) -> None:
    """Nothing can be overlapped by names: what does not name the snapshot leaves something out."""
    rig, chain = Rig(rules, topics=("A",)), Chain()
    rig.open()
    rig.send(chain.state("A"), chain.next("A"))
    chain.next("A")
    rig.said()
    rig.send(chain.state("A"), chain.next("A"))
    assert rig.said() == ["snapshot A at m2", "Ak3"]
    chain.next("A")
    rig.send(chain.next("A"))
    assert rig.said()[0] == "gap A hole k3..z4 healing"


@BOTH
def test_names_prove_a_key_over_a_reconnect_or_a_snapshot_does(rules: Rules) -> None:
    """Whichever comes first; nothing is asked."""
    rig, chain = Rig(rules, topics=("A",)), Chain()
    rig.open()
    rig.send(chain.state("A"), chain.next("A"))
    rig.reopen()
    rig.said()
    rig.send(chain.next("A"))
    assert rig.said() == ["resynced A at m2 +0", "Am2"]
    rig.reopen()
    chain.next("A")
    rig.said()
    rig.send(chain.state("A"), chain.next("A"))
    assert rig.said() == ["snapshot A at k3", "resynced A at k3 +0", "Az4"]


@BOTH
@pytest.mark.parametrize("scope", [Scope.CONNECTION, Scope.SHARED])
def test_a_hole_on_a_counter_of_many_keys_is_healed(rules: Rules, scope: Scope) -> None:
    """Each key by a snapshot of its own, which is a member of the chain there, like any message."""
    rules = change(rules, scope=scope, counter=channel_of if scope is Scope.SHARED else None)
    rig, chain = Rig(rules, topics=("A", "B")), Chain()
    rig.open()
    rig.send(chain.next("A", t="snap"), chain.next("B", t="snap"), chain.next("A"))
    assert rig.said()[1:] == ["snapshot A at None", "resynced A at None +0", "snapshot B at None", "resynced B at None +0", "Ak3"]
    rig.did()
    chain.next("B")
    rig.send(chain.next("A"))
    assert rig.said()[:2] == ["gap A hole k3..z4 healing", "gap B hole k3..z4 healing"]
    asked_again(rig)
    rig.send(
        chain.next("A", t="snap"), chain.next("A"), chain.next("B"), chain.next("B", t="snap"), chain.next("B"), chain.next("A")
    )
    assert said(rig) == [
        *("snapshot A at None", "resynced A at None +0", "Ak7"),
        *("snapshot B at None", "resynced B at None +0", "Bm10", "Ak11"),
    ]
    assert (rig.state("A"), rig.state("B"), rig.keys.held) == ("live", "live", 0)


def test_a_source_of_names_that_is_given_up_is_told() -> None:
    """Then what was held is delivered behind the gap, and the names are followed; a later snapshot is one all the same."""
    rig, chain = Rig(change(NAMED, fetch_attempts=1), topics=("A",)), Chain()
    rig.open()
    rig.send(chain.state("A"), chain.next("A"))
    rig.said()
    rig.did()
    chain.next("A")
    rig.send(chain.next("A"))
    asked_again(rig)
    rig.send(chain.next("A"))
    rig.wait(4.0)
    assert said(rig) == ["gap A unhealed a1..m2 told", "Ak3", "Az4"]
    rig.send(chain.next("A"), chain.state("A"), chain.next("A"))
    assert rig.said() == ["Aa5", "snapshot A at a5", "Am6"]
