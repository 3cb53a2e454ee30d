"""What IPython is to a stream: where it shows things, and what it means that a cell is run again. Any thread.

A notebook keeps what a cell made alive (its output cache does), so a stream is not closed by being made anew under the same name:
in IPython, and only there, the new one closes the older one.
"""

from __future__ import annotations

import sys
from typing import Any, Callable, Iterable, Protocol

from ..errors import UsageError
from ..feed import Feed
from ..logs import logger

_log = logger("syncstream.notebook")

_CLOSE_LIMIT = 2.0


class Older(Protocol):
    """What this needs of a stream."""

    feed: Feed
    name: str

    def close(self, timeout: float = 5.0, *, drain: bool = False) -> Any: ...


def in_ipython() -> bool:
    """Whether this program is an IPython session. Imports nothing."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", None)
    return shell is not None and shell() is not None


def close_older(streams: Iterable[Older], feed: Feed, name: str) -> None:
    """In IPython: close those that a stream of this feed and name replaces.

    That is one with the same name, or one with an equal feed where not both have names of their own. (A feed with a function
    that was defined again is not equal: give the stream a name.)
    """
    if not in_ipython():
        return
    for stream in streams:
        if stream.name == name if stream.name and name else _equal(stream.feed, feed):
            _log.info("closing the older %r: a new one takes its place", stream)
            stream.close(timeout=_CLOSE_LIMIT)


def show(html: str) -> Callable[[str], None]:
    """Show a piece of HTML below the cell that runs; returns the function that replaces it. Raises `UsageError` elsewhere."""
    if not in_ipython():
        raise UsageError("live() shows a card in a notebook, and this is none; repr(stream) and stream.stats() work everywhere")
    from IPython.display import HTML, display

    handle = display(HTML(html), display_id=True)
    return lambda newer: handle.update(HTML(newer))


def _equal(one: Feed, other: Feed) -> bool:
    try:
        return bool(one == other)
    except Exception:  # a field of the user's that cannot be compared, such as an array
        return False
