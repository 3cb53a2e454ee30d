"""`core/counter.py`: numbers that are texts."""

from __future__ import annotations

import pytest

from syncstream.core.counter import Counter, Numbered, Outcome, countable
from syncstream.core.sequence import Chained


def test_each_of_them_is_looked_at() -> None:
    """A text first, and then what is neither text nor number."""
    countable("a", 5, ordered=False)
    with pytest.raises(TypeError, match="True"):
        countable("a", True, ordered=False)


def test_texts_may_start_anew_by_right() -> None:
    """Where they have no order."""
    counter = Counter("A", Chained("p", "n", ordered=False))
    for item in (Numbered("a", "b", "A", None, 0), Numbered("x", "y", "A", None, 0, reset=True)):
        assert counter.judge(item, 1.0, restart_after=3) is Outcome.NEXT
    assert counter.position == "y"
