"""One snapshot request, asked once: `Client`. The only file that imports `requests`. Runs on a thread of the pool.

`timeout` bounds the whole request. Every read of the answer ends at its deadline (`_Wire`), so a server that drips cannot
stretch it; connecting takes as long at most for each address. The body is bounded after it was inflated.

A request carries what the user said and nothing else: no netrc, no cookies. Proxies and CA bundles come from the environment.
Redirects are followed here, because requests keeps headers such as X-API-Key on the way to another host.

Not here: what to do after a failure. It is only described, as a `FetchError`.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import logging
import re
import socket
import ssl
import threading
import time
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Callable, Iterator, Mapping, Optional

import requests
from requests.adapters import HTTPAdapter

from ..errors import FetchError, Severity
from ..secret import scrub
from ..urls import redact
from .source import Source, fatal, origin, refusal, secrets, short, target

_REDIRECTS = 5
_CHUNK = 16 * 1024  # older versions of urllib3 inflate a chunk whole, by up to a factor of 1,032
_FRAMING = 1024 * 1024  # bytes an answer may have besides twice its body: headers and chunk lines
_EXCERPT = 64 * 1024  # so much of an error's body is read


class Client:
    """Owned by: its thread. Others may call: abort(). One request at a time, over connections that are kept."""

    def __init__(self, source: Source, timeout: float, user_agent: str, *, method: str = "GET") -> None:
        self._source = source
        self._method = method
        self._timeout = timeout
        self._user_agent = user_agent
        self._session: Optional[_Session] = None
        self._secrets: list[str] = []
        self._deadline = 0.0
        self._allowance = 0  # bytes that may still come from the wire
        self._wire: Optional[_Wire] = None
        self.size = 0
        self._aborted = False

    def get(self, key: Any) -> tuple[Any, Any]:
        """Ask for the snapshot of a key: (position, state), and leave the bytes of the answer in `size`. Raises `FetchError`."""
        self.size = 0
        self._deadline = time.monotonic() + self._timeout
        self._allowance = 0
        url = self._source.url(key)
        headers = self._source.headers(url)
        self._secrets = secrets(url, headers)
        if self._session is None:
            self._session = _Session(self._respond, self._user_agent)
        shown = f"snapshot={redact(url)!r}"
        try:
            with _discreet(), self._follow(self._session, url, headers, shown) as response:
                return self._read(response, shown)
        except Exception as error:
            if not _of_the_network(error):
                raise
            failure = self._failure(error, shown)
        # Raised out here, and from the system's own reason only: the texts of requests and urllib3 show URLs and headers.
        raise failure

    def close(self) -> None:
        if self._session is not None:
            self._session.close()

    def abort(self) -> None:
        """From any thread: the request in hand and all later ones fail at once. Never blocks."""
        self._aborted = True
        wire = self._wire
        if wire is not None:
            wire.abort()

    def remaining(self) -> float:
        """Seconds until the deadline. Raises `socket.timeout` when there are none."""
        left = self._deadline - time.monotonic()
        if left <= 0 or self._aborted:
            raise socket.timeout("timed out")
        return left

    def came(self, count: int) -> None:
        """So many bytes came from the wire. Bounds what no other limit does: endless chunk lines and trailers."""
        self._allowance -= count
        if self._allowance < 0:
            raise OSError("the answer has no end")

    def _respond(self, sock: Any, *args: Any, **kwargs: Any) -> http.client.HTTPResponse:
        """Made for every answer on every connection, a proxy's included: all reads go through a `_Wire`."""
        self._allowance = 2 * self._source.maximum_size + _FRAMING
        self._wire = _Wire(sock, self)
        return http.client.HTTPResponse(_Socket(self._wire), *args, **kwargs)  # type: ignore[arg-type]

    def _follow(self, session: _Session, url: str, headers: Mapping[str, str], shown: str) -> requests.Response:
        for _ in range(_REDIRECTS + 1):
            left = self.remaining()
            response = session.request(
                self._method, url, headers=headers, timeout=(left, left), stream=True, allow_redirects=False
            )
            if not response.is_redirect:
                return response
            response.close()
            location = response.headers["Location"].encode("latin-1").decode("utf-8", "replace")
            following = target(url, location, shown)
            if origin(following) != origin(url):
                headers = {}  # and they do not come back on the way back
            self._secrets += secrets(following, {})
            url = following
        raise fatal(f"{shown}: more than {_REDIRECTS} redirects")

    def _read(self, response: requests.Response, shown: str) -> tuple[Any, Any]:
        kind = short(response.headers.get("Content-Type", "unknown"))

        def excerpt(body: bytes) -> str:
            return f" (Content-Type {kind}): {self._words(body)}"

        if response.status_code // 100 == 2:
            body = self._body(response, self._source.maximum_size, shown)
            # with neither a length nor chunks the answer ends where the connection does, and that may be anywhere
            self.size = len(body)
            complete = response.raw.chunked or "Content-Length" in response.headers
            return self._source.read(body, f"the answer to {shown}", excerpt, complete=complete)
        try:
            words = excerpt(self._body(response, _EXCERPT, shown))
        except (FetchError, requests.RequestException, OSError):
            words = ""  # the status says enough
        raise refusal(response.status_code, response.headers.get("Retry-After", ""), time.time(), shown, words)

    def _body(self, response: requests.Response, limit: int, shown: str) -> bytes:
        encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
        if encoding not in ("", "identity", "gzip", "x-gzip", "deflate"):  # layers of them inflate without a bound
            raise fatal(f"{shown}: the answer has Content-Encoding {short(encoding)}, which was not asked for")
        too_large = f"{shown}: the answer is larger than maximum_size={limit} bytes"
        length = response.headers.get("Content-Length", "")
        if length.isdigit() and int(length[:20]) > limit:
            raise fatal(too_large)
        response.raw.enforce_content_length = True  # an answer that was cut is no answer; old versions do not look
        body = bytearray()
        for chunk in response.iter_content(_CHUNK):
            self.remaining()
            body += chunk
            if len(body) > limit:
                raise fatal(too_large)
        return bytes(body)

    def _failure(self, error: BaseException, shown: str) -> FetchError:
        reason = _reason(error)
        if self._allowance < 0:
            return fatal(f"{shown}: the answer is larger than maximum_size={self._source.maximum_size} bytes")
        if isinstance(reason, socket.timeout) or time.monotonic() >= self._deadline:
            return FetchError(f"{shown}: no complete answer within {self._timeout:g} s")
        certificate = isinstance(reason, ssl.SSLCertVerificationError)
        useless = certificate or isinstance(error, ValueError)  # requests: an URL or a header it cannot use
        said = type(error).__name__ if reason is None else f"{type(reason).__name__}: {self._scrub(str(reason))[:200]}"
        failure = FetchError(f"{shown}: {said}", severity=Severity.FATAL if useless else Severity.RETRY)
        failure.__cause__ = reason
        return failure

    def _words(self, body: bytes) -> str:
        """How a body begins, on one line, without what was sent: some error pages repeat the request."""
        text = self._scrub(" ".join(body[:2000].decode("utf-8", "replace").split()))
        return repr(text[:80]) if text else "an empty body"

    def _scrub(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "...")
        return scrub(text)


