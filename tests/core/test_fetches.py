"""Which snapshots are asked for, and when: order, places, late answers, requests that hang; then any sequence of inputs."""

from __future__ import annotations

import math
from typing import Callable, Optional

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from syncstream.core.fetches import Fetches
from syncstream.core.sync import State, Sync

LIMIT = 15.0


def sync(key: str) -> Sync:
    return Sync(key, State.SYNCING, 0.0)


def wanted(fetches: Fetches, *keys: str, at: float = 0.0) -> list[Sync]:
    made = [sync(key) for key in keys]
    for one in made:
        fetches.want(one, at)
    return made


def taken(fetches: Fetches, now: float) -> list[str]:
    """The keys that are asked for now."""
    keys = []
    while (one := fetches.take(now)) is not None:
        keys.append(str(one.key))
    return keys


# ---------------------------------------------------------------- what waits to be sent


def test_a_request_has_its_time_from_when_it_was_sent() -> None:
    """While it waits it is never overdue, and hides no other one that is."""
    fetches = Fetches(4, LIMIT)
    one, two = wanted(fetches, "A", "B")
    taken(fetches, 0.0)
    fetches.extend(one, math.inf)
    assert (fetches.deadline(asking=True), fetches.overdue(LIMIT)) == (LIMIT, two.epoch)
    fetches.answered(two.epoch)
    assert (fetches.deadline(asking=True), fetches.overdue(1e9)) == (None, None)
    fetches.extend(one, 100.0)
    assert (fetches.deadline(asking=True), fetches.overdue(99.0 + LIMIT)) == (100.0 + LIMIT, None)
    assert fetches.overdue(100.0 + LIMIT) == one.epoch


def test_what_waited_on_a_line_that_is_lost_is_overdue_some_day() -> None:
    """Nobody will send it any more; what was sent keeps its time."""
    fetches = Fetches(4, LIMIT)
    one, two = wanted(fetches, "A", "B")
    taken(fetches, 0.0)
    fetches.extend(one, math.inf)
    fetches.lost(10.0)
    assert fetches.overdue(LIMIT) == two.epoch
    fetches.answered(two.epoch)
    assert (fetches.deadline(asking=True), fetches.overdue(10.0 + LIMIT)) == (10.0 + LIMIT, one.epoch)


# ---------------------------------------------------------------- the schedule


def test_nothing_is_wanted_at_first() -> None:
    """No request, no deadline, nothing overdue."""
    fetches = Fetches(4, LIMIT)
    assert fetches.take(1e9) is None
    assert fetches.deadline(asking=True) is None
    assert fetches.overdue(1e9) is None
    assert (fetches.under_way, fetches.late) == (0, 0)


def test_each_is_asked_for_at_its_moment() -> None:
    """Exactly then, not before; the earliest first, and those of one moment in the order of the wishes."""
    fetches = Fetches(9, LIMIT)
    wanted(fetches, "later", at=7.0)
    wanted(fetches, "first", "second", at=5.0)
    assert fetches.deadline(asking=True) == 5.0
    assert taken(fetches, 4.999) == []
    assert taken(fetches, 5.0) == ["first", "second"]
    assert fetches.deadline(asking=True) == 7.0
    assert taken(fetches, 99.0) == ["later"]


@pytest.mark.parametrize(("first", "second"), [(5.0, 3.0), (3.0, 5.0), (4.0, 4.0)])
def test_a_wish_replaces_the_one_before(first: float, second: float) -> None:
    """Earlier or later: the last word counts, and it is asked for once."""
    fetches = Fetches(9, LIMIT)
    (one,) = wanted(fetches, "A", at=first)
    fetches.want(one, second)
    assert fetches.deadline(asking=True) == second
    assert taken(fetches, second - 0.001) == []
    assert taken(fetches, second) == ["A"]
    assert taken(fetches, 99.0) == []


