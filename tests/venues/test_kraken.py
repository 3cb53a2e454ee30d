"""`venues.kraken` and `venues.kraken_v2`: their messages, and what is refused. The recorded sessions: `test_in_band.py`."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from syncstream import FeedError, Kind, Quarantined, Refused, Snapshot, Stream, Subscribed
from syncstream.venues import kraken, kraken_v2
from tests import replay
from tests.replay.test_subscriber import history as made

from . import inband
from .sessions.base import QUICK
from .sessions.kraken_v2 import CAPTURE
from .spoken import spoken


def test_messages_of_v1() -> None:
    """A change of one side, of both, a snapshot, and what is none of the book's."""
    decode = kraken.depth(["A/B"]).rules().decode
    one = decode(b'[5,{"a":[["2.0","1.0","3.5","r"]],"c":"77"},"book-1000","A/B"]', True)
    assert one == kraken.Depth("A/B", (), [["2.0", "1.0", "3.5", "r"]], "77", False)
    both = decode(b'[5,{"a":[["2.0","1.0","3.5"]]},{"b":[["1.0","0.0","3.6"]],"c":"78"},"book-1000","A/B"]', True)
    assert both == kraken.Depth("A/B", [["1.0", "0.0", "3.6"]], [["2.0", "1.0", "3.5"]], "78", False)
    whole = decode(b'[5,{"as":[],"bs":[["1.0","1.0","3.6"]]},"book-1000","A/B"]', True)
    assert whole == kraken.Depth("A/B", [["1.0", "1.0", "3.6"]], [], None, True)
    heartbeat = decode(b'{"event":"heartbeat"}', True)
    assert [kraken.kind_of(message) for message in (one, both, whole, heartbeat)] == [
        *(Kind.DATA, Kind.DATA, Kind.SNAPSHOT, Kind.HEARTBEAT)
    ]


def test_answers_of_v1() -> None:
    """By their status; an unsubscription and the status of the system say nothing."""
    decode = kraken.depth(["A/B"]).rules().decode
    texts = ('"subscriptionStatus","status":"subscribed"', '"subscriptionStatus","status":"error"', '"systemStatus"')
    kinds = [kraken.kind_of(decode(f'{{"event":{text}}}'.encode(), True)) for text in texts]
    assert kinds == [Kind.ACK, Kind.ERROR, Kind.IGNORE]
    asked = kraken.depth(["A/B"]).unsubscribe
    assert asked is not None
    refused = {"event": "subscriptionStatus", "status": "error", "errorMessage": "no", "reqid": asked(["A/B"])["reqid"]}
    assert kraken.kind_of(decode(json.dumps(refused).encode(), True)) is Kind.IGNORE
    refused = {"event": "subscriptionStatus", "status": "error", "errorMessage": "Subscription Not Found"}
    assert kraken.kind_of(decode(json.dumps(refused).encode(), True)) is Kind.IGNORE
    assert "reqid" not in kraken.depth(["A/B"]).subscribe(["A/B"])


@pytest.mark.parametrize("adapter", [kraken, kraken_v2])
def test_a_rate_that_was_exceeded_is_told(adapter: Any) -> None:
    """In the venue's words; nothing is refused by it, and what waits is asked for again."""
    asked: list[str] = []

    def answer(text: str) -> list[str]:
        asked.append(text)
        if len(asked) == 1:
            return ['{"Error":"Exceeded msg rate"}']
        if adapter is kraken:
            return ['{"event":"subscriptionStatus","status":"subscribed","pair":"A/B"}']
        return ['{"method":"subscribe","success":true,"result":{"symbol":"A/B"}}']

    with spoken(answer=answer) as venue:
        feed = adapter.depth(["A/B"], url=venue.url, backoff=QUICK)
        feed = msgspec.structs.replace(feed, acks=msgspec.structs.replace(feed.acks, within=0.2))
        with Stream(feed) as stream:
            told: list[Any] = []
            for item in stream.events():
                told.append(item)
                if isinstance(item, Subscribed):
                    break
    assert [item.reason for item in told if isinstance(item, Quarantined)] == ["ValueError: Exceeded msg rate"]
    assert [item.reason for item in told if isinstance(item, Refused)] == ["no acknowledgement within 0.2 s"]


def test_messages_of_v2_keep_their_digits() -> None:
    """`Decimal`s with all zeros that were sent."""
    decode = kraken_v2.depth(["A/B"]).rules().decode
    text = b'{"channel":"book","type":"update","data":[{"symbol":"A/B","bids":[{"price":5.10,"qty":0.00500}],"asks":[]}]}'
    message = decode(text, True)
    assert [str(message.book.bids[0].price), str(message.book.bids[0].size)] == ["5.10", "0.00500"]
    assert message.book == kraken_v2.Book("A/B", [kraken_v2.Level(Decimal("5.10"), Decimal("0.00500"))], [])
    others = (b'{"channel":"heartbeat"}', b'{"method":"subscribe","success":true,"result":{"symbol":"A/B"}}')
    refused = b'{"method":"subscribe","success":false,"error":"Currency pair not supported X/Y","symbol":"X/Y"}'
    kinds = [kraken_v2.kind_of(decode(one, True)) for one in (text, *others, refused, b'{"method":"pong"}')]
    assert kinds == [Kind.DATA, Kind.HEARTBEAT, Kind.ACK, Kind.ERROR, Kind.IGNORE]


def test_a_pair_that_the_venue_does_not_have_is_told() -> None:
    """By name and with the venue's words; the other one comes."""
    with inband.play(made(), topics=1) as server, Stream(kraken.depth(["A/B", "X/Y"], url=server.ws_url)) as stream:
        items = [item for item, _ in zip(stream.events(), range(5))]
    (refused,) = [item for item in items if isinstance(item, Refused)]
    assert (refused.topic, "not supported" in refused.reason) == ("X/Y", True)
    assert [item.key for item in items if isinstance(item, Snapshot)] == ["A/B"]


def test_a_symbol_that_v2_does_not_have_is_told() -> None:
    """Likewise."""
    history = replay.history(CAPTURE)
    with inband.play(history) as server, Stream(kraken_v2.depth(["BTC/USD", "X/Y"], url=server.ws_url)) as stream:
        items = [item for item, _ in zip(stream.events(), range(6))]
    assert [item.topic for item in items if isinstance(item, Refused)] == ["X/Y"]
    assert [item.key for item in items if isinstance(item, Snapshot)] == ["BTC/USD"]


@pytest.mark.parametrize("wrong", ["A/B", [], ["AB"], [5]])
@pytest.mark.parametrize("adapter", [kraken, kraken_v2])
def test_pairs_that_cannot_be(adapter: Any, wrong: Any) -> None:
    """One text, none, no slash, and no text at all; nor any depth but those that there are."""
    with pytest.raises(FeedError, match="pairs" if adapter is kraken else "symbols"):
        adapter.depth(wrong)
    with pytest.raises(FeedError, match="depth"):
        adapter.depth(["A/B"], depth=11)
