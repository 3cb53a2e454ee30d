"""`merge`: several streams in one loop, fairly. Any thread; one consumer at a time.

One item of each stream in its turn, so that a busy one does not keep the others waiting. No thread and no queue in between: it
takes from the streams' own queues and looks nothing ahead, so their order, bounds and policies hold, and `break` loses nothing.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Any, Iterator, overload

from . import clock
from .consumer import Item
from .errors import Empty, FeedError, StreamClosed
from .stream import Stream
from .views import T, Untyped


@overload
def merge(*streams: Stream[Untyped]) -> Iterator[tuple[Stream[Any], Any]]: ...


@overload
def merge(*streams: Stream[T]) -> Iterator[tuple[Stream[T], Item[T]]]: ...


def merge(*streams: Stream[Any]) -> Iterator[tuple[Stream[Any], Any]]:
    """Yields `(stream, item)`, as a plain loop over each of them would give them. Ends when all of them are closed.

    The failure of a stream is raised when its turn comes and all it held has been taken; the others are untouched, and a new
    `merge` of them goes on. Raises `FeedError` for what is no stream or given twice, `UsageError` like a loop.
    """
    for stream in streams:
        if not isinstance(stream, Stream):
            raise FeedError("streams", stream, "merge(a, b) takes streams")
    if len({id(stream) for stream in streams}) < len(streams):
        raise FeedError("streams", streams, "each stream once")
    return Merged(streams)


class Merged(Iterator[tuple[Stream[Any], Any]]):
    """Owned by: one consumer. Holds the streams: they live as long as it does."""

    def __init__(self, streams: tuple[Stream[Any], ...]) -> None:
        self._turns = deque(streams)  # who is next
        self._came = threading.Event()  # something came to one of them, or nothing will any more
        for stream in streams:
            stream._may_consume()
            stream._delivery.use("default")
            stream._delivery.listen(self._came)

    def __next__(self) -> tuple[Stream[Any], Any]:
        while self._turns:
            self._came.clear()
            for stream in list(self._turns):
                try:
                    item = stream.get_nowait()
                except Empty:
                    self._turns.rotate(-1)
                except StreamClosed:
                    self._turns.popleft()
                else:
                    self._turns.rotate(-1)
                    return stream, item
            if self._turns:
                clock.wait_event(self._came)
        raise StopIteration
