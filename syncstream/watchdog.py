"""Names a callback that holds a worker for too long, while it does. One thread, `syncstream-watchdog`, as long as workers run.

Every callback that has run for `slow_after` is named in the log, with the key of its item and its part of the lag; again when it
has run for twice as long, four times, and so on. It is noticed at most half of `slow_after` later than that.
Not here: what is done about it. A thread cannot be stopped from outside.
"""

from __future__ import annotations

import threading
from typing import Any, Callable, Hashable, Optional

from . import clock
from .core.items import key_of
from .errors import FeedError
from .logs import logger
from .timings import Running, Timings

_log = logger("syncstream.watchdog")


class Watchdog:
    """Owned by: its own thread. Others may call: start, stop, join."""

    def __init__(
        self,
        timings: Timings,
        *,
        slow_after: float,
        key: Callable[[Any], Optional[Hashable]],
        came_at: Callable[[], Optional[float]],
    ) -> None:
        """`slow_after`: seconds. `came_at`: when the oldest item came that waits; `None` if none does."""
        _check(slow_after)
        self._timings = timings
        self._slow_after = slow_after
        self._key = key
        self._came_at = came_at
        self._limits: dict[tuple[str, float], float] = {}  # (thread, when it began) → when it is named next
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="syncstream-watchdog", daemon=True)

    def start(self) -> None:
        """Raises `RuntimeError` if no thread can be had."""
        self._thread.start()

    def stop(self) -> None:
        """From any thread."""
        self._stop.set()

    def join(self) -> None:
        """After `stop`: it only has its last instructions before it."""
        if self._thread.ident is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self._slow_after / 2):
            self._look(clock.now())

    def _look(self, now: float) -> None:
        limits, self._limits = self._limits, {}
        for running in self._timings.running():
            call = (running.thread, running.began_at)
            limit = limits.get(call, self._slow_after)
            held = now - running.began_at
            if held >= limit:
                self._name(running, held, now)
                while limit <= held:
                    limit *= 2
            self._limits[call] = limit

    def _name(self, running: Running, held: float, now: float) -> None:
        came_at = self._came_at()
        lag = now - came_at if came_at is not None else 0.0
        waits = (
            f"{min(held, lag) / lag:.0%} of the {lag:.3g} s that the oldest item waits" if lag > 0 else "nothing waits behind it"
        )
        key = key_of(running.item, self._key)
        text = "the callback %s has held %s for %.3g s with an item of key %r: %s"
        _log.warning(text, running.name, running.thread, held, key, waits)


def _check(slow_after: Any) -> None:
    if isinstance(slow_after, bool) or not isinstance(slow_after, (int, float)) or not 0 < slow_after < threading.TIMEOUT_MAX:
        raise FeedError("slow_after", slow_after, "expected a number of seconds above zero, or None")
