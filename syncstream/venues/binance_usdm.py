"""Binance USD-M futures: `depth` with books, and `ticker`, by the combined stream. Shapes as in `venues.binance`.

Where the rules come from (DATA: a session recorded on 2021-04-05, five symbols, which the tests replay):

* The streams stand in the URL, there is no acknowledgement; each frame is `{"stream", "data"}`. DATA. A contract with a delivery
  has its day in its name (`BTCUSDT_260327`); the session has none.
* Depth: `pu` is the `u` before, per symbol; the numbers themselves skip. DATA.
* A snapshot is joined by the first message with `pu <= lastUpdateId < u`. One that ends at `lastUpdateId` is covered. DATA.
* Best prices: `u` only grows, per symbol. DATA.
* The path `/public` is where NautilusTrader has "high-frequency book data" (its constants, read 2026-11-26); that `bookTicker`
  belongs there is taken from these words. The session was recorded without it. Not run.
* A line ends after 24 hours; 300 connections in 5 minutes from one IP address, five messages a second: taken over from spot. Not
  run.
* 200 streams a line are what NautilusTrader uses. Not run.

Trades are not here: where they are to be had today was not found out. A snapshot holds `limit` levels a side: what stands behind
them is not in the book until it changes.

A symbol that the venue does not have is not told: see `venues.binance`.
"""

from __future__ import annotations

from typing import Any, Sequence

import msgspec

from ..core.sequence import Chained
from ..feed import Feed
from ._names import one_of
from .binance import _SYMBOL, Combined, Snapshot, Ticker, _best, _books, _names

STREAM_URL = "wss://fstream.binance.com/public"
REST_URL = "https://fapi.binance.com"

_MOST_STREAMS = 200
_LIMITS = (5, 10, 20, 50, 100, 500, 1000)


class Depth(
    msgspec.Struct,
    frozen=True,
    rename={"symbol": "s", "previous": "pu", "last": "u", "time": "E", "bids": "b", "asks": "a"},
):
    """Levels that have changed since `previous`, price and new size as text; `time` in ms."""

    symbol: str
    previous: int
    last: int
    time: int
    bids: list[tuple[str, str]]
    asks: list[tuple[str, str]]


def depth(symbols: Sequence[str], *, limit: int = 1000, url: str = STREAM_URL, rest_url: str = REST_URL, **settings: Any) -> Feed:
    """Order books: messages are `Combined[Depth]`, `stream.books["BTCUSDT"]` is kept, holes are healed by REST.

    `limit`: levels a side of a snapshot: 5, 10, 20, 50, 100, 500 or 1000. `settings`: other fields of the `Feed`, such as
    `backoff`.
    """
    one_of("limit", limit, _LIMITS)
    sequence, page = Chained("data.previous", "data.last"), f"{rest_url}/fapi/v1/depth?symbol={{key}}&limit={limit}"
    return _books(url, _contracts(symbols), Combined[Depth], sequence, page, **settings)


def ticker(symbols: Sequence[str], *, url: str = STREAM_URL, **settings: Any) -> Feed:
    """Best prices: messages are `Combined[Ticker]`, each of them whole. Loss cannot be seen, so every reconnect is told."""
    return _best(url, _contracts(symbols), **settings)


def _contracts(symbols: Sequence[str]) -> list[str]:
    return _names(symbols, rf"{_SYMBOL}(_[0-9]+)?", most=_MOST_STREAMS)


__all__ = ["Combined", "Depth", "Snapshot", "Ticker", "depth", "ticker"]
