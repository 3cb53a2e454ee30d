"""Decoders by type, paths checked against types, JSON out: what every kind of `decode` means, and what can never work."""

from __future__ import annotations

import dataclasses
import functools
import json
import operator
import sys
import typing
from typing import Annotated, Any, Callable, Generic, Mapping, NamedTuple, NewType, Optional, TypedDict, TypeVar, Union

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncstream.core.paths import MISSING
from syncstream.errors import FeedError
from syncstream.schema import check_decode, check_path, decoder, encode, field_getter, fields_of


class Body(msgspec.Struct):
    s: str
    extra: Any = None


class Trade(msgspec.Struct, tag=True):
    symbol: str
    seq: int = 0
    data: Optional[Body] = None
    more: dict[str, Any] = {}
    levels: list[tuple[float, float]] = []

    @property
    def pair(self) -> str:
        return self.symbol * 2

    def method(self) -> str:
        return self.symbol


class Quote(msgspec.Struct, tag=True):
    ticker: str


class Renamed(msgspec.Struct, rename={"symbol": "s"}):
    symbol: str


class Row(msgspec.Struct, array_like=True):
    symbol: str
    price: float = 0.0


@dataclasses.dataclass
class Tick:
    symbol: str
    seq: int = 0


class Point(NamedTuple):
    symbol: str
    seq: int


class Base(TypedDict):
    symbol: str


class Full(Base, total=False):
    seq: int


T = TypeVar("T")


class Wrapped(msgspec.Struct, Generic[T]):
    symbol: str
    data: T


class Own:
    """A class that msgspec knows nothing of."""


new_type: Any = NewType  # mypy breaks on a NewType of a Struct
Named = new_type("Named", Quote)
OBJECT = b'{"symbol": "ABC", "seq": 7}'


# ---------------------------------------------------------------- decoding


@pytest.mark.parametrize(
    ("decode", "payload", "text", "expected"),
    [
        (None, b"pong", True, "pong"),
        (None, b"\x00\xff", False, b"\x00\xff"),
        (bytes, b"pong", True, b"pong"),
        (bytes, b"\xff", False, b"\xff"),
        (str, b"pong", True, "pong"),
        (str, "é".encode(), False, "é"),
        (dict, b'{"a": [1, null]}', True, {"a": [1, None]}),
        (dict, b"[1.5]", False, [1.5]),
        (Any, b"7", True, 7),
        (object, b"7", True, 7),
        (list, b"[1]", True, [1]),
        (int, b"7", True, 7),
        (dict[str, Any], OBJECT, True, {"symbol": "ABC", "seq": 7}),
        (typing.Dict[str, Any], OBJECT, True, {"symbol": "ABC", "seq": 7}),  # noqa: UP006  (another thing on 3.9)
        (list[int], b"[1, 2]", True, [1, 2]),
        (Tick, OBJECT, True, Tick("ABC", 7)),
        (Full, OBJECT, True, {"symbol": "ABC", "seq": 7}),
        (Point, b'["ABC", 7]', True, Point("ABC", 7)),
        (Renamed, b'{"s": "ABC"}', True, Renamed("ABC")),
        (Union[Trade, Quote], b'{"type": "Quote", "ticker": "X"}', True, Quote("X")),
        (Optional[Tick], b"null", True, None),
        (Wrapped[int], b'{"symbol": "ABC", "data": 1}', True, Wrapped("ABC", 1)),
        (Annotated[Row, "note"], b'["ABC", 1.5]', True, Row("ABC", 1.5)),
        (Named, b'{"type": "Quote", "ticker": "X"}', True, Quote("X")),
        (json.loads, b"[1]", True, [1]),
        (lambda payload: payload, b"text", True, "text"),
        (lambda payload: payload, b"bytes", False, b"bytes"),
        (functools.partial(int, base=16), b"ff", True, 255),
    ],
)
def test_what_each_decode_makes_of_a_payload(decode: Any, payload: bytes, text: bool, expected: Any) -> None:
    """Text and bytes as they are, JSON of any shape or of a type, or whatever a function says; functions get text as text."""
    check_decode(decode)
    assert decoder(decode)(payload, text) == expected


