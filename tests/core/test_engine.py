"""`core/engine.py`: what opens, what comes too late, what the user says, and how big messages are."""

from __future__ import annotations

import pytest

from syncstream.core.actions import Payload
from syncstream.core.budget import Budget
from syncstream.core.deflate import Agreed, Pack
from syncstream.core.engine import Dial, Hangup, Send
from syncstream.core.frames import BINARY, PING, TEXT
from syncstream.core.opening import Step
from syncstream.errors import DialError
from syncstream.events import Connected, Disconnected

from .rig import NUMBERED, Rig, change, delta, frame, text

SCRIPTED = change(NUMBERED, opening=(Step(expect=lambda message: message.get("in"), within=5.0),), max_message_size=100)

# ---------------------------------------------------------------- a line opens


def test_start_dials_every_line_once() -> None:
    """With the topics that are wanted, each in its own epoch."""
    rig = Rig(NUMBERED, lines=2, topics=("A", "B"))
    rig.start()
    assert rig.did() == [Dial(0, 1, ("A", "B")), Dial(1, 1, ("A", "B"))]


def test_an_open_line_is_subscribed_and_told() -> None:
    """What it is given to say goes out first; `attempt` counts from one."""
    rig = Rig(NUMBERED, wall_ns=7)
    assert rig.open(payloads=(Payload(TEXT, b"one"), Payload(BINARY, b"two")))
    assert rig.did(Send) == [Send(0, 1, TEXT, b"one", False), Send(0, 1, BINARY, b"two", False)]
    assert rig.items == [Connected(line=0, attempt=1, at_ns=100_000_000_007)]


def test_a_line_opened_too_late_is_not_taken() -> None:
    """Of an older epoch, twice, or after the end: the shell has to close it."""
    rig = Rig(NUMBERED)
    rig.open()
    assert not rig.engine.opened(0, 1, (), rig.now)
    rig.cut()
    assert not rig.engine.opened(0, 1, (), rig.now)
    rig.redial()
    assert not rig.engine.opened(0, 1, (), rig.now)
    rig.engine.close(rig.now)
    rig.said()
    assert not rig.open()
    assert (rig.said(), rig.engine.status(rig.now).late_answers) == ([], 4)


def test_what_belongs_to_an_older_epoch_changes_nothing() -> None:
    """Bytes, an end, a refusal: of the connection before, or of none at all."""
    rig = Rig(NUMBERED)
    rig.open()
    rig.send(delta("A", 1))
    rig.cut()
    rig.redial()
    rig.said()
    rig.did()
    deadline = rig.engine.deadline()
    for epoch in (1, 2, rig.dials[0].epoch):
        rig.engine.batch(0, epoch, text(delta("A", 2)), rig.now)
        rig.engine.lost(0, epoch, "again", rig.now)
    rig.engine.refused(0, 1, DialError("no"), rig.now)
    assert (rig.said(), rig.did(), rig.engine.deadline()) == ([], [], deadline)
    assert (rig.engine.status(rig.now).late_answers, rig.open()) == (7, True)
    rig.engine.refused(0, rig.dials[0].epoch, DialError("no"), rig.now)
    assert (rig.engine.status(rig.now).late_answers, rig.engine.status(rig.now).state) == (8, "syncing")


def test_what_the_connection_before_still_says_is_not_heard_on_this_one() -> None:
    """Its bytes and its end come late, while the next one is open already."""
    rig = Rig(NUMBERED)
    rig.live("A", 1)
    old = rig.dials[0].epoch
    rig.reopen()
    rig.said()
    rig.did()
    rig.engine.batch(0, old, text(delta("A", 2)), rig.now)
    rig.engine.lost(0, old, "late", rig.now)
    assert (rig.said(), rig.did(), rig.engine.status(rig.now).late_answers) == ([], [], 2)


def test_a_cut_in_the_middle_of_a_frame_leaves_nothing_behind() -> None:
    """The next connection begins with a frame of its own."""
    rig = Rig(NUMBERED)
    rig.live("A", 1)
    rig.raw(text(delta("A", 2))[:-3])
    rig.reopen()
    rig.said()
    rig.send(delta("A", 2))
    assert rig.said() == ["resynced A at 2 +0", "A2"]


def test_the_route_of_a_message_of_the_user() -> None:
    """The first line that is open; none while there is none."""
    rig = Rig(NUMBERED, lines=2)
    assert rig.engine.route() is None
    rig.start()
    rig.open(1)
    assert rig.engine.route() == (1, 1)
    rig.open(0)
    assert rig.engine.route() == (0, 1)
    rig.cut(0)
    assert rig.engine.route() == (1, 1)
    rig.engine.close(rig.now)
    assert rig.engine.route() is None


# ---------------------------------------------------------------- how big messages are


def test_the_mean_size_of_a_message_is_that_of_the_last_ones() -> None:
    """In bytes on the wire, headers too; one that comes in pieces counts whole, with those it came with."""
    rig = Rig(NUMBERED)
    rig.open()
    assert rig.engine.mean_size() == 0.0
    frames = [text(delta("A", number)) for number in (1, 2)]
    rig.engine.batch(0, 1, b"".join(frames), rig.now)
    assert rig.engine.mean_size() == len(frames[0])
    assert rig.engine.mean_size() == len(frames[0])  # nothing came since
    long = text(b'{"note": "' + b"x" * 5000 + b'"}')
    rig.engine.batch(0, 1, long[:3000], rig.now)
    assert rig.engine.mean_size() == len(frames[0])
    rig.engine.batch(0, 1, long[3000:], rig.now)
    assert rig.engine.mean_size() == len(long)


