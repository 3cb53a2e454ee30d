"""What every adapter takes besides its own arguments: other fields of the `Feed`, those that it sets itself included."""

from __future__ import annotations

import inspect
import json
from typing import Any, Callable

import pytest

from syncstream import Budget, Feed, FeedError, Increasing, Kind, Step, Stream
from syncstream.venues import (
    alpaca,
    binance,
    binance_coinm,
    binance_usdm,
    bitfinex,
    bitmex,
    bybit,
    coinbase,
    coinbase_advanced,
    cryptocom,
    deribit,
    gate,
    htx,
    hyperliquid,
    kraken,
    kraken_v2,
    kucoin,
    massive,
    okx,
)

from .spoken import spoken

PLAIN: dict[str, Any] = {"sequence": None, "snapshot": None, "book": None, "timestamp": None, "lifetime": 5.0}


@pytest.mark.parametrize(
    ("adapter", "symbol"),
    [
        *[(function, "BTCUSDT") for function in (binance.depth, binance.trades, binance.ticker)],
        *[(function, "BTCUSDT") for function in (binance_usdm.depth, binance_usdm.ticker)],
        *[(function, "BTCUSD_PERP") for function in (binance_coinm.depth, binance_coinm.ticker)],
        *[(function, "BTC_USDT") for function in (gate.depth, gate.trades, gate.ticker)],
        *[(function, "BTC-USDT") for function in (kucoin.depth, kucoin.trades, kucoin.ticker)],
    ],
)
def test_the_user_has_the_last_word(adapter: Callable[..., Feed], symbol: str) -> None:
    """Whatever the adapter says of it."""
    feed = adapter([symbol], **PLAIN)
    assert {field: getattr(feed, field) for field in PLAIN} == PLAIN
    other = Increasing("data.x")
    assert adapter([symbol], **{**PLAIN, "decode": dict, "sequence": other}).sequence is other


OPENED: list[tuple[Callable[..., Feed], str]] = [
    (alpaca.quotes, "AAPL"),
    (bitfinex.depth, "tBTCUSD"),
    (coinbase_advanced.depth, "BTC-USD"),
    (deribit.ticker, "BTC-PERPETUAL"),
    (kucoin.depth, "BTC-USDT"),
    (massive.quotes, "AAPL"),
]


@pytest.mark.parametrize(("adapter", "symbol"), OPENED, ids=lambda value: getattr(value, "__module__", value))
def test_steps_of_the_user_are_added_to_those_of_the_adapter(adapter: Callable[..., Feed], symbol: str) -> None:
    """Without its own a venue would not let us in, or say nothing; a login at Deribit comes before them, others behind."""
    key = {name: "of-mine" for name in ("key", "secret") if name in inspect.signature(adapter).parameters}
    own = adapter([symbol], **key).opening
    mine = Step(send="hello")
    both = [mine, *own] if adapter is deribit.ticker else [*own, mine]
    assert [step.send for step in adapter([symbol], opening=[mine], **key).opening] == [step.send for step in both]
    assert own
    for wrong in ("hello", mine):
        with pytest.raises(FeedError, match="opening"):
            adapter([symbol], opening=wrong, **key)


@pytest.mark.parametrize(
    ("module", "symbol", "dials", "sends"),
    [
        (binance, "BTCUSDT", (300, 300.0), (5, 1.0)),
        (binance_usdm, "BTCUSDT", (300, 300.0), (5, 1.0)),
        (binance_coinm, "BTCUSD_PERP", (300, 300.0), (5, 1.0)),
        (bitmex, "XBTUSD", (3, 1.0), None),
        (bybit, "BTCUSDT", (500, 300.0), None),
        (coinbase, "BTC-USD", None, (8, 1.0)),
        (coinbase_advanced, "BTC-USD", (8, 1.0), (8, 1.0)),
        (cryptocom, "BTC_USDT", None, (100, 1.0)),
        (deribit, "BTC-PERPETUAL", None, (10, 3.0)),
        (kucoin, "BTC-USDT", (30, 60.0), (100, 10.0)),
        (okx, "BTC-USDT", (3, 1.0), None),
    ],
)
def test_what_a_venue_allows_is_in_the_feed(module: Any, symbol: str, dials: Any, sends: Any) -> None:
    """How often it may be dialled, and how much may be said on a line; where neither is known the feed has what any has."""
    plain = Feed("wss://venue.example/")
    feed = module.depth([symbol])
    assert feed.dial_budget == (plain.dial_budget if dials is None else Budget(count=dials[0], per=dials[1]))
    assert feed.send_budget == (plain.send_budget if sends is None else Budget(count=sends[0], per=sends[1]))
    assert module.depth([symbol], send_budget=None).send_budget is None


