"""Subscribing and unsubscribing while the stream runs: what the venue is told, also after reconnects, and what is delivered."""

from __future__ import annotations

import random
import threading
from typing import Any, Iterator, Sequence

import pytest

from syncstream import CONNECTION, Contiguous, Event, Feed, FeedError, Gap, Rest, Resynced, Snapshot, Stream, UsageError
from syncstream.testing import Broker, Replica

from .setting import PATIENCE, catch_up, feed_of, marker, messages, plain_feed, take_until
from .states import Scene

SYMBOLS = ("A", "B", "C", "D", "E")


def subscribe(topics: Sequence[str]) -> Any:
    return {"action": "subscribe", "symbols": topics}


def unsubscribe(topics: Sequence[str]) -> Any:
    return {"action": "unsubscribe", "symbols": topics}


CALLABLES: dict[str, Any] = {"subscribe": subscribe, "unsubscribe": unsubscribe}


@pytest.fixture
def broker() -> Iterator[Broker]:
    """A venue that moves by hand."""
    with Broker(symbols=SYMBOLS, rate=0, heartbeat=0.2) as broker:
        yield broker


def wanted(broker: Broker, *topics: str) -> None:
    """Wait until the venue has one connection that wants just these."""
    broker.wait_for(lambda: list(broker.subscriptions.values()) == [frozenset(topics)], PATIENCE)


def cut_and_wait(broker: Broker) -> None:
    """Until the stream has come back."""
    before = broker.connections
    broker.faults.cut()
    broker.wait_for(lambda: broker.connections not in ((), before), PATIENCE)


def publish(broker: Broker, *symbols: str, count: int = 1) -> None:
    for symbol in symbols:
        broker.publish(symbol, count)


def seen(stream: Stream, count: int) -> list[tuple[str, int]]:
    """The next messages: symbol and number; a marker fails the test."""
    items = [stream.get(timeout=PATIENCE) for _ in range(count)]
    assert [item for item in items if isinstance(item, Event)] == []
    return [(item["symbol"], item["seq"]) for item in items]


# ---------------------------------------------------------------- what the venue is told


def test_topics_of_the_feed_are_asked_for_first(broker: Broker) -> None:
    """A callable gets the topics and says what to send; without topics it is not asked."""
    with Stream(plain_feed(broker, **CALLABLES, topics=["A", "B"])) as stream:
        wanted(broker, "A", "B")
        publish(broker, "A", "B", "C")
        assert seen(stream, 2) == [("A", 1), ("B", 1)]
    with Stream(plain_feed(broker, **CALLABLES)):
        broker.wait_for(lambda: len(broker.connections) == 1, PATIENCE)
        assert broker.counts["received"] == 1


def test_subscribing_and_unsubscribing_at_run_time(broker: Broker) -> None:
    """Each change is one message to the venue; what changes nothing is none."""
    with Stream(plain_feed(broker, **CALLABLES, topics=["A"])) as stream:
        wanted(broker, "A")
        stream.subscribe("B", "C", "B")
        wanted(broker, "A", "B", "C")
        stream.unsubscribe("A", "B")
        wanted(broker, "C")
        said = broker.counts["received"]
        stream.subscribe("C")
        stream.unsubscribe("A", "E")
        stream.subscribe()
        stream.subscribe("D")
        wanted(broker, "C", "D")
        assert broker.counts["received"] == said + 1
        publish(broker, *SYMBOLS)
        assert seen(stream, 2) == [("C", 1), ("D", 1)]


def test_several_payloads_for_one_change(broker: Broker) -> None:
    """Some venues take one symbol per request: a callable may return many."""
    many: dict[str, Any] = {
        "subscribe": lambda topics: [subscribe([topic]) for topic in topics],
        "unsubscribe": lambda topics: tuple(unsubscribe([topic]) for topic in topics),
    }
    with Stream(plain_feed(broker, **many, topics=["A", "B"])) as stream:
        wanted(broker, "A", "B")
        stream.subscribe("C", "D")
        wanted(broker, "A", "B", "C", "D")
        stream.unsubscribe("A", "D")
        wanted(broker, "B", "C")
        assert broker.counts["received"] == 6


