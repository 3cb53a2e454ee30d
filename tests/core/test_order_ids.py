"""`core/order.py`: counters that are named by what does not last, and what is counted on them."""

from __future__ import annotations

import pytest

from syncstream.core.engine import Call
from syncstream.core.keys import Fetch
from syncstream.core.rules import Kind, Rules

from .rig import AGAIN, BY_CHANNEL, BY_CONNECTION, NUMBERED, TYPED, Rig, change, classify, delta, snap

BARE = change(BY_CHANNEL, source=False, splice=None, splice_first=None, splice_last=None)


def test_ids_of_a_connection_that_is_over_make_room() -> None:
    """Each connection names its counters anew; there are never more keys than two."""
    rig = Rig(change(BARE, max_keys=4))
    rig.open()
    for number in range(20):
        rig.send(delta("A", 1, c=f"a{number}"), delta("B", 1, c=f"b{number}"))
        rig.reopen()
    assert (rig.engine.failure, len(rig.order.counters) <= 4) == (None, True)


def test_too_many_ids_of_one_connection_are_too_many() -> None:
    """All of them are in use, as far as anybody can see."""
    rig = Rig(change(BARE, max_keys=4))
    rig.open()
    rig.send(*(delta("A", 1, c=number) for number in range(5)))
    assert "counter" in str(rig.engine.failure)


@pytest.mark.parametrize("rules", [NUMBERED, BARE], ids=["own", "shared"])
def test_topics_that_come_and_go_make_room(rules: Rules) -> None:
    """Two at a time are never too many; late messages of the one that was left are nobody's."""
    rig = Rig(change(rules, max_keys=4))
    rig.open()
    rig.said()
    for number in range(20):
        rig.engine.subscribe([number], [], rig.now)
        rig.send(delta(number, 1, c=number))
        rig.engine.unsubscribe([number], [], rig.now)
        rig.send(delta(number, 2, c=number))
    assert rig.said() == [f"{number}1" for number in range(20)]
    assert (rig.engine.failure, len(rig.order.counters) <= 4, len(rig.keys.muted)) == (None, True, 4)


def test_what_comes_late_of_a_topic_that_was_left_is_looked_at_all_the_same() -> None:
    """It shows that the feed fits; a snapshot needs no number."""
    rig = Rig(AGAIN, topics=("A",))
    rig.open()
    rig.said()
    rig.engine.unsubscribe(["A"], [], rig.now)
    rig.send(delta("A", 1), snap("A"), {"k": "A"})
    assert (rig.said(), rig.order.used) == (["quarantined"], 2)


def test_a_key_that_comes_again_counts_anew() -> None:
    """Its counter went with it, and what waited there."""
    rig = Rig(change(NUMBERED, reorder=0.3), topics=("A",))
    rig.open()
    rig.send(delta("A", 1), delta("A", 5))
    rig.engine.unsubscribe(["A"], [], rig.now)
    rig.engine.subscribe(["A"], [], rig.now)
    rig.said()
    rig.send(delta("A", 40), delta("A", 41))
    rig.wait(1.0)
    assert rig.said() == ["A40", "A41"]


@pytest.mark.parametrize("kind", [Kind.HEARTBEAT, Kind.ACK, Kind.IGNORE])
@pytest.mark.parametrize("named", [True, False])
def test_control_frames_count_on_a_counter_of_many_keys(kind: Kind, named: bool) -> None:
    """Where they carry its name and a number: left out they would be holes."""
    rig = Rig(change(BARE, classify=lambda message: kind if "t" in message else None))
    rig.open()
    rig.said()
    frame = {"n": 3, "c": "c", "t": 1, **({"k": "A"} if named else {})}
    rig.send(delta("A", 1, c="c"), delta("B", 2, c="c"), frame, delta("A", 4, c="c"))
    rig.send({"t": 1, "k": "A"}, {"t": 1, "c": "c"}, delta("B", 5, c="c"))
    assert (rig.said(), rig.order.quarantined) == (["A1", "B2", "A4", "B5"], 0)


