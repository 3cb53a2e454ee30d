"""Half a minute of nine KuCoin symbols, replayed with losses and cuts, through the public API.

KuCoin welcomes and acknowledges, numbers each change (more than a thousand of them have price 0 and only advance the number), and
allows a message to overlap what is known. Its ticker names the number its best prices belong to: 810 of them meet the end of a
level2 message.
"""

from __future__ import annotations

import math
from typing import Any, Optional

import pytest

from syncstream import Backoff, Contiguous, Feed, Rest
from tests import replay
from tests.captures.rebuild import assert_complete, assert_told, rebuild

RATE = 1500.0  # frames a second: the 4,707 take three seconds


@pytest.fixture
def history() -> replay.History:
    return replay.history("kucoin_level2_20210425")


def key_of(message: dict[str, Any]) -> Optional[str]:
    """The symbol of a level2 message; welcome, acks, tickers and candles have none."""
    return message["data"]["symbol"] if message.get("subject") == "trade.l2update" else None


def position_of(body: dict[str, Any]) -> int:
    """The REST body has its sequence as text."""
    return int(body["data"]["sequence"])


def feed(server: replay.ReplayServer) -> Feed:
    return Feed(
        server.ws_url,
        subscribe=server.history.recording.sent,
        key=key_of,
        sequence=Contiguous(first="data.sequenceStart", last="data.sequenceEnd", overlap=True),
        snapshot=Rest(
            server.rest_url + "/api/v1/market/orderbook/level2?symbol={key}",
            position=position_of,
            backoff=Backoff(base=0.02, maximum=0.1),
        ),
        backoff=Backoff(base=0.01, maximum=0.02),
        verify_after=1.0,  # far longer than a hole takes to heal: only keys that stay silent may wait for it
    )


def test_one_percent_left_out(history: replay.History) -> None:
    """Each hole is told with what is missing, healed by a snapshot, and no state contradicts the ticker."""
    with replay.ReplayServer(history, speed=math.inf, rate=RATE, leave_out=0.01, seed=1) as server:
        result = rebuild(feed(server), server, events=True)
    assert_complete(result, server, checked=400)
    assert_told(result, server)
    assert len(server.left_out) > 20
    assert result.snapshots > 9


def test_cuts_every_500_frames(history: replay.History) -> None:
    """After each cut the same subscribes go out again, and the books go on without a hole."""
    with replay.ReplayServer(history, speed=math.inf, rate=RATE, cut_after=500) as server:
        result = rebuild(feed(server), server)
    assert_complete(result, server, checked=300)
    assert result.events == []
    assert server.cuts >= 5
    assert result.status.reconnects >= 5
    assert result.status.gaps > 0


def test_cuts_and_one_percent_left_out(history: replay.History) -> None:
    """Both at once: holes found while others are being healed."""
    with replay.ReplayServer(history, speed=math.inf, rate=RATE, cut_after=500, leave_out=0.01, seed=2) as server:
        result = rebuild(feed(server), server)
    assert_complete(result, server, checked=300)
    assert result.events == []
    assert server.cuts >= 5
    assert len(server.left_out) > 10
    assert result.status.gaps > 0
