"""`core/frames.py`: the rules of RFC 6455 one by one, then any stream in any chunks against the reference, then the cost."""

from __future__ import annotations

import codecs
import random
import sys
import tracemalloc
import zlib
from typing import Any, NamedTuple, Optional

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncstream.core import frames
from syncstream.core.deflate import Agreed, Pack
from syncstream.core.frames import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, FrameError, Frames, parse_close

from .agreement import MAX_FRAGMENTS, MAX_SIZE, agree, split
from .reference_deflate import Inflater
from .reference_frames import decode, utf8

Messages = list[tuple[int, bytes]]
LONG = b"x" * 65536
EURO = "€".encode()  # three bytes


def frame(
    opcode: int, payload: bytes = b"", *, final: bool = True, rsv: int = 0, masked: bool = False, form: Optional[int] = None
) -> bytes:
    """One frame. `form` is the size of the extended length: 0, 2 or 8 bytes; by default the shortest."""
    length = len(payload)
    if form is None:
        form = 0 if length < 126 else 2 if length < 65536 else 8
    second = length if form == 0 else 126 if form == 2 else 127
    header = bytes((final << 7 | rsv << 4 | opcode, masked << 7 | second)) + (length.to_bytes(form, "big") if form else b"")
    return header + (b"\0\0\0\0" if masked else b"") + payload


def part(opcode: int, payload: bytes = b"") -> bytes:
    """A frame of a message that goes on after it."""
    return frame(opcode, payload, final=False)


def close(code: int, reason: bytes = b"") -> bytes:
    """A close frame."""
    return frame(CLOSE, code.to_bytes(2, "big") + reason)


class Rule(NamedTuple):
    """What a stream of bytes gives: these messages, then this error or none."""

    name: str
    stream: bytes
    messages: Messages
    code: Optional[int] = None


HELLO = (TEXT, b"hello")
ONE = frame(TEXT, b"hello")  # goes before and after the broken ones: the first must come out, the second must not

GOOD = [
    Rule("nothing", b"", []),
    Rule("text", ONE, [HELLO]),
    Rule("empty text", frame(TEXT), [(TEXT, b"")]),
    Rule("text beyond ASCII", frame(TEXT, EURO), [(TEXT, EURO)]),
    Rule("binary is not UTF-8", frame(BINARY, b"\xff\x00"), [(BINARY, b"\xff\x00")]),
    Rule("empty binary", frame(BINARY), [(BINARY, b"")]),
    Rule("several", ONE * 3, [HELLO] * 3),
    Rule("text, binary, text", ONE + frame(BINARY, b"\xff") + ONE, [HELLO, (BINARY, b"\xff"), HELLO]),
    Rule("length 125, one byte", frame(BINARY, LONG[:125]), [(BINARY, LONG[:125])]),
    Rule("length 126, two bytes", frame(BINARY, LONG[:126]), [(BINARY, LONG[:126])]),
    Rule("length 65535, two bytes", frame(TEXT, LONG[:65535]), [(TEXT, LONG[:65535])]),
    Rule("length 65536, eight bytes", frame(TEXT, LONG) + ONE, [(TEXT, LONG), HELLO]),
    Rule("ping", frame(PING, b"p"), [(PING, b"p")]),
    Rule("empty ping", frame(PING), [(PING, b"")]),
    Rule("pong, not UTF-8", frame(PONG, b"\xff"), [(PONG, b"\xff")]),
    Rule("ping of 125 bytes", frame(PING, LONG[:125]), [(PING, LONG[:125])]),
    Rule("two fragments", part(TEXT, b"he") + frame(CONTINUATION, b"llo"), [HELLO]),
    Rule("binary fragments", part(BINARY, b"\xff") + part(CONTINUATION, b"\xfe") + frame(CONTINUATION), [(BINARY, b"\xff\xfe")]),
    Rule("empty fragments", part(TEXT) + part(CONTINUATION) + frame(CONTINUATION), [(TEXT, b"")]),
    Rule("a long fragment", part(BINARY, LONG) + frame(CONTINUATION, LONG), [(BINARY, LONG + LONG)]),
    Rule(
        "control frames between fragments",
        part(TEXT, b"he") + frame(PING, b"1") + part(CONTINUATION, b"l") + frame(PONG) + frame(CONTINUATION, b"lo") + ONE,
        [(PING, b"1"), (PONG, b""), HELLO, HELLO],
    ),
    Rule(
        "a character across fragments and a ping",
        part(TEXT, EURO[:1]) + part(CONTINUATION, EURO[1:2]) + frame(PING) + frame(CONTINUATION, EURO[2:]),
        [(PING, b""), (TEXT, EURO)],
    ),
    Rule(
        "text after a binary that ends like half a character",
        part(BINARY, b"") + frame(CONTINUATION, EURO[:1]) + part(TEXT, EURO) + frame(CONTINUATION),
        [(BINARY, EURO[:1]), (TEXT, EURO)],
    ),
    Rule(
        "the character below the surrogates, byte by byte",
        part(TEXT, b"\xed") + part(CONTINUATION, b"\x9f") + frame(PING) + frame(CONTINUATION, b"\xbf"),
        [(PING, b""), (TEXT, b"\xed\x9f\xbf")],
    ),
    Rule("close without a payload", ONE + frame(CLOSE) + ONE, [HELLO, (CLOSE, b"")]),
    Rule("close with a code", close(1000) + ONE, [(CLOSE, b"\x03\xe8")]),
    Rule("close with a reason", close(4999, EURO), [(CLOSE, b"\x13\x87" + EURO)]),
    Rule("close of 125 bytes", close(1001, LONG[:123]), [(CLOSE, b"\x03\xe9" + LONG[:123])]),
    Rule("close between fragments", part(TEXT, b"he") + close(1000) + frame(CONTINUATION, b"llo"), [(CLOSE, b"\x03\xe8")]),
    Rule("nothing is wrong after a close", close(1000) + b"\xff" * 20, [(CLOSE, b"\x03\xe8")]),
    Rule("half a header", ONE + b"\x81", [HELLO]),
    Rule("half a length", ONE + b"\x81\x7f\x00", [HELLO]),
    Rule("half a payload", ONE + ONE[:-1], [HELLO]),
    Rule("half a character at the end so far", b"\x81\x05ab" + EURO[:2], []),
]


