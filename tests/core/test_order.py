"""`core/order.py`: what cannot be used, what is delivered as it comes, topics."""

from __future__ import annotations

from typing import Any, Hashable

import msgspec
import pytest

from syncstream.core.order import Item
from syncstream.core.parts import Part, Unreadable
from syncstream.core.rules import Kind, Rules, Scope
from syncstream.errors import DataFailed
from syncstream.events import Quarantined

from .rig import (
    BY_CHANNEL,
    GROWING,
    HEALED,
    NUMBERED,
    PLAIN,
    TYPED,
    Rig,
    change,
    delta,
    snap,
)

# ---------------------------------------------------------------- what cannot be used


def broken_key(message: Any) -> Hashable:
    raise RuntimeError("no luck")


def broken_kind(message: Any) -> Any:
    return "data"


@pytest.mark.parametrize(
    ("rules", "message", "reason"),
    [
        (HEALED, b"{", "DecodeError: Input data was truncated"),
        (HEALED, {"k": ["A"], "n": 1}, "TypeError: unhashable type: 'list'"),
        (HEALED, {"k": "A"}, "sequence='n': KeyError: 'n'"),
        (HEALED, {"k": "A", "n": "1"}, "sequence='n': TypeError: '1' is not a number to count with"),
        (HEALED, {"k": "A", "n": None}, "sequence='n': TypeError: None is not a number to count with"),
        (change(HEALED, key=broken_key, key_may_miss=False), {"k": "A", "n": 1}, "RuntimeError: no luck"),
        (change(HEALED, key_may_miss=False), {"n": 1}, "KeyError: 'k'"),
        (change(HEALED, classify=broken_kind), {"k": "A", "n": 1}, "TypeError: classify returned 'data', which is not a Kind"),
        (TYPED, snap("A", "1"), "sequence='n': TypeError: '1' is not a number to count with"),
        (BY_CHANNEL, {"k": "A", "n": 1, "v": 1}, "sequence='n': KeyError: 'c'"),
    ],
)
def test_what_cannot_be_read_is_quarantined(rules: Rules, message: Any, reason: str) -> None:
    """It is told and counted, with its beginning and why; the next message is as if it had never come."""
    rig = Rig(rules)
    rig.open()
    rig.send(message)
    told = rig.items[-1]
    payload = message if isinstance(message, bytes) else msgspec.json.encode(message)
    assert isinstance(told, Quarantined)
    assert (told.reason, told.raw, rig.order.quarantined, rig.failure()) == (reason, payload, 1, None)
    assert (told.at_ns, rig.order.quarantine_why) == (rig.keys.wall(rig.now), reason)
    assert rig.keys.syncs == {}


def test_a_quarantined_message_shows_as_a_hole() -> None:
    """If it would have been numbered."""
    rig = Rig()
    rig.live("A", 5)
    rig.send(b"oops", delta("A", "6"), delta("A", 7))
    assert rig.said() == ["quarantined", "quarantined", "gap A hole 5..7 healing"]


def test_a_long_one_is_kept_short() -> None:
    """Only the beginning of it and of the reason."""
    rig = Rig()
    rig.open()
    rig.send(b"x" * 5000)
    assert len(rig.items[-1].raw) == 256
    rig.send({"k": "A", "n": "9" * 5000})
    assert len(rig.items[-1].reason) == len(rig.order.quarantine_why) == 256


def test_messages_without_a_key_are_counted_and_not_delivered() -> None:
    """A path that is not there, or `None`, means no key."""
    rig = Rig()
    rig.open()
    rig.said()
    rig.send({"hello": 1}, {"k": None, "n": 1})
    assert (rig.said(), rig.order.keyless, rig.order.quarantined) == ([], 2, 0)


@pytest.mark.parametrize(
    ("rules", "message", "text_of_it"),
    [
        (HEALED, {"symbol": "A", "n": 1}, "key='k': no message has it; the fields seen are: n, symbol (10 messages)"),
        (HEALED, {"k": "A", "seq": 1}, "sequence='n': no message has it; the fields seen are: k, seq (10 messages)"),
    ],
)
def test_a_feed_that_does_not_fit_is_said(rules: Rules, message: Any, text_of_it: str) -> None:
    """Ten messages and not one that could be used by the first-data deadline: an error that lists the fields seen."""
    rig = Rig(change(rules, fields=sorted, first_data_limit=30.0))
    rig.open()
    rig.send(*[message] * 10)
    rig.wait(29.9)
    assert rig.failure() is None
    rig.wait(0.1)
    assert isinstance(rig.failure(), DataFailed)
    assert str(rig.failure()) == text_of_it


