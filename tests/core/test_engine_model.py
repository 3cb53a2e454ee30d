"""The engine against a model: a small venue, random faults, a consumer who checks. Then the faults stop, and all must heal.

A larger simulation, of everything around the engine, is in `tests/world`; this one is for the rules of counters and keys alone.
"""

from __future__ import annotations

import random
from typing import Any, Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncstream.core.backoff import Backoff
from syncstream.core.liveness import Liveness
from syncstream.core.sync import State

from .rig import BY_CHANNEL, BY_CONNECTION, GROWING, HEALED, NUMBERED, WHOLE, change, classify
from .venue import KEYS, World

COMMON: dict[str, Any] = {
    "backoff": Backoff(base=0.5, maximum=2.0, stable_after=3.0),
    "dial_limit": 3.0,
    "liveness": Liveness(ping_after=2.0, pong_within=1.0, silence=5.0, maximum_silence=20.0),
    "first_live_limit": 1e9,
    "restart_after": 20,
    "hold_limit": 40,
}
FETCHED: dict[str, Any] = {
    **COMMON,
    "fetch_backoff": Backoff(base=0.2, maximum=2.0),
    "fetch_attempts": 1_000_000,
    "fetch_concurrency": 2,
    "fetch_limit": 3.0,
    "verify_after": 1.0,
    "resync_interval": 1.0,
}
ALONE: dict[str, Any] = {**COMMON, "source": False, "splice": None, "splice_first": None, "splice_last": None}
VENUES = {
    "per key": change(HEALED, **FETCHED),
    "per key, reordered": change(HEALED, **FETCHED, reorder=0.3),
    "per connection": change(BY_CONNECTION, **FETCHED),
    "whole snapshots": change(WHOLE, **FETCHED),
    "given up soon": change(HEALED, **{**FETCHED, "fetch_attempts": 2}),
    "no source": change(NUMBERED, **COMMON),
    "no source, per connection": change(BY_CONNECTION, **ALONE),
    "per channel": change(BY_CHANNEL, **FETCHED),
    "per channel, whole snapshots": change(BY_CHANNEL, **FETCHED, whole=True, splice=None),
    "no source, per channel": change(BY_CHANNEL, **ALONE),
    "growing": change(GROWING, **FETCHED),
    "in-band": change(HEALED, **FETCHED, classify=classify),
    "in-band, per connection": change(BY_CONNECTION, **FETCHED, classify=classify),
    "in-band, reordered, per channel": change(BY_CHANNEL, **FETCHED, classify=classify, reorder=0.3),
    "in-band, no source": change(NUMBERED, **COMMON, classify=classify),
    "in-band, no source, per channel": change(BY_CHANNEL, **ALONE, classify=classify),
}
UNSEEN = {"growing": ("skip", "swap", "answer stale", "restart")}
"""What such a venue must not do: nobody could tell."""

ROUND_TRIP = 0.1
BETWEEN_MESSAGES = 0.5
BOUND = (
    (2.0 + 1.0)  # a half-open line is found: ping_after + pong_within
    + (3.0 + 2.0 + ROUND_TRIP)  # a dial that hangs, the back-off, one dial
    + (2.0 + 3 * BETWEEN_MESSAGES)  # a restart shows: two seconds, three messages
    + (1.0 + 60.0)  # or a minute, if only snapshots show it: another restart came between the snapshot and the next message
    + (1.0 + 0.3)  # a silent key is verified, a reorder window is over
    + (3.0 + 2.0)  # a request that was lost is given up, its back-off
    + 3 * len(KEYS) / 2 * ROUND_TRIP  # three rounds of snapshots for all keys, two at a time
    + BETWEEN_MESSAGES
)
"""Seconds of virtual time within which every key is complete again once the faults have stopped."""

Move = Callable[[World, int], None]


