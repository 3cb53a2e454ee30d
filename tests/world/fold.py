"""Folds what was delivered, as a careful consumer would, and compares each state with the venue's truth at that version.

Checks: `order`, `hole`, `state`, `muted`, `held`, `foreign`, `alarm` (a hole is told, and no number is missing, or one
that was delivered).

Known limits of detection, one sentence each; everything else is a violation:
* meeting eras: where the numbers restart at 1 (`Config.small`), a number of one era may go on exactly from a number of another,
  and then nobody can tell; the key's state counts as unknown until the next snapshot or told gap (counted in `met`).
* a stale state of before a restart has a higher number than what was delivered since, and nobody can tell it from one to come.
* numbers that do not detect ("growing", "none"): what the venue itself left out of one connection cannot be seen; what was on
  the wire must be delivered, and between two connections a gap must be told.
* a counter of each connection without a `start`: what the venue left out before the first message of a connection cannot be seen.
* a counter of each connection, and a key whose subscription the venue has ignored there: what was not asked for is not counted.
* numbers that do not detect: a state in-band that the venue sends twice is delivered twice, so the worlds do not do that.
* a snapshot without a position, or with one among numbers that do not detect, cannot be seen to be stale; so the worlds give
  only true ones there.
* growing numbers: late messages enough look like a restart, which is told; then what came before need not come again.
* numbers that start anew by right: what the venue itself left out of a connection right before cannot be seen.
* no numbers: what the venue sends twice, or late, is delivered twice, or late.
* numbers that do not detect: an old message that comes right after a key was subscribed anew does not say where that stands.
* a snapshot without a position is taken between request and answer, and messages held since the request follow it: they may say
  what is in it already, so a feed with such a source has messages that say the whole state.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from syncstream.core.aliases import Named
from syncstream.events import Dropped, Event, Gap, Resynced, Snapshot

from .config import Config, key_of
from .venue import EMPTY, Answer, State, Truth, Venue, changed
from .violation import Violation, require

FRESH, KNOWN, LOST = "fresh", "known", "lost"
_NONE: set[int] = set()


class Standing:
    """Owned by: its fold. Where one key stands."""

    __slots__ = ("awaits", "era", "given_up", "met", "restarted", "seen", "sound", "state", "status", "top", "version")

    def __init__(self) -> None:
        self.status = FRESH
        self.version = 0  # the true version of what was delivered
        self.seen = 0  # the version the last message brought; a snapshot without a position may go beyond it
        self.top = 0  # the latest version of all that came before
        self.era = 0
        self.state: State = EMPTY
        self.sound = True  # `state` is what the consumer has folded itself
        self.met = False  # two eras have met: nobody can know
        self.awaits = False  # a gap that heals was told, and nothing has healed it
        self.restarted = False
        self.given_up = False  # nothing could heal it; it goes on without a beginning until the next snapshot


class Notes:
    """Owned by: the engine's fold. What a consumer that is behind has to know of an item when it comes to it."""

    def __init__(self) -> None:
        self.first: dict[int, Any] = {}  # the first item of a key that was subscribed (again)
        self.back: dict[int, Any] = {}  # a snapshot after a restart, which may stand anywhere


