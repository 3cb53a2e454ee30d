"""How do I use callbacks on worker threads? `@stream.on` and `stream.run`. Runs offline: python examples/callbacks.py"""

from typing import Any, Union

import msgspec

from syncstream import Contiguous, Feed, Gap, Rest, Snapshot, Stream
from syncstream.testing import Broker


class Delta(msgspec.Struct, tag="delta", tag_field="type"):
    """What the venue sends, checked and typed while it is decoded."""

    symbol: str
    seq: int
    price: str
    size: int


class Beat(msgspec.Struct, tag="heartbeat", tag_field="type"):
    """The venue's heartbeat."""


class Ack(msgspec.Struct, tag="subscribed", tag_field="type"):
    """The venue's answer to the subscription."""


with Broker(symbols=("ABC", "XYZ"), rate=100, heartbeat=1.0) as broker:
    feed = Feed(
        broker.url,
        subscribe=broker.subscribe,
        decode=Union[Delta, Beat, Ack],
        key="symbol",
        sequence=Contiguous("seq"),
        snapshot=Rest(broker.snapshot_url, position="seq"),
        heartbeat=1.0,
    )
    stream = Stream(feed)
    seen = 0

    @stream.on(Delta)
    def delta(message: Delta) -> None:
        """Called on a worker; the messages of one symbol never overlap and come in order."""
        global seen
        print(f"{message.symbol} {message.seq}: {message.price} x {message.size}")
        seen += 1
        if seen >= 20:
            stream.close()

    @stream.on(Snapshot, Gap)
    def marker(event: Any) -> None:
        """What changes the local state besides messages."""
        print(event)

    stream.run(workers=2)
