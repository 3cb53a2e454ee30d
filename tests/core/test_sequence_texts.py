"""`core/sequence.py`: positions that are texts, and what the rules refuse."""

from __future__ import annotations

from typing import Any

import pytest

from syncstream.core.sequence import Chained, Verdict
from syncstream.errors import FeedError


def test_texts_have_no_order() -> None:
    """What names another one before it does not follow, whatever it would be in a dictionary."""
    rule = Chained("p", "n", ordered=False)
    assert rule.judge("m", "a", "b") is Verdict.HOLE
    assert rule.judge("m", "a", "m") is Verdict.DUPLICATE
    assert rule.judge("m", "m", "a") is Verdict.NEXT


def test_what_a_chain_refuses() -> None:
    """With the field, the value, and what was expected."""
    wrong: Any = "yes"
    with pytest.raises(FeedError, match=r"ordered.*expected True or False$"):
        Chained("p", "n", ordered=wrong)
    with pytest.raises(FeedError, match=r"reset.*expected a callable: message -> whether the numbers start anew there$"):
        Chained("p", "n", reset=wrong)
