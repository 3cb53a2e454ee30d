"""One connection attempt on a thread of its own: DNS, TCP, proxy, TLS and the upgrade may block, and so may the user's code.

The thread ends with one post: the open connection or the reason why there is none. If the attempt was abandoned meanwhile it
posts nothing and closes what it has. Nobody waits for it: a dial that hangs is left behind, up to `LEFT_LIMIT` of them.
"""

from __future__ import annotations

import functools
import threading
from typing import Any, Callable, Sequence, Union
from urllib.parse import urlsplit

from . import clock, transport, turnstile, upgrade
from .core.actions import Payload
from .core.paths import MISSING, getter
from .errors import CallableError, DialError, FeedError, Severity
from .feed import Endpoint, Feed
from .schema import payload as payload
from .secret import stands_in
from .urls import named

LEFT_LIMIT = 8
"""So many attempts of a stream may hang at once before new ones are refused."""

_NOT_THERE = "that is another host, and neither a login nor a Secret is said there; if {} is right, give it as endpoint"


def payloads(field: str, value: Any) -> list[Payload]:
    """What a user gave to be sent (one payload, or a tuple of several) as frames. Raises `FeedError`."""
    items = value if isinstance(value, tuple) else (value,)
    return [payload(field, item) for item in items]


def spoken(field: str, speak: Callable[[Sequence[Any]], Any], topics: Sequence[Any]) -> list[Payload]:
    """What a callable says for these topics: a payload, or a tuple or list of them. Raises `FeedError`, and what it raises."""
    return [payload(field, item) for item in _items(field, speak, topics)]


def _items(field: str, speak: Callable[[Sequence[Any]], Any], topics: Sequence[Any]) -> tuple[Any, ...]:
    said = speak(list(topics))
    if said is None:
        raise FeedError(field, speak, "the callable returned None; return what to send, or () for nothing")
    return tuple(said) if isinstance(said, (list, tuple)) else (said,)


def subscription(feed: Feed, topics: Sequence[Any]) -> list[Payload]:
    """What to send once the line is open. Each payload names the topics it is for: a callable that returns one payload for each
    topic of its batch has them in that order; any other number is for all of the batch together."""
    if feed.subscribe is None:
        return []
    if not callable(feed.subscribe):
        items = feed.subscribe if isinstance(feed.subscribe, tuple) else (feed.subscribe,)
        return [_request(feed, item, () if feed.acks is None else (None,)) for item in items]
    requests = []
    for batch in feed.batch.split(topics):
        items = _items("subscribe", feed.subscribe, batch)
        single = len(items) == len(batch)
        requests += [_request(feed, item, (batch[at],) if single else tuple(batch)) for at, item in enumerate(items)]
    return requests


def leaving(feed: Feed, topics: Sequence[Any]) -> list[Payload]:
    """What to send to leave these topics; each payload names those it is for."""
    if feed.unsubscribe is None:
        return []
    return [
        said._replace(topics=tuple(batch))
        for batch in feed.batch.split(topics)
        for said in spoken("unsubscribe", feed.unsubscribe, batch)
    ]


def steps(feed: Feed) -> list[list[Payload]]:
    """What each step of the opening script sends. Raises `FeedError`, and what the user's callables raise."""
    said = []
    for step in feed.opening:
        value = step.send() if callable(step.send) else step.send
        items = () if value is None else tuple(value) if isinstance(value, (list, tuple)) else (value,)
        said.append([payload("opening", item) for item in items])
    return said


def _request(feed: Feed, item: Any, topics: tuple[Any, ...]) -> Payload:
    made = payload("subscribe", item)
    acks = feed.acks
    if acks is None or acks.by != "id":
        return made._replace(topics=topics)
    where = acks.sent if acks.sent is not None else acks.id
    try:
        ident = getter(where, attributes=None)(item)
    except MISSING:
        raise FeedError("acks", named(where), "what subscribe says has no such place; say where its id stands: sent=") from None
    return made._replace(topics=topics, ident=ident)


class Opened:
    """An attempt succeeded. Owned by: whoever takes it from the inbox."""

    def __init__(
        self,
        line: int,
        epoch: int,
        connection: transport.Connection,
        said: list[Payload],
        opening: Sequence[Sequence[Payload]] = (),
    ) -> None:
        self.line = line
        self.epoch = epoch
        self.connection = connection
        self.said = said
        self.opening = opening


class Spoke:
    """The user's callables said what to send to leave topics, and to subscribe to them."""

    def __init__(self, line: int, epoch: int, left: list[Payload], asked: list[Payload]) -> None:
        self.line = line
        self.epoch = epoch
        self.left = left
        self.asked = asked


class Unspoken:
    """The user's callables did not say what to send for these topics."""

    def __init__(self, line: int, epoch: int, topics: Sequence[Any], reason: str) -> None:
        self.line = line
        self.epoch = epoch
        self.topics = topics
        self.reason = reason


