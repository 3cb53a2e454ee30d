"""Upbit: `depth` with books, and `trades`, each message whole.

Where the rules come from (DATA: a session recorded on 2021-04-17, ten markets, which the tests replay; VENUE: Upbit's
documentation of its WebSocket as told in other clients, 2026-11):

* One request says it all: who asks, the format, channels and codes. There is no acknowledgement (DATA), and another request takes
  the place of the one before (VENUE, not run): so each says all of them, and codes cannot be added to a stream.
* Messages are JSON in binary frames, with short names (`SIMPLE`). DATA.
* A book comes whole, fifteen levels a side at most, numbers as JSON numbers. DATA.
* Nothing is numbered: `sid` tells trades apart and is in no order. DATA: it goes back once in 299.
* What is wrong is answered by `{"error"}`, which is none of these shapes: it is told as `Quarantined`. VENUE, not run.
"""

from __future__ import annotations

import uuid
from decimal import Decimal
from typing import Any, Sequence

import msgspec

from ..errors import FeedError
from ..feed import Feed
from ..levels import Levels
from ._names import listed

STREAM_URL = "wss://api.upbit.com/websocket/v1"


class Trade(
    msgspec.Struct,
    frozen=True,
    tag_field="ty",
    tag="trade",
    rename={"symbol": "cd", "price": "tp", "size": "tv", "side": "ab", "time": "ttms", "sent": "tms", "number": "sid"},
):
    """One trade; `side` is the taker's, `"ASK"` for one that sells; `time` and `sent` in ms."""

    symbol: str
    price: Decimal
    size: Decimal
    side: str
    time: int
    sent: int
    number: int


class Unit(msgspec.Struct, frozen=True, rename={"bid": "bp", "bid_size": "bs", "ask": "ap", "ask_size": "as"}):
    """The levels of one rank."""

    bid: Decimal
    bid_size: Decimal
    ask: Decimal
    ask_size: Decimal


class Depth(msgspec.Struct, frozen=True, tag_field="ty", tag="orderbook", rename={"symbol": "cd", "time": "tms", "units": "obu"}):
    """The best levels, best first; `time` in ms."""

    symbol: str
    time: int
    units: list[Unit]


class Say(msgspec.Struct, frozen=True):
    """The `subscribe=` of a feed: all of its `codes`, whichever are asked for. Raises `FeedError` for others."""

    channel: str
    codes: tuple[str, ...]

    def __call__(self, topics: Sequence[str]) -> list[Any]:
        for topic in topics:
            if topic not in self.codes:
                raise FeedError("topics", topic, "one request says all of them; open another stream with this one, too")
        ticket = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{self.channel}:{','.join(self.codes)}"))
        channel = {"type": self.channel, "codes": self.codes, "isOnlyRealtime": True}
        return [[{"ticket": ticket}, {"format": "SIMPLE"}, channel]]


def depth(symbols: Sequence[str], *, url: str = STREAM_URL, **settings: Any) -> Feed:
    """The best fifteen levels: messages are `Depth`, `stream.books["KRW-BTC"]` is kept. Every reconnect is told.

    A market that does not exist is named by `wait_live`, and told where a `topic_data_limit` is given. `settings`: other fields
    of the `Feed`, such as `backoff`.
    """
    book = Levels(bids=_bids, asks=_asks, whole=True)
    return _feed(url, symbols, "orderbook", **{"decode": Depth, "book": book, "timestamp": "time", **settings})


def trades(symbols: Sequence[str], *, url: str = STREAM_URL, **settings: Any) -> Feed:
    """Trades: messages are `Trade`. Loss cannot be seen, so every reconnect is told."""
    return _feed(url, symbols, "trade", **{"decode": Trade, "timestamp": "sent", **settings})


def _feed(url: str, symbols: Sequence[str], channel: str, **settings: Any) -> Feed:
    codes = listed(symbols, r"[A-Z0-9]+-[A-Z0-9]+", "KRW-BTC")
    return Feed(url, **{"topics": codes, "subscribe": Say(channel, tuple(codes)), "key": "symbol", **settings})


def _bids(message: Depth) -> list[tuple[Decimal, Decimal]]:
    return [(unit.bid, unit.bid_size) for unit in message.units]


def _asks(message: Depth) -> list[tuple[Decimal, Decimal]]:
    return [(unit.ask, unit.ask_size) for unit in message.units]


__all__ = ["Depth", "Trade", "Unit", "depth", "trades"]
