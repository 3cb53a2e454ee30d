"""Messages as a pandas DataFrame: a column for each field, with its type; the time they came as the index. Needs pandas.

Whole numbers stay whole (`Int64`, which knows missing values), text is `string`, true and false `boolean`, decimals and dates
what pandas makes of them. A price that the venue sends as text stays text: to make it a number is to round it, which is the
user's decision (`frame.astype({"price": float})`).
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections import Counter
from datetime import datetime, timedelta
from typing import Any, Hashable, Mapping, Optional, Protocol, Sequence

import msgspec

from .. import clock
from ..consumer import Stamped
from ..core.aliases import Named
from ..errors import Empty, FeedError, StreamClosed, StreamFailed, UsageError
from ..events import Event, Snapshot
from ..logs import logger

_log = logger("syncstream.notebook")

_INT64 = (-(2**63), 2**63 - 1)
_EXACT = 2**53  # up to here a float holds every whole number


class Source(Protocol):
    """What this needs of a stream."""

    _raised: bool

    def _get_stamped(self, timeout: Optional[float] = None) -> Stamped[Any]: ...


def frame(messages: Sequence[Any], index: Any) -> Any:
    """A DataFrame with a row per message. `index`: what pandas takes for one."""
    pandas = _pandas()
    rows = [_fields(message) for message in messages]
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = {name: _column(pandas, [row.get(name) for row in rows]) for name in names}
    return pandas.DataFrame({name: pandas.Series(values, index=index) for name, values in columns.items()}, index=index)


def collect(stream: Source, seconds: float) -> Any:
    """The messages of the next `seconds`, indexed by when they came. What a failure leaves of them; the next call raises it."""
    _check(seconds)
    _pandas()  # before it takes anything
    messages: list[Any] = []
    markers: Counter[str] = Counter()
    moments: list[int] = []
    end = clock.now() + seconds
    try:
        with contextlib.suppress(Empty, StreamClosed):
            while True:
                stamped = stream._get_stamped(max(0.0, end - clock.now()))
                if isinstance(stamped.item, Event):
                    markers[type(stamped.item).__name__] += 1
                else:
                    messages.append(stamped.item)
                    moments.append(stamped.at_ns)
                if clock.now() >= end:
                    break
    except StreamFailed:
        if not messages:
            raise
        stream._raised = False  # it has reached nobody yet
    if markers:
        told = ", ".join(f"{count} {name}" for name, count in markers.items())
        _log.warning("to_pandas() left out %d markers (%s): the rows do not all follow each other", sum(markers.values()), told)
    found = frame(messages, times(moments))
    found.attrs["markers"] = dict(markers)
    return found


def _check(seconds: Any) -> None:
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 <= seconds < float("inf"):
        raise FeedError("seconds", seconds, "expected a number of seconds, zero or more")


def times(received_ns: Sequence[int]) -> Any:
    """The index of messages that came at these moments, ns since 1970: UTC."""
    return _pandas().DatetimeIndex(_pandas().to_datetime(list(received_ns), unit="ns", utc=True), name="received")


def keys(values: Sequence[Hashable]) -> Any:
    """The index of one row per key."""
    return _pandas().Index(
        [str(value) if isinstance(value, tuple) else value for value in values], name="key", tupleize_cols=False
    )


def _fields(message: Any) -> Mapping[str, Any]:
    if isinstance(message, Snapshot):
        return _fields(message.state)
    if isinstance(message, Named):
        return {"key": message.key, **_fields(message.message)}
    if isinstance(message, Mapping):
        return {str(name): value for name, value in message.items()}
    if isinstance(message, msgspec.Struct):
        return msgspec.structs.asdict(message)
    if dataclasses.is_dataclass(message) and not isinstance(message, type):
        return {field.name: getattr(message, field.name) for field in dataclasses.fields(message)}
    if hasattr(message, "_asdict"):
        found: Mapping[str, Any] = message._asdict()
        return found
    return {"message": message}


def _column(pandas: Any, values: list[Any]) -> Any:
    """The values with the narrowest type that holds them all, missing ones aside."""
    kinds = {type(value) for value in values if value is not None}
    if kinds == {bool}:
        return pandas.array(values, dtype="boolean")
    if kinds == {int} and all(value is None or _INT64[0] <= value <= _INT64[1] for value in values):
        return pandas.array(values, dtype="Int64")
    if float in kinds and kinds <= {int, float} and all(type(value) is not int or abs(value) <= _EXACT for value in values):
        return pandas.array(values, dtype="Float64")
    if kinds == {str}:
        return pandas.array(values, dtype="string")
    column = pandas.array(values, dtype=object)
    if kinds and all(issubclass(kind, (datetime, timedelta)) for kind in kinds):
        return pandas.Series(column).infer_objects().array
    return column


def _pandas() -> Any:
    try:
        import pandas
    except ImportError as error:
        raise UsageError("a table needs pandas: pip install 'syncstream[pandas]'") from error
    return pandas
