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

from syncstream.core.engine import Abandon, Call, Dial, Engine, Hangup, Payload, Send
from syncstream.core.frames import CLOSE, PING, TEXT
from syncstream.core.keys import Fetch
from syncstream.errors import ConnectFailed, DataFailed, DialError, Overflow, Severity, SnapshotFailed, SubscribeFailed
from syncstream.events import Closed, Disconnected, Event, Gap, Refused, Resynced, Snapshot, Stale, Subscribed

from . import checks
from .config import FINAL_CODE, IN_BAND, KEYS, Config, key_of, rules
from .fold import Fold, Notes
from .inband import Pleas, answered, places, tell_state
from .lines import LineWatch
from .outlet import Outlet
from .requests import Reply, Request, Service
from .silences import Silences
from .venue import Truth, Venue
from .violation import Violation, require
from .wire import ALIAS, DATA, FEED, REFUSAL, Piece, Wire, goodbye, pong, text_frame, word

MOST_TICKS = 20  # at one moment
START = 1000.0
MOST_FLOW = 5000  # messages of the steady market in one wait: in one of an hour it is a slower market
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
            self.outlet = Outlet(config.policy, config.maxsize, config.view, heals=config.source not in ("none", "anew"))
            self.folds.append(Fold(self.venue, config, "consumer", notes, sees_all=False))
        self.pleas = Pleas(config)
        self.silences = Silences(config.quiet_after, config.reorder)
        self.watches = [LineWatch(index, config) for index in range(config.lines)]
        self.wanted = set(KEYS[: config.keys])
        self.dials: tuple[str, float, Optional[float]] = (config.first_dial, 0.05, None)
        self.faults: Counter[str] = Counter()
        self.steps = 0
        self.paused = False
        self.closed_at: Optional[float] = None
        self.last_words: Optional[Disconnected] = None  # told of a line that is not dialled again
        self.feeds = self.data = 0  # whole messages that were read; of these, with data
        self.heard = 0  # inputs of bytes
        self.acked = 0  # acknowledgements that were read
        self.confirmed = False  # it was told that a topic is subscribed
        self.refused = 0  # refusals in what was read last, before there was any data
        self.requests = 0  # subscriptions, to number them
        self.calls_fail = False
        self.fatal = ""  # a reason to fail that was given
        self.remember = config.resets or config.scope in ("growing", "none", "connection")  # which wire each message was on
        self.exact = True  # time has not jumped: what is due happens to the moment
        self.calm_down = False
        self.old: list[tuple[int, int]] = []  # lines and epochs of connections that are gone
        self.lossy: set[str] = set()  # keys of which something was left out on a connection that is gone, and nobody can know
        self._events: list[tuple[float, int, str, tuple[Any, ...]]] = []
        self._order = 0
        self._flowed = 0
        self._pace = config.flow  # seconds between two messages of the steady market
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
        self._pace = max(self.config.flow, seconds / MOST_FLOW)
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
        self.silences.jumped_at = self.now
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
        self.service.expire(self.now)
        due = self.engine.deadline()
        require(due is None or due > self.now, "busy", f"after tick({self.now}) the deadline is {due}")
        self.settle()
        self._check_silences()

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
            if not engine.keys.out and not engine.connections.actions:
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
            if self.last_words is not None and not isinstance(item, Closed):
                raise Violation("closed", f"{item} was delivered after {self.last_words}")
            if isinstance(item, Event):
                if isinstance(item, Disconnected):
                    self.watches[item.line].disconnected(
                        item, chances, self.now, stale=stale, paused=self.paused, ever=self.ever, worked=self.worked
                    )
                    stale = False
                    self.last_words = item if item.retry_in is None else None
                elif isinstance(item, Stale):
                    stale = stale or item.key is None
                    self._quiet(item)
                elif isinstance(item, Subscribed):
                    self.confirmed = True
                    require(
                        any(watch.may_be_subscribed(str(item.key)) for watch in self.watches),
                        "acks",
                        f"{item} was told, and no line has heard of it",
                    )
                elif isinstance(item, Refused):
                    for watch in self.watches:
                        watch.missed(str(item.key), item.retry_in, self.now)
                elif isinstance(item, Closed):
                    self._ended(item)
                elif isinstance(item, Gap) and item.reason == "restart" and self.config.scope == "key":
                    self._restarted(item)
                self.service.told(item, self.now)
            self.fold.take(item)
            self.pleas.told(item, self.wanted, self._odd, self.now)
            self._stirs(item)
        if self.outlet is not None:
            self._press(items)

    @property
    def ever(self) -> bool:
        """Whether any line was ever live."""
        return any(watch.ever_open for watch in self.watches)

    @property
    def worked(self) -> bool:
        """Whether the venue has let us in: data came, or it was told, and rightly, that it has acknowledged a subscription."""
        return self.data > 0 or (self.confirmed and self.acked > 0)

    def _restarted(self, gap: Gap) -> None:
        """Numbers that start anew were seen: they did, or something old was told again."""
        key, truths = str(gap.key), self.venue.truths
        old = key in self.service.untrue or any(truths[ident].key == key for ident in self.fold.displaced)
        require(old or self.venue.keys[key].era > 0, "alarm", f"{gap}, and the numbers of {key} only go up")

    def _quiet(self, marker: Stale) -> None:
        if marker.key is not None:
            require(self.config.quiet_after is not None, "quiet", f"{marker}, and no key is watched")
            self.silences.stale(str(marker.key), self.watches, self.now)

    def _stirs(self, item: Any) -> None:
        """What is delivered of a key ends its silence; what is told of it may."""
        if isinstance(item, Event):
            if isinstance(item, (Gap, Snapshot, Resynced)) and item.key is not None:
                self.silences.delivered(str(item.key), self.now, counts=isinstance(item, Snapshot))
        else:
            self.silences.delivered(key_of(item), self.now, counts=True)

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
        allowed = (
            (isinstance(failure, ConnectFailed) and not self.ever and (self.fatal == "dial" or self.now >= START + 30.0))
            or (isinstance(failure, ConnectFailed) and any(each.final_code(self.ever, self.worked) for each in self.watches))
            or (isinstance(failure, SnapshotFailed) and self.fatal == "snapshot")
            or (isinstance(failure, DataFailed) and not self.data and self.feeds >= 10)
            or (isinstance(failure, Overflow) and self.fatal == "overflow")
            or (isinstance(failure, SubscribeFailed) and (self.refused > 0 or not self.data))
        )
        require(allowed, "failure", f"the stream failed with {failure!r}")
        turned_away = any(each.final_code(self.ever, self.worked) for each in self.watches) and self.now < START + 30.0
        told = self.last_words is not None or not turned_away or not isinstance(failure, ConnectFailed)
        require(told, "failure", f"{failure!r}, and nobody was told of the end of the line")
        if self.last_words is not None:
            code = getattr(failure, "code", None)
            require(code == self.last_words.code, "failure", f"{failure!r} with code {code} after {self.last_words}")
        self.faults[type(failure).__name__] += 1

    def _act(self, action: Any) -> None:
        if isinstance(action, Send):
            self._sent(action)
        elif isinstance(action, Fetch):
            require(self.closed_at is None, "closed", f"{action} after the end")
            subscribed = any(watch.subscribed(self.now) for watch in self.watches)
            require(subscribed, "pace", f"{action}, and no line has asked for its topics")
            sync = self.engine.keys.syncs.get(action.key)
            wanted = sync is not None and sync.epoch == action.epoch
            request = self.service.asked(str(action.key), action.epoch, self.now, wanted=wanted)
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
        elif isinstance(action, Call):
            quiet = {key for key, (_, told_at) in self.silences.told.items() if told_at == self.now}
            self.pleas.called(action, quiet, self._odd(), self.now)
            self.later(0.02, "called", action, self.watches[action.line].called(action.ask, quiet, self.now))
        elif isinstance(action, Hangup):
            self.watches[action.line].hung_up(action.epoch)
            self._remember_losses(self.venue.wires.pop(action.line))
            self.old.append((action.line, action.epoch))

    def _remember_losses(self, gone: Wire) -> None:
        """What a wire left out is found when all is verified: no other is open, or none was at the last message it brought."""
        if not self.watches[gone.line].live:
            return  # its opening never ended: nobody counted on it
        if self._covered(gone.line):
            self.lossy |= gone.lossy
        else:
            self.lossy.clear()
            self.service.cut_off()
            if self.venue.wires:
                self.service.reopened(self.now)

    def _covered(self, line: int) -> bool:
        """Whether another line was live at the last message of this one, and is."""
        heard_at = self.watches[line].heard_at
        others = [self.watches[other] for other in self.venue.wires if other != line]
        return any(other.live and other.live_at <= heard_at for other in others)

    def _odd(self) -> set[str]:
        """Keys of which something old was told again, or that count anew."""
        old = {self.venue.truths[ident].key for ident in self.fold.displaced}
        return old | {key for key, numbers in self.venue.keys.items() if numbers.era}

    def _missed(self, watch: LineWatch) -> None:
        """The venue says that it has left something out: what is complete has to be proved, as after a loss."""
        self.pleas.subscribed(self.wanted, self.now)
        if not self._covered(watch.index):
            self.service.cut_off()
            self.service.reopened(self.now)

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

    def _told(self, wire: Wire, wish: dict[str, Any]) -> None:
        """The venue hears a message."""
        if "unsub" in wish:
            wire.subscribed.pop(wish["unsub"], None)
            if self.config.acks == "count":  # where every request has its answer
                self._say(wire, word("ack", k=wish["unsub"], left=True))
        elif "login" in wish:
            entry = self.venue.entry
            if entry == "final" and not self.ever:
                self.fatal = "dial"
            if entry:
                self._say(wire, word("ok" if entry == "ok" else "no", slow=entry != "final"))
        elif "req" in wish:
            self._requested(wire, wish["req"])
        elif "ping" in wish:
            self._say(wire, word("pong"))
        elif "sub" in wish:
            self._subscribe(wire, wish["sub"], wish["id"])

    def _subscribe(self, wire: Wire, key: str, ident: int) -> None:
        """Refused, lost on its way, its acknowledgement lost, or as it should be. Without a login a wrong key shows here."""
        venue, acks = self.venue, self.config.acks
        if self.config.entry == venue.entry == "final" and not self.config.script:
            self._say(wire, goodbye(FINAL_CODE))
            return
        if key in venue.deaf:
            venue.deaf.discard(key)
            wire.refused.add(key)
            self._say(wire, word("error", id=ident, k=key) if acks else REFUSAL)
        elif key in venue.lost and acks:
            venue.lost.discard(key)
            self.watches[wire.line].guesses = True
            wire.refused.add(key)
            if ident % 2:
                fresh = key not in wire.subscribed
                wire.subscribed[key] = None
                self._begin(wire, key, fresh=fresh)
        else:
            wire.refused.discard(key)
            fresh = key not in wire.subscribed
            wire.subscribed[key] = None
            if acks:
                more: dict[str, object] = {"all": list(wire.subscribed)} if acks == "cumulative" else {"id": ident}
                self._say(wire, word("ack", k=key, **more))
            self._begin(wire, key, fresh=fresh)

    def _begin(self, wire: Wire, key: str, *, fresh: bool) -> None:
        """What a subscription begins with, unless there is one already."""
        if self.config.source in IN_BAND and fresh:
            tell_state(self.venue, wire, key, fold_to=self._was_on)
            self.later(_RTT, "flush")

    def _was_on(self, ident: int, wire: Wire) -> None:
        if self.remember:
            for fold in self.folds:
                fold.wires[ident] = wire

    def _requested(self, wire: Wire, key: str) -> None:
        """A state is asked for on the line."""
        numbers, service = self.venue.keys[key], self.service
        require(key in self.wanted or self.config.budget > 0, "pleas", f"{key} is asked for, and is not wanted")
        if service.mode in ("fail", "slow", "fatal", "lost"):
            return
        tells = self.config.scope != "growing"
        version = max(0, numbers.version - 3) if service.mode == "stale" and tells else numbers.version
        if version < numbers.version:
            service.untrue.add(key)
            service.crossed |= numbers.era_of(version) != numbers.era
        self.later(service.latency, "answered", wire, key, version, service.mode == "odd")

    def _on_answered(self, wire: Wire, key: str, version: int, odd: bool) -> None:
        if self.venue.wires.get(wire.line) is wire:
            if self.venue.keys[key].era_of(version) != self.venue.keys[key].era:
                self.service.crossed = True
                self.service.untrue.add(key)
            if odd:
                self.fatal = "snapshot"
            answered(self.venue, wire, key, version, odd=odd)
            self.flush(wire)

    def _say(self, wire: Wire, piece: Piece) -> None:
        self.watches[wire.line].guesses |= wire.mute
        if not wire.mute:
            wire.put(piece)
            self.later(_RTT, "flush")

    def request(self, key: str) -> Payload:
        """A subscription, with an id of its own."""
        self.requests += 1
        data = msgspec.json.encode({"sub": key, "id": self.requests})
        return Payload(TEXT, data, (key,), self.requests)

    # ---------------------------------------------------------------- what happens of itself

    def _on_flow(self) -> None:
        if self.config.flow and not self.calm_down:
            self._flowed += 1
            self.publish(KEYS[self._flowed % self.config.keys], 1)
            self.later(self._pace, "flow")

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
        payloads = [self.request(topic) for topic in dial.topics]
        steps = ((), (Payload(TEXT, b'{"login":1}'),)) if self.config.script else ()
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
            self._name(self.venue.wires[dial.line])
            if not any(other.open is not None for other in self.watches):
                self.service.reopened(self.now)
            watch.opened(self.now)
            taken = engine.opened(dial.line, dial.epoch, payloads, self.now, steps=steps)
            require(taken, "dials", "an open line was turned away")
            if self.config.script and self.venue.entry:
                self._say(self.venue.wires[dial.line], word("welcome"))
        else:
            first = mode == "fatal" and not self.ever
            self.fatal = "dial" if first else self.fatal
            watch.refused(error)
            engine.refused(dial.line, dial.epoch, error, self.now)
            require(engine.closing or not first, "loud", "the first dial is refused for good, and the stream goes on")
        self.settle()

    def _name(self, wire: Wire) -> None:
        """The connection tells its ids first."""
        for key in self.venue.keys if self.config.alias else ():
            wire.put(Piece(text_frame(msgspec.json.encode({"t": "name", "k": key, "a": f"{key}{ALIAS}"})), FEED))

    def _on_called(self, call: Call, count: int) -> None:
        """The user's callables have said what to send, or raised."""
        left = [Payload(TEXT, b'{"unsub":"%s"}' % key.encode(), (key,)) for key in call.leave]
        asked = [self.request(key) for key in call.ask]
        watch, engine = self.watches[call.line], self.engine
        fails = self.calls_fail and not self.calm_down
        if watch.open != call.epoch or self.closed_at is not None:
            self.changes_nothing(lambda: engine.spoken(call.line, call.epoch, left, asked, self.now))
            return
        watch.answered(count)
        if fails:
            engine.unspoken(call.line, call.epoch, call.ask, "raised", self.now)
        else:
            engine.spoken(call.line, call.epoch, left, asked, self.now)
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
        if not self.engine.closing:
            self.service.counts(reply, self.chances[-1], self.now)
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
        anew = self.config.resets and self.venue.keys[key].anew
        self.send(
            self.venue.change(key, count), "" if anew else fault, hits
        )  # a message that starts anew comes once, in its place

    def send(self, made: list[tuple[int, Truth]], fault: str = "", hits: int = 2) -> None:
        """Messages go out to every line that has subscribed to their key."""
        shared = self.config.scope == "shared"
        self.service.anew.update(truth.key for _, truth in made if truth.anew)
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
            self.refused = 0
            closes = False
            self.silences.came(whole, self.now)
            if watch.read(whole, self.now):
                self._missed(watch)
            for piece in whole:
                if piece.ends:
                    wire.spoiled = True
                    closes = piece.data[0] == 0x80 | CLOSE  # after what cannot be read a close frame does not count
                    break
                self.feeds += piece.proves >= FEED
                self.refused += piece.says == "error" and not self.data
                self.data += piece.proves == DATA
                self.acked += piece.says == "ack"
            if wire.breaking:
                watch.breaks(self.now)
            due_at, stirred = self.deadline(), engine.stirred
            if self._hear(wire, data):
                sooner = self.deadline()
                require(
                    engine.stirred is stirred and (sooner is None or (due_at is not None and sooner >= due_at)),
                    "plain",
                    f"what came was plain, and {sooner} is sooner than {due_at}, or something is to be done",
                )
            self.settle()
            if closes and not wire.broken:  # of broken frames: `LineWatch.check`
                over = self.venue.wires.get(wire.line) is not wire
                require(over, "ends", f"line {wire.line} goes on after {whole[-1].data[:40]!r}")
        if wire.broken and not wire.unread and self.venue.wires.get(wire.line) is wire:
            engine.lost(wire.line, wire.epoch, "cut", self.now)
            self.settle()

    def _hear(self, wire: Wire, data: bytes) -> bool:
        """The engine gets it: every other time what leads by the fast path, as the reader does it where little comes."""
        self.heard += 1
        if self.heard % 2:
            return self.engine.batch(wire.line, wire.epoch, data, self.now)
        path = self.engine.fast_path(wire.line, wire.epoch)
        messages, sizes, at = path(data, self.now)
        path.leave(messages, sizes)
        path.settle()
        return at == len(data) or self.engine.batch(wire.line, wire.epoch, data[at:], self.now)

    # ---------------------------------------------------------------- after a step

    def _check_silences(self) -> None:
        if not self.paused and self.closed_at is None:
            self.silences.check(self.watches, self.now)

    def check(self) -> None:
        """What must be so after every step."""
        engine = self.engine
        checks.bounds(engine)
        places(engine, self.config)
        checks.figures(engine, self.fold)
        if self.closed_at is None:
            for watch in self.watches:
                watch.check(self.now, paused=self.paused)
            self._check_silences()
        else:
            due = engine.deadline()
            finished = engine.finished and all(watch.open is None for watch in self.watches)
            require(due is None if engine.finished else due is not None, "closed", f"finished={engine.finished}, deadline {due}")
            require(
                finished or self.now < self.closed_at + 1.0, "closed", f"not finished at {self.now}, closed at {self.closed_at}"
            )
        if not engine.connects and self.closed_at is None:
            require(self.now < START + 30.0, "loud", f"nothing was ever open, and nothing is said at {self.now}")
