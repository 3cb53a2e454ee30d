"""What a venue hears: the frames of a client, unmasked, until its goodbye, which is answered."""

from __future__ import annotations

from typing import Callable

from syncstream.core.frames import CLOSE
from syncstream.testing.wire import close_frame

from .scripted import Peer

Frame = tuple[int, bytes]


def hear(peer: Peer) -> Frame:
    """Opcode and payload of the next frame."""
    first, size = peer.read(2)
    size &= 127
    if size > 125:
        size = int.from_bytes(peer.read(2 if size == 126 else 8), "big")
    mask, payload = peer.read(4), peer.read(size)
    repeated = (mask * (size // 4 + 1))[:size]
    plain = int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")
    return first & 15, plain.to_bytes(size, "big")


def listen(peer: Peer, take: Callable[[Frame], object] = lambda frame: None) -> None:
    """Each frame in its turn goes to `take`, the goodbye too."""
    while True:
        frame = hear(peer)
        take(frame)
        if frame[0] == CLOSE:
            peer.send(close_frame(1000, ""))
            assert peer.until_hangup() == b""
            return
