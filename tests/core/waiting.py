"""A backlog with something in it, and the look at it and the drop as they follow each other."""

from __future__ import annotations

from typing import Any, Hashable, Optional

from syncstream.core.backlog import Backlog
from syncstream.core.items import keys_of

KEYS = "ABC"


def key_of(message: dict[str, Any]) -> Hashable:
    key: Hashable = message["key"]
    return key


def message(key: Optional[str], number: int) -> dict[str, Any]:
    return {"key": key, "number": number} if key else {"number": number}


def room_for(backlog: Backlog, batch: list[Any], at_ns: int = 7, sizes: Optional[list[int]] = None) -> list[Hashable]:
    """`look` and `make_room`, with nobody in between."""
    seen = backlog.look(batch, sum(sizes or ()))
    lost = backlog.make_room(batch, seen, keys_of(seen.items, key_of), at_ns, sizes=sizes)
    assert lost is not None
    return lost


def full(*items: Any, maxsize: int, heals: bool, view: Optional[str] = "default", **options: Any) -> Backlog:
    backlog = Backlog(maxsize, heals=heals, **options)
    if view:
        backlog.fix(view)
    backlog.append(list(items))
    return backlog