def bad(name: str, code: int, stream: bytes, messages: Optional[Messages] = None) -> Rule:
    """The broken stream between two good messages."""
    return Rule(name, ONE + stream + ONE, [HELLO, *(messages or [])], code)


BAD = [
    bad("RSV1 without an extension", 1002, frame(TEXT, b"x", rsv=4)),
    bad("RSV2", 1002, frame(TEXT, b"x", rsv=2)),
    bad("RSV3", 1002, frame(BINARY, rsv=1)),
    bad("RSV1 in a continuation", 1002, part(TEXT) + frame(CONTINUATION, rsv=4)),
    bad("RSV1 in a ping", 1002, frame(PING, rsv=4)),
    *(bad(f"reserved opcode {opcode}", 1002, frame(opcode)) for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)),
    bad("masked text", 1002, frame(TEXT, b"x", masked=True)),
    bad("masked ping", 1002, frame(PING, masked=True)),
    bad("masked, long", 1002, frame(BINARY, LONG[:126], masked=True)),
    bad("length 125 in two bytes", 1002, frame(TEXT, LONG[:125], form=2)),
    bad("length 0 in two bytes", 1002, frame(TEXT, form=2)),
    bad("length 65535 in eight bytes", 1002, frame(BINARY, LONG[:65535], form=8)),
    bad("length 1 in eight bytes", 1002, frame(BINARY, b"x", form=8)),
    bad("length with the top bit set", 1002, b"\x82\x7f\x80" + bytes(7)),
    bad("length of 2^64 - 1", 1002, b"\x82\x7f" + b"\xff" * 8),
    *(bad(f"fragmented control frame {opcode}", 1002, part(opcode)) for opcode in (CLOSE, PING, PONG)),
    *(bad(f"control frame {opcode} of 126 bytes", 1002, frame(opcode, LONG[:126])) for opcode in (CLOSE, PING, PONG)),
    bad("control frame with an eight byte length", 1002, frame(PING, b"x", form=8)),
    bad("continuation of nothing", 1002, frame(CONTINUATION, b"x")),
    bad("unfinished continuation of nothing", 1002, part(CONTINUATION, b"x")),
    bad("continuation after the last", 1002, part(TEXT) + frame(CONTINUATION) + frame(CONTINUATION), [(TEXT, b"")]),
    bad("text inside a message", 1002, part(TEXT) + frame(TEXT)),
    bad("binary inside a message", 1002, part(BINARY) + part(BINARY)),
    bad("a good message inside a message", 1002, part(TEXT, b"he")),
    bad("close of one byte", 1002, frame(CLOSE, b"\x03")),
    *(
        bad(f"close code {code}", 1002, close(code))
        for code in (0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535)
    ),
    bad("close reason is not UTF-8", 1007, close(1000, b"\xff")),
    bad("close reason ends in mid-character", 1007, close(1000, EURO[:2])),
    bad("text is not UTF-8", 1007, frame(TEXT, b"a\xff")),
    bad("text ends in mid-character", 1007, frame(TEXT, EURO[:2])),
    bad(
        "bad text behind good of every form of length",
        1007,
        b"".join(frame(TEXT, each) for each in (b"", EURO, LONG[:125], LONG[:126], LONG[:300])) + frame(TEXT, b"\xff") + ONE,
        [(TEXT, each) for each in (b"", EURO, LONG[:125], LONG[:126], LONG[:300])],
    ),
    bad("a surrogate", 1007, frame(TEXT, b"\xed\xa0\x80")),
    bad("an overlong slash", 1007, frame(TEXT, b"\xc0\xaf")),
    bad("beyond U+10FFFF", 1007, frame(TEXT, b"\xf4\x90\x80\x80")),
    bad("fragments end in mid-character", 1007, part(TEXT, EURO[:1]) + frame(CONTINUATION, EURO[1:2])),
    bad("an empty last fragment in mid-character", 1007, part(TEXT, EURO[:1]) + frame(CONTINUATION)),
    bad("bad text in a fragment, at once", 1007, part(TEXT, b"\xff") + frame(PING)),
    bad("bad text across fragments, at once", 1007, part(TEXT, b"\xf4") + part(CONTINUATION, b"\x90") + frame(PING)),
    bad("half a surrogate in a fragment, at once", 1007, part(TEXT, b"\xed\xa0") + frame(PING)),
    bad("a whole surrogate across fragments", 1007, part(TEXT, b"\xed") + part(CONTINUATION, b"\xbf") + frame(PING)),
    bad("an overlong form across fragments", 1007, part(TEXT, b"\xe0") + part(CONTINUATION, b"\x9f") + frame(PING)),
    Rule("bad text in an unfinished frame, at once", ONE + b"\x81\x7e\x10\x00abc\xff", [HELLO], 1007),
    Rule("reserved bit in an unfinished header", ONE + b"\xc1\x7e", [HELLO], 1002),
]


def packed(*payloads: bytes) -> list[bytes]:
    """These messages compressed, one after the other, each of them may refer to those before it."""
    pack = Pack(Agreed())
    return [pack.message(payload) or b"\0" for payload in payloads]


HELLO_PACKED, AGAIN_PACKED = packed(b"hello", b"hello")
FINAL = zlib.compressobj(wbits=-15)
FINAL_HELLO = FINAL.compress(b"hello") + FINAL.flush()  # its one block is marked as the last one
STORED = b"\x00\x05\x00\xfa\xffhello\x00"
BOMB = packed(bytes(200_000))[0]

