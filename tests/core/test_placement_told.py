"""`core/placement.py`: what is counted and told of each message and each doubt, and what a doubt does with a request."""

from __future__ import annotations

import pytest

from syncstream.core.keys import Keys
from syncstream.core.rules import Rules, Scope
from syncstream.events import Gap, Resynced

from .rig import AGAIN, BY_CHANNEL, BY_CONNECTION, HEALED, NUMBERED, PLAIN, Rig, change, delta, run_of, snap

LINE_ONLY = change(NUMBERED, scope=Scope.CONNECTION)
"""One counter over everything, and no numbers of a key's own."""


# ---------------------------------------------------------------- the figures


def test_each_message_counts_as_what_became_of_it() -> None:
    """Delivered, or below the snapshot; what is held counts when it is delivered."""
    rig = Rig(BY_CONNECTION)
    rig.live("A", 5)
    rig.send(delta("A", 6, v=4), delta("A", 7, v=5), delta("A", 8, v=6), delta("A", 9, v=7), delta("A", 10, v=8))
    rig.send(delta("A", 12, v=12))
    status = rig.engine.status(rig.now)
    assert rig.said() == ["A6", "A7", "A8", "gap A hole 10..12 healing"]
    assert (status.messages, status.duplicates, status.held) == (3, 2, 1)


def test_each_doubt_counts_until_it_is_healed() -> None:
    """Of the key and of the stream: two at once are healed at once, and no doubt is healed twice."""
    rig = Rig(HEALED)
    rig.live("A", 5)
    rig.send(delta("A", 9))
    rig.send(delta("A", 12))
    status = rig.engine.status(rig.now)
    assert (status.gaps, status.healed, status.unhealed) == (2, 0, 0)
    rig.answer("A", 12)
    rig.send(delta("A", 20))
    rig.answer("A", 20)
    status = rig.engine.status(rig.now)
    assert (status.gaps, status.healed, status.unhealed) == (3, 3, 0)
    assert (status.keys["A"].gaps, status.keys["A"].healed) == (3, 3)


def test_what_nothing_can_heal_counts_as_that() -> None:
    """It is told, and the key goes on."""
    rig = Rig(NUMBERED)
    rig.live("A", 5)
    rig.send(delta("A", 9), delta("A", 20))
    status = rig.engine.status(rig.now)
    assert (status.gaps, status.healed, status.unhealed, status.keys["A"].gaps) == (2, 0, 2, 2)


@pytest.mark.parametrize("sized", [True, False])
def test_bytes_are_kept_where_they_are_wanted(sized: bool) -> None:
    """Nobody would take them elsewhere."""
    rig = Rig(NUMBERED, sized=sized)
    rig.open()
    rig.send(delta("A", 1))
    assert rig.engine.keys.sizes == ([] if sized else None)


def test_too_much_is_more_than_either_bound() -> None:
    """Together with what waits in windows; as much as the bound is not too much."""
    keys = Keys(change(HEALED, hold_limit=3, hold_bytes=100), wall_ns=0)
    keys.held, keys.held_bytes = 2, 60
    assert [keys.overfull(early, size) for early, size in ((0, 0), (1, 40), (2, 0), (0, 41))] == [False, False, True, True]


# ---------------------------------------------------------------- what the markers say


def test_a_gap_and_its_end_say_when_and_how_much() -> None:
    """Wall clock, positions, how many are missing, what was replayed, and how long it took."""
    rig = Rig(HEALED, wall_ns=1_000)
    rig.live("A", 5)
    rig.send(delta("A", 9))
    at_ns = rig.keys.wall(rig.now)
    assert rig.items == [
        Gap(key="A", at_ns=at_ns, reason="hole", after=5, before=9, missing=3, healing=True, since_ns=None, until_ns=at_ns)
    ]
    rig.wait(2.5)
    rig.answer("A", 8)
    assert rig.items[-1] == Resynced(key="A", at_ns=rig.keys.wall(rig.now), position=9, replayed=1, seconds=2.5)


def test_where_a_key_stands() -> None:
    """At the snapshot that nothing has joined, at what was delivered last, and in a doubt at what was delivered before it."""
    rig = Rig(HEALED)
    rig.open()
    rig.send(delta("A", 5))
    rig.answer("A", 9)
    assert rig.engine.status(rig.now).keys["A"].position == 9
    rig = Rig(HEALED)
    rig.live("A", 5)
    rig.send(delta("A", 6))
    assert rig.engine.status(rig.now).keys["A"].position == 6
    rig.send(delta("A", 15))
    assert rig.engine.status(rig.now).keys["A"].position == 6


# ---------------------------------------------------------------- which keys are plain


@pytest.mark.parametrize(
    ("rules", "plain"), [(PLAIN, True), (NUMBERED, True), (LINE_ONLY, True), (BY_CONNECTION, False), (BY_CHANNEL, False)]
)
def test_a_key_is_plain_unless_it_has_a_numbering_besides_its_counters(rules: Rules, plain: bool) -> None:
    """Without numbers there is no counter to look at."""
    rig = Rig(rules)
    rig.live("A", 5)
    rig.send(delta("A", 6, v=6, c="c"))
    assert list(rig.keys.plain) == (["A"] if plain else [])


def test_what_goes_on_from_a_message_need_not_join_the_snapshot_again() -> None:
    """Once one has: the key's numbers are looked at to see them start anew, no more."""
    rig = Rig(BY_CONNECTION)
    rig.live("A", 5)
    for number in (6, 7, 8):
        rig.send(delta("A", number, v=number))
    assert (rig.said(), rig.state("A")) == (["A6", "A7", "A8"], "live")


