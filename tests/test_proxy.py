"""Which proxy is taken, and how it is asked for a connection."""

from __future__ import annotations

import base64
import contextlib
import socket
import struct
import threading
import time
from typing import Any, Callable, Iterator, Mapping, Optional

import pytest

from syncstream import proxy as module
from syncstream import tcp
from syncstream.errors import DialError, Severity
from syncstream.proxy import Proxy, choose, direct, pass_through
from syncstream.tcp import BoundedSocket, Deadline
from syncstream.upgrade import Wrong
from tests.servers.scripted import Peer, Server, talk

SLACK = 2.0


def deadline(timeout: float = 5.0, cancelled: Callable[[], bool] = lambda: False) -> Deadline:
    return Deadline("wss://venue.test/x", timeout, cancelled)


def proxy(scheme: str, username: str = "", password: str = "") -> Proxy:
    return Proxy(scheme, "127.0.0.1", 1, username, password, f"{scheme}://127.0.0.1:1")


@contextlib.contextmanager
def at_the_proxy(script: Callable[[Peer], object], limit: Optional[Deadline] = None) -> Iterator[BoundedSocket]:
    with Server(script) as server:
        wire = tcp.connect("127.0.0.1", server.port, limit or deadline())
        try:
            yield wire
        finally:
            wire.close()


@pytest.mark.parametrize(
    ("host", "no_proxy", "expected"),
    [
        ("venue.test", "", False),
        ("venue.test", "*", True),
        ("venue.test", "other.test, *", True),
        ("venue.test", "venue.test", True),
        ("VENUE.test.", "venue.TEST", True),
        ("ws.venue.test", "venue.test", True),
        ("ws.venue.test", ".venue.test", True),
        ("ws.venue.test", "*.venue.test", True),
        ("venue.test", ".venue.test", True),
        ("badvenue.test", "venue.test", False),
        ("badvenue.test", ".venue.test", False),
        ("venue.test", "ws.venue.test", False),
        ("venue.test", "other.test , venue.test", True),
        ("venue.test", "venue.test:443", True),
        ("venue.test", "venue.test:80", False),
        ("venue.test", ",, .", False),
        ("10.1.2.3", "10.0.0.0/8", True),
        ("10.1.2.3", "10.1.2.0/24:443", True),
        ("10.1.2.3", "10.0.0.1/8", True),
        ("10.1.2.3", "10.1.2.3", True),
        ("10.1.2.3", "10.1.2", False),
        ("11.1.2.3", "10.0.0.0/8", False),
        ("10.1.2.3", "fd00::/8", False),
        ("fd00::1", "fd00::/8", True),
        ("fd00::1", "[fd00::1]:443", True),
        ("fd00::1", "[fd00::1]:80", False),
        ("fd00::1", "fd00::1", True),
        ("fd00::443", "fd00::443", True),
        ("10.venue.test", "10.0.0.0/8", False),
        ("localhost", "", True),
        ("a.localhost", "", True),
        ("127.0.0.1", "", True),
        ("127.9.9.9", "", True),
        ("::1", "", True),
        ("notlocalhost", "", False),
        ("localhost.venue.test", "", False),
    ],
)
def test_who_is_reached_without_a_proxy(host: str, no_proxy: str, expected: bool) -> None:
    """Names match whole labels, addresses networks; loopback is always direct."""
    assert direct(host, 443, no_proxy) is expected


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Sets these variables, and no others that name a proxy."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "wss_proxy", "ws_proxy", "REQUEST_METHOD"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)

    def put(**variables: str) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return put


@pytest.mark.parametrize(
    ("setting", "variables", "secure", "expected"),
    [
        (None, {"https_proxy": "http://p.test:3128"}, True, None),
        ("http://q.test:1", {"https_proxy": "http://p.test:3128", "no_proxy": "*"}, True, "http://q.test:1"),
        ("environment", {}, True, None),
        ("environment", {"https_proxy": "http://p.test:3128"}, True, "http://p.test:3128"),
        ("environment", {"https_proxy": "http://p.test:3128"}, False, None),
        ("environment", {"HTTPS_PROXY": "p.test"}, True, "http://p.test:80"),
        ("environment", {"http_proxy": "http://p.test"}, False, "http://p.test:80"),
        ("environment", {"HTTP_PROXY": "http://p.test", "REQUEST_METHOD": "GET"}, False, None),
        ("environment", {"all_proxy": "socks5h://p.test"}, True, "socks5h://p.test:1080"),
        ("environment", {"https_proxy": "http://p.test", "no_proxy": "venue.test"}, True, None),
        ("environment", {"https_proxy": "http://p.test", "NO_PROXY": ".venue.test"}, True, None),
        ("environment", {"https_proxy": "http://p.test", "no_proxy": "enue.test"}, True, "http://p.test:80"),
    ],
)
def test_the_proxy_of_a_line(
    environment: Callable[..., None], setting: Optional[str], variables: Mapping[str, str], secure: bool, expected: Optional[str]
) -> None:
    """A URL is that proxy, None is none, and the environment is read as others read it."""
    environment(**variables)
    found = choose(setting, secure, "venue.test", 443, deadline())
    assert (found and f"{found.scheme}://{found.host}:{found.port}") == expected


