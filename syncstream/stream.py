"""`Stream`: the public, blocking face. Any thread may call anything; no call runs user code or I/O while it holds a lock.

Not here: receiving (the reader thread), deciding (the engine), waiting for items (the delivery), running callbacks
(`callbacks.py`). The threads hold the inner parts and never the `Stream`, so a stream that nobody holds any more closes itself.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import weakref
from concurrent.futures import Executor
from types import TracebackType
from typing import Any, Callable, Hashable, NoReturn, Optional, Sequence, TypeVar, Union

import msgspec

from . import clock, dialer, live, stats
from .books import Books
from .callbacks import Callbacks
from .consumer import Consumer
from .delivery import Delivery
from .errors import FeedError, SendUnknown, StreamClosed, UsageError
from .events import Status
from .feed import Feed
from .handlers import Handler, check_types
from .inbox import Close, Want, Withdraw
from .link import Ticket
from .notebook import cell
from .notebook.display import Display
from .quarantine import OnError, SetAside
from .reader import Reader
from .stats import Stats
from .transport import frame
from .urls import named, redact
from .views import Latest, T, Tap
from .wake import Waker

H = TypeVar("H", bound=Handler)

_open: weakref.WeakValueDictionary[int, Stream[Any]] = weakref.WeakValueDictionary()

_EXIT_LIMIT = 1.0  # seconds, for all streams together
_VERDICT_LIMIT = 1.0  # seconds that the reader may take to say what became of a message whose time is over
_LONGEST = 86400.0  # seconds; the system takes no endless number
_LONGEST_COALESCE = 0.05  # seconds

logging.getLogger("syncstream").addHandler(logging.NullHandler())  # nothing is printed where nobody has set up logging


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What `close` found: items `delivered` and `discarded`, and the names of threads that did not end in time."""

    delivered: int = 0
    discarded: int = 0
    threads: tuple[str, ...] = ()


