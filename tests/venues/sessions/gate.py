"""Gate, spot."""

from __future__ import annotations

from syncstream import Feed
from syncstream.venues import gate
from tests import replay
from tests.venues import run, speed

from .base import QUICK, SLOW_BOOK, Session

CAPTURE = "gateio_spot_v4_20210422"


def part(channel: str) -> replay.History:
    """What the venue sends on this channel."""
    return run.only(replay.history(CAPTURE), lambda message: message["channel"] == channel)


def symbols(history: replay.History) -> list[str]:
    results = [history.venue.decode(frame.data)["result"] for frame in history.frames]
    return sorted({result.get("s") or result["currency_pair"] for result in results})


def depth(server: replay.ReplayServer) -> Feed:
    return gate.depth(symbols(server.history), url=server.ws_url, rest_url=server.rest_url, backoff=QUICK, verify_after=1.0)


def trades(server: replay.ReplayServer) -> Feed:
    return gate.trades(symbols(server.history), url=server.ws_url)


def ticker(server: replay.ReplayServer) -> Feed:
    return gate.ticker(symbols(server.history), url=server.ws_url)


def _depth() -> run.Result:
    with run.play(part("spot.order_book_update"), rate=500.0) as server:
        return run.books(lambda: depth(server), server)


SESSIONS = (
    Session(
        "gate.depth",
        CAPTURE,
        _depth,
        lambda: speed.rate(depth, part("spot.order_book_update"), key="result.s", numbers=("result.U", "result.u")),
        note=f"{SLOW_BOOK}; the first message of a pair, a tenth of these, is a whole window of levels",
    ),
    Session(
        "gate.trades",
        CAPTURE,
        lambda: run.session(trades, part("spot.trades")),
        lambda: speed.rate(trades, part("spot.trades"), key="result.currency_pair", numbers=("result.id",)),
    ),
    Session(
        "gate.ticker",
        CAPTURE,
        lambda: run.session(ticker, part("spot.tickers")),
        lambda: speed.rate(ticker, part("spot.tickers")),
    ),
)
