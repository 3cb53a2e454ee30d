"""Where a value stands in a message: names, dotted paths, numbers and callables, in mappings and in objects."""

from __future__ import annotations

import collections
from typing import Any, Optional

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncstream.core.paths import MISSING, getter


class Level(msgspec.Struct):
    price: str = "1.5"


class Body(msgspec.Struct):
    s: str = "ABC"
    bids: Any = ()


class Message(msgspec.Struct):
    data: Any


Pair = collections.namedtuple("Pair", ["price", "size"])


@pytest.mark.parametrize(
    ("path", "message", "expected"),
    [
        ("symbol", {"symbol": "ABC"}, "ABC"),
        ("data.s", {"data": {"s": "ABC"}}, "ABC"),
        ("a.b.c.d", {"a": {"b": {"c": {"d": 0}}}}, 0),
        ("symbol", {"symbol": None}, None),
        ("0", [5, 6], 5),
        ("-1", [5, 6], 6),
        ("-1", (5, 6), 6),
        ("data.1.0", {"data": [[1], [2]]}, 2),
        ("0", {"0": "a field with a number for a name"}, "a field with a number for a name"),
        ("-", {"-": 1}, 1),
        ("--1", {"--1": 1}, 1),
        ("²", {"²": 1}, 1),
        ("items", {"items": 1}, 1),
    ],
)
def test_a_path_in_mappings_and_lists(path: str, message: Any, expected: Any) -> None:
    """A name is looked up; a number also indexes a list, from the end if it is negative."""
    assert getter(path)(message) == expected
    assert getter(path, attributes=None)(message) == expected


@pytest.mark.parametrize(
    ("path", "message", "expected"),
    [
        ("data", Message(1), 1),
        ("data.s", Message(Body()), "ABC"),
        ("data.s", Message({"s": "ABC"}), "ABC"),
        ("data.items", Message({"items": 7}), 7),
        ("data.count", Message({"count": 7}), 7),
        ("data.index", Message([1, Body()]), None),
        ("data.0.price", Message([Level()]), "1.5"),
        ("data.bids.0.price", Message(Body(bids=(Level(),))), "1.5"),
        ("data.bids.-1", Message(Body(bids=[1, 2])), 2),
        ("data.size", Message(Pair(1, 2)), 2),
        ("data.1", Message(Pair(1, 2)), 2),
        ("data.0", Message({"0": 3}), 3),
        ("data.1.s", Message([0, {"s": 4}]), 4),
    ],
)
def test_a_path_in_objects(path: str, message: Any, expected: Any) -> None:
    """The message is an object; what it holds may be objects, mappings and lists. A mapping's own methods are no fields."""
    for find in (getter(path, attributes=True), getter(path, attributes=None)):
        if expected is None:
            with pytest.raises(MISSING):
                find(message)
        else:
            assert find(message) == expected


def test_a_callable_is_its_own_getter() -> None:
    """It is called as it is, whatever the messages are."""
    assert getter(len) is len
    assert getter(len, attributes=True) is len


@pytest.mark.parametrize(
    "message",
    [{}, [], (), "text", b"bytes", 7, None, {"a": None}, {"a": {}}, {"a": []}, {"a": "b"}, {"a": 1}, Body(), Message(None)],
)
@pytest.mark.parametrize("attributes", [False, True, None])
@pytest.mark.parametrize("path", ["nothing", "a.b", "a.0", "3", "a.-9.x"])
def test_a_place_that_is_not_there(path: str, attributes: Optional[bool], message: Any) -> None:
    """One of `MISSING`, and nothing else, whatever the message is."""
    with pytest.raises(MISSING):
        getter(path, attributes=attributes)(message)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "0", "-1", "items"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(message=JSON, path=st.lists(st.sampled_from(["a", "b", "0", "-1", "1", "items"]), min_size=1, max_size=3))
def test_what_a_path_means(message: Any, path: list[str]) -> None:
    """Going step by step by hand finds the same, for messages and for objects that hold them."""
    expected: Any = message
    found = True
    for name in path:
        if isinstance(expected, dict) and name in expected:
            expected = expected[name]
        elif isinstance(expected, list) and name.lstrip("-").isdigit() and -len(expected) <= int(name) < len(expected):
            expected = expected[int(name)]
        else:
            found = False
            break
    unknown = getter(".".join(path), attributes=None)
    plain, held = getter(".".join(path)), getter(".".join(["data", *path]), attributes=True)
    if found:
        assert plain(message) == unknown(message) == expected
        assert held(Message(message)) == expected
    else:
        for find, where in ((plain, message), (unknown, message), (held, Message(message))):
            with pytest.raises(MISSING):
                find(where)


@given(path=st.text(min_size=1).filter(lambda text: all(text.split("."))), attributes=st.sampled_from([False, True, None]))
def test_any_text_is_a_path(path: str, attributes: Optional[bool]) -> None:
    """Making a getter never fails; a strange name is simply not there."""
    find = getter(path, attributes=attributes)
    with pytest.raises(MISSING):
        find({} if not attributes else Message(None))  # an empty one of either kind


class Holder:
    def __init__(self, held: Any) -> None:
        self.held = held


def test_a_name_that_is_also_a_method_is_a_key() -> None:
    """However deep it stands, and though the names before it are none; in a list there is nothing of that name."""
    assert getter("held.held.items", attributes=True)(Holder(Holder({"items": 5}))) == 5
    with pytest.raises(MISSING):
        getter("held.append", attributes=True)(Holder([]))
