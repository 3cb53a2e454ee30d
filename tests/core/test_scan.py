"""`core/scan.py`: the hot path, and that it changes nothing against the long way."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncstream.core.frames import BINARY, PING, TEXT
from syncstream.core.parts import Empty, Part, Unreadable
from syncstream.core.received import Received
from syncstream.core.rules import Kind, Rules, Scope

from .rig import (
    BY_CHANNEL,
    BY_CONNECTION,
    FEED,
    GROWING,
    HEALED,
    LINKED,
    NUMBERED,
    PLAIN,
    WHOLE,
    Rig,
    change,
    channel_of,
    classify,
    delta,
    frame,
    run_of,
    text,
)


def kind_of(message: Any) -> Any:
    """What `classify` says, and what it should not."""
    if message.get("t") == "bad":
        raise ValueError("what is this?")
    return {"data": Kind.DATA, "word": "data"}.get(message.get("t")) or classify(message)


def kind_or_ack(message: Any) -> Any:
    return Kind.ACK if "id" in message else kind_of(message)


# ---------------------------------------------------------------- the hot path


def test_the_hot_path_takes_what_is_plain_and_nothing_else() -> None:
    """It stops at the first frame that is not: returns its place, and has changed nothing for it."""
    rig = Rig(NUMBERED)
    rig.live("A", 5)
    frames = [(TEXT, msgspec.json.encode(message)) for message in run_of("A", 6, 8)]
    assert rig.order.scan(Received.of([*frames, (PING, msgspec.json.encode(delta("A", 9)))]), 0) == 3  # whatever is in it
    assert rig.order.scan(Received.of([*frames[:1], (BINARY, msgspec.json.encode(delta("A", 9)))]), 1) == 2
    for stopper in (
        b"{",
        b"{}",
        msgspec.json.encode(delta("A", 9)),
        msgspec.json.encode(delta("A", 11)),
        msgspec.json.encode(delta("B", 1)),
    ):
        assert rig.order.scan(Received.of([(TEXT, stopper)]), 0) == 0
    assert (rig.said(), rig.keys.messages) == (["A6", "A7", "A8", "A9"], 5)


@pytest.mark.parametrize("rules", [BY_CONNECTION, BY_CHANNEL])
def test_where_there_is_no_hot_path(rules: Rules) -> None:
    """A key with a numbering of its own besides the counter's goes the long way, which looks at both."""
    rig = Rig(rules)
    rig.live("A", 5)
    rig.send(delta("A", 6, v=6, c="c"))
    assert rig.order.scan(Received.of([(TEXT, msgspec.json.encode(delta("A", 7, v=7, c="c")))]), 0) == 0


def encoded(*messages: Any) -> list[tuple[int, bytes]]:
    """Frames of text."""
    return [(TEXT, msgspec.json.encode(message)) for message in messages]


def test_messages_that_were_taken_out_of_a_frame_are_plain() -> None:
    """Decoded once, with the bytes they are charged; what could not be read stops it."""
    rig = Rig(change(NUMBERED, split=lambda message: None), sized=True)
    rig.live("A", 5)
    rig.sizes.clear()
    entries = [(TEXT, Part(delta("A", 6), 20)), (TEXT, Part(delta("A", 7), 19)), (TEXT, Unreadable(b"", ""))]
    assert rig.order.scan(Received.of(entries), 0) == 2
    for other in (Empty(), b"pong"):
        assert rig.order.scan(Received.of([(TEXT, other)]), 0) == 0
    assert (rig.said(), rig.sizes) == (["A6", "A7"], [20, 19])


def test_messages_that_are_classified_as_data_are_plain() -> None:
    """What is called data, or nothing; a snapshot, a heartbeat and what cannot be classified are left to the long way."""
    rig = Rig(change(NUMBERED, classify=kind_of))
    rig.live("A", 5)
    assert rig.order.scan(Received.of(encoded(delta("A", 6), delta("A", 7, t="data"), delta("A", 8))), 0) == 3
    for kind in ("snap", "beat", "ignore", "word", "bad"):
        assert rig.order.scan(Received.of(encoded(delta("A", 9, t=kind))), 0) == 0
    assert (rig.said(), rig.keys.messages) == (["A6", "A7", "A8"], 4)
    rig.send(delta("A", 9, t="word"), delta("A", 9, t="bad"), delta("A", 9))
    assert rig.said() == ["quarantined", "quarantined", "A9"]


@pytest.mark.parametrize("modifier", ["idle", "reset"])
def test_messages_that_do_not_count_as_others_do_are_not_plain(modifier: str) -> None:
    """Even where their number is the next one; it is only asked then."""
    rig = Rig(change(NUMBERED, **{modifier: lambda message: message.get("x")}))
    rig.live("A", 5)
    assert rig.order.scan(Received.of(encoded(delta("A", 6), delta("A", 7, x=True))), 0) == 1
    assert rig.said() == ["A6"]


