"""What the user said about a snapshot source, as pure functions."""

from __future__ import annotations

import email.utils
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncstream.errors import FeedError, FetchError, Severity
from syncstream.feed import Rest
from syncstream.snapshots.source import RETRY_AFTER_LIMIT, Source, fatal, origin, refusal, secrets, short, target, wait_of

URL = "https://api.broker.example/v1/{key}?token=hunter2"
WALL = 1_700_000_000.0


class Quote(msgspec.Struct):
    seq: int
    bid: float = 0.0


def source(url: Any = URL, position: Any = "seq", **kwargs: Any) -> Source:
    return Source(Rest(url, position=position, **kwargs))


def read(of: Source, body: bytes) -> Any:
    return of.read(body, "the answer", lambda body: " (excerpt)")


def failure(of: Source, body: bytes) -> FetchError:
    with pytest.raises(FetchError) as caught:
        read(of, body)
    assert caught.value.severity is Severity.FATAL
    return caught.value


@pytest.mark.parametrize(
    ("key", "path"),
    [("ABC", "ABC"), ("BRK/B", "BRK%2FB"), ("a b&c=ü", "a%20b%26c%3D%C3%BC"), (17, "17"), ("{key}", "%7Bkey%7D")],
)
def test_the_key_is_quoted_into_the_url(key: Any, path: str) -> None:
    """A key can hold anything and stays one part of the path."""
    assert source().url(key) == f"https://api.broker.example/v1/{path}?token=hunter2"


def test_a_url_may_come_from_a_callable() -> None:
    """The callable is given the key as it is."""
    assert source(lambda key: f"http://h/{key[0]}").url(("a", "b")) == "http://h/a"


@pytest.mark.parametrize(
    ("url", "text"),
    [
        (lambda key: f"ftp://me:hunter2@h/{key}?hunter2", "snapshot='ftp://h/ABC?...': expected a URL that begins with http://"),
        (lambda key: None, "snapshot=None: expected a URL"),
        (lambda key: key["x"], "raised TypeError"),
    ],
)
def test_a_url_that_cannot_be_made_is_fatal(url: Any, text: str) -> None:
    """Whatever a callable does wrong is one error that names the field and hides the query; the original is its cause."""
    with pytest.raises(FetchError) as caught:
        source(url).url("ABC")
    assert caught.value.severity is Severity.FATAL
    assert "snapshot=<lambda>: no URL for the key 'ABC': " in str(caught.value)
    assert text in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert isinstance(caught.value.__cause__, (FeedError, TypeError))


def test_headers_may_come_from_a_callable() -> None:
    """It is asked for every request."""
    keys = iter(["one", "two"])
    asked = source(headers=lambda: {"X-API-Key": next(keys)})
    assert asked.headers("http://h/") == {"X-API-Key": "one"}
    assert asked.headers("http://h/") == {"X-API-Key": "two"}


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"X-Key": "hunter2\r\nX-Evil: 1"}, "headers='X-Key': the value of this header is not a text on one line"),
        ({"X Key": "hunter2"}, "headers='X Key': not a header name"),
        ({"X-Key": "hunter2€"}, "headers='X-Key': the value of this header has characters that HTTP cannot carry"),
        ({"X-Key": 7}, "headers='X-Key': the value of this header is not a text on one line"),
        (None, "raised TypeError"),
    ],
)
def test_headers_that_cannot_be_sent_are_fatal(given: Any, text: str) -> None:
    """The error names the header, never its value."""
    with pytest.raises(FetchError) as caught:
        source(headers=lambda: given).headers("http://h/")
    assert caught.value.severity is Severity.FATAL
    assert str(caught.value) == f"headers=<lambda>: {text}"


def test_fixed_headers_are_told_by_name() -> None:
    """Where no callable made them, the error names them all, and no value."""
    with pytest.raises(FetchError, match=r"^headers=\['A', 'X-Key'\]: headers='X-Key': the value [^2]*$"):
        source(headers={"X-Key": "hunter2€", "A": "1"}).headers("http://h/")


def test_user_and_password_in_the_url_become_a_header() -> None:
    """So they are dropped on the way to another host like every header; an Authorization of the user's own wins."""
    plain = source(headers={})
    assert plain.headers("http://us%40er:p%3Aw@h/") == {"Authorization": "Basic dXNAZXI6cDp3"}
    assert source(headers={"authorization": "Bearer x"}).headers("http://u:p@h/") == {"authorization": "Bearer x"}


