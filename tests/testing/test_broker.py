"""The venue in a box, seen by plain clients: what it sends, serves, counts, and how it ends."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from typing import Any, Callable, Iterator

import pytest
from websockets.exceptions import ConnectionClosedOK, InvalidStatus

from syncstream.events import Snapshot
from syncstream.testing import Broker, Replica, State
from tests.testing.clients import (
    PATIENCE,
    Raw,
    connected,
    deltas,
    get,
    nothing_waits,
    receive,
    settle,
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


def test_a_request_may_come_in_pieces(broker: Broker) -> None:
    """Fragments are joined, and a control frame may come between them."""
    with Raw(broker) as raw:
        raw.send(1, b'{"action":"subscribe",', final=False)
        raw.send(9, b"ping")
        raw.send(0, b'"symbols":["ABC"]}')
        broker.wait_for(lambda: broker.subscriptions == {1: frozenset(["ABC"])})


def test_heartbeats_come_on_every_connection() -> None:
    """Subscribed or not, each connection has its own."""
    with Broker(rate=0, heartbeat=0.02) as broker, connected(broker) as first, subscribed(broker) as second:
        for websocket in (first, second):
            assert receive(websocket, "heartbeat")["ts_ns"] > 10**18
            receive(websocket, "heartbeat")


def test_pings_are_answered(broker: Broker) -> None:
    """A ping gets its pong, and is counted."""
    with connected(broker) as websocket:
        settle(websocket)
        assert broker.counts["pings"] == 1


def test_the_venue_pings_and_the_client_answers() -> None:
    """With `ping_interval` the venue asks again and again, and a client that answers stays."""
    with Broker(rate=0, heartbeat=None, ping_interval=0.02, ping_timeout=5.0) as broker, connected(broker):
        broker.wait_for(lambda: broker.counts["pongs"] >= 3)
        assert broker.connections == (1,)


def test_the_venue_pings_and_the_client_does_not_answer() -> None:
    """It is closed with code 1011."""
    with Broker(rate=0, heartbeat=None, ping_interval=0.02) as broker, Raw(broker) as raw:
        broker.wait_for(lambda: broker.counts["unanswered"] == 1)
        raw.send(8, b"\x03\xf3")
        data, how = raw.rest()
        assert (data[-11:], how) == (b"\x88\x09\x03\xf3no pong", "fin")


def test_a_client_that_closes_is_answered(broker: Broker) -> None:
    """The close handshake ends properly, and the connection is no longer counted."""
    with connected(broker) as websocket:
        broker.wait_for(lambda: broker.connections)
        websocket.close(1000)
        assert websocket.close_code == 1000
    broker.wait_for(lambda: broker.connections == ())
    assert broker.counts["disconnects"] == 1


def test_a_client_that_vanishes_is_noticed(broker: Broker) -> None:
    """No close frame, just the end of the connection."""
    with Raw(broker):
        broker.wait_for(lambda: broker.connections)
    broker.wait_for(lambda: broker.connections == ())


def test_a_client_that_breaks_the_protocol_is_closed(broker: Broker) -> None:
    """An unmasked frame is answered with 1002."""
    with Raw(broker) as raw:
        raw.sock.sendall(b"\x81\x02hi")
        data, how = raw.rest()
        assert (data[2:4], how) == (b"\x03\xea", "fin")


def test_one_slow_client_does_not_hold_up_another() -> None:
    """The venue goes on for the one that reads, cuts the one that does not, and forgets it."""
    with contextlib.ExitStack() as stack:
        broker = stack.enter_context(Broker(rate=0, heartbeat=None, backlog=500_000))
        slow, quick = stack.enter_context(Raw(broker, receive_buffer=4096)), stack.enter_context(subscribed(broker, "ABC"))
        slow.subscribe("ABC")
        seen = 0
        while not broker.counts["too_slow"]:
            broker.publish("ABC", 2000)
            assert versions(quick, 2000) == list(range(seen + 1, seen + 2001))
            seen += 2000
        broker.wait_for(lambda: broker.connections == (2,))
        assert slow.rest()[1] == "reset"


def test_a_slow_client_that_catches_up_gets_everything(broker: Broker) -> None:
    """What did not fit into the socket is sent when there is room again, to the last message, in order."""
    with Raw(broker, receive_buffer=4096) as slow:
        slow.subscribe("ABC")
        broker.publish("ABC", 60_000)
        data = bytearray()
        while b'"version":60000,' not in data[-400:]:
            data += slow.sock.recv(1 << 20)
        assert data.count(b'"type":"delta"') == 60_000


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


def test_the_feed_is_no_page(broker: Broker) -> None:
    """A plain GET of the feed is refused with a 4xx, and no connection comes of it."""
    assert 400 <= get(f"http://127.0.0.1:{broker.port}/feed").status_code < 500
    assert broker.counts["connects"] == 0


def test_no_http_at_all_is_hung_up_on(broker: Broker) -> None:
    """Bytes that are no request get an end, not a wait."""
    with socket.create_connection(("127.0.0.1", broker.port), timeout=PATIENCE) as sock:
        sock.sendall(b"hello\r\n\r\n")
        assert sock.recv(100) == b""


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


def test_it_runs_once() -> None:
    """Stopping may be repeated, starting may not."""
    with Broker(rate=0) as broker, pytest.raises(RuntimeError, match="once"):
        broker.start()
    broker.stop()
    with pytest.raises(RuntimeError, match="once"):
        broker.start()


def test_a_port_can_be_chosen() -> None:
    """And is free again afterwards; while it is taken there is an error."""
    with Broker(rate=0) as first, pytest.raises(OSError, match=r"[Aa]ddress"):
        Broker(rate=0, port=first.port).start()
    with Broker(rate=0, port=first.port) as second:
        assert second.port == first.port


def test_stopping_says_goodbye() -> None:
    """An open client gets a close frame with 1001, after all that was queued."""
    with Broker(rate=0, heartbeat=None) as broker, subscribed(broker, "ABC") as websocket:
        broker.publish("ABC", 10)
        broker.stop()
        assert versions(websocket, 10) == list(range(1, 11))
        with pytest.raises(ConnectionClosedOK):
            receive(websocket)
        assert (websocket.close_code, broker.connections) == (1001, ())


def test_after_the_stop_calls_are_harmless() -> None:
    """Publishing, faults and questions still work on what is left."""
    with Broker(rate=0) as broker:
        broker.stop()
        broker.publish("ABC", 3)
        broker.faults.cut()
        assert broker.state("ABC").version == 3


def _hanging_request(broker: Broker, stack: contextlib.ExitStack) -> None:
    broker.faults.slow_snapshot(60)
    sock = stack.enter_context(socket.create_connection(("127.0.0.1", broker.port)))
    sock.sendall(b"GET /snapshot/ABC HTTP/1.1\r\nHost: x\r\n\r\n")
    broker.wait_for(lambda: broker.counts["slow_snapshots"])


def _half_a_request(broker: Broker, stack: contextlib.ExitStack) -> None:
    stack.enter_context(socket.create_connection(("127.0.0.1", broker.port))).sendall(b"GET /feed HT")


def _deaf_clients(broker: Broker, stack: contextlib.ExitStack) -> None:
    """Clients that will never answer a close frame, one of which does not read either."""
    for size in (None, 4096):
        raw = stack.enter_context(Raw(broker, receive_buffer=size))
        raw.send(1, b'{"action":"subscribe","symbols":["ABC"]}')
    broker.wait_for(lambda: len(broker.subscriptions) == 2 and all(broker.subscriptions.values()))
    broker.publish("ABC", 50_000)


def _with_client(fault: Callable[[Broker], object]) -> Callable[[Broker, contextlib.ExitStack], None]:
    def arrange(broker: Broker, stack: contextlib.ExitStack) -> None:
        stack.enter_context(subscribed(broker, close_timeout=0.05))
        fault(broker)

    return arrange


STATES: dict[str, Callable[[Broker, contextlib.ExitStack], object]] = {
    "idle": lambda broker, stack: None,
    "connected": _with_client(lambda broker: None),
    "mute": _with_client(lambda broker: broker.faults.mute()),
    "half-open": _with_client(lambda broker: broker.faults.half_open()),
    "closing": _with_client(lambda broker: broker.faults.close(4000)),
    "cut": _with_client(lambda broker: broker.faults.cut(mid_frame=True)),
    "paused": lambda broker, stack: broker.pause(),
    "slow snapshot": _hanging_request,
    "half a request": _half_a_request,
    "deaf clients": _deaf_clients,
}


@pytest.mark.parametrize("state", STATES)
def test_stopping_is_prompt(state: str) -> None:
    """Within a second in every state, with no thread left (a fixture looks) and no socket open (a warning would be an error)."""
    with contextlib.ExitStack() as stack:
        broker = Broker(rate=1000, heartbeat=0.05).start()
        try:
            STATES[state](broker, stack)
        finally:
            began = time.monotonic()
            broker.stop()
        assert time.monotonic() - began < 1.0
        assert broker.connections == ()
        with pytest.raises(OSError, match=r"."):
            socket.create_connection(("127.0.0.1", broker.port), timeout=1.0)


def test_subscribing_again_is_no_second_stream(broker: Broker) -> None:
    """A symbol that was subscribed twice comes once."""
    with subscribed(broker, "ABC") as websocket:
        subscribe(websocket, "ABC")
        broker.publish("ABC", 2)
        assert versions(websocket, 2) == [1, 2]
        assert nothing_waits(websocket)
