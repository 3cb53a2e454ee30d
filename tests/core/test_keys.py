"""`core/keys.py`: what is delivered, held and told, and how it is healed. Driven through an engine on a bench."""

from __future__ import annotations

from typing import Any, Optional

import pytest

from syncstream import Contiguous, Feed, Rest
from syncstream.core.rules import Rules
from syncstream.errors import FetchError, Severity, SnapshotFailed
from syncstream.events import Gap, KeyStatus, Resynced, Snapshot

from .rig import BY_CHANNEL, BY_CONNECTION, GROWING, HEALED, NUMBERED, PLAIN, WHOLE, Rig, change, delta, run_of

FEED = Feed(
    "wss://venue.example/stream",
    key="k",
    sequence=Contiguous("n"),
    snapshot=Rest("https://venue.example/{key}", position="n"),
).rules()


def snap(key: str, number: Optional[int] = None, **more: Any) -> dict[str, Any]:
    """An in-band snapshot."""
    return {"k": key, "t": "snap", **({} if number is None else {"n": number}), **more}


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


def test_a_restart_while_the_consumer_is_behind() -> None:
    """A dropped key forgets its old position too: else no snapshot would ever be new enough."""
    rig = Rig(change(HEALED, restart_after=3))
    rig.live("A", 500)
    rig.drop("A")
    rig.send(*run_of("A", 1, 5))
    assert (rig.asked(), rig.keys.held, rig.state("A")) == ([], 0, "dropped")
    rig.relieve()
    rig.wait(1.0)
    rig.send(delta("A", 6))
    assert rig.said() == ["gap A drop 500..None healing", "gap A restart 500..4 healing"]
    rig.answer("A", 5)
    assert rig.said() == ["snapshot A at 5", "A6", "resynced A at 6 +1"]


def verifying(behind: int, rules: Rules = HEALED) -> Rig:
    """A silent key after a reconnect, at 500, for which the source says `behind`."""
    rig = Rig(change(rules, verify_after=1.0), chance=0.0)
    rig.live("A", 500)
    rig.reopen()
    rig.wait(1.0)
    rig.said()
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


def test_what_is_held_speaks_against_a_restart() -> None:
    """Messages of the old numbering came after the snapshot's position: it is just old."""
    rig = Rig(change(HEALED, fetch_attempts=1000), chance=0.0)
    rig.live("A", 500)
    rig.send(delta("A", 502))
    answers(rig, 7, 100.0)
    assert rig.said() == ["gap A hole 500..502 healing"]


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
    rig.wait(100.0)
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


def test_nothing_held_and_given_up() -> None:
    """There is still one gap to tell."""
    rig = Rig(change(HEALED, fetch_attempts=1, hold_limit=1))
    rig.open()
    rig.send(delta("A", 1), delta("A", 2))
    rig.said()
    rig.fail("A")
    assert rig.said() == ["gap A unhealed None..None told"]


def test_a_fatal_first_answer_ends_the_stream() -> None:
    """A wrong URL is not worth eight attempts; the reason is in the error and its cause."""
    rig = Rig()
    rig.open()
    rig.send(delta("A", 1))
    rig.said()
    rig.fail("A", "404 at https://venue.example", severity=Severity.FATAL)
    failure = rig.engine.failure
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
    assert (rig.said(), rig.asked(), rig.engine.failure) == ([], ["B"], None)


@pytest.mark.parametrize("position", ["5", None, True, [5]])
def test_a_position_that_is_no_number(position: Any) -> None:
    """The message says what came; at the first answer it ends the stream."""
    rig = Rig()
    rig.open()
    rig.send(delta("A", 1))
    rig.answer("A", position)
    assert isinstance(rig.engine.failure, SnapshotFailed)
    assert f"snapshot of 'A': position={position!r} is not a number" in str(rig.engine.failure)


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
