"""How long each callback takes, and which ones run now. Written by the threads that call them, read by any.

Two readings of the clock and two entries in a dict a call: no lock, because each thread writes only what is its own.
"""

from __future__ import annotations

import threading
from typing import Any, Callable, Hashable, NamedTuple

from . import clock
from .stats import CallbackStats


class Running(NamedTuple):
    """A callback that has not returned: its name, the item, the thread, and when it began."""

    name: str
    item: Any
    thread: str
    began_at: float


class Timings:
    """Owned by: each thread that calls callbacks, its own entries."""

    def __init__(self) -> None:
        self._running: dict[int, tuple[str, Any, float]] = {}
        self._spent: dict[tuple[Hashable, str], list[float]] = {}  # of one thread and callback: calls, seconds, the longest

    def watch(self, callback: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """The same callback, timed."""
        name = getattr(callback, "__qualname__", None) or type(callback).__qualname__
        running, spent = self._running, self._spent

        def timed(item: Any) -> Any:
            thread = threading.get_ident()
            began = clock.now()
            running[thread] = (name, item, began)
            try:
                return callback(item)
            finally:
                took = clock.now() - began
                running.pop(thread, None)
                mine = spent.get((thread, name))
                if mine is None:
                    mine = spent[thread, name] = [0, 0.0, 0.0]
                mine[0] += 1
                mine[1] += took
                if took > mine[2]:
                    mine[2] = took

        return timed

    def running(self) -> list[Running]:
        """The callbacks that have not returned."""
        names = {thread.ident: thread.name for thread in threading.enumerate()}
        running = list(self._running.items())
        return [Running(name, item, names.get(thread, str(thread)), began) for thread, (name, item, began) in running]

    def figures(self) -> tuple[CallbackStats, ...]:
        """What each has taken so far, the most first. A call that has not returned counts when it does."""
        sums: dict[str, list[float]] = {}
        for (_, name), (calls, seconds, longest) in list(self._spent.items()):
            before = sums.get(name, [0, 0.0, 0.0])
            sums[name] = [before[0] + calls, before[1] + seconds, max(before[2], longest)]
        whole = sum(seconds for _, seconds, _ in sums.values())
        return tuple(
            CallbackStats(name=name, calls=int(calls), seconds=seconds, longest=longest, share=seconds / whole if whole else 0.0)
            for name, (calls, seconds, longest) in sorted(sums.items(), key=lambda one: -one[1][1])
        )