def test_a_withdrawn_wish_is_forgotten() -> None:
    """Nobody asks for it, and no deadline waits for it."""
    fetches = Fetches(9, LIMIT)
    one, _ = wanted(fetches, "A", "B", at=5.0)
    fetches.withdraw(one)
    assert one.fetch_at is None
    assert taken(fetches, 5.0) == ["B"]
    fetches.want(one, 6.0)
    assert taken(fetches, 6.0) == ["A"]


def test_a_key_that_is_being_asked_for_is_not_wanted_again() -> None:
    """Its answer is on the way; when that has come, it can be."""
    fetches = Fetches(9, LIMIT)
    (one,) = wanted(fetches, "A")
    assert taken(fetches, 0.0) == ["A"]
    assert one.fetching
    fetches.want(one, 1.0)
    assert one.fetch_at is None
    assert taken(fetches, 1.0) == []
    assert fetches.answered(one.epoch) is one
    fetches.want(one, 2.0)
    assert taken(fetches, 2.0) == ["A"]


# ---------------------------------------------------------------- places


def test_so_many_at_once_and_no_more() -> None:
    """The next one goes out when an answer has come; meanwhile only the limit of those under way is a deadline."""
    fetches = Fetches(2, LIMIT)
    a, b, c = wanted(fetches, "A", "B", "C")
    assert taken(fetches, 1.0) == ["A", "B"]
    assert fetches.under_way == 2
    assert fetches.deadline(asking=True) == 1.0 + LIMIT
    assert fetches.answered(b.epoch) is b
    assert fetches.deadline(asking=True) == 0.0
    assert taken(fetches, 2.0) == ["C"]
    assert [one.fetching for one in (a, b, c)] == [True, False, True]


def test_while_no_line_is_open_only_what_is_under_way_has_a_deadline() -> None:
    """A wish that may not go out rings no bell."""
    fetches = Fetches(2, LIMIT)
    wanted(fetches, "A", at=5.0)
    assert fetches.deadline(asking=False) is None
    assert taken(fetches, 5.0) == ["A"]
    wanted(fetches, "B", at=6.0)
    assert fetches.deadline(asking=False) == 5.0 + LIMIT
    assert fetches.deadline(asking=True) == 6.0


def test_a_withdrawn_request_keeps_its_place_until_its_answer() -> None:
    """The request is still on its way; the key itself may be asked for again, under another epoch."""
    fetches = Fetches(2, LIMIT)
    (one,) = wanted(fetches, "A")
    assert taken(fetches, 0.0) == ["A"]
    old = one.epoch
    fetches.withdraw(one)
    assert (one.fetching, one.epoch, fetches.under_way) == (False, 0, 1)
    fetches.want(one, 1.0)
    wanted(fetches, "B", at=1.0)
    assert taken(fetches, 1.0) == ["A"]  # B has no place
    assert one.epoch != old
    assert fetches.answered(old) is None
    assert fetches.late == 1
    assert taken(fetches, 1.0) == ["B"]
    assert fetches.answered(one.epoch) is one


# ---------------------------------------------------------------- answers


def test_an_answer_belongs_to_its_request() -> None:
    """The key gets it once; a second one, an unknown one and one of no epoch are late, counted, and change nothing."""
    fetches = Fetches(2, LIMIT)
    (one,) = wanted(fetches, "A")
    taken(fetches, 0.0)
    epoch = one.epoch
    assert epoch > 0
    assert fetches.answered(epoch + 1) is None
    assert one.fetching
    assert fetches.answered(epoch) is one
    assert (one.fetching, one.epoch, fetches.under_way) == (False, 0, 0)
    assert fetches.answered(epoch) is None
    assert fetches.answered(0) is None
    assert fetches.late == 3


def test_epochs_are_never_used_twice() -> None:
    """Not over keys, and not after a withdrawal or a clearing."""
    fetches = Fetches(9, LIMIT)
    seen = []
    for turn in range(5):
        (one,) = wanted(fetches, "A", at=float(turn))
        taken(fetches, float(turn))
        seen.append(one.epoch)
        fetches.withdraw(one)
        if turn == 2:
            fetches.clear()
    assert seen == sorted(set(seen))


