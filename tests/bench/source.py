"""`python -m tests.bench.source`: the load generator, a process of its own. Prints its ports as JSON, serves until stdin ends.

The path says what a connection gets: `/burst?count=N&size=B&symbols=S`, prebuilt and as fast as the socket takes it, or
`/paced?rate=R&count=N&size=B`, each quote stamped when it goes out. Compression is used if the client offers it and the path
asks for it (`deflate=1`). Bursts are built once, before they are first sent; `/build?...` builds one and says so.
"""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import ssl
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Callable, Optional
from urllib.parse import parse_qs, urlsplit

from tests.servers import certificates

from . import market

_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_HEAD = 64 * 1024

Query = dict[str, str]


class Shop:
    """Owned by: its lock. Bursts that were built, by what they hold."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards: _built
        self._built: dict[tuple[int, int, bool, int], list[bytes]] = {}

    def burst(self, query: Query, *, deflate: bool) -> list[bytes]:
        wanted = (int(query["count"]), int(query["size"]), deflate, int(query.get("symbols", market.SYMBOLS)))
        with self._lock:
            if wanted not in self._built:
                count, size, _, symbols = wanted
                self._built = {} if len(self._built) > 3 else self._built
                self._built[wanted] = list(market.burst(count, size, deflate=deflate, symbols=symbols))
            return self._built[wanted]


def handshake(head: str, query: Query) -> tuple[str, bool]:
    """The answer to an upgrade, and whether what follows is compressed."""
    fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
    named = {name.lower(): value for name, value in fields.items()}
    key = named["sec-websocket-key"].strip()
    accept = base64.b64encode(hashlib.sha1((key + _GUID).encode()).digest()).decode()
    deflate = "deflate" in query and "permessage-deflate" in named.get("sec-websocket-extensions", "")
    extension = "Sec-WebSocket-Extensions: permessage-deflate\r\n" if deflate else ""
    answer = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    return f"{answer}{extension}Sec-WebSocket-Accept: {accept}\r\n\r\n", deflate


def paced(send: Callable[[bytes], None], query: Query) -> None:
    """So many a second. What is due goes out together, each with the moment it went."""
    rate, count, size = float(query["rate"]), int(query["count"]), int(query["size"])
    symbols = int(query.get("symbols", market.SYMBOLS))
    began, sent = time.monotonic(), 0
    while sent < count:
        due = min(count, int((time.monotonic() - began) * rate) + 1)
        if due <= sent:
            time.sleep(max(0.0, began + sent / rate - time.monotonic()))
            continue
        ts = market.stamp()
        send(b"".join(market.frame(market.text(number, size, symbols, ts)) for number in range(sent, due)))
        sent = due


def serve(connection: socket.socket, shop: Shop, context: Optional[ssl.SSLContext]) -> None:
    """One connection: upgrade, send all, and wait for its end."""
    with connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        channel = connection if context is None else context.wrap_socket(connection, server_side=True)
        head = b""
        while b"\r\n\r\n" not in head and len(head) < _HEAD:
            head += channel.recv(4096) or b"\r\n\r\n"
        text = head.decode("latin-1")
        path = urlsplit(text.split(" ")[1])
        query = {name: values[0] for name, values in parse_qs(path.query).items()}
        if path.path == "/build":
            shop.burst(query, deflate="deflate" in query)
            channel.sendall(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
            return
        answer, deflate = handshake(text, query)
        chunks = shop.burst(query, deflate=deflate) if path.path == "/burst" else []
        channel.sendall(answer.encode())
        for chunk in chunks:
            channel.sendall(chunk)
        if path.path == "/paced":
            paced(channel.sendall, query)
        while channel.recv(4096):  # until the client has gone
            pass


def attend(listener: socket.socket, shop: Shop, context: Optional[ssl.SSLContext]) -> None:
    def one(connection: socket.socket) -> None:
        try:
            serve(connection, shop, context)
        except OSError:
            return  # the client is a benchmark that had enough

    while True:
        connection, _ = listener.accept()
        threading.Thread(target=one, args=(connection,), daemon=True).start()


def main() -> int:
    """Serves until nobody holds the other end of stdin any more."""
    shop, ports = Shop(), {}
    for name, context in (("ws", None), ("wss", certificates.server_context())):
        listener = socket.create_server(("localhost", 0))
        ports[name] = listener.getsockname()[1]
        threading.Thread(target=attend, args=(listener, shop, context), daemon=True).start()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps({**ports, "ca": certificates.ca_file(Path(folder))}), flush=True)
        sys.stdin.read()
    return 0


if __name__ == "__main__":
    sys.exit(main())
