"""`venues.bybit`: trades and tickers of the session, messages, answers. Books: `test_in_band.py`."""

from __future__ import annotations

import itertools
import json
from typing import Any, Callable, Sequence

import pytest

from syncstream import Feed, FeedError, Kind, Quarantined, Refused, Snapshot, Stream, Subscribed, SubscribeFailed
from syncstream.venues import bybit

from . import inband, run
from .sessions.bybit import is_ticker, is_trades, part, ticker, trades
from .spoken import spoken


def test_trades() -> None:
    """Every frame with trades of the linear market."""
    result = inband.count(trades, part("linear"), is_trades)
    assert (result.messages, result.gaps, result.quarantined) == (102, 0, 0)


@pytest.mark.parametrize(("market", "frames"), [("linear", 758), ("spot", 81)])
def test_ticker(market: str, frames: int) -> None:
    """Every ticker: of linear a snapshot and changes, of spot whole ones."""
    result = inband.count(ticker, part(market), is_ticker)
    assert (result.messages, result.quarantined) == (frames, 0)


def test_messages_are_typed() -> None:
    """As text, with names one can read; what has not changed is `None`."""
    text = b'{"topic":"orderbook.50.AB","type":"delta","ts":9,"data":{"s":"AB","b":[["1","2"]],"a":[],"u":5,"seq":77},"cts":8}'
    message = bybit.depth(["AB"], depth=50).rules().decode(text, True)
    assert (message.time, message.data) == (9, bybit.Book("AB", [("1", "2")], [], 5, 77))
    text = b'{"topic":"tickers.AB","type":"delta","ts":9,"data":{"symbol":"AB","bid1Price":"1.0"}}'
    assert bybit.ticker(["AB"]).rules().decode(text, True).data == bybit.Ticker("AB", bid="1.0")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('{"success":true,"ret_msg":"subscribe","conn_id":"c","op":"subscribe"}', Kind.ACK),
        ('{"success":true,"ret_msg":"","conn_id":"c","req_id":"","op":"subscribe"}', Kind.ACK),
        ('{"success":false,"ret_msg":"error:handler not found","op":"subscribe"}', Kind.ERROR),
        ('{"success":true,"ret_msg":"","op":"unsubscribe"}', Kind.IGNORE),
        ('{"success":false,"ret_msg":"error:handler not found","op":"unsubscribe"}', Kind.IGNORE),
        ('{"success":false,"ret_msg":"too many","op":"ping"}', Kind.IGNORE),
        ('{"success":false,"ret_msg":"what?"}', Kind.ERROR),
        ('{"type":"hello"}', Kind.IGNORE),
        ('{"success":true,"ret_msg":"pong","conn_id":"c","op":"ping"}', Kind.PONG),
        ('{"args":["1"],"op":"pong"}', Kind.PONG),
        ('{"topic":"orderbook.50.AB","type":"snapshot","data":{"s":"AB","u":1}}', Kind.SNAPSHOT),
    ],
)
def test_kinds(text: str, kind: Kind) -> None:
    """Answers as the markets give them, and a snapshot."""
    rules = bybit.depth(["AB"]).rules()
    assert rules.classify is not None
    assert rules.classify(rules.decode(text.encode(), True)) is kind


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"success":true,"data":{"failTopics":[],"successTopics":["tickers.A-C"]}}', [(Kind.ACK, ["A-C"])]),
        (
            '{"success":true,"data":{"failTopics":["tickers.B-C"],"successTopics":["tickers.A-C"]}}',
            [(Kind.ACK, ["A-C"]), (Kind.ERROR, ["B-C"])],
        ),
        ('{"success":true,"data":{"failTopics":["tickers.B-C"],"successTopics":[]}}', [(Kind.ERROR, ["B-C"])]),
        ('{"success":false,"data":{}}', [(Kind.ERROR, [])]),
        ('{"success":true,"data":{}}', [(Kind.ACK, [])]),
        ('{"success":true,"req_id":"unsubscribe","data":{"failTopics":["tickers.B-C"]}}', [(Kind.IGNORE, ["B-C"])]),
    ],
)
def test_answers_of_options(text: str, expected: Any) -> None:
    """They name the topics that succeeded and that failed, and no operation."""
    rules = bybit.ticker(["A-C", "B-C"], market="option").rules()
    assert rules.classify is not None
    assert rules.ack_topics is not None
    assert rules.split is not None
    frame = rules.decode(text.replace("{", '{"type":"COMMAND_RESP","conn_id":"x",', 1).encode(), True)
    messages = rules.split(frame) or [frame]
    assert [(rules.classify(message), rules.ack_topics(message)) for message in messages] == expected


