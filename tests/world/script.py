"""What a script is made of: one plain tuple a step, its name first. Numbers of keys and lines are taken modulo what there is,
so any step fits any world. `STEPS` says what each does; `draw` makes one from dice, `steps` is the same for Hypothesis.
"""

from __future__ import annotations

import random
from typing import Any, Callable

from hypothesis import strategies as st

from syncstream.core.engine import Payload
from syncstream.core.frames import TEXT

from .config import KEYS
from .requests import MODES
from .violation import require
from .wire import BYTES, FEED, GARBAGE, Piece, beat, goodbye, ping, word
from .world import World

Step = tuple[Any, ...]


def _key(world: World, index: int) -> str:
    return KEYS[index % world.config.keys]


def trade(world: World, key: int, count: int, fault: str, hits: int) -> None:
    """`count` changes of a key; `fault`: "", "skip", "twice", "late" (until `release`) or "swap", on line `hits` (2: on all)."""
    world.publish(_key(world, key), count, fault, hits)


def whole(world: World, key: int) -> None:
    """The venue sends a key's state in-band."""
    if world.config.classify:
        world.send([world.venue.whole(_key(world, key))])


def release(world: World, line: int) -> None:
    """What was sent late comes now."""
    wire = world.wire(line)
    if wire is not None:
        for piece in wire.aside:
            wire.put(piece)
        wire.aside.clear()
        world.flush(wire)


def again(world: World, line: int, back: int) -> None:
    """An older message once more."""
    wire = world.wire(line)
    if wire is not None and wire.sent:
        ident, piece = wire.sent[-1 - back % len(wire.sent)]
        if world.venue.truths[ident].whole and world.config.scope in ("growing", "none"):
            return
        for fold in world.folds:
            fold.displaced.add(ident)
        wire.put(piece)
        world.flush(wire)


def heartbeat(world: World, line: int) -> None:
    """A message that is no data."""
    _put(world, line, beat(world.config.classify))


def stands(world: World, key: int) -> None:
    """The venue says where the counter of a key stands, to every line that hears of it."""
    name = _key(world, key)
    for wire in list(world.venue.wires.values()) if world.config.idle else ():
        hears = name in wire.subscribed or (world.config.scope == "shared" and wire.subscribed)
        if hears and not wire.mute and not wire.gone:
            wire.put(Piece(world.venue.stands(name, wire), FEED))
            world.flush(wire)


def pinged(world: World, line: int) -> None:
    """The venue pings."""
    _put(world, line, ping(b"p%d" % (world.steps % 10)))


def garbage(world: World, line: int, kind: str) -> None:
    """Something no venue should send."""
    if world.config.scope == "none" and kind in ("no-number", "bad-number"):
        return
    _put(world, line, GARBAGE[kind])


def _put(world: World, line: int, piece: Piece) -> None:
    wire = world.wire(line)
    if wire is not None and not wire.mute:
        wire.put(piece)
        world.flush(wire)


def chunks(world: World, line: int, size: int, keep: int) -> None:
    """From now on bytes come in chunks of `size` (0: all at once), and the last `keep` are always still on their way."""
    wire = world.wire(line)
    if wire is not None:
        wire.chunk, wire.keep = size, keep
        world.flush(wire)


def mute(world: World, line: int, on: bool) -> None:
    """The venue sends no data on a line, and answers pings."""
    wire = world.wire(line)
    if wire is not None:
        wire.mute = on


def half(world: World, line: int) -> None:
    """Half-open: nothing passes any more, in either direction."""
    wire = world.wire(line)
    if wire is not None:
        wire.dead = True


def lag(world: World, line: int, on: bool) -> None:
    """What is sent on a line waits until it does not lag."""
    wire = world.wire(line)
    if wire is not None:
        wire.lags = on
        world.flush(wire)


def cut(world: World, line: int, inside: bool) -> None:
    """The connection breaks; `inside` a frame."""
    wire = world.wire(line)
    if wire is not None and not wire.dead:
        if inside:
            wire.put(Piece(b"\x81\x7e\x01\x00only this", BYTES, ends=True))
        wire.broken = True
        wire.lags = False
        world.flush(wire)


def bye(world: World, line: int, code: int) -> None:
    """The venue closes, with a code (0: without)."""
    wire = world.wire(line)
    if wire is not None:
        wire.put(goodbye(code or None))
        world.flush(wire)


def dials(world: World, mode: str, delay: float, retry_after: float) -> None:
    """What dials lead to from now on: "open", "retry", "slow", "fatal" or "hang", after `delay`."""
    world.dials = (mode, delay, retry_after or None)


