"""`core/connections.py`: a planned end, limits to trying, and what each failure means."""

from __future__ import annotations

from typing import Any, Optional

import pytest

from syncstream.core.actions import Payload
from syncstream.core.backoff import Backoff
from syncstream.core.engine import Dial, Hangup, Send
from syncstream.core.frames import CLOSE, TEXT
from syncstream.core.opening import Step
from syncstream.core.rules import Kind
from syncstream.core.subscriptions import Acks
from syncstream.errors import ConnectFailed, Severity
from syncstream.events import Disconnected

from .rig import NUMBERED, Rig, change, delta, frame, text

# ---------------------------------------------------------------- a planned end


@pytest.mark.parametrize(("chance", "seconds"), [(0.0, 100.0), (0.5, 95.0), (0.999, 90.01)])
def test_a_line_is_replaced_before_its_end(chance: float, seconds: float) -> None:
    """A little earlier, with a goodbye, and dialled at once; it counts as no failure."""
    rig = Rig(change(NUMBERED, lifetime=100.0), chance=chance)
    rig.open()
    began = rig.now
    rig.send(delta("A", 1))
    rig.did()
    rig.said()
    rig.tick()
    while not rig.actions:
        rig.step()
    assert rig.now - began == pytest.approx(seconds)
    assert rig.items[0].retry_in == 0.0
    assert rig.did() == [Send(0, 1, CLOSE, b"\x03\xe8", True), Hangup(0, 1), Dial(0, 3, ())]
    assert rig.said() == ["disconnected 0: its lifetime of 100 s is over"]
    rig.open()
    assert rig.said() == ["connected 0 attempt 1"]


def test_failures_before_a_planned_end_count_on_unless_it_has_proved_itself() -> None:
    """A line that carried nothing proves nothing by being given up."""
    rig = Rig(change(NUMBERED, lifetime=100.0))
    rig.refuse()
    rig.redial()
    rig.open()
    rig.redial()
    assert rig.engine.lines[0].attempt == 1
    rig.open()
    rig.send(delta("A", 1))
    rig.wait(20.0)
    rig.send(delta("A", 2))
    rig.redial()
    assert rig.engine.lines[0].attempt == 0


# ---------------------------------------------------------------- limits to trying


def test_max_attempts() -> None:
    """So many failures in a row, and the stream has failed; the last reason is its text."""
    rig = Rig(change(NUMBERED, backoff=Backoff(max_attempts=3)))
    for number in range(3):
        assert rig.failure() is None
        rig.refuse(message=f"no {number}")
        if number < 2:
            rig.redial()
    assert isinstance(rig.failure(), ConnectFailed)
    assert str(rig.failure()) == "max_attempts=3 are used up; the last attempt: no 2"


def test_what_the_dial_budget_holds_back_is_no_attempt() -> None:
    """Nothing was dialled: it uses up no attempt and makes the back-off no longer; it waits until there is room."""
    rig = Rig(change(NUMBERED, backoff=Backoff(base=1.0, maximum=8.0, max_attempts=2)))
    for _ in range(5):
        rig.refuse(message="used up", cause="budget", retry_after=7.0)
        told = rig.items[-1]
        assert isinstance(told, Disconnected)
        assert told.retry_in == 7.5
        rig.redial()
    rig.refuse(message="gone")
    assert rig.failure() is None
    rig.redial()
    rig.refuse(message="gone")
    assert str(rig.failure()) == "max_attempts=2 are used up; the last attempt: gone"


def test_what_the_dial_budget_holds_back_is_no_time_for_the_first_line_either() -> None:
    """A host that may be dialled twice in five minutes can be used by a third stream; what comes after that counts."""
    rig = Rig(change(NUMBERED, first_live_limit=60.0))
    rig.refuse(message="used up", cause="budget", retry_after=290.0)
    rig.redial()
    assert rig.failure() is None
    rig.refuse(message="gone")
    rig.wait(60.0)
    assert isinstance(rig.failure(), ConnectFailed)


@pytest.mark.parametrize("options", [{"status": 429, "retry_after": 290.0}, {"cause": "budget"}])
def test_every_other_wait_is_time_for_the_first_line(options: dict[str, Any]) -> None:
    """The one that the venue asks for, and that of a budget which names none."""
    rig = Rig(change(NUMBERED, first_live_limit=60.0))
    rig.refuse(**options)
    rig.wait(59.9)
    assert rig.failure() is None
    rig.wait(0.1)
    assert isinstance(rig.failure(), ConnectFailed)


def test_a_planned_end_is_not_the_cause_of_a_failure() -> None:
    """The dial after it hangs, and that is all that went wrong."""
    rig = Rig(change(NUMBERED, lifetime=100.0, dial_limit=15.0, backoff=Backoff(max_attempts=1)))
    rig.open()
    rig.redial()
    rig.wait(15.0)
    failure = rig.failure()
    assert str(failure) == "max_attempts=1 are used up; the last attempt: the dial hangs"
    assert failure is not None
    assert failure.__cause__ is None


