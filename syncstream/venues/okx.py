"""OKX v5: `depth` with books, `trades`, `ticker`, by the public socket.

Where the rules come from (VENUE: OKX's documentation of v5 and its notices, as they were in 2026-11; DATA: a session recorded on
2022-05-13, three instruments, and eight messages recorded on 2026-08-24, which the tests replay; CLIENT: NautilusTrader, as told
by the house's notes of 2026-11-22):

* Each argument of a subscription is answered by an event of its own, or by an error, which names its instrument in its text only.
  DATA, errors VENUE. One about too many requests (60014) refuses nothing, and is asked for again. Answers bring the `id` of
  the request back (VENUE): a refusal to unsubscribe is nobody's.
* Books: `prevSeqId` is the `seqId` before, per instrument, -1 in a snapshot; the numbers themselves skip. One that is equal to
  the one before and changes nothing shows life; a lower one behind the right `prevSeqId` is a reset. VENUE; DATA of 2026: 6 of
  6.
* A subscription begins with a snapshot (VENUE, DATA), so holes are healed by leaving and subscribing again: the server of the
  tests, not run.
* The checksum is 0 since 2026-06-23 and means nothing then (VENUE, "Checksum Field Deprecation", 2026-05-21; DATA of 2026). One
  that is not 0 is checked: DATA of 2022, equal on 290 of 290 messages; that session has no `seqId`, so it needs `sequence=None`.
* The client says `ping` in plain text when nothing came for less than 30 s, and gets `pong`. VENUE; the server of the tests. It
  is said in any case here: what answers a WebSocket ping of ours comes, too, and is no data.
* The notice 64008 comes a minute before the venue is upgraded and drops the line; a new one is dialled at once. VENUE, not run.
* 480 requests to subscribe or unsubscribe an hour and line: not kept by the feed, for a `send_budget` counts pings as well, and
  withholds them for the rest of its hour. Three connections a second from one IP address. CLIENT, not run. A hundred instruments
  in one request are no rule of the venue's.
* Trades: `tradeId` grows by one, per instrument (DATA of 2022, 71 of 71). Whether several may be merged today is not known, so
  only that it grows is relied on, and loss cannot be seen.
"""

from __future__ import annotations

import re
from typing import Any, Optional, Sequence

import msgspec

from ..book import okx_checksum
from ..core.budget import Budget
from ..core.keepalive import Keepalive
from ..core.rules import Kind
from ..core.sequence import Chained, Increasing
from ..core.sources import Resubscribe
from ..core.subscriptions import Acks, Batch
from ..feed import Feed
from ..levels import Levels
from ._names import asking, refusal

STREAM_URL = "wss://ws.okx.com:8443/ws/v5/public"

_EVERY = 25.0
_UPGRADE = "64008"
_NAMED = re.compile(r'instId"?:\s*"?([A-Z0-9_-]+)')
_BATCH = Batch(topics=100)
_DIALS = Budget(count=3, per=1.0)

Rows = Sequence[Sequence[str]]


class Argument(msgspec.Struct, frozen=True, rename={"instrument": "instId"}):
    """What a message is about."""

    channel: str = ""
    instrument: str = ""


class _Said(msgspec.Struct, frozen=True):
    """What any frame may have. `event`: it is no data, and not delivered."""

    arg: Argument = Argument()
    event: str = ""
    code: str = ""
    msg: str = ""
    id: str = ""

    @property
    def about(self) -> list[str]:
        """The instruments that an answer is about."""
        return [self.arg.instrument] if self.arg.instrument else _NAMED.findall(self.msg)

    def __str__(self) -> str:
        """What is told of a refusal."""
        return f"{self.code} {self.msg}" if self.event == "error" else repr(self)


class Book(msgspec.Struct, frozen=True, rename={"time": "ts", "number": "seqId", "previous": "prevSeqId"}):
    """Levels that have changed since `previous`, or all of them: price, new size, a deprecated figure and the number of orders,
    as text. `time`: text, in ms."""

    bids: Rows
    asks: Rows
    time: str
    checksum: int = 0
    number: Optional[int] = None
    previous: Optional[int] = None


