"""What is asked for in an upgrade, and which answers are taken."""

from __future__ import annotations

import ssl
import string
from typing import Any, Mapping

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncstream import Deflate, upgrade
from syncstream.core.deflate import Agreed
from syncstream.errors import FeedError
from syncstream.feed import Endpoint
from syncstream.upgrade import Answer, Chosen, Wrong

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="  # the example of RFC 6455, section 1.3
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
GOOD = {"upgrade": "websocket", "connection": "Upgrade", "sec-websocket-accept": ACCEPT}
NOW = 1_700_000_000.0  # Tue, 14 Nov 2023 22:13:20 GMT


def answer(status: int = 101, version: str = "HTTP/1.1", reason: str = "", **headers: str) -> Answer:
    return Answer(version, status, reason, {name.replace("_", "-"): value for name, value in headers.items()})


@pytest.mark.parametrize(
    ("url", "host", "port", "secure", "authority", "resource"),
    [
        ("ws://venue.test", "venue.test", 80, False, "venue.test", "/"),
        ("wss://venue.test", "venue.test", 443, True, "venue.test", "/"),
        ("ws://venue.test:443/", "venue.test", 443, False, "venue.test:443", "/"),
        ("wss://venue.test:80/", "venue.test", 80, True, "venue.test:80", "/"),
        ("wss://VENUE.test:443/Path", "venue.test", 443, True, "venue.test", "/Path"),
        ("ws://venue.test/a;b/c;d?x=1;2&y=%20", "venue.test", 80, False, "venue.test", "/a;b/c;d?x=1;2&y=%20"),
        ("ws://venue.test?token=a", "venue.test", 80, False, "venue.test", "/?token=a"),
        ("ws://[::1]:8080/x", "::1", 8080, False, "[::1]:8080", "/x"),
        ("ws://börse.test/kürs?f=ö", "xn--brse-5qa.test", 80, False, "xn--brse-5qa.test", "/k%C3%BCrs?f=%C3%B6"),
    ],
)
def test_a_url_is_taken_apart(url: str, host: str, port: int, secure: bool, authority: str, resource: str) -> None:
    """Host, port, Host header and request path, with the default ports, IPv6 and names that are not ASCII."""
    found = upgrade.target(Endpoint(url=url, compression=None))
    assert (found.host, found.port, found.secure, found.authority, found.resource) == (host, port, secure, authority, resource)
    assert found.lines == ()


def test_headers_and_subprotocols_become_lines() -> None:
    """The user's headers in their order, a Host in the place of ours, and what is offered."""
    headers = {"X-Key": "k", "Host": "other.test", "Cookie": "a=b"}
    found = upgrade.target(Endpoint(url="ws://venue.test", headers=headers, subprotocols=["v1", "v2"]))
    assert found.lines == (
        *("X-Key: k", "Cookie: a=b", "Sec-WebSocket-Protocol: v1, v2"),
        "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
    )
    assert found.authority == "other.test"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [({}, ("Authorization: Basic dXM6ZXI6cMOkc3M=",)), ({"authorization": "Bearer x"}, ("authorization: Bearer x",))],
)
def test_a_user_name_in_the_url_is_sent(headers: Mapping[str, str], expected: tuple[str, ...]) -> None:
    """As basic authorization, unless a header says otherwise."""
    endpoint = Endpoint(url="ws://us%3Aer:p%C3%A4ss@venue.test", headers=headers, compression=None)
    assert upgrade.target(endpoint).lines == expected


@pytest.mark.parametrize(
    "name", ["Connection", "upgrade", "Content-Length", "Transfer-Encoding", "Sec-WebSocket-Key", "sec-websocket-extensions"]
)
def test_headers_of_the_upgrade_cannot_be_set(name: str) -> None:
    """A second one would make the request mean something else."""
    with pytest.raises(Wrong, match=name):
        upgrade.target(Endpoint(url="ws://venue.test", headers={name: "x"}))


