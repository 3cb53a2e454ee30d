"""`core/asking.py`: keys that are silent for too long, and what is said to the venue about them."""

from __future__ import annotations

import pytest

from syncstream.core.actions import Payload
from syncstream.core.engine import Call
from syncstream.core.frames import TEXT
from syncstream.core.subscriptions import Acks

from .rig import NUMBERED, Rig, change, delta


def test_a_quiet_key_without_numbers() -> None:
    """Subscribed again it may have missed something, and nothing can show that: it is told."""
    rig = Rig(
        change(NUMBERED, rule=None, first=None, last=None, quiet_after=lambda key: 8.0, asks=True, leaves=True), topics=("A",)
    )
    rig.open()
    rig.send(delta("A", 1))
    rig.said()
    rig.wait(10.0)
    assert rig.said() == ["stale", "gap A quiet None..None told"]
    assert rig.did(Call) == [Call(0, 1, (), ("A",))]  # not left before: nothing could show what that loses


def test_only_lines_that_are_live_subscribe_a_quiet_key_again() -> None:
    """One that is being dialled asks for everything anyway."""
    rig = Rig(change(NUMBERED, quiet_after=lambda key: 8.0, asks=True, leaves=True), topics=("A",), lines=2)
    rig.start()
    rig.open(1)
    rig.send(delta("A", 1), line=1)
    rig.did()
    rig.wait(10.0)
    assert rig.did(Call) == [Call(1, 1, ("A",), ("A",))]


def test_only_the_topics_of_a_quiet_key_are_subscribed_again() -> None:
    """They are followed anew, the others are left alone; and what is not wanted any more is not quiet."""
    rules = change(NUMBERED, quiet_after=lambda key: 8.0 if key == "A" else None, asks=True, leaves=True, acks=Acks(by="key"))
    rig = Rig(rules, topics=("A", "B"))
    rig.open(payloads=(Payload(TEXT, b"ask", ("A", "B")),))
    rig.send(delta("A", 1), delta("B", 1))
    rig.did()
    rig.wait(10.0)
    assert rig.did(Call) == [Call(0, 1, ("A",), ("A",))]
    assert {topic: each.state for topic, each in rig.engine.status(rig.now).topics.items()} == {"A": "sent", "B": "live"}
    rig.said()
    rig.engine.unsubscribe(["A"], [], rig.now)
    assert len(rig.engine.quiet) == 1
    rig.wait(100.0)
    assert rig.said() == []


@pytest.mark.parametrize(("leaves", "topics"), [(False, ("A",)), (True, ("B",))])
def test_a_quiet_key_that_cannot_be_subscribed_again(leaves: bool, topics: tuple[str, ...]) -> None:
    """Topics that cannot be left, or none of this key: it is told, and nobody is asked what to say."""
    rig = Rig(change(NUMBERED, quiet_after=lambda key: 8.0, asks=True, leaves=leaves), topics=topics)
    rig.open()
    rig.send(delta("A", 1))
    rig.said()
    rig.wait(10.0)
    assert (rig.did(Call), rig.said()[0]) == ([], "stale")
