"""What the venue knows and does, without a socket: the market, its clients, its faults and its counts, behind one lock.

Three kinds of threads call it: the market thread and the user's (publish, faults, questions), and the I/O thread (a client
came, said something, went; time passed). A move of the market, the numbers it gets on each connection and the snapshot of its
symbol are all made under the lock, so they always agree. Nothing in here blocks: frames are only put on each client's queue, and
a client that does not take them is cut off.

Deliberately not here: sockets and protocols (session.py, server.py), the market's own clock (broker.py), the public way to
switch faults on (faults.py).
"""

from __future__ import annotations

import json
import math
import threading
import time
from collections import Counter
from typing import Any, Callable, Iterable, Optional, Sequence, Union
from urllib.parse import unquote

import msgspec

from . import answers
from .answers import Answer
from .client import Client, Ending
from .market import Delta, Market, State
from .rules import Rules
from .wire import text_frame

FEED_PATH = "/feed"
SNAPSHOT_PATH = "/snapshot/"

_CHUNK = 256  # messages published in one go; between two of them others get the lock


class Venue:
    """Owned by: `lock`; every attribute below `changed` is read and changed under it, and nothing that may block runs under it.

    `wake` is called after something was queued, without the lock. `backlog` is in bytes for each connection.
    """

    def __init__(
        self,
        symbols: Sequence[str],
        *,
        seed: int,
        per_connection: bool,
        numbered_control: bool,
        heartbeat: Optional[float],
        token: Optional[str],
        acks: Union[bool, str],
        backlog: int,
        welcome: bool = False,
        login: Optional[str] = None,
        in_band: bool = False,
    ) -> None:
        self.lock = threading.Lock()
        self.changed = threading.Condition(self.lock)
        self.wake: Callable[[], None] = lambda: None
        self.changes = 0
        self.market = Market(symbols, seed)
        self.rules = Rules(seed)
        self.counts: Counter[str] = Counter()
        self.clients: dict[int, Client] = {}
        self.per_connection = per_connection
        self.token = token
        self._heads = {symbol: f'{{"type":"delta","symbol":{json.dumps(symbol)},"seq":' for symbol in symbols}
        self._numbered_control = numbered_control
        self._heartbeat = heartbeat
        self._acks = acks
        self._welcome = welcome
        self._login = login
        self._in_band = in_band
        self._backlog = backlog

    # The market moves

    def publish(self, symbol: Optional[str], count: int, *, until: Callable[[], bool] = lambda: False) -> None:
        """`count` moves of `symbol`, or of whichever symbol's turn it is, unless `until` comes true under way."""
        while count > 0:
            with self.lock:
                if until():
                    return
                for _ in range(min(count, _CHUNK)):
                    self._publish_one(symbol or self.market.pick())
                self.note()
            count -= _CHUNK
            self.wake()

    def note(self) -> None:
        """Something changed: let those who wait for it look. With the lock held."""
        self.changes += 1
        self.changed.notify_all()

    def _publish_one(self, symbol: str) -> None:
        delta = self.market.books[symbol].move()
        self.counts["published"] += 1
        text = _tail(delta)
        frame = b"" if self.per_connection else self._delta_frame(symbol, delta.version, text)
        for client in self.clients.values():
            if symbol in client.topics:
                client.seq += 1
                self._send_delta(client, symbol, frame or self._delta_frame(symbol, client.seq, text))

    def _delta_frame(self, symbol: str, seq: int, tail: str) -> bytes:
        return text_frame(f"{self._heads[symbol]}{seq}{tail}".encode())

    def _send_delta(self, client: Client, symbol: str, frame: bytes) -> None:
        if not self._hears(client):
            return
        counter = None if self.per_connection else symbol
        fault = self.rules.message(symbol, client.number, swappable=counter not in client.held)
        if fault == "drop":
            self.counts["dropped"] += 1
            return
        if fault == "reorder":
            self.counts["reordered"] += 1
            client.held[counter] = frame
            return
        self._queue(client, frame)
        self.counts["sent"] += 1
        if fault == "duplicate":
            self.counts["duplicated"] += 1
            self._queue(client, frame)
        if client.held:
            self._release(client, counter)

    def _release(self, client: Client, counter: Optional[str]) -> None:
        frame = client.held.pop(counter, None)
        if frame is not None:
            self._queue(client, frame)
            self.counts["sent"] += 1

    def _hears(self, client: Client) -> bool:
        """Whether anything can be sent to the client now; if not, the message is lost to it."""
        if client.ending is None and not (client.silent_until and client.is_silent(time.monotonic())):
            return True
        self.counts["unsent"] += 1
        return False

    def _queue(self, client: Client, frame: bytes) -> None:
        if client.ending is not None:
            return
        client.queue(frame)
        if client.waiting + client.in_flight > self._backlog:
            self.counts["too_slow"] += 1
            client.take()
            client.ending = Ending(kind="reset")

    # What the I/O thread reports

    def refusal(self, authorization: list[str], now: float) -> Optional[Answer]:
        """Why this handshake is refused, or `None`."""
        with self.lock:
            rule = self.rules.take("refuse", now=now)
            if rule is not None:
                self.counts["refused"] += 1
                self.note()
                status = rule.settings["status"]
                return answers.error(status, answers.phrase(status), retry_after=rule.settings["retry_after"])
            return self._unauthorized(authorization)

    def opened(self, now: float) -> Client:
        """A handshake was accepted."""
        with self.lock:
            self.counts["connects"] += 1
            client = Client(self.counts["connects"], now + (self._heartbeat or 0.0))
            self.clients[client.number] = client
            if self.rules.take("accept_then_drop", now=now) is not None:
                self.counts["accepted_then_dropped"] += 1
                client.ending = Ending(kind="reset")
            if self._welcome:
                self._control(client, {"type": "welcome"}, numbered=True, count="welcomes")
            self.note()
            return client

    def closed(self, client: Client) -> None:
        """The connection is over, or its end has begun. Repeating it does nothing."""
        with self.lock:
            if self.clients.pop(client.number, None) is not None:
                self.counts["disconnects"] += 1
                self.note()

    def received(self, client: Client, text: bytes) -> None:
        """A client sent a message."""
        with self.lock:
            self.counts["received"] += 1
            problem = None
            if text == b"ping":
                self._reply(client, b"pong", "app_pings")
            else:
                problem = self._obey(client, text)
            if problem is not None:
                self.counts["errors"] += 1
                self._control(client, {"type": "error", **problem}, numbered=False)
            self.note()

    def tally(self, name: str) -> None:
        with self.lock:
            self.counts[name] += 1
            self.note()

    def tick(self, now: float) -> Optional[float]:
        """Send the heartbeats that are due. The moment of the next one, or of the end of a silence."""
        moments = []
        with self.lock:
            for client in self.clients.values():
                if self._heartbeat is not None and client.ending is None:
                    if now >= client.heartbeat_at:
                        client.heartbeat_at += self._heartbeat
                        if client.heartbeat_at <= now:  # late: one is enough
                            client.heartbeat_at = now + self._heartbeat
                        self._control(client, {"type": "heartbeat", "ts_ns": time.time_ns()}, numbered=True, count="heartbeats")
                        self.note()
                    moments.append(client.heartbeat_at)
                if client.is_deaf(now) and client.silent_until < math.inf:
                    moments.append(client.silent_until)
        return min(moments) if moments else None

    def snapshot(self, path: str, authorization: list[str], now: float) -> Answer:
        """The answer to a GET of any path that is not the feed's."""
        symbol = unquote(path[len(SNAPSHOT_PATH) :].partition("?")[0])
        with self.lock:
            self.note()
            refused = self._unauthorized(authorization)
            if refused is not None:
                return refused
            if not path.startswith(SNAPSHOT_PATH) or symbol not in self.market.books:
                self.counts["not_found"] += 1
                return answers.error(404, f"there is no {symbol!r}" if symbol else "there is nothing here")
            stale = self.rules.take("stale_snapshot", now=now, symbol=symbol)
            slow = self.rules.take("slow_snapshot", now=now, symbol=symbol)
            failed = self.rules.take("fail_snapshot", now=now, symbol=symbol)
            state = self.market.books[symbol].state(stale.settings["versions"] if stale else 0)
            answer = answers.snapshot(self.body(state), after=slow.settings["seconds"] if slow else 0.0)
            self.counts["stale_snapshots"] += stale is not None
            self.counts["slow_snapshots"] += slow is not None
            self.counts["failed_snapshots"] += failed is not None
            self.counts["snapshots"] += failed is None
        if failed is not None:
            return answers.failed(answer, failed.settings["how"], failed.settings["retry_after"])
        return answer

    def body(self, state: State) -> dict[str, Any]:
        """What a snapshot looks like. Without `seq` where connections are numbered: no snapshot can know that number."""
        return {
            "symbol": state.symbol,
            **({} if self.per_connection else {"seq": state.version}),
            "version": state.version,
            "bids": [[price, size] for price, size in state.bids.items()],
            "asks": [[price, size] for price, size in state.asks.items()],
            "volume": state.volume,
        }

    def _unauthorized(self, authorization: list[str]) -> Optional[Answer]:
        if self.token is None or authorization == [f"Bearer {self.token}"]:
            return None
        self.counts["unauthorized"] += 1
        self.note()
        return answers.error(401, "a token is needed, and this is not it")

    def _obey(self, client: Client, text: bytes) -> Optional[dict[str, Any]]:
        """Do what the client asks. What is wrong with it, or `None`."""
        try:
            request = msgspec.json.decode(text, type=_Request)
        except msgspec.MsgspecError as error:
            return {"message": str(error)}
        echo = {} if request.id is None else {"id": request.id}
        if request.action == "login":
            return self._log_in(client, request.key, echo)
        if request.action == "answer":
            self.counts["answers"] += 1
            return None
        if self._login is not None and not client.known:
            return {"message": "log in first", **echo}
        if request.action in ("subscribe", "snapshot") and self.rules.take("lose_request", now=0.0) is not None:
            self.counts["lost_requests"] += 1
            return None
        for symbol in request.symbols if request.action == "subscribe" else ():
            if self.rules.take("refuse_topic", now=0.0, symbol=symbol) is not None:
                self.counts["refused_topics"] += 1
                return {"message": "not allowed", "symbols": request.symbols, **echo}
        return self._change(client, request, echo)

    def _log_in(self, client: Client, key: str, echo: dict[str, Any]) -> Optional[dict[str, Any]]:
        if key != self._login:
            self.counts["unauthorized"] += 1
            return {"message": "wrong key", **echo}
        client.known = True
        self._control(client, {"type": "login", **echo}, numbered=True, count="logins")
        return None

    def _change(self, client: Client, request: _Request, echo: dict[str, Any]) -> Optional[dict[str, Any]]:
        """Change what a client has subscribed."""
        known = [symbol for symbol in request.symbols if symbol in self.market.books]
        unknown = [symbol for symbol in request.symbols if symbol not in self.market.books]
        if request.action == "subscribe":
            client.topics.update(known)
        elif request.action == "unsubscribe":
            client.topics.difference_update(known)
        elif request.action != "snapshot":
            return {"message": f"there is no action {request.action!r}", **echo}
        if request.action != "snapshot" and self._acks and (known or not unknown):
            named = sorted(client.topics) if self._acks == "cumulative" else known
            self._control(client, {"type": f"{request.action}d", "symbols": named, **echo}, numbered=True, count="acks")
        if request.action == "snapshot" or (request.action == "subscribe" and self._in_band):
            for symbol in known:
                self._tell_state(client, symbol, echo)
        return {"message": "unknown symbol", "symbols": unknown, **echo} if unknown else None

    def _tell_state(self, client: Client, symbol: str, echo: dict[str, Any]) -> None:
        """A snapshot on the line, in its order. It is data: where connections are numbered it has its number, too."""
        stale = self.rules.take("stale_snapshot", now=0.0, symbol=symbol)
        state = self.market.books[symbol].state(stale.settings["versions"] if stale else 0)
        self.counts["stale_snapshots"] += stale is not None
        body = self.body(state)
        if self.per_connection:
            client.seq += 1
            body["seq"] = client.seq
        self._control(client, {"type": "snapshot", **body, **echo}, numbered=False, count="in_band")

    def _reply(self, client: Client, payload: bytes, count: str) -> None:
        """A text that is no message of the feed."""
        if self._hears(client):
            self._queue(client, text_frame(payload))
            self.counts[count] += 1

    def _control(self, client: Client, message: dict[str, Any], *, numbered: bool, count: str = "") -> None:
        if numbered and self._numbered_control:
            client.seq += 1
            message["seq"] = client.seq
        if self._hears(client):
            self._queue(client, text_frame(msgspec.json.encode(message)))
            if count:
                self.counts[count] += 1

    # What faults do to connections and to the numbering; with the lock held

    def open_clients(self, number: Optional[int]) -> list[Client]:
        """Those a fault is meant for: the given connection, or all that are open."""
        return [client for client in self.clients.values() if client.ending is None and number in (None, client.number)]

    def send_raw(self, client: Client, payload: bytes) -> None:
        if self._hears(client):
            self._queue(client, text_frame(payload))

    def release_held(self) -> None:
        """Send what still waits to be overtaken."""
        for client in self.clients.values():
            for counter in list(client.held):
                self._release(client, counter)

    def restart(self, symbols: Iterable[str], *, empty: bool) -> None:
        self.release_held()
        for symbol in symbols:
            self.market.books[symbol].restart(empty=empty)
        if self.per_connection:
            for client in self.clients.values():
                client.seq = 0


class _Request(msgspec.Struct):
    action: str
    symbols: list[str] = []
    id: Union[int, str, None] = None
    key: str = ""


def _tail(delta: Delta) -> str:
    return (
        f',"version":{delta.version},"side":"{delta.side}","price":"{delta.price}","size":{delta.size},'
        f'"volume":{delta.volume},"ts_ns":{time.time_ns()}}}'
    )
