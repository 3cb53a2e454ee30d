"""`core/engine.py`: topics in every phase, the end in every phase, two lines, and the picture of it all."""

from __future__ import annotations

from typing import Callable

import pytest

from syncstream.core.engine import Abandon, Hangup, Payload, Send
from syncstream.core.frames import CLOSE, PING, TEXT
from syncstream.errors import ConnectFailed, DataFailed, StreamFailed
from syncstream.events import Closed, KeyStatus, Quarantined, Status

from .rig import BY_CONNECTION, HEALED, NUMBERED, Rig, change, delta, frame, run_of, text

JOIN, LEAVE = Payload(TEXT, b"join"), Payload(TEXT, b"leave")


def idle(rig: Rig) -> None:
    pass


def dialing(rig: Rig) -> None:
    rig.start()


def waiting(rig: Rig) -> None:
    rig.open()
    rig.cut()


def live(rig: Rig) -> None:
    rig.open()


def closing(rig: Rig) -> None:
    rig.open()
    rig.engine.close(rig.now)


def closed(rig: Rig) -> None:
    rig.start()
    rig.engine.close(rig.now)


Phase = Callable[[Rig], None]


# ---------------------------------------------------------------- markers that are not its own


@pytest.mark.parametrize("phase", [idle, dialing, waiting, live])
def test_a_marker_of_the_workers_stands_behind_what_was_delivered(phase: Phase) -> None:
    """In every phase that is not the end."""
    rig = Rig()
    phase(rig)
    told = Quarantined(key="A", reason="a callback raised")
    before = len(rig.items)
    rig.engine.tell(told)
    rig.gather()
    assert rig.items[before:] == [told]


@pytest.mark.parametrize("phase", [closing, closed])
def test_after_the_end_nothing_is_told_any_more(phase: Phase) -> None:
    """`Closed` is the last word."""
    rig = Rig()
    phase(rig)
    rig.engine.tell(Quarantined(key="A"))
    rig.gather()
    assert isinstance(rig.items[-1], Closed)


# ---------------------------------------------------------------- topics


@pytest.mark.parametrize(
    ("phase", "sent", "dialled"),
    [
        (idle, [], ("A", "B")),
        (dialing, [b"join"], ("A",)),  # behind the subscriptions of the dial under way
        (waiting, [], ("A", "B")),
        (live, [b"join"], None),
        (closing, [], None),
        (closed, [], None),
    ],
)
def test_a_topic_more(phase: Phase, sent: list[bytes], dialled: object) -> None:
    """The venue hears of it once: from the open line, behind the dial under way, or with the next dial."""
    rig = Rig(NUMBERED, topics=("A",))
    phase(rig)
    rig.engine.subscribe(["B"], [JOIN], rig.now)
    rig.gather()
    if phase is idle:
        rig.start()
    elif phase is waiting:
        rig.redial()
    if dialled is not None:
        assert rig.dials[0].topics == dialled
        rig.did()
        rig.open(payloads=(Payload(TEXT, b"first"),))
        sent = [b"first", *sent]
    assert [action.payload for action in rig.did(Send) if action.opcode == TEXT] == sent
    assert tuple(rig.engine.topics) == ("A", "B")


def test_a_topic_less() -> None:
    """The open line says so; the next dial does not ask for it any more; its messages are not delivered."""
    rig = Rig(NUMBERED, topics=("A", "B"))
    rig.open()
    rig.did()
    rig.engine.unsubscribe(["A", "unknown"], [LEAVE], rig.now)
    assert rig.did() == [Send(0, 1, TEXT, b"leave", False)]
    rig.said()
    rig.send(delta("A", 1), delta("B", 1))
    assert rig.said() == ["B1"]
    rig.cut()
    rig.redial()
    assert rig.dials[0].topics == ("B",)


def test_what_was_asked_for_behind_a_dial_that_failed_is_not_said_twice() -> None:
    """The next dial has it among its topics."""
    rig = Rig(NUMBERED, topics=("A",))
    rig.start()
    rig.engine.subscribe(["B"], [JOIN], rig.now)
    rig.refuse()
    rig.redial()
    rig.did()
    rig.open()
    assert (rig.dials[0].topics, rig.did()) == (("A", "B"), [])


