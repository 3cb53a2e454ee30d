"""`core/scan.py` where many messages are looked at together: nothing comes out otherwise than one by one."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncstream import Contiguous, Feed
from syncstream.core.frames import PING, TEXT
from syncstream.core.received import Received
from syncstream.core.rules import Rules
from syncstream.core.scan import _SINGLY, _TOGETHER
from syncstream.schema import Json

from .rig import LINKED, NUMBERED, QUIET, Rig, change, delta, frame, run_of, text

READ = Json(msgspec.json.Decoder().decode)
RULES = {"numbers": change(NUMBERED, decode=READ), "links": change(LINKED, decode=READ, source=False)}


def encoded(*messages: Any) -> list[tuple[int, bytes]]:
    return [(TEXT, msgspec.json.encode(message)) for message in messages]


def live(rules: Rules) -> Rig:
    """A and B are at 5."""
    rig = Rig(rules)
    rig.open()
    rig.send(delta("A", 5), delta("B", 5))
    rig.said()
    return rig


def test_json_is_read_alike_in_every_frame() -> None:
    """So that a feed with a type, or none, has the fast way; one with a function of its own has not."""
    assert isinstance(Feed("wss://venue.example/", key="k", sequence=Contiguous("n")).rules().decode, Json)
    assert READ(b"1", True) == READ(b"1", False) == 1
    own = Feed("wss://venue.example/", key="k", sequence=Contiguous("n"), decode=msgspec.json.decode, liveness=QUIET).rules()
    assert not isinstance(own.decode, Json)


@pytest.mark.parametrize("rules", RULES.values(), ids=RULES)
@pytest.mark.parametrize("count", [7, 8, _TOGETHER, _TOGETHER + 1, 3 * _TOGETHER + 5])
def test_all_that_is_plain_is_taken(rules: Rules, count: int) -> None:
    """However many they are."""
    rig = live(rules)
    assert rig.order.scan(Received.of(encoded(*run_of("A", 6, 5 + count))), 0) == count
    assert rig.said() == [f"A{number}" for number in range(6, 6 + count)]
    assert (rig.keys.messages, rig.keys.latest["A"]["n"]) == (count + 2, 5 + count)
    assert rig.order.counters["A"].position == 5 + count


@pytest.mark.parametrize(
    "stopper", [(TEXT, b"{"), (TEXT, b"{}"), *encoded(delta("A", 99), delta("C", 1), delta("A", "x")), (PING, b"1")]
)
@pytest.mark.parametrize("place", [0, 1, 9])
def test_it_stops_at_what_is_not_plain(stopper: tuple[int, bytes], place: int) -> None:
    """At its place, and nothing behind it has happened; what follows is looked at one by one for a while."""
    rig = live(RULES["numbers"])
    plain = encoded(*run_of("A", 6, 25))
    assert rig.order.scan(Received.of([*plain[:place], stopper, *plain[place:]]), 0) == place
    assert rig.said() == [f"A{number}" for number in range(6, 6 + place)]
    assert rig.order.counters["A"].position == rig.keys.latest["A"]["n"] == 5 + place
    assert 0 < rig.order.scan._singly <= _SINGLY
    assert rig.order.scan(Received.of(plain[place:]), 0) == len(plain) - place


@pytest.mark.parametrize("last", [18, "x"])
def test_numbers_that_end_before_they_begin_are_not_plain(last: Any) -> None:
    """Also where the first of them is what comes next; nor is what ends with none."""
    rules = change(LINKED, decode=READ, source=False, first=lambda message: message["p"], last=lambda message: message["n"])
    rig = Rig(rules)
    rig.open()
    rig.send(delta("A", 5, p=4))
    rig.said()
    came = encoded(*(delta("A", number, p=number - 1) for number in range(6, 20)), delta("A", last, p=19), delta("A", 20, p=19))
    assert rig.order.scan(Received.of(came), 0) == 14
    assert rig.order.counters["A"].position == 19


def test_after_a_while_they_are_looked_at_together_again() -> None:
    """So many plain ones have followed."""
    rig = live(RULES["numbers"])
    rig.order.scan(Received.of(encoded(*([delta("A", 99)] * 10))), 0)
    rig.order.scan(Received.of(encoded(*run_of("A", 6, 5 + _SINGLY))), 0)
    assert rig.order.scan._singly == 0


MESSAGES = st.lists(st.tuples(st.sampled_from("AABBC"), st.sampled_from([0, 1, 1, 1, 1, 1, 1, 1, 2])), min_size=1, max_size=60)


@settings(max_examples=150)
@given(drawn=MESSAGES, cuts=st.lists(st.integers(1, 200), max_size=6), name=st.sampled_from(sorted(RULES)))
def test_together_or_one_by_one_is_the_same(drawn: list[tuple[str, int]], cuts: list[int], name: str) -> None:
    """In any chunking, with holes, duplicates and strangers among them."""
    positions = {"A": 5, "B": 5, "C": 5}
    messages = []
    for key, step in drawn:
        before = positions[key]
        positions[key] += step
        messages.append(delta(key, positions[key], p=before))
    data = b"".join(map(text, messages)) + frame(PING, b"x")
    said = []
    for decode in (READ, lambda payload, text: READ(payload, text)):
        rules = change(RULES[name], decode=decode)
        if name == "links":
            rules = change(rules, first=lambda message: message["p"] if "p" in message else message["n"] - 1)
        rig = live(rules)
        at = 0
        for cut in [*cuts, len(data)]:
            rig.raw(data[at : at + cut])
            at += cut
        said.append((rig.said(), rig.keys.messages, dict(rig.keys.latest), rig.order.duplicates))
    assert said[0] == said[1]


@pytest.mark.parametrize("of", ["decode", "key", "first", "last"])
def test_a_callable_that_ends_an_iteration_ends_nothing(of: str) -> None:
    """A StopIteration out of the user's code is an error like any other: what goes before is delivered, and nothing behind it."""

    def broken(message: Any) -> Any:
        if message["n"] == 9:
            raise StopIteration
        return message["n"]

    def read(payload: bytes) -> Any:
        message = msgspec.json.decode(payload)
        broken(message)
        return message

    changes: dict[str, Any] = {
        "decode": {"decode": Json(read)},
        "key": {"key": lambda message: broken(message) and message["k"]},
        "first": {"first": broken},
        "last": {"last": broken},
    }
    rig = live(change(NUMBERED, **{"decode": READ, **changes[of]}))
    assert rig.order.scan(Received.of(encoded(*run_of("A", 6, 25))), 0) == 3
    assert rig.said() == ["A6", "A7", "A8"]
    assert rig.order.counters["A"].position == rig.keys.latest["A"]["n"] == 8


def test_control_frames_are_not_looked_for_again_and_again() -> None:
    """Of many between the messages each is met once: what follows is looked at one by one for a while."""
    rig = live(RULES["numbers"])
    entries = [entry for each in encoded(*run_of("A", 6, 105)) for entry in (each, (PING, b""))]
    came, at = Received.of(entries), 0
    while at < len(came):
        at = rig.order.scan(came, at) + 1
        assert rig.order.scan._singly > 0
    assert rig.order.counters["A"].position == 105
