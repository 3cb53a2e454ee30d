"""`core/engine.py`: bytes, ends, pauses, answers and ticks, and who is told of them."""

from __future__ import annotations

import msgspec
import pytest

from syncstream import Liveness
from syncstream.core.engine import Abandon, Dial, Hangup, Send
from syncstream.core.frames import CLOSE, PING
from syncstream.core.keepalive import Keepalive
from syncstream.core.opening import Step
from syncstream.core.rules import Kind
from syncstream.errors import DataFailed
from syncstream.events import Disconnected
from syncstream.schema import Json

from .rig import HEALED, NUMBERED, Rig, change, delta, frame, run_of, text

SCRIPTED = change(NUMBERED, opening=(Step(expect=lambda message: message.get("in"), fail=lambda message: message.get("no")),))


# ---------------------------------------------------------------- bytes


def test_any_byte_shows_that_the_transport_is_alive() -> None:
    """The next ping is reckoned from it."""
    rig = Rig(change(NUMBERED, liveness=Liveness(ping_after=15.0)))
    rig.open()
    rig.wait(10.0)
    rig.raw(b"\x81")
    rig.did()
    rig.wait(14.9)
    assert rig.did() == []
    rig.wait(0.1)
    assert [action.opcode for action in rig.did(Send)] == [PING]


def test_messages_that_go_the_fast_way_prove_the_feed_and_the_line() -> None:
    """A line that brings nothing else is neither mute nor unproven."""
    rig = Rig(change(NUMBERED, heartbeat=5.0))
    rig.live("A", 0)
    for number in range(1, 7):
        rig.wait(2.5)
        rig.send(delta("A", number))
    assert rig.said() == [f"A{number}" for number in range(1, 7)]
    rig.wait(7.4)
    assert rig.said() == []
    assert (rig.engine.lines[0].data_at, rig.engine.lines[0].proved) == (rig.now - 7.4, True)


def test_plain_messages_go_the_fast_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """None of them is looked at alone."""
    rig = Rig(NUMBERED)
    rig.live("A", 0)
    monkeypatch.delattr(type(rig.order), "use")
    rig.send(*run_of("A", 1, 3))
    assert rig.said() == ["A1", "A2", "A3"]


def test_before_a_line_is_live_no_message_goes_the_fast_way() -> None:
    """The script sees all of them, also the one that would be delivered as the next of its key."""
    rig = Rig(change(NUMBERED, opening=(Step(expect=lambda message: message["n"] == 4),)))
    rig.open()
    rig.send(*run_of("A", 1, 3))
    assert "A" in rig.keys.plain
    rig.send(delta("A", 4))
    assert rig.said() == ["A1", "A2", "A3", "connected 0 attempt 1"]


def test_the_first_message_in_quarantine_is_noted() -> None:
    """For the log; those that follow are counted."""
    rig = Rig(NUMBERED)
    rig.open()
    rig.send(delta("A", 1))
    assert rig.engine.notes == []
    for _ in range(3):
        rig.send(b"?")
    (note,) = rig.engine.notes
    assert note.startswith("a message was quarantined, the first of perhaps many: ")
    assert note.endswith(rig.order.quarantine_why)
    assert rig.order.quarantine_why


def test_what_is_broken_behind_the_end_of_a_line_changes_nothing() -> None:
    """A refusal, and what cannot be read, in one batch: it has been left for the first."""
    rig = Rig(SCRIPTED)
    rig.open()
    rig.send({"in": 1})
    rig.reopen()
    rig.said()
    rig.raw(text({"no": "closed today"}) + b"\x83\x00")
    assert rig.said() == ["disconnected 0: opening: step 1 of 1 was refused: closed today"]


