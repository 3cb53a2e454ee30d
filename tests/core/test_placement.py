"""`core/placement.py`: what the hot path may deliver, what the next message must join, what a doubt tells, how long it waits."""

from __future__ import annotations

import pytest

from syncstream.core.keys import Keys
from syncstream.core.rules import Rules
from syncstream.core.sequence import Contiguous
from syncstream.errors import FetchError
from syncstream.events import Gap

from .rig import (
    BY_CHANNEL,
    BY_CONNECTION,
    GROWING,
    HEALED,
    NUMBERED,
    PLAIN,
    TYPED,
    Rig,
    change,
    classify,
    delta,
    snap,
    version_of,
)


def gaps(rig: Rig) -> list[Gap]:
    rig.gather()
    return [item for item in rig.items if isinstance(item, Gap)]


# ---------------------------------------------------------------- the hot path


def test_a_key_is_plain_once_a_message_has_joined_its_snapshot() -> None:
    """With its own counter; and no more from the doubt on."""
    rig = Rig()
    rig.live("A", 5)
    assert rig.keys.plain == {}
    rig.send(delta("A", 6))
    assert rig.keys.plain == {"A": rig.order.counters["A"]}
    rig.send(delta("A", 9))
    assert rig.keys.plain == {}


def test_a_key_with_a_window_open_is_not_plain() -> None:
    """What waits has to be looked at with each message."""
    rig = Rig(change(NUMBERED, reorder=1.0))
    rig.live("A", 5)
    rig.send(delta("A", 8), delta("A", 6))
    assert (rig.said(), rig.keys.plain) == (["A6"], {})
    rig.send(delta("A", 7))
    assert (rig.said(), list(rig.keys.plain)) == (["A7", "A8"], ["A"])


def test_numbers_that_only_grow_are_plain_once_they_have_joined() -> None:
    """What goes back is not: the key is looked at again, until the next that grows."""
    rig = Rig(GROWING)
    rig.live("A", 5)
    assert rig.keys.plain == {}
    rig.send(delta("A", 6), delta("A", 7))
    assert (rig.said(), list(rig.keys.plain)) == (["A6", "A7"], ["A"])
    rig.send(delta("A", 7))
    assert rig.keys.plain == {}


# ---------------------------------------------------------------- what the next message must join


def joined(rules: Rules) -> Rig:
    """A stands at 6, which a message has joined, and was complete for longer than it takes to verify it; a new line is open."""
    rig = Rig(change(rules, verify_after=5.0))
    rig.live("A", 5)
    rig.send(delta("A", 6, v=6, c="c"))
    rig.wait(9.0)
    rig.reopen()
    rig.said()
    return rig


@pytest.mark.parametrize("rules", [BY_CONNECTION, BY_CHANNEL])
@pytest.mark.parametrize(("version", "said"), [(6, []), (7, ["resynced A at 7 +0", "A7"]), (8, ["gap A hole 6..8 healing"])])
def test_after_a_reconnect_the_keys_own_number_is_joined(rules: Rules, version: int, said: list[str]) -> None:
    """Where the counter is not the key's, only that shows whether something of the key was missed."""
    rig = joined(rules)
    rig.send(delta("A", 1, v=version, c="another"))
    assert rig.said() == said


def test_a_stale_message_does_not_hurry_a_key_that_is_to_be_verified() -> None:
    """The line may be that late; the key gets its time to be proved."""
    rig = joined(BY_CONNECTION)
    rig.send(delta("A", 1, v=6))
    assert rig.asked() == []
    rig.wait(5.0)
    assert rig.asked() == ["A"]


def test_where_nothing_was_missed_the_next_message_must_show_it() -> None:
    """The snapshot was an old one, perhaps, though it says what the key says."""
    rig = joined(BY_CONNECTION)
    rig.wait(5.0)
    rig.answer("A", 6)
    rig.said()
    rig.send(delta("A", 1, v=8))
    assert rig.said() == ["gap A hole 6..8 healing"]


def test_an_in_band_snapshot_is_joined_by_the_counter_where_nothing_else_joins() -> None:
    """Without a source there is no splice, but a number in the snapshot all the same."""
    rig = Rig(change(TYPED, source=False, splice=None))
    rig.open()
    rig.said()
    rig.send(snap("A", 5), delta("A", 6), delta("A", 8))
    assert rig.said() == ["snapshot A at 5", "A6", "gap A hole 6..8 told", "A8"]


# ---------------------------------------------------------------- what a doubt tells


def test_without_a_source_nothing_is_asked_for() -> None:
    """There is nobody to ask."""
    rig = Rig(NUMBERED)
    rig.open()
    rig.send(delta("A", 5))
    assert (rig.asked(), rig.state("A")) == ([], "live")


def test_the_first_failure_is_the_one_that_is_told() -> None:
    """What follows from it is no news."""
    keys = Keys(NUMBERED, wall_ns=0)
    keys.fail_keys("one")
    first = keys.failure
    keys.fail_keys("two")
    assert keys.failure is first
    assert str(first).startswith("one: ")


