"""One place where connections follow each other: the table of moves, epochs, attempts, and what begins anew with each one."""

from __future__ import annotations

import copy
from typing import Any, Callable, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncstream.core import frames
from syncstream.core import line as module
from syncstream.core.actions import Payload
from syncstream.core.backoff import Backoff
from syncstream.core.deflate import Agreed
from syncstream.core.keepalive import Keepalive
from syncstream.core.line import Line, Phase, close_payload
from syncstream.core.liveness import Due, Liveness
from syncstream.core.rules import Rules
from syncstream.core.talk import Talk

IDLE, WAITING, DIALING, OPENING, LIVE, CLOSING, CLOSED = Phase
NOW = 100.0

MOVES: dict[str, Callable[[Line], Any]] = {
    "dial()": lambda line: line.dial(NOW),
    "begun()": lambda line: line.begun(NOW),
    "opened()": lambda line: line.opened(NOW),
    "wait()": lambda line: line.wait(NOW + 7.0),
    "close()": lambda line: line.close(NOW),
    "gone()": lambda line: line.gone(),
}

# As in the docstring; None: an illegal move.
TABLE: dict[Phase, dict[str, Optional[Phase]]] = {
    phase: dict(zip(MOVES, row))
    for phase, row in {
        IDLE: (DIALING, None, None, None, CLOSED, None),
        WAITING: (DIALING, None, None, None, CLOSED, None),
        DIALING: (None, OPENING, LIVE, WAITING, CLOSED, None),
        OPENING: (None, None, LIVE, WAITING, CLOSING, None),
        LIVE: (None, None, None, WAITING, CLOSING, None),
        CLOSING: (None, None, None, None, CLOSING, CLOSED),
        CLOSED: (None, None, None, None, CLOSED, CLOSED),
    }.items()
}

WAY: dict[Phase, list[str]] = {
    IDLE: [],
    WAITING: ["dial()", "wait()"],
    DIALING: ["dial()"],
    OPENING: ["dial()", "begun()"],
    LIVE: ["dial()", "opened()"],
    CLOSING: ["dial()", "opened()", "close()"],
    CLOSED: ["close()"],
}

WORDS = {"dial()": "dial", "begun()": "begin", "opened()": "open", "wait()": "wait", "gone()": "be gone"}


def rules(**kwargs: Any) -> Rules:
    return Rules(decode=lambda payload, text: payload, dial_limit=15.0, close_limit=1.0, **kwargs)


def line(phase: Phase = IDLE, **kwargs: Any) -> Line:
    made = Line(0, rules(**kwargs))
    for move in WAY[phase]:
        MOVES[move](made)
    assert made.phase is phase
    return made


# ---------------------------------------------------------------- the table


def test_the_table_is_the_one_of_the_docstring() -> None:
    """What is documented is what is tested."""
    assert module.__doc__ is not None
    head, *rows = module.__doc__.partition("Table of moves\n")[2].rstrip().splitlines()
    moves = head.split()[1:]
    documented = {
        Phase[phase]: {move: None if to == "-" else Phase[to] for move, to in zip(moves, cells)}
        for phase, *cells in map(str.split, rows)
    }
    assert documented == TABLE
    assert list(TABLE) == list(Phase)


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("move", MOVES)
def test_every_move_in_every_phase(phase: Phase, move: str) -> None:
    """It leads where the table says; an illegal one raises, says why, and changes nothing."""
    it, expected = line(phase), TABLE[phase][move]
    if expected is not None:
        MOVES[move](it)
        assert it.phase is expected
        return
    before = {name: copy.copy(value) for name, value in vars(it).items() if name not in ("frames", "clocks", "talk")}
    objects = it.frames, it.clocks, it.talk
    with pytest.raises(RuntimeError) as caught:
        MOVES[move](it)
    assert str(caught.value) == f"a line that is {phase.value} cannot {WORDS[move]}"
    assert {name: value for name, value in vars(it).items() if name not in ("frames", "clocks", "talk")} == before
    assert (it.frames, it.clocks, it.talk) == objects


