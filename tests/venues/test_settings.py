"""What every adapter takes besides its own arguments: other fields of the `Feed`, those that it sets itself included."""

from __future__ import annotations

from typing import Any, Callable

import pytest

from syncstream import Feed, Increasing
from syncstream.venues import binance, binance_coinm, binance_usdm, gate, kucoin

PLAIN: dict[str, Any] = {"sequence": None, "snapshot": None, "book": None, "timestamp": None, "lifetime": 5.0}


@pytest.mark.parametrize(
    ("adapter", "symbol"),
    [
        *[(function, "BTCUSDT") for function in (binance.depth, binance.trades, binance.ticker)],
        *[(function, "BTCUSDT") for function in (binance_usdm.depth, binance_usdm.ticker)],
        *[(function, "BTCUSD_PERP") for function in (binance_coinm.depth, binance_coinm.ticker)],
        *[(function, "BTC_USDT") for function in (gate.depth, gate.trades, gate.ticker)],
        *[(function, "BTC-USDT") for function in (kucoin.depth, kucoin.trades, kucoin.ticker)],
    ],
)
def test_the_user_has_the_last_word(adapter: Callable[..., Feed], symbol: str) -> None:
    """Whatever the adapter says of it."""
    feed = adapter([symbol], **PLAIN)
    assert {field: getattr(feed, field) for field in PLAIN} == PLAIN
    other = Increasing("data.x")
    assert adapter([symbol], **{**PLAIN, "decode": dict, "sequence": other}).sequence is other


def test_binance_asks_for_each_stream_once() -> None:
    """However often and in whichever letters it is named; what is no letter of a name is refused."""
    assert binance.ticker(["BTCUSDT", "btcusdt", "BTCUSDT"]).endpoint == (
        "wss://stream.binance.com:9443/stream?streams=btcusdt@bookTicker"
    )
    with pytest.raises(ValueError, match="symbols"):
        binance.depth(["ÄÖ²"])
