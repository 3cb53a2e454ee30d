"""The replay server, asked with plain clients."""

from __future__ import annotations

import contextlib
import json
import math
import socket
import threading
from typing import Iterator, Union

import pytest
import requests
from websockets.exceptions import ConnectionClosed, ConnectionClosedError
from websockets.sync.client import connect
from websockets.sync.connection import Connection

from . import made
from .books import Book, Delta
from .history import Books, History
from .server import ReplayServer

FAST = 4000.0  # frames a second


@contextlib.contextmanager
def client(server: ReplayServer, line: int = 0) -> Iterator[Connection]:
    with connect(server.line_url(line), compression=None, ping_interval=None, max_queue=None) as connection:
        yield connection


def take(connection: Connection, count: int) -> list[Union[str, bytes]]:
    return [connection.recv(timeout=10) for _ in range(count)]


def depth(server: ReplayServer, symbol: str) -> requests.Response:
    return requests.get(f"{server.rest_url}/api/v3/depth?symbol={symbol}&limit=1000", timeout=10)


def texts(history: History) -> list[Union[str, bytes]]:
    return [frame.data for frame in history.frames]


def test_a_client_gets_the_whole_recording_in_order() -> None:
    """Every frame, unchanged, from the first on; then the line stays open and quiet."""
    history = made.market(100).history
    with ReplayServer(history, speed=math.inf, rate=FAST) as server, client(server) as line:
        assert take(line, len(history.frames)) == texts(history)
        assert server.finished
        with pytest.raises(TimeoutError):
            line.recv(timeout=0.05)


def test_the_recorded_times_set_the_pace() -> None:
    """1 s of recording at 4 times its speed is not over when the first frame comes."""
    history = made.market(100).history
    with ReplayServer(history, speed=4) as server:
        assert server.position == 0
        with client(server) as line:
            take(line, 1)
            assert not server.finished
            take(line, len(history.frames) - 1)


def test_text_stays_text_and_binary_stays_binary_on_the_line_it_came_on() -> None:
    """A session of two connections is served on two addresses; a format nobody reads is played as it is."""
    payloads = [bytes([number, 255]) for number in range(20)]
    history = made.binary(payloads)
    for number in (0, 1):
        with ReplayServer(history, speed=math.inf, rate=FAST) as server, client(server, number) as line:
            assert take(line, 10) == payloads[number::2]
            assert requests.get(f"{server.rest_url}/markets?all=1", timeout=10).json() == {"x": 1}
            assert requests.get(f"{server.rest_url}/other", timeout=10).status_code == 404


def test_left_out_deltas_are_known_and_the_rest_comes() -> None:
    """A fraction is missing, the same in every run; the oracle and the last delta of each key always come."""
    market = made.market(400)
    history = market.history
    runs = []
    for _ in range(2):
        with ReplayServer(history, speed=math.inf, rate=FAST, leave_out=0.1, seed=7) as server, client(server) as line:
            came = 0
            while came + len(server.left_out) < len(history.frames):  # `finished` is the tape; a line may be behind it
                came += len(take(line, 1))
            runs.append(server.left_out)
    assert runs[0] == runs[1]
    assert 20 < len(runs[0]) < 60
    tails = {history.deltas[index] for index in history.tails()}
    assert not tails & set(runs[0])


def test_a_client_gets_exactly_what_was_not_left_out() -> None:
    """What a predicate names does not come, nothing else is missing."""
    history = made.market(200).history
    final = set(history.final.items())

    def choose(delta: Delta) -> bool:
        return delta.key == "BBB" and delta.last % 2 == 0

    expected = [
        frame.data
        for frame, delta in zip(history.frames, history.deltas)
        if delta is None or not choose(delta) or (delta.key, delta.last) in final
    ]
    with ReplayServer(history, speed=math.inf, rate=FAST, leave_out=choose) as server, client(server) as line:
        assert take(line, len(expected)) == expected
        assert len(server.left_out) == len(history.frames) - len(expected) > 0
        assert all(choose(delta) for delta in server.left_out)


