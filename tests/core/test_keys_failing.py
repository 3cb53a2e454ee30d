"""`core/keys.py`: numbers that start anew, and a source that fails."""

from __future__ import annotations

from typing import Any

import pytest

from syncstream.core.rules import Rules
from syncstream.errors import FetchError, Severity, SnapshotFailed

from .rig import BY_CONNECTION, HEALED, NUMBERED, WHOLE, Rig, change, classify, delta, run_of, snap

# ---------------------------------------------------------------- restart


def restarted(rules: Rules) -> Rig:
    """A counter at 500 starts anew; three messages are not enough to say so, the fourth is."""
    rig = Rig(change(rules, restart_after=3))
    rig.live("A", 500)
    rig.send(*run_of("A", 1, 3))
    assert rig.said() == []
    rig.send(delta("A", 4))
    return rig


def test_a_restart_shown_by_messages_is_healed() -> None:
    """What was delivered does not count any more: a lower snapshot is right now."""
    rig = restarted(HEALED)
    assert rig.said() == ["gap A restart 500..4 healing"]
    rig.answer("A", 3)
    assert rig.said() == ["snapshot A at 3", "A4", "resynced A at 4 +1"]


def test_a_restart_without_a_source_is_told() -> None:
    """The messages go on from where it was noticed."""
    rig = restarted(NUMBERED)
    rig.send(delta("A", 5))
    assert rig.said() == ["gap A restart 500..4 told", "A4", "A5"]


def test_a_restart_ends_the_request_in_flight() -> None:
    """What is held and what is on its way counts in the old numbers."""
    rig = Rig(change(HEALED, restart_after=3))
    rig.live("A", 500)
    rig.send(delta("A", 502))
    old = rig.fetches["A"]
    rig.send(*run_of("A", 1, 4))
    rig.answer("A", 501, epoch=old)
    assert rig.said() == ["gap A hole 500..502 healing", "gap A restart 502..4 healing"]
    assert (rig.keys.held, rig.fetches["A"] != old) == (1, True)
    rig.answer("A", 4)
    assert rig.said() == ["snapshot A at 4", "resynced A at 4 +0"]


def verifying(behind: int, rules: Rules = HEALED) -> Rig:
    """A silent key after a reconnect, at 500, for which the source says `behind`."""
    rig = Rig(change(rules, verify_after=1.0), chance=0.0)
    rig.live("A", 500)
    rig.reopen()
    rig.wait(1.0)
    rig.said()
    assert rig.asked() == ["A"]
    rig.answer("A", behind)
    return rig


def answers(rig: Rig, position: int, seconds: float) -> None:
    """The source says `position` to whatever is asked for so long."""
    for _ in range(int(seconds)):
        rig.now += 1.0
        rig.tick()
        for key in rig.asked():
            rig.answer(key, position)


def test_snapshots_that_stay_behind_show_a_restart_after_a_minute() -> None:
    """Alone they may as well be a stale cache."""
    rig = verifying(7)
    answers(rig, 7, 59.0)
    assert rig.said() == []
    answers(rig, 7, 1.0)
    assert rig.said() == ["gap A restart 500..7 healing", "snapshot A at 7", "resynced A at 7 +0"]
    rig.send(delta("A", 8))
    assert rig.said() == ["A8"]


def test_snapshots_that_stay_behind_with_messages_behind_show_a_restart_soon() -> None:
    """Two witnesses: two seconds are enough."""
    rig = verifying(7)
    rig.send(delta("A", 7))
    answers(rig, 7, 1.0)
    assert rig.said() == []
    answers(rig, 7, 1.0)
    assert rig.said() == ["gap A restart 500..7 healing", "snapshot A at 7", "resynced A at 7 +0"]


def test_a_duplicate_of_long_ago_is_no_second_witness() -> None:
    """The counter went on after it."""
    rig = Rig(change(HEALED, verify_after=1.0), chance=0.0)
    rig.live("A", 500)
    rig.send(delta("A", 499), delta("A", 501))
    rig.reopen()
    rig.wait(1.0)
    answers(rig, 7, 50.0)
    assert [word for word in rig.said() if word.startswith("gap")] == []


