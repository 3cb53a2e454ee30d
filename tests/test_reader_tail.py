"""What the venue said before a send failed: it lies with the system, and is read to its end before the line is lost."""

from __future__ import annotations

import contextlib
import socket
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Callable, Iterator, Optional

import pytest

from syncstream import Backoff, Connected, Disconnected, Endpoint, Event, Feed, NotConnected, SendUnknown, clock, link
from syncstream.inbox import Show
from syncstream.testing.wire import close_frame, text_frame
from tests.deadlines import SLACK
from tests.servers import certificates
from tests.servers.scripted import Peer, Server
from tests.test_reader import PATIENCE, Rig, running, within

COUNT = 3000
LARGE = 20_000_000
"""More bytes than the system takes at once."""


def numbered(first: int, end: int) -> bytes:
    return b"".join(text_frame(b'{"n":%d}' % number) for number in range(first, end))


TAIL = numbered(1000, COUNT)
"""So much lies with the system at once, whatever the size of its buffers: it is less than 32 KiB."""
GOODBYE = close_frame(4001, "bad key")


@contextlib.contextmanager
def paused(script: Callable[[Peer], None], folder: Optional[Path] = None, first: int = 1000) -> Iterator[Rig]:
    """A reader whose consumer takes nothing: it does not read any more when the venue plays its script. TLS with a `folder`.

    So many messages are `first` said.
    """
    pausing, played = threading.Event(), threading.Event()

    def play(peer: Peer) -> None:
        if folder is not None:
            peer.start_tls(certificates.server_context())
        peer.upgrade(more=numbered(0, first))
        assert pausing.wait(PATIENCE)
        script(peer)
        played.set()
        peer.stopping.wait(PATIENCE)  # and reads nothing

    with Server(play) as server:
        scheme, sslopt = ("wss", {"ca_certs": certificates.ca_file(folder)}) if folder is not None else ("ws", {})
        endpoint = Endpoint(url=f"{scheme}://localhost:{server.port}/", sslopt=sslopt)
        feed = Feed(endpoint, backoff=Backoff(base=30, maximum=30))
        with running(feed, queue_size=10, overflow="block") as rig:
            assert within(PATIENCE, lambda: rig.delivery.paused)
            pausing.set()
            assert played.wait(PATIENCE)
            yield rig


def told(rig: Rig) -> tuple[list[int], Disconnected]:
    """Every number that is delivered, and what is said of the end of the line."""
    items = rig.until(Disconnected)
    return [item["n"] for item in items if not isinstance(item, Event)], items[-1]


