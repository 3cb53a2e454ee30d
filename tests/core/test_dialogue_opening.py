"""`core/dialogue.py`: a connection that is opened by a script, before it is live."""

from __future__ import annotations

from typing import Any, Callable, Optional

import pytest

from syncstream.core.actions import Payload
from syncstream.core.engine import Abandon, Dial, Hangup, Send
from syncstream.core.frames import CLOSE, PING, PONG, TEXT
from syncstream.core.opening import Step
from syncstream.core.rules import Kind, Rules, Scope
from syncstream.errors import ConnectFailed, Severity
from syncstream.events import Connected, Disconnected

from .rig import BY_CONNECTION, HEALED, NUMBERED, Rig, change, classify, delta, frame, text

SUBSCRIBE = Payload(TEXT, b"sub")
LOGIN = Payload(TEXT, b"login")


def refusal(message: Any) -> Any:
    return message.get("no")


SCRIPT = (
    Step(expect=lambda message: message["t"] == "welcome", within=5.0),
    Step(send="login", expect=lambda message: message["t"] == "ok", fail=refusal, within=5.0),
)
SCRIPTED = change(NUMBERED, opening=SCRIPT, classify=classify)


def begun(rules: Rules = SCRIPTED, **options: Any) -> Rig:
    """A connection stands, and the script begins."""
    rig = Rig(rules, **options)
    assert rig.open(payloads=(SUBSCRIBE,), steps=((), (LOGIN,)))
    return rig


def welcomed(rules: Rules = SCRIPTED, **options: Any) -> Rig:
    rig = begun(rules, **options)
    rig.send({"t": "welcome"})
    return rig


def through(rules: Rules = SCRIPTED, **options: Any) -> Rig:
    rig = welcomed(rules, **options)
    rig.send({"t": "ok"})
    return rig


def test_from_welcome_to_live() -> None:
    """The login goes out after the welcome, the subscriptions after the login; only then the line is told to be open."""
    rig = begun()
    assert (rig.texts(), rig.said(), rig.engine.route()) == ([], [], None)
    status = rig.engine.status(rig.now)
    assert (status.state, status.lines, status.connects) == ("connecting", 0, 0)
    rig.send({"t": "welcome"})
    assert (rig.texts(), rig.said()) == (["login"], [])
    rig.send({"t": "ok"})
    assert (rig.texts(), rig.said(), rig.engine.route()) == (["sub"], ["connected 0 attempt 1"], (0, 1))


def test_data_in_the_batch_that_ends_the_script_is_data() -> None:
    """What follows the answer is not lost, and not shown to the script."""
    rig = begun()
    rig.send({"t": "welcome"}, {"t": "ok"}, delta("A", 1), delta("A", 2))
    assert rig.said() == ["connected 0 attempt 1", "A1", "A2"]


def test_a_script_that_sends_only_is_through_at_once() -> None:
    """There is nothing to wait for."""
    rig = Rig(change(NUMBERED, opening=(Step(send="login"),)))
    rig.open(payloads=(SUBSCRIBE,), steps=((LOGIN,),))
    assert (rig.texts(), rig.said()) == (["login", "sub"], ["connected 0 attempt 1"])


@pytest.mark.parametrize("opened", [begun, welcomed])
def test_a_step_without_an_answer(opened: Any) -> None:
    """The attempt has failed, says which step it was, and is made again with the back-off."""
    rig = opened()
    rig.did()
    rig.wait(4.9)
    assert rig.did() == []
    rig.wait(0.1)
    step = 1 if opened is begun else 2
    assert rig.said() == [f"disconnected 0: opening: step {step} of 2 got no answer within 5 s"]
    assert rig.did() == [Hangup(0, 1)]
    rig.wait(0.5)
    assert rig.did() == [Dial(0, 3, ())]
    rig.open(steps=((), (LOGIN,)))
    rig.send({"t": "welcome"}, {"t": "ok"})
    assert rig.said() == ["connected 0 attempt 2"]


