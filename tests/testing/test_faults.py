"""The faults of messages, connections and the market, seen by plain clients."""

from __future__ import annotations

import json
from typing import Any, Callable, Iterator, Optional

import pytest
from websockets.exceptions import ConnectionClosed, ConnectionClosedError

from syncstream.testing import Broker
from syncstream.testing.wire import half_frame
from tests.testing.clients import (
    Raw,
    nothing_waits,
    receive,
    settle,
    snapshot,
    subscribed,
    versions,
)


@pytest.fixture
def broker() -> Iterator[Broker]:
    with Broker(rate=0, heartbeat=None) as running:
        yield running


# Messages on their way


def test_drop(broker: Broker) -> None:
    """The message does not come; the next one does."""
    with subscribed(broker, "ABC") as websocket:
        broker.publish("ABC")
        broker.faults.drop()
        broker.publish("ABC", 2)
        assert versions(websocket, 2) == [1, 3]
    assert broker.counts["dropped"] == 1


def test_duplicate(broker: Broker) -> None:
    """The message comes twice, word for word."""
    with subscribed(broker, "ABC") as websocket:
        broker.faults.duplicate(2)
        broker.publish("ABC", 3)
        first, second = receive(websocket), receive(websocket)
        assert first == second
        assert versions(websocket, 3) == [2, 2, 3]
    assert broker.counts["duplicated"] == 2


def test_reorder(broker: Broker) -> None:
    """The message comes after the next one."""
    with subscribed(broker, "ABC") as websocket:
        broker.publish("ABC")
        broker.faults.reorder()
        broker.publish("ABC", 3)
        assert versions(websocket, 4) == [1, 3, 2, 4]
    assert broker.counts["reordered"] == 1


def test_a_message_fault_can_be_aimed(broker: Broker) -> None:
    """At one symbol on one connection; the others get everything."""
    with subscribed(broker) as first, subscribed(broker) as second:
        broker.faults.drop(symbol="XYZ", connection=2)
        for symbol in ("ABC", "XYZ", "XYZ"):
            broker.publish(symbol)
        assert versions(first, 3) == [1, 1, 2]
        assert versions(second, 2) == [1, 2]


def test_a_rate_is_the_same_each_time() -> None:
    """With the same seed the same messages are lost, with another seed others."""
    seen = []
    for seed in (1, 1, 2):
        with Broker(rate=0, heartbeat=None, seed=seed) as broker, subscribed(broker, "ABC") as websocket:
            broker.faults.drop(rate=0.1)
            broker.publish("ABC", 500)
            seen.append(versions(websocket, broker.counts["sent"]))
    assert seen[0] == seen[1] != seen[2]
    assert 400 < len(seen[0]) < 490


def test_clear_ends_what_goes_on(broker: Broker) -> None:
    """No rule is left, and nothing more is lost."""
    with subscribed(broker, "ABC") as websocket:
        broker.faults.drop(rate=1.0)
        broker.publish("ABC", 5)
        broker.faults.clear()
        broker.publish("ABC")
        assert versions(websocket, 1) == [6]
    assert broker.faults.active == []


# Open connections


def test_garbage(broker: Broker) -> None:
    """A text that cannot be decoded comes in addition to the messages."""
    with subscribed(broker, "ABC") as websocket:
        broker.publish("ABC")
        assert broker.faults.garbage() == 1
        broker.publish("ABC")
        assert versions(websocket, 1) == [1]
        with pytest.raises(json.JSONDecodeError):
            receive(websocket)
        assert versions(websocket, 1) == [2]
    assert broker.counts["garbage"] == 1


@pytest.mark.parametrize("mid_frame", [False, True])
@pytest.mark.parametrize("reset", [False, True])
def test_cut(broker: Broker, reset: bool, mid_frame: bool) -> None:
    """All that was published before comes, perhaps half a frame, then a TCP reset or a FIN without a close frame."""
    with Raw(broker) as raw:
        raw.subscribe("ABC")
        broker.publish("ABC", 5)
        assert broker.faults.cut(reset=reset, mid_frame=mid_frame) == 1
        assert broker.connections == ()
        broker.publish("ABC")
        data, how = raw.rest()
    assert how == ("reset" if reset else "fin")
    last = data.rpartition(b'"version":5,')[2].partition(b"}")[2]
    assert last == (half_frame() if mid_frame else b"")
    assert broker.counts["cut"] == 1


