"""`core/parts.py`: what is in a frame, what cannot be read of it, and who pays for its bytes."""

from __future__ import annotations

import gzip
import sys
import tracemalloc
import zlib
from typing import Any, Callable, Optional

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncstream.core.frames import BINARY, PING, TEXT
from syncstream.core.parts import NAMES, Empty, Part, Parts, Unreadable, inflater
from syncstream.core.rules import Kind

from .rig import NUMBERED, TYPED, Rig, change, delta, frame, run_of, text, words


def raw(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


PACK: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "zlib": zlib.compress, "deflate": raw}


def decode(payload: bytes, _text: bool) -> Any:
    return msgspec.json.decode(payload)


def elements(found: Any) -> Any:
    return found if isinstance(found, list) else None


def at_data(found: Any) -> Any:
    return elements(found.get("data")) if isinstance(found, dict) else None


def unpack(parts: Parts, *frames: tuple[int, bytes]) -> list[Any]:
    """All entries, without their opcodes."""
    return [entry for entries in parts.entries(list(frames)) for _, entry in entries]


# ---------------------------------------------------------------- transforms


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("limit", [sys.maxsize, 10**30])
def test_no_bound_is_too_large(name: str, limit: int) -> None:
    """zlib counts in a machine word; who says "all of it" need not know."""
    assert inflater(name, limit)(PACK[name](b"data")) == b"data"


@pytest.mark.parametrize("name", NAMES)
@given(data=st.binary(max_size=300))
def test_what_was_packed_is_unpacked(name: str, data: bytes) -> None:
    """Whatever it is, up to the limit and no more."""
    assert inflater(name, 300)(PACK[name](data)) == data
    if data:
        with pytest.raises(ValueError, match=f"{name}: more than {len(data) - 1} bytes when unpacked"):
            inflater(name, len(data) - 1)(PACK[name](data))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("spoil", "why"),
    [(lambda packed: b"\xff" + packed, "cannot be unpacked"), (lambda packed: packed + b"more", "bytes stand behind its end")],
    ids=["other bytes", "bytes behind"],
)
def test_what_was_packed_otherwise_is_refused(name: str, spoil: Callable[[bytes], bytes], why: str) -> None:
    """In words that name the transform."""
    with pytest.raises(ValueError, match=f"{name}: .*{why}"):
        inflater(name, 1000)(spoil(PACK[name](b"hello hello")))


def test_an_end_is_wanted_where_there_has_to_be_one() -> None:
    """Venues flush raw deflate and send no last block; in gzip and zlib a missing end is a piece that is missing."""
    packer = zlib.compressobj(wbits=-15)
    flushed = packer.compress(b"hello") + packer.flush(zlib.Z_SYNC_FLUSH)
    assert inflater("deflate", 5)(flushed) == b"hello"
    for name in ("gzip", "zlib"):
        with pytest.raises(ValueError, match=f"{name}: the bytes end before it does"):
            inflater(name, 5)(PACK[name](b"hello")[:-1])


@given(data=st.lists(st.binary(max_size=30), min_size=1, max_size=5))
def test_members_of_gzip_follow_each_other(data: list[bytes]) -> None:
    """RFC 1952 2.2: what they make is one message, and bounded as one."""
    packed, whole = b"".join(map(gzip.compress, data)), b"".join(data)
    assert inflater("gzip", 150)(packed) == whole
    if whole:
        with pytest.raises(ValueError, match=f"gzip: more than {len(whole) - 1} bytes when unpacked"):
            inflater("gzip", len(whole) - 1)(packed)


