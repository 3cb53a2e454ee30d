"""Each fault of the venue, seen through the public API: what is lost is healed or told, and the state is right again."""

from __future__ import annotations

import socket
from typing import Any, Callable, Iterator

import pytest

from syncstream import (
    CONNECTION,
    Connected,
    ConnectFailed,
    Contiguous,
    DataFailed,
    Disconnected,
    Event,
    Feed,
    Gap,
    Increasing,
    Quarantined,
    Rest,
    Resynced,
    Snapshot,
    SnapshotFailed,
    Status,
    Stream,
)
from syncstream.testing import Broker, Replica

from .setting import PATIENCE, catch_up, feed_of, marker, plain_feed, take_until


@pytest.fixture
def broker() -> Iterator[Broker]:
    """A market that moves."""
    with Broker(symbols=("ABC", "XYZ"), rate=150, heartbeat=0.1, seed=3) as broker:
        yield broker


def restart_and_cut(broker: Broker) -> None:
    """What a venue's own restart looks like."""
    broker.faults.restart()
    broker.faults.cut()


FAULTS: dict[str, Callable[[Broker], Any]] = {
    "drop": lambda broker: broker.faults.drop(count=5),
    "duplicate": lambda broker: broker.faults.duplicate(count=5),
    "reorder": lambda broker: broker.faults.reorder(count=5),
    "garbage": lambda broker: broker.faults.garbage(),
    "cut": lambda broker: broker.faults.cut(),
    "cut in mid-frame": lambda broker: broker.faults.cut(mid_frame=True),
    "fin": lambda broker: broker.faults.cut(reset=False),
    "close 1000": lambda broker: broker.faults.close(1000),
    "close 1001": lambda broker: broker.faults.close(1001),
    "close 4000": lambda broker: broker.faults.close(4000, "maintenance"),
    "mute": lambda broker: broker.faults.mute(),
    "half-open": lambda broker: broker.faults.half_open(),
    "restart": lambda broker: broker.faults.restart(),
    "restart and cut": lambda broker: restart_and_cut(broker),
}


def follow(stream: Stream, replica: Replica, done: Callable[[Any], bool]) -> list[Any]:
    """Feed the replica until an item satisfies `done`."""
    taken = take_until(stream, done)
    for item in taken:
        replica.apply(item)
    return taken


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_healed(broker: Broker, fault: str) -> None:
    """After the fault the local state equals the venue's again; nothing was lost untold, doubled, or out of order."""
    replica = Replica()
    with Stream(feed_of(broker)) as stream:
        follow(stream, replica, lambda item: not isinstance(item, Event) and item["seq"] >= 20)
        before = stream.status
        FAULTS[fault](broker)
        told: dict[str, Callable[[Status], bool]] = {
            "drop": lambda status: status.gaps > before.gaps,
            "reorder": lambda status: status.gaps > before.gaps,
            "duplicate": lambda status: status.duplicates >= before.duplicates + 5,
            "garbage": lambda status: status.quarantined == before.quarantined + 1,
            "restart": lambda status: status.gaps >= before.gaps + 2,
        }
        happened: Callable[[Status], bool] = told.get(fault, lambda status: status.reconnects == 1)
        follow(stream, replica, lambda item: happened(stream.status))
        catch_up(stream, broker, replica)
        assert stream.status.unhealed == 0
    assert replica.total.wrong == 0


