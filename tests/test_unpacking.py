"""`unpacking.py`: what a feed says of its frames, what contradicts itself, and what the engine is told."""

from __future__ import annotations

import gzip
from typing import Any, Union

import msgspec
import pytest

from syncstream.core.parts import Part, Parts, Unreadable
from syncstream.core.rules import Rules
from syncstream.core.sequence import Contiguous
from syncstream.errors import FeedError
from syncstream.feed import Feed

URL = "wss://stream.broker.example/v1"


class Trade(msgspec.Struct, tag="t"):
    s: str
    i: int = 0


class Quote(msgspec.Struct, tag="q"):
    s: str
    bid: float = 0.0


class Batch(msgspec.Struct, tag="batch"):
    data: list[Trade]
    kind: str = ""


class Hello(msgspec.Struct, tag="hello"):
    data: str = ""


def unpack(feed: Feed, payload: bytes) -> list[Any]:
    """What is in this text frame."""
    rules: Rules = feed.rules()
    parts = Parts(rules.decode, split=rules.split, path=rules.split_path)
    return [entry for entries in parts.entries([(1, payload)]) for _, entry in entries]


@pytest.mark.parametrize("name", ["gzip", "zlib", "deflate"])
def test_a_transform_by_name_is_bounded_by_the_message_size(name: str) -> None:
    """It is told the limit of this feed."""
    transform = Feed(URL, transform=name, max_message_size=10).rules().transform
    assert transform is not None
    with pytest.raises(ValueError, match=name):
        transform(b"?" * 30)
    if name == "gzip":
        assert transform(gzip.compress(b"x" * 10)) == b"x" * 10
        with pytest.raises(ValueError, match="more than 10 bytes"):
            transform(gzip.compress(b"x" * 11))


def test_the_users_own_functions_are_watched() -> None:
    """Both run on the reader."""
    watched: list[str] = []

    def watch(field: str, function: Any) -> Any:
        watched.append(field)
        return function

    Feed(URL, transform=gzip.decompress, split=list).rules(watch)
    assert watched == ["transform", "split"]
    Feed(URL, transform="gzip", split="data").rules(watch)
    Feed(URL).rules(watch)
    assert watched == ["transform", "split"]


@pytest.mark.parametrize(
    ("fields", "payload", "messages"),
    [
        ({"split": True}, b'[{"s":"A"},{"s":"B"}]', [{"s": "A"}, {"s": "B"}]),
        ({"split": True}, b'{"s":"A"}', [{"s": "A"}]),
        ({"split": "data"}, b'{"data":[1,2]}', [1, 2]),
        ({"split": "a.0.data"}, b'{"a":[{"data":[1,2]}]}', [1, 2]),
        ({"split": "data"}, b'{"data":"no"}', [{"data": "no"}]),
        ({"split": "data"}, b'{"event":"subscribed"}', [{"event": "subscribed"}]),
        ({"split": "data"}, b"[1]", [[1]]),
        ({"split": lambda frame: frame.get("x")}, b'{"x":[3]}', [3]),
        ({"split": lambda frame: frame.get("x")}, b'{"y":[3]}', [{"y": [3]}]),
        ({"split": "data", "decode": Union[Batch, Hello]}, b'{"type":"batch","data":[{"type":"t","s":"A"}]}', [Trade("A")]),
        ({"split": "data", "decode": Union[Batch, Hello]}, b'{"type":"hello","data":"x"}', [Hello("x")]),
        ({"split": True, "decode": list[Union[Trade, Quote]]}, b'[{"type":"q","s":"A"}]', [Quote("A")]),
        ({"split": True, "decode": lambda text: text.split(",")}, b"a,b", ["a", "b"]),
        ({"split": lambda frame: frame.split(), "decode": str}, b"a b", ["a", "b"]),
    ],
)
def test_what_is_in_a_frame(fields: dict[str, Any], payload: bytes, messages: list[Any]) -> None:
    """Its messages where the feed says they stand; a frame that has no array there is one."""
    parts = unpack(Feed(URL, **fields), payload)
    assert [part.message for part in parts] == messages


@pytest.mark.parametrize(
    ("split", "decode", "payload"),
    [
        (True, list[Trade], b'[{"type":"t","s":"A"},{"type":"t"}]'),
        ("data", Batch, b'{"type":"batch","data":[{"type":"t","s":"A"},{"type":"t"}]}'),
    ],
)
def test_a_part_that_does_not_fit_its_type_is_set_aside_alone(split: Any, decode: Any, payload: bytes) -> None:
    """Where the feed says the place by its name."""
    good, bad = unpack(Feed(URL, split=split, decode=decode), payload)
    assert (good.message, bad.raw) == (Trade("A"), b'{"type":"t"}')
    assert isinstance(good, Part)
    assert isinstance(bad, Unreadable)


@pytest.mark.parametrize(
    "fields",
    [
        {"split": True, "decode": list[Union[Trade, Quote]], "key": "s"},
        {"split": True, "decode": Union[list[Trade], Hello], "key": "s", "sequence": Contiguous("i")},
        {"split": True, "decode": tuple[Trade, ...], "key": "s"},
        {"split": True, "decode": tuple[Trade, Hello], "key": "s"},
        {"split": "data", "decode": Union[Batch, Hello], "key": "s", "timestamp": "i"},
        {"split": "data", "decode": dict[str, list[Trade]], "key": "s"},
        {"split": "data", "decode": dict, "key": "anything.at.all"},
        {"split": lambda frame: frame.data, "decode": Batch, "key": "s"},
        {"split": "data", "decode": lambda text: text, "key": "s"},
    ],
)
def test_paths_are_looked_up_in_the_parts(fields: dict[str, Any]) -> None:
    """Not in the frame, but that may be a message, too."""
    getter = Feed(URL, **fields).rules().key
    assert getter is not None
    if fields["key"] == "s":
        assert getter(Trade("A")) == "A"


@pytest.mark.parametrize(
    ("fields", "field", "why"),
    [
        ({"transform": "brotli"}, "transform", "expected 'gzip', 'zlib', 'deflate', or a callable"),
        ({"transform": 9}, "transform", "expected 'gzip'"),
        ({"split": False}, "split", "expected True, a path such as 'data'"),
        ({"split": 3}, "split", "expected True, a path such as 'data'"),
        ({"split": "a..b"}, "split", "expected a field name, a dotted path"),
        ({"split": True, "decode": str}, "split", "a frame of decode=str is no array; give a callable"),
        ({"split": "data", "decode": None}, "split", "a frame of decode=None is no array; give a callable"),
        ({"split": True, "decode": Trade}, "split", "a frame is never an array where decode=Trade"),
        ({"split": "kind", "decode": Batch}, "split", "what stands at 'kind' is never an array where decode=Batch"),
        (
            {"split": "nothing", "decode": Batch},
            "split",
            "no message of decode=Batch has the field 'nothing'; they have: data, kind",
        ),
        ({"split": True, "decode": list[Trade], "key": "x"}, "key", "has the field 'x'; they have: i, s"),
        ({"split": "data", "decode": Batch, "key": "x"}, "key", "has the field 'x'; they have: data, i, kind, s"),
    ],
)
def test_what_contradicts_itself(fields: dict[str, Any], field: str, why: str) -> None:
    """By the field, and with the reason."""
    with pytest.raises(FeedError) as caught:
        Feed(URL, **fields)
    assert str(caught.value).startswith(f"{field}=")
    assert why in str(caught.value)
