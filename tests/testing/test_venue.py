"""The venue without a socket: numbering, fan-out, what a fault does to a message, what a snapshot says."""

from __future__ import annotations

import json
from typing import Any, Optional

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncstream.events import Snapshot
from syncstream.testing import Replica
from syncstream.testing.client import Client
from syncstream.testing.faults import Faults
from syncstream.testing.venue import Venue
from tests.testing.test_wire import read

SUBSCRIBE = b'{"action":"subscribe","symbols":["ABC","XYZ"]}'


def venue(**options: Any) -> Venue:
    settings: dict[str, Any] = {
        "seed": 1,
        "per_connection": False,
        "numbered_control": False,
        "heartbeat": None,
        "token": None,
        "acks": False,
        "backlog": 1 << 24,
    }
    return Venue(("ABC", "XYZ"), **{**settings, **options})


def join(place: Venue, request: bytes = SUBSCRIBE) -> Client:
    client = place.opened(0.0)
    place.received(client, request)
    return client


def sent(client: Client) -> list[dict[str, Any]]:
    return [json.loads(bytes(frame.data)) for frame in read(client.take())]


def numbers(client: Client, field: str = "version") -> list[int]:
    return [message[field] for message in sent(client)]


def test_a_delta_has_its_fields() -> None:
    """Every field of the documented message, and `seq` equal to `version`."""
    place = venue()
    client = join(place)
    place.publish("ABC", 1)
    (delta,) = sent(client)
    assert list(delta) == ["type", "symbol", "seq", "version", "side", "price", "size", "volume", "ts_ns"]
    assert (delta["type"], delta["symbol"], delta["seq"], delta["version"]) == ("delta", "ABC", 1, 1)


def test_only_what_was_subscribed_is_sent() -> None:
    """Each connection gets its own symbols, and after an unsubscribe no longer."""
    place = venue()
    one, both = join(place, b'{"action":"subscribe","symbols":["ABC"]}'), join(place)
    place.publish("ABC", 1)
    place.publish("XYZ", 1)
    place.received(both, b'{"action":"unsubscribe","symbols":["ABC"]}')
    place.publish("ABC", 1)
    assert [message["symbol"] for message in sent(one)] == ["ABC", "ABC"]
    assert [message["symbol"] for message in sent(both)] == ["ABC", "XYZ"]


def test_connections_are_numbered_by_themselves() -> None:
    """`seq` counts from 1 on each connection over all symbols; `version` counts each symbol."""
    place = venue(per_connection=True)
    early = join(place)
    place.publish("ABC", 2)
    late = join(place)
    place.publish("XYZ", 1)
    place.publish("ABC", 1)
    assert [(message["seq"], message["version"]) for message in sent(early)] == [(1, 1), (2, 2), (3, 1), (4, 3)]
    assert [(message["seq"], message["version"]) for message in sent(late)] == [(1, 1), (2, 3)]


@pytest.mark.parametrize("numbered", [False, True])
def test_acks_and_heartbeats_may_take_a_number(numbered: bool) -> None:
    """With `numbered_control` they count with the deltas, otherwise they have no number and leave no hole."""
    place = venue(per_connection=True, numbered_control=numbered, acks=True, heartbeat=1.0)
    client = join(place)
    place.publish("ABC", 1)
    place.tick(1.0)
    place.publish("ABC", 1)
    found = [(message["type"], message.get("seq")) for message in sent(client)]
    if numbered:
        assert found == [("subscribed", 1), ("delta", 2), ("heartbeat", 3), ("delta", 4)]
    else:
        assert found == [("subscribed", None), ("delta", 1), ("heartbeat", None), ("delta", 2)]


def test_heartbeats_come_when_they_are_due() -> None:
    """The venue says when it next has to be asked, and a late question brings one heartbeat, not all that were missed."""
    place = venue(heartbeat=1.0)
    client = join(place)
    assert (place.tick(0.5), place.tick(1.0), place.tick(1.5)) == (1.0, 2.0, 2.0)
    assert len(sent(client)) == 1
    assert place.tick(10.0) == 11.0
    assert len(sent(client)) == 1


@pytest.mark.parametrize(
    ("request_text", "problem"),
    [
        (b"hello", "malformed"),
        (b"[]", "Expected `object`"),
        (b"{}", "missing required field `action`"),
        (b'{"action":"dance"}', "there is no action 'dance'"),
        (b'{"action":"subscribe","symbols":"ABC"}', "Expected `array`"),
        (b'{"action":"subscribe","symbols":["QQQ"]}', "unknown symbol"),
    ],
)
def test_what_cannot_be_understood_is_answered(request_text: bytes, problem: str) -> None:
    """An error names the problem, and the symbols that do not exist."""
    place = venue(acks=True)
    (message,) = sent(join(place, request_text))
    assert message["type"] == "error"
    assert problem in message["message"]
    assert message.get("symbols", ["QQQ"]) == ["QQQ"]


