"""The user's callbacks: which one takes what. Any thread; registered before the workers start."""

from __future__ import annotations

from typing import Any, Callable, Optional, Union

from .errors import FeedError, UsageError
from .events import Connected, Dropped, Event, Gap, Snapshot

Handler = Callable[[Any], Any]
Types = Union[type, "tuple[type, ...]"]


class Handlers:
    """Owned by: the user's thread until `run` or `start`; read-only afterwards."""

    def __init__(self) -> None:
        self._handlers: list[tuple[Optional[tuple[type, ...]], Handler]] = []

    def add(self, types: tuple[type, ...], handler: Handler) -> None:
        """`handler` takes items of these types; with none given, every message that is not an `Event`."""
        for kind in types:
            if not isinstance(kind, type):
                raise FeedError("on", kind, "expected types: on(Trade), on(Snapshot, Gap), on() for every message")
        if not callable(handler):
            raise FeedError("on", handler, "expected a function to call")
        self._handlers.append((types or None, handler))

    def __call__(self, item: Any) -> None:
        """Call every handler that takes this item, in the order they were added."""
        marker = isinstance(item, Event)
        for types, handler in self._handlers:
            if (not marker) if types is None else isinstance(item, types):
                handler(item)

    @property
    def view(self) -> str:
        """The view that shows what the handlers want to see."""
        return "events" if self._takes(Connected) else "default"

    def check(self, *, snapshots: bool, drops: bool) -> None:
        """Raise `UsageError` unless somebody takes messages, and the markers this stream can yield."""
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
