"""`core/engine.py`: markers, the end with everything under way, two lines, and the picture of it all."""

from __future__ import annotations

import pytest

from syncstream.core.engine import Hangup, Send
from syncstream.core.frames import CLOSE
from syncstream.errors import DataFailed, StreamFailed
from syncstream.events import Closed, KeyStatus, Quarantined, Status

from .phases import Phase, closed, closing, dialing, idle, live, waiting
from .rig import BY_CONNECTION, HEALED, NUMBERED, Rig, change, delta, frame, run_of, text

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


# ---------------------------------------------------------------- the end


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


# ---------------------------------------------------------------- the end of a connection, after that of the stream


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


def test_a_venue_that_does_not_answer_our_goodbye() -> None:
    """It is not waited for longer than that, and nothing else is done meanwhile: no key is asked for, no line is dialled."""
    rig = Rig(change(HEALED, close_limit=1.0, verify_after=0.5, lifetime=0.5))
    rig.live("A", 1)
    rig.reopen()
    rig.did()
    rig.engine.close(rig.now)
    assert rig.did() == [Send(0, rig.dials[0].epoch, CLOSE, b"\x03\xe8", True)]
    rig.wait(0.9)
    assert (rig.did(), rig.engine.finished) == ([], False)
    rig.wait(0.1)
    assert (rig.did(), rig.engine.finished, rig.engine.deadline()) == ([Hangup(0, rig.dials[0].epoch)], True, None)


def test_what_ends_the_stream_and_the_venue_s_goodbye_in_one_read() -> None:
    """Nothing more is waited for: the connection is hung up at once."""
    rig = Rig(change(NUMBERED, max_keys=1, close_limit=1.0))
    rig.live("A", 1)
    rig.did()
    rig.raw(text(delta("A", 2)) + text(delta("B", 1)) + frame(CLOSE, b"\x03\xe8"))
    assert rig.did() == [Send(0, 1, CLOSE, b"\x03\xe8", True), Hangup(0, 1)]
    assert rig.engine.finished


def test_more_keys_than_there_may_be_end_the_stream() -> None:
    """With the batch that brings one too many."""
    rig = Rig(change(NUMBERED, max_keys=1))
    rig.open()
    rig.send(delta("A", 1), delta("B", 1), delta("A", 2))
    assert (rig.said()[-2:], isinstance(rig.failure(), DataFailed)) == (["A1", "closed"], True)
