"""Each adapter with the recorded session it is shown on: what the tests and the table of `venues/README.md` run."""

from __future__ import annotations

from typing import Callable, NamedTuple

from syncstream import Backoff, Feed
from syncstream.venues import binance, binance_usdm
from tests import replay

from . import run

QUICK = Backoff(base=0.01, maximum=0.02)
BINANCE = "binance_spot_10sym_20210405"
USDM = "binance_usdm_5sym_20210405"


class Session(NamedTuple):
    """`adapter` is the name in `syncstream.venues`, `capture` that of the recording."""

    adapter: str
    capture: str
    run: Callable[[], run.Result]


def binance_part(channel: str, capture: str = BINANCE) -> replay.History:
    """What the venue sends on this channel."""
    return run.only(replay.history(capture), lambda message: message["stream"].endswith(channel))


def symbols(history: replay.History) -> list[str]:
    return sorted({history.venue.decode(frame.data)["data"]["s"] for frame in history.frames})


def binance_depth(server: replay.ReplayServer) -> Feed:
    names = symbols(server.history)
    return binance.depth(names, url=server.ws_url, rest_url=server.rest_url, backoff=QUICK, verify_after=1.0)


def usdm_depth(server: replay.ReplayServer) -> Feed:
    names = symbols(server.history)
    return binance_usdm.depth(names, url=server.ws_url, rest_url=server.rest_url, backoff=QUICK, verify_after=1.0)


def _binance_depth() -> run.Result:
    with run.play(binance_part("@depth@100ms"), rate=3000.0) as server:
        return run.books(lambda: binance_depth(server), server)


def _binance_trades() -> run.Result:
    history = binance_part("@aggTrade")
    with run.play(history) as server:
        return run.count(binance.trades(symbols(history), url=server.ws_url), len(history.frames))


def _binance_ticker() -> run.Result:
    history = binance_part("@bookTicker")
    with run.play(history) as server:
        return run.count(binance.ticker(symbols(history), url=server.ws_url), len(history.frames))


def _usdm_depth() -> run.Result:
    with run.play(binance_part("@depth@100ms", USDM), rate=3000.0) as server:
        return run.books(lambda: usdm_depth(server), server)


def _usdm_ticker() -> run.Result:
    history = binance_part("@bookTicker", USDM)
    with run.play(history) as server:
        return run.count(binance_usdm.ticker(symbols(history), url=server.ws_url), len(history.frames))


SESSIONS = (
    Session("binance.depth", BINANCE, _binance_depth),
    Session("binance.trades", BINANCE, _binance_trades),
    Session("binance.ticker", BINANCE, _binance_ticker),
    Session("binance_usdm.depth", USDM, _usdm_depth),
    Session("binance_usdm.ticker", USDM, _usdm_ticker),
)
