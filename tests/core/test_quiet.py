"""`core/quiet.py`: which keys are silent for too long, found by looking now and then."""

from __future__ import annotations

from typing import Any, Hashable, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncstream.core.quiet import Mark, Quiet, Silent

NOW = 100.0


class Keys:
    """Owned by: one test. What each key said last."""

    def __init__(self, limit: Optional[float] = 8.0) -> None:
        self.latest: dict[Hashable, Any] = {}
        self.limit = limit
        self.held = 0
        self.looks = 0
        self.quiet = Quiet(lambda key: self.limit, self.mark)

    def mark(self, key: Hashable) -> Mark:
        self.looks += 1
        return self.latest.get(key), 0, self.held

    def speak(self, key: Hashable) -> None:
        self.latest[key] = [key]

    def until(self, now: float, end: float) -> list[tuple[float, Silent]]:
        """Look whenever it is due."""
        found: list[tuple[float, Silent]] = []
        while True:
            at = self.quiet.deadline()
            if at is None or at > end:
                return found
            assert at > now
            now = at
            found += [(now, silent) for silent in self.quiet.due(now)]


def test_a_silent_key_is_told_and_then_half_as_often() -> None:
    """At its limit, at twice the limit, at four times."""
    keys = Keys()
    keys.quiet.add("A", NOW)
    assert keys.until(NOW, NOW + 40.0) == [
        (108.0, Silent("A", 8.0)),
        (116.0, Silent("A", 16.0)),
        (132.0, Silent("A", 32.0)),
    ]


def test_a_long_silence_that_is_seen_late_is_told_once() -> None:
    """Nobody could look for a while: the next time is when the silence is longer than the limit doubled beyond it."""
    keys = Keys()
    keys.quiet.add("A", NOW)
    assert keys.quiet.due(NOW + 100.0) == [Silent("A", 100.0)]
    assert keys.until(NOW + 100.0, NOW + 130.0) == [(228.0, Silent("A", 128.0))]


def test_a_key_that_speaks_has_its_own_limit_again() -> None:
    """The doubling ends with the first message."""
    keys = Keys()
    keys.quiet.add("A", NOW)
    assert len(keys.until(NOW, NOW + 17.0)) == 2
    keys.speak("A")
    assert [at for at, _ in keys.until(NOW + 17.0, NOW + 30.0)] == [126.0]


def test_the_very_object_counts() -> None:
    """Two equal messages are two."""
    keys = Keys()
    keys.speak("A")
    keys.quiet.add("A", NOW)
    keys.until(NOW, NOW + 6.0)
    keys.latest["A"] = list(keys.latest["A"])
    assert keys.until(NOW + 6.0, NOW + 15.0) == []


def test_what_is_held_counts() -> None:
    """A key that waits for its snapshot delivers nothing, and is not silent."""
    keys = Keys()
    keys.quiet.add("A", NOW)
    keys.until(NOW, NOW + 6.0)
    keys.held = 1
    assert keys.until(NOW + 6.0, NOW + 15.0) == []


def test_without_a_limit_no_key_is_watched() -> None:
    """It is known all the same, and there is nothing to look at."""
    quiet = Quiet(None, Keys().mark)
    quiet.add("A", NOW)
    assert (len(quiet), quiet.deadline(), quiet.due(NOW + 1000.0)) == (1, None, [])


def test_a_key_that_may_be_silent_is_never_looked_at() -> None:
    """Its limit is `None`."""
    keys = Keys(limit=None)
    keys.quiet.add("A", NOW)
    assert (keys.quiet.deadline(), len(keys.quiet)) == (None, 1)
    keys.quiet.restart(NOW)


def test_a_key_that_was_left_is_told_no_more() -> None:
    """And one that comes back is told once."""
    keys = Keys()
    keys.quiet.add("A", NOW)
    keys.quiet.forget("A")
    assert keys.until(NOW, NOW + 1.0) == []
    keys.quiet.add("A", NOW + 1.0)
    assert [at for at, _ in keys.until(NOW + 1.0, NOW + 14.0)] == [110.0]
    keys.quiet.add("B", NOW + 14.0)
    keys.quiet.forget("A")
    assert len(keys.quiet) == 1
    assert [silent.key for _, silent in keys.until(NOW + 14.0, NOW + 23.0)] == ["B"]


def test_a_key_that_comes_back_is_looked_at_no_more_often() -> None:
    """What was planned for it before is over: four times within its limit."""
    keys = Keys()
    for _ in range(5):
        keys.quiet.add("A", NOW)
        keys.quiet.forget("A")
    keys.quiet.add("A", NOW + 0.5)
    keys.looks = 0
    assert len(keys.until(NOW + 0.5, NOW + 8.0)) == 0
    assert keys.looks == 4


def test_silence_of_all_is_no_silence_of_a_key() -> None:
    """After a reconnect it counts anew."""
    keys = Keys()
    keys.quiet.add("A", NOW)
    keys.quiet.restart(NOW + 7.0)
    assert [at for at, _ in keys.until(NOW, NOW + 17.0)] == [116.0]


def test_what_the_users_callable_raises_is_raised_once() -> None:
    """The key is then not watched."""

    def limit(key: Hashable) -> Optional[float]:
        raise LookupError(key)

    quiet = Quiet(limit, lambda key: (None, 0, 0))
    with pytest.raises(LookupError):
        quiet.add("A", NOW)
    assert (len(quiet), quiet.deadline()) == (1, None)


def test_keys_of_one_limit_are_looked_at_together() -> None:
    """However they came: a thousand keys cost four looks in their limit, not four thousand."""
    keys = Keys()
    for number in range(1000):
        keys.quiet.add(number, NOW + number / 1000)
    moments = set()
    at = keys.quiet.deadline()
    while at is not None and at < NOW + 8.0:
        moments.add(at)
        keys.quiet.due(at)
        at = keys.quiet.deadline()
    assert moments == {102.0, 104.0, 106.0}


@given(
    limit=st.floats(0.001, 100.0),
    began=st.floats(0.0, 1e7),
    spoke=st.lists(st.floats(0.0, 3.0), max_size=10),
)
def test_a_silence_is_found_in_time(limit: float, began: float, spoke: list[float]) -> None:
    """Not before the limit is over since it was last heard, and at most a quarter of it (and a look) later."""
    keys = Keys(limit)
    keys.quiet.add("A", began)
    now = last = began
    for factor in spoke:
        end = now + factor * limit
        for at, silent in keys.until(now, end):
            assert at - last >= limit * 0.999
            assert silent.seconds <= at - last + 1e-6
        now = max(now, end)
        keys.speak("A")
        last = now
    if limit > 0.01 or began < 1e5:  # else a float cannot tell the moments apart
        found = keys.until(now, now + 1.3 * limit)
        assert found
        assert limit * 0.999 <= found[0][0] - last <= 1.26 * limit
