"""`venues.kucoin` along half a minute of recorded symbols, through a real socket, with its REST bodies; also with faults."""

from __future__ import annotations

from typing import Any, Iterator

import msgspec
import pytest

from syncstream import FeedError, Keepalive, Kind, Stream
from syncstream.venues import kucoin
from tests.snapshots.site import Site

from . import run
from .sessions.kucoin import LEVEL2, MATCH, TICKER, depth, entrance, part, ticker, trades


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site()
    yield made
    made.close()


def test_depth() -> None:
    """No gap in 3,853 messages; no state contradicts the ticker; at the end each book is the venue's, level for level."""
    with run.play(part(LEVEL2), rate=3000.0) as server, entrance() as url:
        result = run.books(lambda: depth(url)(server), server)
    assert (result.expected, result.gaps, result.quarantined, result.contradicted, result.whole) == (3853, 0, 0, 0, True)
    assert result.compared > 700  # of 810: the rest is what the first snapshots jump over


@pytest.mark.parametrize("fault", run.FAULTS)
def test_depth_with_faults(fault: str) -> None:
    """What was lost is healed, what comes twice is one, and no state on the way contradicts the ticker."""
    with run.play(part(LEVEL2), rate=1500.0, **run.FAULTS[fault]) as server, entrance() as url:
        result = run.books(lambda: depth(url)(server), server)
    run.check_faults(fault, result, server, compared=100)


@pytest.mark.parametrize(("make", "subject", "count"), [(trades, MATCH, 18), (ticker, TICKER, 830)])
def test_whole_messages(make: Any, subject: str, count: int) -> None:
    """Every trade and every best price of the session."""
    with entrance() as url:
        result = run.session(make(url), part(subject))
    assert (result.messages, result.quarantined, result.duplicates) == (count, 0, 0)


def test_a_line_is_asked_for_at_each_attempt() -> None:
    """A cut, and the address is asked for anew: an old token is worth nothing."""
    with run.play(part(LEVEL2), rate=3000.0, cut_after=300) as server, entrance() as url:
        feed = depth(url)(server)
        asked: list[str] = []
        ask = kucoin.Entrance(f"{url}?line={server.ws_url}")

        def endpoint() -> str:
            asked.append(ask())
            return asked[-1]

        with Stream(msgspec.structs.replace(feed, endpoint=endpoint)) as stream:
            while stream.status.reconnects < 2:
                stream.get_many(timeout=0.01)
    assert len(set(asked)) == len(asked) >= 3


def test_an_interval_that_is_too_short_is_told(site: Site) -> None:
    """The feed's keepalive would come too late, whether it is the adapter's or the user's; one that is quick enough is used."""
    server = {"endpoint": "wss://venue.example", "pingInterval": 5000}
    site.pages["/bullet"] = lambda visit: visit.json({"data": {"token": "T", "instanceServers": [server]}})
    url = site.base + "/bullet"
    with pytest.raises(FeedError, match=r"every 15 s.*5000 ms; give keepalive=Keepalive\(every=4\)"):
        kucoin.trades(["A-B"], url=url).where()
    with pytest.raises(FeedError, match=r"every 6 s.*5000 ms"):
        kucoin.depth(["A-B"], url=url, keepalive=Keepalive(every=6.0)).where()
    with pytest.raises(FeedError, match=r"keepalive=None.*5000 ms"):
        kucoin.ticker(["A-B"], url=url, keepalive=None).where()
    feed = kucoin.ticker(["A-B"], url=url, keepalive=Keepalive(every=5.0, when="idle"))
    assert feed.where().url.startswith("wss://venue.example?token=T&connectId=")
    usual = kucoin.ticker(["A-B"]).keepalive
    assert usual is not None
    assert feed.keepalive == Keepalive(every=5.0, when="idle", send=usual.send, expect=usual.expect)
    own = Keepalive(every=1.0, send="hello")
    assert kucoin.ticker(["A-B"], keepalive=own).keepalive == own
    with pytest.raises(FeedError, match="keepalive"):
        kucoin.ticker(["A-B"], keepalive=20.0)
    site.pages["/bullet"] = lambda visit: visit.json({"data": {"token": "T", "instanceServers": []}})
    with pytest.raises(ConnectionError):
        kucoin.trades(["A-B"], url=url).where()
    site.pages["/bullet"] = lambda visit: visit.json({"code": "429000", "msg": "Too Many Requests"})
    with pytest.raises(ConnectionError, match="429000 Too Many Requests"):
        kucoin.trades(["A-B"], url=url).where()


