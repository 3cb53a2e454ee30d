"""`core/order.py`: sizes, what is taken apart, numbers nobody can count with, and what only looks like more than it is."""

from __future__ import annotations

from typing import Any

import pytest

from syncstream.core.frames import BINARY
from syncstream.core.order import Item
from syncstream.core.rules import Kind, Rules
from syncstream.core.sequence import Chained, Contiguous

from .rig import (
    BY_CHANNEL,
    BY_CONNECTION,
    HEALED,
    NUMBERED,
    PLAIN,
    TYPED,
    Rig,
    before_of,
    change,
    delta,
    frame,
    run_of,
    snap,
    text,
    version_of,
)

VERSIONED = change(TYPED, splice=Contiguous("v"), splice_first=version_of, splice_last=version_of)
LINKED_BY_TEXT = change(VERSIONED, rule=Chained("p", "n", ordered=False), first=before_of)


def test_sizes_are_kept_where_they_are_wanted() -> None:
    """Of each message as it came."""
    rig = Rig(PLAIN, sized=True)
    rig.open()
    rig.send({"k": "A"})
    assert rig.sizes[-1:] == [len(text({"k": "A"})) - 2]


def test_frames_are_taken_apart_where_the_feed_says_so() -> None:
    """By the split, and by the transform; else each of them is one message."""
    rig = Rig(change(PLAIN, split=lambda found: found if isinstance(found, list) else None))
    rig.open()
    rig.send([{"k": "A"}, {"k": "B"}])
    assert rig.said()[1:] == ["A", "B"]
    rig = Rig(change(PLAIN, transform=lambda data: data[1:]))
    rig.open()
    rig.raw(frame(BINARY, b'x{"k":"A"}'))
    assert rig.said()[1:] == ["A"]


def test_what_has_no_key_may_say_where_a_connection_stands() -> None:
    """A hole before it shows with it; where the feed says nothing of marks it is counted like anything else."""
    rig = Rig(BY_CONNECTION)
    rig.open()
    rig.send(delta("A", 1, v=1))
    rig.answer("A", 1)
    rig.said()
    rig.send({"n": 2, "i": True}, delta("A", 3, v=2))
    assert rig.said() == ["A2"]
    rig = Rig(change(BY_CONNECTION, idle=lambda message: message.get("i", False)))
    rig.open()
    rig.send(delta("A", 1, v=1))
    rig.answer("A", 1)
    rig.said()
    rig.send({"n": 1, "i": True}, {"n": 2, "i": True})
    assert rig.said() == ["gap A hole 1..3 healing"]


@pytest.mark.parametrize("rules", [BY_CHANNEL, BY_CONNECTION])
def test_what_is_only_counted_is_not_delivered(rules: Rules) -> None:
    """An answer to a request has a number like all others."""
    rig = Rig(rules)
    rig.open()
    rig.send(delta("A", 1, v=1, c="c"))
    rig.said()
    rig.order.count(Item(delta("A", 2, v=2, c="c"), Kind.SNAPSHOT, "A", True, b"", 0), 0, rig.now)
    assert (rig.said(), rig.keys.held) == ([], 1)


@pytest.mark.parametrize(
    ("rules", "snapshot"),
    [
        (VERSIONED, snap("A", True, v=5)),
        (VERSIONED, snap("A", 5, v=True)),
        (LINKED_BY_TEXT, snap("A", 5, v="text")),
    ],
)
def test_a_snapshot_that_nobody_can_count_with_is_quarantined(rules: Rules, snapshot: dict[str, Any]) -> None:
    """By its number, or by the position that messages are joined to."""
    rig = Rig(rules)
    rig.open()
    rig.send(snapshot)
    assert rig.said()[1:] == ["quarantined"]


def test_numbers_that_began_low_are_a_restart_as_soon_as_one_goes_on() -> None:
    """Though it looks like the next one: what was missed meanwhile looked old."""
    rig = Rig(NUMBERED)
    rig.open()
    rig.send(*run_of("A", 98, 100), *run_of("A", 1, 3), delta("A", 101))
    assert rig.said()[1:] == ["A98", "A99", "A100", "gap A restart 100..101 told", "A101"]


def of_reset(message: Any) -> Any:
    return message.get("r", False)


def test_numbers_that_start_anew_by_right_long_after_a_loss() -> None:
    """What was proved since then is not put in doubt."""
    rig = Rig(change(HEALED, reset=of_reset))
    rig.open()
    rig.send(delta("A", 5))
    rig.answer("A", 4)
    rig.reopen()
    rig.send(delta("A", 6))
    rig.said()
    rig.send(delta("A", 1, r=True), delta("A", 2))
    assert rig.said() == ["A1", "A2"]


def test_of_two_lines_a_hole_is_a_hole_whatever_the_message_says() -> None:
    """The slower one tells the beginning again, so that it says nothing."""
    rig = Rig(change(BY_CHANNEL, reset=of_reset), lines=2)
    rig.open(0)
    rig.send(delta("A", 1, v=1, c="c"))
    rig.answer("A", 0)
    rig.cut()
    rig.redial()
    rig.open(0)
    rig.said()
    rig.send(delta("A", 9, v=9, c="c", r=True))
    assert rig.said()[0] == "gap A hole 1..9 healing"


@pytest.mark.parametrize(("last", "told"), [(7, []), (8, ["gap A hole 7..9 healing"])])
def test_a_mark_beyond_the_snapshot_shows_a_hole(last: int, told: list[str]) -> None:
    """Up to there the snapshot has all that is missing."""
    rig = Rig(change(HEALED, idle=lambda message: message.get("i", False)))
    rig.open()
    rig.send(delta("A", 5))
    rig.answer("A", 7)
    rig.said()
    rig.send(delta("A", last, i=True))
    assert rig.said() == told


def test_of_two_lines_a_hole_that_the_snapshot_covers_is_none() -> None:
    """Whatever the message says."""
    rig = Rig(change(HEALED, reset=of_reset), lines=2)
    rig.open(0)
    rig.send(delta("A", 5))
    rig.answer("A", 9)
    rig.said()
    rig.send(delta("A", 10, r=True))
    assert rig.said() == ["A10"]
