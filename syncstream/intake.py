"""What comes over a line on its way into the engine: one read, or, while little comes, one after the other. Reader thread.

At some thousand messages a second each comes alone, and what a turn of the reader does is what a message costs. So while the only
line brings little, all of it plain, and nothing else happens, a turn is a wait, a read and a hand-over (`calm`). Whatever is not
so ends it, and is found by the reader's next turn.

Where messages follow each other too closely for that, what comes within `coalesce` is read together: each waits so long at most,
and reading takes a fraction of the processor's time. Network cards do the same, for the same reason.

Not here: what to do with it (the engine), what becomes of it (`handover.py`), when to read (`reader.py`).
"""

from __future__ import annotations

from typing import Callable, Optional

from . import clock
from .core.engine import Engine
from .core.fast_path import FastPath
from .delivery import Delivery
from .handover import Handover
from .link import Link

READ_SIZE = 128 * 1024  # with half of it a turn is so short that who wakes whom costs a tenth; with twice no less
SMALL_SIZE = 12  # bytes of a message, before any has come: hardly any is shorter
PACKED_READ_SIZE = 8 * 1024  # where messages may be compressed: a turn holds what they inflate to, 1,000 times as much at most
MORE_SIZE = 4 * 1024  # a read of less has emptied the socket, nearly always: the selector is asked before the next one
_CLOSELY = 100e-6  # seconds from one message to the next
_STEADILY = 64  # reads of messages that follow each other so closely: no mere burst
_READY = 4  # descriptors to be told of at once: one line, and the waker

Wait = Callable[[float, int], "list[tuple[int, int]]"]
"""Seconds, and so many, at most: the descriptors that something can be done with, each with what."""


class Intake:
    """Owned by: reader thread. Others may read: `heard_at`."""

    def __init__(
        self, engine: Engine, handover: Handover, delivery: Delivery, wait: Wait, *, transforms: bool, coalesce: float
    ) -> None:
        """`transforms`: messages may be compressed in a way of the feed's own."""
        self.heard_at: Optional[float] = None  # when the last bytes came
        self._engine = engine
        self._handover = handover
        self._delivery = delivery
        self._wait = wait
        self._transforms = transforms
        self._coalesce = coalesce
        self._mean_size: float = SMALL_SIZE  # of the messages of the last read that brought some
        # A clock that steps by more shows no such rate: all that comes within a step would seem to come closely.
        self._closely = _CLOSELY if coalesce and clock.RESOLUTION < _CLOSELY else 0.0

    def read(self, link: Link, now: float) -> bool:
        """Read once, and have the engine hear it. False: something may be due sooner for that, or is to be done."""
        link.more = False
        try:
            data = link.receive(self._size(link))
        except OSError as error:
            return self._lost(link, f"the connection broke: {error}", now)
        if not data:
            return self._empty(link, data, now)
        # After a failed send it is only a read of nothing that shows the end; the selector would tell of no such thing.
        link.more = len(data) >= MORE_SIZE or link.connection.pending() > 0 or link.failed is not None
        self.heard_at = now
        before = self._engine.keys.messages
        plain = self._engine.batch(link.line, link.epoch, data, now)
        count = self._engine.keys.messages - before
        if count:
            self._mean_size = len(data) / count
        return plain

    def calm(self, link: Link, until: float) -> bool:
        """Read what comes until then, and hand it over, as long as all is plain. Returns as `read`."""
        path = self._engine.fast_path(link.line, link.epoch)
        try:
            return self._calm(link, path, until)
        finally:
            path.settle()

    def _calm(self, link: Link, path: FastPath, until: float) -> bool:
        connection, fileno, size = link.connection, link.connection.fileno(), self._size(link)
        receive, put, wait, clock_now = connection.receive, self._handover.put_plain, self._wait, clock.now
        blind = connection.freezes  # what TLS has read already no selector sees
        read_at, closely = 0.0, 0
        while True:
            if closely >= _STEADILY:
                clock.give_way(self._coalesce)
            now = clock_now()
            if now >= until:
                return True
            ready = wait(until - now, _READY)
            if len(ready) != 1 or ready[0][0] != fileno:
                link.more = fileno in [one for one, _ in ready]
                return True
            try:
                data = receive(size)
            except OSError as error:
                path.settle()
                return self._lost(link, f"the connection broke: {error}", now)
            if not data:
                path.settle()
                return self._empty(link, data, now)
            link.more = len(data) >= MORE_SIZE or (blind and connection.pending() > 0)
            self.heard_at = now = clock_now()
            messages, sizes, at = path(data, now) if len(data) < MORE_SIZE else ([], [], 0)
            count = len(messages)
            if at < len(data) or not put(messages, sizes, now):
                path.settle()
                path.leave(messages, sizes)
                before = self._engine.keys.messages
                plain = at == len(data) or self._engine.batch(link.line, link.epoch, data[at:], now)
                path.look()
                count += self._engine.keys.messages - before
                if self._handover.deliver(now) or not plain:
                    return False
                if self._engine.stirred or self._engine.keys.out or self._delivery.paused:
                    return True
            if link.more or (blind and connection.wants_write):
                return True
            closely = min(closely + 1, _STEADILY) if now - read_at < count * self._closely else 0
            read_at = now

    def _size(self, link: Link) -> int:
        """How much is read at once: what fills half of the queue, at most, if its messages are as those before."""
        packed = self._transforms or link.connection.deflate is not None
        return min(PACKED_READ_SIZE if packed else READ_SIZE, max(MORE_SIZE, int(self._delivery.maxsize / 2 * self._mean_size)))

    def _empty(self, link: Link, data: Optional[bytes], now: float) -> bool:
        """Nothing was read: it would have to wait, or the connection has ended."""
        ended = "" if data is None else "the venue ended the connection without a close frame"
        return not (ended or link.failed is not None) or self._lost(link, ended, now)

    def _lost(self, link: Link, why: str, now: float) -> bool:
        self._engine.lost(link.line, link.epoch, link.failed or why, now)
        return False
