"""`core/keys.py`: a consumer that is too slow, topics that are left, and the end."""

from __future__ import annotations

import pytest

from syncstream.core.rules import Rules
from syncstream.events import KeyStatus

from .rig import BY_CONNECTION, HEALED, NUMBERED, PLAIN, TYPED, Rig, change, delta, run_of, snap

# ---------------------------------------------------------------- the bytes of what is delivered


def test_messages_and_snapshots_have_the_bytes_they_came_with() -> None:
    """Delivered at once, replayed, or as a snapshot over the line; markers have none."""
    rig = Rig(TYPED, sized=True)
    rig.open()
    rig.send(delta("A", 100), delta("A", 1000))
    rig.said()
    rig.sizes.clear()
    rig.answer("A", 999)
    rig.send(delta("A", 1001), snap("A", 2000), delta("A", 2001))  # what joins a snapshot is not plain
    assert rig.said() == ["snapshot A at 999", "A1000", "resynced A at 1000 +1", "A1001", "snapshot A at 2000", "A2001"]
    assert rig.sizes == [0, 18, 0, 18, 29, 18]


# ---------------------------------------------------------------- a slow consumer


def test_what_the_consumer_did_not_take_is_healed_when_it_has_caught_up() -> None:
    """Meanwhile nothing of the key is delivered, held or asked for; its counter goes on."""
    rig = Rig(change(HEALED, resync_interval=0.0))
    rig.live("A", 5)
    rig.send(delta("A", 6))
    rig.said()
    rig.drop("A", "unknown")
    rig.send(delta("A", 7), delta("A", 9))
    assert (rig.said(), rig.asked(), rig.keys.held) == (["gap A drop 6..None healing"], [], 0)
    rig.drop("A")
    rig.relieve()
    rig.send(delta("A", 10))
    assert (rig.said(), rig.asked()) == ([], ["A"])
    rig.answer("A", 9)
    assert rig.said() == ["snapshot A at 9", "A10", "resynced A at 10 +1"]
    assert rig.engine.status(rig.now).healed == 1


def test_a_key_is_healed_at_most_once_per_interval() -> None:
    """A consumer that is always behind does not hammer the source."""
    rig = Rig(change(HEALED, resync_interval=10.0))
    rig.live("A", 5)
    rig.wait(3.0)
    rig.drop("A")
    rig.relieve()
    rig.wait(6.9)
    assert rig.asked() == []
    rig.wait(0.1)
    assert rig.asked() == ["A"]
    rig.answer("A", 7)
    rig.wait(20.0)
    rig.drop("A")
    rig.relieve()
    assert rig.asked() == ["A"]


def test_a_key_that_was_never_complete_can_be_dropped_too() -> None:
    """It was never healed: there is no interval to keep."""
    rig = Rig(change(HEALED, resync_interval=60.0))
    rig.open()
    rig.send(delta("A", 5))
    rig.drop("A")
    rig.asked()
    rig.relieve()
    assert rig.asked() == ["A"]


def test_a_drop_throws_away_what_is_held_and_asked_for() -> None:
    """The answer would come to a consumer that is still behind."""
    rig = Rig()
    rig.live("A", 5)
    rig.send(delta("A", 8))
    rig.said()
    rig.drop("A")
    assert (rig.keys.held, rig.state("A")) == (0, "dropped")
    rig.answer("A", 8)
    assert (rig.said(), rig.engine.status(rig.now).late_answers) == (["gap A drop 5..None healing"], 1)


def test_a_snapshot_older_than_what_was_dropped_is_old() -> None:
    """It would go back behind what the queue held."""
    rig = Rig(change(HEALED, resync_interval=0.0))
    rig.live("A", 5)
    rig.send(*run_of("A", 6, 9))
    rig.drop("A")
    rig.relieve()
    rig.said()
    rig.answer("A", 8)
    assert (rig.said(), rig.state("A")) == ([], "syncing")


@pytest.mark.parametrize("rules", [NUMBERED, PLAIN])
def test_a_drop_that_nothing_can_heal_changes_nothing(rules: Rules) -> None:
    """The queue has told it; the key goes on."""
    rig = Rig(rules)
    rig.live("A", 5)
    rig.drop("A")
    rig.send(delta("A", 6))
    assert rig.said() == ["A6"]


def test_dropped_through_a_reconnect() -> None:
    """It stays dropped, and is healed afterwards."""
    rig = Rig(change(HEALED, resync_interval=0.0))
    rig.live("A", 5)
    rig.drop("A")
    rig.reopen()
    rig.wait(10.0)
    assert (rig.state("A"), rig.asked()) == ("dropped", [])
    rig.relieve()
    assert rig.asked() == ["A"]


def test_relieved_of_a_key_that_was_left_meanwhile() -> None:
    """There is nothing to heal."""
    rig = Rig()
    rig.live("A", 5)
    rig.live("B", 5)
    rig.drop("A", "B")
    rig.engine.unsubscribe(["A"], [], rig.now)
    rig.send(snap("B", 9))
    rig.relieve()
    rig.wait(10.0)
    assert "A" not in rig.asked()


