"""No secret is ever shown: every way to fail is driven with a marked one, and all that a user can see is searched for it.

What the user's own code raises is chained as it was (`__cause__`), and is the one thing that is not searched; the log is, with
the tracebacks of those exceptions.
"""

from __future__ import annotations

import contextlib
import functools
import json
import logging
import ssl
import traceback
from pathlib import Path
from typing import Any, Callable, Iterator, Optional

import pytest

from syncstream import (
    Backoff,
    Contiguous,
    Disconnected,
    Endpoint,
    Feed,
    FeedError,
    Gap,
    HandlerFailed,
    Kind,
    Quarantined,
    Refused,
    Rest,
    Secret,
    Step,
    Stream,
    StreamFailed,
    SyncstreamError,
)
from syncstream.core.frames import CLOSE, TEXT
from syncstream.testing import Broker
from syncstream.testing.wire import close_frame, text_frame
from tests.servers.certificates import ca_file, server_context
from tests.servers.listening import hear
from tests.servers.scripted import Peer, Server

PATIENCE = 8.0

KEY = Secret("hush-4711/+ä-key")
MARK = "hush-4711"
"""What is searched for: the beginning of it, which no way to write it changes."""


class Seen:
    """Owned by: the test. All that a user could have seen."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self.errors: list[BaseException] = []
        self.events: list[Any] = []

    def look(self, *things: Any) -> None:
        for thing in things:
            self._texts += [repr(thing), str(thing)]

    def error(self, error: BaseException) -> None:
        """The error, and those of ours below it; of the traceback what it says of them."""
        self.errors.append(error)
        one: Optional[BaseException] = error
        while one is not None:
            if isinstance(one, SyncstreamError) or getattr(one, "errno", None) is not None:  # ours, or the system's
                self.look(one, *one.args)
                self._texts += traceback.format_exception_only(type(one), one)
            one = one.__cause__ or one.__context__

    def stream(self, feed: Feed, until: Callable[[Any], bool] = lambda item: False, **options: Any) -> None:
        """Run a stream until it fails or an event is enough, and look at everything it says."""
        self.look(feed, feed.endpoint if isinstance(feed.endpoint, Endpoint) else "", feed.snapshot)
        with contextlib.suppress(StreamFailed), Stream(feed, **options) as stream:
            stream.events()
            try:
                while True:
                    item = stream.get(timeout=PATIENCE)
                    self.events.append(item)
                    if not isinstance(item, dict):
                        self.look(item)
                    if until(item):
                        break
            except StreamFailed as error:
                self.error(error)
                with contextlib.suppress(StreamFailed):
                    stream.join()
            self.look(stream, stream.status, stream.queue, stream.latest, stream.close(), stream.set_aside)
            self.look(stream)

    def calls(self, call: Callable[[], Any]) -> None:
        """A call that must be refused."""
        with pytest.raises(FeedError) as caught:
            call()
        self.error(caught.value)

    def check(self, caplog: pytest.LogCaptureFixture) -> None:
        """Nothing of it anywhere."""
        self._texts += [logging.Formatter().format(record) for record in caplog.records]
        self._texts.append(caplog.text)
        assert [text for text in self._texts if MARK in text] == []


@pytest.fixture
def seen(caplog: pytest.LogCaptureFixture) -> Iterator[Seen]:
    caplog.set_level(logging.DEBUG)
    seen = Seen()
    yield seen
    seen.check(caplog)


def once(error: str) -> Callable[[Any], bool]:
    """Whether the attempt has failed with this in its reason."""
    return lambda item: isinstance(item, Disconnected) and error in item.reason


def feed_of(url: str, **changes: Any) -> Feed:
    """A feed that has the secret wherever one can be: in the path, the query, a header and the subscription."""
    settings: dict[str, Any] = {
        "subscribe": {"op": "login", "key": KEY},
        "headers": {"X-Key": KEY, "Authorization": f"Bearer {KEY}"},
        "backoff": Backoff(base=0.01, maximum=0.02),
        "first_live_limit": 0.5,
    }
    settings.update(changes)
    if "headers" in changes and changes["headers"] is None:
        del settings["headers"]
    return Feed(f"{url}/v1/{MARKED}/feed?token={KEY}", **settings)


MARKED = "".join(f"%{byte:02X}" if byte > 127 or chr(byte) in "/+" else chr(byte) for byte in KEY.encode())
"""As it stands in a path."""


def says(line: str, *headers: str, body: bytes = b"") -> Callable[[Peer], None]:
    """A server that gives this answer to every request."""

    def script(peer: Peer) -> None:
        peer.request()
        lines = [f"HTTP/1.1 {line}", f"Content-Length: {len(body)}", "Connection: close", *headers]
        peer.send("\r\n".join([*lines, "", ""]).encode() + body)

    return script


ECHO = f"the key {KEY} is not known"


def not_http(peer: Peer) -> None:
    peer.request()
    peer.send(ECHO.encode() + b"\r\n\r\n")
    peer.until_hangup()


REFUSALS: dict[str, Callable[[Peer], None]] = {
    "401": says("401 No", body=ECHO.encode()),
    "403 in the phrase": says(f"403 {ECHO}".replace("ä", "a").replace(KEY, str(KEY).replace("ä", "a"))),
    "404 in JSON": says("404 No", "Content-Type: application/json", body=json.dumps({"error": ECHO}).encode()),
    "429": says("429 Slow", "Retry-After: 1", body=ECHO.encode()),
    "503": says("503 Later", body=b"x" * 195 + str(KEY).encode()),
    "redirect": says("302 Found", f"Location: wss://other.test/{MARKED}?token={MARKED}"),
    "not HTTP": not_http,
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refused_upgrade(seen: Seen, name: str) -> None:
    """The venue repeats the secret in its answer, in full or cut at the limit of what is looked at."""
    with Server(REFUSALS[name]) as server:
        seen.stream(feed_of(f"ws://127.0.0.1:{server.port}"))
    assert seen.errors


def venue(*answers: bytes) -> Callable[[Peer], None]:
    """One that checks that the login came plain, then says these frames."""

    def script(peer: Peer) -> None:
        peer.upgrade()
        opcode, payload = hear(peer)
        assert opcode == TEXT
        assert json.loads(payload) == {"op": "login", "key": str(KEY)}
        for answer in answers:
            peer.send(answer)
        with contextlib.suppress(ConnectionError):
            while hear(peer)[0] != CLOSE:
                continue
            peer.send(close_frame(1000, ""))
        peer.until_hangup()

    return script


PLAIN = "plain-0815"
"""A key that nobody has marked, where nothing is shown anyway: in a header, a query or a login."""


@pytest.mark.parametrize("where", ["header", "query", "login"])
@pytest.mark.parametrize("how", ["close", "error", "opening"])
def test_what_the_upgrade_sent_is_not_repeated_on_the_line(seen: Seen, where: str, how: str, caplog: Any) -> None:
    """By a venue that names the key in its goodbye, in an error, or where it refuses the login; `Secret` or not."""

    def script(peer: Peer) -> None:
        peer.upgrade()
        said = f"the key {PLAIN} is not known"
        peer.send(close_frame(1008, said) if how == "close" else text_frame(json.dumps({"type": "error", "text": said}).encode()))
        peer.until_hangup()

    steps = [Step(expect=lambda message: False, fail=lambda message: message["text"])] if how == "opening" else []
    with Server(script) as server:
        login = f"me:{PLAIN}@" if where == "login" else ""
        url = f"ws://{login}127.0.0.1:{server.port}/" + (f"?token={PLAIN}" if where == "query" else "")
        headers = {"Authorization": f"Bearer {PLAIN}"} if where == "header" else {}
        feed = Feed(Endpoint(url=url, headers=headers), opening=steps, classify=lambda message: Kind.ERROR)
        seen.stream(feed, lambda item: "is not known" in getattr(item, "reason", ""))
    told = [*(event.reason for event in seen.events if isinstance(event, (Disconnected, Refused))), *map(str, seen.errors)]
    assert any("the key *** is not known" in text for text in told)
    assert not any(PLAIN in text for text in (*told, *(repr(event) for event in seen.events), caplog.text))


def test_a_close_reason(seen: Seen) -> None:
    """A venue that repeats the key where it says goodbye; the login itself went out plain."""
    with Server(venue(close_frame(1008, f"bad key {KEY}"))) as server:
        seen.stream(feed_of(f"ws://127.0.0.1:{server.port}"), once("1008"))
    assert any(isinstance(event, Disconnected) and event.reason.endswith("bad key ***") for event in seen.events)


@pytest.mark.parametrize("size", [0, 95, 110, 190, 250, 495, 510])
def test_a_frame_that_cannot_be_read(seen: Seen, size: int) -> None:
    """Its beginning is kept, and may end within the secret."""
    payload = b"x" * size + ECHO.encode()
    with Server(venue(text_frame(payload))) as server:
        seen.stream(feed_of(f"ws://127.0.0.1:{server.port}"), lambda item: isinstance(item, Quarantined))
    assert isinstance(seen.events[-1], Quarantined)


def test_a_protocol_error(seen: Seen) -> None:
    """A frame that no server may send."""
    with Server(venue(b"\xf1\x05" + str(KEY).encode()[:5])) as server:
        seen.stream(feed_of(f"ws://127.0.0.1:{server.port}"), once("protocol error"))
    assert isinstance(seen.events[-1], Disconnected)


def raises(error: type[BaseException]) -> Callable[..., Any]:
    """The user's code, which says the secret in what it raises."""

    def callable_of_the_feed(*arguments: Any) -> Any:
        raise error(f"no luck with {KEY}")

    return callable_of_the_feed