def test_twin_lines_lose_different_messages() -> None:
    """Each connection has a plan of its own, so that two lines can mend each other."""
    history = made.market(400).history
    with ReplayServer(history, speed=math.inf, rate=2000, leave_out=0.2) as server, client(server) as one, client(server) as two:
        while not server.finished:
            take(one, 1)
            take(two, 1)
        twice = {delta for delta in server.left_out if server.left_out.count(delta) > 1}
    assert 0 < len(twice) < len(server.left_out) / 4


def test_a_line_is_cut_without_a_close_frame_and_the_tape_goes_on() -> None:
    """After the given number of frames the connection is gone; the next one begins where the tape is by then."""
    history = made.market(400).history
    everything = texts(history)
    with ReplayServer(history, speed=math.inf, rate=1000, cut_after=50) as server:
        with client(server) as line:
            assert take(line, 50) == everything[:50]
            with pytest.raises(ConnectionClosedError) as closed:
                line.recv(timeout=10)
            assert closed.value.rcvd is None
        while server.position <= 50:
            threading.Event().wait(0.001)
        with client(server) as line:
            again = take(line, 50)
        begin = everything.index(again[0])
        assert begin > 50
        assert again == everything[begin : begin + 50]
        assert (server.connections, server.cuts) == (2, 2)


def test_a_cut_loses_as_much_as_it_shall() -> None:
    """However soon the client is back, so many frames have passed by."""
    history = made.market(400).history
    everything = texts(history)
    with ReplayServer(history, speed=math.inf, rate=1000, cut_after=50, lose=100) as server:
        with client(server) as line:
            assert take(line, 50) == everything[:50]
        with client(server) as line:
            assert everything.index(take(line, 1)[0]) >= 150


def test_rest_gives_the_recorded_body_until_the_book_is_spliced() -> None:
    """Before the tape has reached the recorded answer, that answer is given, to the letter."""
    history = made.market(200).history
    with ReplayServer(history) as server:  # no client yet: nothing is played
        taken = {snapshot.key: snapshot.text for snapshot in history.snapshots}
        answer = depth(server, "AAA")
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
        assert answer.text == taken["AAA"]
        assert server.fetched == {"AAA": 1}


def test_rest_gives_the_true_book_whatever_the_client_was_not_sent() -> None:
    """At the end the snapshot of each symbol is the market's truth, with a tenth of the deltas left out for the client."""
    market = made.market(300)
    with ReplayServer(market.history, speed=math.inf, rate=FAST, leave_out=0.1) as server, client(server) as line:
        while not server.finished:
            take(line, 1)
        books = {symbol: server.history.venue.book(depth(server, symbol).json()) for symbol in market.truth}
        assert books == market.truth == server.final_books()


def test_a_snapshot_from_the_middle_joins_the_line() -> None:
    """A book begun from REST at any time and continued with what the line brings ends at the truth, without a hole."""
    market = made.market(600)
    venue = market.history.venue
    books: dict[str, Book] = {}
    with ReplayServer(market.history, speed=math.inf, rate=1500) as server, client(server) as line:
        held: list[Delta] = []
        while not server.finished or len(books) < 3:
            delta = venue.delta(venue.decode(line.recv(timeout=10)))
            held += [delta] if delta is not None else []
            if delta is not None and delta.key not in books and len(held) > 50 * (len(books) + 1):
                books[delta.key] = venue.book(depth(server, delta.key).json())
        while {delta.key: delta.last for delta in held} != market.history.final:
            delta = venue.delta(venue.decode(line.recv(timeout=10)))
            held += [delta] if delta is not None else []
    positions = {key: book.position for key, book in books.items()}
    assert all(positions[key] < market.history.final[key] for key in positions)
    for delta in held:
        books[delta.key].apply(delta)
    assert books == market.truth


