"""Kraken, v1 and v2: books with a CRC32 and no numbers; one acknowledgement for each pair, then its snapshot."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any, Hashable, Optional, Union

from .. import checksums
from ..books import Book, Delta, Level
from ..line import Data, Line
from ..recording import Recording
from ..subscriber import Subscriber
from .base import Venue

if TYPE_CHECKING:
    from ..history import History


class DepthBook(Book):
    """Keeps `depth` levels a side: Kraken does not delete what falls out."""

    depth = 1000

    def apply(self, delta: Delta) -> bool:
        applied = super().apply(delta)
        for side, worst in ((self.bids, min), (self.asks, max)):
            while len(side) > self.depth:
                del side[worst(side)]
        return applied


class KrakenV1(Venue):
    """`book-1000`: `[channelID, {"a": rows}, {"b": rows, "c": crc}, "book-1000", pair]`, `as` and `bs` in a snapshot."""

    numbers = False

    def __init__(self) -> None:
        self.channels: dict[str, int] = {}

    def learn(self, recording: Recording) -> None:
        for frame in recording.frames:
            message = json.loads(frame.data)
            if isinstance(message, dict) and message["event"] == "subscriptionStatus":
                self.channels[message["pair"]] = message["channelID"]

    def line(self, history: History, number: int) -> Line:
        return KrakenV1Line(history, number)

    def decode(self, data: Union[str, bytes]) -> Any:
        return json.loads(data)

    def is_control(self, message: Any) -> bool:
        return isinstance(message, dict) and message["event"] != "heartbeat"

    def topic(self, message: Any) -> Hashable:
        return None if isinstance(message, dict) else (message[-2], message[-1])

    def delta(self, message: Any) -> Optional[Delta]:
        if isinstance(message, dict) or self.whole(message) is not None:
            return None
        parts = _parts(message)
        return Delta(message[-1], 0, 0, _levels(parts.get("b", ())), _levels(parts.get("a", ())))

    def whole(self, message: Any) -> Optional[str]:
        return message[-1] if isinstance(message, list) and "as" in message[1] else None

    def book(self, body: Any) -> Book:
        return DepthBook(0, *([row[:2] for row in body[1][side]] for side in ("bs", "as")))


class KrakenV1Line(Subscriber):
    """`{"event": "subscribe", "pair": [...], "subscription": {"name": "book", "depth": 1000}}`."""

    history: History

    def greeting(self) -> list[Data]:
        return [json.dumps({"connectionID": self.number, "event": "systemStatus", "status": "online", "version": "1.8.3"})]

    def answer(self, request: Any, position: int) -> list[Data]:
        if request["event"] == "ping":
            return [json.dumps({"event": "pong", "reqid": request.get("reqid", 0)})]
        asked = request["event"] == "subscribe"
        assert asked or request["event"] == "unsubscribe", request
        said, snapshots = [], []
        for pair in request["pair"]:
            subscription = request["subscription"]
            name = f"{subscription['name']}-{subscription.get('depth', 10)}"
            status = {"channelName": name, "event": "subscriptionStatus", "pair": pair, "subscription": subscription}
            if (name, pair) not in self.history.topics:
                said.append({**status, "status": "error", "errorMessage": "Currency pair not supported"})
            elif asked:
                said.append({**status, "status": "subscribed", "channelID": self._channel(pair)})
                snapshots += self.begin((name, pair), position)
            else:
                said.append({**status, "status": "unsubscribed", "channelID": self._channel(pair)})
                self.end((name, pair))
        return [*map(json.dumps, said), *snapshots]

    def snapshot(self, topic: Any, position: int) -> Optional[Data]:
        name, pair = topic
        book = self.book(pair, position)
        if book is None:
            return None
        bids, asks = ([[*level, "1618678132.000000"] for level in side] for side in book.levels())
        return json.dumps([self._channel(pair), {"as": asks, "bs": bids}, name, pair])

    def _channel(self, pair: str) -> int:
        venue = self.history.venue
        assert isinstance(venue, KrakenV1)
        return venue.channels[pair]


class Text(str):
    """A JSON number with its own digits."""


class KrakenV2(Venue):
    """`book`: `{"channel": "book", "type": "update", "data": [{"symbol", "bids", "asks", "checksum"}]}`, JSON numbers."""

    numbers = False

    def line(self, history: History, number: int) -> Line:
        return KrakenV2Line(history, number)

    def decode(self, data: Union[str, bytes]) -> Any:
        return json.loads(data, parse_float=Text)

    def is_control(self, message: Any) -> bool:
        return message.get("channel") not in ("book", "heartbeat")

    def topic(self, message: Any) -> Hashable:
        return None if message["channel"] == "heartbeat" else (message["channel"], message["data"][0]["symbol"])

    def delta(self, message: Any) -> Optional[Delta]:
        if message["channel"] != "book" or message["type"] != "update":
            return None
        data = message["data"][0]
        return Delta(data["symbol"], 0, 0, *(_levels(_rows(data[side])) for side in ("bids", "asks")))

    def whole(self, message: Any) -> Optional[str]:
        return str(message["data"][0]["symbol"]) if message.get("type") == "snapshot" and message["channel"] == "book" else None

    def book(self, body: Any) -> Book:
        book = DepthBook(0, *(_rows(body["data"][0][side]) for side in ("bids", "asks")))
        book.depth = 10
        return book


class KrakenV2Line(Subscriber):
    """`{"method": "subscribe", "params": {"channel": "book", "symbol": [...], "depth": 10}, "req_id": n}`."""

    def greeting(self) -> list[Data]:
        status = {"version": "2.0.10", "system": "online", "api_version": "v2", "connection_id": self.number}
        return [json.dumps({"channel": "status", "type": "update", "data": [status]})]

    def answer(self, request: Any, position: int) -> list[Data]:
        head = {"method": request["method"], **({"req_id": request["req_id"]} if "req_id" in request else {})}
        if request["method"] == "ping":
            return [json.dumps({**head, "method": "pong"})]
        said, snapshots = [], []
        params = request["params"]
        for symbol in params["symbol"]:
            topic = (params["channel"], symbol)
            if topic not in self.history.topics:
                said.append({**head, "success": False, "error": f"Currency pair not supported {symbol}", "symbol": symbol})
                continue
            said.append({**head, "success": True, "result": {**params, "symbol": symbol}})
            if request["method"] == "subscribe":
                snapshots += self.begin(topic, position)
            else:
                self.end(topic)
        return [*map(json.dumps, said), *snapshots]

    def snapshot(self, topic: Any, position: int) -> Optional[Data]:
        channel, symbol = topic
        book = self.book(symbol, position)
        if book is None:
            return None
        bids, asks = (
            ",".join(f'{{"price":{price},"qty":{size}}}' for price, size in itertools.islice(side, 10)) for side in book.levels()
        )
        data = f'{{"symbol":"{symbol}","bids":[{bids}],"asks":[{asks}],"checksum":{checksums.kraken(book)}}}'
        return f'{{"channel":"{channel}","type":"snapshot","data":[{data}]}}'


def _parts(message: Any) -> dict[str, Any]:
    """A delta of both sides has two objects."""
    parts: dict[str, Any] = {}
    for part in message[1:-2]:
        parts.update(part)
    return parts


def _rows(levels: Any) -> list[tuple[str, str]]:
    return [(str(level["price"]), str(level["qty"])) for level in levels]


def _levels(rows: Any) -> tuple[Level, ...]:
    """Later than any book: each applies."""
    return tuple(Level(row[0], row[1], 1 << 62) for row in rows)


CAPTURES = {"kraken_v1_book1000_20210417": KrakenV1(), "kraken_book": KrakenV2()}
