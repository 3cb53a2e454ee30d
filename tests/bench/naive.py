"""The loops that our speed is held against, frozen: what one writes who has not thought of speed. Pure but for the queue.

They are not to be made faster, nor slower: the guard in `test_guard.py` is a ratio to them, taken in one run over the same bytes.
"""

from __future__ import annotations

import json
import queue
import struct
from typing import Any, Iterator


def quotes(chunks: list[bytes]) -> Iterator[dict[str, Any]]:
    """The quotes in these bytes, each checked to be the next of its symbol."""
    positions: dict[str, int] = {}
    held = b""
    for chunk in chunks:
        data, at = held + chunk, 0
        while len(data) - at >= 4:
            length, start = data[at + 1], at + 2
            if length == 126:
                (length,) = struct.unpack("!H", data[at + 2 : at + 4])
                start = at + 4
            if len(data) < start + length:
                break
            quote = json.loads(data[start : start + length].decode())
            at = start + length
            if quote["seq"] != positions.get(quote["symbol"], 0) + 1:
                raise ValueError(f"{quote} is out of order")
            positions[quote["symbol"]] = quote["seq"]
            yield quote
        held = data[at:]


def handed_over(items: list[Any]) -> int:
    """Each item through a `queue.Queue`; returns how many came out."""
    between: queue.Queue[Any] = queue.Queue()
    for item in items:
        between.put(item)
    count = 0
    while not between.empty():
        between.get()
        count += 1
    return count
