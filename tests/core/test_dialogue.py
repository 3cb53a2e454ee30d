"""`core/dialogue.py`: control frames, keepalives, budgets of sends, and topics that change."""

from __future__ import annotations

import zlib
from typing import Any, Callable, Optional

import pytest

from syncstream import Liveness
from syncstream.core.actions import Payload
from syncstream.core.budget import Budget
from syncstream.core.deflate import Agreed
from syncstream.core.engine import Abandon, Dial, Hangup, Send
from syncstream.core.frames import BINARY, CLOSE, PING, PONG, TEXT
from syncstream.core.keepalive import Keepalive
from syncstream.core.rules import Kind
from syncstream.errors import DataFailed
from syncstream.events import Disconnected

from .phases import Phase, closed, closing, dialing, idle, live, waiting
from .rig import HEALED, NUMBERED, Rig, change, delta, frame, text

JOIN, LEAVE = Payload(TEXT, b"join"), Payload(TEXT, b"leave")


def goodbye(code: Optional[int], reason: str = "") -> bytes:
    return frame(CLOSE, b"" if code is None else code.to_bytes(2, "big") + reason.encode())


# ---------------------------------------------------------------- control frames


def test_a_ping_is_answered_at_once_and_alike() -> None:
    """A pong is not answered."""
    rig = Rig(NUMBERED)
    rig.open()
    rig.did()
    rig.raw(frame(PING, b"abc") + frame(PONG, b"x") + frame(PING, b""))
    assert rig.did() == [Send(0, 1, PONG, b"abc", True), Send(0, 1, PONG, b"", True)]


@pytest.mark.parametrize(
    ("data", "echo", "reason", "code"),
    [
        (goodbye(1000, "bye"), b"\x03\xe8", "closed by the venue: 1000 bye", 1000),
        (goodbye(4001), b"\x0f\xa1", "closed by the venue: 4001", 4001),
        (goodbye(None), b"", "closed by the venue", None),
    ],
)
def test_goodbye_is_answered_and_dialled_again(data: bytes, echo: bytes, reason: str, code: Optional[int]) -> None:
    """A normal close does not end the stream; what came before it is delivered, what comes after is not."""
    rig = Rig(NUMBERED)
    rig.open()
    rig.said()
    rig.did()
    rig.raw(text(delta("A", 1)) + data + text(delta("A", 2)))
    assert [item.code for item in rig.items if isinstance(item, Disconnected)] == [code]
    assert rig.did() == [Send(0, 1, CLOSE, echo, True), Hangup(0, 1)]
    assert rig.said() == ["A1", f"disconnected 0: {reason}"]
    rig.wait(0.5)
    assert len(rig.did(Dial)) == 1


def test_binary_frames_are_messages() -> None:
    """No less than those of text."""
    rig = Rig(NUMBERED)
    rig.open()
    rig.said()
    rig.raw(frame(BINARY, b'{"k":"A","n":1}'))
    assert rig.said() == ["A1"]


def test_what_cannot_be_read_does_not_end_its_batch() -> None:
    """The messages behind it are delivered."""
    rig = Rig(NUMBERED)
    rig.open()
    rig.said()
    rig.send(b"?", delta("A", 1), b"?", delta("A", 2))
    assert rig.said() == ["quarantined", "A1", "quarantined", "A2"]


def test_a_goodbye_is_shown_without_what_is_hidden() -> None:
    """A venue may repeat what it was told."""
    rig = Rig(NUMBERED)
    rig.start()
    assert rig.engine.opened(0, rig.dials[0].epoch, (), rig.now, hidden=("s3cr3t",))
    rig.said()
    rig.raw(goodbye(4001, "no s3cr3t"))
    (told,) = rig.said()
    assert told.startswith("disconnected 0: closed by the venue: 4001 no ")
    assert "s3cr3t" not in told


def test_what_was_agreed_on_about_compression_holds_for_the_line() -> None:
    """A message that came compressed is read."""
    rig = Rig(NUMBERED)
    rig.start()
    assert rig.engine.opened(0, rig.dials[0].epoch, (), rig.now, deflate=Agreed())
    rig.said()
    packer = zlib.compressobj(wbits=-15)
    packed = (packer.compress(b'{"k":"A","n":1}') + packer.flush(zlib.Z_SYNC_FLUSH))[:-4]
    rig.raw(bytes((0xC1, len(packed))) + packed)
    assert rig.said() == ["A1"]


