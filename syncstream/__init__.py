"""Gap-free market-data streams for synchronous Python: threads, no asyncio.

rest = Rest("https://api.broker.example/v1/quotes/{key}", position="seq")
feed = Feed("wss://stream.broker.example/v1", key="symbol", sequence=Contiguous("seq"), snapshot=rest, heartbeat=5.0)
with Stream(feed) as stream:
    for quote in stream:
        print(quote)
"""

from importlib import metadata as _metadata

from .core.backoff import Backoff
from .core.deflate import Deflate
from .core.liveness import Liveness
from .core.rules import Kind
from .core.sequence import Contiguous, Increasing
from .errors import (
    ConnectFailed,
    DataFailed,
    Empty,
    FeedError,
    HandlerFailed,
    NotConnected,
    Overflow,
    SendUnknown,
    SnapshotFailed,
    StreamClosed,
    StreamFailed,
    SyncstreamError,
    UsageError,
)
from .events import (
    Closed,
    Connected,
    Disconnected,
    Dropped,
    Event,
    Gap,
    KeyStatus,
    Quarantined,
    Resynced,
    Snapshot,
    Stale,
    Status,
)
from .feed import CONNECTION, Endpoint, Feed, Rest
from .stream import Report, Stream

try:
    __version__ = _metadata.version("syncstream")
except _metadata.PackageNotFoundError:  # used from a checkout that was not installed
    __version__ = "0+unknown"

__all__ = [
    "CONNECTION",
    "Backoff",
    "Closed",
    "ConnectFailed",
    "Connected",
    "Contiguous",
    "DataFailed",
    "Deflate",
    "Disconnected",
    "Dropped",
    "Empty",
    "Endpoint",
    "Event",
    "Feed",
    "FeedError",
    "Gap",
    "HandlerFailed",
    "Increasing",
    "KeyStatus",
    "Kind",
    "Liveness",
    "NotConnected",
    "Overflow",
    "Quarantined",
    "Report",
    "Rest",
    "Resynced",
    "SendUnknown",
    "Snapshot",
    "SnapshotFailed",
    "Stale",
    "Status",
    "Stream",
    "StreamClosed",
    "StreamFailed",
    "SyncstreamError",
    "UsageError",
    "__version__",
]
