"""`core/keys.py`: what is left of a key that was given up, where it goes on from, and snapshots that stay behind it."""

from __future__ import annotations

import pytest

from syncstream.core.rules import Rules
from syncstream.errors import Severity

from .rig import BY_CONNECTION, HEALED, Rig, change, delta


def given_up(rules: Rules = HEALED, attempts: int = 1) -> Rig:
    """A is live at 10, 11 is missing, and every attempt to heal it fails."""
    rig = Rig(change(rules, fetch_attempts=attempts), chance=0.0)
    rig.live("A", 10)
    rig.send(delta("A", 12, v=12))
    for _ in range(attempts):
        rig.fail("A", "away")
        rig.tick()
    rig.asked()
    rig.said()
    return rig


# ---------------------------------------------------------------- where it goes on from


def test_a_new_key_that_is_given_up_says_what_it_holds() -> None:
    """Nothing was delivered before; all of it follows the gap."""
    rig = Rig(change(HEALED, fetch_attempts=1))
    rig.open()
    rig.send(delta("A", 1), delta("A", 2))
    rig.said()
    rig.fail("A")
    assert rig.said() == ["gap A unhealed None..1 told", "A1", "A2"]


def test_what_was_stale_when_it_was_given_up_must_be_joined() -> None:
    """The messages are that late, or count anew: one that leaves something out is a hole, though nothing is held."""
    rig = Rig(change(BY_CONNECTION, fetch_attempts=1))
    rig.live("A", 5)
    rig.send(delta("A", 8, v=5))
    rig.said()
    rig.fail("A")
    assert rig.said() == ["gap A unhealed 5..None told"]
    assert rig.engine.status(rig.now).duplicates == 1
    rig.send(delta("A", 9, v=7))
    assert rig.said() == ["gap A hole 5..7 healing"]


def test_numbers_that_go_back_among_what_is_held_are_not_left_out() -> None:
    """Of what follows the position only the beginning can be behind it: a lower number later is one that was started anew."""
    rig = Rig(change(BY_CONNECTION, fetch_attempts=1))
    rig.live("A", 5)
    rig.send(delta("A", 8, v=4), delta("A", 9, v=5), delta("A", 10, v=6), delta("A", 11, v=1), delta("A", 12, v=90))
    rig.said()
    rig.fail("A")
    assert rig.said() == ["gap A unhealed 5..6 told", "A6", "A1", "A90"]
    assert rig.engine.status(rig.now).duplicates == 2
    assert rig.engine.status(rig.now).keys["A"].held == 0


@pytest.mark.parametrize("rules", [HEALED, BY_CONNECTION])
def test_a_snapshot_older_than_what_went_on_meanwhile_is_old(rules: Rules) -> None:
    """An incomplete key has been delivered up to where it is asked for again."""
    rig = given_up(rules)
    rig.send(delta("A", 13, v=13), delta("A", 14, v=14))
    rig.wait(8.0)
    rig.said()
    assert rig.asked() == ["A"]
    rig.answer("A", 13)
    assert (rig.said(), rig.engine.status(rig.now).snapshots) == ([], 2)
    rig.wait(8.0)
    rig.answer("A", 14)
    assert rig.said() == ["snapshot A at 14", "resynced A at 14 +0"]


def test_what_was_given_up_does_not_count_as_healed() -> None:
    """Its gap was told, and stays told, though a snapshot comes in the end."""
    rig = given_up()
    rig.wait(8.0)
    rig.answer("A", 12)
    status = rig.engine.status(rig.now)
    assert (status.gaps, status.healed, status.unhealed, status.keys["A"].state) == (1, 0, 1, "live")


@pytest.mark.parametrize("answered", [False, True])
def test_one_failure_lets_go_what_an_incomplete_key_holds(answered: bool) -> None:
    """The source was away for all its attempts already; but one that answers too old a snapshot is there, and gets them all."""
    rig = given_up(attempts=3)
    rig.wait(8.0)
    rig.send(delta("A", 13))
    assert rig.said() == []
    if answered:
        rig.answer("A", 11)
    else:
        rig.fail("A", "away")
    assert rig.said() == ([] if answered else ["A13"])


