"""Venues with in-band snapshots, asked with a plain client: a small made-up session in Kraken's shape."""

from __future__ import annotations

import contextlib
import json
import math
from typing import Any, Iterator, Optional

from websockets.sync.client import connect
from websockets.sync.connection import Connection

from .books import Book
from .history import Books, History
from .recording import parse
from .server import ReplayServer
from .venues.kraken import KrakenV1

SUBSCRIPTION = {"name": "book", "depth": 1000}


def book_of(channel: int, pair: str, *parts: dict[str, Any]) -> list[Any]:
    return [channel, *parts, "book-1000", pair]


MESSAGES: list[Any] = [
    {"event": "systemStatus", "status": "online"},
    {"event": "subscriptionStatus", "pair": "A/B", "channelID": 5, "status": "subscribed"},
    {"event": "subscriptionStatus", "pair": "C/D", "channelID": 6, "status": "subscribed"},
    book_of(5, "A/B", {"as": [["2.0", "1.0", "0"]], "bs": [["1.0", "1.0", "0"]]}),
    {"event": "heartbeat"},
    book_of(6, "C/D", {"as": [["9.0", "1.0", "0"]], "bs": []}),
    book_of(5, "A/B", {"a": [["2.0", "0.0", "0"], ["3.0", "4.0", "0"]]}, {"b": [["1.0", "7.0", "0"]], "c": "1"}),
    book_of(6, "C/D", {"b": [["8.0", "2.0", "0"]], "c": "2"}),
    book_of(5, "A/B", {"b": [["0.5", "1.0", "0"]], "c": "3"}),
]


def history() -> History:
    rows = [{"t": 1.0 + at / 100, "k": "recv", "conn": "c", "text": json.dumps(one)} for at, one in enumerate(MESSAGES)]
    return History(parse("made", map(json.dumps, rows)), KrakenV1())


@contextlib.contextmanager
def client(server: ReplayServer) -> Iterator[Connection]:
    with connect(server.ws_url, compression=None, ping_interval=None, max_queue=None) as connection:
        assert json.loads(connection.recv(timeout=10))["event"] == "systemStatus"
        yield connection


def ask(connection: Connection, event: str, *pairs: str) -> None:
    connection.send(json.dumps({"event": event, "pair": pairs, "subscription": SUBSCRIPTION}))


def take(connection: Connection, count: int) -> list[Any]:
    return [json.loads(connection.recv(timeout=10)) for _ in range(count)]


def served(**settings: Any) -> ReplayServer:
    return ReplayServer(history(), speed=math.inf, **settings)


def test_the_first_subscriber_gets_the_session_as_it_was() -> None:
    """Acknowledgements, then every frame of the tape, which waits for as many topics as it is told to."""
    with served(topics=2) as server, client(server) as line:
        ask(line, "subscribe", "A/B")
        assert take(line, 1)[0]["channelID"] == 5
        assert not server.finished
        ask(line, "subscribe", "C/D")
        assert [one["status"] for one in take(line, 1)] == ["subscribed"]
        assert take(line, 6) == MESSAGES[3:]


def test_a_topic_that_was_not_subscribed_does_not_come() -> None:
    """What is for everybody does."""
    with served() as server, client(server) as line:
        ask(line, "subscribe", "C/D")
        assert take(line, 4)[1:] == [MESSAGES[4], MESSAGES[5], MESSAGES[7]]


def test_a_later_subscriber_gets_the_book_as_it_is_then() -> None:
    """On the same line behind an unsubscription, and on another one."""
    with served() as server, client(server) as line:
        ask(line, "subscribe", "A/B", "C/D")
        take(line, 8)
        ask(line, "unsubscribe", "A/B")
        assert take(line, 1)[0]["status"] == "unsubscribed"
        ask(line, "subscribe", "A/B")
        expected = {"as": [["3.0", "4.0"]], "bs": [["1.0", "7.0"], ["0.5", "1.0"]]}
        assert sides(take(line, 2)) == ("subscribed", expected)
        with client(server) as other:
            ask(other, "subscribe", "A/B")
            assert sides(take(other, 2)) == ("subscribed", expected)


def sides(said: list[Any]) -> tuple[str, dict[str, Any]]:
    """The status of an acknowledgement, and the levels of the snapshot behind it."""
    status, (channel, parts, name, pair) = said
    assert (channel, name, pair) == (5, "book-1000", "A/B")
    return status["status"], {side: [row[:2] for row in rows] for side, rows in parts.items()}


def test_what_the_venue_does_not_have_is_refused() -> None:
    """Another depth, or an unknown pair."""
    with served() as server, client(server) as line:
        ask(line, "subscribe", "X/Y")
        assert take(line, 1)[0]["status"] == "error"
        assert not server.finished


def test_deltas_left_out() -> None:
    """Those that others follow, never the last of a key."""
    with served(leave_out=1.0) as server, client(server) as line:
        ask(line, "subscribe", "A/B", "C/D")
        assert take(line, 7)[2:] == [MESSAGES[index] for index in (3, 4, 5, 7, 8)]


def test_books_along_the_tape() -> None:
    """Deltas without numbers are counted, and `seen` is told of snapshots, too."""
    seen: list[tuple[str, int, Optional[str]]] = []

    def note(key: str, book: Book) -> None:
        seen.append((key, book.position, book.levels()[0][0][0] if book.bids else None))

    Books(history(), note).advance(6)
    assert seen == [("A/B", 0, "1.0"), ("C/D", 0, None), ("A/B", 1, "1.0"), ("C/D", 1, "8.0"), ("A/B", 2, "1.0")]
