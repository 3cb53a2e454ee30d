"""`venues.coinbase_advanced`: trades and tickers of the session, messages. Books: `test_in_band.py`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from syncstream import FeedError, Kind, Refused, Snapshot, Stream, SubscribeFailed
from syncstream.venues import coinbase_advanced as coinbase
from tests import replay

from . import inband
from .sessions.coinbase_advanced import CAPTURE, is_ticker, is_trades, ticker, trades
from .spoken import spoken


def test_trades() -> None:
    """Every frame with trades; the counter goes on through answers and heartbeats."""
    result = inband.count(trades, replay.history(CAPTURE), is_trades)
    assert (result.messages, result.gaps, result.quarantined, result.duplicates) == (59, 0, 0, 0)


def test_ticker() -> None:
    """Every ticker of two products."""
    result = inband.count(ticker, replay.history(CAPTURE), is_ticker)
    assert (result.messages, result.gaps, result.quarantined, result.duplicates) == (160, 0, 0, 0)


def test_messages_are_typed() -> None:
    """As text, with names one can read."""
    text = (
        b'{"channel":"l2_data","timestamp":"2026-08-09T21:05:48.5Z","sequence_num":14,"events":[{"type":"update",'
        b'"product_id":"A-B","updates":[{"side":"bid","event_time":"t","price_level":"1.0","new_quantity":"0"}]}]}'
    )
    feed = coinbase.depth(["A-B"])
    rules, reading = feed.rules(), feed.book_reading()
    message = rules.decode(text, True)
    assert (message.number, list(message.event.changes)) == (14, [coinbase.Change("bid", "t", "1.0", "0")])
    assert rules.key is not None
    assert (rules.key(message), coinbase.kind_of(message)) == ("A-B", Kind.DATA)
    assert reading is not None
    assert reading.message(message, None) == ([("1.0", "0")], [])


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('{"channel":"subscriptions","sequence_num":2,"events":[{"subscriptions":{"level2":["A-B"]}}]}', Kind.ACK),
        ('{"channel":"heartbeats","sequence_num":3,"events":[{"heartbeat_counter":5}]}', Kind.HEARTBEAT),
        ('{"type":"error","message":"no"}', Kind.ERROR),
        ('{"channel":"status","sequence_num":4,"events":[]}', Kind.IGNORE),
        ('{"channel":"l2_data","sequence_num":1,"events":[{"type":"snapshot","product_id":"A-B"}]}', Kind.SNAPSHOT),
    ],
)
def test_kinds(text: str, kind: Kind) -> None:
    """What is no change."""
    assert coinbase.kind_of(coinbase.depth(["A-B"]).rules().decode(text.encode(), True)) is kind


def test_a_frame_with_several_events() -> None:
    """Those of one product are one change; of several none is lost without a word: the frame cannot be read."""
    feed = coinbase.depth(["A-B", "C-D"])
    reading = feed.book_reading()
    assert reading is not None

    def frame(*products: str) -> Any:
        events = [
            {"type": "update", "product_id": product, "updates": [
                {"side": "bid", "event_time": "", "price_level": str(price), "new_quantity": "1"}
            ]}
            for price, product in enumerate(products, 1)
        ]  # fmt: skip
        text = json.dumps({"channel": "l2_data", "sequence_num": 5, "events": events})
        return feed.rules().decode(text.encode(), True)

    key = feed.rules().key
    assert key is not None
    assert key(frame("A-B", "A-B")) == "A-B"
    changes = reading.message(frame("A-B", "A-B"), None)
    assert changes is not None
    assert list(changes.bids) == [("1", "1"), ("2", "1")]
    with pytest.raises(ValueError, match="2 products"):
        key(frame("A-B", "C-D"))
    assert key(coinbase.Message(channel="market_trades", events=[coinbase.Event()])) is None


def test_an_error_about_heartbeats_is_told() -> None:
    """A limit of requests: the product that waits meanwhile is not refused by it."""
    frames = [
        {"channel": "subscriptions", "sequence_num": 0, "events": [{"subscriptions": {"level2": ["A-B"]}}]},
        {"channel": "l2_data", "sequence_num": 1, "events": [{"type": "snapshot", "product_id": "A-B", "updates": []}]},
    ]

    def answer(text: str) -> list[str]:
        if "heartbeats" in text:
            return ['{"type":"error","message":"rate limit exceeded"}']
        return [json.dumps(frame) for frame in frames]

    with spoken(answer=answer) as venue, Stream(coinbase.depth(["A-B"], url=venue.url)) as stream:
        told: list[Any] = []
        for item in stream.events():
            told.append(item)
            if isinstance(item, Snapshot):
                break
    refused = [item for item in told if isinstance(item, Refused)]
    assert len(refused) == 1
    assert "rate limit exceeded" in refused[0].reason
    assert refused[0].topic is None or refused[0].retry_in is not None


def test_an_unknown_product_is_an_error() -> None:
    """In the venue's words."""
    with inband.play(replay.history(CAPTURE)) as server:
        feed = coinbase.ticker(["NO-PE"], url=server.ws_url)
        with pytest.raises(SubscribeFailed) as raised, Stream(feed) as stream:
            stream.get(timeout=10.0)
    assert "NO-PE" in str(raised.value)


@pytest.mark.parametrize(
    ("text", "about"),
    [
        (
            '{"channel":"subscriptions","sequence_num":2,"events":[{"subscriptions":{"level2":["A-B"],"ticker":["C-D"]}}]}',
            ["A-B"],
        ),
        ('{"channel":"subscriptions","sequence_num":2,"events":[{"subscriptions":{"heartbeats":["x"]}}]}', []),
        ('{"type":"error","message":"failure to subscribe: NO-PE is not a product"}', ["NO-PE"]),
        ('{"type":"error","message":"failure to subscribe: [NO-PE, A-B]"}', []),
        ('{"type":"error","message":"rate limit exceeded"}', []),
    ],
)
def test_what_an_answer_is_about(text: str, about: list[str]) -> None:
    """The products of the channel that it lists; of an error the one that it names, for the others are asked for again then."""
    rules = coinbase.depth(["A-B", "NO-PE"]).rules()
    assert rules.ack_topics is not None
    assert rules.ack_topics(rules.decode(text.encode(), True)) == about


@pytest.mark.parametrize("wrong", ["BTC-USD", [], ["BTCUSD"]])
def test_products_that_cannot_be(wrong: Any) -> None:
    """One text, none, no dash."""
    with pytest.raises(FeedError, match="products"):
        coinbase.depth(wrong)
