"""`core/dialogue.py`: subscriptions that are followed: told, asked again, refused, and shown in the status."""

from __future__ import annotations

from typing import Any, Hashable, Optional

import pytest

from syncstream.core.actions import Payload
from syncstream.core.backoff import Backoff
from syncstream.core.budget import Budget
from syncstream.core.engine import Call, Send
from syncstream.core.frames import CLOSE, TEXT
from syncstream.core.rules import Kind, Rules
from syncstream.core.subscriptions import Acks
from syncstream.errors import ConnectFailed, Severity, SubscribeFailed
from syncstream.events import Refused, Subscribed

from .rig import NUMBERED, Rig, change, delta, frame


def kind_of(message: Any) -> Optional[Kind]:
    return Kind(message["kind"]) if "kind" in message else None


FOLLOWED = change(
    NUMBERED,
    classify=kind_of,
    asks=True,
    leaves=True,
    acks=Acks(by="key", within=10.0, attempts=2),
    fetch_backoff=Backoff(base=1.0, maximum=8.0),
)


def ask(*topics: Hashable) -> Payload:
    return Payload(TEXT, b"ask", topics)


def live(rules: Rules = FOLLOWED, **options: Any) -> Rig:
    rig = Rig(rules, **{"topics": ("A", "B"), **options})
    rig.open(payloads=(ask("A", "B"),))
    rig.said()
    rig.did()
    return rig


def ack(key: str) -> dict[str, Any]:
    return {"kind": "ack", "k": key}


def error(key: str, **more: Any) -> dict[str, Any]:
    return {"kind": "error", "k": key, **more}


def told(rig: Rig) -> list[tuple[Any, ...]]:
    """What was told of topics since the last time."""
    rig.gather()
    items, rig.items = rig.items, []
    found: list[tuple[Any, ...]] = []
    for item in items:
        if isinstance(item, Subscribed):
            found.append(("subscribed", item.topic, item.key))
        elif isinstance(item, Refused):
            found.append(("refused", item.topic, item.key, item.reason, item.retry_in))
    return found


def states(rig: Rig) -> dict[Hashable, str]:
    return {topic: status.state for topic, status in rig.engine.status(rig.now).topics.items()}


def test_from_wanted_to_live() -> None:
    """Each step is shown; that it is subscribed is told once."""
    rig = Rig(FOLLOWED, topics=("A", "B"), topic_key=lambda topic: topic)
    assert states(rig) == {"A": "wanted", "B": "wanted"}
    rig.open(payloads=(ask("A", "B"),))
    assert states(rig) == {"A": "sent", "B": "sent"}
    rig.send(ack("A"))
    assert (states(rig), told(rig)) == ({"A": "acknowledged", "B": "sent"}, [("subscribed", "A", "A")])
    rig.send(delta("A", 1), delta("B", 1), ack("B"))
    assert (states(rig), told(rig)) == ({"A": "live", "B": "live"}, [("subscribed", "B", "B")])


def test_each_connection_begins_anew() -> None:
    """What was live on the last one is wanted on the next."""
    rig = live()
    rig.send(delta("A", 1), delta("B", 1))
    rig.cut()
    assert states(rig) == {"A": "wanted", "B": "wanted"}
    rig.redial()
    rig.open(payloads=(ask("A", "B"),))
    assert states(rig) == {"A": "sent", "B": "sent"}
    rig.send(delta("A", 2))
    assert states(rig) == {"A": "live", "B": "sent"}


def test_a_topic_that_is_asked_for_while_its_key_streams() -> None:
    """The next message of the key is noticed, though it could go the fast way."""
    rules = change(FOLLOWED, classify=None, acks=None)
    rig = Rig(rules, topics=("trade.A",), topic_key=lambda topic: topic.split(".")[1])
    rig.open(payloads=(ask("trade.A"),))
    rig.send(delta("A", 1), delta("A", 2), delta("A", 3))
    assert "A" in rig.keys.plain
    rig.engine.subscribe(["book.A"], [ask("book.A")], rig.now)
    assert states(rig) == {"trade.A": "live", "book.A": "sent"}
    rig.send(delta("A", 4), delta("A", 5))
    assert states(rig) == {"trade.A": "live", "book.A": "live"}
    assert "A" in rig.keys.plain


