"""Tests of joined.py: what lines show as one. (With real lines: test_sharded.py.)"""

from __future__ import annotations

from typing import Any, Iterator

import pytest

from syncstream import KeyStatus, Status, Stream, TopicStatus
from syncstream.joined import BooksOfAll, LatestOfAll, joined
from syncstream.testing import Broker
from tests.stream.setting import PATIENCE

ORDER = ("failed", "connecting", "waiting", "syncing", "live", "closed")


def test_every_figure_has_its_place() -> None:
    """No field of a status is forgotten: what counts is added, and of spans the longest is shown."""
    whole = {field: getattr(Status(), field) for field in Status.__struct_fields__}
    counts = [field for field, value in whole.items() if value == 0 and field != "high_water"]
    small: dict[str, Any] = {field: index for index, field in enumerate(counts, start=1)}
    large: dict[str, Any] = {field: 100 * index for field, index in small.items()}
    one = Status(**small, high_water=7, lag=0.5, error="lost")
    other = Status(**large, high_water=3, lag=0.2, silence=4.0, error="refused")
    both = joined([one, other, Status(error="lost")])
    assert {field: getattr(both, field) for field in counts} == {field: 101 * index for field, index in small.items()}
    assert (both.high_water, both.lag, both.silence, both.error) == (7, 0.5, 4.0, "lost; refused")
    assert set(whole) - set(counts) == {"state", "high_water", "lag", "silence", "error", "keys", "topics"}


@pytest.mark.parametrize("worst", ORDER)
def test_the_state_is_that_of_the_worst(worst: str) -> None:
    """Closed is what it is when nothing else goes on."""
    better = ORDER[ORDER.index(worst) :]
    assert joined([Status(state=state) for state in reversed(better)]).state == worst


def test_keys_and_topics_of_all() -> None:
    """Each line has its own."""
    one = Status(keys={"A": KeyStatus(position=1)}, topics={"A": TopicStatus(state="live")})
    other = Status(keys={"B": KeyStatus(position=2)}, topics={"B": TopicStatus(state="sent")})
    both = joined([one, other])
    assert (both.keys, both.topics) == ({**one.keys, **other.keys}, {**one.topics, **other.topics})
    assert (both.lag, both.silence, both.error) == (None, None, "")


@pytest.fixture
def broker() -> Iterator[Broker]:
    with Broker(symbols=("A", "B"), rate=0, heartbeat=None) as broker:
        yield broker


def test_latest_and_books_of_all(broker: Broker) -> None:
    """They are mappings, look up the line that knows a key, and say what they are."""
    with Stream(broker.feed(topics=["A"])) as one, Stream(broker.feed(topics=["B"])) as other:
        broker.wait_for(lambda: len([topics for topics in broker.subscriptions.values() if topics]) == 2, PATIENCE)
        for symbol in broker.symbols:
            broker.publish(symbol, 5)
        broker.wait_for(lambda: (one.wait_live(0), other.wait_live(0)) == ([], []), PATIENCE)
        broker.wait_for(lambda: (one.books["A"].position, other.books["B"].position) == (5, 5), PATIENCE)
        latest, books = LatestOfAll([one.latest, other.latest]), BooksOfAll([one.books, other.books])
        assert (len(latest), len(books), list(latest), list(books)) == (2, 2, ["A", "B"], ["A", "B"])
        assert latest() == dict(latest.items()) == {"A": one.latest["A"], "B": other.latest["B"]}
        assert list(latest.values()) == [latest["A"], latest["B"]]
        assert books["B"] is other.books["B"]
        assert (latest.live("B"), latest.live("Z"), "Z" in books) == (True, False, False)
        assert (books.mismatches, books.unreadable, books.checking) == (0, 0, False)
        assert (repr(latest), repr(books)) == ("<latest of 2 lines: 2 keys>", "<books of 2 lines: 2 keys>")
        for mapping in (latest, books):
            with pytest.raises(KeyError, match="Z"):
                mapping["Z"]
