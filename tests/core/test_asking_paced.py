"""`core/asking.py` where what is said waits for the send budget: the time for a snapshot runs from when it was asked for."""

from __future__ import annotations

import pytest

from syncstream.core.actions import Payload
from syncstream.core.budget import Budget
from syncstream.core.engine import Call
from syncstream.core.frames import TEXT
from syncstream.core.rules import Rules

from .rig import AGAIN, ANEW, BY_CONNECTION, REQUESTED, Rig, change, classify, delta, snap

SLOW = Budget(count=1, per=3.0)
KEYS = ("A", "B", "C", "D")
PAYLOADS = tuple(Payload(TEXT, b"ask %s" % key.encode(), (key,)) for key in KEYS)


def begun(rules: Rules, **options: object) -> Rig:
    """The keys are live at 5; then the line was lost, and stands again. Each subscription takes three seconds from here on."""
    rig = Rig(change(rules, send_budget=SLOW), topics=KEYS, **options)  # type: ignore[arg-type]
    rig.open()
    rig.send(*(snap(key, 5, v=5) for key in KEYS), *(delta(key, 6, v=6) for key in KEYS))
    rig.cut()
    rig.redial()
    rig.said()
    rig.did()
    rig.open(payloads=PAYLOADS)
    return rig


@pytest.mark.parametrize("rules", [AGAIN, ANEW], ids=["resubscribe", "reconnect"])
def test_no_key_is_asked_for_that_waits_to_be_subscribed(rules: Rules) -> None:
    """The budget takes nine seconds for what a snapshot may take four; each comes two seconds after it was asked for."""
    rig = begun(change(rules, verify_after=0.5))
    for number, key in enumerate(KEYS):
        assert rig.texts() == [f"ask {key}"]
        rig.wait(2.0)
        rig.send(snap(key, 9 + number))
        rig.wait(1.0)
    said = rig.said()
    assert [word for word in said if "gap" in word or "disconnected" in word] == []
    assert [word for word in said if word.startswith("snapshot")] == [
        f"snapshot {key} at {9 + at}" for at, key in enumerate(KEYS)
    ]
    assert rig.did(Call) == []


def test_one_that_was_asked_for_and_does_not_come_is_asked_for_again() -> None:
    """Four seconds after it was, while others wait still."""
    rig = begun(change(AGAIN, verify_after=0.5))
    rig.wait(3.9)
    assert rig.did(Call) == []
    rig.wait(0.2)
    assert [(call.leave, call.ask) for call in rig.did(Call)] == [(("A",), ("A",))]


def test_all_of_a_connection_counter_wait() -> None:
    """None of them is told as lost before it was asked for."""
    counted = change(BY_CONNECTION, splice=None, splice_first=None, splice_last=None, classify=classify, fetch_attempts=1)
    rig = begun(change(counted, ask=AGAIN.ask, comes_within=4.0, fetch_limit=4.0, asks=True, leaves=True, whole=True))
    for number, key in enumerate(KEYS):
        rig.wait(2.0)
        rig.send(snap(key, 1 + number))
        rig.wait(1.0)
    assert [word for word in rig.said() if word.startswith("gap") and word.endswith("told")] == []
    assert rig.did(Call) == []


@pytest.mark.parametrize("said", [0, 2])
def test_the_new_subscription_may_wait_too(said: int) -> None:
    """What is under way is given up four seconds after it was sent, not after it was said."""
    rig = Rig(change(AGAIN, send_budget=SLOW), topics=KEYS)
    rig.open()
    rig.send(snap("A", 5), delta("A", 6))
    rig.wait(20.0)
    rig.did()
    rig.engine.subscribe((), PAYLOADS[2 : 2 + said], rig.now)
    rig.send(delta("A", 9))
    rig.answer_call()  # to leave, and to ask
    rig.wait(3.0 * (1 + said) + 3.9)
    assert (rig.did(Call), rig.keys.fetches.under_way) == ([], 1)
    rig.wait(0.2)
    assert rig.keys.fetches.under_way == 0


def test_a_request_may_wait_too() -> None:
    """It is not given up before it went out."""
    rig = Rig(change(REQUESTED, send_budget=SLOW), topics=KEYS)
    rig.open(payloads=PAYLOADS)
    rig.wait(20.0)
    rig.did()
    rig.engine.subscribe((), PAYLOADS, rig.now)
    rig.send(delta("A", 5))
    rig.wait(12.0)
    assert rig.texts() == ["ask A", "ask B", "ask C", "ask D", "req A"]
    rig.wait(3.9)
    rig.send(snap("A", 5))
    assert rig.said()[-2:] == ["snapshot A at 5", "resynced A at 5 +0"]


def test_what_waited_on_a_line_that_is_lost_is_given_up() -> None:
    """It will never go out; the next line asks anew."""
    rig = Rig(change(REQUESTED, send_budget=SLOW), topics=KEYS)
    rig.open(payloads=PAYLOADS)
    rig.send(delta("A", 5))
    rig.cut()
    rig.redial()
    rig.open()
    rig.did()
    rig.wait(20.0)
    assert "req A" in rig.texts()


def test_a_payload_may_subscribe_more_than_its_own_line_needs() -> None:
    """One single key is subscribed by all of them."""
    rig = begun(change(AGAIN, key=None, verify_after=0.5))
    rig.wait(8.9)
    assert rig.did(Call) == []


def test_a_topic_of_a_key_that_has_others_is_left_alone() -> None:
    """The key goes on, and what comes of its other topics with it; with the last of them it is gone."""
    rig = Rig(AGAIN, topics=("book.A", "trades.A"), topic_key=lambda topic: topic.split(".")[1])
    rig.open()
    rig.send(snap("A", 5), delta("A", 6))
    rig.said()
    rig.engine.unsubscribe(("trades.A",), (), rig.now)
    rig.send(delta("A", 7))
    assert rig.said() == ["A7"]
    rig.engine.unsubscribe(("book.A",), (), rig.now)
    rig.send(delta("A", 8))
    assert (rig.said(), list(rig.keys.syncs)) == ([], [])
