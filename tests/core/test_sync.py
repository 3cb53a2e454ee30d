"""`core/sync.py`: the table of moves, then how a snapshot meets what is held, boundary by boundary."""

from __future__ import annotations

from typing import Any, Callable, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncstream.core.counter import Held
from syncstream.core.sequence import Contiguous, Increasing, Rule
from syncstream.core.sync import Fit, State, Sync

LIVE, UNPROVEN, SYNCING, DROPPED = State.LIVE, State.UNPROVEN, State.SYNCING, State.DROPPED
EACH: Rule = Contiguous("n")
GROWING: Rule = Increasing("n")


def held(first: int, last: Optional[int] = None) -> Held:
    return Held(f"m{first}", first, first if last is None else last)


def sync(state: State = LIVE, *, delivered: Any = None) -> Sync:
    made = Sync("A", state, 1.0)
    made.delivered = delivered
    return made


def syncing(delivered: Optional[int], *runs: tuple[int, ...], asked: bool = True) -> Sync:
    """A key in doubt after `delivered`, which holds these runs with a hole before each but the first; then asked for."""
    made = sync()
    made.doubt(delivered, 2.0)
    for index, run in enumerate(runs):
        if index:
            made.doubt(None, 2.0)
        for number in run:
            made.hold(held(number))
    if asked:
        made.asked()
    return made


def snapshot(key: Sync, position: Any, rule: Optional[Rule] = EACH) -> str:
    """What a snapshot at `position` does: how it fits, what is replayed, and the state it leaves."""
    fit = key.fit(position, rule)
    if fit is not Fit.JOINS:
        return str(fit.value)
    replayed = " ".join(str(item.first) for item in key.replay(position))
    return f"joins [{replayed}] {key.state.value}"


@pytest.mark.parametrize(
    ("held_on", "position", "anchor"), [((), 13, 13), ((), 15, 15), ((14,), 13, None), ((16,), 13, None), ((16,), 15, None)]
)
def test_what_is_held_from_before_a_loss_is_joined_by_what_comes(held_on: tuple[int, ...], position: int, anchor: Any) -> None:
    """Where the line was lost behind the last of it, and numbers may start anew by right."""
    made = syncing(10, (12, 13))
    made.crossed = True
    for number in held_on:
        made.hold(held(number))
    assert made.fit(position, EACH) is Fit.JOINS
    made.replay(position)
    assert made.anchor == anchor


@pytest.mark.parametrize("troubled", [False, True])
def test_a_new_key(troubled: bool) -> None:
    """It stands nowhere, holds nothing, was never asked for and never healed; also where there is a place for all that."""
    made = Sync("A", SYNCING, 1.0)
    if troubled:
        made.gaps = 1
        made.gaps = 0
    assert (made.key, made.state, made.since, made.resynced_at) == ("A", SYNCING, 1.0, float("-inf"))
    assert [made.delivered, made.anchor, made.counter, made.own, made.fetch_at] == [None] * 5
    assert [made.incomplete, made.unbroken, made.fetching, made.crossed] == [False] * 4
    assert [made.doubts, made.gaps, made.healed, made.epoch, made.attempts, made.behind, made.held] == [0] * 7
    assert (made.trouble is not None, made.vain, made.mistakes, made.behind_at) == (troubled, 0, 0, 0.0)
    assert made.comes_at == float("-inf")
    assert (made.sealed, made.covered) == (0, 0)
    assert list(made.segments) == []


def test_a_key_that_was_never_in_trouble_has_none() -> None:
    """What it would have then reads as new, and cannot be changed by accident; a hundred thousand keys are many."""
    made = Sync("A", LIVE, 1.0)
    made.live()
    made.gaps, made.fetching, made.fetch_at = 0, False, None
    assert made.trouble is None
    with pytest.raises(AttributeError):
        made.segments.append([])
    other = Sync("B", LIVE, 1.0)
    other.healed += 1
    other.gaps += 1
    assert (other.trouble is not None, other.gaps, other.healed, list(other.segments), made.gaps) == (True, 1, 1, [], 0)


