"""Tests that mostly wait: what they ask for is played side by side, before the first of them, and each looks at its own.

Only what pytest was asked for is played: `pytest -k` of one plays one.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Callable, Iterable, TypeVar

import pytest

Name = TypeVar("Name")
Found = TypeVar("Found")


def asked(request: pytest.FixtureRequest, argument: str) -> list[str]:
    """Which values of this argument the tests of this file will be called with in this run, each once, in order."""
    tests = [item for item in request.session.items if isinstance(item, pytest.Function) and item.path == request.path]
    arguments = [test.callspec.params for test in tests if hasattr(test, "callspec")]
    return list(dict.fromkeys(str(values[argument]) for values in arguments if argument in values))


def together(play: Callable[[Name], Found], names: Iterable[Name], *, jobs: int) -> dict[Name, Future[Found]]:
    """What became of each, so many at a time, begun in this order. All have ended; `result()` raises what one has raised."""
    with ThreadPoolExecutor(jobs) as pool:
        return {name: pool.submit(play, name) for name in names}
