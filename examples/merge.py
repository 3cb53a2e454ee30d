"""How do I read several streams in one loop? `merge`. Runs offline against two venues: python examples/merge.py"""

from itertools import islice

from syncstream import Contiguous, Feed, Stream, merge
from syncstream.testing import Broker

with Broker(symbols=("ABC",), rate=200, seed=1) as busy, Broker(symbols=("XYZ",), rate=50, seed=2) as quiet:
    feeds = [Feed(venue.url, subscribe=venue.subscribe, key="symbol", sequence=Contiguous("seq")) for venue in (busy, quiet)]
    with Stream(feeds[0], name="busy") as a, Stream(feeds[1], name="quiet") as b:
        for stream, item in islice(merge(a, b), 40):  # one of each in its turn, as long as both have something
            print(f"{stream.name}: {item['symbol']} {item['seq']} at {item['price']}")
