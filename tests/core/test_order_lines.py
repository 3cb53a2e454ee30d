"""`core/order.py`: what a counter shows where lines come, go and repeat each other, and windows of several counters."""

from __future__ import annotations

import pytest

from syncstream.core.rules import Rules

from .rig import BY_CHANNEL, BY_CONNECTION, HEALED, NUMBERED, Rig, change, delta, run_of


def two(rules: Rules, **fields: object) -> Rig:
    """Two lines, both open."""
    rig = Rig(change(rules, **fields), lines=2)
    rig.start()
    rig.open(0)
    rig.open(1)
    rig.said()
    return rig


# ---------------------------------------------------------------- what goes on


def test_the_next_message_proves_a_key_with_its_own_counter() -> None:
    """Without a source too: nothing was missed, and no gap is told."""
    rig = Rig(NUMBERED)
    rig.live("A", 5)
    rig.reopen()
    rig.said()
    rig.send(delta("A", 6))
    assert rig.said() == ["resynced A at 6 +0", "A6"]


def test_what_goes_on_proves_keys_once() -> None:
    """A channel that goes on after a loss shows that its keys missed nothing; later it says nothing of a silent one."""
    rig = Rig(BY_CHANNEL)
    rig.live("A", 1)
    rig.send(delta("B", 2, v=40, c="c"))
    rig.answer("B", 40)
    rig.reopen()
    rig.send(delta("B", 3, v=41, c="c"))
    assert (rig.state("A"), rig.state("B")) == ("live", "live")
    rig.keys.quieted("A", rig.now, again=True)
    rig.send(delta("B", 4, v=42, c="c"))
    assert (rig.state("A"), rig.state("B")) == ("unproven", "live")


def test_a_loss_that_another_line_covers_asks_for_no_proof() -> None:
    """So the next message on the channel proves nothing either."""
    rig = two(BY_CHANNEL)
    rig.send(delta("A", 1, v=1, c="c"), delta("B", 2, v=1, c="c"), line=0)
    rig.answer("A", 1)
    rig.answer("B", 1)
    rig.send(delta("A", 1, v=1, c="c"), delta("B", 2, v=1, c="c"), line=1)
    rig.cut(0)
    assert (rig.state("A"), rig.state("B")) == ("live", "live")
    rig.keys.quieted("A", rig.now, again=True)
    rig.send(delta("B", 3, v=2, c="c"), line=1)
    assert (rig.state("A"), rig.state("B")) == ("unproven", "live")


def test_a_connection_that_goes_on_proves_nothing_of_what_another_one_brought() -> None:
    """It was opened too late to have carried everything."""
    rig = Rig(BY_CONNECTION, lines=2)
    rig.start()
    rig.open(0)
    rig.send(delta("A", 1, v=1), line=0)
    rig.answer("A", 1)
    rig.wait(1.0)
    rig.open(1)
    rig.send(delta("B", 1, v=1), line=1)
    rig.answer("B", 1)
    rig.cut(0)
    assert rig.state("A") == "unproven"
    rig.send(delta("B", 2, v=2), line=1)
    assert rig.state("A") == "unproven"


# ---------------------------------------------------------------- what is told again


def test_what_the_slower_line_repeats_is_no_restart() -> None:
    """However much it is: each line is compared with what it has shown itself."""
    rig = two(NUMBERED, restart_after=3)
    rig.send(*run_of("A", 1, 20), line=0)
    rig.said()
    rig.send(*run_of("A", 1, 20), line=1)
    assert (rig.said(), rig.order.duplicates) == ([], 20)


def test_what_waited_in_the_window_was_shown_too() -> None:
    """A line that goes back behind it counts anew, if it goes on doing so."""
    rig = two(NUMBERED, restart_after=3, reorder=0.5)
    rig.send(*(delta("A", number) for number in (1, 3, 2)), line=0)
    assert rig.said() == ["A1", "A2", "A3"]
    rig.send(*[delta("A", 2)] * 3, line=0)
    assert rig.said() == []
    rig.send(delta("A", 2), line=0)
    assert rig.said() == ["gap A restart 3..2 told", "A2"]


def test_numbers_that_go_back_behind_a_snapshot_are_a_restart() -> None:
    """The snapshot that the key stands on counts in the old ones: it covers nothing."""
    rig = Rig(change(HEALED, restart_after=3))
    rig.live("A", 50)
    rig.send(*run_of("A", 1, 4))
    assert rig.said() == ["gap A restart 50..4 healing"]


# ---------------------------------------------------------------- windows of several counters


def test_each_window_has_its_own_end() -> None:
    """The earlier one is due first, and ends nothing but itself."""
    rig = Rig(change(NUMBERED, reorder=0.5))
    rig.live("A", 5)
    rig.live("B", 5)
    rig.send(delta("A", 7))
    rig.wait(0.3)
    rig.send(delta("B", 7))
    assert rig.order.deadline() == 100.5
    rig.wait(0.2)
    assert rig.said() == ["gap A hole 5..7 told", "A7"]
    assert rig.order.deadline() == pytest.approx(100.8)
    rig.send(delta("B", 6))
    assert (rig.said(), rig.order.deadline()) == (["B6", "B7"], None)


def test_what_is_held_for_snapshots_leaves_less_room_for_windows() -> None:
    """One bound for both."""
    rig = Rig(change(HEALED, reorder=60.0, hold_limit=3))
    rig.live("A", 5)
    rig.send(*run_of("B", 1, 2))
    rig.send(delta("A", 7))
    assert (rig.keys.held, rig.said()) == (2, [])
    rig.send(delta("B", 3))
    rig.send(delta("A", 8))
    assert rig.said() == ["gap A hole 5..7 healing"]


def test_the_bytes_in_windows_are_bounded() -> None:
    """Just so many wait; one message more ends the window. What has left it does not count any more."""
    rig = Rig(change(NUMBERED, reorder=60.0, hold_bytes=51))
    rig.live("A", 100)
    for number in (100, 104, 108):
        rig.send(*run_of("A", number + 2, number + 4))  # 17 bytes each
        assert rig.said() == []
        rig.send(delta("A", number + 1))
        assert len(rig.said()) == 4
    rig.send(*run_of("A", 114, 117))
    assert rig.said() == ["gap A hole 112..114 told", "A114", "A115", "A116", "A117"]


def test_what_is_of_no_key_takes_no_room_in_a_window() -> None:
    """It waits for its turn as a number only; but so many are bounded too."""
    rig = Rig(change(BY_CONNECTION, source=False, splice=None, reorder=60.0, hold_bytes=1, hold_limit=3))
    rig.open()
    rig.send({"n": 1})
    rig.send({"n": 3}, {"n": 4}, {"n": 5})
    assert rig.order.deadline() == 160.0
    rig.send({"n": 6})
    assert rig.order.deadline() is None


def test_a_key_may_be_called_like_a_line_that_is_lost() -> None:
    """Where another line has carried everything its window goes on: the missing message may still come."""
    rig = two(NUMBERED, reorder=60.0)
    for line in (0, 1):
        rig.send(delta(0, 1), line=line)
    rig.send(delta(0, 3), line=1)
    rig.said()
    rig.cut(0)
    assert rig.said() == ["disconnected 0: cut"]
    rig.send(delta(0, 2), line=1)
    assert rig.said() == ["02", "03"]
