"""The bounded hand-off from the reader to those who consume: a `queue.Queue`, its waits, and its contract under overload.

The reader puts batches; any number of threads take. Code that only knows `get`, `qsize`, `task_done`, `join` and `queue.Empty`
works on it. The user's `key` function, logging and `wake` never run under the lock.

Not here: what waits, in which order, and what goes when it is full (`core/backlog.py`); when that is (`core/pressure.py`); what
the loss of a key leads to (the engine heals it); threads.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import weakref
from bisect import bisect_right
from collections import deque
from itertools import accumulate, repeat
from operator import length_hint
from types import TracebackType
from typing import Any, Callable, Hashable, Iterator, NoReturn, Optional, Sequence

from . import clock
from .core.backlog import Backlog, Tally
from .core.histogram import FRESH, Histogram, Spread
from .core.items import has_markers, keys_of, shown_sized
from .core.pressure import POLICIES, Pressure, Verdict
from .errors import Empty, FeedError, Overflow, StreamClosed, StreamFailed, UsageError
from .events import Closed
from .logs import logger

_log = logger("syncstream.delivery")

Credit = Iterator["tuple[()]"]
"""Gives as often as an item may be taken: the arguments to take it with."""

_WALL_JITTER = 1_000_000  # ns

_VIEWS = {"default": "for, get, get_many and callbacks", "events": "events()", "messages": "messages()"}


class Delivery(queue.Queue[Any]):
    """Owned by: shared under `self.mutex`. The reader puts, ticks and fails; consumers take; any thread may close."""

    def __init__(
        self,
        maxsize: int = 10_000,
        *,
        overflow: str = "raise",
        key: Callable[[Any], Optional[Hashable]],
        block_limit: float = 5.0,
        heals: bool = True,
        keyless: bool = False,
        wake: Callable[[], None] = lambda: None,
        maxbytes: Optional[int] = None,
    ) -> None:
        """`maxsize`: items, at least 1. `maxbytes`: bytes, as they came over the line, inflated, or `None` for no bound.
        `overflow`: `"raise"`, `"block"`, `"drop_oldest"` or `"conflate"`. `block_limit`: seconds.

        `key` gives the key of a message; one for which it raises has none. `heals`: a snapshot will follow what is dropped.
        `keyless`: the feed names no key, so everything belongs to the key `None`.
        `wake` is called when the depth falls below half after a pause or an overflow, and when the queue is closed. Raises
        `FeedError`.
        """
        if type(maxsize) is not int or maxsize < 1:
            raise FeedError("maxsize", maxsize, "a queue needs a bound: a whole number of items, at least 1")
        if overflow not in POLICIES:
            raise FeedError("overflow", overflow, f"one of {', '.join(map(repr, POLICIES))}")
        if not block_limit > 0:
            raise FeedError("block_limit", block_limit, "seconds, more than 0")
        if maxbytes is not None and (type(maxbytes) is not int or maxbytes < 1):
            raise FeedError("maxbytes", maxbytes, "a whole number of bytes, at least 1, or None for no bound")
        super().__init__(maxsize)
        # One that knows its owner: a signal handler may call anything here on top of a call that it has interrupted.
        self.mutex: Any = threading.RLock()
        self.not_empty = threading.Condition(self.mutex)
        self.not_full = threading.Condition(self.mutex)
        self.all_tasks_done = threading.Condition(self.mutex)
        self._backlog = Backlog(maxsize, heals=heals, keyless=keyless, conflates=overflow == "conflate", maxbytes=maxbytes)
        self.queue = self._backlog.queue
        self._pressure = Pressure(maxsize, policy=overflow, block_limit=block_limit, maxbytes=maxbytes)
        self._latency = Histogram()
        self._fresh = self._latency.fresh
        self._wall = 0  # wall clock at moment 0, ns
        self._listeners: weakref.WeakSet[threading.Event] = weakref.WeakSet()
        self._listened = False  # somebody did once
        self._policy = overflow
        self._keeps = overflow in ("raise", "block")  # all that waits: nothing but the end changes the order of the queue
        # How much workers may have out of reach of the policy: all of it where nothing that waits is thrown away.
        self.most_in_hand = maxsize if overflow in ("raise", "block") else max(1, maxsize // 2)
        self._key = key
        self._wake = wake
        self._credits: list[tuple[Credit, float]] = []  # granted, and how long it had waited; several only by a signal handler
        self._done = 0  # items of which somebody said task_done, or need not; `unfinished_tasks` follows from it
        self._drained = self.not_full  # nobody waits to put here: the condition is free
        self.is_shutdown = False  # over: closed or failed. queue.Queue calls it so since 3.13
        self.discarded = 0  # what closing has thrown away
        self.discards = False  # closed without draining: what is in hand and was not begun is to be given back
        self.error: Optional[StreamFailed] = None  # the failure that ended the queue, if one did
        self._traceback: Optional[TracebackType] = None
        self._last_word: Optional[Closed] = None
        self._said_last_word = False

    # --- the reader's side ---

    def put_batch(self, items: list[Any], now: float, sizes: Optional[Sequence[int]] = None) -> list[Hashable]:
        """Add `items` in order, all at once. Returns the keys that lost something to make room, each once, oldest first.

        `sizes`: the bytes of each of them, as they came over the line, inflated; `None` where there is no bound to hold.
        A `Closed` at the end of a batch waits for the end of the queue; `events()` shows it last. (If none is given, one is
        made.) After the end (closed, failed) everything is discarded.
        """
        backlog, marked = self._backlog, has_markers(items)
        view = backlog.view
        if marked:
            if isinstance(items[-1], Closed):
                self._last_word = items[-1]
                items = items[:-1]
                sizes = sizes and sizes[:-1]
            items, sizes = shown_sized(items, sizes, view)
        size = sum(sizes) if sizes else 0
        with self.mutex:
            if marked and view is not backlog.view:  # it was fixed between the lines above
                items, sizes = shown_sized(items, sizes, backlog.view)
                size = sum(sizes or ())
            if self.is_shutdown:
                backlog.refuse(items)
                return []
            if len(self._fresh) >= FRESH:
                self._latency.fold(now)
            consumed, depth, total = self.started, backlog.depth + len(items), size
            verdict, warn = Verdict.FITS, False
            if not backlog.roomy(len(items), size):  # else there is nothing to weigh
                total += backlog.size
                alone = depth == len(items)
                verdict = self._pressure.arrived(depth, now, consumed=consumed, size=total, alone=alone)
                warn = self._pressure.may_warn(depth, now, consumed=consumed, size=total)
            if verdict is Verdict.FITS:
                backlog.append(items, now, sizes)
                self._came(len(items))
            elif verdict is Verdict.FAILS:
                self._overflow(
                    items, f"{self._amount(depth, total)} came together and the queue holds {self._bound()}", sizes, now
                )
        lost = self._make_room(items, sizes, now) if verdict is Verdict.DROPS else []
        if warn:
            reason = "the consumer is slow" if consumed else "nobody consumes yet"
            _log.warning("the queue is over 80 %% full (%s): %s", self._share(depth, total), reason)
        return lost

    def put_plain(self, messages: list[Any], sizes: list[int], now: float) -> bool:
        """As `put_batch` with some messages, and no marker among them, where there is room. False: nothing was put."""
        backlog = self._backlog
        with self.mutex:
            if self.is_shutdown or not backlog.roomy(len(messages), sum(sizes)):
                return False
            if len(self._fresh) >= FRESH:
                self._latency.fold(now)
            backlog.append(messages, now, sizes if backlog.maxbytes is not None else None)
            self._came(len(messages))
        return True

    @property
    def paused(self) -> bool:
        """Policy `block`: the reader should not read. True from `maxsize` until the depth is below half."""
        return self._pressure.paused_at is not None

    @property
    def crowded(self) -> bool:
        """More than half full, and somebody takes: it may be that the system has not let him for a while."""
        return self.started and 2 * self._backlog.depth > self.maxsize

    @property
    def relieved(self) -> bool:
        """The depth is below half: there is room to heal what was dropped."""
        with self.mutex:
            return self._pressure.relieved(self._backlog.depth, self._backlog.size)

    def deadline(self) -> Optional[float]:
        """When `tick` will have something to do: the end of the longest pause. `None` while not paused."""
        return self._pressure.deadline()

    def tick(self, now: float) -> list[Hashable]:
        """End a pause that took too long: with `Overflow`, or before anybody consumes by dropping from then on.

        Returns the keys that lost something, like `put_batch`.
        """
        if not self.paused:
            return []
        with self.mutex:
            verdict = self._pressure.expired(now, consumed=self.started)
            if verdict is Verdict.FAILS:
                amount = self._amount(self.depth, self._backlog.size)
                self._overflow([], f"after the longest pause {amount} still wait, and the queue holds {self._bound()}", None, now)
        return self._make_room([], None, now) if verdict is Verdict.DROPS else []

    def fail(self, error: StreamFailed) -> None:
        """End for good: what is queued is taken first, then every wait raises this `error`. The first end counts."""
        with self.mutex:
            self._end(error)

    def close(self, *, drain: bool) -> int:
        """End for good: waits raise `StreamClosed` (or the failure that came first), iteration stops. Wakes every wait.

        With `drain`, what is queued can still be taken. Without, it is discarded; returns how many items could have been
        taken. One may follow the other. Not to be called where `interrupted`.
        """
        with self.mutex:
            count = 0 if drain else self._backlog.waiting
            self.discarded += count
            gone = [] if drain else self._discard()  # let go of without the lock: its finalizers are the user's code
            self._end(None)
        self._wake()
        del gone
        return count

    @property
    def interrupted(self) -> bool:
        """Whether the caller is a signal handler on top of a call here that holds the lock, and so cannot be waited for."""
        return bool(self.mutex._is_owned())

    # --- the consumers' side ---

    def use(self, view: str) -> None:
        """Fix the view: `"default"`, `"events"` or `"messages"`. What it does not show is not kept any longer.

        Each later call must name the same view, else `UsageError`.
        """
        if self._backlog.view == view:
            return
        if view not in _VIEWS:
            raise FeedError("view", view, f"one of {', '.join(map(repr, _VIEWS))}")
        unseen: list[Any] = []
        with self.mutex:
            first = self._backlog.view
            if first is None:
                unseen = self._backlog.fix(view)
                self._settle()
            relieved = len(self.queue) < self._pressure.alarm and self._ease()
        del unseen  # not under the lock: its finalizers are the user's code
        if relieved:
            self._wake()
        if first is not None and first != view:
            raise UsageError(
                f"the stream is consumed through the {first!r} view ({_VIEWS[first]}); the {view!r} view ({_VIEWS[view]}) "
                "would take items away from it. There is one queue: use one view."
            )

    @property
    def view(self) -> Optional[str]:
        """What the first consuming call has fixed; `None` before it."""
        return self._backlog.view

    @property
    def started(self) -> bool:
        """A consumer has started: an overflow under policy `raise` is final from now on."""
        return self._backlog.view is not None

    def get(self, block: bool = True, timeout: Optional[float] = None) -> Any:
        """The next item. `timeout` in seconds, `None` for no limit.

        Raises `Empty` when nothing came in time, `StreamClosed` or the failure when nothing will come any more, `FeedError`
        for a negative time-out.
        """
        if not block:
            timeout = 0.0
        elif timeout is not None:
            _check_timeout(timeout)
        queue, backlog = self.queue, self._backlog
        if backlog.view is None:
            self.use("default")
        if not queue and self._pressure.alarm:
            self._relieve()  # the last of it may have been taken without the lock
        with self.mutex:
            if self._credits:
                self._recall()
            if not queue and not backlog.ahead and not self._wait_for_item(timeout):
                raise Empty(f"nothing came within {timeout:g} s" if timeout else "nothing is queued")
            if backlog.ahead:
                item = backlog.take(1)[0]
            else:
                arrivals = backlog.arrivals
                try:
                    head = arrivals.batches[0]
                    if head.end <= arrivals.end - len(queue):  # as `oldest`, with a call per batch
                        arrivals.oldest(len(queue))
                        head = arrivals.batches[0]
                    item = queue.popleft()
                except IndexError:  # a signal handler has taken it, on top of this
                    return self.get(timeout=timeout)
                if self._credits:
                    self._recall()
                self._fresh.append(clock.now() - head.at)
            relieved = len(queue) < self._pressure.alarm and self._ease()
        if relieved:
            self._wake()
        return item

    def grant(self, now: float, most: int) -> Optional[Credit]:
        """For each of what it gives, at most so many, an item may be taken by `queue.popleft` alone, without the lock, where no
        Python code comes between the two. It ends when somebody else takes. How long the items have waited is counted here.

        `None` where each has to be asked for: while a pause is to end, or where what waits may have to make room.
        """
        queue, backlog, arrivals = self.queue, self._backlog, self._backlog.arrivals
        with self.mutex:
            self._recall()
            if not self._keeps or backlog.ahead or self._pressure.alarm or arrivals.oldest(len(queue)) is None:
                return None
            head = arrivals.batches[0]
            count = min(most, head.end - (arrivals.end - len(queue)))
            if count <= 0:
                return None
            credit = repeat((), count)
            self._credits.append((credit, now - head.at))
            if len(self._credits) > 1 or len(queue) < count:  # a signal handler was here, before there was this to call off
                self._recall()
            self._latency.record(now - head.at, now, count)
        return credit

    def call_off(self) -> None:
        """Whoever may take without the lock may not any more."""
        with self.mutex:
            self._recall()

    def get_with_moment(self, timeout: Optional[float] = None) -> tuple[Any, Optional[float]]:
        """Like `get`, with the moment the item came; `None` for a marker that was made here."""
        if timeout is not None:
            _check_timeout(timeout)
        if self._backlog.view is None:
            self.use("default")
        with self.mutex:
            self._recall()
            if not self.queue and not self._backlog.ahead and not self._wait_for_item(timeout):
                raise Empty("nothing came in time")
            now = clock.now()
            came_at = None if self._backlog.ahead else self._backlog.arrivals.oldest(len(self.queue))
            items = self._backlog.take(1)
            self._recall()
            if not items:  # a signal handler has taken it, on top of this
                return self.get_with_moment(timeout)
            if came_at is not None:
                self._latency.record(now - came_at, now)
            relieved = len(self.queue) < self._pressure.alarm and self._ease()
        if relieved:
            self._wake()
        return items[0], came_at

    def get_many(self, max_items: int = 1000, timeout: Optional[float] = None) -> list[Any]:
        """Wait up to `timeout` seconds for the first item, then return what is queued, at most `max_items`, in order.

        An empty list when the time is over. Raises like `get`, but only when nothing is queued.
        """
        if type(max_items) is not int or max_items < 1:
            raise FeedError("max_items", max_items, "a whole number of items, at least 1")
        if timeout is not None:
            _check_timeout(timeout)
        if self._backlog.view is None:
            self.use("default")
        with self.mutex:
            self._recall()
            if not self.queue and not self._backlog.ahead and not self._wait_for_item(timeout):
                return []
            ages = self._ages(max_items)
            items = self._backlog.take(max_items)
            self._recall()
            if not items:  # a signal handler has taken them, on top of this
                return self.get_many(max_items, timeout)
            if ages:
                now = clock.now()
                for came_at, count in ages:
                    self._latency.record(now - came_at, now, count)
            relieved = len(self.queue) < self._pressure.alarm and self._ease()
        if relieved:
            self._wake()
        return items

    def __iter__(self) -> Iterator[Any]:
        """Items until the queue is closed and taken. Raises the failure. Looks nothing ahead: `break` loses nothing."""
        return _Items(self)

    @property
    def idle(self) -> bool:
        """Whether there is nothing to take and nothing to tell now. Without the lock: what comes this moment may be missed."""
        return not (self.queue or self._backlog.ahead or self.is_shutdown)

    def wait_drained(self, timeout: Optional[float] = None) -> bool:
        """Wait until nothing is queued or in hand. False when `timeout` seconds have passed."""
        if timeout is not None:
            _check_timeout(timeout)
        deadline = None if timeout is None else clock.now() + timeout
        with self.mutex:
            self._pressure.watch(+1)
            try:
                while self._busy():
                    left = None if deadline is None else deadline - clock.now()
                    if left is not None and left <= 0:
                        return False
                    clock.wait(self._drained, left)
            finally:
                self._pressure.watch(-1)
        return True

    def task_done(self) -> None:
        """As in `queue.Queue`: one item that was taken is done. `ValueError` when called more often than items came."""
        with self.mutex:
            if self._done >= self._backlog.owed:
                raise ValueError("task_done() called too many times")
            self._done += 1
            self._settle()

    def join(self) -> None:
        """As in `queue.Queue`: wait until `task_done` was called for every item. What is thrown away needs none."""
        with self.mutex:
            while self.unfinished_tasks:
                clock.wait(self.all_tasks_done)

    def shutdown(self, immediate: bool = False) -> None:
        """What `queue.Queue` has since 3.13: the same as `close`."""
        self.close(drain=not immediate)

    def put(self, item: Any, block: bool = True, timeout: Optional[float] = None) -> NoReturn:
        """Refused: `UsageError`. Only the stream puts."""
        raise UsageError("only the stream puts items into its queue; to send to the venue use send()")

    def put_nowait(self, item: Any) -> NoReturn:
        """Refused: `UsageError`. Only the stream puts."""
        self.put(item)

    # --- for workers: what is in hand counts to the bound ---

    def take_in_hand(self, max_items: int, stopped: Callable[[], bool]) -> list[tuple[Any, float, int]]:
        """Like `get_many` without a time-out, each item with the moment it came and its bytes. `[]` as soon as `stopped` is true;
        it is asked under the lock: see `rouse`.
        """
        if self._backlog.view is None:
            self.use("default")
        with self.mutex:
            while not stopped():
                self._recall()
                if self.queue or self._backlog.ahead or self._at_end():
                    return self._backlog.take_in_hand(max_items, clock.now())
                clock.wait(self.not_empty)
        return []

    def rouse(self) -> None:
        """Let every wait look again: what `stopped` says has changed."""
        with self.mutex:
            self.not_empty.notify_all()

    def finish(self, count: int = 1, waited: Optional[float] = None, size: int = 0) -> None:
        """Items in hand, of `size` bytes together, are done, as by `task_done`. `waited`: seconds from when they came until they
        were begun."""
        with self.mutex:
            if waited is not None:
                self._latency.record(waited, clock.now(), count)
            self._backlog.finish(count, size)
            self._done += count
            self._settle()
            relieved = len(self.queue) < self._pressure.alarm and self._ease()
        if relieved:
            self._wake()

    def give_back(self, items: list[Any], came_at: float = 0.0, sizes: Optional[Sequence[int]] = None) -> None:
        """Put items in hand back to where they were, before all that waits. They are discarded if the queue discards.

        `came_at`: when the oldest of them came. `sizes`: their bytes, as they were taken.
        """
        with self.mutex:
            self._recall()
            self._backlog.give_back(items, came_at, sizes)
            gone = self._discard() if self.discards else []
            self._added(len(items))
        del gone  # not under the lock

    # --- figures ---

    @property
    def bounds_bytes(self) -> bool:
        """Whether the sizes of what is put matter."""
        return self._backlog.maxbytes is not None

    @property
    def depth(self) -> int:
        """What the bound counts: items in the queue and in the hands of workers."""
        return self._backlog.depth

    def tally(self) -> Tally:
        """All counters at one moment."""
        with self.mutex:
            return self._backlog.tally()

    def came_at(self) -> Optional[float]:
        """When the oldest item that waits in the queue came; `None` if none does."""
        with self.mutex:
            return self._backlog.arrivals.oldest(len(self.queue))

    def wall_ns(self, at: float) -> int:
        """Wall clock, ns since 1970, of a moment of the monotonic clock. They keep their order, unless the clock is set."""
        offset = clock.wall_offset()
        if abs(offset - self._wall) > _WALL_JITTER:  # the two clocks are not read at once
            self._wall = offset
        return self._wall + int(at * 1e9)

    def latency(self, now: float) -> Spread:
        """Seconds from when an item was put until it was handed out, over the last minute."""
        with self.mutex:
            return self._latency.spread(now)

    def listen(self, event: threading.Event) -> None:
        """Set `event` whenever something comes, or nothing will any more, as long as somebody else holds it."""
        with self.mutex:
            self._listeners.add(event)
            self._listened = True

    def __repr__(self) -> str:
        state = "failed" if self.error else "closed" if self.is_shutdown else f"overflow={self._policy!r}, view={self.view!r}"
        return f"<Delivery {self.depth} of {self.maxsize}, {state}>"

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise UsageError("a stream's queue cannot be pickled or copied: what it holds comes from connections of this process")

    def leave(self) -> None:
        """In the child of a fork: what waits is the parent's. Without the lock, which another of its threads may have held."""
        self._recall()
        self.queue.clear()

    # --- under the lock ---

    def _recall(self) -> None:
        """Whoever may take without the lock may not any more. It is one call of C code for each, so nobody takes meanwhile.

        To be called before something is taken, and after it: a signal handler may have been granted some in between.
        """
        for credit, waited in tuple(self._credits):
            left = length_hint(credit)
            deque(credit, maxlen=0)
            with contextlib.suppress(ValueError):  # a signal handler has done the same
                self._credits.remove((credit, waited))
                if left:
                    self._latency.record(waited, 0.0, -left)  # they were counted when they were granted

    def _qsize(self) -> int:
        return self._backlog.waiting

    def _busy(self) -> bool:
        return bool(self.queue or self._backlog.ahead or self._backlog.in_hand)

    def _came(self, count: int) -> None:
        """So many more are owed."""
        if self.unfinished_tasks > 0:
            self.unfinished_tasks += count
        else:
            self._owe()  # it may have been below nothing
        self.not_empty.notify(count)
        if self._listened:
            self._tell()

    def _added(self, count: int) -> None:
        self._owe()
        self.not_empty.notify(count)
        if self._listened:
            self._tell()

    def _tell(self) -> None:
        for event in self._listeners:
            event.set()

    def _ages(self, most: int) -> list[tuple[float, int]]:
        """When what will be taken came. What stands ahead of the queue came from nowhere."""
        waiting = len(self.queue)
        return self._backlog.arrivals.taken(waiting, min(most - min(most, self._backlog.ahead), waiting))

    def _owe(self) -> None:
        self.unfinished_tasks = max(0, self._backlog.owed - self._done)

    def _settle(self) -> None:
        self._owe()
        if not self.unfinished_tasks:
            self.all_tasks_done.notify_all()

    def _discard(self) -> list[Any]:
        self.discards = True
        self._recall()
        gone = self._backlog.clear()
        self._settle()
        self._drained.notify_all()
        return gone

    def _ease(self) -> bool:
        """A take has left the queue short. True if the pressure is over: `wake` is due, without the lock."""
        if not self._busy():
            self._drained.notify_all()
        return self._pressure.eased(self._backlog.depth, self._backlog.size)

    def _relieve(self) -> None:
        with self.mutex:
            relieved = len(self.queue) < self._pressure.alarm and self._ease()
        if relieved:
            self._wake()

    def _wait_for_item(self, timeout: Optional[float]) -> bool:
        """True when there is an item, False when the time is over. Raises at the end."""
        deadline = None if timeout is None else clock.now() + timeout
        while not (self.queue or self._backlog.ahead or self._at_end()):
            left = None if deadline is None else deadline - clock.now()
            if left is not None and left <= 0:
                return False
            try:
                clock.wait(self.not_empty, left)
            except BaseException:  # Ctrl-C; the notification may have been ours, and others wait too
                self.not_empty.notify()
                raise
            self._recall()
        return True

    def _at_end(self) -> bool:
        """Nothing is queued. Raises if nothing will come; True if the very last item, `Closed`, has just been queued."""
        if not self.is_shutdown:
            return False
        if self._backlog.view == "events" and not self._said_last_word:
            self._said_last_word = True
            error = str(self.error) if self.error else ""
            self._backlog.append([self._last_word or Closed(error=error, at_ns=clock.wall_ns())], clock.now())
            self._settle()
            return True
        if self.error is not None:
            raise self.error.with_traceback(self._traceback)  # the first one each time; else it would grow with every wait
        raise StreamClosed("the stream is closed and what it held has been taken")

    def _end(self, error: Optional[StreamFailed]) -> None:
        if self.is_shutdown:
            return
        self.is_shutdown = True
        self.error = error
        self._traceback = error.__traceback__ if error else None
        self._pressure.end()
        self.not_empty.notify_all()
        self._tell()

    def _amount(self, depth: int, size: float) -> str:
        return f"{depth:,} items" if self._backlog.maxbytes is None else f"{depth:,} items of {size:,.0f} bytes"

    def _bound(self) -> str:
        return f"{self.maxsize:,}" if self._backlog.maxbytes is None else f"{self.maxsize:,}, or {self._backlog.maxbytes:,} bytes"

    def _share(self, depth: int, size: float) -> str:
        items = f"{depth} of {self.maxsize} items"
        return items if self._backlog.maxbytes is None else f"{items}, {size:.0f} of {self._backlog.maxbytes} bytes"

    def _overflow(self, items: list[Any], what: str, sizes: Optional[Sequence[int]], now: float) -> None:
        room = max(0, self.maxsize - self._backlog.depth)
        if self._backlog.maxbytes is not None and sizes:
            room = min(room, bisect_right(list(accumulate(sizes)), self._backlog.maxbytes - self._backlog.size))
        self._backlog.append(items[:room], now, sizes and sizes[:room])
        self._backlog.refuse(items[room:])
        self._added(room)
        self._end(
            Overflow(
                f"the consumer is too slow: {what}. What is queued can still be taken. Take more at once (get_many), use more "
                "workers, a longer queue, or the policy 'block', 'drop_oldest' or 'conflate'."
            )
        )

    def _make_room(self, batch: list[Any], sizes: Optional[Sequence[int]], now: float) -> list[Hashable]:
        size = sum(sizes or ())
        while True:
            with self.mutex:
                seen = self._backlog.look(batch, size)
            keys = keys_of(seen.items, self._key)  # the user's code, so not under the lock
            with self.mutex:
                self._recall()  # a consumer may have begun meanwhile
                if self.is_shutdown:
                    self._backlog.refuse(batch)
                    return []
                lost = self._backlog.make_room(batch, seen, keys, clock.wall_ns(), at=now, sizes=sizes)
                if lost is not None:
                    if not self._pressure.relieved(self._backlog.depth, self._backlog.size):
                        self._pressure.press()
                    self._settle()
                    self._added(len(self.queue) + self._backlog.ahead)
                    return lost
            del seen  # not under the lock


class _Items(Iterator[Any]):
    """Owned by: nobody; it has no state, so an interrupt cannot end it as it would a generator."""

    def __init__(self, delivery: Delivery) -> None:
        self._get = delivery.get

    def __next__(self) -> Any:
        try:
            return self._get()
        except StreamClosed:
            raise StopIteration from None


def _check_timeout(timeout: float) -> None:
    try:
        good = timeout >= 0
    except TypeError:  # no number
        good = False
    if not good:
        raise FeedError("timeout", timeout, "'timeout' must be a non-negative number: seconds, or None for no limit")
