"""The HTTP side of opening a line: what is asked for, and whether the answer is the one that RFC 6455 demands.

Pure, any thread. Stricter than websocket-client, which takes HTTP/1.0, an accept value in another letter case, and extensions
or subprotocols that nobody offered. No error made from these texts shows a header value, a query or a password. Not here: the
sockets, and the few lines of the request that the library writes itself (`transport.py`).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from email.utils import parsedate_to_datetime
from typing import Any, Callable, Mapping, NamedTuple, Optional, Sequence
from urllib.parse import SplitResult, quote, unquote, unquote_plus, urldefrag, urljoin, urlsplit

import msgspec

from .core.deflate import Agreed, Deflate
from .errors import FeedError
from .feed import Endpoint
from .secret import scrub
from .urls import check_header, check_url, redact

SAID_LIMIT = 512
"""Bytes of the body of a refusal that are looked at."""

_HEAD_END = 4  # bytes: two line ends
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_STATUS_LINE = re.compile(r"(HTTP/\d\.\d) (\d{3})(?: (.*))?\Z")
_HEADER = re.compile(r"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*(.*?)[ \t]*\Z")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+\Z")
_ASCII = "".join(map(chr, range(0x21, 0x7F)))  # what is left alone in a path: a user's own escapes are not escaped again
_OF_THE_UPGRADE = {"connection", "upgrade", "content-length", "transfer-encoding"}
_MOVED = {301, 302, 303, 307, 308}
_SCHEMES = {"http": "ws", "https": "wss"}
_OF_THE_CLIENT = {"certfile", "keyfile", "password", "cert_chain", "server_hostname", "context"}


class Wrong(Exception):
    """An answer, or a wish, that cannot be a WebSocket upgrade. The text may be shown."""


class Target(NamedTuple):
    """An endpoint taken apart. `authority` is the Host header, `resource` the path with its query, `lines` our own headers."""

    host: str
    port: int
    secure: bool
    authority: str
    resource: str
    lines: tuple[str, ...]


class Answer(NamedTuple):
    """The head of an HTTP answer. Names of headers are in lower case; repeated ones are joined by a comma."""

    version: str
    status: int
    reason: str
    headers: Mapping[str, str]


def target(endpoint: Endpoint) -> Target:
    """What to dial and what to ask for. Raises `Wrong` or `FeedError` for what cannot be sent."""
    try:
        return _target(endpoint)
    except UnicodeError:  # its own text would show the value
        raise Wrong("the URL or a header has a character that cannot be sent") from None


def _target(endpoint: Endpoint) -> Target:
    parts = urlsplit(endpoint.url)
    secure = parts.scheme == "wss"
    port = parts.port or (443 if secure else 80)
    host = parts.hostname or ""
    if not host.isascii():
        host = host.encode("idna").decode("ascii")
    named = f"[{host.partition('%')[0]}]" if ":" in host else host
    authority = named if port == (443 if secure else 80) else f"{named}:{port}"
    resource = quote(parts.path or "/", safe=_ASCII) + (f"?{quote(parts.query, safe=_ASCII)}" if parts.query else "")
    lines = []
    for name, value in endpoint.headers.items():
        check_header(name, value)  # the mapping may have been changed since the endpoint was checked
        if name.lower() == "host":
            authority = value
        elif name.lower() in _OF_THE_UPGRADE or name.lower().startswith("sec-websocket-"):
            raise Wrong(f"the header {name!r} belongs to the upgrade itself and cannot be set")
        else:
            lines.append(f"{name}: {value}")
    if parts.username and "authorization" not in map(str.lower, endpoint.headers):
        lines.append(f"Authorization: {basic(unquote(parts.username), unquote(parts.password or ''))}")
    if endpoint.subprotocols:
        if not all(_TOKEN.match(one) for one in endpoint.subprotocols):
            raise Wrong("a subprotocol has characters that a subprotocol cannot have")
        lines.append(f"Sec-WebSocket-Protocol: {', '.join(endpoint.subprotocols)}")
    if endpoint.compression is not None:
        lines.append(f"Sec-WebSocket-Extensions: {endpoint.compression.offer()}")
    "".join([authority, *lines]).encode()  # what cannot be encoded is found here
    return Target(host, port, secure, authority, resource, tuple(lines))


def basic(username: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode("ascii")


def parse(head: bytes) -> Answer:
    """The head of an answer, without the empty line at its end. Raises `Wrong` if it is not HTTP/1."""
    first, *lines = (line[:-1] if line.endswith("\r") else line for line in head.decode("latin-1").split("\n"))
    status_line = _STATUS_LINE.match(first)
    if status_line is None or _CONTROL.search(first):
        raise Wrong("the answer is not HTTP")
    version, status, reason = status_line.groups()
    headers: dict[str, str] = {}
    for line in lines:
        header = _HEADER.match(line)
        if header is None or _CONTROL.search(line):
            raise Wrong("the answer has a malformed header")
        name, value = header[1].lower(), header[2]
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return Answer(version, int(status), reason or "", headers)


def final(head: Callable[[bytes, int], tuple[bytes, bytes]]) -> tuple[Answer, bytes]:
    """The final answer, and the bytes that came with its head. Those that only announce it (1xx, but 101) are passed over.

    `head` reads one head: it is given the bytes that came with the one before, and how many bytes the heads so far have had.
    Those are bounded by it, and with them the number of heads. Raises `Wrong` if one is not HTTP/1.
    """
    rest, spent = b"", 0
    while True:
        text, more = head(rest, spent)
        answer = parse(text)
        if answer.version != "HTTP/1.1" or answer.status == 101 or not 100 <= answer.status < 200:
            return answer, more
        spent += len(text) + _HEAD_END
        rest = more


class Chosen(NamedTuple):
    """What an answer chose of what was offered: the subprotocol, and how messages may be compressed; `None`: none of it."""

    subprotocol: Optional[str] = None
    deflate: Optional[Agreed] = None


def check(answer: Answer, key: bytes, offered: Sequence[str], compression: Optional[Deflate] = None) -> Chosen:
    """What was chosen. Raises `Wrong` unless a 101 answer upgrades the line that `key` asked for."""
    headers = answer.headers
    if answer.version != "HTTP/1.1":
        raise Wrong(f"the answer is {answer.version}, an upgrade needs HTTP/1.1")
    if "websocket" not in _tokens(headers.get("upgrade", "")) or "upgrade" not in _tokens(headers.get("connection", "")):
        raise Wrong("the answer is not an upgrade to WebSocket")
    expected = base64.b64encode(hashlib.sha1(key + _GUID).digest())
    if not hmac.compare_digest(expected, headers.get("sec-websocket-accept", "").encode("latin-1")):
        raise Wrong("the Sec-WebSocket-Accept of the answer does not belong to our request")
    deflate = None
    extensions = headers.get("sec-websocket-extensions")
    if extensions:
        if compression is None:
            raise Wrong("the answer has an extension that was not offered")
        try:
            deflate = compression.agreed(extensions)
        except ValueError as error:
            raise Wrong(str(error)) from None
    chosen = headers.get("sec-websocket-protocol")
    if chosen is not None and chosen not in offered:
        raise Wrong("the answer has a subprotocol that was not offered")
    return Chosen(chosen, deflate)


def essence(answer: Answer) -> bytes:
    """The lines of an answer that make it an upgrade, and no other: no cookie, no length, nothing to be kept or waited for."""
    names = ("upgrade", "connection", "sec-websocket-accept")
    lines = [f"HTTP/1.1 {answer.status} Switching Protocols", *(f"{name}: {answer.headers[name]}" for name in names), "", ""]
    return "\r\n".join(lines).encode("latin-1")


def _tokens(value: str) -> list[str]:
    return [token.strip().lower() for token in value.split(",")]


RETRY_AFTER_LIMIT = 3600.0
"""Seconds; who asks for more gets this. A slip in a header must not end a stream for years."""


def retry_after(headers: Mapping[str, str], now: float) -> Optional[float]:
    """The seconds a `Retry-After` asks for, given as seconds or as an HTTP date. `now` is wall clock, seconds since 1970.

    A date is held against the answer's own `Date`, if it has one: then our clock may be wrong.
    """
    asked = headers.get("retry-after", "")
    if re.fullmatch(r"[0-9]{1,9}", asked):
        return min(float(asked), RETRY_AFTER_LIMIT)
    at = _moment(asked)
    if at is None:
        return None
    sent = _moment(headers.get("date", ""))
    return min(max(0.0, at - (now if sent is None else sent)), RETRY_AFTER_LIMIT)


def _moment(text: str) -> Optional[float]:
    try:
        return parsedate_to_datetime(text).timestamp()
    except (TypeError, ValueError, IndexError, OverflowError, OSError):
        return None


def body_size(answer: Answer) -> int:
    """How much of the body is worth a look: nothing of one that is packed, or not said to be text."""
    headers = answer.headers
    kind = headers.get("content-type", "text/plain").lower()
    length = headers.get("content-length", "")
    readable = ("text/" in kind and "html" not in kind) or "json" in kind
    if not readable or "transfer-encoding" in headers or "content-encoding" in headers or not re.fullmatch("[0-9]{1,18}", length):
        return 0
    return min(int(length), SAID_LIMIT)


def refusal(answer: Answer, body: bytes, secrets: Sequence[str]) -> str:
    """A refusal in words: status, where a redirect leads that is not followed, and the beginning of a body that is plain text."""
    words = f"refused with status {answer.status}"
    phrase = _shown(answer.reason, secrets, 60)
    if phrase:
        words += f" {phrase}"
    if 300 <= answer.status < 400 and "location" in answer.headers:
        return f"{words}, a redirect to {place(answer.headers['location'], secrets)}"
    said = _shown(body.decode("utf-8", "replace").rstrip("\ufffd"), secrets, 200)  # the cut may go through a character
    return f"{words}: {said}" if said else words


def moved(answer: Answer) -> Optional[str]:
    """Where a redirect leads, as it stands in the answer; `None` if it is none that could be followed."""
    return answer.headers.get("location") if answer.status in _MOVED else None


def followed(endpoint: Endpoint, location: str) -> Endpoint:
    """What a redirect asks to dial instead. Raises `Wrong` for what is no WebSocket URL, and for a way out of TLS.

    On the same host (and port, but for 80 to 443 with TLS) all of the endpoint goes along but its query, which is the redirect's.
    To another go no headers, no login, no subprotocols, and no client certificate; an SSLContext of the user's may hold one, so
    with it the way to another host by TLS is refused. A login in the redirect itself is not used.
    """
    old = urlsplit(endpoint.url)
    try:
        new = urlsplit(urldefrag(urljoin(endpoint.url, quote(location, safe="!#$%&'()*+,/:;=?@[]~")))[0])
        new = new._replace(scheme=_SCHEMES.get(new.scheme, new.scheme), netloc=new.netloc.rpartition("@")[2])
        check_url("Location", new.geturl(), ("ws", "wss"))
    except FeedError as error:
        raise Wrong(f"the redirect cannot be followed: {error}") from None
    except ValueError:  # its text may repeat a password
        raise Wrong("the redirect cannot be followed: its host cannot be read") from None
    if (old.scheme, new.scheme) == ("wss", "ws"):
        raise Wrong("a redirect from wss to ws is refused")
    if same_host(old, new):
        login, at, _ = old.netloc.rpartition("@")
        return msgspec.structs.replace(endpoint, url=new._replace(netloc=login + at + new.netloc).geturl())
    if new.scheme == "wss" and endpoint.sslopt.get("context") is not None:
        raise Wrong("a redirect to another host is refused, because the SSLContext in sslopt may hold a certificate of yours")
    sslopt: Mapping[str, Any] = {name: value for name, value in endpoint.sslopt.items() if name not in _OF_THE_CLIENT}
    return msgspec.structs.replace(endpoint, url=new.geturl(), headers={}, subprotocols=(), sslopt=sslopt)


def same_host(old: SplitResult, new: SplitResult) -> bool:
    """Whether what the first one may be told is good for the second: the same name and port, but for 80 to 443 with TLS."""
    if old.hostname != new.hostname:
        return False
    ports = [parts.port or (443 if parts.scheme == "wss" else 80) for parts in (old, new)]
    return ports[0] == ports[1] or (ports == [80, 443] and new.scheme == "wss")


def place(url: str, secrets: Sequence[str]) -> str:
    """A URL that came from the server, as it may be shown."""
    return _shown(redact(url), secrets, 200) or "a place not shown"


def _shown(text: str, secrets: Sequence[str], limit: int) -> str:
    """The text on one line and cut to `limit`, or nothing if it repeats a secret or cannot be read."""
    text = scrub(" ".join(text.split()))  # before it is cut
    if not text.isprintable() or "\ufffd" in text or any(secret in text for secret in secrets):
        return ""
    return text if len(text) <= limit else text[: limit - 3] + "..."


def secrets_of(endpoint: Endpoint) -> list[str]:
    """What no text may repeat: the values that the endpoint sends, whole and word by word. Very short ones tell nothing."""
    parts = urlsplit(endpoint.url)
    found = {parts.username or "", parts.password or "", *endpoint.headers.values(), *endpoint.subprotocols}
    for pair in parts.query.split("&"):
        name, _, value = pair.partition("=")
        found.add(value or name)
    found.update(unquote_plus(text) for text in tuple(found))
    found.update(word for text in tuple(found) for word in re.split(r"[\s,;=:&\"]+", text))
    return sorted(text for text in found if len(text) >= 4)