GOOD_COMPRESSED = [
    Rule("plain text all the same", ONE, [HELLO]),
    Rule("compressed text", frame(TEXT, HELLO_PACKED, rsv=4) + ONE, [HELLO, HELLO]),
    Rule("compressed binary", frame(BINARY, packed(b"\xff" * 9)[0], rsv=4), [(BINARY, b"\xff" * 9)]),
    Rule("the example of RFC 7692, section 7.2.3.1", b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00", [(TEXT, b"Hello")]),
    Rule("the same in two fragments", b"\x41\x03\xf2\x48\xcd\x80\x04\xc9\xc9\x07\x00", [(TEXT, b"Hello")]),
    Rule(
        "it refers to the one before", b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00\xc1\x05\xf2\x00\x11\x00\x00", [(TEXT, b"Hello")] * 2
    ),
    Rule("not compressed inside, section 7.2.3.3", b"\xc1\x0b\x00\x05\x00\xfa\xffHello\x00", [(TEXT, b"Hello")]),
    Rule("a last block, section 7.2.3.4", b"\xc1\x08\xf3\x48\xcd\xc9\xc9\x07\x00\x00", [(TEXT, b"Hello")]),
    Rule("two blocks, section 7.2.3.5", b"\xc1\x0d\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", [(TEXT, b"Hello")]),
    Rule("empty", frame(TEXT, b"\x00", rsv=4), [(TEXT, b"")]),
    Rule("plain and compressed ones in turn", (ONE + frame(TEXT, STORED, rsv=4)) * 3, [HELLO] * 6),
    Rule("a last block, then a new one", frame(TEXT, FINAL_HELLO + b"\0", rsv=4) + frame(TEXT, STORED, rsv=4), [HELLO] * 2),
    Rule("sixteen last blocks", frame(TEXT, FINAL_HELLO * 16 + b"\0", rsv=4), [(TEXT, b"hello" * 16)]),
    Rule(
        "control frames between compressed fragments",
        frame(TEXT, HELLO_PACKED[:2], rsv=4, final=False) + frame(PING, b"1") + frame(CONTINUATION, HELLO_PACKED[2:]) + ONE,
        [(PING, b"1"), HELLO, HELLO],
    ),
    Rule("a character across pieces", frame(TEXT, packed(EURO * 50)[0], rsv=4), [(TEXT, EURO * 50)]),
    Rule("half a compressed message", ONE + frame(TEXT, HELLO_PACKED, rsv=4)[:-1], [HELLO]),
]

BAD_COMPRESSED = [
    bad(
        "RSV1 in a continuation of a compressed message", 1002, frame(TEXT, b"", rsv=4, final=False) + frame(CONTINUATION, rsv=4)
    ),
    bad("RSV1 in a ping", 1002, frame(PING, rsv=4)),
    bad("RSV1 and RSV2", 1002, frame(TEXT, HELLO_PACKED, rsv=6)),
    bad("RSV3", 1002, frame(TEXT, HELLO_PACKED, rsv=1)),
    bad("compressed, of a length beyond any limit", 1009, b"\xc2\x7f\x00\x7e" + bytes(300)),
    bad("compressed, and its length in two bytes is not the shortest form", 1002, frame(TEXT, HELLO_PACKED, rsv=4, form=2)),
    bad("compressed, and its length in eight bytes is not the shortest form", 1002, frame(TEXT, HELLO_PACKED, rsv=4, form=8)),
    bad("what cannot be inflated", 1007, frame(TEXT, b"\xff\xff\xff", rsv=4)),
    bad("the same in a fragment, at once", 1007, frame(TEXT, b"\xff", rsv=4, final=False) + frame(PING)),
    bad("a reference to before the beginning", 1007, frame(TEXT, AGAIN_PACKED, rsv=4)),
    bad("seventeen last blocks", 1007, frame(BINARY, FINAL_HELLO * 17 + b"\0", rsv=4)),
    bad("text is not UTF-8 when it is inflated", 1007, frame(TEXT, packed(b"a\xff")[0], rsv=4)),
    bad("text ends in mid-character when it is inflated", 1007, frame(TEXT, packed(EURO[:2])[0], rsv=4)),
    bad(
        "bad text in a compressed fragment, at once",
        1007,
        frame(TEXT, b"\x00\x01\x00\xfe\xff\xff", rsv=4, final=False) + frame(PING),
    ),
]

CLOSE_CODES = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999]


def receive(decoder: Frames, chunks: list[bytes]) -> Messages:
    """Everything the chunks complete."""
    return [message for chunk in chunks for message in decoder.receive(chunk)]


def code_of(decoder: Frames) -> Optional[int]:
    """The code of the error, if there is one."""
    return decoder.error.code if decoder.error else None


@pytest.mark.parametrize("rule", [*GOOD_COMPRESSED, *BAD_COMPRESSED], ids=lambda rule: rule.name)
def test_rule_of_compression(rule: Rule) -> None:
    """Each rule of RFC 7692 gives its messages and its code, at once, byte by byte, or cut in two; the reference agrees."""
    for some in [[], [1] * len(rule.stream), *([at] for at in range(1, len(rule.stream)))]:
        decoder = Frames(deflate=Agreed())
        assert receive(decoder, split(rule.stream, some)) == rule.messages
        assert code_of(decoder) == rule.code
    outcome = decode(rule.stream, max_message_size=16 * 1024 * 1024, max_fragments=65536, inflater=Inflater())
    assert (outcome.messages, outcome.code) == (rule.messages, rule.code)


@pytest.mark.parametrize("keeps", [True, False])
@pytest.mark.parametrize("fragmented", [False, True], ids=["whole", "fragments"])
def test_whether_messages_refer_to_each_other(keeps: bool, fragmented: bool) -> None:
    """Where it was agreed that each stands alone, a reference to the one before is an error."""
    decoder = Frames(deflate=Agreed(server_context=keeps))
    ends = b"" if fragmented else None
    stream = b"".join(
        frame(TEXT, payload, rsv=4, final=ends is None) + (frame(CONTINUATION, ends) if ends is not None else b"")
        for payload in (HELLO_PACKED, AGAIN_PACKED)
    )
    assert decoder.receive(stream) == [HELLO] * (2 if keeps else 1)
    assert code_of(decoder) == (None if keeps else 1007)