@pytest.mark.parametrize("no", [True, "bad key", Severity.FATAL])
def test_a_refusal_before_the_stream_was_ever_live(no: Any) -> None:
    """A wrong key is final."""
    rig = welcomed(change(SCRIPTED, opening=(*SCRIPT[:1], Step(expect=lambda m: False, fail=lambda m: "no" in m and no))))
    rig.send({"no": 1})
    failure = rig.failure()
    assert isinstance(failure, ConnectFailed)
    refused = "opening: step 2 of 2 was refused" + (": bad key" if no == "bad key" else "")
    assert (str(failure), failure.code) == (refused, None)
    assert getattr(failure.__cause__, "severity", None) is Severity.FATAL
    assert (rig.did(Hangup), rig.said(), rig.engine.finished) == ([Hangup(0, 1)], [f"disconnected 0: {refused}", "closed"], True)


def test_a_refusal_later_is_a_slow_one() -> None:
    """It has worked once."""
    rig = through()
    rig.cut()
    rig.redial()
    rig.said()
    rig.open(steps=((), (LOGIN,)))
    rig.send({"t": "welcome"}, {"no": "maintenance"})
    before = rig.now
    assert rig.said() == ["disconnected 0: opening: step 2 of 2 was refused: maintenance"]
    rig.redial()
    assert (rig.now - before, rig.failure()) == (6.0, None)


@pytest.mark.parametrize(("severity", "wait"), [(Severity.RETRY, 0.5), (Severity.SLOW, 6.0)])
def test_a_refusal_of_a_class(severity: Severity, wait: float) -> None:
    """The user says which."""
    rig = welcomed(change(SCRIPTED, opening=(*SCRIPT[:1], Step(expect=lambda m: False, fail=lambda m: severity))))
    rig.send({"no": 1})
    before = rig.now
    rig.redial()
    assert rig.now - before == wait


def test_what_no_step_takes_is_handled_like_any_other() -> None:
    """Data is delivered, heartbeats pass, pings are answered, garbage is quarantined."""
    rig = begun()
    rig.send(delta("A", 1), {"t": "beat"}, b"?")
    rig.raw(frame(PING, b"x"))
    assert (rig.said(), rig.did(Send)) == (["A1", "quarantined"], [Send(0, 1, PONG, b"x", True)])
    rig.send({"t": "welcome"}, {"t": "ok"}, delta("A", 2))
    assert rig.said() == ["connected 0 attempt 1", "A2"]


def test_a_step_of_the_user_that_raises() -> None:
    """That message is quarantined; the deadline finds that the step did not get its answer."""
    rig = Rig(change(NUMBERED, opening=(Step(expect=lambda message: 1 / 0, within=5.0),)))
    rig.open()
    rig.send({"x": 1})
    assert rig.items[0].reason == "opening: ZeroDivisionError: division by zero"
    rig.wait(5.0)
    assert rig.said()[-1] == "disconnected 0: opening: step 1 of 1 got no answer within 5 s"


def test_a_connection_that_is_lost_while_it_is_opened() -> None:
    """By a cut, by a close frame, by broken frames; nothing was missed on it, so nothing is told of gaps."""
    rig = through()
    rig.send(delta("A", 1))
    ends: dict[str, Callable[[], None]] = {
        "cut": lambda: rig.cut(),
        "closed by the venue: 1001": lambda: rig.raw(frame(CLOSE, b"\x03\xe9")),
        "protocol error: a frame has reserved bits": lambda: rig.raw(b"\xf1\x00"),
    }
    rig.cut()
    for reason, end in ends.items():
        rig.redial()
        rig.said()
        rig.open(steps=((), (LOGIN,)))
        end()
        told = rig.said()
        assert len(told) == 1
        assert told[0].startswith("disconnected 0: ")
        assert reason == "protocol error: a frame has reserved bits" or reason in told[0]


def test_what_the_script_takes_is_not_delivered() -> None:
    """Nor what it refuses, or raises at, though it looks like data."""
    rig = begun()
    rig.send(delta("A", 1, t="welcome"), delta("A", 2, t="ok"))
    assert rig.said() == ["connected 0 attempt 1"]
    rig.reopen()
    rig.said()
    rig = through()
    rig.cut()
    rig.redial()
    rig.open(steps=((), (LOGIN,)))
    rig.send({"t": "welcome"})
    rig.said()
    rig.send(delta("A", 1, t="x", no="closed"))
    assert rig.said() == ["disconnected 0: opening: step 2 of 2 was refused: closed"]
    rig = Rig(change(NUMBERED, opening=(Step(expect=lambda message: 1 / 0),)))
    rig.open()
    rig.send(delta("A", 1))
    assert rig.said() == ["quarantined"]


