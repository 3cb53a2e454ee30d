"""The fault matrix: every fault in every phase of a line's life, and all of it over plain TCP, over TLS and through a proxy.

Each fault meets each phase; what the line runs over is dealt out so that every pair of two of the three occurs. When exactly the
fault comes and how long it lasts is drawn from the case's own seed. Afterwards all must be whole: the replica equals the venue,
nothing lost that was not told, nothing doubled, nothing out of order. In the phase "closing" `close` must hold its deadline.

One thing the matrix of a venue has is not here: wrong checksums, for a feed has no `check` that would find them.
"""

from __future__ import annotations

import contextlib
import random
import threading
from collections.abc import Iterator
from typing import Any, Callable, NamedTuple

import msgspec

from syncstream import Acks, Backoff, Batch, Endpoint, Kind, Rest, Stream
from syncstream.clock import now
from syncstream.testing import Broker
from tests.servers.certificates import server_context
from tests.servers.relay import Relay

from .follower import Follower, feed_of

PATIENCE = 10.0
CLOSE_LIMIT = 2.0
JITTER = 0.03
"""Seconds, at most, between the beginning of a phase and the fault."""

HOLDS = (0.05, 0.4, 0.9)
"""Seconds that a fault lasts: shorter than anything notices, about as long as the heartbeat's limit, and longer."""


class Stage:
    """Owned by: the case. A venue, the middlebox before it, and the stream with its follower."""

    def __init__(self, broker: Broker, relay: Relay, stack: contextlib.ExitStack) -> None:
        self.broker = broker
        self.relay = relay
        self._stack = stack

    def stop_the_venue(self) -> None:
        """As SIGSTOP does: no thread of it goes on, the system still accepts and acknowledges."""
        self._stack.enter_context(self.broker._venue.lock)

    def heal(self) -> None:
        self._stack.close()
        self.relay.heal()
        self.broker.faults.clear()


Act = Callable[[Stage], Any]


def redial(act: Act) -> Act:
    """A fault of dialling: it shows at the next dial, so the line is cut."""

    def both(stage: Stage) -> None:
        act(stage)
        stage.relay.cut()

    return both


def close(code: int) -> Act:
    return lambda stage: stage.broker.faults.close(code)


def stale_snapshot(stage: Stage) -> None:
    stage.broker.faults.stale_snapshot(10)
    stage.broker.faults.drop(1)


def failing_snapshot(stage: Stage) -> None:
    stage.broker.faults.fail_snapshot(503, count=2)
    stage.broker.faults.drop(1)


def refused_subscription(stage: Stage) -> None:
    stage.broker.faults.refuse_topic("ABC")


def lost_subscription(stage: Stage) -> None:
    stage.broker.faults.lose_request()


def forgotten_key(stage: Stage) -> None:
    stage.broker.faults.forget("ABC")


_REDIRECT = b"HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n"

FAULTS: dict[str, Act] = {
    "refused": lambda stage: stage.relay.go_away(),
    "SYN swallowed": lambda stage: stage.relay.swallow(),
    "accept stalls": redial(lambda stage: stage.relay.freeze()),
    "TLS or upgrade stalls": redial(lambda stage: stage.relay.ignore()),
    "401": redial(lambda stage: stage.broker.faults.refuse(401, attempts=1)),
    "429 with Retry-After": redial(lambda stage: stage.broker.faults.refuse(429, attempts=1, retry_after=0.2)),
    "503": redial(lambda stage: stage.broker.faults.refuse(503, attempts=2)),
    "redirect": redial(lambda stage: stage.relay.answer(_REDIRECT)),
    "FIN": lambda stage: stage.relay.cut("fin"),
    "RST": lambda stage: stage.relay.cut(),
    "mid-frame cut": lambda stage: stage.relay.cut("mid-frame"),
    "accept, then drop": redial(lambda stage: stage.broker.faults.accept_then_drop(attempts=3)),
    "half-open": lambda stage: stage.broker.faults.half_open(),
    "mute": lambda stage: stage.broker.faults.mute(),
    "blackhole": lambda stage: stage.relay.freeze(),
    "SIGSTOP": lambda stage: stage.stop_the_venue(),
    "close 1000": close(1000),
    "close 1001": close(1001),
    "close 1011": close(1011),
    "close 1012": close(1012),
    "close 1013": close(1013),
    "close 4000": close(4000),
    "byte by byte": lambda stage: stage.relay.drip(),
    "duplicate": lambda stage: stage.broker.faults.duplicate(5),
    "gap": lambda stage: stage.broker.faults.drop(3),
    "reorder": lambda stage: stage.broker.faults.reorder(3),
    "stale snapshot": stale_snapshot,
    "failing snapshot": failing_snapshot,
    "garbage": lambda stage: stage.broker.faults.garbage(),
    "subscription refused": redial(refused_subscription),
    "subscription lost": redial(lost_subscription),
    "key forgotten": forgotten_key,
}

