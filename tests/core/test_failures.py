"""`core/failures.py`: the class of each failure, as its table says."""

from __future__ import annotations

import re

import pytest

from syncstream.core import failures
from syncstream.core.failures import WORDS, Failures, of_code, of_status, own
from syncstream.errors import Severity


@pytest.mark.parametrize(
    ("statuses", "severity"),
    [
        ((408, 425, 429, 500, 502, 503, 504, 522, 599), Severity.RETRY),
        ((100, 200, 204, 301, 302, 307, 308, 400, 401, 403, 404, 405, 407, 410, 426, 451, 499), Severity.FATAL),
    ],
)
def test_statuses(statuses: tuple[int, ...], severity: Severity) -> None:
    """Overload and the venue's own trouble pass; all else is a mistake of ours."""
    assert {of_status(status) for status in statuses} == {severity}


@pytest.mark.parametrize(
    ("codes", "severity"),
    [
        ((None, 1000, 1001, 1005, 1006, 1011, 1012, 1014, 3000, 3999, 4000, 4999), Severity.RETRY),
        ((1002, 1003, 1007, 1008, 1009, 1010, 1013, 1015), Severity.SLOW),
    ],
)
def test_close_codes(codes: tuple[int, ...], severity: Severity) -> None:
    """A normal end is no reason to wait long; a disagreement is."""
    assert {of_code(code) for code in codes} == {severity}


def test_every_code_of_the_rfc_has_a_class_in_the_table() -> None:
    """1000 to 1015, but 1004, which is reserved and never travels."""
    assert failures.__doc__ is not None
    rows = "".join(line for line in failures.__doc__.splitlines() if re.search(r"(RETRY|SLOW) ", line) and "10" in line)
    named = {int(code) for code in re.findall(r"\b1\d{3}\b", rows)} | set(range(1007, 1011))
    assert named == set(range(1000, 1016)) - {1004}


def test_every_word_stands_in_the_table() -> None:
    """What a feed may name is what is documented."""
    assert failures.__doc__ is not None
    assert set(re.findall(r'"([a-z]+)"', failures.__doc__)) == WORDS


def test_a_feeds_own_word_comes_first() -> None:
    """The first of the causes that it names; a missing status or cause is none."""
    mine: Failures = {401: Severity.RETRY, "dns": Severity.FATAL}
    assert own(mine, 401, "upgrade") is Severity.RETRY
    assert own(mine, None, "dns") is Severity.FATAL
    assert own(mine, 403, "upgrade") is None
    assert own({}, None, "") is None
