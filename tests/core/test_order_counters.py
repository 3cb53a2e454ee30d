"""`core/order.py`: counters of many keys, and the reorder window."""

from __future__ import annotations

from typing import Any, Optional

import pytest

from syncstream import Chained, Contiguous
from syncstream.core.order import Item
from syncstream.core.rules import Kind, Rules

from .rig import (
    BY_CHANNEL,
    BY_CONNECTION,
    HEALED,
    LINKED,
    NUMBERED,
    Rig,
    change,
    classify,
    delta,
    run_of,
    text,
)


def gaps(words: list[str]) -> list[str]:
    return [word for word in words if word.startswith("gap")]


# ---------------------------------------------------------------- counters of many keys


@pytest.mark.parametrize("rules", [BY_CONNECTION, BY_CHANNEL])
def test_a_hole_puts_every_key_on_the_counter_in_doubt(rules: Rules) -> None:
    """Each is healed by itself, in its own numbering."""
    rig = Rig(rules)
    rig.live("A", 1)
    rig.send(delta("B", 2, v=40, c="c"))
    rig.answer("B", 40)
    rig.said()
    rig.send(delta("A", 4, v=3, c="c"))
    assert (rig.said(), rig.asked()) == (["gap A hole 2..4 healing", "gap B hole 2..4 healing"], ["B", "A", "B"])
    rig.answer("A", 2)
    rig.answer("B", 40)
    assert rig.said() == ["snapshot A at 2", "A3", "resynced A at 3 +1", "snapshot B at 40", "resynced B at 40 +0"]


def test_a_hole_is_not_about_keys_that_were_left() -> None:
    """Nobody wants to hear of them."""
    rig = Rig(BY_CHANNEL)
    rig.live("A", 1)
    rig.send(delta("B", 2, v=1, c="c"))
    rig.engine.unsubscribe(["A"], [], rig.now)
    rig.said()
    rig.send(delta("B", 4, v=2, c="c"))
    assert rig.said() == ["gap B hole 2..4 healing"]


def test_a_hole_on_another_counter_is_no_doubt() -> None:
    """Channels count by themselves."""
    rig = Rig(change(BY_CHANNEL, source=False, splice=None))
    rig.open()
    rig.send(delta("A", 1, v=1, c="x"), delta("B", 1, v=1, c="y"))
    rig.said()
    rig.send(delta("A", 3, v=3, c="x"))
    assert rig.said() == ["gap A hole 1..3 told", "A3"]


def test_everything_with_a_number_counts_on_a_connection() -> None:
    """Heartbeats, acknowledgements, keys that are not wanted; what has none does not."""
    rig = Rig(change(BY_CONNECTION, classify=classify, source=False, splice=None))
    rig.live("A", 1)
    rig.engine.unsubscribe(["B"], [], rig.now)
    rig.send({"t": "beat", "n": 2}, {"n": 3}, delta("B", 4, v=1), {"t": "beat"}, {"ack": 1}, delta("A", 5, v=2))
    assert rig.said() == ["A2"]
    rig.send({"t": "beat", "n": 8}, delta("A", 9, v=3))
    assert rig.said() == ["gap A hole 5..8 told", "A3"]


def test_a_connection_begins_to_count_anew() -> None:
    """A lower number on the next one is no restart and no duplicate."""
    rig = Rig(BY_CONNECTION)
    rig.live("A", 500)
    rig.reopen()
    rig.said()
    rig.send(delta("A", 1, v=501))
    assert rig.said() == ["resynced A at 501 +0", "A501"]


@pytest.mark.parametrize(
    ("version", "said"), [(500, []), (501, ["resynced A at 501 +0", "A501"]), (502, ["gap A hole 500..502 healing"])]
)
def test_what_the_first_message_of_a_key_proves_on_a_new_connection(version: int, said: list[str]) -> None:
    """Its own number has to go on from where the key stood."""
    rig = Rig(BY_CONNECTION)
    rig.live("A", 499)
    rig.send(delta("A", 500, v=500))
    rig.reopen()
    rig.said()
    rig.send(delta("A", 1, v=version))
    assert rig.said() == said


