"""`core/keys.py`: what comes by itself after a subscription, how long that is waited for, and what is asked over the line."""

from __future__ import annotations

from typing import Any

import pytest

from syncstream.core.engine import Call, Dial
from syncstream.core.rules import Rules

from .rig import AGAIN, ANEW, BY_CONNECTION, GROWING, HEALED, PLAIN, REQUESTED, Rig, change, delta, run_of, snap

COUNTED = change(AGAIN, scope=BY_CONNECTION.scope, splice=None)
"""A number of the connection, and none of the key."""


def live(rules: Rules, **fields: Any) -> Rig:
    """`A` is live at 6, by the snapshot that its subscription began with."""
    rig = Rig(change(rules, **fields), topics=("A",))
    rig.open()
    rig.send(snap("A", 5), delta("A", 6))
    rig.said()
    rig.did()
    return rig


# ---------------------------------------------------------------- the first snapshot


def test_the_first_snapshot_comes_by_itself() -> None:
    """What comes before it is held; nothing is asked."""
    rig = Rig(AGAIN, topics=("A",))
    rig.open()
    rig.send(*run_of("A", 4, 6))
    rig.wait(3.9)
    rig.send(snap("A", 5))
    assert rig.said()[1:] == ["snapshot A at 5", "A6", "resynced A at 6 +1"]
    rig.wait(100.0)
    assert rig.did(Call) == []


@pytest.mark.parametrize(("rules", "action"), [(AGAIN, Call), (ANEW, Dial)])
def test_a_first_snapshot_that_does_not_come_is_asked_for(rules: Rules, action: type) -> None:
    """As soon as its time is over."""
    rig = Rig(change(rules, backoff=change(rules).backoff), topics=("A",))
    rig.open()
    rig.did()
    rig.send(delta("A", 4))
    rig.wait(3.9)
    assert rig.did(Call) == []
    rig.wait(0.1)
    if action is Dial:
        rig.redial()
    assert len(rig.did(action)) == 1


def test_after_a_reconnect_it_comes_by_itself_again() -> None:
    """A key that could be proved, and one that could not; a message that goes on proves it before that."""
    rig = live(AGAIN, verify_after=2.0)
    rig.send(snap("B", 5), delta("B", 6), snap("C", 5), delta("C", 6), delta("C", 9))
    rig.reopen()
    rig.said()
    rig.wait(3.9)
    assert rig.did(Call) == []
    rig.send(delta("B", 7), snap("A", 9), snap("C", 9))
    assert rig.said() == [
        *("resynced B at 7 +0", "B7"),
        *("snapshot A at 9", "resynced A at 9 +0"),
        *("snapshot C at 9", "resynced C at 9 +0"),
    ]
    rig.wait(100.0)
    assert rig.did(Call) == []


@pytest.mark.parametrize(("verify_after", "seconds"), [(2.0, 4.0), (7.0, 7.0)])
def test_a_silent_key_has_the_longer_of_two_times(verify_after: float, seconds: float) -> None:
    """For a message that proves it, and for the snapshot."""
    rig = live(AGAIN, verify_after=verify_after)
    rig.reopen()
    rig.wait(seconds - 0.1)
    assert rig.did(Call) == []
    rig.wait(0.1)
    assert len(rig.did(Call)) == 1


def test_where_no_message_can_prove_it_the_snapshot_is_waited_for() -> None:
    """The gap of the loss is told at once, and the new subscription heals it."""
    rig = live(COUNTED)
    rig.reopen()
    assert "gap A reconnect None..None healing" in rig.said()
    rig.wait(3.9)
    assert rig.did(Call) == []
    rig.send(snap("A", 1))
    assert rig.said()[-2:] == ["snapshot A at None", "resynced A at None +0"]


def test_without_numbers_too() -> None:
    """A venue that counts nothing begins each subscription with the state; messages before it are held."""
    rules = change(PLAIN, classify=AGAIN.classify, source=True, ask=AGAIN.ask, comes_within=4.0, fetch_limit=4.0, leaves=True)
    rig = live(rules)
    rig.reopen()
    assert "gap A reconnect None..None healing" in rig.said()
    rig.send(delta("A", 7), snap("A"), delta("A", 8))
    assert rig.said() == ["snapshot A at None", "resynced A at None +0", "A8"]


