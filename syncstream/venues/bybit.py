"""Bybit v5: `depth` with books, `trades`, `ticker`, of one market: `spot`, `linear`, `inverse` or `option`.

Where the rules come from (VENUE: Bybit's documentation of v5, as it was in 2026-11; DATA: a session recorded on 2026-08-09,
linear and spot at 200 levels, which the tests replay):

* Each market is a socket of its own. An answer says whether a request succeeded and names no topic, so answers are counted; one
  unknown topic refuses all of a request. DATA, refusal VENUE. What answers an `unsubscribe`, or refuses it, is about nothing
  that is waited for.
* Options are answered by a `COMMAND_RESP` that lists the topics that succeeded and those that failed, and does not say which
  request it is about: an answer to `unsubscribe` is told from one to `subscribe` only if it brings the `req_id` back. VENUE, not
  run.
* Books: `u` grows by one, per topic, from a snapshot on; `seq` only grows, and is shared by all depths. DATA: in 2,142 messages.
* A subscription begins with a snapshot (VENUE, DATA), so holes are healed by leaving and subscribing again: the server of the
  tests, not run.
* A snapshot may come at any time and replaces the book; one with `u` 1 tells that the venue began anew. VENUE, not run.
* Depths of 1, 50, 200 and 1000 levels, on linear and inverse 500, too; of options 25 and 100. VENUE; DATA: 200.
* Depth 1 has nothing but snapshots, and may repeat their `u`. VENUE, not run.
* The client pings by `{"op": "ping"}` every 20 s. The answer has `op` or `ret_msg` `pong`, and looks different on each market.
  VENUE; the server of the tests.
* 500 connections in 5 minutes from one IP address. VENUE, not run.
* Spot takes ten topics a request, the others less than 21,000 characters of `args`, counted here as JSON has them. VENUE, not
  run.
* Tickers of linear and inverse: a snapshot, then only what has changed; of spot and options each is whole, and options have other
  names for the best prices. DATA: linear and spot; VENUE.
* Trades of options come by coin (`publicTrade.BTC`), of all its options. VENUE, not run.
"""

from __future__ import annotations

from typing import Any, Optional, Sequence

import msgspec

from ..core.budget import Budget
from ..core.keepalive import Keepalive
from ..core.rules import Kind
from ..core.sequence import Contiguous
from ..core.sources import Resubscribe
from ..core.subscriptions import Acks, Batch
from ..feed import Feed
from ..levels import Levels
from ._names import asking, one_of

STREAM_URL = "wss://stream.bybit.com/v5/public"

_DEPTHS = {
    "spot": (1, 50, 200, 1000),
    "linear": (1, 50, 200, 500, 1000),
    "inverse": (1, 50, 200, 500, 1000),
    "option": (25, 100),
}
_SYMBOLS, _COINS = (r"[A-Za-z0-9-]+", "BTCUSDT"), (r"[A-Z0-9]+", "BTC")
_EVERY = 20.0
_DIALS = Budget(count=500, per=300.0)
_ANSWER = '"COMMAND_RESP"'
_MOST_TOPICS, _MOST_CHARACTERS = 10, 20_000  # of a request: on spot, elsewhere

Rows = Sequence[tuple[str, str]]


class _Said(msgspec.Struct, frozen=True, rename={"operation": "op", "reason": "ret_msg", "time": "ts"}):
    """What any frame may have. `operation`: it is an answer, and not delivered. `time` in ms."""

    topic: str = ""
    type: str = ""
    time: int = 0
    operation: str = ""
    success: bool = True
    reason: str = ""

    def __str__(self) -> str:
        """What is told of a refusal."""
        return self.reason if self.reason and not self.success else repr(self)


class Book(msgspec.Struct, frozen=True, rename={"symbol": "s", "bids": "b", "asks": "a", "number": "u", "cross": "seq"}):
    """Levels that have changed, price and new size as text. `cross`: the number that all depths share."""

    symbol: str = ""
    bids: Rows = ()
    asks: Rows = ()
    number: int = 0
    cross: int = 0


class Depth(_Said, frozen=True):
    """`type` is `snapshot` or `delta`."""

    data: Book = Book()