def test_cut_as_a_library_sees_it(broker: Broker) -> None:
    """Code 1006: no close frame came."""
    with subscribed(broker, "ABC") as websocket:
        broker.faults.cut()
        with pytest.raises(ConnectionClosedError):
            receive(websocket)
        assert websocket.close_code == 1006


def test_a_client_that_does_not_read_can_be_cut(broker: Broker) -> None:
    """Even if what waits for it cannot be written."""
    with Raw(broker, receive_buffer=4096) as raw:
        raw.subscribe("ABC")
        broker.publish("ABC", 60_000)
        broker.faults.cut()
        broker.wait_for(lambda: broker.counts["disconnects"] == 1)
        assert raw.rest()[1] == "reset"


@pytest.mark.parametrize("code", [1000, 1001, 1006, 1012, 1013, 4000, 999, None])
def test_close(broker: Broker, code: Optional[int]) -> None:
    """Any code, after what was published before; the client's answer ends the connection properly."""
    with Raw(broker) as raw:
        raw.subscribe("ABC")
        broker.publish("ABC")
        assert broker.faults.close(code, "bye") == 1
        raw.send(8, b"")
        data, how = raw.rest()
    payload = b"" if code is None else code.to_bytes(2, "big") + b"bye"
    assert data.endswith(b"}\x88" + bytes([len(payload)]) + payload)
    assert data.count(b"\x88") == 1
    assert how == "fin"
    assert broker.counts["closed"] == 1


def test_close_as_a_library_sees_it(broker: Broker) -> None:
    """Code and reason arrive."""
    with subscribed(broker) as websocket:
        broker.faults.close(1013, "try again later")
        with pytest.raises(ConnectionClosed):
            receive(websocket)
        assert (websocket.close_code, websocket.close_reason) == (1013, "try again later")


def test_mute() -> None:
    """Pongs, but neither messages nor heartbeats nor acks; what was missed stays missed."""
    with Broker(rate=0, heartbeat=0.02) as broker, subscribed(broker, "ABC") as websocket:
        receive(websocket, "heartbeat")
        assert broker.faults.mute() == 1
        settle(websocket)
        while not nothing_waits(websocket):  # heartbeats from before
            pass
        missed = broker.counts["unsent"]
        broker.publish("ABC", 3)
        websocket.send(json.dumps(broker.subscribe))
        broker.wait_for(lambda: broker.counts["unsent"] >= missed + 3 + 1 + 2)
        assert nothing_waits(websocket)
        assert broker.faults.active == ["mute connection=1"]
        broker.faults.clear()
        broker.publish("ABC")
        assert versions(websocket, 1) == [4]
        assert broker.counts["muted"] == 1


def test_mute_ends_by_itself(broker: Broker) -> None:
    """After its seconds messages come again."""
    with subscribed(broker, "ABC") as websocket:
        broker.faults.mute(seconds=0.05)
        broker.publish("ABC")
        broker.wait_for(lambda: not broker.faults.active)
        broker.publish("ABC")
        assert versions(websocket, 1) == [2]


def test_a_new_connection_is_not_mute(broker: Broker) -> None:
    """The fault belongs to the connections that were open."""
    with subscribed(broker, "ABC"):
        broker.faults.mute()
        with subscribed(broker, "ABC") as second:
            broker.publish("ABC")
            assert versions(second, 1) == [1]


def test_half_open(broker: Broker) -> None:
    """What was published before comes, then nothing: no pong, no answer to a close, no end. A cleared line answers late."""
    with Raw(broker) as raw:
        raw.subscribe("ABC")
        broker.publish("ABC")
        assert broker.faults.half_open() == 1
        broker.publish("ABC")
        assert json.loads(raw.frame())["version"] == 1
        raw.send(9, b"are you there")
        raw.send(8, b"\x03\xe8")
        assert raw.silent_for(0.1)
        assert broker.connections == (1,)
        broker.faults.clear()
        data, how = raw.rest()
        assert data == b"\x8a\x0dare you there\x88\x02\x03\xe8"
        assert (how, broker.counts["half_opened"], broker.counts["unsent"]) == ("fin", 1, 1)


def test_half_open_does_not_notice_a_hang_up(broker: Broker) -> None:
    """A client that ends its side is answered nothing, not even by TCP, but is no longer counted as connected."""
    with Raw(broker) as raw:
        broker.wait_for(lambda: broker.connections)
        broker.faults.half_open()
        raw.sock.shutdown(1)
        broker.wait_for(lambda: broker.connections == ())
        assert raw.silent_for(0.1)