def test_the_size_of_a_compressed_message_is_what_it_is_unpacked() -> None:
    """A bound in bytes is about memory, and on the wire a message can be a thousand times smaller."""
    rig = Rig(NUMBERED)
    rig.start()
    rig.engine.opened(0, rig.dials[0].epoch, (), rig.now, deflate=Agreed())
    said = b'{"note": "' + b"x" * 50_000 + b'"}'
    packed = Pack(Agreed()).message(said)
    assert packed is not None
    data = bytes([0xC0 | TEXT, len(packed)]) + packed
    assert len(data) < 126
    rig.engine.batch(0, 1, data[:20], rig.now)
    assert rig.engine.mean_size() == 0.0
    rig.engine.batch(0, 1, data[20:], rig.now)
    assert rig.engine.mean_size() == len(said)


# ---------------------------------------------------------------- a line that is not live yet, or not any more


def test_when_the_deadline_is_over_no_line_is_dialled_once_more() -> None:
    """Though its wait is over at the same moment, as after a sleep of the machine."""
    rig = Rig(change(NUMBERED, first_live_limit=60.0))
    rig.refuse()
    rig.did()
    rig.now += 100.0
    rig.tick()
    assert (rig.did(), rig.said()[-1]) == ([], "closed")


def test_a_venue_that_breaks_the_protocol_and_hangs_up() -> None:
    """The reason is what it broke, not that it went; nobody waits for the end of the moment."""
    rig = Rig(NUMBERED)
    rig.open()
    rig.said()
    rig.raw(b"\x83\x00")
    rig.cut()
    assert [item.code for item in rig.items if isinstance(item, Disconnected)] == [1002]
    assert rig.said() == ["disconnected 0: protocol error: unknown opcode 3"]


def test_broken_frames_before_a_line_is_live_end_it_at_once() -> None:
    """Nothing came before them that could still be answered."""
    rig = Rig(SCRIPTED)
    rig.open()
    rig.did()
    rig.raw(b"\xf1\x00")
    assert [type(action) for action in rig.did()] == [Send, Hangup]
    assert rig.said() == ["disconnected 0: protocol error: reserved bit set, and no extension gives it a meaning here"]


def test_a_venue_that_talks_and_never_lets_us_in_is_left() -> None:
    """After as many bytes as one message may have; those that come with the last answer do not count."""
    rig = Rig(SCRIPTED)
    rig.open()
    rig.raw(text(b'{"x": "' + b"y" * 39 + b'"}') * 2)
    assert rig.said() == []
    rig.raw(frame(PING, b""))
    assert rig.said() == ["disconnected 0: opening: more than 100 bytes before it was through"]
    rig.redial()
    rig.open()
    rig.said()
    rig.raw(text(b'{"in": 1}') + text(delta("A", 1)) * 20)
    assert rig.said()[:2] == ["connected 0 attempt 2", "A1"]


# ---------------------------------------------------------------- what the user says


def test_a_message_of_the_user_counts_for_the_budget_of_its_line() -> None:
    """It has gone out, so the next one of ours waits."""
    rig = Rig(change(NUMBERED, send_budget=Budget(count=1, per=1.0)), topics=("A",))
    rig.open()
    rig.engine.spent(0, rig.now)
    rig.engine.subscribe(["B"], [Payload(TEXT, b"join")], rig.now)
    rig.gather()
    assert rig.texts() == []
    rig.wait(1.0)
    assert rig.texts() == ["join"]


@pytest.mark.parametrize("late", ["epoch", "phase"])
def test_an_answer_for_a_connection_that_is_not_there_is_late(late: str) -> None:
    """It was asked for an older one, or this one is not live any more: nothing is said, and nothing held back."""
    rig = Rig(change(NUMBERED, asks=True), topics=("A",))
    rig.open()
    rig.did()
    rig.said()
    epoch = rig.dials[0].epoch
    if late == "phase":
        rig.engine.close(rig.now)
        rig.did()
        rig.said()
    else:
        epoch -= 1
    rig.engine.spoken(0, epoch, (), (Payload(TEXT, b"join", ("A",)),), rig.now)
    rig.engine.unspoken(0, epoch, ("A",), "raised", rig.now)
    assert (rig.did(), rig.said(), rig.engine.status(rig.now).late_answers) == ([], [], 2)
    assert rig.engine.notes == []


def test_an_answer_for_the_connection_that_is_there_is_said() -> None:
    """What it failed with is noted."""
    rig = Rig(change(NUMBERED, asks=True), topics=("A",))
    rig.open()
    rig.did()
    rig.engine.spoken(0, 1, (), (Payload(TEXT, b"join", ("A",)),), rig.now)
    assert [action.payload for action in rig.did(Send)] == [b"join"]
    rig.engine.unspoken(0, 1, ("A",), "raised", rig.now)
    assert rig.engine.notes == ["line 0: raised"]
    assert rig.engine.status(rig.now).late_answers == 0