def test_a_missing_acknowledgement_is_asked_for_again() -> None:
    """Told, then the callables are asked, and what they say is sent; at the end it counts as refused."""
    rig = live()
    rig.send(ack("B"))
    told(rig)
    rig.wait(10.0)
    assert told(rig) == [("refused", "A", "A", "no acknowledgement within 10 s", 0.5)]
    rig.wait(0.5)
    assert rig.did() == [Call(0, 1, (), ("A",))]
    rig.engine.spoken(0, 1, (), (ask("A"),), rig.now)
    assert [action.payload for action in rig.did(Send)] == [b"ask"]
    rig.wait(10.0)
    assert told(rig) == [("refused", "A", "A", "no acknowledgement within 10 s", None)]
    assert (states(rig), rig.failure()) == ({"A": "refused", "B": "acknowledged"}, None)
    rig.wait(100.0)
    assert (rig.did(), told(rig)) == ([], [])


def test_a_refused_topic_is_told_with_what_the_venue_said() -> None:
    """And asked for again only on the next connection."""
    rig = live()
    rig.send(error("A", why="unknown symbol"))
    assert told(rig) == [("refused", "A", "A", "{'kind': 'error', 'k': 'A', 'why': 'unknown symbol'}", None)]
    assert states(rig) == {"A": "refused", "B": "sent"}
    rig.cut()
    rig.redial()
    assert rig.dials[0].topics == ("A", "B")


def test_what_becomes_of_a_topic_is_told_with_its_moment() -> None:
    """By the clock on the wall, as all that is told."""
    rig = live()
    rig.wait(1.0)
    rig.send(ack("A"), error("B"))
    assert [item.at_ns for item in rig.items] == [101_000_000_000] * 2


@pytest.mark.parametrize("fixed", [False, True])
def test_what_is_subscribed_anew_is_followed_anew(fixed: bool) -> None:
    """All topics, or the payload without one; what was acknowledged before is not any more."""
    if fixed:
        rig = Rig(change(FOLLOWED, acks=Acks(by="count")))
        rig.open(payloads=(ask(None),))
        rig.send({"kind": "ack"})
        assert states(rig) == {None: "acknowledged"}
    else:
        rig = live()
        rig.send(ack("A"), ack("B"))
        assert states(rig) == {"A": "acknowledged", "B": "acknowledged"}
    rig.send({"kind": "resubscribe"})
    assert set(states(rig).values()) == {"sent"}


def test_a_topic_that_was_left_before_it_was_sent_is_not_followed() -> None:
    """It waited for the budget."""
    rig = Rig(change(FOLLOWED, send_budget=Budget(count=1, per=1.0)), topics=("A", "B"))
    rig.open(payloads=(ask("A"), ask("B")))
    rig.engine.unsubscribe(["B"], [], rig.now)
    rig.wait(1.0)
    rig.send(ack("A"))
    told(rig)
    rig.wait(30.0)
    assert told(rig) == []


def test_a_topic_that_is_left_is_no_refusal() -> None:
    """The rest is refused, but the stream waits for what is subscribed next."""
    rig = live()
    rig.send(error("A"))
    rig.engine.unsubscribe(["B"], [], rig.now)
    rig.tick()
    assert rig.failure() is None


def test_a_line_that_is_not_live_saves_no_stream() -> None:
    """What it would subscribe to is what was refused."""
    rig = live(lines=2)
    rig.send(error("A"), error("B"))
    assert isinstance(rig.failure(), SubscribeFailed)


def test_no_topic_has_no_key() -> None:
    """The user's function is asked of topics only; and a long error is told with its beginning."""
    rig = live(topic_key=lambda topic: topic.upper())
    rig.send({"kind": "error", "why": "x" * 300})
    ((*_, reason, retry_in),) = told(rig)
    assert (reason, retry_in) == (str({"kind": "error", "why": "x" * 300})[:200], None)


