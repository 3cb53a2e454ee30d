"""Binance spot: `depth` with books, `trades`, `ticker`, by the combined stream.

Where the rules come from (VENUE: Binance's documentation of the spot streams, `web-socket-streams.md`, as it was in 2026-11;
DATA: a session recorded on 2021-04-05, ten symbols, which the tests replay):

* The streams stand in the URL, there is no acknowledgement; each frame is `{"stream", "data"}`. VENUE, DATA. Some symbols have
  Chinese characters; they are written there as any URL has them. Not run.
* Depth: `U` is one more than the `u` before, per symbol. VENUE asks for less (`U <= u + 1`); DATA: in every message.
* A snapshot is joined by `U <= lastUpdateId + 1 <= u`. DATA; VENUE's step 5 read by the letter would refuse most of them.
* Aggregate trades: `a` grows by one, per symbol. DATA.
* Best prices: `u` only grows, per symbol. DATA.
* A line ends after 24 hours; 1,024 streams a line. VENUE, not run.
* 300 connections in 5 minutes from one IP address, whoever dials there: this process counts its own. Five messages a second from
  the client, its pongs counted. VENUE, not run.

A symbol that the venue does not have never delivers, and nothing says so: what stands in a URL is no topic of the feed, so
`wait_live` waits for the symbols of which something has come, and a `topic_data_limit` cannot be given. Look for it in
`stream.status.keys`.

Not handled: the notice `serverShutdown` (it is quarantined, and the line is dialled again when it ends). A snapshot holds `limit`
levels a side: what stands behind them is not in the book until it changes.
"""

from __future__ import annotations

from typing import Any, Generic, Sequence, TypeVar
from urllib.parse import quote

import msgspec

from ..core.budget import Budget
from ..core.sequence import Contiguous, Increasing, Rule
from ..feed import Feed, Rest
from ..levels import Levels
from ._names import listed, whole

STREAM_URL = "wss://stream.binance.com:9443"
REST_URL = "https://api.binance.com"

T = TypeVar("T")

_SYMBOL = "[A-Za-z0-9\u4e00-\u9fff]+"
_MOST_STREAMS = 1024
_MOST_LEVELS = 5000
_LIFETIME = 24 * 3600.0
_DIALS, _SENDS = Budget(count=300, per=300.0), Budget(count=5, per=1.0)


class Depth(
    msgspec.Struct, frozen=True, rename={"symbol": "s", "first": "U", "last": "u", "time": "E", "bids": "b", "asks": "a"}
):
    """Levels that have changed, price and new size as text; `time` in ms."""

    symbol: str
    first: int
    last: int
    time: int
    bids: list[tuple[str, str]]
    asks: list[tuple[str, str]]


class Trade(
    msgspec.Struct,
    frozen=True,
    rename={"symbol": "s", "number": "a", "price": "p", "size": "q", "time": "T", "buyer_is_maker": "m"},
):
    """Trades of one order at one price; `time` in ms."""

    symbol: str
    number: int
    price: str
    size: str
    time: int
    buyer_is_maker: bool


class Ticker(
    msgspec.Struct,
    frozen=True,
    rename={"symbol": "s", "update": "u", "bid": "b", "bid_size": "B", "ask": "a", "ask_size": "A"},
):
    """Best prices and sizes, as text, at an update of the book."""

    symbol: str
    update: int
    bid: str
    bid_size: str
    ask: str
    ask_size: str


class Combined(msgspec.Struct, Generic[T], frozen=True):
    """A frame: which stream, and what came."""

    stream: str
    data: T


class Snapshot(msgspec.Struct, frozen=True, rename={"position": "lastUpdateId"}):
    """The body of `/api/v3/depth`."""

    position: int
    bids: list[tuple[str, str]]
    asks: list[tuple[str, str]]


def depth(symbols: Sequence[str], *, limit: int = 1000, url: str = STREAM_URL, rest_url: str = REST_URL, **settings: Any) -> Feed:
    """Order books: messages are `Combined[Depth]`, `stream.books["BTCUSDT"]` is kept, holes are healed by REST.

    `limit`: levels a side of a snapshot, at most 5,000. `settings`: other fields of the `Feed`, such as `backoff`.
    """
    whole("limit", limit, _MOST_LEVELS)
    sequence, page = Contiguous("data.first", "data.last"), f"{rest_url}/api/v3/depth?symbol={{key}}&limit={limit}"
    return _books(url, _names(symbols), Combined[Depth], sequence, page, **settings)


def trades(symbols: Sequence[str], *, url: str = STREAM_URL, **settings: Any) -> Feed:
    """Aggregate trades: messages are `Combined[Trade]`. A hole is told by a `Gap` with what is missing; nothing heals it."""
    fields: dict[str, Any] = {"sequence": Contiguous("data.number"), "timestamp": "data.time", **settings}
    return _combined(url, _names(symbols), "aggTrade", Combined[Trade], **fields)


def ticker(symbols: Sequence[str], *, url: str = STREAM_URL, **settings: Any) -> Feed:
    """Best prices: messages are `Combined[Ticker]`, each of them whole. Loss cannot be seen, so every reconnect is told."""
    return _best(url, _names(symbols), **settings)


def _books(url: str, names: Sequence[str], message: Any, rule: Rule, page: str, **settings: Any) -> Feed:
    """Order books. `message`: `Combined` of what has `bids`, `asks` and `time`; `page`: where the snapshot of `{key}` is."""
    fields: dict[str, Any] = {
        "sequence": rule,
        "snapshot": Rest(page, position="position", decode=Snapshot),
        "book": Levels(bids="data.bids", asks="data.asks", snapshot_bids="bids", snapshot_asks="asks"),
        "timestamp": "data.time",
        **settings,
    }
    return _combined(url, names, "depth@100ms", message, **fields)


def _best(url: str, names: Sequence[str], **settings: Any) -> Feed:
    """Best prices."""
    return _combined(url, names, "bookTicker", Combined[Ticker], **{"sequence": Increasing("data.update"), **settings})


def _combined(url: str, names: Sequence[str], stream: str, message: Any, **settings: Any) -> Feed:
    """The combined stream of what has these names."""
    fields: dict[str, Any] = {
        "key": "data.symbol",
        "decode": message,
        "lifetime": _LIFETIME,
        "dial_budget": _DIALS,
        "send_budget": _SENDS,
        **settings,
    }
    return Feed(f"{url}/stream?streams={'/'.join(f'{quote(name)}@{stream}' for name in names)}", **fields)


def _names(symbols: Sequence[str], pattern: str = _SYMBOL, example: str = "BTCUSDT", most: int = _MOST_STREAMS) -> list[str]:
    """Symbols as the names of streams have them."""
    return list(dict.fromkeys(symbol.lower() for symbol in listed(symbols, pattern, example, most)))


__all__ = ["Combined", "Depth", "Snapshot", "Ticker", "Trade", "depth", "ticker", "trades"]
