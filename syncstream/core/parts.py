"""From a frame to the messages in it: transform, decode, split. Pure.

Rules
* A transform is for binary frames; it is bounded while it runs, and what it makes is a message's bytes. Members of gzip follow
  each other (RFC 1952 2.2) and are bounded as one.
* A frame is split where an array stands at the place named; else it is one message itself (an acknowledgement, a heartbeat).
* A frame that cannot be read is set aside whole, unless that is one part's fault: then the others go on.
* The bytes of a frame are charged to its parts, about evenly; together they are those of the frame.
* A frame without any message says that the venue lives, and nothing else.
"""

from __future__ import annotations

import zlib
from typing import Any, Callable, Iterable, Iterator, Optional, Sequence, Union

import msgspec

from .deflate import LARGEST
from .frames import BINARY, TEXT
from .received import Entry, Received

_FLOW = 256 * 1024  # bytes, unpacked: when so much is there it is handed on before more is unpacked
_MEMBERS = 64  # so many of gzip may stand in a frame: each costs a copy of what follows it
_MEMBER = b"\x1f\x8b"  # how one begins
_WINDOWS = {"gzip": 31, "zlib": 15, "deflate": -15}

NAMES = tuple(_WINDOWS)
"""The transforms that are known by name: gzip, zlib (RFC 1950), and raw deflate (RFC 1951)."""


class Part(msgspec.Struct, frozen=True, gc=False):
    """One message of a frame, decoded. `size`: its share of the frame's bytes. `raw`: they, if the frame is this message."""

    message: Any
    size: int
    raw: Optional[bytes] = None

    def shown(self, most: int) -> bytes:
        """How it begins, to be looked at."""
        return self.raw[:most] if self.raw is not None else repr(self.message).encode("utf-8", "replace")[:most]


class Unreadable(msgspec.Struct, frozen=True, gc=False):
    """A frame, or a part of one, that could not be read, and why."""

    raw: bytes
    reason: str


class Empty(msgspec.Struct, frozen=True, gc=False):
    """A frame without a message."""


def inflater(name: str, limit: int) -> Callable[[bytes], bytes]:
    """The transform of that name; it makes `limit` bytes at most. Raises `ValueError` on more, and on what cannot be unpacked."""
    limit = min(limit, LARGEST)

    def inflate(data: bytes) -> bytes:
        piece, rest = _unpacked(name, data, limit, limit)
        pieces, room = [piece], limit - len(piece)
        while name == "gzip" and rest.startswith(_MEMBER):
            if len(pieces) == _MEMBERS:
                raise ValueError(f"{name}: more than {_MEMBERS} members")
            piece, rest = _unpacked(name, rest, room, limit)
            pieces.append(piece)
            room -= len(piece)
        if rest:
            raise ValueError(f"{name}: bytes stand behind its end")
        return b"".join(pieces)

    return inflate


def _unpacked(name: str, data: bytes, room: int, limit: int) -> tuple[bytes, bytes]:
    """What one stream or member unpacks to, and what stands behind it. `room` bytes are left of `limit`."""
    window = _WINDOWS[name]
    stream = zlib.decompressobj(window)
    try:
        unpacked = stream.decompress(data, room + 1)
    except zlib.error:
        raise ValueError(f"{name}: the bytes cannot be unpacked") from None
    if len(unpacked) > room:
        raise ValueError(f"{name}: more than {limit} bytes when unpacked")
    if not stream.eof and window > 0:  # raw deflate may be sent without an end; what is cut off cannot be decoded then
        raise ValueError(f"{name}: the bytes end before it does")
    return unpacked, stream.unused_data


