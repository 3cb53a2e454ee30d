"""The word that a failed dial carries: `transport`, `tcp`, `tls` and `proxy` against real sockets."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any, Callable

import pytest

from syncstream import Endpoint, transport
from syncstream.errors import DialError, Severity
from tests.servers import certificates
from tests.servers.scripted import Peer, Server


def failure(endpoint: Endpoint, timeout: float = 5.0) -> DialError:
    with pytest.raises(DialError) as caught:
        transport.dial(endpoint, timeout=timeout)
    return caught.value


def silent(peer: Peer) -> None:
    peer.until_hangup()


def answering(data: bytes) -> Callable[[Peer], None]:
    def script(peer: Peer) -> None:
        peer.request()
        peer.send(data)
        peer.until_hangup()

    return script


def test_a_name_that_nobody_knows() -> None:
    """`.invalid` is kept free for this."""
    error = failure(Endpoint(url="ws://nowhere.invalid/", proxy=None))
    assert (error.cause, error.severity) == ("dns", Severity.RETRY)


def test_a_port_where_nobody_listens() -> None:
    """The system refuses."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    error = failure(Endpoint(url=f"ws://127.0.0.1:{port}/", proxy=None))
    assert (error.cause, error.severity) == ("refused", Severity.RETRY)


def test_an_answer_that_does_not_come() -> None:
    """The time for the whole attempt is over."""
    with Server(silent) as server:
        error = failure(Endpoint(url=f"ws://127.0.0.1:{server.port}/", proxy=None), timeout=0.3)
    assert (error.cause, error.severity) == ("timeout", Severity.RETRY)


@pytest.mark.parametrize(
    ("data", "status", "severity"),
    [
        (b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", 401, Severity.FATAL),
        (b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", 503, Severity.RETRY),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", None, Severity.FATAL),
    ],
)
def test_an_answer_that_is_no_upgrade(data: bytes, status: Any, severity: Severity) -> None:
    """By its status where it has one."""
    with Server(answering(data)) as server:
        error = failure(Endpoint(url=f"ws://127.0.0.1:{server.port}/", proxy=None))
    assert (error.cause, error.status, error.severity) == ("upgrade", status, severity)


def test_a_certificate_that_does_not_verify() -> None:
    """Nobody here knows who signed it."""

    def script(peer: Peer) -> None:
        peer.start_tls(certificates.server_context())

    with Server(script) as server:
        error = failure(Endpoint(url=f"wss://localhost:{server.port}/", proxy=None))
    assert (error.cause, error.severity) == ("certificate", Severity.FATAL)


def test_a_certificate_of_ours_that_is_not_accepted(tmp_path: Path) -> None:
    """The venue wants one, and there is none."""

    def script(peer: Peer) -> None:
        peer.start_tls(certificates.server_context(asks_for_certificate=True))

    with Server(script) as server:
        options = {"ca_certs": certificates.ca_file(tmp_path)}
        error = failure(Endpoint(url=f"wss://localhost:{server.port}/", proxy=None, sslopt=options))
    assert error.cause in ("certificate", "upgrade")  # with TLS 1.3 the refusal may come as the end of the connection


def test_no_tls_at_all() -> None:
    """A plain server where a secure one was expected."""

    def script(peer: Peer) -> None:
        peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        peer.until_hangup()

    with Server(script) as server:
        error = failure(Endpoint(url=f"wss://127.0.0.1:{server.port}/", proxy=None))
    assert (error.cause, error.severity) == ("tls", Severity.FATAL)


def test_a_proxy_that_refuses() -> None:
    """What it says is the proxy's, not the venue's."""
    with Server(answering(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")) as server:
        error = failure(Endpoint(url="wss://venue.test/", proxy=f"http://127.0.0.1:{server.port}"))
    assert error.cause == "proxy"
