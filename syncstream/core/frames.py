"""RFC 6455, the receive side: bytes in, whole messages out.

Pure: no socket, no thread, no clock. The reader thread drives it, through the engine. Chunks may be cut anywhere: what comes
out depends on the bytes alone. The work is linear in the bytes received and in the number of frames, however they are cut, and
memory is bounded by the message in hand: `max_message_size`, and once more while a message of several pieces is handed out.

Two ways through: `_plain` cuts the usual case, complete unmasked data frames, in one pass over the chunk; `_packed` does the same
for compressed ones. They leave everything else, all errors included, to `_header` and `_payload`, which take whatever is here and
remember the rest.

The codes of errors are 1002, 1007 and 1009. 1003 (a type of data that cannot be accepted) is none of them: no feed declares that
it takes text only or binary only, and what the decoder cannot read is quarantined, which drops no line (`order`).

Deliberately not here: sending, the upgrade, what to answer to a ping, close or error (the engine), how to inflate (`deflate`).
"""

from __future__ import annotations

import codecs
import struct
from typing import Optional

from .deflate import LARGEST, Agreed, Inflate
from .received import Received

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10

_FINAL, _RESERVED, _OPCODE = 0x80, 0x70, 0x0F  # the parts of the first byte
_COMPRESSED = 0x40  # RSV1, with permessage-deflate on the first frame of a message
_MASKED = 0x80  # the top bit of the second byte; the others are the length, up to 125, or say
_LENGTH_16 = 126  # that it follows in two bytes; one more: in eight
_LONGEST_CONTROL = 125
_OPCODES = frozenset((CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG))
_WHOLE_TEXT, _WHOLE_BINARY = _FINAL | TEXT, _FINAL | BINARY
_WHOLE = {_WHOLE_TEXT: bytes((TEXT,)), _WHOLE_BINARY: bytes((BINARY,))}
_WHOLE_COMPRESSED = (_WHOLE_TEXT | _COMPRESSED, _WHOLE_BINARY | _COMPRESSED)

_COMPRESSED_SLACK = 1024  # bytes that a short message may be longer when it is compressed
_PROTOCOL_ERROR, _INVALID_DATA, _TOO_BIG = 1002, 1007, 1009
# What may stand in a close frame below 3000: the RFC's own and the registered ones. 1004, 1005, 1006 and 1015 never travel.
_CLOSE_CODES = frozenset((1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014))

_unpack_short = struct.Struct(">BBH").unpack_from
_unpack_shorts = struct.Struct(">HH").unpack_from


