"""The thread that drives the engine: one selector over the lines and the wake pipe.

It is the only one that reads, sends, pings and closes connections. A turn reads at most 128 KiB a line (8 KiB where messages
may be compressed: by permessage-deflate, or in a way that the feed's `transform` undoes; less for a short queue), parses all of
it before an end of the stream counts, then takes the inbox, the deadlines and the sends. A send that failed counts only when all
that had come by then is read. Under load a line is read without asking the selector first; that is asked only when the socket
would block.

Not here: decisions (the engine), what goes to the consumers (`handover.py`), user code (the dialer, the workers), waiting for
anything but the selector.
"""

from __future__ import annotations

import contextlib
import math
import queue
import random
import selectors
import threading
from typing import Any, Optional

from . import clock, poll
from .books import Shelf
from .core.engine import Abandon, Call, Dial, Engine, Hangup, Payload, Send
from .core.keys import Fetch
from .core.rules import Scope
from .delivery import Delivery
from .dialer import Dialers, Opened, Refused, Spoke, Unspoken
from .errors import NotConnected, StreamFailed
from .events import Status
from .feed import Feed, Rest
from .handover import Handover
from .inbox import Fail, Show, Tell, Transmit, Want, Withdraw
from .intake import Intake
from .link import Link, Ticket
from .logs import logger
from .snapshots import Fetched, Snapshots
from .wake import Waker
from .watch import watched

_log = logger("syncstream.reader")

_SELECT_EVERY = 16  # turns without the selector, at most, while there is always more to read
_LONGEST_WAIT = 3600.0  # seconds; the system takes no endless number
_PICTURE_EVERY = 0.1
_PICTURE_WITHIN = 1.0  # seconds that somebody waits for it
_CLOCK_EVERY = 1.0
_FETCHER = "syncstream-snapshot"  # how the names of the threads that fetch begin
_PICTURE_SHARE = 50e-6  # seconds between two for each key in them: at most a few per cent of the reader's time