@pytest.mark.parametrize(
    ("more", "why"),
    [
        (gzip.compress(b"b")[:-1], "the bytes end before it does"),
        (b"\x1f\x8b\xff\xff", "the bytes cannot be unpacked"),
        (b"\x1f", "bytes stand behind its end"),
        (b"\0", "bytes stand behind its end"),
        (gzip.compress(b"b") + b"more", "bytes stand behind its end"),
        (zlib.compress(b"b"), "bytes stand behind its end"),
    ],
    ids=["cut off", "broken", "half of how one begins", "padding", "behind the second", "zlib"],
)
def test_what_follows_a_member_is_a_whole_one(more: bytes, why: str) -> None:
    """Whatever else stands there, nothing of the frame is taken."""
    with pytest.raises(ValueError, match=f"^gzip: {why}$"):
        inflater("gzip", 1000)(gzip.compress(b"a") + more)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "gzip"])
def test_only_gzip_has_members(name: str) -> None:
    """RFC 1950 and 1951 know of one stream."""
    with pytest.raises(ValueError, match=f"{name}: bytes stand behind its end"):
        inflater(name, 1000)(PACK[name](b"a") * 2)
    with pytest.raises(ValueError, match=f"{name}: bytes stand behind its end"):
        inflater(name, 1000)(PACK[name](b"a") + gzip.compress(b"b"))


def test_a_frame_of_gzip_has_so_many_members() -> None:
    """Each costs a copy of what follows it: a frame full of empty ones would stop the reader for minutes."""
    inflate = inflater("gzip", 64)
    assert inflate(gzip.compress(b"a") * 64) == b"a" * 64
    with pytest.raises(ValueError, match=r"^gzip: more than 64 members$"):
        inflate(gzip.compress(b"") * 65)


@pytest.mark.parametrize("name", NAMES)
def test_a_bomb_is_never_in_memory(name: str) -> None:
    """A thousand times the limit, refused at little more than the limit."""
    bomb = PACK[name](bytes(64_000_000))
    inflate = inflater(name, 64_000)
    tracemalloc.start()
    with pytest.raises(ValueError, match="more than 64000 bytes"):
        inflate(bomb)
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()


def test_only_binary_frames_are_transformed() -> None:
    """Text and control frames come as they are; the size is that of what was unpacked."""
    parts = Parts(decode, transform=inflater("gzip", 100))
    said = unpack(parts, (TEXT, b'{"a":1}'), (BINARY, gzip.compress(b'{"a":22}')), (PING, b"?"), (BINARY, b'{"a":3}'))
    assert said[:3] == [Part({"a": 1}, 7, b'{"a":1}'), Part({"a": 22}, 8, b'{"a":22}'), b"?"]
    assert said[3] == Unreadable(b'{"a":3}', "ValueError: gzip: the bytes cannot be unpacked")


@pytest.mark.parametrize(
    ("made", "why"),
    [
        ("text", "TypeError: transform returned str, not bytes"),
        (b"x" * 11, "ValueError: transform returned more than 10 bytes"),
    ],
)
def test_what_a_transform_of_the_users_makes_is_looked_at(made: Any, why: str) -> None:
    """It has to be bytes, and no more than a message may be."""
    parts = Parts(decode, transform=lambda payload: made, limit=10)
    assert unpack(parts, (BINARY, b"x")) == [Unreadable(b"x", why)]


def test_a_transform_may_make_as_much_as_the_bound() -> None:
    """Of a bound of 3 bytes, 3."""
    assert unpack(Parts(decode, transform=lambda data: data, limit=3), (BINARY, b"123")) == [Part(123, 3, b"123")]


# ---------------------------------------------------------------- splitting


@pytest.mark.parametrize(
    ("split", "payload", "expected"),
    [
        (elements, b"[1,2]", [Part(1, 3), Part(2, 2)]),
        (elements, b"[[1]]", [Part([1], 5)]),
        (elements, b"[ ]", [Empty()]),
        (elements, b'{"event":1}', [Part({"event": 1}, 11, b'{"event":1}')]),
        (at_data, b'{"data":[1,2,3]}', [Part(1, 6), Part(2, 5), Part(3, 5)]),
        (at_data, b'{"data":7}', [Part({"data": 7}, 10, b'{"data":7}')]),
        (tuple, b"[3,4]", [Part(3, 3), Part(4, 2)]),
        (dict.items, b'{"a":1}', [Unreadable(b'{"a":1}', "TypeError: split returned dict_items, which is no list")]),
        (at_data, b'{"data"', [Unreadable(b'{"data"', "DecodeError: Input data was truncated")]),
        (len, b"3", [Unreadable(b"3", "TypeError: object of type 'int' has no len()")]),
    ],
)
def test_what_is_in_a_frame(split: Any, payload: bytes, expected: list[Any]) -> None:
    """Its parts, with its bytes shared out; or it is a message, or empty, or cannot be read."""
    assert unpack(Parts(decode, split=split), (TEXT, payload)) == expected


