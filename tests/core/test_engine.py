"""`core/engine.py`: what opens, what comes too late, what the user says, and how big messages are."""

from __future__ import annotations

import pytest

from syncstream.core.actions import Payload
from syncstream.core.budget import Budget
from syncstream.core.deflate import Agreed, Pack
from syncstream.core.engine import Dial, Hangup, Send
from syncstream.core.frames import BINARY, PING, TEXT
from syncstream.core.opening import Step
from syncstream.core.rules import Rules
from syncstream.errors import DialError
from syncstream.events import Connected, Disconnected

from .rig import BY_CHANNEL, BY_CONNECTION, HEALED, NUMBERED, TYPED, WHOLE, Rig, change, delta, frame, text

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


def test_each_message_is_charged_its_own_bytes() -> None:
    """Whatever came beside it: small ones, ones that are not delivered, control frames in its middle. Markers have none."""
    rig = Rig(NUMBERED, sized=True)
    rig.live("A", 5)
    rig.sizes.clear()
    large = text(delta("A", 7, note="x" * 5000))
    head, tail = large[:4], large[4:]
    assert head[1] == 126  # two bytes of length
    fragment = bytes([0x01, 126]) + (4000).to_bytes(2, "big") + tail[:4000]
    rest = bytes([0x80, 126]) + (len(tail) - 4000).to_bytes(2, "big") + tail[4000:]
    again = text(delta("A", 5))
    rig.raw(again * 50 + text(delta("A", 6)) + fragment + bytes([0x89, 0]) * 500 + rest + text(delta("A", 8)))
    small = len(text(delta("A", 6))) - 2
    assert (rig.said(), rig.sizes) == (["A6", "A7", "A8"], [small, len(tail), small])
    rig.sizes.clear()
    rig.send(delta("A", 10))
    assert (rig.said(), rig.sizes) == (["gap A hole 8..10 told", "A10"], [0, small + 1])
    assert rig.engine.take_sizes([]) == []


@pytest.mark.parametrize("rules", [HEALED, BY_CONNECTION, BY_CHANNEL, TYPED, WHOLE])
def test_what_was_held_keeps_its_bytes(rules: Rules) -> None:
    """A snapshot has those of the answer, what is replayed behind it those it came with."""
    rig = Rig(rules, sized=True)
    rig.open()
    long = delta("A", 6, v=6, c="c", note="x" * 300)
    rig.send(delta("A", 5, v=5, c="c"))
    rig.send(long, last := delta("A", 7, v=7, c="c"))
    own = [len(text(long)) - 4, len(text(last)) - 2]
    assert (rig.keys.held, rig.keys.held_bytes) == (3, own[0] + 2 * own[1])
    rig.answer("A", None if rules.whole else 5, size=700)
    assert [size for size in rig.sizes if size] == [700, *own]
    assert (rig.keys.held, rig.keys.held_bytes) == (0, 0)


@pytest.mark.parametrize("rules", [TYPED, change(TYPED, rule=None, first=None, last=None, splice=None, whole=True)])
def test_a_snapshot_in_the_stream_has_the_bytes_it_came_with(rules: Rules) -> None:
    """With its own number, and without."""
    rig = Rig(rules, sized=True)
    rig.open()
    rig.said()
    rig.sizes.clear()
    rig.send(said := delta("A", 5, t="snap", note="x" * 50))
    assert rig.said()[0].startswith("snapshot A")
    assert rig.sizes[0] == len(text(said)) - 2


def test_nothing_is_measured_that_nobody_asked_for() -> None:
    """Where the bound in bytes is off."""
    rig = Rig(NUMBERED)
    rig.live("A", 5)
    assert (rig.engine.take_sizes(["something"]), rig.sizes, rig.keys.sizes) == (None, [], None)


def test_the_size_of_a_compressed_message_is_what_it_is_unpacked() -> None:
    """A bound in bytes is about memory, and on the wire a message can be a thousand times smaller."""
    rig = Rig(NUMBERED, sized=True)
    rig.start()
    rig.engine.opened(0, rig.dials[0].epoch, (), rig.now, deflate=Agreed())
    rig.gather()
    rig.sizes.clear()
    said = b'{"k": "A", "n": 1, "note": "' + b"x" * 50_000 + b'"}'
    packed = Pack(Agreed()).message(said)
    assert packed is not None
    data = bytes([0xC0 | TEXT, len(packed)]) + packed
    assert len(data) < 130
    rig.raw(data)
    assert rig.sizes == [len(said)]


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
    assert rig.said() == ["connected 0 attempt 2", "A1"]


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
