"""The engine's state as others may see it: one frozen `Status`. Pure."""

from __future__ import annotations

from typing import Hashable, Iterable, Optional, Sequence

from ..errors import StreamFailed
from ..events import Status, TopicStatus
from .line import Line
from .order import Order


def of(
    order: Order,
    lines: Sequence[Line],
    topics: Iterable[Hashable],
    now: float,
    *,
    connects: int,
    late: int,
    closing: bool,
    failure: Optional[StreamFailed],
    queued: int,
    dropped: int,
) -> Status:
    """A picture of everything."""
    keys = order.keys
    states = keys.status()
    syncing = len(states) - [state.state for state in states.values()].count("live")
    live = [place for place in lines if place.is_live()]
    if closing:
        state = "closed" if failure is None else "failed"
    elif live:
        state = "syncing" if syncing else "live"
    else:
        state = "waiting" if connects else "connecting"
    return Status(
        state=state,
        lines=len(live),
        connects=connects,
        reconnects=max(0, connects - len(lines)),
        messages=keys.messages,
        duplicates=order.duplicates + keys.stale,
        gaps=keys.gaps,
        healed=keys.healed,
        unhealed=keys.unhealed,
        snapshots=keys.snapshots,
        dropped=dropped,
        quarantined=order.quarantined,
        keyless=order.keyless,
        late_answers=late + keys.fetches.late,
        held=keys.held,
        queued=queued,
        syncing=syncing,
        silence=now - max(place.clocks.feed_at for place in live) if live else None,
        error="" if failure is None else str(failure),
        keys=states,
        topics=_topics(list(topics), live),
    )


def _topics(wanted: list[Hashable], live: list[Line]) -> dict[Hashable, TopicStatus]:
    """Every topic that is wanted, as the first live line knows it."""
    known = live[0].talk.subscriptions.status() if live else {}
    return {topic: known.get(topic, TopicStatus()) for topic in wanted or known}