MESSAGES = tuple(text_frame(json.dumps({"symbol": "A", "seq": number}).encode()) for number in range(1, 13))


@pytest.mark.parametrize("field", ["key", "classify", "decode"])
def test_a_callable_on_the_reader(seen: Seen, field: str) -> None:
    """What it raises is told of each message, and at last ends the stream."""
    with Server(venue(*MESSAGES)) as server:
        changes: dict[str, Any] = {field: raises(ValueError), "first_data_limit": 0.2}
        seen.stream(feed_of(f"ws://127.0.0.1:{server.port}", **changes))
    assert any(isinstance(event, Quarantined) for event in seen.events)
    assert seen.errors


def test_a_reader_that_breaks(seen: Seen) -> None:
    """SystemExit out of a callable of the feed ends it, and the log has the traceback."""
    with Server(venue(*MESSAGES)) as server:
        seen.stream(feed_of(f"ws://127.0.0.1:{server.port}", key=raises(SystemExit)))
    assert "the reader broke" in str(seen.errors[0])


@pytest.mark.parametrize("error", [ValueError, ConnectionError, SystemExit])
@pytest.mark.parametrize("field", ["endpoint", "subscribe"])
def test_a_callable_on_the_dialer(seen: Seen, field: str, error: type[BaseException]) -> None:
    """A token server that says the token."""
    backoff = Backoff(base=0.01, maximum=0.02)
    if field == "endpoint":
        feed = Feed(raises(error), backoff=backoff, first_live_limit=0.3)
    else:
        feed = feed_of("ws://127.0.0.1:9", subscribe=raises(error), topics=["A"], first_live_limit=0.3)
    seen.stream(feed)
    assert seen.errors


