"""The venues' checksums over a replayed book, independent of the library's: text in, CRC32 out."""

from __future__ import annotations

import zlib
from typing import Sequence

from .books import Book


def kraken(book: Book) -> int:
    """Ten asks, then ten bids: price and size without point and leading zeros. Unsigned."""
    bids, asks = book.levels()
    numbers = [number for level in asks[:10] + bids[:10] for number in level]
    return zlib.crc32("".join(number.replace(".", "").lstrip("0") for number in numbers).encode())


def okx(book: Book) -> int:
    """The best 25: bid, ask, bid, ask, the longer side alone at the end. Signed."""
    bids, asks = (side[:25] for side in book.levels())
    parts: list[Sequence[str]] = []
    for index in range(max(len(bids), len(asks))):
        parts += [side[index] for side in (bids, asks) if index < len(side)]
    crc = zlib.crc32(":".join(":".join(level) for level in parts).encode())
    return crc - (1 << 32) if crc >= 1 << 31 else crc
