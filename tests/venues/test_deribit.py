"""`venues.deribit`: tickers of the session, messages, the heartbeat dialogue. Books: `test_in_band.py`."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, Sequence

import pytest

from syncstream import FeedError, Kind, Step, Stream, Subscribed
from syncstream.venues import deribit
from tests import replay
from tests.replay.venues.deribit import TEST_REQUEST

from . import inband
from .sessions.deribit import CAPTURE, is_ticker, ticker
from .spoken import spoken


def test_ticker() -> None:
    """Every ticker of ten instruments. The server begins only when its `test_request` was answered."""
    result = inband.count(ticker, replay.history(CAPTURE), is_ticker)
    assert (result.messages, result.quarantined) == (89, 0)


def test_messages_are_typed() -> None:
    """Numbers keep their digits."""
    text = (
        b'{"jsonrpc":"2.0","method":"subscription","params":{"channel":"book.A.raw","data":{"type":"change","timestamp":9,'
        b'"prev_change_id":5,"instrument_name":"A","change_id":8,"bids":[],"asks":[["new",0.0010,2.60]]}}}'
    )
    rules = deribit.depth(["A"]).rules()
    message = rules.decode(text, True)
    assert str(message.params.data.asks[0][1]) == "0.0010"
    assert message.params.data == deribit.Book("A", "change", 8, 5, 9, [], [("new", Decimal("0.001"), Decimal("2.6"))])
    assert (deribit.kind_of(message), rules.key and rules.key(message)) == (Kind.DATA, "A")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (TEST_REQUEST, Kind.CHALLENGE),
        ('{"method":"heartbeat","params":{"type":"heartbeat"}}', Kind.HEARTBEAT),
        ('{"id":2,"result":["book.A.raw"]}', Kind.ACK),
        ('{"id":2,"error":{"code":13009,"message":"unauthorized"}}', Kind.ERROR),
        ('{"id":4,"result":{"version":"1"}}', Kind.IGNORE),
    ],
)
def test_kinds(text: str, kind: Kind) -> None:
    """What is no data."""
    assert deribit.kind_of(deribit.depth(["A"]).rules().decode(text.encode(), True)) is kind


def test_a_challenge_is_answered() -> None:
    """By `public/test`."""
    rules = deribit.depth(["A"]).rules()
    assert rules.answer is not None
    answer = rules.answer(rules.decode(TEST_REQUEST.encode(), True))
    assert answer is not None
    assert b"public/test" in answer.data


def test_a_login_comes_before_the_heartbeats() -> None:
    """Raw books want one: it is said first, and what the adapter has to say is still said, then the subscription."""

    def answer(text: str) -> Sequence[str]:
        said = json.loads(text)
        return [json.dumps({"jsonrpc": "2.0", "id": said["id"], "result": said["params"].get("channels", "ok")})]

    login = Step(send={"jsonrpc": "2.0", "id": 9, "method": "public/auth", "params": {}}, expect=lambda message: message.id == 9)
    with spoken(answer=answer) as venue:
        feed = deribit.depth(["A"], interval="raw", opening=[login], url=venue.url)
        with Stream(feed) as stream:
            next(item for item in stream.events() if isinstance(item, Subscribed))
        assert [json.loads(text)["method"] for text in venue.heard] == [
            "public/auth",
            "public/set_heartbeat",
            "public/subscribe",
        ]


@pytest.mark.parametrize("wrong", [{"instruments": "A"}, {"instruments": ["A.B"]}, {"interval": "1s"}])
def test_what_cannot_be(wrong: dict[str, Any]) -> None:
    """One text, a dot, no such interval."""
    with pytest.raises(FeedError):
        deribit.depth(**{"instruments": ["A"], **wrong})