@given(moves=st.lists(st.sampled_from(list(MOVES)), max_size=30))
def test_any_sequence_of_moves(moves: list[str]) -> None:
    """Epochs only grow, a new one with each dial and each end of one; there is a moment to wait for wherever one waits."""
    it = Line(0, rules())
    phase, epoch = IDLE, 0
    for move in moves:
        expected = TABLE[phase][move]
        if expected is None:
            with pytest.raises(RuntimeError):
                MOVES[move](it)
            continue
        MOVES[move](it)
        phase = expected
        assert it.phase is phase
        assert it.is_live() is (phase is LIVE)
        assert it.epoch == epoch + (move in ("dial()", "wait()"))
        epoch = it.epoch
        assert (it.deadline() is None) is (phase in (IDLE, OPENING, CLOSED))  # the engine says how long a step may take


# ---------------------------------------------------------------- moments


def test_a_dial_has_a_limit() -> None:
    """`dial_limit` after it began; it names its epoch."""
    it = Line(1, rules())
    assert it.index == 1
    assert it.deadline() is None
    assert it.dial(NOW) == 1 == it.epoch
    assert it.deadline() == NOW + 15.0


def test_a_wait_ends_when_it_was_told_to() -> None:
    """Whatever the old connection still sends is of an older epoch."""
    it = line(LIVE)
    it.wait(NOW + 7.0)
    assert it.deadline() == NOW + 7.0
    assert it.epoch == 2
    assert it.dial(NOW + 7.0) == 3


def test_a_live_line_has_the_deadline_of_its_clocks() -> None:
    """And no other: the dial's is over."""
    it = line(LIVE, heartbeat=4.0)
    assert it.limit_at is None
    assert it.deadline() == it.clocks.deadline() == NOW + 6.0


def test_a_live_line_waits_for_whatever_comes_first() -> None:
    """Its clocks, what is to be said on it, or the end of its lifetime."""
    it = line(LIVE, heartbeat=4.0, keepalive=Keepalive(every=5.0))
    assert it.deadline() == NOW + 5.0
    it.rotate_at = NOW + 3.0
    assert it.deadline() == NOW + 3.0
    assert line(LIVE, heartbeat=2.0, keepalive=Keepalive(every=5.0)).deadline() == NOW + 3.0


def test_everything_is_reckoned_from_the_end_of_the_opening() -> None:
    """However long it took: what a step was given is over, silence counts from now, and so does what is said every so often."""
    it = line(OPENING, heartbeat=4.0, keepalive=Keepalive(every=5.0))
    it.limit_at = NOW + 10.0  # of a step
    it.opened(NOW + 8.0)
    limit: object = it.limit_at
    assert limit is None
    assert it.clocks.deadline() == NOW + 14.0
    assert it.talk.deadline(NOW) == it.deadline() == NOW + 13.0


@pytest.mark.parametrize(("phase", "was_live"), [(IDLE, False), (WAITING, False), (DIALING, False), (LIVE, True)])
def test_closing_waits_only_for_an_open_connection(phase: Phase, was_live: bool) -> None:
    """True if a goodbye should go out; then the venue has `close_limit` to answer it."""
    it = line(phase)
    assert it.close(NOW) is was_live
    assert it.deadline() == (NOW + 1.0 if was_live else None)
    assert it.close(NOW + 0.5) is False
    assert it.deadline() == (NOW + 1.0 if was_live else None)  # a second call gives no more time
    it.gone()
    assert it.deadline() is None


# ---------------------------------------------------------------- what begins anew


def test_what_belongs_to_a_connection_begins_anew_with_it() -> None:
    """Half a frame, half a message and the clocks of the old one are gone."""
    it = line(LIVE, max_message_size=100)
    it.frames.receive(b"\x01\x05hel")
    assert it.clocks.due(NOW + 15.0) is Due.PING
    it.wait(NOW)
    it.dial(NOW)
    it.opened(NOW + 1.0)
    assert it.frames.receive(b"\x81\x01x") == [(frames.TEXT, b"x")]
    assert (it.clocks.pinged_at, it.clocks.transport_at, it.clocks.feed_at) == (None, NOW + 1.0, NOW + 1.0)
    assert (it.data_from, it.data_at) == (None, NOW + 1.0)
    it.frames.receive(b"\x81\x7e\x00\x65")
    assert it.frames.error is not None  # 101 bytes: the bound is the feed's


