"""What decides: all lines, counters and keys of a stream. Pure: inputs with `now` in, actions and deliveries out.

    world ── opened / refused / batch / lost / fetched / unfetched / dropped / relieved / paused / resumed / subscribe /
             unsubscribe / close / tick ──► Engine
    world ◄── take_actions(): Dial, Abandon, Hangup, Send, Fetch  ·  take_deliveries()  ·  deadline()

Inputs are in the past tense: the world tells what happened. Nothing here blocks, reads a clock or throws dice; `random` is a
callable given by the shell. Call `tick(now)` whenever `deadline()` has come; calling it earlier does no harm.
"""

from __future__ import annotations

from typing import Any, Callable, Hashable, Iterable, NamedTuple, Optional, Sequence

from ..errors import ConnectFailed, DialError, FetchError, Severity, StreamFailed
from ..events import Closed, Connected, Disconnected, Stale, Status
from . import frames
from .deflate import Agreed
from .line import Line, Phase, close_payload
from .liveness import Due
from .order import Order
from .rules import Rules


class Dial(NamedTuple):
    """Action: open a connection for this line; it will be subscribed to `topics`."""

    line: int
    epoch: int
    topics: tuple[Any, ...]


class Abandon(NamedTuple):
    """Action: the dial of this epoch is not wanted any more."""

    line: int
    epoch: int


class Hangup(NamedTuple):
    """Action: release this connection at once. What was to be sent before is tried once."""

    line: int
    epoch: int


class Send(NamedTuple):
    """Action: send one frame. `urgent` ones (pong, close) go before what waits, behind what is half out."""

    line: int
    epoch: int
    opcode: int
    payload: bytes
    urgent: bool


