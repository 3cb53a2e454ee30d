"""`venues.hyperliquid`: its documentation, spoken on a real socket. No session was recorded."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, Sequence

import pytest

from syncstream import FeedError, Gap, Keepalive, Kind, Stream
from syncstream.venues import hyperliquid

from . import run
from .spoken import spoken, taken

BOOK = {
    "channel": "l2Book",
    "data": {
        "coin": "BTC",
        "time": 1754450974231,
        "levels": [[{"px": "113377.0", "sz": "7.6699", "n": 17}], [{"px": "113397.0", "sz": "0.11543", "n": 3}]],
    },
}
TRADES = {
    "channel": "trades",
    "data": [
        {"coin": "BTC", "side": "A", "px": "113377.0", "sz": "0.5", "time": 5, "hash": "0x0", "tid": 7, "users": ["a", "b"]}
    ],
}
BEST = {"channel": "bbo", "data": {"coin": "BTC", "time": 5, "bbo": [{"px": "1.0", "sz": "2", "n": 1}, None]}}
FRAMES = {"l2Book": BOOK, "trades": TRADES, "bbo": BEST}


def answer(text: str) -> Sequence[str]:
    said = json.loads(text)
    if said["method"] == "ping":
        return ['{"channel":"pong"}']
    ack = {"channel": "subscriptionResponse", "data": {"method": said["method"], "subscription": said["subscription"]}}
    return [json.dumps(ack), json.dumps(FRAMES[said["subscription"]["type"]])]


def test_books() -> None:
    """Each message is all of one, and a cut is told."""
    with spoken(answer=answer) as venue, Stream(hyperliquid.depth(["BTC"], url=venue.url, backoff=run.AGAIN)) as stream:
        (message,) = taken(stream, 1)
        assert stream.wait_live(timeout=10) == []
        top = stream.books["BTC"].best()
        assert (top.bid, top.ask) == ((Decimal("113377.0"), Decimal("7.6699")), (Decimal("113397.0"), Decimal("0.11543")))
        venue.cut()
        gap, again = taken(stream, 2)
    assert message == again
    assert message.data.levels[0] == [hyperliquid.Level("113377.0", "7.6699", 17)]
    assert isinstance(gap, Gap)
    assert gap.reason == "reconnect"


def test_trades_and_best_prices() -> None:
    """As the documentation writes them."""
    with spoken(answer=answer) as venue:
        with Stream(hyperliquid.trades(["BTC"], url=venue.url)) as stream:
            (trades,) = taken(stream, 1)
        with Stream(hyperliquid.ticker(["BTC"], url=venue.url)) as stream:
            (best,) = taken(stream, 1)
    assert trades.data == [hyperliquid.Trade("BTC", "A", "113377.0", "0.5", 5, 7)]
    assert best.data == hyperliquid.Ticker("BTC", (hyperliquid.Level("1.0", "2", 1), None), 5)


def test_the_keepalive_is_answered() -> None:
    """By a pong, which is no message."""
    feed = hyperliquid.depth(["BTC"])
    assert feed.keepalive is not None
    quick = Keepalive(every=0.05, send=feed.keepalive.send, expect=feed.keepalive.expect)
    with spoken(answer=answer) as venue, Stream(hyperliquid.depth(["BTC"], url=venue.url, keepalive=quick)) as stream:
        taken(stream, 1)
        while venue.heard.count('{"method":"ping"}') < 3:
            assert stream.get_many(timeout=0.02) == []
        assert (stream.status.quarantined, stream.status.reconnects) == (0, 0)


def test_kinds() -> None:
    """What is no data."""
    rules = hyperliquid.depth(["BTC"]).rules()
    assert rules.classify is not None
    left = '{"channel":"subscriptionResponse","data":{"method":"unsubscribe","subscription":{"type":"l2Book","coin":"BTC"}}}'
    for text, kind in (
        (left, Kind.IGNORE),
        (left.replace("unsubscribe", "subscribe"), Kind.ACK),
        ('{"channel":"error","data":"Invalid subscription"}', Kind.ERROR),
        ('{"channel":"pong"}', Kind.PONG),
        (json.dumps(BOOK), None),
    ):
        assert rules.classify(rules.decode(text.encode(), True)) is kind


def test_what_an_answer_is_about() -> None:
    """The coin that it repeats, an error in its text; other errors name none."""
    rules = hyperliquid.depth(["BTC", "NOPE"]).rules()
    assert rules.ack_topics is not None
    asked = {"type": "l2Book", "coin": "BTC"}
    answer = {"channel": "subscriptionResponse", "data": {"method": "subscribe", "subscription": asked}}
    error = {"channel": "error", "data": f"Invalid subscription {json.dumps({**asked, 'coin': 'NOPE'})}"}
    other = {"channel": "error", "data": "Cannot track more than 10 total users."}
    about = [rules.ack_topics(rules.decode(json.dumps(text).encode(), True)) for text in (answer, error, other)]
    assert about == [["BTC"], ["NOPE"], []]


@pytest.mark.parametrize("wrong", ["BTC", [], ["B TC"]])
def test_symbols_that_cannot_be(wrong: Any) -> None:
    """One text, none, a blank."""
    with pytest.raises(FeedError, match="symbols"):
        hyperliquid.depth(wrong)
