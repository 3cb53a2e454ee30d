"""One attempt and its thread: what it posts, what it never leaks, what it makes of the user's callables; and the hung ones."""

from __future__ import annotations

import itertools
import random
import threading
from typing import Any, Callable, Iterator, Optional

import pytest

from syncstream import Acks, Backoff, Batch, Endpoint, Feed, FeedError, Kind, Step, clock, dialer, transport, turnstile
from syncstream.core.actions import Payload
from syncstream.core.budget import Budget
from syncstream.core.frames import BINARY, TEXT
from syncstream.dialer import LEFT_LIMIT, Attempt, Dialers, Opened, Refused, Spoke, Unspoken, payload, payloads, spoken
from syncstream.errors import CallableError, DialError, Severity
from tests.deadlines import SLACK
from tests.servers.scripted import Peer, Server

PATIENCE = 10.0
URL = "ws://127.0.0.1:9/feed"


class Line(transport.Connection):
    """A connection that only counts how often it was closed."""

    def __init__(self) -> None:
        self.closes = 0

    def close(self) -> None:
        self.closes += 1


class Venue:
    """Owned by: the test. Stands in for `transport.dial`: gives lines, or what `answer` says; may be held back."""

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self.endpoints: list[Endpoint] = []
        self.entered = threading.Event()
        self.goes_on = threading.Event()
        self.goes_on.set()
        self.error: Optional[Exception] = None

    def dial(self, endpoint: Endpoint, *, timeout: float, cancelled: Callable[[], bool], before_redirect: Any) -> Line:
        self.endpoints.append(endpoint)
        self.entered.set()
        assert self.goes_on.wait(PATIENCE)
        if self.error is not None:
            raise self.error
        self.lines.append(Line())
        return self.lines[-1]


@pytest.fixture
def venue(monkeypatch: pytest.MonkeyPatch) -> Iterator[Venue]:
    venue = Venue()
    monkeypatch.setattr(transport, "dial", venue.dial)
    yield venue
    venue.goes_on.set()


def outcome(feed: Feed, topics: tuple[Any, ...] = ()) -> Any:
    """What one attempt posts: exactly one thing."""
    posted: list[Any] = []
    attempt = Attempt(feed, 0, 7, topics, posted.append)
    attempt.start()
    assert attempt.join(PATIENCE)
    assert len(posted) == 1
    assert (posted[0].line, posted[0].epoch) == (0, 7)
    return posted[0]


def raising(error: BaseException) -> Callable[..., Any]:
    def call(*_: Any) -> Any:
        raise error

    return call


# ---------------------------------------------------------------- one attempt


def test_an_open_line_is_posted(venue: Venue) -> None:
    """With what is to be sent on it; it belongs to the one who takes it."""
    found = outcome(Feed(URL, subscribe=({"op": "auth"}, "sub"), headers={"X-Key": "k"}))
    assert isinstance(found, Opened)
    assert found.connection is venue.lines[0]
    assert venue.lines[0].closes == 0
    assert found.said == [Payload(TEXT, b'{"op":"auth"}'), Payload(TEXT, b"sub")]
    assert venue.endpoints == [Endpoint(url=URL, headers={"X-Key": "k"})]


def test_a_refusal_is_posted_as_it_is(venue: Venue) -> None:
    """The transport has said all there is to say."""
    venue.error = DialError("429", severity=Severity.SLOW, retry_after=3.0)
    found = outcome(Feed(URL))
    assert isinstance(found, Refused)
    assert found.error is venue.error


def test_the_endpoint_is_asked_for_every_attempt(venue: Venue) -> None:
    """Tokens expire; a callable may return a URL or a whole Endpoint."""
    urls: Iterator[Any] = iter([URL + "?token=1", Endpoint(url=URL + "?token=2", headers={"A": "b"})])
    feed = Feed(lambda: next(urls))
    outcome(feed)
    outcome(feed)
    assert [endpoint.url for endpoint in venue.endpoints] == [URL + "?token=1", URL + "?token=2"]
    assert venue.endpoints[1].headers == {"A": "b"}


