"""Markers and statuses: what each says by default, who sees it, and that none changes."""

from __future__ import annotations

import inspect
from typing import Any

import msgspec
import pytest

from syncstream import events
from syncstream.events import (
    Closed,
    Connected,
    Disconnected,
    Dropped,
    Event,
    Gap,
    KeyStatus,
    Quarantined,
    Refused,
    Resynced,
    Snapshot,
    Stale,
    Status,
    Subscribed,
    TopicStatus,
)

KINDS = [kind for _, kind in inspect.getmembers(events, inspect.isclass) if issubclass(kind, Event)]
CHANGES_STATE = {Snapshot: True, Dropped: True, Gap: True}


def test_these_are_all() -> None:
    """One class per thing that can happen."""
    assert set(KINDS) == {
        Closed, Connected, Disconnected, Dropped, Event, Gap, Quarantined, Refused, Resynced, Snapshot, Stale, Subscribed
    }  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_who_sees_it(kind: type[Event]) -> None:
    """A plain loop sees what changes the consumer's state, and nothing else; each names a key, or means every one."""
    event = kind()
    assert event.in_default_view is CHANGES_STATE.get(kind, False)
    assert (event.key, event.at_ns) == (None, 0)
    assert kind(key="ABC", at_ns=7).key == "ABC"


@pytest.mark.parametrize("reason", ["hole", "reconnect", "restart", "drop", "quiet", "unhealed"])
def test_a_gap_is_seen_unless_it_is_being_healed(reason: str) -> None:
    """Trouble that is being repaired changes nothing yet: a snapshot will."""
    assert not Gap(reason=reason, healing=True).in_default_view
    assert Gap(reason=reason, healing=False).in_default_view


@pytest.mark.parametrize("kind", [*KINDS, Status, KeyStatus, TopicStatus])
def test_it_is_a_frozen_value(kind: Any) -> None:
    """Equal ones are equal; nobody changes what another thread may be reading; nothing is given by position."""
    one = kind()
    assert one == kind()
    assert msgspec.structs.replace(one) == one
    for field in kind.__struct_fields__:
        with pytest.raises(AttributeError):
            setattr(one, field, getattr(one, field))
    with pytest.raises(TypeError):
        kind("ABC")


def test_a_message_is_never_an_event() -> None:
    """`isinstance(item, Event)` always tells them apart, also where messages are Structs."""

    class Trade(msgspec.Struct):
        key: str

    messages: list[Any] = [{}, "text", b"bytes", None, 7, Trade("ABC"), [Event()]]
    for message in messages:
        assert not isinstance(message, Event)


def test_what_a_marker_says_by_default() -> None:
    """Nothing is claimed that nobody has said."""
    gap = Gap()
    assert (gap.reason, gap.after, gap.before, gap.missing, gap.healing) == ("hole", None, None, None, False)
    assert (gap.since_ns, gap.until_ns) == (None, None)
    snapshot = Snapshot()
    assert (snapshot.position, snapshot.state) == (None, None)
    lost = Disconnected()
    assert (lost.line, lost.reason, lost.code, lost.retry_in) == (0, "", None, None)
    assert (Connected().line, Connected().attempt) == (0, 1)
    assert (Resynced().position, Resynced().replayed, Resynced().seconds) == (None, 0, 0.0)
    assert (Subscribed().topic, Refused().topic, Refused().reason, Refused().retry_in) == (None, None, "", None)
    assert (Dropped().count, Stale().silence, Quarantined().raw, Closed().error) == (0, 0.0, b"", "")


def test_what_is_printed_of_a_marker() -> None:
    """Every field by name: what a newcomer reads in the terminal."""
    gap = Gap(key="ABC", reason="hole", after=7, before=9, missing=1, healing=True)
    assert repr(gap) == (
        "Gap(key='ABC', at_ns=0, reason='hole', after=7, before=9, missing=1, healing=True, since_ns=None, until_ns=None)"
    )
    assert repr(Closed(at_ns=1)) == "Closed(key=None, at_ns=1, error='')"


def test_a_status_before_anything_happened() -> None:
    """Connecting, and every figure at nothing."""
    status = Status()
    assert status.state == "connecting"
    assert (status.silence, status.lag, status.error, dict(status.keys)) == (None, None, "", {})
    figures = [name for name in status.__struct_fields__ if name not in ("state", "silence", "lag", "error", "keys", "topics")]
    assert {getattr(status, name) for name in figures} == {0}
    topic = TopicStatus()
    assert (dict(status.topics), topic.state, topic.asked, topic.reason) == ({}, "wanted", 0, "")
    key = KeyStatus()
    assert (key.state, key.position, key.gaps, key.healed, key.held) == ("syncing", None, 0, 0, 0)
    assert Status().keys is not Status().keys  # no two share one
