"""Dialling one line and using it: real sockets, well-behaved and hostile servers, plain and TLS."""

from __future__ import annotations

import contextlib
import email.utils
import errno
import gc
import io
import logging
import os
import re
import select
import socket
import ssl
import struct
import threading
import time
import tracemalloc
from pathlib import Path
from typing import Any, Callable, Iterator, Optional

import pytest
import websocket
from hypothesis import given
from hypothesis import strategies as st
from websocket._handshake import CookieJar
from websockets.sync.server import ServerConnection, serve
from websockets.typing import Subprotocol

from syncstream import transport, upgrade
from syncstream.errors import DialError, Severity
from syncstream.feed import Endpoint
from syncstream.tcp import BoundedSocket
from syncstream.testing.wire import text_frame
from syncstream.transport import Connection, close_payload, dial, frame
from tests.servers import certificates
from tests.servers.scripted import Peer, Server, accept, switching

SLACK = 2.0
"""Seconds that a busy machine may add to a deadline."""

SECRETS = ("s3cr3t-query", "s3cr3t-header", "s3cr3t-password")


@pytest.fixture
def trusting(tmp_path: Path) -> dict[str, Any]:
    """TLS options that trust the authority of the tests."""
    return {"ca_certs": certificates.ca_file(tmp_path)}


@contextlib.contextmanager
def line(script: Callable[[Peer], object], sslopt: Optional[dict[str, Any]] = None, **endpoint: Any) -> Iterator[Connection]:
    """A line to a server that runs `script`; over TLS if `sslopt` is given."""

    def run(peer: Peer) -> None:
        if sslopt is not None:
            peer.start_tls(certificates.server_context())
        script(peer)

    scheme = "ws" if sslopt is None else "wss"
    with Server(run) as server:
        url = f"{scheme}://localhost:{server.port}/feed"
        connection = dial(Endpoint(url=url, sslopt=sslopt or {}, **endpoint), timeout=10)
        try:
            yield connection
        finally:
            connection.close()


def receive(connection: Connection, size: int) -> bytes:
    """So many bytes, as a reader takes them: what is pending first, then by the selector."""
    data = b""
    while len(data) < size:
        more = connection.receive(size - len(data))
        if more is None:
            assert not connection.pending()
            assert select.select([connection], [], [], 10)[0], "nothing comes"
            continue
        assert more, "the stream ended"
        data += more
    return data


def end(connection: Connection) -> bytes:
    """What comes until the end of the stream. Raises what the connection raises."""
    data = b""
    while True:
        more = connection.receive()
        if more is None:
            assert select.select([connection], [], [], 10)[0], "no end comes"
        elif more:
            data += more
        else:
            return data


def refused(endpoint: Endpoint, timeout: float = 5.0, **options: Any) -> DialError:
    """The error of a dial, which ends within `timeout`."""
    began = time.monotonic()
    with pytest.raises(DialError) as caught:
        dial(endpoint, timeout=timeout, **options)
    assert time.monotonic() - began < timeout + SLACK
    return caught.value


# The good case


@contextlib.contextmanager
def echo(**options: Any) -> Iterator[int]:
    """The port of a venue that sends back what it gets."""

    def handle(connection: ServerConnection) -> None:
        for message in connection:
            connection.send(message)

    with serve(handle, "127.0.0.1", 0, compression=None, **options) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.socket.getsockname()[1]
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_a_line_to_a_real_server(tls: bool, trusting: dict[str, Any]) -> None:
    """Text and a long binary message there and back, and what the venue said when it opened."""
    context = {"ssl": certificates.server_context()} if tls else {}
    with echo(subprotocols=[Subprotocol("v2")], **context) as port:
        url = f"{'wss' if tls else 'ws'}://localhost:{port}/feed?x=1"
        connection = dial(Endpoint(url=url, subprotocols=["v1", "v2"], sslopt=trusting if tls else {}), timeout=10)
        assert connection.subprotocol == "v2"
        assert connection.headers["upgrade"] == "websocket"
        assert connection.receive() is None
        sent = frame(1, "grüße")
        assert connection.send(sent) == len(sent)
        assert receive(connection, 9) == b"\x81\x07" + "grüße".encode()
        payload = bytes(range(256)) * 1200
        view = memoryview(frame(2, payload))
        while view:
            taken = connection.send(view)
            view = view[taken:]
            if not taken:
                select.select([], [connection], [], 10)
        assert receive(connection, 10 + len(payload)) == b"\x82\x7f" + struct.pack(">Q", len(payload)) + payload
        sent = frame(8, close_payload(1000))
        assert connection.send(sent) == len(sent)
        assert end(connection) == b"\x88\x02\x03\xe8"
        connection.close()


def test_the_request() -> None:
    """Just what the standard asks for and what the endpoint says: no Origin, nothing of the library's own."""
    requests: list[bytes] = []

    def script(peer: Peer) -> None:
        request = peer.request()
        requests.append(request)
        peer.send(switching(request))
        peer.until_hangup()

    with Server(script) as server:
        url = f"ws://user:s3cr3t-password@localhost:{server.port}/a;b?token=s3cr3t-query;1"
        endpoint = Endpoint(url=url, headers={"X-Key": "s3cr3t-header"}, subprotocols=["v1", "v2"])
        dial(endpoint, timeout=10).close()
        first, *lines = requests[0].decode().split("\r\n")
    assert first == "GET /a;b?token=s3cr3t-query;1 HTTP/1.1"
    assert len([one for one in lines if one.startswith("Sec-WebSocket-Key: ")]) == 1
    assert sorted(one for one in lines if not one.startswith("Sec-WebSocket-Key: ")) == sorted(
        [
            "X-Key: s3cr3t-header",
            "Authorization: Basic dXNlcjpzM2NyM3QtcGFzc3dvcmQ=",
            "Sec-WebSocket-Protocol: v1, v2",
            "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
            "Upgrade: websocket",
            f"Host: localhost:{server.port}",
            "Sec-WebSocket-Version: 13",
            "Connection: Upgrade",
            "",
            "",
        ]
    )


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("size", [4, 200_000])
def test_bytes_that_came_with_the_upgrade_are_kept(tls: bool, size: int, trusting: dict[str, Any]) -> None:
    """No selector can see them; `pending` does, and `receive` gives them first and in order."""
    data = bytes(index % 251 for index in range(size))

    def script(peer: Peer) -> None:
        peer.upgrade(more=data)
        peer.until_hangup()

    with line(script, trusting if tls else None) as connection:
        if not tls:
            assert connection.pending() >= 4
        assert receive(connection, 3) == data[:3]
        assert receive(connection, size - 3) == data[3:]
        assert connection.pending() == 0
        assert connection.receive() is None