def test_messages_that_name_an_id_are_plain_where_it_is_known() -> None:
    """They come out with their key; one that nobody has told is left to the long way."""
    rig = Rig(change(NUMBERED, classify=lambda message: Kind.ACK if "id" in message else None, alias=lambda message: ("B", "A")))
    rig.open()
    rig.send({"id": 1}, delta("B", 5))
    rig.items.clear()
    assert rig.order.scan(Received.of(encoded(delta("B", 6), delta("A", 7))), 0) == 1
    rig.gather()
    assert rig.items == [("A", delta("B", 6))]
    assert rig.keys.latest == {"A": ("A", delta("B", 6))}


@pytest.mark.parametrize("rules", [PLAIN, change(WHOLE, rule=None, first=None, last=None)])
def test_without_numbers_what_is_live_is_plain(rules: Rules) -> None:
    """Whatever comes of a key that is complete; another key, and one that waits for a snapshot, go the long way."""
    rig = Rig(rules)
    rig.live("A", 5)
    rig.send(delta("A", 6))
    assert rig.order.scan(Received.of(encoded(delta("A", 9), delta("A", 2), delta("B", 1))), 0) == 2
    assert rig.said() == ["A6", "A9", "A2"]
    if rules.source:
        rig.drop("A")
        assert rig.order.scan(Received.of(encoded(delta("A", 3))), 0) == 0


def test_numbers_that_grow_are_plain() -> None:
    """However far; what does not grow goes the long way."""
    rig = Rig(GROWING)
    rig.live("A", 5)
    assert rig.order.scan(Received.of(encoded(delta("A", 6))), 0) == 0  # has to join the snapshot
    rig.send(delta("A", 6))
    assert rig.order.scan(Received.of(encoded(delta("A", 7), delta("A", 70), delta("A", 70))), 0) == 2
    assert rig.order.scan(Received.of(encoded(delta("A", 69))), 0) == 0
    assert rig.order.scan(Received.of(encoded(delta("A", "x"))), 0) == 0
    assert rig.order.counters["A"].position == 70


ONE_COUNTER = change(NUMBERED, scope=Scope.CONNECTION)
CHANNELS = change(NUMBERED, scope=Scope.SHARED, counter=channel_of)


@pytest.mark.parametrize("rules", [ONE_COUNTER, CHANNELS])
def test_many_keys_on_one_counter_are_plain(rules: Rules) -> None:
    """Whichever comes next; one that was not seen on it yet goes the long way, and a hole."""
    rig = Rig(rules)
    rig.live("A", 5)
    rig.send(delta("B", 6, c="c"))
    numbers = [delta("A", 7, c="c"), delta("B", 8, c="c"), delta("B", 9, c="c"), delta("C", 10, c="c")]
    assert rig.order.scan(Received.of(encoded(*numbers)), 0) == 3
    assert rig.order.scan(Received.of(encoded(delta("A", 11, c="c"))), 0) == 0
    rig.send(numbers[3])
    assert rig.order.scan(Received.of(encoded(delta("A", 11, c="c"))), 0) == 1


def test_a_key_on_two_counters_is_plain_on_the_one_it_was_on_last() -> None:
    """The other one's number says nothing there."""
    rig = Rig(CHANNELS)
    rig.live("A", 5)
    rig.send(delta("A", 6, c="d"))
    assert rig.order.scan(Received.of(encoded(delta("A", 6, c="c"))), 0) == 0
    assert rig.order.scan(Received.of(encoded(delta("A", 7, c="d"), delta("A", 8))), 0) == 1


@pytest.mark.parametrize("rules", [ONE_COUNTER, CHANNELS])
def test_a_counter_with_a_window_open_has_no_hot_path(rules: Rules) -> None:
    """The message that closes it, of whatever key, brings what waits with it."""
    rig = Rig(change(rules, reorder=0.5))
    rig.live("A", 5)
    rig.send(delta("B", 6, c="c"), delta("B", 8, c="c"))
    assert rig.order.scan(Received.of(encoded(delta("A", 7, c="c"))), 0) == 0
    rig.send(delta("A", 7, c="c"))
    assert rig.said() == ["B6", "A7", "B8"]
    assert rig.order.scan(Received.of(encoded(delta("A", 9, c="c"))), 0) == 1


