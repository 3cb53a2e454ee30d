"""What an oracle raises, and the names of the checks. Pure."""

from __future__ import annotations


class Violation(AssertionError):
    """The engine broke a rule. `check` is the rule's name, `text` what happened, in the terms of the world."""

    def __init__(self, check: str, text: str) -> None:
        super().__init__(f"{check}: {text}")
        self.check = check
        self.text = text

    def __reduce__(self) -> tuple[type[Violation], tuple[str, str]]:
        return Violation, (self.check, self.text)


def require(allowed: bool, check: str, text: str) -> None:
    """Raise unless `allowed`."""
    if not allowed:
        raise Violation(check, text)