def rest(world: World, mode: str, latency: float, retry_after: float) -> None:
    """What the snapshot service does from now on."""
    service = world.service
    service.mode, service.latency, service.retry_after = mode, latency, retry_after or None
    if mode != "cached":
        service.cache.clear()


def echo(world: World, back: int) -> None:
    """An answer that came before comes again."""
    replies = world.service.replies
    if replies:
        world._on_reply(replies[-1 - back % len(replies)])


def restart(world: World, key: int) -> None:
    """The numbers of a key start anew; the state is carried on."""
    if world.config.scope in ("key", "shared", "connection"):
        world.venue.keys[_key(world, key)].restart()
        for wire in world.venue.wires.values() if world.config.resets else ():  # nothing of before comes later
            wire.aside.clear()
            wire.sent.clear()


def recount(world: World) -> None:
    """The counter over many keys starts anew."""
    world.venue.recount()


def subscribe(world: World, key: int) -> None:
    """The user wants a key (again)."""
    name = _key(world, key)
    if world.closed_at is None:
        if name not in world.wanted:
            world.wanted.add(name)
            world.fold.forget(name)
            world.fold.unwanted.discard(name)
            world.pleas.subscribed([name], world.now)
        world.engine.subscribe([name], [world.request(name)], world.now)
        world.settle()


def unsubscribe(world: World, key: int) -> None:
    """The user does not want a key any more."""
    name = _key(world, key)
    if world.closed_at is None:
        world.wanted.discard(name)
        world.engine.unsubscribe([name], [Payload(TEXT, b'{"unsub":"%s"}' % name.encode(), (name,))], world.now)
        world.fold.unwanted.add(name)
        world.pleas.forget(name)
        world.service.withdraw(name)
        world.silences.forget(name)
        world.settle()


def deaf(world: World, key: int) -> None:
    """The venue refuses the next subscription of a key, and says so in a message without a key."""
    if world.config.lines == 1:  # see `checks`
        world.venue.deaf.add(_key(world, key))


def lost(world: World, key: int) -> None:
    """The venue does not hear the next subscription of a key, or its acknowledgement is lost."""
    world.venue.lost.add(_key(world, key))


def entry(world: World, how: str) -> None:
    """What a login leads to from now on: "ok", "no", "final" (a wrong key), or "" for no answer at all."""
    world.venue.entry = how


def notice(world: World, line: int, says: str) -> None:
    """The venue says something of the line itself."""
    if world.config.classify:
        _put(world, line, word(says, id=world.steps))


def calls(world: World, fail: bool) -> None:
    """The user's callables raise from now on, or do not."""
    world.calls_fail = fail


def stall(world: World, on: bool) -> None:
    """The consumer stops taking, or goes on."""
    if world.outlet is not None:
        world.outlet.stalled = on
        world.settle()


def take(world: World, most: int) -> None:
    """The consumer takes a few."""
    if world.outlet is not None:
        world.consume(most)
        world.settle()


def old_bytes(world: World, back: int) -> None:
    """Bytes, and the end, of a connection that is gone."""
    if world.old:
        line, epoch = world.old[-1 - back % len(world.old)]
        world.changes_nothing(lambda: world.engine.batch(line, epoch, b"\x81\x02{}", world.now))
        world.changes_nothing(lambda: world.engine.lost(line, epoch, "late", world.now))


def close(world: World) -> None:
    """The user closes."""
    if world.closed_at is None:
        world.fatal = "close"
        world.engine.close(world.now)
        world.settle()


def mistake(world: World, key: int) -> None:
    """A checksum of the venue's shows that what was delivered of a key is wrong."""
    name = _key(world, key)
    if world.closed_at is None:
        complete = name in world.pleas.complete and world.watches[0].live
        before = _doubts(world)
        world.engine.mismatched(name, world.now)
        world.settle()
        told = _doubts(world) > before
        require(told or not complete or world.closed_at is not None, "doubt", f"{name} is wrong, and nobody doubts it")


def _doubts(world: World) -> int:
    return world.fold.told["checksum", True] + world.fold.told["checksum", False]


def wait(world: World, seconds: float) -> None:
    """Time passes."""
    world.wait(seconds)


def jump(world: World, seconds: float) -> None:
    """Time jumps: what was due meanwhile is late."""
    world.jump(seconds)


_seconds = (0.005, 0.02, 0.1, 0.3, 1.0, 2.5, 7.0)
_line, _many = (0, 1), (0, 1, 2, 3, 4)
_on = (True, False)