# ---------------------------------------------------------------- what a doubt does with a request


def test_numbers_of_a_keys_own_counter_start_anew_once() -> None:
    """Nobody else counts them: what stays below the old ones is no second restart."""
    rig = Rig(change(HEALED, restart_after=3), lines=2)
    rig.start()
    rig.open(0)
    rig.send(delta("A", 500))
    rig.answer("A", 500)
    rig.send(delta("A", 501))
    rig.send(*run_of("A", 1, 5))
    rig.answer("A", 5)
    rig.said()
    for number in range(6, 16):
        rig.send(delta("A", number))
    assert rig.said() == [f"A{number}" for number in range(6, 16)]


def test_a_restart_lets_go_of_what_counts_in_the_old_numbers() -> None:
    """What is held, and what was asked for."""
    rig = Rig(change(HEALED, restart_after=3))
    rig.live("A", 500)
    rig.send(delta("A", 502))
    old = rig.fetches["A"]
    rig.send(*run_of("A", 1, 4))
    assert (rig.keys.held, rig.fetches["A"] != old) == (1, True)
    rig.said()
    rig.answer("A", 501, epoch=old)
    assert (rig.said(), rig.engine.status(rig.now).late_answers) == ([], 1)


def test_a_key_that_is_proved_needs_no_answer_any_more() -> None:
    """What was asked for is late, and its failures do not lengthen the next wait."""
    rig = Rig(change(HEALED, verify_after=1.0), chance=1.0)
    rig.live("A", 5)
    rig.reopen()
    rig.wait(1.0)
    rig.fail("A")
    rig.wait(1.0)
    old = rig.fetches["A"]
    rig.send(delta("A", 6))
    rig.said()
    rig.answer("A", 9, epoch=old)
    assert (rig.said(), rig.engine.status(rig.now).late_answers) == ([], 1)
    rig.send(delta("A", 9))
    rig.asked()
    rig.fail("A")
    rig.wait(1.0)
    assert rig.asked() == ["A"]


def test_what_was_asked_for_on_a_lost_line_proves_nothing_on_the_next() -> None:
    """A key that was complete is asked for again, in its time."""
    rig = Rig(change(HEALED, verify_after=1.0))
    rig.live("A", 5)
    rig.reopen()
    rig.wait(1.0)
    old = rig.fetches["A"]
    rig.reopen()
    rig.said()
    rig.answer("A", 5, epoch=old)
    assert (rig.said(), rig.state("A")) == ([], "unproven")


def test_what_was_asked_for_on_a_lost_line_heals_what_was_held_on_it() -> None:
    """What comes on the next one is held apart: what was missed between the two is asked for."""
    rig = Rig(HEALED)
    rig.live("A", 5)
    rig.send(delta("A", 8))
    rig.reopen()
    rig.said()
    rig.answer("A", 7)
    assert (rig.said(), rig.state("A")) == (["snapshot A at 7", "A8"], "syncing")


@pytest.mark.parametrize(("rules", "under_way"), [(AGAIN, 0), (HEALED, 1)])
def test_a_lost_line_takes_along_what_was_asked_on_it(rules: Rules, under_way: int) -> None:
    """Its place is free; what was asked elsewhere still comes, and has its place until then."""
    rig = Rig(change(rules, verify_after=1.0), topics=("A",))
    rig.live("A", 5) if rules is HEALED else rig.open()
    rig.send(snap("A", 6), delta("A", 7), delta("A", 9))
    if rules is HEALED:
        rig.keys.unsubscribed("A")
    rig.cut()
    assert rig.keys.fetches.under_way == under_way


def test_what_waits_to_be_asked_again_on_a_line_is_not_hurried_when_that_is_lost() -> None:
    """It is not under way, so nothing of it is over."""
    rig = Rig(AGAIN, topics=("A",))
    rig.open()
    rig.send(snap("A", 6), delta("A", 9))
    rig.wait(4.0)
    at = rig.keys.syncs["A"].fetch_at
    assert at is not None
    assert at > rig.now
    rig.cut()
    assert rig.keys.syncs["A"].fetch_at == at


def test_before_the_first_line_nothing_was_lost() -> None:
    """No gap is told for all."""
    rig = Rig(PLAIN)
    rig.open()
    rig.send(delta("A", 5))
    assert rig.said() == ["connected 0 attempt 1", "A5"]


def test_what_is_missing_of_nobody_knows_which_key_counts_where_no_source_begins_them() -> None:
    """It is told of the key that is named, or of all."""
    for rules, counted in ((NUMBERED, 1), (HEALED, 0)):
        keys = Keys(rules, wall_ns=0)
        keys.missed("A", None, 5, 1.0)
        assert (keys.gaps, keys.unhealed) == (counted, counted)
        assert [(gap.key, gap.before, gap.healing) for gap in keys.out] == [("A", 5, False)] * counted


def test_a_key_that_nobody_wants_is_not_found() -> None:
    """Not even as a new one, and where a counter of many keys goes on."""
    rig = Rig(change(BY_CHANNEL, source=False, splice=None, splice_first=None, splice_last=None))
    rig.open()
    rig.said()
    rig.engine.unsubscribe(["A"], [], rig.now)
    rig.send(delta("A", 1, c="c"), delta("B", 2, c="c"))
    assert (rig.said(), list(rig.keys.syncs)) == (["B2"], ["B"])
