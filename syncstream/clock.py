"""Time: the monotonic clock that everything is reckoned by, and a wait that Ctrl-C can end. Any thread.

Not here: time in `core`, where `now` is an argument; sleeping for longer than a moment, because `close()` cannot wake a sleep.
"""

from __future__ import annotations

import sys
import threading
import time
from typing import Optional

# How long one wait on a lock may be. On Windows it cannot be interrupted, so Ctrl-C is seen between two of them. Elsewhere it
# can, but a signal that comes in the last microseconds before the thread sleeps is not seen until something wakes it.
_LONGEST = 0.05 if sys.platform == "win32" else 1.0

_AT_ONCE = 50e-6  # seconds; two readings further apart had something between them
_READINGS = 10


now = time.monotonic
"""Seconds that never go back. Only differences mean something. The function itself: a call in between costs as much as it."""


RESOLUTION = time.get_clock_info("monotonic").resolution
"""Seconds from one of its values to the next: on Windows, before Python 3.13, some milliseconds."""


def wall_ns() -> int:
    """Nanoseconds since 1970, for what users read."""
    return time.time_ns()


def wall_offset() -> int:
    """The wall clock minus `now()`, ns. They cannot be read at once: if something came in between, they are read again."""
    best = (float("inf"), 0)
    for _ in range(_READINGS):
        before = now()
        wall = wall_ns()
        took = now() - before
        best = min(best, (took, wall - int((before + took / 2) * 1e9)))
        if took <= _AT_ONCE:
            break
    return best[1]


def give_way(seconds: float = 0.001) -> None:
    """Let other threads run, so long: they want the interpreter, and perhaps a processor. Nothing can end it earlier."""
    time.sleep(seconds)


def wait(condition: threading.Condition, timeout: Optional[float] = None) -> bool:
    """Wait on `condition`, which the caller holds, until it is notified or `timeout` seconds have passed (`None`: no limit).

    False means that the time is over. True promises nothing: look at what you wait for again, and wait again with the time
    that is left. (It can come early: a wait in slices that looked by itself would lose the notification between two slices.)
    """
    if timeout is not None and timeout <= _LONGEST:
        return condition.wait(timeout)
    condition.wait(_LONGEST)
    return True


def wait_event(event: threading.Event, timeout: Optional[float] = None) -> bool:
    """Wait until `event` is set, or `timeout` seconds have passed (`None`: no limit). Whether it is set. Ctrl-C ends it."""
    deadline = None if timeout is None else now() + timeout
    while not event.is_set():
        left = _LONGEST if deadline is None else min(_LONGEST, deadline - now())
        if left <= 0:
            return False
        event.wait(left)
    return True