def burst(world: World, number: int) -> None:
    """Several messages at once, of one key or of several."""
    for each in range(number % 8):
        world.emit(key(number // 8 * each))


def key(number: int) -> str:
    return KEYS[number % len(KEYS)]


MOVES: dict[str, tuple[int, Move]] = {  # how often, and what
    "emit": (20, lambda world, n: world.emit(key(n))),
    "burst": (10, lambda world, n: burst(world, n)),
    "skip": (4, lambda world, n: world.emit(key(n), skip=True)),
    "twice": (2, lambda world, n: world.emit(key(n), copies=2)),
    "show": (3, lambda world, n: world.show(key(n))),
    "swap": (3, lambda world, n: world.swap()),
    "flush": (15, lambda world, n: world.flush()),
    "flush in chunks": (5, lambda world, n: world.flush(1 + n % 97)),
    "cut": (2, lambda world, n: world.cut()),
    "cut in a frame": (1, lambda world, n: world.cut(keep=1 + n % 50)),
    "mute": (1, lambda world, n: world.fall_silent()),
    "accept": (15, lambda world, n: world.accept()),
    "refuse": (1, lambda world, n: world.refuse()),
    "answer": (12, lambda world, n: world.answer(n, "then")),
    "answer from now": (8, lambda world, n: world.answer(n, "now")),
    "answer stale": (4, lambda world, n: world.answer(n, "stale")),
    "answer failed": (2, lambda world, n: world.answer(n, "failed")),
    "answer lost": (1, lambda world, n: world.answer(n, "lost")),
    "restart": (1, lambda world, n: world.restart(key(n))),
    "drop": (2, lambda world, n: world.drop(key(n))),
    "relieve": (4, lambda world, n: world.relieve()),
    "leave": (1, lambda world, n: world.leave(key(n))),
    "join": (6, lambda world, n: world.join(key(n))),
    "wait": (10, lambda world, n: world.wait(n % 20 / 20)),
    "wait long": (2, lambda world, n: world.wait(n % 50 / 10)),
}
DECK = [name for name, (weight, _) in MOVES.items() for _ in range(weight)]


def play(venue: str, script: list[tuple[str, int]], quiet: str) -> World:
    """The faults, then peace; raises where the contract is broken."""
    world = World(VENUES[venue])
    world.accept()
    for name, number in script:
        if name not in UNSEEN.get(venue, ()):
            MOVES[name][1](world, number)
    make_peace(world, quiet)
    return world


def make_peace(world: World, quiet: str) -> None:
    """No more faults; messages go on, but for the keys in `quiet`. Everything is complete within `BOUND`.

    A silent key shows nothing by itself, so the line is cut once more: what was missed before or meanwhile is found by the
    reconnect. One whose numbers have started anew may not be silent: nobody could tell.
    """
    consumer, keys = world.consumer, world.engine.keys
    world.cut()
    for name in KEYS:
        world.emit(name)
        world.join(name)
    loud = [name for name in KEYS if name not in quiet or not world.rules.source or world.market.now[name].era]
    began = world.now
    while True:
        world.relieve()
        world.wait(ROUND_TRIP)
        world.accept()
        for _ in range(len(world.asked)):
            world.answer(0, "then")
        if int(world.now / BETWEEN_MESSAGES) != int((world.now - ROUND_TRIP) / BETWEEN_MESSAGES):
            for name in loud:
                world.emit(name)
        world.flush()
        left = [name for name in KEYS if not is_healed(world, name, name in loud)]
        if world.open is not None and not left:
            return
        assert world.now - began < BOUND, [(n, keys.syncs.get(n), consumer.at.get(n), world.market.now[n]) for n in left]


def is_healed(world: World, name: str, loud: bool) -> bool:
    """LIVE and current: the true state, or at least its position where nothing heals the state."""
    sync = world.engine.keys.syncs.get(name)
    if sync is None:
        return not loud
    at, now = world.consumer.at.get(name), world.market.now[name]
    current = world.consumer.is_current(name) if world.rules.source else at is not None and at[:2] == now[:2]
    return sync.state is State.LIVE and current


SCRIPTS = st.lists(st.tuples(st.sampled_from(DECK), st.integers(0, 999)), max_size=80)


@pytest.mark.parametrize("venue", VENUES)
@given(script=SCRIPTS, quiet=st.sampled_from(["", "A", "BC"]))
@settings(max_examples=60)
def test_whatever_happens_it_holds_and_heals(venue: str, script: list[tuple[str, int]], quiet: str) -> None:
    """Order, no silent hole, true states at every step; and everything complete within `BOUND` after the last fault."""
    play(venue, script, quiet)


@pytest.mark.parametrize("venue", VENUES)
def test_long_scripts(venue: str) -> None:
    """The same with longer scripts from a plain generator; and they do get through to where it is interesting."""
    messages = gaps = snapshots = 0
    for seed in range(10):
        dice = random.Random(f"{venue} {seed}")
        script = [(dice.choice(DECK), dice.randrange(1000)) for _ in range(400)]
        world = play(venue, script, dice.choice(["", "A", "BC"]))
        messages += world.consumer.messages
        gaps += world.engine.keys.gaps
        snapshots += world.engine.keys.snapshots
    assert messages > 100
    assert gaps > 50
    assert snapshots > 20 or not (world.rules.source or world.rules.classify)
