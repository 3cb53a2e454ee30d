"""The venue in a box, seen by plain clients: what it sends, serves and counts."""

from __future__ import annotations

import json
import threading
import time
from typing import Any, Callable, Iterator

import pytest
from websockets.exceptions import InvalidStatus

from syncstream.events import Snapshot
from syncstream.testing import Broker, Replica, State
from tests.testing.clients import (
    Raw,
    connected,
    deltas,
    get,
    nothing_waits,
    receive,
    snapshot,
    subscribe,
    subscribed,
    versions,
)


@pytest.fixture
def broker() -> Iterator[Broker]:
    with Broker(rate=0, heartbeat=None) as running:
        yield running


def base(symbol: str) -> Snapshot:
    return Snapshot(key=symbol, state={"version": 0, "bids": [], "asks": [], "volume": 0})


# The feed


def test_deltas_build_the_true_state(broker: Broker) -> None:
    """A client that applies every delta from the beginning has what the venue has."""
    replica = Replica()
    with subscribed(broker) as websocket:
        broker.publish(count=500)
        for delta in deltas(websocket, 500):
            replica.apply(delta)
    assert replica.differences(broker) == []
    assert replica.total.wrong == 0


def test_acks_can_be_left_out() -> None:
    """With acks=False the first message is a delta."""
    with Broker(rate=0, heartbeat=None, acks=False) as broker, connected(broker) as websocket:
        websocket.send(json.dumps(broker.subscribe))
        broker.wait_for(lambda: any(broker.subscriptions.values()))
        broker.publish("ABC")
        assert receive(websocket)["type"] == "delta"


def test_unsubscribing_is_acknowledged_and_works(broker: Broker) -> None:
    """After the ack no delta of that symbol comes."""
    with subscribed(broker) as websocket:
        websocket.send(json.dumps(broker.unsubscribe))
        assert receive(websocket) == {"type": "unsubscribed", "symbols": list(broker.symbols)}
        broker.publish(count=10)
        assert nothing_waits(websocket)


def test_errors_are_answered_and_harm_nothing(broker: Broker) -> None:
    """Nonsense, binary nonsense and an unknown symbol each get an error; the connection goes on."""
    with subscribed(broker, "ABC") as websocket:
        for text in ("nonsense", b"\xff\xfe", '{"action":"subscribe","symbols":["QQQ"]}'):
            websocket.send(text)
            assert receive(websocket)["type"] == "error"
        broker.publish("ABC")
        assert versions(websocket, 1) == [1]
    assert broker.counts["errors"] == 3


def test_heartbeats_come_on_every_connection() -> None:
    """Subscribed or not, each connection has its own."""
    with Broker(rate=0, heartbeat=0.02) as broker, connected(broker) as first, subscribed(broker) as second:
        for websocket in (first, second):
            assert receive(websocket, "heartbeat")["ts_ns"] > 10**18
            receive(websocket, "heartbeat")


def test_publishing_is_quick(broker: Broker) -> None:
    """Fifty thousand messages reach one client, bare, within seconds (a fraction of one on an idle machine)."""
    with Raw(broker) as raw:
        raw.subscribe("ABC")
        began = time.monotonic()
        broker.publish("ABC", 50_000)
        tail = b""
        while b'"version":50000,' not in tail:
            tail = tail[-400:] + raw.sock.recv(1 << 20)
        assert time.monotonic() - began < 10


# Snapshots


@pytest.mark.parametrize("sequence", ["symbol", "connection"])
def test_a_snapshot_is_the_true_state(sequence: str) -> None:
    """Its fields are those of the documentation; `seq` only where it is the position of the symbol."""
    with Broker(rate=0, sequence=sequence) as broker:
        broker.publish("ABC", 100)
        answer = snapshot(broker, "ABC")
        body, true = answer.json(), broker.state("ABC")
    assert answer.headers["Content-Type"] == "application/json"
    assert list(body) == ["symbol", *(["seq"] if sequence == "symbol" else []), "version", "bids", "asks", "volume"]
    read = State(
        symbol=body["symbol"], version=body["version"], bids=dict(body["bids"]), asks=dict(body["asks"]), volume=body["volume"]
    )
    assert read == true
    assert body.get("seq", 100) == true.position == 100


def test_an_odd_symbol_has_a_snapshot_too() -> None:
    """The key in the URL is decoded; one with a slash is just a name."""
    with Broker(symbols=("BTC/USD", 'Ö"x'), rate=0, heartbeat=None) as broker:
        assert get(broker.snapshot_url.format(key="BTC%2FUSD") + "?depth=5").json()["symbol"] == "BTC/USD"
        with subscribed(broker) as websocket:
            broker.publish('Ö"x')
            assert receive(websocket)["symbol"] == 'Ö"x'


@pytest.mark.parametrize("path", ["snapshot/QQQ", "snapshot/", "other", "feed/x"])
def test_what_does_not_exist_is_a_404(broker: Broker, path: str) -> None:
    """With a JSON body that says so."""
    answer = get(f"http://127.0.0.1:{broker.port}/{path}")
    assert answer.status_code == 404
    assert "there is no" in answer.json()["error"]


def test_snapshots_and_deltas_agree_under_load(broker: Broker) -> None:
    """While the market moves at full speed each snapshot is exactly the state that the deltas up to its version give."""
    enough = threading.Event()

    def move() -> None:
        while not enough.wait(0.0005):
            broker.publish("ABC", 50)

    with subscribed(broker, "ABC") as websocket:
        mover = threading.Thread(target=move)
        mover.start()
        try:
            bodies = [snapshot(broker, "ABC").json() for _ in range(12)]
        finally:
            enough.set()
            mover.join()
        replica = Replica()
        replica.apply(base("ABC"))
        for body in bodies:
            while replica.counts("ABC").applied < body["version"]:
                replica.apply(receive(websocket))
            state = replica.state("ABC")
            assert state is not None
            assert (dict(body["bids"]), dict(body["asks"]), body["volume"]) == (state.bids, state.asks, state.volume)
    assert replica.total.wrong == 0
    assert bodies[0]["version"] < bodies[-1]["version"]