def test_snapshots_behind_on_a_counter_of_the_connection() -> None:
    """There is no counter of the key's own to ask: a minute."""
    rig = verifying(7, BY_CONNECTION)
    answers(rig, 7, 61.0)
    assert rig.said() == ["gap A restart 500..7 healing", "snapshot A at 7", "resynced A at 7 +0"]


def test_snapshots_behind_a_key_that_never_had_a_message() -> None:
    """Known by an in-band snapshot only: there is no counter at all to ask."""
    rig = Rig(change(BY_CONNECTION, classify=classify, verify_after=1.0), chance=0.0)
    rig.open()
    rig.send(snap("A", 1, v=500))
    rig.reopen()
    rig.wait(1.0)
    rig.said()
    answers(rig, 7, 61.0)
    assert rig.said() == ["gap A restart 500..7 healing", "snapshot A at 7", "resynced A at 7 +0"]


def test_what_is_held_speaks_against_a_restart() -> None:
    """Messages of the old numbering came after the snapshot's position: it is just old."""
    rig = Rig(change(HEALED, fetch_attempts=1000), chance=0.0)
    rig.live("A", 500)
    rig.send(delta("A", 502))
    answers(rig, 7, 100.0)
    assert rig.said() == ["gap A hole 500..502 healing"]


def test_what_is_held_may_speak_for_a_restart() -> None:
    """If it is behind what was delivered too: two seconds are enough. Here the numbers start anew twice in a row."""
    rig = verifying(100)
    answers(rig, 100, 60.0)
    rig.drop("A")
    rig.relieve()
    rig.said()
    rig.send(delta("A", 6))
    answers(rig, 7, 4.0)
    assert rig.said() == ["gap A restart 100..7 healing", "snapshot A at 7", "resynced A at 7 +0"]
    assert rig.keys.held == 0


# ---------------------------------------------------------------- a source that fails


def test_a_source_that_does_not_answer_is_given_up() -> None:
    """The gap is told, what was held is delivered, and the key goes on, told so."""
    rig = Rig(change(HEALED, fetch_attempts=3))
    rig.live("A", 5)
    rig.send(delta("A", 8))
    for _ in range(2):
        rig.fail("A")
        rig.wait(8.0)
    rig.said()
    rig.fail("A")
    rig.wait(7.0)
    assert (rig.said(), rig.state("A")) == (["gap A unhealed 5..8 told", "A8"], "live")
    rig.send(delta("A", 9))
    assert (rig.said(), rig.keys.held, rig.engine.status(rig.now).unhealed) == (["A9"], 0, 1)


def given_up(rules: Rules, *messages: Any) -> list[str]:
    """What is said when the snapshot of a live key is refused for good, after these messages."""
    rig = Rig(change(rules, fetch_attempts=1))
    rig.live("A", 5)
    rig.send(*messages)
    rig.said()
    rig.fail("A")
    rig.send(delta("A", 50, v=50, c="c"))
    return rig.said()


def test_every_hole_is_told_when_given_up() -> None:
    """Two holes, two gaps."""
    assert given_up(HEALED, delta("A", 8), delta("A", 11), delta("A", 49)) == [
        "gap A unhealed 5..8 told",
        "A8",
        "gap A unhealed 8..11 told",
        "A11",
        "gap A unhealed 11..49 told",
        "A49",
        "A50",
    ]


def test_every_hole_is_told_when_a_whole_snapshot_is_given_up() -> None:
    """That a request was sent does not join what lies on both sides of a hole."""
    rig = Rig(change(WHOLE, fetch_attempts=2), chance=0.0)
    rig.live("A", 5)
    rig.send(delta("A", 8))
    rig.fail("A")
    rig.send(delta("A", 11), delta("A", 12))
    rig.tick()
    rig.said()
    rig.fail("A")
    assert rig.said() == ["gap A unhealed 5..8 told", "A8", "gap A unhealed 8..11 told", "A11", "A12"]


