"""What became of each topic on one connection: sent, acknowledged, refused, live; what to ask again, and when. Pure.

Rules
* A topic is *live* when data of its key has come since it was asked for, acknowledged or not: venues send data before the
  acknowledgement, and acknowledge what will never deliver.
* An acknowledgement that does not come in time, or data where a limit for it is declared, is told, and the topic is asked for
  again with a back-off, `attempts` times in all. Then it counts as refused on this connection.
* What the venue refuses is not asked for again on this connection. The next one asks for everything that is wanted. What it has
  sent or acknowledged here, and is asked for anew, it does not refuse for good: that is asked for again like what does not come,
  and so is what it only puts off.
* A topic that several payloads ask for is acknowledged when all of them are. By `count` the oldest request is the one that is
  meant, so it is a guess: a request that was given up is taken out of the row. What leaves topics stands in the row, too, and its
  answer is nobody's.
* A fixed payload has no topics; it is one, named `None`, and followed only where acknowledgements are declared.

Table of moves
    state           sent()   acknowledged   refused    overdue                      data of its key
    SENT            SENT     ACKNOWLEDGED   REFUSED    asked again, then REFUSED    LIVE
    ACKNOWLEDGED    SENT     -              REFUSED    asked again, then REFUSED    LIVE
    REFUSED         SENT     ACKNOWLEDGED   REFUSED    -                            LIVE
    LIVE            LIVE     LIVE           REFUSED    -                            LIVE
"""

from __future__ import annotations

import enum
import heapq
from collections import deque
from typing import Any, Callable, Container, Hashable, Iterable, NamedTuple, Optional, Sequence

from ..errors import FeedError
from ..events import TopicStatus
from .actions import Payload
from .backoff import Backoff
from .options import Options, check_count, check_seconds
from .paths import MISSING, Getter, Path

_REASON_KEPT = 200


class Batch(Options, frozen=True, kw_only=True):
    """How many topics go into one call of `subscribe`: at most `topics`, and at most `characters` of them.

    The characters are those of each topic as `str`, and `each` more with it, of which one is what stands between two: a prefix or
    quotes that `subscribe` puts around every topic are not seen here, so `each` says how long they are (`each=17` where
    `"ABC"` becomes `"orderbook.50.ABC",`). A topic that is longer goes alone.
    """

    topics: Optional[int] = None
    characters: Optional[int] = None
    each: int = 1

    def __post_init__(self) -> None:
        for field in ("topics", "characters"):
            if getattr(self, field) is not None:
                check_count(field, getattr(self, field))
        check_count("each", self.each)
        if self.each != 1 and self.characters is None:
            raise FeedError("each", self.each, "says how many characters come with a topic; it goes with characters=")

    def split(self, topics: Sequence[Any]) -> list[list[Any]]:
        """The topics in batches, in their order."""
        batches: list[list[Any]] = []
        size = 0
        for topic in topics:
            length = len(str(topic)) + self.each
            full = not batches or len(batches[-1]) == self.topics
            if full or (self.characters is not None and size + length > self.characters + 1):
                batches.append([])
                size = 0
            batches[-1].append(topic)
            size += length
        return batches


class Acks(Options, frozen=True, kw_only=True):
    """How the venue acknowledges subscriptions, and how `Kind.ACK`, `ERROR` and `LIMITED` messages are matched to topics.

    `by="id"`: what stands at `id` in the message is what stood at `sent` (the same path if not given) in the payload.
    `by="key"`: the message names what it is about: `topics`, a path or callable message → topic or list of them; without it the
    topics of the message's key. `by="count"`: answers come in the order of the requests, one for each request or, with
    `each="topic"`, one for each topic. What `unsubscribe` says is a request like the others then; `unsubscribes=False`: the venue
    does not answer it, or `classify` takes these answers for `IGNORE`. `by="cumulative"`: each answer lists, at `topics`, all
    that is subscribed now.

    `within`: seconds until the topic is asked for again, `attempts` times in all.
    """

    by: str
    id: Path = "id"
    sent: Optional[Path] = None
    topics: Optional[Path] = None
    each: str = "request"
    unsubscribes: bool = True
    within: float = 10.0
    attempts: int = 4

    def __post_init__(self) -> None:
        if self.by not in ("id", "key", "count", "cumulative"):
            raise FeedError("by", self.by, "expected 'id', 'key', 'count' or 'cumulative'")
        if self.each not in ("request", "topic"):
            raise FeedError("each", self.each, "expected 'request' or 'topic'")
        if self.each == "topic" and self.by != "count":
            raise FeedError("each", self.each, "says how answers are counted; it goes with by='count'")
        counted: object = self.unsubscribes
        if not isinstance(counted, bool) or not (self.unsubscribes or self.by == "count"):
            raise FeedError("unsubscribes", self.unsubscribes, "False says that they are not counted; it goes with by='count'")
        for field in ("id", "sent", "topics"):
            value = getattr(self, field)
            if value is not None and not callable(value) and not (isinstance(value, str) and all(value.split("."))):
                raise FeedError(field, value, "expected a field name, a dotted path, or a callable")
        if self.by == "cumulative" and self.topics is None:
            raise FeedError("topics", None, "say where a cumulative acknowledgement lists what is subscribed")
        check_seconds("within", self.within)
        check_count("attempts", self.attempts)


