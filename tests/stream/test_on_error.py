"""on_error: what a callback's exception means for the stream, through the public API."""

from __future__ import annotations

import threading
import traceback
from typing import Any, Iterator

import pytest

from syncstream import Feed, FeedError, FeedFailed, HandlerFailed, Quarantined, Stream, StreamFailed
from syncstream.testing import Broker

from .setting import PATIENCE, plain_feed


@pytest.fixture
def broker() -> Iterator[Broker]:
    with Broker(symbols=("ABC", "XYZ"), rate=0, heartbeat=0.2) as broker:
        yield broker


class Consumer:
    """Owned by: the test. A stream with a callback that fails at one message, and what the callbacks saw."""

    def __init__(self, broker: Broker, failing: int = 2) -> None:
        self.broker = broker
        self.seen: list[tuple[str, int]] = []
        self.told: list[Quarantined] = []
        self.stream = Stream(plain_feed(broker))
        self.stream.on()(self._fail)
        self.stream.on()(lambda item: self.seen.append((item["symbol"], item["seq"])))
        self._failing = failing

    def _fail(self, item: Any) -> None:
        if item["seq"] == self._failing:
            raise KeyError(item["symbol"])

    def publish(self) -> None:
        """Three messages of each symbol."""
        self.broker.wait_for(lambda: self.broker.subscriptions and all(self.broker.subscriptions.values()), PATIENCE)
        for symbol in self.broker.symbols:
            self.broker.publish(symbol, 3)

    def all_seen(self) -> None:
        self.broker.wait_for(lambda: len(self.seen) == 6, PATIENCE)


EVERYTHING = [(symbol, seq) for symbol in ("ABC", "XYZ") for seq in (1, 2, 3)]


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("on_error", ["log", "quarantine", lambda item, error: None])
def test_the_stream_goes_on(broker: Broker, on_error: Any, workers: int) -> None:
    """Every other item is handled, and the failing one by the callbacks that come after."""
    consumer = Consumer(broker)
    consumer.stream.start(workers, markers="ignore", on_error=on_error)
    consumer.publish()
    consumer.all_seen()
    assert sorted(consumer.seen) == EVERYTHING
    assert consumer.stream.status.reconnects == 0
    assert consumer.stream.close().threads == ()


def test_what_is_set_aside_is_told_in_the_stream(broker: Broker) -> None:
    """By an event with the key, in a callback for it; the items themselves wait on the stream, with the errors."""
    consumer = Consumer(broker)
    consumer.stream.on(Quarantined)(consumer.told.append)
    consumer.stream.start(markers="ignore", on_error="quarantine")
    consumer.publish()
    consumer.all_seen()
    broker.wait_for(lambda: len(consumer.told) == 2, PATIENCE)
    assert [event.key for event in consumer.told] == ["ABC", "XYZ"]
    assert [(one.key, one.item["seq"]) for one in consumer.stream.set_aside] == [("ABC", 2), ("XYZ", 2)]
    assert traceback.extract_tb(consumer.stream.set_aside[0].error.__traceback__)[-1].name == "_fail"
    assert consumer.stream.status.quarantined == 2
    consumer.stream.close()
    assert len(consumer.stream.set_aside) == 2


def test_a_callback_that_fails_at_everything_comes_to_an_end(broker: Broker) -> None:
    """Also at the events that tell of its failures."""
    stream = Stream(plain_feed(broker))
    calls: list[Any] = []

    @stream.on(dict, Quarantined)
    def fails(item: Any) -> None:
        calls.append(item)
        raise KeyError("always")

    stream.start(markers="ignore", on_error="quarantine")
    broker.wait_for(lambda: broker.subscriptions and all(broker.subscriptions.values()), PATIENCE)
    broker.publish("ABC", 3)
    broker.wait_for(lambda: stream.status.quarantined == 6, PATIENCE)
    stream.close(drain=True)
    assert len(calls) == 6


