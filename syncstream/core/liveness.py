"""Is the line alive? Three clocks per line: what came, what proves the transport, what proves the feed. Pure.

Rules
* Any byte proves the *transport*, a pong as well as a piece of a long message; only a whole message proves the *feed*.
* With a declared heartbeat, a feed silent for 1.5 x that is dead, pongs or not (a mute line is a dead line).
* Without one, silence is no proof of death. After `ping_after` without proof of the transport we ping; no proof within
  `pong_within` means half-open, dead. A feed mute for the silence limit is told once (`STALE`) and gets one reconnect;
  then the limit doubles, up to `maximum_silence`, until data comes again.
* While we ourselves do not read (back-pressure) no clock runs against the venue: `resumed` starts them anew. Our own pings go
  out all the same, for the venue may have a clock that runs against us.
"""

from __future__ import annotations

import enum
from typing import Optional

from ..errors import FeedError
from .options import Options

HEARTBEAT_TOLERANCE = 1.5


class Liveness(Options, frozen=True, kw_only=True):
    """Limits in seconds. `ping_after`: idle transport before our ping; `pong_within`: for its answer; `silence`: mute feed."""

    ping_after: float = 15.0
    pong_within: float = 10.0
    silence: float = 60.0
    maximum_silence: float = 3600.0

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
        self.paused = False

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

    def resume(self, now: float) -> None:
        self.paused = False
        self.transport_at = self.feed_at = now
        self.pinged_at = None

    def deadline(self) -> float:
        """When to call `due` next."""
        if self.paused:
            return self.transport_at + self.policy.ping_after
        return min(self._dead_at(), self._ping_at())

    def due(self, now: float) -> Optional[Due]:
        """What `now` asks for. `PING` has been noted when this returns; `DEAD` says why in `reason`."""
        if self.paused:
            return self._ping_unheard(now)
        if now >= self._dead_at():
            return Due.STALE if self._mute_is_no_proof(now) else Due.DEAD
        if now >= self._ping_at():
            self.pinged_at = now
            return Due.PING
        return None

    def _ping_unheard(self, now: float) -> Optional[Due]:
        """While we do not read, a ping now and then; its answer waits with the rest."""
        if now < self.transport_at + self.policy.ping_after:
            return None
        self.transport_at = now
        return Due.PING

    def climb(self) -> float:
        """The next rung: how long the next line may be mute."""
        return min(self.policy.maximum_silence, self.silence * 2)

    def reason(self, now: float) -> str:
        """Why the line is held for dead, in words."""
        if self.pinged_at is not None and now >= self.pinged_at + self.policy.pong_within:
            return f"half-open: no answer to our ping within {self.policy.pong_within:g} s"
        if self.heartbeat is not None:
            limit = HEARTBEAT_TOLERANCE * self.heartbeat
            return f"mute: no message for {now - self.feed_at:.1f} s, limit {limit:g} s (1.5 x heartbeat)"
        return f"mute: no message for {now - self.feed_at:.1f} s"

    def _dead_at(self) -> float:
        limit = self.silence if self.heartbeat is None else HEARTBEAT_TOLERANCE * self.heartbeat
        dead_at = self.feed_at + limit
        if self.pinged_at is not None:
            dead_at = min(dead_at, self.pinged_at + self.policy.pong_within)
        return dead_at

    def _ping_at(self) -> float:
        return float("inf") if self.pinged_at is not None else self.transport_at + self.policy.ping_after

    def _mute_is_no_proof(self, now: float) -> bool:
        if self.heartbeat is not None:
            return False
        return self.pinged_at is None or now < self.pinged_at + self.policy.pong_within
