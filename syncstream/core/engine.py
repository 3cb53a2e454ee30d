"""What decides: all lines, counters and keys of a stream. Pure: inputs with `now` in, actions and deliveries out.

    world ── opened / refused / batch / lost / fetched / unfetched / dropped / relieved / paused / resumed / subscribe /
             mismatched / unsubscribe / spoken / unspoken / tell / close / tick ──► Engine
    world ◄── take_actions(): Dial, Abandon, Hangup, Send, Fetch, Call  ·  take_deliveries()  ·  deadline()

Inputs are in the past tense: the world tells what happened. Nothing here blocks, reads a clock or throws dice; `random` is a
callable given by the shell. Call `tick(now)` whenever `deadline()` has come; calling it earlier does no harm.
"""

from __future__ import annotations

from typing import Any, Callable, Hashable, Iterable, Optional, Sequence

from ..errors import DialError, FetchError, StreamFailed
from ..events import Event, Snapshot, Stale, Status
from . import picture
from .actions import Abandon as Abandon
from .actions import Call as Call
from .actions import Dial as Dial
from .actions import Hangup as Hangup
from .actions import Payload as Payload
from .actions import Send as Send
from .connections import Connections
from .deflate import Agreed
from .dialogue import Dialogue
from .fast_path import FastPath
from .line import Line, Phase
from .order import Order
from .quiet import Mark, Quiet
from .received import Received
from .rules import Rules