def test_what_is_known_of_a_connection_is_nothing_at_first() -> None:
    """Who speaks on it and what it subscribes are given with it; what the one before has seen is no part of it."""
    it = line(DIALING, lifetime=60.0)
    before = Talk(it.rules, lambda opcode, payload, urgent: None, NOW)
    it.begun(NOW + 1.0, before, [subscribes := Payload(1, b"subscribe")])
    assert (it.talk, it.said) == (before, (subscribes,))
    assert (it.entered, it.received, it.rotate_at, it.heard_at) == (False, 0, None, NOW + 1.0)
    it.opened(NOW + 2.0)
    assert (it.talk, it.opened_at, it.heard_at) == (before, NOW + 2.0, NOW + 2.0)
    it.entered, it.received, it.rotate_at = True, 99, NOW + 62.0
    it.heard(NOW + 9.0)
    assert (it.opened_at, it.heard_at) == (NOW + 2.0, NOW + 9.0)
    it.wait(NOW + 10.0)
    it.dial(NOW + 10.0)
    it.begun(NOW + 11.0)
    assert it.talk is not before
    anew: object = (it.said, it.entered, it.received, it.rotate_at, it.heard_at)
    assert anew == ((), False, 0, None, NOW + 11.0)


@pytest.mark.parametrize(("limit", "code"), [(3, 1009), (4, None)])
def test_a_connection_keeps_to_the_size_of_a_message(limit: int, code: Optional[int]) -> None:
    """That of the feed, from the first message on, and on the next connection too."""
    made = line(LIVE, max_message_size=limit)
    for _ in range(2):
        made.frames.receive(b"\x82\x04data")
        error = made.frames.error
        assert (None if error is None else error.code) == code
        made.wait(NOW)
        made.dial(NOW)
        made.opened(NOW)