class _Session(requests.Session):
    """Owned by: its thread. Proxies and CA bundles come from the environment; credentials and cookies from nowhere."""

    def __init__(self, respond: Callable[..., Any], user_agent: str) -> None:
        super().__init__()
        self.headers.update(
            {"User-Agent": user_agent, "Accept": "application/json, */*;q=0.5", "Accept-Encoding": "gzip, deflate"}
        )
        self.auth = lambda request: request  # anything here keeps requests from looking into netrc
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        for scheme in ("http://", "https://"):
            self.mount(scheme, _Adapter(respond))

    def get_redirect_target(self, resp: requests.Response) -> Optional[str]:
        """None: even when told not to follow, requests would read the whole body of a redirect, of any size."""
        return None


class _Adapter(HTTPAdapter):
    """Owned by: its session. Its connections make their answers by `respond`."""

    def __init__(self, respond: Callable[..., Any]) -> None:
        self._respond = respond
        super().__init__(pool_connections=4, pool_maxsize=1)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)  # type: ignore[no-untyped-call,unused-ignore]
        self._hook(self.poolmanager)

    def proxy_manager_for(self, proxy: Any, **kwargs: Any) -> Any:
        known = proxy in self.proxy_manager
        manager = super().proxy_manager_for(proxy, **kwargs)  # type: ignore[no-untyped-call,unused-ignore]
        if not known:
            self._hook(manager)
        return manager

    def _hook(self, manager: Any) -> None:
        hooked = {}
        for scheme, pool in manager.pool_classes_by_scheme.items():
            connection = type("Connection", (pool.ConnectionCls,), {"response_class": staticmethod(self._respond)})
            hooked[scheme] = type(pool.__name__, (pool,), {"ConnectionCls": connection})
        manager.pool_classes_by_scheme = hooked


class _Socket:
    """All that http.client asks of a socket in order to read an answer from it."""

    def __init__(self, wire: _Wire) -> None:
        self._wire = wire

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(self._wire, _CHUNK)


class _Wire(io.RawIOBase):
    """Owned by: the client's thread. Others may call: abort(). The bytes of one answer; every read ends at the deadline."""

    def __init__(self, sock: Any, client: Client) -> None:
        super().__init__()
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)
        self._client = client
        # Guards that abort() meets a descriptor that is still this one: it stays open as long as `_raw` is.
        self._lock = threading.Lock()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> Optional[int]:
        self._sock.settimeout(self._client.remaining())
        count: Optional[int] = self._raw.readinto(buffer)
        self._client.came(count or 0)
        return count

    def close(self) -> None:
        with self._lock:
            self._raw.close()
        super().close()

    def abort(self) -> None:
        with self._lock:
            if not self._raw.closed and isinstance(self._sock, socket.socket):
                with contextlib.suppress(OSError):  # the venue was quicker: then nobody waits for it
                    socket.socket.shutdown(self._sock, socket.SHUT_RDWR)  # not SSLSocket's own: it drops the TLS state too


class _Discreet(logging.Filter, threading.local):
    """Owned by: each thread its own. urllib3 logs whole URLs; while `active`, they end before the query."""

    active = False

    def filter(self, record: logging.LogRecord) -> bool:
        if self.active:
            record.msg, record.args = re.sub(r"\?[^\s\"')]*", "?...", record.getMessage()), ()
        return True


_filter = _Discreet()
for _logger in ("urllib3.connection", "urllib3.connectionpool"):
    logging.getLogger(_logger).addFilter(_filter)


@contextlib.contextmanager
def _discreet() -> Iterator[None]:
    _filter.active = True
    try:
        yield
    finally:
        _filter.active = False


def _foreign(error: BaseException) -> bool:
    return type(error).__module__.partition(".")[0] in ("requests", "urllib3")


def _of_the_network(error: BaseException) -> bool:
    return _foreign(error) or isinstance(error, socket.timeout)


def _reason(error: Optional[BaseException]) -> Optional[BaseException]:
    """The system's or the standard library's own reason, below the wrappers of requests and urllib3."""
    while error is not None and _foreign(error):
        error = error.__cause__ or error.__context__
    return error
