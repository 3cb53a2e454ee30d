"""What these tests share: a feed for a broker with short waits, and ways to take from a stream until something is true."""

from __future__ import annotations

import threading
from typing import Any, Callable, Iterator

from syncstream import Backoff, Contiguous, Event, Feed, Rest, Stream
from syncstream.clock import now
from syncstream.testing import Broker, Replica

PATIENCE = 20.0
"""Seconds after which a test gives up waiting. Nothing waits that long when all is well."""


def feed_of(broker: Broker, **changes: Any) -> Feed:
    """A feed that heals by snapshot, and quickly."""
    settings: dict[str, Any] = {
        "subscribe": broker.subscribe,
        "headers": broker.headers,
        "key": "symbol",
        "sequence": Contiguous("seq"),
        "snapshot": Rest(broker.snapshot_url, position="seq", headers=broker.headers, backoff=Backoff(base=0.02, maximum=0.1)),
        "backoff": Backoff(base=0.02, maximum=0.1, stable_after=0.5),
        "verify_after": 0.2,
        "heartbeat": 0.5,
    }
    settings.update(changes)
    return Feed(broker.url, **settings)


def plain_feed(broker: Broker, **changes: Any) -> Feed:
    """A feed with numbers and no snapshot: gaps are told."""
    return feed_of(broker, snapshot=None, **changes)


def take_until(stream: Stream, enough: Callable[[Any], bool], items: Iterator[Any] | None = None) -> list[Any]:
    """Take items until one is enough; that one is the last."""
    taken = []
    end = now() + PATIENCE
    while now() < end:
        item = next(items) if items is not None else stream.get(timeout=PATIENCE)
        taken.append(item)
        if enough(item):
            return taken
    raise AssertionError(f"not within {PATIENCE} s; {len(taken)} items, the last: {taken[-3:]}")


def messages(items: list[Any]) -> list[Any]:
    """What is no marker."""
    return [item for item in items if not isinstance(item, Event)]


def marker(kind: type[Event], **fields: Any) -> Callable[[Any], bool]:
    """Whether an item is such a marker."""
    return lambda item: isinstance(item, kind) and all(getattr(item, name) == value for name, value in fields.items())


def catch_up(stream: Stream, broker: Broker, replica: Replica) -> None:
    """Pause the market and take until the replica equals the venue."""
    broker.pause()
    end = now() + PATIENCE
    while replica.differences(broker):
        assert now() < end, f"{replica.differences(broker)}; {stream.status}"
        for item in stream.get_many(timeout=0.1):
            replica.apply(item)


def stuck(stream: Stream, count: int) -> None:
    """Wait until so many user's messages are on their way, the first of them half out."""
    end = now() + PATIENCE
    while True:
        links = list(stream._reader._links.values())
        if links and links[0].stuck_at is not None and len(links[0]._others) == count - 1:
            return
        assert now() < end, "nothing is stuck"
        threading.Event().wait(0.002)
