"""Tests of turns.py: several consumers at one door. (What one consumer sees: test_merge.py, test_sharded.py.)"""

from __future__ import annotations

import os
import threading
from typing import Any, Iterator

import pytest

from syncstream import Empty, Stream, StreamClosed, UsageError
from syncstream.testing import Broker
from syncstream.turns import Turns
from tests.deadlines import within
from tests.stream.setting import PATIENCE, plain_feed


@pytest.fixture
def broker() -> Iterator[Broker]:
    with Broker(symbols=("ABC",), rate=0, heartbeat=None) as broker:
        yield broker


@pytest.fixture
def pair(broker: Broker) -> Iterator[tuple[Stream[Any], Stream[Any]]]:
    """Two streams of the same, which is subscribed."""
    with Stream(plain_feed(broker, heartbeat=None)) as one, Stream(plain_feed(broker, heartbeat=None)) as other:
        broker.wait_for(lambda: list(broker.subscriptions.values()) == [{"ABC"}, {"ABC"}], PATIENCE)
        yield one, other


@pytest.mark.parametrize("timeout", [0, 0.02, 0.2])
def test_who_waits_at_the_door_waits_no_longer_than_he_will(pair: tuple[Stream[Any], Stream[Any]], timeout: float) -> None:
    """Another consumer is at it, for ever; the item that comes is for that one."""
    turns, found = Turns(pair), []
    first = threading.Thread(target=lambda: found.append(turns.take(Stream.get_nowait)[1]["seq"]))
    first.start()
    while not turns._lock.locked():
        threading.Event().wait(0.002)
    with within(timeout, rather_than=float("inf")), pytest.raises(Empty, match="others are waiting"):
        turns.take(Stream.get_nowait, timeout)
    pair[1]._delivery.put_batch([{"symbol": "ABC", "seq": 7}], 0.0)
    first.join(PATIENCE)
    assert found == [7]


def test_the_next_one_enters_when_the_door_is_free(pair: tuple[Stream[Any], Stream[Any]]) -> None:
    """Both get what comes, each something else."""
    turns, found = Turns(pair), []
    threads = [threading.Thread(target=lambda: found.append(turns.take(Stream.get_nowait)[1]["seq"])) for _ in range(2)]
    for thread in threads:
        thread.start()
    for seq in (1, 2):
        pair[0]._delivery.put_batch([{"symbol": "ABC", "seq": seq}], 0.0)
    for thread in threads:
        thread.join(PATIENCE)
    assert sorted(found) == [1, 2]


def test_somebody_else_was_quicker(pair: tuple[Stream[Any], Stream[Any]]) -> None:
    """What was there when it was looked at is gone: the next stream is asked, and there is no error."""
    turns = Turns(pair)
    pair[0]._delivery.put_batch([{"symbol": "ABC", "seq": 1}], 0.0)
    pair[1]._delivery.put_batch([{"symbol": "ABC", "seq": 2}], 0.0)

    def robbed(stream: Stream[Any]) -> Any:
        if stream is pair[0]:
            raise Empty("nothing is queued")
        return stream.get_nowait()

    assert turns.take(robbed)[1]["seq"] == 2
    pair[1]._delivery.put_batch([{"symbol": "ABC", "seq": 3}], 0.0)
    assert [turns.take(Stream.get_nowait)[1]["seq"] for _ in range(2)] == [1, 3]


def test_an_item_may_be_nothing_at_all(pair: tuple[Stream[Any], Stream[Any]]) -> None:
    """A message that is `null` is a message."""
    turns = Turns(pair)
    turns.use("default")
    pair[0]._delivery.put_batch([None], 0.0)
    assert turns.take(lambda stream: stream._delivery.get(timeout=0)) == (pair[0], None)


def test_all_are_closed(pair: tuple[Stream[Any], Stream[Any]]) -> None:
    """Said each time; of no streams, too."""
    turns = Turns(pair)
    for stream in pair:
        stream.close()
    for closed in (turns, turns, Turns(())):
        with pytest.raises(StreamClosed):
            closed.take(Stream.get_nowait)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_the_child_of_a_fork_does_not_wait_for_ever(pair: tuple[Stream[Any], Stream[Any]]) -> None:
    """The parent was at the door; the child is told that its streams are elsewhere."""
    turns = Turns(pair)
    with turns._lock:
        pair[0]._pid += 1  # as the child sees it
        with pytest.raises(UsageError, match="another process"):
            turns.take(Stream.get_nowait)
        pair[0]._pid -= 1
