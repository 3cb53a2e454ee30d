"""From the engine to the consumers: a wrong checksum is told where it is seen, in the turn that brought it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, Optional

import pytest

from syncstream import Contiguous, Event, Feed, Gap, Kind, Levels, Reconnect, Resubscribe, Resynced, Snapshot, StreamFailed
from syncstream.core.engine import Engine
from syncstream.delivery import Delivery
from syncstream.handover import Handover
from syncstream.reader import _shelf
from syncstream.testing.wire import text_frame

NOW = 100.0


def kind_of(message: Any) -> Optional[Kind]:
    return Kind.SNAPSHOT if "whole" in message else None


def feed_with(source: Any) -> Feed:
    """The checksum of a book is the number of its bids."""
    return Feed(
        "wss://venue.example/",
        key="s",
        sequence=Contiguous("u"),
        classify=kind_of,
        book=Levels(bids="b", asks="a", checksum=lambda book: len(book.top().bids), expected="c"),
        snapshot=source,
        subscribe=lambda topics: {"subscribe": list(topics)},
        unsubscribe=lambda topics: {"leave": list(topics)},
        topics=["K", "L"],
    )


class House:
    """Owned by: the test. An engine with one open line, its books, and the queue."""

    def __init__(self, source: Any, *, maxbytes: Optional[int] = None) -> None:
        feed = feed_with(source)
        self.delivery = Delivery(100, key=lambda m: m["s"], heals=source is not None, wake=lambda: None, maxbytes=maxbytes)
        self.engine = Engine(
            feed.rules(),
            random=lambda: 0.5,
            wall_ns=0,
            topics=feed.topics,
            topic_key=lambda topic: topic,
            sized=self.delivery.bounds_bytes,
        )
        shelf = _shelf(feed, self.engine)
        assert shelf is not None
        self.shelf = shelf
        self.handover = Handover(self.engine, self.delivery, shelf, None)
        self.delivery.use("events")
        self.engine.start(NOW)
        self.engine.opened(0, 1, [], NOW)
        self.turn()

    def turn(self, *messages: str) -> list[Any]:
        """What the consumer gets of a turn in which these messages came."""
        if messages:
            self.engine.batch(0, 1, b"".join(text_frame(message.encode()) for message in messages), NOW)
        self.handover.deliver(NOW)
        self.engine.take_actions()
        return [self.delivery.get(timeout=0) for _ in range(self.delivery.qsize())]


def whole(key: str = "K", u: int = 1) -> str:
    return f'{{"s":"{key}","u":{u},"whole":1,"b":[[9,1]],"a":[[11,1]]}}'


def delta(u: int, bid: int, count: int, key: str = "K") -> str:
    return f'{{"s":"{key}","u":{u},"b":[[{bid},1]],"a":[],"c":{count}}}'


def said(items: list[Any]) -> list[Any]:
    """A message as key and number, a gap with its reason, what it stands behind and whether it is healed."""
    found: list[Any] = []
    for item in items:
        if isinstance(item, Gap):
            found.append((item.key, item.reason, item.after, item.healing))
        elif isinstance(item, dict):
            found.append(f"{item['s']}{item['u']}")
        elif isinstance(item, Snapshot):
            found.append(f"{item.key}={item.position}")
    return found


WRONG = (whole(), whole("L"), delta(2, 8, 2), delta(3, 7, 9), delta(2, 8, 2, "L"), delta(4, 6, 4), delta(3, 7, 3, "L"))


@pytest.mark.parametrize("source", [Resubscribe(), Reconnect()], ids=["resubscribe", "reconnect"])
@pytest.mark.parametrize("bound", [None, 100_000], ids=["", "bytes counted"])
def test_what_is_healed_ends_with_the_message_that_shows_it(source: Any, bound: Optional[int]) -> None:
    """Nothing of a book that is known to be wrong is handed over as if it were right; the other keys go on."""
    house = House(source, maxbytes=bound)
    gap = ("K", "checksum", 3, True)
    assert said(house.turn(*WRONG)) == ["K=1", "L=1", "K2", "K3", gap, "L2", "L3"]
    assert said(house.turn(delta(5, 5, 5))) == []


def test_what_nothing_heals_goes_on_behind_the_gap() -> None:
    """All of it is handed over, for nothing will replace it."""
    gap = ("K", "checksum", 3, False)
    assert said(House(None).turn(*WRONG)) == ["K=1", "L=1", "K2", "K3", gap, "L2", "K4", "L3"]


def test_a_snapshot_may_be_wrong_itself() -> None:
    """Then nothing follows it."""
    house = House(Resubscribe())
    wrong = whole().replace('"b"', '"c":5,"b"')
    assert said(house.turn(wrong, delta(2, 8, 2))) == ["K=1", ("K", "checksum", 1, True)]


def test_a_key_whose_snapshot_is_wrong_is_not_complete_again() -> None:
    """`Resynced` comes when that is healed, too."""
    wrong = whole().replace('"b"', '"c":5,"b"')
    house = House(Resubscribe())
    assert [type(item) for item in house.turn(wrong) if isinstance(item, Event)] == [Snapshot, Gap]
    assert [type(item) for item in house.turn(whole(u=2)) if isinstance(item, Event)] == [Snapshot, Resynced]


def test_what_a_snapshot_has_put_right_is_not_doubted() -> None:
    """It came in the same turn."""
    house = House(Resubscribe())
    assert said(house.turn(whole(), delta(2, 8, 9), whole(u=5), delta(6, 8, 2))) == ["K=1", "K2", "K=5", "K6"]


def test_two_keys_may_be_wrong_in_one_turn() -> None:
    """Each is told behind its own message."""
    house = House(Resubscribe())
    items = house.turn(whole(), whole("L"), delta(2, 8, 9), delta(2, 8, 9, "L"), delta(3, 7, 3), delta(3, 7, 3, "L"))
    assert said(items) == ["K=1", "L=1", "K2", ("K", "checksum", 2, True), "L2", ("L", "checksum", 2, True)]


def nonsense(keys: str, most: int) -> list[str]:
    """Messages of these keys in turn, each with a wrong checksum, behind their snapshots."""
    return [whole(key) for key in keys] + [delta(u, 20 - u, 99, key) for u in range(2, most) for key in keys]


@pytest.mark.parametrize("source", [None, Resubscribe()], ids=["", "resubscribe"])
@pytest.mark.parametrize(("keys", "most"), [("K", 14), ("KL", 9), ("KLMNOPQRST", 4), ("KLMNOPQRS", 4)])
def test_a_check_that_was_always_wrong_is_told_however_it_was_packed(source: Any, keys: str, most: int) -> None:
    """In one turn or in many: the same gaps behind the same messages, the same count; the one that ends it doubts nothing."""
    messages = nonsense(keys, most)
    slow, packed = House(source), House(source)
    told = [item for message in messages for item in slow.turn(message)]
    assert said(packed.turn(*messages)) == said(told)
    gaps = [item for item in told if isinstance(item, Gap)]
    assert [gap.key for gap in gaps] == list(keys)[:9]
    shelves = [house.shelf for house in (slow, packed)]
    assert shelves[0].mismatches == shelves[1].mismatches
    assert shelves[0].checks is shelves[1].checks
    states = [{key: book.live for key, book in shelf.books.items()} for shelf in shelves]
    assert states[0] == states[1]


def test_a_book_whose_check_ended_with_it_waits_for_its_snapshot() -> None:
    """It was told to be healed, so nobody takes it for current before that; then it is."""
    house = House(Resubscribe())
    house.turn(*nonsense("KLMNOPQRST", 3))
    assert not house.shelf.checks
    assert [key for key, book in house.shelf.books.items() if book.live] == ["T"]
    assert said(house.turn(whole(u=7), delta(8, 8, 99))) == ["K=7", "K8"]
    assert house.shelf.books["K"].live


@pytest.mark.parametrize(("source", "heals"), [(Resubscribe(), True), (None, False)], ids=["healed", "no source"])
def test_a_message_that_a_book_cannot_follow_is_told_and_healed(source: Any, heals: bool) -> None:
    """Where others could be followed: then it is not the feed that reads them wrongly. Nothing of the key comes after it."""
    house = House(source)
    unreadable = '{"s":"K","u":3,"b":[["x",1]],"a":[]}'
    items = said(house.turn(whole(), whole("L"), delta(2, 8, 2), unreadable, delta(4, 6, 4), delta(2, 8, 2, "L")))
    follows: list[Any] = [("K", "unreadable", 2, True)] if heals else ["K4"]
    assert items == ["K=1", "L=1", "K2", "K3", *follows, "L2"]
    if heals:
        assert said(house.turn(whole(u=4), delta(5, 8, 2))) == ["K=4", "K5"]


def test_what_never_could_be_followed_is_not_healed() -> None:
    """The next one could not be either."""
    house = House(Resubscribe())
    unreadable = '{"s":"K","u":2,"b":[["x",1]],"a":[]}'
    assert said(house.turn(whole(), unreadable, delta(3, 6, 4))) == ["K=1", "K2", "K3"]


def test_it_says_whether_the_engine_has_heard_of_the_queue() -> None:
    """What was thrown away, that there is room again, that it has failed; not what simply went into it."""
    heard: list[str] = []
    items: list[Any] = []
    keys = SimpleNamespace(dropped_keys={})
    engine: Any = SimpleNamespace(
        keys=keys,
        closing=False,
        take_deliveries=lambda: [items.pop() for _ in range(len(items))],
        take_sizes=lambda taken: None,
        dropped=lambda *said: heard.append("dropped"),
        relieved=lambda *said: heard.append("relieved"),
        fail=lambda *said: heard.append("fail"),
    )
    delivery = Delivery(4, overflow="drop_oldest", key=lambda message: message["s"], heals=True)
    delivery.use("default")
    handover = Handover(engine, delivery, None, None)

    def deliver(count: int) -> tuple[bool, list[str]]:
        items.extend({"s": "K"} for _ in range(count))
        heard.clear()
        return handover.deliver(NOW), list(heard)

    assert deliver(1) == (False, [])
    assert deliver(9) == (True, ["dropped"])
    keys.dropped_keys["K"] = None
    assert deliver(0) == (True, ["relieved"])
    keys.dropped_keys.clear()
    assert deliver(0) == (False, [])
    delivery.fail(StreamFailed("over"))
    assert deliver(0) == (True, ["fail"])
