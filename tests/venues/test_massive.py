"""`venues.massive`: its documentation, spoken on a real socket. No session was recorded."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, Sequence

import pytest

from syncstream import ConnectFailed, FeedError, Kind, Stream
from syncstream.venues import massive

from .spoken import spoken, taken

HELLO = '[{"ev":"status","status":"connected","message":"Connected Successfully"}]'
TRADE = {"ev": "T", "sym": "MSFT", "x": 4, "i": "12345", "z": 3, "p": 114.125, "s": 100, "c": [0, 12], "t": 1536036818784, "q": 7}


def answer(text: str) -> Sequence[str]:
    said = json.loads(text)
    if said["action"] == "auth":
        good = said["params"] == "the-key"
        return [json.dumps([{"ev": "status", "status": "auth_success" if good else "auth_failed", "message": "so it is"}])]
    channels = said["params"].split(",")
    acks = [{"ev": "status", "status": "success", "message": f"subscribed to: {channel}"} for channel in channels]
    return [json.dumps(acks), json.dumps([TRADE, {**TRADE, "q": 9}]), json.dumps([TRADE])]


def test_the_whole_dialogue() -> None:
    """One is let in, subscribes, and gets each message of an array once."""
    with spoken([HELLO], answer) as venue, Stream(massive.trades(["MSFT"], key="the-key", url=venue.url)) as stream:
        first, second = taken(stream, 2)
        assert stream.wait_live(timeout=10) == []
        assert stream.get_many(timeout=0.1) == []
        assert venue.heard[1] == '{"action":"subscribe","params":"T.MSFT"}'
    assert first == massive.Trade("MSFT", Decimal("114.125"), Decimal(100), 1536036818784, 7, "12345", 4, 3, [0, 12])
    assert second.number == 9


def test_a_wrong_key_is_final() -> None:
    """The venue says so."""
    with spoken([HELLO], answer) as venue:
        feed = massive.trades(["MSFT"], key="wrong-key", url=venue.url)
        with pytest.raises(ConnectFailed, match="auth_failed"), Stream(feed) as stream:
            stream.get(timeout=10)


@pytest.mark.parametrize(
    ("status", "message", "kind", "symbols"),
    [
        ("success", "subscribed to: Q.A", Kind.ACK, ["A"]),
        ("success", "subscribed to: Q.A,Q.B", Kind.ACK, ["A", "B"]),
        ("success", "unsubscribed to: Q.A", Kind.IGNORE, []),
        ("error", "not authorized", Kind.ERROR, []),
        ("max_connections", "Maximum number of connections exceeded.", Kind.ERROR, []),
        ("connected", "Connected Successfully", Kind.IGNORE, []),
    ],
)
def test_kinds(status: str, message: str, kind: Kind, symbols: list[str]) -> None:
    """What is no data, and which tickers an answer is about."""
    rules = massive.quotes(["A"], key="k").rules()
    (found,) = rules.decode(json.dumps([{"ev": "status", "status": status, "message": message}]).encode(), True)
    assert rules.classify is not None
    assert (rules.classify(found), found.symbols) == (kind, symbols)


def test_quotes() -> None:
    """As the documentation writes them; a side that is empty is left out there."""
    rules = massive.quotes(["MSFT"], key="k").rules()
    text = b'[{"ev":"Q","sym":"MSFT","bx":4,"bp":114.125,"bs":100,"c":0,"i":[604],"t":1536036818784,"q":50385480,"z":3}]'
    (quote,) = rules.decode(text, True)
    assert (quote.bid, quote.bid_size, quote.ask, quote.number) == (Decimal("114.125"), 100, 0, 50385480)


@pytest.mark.parametrize("wrong", ["AAPL", [], ["T.*"]])
def test_symbols_that_cannot_be(wrong: Any) -> None:
    """One text, none, and all of them, for which one could not tell what is missing."""
    with pytest.raises(FeedError, match="symbols"):
        massive.trades(wrong, key="k")
