"""What if I am too slow? Say what may go: here, what a newer message replaces. Runs offline: python examples/overload.py"""

import time

from syncstream import Contiguous, Dropped, Feed, Stream
from syncstream.testing import Broker

with Broker(symbols=("ABC", "XYZ"), rate=1000) as broker:
    feed = Feed(broker.url, subscribe=broker.subscribe, key="symbol", sequence=Contiguous("seq"))
    with Stream(feed, queue_size=100, overflow="conflate") as stream:
        for _ in range(5):
            time.sleep(0.2)  # 200 messages came meanwhile, and 100 may wait
            for item in stream.get_many(timeout=1.0):
                if isinstance(item, Dropped):
                    print(f"{item.key}: {item.count} messages were replaced by newer ones")
        status = stream.status
        print(f"{status.dropped} dropped in all; never more than {status.high_water} waited")
