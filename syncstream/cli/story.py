"""What happened, told in lines: a fault, what the stream noticed, how it was healed. Pure; owned by the thread that consumes.

An entry can be open ("XYZ: 2 messages missing after 4711 …") and gets its ending later ("healed by snapshot in 12 ms"). What
happens to many symbols at once, when a line comes back, is one entry.

Deliberately not here: how a line looks on a screen.
"""

from __future__ import annotations

import re
from collections import Counter, deque
from typing import Any, Callable, Hashable, Optional, Sequence

from ..events import Connected, Disconnected, Dropped, Event, Gap, Quarantined, Resynced, Snapshot, Stale
from .schedule import Step, messages

KEPT = 100  # entries that a screen may still want to show


class Entry:
    """Owned by: its story. `kind`: `"fault"`, `"trouble"`, `"good"` or `"note"`; `at` in seconds since the start."""

    __slots__ = ("at", "ending", "kind", "open", "text")

    def __init__(self, at: float, kind: str, text: str, *, is_open: bool = False) -> None:
        self.at = at
        self.kind = kind
        self.text = text
        self.open = is_open
        self.ending = ""

    def __str__(self) -> str:
        return f"{self.text} …{' ' + self.ending if self.ending else ''}" if self.open or self.ending else self.text


class _Repair:
    """Owned by: the story. A gap of one symbol on its way to be healed."""

    __slots__ = ("after", "entry", "holes", "missing")

    def __init__(self, entry: Entry, after: Any) -> None:
        self.entry = entry
        self.after = after
        self.holes = self.missing = 0


