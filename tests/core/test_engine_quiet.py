"""`core/engine.py`: keys that are quiet."""

from __future__ import annotations

from typing import Any, Callable, Hashable, Optional

import pytest

from syncstream.core.engine import Call
from syncstream.core.frames import CLOSE
from syncstream.core.rules import Kind, Rules
from syncstream.events import Stale

from .rig import HEALED, NUMBERED, WHOLE, Rig, change, delta, frame, text


def quiet(rules: Rules, limit: Callable[[Hashable], Optional[float]] = lambda key: 8.0, **fields: Any) -> Rig:
    rig = Rig(change(rules, quiet_after=limit, **{"verify_after": 5.0, **fields}), topics=("A", "B"), wall_ns=7)
    rig.live("A", 5)
    rig.live("B", 5)
    return rig


def silent(rig: Rig) -> list[tuple[Any, float]]:
    """The keys that were told to be silent since the last time, and for how long."""
    rig.gather()
    items, rig.items = rig.items, []
    return [(item.key, item.silence) for item in items if isinstance(item, Stale)]


def speaking(rig: Rig, key: str, seconds: float, number: int) -> int:
    """Time passes, and a key speaks every second."""
    for _ in range(int(seconds)):
        rig.wait(1.0)
        number += 1
        rig.send(delta(key, number))
    return number


def test_a_quiet_key_is_told_and_nothing_else_where_nothing_else_can_be_done() -> None:
    """No reconnect for a market that is quiet; each time it takes twice as long."""
    rig = quiet(NUMBERED)
    number = speaking(rig, "B", 9.0, 5)
    ((key, seconds),) = silent(rig)
    assert (key, 8.0 <= seconds <= 10.0) == ("A", True)
    speaking(rig, "B", 60.0, number)
    assert [key for key, _ in silent(rig)] == ["A", "A", "A"]
    assert (rig.did(), rig.engine.lines[0].phase.value) == ([], "live")


def test_a_key_that_speaks_the_fast_way_is_not_quiet() -> None:
    """Nothing is noted for its messages, and they are seen all the same."""
    rig = quiet(NUMBERED)
    number = {"A": 5, "B": 5}
    for _ in range(30):
        rig.wait(1.0)
        for key in number:
            number[key] += 1
            rig.send(delta(key, number[key]))
    assert (silent(rig), len(rig.keys.plain)) == ([], 2)


def test_a_quiet_key_is_subscribed_again_and_proved_by_its_next_message() -> None:
    """It is left and asked for; what comes goes on, or shows the hole."""
    rig = quiet(NUMBERED, asks=True, leaves=True)
    speaking(rig, "B", 10.0, 5)
    assert [key for key, _ in silent(rig)] == ["A"]
    assert rig.answer_call() == Call(0, 1, ("A",), ("A",))
    assert rig.texts() == ["leave A", "ask A"]
    assert rig.engine.status(rig.now).topics["A"].state == "sent"
    rig.send(delta("A", 8))
    assert rig.said() == ["gap A hole 5..8 told", "A8", "subscribed"]
    assert rig.engine.status(rig.now).topics["A"].state == "live"


def test_a_quiet_key_is_fetched() -> None:
    """Where its next message does not come; a snapshot at the same place proves that nothing was missed."""
    rig = quiet(HEALED)
    number = speaking(rig, "B", 10.0, 5)
    assert (silent(rig) != [], rig.state("A"), rig.asked()) == (True, "unproven", [])
    speaking(rig, "B", 5.0, number)
    assert rig.asked() == ["A"]
    rig.answer("A", 5)
    assert (rig.state("A"), rig.said()[-1]) == ("live", "resynced A at 5 +0")


def test_a_quiet_key_whose_snapshots_have_no_position() -> None:
    """Its next message proves it; if none comes its state is replaced."""
    rig = quiet(WHOLE)
    number = speaking(rig, "B", 10.0, 5)
    assert (rig.state("A"), rig.asked()) == ("unproven", [])
    speaking(rig, "B", 5.0, number)
    rig.said()
    rig.answer("A", None)
    assert rig.said()[0] == "snapshot A at None"


def test_a_quiet_key_without_numbers_that_cannot_be_subscribed_again() -> None:
    """Nothing was done that could lose anything: there is nothing to tell but the silence."""
    rig = Rig(change(NUMBERED, rule=None, first=None, last=None, quiet_after=lambda key: 8.0))
    rig.open()
    rig.send(delta("A", 1))
    rig.said()
    rig.wait(10.0)
    assert rig.said() == ["stale"]


