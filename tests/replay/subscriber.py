"""`Subscriber`: a connection of a venue with in-band snapshots.

A topic that is subscribed begins with a snapshot as of where the tape is on this line, in the venue's own words, and goes on with
what the tape has of it. Before the recorded snapshot there is none: then that comes, with the tape. What has no topic goes to
every line that has one. Numbers that count a whole connection are given anew on each, by `stamp`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Hashable, Optional, Sequence

from .books import Book
from .history import Books
from .line import Data, Line

if TYPE_CHECKING:
    from .history import History


class Subscriber(Line):
    """Owned by: the thread of its connection. The base of those that know a venue's words."""

    def __init__(self, history: History, number: int) -> None:
        super().__init__(history, number)
        self.topics: dict[Hashable, None] = {}
        self._books = Books(history)

    @property
    def subscribed(self) -> float:
        return len(self.topics)

    def hear(self, text: str, position: int) -> Sequence[Data]:
        return [self.stamp(data) for data in self.answer(json.loads(text), position)]

    def play(self, index: int) -> Optional[Data]:
        topic = self.history.topics[index]
        if not self.topics or (topic is not None and topic not in self.topics):
            return None
        return self.stamp(self.shown(self.history.frames[index].data))

    def begin(self, topic: Hashable, position: int) -> list[Data]:
        """This topic from now on: its snapshot, if there can be one by now."""
        self.topics[topic] = None
        snapshot = self.snapshot(topic, position)
        return [] if snapshot is None else [snapshot]

    def end(self, topic: Hashable) -> None:
        """This topic no more."""
        self.topics.pop(topic, None)

    def book(self, key: str, position: int) -> Optional[Book]:
        """The venue's book as of this position of the tape, which never goes back."""
        return self._books.advance(position).get(key)

    def latest(self, topic: Hashable, position: int) -> Optional[Data]:
        """The last frame of a topic before this position."""
        history = self.history
        for index in range(min(position, len(history.frames)) - 1, -1, -1):
            if history.topics[index] == topic:
                return history.frames[index].data
        return None

    # What a venue says in its own words.

    def answer(self, request: Any, position: int) -> list[Data]:
        """The answers to a decoded request, snapshots included."""
        raise NotImplementedError

    def snapshot(self, topic: Hashable, position: int) -> Optional[Data]:
        """The in-band snapshot of a topic; `None` where this one has none, or none yet."""
        raise NotImplementedError

    def shown(self, data: Data) -> Data:
        """A recorded frame as it is on this connection: one's own channel number instead of the recorded one."""
        return data

    def stamp(self, data: Data) -> Data:
        """The connection's next number, where all that is sent is counted."""
        return data
