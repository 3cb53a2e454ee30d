"""One place where connections follow each other: dialling, opening, live, lost, again. Pure.

Rules
* Each dial has a new epoch; whatever belongs to an older one changes nothing.
* The attempts count from zero again only after a connection carried data for `stable_after`: a venue that accepts and drops is
  met with ever longer waits.
* There is at most one dial under way and at most one connection open.
* A connection with an opening script is live only when that is through. What comes before counts as bytes, and they are bounded.
* A connection that was given up by plan is no failure: if it has proved itself the attempts count from zero, else they stay.

Table of moves
    phase      dial()    begun()    opened()   wait()     close()    gone()
    IDLE       DIALING   -          -          -          CLOSED     -
    WAITING    DIALING   -          -          -          CLOSED     -
    DIALING    -         OPENING    LIVE       WAITING    CLOSED     -
    OPENING    -         -          LIVE       WAITING    CLOSING    -
    LIVE       -         -          -          WAITING    CLOSING    -
    CLOSING    -         -          -          -          CLOSING    CLOSED
    CLOSED     -         -          -          -          CLOSED     CLOSED
"""

from __future__ import annotations

import enum
from typing import Iterable, Optional

from .actions import Payload
from .deflate import Agreed
from .frames import Frames
from .liveness import Clocks
from .rules import Rules
from .talk import Talk


class Phase(enum.Enum):
    """Where a line is in its life."""

    IDLE = "idle"
    WAITING = "waiting"
    DIALING = "dialing"
    OPENING = "opening"
    LIVE = "live"
    CLOSING = "closing"
    CLOSED = "closed"


_MAY_DIAL = (Phase.IDLE, Phase.WAITING)
_MAY_WAIT = (Phase.DIALING, Phase.OPENING, Phase.LIVE)
_OPEN = (Phase.OPENING, Phase.LIVE)


def close_payload(code: int, reason: str) -> bytes:
    """What stands in a close frame; a control frame has room for 123 bytes of reason."""
    return code.to_bytes(2, "big") + reason.encode()[:123].decode(errors="ignore").encode()


def _nowhere(opcode: int, payload: bytes, urgent: bool) -> None:
    """Where a line without a connection says what it says."""