def test_what_came_before_a_broken_frame_may_be_answered_for_a_moment() -> None:
    """The line is not read any more, and left when the moment is over."""
    rig = Rig(change(NUMBERED, answer_limit=0.1))
    rig.open()
    rig.did()
    rig.raw(b"\x83\x00")
    assert rig.did() == []
    assert rig.engine.deadline() == pytest.approx(rig.now + 0.1)
    rig.wait(0.05)
    rig.tick()
    assert rig.did() == []
    rig.wait(0.05)
    assert rig.did() == [Send(0, 1, CLOSE, b"\x03\xeaunknown opcode 3", True), Hangup(0, 1)]


def test_in_that_moment_nothing_of_ours_is_said() -> None:
    """No keepalive and no subscription: the venue is spoken to no more."""
    rig = Rig(change(NUMBERED, answer_limit=5.0, keepalive=Keepalive(every=1.0)))
    rig.open()
    rig.did()
    rig.raw(b"\x83\x00")
    rig.wait(3.0)
    rig.tick()
    assert rig.did() == []


def test_bytes_that_fit_nothing_end_the_stream_even_if_no_tick_finds_it() -> None:
    """After a sleep of the machine the bytes may come first."""
    rig = Rig(change(NUMBERED, first_data_limit=30.0))
    rig.open()
    rig.send(*[{"x": 1}] * 10)
    rig.now += 31.0
    rig.raw(frame(PING, b""))
    assert isinstance(rig.failure(), DataFailed)


def test_the_first_data_deadline_is_one_of_the_engine() -> None:
    """So that a feed that fits nothing fails though no more comes; with a tick before it, too."""
    rig = Rig(change(NUMBERED, first_data_limit=30.0))
    rig.open()
    rig.send(*[{"x": 1}] * 10)
    assert rig.engine.deadline() == rig.now + 30.0
    rig.tick()
    assert rig.failure() is None
    rig.now += 30.0
    rig.tick()
    assert isinstance(rig.failure(), DataFailed)


def test_a_cut_has_the_code_of_a_cut() -> None:
    """1006, so that a feed can say what it means."""
    rig = Rig(NUMBERED)
    rig.open()
    rig.cut()
    assert [item.code for item in rig.items if isinstance(item, Disconnected)] == [1006]


def test_a_failure_in_the_last_batch_of_a_line() -> None:
    """One key too many, and goodbye: the stream ends with what came first."""
    rig = Rig(change(NUMBERED, max_keys=1))
    rig.open()
    rig.said()
    rig.raw(text(delta("A", 1)) + text(delta("B", 1)) + frame(CLOSE, b"\x03\xe8"))
    assert (rig.said(), isinstance(rig.failure(), DataFailed)) == (["A1", "closed"], True)


def test_what_the_last_batch_of_a_line_showed_is_done_at_once() -> None:
    """Its quarantine is noted, and a hole is asked for on the line that is left."""
    rig = Rig(HEALED, lines=2)
    rig.start()
    rig.open(0)
    rig.open(1)
    rig.live("A", 1)
    rig.engine.notes.clear()
    rig.raw(text(b"?") + text(delta("B", 1)) + frame(CLOSE, b"\x03\xe8"))
    assert rig.asked() == ["B"]
    assert len([note for note in rig.engine.notes if "quarantined" in note]) == 1


# ---------------------------------------------------------------- while we do not read


def test_silence_proves_nothing_while_we_do_not_read() -> None:
    """The clocks begin anew when we go on."""
    rig = Rig(change(NUMBERED, heartbeat=5.0))
    rig.open()
    rig.engine.paused()
    rig.wait(60.0)
    rig.engine.resumed(rig.now)
    rig.did()
    rig.said()
    rig.wait(7.4)
    assert rig.said() == []
    rig.wait(0.1)
    assert rig.said() == ["disconnected 0: mute: no message for 7.5 s, limit 7.5 s (1.5 x heartbeat)"]


def test_no_step_is_late_while_we_do_not_read() -> None:
    """Its answer may stand among what was not read; then it has its whole time. A tick meanwhile does no harm."""
    rig = Rig(SCRIPTED)
    rig.open()
    rig.wait(9.0)
    rig.engine.paused()
    assert rig.engine.deadline() == 160.0  # that of the first line
    rig.wait(10.0)
    rig.tick()
    assert rig.said() == []
    rig.engine.resumed(rig.now)
    rig.wait(9.9)
    assert rig.said() == []
    rig.wait(0.1)
    assert rig.said() == ["disconnected 0: opening: step 1 of 1 got no answer within 10 s"]