def test_a_body_is_read_as_json_by_default() -> None:
    """`decode=dict` is any JSON; the state is the whole body."""
    assert read(source(), b'{"seq": 7, "bids": []}') == (7, {"seq": 7, "bids": []})
    assert read(source(position="data.0.seq"), b'{"data": [{"seq": "a7"}]}') == ("a7", {"data": [{"seq": "a7"}]})
    assert read(source(position=lambda body: body[1] + 1), b"[1, 2]") == (3, [1, 2])


@pytest.mark.parametrize(
    ("decode", "position", "body", "expected"),
    [
        (Quote, "seq", b'{"seq": 7, "bid": 1.5}', (7, Quote(7, 1.5))),
        (dict[str, int], len, b'{"seq": 7}', (1, {"seq": 7})),
        (bytes, len, b"\xff\x00", (2, b"\xff\x00")),
        (str, len, b"abc", (3, "abc")),
        (lambda text: {"seq": int(text)}, "seq", b"7", (7, {"seq": 7})),
    ],
)
def test_a_body_is_read_as_the_type_asked_for(decode: Any, position: Any, body: bytes, expected: Any) -> None:
    """Every `decode` that a feed can have works for a snapshot too."""
    assert read(source(position=position, decode=decode), body) == expected


def test_a_whole_snapshot_has_no_position() -> None:
    """`whole=True` asks for none."""
    assert read(Source(Rest(URL, whole=True)), b"[]") == (None, [])


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"<html>", "the answer is not JSON (excerpt)"),
        (b"", "the answer is not JSON (excerpt)"),
        (b'{"bids": [], "id": 1}', "position='seq': the answer has no value there; it has: bids, id"),
        (b'{"seq": null}', "position='seq': the answer has no value there; it has: seq"),
        (b"{}", "position='seq': the answer has no value there; it has: nothing"),
        (b"[1]", "position='seq': the answer has no value there; it has: list"),
        (b'{"seq": true}', "position='seq': expected a whole number or a text, the answer has bool True"),
        (b'{"seq": 1.0}', "position='seq': expected a whole number or a text, the answer has float 1.0"),
        (b'{"seq": {"a": 1}}', "position='seq': expected a whole number or a text, the answer has dict {'a': 1}"),
        (b'{"seq": [1]}', "position='seq': expected a whole number or a text, the answer has list [1]"),
    ],
)
def test_a_body_without_a_usable_position_is_fatal(body: bytes, text: str) -> None:
    """The error says what was looked for and what is there."""
    assert str(failure(source(), body)) == text


def test_many_fields_are_not_all_told() -> None:
    """A body that is a table of thousands of symbols makes no error text of that length."""
    body = msgspec.json.encode({f"s{number:03}": 0 for number in range(500)})
    assert str(failure(source(), body)).endswith("s018, s019, ...")


@pytest.mark.parametrize(
    ("decode", "body", "text"),
    [
        (Quote, b'{"bid": 1}', "the answer does not fit decode=Quote: Object missing required field `seq`"),
        (Quote, b"<html>", "the answer is not JSON (excerpt)"),
        (str, b"\xff", "the answer is not text (excerpt)"),
        (lambda text: text[99], b"a", "the answer does not fit decode=<lambda>: raised IndexError"),
    ],
)
def test_a_body_that_does_not_fit_is_fatal(decode: Any, body: bytes, text: str) -> None:
    """The error says whether the body is wrong in form or in content; the original is its cause."""
    found = failure(source(position=lambda body: 1, decode=decode), body)
    assert str(found) == text
    assert found.__cause__ is not None


def test_a_body_that_may_be_cut_may_pass() -> None:
    """Where nothing marks the end of an answer, one that ends too early is the network's trouble; HTML is not."""
    for body, severity in ((b"", Severity.RETRY), (b'{"seq": 7', Severity.RETRY), (b"<html>", Severity.FATAL)):
        with pytest.raises(FetchError) as caught:
            source().read(body, "the answer", lambda body: "", complete=False)
        assert caught.value.severity is severity


def test_a_position_callable_that_raises_is_fatal() -> None:
    """A KeyError says that there is none; anything else is told by its kind, and is the cause."""
    found = failure(source(position=lambda body: body["seq"]), b"{}")
    assert str(found) == "position=<lambda>: the answer has no value there; it has: nothing"
    assert isinstance(found.__cause__, KeyError)
    found = failure(source(position=lambda body: int("x")), b"{}")
    assert str(found) == "position=<lambda>: raised ValueError, for the answer"
    assert isinstance(found.__cause__, ValueError)


