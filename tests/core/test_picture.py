"""`core/picture.py`: the state of the engine as others may see it."""

from __future__ import annotations

from typing import Any

import pytest

from syncstream.core import picture
from syncstream.core.actions import Payload
from syncstream.core.frames import TEXT
from syncstream.errors import Overflow, StreamFailed
from syncstream.events import Status

from .rig import HEALED, NUMBERED, PLAIN, Rig, delta


def shown(rig: Rig, **changes: Any) -> Status:
    """The picture of a rig's engine, with some of what the engine says of itself changed."""
    engine = rig.engine
    said = {
        "connects": engine.connects,
        "late": engine.late,
        "closing": engine.closing,
        "failure": engine.failure,
        "queued": 0,
        "dropped": 0,
        **changes,
    }
    return picture.of(engine.order, engine.lines, engine.topics, rig.now, **said)


@pytest.mark.parametrize(
    ("changes", "state", "error"),
    [
        ({}, "connecting", ""),
        ({"connects": 1}, "waiting", ""),
        ({"closing": True}, "closed", ""),
        ({"closing": True, "failure": Overflow("too slow")}, "failed", "too slow"),
    ],
)
def test_the_state_of_a_stream_without_a_line(changes: dict[str, Any], state: str, error: str) -> None:
    """Before the first line, between two, and at the end, well or not."""
    status = shown(Rig(PLAIN), **changes)
    assert (status.state, status.error, status.lines, status.silence) == (state, error, 0, None)


def test_an_open_stream_is_live_when_every_key_is() -> None:
    """A key that waits for its snapshot is counted."""
    rig = Rig(HEALED)
    rig.live("A", 5)
    assert (shown(rig).state, shown(rig).syncing) == ("live", 0)
    rig.send(delta("B", 1))
    status = shown(rig)
    assert (status.state, status.syncing, status.held) == ("syncing", 1, 1)
    assert {key: one.state for key, one in status.keys.items()} == {"A": "live", "B": "syncing"}


def test_the_figures_are_those_of_the_keys_and_the_order() -> None:
    """Delivered, doubled, missing, and what others count is handed through."""
    rig = Rig(NUMBERED)
    rig.open()
    rig.send(delta("A", 1), delta("A", 1), delta("A", 4))
    status = shown(rig, connects=3, late=2, queued=7, dropped=9)
    assert (status.messages, status.duplicates, status.gaps, status.unhealed) == (2, 1, 1, 1)
    assert (status.connects, status.reconnects, status.late_answers) == (3, 2, 2)
    assert (status.queued, status.dropped) == (7, 9)


def test_each_figure_is_that_of_whoever_counts_it() -> None:
    """A stream shows what its keys, its order and its fetches have counted, and how many lines are open."""
    rig = Rig(HEALED, lines=2)
    rig.start()
    rig.open(0)
    order, keys = rig.engine.order, rig.engine.order.keys
    order.duplicates, order.quarantined, order.keyless = 1, 2, 3
    keys.stale, keys.healed, keys.snapshots, keys.fetches.late = 10, 20, 30, 40
    status = shown(rig, connects=2, late=400)
    assert (status.duplicates, status.quarantined, status.keyless) == (11, 2, 3)
    assert (status.healed, status.snapshots, status.late_answers) == (20, 30, 440)
    assert (status.lines, status.connects, status.reconnects) == (1, 2, 0)


def test_silence_counts_from_the_line_that_spoke_last() -> None:
    """Of two lines, the one that is mute is not what a consumer hears."""
    rig = Rig(NUMBERED, lines=2)
    rig.start()
    rig.open(0)
    rig.open(1)
    rig.wait(3.0)
    rig.send(delta("A", 1), line=1)
    rig.wait(2.0)
    assert shown(rig).silence == 2.0


@pytest.mark.parametrize("topics", [("A", "B"), ()])
def test_every_wanted_topic_is_shown(topics: tuple[str, ...]) -> None:
    """Also before a line knows of it; a fixed payload has no topics to show before one is open."""
    rig = Rig(NUMBERED, topics=topics)
    assert {topic: one.state for topic, one in shown(rig).topics.items()} == dict.fromkeys(topics, "wanted")


def test_a_failure_is_told_by_its_text() -> None:
    """Whatever its class."""
    assert shown(Rig(PLAIN), closing=True, failure=StreamFailed("why")).error == "why"


def test_an_open_line_knows_its_topics() -> None:
    """What it asked for is shown as it is; a fixed payload, which names none, is shown under `None`."""
    asked = Payload(TEXT, b"ask", ("A",))
    rig = Rig(NUMBERED, topics=("A", "B"))
    rig.open(payloads=(asked,))
    assert {topic: one.state for topic, one in shown(rig).topics.items()} == {"A": "sent", "B": "wanted"}
    rig.send(delta("A", 1))
    assert {topic: one.state for topic, one in shown(rig).topics.items()} == {"A": "live", "B": "wanted"}
    rig = Rig(NUMBERED)
    rig.open(payloads=(Payload(TEXT, b"ask", (None,)),))
    assert {topic: one.state for topic, one in shown(rig).topics.items()} == {None: "sent"}
