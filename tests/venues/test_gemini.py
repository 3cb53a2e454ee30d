"""`venues.gemini`: its documentation, spoken on a real socket. No session was recorded."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from syncstream import Feed, FeedError, Gap, Level, Sharded, Snapshot, Stream
from syncstream.venues import gemini

from . import run
from .spoken import spoken, taken


def change(side: str, price: str, remaining: str, reason: str = "place") -> dict[str, str]:
    return {"type": "change", "side": side, "price": price, "remaining": remaining, "delta": remaining, "reason": reason}


def update(number: int, *events: Any) -> str:
    return json.dumps({"type": "update", "eventId": 5, "socket_sequence": number, "timestampms": 7, "events": events})


FIRST = update(0, change("bid", "9.0", "1", "initial"), change("ask", "10.0", "2", "initial"))
BEAT = '{"type":"heartbeat","socket_sequence":1}'
LAST = update(2, change("bid", "9.5", "3"), change("bid", "9.0", "0", "cancel"))


def test_a_book() -> None:
    """The first message is all of it, a heartbeat is counted, later ones change it."""
    with spoken([FIRST, BEAT, LAST]) as venue, Stream(gemini.depth(["BTCUSD"], url=venue.url)) as stream:
        snapshot, message = taken(stream, 2)
        top = stream.books["BTCUSD"].top()
        assert stream.status.gaps == 0
        assert venue.paths == ["/BTCUSD?heartbeat=true&bids=true&offers=true"]
    assert isinstance(snapshot, Snapshot)
    assert (snapshot.key, snapshot.state.number, message.number) == ("BTCUSD", 0, 2)
    assert (top.bids, top.asks) == ((Level(Decimal("9.5"), Decimal(3)),), (Level(Decimal("10.0"), Decimal(2)),))


def test_a_book_may_come_after_a_heartbeat() -> None:
    """What it is stands in its reason, not in its number."""
    first = update(1, change("bid", "9.0", "1", "initial"))
    beat = '{"type":"heartbeat","socket_sequence":0}'
    with spoken([beat, first, LAST]) as venue, Stream(gemini.depth(["BTCUSD"], url=venue.url)) as stream:
        snapshot, message = taken(stream, 2)
        assert stream.status.gaps == 0
    assert isinstance(snapshot, Snapshot)
    assert (snapshot.state.number, message.number) == (1, 2)


def test_a_hole_is_healed_by_a_new_connection() -> None:
    """A heartbeat that is missing is a hole as well: something was lost."""
    with spoken([FIRST, LAST]) as venue:
        with Stream(gemini.depth(["BTCUSD"], url=venue.url, backoff=run.AGAIN)) as stream:
            items = taken(stream, 2)
        assert len(venue.paths) > 1
    assert all(isinstance(item, Snapshot) for item in items)


def test_trades_tell_a_hole() -> None:
    """Nothing heals it."""
    trade = {"type": "trade", "tid": 8, "price": "9.5", "amount": "0.1", "makerSide": "bid"}
    with spoken([update(0), BEAT, update(3, trade)]) as venue, Stream(gemini.trades(["BTCUSD"], url=venue.url)) as stream:
        first, gap, last = taken(stream, 3)
    assert first.events == []
    assert isinstance(gap, Gap)
    assert (gap.healing, gap.missing) == (False, 1)
    assert last.events == [gemini.Event("trade", "9.5", amount="0.1", maker_side="bid", tid=8)]


def test_several_symbols_are_several_lines() -> None:
    """A list as everywhere, so that `Sharded` makes a line of each."""
    with spoken([FIRST]) as venue:

        def make(symbols: list[str]) -> Feed:
            return gemini.depth(symbols, url=venue.url)

        with Sharded[gemini.Update](make, ["BTCUSD", "ETHUSD"], per_line=1) as stream:
            assert stream.wait_live(timeout=10) == []
            assert set(stream.books) == {"BTCUSD", "ETHUSD"}
        with pytest.raises(FeedError, match=r"symbols=2: the venue takes 1 on one line; Sharded\(\.\.\., per_line=1\)"):
            make(["BTCUSD", "ETHUSD"])


@pytest.mark.parametrize("wrong", [["BTC/USD"], "BTCUSD", [], 5, [5]])
def test_symbols_that_cannot_be(wrong: Any) -> None:
    """A slash, one text, none, no list, and no text."""
    with pytest.raises(FeedError, match="symbols"):
        gemini.depth(wrong)
