"""What the lines of a `Sharded` show as one: `LatestOfAll`, `BooksOfAll`, and their status. Any thread.

Each key is on one line, so nothing has to be reconciled: whoever knows a key is asked.
"""

from __future__ import annotations

from typing import (
    Any,
    Generic,
    Hashable,
    ItemsView,
    Iterable,
    Iterator,
    Mapping,
    Optional,
    Sequence,
    TypeVar,
    Union,
    ValuesView,
    overload,
)

from .book import Book
from .books import Books
from .events import Snapshot, Status
from .views import Latest, T, Untyped

V = TypeVar("V")

_WORST_FIRST = ("failed", "connecting", "waiting", "syncing", "live", "closed")
_SUMS = (
    *("lines", "connects", "reconnects", "messages", "duplicates", "gaps", "healed", "unhealed", "snapshots", "dropped"),
    *("quarantined", "keyless", "late_answers", "held", "queued", "depth", "queued_bytes", "syncing"),
)


class _OfAll(Mapping[Hashable, V]):
    """Owned by: nobody; the parts are the streams' own and go on by themselves."""

    _parts: Sequence[Mapping[Hashable, V]]

    def __getitem__(self, key: Hashable) -> V:
        for part in self._parts:
            try:
                return part[key]
            except KeyError:
                continue
        raise KeyError(key)

    def __iter__(self) -> Iterator[Hashable]:
        return iter([key for part in self._parts for key in part])

    def __len__(self) -> int:
        return sum(map(len, self._parts))


class LatestOfAll(_OfAll[Any], Generic[T]):
    """Owned by: nobody. As `Latest`, of all lines. Called, it is one copy: each line's keys as they were at one moment."""

    def __init__(self, parts: Sequence[Latest[T]]) -> None:
        self._parts: Sequence[Latest[T]] = parts

    @overload
    def __call__(self: LatestOfAll[Untyped]) -> dict[Hashable, Any]: ...

    @overload
    def __call__(self) -> dict[Hashable, Union[T, Snapshot]]: ...

    def __call__(self) -> dict[Hashable, Any]:
        """A copy of all keys; it does not change any more."""
        return {key: value for part in self._parts for key, value in part.items()}

    @overload
    def __getitem__(self: LatestOfAll[Untyped], key: Hashable) -> Any: ...

    @overload
    def __getitem__(self, key: Hashable) -> Union[T, Snapshot]: ...

    def __getitem__(self, key: Hashable) -> Any:
        return super().__getitem__(key)

    def items(self) -> ItemsView[Hashable, Any]:
        return self().items()

    def values(self) -> ValuesView[Any]:
        return self().values()

    def live(self, key: Hashable) -> bool:
        """Whether this key is complete and current, as far as its line shows."""
        return any(part.live(key) for part in self._parts)

    def __repr__(self) -> str:
        return f"<latest of {len(self._parts)} lines: {len(self)} keys>"


class BooksOfAll(_OfAll[Book]):
    """Owned by: nobody. As `Books`, of all lines."""

    def __init__(self, parts: Sequence[Books]) -> None:
        self._parts: Sequence[Books] = parts

    @property
    def mismatches(self) -> int:
        """How many checksums were wrong."""
        return sum(part.mismatches for part in self._parts)

    @property
    def unreadable(self) -> int:
        """How many messages and snapshots could not be applied."""
        return sum(part.unreadable for part in self._parts)

    @property
    def checking(self) -> bool:
        """Whether checksums are looked at on every line."""
        return all(part.checking for part in self._parts)

    def __repr__(self) -> str:
        return f"<books of {len(self._parts)} lines: {len(self)} keys>"


def joined(parts: Sequence[Status]) -> Status:
    """The status of all lines as one: sums, and of what cannot be added the worst."""
    return Status(
        state=min((part.state for part in parts), key=_WORST_FIRST.index),
        lag=_longest(part.lag for part in parts),
        silence=_longest(part.silence for part in parts),
        high_water=max(part.high_water for part in parts),
        error="; ".join(dict.fromkeys(part.error for part in parts if part.error)),
        keys={key: value for part in parts for key, value in part.keys.items()},
        topics={topic: value for part in parts for topic, value in part.topics.items()},
        **{field: sum(getattr(part, field) for part in parts) for field in _SUMS},
    )


def _longest(spans: Iterable[Optional[float]]) -> Optional[float]:
    return max((span for span in spans if span is not None), default=None)
