"""What if a venue takes fewer topics on a line than I want? Share them out. Runs offline: python examples/sharded.py"""

from itertools import islice

from syncstream import Feed, Sharded
from syncstream.testing import Broker

SYMBOLS = [f"SYM{number:02}" for number in range(1, 51)]

with Broker(symbols=SYMBOLS, rate=2000) as broker:

    def make(topics: list[str]) -> Feed:
        """One line, with these topics. For a real venue: `binance.depth`."""
        return broker.feed(topics=topics)

    with Sharded(make, SYMBOLS, per_line=20) as stream:
        symbols = {item["symbol"] for item in islice(stream.messages(), 2000)}
        print(f"2,000 messages of {len(symbols)} symbols")
        for line in stream.streams:
            print(f"{len(line.feed.topics)} topics on a line, which brought {line.stats().delivered:,} of them")