# ---------------------------------------------------------------- what hangs


def test_a_request_whose_answer_does_not_come_is_overdue() -> None:
    """Exactly at its limit; it is named until it has been answered for, the oldest first."""
    fetches = Fetches(3, LIMIT)
    a, b = wanted(fetches, "A"), wanted(fetches, "B", at=1.0)
    taken(fetches, 0.0)
    taken(fetches, 1.0)
    first, second = a[0].epoch, b[0].epoch
    assert fetches.deadline(asking=True) == LIMIT
    assert fetches.overdue(LIMIT - 0.001) is None
    assert fetches.overdue(LIMIT) == first
    assert fetches.overdue(LIMIT + 1.0) == first
    assert fetches.answered(first) is a[0]
    assert fetches.overdue(LIMIT) is None
    assert fetches.overdue(LIMIT + 1.0) == second
    assert fetches.answered(second) is b[0]
    assert fetches.late == 0
    assert fetches.answered(first) is None  # it has come after all
    assert fetches.late == 1


def test_a_withdrawn_request_that_hangs_gives_its_place_back() -> None:
    """Nobody is told, for nobody waits; its answer, if it comes after all, is counted as late once."""
    fetches = Fetches(1, LIMIT)
    (one,) = wanted(fetches, "A")
    wanted(fetches, "B", at=3.0)
    taken(fetches, 0.0)
    epoch = one.epoch
    fetches.withdraw(one)
    assert taken(fetches, 3.0) == []
    assert fetches.deadline(asking=True) == LIMIT
    assert fetches.overdue(LIMIT) is None
    assert (fetches.under_way, fetches.late) == (0, 0)
    assert taken(fetches, LIMIT) == ["B"]
    assert fetches.answered(epoch) is None
    assert fetches.late == 1


def test_clear() -> None:
    """Nothing is wanted, nothing is due; whatever still comes is late."""
    fetches = Fetches(1, LIMIT)
    a, b = wanted(fetches, "A", "B")
    taken(fetches, 0.0)
    epoch = a.epoch
    assert fetches.under_way == 1
    fetches.clear()
    assert fetches.under_way == 0
    assert [(one.fetching, one.fetch_at, one.epoch) for one in (a, b)] == [(False, None, 0)] * 2
    assert fetches.deadline(asking=True) is None
    assert taken(fetches, 99.0) == []
    assert fetches.overdue(99.0) is None
    assert fetches.answered(epoch) is None
    assert fetches.late == 1


# ---------------------------------------------------------------- any sequence of inputs

KEYS = st.sampled_from("ABCDE")


def test_a_place_is_free_at_once_where_nobody_works_on_the_request() -> None:
    """What was asked over the line is over with it, or with the snapshot that came by itself; late is what comes after."""
    fetches = Fetches(1, LIMIT, frees=True)
    first, _ = wanted(fetches, "A", "B")
    assert taken(fetches, 0.0) == ["A"]
    epoch = first.epoch
    fetches.withdraw(first)
    assert fetches.under_way == 0
    assert taken(fetches, 0.0) == ["B"]
    assert fetches.answered(epoch) is None
    assert (fetches.under_way, fetches.late) == (1, 1)
    fetches.clear()
    assert (fetches.under_way, fetches.deadline(asking=True)) == (0, None)


def test_an_answer_over_the_line_is_that_of_the_oldest_request() -> None:
    """What was withdrawn is still answered, once each, until its time is over, or that of the line."""
    fetches = Fetches(9, LIMIT, frees=True)
    for moment in (0.0, 1.0):
        (one,) = wanted(fetches, "A", at=moment)
        assert taken(fetches, moment) == ["A"]
        fetches.withdraw(one)
    fetches.withdraw(one)
    assert [fetches.owed("A", 2.0), fetches.owed("A", 2.0), fetches.owed("A", 2.0)] == [True, True, False]
    endings: list[Callable[[], None]] = [lambda: fetches.forgive("A"), fetches.ended, lambda: None]
    for ends in endings:
        (one,) = wanted(fetches, "A", at=3.0)
        assert taken(fetches, 3.0) == ["A"]
        fetches.withdraw(one)
        ends()
        assert not fetches.owed("A", 3.0 + LIMIT)