def test_topics_that_are_not_keys() -> None:
    """The feed says which key a topic is about."""
    rig = Rig(NUMBERED, topics=("quotes.A",), topic_key=lambda topic: topic.split(".")[1])
    rig.live("A", 1)
    rig.engine.unsubscribe(["quotes.A"], [], rig.now)
    rig.send(delta("A", 2))
    assert (rig.said(), rig.keys.syncs) == ([], {})
    rig.engine.subscribe(["quotes.A"], [], rig.now)
    rig.send(delta("A", 9))
    assert rig.said() == ["A9"]


# ---------------------------------------------------------------- the end


@pytest.mark.parametrize(
    ("phase", "actions", "finished"),
    [
        (idle, [], True),
        (dialing, [Abandon(0, 1)], True),
        (waiting, [], True),
        (live, [Send(0, 1, CLOSE, b"\x03\xe8", True)], False),
    ],
)
def test_close_in_every_phase(phase: Phase, actions: list[object], finished: bool) -> None:
    """`Closed` is the last that is delivered. Only an open connection is waited for, and not for long."""
    rig = Rig(change(HEALED, close_limit=1.0))
    phase(rig)
    rig.said()
    rig.did()
    rig.engine.close(rig.now)
    rig.engine.close(rig.now)
    assert (rig.did(), rig.items, rig.engine.finished) == (actions, [Closed(at_ns=100_000_000_000)], finished)
    rig.said()
    if not finished:
        assert rig.engine.deadline() == rig.now + 1.0
        rig.raw(text(delta("A", 1)) + frame(PING, b""))
        assert rig.did() == []
        rig.wait(1.0)
        assert rig.did() == [Hangup(0, 1)]
    rig.tick()
    assert (rig.said(), rig.did(), rig.engine.finished, rig.engine.deadline()) == ([], [], True, None)


@pytest.mark.parametrize("answer", ["goodbye", "cut", "nonsense"])
def test_the_venue_may_end_it_sooner(answer: str) -> None:
    """Its goodbye, a cut, or what cannot be read: the connection is released at once."""
    rig = Rig(NUMBERED)
    closing(rig)
    rig.said()
    rig.did()
    if answer == "cut":
        rig.cut()
    else:
        rig.raw(frame(CLOSE, b"\x03\xe8") if answer == "goodbye" else b"\xff\xff")
    assert (rig.did(), rig.said(), rig.engine.finished, rig.engine.deadline()) == ([Hangup(0, 1)], [], True, None)


def test_close_with_everything_under_way() -> None:
    """A hole, a request, a reorder window, a drop: nothing is due any more, and what comes is late."""
    rig = Rig(change(HEALED, reorder=0.5))
    rig.live("A", 5)
    rig.send(delta("B", 1), delta("C", 1), delta("A", 7))
    rig.drop("C")
    rig.engine.close(rig.now)
    rig.said()
    rig.did()
    rig.answer("B", 1)
    rig.fail("C")
    rig.relieve()
    rig.drop("A")
    rig.send(delta("A", 6))
    rig.cut()
    rig.wait(1000.0)
    assert (rig.said(), rig.did(), rig.engine.deadline()) == ([], [Hangup(0, 1)], None)
    assert rig.engine.status(rig.now).late_answers == 2


def test_a_failure_is_said_with_the_end() -> None:
    """The first one counts; after a close there is none."""
    rig = Rig(NUMBERED)
    rig.open()
    first = ConnectFailed("first")
    rig.engine.fail(first, rig.now)
    rig.engine.fail(ConnectFailed("second"), rig.now)
    rig.engine.close(rig.now)
    assert rig.failure() is first
    rig.gather()
    assert [item.error for item in rig.items if isinstance(item, Closed)] == ["first"]
    rig = Rig(NUMBERED)
    rig.engine.close(rig.now)
    rig.engine.fail(first, rig.now)
    assert rig.failure() is None


def test_a_failure_in_the_middle_of_a_batch_ends_it() -> None:
    """What came before it is delivered, what comes after it is not."""
    rig = Rig(change(NUMBERED, max_keys=1))
    rig.open()
    rig.said()
    rig.send(delta("A", 1), delta("B", 1), delta("A", 2))
    assert (rig.said(), isinstance(rig.failure(), DataFailed)) == (["A1", "closed"], True)