# ---------------------------------------------------------------- the table of moves


def doubted(key: Sync) -> None:
    key.doubt(7, 2.0)


def lost(key: Sync) -> None:
    key.lost(7, 2.0)


def dropped(key: Sync) -> None:
    key.dropped(7, 2.0)


@pytest.mark.parametrize(
    ("move", "moves"),
    [
        (doubted, {LIVE: SYNCING, UNPROVEN: SYNCING, SYNCING: SYNCING, DROPPED: DROPPED}),
        (lost, {LIVE: UNPROVEN, UNPROVEN: UNPROVEN, SYNCING: SYNCING, DROPPED: DROPPED}),
        (dropped, {LIVE: DROPPED, UNPROVEN: DROPPED, SYNCING: DROPPED, DROPPED: DROPPED}),
        (Sync.live, {LIVE: LIVE, UNPROVEN: LIVE, SYNCING: LIVE}),
        (Sync.relieved, {DROPPED: SYNCING}),
        (lambda key: key.replay(9), {LIVE: LIVE, UNPROVEN: LIVE, SYNCING: LIVE, DROPPED: LIVE}),
    ],
)
def test_the_table_of_moves(move: Callable[[Sync], Any], moves: dict[State, State]) -> None:
    """Each input moves each state to where the table says."""
    for before, after in moves.items():
        key = sync(before)
        move(key)
        assert key.state is after, before


@pytest.mark.parametrize("move", [doubted, dropped])
def test_a_move_away_from_live_notes_where_and_since_when(move: Callable[[Sync], None]) -> None:
    """The position delivered last and the moment are those of the move."""
    key = sync(LIVE)
    key.anchor = 7
    move(key)
    assert (key.delivered, key.since, key.anchor) == (7, 2.0, None)


@pytest.mark.parametrize("move", [doubted, lost, dropped])
def test_what_was_delivered_does_not_move_while_nothing_is(move: Callable[[Sync], None]) -> None:
    """A key that is not complete keeps the position it stood at."""
    key = sync(SYNCING, delivered=3)
    move(key)
    assert (key.delivered, key.since) == (3, 1.0)


def test_a_doubt_about_an_unproven_key_goes_back_to_the_loss() -> None:
    """The time it was not complete counts from when the line was lost."""
    key = sync(LIVE)
    key.lost(5, 2.0)
    key.doubt(5, 8.0)
    assert key.since == 2.0


def test_the_anchor_outlives_a_lost_line() -> None:
    """The snapshot no message has joined yet still has to be joined."""
    key = sync(LIVE)
    key.anchor = 5
    key.lost(5, 2.0)
    assert (key.anchor, key.delivered) == (5, 5)


def test_a_dropped_key_holds_nothing() -> None:
    """What is held is thrown away with what the consumer did not take, and a doubt holds nothing either."""
    key = syncing(5, (8, 9))
    key.dropped(5, 3.0)
    key.doubt(9, 4.0)
    assert (key.held, key.segments, key.delivered) == (0, [], 5)
    key.relieved()
    key.hold(held(12))
    assert key.held == 1


# ---------------------------------------------------------------- a snapshot meets one run


@pytest.mark.parametrize(
    ("position", "said"),
    [
        (4, "old"),  # older than what was delivered
        (5, "old"),  # where the key stands: 6 and 7 are missing still
        (6, "old"),  # one short of joining 8
        (7, "joins [8 9 10] live"),
        (8, "joins [9 10] live"),
        (9, "joins [10] live"),
        (10, "joins [] live"),  # equal to the last one held
        (11, "joins [] live"),  # newer than all that is held
        (7.0, "joins [8 9 10] live"),
    ],
)
def test_every_boundary_of_one_run(position: float, said: str) -> None:
    """After 5 a hole, 8..10 held: a snapshot joins from 7 on; what it covers is dropped, the rest is replayed."""
    assert snapshot(syncing(5, (8, 9, 10)), position) == said


