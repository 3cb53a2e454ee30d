"""Login scripts, followed subscriptions, notices and keepalives through the public API, against a venue that does all of it."""

from __future__ import annotations

import itertools
import threading
from typing import Any, Iterator, Optional, Sequence

import pytest

from syncstream import (
    Acks,
    Backoff,
    Batch,
    Budget,
    Closed,
    Connected,
    ConnectFailed,
    Contiguous,
    Disconnected,
    Feed,
    Keepalive,
    Kind,
    Refused,
    Severity,
    Stale,
    Step,
    Stream,
    StreamClosed,
    Subscribed,
    SubscribeFailed,
    UsageError,
)
from syncstream.clock import now
from syncstream.testing import Broker

from .setting import PATIENCE, marker, plain_feed, take_until

SYMBOLS = ("A", "B", "C", "D", "E")
KINDS = {
    **{"subscribed": Kind.ACK, "unsubscribed": Kind.IGNORE, "error": Kind.ERROR, "heartbeat": Kind.HEARTBEAT},
    **{kind.value: kind for kind in (Kind.CHALLENGE, Kind.PAUSE, Kind.RESUME, Kind.RESUBSCRIBE, Kind.RECONNECT)},
    **{"welcome": Kind.IGNORE, "login": Kind.IGNORE},
}


def kind_of(message: Any) -> Optional[Kind]:
    return KINDS.get(message["type"])


def followed(broker: Broker, **changes: Any) -> Feed:
    """A feed whose subscriptions are followed, by the id of each request."""
    numbers = itertools.count(1)

    def subscribe(topics: Sequence[Any]) -> Any:
        return {"action": "subscribe", "symbols": topics, "id": next(numbers)}

    settings: dict[str, Any] = {
        "subscribe": subscribe,
        "unsubscribe": lambda topics: {"action": "unsubscribe", "symbols": topics},
        "topics": SYMBOLS,
        "classify": kind_of,
        "acks": Acks(by="id", within=0.3),
    }
    return plain_feed(broker, **{**settings, **changes})


def login(key: str = "k") -> list[Step]:
    return [
        Step(expect=lambda message: message["type"] == "welcome", within=2.0),
        Step(
            send=lambda: {"action": "login", "key": key},
            expect=lambda message: message["type"] == "login",
            fail=lambda message: message["type"] == "error" and message["message"],
            within=2.0,
        ),
    ]


@pytest.fixture
def broker() -> Iterator[Broker]:
    """A venue that moves by hand."""
    with Broker(symbols=SYMBOLS, rate=0, heartbeat=0.2) as broker:
        yield broker


def publish(broker: Broker) -> None:
    for symbol in SYMBOLS:
        broker.publish(symbol)


# ---------------------------------------------------------------- the opening script


def test_a_login_before_the_first_subscription() -> None:
    """Welcome, login, then the topics; the venue refuses them in any other order. The same after a cut."""
    with (
        Broker(symbols=SYMBOLS, rate=0, heartbeat=0.2, welcome=True, login="k") as broker,
        Stream(followed(broker, opening=login())) as stream,
    ):
        for times in (1, 2):
            broker.wait_for(lambda: [*broker.subscriptions.values()] == [frozenset(SYMBOLS)], PATIENCE)
            publish(broker)
            assert {stream.get(timeout=PATIENCE)["symbol"] for _ in SYMBOLS} == set(SYMBOLS)
            assert (broker.counts["logins"], broker.counts["errors"]) == (times, 0)
            broker.faults.cut()
            broker.wait_for(lambda: broker.connections not in ((), (1,)), PATIENCE)


def test_a_wrong_key_ends_the_stream_at_once() -> None:
    """With what the venue said, and never with the key."""
    with Broker(symbols=SYMBOLS, rate=0, welcome=True, login="k") as broker:
        began = now()
        with pytest.raises(ConnectFailed, match="refused: wrong key") as caught:
            Stream(followed(broker, opening=login("s3cr3t"))).get(timeout=PATIENCE)
        assert now() - began < PATIENCE / 2
        assert "s3cr3t" not in str(caught.value)
        assert broker.counts["connects"] == 1


