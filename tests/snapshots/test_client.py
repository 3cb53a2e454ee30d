"""One snapshot request, against a real site."""

from __future__ import annotations

import gzip
import json
import logging
import socket
import ssl
import threading
import time
import traceback
import zlib
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

from syncstream.errors import FetchError, Severity
from syncstream.feed import Rest
from syncstream.snapshots.client import Client
from syncstream.snapshots.source import Source
from tests.snapshots.site import Page, Site, Visit

NewSite = Callable[..., Site]
NewClient = Callable[..., Client]


@pytest.fixture
def client() -> Iterator[NewClient]:
    """Makes clients for a URL; they are closed after the test, before the sites are."""
    made: list[Client] = []

    def make(url: Any, *, position: Any = "seq", **kwargs: Any) -> Client:
        rest = Rest(url, position=position, **{"timeout": 5.0, **kwargs})
        made.append(Client(Source(rest), rest.timeout, "syncstream/test"))
        return made[-1]

    yield make
    for one in made:
        one.close()


def failure(client: Client, key: Any = "ABC") -> FetchError:
    with pytest.raises(FetchError) as caught:
        client.get(key)
    return caught.value


def quote(visit: Visit) -> None:
    visit.json({"seq": 7, "bid": 1.5})


def test_a_snapshot_is_fetched(site: Site, client: NewClient) -> None:
    """The key stands in the URL, the position and the state in the answer, and our name in the request."""
    site.pages["/q/ABC"] = quote
    assert client(site.base + "/q/{key}?depth=5").get("ABC") == (7, {"seq": 7, "bid": 1.5})
    (request,) = site.requests
    assert request.path == "/q/ABC?depth=5"
    assert request.headers["User-Agent"] == "syncstream/test"
    assert request.headers["Accept-Encoding"] == "gzip, deflate"


def test_a_connection_is_kept(site: Site, client: NewClient) -> None:
    """The second request goes over the connection of the first, also after a refusal."""
    pages: Iterator[Page] = iter([quote, lambda visit: visit.send(b"wait", status=429), quote])
    site.pages["/ABC"] = lambda visit: next(pages)(visit)
    one = client(site.base + "/{key}")
    one.get("ABC")
    assert failure(one).status == 429
    one.get("ABC")
    assert len({request.port for request in site.requests}) == 1


def test_headers_are_asked_for_each_request(site: Site, client: NewClient) -> None:
    """A callable's headers go out, and beat our own."""
    site.pages["/ABC"] = quote
    keys = iter(["one", "two"])
    one = client(site.base + "/{key}", headers=lambda: {"X-API-Key": next(keys), "user-agent": "me"})
    one.get("ABC")
    one.get("ABC")
    assert [request.headers["X-API-Key"] for request in site.requests] == ["one", "two"]
    assert [request.headers.get("user-agent") for request in site.requests] == ["me", "me"]


def test_callables_that_raise_send_nothing(site: Site, client: NewClient) -> None:
    """Their exception is the cause of a FATAL error."""

    def broken(*args: object) -> Any:
        raise LookupError("no token")

    for one in (client(broken), client(site.base + "/{key}", headers=broken)):
        found = failure(one)
        assert found.severity is Severity.FATAL
        assert isinstance(found.__cause__, LookupError)
    assert site.requests == []


@pytest.mark.parametrize(
    ("status", "headers", "severity", "after"),
    [
        (503, {}, Severity.RETRY, None),
        (429, {"Retry_After": "7"}, Severity.RETRY, 7.0),
        (404, {}, Severity.FATAL, None),
        (302, {}, Severity.FATAL, None),
    ],
)
def test_a_status_is_classified(
    site: Site, client: NewClient, status: int, headers: dict[str, str], severity: Severity, after: object
) -> None:
    """The error tells what the venue said, in number and in words."""
    site.pages["/ABC"] = lambda visit: visit.send(b'{"msg":  "because"}', status=status, Content_Type="text/x", **headers)
    found = failure(client(site.base + "/{key}"))
    assert (found.severity, found.status, found.retry_after) == (severity, status, after)
    assert str(found).startswith(f"snapshot='{site.base}/ABC': the venue answered {status} ")
    assert str(found).endswith("""(Content-Type 'text/x'): '{"msg": "because"}'""")


def test_a_large_error_page_is_not_read(site: Site, client: NewClient) -> None:
    """Its status says enough."""
    site.pages["/ABC"] = lambda visit: visit.send(b"x" * 100_000, status=503)
    assert str(failure(client(site.base + "/{key}"))).endswith("answered 503 Service Unavailable")


