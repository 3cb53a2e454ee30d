"""`core/asking.py`: how a snapshot is asked for over the line, by a new subscription, by a new connection."""

from __future__ import annotations

from typing import Any, Hashable

import pytest

from syncstream.core.actions import Payload
from syncstream.core.engine import Call, Dial
from syncstream.core.frames import TEXT
from syncstream.core.rules import Kind, Rules
from syncstream.core.subscriptions import Acks
from syncstream.errors import SnapshotFailed

from .rig import AGAIN, ANEW, BY_CONNECTION, REQUESTED, TYPED, Rig, change, classify, delta, frame, run_of, snap, version_of


def begun(rules: Rules, *keys: str, **options: Any) -> Rig:
    """The keys are live at 5 by the snapshots that their subscriptions began with."""
    rig = Rig(rules, topics=keys, **options)
    rig.open()
    rig.send(*(snap(key, 5) for key in keys), *(delta(key, 6) for key in keys))
    rig.said()
    rig.did()
    return rig


def calls(rig: Rig) -> list[tuple[int, tuple[Hashable, ...], tuple[Hashable, ...]]]:
    return [(call.line, call.leave, call.ask) for call in rig.did(Call)]


# ---------------------------------------------------------------- a new subscription


def test_a_hole_is_healed_by_a_new_subscription() -> None:
    """The topic is left and asked for again; what comes meanwhile is held, and follows the snapshot."""
    rig = begun(AGAIN, "A", "B")
    rig.send(delta("A", 9), delta("B", 7))
    assert rig.said() == ["gap A hole 6..9 healing", "B7"]
    rig.answer_call()
    rig.send(delta("A", 10), snap("A", 9), delta("A", 11))
    assert [word for word in rig.said() if word != "subscribed"] == ["snapshot A at 9", "A10", "resynced A at 10 +1", "A11"]
    assert (rig.keys.fetches.under_way, calls(rig)) == (0, [])


def test_keys_that_are_due_together_go_into_one_call() -> None:
    """No more of them than may be under way; a place that is free again is taken at once."""
    rig = begun(change(AGAIN, fetch_concurrency=2), "A", "B", "C")
    rig.send(delta("A", 9), delta("B", 9), delta("C", 9))
    assert calls(rig) == [(0, ("A", "B"), ("A", "B"))]
    rig.send(snap("B", 9))
    assert calls(rig) == [(0, ("C",), ("C",))]


def test_every_live_line_subscribes_again() -> None:
    """What one of them has missed the other one may have missed too."""
    rig = Rig(AGAIN, topics=("A",), lines=2)
    rig.open(0)
    rig.open(1)
    rig.send(snap("A", 5), delta("A", 6), delta("A", 9))
    assert calls(rig) == [(0, ("A",), ("A",)), (1, ("A",), ("A",))]


def test_what_a_line_has_refused_it_is_not_asked_for_again() -> None:
    """Its next connection will be."""
    rig = Rig(change(AGAIN, acks=Acks(by="key")), topics=("A",))
    rig.open(payloads=(Payload(TEXT, b"ask", ("A",)),))
    rig.engine.lines[0].talk.subscriptions.refused({"k": "A"})
    rig.keys.find("A", rig.now)
    rig.wait(5.0)
    assert (calls(rig), rig.keys.fetches.under_way) == ([], 1)


def test_what_is_refused_while_it_is_healed_is_asked_for_again() -> None:
    """It was left for that: a limit of requests must not cost the topic."""
    refusing = change(AGAIN, acks=Acks(by="key"), classify=lambda m: Kind.ERROR if m.get("t") == "error" else classify(m))
    rig = Rig(refusing, topics=("A",))
    rig.open(payloads=(Payload(TEXT, b"ask", ("A",)),))
    rig.send(snap("A", 5), delta("A", 6), delta("A", 9))
    assert rig.answer_call().ask == ("A",)
    rig.send({"k": "A", "t": "error"})
    rig.wait(0.5)
    assert calls(rig) == [(0, (), ("A",))]


def test_a_key_without_a_topic_cannot_be_subscribed_again() -> None:
    """Which is noted, with the key."""
    rig = begun(AGAIN, "A")
    rig.send(snap("X", 5), delta("X", 6), delta("X", 9))
    assert calls(rig) == []
    assert rig.engine.notes == ["no topic of 'X' is subscribed, so it cannot be again; see topic_key"]


def test_one_single_key_has_all_topics() -> None:
    """Where the feed names no key everything belongs together."""
    rig = Rig(change(AGAIN, key=None), topics=("A", "B"))
    rig.open()
    rig.send(snap("A", 5), delta("A", 6), delta("A", 9))
    assert calls(rig) == [(0, ("A", "B"), ("A", "B"))]


