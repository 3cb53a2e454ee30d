"""How do I show the latest value of each symbol? `stream.latest`, no loop needed. Runs offline: python examples/latest.py"""

import time

from syncstream import Feed, Stream
from syncstream.testing import Broker

with Broker(symbols=("ABC", "XYZ"), rate=100) as broker:
    feed = Feed(broker.url, subscribe=broker.subscribe, key="symbol")  # with snapshot= a value may be a Snapshot too
    with Stream(feed) as stream:
        for _ in range(5):
            time.sleep(0.2)  # a dashboard's refresh
            for symbol, message in sorted(stream.latest.items()):
                print(f"{symbol}: {message['side']} {message['price']} x {message['size']}", end="   ")
            print()
