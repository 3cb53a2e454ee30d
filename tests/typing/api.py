"""Each public call as a user's type checker sees it. Checked by mypy --strict with the rest; never run.

An `assert_type` says what an expression must be; `type: ignore[...]` on a wrong call says that it must be refused (an ignore that
ignores nothing is an error).
"""

from __future__ import annotations

import queue
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Callable, Hashable, Iterator, Mapping, Optional, Union

import syncstream
from syncstream import (
    CONNECTION,
    Acks,
    Backoff,
    Batch,
    Book,
    Budget,
    CallbackStats,
    Chained,
    Closed,
    Connected,
    ConnectFailed,
    Contiguous,
    DataFailed,
    Disconnected,
    Dropped,
    Empty,
    Endpoint,
    Event,
    Feed,
    FeedError,
    FeedFailed,
    Gap,
    HandlerFailed,
    Increasing,
    Keepalive,
    KeyStatus,
    Kind,
    Latency,
    Level,
    Levels,
    Liveness,
    NotConnected,
    Overflow,
    Quarantined,
    Report,
    Rest,
    Resynced,
    Secret,
    SendUnknown,
    SetAside,
    Severity,
    Sharded,
    Snapshot,
    SnapshotFailed,
    Stale,
    Stats,
    Status,
    Step,
    Stream,
    StreamClosed,
    StreamFailed,
    SyncstreamError,
    Top,
    TopicStatus,
    UsageError,
    merge,
    streams,
)
from syncstream.book import kraken_checksum

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from typing_extensions import assert_type

    class Trade:
        symbol: str
        price: float

    def version() -> None:
        assert_type(syncstream.__version__, str)

    def secrets(key: Secret) -> str:
        Feed("wss://venue.example/", headers={"X-Key": key}, subscribe={"key": key})
        return key

    def feeds() -> Feed:
        Feed("wss://venue.example/")
        Feed(Endpoint(url="wss://venue.example/", headers={"A": "b"}, subprotocols=["v1"], sslopt={}, proxy=None))
        Feed(lambda: "wss://venue.example/")
        Feed(lambda: Endpoint(url="wss://venue.example/"))
        Feed()  # type: ignore[call-arg]
        Feed(5)  # type: ignore[arg-type]
        Feed("wss://venue.example/", "subscribe")  # type: ignore[arg-type,call-arg,misc,unused-ignore]
        Feed("wss://venue.example/", heart_beat=5)  # type: ignore[call-arg]
        Feed("wss://venue.example/", heartbeat="5")  # type: ignore[arg-type]
        Rest("https://venue.example/{key}", position="seq")
        Feed("wss://venue.example/", sequence=Chained("pu", lambda message: message["u"]))
        Chained("pu")  # type: ignore[call-arg]
        Rest(lambda key: f"https://venue.example/{key}", position=lambda body: body["seq"], headers=lambda: {"A": "b"})
        return Feed(
            "wss://venue.example/",
            subscribe=lambda topics: {"op": "subscribe", "args": list(topics)},
            unsubscribe=lambda topics: {"op": "unsubscribe", "args": list(topics)},
            topics=["A", "B"],
            topic_key=lambda topic: topic,
            decode=dict,
            key=lambda message: message["symbol"],
            classify=lambda message: Kind.DATA if message else None,
            sequence=Contiguous("seq"),
            counter=CONNECTION,
            snapshot=Rest("https://venue.example/{key}", whole=True),
            liveness=Liveness(ping_after=5.0),
            backoff=Backoff(base=1.0, max_attempts=5, max_elapsed=600.0),
            heartbeat=5.0,
            opening=[Step(send={"op": "login"}, expect=lambda message: message["ok"], fail=lambda message: Severity.SLOW)],
            literals={"pong": Kind.PONG},
            answer=lambda message: {"pong": message["ping"]},
            keepalive=Keepalive(every=20.0, send=lambda: "ping", when="idle"),
            quiet_after={"A": 5.0},
            lifetime=3600.0,
            failures={4001: Severity.FATAL, "dns": Severity.SLOW},
            batch=Batch(topics=10, characters=1000),
            acks=Acks(by="id", id="id", sent="req.id", within=5.0),
            topic_data_limit=60.0,
            send_budget=Budget(count=5, per=1.0),
            dial_budget=Budget(count=5, per=60.0),
        )

    def life() -> None:
        Feed("wss://venue.example/", quiet_after=5.0)
        Feed("wss://venue.example/", quiet_after=lambda key: None)
        Feed("wss://venue.example/", opening="login")  # type: ignore[arg-type]
        Feed("wss://venue.example/", failures={401: "slow"})  # type: ignore[dict-item]
        Budget(5, 1.0)  # type: ignore[call-arg,misc,unused-ignore]
        Acks()  # type: ignore[call-arg]

    def rules() -> None:
        Contiguous("seq")
        Contiguous(first="U", last="u")
        Increasing("seq")

    def making(feed: Feed) -> None:
        stream = Stream(feed, queue_size=10, overflow="block", block_limit=1.0, name="quotes")
        Stream(feed, 10)  # type: ignore[call-arg,misc,unused-ignore]
        Stream("wss://venue.example/")  # type: ignore[arg-type]
        with stream as entered:
            assert_type(entered, Stream)
        assert_type(stream.feed, Feed)
        assert_type(stream.name, str)
        assert_type(stream.closed, bool)

    def consuming(stream: Stream) -> None:
        for item in stream:
            assert_type(item, Any)
        assert_type(iter(stream), Iterator[Any])
        assert_type(stream.events(), Iterator[Any])
        assert_type(stream.messages(), Iterator[Any])
        assert_type(stream.get(), Any)
        assert_type(stream.get(timeout=1.0), Any)
        assert_type(stream.get_nowait(), Any)
        assert_type(stream.get_many(), list[Any])
        assert_type(stream.get_many(max_items=10, timeout=None), list[Any])
        drained: queue.Queue[Any] = stream.queue
        assert_type(drained.get(timeout=1.0), Any)
        latest: Mapping[Hashable, Any] = stream.latest
        assert_type(latest["ABC"], Any)
        assert_type(stream.latest.live("ABC"), bool)
        stream.get("soon")  # type: ignore[call-overload]

    def typed(feed: Feed, plain: Stream) -> None:
        trades = Stream[Trade](feed)
        declared: Stream[Trade] = Stream(feed)
        assert_type(declared, Stream[Trade])
        for item in trades:
            assert_type(item, Union[Trade, Snapshot, Gap, Dropped])
            if isinstance(item, Trade):
                assert_type(item.price, float)
            elif isinstance(item, Snapshot):
                assert_type(item.state, Any)
            else:
                assert_type(item, Union[Gap, Dropped])
        assert_type(trades.get(timeout=1.0), Union[Trade, Snapshot, Gap, Dropped])
        assert_type(trades.get_nowait(), Union[Trade, Snapshot, Gap, Dropped])
        assert_type(trades.get_many(), list[Union[Trade, Snapshot, Gap, Dropped]])
        for event in trades.events():
            assert_type(event, Union[Trade, Event])
        for message in trades.messages():
            assert_type(message, Trade)
        for stamped in trades.stamped():
            assert_type(stamped.item, Union[Trade, Snapshot, Gap, Dropped])
            assert_type(stamped.at, float)
            assert_type(stamped.at_ns, int)
        for also in trades.stamped(events=True):
            assert_type(also.item, Union[Trade, Event])
        assert_type(trades.latest["ABC"], Union[Trade, Snapshot])
        assert_type(trades.latest(), dict[Hashable, Union[Trade, Snapshot]])
        with trades as entered:
            assert_type(entered, Stream[Trade])
        for stream, either in merge(trades, declared):
            assert_type(stream, Stream[Trade])
            assert_type(either, Union[Trade, Snapshot, Gap, Dropped])
        for stamp in plain.stamped():
            assert_type(stamp.item, Any)
        for anything_at in plain.stamped(events=True):
            assert_type(anything_at.item, Any)
        for anything in merge(plain, plain):
            assert_type(anything, Any)
        assert_type(plain.latest(), dict[Hashable, Any])
        consuming(trades)
        merge("trades")  # type: ignore[call-overload]
        wrong = next(trades.messages()).prize  # type: ignore[attr-defined]
        assert_type(wrong, Any)

    def sharded() -> None:
        def make(topics: list[str]) -> Feed:
            return Feed("wss://venue.example/", subscribe=list, topics=topics)

        trades = Sharded[Trade](make, ["ABC", "XYZ"], per_line=1, key=lambda topic: topic[0], queue_size=5, name="venue")
        for item in trades:
            assert_type(item, Union[Trade, Snapshot, Gap, Dropped])
        assert_type(trades.get_many(5), list[Union[Trade, Snapshot, Gap, Dropped]])
        assert_type(trades.latest["ABC"], Union[Trade, Snapshot])
        assert_type(trades.latest(), dict[Hashable, Union[Trade, Snapshot]])
        assert_type(trades.books["ABC"], Book)
        assert_type(trades.status, Status)
        assert_type(trades.streams, tuple[Stream[Trade], ...])
        assert_type(trades.wait_live(), list[Any])
        assert_type(trades.join(timeout=1.0), bool)
        assert_type(trades.close(drain=True), Report)
        with Sharded(make, ["ABC"], per_line=1) as plain:
            assert_type(plain.get(), Any)
            assert_type(plain.latest["ABC"], Any)
        Sharded(make, ["ABC"])  # type: ignore[call-arg]
        Sharded(make, ["ABC"], 5)  # type: ignore[call-arg,misc,unused-ignore]

    def figures(stream: Stream) -> None:
        stats = stream.stats()
        assert_type(stats, Stats)
        assert_type(stats.latency, Latency)
        assert_type(stats.latency.p99, float)
        assert_type(stats.exchange, Optional[Latency])
        assert_type(stats.clock_offset, Optional[float])
        assert_type(stats.lag, Optional[float])
        for callback in stats.callbacks:
            assert_type(callback, CallbackStats)
            assert_type(callback.share, float)
        assert_type(stream.status.depth, int)
        assert_type(stream.status.high_water, int)
        assert_type(stream.status.lag, Optional[float])
        assert_type(streams(), list[Stream[Any]])
        stream.live(every=0.5).stop()
        Feed("wss://venue.example/", timestamp="T", timestamp_unit="us")
        Feed("wss://venue.example/", timestamp=lambda message: message["t"])
        Stream(feeds(), queue_bytes=None, overflow="conflate")
        Stream(feeds(), queue_bytes="1M")  # type: ignore[arg-type]

    def on_an_executor(stream: Stream, pool: Executor) -> None:
        stream.run(workers=pool, slow_after=0.5)
        stream.start(pool, slow_after=None)
        stream.run(workers="4")  # type: ignore[arg-type]

    def callbacks(stream: Stream) -> None:
        @stream.on()
        def message(item: dict[str, Any]) -> int:
            return len(item)

        assert_type(message({}), int)  # the decorator gives the function back

        @stream.on(Snapshot, Gap)
        def state(event: Union[Snapshot, Gap]) -> None:
            assert_type(event.key, Optional[Hashable])

        stream.on("Trade")  # type: ignore[arg-type]
        stream.run(workers=4, markers="ignore")
        stream.start(2)

        def on_error(item: Any, error: Exception) -> Optional[str]:
            return "log" if isinstance(error, KeyError) else None

        stream.run(on_error="quarantine")
        stream.start(on_error=on_error)
        stream.run(on_error=5)  # type: ignore[arg-type]
        aside: tuple[SetAside, ...] = stream.set_aside
        assert_type(aside[0].error, Exception)
        assert_type(stream.join(timeout=1.0), bool)

    def venue(stream: Stream) -> None:
        stream.send({"op": "ping"}, timeout=1.0)
        stream.subscribe("A", ("B", 1))
        stream.unsubscribe("A")
        assert_type(stream.wait_live(timeout=1.0), list[Any])
        stream.subscribe(["A"])  # type: ignore[arg-type]

    def ending(stream: Stream) -> None:
        report = stream.close(timeout=1.0, drain=True)
        assert_type(report, Report)
        assert_type(report.delivered, int)
        assert_type(report.discarded, int)
        assert_type(report.threads, tuple[str, ...])
        report.delivered = 5  # type: ignore[misc]

    def picture(stream: Stream) -> None:
        status = stream.status
        assert_type(status, Status)
        assert_type(status.state, str)
        assert_type(status.silence, Optional[float])
        assert_type(status.keys["ABC"], KeyStatus)
        assert_type(status.topics["ABC"], TopicStatus)

    def books() -> None:
        book = Book([("99.5", "1")], [("100.5", 2, "ignored")], position=1, depth=10)
        book.apply([(99.5, 0)], [], position=2)
        book.replace([], [])
        book.apply([], 5)  # type: ignore[arg-type]
        assert_type(book.top(5), Top)
        assert_type(book.best().bid, Optional[Level])
        assert_type(book.top().asks, tuple[Level, ...])
        assert_type(book.top().asks[0].price, Decimal)
        assert_type(book.live, bool)
        assert_type(book.position, Any)
        Feed("wss://venue.example/", book=Levels(bids="b", asks=lambda message: message["a"], price="p", number=2, whole=True))
        Levels(bids="b", asks="a", checksum=kraken_checksum, expected="c")
        Levels("b", "a")  # type: ignore[misc,call-arg,unused-ignore]
        with Stream(Feed("wss://venue.example/", book=Levels(bids="b", asks="a", whole=True))) as stream:
            assert_type(stream.books["ABC"], Book)
            assert_type(stream.books.mismatches, int)

    def markers(item: Any) -> None:
        if isinstance(item, Snapshot):
            assert_type(item.state, Any)
            assert_type(item.position, Any)
        elif isinstance(item, Gap):
            assert_type(item.reason, str)
            assert_type(item.missing, Optional[int])
            assert_type(item.healing, bool)
        elif isinstance(item, Dropped):
            assert_type(item.count, int)
        elif isinstance(item, Disconnected):
            assert_type(item.code, Optional[int])
            assert_type(item.retry_in, Optional[float])
        elif isinstance(item, (Connected, Resynced, Stale, Quarantined, Closed)):
            assert_type(item.at_ns, int)
        elif isinstance(item, Event):
            assert_type(item.in_default_view, bool)

    def errors(call: Callable[[], None]) -> None:
        try:
            call()
        except FeedError as error:
            assert_type(error.field, str)
            usable: ValueError = error
            raise usable from None
        except (ConnectFailed, FeedFailed, Overflow, SnapshotFailed, DataFailed, HandlerFailed) as failed:
            failure: StreamFailed = failed
            raise failure from None
        except Empty as empty:
            both: tuple[TimeoutError, queue.Empty] = (empty, empty)
            raise both[0] from None
        except (NotConnected, SendUnknown) as unsent:
            connection: ConnectionError = unsent
            raise connection from None
        except (UsageError, StreamClosed) as known:
            root: SyncstreamError = known
            raise root from None
