"""`core/order.py`: messages that only say where a counter stands, numbers that start anew by right, and names."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncstream.core.frames import TEXT
from syncstream.core.received import Received
from syncstream.core.rules import Kind, Rules, Scope
from syncstream.core.sequence import Chained

from .rig import BY_CHANNEL, BY_CONNECTION, HEALED, LINKED, NUMBERED, Rig, change, channel_of, delta, number_of, snap


def idle(message: Any) -> Any:
    return message.get("i")


def reset(message: Any) -> Any:
    return message.get("r")


def kind_of(message: Any) -> Any:
    return {"beat": Kind.HEARTBEAT, "snap": Kind.SNAPSHOT}.get(message.get("t"))


OWN = change(NUMBERED, idle=idle, reset=reset, classify=kind_of)
OWN_HEALED = change(HEALED, idle=idle, reset=reset, classify=kind_of)
ONE = change(OWN, scope=Scope.CONNECTION)
CHANNEL = change(OWN, scope=Scope.SHARED, counter=channel_of)


def at(key: str, number: int, **more: Any) -> dict[str, Any]:
    """It says that the counter stands there."""
    return delta(key, number, i=True, c="c", **more)


@pytest.mark.parametrize("rules", [OWN, ONE, CHANNEL])
@pytest.mark.parametrize("more", [{}, {"t": "beat"}])
def test_where_a_counter_stands_shows_a_hole_before_it(rules: Rules, more: dict[str, Any]) -> None:
    """It is not delivered, whatever kind it is, and no duplicate; the hole is told with how many are missing."""
    rig = Rig(rules)
    rig.live("A", 5)
    rig.send(at("A", 5, **more), delta("A", 6, c="c"), at("A", 6, **more), at("A", 4, **more))
    assert rig.said() == ["A6"]
    rig.send(at("A", 9, **more))
    gap = rig.items[0]
    assert (gap.missing, rig.said()) == (3, ["gap A hole 6..10 told"])
    rig.send(delta("A", 10, c="c"))
    assert (rig.said(), rig.order.duplicates, rig.order.quarantined) == (["A10"], 0, 0)


def test_a_chain_stands_where_its_link_is() -> None:
    """A keepalive of OKX names the same number twice; a later one shows that something is missing."""
    rig = Rig(change(LINKED, source=False, splice=None, idle=idle, first=lambda message: message.get("p", message["n"] - 1)))
    rig.live("A", 5)
    rig.send(at("A", 5, p=5), delta("A", 8, p=5), at("A", 8, p=8), at("A", 9, p=9), delta("A", 12, p=9))
    assert rig.said() == ["A8", "gap A hole 8..9 told", "A12"]


def test_a_hole_that_it_shows_is_healed() -> None:
    """What comes after it is held and follows the snapshot."""
    rig = Rig(OWN_HEALED)
    rig.live("A", 5)
    rig.send(delta("A", 6), at("A", 8), delta("A", 9))
    assert (rig.said(), rig.asked()) == (["A6", "gap A hole 6..9 healing"], ["A"])
    rig.answer("A", 8)
    assert rig.said() == ["snapshot A at 8", "A9", "resynced A at 9 +1"]


def test_a_snapshot_that_is_ahead_of_the_line_covers_it() -> None:
    """The key stands on the snapshot: what that has is not missing, what lies beyond is."""
    rig = Rig(OWN_HEALED)
    rig.live("A", 5)
    rig.send(delta("A", 6), snap("A", 10))
    rig.order.counters["A"].position = 6  # the line is that late
    rig.said()
    rig.send(at("A", 9))
    assert rig.said() == []
    rig.send(at("A", 12))
    assert rig.said() == ["gap A hole 10..13 healing"]


def test_it_proves_a_key_after_a_reconnect() -> None:
    """If it stands just where the key does; an older one says nothing, a newer one that something is missing."""
    rig = Rig(OWN_HEALED)
    rig.live("A", 5)
    rig.send(delta("A", 6))
    rig.reopen()
    rig.said()
    rig.send(at("A", 5))
    assert rig.state("A") == "unproven"
    rig.send(at("A", 6))
    assert (rig.said(), rig.state("A")) == (["resynced A at 6 +0"], "live")
    rig.reopen()
    rig.said()
    rig.send(at("A", 7))
    assert rig.said() == ["gap A hole 6..8 healing"]


def test_a_key_is_not_made_by_it() -> None:
    """It is no data; but the counter is known from there on."""
    rig = Rig(OWN)
    rig.open()
    rig.said()
    rig.send(at("A", 5))
    assert rig.keys.syncs == {}
    rig.send(delta("A", 7))
    assert rig.said() == ["gap A hole 5..7 told", "A7"]


def test_it_is_counted_as_data_where_it_is_data() -> None:
    """A topic that sends keepalives is subscribed; a heartbeat is a heartbeat."""
    rig = Rig(OWN)
    rig.open()
    rig.send(at("A", 5), at("A", 5, t="beat"))
    assert rig.order.used == 1


@pytest.mark.parametrize("message", [{"k": "A", "i": True}, {"k": "A", "n": "x", "i": True}])
def test_one_without_a_number_is_quarantined(message: dict[str, Any]) -> None:
    """As any message of data would be."""
    rig = Rig(OWN)
    rig.open()
    rig.said()
    rig.send(message)
    assert rig.said() == ["quarantined"]


# ---------------------------------------------------------------- numbers that start anew


@pytest.mark.parametrize("rules", [OWN, ONE, CHANNEL])
def test_numbers_start_anew_without_a_gap(rules: Rules) -> None:
    """Higher or lower; it is delivered once, and what follows goes on from it."""
    rig = Rig(rules)
    rig.live("A", 50)
    rig.send(delta("A", 1, r=True, c="c"), delta("A", 2, c="c"), delta("A", 99, r=True, c="c"), delta("A", 99, r=True, c="c"))
    rig.send(delta("A", 100, c="c"), delta("A", 102, c="c"))
    assert rig.said() == ["A1", "A2", "A99", "A100", "gap A hole 100..102 told", "A102"]


def test_what_waits_in_a_window_is_told_before_numbers_start_anew() -> None:
    """It counts in the old ones."""
    rig = Rig(change(OWN, reorder=0.5))
    rig.live("A", 50)
    rig.send(delta("A", 52), delta("A", 1, r=True), delta("A", 2))
    assert rig.said() == ["gap A hole 50..52 told", "A52", "A1", "A2"]


def test_numbers_that_start_anew_after_a_reconnect_prove_nothing() -> None:
    """What came before them may have been missed."""
    rig = Rig(OWN_HEALED)
    rig.live("A", 50)
    rig.send(delta("A", 51))
    rig.reopen()
    rig.said()
    rig.asked()
    rig.send(delta("A", 1, r=True), delta("A", 2))
    assert (rig.said(), rig.asked()) == (["gap A restart 51..1 healing"], ["A"])
    rig.answer("A", 1)
    assert rig.said() == ["snapshot A at 1", "A2", "resynced A at 2 +1"]


def test_on_a_channel_they_prove_nothing_for_any_key() -> None:
    """Each key that was complete before is in doubt."""
    rig = Rig(CHANNEL)
    rig.live("A", 50)
    rig.send(delta("B", 51, c="c"))
    rig.reopen()
    rig.said()
    rig.send(delta("A", 1, r=True, c="c"), delta("B", 2, c="c"))
    assert rig.said() == ["gap A restart 51..1 told", "gap B restart 51..1 told", "A1", "B2"]


def test_while_a_snapshot_is_on_its_way_what_is_held_is_of_no_use() -> None:
    """It and the answer count in the old numbers: another snapshot is asked for."""
    rig = Rig(OWN_HEALED)
    rig.live("A", 50)
    rig.send(delta("A", 51), delta("A", 53), delta("A", 1, r=True), delta("A", 2))
    assert (rig.said(), rig.asked()) == (["A51", "gap A hole 51..53 healing"], ["A"])
    assert rig.keys.held == 2
    rig.wait(1.0)
    rig.answer("A", 1)
    assert rig.said() == ["snapshot A at 1", "A2", "resynced A at 2 +1"]


def test_right_after_a_snapshot_they_prove_nothing() -> None:
    """No message has joined it: what came between may have been missed."""
    rig = Rig(OWN_HEALED)
    rig.open()
    rig.send(delta("A", 50))
    rig.answer("A", 60)
    rig.said()
    rig.send(delta("A", 1, r=True), delta("A", 2))
    assert rig.said() == ["gap A restart 60..1 healing"]


# ---------------------------------------------------------------- names


def named(key: str, before: str, name: str, **more: Any) -> dict[str, Any]:
    return {"k": key, "p": before, "n": name, **more}


NAMES = change(
    NUMBERED,
    rule=Chained("p", "n", ordered=False),
    first=lambda message: message["p"],
    last=number_of,
    classify=kind_of,
)


def test_names_are_followed_and_repeats_dropped() -> None:
    """On the hot path, too; another name is a hole."""
    rig = Rig(NAMES)
    rig.open()
    rig.said()
    rig.send(named("A", "x", "q"), named("A", "q", "b"), named("A", "q", "b"), named("A", "b", "z"))
    assert rig.said() == ["Aq", "Ab", "Az"]
    entries = [(TEXT, msgspec.json.encode(one)) for one in (named("A", "z", "a"), named("A", "a", "m"), named("A", "b", "c"))]
    assert rig.order.scan(Received.of(entries), 0) == 2
    rig.send(named("A", "k", "l"))
    assert rig.said() == ["Aa", "Am", "gap A hole m..k told", "Al"]


def test_an_in_band_snapshot_may_be_at_a_name() -> None:
    """What follows names it."""
    rig = Rig(NAMES)
    rig.open()
    rig.said()
    rig.send({**named("A", "", "q"), "t": "snap"}, named("A", "q", "b"), {"k": "A", "t": "snap", "p": "", "n": None})
    assert rig.said() == ["snapshot A at q", "Ab", "snapshot A at None"]


# ---------------------------------------------------------------- any messages

STEP = st.tuples(st.sampled_from("AB"), st.integers(-2, 3), st.sampled_from(["", "", "", "i", "r"]))


@pytest.mark.parametrize("rules", [OWN, OWN_HEALED, ONE, CHANNEL, change(ONE, reorder=0.5), change(OWN, reorder=0.5)])
@given(steps=st.lists(STEP, max_size=40))
@settings(max_examples=60)
def test_the_hot_path_changes_nothing(rules: Rules, steps: list[tuple[str, int, str]]) -> None:
    """With modifiers as without: the same as the long way."""
    quick, slow = Rig(rules), Rig(rules)
    slow.order.scan.enabled = False
    place = dict.fromkeys("AB", 10)
    messages = []
    for key, step, mark in steps:
        name = "A" if rules.scope is not Scope.KEY else key
        place[name] = max(0, place[name] + step)
        messages.append(delta(key, place[name], c="c", **({mark: True} if mark else {})))
    for rig in (quick, slow):
        rig.open()
        rig.send(*messages)
        rig.wait(0.7)
        for key in [key for key in "AB" if key in rig.fetches]:
            rig.answer(key, place[key])
        rig.send(*(delta(key, place["A" if rules.scope is not Scope.KEY else key] + 1, c="c") for key in "AB"))
    assert quick.items == slow.items
    assert quick.engine.status(quick.now) == slow.engine.status(slow.now)


@pytest.mark.parametrize("rules", [BY_CONNECTION, BY_CHANNEL])
def test_a_key_with_a_numbering_of_its_own_is_in_doubt_by_what_the_counter_shows(rules: Rules) -> None:
    """A hole shown by a message of one key is every key's."""
    rig = Rig(change(rules, idle=idle))
    rig.live("A", 5)
    rig.send(delta("B", 6, v=1, c="c"))
    rig.answer("B", 1)
    rig.send(delta("B", 7, v=2, c="c"))
    rig.said()
    rig.send(at("B", 8))
    assert rig.said() == ["gap A hole 7..9 healing", "gap B hole 7..9 healing"]
