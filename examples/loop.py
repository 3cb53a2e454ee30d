"""How do I read a stream in a plain loop? Runs offline against a venue in a box: python examples/loop.py"""

from syncstream import Contiguous, Feed, Rest, Snapshot, Stream
from syncstream.testing import Broker

with Broker(symbols=("ABC", "XYZ"), rate=100, heartbeat=1.0) as broker:
    feed = Feed(
        broker.url,
        subscribe=broker.subscribe,
        key="symbol",
        sequence=Contiguous("seq"),
        snapshot=Rest(broker.snapshot_url, position="seq"),
        heartbeat=1.0,
    )
    with Stream(feed) as stream:
        for count, item in enumerate(stream, start=1):
            if isinstance(item, Snapshot):
                print(f"{item.key}: the whole state, at {item.position}")
            else:
                print(f"{item['symbol']}: {item['side']} {item['price']} is now {item['size']}")
            if count == 20:
                break