def test_a_snapshot_in_the_stream_makes_it_complete() -> None:
    """Nothing is asked for any more."""
    rig = given_up()
    rig.keys.in_band(rig.keys.syncs["A"], 20, {}, rig.now, 0)
    rig.wait(20.0)
    assert (rig.asked(), rig.engine.status(rig.now).keys["A"].state) == ([], "live")


# ---------------------------------------------------------------- trouble that is none, and trouble that is


def test_passing_trouble_at_the_start_does_not_end_the_stream() -> None:
    """However often, within the attempts: only what is final is."""
    rig = Rig(change(HEALED, fetch_attempts=8), chance=0.0)
    rig.open()
    rig.send(delta("A", 1))
    for _ in range(4):
        rig.fail("A", "away")
        rig.tick()
    assert rig.failure() is None
    rig.answer("A", 1)
    assert rig.state("A") == "live"


def test_what_is_final_at_the_start_may_pass_later() -> None:
    """A source that has worked is asked again."""
    rig = Rig(change(HEALED, fetch_attempts=8), chance=0.0)
    rig.live("A", 5)
    rig.send(delta("A", 8))
    for _ in range(4):
        rig.fail("A", "no such page", severity=Severity.FATAL)
        rig.tick()
    assert rig.failure() is None


# ---------------------------------------------------------------- snapshots that stay behind


def behind(*versions: int) -> Rig:
    """A, counted with its connection, is live at 100 and in doubt, and holds these."""
    rig = Rig(change(BY_CONNECTION, fetch_attempts=100), chance=0.0)
    rig.live("A", 100)
    rig.send(*(delta("A", 200 + index, v=version) for index, version in enumerate(versions)))
    rig.said()
    return rig


def test_a_copy_of_the_last_message_is_behind_too() -> None:
    """It is no sign that the numbers go on."""
    rig = behind(100)
    for wait in (0.0, 1.0, 1.5):
        rig.wait(wait)
        rig.tick()
        rig.answer("A", 3)
    assert rig.said() == ["gap A restart 100..3 healing", "snapshot A at 3", "resynced A at 3 +0"]


def test_two_snapshots_that_are_behind_are_not_enough() -> None:
    """However far they are from each other."""
    rig = behind(100)
    rig.answer("A", 3)
    rig.wait(9.0)
    rig.answer("A", 3)
    assert rig.said() == []
    rig.tick()
    rig.answer("A", 3)
    assert rig.said()[:1] == ["gap A restart 100..3 healing"]


def test_after_such_a_restart_the_numbers_of_the_key_are_counted_anew() -> None:
    """What follows the snapshot is below what came before it, and no second restart."""
    rig = behind(100)
    for wait in (0.0, 1.0, 1.5):
        rig.wait(wait)
        rig.tick()
        rig.answer("A", 3)
    rig.said()
    for version in (4, 5, 6, 7):
        rig.send(delta("A", 297 + version, v=version))
        rig.wait(1.0)
    assert [word for word in rig.said() if word.startswith("gap A restart")] == []


def test_what_went_backwards_before_a_topic_was_left_is_no_witness() -> None:
    """Its counter began anew, though it stands where it stood: snapshots alone may be a stale cache."""
    rig = Rig(change(HEALED, fetch_attempts=100, resync_interval=0.0), chance=0.0)
    rig.live("A", 10)
    rig.send(delta("A", 7))
    rig.engine.unsubscribe(["A"], [], rig.now)
    rig.engine.subscribe(["A"], [], rig.now)
    rig.live("A", 10)
    rig.drop("A")
    rig.relieve()
    rig.said()
    for _ in range(9):
        rig.answer("A", 8)
        rig.wait(1.0)
        rig.tick()
    assert rig.said() == []
