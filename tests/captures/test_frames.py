"""Recorded sessions in binary frames, through the public API: HTX packs its JSON by gzip, Upbit sends it as it is."""

from __future__ import annotations

import math
from typing import Any, Optional

import pytest

from syncstream import Event, Feed, Kind, Stream
from tests import replay

PATIENCE = 20.0


def htx_kind(message: Any) -> Optional[Kind]:
    """Data names its channel; a ping and an acknowledgement do not."""
    return None if "ch" in message else Kind.HEARTBEAT


CASES: dict[str, dict[str, Any]] = {
    "huobi_spot_gzip_20210417": {"transform": "gzip", "key": "ch", "timestamp": "ts", "classify": htx_kind},
    "upbit_binaryjson_20210417": {"key": "cd", "timestamp": "tms"},
}


@pytest.mark.parametrize("name", CASES)
def test_every_frame_of_a_session_is_read(name: str) -> None:
    """Nothing is quarantined, and each message is known by its key."""
    recording = replay.require(name)
    history = replay.History(recording, replay.Venue())
    messages: list[Any] = []
    with replay.ReplayServer(history, speed=math.inf) as server:
        feed = Feed(server.ws_url, subscribe={"op": "subscribe"}, **CASES[name])
        with Stream(feed, queue_size=100_000) as stream:
            while len(messages) < 300:
                item = stream.get(timeout=PATIENCE)
                messages += [] if isinstance(item, Event) else [item]
            assert stream.status.quarantined == 0
            assert len(stream.latest()) >= 5
