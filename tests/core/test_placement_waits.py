"""`core/placement.py`: a first snapshot that is on its way, numbers that start anew by right, and messages with a name."""

from __future__ import annotations

from typing import Any, Optional

from syncstream.core.engine import Call
from syncstream.core.rules import Kind

from .rig import AGAIN, BY_CONNECTION, HEALED, Rig, change, delta


def of_reset(message: Any) -> Any:
    return message.get("r", False)


RESET = change(HEALED, reset=of_reset)


def test_the_snapshot_of_a_new_key_is_waited_for_though_it_was_dropped() -> None:
    """From when the key was first seen."""
    rig = Rig(AGAIN, topics=("A",))
    rig.open()
    rig.wait(2.0)
    rig.send(delta("A", 1))
    rig.drop("A")
    rig.relieve()
    rig.wait(3.9)
    assert rig.did(Call) == []
    rig.wait(0.1)
    assert len(rig.did(Call)) == 1


def test_a_hole_of_a_key_that_was_given_up_is_asked_for_at_once() -> None:
    """Not only when it would have been asked for once more."""
    rig = Rig(change(AGAIN, fetch_attempts=1), topics=("A",))
    rig.open()
    rig.send(delta("A", 5))
    rig.wait(4.0)
    rig.answer_call()
    rig.wait(4.0)
    rig.did()
    rig.send(delta("A", 9))
    assert len(rig.did(Call)) == 1


def test_numbers_that_start_anew_on_a_connection_that_proved_nothing() -> None:
    """What was missed before them nobody can see."""
    rig = Rig(RESET)
    rig.live("A", 5)
    rig.send(delta("A", 6))
    rig.reopen()
    rig.said()
    rig.send(delta("A", 1, r=True))
    assert rig.said() == ["gap A restart 6..1 healing"]


def test_numbers_that_start_anew_behind_a_snapshot_that_nothing_has_joined() -> None:
    """The same."""
    rig = Rig(RESET)
    rig.open()
    rig.send(delta("A", 5))
    rig.answer("A", 9)
    rig.said()
    rig.send(delta("A", 1, r=True))
    assert rig.said() == ["gap A restart 9..1 healing"]


def test_numbers_that_start_anew_of_a_complete_key_ask_for_nothing() -> None:
    """It goes on."""
    rig = Rig(RESET)
    rig.live("A", 5)
    rig.send(delta("A", 6))
    rig.said()
    rig.asked()
    rig.send(delta("A", 1, r=True), delta("A", 2))
    rig.wait(100.0)
    assert (rig.said(), rig.asked()) == (["A1", "A2"], [])


def test_numbers_that_start_anew_while_a_snapshot_is_on_its_way() -> None:
    """That one counts in the old numbers: another one is asked for."""
    rig = Rig(RESET)
    rig.open()
    rig.send(delta("A", 5))
    assert rig.asked() == ["A"]
    rig.send(delta("A", 1, r=True))
    assert rig.asked() == ["A"]


def test_where_a_key_with_an_alias_stands_is_read_from_its_message() -> None:
    """Not from what it is delivered in."""

    def kind_of(message: Any) -> Optional[Kind]:
        return Kind.ACK if "chan" in message else None

    rig = Rig(change(BY_CONNECTION, classify=kind_of, alias=lambda message: (message["chan"], message["key"])))
    rig.open()
    rig.send({"chan": 7, "key": "A"}, delta(7, 1, v=1))
    rig.answer("A", 1)
    rig.send(delta(7, 2, v=2))
    rig.cut()
    assert rig.engine.status(rig.now).keys["A"].position == 2
