"""The thread that does the venue's I/O: one selector over the listening socket, all connections and a wake pair.

One thread for all connections, none of which can make it wait: sockets do not block, a slow answer is a deadline, a client that
does not read has its frames waiting in its own queue. So stopping is a matter of waking this thread, in every state.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
import time
from typing import Optional

from .session import Session
from .venue import Venue

STOP_WAIT = 0.3  # seconds the clients have to answer the close frame of a venue that stops

_BACKLOG = 128


class Server:
    """Owned by: its own thread. Others may call: start, stop, wake."""

    def __init__(self, venue: Venue, port: int, *, ping_interval: Optional[float], ping_timeout: Optional[float]) -> None:
        self._venue = venue
        self._pings = {"ping_interval": ping_interval, "ping_timeout": ping_timeout}
        self._sessions: dict[socket.socket, Session] = {}
        self._stopping = False
        self._woken = False
        self._listener = socket.create_server(("127.0.0.1", port), backlog=_BACKLOG)
        self._listener.setblocking(False)
        self.port: int = self._listener.getsockname()[1]
        self._wake_in, self._wake_out = socket.socketpair()
        self._wake_in.setblocking(False)
        self._wake_out.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._wake_in, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, name="syncstream-broker-io", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping = True
        self.wake()
        self._thread.join()
        self._wake_out.close()

    def wake(self) -> None:
        """Something was queued. What was queued before this call is seen by the turn that it starts."""
        if not self._woken:
            self._woken = True
            with contextlib.suppress(OSError):  # full: woken often enough; closed: the venue has stopped
                self._wake_out.send(b"x")

    def _run(self) -> None:
        try:
            while not self._stopping:
                self._turn(time.monotonic())
            self._say_goodbye()
        finally:
            for session in self._sessions.values():
                session.close()
                session.sock.close()
            self._selector.close()
            self._listener.close()
            self._wake_in.close()

    def _turn(self, now: float, until: Optional[float] = None) -> None:
        """Wait for the first thing to happen, then let every session go on."""
        deadlines = [self._venue.tick(now), until, *(session.deadline(now) for session in self._sessions.values())]
        first = min((at for at in deadlines if at is not None), default=None)
        ready = self._selector.select(None if first is None else max(0.0, first - time.monotonic()))
        now = time.monotonic()
        for key, events in ready:
            if key.fileobj is self._listener:
                self._accept()
            elif key.fileobj is self._wake_in:
                self._wake_in.recv(4096)
                self._woken = False  # before the sessions look at their queues
            elif events & selectors.EVENT_READ:
                session: Session = key.data
                session.readable(now)
        for session in list(self._sessions.values()):
            session.advance(now)
            self._watch(session)

    def _accept(self) -> None:
        try:
            sock, _ = self._listener.accept()
        except OSError:  # it was gone again
            return
        session = Session(sock, self._venue, **self._pings)
        self._sessions[sock] = session
        self._selector.register(sock, selectors.EVENT_READ, session)

    def _watch(self, session: Session) -> None:
        """Ask the selector for what the session needs next; if that is nothing any more, close its socket."""
        sock = session.sock
        events = 0 if session.done else selectors.EVENT_READ * session.reads | selectors.EVENT_WRITE * session.writes
        known = self._selector.get_map().get(sock)
        if known is None:
            if events:
                self._selector.register(sock, events, session)
        elif not events:
            self._selector.unregister(sock)
        elif known.events != events:
            self._selector.modify(sock, events, session)
        if session.done:
            del self._sessions[sock]
            sock.close()  # after the selector has forgotten it: the next connection may get the same number

    def _say_goodbye(self) -> None:
        self._selector.unregister(self._listener)
        self._listener.close()
        now = time.monotonic()
        until = now + STOP_WAIT
        for session in list(self._sessions.values()):
            session.farewell(now)
            self._watch(session)
        while self._sessions and now < until:
            self._turn(now, until)
            now = time.monotonic()
