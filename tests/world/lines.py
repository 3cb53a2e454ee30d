"""What each line may and must do: one dial at a time, the clocks of liveness, the waits of the back-off. Pure.

Everything is reckoned anew here from what the world did, never read from the engine.

Checks: `dials`, `silent`, `hasty`, `backoff`, `pong`, `hangup`, `script`, `budget`, `refused` (what the venue refuses is not
asked for again on this connection, where it says what it refuses), `acks` (what is not acknowledged in time is told, and asked
for again, where one can tell whose acknowledgement it is), `loud` (a wrong key ends a stream that was never live, whether the
login is refused or the venue closes with the code for it).
"""

from __future__ import annotations

from collections import deque
from typing import Iterable, Optional

import msgspec

from syncstream.core.engine import Dial, Send
from syncstream.core.frames import PING, PONG, TEXT
from syncstream.errors import DialError, Severity
from syncstream.events import Disconnected, Stale

from .config import ACK_WITHIN, ANSWER_LIMIT, BACKOFF, DIAL_LIMIT, FINAL_CODE, LIVENESS, STEP_WITHIN, Config, expects_pong
from .inband import planned
from .violation import require
from .wire import BYTES, DATA, NAMES, Piece, code_of

KEEPALIVE = b'{"ping":1}'
_THROUGH = 2
_SLOW_CODES = (1008, 1013, FINAL_CODE)
"""Close codes of the venue that are met with the longest wait; the others that it uses here are not."""


