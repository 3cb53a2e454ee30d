"""Tests of consumer.py: items with the moment they came. (The other calls: tests/stream/test_consuming.py.)"""

from __future__ import annotations

import threading
from typing import Any

import pytest

from syncstream import clock
from syncstream.consumer import Consumer, Stamped
from syncstream.delivery import Delivery
from syncstream.errors import Empty, FeedError, Overflow, StreamClosed, UsageError
from syncstream.events import Connected, Dropped, Snapshot


class Plain(Consumer[Any]):
    """Owned by: the test. A consumer with a queue and no stream around it."""

    _delivery: Delivery

    def __init__(self, **options: Any) -> None:
        self._delivery = Delivery(10, key=lambda item: item["key"], **options)
        self._raised = False
        self.busy = False

    def _may_consume(self) -> None:
        if self.busy:
            raise UsageError("callbacks run")


def message(number: int) -> dict[str, Any]:
    return {"key": "A", "number": number}


def test_each_item_has_the_moment_it_came() -> None:
    """Both clocks name the same moment, and the wall keeps the order."""
    consumer = Plain()
    wall_ns, began = clock.wall_ns(), clock.now()
    for number, at in ((1, began - 5.0), (2, began - 3.0), (3, began - 3.0)):
        consumer._delivery.put_batch([Connected(), message(number)], at)
    consumer._delivery.close(drain=True)
    stamped = list(consumer.stamped())
    assert [one.item for one in stamped] == [message(1), message(2), message(3)]
    assert [one.at - began for one in stamped] == pytest.approx([-5.0, -3.0, -3.0])
    assert [(one.at_ns - wall_ns) / 1e9 for one in stamped] == pytest.approx([-5.0, -3.0, -3.0], abs=0.01)
    assert stamped[1].at_ns == stamped[2].at_ns
    assert consumer._delivery.latency(clock.now()).total == 3


def test_a_marker_that_was_made_here_says_when() -> None:
    """What was dropped came never; the marker tells when it was."""
    consumer = Plain(overflow="drop_oldest")
    consumer._delivery.put_batch([message(number) for number in range(12)], clock.now())
    stamped = next(consumer.stamped())
    assert isinstance(stamped.item, Dropped)
    assert stamped.at_ns == pytest.approx(stamped.item.at_ns, abs=1e6)
    assert stamped.at == pytest.approx(clock.now(), abs=5.0)


def test_it_is_the_default_view() -> None:
    """Like a plain loop: the markers that change the state, and another view is refused."""
    consumer = Plain()
    consumer._delivery.put_batch([Connected(), Snapshot(key="A")], 1.0)
    assert next(consumer.stamped()).item == Snapshot(key="A")
    with pytest.raises(UsageError, match="one view"):
        consumer.events()


def test_the_life_of_the_stream_has_its_moments_too() -> None:
    """With `events=True` it is the view of `events()`, and another one is refused."""
    consumer = Plain()
    consumer._delivery.put_batch([Connected(), message(1)], 1.0)
    stamped = consumer.stamped(events=True)
    assert [next(stamped).item, next(stamped).item] == [Connected(), message(1)]
    with pytest.raises(UsageError, match="one view"):
        consumer.stamped()


def test_it_ends_and_fails_like_a_loop() -> None:
    """At the end it stops, each time; a failure is raised and known to have been."""
    consumer = Plain()
    consumer._delivery.close(drain=True)
    stamped = consumer.stamped()
    assert list(stamped) == list(stamped) == []
    with pytest.raises(StreamClosed):
        consumer._get_stamped()
    consumer = Plain()
    consumer._delivery.fail(Overflow("too slow"))
    with pytest.raises(Overflow):
        next(consumer.stamped())
    assert consumer._raised
    consumer.busy = True
    with pytest.raises(UsageError, match="callbacks run"):
        consumer.stamped()


def test_a_time_out_of_a_stamped_get() -> None:
    """What `to_pandas` waits with."""
    consumer = Plain()
    with pytest.raises(Empty):
        consumer._get_stamped(0.0)
    with pytest.raises(FeedError, match="timeout=-1"):
        consumer._get_stamped(-1)
    timer = threading.Timer(0.01, consumer._delivery.put_batch, ([message(1)], 7.0))
    timer.start()
    assert consumer._get_stamped(10.0).at == 7.0
    timer.join()


def test_a_stamped_item_is_a_frozen_value() -> None:
    """Equal by its parts."""
    assert Stamped("A", 1.0, 2) == Stamped("A", 1.0, 2)
    with pytest.raises(AttributeError):
        Stamped("A", 1.0, 2).at = 5.0  # type: ignore[misc]
