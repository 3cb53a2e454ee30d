"""`core/keys.py`: what is delivered, held and told, and how it is healed. Driven through an engine on a bench."""

from __future__ import annotations

from typing import Optional

import pytest

from syncstream.core.rules import Rules
from syncstream.events import Gap, KeyStatus, Resynced, Snapshot

from .rig import FEED, HEALED, NUMBERED, WHOLE, Rig, change, delta, run_of

# ---------------------------------------------------------------- the first snapshot


@pytest.mark.parametrize("rules", [HEALED, FEED])
def test_a_new_key_is_held_until_its_snapshot_joins(rules: Rules) -> None:
    """The first message asks; what comes meanwhile is held, what the snapshot covers is dropped, the rest follows it."""
    rig = Rig(rules)
    rig.open()
    rig.send(*run_of("A", 5, 6))
    assert rig.asked() == ["A"]
    rig.send(delta("A", 7))
    assert (rig.said(), rig.keys.held, rig.state("A")) == (["connected 0 attempt 1"], 3, "syncing")
    rig.answer("A", 5)
    assert rig.said() == ["snapshot A at 5", "A6", "A7", "resynced A at 7 +2"]
    rig.send(delta("A", 8))
    assert (rig.said(), rig.keys.held, rig.state("A"), rig.asked()) == (["A8"], 0, "live", [])


def test_a_snapshot_ahead_of_the_line_is_delivered_at_once() -> None:
    """What the line still brings at or below it is stale; the next one must join it."""
    rig = Rig()
    rig.open()
    rig.send(delta("A", 5))
    rig.said()
    rig.answer("A", 8)
    rig.send(*run_of("A", 6, 10))
    assert rig.said() == ["snapshot A at 8", "resynced A at 8 +0", "A9", "A10"]
    assert rig.engine.status(rig.now).duplicates == 3


def test_a_message_that_does_not_join_the_snapshot_is_a_hole() -> None:
    """The anchor is as good a position as a message's, though the counter stands elsewhere."""
    rig = Rig()
    rig.live("A", 5)
    rig.send(delta("A", 7))
    assert rig.said() == ["gap A hole 5..7 healing"]
    rig.answer("A", 7)
    assert rig.said() == ["snapshot A at 7", "resynced A at 7 +0"]


def test_a_hole_below_the_snapshot_says_nothing() -> None:
    """The snapshot already has what the counter misses."""
    rig = Rig()
    rig.open()
    rig.send(delta("A", 5))
    rig.answer("A", 20)
    rig.said()
    rig.send(delta("A", 9), delta("A", 21))
    assert rig.said() == ["A21"]


def test_what_the_markers_carry() -> None:
    """Positions, how many are missing, wall clock, how long it took."""
    rig = Rig(wall_ns=1_000_000)
    rig.live("A", 5)
    rig.send(delta("A", 9))
    at_ns = 1_000_000 + 100_000_000_000
    assert rig.items == [
        Gap(key="A", at_ns=at_ns, reason="hole", after=5, before=9, missing=3, healing=True, until_ns=at_ns),
    ]
    rig.items = []
    rig.wait(2.0)
    rig.answer("A", 8, {"bids": []})
    at_ns += 2_000_000_000
    assert rig.items == [
        Snapshot(key="A", at_ns=at_ns, position=8, state={"bids": []}),
        delta("A", 9),
        Resynced(key="A", at_ns=at_ns, position=9, replayed=1, seconds=2.0),
    ]


# ---------------------------------------------------------------- holes


@pytest.mark.parametrize("rules", [HEALED, FEED])
def test_a_hole_is_held_and_healed(rules: Rules) -> None:
    """The message that shows it is held, and follows the snapshot."""
    rig = Rig(rules)
    rig.live("A", 5)
    rig.send(delta("A", 6), delta("A", 9), delta("A", 10))
    assert (rig.said(), rig.asked()) == (["A6", "gap A hole 6..9 healing"], ["A"])
    rig.answer("A", 9)
    assert rig.said() == ["snapshot A at 9", "A10", "resynced A at 10 +1"]
    status = rig.engine.status(rig.now)
    assert (status.gaps, status.healed, status.unhealed, status.snapshots) == (1, 1, 0, 2)
    assert status.keys == {"A": KeyStatus(state="live", position=10, gaps=1, healed=1, held=0)}


def test_the_figures_and_the_latest_of_a_key_that_was_healed_twice() -> None:
    """Each doubt counts once; what was replayed is as much a message as any other."""
    rig = Rig()
    rig.live("A", 5)
    assert rig.keys.latest["A"].position == 5
    for number in (8, 12):
        rig.send(delta("A", number), delta("A", number + 1))
        rig.answer("A", number)
        assert rig.keys.latest["A"] == delta("A", number + 1)
    rig.send(delta("A", 1), delta("A", 14))
    status = rig.engine.status(rig.now)
    assert (status.gaps, status.healed, status.snapshots, status.messages, status.duplicates) == (2, 2, 3, 3, 1)


def test_a_hole_without_a_source_is_told() -> None:
    """Nothing can heal it; the message follows the marker."""
    rig = Rig(NUMBERED)
    rig.live("A", 5)
    rig.send(delta("A", 9), delta("A", 10))
    assert rig.said() == ["gap A hole 5..9 told", "A9", "A10"]
    assert rig.engine.status(rig.now).unhealed == 1


