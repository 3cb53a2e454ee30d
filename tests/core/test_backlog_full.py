"""Tests of core/backlog.py: what goes when it is full, and what is told of it."""

from __future__ import annotations

import pytest

from syncstream.core import backlog as module
from syncstream.core.backlog import Backlog
from syncstream.events import Connected, Disconnected, Dropped, Gap, Resynced, Snapshot

from .waiting import full, message, room_for


def test_without_healing_only_the_oldest_go() -> None:
    """One place is needed: one message goes, and its key is told in its place."""
    backlog = full(*(message(key, n) for n, key in enumerate("ABAB")), maxsize=4, heals=False)
    assert room_for(backlog, [message("A", 4)]) == ["A"]
    first, *rest = backlog.take(9)
    assert first == Dropped(key="A", count=1, at_ns=7)
    assert [m["number"] for m in rest] == [1, 2, 3, 4]
    assert backlog.tally().delivered == 5


def test_with_healing_all_of_a_lost_key_goes() -> None:
    """What waits of the key, and what comes with this batch, would follow a hole."""
    backlog = full(*(message(key, n) for n, key in enumerate("ABAB")), maxsize=4, heals=True)
    assert room_for(backlog, [message("A", 4), message("B", 5)]) == ["A"]
    assert backlog.take(9) == [Dropped(key="A", count=3, at_ns=7), message("B", 1), message("B", 3), message("B", 5)]
    assert backlog.tally().delivered == 4


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
    assert backlog.tally().delivered == 2


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
    assert (backlog.tally().dropped, backlog.tally().fallen, backlog.tally().delivered) == (0, 4, 2)


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
    assert backlog.tally().delivered == 9


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
    assert backlog.tally().delivered == 1


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
    assert backlog.tally().delivered == 3


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


def test_a_lost_snapshot_takes_its_key_along() -> None:
    """What follows it has nothing to stand on, so with healing it goes with it."""
    backlog = full(Snapshot(key="A"), message("B", 1), message("A", 1), maxsize=3, heals=True)
    assert room_for(backlog, [message("B", 2)]) == ["A"]
    assert backlog.take(9) == [Dropped(key="A", count=1, at_ns=7), message("B", 1), message("B", 2)]


def test_what_went_into_the_queue_is_not_told_again() -> None:
    """What stood ahead when items were given back is behind them; a later loss counts anew, and stands ahead."""
    items = [message("A", 1), Connected(), message("A", 2)]
    backlog = full(*items, maxsize=3, heals=False, view="events")
    in_hand = backlog.take_in_hand(1, 0.0)
    room_for(backlog, [message("A", 3), message("A", 4)])
    backlog.give_back([item for item, _, _ in in_hand])
    assert backlog.ahead == 0
    assert backlog.take(3) == [message("A", 1), Dropped(key="A", count=1, at_ns=7), Connected()]
    backlog.append([Disconnected()])
    new = [message("A", n) for n in (5, 6, 7)]
    room_for(backlog, new, at_ns=8)
    assert backlog.take(9) == [Dropped(key="A", count=2, at_ns=8), Disconnected(), *new]
    assert backlog.tally().delivered == 8
