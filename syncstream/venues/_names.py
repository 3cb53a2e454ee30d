"""What the adapters share: a look at what they are given. Pure."""

from __future__ import annotations

import re
from typing import Any, Optional, Sequence

from ..core.opening import Step
from ..errors import FeedError


def listed(symbols: Sequence[str], pattern: str, example: str, most: Optional[int] = None) -> list[str]:
    """The symbols as a list, each once. Raises `FeedError` for one text, none, more than `most`, or not of the pattern."""
    given: Sequence[object] = symbols
    if isinstance(given, str) or not given or not all(isinstance(one, str) and re.fullmatch(pattern, one) for one in given):
        raise FeedError("symbols", symbols, f"expected a list of symbols such as [{example!r}]")
    found = list(dict.fromkeys(symbols))
    if most is not None and len(found) > most:
        raise FeedError("symbols", len(found), f"the venue takes {most} on one line; Sharded(..., per_line=...) has several")
    return found


def one_of(field: str, value: object, known: Sequence[object]) -> None:
    """Raises `FeedError` for what the venue does not have."""
    if value not in known or isinstance(value, bool):
        raise FeedError(field, value, f"expected one of {', '.join(map(str, known))}")


def steps(own: Sequence[Step], given: Any, *, login: bool = False) -> Any:
    """The `opening=` of a feed: the adapter's own steps, then those that the user has `given`; first these where they `login`.

    What is no list is left to the `Feed`, which refuses it.
    """
    if isinstance(given, (str, bytes)) or not isinstance(given, Sequence):
        return given
    return (*given, *own) if login else (*own, *given)
