"""What is played side by side is what was asked for, and nothing of it is lost."""

from __future__ import annotations

import threading

import pytest

from .together import asked, together


@pytest.fixture
def names(request: pytest.FixtureRequest) -> list[str]:
    return asked(request, "name")


@pytest.mark.parametrize("other", ["x", "y"])
@pytest.mark.parametrize("name", ["b", "a"])
def test_this_file_asks_for_its_own(names: list[str], name: str, other: str) -> None:
    """Each value once, however often it is used."""
    assert name in names
    assert set(names) <= {"b", "a"}
    assert len(set(names)) == len(names)


def test_so_many_are_under_way_at_once() -> None:
    """Three wait for each other; with fewer jobs they would wait in vain."""
    meeting = threading.Barrier(3)
    found = together(lambda name: (name, meeting.wait(10.0))[0], "abc", jobs=3)
    assert {name: one.result() for name, one in found.items()} == {"a": "a", "b": "b", "c": "c"}


def test_what_one_raises_is_its_own() -> None:
    """The others have their results all the same."""
    found = together(lambda number: 6 // number, [0, 3], jobs=2)
    assert all(one.done() for one in found.values())
    assert found[3].result() == 2
    with pytest.raises(ZeroDivisionError):
        found[0].result()
