"""What every adapter takes besides its own arguments: other fields of the `Feed`, those that it sets itself included."""

from __future__ import annotations

import inspect
from typing import Any, Callable

import pytest

from syncstream import Feed, FeedError, Increasing, Step
from syncstream.venues import (
    alpaca,
    binance,
    binance_coinm,
    binance_usdm,
    bitfinex,
    coinbase_advanced,
    deribit,
    gate,
    kucoin,
    massive,
)

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


OPENED: list[tuple[Callable[..., Feed], str]] = [
    (alpaca.quotes, "AAPL"),
    (bitfinex.depth, "tBTCUSD"),
    (coinbase_advanced.depth, "BTC-USD"),
    (deribit.ticker, "BTC-PERPETUAL"),
    (kucoin.depth, "BTC-USDT"),
    (massive.quotes, "AAPL"),
]


@pytest.mark.parametrize(("adapter", "symbol"), OPENED, ids=lambda value: getattr(value, "__module__", value))
def test_steps_of_the_user_are_added_to_those_of_the_adapter(adapter: Callable[..., Feed], symbol: str) -> None:
    """Without its own a venue would not let us in, or say nothing; a login at Deribit comes before them, others behind."""
    key = {name: "secret" for name in ("key", "secret") if name in inspect.signature(adapter).parameters}
    own = adapter([symbol], **key).opening
    mine = Step(send="hello")
    both = [mine, *own] if adapter is deribit.ticker else [*own, mine]
    assert [step.send for step in adapter([symbol], opening=[mine], **key).opening] == [step.send for step in both]
    assert own
    for wrong in ("hello", mine):
        with pytest.raises(FeedError, match="opening"):
            adapter([symbol], opening=wrong, **key)


def test_binance_asks_for_each_stream_once() -> None:
    """However often and in whichever letters it is named; what is no letter of a name is refused."""
    assert binance.ticker(["BTCUSDT", "btcusdt", "BTCUSDT"]).endpoint == (
        "wss://stream.binance.com:9443/stream?streams=btcusdt@bookTicker"
    )
    with pytest.raises(ValueError, match="symbols"):
        binance.depth(["ÄÖ²"])
