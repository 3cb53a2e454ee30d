"""Tests of timestamp.py: when the venue says it sent a message, in each unit."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest

from syncstream import Feed
from syncstream.timestamp import reader

NOON = 1_714_564_800  # 2024-05-01T12:00:00Z


def sent_ns(value: Any, unit: str) -> int:
    return reader("t", unit, dict, lambda field, function: function)({"t": value})


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (NOON, "s", NOON * 10**9),
        (NOON + 0.5, "s", NOON * 10**9 + 500_000_000),
        (NOON * 1000 + 7, "ms", NOON * 10**9 + 7_000_000),
        (NOON * 10**6 + 7, "us", NOON * 10**9 + 7_000),
        (NOON * 10**9 + 7, "ns", NOON * 10**9 + 7),
        (str(NOON * 1000), "ms", NOON * 10**9),
        ("2024-05-01T12:00:00.5Z", "iso", NOON * 10**9 + 500_000_000),
        ("2024-05-01T14:00:00+02:00", "iso", NOON * 10**9),
        ("2024-05-01T12:00:00", "iso", NOON * 10**9),
        (datetime(2024, 5, 1, 14, tzinfo=timezone(timedelta(hours=2))), "ms", NOON * 10**9),
        (datetime(2024, 5, 1, 12), "iso", NOON * 10**9),
    ],
)
def test_each_unit(value: Any, unit: str, expected: int) -> None:
    """Whole numbers exactly; text as numbers or by ISO 8601; what is a datetime already as it is, UTC if it does not say."""
    assert sent_ns(value, unit) == expected


@pytest.mark.parametrize(("value", "unit"), [("soon", "ms"), (None, "s"), ([], "ns"), ("yesterday", "iso"), (5, "iso")])
def test_what_is_no_time_raises(value: Any, unit: str) -> None:
    """It is for the reader to leave such a message out."""
    with pytest.raises((ValueError, TypeError, msgspec.ValidationError)):
        sent_ns(value, unit)


def test_where_it_stands() -> None:
    """A path into what `decode` makes, or a callable of the user's; a feed that names none has none."""

    class Trade(msgspec.Struct):
        T: int

    by_path = Feed("ws://venue.example/", decode=Trade, timestamp="T").sent_ns()
    assert by_path is not None
    assert by_path(Trade(T=NOON * 1000)) == NOON * 10**9
    watched: list[str] = []

    def watch(field: str, function: Any) -> Any:
        watched.append(field)
        return function

    feed = Feed("ws://venue.example/", timestamp=lambda message: message["data"][0], timestamp_unit="s")
    by_call = feed.sent_ns(watch)
    assert by_call is not None
    assert by_call({"data": [NOON]}) == NOON * 10**9
    assert watched == ["timestamp"]
    assert Feed("ws://venue.example/").sent_ns() is None
