"""`core/dialogue.py`: what messages mean that are no data: literals, pongs, challenges, and the venue's notices."""

from __future__ import annotations

from typing import Any, Optional

import pytest

from syncstream import Liveness
from syncstream.core.actions import Payload
from syncstream.core.engine import Call, Dial, Hangup, Send
from syncstream.core.frames import CLOSE, TEXT
from syncstream.core.opening import Step
from syncstream.core.rules import Kind, Rules
from syncstream.core.subscriptions import Acks
from syncstream.events import Disconnected, Gap

from .rig import HEALED, NUMBERED, Rig, change, delta

PAUSING = Liveness(ping_after=1e6, silence=1e6, maximum_silence=1e6, pause_limit=120.0)


def kind_of(message: Any) -> Optional[Kind]:
    return Kind(message["kind"]) if isinstance(message, dict) and "kind" in message else None


def answer(message: Any) -> Optional[Payload]:
    return Payload(TEXT, b"answer %d" % message["id"]) if "id" in message else None


SPEAKING = change(NUMBERED, classify=kind_of, answer=answer, asks=True, leaves=True, liveness=PAUSING)


def say(kind: Kind, **more: Any) -> dict[str, Any]:
    return {"kind": kind.value, **more}


def live(rules: Rules = SPEAKING, **options: Any) -> Rig:
    rig = Rig(rules, **{"topics": ("A", "B"), **options})
    rig.open()
    rig.did()
    rig.said()
    return rig


# ---------------------------------------------------------------- literals


def test_a_literal_is_taken_before_the_decoder() -> None:
    """It would be garbage to it; only the whole text counts, and only in a text frame."""
    rig = live(change(NUMBERED, literals={b"pong": Kind.PONG}))
    rig.send(b"pong")
    assert rig.said() == []
    rig.send(b"pong ")
    assert rig.said() == ["quarantined"]


@pytest.mark.parametrize("decodable", [True, False])
def test_a_literal_between_data(decodable: bool) -> None:
    """Whether the decoder could have read it or not: it is not data, and the messages around it are."""
    rules = change(NUMBERED, literals={b'{"k":"A","n":6}' if decodable else b"pong": Kind.HEARTBEAT})
    rig = live(rules)
    rig.live("A", 5)
    rig.send(delta("A", 6) if decodable else b"pong", delta("A", 6, x=1), delta("A", 7))
    assert rig.said() == ["A6", "A7"]
    assert rig.engine.order.scan.enabled is not decodable


# ---------------------------------------------------------------- what proves what


@pytest.mark.parametrize("kind", list(Kind))
def test_what_proves_the_feed(kind: Kind) -> None:
    """Everything but the answer to our own keepalive."""
    rig = live(change(SPEAKING, heartbeat=10.0))
    rig.wait(8.0)
    rig.send(say(kind, id=1))
    line = rig.engine.lines[0]
    assert line.clocks.transport_at == rig.now or kind is Kind.RECONNECT
    assert line.clocks.feed_at == (rig.now - 8.0 if kind is Kind.PONG else rig.now)


def test_a_line_that_only_answers_keepalives_is_mute() -> None:
    """The pongs of the venue's own kind do not hide it."""
    rig = live(change(SPEAKING, heartbeat=10.0))
    for _ in range(3):
        rig.wait(5.0)
        rig.send(say(Kind.PONG))
    assert rig.said() == ["disconnected 0: mute: no message for 15.0 s, limit 15 s (1.5 x heartbeat)"]


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind not in (Kind.DATA, Kind.SNAPSHOT)])
def test_none_of_them_is_delivered(kind: Kind) -> None:
    """With a key and a number they are still no data."""
    rig = live()
    rig.send(say(kind, id=1, **delta("A", 1)))
    assert "A1" not in rig.said()


# ---------------------------------------------------------------- challenges


def test_a_challenge_is_answered_at_once() -> None:
    """Before what waits; one that wants no answer gets none."""
    rig = live()
    rig.send(say(Kind.CHALLENGE, id=7), say(Kind.CHALLENGE))
    assert rig.did() == [Send(0, 1, TEXT, b"answer 7", True)]


def test_an_answer_that_raises_is_that_messages_trouble() -> None:
    """It is quarantined, and the line goes on."""
    rig = live()
    rig.send(say(Kind.CHALLENGE, id="x"), delta("A", 1))
    assert rig.items[0].reason == "answer: raised TypeError"
    assert rig.said() == ["quarantined", "A1"]


def test_without_an_answer_a_challenge_passes() -> None:
    """As any message."""
    rig = live(change(SPEAKING, answer=None))
    rig.send(say(Kind.CHALLENGE, id=7))
    assert (rig.did(), rig.said()) == ([], [])


