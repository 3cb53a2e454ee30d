"""`core/deflate.py`: what is offered, which answers are taken, and the way through it, there and back."""

from __future__ import annotations

import zlib
from typing import Any, Callable, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncstream import Deflate, FeedError
from syncstream.core.deflate import Agreed, Inflate, Pack

TAIL = b"\x00\x00\xff\xff"


@pytest.mark.parametrize(
    ("deflate", "offer"),
    [
        (Deflate(), "permessage-deflate; client_max_window_bits"),
        (Deflate(send=True), "permessage-deflate; client_max_window_bits"),
        (Deflate(server_context=False), "permessage-deflate; server_no_context_takeover; client_max_window_bits"),
        (
            Deflate(client_context=False, server_window_bits=10, client_window_bits=9),
            "permessage-deflate; client_no_context_takeover; server_max_window_bits=10; client_max_window_bits=9",
        ),
    ],
)
def test_the_offer(deflate: Deflate, offer: str) -> None:
    """What is left at its default is not asked for; that the server may limit our window always is said."""
    assert deflate.offer() == offer


@pytest.mark.parametrize(
    ("deflate", "answer", "agreed"),
    [
        (Deflate(), "permessage-deflate", Agreed()),
        (Deflate(send=True), "permessage-deflate", Agreed(send=True)),
        (Deflate(), "permessage-deflate; server_no_context_takeover", Agreed(server_context=False)),
        (Deflate(), "permessage-deflate;client_no_context_takeover", Agreed(client_context=False)),
        (Deflate(client_context=False), "permessage-deflate", Agreed(client_context=False)),
        (Deflate(), "permessage-deflate; server_max_window_bits=9", Agreed(server_window_bits=9)),
        (Deflate(), 'permessage-deflate; client_max_window_bits="8"', Agreed(client_window_bits=8)),
        (Deflate(), " permessage-deflate ; client_max_window_bits = 15 ; server_max_window_bits=8", Agreed(server_window_bits=8)),
        (Deflate(server_window_bits=12), "permessage-deflate; server_max_window_bits=11", Agreed(server_window_bits=11)),
        (Deflate(client_window_bits=12), "permessage-deflate", Agreed(client_window_bits=12)),
        (
            Deflate(server_context=False, server_window_bits=9),
            "permessage-deflate; server_max_window_bits=9; server_no_context_takeover",
            Agreed(server_context=False, server_window_bits=9),
        ),
    ],
)
def test_an_answer_is_taken(deflate: Deflate, answer: str, agreed: Agreed) -> None:
    """The parameters of RFC 7692, section 7.1, in any order, with blanks and quotes; what we limit ourselves stays limited."""
    assert deflate.agreed(answer) == agreed


@pytest.mark.parametrize(
    ("deflate", "answer", "words"),
    [
        (Deflate(), "x-webkit-deflate-frame", "^the answer has an extension that was not offered$"),
        (Deflate(), "PERMESSAGE-DEFLATE", "not offered"),
        (Deflate(), "permessage-deflate, permessage-deflate", "more than the one extension"),
        (Deflate(), "permessage-deflate, mux", "^the answer has more than the one extension that was offered$"),
        (Deflate(), 'permessage-deflate; client_max_window_bits="8,9"', "is a whole number from 8 to 15"),
        (Deflate(), "permessage-deflate; server_no_context_takeover; server_no_context_takeover", "twice"),
        (Deflate(), "permessage-deflate; server_no_context_takeover=1", "takes no value"),
        (Deflate(), 'permessage-deflate; client_no_context_takeover=""', "takes no value"),
        (Deflate(), "permessage-deflate; secret=1", "does not exist"),
        (Deflate(), "permessage-deflate;", "cannot be read"),
        (Deflate(), "permessage-deflate; =9", "cannot be read"),
        (Deflate(), "permessage-deflate; server_max_window_bits=9 10", "cannot be read"),
        *(
            (Deflate(), f"permessage-deflate; {name}{value}", f"{name} is a whole number from 8 to 15")
            for name in ("server_max_window_bits", "client_max_window_bits")
            for value in ("", "=7", "=16", "=0", "=09", "=-9", "=9.0", "=x", '=""')
        ),
        (Deflate(server_window_bits=10), "permessage-deflate; server_max_window_bits=11", "more than the 10"),
        (Deflate(client_window_bits=10), "permessage-deflate; client_max_window_bits=11", "more than the 10"),
        (Deflate(server_window_bits=10), "permessage-deflate", "leaves out server_max_window_bits"),
        (Deflate(server_context=False), "permessage-deflate", "leaves out server_no_context_takeover"),
    ],
)
def test_an_answer_that_does_not_fit_the_offer_is_refused(deflate: Deflate, answer: str, words: str) -> None:
    """The text says what is wrong, and repeats nothing that the server could have put there but a number."""
    with pytest.raises(ValueError, match=words) as caught:
        deflate.agreed(answer)
    assert "secret" not in str(caught.value)


