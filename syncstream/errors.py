"""Everything this library raises.

    SyncstreamError
    ├── FeedError (ValueError)              what the user said about a venue cannot work
    ├── UsageError (RuntimeError)           a call that does not fit: mixed views, `get` beside `run`, a fork
    ├── Empty (TimeoutError, queue.Empty)   nothing came within the time-out of a wait; the stream goes on
    ├── StreamClosed (queue.ShutDown)       the stream was closed and what it held has been taken
    ├── NotConnected (ConnectionError)      no line is open, or it was busy for too long; nothing was sent
    ├── SendUnknown (ConnectionError)       the line was lost in mid-send; the venue may have it or not
    └── StreamFailed                        the stream ended for good; raised by every later wait
        ├── ConnectFailed (ConnectionError)     no line could be had, and trying again is pointless or over
        ├── SubscribeFailed                     every subscription was refused, and nothing ever came
        ├── FeedFailed                          a callable of the feed raised, or returned what cannot work
        ├── Overflow                            the consumer fell behind further than the queue is long
        ├── SnapshotFailed                      the snapshot source never gave a usable answer
        ├── DataFailed                          what the venue sends does not fit the feed
        └── HandlerFailed                       a callback raised; the original is its `__cause__`

`FeedError`, `UsageError`, `FeedFailed` and `HandlerFailed` are the user's side; the rest is the world's. `Empty`, `NotConnected`
and `SendUnknown` answer one call; a `StreamFailed` is final. `queue.ShutDown` is a base only where Python has it (3.13).

Three that are not raised to users, but are the reason inside other things: `DialError` (why one connection attempt failed,
with its class: retry, slow or fatal), `CallableError` (the same where it was a callable of the feed) and `FetchError` (the same
for one snapshot request).
"""

from __future__ import annotations

import enum
import queue
from typing import TYPE_CHECKING, Any, Optional

from .secret import scrub

if TYPE_CHECKING:

    class _ShutDown(Exception):
        """Stands for queue.ShutDown, which Python has from 3.13."""

else:
    _ShutDown = getattr(queue, "ShutDown", Exception)


class SyncstreamError(Exception):
    """The root of all errors raised by this library. Its text shows no `Secret`."""

    def __init__(self, *args: object) -> None:
        super().__init__(*(scrub(one) if isinstance(one, str) else one for one in args))


class FeedError(SyncstreamError, ValueError):
    """A feed, a policy or an argument that cannot work. Names the field and the value.

    `field` is the name as the user wrote it (`"snapshot"`), `value` what was given.
    """

    def __init__(self, field: str, value: object, why: str) -> None:
        self.field = field
        self.value = value
        self.why = why
        super().__init__(f"{field}={_short(value)}: {why}")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.field, self.value, self.why)  # else it cannot be restored from a pickle


class UsageError(SyncstreamError, RuntimeError):
    """A call that does not fit what the stream is doing."""


class Empty(SyncstreamError, TimeoutError, queue.Empty):
    """Nothing came in time. The stream goes on; ask again."""


class StreamClosed(SyncstreamError, _ShutDown):
    """The stream is closed and everything it held has been taken."""


class NotConnected(SyncstreamError, ConnectionError):
    """There is no open line to send on, or it was busy until the time was over. Nothing was sent."""


class SendUnknown(SyncstreamError, ConnectionError):
    """The line was lost while the bytes were leaving. The venue may have the message or not; it is never sent again."""


class StreamFailed(SyncstreamError):
    """The stream ended for good. Raised from the next wait, and from every one after it."""


class ConnectFailed(StreamFailed, ConnectionError):
    """No line could be had: the failure is of a kind that waiting does not mend, or the time for it is over.

    `code`: the close code that ended the last one, as in `Disconnected`; `None` if there was none, or if the last attempt failed.
    """

    code: Optional[int] = None


class SubscribeFailed(StreamFailed):
    """The venue refused, or never acknowledged, everything that was asked for, and nothing ever came."""


class FeedFailed(StreamFailed):
    """A callable of the feed (`endpoint`, `subscribe`) made a mistake before the first line was open: see its `__cause__`.

    What it raises as an `OSError` is none: a token server may be away.
    """


class Overflow(StreamFailed):
    """The consumer fell behind further than the queue is long (policy `raise`, or `block` past its limit)."""


class SnapshotFailed(StreamFailed):
    """The snapshot source has never given a usable answer: a wrong URL, a refusal, HTML, a missing position."""


class DataFailed(StreamFailed):
    """What the venue sends does not fit the feed: no message has the key, or more keys than `max_keys`."""


class HandlerFailed(StreamFailed):
    """A callback raised. The original exception is the `__cause__`, with its traceback."""


class Severity(enum.Enum):
    """What to do after one failed attempt."""

    RETRY = "retry"  # normal back-off
    SLOW = "slow"  # waiting is unlikely to help: the longest wait of the policy each time
    FATAL = "fatal"  # pointless, as long as it never worked before; SLOW once it has


class DialError(SyncstreamError):
    """One attempt to open a line failed. `retry_after` is in seconds, as the venue asked; `status` an HTTP status.

    Or a line that was open was lost: `code` is the close code then, as in `events.Disconnected`. `cause` is one word for what
    failed: see the table in `core.failures`.
    """

    def __init__(
        self,
        message: str,
        *,
        severity: Severity = Severity.RETRY,
        status: Optional[int] = None,
        retry_after: Optional[float] = None,
        cause: str = "",
        code: Optional[int] = None,
    ) -> None:
        super().__init__(message)
        self.severity = severity
        self.status = status
        self.retry_after = retry_after
        self.cause = cause
        self.code = code


class CallableError(DialError):
    """An attempt failed because a callable of the feed raised, or because of what it returned."""


class FetchError(SyncstreamError):
    """One snapshot request failed. The fields mean what they mean in `DialError`."""

    def __init__(
        self,
        message: str,
        *,
        severity: Severity = Severity.RETRY,
        status: Optional[int] = None,
        retry_after: Optional[float] = None,
    ) -> None:
        super().__init__(message)
        self.severity = severity
        self.status = status
        self.retry_after = retry_after


def _short(value: Any) -> str:
    text = scrub(repr(value))  # before it is cut
    return text if len(text) <= 200 else text[:197] + "..."
