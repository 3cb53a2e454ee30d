"""The states of tests/stream, and more: of a dial, of a frame, of a venue that floods, of callbacks, failed and closing."""

from __future__ import annotations

import contextlib
from math import inf
from types import MappingProxyType, TracebackType
from typing import Callable, NamedTuple, Optional

import msgspec

from syncstream import Overflow, Stream
from syncstream.core.line import Phase
from syncstream.testing.wire import half_frame, text_frame
from tests.servers.blackhole import blackhole
from tests.servers.scripted import Peer, Server
from tests.stream.setting import plain_feed
from tests.stream.states import STATES as KNOWN
from tests.stream.states import Scene, State, dialled, live, wait_for

from .crew import PATIENCE


class Place(Scene):
    """Owned by: the test. A scene at which further venues can play a script."""

    def __init__(self) -> None:
        super().__init__()
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Place:
        super().__enter__()
        return self

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.gate.open()
        self._stack.close()
        super().__exit__(kind, error, trace)

    def play(self, script: Callable[[Place, Peer], object], scheme: str = "ws") -> None:
        """From the next dial on the stream is at a venue that plays this, which says `asked` when it has begun."""
        server = Server(lambda peer: script(self, peer))
        self.where = f"{scheme}://127.0.0.1:{self._stack.enter_context(server).port}/"

    def blackhole(self) -> None:
        """From the next dial on connecting takes for ever."""
        self.where = f"ws://127.0.0.1:{self._stack.enter_context(blackhole())}/"

    def first_message(self, stream: Stream) -> None:
        """Let the venue speak until the stream is live in every respect and a message has been taken."""
        self.subscribed(stream)
        self.broker.publish("ABC")
        wait_for(self, lambda: stream.latest.live("ABC"))
        if not stream._callbacks.running:
            assert stream.get(timeout=PATIENCE)


def _away(place: Scene, stream: Stream) -> None:
    wait_for(place, lambda: stream._reader.engine.lines[0].phase is Phase.DIALING)


def _begun(place: Scene, stream: Stream) -> None:
    assert place.asked.wait(PATIENCE)


def _refused(place: Scene, stream: Stream) -> None:
    wait_for(place, lambda: stream._reader.engine.lines[0].attempt >= 2)


def _silent(place: Place, peer: Peer) -> None:
    peer.read(5)
    place.asked.set()
    peer.until_hangup()


def _dripping(place: Place, peer: Peer) -> None:
    peer.request()
    place.asked.set()
    peer.drip(b"HTTP/1.1 101 Switching Protocols\r\nX-Slow: " + b"x" * 10_000)


def _half(place: Place, peer: Peer) -> None:
    peer.upgrade(more=half_frame())
    place.asked.set()
    peer.until_hangup()


def _flood(place: Place, peer: Peer) -> None:
    peer.upgrade()
    some = text_frame(b'{"symbol":"ABC"}') * 1000
    while True:
        peer.send(some)
        place.asked.set()


def _nowhere(place: Place) -> None:
    place.where = "ws://127.0.0.1:9/"


class Elsewhere(NamedTuple):
    """Where a dial is sent, and when it is there."""

    send: Callable[[Place], object]
    there: Callable[[Scene, Stream], object]

    def enter(self, place: Scene, stream: Stream) -> None:
        """Bring a live stream there."""
        assert isinstance(place, Place)
        self.send(place)
        place.broker.faults.cut()
        self.there(place, stream)


DIALS = {
    "connecting": Elsewhere(Place.blackhole, _away),
    "TLS hangs": Elsewhere(lambda place: place.play(_silent, "wss"), _begun),
    "upgrade drips": Elsewhere(lambda place: place.play(_dripping), _begun),
    "refused": Elsewhere(_nowhere, _refused),
}
"""What can hold up a dial, the very first one too."""


def overflowed(place: Scene, stream: Stream) -> None:
    place.broker.publish("XYZ", 2000)
    assert stream._reader.ended.wait(PATIENCE)
    assert isinstance(stream._delivery.error, Overflow)


def handling(place: Scene, stream: Stream) -> None:
    place.gate.shut = True
    place.broker.publish("XYZ")
    assert place.gate.entered.wait(PATIENCE)


def being_closed(place: Scene, stream: Stream) -> None:
    """By somebody else, and the venue does not answer."""
    place.broker.faults.half_open()
    reader = stream._reader
    stream.close(0)
    assert not reader.ended.is_set()


MORE = {
    **{name: State(dialled, dial.enter, lasts=inf if name == "refused" else 10.0) for name, dial in DIALS.items()},
    "in mid-frame": State(dialled, Elsewhere(lambda place: place.play(_half), _begun).enter),
    "flooded": State(
        dialled,
        Elsewhere(lambda place: place.play(_flood), _begun).enter,
        options=MappingProxyType({"queue_size": 50, "overflow": "drop_oldest"}),
    ),
    "overflowed": State(lambda place: plain_feed(place.broker), overflowed, options=MappingProxyType({"queue_size": 20})),
    "callbacks wait": State(lambda place: plain_feed(place.broker), live),
    "callback hangs": State(lambda place: plain_feed(place.broker), handling, ("syncstream-worker-1", "syncstream-worker-2")),
    "being closed": State(lambda place: plain_feed(place.broker), being_closed),
}

STATES = {**KNOWN, **MORE}


def bring(place: Place, name: str) -> Stream:
    """A stream in that state, which lasts: silence is no fault here, however busy the machine is."""
    state = STATES[name]
    stream = Stream(msgspec.structs.replace(state.feed(place), heartbeat=None), **state.options)
    if name.startswith("callback"):
        stream.on()(lambda item: place.gate.pass_through())
        stream.start(workers=2, markers="ignore")
    place.first_message(stream)
    state.enter(place, stream)
    return stream


def limit(name: str) -> float:
    """Seconds given to close(). A line that does not answer takes one of them; what hangs takes all."""
    return 0.3 if STATES[name].left else 2.0
