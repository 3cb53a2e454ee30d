"""Streams through real nginx, haproxy and an HTTP proxy: upgrades, idle time-outs, reloads in mid-stream, restarts, TLS."""

from __future__ import annotations

import contextlib
import queue
import threading
from pathlib import Path
from typing import Any, Iterator

import msgspec
import pytest
import trustme
from websockets.sync.server import ServerConnection, serve

from syncstream import Backoff, Connected, ConnectFailed, Disconnected, Endpoint, Event, Feed, Liveness, Stream
from syncstream.clock import now
from syncstream.testing import Broker, Replica
from tests.servers import certificates
from tests.stream.setting import PATIENCE, catch_up, feed_of

from .programs import Program

pytestmark = pytest.mark.slow

FRONTS = pytest.mark.parametrize("name", ["nginx", "haproxy"])


class Venue:
    """Owned by: the test. Sends back what it gets, and says what the test wants said; compresses if it is asked to."""

    def __init__(self) -> None:
        self.lines: queue.SimpleQueue[ServerConnection] = queue.SimpleQueue()
        self.port = 0

    def handle(self, connection: ServerConnection) -> None:
        self.lines.put(connection)
        for message in connection:
            connection.send(message)


@contextlib.contextmanager
def echo() -> Iterator[Venue]:
    """A venue that never pings by itself."""
    venue = Venue()
    with serve(venue.handle, "127.0.0.1", 0, ping_interval=None) as server:
        venue.port = server.socket.getsockname()[1]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield venue
        finally:
            server.shutdown()
            thread.join()


def feed_to(port: int, *, scheme: str = "ws", endpoint: Any = None, **options: Any) -> Feed:
    """Frames as they are, by way of `port`."""
    where = Endpoint(url=f"{scheme}://localhost:{port}/", **(endpoint or {}))
    return Feed(where, decode=None, backoff=Backoff(base=0.05, maximum=0.1), **options)


@FRONTS
def test_messages_pass_both_ways(name: str) -> None:
    """Text, bytes, long ones, compressed by the venue."""
    with echo() as venue, Program(name, venue.port) as front, Stream(feed_to(front.port)) as stream:
        events = stream.events()
        assert isinstance(next(events), Connected)
        for said in ("grüße", b"\x00\xff", "x" * 300_000, ""):
            stream.send(said)
            assert next(events) == said


@FRONTS
def test_an_idle_time_out_is_a_cut_like_any(name: str) -> None:
    """The front hangs up with no close frame, as its second is over; the stream dials again and goes on."""
    quiet = Liveness(ping_after=60.0)
    with echo() as venue, Program(name, venue.port, idle=1) as front, Stream(feed_to(front.port, liveness=quiet)) as stream:
        events = stream.events()
        assert isinstance(next(events), Connected)
        began = now()
        lost = next(item for item in events if isinstance(item, Disconnected))
        assert lost.code in (1006, None)
        assert 0.5 < now() - began < PATIENCE
        next(item for item in events if isinstance(item, Connected))
        stream.send("again")
        assert next(item for item in events if not isinstance(item, Event)) == "again"


@FRONTS
def test_our_pings_keep_an_idle_line_open(name: str) -> None:
    """More often than the front's second: three of them pass, and it is the same line."""
    lively = Liveness(ping_after=0.3)
    with echo() as venue, Program(name, venue.port, idle=1) as front, Stream(feed_to(front.port, liveness=lively)) as stream:
        events = stream.events()
        assert isinstance(next(events), Connected)
        line = venue.lines.get(timeout=PATIENCE)
        threading.Event().wait(3.0)  # the time itself is what is tested
        line.send("still here")
        assert next(events) == "still here"
        assert venue.lines.empty()