@pytest.mark.parametrize("first", [{"t": "beat"}, {"t": "welcome"}])
def test_only_data_begins_a_connection_before_it_is_through(first: dict[str, Any]) -> None:
    """What was missed is told with the first of it, or when the script is through; not with a heartbeat or a step."""
    rules = change(NUMBERED, rule=None, first=None, last=None, opening=SCRIPT, classify=classify)
    rig = through(rules)
    rig.send(delta("A", 1))
    rig.cut()
    rig.redial()
    rig.open(steps=((), (LOGIN,)))
    rig.said()
    rig.send(first)
    assert rig.said() == []
    rig.send(*([] if first["t"] == "welcome" else [{"t": "welcome"}]), {"t": "ok"})
    assert rig.said() == ["connected 0 attempt 2", "gap None reconnect None..None told"]


@pytest.mark.parametrize("script", [("welcome", "ok"), ("beat", "welcome", "ok")])
def test_a_number_that_is_missing_behind_the_script_is_a_hole(script: tuple[str, ...]) -> None:
    """Where a connection numbers everything, and the next one from the beginning again."""
    rules = change(NUMBERED, scope=Scope.CONNECTION, opening=SCRIPT, classify=classify)
    rig = begun(rules)
    rig.send({"t": "welcome", "n": 0}, {"t": "ok", "n": 1}, *(delta("A", number) for number in range(2, 9)))
    rig.cut()
    rig.redial()
    rig.open(steps=((), (LOGIN,)))
    rig.said()
    rig.send(*(delta("A", number, t=t) for number, t in enumerate(script)))
    assert [line for line in rig.said() if not line.startswith("gap")] == ["connected 0 attempt 2"]
    rig.send(delta("B", len(script) + 1))
    assert [line.split()[2] for line in rig.said() if line.startswith("gap")] == ["hole"]


def test_a_number_that_is_missing_between_a_heartbeat_and_the_script_is_a_hole() -> None:
    """Whatever comes first begins a connection that numbers everything, data or not."""
    rig = through(change(NUMBERED, scope=Scope.CONNECTION, opening=SCRIPT, classify=classify))
    rig.send(*(delta("A", number) for number in range(2, 9)))
    rig.cut()
    rig.redial()
    rig.open(steps=((), (LOGIN,)))
    rig.said()
    rig.send({"t": "beat", "n": 0}, {"t": "welcome", "n": 2}, {"t": "ok", "n": 3}, delta("A", 4))
    assert [line for line in rig.said() if "hole" in line] == ["gap A hole 0..2 told"]


def test_what_comes_before_it_is_through_is_bounded() -> None:
    """A venue that talks and never lets us in is left."""
    rig = begun(change(SCRIPTED, max_message_size=100))
    for _ in range(4):
        rig.send({"t": "beat", "x": "y" * 10})
    assert rig.said() == ["disconnected 0: opening: more than 100 bytes before it was through"]


def test_while_we_do_not_read_no_step_is_late() -> None:
    """Its answer may stand among what was not read; then it has its whole time."""
    rig = begun()
    rig.wait(4.0)
    rig.engine.paused()
    rig.wait(30.0)
    assert rig.said() == []
    rig.engine.resumed(rig.now)
    rig.wait(4.9)
    assert rig.said() == []
    rig.wait(0.1)
    assert len(rig.said()) == 1


def test_topics_that_change_while_it_is_opened() -> None:
    """They go out behind the subscriptions of the dial."""
    rig = begun(topics=("A",))
    rig.engine.subscribe(["B"], [Payload(TEXT, b"join")], rig.now)
    rig.gather()
    rig.send({"t": "welcome"}, {"t": "ok"})
    assert rig.texts() == ["login", "sub", "join"]


def test_closing_while_it_is_opened() -> None:
    """The connection stands: it gets a goodbye, and a second to answer it."""
    rig = begun()
    rig.engine.close(rig.now)
    assert rig.did() == [Dial(0, 1, ()), Send(0, 1, CLOSE, b"\x03\xe8", True)]
    assert not rig.engine.finished
    rig.raw(frame(CLOSE, b"\x03\xe8"))
    assert rig.engine.finished


