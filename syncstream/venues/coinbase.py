"""Coinbase Exchange: `depth` with books, `trades`, `ticker`, of the public feed.

From documentation, not run (Coinbase's documentation of the Exchange WebSocket feed, as told in other clients, 2026-11; for
Advanced Trade see `venues.coinbase_advanced`):

* A line is closed if nothing is subscribed within 5 s; the answer lists all that is subscribed by then. An error refuses all of a
  request, and names the product that there is not in its text: that one is refused, and the others are asked for again after 3 s.
* Eight requests a second.
* `level2_batch` needs no login: a `snapshot`, then `l2update` with the new sizes. It has no numbers, so a lost message cannot be
  seen; a lost line is healed, for the next one begins with a snapshot.
* `matches` begins with the last trade (`last_match`); `trade_id` grows per product. That it grows by one is not said.
* `ticker` carries the `sequence` of the product, of which it skips.
* The channel `heartbeat` says something once a second for each product; it is subscribed beside each of these.

`full` and `level2` want a signed subscription and are not here.
"""

from __future__ import annotations

import re
from typing import Any, Optional, Sequence, Union

import msgspec

from ..core.budget import Budget
from ..core.rules import Kind
from ..core.sequence import Increasing
from ..core.sources import Resubscribe
from ..core.subscriptions import Acks
from ..feed import Feed
from ..levels import Levels
from ._names import asking, refusal

STREAM_URL = "wss://ws-feed.exchange.coinbase.com"

Row = tuple[str, str]

_PRODUCT = r"[A-Z0-9]+-[A-Z0-9]+"
_ANSWER = 3.0  # seconds; one that does not come has to be asked for again before the line is closed
_SENDS = Budget(count=8, per=1.0)


class Snapshot(msgspec.Struct, frozen=True, tag_field="type", tag="snapshot", rename={"symbol": "product_id"}):
    """All levels, price and size as text."""

    symbol: str
    bids: list[Row]
    asks: list[Row]


class Depth(msgspec.Struct, frozen=True, tag_field="type", tag="l2update", rename={"symbol": "product_id"}):
    """Levels that have changed: side (`buy`, `sell`), price and new size as text; `time` an ISO text."""

    symbol: str
    changes: list[tuple[str, str, str]]
    time: str


class _Match(msgspec.Struct, frozen=True, rename={"symbol": "product_id", "number": "trade_id"}):
    symbol: str
    number: int
    price: str
    size: str
    side: str
    time: str
    sequence: int


class Trade(_Match, frozen=True, tag_field="type", tag="match"):
    """One trade; `side` is the maker's, `time` an ISO text."""


class LastTrade(_Match, frozen=True, tag_field="type", tag="last_match"):
    """The last trade before the subscription."""


class Ticker(
    msgspec.Struct,
    frozen=True,
    tag_field="type",
    tag="ticker",
    rename={
        "symbol": "product_id",
        "bid": "best_bid",
        "bid_size": "best_bid_size",
        "ask": "best_ask",
        "ask_size": "best_ask_size",
    },
):
    """Last and best prices, as text; `time` an ISO text."""

    symbol: str
    sequence: int
    price: str
    bid: str = ""
    bid_size: str = ""
    ask: str = ""
    ask_size: str = ""
    time: str = ""


class Heartbeat(msgspec.Struct, frozen=True, tag_field="type", tag="heartbeat", rename={"symbol": "product_id"}):
    """A product that is alive."""

    symbol: str


class Channel(msgspec.Struct, frozen=True):
    """What is subscribed of a channel."""

    name: str
    product_ids: Sequence[str] = ()


class Subscriptions(msgspec.Struct, frozen=True, tag_field="type", tag="subscriptions"):
    """The answer to a request: all that is subscribed."""

    channels: list[Channel]

    @property
    def symbols(self) -> list[str]:
        """Those that have a channel beside `heartbeat`."""
        return [symbol for channel in self.channels if channel.name != "heartbeat" for symbol in channel.product_ids]


class Error(msgspec.Struct, frozen=True, tag_field="type", tag="error"):
    """What was refused, and why."""

    message: str = ""
    reason: str = ""

    def __str__(self) -> str:
        """What is told of a refusal."""
        return f"{self.message}: {self.reason}" if self.reason else self.message


class Say(msgspec.Struct, frozen=True):
    """The `subscribe=` and `unsubscribe=` of a feed."""

    kind: str
    channel: str

    def __call__(self, topics: Sequence[str]) -> dict[str, Any]:
        return {"type": self.kind, "product_ids": list(topics), "channels": [self.channel, "heartbeat"]}


def depth(symbols: Sequence[str], *, url: str = STREAM_URL, **settings: Any) -> Feed:
    """Order books: messages are `Depth`, `stream.books["BTC-USD"]` is kept; a reconnect is healed by the next snapshot.

    `settings`: other fields of the `Feed`, such as `backoff`.
    """
    fields: dict[str, Any] = {
        "snapshot": Resubscribe(),
        "book": Levels(bids=_bids, asks=_asks, snapshot_bids="bids", snapshot_asks="asks"),
        "timestamp": "time",
        **settings,
    }
    return _feed(url, symbols, "level2_batch", Union[Depth, Snapshot], **fields)


def trades(symbols: Sequence[str], *, url: str = STREAM_URL, **settings: Any) -> Feed:
    """Trades: messages are `Trade`, the first one of a product is a `LastTrade`. Every reconnect is told."""
    fields: dict[str, Any] = {"sequence": Increasing("number"), "timestamp": "time", **settings}
    return _feed(url, symbols, "matches", Union[Trade, LastTrade], **fields)


def ticker(symbols: Sequence[str], *, url: str = STREAM_URL, **settings: Any) -> Feed:
    """Last and best prices: messages are `Ticker`, each of them whole. Every reconnect is told."""
    return _feed(url, symbols, "ticker", Ticker, **{"sequence": Increasing("sequence"), **settings})


def _feed(url: str, symbols: Sequence[str], channel: str, messages: Any, **settings: Any) -> Feed:
    fields: dict[str, Any] = {
        **asking(symbols, Say("subscribe", channel), _PRODUCT, "BTC-USD"),
        "unsubscribe": Say("unsubscribe", channel),
        "acks": Acks(by="key", topics=_about, within=_ANSWER),
        "classify": _kind,
        "key": "symbol",
        "decode": Union[messages, Subscriptions, Heartbeat, Error],
        "timestamp_unit": "iso",
        "heartbeat": 5.0,
        "send_budget": _SENDS,
        **settings,
    }
    return Feed(url, **fields)


def _bids(message: Depth) -> list[Row]:
    return [(price, size) for side, price, size in message.changes if side == "buy"]


def _asks(message: Depth) -> list[Row]:
    return [(price, size) for side, price, size in message.changes if side == "sell"]


def _about(message: Union[Subscriptions, Error]) -> list[str]:
    """The products that an answer lists, or that an error names."""
    if isinstance(message, Error):
        return re.findall(_PRODUCT, f"{message.message} {message.reason}")
    return message.symbols


def _kind(message: Any) -> Optional[Kind]:
    return refusal(message) if type(message) is Error else _KINDS.get(type(message))


_KINDS: dict[type, Kind] = {Snapshot: Kind.SNAPSHOT, Subscriptions: Kind.ACK, Heartbeat: Kind.HEARTBEAT}

__all__ = [
    "Channel",
    "Depth",
    "Error",
    "Heartbeat",
    "LastTrade",
    "Snapshot",
    "Subscriptions",
    "Ticker",
    "Trade",
    "depth",
    "ticker",
    "trades",
]
