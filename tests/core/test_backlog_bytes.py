"""Tests of core/backlog.py: the bytes of what waits, and what goes when they are too many."""

from __future__ import annotations

from typing import Any

import pytest

from syncstream.core.backlog import Backlog, falls
from syncstream.core.items import keys_of
from syncstream.events import Dropped, Resynced, Snapshot

from .waiting import full, key_of, message, room_for


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


def test_a_marker_ahead_of_the_queue_has_no_bytes_in_hand() -> None:
    """It was made here, at the moment it is taken; what is taken with it has its own, and nothing more counts."""
    backlog = Backlog(3, heals=False)
    backlog.fix("default")
    backlog.append([message("A", n) for n in range(3)], 1.0, [10, 20, 30])
    room_for(backlog, [message("A", 3)], sizes=[40])
    told = Dropped(key="A", count=1, at_ns=7)
    assert backlog.take_in_hand(2, 9.0) == [(told, 9.0, 0), (message("A", 1), 1.0, 20)]
    backlog.finish(2, 20)
    assert (backlog.in_hand, backlog.size) == (0, 70)


def test_between_what_stays_bytes_go_too() -> None:
    """With what a view does not show, and with a key that goes as a whole: what is left has its own."""
    backlog = Backlog(10, heals=False)
    backlog.append([message("A", 1), Snapshot(key="A"), message("A", 2)], 1.0, [1, 20, 300])
    backlog.fix("messages")
    assert (backlog.size, backlog.arrivals.sizes(2, 2)) == (301, [1, 300])
    backlog = Backlog(3, heals=True)
    backlog.append([message("A", 1), message("B", 1), message("A", 2)], 1.0, [1, 20, 300])
    assert room_for(backlog, [message("C", 1)], sizes=[4000]) == ["A"]
    assert (backlog.size, backlog.arrivals.sizes(2, 2)) == (4020, [20, 4000])


# --- where a key goes as a whole ---


def healing(maxsize: int, maxbytes: int, *sizes: int) -> Backlog:
    """A message of so many bytes each, with keys of their own: A, B, C and so on."""
    backlog = Backlog(maxsize, heals=True, maxbytes=maxbytes)
    backlog.fix("default")
    backlog.append([message(chr(ord("A") + n), n) for n in range(len(sizes))], 1.0, sizes)
    return backlog


@pytest.mark.parametrize(("size", "lost"), [(10, ["A"]), (15, ["A"]), (16, ["A", "B"]), (40, ["A", "B"])])
def test_a_drop_frees_more_bytes_than_it_must(size: int, lost: list[str]) -> None:
    """One in 16 beyond the need, and no more: 160 may wait, so it is ten."""
    backlog = healing(100, 160, 25, 25, 55, 55)
    assert room_for(backlog, [message("Z", 1)], sizes=[size]) == lost


def test_what_is_in_hand_takes_room_in_bytes() -> None:
    """A worker's item is no less in memory; places are not short, so none are freed for their sake."""
    backlog = healing(100, 160, 40, 40, 40, 40)
    backlog.take_in_hand(1, 2.0)
    assert room_for(backlog, [message("Z", 1)], sizes=[10]) == ["B"]
    assert (backlog.size, backlog.depth) == (130, 4)


def test_bytes_that_fit_are_no_reason_to_drop() -> None:
    """Up to the last one; what is short is a place, and the oldest makes room."""
    backlog = healing(4, 1600, 10, 500, 500, 500)
    assert room_for(backlog, [message("Z", 1)], sizes=[90]) == ["A"]


def test_where_bytes_are_short_places_may_be_too() -> None:
    """What goes must be enough for both, and it is not more."""
    backlog = healing(4, 160, 30, 30, 30, 30)
    assert room_for(backlog, [message("Z", 1)], sizes=[60]) == ["A"]
    backlog = healing(4, 160, 40, 40, 40, 40)
    assert room_for(backlog, [message("Z", n) for n in range(3)], sizes=[1, 1, 1]) == ["A", "B", "C"]
    backlog = healing(16, 1600, 200, *[100] * 14, 0)
    assert room_for(backlog, [message("Z", 1)], sizes=[1]) == ["A", "B"]  # one place in 16 beyond the need


def test_a_batch_that_is_too_big_is_kept_whole() -> None:
    """All that is older goes, and no key of the batch: nothing could ever make room for it."""
    backlog = healing(10, 50, 30)
    batch = [message("Y", 1), message("Z", 1)]
    assert room_for(backlog, batch, sizes=[250, 250]) == ["A"]
    assert backlog.take(9)[1:] == batch


@pytest.mark.parametrize(
    ("excess", "old", "expected"), [(5, 2, (1, {"A"})), (6, 2, (2, {"A", "B"})), (11, 1, (1, {"A"})), (11, 2, (2, {"A", "B"}))]
)
def test_old_ones_go_until_bytes_enough_are_free(excess: int, old: int, expected: tuple[int, set[str]]) -> None:
    """Not one more, and none that is fresh."""
    things = [message("A", 1), message("B", 1), message("C", 1)]
    assert falls(things, ["A", "B", "C"], 0, sizes=[5, 5, 5], excess=excess, old=old) == expected


def test_bytes_of_what_goes_alone_are_free() -> None:
    """Without a key, or as a marker of the life of one; those are not reckoned again with their key."""
    alone: list[Any] = [message(None, n) for n in range(3)]
    assert falls(alone, [None] * 3, 0, sizes=[5, 5, 5], excess=10, old=3) == (2, set())
    things = [Resynced(key="A"), message("A", 1), message("A", 2), message("B", 1)]
    for excess, expected in [(10, (2, {"A"})), (11, (4, {"A", "B"}))]:
        assert falls(things, ["A", "A", "A", "B"], 0, sizes=[5, 3, 2, 9], excess=excess, old=4) == expected


def test_room_by_bytes() -> None:
    """Up to four fifths of the bound, with what workers have in hand; always where there is none."""
    backlog = Backlog(10, heals=False, maxbytes=100)
    backlog.view = "default"
    backlog.append(["a", "b"], 0.0, [20, 20])
    assert [backlog.roomy(1, more) for more in (39, 40)] == [True, False]
    backlog.take_in_hand(1, 0.0)
    assert [backlog.roomy(1, more) for more in (19, 20)] == [True, False]  # 20 wait, 20 are in hand, and 20 are counted twice
    assert Backlog(10, heals=False).roomy(1, 10**9)


def test_room_by_items() -> None:
    """The same, whether bytes are bounded or not."""
    for backlog in (Backlog(10, heals=False), Backlog(10, heals=False, maxbytes=100)):
        backlog.view = "default"
        backlog.append(["a", "b"], 0.0, [1, 1])
        backlog.take_in_hand(1, 0.0)
        assert [backlog.roomy(count, 1) for count in (5, 6)] == [True, False]
