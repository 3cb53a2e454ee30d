"""The connections of a stream: dialled, opened, lost, dialled again; and the end of them all. Pure.

Rules
* What ends a connection has a class (`failures`): it is dialled again at once, after the back-off, or after its longest wait.
  FATAL ends the stream, but only where nothing has worked yet.
* What was missed between two connections is looked for, or told, as soon as the first one is over.
* Messages that fit nothing the feed says end the stream by the first-data deadline.
* A connection that was open and is lost is told as that, also where it is the last one.
* The stream ends once: `Closed` is the last that is told, connections that are open are left with a goodbye.
"""

from __future__ import annotations

from typing import Any, Callable, Collection, Hashable, Optional

from ..errors import CallableError, ConnectFailed, DialError, FeedFailed, Severity, StreamFailed
from ..events import Closed, Connected, Disconnected, Stale
from . import failures, frames
from .actions import Abandon, Dial, Hangup
from .line import Line, Phase, close_payload
from .liveness import Due
from .order import Order
from .rules import Rules

_ROTATES_EARLIER = 0.1  # of the lifetime, at most: so that all who came together do not go together


class Connections:
    """Owned by: the engine. `topics` are those that a dial subscribes to; whoever changes them has the same object."""

    def __init__(
        self, rules: Rules, order: Order, topics: Collection[Hashable], *, random: Callable[[], float], count: int
    ) -> None:
        self.rules = rules
        self.order = order
        self.keys = order.keys
        self.topics = topics
        self.random = random
        self.lines = [Line(index, rules) for index in range(count)]
        self.failure: Optional[StreamFailed] = None
        self.closing = False
        self.connects = 0
        self.confirmed = False  # a subscription was acknowledged, at any time
        self.actions: list[Any] = []  # for the shell: the engine hands them out
        self.notes: list[str] = []  # for the log: the shell takes them out
        self._started_at = 0.0
        self._data_due_at: Optional[float] = None
        self._last_error: Optional[DialError] = None

    # ---------------------------------------------------------------- the beginning

    def start(self, now: float) -> None:
        """Dial every line."""
        self._started_at = now
        for place in self.lines:
            self._dial(place, now)

    def refused(self, place: Line, error: DialError, now: float) -> None:
        """A dial failed."""
        self._last_error = error
        severity = failures.own(self.rules.failures, error.status, error.cause) or error.severity
        if severity is Severity.FATAL and not self.connects:
            place.wait(now)  # its dial is over: there is nothing to abandon
            self._fail_to_connect(str(error), now)
        else:
            counts = error.cause != "budget"  # else nothing was dialled, and the time until it can be is none of the venue's
            self._started_at += 0.0 if counts else error.retry_after or 0.0
            self._retry(place, str(error), None, now, severity=severity, retry_after=error.retry_after, counts=counts)

    def opened(self, place: Line, now: float) -> None:
        """The opening script is through, if there is one: the line is live, and what it was given to say is said."""
        place.opened(now)
        self.connects += 1
        if self._data_due_at is None:
            self._data_due_at = now + self.rules.first_data_limit
        if self.rules.lifetime is not None:
            place.rotate_at = now + self.rules.lifetime * (1.0 - _ROTATES_EARLIER * self.random())
        self.keys.out.append(Connected(line=place.index, attempt=place.attempt + 1, at_ns=self.keys.wall(now)))
        self.enter(place, now)
        self.keys.subscribed(now)
        place.talk.say((*place.said, *place.pending), now)  # what has to wait is waited for longer
        place.said, place.pending = (), []

    def enter(self, place: Line, now: float) -> None:
        """What comes on this connection belongs to the stream."""
        if not place.entered:
            place.entered = True
            self.order.opened(place.index, now)

    def _dial(self, place: Line, now: float) -> None:
        self.actions.append(Dial(place.index, place.dial(now), tuple(self.topics)))

    # ---------------------------------------------------------------- time

    def check_first(self, now: float) -> None:
        """Whether the time for the first connection is over. The stream has failed then."""
        if not self.connects and now >= self._started_at + self.rules.first_live_limit:
            self._fail_to_connect("", now)

    def check_data(self, now: float) -> None:
        """Whether what comes fits the feed at all; asked once the first-data deadline is over, until something does."""
        if self._data_due_at is None or self.order.used or now < self._data_due_at:
            return
        failure = self.order.never_usable()
        if failure is not None:
            self.fail(failure, now)
        self._data_due_at = now + self.rules.first_data_limit

    def tick_live(self, place: Line, now: float) -> None:
        """Silence, the last moment of a line that broke the rules, and the end of its lifetime."""
        if place.frames.error is not None:
            if place.limit_at is not None and now >= place.limit_at:
                self.break_off(place, place.frames.error, now)
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
            self.lose(place, reason, None, now)
            return
        if place.rotate_at is not None and now >= place.rotate_at:
            self.goodbye(place, now)
            self.lose(place, f"its lifetime of {self.rules.lifetime:g} s is over", None, now, planned=True)

    def tick_limit(self, place: Line, now: float) -> None:
        """What a line that is not live waited for is over, or has not come."""
        if place.phase is Phase.WAITING:
            self._dial(place, now)
        elif place.phase is Phase.DIALING:
            self.actions.append(Abandon(place.index, place.epoch))
            self._retry(place, "the dial hangs", None, now)
        elif place.phase is Phase.OPENING:
            self.lose(place, place.talk.opening.overdue(), None, now)
        else:
            self.gone(place)

    def deadline(self) -> Optional[float]:
        """When the stream fails if nothing comes: no connection, or no message that can be used."""
        if not self.connects:
            return self._started_at + self.rules.first_live_limit
        return None if self.order.used else self._data_due_at

    # ---------------------------------------------------------------- the end of a connection

    def goodbye(self, place: Line, now: float) -> None:
        """Say that we go."""
        place.talk.urge(frames.CLOSE, close_payload(1000, ""), now)

    def break_off(self, place: Line, error: frames.FrameError, now: float) -> None:
        """The venue broke the protocol: say so, with the code of the standard."""
        place.talk.urge(frames.CLOSE, close_payload(error.code, error.reason), now)
        own = failures.own(self.rules.failures, error.code) or Severity.RETRY  # it is we who closed: perhaps one bad message
        self.lose(place, f"protocol error: {error.reason}", error.code, now, severity=own)

    def lose(
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
        self.actions.append(Hangup(place.index, place.epoch))
        severity = severity or failures.own(self.rules.failures, code) or failures.of_code(code)
        data_at, entered = place.data_at, place.entered
        if not planned:
            self._last_error = DialError(reason, severity=severity, code=code)
        if planned:
            place.rotated()
            place.wait(now)
            self._disconnected(place, reason, code, 0.0, now)
        elif severity is Severity.FATAL and not self._has_worked(place):
            place.wait(now)
            self._disconnected(place, reason, code, None, now)
            self._fail_to_connect(reason, now)
        else:
            self._retry(place, reason, code, now, severity=severity)
        if entered and not self.closing:
            self.order.lost(place.index, now, data_at, covered=self.covered(place))
        if planned:
            self._dial(place, now)

    def _has_worked(self, place: Line) -> bool:
        """Whether what ended just now has worked before: a script that was through, a connection that something came of.

        That a line is open shows nothing: a venue without a script accepts everybody, and closes on those it does not know.
        """
        return bool(self.order.used) or self.confirmed if place.phase is Phase.LIVE else self.connects > 0

    def covered(self, place: Line) -> bool:
        """Whether another line was open at the last message of this one, and has been since."""
        return any(other is not place and other.is_live() and other.opened_at <= place.heard_at for other in self.lines)

    def gone(self, place: Line) -> None:
        """The last connection of this line is closed."""
        self.actions.append(Hangup(place.index, place.epoch))
        place.gone()

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
        """Wait, then dial again; FATAL, which has worked once, as SLOW. `counts`: it was an attempt: the next wait is longer."""
        was_open = place.is_open()
        before = place.failed() if counts else place.attempt
        delay = self.rules.backoff.delay(before, self.random(), severity=severity, retry_after=retry_after)
        place.wait(now + delay)
        over = self.rules.backoff.over(place.attempt, now + delay - (now if place.good_at is None else place.good_at))
        if over and not any(each.is_open() for each in self.lines):
            if was_open:
                self._disconnected(place, reason, code, None, now)
            self._fail_to_connect(f"{over}; the last attempt: {reason}", now)
            return
        self._disconnected(place, reason, code, delay, now)

    def _disconnected(self, place: Line, reason: str, code: Optional[int], delay: Optional[float], now: float) -> None:
        """Without a delay there is no next attempt."""
        then = "this was the last attempt" if delay is None else f"the next attempt in {delay:.2g} s"
        self.notes.append(f"line {place.index}: {reason}; {then}")
        self.keys.out.append(Disconnected(line=place.index, reason=reason, code=code, retry_in=delay, at_ns=self.keys.wall(now)))

    # ---------------------------------------------------------------- the end of the stream

    def fail(self, error: StreamFailed, now: float) -> None:
        """The stream cannot go on."""
        if not self.closing:
            self.failure = error
            self.end(now, str(error))

    def end(self, now: float, error: str = "") -> None:
        """Say goodbye on every line that is open. Nothing is delivered after `Closed`."""
        if self.closing:
            return
        self.closing = True
        self.keys.out.append(Closed(error=error, at_ns=self.keys.wall(now)))
        self.order.close()
        for place in self.lines:
            if place.phase is Phase.DIALING:
                self.actions.append(Abandon(place.index, place.epoch))
            if place.close(now):
                wrong = place.frames.error
                goodbye = close_payload(1000, "") if wrong is None else close_payload(wrong.code, wrong.reason)
                place.talk.urge(frames.CLOSE, goodbye, now)

    def _fail_to_connect(self, text: str, now: float) -> None:
        limit = self.rules.first_live_limit
        last = f"; the last attempt: {self._last_error}" if self._last_error is not None else ""
        kind = FeedFailed if text and isinstance(self._last_error, CallableError) else ConnectFailed
        failure = kind(text or f"no line could be opened within {limit:g} s{last}")
        failure.__cause__ = self._last_error
        if isinstance(failure, ConnectFailed) and self._last_error is not None:
            failure.code = self._last_error.code
        self.fail(failure, now)
