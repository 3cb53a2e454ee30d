"""Feed and its values: where it leads, what is shown of it, and what the engine gets. (See also test_feed_contradictions.)"""

from __future__ import annotations

import functools
from typing import Any, Callable, Optional

import msgspec
import pytest

from syncstream.core.aliases import Named
from syncstream.core.backoff import Backoff
from syncstream.core.liveness import Liveness
from syncstream.core.rules import Kind, Rules, Scope
from syncstream.core.sequence import Chained, Contiguous, Increasing
from syncstream.core.sources import Ask, Reconnect, Request, Resubscribe
from syncstream.errors import FeedError
from syncstream.feed import CONNECTION, Endpoint, Feed, Rest

URL = "wss://stream.broker.example/v1"
SNAPSHOT = "https://api.broker.example/v1/quotes/{key}"
SEQ = Contiguous("seq")
REST = Rest(SNAPSHOT, position="seq")
WHOLE = Rest(SNAPSHOT, whole=True)


def full(**changes: Any) -> Feed:
    """A feed that uses everything, with a change."""
    fields: dict[str, Any] = {"key": "symbol", "sequence": SEQ, "snapshot": REST, "heartbeat": 5.0}
    return Feed(URL, **{**fields, **changes})


# ---------------------------------------------------------------- where


def test_where_a_url_leads() -> None:
    """The headers of the feed go with its URL."""
    assert Feed(URL).where() == Endpoint(url=URL)
    assert Feed(URL, headers={"A": "b"}).where() == Endpoint(url=URL, headers={"A": "b"})
    endpoint = Endpoint(url=URL, subprotocols=["v1"])
    assert Feed(endpoint).where() is endpoint


def test_a_callable_is_asked_before_every_attempt() -> None:
    """Tokens expire; what it returns is checked as if it had been given."""
    answers: list[Any] = [URL + "?a", Endpoint(url=URL + "?b"), None, "http://h", b"wss://h?s3cr3t"]
    asked = iter(answers)
    feed = Feed(lambda: next(asked))
    assert feed.where() == Endpoint(url=URL + "?a")
    assert feed.where() is answers[1]
    for _ in range(3):
        with pytest.raises(FeedError, match=r"^endpoint=") as caught:
            feed.where()
        assert "s3cr3t" not in str(caught.value)


def test_headers_of_a_snapshot_may_come_from_a_callable() -> None:
    """It is asked before every request, and not now."""
    assert callable(Rest(SNAPSHOT, position="seq", headers=lambda: {"A": "b"}).headers)


# ---------------------------------------------------------------- what is shown

SECRET_URL = "wss://us:s3cr3t@h:9443/v1?token=s3cr3t#s3cr3t".partition("#")[0]


class Credentials:
    """As an application may have it."""

    def __init__(self) -> None:
        self.token = "s3cr3t"

    def __repr__(self) -> str:
        return f"Credentials({self.token!r})"

    def __call__(self, *_: Any) -> str:
        return f"wss://h/?{self.token}"

    def url(self, *_: Any) -> str:
        return self()


def tokenized(_token: str, *_: Any) -> str:
    return URL


