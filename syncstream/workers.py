"""The worker threads that run a user's handler: one key at a time, keys side by side. Threads `syncstream-worker-1` to `-N`.

Rules:
  - A key is never handled twice at once, and its items in their order. While some wait, its worker goes on with that key.
  - A worker without a key takes the oldest item whose key nobody handles, so a busy key does not hold up others behind it.
  - An item without a key (a message that has none, a marker about every key) is a barrier: everything before it is finished
    first, it is handled alone, then come the rest. With one worker all is handled in the order of the stream.
  - What is pulled from the queue counts to its bound until it is handled. Not more is pulled than it takes to find work. Where
    the policy may throw away what waits, it is never more than half of what the queue holds: there a busy key with more than that
    waiting does hold up others.

Everything a handler raises goes to `failed`, once; also `SystemExit` and `KeyboardInterrupt`, which Python would drop silently
in a thread. Then all workers stop. What they had pulled and not begun goes back to the head of the queue.

Not here: which handler an item has, and what a failure means for the stream (`stream.py`).
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Any, Callable, Hashable, NamedTuple, Optional

from . import clock
from .core.items import keys_of
from .delivery import Delivery
from .errors import FeedError, StreamClosed, StreamFailed, UsageError
from .logs import logger
from .watchdog import Watchdog

_log = logger("syncstream.workers")

_CHUNK = 8  # items pulled at once, per worker


class Job(NamedTuple):
    """One item, its key, when it came, and its bytes."""

    number: int  # in the order of the stream
    key: Optional[Hashable]
    item: Any
    came_at: float
    size: int


class Workers:
    """Owned by: shared under `self._changed` (`_fewer` has the same lock), by the workers. Others may call: start, stop, join."""

    def __init__(
        self,
        delivery: Delivery,
        handle: Callable[[Any], None],
        *,
        key: Callable[[Any], Optional[Hashable]],
        count: int,
        failed: Callable[[BaseException], None],
        name: str = "syncstream-worker",
    ) -> None:
        """`handle` is called with each item on a worker, `failed` with what it raised, on that worker. No lock is held."""
        if type(count) is not int or count < 1:
            raise FeedError("workers", count, "a whole number of threads, at least 1")
        self._delivery = delivery
        self._handle = handle
        self._key = key
        self._failed = failed
        lock = threading.RLock()  # so that a signal handler may stop what it has interrupted
        self._changed = threading.Condition(lock)  # a waiting worker may find work, or should end
        self._fewer = threading.Condition(lock)  # are running; for `join`, which must not take a worker's wake-up
        self._pulled: deque[Job] = deque()  # in the order of the stream, nobody's yet
        self._lanes: dict[Optional[Hashable], deque[Job]] = {}  # of each key in hand, what waits behind it; None: a barrier
        self._ahead = 0  # jobs in those two places
        self._most_ahead = delivery.most_in_hand
        self._chunk = _CHUNK * count
        self._pulling = False  # one worker waits at the queue, the others here
        self._exhausted = False  # nothing more will come
        self._numbered = 0
        self._stop = threading.Event()
        self._error: Optional[BaseException] = None
        self._running: set[threading.Thread] = set()
        self._inside = 0  # workers whose handler waits in `join`
        self._threads = [threading.Thread(target=self._run, name=f"{name}-{n}", daemon=True) for n in range(1, count + 1)]
        self._started = False
        self.watchdog: Optional[Watchdog] = None  # set before the start

    def start(self) -> None:
        """Start the threads, once."""
        if self._started:
            raise UsageError("these workers have been started before")
        self._started = True
        for thread in self._threads:
            with self._changed:
                if self._stop.is_set():  # by another thread: it waits for those that run, and none may come behind it
                    return
                self._running.add(thread)
            try:
                thread.start()
            except BaseException:  # no more threads to be had, or Ctrl-C
                with self._changed:
                    self._running.discard(thread)
                    self._fewer.notify_all()
                self._halt()
                raise
        if self.watchdog is not None:
            try:
                self.watchdog.start()
            except BaseException:
                self.watchdog = None
                self._halt()
                raise

    def stop(self, timeout: Optional[float]) -> list[str]:
        """Let no further item be begun, and wait up to `timeout` seconds (`None`: no limit) for those in hand.

        Returns the names of the threads that are still at it. May be called from a handler: that one is neither waited for
        nor named; it ends when the handler returns.
        """
        self._halt()
        self.join(timeout)
        with self._changed:
            return sorted(thread.name for thread in self._running - {threading.current_thread()})

    def join(self, timeout: Optional[float] = None) -> bool:
        """Wait until all threads have ended: stopped, or the queue closed or failed and taken. False after `timeout` seconds.

        From a handler: until all have ended but those whose handlers wait here too.
        """
        deadline = None if timeout is None else clock.now() + timeout
        with self._fewer:
            inside = threading.current_thread() in self._running
            # Not by Thread.join: Ctrl-C could not end that on Windows.
            self._inside += inside
            try:
                while self._left() > (self._inside if inside else 0):
                    left = None if deadline is None else deadline - clock.now()
                    if left is not None and left <= 0:
                        return False
                    clock.wait(self._fewer, left)
            finally:
                self._inside -= inside
        if not inside:
            for thread in self._threads:  # they have left; only their last instructions may remain
                if thread.is_alive():  # one that is being started just now cannot be joined, though it has a number
                    thread.join()
            if self.watchdog is not None:
                self.watchdog.join()
        return True

    def came_at(self) -> Optional[float]:
        """When the oldest item came that was pulled and not begun; `None` if there is none."""
        with self._changed:
            waiting = [jobs[0].came_at for jobs in (self._pulled, *self._lanes.values()) if jobs]
        return min(waiting, default=None)

    def _halt(self) -> None:
        self._stop.set()
        with self._changed:
            self._changed.notify_all()
        self._delivery.rouse()

    # --- on a worker ---

    def _run(self) -> None:
        try:
            self._work()
        except BaseException as error:
            self._report(error)
        finally:
            self._leave()

    def _work(self) -> None:
        job = self._next(None)
        while job is not None:
            self._do(job)
            job = self._next(job)

    def _do(self, job: Job) -> None:
        waited = clock.now() - job.came_at
        try:
            self._handle(job.item)
        finally:
            self._delivery.finish(waited=waited, size=job.size)

    def _next(self, done: Optional[Job]) -> Optional[Job]:
        """The next job for this worker, which has `done` one; `None` when it should end. Waits."""
        while True:
            with self._changed:
                if done is not None:
                    job = self._go_on(done)
                    done = None
                    if job is not None:
                        return job
                while True:
                    if self._stop.is_set() or self._delivery.discards:
                        return None
                    job = self._pick()
                    if job is not None:
                        return job
                    if self._exhausted and not self._pulled:
                        return None
                    if self._may_pull():
                        self._pulling = True
                        break
                    self._changed.wait()
            self._pull()

    def _go_on(self, done: Job) -> Optional[Job]:
        """The next job of the same key, or give the key up."""
        lane = self._lanes[done.key]
        if lane and not self._stop.is_set() and not self._delivery.discards:
            if self._ahead == self._most_ahead:  # somebody may wait to pull
                self._changed.notify()
            self._ahead -= 1
            return lane.popleft()
        if not lane:
            del self._lanes[done.key]
            if done.key is None:
                self._changed.notify_all()
        return None

    def _pick(self) -> Optional[Job]:
        """The oldest job that may be begun. Those of keys in hand go into their lanes."""
        while self._pulled and None not in self._lanes:
            job = self._pulled[0]
            if job.key is None and self._lanes:
                return None
            self._pulled.popleft()
            lane = self._lanes.get(job.key)
            if lane is None:
                self._lanes[job.key] = deque()
                self._ahead -= 1
                return job
            lane.append(job)
        return None

    def _may_pull(self) -> bool:
        """Nobody else does, no barrier is in the way, and there is room."""
        return not (self._pulling or self._exhausted or self._pulled or None in self._lanes) and self._ahead < self._most_ahead

    def _pull(self) -> None:
        jobs: list[Job] = []
        exhausted = False
        try:
            most = min(self._chunk, self._most_ahead - self._ahead)  # only the one who pulls adds to it
            taken = self._delivery.take_in_hand(most, self._stop.is_set)
            keys = keys_of([item for item, _, _ in taken], self._key)  # the user's code, so not under the lock
            jobs = [Job(number, key, *one) for number, (key, one) in enumerate(zip(keys, taken), self._numbered)]
        except (StreamClosed, StreamFailed):
            exhausted = True
        finally:
            with self._changed:
                self._pulling = False
                self._exhausted = exhausted
                self._numbered += len(jobs)
                self._pulled.extend(jobs)
                self._ahead += len(jobs)
                # This one takes one of them, or pulls again; so one who was woken finds none, and pulls when this one works.
                self._changed.notify(len(jobs))

    def _report(self, error: BaseException) -> None:
        with self._changed:
            first = self._error is None
            if first:
                self._error = error
        self._halt()
        if first:
            self._failed(error)
        else:
            _log.error("a second handler failed while the workers stopped", exc_info=error)

    def _leave(self) -> None:
        with self._changed:
            self._running.discard(threading.current_thread())
        self._tidy()

    def _tidy(self) -> None:
        """The last one gives back what nobody has begun."""
        left: list[Job] = []
        with self._changed:
            if not self._left():
                left = sorted(job for jobs in (self._pulled, *self._lanes.values()) for job in jobs)
                self._pulled.clear()
                self._lanes.clear()
                self._ahead = 0
                if self.watchdog is not None:
                    self.watchdog.stop()
            self._changed.notify_all()
            self._fewer.notify_all()
        if left:
            self._delivery.give_back([job.item for job in left], left[0].came_at, [job.size for job in left])

    def _left(self) -> int:
        """How many have not left. Under the lock."""
        return len(self._running)
