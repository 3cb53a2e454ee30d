"""Scenarios of the user's side: callbacks that fail or block, an event loop that runs already, every way to close, Ctrl-C."""

from __future__ import annotations

import asyncio
import threading
from typing import Any, Optional

from syncstream import Event, Gap, HandlerFailed, Quarantined, Snapshot, Stream
from syncstream.clock import now
from syncstream.testing import Broker, Replica
from tests.stream.outside import interrupt_every_call
from tests.stream.states import STATES, Scene, State

from .connection import RATE, befallen
from .follower import PATIENCE, feed_of
from .scenario import Record

BLOCKED = 12.0
"""Seconds a callback does not return, as the issue has it."""


class Handling:
    """Owned by: the scenario. A replica fed by callbacks, and what they did."""

    def __init__(self, broker: Broker, stream: Stream) -> None:
        self.replica = Replica()
        self.broker = broker
        self.stream = stream
        self.fault_at: Optional[float] = None
        self.went_on_at: Optional[float] = None
        self.told: list[str] = []
        stream.on(Snapshot, Gap)(self.replica.apply)
        stream.on()(self._message)

    def _message(self, item: Any) -> None:
        self.replica.apply(item)
        if self.fault_at is not None and self.went_on_at is None:
            self.went_on_at = now()

    def once(self, item: Any) -> bool:
        """Whether now is the time: once all is under way."""
        if self.fault_at is None and self.replica.total.applied >= 20:
            self.fault_at = now()
            return True
        return False

    def record(self, noticed: Optional[float], whole: Optional[float]) -> Record:
        """Let the market rest, and compare."""
        self.broker.pause()
        end = now() + 5.0
        while self.replica.differences(self.broker) and now() < end:
            threading.Event().wait(0.02)
        wrong = self.replica.differences(self.broker)
        if self.replica.total.wrong:
            wrong.append(f"{self.replica.total}")
        return Record(noticed, whole, tuple(self.told), self.broker.counts["connects"], tuple(wrong))


def callback_raises() -> Record:
    """By default: run() raises, with the original as its cause, and what was delivered until then was in order."""
    with Broker(rate=RATE) as broker, Stream(feed_of(broker)) as stream:
        handling = Handling(broker, stream)

        @stream.on()
        def fails(item: Any) -> None:
            if handling.once(item):
                raise KeyError("once")

        try:
            stream.run()
        except HandlerFailed as error:
            raised_at = now()
            told = (type(error).__name__, type(error.__cause__).__name__)
        assert handling.fault_at is not None
        wrong = [f"{handling.replica.total}"] if handling.replica.total.wrong else []
        return Record(raised_at - handling.fault_at, None, told, broker.counts["connects"], tuple(wrong))


def callback_raises_in_quarantine() -> Record:
    """With on_error: the stream goes on, and the item is told of and kept."""
    with Broker(rate=RATE) as broker, Stream(feed_of(broker)) as stream:
        handling = Handling(broker, stream)
        told = threading.Event()
        told_at: list[float] = []

        @stream.on()
        def fails(item: Any) -> None:
            if handling.once(item):
                raise KeyError("once")

        @stream.on(Quarantined)
        def quarantined(item: Quarantined) -> None:
            told_at.append(now())
            handling.told.append(type(item).__name__)
            told.set()

        stream.start(on_error="quarantine")
        assert told.wait(PATIENCE)
        broker.wait_for(lambda: handling.went_on_at, PATIENCE)
        assert handling.fault_at is not None
        assert handling.went_on_at is not None
        handling.told += [type(one.error).__name__ for one in stream.set_aside]
        return handling.record(told_at[0] - handling.fault_at, handling.went_on_at - handling.fault_at)