@pytest.mark.parametrize("cut", [[], [1] * 4000, [100]], ids=["at once", "byte by byte", "in two"])
@pytest.mark.parametrize("fragmented", [False, True], ids=["whole", "fragments"])
def test_a_bomb_is_refused_while_it_is_inflated(cut: list[int], fragmented: bool) -> None:
    """A thousand times its size when inflated: 1009, and it never was in memory."""
    stream = frame(BINARY, BOMB, rsv=4)
    if fragmented:
        stream = frame(BINARY, BOMB[:50], rsv=4, final=False) + frame(CONTINUATION, BOMB[50:])
    decoder = Frames(max_message_size=50_000, deflate=Agreed())
    tracemalloc.start()
    try:
        assert receive(decoder, split(stream, cut)) == []
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert code_of(decoder) == 1009
    assert peak < 400_000


@pytest.mark.parametrize("limit", [sys.maxsize, 10**30])
@pytest.mark.parametrize("cut", [[], [1]], ids=["whole", "fragments"])
def test_no_bound_is_too_large(limit: int, cut: list[int]) -> None:
    """zlib counts in a machine word; who says "all of it" need not know."""
    data = packed(b"data")[0]
    pieces = [frame(BINARY, data[:2], rsv=4, final=False), frame(CONTINUATION, data[2:])] if cut else [frame(BINARY, data, rsv=4)]
    decoder = Frames(max_message_size=limit, deflate=Agreed())
    assert decoder.receive(b"".join(pieces)) == [(BINARY, b"data")]


@pytest.mark.parametrize(("size", "code"), [(1000, None), (1001, 1009)])
def test_the_bound_holds_for_what_is_inflated(size: int, code: Optional[int]) -> None:
    """A message of just the limit passes, one byte more is refused, though it is short on the wire."""
    decoder = Frames(max_message_size=1000, deflate=Agreed())
    assert len(decoder.receive(frame(BINARY, packed(bytes(size))[0], rsv=4))) == (code is None)
    assert code_of(decoder) == code


@pytest.mark.parametrize("cut", [[], [5]], ids=["at once", "in two"])
def test_what_is_too_big_is_not_broken(cut: list[int]) -> None:
    """It is not inflated to its end, and what was left of it is not read as if it were whole."""
    dice = random.Random(3)
    words = [bytes(dice.choices(b"abcdefghij", k=dice.randint(2, 7))) for _ in range(60)]
    payload = packed(b" ".join(dice.choices(words, k=900)))[0]
    for limit in range(100, 2900, 3):
        decoder = Frames(max_message_size=limit, deflate=Agreed())
        assert receive(decoder, split(frame(BINARY, payload, rsv=4), cut)) == []
        assert code_of(decoder) == 1009


@pytest.mark.parametrize("cut", [[], [4, 9]], ids=["at once", "in pieces"])
def test_messages_of_just_the_limit_follow_each_other(cut: list[int]) -> None:
    """One that fills the room is ended like any other, so the next one can refer to it."""
    decoder = Frames(max_message_size=5, deflate=Agreed())
    stream = frame(TEXT, HELLO_PACKED, rsv=4) + frame(TEXT, AGAIN_PACKED, rsv=4)
    assert receive(decoder, split(stream, cut)) == [HELLO, HELLO]
    assert decoder.error is None


@pytest.mark.parametrize("cut", [[], [5]], ids=["at once", "in two"])
@pytest.mark.parametrize("limit", [147, 148, 149])
def test_text_that_is_too_big_is_not_bad(cut: list[int], limit: int) -> None:
    """Where the bound falls into the middle of a character the text is too big all the same, and not called invalid."""
    decoder = Frames(max_message_size=limit, deflate=Agreed())
    assert receive(decoder, split(frame(TEXT, packed(EURO * 50)[0], rsv=4), cut)) == []
    assert code_of(decoder) == 1009


def test_what_is_compressed_is_bounded_on_the_wire_too() -> None:
    """Blocks of nothing inflate to nothing, for ever: a header that claims more than twice the limit is refused by itself."""
    decoder = Frames(max_message_size=1000, deflate=Agreed())
    assert decoder.receive(b"\xc2\x7e" + (3024).to_bytes(2, "big")) == []
    assert decoder.error is None
    decoder = Frames(max_message_size=1000, deflate=Agreed())
    assert decoder.receive(b"\xc2\x7e" + (3025).to_bytes(2, "big")) == []
    assert code_of(decoder) == 1009
    nothing = b"\x00\x00\x00\xff\xff"
    for blocks, messages, code in ((604, [(BINARY, b"")], None), (605, [], 1009)):
        decoder = Frames(max_message_size=1000, deflate=Agreed())
        assert decoder.receive(frame(BINARY, nothing * blocks + b"\0", rsv=4)) == messages
        assert code_of(decoder) == code


def test_a_compressed_message_that_does_not_shrink_passes() -> None:
    """Noise of just the limit is longer on the wire than inflated."""
    noise = random.Random(7).randbytes(50_000)
    payload = packed(noise)[0]
    assert len(payload) > len(noise)
    decoder = Frames(max_message_size=len(noise), deflate=Agreed())
    assert decoder.receive(frame(BINARY, payload, rsv=4)) == [(BINARY, noise)]


@pytest.mark.parametrize("length", [125, 126, 65535, 65536])
def test_a_compressed_message_of_any_length(length: int) -> None:
    """On the wire it may have each of the three forms of a length, at the ends of them too; what follows it is read."""
    # A stored block of its own for each 65,535 bytes at most, five bytes each, and the one that every message ends with.
    sizes = [length - 6] if length < 65535 else [30_000, length - 11 - 30_000]
    stored = b"".join(b"\0" + size.to_bytes(2, "little") + (65535 - size).to_bytes(2, "little") + bytes(size) for size in sizes)
    stream = frame(BINARY, stored + b"\0", rsv=4)
    assert len(stream) == length + (2 if length < 126 else 4 if length < 65536 else 10)
    decoder = Frames(deflate=Agreed())
    assert decoder.receive(stream + ONE) == [(BINARY, bytes(sum(sizes))), HELLO]


