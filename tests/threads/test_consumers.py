"""Several consumers of one stream, callbacks on many workers, and every public call from every thread at once."""

from __future__ import annotations

import random
import threading
from collections import Counter
from typing import Any, Callable, Iterator

import pytest

from syncstream import (
    Empty,
    Gap,
    HandlerFailed,
    NotConnected,
    Overflow,
    SendUnknown,
    Snapshot,
    Stream,
    StreamClosed,
)
from syncstream.testing import Broker
from tests.stream.setting import feed_of, plain_feed

from .crew import PATIENCE, Crew, hurried, waits

SYMBOLS = tuple(f"S{number:02}" for number in range(30))


@pytest.fixture
def broker() -> Iterator[Broker]:
    with Broker(symbols=SYMBOLS, rate=0, heartbeat=0.2) as broker:
        yield broker


def subscribed(broker: Broker) -> None:
    broker.wait_for(lambda: any(broker.subscriptions.values()), PATIENCE)


def each_once(broker: Broker, count: int = len(SYMBOLS)) -> None:
    for symbol in SYMBOLS[:count]:
        broker.publish(symbol)


# ---------------------------------------------------------------- consumers

FORMS: dict[str, Callable[[Stream], list[Any]]] = {
    "for": lambda stream: [item for item in stream],  # noqa: C416
    "get": lambda stream: list(until_closed(stream.get)),
    "get with time-out": lambda stream: list(until_closed(lambda: stream.get(timeout=60))),
    "queue": lambda stream: list(until_closed(stream.queue.get)),
    "get_many": lambda stream: [item for batch in until_closed(lambda: stream.get_many(7, timeout=60)) for item in batch],
}


def until_closed(get: Callable[[], Any]) -> Iterator[Any]:
    while True:
        try:
            yield get()
        except StreamClosed:
            return


@pytest.mark.parametrize("count", [2, 10])
def test_consumers_share_every_message_once(broker: Broker, count: int) -> None:
    """Whatever forms they use: each message goes to one of them, each has its own in order, and all are woken by the end."""
    stream = Stream(plain_feed(broker))
    names = (list(FORMS) * 2)[:count]
    with hurried(), Crew() as crew:
        for name in names:
            crew.start(FORMS[name], stream)
        subscribed(broker)
        for _ in range(20):
            broker.publish("S00", 100)
        broker.wait_for(lambda: stream._delivery.tally().delivered == 2000, PATIENCE)
        assert stream.close(PATIENCE).threads == ()
        taken = [[item["seq"] for item in result] for result in crew.woken()]
    assert [numbers for numbers in taken if numbers != sorted(numbers)] == []
    assert sorted(number for numbers in taken for number in numbers) == list(range(1, 2001))


def test_all_consumers_hear_of_a_failure(broker: Broker) -> None:
    """Ten wait when more comes than the queue holds: what is queued is taken once, then each hears why."""
    stream = Stream(plain_feed(broker), queue_size=20)
    taken: list[int] = []

    def consume() -> None:
        while True:
            taken.append(stream.get()["seq"])

    with Crew() as crew:
        for _ in range(10):
            crew.start(consume)
        subscribed(broker)
        broker.publish("S00", 5000)
        results = crew.end()
    assert {type(result) for result in results} == {Overflow}
    assert sorted(taken) == list(range(1, len(taken) + 1))
    stream.close()


# ---------------------------------------------------------------- callbacks


def test_order_per_key_on_many_workers(broker: Broker) -> None:
    """Twelve workers, thirty keys, holes and their snapshots: a key is in one hand at a time, and its items follow each other."""
    stream = Stream(feed_of(broker))
    busy: Counter[str] = Counter()
    position: dict[str, int] = {}
    wrong: list[Any] = []

    def handle(key: str, begins: bool, number: int) -> None:
        busy[key] += 1
        threading.Event().wait(0)  # let others run
        if busy[key] != 1 or not (begins or number == position.get(key, -1) + 1):
            wrong.append((key, number, position.get(key), busy[key]))
        position[key] = number
        busy[key] -= 1

    stream.on(dict)(lambda item: handle(item["symbol"], False, item["seq"]))
    stream.on(Snapshot)(lambda event: handle(event.key, True, event.position))
    stream.on(Gap)(wrong.append)
    with hurried():
        stream.start(workers=12)
        subscribed(broker)
        each_once(broker)
        broker.wait_for(lambda: all(map(stream.latest.live, SYMBOLS)), PATIENCE)
        broker.faults.drop(rate=0.02)
        for _ in range(20):
            broker.publish(count=100)
        broker.faults.clear()
        each_once(broker)
        each_once(broker)
        broker.wait_for(lambda: all(position.get(key) == broker.state(key).position for key in SYMBOLS), PATIENCE)
        assert stream.close(PATIENCE).threads == ()
    assert broker.counts["dropped"] > 0
    assert wrong == []


