"""send(): what the venue hears, from any thread, and what the sender is told when it does not hear it."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import random
import threading
from pathlib import Path
from typing import Any, Callable, Iterator, Optional, Sequence

import msgspec
import pytest

from syncstream import (
    Backoff,
    Connected,
    Contiguous,
    Deflate,
    Disconnected,
    Endpoint,
    Feed,
    FeedError,
    NotConnected,
    SendUnknown,
    Stream,
    link,
)
from syncstream.clock import now
from syncstream.core.frames import BINARY, CLOSE, TEXT
from syncstream.testing import Broker
from syncstream.testing.wire import text_frame
from tests.deadlines import SLACK
from tests.servers import certificates
from tests.servers.listening import Frame, hear, listen
from tests.servers.scripted import Peer, Server

from .setting import PATIENCE, plain_feed, stuck

LARGE = 20_000_000
"""More bytes than the system takes at once."""


class Venue:
    """Owned by: the test. Hears what it is sent; `script` may do something else with a line."""

    def __init__(
        self, script: Optional[Callable[[Venue, Peer], Any]] = None, *, tls: bool = False, headers: Sequence[str] = ()
    ) -> None:
        self.heard: list[Frame] = []
        self.opened = threading.Event()
        self.reads = threading.Event()
        self.reads.set()
        self._script = script or Venue.listen
        self._tls = tls
        self._headers = headers
        self.server = Server(self._serve)

    def _serve(self, peer: Peer) -> None:
        if self._tls:
            peer.start_tls(certificates.server_context())
        peer.upgrade(*self._headers)
        self.opened.set()
        self._script(self, peer)

    def listen(self, peer: Peer) -> None:
        """Once it reads at all."""
        while not self.reads.wait(0.01):
            peer.pause(0)
        listen(peer, self.heard.append)

    def wait_for(self, count: int) -> list[Frame]:
        """What it has heard, once that is so much."""
        deadline = now() + PATIENCE
        while len(self.heard) < count:
            assert now() < deadline, f"only {len(self.heard)} of {count} came"
            threading.Event().wait(0.002)
        return self.heard


@contextlib.contextmanager
def streaming(venue: Venue, **options: Any) -> Iterator[Stream]:
    """A stream to it, whose line is open."""
    with venue.server:
        url = f"ws://127.0.0.1:{venue.server.port}/"
        feed = Feed(url, **{"backoff": Backoff(base=30, maximum=30), **options})
        with Stream(feed) as stream:
            assert venue.opened.wait(PATIENCE)
            wait_until_open(stream)
            yield stream
            venue.reads.set()


def wait_until_open(stream: Stream) -> None:
    """The reader has the line."""
    deadline = now() + PATIENCE
    while stream._reader.engine.route() is None:
        assert now() < deadline
        threading.Event().wait(0.002)


def in_thread(call: Callable[[], Any]) -> tuple[threading.Thread, list[Any]]:
    """Runs it; the list will hold what came of it."""
    result: list[Any] = []

    def run() -> None:
        try:
            result.append(call())
        except Exception as error:
            result.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, result


# ---------------------------------------------------------------- what is heard


class Order(msgspec.Struct):
    """A user's type."""

    op: str
    ids: list[int]


@dataclasses.dataclass
class Plain:
    """Another one."""

    op: str


ITEMS = [
    ("plain", (TEXT, b"plain")),
    ("", (TEXT, b"")),
    ("grüße €", (TEXT, "grüße €".encode())),
    (b"\x00\xff", (BINARY, b"\x00\xff")),
    (bytearray(b"ab"), (BINARY, b"ab")),
    (memoryview(b"ab"), (BINARY, b"ab")),
    ({"op": "sub", "ids": [1]}, (TEXT, b'{"op":"sub","ids":[1]}')),
    (["a", None, 1.5], (TEXT, b'["a",null,1.5]')),
    (Order("sub", [1]), (TEXT, b'{"op":"sub","ids":[1]}')),
    (Plain("sub"), (TEXT, b'{"op":"sub"}')),
    (None, (TEXT, b"null")),
    (7, (TEXT, b"7")),
    ("x" * 126, (TEXT, b"x" * 126)),
    (b"x" * 70_000, (BINARY, b"x" * 70_000)),
]


