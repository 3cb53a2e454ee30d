"""From the engine by way of the books to the consumers: what each turn of the reader hands over.

A book follows before anybody is told of what it follows. Where its checksum is wrong the consumer is told so right behind the
message that shows it: what came of that key in the same turn after it is withheld if the key is healed, for a snapshot no older
than that replaces it all, and that it is complete again, for it is not; else all of it stands behind the gap.

Not here: what is let through (the engine), how books are kept (`books.py`), what becomes of the queue (`delivery.py`).
"""

from __future__ import annotations

from itertools import repeat
from typing import Any, Callable, Hashable, Optional

import msgspec

from . import clock
from .books import Shelf, Wrong
from .core.engine import Engine
from .core.exchange import Journeys
from .core.items import has_markers
from .delivery import Delivery
from .events import Event, Gap, Resynced
from .logs import logger

_log = logger("syncstream.reader")

_WRONG = ("checksum", "unreadable")

_Entry = tuple[Any, int]
"""An item, and its bytes."""


class Handover:
    """Owned by: reader thread. Others may read: `journeys`."""

    def __init__(
        self, engine: Engine, delivery: Delivery, shelf: Optional[Shelf], sent_ns: Optional[Callable[[Any], int]]
    ) -> None:
        self.journeys = Journeys()
        self._engine = engine
        self._delivery = delivery
        self._shelf = shelf
        self._sent_ns = sent_ns
        self._simple = shelf is None and sent_ns is None
        self._untimed = 0  # messages whose timestamp could not be read

    def deliver(self, now: float) -> bool:
        """Hand over what the engine has let through. True if it heard what became of that: something may be due sooner."""
        engine, delivery = self._engine, self._delivery
        items = engine.take_deliveries()
        dropped, heard = self._hand(items, now) if items else ([], False)
        if delivery.paused:
            dropped += delivery.tick(now)
        if dropped:
            engine.dropped(dropped, now)
            heard = True
        if engine.keys.dropped_keys and delivery.relieved:
            engine.relieved(now)
            heard = True
        if delivery.error is not None and not engine.closing:
            engine.fail(delivery.error, now)
            heard = True
        return heard

    def put_plain(self, messages: list[Any], sizes: list[int], now: float) -> bool:
        """Hand over some plain messages. False: that takes more, the engine is to deliver them."""
        return self._simple and self._delivery.put_plain(messages, sizes, now)

    def finish(self, now: float) -> None:
        """The last items of all. Nothing is doubted any more, and nothing follows."""
        items = self._engine.take_deliveries()
        if self._shelf is not None:
            self._shelf.take(items)
            self._shelf.close()
        self._delivery.put_batch(items, now, self._engine.take_sizes(items))

    def _hand(self, items: list[Any], now: float) -> tuple[list[Hashable], bool]:
        """Into the queue; the keys of what had to be thrown away, and whether a book has shown that something is wrong."""
        wrong: dict[Hashable, Wrong] = {}
        sizes = self._engine.take_sizes(items)
        if self._shelf is not None:
            wrong = self._shelf.take(items)
            if wrong:
                entries = self._doubt(self._shelf, _entries(items, sizes), wrong, now)
                items = [item for item, _ in entries]
                sizes = None if sizes is None else [size for _, size in entries]
        dropped = self._delivery.put_batch(items, now, sizes)
        if self._sent_ns is not None and not has_markers(items):  # with markers comes what was held: it is older
            self._time(self._sent_ns, items[0])
        return dropped, bool(wrong)

    def _doubt(self, shelf: Shelf, entries: list[_Entry], wrong: dict[Hashable, Wrong], now: float) -> list[_Entry]:
        """Have the engine doubt the keys whose books are wrong, and say so where it was seen."""
        for key, seen in wrong.items():
            self._engine.mismatched(key, now, seen.reason)
        told = self._engine.take_deliveries()
        more = _entries(told, self._engine.take_sizes(told))
        shelf.take(told)
        gaps = {item.key: item for item in told if isinstance(item, Gap) and item.reason in _WRONG}
        line = []
        for index, entry in enumerate(entries):
            key = shelf.key_of(entry[0])
            gap = gaps.get(key)
            if gap is None or index < wrong[key].place:
                line.append(entry)
            elif index == wrong[key].place:
                line += [entry, (_at(gap, wrong[key].position), 0)]
            elif not gap.healing or (isinstance(entry[0], Event) and not isinstance(entry[0], Resynced)):
                line.append(entry)
        return line + [entry for entry in more if gaps.get(shelf.key_of(entry[0])) is not entry[0]]

    def _time(self, sent_ns: Callable[[Any], int], message: Any) -> None:
        """Note when the venue says it sent the oldest message of a batch."""
        try:
            self.journeys.came(sent_ns(message), clock.wall_ns())  # not `now`, when this turn began: it may be before
        except Exception as error:  # the user's path or function, a stranger's message
            if not self._untimed:
                _log.warning("timestamp=: %s: %s; such messages are left out", type(error).__name__, error)
            self._untimed += 1


def _entries(items: list[Any], sizes: Optional[list[int]]) -> list[_Entry]:
    return list(zip(items, repeat(0) if sizes is None else sizes))


def _at(gap: Gap, position: Any) -> Gap:
    """The consumer gets nothing between that position and the gap."""
    return gap if position is None else msgspec.structs.replace(gap, after=position)