def test_a_ping_has_its_own_id_and_its_pong_is_one() -> None:
    """Two pings are never the same; what answers them, and everything else, is what it is."""
    rules = kucoin.ticker(["A-B"]).rules()
    assert rules.keepalive_payload is not None
    assert rules.classify is not None
    pings = [msgspec.json.decode(rules.keepalive_payload().data) for _ in range(2)]
    assert pings[0]["id"] != pings[1]["id"]
    kinds = {"pong": Kind.PONG, "ack": Kind.ACK, "welcome": Kind.IGNORE, "error": Kind.ERROR}
    for kind, expected in kinds.items():
        assert rules.classify(rules.decode(msgspec.json.encode({"id": "7", "type": kind}), True)) is expected


def test_pings_go_out_while_data_comes() -> None:
    """Each is answered, and the line stays."""
    with run.play(part(LEVEL2), rate=3000.0) as server, entrance() as url:
        feed = depth(url)(server)
        assert feed.keepalive is not None
        quick = Keepalive(every=0.05, send=feed.keepalive.send, expect=feed.keepalive.expect, within=5.0)
        with Stream(msgspec.structs.replace(feed, keepalive=quick), queue_size=100_000) as stream:
            while len([text for text in server.heard if "ping" in text]) < 5:
                stream.get_many(timeout=0.01)
            assert (stream.status.reconnects, stream.status.quarantined) == (0, 0)
        pings = [text for text in server.heard if "ping" in text]
    assert len(set(pings)) == len(pings)


def test_messages_are_typed() -> None:
    """As text, with names one can read; the key of a ticker is in its topic."""
    text = (
        b'{"type":"message","topic":"/market/ticker:A-B","subject":"trade.ticker","data":{"sequence":"7","bestAsk":"3","size":"1",'
        b'"bestBidSize":"4","price":"2.5","time":9,"bestAskSize":"5","bestBid":"2"}}'
    )
    rules = kucoin.ticker(["A-B"]).rules()
    message = rules.decode(text, True)
    assert message.data == kucoin.Ticker("7", "2.5", "1", "2", "4", "3", "5", 9)
    assert rules.key is not None
    assert rules.key(message) == "A-B"


def test_a_price_of_nothing_is_no_level() -> None:
    """The row says that its number was used up, also where it has a size."""
    feed = kucoin.depth(["A-B"])
    reading = feed.book_reading()
    assert reading is not None
    text = (
        b'{"type":"message","topic":"/market/level2:A-B","subject":"trade.l2update","data":{"symbol":"A-B","sequenceStart":5,'
        b'"sequenceEnd":8,"changes":{"asks":[["0","1.5","5"],["10.50","2","6"]],"bids":[["0.0","0","7"],["0.05","1","8"]]}}}'
    )
    changes = reading.message(feed.rules().decode(text, True), 4)
    assert changes is not None
    assert [row[0] for row in changes.asks] == ["10.50"]
    assert [row[0] for row in changes.bids] == ["0.05"]


def test_two_feeds_of_the_same_are_equal() -> None:
    """So a notebook's cell that is run again closes the stream before."""
    assert kucoin.depth(["A-B"]) == kucoin.depth(["A-B"]) != kucoin.depth(["A-C"])


@pytest.mark.parametrize("wrong", ["BTC-USDT", [], ["BTCUSDT"], ["btc-usdt"], [f"A{n}-B" for n in range(301)]])
def test_symbols_that_cannot_be(wrong: Any) -> None:
    """One text, none, no dash, small letters, and more than a line takes."""
    with pytest.raises(FeedError, match="symbols"):
        kucoin.depth(wrong)