def test_raise_is_the_default_and_chains_the_original(broker: Broker) -> None:
    """run() raises HandlerFailed, whose cause has the traceback into the callback; later waits raise it too."""
    consumer = Consumer(broker)
    consumer.publish()
    with pytest.raises(HandlerFailed, match="KeyError: 'ABC'") as caught:
        consumer.stream.run(markers="ignore")
    cause = caught.value.__cause__
    assert isinstance(cause, KeyError)
    assert traceback.extract_tb(cause.__traceback__)[-1].name == "_fail"
    with pytest.raises(HandlerFailed):
        consumer.stream.join()
    consumer.stream.close()


def test_a_function_may_end_the_stream(broker: Broker) -> None:
    """By raising: that is the cause, and below it what the callback raised."""
    seen: list[Any] = []

    def on_error(item: Any, error: Exception) -> None:
        seen.append(item["seq"])
        raise LookupError("enough")

    consumer = Consumer(broker)
    consumer.publish()
    with pytest.raises(HandlerFailed, match="LookupError: enough") as caught:
        consumer.stream.run(markers="ignore", on_error=on_error)
    assert isinstance(caught.value.__cause__, LookupError)
    assert isinstance(caught.value.__cause__.__context__, KeyError)
    assert seen == [2]
    consumer.stream.close()


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
@pytest.mark.parametrize("on_error", ["log", "quarantine", lambda item, error: None])
def test_what_should_end_the_program_ends_the_stream(broker: Broker, on_error: Any, kind: type[BaseException]) -> None:
    """Whatever on_error says: these are no accidents."""
    stream = Stream(plain_feed(broker))

    @stream.on()
    def leave(item: Any) -> None:
        raise kind

    broker.wait_for(lambda: broker.subscriptions and all(broker.subscriptions.values()), PATIENCE)
    broker.publish("ABC")
    with pytest.raises(HandlerFailed, match=kind.__name__):
        stream.run(markers="ignore", on_error=on_error)
    stream.close()


def test_a_wrong_word_is_refused_and_changes_nothing(broker: Broker) -> None:
    """The stream can still be consumed in any form."""
    with Stream(plain_feed(broker)) as stream:
        stream.on()(lambda item: None)
        with pytest.raises(FeedError, match="on_error='ignore'"):
            stream.run(markers="ignore", on_error="ignore")
        broker.wait_for(lambda: broker.subscriptions and all(broker.subscriptions.values()), PATIENCE)
        broker.publish("ABC")
        assert next(stream.messages())["seq"] == 1


def test_the_word_may_differ_from_run_to_run(broker: Broker) -> None:
    """What was set aside before stays and is counted."""
    stream = Stream(plain_feed(broker))
    reached = threading.Event()

    @stream.on()
    def fails(item: Any) -> None:
        reached.set()
        raise KeyError(item["seq"])

    broker.wait_for(lambda: broker.subscriptions and all(broker.subscriptions.values()), PATIENCE)
    stream.start(markers="ignore", on_error="quarantine")
    broker.publish("ABC")
    assert reached.wait(PATIENCE)
    broker.wait_for(lambda: stream.status.quarantined == 1, PATIENCE)
    assert stream._callbacks.stop(PATIENCE) == []
    broker.publish("ABC")
    with pytest.raises(StreamFailed):
        stream.run(markers="ignore")
    assert (stream.status.quarantined, len(stream.set_aside)) == (1, 1)
    stream.close()


def token() -> str:
    raise KeyError("TOKEN")


@pytest.mark.parametrize("field", ["endpoint", "subscribe"])
def test_a_mistake_in_a_callable_of_the_feed_is_raised_as_one(broker: Broker, field: str) -> None:
    """FeedFailed, at once, with the traceback into the callable at the end of its causes; it is no ConnectionError."""
    feed = Feed(token) if field == "endpoint" else Feed(broker.url, subscribe=lambda topics: token(), topics=["ABC"])
    with Stream(feed) as stream, pytest.raises(FeedFailed, match=f"{field}: raised KeyError") as caught:
        stream.get(timeout=PATIENCE)
    assert not isinstance(caught.value, ConnectionError)
    assert caught.value.__cause__ is not None
    original = caught.value.__cause__.__cause__
    assert isinstance(original, KeyError)
    assert traceback.extract_tb(original.__traceback__)[-1].name == "token"
