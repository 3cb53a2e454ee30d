"""OKX v5: one event for each argument of a request, text `ping`; books with a CRC32 (2022) or numbered in a chain (2026)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Hashable, Optional, Sequence, Union

from .. import checksums
from ..books import Book, Delta, Level
from ..line import Data, Line
from ..subscriber import Subscriber
from .base import Venue

if TYPE_CHECKING:
    from ..history import History


class Okx(Venue):
    """`{"arg": {"channel", "instId"}, "action": "update", "data": [{"asks", "bids", "checksum", "seqId", "prevSeqId"}]}`.

    `numbers`: whether messages have the last two. In 2022 they had not; since 2026-06-23 the checksum is always 0.
    """

    def __init__(self, *, numbers: bool) -> None:
        self.numbers = numbers

    def line(self, history: History, number: int) -> Line:
        return OkxLine(history, number)

    def decode(self, data: Union[str, bytes]) -> Any:
        return json.loads(data)

    def is_control(self, message: Any) -> bool:
        return "event" in message

    def topic(self, message: Any) -> Hashable:
        return message["arg"]["channel"], message["arg"]["instId"]

    def delta(self, message: Any) -> Optional[Delta]:
        if message.get("action") != "update":
            return None
        data = message["data"][0]
        first, last = (data["prevSeqId"] + 1, data["seqId"]) if self.numbers else (0, 0)
        levels = (tuple(Level(row[0], row[1], 1 << 62) for row in data[side]) for side in ("bids", "asks"))
        return Delta(message["arg"]["instId"], first, last, *levels)

    def whole(self, message: Any) -> Optional[str]:
        return str(message["arg"]["instId"]) if message.get("action") == "snapshot" else None

    def book(self, body: Any) -> Book:
        data = body["data"][0]
        return Book(data["seqId"] if self.numbers else 0, *([row[:2] for row in data[side]] for side in ("bids", "asks")))


class OkxLine(Subscriber):
    """`{"op": "subscribe", "args": [{"channel": "books", "instId": "BTC-USDT"}]}`, and text `ping`."""

    def hear(self, text: str, position: int) -> Sequence[Data]:
        return ["pong"] if text == "ping" else super().hear(text, position)

    def answer(self, request: Any, position: int) -> list[Data]:
        said: list[Data] = []
        for arg in request["args"]:
            topic = (arg["channel"], arg["instId"])
            if topic not in self.history.topics:
                text = f"Wrong URL or channel:{arg['channel']},instId:{arg['instId']} doesn't exist"
                said.append(json.dumps({"event": "error", "code": "60018", "msg": text, "connId": str(self.number)}))
                continue
            said.append(json.dumps({"event": request["op"], "arg": arg, "connId": str(self.number)}))
            if request["op"] == "subscribe":
                said += self.begin(topic, position)
            else:
                self.end(topic)
        return said

    def snapshot(self, topic: Any, position: int) -> Optional[Data]:
        channel, instrument = topic
        if channel != "books":
            return self.latest(topic, position)
        book = self.book(instrument, position)
        if book is None:
            return None
        bids, asks = ([[*level, "0", "1"] for level in side] for side in book.levels())
        data: dict[str, Any] = {"asks": asks, "bids": bids, "ts": "1652459225464"}
        if self.history.venue.numbers:
            data.update(checksum=0, seqId=book.position, prevSeqId=-1)
        else:
            data.update(checksum=checksums.okx(book))
        return json.dumps({"arg": {"channel": channel, "instId": instrument}, "action": "snapshot", "data": [data]})


CAPTURES = {"okx_v5_books_20220513": Okx(numbers=False), "okx_books": Okx(numbers=True)}
