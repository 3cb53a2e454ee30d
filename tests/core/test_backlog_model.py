"""Tests of core/backlog.py, as properties: no hole is silent, and every item is accounted for."""

from __future__ import annotations

from typing import Any, Hashable, Optional

from hypothesis import given
from hypothesis import strategies as st

from syncstream.core import backlog as module
from syncstream.core.backlog import falls
from syncstream.core.items import shown
from syncstream.events import Connected, Dropped, Event, Gap, Resynced, Snapshot

from .waiting import KEYS, full, message, room_for

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
    handed = taken = told = 0

    def consume(items: list[Any]) -> None:
        nonlocal handed, taken, told
        handed += len(items)
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
        assert backlog.tally().delivered == handed
    consume(backlog.take(10_000))
    assert sum(sent.values()) == taken + told == taken + backlog.tally().dropped
    for key, number in sent.items():
        assert state[key] == (None if key in waits else number)


def test_a_marker_that_fell_alone_frees_one_place_only() -> None:
    """Its key may go after it; then its place is not reckoned twice."""
    items = [Resynced(key="A"), message("A", 1), message("B", 1), message("B", 2)]
    assert falls(items, ["A", "A", "B", "B"], 3) == (3, {"A", "B"})
    items = [Resynced(key="A"), message("A", 1), message("A", 2), message("B", 1)]
    assert falls(items, ["A", "A", "A", "B"], 3) == (2, {"A"})


@given(
    items=st.lists(st.tuples(st.sampled_from("ABCD"), st.booleans()), min_size=5, max_size=30),
    need=st.integers(0, 12),
)
def test_falls_frees_what_is_needed_and_little_more(items: list[tuple[str, bool]], need: int) -> None:
    """Enough places are freed, and without the last key or item that went it would not have been enough."""
    things = [message(key, n) if matters else Resynced(key=key) for n, (key, matters) in enumerate(items)]
    keys: list[Optional[Hashable]] = [key for key, _ in items]
    at, purged = falls(things, keys, need)
    freed = at + sum(key in purged for key in keys[at:])
    assert freed >= min(need, len(items))
    if at:
        last = keys[at - 1]
        without = freed - (sum(key == last for key in keys) if last in purged else 1)
        assert without < need