def until_refused(rig: Rig) -> list[Any]:
    """Send until that fails; what each sender was told."""
    verdicts: list[Any] = []
    while not verdicts or not isinstance(verdicts[-1], NotConnected):
        ticket = rig.send("still there?")
        assert ticket.done.wait(PATIENCE)
        verdicts.append(ticket.error)
    return verdicts


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_a_venue_that_is_gone_is_read_to_its_end(tls: bool, tmp_path: Path) -> None:
    """Our sends fail during a pause; when it is over every message is delivered, and the close code is the venue's."""

    def script(peer: Peer) -> None:
        peer.send(TAIL + GOODBYE)
        peer.sock.close()

    with paused(script, tmp_path if tls else None) as rig:
        verdicts = until_refused(rig)
        assert "about to be lost: sending failed" in str(verdicts[-1])
        assert all(isinstance(error, (type(None), SendUnknown)) for error in verdicts[:-1])
        numbers, lost = told(rig)
    assert numbers == list(range(COUNT))
    assert (lost.code, lost.reason) == (4001, "closed by the venue: 4001 bad key")


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_a_venue_that_takes_nothing_is_read_to_its_end(tls: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same where a send is stuck for too long: who waits is told at once, not when the pause is over."""
    monkeypatch.setattr(link, "SEND_LIMIT", 0.2)

    with paused(lambda peer: peer.send(TAIL + GOODBYE), tmp_path if tls else None) as rig:
        stuck, behind = rig.send("x" * LARGE), rig.send("behind")
        assert stuck.done.wait(PATIENCE)
        assert behind.done.wait(PATIENCE)
        assert isinstance(stuck.error, SendUnknown)
        assert isinstance(behind.error, NotConnected)
        numbers, lost = told(rig)
    assert numbers == list(range(COUNT))
    assert (lost.code, lost.reason) == (4001, "closed by the venue: 4001 bad key")


@pytest.mark.parametrize(("first", "end"), [(100, 101), (1000, COUNT)], ids=["a little", "a lot"])
def test_without_a_close_frame_the_reason_is_that_of_the_send(first: int, end: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What there is is delivered, however little; that nothing more came is no reason."""
    monkeypatch.setattr(link, "SEND_LIMIT", 0.2)

    with paused(lambda peer: peer.send(numbered(first, end)), first=first) as rig:
        assert rig.send("x" * LARGE).done.wait(PATIENCE)
        numbers, lost = told(rig)
    assert numbers == list(range(end))
    assert (lost.code, lost.reason) == (1006, "sending failed: the venue took no bytes for 0.2 s")


def test_a_venue_that_never_stops_and_takes_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what can have come before the send failed is read on: else there would be no end."""
    monkeypatch.setattr(link, "SEND_LIMIT", 0.2)

    def script(peer: Peer) -> None:
        peer.upgrade()
        peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1_000_000)
        flood = numbered(0, 10_000)
        while not peer.stopping.is_set():
            peer.send(flood)

    with Server(script) as server:
        feed = Feed(f"ws://127.0.0.1:{server.port}/", backoff=Backoff(base=30, maximum=30))
        with running(feed, queue_size=1000, overflow="drop_oldest") as rig:
            rig.until(Connected)
            began = clock.now()
            ticket = rig.send("x" * LARGE)
            lost = rig.until(Disconnected)[-1]
            assert 0.2 <= clock.now() - began < 0.2 + SLACK
    assert "the venue took no bytes" in lost.reason
    assert isinstance(ticket.error, SendUnknown)


def test_closing_does_not_wait_for_a_tail() -> None:
    """The user wants no more: what is left on a line that cannot be written to is not waited for."""

    def script(peer: Peer) -> None:
        peer.send(TAIL + GOODBYE)
        peer.sock.close()

    with paused(script) as rig:
        until_refused(rig)
        began = clock.now()
    assert clock.now() - began < SLACK


@pytest.mark.parametrize(("failed", "more"), [("sending failed", True), (None, False)])
def test_after_a_failed_send_a_short_read_is_not_the_last(
    failed: Optional[str], more: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only a read of nothing shows the end; of an empty socket the selector tells nothing."""
    rig = Rig(Feed("ws://127.0.0.1:1/"))
    monkeypatch.setattr(rig.reader.engine, "batch", lambda *came: True)
    connection = SimpleNamespace(deflate=None, pending=lambda: 0)
    some: Any = SimpleNamespace(line=0, epoch=1, more=True, failed=failed, connection=connection)
    some.receive = lambda size: b"little"
    rig.reader._intake.read(some, 0.0)
    assert some.more is more


def test_what_the_engine_hears_of_the_queue_may_be_due_sooner(monkeypatch: pytest.MonkeyPatch) -> None:
    """A snapshot that may be asked for only later, say; nothing else need happen until then."""
    rig = Rig(Feed("ws://127.0.0.1:1/"))
    for before, heard in ((False, False), (False, True), (True, False)):
        rig.reader._moved = before
        monkeypatch.setattr(rig.reader._handover, "deliver", lambda now, heard=heard: heard)
        rig.reader._deliver(0.0)
        assert rig.reader._moved is (before or heard)


def test_what_a_picture_counts_can_be_taken() -> None:
    """Whoever has seen that a message was delivered finds it in the queue."""
    rig = Rig(Feed("ws://127.0.0.1:1/"))
    rig.reader.engine.keys.out.append("a message")
    asked = threading.Event()
    rig.reader._show(Show(asked))
    assert asked.is_set()
    assert rig.delivery.get(timeout=0) == "a message"


def test_who_asks_while_the_picture_is_taken_gets_the_last_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """The picture may call a callable of the feed, for a position, and that may ask how the stream is."""
    rig = Rig(Feed("ws://127.0.0.1:1/"))
    reader, seen = rig.reader, []
    engine_status = reader.engine.status

    def status(now: float, **more: Any) -> Any:
        seen.append(reader.status)
        return engine_status(now, **more)

    monkeypatch.setattr(reader, "_thread", threading.current_thread())
    monkeypatch.setattr(reader.engine, "status", status)
    before = reader._picture
    assert reader.status is reader._picture is not before
    assert seen == [before]
