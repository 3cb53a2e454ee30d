"""KuCoin, spot: `depth` with books, `trades`, `ticker`, by the public feed.

Where the rules come from (VENUE: KuCoin's documentation of its classic WebSocket feed, as told in other clients, 2026-11; DATA: a
session recorded on 2021-04-25, ten symbols, which the tests replay):

* Every attempt asks `bullet-public` (POST) for an address, a token and how often to ping: seldomer than a feed does, or it ends
  with the number that is wanted. VENUE; the tests answer it themselves.
* A welcome comes first, then one may subscribe. DATA.
* One request names many symbols, and its id comes back as text in one acknowledgement, if `response` asks for it. DATA (all of
  its ids are 1). 100 symbols a request, 300 a line, 100 messages in 10 s, 30 connections a minute at most, as far as this
  process knows. VENUE, not run.
* A ping of the client's with its own id, answered with the same id, even while data comes: traffic does not replace it. VENUE;
  the recorded session is too short for one.
* Depth: numbers `sequenceStart`..`sequenceEnd`, per symbol; the next message may overlap. VENUE. DATA: none does. Each row has a
  number of its own, and price 0 means that this number was used up and nothing changed, whatever the size. DATA: 1,355 rows.
* A snapshot is joined by the first message that reaches past it. DATA.
* Trades and tickers carry numbers of the same counter, which only grow. DATA.
* A token is good for 24 hours. VENUE, not run.

A snapshot without a key of one's own holds 100 levels a side: what stands behind them is not in the book until it changes. That
of DATA is the full one, which takes a signed request today.
"""

from __future__ import annotations

import itertools
import uuid
from typing import Any, Generic, Optional, Sequence, TypeVar, Union

import msgspec

from ..core.budget import Budget
from ..core.keepalive import Keepalive
from ..core.opening import Step
from ..core.rules import Kind
from ..core.sequence import Contiguous, Increasing
from ..core.subscriptions import Acks, Batch
from ..errors import FeedError
from ..feed import Feed, Rest
from ..levels import Levels
from ..snapshots import ask
from ._names import asking, steps

BULLET_URL = "https://api.kucoin.com/api/v1/bullet-public"
REST_URL = "https://api.kucoin.com"

T = TypeVar("T")

Row = tuple[str, str, str]

_PING_EVERY = 15.0
_numbers = itertools.count(1)  # of requests and pings


class Changes(msgspec.Struct, frozen=True):
    """Rows of price, new size and the number of the change, as text."""

    bids: list[Row]
    asks: list[Row]


class Depth(msgspec.Struct, frozen=True, rename={"first": "sequenceStart", "last": "sequenceEnd"}):
    """Levels that have changed."""

    symbol: str
    first: int
    last: int
    changes: Changes


class Trade(msgspec.Struct, frozen=True, rename={"number": "sequence", "trade_id": "tradeId"}):
    """One trade; `number` and `time` (ns) as text. `side` is the taker's."""

    symbol: str
    number: str
    price: str
    size: str
    side: str
    time: str
    trade_id: str


class Ticker(
    msgspec.Struct,
    frozen=True,
    rename={"number": "sequence", "bid": "bestBid", "bid_size": "bestBidSize", "ask": "bestAsk", "ask_size": "bestAskSize"},
):
    """Last and best prices and sizes, as text, at a `number` of the book; `time` in ms."""

    number: str
    price: str
    size: str
    bid: str
    bid_size: str
    ask: str
    ask_size: str
    time: int


class Message(msgspec.Struct, Generic[T], frozen=True, tag_field="type", tag="message"):
    """A frame with data."""

    topic: str
    subject: str
    data: T


class Welcome(msgspec.Struct, frozen=True, tag_field="type", tag="welcome"):
    """What a line begins with."""

    id: str


class Ack(msgspec.Struct, frozen=True, tag_field="type", tag="ack"):
    """The answer to a request."""

    id: str


class Pong(msgspec.Struct, frozen=True, tag_field="type", tag="pong"):
    """The answer to a ping."""

    id: str


class Error(msgspec.Struct, frozen=True, tag_field="type", tag="error"):
    """What was refused, and why."""

    id: str = ""
    code: int = 0
    data: str = ""

    def __str__(self) -> str:
        """What is told of a refusal."""
        return f"{self.code} {self.data}"


class Book(msgspec.Struct, frozen=True):
    """All levels, at a `sequence`."""

    sequence: str
    bids: list[tuple[str, str]]
    asks: list[tuple[str, str]]


class Snapshot(msgspec.Struct, frozen=True):
    """The body of `/api/v1/market/orderbook/level2_100`."""

    data: Book


class Server(msgspec.Struct, frozen=True, rename={"ping_interval": "pingInterval"}):
    """Where to dial; `ping_interval` in ms."""

    endpoint: str
    ping_interval: int


class Token(msgspec.Struct, frozen=True, rename={"servers": "instanceServers"}):
    """What lets us in, and where."""

    token: str
    servers: list[Server]


class Bullet(msgspec.Struct, frozen=True):
    """The body of `bullet-public`; without `data` it says why in `code` and `msg`."""

    data: Optional[Token] = None
    code: str = ""
    msg: str = ""


