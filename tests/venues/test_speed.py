"""The measuring of adapters: what is sent is a session that goes on."""

from __future__ import annotations

import math
from typing import Any

import pytest

from syncstream import Contiguous, Feed, Levels, Rest
from syncstream.core.frames import Frames
from tests import replay
from tests.replay import made

from . import speed


def feed(server: replay.ReplayServer) -> Feed:
    return Feed(
        server.ws_url,
        key="data.s",
        sequence=Contiguous("data.U", "data.u"),
        snapshot=Rest(server.rest_url + "/api/v3/depth?symbol={key}", position="lastUpdateId"),
        book=Levels(bids="data.b", asks="data.a", snapshot_bids="bids", snapshot_asks="asks"),
    )


def depth_only(updates: int) -> replay.History:
    history = made.market(updates).history
    frames = tuple(one for one in history.frames if "depthUpdate" in str(one.data))
    return replay.History(history.recording._replace(frames=frames), history.venue)


def test_a_session_repeated_has_no_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three passes, one gap-free stream: a gap would fail the measuring."""
    monkeypatch.setattr(speed, "LEAST", 300)
    monkeypatch.setattr(speed, "RUNS", 1)
    monkeypatch.setattr(speed, "QUIET", 0.05)
    found = speed.rate(feed, depth_only(100), key="data.s", numbers=("data.U", "data.u"))
    assert 0 < found < math.inf


def test_numbers_go_on() -> None:
    """Behind the last of the pass before, for each key by itself; texts stay texts, and each row has its own."""
    message: dict[str, Any] = {"n": "5", "rows": [["9", "1", 5], ["8", "2", 6]]}
    speed._shift(message, ["n"], 10)
    speed._shift(message, ["rows", "*", "2"], 10)
    assert message == {"n": "15", "rows": [["9", "1", 15], ["8", "2", 16]]}


@pytest.mark.parametrize("size", [0, 125, 126, 65535, 65536])
def test_frames(size: int) -> None:
    """As the library reads them, of each kind of length."""
    found = Frames(max_message_size=1 << 20, max_fragments=1).receive(speed.frame("x" * size) + speed.frame(b"y" * size))
    assert found == [(1, b"x" * size), (2, b"y" * size)]