@given(st.text(max_size=40).map("permessage-deflate; {}".format) | st.text(max_size=60))
def test_any_answer_is_agreed_on_or_refused(answer: str) -> None:
    """Nothing but `ValueError` comes out of what a server may say."""
    try:
        agreed = Deflate().agreed(answer)
    except ValueError:
        return
    assert 8 <= agreed.server_window_bits <= 15
    assert 8 <= agreed.client_window_bits <= 15


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"send": 1}, "expected True or False"),
        ({"server_context": None}, "expected True or False"),
        ({"client_context": "no"}, "expected True or False"),
        ({"server_window_bits": 8}, "window bits are a whole number from 9 to 15"),
        ({"client_window_bits": 16}, "window bits are a whole number from 9 to 15"),
        ({"client_window_bits": True}, "window bits are a whole number from 9 to 15"),
        ({"server_window_bits": 9.0}, "window bits are a whole number from 9 to 15"),
    ],
)
def test_options_are_checked(options: dict[str, Any], expected: str) -> None:
    """The error names the field and the value, and what it should be."""
    [(field, value)] = options.items()
    with pytest.raises(FeedError) as caught:
        Deflate(**options)
    assert str(caught.value) == f"{field}={value!r}: {expected}"


@pytest.mark.parametrize("bits", range(9, 16))
def test_every_window_can_be_asked_for(bits: int) -> None:
    """From the smallest that zlib can keep to, to the largest."""
    deflate = Deflate(server_window_bits=bits, client_window_bits=bits)
    assert (deflate.server_window_bits, deflate.client_window_bits) == (bits, bits)


@pytest.mark.parametrize("bits", range(9, 16))
@pytest.mark.parametrize("keeps", [True, False])
def test_there_and_back(bits: int, keeps: bool) -> None:
    """Every window, with and without context: a decompressor with just that window reads what we send."""
    pack = Pack(Agreed(client_window_bits=bits, client_context=keeps))
    reader = zlib.decompressobj(-bits)
    for number in range(40):
        payload = (b"%d " % number) * 400
        packed = pack.message(payload)
        assert packed is not None
        assert len(packed) < len(payload) / 4
        if not keeps:
            reader = zlib.decompressobj(-bits)
        assert reader.decompress(packed + TAIL) == payload


def test_context_makes_messages_smaller() -> None:
    """The second of two equal messages is a reference to the first, unless each stands alone."""
    payload = bytes(range(256))
    kept, alone = Pack(Agreed()), Pack(Agreed(client_context=False))
    assert len(kept.message(payload) or b"") > 200 > 20 > len(kept.message(payload) or b"")
    assert len(alone.message(payload) or b"") == len(alone.message(payload) or b"") > 200


def test_what_is_better_sent_as_it_is() -> None:
    """Nothing, and everything where the server allows a window that zlib cannot keep to."""
    assert Pack(Agreed()).message(b"") is None
    assert Pack(Agreed(client_window_bits=8)).message(b"hello" * 100) is None


@given(st.lists(st.binary(max_size=300), max_size=6), st.booleans(), st.integers(0, 40))
def test_a_message_at_once_or_in_pieces(messages: list[bytes], keeps: bool, size: int) -> None:
    """`message` gives what `piece` and `end` give."""
    pack = Pack(Agreed(client_context=keeps))
    whole, pieces = Inflate(Agreed(server_context=keeps)), Inflate(Agreed(server_context=keeps))
    for message in messages:
        packed = pack.message(message) or b"\0"
        assert whole.message(packed, 1000) == message
        joined = pieces.piece(packed[:size], 1000) + pieces.piece(packed[size:], 1000)
        assert joined + pieces.end(1000) == message


@pytest.mark.parametrize("room", [0, 1, 99, 4999])
def test_no_more_is_unpacked_than_one_byte_too_many(room: int) -> None:
    """Whoever asked sees that it is too much, and it costs no memory to find out."""
    packed = Pack(Agreed()).message(bytes(5000)) or b""
    assert len(Inflate(Agreed()).message(packed, room)) == room + 1
    assert len(Inflate(Agreed()).piece(packed, room)) == room + 1


# ---------------------------------------------------------------- what others send

HELLO = b"\xf2\x48\xcd\xc9\xc9\x07\x00"  # RFC 7692, section 7.2.3.1
HELLO_LAST = b"\xf3\x48\xcd\xc9\xc9\x07\x00"  # the same, its block marked as the last one
BROKEN = b"\xff\xff\xff"


def at_once(inflate: Inflate, packed: bytes, room: int) -> bytes:
    return inflate.message(packed, room)


def in_pieces(inflate: Inflate, packed: bytes, room: int) -> bytes:
    """Byte by byte, and no further once there is too much, as `Frames` does it."""
    unpacked = b""
    for index in range(len(packed)):
        unpacked += inflate.piece(packed[index : index + 1], room - len(unpacked))
        if len(unpacked) > room:
            return unpacked
    return unpacked + inflate.end(room - len(unpacked))


def in_one_piece(inflate: Inflate, packed: bytes, room: int) -> bytes:
    """As `Frames` does it with a message that comes whole, and in fragments."""
    unpacked = inflate.piece(packed, room)
    return unpacked if len(unpacked) > room else unpacked + inflate.end(room - len(unpacked))