@pytest.mark.parametrize("sequence", ["symbol", "connection"])
@pytest.mark.parametrize("how", ["stale", "slow", "503", "429", "html", "truncated", "cut"])
def test_a_bad_snapshot_is_asked_for_again(how: str, sequence: str) -> None:
    """A snapshot that is stale, slow or broken delays the healing and never spoils the state."""
    replica = Replica()
    with Broker(symbols=("ABC", "XYZ"), rate=150, heartbeat=0.1, seed=5, sequence=sequence) as broker:
        changes: dict[str, Any] = {}
        if sequence == "connection":
            rest = Rest(broker.snapshot_url, position="version")
            changes = {"counter": CONNECTION, "snapshot": rest, "splice": Contiguous("version")}
        with Stream(feed_of(broker, **changes)) as stream:
            stream.events()
            follow(stream, replica, lambda item: not isinstance(item, Event) and item["version"] >= 20)
            if how == "stale":
                broker.faults.stale_snapshot(15, count=2)
            elif how == "slow":
                broker.faults.slow_snapshot(0.3)
            elif how.isdigit():
                broker.faults.fail_snapshot(int(how), retry_after=0.1 if how == "429" else None)
            else:
                broker.faults.fail_snapshot(how)
            broker.faults.drop(count=1)
            follow(stream, replica, marker(Gap, healing=True))
            follow(stream, replica, marker(Resynced))
            catch_up(stream, broker, replica)
    assert replica.total.wrong == 0


def test_a_connection_counter_doubts_every_key() -> None:
    """A hole in the numbers of a connection puts all its keys in doubt, and all are healed."""
    replica = Replica()
    with Broker(symbols=("A", "B", "C"), rate=100, heartbeat=0.1, sequence="connection", numbered_control=True) as broker:
        rest = Rest(broker.snapshot_url, position="version")
        with Stream(feed_of(broker, counter=CONNECTION, snapshot=rest, splice=Contiguous("version"))) as stream:
            follow(stream, replica, lambda item: len(stream.status.keys) == 3 and stream.status.syncing == 0)
            broker.faults.drop(count=1)
            follow(stream, replica, lambda item: stream.status.gaps >= 3)
            broker.faults.cut()
            follow(stream, replica, lambda item: stream.status.reconnects == 1)
            catch_up(stream, broker, replica)
            assert all(key.gaps for key in stream.status.keys.values())
    assert replica.total.wrong == 0


def test_without_a_source_the_gap_is_told(broker: Broker) -> None:
    """No snapshot: the hole is in the default view, with what is missing, before the message that showed it."""
    with Stream(plain_feed(broker)) as stream:
        take_until(stream, lambda item: item["seq"] >= 5)
        broker.faults.drop(count=1)
        gap = take_until(stream, marker(Gap))[-1]
        assert (gap.reason, gap.healing, gap.missing) == ("hole", False, 1)
        after = take_until(stream, lambda item: not isinstance(item, Event) and item["symbol"] == gap.key)[-1]
        assert (after["seq"], gap.before, gap.after) == (gap.before, gap.before, gap.before - 2)


@pytest.mark.parametrize("sequence", [None, Increasing("seq")])
def test_where_loss_cannot_be_seen_every_reconnect_is_told(broker: Broker, sequence: Any) -> None:
    """Without numbers that count, a reconnect is a gap of every key, with the time it spans."""
    with Stream(plain_feed(broker, sequence=sequence)) as stream:
        take_until(stream, lambda item: not isinstance(item, Event))
        broker.faults.cut()
        gap = take_until(stream, marker(Gap))[-1]
    assert (gap.key, gap.reason, gap.healing) == (None, "reconnect", False)
    assert 0 < gap.until_ns - gap.since_ns < PATIENCE * 1e9


def test_a_reconnect_without_loss_fetches_nothing() -> None:
    """When the next message goes on where the last one ended, the key is proved without a request."""
    with Broker(symbols=("ABC",), rate=0, heartbeat=0.1) as broker, Stream(feed_of(broker, verify_after=60.0)) as stream:
        broker.wait_for(lambda: any(broker.subscriptions.values()), PATIENCE)
        broker.publish("ABC")
        take_until(stream, marker(Snapshot))
        served = broker.counts["snapshots"]
        first = broker.connections
        broker.faults.cut()
        broker.wait_for(lambda: broker.connections != first and any(broker.subscriptions.values()), PATIENCE)
        broker.publish("ABC", 2)
        assert [stream.get(timeout=PATIENCE)["seq"], stream.get(timeout=PATIENCE)["seq"]] == [2, 3]
        assert broker.counts["snapshots"] == served


