"""What decides: all lines, counters and keys of a stream. Pure: inputs with `now` in, actions and deliveries out.

    world ── opened / refused / batch / lost / fetched / unfetched / dropped / relieved / paused / resumed / subscribe /
             unsubscribe / spoken / unspoken / tell / close / tick ──► Engine
    world ◄── take_actions(): Dial, Abandon, Hangup, Send, Fetch, Call  ·  take_deliveries()  ·  deadline()

Inputs are in the past tense: the world tells what happened. Nothing here blocks, reads a clock or throws dice; `random` is a
callable given by the shell. Call `tick(now)` whenever `deadline()` has come; calling it earlier does no harm.
"""

from __future__ import annotations

from typing import Any, Callable, Hashable, Iterable, Optional, Sequence

from ..errors import (
    CallableError,
    ConnectFailed,
    DialError,
    FeedFailed,
    FetchError,
    Severity,
    StreamFailed,
    SubscribeFailed,
)
from ..events import Closed, Connected, Disconnected, Event, Refused, Stale, Status, Subscribed
from . import failures, frames, picture
from .actions import Abandon as Abandon
from .actions import Call as Call
from .actions import Dial as Dial
from .actions import Hangup as Hangup
from .actions import Payload as Payload
from .actions import Send as Send
from .deflate import Agreed
from .line import Line, Phase, close_payload
from .liveness import Due
from .opening import Refusal
from .order import Item, Order
from .quiet import Mark, Quiet
from .rules import Kind, Rules, Scope
from .subscriptions import Missed, Subscriptions
from .talk import Talk