@pytest.mark.parametrize(
    ("decode", "payload"),
    [(dict, b"{"), (Tick, b'{"seq": 7}'), (Tick, b"[]"), (str, b"\xff"), (None, b"\xff"), (Quote, OBJECT), (json.loads, b"<")],
)
def test_a_payload_that_cannot_be_read_raises(decode: Any, payload: bytes) -> None:
    """What the error is does not matter: the message is quarantined."""
    with pytest.raises((ValueError, msgspec.DecodeError)):
        decoder(decode)(payload, True)


def test_only_the_users_own_function_is_watched() -> None:
    """`watch` gets it under the name of the field, and what it gives back is called instead."""
    watched: list[str] = []

    def watch(field: str, function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        watched.append(field)
        return lambda payload: [function(payload)]

    assert decoder(json.loads, watch)(b"7", True) == [7]
    for decode in (None, str, bytes, dict, Any, Tick, Named):
        decoder(decode, watch)
    assert watched == ["decode"]


NOT_THERE: Any = "NotThere"
Unresolved = msgspec.defstruct("Unresolved", [("other", NOT_THERE)])


@pytest.mark.parametrize("decode", [42, "Trade", Ellipsis, Unresolved, Union[Trade, Tick], [Trade]])
def test_what_cannot_decode(decode: Any) -> None:
    """Refused with the reason msgspec has, whatever kind of error it is."""
    with pytest.raises(FeedError, match=r"^decode=.*: msgspec cannot decode to it: .") as caught:
        check_decode(decode)
    assert caught.value.value is decode
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize("decode", [Own, json.JSONDecoder, Optional[Own]])
def test_a_class_that_msgspec_does_not_know(decode: Any) -> None:
    """msgspec takes it, and would then refuse every message; said at once instead, with the way out."""
    with pytest.raises(FeedError, match=r"^decode=.*: msgspec cannot decode to it; give a function: payload -> message$"):
        check_decode(decode)


# ---------------------------------------------------------------- paths and types

MIXED: Any = Union[Trade, Quote]


@pytest.mark.parametrize(
    ("decode", "path", "payload", "expected"),
    [
        (dict, "symbol", OBJECT, "ABC"),
        (dict, "data.0.s", b'{"data": [{"s": 1}]}', 1),
        (Any, "symbol", OBJECT, "ABC"),
        (object, "symbol", OBJECT, "ABC"),
        (dict[str, Any], "symbol", OBJECT, "ABC"),
        (typing.Dict[str, Any], "symbol", OBJECT, "ABC"),  # noqa: UP006
        (Mapping[str, Any], "symbol", OBJECT, "ABC"),
        (list, "0", b"[5]", 5),
        (list[Trade], "0.symbol", b'[{"type": "Trade", "symbol": "ABC"}]', "ABC"),
        (tuple[int, str], "1", b'[1, "ABC"]', "ABC"),
        (Tick, "symbol", OBJECT, "ABC"),
        (Point, "symbol", b'["ABC", 7]', "ABC"),
        (Full, "seq", OBJECT, 7),
        (Row, "symbol", b'["ABC"]', "ABC"),
        (Renamed, "symbol", b'{"s": "ABC"}', "ABC"),
        (Named, "ticker", b'{"type": "Quote", "ticker": "X"}', "X"),
        (Wrapped[Body], "data.s", b'{"symbol": "A", "data": {"s": "ABC"}}', "ABC"),
        (Wrapped[dict[str, str]], "data.s", b'{"symbol": "A", "data": {"s": "ABC"}}', "ABC"),
        (Wrapped, "data.s", b'{"symbol": "A", "data": {"s": "ABC"}}', "ABC"),
        (Optional[Tick], "symbol", OBJECT, "ABC"),
        (Annotated[Tick, msgspec.Meta(title="x")], "symbol", OBJECT, "ABC"),
        (MIXED, "symbol", b'{"type": "Trade", "symbol": "ABC"}', "ABC"),
        (MIXED, "ticker", b'{"type": "Quote", "ticker": "ABC"}', "ABC"),
        (MIXED, "data.s", b'{"type": "Trade", "symbol": "A", "data": {"s": "ABC"}}', "ABC"),
        (MIXED, "data.extra.x.y", b'{"type": "Trade", "symbol": "A", "data": {"s": "", "extra": {"x": {"y": 1}}}}', 1),
        (MIXED, "more.items", b'{"type": "Trade", "symbol": "A", "more": {"items": 1}}', 1),
        (MIXED, "levels.0.1", b'{"type": "Trade", "symbol": "A", "levels": [[1, 2]]}', 2.0),
        (MIXED, "pair", b'{"type": "Trade", "symbol": "A"}', "AA"),
        (dict[str, Body], "ABC.s", b'{"ABC": {"s": "x"}}', "x"),
        (json.loads, "symbol", OBJECT, "ABC"),
        (lambda text: Tick(**json.loads(text)), "symbol", OBJECT, "ABC"),
        (lambda text: Wrapped("A", json.loads(text)), "data.symbol", OBJECT, "ABC"),
    ],
)
def test_a_path_that_a_message_can_have(decode: Any, path: str, payload: bytes, expected: Any) -> None:
    """It is accepted, and found: in mappings, lists, objects of every kind, and any of them in another."""
    check_decode(decode)
    check_path("key", path, decode)
    assert field_getter(path, decode)(decoder(decode)(payload, True)) == expected


@pytest.mark.skipif(sys.version_info < (3, 10), reason="X | Y is newer")
def test_a_union_written_with_a_bar() -> None:
    """The same as `Union`."""
    bar: Any = operator.or_(Trade, Quote)
    check_decode(bar)
    check_path("key", "ticker", bar)
    assert field_getter("ticker", bar)(Quote("ABC")) == "ABC"
    with pytest.raises(FeedError, match="they have: data, levels, more, seq, symbol, ticker"):
        check_path("key", "sym", bar)


TRADE = "data, levels, more, seq, symbol"


@pytest.mark.parametrize(
    ("decode", "path", "why"),
    [
        (Trade, "Symbol", f"no message of decode=Trade has the field 'Symbol'; they have: {TRADE}"),
        (MIXED, "sym", "has the field 'sym'; they have: data, levels, more, seq, symbol, ticker"),
        (Optional[Tick], "sym", "has the field 'sym'; they have: seq, symbol"),
        (Tick, "sym", "no message of decode=Tick has the field 'sym'; they have: seq, symbol"),
        (Full, "sym", "no message of decode=Full has the field 'sym'; they have: seq, symbol"),
        (Full, "items", "no message of decode=Full has the field 'items'; they have: seq, symbol"),
        (Point, "sym", "no message of decode=Point has the field 'sym'; they have: seq, symbol"),
        (Renamed, "s", "no message of decode=Renamed has the field 's'; they have: symbol"),
        (Wrapped[int], "sym", "has the field 'sym'; they have: data, symbol"),
        (Named, "symbol", "has the field 'symbol'; they have: ticker"),
        (Annotated[Tick, msgspec.Meta(title="x")], "sym", "has the field 'sym'; they have: seq, symbol"),
        (Trade, "method", "no message of decode=Trade has the field 'method'"),
        (Trade, "data.symbol", "no message of decode=Trade has the field 'data.symbol'; 'data' has: extra, s"),
        (Trade, "symbol.x", "no message of decode=Trade has the field 'symbol.x'; 'symbol' has no fields"),
        (Trade, "levels.first", "no message of decode=Trade has the field 'levels.first'; 'levels' has no fields"),
        (Trade, "levels.0.0.x", "has the field 'levels.0.0.x'; 'levels.0.0' has no fields"),
        (int, "symbol", "no message of decode=int has the field 'symbol'; they have no fields"),
        (list[Trade], "symbol", "has the field 'symbol'; they have no fields"),
        (msgspec.Raw, "symbol", "no message of decode=Raw has the field 'symbol'; they have no fields"),
        (str, "symbol", "a message of decode=str has no fields; give a callable"),
        (bytes, "symbol", "a message of decode=bytes has no fields; give a callable"),
        (None, "symbol", "a message of decode=None has no fields; give a callable"),
    ],
)
def test_a_path_that_no_message_can_have(decode: Any, path: str, why: str) -> None:
    """Refused, with what there is instead."""
    with pytest.raises(FeedError) as caught:
        check_path("key", path, decode)
    assert str(caught.value).startswith(f"key={path!r}: ")
    assert why in str(caught.value)
    assert caught.value.field == "key"


BAD_PATHS: list[Any] = ["", ".", "a.", ".a", "a..b", 5, b"symbol", ["symbol"], ("a", "b")]


@pytest.mark.parametrize("decode", [dict, Trade, bytes, json.loads])
@pytest.mark.parametrize("path", BAD_PATHS)
def test_what_is_no_path(decode: Any, path: Any) -> None:
    """Whatever the messages are, it cannot say where something stands."""
    with pytest.raises(FeedError, match=r"^counter=.*expected a field name, a dotted path such as 'data\.s', or a callable"):
        check_path("counter", path, decode)


@pytest.mark.parametrize("decode", [dict, Trade, bytes, str, None, int, json.loads])
def test_no_path_and_a_callable_fit_every_message(decode: Any) -> None:
    """Nothing can be said of them beforehand."""
    check_path("key", None, decode)
    check_path("key", len, decode)
    assert field_getter(len, decode) is len


def test_of_plain_json_nothing_is_known_beforehand() -> None:
    """A path that is not there shows at the first message."""
    for decode in (dict, Any, dict[str, Any], json.loads):
        check_path("key", "nothing.like.it", decode)
        with pytest.raises(MISSING):
            field_getter("nothing.like.it", decode)({"symbol": "ABC"})


@given(path=st.text(max_size=12), decode=st.sampled_from([dict, Trade, MIXED, Full, list[Trade], int, json.loads, bytes]))
def test_any_text_is_a_path_or_a_feed_error(path: str, decode: Any) -> None:
    """Nothing else comes out of the check; what it accepts a getter can be made of."""
    try:
        check_path("key", path, decode)
    except FeedError:
        return
    assert callable(field_getter(path, decode))


# ---------------------------------------------------------------- encoding


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ("ping", "ping"),
        (b"\x00", b"\x00"),
        (bytearray(b"\x00"), b"\x00"),
        (memoryview(b"\x00"), b"\x00"),
        ({"op": "subscribe", "args": ["a"]}, '{"op":"subscribe","args":["a"]}'),
        ([1, None, "é"], '[1,null,"é"]'),
        (Quote("X"), '{"type":"Quote","ticker":"X"}'),
        (Tick("A", 1), '{"symbol":"A","seq":1}'),
        (7, "7"),
        (None, "null"),
    ],
)
def test_what_goes_into_a_frame(payload: Any, expected: Union[str, bytes]) -> None:
    """Text stays text, bytes stay bytes, all else becomes JSON."""
    found = encode("subscribe", payload)
    assert (found, type(found)) == (expected, type(expected))


