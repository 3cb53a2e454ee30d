"""A slow receive side of RFC 6455, to compare the real one with. Pure.

It reads all bytes from the beginning each time and keeps nothing, so it knows no chunks. It shares no code with the real one,
not even the UTF-8 decoder. It judges as early as the real one promises to: the first two bytes of a frame together, an extended
length when it is whole, text as soon as it cannot become valid, a close frame when it is whole.
"""

from __future__ import annotations

from typing import NamedTuple, Optional

from .reference_deflate import Inflater

# RFC 3629, section 4: the byte sequences of one character, as ranges.
_TAIL = (0x80, 0xBF)
_CHARACTERS = (
    ((0x00, 0x7F),),
    ((0xC2, 0xDF), _TAIL),
    ((0xE0, 0xE0), (0xA0, 0xBF), _TAIL),
    ((0xE1, 0xEC), _TAIL, _TAIL),
    ((0xED, 0xED), (0x80, 0x9F), _TAIL),
    ((0xEE, 0xEF), _TAIL, _TAIL),
    ((0xF0, 0xF0), (0x90, 0xBF), _TAIL, _TAIL),
    ((0xF1, 0xF3), _TAIL, _TAIL, _TAIL),
    ((0xF4, 0xF4), (0x80, 0x8F), _TAIL, _TAIL),
)


class Outcome(NamedTuple):
    """What came of a stream of bytes. `code` is that of the error, `closed` says that a close frame ended it."""

    messages: list[tuple[int, bytes]]
    code: Optional[int] = None
    closed: bool = False


def decode(stream: bytes, *, max_message_size: int, max_fragments: int, inflater: Optional[Inflater] = None) -> Outcome:
    """Reads `stream` from its beginning up to the first error, the close frame, or the first thing that is not whole.

    With a new `inflater` messages may be compressed.
    """
    messages: list[tuple[int, bytes]] = []
    kind: Optional[int] = None  # of the message that has begun
    message = b""
    compressed = False
    frames = 0
    at = 0
    while True:
        if len(stream) - at < 2:
            return Outcome(messages)
        final, rsv, opcode = stream[at] >> 7, (stream[at] >> 4) & 7, stream[at] & 15
        masked, length = stream[at + 1] >> 7, stream[at + 1] & 127
        is_control = opcode in (8, 9, 10)
        if rsv and not (rsv == 4 and inflater is not None and opcode in (1, 2)):
            return Outcome(messages, 1002)
        if masked or opcode not in (0, 1, 2, 8, 9, 10):
            return Outcome(messages, 1002)
        if is_control and (not final or length > 125):
            return Outcome(messages, 1002)
        if opcode == 0 and kind is None:
            return Outcome(messages, 1002)
        if opcode in (1, 2) and kind is not None:
            return Outcome(messages, 1002)
        at += 2

        extended = {126: 2, 127: 8}.get(length, 0)
        if extended:
            if len(stream) - at < extended:
                return Outcome(messages)
            length = 0
            for byte in stream[at : at + extended]:
                length = length * 256 + byte
            if length >= 2**63 or length <= {2: 125, 8: 65535}[extended]:
                return Outcome(messages, 1002)
            at += extended

        payload = stream[at : at + length]
        is_whole = len(payload) == length
        at += len(payload)

        if is_control:
            if not is_whole:
                return Outcome(messages)
            if opcode == 8:
                code = _close_error(payload)
                if code is not None:
                    return Outcome(messages, code)
                return Outcome([*messages, (8, payload)], closed=True)
            messages.append((opcode, payload))
            continue

        if opcode != 0:
            kind, message, frames, compressed = opcode, b"", 0, rsv == 4
        frames += 1
        largest = 2 * max_message_size + 1024 if compressed else max_message_size
        if len(message) + length > largest or frames > max_fragments:
            return Outcome(messages, 1009)
        message += payload
        is_last = is_whole and final == 1
        said, trouble = message, None
        if compressed:
            assert inflater is not None
            said, trouble = inflater.message(message, whole=is_last, limit=max_message_size)
        if kind == 1 and utf8(said) not in (("whole",) if is_last and not trouble else ("whole", "begun")):
            return Outcome(messages, 1007)
        if trouble:
            return Outcome(messages, 1009 if trouble == "big" else 1007)
        if not is_whole:
            return Outcome(messages)
        if is_last:
            assert kind is not None
            messages.append((kind, said))
            kind = None


def utf8(text: bytes) -> str:
    """`whole`: valid; `begun`: valid but for a last character that can still become one; `bad`."""
    at = 0
    while at < len(text):
        for character in _CHARACTERS:
            here = text[at : at + len(character)]
            if all(low <= byte <= high for (low, high), byte in zip(character, here)):
                break
        else:
            return "bad"
        if len(here) < len(character):
            return "begun"
        at += len(character)
    return "whole"


def _close_error(payload: bytes) -> Optional[int]:
    if len(payload) == 0:
        return None
    if len(payload) == 1:
        return 1002
    code = payload[0] * 256 + payload[1]
    if not (1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999):
        return 1002
    return None if utf8(payload[2:]) == "whole" else 1007
