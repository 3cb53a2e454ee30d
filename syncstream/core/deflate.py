"""RFC 7692, permessage-deflate: what is offered, what an answer may agree to, and the two ways through it. Pure.

Rules
* One offer, and one answer to it at most. An answer that does not fit the offer fails the line; no answer means: no compression.
* What is inflated is bounded while it is inflated: nobody unpacks more than one byte beyond what there is room for.
* Which messages are compressed is the sender's choice, one by one; the first frame of such a message has RSV1 set.
* A block marked as the last one (BFINAL) may stand in a message; what follows it begins with an empty window, as zlib's does.

Not here: frames and fragments (`frames`), limits (its caller's), what goes out and in which order (the link).
"""

from __future__ import annotations

import re
import sys
import zlib
from typing import Any, NamedTuple, Optional

from ..errors import FeedError
from .options import Options

NAME = "permessage-deflate"

LARGEST = sys.maxsize - 1
"""Bytes; a bound beyond that means this one: zlib counts in a machine word, and is asked for one byte more."""

_TAIL = b"\x00\x00\xff\xff"  # ends every message; it is not sent, and put back before inflating
_LAST_BLOCKS = 16  # so many blocks marked as the last one may stand in a message: each costs a copy of what follows it
_BROKEN = "compressed data cannot be unpacked"
# Whatever was agreed on: it reads every smaller one. With a small one zlib would find a reference that goes too far back, or not,
# depending on where the bytes were cut.
_LARGEST_WINDOW = -15
_BITS = range(8, 16)
_PARAMETER = re.compile(r'\s*([!#$%&\'*+\-.^_`|~0-9A-Za-z]+)(?:\s*=\s*(?:([!#$%&\'*+\-.^_`|~0-9A-Za-z]+)|"([^"\\]*)"))?\s*\Z')
_NUMBER = re.compile(r"[1-9][0-9]?\Z")


class Deflate(Options, frozen=True, kw_only=True):
    """How messages are compressed, where the venue agrees: permessage-deflate of RFC 7692.

    What comes is inflated in any case; `send=True` compresses what we send, too. `server_context` and `client_context`: a message
    may refer to those before it (smaller messages, some memory for each line); `False` asks the venue for messages that stand
    alone, or sends ours so. `server_window_bits` and `client_window_bits`: how far back it may refer, 9 to 15, as a power of two;
    the server's is asked for only below 15, because not every venue knows how to answer that.
    """

    send: bool = False
    server_context: bool = True
    client_context: bool = True
    server_window_bits: int = 15
    client_window_bits: int = 15

    def __post_init__(self) -> None:
        for field in ("send", "server_context", "client_context"):
            if not isinstance(getattr(self, field), bool):
                raise FeedError(field, getattr(self, field), "expected True or False")
        for field in ("server_window_bits", "client_window_bits"):
            value = getattr(self, field)
            if not isinstance(value, int) or not 9 <= value <= 15:  # no bool is that much
                raise FeedError(field, value, "window bits are a whole number from 9 to 15")

    def offer(self) -> str:
        """The value of our Sec-WebSocket-Extensions header."""
        words = [NAME]
        if not self.server_context:
            words.append("server_no_context_takeover")
        if not self.client_context:
            words.append("client_no_context_takeover")
        if self.server_window_bits < 15:
            words.append(f"server_max_window_bits={self.server_window_bits}")
        words.append("client_max_window_bits" + (f"={self.client_window_bits}" if self.client_window_bits < 15 else ""))
        return "; ".join(words)

    def agreed(self, answer: str) -> Agreed:
        """What the server's header says. Raises `ValueError`, fit to be shown, if it does not answer our offer."""
        if "," in re.sub('"[^"]*"', "", answer):
            raise ValueError("the answer has more than the one extension that was offered")
        name, *rest = answer.split(";")
        if name.strip() != NAME:
            raise ValueError("the answer has an extension that was not offered")
        given = _parameters(rest)
        if not self.server_context and "server_no_context_takeover" not in given:
            raise ValueError(f"{NAME}: the answer leaves out server_no_context_takeover, which was asked for")
        if self.server_window_bits < 15 and "server_max_window_bits" not in given:
            raise ValueError(f"{NAME}: the answer leaves out server_max_window_bits, which was asked for")
        return Agreed(
            server_context="server_no_context_takeover" not in given,
            client_context=self.client_context and "client_no_context_takeover" not in given,
            server_window_bits=_bits(given, "server_max_window_bits", self.server_window_bits),
            client_window_bits=_bits(given, "client_max_window_bits", self.client_window_bits),
            send=self.send,
        )