def test_the_venue_hears_what_was_sent() -> None:
    """Text as text, bytes as bytes, all else as JSON, in order; then the goodbye."""
    venue = Venue()
    with streaming(venue) as stream:
        for item, _ in ITEMS:
            stream.send(item)
        venue.wait_for(len(ITEMS))
    assert venue.heard == [*(frame for _, frame in ITEMS), (CLOSE, b"\x03\xe8")]


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_a_large_message_arrives_whole(tls: bool, tmp_path: Path) -> None:
    """Piece by piece, as the venue takes it, while messages come in; nothing gets between its bytes."""
    data = random.Random(1).randbytes(LARGE // 4)
    flooding = threading.Event()

    def script(venue: Venue, peer: Peer) -> None:
        thread = threading.Thread(target=flood, args=(peer,)) if not tls else None
        if thread is None:
            peer.send(b"".join(message(n) for n in range(1, 2001)))
        else:
            thread.start()
        try:
            listen(peer, venue.heard.append)
        finally:
            flooding.set()
            if thread is not None:
                thread.join()

    def flood(peer: Peer) -> None:
        number = 0
        with contextlib.suppress(OSError):
            while not flooding.is_set():
                number += 1
                peer.send(message(number))

    def message(number: int) -> bytes:
        return text_frame(b'{"k":"A","n":%d}' % number)

    venue = Venue(script, tls=tls)
    with venue.server:
        scheme, sslopt = ("wss", {"ca_certs": certificates.ca_file(tmp_path)}) if tls else ("ws", {})
        endpoint = Endpoint(url=f"{scheme}://localhost:{venue.server.port}/", sslopt=sslopt)
        with Stream(Feed(endpoint, key="k", sequence=Contiguous("n")), overflow="drop_oldest") as stream:
            assert stream.get(timeout=PATIENCE)["n"] == 1
            stream.send(data, timeout=30)
            stream.send("after it")
            heard = venue.wait_for(2)
            flooding.set()
    assert hashlib.sha256(heard[0][1]).digest() == hashlib.sha256(data).digest()
    assert heard[1] == (TEXT, b"after it")


def test_many_threads_may_send_at_once() -> None:
    """Every message arrives whole and once; those of one thread in its order."""
    venue = Venue()
    with streaming(venue) as stream:

        def send(name: str) -> None:
            for number in range(50):
                stream.send(f"{name}:{number}:" + "x" * (number * 37 % 5000))

        threads = [in_thread(lambda name=name: send(name)) for name in "abcdefgh"]  # type: ignore[misc]
        for thread, result in threads:
            thread.join()
            assert result == [None]
        heard = [payload.decode().split(":") for _, payload in venue.wait_for(400)]
    for name in "abcdefgh":
        mine = [(int(number), len(filler)) for sender, number, filler in heard if sender == name]
        assert mine == [(number, number * 37 % 5000) for number in range(50)]


def test_callbacks_and_loops_may_send() -> None:
    """An answer to each message, from wherever it is handled."""

    def script(venue: Venue, peer: Peer) -> None:
        for number in range(1, 6):
            peer.send(text_frame(b'{"k":"A","n":%d}' % number))
            venue.heard.append(hear(peer))
        listen(peer)

    for how in ("callback", "loop"):
        venue = Venue(script)
        with streaming(venue, key="k", sequence=Contiguous("n")) as stream:
            if how == "loop":
                for message in stream:
                    stream.send({"seen": message["n"]})
                    if message["n"] == 5:
                        break
            else:
                stream.on()(lambda message, stream=stream: stream.send({"seen": message["n"]}))
                stream.start(workers=2, markers="ignore")
            heard = venue.wait_for(5)
        assert heard == [(TEXT, b'{"seen":%d}' % number) for number in range(1, 6)]


def test_sending_goes_on_while_reading_pauses() -> None:
    """A full queue holds up what comes, not what goes."""

    def script(venue: Venue, peer: Peer) -> None:
        peer.send(b"".join(text_frame(b'{"n":%d}' % number) for number in range(5000)))
        listen(peer, venue.heard.append)

    venue = Venue(script)
    with venue.server:
        feed = Feed(f"ws://127.0.0.1:{venue.server.port}/")
        with Stream(feed, queue_size=10, overflow="block", block_limit=60.0) as stream:
            deadline = now() + PATIENCE
            while not stream._delivery.paused:
                assert now() < deadline
            stream.send("still here")
            assert venue.wait_for(1) == [(TEXT, b"still here")]


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize("item", [object(), {1, object()}, "\ud800", {"a": "\udfff"}, float, lambda: None, {object(): 1}])
def test_what_cannot_be_written_is_refused(item: Any) -> None:
    """In the caller's thread, by name; nothing is sent, and the stream goes on."""
    venue = Venue()
    with streaming(venue) as stream:
        with pytest.raises(FeedError, match=r"^item="):
            stream.send(item)
        stream.send("fine")
        assert venue.wait_for(1) == [(TEXT, b"fine")]


def test_without_a_line_nothing_is_sent() -> None:
    """While the first one is dialled, between two, and after the end; the answer comes at once."""
    with Stream(Feed("ws://127.0.0.1:9/", backoff=Backoff(base=30, maximum=30))) as stream:
        for _ in range(3):
            refused_at_once(stream)
    refused_at_once(stream)
    with Broker(symbols=("ABC",), rate=0) as broker, Stream(plain_feed(broker)) as stream:
        broker.wait_for(lambda: broker.subscriptions, PATIENCE)
        broker.faults.refuse(429, seconds=60, retry_after=30)
        broker.faults.cut()
        broker.wait_for(lambda: broker.counts["refused"], PATIENCE)
        refused_at_once(stream)


def refused_at_once(stream: Stream) -> None:
    began = now()
    with pytest.raises(NotConnected):
        stream.send("x")
    assert now() - began < SLACK


# ---------------------------------------------------------------- what nobody knows


def test_a_line_that_is_lost_meanwhile_leaves_it_open() -> None:
    """The venue may have it or not; the one behind it was not sent. Neither is sent again on the next line."""
    connections: list[Peer] = []

    def script(venue: Venue, peer: Peer) -> None:
        connections.append(peer)
        if len(connections) == 1:
            peer.read(100_000)
            while not venue.reads.wait(0.01):
                peer.pause(0)
        else:
            listen(peer, venue.heard.append)

    venue = Venue(script)
    venue.reads.clear()
    with streaming(venue, backoff=Backoff(base=0.01, maximum=0.01)) as stream:
        first, what_of_it = in_thread(lambda: stream.send("x" * LARGE, timeout=60))
        stuck(stream, 1)
        second, what_of_that = in_thread(lambda: stream.send("behind", timeout=60))
        stuck(stream, 2)
        venue.reads.set()
        first.join(PATIENCE)
        second.join(PATIENCE)
        assert isinstance(what_of_it[0], SendUnknown)
        assert isinstance(what_of_that[0], NotConnected)
        deadline = now() + PATIENCE
        while venue.heard == []:
            assert now() < deadline
            with contextlib.suppress(NotConnected):
                stream.send("next line")
        assert set(venue.heard) == {(TEXT, b"next line")}


@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "compressed"])
def test_a_message_of_which_half_is_out_in_time_ends_the_line(compressed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The call keeps its time and says that nobody knows. Nothing may follow half a frame: another line is dialled."""
    monkeypatch.setattr("syncstream.stream._VERDICT_LIMIT", SLACK)  # so much takes some time to be compressed
    data = random.Random(1).randbytes(LARGE // 2)
    venue = Venue(headers=["Sec-WebSocket-Extensions: permessage-deflate"] if compressed else [])
    venue.reads.clear()
    with venue.server:
        endpoint = Endpoint(url=f"ws://127.0.0.1:{venue.server.port}/", compression=Deflate(send=compressed))
        with Stream(Feed(endpoint, backoff=Backoff(base=0.01, maximum=0.01))) as stream:
            items = stream.events()
            assert isinstance(next(items), Connected)
            began = now()
            with pytest.raises(SendUnknown, match=r"did not take all of the message within 0\.2 s"):
                stream.send(data, timeout=0.2)
            assert now() - began < 0.2 + SLACK
            lost = next(items)
            assert isinstance(lost, Disconnected)
            assert "did not take all of a message within 0.2 s" in lost.reason
            assert isinstance(next(items), Connected)
            venue.reads.set()
            stream.send(b"", timeout=PATIENCE)  # the empty one is not compressed
            assert (BINARY, b"") in venue.wait_for(1)


def test_a_message_that_has_not_begun_in_time_is_never_sent() -> None:
    """Its sender knows that, and the line goes on: what was before it arrives whole."""
    venue = Venue()
    venue.reads.clear()
    with streaming(venue) as stream:
        first, what_of_it = in_thread(lambda: stream.send("x" * LARGE, timeout=60))
        stuck(stream, 1)
        began = now()
        with pytest.raises(NotConnected, match=r"nothing was sent: the line was busy for 0\.2 s"):
            stream.send("too late", timeout=0.2)
        with pytest.raises(NotConnected, match="nothing was sent"):
            stream.send("not tried", timeout=0)
        assert now() - began < 0.2 + SLACK
        venue.reads.set()
        first.join(PATIENCE)
        assert what_of_it == [None]
        stream.send("after it", timeout=PATIENCE)
        assert [len(payload) for _, payload in venue.wait_for(2)] == [LARGE, len("after it")]
        assert stream.status.reconnects == 0


def test_a_reader_that_is_held_up_holds_up_no_sender() -> None:
    """A callable of the feed that hangs: nobody knows what becomes of the message, and the call ends."""
    entered, released = threading.Event(), threading.Event()

    def key(message: Any) -> str:
        entered.set()
        assert released.wait(PATIENCE)
        return "A"

    def script(venue: Venue, peer: Peer) -> None:
        peer.send(text_frame(b"{}"))
        listen(peer)

    venue = Venue(script)
    with venue.server, Stream(Feed(f"ws://127.0.0.1:{venue.server.port}/", key=key)) as stream:
        assert entered.wait(PATIENCE)
        began = now()
        with pytest.raises(SendUnknown, match="a callable of the feed holds it up"):
            stream.send("x", timeout=0.1)
        assert now() - began < 1.1 + SLACK
        released.set()


def test_a_venue_that_reads_no_more_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """After so long without a byte the line is lost: who waits is told, and the next line is dialled."""
    monkeypatch.setattr(link, "SEND_LIMIT", 0.3)
    venue = Venue()
    venue.reads.clear()
    with streaming(venue, backoff=Backoff(base=0.01, maximum=0.01)) as stream:
        items = stream.events()
        began = now()
        with pytest.raises(SendUnknown, match="lost"):
            stream.send("x" * LARGE, timeout=60)
        assert 0.3 <= now() - began < 0.3 + SLACK
        reasons = [getattr(next(items), "reason", "") for _ in range(2)]
        assert "the venue took no bytes for 0.3 s" in reasons[-1]
        venue.reads.set()
        deadline = now() + PATIENCE
        while stream.status.reconnects == 0:
            assert now() < deadline


def test_time_that_is_over_at_once() -> None:
    """timeout=0 does not wait for room: it is sent if the system takes it."""
    venue = Venue()
    with streaming(venue) as stream:
        stream.send("x", timeout=0)
        assert venue.wait_for(1) == [(TEXT, b"x")]
