"""The switchboard of faults: one method for each thing that real venues do wrong.

    with Broker(...) as broker:
        broker.faults.drop(3)                       # the next three messages
        broker.faults.duplicate(rate=0.01)          # one in a hundred, until clear()
        broker.faults.cut()                         # now, every open connection
        broker.faults.refuse(429, attempts=2, retry_after=1)
        broker.faults.fail_snapshot(503, count=2)
        broker.faults.clear()

Four kinds, each with one set of arguments:

* messages on their way: `drop`, `duplicate`, `reorder`. Either the next `count`, or each with chance `rate`, or both.
* open connections, at once, after what was published before: `garbage`, `cut`, `close`, `mute`, `half_open`. They return how many
  connections it befell.
* handshakes to come: `refuse`, `accept_then_drop`. The next `attempts`, or all within `seconds`.
* snapshots to come: `stale_snapshot`, `slow_snapshot`, `fail_snapshot`. The next `count` (`None`: until `clear`). A snapshot can
  be stale, slow and failing all together.

And one for the market itself: `restart`. `symbol` and `connection` narrow a fault down; connections are numbered from 1.
Any thread may call these; each takes effect at one place in the order of what is published, so with a market that moves by
hand (`rate=0`) and the same seed everything comes out the same. Each fault that happened is counted in `Broker.counts`.
"""

from __future__ import annotations

import time
from typing import Any, Callable, Optional, Union

from .answers import SNAPSHOT_FAILURES
from .client import Client, Ending
from .rules import Rule
from .venue import Venue