class Reader:
    """Owned by: its own thread, `syncstream-reader`. Others may call: start(), post(), transmit(), status, join()."""

    def __init__(self, feed: Feed, delivery: Delivery, waker: Waker, *, coalesce: float = 0.0) -> None:
        """`coalesce`: seconds that a message may wait for others that follow it closely."""
        self._picture = Status()
        self.ended = threading.Event()
        self._delivery = delivery
        self._waker = waker
        self._inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.engine = Engine(
            feed.rules(watched),
            random=random.random,
            wall_ns=clock.wall_offset(),
            topics=feed.topics,
            topic_key=feed.topic_key or (lambda topic: topic),
            sized=delivery.bounds_bytes,
        )
        self.shelf = _shelf(feed, self.engine)
        self._selector = selectors.DefaultSelector()
        self._links: dict[int, Link] = {}
        self._handover = Handover(self.engine, delivery, self.shelf, feed.sent_ns(watched))
        self.journeys = self._handover.journeys
        self._dialers = Dialers(feed, self.post)
        self._snapshots = Snapshots(feed.snapshot, self.post, name=_FETCHER) if isinstance(feed.snapshot, Rest) else None
        self._max_pings = feed.max_pings
        self._poll = poll.of(self._selector)
        self._intake = Intake(
            self.engine, self._handover, delivery, self._poll.wait, transforms=feed.transform is not None, coalesce=coalesce
        )
        self._paused = False
        self._warned = False  # that TLS does not check all it could
        self._blind_turns = 0
        self._due_at = math.inf  # when the engine has something to do: not later than that, but perhaps it has been put off
        self._moved = True  # that may have become sooner
        self._picture_at = -math.inf  # when another may be taken
        self._taking = False  # one is being taken: a callable of the feed that asks meanwhile gets the last one
        self._clock_at = 0.0  # when to compare the clocks again
        self._thread = threading.Thread(target=self._run, name="syncstream-reader", daemon=True)

    # ---------------------------------------------------------------- any thread

    def start(self) -> None:
        """Raises `RuntimeError` if no thread can be had."""
        try:
            self._thread.start()
        except BaseException:
            self.ended.set()
            raise

    def post(self, item: Any) -> None:
        """Leave something in the inbox. Takes no lock that a finalizer could deadlock on."""
        self._inbox.put(item)
        self._waker.wake()

    def transmit(self, frame: bytes, ticket: Ticket, payload: Optional[Payload] = None) -> None:
        """Send a user's message. The ticket will be settled, whatever becomes of the line and the stream."""
        self.post(Transmit(frame, ticket, payload))
        if self.ended.is_set():  # it may have come too late to be found
            self._refuse_inbox()

    @property
    def status(self) -> Status:
        """How the stream is, or was a tenth of a second ago. It is asked for: taking a picture of many keys holds up what comes.

        Waits for it, a second at most: where a callable of the feed holds up the reader for longer, the last one is older.
        """
        if clock.now() < self._picture_at or not self._thread.is_alive():
            return self._picture
        if self.inside:
            if not self._taking:
                self._take_picture(clock.now())
            return self._picture
        asked = threading.Event()
        self.post(Show(asked))
        if self.ended.is_set():
            self._refuse_inbox()
        clock.wait_event(asked, _PICTURE_WITHIN)
        return self._picture

    @property
    def heard_at(self) -> Optional[float]:
        """When the last bytes came."""
        return self._intake.heard_at

    @property
    def inside(self) -> bool:
        """Whether the caller is the reader itself: a callable of the feed. It must not wait for anything."""
        return threading.current_thread() is self._thread  # not by its number: another thread gets that when this one has ended

    def join(self, timeout: float) -> list[str]:
        """Wait until all threads have ended, but the caller's own; the names of those that have not."""
        if self.inside:
            return []
        deadline = clock.now() + timeout
        ended = clock.wait_event(self.ended, timeout)  # not by Thread.join: Ctrl-C could not end that on Windows
        if ended:
            self._thread.join()  # only its last instructions
        names = [] if ended else [self._thread.name]
        names += self._dialers.join(max(0.0, deadline - clock.now()))
        if self._snapshots is not None and not threading.current_thread().name.startswith(_FETCHER):
            names += self._snapshots.join(max(0.0, deadline - clock.now()))
        return names

    def leave_to_parent(self) -> None:
        """In the child of a fork: close its copies of the descriptors. The parent goes on with its own."""
        self._delivery.leave()  # an iterator takes from it without asking whose it is
        for link in self._links.values():
            link.connection.close()
        self._poll.close()
        self._selector.close()  # nothing is unregistered: the kernel's list is the parent's too
        self._waker.close()

    # ---------------------------------------------------------------- the thread

    def _run(self) -> None:
        try:
            self._selector.register(self._waker, selectors.EVENT_READ, None)
            self.engine.start(clock.now())
            self._act(clock.now())
            while not (self.engine.finished and not self._links):
                self._turn()
        except BaseException as error:  # nothing that happens here may end the stream without a word
            _log.exception("the reader broke")
            failure = StreamFailed(f"the reader broke: {type(error).__name__}: {error}")
            failure.__cause__ = error
            self.engine.fail(failure, clock.now())
        finally:
            self._end()

    def _turn(self) -> None:
        if len(self._links) == 1 and not self._moved and self._inbox.empty():
            self._calm(clock.now())
        self._wait(clock.now())
        now = clock.now()
        if now >= self._clock_at:
            self._compare_clocks(now)
        for link in list(self._links.values()):
            if link.more and not self._paused:
                self._moved = not self._intake.read(link, now) or self._moved
        if not self._inbox.empty():
            self._take_inbox(now)
        if now >= self._due_at:
            self.engine.tick(now)
            self._moved = True
        self._go_on(now)

    def _calm(self, now: float) -> None:
        """Leave the only line to the short way, until something is due, or is there, that is more than that."""
        (link,) = self._links.values()
        self._deliver(now)
        if not link.more and self._quiet(link):
            self._moved = not self._intake.calm(link, min(self._due_at, self._clock_at))

    def _quiet(self, link: Link) -> bool:
        """Whether nothing is to be done now, and only reading is waited for."""
        engine = self.engine
        if link.waiting or self._moved or engine.stirred or engine.keys.out or self._delivery.paused:
            return False
        return link.registered == selectors.EVENT_READ and not link.connection.wants_write

    def _go_on(self, now: float) -> None:
        if self.engine.stirred:
            self._act(now)
        for link in self._links.values():
            if link.waiting:
                self._flush(link, now)

    def _wait(self, now: float) -> None:
        """Hand over what was let through, and wait until something happens or is due; note who may be read.

        What can be done before is done before: who waits for an item is woken when this thread is about to wait itself, and so
        finds the interpreter free. A deadline that plain messages have put off since is found to be no more when it is there.
        """
        if self._moved:
            due_at = self.engine.deadline()
            self._due_at = math.inf if due_at is None else due_at
            self._moved = False
        busy = sends = False
        for link in self._links.values():
            busy, sends = busy or link.more, sends or link.waiting > 0
        busy = busy and not self._paused
        blind = busy and not sends and self._blind_turns < _SELECT_EVERY
        self._blind_turns = self._blind_turns + 1 if blind else 0
        if not blind:
            for link in self._links.values():
                self._watch(link)
        timeout = 0.0 if busy else self._timeout(now)
        self._deliver(now)
        if busy and self._delivery.crowded:
            clock.give_way()  # a reader fills a queue of 10,000 in six milliseconds: so long a consumer may not be let run
        if self.engine.stirred or self._moved:  # by what became of the queue
            self._moved = True
            self._go_on(now)
            timeout = 0.0
        if not blind:
            for key, _ in self._selector.select(timeout):
                if key.data is None:
                    self._waker.drain()
                else:
                    key.data.more = True

    def _watch(self, link: Link) -> None:
        """Have the selector tell what this link waits for."""
        mask = link.events(reading=not self._paused)
        if mask == link.registered:
            return
        if not link.registered:
            self._selector.register(link.connection, mask, link)
        elif mask:
            self._selector.modify(link.connection, mask, link)
        else:
            self._selector.unregister(link.connection)
        link.registered = mask

    def _timeout(self, now: float) -> float:
        if not self._inbox.empty():
            return 0.0
        first = self._due_at
        for deadline in (self._delivery.deadline(), *[link.deadline() for link in self._links.values()]):
            if deadline is not None and deadline < first:
                first = deadline
        return min(max(0.0, first - now), _LONGEST_WAIT)

    def _take_inbox(self, now: float) -> None:
        engine = self.engine
        self._moved = True
        for _ in range(self._inbox.qsize()):
            item = self._inbox.get_nowait()
            if isinstance(item, Fetched):
                self._take_fetched(item, now)
            elif isinstance(item, Opened):
                self._take_opened(item, now)
            elif isinstance(item, Refused):
                engine.refused(item.line, item.epoch, item.error, now)
            elif isinstance(item, Transmit):
                self._transmit(item, now)
            elif isinstance(item, Withdraw):
                self._withdraw(item, now)
            elif isinstance(item, Want):
                (engine.subscribe if item.wanted else engine.unsubscribe)(item.topics, item.payloads, now)
                if self.shelf is not None:
                    self.shelf.prune()
            elif isinstance(item, Spoke):
                engine.spoken(item.line, item.epoch, item.left, item.asked, now)
            elif isinstance(item, Unspoken):
                engine.unspoken(item.line, item.epoch, item.topics, item.reason, now)
            elif isinstance(item, Fail):
                engine.fail(item.error, now)
            elif isinstance(item, Tell):
                engine.tell(item.event)
            elif isinstance(item, Show):
                self._show(item)
            else:
                if item.discard:
                    self._delivery.close(drain=False)
                engine.close(now)

    def _take_opened(self, item: Opened, now: float) -> None:
        line = item.connection
        if not self.engine.opened(
            item.line, item.epoch, item.said, now, steps=item.opening, deflate=line.deflate, hidden=line.hidden
        ):
            item.connection.close()
            return
        self._links[item.line] = Link(item.line, item.epoch, item.connection, max_pings=self._max_pings)
        _log.info("line %d is open", item.line)
        if line.unchecked and not self._warned:
            self._warned = True
            _log.warning("line %d, sslopt: %s", item.line, line.unchecked)
        self._act(now)

    def _take_fetched(self, item: Fetched, now: float) -> None:
        if item.error is None:
            self.engine.fetched(item.epoch, item.position, item.state, now, size=item.size)
        else:
            _log.info("snapshot of %r: %s", item.key, item.error)
            self.engine.unfetched(item.epoch, item.error, now)

    def _transmit(self, item: Transmit, now: float) -> None:
        route = self.engine.route()
        link = self._links.get(route[0]) if route is not None else None
        if link is None:
            item.ticket.settle(NotConnected("no line is open"))
        else:
            self.engine.spent(link.line, now)
            link.put_frame(item.frame, item.ticket, item.payload)

    def _withdraw(self, item: Withdraw, now: float) -> None:
        for link in self._links.values():
            if link.stuck_at is None:
                self._flush(link, now)  # it may have come just now, and never been tried
            if link.withdraw(item.ticket, item.timeout):
                link.fail(f"sending failed: the venue did not take all of a message within {item.timeout:g} s")

    # ---------------------------------------------------------------- actions and deliveries

    def _act(self, now: float) -> None:
        """Do what the engine asks for, in order."""
        for action in self.engine.take_actions():
            if isinstance(action, Send):
                link = self._link(action.line, action.epoch)
                if link is not None:
                    link.put(action.opcode, action.payload, urgent=action.urgent)
            elif isinstance(action, Fetch):
                assert self._snapshots is not None  # the engine asks only where there is a source
                self._snapshots.fetch(action.key, action.epoch)
            elif isinstance(action, Dial):
                self._dialers.dial(action.line, action.epoch, action.topics)
            elif isinstance(action, Hangup):
                self._hang_up(action, now)
            elif isinstance(action, Abandon):
                self._dialers.abandon(action.line, action.epoch)
            elif isinstance(action, Call):
                self._dialers.call(action.line, action.epoch, action.leave, action.ask)
        while self.engine.notes:
            _log.warning("%s", self.engine.notes.pop(0))

    def _link(self, line: int, epoch: int) -> Optional[Link]:
        """The link of this epoch; `None` if it is closed already."""
        link = self._links.get(line)
        return link if link and link.epoch == epoch else None

    def _hang_up(self, action: Hangup, now: float) -> None:
        link = self._link(action.line, action.epoch)
        if link is None:
            return
        try:
            link.flush(now)
        except OSError as error:
            _log.debug("the goodbye did not go out: %s", error)
        if link.registered:
            self._selector.unregister(link.connection)
        link.close()
        del self._links[action.line]

    def _deliver(self, now: float) -> None:
        """Hand over what the engine has let through; stop reading while the queue says so."""
        engine = self.engine
        self._moved = self._handover.deliver(now) or self._moved
        paused = self._delivery.paused and not engine.closing  # the venue's goodbye stands behind what it has sent
        if paused is not self._paused:
            self._paused = paused
            self._moved = True
            if self._paused:
                engine.paused()
            else:
                engine.resumed(now)

    def _flush(self, link: Link, now: float) -> None:
        try:
            link.flush(now)
        except OSError as error:
            link.fail(f"sending failed: {error}")

    def _show(self, item: Show) -> None:
        now = clock.now()  # whoever asks looks at the clock, too
        self._deliver(now)  # what the picture counts can be taken
        if now >= self._picture_at:
            self._take_picture(now)
        item.done.set()

    def _take_picture(self, now: float) -> None:
        tally = self._delivery.tally()
        self._taking = True
        try:
            status = self.engine.status(now, queued=tally.queued, dropped=tally.dropped)
        finally:
            self._taking = False
        self._picture = status
        self._picture_at = now + max(_PICTURE_EVERY, (len(status.keys) + len(status.topics)) * _PICTURE_SHARE)

    def _compare_clocks(self, now: float) -> None:
        """The wall clock may have been set, or the machine have slept."""
        self.engine.keys.wall_ns = clock.wall_offset()
        self._clock_at = now + _CLOCK_EVERY

    def _end(self) -> None:
        """Leave nothing open and nobody waiting."""
        now = clock.now()
        try:
            self._dialers.stop()
            if self._snapshots is not None:
                self._snapshots.stop()
            for link in self._links.values():
                link.close()
            self._links.clear()
            self._poll.close()
            self._selector.close()
            self._handover.finish(now)
            self._take_picture(now)
        finally:
            if self.engine.failure is not None:
                self._delivery.fail(self.engine.failure)
            else:
                self._delivery.close(drain=True)
            self.ended.set()
            self._refuse_inbox()

    def _refuse_inbox(self) -> None:
        """What came too late: nobody may wait for it, and no connection may stay open in it. Any thread, after the end."""
        with contextlib.suppress(queue.Empty):
            while True:
                item = self._inbox.get_nowait()
                if isinstance(item, Opened):
                    item.connection.close()
                elif isinstance(item, Transmit):
                    item.ticket.settle(NotConnected("the stream is closed"))
                elif isinstance(item, Show):
                    item.done.set()


def _shelf(feed: Feed, engine: Engine) -> Optional[Shelf]:
    """Where the books are kept, if the feed has any."""
    reading = feed.book_reading(watched)
    if feed.book is None or reading is None:
        return None
    rules = engine.rules
    own = rules.scope is Scope.KEY or rules.splice_last is not None  # else the numbers are not the key's
    position = (rules.splice_last or rules.last) if own else None
    return Shelf(feed.book, reading, key=feed.item_key(watched), position=position, keys=engine.keys)