class Agreed(NamedTuple):
    """What both sides keep to on one line."""

    server_context: bool = True
    client_context: bool = True
    server_window_bits: int = 15
    client_window_bits: int = 15
    send: bool = False


def _parameters(texts: list[str]) -> dict[str, Optional[str]]:
    """The parameters of an answer by name; each at most once, with a value where one belongs and none where none does."""
    found: dict[str, Optional[str]] = {}
    for text in texts:
        parameter = _PARAMETER.match(text)
        if parameter is None:
            raise ValueError(f"{NAME}: the answer has a parameter that cannot be read")
        name, value = parameter[1], parameter[2] if parameter[3] is None else parameter[3]
        if name in found:
            raise ValueError(f"{NAME}: the answer has {name} twice")
        if name in ("server_no_context_takeover", "client_no_context_takeover"):
            if value is not None:
                raise ValueError(f"{NAME}: {name} takes no value")
        elif name not in ("server_max_window_bits", "client_max_window_bits"):
            raise ValueError(f"{NAME}: the answer has a parameter that does not exist")
        elif value is None or not _NUMBER.match(value) or int(value) not in _BITS:
            raise ValueError(f"{NAME}: {name} is a whole number from 8 to 15")
        found[name] = value
    return found


def _bits(given: dict[str, Optional[str]], name: str, limit: int) -> int:
    value = given.get(name)
    if value is None:
        return limit
    if int(value) > limit:
        raise ValueError(f"{NAME}: {name}={value} is more than the {limit} that was offered")
    return int(value)


class Inflate:
    """Owned by: the frames of one line. The messages of one direction, piece by piece, in order."""

    def __init__(self, agreed: Agreed) -> None:
        self._keeps = agreed.server_context
        self._last_blocks = 0  # in the message in hand
        self._stream: Any = zlib.decompressobj(_LARGEST_WINDOW)

    def message(self, data: bytes, room: int) -> bytes:
        """A whole message at once; the same as `piece` and `end`."""
        stream = self._stream
        try:
            unpacked: bytes = stream.decompress(data + _TAIL, room + 1)
        except zlib.error:
            raise ValueError(_BROKEN) from None
        if stream.eof:
            unpacked += self._behind(room - len(unpacked))
            self._last_blocks = 0
        if not self._keeps:
            self._stream = zlib.decompressobj(_LARGEST_WINDOW)
        return unpacked

    def piece(self, data: bytes, room: int) -> bytes:
        """What this piece of a message unpacks to, at most `room` + 1 bytes. Raises `ValueError` if it cannot be unpacked."""
        unpacked = self._unpack(data, room + 1)
        return unpacked + self._behind(room - len(unpacked))

    def end(self, room: int) -> bytes:
        """The rest, when the message is whole."""
        unpacked = self.piece(_TAIL, room)
        self._last_blocks = 0
        if not self._keeps:
            self._stream = zlib.decompressobj(_LARGEST_WINDOW)
        return unpacked

    def _behind(self, room: int) -> bytes:
        """What stands behind a block that is marked as the last one, if that was one; at most `room` + 1 bytes."""
        unpacked = b""
        while self._stream.eof:
            data = self._stream.unused_data
            self._last_blocks += 1
            if self._last_blocks > _LAST_BLOCKS:
                raise ValueError(f"more than {_LAST_BLOCKS} last blocks in a message")
            self._stream = zlib.decompressobj(_LARGEST_WINDOW)
            if len(unpacked) <= room:
                unpacked += self._unpack(data, room + 1 - len(unpacked))
        return unpacked

    def _unpack(self, data: bytes, limit: int) -> bytes:
        try:
            unpacked: bytes = self._stream.decompress(data, limit)
        except zlib.error:
            raise ValueError(_BROKEN) from None
        return unpacked


class Pack:
    """Owned by: the reader thread. Our messages on one line, in the order in which they go out."""

    def __init__(self, agreed: Agreed) -> None:
        self._bits = agreed.client_window_bits
        self._keeps = agreed.client_context
        self._stream: Any = None

    def message(self, payload: bytes) -> Optional[bytes]:
        """The payload of the frame, which needs RSV1; `None` if it is better sent as it is.

        An empty message has nothing to compress, and zlib cannot keep to a window of 256 bytes.
        """
        if not payload or self._bits < 9:
            return None
        if self._stream is None or not self._keeps:
            self._stream = zlib.compressobj(wbits=-self._bits)
        packed: bytes = self._stream.compress(payload) + self._stream.flush(zlib.Z_SYNC_FLUSH)
        return packed[: -len(_TAIL)]