@pytest.mark.parametrize(("position", "anchor", "delivered"), [(7, None, 10), (9, None, 10), (10, 10, 10), (11, 11, 11)])
def test_the_anchor_stands_where_no_message_has_joined(position: int, anchor: Optional[int], delivered: int) -> None:
    """With something replayed the key stands at the last of it; else at the snapshot, which the next message must join."""
    key = syncing(5, (8, 9, 10))
    key.behind = 2
    snapshot(key, position)
    assert (key.anchor, key.delivered, key.behind) == (anchor, delivered, 0)


def test_a_message_that_spans_the_position_is_replayed() -> None:
    """It is partly covered, which is legal at the splice: the rest of it is needed."""
    key = syncing(5)
    key.hold(held(8, 10))
    assert snapshot(key, 9) == "joins [8] live"
    assert key.delivered == 10


def test_with_nothing_held_any_snapshot_will_do() -> None:
    """A key that has just been seen takes the snapshot as it comes."""
    key = sync(SYNCING)
    key.asked()
    assert snapshot(key, 3) == "joins [] live"
    assert (key.anchor, key.delivered) == (3, 3)


def test_nothing_held_and_older_than_delivered_is_old() -> None:
    """Going back is never right; standing still is."""
    assert snapshot(syncing(5), 4) == "old"
    assert snapshot(syncing(5), 5) == "joins [] live"


def test_an_old_snapshot_changes_nothing() -> None:
    """What is held is as it was, for the next one."""
    key = syncing(5, (8,), (11,))
    before = [list(segment) for segment in key.segments]
    assert (snapshot(key, 6), key.segments, key.state, key.delivered) == ("old", before, SYNCING, 5)


# ---------------------------------------------------------------- several holes


@pytest.mark.parametrize(
    ("position", "said", "left"),
    [
        (6, "old", 4),
        (7, "joins [8 9] syncing", 2),
        (8, "joins [9] syncing", 2),
        (9, "joins [] syncing", 2),  # exactly the end of the first run: it is progress all the same
        (10, "joins [] syncing", 2),  # inside the second hole
        (11, "joins [12 13] live", 0),
        (12, "joins [13] live", 0),
        (13, "joins [] live", 0),
        (14, "joins [] live", 0),
    ],
)
def test_every_boundary_of_two_runs(position: int, said: str, left: int) -> None:
    """5, hole, 8 9, hole, 12 13: the snapshot is applied and replayed up to the next hole it does not reach over."""
    key = syncing(5, (8, 9), (12, 13))
    assert (snapshot(key, position), key.held) == (said, left)


def test_the_next_snapshot_goes_on_from_there() -> None:
    """Second hole while a snapshot is in flight: apply, replay to the hole, ask again, join the rest."""
    key = syncing(5, (8, 9), (12, 13))
    snapshot(key, 7)
    key.asked()
    assert (snapshot(key, 8), snapshot(key, 10)) == ("old", "old")
    assert snapshot(key, 11) == "joins [12 13] live"


def test_the_same_snapshot_in_a_hole_again_is_old() -> None:
    """A cache that never moves on is met with the back-off, not with a loop."""
    key = syncing(5, (8, 9), (12, 13))
    assert snapshot(key, 10) == "joins [] syncing"
    key.asked()
    assert snapshot(key, 10) == "old"


def test_a_hole_inside_a_run_is_a_hole() -> None:
    """Where the counter is not the key's own, a venue's key numbers may skip: what is beyond has to be joined too."""
    key = syncing(5, (8, 9, 12))
    assert (snapshot(key, 9), key.held) == ("joins [] syncing", 1)


@pytest.mark.parametrize("position", [5, 8, 20])
def test_a_doubt_after_the_request_with_nothing_since_asks_again(position: int) -> None:
    """The snapshot may be older than what was missed after it: it is applied, and another one is needed."""
    key = syncing(5)
    key.doubt(5, 3.0)
    assert snapshot(key, position) == "joins [] syncing"
    key.asked()
    assert snapshot(key, position) == "joins [] live"