# Tokens


def test_without_the_token_there_is_nothing() -> None:
    """401 for the feed and for snapshots, with no token and with a wrong one; with the right one all is well."""
    with Broker(rate=0, token="s3cret") as broker:
        for headers in ({}, {"Authorization": "Bearer wrong"}):
            with pytest.raises(InvalidStatus) as caught, connected(broker, headers=headers):
                raise AssertionError
            assert caught.value.response.status_code == 401
            assert get(broker.snapshot_url.format(key="ABC"), headers=headers).status_code == 401
        assert broker.counts["unauthorized"] == 4
        with connected(broker):
            assert snapshot(broker, "ABC").status_code == 200
        assert "s3cret" not in repr(broker)


# The market's own clock


def test_the_market_moves_by_itself_until_it_is_paused() -> None:
    """It moves, rests in a pause, can be moved by hand meanwhile, and moves on."""
    with Broker(rate=500) as broker:
        broker.wait_for(lambda: broker.counts["published"] >= 20)
        broker.pause()
        rest = broker.counts["published"]
        broker.publish("ABC")
        with pytest.raises(TimeoutError):
            broker.wait_for(lambda: broker.counts["published"] > rest + 1, timeout=0.1)
        broker.resume()
        broker.wait_for(lambda: broker.counts["published"] > rest + 1)


def test_the_market_keeps_its_rate() -> None:
    """Over some time it moves about as often as it was told."""
    with Broker(rate=400) as broker:
        began = time.monotonic()
        broker.wait_for(lambda: broker.counts["published"] >= 100)
        assert 0.2 < time.monotonic() - began < 2.0


def test_the_same_seed_gives_the_same_market() -> None:
    """Two venues of one seed make the same moves, another seed makes others."""
    states = []
    for seed in (5, 5, 6):
        with Broker(rate=0, seed=seed) as broker:
            broker.publish(count=200)
            states.append(broker.states())
    assert states[0] == states[1] != states[2]


# Questions


def test_who_is_connected_and_to_what(broker: Broker) -> None:
    """Connections are numbered from 1 as they come; plain HTTP requests are none."""
    with connected(broker):
        snapshot(broker, "ABC")
        with subscribed(broker, "XYZ"):
            assert broker.connections == (1, 2)
            assert broker.subscriptions == {1: frozenset(), 2: frozenset(["XYZ"])}


def test_waiting_returns_what_was_waited_for(broker: Broker) -> None:
    """The value of the condition, as soon as it is true."""
    timer = threading.Timer(0.02, broker.publish, args=("ABC", 3))
    timer.start()
    assert broker.wait_for(lambda: broker.counts["published"]) == 3
    timer.join()


def test_waiting_in_vain_says_what_did_happen(broker: Broker) -> None:
    """The error has the time and the counts."""
    broker.publish("ABC", 7)
    with pytest.raises(TimeoutError, match=r"within 0\.01 s; counts: \{'published': 7\}"):
        broker.wait_for(lambda: False, timeout=0.01)


def test_what_is_handed_out_is_a_copy(broker: Broker) -> None:
    """Changing it changes nothing at the venue."""
    broker.publish("ABC", 5)
    before = broker.state("ABC")
    broker.counts.clear()
    broker.state("ABC").bids.clear()
    assert (broker.counts["published"], broker.state("ABC")) == (5, before)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"symbols": ()}, "symbols"),
        ({"symbols": "ABC"}, "symbols"),
        ({"symbols": ("ABC", "ABC")}, "symbols"),
        ({"rate": -1}, "rate"),
        ({"sequence": "channel"}, "sequence"),
        ({"numbered_control": True}, "numbered_control"),
        ({"heartbeat": 0}, "heartbeat"),
        ({"ping_interval": -1.0}, "ping_interval"),
        ({"backlog": 0}, "backlog"),
    ],
)
def test_what_cannot_work_is_refused(options: dict[str, Any], name: str) -> None:
    """At construction, with the name and the value."""
    with pytest.raises(ValueError, match=f"^{name}="):
        Broker(**options)


def test_an_unknown_symbol_is_refused(broker: Broker) -> None:
    """By every call that takes one."""
    calls: list[Callable[[], object]] = [
        lambda: broker.publish("QQQ"),
        lambda: broker.state("QQQ"),
        lambda: broker.faults.drop(symbol="QQQ"),
        lambda: broker.faults.restart("QQQ"),
        lambda: broker.faults.fail_snapshot(symbol="QQQ"),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="symbol='QQQ': this venue has ABC, XYZ"):
            call()


# Life


def test_before_the_start_there_is_no_url() -> None:
    """A clear error instead of a port 0."""
    broker = Broker()
    assert "not started" in repr(broker)
    with pytest.raises(RuntimeError, match="not been started"):
        _ = broker.url
    broker.stop()


def test_subscribing_again_is_no_second_stream(broker: Broker) -> None:
    """A symbol that was subscribed twice comes once."""
    with subscribed(broker, "ABC") as websocket:
        subscribe(websocket, "ABC")
        broker.publish("ABC", 2)
        assert versions(websocket, 2) == [1, 2]
        assert nothing_waits(websocket)