def test_an_endpoint_that_cannot_be_dialled(seen: Seen) -> None:
    """A callable that returns what is no URL, and one whose header has a line break."""
    for returned in (f"http://venue.test/{MARKED}", f"wss://{MARKED} venue.test/", str(KEY)):
        seen.stream(Feed(functools.partial(str, returned)))
    seen.stream(Feed(lambda: Endpoint(url="wss://venue.test/", headers={"X-Key": f"{KEY}\r\nX: y"})))
    assert len(seen.errors) == 4


@pytest.mark.parametrize("answer", ["log", "quarantine", "raise"])
def test_a_callback(seen: Seen, answer: str) -> None:
    """What it raises stands in the log, in an event and in the failure."""
    with Server(venue(*MESSAGES[:1])) as server, contextlib.suppress(StreamFailed):
        feed = feed_of(f"ws://127.0.0.1:{server.port}", key="symbol")
        with Stream(feed) as stream:
            stream.on()(raises(ValueError))

            @stream.on(Quarantined)
            def told(event: Quarantined) -> None:
                seen.events.append(event)
                seen.look(event)
                stream.close()

            stream.on()(lambda item: stream.close() if answer == "log" else None)
            try:
                stream.run(markers="ignore", on_error=answer)
            except HandlerFailed as error:
                seen.error(error)
            seen.look(stream, stream.status)
    assert bool(seen.errors) is (answer == "raise")
    assert bool(seen.events) is (answer == "quarantine")


