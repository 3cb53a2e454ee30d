"""`core/connections.py`: the end of the stream, and what must have come by then."""

from __future__ import annotations

import pytest

from syncstream.core.engine import Abandon, Hangup, Send
from syncstream.core.frames import CLOSE, PING
from syncstream.core.opening import Step
from syncstream.errors import ConnectFailed, DataFailed, Severity
from syncstream.events import Closed

from .phases import Phase, dialing, idle, live, waiting
from .rig import HEALED, NUMBERED, Rig, change, delta, frame, text

SCRIPTED = change(NUMBERED, opening=(Step(expect=lambda message: message.get("in"), within=5.0),))


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


def test_nothing_is_held_after_the_end() -> None:
    """What waited for a snapshot is given up, and no snapshot is missed."""
    rig = Rig(HEALED)
    rig.open()
    rig.send(delta("A", 1), delta("A", 2))
    assert rig.keys.held == 2
    rig.engine.close(rig.now)
    rig.said()
    assert (rig.keys.held, rig.keys.held_bytes) == (0, 0)
    rig.now += 1000.0
    rig.tick()
    assert rig.said() == []


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


# ---------------------------------------------------------------- while it is opened


def test_a_script_that_gets_no_answer() -> None:
    """That attempt has failed, and the next one comes after a wait."""
    rig = Rig(SCRIPTED)
    rig.open()
    rig.did()
    rig.said()
    rig.wait(5.0)
    assert rig.did() == [Hangup(0, 1)]
    assert rig.said() == ["disconnected 0: opening: step 1 of 1 got no answer within 5 s"]
    rig.redial()
    assert rig.engine.lines[0].attempt == 1


def test_a_close_code_that_is_final_ends_a_stream_that_was_never_live() -> None:
    """Venues refuse a login by closing; it is the cause of the failure, with its class."""
    rig = Rig(change(SCRIPTED, failures={4001: Severity.FATAL}))
    rig.open()
    rig.raw(frame(CLOSE, b"\x0f\xa1no"))
    failure = rig.failure()
    assert isinstance(failure, ConnectFailed)
    assert (str(failure), getattr(failure.__cause__, "severity", None)) == ("closed by the venue: 4001 no", Severity.FATAL)