STEPS: dict[str, tuple[Callable[..., None], int, tuple[tuple[Any, ...], ...]]] = {
    # name: what it does, how often, what its arguments may be
    "trade": (trade, 40, (_many, (1, 1, 1, 2, 5), ("", "", "", "", "", "", "skip", "twice", "late", "swap"), (2, 2, 0, 1))),
    "wait": (wait, 22, (_seconds,)),
    "heartbeat": (heartbeat, 4, (_line,)),
    "release": (release, 3, (_line,)),
    "again": (again, 3, (_line, _many)),
    "whole": (whole, 2, (_many,)),
    "ping": (pinged, 1, (_line,)),
    "garbage": (garbage, 1, (_line, tuple(GARBAGE))),
    "chunks": (chunks, 2, (_line, (0, 0, 1, 3, 40), (0, 0, 1, 7))),
    "mute": (mute, 2, (_line, _on)),
    "half": (half, 1, (_line,)),
    "lag": (lag, 3, (_line, _on)),
    "cut": (cut, 2, (_line, _on)),
    "bye": (bye, 1, (_line, (0, 1000, 1001, 1006 + 6, 1008, 1013, 4000))),
    "lost": (lost, 2, (_many,)),
    "entry": (entry, 1, (("ok", "ok", "ok", "no", "final", ""),)),
    "notice": (notice, 3, (_line, ("challenge", "pause", "pause", "resume", "resume", "resubscribe", "reconnect", "pong"))),
    "calls": (calls, 1, ((False, False, True),)),
    "dials": (
        dials,
        3,
        (("open", "open", "open", "retry", "slow", "fatal", "hang"), (0.0, 0.05, 0.5, 2.0, 3.5), (0.0, 0.0, 1.5)),
    ),
    "rest": (rest, 4, (("ok",) * 6 + MODES, (0.0, 0.05, 0.4, 1.5, 5.0), (0.0, 0.0, 1.0))),
    "echo": (echo, 1, (_many,)),
    "restart": (restart, 1, (_many,)),
    "recount": (recount, 1, ()),
    "subscribe": (subscribe, 2, (_many,)),
    "unsubscribe": (unsubscribe, 1, (_many,)),
    "deaf": (deaf, 1, (_many,)),
    "stall": (stall, 3, (_on,)),
    "take": (take, 2, ((1, 4),)),
    "old_bytes": (old_bytes, 1, (_many,)),
    "jump": (jump, 1, ((0.5, 3.0, 20.0, 100.0),)),
}
_NAMES = [name for name, (_, weight, _) in STEPS.items() for _ in range(weight)]
_LAST: dict[str, Callable[..., None]] = {"close": close, "mistake": mistake, "stands": stands}
_MISTAKES = 0.02  # of the steps, where snapshots come over the line: elsewhere they would make other worlds of all seeds


def perform(world: World, step: Step) -> None:
    """One step, and every check after it."""
    name, *arguments = step
    function = _LAST[name] if name in _LAST else STEPS[name][0]
    world.steps += 1
    world.faults[name if name != "trade" or not arguments[2] else str(arguments[2])] += 1
    function(world, *arguments)
    world.check()


def draw(dice: random.Random) -> Step:
    """One step, as chance will have it."""
    name = _NAMES[int(dice.random() * len(_NAMES))]
    return (name, *[options[int(dice.random() * len(options))] for options in STEPS[name][2]])


def draw_script(dice: random.Random, length: int, *, mistakes: bool = False) -> list[Step]:
    """So many steps; one in ten ends with a close, one in a hundred has more than an hour of refusals."""
    script = [draw(dice) for _ in range(length)]
    if mistakes:
        script = [("mistake", dice.randrange(5)) if dice.random() < _MISTAKES else step for step in script]
    if dice.random() < 0.01:
        script[-3:] = [("dials", "retry", 0.0, 0.0), ("cut", 0, False), ("wait", 4000.0)]
    if dice.random() < 0.1:
        at = dice.randrange(length + 1)
        script[at : at + 1] = [("close",)]
        del script[at + 40 :]
    return script


def steps() -> st.SearchStrategy[Step]:
    """One step, simplest first."""
    kinds = [st.tuples(st.just(name), *map(_options, arguments)) for name, (_, _, arguments) in STEPS.items()]
    return st.one_of(*kinds)


def _options(values: tuple[Any, ...]) -> st.SearchStrategy[Any]:
    return st.sampled_from(list(dict.fromkeys(values)))
