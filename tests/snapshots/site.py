"""A web site on loopback whose pages are functions. It notes each request, and can answer as badly as one likes."""

from __future__ import annotations

import http.server
import json
import socketserver
import ssl
import sys
import threading
from typing import Any, Callable, Mapping, NamedTuple, Optional, Union


class Request(NamedTuple):
    """One request as it came. `port` is the client's: equal ports are one connection."""

    path: str
    headers: Mapping[str, str]
    port: int
    method: str = "GET"


class Visit(http.server.BaseHTTPRequestHandler):
    """One connection. A page is given this and answers by `json`, `send` or `raw`."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body are two writes: the second must not wait for the client's acknowledgement
    timeout = 10.0  # so long an idle connection may stay
    server: _Server

    def do_GET(self) -> None:
        site = self.server.site
        site.requests.append(Request(self.path, dict(self.headers.items()), self.client_address[1], self.command))
        page = site.pages.get(self.path.partition("?")[0], _missing)
        page(self)

    do_POST = do_GET  # of requests without a body

    def json(self, value: Any, **headers: str) -> None:
        self.send(json.dumps(value).encode(), **{"Content-Type": "application/json", **headers})

    def send(self, body: bytes = b"", *, status: Union[int, str] = 200, **headers: str) -> None:
        """A whole answer. Header names are written with `_` for `-`."""
        self.send_response(int(status))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def raw(self, data: bytes) -> None:
        """Bytes as they are, after which the connection ends."""
        self.close_connection = True
        self.wfile.write(data)

    def drip(self, data: bytes, pace: float) -> None:
        """One byte every `pace` seconds, over and over, until the client has gone or the site closes."""
        self.close_connection = True
        at = 0
        while not self.server.site.closing.wait(pace):
            self.wfile.write(data[at : at + 1])
            at = (at + 1) % len(data)

    def hang(self) -> None:
        """Say nothing until the client has gone or the site closes."""
        self.close_connection = True
        self.server.site.hanging.release()
        self.connection.settimeout(None)
        self.rfile.read(1)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: a test prints nothing."""


Page = Callable[[Visit], None]


class Site:
    """Owned by: the test. Others may call: the pages, which run on a thread for each connection."""

    def __init__(self, pages: Optional[Mapping[str, Page]] = None, *, tls: Optional[ssl.SSLContext] = None) -> None:
        self.pages: dict[str, Page] = dict(pages or {})
        self.requests: list[Request] = []
        self.errors: list[BaseException] = []
        self.hanging = threading.Semaphore(0)  # released by each page that begins to hang
        self.gone = threading.Semaphore(0)  # released at the end of each connection
        self.closing = threading.Event()
        self._server = _Server(self, tls)
        self.port: int = self._server.server_address[1]
        self.base = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="site")
        self._thread.start()

    def paths(self) -> list[str]:
        return [request.path for request in self.requests]

    def close(self) -> None:
        """End every connection and thread. What a page raised, other than that its client had gone, is raised here."""
        self.closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.cut()
        self._server.server_close()
        if self.errors:
            raise self.errors[0]


class _Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = False
    block_on_close = True

    def __init__(self, site: Site, tls: Optional[ssl.SSLContext]) -> None:
        self.site = site
        self._tls = tls
        self._open: set[Any] = set()
        self._lock = threading.Lock()  # guards _open
        super().__init__(("127.0.0.1", 0), Visit)

    def finish_request(self, request: Any, client_address: Any) -> None:
        if self._tls is not None:
            request.settimeout(5)
            request = self._tls.wrap_socket(request, server_side=True)
        with self._lock:
            self._open.add(request)
        try:
            super().finish_request(request, client_address)
        finally:
            with self._lock:
                self._open.discard(request)
            request.close()
            self.site.gone.release()

    def cut(self) -> None:
        """Let no connection wait for its client any longer."""
        with self._lock:
            for request in self._open:
                try:
                    request.shutdown(2)
                except OSError:
                    continue  # the client was quicker

    def handle_error(self, request: Any, client_address: Any) -> None:
        error = sys.exc_info()[1]
        # A client that goes away, or one that does not trust our certificate, is what some tests are about.
        if error is not None and not isinstance(error, (ConnectionError, ssl.SSLError, TimeoutError)):
            self.site.errors.append(error)


def _missing(visit: Visit) -> None:
    visit.send(b"no such page", status=404, Content_Type="text/plain")
