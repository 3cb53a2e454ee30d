"""BitMEX: tables that begin with `partial`, and rows by their `id`. Lines are owned by the threads of their connections."""

from __future__ import annotations

import json
from typing import Any, Hashable, Optional, Union

from ..history import History
from ..line import Data, Line
from ..subscriber import Subscriber
from .base import Venue

Rows = dict[str, dict[int, dict[str, Any]]]


def change(books: Rows, message: Any) -> int:
    """Applies a message to rows by symbol and `id`. Returns how many were to be updated or deleted and were not there."""
    orphans = 0
    if message["action"] == "partial":
        books[message["filter"]["symbol"]] = {}
    for row in message["data"]:
        rows = books[row["symbol"]]
        if message["action"] in ("partial", "insert"):
            rows[row["id"]] = dict(row)
        elif row["id"] not in rows:
            orphans += 1
        elif message["action"] == "update":
            rows[row["id"]].update(row)
        else:
            del rows[row["id"]]
    return orphans


class Bitmex(Venue):
    """`orderBookL2`, `quote` and `trade`."""

    def line(self, history: History, number: int) -> Line:
        return BitmexLine(history, number)

    def decode(self, data: Union[str, bytes]) -> Any:
        return json.loads(data)

    def is_control(self, message: Any) -> bool:
        return "table" not in message

    def topic(self, message: Any) -> Hashable:
        symbol = message["data"][0]["symbol"] if message["data"] else message["filter"]["symbol"]
        return f"{message['table']}:{symbol}"


class BitmexLine(Subscriber):
    """Acknowledges each topic. A table of rows begins with a `partial` as of now, unless the tape has one to come."""

    def __init__(self, history: History, number: int) -> None:
        super().__init__(history, number)
        self._rows: Rows = {}
        self._position = 0

    def answer(self, request: Any, position: int) -> list[Data]:
        said: list[Data] = []
        for topic in request["args"]:
            said.append(json.dumps({"success": True, request["op"]: topic, "request": request}))
            if request["op"] == "subscribe":
                said += self.begin(topic, position)
            else:
                self.end(topic)
        return said

    def snapshot(self, topic: Hashable, position: int) -> Optional[Data]:
        table, _, symbol = str(topic).partition(":")
        if table != "orderBookL2":
            return None
        for index in range(self._position, position):
            message = self.history.venue.decode(self.history.frames[index].data)
            if message["table"] == table:
                change(self._rows, message)
        self._position = max(self._position, position)
        if symbol not in self._rows:
            return None
        rows = list(self._rows[symbol].values())
        return json.dumps({"table": table, "action": "partial", "filter": {"symbol": symbol}, "data": rows})


CAPTURES: dict[str, Venue] = {"bitmex_20210722": Bitmex()}