def test_a_second_doubt_after_the_request_is_not_covered_by_what_came_before_it() -> None:
    """What counts is that nothing came since the last one."""
    key = syncing(5)
    key.doubt(5, 3.0)
    key.hold(held(8))
    key.doubt(8, 4.0)
    assert snapshot(key, 20) == "joins [] syncing"


def test_a_doubt_before_the_request_is_covered_by_it() -> None:
    """What was missed before the request is in the snapshot."""
    key = syncing(5, (8,), asked=False)
    key.doubt(8, 3.0)
    key.asked()
    assert snapshot(key, 8) == "joins [] live"


def test_a_doubt_after_the_request_is_answered_by_what_came_since() -> None:
    """A snapshot that is at least as new as a message beyond the doubt covers the doubt."""
    key = syncing(5)
    key.doubt(5, 3.0)
    key.hold(held(8))
    assert snapshot(key, 8) == "joins [] live"


# ---------------------------------------------------------------- proof after a reconnect


def test_no_anchor_while_something_is_missing() -> None:
    """What comes next is held, and judged against what is held: an anchor would cover the holes in it."""
    key = syncing(5)
    key.doubt(5, 3.0)
    assert (snapshot(key, 8), key.anchor, key.delivered) == ("joins [] syncing", None, 8)


@pytest.mark.parametrize(("position", "said"), [(4, "old"), (5, "same"), (6, "joins [] live")])
def test_a_silent_key_is_verified(position: int, said: str) -> None:
    """Exactly where it stood: nothing was missed. Newer: it replaces. Older: ask again."""
    key = sync(LIVE)
    key.lost(5, 2.0)
    key.asked()
    assert snapshot(key, position) == said


@pytest.mark.parametrize(("rule", "position"), [(EACH, 5), (EACH, 6), (None, None)])
def test_a_hole_while_it_is_verified_is_not_covered(rule: Optional[Rule], position: Optional[int]) -> None:
    """The request was sent before the hole: with nothing to compare with, its answer proves nothing about it."""
    key = sync(LIVE)
    key.lost(5, 2.0)
    key.asked()
    key.doubt(5, 3.0)
    assert snapshot(key, position, rule) == "joins [] syncing"


# ---------------------------------------------------------------- snapshots without a position


@pytest.mark.parametrize(("position", "rule"), [(None, None), (None, EACH), (9, None)])
def test_whole_is_followed_by_what_came_since_the_request(position: Optional[int], rule: Optional[Rule]) -> None:
    """What was held before the request is in the snapshot; what came after it follows. Whole it is without a position, and where
    no rule says how messages would be joined to one."""
    key = syncing(None, (1, 2), (5,))
    key.hold(held(6))
    key.hold(held(7))
    assert snapshot(key, position, rule) == "joins [6 7] live"


def test_whole_covers_no_hole_that_came_after_the_request() -> None:
    """Up to that hole it is replayed; then the key syncs again."""
    key = syncing(None, (1, 2))
    key.hold(held(3))
    key.doubt(None, 3.0)
    key.hold(held(6))
    assert (snapshot(key, None, None), key.held) == ("joins [3] syncing", 1)
    key.asked()
    key.hold(held(7))
    assert snapshot(key, None, None) == "joins [7] live"


def test_whole_with_a_doubt_after_the_request_and_nothing_held() -> None:
    """The doubt stays, though not one message marks the place."""
    key = syncing(None)
    key.doubt(None, 3.0)
    assert snapshot(key, None, None) == "joins [] syncing"


# ---------------------------------------------------------------- numbers that only grow


@pytest.mark.parametrize(("position", "said"), [(4, "old"), (7, "old"), (8, "joins [9] live"), (30, "joins [] live")])
def test_growing_numbers_join_what_was_held_before_the_request(position: int, said: str) -> None:
    """Nothing shows whether something is missing between a snapshot and a message above it: it must reach the first of them."""
    assert snapshot(syncing(5, (8, 9)), position, GROWING) == said


