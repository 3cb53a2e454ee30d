"""`python -m tests.fuzz [--seconds 1800] [--corpus FOLDER]`: atheris looks for bytes that two decoders of frames read apart.

An input is a byte that says whether and how messages may be compressed, a byte for the number of cuts, a byte for each of them,
and the stream. Exit code 0: the time is over and nothing was found. Otherwise the input that was found is printed and written to
a file `crash-...`; it belongs into `FOUND` of tests/core/test_frames.py.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import tempfile
from pathlib import Path
from typing import Any, Optional


def run(seconds: int, corpus: Path) -> None:
    """Does not return: the fuzzer ends the process, with what it found as its exit code."""
    import atheris  # type: ignore[import-not-found,import-untyped,unused-ignore]

    with atheris.instrument_imports(include=["syncstream.core.frames", "syncstream.core.deflate"]):
        from syncstream.core.deflate import Agreed, Pack
    from tests.core.agreement import agree

    compressions: tuple[Optional[Agreed], ...] = (None, Agreed(), Agreed(server_context=False))

    def one(data: bytes) -> None:
        if len(data) > 2:
            cuts = data[1] % 8
            agree(data[2 + cuts :], list(data[2 : 2 + cuts]), compressions[data[0] % 3])

    for number, seed in enumerate(seeds(Pack(Agreed()))):
        (corpus / f"seed-{number}").write_bytes(seed)
    arguments = [f"-max_total_time={seconds}", "-max_len=600", "-timeout=60", "-print_final_stats=1", str(corpus)]
    atheris.Setup([sys.argv[0], *arguments], one)
    atheris.Fuzz()


def seeds(pack: Any) -> list[bytes]:
    """A few inputs to begin with: one of each kind of frame, and messages compressed by `pack`."""
    frames = [
        b"\x81\x02ok",
        b"\x82\x00",
        b"\x89\x01p",
        b"\x8a\x00",
        b"\x88\x02\x03\xe8",
        b"\x01\x01a\x80\x01b",
        b"\x82\x7e\x00\x7e" + bytes(126),
    ]
    for text in (b"hello hello", "grüße".encode(), bytes(300)):
        data = pack.message(text) or b""
        frames += [bytes([0xC1, len(data)]) + data, bytes([0x41, 2]) + data[:2] + bytes([0x80, len(data) - 2]) + data[2:]]
    return [bytes([kind, 2, 3, 1]) + frame for kind in range(3) for frame in [*frames, b"".join(frames)]]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Bytes that two decoders read differently.")
    parser.add_argument("--seconds", type=int, default=1800)
    parser.add_argument("--corpus", help="a folder to begin with and to add to; default: none is kept")
    options = parser.parse_args()
    if importlib.util.find_spec("atheris") is None:
        print("skipped: atheris is not installed (pip install atheris; it has wheels for some Pythons on Linux)")
        return 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(options.corpus or temporary)
        folder.mkdir(parents=True, exist_ok=True)
        run(options.seconds, folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
