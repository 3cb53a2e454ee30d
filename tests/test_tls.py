"""TLS: contexts from `sslopt`, the handshake, and the class of each failure."""

from __future__ import annotations

import os
import ssl
import threading
import time
from pathlib import Path
from typing import Any, Callable, Optional

import pytest
from cryptography.hazmat.primitives import serialization

from syncstream import tcp, tls
from syncstream.errors import DialError, Severity
from syncstream.tcp import BoundedSocket, Deadline
from tests.servers import certificates
from tests.servers.scripted import Peer, Server

SLACK = 2.0


def deadline(timeout: float = 5.0, cancelled: Callable[[], bool] = lambda: False) -> Deadline:
    return Deadline("wss://venue.test/x", timeout, cancelled)


def speaks_tls(context: ssl.SSLContext) -> Callable[[Peer], None]:
    """A server that says hello after the handshake."""

    def script(peer: Peer) -> None:
        peer.start_tls(context)
        peer.send(b"hello")
        peer.until_hangup()

    return script


def secured(server: Server, sslopt: dict[str, Any], limit: Deadline, host: str = "localhost") -> BoundedSocket:
    """A TLS connection; what fails as an `ssl.SSLError` is classed as `dial` does it."""
    wire = tcp.connect("127.0.0.1", server.port, limit)
    try:
        tls.secure(wire, host, sslopt)
        assert wire.exactly(5) == b"hello"  # with TLS 1.3 a refusal of our certificate comes only now
    except ssl.SSLError as error:
        wire.close()
        raise tls.failure(error, limit) from error
    except BaseException:
        wire.close()
        raise
    return wire


@pytest.fixture
def trusting(tmp_path: Path) -> dict[str, Any]:
    """Options that trust the authority of the tests."""
    return {"ca_certs": certificates.ca_file(tmp_path)}


def test_a_verified_line(trusting: dict[str, Any]) -> None:
    """TLS 1.2 or newer, to the name that was asked for."""
    with Server(speaks_tls(certificates.server_context())) as server:
        wire = secured(server, trusting, deadline())
        assert isinstance(wire.sock, ssl.SSLSocket)
        assert wire.sock.version() in ("TLSv1.2", "TLSv1.3")
        assert wire.sock.server_hostname == "localhost"
        wire.close()


@pytest.mark.parametrize("own", [False, True], ids=["not told to trust it", "trust in another"])
def test_an_unknown_authority_is_fatal(own: bool) -> None:
    """Verification is on by default, also in a user's own context."""
    sslopt = {"context": ssl.create_default_context()} if own else {}
    with Server(speaks_tls(certificates.server_context())) as server, pytest.raises(DialError, match="certificate") as caught:
        secured(server, sslopt, deadline())
    assert caught.value.severity is Severity.FATAL
    assert str(caught.value).startswith("wss://venue.test/x: TLS: the certificate was not accepted: ")


def test_another_host_name_is_fatal(trusting: dict[str, Any]) -> None:
    """A good certificate of somebody else is no good."""
    with (
        Server(speaks_tls(certificates.server_context("other.test"))) as server,
        pytest.raises(DialError, match="localhost") as caught,
    ):
        secured(server, trusting, deadline())
    assert caught.value.severity is Severity.FATAL


def test_an_address_is_checked_too(trusting: dict[str, Any]) -> None:
    """127.0.0.1 is not localhost."""
    with Server(speaks_tls(certificates.server_context())) as server, pytest.raises(DialError, match="certificate"):
        secured(server, trusting, deadline(), host="127.0.0.1")
    with Server(speaks_tls(certificates.server_context("127.0.0.1"))) as server:
        secured(server, trusting, deadline(), host="127.0.0.1").close()


def test_an_expired_certificate_is_fatal(trusting: dict[str, Any]) -> None:
    """It says so."""
    with (
        Server(speaks_tls(certificates.server_context(expired=True))) as server,
        pytest.raises(DialError, match="expired") as caught,
    ):
        secured(server, trusting, deadline())
    assert caught.value.severity is Severity.FATAL


def test_server_hostname_replaces_the_host(trusting: dict[str, Any]) -> None:
    """For a venue reached by another name or through a tunnel."""
    with Server(speaks_tls(certificates.server_context("other.test"))) as server:
        secured(server, {**trusting, "server_hostname": "other.test"}, deadline()).close()


