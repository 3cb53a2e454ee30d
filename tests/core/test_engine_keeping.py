"""`core/engine.py`: keepalives, quiet keys, a planned end, budgets of sends, and limits to trying."""

from __future__ import annotations

from typing import Any, Callable, Hashable, Optional

import pytest

from syncstream import Liveness
from syncstream.core.actions import Payload
from syncstream.core.backoff import Backoff
from syncstream.core.budget import Budget
from syncstream.core.engine import Call, Dial, Hangup, Send
from syncstream.core.frames import CLOSE, PING, PONG, TEXT
from syncstream.core.keepalive import Keepalive
from syncstream.core.rules import Kind, Rules
from syncstream.core.subscriptions import Acks
from syncstream.errors import ConnectFailed, Severity
from syncstream.events import Disconnected, Stale

from .rig import HEALED, NUMBERED, WHOLE, Rig, change, delta, frame, text

# ---------------------------------------------------------------- keepalive


def beating(every: float = 20.0, when: str = "always", payload: Optional[Callable[[], Payload]] = None) -> Rig:
    liveness = Liveness(ping_after=1e6, pong_within=10.0, silence=1e6, maximum_silence=1e6)
    rules = change(NUMBERED, liveness=liveness, keepalive=Keepalive(every=every, when=when), keepalive_payload=payload)
    rig = Rig(rules)
    rig.open()
    rig.did()
    rig.said()
    return rig


def test_a_keepalive_goes_out_while_data_flows() -> None:
    """Some venues hang up on a client that streams and says nothing."""
    rig = beating(payload=lambda: Payload(TEXT, b"ping"))
    for number in range(1, 60):
        rig.wait(1.0)
        rig.send(delta("A", number))
    assert rig.texts() == ["ping", "ping"]


def test_an_idle_keepalive_does_not() -> None:
    """Only silence calls for it; any byte is its answer."""
    rig = beating(when="idle")
    for number in range(1, 60):
        rig.wait(1.0)
        rig.send(delta("A", number))
    assert rig.did() == []
    rig.wait(20.0)
    assert rig.did() == [Send(0, 1, PING, b"", True)]
    rig.wait(9.0)
    rig.raw(frame(PONG, b""))
    rig.wait(15.0)
    assert rig.said()[-1] == "A59"


def test_a_keepalive_without_an_answer() -> None:
    """The line is dead."""
    rig = beating()
    rig.wait(29.9)
    assert rig.said() == []
    rig.wait(0.1)
    assert rig.said() == ["disconnected 0: half-open: no answer to our ping within 10 s"]


def test_while_we_do_not_read_it_goes_out_and_nothing_is_expected() -> None:
    """Its answer waits with the rest."""
    rig = beating(payload=lambda: Payload(TEXT, b"ping"))
    rig.engine.paused()
    rig.wait(65.0)
    assert (rig.texts(), rig.said()) == (["ping", "ping", "ping"], [])
    rig.engine.resumed(rig.now)
    rig.wait(9.0)
    assert rig.said() == []


def test_a_keepalive_that_raises_is_noted() -> None:
    """The line goes on without it."""

    def payload() -> Payload:
        raise LookupError("x")

    rig = beating(payload=payload)
    rig.wait(41.0)
    assert rig.engine.notes == ["keepalive: raised LookupError; nothing was sent"] * 2
    assert rig.said() == []


# ---------------------------------------------------------------- quiet keys


def quiet(rules: Rules, limit: Callable[[Hashable], Optional[float]] = lambda key: 8.0, **fields: Any) -> Rig:
    rig = Rig(change(rules, quiet_after=limit, **{"verify_after": 5.0, **fields}), topics=("A", "B"))
    rig.live("A", 5)
    rig.live("B", 5)
    return rig


def silent(rig: Rig) -> list[tuple[Any, float]]:
    """The keys that were told to be silent since the last time, and for how long."""
    rig.gather()
    items, rig.items = rig.items, []
    return [(item.key, item.silence) for item in items if isinstance(item, Stale)]


def speaking(rig: Rig, key: str, seconds: float, number: int) -> int:
    """Time passes, and a key speaks every second."""
    for _ in range(int(seconds)):
        rig.wait(1.0)
        number += 1
        rig.send(delta(key, number))
    return number


