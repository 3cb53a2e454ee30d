"""Whether everything that was asked for has come: what `Stream.wait_live` waits for. Any thread.

It looks at the picture that the reader shows; that is a tenth of a second old at most, so there is nothing to be woken by.
"""

from __future__ import annotations

from typing import Any, Callable

from . import clock
from .errors import StreamClosed
from .events import Status
from .feed import Feed
from .reader import Reader

_POLL = 0.02


def wait(feed: Feed, reader: Reader, timeout: float, raise_failure: Callable[[], None]) -> list[Any]:
    """Wait until nothing is missing, or the time is over. Returns what is missing."""
    deadline = clock.now() + timeout
    while True:
        ended = reader.ended.is_set()
        left = missing(feed, reader.status)
        if ended:
            raise_failure()
            raise StreamClosed("the stream is closed; nothing more will come")
        if not left or clock.now() >= deadline:
            return left
        clock.wait_event(reader.ended, min(_POLL, max(0.0, deadline - clock.now())))


def missing(feed: Feed, status: Status) -> list[Any]:
    """The topics that are not live; without topics the keys. `None` stands for all, where not even a key is known yet."""
    keys = {key: state.state == "live" and status.lines > 0 for key, state in status.keys.items()}
    topics = {topic: state for topic, state in status.topics.items() if topic is not None}
    if not topics:
        return [key for key, live in keys.items() if not live] if keys else [None]
    key_of = feed.topic_key or (lambda topic: topic)
    left = []
    for topic, state in topics.items():
        key = None if feed.key is None else key_of(topic)
        if state.state != "live" or not keys.get(key, True):
            left.append(topic)
    return left