@given(st.integers(0, 60), st.integers(1, 40))
def test_the_shares_of_a_frame_are_all_of_it(space: int, count: int) -> None:
    """Whatever its size: none is larger than another by more than a byte."""
    payload = b"[" + b",".join([b"1"] * count) + b" " * space + b"]"
    sizes = [part.size for part in unpack(Parts(decode, split=elements), (TEXT, payload))]
    assert (sum(sizes), len(sizes)) == (len(payload), count)
    assert max(sizes) - min(sizes) <= 1


def test_literals_are_left_alone() -> None:
    """In text frames; in binary ones they are bytes like any others."""
    parts = Parts(decode, split=elements, literals=[b"7"])
    assert unpack(parts, (TEXT, b"7"), (BINARY, b"7")) == [b"7", Part(7, 1, b"7")]


def test_large_frames_are_unpacked_one_after_the_other() -> None:
    """What a batch of them unpacks to is not in memory together."""
    large, small = gzip.compress(b'"' + b"x" * 300_000 + b'"'), gzip.compress(b"1")
    parts = Parts(decode, transform=inflater("gzip", 1_000_000))
    assert [len(entries) for entries in parts.entries([(BINARY, one) for one in (small, large, small, large, small)])] == [
        2,
        2,
        1,
    ]
    assert list(parts.entries([])) == []


def test_a_part_is_shown_as_it_came_or_as_it_is() -> None:
    """Its bytes, where the frame is this message; else how Python writes it. The beginning is enough."""
    assert Part({"a": 1}, 7, b'{"a":1}').shown(4) == b'{"a"'
    assert Part({"a": 1}, 7).shown(5) == b"{'a':"
    assert Part("\ud800", 7).shown(9) == repr("\ud800").encode()

    class Odd:
        def __repr__(self) -> str:
            return "<\ud800>"

    assert Part(Odd(), 7).shown(9) == b"<?>"


# ---------------------------------------------------------------- one part's fault


class Tick(msgspec.Struct):
    s: str
    p: float


class Envelope(msgspec.Struct):
    kind: str
    data: list[Tick]


def typed(kind: Any) -> Callable[[bytes, bool], Any]:
    read = msgspec.json.Decoder(kind).decode
    return lambda payload, text: read(payload)


def of_data(found: Any) -> Optional[list[Any]]:
    data: list[Any] = found.data
    return data


GOOD, BAD = b'{"s":"A","p":1.50}', b'{"s":"B"}'
WHY = "ValidationError: Object missing required field `p` - at `$[0]`"


def test_the_other_parts_of_a_frame_go_on() -> None:
    """Only the one that cannot be read is set aside, with its own bytes."""
    parts = Parts(typed(list[Tick]), split=elements, path=())
    payload = b"[" + GOOD + b", " + BAD + b"," + GOOD + b"]"
    first, second, third = unpack(parts, (TEXT, payload))
    assert (first.message, third.message, second) == (Tick("A", 1.5), Tick("A", 1.5), Unreadable(BAD, WHY))
    assert (first.raw, third.raw) == (GOOD, GOOD)
    assert 0 <= len(payload) - first.size - third.size - len(BAD) <= len(payload) // 3


