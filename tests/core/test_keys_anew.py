"""`core/keys.py`: subscriptions that count anew, each; what was held of the one before is not of the next."""

from __future__ import annotations

import pytest

from syncstream.core.engine import Call
from syncstream.core.rules import Rules
from syncstream.core.sequence import Contiguous
from syncstream.events import Gap

from .rig import AGAIN, ANEW, PLAIN, Rig, change, delta, run_of, snap

BARE = change(
    PLAIN, classify=AGAIN.classify, source=True, ask=AGAIN.ask, comes_within=4.0, fetch_limit=4.0, asks=True, leaves=True
)
"""No numbers; a key is healed by a new subscription."""


def held(rules: Rules) -> Rig:
    """The first snapshot was lost on its way, and 2, 3, 4 wait for it."""
    rig = Rig(rules, topics=("A",))
    rig.open()
    rig.send(*run_of("A", 2, 4))
    return rig


def messages(rig: Rig) -> list[str]:
    return [word for word in rig.said() if word[0] in "AsgrR" and word != "subscribed"]


@pytest.mark.parametrize("rule", [AGAIN.rule, Contiguous("n", start=1)], ids=["", "start"])
def test_what_was_held_before_a_new_subscription_is_not_of_it(rule: Contiguous) -> None:
    """Its numbers may begin anew: the old ones would follow the snapshot, and the new ones look like duplicates."""
    rig = held(change(AGAIN, rule=rule, splice=rule))
    rig.wait(4.0)
    rig.answer_call()
    rig.said()
    rig.send(snap("A", 1), *run_of("A", 2, 5))
    assert messages(rig) == ["snapshot A at 1", "resynced A at 2 +0", *("A2", "A3", "A4", "A5")]


@pytest.mark.parametrize("rules", [AGAIN, ANEW], ids=["resubscribe", "reconnect"])
def test_nor_is_what_was_held_on_an_old_connection(rules: Rules) -> None:
    """The next one begins with a snapshot of its own."""
    rig = held(change(rules, rule=Contiguous("n", start=1), splice=Contiguous("n", start=1)))
    rig.reopen()
    rig.said()
    rig.send(snap("A", 1), *run_of("A", 2, 5))
    assert messages(rig) == ["snapshot A at 1", "resynced A at 2 +0", *("A2", "A3", "A4", "A5")]


def test_what_came_on_the_new_subscription_before_its_snapshot_follows_it() -> None:
    """It was asked for by then."""
    rig = held(AGAIN)
    rig.wait(4.0)
    rig.answer_call()
    rig.said()
    rig.send(delta("A", 5), snap("A", 4), delta("A", 6))
    assert messages(rig) == ["snapshot A at 4", "A5", "resynced A at 5 +1", "A6"]


def test_a_snapshot_that_was_old_is_found_out() -> None:
    """It is below what came before it was asked for, and what comes next does not join it; or nothing comes."""
    for comes in (True, False):
        rig = held(AGAIN)
        rig.wait(4.0)
        rig.answer_call()
        rig.said()
        rig.send(snap("A", 3))
        assert messages(rig) == ["snapshot A at 3"]
        if comes:
            rig.send(delta("A", 5))
            assert messages(rig) == ["gap A hole 3..5 healing"]
        rig.wait(5.0)
        assert len(rig.did(Call)) == 1


def test_what_a_new_subscription_loses_is_told_where_no_number_shows_it() -> None:
    """A source that was given up is tried again: the topic is left for that, and what comes meanwhile is nobody's."""
    rig = Rig(change(BARE, fetch_attempts=2), topics=("A",))
    rig.open()
    rig.said()
    rig.send(delta("A", 1))
    rig.wait(4.0)
    rig.send(delta("A", 2))
    rig.wait(20.0)
    gap = "gap A unhealed None..None told"
    assert messages(rig) == [gap, "A1", gap, "A2", gap]
    rig.send(delta("A", 3))
    rig.did()
    while not rig.did(Call):
        rig.step()
    rig.send(delta("A", 4))
    left_at = rig.now
    rig.wait(4.0)
    told = [item for item in rig.items if isinstance(item, Gap)]
    assert messages(rig) == ["A3", gap, "A4"]
    assert [(item.since_ns, item.until_ns) for item in told] == [(int(left_at * 1e9), int(rig.now * 1e9))]


def test_with_a_reorder_window_what_is_beyond_a_snapshot_goes_on_to_wait() -> None:
    """It comes in its turn, or shows a hole when its time is over; what the snapshot covers is stale."""
    rig = Rig(change(AGAIN, reorder=0.3), topics=("A",))
    rig.open()
    rig.send(snap("A", 5), delta("A", 8), delta("A", 7), delta("A", 11))
    rig.said()
    rig.send(snap("A", 7))
    assert (messages(rig), rig.keys.stale) == (["snapshot A at 7", "A8"], 1)
    rig.send(delta("A", 9))
    assert messages(rig) == ["A9"]
    rig.wait(0.3)
    assert messages(rig) == ["gap A hole 9..11 healing"]


@pytest.mark.parametrize("last", [None, 4])
def test_a_snapshot_without_a_number_covers_all_that_was_held_before_it(last: object) -> None:
    """It is not known to be old; nor is one where the messages have no numbers of the key's own."""
    rules = AGAIN if last is None else change(AGAIN, splice=None)
    rig = held(rules)
    rig.wait(4.0)
    rig.answer_call()
    rig.said()
    rig.send(snap("A", last))
    assert messages(rig) == [f"snapshot A at {last}", f"resynced A at {last} +0"]
