"""BitMEX: `depth` (rows of `orderBookL2`), `trades`, `quotes`.

Where the rules come from (DATA: a session recorded on 2021-07-22, ten instruments, which the tests replay):

* A request lists `table:symbol`; one acknowledgement comes for each, and names it. DATA.
* A table begins with `partial`, which is all of it; then rows are inserted, updated and deleted by their `id`. DATA: each row
  that is updated or deleted was there, and none came before its `partial`.
* A message is about one symbol. DATA.
* Nothing is numbered: a lost message cannot be seen, but a lost line is healed, for the next one begins with `partial`. DATA, and
  the server of the tests.
* Three connections a second. From the house's notes of 2026-11-22, not run.
* A refusal has `error` and the whole request; where it names none of several symbols, some of them may be subscribed. From the
  documentation as told in other clients, not run.

There is no `stream.books`: an update or a deletion names a row by its `id` and not by its price, so whoever keeps a book keeps
rows by `id` (DATA; where the venue sends prices today, they are read).
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Generic, Optional, Sequence, TypeVar

import msgspec

from ..core.budget import Budget
from ..core.rules import Kind
from ..core.sources import Resubscribe
from ..core.subscriptions import Acks
from ..feed import Feed
from ._names import asking, refusal

STREAM_URL = "wss://www.bitmex.com/realtime"

T = TypeVar("T")

_DIALS = Budget(count=3, per=1.0)


class Row(msgspec.Struct, frozen=True):
    """A level of the book. An update has no price, a deletion neither price nor size."""

    symbol: str
    id: int
    side: str
    size: Optional[Decimal] = None
    price: Optional[Decimal] = None


class Trade(msgspec.Struct, frozen=True, rename={"time": "timestamp", "number": "trdMatchID"}):
    """One trade; `side` is the taker's, `time` an ISO text."""

    symbol: str
    time: str
    side: str
    size: Decimal
    price: Decimal
    number: str


class Quote(
    msgspec.Struct,
    frozen=True,
    rename={"time": "timestamp", "bid": "bidPrice", "bid_size": "bidSize", "ask": "askPrice", "ask_size": "askSize"},
):
    """Best prices, `None` where there is none; `time` an ISO text."""

    symbol: str
    time: str
    bid: Optional[Decimal] = None
    bid_size: Optional[Decimal] = None
    ask: Optional[Decimal] = None
    ask_size: Optional[Decimal] = None


class Filter(msgspec.Struct, frozen=True):
    """What a `partial` is about."""

    symbol: str = ""


class Asked(msgspec.Struct, frozen=True):
    """A request, as it comes back."""

    op: str = ""
    args: Sequence[str] = ()


class Message(msgspec.Struct, Generic[T], frozen=True):
    """A frame: rows of a `table` and what to do with them, or an answer, or a word of welcome."""

    table: str = ""
    action: str = ""
    data: Sequence[T] = ()
    filter: Optional[Filter] = None
    subscribe: str = ""
    unsubscribe: str = ""
    error: str = ""
    request: Optional[Asked] = None

    @property
    def symbol(self) -> Optional[str]:
        """Whose rows these are; `None` if there are none."""
        if self.data:
            row: Any = self.data[0]
            return str(row.symbol)
        return self.filter.symbol if self.filter is not None and self.filter.symbol else None

    @property
    def about(self) -> list[str]:
        """The symbols that an answer is about. A refusal is about those that its text names, or the only one that was asked for.

        Else it is not known which: some may be subscribed, and what is not is asked for again.
        """
        if not self.error:
            return [self.subscribe.partition(":")[2]]
        asked = [arg.partition(":")[2] for arg in self.request.args] if self.request is not None else []
        return [symbol for symbol in asked if symbol in self.error] or (asked if len(asked) == 1 else [])

    def __str__(self) -> str:
        """What is told of a refusal."""
        return self.error or repr(self)


class Say(msgspec.Struct, frozen=True):
    """The `subscribe=` and `unsubscribe=` of a feed."""

    op: str
    table: str

    def __call__(self, topics: Sequence[str]) -> dict[str, Any]:
        return {"op": self.op, "args": [f"{self.table}:{topic}" for topic in topics]}


def depth(symbols: Sequence[str], *, url: str = STREAM_URL, **settings: Any) -> Feed:
    """Rows of the book: `Snapshot` with a `Message[Row]` that is all of it, then `Message[Row]` with what has changed.

    `settings`: other fields of the `Feed`, such as `backoff`.
    """
    fields: dict[str, Any] = {"snapshot": Resubscribe(), "classify": _kind_of_table, **settings}
    return _feed(url, symbols, "orderBookL2", Message[Row], **fields)


def trades(symbols: Sequence[str], *, url: str = STREAM_URL, **settings: Any) -> Feed:
    """Trades: messages are `Message[Trade]`, the first one of a symbol with its last trade. Every reconnect is told."""
    return _feed(url, symbols, "trade", Message[Trade], **settings)


def quotes(symbols: Sequence[str], *, url: str = STREAM_URL, **settings: Any) -> Feed:
    """Best prices: messages are `Message[Quote]`, oldest first. Every reconnect is told."""
    return _feed(url, symbols, "quote", Message[Quote], **settings)


def _feed(url: str, symbols: Sequence[str], table: str, message: Any, **settings: Any) -> Feed:
    fields: dict[str, Any] = {
        **asking(symbols, Say("subscribe", table), r"[A-Za-z0-9_.]+", "XBTUSD"),
        "unsubscribe": Say("unsubscribe", table),
        "acks": Acks(by="key", topics="about"),
        "classify": _kind,
        "key": "symbol",
        "decode": message,
        "dial_budget": _DIALS,
        **settings,
    }
    return Feed(url, **fields)


def _kind(message: Message[Any]) -> Optional[Kind]:
    if message.table:
        return None
    if message.request is not None and message.request.op == "unsubscribe":
        return Kind.IGNORE  # also a refusal: it says nothing of the subscription that follows
    if message.error:
        return refusal(message)
    return Kind.ACK if message.subscribe else Kind.IGNORE


def _kind_of_table(message: Message[Any]) -> Optional[Kind]:
    return Kind.SNAPSHOT if message.action == "partial" else _kind(message)


__all__ = ["Asked", "Filter", "Message", "Quote", "Row", "Trade", "depth", "quotes", "trades"]
