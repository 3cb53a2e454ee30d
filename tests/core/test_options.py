"""`core/options.py`: what an unknown option is told, and which numbers are times and counts."""

from __future__ import annotations

import math
from typing import Any, Callable

import pytest

from syncstream import Backoff, Contiguous, Feed, FeedError, Rest
from syncstream.core.options import check_count, check_seconds, shape


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda options: Feed("ws://venue.example", **options), "hearbeat=5: Feed has no such option; did you mean heartbeat=?"),
        (lambda options: Rest("https://venue.example/{key}", **options), "positon=<class 'str'>: Rest has no such option; did"),
        (lambda options: Contiguous("seq", **options), "zzz=1.5: Contiguous has no such option; it has: first, last, overlap"),
        (lambda options: Backoff(**options), "bas=True: Backoff has no such option; did you mean base=?"),
    ],
)
def test_an_unknown_option_is_named(make: Callable[[dict[str, Any]], object], said: str) -> None:
    """The field, the value unless it may be a secret, and the nearest name there is."""
    field = said.partition("=")[0]
    values = {"hearbeat": 5, "positon": "s3cret", "zzz": 1.5, "bas": True}
    with pytest.raises(FeedError) as caught:
        make({field: values[field]})
    assert str(caught.value).startswith(said)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(("value", "shown"), [(None, "None"), ("s3cr3t", "str"), (len, "len"), ({"a": 1}, "dict")])
def test_the_shape_of_what_is_sent(value: object, shown: str) -> None:
    """Never the value."""
    assert shape(value) == shown


def test_known_options_pass() -> None:
    """By position and by name, as for any struct."""
    assert Contiguous("U", last="u") == Contiguous("U", "u")


@pytest.mark.parametrize("value", [0, 0.0, -1, -math.inf, math.inf, math.nan, True, False, None, "1", 1j, [1]])
def test_what_is_no_time(value: object) -> None:
    """The error names the field and the value, and what was expected."""
    with pytest.raises(FeedError) as caught:
        check_seconds("every", value)
    assert str(caught.value) == f"every={value!r}: expected a number of seconds above zero"


@pytest.mark.parametrize("value", [0, -1, 1.0, math.inf, True, False, None, "1", [1]])
def test_what_is_no_count(value: object) -> None:
    """A whole number: not `1.0`, and `True` is none either."""
    with pytest.raises(FeedError) as caught:
        check_count("attempts", value)
    assert str(caught.value) == f"attempts={value!r}: expected a whole number above zero"


def test_times_and_counts_pass() -> None:
    """The least of each, and large ones."""
    for seconds in (1, 5e-324, 0.5, 1e300):
        check_seconds("every", seconds)
    for count in (1, 2, 10**30):
        check_count("attempts", count)
