"""What the venue keeps of one connection."""

from __future__ import annotations

from syncstream.testing.client import Client


def test_frames_are_taken_in_order_and_once() -> None:
    """What waits is counted in bytes, taken as one piece, and gone."""
    client = Client(1, 0.0)
    for frame in (b"one", b"two", b"three"):
        client.queue(frame)
    assert client.waiting == 11
    assert (client.take(), client.take(), client.waiting) == (b"onetwothree", b"", 0)


def test_silence_ends_at_its_moment() -> None:
    """Mute is silent, half-open is deaf as well; both end by time or by word."""
    client = Client(1, 0.0)
    assert not client.is_silent(0.0)
    client.silence(10.0, deaf=False)
    assert (client.is_silent(9.9), client.is_deaf(9.9), client.is_silent(10.0)) == (True, False, False)
    client.silence(None, deaf=True)
    assert (client.is_silent(1e9), client.is_deaf(1e9)) == (True, True)
    client.speak()
    assert (client.is_silent(0.0), client.is_deaf(0.0)) == (False, False)
