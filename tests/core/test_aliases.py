"""`core/aliases.py`: the table of ids that stand for keys on one connection."""

from __future__ import annotations

from typing import Any

import pytest

from syncstream.core.aliases import Aliases

# ---------------------------------------------------------------- the table


def tell(message: Any) -> Any:
    return message


def test_a_table_knows_what_it_was_told_last() -> None:
    """Until another connection begins; what was set aside before counts once."""
    aliases = Aliases(tell, 10)
    assert aliases.learn(None) == (None, False)
    assert aliases.learn((7, "A")) == ("A", False)
    aliases.missed(8)
    aliases.missed(8)
    assert aliases.learn((8, "B")) == ("B", True)
    assert aliases.learn((8, "C")) == ("C", False)
    assert aliases.keys == {7: "A", 8: "C"}
    aliases.missed(9)
    aliases.clear()
    assert aliases.keys == {}
    assert aliases.learn((9, "D")) == ("D", False)


@pytest.mark.parametrize(
    "told", [[7, "A"], "AB", (7,), (7, "A", 1), ([], "A"), (7, [])], ids=["list", "text", "one", "three", "id", "key"]
)
def test_what_is_no_pair_of_an_id_and_a_key(told: Any) -> None:
    """It is the user's mistake, and changes nothing."""
    aliases = Aliases(tell, 10)
    with pytest.raises(TypeError):
        aliases.learn(told)
    assert aliases.keys == {}


def test_ids_are_bounded() -> None:
    """The known and the unknown, each by what keys are bounded by."""
    for known in (True, False):
        aliases = Aliases(tell, 2)
        for name in range(3):
            assert not aliases.overfull
            if known:
                aliases.learn((name, "A"))
            else:
                aliases.missed(name)
        assert aliases.overfull
