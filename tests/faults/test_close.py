"""close() over TLS: in every state and from every thread it keeps its time, wakes what waits, and names what cannot end.

The same states over plain TCP, and everything else about closing: `tests/stream/test_close.py`.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any, Iterator, Optional

import msgspec
import pytest

from syncstream import Endpoint, Report, Stream
from syncstream.clock import now
from tests.servers.certificates import ca_file, server_context
from tests.servers.relay import Relay
from tests.stream.states import STATES, Scene

PATIENCE = 10.0
SLACK = 1.0
"""What a busy machine may add."""


class SecureScene(Scene):
    """Owned by: the test. The same venue with TLS in front of it, and one that never ends a TLS handshake."""

    def __init__(self, authority: str) -> None:
        super().__init__()
        self._authority = authority
        self._relay: Optional[Relay] = None
        self._hanging: Optional[Relay] = None

    def __enter__(self) -> SecureScene:
        super().__enter__()
        self._relay = Relay(self.broker.port, tls=server_context()).__enter__()
        self._hanging = Relay(self.broker.port, tls=server_context()).__enter__()
        self._hanging.ignore()
        return self

    def __exit__(self, *of_the_body: Any) -> None:
        for relay in (self._hanging, self._relay):
            assert relay is not None
            relay.__exit__(None, None, None)
        super().__exit__(*of_the_body)

    def dial_the_mute(self) -> None:
        self.where = "hanging"
        self.asked.set()

    def secured(self) -> Endpoint:
        """Where to dial, asked for every attempt."""
        self.gate.pass_through()
        relay = self._hanging if self.where else self._relay
        assert relay is not None
        return Endpoint(url=f"wss://localhost:{relay.port}/feed", sslopt={"ca_certs": self._authority})


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[SecureScene]:
    with SecureScene(ca_file(tmp_path)) as scene:
        yield scene


def live_stream(scene: SecureScene, name: str) -> Stream:
    """One over TLS, with one message taken, in this state."""
    state = STATES[name]
    stream = Stream(msgspec.structs.replace(state.feed(scene), endpoint=scene.secured, headers={}), **state.options)
    scene.subscribed(stream)
    scene.broker.publish("ABC")
    scene.broker.wait_for(lambda: stream.latest.live("ABC"), PATIENCE)
    scene.broker.publish("ABC")
    assert stream.get(timeout=PATIENCE)
    return stream


def limit(name: str) -> float:
    return 0.3 if STATES[name].left else 2.0


def close(stream: Stream, name: str, *, drain: bool = False) -> tuple[float, Report]:
    began = now()
    report = stream.close(limit(name), drain=drain)
    return now() - began, report


def consume(stream: Stream, ended_at: list[float]) -> None:
    for _ in stream:
        pass
    ended_at.append(now())


@pytest.mark.parametrize("drain", [False, True])
@pytest.mark.parametrize("name", STATES)
def test_close_in_every_state(scene: SecureScene, name: str, drain: bool) -> None:
    """From this thread, while another one waits for an item; with drain what is queued can still be taken."""
    stream = live_stream(scene, name)
    STATES[name].enter(scene, stream)
    ended_at: list[float] = []
    consumer = threading.Thread(target=consume, args=(stream, ended_at))
    if name != "paused":
        consumer.start()
    began = now()
    took, report = close(stream, name, drain=drain)
    if name != "paused":
        consumer.join(PATIENCE)
        assert ended_at[0] - began < SLACK + drain * limit(name)  # what the venue says while it hangs up is taken too
    elif drain:
        assert len(list(stream)) >= 20
    else:
        assert report.discarded >= 20
    assert took < limit(name) + SLACK
    assert set(report.threads) <= set(STATES[name].left)
    assert not drain or report.discarded == 0
    scene.gate.open()
    assert stream.close(PATIENCE).threads == ()


@pytest.mark.parametrize("name", STATES)
def test_close_from_many_threads_at_once(scene: SecureScene, name: str) -> None:
    """Each holds its own deadline."""
    stream = live_stream(scene, name)
    STATES[name].enter(scene, stream)
    found: list[tuple[float, Report]] = []
    closers = [threading.Thread(target=lambda: found.append(close(stream, name))) for _ in range(4)]
    for closer in closers:
        closer.start()
    for closer in closers:
        closer.join(PATIENCE)
    assert len(found) == 4
    assert max(took for took, _ in found) < limit(name) + SLACK
    assert all(set(report.threads) <= set(STATES[name].left) for _, report in found)
    scene.gate.open()
    assert stream.close(PATIENCE).threads == ()


@pytest.mark.parametrize("drain", [False, True])
@pytest.mark.parametrize("name", STATES)
def test_close_from_a_callback(scene: SecureScene, name: str, drain: bool) -> None:
    """It waits for nobody's callback, least of all its own; run() ends when that returns."""
    state = STATES[name]
    stream = Stream(msgspec.structs.replace(state.feed(scene), endpoint=scene.secured, headers={}), **state.options)
    found: list[tuple[float, Report]] = []
    go_on = threading.Event()

    @stream.on()
    def message(item: Any) -> None:
        if not found:
            assert go_on.wait(PATIENCE)
            began = now()
            report = stream.close(limit(name), drain=drain)
            found.append((now() - began, report))

    running = threading.Thread(target=lambda: stream.run(markers="ignore"))
    running.start()
    scene.subscribed(stream)
    scene.broker.publish("ABC")
    scene.broker.wait_for(lambda: stream.latest.live("ABC"), PATIENCE)
    scene.broker.publish("ABC")
    scene.broker.wait_for(lambda: stream.status.messages >= 1, PATIENCE)
    state.enter(scene, stream)
    go_on.set()
    running.join(PATIENCE)
    assert not running.is_alive()
    took, report = found[0]
    assert took < limit(name) + SLACK
    assert set(report.threads) <= set(state.left)
    scene.gate.open()
    assert stream.close(PATIENCE).threads == ()
