"""The user's callbacks: which one takes what, and how one ends the stream. Any thread; registered before the workers start."""

from __future__ import annotations

import inspect
import threading
import typing
from typing import Any, Callable, Optional

from .errors import FeedError, HandlerFailed, StreamFailed, UsageError
from .events import Closed, Connected, Disconnected, Dropped, Event, Gap, Quarantined, Resynced, Snapshot, Stale
from .timings import Timings

Handler = Callable[[Any], Any]

_LIFE = (Connected, Disconnected, Resynced, Stale, Quarantined, Closed)  # what only the view `events` shows


def check_types(types: tuple[Any, ...]) -> None:
    """Raise `FeedError` for what `isinstance` cannot tell. (`@stream.on` without its brackets comes here too.)"""
    for kind in types:
        if not isinstance(kind, type) or typing.get_origin(kind) is not None:  # before 3.11 list[int] calls itself a type
            raise FeedError("on", kind, "expected types: @stream.on(Trade), @stream.on(Snapshot, Gap), @stream.on() for messages")


class Handlers:
    """Owned by: the user's thread until `run` or `start`; read-only afterwards."""

    def __init__(self) -> None:
        self._handlers: list[tuple[Optional[tuple[type, ...]], Handler]] = []
        self._here = threading.local()
        self.failed: Callable[[Any, Exception], None] = _end
        """What is done with an item at which a handler raised; raises what is to end the stream."""
        self.timings = Timings()

    def add(self, types: tuple[type, ...], handler: Handler) -> None:
        """`handler` takes items of these types; with none given, every message that is not an `Event`."""
        check_types(types)
        if not callable(handler):
            raise FeedError("on", handler, "expected a function to call")
        if inspect.iscoroutinefunction(handler):
            raise FeedError("on", handler, "a coroutine function would never be awaited here; give a plain one")
        self._handlers.append((types or None, self.timings.watch(handler)))

    def __call__(self, item: Any) -> None:
        """Call every handler that takes this item, in the order they were added."""
        self._here.inside = True
        marker = isinstance(item, Event)
        for types, handler in self._handlers:
            if (not marker) if types is None else isinstance(item, types):
                try:
                    handler(item)
                except Exception as error:
                    self.failed(item, error)

    @property
    def inside(self) -> bool:
        """Whether the caller is a thread that calls the handlers, and so one of them."""
        return getattr(self._here, "inside", False)

    @property
    def view(self) -> str:
        """The view that shows what the handlers want to see."""
        return "events" if any(map(self._takes, _LIFE)) else "default"

    def check(self, *, snapshots: bool, drops: bool) -> None:
        """Raise `UsageError` if there is no handler, or if none takes the markers this stream can yield."""
        if not self._handlers:
            raise UsageError("no handler: add one with @stream.on() before run() or start()")
        yields = [Gap] + [Snapshot] * snapshots + [Dropped] * drops
        missing = [kind.__name__ for kind in yields if not self._takes(kind)]
        if missing:
            raise UsageError(
                f"no handler takes {', '.join(missing)}, and without them a state that is kept would go wrong unnoticed: "
                f"add @stream.on({', '.join(missing)}), or say run(markers='ignore')"
            )

    def _takes(self, kind: type) -> bool:
        return any(types is not None and issubclass(kind, types) for types, _ in self._handlers)


class ExecutorTrouble(Exception):
    """The user's executor does not run what it is given. No callback has raised; the executor's own error is the `__cause__`."""


class Failure:
    """Owned by: the worker that fails first. Turns what went wrong, in a callback or an executor, into the stream's failure."""

    def __init__(self, fail: Callable[[StreamFailed], None]) -> None:
        self.error: Optional[StreamFailed] = None
        self._fail = fail

    def __call__(self, error: BaseException) -> None:
        if isinstance(error, ExecutorTrouble):
            self.error = StreamFailed(str(error))
            self.error.__cause__ = error.__cause__
        else:
            self.error = HandlerFailed(f"a callback raised {type(error).__name__}: {error}")
            self.error.__cause__ = error
        self._fail(self.error)


def _end(_item: Any, error: Exception) -> None:
    raise error
