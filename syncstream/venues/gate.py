"""Gate, spot: `depth` with books, `trades`, `ticker`, by WebSocket API v4.

Where the rules come from (DATA: a session recorded on 2021-04-22, ten pairs, which the tests replay; VENUE: Gate's documentation
of its spot WebSocket v4 as quoted in other clients, 2026-11):

* A subscription of `spot.order_book_update` takes one pair and an interval, the others take a list. DATA.
* An acknowledgement names its channel and no pair; one comes for each request, in their order. DATA.
* Depth: `U` is one more than the `u` before, per pair. DATA: in every message. The first one after a subscription may cover
  thousands of numbers; it is a whole window of levels. DATA.
* A snapshot (`with_id=true`) is joined by `U <= id + 1 <= u`. VENUE, DATA.
* Trades: `id` counts over all pairs, so it only grows for one. DATA, of nine trades.
* A refusal is an acknowledgement with `error`. VENUE, not run.

A snapshot holds `limit` levels a side: what stands behind them is not in the book until it changes. Futures are not here.
"""

from __future__ import annotations

import time
from typing import Any, Generic, Optional, Sequence, TypeVar, Union

import msgspec

from ..core.rules import Kind
from ..core.sequence import Contiguous, Increasing
from ..core.subscriptions import Acks
from ..feed import Feed, Rest
from ..levels import Levels
from ._names import asking, whole

STREAM_URL = "wss://api.gateio.ws/ws/v4/"
REST_URL = "https://api.gateio.ws"

T = TypeVar("T")

_INTERVAL = "100ms"
_MOST_LEVELS = 1000


class Depth(
    msgspec.Struct, frozen=True, rename={"symbol": "s", "first": "U", "last": "u", "time": "t", "bids": "b", "asks": "a"}
):
    """Levels that have changed, price and new size as text; `time` in ms."""

    symbol: str
    first: int
    last: int
    time: int
    bids: list[tuple[str, str]]
    asks: list[tuple[str, str]]


class Trade(
    msgspec.Struct, frozen=True, rename={"symbol": "currency_pair", "number": "id", "size": "amount", "time": "create_time_ms"}
):
    """One trade; `time` in ms, as text with digits behind the point. `side` is the taker's."""

    symbol: str
    number: int
    price: str
    size: str
    side: str
    time: str


class Ticker(
    msgspec.Struct,
    frozen=True,
    rename={"symbol": "currency_pair", "bid": "highest_bid", "ask": "lowest_ask", "volume": "base_volume"},
):
    """Last and best prices and the volume of a day, as text."""

    symbol: str
    last: str
    bid: str
    ask: str
    volume: str


class Update(msgspec.Struct, Generic[T], frozen=True, tag_field="event", tag="update"):
    """A frame with data."""

    channel: str
    result: T


class Error(msgspec.Struct, frozen=True):
    """Why something was refused."""

    code: int = 0
    message: str = ""


class Subscribed(msgspec.Struct, frozen=True, tag_field="event", tag="subscribe"):
    """The answer to a subscription."""

    channel: str
    error: Optional[Error] = None

    def __str__(self) -> str:
        """What is told of a refusal."""
        return repr(self) if self.error is None else f"{self.error.code} {self.error.message}"


class Unsubscribed(msgspec.Struct, frozen=True, tag_field="event", tag="unsubscribe"):
    """The answer to the contrary."""

    channel: str
    error: Optional[Error] = None


class Snapshot(msgspec.Struct, frozen=True, rename={"position": "id"}):
    """The body of `/api/v4/spot/order_book`."""

    position: int
    bids: list[tuple[str, str]]
    asks: list[tuple[str, str]]


class Say(msgspec.Struct, frozen=True):
    """The `subscribe=` and `unsubscribe=` of a feed. With an `interval` each pair is asked for by itself."""

    event: str
    channel: str
    interval: str = ""

    def __call__(self, topics: Sequence[str]) -> tuple[dict[str, Any], ...]:
        payloads = [[topic, self.interval] for topic in topics] if self.interval else [list(topics)]
        begin = {"time": int(time.time()), "channel": self.channel, "event": self.event}
        return tuple({**begin, "payload": payload} for payload in payloads)


def depth(
    symbols: Sequence[str],
    *,
    limit: int = 100,
    url: str = STREAM_URL,
    rest_url: str = REST_URL,
    **settings: Any,
) -> Feed:
    """Order books: messages are `Update[Depth]`, `stream.books["BTC_USDT"]` is kept, holes are healed by REST.

    `limit`: levels a side of a snapshot, at most 1,000. `settings`: other fields of the `Feed`, such as `backoff`.
    """
    whole("limit", limit, _MOST_LEVELS)
    page = f"{rest_url}/api/v4/spot/order_book?currency_pair={{key}}&limit={limit}&with_id=true"
    fields: dict[str, Any] = {
        "sequence": Contiguous("result.first", "result.last"),
        "snapshot": Rest(page, position="position", decode=Snapshot),
        "book": Levels(bids="result.bids", asks="result.asks", snapshot_bids="bids", snapshot_asks="asks"),
        "timestamp": "result.time",
        **settings,
    }
    return _feed(url, symbols, "spot.order_book_update", Update[Depth], interval=_INTERVAL, **fields)


def trades(symbols: Sequence[str], *, url: str = STREAM_URL, **settings: Any) -> Feed:
    """Trades: messages are `Update[Trade]`. Loss cannot be seen, so every reconnect is told."""
    fields: dict[str, Any] = {"sequence": Increasing("result.number"), "timestamp": "result.time", **settings}
    return _feed(url, symbols, "spot.trades", Update[Trade], **fields)


def ticker(symbols: Sequence[str], *, url: str = STREAM_URL, **settings: Any) -> Feed:
    """Last and best prices: messages are `Update[Ticker]`, each of them whole. Every reconnect is told."""
    return _feed(url, symbols, "spot.tickers", Update[Ticker], **settings)


def _feed(url: str, symbols: Sequence[str], channel: str, update: Any, *, interval: str = "", **settings: Any) -> Feed:
    fields: dict[str, Any] = {
        **asking(symbols, Say("subscribe", channel, interval), r"[A-Z0-9]+_[A-Z0-9]+", "BTC_USDT"),
        "unsubscribe": Say("unsubscribe", channel, interval),
        "acks": Acks(by="count"),
        "classify": _kind,
        "key": "result.symbol",
        "decode": Union[update, Subscribed, Unsubscribed],
        **settings,
    }
    return Feed(url, **fields)


def _kind(message: Any) -> Optional[Kind]:
    if isinstance(message, Update):
        return None
    return Kind.ACK if message.error is None else Kind.ERROR


__all__ = ["Depth", "Error", "Snapshot", "Subscribed", "Ticker", "Trade", "Unsubscribed", "Update", "depth", "ticker", "trades"]