@pytest.mark.parametrize("rule", [*GOOD, *BAD], ids=lambda rule: rule.name)
def test_rule(rule: Rule) -> None:
    """Each rule of the RFC gives its messages and its code, whether the bytes come at once, singly, or cut in two anywhere."""
    sizes = [[], [1] * len(rule.stream)]
    sizes += [[at] for at in (*range(1, min(len(rule.stream), 300)), *range(300, len(rule.stream), 9973))]
    for some in sizes if len(rule.stream) < 60000 else sizes[:1] + sizes[2:]:
        decoder = Frames()
        assert receive(decoder, split(rule.stream, some)) == rule.messages
        assert code_of(decoder) == rule.code
        assert decoder.closed == any(opcode == CLOSE for opcode, _ in rule.messages)


@pytest.mark.parametrize("rule", [*GOOD, *BAD], ids=lambda rule: rule.name)
def test_reference_agrees(rule: Rule) -> None:
    """The reference the property tests rely on gives the same for every rule."""
    outcome = decode(rule.stream, max_message_size=16 * 1024 * 1024, max_fragments=65536)
    assert (outcome.messages, outcome.code) == (rule.messages, rule.code)


def test_opcodes_are_plain_ints() -> None:
    """Opcodes are the numbers of the RFC, of type int, and payloads come out as bytes."""
    assert [CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG] == [0, 1, 2, 8, 9, 10]
    stream = ONE + part(BINARY, b"a") + frame(PING, b"b") + frame(CONTINUATION, LONG) + close(1000)
    received = receive(Frames(), split(stream, [3]))
    assert [(type(opcode), type(payload)) for opcode, payload in received] == [(int, bytes)] * 4


@pytest.mark.parametrize("rule", BAD, ids=lambda rule: rule.name)
def test_reason_fits_into_a_close_frame(rule: Rule) -> None:
    """Every error says in ASCII what is wrong, short enough for the close frame that answers it."""
    decoder = Frames()
    decoder.receive(rule.stream)
    assert decoder.error is not None
    assert decoder.error.reason.isascii()
    assert 0 < len(decoder.error.reason) <= 123
    assert str(decoder.error) == f"{rule.code}: {decoder.error.reason}"


@pytest.mark.parametrize(
    ("stream", "reason"),
    [
        (frame(TEXT, rsv=2), "reserved bit set, and no extension gives it a meaning here"),
        (frame(7), "unknown opcode 7"),
        (frame(TEXT, masked=True), "masked frame from a server"),
        (part(PING), "fragmented control frame"),
        (frame(CLOSE, LONG[:126]), "control frame of more than 125 bytes"),
        (part(TEXT) + frame(BINARY), "new message inside a fragmented one"),
        (frame(CONTINUATION), "continuation of no message"),
        (b"\x82\x7f\x80" + bytes(7), "length with the top bit set"),
        (frame(BINARY, LONG[:125], form=2), "length 125 in 2 bytes is not the shortest form"),
        (frame(BINARY, LONG[:65535], form=8), "length 65535 in 8 bytes is not the shortest form"),
        (close(1005), "close code 1005 is not allowed"),
        (frame(BINARY, LONG[:1001]), "message of more than 1000 bytes"),
        (part(BINARY) + part(CONTINUATION) * 2, "message of more than 2 fragments"),
    ],
)
def test_what_is_wrong_is_said(stream: bytes, reason: str) -> None:
    """In words that a person at the venue can look for."""
    decoder = Frames(max_message_size=1000, max_fragments=2)
    decoder.receive(stream)
    assert decoder.error is not None
    assert decoder.error.reason == reason


def test_error_is_set_once_and_keeps_nothing_alive() -> None:
    """After an error every byte is ignored, the first error stays, and it holds no frame of the stack and no chunk."""
    decoder = Frames()
    assert decoder.receive(frame(TEXT, b"\xff")) == []
    first = decoder.error
    assert first is not None
    assert decoder.receive(ONE + frame(3)) == []
    assert decoder.error is first
    assert (first.__traceback__, first.__context__, first.__cause__) == (None, None, None)
    assert not decoder.closed


def test_close_ends_it() -> None:
    """After a close frame every byte is ignored, in the same chunk and in later ones, and none of them is an error."""
    decoder = Frames()
    assert decoder.receive(frame(CLOSE) + ONE) == [(CLOSE, b"")]
    assert decoder.receive(ONE + frame(3)) == []
    assert decoder.closed
    assert decoder.error is None


@pytest.mark.parametrize(
    ("stream", "messages"),
    [
        (b"\x82\x7e\x03\xe9", []),
        (b"\x82\x7f\x7f" + b"\xff" * 7, []),
        (part(BINARY, LONG[:600]) + b"\x80\x7e\x01\x91", []),
        (frame(BINARY, LONG[:1000]) + frame(BINARY, LONG[:1001]), [(BINARY, LONG[:1000])]),
        (part(BINARY, LONG[:600]) + frame(PING) + part(CONTINUATION, LONG[:401]), [(PING, b"")]),
    ],
    ids=["one frame", "the longest possible", "the second fragment", "after one that just fits", "with a ping between"],
)
def test_message_too_big(stream: bytes, messages: Messages) -> None:
    """A message above the limit is refused by its header, before its payload has come: 1009."""
    decoder = Frames(max_message_size=1000)
    assert decoder.receive(stream) == messages
    assert code_of(decoder) == 1009


@pytest.mark.parametrize(("length", "code"), [(16 * 1024 * 1024, None), (16 * 1024 * 1024 + 1, 1009)])
def test_the_limit_as_it_is_by_default(length: int, code: Optional[int]) -> None:
    """16 MiB, as the header says it."""
    decoder = Frames()
    assert decoder.receive(b"\x82\x7f" + length.to_bytes(8, "big")) == []
    assert code_of(decoder) == code


