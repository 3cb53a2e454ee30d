"""A slow inflate (RFC 1951), to compare the real one with. Pure; it shares nothing with zlib.

It reads a message from its beginning each time it is asked: bit by bit, a symbol at a time, with the window as plain `bytes`. It
judges as early as the real one promises to.
"""

from __future__ import annotations

from typing import NamedTuple, Optional

_LENGTHS = (3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258)
_LENGTH_BITS = (0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0)
_DISTANCES = (
    *(1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145),
    *(8193, 12289, 16385, 24577),
)
_DISTANCE_BITS = (0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13)
_WINDOW = 32768
_ORDER = (16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15)


class Bad(Exception):
    """No continuation can make this valid."""


class More(Exception):
    """What is here ends in the middle."""


class Bits(NamedTuple):
    """The bits of some bytes, the lowest of each byte first."""

    data: bytes

    def at(self, position: int) -> int:
        if position >= 8 * len(self.data):
            raise More
        return self.data[position // 8] >> position % 8 & 1


class Inflater:
    """Owned by: the reference decoder. One direction of a line. `keeps`: a message goes on where the one before it ended."""

    def __init__(self, *, keeps: bool = True) -> None:
        self.keeps = keeps
        self.before = b""  # all whole messages, each with its tail: one stream of bits
        self.said = 0  # bytes that came out of it

    def message(self, data: bytes, *, whole: bool, limit: int) -> tuple[bytes, Optional[str]]:
        """What the bytes of a message so far unpack to, and `bad` or `big` if it is that. A whole one is kept."""
        tail = b"\x00\x00\xff\xff" if whole else b""
        reader = _Reader(self.before + data + tail, len(self.before), self.said, limit)
        trouble = None
        try:
            reader.run()
        except Bad:
            trouble = "bad"
        except (More, _Full):
            pass
        said = reader.said[self.said :]
        if trouble is None and len(said) > limit:
            trouble = "big"
        if whole and self.keeps:
            self.before += data + tail
            self.said = len(reader.said)
        return said, trouble


class _Full(Exception):
    """More has come out than there is room for; nothing behind it is looked at."""


class _Reader:
    """Owned by: one call. The state while all messages so far are read; the last begins at `start` and may say `limit` bytes."""

    def __init__(self, data: bytes, start: int, said_before: int, limit: int) -> None:
        self.bits = Bits(data)
        self.position = 0
        self.said = b""
        self.window = b""
        self.start = start
        self.most = said_before + limit
        self.last_blocks = 16  # so many may be marked as the last one in a message

    def run(self) -> None:
        while True:
            final = self._take(1)
            kind = self._take(2)
            if kind == 3:
                raise Bad
            (self._stored, self._fixed, self._dynamic)[kind]()
            if final:
                self.position += -self.position % 8
                self.window = b""
                self.last_blocks -= self.position > 8 * self.start
                if self.last_blocks < 0:
                    raise Bad

    def _take(self, count: int) -> int:
        if self.position + count > 8 * len(self.bits.data):
            raise More
        value = sum(self.bits.at(self.position + index) << index for index in range(count))
        self.position += count
        return value

    def _say(self, data: bytes) -> None:
        self.said += data
        self.window += data
        if len(self.said) > self.most and self.position > 8 * self.start:
            raise _Full

    def _stored(self) -> None:
        self.position += -self.position % 8
        size, check = self._take(16), self._take(16)
        if size ^ check != 0xFFFF:
            raise Bad
        for _ in range(size):
            self._say(bytes([self._take(8)]))

    def _fixed(self) -> None:
        lengths = [8] * 144 + [9] * 112 + [7] * 24 + [8] * 8
        self._compressed(_codes(lengths), _codes([5] * 32))

    def _dynamic(self) -> None:
        literals, distances, count = self._take(5) + 257, self._take(5) + 1, self._take(4) + 4
        if literals > 286 or distances > 30:
            raise Bad
        sizes = [0] * 19
        for index in range(count):
            sizes[_ORDER[index]] = self._take(3)
        _check(sizes, complete=True)
        codes = _codes(sizes)
        lengths: list[int] = []
        while len(lengths) < literals + distances:
            symbol = self._symbol(codes) if codes else self._take(1) * 0  # zlib takes a code of nothing for a code of zeros
            if symbol < 16:
                lengths.append(symbol)
            elif symbol == 16:
                count = 3 + self._take(2)
                if not lengths:
                    raise Bad
                lengths += [lengths[-1]] * count
            else:
                lengths += [0] * (3 + self._take(3) if symbol == 17 else 11 + self._take(7))
            if len(lengths) > literals + distances:
                raise Bad
        if lengths[256] == 0:
            raise Bad
        _check(lengths[:literals], complete=False)
        _check(lengths[literals:], complete=False)
        self._compressed(_codes(lengths[:literals]), _codes(lengths[literals:]))

    def _compressed(self, literals: dict[str, int], distances: dict[str, int]) -> None:
        while True:
            symbol = self._symbol(literals)
            if symbol == 256:
                return
            if symbol < 256:
                self._say(bytes([symbol]))
                continue
            if symbol > 285:
                raise Bad
            length = _LENGTHS[symbol - 257] + self._take(_LENGTH_BITS[symbol - 257])
            code = self._symbol(distances)
            if code > 29:
                raise Bad
            distance = _DISTANCES[code] + self._take(_DISTANCE_BITS[code])
            if distance > min(len(self.window), _WINDOW):
                raise Bad
            for _ in range(length):
                self._say(self.window[-distance : len(self.window) - distance + 1])

    def _symbol(self, codes: dict[str, int]) -> int:
        code = ""
        while code not in codes:
            code += str(self._take(1))
            if not any(known.startswith(code) for known in codes):
                raise Bad
        return codes[code]


def _codes(lengths: list[int]) -> dict[str, int]:
    """The canonical code for these lengths: a text of bits for each symbol."""
    found: dict[str, int] = {}
    code = 0
    for size in range(1, 16):
        code <<= 1
        for symbol, length in enumerate(lengths):
            if length == size:
                found[f"{code:0{size}b}"] = symbol
                code += 1
    return found


def _check(lengths: list[int], *, complete: bool) -> None:
    """A code that says too much or too little is refused; but for a single symbol of one bit, or none, where that is allowed."""
    used = [length for length in lengths if length]
    room = sum(2 ** (15 - length) for length in used)
    if room > 2**15:
        raise Bad
    if used and room < 2**15 and (complete or used != [1]):
        raise Bad
