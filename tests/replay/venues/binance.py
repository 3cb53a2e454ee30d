"""Binance spot and USD-M. Pure."""

from __future__ import annotations

import json
from typing import Any, Optional, Union

from ..books import Book, Delta, Level, Top
from .base import Quote, Reply, Venue, symbol_of


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
        return symbol_of(url, "/depth")

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


CAPTURES: dict[str, Venue] = {
    "binance_spot_10sym_20210405": BinanceSpot(),
    "binance_usdm_5sym_20210405": BinanceUsdm(),
}