def test_a_quiet_key_is_told_and_nothing_else_where_nothing_else_can_be_done() -> None:
    """No reconnect for a market that is quiet; each time it takes twice as long."""
    rig = quiet(NUMBERED)
    number = speaking(rig, "B", 9.0, 5)
    ((key, seconds),) = silent(rig)
    assert (key, 8.0 <= seconds <= 10.0) == ("A", True)
    speaking(rig, "B", 60.0, number)
    assert [key for key, _ in silent(rig)] == ["A", "A", "A"]
    assert (rig.did(), rig.engine.lines[0].phase.value) == ([], "live")


def test_a_key_that_speaks_the_fast_way_is_not_quiet() -> None:
    """Nothing is noted for its messages, and they are seen all the same."""
    rig = quiet(NUMBERED)
    number = {"A": 5, "B": 5}
    for _ in range(30):
        rig.wait(1.0)
        for key in number:
            number[key] += 1
            rig.send(delta(key, number[key]))
    assert (silent(rig), len(rig.keys.plain)) == ([], 2)


def test_a_quiet_key_is_subscribed_again_and_proved_by_its_next_message() -> None:
    """It is left and asked for; what comes goes on, or shows the hole."""
    rig = quiet(NUMBERED, asks=True, leaves=True)
    speaking(rig, "B", 10.0, 5)
    assert [key for key, _ in silent(rig)] == ["A"]
    assert rig.answer_call() == Call(0, 1, ("A",), ("A",))
    assert rig.texts() == ["leave A", "ask A"]
    assert rig.engine.status(rig.now).topics["A"].state == "sent"
    rig.send(delta("A", 8))
    assert rig.said() == ["gap A hole 5..8 told", "A8", "subscribed"]
    assert rig.engine.status(rig.now).topics["A"].state == "live"


def test_a_quiet_key_is_fetched() -> None:
    """Where its next message does not come; a snapshot at the same place proves that nothing was missed."""
    rig = quiet(HEALED)
    number = speaking(rig, "B", 10.0, 5)
    assert (silent(rig) != [], rig.state("A"), rig.asked()) == (True, "unproven", [])
    speaking(rig, "B", 5.0, number)
    assert rig.asked() == ["A"]
    rig.answer("A", 5)
    assert (rig.state("A"), rig.said()[-1]) == ("live", "resynced A at 5 +0")


def test_a_quiet_key_whose_snapshots_have_no_position() -> None:
    """Its next message proves it; if none comes its state is replaced."""
    rig = quiet(WHOLE)
    number = speaking(rig, "B", 10.0, 5)
    assert (rig.state("A"), rig.asked()) == ("unproven", [])
    speaking(rig, "B", 5.0, number)
    rig.said()
    rig.answer("A", None)
    assert rig.said()[0] == "snapshot A at None"


def test_a_quiet_key_without_numbers() -> None:
    """Subscribed again it may have missed something, and nothing can show that: it is told."""
    rig = Rig(
        change(NUMBERED, rule=None, first=None, last=None, quiet_after=lambda key: 8.0, asks=True, leaves=True), topics=("A",)
    )
    rig.open()
    rig.send(delta("A", 1))
    rig.said()
    rig.wait(10.0)
    assert rig.said() == ["stale", "gap A quiet None..None told"]
    assert rig.did(Call) == [Call(0, 1, (), ("A",))]  # not left before: nothing could show what that loses


def test_a_quiet_key_without_numbers_that_cannot_be_subscribed_again() -> None:
    """Nothing was done that could lose anything: there is nothing to tell but the silence."""
    rig = Rig(change(NUMBERED, rule=None, first=None, last=None, quiet_after=lambda key: 8.0))
    rig.open()
    rig.send(delta("A", 1))
    rig.said()
    rig.wait(10.0)
    assert rig.said() == ["stale"]