@pytest.mark.parametrize(
    ("adapter", "field", "good"),
    [
        (binance.depth, "symbols", "BTCUSDT"),
        (coinbase_advanced.depth, "products", "BTC-USD"),
        (deribit.ticker, "instruments", "BTC-PERPETUAL"),
        (kraken.depth, "pairs", "XBT/EUR"),
        (okx.trades, "instruments", "BTC-USDT"),
    ],
)
def test_what_is_wrong_is_named_alone(adapter: Callable[..., Feed], field: str, good: str) -> None:
    """By the argument's own name, and of a list the one that is wrong, not the others."""
    for wrong in ("AB CD", 7, None, [good]):
        with pytest.raises(FeedError) as raised:
            adapter([good, wrong])
        assert (raised.value.field, raised.value.value) == (field, wrong)
    wrongs: list[Any] = [good, 7, None, []]
    for no_list in wrongs:
        with pytest.raises(FeedError, match=f"^{field}=.*: expected a list of {field} such as") as raised:
            adapter(no_list)
    assert adapter(iter([good, good])) == adapter([good])


def test_a_topic_that_comes_later_is_looked_at_too() -> None:
    """Who gives a stream one that cannot be is told, and nothing is sent."""
    with spoken() as venue, Stream(bitfinex.depth(["tBTCUSD"], url=venue.url)) as stream:
        with pytest.raises(FeedError, match="topics='not a symbol'"):
            stream.subscribe("not a symbol")
        assert "not a symbol" not in stream.status.topics
    for feed, _, _ in REFUSALS:
        assert feed.subscribe(feed.topics)
        with pytest.raises(FeedError, match="topics='not a symbol'"):
            feed.subscribe([*feed.topics, "not a symbol"])


@pytest.mark.parametrize("wrong", [0, -5, None, True, 1.5, "100", 5001])
@pytest.mark.parametrize(
    ("module", "symbol"), [(binance, "A"), (binance_usdm, "A"), (binance_coinm, "A_B"), (gate, "A_B")], ids=str
)
def test_a_snapshot_has_some_levels(module: Any, symbol: str, wrong: Any) -> None:
    """What the venue would not take is refused before it stands in an address."""
    with pytest.raises(FeedError, match=r"^limit="):
        module.depth([symbol], limit=wrong)
    assert module.depth([symbol], limit=500).snapshot.url.count("limit=500") == 1


@pytest.mark.parametrize("wrong", [None, "", " ", 1, b"key-of-mine"])
@pytest.mark.parametrize(
    ("adapter", "field"), [(alpaca.trades, "key"), (alpaca.quotes, "secret"), (massive.trades, "key"), (massive.quotes, "key")]
)
def test_a_key_is_a_text(adapter: Callable[..., Feed], field: str, wrong: Any) -> None:
    """What is none is named, with where it usually comes from, and not shown."""
    names = [name for name in ("key", "secret") if name in inspect.signature(adapter).parameters]
    with pytest.raises(FeedError, match=rf"^{field}=.*os\.environ\.get") as raised:
        adapter(["AAPL"], **{**dict.fromkeys(names, "good"), field: wrong})
    assert "of-mine" not in str(raised.value)


REFUSALS: list[tuple[Feed, dict[str, Any], str]] = [
    (alpaca.trades(["A"], key="of-mine", secret="of-mine"), {"T": "error", "code": 405, "msg": "too many"}, "405 too many"),
    (bitfinex.depth(["tA"]), {"event": "error", "code": 10300, "msg": "no symbol"}, "10300 no symbol"),
    (bitmex.depth(["A"]), {"error": "no symbol", "request": {"op": "subscribe", "args": ["orderBookL2:A"]}}, "no symbol"),
    (bybit.depth(["A"]), {"success": False, "op": "subscribe", "ret_msg": "no symbol"}, "no symbol"),
    (
        bybit.depth(["A"], market="option"),
        {"type": "COMMAND_RESP", "success": True, "data": {"failTopics": ["orderbook.100.A", "b"]}},
        "failed: orderbook.100.A, b",
    ),
    (coinbase.depth(["A-B"]), {"type": "error", "message": "failed", "reason": "no product"}, "failed: no product"),
    (coinbase.depth(["A-B"]), {"type": "error", "message": "failed"}, "failed"),
    (coinbase_advanced.depth(["A-B"]), {"type": "error", "message": "no product"}, "no product"),
    (cryptocom.depth(["A_B"]), {"id": 1, "method": "subscribe", "code": 40003, "message": "no symbol"}, "40003 no symbol"),
    (deribit.depth(["A"]), {"id": 2, "error": {"code": 11050, "message": "bad_request"}}, "11050 bad_request"),
    (deribit.depth(["A"]), {"id": 2, "error": "bad"}, "bad"),
    (gate.depth(["A_B"]), {"event": "subscribe", "channel": "c", "error": {"code": 2, "message": "no pair"}}, "2 no pair"),
    (htx.depth(["ab"]), {"id": 1, "status": "error", "err-msg": "no topic"}, "no topic"),
    (hyperliquid.depth(["A"]), {"channel": "error", "data": "no coin"}, "no coin"),
    (kraken.depth(["A/B"]), {"event": "subscriptionStatus", "status": "error", "errorMessage": "no pair"}, "no pair"),
    (kraken_v2.depth(["A/B"]), {"method": "subscribe", "success": False, "error": "no pair"}, "no pair"),
    (kucoin.depth(["A-B"]), {"type": "error", "id": "7", "code": 404, "data": "no topic"}, "404 no topic"),
    (massive.trades(["A"], key="of-mine"), {"ev": "status", "status": "error", "message": "no"}, "error no"),
    (okx.depth(["A"]), {"event": "error", "code": "60018", "msg": "no channel"}, "60018 no channel"),
]


