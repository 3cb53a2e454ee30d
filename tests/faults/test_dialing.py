"""What can stand between a stream and its venue: certificates, refusals, redirects, proxies. Through the public API."""

from __future__ import annotations

import contextlib
import logging
import shutil
import ssl
from email.utils import formatdate
from pathlib import Path
from typing import Any, Iterator, Optional

import msgspec
import pytest

from syncstream import Backoff, Budget, Connected, ConnectFailed, Disconnected, Endpoint, Event, Feed, Stream, turnstile
from syncstream.clock import now, wall_ns
from syncstream.errors import DialError
from syncstream.testing import Broker
from tests.servers.certificates import ca_file, server_context
from tests.servers.relay import Relay
from tests.servers.scripted import Peer, Server

from .follower import Follower, feed_of
from .programs import free_port, listening

PATIENCE = 20.0
AT_ONCE = 8.0
"""Seconds within which what is pointless must be over, on a busy machine; otherwise it goes on for a minute."""


@pytest.fixture
def broker() -> Iterator[Broker]:
    with Broker(rate=100.0) as broker:
        yield broker


@pytest.fixture
def trusting(tmp_path: Path) -> dict[str, Any]:
    return {"ca_certs": ca_file(tmp_path)}


def secure(relay: Relay, sslopt: dict[str, Any], host: str = "localhost") -> Endpoint:
    return Endpoint(url=f"wss://{host}:{relay.port}/feed", sslopt=sslopt)


def refused(feed: Feed) -> ConnectFailed:
    """The failure of a stream that must end at once, before anything was dialled twice."""
    began = now()
    with Stream(feed) as stream, pytest.raises(ConnectFailed) as caught:
        stream.get(timeout=PATIENCE)
    assert now() - began < AT_ONCE
    return caught.value


# ---------------------------------------------------------------- certificates


def test_a_good_certificate(broker: Broker, trusting: dict[str, Any]) -> None:
    """Of an authority the user named: messages come, and a cut is healed as without TLS."""
    with Relay(broker.port, tls=server_context()) as relay:
        feed = feed_of(broker, endpoint=secure(relay, trusting), backoff=Backoff(base=0.1))
        with Stream(feed) as stream:
            follower = Follower(broker, stream)
            follower.warm_up()
            began = follower.begin()
            relay.cut()
            follower.until(follower.noticed)
            assert follower.record(began).wrong == ()


@pytest.mark.parametrize(("verified", "warnings"), [(True, 0), (False, 1)])
def test_verification_that_is_off_is_said_once(
    broker: Broker, trusting: dict[str, Any], caplog: pytest.LogCaptureFixture, verified: bool, warnings: int
) -> None:
    """A warning for each stream, however often it connects; none where all is checked, as it is by default."""
    with caplog.at_level(logging.WARNING, "syncstream"), Relay(broker.port, tls=server_context()) as relay:
        endpoint = secure(relay, trusting if verified else {"cert_reqs": ssl.CERT_NONE})
        with Stream(feed_of(broker, endpoint=endpoint, backoff=Backoff(base=0.1))) as stream:
            follower = Follower(broker, stream)
            follower.warm_up()
            relay.cut()
            follower.until(follower.noticed)
            follower.until(follower.all_speak)
    assert broker.counts["connects"] == 2
    said = [record.getMessage() for record in caplog.records if "not verified" in record.getMessage()]
    assert len(said) == warnings


