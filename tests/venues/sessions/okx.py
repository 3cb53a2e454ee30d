"""OKX: a session of 2022 with checksums and without numbers, and one of 2026 with numbers and dead checksums."""

from __future__ import annotations

from typing import Any

from syncstream import Feed
from syncstream.venues import okx
from tests import replay
from tests.venues import inband, speed

from .base import QUICK, SLOW_BOOK, Session

CHECKED = "okx_v5_books_20220513"
NUMBERED = "okx_books"


def depth(server: replay.ReplayServer) -> Feed:
    return okx.depth(inband.keys(server.history), url=server.ws_url, backoff=QUICK)


def checked(server: replay.ReplayServer) -> Feed:
    """As the venue was in 2022."""
    return okx.depth(inband.keys(server.history), url=server.ws_url, backoff=QUICK, sequence=None)


def trades(server: replay.ReplayServer) -> Feed:
    return okx.trades(inband.keys(server.history), url=server.ws_url)


def ticker(server: replay.ReplayServer) -> Feed:
    return okx.ticker(inband.keys(server.history), url=server.ws_url)


def is_trades(topic: Any) -> bool:
    return bool(topic[0] == "trades")


def is_ticker(topic: Any) -> bool:
    return bool(topic[0] == "tickers")


SESSIONS = (
    Session(
        "okx.depth",
        NUMBERED,
        lambda: inband.run(depth, replay.history(NUMBERED)),
        lambda: speed.rate(depth, replay.history(NUMBERED), key="arg.instId", numbers=("data.0.prevSeqId", "data.0.seqId")),
        against="levels of the reference",
        note=SLOW_BOOK,
    ),
    Session(
        "okx.depth",
        CHECKED,
        lambda: inband.run(checked, replay.history(CHECKED)),
        lambda: speed.rate(checked, replay.history(CHECKED), snapshots=True),
        against="CRC32 of each message",
        note="with `sequence=None`; each message costs a CRC32 over 50 levels, and every 96th is a snapshot of 800",
    ),
    Session(
        "okx.trades",
        CHECKED,
        lambda: inband.count(trades, replay.history(CHECKED), is_trades),
        lambda: speed.rate(trades, replay.history(CHECKED), key="arg.instId", numbers=("data.0.tradeId",)),
    ),
    Session(
        "okx.ticker",
        CHECKED,
        lambda: inband.count(ticker, replay.history(CHECKED), is_ticker),
        lambda: speed.rate(ticker, replay.history(CHECKED)),
    ),
)
