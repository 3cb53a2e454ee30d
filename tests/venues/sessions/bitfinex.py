"""Bitfinex."""

from __future__ import annotations

from typing import Any

from syncstream import Feed
from syncstream.venues import bitfinex
from tests import replay
from tests.venues import inband, speed

from .base import QUICK, SLOW_BOOK, Session

CAPTURE = "bitfinex_seqall_20210417"


def depth(server: replay.ReplayServer) -> Feed:
    return bitfinex.depth(inband.keys(server.history), url=server.ws_url, backoff=QUICK)


def ticker(server: replay.ReplayServer) -> Feed:
    return bitfinex.ticker(inband.keys(server.history), url=server.ws_url)


def is_ticker(topic: Any) -> bool:
    return bool(topic[0] == "ticker")


SESSIONS = (
    Session(
        "bitfinex.depth",
        CAPTURE,
        lambda: inband.run(depth, replay.history(CAPTURE)),
        lambda: speed.rate(depth, replay.history(CAPTURE)),
        against="levels of the reference",
        note=SLOW_BOOK,
    ),
    Session(
        "bitfinex.ticker",
        CAPTURE,
        lambda: inband.count(ticker, replay.history(CAPTURE), is_ticker),
        lambda: speed.rate(ticker, replay.history(CAPTURE)),
        note="half of what comes is heartbeats, which are not counted here",
    ),
)