TOLD = {"subscription refused": "Refused", "subscription lost": "Refused", "key forgotten": "Stale"}
"""Faults of single topics: the feed follows them, and what it tells of each that has happened."""

PHASES = ("connecting", "subscribing", "snapshot", "live", "resync", "closing")
FRONTS = ("plain", "TLS", "proxy")


class Case(NamedTuple):
    fault: str
    phase: str
    front: str


CASES = tuple(
    Case(fault, phase, FRONTS[(row + column) % len(FRONTS)])
    for row, fault in enumerate(FAULTS)
    for column, phase in enumerate(PHASES)
)


def play(case: Case, authority: str) -> list[str]:
    """What was wrong; nothing if all was well. `authority`: the file of the certificate authority for TLS."""
    dice = random.Random("/".join(case))
    with _venue(case, authority) as (stage, feed):
        if case.phase == "snapshot":
            stage.broker.faults.slow_snapshot(0.3, count=2)
        with Stream(feed) as stream:
            follower = Follower(stage.broker, stream)
            _enter(case.phase, stage, follower)
            threading.Event().wait(dice.uniform(0.0, JITTER))
            FAULTS[case.fault](stage)
            if case.phase == "closing":
                return _close(stage, stream)
            follower.drain(dice.choice(HOLDS))
            if case.fault in TOLD and (case.fault != "key forgotten" or case.phase in ("live", "resync")):
                follower.until(lambda: TOLD[case.fault] in follower.saw)  # else no line was open that could forget
            stage.heal()
            if case.fault == "subscription refused":
                stage.relay.cut()  # the next connection asks for everything
            return list(follower.record(0.0, now()).wrong)


@contextlib.contextmanager
def _venue(case: Case, authority: str) -> Iterator[tuple[Stage, Any]]:
    with contextlib.ExitStack() as stack, Broker(rate=60.0, heartbeat=0.1, seed=len(case.fault)) as broker:
        tls = server_context() if case.front == "TLS" else None
        with Relay(broker.port, tls=tls, proxy=case.front == "proxy") as relay:
            endpoint = {
                "plain": Endpoint(url=f"ws://127.0.0.1:{relay.port}/feed"),
                "TLS": Endpoint(url=f"wss://localhost:{relay.port}/feed", sslopt={"ca_certs": authority}),
                "proxy": Endpoint(url=broker.url, proxy=f"http://127.0.0.1:{relay.port}"),
            }[case.front]
            feed = feed_of(
                broker,
                endpoint=endpoint,
                snapshot=Rest(broker.snapshot_url, position="seq", backoff=Backoff(base=0.02, maximum=0.1), timeout=2.0),
                backoff=Backoff(base=0.02, maximum=0.1, stable_after=0.5),
                heartbeat=0.3,
                dial_timeout=0.5,
                verify_after=0.2,
            )
            if case.fault in TOLD:
                feed = msgspec.structs.replace(feed, **_followed(case.fault))
            stage = Stage(broker, relay, stack)
            try:
                yield stage, feed
            finally:
                stage.heal()


def _followed(fault: str) -> dict[str, Any]:
    """One request for each topic, its answers, and for one that is forgotten its silence."""
    kinds = {"subscribed": Kind.ACK, "unsubscribed": Kind.IGNORE, "error": Kind.ERROR, "heartbeat": Kind.HEARTBEAT}
    return {
        "subscribe": lambda topics: {"action": "subscribe", "symbols": topics},
        "unsubscribe": lambda topics: {"action": "unsubscribe", "symbols": topics},
        "topics": ["ABC", "XYZ"],
        "batch": Batch(topics=1),
        "classify": lambda message: kinds.get(message["type"]),
        "acks": Acks(by="key", topics="symbols", within=0.3),
        "topic_data_limit": 0.4,  # a key that has never spoken is not known to be quiet
        "quiet_after": 0.4 if fault == "key forgotten" else None,
    }


def _enter(phase: str, stage: Stage, follower: Follower) -> None:
    """Bring the stream into the phase."""
    broker = stage.broker
    if phase == "snapshot":
        broker.wait_for(lambda: broker.counts["slow_snapshots"], PATIENCE)
        return
    follower.warm_up()
    if phase == "connecting":
        stage.relay.cut()
    elif phase == "subscribing":
        connects = broker.counts["connects"]
        stage.relay.cut()
        broker.wait_for(lambda: broker.counts["connects"] > connects, PATIENCE)
    elif phase == "resync":
        broker.faults.slow_snapshot(0.3, count=2)
        broker.faults.drop(1)
        broker.wait_for(lambda: broker.counts["slow_snapshots"], PATIENCE)


def _close(stage: Stage, stream: Stream) -> list[str]:
    began = now()
    report = stream.close(CLOSE_LIMIT)
    took = now() - began
    wrong = [f"left: {name}" for name in report.threads]
    if took > CLOSE_LIMIT + 1.0:
        wrong.append(f"close({CLOSE_LIMIT:g}) took {took:.2f} s")
    stage.heal()
    return wrong