def test_tls_bytes_that_the_selector_cannot_see_are_pending(trusting: dict[str, Any]) -> None:
    """A part of a record was taken, the rest is in the TLS library."""

    def script(peer: Peer) -> None:
        peer.upgrade()
        peer.read(2)
        peer.send(b"x" * 1000)
        peer.until_hangup()

    with line(script, trusting) as connection:
        connection.send(b"go")
        assert receive(connection, 400) == b"x" * 400
        assert connection.pending() == 600
        assert receive(connection, 600) == b"x" * 600


def test_one_call_takes_many_tls_records(trusting: dict[str, Any]) -> None:
    """Venues send a record for each message; a call for each would cost most of the reader's time."""
    sent = threading.Event()

    def script(peer: Peer) -> None:
        peer.upgrade()
        for _ in range(100):
            peer.send(b"x" * 50)
        sent.set()
        peer.until_hangup()

    with line(script, trusting) as connection:
        assert sent.wait(10)
        data = b""
        calls = 0
        while len(data) < 5000:
            more = connection.receive()
            data += more or b""
            calls += 1
            if more is None:
                select.select([connection], [], [], 10)
        assert calls <= 10
        assert data == b"x" * 5000


def test_the_library_keeps_and_sends_no_cookie() -> None:
    """Its jar is shared by the whole process and goes by what servers claim."""
    requests: list[bytes] = []

    def script(peer: Peer) -> None:
        request = peer.request()
        requests.append(request)
        peer.send(switching(request, "Set-Cookie: a=s3cr3t; Domain=localhost"))
        peer.until_hangup()

    before = dict(CookieJar.jar)
    CookieJar.add("theirs=1; Domain=localhost")
    filled = dict(CookieJar.jar)
    try:
        with Server(script) as server:
            endpoint = Endpoint(url=f"ws://localhost:{server.port}/", headers={"Cookie": "ours=1"})
            for _ in range(2):
                connection = dial(endpoint, timeout=10)
                assert connection.headers["set-cookie"].startswith("a=")
                connection.close()
        assert filled == CookieJar.jar
    finally:
        CookieJar.jar = before
    assert [request.count(b"Cookie: ours=1\r\n") for request in requests] == [1, 1]
    assert [request.count(b"ookie") for request in requests] == [1, 1]


def test_the_library_cannot_log_what_it_is_not_shown() -> None:
    """Its trace writes whole requests and answers."""
    log = io.StringIO()
    logger = logging.getLogger("websocket")
    handlers, level = list(logger.handlers), logger.level
    websocket.enableTrace(True, handler=logging.StreamHandler(log))
    try:
        headers = {"Authorization": "s3cr3t-header"}
        with line(lambda peer: peer.upgrade("Set-Cookie: s3cr3t-cookie"), headers=headers, subprotocols=["s3cr3t-protocol"]):
            pass
    finally:
        websocket.enableTrace(False)
        logger.handlers, logger.level = handlers, level
    assert "Upgrade" in log.getvalue()
    assert "s3cr3t" not in log.getvalue()


# Answers that are none


def wrong(change: Callable[[bytes], bytes]) -> Callable[[Peer], None]:
    """Answers the request with what `change` makes of it, and waits."""

    def script(peer: Peer) -> None:
        peer.send(change(peer.request()))
        peer.until_hangup()

    return script


def without_end(piece: bytes) -> Callable[[Peer], None]:
    """Answers, and never comes to the end of the headers."""

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nX-Endless: ")
        while True:
            peer.send(piece)

    return script


def interim_without_end(peer: Peer) -> None:
    """Announces an answer for ever."""
    peer.request()
    while True:
        peer.send(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100)


