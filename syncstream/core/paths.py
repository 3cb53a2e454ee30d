"""Where a value stands in a message: `"symbol"`, `"data.s"`, or a callable. Pure; made once per feed, called per message.

A getter raises `KeyError`, `AttributeError`, `TypeError` or `IndexError` (see `MISSING`) when the message has no such place.
Turning that into "no key" or "cannot be read" is the caller's business, off the hot path.
"""

from __future__ import annotations

import operator
import re
from typing import Any, Callable, Optional, Union

Getter = Callable[[Any], Any]
Path = Union[str, Getter]

MISSING = (KeyError, AttributeError, TypeError, IndexError)

_INDEX = re.compile(r"-?[0-9]+\Z")


def getter(path: Path, *, attributes: Optional[bool] = False) -> Getter:
    """A callable that finds `path` in a message.

    With `attributes` messages are objects, which may hold objects, mappings and lists. Without, all are mappings and lists. With
    `None` nobody knows.
    """
    if callable(path):
        return path
    names = path.split(".")
    if attributes is False:
        return _walk([_item(name) for name in names])
    mixed = _walk([_either(name) for name in names])
    if attributes is None or any(_INDEX.match(name) or hasattr(dict, name) or hasattr(list, name) for name in names[1:]):
        return mixed  # as an attribute it would never be there, or be a method
    plain = operator.attrgetter(path)
    if len(names) == 1:
        return plain

    def find(message: Any) -> Any:
        try:
            return plain(message)  # objects in objects: one call, twice as fast
        except AttributeError:
            return mixed(message)

    return find


def _walk(steps: list[Getter]) -> Getter:
    first, *rest = steps
    if not rest:
        return first

    def walk(message: Any) -> Any:
        value = first(message)
        for step in rest:
            value = step(value)
        return value

    return walk


def _item(name: str) -> Getter:
    """One name of a path. A number also indexes a list: `"bids.0.price"`."""
    if not _INDEX.match(name):
        return operator.itemgetter(name)
    index = int(name)

    def item(value: Any) -> Any:
        return value[index] if isinstance(value, (list, tuple)) else value[name]

    return item


def _either(name: str) -> Getter:
    """One name of a path, where there may be an object."""
    item, attribute = _item(name), operator.attrgetter(name)
    kinds = (dict, list, tuple) if _INDEX.match(name) else (dict, list)

    def either(value: Any) -> Any:
        return item(value) if isinstance(value, kinds) else attribute(value)

    return either