@FRONTS
def test_a_reload_in_mid_stream_loses_nothing(name: str) -> None:
    """The open line stays where it is, message after message; a second stream goes by way of the new workers."""
    with echo() as venue, Program(name, venue.port) as front, Stream(feed_to(front.port)) as stream:
        events = stream.events()
        assert isinstance(next(events), Connected)
        line = venue.lines.get(timeout=PATIENCE)
        for number in range(300):
            if number == 100:
                front.reload()
            line.send(f"{number}")
            assert next(events) == f"{number}"
        with Stream(feed_to(front.port)) as second:
            assert isinstance(next(second.events()), Connected)
            venue.lines.get(timeout=PATIENCE)
        assert venue.lines.empty()


@FRONTS
def test_a_restart_of_the_front_is_healed(name: str) -> None:
    """All lines are cut; the stream waits until it is back, asks for the state and has what the venue has."""
    replica = Replica()
    with Broker(symbols=("ABC", "XYZ"), rate=200, heartbeat=0.1) as broker, Program(name, broker.port) as front:
        feed = msgspec.structs.replace(feed_of(broker), endpoint=broker.url.replace(str(broker.port), str(front.port)))
        with Stream(feed) as stream:
            follow(stream, replica, 20)
            front.stop()
            assert not stream.closed
            front.start()
            follow(stream, replica, 60)
            catch_up(stream, broker, replica)


def follow(stream: Stream, replica: Replica, position: int) -> None:
    """Take and apply, until a message of this position has come."""
    for item in stream:
        replica.apply(item)
        if not isinstance(item, Event) and item["seq"] >= position:
            return


@pytest.mark.parametrize("trusted", [True, False], ids=["trusted", "unknown"])
def test_tls_by_nginx_with_a_private_authority(trusted: bool, tmp_path: Path) -> None:
    """Whoever trusts the authority has a line through TLS that ends at the front; nobody else has."""
    chain = certificates.authority().issue_cert("localhost").private_key_and_cert_chain_pem.bytes()
    if trusted:
        sslopt = {"ca_certs": certificates.ca_file(tmp_path)}
    else:
        trustme.CA().cert_pem.write_to_path(str(tmp_path / "other.pem"))
        sslopt = {"ca_certs": str(tmp_path / "other.pem")}
    with echo() as venue, Program("nginx", venue.port, certificate=chain) as front:
        stream = Stream(feed_to(front.port, scheme="wss", endpoint={"sslopt": sslopt}))
        if trusted:
            with stream:
                events = stream.events()
                assert isinstance(next(events), Connected)
                for said in ("a", "x" * 300_000):
                    stream.send(said)
                    assert next(events) == said
        else:
            with pytest.raises(ConnectFailed, match="certificate was not accepted"):
                stream.get(timeout=PATIENCE)
            stream.close()


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
def test_by_way_of_an_http_proxy(secure: bool, tmp_path: Path) -> None:
    """CONNECT, then the venue's own protocol; TLS goes through it to the venue's front."""
    with contextlib.ExitStack() as stack:
        venue = stack.enter_context(echo())
        port, sslopt = venue.port, {}
        if secure:
            chain = certificates.authority().issue_cert("localhost").private_key_and_cert_chain_pem.bytes()
            port = stack.enter_context(Program("nginx", venue.port, certificate=chain)).port
            sslopt = {"ca_certs": certificates.ca_file(tmp_path)}
        proxy = stack.enter_context(Program("tinyproxy", port))
        way = {"proxy": f"http://127.0.0.1:{proxy.port}", "sslopt": sslopt}
        stream = stack.enter_context(Stream(feed_to(port, scheme="wss" if secure else "ws", endpoint=way)))
        events = stream.events()
        assert isinstance(next(events), Connected)
        for said in ("a", "x" * 300_000):
            stream.send(said)
            assert next(events) == said


def test_an_http_proxy_that_does_not_allow_it() -> None:
    """Its refusal is told as it is, and nobody waits for another answer."""
    with echo() as venue, Program("tinyproxy", venue.port + 1 if venue.port < 65535 else venue.port - 1) as proxy:
        stream = Stream(feed_to(venue.port, endpoint={"proxy": f"http://127.0.0.1:{proxy.port}"}))
        with pytest.raises(ConnectFailed, match=r"asking the proxy http://127.0.0.1:.*: refused with status 403"):
            stream.get(timeout=PATIENCE)
        stream.close()
