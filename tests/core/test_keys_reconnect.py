"""`core/keys.py`: what a lost line leaves in doubt, and what proves it."""

from __future__ import annotations

import pytest

from syncstream.core.rules import Rules
from syncstream.events import Gap

from .rig import BY_CHANNEL, BY_CONNECTION, FEED, GROWING, HEALED, PLAIN, Rig, change, delta

# ---------------------------------------------------------------- reconnect


def test_the_next_message_proves_the_key() -> None:
    """No request: it goes on exactly there."""
    rig = Rig()
    rig.live("A", 5)
    rig.send(delta("A", 6))
    rig.reopen()
    assert rig.state("A") == "unproven"
    rig.said()
    rig.send(delta("A", 6), delta("A", 7))
    assert rig.said() == ["resynced A at 7 +0", "A7"]
    rig.wait(9.0)
    assert rig.asked() == []


def test_a_hole_after_a_reconnect_is_healed_at_once() -> None:
    """The time to verify is for the silent; whoever shows a hole is fetched now."""
    rig = Rig(change(HEALED, verify_after=5.0))
    rig.live("A", 5)
    rig.reopen()
    rig.said()
    rig.send(delta("A", 8))
    assert (rig.said(), rig.asked()) == (["gap A hole 5..8 healing"], ["A"])
    rig.answer("A", 7)
    assert rig.said() == ["snapshot A at 7", "A8", "resynced A at 8 +1"]


@pytest.mark.parametrize(
    ("position", "said"),
    [
        (4, []),
        (5, ["resynced A at 5 +0"]),
        (6, ["snapshot A at 6", "resynced A at 6 +0"]),
    ],
)
@pytest.mark.parametrize("rules", [HEALED, FEED, BY_CONNECTION, BY_CHANNEL])
def test_a_silent_key_is_verified(rules: Rules, position: int, said: list[str]) -> None:
    """After `verify_after`, not before. Same: nothing was missed. Newer: it replaces. Older: again."""
    rig = Rig(change(rules, verify_after=5.0))
    rig.live("A", 5)
    rig.reopen()
    rig.said()
    rig.wait(4.9)
    assert rig.asked() == []
    rig.wait(0.1)
    assert rig.asked() == ["A"]
    rig.answer("A", position)
    assert rig.said() == said
    rig.wait(9.0)
    assert rig.asked() == ([] if said else ["A"])


def test_the_snapshot_that_verified_has_to_be_joined() -> None:
    """The counter stands where the line was lost, the key where the snapshot is."""
    rig = Rig()
    rig.live("A", 5)
    rig.reopen()
    rig.wait(5.0)
    rig.answer("A", 9)
    rig.said()
    rig.send(delta("A", 9), delta("A", 10), delta("A", 12))
    assert rig.said() == ["A10", "gap A hole 10..12 healing"]


def test_a_key_that_was_verified_has_to_be_joined_too() -> None:
    """An old cache may say that nothing was missed; where the counter is new, only the key's own number shows that it lied."""
    rig = Rig(change(BY_CONNECTION, verify_after=1.0))
    rig.live("A", 5)
    rig.reopen()
    rig.wait(1.0)
    rig.answer("A", 5)
    rig.said()
    rig.send(delta("A", 1, v=9))
    assert rig.said() == ["gap A hole 5..9 healing"]


def test_an_answer_asked_for_before_the_line_was_lost_proves_nothing_after_it() -> None:
    """What was missed in between would go unnoticed as long as the key is silent."""
    rig = Rig(change(HEALED, verify_after=1.0))
    rig.live("A", 5)
    rig.reopen()
    rig.wait(1.0)
    old = rig.fetches["A"]
    rig.reopen()
    rig.said()
    rig.answer("A", 5, epoch=old)
    assert (rig.said(), rig.state("A")) == ([], "unproven")
    rig.wait(1.0)
    rig.answer("A", 6)
    assert rig.said() == ["snapshot A at 6", "resynced A at 6 +0"]


@pytest.mark.parametrize("answered", ["while closed", "after it opened"])
def test_a_snapshot_asked_for_before_the_line_was_lost_is_followed_by_another(answered: str) -> None:
    """It is applied, with what was held; what was missed after it is asked for."""
    rig = Rig()
    rig.live("A", 5)
    rig.send(delta("A", 8))
    rig.cut()
    rig.asked()
    rig.said()
    if answered == "while closed":
        rig.answer("A", 7)
    rig.redial()
    rig.open()
    if answered != "while closed":
        rig.answer("A", 7)
    assert [word for word in rig.said() if "connected" not in word] == ["snapshot A at 7", "A8"]
    assert (rig.state("A"), rig.asked()) == ("syncing", ["A"])
    rig.answer("A", 9)
    assert rig.said() == ["snapshot A at 9", "resynced A at 9 +0"]


