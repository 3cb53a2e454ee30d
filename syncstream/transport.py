"""Dial one line, and the open connection: the only file that imports websocket-client.

`dial` blocks and runs on a dialer thread; the `Connection` it gives belongs to one thread after that, the reader. It does what
the library leaves open: one deadline over everything, an answer of bounded size, and a strict check of that answer. The library
writes the request's own lines, checks the answer once more, and builds the frames we send; it is shown neither the path, nor
the query, nor a header of the user, so that none of them can end up in its log or its process-wide cookie jar.

Not here: what frames mean (`core/frames`), when to dial and when to give up (`core/engine`), what a redirect may ask (`upgrade`).
"""

from __future__ import annotations

import contextlib
import functools
import re
import secrets
import socket
import ssl
import struct
import time
from types import MappingProxyType
from typing import Any, Callable, Mapping, Optional, Sequence, Union
from urllib.parse import urlsplit

import websocket

from . import tls, upgrade
from .core.deflate import Agreed
from .core.failures import of_status
from .errors import DialError, FeedError, Severity
from .feed import Endpoint
from .proxy import choose, pass_through
from .tcp import BoundedSocket, Deadline, connect, reason
from .urls import redact

_AHEAD = 8  # times as much as is asked for is read at once, at most, where there is always more
_RECORD = 16 * 1024  # what one TLS record holds
_BODY_PATIENCE = 0.25  # seconds that the body of a refusal may take to arrive, for a better message
_CONTROL_LIMIT = 125  # bytes of payload of a control frame
_KEY = re.compile(rb"\r\nSec-WebSocket-Key: (\S+)\r\n")


def _never() -> bool:
    return False


def _at_once(url: str, patience: float) -> None:
    """Nothing limits how often redirects are dialled."""


def dial(
    endpoint: Endpoint,
    *,
    timeout: float,
    cancelled: Callable[[], bool] = _never,
    before_redirect: Callable[[str, float], object] = _at_once,
) -> Connection:
    """Open one line: resolve, connect, proxy, TLS, upgrade, all within `timeout` seconds in total.

    Blocks. Redirects are followed, as many as the endpoint allows; `before_redirect(url, patience)` may wait, or raise
    `DialError`, before such a URL is dialled. `cancelled` is asked between the steps and at least every 0.25 s. Raises
    `DialError`, always, and never with a header value, a query or a password in its text. Certificates that do not verify,
    refusals of the 400 kind and answers that are no upgrade are FATAL; overload (408, 425, 429), 5xx and everything that the
    network does are RETRY.
    """
    deadline = Deadline(redact(endpoint.url), timeout, cancelled)
    try:
        return _dial(endpoint, deadline, before_redirect)
    except DialError:
        raise
    except Exception as error:
        raise _told(error, deadline) from error


def _told(error: Exception, deadline: Deadline) -> DialError:
    """The one place where errors of the system, the TLS library and the WebSocket library become ours."""
    if isinstance(error, ssl.SSLError):
        return tls.failure(error, deadline)
    if isinstance(error, OSError):
        return deadline.error(reason(error))
    if isinstance(error, (upgrade.Wrong, FeedError)):
        return deadline.error(str(error), Severity.FATAL)
    return deadline.error(f"unexpected {type(error).__name__}", Severity.FATAL)  # its text may hold anything


def _dial(endpoint: Endpoint, deadline: Deadline, before_redirect: Callable[[str, float], object]) -> Connection:
    hidden = upgrade.secrets_of(endpoint)
    home = urlsplit(endpoint.url)
    at = ""
    for left in range(endpoint.max_redirects, -1, -1):
        try:
            connection = _open(endpoint, deadline, hidden, at)
            connection.hidden = tuple(hidden)
            reached = urlsplit(endpoint.url)
            connection.elsewhere = "" if upgrade.same_host(home, reached) else reached.netloc
            return connection
        except _Moved as moved:
            if not left:
                allowed = endpoint.max_redirects
                why = f"; more than {allowed} redirects" if allowed else "; redirects are not followed"
                raise deadline.error(f"{moved.words}{why}", Severity.FATAL, status=moved.status) from None
            endpoint = _followed(endpoint, moved, deadline, hidden)
            at = f" at {upgrade.place(endpoint.url, hidden)}"
            hidden = [*hidden, *upgrade.secrets_of(endpoint)]
            try:
                before_redirect(endpoint.url, deadline.left())
            except DialError as error:
                text = f"{moved.words}; {error}"
                told = moved.words if any(secret in text for secret in hidden) else text  # the host, too, is what the venue says
                raise deadline.error(told, error.severity, retry_after=error.retry_after, cause=error.cause) from None
    raise AssertionError("the last one returns or raises")