def test_max_attempts_counts_from_the_last_good_line() -> None:
    """A line that carried data for long enough ends the row; and a lost line is a failure like any other."""
    rig = Rig(change(NUMBERED, backoff=Backoff(base=1.0, maximum=1.0, stable_after=10.0, max_attempts=2)))
    for number in range(6):
        rig.open()
        rig.send(delta("A", 2 * number + 1))
        rig.wait(10.0)
        rig.send(delta("A", 2 * number + 2))
        rig.cut()
        rig.redial()
    assert rig.failure() is None
    rig.refuse(message="gone")
    assert str(rig.failure()) == "max_attempts=2 are used up; the last attempt: gone"


def test_max_elapsed() -> None:
    """Counted from the last data; the attempt that would come after it is not waited for."""
    rig = Rig(change(NUMBERED, backoff=Backoff(base=4.0, maximum=4.0, max_elapsed=60.0)))
    rig.open()
    rig.send(delta("A", 1))
    rig.wait(30.0)
    rig.send(delta("A", 2))
    good = rig.now
    rig.cut()
    while rig.failure() is None:
        rig.redial()
        rig.refuse(message="gone")
    assert str(rig.failure()) == "max_elapsed=60 s are over; the last attempt: gone"
    assert 56.0 <= rig.now - good <= 60.0


def test_a_retry_after_beyond_max_elapsed_is_the_end_at_once() -> None:
    """Waiting for it would lead to nothing."""
    rig = Rig(change(NUMBERED, backoff=Backoff(max_elapsed=60.0)))
    rig.refuse(message="429", retry_after=100.0)
    assert isinstance(rig.failure(), ConnectFailed)


def test_a_lost_line_can_be_the_last() -> None:
    """Its end is not told as one that is waited for; what it was about is in the error."""
    rig = Rig(change(NUMBERED, backoff=Backoff(max_attempts=1)))
    rig.live("A", 1)
    rig.cut(reason="gone")
    assert str(rig.failure()) == "max_attempts=1 are used up; the last attempt: gone"
    assert ends(rig) == [("gone", 1006, None)]
    assert (rig.said(), rig.engine.finished) == (["disconnected 0: gone", "closed"], True)
    assert rig.state("A") == "live"  # nothing is looked for any more


def test_while_the_other_line_lives_nothing_is_over() -> None:
    """The stream has what it needs."""
    rig = Rig(change(NUMBERED, backoff=Backoff(max_attempts=1)), lines=2)
    rig.start()
    rig.open(0)
    rig.refuse(1)
    assert rig.failure() is None
    rig.cut(0)
    assert rig.failure() is not None


# ---------------------------------------------------------------- the table of failures


@pytest.mark.parametrize(
    ("own", "options", "wait"),
    [
        ({}, {"status": 503}, 0.5),
        ({503: Severity.SLOW}, {"status": 503}, 6.0),
        ({"dns": Severity.SLOW}, {"cause": "dns"}, 6.0),
        ({401: Severity.RETRY}, {"status": 401, "severity": Severity.FATAL}, 0.5),
    ],
)
def test_a_feed_says_what_a_refused_dial_means(own: dict[Any, Severity], options: dict[str, Any], wait: float) -> None:
    """Over the default, by status or by word."""
    rig = Rig(change(NUMBERED, failures=own))
    rig.refuse(**options)
    before = rig.now
    rig.redial()
    assert rig.now - before == wait


@pytest.mark.parametrize(
    ("code", "own", "wait"), [(1001, {}, 0.5), (1008, {}, 6.0), (4000, {}, 0.5), (4000, {4000: Severity.SLOW}, 6.0)]
)
def test_a_close_code_has_a_class(code: int, own: dict[Any, Severity], wait: float) -> None:
    """By the table, or as the feed has it."""
    rig = Rig(change(NUMBERED, failures=own))
    rig.open()
    rig.raw(frame(CLOSE, code.to_bytes(2, "big")))
    before = rig.now
    rig.redial()
    assert rig.now - before == wait


def close_for_good(rig: Rig) -> None:
    rig.raw(frame(CLOSE, (4001).to_bytes(2, "big") + b"bad key"))


WRONG_KEY = {4001: Severity.FATAL}


