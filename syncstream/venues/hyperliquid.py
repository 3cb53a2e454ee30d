"""Hyperliquid: `depth` with books, `trades`, `ticker`.

From documentation, not run (Hyperliquid's documentation of its WebSocket API, as told in other clients, 2026-11):

* A request subscribes one channel of one coin; the answer (`subscriptionResponse`) repeats it, and so does the text of an error.
* `l2Book` is a whole book each time, twenty levels a side at most, numbers as text. Nothing has a number.
* The line is cut when the venue has said nothing for 60 s; `{"method": "ping"}` makes it say `pong`.
* `trades` may begin with trades from before the subscription.
"""

from __future__ import annotations

import re
from typing import Any, Optional, Sequence, Union

import msgspec

from ..core.keepalive import Keepalive
from ..core.rules import Kind
from ..core.subscriptions import Acks
from ..feed import Feed
from ..levels import Levels
from ._names import asking

STREAM_URL = "wss://api.hyperliquid.xyz/ws"

_NAMED = re.compile(r'"coin":\s*"([^"]+)"')


class Level(msgspec.Struct, frozen=True, rename={"price": "px", "size": "sz", "orders": "n"}):
    """A price, what stands there, and of how many orders."""

    price: str
    size: str
    orders: int


class Depth(msgspec.Struct, frozen=True, rename={"symbol": "coin"}):
    """Bids and asks, best first; `time` in ms."""

    symbol: str
    levels: tuple[list[Level], list[Level]]
    time: int


class Trade(msgspec.Struct, frozen=True, rename={"symbol": "coin", "price": "px", "size": "sz", "number": "tid"}):
    """One trade; `side` is the taker's (`A` sells, `B` buys), `time` in ms."""

    symbol: str
    side: str
    price: str
    size: str
    time: int
    number: int


class Ticker(msgspec.Struct, frozen=True, rename={"symbol": "coin", "best": "bbo"}):
    """The best bid and the best ask, `None` where there is none; `time` in ms."""

    symbol: str
    best: tuple[Optional[Level], Optional[Level]]
    time: int


class Book(msgspec.Struct, frozen=True, tag_field="channel", tag="l2Book"):
    """A frame of `depth`."""

    data: Depth


class Trades(msgspec.Struct, frozen=True, tag_field="channel", tag="trades"):
    """A frame of `trades`, all of one coin."""

    data: list[Trade]


class Best(msgspec.Struct, frozen=True, tag_field="channel", tag="bbo"):
    """A frame of `ticker`."""

    data: Ticker


class Subscription(msgspec.Struct, frozen=True, rename={"symbol": "coin"}):
    """A channel of a coin."""

    type: str
    symbol: str


class Request(msgspec.Struct, frozen=True):
    """What was asked for."""

    method: str
    subscription: Subscription


class Answer(msgspec.Struct, frozen=True, tag_field="channel", tag="subscriptionResponse"):
    """The answer to a request."""

    data: Request


class Pong(msgspec.Struct, frozen=True, tag_field="channel", tag="pong"):
    """The answer to a ping."""


class Error(msgspec.Struct, frozen=True, tag_field="channel", tag="error"):
    """What was refused."""

    data: str

    def __str__(self) -> str:
        """What is told of a refusal."""
        return self.data


class Say(msgspec.Struct, frozen=True):
    """The `subscribe=` and `unsubscribe=` of a feed."""

    method: str
    channel: str

    def __call__(self, topics: Sequence[str]) -> tuple[dict[str, Any], ...]:
        return tuple({"method": self.method, "subscription": {"type": self.channel, "coin": topic}} for topic in topics)


def depth(symbols: Sequence[str], *, url: str = STREAM_URL, **settings: Any) -> Feed:
    """Books of twenty levels: messages are `Book`, `stream.books["BTC"]` is kept. Every reconnect is told.

    `settings`: other fields of the `Feed`, such as `backoff`.
    """
    book = Levels(bids=_bids, asks=_asks, whole=True)
    return _feed(url, symbols, "l2Book", Book, **{"key": "data.symbol", "book": book, "timestamp": "data.time", **settings})


def trades(symbols: Sequence[str], *, url: str = STREAM_URL, **settings: Any) -> Feed:
    """Trades: messages are `Trades`. Loss cannot be seen, so every reconnect is told."""
    return _feed(url, symbols, "trades", Trades, **{"key": "data.0.symbol", "timestamp": "data.0.time", **settings})


def ticker(symbols: Sequence[str], *, url: str = STREAM_URL, **settings: Any) -> Feed:
    """Best prices: messages are `Best`, each of them whole. Every reconnect is told."""
    return _feed(url, symbols, "bbo", Best, **{"key": "data.symbol", "timestamp": "data.time", **settings})


def _feed(url: str, symbols: Sequence[str], channel: str, message: Any, **settings: Any) -> Feed:
    fields: dict[str, Any] = {
        **asking(symbols, Say("subscribe", channel), r"[A-Za-z0-9@/:_.-]+", "BTC"),
        "unsubscribe": Say("unsubscribe", channel),
        "acks": Acks(by="key", topics=_about),
        "classify": _kind,
        "keepalive": Keepalive(every=30.0, send={"method": "ping"}, expect=_is_pong),
        "decode": Union[message, Answer, Pong, Error],
        **settings,
    }
    return Feed(url, **fields)


def _bids(message: Book) -> list[tuple[str, str]]:
    return [(level.price, level.size) for level in message.data.levels[0]]


def _asks(message: Book) -> list[tuple[str, str]]:
    return [(level.price, level.size) for level in message.data.levels[1]]


def _about(message: Any) -> list[str]:
    """The coin that an answer repeats, or that an error names."""
    return _NAMED.findall(message.data) if type(message) is Error else [message.data.subscription.symbol]


def _is_pong(message: Any) -> bool:
    return type(message) is Pong


def _kind(message: Any) -> Optional[Kind]:
    if type(message) is Answer:
        return Kind.ACK if message.data.method == "subscribe" else Kind.IGNORE
    return Kind.ERROR if type(message) is Error else None


__all__ = [
    "Answer",
    "Best",
    "Book",
    "Depth",
    "Error",
    "Level",
    "Pong",
    "Request",
    "Subscription",
    "Ticker",
    "Trade",
    "Trades",
    "depth",
    "ticker",
    "trades",
]
