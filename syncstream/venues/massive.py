"""Massive, which was Polygon, US stocks: `trades` and `quotes`, with a key.

From documentation, not run (Massive's documentation of its stocks WebSocket, read 2026-11-26; what it does not say, as told in
other clients, 2026-11):

* Every frame is an array of messages, each with its kind in `ev`.
* One logs in with the key, and subscribes only after `auth_success`.
* A request lists channels (`T.AAPL`); each is answered by a `status` that names it in its text.
* `q` grows for each ticker and skips numbers.
* One connection for a key. A second one is refused (`max_connections`): that ends a stream which was never live, and is tried
  again slowly by one that was. Told to a line that is open, it is a `Refused` of no topic. Who reads too slowly is cut off.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Optional, Sequence, Union

import msgspec

from ..core.opening import Step
from ..core.rules import Kind
from ..core.sequence import Increasing
from ..core.subscriptions import Acks
from ..feed import Feed
from ._names import asking, credential, steps

STREAM_URL = "wss://socket.massive.com/stocks"

_SUBSCRIBED = "subscribed to: "
_REFUSALS = ("auth_failed", "auth_timeout", "max_connections")


class Trade(
    msgspec.Struct,
    frozen=True,
    tag_field="ev",
    tag="T",
    rename={
        "symbol": "sym",
        "exchange": "x",
        "id": "i",
        "tape": "z",
        "price": "p",
        "size": "s",
        "conditions": "c",
        "time": "t",
        "number": "q",
    },
):
    """One trade; `time` in ms."""

    symbol: str
    price: Decimal
    size: Decimal
    time: int
    number: int
    id: str = ""
    exchange: int = 0
    tape: int = 0
    conditions: Sequence[int] = ()


class Quote(
    msgspec.Struct,
    frozen=True,
    tag_field="ev",
    tag="Q",
    rename={
        "symbol": "sym",
        "bid": "bp",
        "bid_size": "bs",
        "bid_exchange": "bx",
        "ask": "ap",
        "ask_size": "as",
        "ask_exchange": "ax",
        "time": "t",
        "number": "q",
    },
):
    """Best prices, 0 where there is none; `time` in ms."""

    symbol: str
    time: int
    number: int
    bid: Decimal = Decimal(0)
    bid_size: Decimal = Decimal(0)
    bid_exchange: int = 0
    ask: Decimal = Decimal(0)
    ask_size: Decimal = Decimal(0)
    ask_exchange: int = 0


class Status(msgspec.Struct, frozen=True, tag_field="ev", tag="status"):
    """A word of the venue's, or the answer to a request."""

    status: str
    message: str = ""

    @property
    def symbols(self) -> list[str]:
        """The tickers that it says are subscribed."""
        channels = self.message[len(_SUBSCRIBED) :].split(",") if self.message.startswith(_SUBSCRIBED) else []
        return [channel.strip().partition(".")[2] for channel in channels]

    def __str__(self) -> str:
        """What is told of a refusal."""
        return f"{self.status} {self.message}"


class Say(msgspec.Struct, frozen=True):
    """The `subscribe=` and `unsubscribe=` of a feed."""

    action: str
    channel: str

    def __call__(self, topics: Sequence[str]) -> dict[str, Any]:
        return {"action": self.action, "params": ",".join(f"{self.channel}.{topic}" for topic in topics)}


def trades(symbols: Sequence[str], *, key: str, url: str = STREAM_URL, **settings: Any) -> Feed:
    """Trades: messages are `Trade`. Loss cannot be seen, so every reconnect is told.

    `url`: another one has delayed data. `settings`: other fields of the `Feed`, such as `backoff`; the steps of an `opening=`
    come after the login.
    """
    return _feed(url, symbols, key, "T", Trade, **settings)


def quotes(symbols: Sequence[str], *, key: str, url: str = STREAM_URL, **settings: Any) -> Feed:
    """Best prices: messages are `Quote`, each of them whole. Every reconnect is told."""
    return _feed(url, symbols, key, "Q", Quote, **settings)


def _feed(url: str, symbols: Sequence[str], key: str, channel: str, message: Any, **settings: Any) -> Feed:
    login = {"action": "auth", "params": credential("key", key)}
    fields: dict[str, Any] = {
        **asking(symbols, Say("subscribe", channel), r"[A-Za-z0-9./]+", "AAPL"),
        "unsubscribe": Say("unsubscribe", channel),
        "acks": Acks(by="key", topics="symbols"),
        "classify": _kind,
        "key": "symbol",
        "sequence": Increasing("number"),
        "decode": list[Union[message, Status]],
        "split": True,
        "timestamp": "time",
        **settings,
        "opening": steps((Step(send=login, expect=_let_in, fail=_refused),), settings.get("opening", ())),
    }
    return Feed(url, **fields)


def _let_in(message: Any) -> bool:
    return bool(message.status == "auth_success")


def _refused(message: Any) -> Optional[str]:
    refused = type(message) is Status and message.status in _REFUSALS
    return str(message) if refused else None


def _kind(message: Any) -> Optional[Kind]:
    if type(message) is not Status:
        return None
    if message.status == "success":
        return Kind.ACK if message.symbols else Kind.IGNORE
    return Kind.ERROR if message.status in ("error", *_REFUSALS) else Kind.IGNORE


__all__ = ["Quote", "Status", "Trade", "quotes", "trades"]