def test_a_silent_key_is_verified_after_a_reconnect() -> None:
    """A key whose loss no message shows is fetched when it stays silent after a reconnect."""
    replica = Replica()
    with Broker(symbols=("ABC",), rate=0, heartbeat=0.1) as broker, Stream(feed_of(broker)) as stream:
        broker.wait_for(lambda: any(broker.subscriptions.values()), PATIENCE)
        broker.publish("ABC", 3)
        follow(stream, replica, marker(Snapshot))
        broker.faults.drop(count=1)
        broker.publish("ABC")
        broker.faults.cut()
        follow(stream, replica, marker(Snapshot, position=4))
        assert replica.differences(broker) == []


def test_subscribing_again_after_every_reconnect(broker: Broker) -> None:
    """Every new connection is subscribed like the first."""
    with Stream(feed_of(broker)) as stream:
        items = stream.events()
        for _ in range(3):
            take_until(stream, marker(Connected), items)
            broker.wait_for(lambda: set().union(*broker.subscriptions.values()) == {"ABC", "XYZ"}, PATIENCE)
            broker.faults.cut()
            take_until(stream, marker(Disconnected), items)


def test_a_refused_handshake_is_tried_again(broker: Broker) -> None:
    """429 with Retry-After and 503 delay the connection; the venue's wish is the least delay."""
    broker.faults.refuse(429, attempts=1, retry_after=1)
    with Stream(feed_of(broker)) as stream:
        items = stream.events()
        refused = next(items)
        assert isinstance(refused, Disconnected)
        assert "429" in refused.reason
        assert refused.retry_in is not None
        assert 1.0 <= refused.retry_in <= 1.1
        take_until(stream, marker(Connected), items)


def test_a_wrong_token_is_fatal() -> None:
    """401 before any line was live ends the stream with one clear error, without the token in it."""
    with Broker(symbols=("ABC",), token="right-token") as broker:
        stream = Stream(feed_of(broker, headers={"Authorization": "Bearer wrong-token"}))
        with pytest.raises(ConnectFailed, match="401") as caught:
            stream.get(timeout=PATIENCE)
        assert "wrong-token" not in str(caught.value)
        stream.close()


def test_an_undecodable_message_is_quarantined(broker: Broker) -> None:
    """Garbage is told as an event with its beginning, and the stream goes on."""
    with Stream(feed_of(broker)) as stream:
        items = stream.events()
        take_until(stream, marker(Snapshot), items)
        broker.faults.garbage("{nonsense")
        event = take_until(stream, marker(Quarantined), items)[-1]
        assert event.raw == b"{nonsense"
        take_until(stream, lambda item: not isinstance(item, Event), items)


def test_a_snapshot_url_that_answers_html_is_one_clear_error(broker: Broker) -> None:
    """The very first snapshot being a web page is a mistake in the feed, and is named."""
    broker.faults.fail_snapshot("html", count=None)
    with Stream(feed_of(broker)) as stream, pytest.raises(SnapshotFailed, match=r"snapshot.*text/html"):
        stream.get(timeout=PATIENCE)


def test_a_key_that_no_message_has_is_one_clear_error(broker: Broker) -> None:
    """When nothing that comes has the key, the error names the key and the fields that were seen."""
    feed = feed_of(broker, key="ticker", first_data_limit=0.3)
    with Stream(feed) as stream, pytest.raises(DataFailed, match=r"key='ticker'.*symbol"):
        stream.get(timeout=PATIENCE)


def test_nobody_listens_gives_up_in_the_end() -> None:
    """A host that refuses cannot hang a loop for ever: the first line has a deadline."""
    with socket.socket() as taken:  # nobody else can listen there, and we do not
        taken.bind(("127.0.0.1", 0))
        feed = Feed(f"ws://127.0.0.1:{taken.getsockname()[1]}/", key="symbol", first_live_limit=0.5)
        with Stream(feed) as stream, pytest.raises(ConnectFailed, match="refused"):
            stream.get(timeout=PATIENCE)
