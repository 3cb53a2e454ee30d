"""What is in a frame, through the public API: a real server that packs many messages into one, and what becomes of them."""

from __future__ import annotations

import contextlib
import gzip
import threading
from typing import Any, Iterator, Optional, Union

import msgspec
import pytest
from websockets.sync.server import ServerConnection, serve

from syncstream import Contiguous, Feed, Kind, Levels, Named, Quarantined, Snapshot, Stream


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


def kind_of(message: Any) -> Optional[Kind]:
    return {"subscribed": Kind.ACK, "snap": Kind.SNAPSHOT}.get(message.get("event"))


def told_by(message: Any) -> tuple[int, str]:
    return message["chan"], message["symbol"]


def test_ids_of_a_connection_are_named() -> None:
    """Whoever takes gets the key with each message: a loop, callbacks, `latest` and books."""
    said = (
        '{"event":"subscribed","chan":1,"symbol":"ABC"}',
        '{"event":"subscribed","chan":2,"symbol":"XYZ"}',
        '{"event":"snap","chan":1,"bids":[["9","1"]],"asks":[]}',
        '{"chan":1,"bids":[["9","2"]],"asks":[]}',
        '{"chan":2,"bids":[["5","1"]],"asks":[]}',
    )
    fields: dict[str, Any] = {"key": "chan", "classify": kind_of, "alias": told_by}
    fields["book"] = Levels(bids="bids", asks="asks")
    with sender(*said) as url:
        with Stream(Feed(url, **fields)) as stream:
            first, (key, message), third = (stream.get(timeout=20) for _ in range(3))
            assert isinstance(first, Snapshot)
            assert (first.key, key, message["bids"], third.key) == ("ABC", "ABC", [["9", "2"]], "XYZ")
            assert stream.latest["XYZ"] == third
            assert [str(level.size) for level in stream.books["ABC"].top(1).bids] == ["2"]
        taken: dict[str, list[Any]] = {}
        with Stream(Feed(url, **fields)) as stream:

            @stream.on(Named)
            def keep(item: Named) -> None:
                taken.setdefault(threading.current_thread().name + str(item.key), []).append(item.message)
                if sum(map(len, taken.values())) == 2:
                    stream.close()

            stream.run(workers=2, markers="ignore")
    assert sorted(name[-3:] for name in taken) == ["ABC", "XYZ"]
