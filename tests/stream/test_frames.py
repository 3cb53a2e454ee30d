"""What is in a frame, through the public API: a real server that packs many messages into one, and what becomes of them."""

from __future__ import annotations

import contextlib
import gzip
import threading
from typing import Any, Iterator, Union

import msgspec
import pytest
from websockets.sync.server import ServerConnection, serve

from syncstream import Contiguous, Feed, Quarantined, Stream


class Trade(msgspec.Struct):
    s: str
    n: int


@contextlib.contextmanager
def sender(*said: Union[str, bytes]) -> Iterator[str]:
    """The URL of a server that says this to everybody, and waits."""

    def handle(connection: ServerConnection) -> None:
        for one in said:
            connection.send(one)
        for _ in connection:
            pass

    with serve(handle, "127.0.0.1", 0, compression=None) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}"
        finally:
            server.shutdown()
            thread.join()


ARRAY = '[{"s":"A","n":1},{"s":"B","n":7},{"s":"A","n":2}]'
WRONG = '[{"s":"A","n":3},{"s":"A"},{"s":"B","n":8}]'


@pytest.mark.parametrize("decode", [dict, list[Trade]])
def test_packed_arrays_come_out_as_messages(decode: Any) -> None:
    """Gzip in binary frames, plain JSON in text ones; one part without a number is told, and the others go on."""
    with sender(gzip.compress(ARRAY.encode()), "[]", WRONG) as url:
        feed = Feed(url, transform="gzip", split=True, decode=decode, key="s", sequence=Contiguous("n"))
        with Stream(feed, queue_bytes=1000) as stream:
            events = stream.events()
            next(events)
            items = [next(events) for _ in range(6)]
            assert stream.latest["A"] == items[3]
    told = [item for item in items if isinstance(item, Quarantined)]
    read = [(item.s, item.n) if decode is not dict else (item["s"], item["n"]) for item in items if item not in told]
    assert read == [("A", 1), ("B", 7), ("A", 2), ("A", 3), ("B", 8)]
    assert len(told) == 1
    assert told[0].raw in (b"{'s': 'A'}", b'{"s":"A"}')