def test_what_the_first_ten_lack_is_what_is_said() -> None:
    """Those that come later are only counted."""
    rig = Rig(change(HEALED, fields=sorted, first_data_limit=30.0))
    rig.open()
    rig.send(*[{"x": 1}] * 9, {"tenth": 1}, {"y": 1})
    rig.wait(30.0)
    assert str(rig.failure()) == "key='k': no message has it; the fields seen are: tenth (11 messages)"


def test_what_could_not_be_read_at_all_is_said() -> None:
    """Why, and how it began; both kept short."""

    def decode(payload: bytes, text: bool) -> Any:
        raise ValueError("w" * 1000)

    rig = Rig(change(HEALED, decode=decode, first_data_limit=30.0))
    rig.open()
    rig.send(*[b"x" * 1000] * 10)
    rig.wait(30.0)
    why = f"ValueError: {'w' * 1000}"[:256]
    assert str(rig.failure()) == f"no message could be read: {why}; the last one began: {b'x' * 80!r} (10 messages)"


def test_nine_are_not_enough_to_say_so() -> None:
    """It is asked again after the next span, and as soon as a message comes."""
    rig = Rig(change(HEALED, first_data_limit=30.0))
    rig.open()
    rig.send(*[{"x": 1}] * 9)
    rig.wait(45.0)
    assert (rig.failure(), rig.engine.deadline()) == (None, 160.0)
    rig.send({"x": 1})
    assert rig.failure() is None
    rig.wait(15.0)
    assert isinstance(rig.failure(), DataFailed)


def test_one_message_that_fits_is_enough() -> None:
    """From then on nothing is said about the others."""
    rig = Rig(change(NUMBERED, first_data_limit=30.0))
    rig.open()
    rig.send(*[{"x": 1}] * 50, delta("A", 1))
    assert rig.engine.deadline() == 1_000_100.0
    rig.wait(60.0)
    assert (rig.failure(), rig.order.never_usable()) == (None, None)


@pytest.mark.parametrize(
    ("rules", "message", "data"),
    [
        (NUMBERED, delta("A", 1), True),
        (PLAIN, delta("A", 1), True),
        (TYPED, snap("A", 1), True),
        (BY_CHANNEL, delta("A", 1, v=1, c="c"), True),
        (TYPED, delta("A", 1, t="beat"), False),
        (NUMBERED, {"n": 1}, False),
        (PLAIN, {"n": 1}, False),
        (NUMBERED, {"k": "A"}, False),
        (change(BY_CHANNEL, scope=Scope.CONNECTION), {"n": 1}, False),
    ],
)
def test_what_is_data_of_a_key(rules: Rules, message: Any, data: bool) -> None:
    """Whoever hands it over is told so, and it is counted as one that fits."""
    rig = Rig(rules)
    rig.open()
    item = rig.order.read(msgspec.json.encode(message), True, rig.now)
    assert item is not None
    assert rig.order.use(item, 0, rig.now) is data
    assert rig.order.used == data


def test_the_end() -> None:
    """Nothing is held, and no key goes the fast way any more."""
    rig = Rig(HEALED)
    rig.live("A", 5)
    rig.send(delta("A", 6), delta("B", 1))
    assert (rig.keys.held, list(rig.keys.plain)) == (1, ["A"])
    rig.order.close()
    assert (rig.keys.held, rig.keys.plain, rig.order.deadline()) == (0, {}, None)


@pytest.mark.parametrize(
    ("rules", "field"),
    [
        (change(PLAIN, max_keys=3), "key='k'"),
        (change(HEALED, max_keys=3), "key='k'"),
        (change(TYPED, max_keys=3), "key='k'"),
        (change(BY_CHANNEL, max_keys=3), "counter"),
    ],
)
def test_too_many_keys_end_the_stream(rules: Rules, field: str) -> None:
    """One more than the bound; the error names the field of the feed."""
    rig = Rig(rules)
    rig.open()
    for number in range(3):
        rig.send(delta(f"key{number}", 1, v=1, c=number))
    assert rig.failure() is None
    rig.send(delta("key3", 1, v=1, c=3, t="snap"))
    assert isinstance(rig.failure(), DataFailed)
    assert str(rig.failure()) == f"{field}: more than max_keys=3 different values; is it really what belongs together?"
    assert rig.said()[-1] == "closed"