def test_a_close_code_that_is_final() -> None:
    """A venue without a script accepts everybody and closes on a wrong key: that an open line was there shows nothing."""
    failure: Optional[BaseException]
    rig = Rig(change(NUMBERED, failures=WRONG_KEY))
    rig.open()
    rig.did()
    close_for_good(rig)
    assert rig.did() == [Send(0, 1, CLOSE, (4001).to_bytes(2, "big"), True), Hangup(0, 1)]
    failure = rig.failure()
    assert isinstance(failure, ConnectFailed)
    assert str(failure) == "closed by the venue: 4001 bad key"
    assert getattr(failure.__cause__, "severity", None) is Severity.FATAL
    assert (rig.said()[-1], rig.engine.finished) == ("closed", True)


def ends(rig: Rig) -> list[tuple[str, Optional[int], Optional[float]]]:
    """Of each line that was lost: why, with which code, and in how many seconds it is dialled again."""
    rig.gather()
    return [(item.reason, item.code, item.retry_in) for item in rig.items if isinstance(item, Disconnected)]


@pytest.mark.parametrize("opened", [True, False], ids=["live", "opening"])
def test_the_last_line_is_told_with_its_code(opened: bool) -> None:
    """Before the end of the stream, as every line is; the failure carries the code, too."""
    script = () if opened else (Step(expect=lambda message: False),)
    rig = Rig(change(NUMBERED, failures=WRONG_KEY, opening=script))
    rig.open()
    close_for_good(rig)
    assert ends(rig) == [("closed by the venue: 4001 bad key", 4001, None)]
    failure = rig.failure()
    assert isinstance(failure, ConnectFailed)
    assert (failure.code, getattr(failure.__cause__, "code", None)) == (4001, 4001)
    assert rig.said()[-2:] == ["disconnected 0: closed by the venue: 4001 bad key", "closed"]
    assert rig.engine.notes == ["line 0: closed by the venue: 4001 bad key; this was the last attempt"]


@pytest.mark.parametrize(("ending", "code"), [("close", 4001), ("cut", 1006), ("refused", None)])
def test_the_code_that_used_up_the_attempts(ending: str, code: Optional[int]) -> None:
    """The failure has that of the last attempt, if that was an open line; only then is the end of a line told once more."""
    rig = Rig(change(NUMBERED, backoff=Backoff(max_attempts=1)))
    if ending == "refused":
        rig.refuse(message="no")
    else:
        rig.open()
        rig.cut() if ending == "cut" else close_for_good(rig)
    failure = rig.failure()
    assert isinstance(failure, ConnectFailed)
    assert failure.code == code
    assert [(one[1], one[2]) for one in ends(rig)] == ([] if code is None else [(code, None)])


def test_a_final_close_code_while_a_script_is_gone_through() -> None:
    """Final as long as none was through; data in the midst of it does not let in, but one connection that was live does."""
    rules = change(
        NUMBERED,
        failures=WRONG_KEY,
        opening=(Step(expect=lambda message: message.get("t") == "ok"),),
        classify=lambda message: Kind.IGNORE if "t" in message else None,
    )
    rig = Rig(rules)
    rig.open()
    rig.send(delta("A", 1))
    close_for_good(rig)
    assert isinstance(rig.failure(), ConnectFailed)
    rig = Rig(rules)
    rig.open()
    rig.send({"t": "ok"})
    rig.cut()
    rig.redial()
    rig.open()
    close_for_good(rig)
    before = rig.now
    rig.redial()
    assert (rig.now - before, rig.failure()) == (6.0, None)


@pytest.mark.parametrize("works", ["data", "data on an earlier line", "an acknowledgement"])
def test_a_close_code_that_would_be_final_is_slow_once_it_has_worked(works: str) -> None:
    """What has let us in will do so again."""
    acked = change(
        NUMBERED,
        failures=WRONG_KEY,
        acks=Acks(by="key"),
        classify=lambda message: Kind.ACK if message.get("t") == "ack" else None,
    )
    rig = Rig(acked, topics=("A",))
    rig.open(payloads=(Payload(TEXT, b"subscribe", ("A",)),))
    rig.send({"t": "ack", "k": "A"} if works == "an acknowledgement" else delta("A", 1))
    if works == "data on an earlier line":
        rig.cut()
        rig.redial()
        rig.open()
    close_for_good(rig)
    before = rig.now
    rig.redial()
    assert (rig.now - before, rig.failure()) == (6.0, None)


@pytest.mark.parametrize(("own", "wait"), [({}, 0.5), ({1009: Severity.FATAL}, 6.0)])
def test_a_message_that_breaks_a_limit(own: dict[Any, Severity], wait: float) -> None:
    """It is we who closed: tried again soon, unless the feed says otherwise."""
    rig = Rig(change(NUMBERED, failures=own, max_message_size=100))
    rig.open()
    rig.send(delta("A", 1))
    rig.raw(text({"x": "y" * 200}))
    rig.wait(rig.engine.rules.answer_limit)
    before = rig.now
    rig.redial()
    assert (rig.now - before, rig.failure()) == (wait, None)
