"""`python -m tests.bench.growth [keys] [streams] [recovery] [flat] [--seconds N] [--rate N]`: what it costs to have more of it.

* keys: time per message and bytes per key with 50 and with 100,000 keys, through the engine, interleaved; the key's string and
  the message are not counted.
* streams: threads, CPU and memory of 1, 10 and 100 quiet streams in a process.
* recovery: 1,000 keys after a cut: until all are live again, and how many REST calls that took.
* flat: memory and latency at a steady rate, in ten parts of the time.

Each prints its figures as lines; nothing is judged here.
"""

from __future__ import annotations

import argparse
import gc
import resource
import statistics
import sys
import threading
import time
import tracemalloc
from pathlib import Path
from typing import Any, Callable

from syncstream import Backoff, Contiguous, Feed, Rest, Stream
from syncstream.core.engine import Engine
from syncstream.testing import Broker

from . import market
from .__main__ import Source
from .market import Quote

ROUNDS = 5
MESSAGES = 400_000
MANY = 100_000
READ = 64 * 1024


def memory() -> int:
    """Bytes of this process that are resident."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def _engine() -> Engine:
    rules = Feed("ws://venue.example/", decode=Quote, key="symbol", sequence=Contiguous("seq"), max_keys=2 * MANY).rules()
    engine = Engine(rules, random=lambda: 0.5, wall_ns=0)
    engine.start(0.0)
    engine.opened(0, 1, (), 0.0)
    return engine


def _through(engine: Engine, data: bytes) -> float:
    """Seconds of CPU."""
    began = time.process_time()
    for at in range(0, len(data), READ):
        engine.batch(0, 1, data[at : at + READ], 0.0)
        engine.take_deliveries()
    return time.process_time() - began


def _data(keys: int, first: int, count: int) -> bytes:
    return b"".join(market.frame(market.text(number, 150, keys)) for number in range(first, first + count))


def keys() -> None:
    """A hundred thousand keys, beside fifty."""
    found: dict[int, list[float]] = {50: [], MANY: []}
    engines = {count: _engine() for count in found}
    for count, engine in engines.items():
        _through(engine, _data(count, 0, count))  # each is known from here on
    for number in range(ROUNDS):
        for count, engine in engines.items():
            found[count].append(_through(engine, _data(count, count + number * MESSAGES, MESSAGES)) / MESSAGES)
    ratio = statistics.median(many / few for few, many in zip(found[50], found[MANY]))
    few, many = [statistics.median(times) * 1e9 for times in found.values()]
    print(f"keys: {few:.0f} ns a message with 50 keys, {many:.0f} ns with {MANY:,}: {ratio:.2f} times")
    del engines, engine
    gc.collect()
    fresh = _engine()
    data = _data(MANY, 0, MANY)
    tracemalloc.start()
    _through(fresh, data)
    gc.collect()
    all_of_it = tracemalloc.get_traced_memory()[0]
    latest = list(fresh.keys.latest.values())
    own = sum(_size(message) for message in latest)
    names = sum(sys.getsizeof(key) for key in fresh.keys.latest)
    print(f"keys: {(all_of_it - own - names) / MANY:.0f} bytes a key besides its string and the message")
    tracemalloc.stop()


def _size(message: Any) -> int:
    """With what it holds, but for its key, which is counted by itself."""
    fields = [getattr(message, name) for name in message.__struct_fields__ if name != "symbol"]
    return sys.getsizeof(message) + sum(sys.getsizeof(value) for value in fields)


def streams() -> None:
    """A hundred in one process."""
    with Broker(rate=1.0, heartbeat=1.0) as broker:
        for count in (1, 10, 100):
            before, threads = memory(), threading.active_count()
            many = [Stream(_feed(broker)) for _ in range(count)]
            for stream in many:
                stream.wait_live(timeout=30.0)
            began, cpu = time.perf_counter(), time.process_time()
            time.sleep(5.0)
            used = (time.process_time() - cpu) / (time.perf_counter() - began)
            grown, added = memory() - before, threading.active_count() - threads
            print(f"streams: {count}: {added} threads, {used:.1%} CPU, the broker's too; {grown / count / 1024:.0f} KiB each")
            for stream in many:
                stream.close()


def _feed(broker: Broker, **more: Any) -> Feed:
    settings: dict[str, Any] = {
        "subscribe": broker.subscribe,
        "headers": broker.headers,
        "key": "symbol",
        "sequence": Contiguous("seq"),
        "snapshot": Rest(broker.snapshot_url, position="seq", headers=broker.headers, concurrency=8),
        "backoff": Backoff(base=0.05, maximum=0.1),
        "heartbeat": 1.0,
    }
    return Feed(broker.url, **{**settings, **more})


def recovery() -> None:
    """A thousand keys after a cut."""
    symbols = tuple(f"K{number:04d}" for number in range(1000))
    with Broker(symbols=symbols, rate=2000.0, heartbeat=0.5) as broker, Stream(_feed(broker), queue_size=1_000_000) as stream:
        _until(lambda: len(stream.status.keys) == 1000 and _live(stream), 120.0)
        asked = broker.counts["snapshots"]
        broker.faults.cut()
        began = time.perf_counter()
        _until(lambda: stream.status.reconnects > 0, 10.0)
        _until(lambda: _live(stream), 120.0)
        print(f"recovery: live after {time.perf_counter() - began:.2f} s, {broker.counts['snapshots'] - asked} REST calls")


def _live(stream: Stream[Any]) -> bool:
    return all(status.state == "live" for status in stream.status.keys.values())


def _until(condition: Callable[[], bool], seconds: float) -> None:
    end = time.perf_counter() + seconds
    while not condition():
        if time.perf_counter() > end:
            raise TimeoutError("it did not come true in time")
        time.sleep(0.01)


def flat(seconds: float, rate: int) -> None:
    """The same all the time."""
    with Source() as source:
        count = int(seconds * rate)
        url = f"ws://localhost:{source.ports['ws']}/paced?rate={rate}&count={count}&size=150"
        with Stream(Feed(url, decode=Quote, key="symbol", sequence=Contiguous("seq")), overflow="block") as stream:
            taken, wrong, latencies = 0, 0, []
            for quote in stream:
                if type(quote) is not Quote:
                    wrong += 1
                    continue
                taken += 1
                if not taken % 50:
                    latencies.append(market.stamp() - quote.ts)
                if not taken % max(1, count // 10):
                    latencies.sort()
                    p50, p99 = latencies[len(latencies) // 2] / 1e3, latencies[len(latencies) * 99 // 100] / 1e3
                    print(f"flat: {taken:,} quotes, {memory() / 1e6:.1f} MB, p50 {p50:.0f} us, p99 {p99:.0f} us", flush=True)
                    latencies.clear()
                if taken == count:
                    break
            print(f"flat: {wrong} were no quotes, {stream.status.gaps} gaps")


def main() -> int:
    """What was named, or all."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.growth", description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("what", nargs="*", choices=["keys", "streams", "recovery", "flat"], default=[])
    parser.add_argument("--seconds", type=float, default=600.0, help="of flat")
    parser.add_argument("--rate", type=int, default=50_000, help="of flat, quotes a second")
    options = parser.parse_args()
    run: dict[str, Callable[[], None]] = {
        "keys": keys,
        "streams": streams,
        "recovery": recovery,
        "flat": lambda: flat(options.seconds, options.rate),
    }
    for name in options.what or run:
        run[name]()
    return 0


if __name__ == "__main__":
    sys.exit(main())