@pytest.mark.parametrize("rules", [ONE_COUNTER, CHANNELS])
def test_after_numbers_that_went_backwards_the_next_goes_the_long_way(rules: Rules) -> None:
    """Of whatever key: three in the lower half, and one that advances, are a new beginning."""
    rig = Rig(rules)
    rig.live("A", 100)
    rig.send(delta("B", 101, c="c"), *(delta("B", number, c="c") for number in (1, 2, 3)))
    rig.said()
    assert rig.order.scan(Received.of(encoded(delta("A", 102, c="c"))), 0) == 0
    rig.send(delta("A", 102, c="c"))
    assert "gap A restart 101..102 told" in rig.said()
    assert rig.order.scan(Received.of(encoded(delta("A", 103, c="c"))), 0) == 1


@pytest.mark.parametrize("classified", [False, True])
def test_a_range_that_ends_before_it_begins_is_not_plain(classified: bool) -> None:
    """The long way says what it is."""
    rig = Rig(change(RANGED_ALONE, classify=kind_of if classified else None))
    rig.live("A", 5)
    assert rig.order.scan(Received.of([(TEXT, msgspec.json.encode(delta("A", 6, m=5)))]), 0) == 0
    rig.send(delta("A", 6, m=5), delta("A", 6, m=8), delta("A", 9))
    assert rig.said() == ["A6", "A9"]


def test_the_hot_path_without_a_key() -> None:
    """Everything belongs to one."""
    rig = Rig(KEYLESS)
    rig.open()
    rig.send({"n": 5})
    assert rig.order.scan(Received.of([(TEXT, b'{"n":6}'), (BINARY, b'{"n":7}'), (TEXT, b'{"n":9}')]), 0) == 2


def test_the_decoder_is_told_what_came_as_text() -> None:
    """On the hot path as on the long way."""
    told: list[bool] = []

    def decode(payload: bytes, text: bool) -> Any:
        told.append(text)
        return msgspec.json.decode(payload)

    rig = Rig(change(NUMBERED, decode=decode))
    rig.open()
    rig.send(delta("A", 5))
    assert rig.order.scan(Received.of([(BINARY, b'{"k":"A","n":6}'), (TEXT, b'{"k":"A","n":7}')]), 0) == 2
    assert told == [True, False, True]


@pytest.mark.parametrize("sized", [True, False])
def test_the_hot_path_tells_the_bytes_of_what_it_delivers(sized: bool) -> None:
    """Of just that, in its order, where they are wanted; as the long way does."""
    rig = Rig(NUMBERED, sized=sized)
    rig.live("A", 5)
    payloads = [b'{"k":"A","n":6}', b'{"k":"A","n":7 }', b'{"k":"A","n":8  }', b'{"k":"A","n":11}']
    rig.sizes.clear()
    assert rig.order.scan(Received.of([(TEXT, payload) for payload in payloads]), 0) == 3
    assert rig.order.scan(Received.of([(TEXT, payload) for payload in (payloads[0], b'{"k":"A","n":9   }', payloads[3])]), 1) == 2
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
    assert rig.order.scan(Received.of([(TEXT, msgspec.json.encode(delta("A", 6)))]), 0) == 0


# ---------------------------------------------------------------- literals

DATA_LIKE = b'{"k":"A","n":6}'


@pytest.mark.parametrize(
    ("literals", "scanned"),
    [([], 2), ([b"pong"], 2), ([b"pong", b"ping"], 2), ([DATA_LIKE], 0), ([b"pong", DATA_LIKE, b"ping"], 0)],
)
def test_a_literal_that_could_be_data_ends_the_hot_path(literals: list[bytes], scanned: int) -> None:
    """A literal that the decoder would take needs the long way; one that it refuses is left to that anyway."""
    rig = Rig(change(NUMBERED, literals=dict.fromkeys(literals, Kind.HEARTBEAT)))
    rig.live("A", 4)
    frames = [(TEXT, msgspec.json.encode(message)) for message in run_of("A", 5, 6)]
    assert rig.order.scan(Received.of([*frames, (TEXT, b"pong")]), 0) == scanned


def test_whether_a_literal_could_be_data_is_asked_as_text() -> None:
    """It is taken in text frames only: that the decoder takes its bytes in a binary one is no matter."""

    def decode(payload: bytes, text: bool) -> Any:
        return msgspec.json.decode(payload) if text else {"k": "A", "n": 6}

    rig = Rig(change(NUMBERED, decode=decode, literals={b"pong": Kind.PONG}))
    rig.live("A", 4)
    assert rig.order.scan(Received.of([(TEXT, b'{"k":"A","n":5}')]), 0) == 1


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
    st.builds(lambda key, kind: ("near", key, 1, kind), st.sampled_from("AB"), st.sampled_from(["snap", "beat", "data", "word"])),
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
            key, number, *types = rest
            where = "A" if rig.order.rules.scope is not Scope.KEY else key  # one counter for both
            number = at[where] + number if kind == "near" else number
            at[where] = max(at[where], number)
            more: dict[str, Any] = {"m": number + 1} if number % 5 == 0 else {}
            more.update({"t": types[0]} if types else {})
            waiting += text(delta(key, number, c="cd"[number % 7 == 0], **more))
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