# ---------------------------------------------------------------- kinds, no key, no number


def test_heartbeats_and_what_is_ignored_are_not_delivered() -> None:
    """Nor do they count, on a counter of a key."""
    rig = Rig(change(TYPED, source=False, splice=None))
    rig.live("A", 5)
    rig.send(delta("A", 6, t="beat"), delta("A", 9, t="ignore"), {"t": "beat"}, delta("A", 6))
    assert (rig.said(), rig.order.keyless) == (["A6"], 0)


def test_without_a_key_everything_belongs_to_one() -> None:
    """Its key is `None`."""
    rig = Rig(change(NUMBERED, key=None))
    rig.open()
    rig.said()
    rig.send({"n": 1}, {"n": 2}, {"n": 4})
    assert rig.said() == ["None1", "None2", "gap None hole 2..4 told", "None4"]


def test_without_a_number_everything_is_delivered() -> None:
    """There is nothing to check."""
    rig = Rig(PLAIN)
    rig.open()
    rig.said()
    rig.send(delta("A", 7), delta("A", 3), delta("A", 3))
    assert rig.said() == ["A7", "A3", "A3"]


def test_numbers_that_only_grow() -> None:
    """Nothing is missing that they could show; what goes back is dropped."""
    rig = Rig(GROWING)
    rig.live("A", 5)
    rig.send(delta("A", 9), delta("A", 8), delta("A", 9), delta("A", 30))
    assert (rig.said(), list(rig.keys.plain)) == (["A9", "A30"], ["A"])


def test_ranges() -> None:
    """A message may cover several numbers."""
    rules = change(NUMBERED, first=lambda message: message["n"][0], last=lambda message: message["n"][1])
    rig = Rig(rules)
    rig.open()
    rig.said()
    rig.send(
        delta("A", [1, 3]), delta("A", [4, 4]), delta("A", [5, 9]), delta("A", [6, 9]), delta("A", [10, 9]), delta("A", [11, 12])
    )
    assert [word.split("[")[0] for word in rig.said()] == ["A", "A", "A", "gap A hole 9..11 told", "A"]


# ---------------------------------------------------------------- topics


def test_after_subscribing_again_a_key_starts_anew() -> None:
    """What came between was not asked for: it is no hole."""
    rig = Rig(NUMBERED)
    rig.live("A", 5)
    rig.engine.unsubscribe(["A"], [], rig.now)
    rig.send(delta("A", 6))
    assert (rig.said(), rig.keys.latest, rig.keys.plain) == ([], {}, {})
    rig.engine.subscribe(["A", "B"], [], rig.now)
    rig.send(delta("A", 20), delta("A", 21), delta("A", 23))
    assert rig.said() == ["A20", "A21", "gap A hole 21..23 told", "A23"]


def test_on_a_shared_counter_it_went_on() -> None:
    """The numbers are not the key's own."""
    rig = Rig(change(BY_CHANNEL, source=False, splice=None))
    rig.live("A", 1)
    rig.engine.unsubscribe(["A"], [], rig.now)
    rig.send(delta("A", 2, v=2, c="c"))
    rig.engine.subscribe(["A"], [], rig.now)
    rig.send(delta("A", 3, v=3, c="c"))
    assert rig.said() == ["A3"]


def test_a_channel_may_be_called_like_a_key() -> None:
    """The key comes back, and the counter of the channel has gone on: a hole is still one."""
    rig = Rig(change(BY_CHANNEL, source=False, splice=None))
    rig.live("B", 1)
    rig.send(delta("B", 1, v=1, c="A"))
    rig.engine.unsubscribe(["A"], [], rig.now)
    rig.engine.subscribe(["A"], [], rig.now)
    rig.said()
    rig.send(delta("B", 3, v=2, c="A"))
    assert rig.said() == ["gap B hole 1..3 told", "B2"]


