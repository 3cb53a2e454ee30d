"""The states a stream can be in when somebody closes it: how to bring a live stream into each, and what cannot end then."""

from __future__ import annotations

import threading
from math import inf
from types import MappingProxyType, TracebackType
from typing import Any, Callable, Mapping, NamedTuple, Optional

from syncstream import Backoff, Feed, Rest, Stream
from syncstream.core.line import Phase
from syncstream.testing import Broker
from tests.servers.scripted import Peer, Server

from .setting import PATIENCE, feed_of, plain_feed

STEADY = 10.0
"""Seconds, as the venue's heartbeat is declared: a state is not left because a busy machine is late."""


class Gate:
    """Owned by: the test. A place in the user's code where a thread hangs, once the gate is shut, until it is opened."""

    def __init__(self) -> None:
        self.shut = False
        self.entered = threading.Event()
        self._opened = threading.Event()

    def pass_through(self) -> None:
        if self.shut:
            self.entered.set()
            self._opened.wait()

    def open(self) -> None:
        self.shut = False
        self._opened.set()


class Scene:
    """Owned by: the test. A venue, one that never answers an upgrade, and a gate. Use it in a `with`."""

    def __init__(self, symbols: tuple[str, ...] = ("ABC", "XYZ")) -> None:
        self.broker = Broker(symbols=symbols, rate=0, heartbeat=0.2)
        self.gate = Gate()
        self.asked = threading.Event()
        self.where: Optional[str] = None
        self._mute = Server(self._hang)

    def __enter__(self) -> Scene:
        self.broker.start()
        self._mute.__enter__()
        return self

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.gate.open()
        self._mute.__exit__(kind, error, trace)
        self.broker.stop()

    def endpoint(self) -> str:
        """Where to dial, asked for every attempt."""
        self.gate.pass_through()
        return self.where or self.broker.url

    def snapshot(self, key: Any) -> str:
        """Where the snapshot is, asked for every one."""
        self.gate.pass_through()
        return self.broker.snapshot_url.replace("{key}", key)

    def dial_the_mute(self) -> None:
        """From now on."""
        self.where = f"ws://127.0.0.1:{self._mute.port}/"

    def subscribed(self, stream: Stream) -> None:
        """Wait until the venue knows what the stream wants."""
        self.broker.wait_for(lambda: self.broker.subscriptions and all(self.broker.subscriptions.values()), PATIENCE)

    def _hang(self, peer: Peer) -> None:
        peer.request()
        self.asked.set()
        peer.until_hangup()


class State(NamedTuple):
    """`feed` and `options` of the stream, `enter` to bring it there once it is live, and the threads that cannot end then.

    `lasts`: how long, in seconds, it is like this if nobody does anything; so long would a close last that has no deadline.
    """

    feed: Callable[[Scene], Feed]
    enter: Callable[[Scene, Stream], Any]
    left: tuple[str, ...] = ()
    options: Mapping[str, Any] = MappingProxyType({})
    lasts: float = inf


def wait_for(scene: Scene, condition: Callable[[], Any]) -> None:
    scene.broker.wait_for(condition, PATIENCE)


def dialing(scene: Scene, stream: Stream) -> None:
    scene.gate.shut = True
    scene.broker.faults.cut()
    assert scene.gate.entered.wait(PATIENCE)


def upgrading(scene: Scene, stream: Stream) -> None:
    scene.dial_the_mute()
    scene.broker.faults.cut()
    assert scene.asked.wait(PATIENCE)


def live(scene: Scene, stream: Stream) -> None:
    wait_for(scene, lambda: stream.status.lines == 1)


def backing_off(scene: Scene, stream: Stream) -> None:
    scene.broker.faults.refuse(429, seconds=60, retry_after=30)
    scene.broker.faults.cut()
    wait_for(scene, lambda: scene.broker.counts["refused"] and stream._reader.engine.lines[0].phase is Phase.WAITING)


def half_open(scene: Scene, stream: Stream) -> None:
    scene.broker.faults.half_open()


def fetching_slowly(scene: Scene, stream: Stream) -> None:
    scene.broker.faults.slow_snapshot(60, count=None)
    need_snapshot(scene)
    wait_for(scene, lambda: scene.broker.counts["slow_snapshots"])


def fetching_in_vain(scene: Scene, stream: Stream) -> None:
    scene.broker.faults.fail_snapshot(503, count=None, retry_after=30)
    need_snapshot(scene)
    wait_for(scene, lambda: scene.broker.counts["failed_snapshots"])


def asking_user_code(scene: Scene, stream: Stream) -> None:
    scene.gate.shut = True
    need_snapshot(scene)
    assert scene.gate.entered.wait(PATIENCE)


def need_snapshot(scene: Scene) -> None:
    scene.broker.publish("XYZ", 2)


def paused(scene: Scene, stream: Stream) -> None:
    scene.broker.publish("XYZ", 5000)
    wait_for(scene, lambda: stream.queue.qsize() >= 20)


def dialled(scene: Scene) -> Feed:
    """A feed whose endpoint is the scene's, with quick attempts."""
    return Feed(
        scene.endpoint,
        subscribe=scene.broker.subscribe,
        key="symbol",
        backoff=Backoff(base=0.01, maximum=0.02),
    )


STATES = {
    "dialing": State(dialled, dialing, ("syncstream-dialer",)),
    "upgrade hangs": State(dialled, upgrading, lasts=10.0),
    "live": State(lambda scene: plain_feed(scene.broker, heartbeat=STEADY), live),
    "backing off": State(lambda scene: plain_feed(scene.broker, heartbeat=STEADY), backing_off, lasts=30.0),
    "half-open": State(lambda scene: plain_feed(scene.broker, heartbeat=STEADY), half_open),
    "slow snapshot": State(lambda scene: feed_of(scene.broker, heartbeat=STEADY), fetching_slowly, lasts=10.0),
    "snapshot refused": State(lambda scene: feed_of(scene.broker, heartbeat=STEADY), fetching_in_vain, lasts=30.0),
    "user code of a snapshot hangs": State(
        lambda scene: feed_of(scene.broker, heartbeat=STEADY, snapshot=Rest(scene.snapshot, position="seq")),
        asking_user_code,
        ("syncstream-snapshot-1", "syncstream-snapshot-2"),
    ),
    "paused": State(
        lambda scene: plain_feed(scene.broker, heartbeat=STEADY),
        paused,
        options={"queue_size": 20, "overflow": "block", "block_limit": 60.0},
        lasts=60.0,
    ),
}
