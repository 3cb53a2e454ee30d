"""Tests of core/backlog.py: where the newest of each key is enough."""

from __future__ import annotations

from typing import Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncstream.core.backlog import Backlog, replaced
from syncstream.events import Connected, Dropped, Gap, Snapshot

from .waiting import KEYS, full, message, room_for


def test_the_newest_of_each_key_stays() -> None:
    """In its place; one marker per key says how many it stands for, and what was not replaced is not touched."""
    items = [message("A", 1), message("B", 1), message("A", 2), message("C", 1), message("A", 3), message("B", 2)]
    backlog = full(*items, maxsize=6, heals=False, conflates=True)
    assert room_for(backlog, [message("C", 2)]) == ["A", "B", "C"]
    drops = [Dropped(key="A", count=2, at_ns=7), Dropped(key="B", count=1, at_ns=7), Dropped(key="C", count=1, at_ns=7)]
    assert backlog.take(9) == [*drops, message("A", 3), message("B", 2), message("C", 2)]
    assert (backlog.tally().dropped, backlog.tally().delivered) == (4, 6)


def test_up_to_the_bound_nothing_is_replaced() -> None:
    """A consumer that keeps up sees every message."""
    backlog = full(message("A", 1), message("A", 2), maxsize=3, heals=False, conflates=True)
    assert room_for(backlog, [message("A", 3)]) == []
    assert backlog.take(9) == [message("A", 1), message("A", 2), message("A", 3)]


def test_with_a_source_the_newest_is_the_snapshot_to_come() -> None:
    """A message cannot be joined to what it does not follow: of a key with several items all goes, and its key is named."""
    items = [message("A", 1), message("B", 1), message("A", 2), Snapshot(key="C")]
    backlog = full(*items, maxsize=4, heals=True, conflates=True)
    assert room_for(backlog, [message("D", 1)]) == ["A"]
    assert backlog.take(9) == [Dropped(key="A", count=2, at_ns=7), message("B", 1), Snapshot(key="C"), message("D", 1)]
    assert backlog.tally().delivered == 4


def test_a_snapshot_is_as_new_as_a_message() -> None:
    """One in the stream's own order replaces what was before it; what it is not replaced by is what came after."""
    m, s, g = message("A", 1), Snapshot(key="A", position=2), Gap(key="A")
    backlog = full(m, g, s, maxsize=3, heals=False, conflates=True)
    assert room_for(backlog, [message("B", 1)]) == ["A"]
    assert backlog.take(9) == [Dropped(key="A", count=1, at_ns=7), s, message("B", 1)]
    backlog = full(s, message("A", 3), g, maxsize=3, heals=False, conflates=True)
    assert room_for(backlog, [message("B", 1)]) == ["A"]
    assert backlog.take(9) == [Dropped(key="A", count=0, at_ns=7), message("A", 3), g, message("B", 1)]


@pytest.mark.parametrize("heals", [True, False])
def test_more_keys_than_places(heals: bool) -> None:
    """When nothing is left to replace the oldest go, as without conflation."""
    backlog = full(*(message(key, 1) for key in "ABCD"), maxsize=4, heals=heals, conflates=True)
    assert room_for(backlog, [message("E", 1), message("F", 1)]) == ["A", "B"]
    drops = [Dropped(key="A", count=1, at_ns=7), Dropped(key="B", count=1, at_ns=7)]
    assert backlog.take(9) == [*drops, *(message(key, 1) for key in "CDEF")]


def test_without_a_key_in_the_feed_all_is_one_key() -> None:
    """The newest message of the stream stays, and the markers about it; a message that should have a key and has none does."""
    backlog = full(message(None, 1), Connected(), message(None, 2), maxsize=3, heals=False, conflates=True, keyless=True)
    assert room_for(backlog, [message(None, 3)]) == [None]
    assert backlog.take(9) == [Dropped(key=None, count=2, at_ns=7), Connected(), message(None, 3)]
    backlog = full(message(None, 1), message(None, 2), maxsize=2, heals=False, conflates=True)
    assert room_for(backlog, [message("A", 1)]) == []
    assert backlog.take(9) == [Dropped(key=None, count=1, at_ns=7), message(None, 2), message("A", 1)]


@pytest.mark.parametrize("conflates", [True, False])
def test_a_snapshot_of_everything_does_not_outlive_what_followed_it(conflates: bool) -> None:
    """A feed without keys: behind the snapshot and before the next message there would be a hole that nobody told."""
    items = [Snapshot(position=1), message(None, 2), message(None, 3)]
    backlog = full(*items, maxsize=3, heals=False, conflates=conflates, keyless=True)
    assert room_for(backlog, [message(None, 4), message(None, 5)]) == [None]
    left = [message(None, 5)] if conflates else [message(None, 3), message(None, 4), message(None, 5)]
    assert backlog.take(9) == [Dropped(key=None, count=3 if conflates else 1, at_ns=7), *left]


@given(st.lists(st.sampled_from([*KEYS, None]), max_size=20), st.booleans(), st.booleans())
def test_what_is_replaced(letters: list[Optional[str]], heals: bool, keyless: bool) -> None:
    """Without healing exactly the newest of each key is left; with it, what was alone."""
    items = [message(letter, number) for number, letter in enumerate(letters)]
    left = [item for place, item in enumerate(items) if place not in replaced(items, list(letters), heals=heals, keyless=keyless)]
    for letter in {*letters}:
        of_key = [item for item in items if item.get("key") == letter]
        expected = of_key[-1:] if not heals else of_key if len(of_key) == 1 else []
        assert [item for item in left if item.get("key") == letter] == (of_key if letter is None and not keyless else expected)


def test_a_gap_without_a_source_goes_alone() -> None:
    """It is the oldest where too many keys wait; the message of its key does not need it, for nothing is joined to it."""
    backlog = full(Gap(key="A"), message("A", 1), message("B", 1), maxsize=3, heals=False, conflates=True)
    assert room_for(backlog, [message("C", 1)]) == ["A"]
    assert backlog.take(9) == [Dropped(key="A", count=0, at_ns=7), message("A", 1), message("B", 1), message("C", 1)]


def test_what_is_replaced_may_be_enough() -> None:
    """Then no other key loses anything, whatever a drop would free beyond the need."""
    keys = [f"k{n}" for n in range(30)]
    items = [*(message(key, 1) for key in keys), message("A", 1), message("A", 2)]
    backlog = full(*items, maxsize=32, heals=True, conflates=True)
    assert room_for(backlog, [message("B", 1)]) == ["A"]
    assert backlog.depth == 31


def test_the_oldest_go_where_the_newest_have_too_many_bytes() -> None:
    """Nothing could be replaced, and there are places enough."""
    backlog = Backlog(10, heals=False, conflates=True, maxbytes=100)
    backlog.fix("default")
    backlog.append([message("A", 1), message("B", 1)], 1.0, [40, 40])
    assert room_for(backlog, [message("C", 1)], sizes=[40]) == ["A"]
    assert (backlog.size, backlog.depth) == (80, 2)