def test_largest_message() -> None:
    """A message of just the limit passes, whole or in fragments, one after the other; control frames do not count."""
    decoder = Frames(max_message_size=1000)
    halves = part(BINARY, LONG[:500]) + frame(PING, LONG[:125]) + frame(CONTINUATION, LONG[:500])
    ping, whole = (PING, LONG[:125]), (BINARY, LONG[:1000])
    assert decoder.receive(halves + frame(BINARY, LONG[:1000]) + halves) == [ping, whole, whole, ping, whole]
    assert decoder.error is None


def test_control_frames_are_no_messages() -> None:
    """The limits are about messages: what else comes, a close too, has its own bound."""
    decoder = Frames(max_message_size=1, max_fragments=1)
    assert decoder.receive(frame(PING, LONG[:125]) * 2 + close(1000, b"bye")) == [(PING, LONG[:125])] * 2 + [
        (CLOSE, b"\x03\xe8bye")
    ]
    assert decoder.error is None


@pytest.mark.parametrize(
    "stream",
    [frame(TEXT, b"\xff"), part(TEXT, b"\xff"), frame(TEXT, packed(b"a\xff")[0], rsv=4), frame(TEXT, packed(EURO[:2])[0], rsv=4)],
    ids=["plain", "fragment", "compressed", "compressed, in mid-character"],
)
def test_what_is_said_of_bad_text(stream: bytes) -> None:
    """The same, whichever way it came."""
    decoder = Frames(deflate=Agreed())
    assert decoder.receive(stream) == []
    assert str(decoder.error) == "1007: text is not valid UTF-8"


def test_fragments_are_counted() -> None:
    """A message of just the limit of frames passes; one frame more is refused by its header, empty or not: 1009."""
    decoder = Frames(max_fragments=3)
    three = part(TEXT) + part(CONTINUATION) + frame(CONTINUATION)
    assert decoder.receive(three + three) == [(TEXT, b"")] * 2
    assert decoder.error is None
    assert decoder.receive(three[:-2] + part(CONTINUATION) + b"\x80\x05") == []
    assert code_of(decoder) == 1009


def test_endless_empty_fragments_end() -> None:
    """With the limits as they are by default, a peer that sends empty fragments for ever is refused."""
    decoder = Frames()
    assert decoder.receive(part(BINARY) + part(CONTINUATION) * 131071) == []
    assert decoder.error is None
    assert decoder.receive(part(CONTINUATION)) == []
    assert code_of(decoder) == 1009


def test_header_alone_takes_no_memory() -> None:
    """What a header announces is not reserved before it comes."""
    decoder = Frames()
    tracemalloc.start()
    try:
        decoder.receive(b"\x82\x7f" + (16 * 1024 * 1024).to_bytes(8, "big") + b"x" * 100)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert decoder.error is None
    assert peak < 100_000


@pytest.mark.parametrize("code", CLOSE_CODES)
def test_parse_close(code: int) -> None:
    """A code that may travel is given back with its reason, with the stream as with the parser alone."""
    [(opcode, payload)] = Frames().receive(close(code, EURO))
    assert (opcode, *parse_close(payload)) == (CLOSE, code, "€")
    assert parse_close(payload[:2]) == (code, "")


def test_parse_close_of_nothing() -> None:
    """An empty close frame has no code, and none is invented."""
    assert parse_close(b"") == (None, "")


@pytest.mark.parametrize(
    ("payload", "code", "reason"),
    [
        (b"\x03", 1002, "close frame of one byte"),
        (b"\x03\xed", 1002, "close code 1005 is not allowed"),
        (b"\x03\xe8\xff", 1007, "close reason is not valid UTF-8"),
    ],
    ids=["short", "1005", "reason"],
)
def test_parse_close_refuses(payload: bytes, code: int, reason: str) -> None:
    """What no peer may send is a FrameError with the code to answer with."""
    with pytest.raises(FrameError) as caught:
        parse_close(payload)
    assert (caught.value.code, caught.value.reason) == (code, reason)


# --- any stream, any chunks

texts = st.text(max_size=60).map(str.encode)
sizes_that_matter = st.sampled_from([124, 125, 126, 127, MAX_SIZE, MAX_SIZE + 1])
payloads = st.one_of(texts, st.binary(max_size=60), sizes_that_matter.map(lambda size: LONG[:size]))
spoilers = st.sampled_from([b"\xff", b"\xed\xa0", b"\xf4\x90", b"\xe0\x80", b"\xc0", b"\xe2\x82", b"\x80"])
almost_text = st.tuples(texts, spoilers).map(b"".join)
controls = st.one_of(
    st.builds(frame, st.sampled_from([PING, PONG]), st.binary(max_size=125)),
    st.builds(close, st.sampled_from([*CLOSE_CODES, 0, 999, 1004, 1005, 1006, 1015, 2999, 5000]), st.one_of(texts, almost_text)),
)
pings = st.builds(frame, st.sampled_from([PING, PONG]), st.binary(max_size=10))
wholes = st.one_of(st.builds(frame, st.just(TEXT), texts), st.builds(frame, st.just(BINARY), payloads))
anything = st.builds(
    frame,
    st.integers(0, 15),
    st.one_of(payloads, almost_text),
    final=st.booleans(),
    rsv=st.sampled_from([0, 0, 0, 1, 2, 4, 7]),
    masked=st.sampled_from([False, False, False, True]),
    form=st.sampled_from([None, None, None, 2, 8]),
)


@st.composite
def fragmented(draw: st.DrawFn) -> bytes:
    """One message in fragments, good or bad, cut anywhere, with pings between; sometimes too many of them, or without an end."""
    opcode = draw(st.sampled_from([TEXT, TEXT, BINARY]))
    message = draw(st.one_of(texts, almost_text) if opcode == TEXT else payloads)
    cuts = sorted(draw(st.lists(st.integers(0, len(message)), max_size=MAX_FRAGMENTS)))
    stream = b""
    for start, stop in zip([0, *cuts], cuts):
        stream += part(CONTINUATION if stream else opcode, message[start:stop]) + draw(st.one_of(st.just(b""), pings))
    last = cuts[-1] if cuts else 0
    final = draw(st.sampled_from([True] * 7 + [False]))
    return stream + frame(CONTINUATION if stream else opcode, message[last:], final=final)


