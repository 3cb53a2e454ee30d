"""A middlebox on loopback: it passes bytes on to a venue, and does what middleboxes and dying machines do.

In front it speaks plain TCP, TLS, or is an HTTP proxy that is asked by CONNECT. What it does can be changed while it runs; one
thread per connection looks at that at least every `POLL` seconds.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import struct
import threading
import time
from collections import deque
from types import TracebackType
from typing import Optional

from .scripted import Peer, Server

POLL = 0.02
_RESET = struct.pack("ii", 1, 0)


class Relay:
    """Owned by: the test. Use it in a `with`. Every connection there is and every new one behaves as it is told now.

    `upstream`: the venue's port. `tls`: what it speaks in front. `proxy`: it is asked by CONNECT first.
    """

    def __init__(self, upstream: int, *, tls: Optional[ssl.SSLContext] = None, proxy: bool = False) -> None:
        self.upstream = upstream
        self._tls = tls
        self._proxy = proxy
        self._server: Optional[Server] = Server(self._serve)
        self.port = self._server.port
        self._full: list[socket.socket] = []  # a listener that accepts nobody, and those that fill its backlog
        self._lock = threading.Lock()  # guards what follows
        self._frozen = False  # nothing is read and nothing is passed on; the system still accepts and acknowledges
        self._answers: list[bytes] = []  # given to requests, one each, instead of asking the venue
        self._dripping = False
        self._ignoring = False
        self._lag = 0.0
        self._endings = 0
        self._how = "reset"

    def __enter__(self) -> Relay:
        assert self._server is not None
        self._server.__enter__()
        return self

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.heal()
        assert self._server is not None
        self._server.__exit__(kind, error, trace)

    # ---------------------------------------------------------------- what it does

    def heal(self) -> None:
        """Pass on as a good one does."""
        with self._lock:
            self._frozen = self._ignoring = self._dripping = False
            self._lag = 0.0
            self._answers = []
        for sock in self._full:
            sock.close()
        self._full.clear()
        if self._server is None:
            self._server = Server(self._serve, port=self.port).__enter__()

    def go_away(self) -> None:
        """Cut every connection; nobody listens any more."""
        self.cut()
        server, self._server = self._server, None
        if server is not None:
            server.__exit__(None, None, None)

    def swallow(self) -> None:
        """Cut every connection; a new one is not even refused: its first packet is not answered."""
        self.go_away()
        listener = socket.create_server(("127.0.0.1", self.port), backlog=0)
        self._full.append(listener)
        for _ in range(4):  # more than the system lets wait
            sock = socket.socket()
            sock.setblocking(False)
            sock.connect_ex(("127.0.0.1", self.port))
            self._full.append(sock)

    def freeze(self) -> None:
        """Neither read nor pass anything on, as a stopped process does. New connections are accepted and not answered."""
        with self._lock:
            self._frozen = True

    def ignore(self) -> None:
        """Take what new connections say first, a TLS hello or a request, and do not answer."""
        with self._lock:
            self._ignoring = True

    def answer(self, data: bytes, *, times: int = 1000) -> None:
        """Give this to so many requests to come."""
        with self._lock:
            self._answers = [data] * times

    def secure(self, tls: ssl.SSLContext) -> None:
        """Show this certificate to every connection to come."""
        self._tls = tls

    def drip(self) -> None:
        """Pass on one byte at a time, some hundred in a second."""
        with self._lock:
            self._dripping = True

    def delay(self, seconds: float) -> None:
        """Pass everything on so much later, in its order."""
        with self._lock:
            self._lag = seconds

    def cut(self, how: str = "reset") -> None:
        """End every connection: by `"reset"`, by `"fin"`, or by `"mid-frame"`, the first half of what comes next and a FIN."""
        with self._lock:
            self._endings += 1
            self._how = how

    # ---------------------------------------------------------------- on the thread of a connection

    def _serve(self, peer: Peer) -> None:
        while self._frozen:
            peer.pause(POLL)
        if self._ignoring:
            peer.until_hangup()
            return
        if self._tls is not None:
            with contextlib.suppress(ssl.SSLError):  # the client did not like what it saw
                peer.start_tls(self._tls)
            if not isinstance(peer.sock, ssl.SSLSocket):
                return
        if self._proxy:
            peer.request()
            peer.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
        with self._lock:
            answer = self._answers.pop() if self._answers else b""
        if answer:
            peer.request()
            peer.send(answer)
            peer.until_hangup()
            return
        with socket.create_connection(("127.0.0.1", self.upstream)) as upstream:
            upstream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._pass_on(peer, upstream)

    def _pass_on(self, peer: Peer, upstream: socket.socket) -> None:
        endings = self._endings
        late: deque[tuple[float, socket.socket, bytes]] = deque()  # when it is due, where to, what
        while True:
            if self._frozen:
                peer.pause(POLL)
                continue
            ready = _readable(peer.sock, upstream, POLL / 10 if late else POLL)
            ending = self._how if self._endings != endings else ""
            if ending and (ending != "mid-frame" or upstream in ready):
                self._end(peer, upstream, ending)
                return
            now = time.monotonic()
            for source in ready:
                data = source.recv(65536)
                if not data:
                    return
                late.append((now + self._lag, upstream if source is peer.sock else peer.sock, data))
            while late and late[0][0] <= now:
                self._send(peer, *late.popleft()[1:])

    def _send(self, peer: Peer, sink: socket.socket, data: bytes) -> None:
        at = 0
        while at < len(data):
            size = 1 if self._dripping else len(data)
            sink.sendall(data[at : at + size])
            at += size
            if self._dripping:
                peer.pause(0.003)

    def _end(self, peer: Peer, upstream: socket.socket, how: str) -> None:
        if how == "mid-frame":
            data = upstream.recv(65536)
            peer.send(data[: len(data) // 2 + 1])
        elif how == "reset":
            for sock in (peer.sock, upstream):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)


def _readable(client: socket.socket, upstream: socket.socket, timeout: float) -> list[socket.socket]:
    if isinstance(client, ssl.SSLSocket) and client.pending():  # the system does not know of it
        return [client]
    return select.select([client, upstream], [], [], timeout)[0]
