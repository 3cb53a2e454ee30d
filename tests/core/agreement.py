"""The real decoder and the reference, side by side, after every chunk: what the property tests and the fuzzer ask for."""

from __future__ import annotations

from typing import Optional, Sequence

from syncstream.core.deflate import Agreed
from syncstream.core.frames import Frames

from .reference_deflate import Inflater
from .reference_frames import decode

MAX_SIZE, MAX_FRAGMENTS = 400, 4
"""Small, so that random streams reach them."""


def split(stream: bytes, sizes: Sequence[int]) -> list[bytes]:
    """Cuts a stream into chunks of these sizes, the rest last."""
    chunks = []
    for size in sizes:
        chunks.append(stream[:size])
        stream = stream[size:]
    return [*chunks, stream]


def agree(stream: bytes, sizes: Sequence[int], deflate: Optional[Agreed] = None) -> None:
    """After each chunk, all that has come out is what the reference makes of the bytes so far.

    A compressed message that gets too big where it is broken is one or the other: zlib looks a little ahead.
    """
    decoder = Frames(max_message_size=MAX_SIZE, max_fragments=MAX_FRAGMENTS, deflate=deflate)
    received: list[tuple[int, bytes]] = []
    seen = b""
    for chunk in split(stream, sizes):
        received += decoder.receive(chunk)
        seen += chunk
        inflater = Inflater(keeps=deflate.server_context) if deflate is not None else None
        expected = decode(seen, max_message_size=MAX_SIZE, max_fragments=MAX_FRAGMENTS, inflater=inflater)
        codes = {decoder.error.code if decoder.error else None, expected.code}
        assert received == expected.messages, (received, expected)
        assert decoder.closed == expected.closed, expected
        assert len(codes) == 1 or (deflate is not None and codes == {1007, 1009}), (decoder.error, expected)