def test_a_dial_that_hangs_is_not_forgiven_because_we_do_not_read() -> None:
    """Only a step of the script waits for what may stand unread."""
    rig = Rig(change(NUMBERED, dial_limit=15.0))
    rig.start()
    rig.engine.paused()
    rig.did()
    rig.wait(15.0)
    assert (rig.did(), rig.said()) == ([Abandon(0, 1)], ["disconnected 0: the dial hangs"])


# ---------------------------------------------------------------- snapshots


def test_one_live_line_is_enough_to_ask_for_a_snapshot() -> None:
    """The other may be on its way for long."""
    rig = Rig(HEALED, lines=2)
    rig.open()
    rig.send(delta("A", 1))
    assert rig.asked() == ["A"]


def test_what_is_due_is_asked_for_in_the_moment_the_line_is_open() -> None:
    """No tick is needed for it."""
    rig = Rig(HEALED)
    rig.open()
    rig.send(delta("A", 1))
    rig.fail("A")
    rig.asked()
    rig.cut()
    rig.redial()
    rig.now += 10.0
    rig.open()
    assert rig.asked() == ["A"]


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


PONG_TEXT = frame(TEXT, b"pong")


def expecting(within: Optional[float] = None, **options: Any) -> Rig:
    """A line whose keepalive, every 20 s, wants `pong` for an answer."""
    rules = change(
        NUMBERED,
        keepalive=Keepalive(every=20.0, send="ping", expect="pong", within=within),
        keepalive_payload=lambda: Payload(TEXT, b"ping"),
        literals={b"pong": Kind.PONG},
        classify=lambda message: Kind(message["t"]) if "t" in message else None,
        **options,
    )
    rig = Rig(rules)
    rig.open()
    rig.did()
    rig.said()
    return rig


@pytest.mark.parametrize("within", [None, 4.0])
def test_only_what_is_expected_is_an_answer(within: Optional[float]) -> None:
    """Data that goes on and pongs of the protocol prove nothing of a venue whose own side does not answer."""
    limit = within or 10.0
    rig = expecting(within)
    rig.wait(20.0)
    for _ in range(3):
        rig.wait(limit / 4)
        rig.send({"t": "heartbeat"})
        rig.raw(frame(PONG, b""))
    rig.wait(limit / 4 - 0.1)
    assert rig.said() == []
    rig.wait(0.1)
    assert rig.said() == [f"disconnected 0: half-open: no answer to our keepalive within {limit:g} s"]


def test_what_is_expected_comes() -> None:
    """Before or after other messages, and once for two that were sent; until the next one nothing is awaited."""
    rig = expecting(within=30.0)
    for _ in range(5):
        rig.wait(40.0)  # two are sent
        rig.raw(text({"t": "heartbeat"}) + PONG_TEXT)
    rig.wait(49.9)  # the next one after 20
    assert rig.said() == []
    rig.wait(0.1)
    assert rig.said() == ["disconnected 0: half-open: no answer to our keepalive within 30 s"]


@pytest.mark.parametrize("patience", ["not read", "paused"])
def test_nothing_is_expected_while_silence_proves_nothing(patience: str) -> None:
    """The one that was awaited before is not missed after it, but the next one is."""
    rig = expecting()
    rig.wait(21.0)
    if patience == "paused":
        rig.send({"t": "pause"})
    else:
        rig.engine.paused()
    rig.wait(40.0)
    assert rig.said() == []
    if patience == "paused":
        rig.send({"t": "resume"})
    else:
        rig.engine.resumed(rig.now)
    rig.said()
    rig.wait(19.0 + 9.9)  # the next one goes out at 80
    assert rig.said() == []
    rig.wait(0.1)
    assert rig.said() == ["disconnected 0: half-open: no answer to our keepalive within 10 s"]


def test_a_new_line_owes_no_answer() -> None:
    """What the last one was asked dies with it."""
    rig = expecting()
    rig.wait(25.0)
    rig.cut()
    rig.redial()
    rig.open()
    rig.said()
    rig.wait(19.9)
    assert rig.said() == []


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


# ---------------------------------------------------------------- topics


