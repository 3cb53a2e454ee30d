"""Callbacks on a `concurrent.futures.Executor` of the user's, in place of threads of our own.

One thread, `syncstream-dispatcher`, does what a worker does to find work (`workers.py` has the rules, and they hold here too) and
submits it. What is submitted handles one item, and goes on with the same key while some of it wait, for a few dozen at most; then
it gives the executor's thread back. So an executor that others use too is never held by a quiet stream, a busy one takes turns
with them, and the end of the interpreter, which waits for every executor, waits for no stream.

An executor that refuses or cancels what was submitted ends the stream, and is named as the reason. One of processes cannot
be used: what a callback changes would be lost in the other process.
"""

from __future__ import annotations

import sys
import threading
from concurrent.futures import Executor, Future
from typing import Any, Callable, Hashable, Optional, Union

from .delivery import Delivery
from .errors import FeedError
from .handlers import ExecutorTrouble, Handlers
from .watchdog import Watchdog
from .workers import Job, Workers

_TURN = 32  # items of one key


class Dispatcher(Workers):
    """Owned by: shared under `self._changed`, like all workers. Others may call: start, stop, join, came_at."""

    def __init__(
        self,
        delivery: Delivery,
        handle: Callable[[Any], None],
        *,
        key: Callable[[Any], Optional[Hashable]],
        executor: Executor,
        failed: Callable[[BaseException], None],
    ) -> None:
        processes = getattr(sys.modules.get("concurrent.futures.process"), "ProcessPoolExecutor", ())
        if isinstance(executor, processes):
            raise FeedError("workers", executor, "callbacks run in this process; give an executor of threads")
        super().__init__(delivery, handle, key=key, count=1, failed=failed, name="syncstream-dispatcher")
        self._executor = executor
        self._submitted: dict[int, tuple[Optional[Future[None]], Job]] = {}  # what has not begun, by the number of its job

    def _halt(self) -> None:
        super()._halt()
        with self._changed:
            futures = [future for future, _ in self._submitted.values()]
        for future in futures:
            if future is not None:
                future.cancel()  # not under the lock: it calls `_over`

    # --- on the dispatcher ---

    def _work(self) -> None:
        job = self._next(None)
        while job is not None:
            self._submit(job)
            job = self._next(None)

    def _submit(self, job: Job) -> None:
        with self._changed:
            self._submitted[job.number] = (None, job)
        try:
            future = self._executor.submit(self._lane, job)
        except Exception as error:
            self._take_back(job)
            raise ExecutorTrouble(f"the executor refused what was submitted to it: {type(error).__name__}: {error}") from error
        except BaseException:
            self._take_back(job)
            raise
        with self._changed:
            if job.number in self._submitted:
                self._submitted[job.number] = (future, job)
        future.add_done_callback(lambda future: self._over(future, job))
        if self._stop.is_set():
            future.cancel()

    # --- on a thread of the executor ---

    def _lane(self, first: Job) -> None:
        """Handle an item, and the others of its key."""
        with self._changed:
            begins = not (self._stop.is_set() or self._delivery.discards)
            if begins:
                del self._submitted[first.number]
                self._running.add(threading.current_thread())
        if not begins:
            self._take_back(first)
            self._tidy()
            return
        job = first
        try:
            for _ in range(_TURN):
                self._do(job)
                with self._changed:
                    after = self._go_on(job)
                if after is None:
                    return
                job = after
            self._submit(job)
        except BaseException as error:
            self._report(error)
        finally:
            self._leave()

    # --- wherever ---

    def _over(self, future: Future[None], job: Job) -> None:
        """The executor is done with it, or will never begin it."""
        if not self._take_back(job):
            return
        if not self._stop.is_set():
            cause = None if future.cancelled() else future.exception()
            why = "cancelled" if future.cancelled() else f"could not run ({cause})"
            trouble = ExecutorTrouble(f"the executor {why} what was submitted to it")
            trouble.__cause__ = cause
            self._report(trouble)
        self._tidy()

    def _take_back(self, job: Job) -> bool:
        """Take back what was submitted, if it was not begun; whether that was so. All is sorted when it is given back."""
        with self._changed:
            if self._submitted.pop(job.number, None) is None:
                return False
            self._pulled.extendleft([*reversed(self._lanes.pop(job.key)), job])
            self._ahead += 1
            return True

    def _left(self) -> int:
        return len(self._running) + len(self._submitted)


def hire(
    delivery: Delivery,
    handle: Handlers,
    *,
    key: Callable[[Any], Optional[Hashable]],
    workers: Union[int, Executor],
    slow_after: Optional[float],
    failed: Callable[[BaseException], None],
) -> Workers:
    """The workers that `run` and `start` were asked for, and their watchdog (`None`: no watchdog). Raises `FeedError`."""
    hired: Workers
    if isinstance(workers, Executor):
        hired = Dispatcher(delivery, handle, key=key, executor=workers, failed=failed)
    else:
        hired = Workers(delivery, handle, key=key, count=workers, failed=failed)

    def came_at() -> Optional[float]:
        return min((moment for moment in (delivery.came_at(), hired.came_at()) if moment is not None), default=None)

    if slow_after is not None:
        hired.watchdog = Watchdog(handle.timings, slow_after=slow_after, key=key, came_at=came_at)
    return hired