def test_an_old_snapshot_is_asked_for_again_with_back_off() -> None:
    """Ever longer, until one joins; each answer counts against the attempts."""
    rig = Rig(chance=1.0)
    rig.live("A", 5)
    rig.send(delta("A", 9))
    for wait in (1.0, 2.0, 4.0, 8.0, 8.0):
        assert rig.asked() == ["A"]
        rig.answer("A", 7)
        rig.wait(wait - 0.01)
        assert rig.asked() == []
        rig.wait(0.01)
    rig.answer("A", 8)
    assert rig.said() == ["gap A hole 5..9 healing", "snapshot A at 8", "A9", "resynced A at 9 +1"]
    assert rig.keys.syncs["A"].attempts == 0


def test_a_second_hole_in_flight_does_not_throw_the_snapshot_away() -> None:
    """It is applied, replayed to the next hole, and the next one is asked for at once, with the attempts anew."""
    rig = Rig()
    rig.live("A", 5)
    rig.send(delta("A", 8))
    rig.fail("A")
    rig.wait(1.0)
    rig.send(delta("A", 11))
    assert rig.said() == ["gap A hole 5..8 healing", "gap A hole 8..11 healing"]
    rig.asked()
    rig.answer("A", 7)
    assert (rig.said(), rig.asked()) == (["snapshot A at 7", "A8"], ["A"])
    assert (rig.keys.syncs["A"].attempts, rig.keys.held) == (0, 1)
    rig.answer("A", 10)
    assert rig.said() == ["snapshot A at 10", "A11", "resynced A at 11 +1"]
    assert rig.engine.status(rig.now).healed == 2


def test_a_hole_waits_for_a_request_that_is_waiting() -> None:
    """The back-off is kept: a hole is no reason to ask more often."""
    rig = Rig()
    rig.live("A", 5)
    rig.send(delta("A", 8))
    rig.fail("A", retry_after=3.0)
    rig.asked()
    rig.send(delta("A", 11))
    assert rig.asked() == []
    rig.wait(3.5)
    assert rig.asked() == ["A"]


def test_requests_keep_to_their_number() -> None:
    """As many at once as the feed says; the next goes out when one is answered."""
    rig = Rig(change(HEALED, fetch_concurrency=2))
    rig.open()
    rig.send(*(delta(key, 1) for key in "ABC"))
    assert rig.asked() == ["A", "B"]
    rig.answer("B", 1)
    assert rig.asked() == ["C"]


def test_a_request_without_an_answer_is_given_up() -> None:
    """A hung callable does not use up the places for good; its answer, if it ever comes, is late."""
    rig = Rig(change(HEALED, fetch_concurrency=1, fetch_limit=7.0))
    rig.open()
    rig.send(delta("A", 1), delta("B", 1))
    first = rig.fetches["A"]
    rig.wait(7.0)
    assert rig.asked() == ["A", "B"]
    rig.answer("A", 1, epoch=first)
    assert (rig.state("A"), rig.engine.status(rig.now).late_answers) == ("syncing", 1)


# ---------------------------------------------------------------- snapshots without a position


def test_a_whole_snapshot_covers_what_came_before_the_request() -> None:
    """The hole before the request is covered, and so is what was held; what came since follows."""
    rig = Rig(change(WHOLE, fetch_concurrency=1))
    rig.open()
    rig.send(delta("B", 1), delta("A", 1), delta("A", 4))
    rig.said()
    rig.answer("B", None)
    assert rig.asked() == ["B", "A"]
    rig.send(delta("A", 5))
    rig.said()
    rig.answer("A", None)
    assert (rig.said(), rig.keys.held) == (["snapshot A at None", "A5", "resynced A at 5 +1"], 0)
    rig.send(delta("A", 6), delta("A", 8))
    assert rig.said() == ["A6", "gap A hole 6..8 healing"]


def test_a_whole_snapshot_covers_no_hole_that_came_after_the_request() -> None:
    """It is applied up to that hole, and asked for again."""
    rig = Rig(WHOLE)
    rig.open()
    rig.send(*run_of("A", 1, 2))
    rig.send(delta("A", 3), delta("A", 6))
    rig.said()
    rig.asked()
    rig.answer("A", 77)  # whatever it says about a position counts in nothing
    assert (rig.said(), rig.asked(), rig.keys.held) == (["snapshot A at None", "A3"], ["A"], 1)
    rig.answer("A", None)
    assert rig.said() == ["snapshot A at None", "resynced A at None +0"]


# ---------------------------------------------------------------- in-band


@pytest.mark.parametrize(
    ("position", "said"), [(8, ["snapshot A at 8", "A9"]), (3, ["snapshot A at 3"]), (None, ["snapshot A at None"])]
)
def test_a_snapshot_in_the_order_of_the_stream(position: Optional[int], said: list[str]) -> None:
    """What is held and follows it is replayed; what was held before it is covered; a request is not needed any more."""
    rig = Rig()
    rig.live("A", 5)
    rig.send(*run_of("A", 8, 9))
    rig.said()
    rig.keys.in_band(rig.keys.syncs["A"], position, {}, rig.now, 0)
    old = position == 3  # what was held is not in it: the next message shows what it is worth
    assert rig.said()[: None if old else -1] == said
    at = (rig.state("A"), rig.keys.held, rig.keys.fetches.deadline(asking=True))
    assert at == (("unproven", 0, 105.0) if old else ("live", 0, 115.0))
    rig.answer("A", 9)
    rig.fail("A")
    assert rig.keys.fetches.late == 2
    rig.keys.in_band(rig.keys.syncs["A"], position, {}, rig.now, 0)
    assert rig.said() == [*said[:1], *(["resynced A at 3 +0"] if old else [])]