def test_nothing_is_asked_while_no_line_is_open() -> None:
    """Deltas to join would be missing."""
    rig = Rig()
    rig.live("A", 5)
    rig.send(delta("A", 8))
    rig.fail("A")
    rig.cut()
    rig.asked()
    rig.engine.tick(rig.now + 0.4)
    rig.gather()
    assert rig.asked() == []
    rig.redial()
    rig.wait(3.0)
    assert rig.asked() == []
    rig.open()
    assert rig.asked() == ["A"]


def test_a_key_given_up_while_no_line_is_open_has_to_be_proved() -> None:
    """What is told is over; but whether the line went on is open."""
    rig = Rig(change(HEALED, fetch_attempts=1))
    rig.live("A", 5)
    rig.send(delta("A", 8))
    rig.cut()
    rig.said()
    rig.fail("A")
    assert (rig.said(), rig.state("A")) == (["gap A unhealed 5..8 told", "A8", "gap A unhealed 8..None told"], "unproven")


def test_while_another_line_is_open_nothing_is_in_doubt() -> None:
    """Only the last one leaves keys to be proved."""
    rig = Rig(HEALED, lines=2)
    rig.start()
    rig.open(0)
    rig.open(1)
    rig.live("A", 5)
    rig.cut(0)
    assert rig.state("A") == "live"
    rig.cut(1)
    assert rig.state("A") == "unproven"


def test_a_second_line_asks_for_nothing() -> None:
    """Only the first one after a loss does."""
    rig = Rig(change(HEALED, verify_after=1.0), lines=2)
    rig.live("A", 5)
    rig.cut()
    rig.redial()
    rig.open(0)
    rig.open(1)
    rig.wait(1.0)
    assert rig.asked() == ["A"]


def test_a_line_that_was_opened_after_the_last_message_of_the_other_has_not_covered_it() -> None:
    """Both may have missed something in between, so a silent key is fetched, though a line was always open."""
    rig = Rig(change(HEALED, verify_after=1.0), lines=2)
    rig.start()
    rig.open(0)
    rig.open(1)
    rig.live("A", 5)
    rig.wait(1.0)
    rig.cut(1)
    rig.wait(2.0)
    rig.open(1)
    rig.cut(0, "half-open")
    assert rig.state("A") == "unproven"
    rig.wait(1.0)
    assert rig.asked() == ["A"]


def test_without_numbers_the_time_that_no_line_covered_is_told() -> None:
    """At once: there is a line that goes on."""
    rig = Rig(PLAIN, lines=2, wall_ns=0)
    rig.start()
    rig.open(0)
    rig.open(1)
    rig.send(delta("A", 1))
    rig.cut(1)
    rig.wait(2.0)
    rig.open(1)
    rig.said()
    rig.cut(0)
    assert [word for word in rig.said() if word.startswith("gap")] == ["gap None reconnect None..None told"]


@pytest.mark.parametrize(
    "rules", [PLAIN, change(GROWING, source=False, splice=None), change(BY_CONNECTION, source=False, splice=None)]
)
def test_where_loss_cannot_be_seen_every_reconnect_is_told(rules: Rules) -> None:
    """One gap for all keys, from the last message before to the reconnect."""
    rig = Rig(rules, wall_ns=0)
    rig.live("A", 1)
    rig.live("B", 2)
    rig.wait(2.0)
    rig.cut()
    rig.said()
    rig.redial()
    rig.open()
    gaps = [item for item in rig.items if isinstance(item, Gap)]
    assert [(gap.key, gap.reason, gap.healing, gap.since_ns) for gap in gaps] == [(None, "reconnect", False, 100_000_000_000)]
    assert gaps[0].until_ns == int(rig.now * 1e9)
    rig.said()
    rig.send(delta("A", 1 if rules is PLAIN else 5, v=1))
    assert len(rig.said()) == 1


@pytest.mark.parametrize(
    "rules", [GROWING, change(BY_CONNECTION, whole=True, splice=None), change(PLAIN, source=True, whole=True)]
)
def test_where_a_message_cannot_prove_every_key_is_fetched(rules: Rules) -> None:
    """Each is told that it is being healed."""
    rig = Rig(rules)
    rig.live("A", 1)
    rig.live("B", 2)
    rig.cut()
    assert [word for word in rig.said() if word.startswith("gap")] in (
        [f"gap {key} reconnect {a}..None healing" for key, a in (("A", 1), ("B", 2))],
        [f"gap {key} reconnect None..None healing" for key in "AB"],
    )
    rig.redial()
    rig.open()
    assert rig.asked() == ["A", "B"]


def test_a_loss_before_the_first_line_was_open_is_none() -> None:
    """Nothing had been delivered."""
    rig = Rig(PLAIN)
    rig.start()
    rig.refuse()
    rig.redial()
    rig.open()
    assert [word for word in rig.said() if word.startswith("gap")] == []