def test_a_gap_that_is_told_ends_the_doubt_of_a_reconnect() -> None:
    """The message after it needs no proof, and nothing is called complete again."""
    rig = Rig(NUMBERED)
    rig.live("A", 5)
    rig.reopen()
    rig.said()
    rig.send(delta("A", 8), delta("A", 9))
    assert (rig.said(), rig.state("A")) == (["gap A hole 5..8 told", "A8", "A9"], "live")


def test_a_doubt_after_a_loss_tells_since_when() -> None:
    """The last data before it; a hole is seen when it is there."""
    rig = Rig(GROWING, wall_ns=0)
    rig.live("A", 5)
    data_at = rig.now
    rig.wait(3.0)
    rig.cut()
    (gap,) = gaps(rig)
    assert (gap.reason, gap.since_ns, gap.until_ns) == ("reconnect", int(data_at * 1e9), int(rig.now * 1e9))


def test_only_a_hole_has_a_size() -> None:
    """Where the numbers began anew, or a source was given up, the difference of two numbers says nothing."""
    rig = Rig(change(HEALED, fetch_attempts=1))
    rig.live("A", 10)
    rig.send(delta("A", 14))
    rig.fail("A")
    rig.send(delta("A", 1), delta("A", 2), delta("A", 3), delta("A", 16))
    assert [(gap.reason, gap.after, gap.before, gap.missing) for gap in gaps(rig)] == [
        ("hole", 10, 14, 3),
        ("unhealed", 10, 14, None),
        ("restart", 14, 16, None),
    ]


def test_a_hole_before_the_first_message_has_no_size() -> None:
    """What a connection must begin with was not the first to come; where it would have come from is not known."""
    rig = Rig(change(NUMBERED, rule=Contiguous("n", start=1)))
    rig.open()
    rig.said()
    rig.send(delta("A", 3))
    assert [(gap.reason, gap.after, gap.before, gap.missing) for gap in gaps(rig)] == [("hole", None, 3, None)]
    assert rig.said() == ["gap A hole None..3 told", "A3"]


def test_a_hole_before_the_first_message_of_a_key_with_a_numbering_of_its_own() -> None:
    """No message was delivered that could say where the key stands."""
    rig = Rig(change(NUMBERED, rule=Contiguous("n", start=1), splice_first=version_of, splice_last=version_of))
    rig.open()
    rig.said()
    rig.send(delta("A", 3, v=9))
    assert rig.said() == ["gap A hole None..3 told", "A9"]


def test_a_key_stands_where_its_own_numbering_says() -> None:
    """Not where its counter does, as soon as it has one; and not where a counter of many keys does, if it has none."""
    own = Rig(change(HEALED, splice=Contiguous("v"), splice_first=version_of, splice_last=version_of))
    own.open()
    own.send(delta("A", 5, v=50))
    own.answer("A", 50)
    own.send(delta("A", 6, v=51), delta("A", 9, v=60))
    assert own.engine.status(own.now).keys["A"].position == 51
    shared = Rig(change(BY_CHANNEL, whole=True, splice=None, splice_first=None, splice_last=None))
    shared.live("A", 5)
    shared.send(delta("A", 9, v=9, c="c"))
    assert shared.engine.status(shared.now).keys["A"].position is None


# ---------------------------------------------------------------- a counter that is new to the key


def test_a_message_on_a_new_counter_proves_nothing_where_nothing_joins_it() -> None:
    """What was missed between the last one and the loss is told, with its beginning; but only once, and only after a loss."""
    rig = Rig(change(BY_CHANNEL, source=False, splice=None), wall_ns=0)
    rig.live("A", 5)
    rig.send(delta("A", 1, v=6, c="second"))
    assert rig.said() == ["A6"]
    data_at = rig.now
    rig.wait(2.0)
    rig.reopen()
    rig.said()
    rig.send(delta("A", 1, v=8, c="third"))
    assert [gap.since_ns for gap in gaps(rig)] == [int(data_at * 1e9)]
    rig.send(delta("A", 1, v=9, c="fourth"))
    assert rig.said() == ["gap A reconnect 6..None told", "A8", "A9"]


def test_nor_where_nobody_knows_what_to_join_it_to() -> None:
    """A snapshot in the stream without a position of the key leaves none."""
    rig = Rig(change(BY_CHANNEL, classify=classify))
    rig.open()
    rig.send(snap("A", 1, c="c"))
    rig.reopen()
    rig.said()
    rig.send(delta("A", 1, v=8, c="another"))
    assert (rig.said(), rig.asked()[-1:]) == (["gap A reconnect None..None healing"], ["A"])


@pytest.mark.parametrize("before", [[], [1_005]])
def test_after_a_restart_nothing_was_delivered(before: list[int]) -> None:
    """Whether the key was complete or not: in the new numbers it stands nowhere."""
    rig = Rig(change(HEALED, restart_after=2, fetch_attempts=1))
    rig.live("A", 1_000)
    rig.send(*(delta("A", number) for number in (*before, 1, 2, 3)))
    rig.said()
    rig.fail("A")
    assert rig.said() == ["gap A unhealed None..3 told", "A3"]


