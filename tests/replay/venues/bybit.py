"""Bybit v5: acknowledgements that name nothing, books numbered by topic, tickers that tell what has changed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Hashable, Optional, Union

from ..books import Book, Delta, Level
from ..line import Data, Line
from ..subscriber import Subscriber
from .base import Venue

if TYPE_CHECKING:
    from ..history import History


class Bybit(Venue):
    """`{"topic": "orderbook.200.BTCUSDT", "type": "delta", "data": {"s", "b", "a", "u", "seq"}}`, of one market."""

    def line(self, history: History, number: int) -> Line:
        return BybitLine(history, number)

    def decode(self, data: Union[str, bytes]) -> Any:
        return json.loads(data)

    def is_control(self, message: Any) -> bool:
        return "op" in message

    def topic(self, message: Any) -> Hashable:
        return str(message["topic"])

    def delta(self, message: Any) -> Optional[Delta]:
        if not message["topic"].startswith("orderbook.") or message["type"] != "delta":
            return None
        data = message["data"]
        levels = (tuple(Level(row[0], row[1], data["u"]) for row in data[side]) for side in ("b", "a"))
        return Delta(data["s"], data["u"], data["u"], *levels)

    def whole(self, message: Any) -> Optional[str]:
        book = message["topic"].startswith("orderbook.") and message["type"] == "snapshot"
        return str(message["data"]["s"]) if book else None

    def book(self, body: Any) -> Book:
        return Book(body["data"]["u"], body["data"]["b"], body["data"]["a"])


class BybitLine(Subscriber):
    """`{"op": "subscribe", "args": [topics], "req_id"}`; an unknown topic refuses all of a request."""

    def answer(self, request: Any, position: int) -> list[Data]:
        op, topics = request["op"], request.get("args", [])
        head = {"success": True, "ret_msg": "", "conn_id": f"c{self.number}", "req_id": request.get("req_id", ""), "op": op}
        if op == "ping":
            return [json.dumps({**head, "ret_msg": "pong"})]
        unknown = [topic for topic in topics if topic not in self.history.topics]
        if unknown:
            text = f"error:handler not found,topic:{unknown[0]}"
            return [json.dumps({**head, "success": False, "ret_msg": text})]
        said: list[Data] = [json.dumps(head)]
        for topic in topics:
            if op == "subscribe":
                said += self.begin(topic, position)
            else:
                self.end(topic)
        return said

    def snapshot(self, topic: Any, position: int) -> Optional[Data]:
        kind, _, rest = topic.partition(".")
        if kind == "tickers":
            return self._ticker(topic, position)
        book = self.book(rest.partition(".")[2], position) if kind == "orderbook" else None
        if book is None:
            return None
        bids, asks = book.levels()
        data = {"s": rest.partition(".")[2], "b": bids, "a": asks, "u": book.position, "seq": 1}
        return json.dumps({"topic": topic, "type": "snapshot", "ts": 1786310818129, "data": data, "cts": 1786310818129})

    def _ticker(self, topic: str, position: int) -> Optional[Data]:
        """All that has been said of it so far."""
        whole: dict[str, Any] = {}
        for index in range(min(position, len(self.history.frames))):
            if self.history.topics[index] == topic:
                message = json.loads(self.history.frames[index].data)
                whole = {**message, "type": "snapshot", "data": {**whole.get("data", {}), **message["data"]}}
        return json.dumps(whole) if whole else None


CAPTURES = {"bybit_v5_20260809": Bybit()}
