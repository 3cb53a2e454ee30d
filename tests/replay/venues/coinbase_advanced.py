"""Coinbase Advanced Trade: one number for all that a connection is sent, acknowledgements and heartbeats included."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Hashable, Optional, Union

from ..books import Book, Delta, Level
from ..line import Data, Line
from ..subscriber import Subscriber
from .base import Venue

if TYPE_CHECKING:
    from ..history import History

_NUMBER = re.compile(r'"sequence_num":\d+')
_CHANNELS = {"level2": "l2_data"}  # what is subscribed by one name comes by another
_ROWS = {"ticker": "tickers", "market_trades": "trades", "candles": "candles"}
_AT = "2026-08-09T21:05:48.228568804Z"


class CoinbaseAdvanced(Venue):
    """`{"channel": "l2_data", "sequence_num": 14, "events": [{"type": "update", "product_id", "updates": [...]}]}`."""

    numbers = False

    def line(self, history: History, number: int) -> Line:
        return CoinbaseAdvancedLine(history, number)

    def decode(self, data: Union[str, bytes]) -> Any:
        return json.loads(data)

    def is_control(self, message: Any) -> bool:
        return bool(message["channel"] == "subscriptions")

    def topic(self, message: Any) -> Hashable:
        channel, event = message["channel"], message["events"][0]
        if channel == "heartbeats":
            return channel, channel
        return channel, event["product_id"] if channel == "l2_data" else event[_ROWS[channel]][0]["product_id"]

    def delta(self, message: Any) -> Optional[Delta]:
        event = message["events"][0]
        if message["channel"] != "l2_data" or event["type"] != "update":
            return None
        return Delta(event["product_id"], 0, 0, _side(event, "bid"), _side(event, "offer"))

    def whole(self, message: Any) -> Optional[str]:
        event = message["events"][0]
        return str(event["product_id"]) if message["channel"] == "l2_data" and event["type"] == "snapshot" else None

    def book(self, body: Any) -> Book:
        event = body["events"][0]
        return Book(0, *([(row.price, row.size) for row in _side(event, side)] for side in ("bid", "offer")))


class CoinbaseAdvancedLine(Subscriber):
    """`{"type": "subscribe", "channel": "level2", "product_ids": [...]}`: data first, then all that is subscribed."""

    def __init__(self, history: History, number: int) -> None:
        super().__init__(history, number)
        self._sent = 0
        self._shown: dict[str, list[str]] = {}

    def answer(self, request: Any, position: int) -> list[Data]:
        name = request["channel"]
        channel = _CHANNELS.get(name, name)
        products = [channel] if channel == "heartbeats" else request["product_ids"]
        if any((channel, product) not in self.history.topics for product in products):
            return [json.dumps({"type": "error", "message": f"failure to subscribe: {name} {products}"})]
        said: list[Data] = []
        for product in products:
            if request["type"] == "subscribe":
                said += self.begin((channel, product), position)
            else:
                self.end((channel, product))
        topics: list[Any] = list(self.topics)
        self._shown = {**self._shown, name: [product for where, product in topics if where == channel]}
        shown = {name: own for name, own in self._shown.items() if own}
        head = {"channel": "subscriptions", "timestamp": _AT, "sequence_num": 0, "events": [{"subscriptions": shown}]}
        return [*said, json.dumps(head, separators=(",", ":"))]

    def snapshot(self, topic: Any, position: int) -> Optional[Data]:
        channel, product = topic
        if channel == "heartbeats":
            return None
        if channel != "l2_data":
            return self.latest(topic, position)
        book = self.book(product, position)
        if book is None:
            return None
        updates = [
            {"side": name, "event_time": _AT, "price_level": price, "new_quantity": size}
            for name, side in zip(("bid", "offer"), book.levels())
            for price, size in side
        ]
        event = {"type": "snapshot", "product_id": product, "updates": updates}
        head = {"channel": "l2_data", "timestamp": _AT, "sequence_num": 0, "events": [event]}
        return json.dumps(head, separators=(",", ":"))

    def stamp(self, data: Data) -> Data:
        assert isinstance(data, str)
        if '"sequence_num":' not in data[:200]:
            return data  # an error has none
        number, self._sent = self._sent, self._sent + 1
        return _NUMBER.sub(f'"sequence_num":{number}', data, count=1)


def _side(event: Any, side: str) -> tuple[Level, ...]:
    return tuple(Level(row["price_level"], row["new_quantity"], 1 << 62) for row in event["updates"] if row["side"] == side)


CAPTURES = {"coinbase_advanced_20260809": CoinbaseAdvanced()}
