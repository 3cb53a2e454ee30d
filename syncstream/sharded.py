"""`Sharded`: one stream over as many lines as a venue needs for many topics. Any thread may call anything.

The limit of topics a line is the venue's; here topics are shared out, a `Stream` opened for each share, and all of them consumed
as if they were one. A key lives on one line, so what holds for a stream holds for each key: order, healing, `latest`, its book.
Lines dial, reconnect and heal independently; dials to one host are paced by `Feed.dial_budget`, which all streams share.

Not here: taking from several queues (`turns.py`), what one line does (`stream.py`).
"""

from __future__ import annotations

import contextlib
import functools
import os
from collections import deque
from types import TracebackType
from typing import Any, Callable, Hashable, Optional, Sequence

import msgspec

from . import clock
from .consumer import Consumer
from .errors import Empty, FeedError, StreamClosed, StreamFailed, UsageError
from .events import Dropped, Gap, Status
from .feed import Feed
from .inbox import Close
from .joined import BooksOfAll, LatestOfAll, joined
from .stream import Report, Stream
from .turns import Turns
from .views import T

Taken = tuple[Any, Optional[float]]
How = Callable[[Stream[Any]], Taken]

_ABOUT_KEYS = (Gap, Dropped)
_LOOK = 0.05  # seconds; one line is waited for, and all are looked at so often


