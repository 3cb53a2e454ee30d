"""`venues.bitfinex`: tickers of the session, messages, notices. Books: `test_in_band.py`."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from syncstream import FeedError, Kind, Named, Refused, Snapshot, Stream
from syncstream.venues import bitfinex
from tests import replay

from . import inband
from .sessions.bitfinex import CAPTURE, is_ticker, ticker


def test_ticker() -> None:
    """Every ticker of seven symbols; heartbeats between them are counted by the counter, and by nobody else."""
    result = inband.count(ticker, replay.history(CAPTURE), is_ticker)
    assert (result.messages, result.gaps, result.quarantined, result.duplicates) == (21, 0, 0, 0)


def test_messages_are_typed() -> None:
    """Numbers keep their digits; the sign says the side, and a count of 0 deletes."""
    feed = bitfinex.depth(["tABUSD"])
    decode, reading = feed.rules().decode, feed.book_reading()
    assert reading is not None
    whole = decode(b"[7,[[1.50,2,0.30],[1.60,1,-0.40]],5]", True)
    assert (whole.channel_id, whole.number, whole.snapshot) == (7, 5, True)
    assert [[*map(tuple, side)] for side in reading.snapshot(whole)] == [
        [(Decimal("1.50"), Decimal("0.30"))],
        [(Decimal("1.60"), Decimal("0.40"))],
    ]
    gone = decode(b"[7,[1.60,0,-1],6]", True)
    assert (gone.bids, gone.asks, gone.snapshot) == ([], [(Decimal("1.60"), 0)], False)
    assert decode(b"[7,[],5]", True) == bitfinex.Depth(7, [], 5, True)
    assert decode(b'[7,"hb",8]', True) == bitfinex.Heartbeat(7, 8)
    message = bitfinex.ticker(["tABUSD"]).rules().decode(b"[7,[1,2,3,4,5,6,7,8,9,10],9]", True)
    assert (message.bid, message.ask, message.last, message.low, message.number) == (1, 3, 7, 10, 9)


def test_arrays_may_become_longer() -> None:
    """The documentation says so: what is new behind the known elements is passed over, and the number is the last one."""
    decode = bitfinex.depth(["tABUSD"]).rules().decode
    assert decode(b"[7,[1.5,2,0.3,99],8,5]", True) == decode(b"[7,[1.5,2,0.3],5]", True)
    assert decode(b"[7,[[1.5,2,0.3,99]],8,5]", True) == decode(b"[7,[[1.5,2,0.3]],5]", True)
    decode = bitfinex.ticker(["tABUSD"]).rules().decode
    assert decode(b"[7,[1,2,3,4,5,6,7,8,9,10,11],8,9]", True) == decode(b"[7,[1,2,3,4,5,6,7,8,9,10],9]", True)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('{"event":"subscribed","channel":"book","chanId":7,"symbol":"tABUSD"}', Kind.ACK),
        ('{"event":"error","msg":"symbol: invalid","code":10300,"symbol":"tABUSD"}', Kind.ERROR),
        ('{"event":"info","code":20051,"msg":"restart"}', Kind.RECONNECT),
        ('{"event":"info","code":20060,"msg":"maintenance"}', Kind.PAUSE),
        ('{"event":"info","code":20061,"msg":"over"}', Kind.RECONNECT),
        ('{"event":"info","version":2}', Kind.IGNORE),
        ('[7,"hb",8]', Kind.HEARTBEAT),
        ("[7,[1,1,1],8]", Kind.DATA),
        ("[7,[[1,1,1]],8]", Kind.SNAPSHOT),
    ],
)
def test_kinds(text: str, kind: Kind) -> None:
    """Answers, notices and data."""
    assert bitfinex.kind_of(bitfinex.depth(["tABUSD"]).rules().decode(text.encode(), True)) is kind


def test_messages_have_their_symbol_and_an_unknown_one_is_told() -> None:
    """The channel id says nothing to who gets them."""
    with inband.play(replay.history(CAPTURE), topics=1) as server:
        feed = bitfinex.depth(["tDOGUSD", "tNOPE"], url=server.ws_url)
        with Stream(feed) as stream:
            items: list[Any] = []
            for item in stream.events():
                items.append(item)
                if {Refused, Named} <= set(map(type, items)):
                    break
    assert [item.topic for item in items if isinstance(item, Refused)] == ["tNOPE"]
    assert [item.key for item in items if isinstance(item, Snapshot)] == ["tDOGUSD"]
    assert {item.key for item in items if isinstance(item, Named)} == {"tDOGUSD"}


def test_a_refused_conf_ends_the_opening() -> None:
    """Nothing would be numbered without it."""
    step = bitfinex.depth(["tABUSD"]).opening[0]
    decode = bitfinex.depth(["tABUSD"]).rules().decode
    assert step.expect is not None
    assert step.fail is not None
    good, bad = (decode(f'{{"event":"conf","status":"{status}"}}'.encode(), True) for status in ("OK", "FAILED"))
    assert (step.expect(good), step.fail(good), step.fail(bad)) == (True, None, "conf: FAILED")


@pytest.mark.parametrize("wrong", ["tABUSD", ["ABUSD"], [f"tB{number}" for number in range(26)]])
def test_what_cannot_be(wrong: Any) -> None:
    """One text, no `t`, and more than a line takes."""
    with pytest.raises(FeedError, match="symbols"):
        bitfinex.depth(wrong)
    with pytest.raises(FeedError, match="depth"):
        bitfinex.depth(["tA"], depth=7)
