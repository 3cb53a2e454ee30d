"""Looking up, connecting, and a socket that keeps its deadline."""

from __future__ import annotations

import contextlib
import selectors
import socket
import ssl
import sys
import threading
import time
from typing import Any, Callable, Iterator

import pytest

from syncstream import tcp
from syncstream.errors import DialError, Severity
from syncstream.tcp import BoundedSocket, Deadline
from tests.servers.blackhole import blackhole
from tests.servers.scripted import Peer, Server

SLACK = 2.0
"""Seconds that a busy machine may add to a deadline."""


def deadline(timeout: float = 5.0, cancelled: Callable[[], bool] = lambda: False) -> Deadline:
    return Deadline("wss://venue.test/x", timeout, cancelled)


@contextlib.contextmanager
def ends_within(least: float, most: float) -> Iterator[None]:
    """The block takes at least so long, and not much longer than `most`."""
    began = time.monotonic()
    yield
    assert least - 0.05 <= time.monotonic() - began <= most + SLACK


@contextlib.contextmanager
def times_out(seconds: float) -> Iterator[None]:
    """The block fails by its deadline, which began a moment before."""
    with ends_within(seconds * 0.7, seconds), pytest.raises(DialError, match="timed out") as caught:
        yield
    assert caught.value.severity is Severity.RETRY


@contextlib.contextmanager
def connected(script: Callable[[Peer], object], limit: Deadline) -> Iterator[BoundedSocket]:
    with Server(script) as server:
        wire = tcp.connect("127.0.0.1", server.port, limit)
        try:
            yield wire
        finally:
            wire.close()


def places(*pairs: tuple[str, int]) -> list[Any]:
    """What `getaddrinfo` would answer."""
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", pair) for pair in pairs]


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def test_an_error_names_the_url_and_the_step() -> None:
    """Severity, status and Retry-After are carried along."""
    limit = deadline()
    limit.doing = "upgrade"
    error = limit.error("refused", Severity.FATAL, status=403, retry_after=2.0)
    assert (str(error), error.severity, error.status, error.retry_after) == (
        "wss://venue.test/x: upgrade: refused",
        Severity.FATAL,
        403,
        2.0,
    )


def test_a_nearer_deadline_is_never_later() -> None:
    """It takes what is left, and the step it is at."""
    limit = deadline(0.0)
    limit.doing = "upgrade"
    with pytest.raises(DialError, match="upgrade: timed out"):
        limit.within(10).slice()
    assert 0 < deadline().within(0.1).slice() <= 0.1


def test_numbers_are_not_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """An address needs no resolver, and so no thread."""
    monkeypatch.setattr(tcp._Lookup, "__init__", None)
    assert tcp.resolve("127.0.0.1", deadline())[0][4][0] == "127.0.0.1"
    assert tcp.resolve("::1", deadline())[0][4][0] == "::1"


