"""One connection attempt on a thread of its own: DNS, TCP, proxy, TLS and the upgrade may block, and so may the user's code.

The thread ends with one post: the open connection or the reason why there is none. If the attempt was abandoned meanwhile it
posts nothing and closes what it has. Nobody waits for it: a dial that hangs is left behind.
"""

from __future__ import annotations

import threading
from typing import Any, Callable, Sequence, Union

from . import schema, transport
from .core import frames
from .core.engine import Payload
from .errors import DialError, FeedError, Severity
from .feed import Feed


def payloads(field: str, value: Any) -> list[Payload]:
    """What a user gave to be sent (one payload, or a tuple or list from a callable) as frames. Raises `FeedError`."""
    items = value if isinstance(value, tuple) else (value,)
    return [payload(field, item) for item in items]


def payload(field: str, item: Any) -> Payload:
    """One message to the venue: text stays text, bytes stay bytes, all else is JSON. Raises `FeedError` if it cannot be."""
    encoded: Union[str, bytes] = schema.encode(field, item)
    return Payload(frames.TEXT, encoded.encode()) if isinstance(encoded, str) else Payload(frames.BINARY, encoded)


def spoken(field: str, speak: Callable[[Sequence[Any]], Any], topics: Sequence[Any]) -> list[Payload]:
    """What a callable says for these topics."""
    said = speak(list(topics))
    return payloads(field, tuple(said) if isinstance(said, list) else said)


def subscription(feed: Feed, topics: Sequence[Any]) -> list[Payload]:
    """What to send once the line is open."""
    if feed.subscribe is None:
        return []
    if callable(feed.subscribe):
        return spoken("subscribe", feed.subscribe, topics) if topics else []
    return payloads("subscribe", feed.subscribe)


class Attempt:
    """Owned by: the dialer thread. Others may call: abandon()."""

    def __init__(self, feed: Feed, line: int, epoch: int, topics: Sequence[Any], post: Callable[[Any], None]) -> None:
        self.line = line
        self.epoch = epoch
        self._feed = feed
        self._topics = topics
        self._post = post
        self._lock = threading.Lock()  # guards: abandoned, and that nothing is posted after it
        self._abandoned = False
        self._thread = threading.Thread(target=self._run, name="syncstream-dialer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def join(self, timeout: float) -> bool:
        """Whether the thread has ended."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def abandon(self) -> None:
        """The outcome is not wanted any more; a connection that was posted before is the receiver's."""
        with self._lock:
            self._abandoned = True

    def _run(self) -> None:
        outcome: Any
        try:
            endpoint = self._feed.where()
            said = subscription(self._feed, self._topics)
            connection = transport.dial(endpoint, timeout=self._feed.dial_timeout, cancelled=lambda: self._abandoned)
        except DialError as error:
            outcome = Refused(self.line, self.epoch, error)
        except FeedError as error:  # what a callable returned cannot be dialled or sent, and will not be next time
            outcome = Refused(self.line, self.epoch, _because(error, Severity.FATAL))
        except Exception as error:  # the user's callables, evaluated here for every attempt; a token server may be away
            outcome = Refused(self.line, self.epoch, _because(error, Severity.RETRY))
        else:
            outcome = Opened(self.line, self.epoch, connection, said)
        with self._lock:
            if not self._abandoned:
                self._post(outcome)
                return
        if isinstance(outcome, Opened):
            outcome.connection.close()


class Opened:
    """An attempt succeeded. Owned by: whoever takes it from the inbox."""

    def __init__(self, line: int, epoch: int, connection: transport.Connection, said: list[Payload]) -> None:
        self.line = line
        self.epoch = epoch
        self.connection = connection
        self.said = said


class Refused:
    """An attempt failed."""

    def __init__(self, line: int, epoch: int, error: DialError) -> None:
        self.line = line
        self.epoch = epoch
        self.error = error


def _because(error: Exception, severity: Severity) -> DialError:
    failure = DialError(f"{type(error).__name__}: {error}", severity=severity)
    failure.__cause__ = error
    return failure
