"""How long to wait: bounds for any attempt, full jitter, what the venue asked for, and policies that cannot be."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncstream.core.backoff import Backoff
from syncstream.errors import FeedError, Severity

SECONDS = st.floats(min_value=0, max_value=1e9)
CHANCE = st.floats(min_value=0, max_value=1, exclude_max=True)
ATTEMPT = st.integers(0, 100) | st.integers(0, 10**6) | st.just(10**30)
POLICY = st.builds(
    lambda base, more, stable: Backoff(base=base, maximum=base + more, stable_after=stable), SECONDS, SECONDS, SECONDS
)


@pytest.mark.parametrize(
    ("attempt", "expected"), [(0, 1), (1, 2), (2, 4), (3, 8), (4, 16), (5, 30), (6, 30), (1_024, 30), (10**6, 30)]
)
def test_the_ceiling_doubles_up_to_the_maximum(attempt: int, expected: float) -> None:
    """1, 2, 4, 8, 16, 30, 30: the millionth attempt is as harmless as the tenth."""
    assert Backoff().ceiling(attempt) == expected


def test_the_default_is_the_one_of_the_design() -> None:
    """From 1 s to 30 s, reset after ten seconds of data."""
    assert Backoff() == Backoff(base=1.0, maximum=30.0, stable_after=10.0)


@given(policy=POLICY, attempt=ATTEMPT, chance=CHANCE)
def test_every_wait_is_within_bounds(policy: Backoff, attempt: int, chance: float) -> None:
    """Between nothing and the ceiling, and the ceiling between base and maximum, for any attempt."""
    wait = policy.delay(attempt, chance)
    assert 0 <= wait <= policy.ceiling(attempt)
    assert policy.base <= policy.ceiling(attempt) <= policy.maximum
    assert policy.ceiling(attempt) <= policy.ceiling(attempt + 1) <= max(policy.maximum, 2 * policy.ceiling(attempt))


@given(policy=POLICY, attempt=ATTEMPT, chance=CHANCE)
def test_the_jitter_is_full(policy: Backoff, attempt: int, chance: float) -> None:
    """The wait is the same share of the ceiling as the dice say: the least is nothing at all."""
    assert policy.delay(attempt, 0.0) == 0.0
    assert policy.delay(attempt, chance) == pytest.approx(chance * policy.ceiling(attempt))


@given(policy=POLICY, attempt=ATTEMPT, chance=CHANCE, severity=st.sampled_from([Severity.SLOW, Severity.FATAL]))
def test_where_waiting_is_unlikely_to_help(policy: Backoff, attempt: int, chance: float, severity: Severity) -> None:
    """The longest wait each time, from the first attempt on; its jitter takes half of it at most."""
    wait = policy.delay(attempt, chance, severity=severity)
    assert policy.maximum / 2 <= wait <= policy.maximum
    assert wait == policy.delay(0, chance, severity=severity)


@given(policy=POLICY, attempt=ATTEMPT, chance=CHANCE, severity=st.sampled_from(Severity), after=SECONDS)
def test_what_the_venue_asked_for_is_the_least(
    policy: Backoff, attempt: int, chance: float, severity: Severity, after: float
) -> None:
    """`Retry-After` is respected, also past the maximum, and the jitter comes on top so that clients do not return as one."""
    wait = policy.delay(attempt, chance, severity=severity, retry_after=after)
    assert wait >= after
    assert wait == after + policy.delay(attempt, chance, severity=severity)


@pytest.mark.parametrize(
    ("failures", "elapsed", "why"),
    [
        (0, 0.0, ""),
        (4, 60.0, ""),  # the last moment and the last attempt that there are
        (5, 0.0, "max_attempts=5 are used up"),
        (6, 0.0, "max_attempts=5 are used up"),
        (0, 60.001, "max_elapsed=60 s are over"),
        (5, 61.0, "max_attempts=5 are used up"),
    ],
)
def test_when_there_is_no_further_attempt(failures: int, elapsed: float, why: str) -> None:
    """So many failures in a row, or more than so many seconds: whichever comes first, and it says which."""
    assert Backoff(max_attempts=5, max_elapsed=60.0).over(failures, elapsed) == why


@given(policy=POLICY, failures=ATTEMPT, elapsed=SECONDS)
def test_without_a_limit_it_goes_on_for_ever(policy: Backoff, failures: int, elapsed: float) -> None:
    """No number of failures and no time ends it; and of two limits, one that is not set never does."""
    assert policy.over(failures, elapsed) == ""
    assert Backoff(max_attempts=failures + 1).over(failures, elapsed) == ""
    assert Backoff(max_elapsed=elapsed + 1).over(failures, elapsed) == ""


@pytest.mark.parametrize("value", [0, -1, 1.0, True, "3"])
def test_a_number_of_attempts_that_cannot_be(value: Any) -> None:
    """A whole number above zero, or no limit."""
    with pytest.raises(FeedError, match=f"^max_attempts={value!r}: expected a whole number above zero$"):
        Backoff(max_attempts=value)


@pytest.mark.parametrize("value", [0, -1.0, math.inf, math.nan, True, "3"])
def test_a_time_that_cannot_be(value: Any) -> None:
    """A number of seconds above zero, or no limit."""
    with pytest.raises(FeedError, match=f"^max_elapsed={value!r}: expected a number of seconds above zero$"):
        Backoff(max_elapsed=value)


BAD: list[Any] = [-1, -0.001, math.inf, -math.inf, math.nan, True, False, None, "1", 1j, [1]]


@pytest.mark.parametrize("field", ["base", "maximum", "stable_after"])
@pytest.mark.parametrize("value", BAD)
def test_a_policy_that_cannot_be(field: str, value: Any) -> None:
    """Every number is finite and not negative; the error names the field and the value."""
    with pytest.raises(FeedError, match=r"a back-off needs a finite number of seconds, zero or more$") as caught:
        Backoff(**{field: value})
    assert str(caught.value).startswith(f"{field}=")
    assert caught.value.field == field
    assert caught.value.value is value


def test_a_maximum_below_the_base() -> None:
    """Two fields that contradict each other are both named."""
    with pytest.raises(FeedError, match=r"^maximum=2\.0: is below base=5\.0$"):
        Backoff(base=5.0, maximum=2.0)


def test_whole_numbers_and_no_wait_at_all_are_fine() -> None:
    """Zero is a policy: no wait."""
    assert Backoff(base=0, maximum=0, stable_after=0).delay(10**6, 0.9) == 0.0
    assert Backoff(base=2, maximum=2).delay(7, 0.5) == 1.0
    assert Backoff(max_attempts=1, max_elapsed=1).over(0, 1.0) == ""


def test_it_is_a_frozen_value() -> None:
    """Equal policies are equal, can be keys, and never change."""
    by_position: Any = Backoff
    assert hash(Backoff(base=2.0)) == hash(Backoff(base=2.0))
    with pytest.raises(AttributeError):
        Backoff().base = 3.0  # type: ignore[misc]
    with pytest.raises(TypeError):
        by_position(2.0)
    assert repr(Backoff()) == ("Backoff(base=1.0, maximum=30.0, stable_after=10.0, max_attempts=None, max_elapsed=None)")
