"""The demo: a venue in a box, a stream that listens to it, faults on a schedule, and a comparison at the end.

All of it runs on the thread that calls `run`: it takes from the stream, folds what it took, injects the faults and has the
picture drawn. The venue and the stream have threads of their own.

The state that is compared is folded from the default view only, which is all that a plain `for` loop over the stream would see.
The other events are only told. Deliberately not here: which fault comes when (schedule.py), the verdict, drawing.
"""

from __future__ import annotations

import logging
import random
from collections import Counter, deque
from typing import Callable, Optional

from .. import clock
from ..core.backoff import Backoff
from ..core.sequence import Contiguous
from ..errors import StreamFailed
from ..events import Event, KeyStatus, Status
from ..feed import Feed, Rest
from ..stream import Stream
from ..testing import Broker, Replica
from .arguments import Options
from .figures import Figures, take
from .picture import COMPLETE, HEALING, NO_LINE, About, Picture, Row, View
from .schedule import RESTART_AFTER, Step, plan
from .story import Story
from .verdict import Result, Run, judge

RATE = 40.0  # messages per second for each symbol, as long as there are few
_RATE_LEAST, _RATE_MOST = 100.0, 2_000.0  # for all together
_HISTORY = 20_000  # moves of the market before the demo begins, so that it looks like any other moment of a day
_HEARTBEAT = 0.5

_TAKE_MOST, _TAKE_WITHIN = 1000, 0.05
_SHOW_EVERY = 0.125
_BETWEEN = 0.5  # seconds between two faults at least, also when the stream recovers late
_PATIENCE = 5.0  # seconds that a fault waits for the stream to have recovered from the last one
_SETTLE_LIMIT = 15.0
_CATCH_UP_LIMIT = 15.0
_QUIET = 0.4  # nothing more comes: nothing came for so long


def feed_of(broker: Broker) -> Feed:
    """The feed of a broker, with settings that make recovery quick enough to watch."""
    return Feed(
        broker.url,
        subscribe=broker.subscribe,
        key="symbol",
        sequence=Contiguous("seq"),
        snapshot=Rest(broker.snapshot_url, position="seq", backoff=Backoff(base=0.05, maximum=0.5)),
        heartbeat=_HEARTBEAT,
        verify_after=1.0,
        restart_after=RESTART_AFTER,
        backoff=Backoff(base=0.1, maximum=1.0, stable_after=0.5),
    )


def settings_of(feed: Feed) -> tuple[str, ...]:
    """Those that are quicker than the defaults; each text fits on a line."""
    assert isinstance(feed.snapshot, Rest)
    dials, fetches = feed.backoff, feed.snapshot.backoff
    return (
        f"heartbeat={feed.heartbeat}, verify_after={feed.verify_after}, restart_after={feed.restart_after}",
        f"backoff: {dials.base:g} to {dials.maximum:g} s, stable_after={dials.stable_after:g}; "
        f"Rest backoff: {fetches.base:g} to {fetches.maximum:g} s",
    )


