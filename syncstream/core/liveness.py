"""Is the line alive? Three clocks per line: what came, what proves the transport, what proves the feed. Pure.

Rules
* Any byte proves the *transport*, a pong as well as a piece of a long message; only a whole message proves the *feed*.
* With a declared heartbeat, a feed silent for 1.5 x that is dead, pongs or not (a mute line is a dead line).
* Without one, silence is no proof of death. After `ping_after` without proof of the transport we ping; no proof within
  `pong_within` means half-open, dead. A feed mute for the silence limit is told once (`STALE`) and gets one reconnect;
  then the limit doubles, up to `maximum_silence`, until data comes again.
* While the venue has asked for patience (`Kind.PAUSE`) silence is no fault, for `pause_limit` at most; then the line is dead.
* While we ourselves do not read (back-pressure) no clock runs against the venue: `resumed` starts them anew. Our own pings go
  out all the same, for the venue may have a clock that runs against us.

What resets which clock
    what comes                                          transport   feed   the ladder
    any bytes: a part of a message, a ping, a pong      yes         -      -
    PONG: the answer to our keepalive                   yes         -      -
    any other message, readable or not: data, acks,     yes         yes    yes
    errors, challenges, notices, heartbeats, IGNORE
    that we read again after back-pressure              yes         yes    -
The transport's clock asks for a ping, the feed's clock holds the line for mute, and the ladder is how long that may take.
A challenge proves the feed because nobody asked for it: it is how some venues beat. A keepalive of ours is answered by whatever
comes after it; one that expects an answer of its own has a clock of its own beside these, which only a PONG stops.
"""

from __future__ import annotations

import enum
from typing import Optional

from ..errors import FeedError
from .options import Options

HEARTBEAT_TOLERANCE = 1.5


class Liveness(Options, frozen=True, kw_only=True):
    """Limits in seconds. `ping_after`: idle transport before our ping; `pong_within`: for its answer; `silence`: mute feed.

    `pause_limit`: so long may the venue be silent after it has said that it will be.
    """

    ping_after: float = 15.0
    pong_within: float = 10.0
    silence: float = 60.0
    maximum_silence: float = 3600.0
    pause_limit: float = 120.0

    def __post_init__(self) -> None:
        for field in self.__struct_fields__:
            value = getattr(self, field)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0:
                raise FeedError(field, value, "a limit is a number of seconds above zero")
        if self.maximum_silence < self.silence:
            raise FeedError("maximum_silence", self.maximum_silence, f"is below silence={self.silence!r}")


class Due(enum.Enum):
    """What a clock asks for."""

    PING = "ping"
    STALE = "stale"
    DEAD = "dead"