@pytest.mark.parametrize("value", ["a\r\nEvil: 1", "a\nEvil: 1", "a\rb", "a\0b"])
def test_line_breaks_in_a_header_are_refused_once_more(value: str) -> None:
    """The endpoint refuses them, but its mapping can be changed afterwards."""
    headers: dict[str, str] = {}
    endpoint = Endpoint(url="ws://venue.test", headers=headers)
    headers["X-Key"] = value
    with pytest.raises(FeedError, match="X-Key") as caught:
        upgrade.target(endpoint)
    assert "Evil" not in str(caught.value)


def test_a_subprotocol_is_a_token() -> None:
    """A comma would offer two, a blank is not allowed."""
    with pytest.raises(Wrong, match="subprotocol"):
        upgrade.target(Endpoint(url="ws://venue.test", subprotocols=["a, b"]))


@pytest.mark.parametrize("where", ["url", "header"])
def test_what_cannot_be_encoded_is_refused_without_showing_it(where: str) -> None:
    """Half a surrogate pair has no bytes."""
    odd = "secret\ud800"
    endpoint = Endpoint(url=f"ws://venue.test/?{odd}") if where == "url" else Endpoint(url="ws://venue.test", headers={"X": odd})
    with pytest.raises(Wrong, match="character") as caught:
        upgrade.target(endpoint)
    assert "secret" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_an_answer_is_read() -> None:
    """Names in lower case, blanks around values gone, repeated headers joined; lines may end with LF alone."""
    head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade:websocket\r\nX-A: 1 \r\nx-a:\t2\nEmpty:"
    found = upgrade.parse(head)
    assert found == Answer("HTTP/1.1", 101, "Switching Protocols", {"upgrade": "websocket", "x-a": "1, 2", "empty": ""})


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"FOO 101 Switching Protocols",
        b"HTTP/1.1 1011 x",
        b"HTTP/1.1 10",
        b"HTTP/1.1  101 x",
        b"HTTP/2 200",
        b"http/1.1 101 x",
        b" HTTP/1.1 101 x",
        b"HTTP/1.1 101 x\x00",
        b"HTTP/1.1 101 x\r\nNoColon",
        b"HTTP/1.1 101 x\r\nName : v",
        b"HTTP/1.1 101 x\r\n: v",
        b"HTTP/1.1 101 x\r\nA: b\r\n folded",
        b"HTTP/1.1 101 x\r\nA: b\rC: d",
        b"HTTP/1.1 101 x\r\nA: b\x00",
        b"\x15\x03\x03\x00\x02\x02\x50",  # a TLS alert
    ],
)
def test_what_is_not_http_is_refused(head: bytes) -> None:
    """A malformed head gives no answer to guess from."""
    with pytest.raises(Wrong):
        upgrade.parse(head)


@given(st.binary(max_size=200) | st.binary(max_size=200).map(lambda tail: b"HTTP/1.1 101 x\r\n" + tail))
def test_any_bytes_are_an_answer_or_wrong(head: bytes) -> None:
    """Nothing but `Wrong` comes out of hostile bytes, and no control character is taken in."""
    try:
        found = upgrade.parse(head)
    except Wrong:
        return
    assert not any(c < " " and c != "\t" for c in found.reason + "".join(found.headers.values()))


TOKEN = st.text(string.ascii_lowercase + "-", min_size=1, max_size=10)
VALUE = st.text(string.ascii_letters + string.digits + "=/;, \xe4", max_size=20).map(str.strip)


@given(st.integers(100, 599), st.dictionaries(TOKEN, VALUE, max_size=6))
def test_a_well_formed_answer_is_read_as_it_is(status: int, headers: Mapping[str, str]) -> None:
    """Whatever the names and values are."""
    lines = [f"HTTP/1.1 {status} Some Words", *(f"{name.title()}: {value}" for name, value in headers.items())]
    assert upgrade.parse("\r\n".join(lines).encode("latin-1")) == Answer("HTTP/1.1", status, "Some Words", headers)


