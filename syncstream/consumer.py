"""`Consumer`: the calls of a stream by which its items are taken, and what a type checker knows of them. Any thread.

Not here: the queue they take from (`delivery.py`), callbacks, several streams at once (`merge.py`).
"""

from __future__ import annotations

from typing import Any, Generic, Iterator, Literal, Optional, Protocol, Union, overload

import msgspec

from . import clock
from .delivery import Delivery
from .errors import StreamClosed, StreamFailed
from .events import Dropped, Event, Gap, Snapshot
from .views import T, Untyped, items_of

Item = Union[T, Snapshot, Gap, Dropped]
"""What the default view of a `Stream[T]` yields: messages, and the markers that change the consumer's state."""


class Stamped(msgspec.Struct, Generic[T], frozen=True):
    """An item and when it came: `at` on the monotonic clock (`time.monotonic()`), seconds; `at_ns` on the wall, ns since 1970.

    It is the moment of the read that completed it. What was held for a snapshot came when it was let through.
    """

    item: T
    at: float
    at_ns: int


class Outlet(Protocol):
    """What it takes from: a `Delivery`, or several as one."""

    def use(self, view: str) -> None: ...

    def get(self, *, timeout: Optional[float] = None) -> Any: ...

    def get_many(self, max_items: int = 1000, timeout: Optional[float] = None) -> list[Any]: ...

    def get_with_moment(self, timeout: Optional[float] = None) -> tuple[Any, Optional[float]]: ...

    def wall_ns(self, at: float) -> int: ...


class Consumer(Generic[T]):
    """Owned by: nobody; it has no state but that of the stream it is part of."""

    _delivery: Outlet
    _raised: bool  # the failure that ended the stream has reached somebody

    def _may_consume(self) -> None:
        """Raises `UsageError` where callbacks run, or in another process."""
        raise NotImplementedError

    @overload
    def __iter__(self: Consumer[Untyped]) -> Iterator[Any]: ...

    @overload
    def __iter__(self) -> Iterator[Item[T]]: ...

    def __iter__(self) -> Iterator[Any]:
        """Messages, and the markers that change your local state. Ends when the stream is closed; raises if it failed."""
        return self._view("default")

    @overload
    def events(self: Consumer[Untyped]) -> Iterator[Any]: ...

    @overload
    def events(self) -> Iterator[Union[T, Event]]: ...

    def events(self) -> Iterator[Any]:
        """Like a plain loop, and also the life of the stream: `Connected`, `Disconnected`, every `Gap`, `Resynced`, `Closed`."""
        return self._view("events")

    def messages(self) -> Iterator[T]:
        """Messages only: for a consumer that keeps no state."""
        return self._view("messages")

    @overload
    def stamped(self: Consumer[Untyped], *, events: bool = False) -> Iterator[Stamped[Any]]: ...

    @overload
    def stamped(self, *, events: Literal[False] = False) -> Iterator[Stamped[Item[T]]]: ...

    @overload
    def stamped(self, *, events: bool) -> Iterator[Stamped[Union[T, Event]]]: ...

    def stamped(self, *, events: bool = False) -> Iterator[Any]:
        """Like a plain loop, or like `events()`, each item with the moment it came: `Stamped(item, at, at_ns)`."""
        self._may_consume()
        self._delivery.use("events" if events else "default")
        return StampedItems(self)

    @overload
    def get(self: Consumer[Untyped], timeout: Optional[float] = None) -> Any: ...

    @overload
    def get(self, timeout: Optional[float] = None) -> Item[T]: ...

    def get(self, timeout: Optional[float] = None) -> Any:
        """The next item; waits up to `timeout` seconds (`None`: as long as it takes).

        Raises `Empty` (a `TimeoutError` and a `queue.Empty`) when the time is over, `StreamClosed` when the stream was closed,
        and the `StreamFailed` that ended it.
        """
        self._may_consume()
        try:
            return self._delivery.get(timeout=timeout)
        except StreamFailed:
            self._raised = True
            raise

    @overload
    def get_nowait(self: Consumer[Untyped]) -> Any: ...

    @overload
    def get_nowait(self) -> Item[T]: ...

    def get_nowait(self) -> Any:
        """The next item if there is one; raises like `get` otherwise."""
        return self.get(timeout=0)

    @overload
    def get_many(self: Consumer[Untyped], max_items: int = 1000, timeout: Optional[float] = None) -> list[Any]: ...

    @overload
    def get_many(self, max_items: int = 1000, timeout: Optional[float] = None) -> list[Item[T]]: ...

    def get_many(self, max_items: int = 1000, timeout: Optional[float] = None) -> list[Any]:
        """Up to `max_items`: waits up to `timeout` seconds for the first one, then returns what is there. `[]` on time-out."""
        self._may_consume()
        try:
            return self._delivery.get_many(max_items, timeout)
        except StreamFailed:
            self._raised = True
            raise

    def _get_stamped(self, timeout: Optional[float] = None) -> Stamped[Any]:
        self._may_consume()
        try:
            item, at = self._delivery.get_with_moment(timeout)
        except StreamFailed:
            self._raised = True
            raise
        if at is None:  # a marker that was made here says so itself
            now = clock.now()
            at = now - (self._delivery.wall_ns(now) - item.at_ns) / 1e9
        return Stamped(item, at, self._delivery.wall_ns(at))

    def _view(self, view: str) -> Iterator[Any]:
        self._may_consume()
        self._delivery.use(view)
        return items_of(self, self._delivery if isinstance(self._delivery, Delivery) else None)


class StampedItems(Iterator[Stamped[Any]]):
    """Owned by: one consumer. As a plain loop, each with the moment it came."""

    def __init__(self, stream: Consumer[Any]) -> None:
        self._stream = stream

    def __next__(self) -> Stamped[Any]:
        try:
            return self._stream._get_stamped()
        except StreamClosed:
            raise StopIteration from None
