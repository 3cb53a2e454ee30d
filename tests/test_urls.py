"""URLs and headers as users give them: what is refused, in which words, and that no secret is ever shown."""

from __future__ import annotations

import functools
from typing import Any, Optional

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from syncstream.errors import FeedError
from syncstream.urls import check_header, check_headers, check_url, named, redact

WS = ("ws", "wss")


def refusal(url: str) -> Optional[FeedError]:
    try:
        check_url("endpoint", url, WS)
    except FeedError as error:
        return error
    return None


@pytest.mark.parametrize(
    "url",
    [
        "ws://h",
        "wss://stream.broker.example/v1/marketdata",
        "wss://stream.broker.example:9443/ws/btcusdt@depth/ethusdt@depth?timeout=5",
        "WSS://Stream.Broker.Example",
        "ws://127.0.0.1:1/",
        "ws://[::1]:65535/x",
        "ws://[fe80::1%25eth0]/x",
        "wss://user:p%40ss@host/",
        "wss://host:/",
        "wss://münchen.example/ü",
        "wss://host/a;b=c:d/{e}",
    ],
)
def test_a_url_that_can_be_dialled(url: str) -> None:
    """Accepted as it is."""
    check_url("endpoint", url, WS)


HOST, PORT, BLANKS = "not a URL: its host cannot be read", "the port is not a number from 1 to 65535", "a URL holds no blanks"
SCHEME = "expected a URL that begins with ws:// or wss://"


@pytest.mark.parametrize(
    ("url", "shown", "why"),
    [
        ("", "", SCHEME),
        ("host/path", "host/path", SCHEME),
        ("//host", "//host", SCHEME),
        ("http://host/?token=s3cr3t", "http://host/?...", SCHEME),
        ("ftp://me:s3cr3t@host", "ftp://host", SCHEME),
        ("wss:host", "wss:host", "the URL names no host"),
        ("wss://", "wss://", "the URL names no host"),
        ("wss:///path?s3cr3t", "wss:///path?...", "the URL names no host"),
        ("wss://:443/", "wss://:443/", "the URL names no host"),
        ("wss://user:s3cr3t@/x", "wss:///x", "the URL names no host"),
        ("wss://host:0", "wss://host:0", PORT),
        ("wss://host:65536/?s3cr3t", "wss://host:65536/?...", PORT),
        ("wss://host:-1", "wss://host:-1", PORT),
        ("wss://host:44e3/x?s3cr3t", "wss://host:44e3/x?...", PORT),
        ("wss://host:port", "wss://host:port", PORT),
        ("wss://[::1/x", "wss://[::1/x", HOST),
        ("wss://[nonsense]/x", "wss://[nonsense]/x", HOST),
        ("wss://[v1.x]/", "wss://[v1.x]/", HOST),
        ("wss://a b/", "wss://a b/", BLANKS),
        ("wss://host/a\r\nX-Evil: 1", "wss://host/a\r\nX-Evil: 1", BLANKS),
        ("wss://host/\x00", "wss://host/\x00", BLANKS),
        (" wss://host", " wss://host", BLANKS),
        ("wss://host ", "wss://host ", BLANKS),
        ("wss://host/?s3cr3t\n", "wss://host/?...", BLANKS),
        ("wss://host/x#s3cr3t", "wss://host/x", "a URL to dial has no fragment"),
        # A password with a character that should have been quoted: where it ends, nobody can say.
        ("wss://user:s3cr3t/x@host/", "...", PORT),
        ("wss://user:s3cr3t?x@host/", "...", PORT),
        ("wss://user:s3cr3t#x@host/", "...", PORT),
        ("wss://user:s3cr3t@[::1/", "...", HOST),
        ("wss://user:s3cr3t\u2100@host/", "wss://host/", HOST),
        ("user:s3cr3t@host/x", "...", SCHEME),
        ("wss:/user:s3cr3t@host/x", "...", "the URL names no host"),
        ("user:s3cr3t@wss://host/x", "...", SCHEME),
    ],
)
def test_a_url_that_cannot(url: str, shown: str, why: str) -> None:
    """One error that names the field and shows the URL, but no user, password, query or fragment of it."""
    with pytest.raises(FeedError) as caught:
        check_url("endpoint", url, WS)
    assert str(caught.value).startswith(f"endpoint={shown!r}: {why}")
    assert (caught.value.field, caught.value.value) == ("endpoint", shown)
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "None"),
        (42, "42"),
        (b"wss://user:s3cr3t@host", "<class 'bytes'>"),
        (["wss://host/?s3cr3t"], "<class 'list'>"),
        ({"url": "wss://host/?s3cr3t"}, "<class 'dict'>"),
    ],
)
def test_what_is_no_text_is_no_url(value: Any, shown: str) -> None:
    """Of what could hold a secret only the type is shown."""
    with pytest.raises(FeedError) as caught:
        check_url("proxy", value, ("http", "socks5"))
    assert str(caught.value) == f"proxy={shown}: expected a URL (http, socks5)"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("wss://host/a/b", "wss://host/a/b"),
        ("wss://host/a?b=c&d=?", "wss://host/a?..."),
        ("wss://host?b", "wss://host?..."),
        ("wss://host/a#b?c", "wss://host/a"),
        ("wss://host/a?b#c", "wss://host/a?..."),
        ("wss://user@host:1/a", "wss://host:1/a"),
        ("wss://user:pass@host", "wss://host"),
        ("wss://us@er:p@ss@host/a@b", "wss://host/a@b"),
        ("wss://host/ws/btcusdt@depth", "wss://host/ws/btcusdt@depth"),
        ("ws://127.0.0.1:80/btcusdt@depth?x@y", "ws://127.0.0.1:80/btcusdt@depth?..."),
        ("ws://u:p@[::1]:80/a", "ws://[::1]:80/a"),
        ("http://host/{key}?limit=5", "http://host/{key}?..."),
        ("just words", "just words"),
        ("words?with#more", "words?..."),
        (7, "7"),
        (None, "None"),
    ],
)
def test_what_is_shown_of_a_url(url: object, shown: str) -> None:
    """Scheme, host, port and path; that there is a query, but not which."""
    assert redact(url) == shown