def test_a_proxy_has_a_login() -> None:
    """Unquoted for use, and not in what is shown."""
    found = choose("socks5://us%40er:p%3Ass@p.test", True, "venue.test", 443, deadline())
    assert found == Proxy("socks5", "p.test", 1080, "us@er", "p:ss", "socks5://p.test")


@pytest.mark.parametrize(
    "value", ["https://user:s3cr3t@p.test", "socks://user:s3cr3t@p.test", "http://user:s3cr3t@p.test:x", "http://"]
)
def test_a_proxy_that_cannot_be_used_is_fatal(environment: Callable[..., None], value: str) -> None:
    """A proxy that wants TLS would get a plain request; better none."""
    environment(https_proxy=value)
    with pytest.raises(DialError, match="the proxy") as caught:
        choose("environment", True, "venue.test", 443, deadline())
    assert caught.value.severity is Severity.FATAL
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize(
    ("host", "place", "user", "authorization"),
    [
        ("venue.test", b"venue.test:443", "", None),
        ("::1", b"[::1]:443", "", None),
        ("venue.test", b"venue.test:443", "us", base64.b64encode(b"us:p\xc3\xa4ss")),
    ],
)
def test_connect(host: str, place: bytes, user: str, authorization: Optional[bytes]) -> None:
    """The place, the login if there is one, and nothing else; the venue's own bytes stay on the line."""
    asked: list[bytes] = []

    def script(peer: Peer) -> None:
        asked.append(peer.request())
        peer.send(b"HTTP/1.0 200 Connection established\r\nContent-Length: 5\r\n\r\n")
        peer.send(peer.read(5).upper())

    with at_the_proxy(script) as wire:
        pass_through(wire, proxy("http", user, "päss" if user else ""), host, 443)
        wire.send(b"hello")
        assert wire.exactly(5) == b"HELLO"
    login = [b"Proxy-Authorization: Basic " + authorization] if authorization else []
    assert asked == [b"\r\n".join([b"CONNECT " + place + b" HTTP/1.1", b"Host: " + place, *login, b"", b""])]


@pytest.mark.parametrize(
    ("answer", "severity", "status", "retry_after"),
    [
        (b"403 Forbidden\r\nContent-Length: 1099511627776", Severity.FATAL, 403, None),
        (b"407 Proxy Authentication Required", Severity.FATAL, 407, None),
        (b"301 Moved\r\nLocation: http://x/", Severity.FATAL, 301, None),
        (b"503 Service Unavailable\r\nRetry-After: 7", Severity.RETRY, 503, 7.0),
        (b"502 Bad Gateway", Severity.RETRY, 502, None),
    ],
)
def test_a_denied_connect(answer: bytes, severity: Severity, status: int, retry_after: Optional[float]) -> None:
    """Classed as the same status of a venue; says that it was the proxy."""

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 " + answer + b"\r\n\r\n")

    with (
        at_the_proxy(script) as wire,
        pytest.raises(DialError, match=f"asking the proxy http://127.0.0.1:1: .*{status}") as caught,
    ):
        pass_through(wire, proxy("http", "user", "s3cr3t"), "venue.test", 443)
    assert (caught.value.severity, caught.value.status, caught.value.retry_after) == (severity, status, retry_after)
    assert "s3cr3t" not in str(caught.value)


def test_a_proxy_may_announce_its_answer() -> None:
    """What comes before the final answer is passed over, as of a venue."""

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\n\r\n")
        peer.send(peer.read(5).upper())

    with at_the_proxy(script) as wire:
        pass_through(wire, proxy("http"), "venue.test", 443)
        wire.send(b"hello")
        assert wire.exactly(5) == b"HELLO"