class Clocks:
    """Owned by: the engine, one per open line.

    `silence` is the current rung of the ladder; it outlives the line, so the caller hands it in and reads it back.
    """

    def __init__(self, policy: Liveness, heartbeat: Optional[float], silence: float, now: float) -> None:
        self.policy = policy
        self.heartbeat = heartbeat
        self.silence = silence
        self.transport_at = now
        self.feed_at = now
        self.pinged_at: Optional[float] = None
        self.answer_due_at: Optional[float] = None  # what a keepalive expects
        self.answer_within: float  # the time for that
        self.paused = False
        self.excused_until: Optional[float] = None  # the venue has paused

    def proved_transport(self, now: float) -> None:
        """Bytes came."""
        self.transport_at = now
        self.pinged_at = None

    def proved_feed(self, now: float) -> None:
        """A message came."""
        self.transport_at = self.feed_at = now
        self.pinged_at = None
        self.silence = self.policy.silence

    def pause(self) -> None:
        """We stopped reading: silence says nothing about the venue now."""
        self.paused = True
        self._count_ping()

    def resume(self, now: float) -> None:
        self.paused = False
        self.begin_anew(now)
        if self.excused_until is not None:  # that the pause is over may stand among what was not read
            self.excused_until = max(self.excused_until, now + self.policy.pong_within)

    def excuse(self, now: float) -> None:
        """The venue will be silent. Said again it has its whole time again."""
        self.excused_until = now + self.policy.pause_limit
        self._count_ping()

    def expect(self, now: float) -> None:
        """The venue speaks again."""
        self.excused_until = None
        self.begin_anew(now)

    def asked(self, now: float) -> None:
        """Something was sent that the venue answers."""
        if self.pinged_at is None and not self.patient:
            self.pinged_at = now

    def awaits(self, now: float, within: Optional[float]) -> None:
        """Something was sent that only a PONG answers, `within` seconds, or as soon as a ping's."""
        if self.answer_due_at is None and not self.patient:
            self.answer_within = self.policy.pong_within if within is None else within
            self.answer_due_at = now + self.answer_within

    def answered(self) -> None:
        """A PONG came."""
        self.answer_due_at = None

    @property
    def patient(self) -> bool:
        """Whether silence proves nothing now."""
        return self.paused or self.excused_until is not None

    def deadline(self) -> float:
        """When to call `due` next."""
        if self.patient:
            ping_at = self.transport_at + self.policy.ping_after
            return ping_at if self.paused or self.excused_until is None else min(ping_at, self.excused_until)
        return min(self._dead_at(), self._ping_at())

    def due(self, now: float) -> Optional[Due]:
        """What `now` asks for. `PING` has been noted when this returns; `DEAD` says why in `reason`."""
        if self.excused_until is not None and now >= self.excused_until and not self.paused:
            return Due.DEAD
        if self.patient:
            return self._ping_unheard(now)
        if now >= self._dead_at():
            return Due.STALE if self._mute_is_no_proof(now) else Due.DEAD
        if now >= self._ping_at():
            self.pinged_at = now
            return Due.PING
        return None

    def _ping_unheard(self, now: float) -> Optional[Due]:
        """While we do not read, or the venue does not speak, a ping now and then; its answer may wait."""
        if now < self.transport_at + self.policy.ping_after:
            return None
        self.transport_at = now
        return Due.PING

    def climb(self) -> float:
        """The next rung: how long the next line may be mute."""
        return min(self.policy.maximum_silence, self.silence * 2)

    def reason(self, now: float) -> str:
        """Why the line is held for dead, in words."""
        if self.excused_until is not None:
            return f"mute: the venue has paused for more than {self.policy.pause_limit:g} s"
        if self.pinged_at is not None and now >= self.pinged_at + self.policy.pong_within:
            return f"half-open: no answer to our ping within {self.policy.pong_within:g} s"
        if self.answer_due_at is not None and now >= self.answer_due_at:
            return f"half-open: no answer to our keepalive within {self.answer_within:g} s"
        if self.heartbeat is not None:
            limit = HEARTBEAT_TOLERANCE * self.heartbeat
            return f"mute: no message for {now - self.feed_at:.1f} s, limit {limit:g} s (1.5 x heartbeat)"
        return f"mute: no message for {now - self.feed_at:.1f} s"

    def _count_ping(self) -> None:
        """One that is on its way is not sent once more at the same moment: the next is due as long after it as any."""
        if self.pinged_at is not None:
            self.transport_at = max(self.transport_at, self.pinged_at)

    def begin_anew(self, now: float) -> None:
        """Silence counts from now."""
        self.transport_at = self.feed_at = now
        self.pinged_at = self.answer_due_at = None

    def _dead_at(self) -> float:
        limit = self.silence if self.heartbeat is None else HEARTBEAT_TOLERANCE * self.heartbeat
        dead_at = self.feed_at + limit
        if self.pinged_at is not None:
            dead_at = min(dead_at, self.pinged_at + self.policy.pong_within)
        return dead_at if self.answer_due_at is None else min(dead_at, self.answer_due_at)

    def _ping_at(self) -> float:
        return float("inf") if self.pinged_at is not None else self.transport_at + self.policy.ping_after

    def _mute_is_no_proof(self, now: float) -> bool:
        if self.heartbeat is not None or (self.answer_due_at is not None and now >= self.answer_due_at):
            return False
        return self.pinged_at is None or now < self.pinged_at + self.policy.pong_within