class Engine:
    """Owned by: the reader thread. Others may call: nothing."""

    def __init__(
        self,
        rules: Rules,
        *,
        random: Callable[[], float],
        wall_ns: int = 0,
        topics: Sequence[Hashable] = (),
        topic_key: Callable[[Any], Hashable] = lambda topic: topic,
        lines: int = 1,
        sized: bool = False,
    ) -> None:
        """`sized`: the bytes of what is delivered are wanted, see `take_sizes`."""
        self.rules = rules
        self.random = random
        self.topics: dict[Hashable, None] = dict.fromkeys(topics)
        self.order = Order(rules, wall_ns=wall_ns, lines=lines, sized=sized)
        self.keys = self.order.keys
        self.connections = Connections(rules, self.order, self.topics, random=random, count=lines)
        self.lines = self.connections.lines
        self.notes = self.connections.notes  # for the log: the shell takes them out
        self.quiet = Quiet(rules.quiet_after, self._mark)
        self.dialogue = Dialogue(rules, self.connections, self.quiet, self.topics, topic_key=topic_key)
        self.asking = self.dialogue.asking
        self.late = 0
        self._noted = False
        self._plain = True  # all that came in this batch, so far

    # ---------------------------------------------------------------- lines

    def start(self, now: float) -> None:
        """Dial every line."""
        self.connections.start(now)

    def opened(
        self,
        line: int,
        epoch: int,
        payloads: Iterable[Payload],
        now: float,
        *,
        steps: Sequence[Sequence[Payload]] = (),
        deflate: Optional[Agreed] = None,
        hidden: Iterable[str] = (),
    ) -> bool:
        """A dial succeeded; `payloads` subscribe to the topics it was given, `steps` are what each step of the opening script
        sends, `deflate` is what was agreed on about compression, if anything was, and `hidden` is what the venue was told and
        nobody shall read. False: too late, close it."""
        place = self.lines[line]
        if place.epoch != epoch or place.phase is not Phase.DIALING:
            self.late += 1
            return False
        self.dialogue.begin(place, payloads, now, steps=steps, deflate=deflate, hidden=hidden)
        return True

    def refused(self, line: int, epoch: int, error: DialError, now: float) -> None:
        """A dial failed."""
        place = self.lines[line]
        if place.epoch != epoch or place.phase is not Phase.DIALING:
            self.late += 1
            return
        self.connections.refused(place, error, now)

    def batch(self, line: int, epoch: int, data: bytes, now: float) -> bool:
        """Bytes came. True if all of it was plain: nothing is due sooner for that, and there is nothing to do but deliver."""
        place = self.lines[line]
        if place.epoch != epoch or not (place.is_open() or place.phase is Phase.CLOSING):
            self.late += 1
            return False
        self._plain = True
        received = place.frames.receive(data)
        usual = place.phase is Phase.LIVE and self.order.parts is None
        start = self._scan(place, received, 0, now) if usual else None
        if start and start == len(received.payloads) and place.frames.error is None:
            self.connections.check_data(now)
            return True  # the usual batch, in a few calls: at some thousand messages a second each comes alone
        place.clocks.proved_transport(now)
        if place.phase is not Phase.CLOSING:
            self._came(place, received, start, len(data), now)
        if place.phase is Phase.CLOSING and (place.frames.closed or place.frames.error is not None):
            self.connections.gone(place)  # the stream may have ended by what came before it
            return False
        return self._plain and place.is_live() and place.frames.error is None

    def fast_path(self, line: int, epoch: int) -> FastPath:
        """What a few messages at a time go by, as long as they are plain."""
        place, scan = self.lines[line], self.order.scan
        plain = place.epoch == epoch and place.phase is Phase.LIVE and scan.enabled
        return FastPath(self.rules, self.keys, place, scan.read if plain else None)

    def _came(self, place: Line, received: Received, start: Optional[int], size: int, now: float) -> None:
        self._read(place, received, start, now)
        place.received += size
        if place.is_open() and place.frames.error is not None:
            if place.is_live():
                place.broke(now)
            else:
                self.connections.break_off(place, place.frames.error, now)
        elif place.phase is Phase.OPENING and place.received > self.rules.max_message_size:
            reason = f"opening: more than {self.rules.max_message_size} bytes before it was through"
            self.connections.lose(place, reason, None, now)
        else:
            self.connections.check_data(now)

    def lost(self, line: int, epoch: int, reason: str, now: float) -> None:
        """The connection ended or broke, with no close frame."""
        place = self.lines[line]
        if place.epoch != epoch or not (place.is_open() or place.phase is Phase.CLOSING):
            self.late += 1
        elif place.phase is Phase.CLOSING:
            self.connections.gone(place)
        elif place.frames.error is not None:
            self.connections.break_off(place, place.frames.error, now)
        else:
            self.connections.lose(place, reason, 1006, now)

    def paused(self) -> None:
        """We do not read for a while; silence proves nothing now."""
        for place in self.lines:
            place.clocks.pause()
            self.dialogue.limit_opening(place)

    def resumed(self, now: float) -> None:
        for place in self.lines:
            place.clocks.resume(now)
            place.talk.opening.resume(now)
            self.dialogue.limit_opening(place)
        self.quiet.restart(now)

    def route(self) -> Optional[tuple[int, int]]:
        """The line and epoch a user's message goes out on; `None` if none is open."""
        for place in self.lines:
            if place.phase is Phase.LIVE:
                return place.index, place.epoch
        return None

    def spent(self, line: int, now: float) -> None:
        """A message of the user's goes out on this line: it does not wait for the budget, but counts."""
        self.lines[line].talk.spent(now)

    # ---------------------------------------------------------------- snapshots and consumers

    def fetched(self, epoch: int, position: Any, state: Any, now: float, *, size: int = 0) -> None:
        """A snapshot request was answered. `size`: bytes of the answer."""
        self.keys.fetched(epoch, position, state, now, self.random(), size=size)
        self._after_keys(now)

    def unfetched(self, epoch: int, error: FetchError, now: float) -> None:
        """A snapshot request failed."""
        self.keys.unfetched(epoch, error, now, self.random())
        self._after_keys(now)

    def mismatched(self, key: Hashable, now: float, reason: str = "checksum") -> None:
        """What was delivered of this key is not what the venue has, as a checksum of its own shows; or nobody can read it."""
        if not self.closing:
            self.keys.mismatched(key, now, self.random(), reason)
            self._after_keys(now)

    def dropped(self, keys: Iterable[Hashable], now: float) -> None:
        """Queued messages of these keys were thrown away, because the consumer is too slow."""
        if not self.closing:
            self.keys.dropped(keys, now)

    def relieved(self, now: float) -> None:
        """The consumer has caught up."""
        self.keys.relieved(now)
        self.asking.ask(now)

    # ---------------------------------------------------------------- commands

    def subscribe(self, topics: Iterable[Hashable], payloads: Iterable[Payload], now: float) -> None:
        """These topics are wanted from now on; those that were wanted already change nothing."""
        self.dialogue.subscribe(topics, payloads, now)

    def unsubscribe(self, topics: Iterable[Hashable], payloads: Iterable[Payload], now: float) -> None:
        """These topics are not wanted any more."""
        self.dialogue.unsubscribe(topics, payloads, now)

    def spoken(self, line: int, epoch: int, left: Iterable[Payload], asked: Iterable[Payload], now: float) -> None:
        """A `Call` was answered: what to send to leave topics, and to subscribe to them (again)."""
        place = self.lines[line]
        if place.epoch != epoch or not place.is_live():
            self.late += 1
            return
        self.dialogue.spoken(place, left, asked, now)

    def unspoken(self, line: int, epoch: int, topics: Iterable[Hashable], reason: str, now: float) -> None:
        """A `Call` failed: the user's callable raised, or said what cannot be sent."""
        place = self.lines[line]
        if place.epoch != epoch or not place.is_live():
            self.late += 1
            return
        self.dialogue.unspoken(place, topics, reason, now)

    def close(self, now: float) -> None:
        """The user wants no more: say goodbye, deliver nothing after `Closed`."""
        self.connections.end(now)

    def fail(self, error: StreamFailed, now: float) -> None:
        """The stream cannot go on."""
        self.connections.fail(error, now)

    def tell(self, event: Event) -> None:
        """A marker that is not the engine's own, behind what has been delivered so far."""
        if not self.closing:
            self.keys.out.append(event)

    @property
    def closing(self) -> bool:
        """Closed, by the user or by a failure; connections may be left."""
        return self.connections.closing

    @property
    def failure(self) -> Optional[StreamFailed]:
        """Why the stream cannot go on."""
        return self.connections.failure

    @property
    def connects(self) -> int:
        """Connections so far that went live."""
        return self.connections.connects

    @property
    def finished(self) -> bool:
        """Closed, and no connection is left."""
        return all(place.phase is Phase.CLOSED for place in self.lines)

    # ---------------------------------------------------------------- time

    def tick(self, now: float) -> None:
        """Do what is due."""
        self.connections.check_first(now)  # before a line is dialled once more
        for place in self.lines:
            if place.is_live():
                self.connections.tick_live(place, now)
                if place.is_live() and place.frames.error is None:
                    self.dialogue.tick(place, now)
            elif place.limit_at is not None and now >= place.limit_at:
                self.connections.tick_limit(place, now)
        self._tick_quiet(now)
        self.order.tick(now)
        while True:
            epoch = self.keys.fetches.overdue(now)
            if epoch is None:
                break
            self.keys.unfetched(epoch, FetchError("no answer to the snapshot request"), now, self.random())
        self.connections.check_data(now)
        self._after_keys(now)

    def deadline(self) -> Optional[float]:
        """When `tick` has something to do next; `None`: nothing is due until something happens."""
        moments = [place.deadline() for place in self.lines]
        if not self.connections.closing:
            moments.append(self.order.deadline())
            moments.append(self.keys.fetches.deadline(asking=self.asking.may_ask()))
            moments.append(self.connections.deadline())
            quiet_at = self.quiet.deadline()
            if quiet_at is not None and self._listens():
                moments.append(quiet_at)
        return min((moment for moment in moments if moment is not None), default=None)

    @property
    def stirred(self) -> bool:
        """Whether there is something to do."""
        return bool(self.connections.actions or self.notes)

    def take_actions(self) -> list[Any]:
        """What the shell has to do now, in order."""
        actions, self.connections.actions = self.connections.actions, []
        return actions

    def take_deliveries(self) -> list[Any]:
        """Messages and events for the consumer, in order."""
        deliveries, self.keys.out = self.keys.out, []
        return deliveries

    def take_sizes(self, deliveries: list[Any]) -> Optional[list[int]]:
        """The bytes of each of the deliveries just taken: of a message and a snapshot as it came, inflated; of a marker none.

        `None` if they are not wanted.
        """
        sizes = self.keys.sizes
        if sizes is None:
            return None
        self.keys.sizes = []
        if len(sizes) == len(deliveries):  # each of them has its own
            return sizes
        each = iter(sizes)
        return [0 if isinstance(item, Event) and not isinstance(item, Snapshot) else next(each) for item in deliveries]

    # ---------------------------------------------------------------- within

    def _read(self, place: Line, received: Received, start: Optional[int], now: float) -> None:
        """Everything that came, in order; from `start` on, if so many were plain and that one is not."""
        order = self.order
        for entries in order.entries(received):
            if not self._follow(place, entries, start, now):
                break
        if self._plain:
            return
        if order.quarantined and not self._noted:
            self._noted = True
            self.notes.append(f"a message was quarantined, the first of perhaps many: {order.quarantine_why}")
        if self.keys.fresh:
            self._watch_keys(now)
        self._after_keys(now)

    def _scan(self, place: Line, entries: Received, start: int, now: float) -> int:
        """Deliver what is plain; the index of the first that is not."""
        plain = self.order.scan(entries, start)
        if plain > start:
            place.heard(now)
            place.carried(now)
        return plain

    def _follow(self, place: Line, entries: Received, start: Optional[int], now: float) -> bool:
        """Each of them, in order, as `_read`. False if the connection is over with one, or the stream."""
        count, index, scans = len(entries), start or 0, start is None
        while index < count:
            plain = self._scan(place, entries, index, now) if scans and place.phase is Phase.LIVE else index
            scans = True
            if plain > index:
                index = plain
                continue
            opcode, came = entries[index]
            self._plain = False
            index += 1
            if not self.dialogue.hear(place, opcode, came, now):
                return False
        return True

    def _after_keys(self, now: float) -> None:
        if self.keys.failure is None:
            self.asking.ask(now)
        if self.keys.failure is not None:
            self.fail(self.keys.failure, now)

    def _listens(self) -> bool:
        """Whether the silence of a key says anything: a line is open, we read, and the venue has not paused."""
        return any(place.phase is Phase.LIVE and not place.clocks.patient for place in self.lines)

    def _mark(self, key: Hashable) -> Mark:
        sync = self.keys.syncs[key]
        return self.keys.latest.get(key), None if sync.counter is None else sync.counter.position, sync.held

    def _watch_keys(self, now: float) -> None:
        """New keys are looked after from now on."""
        fresh, self.keys.fresh = self.keys.fresh, []
        for key in fresh:
            try:
                self.quiet.add(key, now)
            except Exception as error:  # user code
                self.notes.append(f"quiet_after of {key!r}: {type(error).__name__}: {error}; its silence is not watched")

    def _tick_quiet(self, now: float) -> None:
        """Keys that are silent for too long: tell, subscribe them again, and fetch."""
        if not self._listens():
            return
        for key, seconds in self.quiet.due(now):
            self.keys.out.append(Stale(key=key, silence=seconds, at_ns=self.keys.wall(now)))
            self.keys.quieted(key, now, again=self.asking.again(key))

    # ---------------------------------------------------------------- status

    def status(self, now: float, *, queued: int = 0, dropped: int = 0) -> Status:
        """A picture of everything."""
        return picture.of(
            self.order,
            self.lines,
            self.topics,
            now,
            connects=self.connects,
            late=self.late,
            closing=self.closing,
            failure=self.failure,
            queued=queued,
            dropped=dropped,
        )
