"""Kraken, v1."""

from __future__ import annotations

from syncstream import Feed
from syncstream.venues import kraken
from tests import replay
from tests.venues import inband, speed

from .base import QUICK, Session

CAPTURE = "kraken_v1_book1000_20210417"


def depth(server: replay.ReplayServer) -> Feed:
    return kraken.depth(inband.keys(server.history), url=server.ws_url, backoff=QUICK)


SESSIONS = (
    Session(
        "kraken.depth",
        CAPTURE,
        lambda: inband.run(depth, replay.history(CAPTURE)),
        lambda: speed.rate(depth, replay.history(CAPTURE), snapshots=True),
        against="CRC32 of each message",
        note="each message costs a CRC32 over 20 levels",
    ),
)