def test_what_was_agreed_on_belongs_to_a_connection() -> None:
    """The bounds are the feed's; whether messages may be compressed is said anew by each connection."""
    it = line(DIALING, max_fragments=2)
    it.begun(NOW, deflate=Agreed())
    assert it.frames.receive(b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00") == [(frames.TEXT, b"Hello")]
    it.frames.receive(b"\x01\x00\x00\x00\x00\x00")
    assert it.frames.error is not None
    assert it.frames.error.reason == "message of more than 2 fragments"
    it.wait(NOW)
    it.dial(NOW)
    it.opened(NOW)
    assert it.frames.receive(b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00") == []
    assert it.frames.error is not None


def test_the_rung_of_the_ladder_outlives_the_connection() -> None:
    """A mute venue is given more time on the next line."""
    it = line(LIVE, liveness=Liveness(silence=20.0, ping_after=1000.0))
    assert it.clocks.due(NOW + 20.0) is Due.STALE
    it.silence = it.clocks.climb()
    it.wait(NOW + 20.0)
    it.dial(NOW + 20.0)
    it.opened(NOW + 20.0)
    assert it.clocks.due(NOW + 59.9) is None
    assert it.clocks.due(NOW + 60.0) is Due.STALE


@pytest.mark.parametrize("phase", [IDLE, WAITING, DIALING])
def test_a_line_that_opens_while_we_do_not_read_is_paused_too(phase: Phase) -> None:
    """Its clocks run from the moment we read again, as those of every other line."""
    it = line(phase)
    it.clocks.pause()
    if phase is not DIALING:
        it.dial(NOW)
    it.opened(NOW)
    assert it.deadline() == NOW + 15.0
    assert it.clocks.due(NOW + 999.0) is Due.PING
    it.clocks.resume(NOW + 999.0)
    assert it.deadline() == NOW + 999.0 + 15.0


def test_what_was_to_be_sent_belongs_to_one_dial() -> None:
    """The next dial subscribes to everything by itself."""
    it = line(DIALING)
    it.pending.append(Payload(1, b"payload"))
    it.wait(NOW)
    it.dial(NOW)
    assert it.pending == []


# ---------------------------------------------------------------- attempts


def test_failures_in_a_row_are_counted() -> None:
    """Each tells how many there were before it: that is what the back-off wants to know."""
    it = line()
    assert [it.failed() for _ in range(4)] == [0, 1, 2, 3]
    assert it.attempt == 4


def test_when_it_was_good_last_is_when_it_was_first_dialled() -> None:
    """Until it has carried data: however often it was dialled and opened since."""
    it = line(LIVE)
    it.wait(NOW + 5.0)
    it.failed()
    it.dial(NOW + 6.0)
    it.opened(NOW + 7.0)
    it.failed()
    assert it.good_at == NOW
    it.carried(NOW + 8.0)
    it.failed()
    assert it.good_at == NOW + 8.0


def test_a_message_proves_the_feed_and_ends_the_ladder() -> None:
    """The rung falls back with the first one, data or not, and stays down on the next connection."""
    it = line(LIVE, liveness=Liveness(silence=20.0, ping_after=1000.0))
    it.silence = it.clocks.silence = 80.0
    it.heard(NOW + 5.0)
    assert it.data_from is None
    assert it.silence == 20.0
    assert it.deadline() == NOW + 25.0
    it.wait(NOW + 6.0)
    it.dial(NOW + 6.0)
    it.opened(NOW + 6.0)
    assert it.deadline() == NOW + 26.0


@pytest.mark.parametrize(
    ("data", "before"),
    [
        ([], 5),  # open for as long as you like, and not a message
        ([0.0], 5),
        ([0.0, 9.999], 5),
        ([0.0, 10.0], 0),  # exactly `stable_after`
        ([3.0, 12.9], 5),  # counted from the first data, not from the opening
        ([3.0, 5.0, 13.0], 0),
    ],
)
def test_only_data_for_long_enough_proves_a_connection(data: list[float], before: int) -> None:
    """A venue that accepts and drops, or accepts and is silent, is met with ever longer waits."""
    it = line(LIVE, backoff=Backoff(stable_after=10.0))
    it.attempt = 5
    for after in data:
        it.carried(NOW + after)
    assert it.failed() == before
    assert it.attempt == before + 1
    assert it.failed() == before + 1  # what it had proved is used up


def test_one_connection_does_not_prove_the_next() -> None:
    """The data of an older one does not count for the one that has just opened."""
    it = line(LIVE, backoff=Backoff(stable_after=10.0))
    it.attempt = 5
    it.carried(NOW)
    it.carried(NOW + 10.0)
    it.wait(NOW + 10.0)
    it.dial(NOW + 10.0)
    it.opened(NOW + 10.0)
    it.carried(NOW + 19.0)
    assert it.failed() == 5


@pytest.mark.parametrize(("data", "attempt", "good_at"), [([], 5, NOW), ([0.0, 9.9], 5, NOW + 9.9), ([1.0, 11.0], 0, NOW + 11.0)])
def test_a_connection_given_up_by_plan_is_no_failure(data: list[float], attempt: int, good_at: float) -> None:
    """The attempts stay as they are, or count from zero if it has proved itself; when it was good last is remembered."""
    it = line(LIVE, backoff=Backoff(stable_after=10.0))
    it.attempt = 5
    for after in data:
        it.carried(NOW + after)
    it.rotated()
    assert (it.attempt, it.good_at) == (attempt, good_at)
    assert it.failed() == attempt  # the same data does not count twice


def test_a_venue_that_broke_the_rules_can_be_answered_for_a_moment() -> None:
    """`answer_limit` from the first time, whatever else it does wrong; until then that is all the line waits for."""
    it = line(LIVE, answer_limit=3.0, heartbeat=1.0)
    it.broke(NOW + 1.0)
    it.broke(NOW + 2.0)
    assert it.deadline() == NOW + 4.0
    it.wait(NOW + 4.0)
    it.dial(NOW + 4.0)
    it.opened(NOW + 5.0)
    assert it.deadline() == NOW + 6.5  # the next connection has its own clocks, and no such limit


# ---------------------------------------------------------------- the goodbye


@pytest.mark.parametrize(
    ("code", "reason", "expected"),
    [
        (1000, "", b"\x03\xe8"),
        (1002, "bad opcode", b"\x03\xeabad opcode"),
        (4999, "x" * 200, b"\x13\x87" + b"x" * 123),
        (1000, "x" * 122 + "é", b"\x03\xe8" + b"x" * 122),  # no half a letter
        (1000, "x" * 121 + "é", b"\x03\xe8" + b"x" * 121 + "é".encode()),
    ],
)
def test_a_close_payload(code: int, reason: str, expected: bytes) -> None:
    """Two bytes of code, then the reason in whole letters, as many as a control frame has room for."""
    assert close_payload(code, reason) == expected


@given(code=st.integers(1000, 4999), reason=st.text())
def test_any_close_payload_can_be_read(code: int, reason: str) -> None:
    """The other side gets the code and the beginning of the reason."""
    payload = close_payload(code, reason)
    assert len(payload) <= 125
    assert int.from_bytes(payload[:2], "big") == code
    assert reason.startswith(payload[2:].decode())
    assert len(payload) > 121 or payload[2:].decode() == reason