@pytest.mark.parametrize("position", [5, 7])
def test_growing_numbers_follow_a_snapshot_that_was_asked_for_before(position: int) -> None:
    """What came after the request was there to come after the snapshot."""
    key = syncing(5)
    key.hold(held(8))
    key.hold(held(9))
    assert snapshot(key, position, GROWING) == "joins [8 9] live"


@pytest.mark.parametrize(("position", "said"), [(8, "joins [9] syncing"), (9, "joins [] syncing"), (30, "joins [] syncing")])
def test_growing_numbers_cannot_show_that_a_later_doubt_is_covered(position: int, said: str) -> None:
    """A message beyond the doubt is above any older snapshot: it must not be taken for the one that follows it."""
    key = syncing(5, (8,))
    key.hold(held(9))
    key.doubt(9, 3.0)
    key.hold(held(40))
    key.doubt(40, 3.0)
    assert (snapshot(key, position, GROWING), key.held) == (said, 1)
    key.asked()
    assert snapshot(key, 39, GROWING) == "old"
    assert snapshot(key, 40, GROWING) == "joins [] live"
    key.asked()
    assert snapshot(key, 41, GROWING) == "joins [] live"


# ---------------------------------------------------------------- too much is held


@pytest.mark.parametrize("asked", [True, False])
@pytest.mark.parametrize(("rule", "position"), [(EACH, 7), (GROWING, 7), (None, None)])
def test_shed_is_a_doubt_later_than_any_request(asked: bool, rule: Optional[Rule], position: Optional[int]) -> None:
    """What was thrown away is not covered by an answer already under way; by the next one it is."""
    key = syncing(5, (8, 9), asked=asked)
    key.shed()
    if asked:
        assert (key.held, snapshot(key, position, rule)) == (0, "joins [] syncing")
    key.asked()
    if rule is GROWING:  # the next number would not show what is missing
        assert snapshot(key, 8, rule) == "old"
        position = 9
    assert snapshot(key, position, rule) == "joins [] live"


def test_what_was_thrown_away_was_there_before_the_request() -> None:
    """It counts to what the answer covers; with the numbers that begin anew, or once that is complete, it is forgotten."""
    key = syncing(5, (8, 9), asked=False)
    key.shed()
    key.hold(held(10))
    key.asked()
    assert [item.last for item in key.cover()] == [9, 10]
    for cleared in (True, False):
        key = syncing(5, (8, 9), asked=False)
        key.shed()
        key.shed()
        key.asked()
        assert key.floor == Held(None, 9, 9)
        assert key.fit(20, GROWING) is Fit.JOINS
        if cleared:
            key.clear()
        else:
            key.segments = []
            key.replay(20)
        assert [key.floor, key.let_go] == [None] * 2


def test_shed_of_several_runs_is_one_doubt() -> None:
    """However many holes there were when the snapshot was asked for."""
    key = syncing(5, (8, 9), (12,), (15,))
    key.shed()
    assert snapshot(key, 20) == "joins [] syncing"


def test_doubts_do_not_pile_up() -> None:
    """A key that is doubted again and again, and holds nothing, grows by nothing."""
    key = syncing(5)
    for _ in range(9):
        key.doubt(5, 3.0)
    assert key.segments == [[], []]


def test_doubts_do_not_pile_up_after_a_snapshot_that_left_one() -> None:
    """The mark of the request is gone with its answer."""
    key = syncing(5)
    key.doubt(5, 3.0)
    assert snapshot(key, 8) == "joins [] syncing"
    key.doubt(8, 4.0)
    assert key.segments == [[]]


def test_a_key_that_was_cleared_can_be_doubted() -> None:
    """So is the mark of a request whose answer nobody waits for any more."""
    key = syncing(5, (8, 9))
    key.clear()
    key.doubt(9, 3.0)
    key.hold(held(12))
    assert (key.segments, key.sealed, key.covered) == ([[held(12)]], 0, 0)


