"""`Turns`: one item after the other from several streams, each in its turn. What `merge` and `Sharded` take by. Any thread.

No thread and no queue in between: it takes from the streams' own queues and looks nothing ahead, so their order, bounds and
policies hold. One thread at a time is at the door and waits for all streams; others wait for the door, and each item goes to one.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Any, Callable, Iterable, Optional, TypeVar

from . import clock
from .errors import Empty, StreamClosed
from .stream import Stream

F = TypeVar("F")

_SLICE = 0.05  # seconds; a wait for a lock that is longer cannot be interrupted everywhere


class Turns:
    """Owned by: its lock, whose holder is at the door. Holds the streams: they live as long as it does."""

    def __init__(self, streams: Iterable[Stream[Any]]) -> None:
        self._lock = threading.Lock()
        self._streams = tuple(streams)
        self._turns = deque(self._streams)  # who is next; without those that are closed
        self._came = threading.Event()  # something came to one of them, or nothing will any more
        for stream in self._streams:
            stream._check_process()  # in the child of a fork the lock of its queue may be held for ever
            stream._delivery.listen(self._came)

    def use(self, view: str) -> None:
        """Fix the view of all of them, as `Delivery.use` does."""
        for stream in self._streams:
            stream._may_consume()
            stream._delivery.use(view)

    def take(self, how: Callable[[Stream[Any]], F], timeout: Optional[float] = None) -> tuple[Stream[Any], F]:
        """The next stream that has something, and what `how` takes of it without waiting.

        Raises `Empty` when the time is over, `StreamClosed` when all are closed, and the failure of a stream when its turn comes
        and all it held has been taken: then and in each later call.
        """
        for stream in self._streams[:1]:
            stream._check_process()  # in the child of a fork nobody may be left to open the door
        deadline = None if timeout is None else clock.now() + timeout
        if not self._lock.acquire(blocking=False):
            self._wait_for_the_door(deadline)
        try:
            while True:
                found = self._pass(how) or self._look_again(how)
                if found is not None:
                    return found
                if not self._turns:
                    raise StreamClosed("the streams are closed and what they held has been taken")
                if not clock.wait_event(self._came, None if deadline is None else max(0.0, deadline - clock.now())):
                    raise Empty(f"nothing came within {timeout:g} s" if timeout else "nothing is queued")
        finally:
            self._lock.release()

    def _pass(self, how: Callable[[Stream[Any]], F]) -> Optional[tuple[Stream[Any], F]]:
        """Ask each of them once."""
        turns = self._turns
        for _ in range(len(turns)):
            stream = turns[0]
            if stream._delivery.idle:
                turns.rotate(-1)
                continue
            try:
                item = how(stream)
            except Empty:  # somebody else who consumes that stream was quicker
                turns.rotate(-1)
            except StreamClosed:
                turns.popleft()
            else:
                turns.rotate(-1)
                return stream, item
        return None

    def _look_again(self, how: Callable[[Stream[Any]], F]) -> Optional[tuple[Stream[Any], F]]:
        """Before a wait: what has come by now is taken, and what comes from now on ends the wait."""
        self._came.clear()
        return self._pass(how)

    def _wait_for_the_door(self, deadline: Optional[float]) -> None:
        while not self._lock.acquire(timeout=_SLICE if deadline is None else max(0.0, min(_SLICE, deadline - clock.now()))):
            if deadline is not None and clock.now() >= deadline:
                raise Empty("others are waiting for the next item")