# ---------------------------------------------------------------- notices


def test_reconnect_on_a_line_that_has_proved_itself() -> None:
    """With a goodbye, at once, and it is no failure; what follows the notice is not read."""
    rig = live()
    rig.send(delta("A", 1))
    rig.wait(10.0)
    rig.send(delta("A", 2), say(Kind.RECONNECT), delta("A", 3))
    assert rig.did() == [Send(0, 1, CLOSE, b"\x03\xe8", True), Hangup(0, 1), Dial(0, 3, ("A", "B"))]
    assert [item.retry_in for item in rig.items if isinstance(item, Disconnected)] == [0.0]
    assert rig.said() == ["A1", "A2", "disconnected 0: the venue asks to reconnect"]
    rig.open()
    assert rig.said() == ["connected 0 attempt 1"]


def test_reconnect_said_to_everybody_who_comes() -> None:
    """Is met with the back-off, or it would be a storm."""
    rig = live()
    waits = []
    for _ in range(3):
        rig.send(say(Kind.RECONNECT))
        before = rig.now
        rig.redial()
        waits.append(rig.now - before)
        rig.open()
    assert waits == [0.5, 1.0, 2.0]


@pytest.mark.parametrize("end", [Kind.RESUME, Kind.RESUBSCRIBE])
def test_silence_in_a_pause_is_no_fault(end: Kind) -> None:
    """Neither mute nor half-open; when the venue is back the clocks run again and everything is subscribed again."""
    rig = live(change(SPEAKING, heartbeat=4.0, liveness=Liveness(ping_after=2.0, pong_within=1.0)))
    rig.send(say(Kind.PAUSE))
    rig.did()
    rig.wait(100.0)
    assert (rig.said(), len(rig.did()) > 10) == ([], True)
    rig.send(say(end))
    assert rig.did() == [Call(0, 1, (), ("A", "B"))]
    rig.wait(2.9)
    assert rig.said() == []
    rig.wait(0.1)
    assert rig.said() == ["disconnected 0: half-open: no answer to our ping within 1 s"]


def test_a_pause_has_an_end() -> None:
    """Then the line is dialled again; a second notice gives the whole time again."""
    rig = live(change(SPEAKING, heartbeat=4.0))
    rig.send(say(Kind.PAUSE))
    rig.wait(60.0)
    rig.send(say(Kind.PAUSE))
    rig.wait(119.9)
    assert rig.said() == []
    rig.wait(0.1)
    assert rig.said() == ["disconnected 0: mute: the venue has paused for more than 120 s"]


def test_a_pause_while_we_do_not_read() -> None:
    """Its end may stand among what was not read, so it is looked at first."""
    rig = live(change(SPEAKING, heartbeat=4.0, liveness=Liveness(pong_within=5.0, pause_limit=20.0)))
    rig.send(say(Kind.PAUSE))
    rig.engine.paused()
    rig.wait(60.0)
    rig.engine.resumed(rig.now)
    rig.wait(4.9)
    assert rig.said() == []
    rig.wait(0.1)
    assert rig.said() == ["disconnected 0: mute: the venue has paused for more than 20 s"]


def test_resubscribing() -> None:
    """The user's callables say what to send; a second notice meanwhile asks them no more."""
    rig = live()
    rig.send(say(Kind.RESUBSCRIBE), say(Kind.RESUBSCRIBE))
    assert [type(action) for action in rig.actions] == [Call]
    rig.answer_call()
    assert rig.texts() == ["ask A", "ask B"]
    rig.send(say(Kind.RESUBSCRIBE))
    assert rig.did() == [Call(0, 1, (), ("A", "B"))]


def test_resubscribing_what_is_fixed() -> None:
    """There are no topics; without a subscription nobody is asked."""
    rig = live(topics=())
    rig.send(say(Kind.RESUBSCRIBE))
    assert rig.did() == [Call(0, 1, (), ())]
    rig = live(change(SPEAKING, asks=False), topics=())
    rig.send(say(Kind.RESUBSCRIBE))
    assert rig.did() == []


def test_what_was_missed_before_resubscribing_is_found() -> None:
    """By numbers where there are some: the next message shows the hole, or that there is none."""
    rig = live()
    rig.live("A", 5)
    rig.live("B", 5)
    rig.send(say(Kind.RESUBSCRIBE), delta("A", 6), delta("B", 9))
    assert rig.said() == ["resynced A at 6 +0", "A6", "gap B hole 5..9 told", "B9"]


def test_what_was_missed_before_resubscribing_is_told_where_nothing_can_find_it() -> None:
    """As after a reconnect."""
    rig = live(change(SPEAKING, rule=None, first=None, last=None))
    rig.send(delta("A", 1), say(Kind.RESUME), delta("A", 9))
    assert [item.reason for item in rig.items if isinstance(item, Gap)] == ["reconnect"]
    assert rig.said() == ["A1", "gap None reconnect None..None told", "A9"]