# ---------------------------------------------------------------- snapshots and consumers


def test_a_request_that_failed_is_made_again() -> None:
    """After the back-off; what comes for one that is over is late."""
    rig = Rig(HEALED)
    rig.open()
    rig.send(delta("A", 1))
    assert rig.asked() == ["A"]
    first = rig.fetches["A"]
    rig.fail("A")
    rig.wait(1.0)
    assert rig.asked() == ["A"]
    rig.answer("A", 1, epoch=first)
    assert (rig.state("A"), rig.engine.status(rig.now).late_answers) == ("syncing", 1)
    rig.answer("A", 1)
    assert rig.state("A") == "live"


def test_a_request_without_an_answer_is_made_again() -> None:
    """It is overdue once its limit is over, and its place is given to another."""
    rig = Rig(change(HEALED, fetch_limit=30.0))
    rig.open()
    rig.send(delta("A", 1))
    assert rig.asked() == ["A"]
    first = rig.fetches["A"]
    rig.wait(29.9)
    assert rig.asked() == []
    rig.wait(1.0)
    assert rig.asked() == ["A"]
    assert rig.fetches["A"] != first


def test_a_consumer_that_is_too_slow_and_catches_up() -> None:
    """What was dropped is healed when it has, and not before."""
    rig = Rig(HEALED)
    rig.live("A", 1)
    rig.wait(5.0)
    rig.drop("A")
    rig.send(delta("A", 2))
    assert (rig.state("A"), rig.asked()) == ("dropped", [])
    rig.relieve()
    assert rig.asked() == ["A"]


def test_after_the_end_a_consumer_drops_in_silence() -> None:
    """`Closed` is the last word."""
    rig = Rig(HEALED)
    rig.live("A", 1)
    rig.engine.close(rig.now)
    rig.said()
    rig.did()
    rig.drop("A")
    rig.relieve()
    assert (rig.said(), rig.did()) == ([], [])


# ---------------------------------------------------------------- topics


def test_the_feed_says_which_key_a_topic_is_about() -> None:
    """Nothing of that key is kept when its topic is left."""
    rig = Rig(NUMBERED, topics=("quotes.A",), topic_key=lambda topic: topic.split(".")[1])
    rig.live("A", 1)
    rig.engine.unsubscribe(["quotes.A"], [], rig.now)
    rig.send(delta("A", 2))
    assert (rig.said(), rig.keys.syncs) == ([], {})


# ---------------------------------------------------------------- time


def test_a_tick_too_early_does_nothing() -> None:
    """Neither while a line waits, nor while it is dialled, nor while a step waits."""
    rig = Rig(SCRIPTED)
    rig.start()
    rig.did()
    rig.tick()
    assert rig.did() == []
    rig.open()
    rig.tick()
    assert rig.did() == []
    rig.cut()
    rig.did()
    rig.tick()
    assert rig.did() == []


def test_a_line_without_a_limit_is_left_alone() -> None:
    """One that has ended has nothing due, while another still waits for its goodbye."""
    rig = Rig(NUMBERED, lines=2)
    rig.start()
    rig.open(0)
    rig.did()
    rig.engine.close(rig.now)
    assert rig.did() == [Send(0, 1, CLOSE, b"\x03\xe8", True), Abandon(1, 1)]
    assert not rig.engine.finished
    rig.wait(1.0)
    assert (rig.did(), rig.engine.finished) == ([Hangup(0, 1)], True)


def test_before_the_end_nothing_is_finished() -> None:
    """Though no connection is left."""
    rig = Rig(NUMBERED)
    assert not rig.engine.finished
    rig.open()
    assert not rig.engine.finished
    rig.engine.close(rig.now)
    rig.cut()
    assert rig.engine.finished


