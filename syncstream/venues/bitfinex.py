"""Bitfinex v2: `depth` with books, and `ticker`, of the public channels.

Where the rules come from (VENUE: Bitfinex's documentation of WebSocket v2, as it was in 2026-11; DATA: a session recorded on
2021-04-17, seven symbols, which the tests replay):

* `{"event": "conf", "flags": 65536}` before everything else: from then on the last element of each array counts all data of the
  connection from 1, heartbeats included; events (objects) have no number. DATA: 0 gaps in 1,670 messages. So one number missing
  puts every symbol in doubt, and a new line is dialled.
* `subscribed` tells the `chanId`, the only thing that data says of what it is; another connection has other ones. DATA.
* Book (P0): rows of price, count and amount; an amount below zero is an ask's, a count of 0 deletes. First all rows, then one
  at a time. DATA.
* `[chanId, "hb", number]` after 15 s of silence of a channel. DATA: 42.
* The notice 20051 asks to reconnect, 20060 to pause, 20061 says that it is over and every channel is to be left and subscribed
  again. VENUE, not run. For that a new line is dialled: what is not left first is refused as a duplicate.
* Arrays may become longer (VENUE): what stands behind the known elements is passed over, but for the number, the last one.
* So many channels a line: the house's notes of 2026-11-22 have 20 to 30; 25 are taken here. Not run.

Leaving a symbol needs the `chanId`, which only the connection knows: what is subscribed stays so. Trades are not here: the
session has none but those of the past.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Callable, Optional, Sequence, Union

import msgspec

from ..core.opening import Step
from ..core.rules import Kind
from ..core.sequence import Contiguous
from ..core.sources import Reconnect
from ..core.subscriptions import Acks
from ..feed import CONNECTION, Feed
from ..levels import Levels
from ._names import asking, one_of, steps

STREAM_URL = "wss://api-pub.bitfinex.com/ws/2"

_NUMBERED = 65536
_HEARTBEAT = 15.0
_MOST = 25
_ROW, _FIGURES = 3, 10  # elements that are known of a row of the book, and of a ticker
_LENGTHS = (1, 25, 100, 250)
_NOTICES = {20051: Kind.RECONNECT, 20060: Kind.PAUSE, 20061: Kind.RECONNECT}

Row = tuple[Decimal, int, Decimal]  # price, number of orders, amount
Number = Union[int, Decimal]


class Depth(msgspec.Struct, frozen=True):
    """Rows of price, number of orders (0: none any more) and amount (below zero: of an ask): one, or all of a `snapshot`."""

    channel_id: int
    rows: Sequence[Sequence[Number]]
    number: int
    snapshot: bool

    @property
    def bids(self) -> list[tuple[Number, Number]]:
        """Price and new size of the bids among the rows."""
        return [(price, amount if count else 0) for price, count, amount in self.rows if amount > 0]

    @property
    def asks(self) -> list[tuple[Number, Number]]:
        """Price and new size of the asks among the rows."""
        return [(price, -amount if count else 0) for price, count, amount in self.rows if amount < 0]


class Ticker(msgspec.Struct, frozen=True):
    """Best prices with the sizes behind them, the change of a day, the last price, and volume, high and low of a day."""

    channel_id: int
    number: int
    bid: Number
    bid_size: Number
    ask: Number
    ask_size: Number
    change: Number
    relative_change: Number
    last: Number
    volume: Number
    high: Number
    low: Number


class Heartbeat(msgspec.Struct, frozen=True):
    """A channel has had nothing to say. It is not delivered."""

    channel_id: int
    number: int


class Event(msgspec.Struct, frozen=True, rename={"channel_id": "chanId", "reason": "msg"}):
    """What the venue says of itself and of subscriptions. It is not delivered."""

    event: str
    channel_id: Optional[int] = None
    symbol: str = ""
    code: int = 0
    reason: str = ""
    status: str = ""

    def __str__(self) -> str:
        """What is told of a refusal."""
        return f"{self.code} {self.reason}" if self.event == "error" else repr(self)


_event = msgspec.json.Decoder(Event).decode
_array = msgspec.json.Decoder(list, float_hook=Decimal).decode  # all digits stay


class Say(msgspec.Struct, frozen=True):
    """The `subscribe=` of a feed: a request for each symbol."""

    asked: dict[str, str]

    def __call__(self, topics: Sequence[str]) -> list[dict[str, str]]:
        return [{"event": "subscribe", "symbol": topic, **self.asked} for topic in topics]


class Decode(msgspec.Struct, frozen=True):
    """The `decode=` of a feed. `make`: what an array of its channel is."""

    make: Callable[[list[Any]], Any]

    def __call__(self, text: str) -> Any:
        if text[0] == "{":
            return _event(text)
        parts = _array(text)
        return Heartbeat(parts[0], parts[-1]) if parts[1] == "hb" else self.make(parts)


def depth(symbols: Sequence[str], *, depth: int = 100, url: str = STREAM_URL, **settings: Any) -> Feed:
    """Order books: messages are `Named` with a `Depth`, `stream.books["tBTCUSD"]` is kept.

    `depth`: rows a side, 1, 25, 100 or 250. `settings`: other fields of the `Feed`, such as `backoff`; the steps of an `opening=`
    come after the adapter's own one, which is `conf`.
    """
    one_of("depth", depth, _LENGTHS)
    fields: dict[str, Any] = {"snapshot": Reconnect(), "book": Levels(bids="bids", asks="asks"), **settings}
    return _feed(url, symbols, {"channel": "book", "prec": "P0", "freq": "F0", "len": str(depth)}, _depth, **fields)


def ticker(symbols: Sequence[str], *, url: str = STREAM_URL, **settings: Any) -> Feed:
    """Best prices: messages are `Named` with a `Ticker`, each of them whole."""
    return _feed(url, symbols, {"channel": "ticker"}, _ticker, **settings)


def _feed(url: str, symbols: Sequence[str], asked: dict[str, str], make: Callable[[list[Any]], Any], **settings: Any) -> Feed:
    fields: dict[str, Any] = {
        **asking(symbols, Say(asked), r"t[A-Z0-9:]+", "tBTCUSD", most=_MOST),
        "acks": Acks(by="key", topics="symbol"),
        "decode": Decode(make),
        "key": "channel_id",
        "alias": _alias,
        "classify": kind_of,
        "counter": CONNECTION,
        "sequence": Contiguous("number", start=1),
        "heartbeat": _HEARTBEAT,
        **settings,
        "opening": steps((_CONF,), settings.get("opening", ())),
    }
    return Feed(url, **fields)


def kind_of(message: Any) -> Kind:
    """What it is to the stream."""
    if isinstance(message, Depth):
        return Kind.SNAPSHOT if message.snapshot else Kind.DATA
    if isinstance(message, Ticker):
        return Kind.DATA
    if isinstance(message, Heartbeat):
        return Kind.HEARTBEAT
    if message.event == "info":
        return _NOTICES.get(message.code, Kind.IGNORE)
    return {"subscribed": Kind.ACK, "error": Kind.ERROR}.get(message.event, Kind.IGNORE)


def _alias(message: Event) -> tuple[Optional[int], str]:
    return message.channel_id, message.symbol


def _depth(parts: list[Any]) -> Depth:
    rows = parts[1]
    whole = not rows or isinstance(rows[0], list)
    return Depth(parts[0], [row[:_ROW] for row in rows] if whole else [rows[:_ROW]], parts[-1], whole)


def _ticker(parts: list[Any]) -> Ticker:
    return Ticker(parts[0], parts[-1], *parts[1][:_FIGURES])


def _is_conf(message: Any) -> bool:
    return isinstance(message, Event) and message.event == "conf"


def _is_refused(message: Any) -> Optional[str]:
    return f"conf: {message.status}" if _is_conf(message) and message.status != "OK" else None


_CONF = Step(send={"event": "conf", "flags": _NUMBERED}, expect=_is_conf, fail=_is_refused)

__all__ = ["Depth", "Event", "Heartbeat", "Ticker", "depth", "ticker"]