def options(text: str) -> Sequence[str]:
    """A venue of options: it knows `A-C`, of which it has a book, and `Q-C`, which is quiet."""
    said = json.loads(text)
    topics: dict[bool, list[str]] = {True: [], False: []}
    for topic in said["args"]:
        topics[not topic.endswith("NOPE")].append(topic)
    lists = {"failTopics": topics[False], "successTopics": topics[True]}
    answers = [json.dumps({"success": True, "conn_id": "x", "data": lists, "type": "COMMAND_RESP"})]
    for topic in said["args"]:
        if said["op"] == "subscribe" and topic.startswith("orderbook.") and topic.endswith(".A-C"):
            data = {"s": "A-C", "b": [["1", "1"]], "a": [["2", "1"]], "u": 7, "seq": 1}
            answers.append(json.dumps({"topic": topic, "type": "snapshot", "ts": 1, "data": data}))
    return answers


def test_options_are_acknowledged_by_name() -> None:
    """What succeeded is subscribed, though it is quiet; what failed is refused; nothing of an answer is delivered."""
    with spoken(answer=options) as venue:
        feed = bybit.depth(["A-C", "Q-C", "NOPE"], market="option", backoff=run.AGAIN, url=venue.url)
        with Stream(feed) as stream:
            told = []
            for item in stream.events():
                told.append(item)
                if isinstance(item, Snapshot):
                    break
            assert list(stream.books) == ["A-C"]
    assert {item.topic for item in told if isinstance(item, Subscribed)} == {"A-C", "Q-C"}
    assert [(item.topic, item.retry_in) for item in told if isinstance(item, Refused)] == [("NOPE", None)]
    assert [item.key for item in told if isinstance(item, Snapshot)] == ["A-C"]
    assert not [item for item in told if isinstance(item, (bybit.Answer, Quarantined))]


def test_a_refused_unsubscription_is_nobodys() -> None:
    """A hole is healed by leaving and subscribing; that leaving is refused says nothing of the subscription that waits."""
    asked = itertools.count(1)

    def answer(text: str) -> Sequence[str]:
        said = json.loads(text)
        if said["op"] == "unsubscribe":
            return ['{"success":false,"ret_msg":"error:handler not found","op":"unsubscribe"}']
        position = 10 * next(asked)
        book = {"s": "AB", "b": [["1", "1"]], "a": [["2", "1"]], "seq": 1}
        messages = [("snapshot", position), *([("delta", 15)] if position == 10 else [])]
        said = [json.dumps({"topic": "t", "type": type, "ts": 1, "data": {**book, "u": u}}) for type, u in messages]
        return ['{"success":true,"ret_msg":"","op":"subscribe"}', *said]

    with spoken(answer=answer) as venue, Stream(bybit.depth(["AB"], backoff=run.AGAIN, url=venue.url)) as stream:
        told = []
        for item in stream.events():
            told.append(item)
            if isinstance(item, Snapshot) and item.position == 20:
                break
        assert any(json.loads(text)["op"] == "unsubscribe" for text in venue.heard)
    assert not [item for item in told if isinstance(item, Refused)]