def test_a_restart_of_the_keys_own_counter_is_one_restart() -> None:
    """Nobody else counts its numbers, and finds the old ones missing."""
    rig = Rig(change(TYPED, restart_after=2))
    rig.live("A", 1_000)
    rig.send(delta("A", 1_001), delta("A", 1), delta("A", 2), delta("A", 3))
    rig.answer("A", 3)
    rig.said()
    for number in (4, 5, 6, 7):
        rig.send(delta("A", number))
        rig.wait(1.0)
    assert rig.said() == ["A4", "A5", "A6", "A7"]


# ---------------------------------------------------------------- how long it waits


def test_a_hole_does_not_hurry_a_key_that_keeps_its_interval() -> None:
    """A consumer that was too slow is not helped by asking earlier."""
    rig = Rig(change(HEALED, resync_interval=10.0))
    rig.live("A", 5)
    rig.drop("A")
    rig.relieve()
    rig.send(delta("A", 9))
    assert rig.asked() == []
    rig.wait(9.9)
    assert rig.asked() == []
    rig.wait(0.1)
    assert rig.asked() == ["A"]


def test_proof_does_not_hurry_a_key_that_was_given_up() -> None:
    """It is as incomplete as before the line was lost, and asked for at the longest wait, not when silent keys are verified."""
    rig = Rig(change(HEALED, fetch_attempts=1, verify_after=1.0))
    rig.live("A", 10)
    rig.send(delta("A", 12))
    rig.fail("A")
    rig.reopen()
    rig.asked()
    rig.said()
    rig.send(delta("A", 13))
    assert rig.said() == ["A13"]
    rig.wait(7.9)
    assert rig.asked() == []
    rig.wait(0.1)
    assert rig.asked() == ["A"]


def test_a_hole_does_not_hurry_a_key_that_could_not_be_verified() -> None:
    """Its source has failed once: the back-off is kept."""
    rig = Rig(change(HEALED, verify_after=1.0))
    rig.live("A", 5)
    rig.reopen()
    rig.wait(1.0)
    rig.fail("A", retry_after=3.0)
    rig.asked()
    rig.send(delta("A", 8))
    assert rig.asked() == []
    rig.wait(3.5)
    assert rig.asked() == ["A"]


# ---------------------------------------------------------------- lines


def told_by_a_cut(rig: Rig) -> list[str]:
    rig.said()
    rig.cut()
    return [word for word in rig.said() if word.startswith("gap")]


def test_no_key_is_plain_while_no_line_is_open() -> None:
    """It has to be proved first."""
    rig = Rig()
    rig.live("A", 5)
    rig.send(delta("A", 6))
    rig.cut()
    assert rig.keys.plain == {}


def test_a_silent_key_stood_where_its_counter_did() -> None:
    """However long ago its last snapshot was: one between that and the loss is old."""
    rig = Rig(change(HEALED, verify_after=1.0))
    rig.live("A", 5)
    rig.send(delta("A", 6), delta("A", 7))
    rig.reopen()
    rig.wait(1.0)
    rig.said()
    rig.answer("A", 6)
    assert (rig.said(), rig.state("A")) == ([], "unproven")


@pytest.mark.parametrize("rules", [HEALED, BY_CHANNEL])
def test_a_key_whose_counter_goes_on_is_told_nothing_new_by_a_loss(rules: Rules) -> None:
    """It is not complete yet; its counter will show what was missed."""
    rig = Rig(rules)
    rig.open()
    rig.send(delta("A", 5, v=5, c="c"))
    assert told_by_a_cut(rig) == []


def test_a_key_in_doubt_whose_counter_ends_with_the_line_is_doubted_again() -> None:
    """The next counter begins anywhere: nothing would show what was missed."""
    rig = Rig(BY_CONNECTION)
    rig.live("A", 5)
    rig.send(delta("A", 9, v=9))
    assert told_by_a_cut(rig) == ["gap A reconnect 5..None healing"]


def test_a_key_that_stands_nowhere_cannot_be_proved() -> None:
    """A snapshot in the stream without a position made it complete; no message can show that it still is."""
    rig = Rig(change(BY_CONNECTION, classify=classify))
    rig.open()
    rig.send(snap("A", 1))
    assert told_by_a_cut(rig) == ["gap A reconnect None..None healing"]


def test_without_numbers_and_without_a_source_no_key_is_doubted_by_itself() -> None:
    """One gap for all is told when a line is open again."""
    rig = Rig(PLAIN)
    rig.live("A", 5)
    assert told_by_a_cut(rig) == []


def test_a_loss_while_a_request_waits_leaves_no_hole_behind_what_is_held() -> None:
    """It is asked for after the loss; if it is given up, the counter shows what the line missed."""
    rig = Rig(change(HEALED, fetch_attempts=2), chance=0.0)
    rig.live("A", 5)
    rig.send(delta("A", 8))
    rig.engine.unfetched(rig.fetches["A"], FetchError("away", retry_after=3.0), rig.now)
    rig.reopen()
    rig.wait(3.0)
    rig.said()
    rig.fail("A")
    assert rig.said() == ["gap A unhealed 5..8 told", "A8"]
