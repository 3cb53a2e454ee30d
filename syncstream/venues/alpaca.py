"""Alpaca, US stocks: `trades` and `quotes`, with a key and its secret.

From documentation, not run (Alpaca's documentation of its real-time stock data, v2, as told in other clients, 2026-11):

* Every frame is an array of messages, each with its kind in `T`.
* The venue says `connected`; one logs in within 10 s; it says `authenticated`, or why not.
* A subscription adds; the answer lists all that is subscribed by then.
* Trades that were corrected or cancelled are told on the same subscription.
* Mostly one connection for a key. A second one is refused (406), which ends when the other one does: it is tried again, slowly,
  by a stream that was never live, too. `Disconnected` says which step of the opening was refused then, and not in which words.
* Nothing is numbered so that loss could be seen.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Optional, Sequence, Union

import msgspec

from ..core.opening import Step
from ..core.rules import Kind
from ..core.subscriptions import Acks
from ..errors import Severity
from ..feed import Feed
from ._names import asking, credential, one_of, steps

STREAM_URL = "wss://stream.data.alpaca.markets/v2"

_SOURCES = ("iex", "sip", "delayed_sip", "test")
_TAKEN = 406  # another connection of this key is open


class Trade(
    msgspec.Struct,
    frozen=True,
    tag_field="T",
    tag="t",
    rename={
        "symbol": "S",
        "number": "i",
        "exchange": "x",
        "price": "p",
        "size": "s",
        "time": "t",
        "conditions": "c",
        "tape": "z",
    },
):
    """One trade; `time` an ISO text with ns."""

    symbol: str
    number: int
    exchange: str
    price: Decimal
    size: Decimal
    time: str
    conditions: Sequence[str] = ()
    tape: str = ""


class Correction(
    msgspec.Struct,
    frozen=True,
    tag_field="T",
    tag="c",
    rename={
        "symbol": "S",
        "old_number": "oi",
        "old_price": "op",
        "old_size": "os",
        "number": "ci",
        "price": "cp",
        "size": "cs",
        "time": "t",
    },
):
    """A trade that was another one."""

    symbol: str
    old_number: int
    old_price: Decimal
    old_size: Decimal
    number: int
    price: Decimal
    size: Decimal
    time: str


class Cancel(
    msgspec.Struct,
    frozen=True,
    tag_field="T",
    tag="x",
    rename={"symbol": "S", "number": "i", "price": "p", "size": "s", "action": "a", "time": "t"},
):
    """A trade that was none: `action` is `C` for cancelled, `E` for an error."""

    symbol: str
    number: int
    price: Decimal
    size: Decimal
    action: str
    time: str


class Quote(
    msgspec.Struct,
    frozen=True,
    tag_field="T",
    tag="q",
    rename={
        "symbol": "S",
        "bid": "bp",
        "bid_size": "bs",
        "bid_exchange": "bx",
        "ask": "ap",
        "ask_size": "as",
        "ask_exchange": "ax",
        "time": "t",
    },
):
    """Best prices; `time` an ISO text with ns."""

    symbol: str
    bid: Decimal
    bid_size: Decimal
    bid_exchange: str
    ask: Decimal
    ask_size: Decimal
    ask_exchange: str
    time: str


class Success(msgspec.Struct, frozen=True, tag_field="T", tag="success"):
    """`connected`, or `authenticated`."""

    msg: str


class Subscribed(msgspec.Struct, frozen=True, tag_field="T", tag="subscription"):
    """All that is subscribed."""

    trades: Sequence[str] = ()
    quotes: Sequence[str] = ()


class Error(msgspec.Struct, frozen=True, tag_field="T", tag="error"):
    """What was refused, and why."""

    code: int
    msg: str

    def __str__(self) -> str:
        """What is told of a refusal."""
        return f"{self.code} {self.msg}"


class Say(msgspec.Struct, frozen=True):
    """The `subscribe=` and `unsubscribe=` of a feed."""

    action: str
    channel: str

    def __call__(self, topics: Sequence[str]) -> dict[str, Any]:
        return {"action": self.action, self.channel: list(topics)}


def trades(symbols: Sequence[str], *, key: str, secret: str, source: str = "iex", url: str = STREAM_URL, **settings: Any) -> Feed:
    """Trades: messages are `Trade`, and `Correction` and `Cancel` of earlier ones. Every reconnect is told.

    `source`: `iex`, `sip`, `delayed_sip` or `test`. `settings`: other fields of the `Feed`, such as `backoff`; the steps of an
    `opening=` come after the login.
    """
    return _feed(url, source, symbols, key, secret, "trades", Union[Trade, Correction, Cancel], **settings)


def quotes(symbols: Sequence[str], *, key: str, secret: str, source: str = "iex", url: str = STREAM_URL, **settings: Any) -> Feed:
    """Best prices: messages are `Quote`, each of them whole. Every reconnect is told. `source` as in `trades`."""
    return _feed(url, source, symbols, key, secret, "quotes", Quote, **settings)


def _feed(
    url: str, source: str, symbols: Sequence[str], key: str, secret: str, channel: str, messages: Any, **settings: Any
) -> Feed:
    one_of("source", source, _SOURCES)
    login = {"action": "auth", "key": credential("key", key), "secret": credential("secret", secret)}
    fields: dict[str, Any] = {
        **asking(symbols, Say("subscribe", channel), r"[A-Z0-9./]+", "AAPL"),
        "unsubscribe": Say("unsubscribe", channel),
        "acks": Acks(by="cumulative", topics=channel),
        "classify": _kind,
        "key": "symbol",
        "decode": list[Union[messages, Success, Subscribed, Error]],
        "split": True,
        "timestamp": "time",
        "timestamp_unit": "iso",
        **settings,
        "opening": steps((_CONNECTED, Step(send=login, expect=_authenticated, fail=_refused)), settings.get("opening", ())),
    }
    return Feed(f"{url}/{source}", **fields)


def _connected(message: Any) -> bool:
    return bool(message.msg == "connected")


def _authenticated(message: Any) -> bool:
    return bool(message.msg == "authenticated")


def _refused(message: Any) -> Union[str, Severity, None]:
    if type(message) is not Error:
        return None
    return Severity.SLOW if message.code == _TAKEN else str(message)


def _kind(message: Any) -> Optional[Kind]:
    return _KINDS.get(type(message))


_CONNECTED = Step(expect=_connected, fail=_refused)
_KINDS: dict[type, Kind] = {Success: Kind.IGNORE, Subscribed: Kind.ACK, Error: Kind.ERROR}

__all__ = ["Cancel", "Correction", "Error", "Quote", "Subscribed", "Success", "Trade", "quotes", "trades"]
