"""`core/fast_path.py`: a few messages at once, and nothing comes out otherwise than by the engine's own way."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncstream.core.frames import BINARY, CONTINUATION, PING, TEXT
from syncstream.core.rules import Rules
from syncstream.schema import Json

from .rig import HEALED, LINKED, NUMBERED, PLAIN, Rig, change, delta, frame, text

READ = Json(msgspec.json.Decoder().decode)
RULES = {
    "numbers": change(NUMBERED, decode=READ),
    "healed": change(HEALED, decode=READ),
    "links": change(LINKED, decode=READ, source=False, first=lambda message: message["n"] - 1),
    "ranges": change(NUMBERED, decode=READ, first=lambda message: message.get("u", message["n"])),
}


def live(rules: Rules, **more: Any) -> Rig:
    """A and B are at 5, and stand on the fast path."""
    rig = Rig(rules, **more)
    rig.open()
    for key in "AB":
        rig.send(delta(key, 5))
        if rules.source:
            rig.answer(key, 5)
    rig.said()
    rig.sizes.clear()
    return rig


def fast(rig: Rig, data: bytes) -> int:
    """Bytes came, a few: where what the fast path took ends."""
    path = rig.engine.fast_path(0, rig.dials[0].epoch)
    messages, sizes, at = path(data, rig.now)
    assert len(messages) == len(sizes)
    path.leave(messages, sizes)
    path.settle()
    if at < len(data):
        rig.engine.batch(0, rig.dials[0].epoch, data[at:], rig.now)
    rig.gather()
    return at


def test_plain_messages_are_taken() -> None:
    """One or some, with the bytes of each; the line has heard them, and the figures count them."""
    rig = live(RULES["numbers"], sized=True)
    rig.now += 3.0
    first, others = text(delta("A", 6)), text(delta("B", 6)) + text(delta("A", 7))
    assert (fast(rig, first), fast(rig, others)) == (len(first), len(others))
    assert rig.said() == ["A6", "B6", "A7"]
    assert rig.sizes == [len(first) - 2] * 3
    assert (rig.keys.messages, rig.keys.latest["A"]["n"], rig.order.counters["A"].position) == (5, 7, 7)
    place = rig.engine.lines[0]
    assert place.data_at == place.heard_at == place.clocks.feed_at == rig.now


def test_a_feed_without_a_key() -> None:
    """All of it is one key's."""
    rig = Rig(change(NUMBERED, decode=READ, key=None))
    rig.open()
    rig.send(delta("A", 5))
    data = text(delta("B", 6))
    assert fast(rig, data) == len(data)
    assert rig.keys.latest == {None: delta("B", 6)}


def test_the_line_hears_of_all_that_came_since() -> None:
    """Once, before the engine has another input: since the first of them it carries data, and the last was heard last."""
    rig = Rig(RULES["numbers"])
    rig.open()
    rig.send(delta("A", 5))
    rig.said()
    rig.engine.lines[0].data_from = None
    path = rig.engine.fast_path(0, rig.dials[0].epoch)
    for number in (6, 7):
        rig.now += 1.0
        path.leave(*path(text(delta("A", number)), rig.now)[:2])
    place = rig.engine.lines[0]
    assert place.heard_at < rig.now
    path.settle()
    path.settle()
    assert (place.data_from, place.data_at, place.heard_at) == (rig.now - 1.0, rig.now, rig.now)
    assert (rig.keys.messages, rig.said()) == (3, ["A6", "A7"])


def test_a_length_in_two_bytes() -> None:
    """And one that is too long for that is left."""
    rig = live(RULES["numbers"])
    data = text(delta("A", 6, x="y" * 200))
    assert fast(rig, data) == len(data)
    payload = msgspec.json.encode(delta("A", 7, x="y" * 70_000))
    assert fast(rig, b"\x81\x7f" + len(payload).to_bytes(8, "big") + payload) == 0
    assert rig.said() == ["A6", "A7"]