def test_an_error_that_nobody_can_match() -> None:
    """It is told, for no topic."""
    rig = live()
    rig.send({"kind": "error", "why": "slow down"})
    assert told(rig) == [("refused", None, None, "{'kind': 'error', 'why': 'slow down'}", None)]
    assert states(rig) == {"A": "sent", "B": "sent"}


def test_everything_refused_and_nothing_ever_came() -> None:
    """The stream has failed, and says why."""
    rig = live()
    rig.send(error("A", why="no"))
    assert rig.failure() is None
    rig.send(error("B", why="no"))
    assert isinstance(rig.failure(), SubscribeFailed)
    assert str(rig.failure()).startswith("every subscription was refused: {'kind': 'error', 'k': 'A', 'why': 'no'}; {")
    assert rig.engine.closing


def test_nothing_acknowledged_and_nothing_ever_came() -> None:
    """The same, when the last attempt is over."""
    rig = live()
    for _ in range(3):
        rig.wait(10.5)
        if rig.engine.closing:
            break
        rig.answer_call()
    assert isinstance(rig.failure(), SubscribeFailed)
    assert str(rig.failure()) == "every subscription was refused: no acknowledgement within 10 s"


@pytest.mark.parametrize("saved", ["data", "a topic more", "another line"])
def test_everything_refused_is_not_the_end_where_something_lives(saved: str) -> None:
    """Data came once, a topic is still on its way, or the other line has not been refused."""
    rig = live(lines=2 if saved == "another line" else 1)
    if saved == "data":
        rig.send(delta("A", 1))
    elif saved == "a topic more":
        rig.engine.subscribe(["C"], [], rig.now)
    else:
        rig.open(1, payloads=(ask("A", "B"),))
    rig.send(error("A"), error("B"))
    assert rig.failure() is None
    if saved == "another line":
        rig.send(error("A"), error("B"), line=1)
        assert rig.failure() is not None


def test_a_topic_that_was_left_is_followed_no_more() -> None:
    """Its acknowledgement may be missing for ever."""
    rig = live()
    rig.engine.unsubscribe(["A"], [Payload(TEXT, b"leave", ("A",))], rig.now)
    assert states(rig) == {"B": "sent"}
    rig.send(ack("B"))
    told(rig)
    rig.wait(60.0)
    assert told(rig) == []


def test_one_acknowledgement_is_enough_to_have_been_let_in() -> None:
    """A close code that would be final is not; later answers that acknowledge nothing do not take that back."""
    rig = live(change(FOLLOWED, failures={4001: Severity.FATAL}))
    rig.send(ack("A"))
    rig.send(ack("Z"))
    rig.raw(frame(CLOSE, (4001).to_bytes(2, "big")))
    assert rig.failure() is None
    rig = live(change(FOLLOWED, failures={4001: Severity.FATAL}))
    rig.send(ack("Z"))
    rig.raw(frame(CLOSE, (4001).to_bytes(2, "big")))
    assert isinstance(rig.failure(), ConnectFailed)


@pytest.mark.parametrize("by_call", [False, True])
def test_by_count_what_leaves_a_topic_is_a_request(by_call: bool) -> None:
    """Said by the user, or by a call together with what subscribes: its answer is not that of the next one."""
    rig = live(change(FOLLOWED, acks=Acks(by="count")))
    rig.send(ack("x"))
    leave = Payload(TEXT, b"leave", ("A",))
    if by_call:
        rig.engine.spoken(0, 1, (leave,), (ask("A"),), rig.now)
    else:
        rig.engine.unsubscribe(["A"], [leave], rig.now)
        rig.engine.subscribe(["A"], [ask("A")], rig.now)
    assert states(rig) == {"A": "sent", "B": "acknowledged"}
    rig.send(ack("x"))
    assert states(rig) == {"A": "sent", "B": "acknowledged"}
    rig.send(ack("x"))
    assert states(rig) == {"A": "acknowledged", "B": "acknowledged"}


