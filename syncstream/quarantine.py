"""What is done with an item at which a callback raised. On the worker that called it; the reader never waits for any of this.

`on_error` says it. Later callbacks still get the item, unless the stream ends:

    "raise"        the stream ends, and `run` or `join` raises `HandlerFailed`
    "log"          an error in the log, with its traceback; the stream goes on
    "quarantine"   the item is kept aside and counted, `Quarantined` tells of it, the first one is logged; the stream goes on
    a function     (item, exception) → one of these words; `None`: it has been dealt with. What it raises ends the stream

Not here: `SystemExit`, `KeyboardInterrupt` and the like, which always end it; frames that cannot be read (`core/order`).
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Any, Callable, Hashable, NamedTuple, Optional, Union

from . import clock
from .core.items import key_of
from .errors import FeedError
from .events import Quarantined
from .logs import logger

OnError = Union[str, Callable[[Any, Exception], Optional[str]]]

ANSWERS = ("raise", "log", "quarantine")
KEPT = 16
"""So many items are kept aside, the last ones."""

_EXPECTED = ", ".join(map(repr, ANSWERS))
_log = logger("syncstream.quarantine")


class SetAside(NamedTuple):
    """An item at which a callback failed, its key, and what was raised, with its traceback."""

    item: Any
    key: Optional[Hashable]
    error: Exception


class Quarantine:
    """Owned by: the workers, under `self._lock`. Does what `on_error` says, and keeps what was set aside."""

    def __init__(self, *, key: Callable[[Any], Optional[Hashable]], tell: Callable[[Quarantined], None]) -> None:
        """`tell` puts a marker into the order of the stream."""
        self.count = 0
        self._on_error: OnError = "raise"
        self._key = key
        self._tell = tell
        self._lock = threading.Lock()  # guards: count, _kept
        self._kept: deque[SetAside] = deque()

    def use(self, on_error: OnError) -> None:
        """From now on. Raises `FeedError` for what says nothing."""
        if not callable(on_error) and on_error not in ANSWERS:
            raise FeedError("on_error", on_error, f"expected {_EXPECTED}, or a function: item, exception")
        self._on_error = on_error

    @property
    def kept(self) -> tuple[SetAside, ...]:
        """The last ones, oldest first."""
        with self._lock:
            return tuple(self._kept)

    def __call__(self, item: Any, error: Exception) -> None:
        """A callback raised `error` at `item`. Raises it, or what `on_error` raises, if the stream is to end."""
        answer = self._on_error(item, error) if callable(self._on_error) else self._on_error
        if answer == "log":
            _log.error("%s, at %s; the stream goes on", _raised(error), _kind(item), exc_info=error)
        elif answer == "quarantine":
            self._set_aside(item, error)
        elif answer == "raise":
            raise error
        elif answer is not None:
            raise FeedError("on_error", answer, f"the function returns {_EXPECTED}, or None") from error

    def _set_aside(self, item: Any, error: Exception) -> None:
        key = key_of(item, self._key)  # the user's code, so not under the lock
        with self._lock:
            self.count += 1
            first = self.count == 1
            self._kept.append(SetAside(item, key, error))
            gone = self._kept.popleft() if len(self._kept) > KEPT else None  # its finalizers do not run under the lock
        del gone
        if first:
            _log.error("%s, at %s, the first of perhaps many; it is kept aside", _raised(error), _kind(item), exc_info=error)
        if not isinstance(item, Quarantined):  # a callback that fails at these would never come to an end
            self._tell(Quarantined(key=key, reason=f"{_raised(error)}: {error}", at_ns=clock.wall_ns()))


def _raised(error: Exception) -> str:
    return f"a callback raised {type(error).__name__}"


def _kind(item: Any) -> str:
    """What a log may say of an item: its type. Its fields may be nobody else's business."""
    return f"an item of type {type(item).__name__}"
