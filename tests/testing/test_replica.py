"""The consumer that finds out what a stream did wrong."""

from __future__ import annotations

from typing import Any, Mapping

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncstream.events import Closed, Connected, Dropped, Gap, Quarantined, Resynced, Snapshot, Stale
from syncstream.testing import Counts, Replica, State
from syncstream.testing.market import Market


class Truth:
    """A market of two symbols, the deltas it made and the snapshots it would serve."""

    def __init__(self, symbols: tuple[str, ...] = ("ABC", "XYZ")) -> None:
        self.market = Market(symbols, 1)

    def states(self) -> Mapping[str, State]:
        return {book.symbol: book.state() for book in self.market}

    def move(self, symbol: str = "ABC") -> dict[str, Any]:
        return {"type": "delta", **self.market.books[symbol].move()._asdict()}

    def snapshot(self, symbol: str = "ABC") -> Snapshot:
        state = self.market.books[symbol].state()
        body = {
            **msgspec.structs.asdict(state),
            "bids": [*map(list, state.bids.items())],
            "asks": [*map(list, state.asks.items())],
        }
        return Snapshot(key=symbol, position=state.version, state=body)


def after(*items: Any) -> Replica:
    replica = Replica()
    for item in items:
        replica.apply(item)
    return replica


def test_everything_from_the_beginning_is_the_truth() -> None:
    """A key whose first delta has version 1 needs no snapshot; a key that never moved needs nothing."""
    truth = Truth()
    replica = after(*(truth.move() for _ in range(50)))
    assert replica.differences(truth) == []
    assert replica.equal(truth)
    assert replica.counts("ABC") == replica.total == Counts(applied=50)
    assert replica.state("ABC") == truth.states()["ABC"]


def test_a_snapshot_and_what_follows_it_is_the_truth() -> None:
    """Wherever one begins."""
    truth = Truth()
    for _ in range(20):
        truth.move()
    replica = after(truth.snapshot(), *(truth.move() for _ in range(20)))
    assert replica.equal(truth)
    assert replica.total == Counts(applied=20, snapshots=1)


def test_a_beginning_in_the_middle_is_not_known() -> None:
    """Without a snapshot the state before is missing; nothing was lost, but nothing is known."""
    truth = Truth()
    truth.move()
    replica = after(truth.move(), truth.move())
    assert replica.state("ABC") is None
    assert replica.total.wrong == 0
    assert replica.differences(truth) == ["ABC: began at position 2 without a snapshot, true position 3"]


def test_a_key_that_never_came_is_a_difference() -> None:
    """As soon as the venue has something to tell of it."""
    truth = Truth()
    truth.move("XYZ")
    assert after().differences(truth) == ["XYZ: nothing received, true position 1"]


def test_a_silent_loss_is_seen() -> None:
    """A hole counts as lost, and the sum of the increments is wrong from then on."""
    truth = Truth()
    moves = [truth.move() for _ in range(10)]
    replica = after(*moves[:4], *moves[6:])
    assert replica.total == Counts(applied=8, lost=2)
    (difference,) = replica.differences(truth)
    assert difference.startswith("ABC: volume ")
    assert "position" not in difference


def test_a_loss_at_the_end_is_a_position() -> None:
    """Nothing came after it, so it shows only beside the truth."""
    truth = Truth()
    moves = [truth.move() for _ in range(10)]
    replica = after(*moves[:9])
    assert replica.total.wrong == 0
    assert replica.differences(truth)[0].startswith("ABC: position 9, true 10; volume ")


def test_a_repetition_is_seen() -> None:
    """It is applied, as a plain consumer would, and counted."""
    truth = Truth()
    moves = [truth.move() for _ in range(5)]
    replica = after(*moves, moves[2])
    assert replica.total == Counts(applied=6, duplicated=1)
    assert not replica.equal(truth)


def test_a_late_delta_is_out_of_order_and_not_lost() -> None:
    """What came after all, but late."""
    truth = Truth()
    moves = [truth.move() for _ in range(4)]
    replica = after(moves[0], moves[2], moves[1], moves[3])
    assert replica.total == Counts(applied=4, out_of_order=1)


