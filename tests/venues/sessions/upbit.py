"""Upbit."""

from __future__ import annotations

from typing import Any

from syncstream import Feed
from syncstream.venues import upbit
from tests import replay
from tests.venues import run, speed

from .base import Session

CAPTURE = "upbit_binaryjson_20210417"


def part(channel: str) -> replay.History:
    """What the venue sends on this channel."""
    return run.only(replay.history(CAPTURE), lambda message: message["ty"] == channel)


def symbols(history: replay.History) -> list[str]:
    return sorted({history.venue.decode(frame.data)["cd"] for frame in history.frames})


def sides(message: Any) -> tuple[str, Any, Any]:
    units = message["obu"]
    return message["cd"], [(unit["bp"], unit["bs"]) for unit in units], [(unit["ap"], unit["as"]) for unit in units]


def depth(server: replay.ReplayServer) -> Feed:
    return upbit.depth(symbols(server.history), url=server.ws_url)


def trades(server: replay.ReplayServer) -> Feed:
    return upbit.trades(symbols(server.history), url=server.ws_url)


SESSIONS = (
    Session(
        "upbit.depth",
        CAPTURE,
        lambda: run.whole(depth, part("orderbook"), sides),
        lambda: speed.rate(depth, part("orderbook")),
        against="levels of the frame",
        note="each message is a book, of which every level is a `Decimal`",
    ),
    Session(
        "upbit.trades",
        CAPTURE,
        lambda: run.session(trades, part("trade")),
        lambda: speed.rate(trades, part("trade")),
    ),
)