def test_html_is_told_as_what_it_is(site: Site, client: NewClient) -> None:
    """The content type and the first words, on one line."""
    page = b"<!doctype html>\n<title>Please\n log in</title>" + b"." * 500
    site.pages["/ABC"] = lambda visit: visit.send(page, Content_Type="text/html")
    found = failure(client(site.base + "/{key}"))
    assert found.severity is Severity.FATAL
    assert "is not JSON (Content-Type 'text/html'): '<!doctype html> <title>Please log in</title>..." in str(found)
    assert len(str(found)) < 250


def test_an_empty_answer_is_told(site: Site, client: NewClient) -> None:
    """204, or nothing where something should be."""
    site.pages["/ABC"] = lambda visit: visit.send(status=204)
    assert str(failure(client(site.base + "/{key}"))).endswith("is not JSON (Content-Type 'unknown'): an empty body")


@pytest.mark.parametrize("status", [200, 403])
def test_what_was_sent_is_not_repeated(site: Site, client: NewClient, status: int) -> None:
    """An error page that echoes the request shows neither header values nor the query nor the password."""

    def echo(visit: Visit) -> None:
        visit.send(f"{visit.path} {visit.headers['X-Key']} abcdef".encode(), status=status)

    site.pages["/ABC"] = echo
    url = site.base.replace("//", "//user:hunter3@") + "/{key}?token=hunter2"
    found = failure(client(url, headers={"X-Key": "Bearer abcdef"}))
    text = "".join(traceback.format_exception(type(found), found, found.__traceback__))
    assert "'/ABC?... ... ...'" in text
    for secret in ("hunter2", "hunter3", "abcdef"):
        assert secret not in text


def test_a_missing_position_is_fatal(site: Site, client: NewClient) -> None:
    """The error names the field, the URL and what is there instead."""
    site.pages["/ABC"] = lambda visit: visit.json({"lastUpdateId": 1, "bids": []})
    found = failure(client(site.base + "/{key}?token=hunter2"))
    assert found.severity is Severity.FATAL
    expected = f"position='seq': the answer to snapshot='{site.base}/ABC?...' has no value there; it has: bids, lastUpdateId"
    assert str(found) == expected


def test_nobody_listens(client: NewClient) -> None:
    """A refused connection may pass; the system's error is the cause, and no traceback shows the query."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        found = failure(client(f"http://127.0.0.1:{bound.getsockname()[1]}/{{key}}?token=hunter2"))
    assert found.severity is Severity.RETRY
    assert isinstance(found.__cause__, ConnectionRefusedError)
    assert "ConnectionRefusedError" in str(found)
    assert found.__context__ in (None, found.__cause__)
    assert "hunter2" not in "".join(traceback.format_exception(type(found), found, found.__traceback__))


def test_nothing_secret_is_logged(site: Site, client: NewClient, caplog: pytest.LogCaptureFixture) -> None:
    """urllib3 logs what it asks for, and warns with the whole URL of headers that cannot be parsed; not with our query."""
    site.pages["/ABC"] = lambda visit: visit.raw(b"HTTP/1.1 200 OK\r\nbad header\r\n\r\n{}")
    with caplog.at_level(logging.DEBUG):
        failure(client(site.base + "/{key}?token=hunter2", headers={"X-API-Key": "hunter2"}))
    assert "GET /ABC?... HTTP/1.1" in caplog.text
    assert "Failed to parse headers" in caplog.text
    assert "hunter2" not in caplog.text


def test_an_unknown_host_may_pass(client: NewClient) -> None:
    """Name lookup fails while the network is away."""
    found = failure(client("http://nowhere.example/{key}"))
    assert found.severity is Severity.RETRY
    assert isinstance(found.__cause__, socket.gaierror)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.0 200 OK\r\n\r\n" + b'{"seq": 7',
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + b'{"seq": 7}',
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\n" + b'{"seq": 7}',
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nhello\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello",
        b"SSH-2.0-OpenSSH_9.9\r\n",
    ],
)
def test_a_broken_answer_may_pass(site: Site, client: NewClient, answer: bytes) -> None:
    """A connection that is cut, or an answer that is no HTTP, is the network's trouble; a half body is never used."""
    site.pages["/ABC"] = lambda visit: visit.raw(answer)
    assert failure(client(site.base + "/{key}")).severity is Severity.RETRY


