"""Topics that are asked for, and how a test sees what became of them."""

from __future__ import annotations

from typing import Any, Hashable, Optional

from syncstream.core.actions import Payload
from syncstream.core.backoff import Backoff
from syncstream.core.frames import TEXT
from syncstream.core.paths import getter
from syncstream.core.subscriptions import Acks, Missed, Subscriptions

NOW = 100.0
BACKOFF = Backoff(base=1.0, maximum=8.0)


def ask(*topics: Hashable, ident: Hashable = None) -> Payload:
    return Payload(TEXT, b"ask", topics, ident)


def made(acks: Optional[Acks] = None, **options: Any) -> Subscriptions:
    options.setdefault("keyed", lambda topic: topic)
    options.setdefault("key_of", getter("k"))
    topics_of = None if acks is None or acks.topics is None else getter(acks.topics)
    return Subscriptions(acks, id_of=getter("id"), topics_of=topics_of, backoff=BACKOFF, **options)


def states(it: Subscriptions) -> dict[Hashable, str]:
    return {topic: status.state for topic, status in it.status().items()}


def tick(it: Subscriptions, now: float) -> tuple[list[Missed], list[Hashable]]:
    return it.tick(now, lambda: 0.5)


def leave(*topics: Hashable) -> Payload:
    """A payload that leaves these topics."""
    return Payload(TEXT, b"leave", left=topics)
