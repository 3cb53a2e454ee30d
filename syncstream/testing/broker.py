"""`Broker`: a venue in a box, on one loopback port. A WebSocket feed, REST snapshots beside it, a market, and all the faults.

Two threads while it runs: `syncstream-broker-io` does all I/O, `syncstream-broker-market` is the market's own clock. What they
share is the venue, behind its lock. Nothing is printed, and all chance comes from `seed`.

Messages are JSON text. A client asks with `{"action": "subscribe", "symbols": [...]}`, or `"unsubscribe"`, and gets

    {"type": "subscribed", "symbols": [...]}                            and "unsubscribed"; unless acks=False
    {"type": "error", "message": ..., "symbols": [...]}                 the symbols only where they are unknown
    {"type": "welcome"}                                                 at the beginning, with welcome=True
    {"type": "login"}                                                   for {"action": "login", "key": ...}, with login=<the key>
    {"type": "heartbeat", "ts_ns": ...}                                 every `heartbeat` seconds
    {"type": "snapshot", "symbol": "ABC", "seq": 17, ...}               for {"action": "snapshot", "symbols": [...]}; with
                                                                        in_band=True each subscription begins with one
    {"type": "delta", "symbol": "ABC", "seq": 17, "version": 17, "side": "bid", "price": "100.01", "size": 3, "volume": 5,
     "ts_ns": ...}

An `id` in a request comes back in its answer. With acks="cumulative" each names all that is subscribed. The text `ping` is
answered by `pong`, `{"action": "answer", ...}` is counted (see `tell`).

`size` is the new size of the level (0: it is gone), `volume` an increment; the state of a symbol is its bids, its asks and the
sum of all increments, so a delta that was lost or applied twice stays visible for ever. `version` counts the deltas of a symbol
from 1. `seq` is the same with `sequence="symbol"`; with `sequence="connection"` it counts what this connection gets, from 1.

A snapshot is `{"symbol", "seq", "version", "bids": [[price, size], ...], "asks": [...], "volume"}`, without `seq` where
connections are numbered; on the line it has the next number there. An unknown symbol is a 404, a missing token a 401, each with
`{"error": ...}`.
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from types import TracebackType
from typing import Any, Callable, Optional, Sequence, TypeVar, Union

from ..feed import Feed
from .description import describe
from .faults import Faults
from .market import State
from .server import Server
from .venue import FEED_PATH, SNAPSHOT_PATH, Venue

T = TypeVar("T")

_SHORTEST_PAUSE = 0.002  # seconds between two turns of the market's clock
_LATE = 0.5  # seconds the market may be behind its clock; beyond that the missed moves are left out


class Broker:
    """A venue for tests. Use it in a `with`, or call `start()` and `stop()`; it runs once. Any thread may call anything.

    Owned by: nobody; the venue's lock guards what changes.

    `rate`: deltas per second, over all symbols; 0: the market only moves by `publish`. `sequence`: `"symbol"` or `"connection"`,
    what `seq` counts. `numbered_control`: heartbeats and acks are numbered too (only with `"connection"`). `heartbeat`: seconds,
    `None` for none. `token`: what clients must show, for the feed and for snapshots. `ping_interval`: seconds between WebSocket
    pings to the clients, which must answer within `ping_timeout` (by default as long). `port`: 0 for any free one. `backlog`:
    bytes that may wait for one client before it is cut off as too slow. A value that cannot work is a `ValueError`.

    `counts` has these names; one that never happened is 0:

    * `published` moves of the market; `sent` deltas put on their way to a client, `unsent` what a silent or ending one missed;
      `heartbeats`, `acks`, `errors`, `received`; `pings` answered, `pongs` received, `unanswered` pings of ours;
    * `in_band` snapshots, `welcomes`, `logins`, `app_pings` and `answers` of the venue's own kind;
    * `connects`, `disconnects`, `too_slow` (cut off), `unauthorized`, `not_found`, `snapshots` (answered well, stale ones too);
    * the faults that happened: `dropped`, `duplicated`, `reordered`, `garbage`, `cut`, `closed`, `muted`, `half_opened`,
      `refused`, `accepted_then_dropped`, `stale_snapshots`, `slow_snapshots`, `failed_snapshots`, `restarted`,
      `lost_requests`, `refused_topics`, `forgotten`.
    """

    def __init__(
        self,
        *,
        symbols: Sequence[str] = ("ABC", "XYZ"),
        rate: float = 50.0,
        seed: int = 1,
        sequence: str = "symbol",
        numbered_control: bool = False,
        heartbeat: Optional[float] = 1.0,
        token: Optional[str] = None,
        acks: Union[bool, str] = True,
        welcome: bool = False,
        login: Optional[str] = None,
        in_band: bool = False,
        port: int = 0,
        ping_interval: Optional[float] = None,
        ping_timeout: Optional[float] = None,
        backlog: int = 64 * 1024 * 1024,
    ) -> None:
        _check(not isinstance(symbols, str) and len(symbols) > 0, "symbols", symbols, "a sequence of names, at least one")
        _check(len(set(symbols)) == len(symbols), "symbols", symbols, "each name once")
        _check(rate >= 0, "rate", rate, "deltas per second, 0 for a market that moves by hand")
        _check(sequence in ("symbol", "connection"), "sequence", sequence, "'symbol' or 'connection'")
        _check(not numbered_control or sequence == "connection", "numbered_control", True, "needs sequence='connection'")
        for name, value in (("heartbeat", heartbeat), ("ping_interval", ping_interval), ("ping_timeout", ping_timeout)):
            _check(value is None or value > 0, name, value, "seconds, or None")
        _check(acks in (True, False, "cumulative"), "acks", acks, "True, False or 'cumulative'")
        _check(backlog > 0, "backlog", backlog, "bytes")
        self.symbols = tuple(symbols)
        self.rate = rate
        self._manners: dict[str, Any] = {
            "per_connection": sequence == "connection",
            "numbered_control": numbered_control,
            "heartbeat": heartbeat,
            "acks": acks,
            "welcome": welcome,
            "login": login,
            "in_band": in_band,
        }
        self._port = port
        self._ping_interval = ping_interval
        self._ping_timeout = ping_interval if ping_timeout is None else ping_timeout
        self._venue = Venue(
            self.symbols,
            seed=seed,
            token=token,
            backlog=backlog,
            **self._manners,
        )
        self.faults = Faults(self._venue)
        self._server: Optional[Server] = None
        self._ticker: Optional[threading.Thread] = None
        self._running = threading.Event()  # set: the market's clock runs
        self._running.set()
        self._stopped = threading.Event()

    def __repr__(self) -> str:
        where = self.url if self._server else "not started"
        return f"Broker({where}, symbols={self.symbols!r})"

    # Life

    def start(self) -> Broker:
        """Open the port and start the market. A port that is taken is an `OSError`."""
        if self._server is not None or self._stopped.is_set():
            raise RuntimeError("a Broker runs once; make a new one")
        self._server = Server(self._venue, self._port, ping_interval=self._ping_interval, ping_timeout=self._ping_timeout)
        self._venue.wake = self._server.wake
        self._server.start()
        if self.rate:
            self._ticker = threading.Thread(target=self._tick, name="syncstream-broker-market", daemon=True)
            self._ticker.start()
        return self

    def stop(self) -> None:
        """Say goodbye to the clients, and end: within a second, whatever faults are on. Repeating it does nothing."""
        first = not self._stopped.is_set()
        self._stopped.set()
        self._running.set()
        if self._ticker is not None:
            self._ticker.join()
        if self._server is not None and first:
            self._server.stop()
            self._note()

    def __enter__(self) -> Broker:
        return self.start()

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], traceback: Optional[TracebackType]
    ) -> None:
        self.stop()

    # What a client needs

    @property
    def port(self) -> int:
        if self._server is None:
            raise RuntimeError("this Broker has not been started; use it in a `with`")
        return self._server.port

    @property
    def url(self) -> str:
        """The feed: `"ws://127.0.0.1:PORT/feed"`."""
        return f"ws://127.0.0.1:{self.port}{FEED_PATH}"

    @property
    def snapshot_url(self) -> str:
        """A template with `{key}`, the symbol: `"http://127.0.0.1:PORT/snapshot/{key}"`."""
        return f"http://127.0.0.1:{self.port}{SNAPSHOT_PATH}{{key}}"

    @property
    def headers(self) -> dict[str, str]:
        """What shows the token, for the feed and for snapshots; empty without one."""
        return {} if self._venue.token is None else {"Authorization": f"Bearer {self._venue.token}"}

    @property
    def subscribe(self) -> dict[str, Any]:
        """What a client sends to get all symbols."""
        return {"action": "subscribe", "symbols": list(self.symbols)}

    @property
    def unsubscribe(self) -> dict[str, Any]:
        return {"action": "unsubscribe", "symbols": list(self.symbols)}

    def feed(self, **fields: Any) -> Feed:
        """All this venue offers, said as a `Feed`: numbers, snapshots, books, heartbeats, acks, and how a line opens.

        `fields` are those of `Feed`, in place of what would stand there: `topics=["ABC"]`, `snapshot=None, book=None`. The market
        begins with empty books; `publish` a while first if that disturbs.
        """
        return describe(self.url, self.snapshot_url, symbols=self.symbols, headers=self.headers, fields=fields, **self._manners)

    # The market

    def publish(self, symbol: Optional[str] = None, count: int = 1) -> None:
        """Let the market move `count` times: that symbol, or each time the one whose turn it is. Returns when all is queued."""
        _check(symbol is None or symbol in self.symbols, "symbol", symbol, f"this venue has {', '.join(self.symbols)}")
        _check(count >= 0, "count", count, "how many moves")
        self._venue.publish(symbol, count)

    def tell(self, message: Any, *, connection: Optional[int] = None) -> int:
        """Send a message of any kind, as JSON, to all connections or one: a notice, a challenge. How many it went to."""
        payload = json.dumps(message).encode()
        with self._venue.lock:
            clients = self._venue.open_clients(connection)
            for client in clients:
                self._venue.send_raw(client, payload)
            self._venue.note()
        self._venue.wake()
        return len(clients)

    def pause(self) -> None:
        """Stop the market's own clock. When this returns it has published its last, and what is queued is still sent."""
        with self._venue.lock:
            self._running.clear()

    def resume(self) -> None:
        """Let the market's own clock run on from now."""
        self._running.set()

    def state(self, symbol: str) -> State:
        """The true state of one symbol."""
        _check(symbol in self.symbols, "symbol", symbol, f"this venue has {', '.join(self.symbols)}")
        with self._venue.lock:
            return self._venue.market.books[symbol].state()

    def states(self) -> dict[str, State]:
        """The true state of every symbol, all of the same moment."""
        with self._venue.lock:
            return {symbol: book.state() for symbol, book in self._venue.market.books.items()}

    # What a test asks

    @property
    def connections(self) -> tuple[int, ...]:
        """The numbers of the open connections, oldest first. They count from 1; one that the venue is ending is not in it."""
        with self._venue.lock:
            return tuple(client.number for client in self._venue.open_clients(None))

    @property
    def subscriptions(self) -> dict[int, frozenset[str]]:
        """Which symbols each open connection has subscribed."""
        with self._venue.lock:
            return {client.number: frozenset(client.topics) for client in self._venue.open_clients(None)}

    @property
    def counts(self) -> Counter[str]:
        """How often what has happened; a copy."""
        with self._venue.lock:
            return +self._venue.counts  # a copy, without those that are 0

    def wait_for(self, condition: Callable[[], T], timeout: float = 5.0) -> T:
        """Wait until `condition()` is true, and return what it returned. `TimeoutError` with the counts if it does not come true.

        It is asked whenever something changed at the venue, and now and then besides; it may call anything of the broker.
        """
        deadline = time.monotonic() + timeout
        while True:
            seen = self._venue.changes
            found = condition()
            remaining = deadline - time.monotonic()
            if found:
                return found
            if remaining <= 0:
                raise TimeoutError(f"this did not come true within {timeout:g} s; counts: {dict(self.counts)}")
            with self._venue.changed:
                if self._venue.changes == seen:
                    self._venue.changed.wait(min(remaining, 0.05))

    # The market's clock

    def _tick(self) -> None:
        pause = max(1.0 / self.rate, _SHORTEST_PAUSE)
        behind = 0.0
        last = time.monotonic()
        while not self._stopped.wait(pause):
            if not self._running.is_set():
                self._running.wait()
                last = time.monotonic()
                continue
            now = time.monotonic()
            behind += min(now - last, _LATE) * self.rate
            last = now
            self._venue.publish(None, int(behind), until=self._is_held_up)
            behind -= int(behind)

    def _is_held_up(self) -> bool:
        return self._stopped.is_set() or not self._running.is_set()

    def _note(self) -> None:
        with self._venue.lock:
            self._venue.note()


def _check(good: bool, name: str, value: object, what: str) -> None:
    if not good:
        raise ValueError(f"{name}={value!r}: {what}")