def test_a_login_payload_that_raises() -> None:
    """It is asked anew for every attempt; a token server that is away passes."""
    with Broker(symbols=SYMBOLS, rate=0, heartbeat=0.2, login="k") as broker:
        failures = iter([OSError("away"), None])

        def token() -> Any:
            failure = next(failures)
            if failure is not None:
                raise failure
            return {"action": "login", "key": "k"}

        step = Step(send=token, expect=lambda message: message["type"] == "login")
        with Stream(followed(broker, opening=[step])) as stream:
            items = take_until(stream, marker(Connected), stream.events())
        assert [item.reason for item in items if isinstance(item, Disconnected)] == ["opening: raised OSError"]


def test_closing_while_a_step_waits(broker: Broker) -> None:
    """Its deadline is not waited for."""
    with Stream(plain_feed(broker, opening=[Step(expect=lambda message: False, within=60.0)])) as stream:
        broker.wait_for(lambda: broker.connections, PATIENCE)
        assert stream.status.state == "connecting"
        assert stream.close(timeout=2.0).threads == ()


# ---------------------------------------------------------------- subscriptions that are followed


@pytest.mark.parametrize(
    ("acks", "venue"),
    [
        (Acks(by="id"), True),
        (Acks(by="key", topics="symbols"), True),
        (Acks(by="count"), True),
        (Acks(by="cumulative", topics="symbols"), "cumulative"),
    ],
)
def test_every_way_to_acknowledge(acks: Acks, venue: Any) -> None:
    """In batches of two: each topic is told to be subscribed, and is acknowledged before its first data."""
    with (
        Broker(symbols=SYMBOLS, rate=0, heartbeat=0.2, acks=venue) as broker,
        Stream(followed(broker, acks=acks, batch=Batch(topics=2))) as stream,
    ):
        items = stream.events()
        told: set[Any] = set()
        while told != set(SYMBOLS):
            told |= {item.topic for item in take_until(stream, marker(Subscribed), items) if isinstance(item, Subscribed)}
        assert broker.counts["received"] == 3
        assert stream.wait_live(timeout=0.0) == list(SYMBOLS)
        broker.wait_for(lambda: {state.state for state in stream.status.topics.values()} == {"acknowledged"}, PATIENCE)
        publish(broker)
        assert stream.wait_live(timeout=PATIENCE) == []


def test_a_request_that_is_lost_is_made_again(broker: Broker) -> None:
    """Told as refused for now; then the topic comes."""
    broker.faults.lose_request()
    with Stream(followed(broker, batch=Batch(topics=1))) as stream:
        (refused,) = [item for item in take_until(stream, marker(Refused), stream.events()) if isinstance(item, Refused)]
        assert (refused.topic, refused.reason) == ("A", "no acknowledgement within 0.3 s")
        assert refused.retry_in is not None
        broker.wait_for(lambda: [*broker.subscriptions.values()] == [frozenset(SYMBOLS)], PATIENCE)
        publish(broker)
        assert stream.wait_live(timeout=PATIENCE) == []
        assert stream.status.topics["A"].asked == 2


def test_a_topic_that_is_refused_is_named(broker: Broker) -> None:
    """The others stream; the venue's words are in the status."""
    broker.faults.refuse_topic("C")
    with Stream(followed(broker, batch=Batch(topics=1))) as stream:
        broker.wait_for(lambda: [*broker.subscriptions.values()] == [frozenset("ABDE")], PATIENCE)
        publish(broker)
        assert stream.wait_live(timeout=0.5) == ["C"]
        assert (stream.status.topics["C"].state, "not allowed" in stream.status.topics["C"].reason) == ("refused", True)


def test_everything_refused_ends_the_stream(broker: Broker) -> None:
    """With the reason; `wait_live` raises it as every wait does."""
    broker.faults.refuse_topic("A", count=None)
    stream = Stream(followed(broker))
    with pytest.raises(SubscribeFailed, match="not allowed"):
        stream.wait_live(timeout=PATIENCE)
    with pytest.raises(SubscribeFailed, match="not allowed"):
        stream.get(timeout=PATIENCE)


def test_topics_asked_for_at_run_time_are_followed_too(broker: Broker) -> None:
    """And those that were left are not waited for."""
    with Stream(followed(broker, topics=("A",))) as stream:
        stream.subscribe("B", "C")
        stream.unsubscribe("A")
        broker.wait_for(lambda: [*broker.subscriptions.values()] == [frozenset("BC")], PATIENCE)
        broker.publish("B")
        assert stream.wait_live(timeout=0.5) == ["C"]
        broker.publish("C")
        assert stream.wait_live(timeout=PATIENCE) == []
        assert set(stream.status.topics) == {"B", "C"}