# ---------------------------------------------------------------- what was asked


def test_what_was_asked_on_a_line_is_over_with_it() -> None:
    """Its place is free; the new subscription comes first, and then it is asked again."""
    rig = live(AGAIN, fetch_concurrency=1)
    rig.send(delta("A", 9))
    assert (len(rig.did(Call)), rig.keys.fetches.under_way) == (1, 1)
    rig.cut()
    assert rig.keys.fetches.under_way == 0
    rig.redial()
    rig.open()
    rig.wait(3.9)
    assert rig.did(Call) == []
    rig.wait(0.1)
    assert len(rig.did(Call)) == 1


def test_a_request_is_made_again_on_the_next_line() -> None:
    """At once: it answers nothing by itself."""
    rig = Rig(REQUESTED)
    rig.open()
    rig.send(delta("A", 4))
    assert rig.texts() == ["req A"]
    rig.reopen()
    assert rig.texts() == ["req A"]


def test_what_does_not_come_is_asked_for_again_with_back_off_and_given_up() -> None:
    """The same as with any source; later it is asked for again, and the snapshot heals it."""
    rig = live(AGAIN, fetch_attempts=2)
    rig.send(delta("A", 9))
    assert len(rig.did(Call)) == 1
    rig.wait(4.4)
    assert rig.did(Call) == []
    rig.wait(0.1)
    assert len(rig.did(Call)) == 1
    rig.said()
    rig.wait(4.0)
    assert rig.said() == ["gap A unhealed 6..9 told", "A9"]
    assert rig.keys.status()["A"].state == "incomplete"
    rig.wait(8.0)
    assert len(rig.did(Call)) == 1
    rig.send(delta("A", 10), snap("A", 10))
    assert rig.said() == ["snapshot A at 10", "resynced A at 10 +0"]


def test_a_second_hole_meanwhile_asks_for_nothing_more() -> None:
    """The snapshot that was asked for may cover it; if it does not, it is asked for again, unless a message joins it."""
    rig = live(AGAIN)
    rig.send(delta("A", 9), delta("A", 12))
    assert len(rig.did(Call)) == 1
    rig.send(snap("A", 12))
    assert (rig.said()[-2:], rig.did(Call)) == (["snapshot A at 12", "resynced A at 12 +0"], [])
    rig.send(delta("A", 15), delta("A", 18))
    rig.did()
    rig.send(snap("A", 15))
    rig.wait(4.9)
    assert (rig.said()[-1], rig.did(Call)) == ("snapshot A at 15", [])
    rig.wait(0.1)
    assert len(rig.did(Call)) == 1


def test_a_key_that_is_left_meanwhile_gives_its_place_back() -> None:
    """And what still comes of it is nobody's."""
    rig = live(AGAIN, fetch_concurrency=1)
    rig.send(delta("A", 9))
    rig.engine.unsubscribe(["A"], [], rig.now)
    assert rig.keys.fetches.under_way == 0
    rig.said()
    rig.send(snap("A", 9))
    assert rig.said() == []


# ---------------------------------------------------------------- no reason for a new connection


def test_a_slow_consumer_costs_no_connection() -> None:
    """What it missed is told by the queue, and the key goes on."""
    rig = live(ANEW)
    rig.drop("A")
    assert (rig.said(), rig.state("A"), rig.did()) == ([], "live", [])
    rig = live(AGAIN)
    rig.drop("A")
    assert rig.state("A") == "dropped"


@pytest.mark.parametrize(
    ("rules", "again", "said", "asks"),
    [
        (ANEW, False, [], False),
        (ANEW, True, [], True),
        (change(ANEW, scope=COUNTED.scope, splice=None), False, [], False),
        (change(ANEW, scope=COUNTED.scope, splice=None), True, ["gap A quiet None..None healing"], True),
        (AGAIN, False, [], True),
    ],
)
def test_a_silent_key_costs_no_connection(rules: Rules, again: bool, said: list[str], asks: bool) -> None:
    """Unless it was subscribed again and its snapshot does not come; as soon as it comes, that is the proof."""
    rig = live(rules, verify_after=2.0)
    rig.keys.quieted("A", rig.now, again=again)
    assert rig.said() == said
    assert (rig.keys.syncs["A"].fetch_at == rig.now + 4.0) is asks
    rig.wait(3.9)
    assert rig.engine.lines[0].is_live()
    assert rig.did(Call) == []


