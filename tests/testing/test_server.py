"""Starting and stopping the venue, in every state it can be in."""

from __future__ import annotations

import contextlib
import socket
import time
from typing import Callable

import pytest
from websockets.exceptions import ConnectionClosedOK

from syncstream.testing import Broker
from tests.deadlines import SLACK
from tests.testing.clients import (
    Raw,
    receive,
    subscribed,
    versions,
)


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
        assert time.monotonic() - began < 1.0 + SLACK
        assert broker.connections == ()
        with pytest.raises(OSError, match=r"."):
            socket.create_connection(("127.0.0.1", broker.port), timeout=1.0)
