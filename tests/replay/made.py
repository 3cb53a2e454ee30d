"""Small sessions made up in the captures' own row format, so that the replay can be tested where there are no captures.

`market` trades a few symbols at random in Binance's shape and knows the true books; `KUCOIN` is a handful of rows in KuCoin's.
"""

from __future__ import annotations

import base64
import json
import random
from typing import Any, NamedTuple

from .books import Book
from .history import History
from .recording import parse
from .venues import BinanceSpot, KuCoin, Venue

Levels = dict[str, str]


class Market(NamedTuple):
    """A made session and what the books truly were at its end."""

    history: History
    truth: dict[str, Book]


def market(updates: int, *, seed: int = 0, symbols: tuple[str, ...] = ("AAA", "BBB", "CCC"), snapshot_at: int = 10) -> Market:
    """`updates` deltas, 10 ms apart, each followed by its symbol's ticker; the snapshots come after `snapshot_at` of them."""
    dice = random.Random(seed)
    sides: dict[str, tuple[Levels, Levels]] = {symbol: ({}, {}) for symbol in symbols}
    position = {symbol: dice.randrange(1000, 9000) for symbol in symbols}
    rows: list[dict[str, Any]] = [{"t": 1000.0, "k": "connect", "conn": "c", "url": "wss://venue.example/stream"}]
    for number in range(updates):
        at = 1000.1 + number / 100
        if number == snapshot_at:
            rows += [_snapshot(at, symbol, position[symbol], *sides[symbol]) for symbol in symbols]
        symbol = symbols[number % len(symbols)] if number < len(symbols) else dice.choice(symbols)
        first, last = position[symbol] + 1, position[symbol] + dice.randint(1, 3)
        bids, asks = sides[symbol]
        changes = _change(dice, bids, 900), _change(dice, asks, 1000)
        position[symbol] = last
        data = {"e": "depthUpdate", "s": symbol, "U": first, "u": last, "b": changes[0], "a": changes[1]}
        rows.append(_frame(at, {"stream": f"{symbol.lower()}@depth@100ms", "data": data}))
        if bids and asks:
            bid, ask = max(bids, key=float), min(asks, key=float)
            data = {"u": last, "s": symbol, "b": bid, "B": bids[bid], "a": ask, "A": asks[ask]}
            rows.append(_frame(at, {"stream": f"{symbol.lower()}@bookTicker", "data": data}))
    truth = {symbol: Book(position[symbol], sides[symbol][0].items(), sides[symbol][1].items()) for symbol in symbols}
    return Market(_history(rows, BinanceSpot()), truth)


def kucoin() -> History:
    """One symbol: welcome, ack, three deltas that carry overlaps and price 0, a ticker, and a snapshot at 12."""
    level2 = "/market/level2:AB-USDT"
    subscribe = {"id": 1, "type": "subscribe", "topic": level2, "response": True}
    rows = [
        {"t": 5.0, "k": "connect", "conn": "ws", "url": "wss://venue.example/endpoint?token=T"},
        {"t": 5.1, "k": "send", "conn": "ws", "text": json.dumps(subscribe)},
        _frame(5.2, {"id": "h", "type": "welcome"}, "ws"),
        _frame(5.2, {"id": "1", "type": "ack"}, "ws"),
        _kucoin(5.3, 10, 11, [["9", "1", "10"], ["8", "2", "11"]], []),
        {
            "t": 5.4,
            "k": "http",
            "conn": "rest",
            "url": "https://venue.example/api/v3/market/orderbook/level2?symbol=AB-USDT",
            "text": json.dumps({"code": "200000", "data": {"sequence": "12", "bids": [["8", "3"]], "asks": [["10", "5"]]}}),
        },
        _kucoin(5.5, 12, 13, [["8", "3", "12"], ["9", "7", "13"]], []),  # overlaps: change 12 is in the snapshot
        _kucoin(5.6, 14, 15, [["0", "0", "15"]], [["10", "0", "14"]]),
        _kucoin(5.7, 16, 16, [], [["11", "4", "16"]]),
        _frame(5.8, _ticker(16, "9", "7", "11", "4"), "ws"),
    ]
    return _history(rows, KuCoin())


def binary(payloads: list[bytes]) -> History:
    """Binary frames of nobody's format, from two connections in turn, and one REST body."""
    rows = [
        {"t": 1.0 + number / 100, "k": "recv", "conn": f"c{number % 2}", "b64": base64.b64encode(payload).decode()}
        for number, payload in enumerate(payloads)
    ]
    rows.append({"t": 9.0, "k": "http", "conn": "rest", "url": "https://venue.example/markets?all=1", "text": '{"x": 1}'})
    return _history(rows, Venue())


def _history(rows: list[dict[str, Any]], venue: Venue) -> History:
    return History(parse("made", map(json.dumps, rows)), venue)


def _frame(at: float, message: dict[str, Any], connection: str = "c") -> dict[str, Any]:
    return {"t": at, "k": "recv", "conn": connection, "text": json.dumps(message)}


def _snapshot(at: float, symbol: str, position: int, bids: Levels, asks: Levels) -> dict[str, Any]:
    body = {"lastUpdateId": position, "bids": list(bids.items()), "asks": list(asks.items())}
    url = f"https://venue.example/api/v3/depth?symbol={symbol}&limit=1000"
    return {"t": at, "k": "http", "conn": "c", "url": url, "text": json.dumps(body)}


def _change(dice: random.Random, levels: Levels, base: int) -> list[list[str]]:
    """Changes one or two prices of a side; a third of the changes delete."""
    changed: dict[str, str] = {}
    for _ in range(dice.randint(0, 2)):
        price = f"{base + dice.randrange(20)}.50"
        changed[price] = "0.00" if dice.random() < 0.33 else f"{dice.randint(1, 99)}.00"
    for price, size in changed.items():
        if float(size):
            levels[price] = size
        else:
            levels.pop(price, None)
    return [list(change) for change in changed.items()]


def _kucoin(at: float, first: int, last: int, bids: list[list[str]], asks: list[list[str]]) -> dict[str, Any]:
    data = {"sequenceStart": first, "symbol": "AB-USDT", "changes": {"asks": asks, "bids": bids}, "sequenceEnd": last}
    message = {"data": data, "subject": "trade.l2update", "topic": "/market/level2:AB-USDT", "type": "message"}
    return _frame(at, message, "ws")


def _ticker(position: int, bid: str, bid_size: str, ask: str, ask_size: str) -> dict[str, Any]:
    data = {"sequence": str(position), "bestBid": bid, "bestBidSize": bid_size, "bestAsk": ask, "bestAskSize": ask_size}
    return {"data": data, "subject": "trade.ticker", "topic": "/market/ticker:AB-USDT", "type": "message"}
