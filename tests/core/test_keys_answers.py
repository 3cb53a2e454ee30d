"""`core/keys.py`: snapshots in the stream's own order, what an answer lets go of, and lines that are lost and open again."""

from __future__ import annotations

import pytest

from syncstream.core.rules import Rules
from syncstream.events import Gap

from .rig import BY_CONNECTION, GROWING, HEALED, NUMBERED, PLAIN, TYPED, Rig, change, classify, delta, snap

# ---------------------------------------------------------------- snapshots in the stream


def test_a_snapshot_in_the_stream_covers_all_that_is_held() -> None:
    """What came after the request too: it came before this one."""
    rig = Rig()
    rig.live("A", 5)
    rig.send(delta("A", 8))
    rig.send(delta("A", 9))
    rig.said()
    rig.keys.in_band(rig.keys.syncs["A"], None, {}, rig.now, 0)
    assert rig.said() == ["snapshot A at None", "resynced A at None +0"]


def test_a_snapshot_in_the_stream_is_counted_and_has_to_be_joined() -> None:
    """The hot path knows nothing of it."""
    rig = Rig()
    rig.live("A", 5)
    rig.send(delta("A", 6))
    rig.keys.in_band(rig.keys.syncs["A"], 6, {}, rig.now, 0)
    assert (rig.engine.status(rig.now).snapshots, rig.keys.plain) == (2, {})


def test_a_snapshot_in_the_stream_heals_what_the_consumer_did_not_take() -> None:
    """When it has caught up nothing is left to ask for."""
    rig = Rig(TYPED)
    rig.live("A", 5)
    rig.drop("A")
    rig.send(snap("A", 9))
    rig.relieve()
    rig.wait(5.0)
    assert (rig.asked(), rig.state("A")) == ([], "live")


# ---------------------------------------------------------------- lines


def test_one_gap_for_all_keys_however_many_lines() -> None:
    """The first line that is open again tells it, and it is counted once."""
    rig = Rig(PLAIN, lines=2)
    rig.start()
    rig.open(0)
    rig.open(1)
    rig.live("A", 5)
    rig.cut(0)
    rig.cut(1)
    rig.wait(2.0)
    rig.said()
    rig.open(0)
    rig.open(1)
    assert [word for word in rig.said() if word.startswith("gap")] == ["gap None reconnect None..None told"]
    status = rig.engine.status(rig.now)
    assert (status.gaps, status.unhealed) == (1, 1)


@pytest.mark.parametrize("rules", [NUMBERED, GROWING])
def test_where_keys_are_proved_or_fetched_no_gap_is_told_for_all(rules: Rules) -> None:
    """Each has its own story; and without a source nobody is asked about the silent ones."""
    rig = Rig(rules)
    rig.live("A", 5)
    rig.reopen()
    assert [item.key for item in rig.items if isinstance(item, Gap)] == (["A"] if rules.source else [])
    rig.asked()
    rig.wait(9.0)
    assert rig.asked() == []


# ---------------------------------------------------------------- what an answer lets go of


def test_a_key_is_plain_at_once_where_what_was_held_has_joined() -> None:
    """Nothing is left to be joined."""
    rig = Rig()
    rig.live("A", 5)
    rig.send(delta("A", 9))
    rig.answer("A", 8)
    assert rig.keys.plain == {"A": rig.order.counters["A"]}


def test_an_answer_lets_go_of_what_it_replays() -> None:
    """Its places and its bytes are free again."""
    rig = Rig(HEALED)
    rig.live("A", 5)
    rig.send(delta("A", 8), delta("A", 9))
    assert (rig.keys.held, rig.keys.held_bytes > 0) == (2, True)
    rig.answer("A", 7)
    assert (rig.keys.held, rig.keys.held_bytes) == (0, 0)


def test_a_new_key_is_asked_for_again_when_its_snapshot_is_too_old() -> None:
    """Nothing was delivered that it could be behind: it is no restart, however often."""
    rig = Rig(change(HEALED, fetch_attempts=100), chance=0.0)
    rig.open()
    rig.send(delta("A", 5))
    rig.said()
    for _ in range(5):
        rig.answer("A", 2)
        rig.wait(30.0)
        assert rig.asked()[-1:] == ["A"]
    assert rig.said() == []
    rig.answer("A", 4)
    assert rig.said() == ["snapshot A at 4", "A5", "resynced A at 5 +1"]


