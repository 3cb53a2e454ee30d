"""The table of `venues/README.md` has every adapter, and nothing is an adapter that was not run."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from typing import Any

from syncstream import Feed, venues

from .__main__ import README, holds
from .run import Result
from .sessions import SESSIONS


def adapters() -> set[str]:
    """All public functions of the venues' modules that return a feed."""
    found = set()
    for module in pkgutil.iter_modules(venues.__path__):
        place = importlib.import_module(f"syncstream.venues.{module.name}")
        for name, function in inspect.getmembers(place, inspect.isfunction):
            if not name.startswith("_") and function.__annotations__["return"] in ("Feed", Feed):
                found.add(f"{module.name}.{name}")
    return found


def test_every_adapter_is_in_the_table() -> None:
    """Each has a session that the table is made of, and a line there."""
    text = README.read_text(encoding="utf-8")
    assert {session.adapter for session in SESSIONS} == adapters()
    assert [name for name in adapters() if f"| `{name}` |" not in text] == []


def test_a_run_with_any_fault_does_not_hold() -> None:
    """A gap, a message quarantined or too few, a state that the ticker contradicts, a book that differs or was not compared."""
    good: dict[str, Any] = {"expected": 5, "messages": 5, "gaps": 0, "unhealed": 0, "quarantined": 0, "duplicates": 0}
    assert holds(Result(**good))
    assert holds(Result(**{**good, "messages": 3}, whole=True, compared=1))
    assert not holds(Result(**good, whole=True))
    for fault in ({"gaps": 1}, {"unhealed": 1}, {"quarantined": 1}, {"contradicted": 1}, {"whole": False}, {"messages": 4}):
        assert not holds(Result(**{**good, **fault}))
