"""What a user says about a venue: `Feed` and its values. Frozen, checked at construction, no I/O, any thread.

Every field has a default; the plain case names five. What contradicts itself is refused here, with the field and the value in
the message, so that a wrong feed never opens a connection.
"""

from __future__ import annotations

import operator
from typing import Any, Callable, Collection, Hashable, Mapping, Optional, Sequence, Union

from . import life, schema, sources, timestamp, unpacking
from .core.backoff import Backoff
from .core.deflate import Deflate
from .core.liveness import Liveness
from .core.options import Options, check_count
from .core.paths import MISSING, Path
from .core.rules import Rules, Scope
from .core.sequence import Chained, Contiguous, Increasing, Rule
from .errors import FeedError
from .levels import Levels, Reading
from .life import Life
from .sources import Rest as Rest
from .sources import Source, positive, shown, written
from .urls import check_headers, check_url, harmless, named, redact


class _Connection:
    def __repr__(self) -> str:
        return "CONNECTION"


CONNECTION = _Connection()
"""`counter=CONNECTION`: the venue numbers each connection, across all keys, from a fresh start every time."""


class Endpoint(Options, frozen=True, kw_only=True):
    """Where a line is dialled, and how.

    `sslopt` goes to the TLS set-up as websocket-client knows it; verification is on unless it says otherwise, which is logged.
    `proxy` is a URL, `None` for a direct line, or `"environment"` for `https_proxy`/`http_proxy`/`no_proxy`. `compression` is
    offered to the venue (`Deflate(...)`: permessage-deflate) or not (`None`). `max_redirects` are followed, each within the
    time of the attempt: never from `wss` to `ws`, and to another host without headers, login, query, subprotocols and client
    certificate (by TLS not at all with an `SSLContext` of your own, which may hold one). `max_head_size` bounds the head of the
    venue's answer, in bytes.
    """

    url: str
    headers: Mapping[str, str] = {}
    subprotocols: Sequence[str] = ()
    sslopt: Mapping[str, Any] = {}
    proxy: Optional[str] = "environment"
    compression: Optional[Deflate] = Deflate()
    max_redirects: int = 5
    max_head_size: int = 64 * 1024

    def __post_init__(self) -> None:
        check_url("endpoint", self.url, ("ws", "wss"))
        check_headers(self.headers)
        names = _listed("subprotocols", self.subprotocols)
        if not all(isinstance(name, str) and name.isprintable() for name in names):
            raise FeedError("subprotocols", type(names), "each is a text on one line")
        if not isinstance(self.sslopt, Mapping):
            raise FeedError("sslopt", harmless(self.sslopt), "expected a mapping of options")
        if self.proxy not in (None, "environment"):
            check_url("proxy", self.proxy, ("http", "socks4", "socks4a", "socks5", "socks5h"))
        if self.compression is not None and not isinstance(self.compression, Deflate):
            raise FeedError("compression", harmless(self.compression), "expected Deflate(...), or None for no compression")
        if type(self.max_redirects) is not int or self.max_redirects < 0:
            raise FeedError("max_redirects", self.max_redirects, "expected a whole number, zero to follow none")
        check_count("max_head_size", self.max_head_size)

    def __repr__(self) -> str:
        return written("Endpoint", self.__rich_repr__())

    def __rich_repr__(self) -> list[tuple[str, Any]]:  # else rich shows every field of a Struct
        return [("url", redact(self.url)), ("headers", sorted(self.headers))]


class _Where(Life, frozen=True):
    endpoint: Union[str, Endpoint, Callable[[], Union[str, Endpoint]]]


