"""Tests of core/items.py: what each view shows, with its sizes, and which keys items have."""

from __future__ import annotations

from typing import Any, Hashable, Optional

import pytest

from syncstream.core.items import keys_of, shown, shown_sized
from syncstream.events import Connected, Dropped, Gap, Resynced, Snapshot


def key(message: dict[str, Any]) -> Hashable:
    found: Hashable = message["key"]
    return found


def test_what_each_view_shows() -> None:
    """Messages are in every view, state-bearing markers in two, the life of the stream in one."""
    m, s, c = {"key": "A", "number": 1}, Snapshot(key="A"), Connected()
    unhealed, healing = Gap(key="A"), Gap(key="A", healing=True)
    items = [c, s, m, healing, unhealed]
    assert shown(items, "messages") == [m]
    assert shown(items, "default") == [s, m, unhealed]
    assert shown(items, "events") == items
    assert shown(items, None) == items


def test_keys_of_messages_and_markers() -> None:
    """A marker has its own key; a message for which the user's function fails, or gives no key, has none."""
    items = [{"key": "A", "number": 1}, {"number": 2}, {"key": ["unhashable"]}, Gap(key="B"), Connected()]
    assert keys_of(items, key) == ["A", None, None, "B", None]
    assert keys_of(items[:1], key) == ["A"]
    assert keys_of(items[:2], key) == ["A", None]
    assert keys_of(items[2:3], key) == [None]
    assert keys_of([Gap(key="B"), "m"], lambda item: "of all") == ["B", "of all"]  # no marker is shown to it


@pytest.mark.parametrize(
    ("view", "sizes"),
    [(None, [1, 0, 20, 0]), ("events", [1, 0, 20, 0]), ("default", [1, 20, 0]), ("messages", [1, 20])],
)
def test_the_sizes_of_what_a_view_shows(view: Optional[str], sizes: list[int]) -> None:
    """Each stays with its item; where everything is shown they are what they were."""
    items = ["m1", Resynced(key="A", at_ns=0, position=1, replayed=0, seconds=0.0), "m20", Dropped(key="A", at_ns=0, count=1)]
    kept = shown(items, view)
    assert shown_sized(items, [1, 0, 20, 0], view) == (kept, sizes)
    assert shown_sized(items, None, view) == (kept, None)
    assert shown_sized(["m1", "m20"], [1, 20], view) == (["m1", "m20"], [1, 20])