def test_a_delta_that_a_snapshot_held_already_is_a_repetition() -> None:
    """After a snapshot only what follows its position may come."""
    truth = Truth()
    moves = [truth.move() for _ in range(3)]
    assert after(truth.snapshot(), moves[2]).total == Counts(applied=1, duplicated=1, snapshots=1)


def test_a_hole_after_a_snapshot_is_lost() -> None:
    """The first delta must join."""
    truth = Truth()
    truth.move()
    snapshot = truth.snapshot()
    truth.move()
    assert after(snapshot, truth.move()).total == Counts(applied=1, lost=1, snapshots=1)


def test_differences_name_levels() -> None:
    """The first price that is wrong, and how many more."""
    truth = Truth()
    snapshot = truth.snapshot()
    snapshot.state["bids"] = [["99.99", 4], ["99.98", 1]]
    assert after(snapshot).differences(truth) == ["ABC: bids at 99.98 1, true 0 and 1 more"]


@pytest.mark.parametrize(
    ("marker", "counted"),
    [
        (Gap(key="ABC", reason="hole"), Counts(gaps=1)),
        (Gap(key=None, reason="reconnect"), Counts(gaps=1)),
        (Gap(key="ABC", reason="hole", healing=True), Counts(gaps=1)),
        (Gap(key="ABC", reason="restart"), Counts(gaps=1, restarts=1)),
        (Dropped(key="ABC", count=3), Counts(dropped=3)),
        (Dropped(key=None, count=3), Counts(dropped=3)),
    ],
)
def test_a_told_loss_is_no_fault_but_leaves_the_key_unknown(marker: Any, counted: Counts) -> None:
    """Until the next snapshot; then all is well again."""
    truth = Truth(("ABC",))
    replica = after(truth.move())
    truth.move()
    replica.apply(marker)
    replica.apply(truth.move())
    assert replica.state("ABC") is None
    assert replica.differences(truth)[0].startswith("ABC: unknown since a gap (")
    replica.apply(truth.snapshot())
    replica.apply(truth.move())
    assert replica.equal(truth)
    expected = msgspec.structs.replace(counted, applied=3, snapshots=1)
    assert replica.total == expected


def test_a_gap_excuses_one_hole_only() -> None:
    """A second hole behind it needs a marker of its own."""
    truth = Truth()
    moves = [truth.move() for _ in range(6)]
    assert after(moves[0], Gap(key="ABC"), moves[2], moves[5]).total == Counts(applied=3, gaps=1, lost=2)


def test_a_gap_excuses_no_way_back() -> None:
    """Positions only advance, also behind a gap, unless it tells of a restart."""
    truth = Truth()
    moves = [truth.move() for _ in range(3)]
    assert after(*moves, Gap(key="ABC"), moves[1]).total.duplicated == 1
    assert after(*moves, Gap(key="ABC", reason="restart"), moves[0], moves[1]).total.wrong == 0


def test_a_reconnect_that_goes_on_where_it_was_missed_nothing() -> None:
    """Also with two of them in a row; a hole behind a reconnect leaves the key unknown."""
    truth = Truth()
    moves = [truth.move() for _ in range(3)]
    gap = Gap(key=None, reason="reconnect")
    assert after(moves[0], gap, gap, *moves[1:]).equal(truth)
    assert after(moves[0], gap, moves[2]).state("ABC") is None
    assert after(moves[0], Gap(key="ABC", reason="hole"), *moves[1:]).state("ABC") is None


@pytest.mark.parametrize("told", [False, True])
def test_a_restart_is_a_gap_or_a_snapshot_with_a_lower_position(told: bool) -> None:
    """Either is fine, and it is counted once."""
    truth = Truth(("ABC",))
    replica = after(*(truth.move() for _ in range(5)))
    truth.market.books["ABC"].restart(empty=False)
    truth.move()
    if told:
        replica.apply(Gap(key="ABC", reason="restart", healing=True))
    replica.apply(truth.snapshot())
    replica.apply(truth.move())
    assert replica.equal(truth)
    assert (replica.total.wrong, replica.total.restarts) == (0, 1)


