"""KuCoin. Pure."""

from __future__ import annotations

import json
from typing import Any, Optional, Union

from ..books import Book, Delta, Level, Top
from .base import Quote, Reply, Venue, symbol_of


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
        return symbol_of(url, "/orderbook/level2") or symbol_of(url, "/orderbook/level2_100")

    def book(self, body: Any) -> Book:
        data = body["data"]
        return Book(int(data["sequence"]), data["bids"], data["asks"])

    def body(self, book: Book) -> str:
        bids, asks = book.levels()
        return json.dumps({"code": "200000", "data": {"sequence": str(book.position), "bids": bids, "asks": asks}})

    def unknown(self, key: str) -> Reply:
        return Reply(200, json.dumps({"code": "900001", "msg": f"symbol {key} not exists"}))


CAPTURES: dict[str, Venue] = {"kucoin_level2_20210425": KuCoin()}
