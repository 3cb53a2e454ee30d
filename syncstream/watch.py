"""Keeps an eye on the user's callables that run on the reader thread: who holds up the line is named in the log."""

from __future__ import annotations

import time
from typing import Any, Callable

from .logs import logger

_log = logger("syncstream.reader")
_SLOW_CALL = 0.05


def watched(field: str, function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The same callable; one that takes more than 50 ms is named in the log."""

    def watching(message: Any) -> Any:
        began = time.perf_counter()
        try:
            return function(message)
        finally:
            took = time.perf_counter() - began
            if took > _SLOW_CALL:
                _log.warning("%s= took %.0f ms on the reader thread; nothing was received meanwhile", field, took * 1e3)

    watching.__name__ = getattr(function, "__name__", field)
    return watching
