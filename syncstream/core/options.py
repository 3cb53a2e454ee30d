"""A frozen value made of options: what it does not know is refused by name, with the nearest name it does know. Pure."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

import msgspec

from ..errors import FeedError

if TYPE_CHECKING:

    class Options(msgspec.Struct, frozen=True):
        """The base of `Feed` and its policies. (A type checker finds a wrong option by itself.)"""

else:

    class _Named(type(msgspec.Struct)):
        """Puts the name of the class, the field and the value into what a wrong call says."""

        def __call__(cls, *args: Any, **options: Any) -> Any:
            known = cls.__struct_fields__
            for name, value in options.items():
                if name not in known:
                    near = difflib.get_close_matches(name, known, n=1)
                    hint = f"did you mean {near[0]}=?" if near else f"it has: {', '.join(known)}"
                    shown = value if isinstance(value, (bool, int, float)) else type(value)  # anything else may be a secret
                    raise FeedError(name, shown, f"{cls.__name__} has no such option; {hint}")
            return super().__call__(*args, **options)

    class Options(msgspec.Struct, frozen=True, metaclass=_Named):
        """The base of `Feed` and its policies."""


def shape(value: object) -> str:
    """What may be shown of something that is sent: a callable's name, else its type alone, for it may hold a password."""
    if value is None:
        return "None"
    return str(getattr(value, "__name__", None) or type(value).__name__)


def check_seconds(field: str, value: object) -> None:
    """Raise `FeedError` unless it is a finite number of seconds above zero."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < float("inf"):
        raise FeedError(field, value, "expected a number of seconds above zero")


def check_count(field: str, value: object) -> None:
    """Raise `FeedError` unless it is a whole number above zero."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise FeedError(field, value, "expected a whole number above zero")