def test_what_is_no_delta_changes_nothing() -> None:
    """Heartbeats, acks, errors, and the events of the stream's life."""
    truth = Truth()
    replica = after(truth.move())
    before = repr(replica)
    for item in (
        {"type": "heartbeat", "ts_ns": 1},
        {"type": "subscribed", "symbols": ["ABC"], "seq": 4},
        *(Connected(), Resynced(key="ABC"), Stale(), Quarantined(), Closed()),
    ):
        replica.apply(item)
    assert repr(replica) == before
    assert replica.equal(truth)


def test_typed_messages_are_as_good_as_dicts() -> None:
    """Structs with the fields of a delta and of a snapshot."""

    class Delta(msgspec.Struct):
        symbol: str
        version: int
        side: str
        price: str
        size: int
        volume: int

    class Body(msgspec.Struct):
        symbol: str
        version: int
        bids: list[tuple[str, int]]
        asks: list[tuple[str, int]]
        volume: int

    truth = Truth()
    body = msgspec.convert(truth.snapshot().state, Body)
    replica = after(Snapshot(state=body), msgspec.convert({k: v for k, v in truth.move().items() if k != "type"}, Delta))
    assert replica.keys == ["ABC"]
    assert replica.equal(truth)


def test_what_is_no_message_is_refused() -> None:
    """With its type."""
    with pytest.raises(TypeError, match="not bytes"):
        after(b"{}")


OPS = st.lists(st.sampled_from(["keep"] * 6 + ["drop", "twice", "swap"]), min_size=1, max_size=60)


def disturbed(moves: list[dict[str, Any]], ops: list[str]) -> list[dict[str, Any]]:
    """The moves as a bad line would deliver them."""
    arrived: list[dict[str, Any]] = []
    held: list[dict[str, Any]] = []
    for move, op in zip(moves, ops):
        if op == "swap" and not held:
            held = [move]
        elif op != "drop":
            arrived += [move, *([move] if op == "twice" else []), *held]
            held = []
    return arrived + held


@given(ops=OPS)
def test_whatever_a_line_does_is_found(ops: list[str]) -> None:
    """The counts are those of an obvious recount, and only an undisturbed sequence has nothing wrong and the true state."""
    truth = Truth(("ABC",))
    start = truth.snapshot()
    moves = [truth.move() for _ in ops]
    arrived = disturbed(moves, ops)
    replica = after(start, *arrived)
    versions = [move["version"] for move in arrived]
    seen, highest, late, again = set(), 0, 0, 0
    for version in versions:
        again += version in seen
        late += version not in seen and version < highest
        seen.add(version)
        highest = max(highest, version)
    lost = highest - len(seen)
    assert replica.total == Counts(applied=len(arrived), lost=lost, duplicated=again, out_of_order=late, snapshots=1)
    assert (replica.total.wrong == 0) == (versions == list(range(1, len(versions) + 1)))
    assert (replica.equal(truth) and not replica.total.wrong) == (arrived == moves)
    assert replica.equal(truth) or replica.total.wrong or len(arrived) < len(moves)


@given(ops=st.lists(st.sampled_from(["keep"] * 5 + ["miss", "restart"]), max_size=60))
def test_told_and_healed_is_the_truth(ops: list[str]) -> None:
    """A stream that tells every loss and heals it by a snapshot is never wrong, and ends with the true state."""
    truth = Truth(("ABC",))
    replica = after(truth.snapshot())
    for op in ops:
        if op == "keep":
            replica.apply(truth.move())
            continue
        if op == "restart":
            truth.market.books["ABC"].restart(empty=True)
        truth.move()
        replica.apply(Gap(key="ABC", reason="restart" if op == "restart" else "hole", healing=True))
        replica.apply(truth.snapshot())
    assert replica.total.wrong == 0
    assert replica.differences(truth) == []