class Entrance(msgspec.Struct, frozen=True):
    """The `endpoint=` of a feed: asks for one at every attempt. `every`: seconds between two pings of the feed, if it has any.

    Raises `ConnectionError` where that may pass, and `FeedError` where the venue wants pings more often.
    """

    url: str
    every: Optional[float] = _PING_EVERY

    def __call__(self) -> str:
        bullet = ask(self.url, decode=Bullet)
        token = bullet.data
        if token is None or not token.servers:
            raise ConnectionError(f"bullet-public names no server: {bullet.code} {bullet.msg}")
        server = token.servers[0]
        wanted = server.ping_interval / 1000
        if self.every is None or self.every > wanted:
            given = None if self.every is None else f"every {self.every:g} s"
            way_out = f"give keepalive=Keepalive(every={0.8 * wanted:g})"
            raise FeedError("keepalive", given, f"KuCoin wants one every {server.ping_interval} ms; {way_out}")
        return f"{server.endpoint}?token={token.token}&connectId={uuid.uuid4().hex}"


class Say(msgspec.Struct, frozen=True):
    """The `subscribe=` and `unsubscribe=` of a feed."""

    kind: str
    channel: str

    def __call__(self, topics: Sequence[str]) -> dict[str, Any]:
        topic = f"{self.channel}:{','.join(topics)}"
        return {"id": str(next(_numbers)), "type": self.kind, "topic": topic, "privateChannel": False, "response": True}


def depth(symbols: Sequence[str], *, url: str = BULLET_URL, rest_url: str = REST_URL, **settings: Any) -> Feed:
    """Order books: messages are `Message[Depth]`, `stream.books["BTC-USDT"]` is kept, holes are healed by REST.

    `url`: where the address of a line is asked for. `settings`: other fields of the `Feed`, such as `backoff`; the steps of an
    `opening=` come after the adapter's own one, which waits for the welcome; a `keepalive=Keepalive(every=5.0)` that does not say
    what to `send` has the venue's ping. One that is slower than the venue wants, as it says with each address, is a `FeedError`.
    """
    page = f"{rest_url}/api/v1/market/orderbook/level2_100?symbol={{key}}"
    fields: dict[str, Any] = {
        "sequence": Contiguous("data.first", "data.last", overlap=True),
        "snapshot": Rest(page, position=_position, decode=Snapshot),
        "book": Levels(bids=_bids, asks=_asks, snapshot_bids="data.bids", snapshot_asks="data.asks", number=2),
        **settings,
    }
    return _feed(url, symbols, "/market/level2", Message[Depth], **fields)


def trades(symbols: Sequence[str], *, url: str = BULLET_URL, **settings: Any) -> Feed:
    """Trades: messages are `Message[Trade]`. Loss cannot be seen, so every reconnect is told."""
    return _feed(url, symbols, "/market/match", Message[Trade], **{"sequence": Increasing(_number), **settings})


def ticker(symbols: Sequence[str], *, url: str = BULLET_URL, **settings: Any) -> Feed:
    """Best prices: messages are `Message[Ticker]`, each of them whole. Loss cannot be seen, so every reconnect is told."""
    fields: dict[str, Any] = {"sequence": Increasing(_number), "timestamp": "data.time", **settings}
    return _feed(url, symbols, "/market/ticker", Message[Ticker], **fields)


def _feed(url: str, symbols: Sequence[str], channel: str, message: Any, **settings: Any) -> Feed:
    keepalive = settings.get("keepalive", Keepalive(every=_PING_EVERY))
    if isinstance(keepalive, Keepalive) and keepalive.send is None:  # a WebSocket ping is none to this venue
        keepalive = msgspec.structs.replace(keepalive, send=_ping, expect=_is_pong)
    fields: dict[str, Any] = {
        **asking(symbols, Say("subscribe", channel), r"[A-Z0-9]+-[A-Z0-9]+", "BTC-USDT", most=300),
        "unsubscribe": Say("unsubscribe", channel),
        "batch": Batch(topics=100),
        "acks": Acks(by="id"),
        "classify": _kind,
        "key": _key,
        "decode": Union[message, Welcome, Ack, Pong, Error],
        "lifetime": 24 * 3600.0,
        "send_budget": Budget(count=100, per=10.0),
        "dial_budget": Budget(count=30, per=60.0),
        **settings,
        "keepalive": keepalive,
        "opening": steps((_WELCOME,), settings.get("opening", ())),
    }
    return Feed(Entrance(url, keepalive.every if isinstance(keepalive, Keepalive) else None), **fields)


def _key(message: Any) -> Optional[str]:
    """The symbol: a ticker has it in its topic only."""
    return message.topic.partition(":")[2] if type(message) is Message else None


def _bids(message: Any) -> list[Row]:
    return _levels(message.data.changes.bids)


def _asks(message: Any) -> list[Row]:
    return _levels(message.data.changes.asks)


def _levels(rows: list[Row]) -> list[Row]:
    """Without those of price 0, of which nothing but the number counts."""
    return [row for row in rows if row[0].strip("0.")]


def _number(message: Any) -> int:
    return int(message.data.number)


def _position(snapshot: Snapshot) -> int:
    return int(snapshot.data.sequence)


def _kind(message: Any) -> Optional[Kind]:
    return None if type(message) is Message else _KINDS[type(message)]


def _ping() -> dict[str, str]:
    return {"id": str(next(_numbers)), "type": "ping"}


def _is_pong(message: Any) -> bool:
    return type(message) is Pong


def _welcomes(message: Any) -> bool:
    return type(message) is Welcome


def _refuses(message: Any) -> Optional[str]:
    return str(message) if type(message) is Error else None


_WELCOME = Step(expect=_welcomes, fail=_refuses)
_KINDS: dict[Any, Kind] = {Welcome: Kind.IGNORE, Ack: Kind.ACK, Pong: Kind.PONG, Error: Kind.ERROR}

__all__ = [
    "Ack",
    "Changes",
    "Depth",
    "Error",
    "Message",
    "Pong",
    "Snapshot",
    "Ticker",
    "Trade",
    "Welcome",
    "depth",
    "ticker",
    "trades",
]
