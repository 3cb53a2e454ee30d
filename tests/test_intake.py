"""What comes over a line on its way into the engine, while little comes: one read after the other, and what ends that."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any, Optional

import msgspec
import pytest

from syncstream import Contiguous, Feed, clock
from syncstream.core.engine import Engine
from syncstream.core.frames import PING, TEXT
from syncstream.delivery import Delivery
from syncstream.handover import Handover
from syncstream.intake import MORE_SIZE, READ_SIZE, Intake

NUMBER = 7  # of the descriptor


def message(number: int, **more: Any) -> bytes:
    return plain(TEXT, msgspec.json.encode({"k": "A", "n": number, **more}))


def plain(opcode: int, payload: bytes) -> bytes:
    """As a server sends it, not masked."""
    if len(payload) < 126:
        return bytes((0x80 | opcode, len(payload))) + payload
    return bytes((0x80 | opcode, 126)) + len(payload).to_bytes(2, "big") + payload


class Table:
    """Owned by: its test. An intake over a line that brings what the test says, by a clock of its own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, coalesce: float = 0.0, maxsize: int = 100, **feed: Any) -> None:
        self.now = 100.0
        self.slept: list[float] = []
        self.reads: list[tuple[float, Any]] = []  # when something can be read, and what
        monkeypatch.setattr(clock, "now", lambda: self.now)
        monkeypatch.setattr(time, "sleep", self._sleep)
        rules = Feed("ws://127.0.0.1:1/", key="k", sequence=Contiguous("n"), **feed).rules()
        self.engine = Engine(rules, random=lambda: 0.5, sized=True)
        self.engine.start(self.now)
        self.engine.opened(0, 1, (), self.now)
        self.engine.take_actions()
        self.delivery = Delivery(maxsize, key=lambda item: None, maxbytes=10**6)
        self.delivery.use("default")
        handover = self.handover = Handover(self.engine, self.delivery, None, None)
        self.others: list[int] = []  # descriptors of something else that is ready
        self.intake = Intake(self.engine, handover, self.delivery, self._wait, transforms=False, coalesce=coalesce)
        self.connection = SimpleNamespace(
            deflate=None, freezes=False, wants_write=False, fileno=lambda: NUMBER, receive=self._receive, pending=lambda: 0
        )
        self.link: Any = SimpleNamespace(line=0, epoch=1, more=False, failed=None, connection=self.connection)
        self.engine.batch(0, 1, message(0), self.now)
        handover.deliver(self.now)
        self.delivery.get()

    def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def _wait(self, timeout: float, most: int) -> list[tuple[int, int]]:
        assert timeout > 0
        if self.others:
            return [(number, 1) for number in self.others]
        at = self.reads[0][0] if self.reads else float("inf")
        self.now = min(max(self.now, at), self.now + timeout)
        return [(NUMBER, 1)] if at <= self.now else []

    def _receive(self, size: int) -> Optional[bytes]:
        data = b""
        while self.reads and self.reads[0][0] <= self.now:
            came = self.reads.pop(0)[1]
            if isinstance(came, Exception):
                raise came
            if came is None:
                return None
            data += came
        return data

    def calm(self, *reads: tuple[float, Any], until: float = 1000.0) -> bool:
        """What comes at these moments; the result."""
        self.reads += reads
        return self.intake.calm(self.link, until)

    def said(self) -> list[int]:
        items = self.delivery.get_many(10_000, timeout=0)
        return [item["n"] if isinstance(item, dict) else item for item in items]


def test_messages_that_come_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is handed over when it came, until something is due; what was heard is known then."""
    table = Table(monkeypatch)
    assert table.calm((101.0, message(1)), (102.0, message(2) + message(3)), until=110.0)
    assert (table.said(), table.now, table.link.more, table.slept) == ([1, 2, 3], 110.0, False, [])
    assert table.intake.heard_at == table.engine.lines[0].heard_at == 102.0
    assert (table.engine.keys.messages, table.delivery.tally().received) == (4, 4)


def test_what_is_not_plain_goes_the_long_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ping is answered before anything else happens: something is to be done."""
    table = Table(monkeypatch)
    assert not table.calm((101.0, message(1) + plain(PING, b"x") + message(2)), (102.0, message(3)))
    assert (table.said(), table.now, table.engine.stirred) == ([1, 2], 101.0, True)


def test_what_is_long_goes_the_long_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """And ends it: there is more to read, nearly always."""
    table = Table(monkeypatch)
    assert table.calm((101.0, message(1, x="y" * MORE_SIZE)), (102.0, message(2)))
    assert (table.said(), table.now, table.link.more) == ([1], 101.0, True)


def test_text_that_is_not_ascii_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is plain all the same."""
    table = Table(monkeypatch)
    assert table.calm((101.0, message(1, x="\u00e9")), (102.0, message(2)), until=103.0)
    assert (table.said(), table.now) == ([1, 2], 103.0)


@pytest.mark.parametrize(("others", "more"), [([5], False), ([5, NUMBER], True)])
def test_something_else_ends_it(others: list[int], more: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is found by the turn that follows; what can be read is read there."""
    table = Table(monkeypatch)
    table.others = others
    assert table.calm((101.0, message(1)))
    assert (table.said(), table.link.more) == ([], more)


