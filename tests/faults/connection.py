"""Scenarios of the network and the venue: what ends a line, what makes it useless, and what only looks like it."""

from __future__ import annotations

import threading
from typing import Any, Callable, Optional

from syncstream import Backoff, Liveness, Stream
from syncstream.clock import now
from syncstream.testing import Broker
from tests.servers.relay import Relay

from .follower import Follower, feed_of
from .scenario import Record

OUTAGE = 20.0
"""Seconds, as the issue has it: the one thing that cannot be made smaller by a setting."""

RATE = 100.0


def befallen(fault: Callable[[Broker], Any], seconds: float = 0.0, **settings: Any) -> Record:
    """A moving market and one fault. It happens at once, or lasts for `seconds`; then all must be as before."""
    with Broker(rate=RATE) as broker, Stream(feed_of(broker, **settings)) as stream:
        follower = Follower(broker, stream)
        follower.warm_up()
        began = follower.begin()
        fault(broker)
        over_at: Optional[float] = None
        if seconds:
            over_at = began + seconds
            follower.until(lambda: now() >= began + seconds)
        follower.until(follower.noticed)
        return follower.record(began, over_at)


def tcp_drop() -> Record:
    return befallen(lambda broker: broker.faults.cut())


def close_1000() -> Record:
    return befallen(lambda broker: broker.faults.close(1000))


def close_1001() -> Record:
    return befallen(lambda broker: broker.faults.close(1001))


def half_open() -> Record:
    return befallen(lambda broker: broker.faults.half_open(), liveness=Liveness(ping_after=1.0, pong_within=1.0))


def mute_with_heartbeat() -> Record:
    return befallen(lambda broker: broker.faults.mute(), heartbeat=1.0)


def mute_without_heartbeat() -> Record:
    return befallen(lambda broker: broker.faults.mute(), liveness=Liveness(ping_after=1.0, silence=2.0))


def accept_then_drop() -> Record:
    def fault(broker: Broker) -> None:
        broker.faults.accept_then_drop(seconds=OUTAGE)
        broker.faults.cut()

    return befallen(fault, OUTAGE, backoff=Backoff(maximum=4.0))


def away() -> Record:
    """The port of the venue is closed, then opens again: a relay before it goes and comes back."""
    with Broker(rate=RATE) as broker, Relay(broker.port) as relay:
        feed = feed_of(broker, endpoint=f"ws://127.0.0.1:{relay.port}/feed", backoff=Backoff(maximum=2.0))
        with Stream(feed) as stream:
            follower = Follower(broker, stream)
            follower.warm_up()
            began = follower.begin()
            relay.go_away()
            back_at = began + OUTAGE
            timer = threading.Timer(OUTAGE, relay.heal)
            timer.start()
            try:
                follower.until(lambda: now() >= back_at)
                return follower.record(began, back_at)
            finally:
                timer.join()


def quiet_key() -> Record:
    """The venue goes on with one key and forgets the other. The line is well: only that key is asked for again, and healed."""

    def ask(action: str) -> Callable[[Any], dict[str, Any]]:
        return lambda topics: {"action": action, "symbols": list(topics)}

    return befallen(
        lambda broker: broker.faults.forget("ABC"),
        subscribe=ask("subscribe"),
        unsubscribe=ask("unsubscribe"),
        topics=["ABC", "XYZ"],
        quiet_after=1.0,
    )


def quiet_market() -> Record:
    """One key says nothing for three times the heartbeat while the other goes on: that is a market, not a fault."""
    with Broker(rate=0.0, symbols=("ABC", "XYZ"), heartbeat=1.0) as broker, Stream(feed_of(broker, heartbeat=1.0)) as stream:
        follower = Follower(broker, stream)
        while not follower.is_warm():
            follower.drain(0.02)
            for symbol in broker.symbols:
                broker.publish(symbol)
        began = follower.begin()
        while now() < began + 3.0:
            broker.publish("XYZ")
            follower.drain(0.02)
        spoke_at = now()
        for symbol in broker.symbols:
            broker.publish(symbol)
        return follower.record(began, spoke_at)
