"""`core/keys.py`: a key whose source was given up, and how it is healed after all."""

from __future__ import annotations

from syncstream.core.rules import Rules
from syncstream.errors import Severity

from .rig import BY_CHANNEL, HEALED, WHOLE, Rig, change, delta, run_of


def given_up(rules: Rules = HEALED) -> Rig:
    """A is live at 10, 11 is missing, and the one attempt to heal it fails."""
    rig = Rig(change(rules, fetch_attempts=1), chance=0.0)
    rig.live("A", 10)
    rig.send(delta("A", 12))
    rig.fail("A", "away")
    rig.asked()
    return rig


def test_what_was_given_up_is_told_and_called_incomplete() -> None:
    """The gap is told, what was held is delivered, and nobody calls the key live."""
    rig = given_up()
    rig.send(delta("A", 13))
    assert rig.said() == ["gap A hole 10..12 healing", "gap A unhealed 10..12 told", "A12", "A13"]
    assert rig.engine.status(rig.now).keys["A"].state == "incomplete"
    assert rig.engine.status(rig.now).state == "syncing"


def test_a_given_up_key_is_asked_for_again_and_healed() -> None:
    """At the longest wait of the policy; what comes meanwhile is held, and follows the snapshot."""
    rig = given_up()
    rig.said()
    rig.wait(7.9)
    assert rig.asked() == []
    rig.wait(0.1)
    assert rig.asked() == ["A"]
    rig.send(delta("A", 13))
    assert rig.said() == []
    rig.answer("A", 12)
    rig.send(delta("A", 14))
    assert rig.said() == ["snapshot A at 12", "A13", "resynced A at 13 +1", "A14"]
    assert rig.engine.status(rig.now).keys["A"].state == "live"


def test_a_hole_that_its_healing_left_is_told_when_that_is_given_up_too() -> None:
    """What is held beyond the snapshot does not go on from it, though it did go on from what was delivered before."""
    rig = given_up()
    rig.wait(8.0)
    rig.send(delta("A", 13), delta("A", 15))
    rig.said()
    rig.answer("A", 12)
    rig.fail("A")
    assert rig.said() == ["snapshot A at 12", "A13", "gap A unhealed 13..15 told", "A15"]


def test_a_source_that_stays_away_delays_nothing_for_long() -> None:
    """One failure lets go what was held, with no new gap where none is, and the next request waits again."""
    rig = given_up()
    rig.wait(8.0)
    rig.said()
    rig.send(*run_of("A", 13, 14))
    rig.fail("A", "still away", severity=Severity.FATAL)
    assert rig.said() == ["A13", "A14"]
    assert rig.asked() == ["A"]
    rig.wait(7.9)
    assert rig.asked() == []
    rig.wait(0.1)
    assert rig.asked() == ["A"]


def test_a_hole_in_what_is_held_again_is_told() -> None:
    """Giving up once more tells just the holes that are new."""
    rig = given_up()
    rig.wait(8.0)
    rig.said()
    rig.send(delta("A", 13), delta("A", 15))
    rig.fail("A", "still away")
    assert rig.said() == ["gap A hole 13..15 healing", "A13", "gap A unhealed 13..15 told", "A15"]


def test_a_new_hole_asks_at_once() -> None:
    """An incomplete key is doubted like any other, and one failure is enough to let go."""
    rig = given_up(change(HEALED, fetch_attempts=1))
    rig.said()
    rig.asked()
    rig.send(delta("A", 20))
    assert rig.asked() == ["A"]
    rig.fail("A", "still away")
    assert rig.said() == ["gap A hole 12..20 healing", "gap A unhealed 12..20 told", "A20"]


def test_an_answer_that_is_too_old_is_asked_again_soon() -> None:
    """The source is back but behind: now what is held must wait for a newer answer, within the usual attempts."""
    rig = Rig(change(HEALED, fetch_attempts=3), chance=0.0)
    rig.live("A", 10)
    rig.send(delta("A", 12))
    for _ in range(3):
        rig.fail("A", "away")
        rig.wait(0.0)
    rig.wait(8.0)
    rig.send(delta("A", 13))
    rig.said()
    rig.answer("A", 11)
    rig.wait(0.0)
    assert rig.said() == []
    rig.answer("A", 12)
    assert rig.said() == ["snapshot A at 12", "A13", "resynced A at 13 +1"]


def test_a_reconnect_does_not_make_it_complete() -> None:
    """Going on without a hole proves that nothing more is missing, not that nothing is."""
    rig = given_up()
    rig.said()
    rig.reopen()
    rig.send(delta("A", 13))
    assert "A13" in rig.said()
    assert rig.engine.status(rig.now).keys["A"].state == "incomplete"
    rig.wait(8.0)
    rig.answer("A", 13)
    assert rig.engine.status(rig.now).keys["A"].state == "live"


def test_snapshots_without_a_position_heal_it_too() -> None:
    """`whole` snapshots replace the state; what was held since the request follows."""
    rig = given_up(WHOLE)
    rig.said()
    rig.wait(8.0)
    rig.send(delta("A", 13))
    rig.answer("A", None)
    assert [word for word in rig.said() if not word.startswith("resynced")] == ["snapshot A at None", "A13"]


def late_versions() -> Rig:
    """A was given up at version 12, and an old version before it was thrown away: what comes next has to join."""
    rig = Rig(change(BY_CHANNEL, fetch_attempts=1), chance=0.0)
    rig.open()
    rig.send(delta("A", 1, v=10, c="x"))
    rig.answer("A", 10)
    rig.send(delta("A", 3, v=5, c="x"), delta("A", 4, v=12, c="x"))
    rig.fail("A", "away")
    assert rig.said()[-2:] == ["gap A unhealed 10..12 told", "A12"]
    rig.wait(8.0)
    assert rig.asked()[-1:] == ["A"]
    return rig


def test_what_has_to_join_still_has_to_after_the_source_was_asked_again_in_vain() -> None:
    """Nothing came meanwhile: the next message shows whether something is missing."""
    rig = late_versions()
    rig.fail("A", "still away")
    assert rig.said() == []
    rig.send(delta("A", 5, v=14, c="x"))
    assert rig.said()[0] == "gap A hole 12..14 healing"


def test_what_is_held_meanwhile_has_to_join_too() -> None:
    """The counter goes on without a hole, the versions do not."""
    rig = late_versions()
    rig.send(delta("A", 5, v=14, c="x"))
    rig.fail("A", "still away")
    assert rig.said() == ["gap A unhealed 12..14 told", "A14"]


def test_what_joins_is_delivered_without_a_word() -> None:
    """The next version goes on from what was delivered before."""
    rig = late_versions()
    rig.send(delta("A", 5, v=13, c="x"))
    rig.fail("A", "still away")
    assert rig.said() == ["A13"]
