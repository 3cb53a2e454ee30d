"""`venues.gate` along half a minute of ten recorded pairs, through a real socket, with its REST bodies; also with faults."""

from __future__ import annotations

from typing import Any

import pytest

from syncstream import FeedError, Kind
from syncstream.venues import gate

from . import run
from .sessions.gate import depth, part, ticker, trades

FAULTS: dict[str, dict[str, Any]] = {  # the session is short
    "left out": {"leave_out": 0.05, "seed": 5},
    "cuts": {"cut_after": 40, "lose": 10},
    "duplicates": {"repeat": 0.2, "seed": 5},
    "old snapshots": {"leave_out": 0.05, "seed": 5, "old_bodies": 2},
}


def test_depth() -> None:
    """No gap in 172 messages, and at the end each book is the venue's, level for level."""
    with run.play(part("spot.order_book_update"), rate=500.0) as server:
        result = run.books(lambda: depth(server), server)
    assert (result.expected, result.gaps, result.quarantined, result.whole) == (172, 0, 0, True)


@pytest.mark.parametrize("fault", FAULTS)
def test_depth_with_faults(fault: str) -> None:
    """What was lost is healed, what comes twice is one, and each book is the venue's at the end."""
    with run.play(part("spot.order_book_update"), rate=100.0, **FAULTS[fault]) as server:
        result = run.books(lambda: depth(server), server)
    run.check_faults(fault, result, server, compared=0)


def test_trades() -> None:
    """Every trade of the session."""
    result = run.session(trades, part("spot.trades"))
    assert (result.messages, result.quarantined, result.duplicates) == (9, 0, 0)


def test_ticker() -> None:
    """Every ticker of the session."""
    result = run.session(ticker, part("spot.tickers"))
    assert (result.messages, result.quarantined) == (22, 0)


def test_messages_are_typed() -> None:
    """As text, with names one can read."""
    text = (
        b'{"time":1,"channel":"spot.trades","event":"update","result":{"id":8,"create_time":1,"create_time_ms":"1619093543708.2642",'
        b'"side":"sell","currency_pair":"A_B","amount":"0.2","price":"1.5"}}'
    )
    rules = gate.trades(["A_B"]).rules()
    message = rules.decode(text, True)
    assert message == gate.Update("spot.trades", gate.Trade("A_B", 8, "1.5", "0.2", "sell", "1619093543708.2642"))


def test_a_refusal_is_one() -> None:
    """An answer with an error; one without is an acknowledgement."""
    rules = gate.depth(["A_B"]).rules()
    assert rules.classify is not None
    begin = b'{"time":1,"channel":"spot.order_book_update","event":"subscribe",'
    refused = rules.decode(begin + b'"error":{"code":2,"message":"unknown currency pair"},"result":null}', True)
    assert rules.classify(refused) is Kind.ERROR
    assert rules.classify(rules.decode(begin + b'"error":null,"result":{"status":"success"}}', True)) is Kind.ACK


def test_what_is_sent() -> None:
    """One request for each pair of a book, one for all pairs elsewhere."""
    books, prices = gate.depth(["A_B", "C_D"]), gate.ticker(["A_B", "C_D"])
    assert [payload["payload"] for payload in books.subscribe(books.topics)] == [["A_B", "100ms"], ["C_D", "100ms"]]
    assert [payload["payload"] for payload in prices.subscribe(prices.topics)] == [["A_B", "C_D"]]
    assert books == gate.depth(["A_B", "C_D"]) != gate.depth(["A_B"])


@pytest.mark.parametrize("wrong", ["BTC_USDT", [], ["BTCUSDT"], ["btc_usdt"], [5]])
def test_symbols_that_cannot_be(wrong: Any) -> None:
    """One text, none, no underscore, small letters, no text."""
    with pytest.raises(FeedError, match="symbols"):
        gate.depth(wrong)
