"""Gate, spot. Pure."""

from __future__ import annotations

import json
from typing import Any, Optional, Union

from ..books import Book, Delta, Level
from .base import Reply, Venue, symbol_of


class Gate(Venue):
    """`spot.order_book_update`; REST `/api/v4/spot/order_book?currency_pair=X&with_id=true`."""

    def decode(self, data: Union[str, bytes]) -> Any:
        return json.loads(data)

    def is_control(self, message: Any) -> bool:
        return bool(message["event"] != "update")

    def answer(self, text: str) -> Optional[str]:
        request = json.loads(text)
        return json.dumps({**{name: request[name] for name in ("time", "channel", "event")}, "result": {"status": "success"}})

    def delta(self, message: Any) -> Optional[Delta]:
        if message["channel"] != "spot.order_book_update":
            return None
        data = message["result"]
        last = data["u"]
        bids = tuple(Level(price, size, last) for price, size in data["b"])
        asks = tuple(Level(price, size, last) for price, size in data["a"])
        return Delta(data["s"], data["U"], last, bids, asks)

    def key_of(self, url: str) -> Optional[str]:
        return symbol_of(url, "/spot/order_book", "currency_pair")

    def book(self, body: Any) -> Book:
        return Book(body["id"], body["bids"], body["asks"])

    def body(self, book: Book) -> str:
        bids, asks = book.levels()
        return json.dumps({"id": book.position, "asks": asks, "bids": bids})

    def unknown(self, key: str) -> Reply:
        return Reply(400, json.dumps({"label": "INVALID_CURRENCY_PAIR", "message": f"invalid currency_pair {key}"}))


CAPTURES: dict[str, Venue] = {"gateio_spot_v4_20210422": Gate()}
