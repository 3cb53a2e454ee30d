"""`Stream`: the public, blocking face. Any thread may call anything; no call runs user code or I/O while it holds a lock.

Not here: receiving (the reader thread), deciding (the engine), waiting for items (the delivery), threads for callbacks (the
workers). The threads hold the inner parts and never the `Stream`, so a stream that nobody holds any more closes itself.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import weakref
from types import TracebackType
from typing import Any, Callable, Hashable, Iterator, NoReturn, Optional, Sequence, TypeVar

import msgspec

from . import clock, dialer
from .delivery import Delivery
from .errors import FeedError, SendUnknown, StreamClosed, StreamFailed, UsageError
from .events import Status
from .feed import Feed
from .handlers import Failure, Handler, Handlers, check_types
from .link import Ticket
from .reader import Close, Fail, Reader, Want
from .transport import frame
from .urls import named, redact
from .views import Items, Latest, Tap
from .wake import Waker
from .workers import Workers

H = TypeVar("H", bound=Handler)

_open: weakref.WeakSet[Stream] = weakref.WeakSet()

_EXIT_LIMIT = 1.0  # seconds, for all streams together
_LONGEST = 86400.0  # seconds; the system takes no endless number

logging.getLogger("syncstream").addHandler(logging.NullHandler())  # nothing is printed where nobody has set up logging


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What `close` found: items `delivered` and `discarded`, and the names of threads that did not end in time."""

    delivered: int = 0
    discarded: int = 0
    threads: tuple[str, ...] = ()


