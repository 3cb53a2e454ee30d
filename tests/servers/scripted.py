"""A TCP server on loopback that runs a script with everyone who connects: how a test plays a venue or a proxy that misbehaves.

Threads: one that accepts, one per connection. All have ended when the `with` block has.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import socket
import ssl
import threading
from types import TracebackType
from typing import Callable, Optional, Union

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Peer:
    """Owned by: the thread of its connection. The server's end of one connection.

    Every wait ends when the client hangs up or the server stops, with a `ConnectionError`, which ends the script.
    """

    def __init__(self, sock: socket.socket, stopping: threading.Event) -> None:
        self.sock = sock
        self.stopping = stopping
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # so that what was sent has arrived

    def read(self, size: int) -> bytes:
        """`size` bytes."""
        data = b""
        while len(data) < size:
            data += self._some(size - len(data))
        return data

    def request(self) -> bytes:
        """The head of an HTTP request, the empty line included."""
        data = b""
        while not data.endswith(b"\r\n\r\n"):
            data += self._some(1)
        return data

    def _some(self, size: int) -> bytes:
        data = self.sock.recv(size)
        if not data:
            raise ConnectionError("the client hung up")
        return data

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def drip(self, data: bytes, pause: float = 0.02) -> None:
        """One byte at a time."""
        for byte in data:
            self.send(bytes([byte]))
            self.pause(pause)

    def pause(self, seconds: float) -> None:
        if self.stopping.wait(seconds):
            raise ConnectionError("the server stops")

    def start_tls(self, context: ssl.SSLContext) -> None:
        self.sock = context.wrap_socket(self.sock, server_side=True)

    def upgrade(self, *headers: str, more: bytes = b"") -> None:
        """Answer a request as a good venue does. `more` leaves in the same piece."""
        self.send(switching(self.request(), *headers) + more)

    def until_hangup(self) -> bytes:
        """What the client sends until it hangs up."""
        received = bytearray()
        while True:
            data = self.sock.recv(65536)
            if not data:
                return bytes(received)
            received += data


def talk(*steps: Union[int, bytes]) -> Callable[[Peer], None]:
    """A script: a number reads so many bytes, bytes are sent; then it waits until the client hangs up."""

    def script(peer: Peer) -> None:
        for step in steps:
            if isinstance(step, int):
                peer.read(step)
            else:
                peer.send(step)
        peer.until_hangup()

    return script


def accept(request: bytes) -> str:
    """The Sec-WebSocket-Accept value that belongs to `request`."""
    key = request.split(b"Sec-WebSocket-Key: ")[1].split(b"\r\n")[0]
    return base64.b64encode(hashlib.sha1(key + GUID).digest()).decode()


def switching(request: bytes, *headers: str) -> bytes:
    """The right answer to `request`, with `headers` added."""
    lines = [
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Accept: {accept(request)}",
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode()


class Server:
    """Owned by: the test. Runs `script` with every `Peer`, each on a thread of its own.

    A script that fails otherwise than by its connection fails the test, at the end of the `with` block.
    """

    def __init__(self, script: Callable[[Peer], object], host: str = "127.0.0.1", port: int = 0) -> None:
        self.failures: list[BaseException] = []
        self.connections = 0
        self._script = script
        self._stopping = threading.Event()
        self._lock = threading.Lock()  # guards what follows and `connections`
        self._open: set[Peer] = set()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> Server:
        self._start(self._accept)
        return self

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self._stopping.set()
        self._wake_accept()
        with self._lock:
            for peer in self._open:
                _shut(peer.sock)
        for thread in self._threads:  # the accepting one first: then there are no more
            thread.join(10)
        self._listener.close()
        if self.failures and error is None:
            raise self.failures[0]

    def _wake_accept(self) -> None:
        """By a shutdown where the system does it (Linux), by a last connection elsewhere."""
        _shut(self._listener)
        with contextlib.suppress(OSError):
            socket.create_connection(self._listener.getsockname()[:2], timeout=1).close()

    def _start(self, target: Callable[..., None], *args: Peer) -> None:
        thread = threading.Thread(target=target, args=args, name="scripted-server", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:  # the listener was shut
                return
            if self._stopping.is_set():
                sock.close()
                return
            peer = Peer(sock, self._stopping)
            with self._lock:
                self.connections += 1
                self._open.add(peer)
            self._start(self._serve, peer)

    def _serve(self, peer: Peer) -> None:
        try:
            self._script(peer)
        except OSError:  # the client hung up, which most tests are about
            return
        except BaseException as failure:
            self.failures.append(failure)
        finally:
            with self._lock:
                self._open.discard(peer)
            peer.sock.close()


def _shut(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):  # not connected any more; or never, as a listener is on some systems
        socket.socket.shutdown(sock, socket.SHUT_RDWR)  # that of a TLS socket would go on in clear text
