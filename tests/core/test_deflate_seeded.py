"""Seeded bugs of core/deflate.py: the worlds speak no deflate, so a battery of messages catches these, each for its reason."""

from __future__ import annotations

import importlib.util
import types
import zlib
from typing import Any

import pytest

from tests.world.mutants import Mutant
from tests.world.mutate import mutated, source_of

SAID = [b'{"symbol":"ABC","seq":%d}' % number for number in range(6)] + [b"", b"x" * 5000, b'{"symbol":"ABC","seq":6}']


def bug(name: str, function: str, before: str, after: str, why: str) -> Mutant:
    return Mutant(name, "deflate", function, before, after, why, took=0)


BUGS = [
    bug("window-forgotten", "Inflate.message", "if not self._keeps:", "if True:", "The second message refers to nothing."),
    bug("window-kept", "Inflate.message", "if not self._keeps:", "if False:", "A message reads what the venue has forgotten."),
    bug("window-forgotten-in-pieces", "Inflate.end", "if not self._keeps:", "if True:", "The same, of messages in fragments."),
    bug("window-kept-in-pieces", "Inflate.end", "if not self._keeps:", "if False:", "The same, of messages in fragments."),
    bug(
        "tail-left-out",
        "Inflate.end",
        "unpacked = self.piece(_TAIL, room)",
        'unpacked = self.piece(b"", room)',
        "The end is lost.",
    ),
    bug(
        "bomb-whole",
        "Inflate.message",
        "unpacked: bytes = stream.decompress(data + _TAIL, room + 1)",
        "unpacked: bytes = stream.decompress(data + _TAIL)",
        "A bomb expands in memory.",
    ),
    bug(
        "bomb-in-pieces",
        "Inflate._unpack",
        "unpacked: bytes = self._stream.decompress(data, limit)",
        "unpacked: bytes = self._stream.decompress(data)",
        "The same, of a message in fragments.",
    ),
    bug("last-blocks-without-end", "Inflate._behind", "self._last_blocks += 1", "self._last_blocks += 0", "Each costs a window."),
    bug(
        "last-blocks-summed", "Inflate.end", "self._last_blocks = 0", "self._last_blocks += 0", "A good venue is cut off in time."
    ),
    bug("last-block-ends-all", "Inflate._behind", "while self._stream.eof:", "while False:", "What stands behind it is lost."),
    bug(
        "ours-not-forgotten",
        "Pack.message",
        "if self._stream is None or not self._keeps:",
        "if self._stream is None:",
        "Unreadable.",
    ),
    bug(
        "window-too-large",
        "Pack.message",
        "self._stream = zlib.compressobj(wbits=-self._bits)",
        "self._stream = zlib.compressobj(wbits=-15)",
        "Further back than agreed.",
    ),
]


def packed(keeps: bool) -> list[bytes]:
    """What is said, as a venue packs it that keeps its window or not."""
    found, packer = [], zlib.compressobj(wbits=-15)
    for message in SAID:
        packer = packer if keeps else zlib.compressobj(wbits=-15)
        found.append((packer.compress(message) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4])
    return found


def behaves(deflate: Any) -> bool:
    """Whether a module does what messages, fragments, bombs and last blocks ask of it."""
    try:
        return all(check(deflate) for check in (reads_whole, reads_pieces, stops_bombs, counts_last_blocks, packs))
    except (ValueError, zlib.error):
        return False


def reads_whole(deflate: Any) -> bool:
    for keeps in (True, False):
        inflate = deflate.Inflate(deflate.Agreed(server_context=keeps))
        if [inflate.message(data, 9999) for data in packed(keeps)] != SAID:
            return False
    return forgets(deflate, lambda inflate, data: inflate.message(data, 9999))


def reads_pieces(deflate: Any) -> bool:
    def read(inflate: Any, data: bytes) -> bytes:
        return b"".join([inflate.piece(data[at : at + 7], 9999) for at in range(0, len(data), 7)] + [inflate.end(9999)])

    for keeps in (True, False):
        inflate = deflate.Inflate(deflate.Agreed(server_context=keeps))
        if [read(inflate, data) for data in packed(keeps)] != SAID:
            return False
    return forgets(deflate, read)


def forgets(deflate: Any, read: Any) -> bool:
    """Without a context a message that refers to the one before is broken."""
    inflate = deflate.Inflate(deflate.Agreed(server_context=False))
    first, second = packed(True)[:2]
    read(inflate, first)
    try:
        read(inflate, second)
    except ValueError:
        return True
    return False


def stops_bombs(deflate: Any) -> bool:
    packer = zlib.compressobj(9, wbits=-15)
    bomb = (packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4]
    whole = deflate.Inflate(deflate.Agreed()).message(bomb, 1000)
    piece = deflate.Inflate(deflate.Agreed()).piece(bomb, 1000)
    return len(whole) == len(piece) == 1001


def counts_last_blocks(deflate: Any) -> bool:
    """One in each message is fine for ever, and so are two in one; too many in one are not."""
    packer = zlib.compressobj(wbits=-15)
    block = packer.compress(b"a") + packer.flush(zlib.Z_FINISH)
    inflate = deflate.Inflate(deflate.Agreed())
    for _ in range(deflate._LAST_BLOCKS + 2):
        if inflate.piece(block + block + b"\0", 99) + inflate.end(99) != b"aa":
            return False
    try:
        inflate.piece(block * (deflate._LAST_BLOCKS + 2), 9999)
    except ValueError:
        return True
    return False


def packs(deflate: Any) -> bool:
    """A peer with the window that was agreed on reads it, each message alone if that was agreed on."""
    far = [b"0123456789abcdef" + bytes(range(256)) * 4 + b"0123456789abcdef"]
    for keeps, bits in ((True, 15), (False, 15), (True, 9)):
        pack = deflate.Pack(deflate.Agreed(client_context=keeps, client_window_bits=bits))
        peer = zlib.decompressobj(-bits)
        for message in [text for text in SAID if text] + far:
            peer = peer if keeps else zlib.decompressobj(-bits)
            if peer.decompress(pack.message(message) + b"\x00\x00\xff\xff") != message:
                return False
    return True


def loaded(source: str) -> types.ModuleType:
    spec = importlib.util.spec_from_loader("syncstream.core.deflate_with_a_bug", loader=None)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    exec(compile(source, module.__name__, "exec"), module.__dict__)
    return module


def test_the_battery_finds_nothing_wrong_with_the_code_as_it_is() -> None:
    """Else it would catch everything."""
    assert behaves(loaded(source_of("deflate")))


@pytest.mark.parametrize("mutant", BUGS, ids=[mutant.name for mutant in BUGS])
def test_each_seeded_bug_is_caught(mutant: Mutant) -> None:
    """One line is another, and a message is read wrong, a bomb expands, or a peer cannot read what we send."""
    assert not behaves(loaded(mutated(mutant, source_of("deflate"))))
