"""The faults of handshakes and snapshots, seen by plain clients."""

from __future__ import annotations

from typing import Iterator

import pytest
import requests
from websockets.exceptions import InvalidStatus

from syncstream.testing import Broker
from tests.testing.clients import (
    Raw,
    connected,
    settle,
    snapshot,
)


@pytest.fixture
def broker() -> Iterator[Broker]:
    with Broker(rate=0, heartbeat=None) as running:
        yield running


# Handshakes to come


@pytest.mark.parametrize("status", [401, 403, 429, 503])
def test_refuse(broker: Broker, status: int) -> None:
    """So many attempts get the status and Retry-After, the next one is accepted."""
    broker.faults.refuse(status, attempts=2, retry_after=3)
    for _ in range(2):
        with pytest.raises(InvalidStatus) as caught, connected(broker):
            raise AssertionError
        assert (caught.value.response.status_code, caught.value.response.headers["Retry-After"]) == (status, "3")
    with connected(broker) as websocket:
        settle(websocket)
    assert (broker.counts["refused"], broker.counts["connects"]) == (2, 1)


def test_refuse_for_some_time(broker: Broker) -> None:
    """As often as it is tried within the time, and not after it; snapshots are served meanwhile."""
    broker.faults.refuse(seconds=0.3)
    for _ in range(3):
        with pytest.raises(InvalidStatus, match="503"), connected(broker):
            raise AssertionError
    assert snapshot(broker, "ABC").status_code == 200
    broker.wait_for(lambda: not broker.faults.active)
    with connected(broker) as websocket:
        settle(websocket)


def test_accept_then_drop(broker: Broker) -> None:
    """The upgrade succeeds, then the connection is reset; the next one stays."""
    broker.faults.accept_then_drop()
    with Raw(broker) as raw:
        assert raw.rest() == (b"", "reset")
    with connected(broker) as websocket:
        settle(websocket)
    assert (broker.counts["accepted_then_dropped"], broker.counts["connects"]) == (1, 2)


# Snapshots to come


def test_stale_snapshot(broker: Broker) -> None:
    """The state so many versions ago, once; then the true one again."""
    broker.publish("ABC", 40)
    then = broker.state("ABC")
    broker.publish("ABC", 10)
    broker.faults.stale_snapshot(10)
    stale, true = snapshot(broker, "ABC").json(), snapshot(broker, "ABC").json()
    assert (stale["version"], dict(stale["bids"]), dict(stale["asks"]), stale["volume"]) == (
        40,
        then.bids,
        then.asks,
        then.volume,
    )
    assert true["version"] == 50
    assert (broker.counts["stale_snapshots"], broker.counts["snapshots"]) == (1, 2)


def test_slow_snapshot(broker: Broker) -> None:
    """It comes late, with the state there was when it was asked for; others are served meanwhile."""
    broker.publish("ABC", 5)
    broker.faults.slow_snapshot(1.0, symbol="ABC")
    with requests.Session() as session:
        session.trust_env = False
        answer = session.get(broker.snapshot_url.format(key="XYZ"), timeout=5)
        assert answer.elapsed.total_seconds() < 1.0
        late = session.get(broker.snapshot_url.format(key="ABC"), timeout=5)
    assert late.elapsed.total_seconds() >= 1.0
    assert late.json()["version"] == 5
    assert broker.counts["slow_snapshots"] == 1


@pytest.mark.parametrize("status", [429, 500, 503])
def test_failing_snapshot_with_a_status(broker: Broker, status: int) -> None:
    """The status and Retry-After, so many times, then the truth."""
    broker.faults.fail_snapshot(status, count=2, retry_after=0.5)
    answers = [snapshot(broker, "ABC") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [status, status, 200]
    assert [answer.headers.get("Retry-After") for answer in answers] == ["0.5", "0.5", None]
    assert (broker.counts["failed_snapshots"], broker.counts["snapshots"]) == (2, 1)


@pytest.mark.parametrize(("how", "kind"), [("html", "text/html"), ("truncated", "application/json")])
def test_failing_snapshot_that_is_no_json(broker: Broker, how: str, kind: str) -> None:
    """Status 200, and a body that cannot be decoded."""
    broker.faults.fail_snapshot(how)
    answer = snapshot(broker, "ABC")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith(kind)
    with pytest.raises(requests.JSONDecodeError):
        answer.json()


def test_failing_snapshot_that_is_cut(broker: Broker) -> None:
    """The connection ends in the middle of the body."""
    broker.faults.fail_snapshot("cut")
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        snapshot(broker, "ABC")


def test_snapshots_fail_until_cleared(broker: Broker) -> None:
    """count=None has no end of its own, and a symbol narrows it down."""
    broker.faults.fail_snapshot(500, count=None, symbol="ABC")
    assert [snapshot(broker, symbol).status_code for symbol in ("ABC", "XYZ", "ABC", "ABC")] == [500, 200, 500, 500]
    broker.faults.clear()
    assert snapshot(broker, "ABC").status_code == 200


def test_snapshot_faults_add_up(broker: Broker) -> None:
    """One answer can be late, old and broken."""
    broker.publish("ABC", 5)
    broker.faults.stale_snapshot(2)
    broker.faults.slow_snapshot(0.05)
    broker.faults.fail_snapshot("truncated")
    answer = snapshot(broker, "ABC")
    assert answer.elapsed.total_seconds() >= 0.05
    assert '"version":3,' in answer.text
    counts = broker.counts
    assert (counts["stale_snapshots"], counts["slow_snapshots"], counts["failed_snapshots"], counts["snapshots"]) == (1, 1, 1, 0)