def test_an_endpoint_that_has_waited_is_asked_again(venue: Venue, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token is no older than a moment when the dial goes, and the dial is counted once; after a short wait once is enough."""
    monkeypatch.setattr(turnstile, "FRESH", 0.2)
    numbers = itertools.count(1)
    feed = Feed(lambda: f"{URL}?token={next(numbers)}", dial_budget=Budget(count=1, per=0.6))
    for _ in range(3):
        outcome(feed)
    assert [endpoint.url[-1] for endpoint in venue.endpoints] == ["1", "3", "5"]
    monkeypatch.setattr(turnstile, "FRESH", 60.0)
    outcome(feed)
    assert venue.endpoints[-1].url[-1] == "6"


def test_an_endpoint_that_moves_while_it_waits(venue: Venue, monkeypatch: pytest.MonkeyPatch) -> None:
    """The dial counts for the host that is dialled."""
    monkeypatch.setattr(turnstile, "FRESH", 0.2)
    urls = iter(["ws://a.test/", "ws://a.test/", "ws://b.test/"])
    feed = Feed(lambda: next(urls), dial_budget=Budget(count=1, per=0.6))
    outcome(feed)
    outcome(feed)
    assert [endpoint.url for endpoint in venue.endpoints] == ["ws://a.test/", "ws://b.test/"]
    with pytest.raises(DialError, match=r"b\.test:80: its dial budget"):
        turnstile.enter("ws://b.test/", feed.dial_budget, cancelled=lambda: False, patience=0.0)


def test_headers_are_asked_for_every_attempt(venue: Venue) -> None:
    """Signatures and tokens expire in a header as in a URL."""
    numbers = iter("12")
    feed = Feed(URL, headers=lambda: {"Authorization": f"Bearer {next(numbers)}"})
    outcome(feed)
    outcome(feed)
    assert [endpoint.headers["Authorization"] for endpoint in venue.endpoints] == ["Bearer 1", "Bearer 2"]


@pytest.mark.parametrize("returned", [None, [("A", "b")], {"A": "b\r\nC: d"}, {"A": 7}])
def test_headers_that_cannot_be_sent_are_fatal(venue: Venue, returned: Any) -> None:
    """The next attempt would not be better; the text names the field."""
    found = outcome(Feed(URL, headers=lambda: returned))
    assert isinstance(found, Refused)
    assert found.error.severity is Severity.FATAL
    assert "headers=" in str(found.error)
    assert venue.endpoints == []


def test_what_is_said_is_asked_for_after_the_wait_for_the_dial_budget(venue: Venue, monkeypatch: pytest.MonkeyPatch) -> None:
    """A signature with the time in it is good for seconds only, and that wait takes seconds."""
    order: list[str] = []

    def enter(*_: Any, **__: Any) -> float:
        order.append("budget")
        return 0.0

    monkeypatch.setattr(turnstile, "enter", enter)

    def speak(what: str, said: str = "x") -> str:
        order.append(what)
        return said

    feed = Feed(
        lambda: speak("endpoint", URL),
        subscribe=lambda topics: speak("subscribe"),
        topics=["A"],
        opening=[Step(send=lambda: speak("login"))],
    )
    assert isinstance(outcome(feed, ("A",)), Opened)
    assert order == ["endpoint", "budget", "subscribe", "login"]


@pytest.mark.parametrize(
    ("error", "severity"),
    [
        (TimeoutError("s3cr3t"), Severity.RETRY),
        (ConnectionError("s3cr3t"), Severity.RETRY),
        (KeyError("s3cr3t"), Severity.FATAL),
        (SystemExit("s3cr3t"), Severity.FATAL),
        (RecursionError("s3cr3t"), Severity.FATAL),
    ],
)
@pytest.mark.parametrize("field", ["endpoint", "headers", "subscribe"])
def test_a_callable_that_raises(venue: Venue, field: str, error: BaseException, severity: Severity) -> None:
    """A token server may be away: try again. A mistake stays one. The reason names the callable and the kind of error only."""
    call = raising(error)
    feeds = {"endpoint": Feed(call), "headers": Feed(URL, headers=call), "subscribe": Feed(URL, subscribe=call, topics=["A"])}
    found = outcome(feeds[field], ("A",))
    assert isinstance(found, Refused)
    assert found.error.severity is severity
    assert found.error.__cause__ is error
    assert isinstance(found.error, CallableError) is (severity is Severity.FATAL)
    assert str(found.error) == f"{field}: raised {type(error).__name__}"
    assert venue.lines == []


@pytest.mark.parametrize("returned", [None, 7, "http://venue.test/feed", "ws://", b"ws://venue.test"])
def test_an_endpoint_that_cannot_be_dialled_is_fatal(venue: Venue, returned: Any) -> None:
    """The next attempt would not be better."""
    found = outcome(Feed(lambda: returned))
    assert isinstance(found, Refused)
    assert found.error.severity is Severity.FATAL
    assert isinstance(found.error, CallableError)
    assert isinstance(found.error.__cause__, FeedError)
    assert "endpoint=" in str(found.error)


@pytest.mark.parametrize("returned", [object(), {"a": object()}, "\ud800", None, (1, {2: object()}), [b"", object()]])
def test_a_subscription_that_cannot_be_sent_is_fatal(venue: Venue, returned: Any) -> None:
    """It is found before anything is dialled, so no line is opened for nothing."""
    found = outcome(Feed(URL, subscribe=lambda topics: returned, topics=["A"]), ("A",))
    assert isinstance(found, Refused)
    assert found.error.severity is Severity.FATAL
    assert "subscribe=" in str(found.error)
    assert venue.endpoints == []


# ---------------------------------------------------------------- what is said


@pytest.mark.parametrize(
    ("item", "opcode", "data"),
    [
        ("plain", TEXT, b"plain"),
        ("grüße", TEXT, "grüße".encode()),
        ("", TEXT, b""),
        (b"\x00\xff", BINARY, b"\x00\xff"),
        (bytearray(b"ab"), BINARY, b"ab"),
        (memoryview(b"ab"), BINARY, b"ab"),
        ({"op": "sub", "ids": [1, 2]}, TEXT, b'{"op":"sub","ids":[1,2]}'),
        (["a", 1], TEXT, b'["a",1]'),
        (None, TEXT, b"null"),
        (5, TEXT, b"5"),
    ],
)
def test_one_payload(item: Any, opcode: int, data: bytes) -> None:
    """Text stays text, bytes stay bytes, all else is JSON."""
    assert payload("item", item) == Payload(opcode, data)


@pytest.mark.parametrize("item", [object(), {1, object()}, "\udc00", {"a": "\ud800"}, float, lambda: None])
def test_what_cannot_be_written_names_the_field(item: Any) -> None:
    """A FeedError, whatever the encoder raised."""
    with pytest.raises(FeedError, match=r"^item="):
        payload("item", item)


def test_what_nests_without_end_is_refused() -> None:
    """JSON has no cycles."""
    cycle: list[Any] = []
    cycle.append(cycle)
    with pytest.raises(FeedError, match=r"^item="):
        payload("item", cycle)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("a", [b"a"]),
        (("a", "b"), [b"a", b"b"]),
        (["a", "b"], [b'["a","b"]']),
        ((), []),
        ({"a": 1}, [b'{"a":1}']),
        (("a", ["b"]), [b"a", b'["b"]']),
    ],
)
def test_a_tuple_is_several_payloads(value: Any, said: list[bytes]) -> None:
    """A list is one: some venues take a JSON array."""
    assert [each.data for each in payloads("subscribe", value)] == said


@pytest.mark.parametrize(
    ("returned", "said"), [("a", [b"a"]), (["a", "b"], [b"a", b"b"]), (("a", {"b": 1}), [b"a", b'{"b":1}']), ([], []), ((), [])]
)
def test_a_callable_may_return_a_list_of_payloads(returned: Any, said: list[bytes]) -> None:
    """For a callable a list is several; it gets the topics as a list of its own."""
    asked: list[Any] = []

    def speak(topics: Any) -> Any:
        asked.append(topics)
        return returned

    assert [each.data for each in spoken("subscribe", speak, ("A", "B"))] == said
    assert asked == [["A", "B"]]


def test_a_callable_that_forgets_its_return_is_told() -> None:
    """`null` would go to the venue otherwise."""
    with pytest.raises(FeedError, match=r"subscribe=.*returned None"):
        spoken("subscribe", lambda topics: None, ["A"])


def test_without_topics_a_callable_is_not_asked() -> None:
    """There is nothing to subscribe to yet."""
    assert dialer.subscription(Feed(URL, subscribe=raising(AssertionError())), ()) == []
    assert dialer.subscription(Feed(URL), ()) == []


# ---------------------------------------------------------------- requests


def test_a_request_names_its_topics() -> None:
    """One payload for each topic of a batch is for that topic; any other number is for all of them."""
    single = Feed(URL, subscribe=lambda topics: [f"+{topic}" for topic in topics], batch=Batch(topics=2))
    assert [(each.data, each.topics) for each in dialer.subscription(single, ("A", "B", "C"))] == [
        (b"+A", ("A",)), (b"+B", ("B",)), (b"+C", ("C",))
    ]  # fmt: skip
    whole = Feed(URL, subscribe=lambda topics: {"all": topics}, batch=Batch(topics=2))
    assert [(each.data, each.topics) for each in dialer.subscription(whole, ("A", "B", "C"))] == [
        (b'{"all":["A","B"]}', ("A", "B")), (b'{"all":["C"]}', ("C",))
    ]  # fmt: skip


def test_a_request_names_its_id() -> None:
    """Where acknowledgements go by it: the path in the payload is that in the message, if no other is given."""
    numbers = iter(range(9))
    fields: dict[str, Any] = {"classify": lambda message: Kind.ACK, "subscribe": lambda topics: {"req": {"no": next(numbers)}}}
    feed = Feed(URL, **fields, acks=Acks(by="id", id="id", sent="req.no"), batch=Batch(topics=1))
    assert [each.ident for each in dialer.subscription(feed, ("A", "B"))] == [0, 1]
    feed = Feed(URL, **fields, acks=Acks(by="id", id="req.no"))
    assert [each.ident for each in dialer.subscription(feed, ("A", "B"))] == [2]
    with pytest.raises(FeedError, match=r"^acks='id'.*sent="):
        dialer.subscription(Feed(URL, **fields, acks=Acks(by="id")), ("A",))


def test_a_fixed_payload_is_followed_where_it_is_acknowledged() -> None:
    """As one topic without a name."""
    plain = Feed(URL, subscribe=("a", "b"))
    assert [each.topics for each in dialer.subscription(plain, ())] == [(), ()]
    followed = Feed(URL, subscribe=("a", "b"), classify=lambda message: Kind.ACK, acks=Acks(by="count"))
    assert [each.topics for each in dialer.subscription(followed, ())] == [(None,), (None,)]


def test_what_is_said_to_leave() -> None:
    """In batches too; without a callable there is nothing to say."""
    feed = Feed(URL, subscribe=list, unsubscribe=lambda topics: f"-{''.join(topics)}", batch=Batch(topics=2))
    assert [(each.data, each.topics) for each in dialer.leaving(feed, ("A", "B", "C"))] == [
        (b"-AB", ("A", "B")), (b"-C", ("C",))
    ]  # fmt: skip
    assert dialer.leaving(Feed(URL), ("A",)) == []


def test_what_the_steps_say() -> None:
    """One payload, several, none; a callable may return a list."""
    opening = [
        Step(send="a"),
        Step(send=("b", {"c": 1})),
        Step(expect=bool),
        Step(send=lambda: ["d", "e"]),
        Step(send=lambda: None),
    ]
    said = [[each.data for each in step] for step in dialer.steps(Feed(URL, opening=opening))]
    assert said == [[b"a"], [b"b", b'{"c":1}'], [], [b"d", b"e"], []]


def test_the_script_is_asked_for_at_each_attempt(venue: Venue) -> None:
    """What it raises is a failure of the attempt, named by its field."""
    found = outcome(Feed(URL, opening=[Step(send=lambda: "login")]))
    assert [[each.data for each in step] for step in found.opening] == [[b"login"]]
    found = outcome(Feed(URL, opening=[Step(send=raising(KeyError("s3cr3t")))]))
    assert isinstance(found, Refused)
    assert (str(found.error), found.error.cause) == ("opening: raised KeyError", "callable")


def test_asking_while_the_line_is_open() -> None:
    """The callables say how to leave and to subscribe; what they raise is told without its text."""
    posted: list[Any] = []
    feed = Feed(URL, subscribe=lambda topics: f"+{''.join(topics)}", unsubscribe=lambda topics: f"-{''.join(topics)}")
    dialers = Dialers(feed, posted.append)
    dialers.call(0, 3, ("A",), ("A", "B"))
    assert dialers.join(PATIENCE) == []
    (spoke,) = posted
    assert isinstance(spoke, Spoke)
    assert (spoke.line, spoke.epoch, [each.data for each in spoke.left], [each.data for each in spoke.asked]) == (
        0,
        3,
        [b"-A"],
        [b"+AB"],
    )
    for error, reason in (
        (KeyError("s3cr3t"), "subscribe: raised KeyError"),
        (FeedError("subscribe", 1, "no"), "subscribe=1: no"),
    ):
        posted.clear()
        dialers = Dialers(Feed(URL, subscribe=raising(error)), posted.append)
        dialers.call(0, 3, (), ("A",))
        assert dialers.join(PATIENCE) == []
        (unspoken,) = posted
        assert isinstance(unspoken, Unspoken)
        assert (unspoken.line, unspoken.epoch, unspoken.topics, unspoken.reason) == (0, 3, ("A",), reason)


def test_no_thread_to_ask_with(monkeypatch: pytest.MonkeyPatch) -> None:
    """Is told like what the callables raise."""

    def none_left(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    posted: list[Any] = []
    monkeypatch.setattr(threading.Thread, "start", none_left)
    Dialers(Feed(URL), posted.append).call(0, 3, (), ("A",))
    assert [type(item) for item in posted] == [Unspoken]


# ---------------------------------------------------------------- abandoned


def test_abandoned_while_it_dials(venue: Venue) -> None:
    """The line it then gets is closed, and nothing is posted."""
    venue.goes_on.clear()
    posted: list[Any] = []
    attempt = Attempt(Feed(URL), 0, 1, (), posted.append)
    attempt.start()
    assert venue.entered.wait(PATIENCE)
    assert not attempt.join(0.0)
    attempt.abandon()
    venue.goes_on.set()
    assert attempt.join(PATIENCE)
    assert posted == []
    assert [line.closes for line in venue.lines] == [1]


def test_abandoned_after_the_post(venue: Venue) -> None:
    """The line is the receiver's by then; the attempt does not touch it."""
    posted: list[Any] = []
    attempt = Attempt(Feed(URL), 0, 1, (), posted.append)
    attempt.start()
    assert attempt.join(PATIENCE)
    attempt.abandon()
    assert [type(item) for item in posted] == [Opened]
    assert venue.lines[0].closes == 0


def test_abandoned_at_any_moment_no_line_is_leaked(venue: Venue) -> None:
    """Each line is either posted or closed, and never both."""
    dice = random.Random(5)
    posted: list[Any] = []
    late: list[Any] = []
    for _ in range(300):
        attempt = Attempt(Feed(URL), 0, 1, (), posted.append)
        attempt.start()
        for _ in range(dice.randrange(60)):
            pass
        attempt.abandon()
        before = len(posted)
        assert attempt.join(PATIENCE)
        late += posted[before:]
    assert late == []
    given = {id(item.connection) for item in posted}
    assert all(line.closes == (id(line) not in given) for line in venue.lines)
    assert len(given) == len(posted)


def test_abandoning_cancels_a_dial_that_waits_for_the_venue() -> None:
    """An upgrade that is never answered ends within a quarter of a second, and its connection is closed."""
    asked = threading.Event()

    def hang(peer: Peer) -> None:
        peer.request()
        asked.set()
        peer.until_hangup()

    posted: list[Any] = []
    with Server(hang) as server:
        attempt = Attempt(Feed(f"ws://127.0.0.1:{server.port}/"), 0, 1, (), posted.append)
        attempt.start()
        assert asked.wait(PATIENCE)
        began = clock.now()
        attempt.abandon()
        assert attempt.join(PATIENCE)
        assert clock.now() - began < SLACK
    assert posted == []


# ---------------------------------------------------------------- all attempts of a stream


class Callables:
    """Owned by: the test. An endpoint that hangs until it is released."""

    def __init__(self) -> None:
        self.released = threading.Event()
        self.asked = 0

    def endpoint(self) -> str:
        self.asked += 1
        assert self.released.wait(PATIENCE)
        return URL


def test_attempts_that_hang_are_bounded(venue: Venue) -> None:
    """Each one left behind costs a thread; beyond the limit new ones are refused, to be tried again later."""
    posted: list[Any] = []
    hanging = Callables()
    dialers = Dialers(Feed(hanging.endpoint, backoff=Backoff(base=0.01)), posted.append)
    for epoch in range(1, LEFT_LIMIT + 1):
        dialers.dial(0, epoch, ())
        dialers.abandon(0, epoch)
    assert posted == []
    dialers.dial(0, 99, ())
    assert [type(item) for item in posted] == [Refused]
    assert (posted[0].epoch, posted[0].error.severity) == (99, Severity.RETRY)
    assert "8 earlier attempts hang" in str(posted[0].error)
    assert dialers.join(0.0) == ["syncstream-dialer"] * LEFT_LIMIT
    hanging.released.set()
    assert dialers.join(PATIENCE) == []
    dialers.dial(0, 100, ())
    assert dialers.join(PATIENCE) == []
    assert [(type(item), item.epoch) for item in posted[1:]] == [(Opened, 100)]
    assert [line.closes for line in venue.lines] == [0]  # those that were given up have not dialled at all


def test_no_thread_to_be_had_is_a_refusal(venue: Venue, monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine may have more of them later."""

    def none_left(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    posted: list[Any] = []
    dialers = Dialers(Feed(URL), posted.append)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", none_left)
        dialers.dial(0, 1, ())
    assert [type(item) for item in posted] == [Refused]
    assert posted[0].error.severity is Severity.RETRY
    assert "can't start new thread" in str(posted[0].error)
    assert dialers.join(0.0) == []


def test_abandoning_one_leaves_the_others(venue: Venue) -> None:
    """By line and epoch."""
    posted: list[Any] = []
    venue.goes_on.clear()
    dialers = Dialers(Feed(URL), posted.append)
    dialers.dial(0, 1, ())
    dialers.dial(1, 1, ())
    dialers.abandon(0, 1)
    dialers.abandon(0, 2)
    venue.goes_on.set()
    assert dialers.join(PATIENCE) == []
    assert [(item.line, item.epoch) for item in posted] == [(1, 1)]


def test_after_stop_nothing_is_posted(venue: Venue) -> None:
    """What is under way ends by itself."""
    posted: list[Any] = []
    venue.goes_on.clear()
    dialers = Dialers(Feed(URL), posted.append)
    dialers.dial(0, 1, ())
    assert venue.entered.wait(PATIENCE)
    dialers.stop()
    venue.goes_on.set()
    assert dialers.join(PATIENCE) == []
    assert posted == []
    assert [line.closes for line in venue.lines] == [1]


def test_joining_from_a_callable_does_not_wait_for_itself() -> None:
    """close() in an endpoint callable."""
    answers: list[list[str]] = []

    def endpoint() -> str:
        answers.append(dialers.join(PATIENCE))
        raise LookupError

    posted: list[Any] = []
    dialers = Dialers(Feed(endpoint), posted.append)
    dialers.dial(0, 1, ())
    assert dialers.join(PATIENCE) == []
    assert answers == [[]]