@pytest.mark.parametrize(
    ("status", "retry_after", "severity"),
    [
        (500, "", Severity.RETRY),
        (503, "2", Severity.RETRY),
        (599, "", Severity.RETRY),
        (408, "", Severity.RETRY),
        (425, "", Severity.RETRY),
        (429, "", Severity.RETRY),
        (418, "60", Severity.RETRY),
        (418, "", Severity.FATAL),
        (400, "", Severity.FATAL),
        (401, "", Severity.FATAL),
        (404, "soon", Severity.FATAL),
        (304, "", Severity.FATAL),
        (103, "5", Severity.FATAL),
    ],
)
def test_a_status_says_whether_it_may_pass(status: int, retry_after: str, severity: Severity) -> None:
    """Server trouble passes, and so does whatever the venue gives a time for; the rest is ours to mend."""
    found = refusal(status, retry_after, WALL, "snapshot='u'", "")
    assert (found.severity, found.status) == (severity, status)


def test_a_refusal_names_the_status() -> None:
    """By number and by name, where it has one."""
    assert str(refusal(429, "7", WALL, "snapshot='u'", " (x)")) == "snapshot='u': the venue answered 429 Too Many Requests (x)"
    assert str(refusal(599, "", WALL, "snapshot='u'", "")) == "snapshot='u': the venue answered 599 unknown status"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("0", 0.0),
        (" 120 ", 120.0),
        ("1.5", 1.5),
        ("-3", 0.0),
        ("9" * 5000, RETRY_AFTER_LIMIT),
        (email.utils.formatdate(WALL + 90, usegmt=True), 90.0),
        (email.utils.formatdate(WALL - 90, usegmt=True), 0.0),
        (email.utils.formatdate(WALL + 1e8, usegmt=True), RETRY_AFTER_LIMIT),
        ("", None),
        ("soon", None),
        ("nan", None),
        ("1e3", None),
        ("²", None),
        ("Fri, 99 Foo 2023 99:99:99 GMT", None),
    ],
)
def test_retry_after_is_seconds_from_now(value: str, expected: object) -> None:
    """Given as seconds or as a date, it is never negative and never more than an hour."""
    assert wait_of(value, WALL) == expected


@given(st.text() | st.from_regex(r"[A-Z][a-z]{2}, [0-9]{1,3} [A-Z][a-z]{2} [0-9]{1,5} [0-9]{1,3}:[0-9]{2}:[0-9]{2} [A-Z]{3}"))
def test_no_retry_after_can_break_it(value: str) -> None:
    """Whatever a server writes there, it is a sane number or nothing."""
    found = wait_of(value, WALL)
    assert found is None or 0.0 <= found <= RETRY_AFTER_LIMIT


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("/b?c=1#top", "http://u:p@h/b?c=1"),
        ("c", "http://u:p@h/a/c"),
        ("//other/x", "http://other/x"),
        ("https://h/x y/ü%20%zz", "https://h/x%20y/%C3%BC%20%zz"),
    ],
)
def test_a_redirect_leads_where_it_says(location: str, expected: str) -> None:
    """Relative or absolute, with letters that must be quoted."""
    assert target("http://u:p@h/a/b", location, "snapshot='u'") == expected


@pytest.mark.parametrize(
    ("location", "text"),
    [
        ("ftp://h/?hunter2", "the redirect cannot be followed: Location='ftp://h/?...': expected a URL that begins with"),
        ("http://[h/?hunter2", "the redirect cannot be followed: raised ValueError"),
        ("http://u:hunter2@h/?hunter2", "a redirect from https to http://h/?... is refused"),
    ],
)
def test_some_redirects_are_refused(location: str, text: str) -> None:
    """Never to another protocol, never from https to http."""
    with pytest.raises(FetchError) as caught:
        target("https://h/", location, "snapshot='u'")
    assert caught.value.severity is Severity.FATAL
    assert str(caught.value).startswith(f"snapshot='u': {text}")
    assert "hunter2" not in str(caught.value)


def test_an_origin_is_scheme_host_and_port() -> None:
    """The port may be left out, and the host written in any case."""
    assert origin("https://H/a") == origin("https://h:443/b") == ("https", "h", 443)
    assert len({origin(url) for url in ("http://h", "https://h", "http://h:443", "http://h2")}) == 4


def test_secrets_are_the_words_of_a_request() -> None:
    """Longest first, so that no part of a longer one is left over."""
    found = secrets("http://user:pass%21@h/?token=hunter2&n=1", {"Authorization": "Bearer abcdef", "N": "5"})
    expected = {"token=hunter2&n=1", "hunter2", "user", "pass%21", "pass!", "Bearer abcdef", "Bearer", "abcdef"}
    assert set(found) == expected
    assert [len(word) for word in found] == sorted((len(word) for word in found), reverse=True)


def test_values_in_texts_are_short() -> None:
    """An error text stays readable whatever the value."""
    assert short("abc") == "'abc'"
    assert len(short("x" * 1000)) == 100
    assert fatal("x").severity is Severity.FATAL
