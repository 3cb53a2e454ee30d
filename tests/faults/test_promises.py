"""The table of promises is true; and the tests of those that nothing else holds."""

from __future__ import annotations

import ast
import contextlib
import functools
import gc
import logging
import os
import struct
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

from syncstream import Backoff, Budget, Disconnected, Endpoint, Liveness, Stream
from syncstream.clock import now
from syncstream.testing import Broker
from syncstream.testing.wire import text_frame
from tests.servers.certificates import ca_file, server_context
from tests.servers.relay import Relay
from tests.servers.scripted import Peer, Server

from .follower import Follower, feed_of
from .promises import PROMISES

TESTS = Path(__file__).parent.parent
PATIENCE = 10.0


@functools.cache
def functions(path: Path) -> set[str]:
    """The tests of a file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


def test_every_promise_is_kept_by_tests_that_exist() -> None:
    """P1 to P16, none left out, each with at least two; a test that is renamed must be renamed here too."""
    assert list(PROMISES) == [f"P{number}" for number in range(1, 17)]
    missing = []
    for name, promise in PROMISES.items():
        assert len(promise.tests) >= 2, name
        for test in promise.tests:
            file, _, function = test.partition("::")
            path = TESTS / file
            if not path.exists() or not (functions(path) if function == "*" else function in functions(path)):
                missing.append(f"{name}: {test}")
    assert missing == []


# ---------------------------------------------------------------- P2


def half_a_frame(peer: Peer) -> None:
    peer.upgrade(more=text_frame(b'{"symbol": "A", "seq": 1}')[:9])
    peer.until_hangup()


def drips(peer: Peer) -> None:
    """A byte now and then of a frame that never ends."""
    peer.upgrade(more=b"\x81\x7e" + struct.pack(">H", 60_000))
    while True:
        peer.send(b"x")
        peer.pause(0.05)


def noticed_after(server: Server, **settings: Any) -> tuple[float, Disconnected]:
    """Seconds from the first line to its loss, as `events()` tells it."""
    with Broker(rate=0) as broker:
        feed = feed_of(broker, endpoint=f"ws://127.0.0.1:{server.port}/", **settings)
        with Stream(feed) as stream:
            stream.events()
            stream.get(timeout=PATIENCE)  # Connected
            began = now()
            lost = stream.get(timeout=PATIENCE)
            assert isinstance(lost, Disconnected)
            return now() - began, lost


def test_p2_silence_in_mid_frame_is_noticed() -> None:
    """By our own ping, within its two limits and a second; the library's own never fires there."""
    with Server(half_a_frame) as server:
        took, lost = noticed_after(server, liveness=Liveness(ping_after=0.3, pong_within=0.3))
    assert lost.reason.startswith("half-open")
    assert took < 0.6 + 1.0


def test_p2_dripping_bytes_are_no_data() -> None:
    """They prove that somebody is there, but no message comes within 1.5 times the heartbeat."""
    with Server(drips) as server:
        took, lost = noticed_after(server, heartbeat=0.4)
    assert lost.reason.startswith("mute")
    assert took < 0.6 + 1.0


def test_p2_a_dead_line_is_noticed_while_a_callback_blocks() -> None:
    """Callbacks are not on the reader: the line is given up and dialled again meanwhile."""
    with Broker(rate=100.0) as broker, Stream(feed_of(broker, heartbeat=0.5, backoff=Backoff(base=0.05))) as stream:
        blocked, go_on = threading.Event(), threading.Event()

        @stream.on()
        def blocks(item: Any) -> None:
            blocked.set()
            go_on.wait()

        stream.start(markers="ignore")
        assert blocked.wait(PATIENCE)
        broker.faults.half_open()
        began = now()
        broker.wait_for(lambda: broker.counts["connects"] == 2, PATIENCE)
        assert now() - began < 0.75 + 1.0
        go_on.set()


# ---------------------------------------------------------------- P3

LIMIT = 120 * 1024 * 1024
"""Bytes of memory that the whole program may have had at most."""

UNDER_FLOOD = """
import sys, threading
from syncstream import Backoff, Contiguous, Feed, Stream
backoff = Backoff(base=0.05, maximum=0.1)
feeds = [Feed(url, key="symbol", sequence=Contiguous("seq"), backoff=backoff) for url in sys.argv[1:]]
streams = [Stream(feed, queue_size=1000, overflow="drop_oldest") for feed in feeds]
threading.Event().wait(3.0)
assert [stream.close(10.0).threads for stream in streams] == [()] * len(streams)
with open("/proc/self/status") as status:  # not ru_maxrss: that begins at what the parent had when it made this process
    print(next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM")))
"""


