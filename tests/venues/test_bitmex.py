"""`venues.bitmex` along half a minute of ten recorded instruments, through a real socket; also with faults."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from syncstream import FeedError, Kind
from syncstream.venues import bitmex

from . import run
from .sessions.bitmex import follow, part, quotes, trades


def test_depth() -> None:
    """Each of 2,033 rows that are updated or deleted is there, and at the end the rows are the venue's."""
    result = follow(rate=2000.0)
    assert (result.compared, result.contradicted, result.whole) == (2033, 0, True)
    assert (result.gaps, result.quarantined) == (0, 0)


def test_depth_with_cuts() -> None:
    """Each new line begins with all rows; no change is about one that is not there, and at the end they are the venue's."""
    result = follow(rate=1000.0, cut_after=500)
    assert (result.contradicted, result.whole, result.unhealed, result.quarantined) == (0, True, 0, 0)
    assert result.compared > 1000
    assert result.gaps > 0


@pytest.mark.parametrize(("make", "table", "count"), [(trades, "trade", 17), (quotes, "quote", 93)])
def test_whole_messages(make: Any, table: str, count: int) -> None:
    """All of the session's."""
    result = run.session(make, part(table))
    assert (result.messages, result.gaps, result.quarantined) == (count, 0, 0)


def test_messages_are_typed() -> None:
    """With the digits that were sent; what is left out is `None`."""
    rules = bitmex.depth(["A"]).rules()
    text = b'{"table":"orderBookL2","action":"insert","data":[{"symbol":"A","id":5,"side":"Buy","size":7,"price":1.50}]}'
    message = rules.decode(text, True)
    assert message.data == [bitmex.Row("A", 5, "Buy", Decimal(7), Decimal("1.50"))]
    assert message.symbol == "A"
    deleted = rules.decode(text.replace(b',"size":7,"price":1.50', b""), True)
    assert deleted.data == [bitmex.Row("A", 5, "Buy")]


@pytest.mark.parametrize(
    ("message", "kind", "about"),
    [
        ({"info": "Welcome", "limit": {"remaining": 39}}, Kind.IGNORE, [""]),
        (
            {"success": True, "subscribe": "trade:A", "request": {"op": "subscribe", "args": ["trade:A", "trade:B"]}},
            Kind.ACK,
            ["A"],
        ),
        ({"error": "Unknown symbol B", "request": {"op": "subscribe", "args": ["trade:A", "trade:B"]}}, Kind.ERROR, ["B"]),
        ({"error": "Unknown or expired", "request": {"op": "subscribe", "args": ["trade:A", "trade:B"]}}, Kind.ERROR, []),
        ({"error": "Unknown or expired", "request": {"op": "subscribe", "args": ["trade:A"]}}, Kind.ERROR, ["A"]),
        ({"error": "None such", "request": {"op": "unsubscribe", "args": ["trade:A"]}}, Kind.IGNORE, ["A"]),
        ({"success": True, "unsubscribe": "trade:A"}, Kind.IGNORE, [""]),
        ({"table": "trade", "action": "partial", "filter": {"symbol": "A"}, "data": []}, None, [""]),
    ],
)
def test_kinds(message: Any, kind: Any, about: list[str]) -> None:
    """What is no data, and which symbols an answer is about."""
    rules = bitmex.trades(["A"]).rules()
    assert rules.classify is not None
    decoded = rules.decode(msgspec.json.encode(message), True)
    assert rules.classify(decoded) is kind
    assert decoded.about == about


def test_a_partial_of_a_book_is_all_of_it() -> None:
    """Also an empty one, which says whose it is by its filter."""
    rules = bitmex.depth(["A"]).rules()
    assert rules.classify is not None
    partial = rules.decode(b'{"table":"orderBookL2","action":"partial","filter":{"symbol":"A"},"data":[]}', True)
    assert (rules.classify(partial), partial.symbol) == (Kind.SNAPSHOT, "A")


@pytest.mark.parametrize("wrong", ["XBTUSD", [], ["XBT/USD"]])
def test_symbols_that_cannot_be(wrong: Any) -> None:
    """One text, none, a slash."""
    with pytest.raises(FeedError, match="symbols"):
        bitmex.depth(wrong)
