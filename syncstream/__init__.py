"""Gap-free market-data streams for synchronous Python: threads, no asyncio.

rest = Rest("https://api.broker.example/v1/quotes/{key}", position="seq")
feed = Feed("wss://stream.broker.example/v1", key="symbol", sequence=Contiguous("seq"), snapshot=rest, heartbeat=5.0)
with Stream(feed) as stream:
    for quote in stream:
        print(quote)
"""

from importlib import metadata as _metadata

from .book import Book, Level, Top
from .consumer import Stamped
from .core.aliases import Named
from .core.backoff import Backoff
from .core.budget import Budget
from .core.deflate import Deflate
from .core.keepalive import Keepalive
from .core.liveness import Liveness
from .core.opening import Step
from .core.rules import Kind
from .core.sequence import Chained, Contiguous, Increasing
from .core.sources import Reconnect, Request, Resubscribe
from .core.subscriptions import Acks, Batch
from .errors import (
    ConnectFailed,
    DataFailed,
    Empty,
    FeedError,
    FeedFailed,
    HandlerFailed,
    NotConnected,
    Overflow,
    SendUnknown,
    Severity,
    SnapshotFailed,
    StreamClosed,
    StreamFailed,
    SubscribeFailed,
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
    Refused,
    Resynced,
    Snapshot,
    Stale,
    Status,
    Subscribed,
    TopicStatus,
)
from .feed import CONNECTION, Endpoint, Feed, Rest
from .levels import Levels
from .merge import merge
from .quarantine import SetAside
from .secret import Secret
from .sharded import Sharded
from .stats import CallbackStats, Latency, Stats
from .stream import Report, Stream, streams

try:
    __version__ = _metadata.version("syncstream")
except _metadata.PackageNotFoundError:  # used from a checkout that was not installed
    __version__ = "0+unknown"

__all__ = [
    "CONNECTION",
    "Acks",
    "Backoff",
    "Batch",
    "Book",
    "Budget",
    "CallbackStats",
    "Chained",
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
    "FeedFailed",
    "Gap",
    "HandlerFailed",
    "Increasing",
    "Keepalive",
    "KeyStatus",
    "Kind",
    "Latency",
    "Level",
    "Levels",
    "Liveness",
    "Named",
    "NotConnected",
    "Overflow",
    "Quarantined",
    "Reconnect",
    "Refused",
    "Report",
    "Request",
    "Rest",
    "Resubscribe",
    "Resynced",
    "Secret",
    "SendUnknown",
    "SetAside",
    "Severity",
    "Sharded",
    "Snapshot",
    "SnapshotFailed",
    "Stale",
    "Stamped",
    "Stats",
    "Status",
    "Step",
    "Stream",
    "StreamClosed",
    "StreamFailed",
    "SubscribeFailed",
    "Subscribed",
    "SyncstreamError",
    "Top",
    "TopicStatus",
    "UsageError",
    "__version__",
    "merge",
    "streams",
]
