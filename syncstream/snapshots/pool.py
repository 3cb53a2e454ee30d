"""The threads that fetch snapshots: `Snapshots`.

    fetch(key, epoch)  →  a thread asks the venue, once  →  post(Fetched(key, epoch, position, state | error, seconds))

Runs `concurrency` threads at most, started when they are needed. They are daemons and of no executor: interpreter exit waits
for none of them. One more watches their deadlines: what no socket time-out bounds (name lookup, many dead addresses, a callable
that hangs) is answered by it, the thread that hangs is left behind, and another one takes its place.

Not here: how a request is made (client.py), and whether it is made again (the engine).
"""

from __future__ import annotations

import collections
import importlib.metadata
import threading
import time
from typing import Any, Callable, Optional

import msgspec

from ..errors import FetchError, Severity
from ..feed import Rest
from ..logs import logger
from .client import Client
from .source import Source, short

_log = logger("syncstream.snapshots")

_TIMEOUT_LIMIT = 86400.0  # the system takes no endless number
_GRACE = 0.25  # so long past the deadline a thread may still answer for itself
_LOST_LIMIT = 16  # so many threads may hang at once before new requests are refused


class Fetched(msgspec.Struct, frozen=True):
    """The answer to one `fetch`: `state` (the decoded body) at `position`, or `error`. `seconds` is what the request took,
    `size` the bytes of the body, inflated."""

    key: Any
    epoch: int
    position: Any = None
    state: Any = None
    error: Optional[FetchError] = None
    seconds: float = 0.0
    size: int = 0


