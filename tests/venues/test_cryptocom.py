"""`venues.cryptocom` along half a minute of ten recorded instruments, through a real socket."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from syncstream import FeedError, Kind, Stream
from syncstream.venues import cryptocom
from tests import replay

from . import run
from .sessions.cryptocom import CAPTURE, depth, part, sides, symbols, ticker, trades


@pytest.mark.slow
def test_depth() -> None:
    """Every book of the session is as it was recorded, and at the end each level of the last ones."""
    result = run.whole(depth, part("book"), sides)
    assert (result.messages, result.gaps, result.quarantined, result.whole) == (1525, 0, 0, True)
    assert (result.compared, result.contradicted) == (1525, 0)


@pytest.mark.parametrize(("make", "channel", "count"), [(trades, "trade", 139), (ticker, "ticker", 1484)])
def test_whole_messages(make: Any, channel: str, count: int) -> None:
    """All of the session's."""
    result = run.session(make, part(channel))
    assert (result.messages, result.gaps, result.quarantined) == (count, 0, 0)


def test_a_heartbeat_is_answered_as_that_days_client_did() -> None:
    """With its id; and it is no message."""
    whole = replay.history(CAPTURE)
    history = run.only(
        whole, lambda message: "result" not in message or message["result"]["channel"] == "trade"
    )  # the heartbeat stands among them
    answer = msgspec.json.decode(whole.recording.sent[-1])
    assert answer["method"] == "public/respond-heartbeat"
    feed = cryptocom.trades(symbols(part("trade")))
    with run.play(history) as server, Stream(msgspec.structs.replace(feed, endpoint=server.ws_url)) as stream:
        for _ in range(139):
            stream.get(timeout=10)
        while len(server.heard) < 2:
            assert not stream.get_many(timeout=0.05)
        assert stream.status.quarantined == 0
    assert [msgspec.json.decode(text) for text in server.heard[1:]] == [answer]


def test_a_cut_is_told() -> None:
    """Loss cannot be seen, so each reconnect is one; what is asked for is asked for again."""
    gap, heard = run.told_after_a_cut(ticker, part("ticker"), 300, heard=2)
    assert (gap.reason, gap.healing) == ("reconnect", False)
    assert len(heard) >= 2
    assert len(set(heard)) == 1


def test_messages_are_typed() -> None:
    """With the digits that were sent, as numbers or as texts."""
    rules = cryptocom.depth(["A_B"]).rules()
    for price in (b"45.320", b'"45.320"'):
        text = b'{"method":"subscribe","result":{"instrument_name":"A_B","data":[{"bids":[[%s,1,1]],"asks":[],"t":5}]}}' % price
        message = rules.decode(text, True)
        assert message.result.data == [cryptocom.Depth([(Decimal("45.320"), Decimal(1), Decimal(1))], [], 5)]
        assert str(message.result.data[0].bids[0][0]) == "45.320"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (b'{"id":0,"code":0,"method":"subscribe"}', Kind.ACK),
        (b'{"id":0,"code":40003,"method":"subscribe","message":"Invalid request"}', Kind.ERROR),
        (b'{"id":7,"method":"public/heartbeat"}', Kind.CHALLENGE),
    ],
)
def test_kinds(text: bytes, kind: Kind) -> None:
    """What is no data."""
    rules = cryptocom.depth(["A_B"]).rules()
    assert rules.classify is not None
    assert rules.classify(rules.decode(text, True)) is kind


@pytest.mark.parametrize("wrong", ["BTC_USDT", [], ["BTCUSDT"], ["btc_usdt"]])
def test_symbols_that_cannot_be(wrong: Any) -> None:
    """One text, none, no underscore, small letters."""
    with pytest.raises(FeedError, match="symbols"):
        cryptocom.depth(wrong)