def endlessly(first: bytes, again: bytes) -> Callable[[Peer], None]:
    """After the upgrade, as fast as it goes."""

    def script(peer: Peer) -> None:
        peer.upgrade(more=first)
        while True:
            peer.send(again)

    return script


def endless_header(peer: Peer) -> None:
    peer.request()
    peer.send(b"HTTP/1.1 101 Switching Protocols\r\nX: ")
    while True:
        peer.send(b"x" * 65536)


KILO = b"x" * 1000

FLOODS: dict[str, Callable[[Peer], None]] = {
    "an endless header": endless_header,
    "a frame of 2^62 bytes": endlessly(b"\x82\x7f" + struct.pack(">Q", 2**62), KILO * 64),
    "endless fragments": endlessly(b"\x02\x00", b"\x00\x7e" + struct.pack(">H", 1000) + KILO),
    "endless empty fragments": endlessly(b"\x02\x00", b"\x00\x00" * 10_000),
    "a flood of pings": endlessly(b"", b"\x89\x7d" + b"x" * 125),
    "a flood of messages": endlessly(b"", text_frame(b'{"symbol": "A", "seq": 1, "text": "' + KILO + b'"}') * 60),
    "a flood of keys": endlessly(b"", b"".join(text_frame(b'{"symbol": "%d"}' % number) for number in range(2000))),
    "a flood of garbage": endlessly(b"", text_frame(KILO) * 60),
}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="asks the system for the most memory a process had, in kilobytes")
def test_p3_hostile_venues_cannot_fill_the_memory() -> None:
    """Three seconds of every flood at once on one program: Python, the library and all that it holds stay below the limit."""
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(Server(script)) for script in FLOODS.values()]
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", UNDER_FLOOD, *(f"ws://127.0.0.1:{server.port}/" for server in servers)],
            cwd=TESTS.parent,
            capture_output=True,
            text=True,
            check=False,
            timeout=50,
        )
        reached = [server.connections for server in servers]
    assert done.returncode == 0, done.stderr
    assert all(reached)
    assert int(done.stdout) < LIMIT, done.stdout


# ---------------------------------------------------------------- P8


def test_p8_many_streams_do_not_come_back_at_once() -> None:
    """Forty streams lose the same venue: their waits are spread over the whole second, not bunched."""
    with Broker(rate=0) as broker:
        streams = [Stream(feed_of(broker)) for _ in range(40)]
        try:
            broker.wait_for(lambda: len(broker.subscriptions) == 40, PATIENCE)
            for stream in streams:
                stream.events()
                stream.get(timeout=PATIENCE)  # Connected
            broker.faults.cut()
            lost = [stream.get(timeout=PATIENCE) for stream in streams]
        finally:
            for stream in streams:
                stream.close()
    waits = sorted(event.retry_in for event in lost if isinstance(event, Disconnected) and event.retry_in is not None)
    assert len(waits) == 40
    assert waits[0] >= 0.0
    assert waits[-1] <= 1.0
    tenths = [sum(tenth <= wait * 10 < tenth + 1 for wait in waits) for tenth in range(10)]
    assert max(tenths) <= 16  # by chance once in 10^6 runs
    assert sum(map(bool, tenths)) >= 5


# ---------------------------------------------------------------- P10


def belongings() -> tuple[int, int, int]:
    """Descriptors, threads and objects of this process, without the venue's: it remembers what it did."""
    gc.collect()
    ours = sum(not str(type(one).__module__).startswith("syncstream.testing") for one in gc.get_objects())
    return len(os.listdir("/proc/self/fd")), threading.active_count(), ours


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs a look at the descriptors")
def test_p10_a_thousand_reconnects_leave_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """Cut after cut on one stream: descriptors, threads and objects are what they were after the first hundred."""
    caplog.set_level(logging.CRITICAL, logger="syncstream")  # pytest would keep every record
    with Broker(rate=0, symbols=("ABC",)) as broker:
        budget = Budget(count=10_000, per=1.0)  # else it would wait, and rightly
        feed = feed_of(broker, backoff=Backoff(base=0.0, maximum=0.0), dial_budget=budget)
        with Stream(feed) as stream:
            follower = Follower(broker, stream)
            reconnect(follower, broker, 100)
            descriptors, threads, objects = belongings()
            reconnect(follower, broker, 900)
            after = belongings()
            assert broker.counts["connects"] >= 1000
    assert after[0] <= descriptors + 2  # one dial may be under way at either moment
    assert after[1] <= threads + 2
    assert after[2] <= objects + 450  # not one for every second one


