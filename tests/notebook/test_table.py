"""Tests of notebook/table.py: rows, typed columns and the index."""

from __future__ import annotations

import dataclasses
import sys
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple, Optional

import msgspec
import pytest

from syncstream.consumer import Stamped
from syncstream.core.aliases import Named
from syncstream.errors import FeedError, StreamClosed, UsageError
from syncstream.events import Gap, Snapshot
from syncstream.notebook import table

pandas = pytest.importorskip("pandas", reason="the extra 'pandas' is not installed")


class Trade(msgspec.Struct):
    symbol: str
    seq: int


@dataclasses.dataclass
class Tick:
    symbol: str
    seq: int


class Row(NamedTuple):
    symbol: str
    seq: int


@pytest.mark.parametrize("kind", [Trade, Tick, Row, lambda symbol, seq: {"symbol": symbol, "seq": seq}])
def test_every_kind_of_message_has_columns(kind: Any) -> None:
    """Structs, dataclasses, named tuples and mappings; and a snapshot shows its state."""
    found = table.frame([kind("ABC", 1), Snapshot(key="XYZ", state=kind("XYZ", 2))], table.keys(["ABC", "XYZ"]))
    assert list(found.columns) == ["symbol", "seq"]
    assert found.loc["XYZ", "seq"] == 2
    assert list(found["symbol"]) == ["ABC", "XYZ"]
    assert found.index.name == "key"


def test_a_named_message_shows_its_key_and_its_fields() -> None:
    """As they come where `Feed.alias` names the keys."""
    found = table.frame([Named("ABC", {"chan": 1}), Named("XYZ", {"chan": 2})], table.keys([1, 2]))
    assert list(found.columns) == ["key", "chan"]
    assert list(found["key"]) == ["ABC", "XYZ"]


def test_what_has_no_fields_is_one_column() -> None:
    """Text, bytes, numbers."""
    assert list(table.frame(["a", b"b", 5], table.keys([1, 2, 3]))["message"]) == ["a", b"b", 5]


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([1, 2, 3], "Int64"),
        ([1, None, 3], "Int64"),
        ([1, 2.5, None], "Float64"),
        ([True, False, None], "boolean"),
        (["99.90", "100.10", None], "string"),
        ([2**70, 1, 2], "object"),
        ([2**60 + 1, 0.5, 2], "object"),
        ([Decimal("1.5"), None, Decimal("2")], "object"),
        ([[1], [2], [3]], "object"),
        ([{"a": 1}, None, {}], "object"),
        ([1, "a", None], "object"),
        ([None, None, None], "object"),
        ([datetime(2024, 5, 1), None, datetime(2024, 5, 2)], "datetime64"),
    ],
)
def test_a_column_has_the_type_of_its_values(values: list[Any], dtype: str) -> None:
    """What is missing does not make a whole number a fraction, and nothing is rounded."""
    found = table.frame([{"x": value} for value in values], table.keys(range(3)))
    assert str(found["x"].dtype).split("[")[0] == dtype
    for value, cell in zip(values, found["x"]):
        assert cell == value or (value is None and (cell is None or pandas.isna(cell)))


def test_a_field_that_not_all_have_is_missing_in_the_others() -> None:
    """Messages of several kinds in one table."""
    found = table.frame([{"a": 1}, {"b": "x"}], table.keys(["A", "B"]))
    assert list(found.columns) == ["a", "b"]
    assert list(found.isna().values.tolist()) == [[False, True], [True, False]]


def test_moments_are_an_index_in_utc() -> None:
    """To the nanosecond."""
    index = table.times([1_714_564_800_000_000_007, 1_714_564_801_000_000_000])
    assert index.name == "received"
    assert str(index.tz) == "UTC"
    assert index[0].nanosecond == 7
    assert index.is_monotonic_increasing


def test_no_messages_are_an_empty_table() -> None:
    """With its index, so that code that goes on with it does not break."""
    found = table.frame([], table.times([]))
    assert (len(found), found.index.name, str(found.index.tz)) == (0, "received", "UTC")
    assert len(table.frame([], table.keys([]))) == 0


def test_keys_may_be_anything() -> None:
    """A tuple is one key, not several levels."""
    assert list(table.keys(["A", 5, ("B", 1)])) == ["A", 5, "('B', 1)"]


def test_without_pandas_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """The name of the extra."""
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(UsageError, match=r"pip install 'syncstream\[pandas\]'"):
        table.frame([], [])


class Source:
    """A stream whose next items are known."""

    _raised = False

    def __init__(self, *items: Any) -> None:
        self._items = list(items)

    def _get_stamped(self, timeout: Optional[float] = None) -> Stamped[Any]:
        if not self._items:
            raise StreamClosed
        return Stamped(self._items.pop(0), 0.0, 7)


@pytest.mark.parametrize("markers", [True, False])
def test_markers_left_out_are_counted(markers: bool, caplog: pytest.LogCaptureFixture) -> None:
    """By their kinds, in the table and in one warning; where there are none nothing is said."""
    told = [Gap(key="A"), Snapshot(key="A"), Gap(key="B")] if markers else []
    found = table.collect(Source({"seq": 1}, *told, {"seq": 2}), 5.0)
    assert list(found["seq"]) == [1, 2]
    assert found.attrs["markers"] == ({"Gap": 2, "Snapshot": 1} if markers else {})
    said = ["to_pandas() left out 3 markers (2 Gap, 1 Snapshot): the rows do not all follow each other"] if markers else []
    assert caplog.messages == said


@pytest.mark.parametrize("seconds", [-1, "5", True, float("inf"), float("nan")])
def test_a_time_that_is_none_is_refused(seconds: Any) -> None:
    """Before anything is taken."""
    stream: Any = None
    with pytest.raises(FeedError, match="seconds="):
        table.collect(stream, seconds)