def test_a_quiet_key_without_numbers_that_has_a_source() -> None:
    """Its state is replaced, by a snapshot that is asked for when it has been subscribed again; until then what comes is held."""
    rules = change(WHOLE, rule=None, first=None, last=None, asks=True, leaves=True)
    rig = Rig(change(rules, quiet_after=lambda key: 8.0, verify_after=5.0), topics=("A",))
    rig.live("A", 1)
    rig.wait(10.0)
    assert (rig.said(), rig.asked()) == (["stale", "gap A quiet None..None healing"], [])
    rig.send(delta("A", 2))
    rig.wait(5.0)
    assert rig.asked() == ["A"]
    rig.answer("A", None)
    rig.send(delta("A", 3))
    assert rig.said() == ["snapshot A at None", "resynced A at None +0", "A3"]


def test_a_quiet_key_that_is_being_healed_is_left_alone() -> None:
    """It is told, and asked for as it is."""
    rig = quiet(HEALED)
    rig.send(delta("A", 9))
    assert rig.asked() == ["A"]
    speaking(rig, "B", 10.0, 5)
    assert [key for key, _ in silent(rig)] == ["A"]
    assert (rig.state("A"), rig.asked()) == ("syncing", [])


@pytest.mark.parametrize("why", ["reconnect", "pause", "back-pressure", "left"])
def test_when_silence_says_nothing(why: str) -> None:
    """No line was open, the venue has paused, we did not read, or the topic was left."""
    rig = quiet(NUMBERED, classify=lambda message: Kind(message["kind"]) if "kind" in message else None)
    rig.wait(7.0)
    if why == "reconnect":
        rig.reopen()
    elif why == "pause":
        rig.send({"kind": "pause"})
        rig.wait(60.0)
        rig.send({"kind": "resume"})
    elif why == "back-pressure":
        rig.engine.paused()
        rig.wait(60.0)
        rig.engine.resumed(rig.now)
    else:
        rig.engine.unsubscribe(["A", "B"], [], rig.now)
    rig.wait(7.0)
    assert silent(rig) == []


def test_a_limit_that_raises_is_noted() -> None:
    """That key is not watched; the others are."""

    def limit(key: Hashable) -> Optional[float]:
        if key == "A":
            raise LookupError(key)
        return 8.0

    rig = quiet(NUMBERED, limit)
    rig.wait(10.0)
    assert [key for key, _ in silent(rig)] == ["B"]
    assert rig.engine.notes == ["quiet_after of 'A': LookupError: A; its silence is not watched"]


def test_a_key_of_the_last_batch_of_a_line_that_is_left_then_is_not_watched() -> None:
    """It came with the end of the connection, and nobody wants it any more: its silence is not told."""
    rig = quiet(NUMBERED)
    rig.raw(text(delta("C", 1)) + frame(CLOSE, b"\x03\xe8"))
    rig.engine.unsubscribe(["C"], [], rig.now)
    rig.redial()
    rig.open()
    number = 5
    for _ in range(4):
        number = speaking(rig, "B", 5.0, number)
    assert {key for key, _ in silent(rig)} == {"A"}


def test_a_silence_is_told_when_it_is_found() -> None:
    """On the wall clock."""
    rig = quiet(NUMBERED, lambda key: 8.0 if key == "A" else None)
    rig.wait(10.0)
    (told,) = [item for item in rig.items if isinstance(item, Stale)]
    assert 7 + 8e9 <= told.at_ns - 100e9 <= 7 + 10e9


def test_a_key_is_heard_where_nothing_is_delivered() -> None:
    """What is held for a snapshot, and what passes after a drop, are a sign of life like any other."""
    rig = quiet(HEALED)
    rig.send(delta("A", 9))
    rig.drop("B")
    numbers = {"A": 9, "B": 5}
    for _ in range(20):
        rig.wait(1.0)
        for key in numbers:
            numbers[key] += 1
            rig.send(delta(key, numbers[key]))
    assert (silent(rig), rig.state("A"), rig.state("B")) == ([], "syncing", "dropped")


def test_one_line_is_enough_to_hear_a_silence() -> None:
    """The other one is being dialled all the time."""
    rig = Rig(change(NUMBERED, quiet_after=lambda key: 8.0), lines=2)
    rig.start()
    rig.open(0)
    rig.send(delta("A", 1))
    rig.wait(10.0)
    assert [key for key, _ in silent(rig)] == ["A"]


@pytest.mark.parametrize("why", ["no line", "back-pressure"])
def test_a_tick_that_comes_while_silence_says_nothing(why: str) -> None:
    """Something else is due: no key is told to be silent."""
    rig = quiet(NUMBERED)
    if why == "no line":
        rig.cut()
        rig.redial()
    else:
        rig.engine.paused()
    rig.now += 9.0
    rig.tick()
    assert silent(rig) == []
