"""What does the book look like now? `stream.books`. Offline, or for real: python examples/live_book.py binance BTCUSDT"""

import sys
from contextlib import suppress
from importlib import import_module

from syncstream import Feed, Stream
from syncstream.testing import Broker


def watch(feed: Feed, key: str, times: int) -> None:
    """The five best levels of each side, four times a second."""
    with suppress(KeyboardInterrupt), Stream(feed) as stream:
        if stream.wait_live():
            sys.exit(f"there is no book of {key}")
        while times and not stream.join(timeout=0.25):  # raises what ended the stream, if something did
            top = stream.books[key].top(5)
            print(f"{key} at {top.position}{'' if top.live else ', STALE: something is missing'}")
            for ask in reversed(top.asks):
                print(f"{'':>16} {ask.price:>12} {ask.size:>16}")
            for bid in top.bids:
                print(f"{bid.size:>16} {bid.price:>12}")
            times -= 1


def asked(arguments: list[str]) -> tuple[Feed, str]:
    """`binance BTCUSDT`. What cannot be ends the program with a line that says why."""
    try:
        venue, symbol = arguments
        return import_module(f"syncstream.venues.{venue}").depth([symbol]), symbol
    except (ValueError, ImportError, AttributeError) as error:  # a FeedError is a ValueError
        sys.exit(f"usage: live_book.py VENUE SYMBOL, such as binance BTCUSDT ({error})")


if __name__ == "__main__":
    if sys.argv[1:]:
        watch(*asked(sys.argv[1:]), sys.maxsize)
    else:
        with Broker(symbols=("ABC",), rate=500) as broker:
            watch(broker.feed(), "ABC", 3)