def test_waiting_where_there_are_no_topics(broker: Broker) -> None:
    """Then for keys: for one at least, and that each is complete."""
    with Stream(plain_feed(broker)) as stream:
        assert stream.wait_live(timeout=0.3) == [None]
        broker.publish("A")
        assert stream.wait_live(timeout=PATIENCE) == []


def test_waiting_ends_with_the_stream(broker: Broker) -> None:
    """By `close` from another thread, and by a callable that would wait for itself."""
    stream = Stream(followed(broker))
    timer = threading.Timer(0.2, stream.close)
    timer.start()
    with pytest.raises(StreamClosed):
        stream.wait_live(timeout=PATIENCE)
    timer.join()
    raised: list[BaseException] = []

    def classify(message: Any) -> Optional[Kind]:
        try:
            inner.wait_live()
        except UsageError as error:
            raised.append(error)
        return kind_of(message)

    with Stream(followed(broker, classify=classify)) as inner:
        broker.wait_for(lambda: raised, PATIENCE)


# ---------------------------------------------------------------- what the venue says of the line


def test_a_challenge_is_answered(broker: Broker) -> None:
    """At once, by what the feed says."""
    feed = followed(broker, answer=lambda message: {"action": "answer", "id": message["id"]})
    with Stream(feed):
        broker.wait_for(lambda: broker.connections, PATIENCE)
        broker.tell({"type": "challenge", "id": 7})
        broker.wait_for(lambda: broker.counts["answers"] == 1, PATIENCE)


def test_a_venue_that_asks_to_subscribe_again(broker: Broker) -> None:
    """All topics are asked for once more, on the same line."""
    with Stream(followed(broker)) as stream:
        broker.wait_for(lambda: broker.counts["acks"] == 1, PATIENCE)
        broker.tell({"type": "resubscribe"})
        broker.wait_for(lambda: broker.counts["acks"] == 2, PATIENCE)
        publish(broker)
        assert stream.wait_live(timeout=PATIENCE) == []
        assert broker.counts["connects"] == 1


def test_a_pause_is_waited_out(broker: Broker) -> None:
    """A venue that says it will be silent is not dialled again for that."""
    with Stream(followed(broker)) as stream:
        broker.wait_for(lambda: broker.counts["acks"] == 1, PATIENCE)
        publish(broker)
        assert stream.wait_live(timeout=PATIENCE) == []
        broker.tell({"type": "pause"})
        number = broker.connections[0]
        broker.wait_for(lambda: stream._reader.engine.lines[0].clocks.excused_until is not None, PATIENCE)
        broker.faults.mute(seconds=1.5)  # twice what the heartbeat allows
        broker.wait_for(lambda: broker._venue.clients[number].is_silent(now()) is False, PATIENCE)
        broker.tell({"type": "resume"})
        broker.wait_for(lambda: broker.counts["acks"] == 2, PATIENCE)
        assert broker.connections == (number,)


def test_a_keepalive_of_the_venues_own_kind(broker: Broker) -> None:
    """Text out, text back: no message, and no proof that the feed lives."""
    keepalive = Keepalive(every=0.05, send="ping")
    with Stream(followed(broker, keepalive=keepalive, literals={"pong": Kind.PONG})) as stream:
        broker.wait_for(lambda: broker.counts["app_pings"] >= 3, PATIENCE)
        began = now()
        broker.faults.mute(seconds=PATIENCE)
        items = take_until(stream, marker(Disconnected), stream.events())
        assert items[-1].reason.startswith("mute: ")
        assert now() - began < PATIENCE / 2


def test_a_venue_that_streams_and_does_not_answer_is_dead(broker: Broker) -> None:
    """Its data says nothing of the part that listens to us: an order of ours would go nowhere. One that answers is alive."""
    keepalive = Keepalive(every=0.1, send={"action": "answer"}, expect="pong", within=0.5)  # which this venue answers by nothing
    with Stream(followed(broker, keepalive=keepalive)) as stream:
        items = take_until(stream, marker(Disconnected), stream.events())
        assert items[-1].reason == "half-open: no answer to our keepalive within 0.5 s"
    assert broker.counts["heartbeats"] >= 1
    with Stream(followed(broker, keepalive=Keepalive(every=0.1, send="ping", expect="pong", within=PATIENCE))) as stream:
        broker.wait_for(lambda: broker.counts["app_pings"] >= 5, PATIENCE)
        assert (stream.status.quarantined, stream.status.connects) == (0, 1)