@pytest.mark.parametrize("proof", ["verified", "never seen on it"])
def test_a_hole_on_a_new_connection_is_about_keys_of_the_old_one_too(proof: str) -> None:
    """What is missing may be theirs, though they have not shown up on this connection yet."""
    rig = Rig(change(BY_CONNECTION, verify_after=1.0))
    rig.live("A", 5)
    rig.reopen()
    if proof == "verified":
        rig.wait(1.0)
        rig.answer("A", 5)
        assert rig.state("A") == "live"
    rig.send(delta("B", 1, v=1))
    rig.said()
    rig.send(delta("B", 3, v=2))
    assert gaps(rig.said()) == ["gap A hole 1..3 healing", "gap B hole 1..3 healing"]
    rig.send(delta("A", 4, v=7))
    rig.answer("A", 6)
    assert rig.said()[0] == "snapshot A at 6"


def test_a_first_number_says_what_is_missing_before_it() -> None:
    """If the venue says where a counter begins."""
    rule = Contiguous("n", start=1)
    rig = Rig(change(NUMBERED, rule=rule))
    rig.open()
    rig.said()
    rig.send(delta("A", 1), delta("B", 3))
    assert rig.said() == ["A1", "gap B hole None..3 told", "B3"]


@pytest.mark.parametrize(
    "rules", [BY_CHANNEL, change(BY_CHANNEL, splice=None, whole=True), change(BY_CHANNEL, splice=None, source=False)]
)
def test_a_shared_counter_that_goes_on_proves_all_its_keys(rules: Rules) -> None:
    """The silent ones too."""
    rig = Rig(rules)
    rig.live("A", 1)
    rig.send(delta("B", 2, v=40, c="c"))
    if rules.source:
        rig.answer("B", None if rules.whole else 40)
    rig.reopen()
    assert (rig.state("A"), rig.state("B")) == ("unproven", "unproven")
    rig.said()
    rig.engine.unsubscribe(["C"], [], rig.now)
    rig.send(delta("C", 3, v=1, c="c"))
    assert (rig.state("A"), rig.state("B"), len(rig.said())) == ("live", "live", 2)
    rig.wait(60.0)
    assert rig.asked()[2:] == []


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        (BY_CHANNEL, ["resynced A at 2 +0", "A2"]),  # it joins by its own number
        (change(BY_CHANNEL, splice=None, whole=True), ["gap A reconnect None..None healing"]),
        (change(BY_CHANNEL, splice=None, source=False), ["gap A reconnect 1..None told", "A2"]),
    ],
)
def test_a_new_shared_counter_proves_nothing(rules: Rules, said: list[str]) -> None:
    """Channels that are named anew with each connection do not go on from where the old one stood."""
    rig = Rig(rules)
    rig.live("A", 1)
    rig.reopen()
    rig.said()
    rig.send(delta("A", 1, v=2, c="another"))
    assert rig.said() == said


# ---------------------------------------------------------------- the reorder window


def test_a_late_message_within_the_window_is_put_in_order() -> None:
    """Nothing is told; while there is no hole nothing waits."""
    rig = Rig(change(NUMBERED, reorder=0.5))
    rig.live("A", 5)
    rig.send(delta("A", 6), delta("A", 9), delta("A", 8))
    rig.wait(0.4)
    assert rig.said() == ["A6"]
    rig.send(delta("A", 7))
    assert (rig.said(), rig.order.deadline()) == (["A7", "A8", "A9"], None)
    rig.send(delta("A", 10))
    assert rig.said() == ["A10"]


def test_after_the_window_it_is_a_hole() -> None:
    """And what waited follows, in order."""
    rig = Rig(change(NUMBERED, reorder=0.5))
    rig.live("A", 5)
    rig.send(delta("A", 9), delta("A", 8), delta("A", 9))
    rig.wait(0.5)
    assert rig.said() == ["gap A hole 5..8 told", "A8", "A9"]
    assert rig.order.duplicates == 1


def test_a_window_delays_no_other_counter() -> None:
    """Each has its own."""
    rig = Rig(change(NUMBERED, reorder=0.5))
    rig.live("A", 5)
    rig.live("B", 5)
    rig.send(delta("A", 7), delta("B", 6))
    assert rig.said() == ["B6"]


def test_a_hole_inside_the_window_waits_on() -> None:
    """Filling the first does not open the second."""
    rig = Rig(change(NUMBERED, reorder=0.5))
    rig.live("A", 5)
    rig.send(delta("A", 7), delta("A", 9), delta("A", 6))
    assert rig.said() == ["A6", "A7"]
    rig.wait(0.5)
    assert rig.said() == ["gap A hole 7..9 told", "A9"]