class Stream(Consumer[T], Display):
    """Owned by: the user. Every method may be called from any thread, callbacks included.

    `feed`: what to stream. `queue_size`: how many items may wait for the consumer; `queue_bytes`: how many bytes, as they came
    over the line, inflated (`None`: no bound). `overflow`: what happens beyond that: `"raise"` (loud: `Overflow` once the queued
    items are taken), `"block"` (do not read for at most `block_limit` seconds, then as `raise`), `"drop_oldest"` (told by
    `Dropped`, healed like a gap) or `"conflate"` (of each key only the newest stays; told and healed the same way). `coalesce`:
    seconds that a message may wait for others where more than 10,000 a second come for some milliseconds, so that they are read
    together, for a fraction of the processor's time; 0: none waits. The stream starts when it is made. `Stream[Trade](feed)`
    tells a type checker what the messages are.

    Raises `FeedError` for an option that cannot work.
    """

    _delivery: Delivery

    def __init__(
        self,
        feed: Feed,
        *,
        queue_size: int = 10_000,
        queue_bytes: Optional[int] = 256 * 1024 * 1024,
        overflow: str = "raise",
        block_limit: float = 5.0,
        coalesce: float = 0.0002,
        name: str = "",
    ) -> None:
        self._pid = os.getpid()
        if not isinstance(feed, Feed):
            raise FeedError("feed", feed, "expected a Feed(...)")
        if type(queue_size) is not int or queue_size < 1:
            raise FeedError("queue_size", queue_size, "a queue needs a bound: a whole number of items, at least 1")
        if queue_bytes is not None and (type(queue_bytes) is not int or queue_bytes < 1):
            raise FeedError("queue_bytes", queue_bytes, "a whole number of bytes, at least 1, or None for no bound")
        if not _seconds("coalesce", coalesce) <= _LONGEST_COALESCE:
            raise FeedError("coalesce", coalesce, f"seconds, {_LONGEST_COALESCE:g} at most: so long nothing else is done")
        if not isinstance(name, str):
            raise FeedError("name", name, "a text, by which logs and notebooks call the stream")
        self.feed = feed
        self.name = name
        cell.close_older(streams(), feed, name)
        waker = Waker()
        key = feed.item_key()
        heals = feed.rules().heals_drops
        self._delivery = Delivery(
            queue_size,
            overflow=overflow,
            key=key,
            block_limit=_seconds("block_limit", block_limit),
            heals=heals,
            keyless=feed.key is None,
            wake=waker.wake,
            maxbytes=queue_bytes,
        )
        self._reader = Reader(feed, self._delivery, waker, coalesce=coalesce)
        drops = overflow in ("drop_oldest", "conflate")
        self._callbacks = Callbacks(self._delivery, self._reader, key=key, heals=heals, drops=drops)
        self._lock = threading.RLock()  # guards: _topics and the order in which their changes are posted
        self._topics: dict[Hashable, None] = dict.fromkeys(feed.topics)
        self._raised = False
        self._reader.start()
        _open[id(self)] = self

    # ---------------------------------------------------------------- consuming

    @property
    def queue(self) -> Tap:
        """The stream as a `queue.Queue`, for code that already drains one."""
        self._check_process()
        return Tap(self, self._delivery)

    @property
    def latest(self) -> Latest[T]:
        """The last value of each key, whatever waits in the queue: `stream.latest["ABC"]`; `latest()` copies all at one moment.

        Needs no consumer.
        """
        self._check_process()
        return Latest(self, self._reader.engine.keys)

    @property
    def books(self) -> Books:
        """The order book of each key, for a feed that says how its messages change one (`book=`). Needs no consumer."""
        self._check_process()
        shelf = self._reader.shelf
        if shelf is None:
            raise UsageError("this feed does not say how to keep a book; give book=Levels(bids=..., asks=...)")
        return Books(self, shelf)

    # ---------------------------------------------------------------- callbacks

    def on(self, *types: type) -> Callable[[H], H]:
        """Register a callback: `@stream.on(Trade)`, `@stream.on(Snapshot, Gap)`, or `@stream.on()` for every message."""
        self._check_process()
        check_types(types)

        def register(handler: H) -> H:
            self._callbacks.add(types, handler)
            return handler

        return register

    def run(
        self,
        workers: Union[int, Executor] = 1,
        *,
        markers: str = "handle",
        on_error: OnError = "raise",
        slow_after: Optional[float] = 1.0,
    ) -> None:
        """Call the callbacks on `workers` threads, or on an executor's, until the stream ends. Same key, same worker, in order.

        A callback that holds a worker for longer than `slow_after` seconds is named in the log (`None`: none is).

        `on_error` says what happens when one raises: `"raise"` (the stream ends with `HandlerFailed`), `"log"`, `"quarantine"`
        (kept in `set_aside` and told by `Quarantined`), or a function (item, exception) that returns one of these, or `None` if
        it has dealt with it, or raises what is to end the stream.

        Raises `HandlerFailed` and any other `StreamFailed` that ended the stream, with its cause. `UsageError` if no callback
        takes the markers this feed can yield, unless `markers="ignore"`. Ctrl-C stops the workers and not the stream.
        """
        self.start(workers, markers=markers, on_error=on_error, slow_after=slow_after)
        try:
            self.join()
        finally:
            self._callbacks.stop(timeout=1.0)

    def start(
        self,
        workers: Union[int, Executor] = 1,
        *,
        markers: str = "handle",
        on_error: OnError = "raise",
        slow_after: Optional[float] = 1.0,
    ) -> None:
        """Like `run`, but returns at once. `join` waits, `close` ends it."""
        self._check_process()
        self._callbacks.start(workers, markers=markers, on_error=on_error, slow_after=slow_after)

    @property
    def set_aside(self) -> tuple[SetAside, ...]:
        """The last items at which a callback failed, under `on_error="quarantine"`: (item, key, error), oldest first."""
        self._check_process()
        return self._callbacks.set_aside

    def join(self, timeout: Optional[float] = None) -> bool:
        """Wait until the stream has ended and the callbacks have had everything. False when the time is over first.

        Raises the failure that ended the stream.
        """
        self._may_wait()
        _seconds("timeout", timeout or 0.0)
        ended = self._callbacks.join(timeout)
        if ended is None:
            ended = clock.wait_event(self._reader.ended, timeout)
        if ended:
            self._raise_failure()
        return ended

    # ---------------------------------------------------------------- to the venue

    def send(self, item: Any, timeout: float = 10.0) -> None:
        """Send one message: text as text, bytes as bytes, anything else as JSON. Returns when the system has all of it.

        Raises `NotConnected` if nothing was sent: no line is open, or the time was over before its turn came; `SendUnknown` if
        the venue may have it or not: the line was lost meanwhile, or is given up, because the time is over and a part of it is
        out (it is never sent again); `FeedError` if it cannot be encoded.
        """
        self._may_wait()
        _seconds("timeout", timeout)
        payload = dialer.payload("item", item)
        ticket = Ticket()
        self._reader.transmit(frame(payload.opcode, payload.data), ticket, payload)
        if not clock.wait_event(ticket.done, timeout):
            self._reader.post(Withdraw(ticket, timeout))
            if not clock.wait_event(ticket.done, _VERDICT_LIMIT):
                raise SendUnknown(f"the reader did not send it within {timeout:g} s; perhaps a callable of the feed holds it up")
        if ticket.error is not None:
            raise ticket.error

    def subscribe(self, *topics: Hashable) -> None:
        """Ask the venue for these topics too, now and after every reconnect. Those asked for already change nothing."""
        self._want(topics, self.feed.subscribe, wanted=True)

    def unsubscribe(self, *topics: Hashable) -> None:
        """Ask for these topics no more; what is still on its way is not delivered."""
        self._want(topics, self.feed.unsubscribe, wanted=False)

    def wait_live(self, timeout: float = 30.0) -> list[Any]:
        """Wait until data of every topic has come and nothing of it is missing. The topics (without any: keys) that did not come.

        Raises what ended the stream, `StreamClosed` if it was `close`.
        """
        self._may_wait()
        return live.wait(self.feed, self._reader, _seconds("timeout", timeout), self._raise_failure)

    # ---------------------------------------------------------------- life

    @property
    def status(self) -> Status:
        """How the stream is, as a frozen picture, at most a tenth of a second old.

        It is taken when it is asked for, which takes a moment; of tens of thousands of keys there is one every few seconds.
        """
        self._check_process()
        status = self._reader.status
        heard_at = self._reader.heard_at
        tally = self._delivery.tally()
        return msgspec.structs.replace(
            status,
            queued=self._delivery.qsize(),
            quarantined=status.quarantined + self._callbacks.count,
            depth=self._delivery.depth,
            high_water=tally.high_water,
            queued_bytes=tally.size,
            lag=self._lag(),
            silence=None if heard_at is None or not status.lines else max(0.0, clock.now() - heard_at),
        )

    def stats(self) -> Stats:
        """What was delivered, what waits, and how long it took: the latencies of the last minute. Frozen."""
        self._check_process()
        delivery = self._delivery
        return stats.collect(
            delivery.tally(),
            depth=delivery.depth,
            lag=self._lag(),
            spread=delivery.latency(clock.now()),
            delays=self._reader.journeys.delays(),
            callbacks=self._callbacks.timings,
        )

    @property
    def closed(self) -> bool:
        """Whether the stream is over, closed or failed. What it held may still be taken."""
        return self._delivery.is_shutdown

    def close(self, timeout: float = 5.0, *, drain: bool = False) -> Report:
        """End the stream within `timeout` seconds; wakes every wait. Idempotent, from any thread, a callback included.

        What waits is discarded and counted. With `drain` it is not: the line is hung up, running callbacks get what is left until
        the time is over, and without callbacks it can still be taken by `get`; then `StreamClosed`. (Within a callback `drain`
        waits for nothing: the rest follows when it returns. Nor does a signal handler that has interrupted a call here.)
        In the child of a fork there is nothing to end.
        """
        deadline = clock.now() + min(_seconds("timeout", timeout), _LONGEST)
        if os.getpid() != self._pid:
            return Report()
        if self._delivery.interrupted:
            self._reader.post(Close(discard=not drain))
            return Report(delivered=self._delivery.tally().delivered, discarded=self._delivery.discarded)
        if not drain:
            self._delivery.close(drain=False)
        self._reader.post(Close())
        names: list[str] = []
        if not self._reader.inside and not (drain and self._callbacks.inside):
            if drain and self._callbacks.join(max(0.0, deadline - clock.now())) is False:
                self._delivery.close(drain=False)
            names += self._callbacks.stop(max(0.0, deadline - clock.now()))
            names += self._reader.join(max(0.0, deadline - clock.now()))
        return Report(delivered=self._delivery.tally().delivered, discarded=self._delivery.discarded, threads=tuple(names))

    def __enter__(self) -> Stream[T]:
        return self

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], traceback: Optional[TracebackType]
    ) -> None:
        """Close. A failure that no call has raised yet is raised here, but never over the body's own exception."""
        self.close()
        if error is None and not self._raised and os.getpid() == self._pid:
            self._raise_failure()

    def __del__(self) -> None:
        reader = getattr(self, "_reader", None)
        if reader is not None and not reader.ended.is_set() and self._pid == os.getpid():
            reader.post(Close())  # posts and wakes, takes no lock: a finalizer may run anywhere

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Stream holds threads and a connection and cannot be pickled; make one in each process from its Feed")

    @property
    def _shown(self) -> str:
        where = self.feed.endpoint
        return self.name or (redact(where) if isinstance(where, str) else repr(named(where)))

    def __repr__(self) -> str:
        shown = self._shown
        if os.getpid() != self._pid:
            return f"<Stream {shown} of another process>"
        status = self.status
        gaps = f"{status.gaps} gaps, {status.healed} healed" if status.gaps else "no gaps"
        lag = f" for {stats.span(status.lag)}" if status.lag is not None else ""
        return f"<Stream {shown} {status.state}: {len(status.keys)} keys, {gaps}, {status.queued} queued{lag}>"

    # ---------------------------------------------------------------- within

    def _lag(self) -> Optional[float]:
        """How long the oldest item waits."""
        moments = [self._delivery.came_at(), self._callbacks.came_at()]
        oldest = min((moment for moment in moments if moment is not None), default=None)
        return None if oldest is None else max(0.0, clock.now() - oldest)

    def _check_process(self) -> None:
        if os.getpid() != self._pid:
            raise UsageError("this Stream was made in another process; its threads are not here. Make a new one after the fork")

    def _may_consume(self) -> None:
        self._check_process()
        if self._callbacks.running:
            raise UsageError("the callbacks are running; get() and loops take nothing beside run() or start()")

    def _may_wait(self) -> None:
        self._check_process()
        if self._reader.inside:
            raise UsageError("a callable of the feed runs on the reader thread and would wait for itself")

    def _raise_failure(self) -> None:
        """Whatever ended the stream, unless it was `close`."""
        failure = self._callbacks.error or self._delivery.error
        if failure is not None:
            self._raised = True
            raise failure.with_traceback(None)  # else it would grow with every wait

    def _want(self, topics: Sequence[Any], speak: Optional[Callable[[Sequence[Any]], Any]], *, wanted: bool) -> None:
        self._check_process()
        field = "subscribe" if wanted else "unsubscribe"
        if not callable(self.feed.subscribe) or speak is None:
            raise UsageError(f"changing topics needs a feed with {field}=<callable: topics -> payload(s)>, and subscribe= as one")
        for topic in topics:
            if not isinstance(topic, Hashable):
                raise FeedError("topics", topic, f"give them one by one: {field}('A', 'B')")
        if self.closed:
            raise StreamClosed("the stream is closed; there is nobody to ask")
        with self._lock:
            changed = tuple(dict.fromkeys(topic for topic in topics if (topic in self._topics) is not wanted))
        if not changed:
            return
        said = (dialer.subscription if wanted else dialer.leaving)(self.feed, changed)  # the user's code: not under the lock
        with self._lock:
            for topic in changed:
                if wanted:
                    self._topics[topic] = None
                else:
                    self._topics.pop(topic, None)
            self._reader.post(Want(wanted, changed, said))  # never waits


def streams() -> list[Stream[Any]]:
    """The streams of this process that have not ended, in no order."""
    return [stream for stream in _all_open() if not stream._reader.ended.is_set()]


def _seconds(field: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= 0:
        raise FeedError(field, value, "expected a number of seconds, zero or more")
    return float(value)


def _all_open() -> list[Stream[Any]]:  # at one moment: other threads may open more meanwhile
    return [stream for reference in _open.valuerefs() if (stream := reference()) is not None]


def _close_all() -> None:
    """At interpreter exit: say goodbye properly. The threads are daemons; whatever hangs does not hold the exit."""
    left = streams()
    for stream in left:
        stream._reader.post(Close())
    deadline = clock.now() + _EXIT_LIMIT
    for stream in left:
        stream.close(timeout=max(0.0, deadline - clock.now()))


def _leave_to_parent() -> None:
    """In the child of a fork, where none of the threads is."""
    for stream in _all_open():
        stream._reader.leave_to_parent()
    _open.clear()


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_parent)
