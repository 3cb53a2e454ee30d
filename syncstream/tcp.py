"""Reach a TCP port within one deadline: look the host up, connect, read and write without ever waiting past it.

Runs on a dialer thread and blocks there; every wait looks four times a second whether anybody still wants the line. A name is
looked up on a thread of its own, one per host at a time in the whole process: a resolver that hangs costs one thread, not one
per attempt. Not here: proxies, TLS and HTTP, which talk through the `BoundedSocket` made here.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import re
import selectors
import socket
import ssl
import threading
import time
import weakref
from collections import deque
from typing import Any, Callable, Optional, TypeVar

from .errors import DialError, Severity

POLL = 0.25
"""Seconds: at least so often a wait asks whether the attempt was cancelled."""

STAGGER = 0.25
"""Seconds that an address is tried alone before the next one is tried beside it."""

HEAD_LIMIT = 64 * 1024
"""Bytes that the head of an HTTP answer may have, unless somebody says otherwise."""

SILENCE_LIMIT = 30
"""Seconds that bytes of ours may stay unacknowledged, or an idle peer unheard, before the kernel ends the connection."""

_READ = selectors.EVENT_READ
_WRITE = selectors.EVENT_WRITE
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_UNDER_WAY = (0, errno.EINPROGRESS, errno.EWOULDBLOCK)

T = TypeVar("T")


class Deadline:
    """Owned by: the dialer thread of one attempt.

    How long the attempt may still take, whether anybody still waits for it, and what it is `doing`. Its errors are made here,
    so that each names the URL (as it may be shown) and the step.
    """

    def __init__(self, shown: str, timeout: float, cancelled: Callable[[], bool]) -> None:
        self.doing = "preparing"
        self.cause = "network"  # the word for what fails now, see core.failures
        self._shown = shown
        self._timeout = timeout
        self._cancelled = cancelled
        self._at = time.monotonic() + timeout

    def slice(self) -> float:
        """Seconds to wait before asking again. Raises `DialError` if the time is over or nobody waits any more."""
        if self._cancelled():
            raise DialError("cancelled")
        left = self._at - time.monotonic()
        if left <= 0:
            raise self.error(f"timed out ({self._timeout:g} s for the whole attempt)", cause="timeout")
        return min(POLL, left)

    def left(self) -> float:
        """Seconds until the time is over, 0 after that."""
        return max(0.0, self._at - time.monotonic())

    def wait(self, sock: socket.socket, events: int) -> None:
        """Until the socket is ready for `events` (of `selectors`)."""
        with selectors.DefaultSelector() as selector:
            selector.register(sock, events)
            while not selector.select(self.slice()):
                continue

    def within(self, seconds: float) -> Deadline:
        """The same attempt with less time."""
        nearer = Deadline(self._shown, seconds, self._cancelled)
        nearer.doing = self.doing
        nearer.cause = self.cause
        nearer._at = min(nearer._at, self._at)
        return nearer

    def error(
        self,
        what: str,
        severity: Severity = Severity.RETRY,
        *,
        status: Optional[int] = None,
        retry_after: Optional[float] = None,
        cause: str = "",
    ) -> DialError:
        text = f"{self._shown}: {self.doing}: {what}"
        return DialError(text, severity=severity, status=status, retry_after=retry_after, cause=cause or self.cause)


class BoundedSocket:
    """Owned by: the dialer thread. A non-blocking socket, plain or TLS, used as if it blocked, but never past the deadline.

    `sock` is replaced when TLS is put over it. Raises `DialError` when the time is over, `OSError` as sockets do.
    """

    def __init__(self, sock: socket.socket, deadline: Deadline) -> None:
        self.sock = sock
        self.deadline = deadline

    def until_done(self, step: Callable[[], T], events: int) -> T:
        """Repeat `step` until it would not block. `events` is what a plain socket waits for; TLS says so itself."""
        while True:
            self.deadline.slice()  # holds also against a peer that keeps us busy
            try:
                return step()
            except BlockingIOError:
                wanted = events
            except ssl.SSLWantReadError:
                wanted = _READ
            except ssl.SSLWantWriteError:
                wanted = _WRITE
            self.deadline.wait(self.sock, wanted)

    def send(self, data: bytes) -> None:
        """All of `data`: a request, not a stream."""
        view = memoryview(data)
        while view:
            view = view[self.until_done(functools.partial(self.sock.send, view), _WRITE) :]

    def receive(self, size: int) -> bytes:
        """Up to `size` bytes; `b""` at the end of the stream."""
        return self.until_done(functools.partial(self.sock.recv, size), _READ)

    def exactly(self, size: int) -> bytes:
        """`size` bytes and not one more, so that what follows them is still on the socket."""
        data = bytearray()
        while len(data) < size:
            data += self._more(size - len(data))
        return bytes(data)

    def head(self, limit: int = HEAD_LIMIT, begun: bytes = b"", spent: int = 0) -> tuple[bytes, bytes]:
        """The head of an HTTP answer, without the empty line that ends it, and the bytes that came with it.

        `begun`: what came with the head before it; `spent`: how many bytes of `limit` that one and others have had.
        """
        data = bytearray(begun or self._more(4096))
        searched = 0
        while True:
            end = _HEAD_END.search(data, searched)
            if spent + (end.start() if end else len(data)) > limit:
                raise self.deadline.error(f"the answer's head is longer than {limit} bytes", Severity.FATAL)
            if end:
                return bytes(data[: end.start()]), bytes(data[end.end() :])
            searched = max(0, len(data) - 3)
            data += self._more(4096)

    def _more(self, size: int) -> bytes:
        data = self.receive(size)
        if not data:
            raise self.deadline.error("the other side closed the connection without an answer")
        return data

    def close(self) -> None:
        self.sock.close()


class _Lookup:
    """Owned by: its own thread until that has ended; then anybody may read `addresses` and `error`."""

    def __init__(self, host: str) -> None:
        self.addresses: list[Any] = []
        self.error: Optional[Exception] = None
        self.thread = threading.Thread(target=self._run, args=(host,), name="syncstream-lookup", daemon=True)

    def _run(self, host: str) -> None:
        try:
            self.addresses = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            self.error = error
        finally:
            with _lookups_lock:
                _lookups.pop(host, None)


ours: weakref.WeakSet[socket.socket] = weakref.WeakSet()
"""The sockets of all lines and dials of this process. Iterated in the child of a fork only, where nobody adds to it."""

_lookups_lock = threading.Lock()  # guards _lookups: host -> the lookup under way
_lookups: dict[str, _Lookup] = {}


def _forget_lookups() -> None:
    """In the child of a fork no lookup is under way, whatever the parent did, and nobody holds the lock."""
    global _lookups_lock
    _lookups_lock = threading.Lock()
    _lookups.clear()


def _leave_sockets() -> None:
    """In the child of a fork: a copy that stays open here would keep from the venue that the parent hangs up."""
    for sock in list(ours):
        sock.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_lookups)
    os.register_at_fork(after_in_child=_leave_sockets)


def resolve(host: str, deadline: Deadline) -> list[Any]:
    """The addresses of `host`, as `socket.getaddrinfo` lists them, in its order."""
    deadline.doing, deadline.cause = f"looking up {host}", "dns"
    deadline.slice()
    with contextlib.suppress(socket.gaierror):  # not a number: ask
        return socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    try:
        lookup = _lookup(host)
    except RuntimeError as error:  # no thread to be had: the machine is out of them, or Python is ending
        raise deadline.error(reason(error)) from error
    while lookup.thread.is_alive():
        lookup.thread.join(deadline.slice())
    if lookup.error is not None:
        raise deadline.error(reason(lookup.error)) from lookup.error
    if not lookup.addresses:
        raise deadline.error("no address found")
    return lookup.addresses


def _lookup(host: str) -> _Lookup:
    with _lookups_lock:
        lookup = _lookups.get(host)
        if lookup is None:
            lookup = _Lookup(host)
            lookup.thread.start()
            _lookups[host] = lookup
        return lookup


def connect(host: str, port: int, deadline: Deadline) -> BoundedSocket:
    """A connected socket. The addresses are tried in their order, each with a head start before the next; the first wins."""
    addresses = deque(resolve(host, deadline))
    deadline.doing, deadline.cause = f"connecting to {host} port {port}", "refused"
    race = _Race(port)
    try:
        next_at = 0.0
        while addresses or race.running:
            pause = deadline.slice()
            now = time.monotonic()
            if addresses and (not race.running or now >= next_at):
                race.start(addresses.popleft())
                next_at = now + STAGGER
            if addresses:
                pause = min(pause, next_at - now)
            winner = race.winner(pause)
            if winner is not None:
                _tune(winner)
                return BoundedSocket(winner, deadline)
    finally:
        race.close()
    raise deadline.error("; ".join(dict.fromkeys(race.refused))) from race.error


class _Race:
    """Owned by: the dialer thread. The connects under way to the addresses of one host, and the words of those that failed."""

    def __init__(self, port: int) -> None:
        self.running: dict[socket.socket, str] = {}  # and the address each one goes to
        self.refused: list[str] = []
        self.error: Optional[OSError] = None  # of the last one that failed
        self._port = port

    def start(self, info: tuple[Any, ...]) -> None:
        family, kind, protocol, _, address = info
        try:
            sock = socket.socket(family, kind, protocol)
        except OSError as error:  # a family this machine cannot do
            self.refused.append(f"{address[0]}: {reason(error)}")
            self.error = error
            return
        ours.add(sock)
        self.running[sock] = str(address[0])
        sock.setblocking(False)
        code = sock.connect_ex((address[0], self._port, *address[2:]))
        if code not in _UNDER_WAY:
            self._lost(sock, OSError(code, os.strerror(code)))

    def winner(self, pause: float) -> Optional[socket.socket]:
        """The first that is connected within `pause` seconds, or `None`. Those that failed drop out."""
        if not self.running:
            return None
        with selectors.DefaultSelector() as selector:
            for sock in self.running:
                selector.register(sock, _WRITE)
            ready = [key.fileobj for key, _ in selector.select(pause)]
        for sock in [sock for sock in self.running if sock in ready]:
            failure = _failure(sock)
            if failure is None:
                del self.running[sock]
                return sock
            self._lost(sock, failure)
        return None

    def close(self) -> None:
        for sock in self.running:
            sock.close()

    def _lost(self, sock: socket.socket, error: OSError) -> None:
        self.refused.append(f"{self.running.pop(sock)}: {reason(error)}")
        self.error = error
        sock.close()


def _failure(sock: socket.socket) -> Optional[OSError]:
    """Why the connect that has just ended failed, or `None` if it did not."""
    code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code:
        return OSError(code, os.strerror(code))  # Python makes it a ConnectionRefusedError or whatever it is
    try:
        # A connect to a free port of this machine's own range can meet itself; nobody listens there.
        itself = sock.getsockname() == sock.getpeername()
    except OSError as error:
        return error
    return ConnectionRefusedError(errno.ECONNREFUSED, "nobody listens there") if itself else None


def _tune(sock: socket.socket) -> None:
    """Small messages leave at once, and a peer that vanished is noticed by the kernel too, even where nobody pings."""
    tcp = socket.IPPROTO_TCP
    sock.setsockopt(tcp, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_KEEPIDLE", SILENCE_LIMIT // 2),
        ("TCP_KEEPALIVE", SILENCE_LIMIT // 2),  # what macOS calls it
        ("TCP_KEEPINTVL", SILENCE_LIMIT // 6),
        ("TCP_KEEPCNT", 3),
        ("TCP_USER_TIMEOUT", SILENCE_LIMIT * 1000),
    ):
        option = getattr(socket, name, None)
        if option is not None:
            with contextlib.suppress(OSError):  # known to Python, not to this system: our own pings do it alone
                sock.setsockopt(tcp, option, value)


def reason(error: BaseException) -> str:
    """What the system says went wrong, without the number."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
