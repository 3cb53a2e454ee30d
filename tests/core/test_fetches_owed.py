"""`core/fetches.py`: answers over a line, which name no epoch: whose they are."""

from __future__ import annotations

from syncstream.core.fetches import Fetches
from syncstream.core.sync import State, Sync

LIMIT = 15.0


def withdrawn(times: int) -> Fetches:
    """So many requests of `A` that nobody waits for any more."""
    fetches = Fetches(4, LIMIT, frees=True)
    one = Sync("A", State.SYNCING, 0.0)
    for _ in range(times):
        fetches.want(one, 0.0)
        assert fetches.take(0.0) is one
        fetches.withdraw(one)
    return fetches


def test_answers_are_owed_to_what_was_withdrawn_one_each() -> None:
    """They come in order."""
    fetches = withdrawn(2)
    assert [fetches.owed("A", 1.0) for _ in range(3)] == [True, True, False]
    assert [withdrawn(2).owed("A", LIMIT), withdrawn(2).owed("B", 1.0)] == [False, False]


def test_nothing_is_owed_for_a_key_that_is_forgiven() -> None:
    """Its state came another way."""
    fetches = withdrawn(1)
    fetches.forgive("A")
    assert not fetches.owed("A", 1.0)


def test_nothing_is_owed_when_the_line_is_gone() -> None:
    """Whatever was asked there."""
    fetches = withdrawn(1)
    fetches.ended()
    assert not fetches.owed("A", 1.0)
