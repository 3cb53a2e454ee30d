"""One connection attempt on a thread of its own: DNS, TCP, proxy, TLS and the upgrade may block, and so may the user's code.

The thread ends with one post: the open connection or the reason why there is none. If the attempt was abandoned meanwhile it
posts nothing and closes what it has. Nobody waits for it: a dial that hangs is left behind, up to `LEFT_LIMIT` of them.
"""

from __future__ import annotations

import threading
from typing import Any, Callable, Sequence, Union

from . import clock, schema, transport
from .core import frames
from .core.engine import Payload
from .errors import DialError, FeedError, Severity
from .feed import Feed

LEFT_LIMIT = 8
"""So many attempts of a stream may hang at once before new ones are refused."""


def payloads(field: str, value: Any) -> list[Payload]:
    """What a user gave to be sent (one payload, or a tuple of several) as frames. Raises `FeedError`."""
    items = value if isinstance(value, tuple) else (value,)
    return [payload(field, item) for item in items]


def payload(field: str, item: Any) -> Payload:
    """One message to the venue: text stays text, bytes stay bytes, all else is JSON. Raises `FeedError` if it cannot be."""
    encoded: Union[str, bytes] = schema.encode(field, item)
    if isinstance(encoded, bytes):
        return Payload(frames.BINARY, encoded)
    try:
        return Payload(frames.TEXT, encoded.encode())
    except UnicodeEncodeError as error:
        raise FeedError(field, "a text", f"cannot be written as UTF-8: {error.reason}") from None


def spoken(field: str, speak: Callable[[Sequence[Any]], Any], topics: Sequence[Any]) -> list[Payload]:
    """What a callable says for these topics: a payload, or a tuple or list of them. Raises `FeedError`, and what it raises."""
    said = speak(list(topics))
    if said is None:
        raise FeedError(field, speak, "the callable returned None; return what to send, or () for nothing")
    return payloads(field, tuple(said) if isinstance(said, list) else said)


def subscription(feed: Feed, topics: Sequence[Any]) -> list[Payload]:
    """What to send once the line is open."""
    if feed.subscribe is None:
        return []
    if callable(feed.subscribe):
        return spoken("subscribe", feed.subscribe, topics) if topics else []
    return payloads("subscribe", feed.subscribe)


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


class Attempt:
    """Owned by: the dialer thread. Others may call: start(), abandon(), join()."""

    def __init__(self, feed: Feed, line: int, epoch: int, topics: Sequence[Any], post: Callable[[Any], None]) -> None:
        self.line = line
        self.epoch = epoch
        self._feed = feed
        self._topics = topics
        self._post = post
        self._lock = threading.Lock()  # guards: abandoned, and that nothing is posted after it
        self._abandoned = False
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="syncstream-dialer", daemon=True)

    def start(self) -> None:
        """Raises `RuntimeError` if no thread can be had."""
        self._thread.start()

    def join(self, timeout: float) -> bool:
        """Whether the thread has ended. From itself (a callable of the feed): yes, it will."""
        if self._thread is threading.current_thread():
            return True
        if clock.wait_event(self._ended, timeout):  # not by Thread.join: Ctrl-C could not end that on Windows
            self._thread.join()  # only its last instructions
        return self._ended.is_set()

    def abandon(self) -> None:
        """The outcome is not wanted any more; a connection that was posted before is the receiver's."""
        with self._lock:
            self._abandoned = True

    def _run(self) -> None:
        try:
            self._hand_over(self._dial())
        finally:
            self._ended.set()

    def _hand_over(self, outcome: Union[Opened, Refused]) -> None:
        with self._lock:
            if not self._abandoned:
                self._post(outcome)
                return
        if isinstance(outcome, Opened):
            outcome.connection.close()

    def _dial(self) -> Union[Opened, Refused]:
        doing = "endpoint"
        try:
            endpoint = self._feed.where()
            doing = "subscribe"
            said = subscription(self._feed, self._topics)
            doing = "the dial"
            connection = transport.dial(endpoint, timeout=self._feed.dial_timeout, cancelled=lambda: self._abandoned)
        except DialError as error:
            return Refused(self.line, self.epoch, error)
        except FeedError as error:  # what a callable returned cannot be dialled or sent, and will not be next time
            return Refused(self.line, self.epoch, _because(error, str(error), Severity.FATAL))
        except BaseException as error:  # the user's callables, evaluated here for every attempt
            # A token server may be away, which is an OSError; any other error is a mistake. Not its text: it may hold a token.
            severity = Severity.RETRY if isinstance(error, OSError) else Severity.FATAL
            return Refused(self.line, self.epoch, _because(error, f"{doing}: raised {type(error).__name__}", severity))
        return Opened(self.line, self.epoch, connection, said)


class Dialers:
    """Owned by: the reader thread. Others may call: join()."""

    def __init__(self, feed: Feed, post: Callable[[Any], None]) -> None:
        self._feed = feed
        self._post = post
        self._running: list[Attempt] = []  # whose threads may still be alive; replaced, never changed, so that others can look

    def dial(self, line: int, epoch: int, topics: Sequence[Any]) -> None:
        """Begin an attempt; it posts `Opened` or `Refused`."""
        self._running = [attempt for attempt in self._running if not attempt.join(0.0)]
        attempt = Attempt(self._feed, line, epoch, topics, self._post)
        try:
            if len(self._running) >= LEFT_LIMIT:
                raise RuntimeError(f"{len(self._running)} earlier attempts hang")
            attempt.start()
        except RuntimeError as error:  # or the system, or an interpreter on its way out, gives no more threads
            self._post(Refused(line, epoch, _because(error, f"no thread for the attempt: {error}", Severity.RETRY)))
        else:
            self._running = [*self._running, attempt]

    def abandon(self, line: int, epoch: int) -> None:
        """This attempt is not wanted any more."""
        for attempt in self._running:
            if (attempt.line, attempt.epoch) == (line, epoch):
                attempt.abandon()

    def stop(self) -> None:
        """None is wanted any more. Nothing is posted after this."""
        for attempt in self._running:
            attempt.abandon()

    def join(self, timeout: float) -> list[str]:
        """Wait up to `timeout` seconds for the threads to end. The names of those that have not."""
        deadline = clock.now() + timeout
        return ["syncstream-dialer" for attempt in self._running if not attempt.join(max(0.0, deadline - clock.now()))]


def _because(error: BaseException, text: str, severity: Severity) -> DialError:
    failure = DialError(text, severity=severity)
    failure.__cause__ = error
    return failure
