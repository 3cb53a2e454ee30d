"""`merge`: several streams in one loop, fairly. Any thread; several of them share what comes.

One item of each stream in its turn (`turns.py`), so that a busy one does not keep the others waiting; `break` loses nothing.
"""

from __future__ import annotations

from typing import Any, Iterator, overload

from .consumer import Item
from .errors import FeedError, StreamClosed
from .stream import Stream
from .turns import Turns
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
        self._turns = Turns(streams)
        self._turns.use("default")

    def __next__(self) -> tuple[Stream[Any], Any]:
        try:
            return self._turns.take(Stream.get_nowait)
        except StreamClosed:
            raise StopIteration from None