STRANGE = {
    "a ping": frame(PING, b"1"),
    "binary": frame(BINARY, msgspec.json.encode(delta("A", 6))),
    "not ASCII": text(delta("A", 6, x="\u00e9")),
    "a duplicate": text(delta("A", 5)),
    "a hole": text(delta("A", 7)),
    "a stranger": text(delta("C", 1)),
    "no number": text(delta("A", "x")),
    "no JSON": frame(TEXT, b"{"),
    "nothing": frame(TEXT, b""),
    "a piece": bytes((TEXT, 2)) + b"{}" + bytes((0x80 | CONTINUATION, 0)),
    "half a frame": text(delta("A", 6))[:-1],
    "half a header": b"\x81",
    "half a length": b"\x81\x7e\x01",
    "a length too long for its form": b"\x81\x7e\x00\x02{}",
    "a length in eight bytes": b"\x81\x7f" + (70_000).to_bytes(8, "big") + b" " * 70_000,
    "masked": b"\x81\x82abcd{}",
    "masked, and plain if it were not": bytes((0x81, 148)) + msgspec.json.encode(delta("A", 6)).ljust(148),
    "a length in eight bytes, and plain if it were not": b"\x81\x7f" + msgspec.json.encode(delta("A", 6)).ljust(127),
}


@pytest.mark.parametrize("name", STRANGE)
def test_what_is_not_plain_is_left(name: str) -> None:
    """From its first byte on, after what was plain; as if all had been left."""
    rigs = live(RULES["numbers"]), live(RULES["numbers"])
    lead, strange = text(delta("B", 6)), STRANGE[name]
    assert fast(rigs[0], lead + strange) == len(lead)
    rigs[1].raw(lead + strange)
    assert rigs[0].said() == rigs[1].said()
    assert rigs[0].engine.status(0.0) == rigs[1].engine.status(0.0)


def test_numbers_that_end_before_they_begin_are_left() -> None:
    """As where they are looked at together."""
    rig = live(RULES["ranges"])
    data = text(delta("A", 8, u=6))
    assert fast(rig, data) == len(data)
    assert fast(rig, text(delta("A", 8, u=9))) == 0


def test_a_message_beyond_the_limit_is_left() -> None:
    """Its line is to be closed for it, with the code for that."""
    rig = live(change(RULES["numbers"], max_message_size=100))
    assert fast(rig, text(delta("A", 6, x="y" * 100))) == 0
    assert rig.engine.lines[0].frames.error is not None


def test_where_there_is_no_fast_path() -> None:
    """Without numbers, with a decoder of one's own, while messages come in pieces, on a line that is not live or another one."""
    for rules in (change(PLAIN, decode=READ), NUMBERED):
        assert fast(live(rules), text(delta("A", 6))) == 0
    rig, data = live(RULES["numbers"]), text(delta("A", 6))
    rig.raw(data[:3])
    assert fast(rig, data[3:]) == 0
    assert rig.engine.fast_path(0, rig.dials[0].epoch + 1)(text(delta("A", 7)), rig.now) == ([], [], 0)
    path = rig.engine.fast_path(0, rig.dials[0].epoch)
    rig.raw(b"\x01\x01{")
    path.look()
    assert path(text(delta("A", 7)), rig.now) == ([], [], 0)
    rig.engine.close(rig.now)
    assert rig.engine.fast_path(0, rig.dials[0].epoch)(text(delta("A", 7)), rig.now) == ([], [], 0)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from("AB"), st.sampled_from([1, 1, 1, 1, 1, 0, 2])),
        st.sampled_from(sorted(set(STRANGE) - {"a hole"})),
    ),
    max_size=30,
)


@settings(max_examples=150)
@given(steps=STEPS, cuts=st.lists(st.integers(1, 90), max_size=30), name=st.sampled_from(sorted(RULES)))
def test_the_fast_path_changes_nothing(steps: list[Any], cuts: list[int], name: str) -> None:
    """For any frames in any chunks: the same deliveries, bytes, states and deadlines."""
    positions, data = {"A": 5, "B": 5}, b""
    for step in steps:
        if isinstance(step, str):
            data += STRANGE[step]
        else:
            positions[step[0]] += step[1]
            data += text(delta(step[0], positions[step[0]]))
    rigs = live(RULES[name], sized=True), live(RULES[name], sized=True)
    at = 0
    for cut in [*cuts, len(data)]:
        piece = data[at : at + cut]
        at += cut
        for rig in rigs:
            rig.now += 0.25
        fast(rigs[0], piece)
        rigs[1].raw(piece)
    assert rigs[0].items == rigs[1].items
    assert rigs[0].sizes == rigs[1].sizes
    assert rigs[0].engine.status(0.0) == rigs[1].engine.status(0.0)
    assert rigs[0].engine.deadline() == rigs[1].engine.deadline()
    assert rigs[0].keys.latest == rigs[1].keys.latest
