"""What a user said about a snapshot source (`Rest`), as functions, and which failure is final. No I/O, any thread.

    RETRY   what may pass by itself: 5xx, 408, 425, 429, any other 4xx that says `Retry-After`
    FATAL   what will not: other statuses, a body that cannot be read, no position in it, a callable that raises

Error texts name the field, the URL without its query and user, and of an exception of the user's only the kind; the rest is in
the chained cause. They never show a header value.
"""

from __future__ import annotations

import base64
import http
import re
from email.utils import parsedate_to_datetime
from typing import Any, Callable, Mapping, Optional
from urllib.parse import parse_qsl, quote, unquote, urldefrag, urljoin, urlsplit

import msgspec

from .. import schema
from ..core.failures import of_status
from ..core.paths import MISSING
from ..errors import FeedError, FetchError, Severity
from ..feed import Rest
from ..secret import scrub
from ..urls import check_header, check_url, redact

RETRY_AFTER_LIMIT = 3600.0

_PHRASES = {status.value: status.phrase for status in http.HTTPStatus}
_DEFAULT_PORT = {"http": 80, "https": 443}


class Source:
    """What the user said, ready to be used. Immutable. Raises `FetchError`."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest
        self._decode = schema.decoder(rest.decode)
        self._locate = None if rest.position is None else schema.field_getter(rest.position, rest.decode)
        self.maximum_size = rest.maximum_size

    def url(self, key: Any) -> str:
        """Where the snapshot of a key is asked for."""
        url = self._rest.url
        try:
            made = url(key) if callable(url) else url.replace("{key}", quote(str(key), safe=""))
            check_url("snapshot", made, ("http", "https"))
        except Exception as error:
            raise fatal(f"{_field('snapshot', url)}: no URL for the key {short(key)}: {_said(error)}") from error
        return made

    def headers(self, url: str) -> dict[str, str]:
        """The headers of the next request. A user name and password in the URL become one."""
        given = self._rest.headers
        try:
            headers = {name: _header(name, value) for name, value in dict(given() if callable(given) else given).items()}
        except Exception as error:
            raise fatal(f"{_field('headers', given)}: {_said(error)}") from error
        parts = urlsplit(url)
        if parts.username is not None and not any(name.lower() == "authorization" for name in headers):
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        return headers

    def read(self, body: bytes, about: str, excerpt: Callable[[bytes], str], *, complete: bool = True) -> tuple[Any, Any]:
        """The position and the state in a body. `about` says whose body it is, `excerpt` shows how it begins.

        A body that is not known to be `complete` may have been cut: then one that ends too early is RETRY.
        """
        decode = self._rest.decode
        try:
            state = self._decode(body, True)
        except msgspec.ValidationError as error:
            raise fatal(f"{about} does not fit {_field('decode', decode)}: {error}") from error
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            if not complete and str(error) == "Input data was truncated":
                raise FetchError(f"{about} broke off") from error
            kind = "JSON" if isinstance(error, msgspec.DecodeError) else "text"
            raise fatal(f"{about} is not {kind}{excerpt(body)}") from error
        except Exception as error:
            raise fatal(f"{about} does not fit {_field('decode', decode)}: {_said(error)}") from error
        return self._position(state, about), state

    def _position(self, state: Any, about: str) -> Any:
        if self._locate is None:
            return None
        field = _field("position", self._rest.position)
        cause: Optional[Exception] = None
        try:
            found = self._locate(state)
        except MISSING as error:
            found, cause = None, error
        except Exception as error:
            raise fatal(f"{field}: {_said(error)}, for {about}") from error
        if found is None:
            names = schema.fields_of(state)
            seen = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
            raise fatal(f"{field}: {about} has no value there; it has: {seen or 'nothing'}") from cause
        if isinstance(found, bool) or not isinstance(found, (int, str)):
            raise fatal(f"{field}: expected a whole number or a text, {about} has {type(found).__name__} {short(found)}")
        return found


def fatal(text: str) -> FetchError:
    return FetchError(text, severity=Severity.FATAL)


def refusal(status: int, retry_after: str, wall: float, shown: str, words: str) -> FetchError:
    """The error for a status that is no success. `retry_after` is the header, or empty; `wall` the time of day, seconds."""
    after = wait_of(retry_after, wall)
    passing = of_status(status) is Severity.RETRY or (status >= 400 and after is not None)
    return FetchError(
        f"{shown}: the venue answered {status} {_PHRASES.get(status, 'unknown status')}{words}",
        severity=Severity.RETRY if passing else Severity.FATAL,
        status=status,
        retry_after=after,
    )


def wait_of(retry_after: str, wall: float) -> Optional[float]:
    """Seconds from now, zero to an hour, or None if the header says nothing usable. It holds seconds or an HTTP date."""
    if re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", retry_after.strip(" \t")):
        seconds = float(retry_after.strip(" \t"))
    else:
        try:
            seconds = parsedate_to_datetime(retry_after).timestamp() - wall
        except (TypeError, ValueError, IndexError, OverflowError, OSError):
            return None
    return min(max(seconds, 0.0), RETRY_AFTER_LIMIT)


def target(url: str, location: str, shown: str) -> str:
    """Where a redirect leads. Never from https to http."""
    try:
        # as browsers do: blanks and other letters are quoted, what is quoted already stays
        found = urldefrag(urljoin(url, quote(location, safe="!#$%&'()*+,/:;=?@[]~")))[0]
        check_url("Location", found, ("http", "https"))
    except ValueError as error:
        raise fatal(f"{shown}: the redirect cannot be followed: {_said(error)}") from error
    if urlsplit(url).scheme == "https" and urlsplit(found).scheme == "http":
        raise fatal(f"{shown}: a redirect from https to {redact(found)} is refused")
    return found


def origin(url: str) -> tuple[str, Optional[str], Optional[int]]:
    """Scheme, host and port: where they differ, no header of the user's may go."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or _DEFAULT_PORT[parts.scheme]


def secrets(url: str, headers: Mapping[str, str]) -> list[str]:
    """Words of a request that no error text may repeat, the longest first. What has less than four characters hides nothing."""
    parts = urlsplit(url)
    words = [parts.query, parts.username or "", parts.password or "", unquote(parts.password or "")]
    words += [value for _, value in parse_qsl(parts.query)]
    for value in headers.values():
        words += [value, *value.split()]
    return sorted({word for word in words if len(word) >= 4}, key=len, reverse=True)


def short(value: Any) -> str:
    """A value in an error text."""
    text = scrub(repr(value))  # before it is cut
    return text if len(text) <= 100 else text[:97] + "..."


def _header(name: Any, value: Any) -> str:
    check_header(name, value)
    stripped: str = value.strip()
    if any(ord(character) > 255 for character in stripped):
        raise FeedError("headers", name, "the value of this header has characters that HTTP cannot carry")
    return stripped


def _said(error: BaseException) -> str:
    return str(error) if isinstance(error, FeedError) else f"raised {type(error).__name__}"


def _field(field: str, value: Any) -> str:
    if isinstance(value, str):
        return f"{field}={(redact(value) if field == 'snapshot' else value)!r}"
    if isinstance(value, Mapping):
        return f"{field}={sorted(map(str, value))}"
    return f"{field}={getattr(value, '__name__', None) or type(value).__name__}"
