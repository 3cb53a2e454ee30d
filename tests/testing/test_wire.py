"""Frames made by hand, read by the library's own receive side."""

from __future__ import annotations

import pytest
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN
from websockets.uri import parse_uri

from syncstream.testing.wire import close_frame, half_frame, text_frame


def read(data: bytes) -> list[Frame]:
    protocol = ClientProtocol(parse_uri("ws://localhost/"), state=OPEN, max_size=None)
    protocol.receive_data(data)
    return [event for event in protocol.events_received() if isinstance(event, Frame)]


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536, 100_000])
def test_a_text_frame_is_read_as_it_was_meant(size: int) -> None:
    """At every length at which the header changes."""
    (frame,) = read(text_frame(b"x" * size))
    assert (frame.opcode, bytes(frame.data), frame.fin) == (Opcode.TEXT, b"x" * size, True)


def test_a_close_frame_carries_code_and_reason() -> None:
    """The code is two bytes, the reason follows; without a code the frame is empty."""
    assert close_frame(4001, "bye") == b"\x88\x05\x0f\xa1bye"
    assert close_frame(None, "ignored") == b"\x88\x00"


def test_half_a_frame_is_no_frame() -> None:
    """Nothing can be read of it, and more was announced than comes."""
    assert read(half_frame()) == []
    assert half_frame()[1] > len(half_frame()) - 2 > 0