@pytest.mark.parametrize("blind", [False, True])
@pytest.mark.parametrize("size", [10, MORE_SIZE])
def test_what_is_held_after_what_was_not_plain(size: int, blind: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Is read by the turn that follows: no selector tells of it."""
    table = Table(monkeypatch)
    table.connection.freezes, table.connection.pending = blind, lambda: 5000 if blind else 0
    assert not table.calm((101.0, plain(PING, b"x") + message(1, x="y" * size)))
    assert table.link.more is (blind or size == MORE_SIZE)


def test_what_came_counts_before_the_line_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """From when to when it carried data says whether it has proved itself, and since when something may be missing."""
    table = Table(monkeypatch)
    table.calm((101.0, message(1)), (150.0, message(2)), (200.0, b""))
    place = table.engine.lines[0]
    assert (place.good_at, place.data_from, table.engine.keys._lost_at) == (150.0, None, 150.0)


def test_what_came_counts_before_anything_is_handed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """What becomes of the queue is an input of the engine, too."""
    table = Table(monkeypatch, maxsize=4)
    seen = []
    deliver = table.handover.deliver

    def noted(now: float) -> bool:
        seen.append((now, table.engine.lines[0].data_at))
        return deliver(now)

    monkeypatch.setattr(table.handover, "deliver", noted)
    table.calm(*((100.0 + number, message(number)) for number in range(1, 5)), until=110.0)
    assert seen == [(104.0, 104.0)]


@pytest.mark.parametrize("heard", [True, False])
def test_what_became_of_the_queue_ends_it(heard: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Something may be due sooner; and what the engine says to it goes before what comes next."""
    table = Table(monkeypatch)

    def deliver(now: float) -> bool:
        if not heard:
            table.engine.keys.out.append("a marker")
        return heard

    monkeypatch.setattr(table.handover, "deliver", deliver)
    assert table.calm((101.0, message(1, x="\u00e9")), (102.0, message(2)), until=110.0) is not heard
    assert table.now == 101.0


@pytest.mark.parametrize("end", [b"", ConnectionResetError("reset")])
def test_the_end_of_the_line(end: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What came before it counts, and it is lost."""
    table = Table(monkeypatch)
    assert not table.calm((101.0, message(1)), (102.0, end))
    assert (table.said(), table.engine.lines[0].is_open()) == ([1], False)


def test_a_read_of_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where TLS holds a part of a record the line lives, and the selector is asked again."""
    table = Table(monkeypatch)
    assert table.calm((101.0, None))
    assert table.engine.lines[0].is_open()


@pytest.mark.parametrize(("pending", "wants_write", "more"), [(1, False, True), (0, True, False), (0, False, False)])
def test_what_tls_holds(pending: int, wants_write: bool, more: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """No selector can see it."""
    table = Table(monkeypatch)
    table.connection.freezes, table.connection.wants_write = True, wants_write
    table.connection.pending = lambda: pending
    assert table.calm((101.0, message(1)), (102.0, message(2)), until=103.0)
    assert (table.said(), table.link.more) == ([1] if pending or wants_write else [1, 2], more)


def test_a_full_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it may be too long it is weighed as any batch, and what follows from that is done."""
    table = Table(monkeypatch, maxsize=2)
    reads = [(101.0 + number, message(1 + number)) for number in range(4)]
    table.calm(*reads, until=110.0)
    assert table.engine.failure is not None
    assert table.delivery.qsize() == 2


RATES = {
    "closely": (50e-6, 1, True),
    "together": (500e-6, 9, True),
    "at rest": (200e-6, 1, False),
    "in pairs": (250e-6, 2, False),
}


SCHEMES: dict[str, Any] = {"the fast path": {}, "a decoder of one's own": {"decode": msgspec.json.decode}}


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("name", RATES)
def test_what_comes_closely_is_read_together(name: str, scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Above 10,000 a second, when it has lasted a while, each waits for others, so long at most; nothing is lost by it."""
    every, count, coalesces = RATES[name]
    table = Table(monkeypatch, coalesce=0.0002, maxsize=10_000, **SCHEMES[scheme])
    reads, number = [], 0
    for turn in range(200):
        numbers = range(number + 1, number + 1 + count)
        number += count
        reads.append((101.0 + turn * every, b"".join(map(message, numbers))))
    table.calm(*reads, until=110.0)
    assert table.said() == list(range(1, number + 1))
    assert bool(table.slept) is coalesces
    assert set(table.slept) <= {0.0002}


def test_a_burst_does_not_make_the_next_message_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has to last; and `coalesce=0` never waits."""
    for coalesce, count in ((0.0002, 60), (0.0, 100)):
        table = Table(monkeypatch, coalesce=coalesce)
        table.calm(*((101.0 + number * 10e-6, message(1 + number)) for number in range(count)), until=110.0)
        assert (table.said(), table.slept) == (list(range(1, count + 1)), [])


def test_a_coarse_clock_shows_no_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it steps by milliseconds all that comes would seem to come closely."""
    monkeypatch.setattr(clock, "RESOLUTION", 0.0156)
    table = Table(monkeypatch, coalesce=0.0002)
    table.calm(*((101.0 + number * 10e-6, message(1 + number)) for number in range(80)), until=110.0)
    assert table.slept == []


@pytest.mark.parametrize(
    ("maxsize", "size", "later"),
    [(1, MORE_SIZE, MORE_SIZE), (1000, 6_000, 8_500), (10_000, 60_000, 85_000), (10**6, READ_SIZE, READ_SIZE)],
    ids=str,
)
def test_a_turn_brings_half_of_what_the_queue_takes(maxsize: int, size: int, later: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """If its messages are as long as those before: 12 bytes at first."""
    table = Table(monkeypatch, maxsize=maxsize)
    asked: list[int] = []
    came = [None, message(1) + message(2), plain(PING, b"x"), None]
    assert len(message(1)) == 17

    def receive(size: int) -> Optional[bytes]:
        asked.append(size)
        return came.pop(0)

    table.link.receive = receive
    for _ in range(4):
        table.intake.read(table.link, 101.0)
    assert asked == [size, size, later, later]
