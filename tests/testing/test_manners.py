"""The venue in a box as far as its manners go: welcome, login, ids, cumulative acks, pings of its own, refusals, notices."""

from __future__ import annotations

import json
from typing import Any

import pytest

from syncstream.testing import Broker
from tests.testing.clients import PATIENCE, connected, receive


def ask(websocket: Any, **request: Any) -> dict[str, Any]:
    """What the venue answers."""
    websocket.send(json.dumps(request))
    return receive(websocket)


def test_a_welcome_comes_first() -> None:
    """Before anything is asked."""
    with Broker(rate=0, heartbeat=None, welcome=True) as broker, connected(broker) as websocket:
        assert receive(websocket) == {"type": "welcome"}
        assert broker.counts["welcomes"] == 1


def test_without_a_login_nothing_is_subscribed() -> None:
    """A wrong key is told, the right one lets in."""
    with Broker(rate=0, heartbeat=None, login="k") as broker, connected(broker) as websocket:
        assert ask(websocket, action="subscribe", symbols=["ABC"], id=1) == {"type": "error", "message": "log in first", "id": 1}
        assert ask(websocket, action="login", key="x", id="a") == {"type": "error", "message": "wrong key", "id": "a"}
        assert ask(websocket, action="login", key="k") == {"type": "login"}
        assert ask(websocket, action="subscribe", symbols=["ABC"])["type"] == "subscribed"
        assert (broker.counts["logins"], broker.counts["unauthorized"]) == (1, 1)


def test_an_id_comes_back() -> None:
    """In acks and in errors."""
    with Broker(rate=0, heartbeat=None) as broker, connected(broker) as websocket:
        assert ask(websocket, action="subscribe", symbols=["ABC"], id=7) == {"type": "subscribed", "symbols": ["ABC"], "id": 7}
        assert ask(websocket, action="subscribe", symbols=["no"], id=8)["id"] == 8
        assert ask(websocket, action="dance", id=9)["id"] == 9


def test_cumulative_acks() -> None:
    """Each names all that is subscribed then."""
    with Broker(rate=0, heartbeat=None, acks="cumulative") as broker, connected(broker) as websocket:
        assert ask(websocket, action="subscribe", symbols=["XYZ"])["symbols"] == ["XYZ"]
        assert ask(websocket, action="subscribe", symbols=["ABC"])["symbols"] == ["ABC", "XYZ"]
        assert ask(websocket, action="unsubscribe", symbols=["XYZ"])["symbols"] == ["ABC"]
    with pytest.raises(ValueError, match="acks"):
        Broker(acks="often")


def test_a_ping_of_the_venues_own_kind() -> None:
    """Text, not JSON."""
    with Broker(rate=0, heartbeat=None) as broker, connected(broker) as websocket:
        websocket.send("ping")
        assert websocket.recv(timeout=PATIENCE) == "pong"
        assert broker.counts["app_pings"] == 1


def test_requests_that_are_lost_or_refused() -> None:
    """The next one goes through."""
    with Broker(rate=0, heartbeat=None) as broker, connected(broker) as websocket:
        broker.faults.lose_request()
        broker.faults.refuse_topic("ABC")
        websocket.send(json.dumps({"action": "subscribe", "symbols": ["ABC"]}))
        found = ask(websocket, action="subscribe", symbols=["XYZ", "ABC"])
        assert found == {"type": "error", "message": "not allowed", "symbols": ["XYZ", "ABC"]}
        assert ask(websocket, action="subscribe", symbols=["ABC"])["type"] == "subscribed"
        assert (broker.counts["lost_requests"], broker.counts["refused_topics"]) == (1, 1)
        with pytest.raises(ValueError, match="symbol"):
            broker.faults.refuse_topic("no")


def test_a_subscription_that_is_forgotten() -> None:
    """On one connection; asked for again it is there."""
    with Broker(rate=0, heartbeat=None) as broker, connected(broker) as one, connected(broker) as other:
        for websocket in (one, other):
            ask(websocket, action="subscribe", symbols=["ABC"])
        assert broker.faults.forget("ABC", connection=1) == 1
        assert broker.subscriptions == {1: frozenset(), 2: frozenset({"ABC"})}
        assert ask(one, action="subscribe", symbols=["ABC"])["type"] == "subscribed"
        assert broker.subscriptions[1] == {"ABC"}
        assert broker.faults.forget("XYZ") == 0
        assert broker.counts["forgotten"] == 1
        with pytest.raises(ValueError, match="symbol"):
            broker.faults.forget("no")


def test_what_a_test_has_the_venue_say() -> None:
    """To all connections, or to one; an answer is counted."""
    with Broker(rate=0, heartbeat=None) as broker, connected(broker) as one, connected(broker) as other:
        broker.wait_for(lambda: len(broker.connections) == 2)
        assert broker.tell({"type": "pause"}) == 2
        assert (receive(one), receive(other)) == ({"type": "pause"}, {"type": "pause"})
        assert broker.tell({"type": "challenge", "id": 3}, connection=1) == 1
        for websocket in (one, other):
            websocket.send(json.dumps({"action": "answer", "id": 3}))
        broker.wait_for(lambda: broker.counts["answers"] == 2)
