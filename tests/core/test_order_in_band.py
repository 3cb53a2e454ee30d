"""`core/order.py`: snapshots in the stream's own order, with every kind of counter."""

from __future__ import annotations

from typing import Any

import pytest

from syncstream.core.rules import Rules

from .rig import (
    BY_CHANNEL,
    BY_CONNECTION,
    GROWING,
    PLAIN,
    TYPED,
    WHOLE,
    Rig,
    change,
    classify,
    delta,
    run_of,
    snap,
)

# ---------------------------------------------------------------- in-band snapshots


def test_an_in_band_snapshot_makes_a_key_live() -> None:
    """No request is needed; the next number follows it."""
    rig = Rig(TYPED)
    rig.open()
    rig.said()
    rig.send(snap("A", 5), delta("A", 6), delta("A", 8))
    assert (rig.said(), rig.asked()) == (["snapshot A at 5", "resynced A at 5 +0", "A6", "gap A hole 6..8 healing"], ["A"])


def test_an_unsolicited_one_replaces_the_state_whenever_it_comes() -> None:
    """Ahead or behind: the counter goes on from it. A key that was complete is not told to be complete again."""
    rig = Rig(change(TYPED, source=False, splice=None))
    rig.live("A", 5)
    rig.send(snap("A", 9), delta("A", 9), delta("A", 10), snap("A", 3), delta("A", 4))
    assert rig.said() == ["snapshot A at 9", "A10", "snapshot A at 3", "A4"]


@pytest.mark.parametrize("source", [True, False])
def test_a_hole_right_after_an_in_band_snapshot(source: bool) -> None:
    """It is a hole like any other, whether anything can heal it or not."""
    rig = Rig(change(TYPED, source=source, splice=TYPED.rule if source else None))
    rig.live("A", 5)
    rig.send(snap("A", 9), delta("A", 12))
    assert rig.said() == ["snapshot A at 9", *(["gap A hole 9..12 healing"] if source else ["gap A hole 9..12 told", "A12"])]


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        (TYPED, ["snapshot A at 8", "A9", "resynced A at 9 +1"]),
        (change(GROWING, classify=classify), ["snapshot A at 8", "A9", "resynced A at 9 +1"]),
        (change(WHOLE, classify=classify), ["snapshot A at 8", "resynced A at 8 +0"]),
    ],
)
def test_while_syncing_it_is_joined_to_what_is_held(rules: Rules, said: list[str]) -> None:
    """What it covers is dropped, what follows is replayed. Without a rule to tell, it covers all that came before it."""
    rig = Rig(rules)
    rig.open()
    rig.send(*run_of("A", 8, 9))
    rig.said()
    rig.send(snap("A", 8))
    assert (rig.said(), rig.keys.held, rig.state("A")) == (said, 0, "live")
    rig.answer("A", 9)
    assert (rig.said(), rig.order.keys.fetches.late) == ([], 1)
    rig.send(delta("A", 10 if len(said) == 3 else 9))
    assert rig.said() == [f"A{10 if len(said) == 3 else 9}"]


@pytest.mark.parametrize("position", [3, 6])
def test_while_syncing_one_that_does_not_join_replaces_all_the_same(position: int) -> None:
    """What was held is beyond a hole: it goes, and the hole shows again with the next message."""
    rig = Rig(TYPED)
    rig.live("A", 5)
    rig.send(delta("A", 8))
    rig.said()
    rig.send(snap("A", position), delta("A", 9))
    assert rig.said() == [f"snapshot A at {position}", f"gap A hole {position}..9 healing"]


def test_while_syncing_over_a_second_hole() -> None:
    """It is applied up to the hole it does not reach; what was asked for before is withdrawn and asked for anew."""
    rig = Rig(TYPED)
    rig.live("A", 5)
    rig.send(delta("A", 8), delta("A", 11))
    rig.said()
    rig.asked()
    old = rig.fetches["A"]
    rig.send(snap("A", 8))
    assert (rig.said(), rig.asked(), rig.keys.held) == (["snapshot A at 8"], ["A"], 1)
    rig.answer("A", 10, epoch=old)
    assert rig.said() == []
    rig.answer("A", 10)
    assert rig.said() == ["snapshot A at 10", "A11", "resynced A at 11 +1"]


def test_after_a_doubt_with_nothing_held_it_covers_the_doubt() -> None:
    """It comes in the stream's own order: later than what was missed."""
    rig = Rig(change(GROWING, classify=classify))
    rig.live("A", 5)
    rig.reopen()
    rig.said()
    rig.send(snap("A", 9), delta("A", 10))
    assert rig.said() == ["snapshot A at 9", "resynced A at 9 +0", "A10"]


