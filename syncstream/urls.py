"""URLs and headers as users give them: checked before anything is dialled, and redacted before anything is shown. Pure."""

from __future__ import annotations

import re
from typing import Any, Mapping, Sequence
from urllib.parse import urlsplit

from .errors import FeedError
from .secret import scrub

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+\Z")
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f]")
# Scheme, a login that is left out, then what may be shown: host, port and path.
_LOGIN = r"(?:[^/?#]*@)?"
_HOST = r"(?:\[[^\[\]/?#@]*\]|[^:/?#@\[\]]*)(?::[0-9]*)?"
_PLAIN = re.compile(rf"([A-Za-z][A-Za-z0-9+.\-]*://){_LOGIN}({_HOST}(?:/[^?#]*)?)(?=[?#]|\Z)")


def check_url(field: str, url: object, schemes: Sequence[str]) -> None:
    """Raise `FeedError` unless `url` is an absolute URL of one of `schemes`, with a host and a sane port."""
    if not isinstance(url, str):
        raise FeedError(field, harmless(url), f"expected a URL ({', '.join(schemes)})")
    shown = redact(url)
    if _FORBIDDEN.search(url):
        raise FeedError(field, shown, "a URL holds no blanks and no control characters")
    try:
        parts = urlsplit(url)
    except ValueError:  # its text may repeat a password
        raise FeedError(field, shown, "not a URL: its host cannot be read") from None
    if parts.scheme not in schemes:
        raise FeedError(field, shown, f"expected a URL that begins with {' or '.join(s + '://' for s in schemes)}")
    if not parts.hostname:
        raise FeedError(field, shown, "the URL names no host")
    if "[" in parts.netloc and ":" not in parts.hostname:  # newer Pythons find that themselves
        raise FeedError(field, shown, "not a URL: its host cannot be read")
    try:
        sane = parts.port != 0
    except ValueError:
        sane = False
    if not sane:
        raise FeedError(field, shown, "the port is not a number from 1 to 65535")
    if parts.fragment:
        raise FeedError(field, shown, "a URL to dial has no fragment (#...)")


def check_header(name: object, value: object) -> None:
    """Raise `FeedError` unless name and value can stand in an HTTP header; a line break would smuggle in another header."""
    if not isinstance(name, str):
        raise FeedError("headers", harmless(name), "not a header name")
    if not _TOKEN.match(name):
        raise FeedError("headers", name.partition(":")[0], "not a header name")  # behind a colon stands what may be secret
    if not isinstance(value, str) or any(c in value for c in "\r\n\0"):
        raise FeedError("headers", name, "the value of this header is not a text on one line")


def check_headers(headers: object) -> None:
    """Raise `FeedError` unless this is a mapping of such names and values."""
    if not isinstance(headers, Mapping):
        raise FeedError("headers", harmless(headers), "expected a mapping: name -> value")
    for name, value in headers.items():
        check_header(name, value)


def redact(url: object) -> str:
    """The URL without what may be secret: no user name, password, query or fragment, and no `Secret` in its path.

    Nothing is shown of one whose login cannot be told from the rest, because a password has a `/`, `?` or `#` in it.
    """
    text = str(url)
    plain = _PLAIN.match(text)
    if plain is not None:
        shown, end = plain[1] + plain[2], plain.end()
    elif "@" in text:
        return "..."
    else:
        shown = re.split("[?#]", text, maxsplit=1)[0]
        end = len(shown)
    return scrub(shown) + ("?..." if text.startswith("?", end) else "")


def harmless(value: object) -> object:
    """What an error may show of a value that should have been a text: of what could hold a secret only the type."""
    return value if value is None or isinstance(value, (int, float)) else type(value)


class _Name(str):
    """Owned by nobody: a text that is its own repr."""

    def __repr__(self) -> str:
        return str(self)


def named(value: Any) -> Any:
    """A callable as its name and no more: what a partial is bound to, or whose method it is, may be secret. Else the value."""
    return _Name(getattr(value, "__name__", type(value).__name__)) if callable(value) else value
