"""Two minutes of ten Binance spot symbols, replayed with losses and cuts, through the public API.

The books are rebuilt from what the stream yields and compared with `bookTicker`, which Binance sends independently of the depth
stream: best prices and sizes at an update id. A whole session has 1,152 depth messages with a ticker of the same id; a recovery
jumps over some of them, and how many depends a little on the machine: the tests ask for well below what a busy one reaches.
"""

from __future__ import annotations

import math
from typing import Any, Optional

import pytest

from syncstream import Backoff, Contiguous, Feed, Rest
from tests import replay
from tests.captures.rebuild import assert_complete, assert_told, rebuild

RATE = 3000.0  # frames a second: the 11,357 take four seconds
CALM = 2000.0  # where every reconnect costs the frames that pass meanwhile


@pytest.fixture
def history() -> replay.History:
    return replay.history("binance_spot_10sym_20210405")


def key_of(message: dict[str, Any]) -> Optional[str]:
    """The symbol of a depth message; the combined stream also carries trades and tickers."""
    return message["data"]["s"] if message["stream"].endswith("@depth@100ms") else None


def feed(server: replay.ReplayServer) -> Feed:
    return Feed(
        server.ws_url,
        key=key_of,
        sequence=Contiguous(first="data.U", last="data.u"),
        snapshot=Rest(
            server.rest_url + "/api/v3/depth?symbol={key}&limit=1000",
            position="lastUpdateId",
            attempts=100,
            backoff=Backoff(base=0.02, maximum=0.1),
        ),
        backoff=Backoff(base=0.01, maximum=0.02),
        verify_after=1.0,  # far longer than a hole takes to heal: only keys that stay silent may wait for it
    )


def test_a_whole_session_needs_one_snapshot_a_symbol(history: replay.History) -> None:
    """Without a fault no gap is seen, and every state the pure fold knows is reached, except where a snapshot came later."""
    with replay.ReplayServer(history, speed=math.inf, rate=RATE) as server:
        result = rebuild(feed(server), server, events=True)
    assert_complete(result, server, checked=800)
    assert result.gaps == []
    assert result.snapshots == len(history.final) == 10


def test_one_percent_left_out(history: replay.History) -> None:
    """Each hole is told with what is missing, healed by a snapshot, and no state contradicts the ticker."""
    with replay.ReplayServer(history, speed=math.inf, rate=RATE, leave_out=0.01, seed=1) as server:
        result = rebuild(feed(server), server, events=True)
    assert_complete(result, server, checked=500)
    assert_told(result, server)
    assert len(server.left_out) > 30
    assert result.snapshots > 10


@pytest.mark.slow
def test_cuts_every_500_frames(history: replay.History) -> None:
    """The line is dropped again and again while the market goes on; the default view shows nothing but messages and snapshots."""
    with replay.ReplayServer(history, speed=math.inf, rate=CALM, cut_after=500) as server:
        result = rebuild(feed(server), server)
    assert_complete(result, server, checked=300)
    assert result.events == []
    assert server.cuts >= 10
    assert result.status.reconnects >= 10
    assert result.status.gaps > 0


@pytest.mark.slow
def test_cuts_and_one_percent_left_out(history: replay.History) -> None:
    """Both at once: holes found while others are being healed."""
    with replay.ReplayServer(history, speed=math.inf, rate=CALM, cut_after=500, leave_out=0.01, seed=2) as server:
        result = rebuild(feed(server), server)
    assert_complete(result, server, checked=250)
    assert result.events == []
    assert server.cuts >= 10
    assert len(server.left_out) > 20
    assert result.status.gaps > 0


def test_snapshots_older_than_the_hole(history: replay.History) -> None:
    """REST lags 0.1 s behind the line: a snapshot that cannot be joined is asked for again until one can."""
    with replay.ReplayServer(history, speed=math.inf, rate=RATE, leave_out=0.01, seed=3, rest_lag=0.1) as server:
        result = rebuild(feed(server), server, events=True)
    assert_complete(result, server, checked=400)
    assert_told(result, server)
    assert sum(server.fetched.values()) > result.snapshots
