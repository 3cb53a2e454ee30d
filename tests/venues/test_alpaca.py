"""`venues.alpaca`: its documentation, spoken on a real socket. No session was recorded."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, Sequence

import pytest

from syncstream import ConnectFailed, FeedError, Kind, Severity, Stream
from syncstream.venues import alpaca

from .spoken import spoken, taken

HELLO = '[{"T":"success","msg":"connected"}]'
TRADE = '{"T":"t","i":96921,"S":"AAPL","x":"D","p":126.550,"s":1,"t":"2021-02-22T15:51:44.208123456Z","c":["@","I"],"z":"C"}'
CANCEL = '{"T":"x","S":"AAPL","i":96921,"x":"D","p":126.55,"s":1,"a":"C","z":"C","t":"2021-02-22T15:51:45Z"}'
CORRECTION = (
    '{"T":"c","S":"AAPL","x":"M","oi":1,"op":39.1582,"os":440000,"oc":[" "],"ci":2,"cp":39.1809,"cs":440000,"cc":[" "],'
    '"z":"B","t":"2023-04-06T13:15:42.83Z"}'
)


def answer(text: str) -> Sequence[str]:
    said = json.loads(text)
    if said["action"] == "auth":
        right = (said["key"], said["secret"]) == ("the-key", "the-secret")
        return ['[{"T":"success","msg":"authenticated"}]' if right else '[{"T":"error","code":402,"msg":"auth failed"}]']
    listed = {"T": "subscription", "trades": said.get("trades", []), "quotes": said.get("quotes", [])}
    return [json.dumps([listed]), f"[{TRADE},{CANCEL}]", f"[{CORRECTION}]"]


def test_the_whole_dialogue() -> None:
    """One is let in, subscribes, and gets each message of an array by itself."""
    with spoken([HELLO], answer) as venue:
        feed = alpaca.trades(["AAPL"], key="the-key", secret="the-secret", url=venue.url)
        with Stream(feed) as stream:
            trade, cancel, correction = taken(stream, 3)
            assert stream.wait_live(timeout=10) == []
            assert stream.status.quarantined == 0
        assert venue.paths == ["/iex"]
    assert trade == alpaca.Trade(
        "AAPL", 96921, "D", Decimal("126.550"), Decimal(1), "2021-02-22T15:51:44.208123456Z", ["@", "I"], "C"
    )
    assert str(trade.price) == "126.550"
    assert cancel == alpaca.Cancel("AAPL", 96921, Decimal("126.55"), Decimal(1), "C", "2021-02-22T15:51:45Z")
    assert (correction.old_price, correction.price) == (Decimal("39.1582"), Decimal("39.1809"))


def test_a_wrong_key_is_final() -> None:
    """The venue says why, and the key is not shown."""
    with spoken([HELLO], answer) as venue:
        feed = alpaca.trades(["AAPL"], key="wrong-key", secret="the-secret", url=venue.url)
        with pytest.raises(ConnectFailed, match="402 auth failed"), Stream(feed) as stream:
            stream.get(timeout=10)
    assert "wrong-key" not in repr(feed)


def test_a_key_that_is_in_use_is_tried_again_slowly() -> None:
    """406 passes when the other connection ends."""
    feed = alpaca.quotes(["AAPL"], key="k", secret="s")
    step = feed.opening[1]
    assert step.fail is not None
    assert step.fail(alpaca.Error(406, "connection limit exceeded")) is Severity.SLOW
    assert step.fail(alpaca.Error(402, "auth failed")) == "402 auth failed"
    assert step.fail(alpaca.Success("authenticated")) is None


def test_quotes_and_kinds() -> None:
    """As the documentation writes them."""
    rules = alpaca.quotes(["AMD"], key="k", secret="s").rules()
    text = (
        b'[{"T":"q","S":"AMD","bx":"U","bp":87.66,"bs":1,"ax":"Q","ap":87.68,"as":4,"t":"2021-02-22T15:51:45.335689322Z",'
        b'"c":["R"],"z":"C"},{"T":"error","code":405,"msg":"symbol limit exceeded"},{"T":"subscription","quotes":["AMD"]}]'
    )
    quote, error, subscribed = rules.decode(text, True)
    assert (quote.bid, quote.bid_exchange, quote.ask, quote.ask_size) == (Decimal("87.66"), "U", Decimal("87.68"), 4)
    assert rules.classify is not None
    assert [rules.classify(one) for one in (quote, error, subscribed)] == [None, Kind.ERROR, Kind.ACK]


@pytest.mark.parametrize(("symbols", "source"), [("AAPL", "iex"), ([], "iex"), (["aapl"], "iex"), (["AAPL"], "nyse")])
def test_what_cannot_be(symbols: Any, source: str) -> None:
    """One text, no symbol, small letters, and a source that there is not."""
    with pytest.raises(FeedError):
        alpaca.trades(symbols, key="k", secret="s", source=source)