@pytest.mark.parametrize(
    ("head", "drop"),
    [
        (b"", b"HTTP/1.1 200 OK\r\nX: y\r\n"),
        (b"HTTP/1.1 200 OK\r\nX: ", b"y"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b" "),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"0"),
        (b"HTTP/1.1 302 Found\r\nLocation: /ABC\r\nContent-Length: 0\r\nX: ", b"y"),
    ],
)
def test_a_server_that_drips_is_cut_off(site: Site, client: NewClient, head: bytes, drop: bytes) -> None:
    """The time-out is for the whole request, however often a byte comes."""

    def drip(visit: Visit) -> None:
        visit.wfile.write(head)
        visit.drip(drop, pace=0.02)

    site.pages["/ABC"] = drip
    started_at = time.monotonic()
    found = failure(client(site.base + "/{key}", timeout=0.2))
    assert 0.2 <= time.monotonic() - started_at < 3.0
    assert found.severity is Severity.RETRY
    assert str(found).endswith("no complete answer within 0.2 s")


def test_a_mute_server_is_cut_off(site: Site, client: NewClient) -> None:
    """It accepts the request and says nothing; the next request works again."""
    site.pages["/ABC"] = lambda visit: visit.hang()
    site.pages["/XYZ"] = quote
    one = client(site.base + "/{key}", timeout=0.2)
    assert str(failure(one)).endswith("no complete answer within 0.2 s")
    assert one.get("XYZ")[0] == 7


def test_a_long_timeout_is_no_overflow(site: Site, client: NewClient) -> None:
    """A time-out larger than the system's largest is taken as that."""
    site.pages["/ABC"] = quote
    assert client(site.base + "/{key}", timeout=86400.0).get("ABC")[0] == 7


def bomb(size: int) -> bytes:
    """`size` blanks and a JSON body, in a thousandth of the bytes."""
    return gzip.compress(b" " * size + b'{"seq": 7}')


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b" " * 20_000 + b'{"seq": 7}', {}),
        (bomb(50_000_000), {"Content_Encoding": "gzip"}),
        (zlib.compress(b" " * 50_000_000), {"Content_Encoding": "deflate"}),
    ],
)
def test_a_large_body_is_fatal(site: Site, client: NewClient, body: bytes, headers: dict[str, str]) -> None:
    """The bound holds for what comes out of the compression, and reading ends there."""
    site.pages["/ABC"] = lambda visit: visit.send(body, **headers)
    started_at = time.monotonic()
    found = failure(client(site.base + "/{key}", maximum_size=10_000))
    assert found.severity is Severity.FATAL
    assert str(found).endswith("the answer is larger than maximum_size=10000 bytes")
    assert time.monotonic() - started_at < 5.0


def test_a_large_body_without_a_length_is_fatal(site: Site, client: NewClient) -> None:
    """It does not help to hide the size."""
    chunk = b"3e8\r\n" + b" " * 1000 + b"\r\n"
    site.pages["/ABC"] = lambda visit: visit.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk * 11)
    assert "maximum_size=10000" in str(failure(client(site.base + "/{key}", maximum_size=10_000)))


def test_a_body_of_the_maximum_size_is_fine(site: Site, client: NewClient) -> None:
    """The bound is what may come, compressed or not."""
    body = json.dumps({"seq": 7, "pad": "x" * 9_000}).encode()
    site.pages["/plain"] = lambda visit: visit.send(body)
    site.pages["/gzip"] = lambda visit: visit.send(gzip.compress(body), Content_Encoding="gzip")
    one = client(site.base + "/{key}", maximum_size=len(body))
    assert one.get("plain") == one.get("gzip")


