"""`core/keys.py`: a key that has been silent for too long, and one whose next message somebody waits for."""

from __future__ import annotations

from typing import Any, Hashable

import pytest

from syncstream.core.rules import Rules
from syncstream.events import Gap

from .rig import BY_CONNECTION, HEALED, NUMBERED, PLAIN, WHOLE, Rig, change, delta, run_of

UNTOLD = change(WHOLE, rule=None, first=None, last=None)
"""Snapshots, and nothing that a message could be known by."""


def live(rules: Rules, **fields: Any) -> Rig:
    """`A` is live, and so far that the hot path may deliver it, if it ever may."""
    rig = Rig(change(rules, verify_after=4.0, **fields))
    rig.live("A", 5)
    rig.send(delta("A", 6, v=6))
    rig.said()
    return rig


# ---------------------------------------------------------------- silent for too long


def test_a_silent_key_is_proved_by_its_next_message() -> None:
    """It goes on from where it was: nothing was missed, and nothing need be asked for."""
    rig = live(HEALED)
    rig.keys.quieted("A", rig.now, again=False)
    assert (rig.state("A"), rig.keys.plain, rig.said()) == ("unproven", {}, [])
    rig.wait(3.9)
    rig.send(delta("A", 7))
    assert rig.said() == ["resynced A at 7 +0", "A7"]
    rig.wait(10.0)
    assert (rig.state("A"), rig.asked()) == ("live", [])


def test_a_silent_key_shows_its_hole() -> None:
    """The first message does not go on from where it was."""
    rig = live(HEALED)
    rig.keys.quieted("A", rig.now, again=False)
    rig.send(delta("A", 9))
    assert (rig.said(), rig.state("A")) == (["gap A hole 6..9 healing"], "syncing")


def test_a_key_that_stays_silent_is_fetched() -> None:
    """After `verify_after`, not before; it may have been subscribed again, so what it misses may still come."""
    rig = live(HEALED)
    rig.keys.quieted("A", rig.now, again=True)
    rig.wait(3.9)
    assert rig.asked() == []
    rig.wait(0.1)
    assert rig.asked() == ["A"]
    rig.answer("A", 8)
    assert rig.said() == ["snapshot A at 8", "resynced A at 8 +0"]


def test_without_a_source_it_waits_for_its_next_message() -> None:
    """Nothing is told before that shows whether anything was missed."""
    rig = live(NUMBERED)
    rig.keys.quieted("A", rig.now, again=True)
    rig.wait(3600.0)
    assert (rig.state("A"), rig.said(), rig.asked()) == ("unproven", [], [])
    rig.send(delta("A", 8))
    assert (rig.state("A"), rig.said()) == ("live", ["gap A hole 6..8 told", "A8"])


@pytest.mark.parametrize("again", [True, False])
def test_where_no_message_can_prove_it_the_state_is_replaced(again: bool) -> None:
    """Its messages have no numbers: it is in doubt at once, what comes is held, and it is fetched after `verify_after`."""
    rig = live(UNTOLD)
    rig.keys.quieted("A", rig.now, again=again)
    assert (rig.state("A"), rig.said()) == ("syncing", ["gap A quiet None..None healing"])
    rig.send(delta("A", 7))
    rig.wait(3.9)
    assert rig.asked() == []
    rig.wait(0.1)
    assert rig.asked() == ["A"]
    rig.answer("A", None)
    rig.send(delta("A", 8))
    assert rig.said() == ["snapshot A at None", "resynced A at None +0", "A8"]


def test_where_the_connection_counts_a_key_is_proved_by_its_own_versions() -> None:
    """That the connection goes on proves nothing of one key; its next message joins, or shows the hole."""
    rig = live(BY_CONNECTION)
    rig.keys.quieted("A", rig.now, again=False)
    rig.send(delta("B", 7, v=1))
    assert rig.state("A") == "unproven"
    rig.send(delta("A", 8, v=7))
    assert rig.said() == ["resynced A at 7 +0", "A7"]
    rig.keys.quieted("A", rig.now, again=False)
    rig.send(delta("A", 9, v=9))
    assert rig.said() == ["gap A hole 7..9 healing"]


def test_where_the_connection_counts_and_nothing_else_the_state_is_replaced() -> None:
    """Its messages have no numbers of their own."""
    rig = live(change(BY_CONNECTION, whole=True, splice=None, splice_first=None, splice_last=None))
    rig.keys.quieted("A", rig.now, again=False)
    assert (rig.state("A"), rig.said()) == ("syncing", ["gap A quiet None..None healing"])


@pytest.mark.parametrize(("again", "told"), [(True, ["gap A quiet None..None told"]), (False, [])])
def test_where_nothing_can_be_done_only_what_was_done_is_told(again: bool, told: list[str]) -> None:
    """No numbers and no snapshots: a new subscription may have lost something, silence alone has not."""
    rig = live(PLAIN)
    rig.keys.quieted("A", rig.now, again=again)
    assert (rig.state("A"), rig.said()) == ("live", told)


def test_a_key_that_is_being_healed_is_left_to_that() -> None:
    """The doubt that it is in stands, with its request."""
    rig = live(HEALED)
    rig.send(delta("A", 9))
    assert (rig.said(), rig.asked()) == (["gap A hole 6..9 healing"], ["A"])
    rig.keys.quieted("A", rig.now, again=True)
    rig.wait(5.0)
    assert (rig.state("A"), rig.said(), rig.asked()) == ("syncing", [], [])
    rig.answer("A", 8)
    assert rig.said() == ["snapshot A at 8", "A9", "resynced A at 9 +1"]


def test_a_key_that_was_left_is_not_missed() -> None:
    """Nothing is wanted of it, so nothing is made of its silence."""
    rig = live(HEALED)
    rig.keys.unsubscribed("A")
    rig.keys.quieted("A", rig.now, again=True)
    assert (rig.keys.syncs, rig.said()) == ({}, [])


# ---------------------------------------------------------------- the next message


@pytest.mark.parametrize(("watched", "slow"), [("A", {"A"}), ("C", set()), (None, {"A", "B"})])
def test_the_next_message_of_a_watched_key_is_noticed(watched: Hashable, slow: set[Hashable]) -> None:
    """It goes the slow way, of one key or of all; the one after it may go the fast way again. Nothing is missed or doubled."""
    rig = Rig(NUMBERED)
    rig.open()
    rig.send(delta("A", 5), delta("B", 5))
    rig.said()
    rig.keys.watch(watched)
    assert {"A", "B"} - rig.keys.plain.keys() == slow
    rig.send(*run_of("A", 6, 7), *run_of("B", 6, 7))
    assert rig.said() == ["A6", "A7", "B6", "B7"]
    assert set(rig.keys.plain) == {"A", "B"}


def test_the_gap_of_a_silence_has_no_beginning() -> None:
    """Nobody knows when it began; it ends at the moment it is told."""
    rig = live(UNTOLD)
    rig.keys.quieted("A", rig.now, again=False)
    rig.gather()
    (gap,) = (item for item in rig.items if isinstance(item, Gap))
    assert (gap.since_ns, gap.until_ns, gap.missing) == (None, rig.keys.wall(rig.now), None)
