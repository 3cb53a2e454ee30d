"""`core/order.py`: the hot path, and that it changes nothing against the long way."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncstream.core.frames import BINARY, PING, TEXT
from syncstream.core.order import Item
from syncstream.core.rules import Kind, Rules

from .rig import (
    BY_CHANNEL,
    BY_CONNECTION,
    FEED,
    GROWING,
    HEALED,
    LINKED,
    NUMBERED,
    PLAIN,
    Rig,
    change,
    classify,
    delta,
    frame,
    run_of,
    text,
)

# ---------------------------------------------------------------- the hot path


def test_the_hot_path_takes_what_is_plain_and_nothing_else() -> None:
    """It stops at the first frame that is not: returns its place, and has changed nothing for it."""
    rig = Rig(NUMBERED)
    rig.live("A", 5)
    frames = [(TEXT, msgspec.json.encode(message)) for message in run_of("A", 6, 8)]
    assert rig.order.scan([*frames, (PING, msgspec.json.encode(delta("A", 9)))], 0) == 3  # whatever is in it
    assert rig.order.scan([*frames[:1], (BINARY, msgspec.json.encode(delta("A", 9)))], 1) == 2
    for stopper in (
        b"{",
        b"{}",
        msgspec.json.encode(delta("A", 9)),
        msgspec.json.encode(delta("A", 11)),
        msgspec.json.encode(delta("B", 1)),
    ):
        assert rig.order.scan([(TEXT, stopper)], 0) == 0
    assert (rig.said(), rig.keys.messages) == (["A6", "A7", "A8", "A9"], 5)


@pytest.mark.parametrize("rules", [PLAIN, GROWING, BY_CONNECTION, BY_CHANNEL, change(NUMBERED, classify=classify)])
def test_where_there_is_no_hot_path(rules: Rules) -> None:
    """Everything goes the long way."""
    rig = Rig(rules)
    rig.live("A", 5)
    rig.send(delta("A", 6, v=6, c="c"))
    assert rig.order.scan([(TEXT, msgspec.json.encode(delta("A", 7, v=7, c="c")))], 0) == 0


def test_a_range_that_ends_before_it_begins_is_not_plain() -> None:
    """The long way says what it is."""
    rig = Rig(RANGED_ALONE)
    rig.live("A", 5)
    assert rig.order.scan([(TEXT, msgspec.json.encode(delta("A", 6, m=5)))], 0) == 0
    rig.send(delta("A", 6, m=5), delta("A", 6, m=8), delta("A", 9))
    assert rig.said() == ["A6", "A9"]


def test_the_hot_path_without_a_key() -> None:
    """Everything belongs to one."""
    rig = Rig(KEYLESS)
    rig.open()
    rig.send({"n": 5})
    assert rig.order.scan([(TEXT, b'{"n":6}'), (BINARY, b'{"n":7}'), (TEXT, b'{"n":9}')], 0) == 2


def test_the_decoder_is_told_what_came_as_text() -> None:
    """On the hot path as on the long way."""
    told: list[bool] = []

    def decode(payload: bytes, text: bool) -> Any:
        told.append(text)
        return msgspec.json.decode(payload)

    rig = Rig(change(NUMBERED, decode=decode))
    rig.open()
    rig.send(delta("A", 5))
    assert rig.order.scan([(BINARY, b'{"k":"A","n":6}'), (TEXT, b'{"k":"A","n":7}')], 0) == 2
    assert told == [True, False, True]


@pytest.mark.parametrize("sized", [True, False])
def test_the_hot_path_tells_the_bytes_of_what_it_delivers(sized: bool) -> None:
    """Of just that, in its order, where they are wanted; as the long way does."""
    rig = Rig(NUMBERED, sized=sized)
    rig.live("A", 5)
    payloads = [b'{"k":"A","n":6}', b'{"k":"A","n":7 }', b'{"k":"A","n":8  }', b'{"k":"A","n":11}']
    rig.sizes.clear()
    assert rig.order.scan([(TEXT, payload) for payload in payloads], 0) == 3
    assert rig.order.scan([(TEXT, payload) for payload in (payloads[0], b'{"k":"A","n":9   }', payloads[3])], 1) == 2
    assert rig.said() == ["A6", "A7", "A8", "A9"]
    assert rig.sizes == ([15, 16, 17, 18] if sized else [])
    rig.send(payloads[3])
    assert rig.said() == ["gap A hole 9..11 told", "A11"]
    assert rig.sizes[-1:] == ([16] if sized else [])


def test_a_message_is_decoded_once_where_no_key_is_plain() -> None:
    """The hot path does not even look at it."""
    decoded: list[bytes] = []

    def decode(payload: bytes, text: bool) -> Any:
        decoded.append(payload)
        return msgspec.json.decode(payload)

    rig = Rig(change(HEALED, decode=decode))
    rig.open()
    rig.send(*run_of("A", 5, 9))
    assert (rig.state("A"), len(decoded)) == ("syncing", 5)


def test_two_lines_have_no_hot_path() -> None:
    """Which line showed what has to be noted."""
    rig = Rig(NUMBERED, lines=2)
    rig.start()
    rig.open(0)
    rig.send(delta("A", 5))
    assert rig.order.scan([(TEXT, msgspec.json.encode(delta("A", 6)))], 0) == 0


# ---------------------------------------------------------------- literals

DATA_LIKE = b'{"k":"A","n":6}'


def test_a_literal_is_read_before_the_decoder() -> None:
    """In a text frame; it has no key. The same bytes in a binary one, and any others, go through the decoder."""
    rig = Rig(change(NUMBERED, literals={b"pong": Kind.PONG, DATA_LIKE: Kind.HEARTBEAT}))
    assert rig.order.read(b"pong", True, rig.now) == Item("pong", Kind.PONG, None, False, b"pong")
    assert rig.order.read(DATA_LIKE, True, rig.now) == Item(DATA_LIKE.decode(), Kind.HEARTBEAT, None, False, DATA_LIKE)
    assert rig.order.read(DATA_LIKE, False, rig.now) == Item(delta("A", 6), Kind.DATA, "A", True, DATA_LIKE)
    assert rig.order.quarantined == 0
    assert rig.order.read(b"pong", False, rig.now) is None
    assert rig.order.read(b"PONG", True, rig.now) is None
    assert rig.order.quarantined == 2


@pytest.mark.parametrize(
    ("literals", "scanned"),
    [([], 2), ([b"pong"], 2), ([b"pong", b"ping"], 2), ([DATA_LIKE], 0), ([b"pong", DATA_LIKE, b"ping"], 0)],
)
def test_a_literal_that_could_be_data_ends_the_hot_path(literals: list[bytes], scanned: int) -> None:
    """A literal that the decoder would take needs the long way; one that it refuses is left to that anyway."""
    rig = Rig(change(NUMBERED, literals=dict.fromkeys(literals, Kind.HEARTBEAT)))
    rig.live("A", 4)
    frames = [(TEXT, msgspec.json.encode(message)) for message in run_of("A", 5, 6)]
    assert rig.order.scan([*frames, (TEXT, b"pong")], 0) == scanned


def test_whether_a_literal_could_be_data_is_asked_as_text() -> None:
    """It is taken in text frames only: that the decoder takes its bytes in a binary one is no matter."""

    def decode(payload: bytes, text: bool) -> Any:
        return msgspec.json.decode(payload) if text else {"k": "A", "n": 6}

    rig = Rig(change(NUMBERED, decode=decode, literals={b"pong": Kind.PONG}))
    rig.live("A", 4)
    assert rig.order.scan([(TEXT, b'{"k":"A","n":5}')], 0) == 1


# ---------------------------------------------------------------- any frames

RANGED = change(HEALED, first=lambda message: message["n"], last=lambda message: message.get("m", message["n"]))
RANGED_ALONE = change(RANGED, source=False, splice=None)
KEYLESS = change(NUMBERED, key=None)
FRAMES = st.one_of(
    st.builds(lambda key, step: ("near", key, step), st.sampled_from("AB"), st.integers(-2, 3)),
    st.builds(lambda key: ("near", key, 1), st.sampled_from("AB")),
    st.builds(lambda key, number: ("far", key, number), st.sampled_from("AB"), st.integers(1, 40)),
    st.sampled_from(
        [("raw", b"{"), ("raw", b"{}"), ("raw", b'{"k":"A","n":"x"}'), ("raw", b'{"k":["A"],"n":1}'), ("raw", b"[]")]
    ),
    st.sampled_from([("ping",), ("cut",), ("drop", "A"), ("relieve",), ("wait",)]),
    st.builds(lambda key: ("answer", key), st.sampled_from("AB")),
)


def script(rig: Rig, steps: list[tuple[Any, ...]], sizes: list[int]) -> list[Any]:
    """Play the steps; messages that follow each other go into one batch, cut into chunks of these sizes."""
    at, waiting = dict.fromkeys("AB", 0), b""
    sizes = list(sizes)

    def flush() -> None:
        nonlocal waiting
        while waiting:
            size = sizes.pop(0) if sizes else len(waiting)
            rig.raw(waiting[:size])
            waiting = waiting[size:]

    for step in steps:
        kind, *rest = step
        if kind in ("near", "far"):
            key, number = rest
            number = at[key] + number if kind == "near" else number
            at[key] = max(at[key], number)
            more = {"m": number + 1} if number % 5 == 0 else {}
            waiting += text(delta(key, number, **more))
        elif kind == "raw":
            waiting += text(rest[0])
        elif kind == "ping":
            waiting += frame(PING, b"?")
        else:
            flush()
            play(rig, kind, rest, at)
    flush()
    return rig.items


def play(rig: Rig, kind: str, rest: list[Any], at: dict[str, int]) -> None:
    if kind == "cut":
        rig.reopen()
    elif kind == "drop":
        rig.drop(*rest)
    elif kind == "relieve":
        rig.relieve()
    elif kind == "answer" and rest[0] in rig.fetches:
        rig.answer(rest[0], at[rest[0]])
    else:
        rig.wait(0.7)


def test_the_hot_path_follows_a_chain() -> None:
    """It takes each message that names the one before, and stops at one that names another, however near."""
    rig = Rig(LINKED)
    rig.live("A", 5)
    rig.send(delta("A", 6))  # what joins the snapshot goes the long way
    frames = [(TEXT, msgspec.json.encode(message)) for message in run_of("A", 7, 9)]
    assert rig.order.scan(frames, 0) == 3
    assert rig.order.scan([(TEXT, msgspec.json.encode(delta("A", 11)))], 0) == 0
    assert rig.order.counters["A"].position == 9


@pytest.mark.parametrize("rules", [HEALED, NUMBERED, RANGED, LINKED, KEYLESS, change(HEALED, reorder=0.5), FEED])
@given(steps=st.lists(FRAMES, max_size=40), sizes=st.lists(st.integers(1, 60), max_size=40))
@settings(max_examples=60)
def test_the_hot_path_changes_nothing(rules: Rules, steps: list[tuple[Any, ...]], sizes: list[int]) -> None:
    """For any frames, faults and chunks: the same deliveries, states and figures as the long way in one chunk."""
    quick, slow = Rig(rules), Rig(rules)
    slow.order._scans = False
    for rig, chunks in ((quick, sizes), (slow, [])):
        rig.open()
        script(rig, steps, chunks)
    assert quick.items == slow.items
    assert quick.engine.status(quick.now) == slow.engine.status(slow.now)
    assert quick.keys.latest == slow.keys.latest
    assert {name: counter.position for name, counter in quick.order.counters.items()} == {
        name: counter.position for name, counter in slow.order.counters.items()
    }
