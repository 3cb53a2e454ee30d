"""`core/placement.py`: how much is held over all keys, how many keys there may be, and which are new."""

from __future__ import annotations

from typing import Any, Hashable, Optional

import pytest

from syncstream.core.keys import Keys
from syncstream.core.rules import Rules

from .rig import HEALED, NUMBERED, PLAIN, TYPED, WHOLE, Rig, change, delta, run_of, text

UNTOLD = change(WHOLE, rule=None, first=None, last=None)
"""Snapshots, and nothing that a message could be known by."""


def test_a_key_that_holds_too_much_starts_over() -> None:
    """What it held is covered by a snapshot asked for later than the one on its way."""
    rig = Rig(change(HEALED, hold_limit=3))
    rig.open()
    rig.send(*run_of("A", 1, 3))
    assert rig.keys.held == 3
    rig.send(delta("A", 4))
    assert rig.keys.held == 0
    rig.send(delta("A", 5))
    rig.asked()
    rig.said()
    rig.answer("A", 2)
    assert (rig.said(), rig.asked()) == ([], [])
    rig.wait(1.0)
    assert rig.asked() == ["A"]
    rig.answer("A", 4)
    assert rig.said() == ["snapshot A at 4", "A5", "resynced A at 5 +1"]


def test_what_is_held_is_bounded_in_bytes_too() -> None:
    """A few large messages are as much as many small ones."""
    large = delta("A", 2, note="x" * 2000)
    rig = Rig(change(HEALED, hold_bytes=len(text(large)) - 4 + 40))
    rig.open()
    rig.send(delta("A", 1), large)
    assert (rig.keys.held, rig.keys.held_bytes) == (2, len(text(large)) - 4 + len(text(delta("A", 1))) - 2)
    rig.send(*run_of("A", 3, 5))
    assert (rig.keys.held, rig.keys.held_bytes) == (1, len(text(delta("A", 5))) - 2)  # 4 was one too many
    rig.asked()
    rig.answer("A", 4)
    rig.wait(1.0)
    rig.answer("A", 4)
    assert rig.said()[-3:] == ["snapshot A at 4", "A5", "resynced A at 5 +1"]
    assert (rig.keys.held, rig.keys.held_bytes) == (0, 0)


@pytest.mark.parametrize("rules", [PLAIN, HEALED, TYPED])
def test_too_many_keys_are_a_failure(rules: Rules) -> None:
    """The error names the field, the bound, and asks whether it is a key at all."""
    keys = Keys(change(rules, max_keys=2), wall_ns=0)
    assert [keys.find(key, 1.0) is None for key in "ABACD"] == [False, False, False, True, True]
    assert str(keys.failure) == "key='k': more than max_keys=2 different values; is it really what belongs together?"


def test_the_others_keep_what_they_hold() -> None:
    """The bound is one for all keys; whoever passes it pays."""
    rig = Rig(change(HEALED, hold_limit=3))
    rig.open()
    rig.send(*run_of("A", 1, 2), *run_of("B", 1, 2))
    assert [(key, sync.held) for key, sync in rig.keys.syncs.items()] == [("A", 2), ("B", 0)]
    assert rig.keys.held == 2


@pytest.mark.parametrize(("limit", "fresh"), [(None, []), (lambda key: 8.0, ["A", "B"])])
def test_new_keys_are_named_where_their_silence_counts(limit: Optional[Any], fresh: list[Hashable]) -> None:
    """Each of them once, when it is first seen."""
    keys = Keys(change(NUMBERED, quiet_after=limit), wall_ns=0)
    for key in ("A", "B", "A"):
        keys.find(key, 1.0)
    assert keys.fresh == fresh


def test_a_key_that_was_left_before_it_was_known_stays_unknown() -> None:
    """What still comes of it is nobody's, and it counts as no key."""
    rig = Rig()
    rig.open()
    rig.keys.unsubscribed("A")
    rig.send(delta("A", 1))
    assert (rig.said(), rig.asked(), list(rig.keys.syncs)) == (["connected 0 attempt 1"], [], [])


def test_each_message_is_delivered_with_the_bytes_it_came_with() -> None:
    """One that is no different from the others, and was looked at the long way."""
    rig = Rig(NUMBERED, sized=True)
    rig.open()
    rig.send(delta("A", 100))
    assert rig.sizes == [0, 17]


def test_a_hole_of_a_key_that_was_dropped_is_not_told() -> None:
    """What the consumer has not taken is healed anyway, when it has caught up."""
    rig = Rig(HEALED)
    rig.live("A", 5)
    rig.drop("A")
    rig.said()
    rig.send(delta("A", 9))
    assert (rig.said(), rig.asked(), rig.state("A")) == ([], [], "dropped")
