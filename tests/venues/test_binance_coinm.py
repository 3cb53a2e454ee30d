"""`venues.binance_coinm`: its documentation. No session was recorded; the rules are those of USD-M, which has one."""

from __future__ import annotations

from typing import Any

import pytest

from syncstream import Chained, FeedError
from syncstream.feed import Rest
from syncstream.venues import binance_coinm


def test_the_streams_stand_in_the_url() -> None:
    """In small letters, with their underscores."""
    feed = binance_coinm.depth(["BTCUSD_PERP", "ethusd_250328"])
    assert feed.endpoint == ("wss://dstream.binance.com/stream?streams=btcusd_perp@depth@100ms/ethusd_250328@depth@100ms")
    assert feed.sequence == Chained("data.previous", "data.last")
    assert isinstance(feed.snapshot, Rest)
    assert feed.snapshot.url == "https://dapi.binance.com/dapi/v1/depth?symbol={key}&limit=1000"


def test_messages_are_typed() -> None:
    """As the documentation writes them."""
    rules = binance_coinm.depth(["BTCUSD_PERP"]).rules()
    text = (
        b'{"stream":"btcusd_perp@depth@100ms","data":{"e":"depthUpdate","E":5,"T":4,"s":"BTCUSD_PERP","ps":"BTCUSD",'
        b'"U":17285681,"u":17285702,"pu":17285675,"b":[["9517.6","10"]],"a":[["9518.5","45"]]}}'
    )
    depth = rules.decode(text, True).data
    assert (depth.previous, depth.last, depth.bids, depth.asks) == (17285675, 17285702, [("9517.6", "10")], [("9518.5", "45")])
    assert rules.key is not None
    assert rules.key(rules.decode(text, True)) == "BTCUSD_PERP"
    assert binance_coinm.ticker(["A_B"]).endpoint == "wss://dstream.binance.com/stream?streams=a_b@bookTicker"


@pytest.mark.parametrize("wrong", ["BTCUSD_PERP", [], ["BTCUSD"], [f"A{number}_B" for number in range(201)]])
def test_symbols_that_cannot_be(wrong: Any) -> None:
    """One text, none, no underscore, and more than a line takes."""
    with pytest.raises(FeedError, match="symbols"):
        binance_coinm.depth(wrong)
