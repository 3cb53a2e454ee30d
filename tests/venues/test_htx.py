"""`venues.htx` along half a minute of ten recorded symbols, through a real socket."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from syncstream import FeedError, Kind, Stream
from syncstream.venues import htx
from tests import replay

from . import run
from .sessions.htx import CAPTURE, depth, part, sides, symbols, trades


def test_depth() -> None:
    """Every book of the session, each newer than the one before; at the end they are the last ones, level for level."""
    result = run.whole(depth, part("depth.step0"), sides)
    assert (result.messages, result.gaps, result.quarantined, result.duplicates, result.whole) == (292, 0, 0, 0, True)
    assert (result.compared, result.contradicted) == (292, 0)


def test_trades() -> None:
    """All of the session's."""
    result = run.session(trades, part("trade.detail"))
    assert (result.messages, result.gaps, result.quarantined, result.duplicates) == (44, 0, 0, 0)


def test_pings_are_answered_as_that_days_client_did() -> None:
    """Each with its own number; and none is a message."""
    whole = replay.history(CAPTURE)
    history = run.only(whole, lambda message: "ping" in message or message.get("ch", "").endswith("trade.detail"))
    answers = [json.loads(text) for text in whole.recording.sent if "pong" in text]
    with run.play(history) as server, Stream(htx.trades(symbols(part("trade.detail")), url=server.ws_url)) as stream:
        for _ in range(44):
            stream.get(timeout=10)
        while sum("pong" in text for text in server.heard) < len(answers):
            assert not stream.get_many(timeout=0.05)
        assert stream.status.quarantined == 0
    assert len(answers) == 6
    assert [json.loads(text) for text in server.heard if "pong" in text] == answers


def test_a_cut_is_told_and_each_symbol_is_asked_for_again() -> None:
    """Loss cannot be seen, so each reconnect is one."""
    gap, heard = run.told_after_a_cut(depth, part("depth.step0"), 100, heard=20)
    assert (gap.reason, gap.healing) == ("reconnect", False)
    asked = [json.loads(text)["sub"] for text in heard]
    assert sorted(asked[:10]) == sorted(asked[10:20])
    assert len(set(asked)) == 10


def test_messages_are_typed() -> None:
    """With the digits that were sent, and names one can read."""
    text = b'{"ch":"market.ab.depth.step0","ts":6,"tick":{"bids":[[9.120E-7,1.50]],"asks":[],"version":7,"ts":5}}'
    message = htx.depth(["ab"]).rules().decode(text, False)
    assert message.data == htx.Depth([(Decimal("9.120E-7"), Decimal("1.50"))], [], 7, 5)
    assert message.symbol == "ab"


def test_kinds() -> None:
    """What is no data."""
    rules = htx.depth(["ab"]).rules()
    assert rules.classify is not None
    for text, kind in (
        (b'{"id":1,"status":"ok","subbed":"market.ab.depth.step0","ts":1}', Kind.ACK),
        (b'{"id":1,"status":"error","err-code":"bad-request","err-msg":"invalid topic","ts":1}', Kind.ERROR),
        (b'{"ping":7}', Kind.CHALLENGE),
    ):
        assert rules.classify(rules.decode(text, False)) is kind


@pytest.mark.parametrize("wrong", ["btcusdt", [], ["BTCUSDT"], ["btc-usdt"]])
def test_symbols_that_cannot_be(wrong: Any) -> None:
    """One text, none, capital letters, a dash."""
    with pytest.raises(FeedError, match="symbols"):
        htx.depth(wrong)
