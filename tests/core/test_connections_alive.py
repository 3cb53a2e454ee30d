"""`core/connections.py`: silence, pings, and a venue that breaks the protocol."""

from __future__ import annotations

import pytest

from syncstream import Liveness
from syncstream.core.engine import Hangup, Send
from syncstream.core.frames import CLOSE, PING, PONG, TEXT
from syncstream.events import Disconnected, Stale

from .rig import NUMBERED, Rig, change, delta, frame, text

WATCHED = change(NUMBERED, liveness=Liveness())
"""With the limits of every day: ping after 15 s, 10 s for its answer, 60 s of silence."""


def answering(rig: Rig, seconds: float) -> None:
    """Let time pass; the venue answers our pings, and says nothing else."""
    end = rig.now + seconds
    while rig.engine.deadline() is not None and rig.now < end:
        rig.wait(min(1.0, end - rig.now))
        for action in rig.did(Send):
            if action.opcode == PING and action.epoch == rig.dials[0].epoch:
                rig.raw(frame(PONG, b""))


# ---------------------------------------------------------------- silence


def test_a_mute_line_is_dead_after_one_and_a_half_heartbeats() -> None:
    """Pongs and pings do not count, messages of any kind do."""
    rig = Rig(change(WATCHED, heartbeat=5.0))
    rig.open()
    rig.wait(7.0)
    rig.send({"beat": 1})
    rig.wait(7.0)
    rig.raw(frame(PONG, b"") + frame(PING, b""))
    rig.said()
    rig.wait(0.4)
    assert rig.said() == []
    rig.wait(0.1)
    assert rig.said() == ["disconnected 0: mute: no message for 7.5 s, limit 7.5 s (1.5 x heartbeat)"]


def test_a_line_ends_once() -> None:
    """Of mute, and at the end of its lifetime, in the same moment: it is mute."""
    rig = Rig(change(WATCHED, heartbeat=5.0, lifetime=7.0))
    rig.open()
    rig.said()
    rig.now += 10.0
    rig.tick()
    assert rig.said() == ["disconnected 0: mute: no message for 10.0 s, limit 7.5 s (1.5 x heartbeat)"]


def test_the_watch_is_kept_after_every_reconnect() -> None:
    """It need not be armed by hand."""
    rig = Rig(change(WATCHED, heartbeat=5.0), chance=0.0)
    rig.open()
    for _ in range(3):
        before = rig.now
        rig.redial()
        assert rig.now == before + 7.5
        rig.open()


def test_half_open() -> None:
    """Without a byte for 15 s we ping; 10 s without an answer, and it is dead."""
    rig = Rig(WATCHED)
    rig.open()
    rig.did()
    rig.wait(14.9)
    assert rig.did() == []
    rig.wait(0.1)
    assert rig.did() == [Send(0, 1, PING, b"", True)]
    rig.wait(9.9)
    assert (rig.did(), rig.said()) == ([], ["connected 0 attempt 1"])
    rig.wait(0.1)
    assert rig.said() == ["disconnected 0: half-open: no answer to our ping within 10 s"]
    assert rig.did() == [Hangup(0, 1)]


@pytest.mark.parametrize("data", [frame(PONG, b""), frame(PING, b""), text({"x": 1}), text({"x": 1})[:3]])
def test_any_byte_answers_our_ping(data: bytes) -> None:
    """The transport is alive; the next ping is due 15 s later."""
    rig = Rig(WATCHED)
    rig.open()
    rig.wait(20.0)
    rig.did()
    rig.raw(data)
    rig.wait(14.9)
    assert [action for action in rig.did(Send) if action.opcode == PING] == []
    rig.wait(0.1)
    assert [action.opcode for action in rig.did(Send)] == [PING]


def test_a_ping_is_not_sent_twice_when_we_stop_reading() -> None:
    """What has just gone out counts; the next one is due 15 s after it."""
    rig = Rig(WATCHED)
    rig.open()
    rig.wait(15.0)
    assert [action.opcode for action in rig.did(Send)] == [PING]
    rig.engine.paused()
    rig.wait(14.9)
    assert rig.did(Send) == []
    rig.wait(0.1)
    assert [action.opcode for action in rig.did(Send)] == [PING]


