"""`core/engine.py`: dialling, losing, waiting, and what comes too late."""

from __future__ import annotations

from typing import Any

import pytest

from syncstream.core.deflate import Agreed, Pack
from syncstream.core.engine import Abandon, Dial, Hangup, Payload, Send
from syncstream.core.frames import BINARY, TEXT
from syncstream.errors import CallableError, ConnectFailed, DialError, FeedFailed, Severity
from syncstream.events import Connected, Disconnected

from .rig import NUMBERED, Rig, change, delta, text


def pause_before_dial(rig: Rig) -> float:
    """How long it is until the next dial."""
    before = rig.now
    rig.redial()
    return rig.now - before


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


# ---------------------------------------------------------------- a line is lost, or was never had


def test_a_lost_line_is_dialled_again() -> None:
    """It is released, told with the reason and the wait, and dialled when that is over, in a new epoch."""
    rig = Rig(NUMBERED, topics=("A",))
    rig.open()
    rig.said()
    rig.cut(reason="the connection broke")
    assert rig.did() == [Dial(0, 1, ("A",)), Hangup(0, 1)]
    assert rig.items == [Disconnected(line=0, reason="the connection broke", code=1006, retry_in=0.5, at_ns=100_000_000_000)]
    rig.wait(0.4)
    assert rig.did() == []
    rig.wait(0.1)
    assert rig.did() == [Dial(0, 3, ("A",))]


def test_refusals_wait_ever_longer() -> None:
    """Doubling, with jitter, up to the maximum of the policy."""
    rig = Rig(NUMBERED)
    waits = []
    for _ in range(6):
        rig.refuse()
        waits.append(pause_before_dial(rig))
    assert waits == [0.5, 1.0, 2.0, 4.0, 4.0, 4.0]
    rig.open()
    assert rig.said()[-1] == "connected 0 attempt 7"


@pytest.mark.parametrize(("chance", "waits"), [(0.0, [0.0, 0.0, 0.0]), (0.999, [0.999, 1.998, 3.996])])
def test_the_jitter_is_full(chance: float, waits: list[float]) -> None:
    """Anything from nothing to the ceiling."""
    rig = Rig(NUMBERED, chance=chance)
    seen = []
    for _ in range(3):
        rig.refuse()
        seen.append(pause_before_dial(rig))
    assert seen == pytest.approx(waits)


@pytest.mark.parametrize(
    ("options", "wait"),
    [
        ({"retry_after": 20.0}, 20.5),
        ({"severity": Severity.SLOW}, 6.0),
        ({"severity": Severity.SLOW, "retry_after": 20.0}, 26.0),
    ],
)
def test_what_a_refusal_asks_for(options: dict[str, Any], wait: float) -> None:
    """Retry-After is the least; a slow one waits the longest of the policy, half of it jittered."""
    rig = Rig(NUMBERED)
    rig.refuse(**options)
    assert pause_before_dial(rig) == pytest.approx(wait)


def test_a_mistake_of_a_callable_is_no_failure_of_the_network() -> None:
    """So `except ConnectionError` around a stream does not hide it; where it is the time that is over, the network has failed."""
    rig = Rig(NUMBERED)
    error = CallableError("endpoint: raised KeyError", severity=Severity.FATAL)
    rig.start()
    rig.engine.refused(0, rig.dials[0].epoch, error, rig.now)
    rig.gather()
    failure = rig.failure()
    assert type(failure) is FeedFailed
    assert (str(failure), failure.__cause__) == ("endpoint: raised KeyError", error)
    assert not isinstance(failure, ConnectionError)


def test_a_fatal_refusal_before_the_first_line_ends_the_stream() -> None:
    """A wrong key is not worth a minute; the reason is in the error and its cause."""
    rig = Rig(NUMBERED, lines=2)
    rig.start()
    rig.did()
    rig.refuse(message="401 Unauthorized", severity=Severity.FATAL)
    failure = rig.failure()
    assert isinstance(failure, ConnectFailed)
    assert isinstance(failure.__cause__, DialError)
    assert (str(failure), rig.did(), rig.said()) == ("401 Unauthorized", [Abandon(1, 1)], ["closed"])
    assert (rig.engine.finished, rig.engine.deadline()) == (True, None)