def cut_answer(peer: Peer) -> None:
    peer.request()
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n" + KEY.encode())


BODIES: dict[str, Callable[[Peer], None]] = {
    "HTML": says("200 OK", "Content-Type: text/html", body=f"<html>{ECHO}</html>".encode()),
    "not a position": says("200 OK", "Content-Type: application/json", body=json.dumps({"seq": [str(KEY)]}).encode()),
    "an empty object": says("200 OK", "Content-Type: application/json", body=b"{}"),
    "403": says("403 No", body=ECHO.encode()),
    "cut at the limit": says("404 No", body=b"x" * 70 + str(KEY).encode()),
    "strange type": says("200 OK", f"Content-Type: {MARKED}", body=b"<"),
    "redirect to nowhere": says("302 Found", f"Location: ftp://other.test/{MARKED}?token={MARKED}"),
    "redirect": says("302 Found", f"Location: http://127.0.0.1:9/{MARKED}?token={MARKED}"),
    "cut": cut_answer,
}


@pytest.mark.parametrize("name", BODIES)
def test_a_snapshot(seen: Seen, name: str) -> None:
    """Its URL, its headers, and what the venue says of them."""
    with Server(venue(*MESSAGES)) as server, Server(BODIES[name]) as site:
        rest = Rest(
            f"http://me:{MARKED}@127.0.0.1:{site.port}/{MARKED}/{{key}}?token={MARKED}",
            position="seq",
            headers={"X-Key": Secret("hush-4711-header")},
            attempts=2,
            backoff=Backoff(base=0.01, maximum=0.02),
        )
        feed = feed_of(f"ws://127.0.0.1:{server.port}", key="symbol", sequence=Contiguous("seq"), snapshot=rest)
        seen.stream(feed, lambda item: isinstance(item, Gap) and not item.healing)
    assert seen.errors or isinstance(seen.events[-1], Gap)


@pytest.mark.parametrize("field", ["url", "headers"])
def test_a_callable_of_a_snapshot(seen: Seen, field: str) -> None:
    """Asked before every request."""
    with Server(venue(*MESSAGES)) as server:
        url: Any = raises(ValueError) if field == "url" else "http://127.0.0.1:9/{key}"
        headers: Any = raises(ValueError) if field == "headers" else {}
        rest = Rest(url, position="seq", headers=headers, backoff=Backoff(base=0.01, maximum=0.02))
        seen.stream(feed_of(f"ws://127.0.0.1:{server.port}", key="symbol", sequence=Contiguous("seq"), snapshot=rest))
    assert seen.errors


def test_nobody_listens_and_nobody_is_called_that(seen: Seen) -> None:
    """The system's own errors name the host, and here the secret is in the URL."""
    seen.stream(feed_of("ws://127.0.0.1:9"))
    seen.stream(feed_of("ws://no-such-host.invalid"))
    assert len(seen.errors) == 2