@pytest.mark.parametrize("state", ["unproven", "dropped"])
def test_it_heals_a_key_in_any_state(state: str) -> None:
    """Whatever was waited for is not needed any more."""
    rig = Rig(change(TYPED, verify_after=1.0))
    rig.live("A", 5)
    if state == "unproven":
        rig.reopen()
    else:
        rig.drop("A")
    assert rig.state("A") == state
    rig.said()
    rig.send(snap("A", 9), delta("A", 10))
    rig.relieve()
    rig.wait(3.0)
    assert (rig.said(), rig.asked()) == (["snapshot A at 9", "resynced A at 9 +0", "A10"], [])


@pytest.mark.parametrize("message", [snap("A"), snap("A", None), {"k": "A", "t": "snap", "n": None}])
def test_without_a_position_it_replaces_the_state_whole(message: Any) -> None:
    """What was held before it is covered; the counter has not moved."""
    rig = Rig(TYPED)
    rig.live("A", 5)
    rig.send(delta("A", 8))
    rig.said()
    rig.send(message, delta("A", 9))
    assert rig.said() == ["snapshot A at None", "resynced A at None +0", "A9"]


def test_without_a_sequence_it_replaces_the_state_whole() -> None:
    """Whenever it comes."""
    rig = Rig(change(PLAIN, classify=classify))
    rig.open()
    rig.said()
    rig.send(delta("A", 1), snap("A", 7), delta("A", 2))
    assert rig.said() == ["A1", "snapshot A at None", "A2"]


def test_its_position_is_in_the_numbering_of_the_key() -> None:
    """Where messages carry two numbers, one counts and the other is what snapshots are taken at."""
    rules = change(TYPED, splice=BY_CHANNEL.splice, splice_first=BY_CHANNEL.splice_first, splice_last=BY_CHANNEL.splice_last)
    rig = Rig(rules)
    rig.open()
    rig.said()
    rig.send(snap("A", 500, v=7), delta("A", 501, v=8), delta("A", 503, v=10))
    assert rig.said() == ["snapshot A at 7", "resynced A at 7 +0", "A8", "gap A hole 501..503 healing"]
    rig.answer("A", 9)
    assert rig.said() == ["snapshot A at 9", "A10", "resynced A at 10 +1"]


def test_without_a_number_it_says_nothing_of_where_the_key_stands() -> None:
    """Even if it has one in the numbering of the key: nothing says where the counter is."""
    rules = change(TYPED, splice=BY_CHANNEL.splice, splice_first=BY_CHANNEL.splice_first, splice_last=BY_CHANNEL.splice_last)
    rig = Rig(rules)
    rig.open()
    rig.said()
    rig.send({"k": "A", "t": "snap", "n": None, "v": 7})
    assert rig.said() == ["snapshot A at None", "resynced A at None +0"]


def test_a_position_that_is_no_number_does_not_poison_the_counter() -> None:
    """It is quarantined; the next message is as good as before."""
    rig = Rig(TYPED)
    rig.live("A", 5)
    rig.send(snap("A", "six"), snap("A", True), delta("A", 6))
    assert rig.said() == ["quarantined", "quarantined", "A6"]


def test_of_a_key_that_is_not_wanted() -> None:
    """It is not delivered either."""
    rig = Rig(TYPED)
    rig.live("A", 5)
    rig.engine.unsubscribe(["A"], [], rig.now)
    rig.send(snap("A", 9))
    assert (rig.said(), rig.keys.syncs) == ([], {})


def test_what_waits_in_the_window_is_covered() -> None:
    """It was sent before the snapshot: it goes, with its window, and the window of another key goes on."""
    rig = Rig(change(TYPED, source=False, splice=None, reorder=0.5))
    rig.live("A", 5)
    rig.live("B", 5)
    rig.send(delta("A", 7), snap("A", 9))
    assert (rig.said(), rig.order.deadline()) == (["snapshot A at 9"], None)
    rig.wait(0.2)
    rig.send(delta("B", 7))
    assert rig.order.deadline() == 100.7
    rig.wait(0.5)
    assert rig.said() == ["gap B hole 5..7 told", "B7"]
    rig.send(delta("A", 10))
    assert (rig.said(), rig.order.deadline()) == (["A10"], None)


# ---------------------------------------------------------------- in-band on counters of many keys


def test_in_band_on_a_shared_counter() -> None:
    """It takes its place in the numbers; a key known only by it is on the counter too."""
    rig = Rig(change(BY_CHANNEL, classify=classify, source=False, splice=None))
    rig.open()
    rig.said()
    rig.send(snap("A", 1, c="c"), delta("B", 2, v=1, c="c"), delta("B", 4, v=2, c="c"), delta("A", 5, v=9, c="c"))
    assert rig.said() == ["snapshot A at None", "B1", "gap A hole 2..4 told", "gap B hole 2..4 told", "B2", "A9"]


