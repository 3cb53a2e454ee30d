"""A few frames that are plain messages, from bytes to messages in one call: how they come at a usual rate. Pure.

At some thousand messages a second each comes alone or with one or two others, and then what is cold in the processor's caches
costs more than what is done: a dozen calls, each in a place of its own, take several times as long as one. So here stands once
more, in one function, what `frames`, `scan` and `engine` do with a batch, for this one case. Whatever is not that case is left to
them, and changes nothing here.
"""

from __future__ import annotations

from typing import Any, Callable, Optional

from .keys import Keys
from .line import Line
from .rules import Rules
from .scan import only_key

_WHOLE_TEXT = 0x81
_LENGTH_16 = 126  # as a length: that it follows in two bytes


class FastPath:
    """Owned by: whoever reads the line, from one input of the engine to the next: `settle` has to come before that."""

    def __init__(self, rules: Rules, keys: Keys, place: Line, read: Optional[Callable[[bytes], Any]]) -> None:
        """`read` decodes, where each key has a counter of its own and all that comes is data; else there is no fast path."""
        self._keys = keys
        self._place = place
        self._frames = place.frames
        self._read = read or only_key
        self._key_of = rules.key or only_key
        self._first_of, self._last_of = rules.first or only_key, rules.last or only_key
        self._one_number = self._first_of is self._last_of
        self._ahead = 0 if rules.rule is None else rules.rule.ahead
        self._longest = rules.max_message_size
        self._leads = read is not None
        self._begins = False  # the next byte begins a frame, and a message
        self._count = 0  # messages since the line was told of them
        self._from = self._at = 0.0  # when they came
        self.look()

    def look(self) -> None:
        """The engine has had another input."""
        self._begins = self._leads and self._frames.between

    def __call__(self, data: bytes, now: float) -> tuple[list[Any], list[int], int]:
        """The plain messages that lead, the bytes of each, and where they end. They count as delivered: hand them over."""
        messages: list[Any] = []
        sizes: list[int] = []
        at, end = 0, len(data) - 2 if self._begins else 0
        keys, ahead = self._keys, self._ahead
        try:
            while at < end:
                if data[at] != _WHOLE_TEXT:
                    break
                size, start = data[at + 1], at + 2
                if size == _LENGTH_16:
                    size, start = data[start] << 8 | data[start + 1], at + 4
                    if size < _LENGTH_16:
                        break
                elif size > _LENGTH_16:  # masked, or longer still
                    break
                payload = data[start : start + size]
                if len(payload) != size or size > self._longest or not payload.isascii():
                    break
                message = self._read(payload)
                key = self._key_of(message)
                counter = keys.plain[key]
                first = self._first_of(message)
                if first != counter.position + ahead:
                    break
                last = first if self._one_number else self._last_of(message)
                if last < first:
                    break
                counter.position = last
                keys.latest[key] = message
                messages.append(message)
                sizes.append(size)
                at = start + size
        except Exception:  # the user's code, and a stranger's bytes: the long way meets it again and names it
            pass
        if messages:
            if not self._count:
                self._from = now
            self._count += len(messages)
            self._at = now
        return messages, sizes, at

    def leave(self, messages: list[Any], sizes: list[int]) -> None:
        """Have the engine deliver them."""
        self._keys.out += messages
        if self._keys.sizes is not None:
            self._keys.sizes += sizes

    def settle(self) -> None:
        """Tell the line and the keys what came: what nobody asks for between two inputs of the engine is done once, here."""
        if self._count:
            self._place.carried(self._from)
            self._place.heard(self._at)
            self._place.carried(self._at)
            self._keys.messages += self._count
            self._count = 0