class Faults:
    """Owned by: the venue's lock."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue

    def __repr__(self) -> str:
        return f"Faults({self.active!r})"

    @property
    def active(self) -> list[str]:
        """What is switched on now, in words."""
        now = time.monotonic()
        with self._venue.lock:
            rules = [str(rule) for rule in self._venue.rules if rule.until is None or now < rule.until]
            silent = [client for client in self._venue.clients.values() if client.is_silent(now)]
            return rules + [f"{'half_open' if client.deaf else 'mute'} connection={client.number}" for client in silent]

    def clear(self) -> None:
        """End everything that goes on: no more faults come, silent connections speak again, held messages are sent.

        What a silent connection missed stays missed. A half-open one now hears what it was told in the meantime.
        """
        with self._venue.lock:
            self._venue.rules.clear()
            for client in self._venue.clients.values():
                client.speak()
            self._venue.release_held()
            self._venue.note()
        self._venue.wake()

    # Messages on their way

    def drop(
        self,
        count: Optional[int] = None,
        *,
        rate: Optional[float] = None,
        symbol: Optional[str] = None,
        connection: Optional[int] = None,
    ) -> None:
        """Lose deltas. They are numbered first, so the loss leaves a hole. Counted as `dropped`."""
        self._message_rule("drop", count, rate, symbol, connection)

    def duplicate(
        self,
        count: Optional[int] = None,
        *,
        rate: Optional[float] = None,
        symbol: Optional[str] = None,
        connection: Optional[int] = None,
    ) -> None:
        """Send deltas twice, one right after the other. Counted as `duplicated`."""
        self._message_rule("duplicate", count, rate, symbol, connection)

    def reorder(
        self,
        count: Optional[int] = None,
        *,
        rate: Optional[float] = None,
        symbol: Optional[str] = None,
        connection: Optional[int] = None,
    ) -> None:
        """Swap deltas with the next one that this connection gets in the same numbering. Counted as `reordered`.

        So where symbols are numbered, messages of other symbols are not touched. The message waits until that next one comes.
        """
        self._message_rule("reorder", count, rate, symbol, connection)

    # Open connections

    def garbage(self, text: str = "{not json", *, connection: Optional[int] = None) -> int:
        """Send a message that no one can read, in addition to all others. Counted as `garbage`."""

        def befall(client: Client) -> None:
            self._venue.send_raw(client, text.encode())

        return self._connections("garbage", connection, befall)

    def cut(self, *, reset: bool = True, mid_frame: bool = False, connection: Optional[int] = None) -> int:
        """End connections without a close frame: by a TCP reset, or by a plain FIN. Counted as `cut`.

        `mid_frame`: the first half of a message goes before it.
        """
        return self._end("cut", connection, Ending(kind="reset" if reset else "fin", mid_frame=mid_frame))

    def close(self, code: Optional[int] = 1001, reason: str = "", *, connection: Optional[int] = None) -> int:
        """Close with any code, also one that the protocol forbids; `None`: a close frame without a code. Counted as `closed`."""
        if code is not None and not 0 <= code <= 65535:
            raise ValueError(f"code={code}: a close code has two bytes")
        if len(reason.encode()) > 123:
            raise ValueError(f"reason={reason!r}: a close frame has room for 123 bytes")
        return self._end("closed", connection, Ending(kind="close", code=code, reason=reason))

    def mute(self, *, seconds: Optional[float] = None, connection: Optional[int] = None) -> int:
        """Send nothing but pongs: no message, no heartbeat, no ack. What would have been sent is lost. Counted as `muted`.

        It lasts `seconds`, or until `clear` or the end of the connection; a new connection is not mute.
        """
        return self._silence("muted", seconds, connection, deaf=False)

    def half_open(self, *, seconds: Optional[float] = None, connection: Optional[int] = None) -> int:
        """Send nothing at all, not even pongs or the answer to a close, and never hang up. Counted as `half_opened`.

        It lasts as `mute` does.
        """
        return self._silence("half_opened", seconds, connection, deaf=True)

    # Handshakes to come

    def refuse(
        self,
        status: int = 503,
        *,
        attempts: Optional[int] = None,
        seconds: Optional[float] = None,
        retry_after: Optional[float] = None,
    ) -> None:
        """Answer WebSocket handshakes with this HTTP status, and `Retry-After` if given. Counted as `refused`."""
        if not 400 <= status <= 599:
            raise ValueError(f"status={status}: a refusal has an HTTP status from 400 to 599")
        self._handshake_rule("refuse", attempts, seconds, status=status, retry_after=retry_after)

    def accept_then_drop(self, *, attempts: Optional[int] = None, seconds: Optional[float] = None) -> None:
        """Accept handshakes, then reset the connection at once. Counted as `accepted_then_dropped`."""
        self._handshake_rule("accept_then_drop", attempts, seconds)

    # Subscriptions to come

    def lose_request(self, *, count: Optional[int] = 1) -> None:
        """Do not hear subscriptions, and do not say so. Counted as `lost_requests`."""
        self._check_times("count", count)
        self._add(Rule("lose_request", left=count))

    def forget(self, symbol: str, *, connection: Optional[int] = None) -> int:
        """Send nothing of this symbol any more, until it is subscribed again, and do not say so.

        Counted as `forgotten`, once for each connection that had it; returns how many.
        """
        self._check_symbol(symbol)
        with self._venue.lock:
            clients = [client for client in self._venue.open_clients(connection) if symbol in client.topics]
            for client in clients:
                client.topics.discard(symbol)
            self._venue.counts["forgotten"] += len(clients)
            self._venue.note()
        return len(clients)

    def refuse_topic(self, symbol: str, *, count: Optional[int] = 1) -> None:
        """Answer a subscription with this symbol in it by an error. Counted as `refused_topics`."""
        self._check_symbol(symbol)
        self._check_times("count", count)
        self._add(Rule("refuse_topic", left=count, symbol=symbol))

    # Snapshots to come

    def stale_snapshot(self, versions: int, *, count: Optional[int] = 1, symbol: Optional[str] = None) -> None:
        """Answer with the state so many versions ago, or the oldest there is. Counted as `stale_snapshots`."""
        if versions < 1:
            raise ValueError(f"versions={versions}: a stale snapshot is at least one version old")
        self._snapshot_rule("stale_snapshot", count, symbol, versions=versions)

    def slow_snapshot(self, seconds: float, *, count: Optional[int] = 1, symbol: Optional[str] = None) -> None:
        """Answer later, with the state there was when it was asked for. Counted as `slow_snapshots`."""
        if not seconds > 0:
            raise ValueError(f"seconds={seconds}: a slow snapshot takes some time")
        self._snapshot_rule("slow_snapshot", count, symbol, seconds=seconds)

    def fail_snapshot(
        self,
        how: Union[int, str] = 503,
        *,
        count: Optional[int] = 1,
        symbol: Optional[str] = None,
        retry_after: Optional[float] = None,
    ) -> None:
        """Do not answer properly. Counted as `failed_snapshots`.

        `how`: an HTTP status from 400 to 599 (with `Retry-After` if given); `"html"`: a page, with status 200;
        `"truncated"`: half of the JSON, with status 200; `"cut"`: a TCP reset in mid-answer.
        """
        if how not in SNAPSHOT_FAILURES and not (isinstance(how, int) and 400 <= how <= 599):
            raise ValueError(f"how={how!r}: an HTTP status from 400 to 599, or one of {', '.join(SNAPSHOT_FAILURES)}")
        self._snapshot_rule("fail_snapshot", count, symbol, how=how, retry_after=retry_after)

    # The market

    def restart(self, symbol: Optional[str] = None, *, empty: bool = False) -> None:
        """Number from 1 again: that symbol, or all. Counted as `restarted`, once for each symbol.

        The state is carried on, or with `empty` begins from nothing; a snapshot tells it in the new numbering. Where connections
        are numbered, they all start again too.
        """
        self._check_symbol(symbol)
        venue = self._venue
        with venue.lock:
            symbols = list(venue.market.books) if symbol is None else [symbol]
            venue.restart(symbols, empty=empty)
            venue.counts["restarted"] += len(symbols)
            venue.note()
        venue.wake()

    # One way for each kind

    def _message_rule(
        self, name: str, count: Optional[int], rate: Optional[float], symbol: Optional[str], connection: Optional[int]
    ) -> None:
        if rate is not None and not 0 < rate <= 1:
            raise ValueError(f"rate={rate}: a chance above 0 and up to 1")
        self._check_symbol(symbol)
        self._check_times("count", count)
        left = 1 if count is None and rate is None else count
        self._add(Rule(name, left=left, rate=rate, symbol=symbol, connection=connection))

    def _handshake_rule(self, name: str, attempts: Optional[int], seconds: Optional[float], **settings: Any) -> None:
        self._check_times("attempts", attempts)
        left = 1 if attempts is None and seconds is None else attempts
        until = None if seconds is None else time.monotonic() + seconds
        self._add(Rule(name, left=left, until=until, **settings))

    def _snapshot_rule(self, name: str, count: Optional[int], symbol: Optional[str], **settings: Any) -> None:
        self._check_symbol(symbol)
        self._check_times("count", count)
        self._add(Rule(name, left=count, symbol=symbol, **settings))

    def _add(self, rule: Rule) -> None:
        with self._venue.lock:
            self._venue.rules.add(rule)

    def _end(self, count: str, connection: Optional[int], ending: Ending) -> int:
        def befall(client: Client) -> None:
            client.ending = ending

        return self._connections(count, connection, befall)

    def _silence(self, count: str, seconds: Optional[float], connection: Optional[int], *, deaf: bool) -> int:
        until = None if seconds is None else time.monotonic() + seconds

        def befall(client: Client) -> None:
            client.silence(until, deaf=deaf)

        return self._connections(count, connection, befall)

    def _connections(self, count: str, connection: Optional[int], befall: Callable[[Client], None]) -> int:
        venue = self._venue
        with venue.lock:
            clients = venue.open_clients(connection)
            for client in clients:
                befall(client)
            venue.counts[count] += len(clients)
            venue.note()
        venue.wake()
        return len(clients)

    def _check_symbol(self, symbol: Optional[str]) -> None:
        if symbol is not None and symbol not in self._venue.market.books:
            raise ValueError(f"symbol={symbol!r}: this venue has {', '.join(self._venue.market.books)}")

    def _check_times(self, name: str, times: Optional[int]) -> None:
        if times is not None and times < 1:
            raise ValueError(f"{name}={times}: at least once")