class Fold:
    """Owned by: its world. `sees_all`: it is given every event, as the engine made them; else what a consumer gets."""

    def __init__(self, venue: Venue, config: Config, name: str, notes: Notes, *, sees_all: bool) -> None:
        self.venue = venue
        self.config = config
        self.name = name
        self.notes = notes
        self.sees_all = sees_all
        self.keys: dict[str, Standing] = {}
        self.unwanted: set[str] = set()
        self.displaced: set[int] = set()  # messages the venue repeats, or sends out of their place
        self.wires: dict[int, Any] = {}  # message → the wire it is on, where numbers do not detect
        self.met = 0
        self.items = self.messages = 0
        self.latest: dict[str, Any] = {}  # the last message or snapshot of each key
        self.told: Counter[Any] = Counter()  # markers by what they are; gaps by their reason, and whether they heal
        self.healed_by_snapshot = 0
        self._source = config.source != "none"
        self._heals_drops = config.source not in ("none", "anew")
        self._whole = config.source == "whole"
        self._detects = config.scope not in ("growing", "none")
        self._by_connection = config.scope == "connection"
        self._blank = self._by_connection and not config.start

    def standing(self, key: str) -> Standing:
        found = self.keys.get(key)
        if found is None:
            found = self.keys[key] = Standing()
        return found

    def take(self, item: Any) -> None:
        """One item, in order."""
        self.items += 1
        if not isinstance(item, Event):
            self._message(item)
            self.messages += 1
            return
        self.told[(item.reason, item.healing) if isinstance(item, Gap) else type(item).__name__] += 1
        if isinstance(item, Snapshot):
            self._snapshot(item)
        elif isinstance(item, Gap):
            self._gap(item)
        elif isinstance(item, Dropped):
            self._lose(item.key)
            if item.key is not None and self._heals_drops:
                self.standing(str(item.key)).awaits = True  # it will be healed
        elif isinstance(item, Resynced):
            standing = self.standing(str(item.key))
            require(
                not standing.awaits, "held", f"{self.name}: {item.key} is told to be complete, and nothing has healed its gap"
            )

    def forget(self, key: str) -> None:
        """It is not wanted any more, or wanted anew: what follows has nothing to do with what was."""
        self.keys.pop(key, None)
        self.latest.pop(key, None)

    def _note(self, standing: Standing, item: Any) -> None:
        """Leave word for those that are behind."""
        if self.sees_all and standing.status is FRESH:
            self.notes.first[id(item)] = item
        if self.sees_all and standing.restarted:
            self.notes.back[id(item)] = item

    def _behind(self, key: str, item: Any) -> Standing:
        """Where a key stands for a consumer that comes to this item only now."""
        if self.notes.first.pop(id(item), None) is not None:
            self.forget(key)
        standing = self.standing(key)
        if self.notes.back.pop(id(item), None) is not None:
            standing.restarted = True
        return standing

    # ---------------------------------------------------------------- markers

    def _gap(self, gap: Gap) -> None:
        if gap.reason == "hole" and gap.after is not None and not self.config.small:
            ahead = 0 if self.config.ranges == "chain" else 1
            require(gap.before > gap.after + ahead or self.config.resets, "alarm", f"{self.name}: {gap}, and nothing is missing")
            if (
                self.sees_all
                and self.config.scope == "key"
                and not isinstance(self.latest.get(str(gap.key)), (Snapshot, type(None)))
            ):
                self._begins_where_it_stands(gap)
        if gap.reason == "restart" and not self._detects:
            self.standing(str(gap.key)).top = self.venue.keys[str(gap.key)].version
        if not gap.healing:
            self._lose(gap.key)
            for standing in self.keys.values() if gap.key is None else [self.standing(str(gap.key))]:
                standing.given_up = True
            return
        require(gap.key is not None and self._source, "held", f"{self.name}: {gap} can never heal")
        standing = self.standing(str(gap.key))
        standing.awaits = self.sees_all
        standing.restarted |= gap.reason == "restart"

    def _begins_where_it_stands(self, gap: Gap) -> None:
        """The last message delivered is not missing. Known limits: a snapshot, which the gap may know nothing of; two eras; a
        restart that was told, though late messages only looked like one: the gap is then of the numbers since."""
        standing, numbers = self.standing(str(gap.key)), self.venue.keys[str(gap.key)]
        if standing.status is KNOWN and not numbers.era and not standing.restarted:
            at = numbers.number(standing.version, 0)
            require(gap.after >= at, "alarm", f"{self.name}: {gap}, but {at} was delivered")

    def _lose(self, key: Any) -> None:
        for name in [key] if key is not None else list(self.keys):
            standing = self.standing(name)
            standing.status = LOST
            standing.awaits = standing.met = False

    def _snapshot(self, marker: Snapshot) -> None:
        self.healed_by_snapshot += 1
        key = str(marker.key)
        self.latest[key] = marker
        require(key not in self.unwanted, "muted", f"{self.name}: a snapshot of {key}, which is not wanted")
        standing = self.standing(key) if self.sees_all else self._behind(key, marker)
        self._note(standing, marker)
        answer, in_band = marker.state, isinstance(marker.state, dict)
        if in_band:
            in_band = self.config.source != "asked"  # else it answers a request, and has to be joined
            truth = self.venue.truths[answer["id"]]
            state = (answer["d"][0], answer["d"][1])
            position = 3 * truth.to if self.config.scope == "growing" else truth.last
            answer = Answer(truth.key, truth.to, truth.era, position, state)
        require(answer.key == key, "foreign", f"{self.name}: the snapshot of {answer.key} was delivered for {key}")
        states = self.venue.keys[key].states
        require(answer.state == states[answer.version], "state", f"{self.name}: {answer} is not the state at that version")
        if not self._whole and not in_band:
            require(marker.position == answer.position, "foreign", f"{self.name}: {answer} was delivered at {marker.position}")
            back = standing.status == KNOWN and not standing.met and answer.version < standing.version
            text = f"{self.name}: a snapshot of {key} at version {answer.version} after {standing.version}"
            require(not back or standing.restarted or self._meets_snapshot(standing, answer), "order", text)
        standing.status, standing.version, standing.era, standing.state = KNOWN, answer.version, answer.era, answer.state
        standing.seen = 0 if self._whole else answer.version
        standing.sound = True
        standing.met = standing.awaits = standing.restarted = standing.given_up = False

    # ---------------------------------------------------------------- messages

    def _message(self, item: Any) -> None:
        message = item.message if isinstance(item, Named) else item
        ident = message["id"]
        truth = self.venue.truths[ident]
        key = truth.key
        require(key_of(item) == key, "foreign", f"{self.name}: {truth} was delivered as one of {key_of(item)}")
        self.latest[key] = item
        if key in self.unwanted:
            raise Violation("muted", f"{self.name}: {truth} was delivered, and {key} is not wanted")
        standing = self.keys.get(key) if self.sees_all else self._behind(key, item)
        if standing is None:
            standing = self.standing(key)
        if standing.status is FRESH:
            self._note(standing, item)
        if standing.awaits and not standing.given_up:
            raise Violation("held", f"{self.name}: {truth} was delivered while its key waits to be healed")
        if standing.status is KNOWN:
            if not truth.after <= standing.version < truth.to and self._does_not_follow(standing, ident, truth):
                return
        else:
            if standing.status is FRESH and self._source:
                raise Violation("hole", f"{self.name}: {truth} before the first snapshot of its key")
            if not self._detects and ident in self.displaced:
                return  # an old message, perhaps: it says nothing of where the key stands
            standing.status = KNOWN
            standing.sound = False
        self._apply(standing, truth, message)

    def _does_not_follow(self, standing: Standing, ident: int, truth: Truth) -> bool:
        """A violation, unless it is one of the known limits. True if the message changes nothing."""
        text = f"{self.name}: {truth} after version {standing.version} (era {standing.era})"
        if standing.met:
            return False
        if self.config.small and self._meets(standing, truth):
            standing.met = True
            self.met += 1
            return False
        if self.config.scope == "none" and ident in self.displaced:
            standing.sound = False
            return truth.to <= standing.version
        if truth.to <= standing.version:
            if not (self._whole and truth.to > standing.seen):
                raise Violation("order", text)
            return False
        if truth.anew and self.config.ranges != "chain":
            wire = self.wires[ident]
            left_out = wire.skipped.get(truth.key, _NONE) - wire.unasked.get(truth.key, _NONE)
            if all(version in left_out for version in range(standing.version + 1, truth.after + 1)):
                standing.sound = False
                return False
        if not self._detects or self._by_connection:
            wire = self.wires[ident]
            left_out = wire.unasked.get(truth.key, _NONE)
            if not self._detects or self._blank:
                left_out = left_out | (wire.first_skipped if self._detects else wire.skipped).get(truth.key, _NONE)
            top = 0 if self._detects else standing.top
            if all(version <= top or version in left_out for version in range(standing.version + 1, truth.after + 1)):
                standing.sound = False
                return False
        raise Violation("hole", text)

    def _meets(self, standing: Standing, truth: Truth) -> bool:
        """Whether its numbers go on from where the key stands, though it is of another era."""
        if truth.era == standing.era:
            return False
        position = self.venue.keys[truth.key].number(standing.version, standing.era)
        return truth.first <= position + 1 and truth.last > position

    def _meets_snapshot(self, standing: Standing, answer: Answer) -> bool:
        """Whether a state of another era only looks later than where the key stands, by its number."""
        position = self.venue.keys[answer.key].number(standing.version, standing.era)
        return answer.era != standing.era and answer.position >= position

    def _apply(self, standing: Standing, truth: Truth, message: Any) -> None:
        states = self.venue.keys[truth.key].states
        to = truth.to
        if self._whole or not standing.sound or standing.met:
            standing.state = states[to]  # it says the whole state; or the base is not known, and folding starts here
            standing.sound = True
        else:
            state = standing.state
            for version, amount in message["d"]:
                if version > standing.version:
                    state = changed(state, amount)
            standing.state = state
        if standing.state != states[to] and not standing.met:
            raise Violation("state", f"{self.name}: {truth.key} folded to {standing.state}, the truth is {states[to]}: {truth}")
        standing.version = standing.seen = to
        standing.top = max(to, standing.top)
        standing.era = truth.era
        standing.restarted = False
