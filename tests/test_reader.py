"""The thread that drives the engine: its turns, what it waits for, what reaches it too late, and what breaks it."""

from __future__ import annotations

import contextlib
import logging
import random
import socket
import sys
import threading
from typing import Any, Callable, Hashable, Iterator, Optional

import msgspec
import pytest

from syncstream import (
    Backoff,
    Closed,
    Connected,
    Contiguous,
    Disconnected,
    Event,
    Feed,
    Liveness,
    NotConnected,
    Rest,
    StreamClosed,
    StreamFailed,
    clock,
    transport,
)
from syncstream.core.frames import CLOSE, TEXT
from syncstream.delivery import Delivery
from syncstream.dialer import Opened
from syncstream.inbox import Close
from syncstream.link import Ticket
from syncstream.reader import Reader
from syncstream.testing.wire import close_frame, text_frame
from syncstream.transport import Connection, frame
from syncstream.wake import Waker
from tests.deadlines import SLACK
from tests.servers.listening import listen
from tests.servers.scripted import Peer, Server, switching

PATIENCE = 10.0


class Rig:
    """Owned by: the test. A reader with all it needs, and what comes out of it."""

    def __init__(self, feed: Feed, queue_size: int = 10_000, overflow: str = "raise", view: str = "events") -> None:
        waker = Waker()
        self.delivery = Delivery(
            queue_size, overflow=overflow, key=lambda item: item.get("k"), heals=feed.snapshot is not None, wake=waker.wake
        )
        if view:
            self.delivery.use(view)
        self.reader = Reader(feed, self.delivery, waker)
        self.turns = 0
        turn = self.reader._turn

        def counted() -> None:
            self.turns += 1
            turn()

        self.reader._turn = counted  # type: ignore[method-assign]

    def until(self, kind: type) -> list[Any]:
        """Take items up to the first of this kind."""
        items = []
        while True:
            items.append(self.delivery.get(timeout=PATIENCE))
            if isinstance(items[-1], kind):
                return items

    def numbers(self, count: int) -> list[int]:
        """The numbers of the next messages; markers are passed over."""
        found: list[int] = []
        while len(found) < count:
            item = self.delivery.get(timeout=PATIENCE)
            if not isinstance(item, Event):
                found.append(item["n"])
        return found

    def send(self, text: str) -> Ticket:
        ticket = Ticket()
        self.reader.transmit(frame(TEXT, text), ticket)
        return ticket


@contextlib.contextmanager
def running(feed: Feed, **options: Any) -> Iterator[Rig]:
    """A reader at work; afterwards it has ended, and everything with it."""
    rig = Rig(feed, **options)
    rig.reader.start()
    try:
        yield rig
    finally:
        rig.reader.post(Close())
        assert rig.reader.join(PATIENCE) == []


def feed_to(server: Server, **settings: Any) -> Feed:
    return Feed(f"ws://127.0.0.1:{server.port}/", key="k", **{"sequence": Contiguous("n"), **settings})


def message(number: int, key: str = "A") -> bytes:
    return text_frame(f'{{"k":"{key}","n":{number}}}'.encode())


def quiet(peer: Peer) -> None:
    """A venue that opens, and says nothing but goodbye."""
    peer.upgrade()
    listen(peer)


def saying(*frames: bytes) -> Callable[[Peer], None]:
    """A venue that says this with its first breath, and goodbye."""

    def script(peer: Peer) -> None:
        peer.upgrade(more=b"".join(frames))
        listen(peer)

    return script


def within(seconds: float, condition: Callable[[], Any]) -> bool:
    """Whether it came true in time."""
    deadline = clock.now() + seconds
    pause = threading.Event()
    while not condition():
        if clock.now() > deadline:
            return False
        pause.wait(0.005)
    return True


# ---------------------------------------------------------------- reading


def test_frames_that_came_with_the_upgrade_are_read_at_once() -> None:
    """No selector knows of them."""
    with Server(saying(message(1), message(2))) as server, running(feed_to(server)) as rig:
        assert rig.numbers(2) == [1, 2]