class Depth(_Said, frozen=True):
    """`action` is `snapshot` or `update`; one `Book` in `data`."""

    action: str = ""
    data: Sequence[Book] = ()


class Trade(msgspec.Struct, frozen=True, rename={"number": "tradeId", "price": "px", "size": "sz", "time": "ts"}):
    """A trade; `side`: of the taker. All as text, `time` in ms."""

    number: str
    price: str
    size: str
    side: str
    time: str


class Trades(_Said, frozen=True):
    """One `Trade` or more in `data`."""

    data: Sequence[Trade] = ()


class Ticker(
    msgspec.Struct,
    frozen=True,
    rename={"size": "lastSz", "bid": "bidPx", "bid_size": "bidSz", "ask": "askPx", "ask_size": "askSz", "time": "ts"},
):
    """The last trade and the best prices. All as text, `time` in ms."""

    last: str
    size: str
    bid: str
    bid_size: str
    ask: str
    ask_size: str
    time: str


class Tickers(_Said, frozen=True):
    """One `Ticker` in `data`."""

    data: Sequence[Ticker] = ()


class Say(msgspec.Struct, frozen=True):
    """The `subscribe=` and `unsubscribe=` of a feed."""

    operation: str
    channel: str

    def __call__(self, topics: Sequence[str]) -> dict[str, Any]:
        return {
            "id": self.operation,
            "op": self.operation,
            "args": [{"channel": self.channel, "instId": topic} for topic in topics],
        }


def depth(instruments: Sequence[str], *, url: str = STREAM_URL, **settings: Any) -> Feed:
    """Order books of 400 levels a side: messages are `Depth`, `stream.books["BTC-USDT"]` is kept.

    `settings`: other fields of the `Feed`, such as `backoff`.
    """
    fields: dict[str, Any] = {
        "sequence": Chained("data.0.previous", "data.0.number"),
        "snapshot": Resubscribe(),
        "book": Levels(bids="data.0.bids", asks="data.0.asks", checksum=okx_checksum, expected="data.0.checksum"),
        **settings,
    }
    return _feed(url, instruments, "books", Depth, **fields)


def trades(instruments: Sequence[str], *, url: str = STREAM_URL, **settings: Any) -> Feed:
    """Trades: messages are `Trades`. Loss cannot be seen, so every reconnect is told."""
    fields: dict[str, Any] = {"sequence": Increasing(_number), **settings}
    return _feed(url, instruments, "trades", Trades, **fields)


def ticker(instruments: Sequence[str], *, url: str = STREAM_URL, **settings: Any) -> Feed:
    """Best prices: messages are `Tickers`, each of them whole. Loss cannot be seen, so every reconnect is told."""
    return _feed(url, instruments, "tickers", Tickers, **settings)


def _feed(url: str, instruments: Sequence[str], channel: str, decode: Any, **settings: Any) -> Feed:
    fields: dict[str, Any] = {
        "unsubscribe": Say("unsubscribe", channel),
        **asking(instruments, Say("subscribe", channel), r"[A-Z0-9_-]+", "BTC-USDT", field="instruments"),
        "batch": _BATCH,
        "acks": Acks(by="key", topics="about"),
        "decode": decode,
        "key": "arg.instrument",
        "classify": kind_of,
        "keepalive": Keepalive(every=_EVERY, send="ping", expect="pong"),
        "timestamp": _time,
        "dial_budget": _DIALS,
        **settings,
    }
    return Feed(url, **fields)


def kind_of(message: Any) -> Kind:
    """What it is to the stream."""
    if not message.event:
        return Kind.SNAPSHOT if getattr(message, "action", "") == "snapshot" else Kind.DATA
    if message.event == "notice" and message.code == _UPGRADE:
        return Kind.RECONNECT
    if message.id == "unsubscribe":
        return Kind.IGNORE
    if message.event == "error":
        return refusal(message)
    return Kind.ACK if message.event == "subscribe" else Kind.IGNORE


def _number(message: Trades) -> int:
    return int(message.data[-1].number)


def _time(message: Any) -> int:
    return int(message.data[-1].time)


__all__ = ["Argument", "Book", "Depth", "Ticker", "Tickers", "Trade", "Trades", "depth", "ticker", "trades"]