def share_out(topics: Sequence[Any], per_line: int, key: Optional[Callable[[Any], Hashable]] = None) -> list[list[Any]]:
    """Topics by lines: each topic once, at most `per_line` on one, equally many on each as far as that goes.

    Topics of the same `key` stay together. Raises `FeedError` where these alone are too many.
    """
    groups: dict[Hashable, list[Any]] = {}
    for topic in dict.fromkeys(topics):
        groups.setdefault(topic if key is None else key(topic), []).append(topic)
    lines: list[list[Any]] = [[] for _ in range(-(-sum(map(len, groups.values())) // per_line))]
    for name, group in groups.items():
        if len(group) > per_line:
            raise FeedError("per_line", per_line, f"{name!r} alone has {len(group)} topics")
        room = min(lines, key=len)
        if len(room) + len(group) > per_line:
            room = []
            lines.append(room)
        room += group
    return lines


class Sharded(Consumer[T]):
    """Owned by: the user. Every method may be called from any thread.

        with Sharded(binance.depth, symbols, per_line=200) as stream:
            for message in stream:
                print(stream.books["BTCUSDT"].best())

    `make`: a list of topics → the `Feed` of a line with these and no others. `topics`: what to share out; one given twice counts
    once. `per_line`: how many of them a line may have. `key`: topic → what must not be on two lines, where several topics have
    one key: `lambda topic: topic.split("@")[0]`. `options` are those of `Stream`, for each line: `queue_size` bounds each of
    them. (What a feed bounds is for each line, too: with `Rest(concurrency=4)` eight lines may fetch 32 snapshots at once.)
    `Sharded[Trade](...)` tells a type checker what the messages are.

    It is consumed like a `Stream`: `for`, `events()`, `messages()`, `stamped()`, `get`, `get_many`; each line has its turn. What
    is about every key of one line (a `Gap` after a reconnect where nothing is numbered) comes once for each of its keys, so
    `key=None` never says more than is true. A failure of any line is raised as that of a stream is, once what the line held has
    been taken; the others go on until `close`. Topics are fixed. Callbacks, `send` and `stats` are those of each of `streams`.

    Raises `FeedError` for topics or options that cannot work, and what `make` raises, before any line is dialled.
    """

    def __init__(
        self,
        make: Callable[[list[Any]], Feed],
        topics: Sequence[Hashable],
        *,
        per_line: int,
        key: Optional[Callable[[Any], Hashable]] = None,
        name: str = "",
        **options: Any,
    ) -> None:
        if isinstance(topics, (str, bytes)) or not topics:
            raise FeedError("topics", topics, "expected a list of topics, at least one")
        if type(per_line) is not int or per_line < 1:
            raise FeedError("per_line", per_line, "a whole number of topics, at least 1")
        feeds = [make(share) for share in share_out(topics, per_line, key)]
        streams: list[Stream[T]] = []
        try:
            for number, feed in enumerate(feeds, start=1):
                streams.append(Stream(feed, name=name and f"{name} {number}", **options))
        except BaseException:
            for stream in streams:
                stream.close(timeout=0.0)
            raise
        self.name = name
        self.streams: tuple[Stream[T], ...] = tuple(streams)
        self._pid = os.getpid()
        self._raised = False
        self._delivery = _Outlet(self.streams)

    @property
    def latest(self) -> LatestOfAll[T]:
        """As `Stream.latest`, of all lines: `stream.latest["ABC"]`, `stream.latest()`, `stream.latest.live("ABC")`."""
        return LatestOfAll([stream.latest for stream in self.streams])

    @property
    def books(self) -> BooksOfAll:
        """As `Stream.books`, of all lines."""
        return BooksOfAll([stream.books for stream in self.streams])

    @property
    def status(self) -> Status:
        """All lines as one: their `keys` and `topics`, sums, and `state`, `lag`, `silence`, `high_water` of the worst."""
        return joined([stream.status for stream in self.streams])

    def wait_live(self, timeout: float = 30.0) -> list[Any]:
        """As `Stream.wait_live`: the topics or keys of all lines that did not come. Raises the failure of any of them at once."""
        deadline = clock.now() + timeout
        while True:
            missing = [(stream, stream.wait_live(0.0)) for stream in self.streams]
            waiting = [stream for stream, topics in missing if topics]
            left = deadline - clock.now()
            if not waiting or left <= 0:
                return [topic for _, topics in missing for topic in topics]
            waiting[0].wait_live(min(_LOOK, left))

    def join(self, timeout: Optional[float] = None) -> bool:
        """Wait until all lines have ended. False when the time is over first. Raises the failure of any of them at once."""
        deadline = None if timeout is None else clock.now() + timeout
        while True:
            running = [stream for stream in self.streams if not stream.join(0)]
            left = None if deadline is None else deadline - clock.now()
            if not running or (left is not None and left <= 0):
                return not running
            running[0].join(_LOOK if left is None else min(_LOOK, left))

    @property
    def closed(self) -> bool:
        """Whether all lines are over, closed or failed."""
        return all(stream.closed for stream in self.streams)

    def close(self, timeout: float = 5.0, *, drain: bool = False) -> Report:
        """End all lines within `timeout` seconds together, as `Stream.close` ends one. What all of them found."""
        if os.getpid() != self._pid:
            return Report()
        deadline = clock.now() + timeout
        for stream in self.streams:
            stream._reader.post(Close())  # all say goodbye at the same time
        reports = [stream.close(max(0.0, deadline - clock.now()), drain=drain) for stream in self.streams]
        return Report(
            delivered=sum(report.delivered for report in reports),
            discarded=sum(report.discarded for report in reports),
            threads=tuple(name for report in reports for name in report.threads),
        )

    def __enter__(self) -> Sharded[T]:
        return self

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], traceback: Optional[TracebackType]
    ) -> None:
        """Close. If no call has raised a failure yet, one is raised here, but never over the body's own exception."""
        self.close()
        told = self._raised or any(stream._raised for stream in self.streams)
        for stream in self.streams if error is None and not told and os.getpid() == self._pid else ():
            stream._raise_failure()

    def __repr__(self) -> str:
        if os.getpid() != self._pid:
            return f"<Sharded {self.name} of another process>"
        status = self.status
        shown = self.name or self.streams[0]._shown
        lines = f"{status.lines} of {len(self.streams)} lines"
        return f"<Sharded {shown} {status.state}: {lines}, {len(status.keys)} keys, {status.queued} queued>"

    def _may_consume(self) -> None:
        self.streams[0]._check_process()  # whether its callbacks run, a line is asked when its turn comes


class _Outlet:
    """Owned by: `Sharded`. What a `Consumer` takes from: the queues of all lines."""

    def __init__(self, streams: Sequence[Stream[Any]]) -> None:
        self._streams = streams
        self._turns = Turns(streams)
        self._more: deque[Taken] = deque()  # one marker for each key, all but the first

    def use(self, view: str) -> None:
        self._turns.use(view)

    def wall_ns(self, at: float) -> int:
        return self._streams[0]._delivery.wall_ns(at)

    def get(self, *, timeout: Optional[float] = None) -> Any:
        return self._one(_item, timeout)[0]

    def get_with_moment(self, timeout: Optional[float] = None) -> Taken:
        return self._one(_stamped, timeout)

    def get_many(self, max_items: int = 1000, timeout: Optional[float] = None) -> list[Any]:
        """As `Delivery.get_many`: what each line has, some of each in its turn."""
        if type(max_items) is not int or max_items < 1:
            raise FeedError("max_items", max_items, "a whole number of items, at least 1")
        share = -(-max_items // len(self._streams))
        found = [item for item, _ in self._left(max_items)]
        while len(found) < max_items:
            some = functools.partial(_some, most=min(share, max_items - len(found)))
            try:
                stream, items = self._turns.take(some, 0 if found else timeout)
            except Empty:
                break
            except (StreamClosed, StreamFailed, UsageError):
                if found:
                    break  # the next call raises it
                raise
            for item in items:
                found += _apart(stream, item)
        self._more.extendleft((item, None) for item in reversed(found[max_items:]))
        return found[:max_items]

    def _one(self, how: How, timeout: Optional[float]) -> Taken:
        deadline = None if timeout is None else clock.now() + timeout
        while True:
            if self._more and (left := self._left(1)):
                return left[0]
            stream, taken = self._turns.take(how, None if deadline is None else deadline - clock.now())
            if not isinstance(taken[0], _ABOUT_KEYS):
                return taken
            self._more.extend((one, taken[1]) for one in _apart(stream, taken[0]))

    def _left(self, most: int) -> list[Taken]:
        """Markers that were set apart; other consumers may take them at the same time."""
        found: list[Taken] = []
        with contextlib.suppress(IndexError):
            while len(found) < most:
                found.append(self._more.popleft())
        return found


def _item(stream: Stream[Any]) -> Taken:
    stream._may_consume()
    return stream._delivery.get(timeout=0), None


def _stamped(stream: Stream[Any]) -> Taken:
    stream._may_consume()
    return stream._delivery.get_with_moment(0)


def _some(stream: Stream[Any], most: int) -> list[Any]:
    stream._may_consume()
    items = stream._delivery.get_many(most, 0)
    if not items:
        raise Empty("nothing is queued")
    return items


def _apart(stream: Stream[Any], item: Any) -> Sequence[Any]:
    """A marker about all that this line has, as markers of its keys. No other line has lost anything."""
    if not isinstance(item, _ABOUT_KEYS) or item.key is not None or stream.feed.key is None:
        return (item,)
    return [msgspec.structs.replace(item, key=key) for key in stream.latest()]
