"""Tests of core/backlog.py: order, views, what is counted, and what happens between the look and the drop."""

from __future__ import annotations

from itertools import combinations

import pytest

from syncstream.core.items import keys_of
from syncstream.events import Connected, Disconnected, Dropped, Event, Gap, Resynced

from .waiting import full, key_of, message, room_for

CHANGES = ("fix", "give_back", "clear")


def test_fixing_the_view_forgets_what_it_does_not_show() -> None:
    """What was kept for any view is reduced to the chosen one, and counts as if it had never come."""
    m = message("A", 1)
    backlog = full(Connected(), m, Resynced(key="A"), maxsize=10, heals=True, view=None)
    assert backlog.waiting == 1  # for code that asks before its first get
    gone = backlog.fix("default")
    assert gone[1] is m
    assert (backlog.waiting, backlog.depth, backlog.tally().received) == (1, 1, 1)
    assert backlog.take(9) == [m]
    assert backlog.tally().delivered == 1


@pytest.mark.parametrize(("view", "markers"), [("default", 1), ("events", 1), ("messages", 0)])
def test_drops_before_the_view_is_fixed(view: str, markers: int) -> None:
    """`Dropped` markers made before belong to the view, except where no state is kept."""
    backlog = full(message("A", 1), message("A", 2), maxsize=2, heals=False, view=None)
    room_for(backlog, [message("A", 3)])
    backlog.fix(view)
    items = backlog.take(9)
    assert [type(item) for item in items] == [Dropped] * markers + [dict, dict]
    assert backlog.tally().delivered == len(items)
    room_for(backlog, [message("A", n) for n in range(3)])
    assert backlog.ahead == markers


def test_what_waits_is_what_the_view_shows() -> None:
    """Markers of the life of the stream can be taken by who looks at events, so they wait."""
    assert full(Connected(), message("A", 1), maxsize=10, heals=True, view="events").waiting == 2


def test_markers_that_outlived_messages_are_of_the_view_too() -> None:
    """Of those before the queue stays what the view shows, in its place; the others count as if they had never come."""
    markers: list[Event] = [Connected(), gap := Gap(reason="reconnect"), Disconnected(), Connected()]
    views: dict[str, list[Event]] = {"default": [gap], "events": markers, "messages": []}
    for view, shows in views.items():
        backlog = full(*markers[:2], maxsize=2, heals=True, view=None)
        room_for(backlog, markers[2:])
        assert backlog.ahead == 2
        assert backlog.fix(view) == markers
        assert (backlog.waiting, backlog.tally().received) == (len(shows), len(shows))
        assert backlog.take(9) == shows
        assert backlog.tally().delivered == len(shows)


def test_what_the_view_does_not_show_never_comes_back() -> None:
    """A marker that outlives messages later is the one that is taken."""
    backlog = full(Disconnected(), Connected(), maxsize=2, heals=True, view=None)
    room_for(backlog, [gap := Gap(reason="reconnect"), message("A", 1)])
    backlog.fix("default")
    room_for(backlog, [message("A", 2)])
    assert backlog.take(9) == [gap, message("A", 1), message("A", 2)]


def test_the_greatest_depth_is_kept() -> None:
    """What was there at once, in the queue and in hand; what was taken since does not lower it."""
    backlog = full(message("A", 1), message("A", 2), message("A", 3), maxsize=9, heals=True)
    backlog.take_in_hand(1, 0.0)
    backlog.append([message("A", 4)])
    assert backlog.tally().high_water == 4
    backlog.take(3)
    backlog.append([message("A", 5)])
    assert backlog.tally().high_water == 4


