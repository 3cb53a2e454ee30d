"""`venues.upbit` along half a minute of ten recorded markets, through a real socket."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from syncstream import FeedError, Refused, Stream
from syncstream.venues import upbit

from . import run
from .sessions.upbit import depth, part, sides, trades
from .spoken import spoken


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
    """Who asks, how, and for what; the same for the same symbols, and all of them whichever are asked for again."""
    feed = upbit.trades(["KRW-BTC", "KRW-ETH"])
    ((ticket, form, channel),) = feed.subscribe(["KRW-BTC", "KRW-ETH"])
    assert (form, channel["type"], channel["codes"]) == ({"format": "SIMPLE"}, "trade", ("KRW-BTC", "KRW-ETH"))
    assert ticket != upbit.trades(["KRW-BTC"]).subscribe(["KRW-BTC"])[0][0]
    assert feed == upbit.trades(["KRW-BTC", "KRW-ETH"])
    assert feed.subscribe(["KRW-ETH"]) == feed.subscribe(["KRW-BTC", "KRW-ETH"])
    assert msgspec.json.encode(feed.subscribe(["KRW-BTC"]))
    with pytest.raises(FeedError, match="topics='KRW-XRP'"):
        feed.subscribe(["KRW-XRP"])


def test_a_market_that_never_delivers_is_named() -> None:
    """There is no acknowledgement, but data of the others comes."""
    book = '{"ty":"orderbook","cd":"KRW-BTC","tms":5,"obu":[{"ap":2,"bp":1,"as":1,"bs":1}],"st":"SNAPSHOT"}'
    with spoken(answer=lambda text: [book]) as venue:
        feed = upbit.depth(["KRW-BTC", "KRW-NOPE"], topic_data_limit=0.2, backoff=run.AGAIN, url=venue.url)
        with Stream(feed) as stream:
            refused = next(item for item in stream.events() if isinstance(item, Refused) and item.retry_in is None)
            assert (refused.topic, refused.reason) == ("KRW-NOPE", "no data within 0.2 s")
            assert stream.wait_live(timeout=0.0) == ["KRW-NOPE"]
        assert len(set(venue.heard)) == 1


@pytest.mark.parametrize("wrong", ["KRW-BTC", [], ["KRWBTC"], ["krw-btc"]])
def test_symbols_that_cannot_be(wrong: Any) -> None:
    """One text, none, no dash, small letters."""
    with pytest.raises(FeedError, match="symbols"):
        upbit.depth(wrong)