def test_changes_hold_after_a_reconnect(broker: Broker) -> None:
    """The next line is subscribed to what is wanted then."""
    with Stream(plain_feed(broker, **CALLABLES, topics=["A", "B"])) as stream:
        wanted(broker, "A", "B")
        stream.subscribe("C")
        stream.unsubscribe("A")
        wanted(broker, "B", "C")
        for _ in range(3):
            cut_and_wait(broker)
            wanted(broker, "B", "C")


@pytest.mark.parametrize("state", ["refused", "dialing"])
def test_changes_while_no_line_is_open_are_not_lost(state: str) -> None:
    """During a back-off, and during the very dial whose subscription has been worked out already."""
    with Scene(SYMBOLS) as scene:
        broker = scene.broker
        feed = Feed(scene.endpoint, **CALLABLES, topics=["A", "B"], key="symbol")
        if state == "refused":
            broker.faults.refuse(429, attempts=1, retry_after=0.3)
        else:
            scene.gate.shut = True
        with Stream(feed) as stream:
            if state == "refused":
                broker.wait_for(lambda: broker.counts["refused"], PATIENCE)
            else:
                assert scene.gate.entered.wait(PATIENCE)
            stream.subscribe("C")
            stream.unsubscribe("A")
            stream.subscribe("D")
            stream.unsubscribe("D")
            scene.gate.open()
            wanted(broker, "B", "C")


@pytest.mark.parametrize("seed", range(4))
def test_whatever_happens_the_venue_is_asked_for_what_is_wanted(seed: int) -> None:
    """Random commands between random cuts and refusals: in the end the venue sends what was asked for, whole and right."""
    dice = random.Random(seed)
    replica = Replica()
    with Broker(symbols=SYMBOLS, rate=400, heartbeat=0.1, seed=seed) as broker:
        desired = set(SYMBOLS[:2])
        with Stream(feed_of(broker, **CALLABLES, topics=sorted(desired))) as stream:
            for _ in range(60):
                topics = dice.sample(SYMBOLS, dice.randint(1, 3))
                act = dice.choice(
                    ["subscribe", "unsubscribe", "subscribe", "unsubscribe", "cut", "close", "refuse", "take", "take"]
                )
                if act == "subscribe":
                    stream.subscribe(*topics)
                    desired.update(topics)
                elif act == "unsubscribe":
                    stream.unsubscribe(*topics)
                    desired.difference_update(topics)
                    for item in stream.get_many(timeout=0):
                        replica.apply(item)
                elif act == "refuse":
                    broker.faults.refuse(503, attempts=1)
                elif act in ("cut", "close"):
                    getattr(broker.faults, act)()
                else:
                    for item in stream.get_many(timeout=0.01):
                        replica.apply(item)
            stream.subscribe("A")
            desired.add("A")
            wanted(broker, *desired)
            for item in stream.get_many(timeout=0):
                replica.apply(item)
            again = Replica()  # a topic that was left and asked for again begins anew: judge from here on
            stream.unsubscribe(*desired)
            wanted(broker)
            stream.get_many(max_items=100_000, timeout=0.05)
            stream.subscribe(*desired)
            wanted(broker, *desired)
            broker.pause()
            for symbol in desired:
                broker.publish(symbol)

            def whole() -> bool:
                for item in stream.get_many(timeout=0.02):
                    again.apply(item)
                states = broker.states()
                return all(again.state(symbol) == states[symbol] for symbol in desired)

            broker.wait_for(whole, PATIENCE)
            assert set(stream.latest) == desired
    assert again.total.wrong == 0
    assert replica.total.duplicated == replica.total.out_of_order == 0


