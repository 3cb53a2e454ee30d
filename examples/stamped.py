"""When did it come, and how late is it? `stream.stamped` and `stream.stats`. Runs offline: python examples/stamped.py"""

from datetime import datetime, timezone
from itertools import islice

from syncstream import Contiguous, Feed, Stream
from syncstream.testing import Broker

with Broker(symbols=("ABC", "XYZ"), rate=200) as broker:
    feed = Feed(
        broker.url,
        subscribe=broker.subscribe,
        key="symbol",
        sequence=Contiguous("seq"),
        timestamp="ts_ns",  # when the venue says it sent a message
        timestamp_unit="ns",
    )
    with Stream(feed) as stream:
        for stamped in islice(stream.stamped(), 100):
            if stamped.item["seq"] % 10 == 0:
                came = datetime.fromtimestamp(stamped.at_ns / 1e9, timezone.utc)
                print(f"{came:%H:%M:%S.%f} {stamped.item['symbol']} {stamped.item['price']}")
        stats = stream.stats()
        print(f"received to delivered: p50 {stats.latency.p50 * 1e3:.2f} ms, p99 {stats.latency.p99 * 1e3:.2f} ms")
        if stats.exchange is not None and stats.clock_offset is not None:
            print(f"exchange to received: p99 {stats.exchange.p99 * 1e3:.2f} ms beyond the fastest")
            print(f"the clocks differ by {stats.clock_offset * 1e3:.2f} ms, the shortest journey included")
