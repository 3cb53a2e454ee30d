"""One open WebSocket connection as the venue sees it: what it wants, what waits for it, what is wrong with it.

Owned by the venue's lock; the thread that does the I/O takes the frames out under the same lock. Deliberately not here: the
socket and the protocol (session.py).
"""

from __future__ import annotations

import math
from collections import deque
from typing import Optional

import msgspec


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """How the venue ends a connection, after what waits has been written: `"reset"`, `"fin"` or `"close"`.

    `code=None` is a close frame without a code. `mid_frame`: the first half of a frame goes before a reset or a FIN.
    """

    kind: str
    code: Optional[int] = None
    reason: str = ""
    mid_frame: bool = False


class Client:
    """Owned by: the venue's lock.

    `waiting` is in bytes, what waits here; `in_flight` what the I/O thread took and could not write yet, told by that thread.
    """

    __slots__ = (
        "deaf",
        "ending",
        "frames",
        "heartbeat_at",
        "held",
        "in_flight",
        "known",
        "number",
        "seq",
        "silent_until",
        "topics",
        "waiting",
    )

    def __init__(self, number: int, heartbeat_at: float) -> None:
        self.number = number
        self.heartbeat_at = heartbeat_at
        self.topics: set[str] = set()
        self.known = False  # has logged in, where that is needed
        self.seq = 0
        self.frames: deque[bytes] = deque()
        self.waiting = 0
        self.in_flight = 0
        self.held: dict[Optional[str], bytes] = {}  # by counter: the frame that waits to be overtaken
        self.silent_until = 0.0
        self.deaf = False  # silent, and does not hear either: half-open
        self.ending: Optional[Ending] = None

    def queue(self, frame: bytes) -> None:
        self.frames.append(frame)
        self.waiting += len(frame)

    def take(self) -> bytes:
        """All that waits, in order."""
        frames = b"".join(self.frames)
        self.frames.clear()
        self.waiting = 0
        return frames

    def silence(self, until: Optional[float], *, deaf: bool) -> None:
        self.silent_until = math.inf if until is None else until
        self.deaf = deaf

    def speak(self) -> None:
        self.silent_until = 0.0
        self.deaf = False

    def is_silent(self, now: float) -> bool:
        return now < self.silent_until

    def is_deaf(self, now: float) -> bool:
        return self.deaf and now < self.silent_until