def test_what_came_before_the_end_is_delivered_before_it() -> None:
    """A venue that says a lot and hangs up: every message counts, then the loss."""

    def script(peer: Peer) -> None:
        peer.upgrade(more=b"".join(message(n) for n in range(1, 20_001)))

    with Server(script) as server, running(feed_to(server, backoff=Backoff(base=30, maximum=30)), queue_size=50_000) as rig:
        items = rig.until(Disconnected)
    assert [item["n"] for item in items if not isinstance(item, Event)] == list(range(1, 20_001))
    assert "without a close frame" in items[-1].reason


@pytest.mark.parametrize(
    ("packed", "transform", "least", "most"),
    [(False, None, 8193, 131072), (True, None, 1, 8192), (False, "gzip", 1, 8192), (False, bytes, 1, 8192)],
    ids=["plain", "compressed", "transformed", "transformed by a function"],
)
def test_of_what_inflates_less_is_read_in_a_turn(
    packed: bool, transform: Any, least: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a turn reads is held inflated, all of it, before anybody can say that it is too much: a thousand times its size."""
    headers = ["Sec-WebSocket-Extensions: permessage-deflate"] if packed else []

    def script(peer: Peer) -> None:
        peer.upgrade(*headers)
        peer.send(b"".join(message(n) for n in range(1, 20_001)))
        listen(peer)

    sizes: list[int] = []
    with Server(script) as server:
        rig = Rig(feed_to(server, transform=transform), queue_size=50_000)
        batch = rig.reader.engine.batch

        def measured(line: int, epoch: int, data: bytes, now: float) -> None:
            sizes.append(len(data))
            batch(line, epoch, data, now)

        monkeypatch.setattr(rig.reader.engine, "batch", measured)
        rig.reader.start()
        assert rig.numbers(20_000) == list(range(1, 20_001))
        rig.reader.post(Close())
        assert rig.reader.join(PATIENCE) == []
    assert least <= max(sizes) <= most


def test_before_it_waits_all_that_came_is_handed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the turn before was: nothing lies with the reader until the next message comes, or a deadline."""
    turn = threading.Event()

    def script(peer: Peer) -> None:
        peer.upgrade()
        for number in range(1, 201):
            peer.send(message(number))
            assert turn.wait(PATIENCE)  # each comes alone
            turn.clear()
        listen(peer)

    with Server(script) as server:
        rig = Rig(feed_to(server), view="messages")
        select, left = rig.reader._selector.select, []

        def watched(timeout: Optional[float] = None) -> Any:
            left.append(len(rig.reader.engine.keys.out))
            return select(timeout)

        monkeypatch.setattr(rig.reader._selector, "select", watched)
        rig.reader.start()
        for number in range(1, 201):
            assert rig.numbers(1) == [number]
            turn.set()
        rig.reader.post(Close())
        assert rig.reader.join(PATIENCE) == []
    assert set(left) == {0}


def test_a_message_that_comes_in_crumbs_is_one_message() -> None:
    """Also when every byte is a turn of its own."""

    def script(peer: Peer) -> None:
        peer.upgrade()
        peer.drip(message(1) + message(2), pause=0.001)
        listen(peer)

    with Server(script) as server, running(feed_to(server)) as rig:
        assert rig.numbers(2) == [1, 2]


@pytest.mark.parametrize(("consumed", "size", "ways"), [(True, 100, True), (True, 100_000, False), (False, 100, False)])
def test_the_reader_gives_way_to_a_consumer_that_may_not_have_been_let_run(
    consumed: bool, size: int, ways: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While there is more to read and the queue is more than half full; a reader alone fills it before anybody is woken."""
    given: list[bool] = []
    monkeypatch.setattr(clock, "give_way", lambda: given.append(True))

    def script(peer: Peer) -> None:
        peer.upgrade(more=b"".join(message(n) for n in range(1, 5_001)))
        listen(peer)

    with Server(script) as server:
        rig = Rig(feed_to(server), queue_size=size, overflow="drop_oldest")
        if not consumed:
            rig = Rig(feed_to(server), queue_size=size, overflow="drop_oldest", view="")
        rig.reader.start()
        assert within(PATIENCE, lambda: rig.reader.engine.keys.messages == 5_000)
        rig.reader.post(Close())
        assert rig.reader.join(PATIENCE) == []
    assert bool(given) is ways


def test_a_flood_does_not_hold_up_what_is_sent() -> None:
    """A line that always has more to read shares its turns with the inbox."""
    received: list[bytes] = []

    def script(peer: Peer) -> None:
        peer.upgrade()
        block = b"".join(message(0) for _ in range(2000))
        peer.sock.setblocking(False)
        left = b""
        while not peer.stopping.is_set():
            with contextlib.suppress(BlockingIOError):
                received.append(peer.sock.recv(4096))
                if not received[-1]:
                    return
            with contextlib.suppress(BlockingIOError):
                left = left or block
                left = left[peer.sock.send(left) :]

    with Server(script) as server, running(feed_to(server), view="messages") as rig:
        assert rig.numbers(1) == [0]
        began = clock.now()
        for _ in range(10):
            assert rig.send("x").done.wait(PATIENCE)
        took = clock.now() - began
    assert took < 3.0 + 2 * SLACK
    assert len(b"".join(received)) >= 10 * len(frame(TEXT, "x"))


@pytest.mark.parametrize("state", ["quiet", "paused", "stuck", "waiting"])
def test_a_reader_that_waits_does_not_spin(state: str) -> None:
    """It is in its selector: a handful of turns in a third of a second, whatever it waits for."""
    stopped = threading.Event()

    def script(peer: Peer) -> None:
        request = peer.request()
        if state == "waiting":
            peer.send(b"HTTP/1.1 503 Unavailable\r\nRetry-After: 20\r\nContent-Length: 0\r\n\r\n")
            return
        peer.send(switching(request))
        if state == "paused":
            peer.send(b"".join(message(n) for n in range(1, 3001)))
        assert stopped.wait(PATIENCE)  # and reads nothing

    options: dict[str, Any] = {"queue_size": 10, "overflow": "block", "view": "messages"} if state == "paused" else {}
    with Server(script) as server:
        with running(feed_to(server, liveness=Liveness(ping_after=20.0)), **options) as rig:
            if state == "paused":
                assert within(PATIENCE, lambda: rig.delivery.paused)
            else:
                rig.until(Disconnected if state == "waiting" else Connected)
            if state == "stuck":
                tickets = [rig.send("x" * 3_000_000) for _ in range(2)]
                threading.Event().wait(0.2)
                assert not all(ticket.done.is_set() for ticket in tickets)
            threading.Event().wait(0.2)
            before = rig.turns
            threading.Event().wait(0.35)
            turns = rig.turns - before
            stopped.set()
        assert turns < 15


def test_slow_callables_of_the_feed_are_named_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is received while they run, so their author should know."""

    def decode(text: str) -> Any:
        threading.Event().wait(0.06)
        return {"k": "A", "n": len(text)}

    with caplog.at_level(logging.WARNING, "syncstream"), Server(saying(text_frame(b"12"))) as server:
        feed = Feed(f"ws://127.0.0.1:{server.port}/", key=lambda item: item["k"], decode=decode)
        with running(feed) as rig:
            assert rig.numbers(1) == [2]
    assert any("decode= took" in record.getMessage() for record in caplog.records)


@pytest.mark.parametrize("endless", [float("inf"), 1e300])
def test_limits_without_end_are_no_trouble_for_the_selector(endless: float) -> None:
    """ "Never" is a fair answer to how long something may take."""
    liveness = Liveness(ping_after=endless, pong_within=endless, silence=endless, maximum_silence=endless)
    with Server(quiet) as server:
        feed = feed_to(server, liveness=liveness, first_data_limit=endless, first_live_limit=endless, dial_timeout=endless)
        with running(feed) as rig:
            rig.until(Connected)
            assert rig.send("still there?").done.wait(PATIENCE)
            assert rig.reader.engine.failure is None


def test_the_status_is_replaced_while_things_change() -> None:
    """Others see a frozen picture, at most a moment old; the last one shows the end."""
    with Server(saying(message(1))) as server:
        with running(feed_to(server)) as rig:
            assert rig.reader.status.state == "connecting"
            assert within(PATIENCE, lambda: rig.reader.status.messages == 1)
            assert (rig.reader.status.state, rig.reader.status.lines) == ("live", 1)
            assert rig.reader.heard_at is not None
        assert rig.reader.status.state == "closed"


# ---------------------------------------------------------------- pausing


class Held(Delivery):
    """A queue that is always full."""

    @property
    def paused(self) -> bool:
        return True


def test_a_line_that_opens_during_a_pause_is_not_timed() -> None:
    """We do not read it, so its silence proves nothing: it must not be taken for dead."""
    with Server(quiet) as server:
        rig = Rig(feed_to(server, heartbeat=0.1, backoff=Backoff(base=0.01, maximum=0.01)))
        rig.delivery.__class__ = Held
        rig.reader.start()
        try:
            rig.until(Connected)
            threading.Event().wait(0.4)
            assert (server.connections, rig.reader.engine.connects) == (1, 1)
        finally:
            rig.reader.post(Close())
            assert rig.reader.join(PATIENCE) == []


def test_closing_during_a_pause_waits_for_the_goodbye_behind_the_data() -> None:
    """The venue's answer stands behind what it has sent; it is read, and nothing is delivered of it."""

    def script(peer: Peer) -> None:
        peer.upgrade(more=b"".join(message(n) for n in range(1, 501)))
        peer.read(8)  # our close frame
        peer.send(b"".join(message(n) for n in range(501, 1001)) + close_frame(1000, ""))
        peer.until_hangup()

    with Server(script) as server, running(feed_to(server), queue_size=10, overflow="block", view="messages") as rig:
        assert within(PATIENCE, lambda: rig.delivery.paused)
        line = rig.reader.engine.lines[0]
        line.rules = msgspec.structs.replace(line.rules, close_limit=60.0)
        rig.reader.post(Close())
        assert rig.reader.ended.wait(SLACK)  # and not the minute that an answer may take here


# ---------------------------------------------------------------- sending


class Broken(Connection):
    """A connection that cannot be written to."""

    def send(self, data: Any) -> int:
        raise BrokenPipeError("broken pipe")


def test_a_line_that_is_lost_over_sending_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not when the next attempt is due: a quiet stream would say nothing for half a minute."""
    near, far = socket.socketpair()
    near.setblocking(False)
    monkeypatch.setattr(random, "random", lambda: 0.9)  # the reader's dice
    monkeypatch.setattr(transport, "dial", lambda *args, **options: Broken(near, b"", {}, None))
    with far, running(Feed("ws://127.0.0.1:9/", key="k", backoff=Backoff(base=30, maximum=30))) as rig:
        rig.until(Connected)
        began = clock.now()
        ticket = rig.send("x")
        lost = rig.until(Disconnected)[-1]
        assert clock.now() - began < SLACK
        assert "broken pipe" in lost.reason
        assert lost.retry_in == pytest.approx(27.0)
        assert ticket.done.wait(PATIENCE)
        assert ticket.error is not None


def test_nothing_is_sent_without_a_line() -> None:
    """The answer comes at once, and says that nothing left."""
    with running(Feed("ws://127.0.0.1:9/", backoff=Backoff(base=30, maximum=30))) as rig:
        ticket = rig.send("x")
        assert ticket.done.wait(PATIENCE)
        assert isinstance(ticket.error, NotConnected)


def test_after_the_end_a_message_is_refused_by_its_sender_itself() -> None:
    """There is nobody else any more who could."""
    with Server(quiet) as server:
        with running(feed_to(server)) as rig:
            rig.until(Connected)
        ticket = rig.send("x")
        assert ticket.done.is_set()
        assert isinstance(ticket.error, NotConnected)
        assert "closed" in str(ticket.error)


def test_no_sender_waits_for_an_end_it_ran_into() -> None:
    """Messages posted while the reader ends: each ticket is settled, whoever finds it."""
    with Server(quiet) as server:
        for _ in range(6):
            with running(feed_to(server)) as rig:
                rig.until(Connected)
                tickets: list[Ticket] = []
                stop = threading.Event()

                def keep_sending(rig: Rig = rig, tickets: list[Ticket] = tickets, stop: threading.Event = stop) -> None:
                    while not stop.is_set():
                        tickets.append(rig.send("x"))

                senders = [threading.Thread(target=keep_sending) for _ in range(3)]
                for sender in senders:
                    sender.start()
                rig.reader.post(Close())
                assert rig.reader.ended.wait(PATIENCE)
                stop.set()
                for sender in senders:
                    sender.join()
            assert all(ticket.done.wait(1.0) for ticket in tickets)


# ---------------------------------------------------------------- the end


def test_the_goodbye_is_a_close_frame_and_its_answer() -> None:
    """1000, and the connection is held until the venue has said so too."""
    heard: list[tuple[int, bytes]] = []

    def script(peer: Peer) -> None:
        peer.upgrade()
        listen(peer, heard.append)

    with Server(script) as server, running(feed_to(server)) as rig:
        rig.until(Connected)
    assert heard == [(CLOSE, b"\x03\xe8")]


def test_a_venue_that_does_not_answer_the_goodbye_holds_it_up_for_a_second() -> None:
    """A half-open line cannot keep the reader."""

    def script(peer: Peer) -> None:
        peer.upgrade()
        peer.until_hangup()

    with Server(script) as server, running(feed_to(server)) as rig:
        rig.until(Connected)
        began = clock.now()
        rig.reader.post(Close())
        assert rig.reader.ended.wait(PATIENCE)
        assert 0.9 < clock.now() - began < 1.0 + SLACK


def test_a_line_that_opens_at_the_very_end_is_closed() -> None:
    """Whoever finds it: every connection the venue took is hung up."""
    gone: list[bool] = []

    def script(peer: Peer) -> None:
        try:
            quiet(peer)
        finally:
            gone.append(True)

    dice = random.Random(3)
    with Server(script) as server:
        for _ in range(40):
            rig = Rig(feed_to(server))
            rig.reader.start()
            threading.Event().wait(dice.random() * 0.004)
            rig.reader.post(Close())
            assert rig.reader.ended.wait(PATIENCE)
            assert rig.reader.join(PATIENCE) == []
        assert within(PATIENCE, lambda: len(gone) == server.connections)


def test_a_line_that_is_found_in_the_inbox_at_the_end_is_closed() -> None:
    """Posted after the inbox was looked through for the last time, and before the dialers were told."""

    class Late(Connection):
        def close(self) -> None:
            closed.set()

    closed = threading.Event()
    with Server(quiet) as server:
        rig = Rig(feed_to(server))
        stop = rig.reader._dialers.stop

        def post_and_stop() -> None:
            rig.reader.post(Opened(0, 1, Late.__new__(Late), []))
            stop()

        rig.reader._dialers.stop = post_and_stop  # type: ignore[method-assign]
        rig.reader.start()
        rig.until(Connected)
        rig.reader.post(Close())
        assert rig.reader.join(PATIENCE) == []
        assert closed.is_set()


def test_a_dial_under_way_is_given_up_when_the_reader_breaks(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line it gets afterwards is nobody's: it is closed."""
    entered, released, gone = threading.Event(), threading.Event(), threading.Event()

    def script(peer: Peer) -> None:
        try:
            quiet(peer)
        finally:
            gone.set()

    def endpoint() -> str:
        entered.set()
        assert released.wait(PATIENCE)
        return f"ws://127.0.0.1:{server.port}/"

    def break_down(*args: Any) -> None:
        raise LookupError("a bug")

    with Server(script) as server, caplog.at_level(logging.CRITICAL, "syncstream"):
        rig = Rig(Feed(endpoint))
        monkeypatch.setattr(rig.reader.engine, "close", break_down)
        rig.reader.start()
        assert entered.wait(PATIENCE)
        rig.reader.post(Close())
        assert rig.reader.ended.wait(PATIENCE)
        released.set()
        assert rig.reader.join(PATIENCE) == []
        assert server.connections == 0 or gone.wait(PATIENCE)


def test_what_breaks_the_reader_is_the_failure_of_the_stream(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mistake in here must not look like an end: it is logged, raised to the consumer, and leaves nothing open."""
    original = LookupError("a bug")

    def break_down(*args: Any) -> None:
        raise original

    with Server(saying(message(1))) as server, caplog.at_level(logging.CRITICAL, "syncstream"):
        rig = Rig(feed_to(server))
        monkeypatch.setattr(rig.reader.engine, "batch", break_down)
        rig.reader.start()
        with pytest.raises(StreamFailed, match="the reader broke: LookupError: a bug") as caught:
            rig.until(StreamFailed)
        assert caught.value.__cause__ is original
        assert rig.reader.join(PATIENCE) == []
        assert rig.reader.status.state == "failed"
        ticket = rig.send("x")
        assert ticket.done.is_set()


def test_a_break_while_it_ends_leaves_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Consumers and senders are told even if something goes wrong in between."""
    unhandled: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", unhandled.append)

    def break_down(*args: Any) -> None:
        raise LookupError("a bug")

    with Server(quiet) as server:
        rig = Rig(feed_to(server))
        monkeypatch.setattr(rig.reader, "_take_picture", break_down)
        rig.reader.start()
        rig.until(Connected)
        rig.reader.post(Close())
        assert rig.reader.ended.wait(PATIENCE)
        rig.reader.join(PATIENCE)
        assert type(rig.until(Closed)[-1]) is Closed
        with pytest.raises(StreamClosed):
            rig.delivery.get(timeout=PATIENCE)
    assert [type(hook.exc_value) for hook in unhandled] == [LookupError]


def test_a_callable_that_exits_is_a_failure_too(caplog: pytest.LogCaptureFixture) -> None:
    """sys.exit() on a background thread would end it without a word."""
    with Server(saying(message(1))) as server, caplog.at_level(logging.CRITICAL, "syncstream"):
        feed = Feed(f"ws://127.0.0.1:{server.port}/", key=lambda item: sys.exit("no key"))
        rig = Rig(feed)
        rig.reader.start()
        with pytest.raises(StreamFailed, match="the reader broke: SystemExit"):
            rig.until(StreamFailed)
        assert rig.reader.join(PATIENCE) == []


def test_without_a_thread_there_is_no_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's error is raised as it is, and the reader counts as ended: nobody waits for it."""

    def none_left(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    rig = Rig(Feed("ws://127.0.0.1:9/"))
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", none_left)
        with pytest.raises(RuntimeError, match="can't start new thread"):
            rig.reader.start()
    assert rig.reader.ended.is_set()


# ---------------------------------------------------------------- who may wait for it


def test_joining_names_what_has_not_ended() -> None:
    """A dial in the user's own code, a fetch in the user's own code: they are left behind, by name."""
    released = threading.Event()
    entered: list[str] = []

    def endpoint() -> str:
        entered.append("endpoint")
        released.wait(PATIENCE)
        return "ws://127.0.0.1:9/"

    rig = Rig(Feed(endpoint))
    rig.reader.start()
    try:
        assert within(PATIENCE, lambda: entered)
        rig.reader.post(Close())
        assert rig.reader.join(0.3) == ["syncstream-dialer"]
        assert rig.reader.ended.is_set()
    finally:
        released.set()
    assert rig.reader.join(PATIENCE) == []


def test_joining_a_reader_that_goes_on_keeps_its_time() -> None:
    """And names it."""
    with Server(quiet) as server, running(feed_to(server)) as rig:
        rig.until(Connected)
        began = clock.now()
        assert rig.reader.join(0.1) == ["syncstream-reader"]
        assert clock.now() - began < 0.1 + SLACK


def test_the_reader_does_not_wait_for_itself() -> None:
    """close() in a callable of the feed: it has nothing to wait for, the rest follows when it returns."""
    answers: list[Any] = []
    rigs: list[Rig] = []

    def key(item: Any) -> Optional[Hashable]:
        if rigs and rigs[0].reader.inside:
            rigs[0].reader.post(Close())
            answers.append(rigs[0].reader.join(PATIENCE))
        return "A"

    def script(peer: Peer) -> None:
        peer.upgrade()
        peer.pause(0.05)
        peer.send(message(1))
        listen(peer)

    with Server(script) as server:
        feed = Feed(f"ws://127.0.0.1:{server.port}/", key=key, snapshot=Rest("http://127.0.0.1:9/{key}", whole=True))
        rigs.append(Rig(feed))
        assert not rigs[0].reader.inside
        rigs[0].reader.start()
        assert rigs[0].reader.ended.wait(PATIENCE)
        assert rigs[0].reader.join(PATIENCE) == []
    assert answers == [[]]
