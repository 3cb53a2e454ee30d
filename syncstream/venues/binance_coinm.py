"""Binance COIN-M futures: `depth` with books, and `ticker`, by the combined stream. Shapes as in `venues.binance_usdm`.

From documentation, not run. Where the rules come from (VENUE: Binance's documentation of the COIN-M streams as told in other
clients, 2026-11; USDM: taken over from USD-M, where a recorded session has shown it):

* The streams stand in the URL, each frame is `{"stream", "data"}`; symbols have an underscore (`BTCUSD_PERP`). VENUE.
* Depth: `pu` is the `u` before, per symbol, and a snapshot is joined by the first message with `pu <= lastUpdateId < u`. USDM.
* Best prices: `u` only grows, per symbol. USDM.
* A line ends after 24 hours. VENUE. 300 connections in 5 minutes from one IP address, five messages a second: taken over from
  spot.
* 200 streams a line are what NautilusTrader uses of Binance's futures.

A snapshot of this venue was once seen to be wrong in one level for a second, with every number right (a session of 2021-04-17,
not among the tests'): nothing here can find that.

A symbol that the venue does not have is not told: see `venues.binance`.
"""

from __future__ import annotations

from typing import Any, Sequence

from ..core.sequence import Chained
from ..feed import Feed
from ._names import one_of
from .binance import Combined, Snapshot, Ticker, _best, _books, _names
from .binance_usdm import _LIMITS, Depth

STREAM_URL = "wss://dstream.binance.com"
REST_URL = "https://dapi.binance.com"

_MOST_STREAMS = 200


def depth(symbols: Sequence[str], *, limit: int = 1000, url: str = STREAM_URL, rest_url: str = REST_URL, **settings: Any) -> Feed:
    """Order books: messages are `Combined[Depth]`, `stream.books["BTCUSD_PERP"]` is kept, holes are healed by REST.

    `limit`: levels a side of a snapshot: 5, 10, 20, 50, 100, 500 or 1000. `settings`: other fields of the `Feed`, such as
    `backoff`.
    """
    one_of("limit", limit, _LIMITS)
    sequence, page = Chained("data.previous", "data.last"), f"{rest_url}/dapi/v1/depth?symbol={{key}}&limit={limit}"
    return _books(url, _coins(symbols), Combined[Depth], sequence, page, **settings)


def ticker(symbols: Sequence[str], *, url: str = STREAM_URL, **settings: Any) -> Feed:
    """Best prices: messages are `Combined[Ticker]`, each of them whole. Loss cannot be seen, so every reconnect is told."""
    return _best(url, _coins(symbols), **settings)


def _coins(symbols: Sequence[str]) -> list[str]:
    return _names(symbols, "[A-Za-z0-9]+_[A-Za-z0-9]+", "BTCUSD_PERP", _MOST_STREAMS)


__all__ = ["Combined", "Depth", "Snapshot", "Ticker", "depth", "ticker"]