def test_a_name_without_address_may_get_one_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """The network can be the reason, so it is worth another attempt."""
    real = socket.getaddrinfo

    def unknown(host: Any, *args: Any, **options: Any) -> Any:
        if host == "unknown.test" and not options.get("flags"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return real(host, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(DialError, match=r"looking up unknown\.test: Name or service not known") as caught:
        tcp.resolve("unknown.test", deadline())
    assert caught.value.severity is Severity.RETRY


def test_an_empty_answer_of_the_resolver_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some resolvers give no error and no address."""
    hung = HungResolver(monkeypatch)
    hung.addresses = []
    hung.release.set()
    with pytest.raises(DialError, match="no address found"):
        tcp.resolve("slow.test", deadline())


class HungResolver:
    """`getaddrinfo` for slow.test, which answers when `release` is set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked = 0
        self.release = threading.Event()
        self.addresses = places(("127.0.0.1", 0))
        self._real = socket.getaddrinfo
        monkeypatch.setattr(socket, "getaddrinfo", self._ask)

    def _ask(self, host: Any, *args: Any, **options: Any) -> Any:
        if host != "slow.test" or options.get("flags"):
            return self._real(host, *args, **options)
        self.asked += 1
        self.release.wait(30)
        return self.addresses


@pytest.fixture
def hung(monkeypatch: pytest.MonkeyPatch) -> Iterator[HungResolver]:
    resolver = HungResolver(monkeypatch)
    yield resolver
    resolver.release.set()


def test_a_hung_resolver_holds_one_thread_and_no_dial(hung: HungResolver) -> None:
    """Each attempt ends at its deadline; all of them wait for the same look-up, and the next to come may use it."""
    for _ in range(3):
        with ends_within(0.2, 0.2), pytest.raises(DialError, match=r"looking up slow\.test: timed out") as caught:
            tcp.resolve("slow.test", deadline(0.2))
        assert caught.value.severity is Severity.RETRY
    assert hung.asked == 1
    assert [thread.name for thread in threading.enumerate()].count("syncstream-lookup") == 1
    threading.Timer(0.05, hung.release.set).start()
    assert tcp.resolve("slow.test", deadline()) == hung.addresses
    assert hung.asked == 1


def test_a_look_up_that_ended_is_not_kept(hung: HungResolver) -> None:
    """Addresses change; the next attempt asks again."""
    hung.release.set()
    tcp.resolve("slow.test", deadline())
    tcp.resolve("slow.test", deadline())
    assert hung.asked == 2


def test_a_look_up_can_be_cancelled(hung: HungResolver) -> None:
    """Within a quarter of a second, though the resolver itself cannot be."""
    cancelled = threading.Event()
    threading.Timer(0.1, cancelled.set).start()
    with ends_within(0.1, 0.4), pytest.raises(DialError, match=r"\Acancelled\Z"):
        tcp.resolve("slow.test", deadline(30, cancelled.is_set))


def test_after_a_fork_nothing_is_under_way(hung: HungResolver) -> None:
    """The child has none of the parent's threads, and must not wait for them."""
    with pytest.raises(DialError):
        tcp.resolve("slow.test", deadline(0.1))
    with tcp._lookups_lock:  # held by a thread of the parent at the moment of the fork
        tcp._forget_lookups()
        assert tcp._lookups == {}
    hung.release.set()
    assert tcp.resolve("slow.test", deadline()) == hung.addresses
    assert hung.asked == 2


def test_no_thread_to_be_had_is_worth_another_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine may be short of them now."""

    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    with pytest.raises(DialError, match="can't start new thread") as caught:
        tcp.resolve("slow.test", deadline())
    assert caught.value.severity is Severity.RETRY
    assert tcp._lookups == {}


def test_a_refused_port_is_named() -> None:
    """With the address; it may open later."""
    port = free_port()
    with pytest.raises(DialError, match=rf"connecting to 127\.0\.0\.1 port {port}: 127\.0\.0\.1: Connection refused") as caught:
        tcp.connect("127.0.0.1", port, deadline())
    assert caught.value.severity is Severity.RETRY


@pytest.mark.skipif(sys.platform != "linux", reason="needs all of 127.0.0.0/8")
def test_a_refusal_leads_to_the_next_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """At once, and the winner is tuned for small messages."""
    monkeypatch.setattr(tcp, "resolve", lambda host, limit: places(("127.0.0.3", 0), ("127.0.0.2", 0), ("127.0.0.1", 0)))
    with Server(Peer.until_hangup, host="127.0.0.2") as server, ends_within(0, 0.1):
        wire = tcp.connect("two.test", server.port, deadline())
        assert wire.sock.getpeername() == ("127.0.0.2", server.port)
        assert wire.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert wire.sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert wire.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 30_000
        wire.close()


@pytest.mark.skipif(sys.platform != "linux", reason="needs a listen queue that drops what is too much")
def test_a_silent_address_does_not_hold_up_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a quarter of a second both are tried, and the loser is closed."""
    monkeypatch.setattr(tcp, "resolve", lambda host, limit: places(("127.0.0.1", 0), ("127.0.0.2", 0)))
    with blackhole() as port, Server(Peer.until_hangup, host="127.0.0.2", port=port), ends_within(0.25, 0.3):
        wire = tcp.connect("two.test", port, deadline())
        assert wire.sock.getpeername()[0] == "127.0.0.2"
        wire.close()


@pytest.mark.skipif(sys.platform != "linux", reason="needs a listen queue that drops what is too much")
def test_a_connect_ends_at_the_deadline_or_when_cancelled() -> None:
    """Though the system would try for two minutes."""
    cancelled = threading.Event()
    with blackhole() as port:
        with ends_within(0.3, 0.3), pytest.raises(DialError, match=f"connecting to 127.0.0.1 port {port}: timed out"):
            tcp.connect("127.0.0.1", port, deadline(0.3))
        threading.Timer(0.1, cancelled.set).start()
        with ends_within(0.1, 0.4), pytest.raises(DialError, match="cancelled"):
            tcp.connect("127.0.0.1", port, deadline(30, cancelled.is_set))


def test_a_family_that_this_machine_lacks_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """IPv6 switched off is no reason to fail."""
    odd = [(12345, socket.SOCK_STREAM, 6, "", ("::5", 0, 0, 0)), *places(("127.0.0.1", 0))]
    monkeypatch.setattr(tcp, "resolve", lambda host, limit: odd)
    with Server(Peer.until_hangup) as server:
        tcp.connect("two.test", server.port, deadline()).close()
    monkeypatch.setattr(tcp, "resolve", lambda host, limit: odd[:1])
    with pytest.raises(DialError, match="::5: "):
        tcp.connect("two.test", 80, deadline())


def test_an_address_that_cannot_be_dialled_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system says no at once, without a packet."""
    monkeypatch.setattr(tcp, "resolve", lambda host, limit: places(("255.255.255.255", 0), ("127.0.0.1", 0)))
    with Server(Peer.until_hangup) as server:
        tcp.connect("two.test", server.port, deadline()).close()


def test_a_connect_that_met_itself_is_no_connection() -> None:
    """It would read its own request as the answer."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        try:
            sock.connect(sock.getsockname())
        except OSError:
            pytest.skip("this system does not connect a socket to itself")
        failure = tcp._failure(sock)
        assert isinstance(failure, ConnectionRefusedError)
        assert failure.strerror == "nobody listens there"


def test_a_connection_lost_at_once_is_told() -> None:
    """It is gone between the connect and the first question."""
    with socket.socket() as sock:
        assert tcp._failure(sock) is not None


def test_exactly_leaves_the_rest() -> None:
    """What follows is for somebody else."""
    with connected(lambda peer: peer.send(b"abcdef"), deadline()) as wire:
        assert wire.exactly(4) == b"abcd"
        assert wire.exactly(2) == b"ef"


def test_an_end_before_the_answer_is_an_error() -> None:
    """With `exactly` and with `head`."""
    for read in (lambda wire: wire.exactly(4), BoundedSocket.head):
        with connected(lambda peer: peer.send(b"abc"), deadline()) as wire, pytest.raises(DialError, match="without an answer"):
            read(wire)


@pytest.mark.parametrize("end", [b"\r\n\r\n", b"\n\n", b"\n\r\n"])
def test_a_head_is_cut_at_the_empty_line(end: bytes) -> None:
    """However its pieces come, with what follows it kept."""

    def script(peer: Peer) -> None:
        peer.drip(b"HTTP/1.1 101 x\r\nA: b" + end, pause=0.001)
        peer.send(b"more\r\n\r\n")
        peer.until_hangup()

    with connected(script, deadline()) as wire:
        head, rest = wire.head()
        assert head == b"HTTP/1.1 101 x\r\nA: b"
        assert rest + wire.exactly(8 - len(rest)) == b"more\r\n\r\n"


@pytest.mark.parametrize("piece", [b"A" * 4096, b"A: b\r\n" * 512], ids=["one line", "many lines"])
def test_a_head_without_end_is_given_up(piece: bytes) -> None:
    """After 64 KiB, and it is not read further."""

    def script(peer: Peer) -> None:
        while True:
            peer.send(piece)

    with connected(script, deadline()) as wire, pytest.raises(DialError, match="longer than 65536 bytes") as caught:
        wire.head()
    assert caught.value.severity is Severity.FATAL


def test_a_head_that_ends_too_late_is_refused() -> None:
    """Also if its end has come with the last piece."""
    with (
        connected(lambda peer: peer.send(b"A" * 65_537 + b"\r\n\r\n"), deadline()) as wire,
        pytest.raises(DialError, match="longer"),
    ):
        wire.head()


def test_a_drip_does_not_move_the_deadline() -> None:
    """Every byte is in time for itself, and all of them are late."""
    with connected(lambda peer: peer.drip(b"A" * 1000), deadline(0.3)) as wire, times_out(0.3):
        wire.head()


def test_a_flood_does_not_move_the_deadline() -> None:
    """A peer that always has something to say never makes us wait, and is asked for the time all the same."""
    ours, theirs = socket.socketpair()

    def drain(wire: BoundedSocket) -> None:
        while True:
            wire.until_done(lambda: b"x", selectors.EVENT_READ)

    with ours, theirs, times_out(0.3):
        drain(BoundedSocket(ours, deadline(0.3)))


def test_a_send_to_a_deaf_peer_ends_at_the_deadline() -> None:
    """Kernel buffers are large, but not endless."""
    with connected(lambda peer: peer.stopping.wait(10), deadline(0.3)) as wire, times_out(0.3):
        wire.send(b"x" * 64 * 1024 * 1024)


def test_tls_says_itself_what_it_waits_for() -> None:
    """A read may need the socket writable, and a write readable."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        wire = BoundedSocket(ours, deadline())
        answers: list[object] = [ssl.SSLWantWriteError(), "written", ssl.SSLWantReadError(), "read"]

        def step() -> object:
            answer = answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

        assert wire.until_done(step, selectors.EVENT_READ) == "written"
        threading.Timer(0.05, theirs.send, (b"x",)).start()
        began = time.monotonic()
        assert wire.until_done(step, selectors.EVENT_WRITE) == "read"
        assert time.monotonic() - began >= 0.04
