"""What the messages and REST bodies of a recorded venue mean: the little that replay needs to know.

`Venue` is the reading for a capture nobody taught us about: it only plays. `BinanceSpot`, `BinanceUsdm` and `KuCoin` also find
the deltas, the oracle's best prices and the snapshots, and write a snapshot in the venue's own shape. Pure functions on decoded
messages.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple, Optional, Union
from urllib.parse import parse_qs, urlsplit

from .books import Book, Delta, Level, Top


class Quote(NamedTuple):
    """The venue's own word on the best prices of a key at a position."""

    key: str
    position: int
    top: Top


class Reply(NamedTuple):
    """An HTTP answer: status and JSON text."""

    status: int
    text: str


class Venue:
    """Plays, and understands nothing. The base of those that do."""

    def decode(self, data: Union[str, bytes]) -> Any:
        """The decoded message, or None where frames are not understood."""
        return None

    def is_control(self, message: Any) -> bool:
        """True for what belongs to one connection's handshake and not to the market: left out of the tape."""
        return False

    def greeting(self) -> list[str]:
        """What every new connection is sent first."""
        return []

    def answer(self, text: str) -> Optional[str]:
        """The answer to a client's message, if it gets one."""
        return None

    def delta(self, message: Any) -> Optional[Delta]:
        return None

    def quote(self, message: Any) -> Optional[Quote]:
        return None

    def key_of(self, url: str) -> Optional[str]:
        """Whose snapshot a REST URL asks for; None: it is no snapshot request."""
        return None

    def book(self, body: Any) -> Book:
        """The book in a decoded snapshot."""
        raise NotImplementedError

    def body(self, book: Book) -> str:
        """The snapshot the venue would give of this book."""
        raise NotImplementedError

    def unknown(self, key: str) -> Reply:
        """The answer where the venue has no such key."""
        return Reply(404, "{}")


class BinanceSpot(Venue):
    """Combined stream with `<symbol>@depth@100ms` and `<symbol>@bookTicker`; REST `/api/v3/depth?symbol=X`."""

    def decode(self, data: Union[str, bytes]) -> Any:
        return json.loads(data)

    def delta(self, message: Any) -> Optional[Delta]:
        if not message["stream"].endswith("@depth@100ms"):
            return None
        data = message["data"]
        last = data["u"]
        bids = tuple(Level(price, size, last) for price, size in data["b"])
        asks = tuple(Level(price, size, last) for price, size in data["a"])
        return Delta(data["s"], data["U"], last, bids, asks)

    def quote(self, message: Any) -> Optional[Quote]:
        if not message["stream"].endswith("@bookTicker"):
            return None
        data = message["data"]
        return Quote(data["s"], data["u"], Top.of(data["b"], data["B"], data["a"], data["A"]))

    def key_of(self, url: str) -> Optional[str]:
        return _symbol(url, "/depth")

    def book(self, body: Any) -> Book:
        return Book(body["lastUpdateId"], body["bids"], body["asks"])

    def body(self, book: Book) -> str:
        bids, asks = book.levels()
        return json.dumps({"lastUpdateId": book.position, "bids": bids, "asks": asks})

    def unknown(self, key: str) -> Reply:
        return Reply(400, json.dumps({"code": -1121, "msg": "Invalid symbol."}))


class BinanceUsdm(BinanceSpot):
    """As spot, but each message names the last of the one before (`pu`); `U` is no matter. REST `/fapi/v1/depth?symbol=X`."""

    def delta(self, message: Any) -> Optional[Delta]:
        delta = super().delta(message)
        return None if delta is None else delta._replace(first=message["data"]["pu"] + 1)


class KuCoin(Venue):
    """`/market/level2:X` and `/market/ticker:X`; REST `/api/v1/market/orderbook/level2?symbol=X` (and v3)."""

    def decode(self, data: Union[str, bytes]) -> Any:
        return json.loads(data)

    def is_control(self, message: Any) -> bool:
        return message["type"] in ("welcome", "ack", "pong")

    def greeting(self) -> list[str]:
        return [json.dumps({"id": "replay", "type": "welcome"})]

    def answer(self, text: str) -> Optional[str]:
        request = json.loads(text)
        kind = "pong" if request["type"] == "ping" else "ack"
        if kind == "ack" and not request.get("response"):
            return None
        return json.dumps({"id": str(request["id"]), "type": kind})

    def delta(self, message: Any) -> Optional[Delta]:
        if message.get("subject") != "trade.l2update":
            return None
        data = message["data"]
        bids = tuple(Level(price, size, int(number)) for price, size, number in data["changes"]["bids"])
        asks = tuple(Level(price, size, int(number)) for price, size, number in data["changes"]["asks"])
        return Delta(data["symbol"], data["sequenceStart"], data["sequenceEnd"], bids, asks)

    def quote(self, message: Any) -> Optional[Quote]:
        if message.get("subject") != "trade.ticker":
            return None
        data = message["data"]
        top = Top.of(data["bestBid"], data["bestBidSize"], data["bestAsk"], data["bestAskSize"])
        return Quote(message["topic"].split(":")[1], int(data["sequence"]), top)

    def key_of(self, url: str) -> Optional[str]:
        return _symbol(url, "/orderbook/level2")

    def book(self, body: Any) -> Book:
        data = body["data"]
        return Book(int(data["sequence"]), data["bids"], data["asks"])

    def body(self, book: Book) -> str:
        bids, asks = book.levels()
        return json.dumps({"code": "200000", "data": {"sequence": str(book.position), "bids": bids, "asks": asks}})

    def unknown(self, key: str) -> Reply:
        return Reply(200, json.dumps({"code": "900001", "msg": f"symbol {key} not exists"}))


def _symbol(url: str, path: str) -> Optional[str]:
    parts = urlsplit(url)
    symbols = parse_qs(parts.query).get("symbol")
    return symbols[0] if symbols and parts.path.endswith(path) else None