def test_a_feed_that_fits_nothing_fails_by_the_first_data_deadline() -> None:
    """Ten messages, not one with the key: found by a tick."""
    rig = Rig(change(NUMBERED, first_data_limit=30.0))
    rig.open()
    rig.send(*[{"x": 1}] * 10)
    rig.wait(30.0)
    assert (rig.said()[-1], isinstance(rig.failure(), DataFailed)) == ("closed", True)


def test_the_first_data_deadline_is_not_put_off_by_reconnects() -> None:
    """It counts from the first line that was open."""
    rig = Rig(change(NUMBERED, first_data_limit=30.0), chance=0.0)
    rig.open()
    rig.send(*[{"x": 1}] * 10)
    for _ in range(2):
        rig.wait(14.0)
        rig.reopen()
    rig.wait(1.9)
    assert rig.failure() is None
    rig.wait(0.1)
    assert isinstance(rig.failure(), DataFailed)


def test_a_failure_after_a_reorder_window() -> None:
    """It is found by a tick, not by a batch."""
    rig = Rig(change(BY_CONNECTION, source=False, splice=None, max_keys=1, reorder=0.5))
    rig.live("A", 1)
    rig.send(delta("B", 3, v=1))
    assert rig.failure() is None
    rig.wait(0.5)
    assert (rig.said(), isinstance(rig.failure(), DataFailed)) == (["gap A hole 1..3 told", "closed"], True)


# ---------------------------------------------------------------- two lines


def test_while_another_line_is_open_nothing_is_lost() -> None:
    """No key is in doubt before the last line is gone."""
    rig = Rig(HEALED, lines=2)
    rig.start()
    rig.open(0)
    rig.open(1)
    rig.live("A", 5)
    rig.cut(0)
    assert rig.state("A") == "live"
    rig.send(delta("A", 6), line=1)
    assert rig.said() == ["disconnected 0: cut", "A6"]
    rig.cut(1)
    assert (rig.state("A"), rig.engine.status(rig.now).lines) == ("unproven", 0)


def test_the_slower_of_two_lines_brings_duplicates() -> None:
    """Each message is delivered once, from whoever has it first; that one is behind is no restart."""
    rig = Rig(change(NUMBERED, restart_after=2), lines=2)
    rig.start()
    rig.open(0)
    rig.open(1)
    rig.said()
    rig.send(*run_of("A", 1, 9), line=0)
    rig.send(*run_of("A", 1, 10), line=1)
    rig.send(*run_of("A", 10, 11), line=0)
    assert rig.said() == [f"A{number}" for number in range(1, 12)]


# ---------------------------------------------------------------- the picture


@pytest.mark.parametrize(
    ("phase", "state"),
    [
        (idle, "connecting"),
        (dialing, "connecting"),
        (waiting, "waiting"),
        (live, "live"),
        (closing, "closed"),
        (closed, "closed"),
    ],
)
def test_the_state_in_every_phase(phase: Phase, state: str) -> None:
    """As the user sees it."""
    rig = Rig(HEALED)
    phase(rig)
    status = rig.engine.status(rig.now)
    assert (status.state, status.lines) == (state, 1 if phase is live else 0)


def test_the_picture_of_a_stream_that_is_healing() -> None:
    """Every figure."""
    rig = Rig(HEALED)
    rig.live("A", 5)
    rig.send(delta("A", 6), delta("A", 6), delta("A", 9), delta("B", 1), b"?", {"x": 1})
    rig.wait(2.0)
    assert rig.engine.status(rig.now, queued=3, dropped=4) == Status(
        state="syncing",
        lines=1,
        connects=1,
        messages=1,
        duplicates=1,
        gaps=1,
        snapshots=1,
        dropped=4,
        quarantined=1,
        keyless=1,
        held=2,
        queued=3,
        syncing=2,
        silence=2.0,
        keys={"A": KeyStatus(position=6, gaps=1, held=1), "B": KeyStatus(held=1)},
    )


def test_the_picture_of_a_stream_that_failed() -> None:
    """With the reason; without a line there is no silence to measure."""
    rig = Rig(NUMBERED)
    rig.open()
    rig.reopen()
    rig.engine.fail(StreamFailed("why"), rig.now)
    status = rig.engine.status(rig.now)
    assert (status.state, status.error, status.connects, status.reconnects, status.silence) == ("failed", "why", 2, 1, None)