def reconnect(follower: Follower, broker: Broker, times: int) -> None:
    """Let the market move, cut the line, and wait for the next one; so many times."""
    for _ in range(times):
        broker.wait_for(lambda: any(broker.subscriptions.values()), PATIENCE)
        broker.publish("ABC")
        follower.begin()
        broker.faults.cut()
        follower.until(lambda: "Connected" in follower.saw and follower.noticed())


# ---------------------------------------------------------------- P14


@pytest.fixture
def switching_fast() -> Iterator[None]:
    """Threads are interrupted a thousand times as often as usual."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("switching_fast")
@pytest.mark.parametrize("front", ["plain", "TLS"])
def test_p14_any_call_from_any_thread(front: str, tmp_path: Path) -> None:
    """All calls from many threads at once, for a second and a half: one line, nothing lost, nothing raised."""
    tls = server_context() if front == "TLS" else None
    with Broker(rate=400.0, symbols=("ABC", "XYZ", "NEW")) as broker, Relay(broker.port, tls=tls) as relay:
        url = f"wss://localhost:{relay.port}/feed" if tls else f"ws://127.0.0.1:{relay.port}/feed"
        feed = feed_of(
            broker,
            endpoint=Endpoint(url=url, sslopt={"ca_certs": ca_file(tmp_path)} if tls else {}),
            subscribe=lambda topics: {"action": "subscribe", "symbols": topics},
            unsubscribe=lambda topics: {"action": "unsubscribe", "symbols": topics},
            topics=["ABC", "XYZ"],
        )
        with Stream(feed) as stream:
            follower = Follower(broker, stream)
            follower.until(lambda: follower.replica.total.applied > 20)
            calls: list[Callable[[], Any]] = [
                lambda: stream.send({"action": "subscribe", "symbols": []}),
                lambda: stream.send({"action": "subscribe", "symbols": [], "text": "x" * 30_000}),
                lambda: stream.subscribe("NEW"),
                lambda: stream.unsubscribe("NEW"),
                lambda: (stream.status, repr(stream), stream.closed, stream.set_aside),
                lambda: (dict(stream.latest.items()), stream.latest.live("ABC")),
                lambda: (stream.queue.qsize(), stream.queue.empty()),
                lambda: stream.join(0.001),
            ]
            unexpected = together(calls, lambda: follower.drain(1.5))
            assert unexpected == []
            stream.unsubscribe("NEW")
            broker.wait_for(lambda: set().union(*broker.subscriptions.values()) == {"ABC", "XYZ"}, PATIENCE)
            broker.pause()
            follower.drain(0.5)
            wrong = {key: follower.replica.counts(key).wrong for key in ("ABC", "XYZ")}
            stale = [line for line in follower.replica.differences(broker) if not line.startswith("NEW")]
            assert (wrong, stale, broker.counts["connects"]) == ({"ABC": 0, "XYZ": 0}, [], 1)
            closers = [threading.Thread(target=stream.close) for _ in range(4)]
            for closer in closers:
                closer.start()
            for closer in closers:
                closer.join(PATIENCE)
            assert stream.close().threads == ()


def together(calls: list[Callable[[], Any]], meanwhile: Callable[[], Any]) -> list[BaseException]:
    """Each call again and again on a thread of its own, as long as `meanwhile` takes. What they raised."""
    over = threading.Event()
    unexpected: list[BaseException] = []

    def again_and_again(call: Callable[[], Any]) -> None:
        while not over.wait(0.001):
            try:
                call()
            except BaseException as error:  # the line never breaks here, so there is nothing to raise
                unexpected.append(error)

    threads = [threading.Thread(target=again_and_again, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    try:
        meanwhile()
    finally:
        over.set()
        for thread in threads:
            thread.join(PATIENCE)
    return unexpected
