"""How do I feed code that drains a queue.Queue? Give it `stream.queue`. Runs offline: python examples/legacy_queue.py"""

import queue

from syncstream import Event, Feed, Stream
from syncstream.testing import Broker


def legacy_consumer(work: "queue.Queue[object]", count: int) -> None:
    """Written long before syncstream; knows only queue.Queue."""
    while count:
        try:
            item = work.get(timeout=1.0)
        except queue.Empty:
            print("nothing yet")
            continue
        if not isinstance(item, Event):
            print(item)
            count -= 1
        work.task_done()


with Broker(symbols=("ABC",), rate=50) as broker, Stream(Feed(broker.url, subscribe=broker.subscribe, key="symbol")) as stream:
    legacy_consumer(stream.queue, 10)