def test_a_quiet_key_is_told_and_asked_for_again(broker: Broker) -> None:
    """The others speak; the line stays."""
    with Stream(followed(broker, quiet_after=0.4)) as stream:
        broker.wait_for(lambda: broker.counts["acks"] == 1, PATIENCE)
        publish(broker)
        stop = threading.Event()

        def speak() -> None:
            while not stop.wait(0.05):
                broker.publish("A")

        thread = threading.Thread(target=speak)
        thread.start()
        try:
            stale = take_until(stream, marker(Stale), stream.events())[-1]
            assert stale.key in set(SYMBOLS) - {"A"}
            broker.wait_for(lambda: broker.counts["received"] >= 3, PATIENCE)
            assert broker.counts["connects"] == 1
        finally:
            stop.set()
            thread.join()


def test_a_planned_end_loses_nothing(broker: Broker) -> None:
    """The line is replaced, and the numbers go on."""
    with Stream(followed(broker, lifetime=0.5, topics=("A",))) as stream:
        broker.wait_for(lambda: broker.counts["acks"] == 1, PATIENCE)
        broker.publish("A")
        broker.wait_for(lambda: broker.counts["acks"] >= 3, PATIENCE)
        broker.publish("A")
        assert [stream.get(timeout=PATIENCE)["seq"] for _ in range(2)] == [1, 2]


def test_subscriptions_are_paced(broker: Broker) -> None:
    """No more than the budget within any of its spans, and all of them in the end."""
    began = now()
    with Stream(followed(broker, batch=Batch(topics=1), send_budget=Budget(count=2, per=0.3))):
        broker.wait_for(lambda: [*broker.subscriptions.values()] == [frozenset(SYMBOLS)], PATIENCE)
        assert now() - began >= 0.6


def test_the_dial_budget_is_one_for_all_streams(broker: Broker) -> None:
    """What one has used the other waits for."""
    began = now()
    budget = Budget(count=1, per=0.6)
    with Stream(plain_feed(broker, dial_budget=budget)), Stream(plain_feed(broker, dial_budget=budget)):
        broker.wait_for(lambda: len(broker.connections) == 2, PATIENCE)
        assert now() - began >= 0.6


def test_after_so_many_attempts_it_is_over(broker: Broker) -> None:
    """A venue that accepts and drops is given up; so is one whose status the feed calls final."""
    broker.faults.accept_then_drop(attempts=99)
    feed = plain_feed(broker, backoff=Backoff(base=0.01, maximum=0.02, max_attempts=3))
    with pytest.raises(ConnectFailed, match=r"max_attempts=3 are used up"):
        Stream(feed).get(timeout=PATIENCE)
    assert broker.counts["connects"] == 3
    refused = Feed(broker.url, key="symbol", sequence=Contiguous("seq"), failures={503: Severity.FATAL})
    broker.faults.clear()
    broker.faults.refuse(503)
    with pytest.raises(ConnectFailed, match="503"):
        Stream(refused).get(timeout=PATIENCE)


def test_a_venue_that_lets_in_and_closes_on_a_wrong_key(broker: Broker) -> None:
    """With a code that the feed calls final: before any data the stream ends, after it the line is replaced."""
    feed = plain_feed(broker, failures={4001: Severity.FATAL}, backoff=Backoff(base=0.05, maximum=0.1))
    with Stream(feed) as stream:
        broker.wait_for(lambda: broker.subscriptions == {1: frozenset(SYMBOLS)}, PATIENCE)
        broker.faults.close(4001, "bad key")
        items = stream.events()
        told: list[Any] = []
        with pytest.raises(ConnectFailed, match="closed by the venue: 4001 bad key") as caught:
            told.extend(items)
        assert caught.value.code == 4001
        assert [type(item) for item in told[-2:]] == [Disconnected, Closed]
        assert (told[-2].code, told[-2].retry_in) == (4001, None)
    with Stream(feed) as stream:
        broker.wait_for(lambda: broker.subscriptions == {2: frozenset(SYMBOLS)}, PATIENCE)
        broker.publish("A")
        assert stream.get(timeout=PATIENCE)["symbol"] == "A"
        broker.faults.close(4001, "maintenance")
        broker.wait_for(lambda: broker.connections == (3,), PATIENCE)
    assert broker.counts["connects"] == 3
