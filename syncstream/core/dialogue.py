"""What the venue says, and what is said to it: the opening script, topics, notices, challenges, control frames. Pure.

Rules
* A message that is shown to the opening script and taken by no step is handled like any other.
* A key goes on while one of its topics is wanted.
* What is asked for while a connection is on its way there is said behind its own subscriptions.
* What user code says is not wanted any more, when it comes, is not said.
* The stream has failed when nothing ever came and every live line has every topic refused for good.
* User code that raises is trouble of that message only.
"""

from __future__ import annotations

from typing import Any, Callable, Hashable, Iterable, Optional, Sequence

from ..errors import SubscribeFailed
from ..events import Refused, Subscribed
from . import frames
from .actions import Payload, Send
from .asking import Asking
from .connections import Connections
from .deflate import Agreed
from .line import Line, Phase
from .opening import Refusal
from .order import Item
from .parts import Empty
from .quiet import Quiet
from .rules import DELIVERED, Kind, Rules, Scope
from .subscriptions import Missed, Subscriptions
from .talk import Talk


class Dialogue:
    """Owned by: the engine, one for all lines."""

    def __init__(
        self,
        rules: Rules,
        connections: Connections,
        quiet: Quiet,
        topics: dict[Hashable, None],
        *,
        topic_key: Callable[[Any], Hashable],
    ) -> None:
        self.rules = rules
        self.connections = connections
        self.order = connections.order
        self.keys = connections.keys
        self.quiet = quiet
        self.topics = topics
        self.topic_key = topic_key
        self.asking = Asking(rules, connections, topics, topic_key=topic_key)

    # ---------------------------------------------------------------- what the venue says

    def hear(self, place: Line, opcode: int, came: Any, now: float) -> bool:
        """One entry of `Order.entries`, the long way. False if the connection is over with it, or the stream."""
        if opcode > frames.BINARY:
            self._control(place, opcode, came, now)
            return place.is_open()
        item = None if isinstance(came, Empty) else self.order.read(came, opcode == frames.TEXT, now, place.index)
        if item is None or item.kind is not Kind.PONG:
            place.heard(now)
        else:
            place.clocks.answered()
        if item is None:
            return True
        if place.phase is Phase.OPENING and not self._follow_script(place, item, now):
            return place.is_open()
        if item.kind in DELIVERED or self.rules.scope is Scope.CONNECTION:
            self.connections.enter(place, now)
        if self.asking.use(place, item, now):
            place.carried(now)
            if place.talk.subscriptions.pending:
                self._subscribed(place.talk.subscriptions.came(item.key), now)
        if self.keys.failure is not None:
            return False
        if item.kind in _MEANINGS:
            _MEANINGS[item.kind](self, place, item, now)
        return place.is_open()

    def _control(self, place: Line, opcode: int, payload: bytes, now: float) -> None:
        """Goodbyes and pings; a pong says no more than any byte."""
        if opcode == frames.CLOSE:
            code, reason = frames.parse_close(payload)
            place.talk.urge(frames.CLOSE, payload[:2], now)
            said = "" if code is None else f": {code} {place.talk.shown(reason)}".rstrip()
            self.connections.lose(place, f"closed by the venue{said}", code, now)
        elif opcode == frames.PING:
            place.talk.urge(frames.PONG, payload, now)

    def _challenged(self, place: Line, item: Item, now: float) -> None:
        """Answer at once, before what waits."""
        if self.rules.answer is None:
            return
        try:
            answer = self.rules.answer(item.message)
        except Exception as error:  # user code
            self.order.quarantine(item, f"answer: raised {type(error).__name__}", now)  # its text may hold a key
            return
        if answer is not None:
            place.talk.urge(answer.opcode, answer.data, now)

    def _reconnect(self, place: Line, item: Item, now: float) -> None:
        """At once, if the connection has proved itself: a venue that says so to everybody who comes is met with the back-off."""
        self.connections.goodbye(place, now)
        self.connections.lose(place, "the venue asks to reconnect", None, now, planned=place.proved)

    def _pause(self, place: Line, item: Item, now: float) -> None:
        place.clocks.excuse(now)

    def _resume(self, place: Line, item: Item, now: float) -> None:
        """Subscribe again. What was missed meanwhile is found, or told, as after a reconnect."""
        place.clocks.expect(now)
        if place.phase is not Phase.LIVE:
            return
        self.quiet.restart(now)
        if self.rules.asks and place.talk.resubscribing_until is None:
            place.talk.resubscribing_until = now + self.rules.dial_limit
            place.talk.subscriptions.anew(self.topics or (None,))
            self.asking.call(place, (), self.topics)
        self.order.lost(place.index, now, place.data_at, covered=self.connections.covered(place))
        self.keys.opened(now)
        self.keys.subscribed(now)

    # ---------------------------------------------------------------- the opening script

    def begin(
        self,
        place: Line,
        payloads: Iterable[Payload],
        now: float,
        *,
        steps: Sequence[Sequence[Payload]],
        deflate: Optional[Agreed],
        hidden: Iterable[str],
    ) -> None:
        """The connection stands: the script begins. The arguments are those of `Engine.opened`."""
        line, epoch = place.index, place.epoch

        def send(opcode: int, data: bytes, urgent: bool) -> None:
            self.connections.actions.append(Send(line, epoch, opcode, data, urgent))

        talk = Talk(
            self.rules,
            send,
            now,
            steps=steps,
            topic_key=self.topic_key,
            watch=self.keys.watch,
            wanted=self.topics,
            follow=self.asking.follow,
            hidden=hidden,
        )
        place.begun(now, talk, payloads, deflate=deflate)
        self.order.begun(line)
        self.open(place, now)

    def open(self, place: Line, now: float) -> None:
        """The next step of the opening script; behind the last one the line is live."""
        if not place.talk.open(now):
            self.limit_opening(place)
            return
        self.connections.opened(place, now)
        self.quiet.restart(now)
        self.asking.ask(now)

    def limit_opening(self, place: Line) -> None:
        """The step that waits has a deadline, unless it is we who do not read."""
        if place.phase is Phase.OPENING:
            place.limit_at = None if place.clocks.paused else place.talk.opening.until

    def _follow_script(self, place: Line, item: Item, now: float) -> bool:
        """Show a message to the step that waits. True if it is to be handled like any other."""
        try:
            verdict = place.talk.opening.judge(item.message)
        except Exception as error:  # user code: this message's trouble only
            self.order.quarantine(item, f"opening: {type(error).__name__}: {error}", now)
            return False
        if verdict is None:
            return True
        if isinstance(verdict, Refusal):
            self.connections.lose(place, place.talk.shown(verdict.reason), None, now, severity=verdict.severity)
            return False
        if self.rules.scope is Scope.CONNECTION:  # whose counter counts everything
            self.connections.enter(place, now)
            self.order.use(item._replace(kind=Kind.IGNORE), place.index, now)
        self.open(place, now)
        return False

    # ---------------------------------------------------------------- topics

    def subscribe(self, topics: Iterable[Hashable], payloads: Iterable[Payload], now: float) -> None:
        """These topics are wanted from now on; those that were wanted already change nothing."""
        for topic in topics:
            self.topics[topic] = None
            self.order.subscribed(self.topic_key(topic))
        self._say(payloads, now)

    def unsubscribe(self, topics: Iterable[Hashable], payloads: Iterable[Payload], now: float) -> None:
        """These topics are not wanted any more."""
        topics = list(topics)
        for topic in topics:
            self.topics.pop(topic, None)
        for key in set(map(self.topic_key, topics)).difference(map(self.topic_key, self.topics)):
            self.order.unsubscribed(key)
            self.quiet.forget(key)
        for place in self.connections.lines:
            place.talk.subscriptions.left(topics)
        self._say(map(_leaving, payloads), now)

    def spoken(self, place: Line, left: Iterable[Payload], asked: Iterable[Payload], now: float) -> None:
        """A `Call` was answered: what to send to leave topics, and to subscribe to them (again)."""
        place.talk.answered()
        wanted = []  # of those that were asked for together with others that are not wanted any more
        said = [_leaving(payload) for payload in left if self._wants(payload.topics)]
        for payload in asked:
            if self._wants(payload.topics):
                said.append(payload)
            else:
                wanted += [topic for topic in payload.topics if topic in self.topics]
        place.talk.say(said, now)
        if wanted:
            self.asking.call(place, (), dict.fromkeys(wanted))
        self.asking.ask(now)

    def unspoken(self, place: Line, topics: Iterable[Hashable], reason: str, now: float) -> None:
        """A `Call` failed: the user's callable raised, or said what cannot be sent."""
        place.talk.answered()
        self.connections.notes.append(f"line {place.index}: {reason}")
        topics = tuple(topics) if self.topics else (None,)
        self._missed(place, place.talk.subscriptions.failed(topics, reason, now, self.connections.random()), now)

    def _say(self, payloads: Iterable[Payload], now: float) -> None:
        """To lines that are open now, and behind the subscriptions of those that are on their way there."""
        payloads = list(payloads)
        for place in self.connections.lines:
            if place.phase is Phase.LIVE:
                place.talk.say(payloads, now)
            elif place.phase in (Phase.DIALING, Phase.OPENING):
                place.pending += payloads

    def _wants(self, topics: Iterable[Hashable]) -> bool:
        return all(topic is None or topic in self.topics for topic in topics)  # a fixed payload's has no name

    # ---------------------------------------------------------------- what became of them

    def _acknowledge(self, place: Line, item: Item, now: float) -> None:
        self.order.learn(item, place.index, now)
        topics = place.talk.subscriptions.acknowledged(item.message, now)
        self.connections.confirmed = self.connections.confirmed or bool(topics)
        self._subscribed(topics, now)

    def _refuse(self, place: Line, item: Item, now: float) -> None:
        passing = item.kind is Kind.LIMITED
        missed = place.talk.subscriptions.refused(item.message, now, self.connections.random(), passing=passing)
        self._missed(place, missed or [Missed(None, place.talk.shown(str(item.message))[:200], None)], now)

    def _subscribed(self, topics: Iterable[Hashable], now: float) -> None:
        for topic in topics:
            self.keys.out.append(Subscribed(key=self._key(topic), topic=topic, at_ns=self.keys.wall(now)))

    def _missed(self, place: Line, missed: Iterable[Missed], now: float) -> None:
        """Topics that did not come, or were refused. If that is all there is, the stream has failed."""
        final = False
        for topic, reason, retry_in in missed:
            final = final or retry_in is None
            told = Refused(key=self._key(topic), topic=topic, reason=reason, retry_in=retry_in, at_ns=self.keys.wall(now))
            self.keys.out.append(told)
        live = [each for each in self.connections.lines if each.is_live()]
        if final and live and not self.order.used and all(map(self._hopeless, live)):
            text = "; ".join(dict.fromkeys(state.reason for state in place.talk.subscriptions.status().values()))
            self.connections.fail(SubscribeFailed(f"every subscription was refused: {text}"), now)

    def _hopeless(self, place: Line) -> bool:
        subscriptions: Subscriptions = place.talk.subscriptions
        return subscriptions.hopeless and self.topics.keys() <= subscriptions.status().keys()

    def _key(self, topic: Hashable) -> Hashable:
        return None if topic is None else self.topic_key(topic)

    # ---------------------------------------------------------------- snapshots and time

    def tick(self, place: Line, now: float) -> None:
        """Keepalive, what waited for the budget, and subscriptions that did not come."""
        talk = place.talk
        try:
            if talk.keep_alive(now, place.quiet_since):
                self._expect_answer(place, now)
        except Exception as error:  # user code
            self.connections.notes.append(f"keepalive: raised {type(error).__name__}; nothing was sent")
        talk.tick(now)
        missed, again = talk.subscriptions.tick(now, self.connections.random)
        self._missed(place, missed, now)
        if again and place.phase is Phase.LIVE:
            self.asking.call(place, (), [topic for topic in again if topic in self.topics])

    def _expect_answer(self, place: Line, now: float) -> None:
        keepalive = self.rules.keepalive
        assert keepalive is not None  # else none was sent
        if keepalive.expect is None:
            place.clocks.asked(now)
        else:
            place.clocks.awaits(now, keepalive.within)


def _leaving(payload: Payload) -> Payload:
    """What it is about it leaves, and does not subscribe."""
    return payload._replace(topics=(), left=payload.topics)


_MEANINGS: dict[Kind, Callable[[Dialogue, Line, Item, float], None]] = {
    Kind.ACK: Dialogue._acknowledge,
    Kind.ERROR: Dialogue._refuse,
    Kind.LIMITED: Dialogue._refuse,
    Kind.CHALLENGE: Dialogue._challenged,
    Kind.RECONNECT: Dialogue._reconnect,
    Kind.PAUSE: Dialogue._pause,
    Kind.RESUME: Dialogue._resume,
    Kind.RESUBSCRIBE: Dialogue._resume,
}
"""What to do about messages that are neither data nor to be passed over."""
