"""HTX, which was Huobi."""

from __future__ import annotations

from typing import Any

from syncstream import Feed
from syncstream.venues import htx
from tests import replay
from tests.venues import run, speed

from .base import Session

CAPTURE = "huobi_spot_gzip_20210417"


def part(channel: str) -> replay.History:
    """What the venue sends on this channel; its pings, which are on the tape, are left out."""
    return run.only(replay.history(CAPTURE), lambda message: message.get("ch", "").endswith(channel))


def symbols(history: replay.History) -> list[str]:
    return sorted({history.venue.decode(frame.data)["ch"].split(".")[1] for frame in history.frames})


def sides(message: Any) -> tuple[str, Any, Any]:
    return message["ch"].split(".")[1], message["tick"]["bids"], message["tick"]["asks"]


def depth(server: replay.ReplayServer) -> Feed:
    return htx.depth(symbols(server.history), url=server.ws_url)


def trades(server: replay.ReplayServer) -> Feed:
    return htx.trades(symbols(server.history), url=server.ws_url)


SESSIONS = (
    Session(
        "htx.depth",
        CAPTURE,
        lambda: run.whole(depth, part("depth.step0"), sides),
        lambda: speed.rate(depth, part("depth.step0"), key="ch", numbers=("tick.version",)),
        against="levels of the frame",
        note="each message is a book, inflated, of which every level is a `Decimal`: up to 300 of them",
    ),
    Session(
        "htx.trades",
        CAPTURE,
        lambda: run.session(trades, part("trade.detail")),
        lambda: speed.rate(trades, part("trade.detail"), key="ch", numbers=("tick.id",)),
        note="each frame is inflated by itself",
    ),
)
