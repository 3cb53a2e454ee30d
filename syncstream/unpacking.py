"""The part of a `Feed` that is about frames: what they go through before they are decoded, and what is in one. Pure.

Fields, checks and what the engine is told of them. What they mean stands in `feed.Feed`; how it is done in `core.parts`.
"""

from __future__ import annotations

from typing import Any, Callable, Optional, Sequence, Union

from . import schema
from .core.options import Options
from .core.parts import NAMES, inflater
from .core.paths import MISSING, Path
from .errors import FeedError
from .urls import harmless

Split = Callable[[Any], Optional[Sequence[Any]]]


class Unpacking(Options, frozen=True, kw_only=True):
    """What `Feed` inherits."""

    transform: Union[str, Callable[[bytes], bytes], None] = None
    split: Union[bool, Path, None] = None


def check(unpacking: Unpacking, decode: Any) -> None:
    """Raise `FeedError` for what cannot work."""
    transform, split = unpacking.transform, unpacking.split
    if transform is not None and not callable(transform) and transform not in NAMES:
        known = ", ".join(map(repr, NAMES))
        raise FeedError("transform", transform, f"expected {known}, or a callable: bytes -> bytes")
    if split is None or callable(split):
        return
    if split is not True and not isinstance(split, str):
        raise FeedError("split", harmless(split), "expected True, a path such as 'data', or a callable: frame -> messages")
    if decode in (None, bytes, str):
        raise FeedError("split", split, f"a frame of decode={getattr(decode, '__name__', decode)} is no array; give a callable")
    if split is not True:
        schema.check_path("split", split, decode)
    kind = schema.message_type(decode, split)
    if isinstance(kind, schema.Parted) and not kind.splits:
        where = "a frame" if split is True else f"what stands at {split!r}"
        raise FeedError("split", split, f"{where} is never an array where decode={kind.__name__}")


def rules(unpacking: Unpacking, decode: Any, limit: int, watch: Callable[[str, Any], Any]) -> dict[str, Any]:
    """What the engine is told. `limit`: bytes of a message, unpacked."""
    transform, split = unpacking.transform, unpacking.split
    return {
        "transform": inflater(transform, limit) if isinstance(transform, str) else _watched("transform", transform, watch),
        "split": _splitter(split, decode, watch),
        "split_path": () if split is True else tuple(split.split(".")) if isinstance(split, str) else None,
    }


def _watched(field: str, function: Any, watch: Callable[[str, Any], Any]) -> Any:
    return None if function is None else watch(field, function)


def _splitter(split: Union[bool, Path, None], decode: Any, watch: Callable[[str, Any], Any]) -> Optional[Split]:
    if isinstance(split, bool):
        return lambda frame: frame if isinstance(frame, (list, tuple)) else None
    if not isinstance(split, str):
        found: Optional[Split] = _watched("split", split, watch)
        return found
    find = schema.field_getter(split, decode)

    def at_path(frame: Any) -> Optional[Sequence[Any]]:
        try:
            found = find(frame)
        except MISSING:  # it has no such place: a message itself
            return None
        return found if isinstance(found, (list, tuple)) else None

    return at_path