_DATA = (Kind.DATA, Kind.SNAPSHOT)
_ROTATES_EARLIER = 0.1  # of the lifetime, at most: so that all who came together do not go together


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
    ) -> None:
        self.rules = rules
        self.random = random
        self.topics: dict[Hashable, None] = dict.fromkeys(topics)
        self.topic_key = topic_key
        self.order = Order(rules, wall_ns=wall_ns, lines=lines)
        self.keys = self.order.keys
        self.lines = [Line(index, rules) for index in range(lines)]
        self.failure: Optional[StreamFailed] = None
        self.closing = False
        self.connects = 0
        self._confirmed = False  # a subscription was acknowledged, at any time
        self.late = 0
        self._messages = self._bytes = 0  # since `mean_size` was asked last
        self._mean_size = 0.0
        self._actions: list[Any] = []
        self._started_at = 0.0
        self._data_due_at: Optional[float] = None
        self._last_error: Optional[DialError] = None
        self.notes: list[str] = []  # for the log: the shell takes them out
        self._noted = False
        self._quiet = Quiet(rules.quiet_after, self._mark) if rules.quiet_after is not None else None

    # ---------------------------------------------------------------- lines

    def start(self, now: float) -> None:
        """Dial every line."""
        self._started_at = now
        for line in self.lines:
            self._dial(line, now)

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

        def send(opcode: int, data: bytes, urgent: bool) -> None:
            self._actions.append(Send(line, epoch, opcode, data, urgent))

        talk = Talk(
            self.rules,
            send,
            now,
            steps=steps,
            topic_key=self.topic_key,
            watch=self.keys.watch,
            wanted=self.topics,
            hidden=hidden,
        )
        place.begun(now, talk, payloads, deflate=deflate)
        self._open(place, now)
        return True

    def refused(self, line: int, epoch: int, error: DialError, now: float) -> None:
        """A dial failed."""
        place = self.lines[line]
        if place.epoch != epoch or place.phase is not Phase.DIALING:
            self.late += 1
            return
        self._last_error = error
        severity = failures.own(self.rules.failures, error.status, error.cause) or error.severity
        if severity is Severity.FATAL and not self.connects:
            place.wait(now)  # its dial is over: there is nothing to abandon
            self._fail_to_connect(str(error), now)
        else:
            counts = error.cause != "budget"  # else nothing was dialled, and the time until it can be is none of the venue's
            self._started_at += 0.0 if counts else error.retry_after or 0.0
            self._retry(place, str(error), None, now, severity=severity, retry_after=error.retry_after, counts=counts)

    def batch(self, line: int, epoch: int, data: bytes, now: float) -> None:
        """Bytes came."""
        place = self.lines[line]
        if place.epoch != epoch or not (place.is_open() or place.phase is Phase.CLOSING):
            self.late += 1
            return
        place.clocks.proved_transport(now)
        received = place.frames.receive(data)
        self._messages += len(received)
        self._bytes += sum(len(payload) for _, payload in received) if place.frames.inflates else len(data)
        if place.phase is Phase.CLOSING:
            if place.frames.closed or place.frames.error is not None:
                self._gone(place)
            return
        self._read(place, received, now)
        place.received += len(data)
        if self.keys.failure is not None:
            self.fail(self.keys.failure, now)
        elif place.is_open() and place.frames.error is not None:
            if place.is_live():
                place.broke(now)
            else:
                self._break_off(place, place.frames.error, now)
        elif place.phase is Phase.OPENING and place.received > self.rules.max_message_size:
            self._lose(place, f"opening: more than {self.rules.max_message_size} bytes before it was through", None, now)
        else:
            self._check_data(now)

    def lost(self, line: int, epoch: int, reason: str, now: float) -> None:
        """The connection ended or broke, with no close frame."""
        place = self.lines[line]
        if place.epoch != epoch or not (place.is_open() or place.phase is Phase.CLOSING):
            self.late += 1
        elif place.phase is Phase.CLOSING:
            self._gone(place)
        elif place.frames.error is not None:
            self._break_off(place, place.frames.error, now)
        else:
            self._lose(place, reason, 1006, now)

    def paused(self) -> None:
        """We do not read for a while; silence proves nothing now."""
        for place in self.lines:
            place.clocks.pause()
            self._limit_opening(place)

    def resumed(self, now: float) -> None:
        for place in self.lines:
            place.clocks.resume(now)
            place.talk.opening.resume(now)
            self._limit_opening(place)
        self._restart_quiet(now)

    def mean_size(self) -> float:
        """Bytes of one message, by those that came since this was asked last: as they came over the line, where they may be
        compressed as they are inflated, for what it bounds is memory. A count per batch; per message only where they may be."""
        if self._messages:
            self._mean_size = self._bytes / self._messages
            self._messages = self._bytes = 0
        return self._mean_size

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

    def fetched(self, epoch: int, position: Any, state: Any, now: float) -> None:
        """A snapshot request was answered."""
        if self.closing:
            self.late += 1
            return
        self.keys.fetched(epoch, position, state, now, self.random())
        self._after_keys(now)

    def unfetched(self, epoch: int, error: FetchError, now: float) -> None:
        """A snapshot request failed."""
        if self.closing:
            self.late += 1
            return
        self.keys.unfetched(epoch, error, now, self.random())
        self._after_keys(now)

    def dropped(self, keys: Iterable[Hashable], now: float) -> None:
        """Queued messages of these keys were thrown away, because the consumer is too slow."""
        if not self.closing:
            self.keys.dropped(keys, now)

    def relieved(self, now: float) -> None:
        """The consumer has caught up."""
        if not self.closing:
            self.keys.relieved(now)
            self._ask(now)

    # ---------------------------------------------------------------- commands

    def subscribe(self, topics: Iterable[Hashable], payloads: Iterable[Payload], now: float) -> None:
        """These topics are wanted from now on; those that were wanted already change nothing."""
        for topic in topics:
            self.topics[topic] = None
            self.order.subscribed(self.topic_key(topic))
        self._tell_venue(payloads, now)

    def unsubscribe(self, topics: Iterable[Hashable], payloads: Iterable[Payload], now: float) -> None:
        """These topics are not wanted any more."""
        topics = list(topics)
        for topic in topics:
            self.topics.pop(topic, None)
            key = self.topic_key(topic)
            self.keys.unsubscribed(key)
            if self._quiet is not None:
                self._quiet.forget(key)
        for place in self.lines:
            place.talk.subscriptions.left(topics)
        self._tell_venue([payload._replace(topics=()) for payload in payloads], now)

    def spoken(self, line: int, epoch: int, left: Iterable[Payload], asked: Iterable[Payload], now: float) -> None:
        """A `Call` was answered: what to send to leave topics, and to subscribe to them (again)."""
        place = self.lines[line]
        if place.epoch != epoch or not place.is_live():
            self.late += 1
            return
        place.talk.resubscribing_until = None
        wanted = []  # of those that were asked for together with others that are not wanted any more
        said = [payload._replace(topics=()) for payload in left if self._wants(payload.topics)]
        for payload in asked:
            if self._wants(payload.topics):
                said.append(payload)
            else:
                wanted += [topic for topic in payload.topics if topic in self.topics]
        place.talk.say(said, now)
        if wanted:
            self._call(place, (), dict.fromkeys(wanted))
        self._ask(now)

    def unspoken(self, line: int, epoch: int, topics: Iterable[Hashable], reason: str, now: float) -> None:
        """A `Call` failed: the user's callable raised, or said what cannot be sent."""
        place = self.lines[line]
        if place.epoch != epoch or not place.is_live():
            self.late += 1
            return
        place.talk.resubscribing_until = None
        self.notes.append(f"line {line}: {reason}")
        topics = tuple(topics) if self.topics else (None,)
        self._missed(place, place.talk.subscriptions.failed(topics, reason, now, self.random()), now)

    def close(self, now: float) -> None:
        """The user wants no more: say goodbye, deliver nothing after `Closed`."""
        self._end(now, "")

    def fail(self, error: StreamFailed, now: float) -> None:
        """The stream cannot go on."""
        if not self.closing:
            self.failure = error
            self._end(now, str(error))

    def tell(self, event: Event) -> None:
        """A marker that is not the engine's own, behind what has been delivered so far."""
        if not self.closing:
            self.keys.out.append(event)

    @property
    def finished(self) -> bool:
        """Closed, and no connection is left."""
        return self.closing and all(place.phase is Phase.CLOSED for place in self.lines)

    # ---------------------------------------------------------------- time

    def tick(self, now: float) -> None:
        """Do what is due."""
        if not self.connects and not self.closing and now >= self._started_at + self.rules.first_live_limit:
            self._fail_to_connect("", now)  # before a line is dialled once more
            return
        for place in self.lines:
            if place.is_live():
                self._tick_live(place, now)
                if place.is_live() and place.frames.error is None:
                    self._tick_talk(place, now)
            elif place.limit_at is not None and now >= place.limit_at:
                self._tick_limit(place, now)
        if self.closing:
            return
        self._tick_quiet(now)
        self.order.tick(now)
        while True:
            epoch = self.keys.fetches.overdue(now)
            if epoch is None:
                break
            self.keys.unfetched(epoch, FetchError("no answer to the snapshot request"), now, self.random())
        self._check_data(now)
        self._after_keys(now)

    def deadline(self) -> Optional[float]:
        """When `tick` has something to do next; `None`: nothing is due until something happens."""
        moments = [place.deadline() for place in self.lines]
        if not self.closing:
            moments.append(self.order.deadline())
            moments.append(self.keys.fetches.deadline(asking=self._may_ask()))
            if self._quiet is not None and self._listens():
                moments.append(self._quiet.deadline())
            moments.append(None if self.order.used else self._data_due_at)
            if not self.connects:
                moments.append(self._started_at + self.rules.first_live_limit)
        return min((moment for moment in moments if moment is not None), default=None)

    def take_actions(self) -> list[Any]:
        """What the shell has to do now, in order."""
        actions, self._actions = self._actions, []
        return actions

    def take_deliveries(self) -> list[Any]:
        """Messages and events for the consumer, in order."""
        deliveries, self.keys.out = self.keys.out, []
        return deliveries

    # ---------------------------------------------------------------- within

    def _dial(self, place: Line, now: float) -> None:
        self._actions.append(Dial(place.index, place.dial(now), tuple(self.topics)))

    def _open(self, place: Line, now: float) -> None:
        """The next step of the opening script; behind the last one the line is live."""
        if not place.talk.open(now):
            self._limit_opening(place)
            return
        place.opened(now)
        self.connects += 1
        if self._data_due_at is None:
            self._data_due_at = now + self.rules.first_data_limit
        if self.rules.lifetime is not None:
            place.rotate_at = now + self.rules.lifetime * (1.0 - _ROTATES_EARLIER * self.random())
        place.talk.say((*place.said, *place.pending), now)
        place.said, place.pending = (), []
        self.keys.out.append(Connected(line=place.index, attempt=place.attempt + 1, at_ns=self.keys.wall(now)))
        self._enter(place, now)
        self._restart_quiet(now)
        self._ask(now)

    def _enter(self, place: Line, now: float) -> None:
        """What comes on this connection belongs to the stream."""
        if not place.entered:
            place.entered = True
            self.order.opened(place.index, now)

    def _limit_opening(self, place: Line) -> None:
        if place.phase is Phase.OPENING:
            place.limit_at = None if place.clocks.paused else place.talk.opening.until

    def _tell_venue(self, payloads: Iterable[Payload], now: float) -> None:
        """To lines that are open now, and behind the subscriptions of those that are on their way there."""
        payloads = list(payloads)
        for place in self.lines:
            if place.phase is Phase.LIVE:
                place.talk.say(payloads, now)
            elif place.phase in (Phase.DIALING, Phase.OPENING):
                place.pending += payloads

    def _call(self, place: Line, leave: Iterable[Hashable], ask: Iterable[Hashable]) -> None:
        """Have the user's callables say how these topics are left and subscribed."""
        self._actions.append(Call(place.index, place.epoch, tuple(leave), tuple(ask)))

    def _wants(self, topics: Iterable[Hashable]) -> bool:
        return not self.topics or all(topic in self.topics for topic in topics)

    # ---------------------------------------------------------------- what the venue says

    def _read(self, place: Line, received: list[tuple[int, bytes]], now: float) -> None:
        """Everything that came, in order."""
        order, index, count = self.order, 0, len(received)
        while index < count:
            plain = order.scan(received, index) if place.phase is Phase.LIVE else index
            if plain > index:
                place.heard(now)
                place.carried(now)
                index = plain
                continue
            opcode, payload = received[index]
            index += 1
            if not (
                self._hear(place, payload, opcode, now) if opcode <= frames.BINARY else self._control(place, opcode, payload, now)
            ):
                return
        if order.quarantined and not self._noted:
            self._noted = True
            self.notes.append(f"a message was quarantined, the first of perhaps many: {order.quarantine_why}")
        if self.keys.fresh:
            self._watch_keys(now)
        self._ask(now)

    def _hear(self, place: Line, payload: bytes, opcode: int, now: float) -> bool:
        """One message, the long way. False if the connection is over with it, or the stream."""
        item = self.order.read(payload, opcode == frames.TEXT, now)
        if item is None or item.kind is not Kind.PONG:
            place.heard(now)
        if item is None:
            return True
        if place.phase is Phase.OPENING and not self._follow_script(place, item, now):
            return place.is_open()
        if item.kind in _DATA or self.rules.scope is Scope.CONNECTION:
            self._enter(place, now)
        if self.order.use(item, place.index, now):
            place.carried(now)
            if place.talk.subscriptions.pending:
                self._subscribed(place.talk.subscriptions.came(item.key), now)
        if self.keys.failure is not None:
            return False
        if item.kind in _MEANINGS:
            _MEANINGS[item.kind](self, place, item, now)
        return place.is_open()

    def _follow_script(self, place: Line, item: Item, now: float) -> bool:
        """Show a message to the step that waits. True if it is to be handled like any other."""
        try:
            verdict = place.talk.opening.judge(item.message)
        except Exception as error:  # user code: this message's trouble only
            self.order.quarantine(item.payload, f"opening: {type(error).__name__}: {error}", now)
            return False
        if verdict is None:
            return True
        if isinstance(verdict, Refusal):
            self._lose(place, place.talk.shown(verdict.reason), None, now, severity=verdict.severity)
            return False
        if self.rules.scope is Scope.CONNECTION:  # whose counter counts everything
            self._enter(place, now)
            self.order.use(item._replace(kind=Kind.IGNORE), place.index, now)
        self._open(place, now)
        return False

    def _acknowledge(self, place: Line, item: Item, now: float) -> None:
        topics = place.talk.subscriptions.acknowledged(item.message, now)
        self._confirmed = self._confirmed or bool(topics)
        self._subscribed(topics, now)

    def _refuse(self, place: Line, item: Item, now: float) -> None:
        missed = place.talk.subscriptions.refused(item.message)
        self._missed(place, missed or [Missed(None, place.talk.shown(str(item.message))[:200], None)], now)

    def _challenged(self, place: Line, item: Item, now: float) -> None:
        """Answer at once, before what waits."""
        if self.rules.answer is None:
            return
        try:
            answer = self.rules.answer(item.message)
        except Exception as error:  # user code
            self.order.quarantine(item.payload, f"answer: raised {type(error).__name__}", now)  # its text may hold a key
            return
        if answer is not None:
            place.talk.urge(answer.opcode, answer.data, now)

    def _reconnect(self, place: Line, item: Item, now: float) -> None:
        """At once, if the connection has proved itself: a venue that says so to everybody who comes is met with the back-off."""
        self._goodbye(place, now)
        self._lose(place, "the venue asks to reconnect", None, now, planned=place.proved)

    def _pause(self, place: Line, item: Item, now: float) -> None:
        place.clocks.excuse(now)

    def _resume(self, place: Line, item: Item, now: float) -> None:
        """Subscribe again. What was missed meanwhile is found, or told, as after a reconnect."""
        place.clocks.expect(now)
        if place.phase is not Phase.LIVE:
            return
        self._restart_quiet(now)
        if self.rules.asks and place.talk.resubscribing_until is None:
            place.talk.resubscribing_until = now + self.rules.dial_limit
            place.talk.subscriptions.anew(self.topics or (None,))
            self._call(place, (), self.topics)
        self.order.lost(place.index, now, place.data_at, covered=self._covered(place))
        self.keys.opened(now)

    def _subscribed(self, topics: Iterable[Hashable], now: float) -> None:
        for topic in topics:
            self.keys.out.append(Subscribed(key=self._key(topic), topic=topic, at_ns=self.keys.wall(now)))

    def _missed(self, place: Line, missed: Iterable[Missed], now: float) -> None:
        """Topics that did not come, or were refused. If that is all there is, the stream has failed."""
        final = False
        for topic, reason, retry_in in missed:
            final = final or retry_in is None
            told = Refused(key=self._key(topic), topic=topic, reason=reason, retry_in=retry_in, at_ns=self.keys.wall(now))
            self.keys.out.append(told)
        if final and not self.order.used and all(self._hopeless(each) for each in self.lines if each.is_live()):
            text = "; ".join(dict.fromkeys(state.reason for state in place.talk.subscriptions.status().values()))
            self.fail(SubscribeFailed(f"every subscription was refused: {text}"), now)

    def _hopeless(self, place: Line) -> bool:
        subscriptions: Subscriptions = place.talk.subscriptions
        return subscriptions.hopeless and self.topics.keys() <= subscriptions.status().keys()

    def _key(self, topic: Hashable) -> Hashable:
        return None if topic is None else self.topic_key(topic)

    def _control(self, place: Line, opcode: int, payload: bytes, now: float) -> bool:
        """A control frame; False if it ended the connection."""
        if opcode == frames.CLOSE:
            code, reason = frames.parse_close(payload)
            place.talk.urge(frames.CLOSE, payload[:2], now)
            said = "" if code is None else f": {code} {place.talk.shown(reason)}".rstrip()
            self._lose(place, f"closed by the venue{said}", code, now)
            return False
        if opcode == frames.PING:
            place.talk.urge(frames.PONG, payload, now)
        return True

    # ---------------------------------------------------------------- keys

    def _ask(self, now: float) -> None:
        if self._may_ask():
            self._actions.extend(self.keys.due(now))

    def _may_ask(self) -> bool:
        """Whether a snapshot that is asked for now is no older than the subscription: a line is live, and subscribed."""
        return any(place.phase is Phase.LIVE and place.talk.resubscribing_until is None for place in self.lines)

    def _after_keys(self, now: float) -> None:
        if self.keys.failure is not None:
            self.fail(self.keys.failure, now)
        else:
            self._ask(now)

    def _check_data(self, now: float) -> None:
        """Whether what comes fits the feed at all; asked once the first-data deadline is over, until something does."""
        if self._data_due_at is None or self.order.used or now < self._data_due_at:
            return
        failure = self.order.never_usable()
        if failure is not None:
            self.fail(failure, now)
            return
        self._data_due_at = now + self.rules.first_data_limit

    def _listens(self) -> bool:
        """Whether the silence of a key says anything: a line is open, we read, and the venue has not paused."""
        return any(place.phase is Phase.LIVE and not place.clocks.patient for place in self.lines)

    def _mark(self, key: Hashable) -> Mark:
        sync = self.keys.syncs.get(key)
        counter = None if sync is None else sync.counter
        return self.keys.latest.get(key), None if counter is None else counter.position, 0 if sync is None else sync.held

    def _watch_keys(self, now: float) -> None:
        """New keys are looked after from now on."""
        assert self._quiet is not None  # else nobody notes them
        fresh, self.keys.fresh = self.keys.fresh, []
        for key in fresh:
            try:
                self._quiet.add(key, now)
            except Exception as error:  # user code
                self.notes.append(f"quiet_after of {key!r}: {type(error).__name__}: {error}; its silence is not watched")

    def _restart_quiet(self, now: float) -> None:
        if self._quiet is not None:
            self._quiet.restart(now)

    def _tick_quiet(self, now: float) -> None:
        """Keys that are silent for too long: tell, subscribe them again, and fetch."""
        if self._quiet is None or not self._listens():
            return
        for key, seconds in self._quiet.due(now):
            self.keys.out.append(Stale(key=key, silence=seconds, at_ns=self.keys.wall(now)))
            topics = [topic for topic in self.topics if self.topic_key(topic) == key] if self.rules.leaves else []
            for place in self.lines if topics else ():
                if place.phase is Phase.LIVE:
                    place.talk.subscriptions.anew(topics)
                    self._call(place, topics if self.rules.proves else (), topics)  # leaving loses what comes meanwhile
            self.keys.quieted(key, now, again=bool(topics))

    # ---------------------------------------------------------------- time of a line

    def _tick_live(self, place: Line, now: float) -> None:
        if place.frames.error is not None:
            if place.limit_at is not None and now >= place.limit_at:
                self._break_off(place, place.frames.error, now)
            return
        due = place.clocks.due(now)
        if due is Due.PING:
            place.talk.urge(frames.PING, b"", now)
        elif due is not None:
            reason = place.clocks.reason(now)
            if due is Due.STALE:
                silence = now - place.clocks.feed_at
                self.keys.out.append(Stale(silence=silence, at_ns=self.keys.wall(now)))
                place.silence = place.clocks.climb()
            self._lose(place, reason, None, now)

    def _tick_talk(self, place: Line, now: float) -> None:
        """Rotation, keepalive, what waited for the budget, and subscriptions that did not come."""
        if place.rotate_at is not None and now >= place.rotate_at:
            self._goodbye(place, now)
            self._lose(place, f"its lifetime of {self.rules.lifetime:g} s is over", None, now, planned=True)
            return
        talk = place.talk
        try:
            if talk.keep_alive(now, place.clocks.transport_at):
                place.clocks.asked(now)
        except Exception as error:  # user code
            self.notes.append(f"keepalive: raised {type(error).__name__}; nothing was sent")
        talk.tick(now)
        missed, again = talk.subscriptions.tick(now, self.random)
        self._missed(place, missed, now)
        if again and place.phase is Phase.LIVE:
            self._call(place, (), [topic for topic in again if topic in self.topics])

    def _tick_limit(self, place: Line, now: float) -> None:
        if place.phase is Phase.WAITING:
            self._dial(place, now)
        elif place.phase is Phase.DIALING:
            self._actions.append(Abandon(place.index, place.epoch))
            self._retry(place, "the dial hangs", None, now)
        elif place.phase is Phase.OPENING:
            self._lose(place, place.talk.opening.overdue(), None, now, severity=Severity.RETRY)
        else:
            self._gone(place)

    # ---------------------------------------------------------------- the end of a connection

    def _goodbye(self, place: Line, now: float) -> None:
        place.talk.urge(frames.CLOSE, close_payload(1000, ""), now)

    def _break_off(self, place: Line, error: frames.FrameError, now: float) -> None:
        """The venue broke the protocol: say so, with the code of the standard."""
        place.talk.urge(frames.CLOSE, close_payload(error.code, error.reason), now)
        own = failures.own(self.rules.failures, error.code) or Severity.RETRY  # it is we who closed: perhaps one bad message
        self._lose(place, f"protocol error: {error.reason}", error.code, now, severity=own)

    def _lose(
        self,
        place: Line,
        reason: str,
        code: Optional[int],
        now: float,
        *,
        severity: Optional[Severity] = None,
        planned: bool = False,
    ) -> None:
        """An open connection is over. `planned`: it is no failure, and the next one is dialled at once."""
        self._actions.append(Hangup(place.index, place.epoch))
        severity = severity or failures.own(self.rules.failures, code) or failures.of_code(code)
        data_at, entered = place.data_at, place.entered
        if not planned:
            self._last_error = DialError(reason, severity=severity)
        if planned:
            place.rotated()
            place.wait(now)
            self._disconnected(place, reason, code, 0.0, now)
        elif severity is Severity.FATAL and not self._has_worked(place):
            place.failed()
            place.wait(now)
            self._fail_to_connect(reason, now)
        else:
            self._retry(place, reason, code, now, severity=severity)
        if entered and not self.closing:
            self.order.lost(place.index, now, data_at, covered=self._covered(place))
        if planned:
            self._dial(place, now)

    def _has_worked(self, place: Line) -> bool:
        """Whether what ended just now has worked before: a script that was through, a connection that something came of.

        That a line is open shows nothing: a venue without a script accepts everybody, and closes on those it does not know.
        """
        return bool(self.order.used) or self._confirmed if place.phase is Phase.LIVE else self.connects > 0

    def _covered(self, place: Line) -> bool:
        """Whether another line was open at the last message of this one, and has been since."""
        return any(other is not place and other.is_live() and other.opened_at <= place.heard_at for other in self.lines)

    def _retry(
        self,
        place: Line,
        reason: str,
        code: Optional[int],
        now: float,
        *,
        severity: Severity = Severity.RETRY,
        retry_after: Optional[float] = None,
        counts: bool = True,
    ) -> None:
        """Wait, then dial again. `counts`: it was an attempt, so the next wait is longer."""
        if severity is Severity.FATAL:
            severity = Severity.SLOW  # it has worked once
        before = place.failed() if counts else place.attempt
        delay = self.rules.backoff.delay(before, self.random(), severity=severity, retry_after=retry_after)
        place.wait(now + delay)
        over = self.rules.backoff.over(place.attempt, now + delay - (now if place.good_at is None else place.good_at))
        if over and not any(each.is_open() for each in self.lines):
            self._fail_to_connect(f"{over}; the last attempt: {reason}", now)
            return
        self._disconnected(place, reason, code, delay, now)

    def _disconnected(self, place: Line, reason: str, code: Optional[int], delay: float, now: float) -> None:
        self.notes.append(f"line {place.index}: {reason}; the next attempt in {delay:.2g} s")
        self.keys.out.append(Disconnected(line=place.index, reason=reason, code=code, retry_in=delay, at_ns=self.keys.wall(now)))

    def _fail_to_connect(self, text: str, now: float) -> None:
        limit = self.rules.first_live_limit
        last = f"; the last attempt: {self._last_error}" if self._last_error is not None else ""
        kind = FeedFailed if text and isinstance(self._last_error, CallableError) else ConnectFailed
        failure = kind(text or f"no line could be opened within {limit:g} s{last}")
        failure.__cause__ = self._last_error
        self.fail(failure, now)

    def _gone(self, place: Line) -> None:
        self._actions.append(Hangup(place.index, place.epoch))
        place.gone()

    def _end(self, now: float, error: str) -> None:
        if self.closing:
            return
        self.closing = True
        self.keys.out.append(Closed(error=error, at_ns=self.keys.wall(now)))
        self.order.close()
        for place in self.lines:
            if place.phase is Phase.DIALING:
                self._actions.append(Abandon(place.index, place.epoch))
            if place.close(now):
                wrong = place.frames.error
                goodbye = close_payload(1000, "") if wrong is None else close_payload(wrong.code, wrong.reason)
                place.talk.urge(frames.CLOSE, goodbye, now)

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


_MEANINGS: dict[Kind, Callable[[Engine, Line, Item, float], None]] = {
    Kind.ACK: Engine._acknowledge,
    Kind.ERROR: Engine._refuse,
    Kind.CHALLENGE: Engine._challenged,
    Kind.RECONNECT: Engine._reconnect,
    Kind.PAUSE: Engine._pause,
    Kind.RESUME: Engine._resume,
    Kind.RESUBSCRIBE: Engine._resume,
}
"""What to do about messages that are neither data nor to be passed over."""
