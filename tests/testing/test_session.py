"""One connection, seen from its other end: requests, frames, pings, slowness, endings."""

from __future__ import annotations

import contextlib
import socket
import struct
from typing import Iterator

import pytest

from syncstream.testing import Broker, session
from tests.testing.clients import (
    PATIENCE,
    Raw,
    connected,
    get,
    settle,
    subscribed,
    versions,
)


@pytest.fixture
def broker() -> Iterator[Broker]:
    with Broker(rate=0, heartbeat=None) as running:
        yield running


def test_a_request_may_come_in_pieces(broker: Broker) -> None:
    """Fragments are joined, and a control frame may come between them."""
    with Raw(broker) as raw:
        raw.send(1, b'{"action":"subscribe",', final=False)
        raw.send(9, b"ping")
        raw.send(0, b'"symbols":["ABC"]}')
        broker.wait_for(lambda: broker.subscriptions == {1: frozenset(["ABC"])})


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


def test_the_feed_is_no_page(broker: Broker) -> None:
    """A plain GET of the feed is refused with a 4xx, and no connection comes of it."""
    assert 400 <= get(f"http://127.0.0.1:{broker.port}/feed").status_code < 500
    assert broker.counts["connects"] == 0


def test_no_http_at_all_is_hung_up_on(broker: Broker) -> None:
    """Bytes that are no request get an end, not a wait."""
    with socket.create_connection(("127.0.0.1", broker.port), timeout=PATIENCE) as sock:
        sock.sendall(b"hello\r\n\r\n")
        assert sock.recv(100) == b""


def test_a_client_that_never_answers_a_close_is_reset(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    """The venue waits for the answer only so long."""
    monkeypatch.setattr(session, "CLOSE_WAIT", 0.05)
    with Raw(broker) as raw:
        broker.wait_for(lambda: broker.connections)
        broker.faults.close(4000)
        assert raw.rest() == (b"\x88\x02\x0f\xa0", "reset")


def test_a_client_that_never_hangs_up_is_reset(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a FIN, too: what the client still sends then is met with a reset."""
    monkeypatch.setattr(session, "CLOSE_WAIT", 0.05)
    with Raw(broker) as raw:
        broker.wait_for(lambda: broker.connections)
        broker.faults.cut(reset=False)
        assert raw.rest() == (b"", "fin")
        assert raw.is_pushed_away()


@pytest.mark.parametrize("half_open", [False, True])
def test_a_client_that_resets_is_noticed(broker: Broker, half_open: bool) -> None:
    """Also while it is half-open, where an ordinary end would be overlooked."""
    with Raw(broker) as raw:
        broker.wait_for(lambda: broker.connections)
        if half_open:
            broker.faults.half_open()
        raw.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    broker.wait_for(lambda: broker.connections == ())