@pytest.mark.parametrize(("sslopt", "asked"), [({}, "localhost"), ({"server_hostname": "other.test"}, "other.test")])
def test_the_server_hears_which_name_is_asked_for(sslopt: dict[str, Any], asked: str, trusting: dict[str, Any]) -> None:
    """Many venues share an address, and choose their certificate by that (SNI)."""
    heard: list[Optional[str]] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificates.authority().issue_cert("localhost", "other.test").configure_cert(context)
    context.sni_callback = lambda sock, name, context: heard.append(name)
    with Server(speaks_tls(context)) as server:
        secured(server, {**trusting, **sslopt}, deadline()).close()
    assert heard == [asked]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_nothing_below_tls_12_is_spoken(trusting: dict[str, Any]) -> None:
    """A server that knows no better is refused for good, whatever this system's OpenSSL would allow."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificates.authority().issue_cert("localhost").configure_cert(context)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    weak = {**trusting, "ciphers": "ALL:@SECLEVEL=0"}
    with Server(speaks_tls(context)) as server, pytest.raises(DialError, match=r"TLS 1\.2 or newer") as caught:
        secured(server, weak, deadline())
    assert caught.value.severity is Severity.FATAL


@pytest.mark.parametrize("sslopt", [{"cert_reqs": ssl.CERT_NONE}, {"cert_reqs": 0, "check_hostname": False}])
def test_verification_can_be_switched_off(sslopt: dict[str, Any]) -> None:
    """By saying so."""
    with Server(speaks_tls(certificates.server_context("other.test", expired=True))) as server:
        secured(server, sslopt, deadline()).close()


def test_what_is_left_unchecked_is_said(trusting: dict[str, Any]) -> None:
    """In words, of a context of the user's, too."""
    own = ssl.create_default_context()
    own.check_hostname = False
    own.verify_mode = ssl.CERT_NONE
    for sslopt, words in (
        (trusting, ""),
        ({"context": ssl.create_default_context()}, ""),
        ({"cert_reqs": ssl.CERT_NONE}, "certificates are not verified"),
        ({"context": own}, "certificates are not verified"),
        ({**trusting, "check_hostname": False}, "host names are not checked"),
    ):
        said = tls.unchecked(tls.context_of(sslopt, deadline()))
        assert said.partition(":")[0] == words


def test_the_host_name_alone_can_be_left_unchecked(trusting: dict[str, Any]) -> None:
    """The authority is still checked."""
    with Server(speaks_tls(certificates.server_context("other.test"))) as server:
        secured(server, {**trusting, "check_hostname": False}, deadline()).close()
        with pytest.raises(DialError, match="certificate"):
            secured(server, {"check_hostname": False}, deadline())


def test_a_client_certificate(trusting: dict[str, Any], tmp_path: Path) -> None:
    """It is shown when the server asks; without one the server's refusal is fatal."""
    with Server(speaks_tls(certificates.server_context(asks_for_certificate=True))) as server:
        client = certificates.client_file(tmp_path)
        secured(server, {**trusting, "certfile": client}, deadline()).close()
        secured(server, {**trusting, "cert_chain": [client, None, None]}, deadline()).close()
        with pytest.raises(DialError, match="does not accept our certificate") as caught:
            secured(server, trusting, deadline())
    assert caught.value.severity is Severity.FATAL


def test_a_server_without_tls_is_fatal(trusting: dict[str, Any]) -> None:
    """Waiting does not teach it."""

    def script(peer: Peer) -> None:
        peer.read(10)
        peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        peer.until_hangup()

    with Server(script) as server, pytest.raises(DialError, match="does not speak TLS") as caught:
        secured(server, trusting, deadline())
    assert caught.value.severity is Severity.FATAL


def test_no_cipher_in_common_is_a_slow_matter(trusting: dict[str, Any]) -> None:
    """An alert of the other side can be its own passing trouble."""
    server_side = certificates.server_context("limited.test")
    server_side.maximum_version = ssl.TLSVersion.TLSv1_2
    server_side.set_ciphers("ECDHE-ECDSA-AES256-GCM-SHA384")
    sslopt = {**trusting, "ciphers": "ECDHE-ECDSA-AES128-GCM-SHA256", "ssl_version": ssl.PROTOCOL_TLSv1_2}
    with Server(speaks_tls(server_side)) as server, pytest.raises(DialError, match="HANDSHAKE_FAILURE") as caught:
        secured(server, sslopt, deadline(), host="limited.test")
    assert caught.value.severity is Severity.SLOW


def test_a_hang_up_in_the_handshake_passes(trusting: dict[str, Any]) -> None:
    """As when a server is being restarted; whether it ends the stream or resets the connection."""
    with Server(lambda peer: peer.read(10)) as server, pytest.raises((DialError, ConnectionError)) as caught:
        secured(server, trusting, deadline())
    if isinstance(caught.value, DialError):
        assert caught.value.severity is Severity.RETRY
    eof = tls.failure(ssl.SSLEOFError(8, "EOF occurred in violation of protocol"), deadline())
    assert (eof.severity, "closed the connection" in str(eof)) == (Severity.RETRY, True)


def test_a_stalled_handshake_ends_at_the_deadline_or_when_cancelled(trusting: dict[str, Any]) -> None:
    """A server that takes the connection and says nothing."""
    cancelled = threading.Event()
    with Server(Peer.until_hangup) as server:
        began = time.monotonic()
        with pytest.raises(DialError, match="TLS: timed out") as caught:
            secured(server, trusting, deadline(0.3))
        assert caught.value.severity is Severity.RETRY
        threading.Timer(0.1, cancelled.set).start()
        with pytest.raises(DialError, match="cancelled"):
            secured(server, trusting, deadline(30, cancelled.is_set))
        assert time.monotonic() - began < 0.3 + 0.1 + 0.25 + SLACK