def test_the_right_answer_is_taken() -> None:
    """With or without the subprotocol, and with the lists and letter cases that are allowed."""
    assert upgrade.check(Answer("HTTP/1.1", 101, "", GOOD), KEY, []) == Chosen()
    assert upgrade.check(Answer("HTTP/1.1", 101, "", GOOD), KEY, ["v1"]) == Chosen()
    odd = {**GOOD, "upgrade": "WebSocket", "connection": "keep-alive, UPGRADE", "sec-websocket-protocol": "v2"}
    assert upgrade.check(Answer("HTTP/1.1", 101, "", odd), KEY, ["v1", "v2"]) == Chosen("v2")
    packed = {**GOOD, "sec-websocket-extensions": "permessage-deflate; server_no_context_takeover"}
    agreed = Agreed(server_context=False)
    assert upgrade.check(Answer("HTTP/1.1", 101, "", packed), KEY, [], Deflate()) == Chosen(None, agreed)
    empty = {**GOOD, "sec-websocket-extensions": ""}
    assert upgrade.check(Answer("HTTP/1.1", 101, "", empty), KEY, [], Deflate()) == Chosen()


def test_an_answer_about_compression_that_does_not_fit_is_refused() -> None:
    """The words are those of `core.deflate`."""
    wrong = {**GOOD, "sec-websocket-extensions": "permessage-deflate; client_max_window_bits"}
    with pytest.raises(Wrong, match="client_max_window_bits is a whole number from 8 to 15"):
        upgrade.check(Answer("HTTP/1.1", 101, "", wrong), KEY, [], Deflate())


@pytest.mark.parametrize(
    ("changed", "version", "words"),
    [
        ({}, "HTTP/1.0", "HTTP/1.0"),
        ({}, "HTTP/2.0", "HTTP/2.0"),
        ({"upgrade": "h2c"}, "HTTP/1.1", "not an upgrade"),
        ({"upgrade": ""}, "HTTP/1.1", "not an upgrade"),
        ({"connection": "close"}, "HTTP/1.1", "not an upgrade"),
        ({"sec-websocket-accept": ""}, "HTTP/1.1", "Accept"),
        ({"sec-websocket-accept": ACCEPT.lower()}, "HTTP/1.1", "Accept"),
        ({"sec-websocket-accept": f"{ACCEPT}, {ACCEPT}"}, "HTTP/1.1", "Accept"),
        ({"sec-websocket-accept": "\xe4"}, "HTTP/1.1", "Accept"),
        ({"sec-websocket-extensions": "permessage-deflate"}, "HTTP/1.1", "extension"),
        ({"sec-websocket-protocol": "v3"}, "HTTP/1.1", "subprotocol"),
        ({"sec-websocket-protocol": "V1"}, "HTTP/1.1", "subprotocol"),
        ({"sec-websocket-protocol": "v1, v1"}, "HTTP/1.1", "subprotocol"),
        ({"sec-websocket-protocol": ""}, "HTTP/1.1", "subprotocol"),
    ],
)
def test_an_answer_that_is_a_little_wrong_is_refused(changed: Mapping[str, str], version: str, words: str) -> None:
    """HTTP/1.1, an upgrade, the exact accept value, nothing that was not offered."""
    with pytest.raises(Wrong, match=words):
        upgrade.check(Answer(version, 101, "", {**GOOD, **changed}), KEY, ["v1"])


def test_the_library_is_shown_only_what_it_checks() -> None:
    """Three headers, so that no cookie gets into its jar."""
    shown = upgrade.essence(Answer("HTTP/1.1", 101, "", {**GOOD, "set-cookie": "a=b; Domain=victim.test", "content-length": "9"}))
    assert shown.decode().split("\r\n") == [
        "HTTP/1.1 101 Switching Protocols",
        "upgrade: websocket",
        "connection: Upgrade",
        f"sec-websocket-accept: {ACCEPT}",
        "",
        "",
    ]


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "120"}, 120.0),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "1.5"}, None),
        ({"retry-after": "9" * 400}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "Tue, 14 Nov 2023 22:14:20 GMT"}, 60.0),
        ({"retry-after": "Tue, 14 Nov 2023 22:00:00 GMT"}, 0.0),
        ({"retry-after": "Tue, 14 Nov 2023 22:14:20 GMT", "date": "Tue, 14 Nov 2023 22:14:10 GMT"}, 10.0),
        ({"retry-after": "Tue, 14 Nov 2023 22:14:20 GMT", "date": "yesterday"}, 60.0),
        ({"retry-after": "Tue, 99 Nov 2023 22:14:20 GMT"}, None),
    ],
)
def test_retry_after_is_seconds_from_now(headers: Mapping[str, str], expected: Any) -> None:
    """Given as seconds or as a date; a date counts by the server's own clock where it shows one."""
    assert upgrade.retry_after(headers, NOW) == expected