class Parts:
    """Owned by: the engine. What it is asked with are the callables of `Rules`."""

    def __init__(
        self,
        decode: Callable[[bytes, bool], Any],
        *,
        literals: Iterable[bytes] = (),
        transform: Optional[Callable[[bytes], bytes]] = None,
        split: Optional[Callable[[Any], Optional[Sequence[Any]]]] = None,
        path: Optional[tuple[str, ...]] = None,
        limit: int = 16 * 1024 * 1024,
    ) -> None:
        """`path`: where in JSON the array stands that `split` gives, if that is known; () is the frame itself."""
        self.decode = decode
        self.literals = frozenset(literals)
        self.transform = transform
        self.split = split
        self.path = path
        self.limit = limit

    def entries(self, frames: Iterable[tuple[int, bytes]]) -> Iterator[Received]:
        """What is in these frames, in their order; a few at a time, so that it is never in memory together."""
        entries = Received()
        flow = 0
        for opcode, payload in frames:
            if opcode > BINARY or (opcode == TEXT and payload in self.literals):
                entries.add(opcode, payload)
                continue
            flow += self._unpack(opcode, payload, entries)
            if flow >= _FLOW:
                yield entries
                entries, flow = Received(), 0
        if len(entries):
            yield entries

    def _unpack(self, opcode: int, payload: bytes, entries: Received) -> int:
        """Add what is in this frame; returns how many bytes that is."""
        text = opcode == TEXT
        try:
            if self.transform is not None and not text:
                payload = self._transformed(payload)
            frame = self.decode(payload, text)
            parts = None if self.split is None else self.split(frame)
            if parts is None:
                entries.add(opcode, Part(frame, len(payload), payload))
            elif isinstance(parts, (list, tuple)):
                entries.extend(self._shares(opcode, parts, len(payload)))
            else:
                raise TypeError(f"split returned {type(parts).__name__}, which is no list")
        except Exception as error:  # user code and strangers' bytes: whatever it is, it is this frame's trouble only
            rescued = self._rescued(opcode, payload) if self.path is not None else None
            entries.extend(rescued or [(opcode, Unreadable(payload, f"{type(error).__name__}: {error}"))])
        return len(payload)

    def _transformed(self, payload: bytes) -> bytes:
        assert self.transform is not None
        made = self.transform(payload)
        if not isinstance(made, bytes):
            raise TypeError(f"transform returned {type(made).__name__}, not bytes")
        if len(made) > self.limit:
            raise ValueError(f"transform returned more than {self.limit} bytes")
        return made

    def _shares(self, opcode: int, parts: Sequence[Any], size: int) -> list[Entry]:
        if not parts:
            return [(opcode, Empty())]
        share, over = divmod(size, len(parts))
        return [(opcode, Part(part, share + (index < over))) for index, part in enumerate(parts)]

    def _rescued(self, opcode: int, payload: bytes) -> Optional[list[Entry]]:
        """Each part on its own, if the frame can be read without them; else `None`."""
        try:
            pieces, around = _pieces(payload, self.path or ())
            text = opcode == TEXT
            if self._alone(around(b"[]"), text):
                return None
        except Exception:  # it is not the parts' fault
            return None
        entries: list[Entry] = []
        for piece, share in zip(pieces, self._shares(opcode, pieces, len(payload))):
            try:
                (message,) = self._alone(around(b"[" + piece + b"]"), text)
                entries.append((opcode, Part(message, share[1].size, piece)))
            except Exception as error:
                entries.append((opcode, Unreadable(piece, f"{type(error).__name__}: {error}")))
        return entries

    def _alone(self, payload: bytes, text: bool) -> Sequence[Any]:
        assert self.split is not None
        found = self.split(self.decode(payload, text))
        if found is None:
            raise ValueError("no array stands there")
        return found


def _pieces(payload: bytes, path: tuple[str, ...]) -> tuple[list[bytes], Callable[[bytes], bytes]]:
    """The elements of the array at `path`, as they stand in this JSON; and how the JSON looks with another array there."""
    if not path:
        return [bytes(piece) for piece in msgspec.json.decode(payload, type=list[msgspec.Raw])], lambda array: array
    name, *rest = path
    frame: Union[dict[str, msgspec.Raw], list[msgspec.Raw]]
    place: Any
    if payload.lstrip()[:1] == b"[":
        frame, place = msgspec.json.decode(payload, type=list[msgspec.Raw]), int(name)
    else:
        frame, place = msgspec.json.decode(payload, type=dict[str, msgspec.Raw]), name
    pieces, within = _pieces(bytes(frame[place]), tuple(rest))

    def around(array: bytes) -> bytes:
        frame[place] = msgspec.Raw(within(array))
        return msgspec.json.encode(frame)

    return pieces, around
