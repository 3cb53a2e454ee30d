"""`core/connections.py`: dialling, losing and waiting."""

from __future__ import annotations

from typing import Any

import pytest

from syncstream.core.engine import Abandon, Dial, Hangup
from syncstream.core.opening import Step
from syncstream.core.rules import Kind
from syncstream.errors import CallableError, ConnectFailed, DialError, FeedFailed, Severity
from syncstream.events import Connected, Disconnected

from .rig import NUMBERED, PLAIN, Rig, change, delta


def pause_before_dial(rig: Rig) -> float:
    """How long it is until the next dial."""
    before = rig.now
    rig.redial()
    return rig.now - before


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
    rig = Rig(change(NUMBERED, first_live_limit=60.0))
    rig.start()
    rig.engine.refused(0, rig.dials[0].epoch, CallableError("endpoint: raised KeyError"), rig.now)
    rig.wait(60.0)
    assert type(rig.failure()) is ConnectFailed


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


def test_later_nothing_is_that_urgent() -> None:
    """Once a line was open the stream waits as long as it takes."""
    rig = Rig(change(NUMBERED, first_live_limit=60.0))
    rig.open()
    rig.cut()
    for _ in range(100):
        rig.redial()
        rig.refuse()
    assert (rig.failure(), rig.now > 300.0) == (None, True)


# ---------------------------------------------------------------- what is told, and to whom


def test_each_line_is_told_by_its_number_and_its_moment() -> None:
    """What opens and what ends says which line it is; the connections are counted, and the log hears of the wait."""
    rig = Rig(NUMBERED, lines=2)
    rig.start()
    rig.open(1)
    assert (rig.items, rig.engine.connects) == ([Connected(line=1, attempt=1, at_ns=100_000_000_000)], 1)
    rig.said()
    rig.cut(1)
    assert rig.items == [Disconnected(line=1, reason="cut", code=1006, retry_in=0.5, at_ns=100_000_000_000)]
    assert rig.engine.notes == ["line 1: cut; the next attempt in 0.5 s"]
    rig.open(0)
    assert rig.engine.connects == 2


def test_each_reconnect_is_told_when_the_line_is_open_again() -> None:
    """Once each, with no message needed for it, and none that comes later tells it again."""
    rig = Rig(PLAIN)
    rig.open()
    for _ in range(3):
        rig.send({"k": "A"}, {"k": "A"})
        rig.said()
        rig.reopen()
        assert [line for line in rig.said() if line.startswith("gap")] == ["gap None reconnect None..None told"]


def test_a_connection_that_was_never_through_is_no_loss() -> None:
    """What is missed is told with the first that is, as after one reconnect."""
    rig = Rig(change(PLAIN, opening=(Step(expect=lambda message: message.get("in")),)))
    rig.open()
    rig.send({"in": 1}, {"k": "A"})
    rig.cut()
    for _ in range(2):
        rig.redial()
        rig.open()
        rig.cut()
    rig.redial()
    rig.open()
    rig.said()
    rig.send({"in": 1})
    assert rig.said() == ["connected 0 attempt 4", "gap None reconnect None..None told"]


# ---------------------------------------------------------------- what another line has covered


@pytest.mark.parametrize(
    ("other", "state"),
    [
        ("none", "unproven"),
        ("open as long", "live"),
        ("open later than the last message", "unproven"),
        ("open before, and lost", "unproven"),
        ("never open", "unproven"),
    ],
)
def test_what_another_line_carried_is_not_missed(other: str, state: str) -> None:
    """It has to be open, and to have been so at the last message of the one that is lost."""
    rig = Rig(NUMBERED, lines=1 if other == "none" else 2)
    rig.start()
    rig.open(0)
    if other.startswith("open as long") or other == "open before, and lost":
        rig.open(1)
    rig.send(delta("A", 1))
    if other == "open before, and lost":
        rig.cut(1)
        assert rig.state("A") == "live"
    elif other == "open later than the last message":
        rig.wait(1.0)
        rig.open(1)
    rig.cut(0)
    assert rig.state("A") == state


def test_a_line_covers_nothing_of_its_own() -> None:
    """A venue that was away and is back has sent nothing meanwhile on the only line there is, open as it was."""
    rig = Rig(change(NUMBERED, classify=lambda message: Kind.RESUME if "back" in message else None))
    rig.live("A", 1)
    rig.send({"back": True})
    assert rig.state("A") == "unproven"
