"""Reading and writing the shapes of Binance spot and KuCoin."""

from __future__ import annotations

import json

import pytest

from .books import Book, Delta, Level, Top
from .venues import BinanceSpot, KuCoin, Quote, Venue

BOOK = Book(42, [["9.10", "1.0"], ["9.00", "2"]], [["9.20", "3"]])


@pytest.mark.parametrize("venue", [BinanceSpot(), KuCoin()])
def test_a_snapshot_reads_back_as_the_book_it_was_written_from(venue: Venue) -> None:
    """`body` and `book` are each other's inverse, text included."""
    assert venue.book(json.loads(venue.body(BOOK))) == BOOK


def test_the_shape_of_a_binance_snapshot() -> None:
    """As `/api/v3/depth` gives it."""
    expected = {"lastUpdateId": 42, "bids": [["9.10", "1.0"], ["9.00", "2"]], "asks": [["9.20", "3"]]}
    assert json.loads(BinanceSpot().body(BOOK)) == expected


def test_the_shape_of_a_kucoin_snapshot() -> None:
    """As `/api/v1/market/orderbook/level2` gives it: the sequence is text."""
    data = {"sequence": "42", "bids": [["9.10", "1.0"], ["9.00", "2"]], "asks": [["9.20", "3"]]}
    assert json.loads(KuCoin().body(BOOK)) == {"code": "200000", "data": data}


def test_binance_messages() -> None:
    """Depth is a delta, bookTicker the oracle, a trade neither."""
    venue = BinanceSpot()
    depth = {"stream": "ab@depth@100ms", "data": {"s": "AB", "U": 3, "u": 5, "b": [["9", "1"]], "a": [["10", "0"]]}}
    ticker = {"stream": "ab@bookTicker", "data": {"s": "AB", "u": 5, "b": "9", "B": "1", "a": "11", "A": "2"}}
    assert venue.delta(depth) == Delta("AB", 3, 5, (Level("9", "1", 5),), (Level("10", "0", 5),))
    assert venue.quote(ticker) == Quote("AB", 5, Top.of("9", "1", "11", "2"))
    assert (venue.quote(depth), venue.delta(ticker)) == (None, None)
    assert venue.delta({"stream": "ab@aggTrade", "data": {}}) is None


@pytest.mark.parametrize(
    ("venue", "url", "key"),
    [
        (BinanceSpot(), "https://www.binance.com/api/v1/depth?symbol=AB&limit=1000", "AB"),
        (BinanceSpot(), "/api/v3/depth?limit=5&symbol=AB", "AB"),
        (BinanceSpot(), "/api/v3/depth", None),
        (BinanceSpot(), "/api/v3/trades?symbol=AB", None),
        (KuCoin(), "/api/v1/market/orderbook/level2?symbol=A-B", "A-B"),
        (KuCoin(), "/api/v3/market/orderbook/level2?symbol=A-B", "A-B"),
        (Venue(), "/api/v3/depth?symbol=AB", None),
    ],
)
def test_whose_snapshot_a_url_asks_for(venue: Venue, url: str, key: str) -> None:
    """The symbol of a snapshot request; None for anything else."""
    assert venue.key_of(url) == key


def test_kucoin_answers_a_subscriber_only_if_asked() -> None:
    """An ack carries the request's id as text; a ping gets its pong; `response: false` gets nothing."""
    venue = KuCoin()
    assert venue.answer('{"id": 7, "type": "subscribe", "topic": "t", "response": true}') == '{"id": "7", "type": "ack"}'
    assert venue.answer('{"id": "p", "type": "ping"}') == '{"id": "p", "type": "pong"}'
    assert venue.answer('{"id": 7, "type": "subscribe", "topic": "t"}') is None
