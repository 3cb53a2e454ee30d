"""What is said behind a redirect: on a line to another host nothing that could be a credential. Through the public API."""

from __future__ import annotations

import contextlib
import threading
from typing import Any, Iterator

import pytest

from syncstream import Backoff, Connected, ConnectFailed, Disconnected, Feed, Keepalive, NotConnected, Secret, Step, Stream
from tests.servers.listening import Frame, hear, listen
from tests.servers.scripted import Peer, Server, switching

PATIENCE = 10.0
KEY = Secret("k3y-for-one-host-only")
PLAIN = {"op": "subscribe", "channel": "trades"}
LOGIN = {"op": "login", "key": KEY}


class Places:
    """Owned by: the test. Two servers on ports of their own, which is as good as two hosts; the first sends everyone away."""

    def __init__(self, location: str = "") -> None:
        self.heard: list[Frame] = []
        self.enough = threading.Event()  # something was heard at last
        self.other = Server(self._take)
        self.first = Server(self._send_away)
        self._location = location

    def _send_away(self, peer: Peer) -> None:
        request = peer.request()
        if self._location and request.startswith(f"GET {self._location} ".encode()):
            peer.send(switching(request))
            self._hear(peer)
            return
        where = self._location or f"ws://127.0.0.1:{self.other.port}/"
        peer.send(f"HTTP/1.1 302 Found\r\nLocation: {where}\r\nContent-Length: 0\r\n\r\n".encode())
        peer.until_hangup()

    def _take(self, peer: Peer) -> None:
        peer.upgrade()
        self._hear(peer)

    def _hear(self, peer: Peer) -> None:
        self.heard.append(hear(peer))
        self.enough.set()
        listen(peer, self.heard.append)

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.first.port}/v1"


@contextlib.contextmanager
def places(location: str = "") -> Iterator[Places]:
    both = Places(location)
    with both.other, both.first:
        yield both


def said(both: Places) -> bytes:
    return b" ".join(payload for _, payload in both.heard)


CREDENTIALS: dict[str, dict[str, Any]] = {
    "a Secret that subscribes": {"subscribe": LOGIN},
    "a Secret in a text": {"subscribe": f"login {KEY}"},
    "a Secret said by a callable": {"subscribe": lambda topics: [LOGIN, PLAIN], "topics": ["ABC"]},
    "a Secret in the second payload": {"subscribe": (PLAIN, LOGIN)},
    "a login script": {"opening": [Step(send={"op": "auth", "signed": "by hand"})], "subscribe": PLAIN},
    "a script that sends at its end": {"opening": [Step(expect=lambda message: True), Step(send=lambda: {"op": "auth"})]},
}


@pytest.mark.parametrize("what", CREDENTIALS)
def test_credentials_are_not_said_to_another_host(what: str) -> None:
    """It is not even dialled; the error names it, and says what to do if it is right."""
    with places() as both:
        with Stream(Feed(both.url, **CREDENTIALS[what])) as stream, pytest.raises(ConnectFailed) as caught:
            stream.get(timeout=PATIENCE)
        assert both.other.connections == 0
    assert f"if 127.0.0.1:{both.other.port} is right, give it as endpoint" in str(caught.value)
    assert "k3y" not in str(caught.value)


def test_what_is_no_credential_is_said_there() -> None:
    """A redirect of a public feed is followed, and the line is subscribed."""
    with places() as both, Stream(Feed(both.url, subscribe=PLAIN)):
        assert both.enough.wait(PATIENCE)
        assert said(both) == b'{"op":"subscribe","channel":"trades"}'


def test_a_redirect_on_the_same_host_is_told_everything() -> None:
    """It is the same venue."""
    with places("/v2") as both, Stream(Feed(both.url, subscribe=LOGIN)):
        assert both.enough.wait(PATIENCE)
        assert said(both) == b'{"op":"login","key":"k3y-for-one-host-only"}'
        assert both.other.connections == 0


def test_a_secret_that_comes_later_is_not_said_there_either() -> None:
    """A topic that is subscribed on an open line: that is lost, and not dialled there again."""

    def subscribe(topics: list[str]) -> Any:
        return {"topics": topics, "key": KEY} if "PRIVATE" in topics else PLAIN

    with places() as both:
        feed = Feed(both.url, subscribe=subscribe, topics=["PUBLIC"], backoff=Backoff(base=0.01, maximum=0.01))
        with Stream(feed) as stream:
            items = stream.events()
            assert both.enough.wait(PATIENCE)
            with pytest.raises(NotConnected, match="nothing was sent: it holds a Secret, and a redirect led to"):
                stream.send(LOGIN)
            stream.send("something else")
            stream.subscribe("PRIVATE")
            reasons = [item.reason for item in (next(items), next(items), next(items)) if isinstance(item, Disconnected)]
        assert both.other.connections == 1
    assert f"what is to be sent holds a Secret, and a redirect led to 127.0.0.1:{both.other.port}" in reasons[0]
    assert "give it as endpoint" in reasons[1]
    assert b"k3y" not in said(both)


def test_a_keepalive_with_a_secret_is_not_said_there() -> None:
    """Whatever it is that is sent of itself."""
    with places() as both:
        keepalive = Keepalive(every=0.05, send={"op": "ping", "key": KEY})
        with Stream(Feed(both.url, keepalive=keepalive, backoff=Backoff(base=30, maximum=30))) as stream:
            items = stream.events()
            assert isinstance(next(items), Connected)
            lost = next(items)
    assert isinstance(lost, Disconnected)
    assert "holds a Secret" in lost.reason
    assert both.heard == []
