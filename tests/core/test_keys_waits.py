"""`core/keys.py`: what is waited for before a key is asked for, and what is owed to whom."""

from __future__ import annotations

from typing import Any

import pytest

from syncstream.core.engine import Call
from syncstream.core.rules import Rules
from syncstream.errors import FetchError

from .rig import AGAIN, HEALED, NUMBERED, REQUESTED, Rig, change, delta, snap


def live(rules: Rules, **fields: Any) -> Rig:
    """`A` is live at 6, by the snapshot that its subscription began with."""
    rig = Rig(change(rules, **fields), topics=("A",))
    rig.open()
    rig.send(snap("A", 5), delta("A", 6))
    rig.said()
    rig.did()
    return rig


def healed(**fields: Any) -> Rig:
    """`A` is live at 6, by a snapshot that was fetched."""
    rig = Rig(change(HEALED, **fields))
    rig.open()
    rig.send(delta("A", 5))
    rig.answer("A", 5)
    rig.send(delta("A", 6))
    rig.said()
    rig.did()
    return rig


def asked_after(rig: Rig, seconds: float) -> None:
    """`A` is subscribed again then, and not before."""
    rig.wait(seconds - 0.1)
    assert rig.did(Call) == []
    rig.wait(0.1)
    assert rig.did(Call) == [Call(0, rig.dials[0].epoch, ("A",), ("A",))]


def test_a_key_that_was_dropped_before_a_reconnect_waits_for_its_snapshot() -> None:
    """The new connection begins with one."""
    rig = live(AGAIN)
    rig.drop("A")
    rig.reopen()
    rig.relieve()
    asked_after(rig, 4.0)


def test_a_key_that_was_quiet_waits_for_the_snapshot_of_its_new_subscription() -> None:
    """Though its messages were dropped after that."""
    rig = live(AGAIN)
    rig.wait(5.0)
    rig.keys.quieted("A", rig.now, again=True)
    rig.drop("A")
    rig.relieve()
    asked_after(rig, 4.0)


def test_what_was_asked_on_a_line_is_answered_there_or_never() -> None:
    """The first answer on the next line is to the first request there."""
    rig = Rig(change(REQUESTED, resync_interval=0.0))
    rig.open()
    rig.send(delta("A", 4))
    rig.drop("A")
    rig.reopen()
    rig.relieve()
    rig.said()
    rig.send(snap("A", 6))
    assert rig.said()[0] == "snapshot A at 6"


def test_without_a_source_a_wrong_key_is_told_only() -> None:
    """Nobody can be asked."""
    rig = Rig(NUMBERED)
    rig.open()
    rig.send(delta("A", 1))
    rig.said()
    rig.engine.mismatched("A", rig.now)
    rig.wait(100.0)
    assert (rig.said(), rig.asked()) == (["gap A checksum 1..None told"], [])


@pytest.mark.parametrize(("seconds", "delay"), [(8.0, 0.5), (8.1, 0.0)])
def test_a_key_that_is_wrong_soon_after_it_was_healed_waits(seconds: float, delay: float) -> None:
    """Soon is the longest back-off."""
    rig = healed()
    rig.wait(seconds)
    rig.engine.mismatched("A", rig.now)
    rig.tick()
    assert (rig.asked() == ["A"]) is not bool(delay)
    rig.wait(delay)
    assert delay == 0.0 or rig.asked() == ["A"]


def test_a_key_that_is_wrong_is_not_left_to_be_proved() -> None:
    """After a reconnect its next message would do, if it were right."""
    rig = healed(verify_after=50.0)
    rig.reopen()
    rig.asked()
    rig.engine.mismatched("A", rig.now)
    rig.wait(2.0)
    assert rig.asked() == ["A"]


def test_a_key_that_was_given_up_and_is_wrong_is_asked_for_at_once() -> None:
    """Not only when it would have been asked for once more."""
    rig = Rig(change(AGAIN, fetch_attempts=1), topics=("A",))
    rig.open()
    rig.send(delta("A", 5))
    rig.wait(4.0)
    rig.answer_call()
    rig.wait(4.0)
    assert rig.engine.status(rig.now).keys["A"].state == "incomplete"
    rig.did()
    rig.engine.mismatched("A", rig.now)
    rig.wait(1.0)
    assert len(rig.did(Call)) == 1


def test_a_snapshot_that_comes_by_itself_settles_what_was_asked_for() -> None:
    """No answer is owed any more; else each request would be kept for ever."""
    rig = live(AGAIN)
    rig.send(delta("A", 9))
    rig.send(snap("A", 9))
    assert not rig.keys.fetches.owed("A", rig.now)


@pytest.mark.parametrize(("state", "patience"), [("proving", 5.0), ("syncing", 4.0)])
def test_a_key_whose_subscription_waits_is_not_asked_for(state: str, patience: float) -> None:
    """It has its time from when that went out; a key that nobody knows has none."""
    rig = live(AGAIN, verify_after=5.0)
    if state == "syncing":
        rig.send(delta("A", 9))
        rig.engine.unfetched(rig.keys.syncs["A"].epoch, FetchError("no"), rig.now)
    rig.reopen()
    rig.did()
    rig.keys.awaits("A", None)
    rig.keys.awaits("B", None)
    rig.wait(100.0)
    assert rig.did(Call) == []
    rig.keys.awaits("A", rig.now)
    rig.keys.awaits("B", rig.now)
    asked_after(rig, patience)
    assert list(rig.keys.syncs) == ["A"]


def test_a_key_that_waits_for_nothing_is_not_asked_for() -> None:
    """What is live has no need of what a subscription begins with, but a drop waits for it."""
    rig = live(AGAIN)
    rig.keys.awaits("A", None)
    rig.keys.awaits("A", rig.now)
    rig.wait(2.0)
    assert (rig.keys.syncs["A"].fetch_at, rig.did(Call)) == (None, [])
    rig.drop("A")
    rig.relieve()
    asked_after(rig, 2.0)


def test_a_key_that_is_asked_for_now_has_its_time_from_when_that_went_out() -> None:
    """It waits for ever until then."""
    rig = live(AGAIN)
    rig.send(delta("A", 9))
    rig.keys.awaits("A", None)
    rig.wait(100.0)
    assert rig.keys.fetches.under_way == 1
    rig.keys.awaits("A", rig.now)
    rig.wait(3.9)
    assert rig.keys.fetches.under_way == 1
    rig.wait(0.1)
    assert rig.keys.fetches.under_way == 0