def test_a_certificate(seen: Seen, tmp_path: Path) -> None:
    """A wrong one, and one that cannot be verified."""

    def script(peer: Peer) -> None:
        with contextlib.suppress(ssl.SSLError):
            peer.start_tls(server_context("other.test"))
            peer.until_hangup()

    with Server(script) as server:
        options: list[dict[str, Any]] = [{}, {"ca_certs": ca_file(tmp_path)}, {"ca_certs": f"/no/{KEY}"}, {"nonsense": KEY}]
        for sslopt in options:
            url = f"wss://127.0.0.1:{server.port}/{MARKED}?token={KEY}"
            seen.stream(Feed(Endpoint(url=url, headers={"X-Key": KEY}, sslopt=sslopt)))
    assert len(seen.errors) == 4


@pytest.mark.parametrize("scheme", ["http", "socks5"])
def test_a_proxy(seen: Seen, scheme: str) -> None:
    """Its password, and the answer of one that repeats it."""

    def http(peer: Peer) -> None:
        peer.request()
        peer.send(f"HTTP/1.1 407 {MARKED}\r\nX: {MARKED}\r\n\r\n".encode())
        peer.until_hangup()

    def socks(peer: Peer) -> None:
        peer.read(4)
        peer.send(b"\x05\x02")
        size = peer.read(2)[1]
        peer.read(size)
        peer.read(peer.read(1)[0])
        peer.send(b"\x01\x01")
        peer.until_hangup()

    with Server(http if scheme == "http" else socks) as server:
        proxy = f"{scheme}://me:{MARKED}@127.0.0.1:{server.port}"
        seen.stream(Feed(Endpoint(url=f"ws://venue.test/{MARKED}", proxy=proxy), first_live_limit=0.5))
    assert seen.errors


def test_what_is_refused_before_anything_is_dialled(seen: Seen) -> None:
    """A feed that cannot work, and a call that cannot be answered."""
    seen.calls(lambda: Feed(f"http://venue.test/{MARKED}?token={KEY}"))
    seen.calls(lambda: Feed(f"wss://me:{KEY}@venue .test/"))
    seen.calls(lambda: Feed("wss://venue.test/", headers={"X-Key": f"{KEY}\n"}))
    seen.calls(lambda: Feed("wss://venue.test/", headers={f"X-Key: {KEY}": "x"}))
    seen.calls(lambda: Feed("wss://venue.test/", subscribe={"key": KEY, "bad": object()}))
    seen.calls(lambda: Feed("wss://venue.test/", topics=[KEY]))
    seen.calls(lambda: Feed("wss://venue.test/", nonsense=KEY))  # type: ignore[call-arg]
    seen.calls(lambda: Feed("wss://venue.test/", key=KEY + "..x"))
    seen.calls(lambda: Rest(f"https://venue.test/{MARKED}/{{other}}", whole=True))
    seen.calls(lambda: Endpoint(url="wss://venue.test/", proxy=f"ftp://me:{KEY}@proxy.test/"))
    with Broker(rate=0) as broker, Stream(Feed(broker.url)) as stream:
        seen.calls(lambda: stream.send({"key": KEY, "bad": object()}))
        stream.on()(print)
        seen.calls(lambda: stream.run(markers="ignore", on_error=KEY))
        seen.calls(lambda: stream.on(KEY))  # type: ignore[arg-type]


def test_an_overflow(seen: Seen) -> None:
    """A consumer that is too slow for messages that hold the secret: they are data, and nobody else's text shows them."""
    frames = [text_frame(json.dumps({"symbol": "A", "key": KEY}).encode())] * 50
    with Server(venue(*frames)) as server:
        seen.stream(feed_of(f"ws://127.0.0.1:{server.port}", key="symbol"), queue_size=3)
    assert seen.errors
