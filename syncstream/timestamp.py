"""When the venue says it sent a message: a path or a callable, and a unit, become message → nanoseconds since 1970. Pure."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any, Callable

import msgspec

from . import schema
from .core.paths import Path

UNITS = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1, "iso": 0}
"""Nanoseconds of one. A value that is a `datetime` already needs none; one without a time zone is taken for UTC."""


def reader(path: Path, unit: str, decode: Any, watch: Callable[[str, Any], Any]) -> Callable[[Any], int]:
    """The function for a feed's `timestamp`. It raises whatever it likes on a message that has none it can read."""
    find = watch("timestamp", path) if callable(path) else schema.field_getter(path, decode)
    scale = UNITS[unit]

    def sent_ns(message: Any) -> int:
        value = find(message)
        if isinstance(value, datetime):
            return _since_1970(value)
        if not scale:
            return _since_1970(msgspec.convert(value, datetime))
        if isinstance(value, int):
            return value * scale
        return round(float(value) * scale)

    return sent_ns


def _since_1970(moment: datetime) -> int:
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=timezone.utc)
    return round(moment.timestamp() * 1e6) * 1000
