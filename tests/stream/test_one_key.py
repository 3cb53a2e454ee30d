"""A feed without a key: everything belongs to one, named `None`."""

from __future__ import annotations

from typing import Any

from syncstream import Contiguous, Dropped, Event, Feed, Rest, Snapshot, Stream
from syncstream.testing import Broker

from .setting import PATIENCE, marker, take_until


def test_a_drop_is_healed_without_a_key() -> None:
    """The oldest go, told by Dropped; when the consumer has caught up a snapshot follows, and messages that go on from it."""
    with Broker(symbols=("ABC",), rate=0) as broker:
        rest = Rest(lambda key: broker.snapshot_url.format(key="ABC"), position="seq")
        feed = Feed(broker.url, subscribe=broker.subscribe, sequence=Contiguous("seq"), snapshot=rest, classify=None, decode=dict)
        with Stream(feed, queue_size=20, overflow="drop_oldest") as stream:
            broker.wait_for(lambda: any(broker.subscriptions.values()), PATIENCE)
            broker.publish("ABC")
            assert isinstance(take_until(stream, marker(Snapshot))[-1], Snapshot)
            broker.publish("ABC", 200)
            taken = take_until(stream, marker(Dropped))
            taken += take_until(stream, marker(Snapshot))
            broker.publish("ABC")
            last: Any = take_until(stream, lambda item: not isinstance(item, Event) and item["seq"] == 202)[-1]
    assert taken[-1].position <= 201
    assert last["version"] == 202