@pytest.mark.parametrize("rules", [LINKED, change(LINKED, classify=kind_of)])
def test_the_hot_path_follows_a_chain(rules: Rules) -> None:
    """It takes each message that names the one before, and stops at one that names another, however near."""
    rig = Rig(rules)
    rig.live("A", 5)
    rig.send(delta("A", 6))  # what joins the snapshot goes the long way
    frames = [(TEXT, msgspec.json.encode(message)) for message in run_of("A", 7, 9)]
    assert rig.order.scan(Received.of(frames), 0) == 3
    assert rig.order.scan(Received.of([(TEXT, msgspec.json.encode(delta("A", 11)))]), 0) == 0
    assert rig.order.counters["A"].position == 9


CLASSIFIED = [change(rules, classify=kind_of) for rules in (HEALED, NUMBERED, RANGED, LINKED)]
SHARED = [change(rules, reorder=window, restart_after=3) for rules in (ONE_COUNTER, CHANNELS) for window in (0.0, 0.5)]
OTHERS = [PLAIN, GROWING, change(GROWING, source=False, splice=None)]
TAKEN_APART = change(HEALED, split=lambda message: message if isinstance(message, list) else None)
NAMED = change(
    HEALED, classify=lambda message: Kind.ACK if "id" in message else kind_of(message), alias=lambda message: ("A", "A")
)
ANY = [
    TAKEN_APART,
    NAMED,
    HEALED,
    NUMBERED,
    RANGED,
    LINKED,
    KEYLESS,
    change(HEALED, reorder=0.5),
    FEED,
    *CLASSIFIED,
    *SHARED,
    *OTHERS,
]
WHOLES = [change(rules, classify=kind_of, source=True, whole=True) for rules in (*SHARED, PLAIN)]


@pytest.mark.parametrize("rules", ANY)
@given(steps=st.lists(FRAMES, max_size=40), sizes=st.lists(st.integers(1, 60), max_size=40))
@settings(max_examples=60)
def test_the_hot_path_changes_nothing(rules: Rules, steps: list[tuple[Any, ...]], sizes: list[int]) -> None:
    """For any frames, faults and chunks: the same deliveries, states and figures as the long way in one chunk."""
    compare(rules, steps, sizes, [])


@pytest.mark.parametrize("rules", WHOLES)
@given(steps=st.lists(FRAMES, max_size=40), sizes=st.lists(st.integers(1, 60), max_size=40))
@settings(max_examples=60)
def test_the_hot_path_changes_nothing_beside_whole_snapshots(
    rules: Rules, steps: list[tuple[Any, ...]], sizes: list[int]
) -> None:
    """The same in equal chunks: what came before a snapshot was asked for is known by nothing else."""
    compare(rules, steps, sizes, sizes)


def compare(rules: Rules, steps: list[tuple[Any, ...]], quick_sizes: list[int], slow_sizes: list[int]) -> None:
    quick, slow = Rig(rules), Rig(rules)
    slow.order.scan.enabled = False
    for rig, chunks in ((quick, quick_sizes), (slow, slow_sizes)):
        rig.open()
        if rules.alias is not None:
            rig.send({"id": "A"})
        script(rig, steps, chunks)
    assert quick.items == slow.items
    assert quick.engine.status(quick.now) == slow.engine.status(slow.now)
    assert quick.keys.latest == slow.keys.latest
    assert {name: counter.position for name, counter in quick.order.counters.items()} == {
        name: counter.position for name, counter in slow.order.counters.items()
    }


def test_without_a_key_in_the_feed_all_is_plain() -> None:
    """Whatever stands where other feeds have one."""
    rig = Rig(change(PLAIN, key=None))
    rig.open()
    rig.send(delta("A", 1))
    assert rig.order.scan(Received.of(encoded(delta("A", 2), delta("B", 3))), 0) == 2


def test_without_numbers_text_and_bytes_are_plain_and_nothing_else() -> None:
    """The decoder is told which it is."""
    rig = Rig(change(PLAIN, decode=lambda payload, text: {"k": "A", "text": text}))
    rig.open()
    rig.send(delta("A", 1))
    rig.items.clear()
    assert rig.order.scan(Received.of([(TEXT, b"1"), (BINARY, b"2"), (PING, b"3")]), 0) == 2
    rig.gather()
    assert [item["text"] for item in rig.items] == [True, False]


def test_what_was_transformed_is_taken_apart_too() -> None:
    """Its messages are there already."""
    rig = Rig(change(NUMBERED, transform=lambda data: data))
    rig.live("A", 5)
    assert rig.order.scan(Received.of([(TEXT, Part(delta("A", 6), 20))]), 0) == 1
