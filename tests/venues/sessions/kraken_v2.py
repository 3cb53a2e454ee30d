"""Kraken, v2."""

from __future__ import annotations

from syncstream import Feed
from syncstream.venues import kraken_v2
from tests import replay
from tests.venues import inband, speed

from .base import QUICK, Session

CAPTURE = "kraken_book"


def depth(server: replay.ReplayServer) -> Feed:
    return kraken_v2.depth(inband.keys(server.history), url=server.ws_url, backoff=QUICK)


SESSIONS = (
    Session(
        "kraken_v2.depth",
        CAPTURE,
        lambda: inband.run(depth, replay.history(CAPTURE)),
        lambda: speed.rate(depth, replay.history(CAPTURE), snapshots=True),
        against="CRC32 of each message",
        note="each message costs a CRC32 over 20 levels",
    ),
)
