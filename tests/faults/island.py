"""`python -m tests.faults.island loss|blackhole`: a venue and a stream alone in a network namespace, whose packets are lost.

Run by `test_network.py` under `unshare`, so nothing else on the machine is touched, and all is gone when this process ends. It
prints the record of what it measured as JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys

from syncstream import Stream
from syncstream.clock import now
from syncstream.testing import Broker

from .connection import RATE
from .follower import Follower, feed_of
from .scenario import Record

SPAN = 2.0
"""Seconds that the fault lasts."""

PERCENT = 10


def run(*command: str) -> None:
    subprocess.run(command, check=True)


def drop(what: str) -> None:
    """Drop these packets of the loopback, both ways: it has one direction only."""
    run(
        "nft", f"add table ip faults; add chain ip faults c {{ type filter hook input priority 0; }}; add rule ip faults c {what}"
    )


def drop_nothing() -> None:
    run("nft", "delete table ip faults")


def loss() -> Record:
    """One packet in ten: the system repeats them, and nothing is lost, doubled or taken for the end."""
    with Broker(rate=RATE) as broker, Stream(feed_of(broker, heartbeat=2.0)) as stream:
        follower = Follower(broker, stream)
        follower.warm_up()
        began = follower.begin()
        drop(f"numgen random mod 100 < {PERCENT} drop")
        follower.until(lambda: now() >= began + SPAN)
        drop_nothing()
        return follower.record(began, now())


def blackhole() -> Record:
    """Every packet from and to the venue, without a word: noticed by the missing heartbeat, and whole when they pass again."""
    with Broker(rate=RATE) as broker, Stream(feed_of(broker, heartbeat=1.0, dial_timeout=0.5)) as stream:
        follower = Follower(broker, stream)
        follower.warm_up()
        began = follower.begin()
        drop(f"tcp sport {broker.port} drop; add rule ip faults c tcp dport {broker.port} drop")
        follower.until(lambda: now() >= began + SPAN and follower.noticed())
        drop_nothing()
        return follower.record(began, now())


def main() -> int:
    run("ip", "link", "set", "lo", "up")
    record = {"loss": loss, "blackhole": blackhole}[sys.argv[1]]()
    sys.stdout.write(json.dumps(record._asdict()) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
