"""`venues.binance` along two minutes of ten recorded symbols, through a real socket, with its REST bodies; also with faults."""

from __future__ import annotations

from typing import Any

import pytest

from syncstream import FeedError, Gap, Stream
from syncstream.venues import binance
from tests import replay

from . import run
from .sessions.binance import depth, part, symbols, ticker, trades


def test_depth() -> None:
    """No gap in 4,709 messages; no state contradicts the ticker; at the end each book is the venue's, level for level."""
    with run.play(part("@depth@100ms"), rate=3000.0) as server:
        result = run.books(lambda: depth(server), server)
    assert (result.expected, result.gaps, result.quarantined, result.contradicted, result.whole) == (4709, 0, 0, 0, True)
    assert result.compared > 900


@pytest.mark.parametrize("fault", run.FAULTS)
def test_depth_with_faults(fault: str) -> None:
    """What was lost is healed, what comes twice is one, and no state on the way contradicts the ticker."""
    with run.play(part("@depth@100ms"), rate=1500.0, **run.FAULTS[fault]) as server:
        result = run.books(lambda: depth(server), server)
    run.check_faults(fault, result, server, compared=150)


def test_trades() -> None:
    """Every aggregate trade of 8 symbols, and no gap."""
    result = run.session(trades, part("@aggTrade"))
    assert (result.messages, result.gaps, result.quarantined) == (1240, 0, 0)


def test_a_trade_left_out_is_told() -> None:
    """One that is missing is a gap of one."""
    history = part("@aggTrade")
    first, gone, _ = [index for index, frame in enumerate(history.frames) if '"s":"MANAUSDT"' in str(frame.data)][:3]
    frames = [frame for index, frame in enumerate(history.frames) if index != gone]
    shorter = replay.History(history.recording._replace(frames=tuple(frames)), history.venue)
    with run.play(shorter) as server, Stream(binance.trades(symbols(history), url=server.ws_url)) as stream:
        gaps = [item for item, _ in zip(stream, range(len(frames))) if isinstance(item, Gap)]
    assert first < gone
    assert [(gap.key, gap.missing, gap.healing) for gap in gaps] == [("MANAUSDT", 1, False)]


def test_ticker() -> None:
    """Every best price of ten symbols, typed."""
    result = run.session(ticker, part("@bookTicker"))
    assert (result.messages, result.gaps, result.quarantined, result.duplicates) == (5408, 0, 0, 0)


def test_messages_are_typed() -> None:
    """As text, with names one can read."""
    text = b'{"stream":"a@aggTrade","data":{"e":"aggTrade","s":"A","a":5,"p":"1.0","q":"2","T":7,"m":true,"M":true}}'
    message = binance.trades(["A"]).rules().decode(text, True)
    assert message.data == binance.Trade("A", 5, "1.0", "2", 7, True)


def test_the_streams_stand_in_the_url() -> None:
    """In small letters, all in one."""
    assert binance.depth(["BTCUSDT", "ethusdt"]).endpoint == (
        "wss://stream.binance.com:9443/stream?streams=btcusdt@depth@100ms/ethusdt@depth@100ms"
    )
    assert binance.ticker(["币安人生USDT"]).endpoint == (
        "wss://stream.binance.com:9443/stream?streams=%E5%B8%81%E5%AE%89%E4%BA%BA%E7%94%9Fusdt@bookTicker"
    )
    assert binance.ticker(["A"], heartbeat=5.0).heartbeat == 5.0


@pytest.mark.parametrize("wrong", ["BTCUSDT", [], ["BTC/USDT"], [5], [f"A{number}" for number in range(1025)]])
def test_symbols_that_cannot_be(wrong: Any) -> None:
    """One text, none, a slash, and more than a line takes."""
    with pytest.raises(FeedError, match="symbols"):
        binance.depth(wrong)