BAD: dict[str, tuple[str, ssl.SSLContext, str]] = {
    "expired": ("localhost", server_context(expired=True), "expired"),
    "of another host": ("localhost", server_context("other.test"), "Hostname mismatch"),
    "of a name, dialled by number": ("127.0.0.1", server_context(), "IP address mismatch"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_certificate(broker: Broker, trusting: dict[str, Any], name: str) -> None:
    """Fatal at once, by default settings, and it says what is wrong with it."""
    host, context, words = BAD[name]
    with Relay(broker.port, tls=context) as relay:
        assert words in str(refused(feed_of(broker, endpoint=secure(relay, trusting, host))))
    assert broker.counts["connects"] == 0


def test_a_certificate_of_an_unknown_authority(broker: Broker) -> None:
    """Verification is on without being asked for; the system's own authorities are those that count."""
    with Relay(broker.port, tls=server_context()) as relay:
        error = refused(feed_of(broker, endpoint=secure(relay, {})))
    assert "the certificate was not accepted" in str(error)
    assert isinstance(error.__cause__.__cause__, ssl.SSLCertVerificationError)  # type: ignore[union-attr]


def test_a_certificate_that_goes_bad_while_the_stream_lives(broker: Broker, trusting: dict[str, Any]) -> None:
    """No failure then: it is told, tried slowly, and when the venue has mended it the stream goes on."""
    with Relay(broker.port, tls=server_context()) as relay:
        feed = feed_of(broker, endpoint=secure(relay, trusting), backoff=Backoff(base=0.1, maximum=0.2))
        with Stream(feed) as stream:
            follower = Follower(broker, stream)
            follower.warm_up()
            relay.secure(server_context("other.test"))
            relay.cut()
            bad: list[Event] = []
            while not any("Hostname mismatch" in event.reason for event in bad if isinstance(event, Disconnected)):
                bad.append(follower.take(PATIENCE))
            assert all(event.retry_in >= 0.1 for event in bad[-1:] if isinstance(event, Disconnected) and event.retry_in)
            relay.secure(server_context())
            began = follower.begin()
            assert follower.record(began).wrong == ()


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_a_refusal_that_waiting_does_not_mend(broker: Broker, status: int) -> None:
    """Fatal before the stream ever worked, with the status in the text."""
    broker.faults.refuse(status, attempts=5)
    assert f"refused with status {status}" in str(refused(feed_of(broker)))
    assert broker.counts["refused"] == 1


@pytest.mark.parametrize("status", [401, 403])
def test_the_same_refusal_once_it_has_worked(broker: Broker, status: int) -> None:
    """Told and tried again slowly: a venue that restarts says such things."""
    feed = feed_of(broker, backoff=Backoff(base=0.05, maximum=0.2))
    with Stream(feed) as stream:
        follower = Follower(broker, stream)
        follower.warm_up()
        broker.faults.refuse(status, attempts=2)
        broker.faults.cut()
        began = follower.begin()
        follower.until(lambda: broker.counts["refused"] == 2)
        assert follower.record(began).wrong == ()


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("form", ["seconds", "date"])
def test_a_venue_that_asks_to_wait_is_obeyed(broker: Broker, status: int, form: str) -> None:
    """`Retry-After`, as seconds and as a date, is the least; jitter comes on top. The stream then works."""
    asked = "1" if form == "seconds" else formatdate(wall_ns() / 1e9 + 2.0, usegmt=True)
    head = f"HTTP/1.1 {status} Wait\r\nRetry-After: {asked}\r\nContent-Length: 0\r\n\r\n"
    with Relay(broker.port) as relay:
        relay.answer(head.encode(), times=1)
        feed = feed_of(broker, endpoint=f"ws://127.0.0.1:{relay.port}/feed", backoff=Backoff(base=0.1, maximum=0.1))
        with Stream(feed) as stream:
            items = stream.events()
            first, second = next(items), next(items)
    assert isinstance(first, Disconnected)
    assert isinstance(second, Connected)
    assert str(status) in first.reason
    assert first.retry_in is not None
    assert (0.1 if form == "date" else 1.0) <= first.retry_in <= 2.2  # a date has whole seconds, and these go by
    assert second.at_ns - first.at_ns >= first.retry_in * 1e9 - 1e6


@contextlib.contextmanager
def redirected(broker: Broker, elsewhere: int) -> Iterator[Endpoint]:
    """An endpoint with credentials, whose host sends everyone to another port."""
    with Relay(broker.port) as relay:
        relay.answer(f"HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:{elsewhere}/take?x=1\r\nContent-Length: 0\r\n\r\n".encode())
        url = f"ws://mine:word@127.0.0.1:{relay.port}/feed?token=mine"
        yield Endpoint(url=url, headers={"X-Key": "mine", "Authorization": "Bearer mine"})


def test_a_redirect_to_another_host_is_followed_and_takes_nothing_along(broker: Broker) -> None:
    """The other host is asked, without a header, login or query of ours; what it says to that is the answer."""
    asked: list[bytes] = []

    def elsewhere(peer: Peer) -> None:
        asked.append(peer.request())
        peer.send(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")

    with Server(elsewhere) as other, redirected(broker, other.port) as endpoint:
        error = refused(feed_of(broker, endpoint=endpoint))
    assert f"upgrade at ws://127.0.0.1:{other.port}/take?...: refused with status 403" in str(error)
    assert asked[0].startswith(b"GET /take?x=1 HTTP/1.1\r\n")
    assert b"mine" not in asked[0]
    assert b"Authorization" not in asked[0]


def test_a_redirect_counts_as_a_dial_of_its_host(broker: Broker) -> None:
    """The budget of the host that it leads to is used, too."""
    budget = Budget(count=1, per=60.0)
    with redirected(broker, broker.port) as endpoint:
        error = refused(feed_of(broker, endpoint=msgspec.structs.replace(endpoint, headers={}), dial_budget=budget))
        assert "refused with status 404" in str(error)  # it has no such page, and that was the dial
        with pytest.raises(DialError, match=f"127.0.0.1:{broker.port}: its dial budget"):
            turnstile.enter(broker.url, budget, cancelled=lambda: False)


def test_a_redirect_is_refused_where_none_may_be_followed(broker: Broker) -> None:
    """The other host is never dialled; the error says where it would have led."""
    with Server(lambda peer: peer.request()) as other, redirected(broker, other.port) as endpoint:
        error = refused(feed_of(broker, endpoint=msgspec.structs.replace(endpoint, max_redirects=0)))
        assert f"a redirect to ws://127.0.0.1:{other.port}/take?...; redirects are not followed" in str(error)
        assert other.connections == 0


# ---------------------------------------------------------------- proxies


@contextlib.contextmanager
def tinyproxy(folder: Path, login: str = "") -> Iterator[int]:
    """An HTTP proxy that allows CONNECT to any port."""
    found = shutil.which("tinyproxy")
    if found is None:
        pytest.skip("no tinyproxy on this machine (Debian: tinyproxy-bin)")
    port = free_port()
    lines = [f"Port {port}", "Listen 127.0.0.1", "Timeout 60", "Allow 127.0.0.1", "MaxClients 20", "LogLevel Critical"]
    if login:
        lines.append(f"BasicAuth {login}")
    (folder / "tinyproxy.conf").write_text("\n".join([*lines, ""]))
    with listening(port, found, "-d", "-c", str(folder / "tinyproxy.conf")):
        yield port


@contextlib.contextmanager
def microsocks(login: tuple[str, str] = ("", "")) -> Iterator[int]:
    """A SOCKS 5 proxy."""
    found = shutil.which("microsocks")
    if found is None:
        pytest.skip("no microsocks on this machine (Debian: microsocks)")
    port = free_port()
    options = ("-u", login[0], "-P", login[1]) if login[0] else ()
    with listening(port, found, "-i", "127.0.0.1", "-p", str(port), *options):
        yield port


def through(broker: Broker, proxy: str, url: Optional[str] = None, sslopt: Optional[dict[str, Any]] = None) -> Feed:
    endpoint = Endpoint(url=url or broker.url, proxy=proxy, sslopt=sslopt or {})
    return feed_of(broker, endpoint=endpoint, backoff=Backoff(base=0.1))


def works(broker: Broker, feed: Feed) -> None:
    """Messages come, and a cut is healed."""
    with Stream(feed) as stream:
        follower = Follower(broker, stream)
        follower.warm_up()
        began = follower.begin()
        broker.faults.cut()
        follower.until(follower.noticed)
        assert follower.record(began).wrong == ()


def test_a_real_http_proxy(broker: Broker, tmp_path: Path) -> None:
    """By CONNECT."""
    with tinyproxy(tmp_path) as port:
        works(broker, through(broker, f"http://127.0.0.1:{port}"))


def test_a_real_http_proxy_that_wants_a_login(broker: Broker, tmp_path: Path) -> None:
    """The right one passes; the wrong one is fatal at once and not shown."""
    with tinyproxy(tmp_path, "me hush-proxy") as port:
        works(broker, through(broker, f"http://me:hush-proxy@127.0.0.1:{port}"))
        error = refused(through(broker, f"http://me:wrong-word@127.0.0.1:{port}"))
        assert "wrong-word" not in str(error)


def test_tls_through_a_real_http_proxy(broker: Broker, tmp_path: Path, trusting: dict[str, Any]) -> None:
    """The certificate is the venue's, checked for the venue's name."""
    with Relay(broker.port, tls=server_context()) as relay, tinyproxy(tmp_path) as port:
        works(broker, through(broker, f"http://127.0.0.1:{port}", f"wss://localhost:{relay.port}/feed", trusting))


@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
@pytest.mark.parametrize("login", [("", ""), ("me", "hush-proxy")])
def test_a_real_socks_proxy(broker: Broker, scheme: str, login: tuple[str, str]) -> None:
    """With the look-up here or there, with a login and without."""
    with microsocks(login) as port:
        at = f"{login[0]}:{login[1]}@" if login[0] else ""
        url = broker.url.replace("127.0.0.1", "localhost") if scheme == "socks5h" else None
        works(broker, through(broker, f"{scheme}://{at}127.0.0.1:{port}", url))


def test_a_proxy_that_is_not_there_is_tried_again(broker: Broker) -> None:
    """It is the network's trouble, and says whose port refused."""
    port = free_port()
    feed = through(broker, f"http://127.0.0.1:{port}")
    with Stream(feed) as stream:
        first = next(stream.events())
    assert isinstance(first, Disconnected)
    assert f"connecting to 127.0.0.1 port {port}" in first.reason


def test_a_real_proxy_whose_venue_is_away(broker: Broker, tmp_path: Path) -> None:
    """What the proxy answers is told; when the venue is back the stream works."""
    with Relay(broker.port) as relay, tinyproxy(tmp_path) as port:
        relay.go_away()
        with Stream(through(broker, f"http://127.0.0.1:{port}", f"ws://127.0.0.1:{relay.port}/feed")) as stream:
            follower = Follower(broker, stream)
            follower.until(follower.noticed)
            relay.heal()
            began = follower.begin()
            assert follower.record(began).wrong == ()


def hangs(peer: Peer) -> None:
    peer.request()
    peer.until_hangup()


def test_a_proxy_that_hangs_costs_one_attempt(broker: Broker) -> None:
    """The deadline of the attempt holds over it."""
    with Server(hangs) as server:
        feed = feed_of(broker, endpoint=Endpoint(url=broker.url, proxy=f"http://127.0.0.1:{server.port}"), dial_timeout=0.3)
        with Stream(feed) as stream:
            began = now()
            first = next(stream.events())
            assert isinstance(first, Disconnected)
            assert "timed out (0.3 s" in first.reason
            assert 0.25 < now() - began < 0.3 + AT_ONCE
