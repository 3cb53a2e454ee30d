"""`venues.upbit` along half a minute of ten recorded markets, through a real socket."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from syncstream import FeedError
from syncstream.venues import upbit

from . import run
from .sessions.upbit import depth, part, sides, trades


def test_depth() -> None:
    """Every book of the session is as it was recorded, and at the end each level of the last ones."""
    result = run.whole(depth, part("orderbook"), sides)
    assert (result.messages, result.gaps, result.quarantined, result.whole) == (145, 0, 0, True)
    assert (result.compared, result.contradicted) == (145, 0)


def test_trades() -> None:
    """Every trade of the session."""
    result = run.session(trades, part("trade"))
    assert (result.messages, result.gaps, result.quarantined) == (304, 0, 0)


def test_a_cut_is_told() -> None:
    """Loss cannot be seen, so each reconnect is one."""
    gap, _ = run.told_after_a_cut(trades, part("trade"), 100)
    assert (gap.reason, gap.healing) == ("reconnect", False)


def test_messages_are_typed() -> None:
    """With the digits that were sent, and names one can read."""
    text = (
        b'{"ty":"orderbook","cd":"A-B","tms":5,"tas":1.0,"obu":[{"ap":127.0,"bp":126.0,"as":280460.370,"bs":1}],"st":"REALTIME"}'
    )
    message = upbit.depth(["A-B"]).rules().decode(text, False)
    assert message == upbit.Depth("A-B", 5, [upbit.Unit(Decimal("126.0"), Decimal(1), Decimal("127.0"), Decimal("280460.370"))])
    assert str(message.units[0].ask_size) == "280460.370"


def test_what_is_sent() -> None:
    """Who asks, how, and for what; the same for the same symbols."""
    feed = upbit.trades(["KRW-BTC", "KRW-ETH"])
    ticket, form, channel = feed.subscribe
    assert (form, channel["type"], channel["codes"]) == ({"format": "SIMPLE"}, "trade", ["KRW-BTC", "KRW-ETH"])
    assert ticket != upbit.trades(["KRW-BTC"]).subscribe[0]
    assert feed == upbit.trades(["KRW-BTC", "KRW-ETH"])
    assert msgspec.json.encode(feed.subscribe)


@pytest.mark.parametrize("wrong", ["KRW-BTC", [], ["KRWBTC"], ["krw-btc"]])
def test_symbols_that_cannot_be(wrong: Any) -> None:
    """One text, none, no dash, small letters."""
    with pytest.raises(FeedError, match="symbols"):
        upbit.depth(wrong)