@pytest.mark.parametrize(
    ("around", "path", "kind", "split"),
    [
        (b'{"kind":"t","data":%s}', ("data",), Envelope, of_data),
        (b'{"at":{"kind":"t","data":%s}}', ("at", "data"), dict[str, Envelope], lambda found: of_data(found["at"])),
        (b'[1,{"kind":"t","data":%s}]', ("1", "data"), tuple[int, Envelope], lambda found: of_data(found[1])),
    ],
)
def test_parts_further_in_are_told_apart_too(around: bytes, path: tuple[str, ...], kind: Any, split: Any) -> None:
    """By names and by numbers."""
    parts = Parts(typed(kind), split=split, path=path)
    good, bad = unpack(parts, (TEXT, around % (b"[" + GOOD + b"," + BAD + b"]")))
    assert (good.message, bad.raw) == (Tick("A", 1.5), BAD)
    assert "missing required field `p`" in bad.reason


@pytest.mark.parametrize(
    "payload",
    [
        b'{"data":[%s,%s]}' % (GOOD, BAD),  # the envelope lacks its kind
        b'{"kind":"t"}',
        b'{"kind":"t","data":{}}',
        b'{"kind":"t","data":[%s' % GOOD,
        b"[]",
        b"",
    ],
)
def test_a_frame_that_is_wrong_itself_is_set_aside_whole(payload: bytes) -> None:
    """However many parts it has."""
    (entry,) = unpack(Parts(typed(Envelope), split=of_data, path=("data",)), (TEXT, payload))
    assert (type(entry), entry.raw) == (Unreadable, payload)


def test_where_nobody_knows_the_place_a_frame_is_all_or_nothing() -> None:
    """A callable says what the parts are, not where they stand."""
    (entry,) = unpack(Parts(typed(list[Tick]), split=elements), (TEXT, b"[" + GOOD + b"," + BAD + b"]"))
    assert isinstance(entry, Unreadable)


def test_a_frame_whose_split_fails_without_parts_is_set_aside() -> None:
    """A split that says nothing of an empty array cannot be asked for single parts."""
    parts = Parts(typed(list[Tick]), split=lambda found: found or None, path=())
    (entry,) = unpack(parts, (TEXT, b"[" + BAD + b"]"))
    assert isinstance(entry, Unreadable)


def test_a_frame_of_which_nothing_stands_alone_is_set_aside_whole() -> None:
    """Where an empty array is none the frame's own fault cannot be told from its parts'; so it is for a part without one."""
    parts = Parts(typed(list[Tick]), split=lambda found: found if len(found) > 1 else None, path=())
    whole = b"[" + GOOD + b"," + BAD + b"]"
    assert [entry.raw for entry in unpack(parts, (TEXT, whole))] == [whole]
    one = Parts(typed(list[Tick]), split=lambda found: None if len(found) == 1 else found, path=())
    reasons = [entry.reason for entry in unpack(one, (TEXT, whole))]
    assert "ValueError: no array stands there" in reasons


def test_text_is_told_from_bytes_for_each_part() -> None:
    """A decoder that looks at that finds what it found in the frame."""

    def decoded(payload: bytes, text: bool) -> Any:
        if not text:
            raise ValueError("bytes")
        return msgspec.json.decode(payload, type=list[Tick])

    good, bad = unpack(Parts(decoded, split=elements, path=()), (TEXT, b"[" + GOOD + b"," + BAD + b"]"))
    assert (good.message, bad.raw) == (Tick("A", 1.5), BAD)


def test_a_frame_that_has_parts_without_any_is_set_aside() -> None:
    """What comes out of an empty array is not the array's."""
    parts = Parts(typed(list[Tick]), split=lambda found: found or [1], path=())
    (entry,) = unpack(parts, (TEXT, b"[" + BAD + b"]"))
    assert isinstance(entry, Unreadable)


# ---------------------------------------------------------------- in the engine

SPLIT = change(NUMBERED, split=elements)


