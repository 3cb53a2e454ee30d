"""What the venue answers to a plain HTTP request."""

from __future__ import annotations

import json

import pytest

from syncstream.testing.answers import error, failed, phrase, snapshot

GOOD = snapshot({"symbol": "ABC", "version": 17}, after=0.5)


def test_a_snapshot_is_json() -> None:
    """Status 200, and the body as it was given."""
    assert (GOOD.status, json.loads(GOOD.body), GOOD.after) == (200, {"symbol": "ABC", "version": 17}, 0.5)


def test_an_error_says_why() -> None:
    """A JSON body with the reason, and the headers that belong to the status."""
    assert json.loads(error(404, "there is no 'Q'").body) == {"error": "there is no 'Q'"}
    assert error(429, "slow down", retry_after=1.5).headers == {"Retry-After": "1.5"}
    assert error(401, "who are you").headers == {"WWW-Authenticate": "Bearer"}


def test_a_failing_snapshot_with_a_status() -> None:
    """The status, Retry-After if asked for, and as late as the good one would have been."""
    answer = failed(GOOD, 503, 2)
    assert (answer.status, answer.headers, answer.after) == (503, {"Retry-After": "2"}, 0.5)


@pytest.mark.parametrize("how", ["html", "truncated"])
def test_a_failing_snapshot_that_looks_well(how: str) -> None:
    """Status 200, but no JSON."""
    answer = failed(GOOD, how, None)
    assert answer.status == 200
    with pytest.raises(json.JSONDecodeError):
        json.loads(answer.body)


def test_a_snapshot_that_is_cut() -> None:
    """The body is whole; it is the sending that ends in the middle."""
    answer = failed(GOOD, "cut", None)
    assert (answer.body, answer.cut) == (GOOD.body, True)


def test_every_status_has_a_phrase() -> None:
    """Also one that nobody has registered."""
    assert (phrase(503), phrase(599)) == ("Service Unavailable", "Unknown")