def test_in_band_behind_a_hole_covers_it_for_its_key() -> None:
    """The others are in doubt."""
    rig = Rig(change(BY_CHANNEL, classify=classify))
    rig.open()
    rig.send(snap("A", 1, c="c"), snap("B", 2, c="c"))
    rig.said()
    rig.send(snap("A", 5, c="c"), delta("A", 6, v=9, c="c"))
    assert rig.said() == [
        "gap A hole 2..5 healing",
        "gap B hole 2..5 healing",
        "snapshot A at None",
        "resynced A at None +0",
        "A9",
    ]


def test_in_band_on_a_counter_of_many_keys_may_say_where_its_key_stands() -> None:
    """In the numbering that snapshots count in: what follows has to join it, and nothing older replaces it."""
    rig = Rig(change(BY_CONNECTION, classify=classify))
    rig.open()
    rig.said()
    rig.send(snap("A", 1, v=7), delta("A", 2, v=8), delta("A", 3, v=10))
    assert rig.said() == ["snapshot A at 7", "resynced A at 7 +0", "A8", "A10"]
    rig.reopen()
    rig.send(snap("A", 1, v=11))
    rig.reopen()
    rig.said()
    rig.send(delta("A", 1, v=12))
    assert rig.said() == ["resynced A at 12 +0", "A12"]
    rig.send(snap("A", 2, v="?"), delta("A", 3, v=13))
    assert rig.said() == ["quarantined", "gap A hole 1..3 healing"]


def test_in_band_that_goes_back_is_a_restart_of_a_shared_counter() -> None:
    """Nobody repeats an old state: the others have to be healed, this one has just been."""
    rig = Rig(change(BY_CHANNEL, classify=classify, source=False, splice=None))
    rig.open()
    rig.send(snap("A", 50, c="c"), snap("B", 51, c="c"))
    rig.said()
    rig.send(snap("A", 1, c="c"), delta("A", 2, v=1, c="c"))
    assert rig.said() == ["gap A restart 51..1 told", "gap B restart 51..1 told", "snapshot A at None", "A1"]
    rig.send(snap("A", 1, c="c"), delta("A", 3, v=2, c="c"))
    assert rig.said()[-3:] == ["gap A hole 1..3 told", "gap B hole 1..3 told", "A2"]


def test_in_band_that_goes_back_ends_the_window() -> None:
    """What waited in it counts in the old numbers; nothing is told of a hole that there is no more."""
    rig = Rig(change(BY_CHANNEL, classify=classify, source=False, splice=None, reorder=0.5))
    rig.open()
    rig.send(snap("A", 50, c="c"), delta("A", 53, v=53, c="c"))
    rig.said()
    assert rig.order.deadline() == 100.5
    rig.send(snap("A", 1, c="c"))
    assert (rig.said(), rig.order.deadline()) == (["gap A restart 50..1 told", "snapshot A at None"], None)
    rig.send(delta("B", 1, v=1, c="d"), delta("B", 3, v=3, c="d"))
    rig.said()
    assert rig.order.deadline() == 100.5
    rig.wait(0.5)
    assert rig.said() == ["gap B hole 1..3 told", "B3"]
    rig.send(delta("A", 2, v=2, c="c"))
    assert rig.said() == ["A2"]


def test_in_band_said_twice_is_a_duplicate() -> None:
    """On a counter of many keys; so is one that the slower of two lines brings."""
    rules = change(BY_CHANNEL, classify=classify, source=False, splice=None)
    rig = Rig(rules)
    rig.open()
    rig.said()
    rig.send(snap("A", 1, c="c"), snap("A", 1, c="c"))
    assert (rig.said(), rig.order.duplicates) == (["snapshot A at None"], 1)
    two = Rig(rules, lines=2)
    two.start()
    two.open(0)
    two.open(1)
    two.send(snap("A", 1, c="c"), delta("A", 2, v=2, c="c"))
    two.said()
    two.send(snap("A", 1, c="c"), delta("A", 2, v=2, c="c"), line=1)
    assert two.said() == []


def test_in_band_takes_its_place_in_the_window() -> None:
    """On a counter of many keys it must not overtake what it covers."""
    rules = change(BY_CHANNEL, classify=classify, source=False, splice=None, reorder=0.5)
    rig = Rig(rules)
    rig.live("A", 1)
    rig.send(snap("A", 3, c="c"), delta("A", 2, v=2, c="c"))
    assert rig.said() == ["A2", "snapshot A at None"]