class Stream:
    """Owned by: the user. Every method may be called from any thread, callbacks included.

    `feed`: what to stream. `queue_size`: how many items may wait for the consumer. `overflow`: what happens beyond that:
    `"raise"` (loud: `Overflow` once the queued items are taken), `"block"` (do not read for at most `block_limit` seconds, then
    as `raise`) or `"drop_oldest"` (told by `Dropped`, healed like a gap). The stream starts when it is made.

    Raises `FeedError` for an option that cannot work.
    """

    def __init__(
        self, feed: Feed, *, queue_size: int = 10_000, overflow: str = "raise", block_limit: float = 5.0, name: str = ""
    ) -> None:
        self._pid = os.getpid()
        if not isinstance(feed, Feed):
            raise FeedError("feed", feed, "expected a Feed(...)")
        if type(queue_size) is not int or queue_size < 1:
            raise FeedError("queue_size", queue_size, "a queue needs a bound: a whole number of items, at least 1")
        self.feed = feed
        self.name = name
        waker = Waker()
        self._key = feed.rules().key or (lambda message: None)
        self._delivery = Delivery(
            queue_size,
            overflow=overflow,
            key=self._key,
            block_limit=_seconds("block_limit", block_limit),
            heals=feed.snapshot is not None,
            keyless=feed.key is None,
            wake=waker.wake,
        )
        self._reader = Reader(feed, self._delivery, waker)
        self._drops = overflow == "drop_oldest"
        self._handlers = Handlers()
        self._workers: Optional[Workers] = None
        self._failed: Optional[Failure] = None
        self._lock = threading.Lock()  # guards: _topics and the order in which their changes are posted, _workers, _discarded
        self._topics: dict[Hashable, None] = dict.fromkeys(feed.topics)
        self._discarded = 0
        self._raised = False
        self._reader.start()
        _open.add(self)

    # ---------------------------------------------------------------- consuming

    def __iter__(self) -> Iterator[Any]:
        """Messages, and the markers that change your local state. Ends when the stream is closed; raises if it failed."""
        return self._view("default")

    def events(self) -> Iterator[Any]:
        """Like a plain loop, and also the life of the stream: `Connected`, `Disconnected`, every `Gap`, `Resynced`, `Closed`."""
        return self._view("events")

    def messages(self) -> Iterator[Any]:
        """Messages only: for a consumer that keeps no state."""
        return self._view("messages")

    def get(self, timeout: Optional[float] = None) -> Any:
        """The next item; waits up to `timeout` seconds (`None`: as long as it takes).

        Raises `Empty` (a `TimeoutError` and a `queue.Empty`) when the time is over, `StreamClosed` when the stream was closed,
        and the `StreamFailed` that ended it.
        """
        self._may_consume()
        try:
            return self._delivery.get(timeout=timeout)
        except StreamFailed:
            self._raised = True
            raise

    def get_nowait(self) -> Any:
        """The next item if there is one; raises like `get` otherwise."""
        return self.get(timeout=0)

    def get_many(self, max_items: int = 1000, timeout: Optional[float] = None) -> list[Any]:
        """Up to `max_items`: waits up to `timeout` seconds for the first one, then returns what is there. `[]` on time-out."""
        self._may_consume()
        try:
            return self._delivery.get_many(max_items, timeout)
        except StreamFailed:
            self._raised = True
            raise

    @property
    def queue(self) -> Tap:
        """The stream as a `queue.Queue`, for code that already drains one."""
        self._check_process()
        return Tap(self, self._delivery)

    @property
    def latest(self) -> Latest:
        """The last value of each key, whatever waits in the queue: `stream.latest["ABC"]`. Needs no consumer."""
        self._check_process()
        return Latest(self, self._reader.engine.keys)

    # ---------------------------------------------------------------- callbacks

    def on(self, *types: type) -> Callable[[H], H]:
        """Register a callback: `@stream.on(Trade)`, `@stream.on(Snapshot, Gap)`, or `@stream.on()` for every message."""
        self._check_process()
        check_types(types)

        def register(handler: H) -> H:
            with self._lock:
                if self._workers is not None:
                    raise UsageError("callbacks are registered before run() or start()")
                self._handlers.add(types, handler)
            return handler

        return register

    def run(self, workers: int = 1, *, markers: str = "handle") -> None:
        """Call the callbacks on `workers` threads until the stream ends. Same key, same worker, in order.

        Raises `HandlerFailed` if a callback raised, and the `StreamFailed` that ended the stream. `UsageError` if no callback
        takes the markers this feed can yield, unless `markers="ignore"`. Ctrl-C stops the workers and not the stream.
        """
        self.start(workers, markers=markers)
        try:
            self.join()
        finally:
            self._stop_workers(timeout=1.0)

    def start(self, workers: int = 1, *, markers: str = "handle") -> None:
        """Like `run`, but returns at once. `join` waits, `close` ends it."""
        self._check_process()
        if markers not in ("handle", "ignore"):
            raise FeedError("markers", markers, "expected 'handle' or 'ignore'")
        with self._lock:
            if self._workers is not None:
                raise UsageError("the callbacks are running already")
            reader = self._reader  # not the Stream: the workers must not hold it
            failed = Failure(lambda failure: reader.post(Fail(failure)))
            threads = Workers(self._delivery, self._handlers, key=self._key, count=workers, failed=failed)
            if markers == "handle":
                heals = self.feed.snapshot is not None
                drops = self._drops or (not heals and self._delivery.tally().dropped > 0)  # some may have gone by now
                self._handlers.check(snapshots=heals, drops=drops)
            self._delivery.use(self._handlers.view)
            self._workers, self._failed = threads, failed
            try:
                threads.start()
            except BaseException:  # no more threads to be had, or Ctrl-C
                self._workers = None
                raise

    def join(self, timeout: Optional[float] = None) -> bool:
        """Wait until the stream has ended and the callbacks have had everything. False when the time is over first.

        Raises the failure that ended the stream.
        """
        self._may_wait()
        _seconds("timeout", timeout or 0.0)
        workers = self._workers
        ended = workers.join(timeout) if workers is not None else clock.wait_event(self._reader.ended, timeout)
        if ended:
            self._raise_failure()
        return ended

    # ---------------------------------------------------------------- to the venue

    def send(self, item: Any, timeout: float = 10.0) -> None:
        """Send one message: text as text, bytes as bytes, anything else as JSON. Returns when the system has all of it.

        Raises `NotConnected` if no line is open (nothing was sent), `SendUnknown` if the line was lost meanwhile or the time is
        over (it is never sent again), `FeedError` if it cannot be encoded.
        """
        self._may_wait()
        _seconds("timeout", timeout)
        payload = dialer.payload("item", item)
        ticket = Ticket()
        self._reader.transmit(frame(payload.opcode, payload.data), ticket, payload)
        if not clock.wait_event(ticket.done, timeout):
            raise SendUnknown(f"the venue did not take the message within {timeout:g} s")
        if ticket.error is not None:
            raise ticket.error

    def subscribe(self, *topics: Hashable) -> None:
        """Ask the venue for these topics too, now and after every reconnect. Those asked for already change nothing."""
        self._want(topics, self.feed.subscribe, wanted=True)

    def unsubscribe(self, *topics: Hashable) -> None:
        """Ask for these topics no more; what is still on its way is not delivered."""
        self._want(topics, self.feed.unsubscribe, wanted=False)

    # ---------------------------------------------------------------- life

    @property
    def status(self) -> Status:
        """How the stream is, as a frozen picture; at most a tenth of a second old."""
        self._check_process()
        status = self._reader.status
        heard_at = self._reader.heard_at
        return msgspec.structs.replace(
            status,
            queued=self._delivery.qsize(),
            silence=None if heard_at is None or not status.lines else max(0.0, clock.now() - heard_at),
        )

    @property
    def closed(self) -> bool:
        """Whether the stream is over, closed or failed. What it held may still be taken."""
        return self._delivery.is_shutdown

    def close(self, timeout: float = 5.0, *, drain: bool = False) -> Report:
        """End the stream within `timeout` seconds; wakes every wait. Idempotent, from any thread, a callback included.

        What waits is discarded and counted. With `drain` it is not: the line is hung up, running callbacks get what is left until
        the time is over, and without callbacks it can still be taken by `get`; then `StreamClosed`. (Within a callback `drain`
        waits for nothing: the rest follows when it returns.) In the child of a fork there is nothing to end.
        """
        deadline = clock.now() + min(_seconds("timeout", timeout), _LONGEST)
        if os.getpid() != self._pid:
            return Report()
        if not drain:
            self._discard()
        self._reader.post(Close())
        names: list[str] = []
        if not self._reader.inside and not (drain and self._handlers.inside):
            workers = self._workers
            if drain and workers is not None and not workers.join(max(0.0, deadline - clock.now())):
                self._discard()
            names += self._stop_workers(max(0.0, deadline - clock.now()))
            names += self._reader.join(max(0.0, deadline - clock.now()))
        return Report(delivered=self._delivery.tally().delivered, discarded=self._discarded, threads=tuple(names))

    def __enter__(self) -> Stream:
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

    def __repr__(self) -> str:
        where = self.feed.endpoint
        shown = self.name or (redact(where) if isinstance(where, str) else repr(named(where)))
        if os.getpid() != self._pid:
            return f"<Stream {shown} of another process>"
        status = self.status
        gaps = f"{status.gaps} gaps, {status.healed} healed" if status.gaps else "no gaps"
        return f"<Stream {shown} {status.state}: {len(status.keys)} keys, {gaps}, {status.queued} queued>"

    # ---------------------------------------------------------------- within

    def _view(self, view: str) -> Iterator[Any]:
        self._may_consume()
        self._delivery.use(view)
        return Items(self)

    def _check_process(self) -> None:
        if os.getpid() != self._pid:
            raise UsageError("this Stream was made in another process; its threads are not here. Make a new one after the fork")

    def _may_consume(self) -> None:
        self._check_process()
        if self._workers is not None:
            raise UsageError("the callbacks are running; get() and loops take nothing beside run() or start()")

    def _may_wait(self) -> None:
        self._check_process()
        if self._reader.inside:
            raise UsageError("a callable of the feed runs on the reader thread and would wait for itself")

    def _raise_failure(self) -> None:
        """Whatever ended the stream, unless it was `close`."""
        handler = self._failed.error if self._failed is not None else None
        failure = handler or self._delivery.error
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
        said = dialer.spoken(field, speak, changed)  # the user's code: not under the lock
        with self._lock:
            for topic in changed:
                if wanted:
                    self._topics[topic] = None
                else:
                    self._topics.pop(topic, None)
            self._reader.post(Want(wanted, changed, said))  # never waits

    def _discard(self) -> None:
        count = self._delivery.close(drain=False)
        with self._lock:
            self._discarded += count

    def _stop_workers(self, timeout: float) -> list[str]:
        workers = self._workers
        if workers is None:
            return []
        try:
            return workers.stop(timeout)
        finally:
            with self._lock:
                if self._workers is workers:
                    self._workers = None


def _seconds(field: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= 0:
        raise FeedError(field, value, "expected a number of seconds, zero or more")
    return float(value)


def _close_all() -> None:
    """At interpreter exit: say goodbye properly. The threads are daemons; whatever hangs does not hold the exit."""
    streams = [stream for stream in list(_open) if not stream._reader.ended.is_set()]
    for stream in streams:
        stream._reader.post(Close())
    deadline = clock.now() + _EXIT_LIMIT
    for stream in streams:
        stream.close(timeout=max(0.0, deadline - clock.now()))


def _leave_to_parent() -> None:
    """In the child of a fork, where none of the threads is."""
    for stream in list(_open):
        stream._reader.leave_to_parent()
    _open.clear()


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_parent)
