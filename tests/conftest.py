"""What holds for every test: no thread outlives it, and hypothesis tries the same examples on every run."""

from __future__ import annotations

import threading
from typing import Iterator

import pytest
from hypothesis import HealthCheck, settings

from syncstream import turnstile
from syncstream.stream import streams
from tests.leaks import describe, threads_left

GRACE = 2.0
"""Seconds in which a thread that was told to end may still be on its way out."""

# The default: the same examples every time, and no verdict that depends on how busy the machine is.
settings.register_profile("ci", derandomize=True, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
# For a search by hand: new examples every time, and many of them (`pytest --hypothesis-profile=dev`).
settings.register_profile("dev", max_examples=1000, deadline=None, print_blob=True)
settings.load_profile("ci")


@pytest.fixture(autouse=True)
def _nothing_was_dialled() -> None:
    """The dials of other tests do not count: the budget of a host is one for the whole process."""
    turnstile._hosts.clear()


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    """Fail the test that leaves a thread behind.

    It is set up before the fixtures a test asks for and ends after them, so what they started has been stopped by then.
    Threads of fixtures with a wider scope were there before.
    """
    before = frozenset(threading.enumerate())
    yield
    left = threads_left(before, grace=GRACE)
    if left:
        for stream in streams():
            stream.close(GRACE)  # or what it does and logs would make others fail too
        pytest.fail(f"{len(left)} thread(s) left behind by this test\n{describe(left)}", pytrace=False)
