"""Plain clients for the tests of the Broker: one of the websockets package, one that is a bare socket, and one for HTTP."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
import time
from typing import Any, Iterator, Optional

import requests
from websockets.sync.client import ClientConnection, connect

from syncstream.testing import Broker

PATIENCE = 5.0  # seconds for anything that must come


@contextlib.contextmanager
def connected(
    broker: Broker, *, headers: Optional[dict[str, str]] = None, close_timeout: float = 2.0
) -> Iterator[ClientConnection]:
    """An open connection that has subscribed nothing."""
    websocket = connect(
        broker.url,
        additional_headers=broker.headers if headers is None else headers,
        compression=None,
        proxy=None,
        ping_interval=None,
        close_timeout=close_timeout,
        max_queue=None,
    )
    with websocket:
        yield websocket


@contextlib.contextmanager
def subscribed(broker: Broker, *symbols: str, close_timeout: float = 2.0) -> Iterator[ClientConnection]:
    """A connection that has subscribed these symbols, or all, and has its ack."""
    with connected(broker, close_timeout=close_timeout) as websocket:
        subscribe(websocket, *(symbols or broker.symbols))
        yield websocket


def subscribe(websocket: ClientConnection, *symbols: str) -> None:
    websocket.send(json.dumps({"action": "subscribe", "symbols": list(symbols)}))
    assert receive(websocket, "subscribed")["symbols"] == list(symbols)


def receive(websocket: ClientConnection, kind: str = "") -> dict[str, Any]:
    """The next message, or the next one of that type."""
    while True:
        message: dict[str, Any] = json.loads(websocket.recv(timeout=PATIENCE))
        if not kind or message["type"] == kind:
            return message


def deltas(websocket: ClientConnection, count: int) -> list[dict[str, Any]]:
    return [receive(websocket, "delta") for _ in range(count)]


def versions(websocket: ClientConnection, count: int) -> list[int]:
    return [delta["version"] for delta in deltas(websocket, count)]


def settle(websocket: ClientConnection) -> None:
    """Wait for a pong: everything that was on its way before it has then come."""
    assert websocket.ping().wait(PATIENCE)


def nothing_waits(websocket: ClientConnection) -> bool:
    settle(websocket)
    try:
        websocket.recv(timeout=0)
    except TimeoutError:
        return True
    return False


def get(url: str, *, headers: Optional[dict[str, str]] = None) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False  # a proxy of this machine is no part of the test
        return session.get(url, headers=headers, timeout=PATIENCE)


def snapshot(broker: Broker, symbol: str) -> requests.Response:
    return get(broker.snapshot_url.format(key=symbol), headers=broker.headers)


class Raw:
    """A bare socket after the upgrade, for what a library would hide. Not subscribed."""

    def __init__(self, broker: Broker, *, receive_buffer: Optional[int] = None) -> None:
        self.sock = socket.socket()
        if receive_buffer is not None:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(("127.0.0.1", broker.port))
        self.sock.sendall(
            b"GET /feed HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self.sock.recv(1)
        assert head.startswith(b"HTTP/1.1 101 "), head

    def __enter__(self) -> Raw:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def send(self, opcode: int, payload: bytes, *, final: bool = True) -> None:
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
        self.sock.sendall(struct.pack("!BB", opcode | (0x80 if final else 0), 0x80 | len(payload)) + mask + masked)

    def subscribe(self, *symbols: str) -> None:
        """Returns with the ack."""
        self.send(1, json.dumps({"action": "subscribe", "symbols": list(symbols)}).encode())
        assert json.loads(self.frame()) == {"type": "subscribed", "symbols": list(symbols)}

    def frame(self) -> bytes:
        """The payload of the next frame, of less than 64 KiB."""
        length = self.exactly(2)[1]
        return self.exactly(length if length < 126 else int.from_bytes(self.exactly(2), "big"))

    def exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            more = self.sock.recv(size - len(data))
            assert more, "the connection ended"
            data += more
        return data

    def rest(self) -> tuple[bytes, str]:
        """All bytes until the end, and what the end was: `"fin"` or `"reset"`."""
        data = b""
        while True:
            try:
                more = self.sock.recv(65536)
            except ConnectionResetError:
                return data, "reset"
            if not more:
                return data, "fin"
            data += more

    def silent_for(self, seconds: float) -> bool:
        """Whether nothing comes, not even an end."""
        self.sock.settimeout(seconds)
        try:
            self.sock.recv(1)
        except socket.timeout:
            return True
        finally:
            self.sock.settimeout(PATIENCE)
        return False

    def is_pushed_away(self) -> bool:
        """Whether what is sent is soon met with a reset."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:
                self.sock.sendall(b"x")
                self.silent_for(0.01)
            except (ConnectionResetError, BrokenPipeError):
                return True
        return False
