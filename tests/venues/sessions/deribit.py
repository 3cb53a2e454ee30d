"""Deribit."""

from __future__ import annotations

from typing import Any

from syncstream import Feed
from syncstream.venues import deribit
from tests import replay
from tests.venues import inband, speed

from .base import QUICK, SLOW_BOOK, Session

CAPTURE = "deribit_raw_20210722"


def depth(server: replay.ReplayServer) -> Feed:
    return deribit.depth(inband.keys(server.history), interval="raw", url=server.ws_url, backoff=QUICK)


def ticker(server: replay.ReplayServer) -> Feed:
    return deribit.ticker(inband.keys(server.history), interval="raw", url=server.ws_url)


def is_ticker(topic: Any) -> bool:
    return str(topic).startswith("ticker.")


SESSIONS = (
    Session(
        "deribit.depth",
        CAPTURE,
        lambda: inband.run(depth, replay.history(CAPTURE)),
        lambda: speed.rate(
            depth,
            replay.history(CAPTURE),
            key="params.data.instrument_name",
            numbers=("params.data.prev_change_id", "params.data.change_id"),
        ),
        against="levels of the reference",
        note=SLOW_BOOK,
    ),
    Session(
        "deribit.ticker",
        CAPTURE,
        lambda: inband.count(ticker, replay.history(CAPTURE), is_ticker),
        lambda: speed.rate(ticker, replay.history(CAPTURE)),
        note="each message has seven `Decimal`s",
    ),
)