@given(st.text(max_size=40))
def test_any_retry_after_is_a_number_or_none(text: str) -> None:
    """Nothing that a server can put there raises."""
    found = upgrade.retry_after({"retry-after": text}, NOW)
    assert found is None or 0 <= found < 1e12


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"content_length": "20"}, 20),
        ({"content_length": "1099511627776"}, upgrade.SAID_LIMIT),
        ({"content_length": "20", "content_type": "application/json; charset=utf-8"}, 20),
        ({"content_length": "20", "content_type": "text/html"}, 0),
        ({"content_length": "20", "content_type": "image/png"}, 0),
        ({"content_length": "20", "content_encoding": "gzip"}, 0),
        ({"content_length": "20", "transfer_encoding": "chunked"}, 0),
        ({"content_length": "-1"}, 0),
        ({"content_length": "x"}, 0),
        ({}, 0),
    ],
)
def test_little_of_a_body_is_looked_at(headers: Mapping[str, str], expected: int) -> None:
    """Only plain text of a known length, and only its beginning."""
    assert upgrade.body_size(answer(403, **headers)) == expected


@pytest.mark.parametrize(
    ("found", "body", "expected"),
    [
        (answer(403, reason="Forbidden"), b"", "refused with status 403 Forbidden"),
        (answer(403), b'{"error":\r\n "no such feed"}', 'refused with status 403: {"error": "no such feed"}'),
        (answer(403), b"key s3cr3t is unknown", "refused with status 403"),
        (answer(403, reason="s3cr3t"), b"", "refused with status 403"),
        (answer(403), b"\x00\x01\x02", "refused with status 403"),
        (answer(403), "ä".encode()[:1], "refused with status 403"),
        (answer(403), "zu früh, ä".encode()[:-1], "refused with status 403: zu früh,"),
        (answer(403, reason="x" * 99), b"", f"refused with status 403 {'x' * 57}..."),
        (
            answer(302, location="https://u:p@else.test/login?next=s3cr3t#x"),
            b"",
            "refused with status 302, a redirect to https://else.test/login?...",
        ),
        (
            answer(302, location="https://else.test/s3cr3t"),
            b"",
            "refused with status 302, a redirect to a place not shown",
        ),
        (answer(304), b"", "refused with status 304"),
    ],
)
def test_a_refusal_in_words(found: Answer, body: bytes, expected: str) -> None:
    """Status, reason, the beginning of a text; never a secret, even if the server repeats it."""
    assert upgrade.refusal(found, body, ["s3cr3t"]) == expected


FULL = Endpoint(
    url="ws://us:pass@venue.test/feed?token=s3cr3t",
    headers={"Authorization": "Bearer s3cr3t", "X-Any": "s3cr3t"},
    subprotocols=["bearer.s3cr3t"],
    sslopt={"ca_certs": "ca.pem", "certfile": "c.pem", "keyfile": "k.pem", "password": "s3cr3t", "server_hostname": "venue.test"},
    max_redirects=2,
)


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("/other", "ws://us:pass@venue.test/other"),
        ("other?a=1#x", "ws://us:pass@venue.test/other?a=1"),
        ("?b=2", "ws://us:pass@venue.test/feed?b=2"),
        ("//venue.test/x", "ws://us:pass@venue.test/x"),
        ("ws://VENUE.test:80/x", "ws://us:pass@VENUE.test:80/x"),
        ("http://venue.test/x", "ws://us:pass@venue.test/x"),
        ("https://venue.test/x", "wss://us:pass@venue.test/x"),
        ("wss://who:else@venue.test/x", "wss://us:pass@venue.test/x"),
        ("/a b/ü", "ws://us:pass@venue.test/a%20b/%C3%BC"),
    ],
)
def test_a_redirect_on_the_same_host(location: str, expected: str) -> None:
    """Relative or absolute, by any of the four schemes, into TLS or not: all goes along, but the query is the redirect's."""
    found = upgrade.followed(FULL, location)
    assert found == msgspec.structs.replace(FULL, url=expected)


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("ws://else.test/x?t=1", "ws://else.test/x?t=1"),
        ("//else.test", "ws://else.test"),
        ("ws://who:pass@else.test/", "ws://else.test/"),
        ("ws://venue.test:81/", "ws://venue.test:81/"),
        ("wss://venue.test:444/", "wss://venue.test:444/"),
        ("ws://venue.test:443/", "ws://venue.test:443/"),
        ("ws://sub.venue.test/", "ws://sub.venue.test/"),
        ("ws://us:pass@venue.test@else.test/", "ws://else.test/"),
    ],
)
def test_a_redirect_to_another_host_carries_nothing(location: str, expected: str) -> None:
    """No header, no login, no query, no subprotocol, no certificate of the client; what it trusts and how it dials stays."""
    found = upgrade.followed(FULL, location)
    assert found == Endpoint(url=expected, sslopt={"ca_certs": "ca.pem"}, max_redirects=2)


