"""Bybit: linear and spot, a connection each."""

from __future__ import annotations

from typing import Any

from syncstream import Feed
from syncstream.venues import bybit
from tests import replay
from tests.venues import inband, speed

from .base import QUICK, SLOW_BOOK, Session

CAPTURE = "bybit_v5_20260809"
LINE = {"spot": 0, "linear": 1}


def part(market: str) -> replay.History:
    """The connection of one market."""
    return inband.part(replay.history(CAPTURE), LINE[market])


def depth(server: replay.ReplayServer) -> Feed:
    return bybit.depth(inband.keys(server.history), url=server.ws_url, backoff=QUICK)


def trades(server: replay.ReplayServer) -> Feed:
    return bybit.trades(inband.keys(server.history), url=server.ws_url)


def ticker(server: replay.ReplayServer) -> Feed:
    return bybit.ticker(inband.keys(server.history), url=server.ws_url)


def is_trades(topic: Any) -> bool:
    return str(topic).startswith("publicTrade.")


def is_ticker(topic: Any) -> bool:
    return str(topic).startswith("tickers.")


SESSIONS = (
    Session(
        "bybit.depth",
        f"{CAPTURE}, linear",
        lambda: inband.run(depth, part("linear")),
        lambda: speed.rate(depth, part("linear"), key="data.s", numbers=("data.u",)),
        against="levels of the reference",
        note=SLOW_BOOK,
    ),
    Session(
        "bybit.depth",
        f"{CAPTURE}, spot",
        lambda: inband.run(depth, part("spot")),
        lambda: speed.rate(depth, part("spot"), key="data.s", numbers=("data.u",)),
        against="levels of the reference",
        note=SLOW_BOOK,
    ),
    Session(
        "bybit.trades",
        f"{CAPTURE}, linear",
        lambda: inband.count(trades, part("linear"), is_trades),
        lambda: speed.rate(trades, part("linear")),
    ),
    Session(
        "bybit.ticker",
        f"{CAPTURE}, linear",
        lambda: inband.count(ticker, part("linear"), is_ticker),
        lambda: speed.rate(ticker, part("linear")),
    ),
)