@pytest.mark.parametrize(
    "head",
    [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"],
)
def test_an_endless_line_is_fatal(site: Site, client: NewClient, head: bytes) -> None:
    """Chunk lines and trailers have no bound of their own; memory does not fill with them all the same."""

    def flood(visit: Visit) -> None:
        visit.wfile.write(head)
        while not visit.server.site.closing.is_set():
            visit.wfile.write(b"0" * 65536)

    site.pages["/ABC"] = flood
    # By our own bound, or by one that newer versions of urllib3 have; not by the time-out, which may be long.
    found = failure(client(site.base + "/{key}", maximum_size=10_000, timeout=30.0))
    assert "larger than maximum_size=10000" in str(found) or "ChunkedEncodingError" in str(found)


def test_a_flood_of_headers_is_fatal(site: Site, client: NewClient) -> None:
    """All that comes counts, also what stands before the body."""
    header = b"X-Long: " + b"x" * 60_000 + b"\r\n"
    site.pages["/ABC"] = lambda visit: visit.raw(b"HTTP/1.1 200 OK\r\n" + header * 30 + b"\r\n{}")
    found = failure(client(site.base + "/{key}", maximum_size=10_000))
    assert found.severity is Severity.FATAL
    assert "larger than maximum_size=10000" in str(found)


@pytest.mark.parametrize("encoding", ["gzip, gzip", "br", "zstd"])
def test_an_encoding_not_asked_for_is_refused(site: Site, client: NewClient, encoding: str) -> None:
    """Two layers of gzip are a bomb of a million to one."""
    site.pages["/ABC"] = lambda visit: visit.send(gzip.compress(bomb(1000)), Content_Encoding=encoding)
    found = failure(client(site.base + "/{key}"))
    assert found.severity is Severity.FATAL
    assert f"Content-Encoding '{encoding}'" in str(found)


def to(location: str, status: int = 302) -> Page:
    return lambda visit: visit.send(b"elsewhere", status=status, Location=location)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_on_the_same_host_is_followed(site: Site, client: NewClient, status: int) -> None:
    """With all headers, the URL's own user and password included."""
    site.pages["/ABC"] = to("/new/ABC", status)
    site.pages["/new/ABC"] = quote
    url = site.base.replace("//", "//user:pass@") + "/{key}"
    assert client(url, headers={"X-API-Key": "hunter2"}).get("ABC")[0] == 7
    assert site.paths() == ["/ABC", "/new/ABC"]
    for request in site.requests:
        assert request.headers["X-API-Key"] == "hunter2"
        assert request.headers["Authorization"].startswith("Basic ")


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_a_redirect_to_another_host_carries_nothing(new_site: NewSite, client: NewClient, name: str) -> None:
    """No header of the user's goes to another host or port, nor back again to the first."""
    first, second = new_site(), new_site()
    first.pages["/ABC"] = to(f"http://evil:evil@{name}:{second.port}/ABC?x=hunter2")
    second.pages["/ABC"] = to(first.base + "/back")
    first.pages["/back"] = quote
    headers = {"X-API-Key": "hunter2", "Authorization": "Bearer hunter2", "Cookie": "a=hunter2"}
    assert client(first.base + "/{key}", headers=headers).get("ABC")[0] == 7
    asked, away, back = first.requests[0], second.requests[0], first.requests[1]
    assert {key: asked.headers.get(key) for key in headers} == headers
    for request in (away, back):
        assert not set(headers) & set(request.headers)
        assert "hunter2" not in str(request.headers)


def test_redirects_have_an_end(site: Site, client: NewClient) -> None:
    """Five are followed, a circle is FATAL."""
    site.pages["/ABC"] = to("/ABC")
    found = failure(client(site.base + "/{key}"))
    assert (found.severity, len(site.requests)) == (Severity.FATAL, 6)
    assert str(found).endswith("more than 5 redirects")


def test_a_redirect_body_is_not_read(site: Site, client: NewClient) -> None:
    """It could be endless, or never come; nobody needs it."""

    def page(visit: Visit) -> None:
        visit.raw(b"HTTP/1.1 302 Found\r\nLocation: /XYZ\r\nContent-Length: 99\r\n\r\n")
        visit.hang()

    site.pages.update({"/ABC": page, "/XYZ": quote})
    assert client(site.base + "/{key}", timeout=2.0).get("ABC")[0] == 7


@pytest.mark.parametrize("location", ["ftp://h/x", "http://[x", "http://h:99999/"])
def test_a_redirect_to_nowhere_is_fatal(site: Site, client: NewClient, location: str) -> None:
    """A location that is no HTTP URL is not asked for."""
    site.pages["/ABC"] = to(location)
    found = failure(client(site.base + "/{key}"))
    assert found.severity is Severity.FATAL
    assert "the redirect cannot be followed" in str(found)


def test_netrc_is_not_read(site: Site, client: NewClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials come from the feed and from nowhere else."""
    netrc = tmp_path / "netrc"
    netrc.write_text("default login me password hunter2\n")
    monkeypatch.setenv("NETRC", str(netrc))
    site.pages["/ABC"] = quote
    client(site.base + "/{key}").get("ABC")
    assert "Authorization" not in site.requests[0].headers


def test_cookies_are_not_kept(site: Site, client: NewClient) -> None:
    """One request says nothing about another; a Cookie header of the user's own is sent."""
    site.pages["/ABC"] = lambda visit: visit.json({"seq": 7}, Set_Cookie="id=1; Path=/")
    one = client(site.base + "/{key}")
    one.get("ABC")
    one.get("ABC")
    client(site.base + "/{key}", headers={"Cookie": "mine=1"}).get("ABC")
    assert [request.headers.get("Cookie") for request in site.requests] == [None, None, "mine=1"]


def test_a_proxy_of_the_environment_is_used(site: Site, client: NewClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """The proxy is asked for the whole URL, and a proxy that drips is cut off too."""
    monkeypatch.setenv("http_proxy", site.base)
    site.pages["http://venue.example/ABC"] = quote
    site.pages["http://venue.example/slow"] = lambda visit: visit.drip(b"HTTP/1.1 200 OK\r\nX: y\r\n", pace=0.02)
    one = client("http://venue.example/{key}", timeout=0.5)
    assert one.get("ABC")[0] == 7
    assert str(failure(one, "slow")).endswith("no complete answer within 0.5 s")


def test_a_proxy_that_drips_its_consent_is_cut_off(site: Site, client: NewClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer to CONNECT is read under the same deadline."""
    monkeypatch.setenv("https_proxy", site.base)
    monkeypatch.setattr(Visit, "do_CONNECT", lambda visit: visit.drip(b"HTTP/1.1 200 OK\r\nX: y\r\n", 0.02), raising=False)
    started_at = time.monotonic()
    found = failure(client("https://venue.example/{key}", timeout=0.2))
    assert str(found).endswith("no complete answer within 0.2 s")
    assert time.monotonic() - started_at < 3.0


@pytest.fixture(scope="module")
def authority() -> Any:
    return pytest.importorskip("trustme").CA()


@pytest.fixture
def secure_site(new_site: NewSite, authority: Any) -> Site:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return new_site({"/ABC": quote}, tls=context)


@pytest.fixture
def trusted(authority: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The authority is named by the environment, as in a company with its own."""
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))


def test_a_certificate_is_verified(secure_site: Site, client: NewClient) -> None:
    """One that nobody vouches for is FATAL, and no request is sent."""
    found = failure(client(secure_site.base + "/{key}"))
    assert found.severity is Severity.FATAL
    assert isinstance(found.__cause__, ssl.SSLCertVerificationError)
    assert "certificate verify failed" in str(found)
    assert secure_site.requests == []


@pytest.mark.usefixtures("trusted")
def test_tls_works(secure_site: Site, client: NewClient) -> None:
    """With a certificate that is vouched for; and a server that drips is cut off there too."""
    secure_site.pages["/slow"] = lambda visit: visit.drip(b"HTTP/1.1 200 OK\r\nX: y\r\n", pace=0.02)
    one = client(secure_site.base + "/{key}", timeout=0.5)
    assert one.get("ABC")[0] == one.get("ABC")[0] == 7
    assert len({request.port for request in secure_site.requests}) == 1
    assert str(failure(one, "slow")).endswith("no complete answer within 0.5 s")


@pytest.mark.usefixtures("trusted")
def test_no_redirect_leads_out_of_tls(site: Site, secure_site: Site, client: NewClient) -> None:
    """From https to http nothing goes, not even without headers; the other way is followed, without headers."""
    secure_site.pages["/out"] = to(site.base + "/ABC")
    found = failure(client(secure_site.base + "/{key}"), "out")
    assert found.severity is Severity.FATAL
    assert "from https to http" in str(found)
    assert site.requests == []
    site.pages["/in"] = to(secure_site.base + "/ABC")
    assert client(site.base + "/{key}", headers={"X-API-Key": "hunter2"}).get("in")[0] == 7
    assert "X-API-Key" not in secure_site.requests[-1].headers


@pytest.mark.parametrize("secure", [False, True])
def test_an_abort_ends_the_request_in_hand(site: Site, secure_site: Site, trusted: None, client: NewClient, secure: bool) -> None:
    """From another thread, at once, while the server is mute; and every later request fails."""
    asked = secure_site if secure else site
    asked.pages["/mute"] = lambda visit: visit.hang()
    one = client(asked.base + "/{key}", timeout=30.0)
    found: list[FetchError] = []
    thread = threading.Thread(target=lambda: found.append(failure(one, "mute")))
    thread.start()
    assert asked.hanging.acquire(timeout=5)
    one.abort()
    thread.join(5)
    assert not thread.is_alive()
    assert len(found) == 1
    failure(one, "ABC")
    assert asked.paths() == ["/mute"]
    one.abort()