def test_known_symbols_are_subscribed_beside_unknown_ones() -> None:
    """The ack names what was subscribed, the error what was not."""
    place = venue(acks=True)
    client = join(place, b'{"action":"subscribe","symbols":["ABC","QQQ"]}')
    assert [(message["type"], message["symbols"]) for message in sent(client)] == [("subscribed", ["ABC"]), ("error", ["QQQ"])]
    assert client.topics == {"ABC"}


def test_a_reordered_message_swaps_with_the_next_of_its_numbering() -> None:
    """Where symbols are numbered, other symbols pass by in between; where connections are, it is the very next message."""
    for per_connection, expected in ((False, [("XYZ", 1), ("ABC", 2), ("ABC", 1)]), (True, [("XYZ", 1), ("ABC", 1), ("ABC", 2)])):
        place = venue(per_connection=per_connection)
        client = join(place)
        Faults(place).reorder()
        for symbol in ("ABC", "XYZ", "ABC"):
            place.publish(symbol, 1)
        assert [(message["symbol"], message["version"]) for message in sent(client)] == expected


def test_clear_sends_what_was_held_back() -> None:
    """A message that waits to be overtaken is not forgotten."""
    place = venue()
    client = join(place)
    Faults(place).reorder()
    place.publish("ABC", 1)
    assert sent(client) == []
    Faults(place).clear()
    assert numbers(client) == [1]


def test_a_drop_leaves_a_hole_in_both_numberings() -> None:
    """A message is numbered before it is lost."""
    place = venue(per_connection=True)
    client = join(place)
    Faults(place).drop(2)
    place.publish("ABC", 3)
    assert [(message["seq"], message["version"]) for message in sent(client)] == [(3, 3)]
    assert place.counts["dropped"] == 2


@pytest.mark.parametrize("per_connection", [False, True])
def test_a_restart_begins_both_numberings_again(per_connection: bool) -> None:
    """Versions, and the numbers of connections, count from 1; the snapshot tells the new numbering."""
    place = venue(per_connection=per_connection)
    client = join(place)
    place.publish("ABC", 5)
    Faults(place).restart()
    assert place.market.books["ABC"].state().version == 0
    place.publish("ABC", 1)
    assert [(message["seq"], message["version"]) for message in sent(client)][-1] == (1, 1)


def test_a_client_that_takes_nothing_is_given_up() -> None:
    """More than the backlog waits: the client is to be cut, keeps nothing, and gets nothing more."""
    place = venue(backlog=10_000)
    slow, quick = join(place), join(place)
    for _ in range(200):
        place.publish("ABC", 1)
        quick.take()
    assert slow.ending is not None
    assert slow.waiting + len(slow.take()) < 10_000
    assert (place.counts["too_slow"], quick.ending) == (1, None)


def test_what_is_in_flight_counts_as_waiting() -> None:
    """Bytes that were taken and could not be written yet belong to the backlog."""
    place = venue(backlog=10_000)
    client = join(place)
    client.in_flight = 10_000
    place.publish("ABC", 1)
    assert client.ending is not None


@settings(max_examples=30)
@given(
    seed=st.integers(0, 10_000),
    drop=st.sampled_from([None, 0.02, 0.3]),
    duplicate=st.sampled_from([None, 0.02, 0.3]),
    reorder=st.sampled_from([None, 0.02, 0.3]),
)
def test_the_counts_of_faults_are_what_a_client_sees(
    seed: int, drop: Optional[float], duplicate: Optional[float], reorder: Optional[float]
) -> None:
    """Losses and repetitions that the venue counted are exactly those that a replica finds in what was sent."""
    place = venue(seed=seed)
    client = join(place)
    faults = Faults(place)
    for switch, rate in ((faults.drop, drop), (faults.duplicate, duplicate), (faults.reorder, reorder)):
        if rate is not None:
            switch(rate=rate)
    place.publish(None, 200)
    faults.clear()
    for symbol in ("ABC", "XYZ"):  # so that a loss at the end can be seen
        place.publish(symbol, 1)
    replica = Replica()
    for symbol in ("ABC", "XYZ"):
        replica.apply(Snapshot(key=symbol, state={"version": 0, "bids": [], "asks": [], "volume": 0}))
    for message in sent(client):
        replica.apply(message)
    total, counts = replica.total, place.counts
    assert (total.lost, total.duplicated) == (counts["dropped"], counts["duplicated"])
    assert 0 <= counts["reordered"] - total.out_of_order <= 2  # the last one of a symbol had nothing to be overtaken by
    assert total.applied == counts["sent"] + counts["duplicated"]
    assert counts["sent"] + counts["dropped"] == counts["published"]