def test_callbacks_that_raise_together(broker: Broker, caplog: pytest.LogCaptureFixture) -> None:
    """Eight fail in the same moment: everybody who waits hears of the same one, the others stand in the log, none is lost."""
    stream = Stream(plain_feed(broker))
    together = threading.Barrier(8)

    @stream.on()
    def message(item: Any) -> None:
        together.wait(PATIENCE)
        raise KeyError(item["symbol"])

    with hurried(), Crew() as crew:
        crew.start(lambda: stream.run(workers=8, markers="ignore"))
        for _ in range(3):
            crew.start(stream.join)
        subscribed(broker)
        each_once(broker, 8)
        results = crew.woken()
    assert [type(result) for result in results] == [HandlerFailed] * 4
    assert len(set(map(str, results))) == 1
    assert isinstance(results[0].__cause__, KeyError)
    assert [record.getMessage() for record in caplog.records if record.name == "syncstream.workers"] == [
        "a second handler failed while the workers stopped"
    ] * 7
    assert stream.close(PATIENCE).threads == ()


def test_who_waits_for_the_end_takes_no_wake_up_from_a_worker(broker: Broker) -> None:
    """One joins, then a worker becomes idle; the next two keys are handled side by side all the same."""
    stream = Stream(plain_feed(broker))
    handled = {symbol: threading.Event() for symbol in SYMBOLS[:3]}
    go_on = {symbol: threading.Event() for symbol in SYMBOLS[:3]}
    workers: list[threading.Thread] = []

    @stream.on()
    def message(item: Any) -> None:
        workers.append(threading.current_thread())
        handled[item["symbol"]].set()
        assert go_on[item["symbol"]].wait(PATIENCE)

    stream.start(workers=2, markers="ignore")
    subscribed(broker)
    with Crew() as crew:
        broker.publish("S00")
        assert handled["S00"].wait(PATIENCE)
        joiner = crew.start(stream.join)
        broker.wait_for(lambda: waits(joiner, "join"), PATIENCE)
        go_on["S00"].set()
        broker.wait_for(lambda: waits(workers[0], "_next"), PATIENCE)
        broker.publish("S01")
        assert handled["S01"].wait(PATIENCE)
        broker.publish("S02")
        try:
            assert handled["S02"].wait(PATIENCE)
        finally:
            go_on["S01"].set()
            go_on["S02"].set()
            stream.close()


# ---------------------------------------------------------------- everything at once

ANSWERS = (Empty, NotConnected, SendUnknown, KeyError)
"""What a call may answer while the stream goes on."""


def test_any_call_from_any_thread(broker: Broker) -> None:
    """Ten threads call what they like, in the midst of cuts and holes: only answers come, and all is live in the end."""

    def speak(topics: Any) -> Any:
        return {"action": "subscribe", "symbols": list(topics)}

    feed = feed_of(
        broker,
        subscribe=speak,
        unsubscribe=lambda topics: {"action": "unsubscribe", "symbols": list(topics)},
        topics=SYMBOLS[:20],
    )
    stream = Stream(feed)
    calls: list[Callable[[random.Random], Any]] = [
        lambda dice: stream.get(timeout=dice.random() / 100),
        lambda dice: stream.get_nowait(),
        lambda dice: stream.get_many(dice.randrange(1, 50), timeout=0),
        lambda dice: stream.queue.get(timeout=0.001),
        lambda dice: (stream.queue.qsize(), stream.queue.empty(), stream.queue.full(), repr(stream.queue)),
        lambda dice: (stream.status, repr(stream), stream.closed),
        lambda dice: (stream.latest[dice.choice(SYMBOLS)], len(stream.latest), list(stream.latest.items())),
        lambda dice: stream.send({"action": "subscribe", "symbols": []}, timeout=5),
        lambda dice: stream.subscribe(dice.choice(SYMBOLS[20:])),
        lambda dice: stream.unsubscribe(dice.choice(SYMBOLS[20:])),
        lambda dice: stream.join(0.001),
        lambda dice: iter(stream),
        lambda dice: broker.publish(count=5),
        lambda dice: broker.faults.drop(1),
        lambda dice: dice.random() > 0.9 and broker.faults.cut(),
    ]

    def play(seed: int) -> int:
        dice = random.Random(seed)
        for _ in range(60):
            try:
                dice.choice(calls)(dice)
            except ANSWERS:
                continue
        return seed

    with hurried(), Crew() as crew:
        subscribed(broker)
        for seed in range(10):
            crew.start(play, seed)
        assert sorted(crew.end()) == list(range(10))
        broker.faults.clear()
        broker.wait_for(lambda: any(broker.subscriptions.values()), PATIENCE)
        stream.get_many(100_000, timeout=0)
        each_once(broker)
        broker.wait_for(lambda: all(map(stream.latest.live, SYMBOLS[:20])), PATIENCE)
        assert stream.close(PATIENCE).threads == ()
    broker.wait_for(lambda: not broker.connections, PATIENCE)