def test_a_call_that_comes_back_for_what_was_left_meanwhile() -> None:
    """It is not said; what is still wanted of the same request is asked for alone."""
    rig = live()
    rig.wait(10.5)
    assert rig.did(Call) == [Call(0, 1, (), ("A", "B"))]
    rig.engine.unsubscribe(["A"], [], rig.now)
    rig.engine.spoken(0, 1, (), (ask("A"), ask("A", "B")), rig.now)
    assert rig.did() == [Call(0, 1, (), ("B",))]
    rig.engine.spoken(0, 1, (Payload(TEXT, b"leave", ("A",)),), (ask("A"),), rig.now)
    assert rig.did() == []


def test_a_call_that_comes_back_when_all_topics_were_left() -> None:
    """It is not said: that there are no topics any more is no fixed payload."""
    rig = live()
    rig.wait(10.5)
    rig.did()
    rig.engine.unsubscribe(["A", "B"], [], rig.now)
    rig.engine.spoken(0, 1, (), (ask("A", "B"),), rig.now)
    assert rig.did() == []


def test_a_call_that_fails() -> None:
    """Is noted, told, and made again."""
    rig = live()
    rig.wait(10.5)
    told(rig)
    rig.did()
    rig.engine.notes.clear()
    rig.engine.unspoken(0, 1, ("A", "B"), "subscribe: raised KeyError", rig.now)
    assert told(rig) == [
        ("refused", "A", "A", "subscribe: raised KeyError", None),
        ("refused", "B", "B", "subscribe: raised KeyError", None),
    ]
    assert rig.engine.notes[0] == "line 0: subscribe: raised KeyError"


def test_data_that_does_not_come() -> None:
    """An acknowledged topic that never delivers is found by its own limit."""
    rig = live(change(FOLLOWED, topic_data_limit=30.0))
    rig.send(ack("A"), delta("B", 1))
    told(rig)
    rig.wait(30.0)
    assert told(rig) == [("refused", "A", "A", "no data within 30 s", 0.5)]
    rig.wait(0.5)
    assert rig.did(Call) == [Call(0, 1, (), ("A",))]


def test_a_fixed_payload_that_is_not_acknowledged() -> None:
    """It is one topic without a name; asked again, and at last the end."""
    rig = Rig(change(FOLLOWED, acks=Acks(by="count", within=10.0, attempts=2)))
    rig.open(payloads=(ask(None),))
    told(rig)
    rig.did()
    rig.wait(10.5)
    assert told(rig) == [("refused", None, None, "no acknowledgement within 10 s", 0.5)]
    assert rig.did(Call) == [Call(0, 1, (), ())]
    rig.engine.spoken(0, 1, (), (ask(None),), rig.now)
    rig.send({"kind": "ack"})
    assert (told(rig), states(rig)) == ([("subscribed", None, None)], {None: "acknowledged"})


def test_a_fixed_payload_whose_call_fails() -> None:
    """There cannot be a topic to name."""
    rig = Rig(change(FOLLOWED, acks=Acks(by="count", within=10.0, attempts=3)))
    rig.open(payloads=(ask(None),))
    rig.wait(10.5)
    told(rig)
    rig.engine.unspoken(0, 1, (), "no thread", rig.now)
    assert told(rig) == [("refused", None, None, "no thread", 1.0)]


def test_two_lines_are_followed_each_for_itself() -> None:
    """The status shows the first that is live."""
    rig = Rig(FOLLOWED, lines=2, topics=("A",))
    rig.start()
    rig.open(1, payloads=(ask("A"),))
    rig.send(ack("A"), line=1)
    assert states(rig) == {"A": "acknowledged"}
    rig.open(0, payloads=(ask("A"),))
    assert states(rig) == {"A": "sent"}
    rig.wait(10.5)
    assert rig.did(Call) == [Call(0, 1, (), ("A",))]
