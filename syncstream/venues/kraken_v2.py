"""Kraken, WebSocket v2: `depth` with books that a CRC32 is checked on.

Where the rules come from (VENUE: docs.kraken.com, WebSocket v2, as it was in 2026-11; DATA: four book messages recorded on
2026-08-24, which the tests replay):

* One answer to each symbol of a subscription, `{"method": "subscribe", "success", "result": {"symbol"}}`, then its snapshot.
  DATA.
* Prices and sizes are JSON numbers, and the CRC32 is over their digits, so they are decoded to `Decimal`s. VENUE; DATA: equal on
  4 of 4 messages, the snapshot included, and not on all of them with `float`s.
* Nothing is numbered. The checksum is over the ten best levels of both sides, after the message was applied and what stands
  behind the subscribed depth was cut off. VENUE, DATA. So loss is seen when it reaches the ten best levels, and healed by a new
  subscription.
* `{"channel": "heartbeat"}` once a second while nothing else is sent. VENUE; DATA has two.
* A refused symbol is answered with `success: false` and an `error`. VENUE, not run.
* `{"Error": "Exceeded msg rate"}` names nothing: it is told as `Quarantined`, in these words, and what was not acknowledged is
  asked for again. NautilusTrader's constants, read 2026-11-22; not run.
* Depths of 10, 25, 100, 500 and 1000 levels. VENUE; DATA: 10.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Optional, Sequence

import msgspec

from ..book import kraken_checksum
from ..core.rules import Kind
from ..core.sources import Resubscribe
from ..core.subscriptions import Acks
from ..feed import Feed
from ..levels import Levels
from ._names import asking, one_of

STREAM_URL = "wss://ws.kraken.com/v2"

_DEPTHS = (10, 25, 100, 500, 1000)
_HEARTBEAT = 5.0  # it comes every second, but not to the millisecond


class Level(msgspec.Struct, frozen=True, rename={"size": "qty"}):
    """The total size at a price, 0 for none any more, with the digits that were sent."""

    price: Decimal
    size: Decimal


class Book(msgspec.Struct, frozen=True):
    """Levels that have changed, or all of them in a snapshot. `checksum`: of the book with this applied."""

    symbol: str = ""
    bids: Sequence[Level] = ()
    asks: Sequence[Level] = ()
    checksum: int = 0
    timestamp: str = ""


class Subscribed(msgspec.Struct, frozen=True):
    """What an acknowledgement is about."""

    symbol: str = ""


class Message(msgspec.Struct, frozen=True):
    """A frame. A book message is of the channel `book`, of type `snapshot` or `update`, and has one `Book` in `data`.

    The others are not delivered: `heartbeat`, `status`, and answers, which name their `method`.
    """

    channel: str = ""
    type: str = ""
    data: Sequence[Book] = ()
    method: str = ""
    success: bool = True
    symbol: str = ""
    error: str = ""
    result: Optional[Subscribed] = None
    trouble: str = msgspec.field(name="Error", default="")

    @property
    def book(self) -> Book:
        """The one of a book message. `IndexError` for others."""
        return self.data[0]

    def __str__(self) -> str:
        """What is told of a refusal."""
        return self.error or repr(self)


class Say(msgspec.Struct, frozen=True):
    """The `subscribe=` and `unsubscribe=` of a feed."""

    method: str
    depth: int

    def __call__(self, topics: Sequence[str]) -> dict[str, Any]:
        return {"method": self.method, "params": {"channel": "book", "symbol": list(topics), "depth": self.depth}}


def depth(symbols: Sequence[str], *, depth: int = 10, url: str = STREAM_URL, **settings: Any) -> Feed:
    """Order books: messages are `Message`s with a `book`, `stream.books["BTC/USD"]` is kept, each state of it is checked.

    `depth`: levels a side. `settings`: other fields of the `Feed`, such as `backoff`.
    """
    one_of("depth", depth, _DEPTHS)

    fields: dict[str, Any] = {
        **asking(symbols, Say("subscribe", depth), r"[^/\s]+/[^/\s]+", "BTC/USD"),
        "unsubscribe": Say("unsubscribe", depth),
        "acks": Acks(by="key", topics=_acknowledged),
        "decode": Message,
        "key": "book.symbol",
        "classify": kind_of,
        "timestamp": "book.timestamp",
        "timestamp_unit": "iso",
        "snapshot": Resubscribe(),
        "book": Levels(
            bids=_bids,
            asks=_asks,
            depth=depth,
            checksum=kraken_checksum,
            expected="book.checksum",
        ),
        "heartbeat": _HEARTBEAT,
        **settings,
    }
    return Feed(url, **fields)


def kind_of(message: Message) -> Kind:
    """What it is to the stream. Raises `ValueError` for an error that is about nothing that one could name."""
    if message.channel == "book":
        return Kind.SNAPSHOT if message.type == "snapshot" else Kind.DATA
    if message.channel == "heartbeat":
        return Kind.HEARTBEAT
    if message.trouble:
        raise ValueError(message.trouble)
    if message.method != "subscribe":
        return Kind.IGNORE
    return Kind.ACK if message.success else Kind.ERROR


def _bids(message: Message) -> list[tuple[Decimal, Decimal]]:
    return [(level.price, level.size) for level in message.data[0].bids]


def _asks(message: Message) -> list[tuple[Decimal, Decimal]]:
    return [(level.price, level.size) for level in message.data[0].asks]


def _acknowledged(message: Message) -> str:
    return message.symbol if message.result is None else message.result.symbol


__all__ = ["Book", "Level", "Message", "depth"]