def test_a_fatal_refusal_later_is_a_slow_one() -> None:
    """It has worked once: a venue in maintenance says such things."""
    rig = Rig(NUMBERED)
    rig.open()
    rig.cut()
    rig.redial()
    rig.refuse(message="404 Not Found", severity=Severity.FATAL)
    assert (rig.failure(), pause_before_dial(rig)) == (None, 6.0)


def test_connections_without_data_wait_ever_longer() -> None:
    """Accept and drop is met like a refusal: the handshake proves nothing."""
    rig = Rig(NUMBERED)
    waits = []
    for _ in range(5):
        rig.open()
        rig.cut()
        waits.append(pause_before_dial(rig))
        rig.dials.pop(1, None)
    assert waits == [0.5, 1.0, 2.0, 4.0, 4.0]


@pytest.mark.parametrize(("seconds", "wait", "attempt"), [(9.9, 2.0, 4), (10.0, 0.5, 2)])
def test_only_data_over_some_time_proves_a_line(seconds: float, wait: float, attempt: int) -> None:
    """From the first message to the last one `stable_after` has to pass; then the attempts count anew."""
    rig = Rig(NUMBERED)
    for _ in range(2):
        rig.refuse()
        rig.redial()
    rig.open()
    rig.wait(30.0)
    rig.send(delta("A", 1))
    rig.wait(seconds)
    rig.send(delta("A", 2))
    rig.wait(30.0)
    rig.cut()
    assert pause_before_dial(rig) == wait
    rig.said()
    rig.open()
    assert rig.said() == [f"connected 0 attempt {attempt}"]


def test_messages_that_are_no_data_prove_no_line() -> None:
    """Without a key, or not to be read."""
    rig = Rig(NUMBERED)
    rig.refuse()
    rig.redial()
    rig.open()
    rig.send({"hello": 1})
    rig.wait(20.0)
    rig.send({"hello": 1}, b"?")
    rig.cut()
    assert pause_before_dial(rig) == 1.0


def test_a_dial_that_hangs_is_abandoned() -> None:
    """It is told and dialled again; whatever comes of it is too late."""
    rig = Rig(change(NUMBERED, dial_limit=15.0))
    rig.start()
    rig.did()
    rig.wait(14.9)
    assert rig.did() == []
    rig.wait(0.1)
    assert (rig.did(), rig.said()) == ([Abandon(0, 1)], ["disconnected 0: the dial hangs"])
    assert not rig.engine.opened(0, 1, (), rig.now)
    assert pause_before_dial(rig) == 0.5


@pytest.mark.parametrize("trouble", ["hangs", "refuses"])
def test_the_first_line_has_a_deadline(trouble: str) -> None:
    """A mistyped host must not hang a loop for ever; the last reason is named."""
    rig = Rig(change(NUMBERED, first_live_limit=60.0), chance=1.0)
    rig.start()
    while rig.now < 159.9 and rig.failure() is None:
        if trouble == "refuses" and rig.dials[0].epoch == rig.engine.lines[0].epoch:
            rig.refuse(message="no such host")
        rig.wait(min(1.0, 159.9 - rig.now))
    assert rig.failure() is None
    rig.wait(0.1)
    failure = rig.failure()
    assert isinstance(failure, ConnectFailed)
    reason = "; the last attempt: no such host" if trouble == "refuses" else ""
    assert str(failure) == f"no line could be opened within 60 s{reason}"
    assert (failure.__cause__ is None) is (trouble == "hangs")


def test_when_the_deadline_is_over_no_line_is_dialled_once_more() -> None:
    """Though its wait is over at the same moment, as after a sleep of the machine."""
    rig = Rig(change(NUMBERED, first_live_limit=60.0))
    rig.refuse()
    rig.did()
    rig.now += 100.0
    rig.tick()
    assert (rig.did(), rig.said()[-1]) == ([], "closed")


def test_later_nothing_is_that_urgent() -> None:
    """Once a line was open the stream waits as long as it takes."""
    rig = Rig(change(NUMBERED, first_live_limit=60.0))
    rig.open()
    rig.cut()
    for _ in range(100):
        rig.redial()
        rig.refuse()
    assert (rig.failure(), rig.now > 300.0) == (None, True)


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
