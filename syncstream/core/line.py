"""One place where connections follow each other: dialling, live, lost, again. Pure.

Rules
* Each dial has a new epoch; whatever belongs to an older one changes nothing.
* The attempts count from zero again only after a connection carried data for `stable_after`: a venue that accepts and drops is
  met with ever longer waits.
* There is at most one dial under way and at most one connection open.

Table of moves
    phase      dial()    opened()   wait()     close()    gone()
    IDLE       DIALING   -          -          CLOSED     -
    WAITING    DIALING   -          -          CLOSED     -
    DIALING    -         LIVE       WAITING    CLOSED     -
    LIVE       -         -          WAITING    CLOSING    -
    CLOSING    -         -          -          CLOSING    CLOSED
    CLOSED     -         -          -          CLOSED     CLOSED
"""

from __future__ import annotations

import enum
from typing import Any, Optional

from .deflate import Agreed
from .frames import Frames
from .liveness import Clocks
from .rules import Rules


class Phase(enum.Enum):
    """Where a line is in its life."""

    IDLE = "idle"
    WAITING = "waiting"
    DIALING = "dialing"
    LIVE = "live"
    CLOSING = "closing"
    CLOSED = "closed"


_MAY_DIAL = (Phase.IDLE, Phase.WAITING)
_MAY_WAIT = (Phase.DIALING, Phase.LIVE)


def close_payload(code: int, reason: str) -> bytes:
    """What stands in a close frame; a control frame has room for 123 bytes of reason."""
    return code.to_bytes(2, "big") + reason.encode()[:123].decode(errors="ignore").encode()


class Line:
    """Owned by: the engine."""

    def __init__(self, index: int, rules: Rules) -> None:
        self.index = index
        self.rules = rules
        self.phase = Phase.IDLE
        self.epoch = 0
        self.attempt = 0  # failures in a row
        self.limit_at: Optional[float] = (
            None  # when waiting, dialling or closing is over, or the last of a line that broke the rules
        )
        self.silence = rules.liveness.silence  # the rung of the ladder, carried from one connection to the next
        self.frames = Frames(max_message_size=rules.max_message_size)
        self.clocks = Clocks(rules.liveness, rules.heartbeat, self.silence, 0.0)
        self.data_from: Optional[float] = None
        self.data_at = 0.0
        self.pending: list[Any] = []  # payloads asked for after the dial began, to be sent behind its own

    def dial(self, now: float) -> int:
        """The next attempt begins; returns its epoch."""
        self._require(self.phase in _MAY_DIAL, "dial")
        self.phase = Phase.DIALING
        self.epoch += 1
        self.limit_at = now + self.rules.dial_limit
        self.pending = []
        return self.epoch

    def opened(self, now: float, deflate: Optional[Agreed] = None) -> None:
        """The connection stands: everything that belongs to one begins anew. `deflate`: how the venue may compress."""
        self._require(self.phase is Phase.DIALING, "open")
        self.phase = Phase.LIVE
        self.limit_at = None
        rules = self.rules
        self.frames = Frames(max_message_size=rules.max_message_size, max_fragments=rules.max_fragments, deflate=deflate)
        paused = self.clocks.paused
        self.clocks = Clocks(self.rules.liveness, self.rules.heartbeat, self.silence, now)
        self.clocks.paused = paused  # that we do not read outlives the connection
        self.data_from = None
        self.data_at = now

    def is_live(self) -> bool:
        return self.phase is Phase.LIVE

    def heard(self, now: float) -> None:
        """A message came, data or not."""
        self.clocks.proved_feed(now)
        self.silence = self.clocks.silence

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
        proved = self.data_from is not None and self.data_at - self.data_from >= self.rules.backoff.stable_after
        self.data_from = None
        before = 0 if proved else self.attempt
        self.attempt = before + 1
        return before

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
        was_live = self.phase is Phase.LIVE
        self.phase = Phase.CLOSING if was_live else Phase.CLOSED
        self.limit_at = now + self.rules.close_limit if was_live else None
        return was_live

    def gone(self) -> None:
        """The last connection is closed."""
        self._require(self.phase in (Phase.CLOSING, Phase.CLOSED), "be gone")
        self.phase = Phase.CLOSED
        self.limit_at = None

    def deadline(self) -> Optional[float]:
        return self.clocks.deadline() if self.phase is Phase.LIVE and self.limit_at is None else self.limit_at

    def _require(self, allowed: bool, move: str) -> None:
        if not allowed:
            raise RuntimeError(f"a line that is {self.phase.value} cannot {move}")