def _followed(endpoint: Endpoint, moved: _Moved, deadline: Deadline, hidden: Sequence[str]) -> Endpoint:
    try:
        return upgrade.followed(endpoint, moved.location)
    except upgrade.Wrong as wrong:
        said = any(secret in str(wrong) for secret in hidden)
        text = "the redirect cannot be followed" if said else str(wrong)
        raise deadline.error(f"{moved.words}; {text}", Severity.FATAL, status=moved.status) from None


class _Moved(Exception):
    """The answer is a redirect. `words` may be shown, `location` not."""

    def __init__(self, location: str, words: str, status: int) -> None:
        super().__init__(words)
        self.location = location
        self.words = words
        self.status = status


def _open(endpoint: Endpoint, deadline: Deadline, hidden: Sequence[str], at: str) -> Connection:
    """One connection, to just this endpoint. `at` is said in errors of the upgrade: where a redirect led."""
    target = upgrade.target(endpoint)
    proxy = choose(endpoint.proxy, target.secure, target.host, target.port, deadline)
    with contextlib.ExitStack() as undo:
        wire = connect(proxy.host, proxy.port, deadline) if proxy else connect(target.host, target.port, deadline)
        undo.callback(wire.close)
        if proxy:
            pass_through(wire, proxy, target.host, target.port)
        if target.secure:
            tls.secure(wire, target.host, endpoint.sslopt)
        deadline.doing, deadline.cause = f"upgrade{at}", "upgrade"
        gate = _Gate(wire, endpoint, target, hidden)
        # A host that nobody can have a cookie for: the library looks into a jar that the whole process shares.
        client: Any = websocket.WebSocket()
        client.connect(
            f"ws://{secrets.token_hex(16)}/", socket=gate, host=target.authority, suppress_origin=True, redirect_limit=0
        )
        undo.pop_all()
        return Connection(wire.sock, gate.rest, gate.headers, gate.chosen)


class _Gate:
    """Owned by: the dialer thread. What the library takes for its socket during the upgrade.

    `send` completes its request with what it must not know. `recv` reads the whole answer at the first call, checks it, and
    then lets the library read what it needs of it, byte by byte as it does. No `OSError` leaves: the library would turn some
    of them into errors of its own.
    """

    def __init__(self, wire: BoundedSocket, endpoint: Endpoint, target: upgrade.Target, hidden: Sequence[str]) -> None:
        self.rest = b""
        self.headers: Mapping[str, str] = {}
        self.chosen = upgrade.Chosen()
        self._wire = wire
        self._endpoint = endpoint
        self._target = target
        self._hidden = hidden
        self._key = b""
        self._answer: Optional[memoryview] = None

    def send(self, data: bytes) -> int:
        first, _, others = data.partition(b"\r\n")
        key = _KEY.search(data)
        if first != b"GET / HTTP/1.1" or key is None:
            raise upgrade.Wrong("this version of websocket-client writes its request in another form")
        self._key = key[1]
        ours = "".join(f"{line}\r\n" for line in self._target.lines)
        try:
            self._wire.send(f"GET {self._target.resource} HTTP/1.1\r\n{ours}".encode() + others)
        except OSError as error:
            raise _told(error, self._wire.deadline) from error
        return len(data)

    def recv(self, size: int) -> bytes:
        if self._answer is None:
            try:
                self._answer = memoryview(self._read_answer())
            except OSError as error:
                raise _told(error, self._wire.deadline) from error
        data, self._answer = bytes(self._answer[:size]), self._answer[size:]
        return data

    def gettimeout(self) -> None:
        """None as far as the library is concerned: the deadline is ours."""

    def close(self) -> None:
        """The library closes when it fails. The socket is closed by `dial`, whatever it was that failed."""

    def _read_answer(self) -> bytes:
        wire = self._wire
        answer, self.rest = upgrade.final(functools.partial(wire.head, self._endpoint.max_head_size))
        location = upgrade.moved(answer)
        if location is not None:
            raise _Moved(location, upgrade.refusal(answer, b"", self._hidden), answer.status)
        if answer.status != 101:
            raise wire.deadline.error(
                upgrade.refusal(answer, self._read_body(upgrade.body_size(answer)), self._hidden),
                of_status(answer.status),
                status=answer.status,
                retry_after=upgrade.retry_after(answer.headers, time.time()),
            )
        try:
            self.chosen = upgrade.check(answer, self._key, self._endpoint.subprotocols, self._endpoint.compression)
        except upgrade.Wrong as wrong:
            raise wire.deadline.error(str(wrong), Severity.FATAL, status=answer.status) from None
        self.headers = MappingProxyType(dict(answer.headers))
        return upgrade.essence(answer)

    def _read_body(self, size: int) -> bytes:
        """The beginning of a refusal's body, if it comes without much waiting."""
        hurried = BoundedSocket(self._wire.sock, self._wire.deadline.within(_BODY_PATIENCE))
        body = self.rest
        with contextlib.suppress(DialError, OSError):  # the refusal is told anyway, with as much of its text as there is
            while len(body) < size:
                data = hurried.receive(size - len(body))
                if not data:
                    break
                body += data
        return body[:size]