def test_threads_may_change_topics_at_once(broker: Broker) -> None:
    """Whatever order they come in, the stream and the venue agree in the end."""
    with Stream(plain_feed(broker, **CALLABLES, topics=["A"])) as stream:
        wanted(broker, "A")

        def toggle(seed: int) -> None:
            dice = random.Random(seed)
            for _ in range(40):
                change = dice.choice([stream.subscribe, stream.unsubscribe])
                change(*dice.sample(SYMBOLS, 2))

        threads = [threading.Thread(target=toggle, args=(seed,)) for seed in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        broker.wait_for(lambda: set(stream._reader.engine.topics) == set(stream._topics), PATIENCE)
        wanted(broker, *map(str, stream._topics))
        broker.faults.cut()
        broker.wait_for(lambda: broker.counts["connects"] == 2, PATIENCE)
        if stream._topics:
            wanted(broker, *map(str, stream._topics))


def test_changes_reach_the_reader_in_the_order_in_which_they_are_noted(broker: Broker) -> None:
    """A thread that is held up between the two must not let the other one's change pass it: the venue would be left wrong."""
    with Stream(plain_feed(broker, **CALLABLES)) as stream:
        post = stream._reader.post
        first, second = threading.Event(), threading.Event()

        def held_up(item: Any) -> None:
            if not first.is_set():
                first.set()
                second.wait(0.2)
            else:
                second.set()
            post(item)

        stream._reader.post = held_up  # type: ignore[method-assign]
        thread = threading.Thread(target=stream.subscribe, args=("A",))
        thread.start()
        assert first.wait(PATIENCE)
        stream.unsubscribe("A")
        thread.join()
        stream._reader.post = post  # type: ignore[method-assign]
        stream.subscribe("B")
        broker.wait_for(lambda: "B" in stream._reader.engine.topics, PATIENCE)
        assert list(stream._reader.engine.topics) == list(stream._topics) == ["B"]


def test_a_callback_may_change_topics(broker: Broker) -> None:
    """When the first message of one comes, ask for another."""
    stream = Stream(plain_feed(broker, **CALLABLES, topics=["A"]))
    got = threading.Event()

    @stream.on()
    def message(item: Any) -> None:
        if item["symbol"] == "A":
            stream.subscribe("B")
            stream.unsubscribe("A")
        else:
            got.set()

    stream.start(markers="ignore")
    wanted(broker, "A")
    publish(broker, "A")
    wanted(broker, "B")
    publish(broker, "B")
    assert got.wait(PATIENCE)
    assert stream.close().threads == ()


# ---------------------------------------------------------------- what is delivered


def test_what_comes_late_of_a_topic_that_was_left_is_not_delivered(broker: Broker) -> None:
    """The venue goes on sending for a while: it is not told, and `latest` forgets it."""
    deaf = {**CALLABLES, "unsubscribe": lambda topics: {"action": "please", "symbols": topics}}
    with Stream(plain_feed(broker, **deaf, topics=["A", "B"])) as stream:
        wanted(broker, "A", "B")
        publish(broker, "A", "B")
        assert seen(stream, 2) == [("A", 1), ("B", 1)]
        stream.unsubscribe("A")
        broker.wait_for(lambda: broker.counts["errors"], PATIENCE)
        publish(broker, "A", count=5)
        publish(broker, "B")
        assert seen(stream, 1) == [("B", 2)]
        assert set(stream.latest) == {"B"}
        broker.wait_for(lambda: set(stream.status.keys) == {"B"}, PATIENCE)
        stream.subscribe("A")
        broker.wait_for(lambda: broker.counts["received"] == 3, PATIENCE)
        publish(broker, "A")
        assert seen(stream, 1) == [("A", 7)]


def test_asking_again_starts_clean(broker: Broker) -> None:
    """What was not asked for is no gap."""
    with Stream(plain_feed(broker, **CALLABLES, topics=["A", "B"])) as stream:
        wanted(broker, "A", "B")
        publish(broker, "A", "B", count=2)
        seen(stream, 4)
        for number in (10, 20):
            stream.unsubscribe("A")
            wanted(broker, "B")
            publish(broker, "A", count=7)
            stream.subscribe("A")
            wanted(broker, "A", "B")
            publish(broker, "A")
            assert seen(stream, 1) == [("A", number)]
            publish(broker, "A", count=2)
            assert seen(stream, 2) == [("A", number + 1), ("A", number + 2)]
        assert stream.status.gaps == 0


def test_asking_again_brings_a_snapshot_where_there_is_one(broker: Broker) -> None:
    """The state begins anew, and is whole."""
    replica = Replica()
    with Stream(feed_of(broker, **CALLABLES, topics=["A"])) as stream:
        wanted(broker, "A")
        for number in (1, 9):
            publish(broker, "A")
            snapshot = stream.get(timeout=PATIENCE)
            assert isinstance(snapshot, Snapshot)
            assert (snapshot.key, snapshot.position) == ("A", number)
            replica.apply(snapshot)
            stream.unsubscribe("A")
            wanted(broker)
            publish(broker, "A", count=7)
            stream.subscribe("A")
            wanted(broker, "A")
        catch_up_one(stream, broker, replica)
    assert replica.total.wrong == 0


def catch_up_one(stream: Stream, broker: Broker, replica: Replica) -> None:
    """Let it move once more, and take until it is whole."""
    broker.publish("A")
    broker.pause()

    def whole() -> bool:
        for item in stream.get_many(timeout=0.02):
            replica.apply(item)
        return replica.state("A") == broker.state("A")

    broker.wait_for(whole, PATIENCE)


def test_leaving_a_topic_that_is_being_healed(broker: Broker) -> None:
    """Its snapshot comes too late, and is not delivered; asked for again it is healed by another one."""
    replica = Replica()
    with Stream(feed_of(broker, **CALLABLES, topics=["A"])) as stream:
        wanted(broker, "A")
        broker.faults.slow_snapshot(0.3)
        publish(broker, "A", count=3)
        broker.wait_for(lambda: broker.counts["slow_snapshots"], PATIENCE)
        stream.unsubscribe("A")
        wanted(broker)
        publish(broker, "A", count=3)
        broker.wait_for(lambda: stream.status.late_answers == 1, PATIENCE)
        assert stream.get_many(timeout=0.05) == []
        assert (stream.status.held, stream.status.syncing) == (0, 0)
        stream.subscribe("A")
        wanted(broker, "A")
        catch_up_one(stream, broker, replica)
    assert replica.total.wrong == 0


def test_leaving_and_asking_again_while_the_old_snapshot_is_on_its_way(broker: Broker) -> None:
    """The old answer is of another time, though it is of the same key."""
    replica = Replica()
    with Stream(feed_of(broker, **CALLABLES, topics=["A"])) as stream:
        wanted(broker, "A")
        broker.faults.slow_snapshot(0.3)
        publish(broker, "A", count=3)
        broker.wait_for(lambda: broker.counts["slow_snapshots"], PATIENCE)
        stream.unsubscribe("A")
        wanted(broker)
        publish(broker, "A", count=3)
        stream.subscribe("A")
        wanted(broker, "A")
        publish(broker, "A", count=3)
        catch_up_one(stream, broker, replica)
        broker.wait_for(lambda: stream.status.late_answers == 1, PATIENCE)
        assert messages(stream.get_many(timeout=0.05)) == []
        assert replica.state("A") == broker.state("A")
    assert replica.total.wrong == 0
    assert replica.total.snapshots == 1


def test_asking_for_a_topic_that_is_being_healed_changes_nothing(broker: Broker) -> None:
    """It is wanted already: its snapshot is on its way."""
    with Stream(feed_of(broker, **CALLABLES, topics=["A"])) as stream:
        items = stream.events()
        wanted(broker, "A")
        broker.faults.slow_snapshot(0.2)
        publish(broker, "A", count=3)
        broker.wait_for(lambda: broker.counts["slow_snapshots"], PATIENCE)
        stream.subscribe("A")
        take_until(stream, marker(Resynced, key="A"), items)
        assert broker.counts["snapshots"] == 1
        assert broker.counts["received"] == 1


def test_a_numbered_connection_counts_what_was_left(broker: Broker) -> None:
    """Where all keys share the numbers, those of a topic that was left still count: no gap for the others."""
    with Broker(symbols=SYMBOLS, rate=0, heartbeat=0.2, sequence="connection") as venue:
        deaf = {**CALLABLES, "unsubscribe": lambda topics: {"action": "please", "symbols": topics}}
        rest = Rest(venue.snapshot_url, position="version")
        feed = feed_of(venue, **deaf, topics=["A", "B"], counter=CONNECTION, snapshot=rest, splice=Contiguous("version"))
        with Stream(feed) as stream:
            wanted(venue, "A", "B")
            publish(venue, "A", "B")
            take_until(stream, marker(Snapshot, key="B"))
            venue.wait_for(lambda: stream.latest.live("A") and stream.latest.live("B"), PATIENCE)
            stream.unsubscribe("A")
            venue.wait_for(lambda: venue.counts["errors"], PATIENCE)
            publish(venue, "A", "B", "A", "B")
            taken = take_until(stream, lambda item: not isinstance(item, Event) and item["version"] == 3)
            assert [item["symbol"] for item in messages(taken)] == ["B", "B"]
            assert stream.status.gaps == 0


def test_a_topic_may_have_another_name_than_its_key(broker: Broker) -> None:
    """topic_key tells which key a topic is about."""
    named: dict[str, Any] = {
        "subscribe": lambda topics: subscribe([topic.partition("@")[0] for topic in topics]),
        "unsubscribe": lambda topics: {"action": "please"},
        "topic_key": lambda topic: topic.partition("@")[0],
    }
    with Stream(plain_feed(broker, **named, topics=["A@trade", "B@trade"])) as stream:
        wanted(broker, "A", "B")
        publish(broker, "A", "B")
        seen(stream, 2)
        stream.unsubscribe("A@trade")
        broker.wait_for(lambda: broker.counts["errors"], PATIENCE)
        publish(broker, "A", "B")
        assert seen(stream, 1) == [("B", 2)]


# ---------------------------------------------------------------- what is refused


def test_what_the_callable_raises_is_the_callers(broker: Broker) -> None:
    """And nothing has changed: the next try asks for the same."""
    trouble: list[Any] = [LookupError("mine"), object(), None]

    def choosy(topics: Sequence[str]) -> Any:
        if "B" in topics and trouble:
            found = trouble.pop(0)
            if isinstance(found, Exception):
                raise found
            return found
        return subscribe(topics)

    with Stream(plain_feed(broker, subscribe=choosy, unsubscribe=unsubscribe, topics=["A"])) as stream:
        wanted(broker, "A")
        with pytest.raises(LookupError, match="mine"):
            stream.subscribe("B")
        with pytest.raises(FeedError, match="subscribe="):
            stream.subscribe("B")
        with pytest.raises(FeedError, match="returned None"):
            stream.subscribe("B")
        assert broker.counts["received"] == 1
        stream.subscribe("B")
        wanted(broker, "A", "B")


@pytest.mark.parametrize("topics", [["A", "B"], {"A"}, {"A": 1}])
def test_a_list_of_topics_is_told_how(broker: Broker, topics: Any) -> None:
    """They are given one by one; a list could not be one of them."""
    with Stream(plain_feed(broker, **CALLABLES)) as stream:
        with pytest.raises(FeedError, match=r"topics=.*one by one: subscribe\('A', 'B'\)"):
            stream.subscribe(topics)
        with pytest.raises(FeedError, match=r"topics=.*one by one: unsubscribe\('A', 'B'\)"):
            stream.unsubscribe(topics)


@pytest.mark.parametrize(
    ("settings", "call"),
    [
        ({}, Stream.subscribe),
        ({}, Stream.unsubscribe),
        ({"unsubscribe": unsubscribe}, Stream.subscribe),
        ({"unsubscribe": unsubscribe}, Stream.unsubscribe),
        ({"subscribe": subscribe}, Stream.unsubscribe),
    ],
)
def test_topics_need_callables(broker: Broker, settings: dict[str, Any], call: Any) -> None:
    """A fixed payload would undo the change at the next reconnect."""
    with Stream(plain_feed(broker, **settings)) as stream, pytest.raises(UsageError, match="=<callable: topics"):
        call(stream, "A")


def test_a_gap_is_still_a_gap(broker: Broker) -> None:
    """Starting clean is for topics that were left; a hole after it is told as ever."""
    with Stream(plain_feed(broker, **CALLABLES, topics=["A"])) as stream:
        wanted(broker, "A")
        stream.unsubscribe("A")
        stream.subscribe("A")
        broker.wait_for(lambda: broker.counts["received"] == 3, PATIENCE)
        publish(broker, "A")
        broker.wait_for(lambda: "A" in stream.latest, PATIENCE)
        broker.faults.drop(count=1)
        publish(broker, "A", count=2)
        gap = take_until(stream, marker(Gap))[-1]
        assert (gap.key, gap.after, gap.before) == ("A", 1, 3)


def test_catching_up_needs_no_topics() -> None:
    """A venue that sends without being asked."""
    replica = Replica()
    with Broker(symbols=SYMBOLS, rate=0, heartbeat=0.2) as broker, Stream(feed_of(broker)) as stream:
        wanted(broker, *SYMBOLS)
        publish(broker, *SYMBOLS)
        catch_up(stream, broker, replica)
    assert replica.total.wrong == 0