def test_the_window_is_bounded_by_what_may_be_held() -> None:
    """Too many early ones end it."""
    rig = Rig(change(NUMBERED, reorder=60.0, hold_limit=3))
    rig.live("A", 5)
    rig.send(*run_of("A", 7, 9))
    assert rig.said() == []
    rig.send(delta("A", 10))
    assert rig.said() == ["gap A hole 5..7 told", "A7", "A8", "A9", "A10"]


def test_all_windows_together_are_bounded() -> None:
    """Of many keys with a window each; whoever passes the bound pays, and what has gone on counts no more."""
    rig = Rig(change(NUMBERED, reorder=60.0, hold_limit=3))
    for key in "ABC":
        rig.live(key, 5)
    rig.send(*run_of("A", 7, 8), delta("A", 6), *run_of("A", 10, 11), delta("B", 7))
    assert rig.said() == ["A6", "A7", "A8"]
    rig.send(delta("C", 7))
    assert rig.said() == ["gap C hole 5..7 told", "C7"]
    rig.send(delta("A", 9), delta("B", 8), delta("B", 9))
    assert rig.said() == ["A9", "A10", "A11"]
    rig.send(delta("B", 10))
    assert rig.said() == ["gap B hole 5..7 told", "B7", "B8", "B9", "B10"]


def test_the_window_is_bounded_in_bytes_too() -> None:
    """With what is held for a snapshot, as the count is; what is no data has none."""
    size = len(text(delta("A", 7))) - 2
    rig = Rig(change(NUMBERED, reorder=60.0, hold_bytes=2 * size))
    rig.live("A", 5)
    rig.send(*run_of("A", 7, 8))
    assert rig.said() == []
    rig.send(delta("A", 9))
    assert rig.said() == ["gap A hole 5..7 told", "A7", "A8", "A9"]


@pytest.mark.parametrize("rules", [HEALED, BY_CONNECTION, BY_CHANNEL])
def test_a_window_is_over_with_the_last_line(rules: Rules) -> None:
    """What waited came before the loss: it must not prove anything after it."""
    rig = Rig(change(rules, reorder=60.0))
    rig.live("A", 5)
    rig.send(delta("A", 7, v=7, c="c"))
    assert rig.order.deadline() == 160.0
    rig.cut()
    assert (rig.order.deadline(), gaps(rig.said())[0]) == (None, "gap A hole 5..7 healing")
    assert rig.state("A") == "syncing"


def test_of_two_lines_only_the_lost_one_ends_its_window() -> None:
    """A counter of the connection ends with it; on another one the missing message may still come."""
    rig = Rig(change(BY_CONNECTION, reorder=60.0, source=False, splice=None), lines=2)
    rig.start()
    rig.open(0)
    rig.open(1)
    rig.send(delta("A", 1, v=1), line=0)
    rig.send(delta("B", 1, v=1), line=1)
    rig.send(delta("A", 3, v=3), line=0)
    rig.send(delta("B", 3, v=3), line=1)
    rig.said()
    rig.cut(0)
    assert rig.said() == ["disconnected 0: cut", "gap A hole 1..3 told", "gap B hole 1..3 told", "A3"]
    rig.send(delta("B", 2, v=2), line=1)
    assert rig.said() == ["B2", "B3"]


def test_what_waited_goes_on_before_the_line_is_lost() -> None:
    """A message that joins the snapshot behind a hole of the counter is delivered; then the key has to be proved."""
    rig = Rig(change(HEALED, reorder=60.0))
    rig.live("A", 5)
    rig.send(delta("B", 1))
    rig.answer("B", 4)
    rig.send(delta("B", 5))
    rig.said()
    rig.cut()
    assert rig.said() == ["disconnected 0: cut", "B5"]
    assert (rig.state("A"), rig.state("B")) == ("unproven", "unproven")


def test_a_window_is_over_with_the_stream() -> None:
    """Nothing is due after the end."""
    rig = Rig(change(NUMBERED, reorder=60.0))
    rig.live("A", 5)
    rig.send(delta("A", 7))
    rig.engine.close(rig.now)
    assert (rig.order.deadline(), rig.said()) == (None, ["closed"])


# ---------------------------------------------------------------- what is no message of its key


