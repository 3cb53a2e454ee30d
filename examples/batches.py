"""How do I write batches to a database? `get_many`. Runs offline: python examples/batches.py"""

import sqlite3
import time

from syncstream import Contiguous, Event, Feed, Stream
from syncstream.testing import Broker

database = sqlite3.connect(":memory:")
database.execute("create table deltas (symbol text, seq integer, price text, size integer)")

with Broker(symbols=("ABC", "XYZ"), rate=500) as broker:
    feed = Feed(broker.url, subscribe=broker.subscribe, key="symbol", sequence=Contiguous("seq"))
    with Stream(feed) as stream:
        rows = 0
        while rows < 500:
            batch = [item for item in stream.get_many(max_items=200, timeout=0.1) if not isinstance(item, Event)]
            database.executemany("insert into deltas values (:symbol, :seq, :price, :size)", batch)
            rows += len(batch)
            print(f"wrote {len(batch)} rows")
            time.sleep(0.1)  # a database takes its time; what comes meanwhile is the next batch

for symbol, count, last in database.execute("select symbol, count(*), max(seq) from deltas group by symbol"):
    print(f"{symbol}: {count} rows, up to {last}")
database.close()