@pytest.mark.parametrize(("feed", "frame", "words"), REFUSALS, ids=str)
def test_a_refusal_is_told_in_the_words_of_the_venue(feed: Feed, frame: dict[str, Any], words: str) -> None:
    """Not as a value with all its fields; and it is one."""
    rules = feed.rules()
    assert rules.classify is not None
    decoded = rules.decode(json.dumps([frame] if feed.split is True else frame).encode(), True)
    message = decoded[0] if feed.split is True else decoded
    assert (rules.classify(message), str(message)) == (Kind.ERROR, words)


@pytest.mark.parametrize(
    ("feed", "frame", "words"),
    [
        (bitmex.depth(["A"]), {"error": "Rate limit exceeded", "request": {"op": "subscribe"}}, "Rate limit exceeded"),
        (coinbase.depth(["A-B"]), {"type": "error", "message": "rate limit exceeded"}, "rate limit exceeded"),
        (coinbase_advanced.depth(["A-B"]), {"type": "error", "message": "rate limit exceeded"}, "rate limit exceeded"),
        (
            deribit.depth(["A"]),
            {"id": 2, "error": {"code": 10028, "message": "too_many_requests"}},
            "10028 too_many_requests",
        ),
        (okx.depth(["A"]), {"event": "error", "code": "60014", "msg": "Requests too frequent"}, "60014 Requests too frequent"),
    ],
    ids=str,
)
def test_too_many_requests_are_no_refusal(feed: Feed, frame: dict[str, Any], words: str) -> None:
    """It is told with its words, and what was asked for is asked for again."""
    rules = feed.rules()
    assert rules.classify is not None
    message = rules.decode(json.dumps(frame).encode(), True)
    assert rules.classify(message) is Kind.LIMITED
    assert words in str(message)


def test_what_is_no_refusal_looks_like_what_it_is() -> None:
    """As the representation of any value."""
    for feed, frame in (
        (bitfinex.depth(["tA"]), {"event": "subscribed"}),
        (bitmex.depth(["A"]), {"table": "orderBookL2"}),
        (bybit.depth(["A"]), {"topic": "x", "type": "delta"}),
        (bybit.depth(["A"], market="option"), {"type": "COMMAND_RESP", "success": True}),
        (coinbase_advanced.depth(["A-B"]), {"channel": "status"}),
        (cryptocom.depth(["A_B"]), {"method": "subscribe"}),
        (deribit.depth(["A"]), {"id": 2, "result": []}),
        (gate.depth(["A_B"]), {"event": "subscribe", "channel": "c"}),
        (htx.depth(["ab"]), {"ping": 5}),
        (kraken.depth(["A/B"]), {"event": "heartbeat"}),
        (kraken_v2.depth(["A/B"]), {"channel": "heartbeat"}),
        (okx.depth(["A"]), {"event": "subscribe"}),
    ):
        message = feed.rules().decode(json.dumps(frame).encode(), True)
        assert str(message) == repr(message)


def test_binance_asks_for_each_stream_once() -> None:
    """However often and in whichever letters it is named; what is no letter of a name is refused."""
    assert binance.ticker(["BTCUSDT", "btcusdt", "BTCUSDT"]).endpoint == (
        "wss://stream.binance.com:9443/stream?streams=btcusdt@bookTicker"
    )
    with pytest.raises(ValueError, match="symbols"):
        binance.depth(["ÄÖ²"])