CALLABLES: list[Any] = [
    (tokenized, "tokenized"),
    (lambda *_: URL, "<lambda>"),
    (Credentials().url, "url"),
    (Credentials(), "Credentials"),
    (functools.partial(tokenized, "s3cr3t"), "partial"),
]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Feed("wss://h/v1"), "Feed('wss://h/v1')"),
        (
            Feed("wss://h/v1", key="symbol", sequence=SEQ, snapshot=REST, heartbeat=5.0),
            "Feed('wss://h/v1', key='symbol', sequence=Contiguous(first='seq'), "
            "snapshot=Rest('https://api.broker.example/v1/quotes/{key}', position='seq'), heartbeat=5.0)",
        ),
        (Feed(SECRET_URL, headers={"X-Key": "s3cr3t"}, subscribe={"auth": "s3cr3t"}), "Feed('wss://h:9443/v1?...')"),
        (Feed("wss://h", sequence=SEQ, counter=CONNECTION), f"Feed('wss://h', sequence={SEQ!r}, counter=CONNECTION)"),
        (Feed("wss://h", sequence=SEQ, counter=len, key=len), f"Feed('wss://h', key=len, sequence={SEQ!r}, counter=len)"),
        (Feed(Endpoint(url=SECRET_URL)), "Feed(Endpoint(url='wss://h:9443/v1?...', headers=[]))"),
        (
            Endpoint(
                url=SECRET_URL,
                headers={"X-Key": "s3cr3t", "Authorization": "Bearer s3cr3t"},
                subprotocols=["s3cr3t"],
                sslopt={"password": "s3cr3t"},
                proxy="http://us:s3cr3t@p",
            ),
            "Endpoint(url='wss://h:9443/v1?...', headers=['Authorization', 'X-Key'])",
        ),
        (
            Rest("https://us:s3cr3t@h/{key}?s3cr3t", position="data.u", headers={"X-Key": "s3cr3t"}),
            "Rest('https://h/{key}?...', position='data.u')",
        ),
        (Rest("https://h/{key}", whole=True), "Rest('https://h/{key}', whole=True)"),
        (Rest("https://h/{key}", position=len), "Rest('https://h/{key}', position=len)"),
        *[(Feed(function), f"Feed({name})") for function, name in CALLABLES],
        *[(Rest(function, position="u"), f"Rest({name}, position='u')") for function, name in CALLABLES],
        *[(Feed(URL, key=function), f"Feed({URL!r}, key={name})") for function, name in CALLABLES],
    ],
)
def test_what_is_shown_of_a_feed(value: Any, expected: str) -> None:
    """Where, and what the feed is about; never a header, a login, a query, a payload, or what a callable carries along.

    `rich` and IPython show the same: they would print every field of a Struct otherwise.
    """
    assert repr(value) == str(value) == expected
    assert f"{type(value).__name__}({', '.join(_parts(value))})" == expected
    assert "s3cr3t" not in expected


def _parts(value: Any) -> list[str]:
    return [f"{name}={part!r}" if name else repr(part) for name, part in value.__rich_repr__()]


def test_rich_shows_the_same() -> None:
    """The terminal of the demo."""
    pretty = pytest.importorskip("rich.pretty")
    feed = Feed(SECRET_URL, headers={"X-Key": "s3cr3t"}, key="symbol")
    assert pretty.pretty_repr(feed, max_width=200) == repr(feed)
    assert pretty.pretty_repr(feed.where(), max_width=200) == repr(feed.where())
    assert pretty.pretty_repr(Feed(functools.partial(tokenized, "s3cr3t")), max_width=200) == "Feed(partial)"


def test_values_are_frozen_and_equal_by_content() -> None:
    """A feed is a value: the same words make the same feed."""
    assert full() == full()
    assert full() != full(heartbeat=6.0)
    for value, field in ((full(), "key"), (full(), "endpoint"), (Endpoint(url=URL), "url"), (REST, "position")):
        with pytest.raises(AttributeError):
            setattr(value, field, "x")
    assert Endpoint(url=URL).headers is not Endpoint(url=URL).headers  # no two share one


# ---------------------------------------------------------------- what the engine gets


def rules_of(**fields: Any) -> Rules:
    return Feed(URL, **fields).rules()


def test_the_plainest_feed() -> None:
    """Any JSON, one single key, no numbers, nothing to heal from."""
    rules = rules_of()
    assert rules.decode(b'{"a": 1}', True) == {"a": 1}
    assert (rules.key, rules.rule, rules.first, rules.last, rules.splice, rules.counter) == (None,) * 6
    assert (rules.scope, rules.source, rules.whole) == (Scope.KEY, False, False)
    assert (rules.key_text, rules.rule_text, rules.key_may_miss) == ("None", "None", True)
    assert (rules.heartbeat, rules.liveness, rules.backoff) == (None, Liveness(), Backoff())
    plain = Rules(decode=rules.decode)
    changed = {name for name in rules.__struct_fields__ if getattr(rules, name) != getattr(plain, name)}
    assert changed == {"fields"}  # everything else is as the engine has it by default
    assert Feed(URL).dial_timeout == 10.0
    assert rules.fields({"b": 1, "a": 2}) == ["a", "b"]