def test_a_key_that_is_live_holds_nothing() -> None:
    """Complete or given up: what was held has been delivered, or is of no use."""
    key = syncing(5, (8, 9), (12,))
    key.live()
    assert (key.held, key.segments) == (0, [])


def unbroken(*numbers: int) -> Sync:
    """A key that holds these, which go on from what was delivered."""
    key = sync()
    key.doubt(7, 2.0)
    key.unbroken = True
    for number in numbers:
        key.hold(held(number))
    return key


def test_a_doubt_breaks_what_goes_on_unless_something_stands_before_it() -> None:
    """What is held already still goes on from what was delivered; only what comes does not."""
    for numbers, goes_on in (((), False), ((8,), True)):
        key = unbroken(*numbers)
        key.doubt(None, 3.0)
        assert key.unbroken is goes_on


@pytest.mark.parametrize(
    "move", [Sync.live, Sync.clear, Sync.shed, dropped, lambda key: snapshot(key, 8), lambda key: snapshot(key, None)]
)
def test_what_is_held_no_more_does_not_go_on(move: Callable[[Sync], Any]) -> None:
    """Nothing is left of it, or what is left lies beyond a hole."""
    key = unbroken(8, 9)
    key.asked()
    key.doubt(None, 3.0)
    move(key)
    assert key.unbroken is False


def test_after_shed_it_is_held_again() -> None:
    """What comes next is beyond a hole."""
    key = syncing(5, (8, 9))
    key.shed()
    key.hold(held(10))
    assert (snapshot(key, 7), snapshot(key, 9)) == ("old", "joins [10] live")


# ---------------------------------------------------------------- any history


@given(
    st.lists(st.sampled_from(["next", "skip", "ask", "shed"]), max_size=30),
    st.integers(min_value=0, max_value=40),
)
def test_nothing_is_replayed_that_does_not_follow(steps: list[str], position: int) -> None:
    """Whatever is held and missed: what is replayed goes on from the snapshot without a hole, and LIVE means up to the end."""
    key, number, missed_at = syncing(0), 0, [1]
    for step in steps:
        number += 1
        if step == "next":
            key.hold(held(number))
        elif step == "skip":
            missed_at.append(number)
            key.doubt(None, 3.0)
        elif step == "shed":
            missed_at = [number]
            key.shed()
        else:
            number -= 1
            key.asked()
    if key.fit(position, EACH) is not Fit.JOINS:
        assert key.state is SYNCING
        return
    replayed = [item.first for item in key.replay(position)]
    assert replayed == list(range(position + 1, position + 1 + len(replayed)))
    if key.state is LIVE and key.anchor is None:
        assert replayed[-1] == number
    assert key.held == 0 or key.state is SYNCING


def test_the_bytes_of_what_is_held() -> None:
    """Of all of it, before and behind a hole; nothing after it was let go."""
    sync = Sync("A", State.SYNCING, 0.0)
    assert sync.held_bytes == 0
    sync.hold(Held("m1", 1, 1, 10))
    sync.doubt(1, 1.0)
    sync.hold(Held("m5", 5, 5, 7))
    assert (sync.held, sync.held_bytes) == (2, 17)
    sync.clear()
    assert (sync.held, sync.held_bytes) == (0, 0)


def test_what_was_held_before_the_request_is_covered() -> None:
    """What came after it is kept; before any request that is everything."""
    key = syncing(None, (1, 2))
    assert [item.last for item in key.cover()] == [1, 2]
    key.hold(held(3))
    key.asked()
    key.hold(held(4))
    key.doubt(None, 3.0)
    key.hold(held(6))
    assert [item.last for item in key.cover()] == [3]
    assert [[item.last for item in segment] for segment in key.segments] == [[4], [6]]
    fresh = Sync("A", State.SYNCING, 0.0)
    fresh.hold(held(1))
    assert (fresh.cover(), fresh.held) == ([], 1)
