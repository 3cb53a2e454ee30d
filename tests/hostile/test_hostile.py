"""Every hostile server within its bounds: memory, time, one thing told, and a stream that goes on or ends as its policy says."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

import pytest

from tests.together import asked, together

from .__main__ import row, wrong
from .cases import CASES, MEBIBYTE, Case, Found, endless_body, run

GOOD = Found(["`ConnectFailed`: ws://localhost:1234/: upgrade: refused"], 0.5, False, 0.1, [], MEBIBYTE)
NAMED = {case.name: case for case in CASES}
JOBS = 3
CASE = Case("a refusal", endless_body, "`ConnectFailed`", recovers=False, seconds=1.0, memory=2 * MEBIBYTE)


@pytest.fixture(scope="module")
def outcomes(request: pytest.FixtureRequest) -> dict[str, Future[Found]]:
    """What came of the cases that this run of pytest will ask for. The longest is begun first."""
    names = sorted(asked(request, "name"), key=lambda name: -NAMED[name].seconds)
    return together(lambda name: run(NAMED[name]), names, jobs=JOBS)


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", NAMED)
def test_a_hostile_server(outcomes: dict[str, Future[Found]], name: str) -> None:
    """What it costs is bounded, what is told is one thing, and the rest is as the policy says."""
    assert wrong(NAMED[name], outcomes[name].result()) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"told": []},
        {"told": [*GOOD.told, "`Disconnected(code=1006)`"]},
        {"told": ["`Disconnected(code=1006)`"]},
        {"told_after": None},
        {"told_after": 1.5},
        {"memory": 3 * MEBIBYTE},
        {"recovered": True},
        {"closed_after": 3.0},
        {"left": ["syncstream-reader"]},
    ],
)
def test_each_bound_can_be_broken(changes: dict[str, Any]) -> None:
    """One thing out of bounds is one complaint."""
    assert wrong(CASE, GOOD) == []
    assert len(wrong(CASE, GOOD._replace(**changes))) == 1


def test_a_row_names_no_port() -> None:
    """It is another one each time."""
    assert row(CASE, GOOD) == ["a refusal", "1.0", "0.5", "over", "`ConnectFailed`: ws://.../: upgrade: refused"]