def test_the_plainest_snapshot() -> None:
    """Ten seconds a request, four at once, eight tries, with half a second to begin with, 64 MiB at most."""
    assert (REST.timeout, REST.concurrency, REST.attempts, REST.maximum_size) == (10.0, 4, 8, 64 * 2**20)
    assert REST.backoff == Backoff(base=0.5)
    assert (REST.whole, REST.headers, REST.decode) == (False, {}, dict)
    rules = full().rules()
    plain = Rules(decode=rules.decode)
    fetching = [name for name in rules.__struct_fields__ if name.startswith("fetch_")]
    assert {name: getattr(rules, name) for name in fetching} == {name: getattr(plain, name) for name in fetching}


def test_the_feed_of_the_design() -> None:
    """Key, numbers and source; the snapshot is spliced by the same rule as the messages."""
    rules = full().rules()
    message = {"symbol": "ABC", "seq": 7}
    assert rules.key is not None
    assert rules.first is not None
    assert (rules.key(message), rules.first(message)) == ("ABC", 7)
    assert rules.last is rules.first  # one number: the hot path may rely on it
    assert (rules.rule, rules.splice, rules.scope) == (SEQ, SEQ, Scope.KEY)
    assert (rules.splice_first, rules.splice_last) == (None, None)
    assert (rules.source, rules.whole, rules.heartbeat, rules.proves) == (True, False, 5.0, True)
    assert (rules.key_text, rules.rule_text, rules.key_may_miss) == ("'symbol'", "'seq'", True)


def test_two_numbers_and_a_splice_of_its_own() -> None:
    """A counter of the connection beside the key's own numbering."""
    splice = Contiguous("U", "u", overlap=True)
    rules = full(sequence=Contiguous("n"), counter=CONNECTION, splice=splice).rules()
    message = {"n": 1, "U": 5, "u": 9}
    assert rules.first is not None
    assert rules.splice_first is not None
    assert rules.splice_last is not None
    assert (rules.first(message), rules.splice_first(message), rules.splice_last(message)) == (1, 5, 9)
    assert rules.splice_last is not rules.splice_first
    assert (rules.scope, rules.counter, rules.splice) == (Scope.CONNECTION, None, splice)


def test_a_counter_that_is_shared() -> None:
    """A channel, a subscription id: the messages say which. There is no splice unless it is given."""
    for counter in ("channel", lambda message: message["channel"]):
        rules = full(counter=counter, snapshot=WHOLE).rules()
        assert rules.counter is not None
        assert rules.counter({"channel": 3}) == 3
        assert (rules.scope, rules.splice, rules.whole) == (Scope.SHARED, None, True)


@pytest.mark.parametrize("snapshot", [None, WHOLE])
def test_without_a_position_to_join_there_is_no_splice(snapshot: Optional[Rest]) -> None:
    """No source, or one that replaces the state whole."""
    assert full(snapshot=snapshot).rules().splice is None


def test_every_limit_is_handed_on() -> None:
    """Nothing that a user sets is lost on the way to the engine."""
    source = Rest(SNAPSHOT, position="seq", timeout=3.0, concurrency=2, attempts=5, backoff=Backoff(base=2.0))
    fields: dict[str, Any] = {
        "reorder": 0.1,
        "restart_after": 11,
        "verify_after": 12.0,
        "resync_interval": 13.0,
        "first_live_limit": 14.0,
        "first_data_limit": 15.0,
        "max_message_size": 16,
        "max_keys": 17,
        "hold_limit": 18,
        "hold_bytes": 23,
        "heartbeat": 19.0,
        "liveness": Liveness(silence=20.0),
        "backoff": Backoff(base=21.0),
    }
    rules = full(snapshot=source, dial_timeout=22.0, **fields).rules()
    assert {name: getattr(rules, name) for name in fields} == fields
    assert rules.dial_limit == 27.0  # the dialer keeps its own time; this is for one that hangs
    assert (rules.fetch_attempts, rules.fetch_concurrency, rules.fetch_limit) == (5, 2, 8.0)
    assert rules.fetch_backoff == Backoff(base=2.0)


