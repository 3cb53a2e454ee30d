"""What holds for all tests of this folder."""

from __future__ import annotations

import pytest

from syncstream import clock


@pytest.fixture(autouse=True)
def _no_wait_looks_again_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits come back every second (for Ctrl-C), and would hide that nobody woke them."""
    monkeypatch.setattr(clock, "_LONGEST", 3600.0)
