"""Which fault comes now: the switched-on faults and their choice. Pure; called under the venue's lock.

A rule says how often a fault happens (the next `left` times, or with chance `rate`), where (`symbol`, `connection`) and until
when. The same seed and the same order of questions give the same answers.
"""

from __future__ import annotations

import random
from typing import Any, Iterator, Optional, Union

MESSAGE_FAULTS = ("drop", "duplicate", "reorder")


class Rule:
    """One fault that was switched on. Owned by: the venue's lock.

    `left`: how often it may still happen, `None`: any number of times. `rate`: the chance each time, `None`: always. `until`:
    the monotonic moment it ends. `settings` belong to the kind of fault.
    """

    __slots__ = ("connection", "left", "name", "rate", "settings", "symbol", "until")

    def __init__(
        self,
        name: str,
        *,
        left: Optional[int] = None,
        rate: Optional[float] = None,
        symbol: Optional[str] = None,
        connection: Optional[int] = None,
        until: Optional[float] = None,
        **settings: Any,
    ) -> None:
        self.name = name
        self.left = left
        self.rate = rate
        self.symbol = symbol
        self.connection = connection
        self.until = until
        self.settings = settings

    def __str__(self) -> str:
        shown = {"left": self.left, "rate": self.rate, "symbol": self.symbol, "connection": self.connection, **self.settings}
        return " ".join([self.name, *(f"{name}={value}" for name, value in shown.items() if value is not None)])


class Rules:
    """Owned by: the venue's lock."""

    def __init__(self, seed: Union[int, str]) -> None:
        self._dice = random.Random(f"{seed}/faults")
        self._rules: dict[str, list[Rule]] = {}

    def __iter__(self) -> Iterator[Rule]:
        return (rule for rules in self._rules.values() for rule in rules)

    def add(self, rule: Rule) -> None:
        self._rules.setdefault(rule.name, []).append(rule)

    def clear(self) -> None:
        self._rules.clear()

    def message(self, symbol: str, connection: int, *, swappable: bool = True) -> str:
        """What happens to this message: one of MESSAGE_FAULTS, or nothing. Where one waits to be overtaken, no other can wait."""
        if self._rules:
            for name in MESSAGE_FAULTS if swappable else MESSAGE_FAULTS[:-1]:
                if self.take(name, now=0.0, symbol=symbol, connection=connection):
                    return name
        return ""

    def take(self, name: str, *, now: float, symbol: Optional[str] = None, connection: Optional[int] = None) -> Optional[Rule]:
        """The first rule of that name which applies here and now; it has then happened once."""
        rules = self._rules.get(name)
        for rule in rules or ():
            if rule.symbol not in (None, symbol) or rule.connection not in (None, connection):
                continue
            if rule.until is not None and now >= rule.until:
                continue
            if rule.rate is not None and self._dice.random() >= rule.rate:
                continue
            self._happened(rule)
            return rule
        return None

    def _happened(self, rule: Rule) -> None:
        if rule.left is None:
            return
        rule.left -= 1
        if not rule.left:
            rules = self._rules[rule.name]
            rules.remove(rule)
            if not rules:
                del self._rules[rule.name]
