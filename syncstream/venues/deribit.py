"""Deribit: `depth` with books, and `ticker`.

Where the rules come from (VENUE: Deribit's documentation of API v2, as it was in 2026-11; CLIENT: tardis-machine's `deribit.ts`,
as told by the house's notes of 2026-11-22; DATA: a session recorded on 2021-07-22, ten instruments, which the tests replay):

* JSON-RPC: the answer to `public/subscribe` has the id of the request, and lists the channels that were accepted, only. DATA.
* Books: `prev_change_id` is the `change_id` before, per channel; the numbers themselves skip; a snapshot has none. DATA: 36 of
  36.
* A row is `new`, `change` or `delete`, the price, and the new amount, 0 of a deletion. DATA.
* A subscription begins with a snapshot (DATA), so holes are healed by leaving and subscribing again, as VENUE says: the server
  of the tests, not run.
* The client asks for heartbeats (`public/set_heartbeat`); a `test_request` must be answered by `public/test`, or the line is cut.
  CLIENT; the server of the tests.
* Some 3.3 requests a second, ten of them at once: NautilusTrader, as told by these notes; here ten in any 3 s. Not run. The error
  10028 (`too_many_requests`) refuses nothing: what was asked for is asked for again.
* Raw books (`interval="raw"`) and tickers want a client that has logged in. VENUE; DATA is raw, without.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Optional, Sequence

import msgspec

from ..core.budget import Budget
from ..core.opening import Step
from ..core.rules import Kind
from ..core.sequence import Chained
from ..core.sources import Resubscribe
from ..core.subscriptions import Acks
from ..feed import Feed
from ..levels import Levels
from ._names import asking, one_of, refusal, steps

STREAM_URL = "wss://www.deribit.com/ws/api/v2"

_INTERVALS = ("raw", "100ms", "agg2")
_SENDS = Budget(count=10, per=3.0)
_HEARTBEAT = 30  # seconds; the venue wants 10 or more

Row = tuple[str, Decimal, Decimal]


class Book(
    msgspec.Struct,
    frozen=True,
    rename={"instrument": "instrument_name", "number": "change_id", "previous": "prev_change_id", "time": "timestamp"},
):
    """Rows of what happened (`new`, `change`, `delete`), price and new amount. `time` in ms."""

    instrument: str = ""
    type: str = ""
    number: int = 0
    previous: int = 0
    time: int = 0
    bids: Sequence[Row] = ()
    asks: Sequence[Row] = ()


class Ticker(
    msgspec.Struct,
    frozen=True,
    rename={
        "instrument": "instrument_name",
        "time": "timestamp",
        "last": "last_price",
        "bid": "best_bid_price",
        "bid_amount": "best_bid_amount",
        "ask": "best_ask_price",
        "ask_amount": "best_ask_amount",
        "mark": "mark_price",
        "index": "index_price",
    },
):
    """The last price and the best ones; 0 or `None` where there is none. `time` in ms."""

    instrument: str = ""
    time: int = 0
    last: Optional[Decimal] = None
    bid: Optional[Decimal] = None
    bid_amount: Optional[Decimal] = None
    ask: Optional[Decimal] = None
    ask_amount: Optional[Decimal] = None
    mark: Optional[Decimal] = None
    index: Optional[Decimal] = None


class _Said(msgspec.Struct, frozen=True):
    """What any frame may have: a `method` if the venue speaks by itself, else a `result` or an `error`."""

    id: Optional[int] = None
    method: str = ""
    result: Any = None
    error: Any = None

    def __str__(self) -> str:
        """What is told of a refusal."""
        return repr(self) if self.error is None else _words(self.error)


class _BookParams(msgspec.Struct, frozen=True):
    channel: str = ""
    type: str = ""
    data: Book = Book()


class _TickerParams(msgspec.Struct, frozen=True):
    channel: str = ""
    type: str = ""
    data: Ticker = Ticker()


class Depth(_Said, frozen=True):
    """A frame with a `Book` in `params.data`."""

    params: _BookParams = _BookParams()


class Tickers(_Said, frozen=True):
    """A frame with a `Ticker` in `params.data`."""

    params: _TickerParams = _TickerParams()


class Say(msgspec.Struct, frozen=True):
    """The `subscribe=` and `unsubscribe=` of a feed."""

    method: str
    ident: int
    channel: str
    interval: str

    def __call__(self, topics: Sequence[str]) -> dict[str, Any]:
        channels = [f"{self.channel}.{topic}.{self.interval}" for topic in topics]
        return _request(self.ident, f"public/{self.method}", channels=channels)


def depth(instruments: Sequence[str], *, interval: str = "100ms", url: str = STREAM_URL, **settings: Any) -> Feed:
    """Order books: messages are `Depth`, `stream.books["BTC-PERPETUAL"]` is kept.

    `interval`: `100ms`, `agg2`, or `raw`, which wants a login. `settings`: other fields of the `Feed`, such as `backoff`;
    `opening=` is that login, and comes before the adapter's own step, which asks for heartbeats:
    `[Step(send={"jsonrpc": "2.0", "id": 9, "method": "public/auth", "params": {...}}, expect=lambda message: message.id == 9)]`,
    with `fail=lambda message: message.error`. Its ids are others than 1 to 4.
    """
    fields: dict[str, Any] = {
        "sequence": Chained("params.data.previous", "params.data.number"),
        "snapshot": Resubscribe(),
        "book": Levels(bids="params.data.bids", asks="params.data.asks", price=1, size=2),
        **settings,
    }
    return _feed(url, instruments, "book", interval, Depth, **fields)


def ticker(instruments: Sequence[str], *, interval: str = "100ms", url: str = STREAM_URL, **settings: Any) -> Feed:
    """Best prices: messages are `Tickers`, each of them whole. Every reconnect is told. `interval`, `opening=` as in `depth`."""
    return _feed(url, instruments, "ticker", interval, Tickers, **settings)


def _feed(url: str, instruments: Sequence[str], channel: str, interval: str, decode: Any, **settings: Any) -> Feed:
    one_of("interval", interval, _INTERVALS)

    fields: dict[str, Any] = {
        "unsubscribe": Say("unsubscribe", 3, channel, interval),
        **asking(instruments, Say("subscribe", 2, channel, interval), r"[A-Za-z0-9_-]+", "BTC-PERPETUAL", field="instruments"),
        "acks": Acks(by="key", topics=_accepted),
        "decode": decode,
        "key": _instrument,
        "classify": kind_of,
        "answer": _answer,
        "heartbeat": float(_HEARTBEAT),
        "timestamp": "params.data.time",
        "send_budget": _SENDS,
        **settings,
        "opening": steps((_HEARTBEATS,), settings.get("opening", ()), login=True),
    }
    return Feed(url, **fields)


def kind_of(message: Any) -> Kind:
    """What it is to the stream."""
    if message.method == "subscription":
        return Kind.SNAPSHOT if getattr(message.params.data, "type", "") == "snapshot" else Kind.DATA
    if message.method == "heartbeat":
        return Kind.CHALLENGE if message.params.type == "test_request" else Kind.HEARTBEAT
    if message.id == 2:
        return Kind.ACK if message.error is None else refusal(message)
    return Kind.IGNORE


def _request(ident: int, method: str, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": ident, "method": method, "params": params}


def _answer(_challenge: Any) -> dict[str, Any]:
    return _request(4, "public/test")


def _is_first(message: Any) -> bool:
    return bool(message.id == 1)


def _words(error: Any) -> str:
    return f"{error.get('code')} {error.get('message')}" if isinstance(error, dict) else str(error)


def _is_refused(message: Any) -> Any:
    return _words(message.error) if message.id == 1 and message.error is not None else None


def _instrument(message: Any) -> Optional[str]:
    return message.params.data.instrument or None


def _accepted(message: Any) -> list[str]:
    """The instruments of the channels that an answer lists."""
    return [channel.split(".")[1] for channel in message.result] if isinstance(message.result, list) else []


_HEARTBEATS = Step(send=_request(1, "public/set_heartbeat", interval=_HEARTBEAT), expect=_is_first, fail=_is_refused)

__all__ = ["Book", "Depth", "Ticker", "Tickers", "depth", "ticker"]