def test_each_part_has_its_own_key_kind_and_number() -> None:
    """A frame of two keys, a heartbeat and a snapshot is what they would be in frames of their own."""
    rig = Rig(change(TYPED, source=False, splice=None, split=elements), sized=True)
    rig.open()
    rig.said()
    rig.send(
        [delta("A", 5), delta("B", 9), {"t": "beat"}, delta("A", 6)], [delta("A", 7), delta("A", 9), {"k": "B", "t": "snap"}]
    )
    assert rig.said() == ["A5", "B9", "A6", "A7", "gap A hole 7..9 told", "A9", "snapshot B at None"]


def test_one_part_that_cannot_be_used_is_quarantined_alone() -> None:
    """Without a number it shows as a hole, if it should have had one; how it looked is told."""
    rig = Rig(SPLIT)
    rig.open()
    rig.said()
    rig.send([delta("A", 5), {"k": "A"}, delta("A", 6)])
    quarantined = rig.items[1]
    assert rig.said() == ["A5", "quarantined", "A6"]
    assert quarantined.raw == b"{'k': 'A'}"


def test_an_empty_frame_proves_life_and_no_data() -> None:
    """As a heartbeat does, even while the line is being opened."""
    rig = Rig(change(SPLIT, heartbeat=2.0))
    rig.open()
    for _ in range(5):
        rig.wait(1.9)
        rig.send([])
    assert rig.said() == ["connected 0 attempt 1"]
    assert rig.order.used == 0


def test_a_frame_that_ends_the_line_midway_ends_there() -> None:
    """What stands behind a part by which the venue asks to reconnect is not looked at."""
    rig = Rig(change(SPLIT, classify=lambda message: Kind.RECONNECT if message["k"] == "R" else None))
    rig.open()
    rig.said()
    rig.send([delta("A", 5), delta("R", 1), delta("A", 6)], [delta("A", 7)])
    assert rig.said() == ["A5", "disconnected 0: the venue asks to reconnect"]


@given(st.lists(st.lists(st.tuples(st.sampled_from("AB"), st.integers(-1, 2)), max_size=5), max_size=12), st.booleans())
def test_parts_are_messages(frames: list[list[tuple[str, int]]], sized: bool) -> None:
    """Any messages in any frames: the same deliveries and bytes as one message in each frame, and as without the hot path."""
    at = {"A": 5, "B": 5}
    told: list[list[dict[str, Any]]] = []
    for one in frames:
        told.append([])
        for key, step in one:
            at[key] += step
            told[-1].append(delta(key, at[key]))
    singly = [message for one in told for message in one]
    together, slow, alone = Rig(SPLIT, sized=sized), Rig(SPLIT, sized=sized), Rig(NUMBERED, sized=sized)
    slow.order.scan.enabled = False
    for rig in (together, slow, alone):
        rig.open()
        rig.send(*(told if rig is not alone else singly))
    assert together.items == slow.items == alone.items
    assert together.sizes == slow.sizes
    assert together.keys.messages == slow.keys.messages == alone.keys.messages


def test_binary_json_is_json() -> None:
    """A venue that sends its texts in binary frames, packed or not, needs nothing but to be decoded."""
    rig = Rig(NUMBERED, sized=True)
    packed = Rig(change(NUMBERED, transform=inflater("gzip", 1000)), sized=True)
    rig.open()
    packed.open()
    for message in run_of("A", 5, 8):
        payload = msgspec.json.encode(message)
        rig.raw(frame(BINARY, payload))
        packed.raw(frame(BINARY, gzip.compress(payload)))
    assert rig.said() == packed.said() == ["connected 0 attempt 1", "A5", "A6", "A7", "A8"]
    assert rig.sizes == packed.sizes


def test_a_frame_that_cannot_be_unpacked_is_quarantined() -> None:
    """It proves life like any other; what comes next goes on."""
    rig = Rig(change(NUMBERED, transform=inflater("gzip", 1000)))
    rig.open()
    rig.raw(frame(BINARY, b"?") + text(delta("A", 5)))
    quarantined = rig.items[1]
    assert [words(item) for item in rig.items[1:]] == ["quarantined", "A5"]
    assert (quarantined.raw, quarantined.reason) == (b"?", "ValueError: gzip: the bytes end before it does")