def test_a_line_that_has_just_been_left_says_nothing_more() -> None:
    """It is mute, and a keepalive would be due at the same moment."""
    rig = Rig(change(NUMBERED, heartbeat=5.0, keepalive=Keepalive(every=7.5)), chance=0.0)
    rig.open()
    rig.did()
    rig.wait(7.5)
    assert [action for action in rig.did() if not isinstance(action, Dial)] == [Hangup(0, 1)]


def test_a_wrong_key_is_asked_for_until_the_end() -> None:
    """As soon as it is known to be wrong; not when the stream is closed."""
    rig = Rig()
    rig.live("A", 5)
    rig.wait(60.0)
    rig.engine.mismatched("A", rig.now)
    assert (rig.said(), rig.asked()) == (["gap A checksum 5..None healing"], ["A"])
    rig.live("B", 5)
    rig.engine.close(rig.now)
    rig.said()
    rig.engine.mismatched("B", rig.now)
    assert rig.said() == []


@pytest.mark.parametrize(
    ("ends", "said"), [(False, ["A5", "A6", "A7"]), (True, ["A5", "disconnected 0: the venue asks to reconnect"])]
)
def test_frames_that_are_taken_apart_one_after_the_other(monkeypatch: pytest.MonkeyPatch, ends: bool, said: list[str]) -> None:
    """Each is followed in its turn, up to the message that ends the line, and nothing behind it."""
    monkeypatch.setattr("syncstream.core.parts._FLOW", 1)
    anew = change(NUMBERED, split=lambda frame: frame, classify=lambda message: Kind.RECONNECT if message.get("r") else None)
    rig = Rig(anew)
    rig.open()
    rig.said()
    rig.send([delta("A", 5)], [delta("A", 6, r=ends)], [delta("A", 7)])
    assert rig.said() == said


def test_what_has_failed_asks_for_nothing_more() -> None:
    """The second key is one too many; the snapshot of the first one is of no use any more."""
    rig = Rig(change(HEALED, max_keys=1))
    rig.open()
    rig.send(delta("A", 1), delta("B", 1))
    assert rig.asked() == []
    assert isinstance(rig.engine.failure, DataFailed)


def test_a_batch_says_whether_all_of_it_was_plain() -> None:
    """Then nothing is due sooner for it, and there is nothing to do but to deliver."""
    rig = Rig(NUMBERED)
    rig.open()
    epoch = rig.dials[0].epoch

    def came(data: bytes) -> bool:
        return rig.engine.batch(0, epoch, data, rig.now)

    def stirred() -> bool:
        return rig.engine.stirred

    assert not came(text(delta("A", 1)))  # the first of its key
    assert came(text(delta("A", 2)) + text(delta("A", 3)))
    assert came(text(delta("A", 4))[:5])
    assert came(text(delta("A", 4))[5:])
    assert not came(text(delta("A", 5)) + frame(PING, b""))
    assert stirred()
    rig.gather()
    assert not stirred()
    assert not rig.engine.batch(0, epoch + 1, text(delta("A", 6)), rig.now)
    assert not came(text(delta("A", 6)) + b"\xff\xff")  # what breaks the rules has a deadline
    rig.cut()
    assert not came(text(delta("A", 7)))


def test_the_fast_path_is_there_while_the_line_lives() -> None:
    """On this connection alone; what it has taken counts as delivered."""
    rig = Rig(change(NUMBERED, decode=Json(msgspec.json.Decoder().decode)))
    rig.open()
    rig.send(delta("A", 5))
    epoch, data = rig.dials[0].epoch, text(delta("A", 6))
    assert rig.engine.fast_path(0, epoch + 1)(data, rig.now) == ([], [], 0)
    messages, sizes, at = rig.engine.fast_path(0, epoch)(data, rig.now)
    assert (messages, sizes, at) == ([delta("A", 6)], [len(data) - 2], len(data))
    rig.cut()
    assert rig.engine.fast_path(0, epoch)(text(delta("A", 7)), rig.now) == ([], [], 0)