class Feed(_Where, frozen=True, kw_only=True):
    """A venue's stream, as its user describes it.

    Connection
        `endpoint` (positional): a URL, an `Endpoint`, or a callable asked before every attempt (tokens that expire). `headers`:
        added to the upgrade request of a URL, or a callable asked before every attempt. `subscribe`: what to send once the line
        is open: one payload (`str`, `bytes`, or anything that becomes JSON), a tuple of several, or a callable topics →
        payload(s) for `topics`, which run-time changes need; `unsubscribe` is the callable for the way out. `topic_key`: topic
        → key, if they differ.
    Messages
        `decode`: `dict` (any JSON, default), `str`, `bytes`, `None` (text and bytes as they come), any msgspec type, or a
        callable: of a frame. `transform`: what binary frames go through before that: `"gzip"` (members follow each other),
        `"zlib"`, `"deflate"` (raw), or a callable bytes → bytes; no more than `max_message_size` is made of a frame, and 8 KiB
        are read at a time. `split`: where a frame carries several messages: `True` (it is an array of them), a path, or a
        callable frame → list or `None`; a frame with no array there is one message.
        `key`: what belongs together (a path or a callable; `None` = one single key). `classify`: message → `Kind`.
        `alias`: where messages have an id that holds for one connection in place of a key: what a `Kind.ACK` tells, message →
        (id, key) or `None`. `key` is where the id stands then, and what is delivered is `Named(key, message)`.
        `literals`: text frames that are no messages, taken before the decoder, and what they mean: `{"pong": Kind.PONG}`.
        `answer`: what to reply to a `Kind.CHALLENGE`, at once: message → payload, or `None`; pure, it runs on the reader.
        `timestamp`: when the venue says it sent it (a path or a callable), for `stats().exchange`; `timestamp_unit`: since 1970
        in `"s"`, `"ms"`, `"us"` or `"ns"`, or `"iso"` for a text such as `2024-05-01T12:00:00.5Z`.
    Order
        `sequence`: `Contiguous`, `Chained`, `Increasing` or `None`. `counter`: the scope the numbers count in, if it is not the
        key: a path, a callable or `CONNECTION`. `snapshot`: where the truth is: `Rest`, or, as messages of the line that
        `classify` calls `Kind.SNAPSHOT`, `Resubscribe`, `Reconnect` or `Request`. `splice`: the rule that joins a message to a
        snapshot, if it is not `sequence`; with names that have no order it is needed, but for `Resubscribe`, `Reconnect` and
        what replaces the state whole. `reorder`: seconds to wait for a late message before a hole is a gap. `restart_after`: more
        backward positions than that, without an advance, mean that the counter restarted (fewer do where they last, see
        `core.counter`). `verify_after`: after a reconnect, a key silent that long is fetched. `resync_interval`:
        the least time between two healings of one key that a slow consumer or a wrong checksum caused. `book`: where messages and
        snapshots have price levels (`Levels`), so that the stream keeps `stream.books`.
    Opening and subscribing
        `opening`: the steps (`Step`) before the first subscription: a welcome, a login, settings. `batch`: how many topics go
        into one call of `subscribe` (`Batch`). `acks`: how the venue acknowledges (`Acks`), so that what it lost is asked for
        again and what it refused is told. `topic_data_limit`: seconds after which a topic without data is asked for again, too.
    Life
        `heartbeat`: the venue sends something at least that often, seconds. `liveness`, `backoff`: the policies. `dial_timeout`:
        for one attempt. `first_live_limit`: so long may it take until a line is open for the first time. `first_data_limit`: so
        long may messages come, ten or more, of which none can be used. `keepalive`: what to send every so often (`Keepalive`).
        `quiet_after`: seconds a single key may be silent: one figure, a mapping, or a callable key → seconds or `None`; then it
        is told, subscribed again where `unsubscribe` is given, and fetched. `lifetime`: seconds after which a line is replaced,
        by plan and a little earlier, before the venue does it. `failures`: what failures mean, over the table in `core.failures`.
        `dial_budget`, `send_budget`: how often a host may be dialled, by all streams of the process together, and how much
        may be sent on one line (`Budget`).
    Bounds
        `max_message_size` bytes, inflated; `max_fragments` of one message; `max_pings`: so many of the venue's, the latest, wait
        for an answer; `max_keys`; `hold_limit`: messages held while snapshots are on their way and in reorder windows, over all
        keys; `hold_bytes`: how many bytes they may be, as they came over the line, inflated.
    """

    subscribe: Any = None
    unsubscribe: Optional[Callable[[Sequence[Any]], Any]] = None
    topics: Sequence[Hashable] = ()
    topic_key: Optional[Callable[[Any], Any]] = None
    headers: Union[Mapping[str, str], Callable[[], Mapping[str, str]]] = {}
    decode: Any = dict
    key: Optional[Path] = None
    timestamp: Optional[Path] = None
    timestamp_unit: str = "ms"
    sequence: Optional[Rule] = None
    counter: Union[Path, _Connection, None] = None
    snapshot: Optional[Source] = None
    splice: Optional[Rule] = None
    book: Optional[Levels] = None
    reorder: float = 0.0
    restart_after: int = 100
    verify_after: float = 5.0
    resync_interval: float = 1.0
    heartbeat: Optional[float] = None
    liveness: Liveness = Liveness()
    backoff: Backoff = Backoff()
    dial_timeout: float = 10.0
    first_live_limit: float = 60.0
    first_data_limit: float = 30.0
    max_message_size: int = 16 * 1024 * 1024
    max_fragments: int = 128 * 1024
    max_pings: int = 64
    max_keys: int = 100_000
    hold_limit: int = 100_000
    hold_bytes: int = 256 * 1024 * 1024

    def __post_init__(self) -> None:
        _check_connection(self)
        _check_messages(self)
        _check_order(self)
        _check_limits(self)
        _check_book(self)
        life.check(self, subscribe=self.subscribe, key=self.key, decode=self.message_type)

    def where(self) -> Endpoint:
        """The endpoint of the next attempt. Runs user code if `endpoint` or `headers` is a callable; so never on the reader."""
        found = self.endpoint() if callable(self.endpoint) else self.endpoint
        if isinstance(found, Endpoint):
            return found
        return Endpoint(url=found, headers=self.headers() if callable(self.headers) else self.headers)

    def rules(self, watch: Callable[[str, Any], Any] = lambda field, function: function) -> Rules:
        """This feed as the engine wants it. `watch(field, function)` may wrap the user's callables that run on the reader."""
        source = self.snapshot

        def place(field: str, path: Optional[Path]) -> Any:
            if path is None:
                return None
            return watch(field, path) if callable(path) else schema.field_getter(path, self.message_type)

        def numbers(field: str, rule: Optional[Rule]) -> tuple[Any, Any]:
            if rule is None:
                return None, None
            first = place(field, rule.first)
            return first, first if rule.last is None else place(field, rule.last)

        def modifier(path: Optional[Path]) -> Any:
            return None if path is None else _if_there(place("sequence", path))

        first, last = numbers("sequence", self.sequence)
        splice_first, splice_last = numbers("splice", self.splice)
        scope = Scope.KEY if self.counter is None else Scope.CONNECTION if self.counter is CONNECTION else Scope.SHARED
        own = self.sequence if scope is Scope.KEY and self.sequence is not None and self.sequence.ordered else None
        splice = self.splice or own
        return Rules(
            decode=schema.decoder(self.decode, watch),
            key=place("key", self.key),
            key_text=_path_text(self.key),
            key_may_miss=not callable(self.key),
            fields=schema.fields_of,
            rule=self.sequence,
            rule_text=_path_text(self.sequence.first) if self.sequence is not None else "None",
            first=first,
            last=last,
            idle=modifier(None if self.sequence is None else self.sequence.idle),
            reset=modifier(None if self.sequence is None else self.sequence.reset),
            scope=scope,
            counter=None if isinstance(self.counter, _Connection) else place("counter", self.counter),
            reorder=self.reorder,
            restart_after=self.restart_after,
            splice=splice if source is not None and not sources.is_whole(source) else None,
            splice_first=splice_first,
            splice_last=splice_last,
            verify_after=self.verify_after,
            resync_interval=self.resync_interval,
            **sources.rules(source, place),
            **life.rules(self, watch, place),
            **unpacking.rules(self, self.decode, self.max_message_size, watch),
            asks=self.subscribe is not None,
            leaves=callable(self.subscribe) and self.unsubscribe is not None,
            heartbeat=self.heartbeat,
            liveness=self.liveness,
            backoff=self.backoff,
            dial_limit=self.dial_timeout + 5.0,
            first_live_limit=self.first_live_limit,
            first_data_limit=self.first_data_limit,
            max_message_size=self.max_message_size,
            max_fragments=self.max_fragments,
            max_keys=self.max_keys,
            hold_limit=self.hold_limit,
            hold_bytes=self.hold_bytes,
        )

    def sent_ns(self, watch: Callable[[str, Any], Any] = lambda field, function: function) -> Optional[Callable[[Any], int]]:
        """Message → when the venue says it sent it, ns since 1970; `None` if this feed does not tell. `watch` as in `rules`."""
        if self.timestamp is None:
            return None
        sent_ns = timestamp.reader(self.timestamp, self.timestamp_unit, self.message_type, watch)
        return sent_ns if self.alias is None else lambda named: sent_ns(named.message)

    def item_key(self, watch: Callable[[str, Any], Any] = lambda field, function: function) -> Callable[[Any], Any]:
        """Delivered message → key. `watch` as in `rules`."""
        if self.alias is not None:
            return operator.attrgetter("key")
        if self.key is None:
            return lambda message: None
        return watch("key", self.key) if callable(self.key) else schema.field_getter(self.key, self.message_type)

    def book_reading(self, watch: Callable[[str, Any], Any] = lambda field, function: function) -> Optional[Reading]:
        """How to read price levels; `None` if this feed has no book. `watch` as in `rules`."""
        if self.book is None:
            return None
        return self.book.reading(decode=self.message_type, snapshot_decode=self._snapshot_decode, watch=watch)

    @property
    def message_type(self) -> Any:
        """What paths are looked up in, for `schema`: `decode`, or what a frame of that is split into."""
        return schema.message_type(self.decode, self.split)

    @property
    def _snapshot_decode(self) -> Any:
        return self.snapshot.decode if isinstance(self.snapshot, Rest) else self.message_type

    def __repr__(self) -> str:
        return written("Feed", self.__rich_repr__())

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        fields = ("key", "sequence", "counter", "snapshot", "heartbeat")
        given = [(field, named(getattr(self, field))) for field in fields if getattr(self, field) is not None]
        return [("", shown(self.endpoint)), *given]