class LineWatch:
    """Owned by: its world. One line."""

    def __init__(self, index: int, config: Config) -> None:
        self.index = index
        self.config = config
        self.heartbeat = config.heartbeat
        self.dialing: Optional[int] = None  # the epoch under way
        self.dialed_at = 0.0
        self.open: Optional[int] = None
        self.epoch = 0
        self.failures = 0
        self.dial_at: Optional[float] = 0.0  # when the next dial is due
        self.error: Optional[DialError] = None
        self.ever_open = False
        self.silence = LIVENESS.silence
        self.rung = LIVENESS.silence  # of the connection that is open
        self.transport_at = self.feed_at = 0.0
        self.opened_at = self.heard_at = 0.0
        self.resumed_at = self.unread_since = float("-inf")
        self.pinged_at: Optional[float] = None
        self.pong_by: Optional[float] = None  # when the venue's own answer to a keepalive is due
        self.data_from: Optional[float] = None
        self.data_at = 0.0
        self.broke_at: Optional[float] = None  # when something came that cannot be read
        self.breaking_at: Optional[float] = None  # when the first part of that came, which may say as much
        self.owed: list[bytes] = []  # pings of the venue that want an answer
        self.answers: list[int] = []  # challenges that want one
        self.step = _THROUGH  # of the opening script; the line is live when it is through
        self.step_until = 0.0
        self.live_at = 0.0
        self.kept_at = 0.0  # when the last keepalive went out
        self.missed_at: Optional[float] = None  # when the venue last said that topics are to be asked for again
        self.calls = 0  # what is to be said on this connection was asked for so often
        self.unsaid: Optional[int] = None  # of these, the one whose answer asks for the topics again
        self.unsaid_until = 0.0  # no callable may hang for longer
        self.spoken = 0  # of these, so many are answered
        self.turned_down: set[str] = set()  # keys that the venue has refused here, with nothing else about them under way
        self.awaited: dict[str, float] = {}  # keys asked for, and until when that is to be acknowledged, or told
        self.flowing: set[str] = set()  # keys of which data came here
        self.confirmed: set[str] = set()  # keys that were acknowledged, or of which data came, since they were last asked for
        self.proven: set[str] = set()  # the same, at any time on this connection
        self.guesses = False  # where acknowledgements are counted: one was lost, or a request was
        self.sent: deque[float] = deque(maxlen=config.budget or 1)
        self.excused_until: Optional[float] = None
        self.refusal: Optional[Severity] = None
        self.turned_away = False  # the venue has closed with the code that is final

    # ---------------------------------------------------------------- dials

    def dial(self, action: Dial, now: float, *, exact: bool) -> None:
        require(self.dialing is None, "dials", f"line {self.index} is dialled twice at once")
        require(self.open is None, "dials", f"line {self.index} is dialled while a connection is open")
        require(action.epoch > self.epoch, "dials", f"line {self.index} uses epoch {action.epoch} again")
        require(
            self.dial_at is not None and now >= self.dial_at,
            "backoff",
            f"line {self.index} is dialled at {now}, not {self.dial_at}",
        )
        require(now == self.dial_at or not exact, "backoff", f"line {self.index} is dialled at {now}, after {self.dial_at}")
        self.dialing = self.epoch = action.epoch
        self.dialed_at = now
        self.dial_at = None
        self.error = self.refusal = None

    def abandoned(self, epoch: int) -> None:
        require(self.dialing == epoch, "dials", f"line {self.index} abandons {epoch}, which is not under way")
        self.dialing = None

    def opened(self, now: float) -> None:
        self.open, self.dialing = self.dialing, None
        self.step = 0 if self.config.script else _THROUGH
        self.step_until = now + STEP_WITHIN
        self.ever_open |= self.live
        if self.live:
            self.live_at = self.kept_at = now
        self.excused_until = self.refusal = None
        self.turned_away = False
        self.answers = []
        self.unsaid = None
        self.calls = self.spoken = 0
        self.turned_down = set()
        self.awaited, self.flowing, self.confirmed, self.proven = {}, set(), set(), set()
        self.guesses = False
        self.sent.clear()
        self.transport_at = self.feed_at = self.opened_at = self.heard_at = now
        self.pinged_at = self.pong_by = self.data_from = self.broke_at = self.breaking_at = None
        self.rung = self.silence
        self.owed = []

    @property
    def live(self) -> bool:
        return self.step == _THROUGH

    @property
    def listens(self) -> bool:
        """Whether silence on this line says anything, as long as we read."""
        return self.open is not None and self.live and self.excused_until is None

    def refused(self, error: DialError) -> None:
        self.dialing = None
        self.error = error

    def hung_up(self, epoch: int) -> None:
        require(self.open == epoch, "hangup", f"line {self.index} hangs up {epoch}, open is {self.open}")
        self.open = None
        self.owed = []

    # ---------------------------------------------------------------- what came

    def breaks(self, now: float) -> None:
        """A part of what cannot be read came."""
        self.breaking_at = now if self.breaking_at is None else self.breaking_at

    def read(self, pieces: list[Piece], now: float) -> bool:
        """Bytes came, and with them these pieces became whole. True if one says that messages were left out."""
        self.transport_at = now
        self.pinged_at = None
        missed = False
        for piece in pieces:
            if piece.ends:
                self.broke_at = now
                self.turned_away = code_of(piece) == FINAL_CODE
                break
            if piece.proves != BYTES:
                self.feed_at = self.heard_at = now
                self.rung = self.silence = LIVENESS.silence
                if piece.proves == DATA:
                    self.data_from = now if self.data_from is None else self.data_from
                    self.data_at = now
                self._settles(piece)
            if piece.ping is not None:
                self.owed.append(piece.ping)
            missed |= self.live and piece.says in ("resume", "resubscribe")
            if piece.says and self._told(piece, now):
                break
        return missed

    def _told(self, piece: Piece, now: float) -> bool:
        """What the venue says of the line. True if nothing after it is read."""
        if not self.config.classify:
            return False
        if not self.live and piece.says == ("welcome", "ok")[self.step]:
            self.step, self.step_until = self.step + 1, now + STEP_WITHIN
            if self.step == _THROUGH:
                self.ever_open = True
                self.pong_by = None
                self.live_at = self.kept_at = self.transport_at = self.feed_at = now
        elif self.step == 1 and piece.says == "no":
            self.refusal = Severity.SLOW if b"true" in piece.data else Severity.FATAL
            return True
        elif piece.says == "pause":
            self.excused_until = now + LIVENESS.pause_limit
        elif piece.says == "pong":
            self.pong_by = None
        elif piece.says in ("resume", "resubscribe"):
            self.excused_until = self.pong_by = None
            if self.live:
                self.missed_at = now
                if self.unsaid is None:
                    self.unsaid, self.unsaid_until = self.calls + 1, now + DIAL_LIMIT
        elif piece.says == "error":
            self._turned_down(piece)
        elif piece.challenge is not None:
            self.answers.append(piece.challenge)
        return piece.says == "reconnect"

    def _settles(self, piece: Piece) -> None:
        """A subscription is acknowledged, refused, or not needed: data comes."""
        if piece.proves == DATA:
            at = piece.data.index(NAMES) + len(NAMES)
            self.flowing.add(chr(piece.data[at]))
            self.confirmed.add(chr(piece.data[at]))
            self.proven.add(chr(piece.data[at]))
            self.awaited.pop(chr(piece.data[at]), None)
            self.turned_down.discard(chr(piece.data[at]))  # it was refused once more, and goes on from an earlier time
        elif piece.says in ("ack", "error"):
            word = msgspec.json.decode(piece.data[piece.data.index(b"{") :])
            for key in (word["k"], *word.get("all", ())):
                self.awaited.pop(key, None)
                if piece.says == "ack" and "left" not in word:
                    self.confirmed.add(key)
                    self.proven.add(key)

    def may_be_subscribed(self, key: str) -> bool:
        """Whether it can be told that a key is subscribed: the venue has said so, or sends it, or nobody knows whom it meant."""
        return key in self.confirmed or (self.guesses and self.config.acks == "count")

    def missed(self, key: str, retry_in: Optional[float], now: float) -> None:
        """It is told that a key was not acknowledged: then it is asked for again, or given up."""
        self.guesses = True  # its acknowledgement may still come
        if retry_in is not None and key in self.awaited and self.config.lines == 1:  # else it may be of the other line
            self.awaited[key] = now + retry_in
        else:
            self.awaited.pop(key, None)

    def _turned_down(self, piece: Piece) -> None:
        """A subscription was refused. Where others may be under way, or it is a guess which one is meant, nothing follows.

        Nor where it was subscribed before: then it is only healed, and asked for again like what does not come.
        """
        if self.config.acks in ("id", "key") and self.calls == self.spoken:
            self.turned_down.update({msgspec.json.decode(piece.data[2:])["k"]} - self.proven)

    def called(self, asked: Iterable[str], quiet: set[str], now: float) -> int:
        """What is to be said is asked for; returns which time that is. `quiet`: of these a silence was told just now."""
        self.calls += 1
        if self.missed_at != now:
            again = self.turned_down.intersection(asked) - quiet
            require(not again, "refused", f"line {self.index} asks again for {again}, which the venue has refused")
        self.turned_down.difference_update(asked)
        for key in asked:
            self.awaited.pop(key, None)  # from when it is sent
        return self.calls

    def answered(self, call: int) -> None:
        """The user's callables have said it, or failed to."""
        self.spoken += 1
        if call == self.unsaid:
            self.unsaid = None

    def subscribed(self, now: float) -> bool:
        """Whether a snapshot asked for now is no older than the subscriptions. (What opens the line may come with a notice.)"""
        said = self.unsaid is None or now >= self.unsaid_until or self.missed_at == self.live_at == now
        return self.open is not None and self.live and said

    def resumed(self, now: float) -> None:
        self.step_until = now + STEP_WITHIN
        if self.excused_until is not None:
            self.excused_until = max(self.excused_until, now + LIVENESS.pong_within)
        self.resumed_at, self.unread_since = now, self.transport_at
        self.transport_at = self.feed_at = now
        self.pinged_at = self.pong_by = None

    def _spend(self, action: Send, now: float) -> None:
        """Subscriptions and keepalives wait for the budget, the others only count."""
        budget = self.config.budget
        if not budget:
            return
        if self.live and action.opcode == TEXT and not action.urgent:
            full = len(self.sent) == budget and now < self.sent[0] + 1.0
            require(not full, "budget", f"line {self.index} sends {action} at {now}, after {list(self.sent)}")
        self.sent.append(now)

    def sends(self, action: Send, now: float, *, paused: bool) -> None:
        self._spend(action, now)
        if action.opcode == PING:
            waited = now >= max(self.transport_at, self.pinged_at or 0.0) + LIVENESS.ping_after
            if (
                paused or now == self.resumed_at or self.excused_until is not None
            ):  # its answer waits unread: the next one is due as long after it
                waited |= now == self.resumed_at and now >= self.unread_since + LIVENESS.ping_after
                require(waited, "hasty", f"line {self.index} pings while nothing is read, silent since {self.transport_at}")
                self.transport_at = now
                return
            require(waited and self.pinged_at is None, "hasty", f"line {self.index} pings, silent since {self.transport_at}")
            self.pinged_at = now
        elif action.opcode == PONG:
            require(action.payload in self.owed, "pong", f"line {self.index} answers a ping that did not come")
            self.owed.remove(action.payload)
        elif action.payload == KEEPALIVE:
            every = self.config.keepalive
            require(
                every is not None and now >= self.kept_at + every, "hasty", f"line {self.index} beats, last at {self.kept_at}"
            )
            self.kept_at = now
            if paused or self.excused_until is not None:
                return
            if expects_pong(self.config):
                self.pong_by = now + LIVENESS.pong_within if self.pong_by is None else self.pong_by
            elif self.pinged_at is None:
                self.pinged_at = now
        elif action.payload.startswith(b'{"sub"'):
            key = msgspec.json.decode(action.payload)["sub"]
            self.turned_down.discard(key)
            self.confirmed.discard(key)
            if self.config.acks in ("id", "key", "cumulative") and key not in self.flowing:
                self.awaited[key] = now + ACK_WITHIN
        elif action.payload.startswith(b'{"unsub"'):
            self.awaited.pop(msgspec.json.decode(action.payload)["unsub"], None)
        elif action.payload.startswith(b'{"answer"'):
            number = int(action.payload[10:-1])
            require(action.urgent and number in self.answers, "pong", f"line {self.index} answers {number}, which did not come")
            self.answers.remove(number)

    # ---------------------------------------------------------------- what the engine says

    def stale(self, marker: Stale, now: float) -> None:
        require(
            self.heartbeat is None and now >= self.feed_at + self.rung,
            "hasty",
            f"stale after {now - self.feed_at}, limit {self.rung}",
        )

    def disconnected(
        self,
        marker: Disconnected,
        chances: list[float],
        now: float,
        *,
        stale: bool,
        paused: bool,
        ever: bool,
        worked: bool,
    ) -> None:
        """An attempt failed or a connection was lost: its wait must be what the policy says for one of the dice thrown.

        `ever`: whether any line was ever live. `worked`: whether data came on any, or a subscription was acknowledged.
        """
        final = (self.refusal is Severity.FATAL and not ever) or self.final_code(ever, worked)
        told = f"line {self.index}: {marker}, and it was {'' if final else 'not '}refused for good"
        require(final is (marker.retry_in is None), "loud", told)
        if final:
            require(marker.code == (FINAL_CODE if self.turned_away else None), "loud", told)
            return
        if marker.reason.startswith(("mute", "half-open")):
            require(not paused, "hasty", f"line {self.index} given up, {marker.reason}, while nothing is read")
        if marker.reason.startswith("mute: the venue"):
            over = self.excused_until is not None and now >= self.excused_until
            require(over, "hasty", f"line {self.index} given up in a pause that lasts until {self.excused_until}")
        elif marker.reason.startswith("mute"):
            limit = self.rung if self.heartbeat is None else 1.5 * self.heartbeat
            require(now >= self.feed_at + limit, "hasty", f"line {self.index} given up after {now - self.feed_at}, limit {limit}")
        elif marker.reason.startswith("half-open"):
            waited = self.pinged_at is not None and now >= self.pinged_at + LIVENESS.pong_within
            waited |= self.pong_by is not None and now >= self.pong_by
            require(waited, "hasty", f"line {self.index} given up for half-open; pinged at {self.pinged_at}")
        elif marker.reason == "the dial hangs":
            require(now >= self.dialed_at + DIAL_LIMIT, "hasty", f"line {self.index}: dial given up after {now - self.dialed_at}")
        if stale:
            self.silence = min(LIVENESS.maximum_silence, self.rung * 2)
        proved = self.data_from is not None and self.data_at - self.data_from >= BACKOFF.stable_after
        self.data_from = None
        before = 0 if proved else self.failures
        if self._check_plan(marker, now) or (planned(marker.reason) and proved):
            self.failures, self.dial_at = before, now
            return
        self.failures = before + 1
        least, severity = 0.0, Severity.RETRY
        if self.error is not None:
            least, severity = self.error.retry_after or 0.0, self.error.severity
        elif self.refusal is not None:
            severity = self.refusal
        elif marker.reason.startswith("closed by the venue"):
            severity = Severity.SLOW if marker.code in _SLOW_CODES else Severity.RETRY
        wait = marker.retry_in
        require(wait is not None, "backoff", f"line {self.index} says no wait")
        assert wait is not None
        while chances:
            chance = chances.pop(0)
            if severity is Severity.RETRY:
                expected = least + chance * min(BACKOFF.maximum, BACKOFF.base * 2.0 ** min(before, 100))
            else:
                expected = least + BACKOFF.maximum * (0.5 + 0.5 * chance)
            if abs(expected - wait) < 1e-9:
                self.dial_at = now + wait
                return
        require(False, "backoff", f"line {self.index} waits {wait} s after {before} failures ({severity.value}, least {least})")

    def final_code(self, ever: bool, worked: bool) -> bool:
        """Whether the venue has turned us away for good: on a line that is live it was only then that it let nobody in."""
        return self.turned_away and not (worked if self.live else ever)

    def _check_plan(self, marker: Disconnected, now: float) -> bool:
        """Whether this end was planned, and counts as no failure."""
        if marker.reason.startswith("its lifetime"):
            lifetime = self.config.lifetime or 0.0
            require(now >= self.live_at + 0.9 * lifetime, "hasty", f"line {self.index} given up, {now - self.live_at} s old")
            return True
        if marker.reason.startswith("opening: step") and "no answer" in marker.reason:
            require(now >= self.step_until, "hasty", f"line {self.index}: step {self.step} given up before {self.step_until}")
        return False

    def check(self, now: float, *, paused: bool) -> None:
        """After each step: no line may be silent past its limit; pings are answered."""
        if self.dialing is not None:
            require(now < self.dialed_at + DIAL_LIMIT, "silent", f"line {self.index}: its dial hangs since {self.dialed_at}")
        if self.open is None:
            return
        require(not self.owed, "pong", f"line {self.index} does not answer {self.owed}")
        if self.broke_at is not None:
            require(
                now < self.broke_at + ANSWER_LIMIT, "silent", f"line {self.index} cannot be read since {self.broke_at}, now {now}"
            )
            return
        if self.breaking_at is not None and now < self.breaking_at + ANSWER_LIMIT:
            return
        require(not self.answers, "pong", f"line {self.index} does not answer {self.answers}")
        config = self.config
        if not self.live:
            require(paused or now < self.step_until, "script", f"line {self.index} waits at step {self.step} past its time")
            return
        for key, until in self.awaited.items():
            require(now <= until + 1e-9, "acks", f"line {self.index} has asked for {key}; nobody knew of it until {until}")
        if config.lifetime is not None:
            require(now < self.live_at + config.lifetime, "script", f"line {self.index} lives since {self.live_at}")
        if config.keepalive is not None and not config.budget:
            require(now < self.kept_at + config.keepalive, "silent", f"line {self.index} has not beaten since {self.kept_at}")
        if paused:
            return
        if self.excused_until is not None:
            require(now < self.excused_until, "silent", f"line {self.index} should not wait any more for the pause to end")
            return
        limit = self.rung if self.heartbeat is None else 1.5 * self.heartbeat
        require(now < self.feed_at + limit, "silent", f"line {self.index} is mute since {self.feed_at}, limit {limit}, now {now}")
        if self.pong_by is not None:
            require(now < self.pong_by, "silent", f"line {self.index} should have had its pong by {self.pong_by}, now {now}")
        if self.pinged_at is not None:
            answered_by = self.pinged_at + LIVENESS.pong_within
            require(now < answered_by, "silent", f"line {self.index} was pinged at {self.pinged_at}, now {now}")
        else:
            quiet = now < self.transport_at + LIVENESS.ping_after
            require(quiet, "silent", f"line {self.index} sends nothing since {self.transport_at}, and is not pinged")
