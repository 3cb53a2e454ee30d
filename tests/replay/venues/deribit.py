"""Deribit: JSON-RPC, books in a chain of change ids, and a `test_request` that wants an answer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Hashable, Optional, Union

from ..books import Book, Delta, Level
from ..line import Data, Line
from ..subscriber import Subscriber
from .base import Venue

if TYPE_CHECKING:
    from ..history import History

TEST_REQUEST = '{"jsonrpc":"2.0","method":"heartbeat","params":{"type":"test_request"}}'


class Deribit(Venue):
    """`book.X.raw`: `{"params": {"channel", "data": {"type": "change", "prev_change_id", "change_id", "bids", "asks"}}}`."""

    def line(self, history: History, number: int) -> Line:
        return DeribitLine(history, number)

    def decode(self, data: Union[str, bytes]) -> Any:
        return json.loads(data, parse_float=str)  # the digits of prices and sizes

    def is_control(self, message: Any) -> bool:
        return bool(message.get("method") != "subscription")

    def topic(self, message: Any) -> Hashable:
        return str(message["params"]["channel"])

    def delta(self, message: Any) -> Optional[Delta]:
        data = message["params"]["data"]
        if not message["params"]["channel"].startswith("book.") or data["type"] != "change":
            return None
        levels = (tuple(Level(price, size, 1 << 62) for _, price, size in data[side]) for side in ("bids", "asks"))
        return Delta(data["instrument_name"], data["prev_change_id"] + 1, data["change_id"], *levels)

    def whole(self, message: Any) -> Optional[str]:
        data = message["params"]["data"]
        book = message["params"]["channel"].startswith("book.") and data["type"] == "snapshot"
        return str(data["instrument_name"]) if book else None

    def book(self, body: Any) -> Book:
        data = body["params"]["data"]
        return Book(data["change_id"], *([row[1:] for row in data[side]] for side in ("bids", "asks")))


class DeribitLine(Subscriber):
    """`{"jsonrpc": "2.0", "id": 1, "method": "public/subscribe", "params": {"channels": [...]}}`.

    `tested`: answers to a test request. It sends one as soon as heartbeats are asked for; before the answer no tape begins.
    """

    def __init__(self, history: History, number: int) -> None:
        super().__init__(history, number)
        self.tested = 0
        self._asked = False

    def answer(self, request: Any, position: int) -> list[Data]:
        method, head = request["method"], {"jsonrpc": "2.0", "id": request["id"], "testnet": False}
        if method == "public/set_heartbeat":
            self._asked = True
            return [json.dumps({**head, "result": "ok"}), TEST_REQUEST]
        if method == "public/test":
            self.tested += 1
            return [json.dumps({**head, "result": {"version": "1.2.26"}})]
        channels = [channel for channel in request["params"]["channels"] if channel in self.history.topics]
        said: list[Data] = [json.dumps({**head, "result": channels})]
        for channel in channels:
            if method == "public/subscribe":
                said += self.begin(channel, position)
            else:
                self.end(channel)
        return said

    def snapshot(self, topic: Any, position: int) -> Optional[Data]:
        kind, instrument, _ = topic.split(".")
        if kind != "book":
            return self.latest(topic, position)
        book = self.book(instrument, position)
        if book is None:
            return None
        bids, asks = (",".join(f'["new",{price},{size}]' for price, size in side) for side in book.levels())
        data = (
            f'{{"type":"snapshot","timestamp":1626993724337,"instrument_name":"{instrument}",'
            f'"change_id":{book.position},"bids":[{bids}],"asks":[{asks}]}}'
        )
        return f'{{"jsonrpc":"2.0","method":"subscription","params":{{"channel":"{topic}","data":{data}}}}}'

    @property
    def subscribed(self) -> float:
        return 0 if self._asked and not self.tested else super().subscribed


CAPTURES = {"deribit_raw_20210722": Deribit()}