def test_silence_of_a_key_counts_from_when_the_venue_is_back() -> None:
    """And from when a line is open again: before that nobody could have spoken."""
    rig = live(change(SPEAKING, quiet_after=lambda key: 8.0))
    rig.send(delta("A", 1))
    for back in ("resumed", "reopened"):
        rig.wait(7.0)
        if back == "resumed":
            rig.send(say(Kind.RESUME))
        else:
            rig.reopen()
        rig.said()
        rig.wait(7.9)
        assert "stale" not in rig.said()
        rig.send(delta("A", rig.keys.syncs["A"].counter.position + 1))  # type: ignore[union-attr]


def test_a_call_that_fails_does_not_hold_up_snapshots() -> None:
    """Nobody will say more than it did."""
    rig = live(change(HEALED, classify=kind_of, asks=True, dial_limit=15.0))
    rig.live("A", 5)
    rig.send(say(Kind.RESUBSCRIBE))
    rig.wait(10.0)
    assert rig.asked() == []
    rig.engine.unspoken(0, 1, ("A", "B"), "raised", rig.now)
    rig.tick()
    assert rig.asked() == ["A"]


def test_what_was_missed_before_resubscribing_is_fetched() -> None:
    """A key that stays silent is verified by a snapshot, which is not asked for before it is subscribed again."""
    rig = live(change(HEALED, classify=kind_of, asks=True))
    rig.live("A", 5)
    rig.send(say(Kind.RESUBSCRIBE))
    rig.wait(10.0)
    assert (rig.state("A"), rig.asked()) == ("unproven", [])
    rig.answer_call()
    assert rig.asked() == ["A"]


def test_the_answer_to_an_earlier_call_is_not_taken_for_the_one_that_asks_for_everything() -> None:
    """Its topic was to be asked for anyway when the venue wanted all of them once more."""
    rig = live(change(HEALED, classify=kind_of, asks=True))
    rig.live("A", 5)
    rig.engine.spoken(0, 1, (), (Payload(TEXT, b"ask B and Z", ("B", "Z")),), rig.now)
    assert rig.did() == [Call(0, 1, (), ("B",))]  # Z is not wanted any more
    rig.send(say(Kind.RESUBSCRIBE))
    rig.engine.spoken(0, 1, (), (Payload(TEXT, b"ask B", ("B",)),), rig.now)
    rig.wait(10.0)
    assert rig.asked() == []
    rig.answer_call()
    assert rig.asked() == ["A"]


def test_a_callable_that_hangs_does_not_hold_up_snapshots_for_ever() -> None:
    """As long as a dial may take; then they are asked for all the same."""
    rig = live(change(HEALED, classify=kind_of, asks=True, dial_limit=15.0))
    rig.live("A", 5)
    rig.send(say(Kind.RESUBSCRIBE))
    rig.wait(14.9)
    assert rig.asked() == []
    rig.wait(0.1)
    assert rig.asked() == ["A"]


def test_notices_while_a_line_is_opened() -> None:
    """Only the clock hears of a resume: what is subscribed then is subscribed anyway."""
    rig = Rig(change(SPEAKING, opening=(Step(expect=lambda message: message.get("in")),)))
    rig.open()
    rig.did()
    rig.send(say(Kind.PAUSE), say(Kind.RESUBSCRIBE))
    assert rig.did() == []
    rig.send({"in": True})
    assert rig.said() == ["connected 0 attempt 1"]


def test_a_call_of_an_older_connection_is_late() -> None:
    """Its answer is of no use, and neither is its failure."""
    rig = live()
    rig.send(say(Kind.RESUBSCRIBE))
    (call,) = rig.did(Call)
    rig.reopen()
    rig.did()
    rig.engine.spoken(0, call.epoch, (), (Payload(TEXT, b"x", ("A",)),), rig.now)
    rig.engine.unspoken(0, call.epoch, ("A",), "raised", rig.now)
    assert (rig.did(), rig.engine.status(rig.now).late_answers) == ([], 2)


def test_what_is_limited_is_asked_for_again() -> None:
    """Nothing is refused, and a stream that has just begun goes on."""
    rules = change(SPEAKING, acks=Acks(by="key"))
    rig = Rig(rules, topics=("A",))
    rig.open(payloads=(Payload(TEXT, b"ask", ("A",)),))
    rig.did()
    rig.send(say(Kind.LIMITED, k="A"))
    assert (rig.engine.failure, rig.said()[-1]) == (None, "refused")
    rig.wait(1.0)
    assert [call.ask for call in rig.did(Call)] == [("A",)]