def test_half_open_ends_by_itself(broker: Broker) -> None:
    """After its seconds the line answers what it was asked meanwhile."""
    with Raw(broker) as raw:
        broker.wait_for(lambda: broker.connections)
        broker.faults.half_open(seconds=0.1)
        raw.send(9, b"hi")
        assert raw.sock.recv(100) == b"\x8a\x02hi"
        assert not broker.faults.active


def test_a_half_open_line_is_not_pinged() -> None:
    """The venue's own pings stop too, and it does not close the line for want of a pong."""
    with Broker(rate=0, heartbeat=None, ping_interval=0.02) as broker, Raw(broker) as raw:
        broker.wait_for(lambda: broker.connections)
        broker.faults.half_open()
        while not raw.silent_for(0.1):  # a ping from before
            pass
        assert (broker.counts["unanswered"], broker.connections) == (0, (1,))


def test_a_fault_can_be_aimed_at_one_connection(broker: Broker) -> None:
    """The other connections stay as they are; a number that is not there is nobody."""
    with subscribed(broker, "ABC") as first, subscribed(broker, "ABC") as second:
        assert broker.faults.cut(connection=7) == 0
        assert broker.faults.cut(connection=1) == 1
        broker.publish("ABC")
        assert versions(second, 1) == [1]
        with pytest.raises(ConnectionClosed):
            receive(first)


# The market


@pytest.mark.parametrize("empty", [False, True])
def test_restart(broker: Broker, empty: bool) -> None:
    """Versions count from 1 again; the snapshot tells the state, carried on or empty, in the new numbering."""
    with subscribed(broker) as websocket:
        broker.publish("ABC", 30)
        before = broker.state("ABC")
        broker.faults.restart("ABC", empty=empty)
        body = snapshot(broker, "ABC").json()
        assert (body["version"], body["volume"]) == (0, 0 if empty else before.volume)
        assert dict(body["bids"]) == ({} if empty else before.bids)
        broker.publish("ABC", 2)
        assert versions(websocket, 32)[-3:] == [30, 1, 2]
    assert broker.counts["restarted"] == 1


def test_restart_of_everything_where_connections_are_numbered() -> None:
    """All symbols and the numbers of the connections begin again."""
    with Broker(rate=0, heartbeat=None, sequence="connection") as broker, subscribed(broker) as websocket:
        broker.publish(count=10)
        broker.faults.restart()
        broker.publish("ABC")
        assert [receive(websocket)["seq"] for _ in range(11)] == [*range(1, 11), 1]
    assert broker.counts["restarted"] == 2


# The switchboard itself


def test_what_is_on_is_told(broker: Broker) -> None:
    """In words, for a display; what is over is not in it."""
    broker.faults.drop(rate=0.25, symbol="ABC")
    broker.faults.refuse(429, attempts=2, retry_after=1.5)
    assert broker.faults.active == ["drop rate=0.25 symbol=ABC", "refuse left=2 status=429 retry_after=1.5"]
    assert repr(broker.faults) == f"Faults({broker.faults.active!r})"


def test_without_connections_there_is_nobody_to_hit(broker: Broker) -> None:
    """Faults of open connections say how many they met."""
    faults = broker.faults
    assert [faults.garbage(), faults.cut(), faults.close(), faults.mute(), faults.half_open()] == [0] * 5
    assert not broker.counts


@pytest.mark.parametrize(
    ("call", "problem"),
    [
        (lambda faults: faults.drop(0), "count=0"),
        (lambda faults: faults.drop(rate=0.0), "rate=0.0"),
        (lambda faults: faults.duplicate(rate=1.5), "rate=1.5"),
        (lambda faults: faults.close(70000), "code=70000"),
        (lambda faults: faults.close(1000, "x" * 124), "reason='xxx"),
        (lambda faults: faults.refuse(200), "status=200"),
        (lambda faults: faults.refuse(attempts=0), "attempts=0"),
        (lambda faults: faults.stale_snapshot(0), "versions=0"),
        (lambda faults: faults.slow_snapshot(0), "seconds=0"),
        (lambda faults: faults.fail_snapshot("xml"), "how='xml'"),
        (lambda faults: faults.fail_snapshot(200), "how=200"),
    ],
)
def test_what_cannot_work_is_refused(broker: Broker, call: Callable[[Any], object], problem: str) -> None:
    """At the call, with the name and the value, and nothing is switched on."""
    with pytest.raises(ValueError, match=f"^{problem}"):
        call(broker.faults)
    assert broker.faults.active == []