def test_what_is_cleared_is_discarded() -> None:
    """All that waits, with what stands ahead of the queue; nothing of it can be taken, and it is let go of elsewhere."""
    backlog = full(connected := Connected(), message("A", 1), message("A", 2), maxsize=3, heals=False, view="events")
    room_for(backlog, [message("B", n) for n in range(2)])
    told = Dropped(key="A", count=1, at_ns=7)
    assert backlog.clear() == [told, connected, message("A", 2), message("B", 0), message("B", 1)]
    assert (backlog.ahead, backlog.waiting, backlog.depth) == (0, 0, 0)
    assert backlog.take(9) == []
    tally = backlog.tally()
    assert (tally.discarded, tally.delivered, tally.queued) == (5, 0, 0)


# --- between the look and the drop ---


def test_what_comes_after_the_end_is_counted_and_not_kept() -> None:
    """Nothing can be delivered any more: each item is received and discarded, and none waits."""
    backlog = full(message("A", 1), maxsize=2, heals=True)
    before = backlog.tally()
    backlog.refuse([message("A", 2), Gap(key="A"), message("B", 3)])
    after = backlog.tally()
    assert (after.received, after.discarded) == (before.received + 3, before.discarded + 3)
    assert (after.queued, backlog.take(9)) == (1, [message("A", 1)])
    assert backlog.tally().delivered == 1


@pytest.mark.parametrize("heals", [True, False])
def test_what_was_taken_since_the_look_is_not_dropped(heals: bool) -> None:
    """Consumers go on while the keys are found; then less has to go, or nothing."""
    for taken, expected in [(1, ["C"]), (2, [])]:
        backlog = full(message("A", 1), message("B", 1), message("C", 1), maxsize=3, heals=heals)
        backlog.take(1)
        backlog.append([message("D", 1)])
        batch = [message("E", 1), message("E", 2)]
        seen = backlog.look(batch)
        keys = keys_of(seen.items, key_of)
        backlog.take(taken)
        assert backlog.make_room(batch, seen, keys, 7) == expected
        assert backlog.depth == 3
        assert backlog.tally().delivered == 1 + taken
        waits = [message("B", 1), message("C", 1), message("D", 1), *batch][-3:]
        assert backlog.take(9) == [*(Dropped(key=key, count=1, at_ns=7) for key in expected), *waits]


@pytest.mark.parametrize("changes", [*combinations(CHANGES, 1), *combinations(CHANGES, 2)], ids=" and ".join)
def test_after_any_other_change_one_looks_again(changes: tuple[str, ...]) -> None:
    """The keys that were found are those of other places now, and a second change does not make up for the first."""
    backlog = full(message("A", 1), message("A", 2), maxsize=2, heals=True, view=None)
    in_hand = backlog.take(1)
    backlog.in_hand += 1
    batch = [message("B", n) for n in range(3)]
    seen = backlog.look(batch)
    for change in changes:
        if change == "fix":
            backlog.fix("default")
        elif change == "give_back":
            backlog.give_back(in_hand)
        else:
            backlog.clear()
    assert backlog.make_room(batch, seen, keys_of(seen.items, key_of), 7) is None


def test_a_look_that_was_too_short_is_repeated() -> None:
    """Workers took what was looked at, and it still counts: others must go, which nobody has looked at."""
    backlog = full(*(message("A", n) for n in range(4)), maxsize=4, heals=False)
    batch = [message("B", 1)]
    seen = backlog.look(batch)
    backlog.in_hand += len(backlog.take(2))
    assert backlog.make_room(batch, seen, keys_of(seen.items, key_of), 7) is None


def test_what_was_finished_since_the_look_makes_room() -> None:
    """Less has to go than was looked at, and only that goes."""
    backlog = full(*(message(key, 1) for key in "ABCD"), maxsize=4, heals=False)
    backlog.take_in_hand(1, 0.0)
    seen = backlog.look(batch := [message("E", 1), message("F", 1)])
    backlog.finish(1)
    assert backlog.make_room(batch, seen, keys_of(seen.items, key_of), 7) == ["B"]
    assert backlog.take(9) == [Dropped(key="B", count=1, at_ns=7), *(message(key, 1) for key in "CDEF")]