@pytest.mark.parametrize(("rules", "position"), [(BY_CHANNEL, 2), (BY_CONNECTION, 2), (HEALED, None)])
def test_what_only_counts_moves_the_counter_over_many_keys(rules: Rules, position: Optional[int]) -> None:
    """If it has a number there; one of its key says nothing."""
    rig = Rig(rules)
    rig.open()
    rig.send(delta("A", 1, v=1, c="c"))
    key: set[Any] = {"A"} if rules is HEALED else {"c", 0}
    for message in ({"k": "A", "n": 2, "c": "c"}, {"k": "A"}):
        rig.order.count(Item(message, Kind.SNAPSHOT, "A", True, b"", 0), 0, rig.now)
    standing = {name: counter.position for name, counter in rig.order.counters.items() if name in key}
    assert list(standing.values()) == [position or 1]


def test_a_first_number_of_a_connection_says_so_though_no_key_is_known() -> None:
    """Nobody knows of which key; where a source begins each key anyway, nothing is missing."""
    rules = change(BY_CONNECTION, rule=Contiguous("n", start=0), source=False, splice=None, splice_first=None, splice_last=None)
    rig = Rig(rules)
    rig.open()
    rig.said()
    rig.send(delta("A", 5), delta("A", 6))
    assert (rig.said(), rig.keys.unhealed) == (["gap None hole None..5 told", "A5", "A6"], 1)
    rig = Rig(change(BY_CONNECTION, rule=Contiguous("n", start=0)))
    rig.open()
    rig.said()
    rig.send(delta("A", 5, v=5))
    assert rig.said() == []


def test_a_shared_counter_that_begins_too_late_says_so_of_the_key_that_shows_it() -> None:
    """Others may be on it, but none was seen there."""
    rig = Rig(change(BY_CHANNEL, rule=Contiguous("n", start=0), source=False, splice=None, splice_first=None, splice_last=None))
    rig.open()
    rig.said()
    rig.send(delta("A", 0, c="x"), delta("B", 5, c="y"))
    assert rig.said() == ["A0", "gap B hole None..5 told", "B5"]


@pytest.mark.parametrize("rules", [NUMBERED, BY_CHANNEL], ids=["own", "shared"])
def test_a_counter_with_a_first_number_begins_anew_with_each_connection(rules: Rules) -> None:
    """What was missed in between cannot be seen, and is told; nothing of the new connection is taken for old."""
    bare = change(rules, rule=Contiguous("n", start=1), source=False, splice=None, splice_first=None, splice_last=None)
    rig = Rig(bare)
    rig.open()
    rig.said()
    rig.send(*(delta("A", number, c="c") for number in (1, 2)))
    rig.reopen()
    rig.send(*(delta("A", number, c="c") for number in (1, 2, 3)))
    assert [word for word in rig.said() if "connected" not in word] == [
        "A1",
        "A2",
        "gap None reconnect None..None told",
        *("A1", "A2", "A3"),
    ]
    rig.reopen()
    rig.send(delta("A", 2, c="c"))
    assert rig.said()[-2:] == ["gap A hole None..2 told", "A2"]


def test_with_two_lines_a_first_number_is_no_new_beginning() -> None:
    """The other one goes on counting."""
    rig = Rig(change(NUMBERED, rule=Contiguous("n", start=1)), lines=2)
    rig.open(0)
    rig.open(1)
    rig.send(delta("A", 1), delta("A", 2))
    rig.cut(1)
    rig.dials.pop(1)
    while 1 not in rig.dials:
        rig.step()
    rig.open(1)
    rig.send(delta("A", 2), delta("A", 3), line=1)
    assert rig.said()[-1] == "A3"


@pytest.mark.parametrize("number", [None, ["c"]])
@pytest.mark.parametrize(
    "rules", [LINKED, change(LINKED, scope=BY_CHANNEL.scope, counter=BY_CHANNEL.counter)], ids=["own", "shared"]
)
@pytest.mark.parametrize("ordered", [True, False])
def test_a_link_that_is_right_with_a_number_that_is_none(rules: Rules, ordered: bool, number: Any) -> None:
    """It is quarantined, and what follows shows that it is missing."""
    rule = Chained("p", "n", ordered=ordered)
    names = change(rules, rule=rule, source=False, splice=None, first=lambda m: m["p"], last=lambda m: m["n"])
    first, bad, after = (1, 50, 51) if ordered else ("a", "y", "z")
    rig = Rig(names)
    rig.open()
    rig.said()
    rig.send({"k": "A", "c": "c", "p": 0 if ordered else "0", "n": first}, {"k": "A", "c": "c", "p": first, "n": number})
    rig.send({"k": "A", "c": "c", "p": bad, "n": after})
    assert rig.said() == [f"A{first}", "quarantined", f"gap A hole {first}..{bad} told", f"A{after}"]
