"""Crypto.com: `depth` with books, `trades`, `ticker`, each message whole.

Where the rules come from (DATA: a session recorded on 2021-11-23, ten instruments, by the API v2, which the tests replay; VENUE:
the documentation of the Exchange API v1 as told in other clients, 2026-11):

* A request lists channels; one acknowledgement comes for each request, in their order, and names none of them. DATA.
* `public/heartbeat` has an id and wants `public/respond-heartbeat` with the same one. DATA; within 5 s: VENUE.
* `book.X.150`: all of up to 150 levels a side. Numbers are JSON numbers in DATA, texts in VENUE; both are read.
* `trade.X` begins with the last hundred trades, newest first. DATA.
* The address is that of the Exchange API v1. VENUE, not run; the session was recorded at v2.
* A hundred requests a second. VENUE, not run.
* One should wait a second before the first request, else a limit may be met. VENUE; not done here, the session's client did.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Generic, Optional, Sequence, TypeVar, Union

import msgspec

from ..core.budget import Budget
from ..core.rules import Kind
from ..core.subscriptions import Acks
from ..feed import Feed
from ..levels import Levels
from ._names import asking

STREAM_URL = "wss://stream.crypto.com/exchange/v1/market"

T = TypeVar("T")

_SENDS = Budget(count=100, per=1.0)


class Depth(msgspec.Struct, frozen=True, rename={"time": "t"}):
    """Levels as price, size and how many orders, best first; `time` in ms."""

    bids: list[tuple[Decimal, Decimal, Decimal]]
    asks: list[tuple[Decimal, Decimal, Decimal]]
    time: int


class Trade(msgspec.Struct, frozen=True, rename={"number": "d", "side": "s", "price": "p", "size": "q", "time": "t"}):
    """One trade; `side` is the taker's, `time` in ms."""

    number: Union[int, str]
    side: str
    price: Decimal
    size: Decimal
    time: int


class Ticker(msgspec.Struct, frozen=True, rename={"bid": "b", "ask": "k", "last": "a", "volume": "v", "time": "t"}):
    """Best and last prices and the volume of a day, `None` where there is none; `time` in ms."""

    bid: Optional[Decimal]
    ask: Optional[Decimal]
    last: Optional[Decimal]
    volume: Optional[Decimal]
    time: int


class Result(msgspec.Struct, Generic[T], frozen=True, rename={"symbol": "instrument_name"}):
    """What came of an instrument."""

    symbol: str
    data: list[T]


class Message(msgspec.Struct, Generic[T], frozen=True, tag_field="method", tag="subscribe"):
    """A frame with data; or, without a `result`, the answer to a request, `code` 0 if it was accepted, else a `message`."""

    result: Optional[Result[T]] = None
    code: int = 0
    message: str = ""

    def __str__(self) -> str:
        """What is told of a refusal."""
        return f"{self.code} {self.message}" if self.code else repr(self)


class Heartbeat(msgspec.Struct, frozen=True, tag_field="method", tag="public/heartbeat"):
    """Are you there?"""

    id: int


class Say(msgspec.Struct, frozen=True):
    """The `subscribe=` of a feed. `channel` has a `{}` for the symbol."""

    channel: str

    def __call__(self, topics: Sequence[str]) -> dict[str, Any]:
        return {"method": "subscribe", "params": {"channels": [self.channel.format(topic) for topic in topics]}}


def depth(symbols: Sequence[str], *, url: str = STREAM_URL, **settings: Any) -> Feed:
    """Books of 150 levels: messages are `Message[Depth]`, `stream.books["BTC_USDT"]` is kept. Every reconnect is told.

    `settings`: other fields of the `Feed`, such as `backoff`.
    """
    book = Levels(bids="result.data.0.bids", asks="result.data.0.asks", whole=True)
    return _feed(url, symbols, "book.{}.150", Message[Depth], **{"book": book, "timestamp": "result.data.0.time", **settings})


def trades(symbols: Sequence[str], *, url: str = STREAM_URL, **settings: Any) -> Feed:
    """Trades: messages are `Message[Trade]`. Loss cannot be seen, so every reconnect is told, and the last hundred come again."""
    return _feed(url, symbols, "trade.{}", Message[Trade], **settings)


def ticker(symbols: Sequence[str], *, url: str = STREAM_URL, **settings: Any) -> Feed:
    """Best and last prices: messages are `Message[Ticker]`. Every reconnect is told."""
    return _feed(url, symbols, "ticker.{}", Message[Ticker], **settings)


def _feed(url: str, symbols: Sequence[str], channel: str, message: Any, **settings: Any) -> Feed:
    fields: dict[str, Any] = {
        **asking(symbols, Say(channel), r"[A-Z0-9]+[_-][A-Z0-9]+", "BTC_USDT"),
        "acks": Acks(by="count"),
        "classify": _kind,
        "answer": _answer,
        "key": "result.symbol",
        "decode": Union[message, Heartbeat],
        "send_budget": _SENDS,
        **settings,
    }
    return Feed(url, **fields)


def _kind(message: Any) -> Optional[Kind]:
    if type(message) is Heartbeat:
        return Kind.CHALLENGE
    if message.result is not None:
        return None
    return Kind.ERROR if message.code else Kind.ACK


def _answer(message: Heartbeat) -> dict[str, Any]:
    return {"id": message.id, "method": "public/respond-heartbeat"}


__all__ = ["Depth", "Heartbeat", "Message", "Result", "Ticker", "Trade", "depth", "ticker", "trades"]