class Payload(NamedTuple):
    """A message to the venue, ready for a frame."""

    opcode: int
    data: bytes


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
        self.late = 0
        self._actions: list[Any] = []
        self._started_at = 0.0
        self._data_due_at: Optional[float] = None
        self._last_error: Optional[DialError] = None
        self.notes: list[str] = []  # for the log: the shell takes them out
        self._noted = False

    # ---------------------------------------------------------------- lines

    def start(self, now: float) -> None:
        """Dial every line."""
        self._started_at = now
        for line in self.lines:
            self._dial(line, now)

    def opened(self, line: int, epoch: int, payloads: Iterable[Payload], now: float, *, deflate: Optional[Agreed] = None) -> bool:
        """A dial succeeded; `payloads` subscribe to the topics it was given. False: too late, close it.

        `deflate` is what was agreed on about compression, if anything was.
        """
        place = self.lines[line]
        if place.epoch != epoch or place.phase is not Phase.DIALING:
            self.late += 1
            return False
        pending = place.pending
        place.opened(now, deflate)
        self.connects += 1
        if self._data_due_at is None:
            self._data_due_at = now + self.rules.first_data_limit
        for payload in (*payloads, *pending):
            self._send(place, payload.opcode, payload.data)
        self.keys.out.append(Connected(line=line, attempt=place.attempt + 1, at_ns=self.keys.wall(now)))
        self.order.opened(line, now)
        self._ask(now)
        return True

    def refused(self, line: int, epoch: int, error: DialError, now: float) -> None:
        """A dial failed."""
        place = self.lines[line]
        if place.epoch != epoch or place.phase is not Phase.DIALING:
            self.late += 1
            return
        self._last_error = error
        severity = error.severity
        if severity is Severity.FATAL:
            if not self.connects:
                self._fail_to_connect(str(error), now)
                return
            severity = Severity.SLOW
        self._retry(place, str(error), None, now, severity=severity, retry_after=error.retry_after)

    def batch(self, line: int, epoch: int, data: bytes, now: float) -> None:
        """Bytes came."""
        place = self.lines[line]
        if place.epoch != epoch or place.phase not in (Phase.LIVE, Phase.CLOSING):
            self.late += 1
            return
        place.clocks.proved_transport(now)
        received = place.frames.receive(data)
        if place.phase is Phase.CLOSING:
            if place.frames.closed or place.frames.error is not None:
                self._gone(place)
            return
        self._read(place, received, now)
        if self.keys.failure is not None:
            self.fail(self.keys.failure, now)
        elif place.is_live() and place.frames.error is not None:
            place.broke(now)
        else:
            self._check_data(now)

    def lost(self, line: int, epoch: int, reason: str, now: float) -> None:
        """The connection ended or broke, with no close frame."""
        place = self.lines[line]
        if place.epoch != epoch or place.phase not in (Phase.LIVE, Phase.CLOSING):
            self.late += 1
        elif place.phase is Phase.CLOSING:
            self._gone(place)
        elif place.frames.error is not None:
            self._refuse(place, place.frames.error, now)
        else:
            self._lose(place, reason, 1006, now)

    def paused(self) -> None:
        """We do not read for a while; silence proves nothing now."""
        for place in self.lines:
            place.clocks.pause()

    def resumed(self, now: float) -> None:
        for place in self.lines:
            place.clocks.resume(now)

    def route(self) -> Optional[tuple[int, int]]:
        """The line and epoch a user's message goes out on; `None` if none is open."""
        for place in self.lines:
            if place.phase is Phase.LIVE:
                return place.index, place.epoch
        return None

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

    def subscribe(self, topics: Iterable[Hashable], payloads: Iterable[Payload]) -> None:
        """These topics are wanted from now on; those that were wanted already change nothing."""
        for topic in topics:
            self.topics[topic] = None
            self.order.subscribed(self.topic_key(topic))
        self._tell_venue(payloads)

    def unsubscribe(self, topics: Iterable[Hashable], payloads: Iterable[Payload]) -> None:
        """These topics are not wanted any more."""
        for topic in topics:
            self.topics.pop(topic, None)
            self.keys.unsubscribed(self.topic_key(topic))
        self._tell_venue(payloads)

    def close(self, now: float) -> None:
        """The user wants no more: say goodbye, deliver nothing after `Closed`."""
        self._end(now, "")

    def fail(self, error: StreamFailed, now: float) -> None:
        """The stream cannot go on."""
        if not self.closing:
            self.failure = error
            self._end(now, str(error))

    @property
    def finished(self) -> bool:
        """Closed, and no connection is left."""
        return self.closing and all(place.phase is Phase.CLOSED for place in self.lines)

    # ---------------------------------------------------------------- time

    def tick(self, now: float) -> None:
        """Do what is due."""
        for place in self.lines:
            if place.phase is Phase.LIVE:
                self._tick_live(place, now)
            elif place.limit_at is not None and now >= place.limit_at:
                self._tick_limit(place, now)
        if self.closing:
            return
        if not self.connects and now >= self._started_at + self.rules.first_live_limit:
            self._fail_to_connect("", now)
            return
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
            moments.append(self.keys.fetches.deadline(asking=self.keys.open_lines > 0))
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

    def _send(self, place: Line, opcode: int, data: bytes, *, urgent: bool = False) -> None:
        self._actions.append(Send(place.index, place.epoch, opcode, data, urgent))

    def _tell_venue(self, payloads: Iterable[Payload]) -> None:
        """To lines that are open now, and behind the subscriptions of those being dialled."""
        for payload in payloads:
            for place in self.lines:
                if place.phase is Phase.LIVE:
                    self._send(place, payload.opcode, payload.data)
                elif place.phase is Phase.DIALING:
                    place.pending.append(payload)

    def _read(self, place: Line, received: list[tuple[int, bytes]], now: float) -> None:
        """Everything that came, in order."""
        order, index, count = self.order, 0, len(received)
        while index < count:
            plain = order.scan(received, index)
            if plain > index:
                place.heard(now)
                place.carried(now)
                index = plain
                continue
            opcode, payload = received[index]
            index += 1
            if opcode <= frames.BINARY:
                place.heard(now)
                if order.take(payload, opcode == frames.TEXT, place.index, now):
                    place.carried(now)
                if self.keys.failure is not None:
                    return
            elif not self._control(place, opcode, payload, now):
                return
        if self.order.quarantined and not self._noted:
            self._noted = True
            self.notes.append(f"a message was quarantined, the first of perhaps many: {self.order.quarantine_why}")
        self._ask(now)

    def _control(self, place: Line, opcode: int, payload: bytes, now: float) -> bool:
        """A control frame; False if it ended the connection."""
        if opcode == frames.CLOSE:
            code, reason = frames.parse_close(payload)
            self._send(place, frames.CLOSE, payload[:2], urgent=True)
            text = f"closed by the venue: {code} {reason}".rstrip() if code is not None else "closed by the venue"
            self._lose(place, text, code, now)
            return False
        if opcode == frames.PING:
            self._send(place, frames.PONG, payload, urgent=True)
        return True

    def _ask(self, now: float) -> None:
        self._actions.extend(self.keys.due(now))

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

    def _tick_live(self, place: Line, now: float) -> None:
        if place.frames.error is not None:
            if place.limit_at is not None and now >= place.limit_at:
                self._refuse(place, place.frames.error, now)
            return
        due = place.clocks.due(now)
        if due is Due.PING:
            self._send(place, frames.PING, b"", urgent=True)
        elif due is not None:
            reason = place.clocks.reason(now)
            if due is Due.STALE:
                silence = now - place.clocks.feed_at
                self.keys.out.append(Stale(silence=silence, at_ns=self.keys.wall(now)))
                place.silence = place.clocks.climb()
            self._lose(place, reason, None, now)

    def _tick_limit(self, place: Line, now: float) -> None:
        if place.phase is Phase.WAITING:
            self._dial(place, now)
        elif place.phase is Phase.DIALING:
            self._actions.append(Abandon(place.index, place.epoch))
            self._retry(place, "the dial hangs", None, now)
        else:
            self._gone(place)

    def _refuse(self, place: Line, error: frames.FrameError, now: float) -> None:
        """The venue broke the protocol: say so, with the code of the standard."""
        self._send(place, frames.CLOSE, close_payload(error.code, error.reason), urgent=True)
        self._lose(place, f"protocol error: {error.reason}", error.code, now)

    def _lose(self, place: Line, reason: str, code: Optional[int], now: float) -> None:
        """A live connection is over."""
        self._actions.append(Hangup(place.index, place.epoch))
        data_at = place.data_at
        self._retry(place, reason, code, now)
        self.order.lost(place.index, now, data_at)

    def _retry(
        self,
        place: Line,
        reason: str,
        code: Optional[int],
        now: float,
        *,
        severity: Severity = Severity.RETRY,
        retry_after: Optional[float] = None,
    ) -> None:
        before = place.failed()
        delay = self.rules.backoff.delay(before, self.random(), severity=severity, retry_after=retry_after)
        place.wait(now + delay)
        self.notes.append(f"line {place.index}: {reason}; the next attempt in {delay:.2g} s")
        self.keys.out.append(Disconnected(line=place.index, reason=reason, code=code, retry_in=delay, at_ns=self.keys.wall(now)))

    def _fail_to_connect(self, text: str, now: float) -> None:
        limit = self.rules.first_live_limit
        last = f"; the last attempt: {self._last_error}" if self._last_error is not None else ""
        failure = ConnectFailed(text or f"no line could be opened within {limit:g} s{last}")
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
                self._send(place, frames.CLOSE, goodbye, urgent=True)

    # ---------------------------------------------------------------- status

    def status(self, now: float, *, queued: int = 0, dropped: int = 0) -> Status:
        """A picture of everything."""
        keys, order = self.keys, self.order
        states = keys.status()
        syncing = sum(1 for state in states.values() if state.state != "live")
        data = [place.clocks.feed_at for place in self.lines if place.phase is Phase.LIVE]
        return Status(
            state=self._state(syncing),
            lines=sum(place.is_live() for place in self.lines),
            connects=self.connects,
            reconnects=max(0, self.connects - len(self.lines)),
            messages=keys.messages,
            duplicates=order.duplicates + keys.stale,
            gaps=keys.gaps,
            healed=keys.healed,
            unhealed=keys.unhealed,
            snapshots=keys.snapshots,
            dropped=dropped,
            quarantined=order.quarantined,
            keyless=order.keyless,
            late_answers=self.late + keys.fetches.late,
            held=keys.held,
            queued=queued,
            syncing=syncing,
            silence=now - max(data) if data else None,
            error="" if self.failure is None else str(self.failure),
            keys=states,
        )

    def _state(self, syncing: int) -> str:
        if self.closing:
            return "closed" if self.failure is None else "failed"
        if self.keys.open_lines:
            return "syncing" if syncing else "live"
        return "waiting" if self.connects else "connecting"
