"""The figures of a stream at one moment: `Stats`. Frozen values, made when they are asked for. Any thread."""

from __future__ import annotations

from typing import Optional

import msgspec

from .core.backlog import Tally
from .core.exchange import Delays
from .core.histogram import Spread


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """How long something took, seconds: the percentiles of `count` items, and the greatest. All 0.0 where `count` is 0."""

    count: int = 0
    p50: float = 0.0
    p90: float = 0.0
    p99: float = 0.0
    p999: float = 0.0
    maximum: float = 0.0


class CallbackStats(msgspec.Struct, frozen=True, kw_only=True):
    """One callback of `run` or `start`. `share`: its part of the time that all callbacks took, 0 to 1."""

    name: str = ""
    calls: int = 0
    seconds: float = 0.0
    longest: float = 0.0
    share: float = 0.0


class Stats(msgspec.Struct, frozen=True, kw_only=True):
    """What a stream has delivered, what waits, and how long it took.

    Always `received == delivered + dropped + discarded + queued`, counting what the chosen view shows; the `Dropped` markers
    that tell of overload are received, too. `depth`: what the bounds count: what is queued, and what callbacks have in hand.

    `latency`: from when the reader had put an item in order until the consumer got it (or its callback began), over the last
    minute, to 1 %. What was held for a snapshot counts from when it was let through.
    `exchange`: from when the venue says it sent a message, beyond the fastest one of the last 4096 batches, one message a batch;
    `None` without `Feed.timestamp`. `clock_offset`: what that fastest one showed, seconds: our clock minus the venue's, plus the
    shortest journey. The two cannot be told apart from here.
    """

    received: int = 0
    delivered: int = 0
    dropped: int = 0
    discarded: int = 0
    queued: int = 0
    in_hand: int = 0
    depth: int = 0
    high_water: int = 0
    queued_bytes: int = 0
    lag: Optional[float] = None
    latency: Latency = Latency()
    exchange: Optional[Latency] = None
    clock_offset: Optional[float] = None
    callbacks: tuple[CallbackStats, ...] = ()


def collect(
    tally: Tally,
    *,
    depth: int,
    lag: Optional[float],
    spread: Spread,
    delays: Optional[Delays],
    callbacks: tuple[CallbackStats, ...] = (),
) -> Stats:
    """`Stats` of the parts that know."""
    return Stats(
        received=tally.received + tally.marked - tally.fallen,
        delivered=tally.delivered,
        dropped=tally.dropped,
        discarded=tally.discarded,
        queued=tally.queued,
        in_hand=tally.in_hand,
        depth=depth,
        high_water=tally.high_water,
        queued_bytes=tally.size,
        lag=lag,
        latency=latency(spread),
        exchange=exchange(delays),
        clock_offset=None if delays is None else delays.offset,
        callbacks=callbacks,
    )


def span(seconds: float) -> str:
    """A span as people read it: `"350 µs"`, `"1.2 ms"`, `"4 s"`, `"1,200 s"`."""
    if seconds >= 1000.0:
        return f"{seconds:,.0f} s"
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e6:.0f} µs"


def latency(spread: Spread) -> Latency:
    """The percentiles of what a stream's queue has counted."""
    p50, p90, p99, p999, maximum = map(spread.percentile, (0.5, 0.9, 0.99, 0.999, 1.0))
    return Latency(count=spread.total, p50=p50, p90=p90, p99=p99, p999=p999, maximum=maximum)


def exchange(delays: Optional[Delays]) -> Optional[Latency]:
    """The percentiles of what the venue's timestamps show."""
    if delays is None:
        return None
    p50, p90, p99, p999 = map(delays.percentile, (0.5, 0.9, 0.99, 0.999))
    return Latency(count=len(delays.sorted), p50=p50, p90=p90, p99=p99, p999=p999, maximum=delays.sorted[-1])
