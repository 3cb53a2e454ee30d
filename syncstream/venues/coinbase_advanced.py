"""Coinbase Advanced Trade: `depth` with books, `trades`, `ticker`, of the public channels.

Where the rules come from (VENUE: docs.cdp.coinbase.com, Advanced Trade WebSocket, as it was in 2026-11; CLIENT: NautilusTrader's
notes on Coinbase, read 2026-11-22; DATA: a session recorded on 2026-08-09, two products, which the tests replay):

* `sequence_num` counts all that a connection is sent, from 0, data of all channels, answers and heartbeats alike. DATA: 0 gaps in
  1,030 messages. So one number missing puts every product in doubt, and a new line is dialled. VENUE.
* One channel a request. Data comes before the answer, which lists all that is subscribed by then. DATA. An error refuses all of a
  request; where its text names one product only, that one is refused, and the others are asked for again. Not run.
* An error about a rate limit refuses nothing, and may be about `heartbeats`: what waits alone is asked for again. Not run.
* `level2` comes as `l2_data`: a snapshot of every level, then changes; a quantity of 0 deletes. DATA: 46,000 levels in the
  largest.
* Each frame has one event, of one product. DATA. Several events of one product are taken together; a frame of several products is
  quarantined, and its number is missed: a gap, and not a loss without a word.
* The channel `heartbeats` sends a counter each second and keeps quiet channels open, which end after 60 to 90 s else. DATA,
  VENUE.
* The first subscription has to come within 5 s. Eight connections and eight messages a second from one IP address: this process
  counts its dials together, and what it says on each line. CLIENT, not run. Trades: `trade_id` grows, per product. DATA.
* Candles and the channels of a user, which want a token, are not here.
"""

from __future__ import annotations

import re
from typing import Any, Optional, Sequence

import msgspec

from ..core.budget import Budget
from ..core.opening import Step
from ..core.rules import Kind
from ..core.sequence import Contiguous
from ..core.sources import Reconnect
from ..core.subscriptions import Acks
from ..feed import CONNECTION, Feed
from ..levels import Levels
from ._names import asking, refusal, steps

STREAM_URL = "wss://advanced-trade-ws.coinbase.com"

_HEARTBEAT = 5.0  # they come every second, but not to the millisecond
_PRODUCT = r"[A-Z0-9]+-[A-Z0-9-]+"
_HEARTBEATS = Step(send={"type": "subscribe", "channel": "heartbeats"})
_DIALS = _SENDS = Budget(count=8, per=1.0)
_DATA = ("l2_data", "market_trades", "ticker")
_LARGEST = 64 * 1024 * 1024  # a snapshot of BTC-USD has 5 MB


class Change(msgspec.Struct, frozen=True, rename={"time": "event_time", "price": "price_level", "size": "new_quantity"}):
    """The new size at a price of a `side`, `bid` or `offer`. As text."""

    side: str
    time: str
    price: str
    size: str


class Trade(msgspec.Struct, frozen=True, rename={"product": "product_id", "number": "trade_id"}):
    """A trade; `side`: `BUY` or `SELL`, in the venue's sense. As text."""

    product: str
    number: str
    price: str
    size: str
    side: str
    time: str


class Ticker(
    msgspec.Struct,
    frozen=True,
    rename={
        "product": "product_id",
        "bid": "best_bid",
        "bid_size": "best_bid_quantity",
        "ask": "best_ask",
        "ask_size": "best_ask_quantity",
    },
):
    """The last price and the best ones. As text."""

    product: str
    price: str
    bid: str
    bid_size: str
    ask: str
    ask_size: str


class Event(msgspec.Struct, frozen=True, rename={"changes": "updates", "product": "product_id"}):
    """What came, by channel: `changes` of one `product`, `trades` or `tickers`. `subscriptions`: channel to products."""

    type: str = ""
    product: Optional[str] = None
    changes: Sequence[Change] = ()
    trades: Sequence[Trade] = ()
    tickers: Sequence[Ticker] = ()
    subscriptions: dict[str, list[str]] = {}


