"""What no feed can be: every contradiction is one error, at construction, that names the field and the value and no secret."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, Callable, Optional, TypedDict, Union

import msgspec
import pytest

from syncstream.core.liveness import Liveness
from syncstream.core.rules import Kind
from syncstream.core.sequence import Chained, Contiguous, Increasing
from syncstream.core.sources import Reconnect, Request, Resubscribe
from syncstream.errors import FeedError
from syncstream.feed import CONNECTION, Endpoint, Feed, Rest

URL = "wss://stream.broker.example/v1"
SNAPSHOT = "https://api.broker.example/v1/quotes/{key}"
SEQ = Contiguous("seq")
REST = Rest(SNAPSHOT, position="seq")
NAMES = Chained("before", "id", ordered=False)
WHOLE = Rest(SNAPSHOT, whole=True)
HEALED: dict[str, Any] = {"key": "symbol", "sequence": SEQ, "snapshot": REST}


class Trade(msgspec.Struct, tag=True):
    symbol: str
    seq: int = 0


class Quote(msgspec.Struct, tag=True):
    symbol: str
    ticker: str = ""


class Book(msgspec.Struct):
    seq: int
    levels: list[float] = []


@dataclasses.dataclass
class Tick:
    symbol: str


class Row(TypedDict):
    symbol: str


class Unknown:
    """Nothing that could be encoded."""


def payloads(topics: Any) -> Any:
    return {"op": "subscribe", "args": list(topics)}


def kind_of(message: Any) -> Optional[Kind]:
    return Kind.SNAPSHOT if "full" in message else None


REQUEST = Request(payloads, position="seq")
ASKED: dict[str, Any] = {"key": "symbol", "sequence": SEQ, "classify": kind_of, "snapshot": REQUEST}


def full(**changes: Any) -> Feed:
    """A feed that uses everything, with a change."""
    fields: dict[str, Any] = {"key": "symbol", "sequence": SEQ, "snapshot": REST, "heartbeat": 5.0}
    return Feed(URL, **{**fields, **changes})


# ---------------------------------------------------------------- contradictions of a feed

CONTRADICTIONS: list[Any] = [
    # where
    ({"endpoint": "https://h/"}, "endpoint='https://h/': expected a URL that begins with ws:// or wss://"),
    ({"endpoint": ""}, "endpoint='': expected a URL that begins with"),
    ({"endpoint": "wss://"}, "endpoint='wss://': the URL names no host"),
    ({"endpoint": "wss://h:99999/x?s3cr3t"}, "endpoint='wss://h:99999/x?...': the port is not a number from 1 to 65535"),
    ({"endpoint": "wss://us:s3cr3t@h/ x"}, "endpoint='wss://h/ x': a URL holds no blanks"),
    ({"endpoint": "wss://us:s3cr3t/@h"}, "endpoint='...': the port is not a number"),
    ({"endpoint": None}, "endpoint=None: expected a URL, an Endpoint, or a callable that returns one"),
    ({"endpoint": 7}, "endpoint=7: expected a URL, an Endpoint, or a callable"),
    ({"endpoint": b"wss://us:s3cr3t@h"}, "endpoint=<class 'bytes'>: expected a URL, an Endpoint, or a callable"),
    ({"endpoint": ["wss://h?s3cr3t"]}, "endpoint=<class 'list'>: expected a URL, an Endpoint, or a callable"),
    ({"headers": {"X-Key": "s3cr3t\r\nX-Evil: 1"}}, "headers='X-Key': the value of this header is not a text on one line"),
    ({"headers": {"X-Key": None}}, "headers='X-Key': the value of this header is not a text on one line"),
    ({"headers": {"X\r\nY": "s3cr3t"}}, r"headers='X\r\nY': not a header name"),
    ({"headers": {"X-Key: s3cr3t": ""}}, "headers='X-Key': not a header name"),
    ({"headers": ["X-Key: s3cr3t"]}, "headers=<class 'list'>: expected a mapping: name -> value"),
    ({"headers": "X-Key: s3cr3t"}, "headers=<class 'str'>: expected a mapping: name -> value"),
    ({"headers": None}, "headers=None: expected a mapping: name -> value"),
    ({"endpoint": Endpoint(url=URL), "headers": {"A": "s3cr3t"}}, "headers=['A']: put them into the Endpoint"),
    ({"endpoint": lambda: URL, "headers": {"A": "s3cr3t"}}, "headers=['A']: put them into the Endpoint"),
    ({"endpoint": lambda: URL, "headers": lambda: {"A": "s3cr3t"}}, "headers=<class 'function'>: put them into the Endpoint"),
    ({"endpoint": lambda: URL, "headers": [("A", "s3cr3t")]}, "headers=<class 'list'>: expected a mapping"),
    # what is said to the venue
    ({"subscribe": Unknown()}, "subscribe='Unknown': cannot be sent: "),
    ({"subscribe": {"token": "s3cr3t", "at": Unknown()}}, "subscribe='dict': cannot be sent: "),
    ({"subscribe": ({"a": 1}, Unknown())}, "subscribe='tuple': cannot be sent: "),
    ({"subscribe": "\ud800"}, "subscribe='str': cannot be sent: "),
    ({"topics": ["ABC"]}, "topics=['ABC']: topics need subscribe to be a callable: topics -> payload(s)"),
    ({"topics": ["ABC"], "subscribe": {"op": "s3cr3t"}}, "topics=['ABC']: topics need subscribe to be a callable"),
    ({"topics": "ABC", "subscribe": payloads}, "topics=<class 'str'>: expected a list, not one text"),
    ({"topics": b"ABC", "subscribe": payloads}, "topics=<class 'bytes'>: expected a list"),
    ({"topics": None, "subscribe": payloads}, "topics=None: expected a list"),
    ({"topics": 7, "subscribe": payloads}, "topics=7: expected a list"),
    ({"topics": [["a"]], "subscribe": payloads}, "topics=['a']: a topic is a text, a number or a tuple: something hashable"),
    ({"unsubscribe": {"token": "s3cr3t"}}, "unsubscribe=<class 'dict'>: expected a callable"),
    ({"topic_key": "symbol"}, "topic_key=<class 'str'>: expected a callable"),
    ({"classify": "type"}, "classify=<class 'str'>: expected a callable"),
    # what comes
    ({"decode": 42}, "decode=42: msgspec cannot decode to it: "),
    ({"decode": Unknown}, "Unknown'>: msgspec cannot decode to it; give a function: payload -> message"),
    ({"decode": Union[Trade, Tick]}, "decode=typing.Union["),
    ({"key": 5}, "key=5: expected a field name, a dotted path such as 'data.s', or a callable"),
    ({"key": ""}, "key='': expected a field name"),
    ({"key": "data..s"}, "key='data..s': expected a field name"),
    ({"key": ["symbol"]}, "key=['symbol']: expected a field name"),
    ({"key": "symbol", "decode": str}, "key='symbol': a message of decode=str has no fields; give a callable"),
    ({"key": "symbol", "decode": bytes}, "key='symbol': a message of decode=bytes has no fields; give a callable"),
    ({"key": "symbol", "decode": None}, "key='symbol': a message of decode=None has no fields; give a callable"),
    ({"key": "sym", "decode": Trade}, "key='sym': no message of decode=Trade has the field 'sym'; they have: seq, symbol"),
    ({"key": "sym", "decode": Tick}, "key='sym': no message of decode=Tick has the field 'sym'; they have: symbol"),
    ({"key": "sym", "decode": Row}, "key='sym': no message of decode=Row has the field 'sym'; they have: symbol"),
    ({"key": "sym", "decode": Union[Trade, Quote]}, "has the field 'sym'; they have: seq, symbol, ticker"),
    ({"key": "sym", "decode": Optional[Tick]}, "has the field 'sym'; they have: symbol"),
    # how it counts
    ({"sequence": "seq"}, "sequence='seq': expected Contiguous(...), Chained(...), Increasing(...) or None"),
    ({"sequence": Contiguous}, "sequence=<class 'syncstream.core.sequence.Contiguous'>: expected Contiguous(...)"),
    ({"sequence": Contiguous("u"), "decode": Trade}, "sequence='u': no message of decode=Trade has the field 'u'"),
    ({"sequence": Contiguous("seq", "u"), "decode": Trade}, "sequence='u': no message of decode=Trade has the field 'u'"),
    ({"sequence": Increasing("ts"), "decode": Row}, "sequence='ts': no message of decode=Row has the field 'ts'"),
    ({"counter": CONNECTION}, "counter=CONNECTION: a counter counts a sequence, and the feed has none"),
    ({"counter": "channel"}, "counter='channel': a counter counts a sequence, and the feed has none"),
    ({"counter": 7, "sequence": SEQ}, "counter=7: expected a field name, a dotted path, a callable or CONNECTION"),
    ({"counter": "a.", "sequence": SEQ}, "counter='a.': expected a field name"),
    ({"counter": "chan", "sequence": SEQ, "decode": Trade}, "counter='chan': no message of decode=Trade has the field"),
    ({"reorder": 0.05}, "reorder=0.05: only a Contiguous sequence can tell that a message came too early"),
    ({"reorder": 0.05, "sequence": Increasing("ts")}, "reorder=0.05: only a Contiguous sequence"),
    # how it heals
    (
        {"snapshot": "https://h/{key}?s3cr3t"},
        "snapshot='https://h/{key}?...': expected Rest(...), Resubscribe(...), Reconnect(...)",
    ),
    ({"snapshot": {"url": "https://h?s3cr3t"}}, "snapshot=<class 'dict'>: expected Rest(...), Resubscribe(...)"),
    (
        {"snapshot": REST, "key": "symbol"},
        "snapshot=Rest('https://api.broker.example/v1/quotes/{key}', position='seq'): a snapshot"
        " without a sequence cannot be joined to the messages; give sequence=..., or whole=True",
    ),
    ({"snapshot": REST, "sequence": SEQ}, "its URL asks for {key}, and the feed has no key; give key=..., or a callable"),
    ({"snapshot": WHOLE}, "its URL asks for {key}, and the feed has no key"),
    (
        {"splice": SEQ, "sequence": SEQ},
        "splice=Contiguous(first='seq'): there is no snapshot to splice to",
    ),
    ({**HEALED, "splice": SEQ, "snapshot": WHOLE}, "a snapshot that replaces the state whole is not spliced"),
    ({**HEALED, "splice": Contiguous("seq", idle=bool)}, "splice=Contiguous(first='seq', idle="),
    ({**HEALED, "splice": Chained("a", "b", reset=bool)}, "idle= and reset= are about the counter; give them to sequence="),
    ({**HEALED, "splice": NAMES}, "nothing can be joined to a snapshot by names that have no order"),
    ({**HEALED, "sequence": NAMES}, "no message can be joined to it by names that have no order; give splice=..., or whole=True"),
    ({"sequence": Contiguous("symbol", idle="beat"), "decode": Trade}, "sequence='beat': no message of"),
    ({**HEALED, "splice": "seq"}, "splice='seq': expected Contiguous(...), Chained(...), Increasing"),
    ({**HEALED, "splice": Contiguous("u"), "decode": Trade}, "splice='u': no message of"),
    (
        {**HEALED, "counter": CONNECTION},
        "its position does not count in the key's numbering (counter= is not the key); give splice=..., or whole=True",
    ),
    ({**HEALED, "counter": "channel"}, "its position does not count in the key's"),
    ({**HEALED, "snapshot": Reconnect()}, "nothing says which messages are Kind.SNAPSHOT; give classify="),
    ({"classify": kind_of, "snapshot": Resubscribe()}, "it leaves topics and subscribes again: subscribe= and unsubscribe= as"),
    ({"classify": kind_of, "snapshot": Resubscribe(), "subscribe": payloads}, "it leaves topics and subscribes again"),
    ({"classify": kind_of, "snapshot": Resubscribe(), "subscribe": {"op": "s3cr3t"}, "unsubscribe": payloads}, "as callables"),
    ({"classify": kind_of, "snapshot": REQUEST}, "without a sequence cannot be joined to the messages"),
    ({**ASKED, "sequence": SEQ, "splice": SEQ, "snapshot": Request(payloads, whole=True)}, "replaces the state whole is not"),
    ({**ASKED, "sequence": NAMES}, "no message can be joined to it by names that have no order"),
    ({**ASKED, "counter": CONNECTION}, "its position does not count in the key's numbering"),
    # policies
    ({"liveness": 5.0}, "liveness=5.0: expected Liveness(...)"),
    ({"liveness": Liveness}, "liveness=<class 'syncstream.core.liveness.Liveness'>: expected Liveness(...)"),
    ({"backoff": None}, "backoff=None: expected Backoff(...)"),
    ({"heartbeat": math.inf}, "heartbeat=inf: one that never comes is none; leave it out"),
]


@pytest.mark.parametrize(("fields", "text"), CONTRADICTIONS)
def test_a_feed_that_contradicts_itself(fields: dict[str, Any], text: str) -> None:
    """Refused at construction, in one line, with the field and the value and no secret."""
    with pytest.raises(FeedError) as caught:
        Feed(**{"endpoint": URL, **fields})
    assert text in str(caught.value)
    assert caught.value.field in {*fields, "endpoint"}
    assert str(caught.value).startswith(f"{caught.value.field}=")
    assert "s3cr3t" not in str(caught.value)
    assert "s3cr3t" not in repr(caught.value)
    assert "\n" not in str(caught.value)


NOT_SECONDS: list[Any] = [True, False, None, "1", math.nan, -1, -0.5, -math.inf, [1]]
LIMITS = ["first_live_limit", "first_data_limit", "verify_after", "dial_timeout"]
NOT_COUNTS: list[Any] = [True, False, None, "1", 0, -1, 1.0, math.nan, math.inf]


@pytest.mark.parametrize("field", ["heartbeat", "dial_timeout", "first_live_limit", "first_data_limit", "verify_after"])
@pytest.mark.parametrize("value", [0, 0.0, *NOT_SECONDS])
def test_seconds_above_zero(field: str, value: Any) -> None:
    """A limit of no time, or of no number, is none."""
    if field == "heartbeat" and value is None:
        assert full(heartbeat=None).heartbeat is None
        return
    with pytest.raises(FeedError) as caught:
        full(**{field: value})
    assert str(caught.value) == f"{field}={value!r}: expected a number of seconds above zero"


@pytest.mark.parametrize("field", LIMITS)
@pytest.mark.parametrize("value", [0.001, 1, math.inf])
def test_any_time_above_zero_will_do(field: str, value: float) -> None:
    """Endless means never: whoever wants to wait for ever may."""
    assert getattr(full(**{field: value}), field) == value


@pytest.mark.parametrize("field", ["reorder", "resync_interval"])
@pytest.mark.parametrize("value", [*NOT_SECONDS, math.inf])
def test_seconds_from_zero_on(field: str, value: Any) -> None:
    """Zero switches it off; endless is no window and no interval."""
    assert getattr(full(**{field: 0}), field) == 0
    with pytest.raises(FeedError) as caught:
        full(**{field: value})
    assert str(caught.value) == f"{field}={value!r}: expected a number of seconds, zero or more"


@pytest.mark.parametrize("field", ["restart_after", "max_message_size", "max_keys", "hold_limit", "hold_bytes"])
@pytest.mark.parametrize("value", NOT_COUNTS)
def test_whole_numbers_above_zero(field: str, value: Any) -> None:
    """Each bound is one; there is no unbounded."""
    assert getattr(full(**{field: 1}), field) == 1
    with pytest.raises(FeedError) as caught:
        full(**{field: value})
    assert str(caught.value) == f"{field}={value!r}: expected a whole number above zero"


def test_an_unknown_option() -> None:
    """Named, whatever its value is."""
    makers: list[Callable[..., Any]] = [lambda **kw: Feed(URL, **kw), lambda **kw: Rest(SNAPSHOT, **kw), Endpoint]
    for make in makers:
        with pytest.raises(FeedError, match=r"bogus=<class 'str'>: \w+ has no such option"):
            make(bogus="s3cr3t")


# ---------------------------------------------------------------- contradictions of a snapshot

BAD_REST: list[Any] = [
    ({"url": "ftp://h/{key}"}, "snapshot='ftp://h/{key}': expected a URL that begins with http:// or https://"),
    ({"url": "wss://us:s3cr3t@h/{key}"}, "snapshot='wss://h/{key}': expected a URL that begins with http:// or https://"),
    ({"url": "https://h/quotes?s3cr3t"}, "snapshot='https://h/quotes?...': the URL needs {key}, the place of the key"),
    ({"url": "https://h/{symbol}"}, "snapshot='https://h/{symbol}': the URL needs {key}"),
    ({"url": "https://h/{symbol}/{key}"}, "snapshot='https://h/{symbol}/{key}': only {key} is filled in, not {symbol}"),
    ({"url": "https://h/{key}?limit={limit}&s3cr3t"}, "snapshot='https://h/{key}?...': only {key} is filled in, not {limit}"),
    ({"url": "https://h/{key}/{}"}, "only {key} is filled in, not {}"),
    ({"url": "https://h/{key}/{0}"}, "only {key} is filled in, not {0}"),
    ({"url": "https://h/{key}/{key.base}"}, "only {key} is filled in, not {key.base}"),
    ({"url": "https://h/{key}/{key!r}"}, "only {key} is filled in, not {key!r}"),
    ({"url": "https://h/{{key}}"}, "only {key} is filled in, not {}"),
    ({"url": None}, "snapshot=None: expected a URL (http, https)"),
    ({"url": b"https://us:s3cr3t@h/{key}"}, "snapshot=<class 'bytes'>: expected a URL (http, https)"),
    ({"position": None}, "position=None: say where the snapshot's position stands, or that it replaces the state (whole=True)"),
    ({"position": 7}, "position=7: expected a field name, a dotted path"),
    ({"position": ""}, "position='': expected a field name, a dotted path"),
    ({"position": "data..u"}, "position='data..u': expected a field name, a dotted path"),
    ({"position": "u", "decode": Book}, "position='u': no message of decode=Book has the field 'u'; they have: levels, seq"),
    ({"decode": bytes}, "position='seq': a message of decode=bytes has no fields; give a callable"),
    ({"decode": 42}, "decode=42: msgspec cannot decode to it"),
    ({"whole": True}, "whole=True: a snapshot with a position is joined by it; give one or the other"),
    ({"headers": {"X-Key": "s3cr3t\n"}}, "headers='X-Key': the value of this header is not a text on one line"),
    ({"headers": [("X-Key", "s3cr3t")]}, "headers=<class 'list'>: expected a mapping: name -> value"),
    ({"headers": None}, "headers=None: expected a mapping: name -> value"),
    ({"timeout": 0}, "timeout=0: expected a number of seconds above zero"),
    ({"timeout": math.nan}, "timeout=nan: expected a number of seconds above zero"),
    ({"timeout": None}, "timeout=None: expected a number of seconds above zero"),
    ({"concurrency": 0}, "concurrency=0: expected a whole number above zero"),
    ({"attempts": 1.5}, "attempts=1.5: expected a whole number above zero"),
    ({"maximum_size": True}, "maximum_size=True: expected a whole number above zero"),
    ({"backoff": 1.0}, "backoff=1.0: expected Backoff(...)"),
]


@pytest.mark.parametrize(("fields", "text"), BAD_REST)
def test_a_snapshot_that_contradicts_itself(fields: dict[str, Any], text: str) -> None:
    """Refused at construction; the field of the URL is called as in the feed."""
    with pytest.raises(FeedError) as caught:
        Rest(**{"url": SNAPSHOT, "position": "seq", **fields})
    assert text in str(caught.value)
    assert str(caught.value).startswith(f"{caught.value.field}=")
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "https://h/{key}",
        "http://h:8080/api/{key}/book?symbol={key}",
        "https://{key}.h/book",
        'https://h/{key}?filter={"open":true}',
        lambda key: f"https://h/{key}",
    ],
)
def test_a_snapshot_url_that_works(url: Any) -> None:
    """The place of the key may stand anywhere, more than once; braces that are JSON are nobody's place."""
    assert Rest(url, position="seq").url is url
    assert Rest(url, whole=True).position is None