def test_a_topic_is_its_key_by_what_the_user_says() -> None:
    """Several topics of one key are left and asked for together."""
    rig = Rig(AGAIN, topics=("book.A", "trades.A", "book.B"), topic_key=lambda topic: topic.split(".")[1])
    rig.open()
    rig.send(snap("A", 5), delta("A", 6), delta("A", 9))
    assert calls(rig) == [(0, ("book.A", "trades.A"), ("book.A", "trades.A"))]


# ---------------------------------------------------------------- a new connection


def test_one_new_connection_heals_all_keys() -> None:
    """With a goodbye on the old one; it has not proved itself, so the next one waits for the back-off."""
    rig = begun(change(ANEW, backoff=ANEW.backoff), "A", "B")
    rig.send(delta("A", 9), delta("B", 9))
    assert rig.said() == [
        "gap A hole 6..9 healing",
        "gap B hole 6..9 healing",
        "disconnected 0: keys are healed by a new connection",
    ]
    assert rig.did(Dial) == []
    rig.redial()
    rig.open()
    rig.wait(3.9)
    rig.send(snap("A", 12), snap("B", 13))
    assert rig.said() == [
        "connected 0 attempt 2",
        *("snapshot A at 12", "resynced A at 12 +0"),
        *("snapshot B at 13", "resynced B at 13 +0"),
    ]
    rig.wait(100.0)
    assert rig.said() == []


def test_a_connection_that_has_proved_itself_is_followed_at_once() -> None:
    """It was no failure of the line."""
    rig = begun(ANEW, "A")
    rig.wait(11.0)
    rig.send(delta("A", 7), delta("A", 9))
    assert len(rig.did(Dial)) == 1
    assert rig.engine.lines[0].attempt == 0


def test_only_one_of_two_lines_is_given_up() -> None:
    """The other one goes on, and what it brings is held; the snapshot is that of the new connection."""
    rig = Rig(change(ANEW, backoff=ANEW.backoff), topics=("A",), lines=2)
    rig.open(0)
    rig.open(1)
    rig.send(snap("A", 5), delta("A", 6), delta("A", 9))
    assert [place.is_live() for place in rig.engine.lines] == [False, True]
    rig.redial()
    rig.open(0)
    rig.said()
    rig.send(delta("A", 10), line=1)
    rig.send(snap("A", 9), line=0)
    assert rig.said() == ["snapshot A at 9", "A10", "resynced A at 10 +1"]
    rig.wait(100.0)
    assert rig.engine.connects == 3


def test_where_no_new_connection_helps_a_key_is_given_up() -> None:
    """After as many as it may cost the others; then another one is tried, but not soon."""
    rig = begun(ANEW, "A", "B")
    rig.send(delta("A", 9))
    for connects in (2, 3):
        rig.redial()
        rig.open()
        assert rig.engine.connects == connects
        rig.send(snap("B", 9))
        rig.wait(3.9)
        assert rig.engine.lines[0].is_live()
        rig.said()
        if connects == 2:
            rig.wait(0.1)
            assert rig.said() == ["disconnected 0: keys are healed by a new connection"]
    rig.wait(0.1)
    assert rig.said() == ["gap A unhealed 6..9 told", "A9"]
    rig.wait(299.0)
    assert rig.engine.lines[0].is_live()
    rig.wait(1.0)
    assert rig.said() == ["disconnected 0: keys are healed by a new connection"]


# ---------------------------------------------------------------- a request over the line


def test_a_request_goes_out_and_its_answer_is_joined() -> None:
    """By its position, as one that was fetched: what is held and older is left out."""
    rig = Rig(REQUESTED)
    rig.open()
    rig.send(*run_of("A", 7, 9))
    assert rig.texts() == ["req A"]
    rig.said()
    rig.send(snap("A", 8), delta("A", 10))
    assert rig.said() == ["snapshot A at 8", "A9", "resynced A at 9 +1", "A10"]
    assert (rig.keys.fetches.under_way, rig.engine.order.used) == (0, 4)


def test_an_answer_that_is_too_old_is_asked_for_again() -> None:
    """With the back-off of the source."""
    rig = Rig(REQUESTED)
    rig.open()
    rig.send(*run_of("A", 7, 9))
    rig.texts()
    rig.send(snap("A", 5))
    rig.said()
    assert rig.texts() == []
    rig.wait(0.5)
    assert rig.texts() == ["req A"]
    rig.send(snap("A", 9))
    assert rig.said() == ["snapshot A at 9", "resynced A at 9 +0"]