class Message(msgspec.Struct, frozen=True, rename={"number": "sequence_num", "time": "timestamp"}):
    """A frame. In DATA each has one event, of one product. `time` as text. `reason`: of an error, which has no number."""

    channel: str = ""
    time: str = ""
    number: Optional[int] = None
    events: Sequence[Event] = ()
    type: str = ""
    reason: str = msgspec.field(name="message", default="")

    @property
    def event(self) -> Event:
        """The first one; in DATA there is no other."""
        return self.events[0]

    def __str__(self) -> str:
        """What is told of a refusal."""
        return self.reason if self.type == "error" else repr(self)


class Say(msgspec.Struct, frozen=True):
    """The `subscribe=` and `unsubscribe=` of a feed."""

    type: str
    channel: str

    def __call__(self, topics: Sequence[str]) -> dict[str, Any]:
        return {"type": self.type, "channel": self.channel, "product_ids": list(topics)}


class Subscribed(msgspec.Struct, frozen=True):
    """What an answer lists of a channel, or the product that an error names. One that names several repeats the request."""

    channel: str

    def __call__(self, message: Message) -> list[str]:
        if message.type == "error":
            found = re.findall(_PRODUCT, message.reason)
            return found if len(found) == 1 else []
        return message.event.subscriptions.get(self.channel, [])


def depth(products: Sequence[str], *, url: str = STREAM_URL, **settings: Any) -> Feed:
    """Order books, whole: messages are `Message`s with `changes`, `stream.books["BTC-USD"]` is kept.

    `settings`: other fields of the `Feed`, such as `backoff`; the steps of an `opening=` come after the adapter's own one, which
    subscribes `heartbeats`.
    """
    fields: dict[str, Any] = {
        "snapshot": Reconnect(),
        "book": Levels(bids=_bids, asks=_asks),
        "max_message_size": _LARGEST,
        **settings,
    }
    return _feed(url, products, "level2", **fields)


def trades(products: Sequence[str], *, url: str = STREAM_URL, **settings: Any) -> Feed:
    """Trades: messages are `Message`s with `trades`; the latest ones of each product are told by a `Snapshot` first."""
    return _feed(url, products, "market_trades", **settings)


def ticker(products: Sequence[str], *, url: str = STREAM_URL, **settings: Any) -> Feed:
    """Best prices: messages are `Message`s with `tickers`, the first of each product is told by a `Snapshot`."""
    return _feed(url, products, "ticker", **settings)


def _feed(url: str, products: Sequence[str], channel: str, **settings: Any) -> Feed:
    fields: dict[str, Any] = {
        "unsubscribe": Say("unsubscribe", channel),
        **asking(products, Say("subscribe", channel), _PRODUCT, "BTC-USD", field="products"),
        "acks": Acks(by="key", topics=Subscribed(channel)),
        "decode": Message,
        "key": _product,
        "classify": kind_of,
        "counter": CONNECTION,
        "sequence": Contiguous("number", start=0),
        "heartbeat": _HEARTBEAT,
        "timestamp": "time",
        "timestamp_unit": "iso",
        "dial_budget": _DIALS,
        "send_budget": _SENDS,
        **settings,
        "opening": steps((_HEARTBEATS,), settings.get("opening", ())),
    }
    return Feed(url, **fields)


def kind_of(message: Message) -> Kind:
    """What it is to the stream."""
    if message.channel in _DATA:
        return Kind.SNAPSHOT if message.event.type == "snapshot" else Kind.DATA
    if message.type == "error":
        return refusal(message)
    return {"subscriptions": Kind.ACK, "heartbeats": Kind.HEARTBEAT}.get(message.channel, Kind.IGNORE)


def _product(message: Message) -> Optional[str]:
    """Whose data it is. Raises `ValueError` where it is of several: only one of them could be followed."""
    if message.channel not in _DATA:
        return None
    products: set[Optional[str]] = set()
    for event in message.events:
        if message.channel == "l2_data":
            products.add(event.product)
        else:
            products.update([trade.product for trade in event.trades] + [ticker.product for ticker in event.tickers])
    if len(products) > 1:
        raise ValueError(f"{message.channel} of {len(products)} products in one frame")
    return products.pop() if products else None


def _bids(message: Message) -> list[tuple[str, str]]:
    return [(change.price, change.size) for event in message.events for change in event.changes if change.side == "bid"]


def _asks(message: Message) -> list[tuple[str, str]]:
    return [(change.price, change.size) for event in message.events for change in event.changes if change.side == "offer"]


__all__ = ["Change", "Event", "Message", "Ticker", "Trade", "depth", "ticker", "trades"]
