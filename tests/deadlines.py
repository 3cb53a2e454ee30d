"""How a test checks that a call kept its time, on a machine that is busy with others. Used by tests, and tested by itself."""

from __future__ import annotations

import contextlib
from typing import Iterator

from syncstream.clock import now

SLACK = 5.0
"""Seconds that a busy machine may add to anything."""


@contextlib.contextmanager
def within(limit: float, *, rather_than: float) -> Iterator[None]:
    """Fail if the block takes longer than `limit` seconds and what a busy machine may add.

    `rather_than`: how long it would take if nobody kept that time (`inf`: for ever). That must be more than is allowed, else the
    test could not fail; it is checked first.
    """
    assert limit + SLACK < rather_than, f"{rather_than:g} s would pass too: give what hangs here more than {limit + SLACK:g} s"
    began = now()
    yield
    took = now() - began
    assert took < limit + SLACK, f"took {took:.2f} s, and {limit:g} s were allowed ({SLACK:g} more for a busy machine)"
