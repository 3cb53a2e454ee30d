"""What other threads leave in the reader's inbox, besides what dialers and fetchers post of themselves. Values, any thread."""

from __future__ import annotations

import threading
from typing import Hashable, NamedTuple, Optional

from .core.engine import Payload
from .errors import StreamFailed
from .events import Event
from .link import Ticket


class Close(NamedTuple):
    """The user wants no more; with `discard` not even what is queued."""

    discard: bool = False


class Fail(NamedTuple):
    """The stream cannot go on."""

    error: StreamFailed


class Tell(NamedTuple):
    """A marker of the workers, for its place in the order of the stream."""

    event: Event


class Transmit(NamedTuple):
    """A user's message to the venue, a frame already; `payload` is what is in it."""

    frame: bytes
    ticket: Ticket
    payload: Optional[Payload] = None


class Withdraw(NamedTuple):
    """The sender's time is over, `timeout` seconds: the message is taken back, or nobody will know."""

    ticket: Ticket
    timeout: float


class Want(NamedTuple):
    """Topics to subscribe to (`wanted`) or to leave, and what to tell the venue."""

    wanted: bool
    topics: tuple[Hashable, ...]
    payloads: list[Payload]


class Show(NamedTuple):
    """Somebody wants to know how the stream is; `done` is set when the picture is there."""

    done: threading.Event
