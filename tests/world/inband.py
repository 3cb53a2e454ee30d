"""Snapshots over the line, as the venue gives them: with each subscription, or for a request; and what may be asked for when.

Checks: `places` (no place is taken by what nobody waits for), `pleas` (what comes by itself is waited for before it is asked for,
and a new connection is made for keys only that need one), `doubt` (what is wrong is doubted).
Known limits: a key of which something old was told again, or whose numbers started anew, may be mistrusted for that, and is then
asked for at once.
"""

from __future__ import annotations

from typing import Any, Callable

from syncstream.core.engine import Call, Engine
from syncstream.events import Connected, Disconnected, Gap, Resynced, Snapshot, Stale

from .config import IN_BAND, OVER_THE_LINE, RESYNC_INTERVAL, WITHIN, Config
from .venue import Venue
from .violation import require
from .wire import DATA, Piece, Wire

_ANEW = "keys are healed by a new connection"
_EPSILON = 1e-9


class Pleas:
    """Owned by: its world. Since when a key may be asked for."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.soonest: dict[str, float] = {}  # of keys that are not complete
        self.complete: dict[str, float] = {}  # since when
        self.given_up: set[str] = set()

    def subscribed(self, keys: Any, now: float) -> None:
        """These begin with a snapshot, which comes by itself: on a new line, or one that has missed something."""
        for key in keys:
            self.complete.pop(key, None)
            self.soonest[key] = now + WITHIN

    def forget(self, key: str) -> None:
        """It is not wanted any more."""
        self.complete.pop(key, None)
        self.soonest.pop(key, None)
        self.given_up.discard(key)

    def told(self, item: Any, wanted: set[str], odd: Callable[[], set[str]], now: float) -> None:
        """What the engine says of a key, or of the line."""
        if self.config.source not in IN_BAND:
            return
        if isinstance(item, Connected):
            self.subscribed(wanted, now)
        elif isinstance(item, Disconnected) and item.reason == _ANEW:
            needing = [key for key in wanted if key not in self.complete and self.soonest.get(key, now) <= now + _EPSILON]
            require(bool(needing or odd()), "pleas", f"a new connection for keys at {now}, and none needs it: {self.soonest}")
        elif isinstance(item, (Snapshot, Resynced)):
            key = str(item.key)
            self.soonest.pop(key, None)
            self.given_up.discard(key)
            if isinstance(item, Resynced):
                self.complete[key] = now
        elif isinstance(item, Stale) and str(item.key) in self.complete:
            self.subscribed([str(item.key)], now)
        elif isinstance(item, Gap) and item.key is not None:
            self._doubted(str(item.key), item, now)

    def _doubted(self, key: str, gap: Gap, now: float) -> None:
        require(gap.reason != "drop" or self.config.source != "anew", "pleas", f"{gap}: a slow consumer costs a connection")
        since = self.complete.pop(key, None)
        if gap.reason == "unhealed":
            self.given_up.add(key)
            self.soonest.pop(key, None)
        elif gap.reason == "checksum" and since is not None:
            self.soonest[key] = max(now, since + RESYNC_INTERVAL)
        elif gap.reason != "reconnect" and (since is not None or key in self.given_up):
            self.soonest[key] = now

    def called(self, call: Call, quiet: set[str], odd: set[str], now: float) -> None:
        """What is to be said is asked for: topics are left and asked for again. `odd`: keys that may be mistrusted."""
        if self.config.source != "again":
            return
        for key in set(call.leave) - quiet - odd:
            soonest = self.soonest.get(key, now)
            require(now >= soonest - _EPSILON, "pleas", f"{key} is asked for at {now}, {soonest - now:.3f} s too soon")


def places(engine: Engine, config: Config) -> None:
    """Where answers come over the line, a place is for a key that waits."""
    if config.source in OVER_THE_LINE:
        waiting = sum(sync.fetching for sync in engine.keys.syncs.values())
        under_way = engine.keys.fetches.under_way
        require(under_way == waiting, "places", f"{under_way} places are taken, {waiting} keys wait for an answer")


def tell_state(venue: Venue, wire: Wire, key: str, *, fold_to: Any) -> None:
    """A subscription begins with the state of its key. `fold_to(ident, wire)` remembers which wire a message was on."""
    ident, truth = venue.whole(key)
    number = venue.count() if venue.config.scope == "shared" else 0
    if venue.config.scope == "connection":
        wire.number += 1
        number = wire.number
    fold_to(ident, wire)
    if not wire.mute and not wire.gone:
        piece = Piece(venue.frame(ident, truth, number), DATA)
        wire.put(piece)
        wire.blank = False
        wire.sent.append((ident, piece))


def answered(venue: Venue, wire: Wire, key: str, version: int, *, odd: bool) -> None:
    """A request is answered, with a state as it was. It has its number where the connection counts, and none on a channel."""
    ident, truth = venue.whole(key, version)
    number = None
    if venue.config.scope == "connection":
        wire.number += 1
        number = wire.number
    if not wire.mute and not wire.gone:
        wire.put(Piece(venue.frame(ident, truth, number, odd=odd), DATA))
        wire.blank = False


def planned(reason: str) -> bool:
    """Whether a line that has proved itself is dialled again at once after that."""
    return reason.startswith("the venue asks") or reason == _ANEW