class Story:
    """Owned by: the consuming thread. `tell(entry, now)` is called for each new entry, and again when it got its ending."""

    def __init__(self, symbols: Sequence[str], tell: Callable[[Entry, float], None]) -> None:
        self.entries: deque[Entry] = deque(maxlen=KEPT)
        self.counts: Counter[str] = Counter()
        self.longest_repair = 0.0
        self._tell = tell
        self._symbols = symbols
        self._repairs: dict[Hashable, _Repair] = {}
        self._line_open = False
        self._lost_at: Optional[float] = None
        self._return: Optional[Entry] = None  # the line is open; not every symbol has been proved complete
        self._returned_at = 0.0
        self._unproved: set[Hashable] = set(symbols)
        self._fetched: set[Hashable] = set()
        self._missed = 0
        self._by_type: dict[type, Callable[[Any, float], None]] = {
            Connected: self._connected,
            Disconnected: self._disconnected,
            Gap: self._gap,
            Snapshot: self._snapshot,
            Resynced: self._resynced,
            Dropped: self._dropped,
            Quarantined: self._quarantined,
            Stale: self._stale,
        }

    def fault(self, step: Step, now: float) -> None:
        self._add(Entry(now, "fault", step.says))

    def held_back(self, count: int, now: float) -> None:
        """The stream kept so many messages from us; there is no event for that."""
        self._add(Entry(now, "good", f"held back {messages(count)} that came twice or late"))

    def note(self, text: str, now: float) -> None:
        self._add(Entry(now, "note", text))

    def event(self, event: Event, now: float) -> None:
        self.counts[type(event).__name__] += 1
        told = self._by_type.get(type(event))
        if told is not None:
            told(event, now)

    # The line

    def _connected(self, event: Connected, now: float) -> None:
        self._line_open = True
        self._returned_at = now
        back = "connected" if self._lost_at is None else f"back after {span(now - self._lost_at)}"
        self._return = self._add(Entry(now, "trouble", back, is_open=True))

    def _disconnected(self, event: Disconnected, now: float) -> None:
        again = "" if event.retry_in is None else f", retry in {span(event.retry_in)}"
        self._add(Entry(now, "trouble", f"{'line lost' if self._line_open else 'no line'}{again}: {_short(event.reason)}"))
        if not self._line_open:
            return
        self._line_open = False
        self._end_return("lost again", now)
        self._lost_at = now
        self._unproved = set(self._symbols)
        self._fetched.clear()
        self._missed = 0

    def _proved(self, key: Hashable, now: float) -> None:
        """A symbol is complete after the line came back; the last one ends the entry."""
        self._unproved.discard(key)
        if self._unproved or self._return is None:
            return
        ending = f"all complete in {span(now - self._returned_at)}"
        if self._missed:
            ending += f", {self._missed:,} missing healed"
        elif self._fetched:
            ending += f", {len(self._fetched)} by snapshot"
        self._return.kind = "good"
        self._end_return(ending, now)

    def _end_return(self, ending: str, now: float) -> None:
        if self._return is not None:
            self._end(self._return, ending, now)
            self._return = None

    # One symbol

    def _gap(self, event: Gap, now: float) -> None:
        if event.key in self._unproved:
            self._missed += event.missing or 0
        if not event.healing:
            repair = self._repairs.pop(event.key, None)
            if repair is not None:
                self._end(repair.entry, "not healed", now)
            self._add(Entry(now, "trouble", f"{event.key}: the gap after {event.after} stays, no snapshot could heal it"))
            return
        if event.key in self._unproved and event.reason == "hole":
            return  # told with the line's return
        repair = self._repairs.get(event.key)
        if repair is None:
            repair = self._repairs[event.key] = _Repair(Entry(now, "trouble", "", is_open=True), event.after)
        repair.holes += 1
        repair.missing += event.missing or 0
        repair.entry.text = _gap_text(event, repair)
        if repair.holes == 1:
            self._add(repair.entry)

    def _snapshot(self, event: Snapshot, now: float) -> None:
        self._fetched.add(event.key)

    def _resynced(self, event: Resynced, now: float) -> None:
        self.longest_repair = max(self.longest_repair, event.seconds)
        repair = self._repairs.pop(event.key, None)
        if repair is not None:
            repair.entry.kind = "good"
            replayed = f", {event.replayed} held ones replayed" if event.replayed else ""
            self._end(repair.entry, f"healed by snapshot in {span(event.seconds)}{replayed}", now)
        self._proved(event.key, now)

    def _dropped(self, event: Dropped, now: float) -> None:
        self._add(Entry(now, "trouble", f"{event.key}: {messages(event.count)} thrown away, this program is too slow"))

    # The rest

    def _quarantined(self, event: Quarantined, now: float) -> None:
        self._add(Entry(now, "good", f"put aside what cannot be read: {event.raw[:30].decode('utf-8', 'replace')!r}"))

    def _stale(self, event: Stale, now: float) -> None:
        self._add(Entry(now, "trouble", f"no data for {span(event.silence)}"))

    def _add(self, entry: Entry) -> Entry:
        self.entries.append(entry)
        self._tell(entry, entry.at)
        return entry

    def _end(self, entry: Entry, ending: str, now: float) -> None:
        entry.open = False
        entry.ending = ending
        self._tell(entry, now)


def span(seconds: float) -> str:
    """A span for people: `"0.4 ms"`, `"12 ms"`, `"1.3 s"`."""
    if seconds >= 0.9995:
        return f"{seconds:.1f} s"
    return f"{seconds * 1e3:.{0 if seconds >= 0.00995 else 1}f} ms"


def _short(reason: str) -> str:
    """The reason of a lost line, without what every reader of this screen knows: the address, and who broke it."""
    known = r"^(wss?://\S+: )?(upgrade: |the connection broke: )?(\[Errno \d+\] )?|: \{.*"
    return re.sub(known, "", reason)


def _gap_text(event: Gap, repair: _Repair) -> str:
    if event.reason == "restart":
        return f"{event.key}: numbers start again, {event.before} after {event.after}"
    if event.missing is None:
        return f"{event.key}: {event.reason} after {event.after}"
    holes = f" in {repair.holes} holes" if repair.holes > 1 else ""
    return f"{event.key}: {messages(repair.missing)} missing{holes} after {repair.after}"
