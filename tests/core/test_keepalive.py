"""`core/keepalive.py`: how often, and whether data makes it needless."""

from __future__ import annotations

from typing import Any, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncstream.core.keepalive import Beat, Keepalive
from syncstream.errors import FeedError

NOW = 100.0
WRONG: list[dict[str, Any]] = [
    {"expect": "pong"},
    {"expect": b"pong", "send": "ping"},
    {"expect": "", "send": "ping"},
    {"within": 0, "send": "ping", "expect": "pong"},
    {"within": 5.0, "send": "ping"},
]


@pytest.mark.parametrize("fields", [{"every": 0}, {"every": True}, {"every": float("inf")}, {"when": "often"}, *WRONG])
def test_what_cannot_be_is_refused(fields: dict[str, Any]) -> None:
    """The field is named."""
    with pytest.raises(FeedError, match=f"^{next(iter(fields))}="):
        Keepalive(**fields)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"when": "often"}, "when='often': expected 'always' or 'idle'"),
        (
            {"send": "ping", "expect": b"pong"},
            "expect='bytes': expected the text of the answer, or a callable: message -> whether it is one",
        ),
        ({"expect": print}, "expect='print': a WebSocket ping has its own pong; an answer of another kind needs send="),
        ({"send": "ping", "within": 5.0}, "within=5.0: is the time for what is expected; give expect="),
    ],
)
def test_what_cannot_be_says_what_can(fields: dict[str, Any], text: str) -> None:
    """In words; what is expected is not shown."""
    with pytest.raises(FeedError) as caught:
        Keepalive(**fields)
    assert str(caught.value) == text


def test_what_is_sent_is_not_shown() -> None:
    """It may hold a key; of a callable the name is."""
    assert repr(Keepalive(send={"key": "s3cr3t"})) == "Keepalive(every=20, send=dict, when='always')"
    assert repr(Keepalive(every=1.5, when="idle")) == "Keepalive(every=1.5, send=None, when='idle')"
    assert repr(Keepalive(send="ping", expect=len)) == "Keepalive(every=20, send=str, when='always', expect=len)"
    shown = repr(Keepalive(send="ping", expect="pong", within=2.0))
    assert shown == "Keepalive(every=20, send=str, when='always', expect=str, within=2)"


def test_without_one_nothing_is_due() -> None:
    """Ever."""
    beat = Beat(None, NOW)
    assert (beat.deadline(NOW), beat.due(NOW + 1e9, NOW)) == (None, False)


def test_always_is_whatever_comes() -> None:
    """Data does not replace it: there are venues that hang up while they stream."""
    beat = Beat(Keepalive(every=20.0), NOW)
    assert beat.deadline(NOW + 19.0) == NOW + 20.0
    assert not beat.due(NOW + 19.9, NOW + 19.9)
    assert beat.due(NOW + 20.0, NOW + 20.0)
    assert not beat.due(NOW + 20.0, NOW + 20.0)
    assert beat.deadline(NOW) == NOW + 40.0


def test_idle_is_only_after_silence() -> None:
    """As long as something comes nothing is sent."""
    beat = Beat(Keepalive(every=20.0, when="idle"), NOW)
    assert beat.deadline(NOW + 15.0) == NOW + 35.0
    assert not beat.due(NOW + 34.0, NOW + 15.0)
    assert beat.due(NOW + 35.0, NOW + 15.0)
    assert beat.deadline(NOW + 15.0) == NOW + 55.0


@given(when=st.sampled_from(["always", "idle"]), heard=st.lists(st.none() | st.just(0), max_size=40))
def test_two_are_never_closer_than_every(when: str, heard: list[Optional[int]]) -> None:
    """And with `always` never farther apart than a look."""
    beat, now, heard_at, sent = Beat(Keepalive(every=3.0, when=when), NOW), NOW, NOW, [NOW]
    for each in heard:
        now += 1.0
        heard_at = now if each is not None else heard_at
        if beat.due(now, heard_at):
            assert now - sent[-1] >= 3.0
            sent.append(now)
    if when == "always":
        assert now - sent[-1] < 3.0
