"""The feed of a broker, told by the broker: a stream of it is complete, whatever the venue's manners are."""

from __future__ import annotations

from typing import Any

import pytest

from syncstream import ConnectFailed, Gap, Snapshot, Step, Stream
from syncstream.testing import Broker, Replica
from tests.stream.setting import PATIENCE, catch_up

MANNERS: dict[str, dict[str, Any]] = {
    "plain": {},
    "connection": {"sequence": "connection"},
    "numbered control": {"sequence": "connection", "numbered_control": True, "heartbeat": 0.05},
    "token": {"token": "t0ken"},
    "no acks": {"acks": False},
    "cumulative": {"acks": "cumulative"},
    "in-band": {"in_band": True},
    "in-band, connection": {"in_band": True, "sequence": "connection", "numbered_control": True, "heartbeat": 0.05},
    "welcome and login": {"welcome": True, "login": "k3y"},
    "all of it": {"welcome": True, "login": "k3y", "sequence": "connection", "token": "t0ken", "heartbeat": None},
}


@pytest.mark.parametrize("manners", MANNERS.values(), ids=MANNERS)
def test_a_stream_of_it_is_whole(manners: dict[str, Any]) -> None:
    """Messages, snapshots and books equal the venue's, also after a hole."""
    replica = Replica()
    with Broker(rate=200, seed=3, **manners) as broker, Stream(broker.feed()) as stream:
        broker.wait_for(lambda: broker.counts["sent"] >= 20, PATIENCE)
        assert stream.wait_live(PATIENCE) == []
        broker.faults.drop(count=1)
        broker.wait_for(lambda: stream.status.healed > 0, PATIENCE)
        assert stream.wait_live(PATIENCE) == []
        catch_up(stream, broker, replica)
        for symbol, state in broker.states().items():
            top = stream.books[symbol].top(100)
            assert top.live
            assert {str(level.price): int(level.size) for level in top.bids} == state.bids
            assert {str(level.price): int(level.size) for level in top.asks} == state.asks
    assert replica.total.wrong == 0


def test_fields_stand_in_place_of_its_own() -> None:
    """A feed without a source tells its gaps; topics may be fewer."""
    with Broker(rate=0, heartbeat=None) as broker, Stream(broker.feed(topics=["ABC"], snapshot=None, book=None)) as stream:
        broker.wait_for(lambda: list(broker.subscriptions.values()) == [{"ABC"}], PATIENCE)
        broker.publish("ABC")
        assert stream.get(timeout=PATIENCE)["seq"] == 1
        broker.faults.drop(count=1, symbol="ABC")
        broker.publish("ABC", 2)
        assert isinstance(stream.get(timeout=PATIENCE), Gap)


def test_topics_can_change() -> None:
    """They are asked for, and left, at run time."""
    with Broker(rate=0, heartbeat=None) as broker, Stream(broker.feed(topics=["ABC"])) as stream:
        stream.subscribe("XYZ")
        broker.wait_for(lambda: list(broker.subscriptions.values()) == [{"ABC", "XYZ"}], PATIENCE)
        broker.publish("XYZ")
        first = stream.get(timeout=PATIENCE)
        assert isinstance(first, Snapshot)
        broker.wait_for(lambda: "XYZ" in stream.books, PATIENCE)
        assert stream.books["XYZ"].top(1).position == 1
        stream.unsubscribe("XYZ")
        broker.wait_for(lambda: list(broker.subscriptions.values()) == [{"ABC"}], PATIENCE)


def test_a_wrong_key_is_told() -> None:
    """The venue's words are in the failure."""
    with Broker(rate=0, login="k3y") as broker:
        login = Step(
            send={"action": "login", "key": "other"},
            expect=lambda message: message["type"] == "login",
            fail=broker.feed().opening[0].fail,
        )
        with pytest.raises(ConnectFailed, match="wrong key"), Stream(broker.feed(opening=[login])) as stream:
            stream.get(timeout=PATIENCE)


def test_it_has_to_be_started() -> None:
    """There is no address before."""
    with pytest.raises(RuntimeError, match="with"):
        Broker().feed()
