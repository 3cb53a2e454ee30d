"""Items for a consumer, messages and markers among each other: what a view shows of them, and which keys they have. Pure."""

from __future__ import annotations

import contextlib
from itertools import compress
from typing import Any, Callable, Hashable, Optional, Sequence

from ..events import Event


def has_markers(items: list[Any]) -> bool:
    """Whether any of them is not a message."""
    if len(items) == 1:
        return isinstance(items[0], Event)
    return any(issubclass(kind, Event) for kind in set(map(type, items)))  # one look per type: the usual batch at C speed


def shown(items: list[Any], view: Optional[str]) -> list[Any]:
    """What a view shows of `items`. Before a view is fixed (`None`) that is everything."""
    if view is None or view == "events":
        return items
    if not has_markers(items):
        return items
    if view == "messages":
        return [item for item in items if not isinstance(item, Event)]
    return [item for item in items if not isinstance(item, Event) or item.in_default_view]


def shown_sized(
    items: list[Any], sizes: Optional[Sequence[int]], view: Optional[str]
) -> tuple[list[Any], Optional[Sequence[int]]]:
    """What a view shows of `items`, and the sizes of that. `sizes`: of all of them, if they are counted."""
    kept = shown(items, view)
    if sizes is None or len(kept) == len(items):
        return kept, sizes
    return kept, list(compress(sizes, [bool(shown([item], view)) for item in items]))


def keys_of(items: list[Any], key: Callable[[Any], Optional[Hashable]]) -> list[Optional[Hashable]]:
    """The key of each message and marker. `key` is the user's code: what it raises, or cannot be a key, means no key."""
    with contextlib.suppress(Exception):  # then one by one, to find out which
        if not has_markers(items):
            found = list(map(key, items))
            set(found)
            return found
    return [key_of(item, key) for item in items]


def key_of(item: Any, key: Callable[[Any], Optional[Hashable]]) -> Optional[Hashable]:
    """The key of one message or marker; `None` where `key` gives none that can be used."""
    if isinstance(item, Event):
        return item.key
    with contextlib.suppress(Exception):  # the loss of such a message is still counted and told
        found = key(item)
        hash(found)
        return found
    return None
