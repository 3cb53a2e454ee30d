"""What is the best bid here against the best ask there? Two streams, two books, and no answer where one of them is stale.

Offline, or for real: python examples/spread.py binance:BTCUSDT binance_usdm:BTCUSDT
"""

import sys
import threading
from contextlib import suppress
from datetime import datetime
from importlib import import_module
from typing import Optional

from syncstream import Backoff, Feed, Stream, Top
from syncstream.testing import Broker


def best(stream: Stream, key: str) -> Optional[Top]:
    """The best prices, if they are to be relied on."""
    book = stream.books.get(key)
    top = None if book is None else book.best()
    return top if top is not None and top.live and top.bids and top.asks else None


def watch(here: Feed, there: Feed, keys: tuple[str, str], seconds: float) -> None:
    """Look twenty times a second, and say what has changed."""
    shown, looks = "", int(seconds * 20)
    with suppress(KeyboardInterrupt), Stream(here, name="here") as one, Stream(there, name="there") as other:
        while looks and not one.join(timeout=0.05) and not other.join(timeout=0):  # either raises what ended its stream
            looks -= 1
            left, right = best(one, keys[0]), best(other, keys[1])
            if left is None or right is None:
                names = [stream.name for stream, top in ((one, left), (other, right)) if top is None]
                line = f"stale: {' and '.join(names)}"
            else:
                there_to_here = left.bids[0].price - right.asks[0].price
                here_to_there = right.bids[0].price - left.asks[0].price
                line = (
                    f"buy there, sell here: {there_to_here.normalize():+f}   buy here, sell there: {here_to_there.normalize():+f}"
                )
            if line != shown:
                print(f"{datetime.now():%H:%M:%S.%f}"[:-4], line, flush=True)
                shown = line


def adapter(argument: str) -> tuple[Feed, str]:
    """`binance:BTCUSDT`."""
    venue, symbol = argument.split(":", 1)
    return import_module(f"syncstream.venues.{venue}").depth([symbol]), symbol


def asked(arguments: list[str]) -> tuple[Feed, Feed, tuple[str, str]]:
    """`binance:BTCUSDT gemini:BTCUSD`. What cannot be ends the program with a line that says why."""
    try:
        (here, key), (there, other_key) = map(adapter, arguments)
    except (ValueError, ImportError, AttributeError) as error:  # a FeedError is a ValueError
        sys.exit(f"usage: spread.py VENUE:SYMBOL VENUE:SYMBOL, such as binance:BTCUSDT gemini:BTCUSD ({error})")
    return here, there, (key, other_key)


def offline() -> None:
    """Two venues, of which one is away for a moment."""
    with Broker(symbols=("ABC",), rate=40, seed=1) as near, Broker(symbols=("ABC",), rate=40, seed=2) as far:
        threading.Timer(1.0, far.faults.cut).start()
        quick = Backoff(base=0.5, maximum=0.5)
        watch(near.feed(backoff=quick), far.feed(backoff=quick), ("ABC", "ABC"), 2.5)


if __name__ == "__main__":
    if sys.argv[1:]:
        watch(*asked(sys.argv[1:]), sys.maxsize)
    else:
        offline()
