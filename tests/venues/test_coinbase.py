"""`venues.coinbase`: its documentation, spoken on a real socket. No session was recorded."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, Sequence

import msgspec
import pytest

from syncstream import Disconnected, FeedError, Kind, Refused, Snapshot, Stream, Subscribed, SubscribeFailed
from syncstream.venues import coinbase

from . import run
from .spoken import spoken, taken

BOOK = '{"type":"snapshot","product_id":"BTC-USD","bids":[["10101.10","0.45"]],"asks":[["10102.55","0.57"]]}'
CHANGE = (
    '{"type":"l2update","product_id":"BTC-USD","changes":[["buy","10101.80","0.16"],["sell","10102.55","0"]],'
    '"time":"2022-08-04T15:25:05.010758Z"}'
)
MATCH = {
    "type": "match",
    "trade_id": 10,
    "sequence": 50,
    "maker_order_id": "a",
    "taker_order_id": "b",
    "time": "2014-11-07T08:19:27.028459Z",
    "product_id": "BTC-USD",
    "size": "5.23512",
    "price": "400.23",
    "side": "sell",
}
TICKER = {"type": "ticker", "sequence": 5, "product_id": "BTC-USD", "price": "1", "best_bid": "0.9", "best_ask": "1.1"}
FRAMES = {
    "level2_batch": [BOOK, CHANGE],
    "matches": [json.dumps({**MATCH, "type": "last_match"}), json.dumps(MATCH), json.dumps({**MATCH, "trade_id": 11})],
    "ticker": [json.dumps(TICKER)],
}


def answer(text: str) -> Sequence[str]:
    said = json.loads(text)
    channels = [{"name": name, "product_ids": said["product_ids"]} for name in said["channels"]]
    beat = '{"type":"heartbeat","sequence":90,"last_trade_id":20,"product_id":"BTC-USD","time":"2014-11-07T08:19:28.464459Z"}'
    return [json.dumps({"type": "subscriptions", "channels": channels}), beat, *FRAMES[said["channels"][0]]]


def test_a_book_that_a_reconnect_heals() -> None:
    """It begins with a snapshot on each line."""
    with spoken(answer=answer) as venue, Stream(coinbase.depth(["BTC-USD"], url=venue.url, backoff=run.AGAIN)) as stream:
        snapshot, change = taken(stream, 2)
        assert stream.wait_live(timeout=10) == []
        top = stream.books["BTC-USD"].top()
        venue.cut()
        again, _ = taken(stream, 2)
        assert (stream.status.unhealed, stream.status.quarantined) == (0, 0)
        assert json.loads(venue.heard[0]) == {
            "type": "subscribe",
            "product_ids": ["BTC-USD"],
            "channels": ["level2_batch", "heartbeat"],
        }
    assert isinstance(snapshot, Snapshot)
    assert isinstance(again, Snapshot)
    assert change.changes[0] == ("buy", "10101.80", "0.16")
    assert [level.price for level in top.bids] == [Decimal("10101.80"), Decimal("10101.10")]
    assert top.asks == ()


def test_trades_come_once() -> None:
    """The last one before, and none a second time."""
    with spoken(answer=answer) as venue, Stream(coinbase.trades(["BTC-USD"], url=venue.url)) as stream:
        first, second = taken(stream, 2)
        assert stream.get_many(timeout=0.1) == []
    assert isinstance(first, coinbase.LastTrade)
    assert isinstance(second, coinbase.Trade)
    assert (first.number, second.number, second.price) == (10, 11, "400.23")


def test_ticker() -> None:
    """As the documentation writes it."""
    with spoken(answer=answer) as venue, Stream(coinbase.ticker(["BTC-USD"], url=venue.url)) as stream:
        (ticker,) = taken(stream, 1)
    assert (ticker.price, ticker.bid, ticker.ask) == ("1", "0.9", "1.1")


def test_a_refusal_is_one() -> None:
    """With its reason."""
    rules = coinbase.ticker(["BTC-USD"]).rules()
    error = rules.decode(b'{"type":"error","message":"Failed to subscribe","reason":"X-Y is not a valid product"}', True)
    assert rules.classify is not None
    assert rules.classify(error) is Kind.ERROR


@pytest.mark.parametrize("reason", ["NOPE-USD is not a valid product", "that is none"])
def test_one_of_two_that_does_not_exist(reason: str) -> None:
    """It refuses the request; where the error names it the other one is asked for again alone, else both are refused at last."""

    def choosy(text: str) -> Sequence[str]:
        if "NOPE-USD" in json.loads(text)["product_ids"]:
            return [json.dumps({"type": "error", "message": "Failed to subscribe", "reason": reason})]
        return answer(text)

    with spoken(answer=choosy) as venue:
        feed = coinbase.depth(["BTC-USD", "NOPE-USD"], url=venue.url, backoff=run.AGAIN)
        assert feed.acks is not None
        assert feed.acks.within < 5.0  # the venue's time for the first subscription
        feed = msgspec.structs.replace(feed, acks=msgspec.structs.replace(feed.acks, within=0.2))
        with Stream(feed) as stream:
            if "NOPE-USD" not in reason:
                with pytest.raises(SubscribeFailed):
                    stream.get(timeout=10)
                return
            told = []
            for item in stream.events():
                told.append(item)
                if isinstance(item, Snapshot):
                    break
    assert [item.topic for item in told if isinstance(item, Refused) and item.retry_in is None] == ["NOPE-USD"]
    assert "NOPE-USD is not a valid product" in str(next(item for item in told if isinstance(item, Refused)))
    assert [item.topic for item in told if isinstance(item, Subscribed)] == ["BTC-USD"]
    assert [item for item in told if isinstance(item, Disconnected)] == []


@pytest.mark.parametrize("wrong", ["BTC-USD", [], ["BTCUSD"], ["btc-usd"]])
def test_symbols_that_cannot_be(wrong: Any) -> None:
    """One text, none, no dash, small letters."""
    with pytest.raises(FeedError, match="symbols"):
        coinbase.depth(wrong)
