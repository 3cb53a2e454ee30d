"""`venues.bybit`: trades and tickers of the session, messages, answers. Books: `test_in_band.py`."""

from __future__ import annotations

import json
from typing import Any, Callable

import pytest

from syncstream import Feed, FeedError, Kind, Stream, SubscribeFailed
from syncstream.venues import bybit

from . import inband
from .sessions.bybit import is_ticker, is_trades, part, ticker, trades


def test_trades() -> None:
    """Every frame with trades of the linear market."""
    result = inband.count(trades, part("linear"), is_trades)
    assert (result.messages, result.gaps, result.quarantined) == (102, 0, 0)


@pytest.mark.parametrize(("market", "frames"), [("linear", 758), ("spot", 81)])
def test_ticker(market: str, frames: int) -> None:
    """Every ticker: of linear a snapshot and changes, of spot whole ones."""
    result = inband.count(ticker, part(market), is_ticker)
    assert (result.messages, result.quarantined) == (frames, 0)


def test_messages_are_typed() -> None:
    """As text, with names one can read; what has not changed is `None`."""
    text = b'{"topic":"orderbook.50.AB","type":"delta","ts":9,"data":{"s":"AB","b":[["1","2"]],"a":[],"u":5,"seq":77},"cts":8}'
    message = bybit.depth(["AB"], depth=50).rules().decode(text, True)
    assert (message.time, message.data) == (9, bybit.Book("AB", [("1", "2")], [], 5, 77))
    text = b'{"topic":"tickers.AB","type":"delta","ts":9,"data":{"symbol":"AB","bid1Price":"1.0"}}'
    assert bybit.ticker(["AB"]).rules().decode(text, True).data == bybit.Ticker("AB", bid="1.0")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('{"success":true,"ret_msg":"subscribe","conn_id":"c","op":"subscribe"}', Kind.ACK),
        ('{"success":true,"ret_msg":"","conn_id":"c","req_id":"","op":"subscribe"}', Kind.ACK),
        ('{"success":false,"ret_msg":"error:handler not found","op":"subscribe"}', Kind.ERROR),
        ('{"success":true,"ret_msg":"","op":"unsubscribe"}', Kind.IGNORE),
        ('{"success":true,"ret_msg":"pong","conn_id":"c","op":"ping"}', Kind.PONG),
        ('{"args":["1"],"op":"pong"}', Kind.PONG),
        ('{"topic":"orderbook.50.AB","type":"snapshot","data":{"s":"AB","u":1}}', Kind.SNAPSHOT),
    ],
)
def test_kinds(text: str, kind: Kind) -> None:
    """Answers as the markets give them, and a snapshot."""
    rules = bybit.depth(["AB"]).rules()
    assert rules.classify is not None
    assert rules.classify(rules.decode(text.encode(), True)) is kind


def test_an_unknown_symbol_is_an_error() -> None:
    """It refuses all that was asked for with it."""
    with inband.play(part("spot")) as server:
        feed = bybit.depth(["NOPE"], market="spot", url=server.ws_url)
        with pytest.raises(SubscribeFailed) as raised, Stream(feed) as stream:
            stream.get(timeout=10.0)
    assert "handler not found" in str(raised.value)


def test_requests() -> None:
    """Each market is an address; of spot ten topics go into a request."""
    feed = bybit.trades(["AB"], market="spot")
    assert (feed.endpoint, feed.batch.topics) == ("wss://stream.bybit.com/v5/public/spot", 10)
    assert feed.subscribe(["AB"]) == {"op": "subscribe", "args": ["publicTrade.AB"]}


@pytest.mark.parametrize("market", ["linear", "option"])
@pytest.mark.parametrize("make", [bybit.depth, bybit.trades, bybit.ticker])
def test_a_request_is_not_too_long(make: Callable[..., Feed], market: str) -> None:
    """As JSON its `args` have less than 21,000 characters, and nearly as many; what the channel adds is counted."""
    feed = make([f"BTC-{number:05}JAN27-60000-C-USDT" for number in range(2000)], market=market)
    lengths = [len(json.dumps(feed.subscribe(topics)["args"], separators=(",", ":"))) for topics in feed.batch.split(feed.topics)]
    assert all(length < 21_000 for length in lengths)
    assert all(length > 19_900 for length in lengths[:-1])


@pytest.mark.parametrize("wrong", [{"symbols": "AB"}, {"symbols": ["A/B"]}, {"market": "futures"}, {"depth": 7}])
def test_what_cannot_be(wrong: dict[str, Any]) -> None:
    """One text, a slash, no such market, no such depth."""
    with pytest.raises(FeedError, match=next(iter(wrong))):
        bybit.depth(**{"symbols": ["AB"], **wrong})
