"""How do I read a stream in a loop of my own? `stream.get` with a time-out. Runs offline: python examples/get.py"""

from syncstream import Contiguous, Empty, Event, Feed, Stream
from syncstream.testing import Broker

with Broker(symbols=("ABC",), rate=20) as broker:
    feed = Feed(broker.url, subscribe=broker.subscribe, key="symbol", sequence=Contiguous("seq"))
    with Stream(feed) as stream:
        seen = 0
        while seen < 10:
            try:
                item = stream.get(timeout=0.02)
            except Empty:  # also a TimeoutError and a queue.Empty
                print("nothing yet: time for other work")
                continue
            if isinstance(item, Event):
                print(item)  # a Gap: nothing could heal it, because this feed names no snapshot
            else:
                print(item["symbol"], item["seq"], item["price"])
                seen += 1
