"""A world: one engine, a venue, a consumer, and a virtual clock. `step` does one thing of a script, then everything is checked.

It drives the engine just as the reader thread does: bytes are taken before deadlines, deliveries before actions, `tick` when
the deadline has come. Nothing sleeps; time moves only in `wait`, `jump` and `calm`.
"""

from __future__ import annotations

import heapq
import random
from collections import Counter
from typing import Any, Callable, Optional

import msgspec

from syncstream.core.engine import Abandon, Dial, Engine, Hangup, Payload, Send
from syncstream.core.frames import CLOSE, PING, TEXT
from syncstream.core.keys import Fetch
from syncstream.errors import ConnectFailed, DataFailed, DialError, Overflow, Severity, SnapshotFailed
from syncstream.events import Closed, Disconnected, Event, Stale

from . import checks
from .config import KEYS, Config, rules
from .fold import Fold, Notes
from .lines import LineWatch
from .outlet import Outlet
from .requests import Reply, Request, Service
from .venue import Truth, Venue
from .violation import Violation, require
from .wire import DATA, FEED, REFUSAL, Piece, Wire, goodbye, pong

MOST_TICKS = 20  # at one moment
START = 1000.0
_RTT = 0.01
_SEVERITIES = {"retry": Severity.RETRY, "slow": Severity.SLOW, "fatal": Severity.FATAL}


