"""What replay has to know of a venue: `Venue`, the reading for a capture nobody taught us about, which only plays. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Hashable, NamedTuple, Optional, Union
from urllib.parse import parse_qs, urlsplit

from ..books import Book, Delta, Top
from ..line import Line
from ..recording import Recording

if TYPE_CHECKING:
    from ..history import History


class Quote(NamedTuple):
    """The venue's own word on the best prices of a key at a position."""

    key: str
    position: int
    top: Top


class Reply(NamedTuple):
    """An HTTP answer: status and JSON text."""

    status: int
    text: str


class Venue:
    """Plays, and understands nothing. The base of those that do.

    `numbers`: whether deltas carry numbers of their key; else they are counted, from an in-band snapshot on.
    """

    numbers = True

    def learn(self, recording: Recording) -> None:
        """What the session says of itself, before any frame is read."""

    def line(self, history: History, number: int) -> Line:
        """A new connection, the stream's so manieth."""
        return Line(history, number)

    def decode(self, data: Union[str, bytes]) -> Any:
        """The decoded message, or None where frames are not understood."""
        return None

    def encode(self, message: Any) -> Union[str, bytes]:
        """The frame of a decoded message, for what the venue never sent."""
        return json.dumps(message, separators=(",", ":"))

    def is_control(self, message: Any) -> bool:
        """True for what belongs to one connection's handshake and not to the market: left out of the tape."""
        return False

    def greeting(self) -> list[str]:
        """What every new connection is sent first."""
        return []

    def answer(self, text: str) -> Optional[Union[str, bytes]]:
        """The answer to a client's message, if it gets one."""
        return None

    def delta(self, message: Any) -> Optional[Delta]:
        return None

    def quote(self, message: Any) -> Optional[Quote]:
        return None

    def topic(self, message: Any) -> Hashable:
        """Whose subscribers a message is for; `None`: everybody."""
        return None

    def whole(self, message: Any) -> Optional[str]:
        """Whose in-band snapshot a message is."""
        return None

    def key_of(self, url: str) -> Optional[str]:
        """Whose snapshot a REST URL asks for; None: it is no snapshot request."""
        return None

    def book(self, body: Any) -> Book:
        """The book in a decoded snapshot, of REST or in-band."""
        raise NotImplementedError

    def body(self, book: Book) -> str:
        """The snapshot the venue would give of this book."""
        raise NotImplementedError

    def unknown(self, key: str) -> Reply:
        """The answer where the venue has no such key."""
        return Reply(404, "{}")


def symbol_of(url: str, path: str, name: str = "symbol") -> Optional[str]:
    """The symbol that a URL asks `path` for, in the parameter `name`; None: it asks for something else."""
    parts = urlsplit(url)
    symbols = parse_qs(parts.query).get(name)
    return symbols[0] if symbols and parts.path.endswith(path) else None
