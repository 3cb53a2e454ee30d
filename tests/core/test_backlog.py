"""Tests of core/backlog.py: order, views, what goes when it is full, and that every item is accounted for."""

from __future__ import annotations

from typing import Any, Hashable, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncstream.core import backlog as module
from syncstream.core.backlog import Backlog, falls, replaced
from syncstream.core.items import keys_of, shown
from syncstream.events import Connected, Disconnected, Dropped, Event, Gap, Resynced, Snapshot

KEYS = "ABC"


def key_of(message: dict[str, Any]) -> Hashable:
    key: Hashable = message["key"]
    return key


def message(key: Optional[str], number: int) -> dict[str, Any]:
    return {"key": key, "number": number} if key else {"number": number}


def room_for(backlog: Backlog, batch: list[Any], at_ns: int = 7) -> list[Hashable]:
    """`look` and `make_room`, with nobody in between."""
    seen = backlog.look(batch)
    lost = backlog.make_room(batch, seen, keys_of(seen.items, key_of), at_ns)
    assert lost is not None
    return lost


def full(*items: Any, maxsize: int, heals: bool, view: Optional[str] = "default", **options: Any) -> Backlog:
    backlog = Backlog(maxsize, heals=heals, **options)
    if view:
        backlog.fix(view)
    backlog.append(list(items))
    return backlog


def adds_up(backlog: Backlog) -> bool:
    t = backlog.tally()
    return t.received + t.marked == t.delivered + t.dropped + t.fallen + t.discarded + t.queued


# --- views ---


def test_fixing_the_view_forgets_what_it_does_not_show() -> None:
    """What was kept for any view is reduced to the chosen one, and counts as if it had never come."""
    m = message("A", 1)
    backlog = full(Connected(), m, Resynced(key="A"), maxsize=10, heals=True, view=None)
    assert backlog.waiting == 1  # for code that asks before its first get
    gone = backlog.fix("default")
    assert gone[1] is m
    assert (backlog.waiting, backlog.depth, backlog.tally().received) == (1, 1, 1)
    assert backlog.take(9) == [m]
    assert adds_up(backlog)


@pytest.mark.parametrize(("view", "markers"), [("default", 1), ("events", 1), ("messages", 0)])
def test_drops_before_the_view_is_fixed(view: str, markers: int) -> None:
    """`Dropped` markers made before belong to the view, except where no state is kept."""
    backlog = full(message("A", 1), message("A", 2), maxsize=2, heals=False, view=None)
    room_for(backlog, [message("A", 3)])
    backlog.fix(view)
    items = backlog.take(9)
    assert [type(item) for item in items] == [Dropped] * markers + [dict, dict]
    assert adds_up(backlog)
    room_for(backlog, [message("A", n) for n in range(3)])
    assert backlog.ahead == markers


# --- what goes ---


def test_without_healing_only_the_oldest_go() -> None:
    """One place is needed: one message goes, and its key is told in its place."""
    backlog = full(*(message(key, n) for n, key in enumerate("ABAB")), maxsize=4, heals=False)
    assert room_for(backlog, [message("A", 4)]) == ["A"]
    first, *rest = backlog.take(9)
    assert first == Dropped(key="A", count=1, at_ns=7)
    assert [m["number"] for m in rest] == [1, 2, 3, 4]
    assert adds_up(backlog)


def test_with_healing_all_of_a_lost_key_goes() -> None:
    """What waits of the key, and what comes with this batch, would follow a hole."""
    backlog = full(*(message(key, n) for n, key in enumerate("ABAB")), maxsize=4, heals=True)
    assert room_for(backlog, [message("A", 4), message("B", 5)]) == ["A"]
    assert backlog.take(9) == [Dropped(key="A", count=3, at_ns=7), message("B", 1), message("B", 3), message("B", 5)]
    assert adds_up(backlog)