good_streams = st.lists(st.one_of(wholes, wholes, pings, fragmented()), max_size=12).map(b"".join)
streams = st.tuples(
    good_streams,
    st.lists(st.one_of(wholes, fragmented(), controls, anything, st.binary(max_size=20)), max_size=6).map(b"".join),
).map(b"".join)
chunkings = st.lists(st.one_of(st.integers(0, 5), st.integers(0, 200)), max_size=40)


@settings(max_examples=600)
@given(streams, chunkings)
def test_any_frames_in_any_chunks(stream: bytes, sizes: list[int]) -> None:
    """Random frames, valid and broken, give what the reference gives, after each chunk, however they are cut."""
    agree(stream, sizes)


@settings(max_examples=100)
@given(streams)
def test_any_frames_byte_by_byte(stream: bytes) -> None:
    """The same with chunks of one byte."""
    agree(stream, [1] * len(stream))


@settings(max_examples=300)
@given(st.binary(max_size=200), chunkings)
def test_any_bytes(stream: bytes, sizes: list[int]) -> None:
    """Random bytes never raise and give what the reference gives."""
    agree(stream, sizes)


@settings(max_examples=300)
@given(st.one_of(texts, almost_text, st.binary(max_size=20), st.tuples(texts, almost_text, texts).map(b"".join)))
def test_reference_knows_utf8(text: bytes) -> None:
    """The UTF-8 of the reference, written from the RFC, is that of Python."""
    assert (utf8(text) == "whole") == (text.decode(errors="replace").encode() == text)


@st.composite
def compressed(draw: st.DrawFn) -> bytes:
    """A few messages, compressed as a server might or not at all, whole or in fragments, sometimes with a wrong bit."""
    level = draw(st.sampled_from([0, 1, 6, 9]))
    strategy = draw(st.sampled_from([zlib.Z_DEFAULT_STRATEGY, zlib.Z_FIXED, zlib.Z_HUFFMAN_ONLY]))
    packer = zlib.compressobj(level, zlib.DEFLATED, -draw(st.sampled_from([9, 15])), 8, strategy)
    stream = b""
    for _ in range(draw(st.integers(1, 4))):
        opcode = draw(st.sampled_from([TEXT, TEXT, BINARY]))
        message = draw(st.one_of(texts, almost_text) if opcode == TEXT else payloads)
        if draw(st.booleans()):
            stream += frame(opcode, message)
            continue
        if draw(st.sampled_from([False] * 5 + [True])):
            own = zlib.compressobj(level, zlib.DEFLATED, -15, 8, strategy)
            data = bytearray(own.compress(message) + own.flush(zlib.Z_FINISH) + b"\0")
        else:
            data = bytearray((packer.compress(message) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4])
        if data and draw(st.sampled_from([False] * 5 + [True])):
            data[draw(st.integers(0, len(data) - 1))] ^= 1 << draw(st.integers(0, 7))
        cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=2)))
        edges = [0, *cuts, len(data)]
        for index, (start, stop) in enumerate(zip(edges, edges[1:])):
            kind, rsv = (CONTINUATION, 0) if index else (opcode, 4)
            stream += frame(kind, bytes(data[start:stop]), final=index == len(cuts), rsv=rsv)
    return stream


@settings(max_examples=150)
@given(st.one_of(compressed(), st.tuples(compressed(), streams).map(b"".join)), st.lists(st.integers(0, 60), max_size=6))
def test_any_compressed_frames_in_any_chunks(stream: bytes, sizes: list[int]) -> None:
    """Compressed messages, good and spoiled, between any others, give what the slow inflate of the reference gives."""
    agree(stream, sizes, Agreed())


# What `python -m tests.fuzz` has found: a stream, the sizes of its chunks, and whether messages refer to each other.
FOUND = [
    # A compressed message ends in the middle of a block: the next one goes on there, as zlib does.
    (bytes.fromhex("4102621880050544020301 4102621880050544"), [3, 1], True),
]


@pytest.mark.parametrize(("stream", "sizes", "keeps"), FOUND)
def test_what_the_fuzzer_found(stream: bytes, sizes: list[int], keeps: bool) -> None:
    """Once the two decoders read these differently."""
    agree(stream, sizes, Agreed(server_context=keeps))


@settings(max_examples=100)
@given(st.binary(max_size=60).map(lambda data: frame(BINARY, data, rsv=4)), st.lists(st.integers(0, 20), max_size=4))
def test_any_bytes_as_a_compressed_message(stream: bytes, sizes: list[int]) -> None:
    """Random bytes where compressed ones should be never raise and give what the reference gives."""
    agree(stream, sizes, Agreed())


# --- the cost


class Work:
    """Owned by: one test. The number of bytes that were copied or decoded."""

    done = 0


class CountedBytes(bytes):
    """A chunk that counts the bytes of every slice and every sum made of it."""

    def __getitem__(self, index: Any) -> Any:
        found = super().__getitem__(index)
        return counted(found) if isinstance(found, bytes) else found

    def __add__(self, other: Any) -> bytes:
        return counted(super().__add__(other))

    def __radd__(self, other: bytes) -> bytes:
        return counted(other + bytes(self))


class CountedArray(bytearray):
    """A buffer that counts every byte put into it, moved inside it, and taken out of it."""

    def __iadd__(self, other: Any) -> Any:
        Work.done += len(other)
        return super().__iadd__(other)

    def __add__(self, other: Any) -> bytearray:
        return CountedArray(counted(bytes(self) + other))

    def __getitem__(self, index: Any) -> Any:
        found = super().__getitem__(index)
        return counted(found) if isinstance(found, bytearray) else found

    def __delitem__(self, index: Any) -> None:
        Work.done += len(self)
        super().__delitem__(index)

    def __bytes__(self) -> bytes:
        Work.done += len(self)
        return bytes(memoryview(self))