# ---------------------------------------------------------------- answers over the line


def test_an_answer_is_that_of_the_request_under_way() -> None:
    """Without one, or of a key that nobody knows, it is late and changes nothing."""
    rig = Rig(REQUESTED)
    rig.open()
    rig.send(delta("A", 4))
    for key in ("X", "A", "A"):
        rig.keys.answered(key, 4, "state", rig.now, 0.5, size=3)
    assert rig.said()[1:] == ["snapshot A at 4", "resynced A at 4 +0"]
    assert rig.keys.fetches.late == 2


def test_an_answer_without_a_position_covers_what_came_before_it() -> None:
    """Also what came after it was asked for, and a hole in that."""
    rig = Rig(change(REQUESTED, whole=True, splice=None))
    rig.open()
    rig.send(delta("A", 4))
    rig.send(delta("A", 5), delta("A", 8))
    rig.said()
    rig.keys.answered("A", None, "state", rig.now, 0.5)
    assert rig.said() == ["snapshot A at None", "resynced A at None +0"]


def test_a_new_connection_is_an_attempt_of_each_key_that_is_due() -> None:
    """Of those that have none left nothing more is expected; one that was given up has one each time."""
    rig = live(ANEW, fetch_attempts=1)
    assert not rig.keys.stranded(rig.now)
    sync = rig.keys.syncs["A"]
    for incomplete in (False, True):
        rig.keys.doubt(sync, "hole", 6, 9, rig.now)
        assert (rig.keys.stranded(rig.now), sync.fetch_at, sync.incomplete) == (True, rig.now + 4.0, incomplete)
        rig.now += 4.0
        assert (rig.keys.stranded(rig.now), sync.incomplete, sync.attempts) == (False, True, 0)


def test_a_key_has_as_many_new_connections_as_attempts() -> None:
    """Then it is given up."""
    rig = live(ANEW, fetch_attempts=2)
    sync = rig.keys.syncs["A"]
    rig.keys.doubt(sync, "hole", 6, 9, rig.now)
    for wanted in (True, True, False):
        assert (rig.keys.stranded(rig.now), sync.incomplete) == (wanted, not wanted)
        rig.now += 4.0


def test_an_answer_of_a_key_that_nobody_knows_is_nobody_elses() -> None:
    """With a position or without."""
    for rules in (REQUESTED, change(REQUESTED, whole=True, splice=None)):
        rig = Rig(rules)
        rig.open()
        rig.send(delta("A", 4))
        rig.said()
        rig.keys.answered("X", 4, "state", rig.now, 0.5)
        assert (rig.said(), rig.keys.fetches.late) == ([], 1)


def test_an_answer_is_delivered_with_its_bytes() -> None:
    """As it came over the line."""
    rig = Rig(REQUESTED, sized=True)
    rig.open()
    rig.send(delta("A", 4))
    rig.keys.answered("A", 4, "state", rig.now, 0.5, size=3)
    assert rig.keys.sizes == [3]


def test_an_answer_with_a_position_covers_no_doubt_that_came_after_its_request() -> None:
    """Its position says what is in it, and when that was missing nobody knows."""
    rig = Rig(REQUESTED)
    rig.open()
    rig.send(delta("A", 4))
    rig.keys.doubt(rig.keys.syncs["A"], "hole", 4, None, rig.now)
    rig.keys.answered("A", 4, "state", rig.now, 0.5)
    assert (rig.said()[-1], rig.state("A")) == ("snapshot A at 4", "syncing")


# ---------------------------------------------------------------- how long after a reconnect