def test_a_proxy_that_talks_out_of_turn() -> None:
    """What it adds would be taken for the venue's words."""
    script = talk(b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 101 Switching")
    with at_the_proxy(script) as wire, pytest.raises(DialError, match="more than its answer") as caught:
        pass_through(wire, proxy("http"), "venue.test", 443)
    assert caught.value.severity is Severity.FATAL


def test_a_proxy_that_speaks_no_http() -> None:
    """A wrong port, most likely."""
    with at_the_proxy(lambda peer: peer.send(b"SSH-2.0-x\r\n\r\n")) as wire, pytest.raises(Wrong):
        pass_through(wire, proxy("http"), "venue.test", 443)


@pytest.mark.parametrize("scheme", ["http", "socks4a", "socks5h"])
@pytest.mark.parametrize("how", ["silent", "dripping", "endless", "gone"])
def test_a_proxy_cannot_hold_the_dial(scheme: str, how: str) -> None:
    """It ends at the deadline, or earlier by a bound or a hang-up."""

    def script(peer: Peer) -> None:
        peer.read(3)
        if how == "dripping":
            peer.drip(b"HTTP/1.1 200 OK\r\n" if scheme == "http" else b"", pause=0.02)
            peer.drip(b"A" * 1000 if scheme == "http" else b"\x05", pause=0.02)
        while how == "endless":
            peer.send(b"\x05\x00" * 2048)
        if how != "gone":
            peer.until_hangup()

    began = time.monotonic()
    with at_the_proxy(script, deadline(0.3)) as wire, pytest.raises((DialError, Wrong, ConnectionError)):
        pass_through(wire, proxy(scheme), "venue.test", 443)
    assert time.monotonic() - began < 0.3 + SLACK


def test_a_wait_for_a_proxy_can_be_cancelled() -> None:
    """Within a quarter of a second."""
    cancelled = threading.Event()
    threading.Timer(0.1, cancelled.set).start()
    began = time.monotonic()
    with at_the_proxy(Peer.until_hangup, deadline(30, cancelled.is_set)) as wire, pytest.raises(DialError, match="cancelled"):
        pass_through(wire, proxy("http"), "venue.test", 443)
    assert time.monotonic() - began < 0.1 + 0.25 + SLACK


@pytest.fixture
def lookups(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names that were looked up here. venue.test has one address of each kind, six.test only the new one."""
    asked: list[str] = []
    six: Any = (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("2001:db8::1%eth0", 0, 0, 0))
    four: Any = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 0))

    def resolve(host: str, limit: Deadline) -> Any:
        asked.append(host)
        return [six] if host == "six.test" else [six, four]

    monkeypatch.setattr(module, "resolve", resolve)
    return asked


V6 = socket.inet_pton(socket.AF_INET6, "2001:db8::1")
PORT = struct.pack(">H", 443)


@pytest.mark.parametrize(
    ("scheme", "host", "destination", "asks_us"),
    [
        ("socks5h", "venue.test", b"\x03\x0avenue.test", False),
        ("socks5h", "192.0.2.9", b"\x01\xc0\x00\x02\x09", False),
        ("socks5h", "2001:db8::1", b"\x04" + V6, False),
        ("socks5", "venue.test", b"\x04" + V6, True),
    ],
)
@pytest.mark.parametrize("login", [False, True])
@pytest.mark.parametrize("bound", [b"\x01\0\0\0\0", b"\x04" + V6, b"\x03\x03abc"], ids=["v4", "v6", "name"])
def test_socks5(lookups: list[str], scheme: str, host: str, destination: bytes, asks_us: bool, login: bool, bound: bytes) -> None:
    """The greeting, the login if it is asked for, the destination; then the line is the venue's, to the byte."""
    said: list[bytes] = []

    def script(peer: Peer) -> None:
        said.append(peer.read(4 if login else 3))
        peer.send(b"\x05\x02" if login else b"\x05\x00")
        if login:
            said.append(peer.read(9))
            peer.send(b"\x01\x00")
        said.append(peer.read(3 + len(destination) + 2))
        peer.send(b"\x05\x00\x00" + bound + b"\0\0" + b"first")

    with at_the_proxy(script) as wire:
        pass_through(wire, proxy(scheme, "user" if login else "", "pw" if login else ""), host, 443)
        assert wire.exactly(5) == b"first"
    greeting = [b"\x05\x02\x00\x02", b"\x01\x04user\x02pw"] if login else [b"\x05\x01\x00"]
    assert said == [*greeting, b"\x05\x01\x00" + destination + PORT]
    assert bool(lookups) is asks_us


@pytest.mark.parametrize(
    ("answers", "words", "severity"),
    [
        ([b"HT"], "does not speak SOCKS 5", Severity.FATAL),
        ([b"\x05\xff"], "none of our ways", Severity.FATAL),
        ([b"\x05\x07"], "none of our ways", Severity.FATAL),
        ([b"\x05\x02", b"\x01\x01"], "refused the user name", Severity.FATAL),
        ([b"\x05\x00", b"\x05\x01\x00\x01"], "general failure", Severity.RETRY),
        ([b"\x05\x00", b"\x05\x02\x00\x01"], "not allowed", Severity.FATAL),
        ([b"\x05\x00", b"\x05\x05\x00\x01"], "connection refused", Severity.RETRY),
        ([b"\x05\x00", b"\x05\x63\x00\x01"], "reply 99", Severity.RETRY),
        ([b"\x05\x00", b"\x05\x00\x00\x09"], "not one of SOCKS 5", Severity.FATAL),
    ],
)
def test_socks5_refusals(answers: list[bytes], words: str, severity: Severity) -> None:
    """Each names the proxy and what it said; the venue being away passes, a rule does not."""

    def script(peer: Peer) -> None:
        for answer in answers:
            peer.sock.recv(1024)
            peer.send(answer)
        peer.until_hangup()

    with at_the_proxy(script) as wire, pytest.raises(DialError, match=f"asking the proxy socks5h://.*{words}") as caught:
        pass_through(wire, proxy("socks5h", "user", "s3cr3t"), "venue.test", 443)
    assert caught.value.severity is severity
    assert "s3cr3t" not in str(caught.value)


def test_a_proxy_that_wants_a_login_that_we_lack() -> None:
    """It was not offered, so it cannot be chosen."""
    script = talk(3, b"\x05\x02")
    with at_the_proxy(script) as wire, pytest.raises(DialError, match="none of our ways"):
        pass_through(wire, proxy("socks5h"), "venue.test", 443)


@pytest.mark.parametrize(("host", "user"), [("v" * 256, ""), ("venue.test", "u" * 256)])
def test_what_socks5_cannot_carry(host: str, user: str) -> None:
    """Lengths stand in one byte."""
    script = talk(3, b"\x05\x02")
    with at_the_proxy(script) as wire, pytest.raises(DialError, match="longer than SOCKS allows") as caught:
        pass_through(wire, proxy("socks5h", user), host, 443)
    assert caught.value.severity is Severity.FATAL


@pytest.mark.parametrize(
    ("scheme", "host", "asked", "asks_us"),
    [
        ("socks4a", "venue.test", b"\0\0\0\x01user\0venue.test\0", False),
        ("socks4a", "192.0.2.9", b"\xc0\x00\x02\x09user\0", False),
        ("socks4", "venue.test", b"\xc0\x00\x02\x01user\0", True),
    ],
)
def test_socks4(lookups: list[str], scheme: str, host: str, asked: bytes, asks_us: bool) -> None:
    """One question, one answer; the name goes to the proxy, or its IPv4 address does."""
    said: list[bytes] = []

    def script(peer: Peer) -> None:
        said.append(peer.read(4 + len(asked)))
        peer.send(b"\0\x5a" + b"\0" * 6 + b"first")

    with at_the_proxy(script) as wire:
        pass_through(wire, proxy(scheme, "user"), host, 443)
        assert wire.exactly(5) == b"first"
    assert said == [b"\x04\x01" + PORT + asked]
    assert bool(lookups) is asks_us


@pytest.mark.parametrize(
    ("reply", "severity"), [(91, Severity.RETRY), (92, Severity.FATAL), (93, Severity.FATAL), (99, Severity.RETRY)]
)
def test_socks4_refusals(reply: int, severity: Severity) -> None:
    """91 is any failure, the others are about who we are."""
    script = talk(9, bytes([0, reply]) + b"\0" * 6)
    with at_the_proxy(script) as wire, pytest.raises(DialError, match=r"asking the proxy socks4a://.*refused") as caught:
        pass_through(wire, proxy("socks4a"), "venue.test", 443)
    assert caught.value.severity is severity


@pytest.mark.parametrize(
    ("scheme", "host", "user", "words"),
    [
        ("socks4", "six.test", "", "no address of a kind"),
        ("socks4a", "2001:db8::1", "", "IPv6"),
        ("socks4a", "venue.test", "a\0b", "zero byte"),
    ],
)
def test_what_socks4_cannot_carry(lookups: list[str], scheme: str, host: str, user: str, words: str) -> None:
    """New addresses, and a zero in a user name."""
    with at_the_proxy(Peer.until_hangup) as wire, pytest.raises(DialError, match=words):
        pass_through(wire, proxy(scheme, user), host, 443)