class CountedDecoder(codecs.getincrementaldecoder("utf-8")):  # type: ignore[misc]  # a base made by a call
    """A decoder that counts what it is given."""

    def decode(self, data: Any, final: bool = False) -> str:
        Work.done += len(data)
        decoded: str = super().decode(data, final)
        return decoded


def counted(data: Any) -> CountedBytes:
    """Counts these bytes as copied, and goes on counting with the copy."""
    Work.done += len(data)
    return CountedBytes(data)


@pytest.mark.parametrize(
    ("stream", "size", "count"),
    [
        (frame(TEXT, LONG[:150]) * 20_000, 20_000 * 154, 20_000),
        (frame(TEXT, LONG[:150]) * 20_000, 65_536, 20_000),
        (frame(TEXT, LONG[:150]) * 500, 1, 500),
        (frame(PING, LONG[:100]) * 20_000, 20_000 * 102, 20_000),
        (frame(TEXT, LONG * 32), 65_536, 1),
        (frame(TEXT, LONG[:60_000]), 1, 1),
        (part(TEXT, b"0123456789") + part(CONTINUATION, b"0123456789") * 60_000 + frame(CONTINUATION), 65_536, 1),
        (part(BINARY, b"0123456789") + part(CONTINUATION, b"0123456789") * 5_000 + frame(CONTINUATION), 1, 1),
        (frame(BINARY, LONG[:40_000]) * 50, 65_536, 50),
    ],
    ids=[
        "small frames in one chunk",
        "small frames in 64 KiB chunks",
        "small frames byte by byte",
        "pings in one chunk",
        "a large frame in 64 KiB chunks",
        "a large frame byte by byte",
        "fragments in 64 KiB chunks",
        "fragments byte by byte",
        "frames of half a chunk",
    ],
)
def test_work_is_linear(monkeypatch: pytest.MonkeyPatch, stream: bytes, size: int, count: int) -> None:
    """However bytes are framed and cut, each is copied or decoded a few times, not once per frame or per chunk."""
    monkeypatch.setattr(frames, "bytearray", CountedArray, raising=False)
    with monkeypatch.context() as patch:
        patch.setattr(codecs, "getincrementaldecoder", lambda name: CountedDecoder)
        decoder = Frames()
    chunks = [CountedBytes(stream[at : at + size]) for at in range(0, len(stream), size)]
    Work.done = 0
    received = receive(decoder, list(chunks))
    assert (len(received), decoder.error) == (count, None)
    payload = sum(len(payload) for _, payload in received)
    assert payload <= Work.done <= 6 * len(stream)


def test_usual_case_copies_each_payload_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Complete data messages are cut out of the chunk by one slice each, and nothing else is copied."""
    monkeypatch.setattr(frames, "bytearray", CountedArray, raising=False)
    chunk = CountedBytes(frame(TEXT, LONG[:150]) * 300 + frame(BINARY, LONG[:20]) * 300 + frame(TEXT, LONG[:126]) * 100)
    decoder = Frames()
    Work.done = 0
    received = decoder.receive(chunk)
    assert len(received) == 700
    assert Work.done == sum(len(payload) for _, payload in received)


def stored(size: int) -> bytes:
    """So many bytes as a compressed message that is six bytes longer than they are."""
    return b"\0" + size.to_bytes(2, "little") + (65535 - size).to_bytes(2, "little") + LONG[:size] + b"\0"


def test_usual_cases_never_go_the_long_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Complete data messages, compressed or not, in any order: no header is taken apart for them one by one."""

    def long_way(self: Frames, data: bytes, at: int) -> int:
        assert at == len(data)  # nothing is left
        return at

    monkeypatch.setattr(Frames, "_header", long_way)
    shortest, longest = stored(120), stored(130)  # the shortest whose length takes two bytes
    assert len(shortest) == 126
    plain = [ONE, frame(TEXT, EURO), frame(BINARY, LONG[:126]), frame(TEXT, LONG[:130]), frame(BINARY, b"ab")]
    packed = [
        frame(TEXT, STORED, rsv=4),
        frame(BINARY, shortest, rsv=4),
        frame(BINARY, longest, rsv=4),
        frame(TEXT, b"\x02\x00", rsv=4),
    ]
    decoder = Frames(max_message_size=len(longest), deflate=Agreed())
    for first in plain + packed:  # each of them at the end of a chunk, too
        for second in plain + packed:
            assert len(decoder.receive(first + second)) == 2
    decoder = Frames(max_message_size=130)
    for last in plain:
        assert len(decoder.receive(b"".join(plain) + last)) == 6


@pytest.mark.parametrize(
    "end", [frame(3), frame(CONTINUATION, b"\xff"), close(1000), close(1005)], ids=["opcode", "text", "close", "bad close"]
)
def test_what_is_not_whole_at_the_end_is_let_go(end: bytes) -> None:
    """An error or a close: the fragments that came before it are not kept."""
    decoder = Frames()
    tracemalloc.start()
    try:
        decoder.receive(part(TEXT, LONG * 10))
        before = tracemalloc.get_traced_memory()[0]
        decoder.receive(end)
        after = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert decoder.closed or decoder.error is not None
    assert before > len(LONG) * 10 > 10_000 > after


def test_between_two_messages() -> None:
    """Where nothing has begun, and nothing is over."""
    piece, end = bytes((TEXT, 1)) + b"x", bytes((0x80 | CONTINUATION, 1)) + b"y"
    for begun in (b"\x81", b"\x81\x03a", piece, piece + end[:1], b"\x89\x02p", b"\x88\x00", b"\xff\xff"):
        taken = Frames()
        assert taken.between
        taken.receive(begun)
        assert not taken.between
    taken.receive(b"")
    whole = Frames()
    whole.receive(piece + end + b"\x89\x00\x81\x01z")
    assert whole.between
