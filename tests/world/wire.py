"""One connection as the venue sees it: what is on it, cut into chunks, and what may be wrong with it. Pure."""

from __future__ import annotations

import re
from collections import deque
from typing import NamedTuple, Optional

import msgspec

from syncstream.core.frames import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT

ALIAS = "?"
_ALIASED = re.compile(rb'("a":")(.)[?]"')
NAMES = b'"k":"'
"""What stands before the key in a message."""

BYTES, FEED, DATA = 0, 1, 2
"""What a frame proves when it is whole: only the transport, the feed, or that there is data."""


def frame(opcode: int, payload: bytes) -> bytes:
    """One whole frame as a server sends it: not masked."""
    length = len(payload)
    if length < 126:
        return bytes((0x80 | opcode, length)) + payload
    return bytes((0x80 | opcode, 126)) + length.to_bytes(2, "big") + payload


def text_frame(payload: bytes) -> bytes:
    return frame(TEXT, payload)


def fragments(payload: bytes, at: int = 10) -> bytes:
    """A text in two frames, and a pong that nobody asked for between them."""
    first = frame(TEXT, payload[:at])
    return bytes((first[0] & 0x7F,)) + first[1:] + frame(PONG, b"odd") + frame(CONTINUATION, payload[at:])


class Piece(NamedTuple):
    """Bytes that belong together, and what they prove. `ping`: this one is a ping, with this payload. `ends`: nothing after
    it is read."""

    data: bytes
    proves: int
    ping: Optional[bytes] = None
    ends: bool = False
    says: str = ""  # what it means for the line: "welcome", "ok", "no", "pause", "resume", "reconnect"
    challenge: Optional[int] = None  # wants an answer with this id


class Wire:
    """Owned by: the venue. From the moment a line is open until it is hung up."""

    def __init__(self, line: int, epoch: int, number: int) -> None:
        self.line = line
        self.epoch = epoch
        self.number = number  # of the counter of this connection
        self.subscribed: dict[str, None] = {}
        self.refused: set[str] = set()  # of what was asked for here
        self.mute = False  # sends no data; answers pings
        self.dead = False  # half-open: nothing passes any more
        self.lags = False  # what is sent waits
        self.broken = False  # the connection is gone at the venue; the engine has been or will be told
        self.spoiled = False  # what cannot be read came through: nothing after it counts, and the engine will hang up
        self.chunk = 0  # bytes per chunk; 0: all at once
        self.keep = 0  # so many bytes are always still on their way
        self.out: deque[Piece] = deque()
        self.aside: list[Piece] = []  # messages that come late
        self.sent: deque[tuple[int, Piece]] = deque(maxlen=8)
        self.skipped: dict[str, set[int]] = {}  # versions that are not on this wire, or not in their place
        self.first_skipped: dict[str, set[int]] = {}  # the same, of those before anything was on it
        self.unasked: dict[str, set[int]] = {}  # the same, of those whose subscription the venue has ignored
        self.blank = True  # nothing was on it yet
        self.lossy: set[str] = set()  # keys of which something was left out here
        self._tail = b""  # of pieces that are partly through
        self._pieces: deque[tuple[int, Piece]] = deque()  # what of each piece in the tail is not through

    def put(self, piece: Piece) -> None:
        if not self.gone:
            self.out.append(self._named(piece))

    def _named(self, piece: Piece) -> Piece:
        """With the ids that this connection has for keys, in place of those that stand for them all."""
        return piece._replace(
            data=_ALIASED.sub(lambda found: found[1] + self.alias(found[2].decode()).encode() + b'"', piece.data)
        )

    def alias(self, key: str) -> str:
        """The id of a key here: another key had it on the connection before."""
        return f"{chr(ord('a') + (ord(key) - ord('A') + self.epoch) % 5)}#"

    @property
    def gone(self) -> bool:
        """Nothing that is said on it now will arrive."""
        return self.dead or self.broken or self.spoiled

    def ready(self) -> int:
        """Bytes that could be read."""
        return 0 if self.dead else len(self._tail) + sum(len(piece.data) for piece in self.out)

    def load(self) -> None:
        """Move what is on the wire to where it is read from."""
        if self.out:
            self._tail += b"".join(piece.data for piece in self.out)
            self._pieces.extend((len(piece.data), piece) for piece in self.out)
            self.out.clear()

    def read(self, most: int) -> tuple[bytes, list[Piece]]:
        """At most so many bytes, and the pieces that became whole with them."""
        data, self._tail = self._tail[:most], self._tail[most:]
        left = len(data)
        whole = []
        while self._pieces and left >= self._pieces[0][0]:
            size, piece = self._pieces.popleft()
            left -= size
            whole.append(piece)
        if left:
            size, piece = self._pieces[0]
            self._pieces[0] = (size - left, piece)
        return data, whole

    @property
    def breaking(self) -> bool:
        """Whether what was read last is a part of what ends the connection."""
        return bool(self._pieces) and self._pieces[0][1].ends and self._pieces[0][0] < len(self._pieces[0][1].data)

    @property
    def unread(self) -> int:
        return len(self._tail)

    def leave_out(self, key: str, after: int, to: int) -> None:
        versions = range(after + 1, to + 1)
        self.lossy.add(key)
        self.skipped.setdefault(key, set()).update(versions)
        if self.blank:
            self.first_skipped.setdefault(key, set()).update(versions)