ENDLESS: list[Any] = []
ENDLESS.append(ENDLESS)


@pytest.mark.parametrize(
    "payload", [Own(), {"key": "s3cr3t", "bad": Own()}, {("s3cr3t",): 1}, ENDLESS, "\ud800", {"a": "\ud800"}]
)
def test_what_cannot_go_into_a_frame(payload: Any) -> None:
    """The error names the field and the type, and shows nothing of the payload: it may hold a signature."""
    with pytest.raises(FeedError, match="cannot be ") as caught:
        encode("subscribe", payload)
    assert str(caught.value).startswith(f"subscribe={type(payload).__name__!r}: cannot be ")
    assert "s3cr3t" not in str(caught.value)
    assert caught.value.__cause__ is not None


# ---------------------------------------------------------------- names for errors


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({"b": 1, "a": 2, 3: 4}, ["3", "a", "b"]),
        ({}, []),
        (Body("x"), ["extra", "s"]),
        (Tick("x"), ["seq", "symbol"]),
        (Point("x", 1), ["seq", "symbol"]),
        ([1], ["list"]),
        ("text", ["str"]),
        (None, ["NoneType"]),
        (Own(), ["Own"]),
    ],
)
def test_the_fields_a_message_has(message: Any, expected: list[str]) -> None:
    """Sorted names; the type where there are none."""
    assert fields_of(message) == expected