class Snapshots:
    """Owned by: its maker (the reader). Others may call: nothing. Its threads own their session and the request in hand.

    Every `fetch` is answered by one `post`, unless `stop` comes first. `post` is called on these threads (on the caller's own
    only when no thread can be had) and must not block. One that has begun when `stop` is called may still come through.
    `user_agent` goes with each request, by default `syncstream/<version>`; `name` begins the names of the threads.
    """

    def __init__(
        self,
        rest: Rest,
        post: Callable[[Fetched], None],
        *,
        user_agent: Optional[str] = None,
        name: str = "syncstream-snapshot",
    ) -> None:
        self._source = Source(rest)
        self._concurrency = rest.concurrency
        self._timeout = min(rest.timeout, _TIMEOUT_LIMIT)
        self._post = post
        self._user_agent = user_agent or default_user_agent()
        self._name = name
        # The lock guards all that follows. Under it threads are started, but nothing is posted, logged, read or written.
        self._lock = threading.Lock()
        self._work = threading.Condition(self._lock)  # there is a request to take, or stopped
        self._due = threading.Condition(self._lock)  # there is a deadline to watch, or stopped
        self._waiting: collections.deque[_Job] = collections.deque()
        self._running: list[_Job] = []  # in the order of their deadlines, as all have the same time
        self._clients: list[Client] = []
        self._threads: list[threading.Thread] = []
        self._watched = False
        self._started = 0
        self._serving = 0  # threads that take requests; those that hang are in `_lost` instead
        self._idle = 0
        self._lost = 0
        self._stopped = False

    def fetch(self, key: Any, epoch: int) -> None:
        """Ask for one snapshot. Never blocks. Does nothing after `stop`."""
        with self._lock:
            if self._stopped:
                return
            self._waiting.append(_Job(key, epoch))
            self._work.notify()
        self._grow()

    def stop(self) -> None:
        """No new requests, no more answers. Never blocks: what waits is dropped, what is being read is cut off."""
        with self._lock:
            self._stopped = True
            self._waiting.clear()
            self._work.notify_all()
            self._due.notify_all()
            clients = list(self._clients)
        for client in clients:
            client.abort()

    def join(self, timeout: float) -> list[str]:
        """Wait up to `timeout` seconds for the threads to end, after `stop`. Returns the names of those that have not."""
        deadline = time.monotonic() + timeout
        with self._lock:
            threads = list(self._threads)
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return [thread.name for thread in threads if thread.is_alive()]

    def _grow(self) -> None:
        """Start a thread if a request has none to wait for. If no thread can be had at all, refuse all that wait."""
        refused: list[_Job] = []
        why = f"{_LOST_LIMIT} earlier requests hang"
        with self._lock:
            if self._stopped or len(self._waiting) <= self._idle:
                return
            if self._serving < self._concurrency and self._lost < _LOST_LIMIT:
                try:
                    self._start_one()
                except RuntimeError as error:  # the system, or an interpreter on its way out, gives no more threads
                    why = str(error)
            if not self._serving:
                refused = list(self._waiting)
                self._waiting.clear()
        for job in refused:
            self._tell(Fetched(job.key, job.epoch, error=FetchError(f"snapshot of {short(job.key)}: no thread for it: {why}")))

    def _start_one(self) -> None:
        if not self._watched:
            self._start(self._watch, "watch")
            self._watched = True
        self._start(self._serve, str(self._started + 1))
        self._started += 1
        self._serving += 1

    def _start(self, target: Callable[[], None], suffix: str) -> None:
        thread = threading.Thread(target=target, name=f"{self._name}-{suffix}", daemon=True)
        thread.start()
        self._threads = [*(old for old in self._threads if old.is_alive()), thread]

    def _serve(self) -> None:
        """A thread: requests, one after the other, until stopped or given up for lost."""
        client = Client(self._source, self._timeout, self._user_agent)
        with self._lock:
            self._clients.append(client)
        try:
            while True:
                job = self._take()
                if job is None:
                    return
                answer = _ask(client, job)
                if not self._finish(job):
                    return
                self._tell(answer)
        finally:
            client.close()
            with self._lock:
                self._clients.remove(client)

    def _take(self) -> Optional[_Job]:
        with self._lock:
            self._idle += 1
            while not self._waiting and not self._stopped:
                self._work.wait()
            self._idle -= 1
            if self._stopped:
                return None
            job = self._waiting.popleft()
            job.due_at = time.monotonic() + self._timeout + _GRACE
            self._running.append(job)
            if len(self._running) == 1:
                self._due.notify()
            return job

    def _finish(self, job: _Job) -> bool:
        """Whether the answer still counts, and the thread may go on."""
        with self._lock:
            if job not in self._running:
                self._lost -= 1
                return False
            self._running.remove(job)
            return not self._stopped

    def _watch(self) -> None:
        """A thread: answers for the threads that hang past their deadline."""
        while True:
            with self._lock:
                while not self._stopped and not (self._running and self._running[0].due_at <= time.monotonic()):
                    self._due.wait(self._running[0].due_at - time.monotonic() if self._running else None)
                if self._stopped:
                    return
                job = self._running.pop(0)
                self._serving -= 1
                self._lost += 1
            text = f"snapshot of {short(job.key)}: no answer within {self._timeout:g} s, and the request hangs"
            _log.warning("%s; it is left behind", text)
            self._tell(Fetched(job.key, job.epoch, error=FetchError(text), seconds=self._timeout + _GRACE))
            self._grow()

    def _tell(self, answer: Fetched) -> None:
        try:
            self._post(answer)
        except BaseException:  # whatever it is, the next request must be served
            _log.exception("the snapshot of %s could not be handed over", short(answer.key))


class _Job:
    """Owned by: whoever holds the lock of `Snapshots`."""

    __slots__ = ("due_at", "epoch", "key")

    def __init__(self, key: Any, epoch: int) -> None:
        self.key = key
        self.epoch = epoch
        self.due_at = 0.0


def _ask(client: Client, job: _Job) -> Fetched:
    started_at = time.monotonic()
    position = state = None
    error: Optional[FetchError] = None
    try:
        position, state = client.get(job.key)
    except FetchError as failure:
        error = failure.with_traceback(None)  # the frames would keep the body alive; a cause keeps its own
    except BaseException as surprise:  # also a sys.exit() in a callable: it must not end this thread unheard
        _log.exception("snapshot of %s: unexpected failure", short(job.key))
        error = FetchError(f"snapshot of {short(job.key)}: unexpected {type(surprise).__name__}", severity=Severity.FATAL)
        error.__cause__ = surprise
    return Fetched(job.key, job.epoch, position, state, error, time.monotonic() - started_at, client.size)


def default_user_agent() -> str:
    """What the library calls itself."""
    try:
        return f"syncstream/{importlib.metadata.version('syncstream')}"
    except importlib.metadata.PackageNotFoundError:  # run from a source tree
        return "syncstream/0"