Outcome = Union["Opened", "Refused", Spoke, Unspoken]


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
            self._hand_over(self._work())
        finally:
            self._ended.set()

    def _hand_over(self, outcome: Outcome) -> None:
        with self._lock:
            if not self._abandoned:
                self._post(outcome)
                return
        if isinstance(outcome, Opened):
            outcome.connection.close()

    def _enter(self) -> Endpoint:
        """Where to dial, once there is room in the budget of that host; only the answer names the host, so it is asked first.

        Asked once more after a long wait: then it is as new as can be. If it names another host now, that one counts, too.
        """
        endpoint = self._feed.where()
        while turnstile.enter(endpoint.url, self._feed.dial_budget, cancelled=lambda: self._abandoned) > turnstile.FRESH:
            before, endpoint = endpoint, self._feed.where()
            if turnstile.host_of(before.url) == turnstile.host_of(endpoint.url):
                break
        return endpoint

    def _redirected(self, home: str, confidential: bool, url: str, patience: float) -> None:
        """A redirect is a dial of the host that it leads to. What is said on a line may be for the user's own host only."""
        there = urlsplit(url)
        if confidential and not upgrade.same_host(urlsplit(home), there):
            raise DialError(_NOT_THERE.format(there.netloc), severity=Severity.FATAL)
        turnstile.enter(url, self._feed.dial_budget, cancelled=lambda: self._abandoned, patience=patience)

    def _work(self) -> Outcome:
        doing = "headers" if callable(self._feed.headers) else "endpoint"  # one of them, as only a plain URL has such headers
        try:
            endpoint = self._enter()
            doing = "subscribe"  # after that wait: a signature may be good for seconds only
            said = subscription(self._feed, self._topics)
            doing = "opening"
            opening = steps(self._feed)
            doing = "the dial"
            confidential = any(opening) or any(stands_in(payload.data) for payload in said)
            connection = transport.dial(
                endpoint,
                timeout=self._feed.dial_timeout,
                cancelled=lambda: self._abandoned,
                before_redirect=functools.partial(self._redirected, endpoint.url, confidential),
            )
        except DialError as error:
            return Refused(self.line, self.epoch, error)
        except FeedError as error:  # what a callable returned cannot be dialled or sent, and will not be next time
            return Refused(self.line, self.epoch, _because(error, str(error), Severity.FATAL, CallableError, cause="callable"))
        except BaseException as error:  # the user's callables, evaluated here for every attempt
            # A token server may be away, which is an OSError; any other error is a mistake. Not its text: it may hold a token.
            away = isinstance(error, OSError)
            severity, kind = (Severity.RETRY, DialError) if away else (Severity.FATAL, CallableError)
            text = f"{doing}: raised {type(error).__name__}"
            return Refused(self.line, self.epoch, _because(error, text, severity, kind, cause="callable"))
        return Opened(self.line, self.epoch, connection, said, opening)


class Speech(Attempt):
    """Owned by: its thread. Others may call: start(), abandon(), join(). Asks the user's callables while a line is open."""

    def __init__(
        self, feed: Feed, line: int, epoch: int, leave: Sequence[Any], ask: Sequence[Any], post: Callable[[Any], None]
    ) -> None:
        super().__init__(feed, line, epoch, ask, post)
        self._leave = leave

    def _work(self) -> Outcome:
        try:
            left = leaving(self._feed, self._leave) if self._leave else []
            return Spoke(self.line, self.epoch, left, subscription(self._feed, self._topics))
        except FeedError as error:
            return Unspoken(self.line, self.epoch, self._topics, str(error))
        except BaseException as error:  # not its text: it may hold a token
            return Unspoken(self.line, self.epoch, self._topics, f"subscribe: raised {type(error).__name__}")


class Dialers:
    """Owned by: the reader thread. Others may call: join()."""

    def __init__(self, feed: Feed, post: Callable[[Any], None]) -> None:
        self._feed = feed
        self._post = post
        self._running: list[Attempt] = []  # whose threads may still be alive; replaced, never changed, so that others can look

    def dial(self, line: int, epoch: int, topics: Sequence[Any]) -> None:
        """Begin an attempt; it posts `Opened` or `Refused`."""
        try:
            self._start(Attempt(self._feed, line, epoch, topics, self._post))
        except RuntimeError as error:
            self._post(Refused(line, epoch, _because(error, f"no thread for the attempt: {error}", Severity.RETRY)))

    def call(self, line: int, epoch: int, leave: Sequence[Any], ask: Sequence[Any]) -> None:
        """Ask the user's callables what to say; posts `Spoke` or `Unspoken`."""
        try:
            self._start(Speech(self._feed, line, epoch, leave, ask, self._post))
        except RuntimeError as error:
            self._post(Unspoken(line, epoch, ask, f"no thread to ask for what to send: {error}"))

    def _start(self, attempt: Attempt) -> None:
        """Raises `RuntimeError` if the system, or an interpreter on its way out, gives no more threads, or too many hang."""
        self._running = [each for each in self._running if not each.join(0.0)]
        if len(self._running) >= LEFT_LIMIT:
            raise RuntimeError(f"{len(self._running)} earlier attempts hang")
        attempt.start()
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


def _because(
    error: BaseException, text: str, severity: Severity, kind: type[DialError] = DialError, *, cause: str = ""
) -> DialError:
    failure = kind(text, severity=severity, cause=cause)
    failure.__cause__ = error
    return failure
