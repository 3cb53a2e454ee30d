"""Crypto.com."""

from __future__ import annotations

from typing import Any

from syncstream import Feed
from syncstream.venues import cryptocom
from tests import replay
from tests.venues import run, speed

from .base import Session

CAPTURE = "cryptocom_20211123"


def part(channel: str) -> replay.History:
    """What the venue sends on this channel; its heartbeat, which is on the tape, is left out."""
    return run.only(replay.history(CAPTURE), lambda message: message.get("result", {}).get("channel") == channel)


def symbols(history: replay.History) -> list[str]:
    return sorted({history.venue.decode(frame.data)["result"]["instrument_name"] for frame in history.frames})


def sides(message: Any) -> tuple[str, Any, Any]:
    book = message["result"]["data"][0]
    return message["result"]["instrument_name"], book["bids"], book["asks"]


def depth(server: replay.ReplayServer) -> Feed:
    return cryptocom.depth(symbols(server.history), url=server.ws_url)


def trades(server: replay.ReplayServer) -> Feed:
    return cryptocom.trades(symbols(server.history), url=server.ws_url)


def ticker(server: replay.ReplayServer) -> Feed:
    return cryptocom.ticker(symbols(server.history), url=server.ws_url)


SESSIONS = (
    Session(
        "cryptocom.depth",
        CAPTURE,
        lambda: run.whole(depth, part("book"), sides),
        lambda: speed.rate(depth, part("book")),
        against="levels of the frame",
        note="of API v2, and v1 is dialled; each message is a book, of which every level is a `Decimal`: up to 300 of them",
    ),
    Session(
        "cryptocom.trades",
        CAPTURE,
        lambda: run.session(trades, part("trade")),
        lambda: speed.rate(trades, part("trade")),
        note="of API v2, and v1 is dialled; one message in fourteen has a hundred trades",
    ),
    Session(
        "cryptocom.ticker",
        CAPTURE,
        lambda: run.session(ticker, part("ticker")),
        lambda: speed.rate(ticker, part("ticker")),
        note="of API v2, and v1 is dialled; every number is a `Decimal`",
    ),
)