def test_subscribing_what_is_wanted_already_forgets_nothing() -> None:
    """Its counter goes on: a hole is still one."""
    rig = Rig(NUMBERED)
    rig.live("A", 5)
    rig.engine.subscribe(["A"], [], rig.now)
    rig.send(delta("A", 8))
    assert rig.said() == ["gap A hole 5..8 told", "A8"]


def test_a_topic_without_numbers_can_be_left() -> None:
    """Its messages are neither delivered nor trouble."""
    rig = Rig(PLAIN)
    rig.live("A", 1)
    rig.engine.unsubscribe(["A"], [], rig.now)
    rig.send(delta("A", 2))
    assert (rig.said(), rig.order.quarantined) == ([], 0)


def test_a_key_may_be_called_like_a_line() -> None:
    """That connection ends; the counter of the key does not."""
    rig = Rig(NUMBERED)
    rig.live(0, 5)
    rig.reopen()
    rig.said()
    rig.send(delta(0, 8))
    assert rig.said() == ["gap 0 hole 5..8 told", "08"]


def test_a_key_that_was_never_seen_can_be_left_and_come_back() -> None:
    """There is no counter yet."""
    rig = Rig(NUMBERED)
    rig.open()
    rig.said()
    rig.engine.unsubscribe(["A"], [], rig.now)
    rig.engine.subscribe(["A"], [], rig.now)
    rig.send(delta("A", 3))
    assert rig.said() == ["A3"]


def test_a_literal_is_read_before_the_decoder() -> None:
    """In a text frame; it has no key. The same bytes in a binary one, and any others, go through the decoder."""
    data_like = b'{"k":"A","n":6}'
    rig = Rig(change(NUMBERED, literals={b"pong": Kind.PONG, data_like: Kind.HEARTBEAT}))
    assert rig.order.read(b"pong", True, rig.now) == Item("pong", Kind.PONG, None, False, b"pong", 4)
    assert rig.order.read(data_like, True, rig.now) == Item(data_like.decode(), Kind.HEARTBEAT, None, False, data_like, 15)
    assert rig.order.read(data_like, False, rig.now) == Item(delta("A", 6), Kind.DATA, "A", True, data_like, 15)
    assert rig.order.quarantined == 0
    assert rig.order.read(b"pong", False, rig.now) is None
    assert rig.order.read(b"PONG", True, rig.now) is None
    assert rig.order.quarantined == 2


def test_what_a_frame_was_taken_apart_to_is_read() -> None:
    """A part as it is, with its size; one that could not be read is set aside, and so is one without its number."""
    rig = Rig(change(NUMBERED, split=list))
    part = Part(delta("A", 5), 7)
    assert rig.order.read(part, True, rig.now) == Item(delta("A", 5), Kind.DATA, "A", True, part, 7)
    assert rig.order.read(Unreadable(b"raw", "why"), True, rig.now) is None
    assert rig.order.read(Part({"k": []}, 7), True, rig.now) is None
    rig.gather()
    assert [(item.raw, item.reason) for item in rig.items] == [
        (b"raw", "why"),
        (b"{'k': []}", "TypeError: unhashable type: 'list'"),
    ]
    assert "why" not in rig.order.unusable_why


# ---------------------------------------------------------------- frames that are taken apart


def same_bytes(payload: bytes) -> bytes:
    return payload


def elements_of(message: Any) -> Any:
    return message


@pytest.mark.parametrize(
    "fields", [{"transform": same_bytes}, {"split": elements_of}, {"transform": same_bytes, "split": elements_of}]
)
def test_frames_are_taken_apart_as_the_rules_say(fields: dict[str, Any]) -> None:
    """A transform or a split is enough, and all that the rules say of them is handed on."""
    literals = {b"pong": Kind.PONG}
    rules = change(NUMBERED, literals=literals, split_path=("a",), max_message_size=1000, **fields)
    parts = Rig(rules).order.parts
    assert parts is not None
    assert (parts.decode, parts.literals, parts.path, parts.limit) == (rules.decode, frozenset({b"pong"}), ("a",), 1000)
    assert (parts.transform, parts.split) == (fields.get("transform"), fields.get("split"))


def test_a_frame_is_a_message_where_nothing_takes_it_apart() -> None:
    """It comes to the long way as it is."""
    assert Rig(NUMBERED).order.parts is None
