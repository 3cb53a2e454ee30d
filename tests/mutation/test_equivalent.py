"""The list of mutants that cannot be noticed: what it says, and what is refused in it."""

from __future__ import annotations

import pytest

from .equivalent import read


def test_a_reason_is_of_all_mutants_since_the_one_before() -> None:
    """By module and name; it may go over several lines, and remarks stand anywhere."""
    text = "# all of it\nline\nA: 1  =>  2\n\nA: 3  =>  4\n    one\n    two\nB: 5  =>  6\n# here\n    three\n"
    text += "sync\nA: 1  =>  2\n    four\n"
    assert read(text) == {
        "line": {"A: 1  =>  2": "one two", "A: 3  =>  4": "one two", "B: 5  =>  6": "three"},
        "sync": {"A: 1  =>  2": "four"},
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("A: 1  =>  2\n    why", "line 1 is out of place: 'A: 1  =>  2'"),
        ("    why", "line 1 is out of place: 'why'"),
        ("line\n    why", "line 2 is out of place: 'why'"),
        ("line\nA: 1  =>  2\nsync", "line 3 is out of place: 'sync'"),
        ("line\nA: 1  =>  2\n    why\n    A: 3  =>  4\nsync\n    why", "line 6 is out of place: 'why'"),
        ("line\nA: 1  =>  2", "the last line is out of place: 'A: 1  =>  2' has no reason"),
    ],
)
def test_what_is_out_of_place(text: str, said: str) -> None:
    """A mutant of no module, a mutant without a reason, a reason of nothing."""
    with pytest.raises(ValueError, match=f"^{said}$"):
        read(text)