def test_the_ladder_of_silence() -> None:
    """Told once and one reconnect at each rung; the limit doubles up to its maximum, and data brings it down."""
    rig = Rig(change(WATCHED, liveness=Liveness(silence=60.0, maximum_silence=200.0)), chance=0.0)
    rig.open()
    rig.items = []
    rungs = []
    for _ in range(4):
        opened = rig.now
        while not any(isinstance(item, Stale) for item in rig.items):
            answering(rig, 1.0)
        assert [type(item) for item in rig.items] == [Stale, Disconnected]
        rungs.append(rig.items[0].silence)
        assert rig.items[0].at_ns == rig.now * 1_000_000_000
        assert rig.now - opened == pytest.approx(rungs[-1], abs=1.0)
        rig.redial()
        rig.open()
        rig.items = []
    assert rungs == [60.0, 120.0, 200.0, 200.0]
    rig.send(delta("A", 1))
    assert rig.engine.lines[0].silence == 60.0


def test_data_brings_the_ladder_down_even_if_the_line_ends_with_it() -> None:
    """In one batch: a message, and goodbye."""
    rig = Rig(WATCHED)
    rig.open()
    answering(rig, 60.0)
    assert rig.engine.lines[0].silence == 120.0
    rig.redial()
    rig.open()
    rig.raw(text(delta("A", 1)) + frame(CLOSE, b"\x03\xe9"))
    assert rig.engine.lines[0].silence == 60.0


def test_while_we_do_not_read_silence_proves_nothing() -> None:
    """Pings go out, and nobody dies; the clocks begin anew when we go on. A line that opens meanwhile is no different."""
    rig = Rig(change(WATCHED, heartbeat=5.0))
    rig.open()
    rig.did()
    rig.engine.paused()
    assert rig.engine.deadline() == 115.0
    rig.wait(20.0)
    rig.reopen()
    rig.wait(500.0)
    assert {action for action in rig.did(Send, Hangup) if action != Hangup(0, 1)} == {
        Send(0, 1, PING, b"", True),
        Send(0, 3, PING, b"", True),
    }
    rig.engine.resumed(rig.now)
    rig.wait(7.4)
    assert rig.did() == []
    rig.wait(0.1)
    assert rig.did(Hangup) == [Hangup(0, rig.engine.lines[0].epoch - 1)]


# ---------------------------------------------------------------- a venue that breaks the protocol


@pytest.mark.parametrize(
    ("data", "code", "reason"),
    [
        (b"\x83\x00", 1002, "unknown opcode 3"),
        (frame(TEXT, b"\xff"), 1007, "text is not valid UTF-8"),
        (frame(TEXT, b"x" * 201), 1009, "message of more than 200 bytes"),
        (frame(CLOSE, b"x"), 1002, "close frame of one byte"),
    ],
)
def test_a_venue_that_breaks_the_protocol_is_told_why(data: bytes, code: int, reason: str) -> None:
    """What came before is delivered and may be answered for a moment; then it is closed with the code of the RFC."""
    rig = Rig(change(NUMBERED, max_message_size=200, answer_limit=0.1))
    rig.open()
    rig.said()
    rig.did()
    rig.raw(text(delta("A", 1)) + data + text(delta("A", 2)))
    assert (rig.did(), rig.said(), rig.engine.route()) == ([], ["A1"], (0, 1))
    rig.raw(text(delta("A", 3)))
    rig.wait(0.05)
    rig.tick()
    assert (rig.did(), rig.said()) == ([], [])
    assert rig.engine.deadline() == pytest.approx(rig.now + 0.05)
    rig.wait(0.05)
    rig.tick()
    assert rig.did() == [Send(0, 1, CLOSE, code.to_bytes(2, "big") + reason.encode(), True), Hangup(0, 1)]
    assert [item.code for item in rig.items if isinstance(item, Disconnected)] == [code]
    assert rig.said() == [f"disconnected 0: protocol error: {reason}"]


def test_in_that_moment_silence_proves_nothing() -> None:
    """The line is not read any more, and it is lost for what it broke."""
    rig = Rig(change(WATCHED, heartbeat=5.0, answer_limit=1.0))
    rig.open()
    rig.said()
    rig.wait(7.0)
    rig.raw(b"\x83\x00")
    rig.now += 0.9
    rig.tick()
    assert rig.said() == []
    rig.wait(0.1)
    assert rig.said() == ["disconnected 0: protocol error: unknown opcode 3"]


def test_a_close_in_that_moment_says_what_was_broken() -> None:
    """The user wants no more before the answer has gone out: it is the same answer, and the only one."""
    rig = Rig(NUMBERED)
    rig.open()
    rig.did()
    rig.raw(b"\x83\x00")
    rig.engine.close(rig.now)
    assert rig.did() == [Send(0, 1, CLOSE, b"\x03\xeaunknown opcode 3", True)]
    rig.raw(b"more")
    assert (rig.did(), rig.engine.finished) == ([Hangup(0, 1)], True)
