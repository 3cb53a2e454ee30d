"""What each line may and must do: one dial at a time, the clocks of liveness, the waits of the back-off. Pure.

Everything is reckoned anew here from what the world did, never read from the engine.

Checks: `dials`, `silent`, `hasty`, `backoff`, `pong`, `hangup`.
"""

from __future__ import annotations

from typing import Optional

from syncstream.core.engine import Dial, Send
from syncstream.core.frames import PING, PONG
from syncstream.errors import DialError, Severity
from syncstream.events import Disconnected, Stale

from .config import ANSWER_LIMIT, BACKOFF, DIAL_LIMIT, LIVENESS, Config
from .violation import require
from .wire import BYTES, DATA, Piece


class LineWatch:
    """Owned by: its world. One line."""

    def __init__(self, index: int, config: Config) -> None:
        self.index = index
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
        self.resumed_at = self.unread_since = float("-inf")
        self.pinged_at: Optional[float] = None
        self.data_from: Optional[float] = None
        self.data_at = 0.0
        self.broke_at: Optional[float] = None  # when something came that cannot be read
        self.owed: list[bytes] = []  # pings of the venue that want an answer

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
        self.error = None

    def abandoned(self, epoch: int) -> None:
        require(self.dialing == epoch, "dials", f"line {self.index} abandons {epoch}, which is not under way")
        self.dialing = None

    def opened(self, now: float) -> None:
        self.open, self.dialing = self.dialing, None
        self.ever_open = True
        self.transport_at = self.feed_at = now
        self.pinged_at = self.data_from = self.broke_at = None
        self.rung = self.silence
        self.owed = []

    def refused(self, error: DialError) -> None:
        self.dialing = None
        self.error = error

    def hung_up(self, epoch: int) -> None:
        require(self.open == epoch, "hangup", f"line {self.index} hangs up {epoch}, open is {self.open}")
        self.open = None
        self.owed = []

    # ---------------------------------------------------------------- what came

    def read(self, pieces: list[Piece], now: float) -> None:
        """Bytes came, and with them these pieces became whole."""
        self.transport_at = now
        self.pinged_at = None
        for piece in pieces:
            if piece.ends:
                self.broke_at = now
                return
            if piece.proves != BYTES:
                self.feed_at = now
                self.rung = self.silence = LIVENESS.silence
                if piece.proves == DATA:
                    self.data_from = now if self.data_from is None else self.data_from
                    self.data_at = now
            if piece.ping is not None:
                self.owed.append(piece.ping)

    def resumed(self, now: float) -> None:
        self.resumed_at, self.unread_since = now, self.transport_at
        self.transport_at = self.feed_at = now
        self.pinged_at = None

    def sends(self, action: Send, now: float, *, paused: bool) -> None:
        if action.opcode == PING:
            waited = now >= self.transport_at + LIVENESS.ping_after
            if paused or now == self.resumed_at:  # its answer waits unread: the next one is due as long after it
                waited |= now == self.resumed_at and now >= self.unread_since + LIVENESS.ping_after
                require(waited, "hasty", f"line {self.index} pings while nothing is read, silent since {self.transport_at}")
                self.transport_at = now
                return
            require(waited and self.pinged_at is None, "hasty", f"line {self.index} pings, silent since {self.transport_at}")
            self.pinged_at = now
        elif action.opcode == PONG:
            require(action.payload in self.owed, "pong", f"line {self.index} answers a ping that did not come")
            self.owed.remove(action.payload)

    # ---------------------------------------------------------------- what the engine says

    def stale(self, marker: Stale, now: float) -> None:
        require(
            self.heartbeat is None and now >= self.feed_at + self.rung,
            "hasty",
            f"stale after {now - self.feed_at}, limit {self.rung}",
        )

    def disconnected(self, marker: Disconnected, chances: list[float], now: float, *, stale: bool) -> None:
        """An attempt failed or a connection was lost: its wait must be what the policy says for one of the dice thrown."""
        if marker.reason.startswith("mute"):
            limit = self.rung if self.heartbeat is None else 1.5 * self.heartbeat
            require(now >= self.feed_at + limit, "hasty", f"line {self.index} given up after {now - self.feed_at}, limit {limit}")
        elif marker.reason.startswith("half-open"):
            waited = self.pinged_at is not None and now >= self.pinged_at + LIVENESS.pong_within
            require(waited, "hasty", f"line {self.index} given up for half-open; pinged at {self.pinged_at}")
        elif marker.reason == "the dial hangs":
            require(now >= self.dialed_at + DIAL_LIMIT, "hasty", f"line {self.index}: dial given up after {now - self.dialed_at}")
        if stale:
            self.silence = min(LIVENESS.maximum_silence, self.rung * 2)
        proved = self.data_from is not None and self.data_at - self.data_from >= BACKOFF.stable_after
        self.data_from = None
        before = 0 if proved else self.failures
        self.failures = before + 1
        least, severity = 0.0, Severity.RETRY
        if self.error is not None:
            least, severity = self.error.retry_after or 0.0, self.error.severity
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
        if paused:
            return
        limit = self.rung if self.heartbeat is None else 1.5 * self.heartbeat
        require(now < self.feed_at + limit, "silent", f"line {self.index} is mute since {self.feed_at}, limit {limit}, now {now}")
        if self.pinged_at is not None:
            answered_by = self.pinged_at + LIVENESS.pong_within
            require(now < answered_by, "silent", f"line {self.index} was pinged at {self.pinged_at}, now {now}")
        else:
            quiet = now < self.transport_at + LIVENESS.ping_after
            require(quiet, "silent", f"line {self.index} sends nothing since {self.transport_at}, and is not pinged")