class FrameError(Exception):
    """The peer broke the protocol or a limit. `code` is the close code to answer with, `reason` fits into a close frame."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code
        self.reason = reason


class Frames:
    """Owned by: the engine, one per line.

    `max_message_size` is in bytes of payload, all fragments together, inflated; `max_fragments` is the number of frames of one
    message. Both are checked as soon as a header tells, before any of that payload is kept. What is compressed is measured while
    it is inflated, and may be at most twice that size on the wire. `deflate` is what was agreed on, if anything was.

    `error` is set once, `closed` when a close frame came; after either of them every byte is ignored.
    """

    def __init__(
        self, *, max_message_size: int = 16 * 1024 * 1024, max_fragments: int = 128 * 1024, deflate: Optional[Agreed] = None
    ) -> None:
        self.error: Optional[FrameError] = None
        self.closed = False
        self._max_message_size = min(max_message_size, LARGEST)
        self._max_fragments = max_fragments
        self._inflate = Inflate(deflate) if deflate is not None else None
        self._head = b""  # the beginning of a header that is not yet whole, at most 9 bytes
        # The frame in hand: its header has been read, `_missing` bytes of its payload have not. No opcode: between two frames.
        self._opcode: Optional[int] = None
        self._final = True
        self._missing = 0
        self._control = bytearray()  # the payload, if it is a control frame
        # The data message in hand, TEXT or BINARY. No kind: between two messages.
        self._kind: Optional[int] = None
        self._message = bytearray()
        self._fragments = 0
        self._compressed = False  # it needs inflating
        self._came = 0  # bytes of payload in the headers of its frames
        self._utf8 = codecs.getincrementaldecoder("utf-8")()  # for TEXT; the end of a valid one leaves it as new

    @property
    def between(self) -> bool:
        """Whether the next byte begins a frame, and a message, and counts."""
        inside = self._head or self._opcode is not None or self._kind is not None
        return not (inside or self.closed or self.error is not None)

    def receive(self, data: bytes) -> Received:
        """Whole messages and control frames completed by `data`, in order, each an opcode and a payload. Never raises.

        The opcode is TEXT, BINARY, CLOSE, PING or PONG. Fragments are joined; TEXT payloads are valid UTF-8 and stay bytes.
        What came before an error is returned, the error itself is then in `error`.
        """
        messages = Received()
        if self.error is not None or self.closed:
            return messages
        if self._head:
            data = self._head + data
            self._head = b""
        at = self._plain(data, 0, messages) if self._opcode is None and self._kind is None else 0
        if at == len(data):
            return messages
        try:
            self._cut(data, at, messages)
        except FrameError as error:
            self.error = error.with_traceback(None)  # its frames would keep the chunk alive
        if self.error is not None or self.closed:
            self._message = bytearray()  # what is not whole now never will be
        return messages

    def _cut(self, data: bytes, at: int, messages: Received) -> None:
        end = len(data)
        while at < end and not self.closed:
            if self._opcode is None:
                if self._kind is None:
                    start = at
                    at = self._plain(data, at, messages)
                    if self._inflate is not None:
                        at = self._packed(self._inflate, data, at, messages)
                    if at > start:
                        continue  # perhaps others of one frame
                at = self._header(data, at)
            if self._opcode is not None:
                at = self._payload(data, at, messages)

    def _plain(self, data: bytes, at: int, messages: Received) -> int:
        """Cuts data messages of one frame while they are complete, good, and all text or all binary. Returns where that ends.

        The hot path of the library: no call and no slice but the one of the payload. Only between two messages.
        """
        last_header = len(data) - 4  # a shorter rest is left to the other way: a header of four bytes can always be unpacked
        whole = data[at] if at <= last_header else 0
        if whole not in _WHOLE:
            return at
        begun, end, largest = at, len(data), self._max_message_size
        short = whole << 8  # a header, and its length where that is up to 125; what is masked or longer has more
        long = short | _LENGTH_16
        payloads: list[bytes] = []
        append = payloads.append
        while at <= last_header:
            head, length = _unpack_shorts(data, at)
            if head == long:
                start = at + 4
                if length < _LENGTH_16:
                    break
            else:
                start = at + 2
                length = head - short
                if not 0 <= length < _LENGTH_16:
                    break
            stop = start + length
            if stop > end or length > largest:
                break
            append(data[start:stop])
            at = stop
        if whole == _WHOLE_TEXT and not all(map(bytes.isascii, payloads)):
            good = _leading_utf8(payloads)
            if good < len(payloads):
                del payloads[good:]
                at = begun + sum(len(payload) + (2 if len(payload) < _LENGTH_16 else 4) for payload in payloads)
        messages.opcodes += _WHOLE[whole] * len(payloads)
        messages.payloads += payloads
        return at

    def _packed(self, inflate: Inflate, data: bytes, at: int, messages: Received) -> int:
        """The same for compressed data messages of one frame. These cannot be left to the other way once they are inflated."""
        last_header = len(data) - 4
        end, largest = len(data), self._max_message_size
        while at <= last_header:
            first, length, long_length = _unpack_short(data, at)
            if length < _LENGTH_16:
                start = at + 2
            elif length != _LENGTH_16 or long_length < _LENGTH_16:
                break
            else:
                length = long_length
                start = at + 4
            stop = start + length
            if stop > end or length > largest or first not in _WHOLE_COMPRESSED:
                break
            try:
                payload = inflate.message(data[start:stop], largest)
            except ValueError as error:
                raise FrameError(_INVALID_DATA, str(error)) from None
            opcode, fits = first & _OPCODE, len(payload) <= largest
            if opcode == TEXT and not payload.isascii() and not self._continues_utf8(payload, fits):
                raise FrameError(_INVALID_DATA, "text is not valid UTF-8")
            if not fits:
                raise self._too_big()
            messages.add(opcode, payload)
            at = stop
        return at

    def _header(self, data: bytes, at: int) -> int:
        """Reads the header at `at` and enters its frame; one that is not whole is kept. Returns where the payload begins."""
        here = len(data) - at
        if here >= 2:
            first, length = data[at], data[at + 1]
            reason = _wrong(first, length, self._kind is not None, self._inflate is not None)
            if reason:
                raise FrameError(_PROTOCOL_ERROR, reason)
            size = 2 if length < _LENGTH_16 else 4 if length == _LENGTH_16 else 10
            if here >= size:
                if size > 2:
                    length = _long_length(data[at + 2 : at + size])
                self._enter(first, length)
                return at + size
        self._head = data[at:]
        return len(data)

    def _enter(self, first: int, length: int) -> None:
        """Begins a frame, and with it perhaps a message. The limits are checked here, before a byte of it is kept."""
        opcode = first & _OPCODE
        if opcode < CLOSE:
            if opcode != CONTINUATION:
                self._kind = opcode
                self._compressed = bool(first & _COMPRESSED)
                self._fragments = self._came = 0
            self._fragments += 1
            self._came += length
            limit = self._max_message_size
            if self._came > (2 * limit + _COMPRESSED_SLACK if self._compressed else limit):
                raise self._too_big()
            if self._fragments > self._max_fragments:
                raise FrameError(_TOO_BIG, f"message of more than {self._max_fragments} fragments")
        self._opcode, self._final, self._missing = opcode, bool(first & _FINAL), length

    def _too_big(self) -> FrameError:
        return FrameError(_TOO_BIG, f"message of more than {self._max_message_size} bytes")

    def _payload(self, data: bytes, at: int, messages: Received) -> int:
        """Takes what is here of the payload of the frame in hand, and leaves the frame if that is all. Returns where it ends."""
        piece = data[at : at + self._missing]
        self._missing -= len(piece)
        opcode, whole = self._opcode, not self._missing
        if whole:
            self._opcode = None
        if opcode in (CLOSE, PING, PONG):
            self._control += piece
            if whole:
                self._leave_control(opcode, messages)
        else:
            self._data(piece, whole and self._final, messages)
        return at + len(piece)

    def _data(self, piece: bytes, whole: bool, messages: Received) -> None:
        """Adds a piece to the message in hand, and hands it out if that makes it whole. Bad text fails as early as it shows."""
        room = self._max_message_size - len(self._message)
        if self._compressed:
            piece = self._inflated(piece, room, whole)
        fits = len(piece) <= room
        if self._kind == TEXT and not self._continues_utf8(piece, whole and fits):
            raise FrameError(_INVALID_DATA, "text is not valid UTF-8")
        if not fits:
            raise self._too_big()
        self._message += piece
        if whole:
            assert self._kind is not None  # set by `_enter`: a continuation of nothing is refused
            messages.add(self._kind, bytes(self._message))
            self._kind = None
            self._message = bytearray()

    def _inflated(self, piece: bytes, room: int, whole: bool) -> bytes:
        """The piece inflated: all of it, or one byte more than there is room for."""
        assert self._inflate is not None  # a frame that needs it is refused without
        try:
            data = self._inflate.piece(piece, room)
            if whole and len(data) <= room:
                data += self._inflate.end(room - len(data))
        except ValueError as error:
            raise FrameError(_INVALID_DATA, str(error)) from None
        return data

    def _leave_control(self, opcode: int, messages: Received) -> None:
        payload = bytes(self._control)
        self._control.clear()
        if opcode == CLOSE:
            parse_close(payload)
            self.closed = True
        messages.add(opcode, payload)

    def _continues_utf8(self, piece: bytes, last: bool) -> bool:
        try:
            self._utf8.decode(piece, last)
        except UnicodeDecodeError:
            return False
        # Python's decoder waits for the third byte of a surrogate (it serves `surrogatepass` too), which no byte can make good.
        begun = self._utf8.getstate()[0]
        return not (begun[:1] == b"\xed" and begun[1:] >= b"\xa0")


def parse_close(payload: bytes) -> tuple[Optional[int], str]:
    """The (code, reason) of a close frame; (None, "") for an empty payload.

    Every CLOSE that `Frames` hands out can be parsed. Raises FrameError for a payload that no peer may send.
    """
    if not payload:
        return None, ""
    if len(payload) == 1:
        raise FrameError(_PROTOCOL_ERROR, "close frame of one byte")
    code = int.from_bytes(payload[:2], "big")
    if code not in _CLOSE_CODES and not 3000 <= code <= 4999:
        raise FrameError(_PROTOCOL_ERROR, f"close code {code} is not allowed")
    if not _is_utf8(payload[2:]):
        raise FrameError(_INVALID_DATA, "close reason is not valid UTF-8")
    return code, payload[2:].decode()


def _wrong(first: int, second: int, inside: bool, deflate: bool) -> str:
    """What is wrong with the first two bytes of a frame, or "". `inside`: a fragmented message has begun and not ended.

    `deflate`: messages may be compressed, which the first frame of each says.
    """
    opcode = first & _OPCODE
    reserved = first & _RESERVED
    if reserved and not (deflate and reserved == _COMPRESSED and opcode in (TEXT, BINARY)):
        return "reserved bit set, and no extension gives it a meaning here"
    if opcode not in _OPCODES:
        return f"unknown opcode {opcode}"
    if second & _MASKED:
        return "masked frame from a server"
    if opcode >= CLOSE:
        if not first & _FINAL:
            return "fragmented control frame"
        if second > _LONGEST_CONTROL:
            return f"control frame of more than {_LONGEST_CONTROL} bytes"
    elif inside and opcode != CONTINUATION:
        return "new message inside a fragmented one"
    elif opcode == CONTINUATION and not inside:
        return "continuation of no message"
    return ""


def _long_length(field: bytes) -> int:
    """The length in an extended length field of 2 or 8 bytes. It must not fit into a shorter field."""
    length = int.from_bytes(field, "big")
    if length >> 63:
        raise FrameError(_PROTOCOL_ERROR, "length with the top bit set")
    if length < (_LENGTH_16 if len(field) == 2 else 1 << 16):
        raise FrameError(_PROTOCOL_ERROR, f"length {length} in {len(field)} bytes is not the shortest form")
    return length


def _leading_utf8(payloads: list[bytes]) -> int:
    """How many of them are good text, up to the first that is not."""
    for index, payload in enumerate(payloads):
        if not payload.isascii() and not _is_utf8(payload):
            return index
    return len(payloads)


def _is_utf8(payload: bytes) -> bool:
    try:
        payload.decode()
    except UnicodeDecodeError:
        return False
    return True
