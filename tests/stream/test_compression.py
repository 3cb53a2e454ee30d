"""Compression through the public API: a real server that speaks it, both ways, and what the settings do."""

from __future__ import annotations

import contextlib
import sys
import threading
from typing import Any, Iterator, Optional

import pytest
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.sync.server import ServerConnection, serve

from syncstream import Deflate, Disconnected, Endpoint, Feed, Stream

SAID = ["text", "text again, text", b"\x00\xff" * 500, "grüße", "", "x" * 200_000]


class Echo:
    """Owned by: the test. Sends back what it gets; knows with what extensions, and how much came on the wire."""

    def __init__(self) -> None:
        self.extensions: list[str] = []
        self.asked: Optional[str] = None
        self.url = ""

    def handle(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        self.asked = connection.request.headers.get("Sec-WebSocket-Extensions")
        self.extensions = [repr(extension) for extension in connection.protocol.extensions]
        for message in connection:
            connection.send(message)


@contextlib.contextmanager
def echo(**parameters: Any) -> Iterator[Echo]:
    """A server that agrees to compress, with these parameters."""
    place = Echo()
    with serve(
        place.handle, "127.0.0.1", 0, compression=None, extensions=[ServerPerMessageDeflateFactory(**parameters)]
    ) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        place.url = f"ws://127.0.0.1:{server.socket.getsockname()[1]}"
        try:
            yield place
        finally:
            server.shutdown()
            thread.join()


def there_and_back(url: str, compression: Optional[Deflate], **options: Any) -> list[Any]:
    """Sends everything there is to say, twice, and takes what comes back."""
    with Stream(Feed(Endpoint(url=url, compression=compression), decode=None, **options)) as stream:
        events = stream.events()
        next(events)
        for said in SAID * 2:
            stream.send(said)
        return [next(events) for _ in SAID * 2]


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"server_no_context_takeover": True, "client_no_context_takeover": True},
        {"server_max_window_bits": 9, "client_max_window_bits": 9},
    ],
    ids=["as it is", "each message alone", "small windows"],
)
@pytest.mark.parametrize("send", [False, True], ids=["received", "both ways"])
def test_messages_arrive_as_they_were_sent(parameters: dict[str, Any], send: bool) -> None:
    """Text and bytes, short, long and empty, whatever the server wants."""
    with echo(**parameters) as place:
        assert there_and_back(place.url, Deflate(send=send)) == SAID * 2
        assert len(place.extensions) == 1


def test_it_is_offered_unless_it_is_turned_off() -> None:
    """By default, and with no more than the standard's own words; `None` offers nothing."""
    with echo() as place:
        with Stream(Feed(place.url, decode=None)) as stream:
            events = stream.events()
            next(events)
            stream.send("x")
            assert next(events) == "x"
        assert place.asked == "permessage-deflate; client_max_window_bits"
        assert there_and_back(place.url, None) == SAID * 2
        assert [place.asked, *place.extensions] == [None]


def test_bounds_as_large_as_can_be_are_none() -> None:
    """`sys.maxsize`, and more: it is a way to say that there is no bound."""
    with echo() as place:
        for size in (sys.maxsize, 10**30):
            options = dict.fromkeys(
                ("max_message_size", "max_fragments", "max_pings", "max_keys", "hold_limit", "hold_bytes"), size
            )
            assert there_and_back(place.url, Deflate(), **options) == SAID * 2


def test_a_message_that_inflates_beyond_the_bound_ends_the_line() -> None:
    """With 1009, whatever its size on the wire was."""
    with echo() as place, Stream(Feed(place.url, decode=None, max_message_size=1000)) as stream:
        events = stream.events()
        next(events)
        stream.send(bytes(1000))
        assert next(events) == bytes(1000)
        stream.send(bytes(1001))
        lost = next(events)
        assert isinstance(lost, Disconnected)
        assert (lost.code, lost.reason) == (1009, "protocol error: message of more than 1000 bytes")