def ping(payload: bytes) -> Piece:
    return Piece(frame(PING, payload), BYTES, ping=payload)


def pong(payload: bytes) -> Piece:
    return Piece(frame(PONG, payload), BYTES)


def goodbye(code: Optional[int]) -> Piece:
    """A close frame."""
    return Piece(frame(CLOSE, b"" if code is None else code.to_bytes(2, "big") + b"bye"), BYTES, ends=True)


def code_of(piece: Piece) -> Optional[int]:
    """What a close frame says; `None` for one that says nothing, and for what is none."""
    return int.from_bytes(piece.data[2:4], "big") if piece.data[0] == 0x80 | CLOSE and len(piece.data) > 3 else None


def beat(classified: bool) -> Piece:
    """A heartbeat of the venue's own kind."""
    return Piece(text_frame(b'{"t":"beat"}' if classified else b'{"beat":1}'), FEED)


def word(says: str, **more: object) -> Piece:
    """What the venue says of the line itself."""
    proves = BYTES if says == "pong" else FEED
    challenge = more.get("id") if says == "challenge" else None
    payload = msgspec.json.encode({"t": says, **more})
    return Piece(text_frame(payload), proves, says=says, challenge=challenge if isinstance(challenge, int) else None)


REFUSAL = Piece(text_frame(b'{"error":"no such topic"}'), FEED)

GARBAGE = {
    "json": Piece(text_frame(b'{"k":'), FEED),
    "list": Piece(text_frame(b"[1,2]"), FEED),
    "keyless": Piece(text_frame(b'{"hello":1}'), FEED),
    "no-number": Piece(text_frame(b'{"k":"A"}'), FEED),
    "bad-number": Piece(text_frame(b'{"k":"A","n":"x","m":"x","v":1,"w":1,"c":"ch"}'), FEED),
    "unhashable": Piece(text_frame(b'{"k":{},"n":1}'), FEED),
    "binary": Piece(frame(BINARY, b"\x00\xff"), FEED),
    "utf8": Piece(frame(TEXT, b"\xff\xfe"), BYTES, ends=True),
    "masked": Piece(b"\x81\x80\x00\x00\x00\x00", BYTES, ends=True),
    "huge": Piece(frame(TEXT, b'"' + b"x" * 5000 + b'"'), BYTES, ends=True),
    "huge-in-pieces": Piece(fragments(b'"' + b"x" * 5998 + b'"', 3000), BYTES, ends=True),
    "reserved": Piece(b"\xf1\x00", BYTES, ends=True),
}
"""What a venue should not send. Those that end the connection break the protocol or a limit."""