@pytest.mark.parametrize(
    ("url", "location", "words"),
    [
        ("wss://venue.test/", "ws://venue.test/", "from wss to ws"),
        ("wss://venue.test/", "http://venue.test/", "from wss to ws"),
        ("wss://venue.test/", "ws://else.test/", "from wss to ws"),
        ("ws://venue.test/", "ftp://venue.test/", "begins with ws:// or wss://"),
        ("ws://venue.test/", "javascript:alert(1)", "begins with ws:// or wss://"),
        ("ws://venue.test/", "wss://", "names no host"),
        ("ws://venue.test/", "ws://else.test:0/", "the port"),
        ("ws://venue.test/", "ws://else.test:99999/", "the port"),
        ("ws://venue.test/", "ws://[s3cr3t/", "cannot be read"),
    ],
)
def test_some_redirects_are_refused(url: str, location: str, words: str) -> None:
    """A way out of TLS, and what is no WebSocket URL."""
    with pytest.raises(Wrong, match=words) as caught:
        upgrade.followed(Endpoint(url=url), location)
    assert "s3cr3t" not in str(caught.value)


def test_a_context_of_the_users_own_goes_to_no_other_host() -> None:
    """It may hold a certificate of the client, and nobody can look; on the same host and without TLS it does no harm."""
    start = msgspec.structs.replace(FULL, sslopt={"context": ssl.create_default_context()})
    with pytest.raises(Wrong, match="another host is refused, because the SSLContext"):
        upgrade.followed(start, "wss://else.test/")
    assert upgrade.followed(start, "wss://venue.test/").sslopt == start.sslopt
    assert upgrade.followed(start, "ws://else.test/").sslopt == {}


@given(st.text(max_size=60) | st.text("wshtp:/@?#[].%1a \\", max_size=30))
def test_any_location_leads_somewhere_or_is_refused(location: str) -> None:
    """Never out of TLS, and to another host never with a secret."""
    start = msgspec.structs.replace(FULL, url="wss://us:pass@venue.test/feed?token=s3cr3t")
    try:
        found = upgrade.followed(start, location)
        there = upgrade.target(found)
    except Wrong:
        return
    assert there.secure
    if (there.host, there.port) != ("venue.test", 443):
        said = repr([there, dict(found.headers), list(found.subprotocols)])
        assert "s3cr3t" not in said.replace(location, "")
        assert "Authorization" not in said


def test_what_is_secret_of_an_endpoint() -> None:
    """Values of headers and query, user name and password, subprotocols; whole, unquoted and in words."""
    endpoint = Endpoint(
        url="wss://user:pass%21word@venue.test/path?token=to%2Fken&v=1&bare-secret",
        headers={"Authorization": "Bearer abcdef", "Cookie": "sid=12345; b=2"},
        subprotocols=["bearer.xyz"],
    )
    secrets = upgrade.secrets_of(endpoint)
    assert {
        "user",
        "pass%21word",
        "pass!word",
        "to/ken",
        "to%2Fken",
        "bare-secret",
        "Bearer abcdef",
        "abcdef",
        "12345",
        "bearer.xyz",
    } <= set(secrets)
    assert not {"", "1", "v", "token", "venue.test", "/path"} & set(secrets)