def test_whole_tickers_are_messages() -> None:
    """Of spot and options each is whole, and calls itself a snapshot; of linear that is what it is."""
    text = b'{"topic":"tickers.A","ts":1,"type":"snapshot","data":{"symbol":"A","lastPrice":"7","bidPrice":"6","bid1Price":"5"}}'
    for market, kind, bid in (("spot", Kind.DATA, "5"), ("option", Kind.DATA, "6"), ("linear", Kind.SNAPSHOT, "5")):
        rules = bybit.ticker(["A"], market=market).rules()
        message = rules.decode(text, True)
        assert rules.classify is not None
        assert rules.key is not None
        assert (rules.classify(message), rules.key(message), message.data.last, message.data.bid) == (kind, "A", "7", bid)
        assert isinstance(message, bybit.Tickers)


def test_trades_of_options_come_by_coin() -> None:
    """Of all options on it, whose names stand in each trade."""
    feed = bybit.trades(["BTC"], market="option")
    assert feed.subscribe(["BTC"])["args"] == ["publicTrade.BTC"]
    trade = {"T": 1, "S": "Buy", "v": "1", "p": "2", "i": "x"}
    rows = [{**trade, "s": "BTC-6JAN27-18000-C"}, {**trade, "s": "BTC-6JAN27-20000-P"}]
    rules = feed.rules()
    message = rules.decode(json.dumps({"topic": "publicTrade.BTC", "type": "snapshot", "ts": 1, "data": rows}).encode(), True)
    assert rules.key is not None
    assert rules.classify is not None
    assert (rules.key(message), rules.classify(message)) == ("BTC", Kind.DATA)
    assert [one.symbol for one in message.data] == ["BTC-6JAN27-18000-C", "BTC-6JAN27-20000-P"]
    with pytest.raises(FeedError, match="symbols='BTC-6JAN27-18000-C'"):
        bybit.trades(["BTC-6JAN27-18000-C"], market="option")


def test_an_unknown_symbol_is_an_error() -> None:
    """It refuses all that was asked for with it."""
    with inband.play(part("spot")) as server:
        feed = bybit.depth(["NOPE"], market="spot", url=server.ws_url)
        with pytest.raises(SubscribeFailed) as raised, Stream(feed) as stream:
            stream.get(timeout=10.0)
    assert "handler not found" in str(raised.value)


def test_requests() -> None:
    """Each market is an address; of spot ten topics go into a request."""
    assert bybit.depth(["AB"]).subscribe(["AB"])["args"] == ["orderbook.200.AB"]
    assert bybit.depth(["AB"], market="option").subscribe(["AB"])["args"] == ["orderbook.100.AB"]
    feed = bybit.trades(["AB"], market="spot")
    assert (feed.endpoint, feed.batch.topics) == ("wss://stream.bybit.com/v5/public/spot", 10)
    assert feed.subscribe(["AB"]) == {"req_id": "subscribe", "op": "subscribe", "args": ["publicTrade.AB"]}


@pytest.mark.parametrize("make", [bybit.depth, bybit.trades, bybit.ticker])
@pytest.mark.parametrize("market", ["linear", "inverse", "option"])
def test_a_request_is_not_too_long(make: Callable[..., Feed], market: str) -> None:
    """As JSON its `args` have less than 21,000 characters, and nearly as many; what the channel adds is counted."""
    feed = make([f"{number:05}BTCUSDTBTCUSDT" for number in range(4000)], market=market)
    lengths = [len(json.dumps(feed.subscribe(topics)["args"], separators=(",", ":"))) for topics in feed.batch.split(feed.topics)]
    assert all(length < 21_000 for length in lengths)
    assert all(length > 19_900 for length in lengths[:-1])


@pytest.mark.parametrize(
    "wrong",
    [
        {"symbols": "AB"},
        {"symbols": ["A/B"]},
        {"market": "futures"},
        {"depth": 7},
        {"depth": 25},
        {"depth": 500, "market": "spot"},
        {"depth": 200, "market": "option"},
    ],
)
def test_what_cannot_be(wrong: dict[str, Any]) -> None:
    """One text, a slash, no such market, no such depth, or not on that market."""
    with pytest.raises(FeedError, match=next(iter(wrong))):
        bybit.depth(**{"symbols": ["AB"], **wrong})
