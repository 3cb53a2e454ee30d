"""`venues.binance_usdm` along two minutes of five recorded symbols, through a real socket; also with faults."""

from __future__ import annotations

import pytest

from syncstream import Feed, FeedError
from syncstream.venues import binance_usdm

from . import run
from .sessions.binance import part
from .sessions.binance_usdm import CAPTURE, depth, ticker


def test_depth() -> None:
    """No gap in 4,423 messages; no state contradicts the ticker; at the end each book is the venue's, level for level."""
    with run.play(part("@depth@100ms", CAPTURE), rate=3000.0) as server:
        result = run.books(lambda: depth(server), server)
    assert (result.expected, result.gaps, result.quarantined, result.contradicted, result.whole) == (4423, 0, 0, 0, True)
    assert result.compared > 150


@pytest.mark.parametrize("fault", run.FAULTS)
def test_depth_with_faults(fault: str) -> None:
    """What was lost is healed, what comes twice is one, and no state on the way contradicts the ticker."""
    with run.play(part("@depth@100ms", CAPTURE), rate=1500.0, **run.FAULTS[fault]) as server:
        result = run.books(lambda: depth(server), server)
    run.check_faults(fault, result, server, compared=30)


def test_ticker() -> None:
    """Every best price of five symbols, typed."""
    result = run.session(ticker, part("@bookTicker", CAPTURE))
    assert (result.messages, result.gaps, result.quarantined, result.duplicates) == (3424, 0, 0, 0)


def test_the_streams_stand_in_the_url() -> None:
    """Below the path of the book's channels."""
    assert binance_usdm.ticker(["BTCUSDT"]).endpoint == "wss://fstream.binance.com/public/stream?streams=btcusdt@bookTicker"


def test_contracts_that_are_delivered() -> None:
    """Their names have a day; other underscores are none."""
    assert binance_usdm.depth(["BTCUSDT_260327"]).endpoint == (
        "wss://fstream.binance.com/public/stream?streams=btcusdt_260327@depth@100ms"
    )
    for wrong in ("BTCUSDT_", "BTCUSD_PERP", "_260327"):
        with pytest.raises(FeedError, match="symbols"):
            binance_usdm.depth([wrong])


def test_a_line_has_two_hundred_streams() -> None:
    """As that of COIN-M."""
    for adapter in (binance_usdm.depth, binance_usdm.ticker):
        assert isinstance(adapter([f"A{number}" for number in range(200)]), Feed)
        with pytest.raises(FeedError, match="symbols=201: the venue takes 200"):
            adapter([f"A{number}" for number in range(201)])
