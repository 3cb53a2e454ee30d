"""Coinbase Advanced Trade."""

from __future__ import annotations

from typing import Any

from syncstream import Feed
from syncstream.venues import coinbase_advanced
from tests import replay
from tests.venues import inband, speed

from .base import QUICK, SLOW_BOOK, Session

CAPTURE = "coinbase_advanced_20260809"


def depth(server: replay.ReplayServer) -> Feed:
    return coinbase_advanced.depth(inband.keys(server.history), url=server.ws_url, backoff=QUICK)


def trades(server: replay.ReplayServer) -> Feed:
    return coinbase_advanced.trades(inband.keys(server.history), url=server.ws_url)


def ticker(server: replay.ReplayServer) -> Feed:
    return coinbase_advanced.ticker(inband.keys(server.history), url=server.ws_url)


def is_trades(topic: Any) -> bool:
    return bool(topic[0] == "market_trades")


def is_ticker(topic: Any) -> bool:
    return bool(topic[0] == "ticker")


SESSIONS = (
    Session(
        "coinbase_advanced.depth",
        CAPTURE,
        lambda: inband.run(depth, replay.history(CAPTURE)),
        lambda: speed.rate(depth, replay.history(CAPTURE)),
        against="levels of the reference",
        note=SLOW_BOOK,
    ),
    Session(
        "coinbase_advanced.trades",
        CAPTURE,
        lambda: inband.count(trades, replay.history(CAPTURE), is_trades),
        lambda: speed.rate(trades, replay.history(CAPTURE)),
        note="of three messages that come one is a heartbeat, which is not counted here",
    ),
    Session(
        "coinbase_advanced.ticker",
        CAPTURE,
        lambda: inband.count(ticker, replay.history(CAPTURE), is_ticker),
        lambda: speed.rate(ticker, replay.history(CAPTURE)),
        note="heartbeats between them are not counted here",
    ),
)
