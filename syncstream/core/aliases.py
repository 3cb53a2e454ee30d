"""Names that the venue makes up for one connection: a message says only the id, an acknowledgement says whose that is. Pure.

Rules
* A table belongs to one connection and starts empty with each; an id that is told again has another key from there on.
* A message whose id is not known (it came before its acknowledgement, or that was lost) cannot wait for a name that may never
  come: it is counted, set aside and told, and is nobody's data. When its id becomes known after all, its key is in doubt: what
  was set aside is missing there.
* What is delivered has its key with it, for the id says nothing to who gets it, and may be another one's by then.
"""

from __future__ import annotations

from typing import Any, Callable, Hashable, NamedTuple


class Named(NamedTuple):
    """What is delivered where `Feed.alias` names the keys: a message, and its key."""

    key: Hashable
    message: Any


class Aliases:
    """Owned by: the engine. One connection's."""

    def __init__(self, tell: Callable[[Any], Any], limit: int) -> None:
        """`tell` is the user's: message → (id, key), or `None`. `limit`: ids, known and unknown ones each."""
        self.keys: dict[Hashable, Hashable] = {}
        self._tell = tell
        self._limit = limit
        self._missed: set[Hashable] = set()  # ids of messages that were set aside

    def clear(self) -> None:
        """Another connection."""
        self.keys.clear()
        self._missed.clear()

    def missed(self, name: Hashable) -> None:
        """A message of an id that is not known was set aside."""
        self._missed.add(name)

    def learn(self, message: Any) -> tuple[Hashable, bool]:
        """What an acknowledgement tells: a key, and whether messages of its id were set aside. `None`: nothing.

        Raises whatever the user's callable does, and `TypeError` for what is no pair of an id and a key.
        """
        told = self._tell(message)
        if told is None:
            return None, False
        if not isinstance(told, tuple) or len(told) != 2:
            raise TypeError(f"alias returned {told!r}, which is no pair of an id and a key")
        name, key = told
        hash(key)
        self.keys[name] = key
        missed = name in self._missed
        self._missed.discard(name)
        return key, missed

    @property
    def overfull(self) -> bool:
        """Whether there are more ids than there may be keys."""
        return max(len(self.keys), len(self._missed)) > self._limit