HOSTILE: dict[str, tuple[Callable[[Peer], object], str, Severity]] = {
    "endless headers": (without_end(b"x\r\nA: " * 1000), "longer than 65536", Severity.FATAL),
    "endless header line": (without_end(b"x" * 5000), "longer than 65536", Severity.FATAL),
    "HTTP/1.0": (wrong(lambda r: switching(r).replace(b"HTTP/1.1", b"HTTP/1.0")), "HTTP/1.0", Severity.FATAL),
    "not HTTP": (wrong(lambda r: switching(r).replace(b"HTTP/1.1", b"FOO")), "not HTTP", Severity.FATAL),
    "garbage": (wrong(lambda r: b"\x00\xff" * 40 + b"\r\n\r\n"), "not HTTP", Severity.FATAL),
    "another accept": (wrong(lambda r: switching(r.replace(b"Key: ", b"Key: x"))), "Accept", Severity.FATAL),
    "accept in another case": (
        wrong(lambda r: switching(r).replace(accept(r).encode(), accept(r).swapcase().encode())),
        "Accept",
        Severity.FATAL,
    ),
    "accept twice": (wrong(lambda r: switching(r, f"Sec-WebSocket-Accept: {accept(r)}")), "Accept", Severity.FATAL),
    "no accept": (wrong(lambda r: switching(r).replace(b"-Accept:", b"-Refuse:")), "Accept", Severity.FATAL),
    "no upgrade": (wrong(lambda r: switching(r).replace(b"Upgrade: websocket", b"X: y")), "not an upgrade", Severity.FATAL),
    "extension": (wrong(lambda r: switching(r, "Sec-WebSocket-Extensions: permessage-zip")), "extension", Severity.FATAL),
    "compression": (
        wrong(lambda r: switching(r, "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=99")),
        "server_max_window_bits is a whole number from 8 to 15",
        Severity.FATAL,
    ),
    "subprotocol": (wrong(lambda r: switching(r, "Sec-WebSocket-Protocol: v3")), "subprotocol", Severity.FATAL),
    "split header": (wrong(lambda r: switching(r, "X-A: b\rSet-Cookie: c")), "malformed header", Severity.FATAL),
    "a page": (wrong(lambda r: b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nHi!"), "status 200 OK: Hi!", Severity.FATAL),
    "interim answers without end": (interim_without_end, "longer than 65536", Severity.FATAL),
    "an interim answer of HTTP/1.0": (
        wrong(lambda r: b"HTTP/1.0 103 Hints\r\n\r\n" + switching(r)),
        "status 103",
        Severity.FATAL,
    ),
    "an interim answer that is none": (wrong(lambda r: b"HTTP/1.1 103 Hints\r\nx\r\n\r\n"), "malformed", Severity.FATAL),
    "a page after an interim answer": (
        wrong(lambda r: b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nHi!"),
        "status 200 OK: Hi!",
        Severity.FATAL,
    ),
    "hang-up": (Peer.request, "without an answer", Severity.RETRY),
    "hang-up in mid-head": (lambda peer: peer.send(switching(peer.request())[:-2]), "without an answer", Severity.RETRY),
}


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_answer(case: str, tls: bool, trusting: dict[str, Any]) -> None:
    """One clear error that names the URL, long before the deadline, and no secret of ours in it."""
    script, words, severity = HOSTILE[case]

    def run(peer: Peer) -> None:
        if tls:
            peer.start_tls(certificates.server_context())
        script(peer)

    with Server(run) as server:
        place = f"{'wss' if tls else 'ws'}://user:s3cr3t-password@localhost:{server.port}/feed?token=s3cr3t-query"
        began = time.monotonic()
        error = refused(
            Endpoint(url=place, headers={"X-Key": "s3cr3t-header"}, subprotocols=["v1", "v2"], sslopt=trusting if tls else {}),
            timeout=30,
        )
        assert time.monotonic() - began < SLACK
    assert error.severity is severity
    assert words in str(error)
    assert str(error).startswith(f"{'wss' if tls else 'ws'}://localhost:{server.port}/feed?...: upgrade: ")
    assert not any(secret in str(error) for secret in SECRETS)


def test_an_endless_header_costs_little_memory() -> None:
    """The library's own reading took hundreds of megabytes."""
    with Server(without_end(b"x" * 65536)) as server:
        endpoint = Endpoint(url=f"ws://localhost:{server.port}/")
        refused(endpoint)  # what is loaded once is loaded now
        tracemalloc.start()
        try:
            refused(endpoint)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < 2 * 1024 * 1024  # the server's own piece is counted too


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("how", ["no reply", "drip", "header a moment"])
def test_a_slow_answer_ends_at_the_deadline(how: str, tls: bool, trusting: dict[str, Any]) -> None:
    """However busy the server looks."""

    def script(peer: Peer) -> None:
        if tls:
            peer.start_tls(certificates.server_context())
        answer = switching(peer.request())
        if how == "drip":
            peer.drip(answer * 10)
        while how == "header a moment":
            peer.send(b"A: b\r\n")
            peer.pause(0.02)
        peer.until_hangup()

    with Server(script) as server:
        endpoint = Endpoint(url=f"{'wss' if tls else 'ws'}://localhost:{server.port}/", sslopt=trusting if tls else {})
        began = time.monotonic()
        error = refused(endpoint, timeout=0.4)
        assert time.monotonic() - began >= 0.35
    assert error.severity is Severity.RETRY
    assert str(error).endswith("/: upgrade: timed out (0.4 s for the whole attempt)")


DATE = email.utils.formatdate(time.time() + 3600, usegmt=True)
SENT = email.utils.formatdate(time.time() + 3510, usegmt=True)


@pytest.mark.parametrize(
    ("answer", "severity", "status", "retry_after"),
    [
        ("401 Unauthorized", Severity.FATAL, 401, None),
        ("403 Forbidden", Severity.FATAL, 403, None),
        ("404 Not Found", Severity.FATAL, 404, None),
        ("429 Too Many Requests\r\nRetry-After: 17", Severity.RETRY, 429, 17.0),
        (f"429 Too Many Requests\r\nDate: {SENT}\r\nRetry-After: {DATE}", Severity.RETRY, 429, 90.0),
        ("503 Service Unavailable\r\nRetry-After: 5", Severity.RETRY, 503, 5.0),
        ("503 Service Unavailable\r\nRetry-After: nonsense", Severity.RETRY, 503, None),
        ("500 Internal Server Error", Severity.RETRY, 500, None),
    ],
)
def test_a_refusal(answer: str, severity: Severity, status: int, retry_after: Optional[float]) -> None:
    """Its class, its status, when to come again, and what it says unless it repeats a secret."""
    body = '{"error": "not now"}'

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(f"HTTP/1.1 {answer}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode())
        peer.pause(0.02)
        peer.drip(body.encode(), pause=0.001)
        peer.until_hangup()

    with Server(script) as server:
        error = refused(Endpoint(url=f"ws://localhost:{server.port}/?token=s3cr3t-query"))
    assert (error.severity, error.status, error.retry_after) == (severity, status, retry_after)
    assert str(error).endswith(f'upgrade: refused with status {answer.splitlines()[0]}: {{"error": "not now"}}')


def test_retry_after_as_a_date_counts_from_now() -> None:
    """Where the server does not say what time it is."""
    answer = f"HTTP/1.1 503 Busy\r\nRetry-After: {email.utils.formatdate(time.time() + 60, usegmt=True)}\r\n\r\n"
    with Server(wrong(lambda request: answer.encode())) as server:
        error = refused(Endpoint(url=f"ws://localhost:{server.port}/"))
    assert error.retry_after is not None
    assert 50 < error.retry_after <= 60


def test_a_refusal_that_repeats_a_secret_is_not_quoted() -> None:
    """Venues like to say which key was wrong."""
    body = b"unknown key s3cr3t-header"
    answer = b"HTTP/1.1 403 no s3cr3t-query\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    with Server(wrong(lambda request: answer)) as server:
        url = f"ws://localhost:{server.port}/?token=s3cr3t-query"
        error = refused(Endpoint(url=url, headers={"Authorization": "Bearer s3cr3t-header"}))
    assert str(error).endswith("upgrade: refused with status 403")


def test_a_body_that_is_cut_is_quoted_as_far_as_it_came() -> None:
    """The refusal itself is told all the same."""

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 100\r\n\r\nnot yo")

    with Server(script) as server:
        error = refused(Endpoint(url=f"ws://localhost:{server.port}/"), timeout=30)
    assert str(error).endswith("upgrade: refused with status 403 Forbidden: not yo")


@pytest.mark.parametrize("length", [b"1099511627776", b"100"])
def test_a_body_without_end_is_not_read(length: bytes) -> None:
    """Its beginning is quoted, and waited for a quarter of a second at most."""

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 403 Forbidden\r\nContent-Length: " + length + b"\r\n\r\n")
        while len(length) > 3:
            peer.send(b"word " * 1000)
        peer.until_hangup()

    with Server(script) as server:
        tracemalloc.start()
        try:
            began = time.monotonic()
            error = refused(Endpoint(url=f"ws://localhost:{server.port}/"), timeout=30)
            assert time.monotonic() - began < 0.25 + SLACK
            assert tracemalloc.get_traced_memory()[1] < 2 * 1024 * 1024
        finally:
            tracemalloc.stop()
    assert (error.status, error.severity) == (403, Severity.FATAL)
    assert len(str(error)) < 400


def moved(where: Callable[[], str], status: int = 302, heard: Optional[list[bytes]] = None) -> Callable[[Peer], None]:
    """A server that sends everybody elsewhere, and writes down the requests."""

    def script(peer: Peer) -> None:
        request = peer.request()
        if heard is not None:
            heard.append(request)
        peer.send(f"HTTP/1.1 {status} Elsewhere\r\nLocation: {where()}\r\nContent-Length: 0\r\n\r\n".encode())
        peer.until_hangup()

    return script


def taken(heard: list[bytes]) -> Callable[[Peer], None]:
    """A good venue that writes down what it was asked."""

    def script(peer: Peer) -> None:
        request = peer.request()
        heard.append(request)
        peer.send(switching(request))
        peer.until_hangup()

    return script


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_told_where_none_is_to_be_followed(status: int) -> None:
    """`max_redirects=0`: nobody is asked, and no secret is repeated."""
    with Server(Peer.until_hangup) as elsewhere:
        place = f"ws://who:s3cr3t@127.0.0.1:{elsewhere.port}/feed?session=s3cr3t"
        with Server(moved(lambda: place, status)) as server:
            url = f"ws://localhost:{server.port}/"
            error = refused(Endpoint(url=url, headers={"Authorization": "s3cr3t-header"}, max_redirects=0))
        assert elsewhere.connections == 0
    assert (error.status, error.severity) == (status, Severity.FATAL)
    assert f"a redirect to ws://127.0.0.1:{elsewhere.port}/feed?...; redirects are not followed" in str(error)
    assert "s3cr3t" not in str(error)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_host_carries_no_secret(status: int) -> None:
    """Another port is another host: only what a stranger would send is sent there, and its own path and query."""
    heard: list[bytes] = []
    with Server(taken(heard)) as elsewhere, Server(moved(lambda: f"http://localhost:{elsewhere.port}/b?x=1", status)) as server:
        url = f"ws://user:s3cr3t-password@localhost:{server.port}/a?token=s3cr3t-query"
        headers = {"Authorization": "s3cr3t-header", "Cookie": "s3cr3t-header", "X-Key": "s3cr3t-header", "Host": "s3cr3t-header"}
        connection = dial(Endpoint(url=url, headers=headers, subprotocols=["s3cr3t-header"]), timeout=10)
        connection.close()
    [request] = heard
    assert request.startswith(b"GET /b?x=1 HTTP/1.1\r\n")
    assert b"s3cr3t" not in request
    assert b"Authorization" not in request
    assert f"Host: localhost:{elsewhere.port}\r\n".encode() in request


def test_a_redirect_on_the_same_host_carries_everything() -> None:
    """Headers, login and subprotocols; the path and the query are those of the redirect. The second answer is checked as any."""
    heard: list[bytes] = []

    def script(peer: Peer) -> None:
        if not heard:
            moved(lambda: "/b?x=1", 307, heard)(peer)
        else:
            taken(heard)(peer)

    with Server(script) as server:
        url = f"ws://user:word@localhost:{server.port}/a?token=1"
        dial(Endpoint(url=url, headers={"X-Key": "k"}, subprotocols=["v1"]), timeout=10).close()
        assert server.connections == 2
    first, second = heard
    assert first.startswith(b"GET /a?token=1 ")
    assert second.startswith(b"GET /b?x=1 ")
    for line_ in (b"X-Key: k\r\n", b"Sec-WebSocket-Protocol: v1\r\n", b"Authorization: Basic dXNlcjp3b3Jk\r\n"):
        assert line_ in first
        assert line_ in second


@pytest.mark.parametrize("allowed", [1, 5])
def test_redirects_have_an_end(allowed: int) -> None:
    """A circle of them costs as many connections as are allowed, and one."""
    with Server(moved(lambda: "/again")) as server:
        error = refused(Endpoint(url=f"ws://localhost:{server.port}/", max_redirects=allowed))
        assert server.connections == allowed + 1
    assert f"a redirect to /again; more than {allowed} redirects" in str(error)
    assert (error.status, error.severity) == (302, Severity.FATAL)


def test_each_redirect_asks_before_it_is_dialled() -> None:
    """With the URL and the time that is left."""
    asked: list[tuple[str, float]] = []
    with Server(moved(lambda: "/again")) as server:
        url = f"ws://localhost:{server.port}/"
        endpoint = Endpoint(url=url, max_redirects=2)
        with pytest.raises(DialError):
            dial(endpoint, timeout=5.0, before_redirect=lambda url, patience: asked.append((url, patience)))
    assert [where for where, _ in asked] == [f"{url}again"] * 2
    assert all(0.0 < patience <= 5.0 for _, patience in asked)


@pytest.mark.parametrize("repeats", [False, True])
def test_a_redirect_that_may_not_be_dialled(repeats: bool) -> None:
    """It says why and for how long; not where, if the place holds a secret of ours."""

    def full(url: str, patience: float) -> None:
        raise DialError(f"{url.split('/')[2]}: is full", retry_after=7.0, cause="budget")

    with Server(moved(lambda: "ws://s3cr3t.test/" if repeats else "ws://other.test/")) as server:
        endpoint = Endpoint(url=f"ws://localhost:{server.port}/?token=s3cr3t")
        with pytest.raises(DialError) as caught:
            dial(endpoint, timeout=5.0, before_redirect=full)
        assert server.connections == 1
    assert (caught.value.retry_after, caught.value.cause) == (7.0, "budget")
    assert ("other.test: is full" in str(caught.value)) is not repeats
    assert "s3cr3t" not in str(caught.value)


def test_redirects_share_one_deadline() -> None:
    """Each takes its time, and all together no more than there was for one."""

    def slow(peer: Peer) -> None:
        peer.pause(0.4)
        moved(lambda: "/again")(peer)

    with Server(slow) as server:
        error = refused(Endpoint(url=f"ws://localhost:{server.port}/", max_redirects=1000), timeout=1.0)
    assert "timed out (1 s for the whole attempt)" in str(error)
    assert error.severity is Severity.RETRY


def test_no_redirect_leads_out_of_tls(trusting: dict[str, Any]) -> None:
    """Not even on the same host, and the plain port is not asked."""
    with Server(Peer.until_hangup) as plain:

        def script(peer: Peer) -> None:
            peer.start_tls(certificates.server_context())
            moved(lambda: f"ws://localhost:{plain.port}/s3cr3t-header")(peer)

        with Server(script) as server:
            url = f"wss://localhost:{server.port}/"
            error = refused(Endpoint(url=url, headers={"X-Key": "s3cr3t-header"}, sslopt=trusting))
        assert plain.connections == 0
    assert "a redirect to a place not shown; a redirect from wss to ws is refused" in str(error)
    assert error.severity is Severity.FATAL


def test_an_error_behind_a_redirect_says_where() -> None:
    """And repeats nothing of what either was asked with."""

    def forbidden(peer: Peer) -> None:
        peer.request()
        body = b"s3cr3t-query is not known here"
        peer.send(b"HTTP/1.1 403 No\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        peer.until_hangup()

    with Server(forbidden) as elsewhere, Server(moved(lambda: f"ws://127.0.0.1:{elsewhere.port}/x?s3cr3t-elsewhere")) as server:
        error = refused(Endpoint(url=f"ws://localhost:{server.port}/a?s3cr3t-query"))
    assert str(error) == (
        f"ws://localhost:{server.port}/a?...: upgrade at ws://127.0.0.1:{elsewhere.port}/x?...: refused with status 403 No"
    )


def test_a_head_is_as_long_as_the_endpoint_allows() -> None:
    """One byte less than the answer has, and it is refused."""
    size = len(switching(b"Sec-WebSocket-Key: MDEyMzQ1Njc4OTAxMjM0NQ==\r\n")) - 4
    with Server(taken([])) as server:
        url = f"ws://localhost:{server.port}/"
        dial(Endpoint(url=url, max_head_size=size), timeout=10).close()
        error = refused(Endpoint(url=url, max_head_size=size - 1))
    assert f"the answer's head is longer than {size - 1} bytes" in str(error)


INTERIM = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nX-Venue: no\r\n\r\n"


@pytest.mark.parametrize("pieces", [1, 1000])
def test_answers_before_the_final_one_are_passed_over(pieces: int) -> None:
    """RFC 9110, 15.2: 100 and 103 announce the 101, whose headers alone count; what follows that is kept."""

    def script(peer: Peer) -> None:
        answer = INTERIM + switching(peer.request(), "X-Venue: yes") + text_frame(b"hello")
        if pieces == 1:
            peer.send(answer)
        else:
            peer.drip(answer, pause=0.0001)
        peer.until_hangup()

    with line(script) as connection:
        assert connection.headers["x-venue"] == "yes"
        assert "link" not in connection.headers
        assert receive(connection, 7) == text_frame(b"hello")


def test_all_answers_together_are_as_long_as_the_endpoint_allows() -> None:
    """The heads before the final one count to the same bound."""
    size = len(INTERIM) + len(switching(b"Sec-WebSocket-Key: MDEyMzQ1Njc4OTAxMjM0NQ==\r\n")) - 4
    with Server(wrong(lambda request: INTERIM + switching(request))) as server:
        url = f"ws://localhost:{server.port}/"
        dial(Endpoint(url=url, max_head_size=size), timeout=10).close()
        error = refused(Endpoint(url=url, max_head_size=size - 1))
    assert f"the answer's head is longer than {size - 1} bytes" in str(error)


def test_a_header_with_a_line_break_is_never_sent() -> None:
    """Also if it came into the mapping after the endpoint was checked."""
    headers: dict[str, str] = {}
    with Server(Peer.until_hangup) as server:
        endpoint = Endpoint(url=f"ws://localhost:{server.port}/", headers=headers)
        headers["X-Key"] = "s3cr3t\r\nEvil: 1"
        error = refused(endpoint)
        assert server.connections == 0
    assert error.severity is Severity.FATAL
    assert "X-Key" in str(error)
    assert "s3cr3t" not in str(error)


# Ways to fail before the answer


def test_a_refused_connection() -> None:
    """It may be open again in a moment."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    error = refused(Endpoint(url=f"ws://127.0.0.1:{port}/x?token=s3cr3t-query"))
    assert error.severity is Severity.RETRY
    assert f"ws://127.0.0.1:{port}/x?...: connecting to 127.0.0.1 port {port}: 127.0.0.1: Connection refused" == str(error)


def test_a_wrong_certificate_is_fatal() -> None:
    """By default, without any option."""
    with Server(lambda peer: peer.start_tls(certificates.server_context())) as server:
        error = refused(Endpoint(url=f"wss://localhost:{server.port}/"))
    assert error.severity is Severity.FATAL
    assert "the certificate was not accepted" in str(error)


def test_a_reset_is_worth_another_attempt() -> None:
    """As every failure of the network."""

    def script(peer: Peer) -> None:
        peer.request()
        peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    with Server(script) as server:
        error = refused(Endpoint(url=f"ws://localhost:{server.port}/"))
    assert error.severity is Severity.RETRY
    assert str(error).endswith("upgrade: Connection reset by peer")


@pytest.mark.parametrize("method", ["receive", "send"])
def test_a_time_out_of_the_kernel_is_one_of_the_network(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library would make an error of its own of it."""

    def lost(*args: object) -> None:
        raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))

    monkeypatch.setattr(BoundedSocket, method, lost)
    with Server(Peer.until_hangup) as server:
        error = refused(Endpoint(url=f"ws://localhost:{server.port}/"))
    assert error.severity is Severity.RETRY
    assert str(error).endswith("upgrade: Connection timed out")


def test_what_nobody_foresaw_is_a_dial_error_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the original behind it, and not in its text."""

    def broken(endpoint: Endpoint) -> None:
        raise KeyError("s3cr3t")

    monkeypatch.setattr(upgrade, "target", broken)
    error = refused(Endpoint(url="ws://venue.test/"))
    assert str(error) == "ws://venue.test/: preparing: unexpected KeyError"
    assert isinstance(error.__cause__, KeyError)


def test_the_library_has_a_last_word_on_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """What our own check would let through."""
    monkeypatch.setattr(upgrade, "check", lambda answer, key, offered, compression: upgrade.Chosen())
    with Server(wrong(lambda r: switching(r.replace(b"Key: ", b"Key: x")))) as server:
        error = refused(Endpoint(url=f"ws://localhost:{server.port}/"))
    assert str(error).endswith("upgrade: unexpected WebSocketException")


def test_another_form_of_request_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A future version of the library may write it otherwise; then nothing is sent."""
    monkeypatch.setattr(transport, "_KEY", re.compile(rb"\r\nNo-Such-Key: (\S+)\r\n"))
    with Server(Peer.until_hangup) as server:
        error = refused(Endpoint(url=f"ws://localhost:{server.port}/"))
    assert "websocket-client writes its request in another form" in str(error)


# Proxies


def tunnelling(peer: Peer) -> None:
    """An HTTP proxy that connects to whatever it is asked for, on loopback."""
    host, _, port = peer.request().split(b" ")[1].decode().rpartition(":")
    assert host == "venue.test"
    with socket.create_connection(("127.0.0.1", int(port))) as beyond:
        peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
        back = threading.Thread(target=pipe, args=(beyond, peer.sock))
        back.start()
        pipe(peer.sock, beyond)
        back.join()


def pipe(source: socket.socket, target: socket.socket) -> None:
    """Bytes from one to the other until either ends; then both directions end."""
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("setting", ["url", "environment"])
def test_a_line_through_a_proxy(tls: bool, setting: str, trusting: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """The name of the venue is looked up by the proxy; TLS is with the venue."""

    def venue(peer: Peer) -> None:
        if tls:
            peer.start_tls(certificates.server_context("venue.test"))
        peer.upgrade(more=b"hello")
        peer.until_hangup()

    with Server(tunnelling) as proxy, Server(venue) as server:
        place = f"http://127.0.0.1:{proxy.port}"
        monkeypatch.setenv("https_proxy" if tls else "http_proxy", place)
        endpoint = Endpoint(
            url=f"{'wss' if tls else 'ws'}://venue.test:{server.port}/",
            proxy=place if setting == "url" else "environment",
            sslopt=trusting if tls else {},
        )
        connection = dial(endpoint, timeout=10)
        assert receive(connection, 5) == b"hello"
        connection.close()


def test_loopback_and_direct_lines_pass_by_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that the environment names is not asked for this machine."""
    with Server(Peer.upgrade) as server, Server(Peer.until_hangup) as proxy:
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        dial(Endpoint(url=f"ws://localhost:{server.port}/"), timeout=10).close()
        dial(Endpoint(url=f"ws://127.0.0.1:{server.port}/", proxy=None), timeout=10).close()
        assert (server.connections, proxy.connections) == (2, 0)


def test_a_denied_proxy_is_told() -> None:
    """With its place, without its password."""
    with Server(wrong(lambda request: b"HTTP/1.1 407 Login First\r\n\r\n")) as proxy:
        error = refused(Endpoint(url="wss://venue.test/", proxy=f"http://user:s3cr3t@127.0.0.1:{proxy.port}"))
    assert (error.severity, error.status) == (Severity.FATAL, 407)
    assert str(error) == (
        f"wss://venue.test/: asking the proxy http://127.0.0.1:{proxy.port}: refused with status 407 Login First"
    )


# Cancelling


@pytest.mark.parametrize("state", ["before", "proxy", "tls", "upgrade", "body"])
def test_a_dial_can_be_cancelled_in_every_state(state: str, trusting: dict[str, Any]) -> None:
    """Within a quarter of a second, and the socket is closed. (Look-up and connect: test_tcp.py.)"""
    cancelled = threading.Event()
    reached = threading.Event()
    ended = threading.Event()

    def script(peer: Peer) -> None:
        if state in ("upgrade", "body"):
            peer.request()
        reached.set()
        if state == "body":
            peer.send(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 5\r\n\r\n")
        with contextlib.suppress(ConnectionResetError):
            peer.until_hangup()
        ended.set()

    def cancel() -> None:
        assert reached.wait(10)
        cancelled.set()

    with Server(script) as server:
        scheme = "wss" if state in ("tls", "proxy") else "ws"
        proxy = f"http://127.0.0.1:{server.port}" if state == "proxy" else None
        endpoint = Endpoint(url=f"{scheme}://localhost:{server.port}/", proxy=proxy, sslopt=trusting)
        if state == "before":
            cancelled.set()
        canceller = threading.Thread(target=cancel)
        if state != "before":
            canceller.start()
        began = time.monotonic()
        error = refused(endpoint, timeout=30, cancelled=cancelled.is_set)
        assert time.monotonic() - began < 0.25 + SLACK
        if state == "before":
            assert server.connections == 0
        else:
            canceller.join()
            assert ended.wait(10)
    assert str(error) == "cancelled" or (state == "body" and error.status == 403)


def test_an_interrupt_leaves_no_socket_open() -> None:
    """What is not an error of the dial goes through, after the socket was closed."""
    ended = threading.Event()

    def script(peer: Peer) -> None:
        peer.until_hangup()
        ended.set()

    asked = iter(range(100))

    def cancelled() -> bool:
        if next(asked) == 8:
            raise KeyboardInterrupt
        return False

    with Server(script) as server:
        with pytest.raises(KeyboardInterrupt):
            dial(Endpoint(url=f"ws://127.0.0.1:{server.port}/"), timeout=10, cancelled=cancelled)
        assert ended.wait(10)


# The open line


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_a_send_that_would_block(tls: bool, trusting: dict[str, Any]) -> None:
    """It says how much was taken, 0 when nothing is; offered again, every byte arrives once and in order."""
    go, done = threading.Event(), threading.Event()
    got: list[bytes] = []

    def script(peer: Peer) -> None:
        peer.upgrade()
        assert go.wait(10)
        got.append(peer.until_hangup())
        done.set()

    data = bytes(index % 251 for index in range(1 << 20)) * 24
    with line(script, trusting if tls else None) as connection:
        view = memoryview(data)
        refusals = 0
        while refusals < 3:  # the system's buffers grow while they are filled
            taken = connection.send(view[: 1 << 20])
            view = view[taken:]
            refusals = 0 if taken else refusals + 1
            if not taken:
                select.select([], [connection], [], 0.05)
        assert 0 < len(view) < len(data)
        go.set()
        while view:
            assert select.select([], [connection], [], 10)[1]
            view = view[connection.send(view) :]
        connection.close()
        assert done.wait(10)
    assert got == [data]


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("polite", [False, True], ids=["cut", "closed"])
def test_the_end_of_the_stream(tls: bool, polite: bool, trusting: dict[str, Any]) -> None:
    """What came before it, then `b""` again and again; whether TLS was closed properly or not."""

    def script(peer: Peer) -> None:
        peer.upgrade(more=b"last")
        if tls and polite:
            assert isinstance(peer.sock, ssl.SSLSocket)
            with contextlib.suppress(OSError):  # the client does not answer a close_notify; nobody waits for it
                peer.sock.settimeout(0.01)
                peer.sock.unwrap()

    with line(script, trusting if tls else None) as connection:
        assert end(connection) == b"last"
        assert connection.receive() == b""
        assert connection.receive() == b""


def test_a_tls_end_that_came_with_the_last_bytes_is_pending(trusting: dict[str, Any]) -> None:
    """The socket is empty then, and a selector might never say anything more."""
    closed = threading.Event()

    def script(peer: Peer) -> None:
        assert isinstance(peer.sock, ssl.SSLSocket)
        peer.upgrade()
        peer.read(2)
        raw = peer.sock
        raw.sendall(b"last")
        raw.settimeout(0.01)
        with contextlib.suppress(OSError):
            raw.unwrap()
        closed.set()
        assert peer.stopping.wait(10)  # TCP stays open

    with line(script, trusting) as connection:
        connection.send(b"go")
        assert closed.wait(10)
        assert receive(connection, 4) == b"last"
        assert connection.receive() == b""
        assert connection.pending() == 1


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_a_reset(tls: bool, trusting: dict[str, Any]) -> None:
    """It is an `OSError`, for a read and for a write; over TLS some Pythons take it for an end, which is an end too."""
    reset = threading.Event()

    def script(peer: Peer) -> None:
        peer.upgrade()
        peer.read(2)
        peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.sock.close()
        reset.set()

    with line(script, trusting if tls else None) as connection:
        connection.send(b"go")
        assert reset.wait(10)
        try:
            assert end(connection) == b""
            assert tls
        except ConnectionResetError:
            pass
        with pytest.raises(OSError):  # noqa: PT011  a pipe or a TLS stream that is broken, by the system's words
            connection.send(b"x")


def test_broken_tls_is_told_after_the_bytes_before_it(trusting: dict[str, Any]) -> None:
    """Garbage in the middle of a TLS stream; the reader hears of it though the socket is empty."""
    sent = threading.Event()

    def script(peer: Peer) -> None:
        assert isinstance(peer.sock, ssl.SSLSocket)
        peer.upgrade()
        peer.send(b"good")
        os.write(peer.sock.fileno(), b"\x17\x03\x03\x00\x20" + b"\0" * 32)
        sent.set()
        peer.until_hangup()

    with line(script, trusting) as connection:
        assert sent.wait(10)
        assert receive(connection, 2) == b"go"
        assert connection.receive() == b"od"
        for _ in range(2):
            with pytest.raises(ssl.SSLError):
                end(connection)
            assert connection.pending() == 1


class Fake(ssl.SSLSocket):
    """A TLS socket that answers as it is told: what a renegotiation or a new key does cannot be had on demand."""

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)
        self.offered: list[int] = []

    def _next(self) -> Any:
        answer = self.answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        return bytes(self._next())

    def send(self, data: Any, flags: int = 0) -> int:
        self.offered.append(len(data))
        return int(self._next())

    def pending(self) -> int:
        return 0


def test_tls_may_want_the_other_direction() -> None:
    """A read that needs the socket writable says so, a write that needs it readable too; until the next try."""
    fake = Fake(b"ab", ssl.SSLWantWriteError(), ssl.SSLWantWriteError(), ssl.SSLWantReadError())
    connection = Connection(fake, b"", {}, None)
    assert (connection.receive(), connection.wants_write) == (b"ab", True)
    assert (connection.receive(), connection.wants_write) == (None, True)
    assert (connection.receive(), connection.wants_write) == (None, False)
    fake.answers = [16_384, ssl.SSLWantReadError(), ssl.SSLWantReadError(), 3_616, ssl.SSLWantWriteError()]
    data = bytes(20_000)
    assert (connection.send(data), connection.wants_read) == (16_384, True)
    assert (connection.send(data[16_384:]), connection.wants_read) == (0, True)
    assert (connection.send(data[16_384:]), connection.wants_read) == (3_616, False)
    assert (connection.send(data), connection.wants_read) == (0, False)
    assert max(fake.offered) == 16_384  # of more, the TLS library would not say how much is gone when it blocks


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_close_releases_at_once(tls: bool, trusting: dict[str, Any]) -> None:
    """No close frame, no waiting for a peer that is deaf, and a second call does nothing."""
    got: list[bytes] = []

    def script(peer: Peer) -> None:
        peer.upgrade(more=b"unread")
        got.append(peer.until_hangup())

    with line(script, trusting if tls else None) as connection:
        began = time.monotonic()
        connection.close()
        connection.close()
        assert time.monotonic() - began < SLACK  # the library's own close waits for three
        assert connection.fileno() == -1
        with pytest.raises(OSError, match="Bad file descriptor"):
            connection.receive()
        with pytest.raises(OSError, match="Bad file descriptor"):
            connection.send(b"x")
    assert b"".join(got) == b""


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts in /proc")
def test_no_descriptor_is_left(trusting: dict[str, Any]) -> None:
    """Over fifty dials, good and bad, plain and TLS; and nothing is left to the garbage collector."""

    def script(peer: Peer) -> None:
        if peer.sock.recv(1, socket.MSG_PEEK) == b"\x16":
            peer.start_tls(certificates.server_context())
        request = peer.request()
        peer.send(switching(request) if b"/good" in request else b"HTTP/1.1 403 No\r\n\r\n")
        peer.until_hangup()

    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))

    def attempt(server: Server, number: int) -> None:
        url = f"{('ws', 'wss')[number % 2]}://localhost:{server.port}/{('good', 'bad')[number // 2 % 2]}"
        try:
            dial(Endpoint(url=url, sslopt=trusting if number % 3 else {}), timeout=10).close()
        except DialError:
            return

    counts = []
    for attempts in (12, 50):  # what is loaded once is loaded by the first few
        with Server(script) as server:
            for number in range(attempts):
                attempt(server, number)
        gc.collect()
        counts.append(descriptors())
    assert counts[1] <= counts[0]


# Frames


def unmasked(data: bytes) -> tuple[int, bytes, bytes]:
    """First byte and payload of one client frame, and what follows it."""
    assert data[1] & 0x80, "a client's frame is masked"
    length, at = data[1] & 0x7F, 2
    if length == 126:
        length, at = struct.unpack(">H", data[2:4])[0], 4
    elif length == 127:
        length, at = struct.unpack(">Q", data[2:10])[0], 10
    mask, payload = data[at : at + 4], data[at + 4 : at + 4 + length]
    return data[0], bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload)), data[at + 4 + length :]


@given(st.sampled_from([1, 2]), st.binary(max_size=300) | st.text(max_size=100))
def test_a_frame_holds_its_payload(opcode: int, payload: Any) -> None:
    """Final, masked, of the shortest length there is."""
    expected = payload.encode() if isinstance(payload, str) else payload
    assert unmasked(frame(opcode, payload)) == (0x80 | opcode, expected, b"")


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
def test_the_lengths_of_a_frame(size: int) -> None:
    """Each of the three forms at its borders."""
    data = frame(2, bytes(size))
    assert unmasked(data) == (0x82, bytes(size), b"")
    assert len(data) - size == 6 + (0 if size < 126 else 2 if size < 65_536 else 8)


def test_each_frame_has_a_mask_of_its_own() -> None:
    """From the system's randomness."""
    assert len({frame(9, b"")[2:6] for _ in range(20)}) > 10


@pytest.mark.parametrize(("opcode", "payload"), [(8, bytes(126)), (9, "ä" * 63), (10, bytes(1000)), (3, b""), (15, b"")])
def test_what_no_frame_can_be(opcode: int, payload: Any) -> None:
    """A control frame that is too long, a kind that does not exist."""
    with pytest.raises(ValueError, match=r"control frame|OPCODE"):
        frame(opcode, payload)


def test_a_close_payload() -> None:
    """The code, and a reason cut between two characters so that it fits."""
    assert close_payload(1000) == b"\x03\xe8"
    assert close_payload(4999, "bye") == b"\x13\x87bye"
    assert close_payload(1001, "x" + "ä" * 100) == b"\x03\xe9x" + "ä".encode() * 61
    assert unmasked(frame(8, close_payload(3000, "x" * 500)))[1] == b"\x0b\xb8" + b"x" * 123


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 2999, 5000])
def test_codes_that_are_never_sent(code: int) -> None:
    """They are reserved, or mean that no frame came."""
    with pytest.raises(ValueError, match=str(code)):
        close_payload(code)


def test_where_there_is_more_it_is_read_ahead() -> None:
    """Eight times as much as is asked for, once a read was full; it is handed out as was asked for, and counts as pending."""
    open_, gone = threading.Event(), threading.Event()

    def script(peer: Peer) -> None:
        peer.upgrade()
        open_.wait(10)  # else it would come with the upgrade
        peer.send(bytes(range(200)))
        gone.wait(10)
        peer.sock.close()

    with line(script) as connection:
        open_.set()
        deadline = time.monotonic() + 10
        while peeked(connection) < 200:
            assert time.monotonic() < deadline
        seen = [(connection.receive(10), connection.pending()) for _ in range(19)]
        kept = connection._buffer
        assert kept is not None
        assert receive(connection, 10) == bytes(range(190, 200))
        assert (connection.receive(10), connection._buffer) == (None, None)  # nothing of it stays with an idle line
        gone.set()
        assert [data for data, _ in seen] == [bytes(range(at, at + 10)) for at in range(0, 190, 10)]
        assert [pending for _, pending in seen] == [0, *range(70, -10, -10), *range(70, -10, -10), 20, 10]
        assert connection.unread_limit() > 0
        assert end(connection) == b""


def peeked(connection: Connection) -> int:
    """How many bytes wait in the kernel, up to 200, as soon as some do."""
    assert select.select([connection], [], [], 10)[0], "nothing comes"
    return len(connection._sock.recv(200, socket.MSG_PEEK))