def test_an_answer_that_nobody_waits_for_is_late() -> None:
    """Of a key that is complete, or was left, or was never known."""
    rig = Rig(REQUESTED)
    rig.open()
    rig.send(delta("A", 7))
    rig.send(snap("A", 7), delta("A", 8))
    rig.said()
    rig.send(snap("A", 3), snap("X", 3), delta("A", 9))
    assert (rig.said(), rig.keys.fetches.late) == (["A9"], 2)


def test_an_answer_without_a_position_stands_where_it_comes() -> None:
    """It replaces the state as of its place on the line: what came before it is covered, what comes after it follows."""
    rig = Rig(change(REQUESTED, whole=True, splice=None, answer_position=None))
    rig.open()
    rig.send(*run_of("A", 7, 8))
    rig.said()
    rig.send(delta("A", 9), {"k": "A", "t": "snap"}, delta("A", 10))
    assert rig.said() == ["snapshot A at None", "resynced A at None +0", "A10"]


def test_an_answer_that_does_not_say_where_it_stands_is_quarantined() -> None:
    """And the request is made again, when its time is over."""
    rig = Rig(REQUESTED)
    rig.open()
    rig.send(delta("A", 7), {"k": "A", "t": "snap"})
    assert rig.said() == ["connected 0 attempt 1", "quarantined"]
    rig.texts()
    rig.wait(4.5)
    assert rig.texts() == ["req A"]


def test_a_message_that_only_looks_like_an_answer_has_no_key() -> None:
    """It is passed over."""
    rig = Rig(REQUESTED)
    rig.open()
    rig.send({"t": "snap", "n": 3})
    assert (rig.said(), rig.keys.fetches.late) == (["connected 0 attempt 1"], 0)


def test_an_answer_counts_on_the_connection() -> None:
    """Where everything that has a number does."""
    asked = {name: getattr(REQUESTED, name) for name in ("classify", "ask", "request")}
    rig = Rig(change(BY_CONNECTION, **asked, answer_position=version_of))
    rig.open()
    rig.send(delta("A", 1, v=7))
    rig.send(snap("A", 2, v=7), delta("A", 3, v=8))
    assert rig.said() == ["connected 0 attempt 1", "snapshot A at 7", "resynced A at 7 +0", "A8"]


def test_a_payload_that_cannot_be_made_is_an_error_of_the_source() -> None:
    """The others are asked for all the same; the second time it ends the stream, without what the exception says."""

    def ask(key: str) -> Payload:
        if key == "A":
            raise ValueError("s3cr3t")
        return Payload(TEXT, b"req")

    rig = Rig(change(REQUESTED, request=ask))
    rig.open()
    rig.send(delta("A", 7), delta("B", 7))
    assert rig.texts() == ["req"]
    assert rig.failure() is None
    rig.wait(0.5)
    failure = rig.failure()
    assert isinstance(failure, SnapshotFailed)
    assert str(failure) == "snapshot: its payload raised ValueError"


# ---------------------------------------------------------------- when


@pytest.mark.parametrize("rules", [AGAIN, ANEW, REQUESTED, change(TYPED, classify=classify)])
def test_nothing_is_asked_while_no_line_is_live(rules: Rules) -> None:
    """Whatever is due waits until there is one."""
    rig = Rig(rules, topics=("A",))
    rig.start()
    rig.engine.asking.ask(rig.now)
    assert not rig.engine.asking.may_ask()
    rig.open()
    assert rig.engine.asking.may_ask()
    rig.raw(frame(9, b""))
    assert rig.did(Call, Dial)[1:] == []


def test_a_snapshot_that_nothing_follows_is_asked_for_more_and_more_slowly() -> None:
    """Each is followed by a hole, and by nothing before that: a venue that counts in another way is not to be flooded."""
    rig = begun(AGAIN, "A")
    moments: list[float] = []
    number = 10
    rig.send(delta("A", number))
    while len(moments) < 8:
        if calls(rig):
            moments.append(rig.now)
            number += 10
            rig.send(snap("A", number), delta("A", number + 5))
        else:
            rig.step()
    waits = [after - before for before, after in zip(moments, moments[1:])]
    assert waits == [0.0, 0.0, 1.0, 2.0, 4.0, 8.0, 8.0]


def test_a_snapshot_that_something_followed_is_asked_for_at_once() -> None:
    """However often there are holes."""
    rig = begun(AGAIN, "A")
    for number in range(10, 200, 10):
        rig.send(delta("A", number))
        assert len(calls(rig)) == 1
        rig.send(snap("A", number + 1), delta("A", number + 2))