def test_a_hole_after_the_last_message_is_told_when_given_up() -> None:
    """The counter of the connection showed a hole after the last message held of this key."""
    messages = (
        delta("A", 8, v=8),  # hole: 5 -> 8
        delta("B", 10, v=1),  # and again, perhaps in A
        delta("A", 11, v=12),
    )
    rig = Rig(change(BY_CONNECTION, fetch_attempts=1))
    rig.live("A", 5)
    rig.send(*messages[:2])
    rig.said()
    rig.fail("A")
    assert rig.said() == ["gap A unhealed 5..8 told", "A8", "gap A unhealed 8..None told"]
    rig.send(messages[2])
    assert rig.said() == ["A12"]


def test_nothing_is_delivered_twice_when_given_up() -> None:
    """A message that came after the snapshot, and is in it, was held all the same: more was in doubt."""
    rig = Rig(change(HEALED, fetch_attempts=1))
    rig.live("A", 5)
    rig.send(delta("A", 8))
    rig.cut()
    rig.answer("A", 9)
    rig.redial()
    rig.open()
    rig.send(delta("A", 9), delta("A", 10))
    rig.said()
    rig.fail("A")
    assert (rig.said(), rig.keys.held) == (["gap A unhealed 9..10 told", "A10"], 0)


def test_nothing_held_and_given_up() -> None:
    """There is still one gap to tell."""
    rig = Rig(change(HEALED, fetch_attempts=1, hold_limit=1))
    rig.open()
    rig.send(delta("A", 1), delta("A", 2))
    rig.said()
    rig.fail("A")
    assert rig.said() == ["gap A unhealed None..None told"]


def test_a_fatal_first_answer_ends_the_stream() -> None:
    """A wrong URL is worth two attempts, not eight; the reason is in the error and its cause."""
    rig = Rig()
    rig.open()
    rig.send(delta("A", 1))
    rig.said()
    rig.fail("A", "404 at https://venue.example", severity=Severity.FATAL)
    assert rig.failure() is None  # another key may be known
    rig.wait(1.0)
    rig.fail("A", "404 at https://venue.example", severity=Severity.FATAL)
    failure = rig.failure()
    assert isinstance(failure, SnapshotFailed)
    assert isinstance(failure.__cause__, FetchError)
    assert (str(failure), rig.said()) == ("404 at https://venue.example", ["closed"])


def test_a_fatal_answer_later_is_retried() -> None:
    """The source has worked: it may be a passing trouble."""
    rig = Rig()
    rig.live("A", 5)
    rig.send(delta("B", 1))
    rig.fail("B", severity=Severity.FATAL)
    rig.asked()
    rig.wait(1.0)
    assert (rig.said(), rig.asked(), rig.failure()) == ([], ["B"], None)


@pytest.mark.parametrize("position", ["5", None, True, [5]])
def test_a_position_that_is_no_number(position: Any) -> None:
    """The message says what came; if nothing better ever did, it ends the stream."""
    rig = Rig()
    rig.open()
    rig.send(delta("A", 1))
    for _ in range(2):
        rig.answer("A", position)
        rig.wait(1.0)
    assert isinstance(rig.failure(), SnapshotFailed)
    assert f"snapshot of 'A': position={position!r} is not a number" in str(rig.failure())


def test_what_the_venue_asks_for_is_the_least() -> None:
    """The jitter comes on top of its Retry-After."""
    rig = Rig()
    rig.open()
    rig.send(delta("A", 1))
    rig.asked()
    rig.fail("A", retry_after=10.0)
    rig.wait(10.4)
    assert rig.asked() == []
    rig.wait(0.1)
    assert rig.asked() == ["A"]


def test_a_key_that_is_only_unproven_is_never_given_up() -> None:
    """It may be complete: it is verified until somebody answers."""
    rig = Rig(change(HEALED, fetch_attempts=1, verify_after=1.0))
    rig.live("A", 5)
    rig.reopen()
    rig.wait(1.0)
    rig.said()
    rig.fail("A", severity=Severity.FATAL)
    rig.wait(30.0)
    assert (rig.said(), rig.state("A")) == ([], "unproven")
    rig.answer("A", 5)
    assert rig.said() == ["resynced A at 5 +0"]
