"""URLs and headers as users give them: checked before anything is dialled, and redacted before anything is shown. Pure."""

from __future__ import annotations

import re
from typing import Sequence
from urllib.parse import urlsplit

from .errors import FeedError

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+\Z")
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f]")


def check_url(field: str, url: object, schemes: Sequence[str]) -> None:
    """Raise `FeedError` unless `url` is an absolute URL of one of `schemes`, with a host and a sane port."""
    if not isinstance(url, str):
        raise FeedError(field, url, f"expected a URL ({', '.join(schemes)})")
    shown = redact(url)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise FeedError(field, shown, f"not a URL: {error}") from None
    if parts.scheme not in schemes:
        raise FeedError(field, shown, f"expected a URL that begins with {' or '.join(s + '://' for s in schemes)}")
    if not parts.hostname:
        raise FeedError(field, shown, "the URL names no host")
    if port == 0:
        raise FeedError(field, shown, "port 0 cannot be dialled")
    if _FORBIDDEN.search(url):
        raise FeedError(field, shown, "a URL holds no blanks and no control characters")
    if parts.fragment:
        raise FeedError(field, shown, "a URL to dial has no fragment (#...)")


def check_header(name: object, value: object) -> None:
    """Raise `FeedError` unless name and value can stand in an HTTP header; a line break would smuggle in another header."""
    if not isinstance(name, str) or not _TOKEN.match(name):
        raise FeedError("headers", name, "not a header name")
    if not isinstance(value, str) or any(c in value for c in "\r\n\0"):
        raise FeedError("headers", name, "the value of this header is not a text on one line")


def redact(url: object) -> str:
    """The URL without what may be secret: no user name, password, query or fragment."""
    text = str(url)
    head, question, _ = text.partition("?")
    head = head.partition("#")[0]
    scheme, separator, rest = head.partition("://")
    if not separator:
        return head
    authority, slash, path = rest.partition("/")
    return f"{scheme}://{authority.rpartition('@')[2]}{slash}{path}" + ("?..." if question else "")