@pytest.mark.parametrize(
    ("phase", "sent", "dialled"),
    [
        (idle, [], ("A", "B")),
        (dialing, [b"join"], ("A",)),  # behind the subscriptions of the dial under way
        (waiting, [], ("A", "B")),
        (live, [b"join"], None),
        (closing, [], None),
        (closed, [], None),
    ],
)
def test_a_topic_more(phase: Phase, sent: list[bytes], dialled: object) -> None:
    """The venue hears of it once: from the open line, behind the dial under way, or with the next dial."""
    rig = Rig(NUMBERED, topics=("A",))
    phase(rig)
    rig.engine.subscribe(["B"], [JOIN], rig.now)
    rig.gather()
    if phase is idle:
        rig.start()
    elif phase is waiting:
        rig.redial()
    if dialled is not None:
        assert rig.dials[0].topics == dialled
        rig.did()
        rig.open(payloads=(Payload(TEXT, b"first"),))
        sent = [b"first", *sent]
    assert [action.payload for action in rig.did(Send) if action.opcode == TEXT] == sent
    assert tuple(rig.engine.topics) == ("A", "B")


def test_a_topic_less() -> None:
    """The open line says so; the next dial does not ask for it any more; its messages are not delivered."""
    rig = Rig(NUMBERED, topics=("A", "B"))
    rig.open()
    rig.did()
    rig.engine.unsubscribe(["A", "unknown"], [LEAVE], rig.now)
    assert rig.did() == [Send(0, 1, TEXT, b"leave", False)]
    rig.said()
    rig.send(delta("A", 1), delta("B", 1))
    assert rig.said() == ["B1"]
    rig.cut()
    rig.redial()
    assert rig.dials[0].topics == ("B",)


def test_what_was_asked_for_behind_a_dial_that_failed_is_not_said_twice() -> None:
    """The next dial has it among its topics."""
    rig = Rig(NUMBERED, topics=("A",))
    rig.start()
    rig.engine.subscribe(["B"], [JOIN], rig.now)
    rig.refuse()
    rig.redial()
    rig.did()
    rig.open()
    assert (rig.dials[0].topics, rig.did()) == (("A", "B"), [])


def test_topics_that_are_not_keys() -> None:
    """The feed says which key a topic is about."""
    rig = Rig(NUMBERED, topics=("quotes.A",), topic_key=lambda topic: topic.split(".")[1])
    rig.live("A", 1)
    rig.engine.unsubscribe(["quotes.A"], [], rig.now)
    rig.send(delta("A", 2))
    assert (rig.said(), rig.keys.syncs) == ([], {})
    rig.engine.subscribe(["quotes.A"], [], rig.now)
    rig.send(delta("A", 9))
    assert rig.said() == ["A9"]


# ---------------------------------------------------------------- what the stream cannot go on with


def test_a_failure_in_the_middle_of_a_batch_ends_it() -> None:
    """What came before it is delivered, what comes after it is not."""
    rig = Rig(change(NUMBERED, max_keys=1))
    rig.open()
    rig.said()
    rig.send(delta("A", 1), delta("B", 1), delta("A", 2))
    assert (rig.said(), isinstance(rig.failure(), DataFailed)) == (["A1", "closed"], True)


def test_a_frame_without_a_message_is_life() -> None:
    """It is no data, and shows nothing to the opening script."""
    rig = Rig(change(NUMBERED, heartbeat=2.0, split=lambda message: message))
    rig.open()
    for _ in range(4):
        rig.wait(1.9)
        rig.send([])
    assert (rig.said(), rig.order.used) == (["connected 0 attempt 1"], 0)
    rig.wait(3.1)
    assert rig.said()[0].startswith("disconnected 0: mute")


@pytest.mark.parametrize(("send", "said"), [(None, 0), ("ping", 3)])
def test_pongs_do_not_make_an_idle_keepalive_needless_that_is_in_words(send: Optional[str], said: int) -> None:
    """The venue counts what we say, not what its socket answers to our pings."""
    pinging = Liveness(ping_after=5.0, silence=1e6, maximum_silence=1e6)
    payload = None if send is None else lambda: Payload(TEXT, b"ping")
    rules = change(NUMBERED, liveness=pinging, keepalive=Keepalive(every=20.0, send=send, when="idle"), keepalive_payload=payload)
    rig = Rig(rules)
    rig.open()
    texts = 0
    for _ in range(35):
        rig.wait(2.0)
        actions = rig.did(Send)
        texts += sum(action.opcode == TEXT for action in actions)
        if actions:
            rig.raw(frame(PONG, b""))
    assert texts == said
