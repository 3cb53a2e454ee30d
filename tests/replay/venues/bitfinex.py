"""Bitfinex v2: one number for all data of a connection, heartbeats included, and channel ids that an acknowledgement tells."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Hashable, Optional, Union

from ..books import Book, Delta, Level
from ..line import Data, Line
from ..recording import Recording
from ..subscriber import Subscriber
from .base import Venue

if TYPE_CHECKING:
    from ..history import History

NUMBERED = 65536  # the flag of `conf` that asks for numbers


class Bitfinex(Venue):
    """`[chanId, [price, count, amount], number]`; a list of rows is a snapshot, `"hb"` a heartbeat."""

    numbers = False

    def __init__(self) -> None:
        self.channels: dict[int, tuple[str, str]] = {}

    def learn(self, recording: Recording) -> None:
        for frame in recording.frames:
            message = json.loads(frame.data)
            if isinstance(message, dict) and message["event"] == "subscribed":
                self.channels[message["chanId"]] = (message["channel"], message["symbol"])

    def line(self, history: History, number: int) -> Line:
        return BitfinexLine(history, number)

    def decode(self, data: Union[str, bytes]) -> Any:
        return json.loads(data, parse_float=str)  # the digits of prices and amounts

    def is_control(self, message: Any) -> bool:
        return isinstance(message, dict)

    def topic(self, message: Any) -> Hashable:
        return self.channels[message[0]]

    def delta(self, message: Any) -> Optional[Delta]:
        channel, symbol = self.channels[message[0]]
        if channel != "book" or message[1] == "hb" or self.whole(message) is not None:
            return None
        bids, asks = _sides([message[1]])
        return Delta(symbol, 0, 0, *(tuple(Level(*level, 1 << 62) for level in side) for side in (bids, asks)))

    def whole(self, message: Any) -> Optional[str]:
        channel, symbol = self.channels[message[0]]
        rows = message[1]
        return symbol if channel == "book" and isinstance(rows, list) and (not rows or isinstance(rows[0], list)) else None

    def book(self, body: Any) -> Book:
        return Book(0, *_sides(body[1]))


class BitfinexLine(Subscriber):
    """`{"event": "conf", "flags": 65536}`, `{"event": "subscribe", "channel", "symbol"}`. Channel ids are of one connection."""

    def __init__(self, history: History, number: int) -> None:
        super().__init__(history, number)
        venue = history.venue
        assert isinstance(venue, Bitfinex)
        self._ids = {topic: ident + 1000 * number for ident, topic in venue.channels.items()}
        self._own = {str(ident): str(ident + 1000 * number) for ident in venue.channels}
        self._numbered = False
        self._sent = 0

    def greeting(self) -> list[Data]:
        return [json.dumps({"event": "info", "version": 2, "serverId": "replay", "platform": {"status": 1}})]

    def answer(self, request: Any, position: int) -> list[Data]:
        if request["event"] == "conf":
            self._numbered = bool(request["flags"] & NUMBERED)
            return [json.dumps({"event": "conf", "status": "OK", "flags": request["flags"]})]
        channel, symbol = topic = request["channel"], request["symbol"]
        if topic not in self._ids:
            said = {"event": "error", "msg": "symbol: invalid", "code": 10300, "channel": channel, "symbol": symbol}
            return [json.dumps(said)]
        said = {"event": "subscribed", "channel": channel, "chanId": self._ids[topic], "symbol": symbol}
        return [json.dumps(said), *self.begin(topic, position)]

    def snapshot(self, topic: Any, position: int) -> Optional[Data]:
        if topic[0] != "book":
            last = self.latest(topic, position)
            return None if last is None else self.shown(last)
        book = self.book(topic[1], position)
        if book is None:
            return None
        bids, asks = book.levels()
        rows = [f"[{price},1,{size}]" for price, size in bids] + [f"[{price},1,-{size}]" for price, size in asks]
        return f"[{self._ids[topic]},[{','.join(rows)}],0]"

    def shown(self, data: Data) -> Data:
        assert isinstance(data, str)
        ident, comma, rest = data[1:].partition(",")
        return f"[{self._own[ident]}{comma}{rest}"

    def stamp(self, data: Data) -> Data:
        assert isinstance(data, str)
        if not data.startswith("["):
            return data
        head = data.rpartition(",")[0]
        if not self._numbered:
            return head + "]"
        self._sent += 1
        return f"{head},{self._sent}]"


def _sides(rows: Any) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Bids and asks: an amount below zero is an ask's, and none is left where the count is 0."""
    sides: tuple[list[tuple[str, str]], list[tuple[str, str]]] = ([], [])
    for price, count, amount in rows:
        size = _plain(amount)
        sides[size.startswith("-")].append((_plain(price), size.lstrip("-") if count else "0"))
    return sides


def _plain(number: Any) -> str:
    """All digits, without the exponent that some are sent with."""
    return format(Decimal(number), "f")


CAPTURES = {"bitfinex_seqall_20210417": Bitfinex()}