class Line:
    """Owned by: the engine."""

    def __init__(self, index: int, rules: Rules) -> None:
        self.index = index
        self.rules = rules
        self.phase = Phase.IDLE
        self.epoch = 0
        self.attempt = 0  # failures in a row
        # When waiting, dialling, a step of the opening or closing is over, or the last of a line that broke the rules.
        self.limit_at: Optional[float] = None
        self.good_at: Optional[float] = None  # when it last carried data; before that, when it was first dialled
        self.silence = rules.liveness.silence  # the rung of the ladder, carried from one connection to the next
        self.frames = Frames(max_message_size=rules.max_message_size)
        self.clocks = Clocks(rules.liveness, rules.heartbeat, self.silence, 0.0)
        self.opened_at = self.heard_at = 0.0
        self.data_from: Optional[float] = None
        self.data_at = 0.0
        self.talk = Talk(rules, _nowhere, 0.0)
        self.said: tuple[Payload, ...] = ()  # what subscribes this connection, once it is live
        self.pending: list[Payload] = []  # payloads asked for after the dial began, to be sent behind its own
        self.entered = False  # whether the order of messages knows of this connection
        self.received = 0  # bytes, while it is being opened
        self.rotate_at: Optional[float] = None  # when it has lived long enough

    def dial(self, now: float) -> int:
        """The next attempt begins; returns its epoch."""
        self._require(self.phase in _MAY_DIAL, "dial")
        self.phase = Phase.DIALING
        self.epoch += 1
        self.limit_at = now + self.rules.dial_limit
        self.pending = []
        if self.good_at is None:
            self.good_at = now
        return self.epoch

    def begun(
        self, now: float, talk: Optional[Talk] = None, said: Iterable[Payload] = (), *, deflate: Optional[Agreed] = None
    ) -> None:
        """The connection stands: everything that belongs to one begins anew. `said` is to be sent once it is open; `deflate`: how
        the venue may compress."""
        self._require(self.phase is Phase.DIALING, "begin")
        self.phase = Phase.OPENING
        self.limit_at = None
        self.talk = talk or Talk(self.rules, _nowhere, now)
        self.said = tuple(said)
        self.entered = False
        self.received = 0
        self.rotate_at = None
        rules = self.rules
        self.frames = Frames(max_message_size=rules.max_message_size, max_fragments=rules.max_fragments, deflate=deflate)
        paused = self.clocks.paused
        self.clocks = Clocks(self.rules.liveness, self.rules.heartbeat, self.silence, now)
        self.clocks.paused = paused  # that we do not read outlives the connection
        self.heard_at = now
        self.data_from = None
        self.data_at = now

    def opened(self, now: float) -> None:
        """The opening script is through, if there is one: the line is live, and silence counts from now."""
        if self.phase is Phase.DIALING:
            self.begun(now)
        self._require(self.phase is Phase.OPENING, "open")
        self.phase = Phase.LIVE
        self.limit_at = None
        self.opened_at = self.heard_at = now
        self.talk.begin(now)
        self.clocks.begin_anew(now)

    @property
    def quiet_since(self) -> float:
        """Since when an idle keepalive is waited for: one in words is not made needless by the pongs of our own pings."""
        keepalive = self.rules.keepalive
        in_words = keepalive is not None and keepalive.send is not None
        return self.clocks.feed_at if in_words else self.clocks.transport_at

    def is_live(self) -> bool:
        return self.phase is Phase.LIVE

    def is_open(self) -> bool:
        """Whether there is a connection that is not being closed."""
        return self.phase in _OPEN

    def heard(self, now: float) -> None:
        """A message came, data or not."""
        self.clocks.proved_feed(now)
        self.silence = self.clocks.silence
        self.heard_at = now

    def carried(self, now: float) -> None:
        """Data came."""
        if self.data_from is None:
            self.data_from = now
        self.data_at = now

    def broke(self, now: float) -> None:
        """The venue broke the protocol and is not read any more. What came before it can still be answered, for a moment."""
        if self.limit_at is None:
            self.limit_at = now + self.rules.answer_limit

    def failed(self) -> int:
        """One more attempt has failed, or one more connection was lost; returns how many in a row before it."""
        before = 0 if self.proved else self.attempt
        self._account()
        self.attempt = before + 1
        return before

    def rotated(self) -> None:
        """The connection was given up by plan."""
        self.attempt = 0 if self.proved else self.attempt
        self._account()

    @property
    def proved(self) -> bool:
        """Whether this connection carried data for long enough."""
        return self.data_from is not None and self.data_at - self.data_from >= self.rules.backoff.stable_after

    def _account(self) -> None:
        if self.data_from is not None:
            self.good_at = self.data_at
        self.data_from = None

    def wait(self, until: float) -> None:
        """No connection until then. Whatever the old one still sends is of an older epoch."""
        self._require(self.phase in _MAY_WAIT, "wait")
        self.phase = Phase.WAITING
        self.epoch += 1
        self.limit_at = until

    def close(self, now: float) -> bool:
        """No more connections. True if one is open and a close frame should go out."""
        if self.phase in (Phase.CLOSING, Phase.CLOSED):
            return False
        was_open = self.is_open()
        self.phase = Phase.CLOSING if was_open else Phase.CLOSED
        self.limit_at = now + self.rules.close_limit if was_open else None
        return was_open

    def gone(self) -> None:
        """The last connection is closed."""
        self._require(self.phase in (Phase.CLOSING, Phase.CLOSED), "be gone")
        self.phase = Phase.CLOSED
        self.limit_at = None

    def deadline(self) -> Optional[float]:
        if self.phase is not Phase.LIVE or self.limit_at is not None:
            return self.limit_at
        moments = (self.clocks.deadline(), self.talk.deadline(self.quiet_since), self.rotate_at)
        return min(moment for moment in moments if moment is not None)

    def _require(self, allowed: bool, move: str) -> None:
        if not allowed:
            raise RuntimeError(f"a line that is {self.phase.value} cannot {move}")
