"""Binance USD-M."""

from __future__ import annotations

from syncstream import Feed
from syncstream.venues import binance_usdm
from tests import replay
from tests.venues import run, speed

from .base import QUICK, SLOW_BOOK, Session
from .binance import part, symbols

CAPTURE = "binance_usdm_5sym_20210405"
PATH = "recorded without the path `/public`, which is dialled"


def depth(server: replay.ReplayServer) -> Feed:
    names = symbols(server.history)
    return binance_usdm.depth(names, url=server.ws_url, rest_url=server.rest_url, backoff=QUICK, verify_after=1.0)


def ticker(server: replay.ReplayServer) -> Feed:
    return binance_usdm.ticker(symbols(server.history), url=server.ws_url)


def _depth() -> run.Result:
    with run.play(part("@depth@100ms", CAPTURE), rate=3000.0) as server:
        return run.books(lambda: depth(server), server)


SESSIONS = (
    Session(
        "binance_usdm.depth",
        CAPTURE,
        _depth,
        lambda: speed.rate(depth, part("@depth@100ms", CAPTURE), key="data.s", numbers=("data.pu", "data.u")),
        against="best prices of `bookTicker`",
        note=f"{PATH}; {SLOW_BOOK}",
    ),
    Session(
        "binance_usdm.ticker",
        CAPTURE,
        lambda: run.session(ticker, part("@bookTicker", CAPTURE)),
        lambda: speed.rate(ticker, part("@bookTicker", CAPTURE), key="data.s", numbers=("data.u",)),
        note=PATH,
    ),
)