LETTERS = st.text("abcXYZ019-._~%!$&'()*+,;=:@/?#[]{}\\ \u2100\n", max_size=8)
WORD = st.text("abcdefgh", min_size=1, max_size=4)


@given(
    scheme=st.sampled_from(["wss://", "http://", "ws:/", ""]),
    user=WORD,
    secret=LETTERS,
    host=WORD,
    port=st.sampled_from(["", ":80", ":x", ":"]),
    path=st.sampled_from(["", "/", "/a@b", "/a:b"]),
    query=st.none() | LETTERS,
)
def test_no_password_and_no_query_is_ever_shown(
    scheme: str, user: str, secret: str, host: str, port: str, path: str, query: Any
) -> None:
    """Whatever characters a password has, quoted or not, and however broken the rest is."""
    # A URL in which the password ends the authority by itself, after a port, is another, valid URL.
    assume(not secret[:1].isdigit() and secret[:1] not in ("/", "?", "#"))
    url = f"{scheme}{user}:S3{secret}CR3T@{host}{port}{path}" + ("" if query is None else f"?Q{query}T")
    assert "S3" not in redact(url)
    assert "CR3T" not in redact(url)
    assert query is None or f"Q{query}T" not in redact(url)
    text = str(refusal(url))
    assert "S3" not in text
    assert "CR3T" not in text


@given(url=st.text(max_size=30) | LETTERS.map(lambda text: f"wss://{text}"))
def test_any_text_is_a_url_or_a_feed_error(url: str) -> None:
    """Nothing else comes out of a check, whatever goes in, and nothing after a question mark."""
    error = refusal(url)
    assert error is None or error.field == "endpoint"
    before, _, query = url.partition("?")
    if "?" not in before and len(query) > 3 and query not in before:
        assert query not in redact(url)


# ---------------------------------------------------------------- headers


@pytest.mark.parametrize(
    ("name", "value"),
    [("Authorization", "Bearer s3cr3t"), ("X-API-Key", ""), ("x_!#$%&'*+.^`|~-9", "tab\tand ümlaut"), ("A", 'a, b; c="d"')],
)
def test_a_header_that_can_be_sent(name: str, value: str) -> None:
    """A token for a name, one line for a value."""
    check_header(name, value)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("", "''"),
        ("X Key", "'X Key'"),
        ("X-Key:", "'X-Key'"),
        ("Ümlaut", "'Ümlaut'"),
        ("X\r\nEvil", r"'X\r\nEvil'"),
        ("X\n", r"'X\n'"),
        ("Authorization: Bearer s3cr3t", "'Authorization'"),
        (b"Authorization: Bearer s3cr3t", "<class 'bytes'>"),
        (("Authorization", "Bearer s3cr3t"), "<class 'tuple'>"),
        (None, "None"),
        (7, "7"),
    ],
)
def test_a_name_that_cannot_be_sent(name: Any, shown: str) -> None:
    """The error shows the name, but not what stands behind a colon: that is a value."""
    with pytest.raises(FeedError) as caught:
        check_header(name, "s3cr3t")
    assert str(caught.value) == f"headers={shown}: not a header name"


BAD_VALUES: list[Any] = ["s3cr3t\r\nX-Evil: 1", "s3cr3t\n", "s3cr3t\rX", "s3cr3t\0", b"s3cr3t", None, 7, ["s3cr3t"]]


@pytest.mark.parametrize("value", BAD_VALUES)
def test_a_value_that_cannot_be_sent(value: Any) -> None:
    """The error names the header and never shows the value."""
    with pytest.raises(FeedError) as caught:
        check_header("X-Key", value)
    assert str(caught.value) == "headers='X-Key': the value of this header is not a text on one line"
    assert caught.value.value == "X-Key"


@pytest.mark.parametrize(
    ("headers", "text"),
    [
        (None, "headers=None: expected a mapping: name -> value"),
        (["X-Key: s3cr3t"], "headers=<class 'list'>: expected a mapping: name -> value"),
        ("X-Key: s3cr3t", "headers=<class 'str'>: expected a mapping: name -> value"),
        ({"A": "b", "X-Key": "s3cr3t\n"}, "headers='X-Key': the value of this header is not a text on one line"),
    ],
)
def test_headers_that_cannot_be_sent(headers: Any, text: str) -> None:
    """A list, as other libraries take it, is refused without showing what is in it."""
    with pytest.raises(FeedError) as caught:
        check_headers(headers)
    assert str(caught.value) == text


def test_headers_that_can_be_sent() -> None:
    """Any mapping of names and values, an empty one too."""
    check_headers({})
    check_headers({"A": "b", "Authorization": "Bearer s3cr3t"})


# ---------------------------------------------------------------- callables


def function(_token: str) -> None:
    """A user's own."""


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (function, "function"),
        (lambda: 0, "<lambda>"),
        ("text".upper, "upper"),
        (functools.partial(function, "s3cr3t"), "partial"),
        ("text", "'text'"),
        (7, "7"),
        (None, "None"),
    ],
)
def test_what_is_shown_of_a_callable(value: Any, shown: str) -> None:
    """Its name, not what it is bound to; all else is shown as it is."""
    assert repr(named(value)) == shown
