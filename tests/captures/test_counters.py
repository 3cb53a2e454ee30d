"""Recorded sessions whose numbers count in other scopes, through the public API: no false gap, and one left out is seen.

Coinbase Advanced and Bitfinex number a whole connection, acknowledgements and heartbeats included; so does dYdX (v3), whose
messages are complete, but twelve times not in their order; HitBTC each symbol, from an in-band snapshot on; Gate
each symbol by ranges.
"""

from __future__ import annotations

import json
import math
from typing import Any, NamedTuple, Optional

import pytest

from syncstream import CONNECTION, Contiguous, Event, Feed, Gap, Kind, Stream
from tests import replay

PATIENCE = 20.0


class Case(NamedTuple):
    """`messages`: how many of the session are data for this feed. `left_out`: the place of a frame of
    theirs, with others of its counter before and after it."""

    capture: str
    messages: int
    left_out: int
    fields: dict[str, Any]


def bitfinex_key(message: Any) -> Optional[int]:
    """The channel of data; events are objects and have no number."""
    return message[0] if isinstance(message, list) else None


def bitfinex_number(message: Any) -> Any:
    """The last element."""
    return message[-1]


def hitbtc_kind(message: Any) -> Optional[Kind]:
    return {"snapshotOrderbook": Kind.SNAPSHOT, "updateOrderbook": Kind.DATA}.get(message.get("method"), Kind.IGNORE)


def gate_kind(message: Any) -> Optional[Kind]:
    return None if (message["channel"], message["event"]) == ("spot.order_book_update", "update") else Kind.IGNORE


CASES = [
    Case(
        "coinbase_advanced_20260809",
        1030,
        500,
        {"key": "channel", "counter": CONNECTION, "sequence": Contiguous("sequence_num", start=0)},
    ),
    Case(
        "bitfinex_seqall_20210417",
        1670,
        800,
        {"key": bitfinex_key, "counter": CONNECTION, "sequence": Contiguous(bitfinex_number, start=1)},
    ),
    Case(
        "dydx_v3_outoforder_20210623",
        2140,
        1000,
        {"key": "id", "counter": CONNECTION, "sequence": Contiguous("message_id", start=0), "reorder": 0.5},
    ),
    Case(
        "hitbtc_20210405",
        3238,
        2000,
        {"key": "params.symbol", "classify": hitbtc_kind, "sequence": Contiguous("params.sequence")},
    ),
    Case(
        "gateio_spot_v4_20210422",
        172,
        98,
        {"key": "result.s", "classify": gate_kind, "sequence": Contiguous("result.U", "result.u")},
    ),
]


def play(case: Case, *, left_out: Optional[int] = None) -> list[Any]:
    """All that a stream yields of a session, which may lack one frame."""
    recording = replay.require(case.capture)
    frames = [frame for index, frame in enumerate(recording.frames) if index != left_out]
    history = replay.History(recording._replace(frames=tuple(frames)), replay.Venue())
    missing = case.messages - (left_out is not None)
    items: list[Any] = []
    with replay.ReplayServer(history, speed=math.inf) as server:
        feed = Feed(server.ws_url, subscribe={"op": "subscribe"}, **case.fields)
        with Stream(feed, queue_size=100_000) as stream:
            while missing:
                items.append(stream.get(timeout=PATIENCE))
                missing -= not isinstance(items[-1], Event)
            assert (stream.status.quarantined, stream.status.duplicates) == (0, 0)
    return items


@pytest.mark.parametrize("case", CASES, ids=[case.capture.split("_")[0] for case in CASES])
def test_a_whole_session_has_no_gap(case: Case) -> None:
    """Every message comes, in order, and nothing is said to be missing."""
    assert [item for item in play(case) if isinstance(item, Gap)] == []


@pytest.mark.parametrize("case", CASES, ids=[case.capture.split("_")[0] for case in CASES])
def test_a_frame_left_out_is_a_gap(case: Case) -> None:
    """Told at its place, in every key that the counter counts for."""
    gaps = [item for item in play(case, left_out=case.left_out) if isinstance(item, Gap)]
    assert gaps
    assert {gap.reason for gap in gaps} == {"hole"}
    assert len({(gap.after, gap.before) for gap in gaps}) == 1
    assert len(gaps) == len({gap.key for gap in gaps})
    assert (len(gaps) > 1) is (case.fields.get("counter") is CONNECTION)


def test_dydx_is_complete_and_out_of_order() -> None:
    """Twelve times a number is not the one behind that before it, and none is missing."""
    frames = replay.require("dydx_v3_outoforder_20210623").frames
    numbers = [json.loads(frame.data)["message_id"] for frame in frames]
    assert sorted(numbers) == list(range(2141))
    assert sum(after != before + 1 for before, after in zip(numbers, numbers[1:])) == 12