def test_snapshots_can_lag_behind_the_line() -> None:
    """With `rest_lag` a snapshot is a true book, but of some venue seconds ago."""
    market = made.market(1000, symbols=("AAA",))
    positions: set[int] = set()
    Books(market.history, lambda _, book: positions.add(book.position)).advance(len(market.history.frames))
    with ReplayServer(market.history, speed=math.inf, rate=2000, rest_lag=0.4) as server, client(server) as line:
        last = 0
        for text in take(line, 1200):
            delta = server.history.venue.delta(json.loads(text))
            last = delta.last if delta is not None else last
        position = depth(server, "AAA").json()["lastUpdateId"]
    assert position in positions
    assert position < last


def test_a_delta_can_come_twice() -> None:
    """The copies are counted, stand a few frames behind, and everything else is as it was."""
    history = made.market(200).history
    with ReplayServer(history, speed=math.inf, rate=FAST, repeat=0.1) as server, client(server) as line:
        received = take(line, len(history.frames))
        while len(received) < len(history.frames) + server.repeated:
            received += take(line, 1)
    assert server.repeated > 10
    assert list(dict.fromkeys(received)) == texts(history)


def test_a_snapshot_can_be_older_than_every_delta() -> None:
    """So many in a row, then the true one, for each key by itself."""
    history = made.market(100, symbols=("AAA",)).history
    first = next(delta.first for delta in history.deltas if delta is not None)
    with ReplayServer(history, speed=math.inf, old_bodies=2) as server, client(server) as line:
        take(line, len(history.frames))
        positions = [depth(server, "AAA").json()["lastUpdateId"] for _ in range(6)]
    assert positions == [first - 10, first - 10, history.final["AAA"]] * 2


def test_unknown_symbols_are_refused_in_the_venues_words() -> None:
    """A symbol the session has no snapshot of is an error, not an empty book."""
    with ReplayServer(made.market(20).history) as server:
        answer = depth(server, "XXX")
        assert (answer.status_code, answer.json()["code"]) == (400, -1121)
    with ReplayServer(made.kucoin()) as server:
        answer = requests.get(server.rest_url + "/api/v1/market/orderbook/level2?symbol=X-Y", timeout=10)
        assert answer.json()["code"] == "900001"


def test_a_venue_with_subscriptions_waits_for_one() -> None:
    """Welcome on every connection, an ack for a request, a pong for a ping, and no data before something was subscribed."""
    history = made.kucoin()
    subscribe = history.recording.sent[0]
    with ReplayServer(history, speed=math.inf, rate=FAST) as server:
        with client(server) as line:
            assert json.loads(line.recv(timeout=10))["type"] == "welcome"
            with pytest.raises(TimeoutError):
                line.recv(timeout=0.05)
            assert server.position == 0
            line.send(subscribe)
            assert json.loads(line.recv(timeout=10)) == {"id": "1", "type": "ack"}
            assert take(line, len(history.frames)) == texts(history)
            line.send('{"id": "9", "type": "ping"}')
            assert json.loads(line.recv(timeout=10)) == {"id": "9", "type": "pong"}
        with client(server) as line:
            assert json.loads(line.recv(timeout=10))["type"] == "welcome"


def test_close_drops_lines_that_are_open_and_clients_that_do_not_read() -> None:
    """Every thread is joined while clients are still connected and a send to one of them is blocked; the port is free then."""
    history = made.binary([bytes(100_000)] * 400)
    server = ReplayServer(history, speed=math.inf, rate=400)
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect(("127.0.0.1", server.port))
        deaf.sendall(
            b"GET /line/0 HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
        )
        assert deaf.recv(12) == b"HTTP/1.1 101"
        with client(server) as reading:
            take(reading, 100)
            server.close()
            with contextlib.suppress(ConnectionClosed):
                while True:
                    reading.recv(timeout=10)  # a TimeoutError here: the line was not dropped
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port))