def test_what_was_verified_has_to_be_joined() -> None:
    """The snapshot may be an old one, though it says what the key says."""
    rig = Rig(change(BY_CONNECTION, verify_after=5.0))
    rig.live("A", 5)
    rig.send(delta("A", 6, v=6))
    rig.reopen()
    rig.wait(5.0)
    rig.answer("A", 6)
    rig.said()
    rig.send(delta("A", 1, v=8))
    assert rig.said() == ["gap A hole 6..8 healing"]


# ---------------------------------------------------------------- what is given up once more


def incomplete(rules: Rules) -> Rig:
    """A was given up at 12, and is asked for again: what comes is held."""
    rig = Rig(change(rules, fetch_attempts=1), chance=0.0)
    rig.live("A", 10)
    rig.send(delta("A", 12, v=12))
    rig.fail("A")
    rig.wait(8.0)
    assert rig.asked()[-1:] == ["A"]
    rig.said()
    return rig


def test_a_doubt_behind_what_goes_on_is_told() -> None:
    """What was held joins without a word; that something is missing after it shows in another key's number."""
    rig = incomplete(BY_CONNECTION)
    rig.send(delta("A", 13, v=13))
    rig.send(delta("B", 15, v=1))
    rig.said()
    rig.fail("A")
    assert rig.said() == ["A13", "gap A unhealed 13..None told"]


def test_what_was_behind_is_let_go_of_with_its_bytes() -> None:
    """What is left of it is delivered, and nothing is held."""
    rig = Rig(change(BY_CONNECTION, fetch_attempts=1))
    rig.live("A", 5)
    rig.send(delta("A", 8, v=4), delta("A", 9, v=5), delta("A", 10, v=6))
    rig.fail("A")
    assert rig.said()[-2:] == ["gap A unhealed 5..6 told", "A6"]
    assert (rig.keys.held, rig.keys.held_bytes) == (0, 0)


def test_where_nothing_was_delivered_what_is_held_follows_nothing() -> None:
    """The key was given up with nothing held, and is asked for again: whatever came meanwhile is delivered."""
    rig = Rig(change(BY_CONNECTION, fetch_attempts=1, hold_limit=1), chance=0.0)
    rig.open()
    rig.send(delta("A", 1, v=1), delta("A", 2, v=2))
    rig.fail("A")
    rig.wait(8.0)
    rig.send(delta("A", 3, v=3))
    rig.said()
    rig.fail("A")
    assert rig.said() == ["A3"]


# ---------------------------------------------------------------- silent keys


@pytest.mark.parametrize("lost", [True, False])
def test_a_silence_postpones_nothing(lost: bool) -> None:
    """A key that is being proved, or healed, is asked for when that was due."""
    rig = Rig(change(HEALED, verify_after=4.0), chance=0.0)
    rig.live("A", 5)
    if lost:
        rig.reopen()
        rig.wait(3.0)
    else:
        rig.send(delta("A", 9))
        rig.fail("A", retry_after=4.0)
        rig.wait(3.0)
    rig.asked()
    rig.keys.quieted("A", rig.now, again=True)
    rig.wait(1.0)
    assert rig.asked() == ["A"]


def test_numbers_that_cannot_show_a_hole_prove_nothing_of_a_silent_key() -> None:
    """Though it is known where it stood: it is replaced."""
    rig = Rig(GROWING)
    rig.live("A", 5)
    rig.send(delta("A", 6))
    rig.said()
    rig.keys.quieted("A", rig.now, again=False)
    assert (rig.said(), rig.state("A")) == (["gap A quiet 6..None healing"], "syncing")


def test_a_silent_key_that_stands_nowhere_cannot_be_proved() -> None:
    """A snapshot in the stream without a position made it complete."""
    rig = Rig(change(BY_CONNECTION, classify=classify))
    rig.open()
    rig.send(snap("A", 1))
    rig.said()
    rig.keys.quieted("A", rig.now, again=False)
    assert rig.said() == ["gap A quiet None..None healing"]


def test_without_a_source_nothing_is_asked_for_a_silent_key() -> None:
    """What may have been lost with the old subscription is told, and that is all."""
    rig = Rig(PLAIN)
    rig.live("A", 5)
    rig.keys.quieted("A", rig.now, again=True)
    rig.wait(60.0)
    assert rig.asked() == []
