"""Binance spot."""

from __future__ import annotations

from syncstream import Feed
from syncstream.venues import binance
from tests import replay
from tests.venues import run, speed

from .base import QUICK, SLOW_BOOK, Session

CAPTURE = "binance_spot_10sym_20210405"


def part(channel: str, capture: str = CAPTURE) -> replay.History:
    """What the venue sends on this channel."""
    return run.only(replay.history(capture), lambda message: message["stream"].endswith(channel))


def symbols(history: replay.History) -> list[str]:
    return sorted({history.venue.decode(frame.data)["data"]["s"] for frame in history.frames})


def depth(server: replay.ReplayServer) -> Feed:
    names = symbols(server.history)
    return binance.depth(names, url=server.ws_url, rest_url=server.rest_url, backoff=QUICK, verify_after=1.0)


def trades(server: replay.ReplayServer) -> Feed:
    return binance.trades(symbols(server.history), url=server.ws_url)


def ticker(server: replay.ReplayServer) -> Feed:
    return binance.ticker(symbols(server.history), url=server.ws_url)


def _depth() -> run.Result:
    with run.play(part("@depth@100ms"), rate=3000.0) as server:
        return run.books(lambda: depth(server), server)


SESSIONS = (
    Session(
        "binance.depth",
        CAPTURE,
        _depth,
        lambda: speed.rate(depth, part("@depth@100ms"), key="data.s", numbers=("data.U", "data.u")),
        against="best prices of `bookTicker`",
        note=SLOW_BOOK,
    ),
    Session(
        "binance.trades",
        CAPTURE,
        lambda: run.session(trades, part("@aggTrade")),
        lambda: speed.rate(trades, part("@aggTrade"), key="data.s", numbers=("data.a",)),
    ),
    Session(
        "binance.ticker",
        CAPTURE,
        lambda: run.session(ticker, part("@bookTicker")),
        lambda: speed.rate(ticker, part("@bookTicker"), key="data.s", numbers=("data.u",)),
    ),
)