# ---------------------------------------------------------------- contradictions of an endpoint

BAD_ENDPOINTS: list[Any] = [
    ({"url": "http://h"}, "endpoint='http://h': expected a URL that begins with ws:// or wss://"),
    ({"url": None}, "endpoint=None: expected a URL (ws, wss)"),
    ({"headers": {"A": "s3cr3t\0"}}, "headers='A': the value of this header is not a text on one line"),
    ({"headers": [("A", "s3cr3t")]}, "headers=<class 'list'>: expected a mapping: name -> value"),
    ({"subprotocols": "v1"}, "subprotocols=<class 'str'>: expected a list, not one text"),
    ({"subprotocols": None}, "subprotocols=None: expected a list"),
    ({"subprotocols": ["v1", "s3cr3t\r\nX-Evil: 1"]}, "subprotocols=<class 'list'>: each is a text on one line"),
    ({"subprotocols": (b"s3cr3t",)}, "subprotocols=<class 'tuple'>: each is a text on one line"),
    ({"sslopt": True}, "sslopt=True: expected a mapping of options"),
    ({"sslopt": [("password", "s3cr3t")]}, "sslopt=<class 'list'>: expected a mapping of options"),
    ({"proxy": "https://us:s3cr3t@p:1"}, "proxy='https://p:1': expected a URL that begins with http:// or socks4:// or"),
    ({"proxy": "p:3128"}, "proxy='p:3128': expected a URL that begins with http://"),
    ({"proxy": ""}, "proxy='': expected a URL that begins with http://"),
    ({"proxy": True}, "proxy=True: expected a URL (http, socks4, socks4a, socks5, socks5h)"),
    ({"compression": True}, "compression=True: expected Deflate(...), or None for no compression"),
    ({"compression": "s3cr3t"}, "compression=<class 'str'>: expected Deflate(...), or None for no compression"),
    ({"max_redirects": -1}, "max_redirects=-1: expected a whole number, zero to follow none"),
    ({"max_redirects": True}, "max_redirects=True: expected a whole number, zero to follow none"),
    ({"max_head_size": 0}, "max_head_size=0: expected a whole number above zero"),
]


@pytest.mark.parametrize(("fields", "text"), BAD_ENDPOINTS)
def test_an_endpoint_that_contradicts_itself(fields: dict[str, Any], text: str) -> None:
    """Refused at construction, also when a callable makes it."""
    with pytest.raises(FeedError) as caught:
        Endpoint(**{"url": URL, **fields})
    assert str(caught.value).startswith(text)
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize("proxy", [None, "environment", "http://us:pass@p:3128", "socks5h://p"])
def test_proxies(proxy: Optional[str]) -> None:
    """None, the environment's, or a URL."""
    assert Endpoint(url=URL, proxy=proxy).proxy == proxy
