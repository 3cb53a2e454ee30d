"""What the adapters share: a look at what they are given. Pure."""

from __future__ import annotations

import re
from typing import Any, Callable, Iterable, Optional, Sequence

import msgspec

from ..core.opening import Step
from ..core.options import shape
from ..core.rules import Kind
from ..errors import FeedError
from ..secret import Secret

_TOO_MUCH = re.compile(r"rate.?limit|too.many.requests|too.frequent", re.IGNORECASE)


def listed(given: object, pattern: str, example: str, most: Optional[int] = None, *, field: str = "symbols") -> list[str]:
    """What an argument `field` lists, each once.

    Raises `FeedError` for one text, what is no list, an empty one, or more than `most`; and for the first that is not of the
    pattern, which it shows alone.
    """
    if isinstance(given, (str, bytes)) or not isinstance(given, Iterable):
        raise FeedError(field, given, f"expected a list of {field} such as [{example!r}]")
    found = list(given)
    if not found:
        raise FeedError(field, found, f"expected a list of {field} such as [{example!r}]")
    for one in found:
        if not isinstance(one, str) or not re.fullmatch(pattern, one):
            raise FeedError(field, one, f"expected a list of {field} such as [{example!r}]; this one is none of them")
    found = list(dict.fromkeys(found))
    if most is not None and len(found) > most:
        lines = f"Sharded(..., per_line={most}) has several lines"
        raise FeedError(field, len(found), f"the venue takes {most} on one line; {lines}")
    return found


class Checked(msgspec.Struct, frozen=True):
    """The `subscribe=` of a feed: what `say` says, after a look at the topics, for a stream may be given more of them later.

    Raises `FeedError` for the first that is not of the pattern.
    """

    say: Callable[[Sequence[str]], Any]
    pattern: str
    example: str

    def __call__(self, topics: Sequence[str]) -> Any:
        return self.say(listed(topics, self.pattern, self.example, field="topics"))


def asking(
    given: object,
    say: Callable[[Sequence[str]], Any],
    pattern: str,
    example: str,
    most: Optional[int] = None,
    *,
    field: str = "symbols",
) -> dict[str, Any]:
    """The `topics=` and `subscribe=` of a feed. Raises `FeedError` as `listed` does."""
    return {"topics": listed(given, pattern, example, most, field=field), "subscribe": Checked(say, pattern, example)}


def one_of(field: str, value: object, known: Sequence[object]) -> None:
    """Raises `FeedError` for what the venue does not have."""
    if not any(type(value) is type(one) and value == one for one in known):
        raise FeedError(field, value, f"expected one of {', '.join(map(str, known))}")


def whole(field: str, value: object, most: int) -> None:
    """Raises `FeedError` unless it is a whole number from 1 to `most`."""
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise FeedError(field, value, f"expected a whole number from 1 to {most}")


def credential(field: str, value: object) -> Secret:
    """A key as a `Secret`. Raises `FeedError`, which does not show it, for what is no text, or an empty one."""
    if not isinstance(value, str) or not value.strip():
        shown = value if value is None or value == "" else shape(value)
        raise FeedError(field, shown, "expected a text; os.environ.get() gives None for a variable that is not set")
    return Secret(value)


def refusal(message: object) -> Kind:
    """What an error is that is an answer of the venue's: a refusal of what was asked for, or a limit of how much that may be."""
    return Kind.LIMITED if _TOO_MUCH.search(str(message)) else Kind.ERROR


def steps(own: Sequence[Step], given: Any, *, login: bool = False) -> Any:
    """The `opening=` of a feed: the adapter's own steps, then those that the user has `given`; first these where they `login`.

    What is no list is left to the `Feed`, which refuses it.
    """
    if isinstance(given, (str, bytes)) or not isinstance(given, Sequence):
        return given
    return (*given, *own) if login else (*own, *given)
