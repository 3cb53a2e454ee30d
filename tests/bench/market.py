"""The quotes of the benchmarks, and the frames that carry them: built before anything is measured. Pure.

Every quote has the number of its symbol, one after the other, so that every client can check that nothing is missing, and the
moment it was sent at, on the clock that all processes of a machine share.
"""

from __future__ import annotations

import time
import zlib
from typing import Iterator, Optional

import msgspec

SYMBOLS = 50
CHUNK = 512 * 1024  # bytes given to the socket at once
EPOCH = 10**18  # added to the monotonic clock, so that every stamp has as many digits
_LIMIT_7, _LIMIT_16 = 126, 65536


class Quote(msgspec.Struct):
    """What the clients decode. `ts`: ns of the monotonic clock, plus `EPOCH`."""

    symbol: str
    seq: int
    ts: int
    bid: str
    ask: str
    bid_size: int
    ask_size: int
    note: str


def stamp() -> int:
    """Now."""
    return EPOCH + time.monotonic_ns()


def text(number: int, size: int, symbols: int = SYMBOLS, ts: int = EPOCH) -> bytes:
    """The quote that is the `number`-th of all, from 0, as JSON of `size` bytes (or what it needs, if that is more)."""
    symbol, seq = number % symbols, number // symbols + 1
    cents = 10_000 + number * 7919 % 5_000
    head = (
        f'{{"symbol":"SYM{symbol:06d}","seq":{seq},"ts":{ts},"bid":"{cents / 100:.2f}","ask":"{cents / 100 + 0.01:.2f}",'
        f'"bid_size":{number % 97 + 1},"ask_size":{number % 89 + 1},"note":"'
    )
    return f'{head}{"x" * (size - len(head) - 2)}"}}'.encode()


def frame(payload: bytes, *, compressed: bool = False) -> bytes:
    """One text frame of a server."""
    first, length = 0xC1 if compressed else 0x81, len(payload)
    if length < _LIMIT_7:
        return bytes((first, length)) + payload
    if length < _LIMIT_16:
        return bytes((first, 126)) + length.to_bytes(2, "big") + payload
    return bytes((first, 127)) + length.to_bytes(8, "big") + payload


class Deflater:
    """Owned by: one connection. What the server of one compresses with; its window goes on from message to message."""

    def __init__(self) -> None:
        self._deflate = zlib.compressobj(level=1, wbits=-15)

    def message(self, payload: bytes) -> bytes:
        return (self._deflate.compress(payload) + self._deflate.flush(zlib.Z_SYNC_FLUSH))[:-4]


def burst(count: int, size: int, *, deflate: bool = False, symbols: int = SYMBOLS) -> Iterator[bytes]:
    """All frames of a burst, in chunks for the socket."""
    deflater: Optional[Deflater] = Deflater() if deflate else None
    frames: list[bytes] = []
    held = 0
    for number in range(count):
        payload = text(number, size, symbols)
        made = frame(payload) if deflater is None else frame(deflater.message(payload), compressed=True)
        frames.append(made)
        held += len(made)
        if held >= CHUNK:
            yield b"".join(frames)
            frames, held = [], 0
    if frames:
        yield b"".join(frames)