class World:
    """Owned by: whoever runs it. Raises `Violation` from any step."""

    def __init__(self, config: Config, seed: int = 0) -> None:
        self.config = config
        self.now = START
        self.dice = random.Random(seed)
        self.chances: list[float] = []  # thrown in this input
        self.venue = Venue(config)
        self.service = Service(self.venue, config)
        self.engine = Engine(rules(config), random=self._chance, topics=tuple(KEYS[: config.keys]), lines=config.lines)
        notes = Notes()
        self.fold = Fold(self.venue, config, "engine", notes, sees_all=True)
        self.folds = [self.fold]
        self.outlet: Optional[Outlet] = None
        if config.policy:
            self.outlet = Outlet(config.policy, config.maxsize, config.view, heals=config.source != "none")
            self.folds.append(Fold(self.venue, config, "consumer", notes, sees_all=False))
        self.watches = [LineWatch(index, config) for index in range(config.lines)]
        self.wanted = set(KEYS[: config.keys])
        self.dials: tuple[str, float, Optional[float]] = ("open", 0.05, None)
        self.faults: Counter[str] = Counter()
        self.steps = 0
        self.paused = False
        self.closed_at: Optional[float] = None
        self.feeds = self.data = 0  # whole messages that were read; of these, with data
        self.fatal = ""  # a reason to fail that was given
        self.remember = config.scope in ("growing", "none", "connection")  # which wire each message was on
        self.exact = True  # time has not jumped: what is due happens to the moment
        self.calm_down = False
        self.old: list[tuple[int, int]] = []  # lines and epochs of connections that are gone
        self._events: list[tuple[float, int, str, tuple[Any, ...]]] = []
        self._order = 0
        self._flowed = 0
        self._at_this_moment = 0
        self._moment = START
        for watch in self.watches:
            watch.dial_at = START
        self.engine.start(self.now)
        self.settle()
        if config.flow:
            self.later(config.flow, "flow")

    def _chance(self) -> float:
        chance = self.dice.random()
        self.chances.append(chance)
        return chance

    # ---------------------------------------------------------------- time

    def later(self, after: float, name: str, *arguments: Any) -> None:
        self._order += 1
        heapq.heappush(self._events, (self.now + after, self._order, name, arguments))

    def deadline(self) -> Optional[float]:
        moments = [self.engine.deadline()]
        if self.outlet is not None:
            moments.append(self.outlet.pressure.deadline())
        return min((moment for moment in moments if moment is not None), default=None)

    def wait(self, seconds: float) -> None:
        """Time passes, and everything happens when it is due."""
        end = self.now + seconds
        while True:
            due = self.deadline()
            event = self._events[0][0] if self._events else None
            first = min((moment for moment in (due, event) if moment is not None), default=end + 1)
            if first > end:
                break
            self.now = max(self.now, first)
            self._happen()
        self.now = max(self.now, end)

    def jump(self, seconds: float) -> None:
        """The clock stands far ahead at once: everything that was due meanwhile is late."""
        self.now += seconds
        self.exact = False
        self._happen()
        self.tick()
        self.exact = True

    def _happen(self) -> None:
        """Everything that is due now."""
        while self._events and self._events[0][0] <= self.now:
            _, _, name, arguments = heapq.heappop(self._events)
            getattr(self, f"_on_{name}")(*arguments)
        due = self.deadline()
        if due is not None and due <= self.now:
            self.tick()

    def tick(self) -> None:
        self._count()
        self.engine.tick(self.now)
        due = self.engine.deadline()
        require(due is None or due > self.now, "busy", f"after tick({self.now}) the deadline is {due}")
        self.settle()

    def _count(self) -> None:
        if self._moment != self.now:
            self._moment, self._at_this_moment = self.now, 0
        self._at_this_moment += 1
        require(self._at_this_moment <= MOST_TICKS, "busy", f"no end of ticks at {self.now}")

    # ---------------------------------------------------------------- what comes back from the engine

    def settle(self) -> None:
        """Take what the engine has made, and act on it, until it is quiet; as the reader does after each input."""
        engine, outlet = self.engine, self.outlet
        for _ in range(50):
            items, actions = engine.take_deliveries(), engine.take_actions()
            chances, self.chances = self.chances, []
            if items:
                self._deliver(items, chances)
            elif outlet is not None and not self.closed_at:
                self._press([])
            for action in actions:
                self._act(action)
            due = self.deadline()
            if due is not None and due <= self.now:
                self.tick()
            if not engine.keys.out and not engine._actions:
                break
        else:
            raise Violation("busy", f"the engine does not come to rest at {self.now}")
        if engine.closing and self.closed_at is None:
            raise Violation("closed", "the engine is closing and has not said so")

    def _deliver(self, items: list[Any], chances: list[float]) -> None:
        stale = False
        for item in items:
            if self.closed_at is not None:
                raise Violation("closed", f"{item} was delivered after the end")
            if isinstance(item, Event):
                if isinstance(item, Disconnected):
                    self.watches[item.line].disconnected(item, chances, self.now, stale=stale)
                    stale = False
                elif isinstance(item, Stale):
                    stale = True
                elif isinstance(item, Closed):
                    self._ended(item)
                self.service.told(item)
            self.fold.take(item)
        if self.outlet is not None:
            self._press(items)

    def _press(self, items: list[Any]) -> None:
        """The consumer's queue, and what the reader does about it."""
        outlet, engine = self.outlet, self.engine
        assert outlet is not None
        dropped = outlet.put(items, self.now) if items else []
        due = outlet.pressure.deadline()
        if due is not None and self.now >= due:
            dropped = [*dropped, *outlet.tick(self.now)]
        if dropped:
            self.faults["dropped"] += 1
            engine.dropped(dropped, self.now)
        elif engine.keys.dropped_keys and outlet.relieved:
            engine.relieved(self.now)
        if not outlet.stalled:
            self.consume(1 << 30)
        if outlet.error is not None and not engine.closing:
            self.fatal = "overflow"
            engine.fail(outlet.error, self.now)
        if outlet.paused is not self.paused:
            self.paused = outlet.paused
            if self.paused:
                self.faults["paused"] += 1
                engine.paused()
            else:
                engine.resumed(self.now)
                for watch in self.watches:
                    watch.resumed(self.now)
                self.later(0.0, "flush")

    def consume(self, most: int) -> None:
        assert self.outlet is not None
        for item in self.outlet.take(most):
            self.folds[1].take(item)

    def _ended(self, marker: Closed) -> None:
        self.closed_at = self.now
        if self.outlet is not None:
            self.outlet.close()
        failure = self.engine.failure
        if failure is None:
            require(marker.error == "" and self.fatal == "close", "failure", f"the stream ended with {marker}, nobody closed it")
            return
        never = not any(watch.ever_open for watch in self.watches)
        allowed = (
            (isinstance(failure, ConnectFailed) and never and (self.fatal == "dial" or self.now >= START + 30.0))
            or (isinstance(failure, SnapshotFailed) and self.fatal == "snapshot")
            or (isinstance(failure, DataFailed) and not self.data and self.feeds >= 10)
            or (isinstance(failure, Overflow) and self.fatal == "overflow")
        )
        require(allowed, "failure", f"the stream failed with {failure!r}")
        self.faults[type(failure).__name__] += 1

    def _act(self, action: Any) -> None:
        if isinstance(action, Send):
            self._sent(action)
        elif isinstance(action, Fetch):
            require(self.closed_at is None, "closed", f"{action} after the end")
            request = self.service.asked(str(action.key), action.epoch, self.now)
            self.later(self.service.latency / 2, "look", request)
        elif isinstance(action, Dial):
            require(self.closed_at is None, "closed", f"{action} after the end")
            require(set(action.topics) == self.wanted, "dials", f"dialled with topics {action.topics}, wanted are {self.wanted}")
            self.watches[action.line].dial(action, self.now, exact=self.exact)
            mode, delay, retry_after = self.dials
            if mode != "hang":
                self.later(delay, "dialed", action, mode, retry_after)
        elif isinstance(action, Abandon):
            self.watches[action.line].abandoned(action.epoch)
        elif isinstance(action, Hangup):
            self.watches[action.line].hung_up(action.epoch)
            del self.venue.wires[action.line]
            self.old.append((action.line, action.epoch))

    def _sent(self, action: Send) -> None:
        wire = self.venue.wires.get(action.line)
        if wire is None or wire.epoch != action.epoch:
            raise Violation("hangup", f"{action} goes to no connection")
        self.watches[action.line].sends(action, self.now, paused=self.paused)
        if wire.gone:
            return
        if action.opcode == PING:
            self.later(_RTT, "pong", action.line, action.epoch, action.payload)
        elif action.opcode == CLOSE and self.closed_at is not None:
            self.later(_RTT, "goodbye", action.line, action.epoch)
        elif action.opcode == TEXT:
            self._told(wire, msgspec.json.decode(action.payload))

    def _told(self, wire: Wire, wish: dict[str, str]) -> None:
        """The venue hears a subscription."""
        if "unsub" in wish:
            wire.subscribed.pop(wish["unsub"], None)
        elif wish["sub"] in self.venue.deaf:
            self.venue.deaf.discard(wish["sub"])
            if not wire.mute:
                wire.put(REFUSAL)
                self.later(_RTT, "flush")
        else:
            wire.subscribed[wish["sub"]] = None

    # ---------------------------------------------------------------- what happens of itself

    def _on_flow(self) -> None:
        if self.config.flow and not self.calm_down:
            self._flowed += 1
            self.publish(KEYS[self._flowed % self.config.keys], 1)
            self.later(self.config.flow, "flow")

    def _on_flush(self) -> None:
        for wire in list(self.venue.wires.values()):
            self.flush(wire)

    def _on_pong(self, line: int, epoch: int, payload: bytes) -> None:
        wire = self.wire(line, epoch)
        if wire is not None:
            wire.put(pong(payload))
            self.flush(wire)

    def _on_goodbye(self, line: int, epoch: int) -> None:
        wire = self.wire(line, epoch)
        if wire is not None:
            wire.put(goodbye(1000))
            self.flush(wire)

    def _on_dialed(self, dial: Dial, mode: str, retry_after: Optional[float]) -> None:
        """The dial comes to its end. If nobody waits for it any more, that must change nothing."""
        watch, engine = self.watches[dial.line], self.engine
        payloads = [Payload(TEXT, msgspec.json.encode({"sub": topic})) for topic in dial.topics]
        error = DialError(mode, severity=_SEVERITIES.get(mode, Severity.RETRY), retry_after=retry_after)
        if watch.dialing != dial.epoch:
            if mode == "open":
                self.changes_nothing(
                    lambda: require(not engine.opened(dial.line, dial.epoch, payloads, self.now), "late", "taken")
                )
            else:
                self.changes_nothing(lambda: engine.refused(dial.line, dial.epoch, error, self.now))
            return
        if mode == "open":
            self.venue.wires[dial.line] = Wire(dial.line, dial.epoch, self.venue.first_number())
            watch.opened(self.now)
            require(engine.opened(dial.line, dial.epoch, payloads, self.now), "dials", "an open line was turned away")
        else:
            first = mode == "fatal" and not any(watch.ever_open for watch in self.watches)
            self.fatal = "dial" if first else self.fatal
            watch.refused(error)
            engine.refused(dial.line, dial.epoch, error, self.now)
            require(engine.closing or not first, "loud", "the first dial is refused for good, and the stream goes on")
        self.settle()

    def _on_look(self, request: Request) -> None:
        reply = self.service.reply(request)
        if reply is not None:
            self.later(self.service.latency / 2, "reply", reply)

    def _on_reply(self, reply: Reply) -> None:
        if self.service.answered(reply) or self.closed_at is not None:
            self.changes_nothing(lambda: self._answer(reply))
            return
        if reply.error is not None or reply.position == "odd":
            severity = Severity.FATAL if reply.error is None else reply.error.severity
            self.fatal = "snapshot" if severity is Severity.FATAL else self.fatal
        self._answer(reply)
        self.settle()

    def _answer(self, reply: Reply) -> None:
        if reply.error is not None:
            self.engine.unfetched(reply.request.epoch, reply.error, self.now)
        else:
            self.engine.fetched(reply.request.epoch, reply.position, reply.state, self.now)

    def changes_nothing(self, late: Callable[[], Any]) -> None:
        """An input of an older epoch. All it may do is give a place free for another request."""
        self.faults["late answer"] += 1
        before = checks.digest(self.engine)
        late()
        items = self.engine.take_deliveries()
        require(not items, "late", f"an answer of an older epoch delivered {items}")
        actions = self.engine.take_actions()
        others = [action for action in actions if not isinstance(action, Fetch)]
        require(not others, "late", f"an answer of an older epoch led to {others}")
        changed = checks.changes(before, checks.digest(self.engine), {action.key for action in actions})
        require(not changed, "late", f"an answer of an older epoch changed {changed}")
        self.chances.clear()
        for action in actions:
            self._act(action)
        self.settle()

    # ---------------------------------------------------------------- the venue

    def wire(self, line: int, epoch: Optional[int] = None) -> Optional[Wire]:
        found = self.venue.wires.get(line % self.config.lines)
        return found if found is not None and epoch in (None, found.epoch) else None

    def publish(self, key: str, count: int, fault: str = "", hits: int = 2) -> None:
        """The market moves. The fault hits one line, or all (2)."""
        self.send(self.venue.change(key, count), fault, hits)

    def send(self, made: list[tuple[int, Truth]], fault: str = "", hits: int = 2) -> None:
        """Messages go out to every line that has subscribed to their key."""
        shared = self.config.scope == "shared"
        numbers = [self.venue.count() if shared else 0 for _ in made]
        for wire in list(self.venue.wires.values()):
            if wire.gone:
                continue
            if not wire.subscribed or not (shared or made[0][1].key in wire.subscribed):
                for _, truth in made:
                    wire.leave_out(truth.key, truth.after, truth.to)
                    wire.unasked.setdefault(truth.key, set()).update(range(truth.after + 1, truth.to + 1))
                continue
            hit = fault if hits in (2, wire.line) else ""
            pieces: list[tuple[int, Piece]] = []
            for (ident, truth), number in zip(made, numbers):
                if self.config.scope == "connection":
                    wire.number += 1
                    number = wire.number
                if self.remember:
                    for fold in self.folds:
                        fold.wires[ident] = wire
                if wire.mute or hit == "skip":
                    wire.leave_out(truth.key, truth.after, truth.to)
                    continue
                if hit:
                    self._displace(wire, ident, truth, late=hit != "twice")
                pieces.append((ident, Piece(self.venue.frame(ident, truth, number), DATA)))
            self._put(wire, pieces, hit)
            self.flush(wire)

    def _put(self, wire: Wire, pieces: list[tuple[int, Piece]], hit: str) -> None:
        if hit == "late":
            wire.aside += [piece for _, piece in pieces]
            return
        if hit == "swap":
            pieces.reverse()
        for _, piece in pieces * 2 if hit == "twice" else pieces:
            wire.put(piece)
            wire.blank = False
        wire.sent.extend(pieces)

    def _displace(self, wire: Wire, ident: int, truth: Truth, *, late: bool) -> None:
        if late:
            wire.leave_out(truth.key, truth.after, truth.to)
        for fold in self.folds:
            fold.displaced.add(ident)

    def flush(self, wire: Wire) -> None:
        """What is on the wire is read, chunk by chunk, unless it lags or we do not read."""
        if wire.dead or wire.lags or self.paused:
            return
        wire.load()
        watch, engine = self.watches[wire.line], self.engine
        keep = 0 if wire.broken else wire.keep
        while wire.unread > keep and self.venue.wires.get(wire.line) is wire and not self.paused:
            data, whole = wire.read(wire.chunk or wire.unread - keep)
            if wire.spoiled:
                whole = []
            watch.read(whole, self.now)
            for piece in whole:
                if piece.ends:
                    wire.spoiled = True
                    break
                self.feeds += piece.proves >= FEED
                self.data += piece.proves == DATA
            engine.batch(wire.line, wire.epoch, data, self.now)
            self.settle()
        if wire.broken and not wire.unread and self.venue.wires.get(wire.line) is wire:
            engine.lost(wire.line, wire.epoch, "cut", self.now)
            self.settle()

    # ---------------------------------------------------------------- after a step

    def check(self) -> None:
        """What must be so after every step."""
        engine = self.engine
        checks.bounds(engine)
        if self.closed_at is None:
            for watch in self.watches:
                watch.check(self.now, paused=self.paused)
        else:
            due = engine.deadline()
            finished = engine.finished and all(watch.open is None for watch in self.watches)
            require(due is None if engine.finished else due is not None, "closed", f"finished={engine.finished}, deadline {due}")
            require(
                finished or self.now < self.closed_at + 1.0, "closed", f"not finished at {self.now}, closed at {self.closed_at}"
            )
        if not engine.connects and self.closed_at is None:
            require(self.now < START + 30.0, "loud", f"nothing was ever open, and nothing is said at {self.now}")