class Trade(
    msgspec.Struct,
    frozen=True,
    rename={"symbol": "s", "number": "i", "price": "p", "size": "v", "side": "S", "time": "T"},
):
    """A trade; `side`: of the taker, `Buy` or `Sell`; `time` in ms."""

    symbol: str
    number: str
    price: str
    size: str
    side: str
    time: int


class Trades(_Said, frozen=True):
    """One `Trade` or more in `data`."""

    data: Sequence[Trade] = ()


class Ticker(
    msgspec.Struct,
    frozen=True,
    rename={
        "last": "lastPrice",
        "bid": "bid1Price",
        "bid_size": "bid1Size",
        "ask": "ask1Price",
        "ask_size": "ask1Size",
        "mark": "markPrice",
        "index": "indexPrice",
        "funding": "fundingRate",
        "volume": "volume24h",
    },
):
    """As text; what is `None` has not changed, or is not known on that market."""

    symbol: str = ""
    last: Optional[str] = None
    bid: Optional[str] = None
    bid_size: Optional[str] = None
    ask: Optional[str] = None
    ask_size: Optional[str] = None
    mark: Optional[str] = None
    index: Optional[str] = None
    funding: Optional[str] = None
    volume: Optional[str] = None


class Tickers(_Said, frozen=True):
    """`type` is `snapshot` or `delta`."""

    data: Ticker = Ticker()


class OptionTicker(
    Ticker, frozen=True, rename={"bid": "bidPrice", "bid_size": "bidSize", "ask": "askPrice", "ask_size": "askSize"}
):
    """That of an option."""

    bid: Optional[str] = None
    bid_size: Optional[str] = None
    ask: Optional[str] = None
    ask_size: Optional[str] = None


class OptionTickers(Tickers, frozen=True):
    """Each is whole."""

    data: OptionTicker = OptionTicker()


class _Lists(msgspec.Struct, frozen=True, rename={"accepted": "successTopics", "failed": "failTopics"}):
    accepted: Sequence[str] = ()
    failed: Sequence[str] = ()


class Answer(_Said, frozen=True, rename={"request": "req_id"}):
    """What became of a request, on the market of options. It is not delivered."""

    request: str = ""
    data: _Lists = _Lists()

    def __str__(self) -> str:
        """What is told of a refusal."""
        return f"failed: {', '.join(self.data.failed)}" if self.data.failed else repr(self)


class Say(msgspec.Struct, frozen=True):
    """The `subscribe=` and `unsubscribe=` of a feed."""

    operation: str
    channel: str

    def __call__(self, topics: Sequence[str]) -> dict[str, Any]:
        return {"req_id": self.operation, "op": self.operation, "args": [f"{self.channel}.{topic}" for topic in topics]}


class Decode(msgspec.Struct, frozen=True):
    """The `decode=` of a feed of options, where an answer has lists in the place of data."""

    message: Any

    def __call__(self, text: str) -> Any:
        return msgspec.json.decode(text, type=Answer if _ANSWER in text else self.message)


class About(msgspec.Struct, frozen=True):
    """The symbols that an `Answer` is about."""

    channel: str

    def __call__(self, message: Answer) -> list[str]:
        return [topic[len(self.channel) + 1 :] for topic in message.data.accepted or message.data.failed]


def depth(
    symbols: Sequence[str],
    *,
    market: str = "linear",
    depth: Optional[int] = None,
    url: str = STREAM_URL,
    **settings: Any,
) -> Feed:
    """Order books: messages are `Depth`, `stream.books["BTCUSDT"]` is kept.

    `depth`: levels a side, 200 if not given, 100 of options; which others there are depends on the market. `settings`: other
    fields of the `Feed`, such as `backoff`.
    """
    one_of("market", market, tuple(_DEPTHS))
    depth = depth if depth is not None else 100 if market == "option" else 200
    one_of("depth", depth, _DEPTHS[market])
    fields: dict[str, Any] = {
        "key": "data.symbol",
        "classify": kind_of,
        "sequence": Contiguous("data.number"),
        "snapshot": Resubscribe(),
        "book": Levels(bids="data.bids", asks="data.asks"),
        **settings,
    }
    return _feed(url, symbols, market, f"orderbook.{depth}", Depth, **fields)


