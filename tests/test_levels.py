"""Where levels stand in a message: paths, callables, columns, and what is refused."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from syncstream import Contiguous, Feed, FeedError, Kind, Levels, Rest
from syncstream.levels import Reading

URL = "wss://venue.example/"
REST = Rest("https://venue.example/{key}", position="lastUpdateId")


class Row(msgspec.Struct, array_like=True):
    price: str
    size: str


class Depth(msgspec.Struct):
    s: str
    u: int
    b: list[Row]


def feed(book: Any, **settings: Any) -> Feed:
    return Feed(URL, **{"key": "s", "sequence": Contiguous("u"), "snapshot": REST, "book": book, **settings})


def reading(**settings: Any) -> Reading:
    found = feed(Levels(**settings)).book_reading()
    assert found is not None
    return found


def rows(changes: Any) -> Any:
    """Both sides as lists of price and size."""
    return None if changes is None else tuple([tuple(row[:2]) for row in side] for side in changes)


def test_paths_say_where_the_sides_are() -> None:
    """A message and a snapshot each have their own places; without them the snapshot's are the message's."""
    read = reading(bids="data.b", asks="data.a", snapshot_bids="bids")
    message = {"data": {"b": [["1", "2", "x"]], "a": [["3", "4"]]}}
    assert rows(read.message(message, 5)) == ([("1", "2")], [("3", "4")])
    assert rows(read.snapshot({"bids": [["7", "8"]], "data": {"a": []}})) == ([("7", "8")], [])


def test_a_place_that_is_missing_is_an_error() -> None:
    """A path that is wrong must not look like a book that does not change."""
    with pytest.raises(KeyError):
        reading(bids="b", asks="a").message({"b": []}, None)


def test_callables_may_say_that_there_is_nothing() -> None:
    """`None` on one side is no rows; on both the message is none of the book's."""
    read = reading(bids=lambda message: message.get("b"), asks=lambda message: message.get("a"))
    assert rows(read.message({"a": [["1", "2"]]}, None)) == ([], [("1", "2")])
    assert read.message({"trade": 1}, None) is None


def test_columns_by_number_and_by_name() -> None:
    """Rows may be lists in any order, or have names."""
    assert rows(reading(bids="b", asks="a", price=1, size=0).message({"b": [["2", "1"]], "a": []}, None)) == ([("1", "2")], [])
    named = reading(bids="b", asks="a", price="p", size="q")
    assert rows(named.message({"b": [{"p": 1, "q": 2, "r": 3}], "a": []}, None)) == ([(1, 2)], [])


def test_rows_with_a_number_are_left_out_when_they_are_old() -> None:
    """What a message repeats of before the book's position is not applied again; without a position all is new."""
    read = reading(bids="b", asks="a", number=2)
    message = {"b": [["1", "5", "10"], ["1", "6", "12"]], "a": [["2", "1", 11]]}
    assert rows(read.message(message, 11)) == ([("1", "6")], [])
    assert rows(read.message(message, None)) == ([("1", "5"), ("1", "6")], [("2", "1")])
    assert rows(read.snapshot(message)) == ([("1", "5"), ("1", "6")], [("2", "1")])


def test_callables_are_watched() -> None:
    """The user's own run on the reader; who is slow there is named."""
    named = []

    def watch(field: str, function: Any) -> Any:
        named.append(field)
        return function

    levels = Levels(bids=len, asks="a", snapshot_asks=len, checksum=len, expected=len)
    levels.reading(decode=dict, snapshot_decode=dict, watch=watch)
    assert named == ["book"] * 4


def test_typed_messages_are_checked_when_the_feed_is_made() -> None:
    """A field that no message has is refused by name, of messages and of snapshots."""
    with pytest.raises(FeedError, match=r"book asks='a': .* has the field 'a'; they have: b, s, u"):
        feed(Levels(bids="b", asks="a"), decode=Depth)
    typed = Rest("https://venue.example/{key}", position="u", decode=Depth)
    with pytest.raises(FeedError, match="book snapshot_bids='bids'"):
        feed(Levels(bids="b", asks="b", snapshot_bids="bids"), decode=Depth, snapshot=typed)
    read = feed(Levels(bids="b", asks="b", snapshot_bids="x", snapshot_asks="y"), decode=Depth).book_reading()
    assert read is not None
    changes = read.message(Depth("s", 1, []), None)
    assert rows(changes) == ([], [])
    assert rows(read.snapshot({"x": [(1, 2)], "y": []})) == ([(1, 2)], [])


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"price": True}, "price=True"),
        ({"size": 1.5}, "size=1.5"),
        ({"number": b"x"}, "number="),
        ({"depth": 0}, "depth=0"),
        ({"checksum": 5, "expected": "c"}, "checksum=5"),
        ({"checksum": len}, "give expected"),
        ({"expected": "c"}, "give checksum"),
    ],
)
def test_what_cannot_work_is_refused(wrong: dict[str, Any], says: str) -> None:
    """With the field and the value."""
    with pytest.raises(FeedError, match=says):
        Levels(bids="b", asks="a", **wrong)


def test_a_book_needs_a_beginning() -> None:
    """Without any snapshot it would never be there; a feed whose messages are whole needs none."""
    with pytest.raises(FeedError, match="a book begins with a snapshot"):
        feed(Levels(bids="b", asks="a"), snapshot=None)
    assert feed(Levels(bids="b", asks="a"), snapshot=None, classify=lambda message: Kind.SNAPSHOT).book
    assert feed(Levels(bids="b", asks="a", whole=True), snapshot=None).book


def test_a_feed_takes_levels_or_nothing() -> None:
    """Anything else is refused; without it there is nothing to read."""
    with pytest.raises(FeedError, match=r"expected Levels"):
        feed({"bids": "b"})
    assert feed(None).book_reading() is None
