"""`core/asking.py`: when nothing may be asked, what is said of it, and what an answer shows of the connection."""

from __future__ import annotations

from typing import Any, Optional

import pytest

from syncstream.core.actions import Payload
from syncstream.core.engine import Call, Send
from syncstream.core.frames import CLOSE, TEXT
from syncstream.core.rules import Kind, Rules
from syncstream.core.subscriptions import Acks

from .rig import AGAIN, ANEW, HEALED, REQUESTED, Rig, change, delta, snap, text


def kind_of(message: Any) -> Optional[Kind]:
    return {"snap": Kind.SNAPSHOT, "again": Kind.RESUBSCRIBE}.get(message.get("t"))


def begun(rules: Rules, *keys: str, **options: Any) -> Rig:
    """The keys are live at 6."""
    rig = Rig(rules, topics=keys, **options)
    rig.open()
    rig.send(*(snap(key, 5) for key in keys), *(delta(key, 6) for key in keys))
    rig.said()
    rig.did()
    return rig


def test_what_is_due_while_no_line_is_live_waits_for_one() -> None:
    """The consumer has caught up, and nobody could join a snapshot to what comes."""
    rig = Rig(HEALED)
    rig.open()
    rig.send(delta("A", 1))
    rig.answer("A", 1)
    rig.wait(1.0)
    rig.drop("A")
    rig.cut()
    rig.did()
    rig.relieve()
    assert rig.asked() == []
    rig.redial()
    rig.open()
    assert rig.asked() == ["A"]


def test_one_live_line_is_enough() -> None:
    """The other one is still dialled."""
    rig = Rig(HEALED, lines=2)
    rig.open(0)
    rig.send(delta("A", 1))
    assert rig.asked() == ["A"]


def test_while_everything_is_subscribed_again_nothing_is_asked() -> None:
    """A snapshot could be older than what the subscription brings first."""
    rig = Rig(change(HEALED, classify=kind_of, asks=True), topics=("A",))
    rig.open()
    rig.send({"k": "A", "t": "again"})
    rig.did()
    call = Call(0, rig.dials[0].epoch, (), ("A",))
    rig.send(delta("A", 1))
    assert rig.asked() == []
    rig.actions.append(call)
    rig.answer_call()
    assert rig.asked() == ["A"]


def test_all_calls_have_to_be_back() -> None:
    """Which of them asked for everything is not known."""
    rig = begun(AGAIN, "A", "B")
    asking, place = rig.engine.asking, rig.engine.lines[0]
    place.talk.resubscribing_until = rig.now + 15.0
    asking.call(place, (), ("A",))
    asking.call(place, (), ("B",))
    rig.engine.spoken(0, place.epoch, [], [], rig.now)
    assert not asking.may_ask()
    rig.engine.spoken(0, place.epoch, [], [], rig.now)
    assert asking.may_ask()


def test_a_key_without_a_topic_is_named_in_the_log_and_no_other_is() -> None:
    """The first one of those that are due; where there are topics nothing is to be said."""
    rig = begun(AGAIN, "A", "B")
    rig.send(delta("A", 9))
    assert rig.engine.notes == []
    rig = begun(change(AGAIN, key=lambda message: message["k"]), "A", "B", topic_key=lambda topic: "other")
    rig.send(delta("B", 9), delta("A", 9))
    assert rig.engine.notes == ["no topic of 'A' is subscribed, so it cannot be again; see topic_key"]


def test_what_is_subscribed_again_has_to_be_acknowledged_again() -> None:
    """That it was live says nothing of the new subscription."""
    rig = Rig(change(AGAIN, acks=Acks(by="key")), topics=("A",))
    rig.open(payloads=(Payload(TEXT, b"ask", ("A",)),))
    rig.send(snap("A", 5))
    assert rig.engine.status(rig.now).topics["A"].state == "live"
    rig.send(delta("A", 9))
    rig.answer_call()
    assert rig.engine.status(rig.now).topics["A"].state == "sent"


def test_a_new_connection_is_made_with_a_goodbye_on_the_old_one() -> None:
    """The venue need not find out by itself."""
    rig = begun(ANEW, "A")
    rig.send(delta("A", 9))
    assert CLOSE in [action.opcode for action in rig.did(Send)]


@pytest.mark.parametrize(("answer", "told"), [(snap("A", 5), ["subscribed"]), (snap("A"), [])])
def test_an_answer_shows_that_its_topic_is_subscribed(answer: dict[str, Any], told: list[str]) -> None:
    """One that cannot be read shows nothing."""
    rig = Rig(change(REQUESTED, asks=True, acks=Acks(by="key", within=100.0)), topics=("A",), sized=True)
    rig.open(payloads=(Payload(TEXT, b"ask", ("A",)),))
    rig.keys.find("A", rig.now)
    rig.engine.asking.ask(rig.now)
    rig.said()
    rig.send(answer)
    assert [word for word in rig.said() if word == "subscribed"] == told
    assert not told or len(text(answer)) - 2 in rig.sizes
