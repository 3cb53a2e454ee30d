"""Gemini: `depth` with a book, and `trades`, of one symbol a line, by the market data feed v1.

From documentation, not run (Gemini's documentation of its public WebSocket API v1, as told in other clients, 2026-11; since
2026-07 there is a v3, which is not here):

* The symbol stands in the URL, one to a line, and nothing is subscribed. What is wanted is said in the query. Several symbols are
  as many lines: `Sharded(gemini.depth, ["BTCUSD", "ETHUSD"], per_line=1)`.
* `socket_sequence` counts all of a line from 0 on, heartbeats included: one that is missing is a hole.
* The first message of a book has all levels, each a `change` with what remains at its price and the reason `initial`; it need not
  be the first of the line, for a heartbeat may be. Later ones have what has changed.
* With `heartbeat=true` something comes every 5 s.

Of a symbol that the venue does not have nothing comes: the line is not opened, or `wait_live` says `[None]`, for what stands in a
URL is no topic of the feed.
"""

from __future__ import annotations

from typing import Any, Optional, Sequence, Union
from urllib.parse import urlencode

import msgspec

from ..core.rules import Kind
from ..core.sequence import Contiguous
from ..core.sources import Reconnect
from ..feed import CONNECTION, Feed
from ..levels import Levels
from ._names import listed

STREAM_URL = "wss://api.gemini.com/v1/marketdata"


class Event(msgspec.Struct, frozen=True, rename={"maker_side": "makerSide"}):
    """A `change`, with what remains at a price, or a `trade`, with its amount; numbers as text."""

    type: str
    price: str = ""
    side: str = ""
    remaining: str = ""
    reason: str = ""
    amount: str = ""
    maker_side: str = ""
    tid: Optional[int] = None


class Update(
    msgspec.Struct, frozen=True, tag_field="type", tag="update", rename={"number": "socket_sequence", "time": "timestampms"}
):
    """What happened together. `number`: of the line; `time` in ms."""

    number: int
    events: list[Event]
    time: Optional[int] = None


class Heartbeat(msgspec.Struct, frozen=True, tag_field="type", tag="heartbeat", rename={"number": "socket_sequence"}):
    """A line that is alive. It is numbered, too."""

    number: int


class Only(msgspec.Struct, frozen=True):
    """The `key=` of a feed of one symbol."""

    symbol: str

    def __call__(self, message: Any) -> Optional[str]:
        return self.symbol if type(message) is Update else None


def depth(symbols: Sequence[str], *, url: str = STREAM_URL, **settings: Any) -> Feed:
    """The book of one symbol: messages are `Update`, `stream.books["BTCUSD"]` is kept, a hole is healed by a new connection.

    `symbols`: one, such as `["BTCUSD"]`; more than one is a `FeedError`. `settings`: other fields of the `Feed`, such as
    `backoff`.
    """
    fields: dict[str, Any] = {
        "classify": _kind_of_book,
        "snapshot": Reconnect(),
        "book": Levels(bids=_bids, asks=_asks),
        **settings,
    }
    return _feed(url, symbols, {"bids": "true", "offers": "true"}, **fields)


def trades(symbols: Sequence[str], *, url: str = STREAM_URL, **settings: Any) -> Feed:
    """Trades of one symbol, `symbols` as in `depth`: messages are `Update`. A hole is told by a `Gap`; nothing heals it."""
    return _feed(url, symbols, {"trades": "true"}, **{"classify": _kind, **settings})


def _feed(url: str, symbols: Sequence[str], wanted: dict[str, str], **settings: Any) -> Feed:
    (name,) = listed(symbols, r"[A-Za-z0-9]+", "BTCUSD", most=1)
    fields: dict[str, Any] = {
        "decode": Union[Update, Heartbeat],
        "key": Only(name),
        "counter": CONNECTION,
        "sequence": Contiguous("number", start=0),
        "heartbeat": 5.0,
        "timestamp": "time",
        **settings,
    }
    return Feed(f"{url}/{name}?{urlencode({'heartbeat': 'true', **wanted})}", **fields)


def _bids(message: Update) -> Sequence[tuple[str, str]]:
    return [(event.price, event.remaining) for event in message.events if event.type == "change" and event.side == "bid"]


def _asks(message: Update) -> Sequence[tuple[str, str]]:
    return [(event.price, event.remaining) for event in message.events if event.type == "change" and event.side == "ask"]


def _kind(message: Any) -> Optional[Kind]:
    return Kind.HEARTBEAT if type(message) is Heartbeat else None


def _kind_of_book(message: Any) -> Optional[Kind]:
    if type(message) is not Update:
        return _kind(message)
    return Kind.SNAPSHOT if message.number == 0 or (message.events and message.events[0].reason == "initial") else None


__all__ = ["Event", "Heartbeat", "Update", "depth", "trades"]