class Demo:
    """Owned by: the thread that calls `run`, once. `replica`: what folds the stream; a test may give a wrong one."""

    def __init__(self, options: Options, view: View, replica: Optional[Replica] = None) -> None:
        self.options = options
        self.rate = min(_RATE_MOST, max(_RATE_LEAST, RATE * len(options.symbols)))
        self.plan = plan(
            seed=options.seed,
            duration=options.duration,
            faults=options.faults,
            symbols=options.symbols,
            rate=self.rate / len(options.symbols),
        )
        self._view = view
        self._replica = Replica() if replica is None else replica
        self._figures = {symbol: Figures() for symbol in options.symbols}
        self._story = Story(options.symbols, view.told)
        self._logged: deque[str] = deque(maxlen=20)  # by any thread
        self._injected: Counter[str] = Counter()
        self._status = Status()
        self._doing = "the venue behaves, until now"
        self._fault: Optional[Step] = None
        self._fault_over_at = 0.0
        self._started_at = self._took_at = clock.now()
        self._shown_at = 0.0
        self._held_back = 0  # by the stream, and not told yet

    def run(self) -> Result:
        """Play it to the end. Ctrl-C ends it early, with a verdict that says so."""
        options = self.options
        error, interrupted = "", False
        # A heartbeat twice as often as the feed declares: a busy machine is no dead line.
        with Broker(symbols=options.symbols, rate=self.rate, seed=options.seed, heartbeat=_HEARTBEAT / 2) as broker:
            self._make_history(broker)
            try:
                self._stream(broker)
            except KeyboardInterrupt:
                interrupted = True
            except StreamFailed as failure:
                error = f"{type(failure).__name__}: {failure}"
            run = Run(
                seed=options.seed,
                duration=self._elapsed(),
                faults=self._injected,
                left_out=self.plan.left_out,
                venue=broker.counts,
                events=self._story.counts,
                longest_repair=self._story.longest_repair,
                error=error,
                interrupted=interrupted,
            )
            return judge(broker.states(), self._replica, self._status, self._figures, run)

    def _make_history(self, broker: Broker) -> None:
        """The day has begun long ago: nobody starts at position 1, and snapshots can be stale."""
        dice = random.Random(f"{self.options.seed}/history")
        most = _HISTORY // len(broker.symbols)
        for symbol in broker.symbols:
            broker.publish(symbol, dice.randint(most // 2, most))

    def _stream(self, broker: Broker) -> None:
        feed = feed_of(broker)
        self._view.began(self._about(feed))
        with _Log(self._logged), Stream(feed) as stream:
            stream.events()  # fixes the view
            self._started_at = self._took_at = clock.now()
            try:
                self._let_faults_happen(broker, stream)
                self._let_it_settle(broker, stream)
                broker.pause()
                self._let_it_catch_up(broker, stream)
            finally:
                self._show(stream)

    # The course of it

    def _let_faults_happen(self, broker: Broker, stream: Stream) -> None:
        """Each fault at its time, but not before the stream has recovered from the one before; that has its limit too."""
        not_before = 0.0
        for step in self.plan.steps:
            while self._elapsed() < max(step.at, not_before):
                self._turn(stream)
            self._wait(stream, _PATIENCE, lambda: stream.status.state == "live" and bool(broker.connections))
            self._inject(broker, step)
            not_before = self._elapsed() + _BETWEEN
        while self._elapsed() < max(self.plan.calm_at, self._fault_over_at):
            self._turn(stream)
        broker.faults.clear()

    def _inject(self, broker: Broker, step: Step) -> None:
        self._fault, self._fault_over_at = step, self._elapsed() + step.seconds
        self._doing = "the venue behaves, for a moment"
        self._injected[step.name] += 1
        self._story.fault(step, self._elapsed())
        for method, settings in step.calls:
            getattr(broker.faults, method)(**settings)

    def _let_it_settle(self, broker: Broker, stream: Stream) -> None:
        """The market goes on without faults until every symbol has shown something later than the last of them.

        A hole at the end shows only when the next message comes, and so does a numbering that started again.
        """
        self._doing = "no more faults; the market goes on, the stream recovers"
        calm = {symbol: state.position for symbol, state in broker.states().items()}

        def settled() -> bool:
            if stream.status.state != "live":
                return False
            true = broker.states()
            return all(calm[symbol] < self._position(symbol) <= true[symbol].position for symbol in calm)

        while self._elapsed() < self.options.duration:
            self._turn(stream)
        self._wait(stream, _SETTLE_LIMIT, settled)

    def _let_it_catch_up(self, broker: Broker, stream: Stream) -> None:
        """The market rests. Wait until the stream is where the venue is, and for a while nothing more comes."""
        self._doing = "the market rests; comparing with the venue"
        true = broker.states()

        def caught_up() -> bool:
            if clock.now() - self._took_at < _QUIET or stream.status.state != "live":
                return False
            return all(self._position(symbol) == true[symbol].position for symbol in true)

        self._wait(stream, _CATCH_UP_LIMIT, caught_up)

    def _wait(self, stream: Stream, limit: float, until: Callable[[], bool]) -> None:
        """Go on until that is true, at most so many seconds. The verdict finds out what is missing if it does not come true."""
        over_at = clock.now() + limit
        while clock.now() < over_at and not until():
            self._turn(stream)

    # One turn

    def _turn(self, stream: Stream) -> None:
        """Take what is there, fold it, measure it, tell it, and have it drawn when that is due."""
        items = stream.get_many(_TAKE_MOST, timeout=_TAKE_WITHIN)
        now, elapsed = clock.now(), self._elapsed()
        take(self._figures, items, now, clock.wall_ns())
        for item in items:
            if not isinstance(item, Event):
                self._replica.apply(item)
                self._took_at = now
                continue
            if item.in_default_view:
                self._replica.apply(item)
                self._took_at = now
            self._story.event(item, elapsed)
        while self._logged:
            self._story.note(self._logged.popleft(), elapsed)
        if now - self._shown_at >= _SHOW_EVERY:
            self._show(stream)

    def _show(self, stream: Stream) -> None:
        now, elapsed, status = clock.now(), self._elapsed(), stream.status
        self._tell_held_back(status.duplicates - self._status.duplicates, elapsed)
        self._shown_at, self._status = now, status
        fault = self._fault if elapsed < self._fault_over_at else None
        total = self._replica.total
        self._view.show(
            Picture(
                elapsed=elapsed,
                fault=fault.name if fault is not None else "",
                doing=fault.says if fault is not None else self._doing,
                injected=sum(self._injected.values()),
                rows=tuple(self._row(symbol, status, now) for symbol in self.options.symbols),
                messages=total.applied,
                duplicates=status.duplicates,
                lost=total.lost,
                duplicated=total.duplicated,
                out_of_order=total.out_of_order,
                gaps_found=status.gaps,
                gaps_healed=status.healed,
                reconnects=status.reconnects,
                entries=self._story.entries,
            )
        )

    def _tell_held_back(self, more: int, elapsed: float) -> None:
        """Once no more of them come."""
        self._held_back += more
        if self._held_back and not more:
            self._story.held_back(self._held_back, elapsed)
            self._held_back = 0

    def _row(self, symbol: str, status: Status, now: float) -> Row:
        figures, key = self._figures[symbol], status.keys.get(symbol, KeyStatus())
        return Row(
            symbol=symbol,
            position=figures.position,
            rate=figures.rate(now),
            gaps_found=key.gaps,
            gaps_healed=key.healed,
            reconnects=status.reconnects,
            lag=figures.lag(now),
            state=NO_LINE if not status.lines else COMPLETE if key.state == "live" else HEALING,
        )

    def _about(self, feed: Feed) -> About:
        return About(
            seed=self.options.seed,
            duration=self.options.duration,
            symbols=len(self.options.symbols),
            rate=self.rate,
            faults=len(self.plan.steps),
            left_out=self.plan.left_out,
            settings=settings_of(feed),
        )

    def _elapsed(self) -> float:
        return clock.now() - self._started_at

    def _position(self, symbol: str) -> int:
        return self._figures[symbol].position or 0


class _Log(logging.Handler):
    """Owned by: whoever entered it. While it is on, the library's warnings are told in the story and not over the screen."""

    def __init__(self, texts: deque[str]) -> None:
        super().__init__(logging.WARNING)
        self._texts = texts

    def emit(self, record: logging.LogRecord) -> None:
        self._texts.append(f"{record.levelname.lower()}: {record.getMessage()}")

    def __enter__(self) -> _Log:
        logging.getLogger("syncstream").addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger("syncstream").removeHandler(self)