class State(enum.Enum):
    """Where a topic is on its way."""

    SENT = "sent"
    ACKNOWLEDGED = "acknowledged"
    REFUSED = "refused"
    LIVE = "live"


class Missed(NamedTuple):
    """A topic that did not come. `retry_in`: seconds until it is asked for again; `None`: it will not be."""

    topic: Hashable
    reason: str
    retry_in: Optional[float]


class _Topic:
    """Owned by: its `Subscriptions`."""

    __slots__ = ("again", "asks", "due_at", "known", "open", "reason", "state", "told")

    def __init__(self) -> None:
        self.state = State.SENT
        self.asks = 0
        self.open = 0  # requests for it that are not acknowledged
        self.due_at: Optional[float] = None
        self.again = False  # what is due is to ask again
        self.told = False  # that it is subscribed
        self.known = False  # it was, before it was asked for anew
        self.reason = ""


class Subscriptions:
    """Owned by: the engine, one per connection.

    `acks`: how they are matched; `id_of` and `topics_of` find in a message what `acks` says, `key_of` a message's key. `keyed`:
    topic → its key; `None` where the feed has no keys. `data_limit`: seconds until data must have come. `watch` is called with
    a key (`None`: every key) whose next data `came` has to hear of. `wanted`: the topics that are; `None`: all.
    `shown`: a venue's text → what may be shown of it.
    """

    def __init__(
        self,
        acks: Optional[Acks],
        *,
        backoff: Backoff,
        id_of: Optional[Getter] = None,
        topics_of: Optional[Getter] = None,
        key_of: Optional[Getter] = None,
        keyed: Optional[Callable[[Any], Hashable]] = None,
        watch: Callable[[Hashable], Any] = lambda key: None,
        wanted: Optional[Container[Hashable]] = None,
        data_limit: Optional[float] = None,
        call_limit: float = 15.0,
        shown: Callable[[str], str] = str,
    ) -> None:
        self.pending: dict[Hashable, list[Hashable]] = {}  # key -> the topics of which no data has come
        self._acks = acks
        self._id_of = id_of
        self._topics_of = topics_of
        self._key_of = key_of
        self._keyed = keyed
        self._watch = watch
        self._wanted = wanted
        self._data_limit = data_limit
        self._backoff = backoff
        self._call_limit = call_limit
        self._shown = shown
        self._attempts = 4 if acks is None else acks.attempts
        self._topics: dict[Hashable, _Topic] = {}
        self._row: deque[tuple[Hashable, ...]] = deque()  # by count: what each answer to come is for
        self._idents: dict[Hashable, deque[tuple[Hashable, ...]]] = {}  # by id: the same
        self._due: list[tuple[float, int, Hashable]] = []
        self._order = 0

    # ---------------------------------------------------------------- what we do

    def sent(self, payload: Payload, now: float) -> None:
        """A request went out."""
        topics, acks = payload.topics, self._acks
        if payload.left and acks is not None and acks.by == "count" and acks.unsubscribes:
            self._row.extend([()] if acks.each == "request" else [()] * len(payload.left))
        if not topics:
            return
        if acks is not None and acks.by == "id":
            self._idents.setdefault(payload.ident, deque()).append(topics)
        elif acks is not None and acks.by == "count":
            self._row.extend([topics] if acks.each == "request" else [(topic,) for topic in topics])
        for name in topics:
            if self._wanted is not None and name is not None and name not in self._wanted:
                continue  # left again before this went out
            topic = self._topics.get(name)
            if topic is None:
                topic = self._topics[name] = _Topic()
            if not topic.open:
                topic.asks += 1
            topic.open += 1
            if topic.state is State.LIVE:  # it came while the callable was asked what to say
                continue
            topic.state = State.SENT
            topic.again = False
            topic.reason = ""
            self._await(name)
            self._wait(name, topic, now, self._data_limit if acks is None else acks.within)

    def left(self, topics: Iterable[Hashable]) -> None:
        """These are not wanted any more."""
        for name in topics:
            if self._topics.pop(name, None) is not None:
                self._forget(name)

    def anew(self, topics: Iterable[Hashable]) -> None:
        """These will be asked for again, and it is not because they did not come."""
        for name in topics:
            topic = self._topics.get(name)
            if topic is not None:
                self._forget(name)
                self._topics[name] = _Topic()
                self._topics[name].known = topic.known or topic.state in (State.ACKNOWLEDGED, State.LIVE)

    # ---------------------------------------------------------------- what the venue says

    def came(self, key: Hashable) -> list[Hashable]:
        """Data of this key; returns the topics that nothing was known of before."""
        told = []
        for name in (*self.pending.pop(key, ()), *self.pending.pop(None, ())):
            topic = self._topics[name]
            topic.state = State.LIVE
            topic.due_at = None
            topic.again = False
            topic.reason = ""
            if not topic.told:
                topic.told = True
                told.append(name)
        return told

    def acknowledged(self, message: Any, now: float) -> list[Hashable]:
        """An acknowledgement; returns the topics that are subscribed with it. None, if it cannot be matched to any."""
        if self._acks is None:
            return []
        told = []
        names = self._meant(message)
        if self._acks.by == "cumulative":
            self._lapse(frozenset(names), now)
        for name in names:
            topic = self._topics.get(name)
            if topic is None:
                continue
            topic.open = max(0, topic.open - 1) if self._acks.by in ("id", "count") else 0
            if topic.open:
                continue
            if topic.state is not State.LIVE:
                topic.state = State.ACKNOWLEDGED
                topic.again = False
                topic.reason = ""
                self._wait(name, topic, now, self._data_limit)
            if not topic.told:
                topic.told = True
                told.append(name)
        return told

    def refused(self, message: Any, now: float = 0.0, chance: float = 0.0, *, passing: bool = False) -> list[Missed]:
        """An error; returns the topics that it refuses, or (`passing`) puts off. None, if it cannot be matched to any."""
        reason = self._shown(str(message))[:_REASON_KEPT]
        missed = []
        for name in self._meant(message, error=True):
            topic = self._topics.get(name)
            if topic is None or (passing and topic.state is State.LIVE):
                continue
            if topic.state is not State.LIVE and (topic.known or passing):
                missed.append(self._miss(name, topic, reason, now, chance))
            else:
                missed.append(self._refuse(name, topic, reason))
        return missed

    # ---------------------------------------------------------------- time

    def tick(self, now: float, random: Callable[[], float]) -> tuple[list[Missed], list[Hashable]]:
        """What has become overdue, and the topics to ask for again now. One throw of the dice, so that they go together."""
        missed, again = [], []
        names = list(dict.fromkeys(self._overdue(now)))
        late = [name for name in names if not self._topics[name].again]
        self._row = deque(topics for topics in self._row if not set(topics) & set(late)) if late else self._row
        chance = random() if late else 0.0
        for name in names:
            topic = self._topics[name]
            if topic.again:
                again.append(name)
                topic.again = False
                self._wait(name, topic, now, self._call_limit)
            else:
                missed.append(self._miss(name, topic, self._why(topic), now, chance))
        return missed, again

    def failed(self, topics: Iterable[Hashable], reason: str, now: float, chance: float) -> list[Missed]:
        """The user's callable did not say what to send for these topics."""
        found = [(name, self._topics[name]) for name in topics if name in self._topics]
        for _, topic in found:
            topic.asks += 1
        return [self._miss(name, topic, reason, now, chance) for name, topic in found]

    def deadline(self) -> Optional[float]:
        """When to call `tick`."""
        due = self._due
        while due and not self._is_due(due[0]):
            heapq.heappop(due)
        return due[0][0] if due else None

    # ---------------------------------------------------------------- what is known

    @property
    def hopeless(self) -> bool:
        """Whether every topic was asked for, and refused."""
        return bool(self._topics) and all(topic.state is State.REFUSED for topic in self._topics.values())

    def refuses(self, name: Hashable) -> bool:
        """Whether a topic was asked for here, and never anything but refused."""
        topic = self._topics.get(name)
        return topic is not None and topic.state is State.REFUSED and not topic.known

    def status(self) -> dict[Hashable, TopicStatus]:
        """A picture of every topic that was asked for."""
        return {
            name: TopicStatus(state=topic.state.value, asked=topic.asks, reason=topic.reason)
            for name, topic in self._topics.items()
        }

    # ---------------------------------------------------------------- within

    def _key(self, name: Hashable) -> Hashable:
        return None if name is None or self._keyed is None else self._keyed(name)

    def _meant(self, message: Any, *, error: bool = False) -> Sequence[Hashable]:
        """The topics that an answer is about. An error that names none is about the only request under way, if there is one."""
        acks = self._acks
        try:
            if acks is None or (error and acks.by == "cumulative"):
                found: Sequence[Hashable] = ()
            elif acks.by == "id":
                assert self._id_of is not None
                found = self._pop(self._id_of(message))
            elif acks.by == "count":
                # Where nothing is due that raises IndexError, one of MISSING. What is due may be about no topic, as it is of an
                # unsubscription; its error is about nothing else that waits.
                return self._row.popleft()
            else:
                found = self._named(message)
        except MISSING:
            found = ()
        if not found and error:
            waiting = [name for name, topic in self._topics.items() if topic.state is State.SENT]
            found = waiting if len(waiting) == 1 else ()
        return found

    def _pop(self, ident: Hashable) -> Sequence[Hashable]:
        row = self._idents[ident]  # else that raises one of MISSING, too
        topics = row.popleft()
        if not row:
            del self._idents[ident]
        return topics

    def _named(self, message: Any) -> Sequence[Hashable]:
        """The topics that a message names, itself or by its key."""
        if self._topics_of is None:
            key = self._key_of(message) if self._key_of is not None else None
            return [name for name in self._topics if self._key(name) == key]
        said = self._topics_of(message)
        if isinstance(said, (list, set, frozenset)) or (isinstance(said, tuple) and said not in self._topics):
            said = list(said)
        else:
            said = [said]
        # `None`: a fixed payload, which any answer acknowledges.
        return [name for name in (*said, None) if name in self._topics]

    def _lapse(self, subscribed: frozenset[Hashable], now: float) -> None:
        """What a cumulative answer has once listed and lists no more is missing again."""
        assert self._acks is not None
        for name, topic in self._topics.items():
            if topic.state in (State.ACKNOWLEDGED, State.LIVE) and name not in subscribed:
                topic.state = State.SENT
                topic.told = False
                self._await(name)
                self._wait(name, topic, now, self._acks.within)

    def _why(self, topic: _Topic) -> str:
        if topic.state is State.SENT and self._acks is not None:
            return f"no acknowledgement within {self._acks.within:g} s"
        return f"no data within {self._data_limit or 0.0:g} s"

    def _miss(self, name: Hashable, topic: _Topic, reason: str, now: float, chance: float) -> Missed:
        if topic.asks >= self._attempts:
            return self._refuse(name, topic, reason)
        delay = self._backoff.delay(max(0, topic.asks - 1), chance)
        topic.reason = reason
        topic.open = 0
        topic.again = True
        self._wait(name, topic, now, delay)
        return Missed(name, reason, delay)

    def _refuse(self, name: Hashable, topic: _Topic, reason: str) -> Missed:
        topic.state = State.REFUSED
        topic.due_at = None
        topic.open = 0
        topic.told = False
        topic.reason = reason
        self._await(name)  # some refuse what they go on sending: "already subscribed"
        return Missed(name, reason, None)

    def _await(self, name: Hashable) -> None:
        """Data of this topic's key shall be noticed."""
        key = self._key(name)
        names = self.pending.setdefault(key, [])
        if name not in names:
            names.append(name)
        self._watch(key)

    def _wait(self, name: Hashable, topic: _Topic, now: float, seconds: Optional[float]) -> None:
        topic.due_at = None if seconds is None else now + seconds
        if topic.due_at is not None:
            self._order += 1
            heapq.heappush(self._due, (topic.due_at, self._order, name))

    def _is_due(self, entry: tuple[float, int, Hashable]) -> bool:
        topic = self._topics.get(entry[2])
        return topic is not None and topic.due_at == entry[0]

    def _overdue(self, now: float) -> Iterable[Hashable]:
        while self._due and self._due[0][0] <= now:
            entry = heapq.heappop(self._due)
            if self._is_due(entry):
                yield entry[2]

    def _forget(self, name: Hashable) -> None:
        """Answers to what was asked before are for nobody."""
        self._row = deque(tuple(each for each in topics if each != name) for topics in self._row)
        names = self.pending.get(self._key(name))
        if names is not None and name in names:
            names.remove(name)
            if not names:
                del self.pending[self._key(name)]
