"""The hot path: deliver what is plain, and stop, having changed nothing, at whatever is not. Pure.

A message is plain if it is data of a key that is LIVE and joined, and next in its counter, where there is one. `read` and `use`
of `order` would do with it just what is done here: one decode, one look-up and one comparison a message. Which keys are plain
is kept in `Keys.plain`, each with the counter it is on.

* `classify` is asked where there is one: what it calls anything but data is not plain.
* Where frames were taken apart (`parts`) the message is there already.
* A counter over many keys is looked at, not only the key: with a reorder window open, or after numbers that went backwards, the
  next message of whatever key is not plain.
"""

from __future__ import annotations

from operator import length_hint
from typing import Any, Callable, Hashable, Optional

from .aliases import Named
from .counter import Counter
from .keys import Keys
from .received import Received
from .rules import Kind, Rules, Scope
from .sequence import Increasing

_TOGETHER = 256
"""Messages that are looked at together, at most."""

_WORTH = 8
"""So many at least: fewer are faster one by one."""

_DATA = bytes((1, 2))
"""The opcodes of text and binary."""

_SINGLY = 1024
"""So many are looked at one by one after one that was not plain."""


class Scan:
    """Owned by: the engine."""

    def __init__(
        self,
        rules: Rules,
        keys: Keys,
        counters: dict[Hashable, Counter],
        *,
        lines: int,
        aliases: Optional[dict[Hashable, Hashable]] = None,
    ) -> None:
        """`aliases`: which keys the ids in messages stand for on the one line there is, if they are ids."""
        self.rules = rules
        self.keys = keys
        self.counters = counters
        self.aliases = aliases
        self.enabled = lines == 1 and not any(_could_be_data(rules, literal) for literal in rules.literals)
        self._unpacked = rules.transform is not None or rules.split is not None
        self._decode = _message_of if self._unpacked else rules.decode
        plainly = rules.idle is None and rules.reset is None and (rules.rule is None or rules.rule.ordered)
        usual = plainly and rules.classify is None and aliases is None and rules.scope is Scope.KEY
        self._usual = usual and rules.rule is not None and not isinstance(rules.rule, Increasing)
        self.read: Optional[Callable[[bytes], Any]] = None
        """The decoder, where it reads every frame alike, each key has a counter, and all that comes is data."""
        if self._usual and not self._unpacked:
            self.read = getattr(rules.decode, "read", None)
        self._singly = 0  # so many frames are to be looked at one by one

    def __call__(self, frames: Received, start: int) -> int:
        """Deliver the plain messages that lead `frames[start:]`; returns the index of the first frame that is not plain."""
        keys = self.keys
        if not self.enabled or not keys.plain:
            return start
        if self.read is not None and not self._singly and len(frames.payloads) - start >= _WORTH:
            index = self._together(self.read, frames, start)
        else:
            index = self._numbered(frames, start) if self._usual else self._any(frames, start)
            self._singly = max(0, self._singly - 1 - (index - start))
        keys.messages += index - start
        if keys.sizes is not None:
            came = frames.payloads[start:index]
            keys.sizes += [part.size for part in came] if self._unpacked else map(len, came)
        return index

    def _together(self, read: Callable[[bytes], Any], frames: Received, start: int) -> int:
        """As `_numbered`, some at a time, where a decoder reads every frame alike: `read`.

        What is done for a whole list is one call of C code, and only the comparison is left for each message. If one of them is
        not plain the rest was decoded in vain, so those that follow are looked at one by one.
        """
        keys, ahead = self.keys, 0 if self.rules.rule is None else self.rules.rule.ahead
        index, count = start, len(frames.payloads)
        while index < count:
            part = frames.payloads[index : index + _TOGETHER]
            found = None
            if not frames.opcodes[index : index + _TOGETHER].translate(None, _DATA):  # no control frame is among them
                found = self._columns(read, part)
            if found is None:
                self._singly = _SINGLY
                return self._numbered(frames, index)
            messages, names, firsts, lasts, counters = found
            left, done = iter(firsts), len(part)
            try:
                for first, last, counter in zip(left, lasts, counters):
                    if first != counter.position + ahead or last < first:
                        done -= length_hint(left) + 1  # what is left says how far it came: nothing is counted
                        break
                    counter.position = last
            except Exception:  # as above: a number that is none
                done -= length_hint(left) + 1
            if done < len(part):
                del messages[done:], names[done:]
                self._singly = _SINGLY
                count = index + done
            keys.latest.update(zip(names, messages))
            keys.out += messages
            index += done
        return index

    def _columns(self, read: Callable[[bytes], Any], part: list[bytes]) -> Optional[tuple[list[Any], ...]]:
        """The messages, their keys, numbers and counters. `None` if one of them has not all of it, which it shows by itself."""
        rules = self.rules
        first_of, last_of = rules.first or only_key, rules.last or only_key
        try:
            messages = list(map(read, part))
            names = list(map(rules.key or only_key, messages))
            firsts = list(map(first_of, messages))
            lasts = firsts if first_of is last_of else list(map(last_of, messages))
            counters = list(map(self.keys.plain.__getitem__, names))
        except Exception:  # the user's code, and a stranger's bytes: whatever it was
            return None
        if not len(part) == len(counters) == len(firsts) == len(lasts):  # a StopIteration has ended one of them early
            return None
        return messages, names, firsts, lasts, counters

    def _numbered(self, frames: Received, start: int) -> int:
        """Where each key has a counter, and all that comes is data: nothing is asked that need not be."""
        rules, keys = self.rules, self.keys
        decode, key_of = self._decode, rules.key or only_key
        first_of, last_of = rules.first or only_key, rules.last or only_key  # a rule has both
        one_number = first_of is last_of
        ahead = 0 if rules.rule is None else rules.rule.ahead
        plain, latest, deliver = keys.plain, keys.latest, keys.out.append
        opcodes, payloads, index = frames.opcodes, frames.payloads, start
        try:
            for index in range(start, len(payloads)):
                opcode = opcodes[index]
                if opcode > 2:
                    break
                message = decode(payloads[index], opcode == 1)
                key = key_of(message)
                counter = plain[key]
                first = first_of(message)
                if first != counter.position + ahead:
                    break
                last = first if one_number else last_of(message)
                if last < first:
                    break
                counter.position = last
                latest[key] = message
                deliver(message)
            else:
                index = len(payloads)
        except Exception:  # whatever it was, `read` or `use` meets it again and names it
            pass
        return index

    def _any(self, frames: Received, start: int) -> int:
        """The same for every feed."""
        rules, keys = self.rules, self.keys
        decode, classify, key_of, counter_of = self._decode, rules.classify, rules.key or only_key, rules.counter
        rule, first_of, last_of = rules.rule, rules.first or only_key, rules.last or only_key
        numbered, grows = rule is not None, isinstance(rule, Increasing)
        one_number, ahead = first_of is last_of, 0 if rule is None else rule.ahead
        idle, reset, ordered = rules.idle, rules.reset, rule is None or rule.ordered
        many, counters, aliases = rules.scope is not Scope.KEY, self.counters, self.aliases
        plain, latest, deliver, data = keys.plain, keys.latest, keys.out.append, Kind.DATA
        opcodes, payloads, index = frames.opcodes, frames.payloads, start
        try:
            for index in range(start, len(payloads)):
                opcode = opcodes[index]
                if opcode > 2:
                    break
                message = decode(payloads[index], opcode == 1)
                if classify is not None:
                    kind = classify(message)
                    if kind is not None and kind is not data:
                        break
                key = key_of(message)
                if aliases is not None:
                    key = aliases[key]
                counter = plain[key]
                if numbered:
                    if many:
                        if counter.early or (counter.run and counter.run_from == counter.position):
                            break
                        if counter_of is not None and counters.get(counter_of(message)) is not counter:
                            break
                    first = first_of(message)
                    if not first > counter.position if grows else first != (counter.position + 1 if ahead else counter.position):
                        break
                    last = first if one_number else last_of(message)
                    if last < first if ordered else type(last) is not type(first):
                        break
                    if (idle is not None and idle(message)) or (reset is not None and reset(message)):
                        break
                    counter.position = last
                if aliases is not None:
                    message = Named(key, message)
                latest[key] = message
                deliver(message)
            else:
                index = len(payloads)
        except Exception:  # as above
            pass
        return index


def _could_be_data(rules: Rules, literal: bytes) -> bool:
    """Whether the decoder takes a literal, so that only a look at the text before it can tell."""
    try:
        rules.decode(literal, True)
    except Exception:  # whatever the user's own raises
        return False
    return True


def _message_of(part: Any, _text: bool) -> Any:
    """Of a frame that was taken apart. What is no `Part` has none, and is left to the long way."""
    return part.message


def only_key(_message: Any) -> Any:
    """Stands in where a feed has no key, or no numbers."""
    return None
