"""When the chaos stops: the venue heals, messages keep flowing, and within a bound every key must be live and equal.

Check: `progress`. The bound is reckoned from the policies: detection + the wait then due + one dial + the fetches, twice (what is
under way, and what a second hole asks for), while each snapshot is overtaken by new messages.
"""

from __future__ import annotations

import math

from syncstream.core.sync import State

from .config import (
    ACK_ATTEMPTS,
    ACK_WITHIN,
    ANSWER_LIMIT,
    BACKOFF,
    DATA_WITHIN,
    DIAL_LIMIT,
    FETCH_BACKOFF,
    FETCH_LIMIT,
    KEYS,
    LIVENESS,
    OVER_THE_LINE,
    STEP_WITHIN,
    VERIFY_AFTER,
    WITHIN,
)
from .fold import KNOWN
from .outlet import BLOCK_LIMIT
from .violation import require
from .world import World

LONGEST_RETRY_AFTER = 1.5
RESTART = 2.0
CROSSED = 75.0
"""After a state of before a restart: a minute until what stays below it counts as a restart, and the waits."""


def heal(world: World) -> None:
    """All faults end. What is lost already stays lost."""
    world.calm_down = True
    world.dials = ("open", 0.05, None)
    service = world.service
    service.mode, service.latency, service.retry_after = "ok", world.config.calm_latency, None
    service.cache.clear()
    world.venue.deaf.clear()
    world.venue.lost.clear()
    world.venue.entry = "ok"
    if world.outlet is not None:
        world.outlet.stalled = False
        world.settle()
    for wire in list(world.venue.wires.values()):
        wire.mute = wire.lags = False
        wire.keep = wire.chunk = 0
        for piece in wire.aside:
            wire.put(piece)
        wire.aside.clear()
        world.flush(wire)


def bound(world: World) -> float:
    """Seconds within which everything must be live."""
    config = world.config
    waiting = max([watch.dial_at - world.now for watch in world.watches if watch.dial_at is not None], default=0.0)
    script = 2 * STEP_WITHIN + LIVENESS.pause_limit + ACK_ATTEMPTS * (ACK_WITHIN + DATA_WITHIN + FETCH_BACKOFF.maximum)
    reconnect = (
        script + LIVENESS.ping_after + LIVENESS.pong_within + DIAL_LIMIT + max(waiting, BACKOFF.maximum) + ANSWER_LIMIT + 0.05
    )
    rounds = math.ceil(config.keys / config.concurrency)
    fetches = (
        FETCH_LIMIT + FETCH_BACKOFF.maximum + LONGEST_RETRY_AFTER + 2 * (rounds * config.calm_latency + FETCH_BACKOFF.maximum)
    )
    if config.source in OVER_THE_LINE:
        fetches += 2 * rounds * (WITHIN + FETCH_BACKOFF.maximum + (2.0 * config.keys / config.budget if config.budget else 0.0))
    if config.source == "anew":
        fetches += 3 * (reconnect + WITHIN)
    flow = 5 * config.calm_interval * config.keys
    crossed = CROSSED if world.service.crossed or _above(world) else 0.0
    return crossed + reconnect + VERIFY_AFTER + fetches + RESTART + flow + config.reorder + BLOCK_LIMIT


def _above(world: World) -> bool:
    """Whether a key stands at a number of an older era, higher than those that come now."""
    for key, standing in world.fold.keys.items():
        numbers = world.venue.keys[key]
        if standing.era != numbers.era and numbers.number(standing.version, standing.era) > numbers.number(
            numbers.version, numbers.era
        ):
            return True
    return False


def calm(world: World) -> float:
    """Run until everything is well; returns the seconds that took. Raises `Violation` when it takes too long."""
    heal(world)
    speaking = _speaking(world)
    began, limit = world.now, bound(world)
    if KEYS[0] not in speaking and world.venue.keys[KEYS[0]].era:
        limit += CROSSED  # nothing but snapshots can show that it has started anew
    turn = 0
    while world.closed_at is None and world.now < began + limit:
        for _ in range(max(3, len(speaking))):
            turn += 1
            world.publish(speaking[turn % len(speaking)], 1)
            world.check()
            world.wait(world.config.calm_interval)
            world.check()
        if not trouble(world):
            return world.now - began
    require(world.closed_at is not None, "progress", f"{limit:.2f} s after the faults ended: {trouble(world)}")
    world.wait(2.0)
    world.check()
    return 0.0


def _speaking(world: World) -> str:
    """The keys that messages come of in the calm: all, or in every other world all but the first, which is silent.

    It must be well by verification alone. If it is not known, or the venue left something out that no message shows any more,
    or verified it with an old state, or began to count anew with fewer messages than show that, it has to speak.
    """
    config = world.config
    silent = KEYS[0]
    wires = world.venue.wires.values()
    left_out = silent in world.service.untrue | world.lossy or any(silent in wire.lossy for wire in wires)
    left_out |= any(_anew(world, ident, silent) for wire in wires for ident, _ in wire.sent)
    standing, numbers = world.fold.keys.get(silent), world.venue.keys[silent]
    left_out |= standing is not None and standing.era < numbers.era and standing.version < numbers.version
    tells = config.source == "rest" and not config.small  # whether a snapshot alone shows what was missed
    if config.keys == 1 or world.steps % 2 or left_out or silent not in world.fold.keys or not tells:
        return KEYS[: config.keys]
    return KEYS[1 : config.keys]


def _anew(world: World, ident: int, key: str) -> bool:
    """Whether this message is of a numbering of the key that nobody has recognised yet."""
    truth, standing = world.venue.truths[ident], world.fold.keys.get(key)
    return truth.key == key and standing is not None and truth.era > standing.era


def _not_asked_for(world: World) -> list[str]:
    """Topics that the venue did not hear of, and that nobody asks for again: what an acknowledgement is for.

    Those that it refused are for the next line; what comes on a shared channel comes unasked.
    """
    states = world.engine.status(world.now).topics
    heard = {key for wire in world.venue.wires.values() for key in wire.subscribed}
    settled = {str(key) for key, status in states.items() if status.state in ("refused", "live")}
    return [f"{key} is not subscribed" for key in sorted(world.wanted - heard - settled)]


def trouble(world: World) -> list[str]:
    """What is not well, in words."""
    found = [f"line {watch.index} is not open" for watch in world.watches if watch.open is None]
    if world.config.acks:
        found += _not_asked_for(world)
    for key in sorted(world.wanted):
        for wire in world.venue.wires.values():
            if key not in wire.subscribed and key not in wire.refused:
                found.append(f"{key} was not asked for on line {wire.line}")
        if not any(key in wire.subscribed or world.config.scope == "shared" for wire in world.venue.wires.values()):
            continue
        sync = world.engine.keys.syncs.get(key)
        if sync is None:
            found.append(f"{key} is not known")
            continue
        if sync.state is not State.LIVE:
            found.append(f"{key} is {sync.state.value}, {sync.held} held, attempts {sync.attempts}")
        if world.config.source != "none" and key in world.fold.keys and world.fold.keys[key].given_up:
            found.append(f"the source of {key} was given up, and it got no snapshot since")
        truth = world.venue.keys[key].version
        for fold in world.folds:
            standing = fold.keys.get(key)
            if standing is None or standing.status is not KNOWN or standing.version != truth:
                at = None if standing is None else (standing.status, standing.version)
                found.append(f"{fold.name}: {key} stands at {at}, the truth is at {truth}")
    return found