def test_a_drop_of_healing_keys_frees_more_than_it_must() -> None:
    """One place in 16 is freed beyond the need, in whole keys, so that not every message costs a look through the queue."""
    backlog = full(*(message(f"k{n}", n) for n in range(64)), maxsize=64, heals=True)
    assert room_for(backlog, [message("new", 1)]) == [f"k{n}" for n in range(1 + 64 // module.SPARE)]


def test_drops_of_a_key_become_one_marker() -> None:
    """The marker keeps its place and the time of its first loss; its count grows."""
    backlog = full(*(message(key, n) for n, key in enumerate("ABA")), maxsize=3, heals=False)
    room_for(backlog, [message("C", 3), message("C", 4)], at_ns=1)
    room_for(backlog, [message("C", 5)], at_ns=2)
    assert backlog.take(2) == [Dropped(key="A", count=2, at_ns=1), Dropped(key="B", count=1, at_ns=1)]
    assert adds_up(backlog)


def test_a_batch_longer_than_the_queue() -> None:
    """Everything older goes, and the beginning of the batch."""
    backlog = full(message("A", 0), maxsize=3, heals=False)
    assert room_for(backlog, [message(key, n) for n, key in enumerate("ABBCC")]) == ["A", "B"]
    told, rest = backlog.take(2), backlog.take(9)
    assert told == [Dropped(key="A", count=2, at_ns=7), Dropped(key="B", count=1, at_ns=7)]
    assert [m["number"] for m in rest] == [2, 3, 4]
    assert backlog.tally().high_water == 3


def test_items_in_hand_leave_less_room() -> None:
    """With the whole bound in hand everything that comes is dropped, and told."""
    backlog = full(message("A", 1), message("A", 2), maxsize=2, heals=False)
    backlog.in_hand += len(backlog.take(2))
    assert room_for(backlog, [message("B", 1)]) == ["B"]
    assert backlog.take(9) == [Dropped(key="B", count=1, at_ns=7)]


def test_a_lost_snapshot_or_gap_is_covered() -> None:
    """A marker that changes the state is no message, but its key is told and healed; the life of a key goes untold."""
    markers = [Snapshot(key="A"), Gap(key="B"), Gap(key="C", healing=True), Resynced(key="D")]
    backlog = full(*markers, maxsize=4, heals=False, view="events")
    assert room_for(backlog, [message("E", n) for n in range(4)]) == ["A", "B"]
    assert backlog.take(2) == [Dropped(key="A", count=0, at_ns=7), Dropped(key="B", count=0, at_ns=7)]
    assert (backlog.tally().dropped, backlog.tally().fallen, adds_up(backlog)) == (0, 4, True)


def test_the_life_of_a_key_costs_no_messages() -> None:
    """`Resynced` is the oldest: it goes alone, its key keeps its messages."""
    backlog = full(Resynced(key="A"), message("A", 1), maxsize=2, heals=True, view="events")
    assert room_for(backlog, [message("A", 2)]) == []
    assert backlog.take(9) == [message("A", 1), message("A", 2)]


def test_markers_about_every_key_survive() -> None:
    """They outlive the messages before them, in their order, behind the `Dropped` of what they outlived."""
    markers = [Disconnected(), Connected(), Gap(reason="reconnect")]
    backlog = full(message("A", 1), *markers, message("A", 2), maxsize=5, heals=False, view="events")
    assert room_for(backlog, [message("B", n) for n in range(5)]) == ["A"]
    items = backlog.take(99)
    assert items[:4] == [Dropped(key="A", count=2, at_ns=7), *markers]
    assert len(items) == 9
    assert adds_up(backlog)


def test_markers_about_every_key_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest few survive; a lost `Gap` about every key is covered by a `Dropped` about every key."""
    monkeypatch.setattr(module, "KEPT", 2)
    backlog = full(Disconnected(), Connected(), maxsize=2, heals=True, view=None)
    assert room_for(backlog, [Gap(reason="reconnect"), Disconnected()]) == []
    assert backlog.tally().marked == 0
    assert room_for(backlog, [Connected(), Disconnected()]) == []
    assert (backlog.tally().fallen, backlog.tally().queued) == (2, 4)
    assert room_for(backlog, [Connected()]) == []
    assert backlog.take(1) == [Dropped(key=None, count=0, at_ns=7)]
    assert backlog.tally().queued == 4
    assert adds_up(backlog)


def test_messages_without_a_key_go_alone() -> None:
    """They are told under `None`, which nothing heals, and pull nothing down with them."""
    backlog = full(message(None, 1), message(None, 2), maxsize=2, heals=True)
    assert room_for(backlog, [message("A", 1)]) == []
    assert backlog.take(9) == [Dropped(key=None, count=1, at_ns=7), message(None, 2), message("A", 1)]


def test_where_everything_is_of_one_key_none_is_a_key_to_heal() -> None:
    """A feed without a key has one whole state: what is lost of it is told under `None`, and asked for again."""
    backlog = Backlog(2, heals=True, keyless=True)
    backlog.fix("default")
    backlog.append([message(None, 1), message(None, 2)])
    assert room_for(backlog, [message(None, 3)]) == [None]
    assert backlog.take(9) == [Dropped(key=None, count=1, at_ns=7), message(None, 2), message(None, 3)]


def test_a_drop_marker_in_the_queue_is_never_lost() -> None:
    """One that was given back becomes one with the marker ahead; it is not counted twice and heals nothing."""
    backlog = full(message("A", 1), message("B", 1), maxsize=2, heals=True)
    room_for(backlog, [message("B", 2)])
    in_hand = backlog.take(9)
    backlog.in_hand += 3
    backlog.give_back(in_hand)
    assert (backlog.ahead, backlog.depth) == (0, 3)
    assert room_for(backlog, [message("C", 1)]) == ["B"]
    assert backlog.take(9) == [Dropped(key="A", count=1, at_ns=7), Dropped(key="B", count=2, at_ns=7), message("C", 1)]
    assert adds_up(backlog)


def test_a_drop_marker_in_the_queue_harms_no_healed_key() -> None:
    """Its key has been healed behind it: when the marker must go ahead, snapshot and messages stay."""
    backlog = full(message("A", 1), message("B", 1), maxsize=2, heals=True)
    room_for(backlog, [message("B", 2)])
    backlog.in_hand += 1
    backlog.give_back(backlog.take(1))
    backlog.queue.pop()
    backlog.queue.pop()
    backlog.append([Snapshot(key="A")])
    assert room_for(backlog, [message("A", 5)]) == []
    assert backlog.take(9) == [Dropped(key="A", count=1, at_ns=7), Snapshot(key="A"), message("A", 5)]


def test_more_in_hand_than_the_bound() -> None:
    """Markers from ahead of the queue count in hand; with too many there all that comes is dropped, and nothing hangs."""
    backlog = full(message("A", 1), message("B", 1), maxsize=2, heals=False)
    room_for(backlog, [message("C", 1)])
    backlog.in_hand += len(backlog.take(9))
    assert backlog.depth == 3
    assert room_for(backlog, [message("D", 1)]) == ["D"]
    assert backlog.take(9) == [Dropped(key="D", count=1, at_ns=7)]


def test_given_back_items_stand_before_what_was_lost_meanwhile() -> None:
    """An older message may not follow the `Dropped` of its key: the hole between it and the next would be silent."""
    backlog = full(message("A", 1), message("A", 2), maxsize=2, heals=False)
    backlog.in_hand += len(in_hand := backlog.take(1))
    room_for(backlog, [message("A", 3)])
    backlog.give_back(in_hand)
    assert backlog.take(9) == [message("A", 1), Dropped(key="A", count=1, at_ns=7), message("A", 3)]


# --- conflate ---


def test_the_newest_of_each_key_stays() -> None:
    """In its place; one marker per key says how many it stands for, and what was not replaced is not touched."""
    items = [message("A", 1), message("B", 1), message("A", 2), message("C", 1), message("A", 3), message("B", 2)]
    backlog = full(*items, maxsize=6, heals=False, conflates=True)
    assert room_for(backlog, [message("C", 2)]) == ["A", "B", "C"]
    drops = [Dropped(key="A", count=2, at_ns=7), Dropped(key="B", count=1, at_ns=7), Dropped(key="C", count=1, at_ns=7)]
    assert backlog.take(9) == [*drops, message("A", 3), message("B", 2), message("C", 2)]
    assert (backlog.tally().dropped, adds_up(backlog)) == (4, True)


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
    assert adds_up(backlog)


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


# --- bytes ---


def test_the_oldest_go_until_the_bytes_fit() -> None:
    """Two of a hundred bytes wait, and the bound is 250: one of them makes room for another."""
    backlog = Backlog(10, heals=False, maxbytes=250)
    backlog.fix("default")
    backlog.append([message("A", 1), message("A", 2)], 1.0, [100, 100])
    batch = [message("A", 3)]
    seen = backlog.look(batch, 100)
    assert seen.items == [message("A", 1)]
    assert backlog.make_room(batch, seen, ["A"], 7, at=2.0, sizes=[100]) == ["A"]
    assert (backlog.size, backlog.tally().size, backlog.arrivals.oldest(2)) == (200, 200, 1.0)
    assert backlog.take(9) == [Dropped(key="A", count=1, at_ns=7), message("A", 2), message("A", 3)]


@pytest.mark.parametrize("conflates", [True, False])
def test_a_batch_is_never_too_big_for_an_empty_queue(conflates: bool) -> None:
    """All that waits goes, and no more: nothing could ever make room for a message above the bound."""
    backlog = Backlog(10, heals=False, maxbytes=50, conflates=conflates)
    backlog.fix("default")
    backlog.append([message("A", 1)], 1.0, [30])
    batch = [message("B", 1), message("B", 2)]
    seen = backlog.look(batch, 500)
    assert backlog.make_room(batch, seen, keys_of(seen.items, key_of), 7, at=2.0, sizes=[250, 250]) is not None
    drops = [Dropped(key="A", count=1, at_ns=7)] if not conflates else []
    left = backlog.take(9)
    assert left[-1] == message("B", 2)
    assert left[: len(drops)] == drops


def test_what_is_in_hand_has_bytes() -> None:
    """Until it is finished; what is given back has them in the queue again, and is as old as it was."""
    backlog = Backlog(10, heals=False)
    backlog.fix("default")
    sizes = [1, 20, 300, 4000]
    backlog.append([message("A", n) for n in range(4)], 1.0, sizes)
    assert backlog.take_in_hand(3, 9.0) == [(message("A", n), 1.0, sizes[n]) for n in range(3)]
    assert (backlog.in_hand, backlog.size) == (3, 4321)
    backlog.finish(1, 20)
    assert (backlog.in_hand, backlog.size) == (2, 4301)
    backlog.give_back([message("A", 0), message("A", 2)], 1.0, [1, 300])
    assert (backlog.in_hand, backlog.size, backlog.arrivals.oldest(3)) == (0, 4301, 1.0)
    assert backlog.arrivals.sizes(3, 3) == [1, 300, 4000]


def test_a_drop_that_was_given_back_has_no_bytes() -> None:
    """It stood ahead of the queue, and goes into it behind what comes back."""
    backlog = full(message("A", 1), message("B", 1), maxsize=2, heals=False)
    [(item, at, size)] = backlog.take_in_hand(1, 9.0)
    room_for(backlog, [message("C", 1)])
    assert backlog.ahead == 1
    backlog.give_back([item], at, [5])
    assert backlog.arrivals.sizes(len(backlog.queue), 2) == [5, 0]
    assert size == 0


def test_a_key_that_goes_as_a_whole_makes_room_in_bytes() -> None:
    """Its many small items are no substitute for the large ones of another key, which stand behind its first."""
    backlog = Backlog(1600, heals=True, maxbytes=1600)
    backlog.fix("default")
    backlog.append([message("A", 1), message("B", 1), message("B", 2)], 1.0, [1, 700, 700])
    backlog.append([message("A", n) for n in range(2, 102)], 2.0, [1] * 100)
    seen = backlog.look(batch := [message("C", 1), message("C", 2)], 700)
    lost = backlog.make_room(batch, seen, keys_of(seen.items, key_of), 7, at=3.0, sizes=[350, 350])
    assert lost == ["A", "B"]
    assert (backlog.size, len(backlog.queue)) == (700, 2)


def test_places_and_bytes_are_freed_together() -> None:
    """Where both are short, what goes makes room for both, and one of each key is enough where it has them."""
    backlog = Backlog(32, heals=True, maxbytes=1600)
    backlog.fix("default")
    items = [message(key, n) for n in range(16) for key in "AB"]
    backlog.append(items, 1.0, [40] * 32)
    seen = backlog.look(batch := [message("C", 1)], 400)
    lost = backlog.make_room(batch, seen, keys_of(seen.items, key_of), 7, at=3.0, sizes=[400])
    assert lost == ["A"]
    assert backlog.size == 16 * 40 + 400


def test_what_a_view_does_not_show_has_no_bytes() -> None:
    """When the view is fixed they go with it, and what stays keeps its moment."""
    backlog = Backlog(10, heals=False)
    backlog.append([Snapshot(key="A"), message("A", 1)], 1.0, [50, 7])
    backlog.append([message("A", 2)], 2.0, [30])
    backlog.fix("messages")
    assert backlog.size == 37
    assert [backlog.arrivals.oldest(waiting) for waiting in (2, 1)] == [1.0, 2.0]


# --- between the look and the drop ---


def test_what_comes_after_the_end_is_counted_and_not_kept() -> None:
    """Nothing can be delivered any more: each item is received and discarded, and none waits."""
    backlog = full(message("A", 1), maxsize=2, heals=True)
    before = backlog.tally()
    backlog.refuse([message("A", 2), Gap(key="A"), message("B", 3)])
    after = backlog.tally()
    assert (after.received, after.discarded) == (before.received + 3, before.discarded + 3)
    assert (after.queued, backlog.take(9)) == (1, [message("A", 1)])
    assert adds_up(backlog)


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
        assert adds_up(backlog)


@pytest.mark.parametrize("change", ["fix", "give_back", "clear"])
def test_after_any_other_change_one_looks_again(change: str) -> None:
    """The keys that were found are those of other places now."""
    backlog = full(message("A", 1), message("A", 2), maxsize=2, heals=True, view=None)
    in_hand = backlog.take(1)
    backlog.in_hand += 1
    batch = [message("B", n) for n in range(3)]
    seen = backlog.look(batch)
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


# --- properties ---

ITEMS = st.one_of(
    st.sampled_from([*KEYS, ""]),
    st.sampled_from(KEYS).map(lambda key: Snapshot(key=key)),
    st.sampled_from(KEYS).map(lambda key: Resynced(key=key)),
    st.sampled_from([Connected(), Gap(reason="reconnect")]),
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.lists(ITEMS, max_size=12)),
        st.tuples(st.just("take"), st.integers(1, 8)),
        st.tuples(st.just("hand"), st.tuples(st.integers(1, 8), st.integers(0, 8))),
    ),
    max_size=40,
)


class Consumer:
    """Owned by: one test. Holds the contract against what it is given: no hole without its marker, exact counts."""

    def __init__(self) -> None:
        self.last: dict[Optional[str], int] = {}
        self.missing: dict[Optional[str], int] = {}  # told and not yet seen as a hole
        self.taken = self.messages = 0

    def __call__(self, item: Any) -> None:
        self.taken += 1
        if isinstance(item, Dropped):
            key = item.key
            assert isinstance(key, (str, type(None)))
            self.missing[key] = self.missing.get(key, 0) + item.count
        elif not isinstance(item, Event):
            self.messages += 1
            key, number = item.get("key"), item["number"]
            assert number == self.last.get(key, 0) + self.missing.pop(key, 0) + 1
            self.last[key] = number


@given(maxsize=st.integers(1, 12), view=st.sampled_from(["default", "events"]), conflates=st.booleans(), steps=STEPS)
def test_every_message_is_delivered_told_or_waiting(
    maxsize: int, view: str, conflates: bool, steps: list[tuple[str, Any]]
) -> None:
    """Without healing: per key the numbers go on, or a `Dropped` before them says exactly how many are missing."""
    backlog = full(maxsize=maxsize, heals=False, view=view, conflates=conflates)
    consumer = Consumer()
    sent: dict[Optional[str], int] = {}
    received = 0
    for step, what in steps:
        if step == "put":
            batch = []
            for item in what:
                if isinstance(item, str):
                    key = item or None
                    sent[key] = sent.get(key, 0) + 1
                    item = message(key, sent[key])
                batch.append(item)
            batch = shown(batch, view)
            received += len(batch)
            room_for(backlog, batch)
        elif step == "take":
            for item in backlog.take(what):
                consumer(item)
        else:
            taken = backlog.take(what[0])
            backlog.in_hand += len(taken)
            for item in taken[: what[1]]:
                backlog.in_hand -= 1
                consumer(item)
            backlog.give_back(taken[what[1] :])
        assert backlog.in_hand == 0
        assert backlog.tally().delivered == consumer.taken
        # Drop markers that were given back stand in the queue, and count there until they are dropped or taken.
        assert backlog.depth <= maxsize + len(KEYS) + 1 + module.KEPT
        assert adds_up(backlog)
    for item in backlog.take(10_000):
        consumer(item)
    tally = backlog.tally()
    assert (tally.received, tally.queued, tally.delivered) == (received, 0, consumer.taken)
    assert received + tally.marked == consumer.taken + tally.dropped + tally.fallen
    assert sum(sent.values()) == consumer.messages + tally.dropped
    for key, number in sent.items():  # nothing is missing at the end that was not told
        assert number == consumer.last.get(key, 0) + consumer.missing.get(key, 0)


@given(maxsize=st.integers(1, 24), conflates=st.booleans(), steps=STEPS)
def test_a_dropped_key_is_silent_until_it_is_healed(maxsize: int, conflates: bool, steps: list[tuple[str, Any]]) -> None:
    """With healing: after its `Dropped` nothing of a key comes before a `Snapshot`, and no hole is ever silent."""
    backlog = full(maxsize=maxsize, heals=True, conflates=conflates)
    sent: dict[str, int] = {}
    waits: dict[Hashable, None] = {}  # for a snapshot: what the engine would know
    state: dict[str, Optional[int]] = {}  # at the consumer; None: it has been told of a loss
    taken = told = 0

    def consume(items: list[Any]) -> None:
        nonlocal taken, told
        for item in items:
            if isinstance(item, Dropped):
                told += item.count
                state[str(item.key)] = None
            elif isinstance(item, Snapshot):
                state[str(item.key)] = item.position
            else:
                taken += 1
                before = state.get(item["key"], 0)
                assert before is not None, "a message after a loss and before the snapshot"
                assert item["number"] == before + 1
                state[item["key"]] = item["number"]

    for step, what in steps:
        if step == "put":
            batch: list[Any] = []
            if backlog.depth * 2 < maxsize:
                batch = [Snapshot(key=key, position=sent[str(key)]) for key in waits]
                waits.clear()
            for key in what:
                if isinstance(key, str) and key and key not in waits:
                    sent[key] = sent.get(key, 0) + 1
                    batch.append(message(key, sent[key]))
            waits.update(dict.fromkeys(room_for(backlog, batch)))
        else:
            consume(backlog.take(what if step == "take" else what[0]))
        assert backlog.depth <= maxsize
        assert adds_up(backlog)
    consume(backlog.take(10_000))
    assert sum(sent.values()) == taken + told == taken + backlog.tally().dropped
    for key, number in sent.items():
        assert state[key] == (None if key in waits else number)


def test_a_marker_that_fell_alone_frees_one_place_only() -> None:
    """Its key may go after it; then its place is not reckoned twice."""
    items = [Resynced(key="A"), message("A", 1), message("B", 1), message("B", 2)]
    assert falls(items, ["A", "A", "B", "B"], 3, heals=True) == (3, {"A", "B"})


@given(
    items=st.lists(st.tuples(st.sampled_from("ABCD"), st.booleans()), min_size=5, max_size=30),
    need=st.integers(0, 12),
    heals=st.booleans(),
)
def test_falls_frees_what_is_needed_and_little_more(items: list[tuple[str, bool]], need: int, heals: bool) -> None:
    """Enough places are freed, and without the last key or item that went it would not have been enough."""
    things = [message(key, n) if matters else Resynced(key=key) for n, (key, matters) in enumerate(items)]
    keys: list[Optional[Hashable]] = [key for key, _ in items]
    at, purged = falls(things, keys, need, heals=heals)
    freed = at + sum(key in purged for key in keys[at:])
    assert freed >= min(need, len(items))
    assert heals or (at, purged) == (min(need, len(items)), set())
    if at:
        last = keys[at - 1]
        without = freed - (sum(key == last for key in keys) if last in purged else 1)
        assert without < need