def test_what_waits_to_be_asked_again_is_not_hurried_by_a_reconnect() -> None:
    """Nothing comes by itself: the venue has asked for that time."""
    rig = Rig(HEALED, chance=0.0)
    rig.live("A", 5)
    rig.send(delta("A", 9))
    rig.fail("A", retry_after=9.0)
    rig.asked()
    rig.reopen()
    rig.wait(7.9)
    assert rig.asked() == []
    rig.wait(1.1)
    assert rig.asked() == ["A"]


def test_what_a_slow_consumer_missed_is_not_asked_for_by_a_reconnect() -> None:
    """Before it has caught up that would help nobody."""
    rig = live(AGAIN)
    rig.drop("A")
    rig.reopen()
    rig.wait(20.0)
    assert (rig.did(Call), rig.state("A")) == ([], "dropped")


@pytest.mark.parametrize("reopened", [True, False])
def test_a_short_time_is_kept(reopened: bool) -> None:
    """To be proved, after a reconnect or a silence, or for the snapshot to come by itself."""
    rig = Rig(change(HEALED, verify_after=0.5))
    rig.live("A", 5)
    if reopened:
        rig.reopen()
    else:
        rig.keys.quieted("A", rig.now, again=True)
    rig.wait(0.5)
    assert rig.asked() == ["A"]
    rig = live(COUNTED, comes_within=0.5)
    if reopened:
        rig.reopen()
        rig.wait(0.5)
        assert len(rig.did(Call)) == 1


def test_an_answer_to_what_was_withdrawn_is_not_that_of_the_next_request() -> None:
    """They come in order; where numbers only grow nothing else could show it."""
    rig = Rig(change(REQUESTED, rule=GROWING.rule, splice=GROWING.splice, resync_interval=0.0))
    rig.open()
    rig.send(delta("A", 4))
    assert rig.texts() == ["req A"]
    rig.drop("A")
    rig.send(delta("A", 6))
    rig.relieve()
    assert rig.texts() == ["req A"]
    rig.said()
    rig.send(snap("A", 4), delta("A", 9))
    assert (rig.said(), rig.keys.fetches.late) == ([], 1)
    rig.send(snap("A", 6))
    assert rig.said() == ["snapshot A at 6", "A9", "resynced A at 9 +1"]


def test_what_is_wrong_before_its_snapshot_has_come_waits_for_that() -> None:
    """It is on its way already."""
    rig = live(AGAIN, verify_after=2.0)
    rig.reopen()
    rig.keys.mismatched("A", rig.now, 0.5)
    rig.wait(3.9)
    assert rig.did(Call) == []
    rig.wait(0.1)
    assert len(rig.did(Call)) == 1


@pytest.mark.parametrize("rules", [AGAIN, REQUESTED])
def test_what_a_subscription_begins_with_is_waited_for_from_then_on(rules: Rules) -> None:
    """However long the line took to open; a request that is due stays so, and what is complete needs none."""
    rig = Rig(rules, topics=("A",))
    rig.open()
    rig.send(delta("A", 4))
    rig.now += 3.0
    before = rig.keys.syncs["A"].fetch_at
    rig.keys.subscribed(rig.now)
    assert rig.keys.syncs["A"].fetch_at == (before if rules is REQUESTED else rig.now + 4.0)
    rig.send(snap("A", 4))
    rig.keys.subscribed(rig.now)
    assert rig.keys.syncs["A"].fetch_at is None


def test_a_consumer_that_has_caught_up_waits_for_what_comes_by_itself() -> None:
    """It was dropped before the first snapshot of a connection, or before that of a new subscription, could come."""
    rig = Rig(AGAIN, topics=("A",))
    rig.open()
    rig.send(delta("A", 4))
    rig.did()
    for _ in range(2):
        rig.engine.dropped(["A"], rig.now)
        rig.engine.relieved(rig.now)
        rig.wait(3.9)
        assert rig.did(Call) == []
        rig.wait(0.1)
        assert rig.did(Call) == [Call(0, 1, ("A",), ("A",))]
    rig.send(snap("A", 5))
    rig.engine.dropped(["A"], rig.now)
    rig.wait(1.0)
    rig.engine.relieved(rig.now)
    assert rig.did(Call) == [Call(0, 1, ("A",), ("A",))]
