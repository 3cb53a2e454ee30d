"""Where a value stands in a message: `"symbol"`, `"data.s"`, or a callable. Pure; made once per feed, called per message.

A getter raises `KeyError`, `AttributeError`, `TypeError` or `IndexError` (see `MISSING`) when the message has no such place.
Turning that into "no key" or "cannot be read" is the caller's business, off the hot path.
"""

from __future__ import annotations

import operator
from typing import Any, Callable, Union

Getter = Callable[[Any], Any]
Path = Union[str, Getter]

MISSING = (KeyError, AttributeError, TypeError, IndexError)


def getter(path: Path, *, attributes: bool = False) -> Getter:
    """A callable that finds `path` in a message. With `attributes` messages are objects, otherwise mappings and lists."""
    if callable(path):
        return path
    if attributes:
        return operator.attrgetter(path)
    first, *rest = (_step(name) for name in path.split("."))
    if not rest:
        return first

    def walk(message: Any) -> Any:
        value = first(message)
        for step in rest:
            value = step(value)
        return value

    return walk


def _step(name: str) -> Getter:
    """One name of a path. A number also indexes a list: `"bids.0.price"`."""
    if not name.lstrip("-").isdigit():
        return operator.itemgetter(name)
    index = int(name)

    def item(value: Any) -> Any:
        return value[index] if isinstance(value, (list, tuple)) else value[name]

    return item