@pytest.mark.parametrize("rules", [BY_CONNECTION, BY_CHANNEL], ids=["connection", "channel"])
@pytest.mark.parametrize("number", [None, 7])
def test_a_snapshot_that_nothing_counts_replaces_the_state(rules: Rules, number: object) -> None:
    """It may carry a position of the key's, or none; the counter goes on. One of a key that nobody wants is nobody's."""
    rig = Rig(change(rules, classify=classify))
    rig.open()
    rig.send(delta("A", 1, v=6, c="c"))
    rig.said()
    whole = {"k": "A", "t": "snap", "c": "c", **({} if number is None else {"v": number})}
    rig.send(whole, delta("A", 2, v=8, c="c"))
    assert rig.said() == [f"snapshot A at {number}", f"resynced A at {number} +0", "A8"]
    rig.engine.unsubscribe(["A"], [], rig.now)
    rig.send(whole)
    assert (rig.said(), rig.order.quarantined) == ([], 0)


def test_a_message_without_its_number_is_quarantined_all_the_same() -> None:
    """Only a snapshot needs none."""
    rig = Rig(change(BY_CONNECTION, classify=classify))
    rig.open()
    rig.said()
    rig.send({"k": "A"})
    assert rig.said() == ["quarantined"]


def test_a_snapshot_that_goes_back_shows_nothing_by_itself() -> None:
    """It came late, of an older subscription, or the venue counts anew: the next message shows it, or it is asked for again."""
    rig = Rig(AGAIN, topics=("A",))
    rig.open()
    rig.send(snap("A", 90), delta("A", 91), delta("A", 92), delta("A", 94))
    rig.said()
    rig.send(snap("A", 90))
    assert (rig.said(), rig.state("A")) == (["snapshot A at 90"], "unproven")
    rig.send(delta("A", 91))
    assert rig.said() == ["resynced A at 91 +0", "A91"]


@pytest.mark.parametrize("rules", [AGAIN, TYPED], ids=["resubscribe", "rest"])
def test_a_snapshot_below_what_is_held_is_found_out(rules: Rules) -> None:
    """In a quiet market nothing would show it: it is asked for again."""
    rig = Rig(change(rules, verify_after=5.0), topics=("A",))
    rig.open()
    rig.send(snap("A", 90), delta("A", 91), delta("A", 95), delta("A", 96))
    rig.said()
    rig.did()
    rig.send(snap("A", 92))
    assert (rig.said(), rig.state("A")) == (["snapshot A at 92"], "unproven")
    rig.wait(5.0)
    assert len(rig.did(Call, Fetch)) == 1


@pytest.mark.parametrize("again", [False, True], ids=["a new subscription", "a new connection"])
def test_a_snapshot_without_a_number_is_followed_by_whatever_comes_next(again: bool) -> None:
    """What was missed before it is in it. One that nobody waited for says nothing of the counter."""
    rig = Rig(AGAIN, topics=("A",))
    rig.open()
    rig.send(snap("A"), delta("A", 1), delta("A", 3))
    if again:
        rig.reopen()
    rig.said()
    rig.send(snap("A"), delta("A", 10), delta("A", 11))
    assert [word for word in rig.said() if word[0] in "Ags"] == ["snapshot A at None", "A10", "A11"]
    rig.send(snap("A"), delta("A", 13))
    assert rig.said() == ["snapshot A at None", "gap A hole 11..13 healing"]


def test_a_snapshot_at_the_number_of_a_quiet_counter_heals() -> None:
    """Nothing else has come on it; once the key is live it is nothing new."""
    shared = change(AGAIN, scope=BY_CHANNEL.scope, counter=BY_CHANNEL.counter, splice=None)
    rig = Rig(shared, topics=("A",))
    rig.open()
    rig.send(snap("A", 1, c="c"), delta("A", 2, c="c"), delta("A", 4, c="c"))
    rig.said()
    rig.send(snap("A", 4, c="c"))
    assert rig.said() == ["snapshot A at None", "resynced A at None +0"]
    rig.send(snap("A", 4, c="c"))
    assert (rig.said(), rig.order.duplicates) == ([], 1)


def test_a_snapshot_that_may_be_old_shortens_no_back_off() -> None:
    """The source has failed just before; it is asked no sooner for that."""
    rig = Rig(change(TYPED, verify_after=1.0), chance=0.9)
    rig.live("A", 5)
    rig.send(delta("A", 9))
    for _ in range(3):
        rig.fail("A")
        if not rig.asked():
            rig.step()
    rig.fail("A")
    due_at = rig.engine.keys.syncs["A"].fetch_at
    rig.asked()
    rig.send(snap("A", 7))
    rig.wait(1.5)
    assert (rig.asked(), rig.state("A"), rig.engine.keys.syncs["A"].fetch_at) == ([], "unproven", due_at)
