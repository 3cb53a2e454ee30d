"""A network that loses packets, swallows all of them, or is slow. Loss needs a network namespace; elsewhere it is skipped."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from syncstream import Backoff, Stream
from syncstream.clock import now
from syncstream.testing import Broker
from tests.servers.relay import Relay

from .follower import Follower, feed_of
from .scenario import Record

ROOT = Path(__file__).parent.parent.parent


def island(what: str) -> Record:
    """Play this in a network namespace of its own."""
    for tool in ("unshare", "ip", "nft"):
        if shutil.which(tool, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin") is None:
            pytest.skip(f"no {tool} on this machine (Debian: util-linux, iproute2, nftables)")
    alone = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--net"]
    environment = {**os.environ, "PATH": os.environ.get("PATH", "") + ":/usr/sbin:/sbin"}
    tried = subprocess.run([*alone, "nft", "add table ip faults"], env=environment, capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        pytest.skip(f"this machine makes no network namespace with a packet filter: {tried.stderr.strip()}")
    done = subprocess.run(
        [*alone, sys.executable, "-W", "error", "-m", "tests.faults.island", what],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    return Record(record["noticed"], record["whole"], tuple(record["saw"]), record["dials"], tuple(record["wrong"]))


@pytest.mark.slow
def test_lost_packets() -> None:
    """One in ten: TCP repeats them; the line lives on or is dialled again, and nothing is lost that was not told."""
    record = island("loss")
    assert record.wrong == ()
    assert record.dials <= 3
    assert record.whole is not None
    assert record.whole < 5.0


@pytest.mark.slow
def test_a_blackhole() -> None:
    """No packet passes for two seconds: the heartbeat shows it, dials fail by their own deadline, then all is whole."""
    record = island("blackhole")
    assert record.wrong == ()
    assert record.noticed is not None
    assert record.noticed < 2.5
    assert record.whole is not None
    assert record.whole < 8.0
    assert "Connected" in record.saw


@pytest.mark.parametrize("seconds", [0.05, 0.2])
def test_a_slow_network_is_no_fault(seconds: float) -> None:
    """Everything comes so much later, dial, subscription and data: no reconnect, no gap."""
    with Broker(rate=100.0) as broker, Relay(broker.port) as relay:
        feed = feed_of(broker, endpoint=f"ws://127.0.0.1:{relay.port}/feed", heartbeat=1.0, backoff=Backoff(base=0.1))
        with Stream(feed) as stream:
            relay.delay(seconds)
            follower = Follower(broker, stream)
            follower.warm_up()
            began = follower.begin()
            follower.until(lambda: now() >= began + 3 * seconds)
            record = follower.record(began, now())
    assert (record.wrong, record.noticed, record.dials) == ((), None, 1)