def test_a_quiet_key_without_numbers_that_has_a_source() -> None:
    """Its state is replaced, by a snapshot that is asked for when it has been subscribed again; until then what comes is held."""
    rules = change(WHOLE, rule=None, first=None, last=None, asks=True, leaves=True)
    rig = Rig(change(rules, quiet_after=lambda key: 8.0, verify_after=5.0), topics=("A",))
    rig.live("A", 1)
    rig.wait(10.0)
    assert (rig.said(), rig.asked()) == (["stale", "gap A quiet None..None healing"], [])
    rig.send(delta("A", 2))
    rig.wait(5.0)
    assert rig.asked() == ["A"]
    rig.answer("A", None)
    rig.send(delta("A", 3))
    assert rig.said() == ["snapshot A at None", "resynced A at None +0", "A3"]


def test_only_lines_that_are_live_subscribe_a_quiet_key_again() -> None:
    """One that is being dialled asks for everything anyway."""
    rig = Rig(change(NUMBERED, quiet_after=lambda key: 8.0, asks=True, leaves=True), topics=("A",), lines=2)
    rig.start()
    rig.open(1)
    rig.send(delta("A", 1), line=1)
    rig.did()
    rig.wait(10.0)
    assert rig.did(Call) == [Call(1, 1, ("A",), ("A",))]


def test_a_quiet_key_that_is_being_healed_is_left_alone() -> None:
    """It is told, and asked for as it is."""
    rig = quiet(HEALED)
    rig.send(delta("A", 9))
    assert rig.asked() == ["A"]
    speaking(rig, "B", 10.0, 5)
    assert [key for key, _ in silent(rig)] == ["A"]
    assert (rig.state("A"), rig.asked()) == ("syncing", [])


@pytest.mark.parametrize("why", ["reconnect", "pause", "back-pressure", "left"])
def test_when_silence_says_nothing(why: str) -> None:
    """No line was open, the venue has paused, we did not read, or the topic was left."""
    rig = quiet(NUMBERED, classify=lambda message: Kind(message["kind"]) if "kind" in message else None)
    rig.wait(7.0)
    if why == "reconnect":
        rig.reopen()
    elif why == "pause":
        rig.send({"kind": "pause"})
        rig.wait(60.0)
        rig.send({"kind": "resume"})
    elif why == "back-pressure":
        rig.engine.paused()
        rig.wait(60.0)
        rig.engine.resumed(rig.now)
    else:
        rig.engine.unsubscribe(["A", "B"], [], rig.now)
    rig.wait(7.0)
    assert silent(rig) == []


def test_a_limit_that_raises_is_noted() -> None:
    """That key is not watched; the others are."""

    def limit(key: Hashable) -> Optional[float]:
        if key == "A":
            raise LookupError(key)
        return 8.0

    rig = quiet(NUMBERED, limit)
    rig.wait(10.0)
    assert [key for key, _ in silent(rig)] == ["B"]
    assert rig.engine.notes == ["quiet_after of 'A': LookupError: A; its silence is not watched"]


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
    while not rig.actions:
        rig.step()
    assert rig.now - began == pytest.approx(seconds)
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


# ---------------------------------------------------------------- budgets


def test_subscriptions_are_paced() -> None:
    """By the send budget of the line; pongs go between, and count."""
    rig = Rig(change(NUMBERED, send_budget=Budget(count=2, per=1.0)))
    rig.open(payloads=tuple(Payload(TEXT, b"%d" % number) for number in range(5)))
    assert rig.texts() == ["0", "1"]
    rig.wait(0.5)
    rig.raw(frame(PING, b"x"))
    assert rig.did() == [Send(0, 1, PONG, b"x", True)]
    rig.wait(0.5)
    assert rig.texts() == ["2"]
    rig.engine.spent(0, rig.now)
    rig.wait(0.9)
    assert rig.texts() == []
    rig.wait(0.2)
    assert rig.texts() == ["3", "4"]


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
    assert (rig.said(), rig.engine.finished) == (["closed"], True)


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
    close_for_good(rig)
    failure = rig.failure()
    assert isinstance(failure, ConnectFailed)
    assert str(failure) == "closed by the venue: 4001 bad key"
    assert getattr(failure.__cause__, "severity", None) is Severity.FATAL
    assert (rig.said()[-1], rig.engine.finished) == ("closed", True)


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