def callback_blocks() -> Record:
    """Meanwhile the venue's pings are answered and everything is received; then it is handed over."""
    with Broker(rate=RATE, ping_interval=2.0) as broker, Stream(feed_of(broker)) as stream:
        handling = Handling(broker, stream)
        blocked = threading.Event()
        go_on = threading.Event()

        @stream.on()
        def blocks(item: Any) -> None:
            if handling.once(item):
                blocked.set()
                go_on.wait()

        stream.start()
        assert blocked.wait(PATIENCE)
        pongs = broker.counts["pongs"]
        threading.Event().wait(BLOCKED)
        answered, unanswered = broker.counts["pongs"] - pongs, broker.counts["unanswered"]
        queued = stream.status.queued
        began = now()
        go_on.set()
        broker.wait_for(lambda: stream.status.queued == 0, PATIENCE)
        whole = now() - began
        record = handling.record(None, whole)
        wrong = list(record.wrong)
        if answered < BLOCKED / 2.0 - 2 or unanswered or queued < RATE * BLOCKED / 4:
            wrong.append(f"{answered} pongs, {unanswered} pings unanswered, {queued} queued in {BLOCKED:g} s")
        return record._replace(wrong=tuple(wrong))


def inside_an_event_loop() -> Record:
    """As in a notebook cell: a loop runs in this thread already, and the code in it simply blocks."""

    async def cell() -> Record:
        return befallen(lambda broker: broker.faults.cut())

    return asyncio.run(cell())


def close_from_a_callback() -> Record:
    """It returns at once, and so does run()."""
    with Broker(rate=RATE) as broker, Stream(feed_of(broker)) as stream:
        handling = Handling(broker, stream)
        left: list[str] = []
        closed_at: list[float] = []

        @stream.on()
        def closes(item: Any) -> None:
            if handling.once(item):
                left.extend(stream.close().threads)
                closed_at.append(now())

        stream.run()
        ended = now()
        assert handling.fault_at is not None
        wrong = [f"left: {name}" for name in left]
        if handling.replica.total.wrong:
            wrong.append(f"{handling.replica.total}")
        return Record(closed_at[0] - handling.fault_at, ended - handling.fault_at, (), broker.counts["connects"], tuple(wrong))


def close_in_every_state() -> Record:
    """From another thread, while a consumer waits: the longest any state took beyond what could not end before its deadline."""
    longest = 0.0
    wrong: list[str] = []
    for name, state in STATES.items():
        took, left = _close_in(state)
        longest = max(longest, took)
        wrong += [f"{name}: left: {thread}" for thread in left]
    return Record(longest, None, (), 1, tuple(wrong))


def _close_in(state: State) -> tuple[float, set[str]]:
    limit = 0.3 if state.left else 2.0
    with Scene() as scene, Stream(state.feed(scene), **state.options) as stream:
        scene.subscribed(stream)
        scene.broker.publish("ABC")
        scene.broker.wait_for(lambda: stream.latest.live("ABC"), 8.0)
        scene.broker.publish("ABC")
        item = stream.get(timeout=8.0)
        assert not isinstance(item, Event) or isinstance(item, Snapshot)
        state.enter(scene, stream)
        consumer = threading.Thread(target=lambda: list(stream))
        if not state.options:  # one that is paused must not be relieved
            consumer.start()
        took: list[float] = []
        left: set[str] = set()

        def close() -> None:
            began = now()
            left.update(set(stream.close(limit).threads) - set(state.left))
            took.append(now() - began)

        closer = threading.Thread(target=close)
        closer.start()
        closer.join()
        if consumer.ident is not None:
            consumer.join(1.0)
            if consumer.is_alive():
                left.add("the consumer, not woken")
        scene.gate.open()
        stream.close(8.0)
        return took[0], left


def ctrl_c() -> Record:
    """In a program of its own, in one blocking call after the other: KeyboardInterrupt comes, and the stream goes on."""
    with Broker(symbols=("ABC",), rate=0, heartbeat=0.2) as broker:
        took = interrupt_every_call(broker)
    return Record(max(took.values()), None, ("KeyboardInterrupt",), 1)
