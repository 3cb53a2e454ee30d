"""What we say on one connection: the opening script, subscriptions, what keeps it alive; in order, and at the pace allowed. Pure.

Rules
* Subscriptions and keepalives wait for the send budget, a keepalive before the others. Pongs, answers to challenges and the
  opening script never wait, but count.
* What the venue says in words is shown without what the upgrade sent: no query, login or header.
* What is subscribed or asked for is followed from the moment it is sent, not from the moment it was said.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Callable, Container, Hashable, Iterable, Optional, Sequence

from ..secret import HIDDEN, scrub
from . import frames
from .actions import Payload
from .budget import Ledger
from .keepalive import Beat
from .opening import Opening
from .rules import Rules
from .subscriptions import Subscriptions

Sender = Callable[[int, bytes, bool], None]
"""(opcode, payload, urgent): what the engine does with what goes out."""

Follower = Callable[[Payload, Optional[float]], None]
"""(payload, sent_at): it was sent; `None`: it waits."""

_PING = Payload(frames.PING, b"")


class Talk:
    """Owned by: the engine, one per connection."""

    def __init__(
        self,
        rules: Rules,
        send: Sender,
        now: float,
        *,
        steps: Sequence[Sequence[Payload]] = (),
        topic_key: Callable[[Any], Hashable] = lambda topic: topic,
        watch: Callable[[Hashable], Any] = lambda key: None,
        wanted: Optional[Container[Hashable]] = None,
        follow: Follower = lambda payload, sent_at: None,
        hidden: Iterable[str] = (),
    ) -> None:
        self.rules = rules
        self._hidden = sorted(hidden, key=len, reverse=True)  # a part of another one does not break that up
        self.opening = Opening(rules.opening, steps)
        self.subscriptions = Subscriptions(
            rules.acks,
            id_of=rules.ack_id,
            topics_of=rules.ack_topics,
            key_of=rules.key,
            keyed=None if rules.key is None else topic_key,
            watch=watch,
            wanted=wanted,
            data_limit=rules.topic_data_limit,
            backoff=rules.fetch_backoff,
            call_limit=rules.dial_limit,
            shown=self.shown,
        )
        self.beat = Beat(rules.keepalive, now)
        self.resubscribing_until: Optional[float] = None  # while the user's callables are asked for everything
        self._calls = 0  # of them, under way
        self._send = send
        self._follow = follow
        self._ledger = Ledger(rules.send_budget) if rules.send_budget is not None else None
        self._waiting: deque[Payload] = deque()

    @property
    def waiting(self) -> int:
        """Payloads that wait for the budget."""
        return len(self._waiting)

    def shown(self, text: str) -> str:
        """What the venue says, as it may be shown."""
        text = scrub(text)
        for secret in self._hidden:
            text = text.replace(secret, HIDDEN)
        return text

    def begin(self, now: float) -> None:
        """The line is live: what is sent every so often is reckoned from here."""
        self.beat = Beat(self.rules.keepalive, now)

    def open(self, now: float) -> bool:
        """The next step of the script, with what it sends. True if that was the last one."""
        for payload in self.opening.advance(now):
            self.spent(now)
            self._send(payload.opcode, payload.data, False)
        return self.opening.done

    def say(self, payloads: Iterable[Payload], now: float) -> None:
        """Send these when the budget allows it, in their order."""
        payloads = list(payloads)
        self._waiting.extend(payloads)
        self._flow(now)
        for payload in payloads[max(0, len(payloads) - len(self._waiting)) :]:
            self._follow(payload, None)

    def urge(self, opcode: int, data: bytes, now: float) -> None:
        """Send this at once, before what waits."""
        self.spent(now)
        self._send(opcode, data, True)

    def spent(self, now: float) -> None:
        """Something goes out that did not ask."""
        if self._ledger is not None:
            self._ledger.spend(now)

    def keep_alive(self, now: float, heard_at: float) -> bool:
        """Send what keeps the connection alive, if it is time and there is room. True if it was sent."""
        if self._ledger is not None and self._ledger.room_at() > now:
            return False
        if not self.beat.due(now, heard_at):
            return False
        payload = _PING if self.rules.keepalive_payload is None else self.rules.keepalive_payload()
        self.spent(now)
        self._send(payload.opcode, payload.data, payload.opcode == frames.PING)
        return True

    def called(self) -> None:
        """The user's callables are asked what to send."""
        self._calls += 1

    def answered(self) -> None:
        """They have said it, or failed. Which call that was is not known, so all have to be back for everything to be asked."""
        self._calls = max(0, self._calls - 1)
        if not self._calls:
            self.resubscribing_until = None

    def tick(self, now: float) -> None:
        """What waited for the budget; a callable that hangs."""
        if self.resubscribing_until is not None and now >= self.resubscribing_until:
            self.resubscribing_until = None
        self._flow(now)

    def deadline(self, heard_at: float) -> Optional[float]:
        """When there is something to say or to miss."""
        room_at = float("-inf") if self._ledger is None else self._ledger.room_at()
        moments = [self.subscriptions.deadline(), self.resubscribing_until]
        beat_at = self.beat.deadline(heard_at)
        if beat_at is not None:
            moments.append(max(beat_at, room_at))
        if self._waiting:
            moments.append(room_at)
        return min((moment for moment in moments if moment is not None), default=None)

    def _flow(self, now: float) -> None:
        while self._waiting and (self._ledger is None or self._ledger.take(now)):
            payload = self._waiting.popleft()
            self._send(payload.opcode, payload.data, False)
            self.subscriptions.sent(payload, now)
            self._follow(payload, now)
