"""`python -m tests.bench.overload [--policy P] [--seconds S] [--rate R]`: a market five times as fast as its consumer.

The consumer is a process of its own, so that its memory is seen and not that of the venue in a box. It has two streams, one that
heals by snapshot and one that cannot, and takes a fifth of what the market makes. Afterwards the market rests, it takes all that
is left, and then everything must add up: what came is what was taken, dropped or still queued, every message of the market was
delivered or told as dropped, and the healed state is the venue's.

Exit code 0: all of it holds. 1: what does not is named.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Optional

import msgspec

from syncstream import Contiguous, Dropped, Event, Feed, Overflow, Rest, Stream
from syncstream.testing import Broker, Replica

POLICIES = ("raise", "block", "drop_oldest", "conflate")
SYMBOLS = ("A", "B", "C", "D", "E")
FASTER = 5
TICK = 0.02
GROWTH = 4.0
"""MiB that the memory may grow, by a line through all samples after the first third. Without a bound it is far more than that."""


class Result(msgspec.Struct, kw_only=True):
    """What the consumer found. `growth`: MiB over the time measured; `None` where the system does not tell."""

    policy: str
    taken: int
    dropped: int
    overflow: bool
    high_water: int
    p99: float
    growth: Optional[float]
    wrong: list[str]
    states: dict[str, Any] = {}


# ---------------------------------------------------------------- the consumer's process


class Consumer:
    """Owned by: its process. Takes from one stream, and counts."""

    def __init__(self, feed: Feed, policy: str, queue_size: int) -> None:
        self.stream = Stream(feed, queue_size=queue_size, overflow=policy, block_limit=30.0)
        self.queue_size = queue_size
        self.replica = Replica()
        self.items = self.messages = self.told = 0
        self.failed = False

    def take(self, most: int, timeout: float = 0.0) -> int:
        try:
            items = self.stream.get_many(most, timeout=timeout) if not self.failed else []
        except Overflow:
            self.failed = True
            return 0
        for item in items:
            self.items += 1
            self.messages += not isinstance(item, Event)
            self.told += item.count if isinstance(item, Dropped) else 0
            self.replica.apply(item)
        return len(items)

    def check(self, name: str, published: int) -> list[str]:
        """What does not add up, once the market rests and all is taken."""
        stats = self.stream.stats()
        wrong = []
        if stats.received != stats.delivered + stats.dropped + stats.discarded + stats.queued:
            wrong.append(f"{name}: received is not delivered + dropped + discarded + queued: {stats}")
        if (stats.delivered, stats.dropped) != (self.items, self.told):
            wrong.append(f"{name}: {self.items} were taken and {self.told} told as dropped: {stats}")
        if name == "plain" and not self.failed and self.messages + self.told != published:
            wrong.append(f"{name}: {self.messages} taken and {self.told} dropped of {published}")
        if self.replica.total.wrong:
            wrong.append(f"{name}: {self.replica.total}")
        most = self.queue_size + (2000 if self.stream.stats().dropped == 0 else 0)  # block: and one batch
        if stats.high_water > most:
            wrong.append(f"{name}: {stats.high_water} items waited and the bound is {self.queue_size}")
        return wrong


def resident() -> Optional[float]:
    """MiB of this process in memory; `None` where the system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * 4096 / 2**20
    except OSError:
        return None


