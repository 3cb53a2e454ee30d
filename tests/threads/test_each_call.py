"""A stream is closed at each call that one of its threads makes, wherever that is: not by luck, but one after the other."""

from __future__ import annotations

import os
import threading
from math import inf
from typing import Any, Callable

import pytest

from syncstream import Stream
from syncstream.inbox import Close
from syncstream.testing import Broker
from tests.deadlines import within
from tests.stream.setting import feed_of

from .crew import PATIENCE, open_files

LIBRARY = f"{os.sep}syncstream{os.sep}"
POINTS = 12
"""How many of the calls are tried, evenly spread."""


class Moment:
    """Owned by: the test. Calls `act` when the threads of that name make their `number`-th call within the library."""

    def __init__(self, name: str, number: int, act: Callable[[], None]) -> None:
        self.count = 0
        self.came = False
        self._name = name
        self._number = number
        self._act = act

    def __enter__(self) -> Moment:
        threading.setprofile(self._hook)
        return self

    def __exit__(self, *error: object) -> None:
        threading.setprofile(None)

    def _hook(self, frame: Any, event: str, argument: Any) -> None:
        if event == "call" and LIBRARY in frame.f_code.co_filename and threading.current_thread().name.startswith(self._name):
            self.count += 1
            if self.count == self._number:
                self.came = True
                self._act()


class Life:
    """Owned by: the test. Dials, subscribes, has a message, is healed, is cut and dials again; `close` may come at any moment."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._started = threading.Event()

    def close(self) -> None:
        """All that another thread does to the one that is called here, when it closes or drops the stream."""
        assert self._started.wait(PATIENCE)
        self._stream._reader.post(Close())

    def live(self, moment: Moment) -> None:
        broker = self._broker
        stream = self._stream = Stream(feed_of(broker))
        self._started.set()
        last = 0
        for again in (False, True):
            if again:
                last = self._subscribed()
                broker.faults.cut()
            broker.wait_for(lambda: stream.closed or self._subscribed() > last, PATIENCE)  # noqa: B023
            broker.publish("ABC")
            broker.wait_for(lambda: stream.closed or stream.latest.live("ABC"), PATIENCE)
        if moment.came:
            assert stream._reader.ended.wait(PATIENCE)
        with within(1.0, rather_than=inf):
            assert stream.close(60.0).threads == ()
        broker.wait_for(lambda: not broker.connections, PATIENCE)

    def _subscribed(self) -> int:
        """The number of the newest connection that has said what it wants."""
        return max((number for number, topics in self._broker.subscriptions.items() if topics), default=0)


@pytest.mark.parametrize("thread", ["syncstream-dialer", "syncstream-reader", "syncstream-snapshot"])
def test_close_at_each_call_of_a_thread(thread: str) -> None:
    """Whatever it is doing when the word comes: all threads end, and no connection is left, not even one just made."""
    with Broker(symbols=("ABC",), rate=0, heartbeat=0.2) as broker:

        def life(number: int) -> Moment:
            life = Life(broker)
            with Moment(thread, number, life.close) as moment:
                life.live(moment)
            return moment

        calls = life(0).count
        before = open_files()
        came = sum(life(number).came for number in range(1, calls, max(1, calls // POINTS)))
        assert came >= POINTS // 2
        broker.wait_for(lambda: open_files() <= before, PATIENCE)  # the venue closes its ends a little later