@pytest.mark.parametrize("rules", [HEALED, BY_CONNECTION])
def test_each_of_the_keys_is_dropped(rules: Rules) -> None:
    """Whatever stands before it that is not known any more, and whether or not it has a counter of its own."""
    rig = Rig(rules)
    rig.live("A", 5)
    rig.drop("unknown", "A")
    assert (rig.said(), rig.state("A")) == (["gap A drop 5..None healing"], "dropped")


def test_what_was_healed_is_not_healed_again() -> None:
    """A consumer that catches up a second time has missed nothing in between."""
    rig = Rig(change(HEALED, resync_interval=0.0))
    rig.live("A", 5)
    rig.drop("A")
    rig.relieve()
    rig.answer("A", 6)
    rig.asked()
    rig.relieve()
    rig.tick()
    assert (rig.asked(), rig.state("A")) == ([], "live")


# ---------------------------------------------------------------- left topics, the end


def test_a_key_that_is_not_wanted_any_more() -> None:
    """What it holds goes, and its counter; a late answer and late messages change nothing."""
    rig = Rig()
    rig.live("A", 5)
    rig.send(delta("A", 8))
    rig.said()
    rig.engine.unsubscribe(["A"], [], rig.now)
    rig.answer("A", 8)
    rig.send(delta("A", 9), delta("A", 12))
    rig.engine.unsubscribe(["A", "never seen"], [], rig.now)
    status = rig.engine.status(rig.now)
    assert (rig.said(), status.held, status.late_answers, status.keys) == ([], 0, 1, {})
    assert rig.order.counters == {}


def test_subscribing_a_syncing_key_does_nothing() -> None:
    """It is wanted already."""
    rig = Rig()
    rig.open()
    rig.send(delta("A", 5))
    rig.engine.subscribe(["A"], [], rig.now)
    assert (rig.asked(), rig.keys.held) == (["A"], 1)
    rig.answer("A", 4)
    assert rig.said()[1:] == ["snapshot A at 4", "A5", "resynced A at 5 +1"]


def test_subscribing_again_begins_with_a_snapshot() -> None:
    """Its old state is of no use."""
    rig = Rig()
    rig.live("A", 5)
    rig.engine.unsubscribe(["A"], [], rig.now)
    rig.engine.subscribe(["A"], [], rig.now)
    rig.send(delta("A", 3))
    assert rig.asked() == ["A"]
    rig.answer("A", 2)
    assert rig.said() == ["snapshot A at 2", "A3", "resynced A at 3 +1"]


def test_after_the_end_nothing_is_held_or_due() -> None:
    """Requests on their way come late."""
    rig = Rig()
    rig.live("A", 5)
    rig.send(delta("A", 8), delta("B", 1))
    rig.drop("A")
    rig.fail("B")
    rig.send(delta("C", 1))
    rig.engine.close(rig.now)
    assert (rig.keys.held, rig.keys.fetches.deadline(asking=True), rig.keys.dropped_keys) == (0, None, {})
    rig.said()
    rig.answer("C", 1)
    rig.fail("C")
    rig.drop("C")
    rig.relieve()
    assert (rig.said(), rig.engine.status(rig.now).late_answers) == ([], 2)


def test_the_hot_path_knows_nothing_of_a_key_that_was_left() -> None:
    """Nor is anything of it the latest."""
    rig = Rig()
    rig.live("A", 5)
    rig.send(delta("A", 6))
    rig.said()
    rig.engine.unsubscribe(["A"], [], rig.now)
    assert (rig.keys.plain, rig.keys.latest) == ({}, {})
    rig.send(delta("A", 7))
    assert rig.said() == []


def test_after_the_end_the_hot_path_knows_no_key_and_no_key_holds_anything() -> None:
    """What came before it stays readable."""
    rig = Rig()
    rig.live("A", 5)
    rig.live("B", 5)
    rig.send(delta("A", 6), delta("B", 9))
    rig.engine.close(rig.now)
    assert (rig.keys.plain, rig.keys.syncs["B"].segments) == ({}, [])
    assert rig.keys.latest["A"] == delta("A", 6)


@pytest.mark.parametrize("rules", [HEALED, BY_CONNECTION])
def test_the_status_of_each_key(rules: Rules) -> None:
    """Where it stands, whether it is complete, and what it holds; with a counter of its own or without."""
    rig = Rig(rules)
    rig.live("A", 5)
    assert rig.keys.status() == {"A": KeyStatus(state="live", position=5, gaps=0, healed=0, held=0)}
    rig.send(delta("A", 9, v=9))
    assert rig.keys.status() == {"A": KeyStatus(state="syncing", position=5, gaps=1, healed=0, held=1)}


def test_of_keys_that_were_left_only_so_many_are_remembered() -> None:
    """Of one that was left long ago nothing is on its way any more."""
    rig = Rig(change(HEALED, max_keys=2))
    rig.open()
    rig.engine.unsubscribe(["A", "B", "C"], [], rig.now)
    assert len(rig.keys.muted) == 2
