"""Healing over the line, on real sockets: by a new subscription, by a new connection, by a request."""

from __future__ import annotations

from typing import Any, Iterator, Optional

import pytest

from syncstream import (
    CONNECTION,
    Backoff,
    Connected,
    Contiguous,
    Event,
    Feed,
    Gap,
    Kind,
    Reconnect,
    Request,
    Resubscribe,
    Resynced,
    Snapshot,
    Stream,
)
from syncstream.testing import Broker, Replica

from .setting import PATIENCE, catch_up, feed_of, marker, take_until

SOON = Backoff(base=0.02, maximum=0.1)
SOURCES: dict[str, Any] = {
    "resubscribe": Resubscribe(within=1.0, backoff=SOON),
    "reconnect": Reconnect(within=1.0),
    "request": Request(lambda key: {"action": "snapshot", "symbols": [key]}, position="seq", within=1.0, backoff=SOON),
}


def kind_of(message: Any) -> Optional[Kind]:
    return Kind.SNAPSHOT if message["type"] == "snapshot" else None


def asked(action: str) -> Any:
    return lambda topics: {"action": action, "symbols": list(topics)}


def feed_with(broker: Broker, source: Any, **changes: Any) -> Feed:
    """A feed of all symbols that heals by that source."""
    settings: dict[str, Any] = {
        "snapshot": source,
        "classify": kind_of,
        "subscribe": asked("subscribe"),
        "unsubscribe": asked("unsubscribe"),
        "topics": broker.symbols,
    }
    return feed_of(broker, **{**settings, **changes})


@pytest.fixture(params=SOURCES)
def source(request: pytest.FixtureRequest) -> Any:
    return SOURCES[request.param]


@pytest.fixture
def broker(source: Any) -> Iterator[Broker]:
    """A market that moves; a request is answered by one that sends nothing by itself."""
    with Broker(rate=150, heartbeat=0.1, seed=7, in_band=not isinstance(source, Request)) as broker:
        yield broker


def watch(stream: Stream[Any], replica: Replica, enough: Any) -> list[Any]:
    """Take what `events()` shows until it is enough, into the replica."""
    taken = take_until(stream, enough, stream.events())
    for item in taken:
        replica.apply(item)
    return taken


def gaps_of(count: int) -> Any:
    """Whether gaps of so many keys were told, with this one."""
    keys: set[Any] = set()

    def enough(item: Any) -> bool:
        if isinstance(item, Gap):
            keys.add(item.key)
        return len(keys) == count

    return enough


@pytest.mark.parametrize("fault", ["drop", "cut", "restart", "duplicate"])
def test_a_fault_is_healed_over_the_line(broker: Broker, source: Any, fault: str) -> None:
    """The state is the venue's again, and REST was not asked once."""
    replica = Replica()
    with Stream(feed_with(broker, source)) as stream:
        watch(stream, replica, lambda item: not isinstance(item, Event) and item["seq"] >= 20)
        before = stream.status
        getattr(broker.faults, fault)()
        if fault in ("drop", "restart"):
            watch(stream, replica, gaps_of(1 if fault == "drop" or isinstance(source, Reconnect) else 2))
        elif fault == "cut":
            watch(stream, replica, marker(Connected))
        catch_up(stream, broker, replica)
        assert stream.status.unhealed == 0
        if fault == "drop" and not isinstance(source, Reconnect):
            assert stream.status.connects == before.connects
    assert replica.total.wrong == 0
    assert broker.counts["snapshots"] == 0


def test_what_a_subscription_begins_with_is_not_asked_for() -> None:
    """Neither at first nor after a cut; each key has one snapshot for each connection."""
    with Broker(rate=150, heartbeat=0.1, seed=7, in_band=True) as broker, Stream(feed_with(broker, Resubscribe())) as stream:
        items = stream.events()
        for connects in (1, 2):
            for _ in broker.symbols:
                take_until(stream, marker(Snapshot), items)
            assert (broker.counts["in_band"], broker.counts["connects"]) == (2 * connects, connects)
            broker.faults.cut()


@pytest.mark.parametrize("source", [SOURCES["resubscribe"], SOURCES["reconnect"]])
def test_a_connection_that_numbers_everything(source: Any) -> None:
    """Acks, heartbeats and snapshots count; a hole is about all keys, and one new connection is for all of them."""
    replica = Replica()
    with Broker(
        symbols=("A", "B", "C"), rate=150, heartbeat=0.1, seed=7, sequence="connection", numbered_control=True, in_band=True
    ) as broker:
        feed = feed_with(broker, source, counter=CONNECTION, splice=Contiguous("version"))
        with Stream(feed) as stream:
            for symbol in broker.symbols:
                watch(stream, replica, marker(Snapshot, key=symbol))
            broker.faults.drop(count=1)
            watch(stream, replica, gaps_of(3))
            broker.wait_for(lambda: stream.status.healed >= 3, PATIENCE)
            catch_up(stream, broker, replica)
            assert stream.status.connects == (2 if isinstance(source, Reconnect) else 1)
    assert replica.total.wrong == 0


@pytest.mark.parametrize("source", [SOURCES["resubscribe"], SOURCES["request"]])
def test_what_is_not_heard_is_asked_for_again(source: Any) -> None:
    """When its time is over; the hole is healed then."""
    replica = Replica()
    in_band = not isinstance(source, Request)
    with Broker(rate=150, heartbeat=0.1, seed=7, in_band=in_band) as broker, Stream(feed_with(broker, source)) as stream:
        watch(stream, replica, marker(Resynced, key="ABC"))
        broker.faults.lose_request(count=1)
        broker.faults.drop(count=1, symbol="ABC")
        watch(stream, replica, marker(Gap, key="ABC"))
        watch(stream, replica, marker(Resynced, key="ABC"))
        catch_up(stream, broker, replica)
        assert broker.counts["lost_requests"] == 1
    assert replica.total.wrong == 0


def test_an_answer_that_is_too_old_is_asked_for_again() -> None:
    """It is spliced by its position, as one by REST."""
    replica = Replica()
    with Broker(rate=150, heartbeat=0.1, seed=7) as broker, Stream(feed_with(broker, SOURCES["request"])) as stream:
        watch(stream, replica, marker(Resynced, key="ABC"))
        broker.faults.stale_snapshot(30, count=1)
        broker.faults.drop(count=1, symbol="ABC")
        watch(stream, replica, marker(Gap, key="ABC"))
        watch(stream, replica, marker(Resynced, key="ABC"))
        catch_up(stream, broker, replica)
        assert broker.counts["stale_snapshots"] == 1
    assert replica.total.wrong == 0