def growth(samples: list[tuple[float, float]]) -> Optional[float]:
    """MiB by which a straight line through the samples rises over their time, the first third left out: it warms up."""
    samples = samples[len(samples) // 3 :]
    if len(samples) < 5:
        return None
    mean_t = sum(t for t, _ in samples) / len(samples)
    mean_m = sum(m for _, m in samples) / len(samples)
    slope = sum((t - mean_t) * (m - mean_m) for t, m in samples) / sum((t - mean_t) ** 2 for t, _ in samples)
    return slope * (samples[-1][0] - samples[0][0])


def consume(url: str, snapshot_url: str, policy: str, seconds: float, rate: float) -> None:
    """Take a fifth for so long; say `rest`, hear how much was published; take the rest; say what was found."""
    feed = Feed(
        url, subscribe={"action": "subscribe", "symbols": list(SYMBOLS)}, key="symbol", sequence=Contiguous("seq"), heartbeat=1.0
    )
    heals = msgspec.structs.replace(feed, snapshot=Rest(snapshot_url, position="seq"), resync_interval=0.1, verify_after=0.5)
    both = {"plain": Consumer(feed, policy, 1000), "healed": Consumer(heals, policy, 1000)}
    for consumer in both.values():
        consumer.take(1, timeout=10.0)
    print("begun", flush=True)
    samples: list[tuple[float, float]] = []
    began = time.monotonic()
    due = 0.0
    while (elapsed := time.monotonic() - began) < seconds:
        count = int(rate / FASTER * (elapsed - due))
        due += count / (rate / FASTER)
        for consumer in both.values():
            if count:
                consumer.take(count)
        memory = resident()
        if memory is not None:
            samples.append((elapsed, memory))
        time.sleep(TICK)
    print("rest", flush=True)
    published, truth = json.loads(sys.stdin.readline())
    end = time.monotonic() + 20.0
    plain, healed = both["plain"], both["healed"]
    while time.monotonic() < end:
        for consumer in both.values():
            consumer.take(1000, timeout=0.05)
        whole = healed.failed or all(_state(healed.replica, symbol) == truth[symbol] for symbol in SYMBOLS)
        if whole and (plain.failed or plain.messages + plain.told >= published):
            break
    wrong = [line for name, consumer in both.items() for line in consumer.check(name, published)]
    stats = plain.stream.stats()
    result = Result(
        policy=policy,
        taken=plain.items,
        dropped=plain.told,
        overflow=plain.failed,
        high_water=stats.high_water,
        p99=stats.latency.p99,
        growth=growth(samples),
        wrong=wrong,
        states={} if healed.failed else {symbol: _state(healed.replica, symbol) for symbol in SYMBOLS},
    )
    for consumer in both.values():
        consumer.stream.close()
    print(msgspec.json.encode(result).decode(), flush=True)


def _state(replica: Replica, symbol: str) -> Any:
    state = replica.state(symbol)
    return None if state is None else msgspec.to_builtins(state)


# ---------------------------------------------------------------- the venue's process


def measure(policy: str, seconds: float, rate: float) -> Result:
    """Run it. `wrong` names all that does not hold."""
    with Broker(symbols=SYMBOLS, rate=0, heartbeat=0.2, seed=5) as broker:
        arguments = ["--consume", broker.url, broker.snapshot_url, "--policy", policy]
        command = [sys.executable, "-m", "tests.bench.overload", *arguments, "--seconds", str(seconds), "--rate", str(rate)]
        root = Path(__file__).parent.parent.parent
        with subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as client:
            assert client.stdin is not None
            assert client.stdout is not None
            try:
                broker.wait_for(lambda: len(broker.subscriptions) == 2 and all(broker.subscriptions.values()), 20.0)
                published = _trade(broker, client.stdout, rate)
                truth = {symbol: msgspec.to_builtins(state) for symbol, state in broker.states().items()}
                client.stdin.write(json.dumps((published, truth)) + "\n")
                client.stdin.flush()
                result = msgspec.json.decode(client.stdout.readline(), type=Result)
            finally:
                client.kill()
    if not result.overflow and result.states != truth:
        result.wrong.append("the healed state is not the venue's")
    if result.overflow is not (policy == "raise"):
        result.wrong.append(f"overflow={result.overflow}")
    if (result.dropped > 0) is not (policy in ("drop_oldest", "conflate")):
        result.wrong.append(f"{result.dropped} were dropped")
    if result.growth is not None and result.growth > GROWTH:
        result.wrong.append(f"the memory grew by {result.growth:.1f} MiB")
    return result


def _trade(broker: Broker, said: Any, rate: float) -> int:
    """Move the market at the rate until the consumer says `rest`; how often it moved."""
    done: list[str] = []

    def listen() -> None:
        for line in said:
            done.append(line)
            if line == "rest\n":
                return

    listener = threading.Thread(target=listen)
    listener.start()
    began, moves = time.monotonic(), 0
    while listener.is_alive():
        due = int((time.monotonic() - began) * rate) - moves
        for symbol in SYMBOLS:
            broker.publish(symbol, due // len(SYMBOLS) + 1)
            moves += due // len(SYMBOLS) + 1
        time.sleep(TICK)
    return moves


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.overload", description=__doc__)
    parser.add_argument("--policy", choices=POLICIES, help="only this one")
    parser.add_argument("--seconds", type=float, default=30.0, help="for each policy")
    parser.add_argument("--rate", type=float, default=3000.0, help="messages per second that the market makes")
    parser.add_argument("--consume", nargs=2, metavar=("URL", "SNAPSHOT"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.consume:
        url, snapshot_url = options.consume
        consume(url, snapshot_url, options.policy, options.seconds, options.rate)
        return 0
    failed = False
    for policy in [options.policy] if options.policy else POLICIES:
        result = measure(policy, options.seconds, options.rate)
        failed = failed or bool(result.wrong)
        memory = "unknown" if result.growth is None else f"{result.growth:+.2f} MiB"
        print(
            f"{policy:12} taken {result.taken:7,}  dropped {result.dropped:7,}  deepest {result.high_water:6,}  "
            f"p99 {result.p99 * 1e3:8.1f} ms  memory {memory}  {'; '.join(result.wrong) or 'adds up'}"
        )
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
