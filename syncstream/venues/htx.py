"""HTX, which was Huobi, spot: `depth` with books, and `trades`.

Where the rules come from (DATA: a session recorded on 2021-04-17, ten symbols, which the tests replay):

* Each frame is binary and gzip. DATA.
* A subscription of one channel has an id, and its acknowledgement has the same. DATA.
* The venue asks `{"ping": ms}` every 5 s and wants `{"pong": ms}`. DATA, with the answers of that day's client.
* `depth.step0`: all of up to 150 levels a side, once a second, with a `version` that only grows. DATA.
* `trade.detail`: begins with the last trade there was, which may be old; `id` only grows. DATA.
* A refusal has `status` other than `ok`, and says why in `err-msg`. From the documentation as told in other clients, not run.

The incremental books (`mbp`) are not here: their session was not recorded.
"""

from __future__ import annotations

import itertools
from decimal import Decimal
from typing import Any, Generic, Optional, Sequence, TypeVar

import msgspec

from ..core.rules import Kind
from ..core.sequence import Increasing
from ..core.subscriptions import Acks
from ..feed import Feed
from ..levels import Levels
from ._names import asking

STREAM_URL = "wss://api.huobi.pro/ws"

T = TypeVar("T")

_numbers = itertools.count(1)  # of requests


class Depth(msgspec.Struct, frozen=True, rename={"time": "ts"}):
    """Levels as price and size, best first; `time` in ms."""

    bids: list[tuple[Decimal, Decimal]]
    asks: list[tuple[Decimal, Decimal]]
    version: int
    time: int


class Deal(msgspec.Struct, frozen=True, rename={"number": "tradeId", "size": "amount", "side": "direction", "time": "ts"}):
    """One trade; `side` is the taker's, `time` in ms."""

    number: int
    price: Decimal
    size: Decimal
    side: str
    time: int


class Trades(msgspec.Struct, frozen=True, rename={"number": "id", "deals": "data", "time": "ts"}):
    """Trades of one moment, in ms."""

    number: int
    deals: list[Deal]
    time: int


class Message(msgspec.Struct, Generic[T], frozen=True, rename={"channel": "ch", "data": "tick", "reason": "err-msg"}):
    """A frame: data of a `channel`, a `ping`, or the answer to the request `id`."""

    channel: str = ""
    data: Optional[T] = None
    ping: Optional[int] = None
    id: Optional[int] = None
    status: str = ""
    reason: str = ""

    @property
    def symbol(self) -> Optional[str]:
        """Whose data it is; `None` if it is none."""
        return self.channel.split(".")[1] if self.channel else None

    def __str__(self) -> str:
        """What is told of a refusal."""
        return self.reason or repr(self)


class Say(msgspec.Struct, frozen=True):
    """The `subscribe=` and `unsubscribe=` of a feed. `channel` has a `{}` for the symbol."""

    verb: str
    channel: str

    def __call__(self, topics: Sequence[str]) -> tuple[dict[str, Any], ...]:
        return tuple({self.verb: self.channel.format(topic), "id": next(_numbers)} for topic in topics)


def depth(symbols: Sequence[str], *, url: str = STREAM_URL, **settings: Any) -> Feed:
    """Books of 150 levels: messages are `Message[Depth]`, `stream.books["btcusdt"]` is kept. Every reconnect is told.

    `settings`: other fields of the `Feed`, such as `backoff`.
    """
    book = Levels(bids="data.bids", asks="data.asks", whole=True)
    fields: dict[str, Any] = {"sequence": Increasing("data.version"), "book": book, **settings}
    return _feed(url, symbols, "market.{}.depth.step0", Message[Depth], **fields)


def trades(symbols: Sequence[str], *, url: str = STREAM_URL, **settings: Any) -> Feed:
    """Trades: messages are `Message[Trades]`. Loss cannot be seen, so every reconnect is told."""
    fields: dict[str, Any] = {"sequence": Increasing("data.number"), **settings}
    return _feed(url, symbols, "market.{}.trade.detail", Message[Trades], **fields)


def _feed(url: str, symbols: Sequence[str], channel: str, message: Any, **settings: Any) -> Feed:
    fields: dict[str, Any] = {
        **asking(symbols, Say("sub", channel), r"[a-z0-9]+", "btcusdt"),
        "unsubscribe": Say("unsub", channel),
        "acks": Acks(by="id"),
        "classify": _kind,
        "answer": _answer,
        "key": "symbol",
        "transform": "gzip",
        "decode": message,
        "timestamp": "data.time",
        "heartbeat": 10.0,  # twice its pings: it is dead after three that did not come
        **settings,
    }
    return Feed(url, **fields)


def _kind(message: Message[Any]) -> Optional[Kind]:
    if message.data is not None:
        return None
    if message.ping is not None:
        return Kind.CHALLENGE
    return Kind.ACK if message.status == "ok" else Kind.ERROR


def _answer(message: Message[Any]) -> dict[str, Any]:
    return {"pong": message.ping}


__all__ = ["Deal", "Depth", "Message", "Trades", "depth", "trades"]
