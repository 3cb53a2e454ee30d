"""A consumer that takes everything a stream yields, keeps a replica of the venue's state, and notes when it saw what."""

from __future__ import annotations

import contextlib
from typing import Any, Callable, Optional

from syncstream import Contiguous, Disconnected, Empty, Event, Feed, Rest, Snapshot, Stale, Stream
from syncstream.clock import now
from syncstream.testing import Broker, Replica

from .scenario import Record

PATIENCE = 45.0
"""Seconds after which a scenario gives up; its own mark is far below."""


def feed_of(broker: Broker, **changes: Any) -> Feed:
    """What a user would write for this venue. What is not named here is the library's default."""
    settings: dict[str, Any] = {
        "subscribe": broker.subscribe,
        "key": "symbol",
        "sequence": Contiguous("seq"),
        "snapshot": Rest(broker.snapshot_url, position="seq"),
    }
    settings.update(changes)
    return Feed(settings.pop("endpoint", broker.url), **settings)


class Follower:
    """Owned by: the scenario. Takes the events of `stream` on the caller's thread."""

    def __init__(self, broker: Broker, stream: Stream) -> None:
        self.replica = Replica()
        self.saw: list[str] = []
        self.noticed_at: Optional[float] = None
        self._broker = broker
        self._stream = stream
        self._spoke: set[Any] = set()  # keys, since the last `begin` or the last loss of the line
        stream.events()  # fixes the view; get() takes from it

    def begin(self) -> float:
        """What is seen from now on is what counts."""
        self.saw.clear()
        self._spoke.clear()
        self.noticed_at = None
        return now()

    def take(self, timeout: float) -> Any:
        """The next item, applied and noted. Raises like `get`."""
        item = self._stream.get(timeout=timeout)
        self.replica.apply(item)
        if not isinstance(item, Event):
            self._spoke.add(item["symbol"])
            return item
        kind = type(item).__name__
        if kind not in self.saw:
            self.saw.append(kind)
        if isinstance(item, (Disconnected, Stale)):
            self.noticed_at = self.noticed_at or now()
            self._spoke.clear()
        elif isinstance(item, Snapshot):
            self._spoke.add(item.key)
        return item

    def until(self, enough: Callable[[], Any]) -> None:
        """Take items until it is enough. `TimeoutError` if it never is."""
        end = now() + PATIENCE
        while not enough():
            self.take(max(0.0, end - now()))

    def noticed(self) -> bool:
        return self.noticed_at is not None

    def all_speak(self) -> bool:
        """Every key was heard since the line was last lost, or held for mute."""
        return len(self._spoke) == len(self._broker.symbols)

    def warm_up(self) -> None:
        """Until every key is live and has said a little."""
        self.until(self.is_warm)

    def is_warm(self) -> bool:
        return self.all_speak() and self.replica.total.applied >= 20 and not self._stream.status.syncing

    def drain(self, seconds: float) -> None:
        """Take what comes in this time."""
        end = now() + seconds
        with contextlib.suppress(Empty):
            while True:
                self.take(max(0.0, end - now()))

    def record(self, fault_at: float, over_at: Optional[float] = None) -> Record:
        """Wait until all is whole again, compare with the venue, and say what was measured."""
        if over_at is not None:
            self._spoke.clear()
        self.until(self.all_speak)
        whole = now() - (fault_at if over_at is None else over_at)
        self.catch_up()
        wrong = self.replica.differences(self._broker)
        total = self.replica.total
        if total.wrong:
            wrong.append(f"lost {total.lost}, duplicated {total.duplicated}, out of order {total.out_of_order}")
        noticed = None if self.noticed_at is None else self.noticed_at - fault_at
        return Record(noticed, whole, tuple(self.saw), self._broker.counts["connects"], tuple(wrong))

    def catch_up(self) -> None:
        """Let the market rest and take what there is, until the replica equals the venue or nothing more comes."""
        self._broker.pause()
        end = now() + 5.0
        while self.replica.differences(self._broker) and now() < end:
            for item in self._stream.get_many(timeout=0.1):
                self.replica.apply(item)
