"""The callbacks of a stream while they run: the workers, what each failure means, and how they end.

Any thread. Nothing here holds the `Stream`, which closes itself when nobody holds it. Not here: which callback takes what
(`handlers.py`), the threads (`workers.py`), what is done where one raises (`quarantine.py`).
"""

from __future__ import annotations

import threading
from concurrent.futures import Executor
from typing import Any, Callable, Hashable, Optional, Union

from .delivery import Delivery
from .dispatcher import hire
from .errors import FeedError, StreamFailed, UsageError
from .handlers import Failure, Handler, Handlers
from .inbox import Fail, Tell
from .quarantine import OnError, Quarantine, SetAside
from .reader import Reader
from .stats import CallbackStats
from .workers import Workers


class Callbacks:
    """Owned by: shared under `self._lock`, by the user's threads."""

    def __init__(
        self, delivery: Delivery, reader: Reader, *, key: Callable[[Any], Optional[Hashable]], heals: bool, drops: bool
    ) -> None:
        """`heals`: the stream can yield `Snapshot`; `drops`: it can yield `Dropped`, from the start."""
        self._delivery = delivery
        self._reader = reader
        self._key = key
        self._heals = heals
        self._drops = drops
        self._handlers = Handlers()
        self._quarantine = Quarantine(key=key, tell=lambda event: reader.post(Tell(event)))
        self._handlers.failed = self._quarantine
        self._lock = threading.RLock()  # guards: _workers, and that no callback comes beside running ones
        self._workers: Optional[Workers] = None
        self._failed: Optional[Failure] = None

    def add(self, types: tuple[type, ...], handler: Handler) -> None:
        """See `Handlers.add`. Raises `UsageError` while they run."""
        with self._lock:
            if self._workers is not None:
                raise UsageError("callbacks are registered before run() or start()")
            self._handlers.add(types, handler)

    def start(self, workers: Union[int, Executor], *, markers: str, on_error: OnError, slow_after: Optional[float] = 1.0) -> None:
        """Run them on so many threads, or on an executor's."""
        if markers not in ("handle", "ignore"):
            raise FeedError("markers", markers, "expected 'handle' or 'ignore'")
        reader = self._reader
        with self._lock:
            if self._workers is not None:
                raise UsageError("the callbacks are running already")
            failed = Failure(lambda failure: reader.post(Fail(failure)))
            threads = hire(self._delivery, self._handlers, key=self._key, workers=workers, slow_after=slow_after, failed=failed)
            if markers == "handle":
                drops = self._drops or (not self._heals and self._delivery.tally().dropped > 0)  # some may have gone by now
                self._handlers.check(snapshots=self._heals, drops=drops)
            self._quarantine.use(on_error)
            self._delivery.use(self._handlers.view)
            self._workers, self._failed = threads, failed
            try:
                threads.start()
            except BaseException:  # no more threads to be had, or Ctrl-C
                self._workers = None
                raise

    @property
    def running(self) -> bool:
        return self._workers is not None

    @property
    def inside(self) -> bool:
        """Whether the caller is a callback."""
        return self._handlers.inside

    @property
    def error(self) -> Optional[StreamFailed]:
        """The failure of a callback that ended the stream."""
        return None if self._failed is None else self._failed.error

    @property
    def timings(self) -> tuple[CallbackStats, ...]:
        """How long each of them took so far."""
        return self._handlers.timings.figures()

    def came_at(self) -> Optional[float]:
        """When the oldest item came that a worker has pulled and not begun; `None` if there is none."""
        workers = self._workers
        return None if workers is None else workers.came_at()

    @property
    def set_aside(self) -> tuple[SetAside, ...]:
        """The last items at which a callback failed, oldest first."""
        return self._quarantine.kept

    @property
    def count(self) -> int:
        """How many items were set aside."""
        return self._quarantine.count

    def join(self, timeout: Optional[float]) -> Optional[bool]:
        """Wait until they have had everything; `None` if they do not run, False when the time is over first."""
        workers = self._workers
        return None if workers is None else workers.join(timeout)

    def stop(self, timeout: float) -> list[str]:
        """Begin no further item. The names of threads still at it after `timeout` seconds."""
        workers = self._workers
        if workers is None:
            return []
        try:
            return workers.stop(timeout)
        finally:
            with self._lock:
                if self._workers is workers:
                    self._workers = None