class AnyInputs(RuleBasedStateMachine):
    """The model: a wish per key, and per epoch the key that still waits for its answer (or nobody)."""

    @initialize(concurrency=st.integers(1, 3))
    def begin(self, concurrency: int) -> None:
        self.fetches = Fetches(concurrency, LIMIT)
        self.syncs = {key: sync(key) for key in "ABCDE"}
        self.now = 0.0
        self.concurrency = concurrency
        self.wishes: dict[str, float] = {}
        self.waiting: dict[int, tuple[Optional[str], float]] = {}
        self.gone: list[int] = []
        self.late = 0

    def asked(self, key: str) -> bool:
        return any(name == key for name, _ in self.waiting.values())

    @rule(key=KEYS, after=st.integers(0, 20))
    def want(self, key: str, after: int) -> None:
        self.fetches.want(self.syncs[key], self.now + after)
        if not self.asked(key):
            self.wishes[key] = self.now + after

    @rule(key=KEYS)
    def withdraw(self, key: str) -> None:
        self.fetches.withdraw(self.syncs[key])
        self.wishes.pop(key, None)
        self.waiting = {e: (None if name == key else name, at) for e, (name, at) in self.waiting.items()}

    @rule()
    def take(self) -> None:
        due = {key: at for key, at in self.wishes.items() if at <= self.now}
        found = self.fetches.take(self.now)
        if found is None:
            assert not due or len(self.waiting) == self.concurrency
            return
        assert len(self.waiting) < self.concurrency
        key = str(found.key)
        assert due[key] == min(due.values())
        assert found.epoch not in self.waiting
        assert found.epoch not in self.gone
        del self.wishes[key]
        self.waiting[found.epoch] = (key, self.now + LIMIT)

    @rule(data=st.data())
    def an_answer_comes(self, data: st.DataObject) -> None:
        epochs = [*self.waiting, *self.gone, 0]
        epoch = data.draw(st.sampled_from(epochs))
        key, _ = self.waiting.pop(epoch, (None, 0.0))
        self.gone.append(epoch)
        found = self.fetches.answered(epoch)
        if key is None:
            assert found is None
            self.late += 1
        else:
            assert found is self.syncs[key]
            assert not found.fetching

    @rule(seconds=st.integers(0, 20))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds

    @rule()
    def what_hangs_is_given_up(self) -> None:
        while (epoch := self.fetches.overdue(self.now)) is not None:
            key, limit_at = self.waiting.pop(epoch)
            assert limit_at <= self.now
            assert key is not None
            assert self.fetches.answered(epoch) is self.syncs[key]
            self.gone.append(epoch)
        self.gone += [epoch for epoch, (_, limit_at) in self.waiting.items() if limit_at <= self.now]
        self.waiting = {epoch: (key, at) for epoch, (key, at) in self.waiting.items() if at > self.now}

    @invariant()
    def the_figures_agree(self) -> None:
        assert self.fetches.under_way == len(self.waiting) <= self.concurrency
        assert self.fetches.late == self.late
        for key, one in self.syncs.items():
            assert one.fetching is self.asked(key)
            assert one.fetch_at == self.wishes.get(key)

    @invariant()
    def the_deadline_is_the_first_moment_that_has_something(self) -> None:
        limits = [at for _, at in self.waiting.values()]
        wishes = list(self.wishes.values()) if len(self.waiting) < self.concurrency else []
        assert self.fetches.deadline(asking=False) == min(limits, default=None)
        assert self.fetches.deadline(asking=True) == min(limits + wishes, default=None)


AnyInputs.TestCase.settings = settings(max_examples=150, stateful_step_count=40)
TestAnyInputs = AnyInputs.TestCase
