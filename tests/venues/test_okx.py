"""`venues.okx`: trades and tickers of the session, messages, notices, and the ping. Books: `test_in_band.py`."""

from __future__ import annotations

from typing import Any

import pytest

from syncstream import Disconnected, FeedError, Keepalive, Kind, Refused, Snapshot, Stream
from syncstream.venues import okx
from tests import replay

from . import inband
from .sessions import QUICK
from .sessions.okx import CHECKED, NUMBERED, is_ticker, is_trades, ticker, trades


def test_trades() -> None:
    """Every trade of three instruments."""
    result = inband.count(trades, replay.history(CHECKED), is_trades)
    assert (result.messages, result.gaps, result.quarantined, result.duplicates) == (74, 0, 0, 0)


def test_ticker() -> None:
    """Every ticker of three instruments."""
    result = inband.count(ticker, replay.history(CHECKED), is_ticker)
    assert (result.messages, result.quarantined) == (28, 0)


def test_messages_are_typed() -> None:
    """As text, with names one can read."""
    arg = b'{"arg":{"channel":"trades","instId":"A-B"},"data":'
    text = arg + b'[{"instId":"A-B","tradeId":"7","px":"1.50","sz":"2","side":"buy","ts":"9"}]}'
    message = okx.trades(["A-B"]).rules().decode(text, True)
    assert (message.arg.instrument, list(message.data)) == ("A-B", [okx.Trade("7", "1.50", "2", "buy", "9")])
    text = arg + b'[{"asks":[],"bids":[["1","2","0","1"]],"ts":"9","checksum":0,"seqId":8,"prevSeqId":6}],"action":"update"}'
    message = okx.depth(["A-B"]).rules().decode(text, True)
    assert list(message.data) == [okx.Book([["1", "2", "0", "1"]], [], "9", 0, 8, 6)]
    assert okx.kind_of(message) is Kind.DATA


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('{"event":"subscribe","arg":{"channel":"books","instId":"A"}}', Kind.ACK),
        ('{"event":"error","code":"60018","msg":"no"}', Kind.ERROR),
        ('{"event":"unsubscribe","arg":{"channel":"books","instId":"A"}}', Kind.IGNORE),
        ('{"event":"notice","code":"64008","msg":"upgrade"}', Kind.RECONNECT),
        ('{"event":"notice","code":"1","msg":"hello"}', Kind.IGNORE),
        ('{"arg":{},"action":"snapshot","data":[]}', Kind.SNAPSHOT),
    ],
)
def test_kinds(text: str, kind: Kind) -> None:
    """What is no data."""
    assert okx.kind_of(okx.depth(["A"]).rules().decode(text.encode(), True)) is kind


@pytest.mark.parametrize(
    ("text", "kind", "about"),
    [
        ('{"event":"error","code":"60018","msg":"Wrong URL or channel:books,instId:X-Y doesn\'t exist."}', Kind.ERROR, ["X-Y"]),
        ('{"event":"error","code":"60012","msg":"Invalid request: {\\"instId\\": \\"X-Y\\"}"}', Kind.ERROR, ["X-Y"]),
        ('{"event":"error","code":"60013","msg":"Invalid args"}', Kind.ERROR, []),
        ('{"event":"error","id":"unsubscribe","code":"60018","msg":"instId:X-Y doesn\'t exist"}', Kind.IGNORE, ["X-Y"]),
        ('{"event":"subscribe","id":"subscribe","arg":{"channel":"books","instId":"A"}}', Kind.ACK, ["A"]),
    ],
)
def test_what_an_answer_is_about(text: str, kind: Kind, about: list[str]) -> None:
    """The instrument that it names, if only in words; a refusal to unsubscribe is nobody's."""
    message = okx.depth(["A"]).rules().decode(text.encode(), True)
    assert (okx.kind_of(message), message.about) == (kind, about)
    feed = okx.depth(["A"])
    assert feed.unsubscribe is not None
    assert (feed.subscribe(["A"])["id"], feed.unsubscribe(["A"])["id"]) == ("subscribe", "unsubscribe")


def test_those_that_are_unknown_are_refused_at_once() -> None:
    """However many wait beside each."""
    names = ["X-Y", "Z-Y", "BTC-USDT"]
    with inband.play(replay.history(NUMBERED)) as server, Stream(okx.depth(names, url=server.ws_url)) as stream:
        told = [item for item, _ in zip(stream.events(), range(6))]
    assert [(item.topic, item.retry_in) for item in told if isinstance(item, Refused)] == [("X-Y", None), ("Z-Y", None)]


def test_an_unknown_instrument_is_told() -> None:
    """An error that names its instrument in words only; the known one comes."""
    with inband.play(replay.history(NUMBERED)) as server, Stream(okx.depth(["BTC-USDT", "X-Y"], url=server.ws_url)) as stream:
        items = [item for item, _ in zip(stream.events(), range(5))]
    (refused,) = [item for item in items if isinstance(item, Refused)]
    assert "X-Y" in refused.reason
    assert [item.key for item in items if isinstance(item, Snapshot)] == ["BTC-USDT"]


def test_the_ping_is_said_in_any_case() -> None:
    """Often enough, and not only when nothing came: the pongs of our own WebSocket pings come, and are no data to the venue."""
    keepalive = okx.depth(["A"]).keepalive
    assert keepalive is not None
    assert (keepalive.when, keepalive.send, keepalive.expect) == ("always", "ping", "pong")
    assert keepalive.every < 30.0


def test_the_ping_is_answered() -> None:
    """Plain text each way: the line stays up for many times the limit of an answer."""
    often = Keepalive(every=0.02, send="ping", expect="pong", within=0.5)
    with inband.play(replay.history(NUMBERED), rate=5.0) as server:
        feed = okx.depth(["BTC-USDT"], url=server.ws_url, backoff=QUICK, keepalive=often)
        with Stream(feed) as stream:
            items: list[Any] = [item for item, _ in zip(stream.events(), range(8))]
    assert [item for item in items if isinstance(item, Disconnected)] == []


@pytest.mark.parametrize("wrong", ["BTC-USDT", [], ["BTC/USDT"]])
def test_instruments_that_cannot_be(wrong: Any) -> None:
    """One text, none, a slash."""
    with pytest.raises(FeedError, match="instruments"):
        okx.depth(wrong)