def test_the_users_callables_are_watched_under_their_names() -> None:
    """All that run on the reader, and no others; paths are not user code."""
    calls: list[str] = []

    def watch(field: str, function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def watched(message: Any) -> Any:
            calls.append(field)
            return function(message)

        return watched

    feed = Feed(
        lambda: URL,
        decode=lambda payload: {"payload": payload},
        key=lambda message: "k",
        classify=lambda message: Kind.DATA,
        sequence=Contiguous(lambda message: 1, lambda message: 2),
        counter=lambda message: "c",
        splice=Contiguous("payload", lambda message: 3),
        snapshot=Rest(lambda key: "http://h", position=lambda body: 1),
        subscribe=lambda topics: list(topics),
    )
    rules = feed.rules(watch)
    message = rules.decode(b"x", True)
    getters = (rules.key, rules.classify, rules.first, rules.last, rules.counter, rules.splice_first, rules.splice_last)
    assert [getter(message) for getter in getters if getter is not None] == ["k", Kind.DATA, 1, 2, "c", "x", 3]
    assert calls == ["decode", "key", "classify", "sequence", "sequence", "counter", "splice"]
    assert (rules.key_text, rules.key_may_miss) == ("<lambda>", False)


def test_what_an_error_calls_a_callable() -> None:
    """Its name; of one without, its type: never what it is bound to."""
    for function, name in CALLABLES:
        rules = Feed(URL, key=function, sequence=Contiguous(function)).rules()
        assert (rules.key_text, rules.rule_text) == (name, name)


# ---------------------------------------------------------------- sources that speak over the line


def said(topics: Any) -> Any:
    return list(topics)


@pytest.mark.parametrize(
    ("source", "ask", "comes_within"),
    [
        (Resubscribe(within=3.0, attempts=5), Ask.RESUBSCRIBE, 3.0),
        (Reconnect(within=3.0, attempts=5), Ask.RECONNECT, 3.0),
        (Request(lambda key: {"req": key}, position="seq", within=3.0, attempts=5), Ask.REQUEST, None),
    ],
)
def test_the_engine_is_told_how_a_snapshot_is_asked_for(source: Any, ask: Ask, comes_within: Optional[float]) -> None:
    """It is spliced by the key's own rule, as one by REST."""
    rules = full(snapshot=source, classify=lambda message: None, subscribe=said, unsubscribe=said).rules()
    assert (rules.source, rules.ask, rules.comes_within, rules.whole, rules.splice) == (True, ask, comes_within, False, SEQ)
    assert (rules.fetch_attempts, rules.fetch_limit) == (5, 3.0)


@pytest.mark.parametrize("source", [Resubscribe(), Reconnect()])
def test_what_comes_by_itself_needs_no_numbers(source: Any) -> None:
    """It stands in the order of the line; with a counter of the connection it needs no splice either."""
    settings: dict[str, Any] = {"classify": lambda message: None, "subscribe": said, "unsubscribe": said, "snapshot": source}
    assert Feed(URL, **settings).rules().splice is None
    assert full(counter=CONNECTION, **settings).rules().splice is None
    assert full(counter=CONNECTION, splice=SEQ, **settings).rules().splice is SEQ


def test_a_request_is_made_by_the_users_callable() -> None:
    """Watched, for it runs on the reader, as the one that reads the position of an answer does; a path is none."""
    calls: list[str] = []

    def watch(field: str, function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def watched(argument: Any) -> Any:
            calls.append(field)
            return function(argument)

        return watched

    settings: dict[str, Any] = {"classify": lambda message: None}
    rules = full(snapshot=Request(lambda key: {"req": key}, position=lambda message: 7), **settings).rules(watch)
    assert rules.request is not None
    assert rules.answer_position is not None
    assert rules.request("ABC").data == b'{"req":"ABC"}'
    assert (rules.answer_position({}), calls) == (7, ["snapshot", "position"])
    rules = full(snapshot=Request(said, position="data.seq"), **settings).rules(watch)
    assert rules.answer_position is not None
    assert rules.answer_position({"data": {"seq": 5}}) == 5
    whole = full(snapshot=Request(said, whole=True), **settings).rules(watch)
    assert (whole.answer_position, whole.whole, whole.splice) == (None, True, None)


def test_a_request_that_cannot_be_sent_names_the_field() -> None:
    """What the callable returns is encoded as any payload."""
    rules = full(snapshot=Request(lambda key: object(), position="seq"), classify=lambda message: None).rules()
    assert rules.request is not None
    with pytest.raises(FeedError, match="snapshot="):
        rules.request("ABC")


def test_the_position_of_an_answer_is_looked_for_in_the_messages() -> None:
    """That is what the answers are."""

    class Quote(msgspec.Struct):
        symbol: str
        u: int

    source = Request(said, position="seq")
    with pytest.raises(FeedError, match=r"position='seq': no message of decode=Quote has the field 'seq'"):
        Feed(URL, key="symbol", sequence=Contiguous("u"), decode=Quote, classify=lambda message: None, snapshot=source)


def named_by(message: Any) -> Any:
    return message["chanId"], message["symbol"]


@pytest.mark.parametrize(
    ("fields", "delivered", "key"),
    [
        ({}, {"s": 7}, None),
        ({"key": "s"}, {"s": 7}, 7),
        ({"key": lambda message: -message["s"]}, {"s": 7}, -7),
        ({"key": "s", "split": "data"}, {"s": 7}, 7),
        ({"key": "s", "alias": named_by, "classify": lambda message: None}, Named("ABC", {"s": 7}), "ABC"),
    ],
)
def test_which_key_something_delivered_has(fields: dict[str, Any], delivered: Any, key: Any) -> None:
    """Where the key stands in it, or the one it was delivered with."""
    feed = Feed(URL, timestamp="s", **fields)
    assert feed.item_key()(delivered) == key
    sent_ns = feed.sent_ns()
    assert sent_ns is not None
    assert sent_ns(delivered) == 7_000_000


def test_modifiers_of_a_sequence_are_asked_of_each_message() -> None:
    """By a path or a callable; a message that has no such place is none. The callables are watched."""
    watched: list[str] = []

    def watch(field: str, function: Any) -> Any:
        watched.append(field)
        return function

    rule = Contiguous("seq", idle="beat", reset=lambda message: message["first"] == 1)
    rules = Feed(URL, sequence=rule).rules(watch)
    assert rules.idle is not None
    assert rules.reset is not None
    assert [bool(rules.idle(message)) for message in ({"beat": True}, {"beat": 0}, {})] == [True, False, False]
    assert [bool(rules.reset(message)) for message in ({"first": 1}, {"first": 2}, {})] == [True, False, False]
    assert watched == ["sequence"]
    plain = Feed(URL, sequence=SEQ).rules()
    assert (plain.idle, plain.reset) == (None, None)


def test_names_need_a_splice_or_a_whole_snapshot() -> None:
    """Either will do."""
    names = Chained("before", "id", ordered=False)
    assert Feed(URL, key="k", sequence=names).rules().rule is names
    assert full(sequence=names, splice=Increasing("at")).rules().splice == Increasing("at")
    assert full(sequence=names, snapshot=Rest("https://h/{key}", whole=True)).rules().splice is None


@pytest.mark.parametrize("source", [Resubscribe(), Reconnect()], ids=repr)
@pytest.mark.parametrize("counter", [None, CONNECTION, "channel"])
def test_names_need_no_splice_where_snapshots_stand_in_the_line(source: Any, counter: Any) -> None:
    """There is nothing to join: what came before is covered, what comes after follows. Numbers of the key are joined."""
    around: dict[str, Any] = {"snapshot": source, "classify": said, "subscribe": said, "unsubscribe": said, "counter": counter}
    rules = full(sequence=Chained("before", "id", ordered=False), **around).rules()
    assert (rules.source, rules.whole, rules.splice) == (True, False, None)
    assert full(sequence=SEQ, **around).rules().splice == (SEQ if counter is None else None)