def trades(symbols: Sequence[str], *, market: str = "linear", url: str = STREAM_URL, **settings: Any) -> Feed:
    """Trades: messages are `Trades`. Loss cannot be seen, so every reconnect is told.

    Of options they come by coin: `trades(["BTC"], market="option")` has those of all options on it, with the key `"BTC"`.
    """
    option = market == "option"
    fields: dict[str, Any] = {"key": _coin if option else "data.0.symbol", "classify": _kind_of_whole, **settings}
    names = _COINS if option else _SYMBOLS
    return _feed(url, symbols, market, "publicTrade", Trades, names, **fields)


def ticker(symbols: Sequence[str], *, market: str = "linear", url: str = STREAM_URL, **settings: Any) -> Feed:
    """Tickers: messages are `Tickers`.

    Of linear and inverse they have what has changed, and a whole one is told by a `Snapshot` with it as `state`; of spot and
    options each message is whole.
    """
    fields: dict[str, Any] = {
        "key": "data.symbol",
        "classify": _kind_of_whole if market in ("spot", "option") else kind_of,
        **settings,
    }
    return _feed(url, symbols, market, "tickers", OptionTickers if market == "option" else Tickers, **fields)


def _feed(
    url: str,
    symbols: Sequence[str],
    market: str,
    channel: str,
    decode: Any,
    names: tuple[str, str] = _SYMBOLS,
    **settings: Any,
) -> Feed:
    one_of("market", market, tuple(_DEPTHS))
    fields: dict[str, Any] = {
        "unsubscribe": Say("unsubscribe", channel),
        **asking(symbols, Say("subscribe", channel), *names),
        "batch": _batch(market, channel),
        "acks": Acks(by="key", topics=About(channel)) if market == "option" else Acks(by="count", unsubscribes=False),
        "decode": Decode(decode) if market == "option" else decode,
        "split": _parts if market == "option" else None,
        "keepalive": Keepalive(every=_EVERY, send={"op": "ping"}, expect=_is_pong),
        "timestamp": "time",
        "dial_budget": _DIALS,
        **settings,
    }
    return Feed(f"{url}/{market}", **fields)


def _batch(market: str, channel: str) -> Batch:
    if market == "spot":
        return Batch(topics=_MOST_TOPICS)
    return Batch(characters=_MOST_CHARACTERS, each=len(f'"{channel}.",'))


def kind_of(message: Any) -> Kind:
    """What it is to the stream. Data has a topic, and nothing else has."""
    if not message.topic:
        return _answer(message)
    return Kind.SNAPSHOT if message.type == "snapshot" else Kind.DATA


def _kind_of_whole(message: Any) -> Kind:
    """Each says of itself that it is a snapshot, and is no more so than the others."""
    return Kind.DATA if message.topic else _answer(message)


def _answer(message: Any) -> Kind:
    if type(message) is Answer:
        if message.request == "unsubscribe":
            return Kind.IGNORE
        return Kind.ACK if message.data.accepted or (message.success and not message.data.failed) else Kind.ERROR
    if message.operation not in ("", "subscribe"):
        return Kind.IGNORE
    if not message.success:
        return Kind.ERROR
    return Kind.ACK if message.operation else Kind.IGNORE


def _parts(frame: Any) -> Optional[list[Answer]]:
    """An answer about some topics that succeeded and some that failed is two."""
    if type(frame) is not Answer or not frame.data.accepted or not frame.data.failed:
        return None
    lists = _Lists(accepted=frame.data.accepted), _Lists(failed=frame.data.failed)
    return [msgspec.structs.replace(frame, data=each) for each in lists]


def _coin(message: Any) -> Optional[str]:
    return message.topic.rpartition(".")[2] or None


def _is_pong(message: Any) -> bool:
    return bool(message.operation == "pong" or message.reason == "pong")


__all__ = [
    "Book",
    "Depth",
    "OptionTicker",
    "OptionTickers",
    "Ticker",
    "Tickers",
    "Trade",
    "Trades",
    "depth",
    "ticker",
    "trades",
]