def test_contexts_are_shared(trusting: dict[str, Any]) -> None:
    """Loading the authorities takes long; equal options give the same context, other options another."""
    first = tls.context_of(trusting, deadline())
    assert tls.context_of(dict(trusting), deadline()) is first
    assert tls.context_of({**trusting, "server_hostname": "per.line"}, deadline()) is first
    assert tls.context_of({**trusting, "check_hostname": False}, deadline()) is not first
    assert first.minimum_version == ssl.TLSVersion.TLSv1_2
    assert (first.verify_mode, first.check_hostname) == (ssl.CERT_REQUIRED, True)


def test_a_replaced_file_makes_a_new_context(trusting: dict[str, Any], tmp_path: Path) -> None:
    """Client certificates may live for hours only, and lie in the same place."""
    client = certificates.client_file(tmp_path)
    for sslopt in ({**trusting, "certfile": client}, {**trusting, "cert_chain": [client, None, None]}):
        first = tls.context_of(sslopt, deadline())
        assert tls.context_of(sslopt, deadline()) is first
        found = os.stat(client)
        os.utime(client, ns=(found.st_atime_ns, found.st_mtime_ns + 1_000_000_000))
        assert tls.context_of(sslopt, deadline()) is not first


def test_an_own_context_is_used_as_it_is() -> None:
    """And not changed."""
    own = ssl.create_default_context()
    assert tls.context_of({"context": own, "server_hostname": "x.test"}, deadline()) is own


def test_a_bundle_named_by_the_environment_is_trusted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The variable of websocket-client; what the options say goes before it."""
    monkeypatch.setenv("WEBSOCKET_CLIENT_CA_BUNDLE", certificates.ca_file(tmp_path))
    with Server(speaks_tls(certificates.server_context())) as server:
        secured(server, {}, deadline()).close()
    monkeypatch.setenv("WEBSOCKET_CLIENT_CA_BUNDLE", str(tmp_path))
    assert tls.context_of({}, deadline()).get_ca_certs() == []
    assert tls.context_of({"ca_certs": str(tmp_path / "ca.pem")}, deadline()).get_ca_certs() != []


@pytest.mark.parametrize(
    ("sslopt", "words"),
    [
        ({"ca_cert": "x"}, "no option 'ca_cert'"),
        ({"ca_certs": "/no/such/file"}, "ca_certs.*No such file"),
        ({"certfile": "/no/such/file", "password": "s3cr3t"}, "certfile.*No such file"),
        ({"cert_chain": ["a", "b"]}, "cert_chain"),
        ({"ciphers": "NONE-SUCH"}, "ciphers"),
        ({"ecdh_curve": "none-such"}, "ecdh_curve"),
        ({"cert_reqs": 7}, "cert_reqs"),
        ({"cert_reqs": ssl.CERT_NONE, "check_hostname": True}, "check_hostname"),
        ({"ssl_version": ssl.PROTOCOL_TLSv1_1}, "below TLS 1.2"),
        ({"ciphers": {"un": "hashable"}}, "ciphers"),
        ({"context": "x"}, "not an ssl.SSLContext"),
        ({"context": ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), "ca_certs": "x"}, "ca_certs.*own context"),
    ],
)
def test_options_that_cannot_work_are_fatal(sslopt: dict[str, Any], words: str) -> None:
    """Named, and without a password."""
    with pytest.raises(DialError, match=words) as caught:
        tls.context_of(sslopt, deadline())
    assert caught.value.severity is Severity.FATAL
    assert "s3cr3t" not in str(caught.value)


def test_a_locked_key_without_password_does_not_ask(
    tmp_path: Path, trusting: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given no password at all, OpenSSL reads one from the terminal, and the dialer would hang there."""
    real, passwords = ssl.SSLContext.load_cert_chain, []

    def load(context: ssl.SSLContext, certfile: Any, keyfile: Any = None, password: Any = None) -> None:
        passwords.append(password)
        real(context, certfile, keyfile, password)

    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", load)
    pem = Path(certificates.client_file(tmp_path)).read_bytes()
    key = serialization.load_pem_private_key(pem, None)
    locked = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.BestAvailableEncryption(b"s3cr3t"),
    )
    keyfile = tmp_path / "locked.pem"
    keyfile.write_bytes(locked)
    sslopt = {**trusting, "certfile": str(tmp_path / "client.pem"), "keyfile": str(keyfile)}
    with pytest.raises(DialError, match="keyfile"):
        tls.context_of(sslopt, deadline())
    assert tls.context_of({**sslopt, "password": "s3cr3t"}, deadline()).check_hostname
    assert passwords == ["", "s3cr3t"]
