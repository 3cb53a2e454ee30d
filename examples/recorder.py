"""How do I record a stream? One line of JSON for each message and marker, with the time it came; Ctrl-C ends the file properly.

Offline, or for real: python examples/recorder.py binance BTCUSDT,ETHUSDT today.jsonl
"""

import signal
import sys
import tempfile
import threading
from collections import Counter
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec

from syncstream import Event, Feed, Stream
from syncstream.testing import Broker


def record(stream: Stream[Any], path: Path) -> None:
    """Write until the stream is closed: a message as `{"at_ns", "message"}`, a marker as `{"at_ns", "marker", "key", ...}`.

    A stream that fails, also because the disk is too slow (`Overflow`), is written to its end; then the failure is raised.
    """
    encode = msgspec.json.Encoder(enc_hook=str).encode
    wrote: Counter[str] = Counter()
    with path.open("ab") as file:
        try:
            for at in stream.stamped(events=True):  # events: what was lost, and when the line was down, is recorded as well
                line: dict[str, Any] = {"at_ns": at.at_ns}
                if isinstance(at.item, Event):
                    line.update(marker=type(at.item).__name__, **msgspec.structs.asdict(at.item))
                    line["at_ns"] = at.at_ns  # by the same clock as the messages, so that the file is in order
                else:
                    line["message"] = at.item
                file.write(encode(line) + b"\n")
                wrote[line.get("marker", "message")] += 1
        finally:
            file.flush()
            left = stream.close().discarded
            print(f"{path.name}: {sum(wrote.values()):,} lines, {path.stat().st_size:,} bytes; {left} items were not written")
            for name, count in wrote.most_common():
                print(f"{count:>12,} {name}")


def main(feed: Feed, path: Path) -> None:
    with Stream(feed) as stream:
        # The line is hung up, and what has come is still written. An exception could strike between taking and writing.
        signal.signal(signal.SIGINT, lambda *_: stream.close(drain=True))
        record(stream, path)


def asked(arguments: list[str]) -> tuple[Feed, Path]:
    """`binance BTCUSDT,ETHUSDT today.jsonl`. What cannot be ends the program with a line that says why."""
    try:
        venue, symbols, name = arguments
        return import_module(f"syncstream.venues.{venue}").depth(symbols.split(",")), Path(name)
    except (ValueError, ImportError, AttributeError) as error:  # a FeedError is a ValueError
        sys.exit(f"usage: recorder.py VENUE SYMBOL,... FILE, such as binance BTCUSDT,ETHUSDT today.jsonl ({error})")


def offline() -> None:
    """A venue that loses a message and cuts the line, and a Ctrl-C after two seconds."""
    with Broker(rate=2000) as broker, tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "recorded.jsonl")
        threading.Timer(0.3, broker.faults.drop, kwargs={"count": 1}).start()
        threading.Timer(0.6, broker.faults.cut).start()
        threading.Timer(2.0, signal.raise_signal, args=(signal.SIGINT,)).start()
        main(broker.feed(), path)
        lines = path.read_bytes().splitlines()
        print("Its first line, where the line was cut, and its last:")
        for line in [lines[0], *(line for line in lines if b'"Disconnected"' in line), lines[-1]]:
            print(line.decode())


if __name__ == "__main__":
    if sys.argv[1:]:
        main(*asked(sys.argv[1:]))
    else:
        offline()