WAYS = pytest.mark.parametrize("way", [at_once, in_one_piece, in_pieces])
Way = Callable[[Inflate, bytes, int], bytes]


@WAYS
def test_what_cannot_be_unpacked(way: Way) -> None:
    """It is an error that says so and holds nothing of what the server sent."""
    with pytest.raises(ValueError, match=r"^compressed data cannot be unpacked$") as caught:
        way(Inflate(Agreed()), BROKEN, 100)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@WAYS
def test_what_cannot_be_unpacked_behind_a_last_block(way: Way) -> None:
    """It is read like any other, and fails like any other."""
    with pytest.raises(ValueError, match="cannot be unpacked"):
        way(Inflate(Agreed()), HELLO_LAST + BROKEN, 100)


@WAYS
@pytest.mark.parametrize("keeps", [True, False])
def test_a_message_may_go_on_behind_its_last_block(way: Way, keeps: bool) -> None:
    """Several in one message, and one in each of several messages: all is read."""
    inflate = Inflate(Agreed(server_context=keeps))
    for _ in range(3):
        assert way(inflate, HELLO_LAST + HELLO_LAST + HELLO, 100) == b"Hello" * 3
        assert way(inflate, HELLO_LAST + b"\0", 100) == b"Hello"
        assert way(inflate, HELLO, 100) == b"Hello"


@WAYS
def test_the_window_ends_with_a_last_block(way: Way) -> None:
    """A reference to what stands before it is an error, in the same message and in the next one."""
    again = b"\xf2\x00\x11\x00\x00"  # refers to five bytes back, section 7.2.3.2
    inflate = Inflate(Agreed())
    assert [way(inflate, packed, 100) for packed in (HELLO, again)] == [b"Hello"] * 2
    with pytest.raises(ValueError, match="cannot be unpacked"):
        way(Inflate(Agreed()), HELLO_LAST + again, 100)
    inflate = Inflate(Agreed())
    assert way(inflate, HELLO_LAST + b"\0", 100) == b"Hello"
    with pytest.raises(ValueError, match="cannot be unpacked"):
        way(inflate, again, 100)


@WAYS
def test_last_blocks_are_counted(way: Way) -> None:
    """Sixteen in a message pass, in one after the other; the seventeenth is one too many."""
    inflate = Inflate(Agreed())
    for _ in range(3):
        assert way(inflate, HELLO_LAST * 16 + b"\0", 100) == b"Hello" * 16
    with pytest.raises(ValueError, match=r"^more than 16 last blocks in a message$"):
        way(inflate, HELLO_LAST * 17 + b"\0", 100)


@WAYS
@pytest.mark.parametrize("room", [*range(4, 17), 1000])
def test_the_bound_holds_across_last_blocks(way: Way, room: int) -> None:
    """What they all unpack to counts together: all of it, or one byte more than there is room for."""
    unpacked = way(Inflate(Agreed()), HELLO_LAST + HELLO_LAST + HELLO, room)
    assert unpacked == (b"Hello" * 3)[: room + 1]


@st.composite
def sent(draw: st.DrawFn) -> list[bytes]:
    """What a server may send: messages of several blocks, last ones among them, sometimes with a wrong bit; or any bytes."""
    stream = zlib.compressobj(wbits=-15)
    messages = []
    for _ in range(draw(st.integers(1, 3))):
        packed = bytearray()
        for text in draw(st.lists(st.binary(max_size=30), max_size=3)):
            packed += stream.compress(text)
            if draw(st.booleans()):
                packed += stream.flush()
                stream = zlib.compressobj(wbits=-15)
        packed += stream.flush(zlib.Z_SYNC_FLUSH)[: -len(TAIL)]
        if packed and draw(st.sampled_from([False] * 3 + [True])):
            packed[draw(st.integers(0, len(packed) - 1))] ^= 1 << draw(st.integers(0, 7))
        messages.append(bytes(packed))
    return draw(st.just(messages) | st.lists(st.binary(max_size=40), max_size=3))


@given(sent(), st.booleans(), st.integers(0, 120))
def test_whatever_is_sent_the_two_ways_agree(messages: list[bytes], keeps: bool, room: int) -> None:
    """The same bytes come out, or both find the same thing wrong; where it is too much *and* broken each may say either."""

    def outcome(way: Way, inflate: Inflate, packed: bytes) -> tuple[bytes, Optional[str]]:
        try:
            unpacked = way(inflate, packed, room)
        except ValueError as error:
            return b"", str(error)
        assert len(unpacked) <= room + 1
        return unpacked, "big" if len(unpacked) > room else None

    whole, pieces = Inflate(Agreed(server_context=keeps)), Inflate(Agreed(server_context=keeps))
    for packed in messages:
        (one, wrong), (other, also) = outcome(at_once, whole, packed), outcome(in_pieces, pieces, packed)
        assert (wrong is None) == (also is None)
        if wrong is not None or also is not None:
            assert wrong == also or "big" in (wrong, also)
            return
        assert one == other
