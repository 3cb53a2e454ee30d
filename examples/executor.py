"""How do I run callbacks on my own thread pool? Give it to `run`. Runs offline: python examples/executor.py"""

import threading
from concurrent.futures import ThreadPoolExecutor

from syncstream import Contiguous, Feed, Gap, Stream
from syncstream.testing import Broker

with Broker(symbols=("ABC", "XYZ"), rate=200) as broker, ThreadPoolExecutor(4, thread_name_prefix="pool") as pool:
    stream = Stream(Feed(broker.url, subscribe=broker.subscribe, key="symbol", sequence=Contiguous("seq")))

    @stream.on(dict)
    def message(item: dict) -> None:
        """Called on a thread of the pool; the messages of one symbol never overlap and come in order."""
        print(f"{threading.current_thread().name}: {item['symbol']} {item['seq']}")
        if item["seq"] == 20:
            stream.close()

    @stream.on(Gap)
    def gap(event: Gap) -> None:
        """This feed names no snapshot, so a gap stays one."""
        print(event)

    stream.run(workers=pool)
    for callback in stream.stats().callbacks:
        print(f"{callback.name}: {callback.calls} calls, {callback.seconds * 1e3:.1f} ms, {callback.share:.0%} of all")