def test_the_first_line_must_be_through_in_time() -> None:
    """A venue that never says welcome must not hang a loop for ever."""
    rig = Rig(change(SCRIPTED, first_live_limit=60.0), chance=1.0)
    rig.start()
    while rig.failure() is None and rig.now < 200.0:
        if rig.engine.lines[0].phase.value == "dialing":
            rig.open(steps=((), (LOGIN,)))
        rig.wait(1.0)
    assert str(rig.failure()) == (
        "no line could be opened within 60 s; the last attempt: opening: step 1 of 2 got no answer within 5 s"
    )


def test_snapshots_wait_until_the_line_is_live() -> None:
    """Before that nothing is subscribed, and a snapshot would be older than the first message."""
    rules = change(HEALED, opening=SCRIPT, classify=classify)
    rig = through(rules)
    rig.send(delta("A", 1))
    rig.answer("A", 1)
    rig.cut()
    rig.redial()
    rig.open(steps=((), (LOGIN,)))
    rig.asked()
    rig.send(delta("A", 7))
    assert (rig.asked(), rig.state("A")) == ([], "syncing")
    rig.send({"t": "welcome"}, {"t": "ok"})
    assert rig.asked() == ["A"]


@pytest.mark.parametrize("numbered", [True, False])
def test_a_counter_of_the_connection_counts_the_script(numbered: bool) -> None:
    """Venues number everything, the welcome too; a welcome without a number counts for nothing."""
    rules = change(BY_CONNECTION, opening=SCRIPT, classify=classify)
    rig = begun(rules)
    rig.send({"t": "welcome", **({"n": 0} if numbered else {})}, {"t": "ok", **({"n": 1} if numbered else {})})
    rig.send(delta("A", 2 if numbered else 0, v=1))
    rig.answer("A", 1)
    rig.send(delta("A", 3 if numbered else 1, v=2))
    assert [line for line in rig.said() if line.startswith("gap")] == []


def test_what_belongs_to_an_old_connection_does_not_open_this_one() -> None:
    """By its epoch."""
    rig = begun()
    rig.cut()
    rig.redial()
    rig.open(steps=((), (LOGIN,)))
    rig.did()
    rig.engine.batch(0, 1, text({"t": "welcome"}), rig.now)
    assert rig.texts() == []


def test_the_gap_of_a_reconnect_is_told_before_what_comes_on_the_new_line() -> None:
    """Also where data comes before the script is through, and no number can show what was missed."""
    rules = change(NUMBERED, rule=None, first=None, last=None, opening=SCRIPT, classify=classify)
    rig = through(rules)
    rig.send(delta("A", 1))
    rig.cut()
    rig.redial()
    rig.open(steps=((), (LOGIN,)))
    rig.said()
    rig.send(delta("A", 2), {"t": "welcome"}, {"t": "ok"}, delta("A", 3))
    assert rig.said() == ["gap None reconnect None..None told", "A2", "connected 0 attempt 2", "A3"]


def test_nothing_of_a_line_that_never_opened_is_left() -> None:
    """Abandoned dials and openings alternate; the attempts count on."""
    rig = Rig(change(SCRIPTED, dial_limit=3.0))
    rig.start()
    for _ in range(3):
        rig.wait(3.0)
        assert rig.did(Abandon)
        rig.redial()
        rig.open(steps=((), (LOGIN,)))
        rig.wait(5.0)
        rig.redial()
    told = [item for item in rig.items if isinstance(item, (Connected, Disconnected))]
    assert len(told) == 6
    assert rig.engine.lines[0].attempt == 6


def test_the_close_code_of_a_login_counts() -> None:
    """Venues refuse a login by closing; the feed can say that such a code is final."""
    failure: Optional[BaseException]
    rig = begun(change(SCRIPTED, failures={4001: Severity.FATAL}))
    rig.raw(frame(CLOSE, (4001).to_bytes(2, "big") + b"bad key"))
    failure = rig.failure()
    assert isinstance(failure, ConnectFailed)
    assert str(failure) == "closed by the venue: 4001 bad key"


def test_an_error_before_anything_was_subscribed_ends_nothing() -> None:
    """It is told; the step that waits goes on to wait."""
    script = (Step(expect=lambda message: "ok" in message),)
    rig = Rig(change(NUMBERED, classify=lambda message: Kind.ERROR if "error" in message else None, opening=script))
    rig.open(steps=((),))
    rig.send({"k": "A", "error": "slow down"})
    assert (rig.engine.failure, rig.said()) == (None, ["refused"])
    rig.send({"k": "A", "ok": 1})
    assert rig.said() == ["connected 0 attempt 1"]