class Connection:
    """Owned by: the dialer until it hands it over, then the reader thread. Others may call: nothing.

    A non-blocking socket after the upgrade. Never read and write it from two threads: over TLS that breaks the connection.
    `headers` are those of the venue's answer, names in lower case; `deflate` is what was agreed on about compression,
    `hidden` is what was sent and is not to be shown when the venue repeats it; `elsewhere` names the host where that is another
    than the endpoint's, to which a redirect led: no secret is to go there.
    """

    deflate: Optional[Agreed] = None
    hidden: Sequence[str] = ()
    elsewhere: str = ""

    def __init__(self, sock: socket.socket, rest: bytes, headers: Mapping[str, str], chosen: Optional[upgrade.Chosen]) -> None:
        self.headers = headers
        self.subprotocol, self.deflate = chosen or upgrade.Chosen()
        self.wants_write = False
        """Over TLS, rarely: the last `receive` can only go on once the socket can be written to."""
        self.wants_read = False
        """Over TLS, rarely: the last `send` can only go on once the socket can be read from."""
        self._sock = sock
        self._tls = sock if isinstance(sock, ssl.SSLSocket) else None
        self._rest: Union[bytes, memoryview] = rest  # came together with the upgrade, or was read ahead
        self._given = 0  # bytes of it
        self._full = False  # the last read brought all it was asked for: there is more
        self._buffer: Optional[memoryview] = None  # for what is read ahead
        self._end: Optional[OSError] = None  # why nothing more will come, once that is known

    @property
    def freezes(self) -> bool:
        """Whether bytes that were offered once cannot be taken back, though none was taken: over TLS."""
        return self._tls is not None

    @property
    def unchecked(self) -> str:
        """What TLS does not check on this line, in words; empty if it checks all, and where there is none."""
        return "" if self._tls is None else tls.unchecked(self._tls.context)

    def fileno(self) -> int:
        """The descriptor, for a selector; -1 once closed."""
        return self._sock.fileno()

    def receive(self, size: int = 64 * 1024) -> Optional[bytes]:
        """Up to `size` bytes. `None`: it would block. `b""`: the end of the stream. Raises `OSError` when the line is broken."""
        if not self._rest:
            if self._tls is not None:
                return self._receive_records(self._tls, size)
            try:
                if not self._full:
                    data = self._sock.recv(size)
                    self._full = len(data) >= size
                    return data
                self._rest = self._read_ahead(size)
            except BlockingIOError:
                self._full, self._buffer = False, None
                return None
        data = bytes(self._rest[self._given : self._given + size])
        self._given += len(data)
        if self._given >= len(self._rest):
            self._rest, self._given = b"", 0
        return data

    def _read_ahead(self, size: int) -> memoryview:
        """What is there, as much as the buffer holds. It is kept as long as there is more: to map pages anew costs as much as to
        copy them, and each read costs, beside a busy thread 5 ms."""
        if self._buffer is None:
            self._buffer = memoryview(bytearray(_AHEAD * size))
        came = self._buffer[: self._sock.recv_into(self._buffer)]
        self._full = len(came) >= size
        if not self._full:
            self._buffer = None
        return came

    def _receive_records(self, sock: ssl.SSLSocket, size: int) -> Optional[bytes]:
        """One read gives one TLS record, and venues send a record per message: take as many as there are.

        What ended the reading is told by the next call, after the bytes that came before it.
        """
        data = bytearray()
        self.wants_write = False
        while self._end is None and len(data) < size:
            try:
                record = sock.recv(size - len(data))
            except ssl.SSLWantReadError:
                break
            except ssl.SSLWantWriteError:
                self.wants_write = True
                break
            except OSError as error:
                self._end = error
                break
            if not record:
                self._end = ssl.SSLEOFError()
            data += record
        if data or self._end is None:
            return bytes(data) or None
        if isinstance(self._end, ssl.SSLEOFError):  # with or without a close_notify: venues often leave it out
            return b""
        raise self._end

    def unread_limit(self) -> int:
        """So many bytes may have come that `receive` has not given yet. A closed connection has none."""
        try:
            return self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) + self.pending()
        except OSError:
            return 0

    def pending(self) -> int:
        """More than 0 if `receive` has something to tell that a selector cannot see: bytes, or over TLS the end."""
        rest = len(self._rest) - self._given
        return rest if self._tls is None else rest + self._tls.pending() + (self._end is not None)

    def send(self, data: Union[bytes, memoryview]) -> int:
        """How many of the bytes the kernel took; 0: it would block. Raises `OSError` when the line is broken.

        Bytes that were offered once must be offered again, in front, until they are taken: TLS has begun to encrypt them.
        """
        if self._tls is None:
            try:
                return self._sock.send(data)
            except BlockingIOError:
                return 0
        taken = 0
        view = memoryview(data)
        self.wants_read = False
        with contextlib.suppress(ssl.SSLWantWriteError):
            try:
                while taken < len(view):
                    taken += self._tls.send(view[taken : taken + _RECORD])
            except ssl.SSLWantReadError:
                self.wants_read = True
        return taken

    def end_tls(self) -> None:
        """Tell the other side that no more comes (TLS close_notify), if that can be done without waiting. Then only `close`.

        Not in the child of a fork: it would end the parent's line.
        """
        if self._tls is not None:
            with contextlib.suppress(OSError, ValueError):  # it would wait, the line is broken, it was said
                self._tls.unwrap()

    def close(self) -> None:
        """Release the descriptor at once. Never blocks and sends neither a close frame nor TLS's; may be called again."""
        self._rest, self._given, self._buffer = b"", 0, None
        self._sock.close()


def frame(opcode: int, payload: Union[bytes, str], *, compressed: bool = False) -> bytes:
    """One whole masked frame, as a client sends it. Text becomes UTF-8. Raises `ValueError` for what no frame can hold.

    `compressed`: the payload is, by permessage-deflate.
    """
    data = payload.encode() if isinstance(payload, str) else payload
    if opcode >= websocket.ABNF.OPCODE_CLOSE and len(data) > _CONTROL_LIMIT:
        raise ValueError(f"a control frame holds at most {_CONTROL_LIMIT} bytes, not {len(data)}")
    made = websocket.ABNF.create_frame(data, opcode)
    made.rsv1 = int(compressed)
    return made.format()


def close_payload(code: int, reason: str = "") -> bytes:
    """What a close frame holds. A reason that is too long is cut, between two characters."""
    if not (1000 <= code <= 1014 or 3000 <= code <= 4999) or code in (1004, 1005, 1006):
        raise ValueError(f"{code} is not a code that can be sent in a close frame")
    text = reason.encode()[: _CONTROL_LIMIT - 2].decode(errors="ignore")
    return struct.pack(">H", code) + text.encode()
