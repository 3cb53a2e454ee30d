"""The table of `venues/README.md` has every adapter, and nothing is an adapter that was not run."""

from __future__ import annotations

from typing import Any

from .__main__ import NOT_RUN, holds, lines
from .adapters import adapters
from .run import Result
from .sessions import SESSIONS
from .speed import ENOUGH


def test_every_adapter_is_in_the_table() -> None:
    """Each with the session that its line was made of, or with the words that there is none."""
    shown = {session.adapter: session.capture for session in SESSIONS}
    assert set(shown) <= adapters()
    assert {name: line["session"] for name, line in lines().items()} == {
        name: shown.get(name, NOT_RUN) for name in sorted(adapters())
    }


def test_what_is_slow_says_why() -> None:
    """No line of less than 100,000 messages a second without a note; nothing that was not run has a figure."""
    for name, line in lines().items():
        if line["session"] == NOT_RUN:
            assert set(list(line.values())[2:]) == {""}, name
        else:
            assert int(line["messages/s"].replace(",", "")) >= ENOUGH or line["note"], name


def test_a_run_with_any_fault_does_not_hold() -> None:
    """A gap, a message quarantined or too few, a state that the ticker contradicts, a book that differs or was not compared."""
    good: dict[str, Any] = {"expected": 5, "messages": 5, "gaps": 0, "unhealed": 0, "quarantined": 0, "duplicates": 0}
    assert holds(Result(**good))
    assert holds(Result(**{**good, "messages": 3}, whole=True, compared=1))
    assert not holds(Result(**good, whole=True))
    assert holds(Result(**good, whole=True), compared=False)
    for fault in ({"gaps": 1}, {"unhealed": 1}, {"quarantined": 1}, {"contradicted": 1}, {"whole": False}, {"messages": 4}):
        assert not holds(Result(**{**good, **fault}))
