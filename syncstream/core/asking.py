"""What is asked of the venue so that keys are healed: by a fetch, over the line, by subscribing again, by a new connection. Pure.

Rules
* No snapshot is asked for before the topics are: it might be older than what comes first.
* A topic is left before it is subscribed again where that is what brings a snapshot, or where its numbers show what was missed.
* One new connection is for all keys that are due.
* The time for a snapshot over the line runs from when it was asked for: what waits for the send budget was not, yet.
* What answers a request over the line has no place among the messages of its key.
"""

from __future__ import annotations

from typing import Any, Callable, Collection, Container, Hashable, Iterable, Optional

from ..errors import FetchError, Severity
from .actions import Call, Payload
from .connections import Connections
from .line import Line, Phase
from .order import Item
from .rules import Kind, Rules
from .sources import Ask


class Asking:
    """Owned by: the engine, one for all lines."""

    def __init__(
        self, rules: Rules, connections: Connections, topics: dict[Hashable, None], *, topic_key: Callable[[Any], Hashable]
    ) -> None:
        self.rules = rules
        self.connections = connections
        self.order = connections.order
        self.keys = connections.keys
        self.topics = topics
        self.topic_key = topic_key

    def ask(self, now: float) -> None:
        """Ask for the snapshots that are due, if that may be."""
        if self.may_ask():
            _ASKING[self.rules.ask](self, now)

    def may_ask(self) -> bool:
        """Whether a snapshot that is asked for now is no older than the subscription: a line is live, and subscribed."""
        return any(place.phase is Phase.LIVE and place.talk.resubscribing_until is None for place in self.connections.lines)

    def _fetch(self, now: float) -> None:
        self.connections.actions.extend(self.keys.due(now))

    def _resubscribe(self, now: float) -> None:
        """Leave the topics of the keys that are due, and subscribe again. What a line has refused it is not asked for again."""
        keys = {key for key, _ in self.keys.due(now)}
        if not keys:
            return
        topics = self._topics_of(keys)
        if not topics:
            self.connections.notes.append(
                f"no topic of {min(map(repr, keys))} is subscribed, so it cannot be again; see topic_key"
            )
        for place in self._live_lines():
            wanted = [topic for topic in topics if not place.talk.subscriptions.refuses(topic)]
            place.talk.subscriptions.anew(wanted)
            if wanted:
                self.call(place, wanted, wanted)

    def _connect_anew(self, now: float) -> None:
        """One new connection for all keys that are due, on one line: a second one goes on meanwhile."""
        if self.keys.stranded(now):
            place = self._live_lines()[0]
            self.connections.goodbye(place, now)
            self.connections.lose(place, "keys are healed by a new connection", None, now, planned=place.proved)

    def _request(self, now: float) -> None:
        """Ask over the line."""
        assert self.rules.request is not None  # what asks by request has one
        for key, epoch in self.keys.due(now):
            try:
                payload = self.rules.request(key)
            except Exception as error:  # user code; its text may hold a key
                failure = FetchError(f"snapshot: its payload raised {type(error).__name__}", severity=Severity.FATAL)
                self.keys.unfetched(epoch, failure, now, self.connections.random())
                continue
            self._live_lines()[0].talk.say((payload._replace(keys=(key,)),), now)

    def follow(self, payload: Payload, sent_at: Optional[float]) -> None:
        """A payload was sent, or (`None`) has to wait: so have the keys that it asks a snapshot of."""
        for key in payload.keys or self._begun_by(payload.topics):
            self.keys.awaits(key, sent_at)

    def _begun_by(self, topics: Collection[Hashable]) -> Iterable[Hashable]:
        """The keys whose snapshots these subscriptions begin with."""
        if self.rules.comes_within is None or not topics:
            return ()
        if self.rules.key is None or None in topics:  # it is one single key's, or a fixed payload, which is for all of them
            return list(self.keys.syncs)
        return set(map(self.topic_key, topics))

    def use(self, place: Line, item: Item, now: float) -> bool:
        """True if it was a key's data. What answers a request over the line has no place among the messages of its key."""
        if self.rules.ask is not Ask.REQUEST or item.kind is not Kind.SNAPSHOT or not item.has_key:
            return self.order.use(item, place.index, now)
        self.order.count(item, place.index, now)
        try:
            position = None if self.rules.answer_position is None else self.rules.answer_position(item.message)
        except Exception as error:  # user code, or a message that has no such place
            reason = f"position: {type(error).__name__}: {error}"
            self.order.quarantine(item, reason, now)
            return False
        self.order.used += 1
        chance = self.connections.random()
        self.keys.answered(item.key, position, item.message, now, chance, size=item.size)
        return True

    def again(self, key: Hashable) -> bool:
        """Subscribe this key again on every line that is live. False if it has no topics, or they cannot be left."""
        topics = self._topics_of({key}) if self.rules.leaves else []
        for place in self._live_lines() if topics else ():
            place.talk.subscriptions.anew(topics)
            self.call(place, topics if self.rules.proves else (), topics)  # leaving loses what comes meanwhile
        return bool(topics)

    def call(self, place: Line, leave: Iterable[Hashable], ask: Iterable[Hashable]) -> None:
        """Have the user's callables say how these topics are left and subscribed."""
        place.talk.called()
        self.connections.actions.append(Call(place.index, place.epoch, tuple(leave), tuple(ask)))

    def _topics_of(self, keys: Container[Hashable]) -> list[Hashable]:
        """What is subscribed for these keys: everything, where the feed knows one single key."""
        return [topic for topic in self.topics if self.rules.key is None or self.topic_key(topic) in keys]

    def _live_lines(self) -> list[Line]:
        return [place for place in self.connections.lines if place.phase is Phase.LIVE]


_ASKING: dict[Ask, Callable[[Asking, float], None]] = {
    Ask.FETCH: Asking._fetch,
    Ask.RESUBSCRIBE: Asking._resubscribe,
    Ask.RECONNECT: Asking._connect_anew,
    Ask.REQUEST: Asking._request,
}
"""How."""
