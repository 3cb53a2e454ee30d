"""`core/dialogue.py`: what it tells those who follow keys, when a venue names ids, asks for everything anew, or a key is left."""

from __future__ import annotations

from typing import Any, Optional

from syncstream.core.aliases import Named
from syncstream.core.engine import Call
from syncstream.core.rules import Kind

from .rig import AGAIN, NUMBERED, PLAIN, Rig, change, delta


def kind_of(message: Any) -> Optional[Kind]:
    return Kind.ACK if "chan" in message else Kind.RESUBSCRIBE if message.get("t") == "again" else None


NAMED = change(NUMBERED, classify=kind_of, alias=lambda message: (message["chan"], message["key"]), key_text="'k'")


def delivered(rig: Rig) -> list[Any]:
    rig.gather()
    items, rig.items = rig.items, []
    return [(item.key, item.message["n"]) for item in items if isinstance(item, Named)]


def test_ids_are_learned_from_acknowledgements_and_hold_for_their_connection() -> None:
    """On the next one the same id may stand for something else."""
    rig = Rig(NAMED)
    rig.open()
    rig.send({"chan": 7, "key": "A"}, delta(7, 1))
    assert delivered(rig) == [("A", 1)]
    rig.reopen()
    rig.send(delta(7, 2), {"chan": 7, "key": "B"}, delta(7, 9))
    assert delivered(rig) == [("B", 9)]


def test_a_key_that_was_left_is_not_listened_for() -> None:
    """Its silence is what was asked for."""
    rig = Rig(change(PLAIN, quiet_after=lambda key: 3.0), topics=("A",))
    rig.open()
    rig.send({"k": "A"})
    rig.engine.unsubscribe(["A"], [], rig.now)
    rig.said()
    rig.wait(30.0)
    assert rig.said() == []
    assert len(rig.engine.quiet) == 0


def test_what_is_subscribed_again_begins_with_its_snapshot() -> None:
    """So that is waited for from then on, not from the first time."""
    rig = Rig(change(AGAIN, classify=kind_of), topics=("A",))
    rig.open()
    rig.send(delta("A", 1))
    rig.wait(3.0)
    rig.send({"k": "A", "t": "again"})
    rig.answer_call()
    rig.wait(3.9)
    assert rig.did(Call) == []
    rig.wait(0.1)
    assert rig.did(Call) == [Call(0, rig.dials[0].epoch, ("A",), ("A",))]