def _if_there(find: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """What stands at a path; `None` where a message has no such place."""

    def found(message: Any) -> Any:
        try:
            return find(message)
        except MISSING:
            return None

    return found


def _path_text(path: Optional[Path]) -> str:
    return repr(named(path))


def _listed(field: str, given: object) -> Collection[Any]:
    if isinstance(given, (str, bytes)) or not isinstance(given, Collection):
        raise FeedError(field, harmless(given), "expected a list, not one text" if isinstance(given, str) else "expected a list")
    return given


def _check_connection(feed: Feed) -> None:
    endpoint = feed.endpoint
    if not isinstance(endpoint, (str, Endpoint)) and not callable(endpoint):
        raise FeedError("endpoint", harmless(endpoint), "expected a URL, an Endpoint, or a callable that returns one")
    if not callable(feed.headers):
        check_headers(feed.headers)
    if isinstance(endpoint, str):
        Endpoint(url=endpoint, headers={} if callable(feed.headers) else feed.headers)
    elif feed.headers:
        shown = harmless(feed.headers) if callable(feed.headers) else sorted(feed.headers)
        raise FeedError("headers", shown, "put them into the Endpoint; a Feed's own headers go with a plain URL")
    topics = list(_listed("topics", feed.topics))
    if topics and not callable(feed.subscribe):
        raise FeedError("topics", topics, "topics need subscribe to be a callable: topics -> payload(s)")
    for topic in topics:
        try:
            hash(topic)
        except TypeError:
            raise FeedError("topics", topic, "a topic is a text, a number or a tuple: something hashable") from None
    for field in ("unsubscribe", "topic_key"):
        value = getattr(feed, field)
        if value is not None and not callable(value):
            raise FeedError(field, harmless(value), "expected a callable")
    if not callable(feed.subscribe) and feed.subscribe is not None:
        schema.encode("subscribe", feed.subscribe)


def _check_messages(feed: Feed) -> None:
    schema.check_decode(feed.decode)
    unpacking.check(feed, feed.decode)
    kind = feed.message_type
    schema.check_path("key", feed.key, kind)
    schema.check_path("timestamp", feed.timestamp, kind)
    if feed.timestamp_unit not in timestamp.UNITS:
        raise FeedError("timestamp_unit", feed.timestamp_unit, f"one of {', '.join(map(repr, timestamp.UNITS))}")
    if isinstance(feed.counter, str):
        schema.check_path("counter", feed.counter, kind)
    elif feed.counter is not None and feed.counter is not CONNECTION and not callable(feed.counter):
        raise FeedError("counter", feed.counter, "expected a field name, a dotted path, a callable or CONNECTION")
    for field in ("sequence", "splice"):
        rule = getattr(feed, field)
        if rule is None:
            continue
        if not isinstance(rule, (Contiguous, Chained, Increasing)):
            raise FeedError(field, rule, "expected Contiguous(...), Chained(...), Increasing(...) or None")
        schema.check_path(field, rule.first, kind)
        schema.check_path(field, rule.last, kind)
        schema.check_path(field, rule.idle, kind)


def _check_splice(feed: Feed) -> None:
    splice, rule = feed.splice, feed.sequence
    if splice is not None and (splice.idle is not None or splice.reset is not None):
        raise FeedError("splice", splice, "idle= and reset= are about the counter; give them to sequence=")
    if splice is not None and not splice.ordered:
        raise FeedError("splice", splice, "nothing can be joined to a snapshot by names that have no order")
    if rule is None or rule.ordered or feed.snapshot is None or splice is not None or not sources.is_joined(feed.snapshot):
        return
    raise FeedError(
        "snapshot", feed.snapshot, "no message can be joined to it by names that have no order; give splice=..., or whole=True"
    )


def _check_order(feed: Feed) -> None:
    if feed.counter is not None and feed.sequence is None:
        raise FeedError("counter", feed.counter, "a counter counts a sequence, and the feed has none")
    if feed.snapshot is not None:
        sources.check(feed.snapshot, feed)
        _check_splice(feed)
    elif feed.splice is not None:
        raise FeedError("splice", feed.splice, "there is no snapshot to splice to")


def _check_limits(feed: Feed) -> None:
    for field in ("dial_timeout", "first_live_limit", "first_data_limit", "verify_after"):
        positive(field, getattr(feed, field))
    if feed.heartbeat is not None:
        positive("heartbeat", feed.heartbeat)
        if feed.heartbeat == float("inf"):
            raise FeedError("heartbeat", feed.heartbeat, "one that never comes is none; leave it out")
    for field in ("reorder", "resync_interval"):
        value = getattr(feed, field)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < float("inf"):
            raise FeedError(field, value, "expected a number of seconds, zero or more")
    if feed.reorder and not isinstance(feed.sequence, Contiguous):
        raise FeedError("reorder", feed.reorder, "only a Contiguous sequence can tell that a message came too early")
    for field in ("restart_after", "max_message_size", "max_fragments", "max_pings", "max_keys", "hold_limit", "hold_bytes"):
        check_count(field, getattr(feed, field))
    for field, kind in (("liveness", Liveness), ("backoff", Backoff)):
        if not isinstance(getattr(feed, field), kind):
            raise FeedError(field, getattr(feed, field), f"expected {kind.__name__}(...)")


def _check_book(feed: Feed) -> None:
    book = feed.book
    if book is None:
        return
    if not isinstance(book, Levels):
        raise FeedError("book", harmless(book), "expected Levels(...) or None")
    if feed.snapshot is None and feed.classify is None and not book.whole:
        raise FeedError("book", book, "a book begins with a snapshot; give snapshot=..., or a classify that knows Kind.SNAPSHOT")
    book.check(decode=feed.message_type, snapshot_decode=feed._snapshot_decode)
