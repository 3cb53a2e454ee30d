"""`core/order.py`: keys that the venue names for one connection, and messages that come before it has."""

from __future__ import annotations

from typing import Any, Hashable, Optional

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncstream.core.aliases import Named
from syncstream.core.frames import TEXT
from syncstream.core.received import Received
from syncstream.core.rules import Kind, Rules, Scope
from syncstream.core.sequence import Contiguous
from syncstream.events import Event, Gap, Quarantined, Snapshot

from .rig import HEALED, NUMBERED, PLAIN, Rig, change, classify, delta, words


def kind_of(message: Any) -> Optional[Kind]:
    return Kind.ACK if "chan" in message else classify(message)


def told_by(message: Any) -> Optional[tuple[Hashable, Hashable]]:
    return (message["chan"], message["key"]) if "key" in message else None


def ack(chan: Any, key: Any) -> dict[str, Any]:
    return {"chan": chan, "key": key}


def aliased(rules: Rules, **fields: Any) -> Rules:
    return change(rules, classify=kind_of, alias=told_by, key_text="'k'", **fields)


OWN = aliased(NUMBERED)
ONE = aliased(NUMBERED, scope=Scope.CONNECTION)


def said(rig: Rig) -> list[str]:
    """In words; what is delivered as `key=message`."""
    rig.gather()
    items, rig.items = rig.items, []
    return [f"{item.key}={words(item.message)}" if isinstance(item, Named) else words(item) for item in items]


@pytest.mark.parametrize("rules", [OWN, ONE, aliased(PLAIN)])
def test_a_message_has_the_key_its_id_stands_for(rules: Rules) -> None:
    """It is delivered with it, the fast way and the long way; `latest` and the keys are of that name."""
    rig = Rig(rules)
    rig.open()
    said(rig)
    rig.send({"chan": 0}, ack(7, "A"), delta(7, 5), delta(7, 6), delta(7, 7))
    assert said(rig) == ["A=75", "A=76", "A=77"]
    came = Received.of((TEXT, msgspec.json.encode(message)) for message in (delta(7, 8), delta(9, 9)))
    assert rig.order.scan(came, 0) == 1
    assert said(rig) == ["A=78"]
    assert rig.keys.latest == {"A": Named("A", delta(7, 8))}
    assert list(rig.keys.syncs) == ["A"]


def test_an_in_band_snapshot_is_its_keys() -> None:
    """The marker names the key; its state is the message as it came."""
    rig = Rig(OWN)
    rig.open()
    rig.send(ack(7, "A"), {"k": 7, "t": "snap", "n": 5}, delta(7, 6))
    snapshot = rig.items[1]
    assert isinstance(snapshot, Snapshot)
    assert (snapshot.key, snapshot.position, snapshot.state) == ("A", 5, {"k": 7, "t": "snap", "n": 5})
    assert said(rig)[1:] == ["snapshot A at 5", "A=76"]


def test_a_message_whose_id_nobody_has_told_is_set_aside() -> None:
    """It is told, with the reason; when its id becomes known its key is in doubt, once."""
    rig = Rig(OWN)
    rig.open()
    said(rig)
    rig.send(delta(7, 5), delta(7, 6), {"k": 7, "t": "snap", "n": 6}, {"k": 8, "t": "beat"}, {"n": 1})
    told = rig.items[0]
    assert isinstance(told, Quarantined)
    assert told.reason == "alias: nothing has told yet which key 7 is on this connection"
    assert said(rig) == ["quarantined"] * 3
    assert (rig.order.quarantined, rig.order.keyless, rig.order.used) == (3, 1, 0)
    rig.send(ack(7, "A"), delta(7, 7), ack(7, "A"), delta(7, 8))
    assert said(rig) == ["gap A unnamed None..None told", "A=77", "A=78"]


def test_what_was_set_aside_is_healed_where_there_is_a_source() -> None:
    """As any doubt is, from where the key stood."""
    rig = Rig(aliased(HEALED))
    rig.open()
    rig.send(ack(7, "A"), delta(7, 5))
    rig.answer("A", 5)
    rig.send(delta(7, 6), ack(7, "B"))
    rig.reopen()
    said(rig)
    rig.asked()
    rig.send(delta(3, 7))
    rig.send(ack(3, "A"))
    assert said(rig) == ["quarantined", "gap A unnamed 6..None healing"]
    assert rig.asked() == ["A"]
    rig.answer("A", 7)
    rig.send(delta(3, 8))
    assert said(rig) == ["snapshot A at 7", "resynced A at 7 +0", "A=38"]


def test_a_counter_of_the_connection_counts_what_is_set_aside() -> None:
    """So that nothing else looks as if it were missing."""
    rig = Rig(ONE)
    rig.open()
    said(rig)
    rig.send(ack(7, "A"), delta(7, 5), delta(8, 6), delta(7, 7))
    assert said(rig) == ["A=75", "quarantined", "A=77"]


@pytest.mark.parametrize("rules", [OWN, ONE])
def test_each_connection_begins_with_no_names(rules: Rules) -> None:
    """The same id may be another key there, or nobody's."""
    rig = Rig(rules)
    rig.open()
    rig.send(ack(7, "A"), ack(8, "B"), delta(7, 5), delta(8, 6))
    rig.reopen()
    said(rig)
    rig.send(ack(7, "B"), delta(7, 7), delta(8, 8))
    assert [text for text in said(rig) if "=" in text or text == "quarantined"] == ["B=77", "quarantined"]
    assert list(rig.order.aliases[0].keys) == [7]


def test_each_line_has_names_of_its_own() -> None:
    """Of two lines that carry the same, by other ids."""
    rig = Rig(OWN, lines=2)
    rig.start()
    rig.open(0)
    rig.open(1)
    said(rig)
    rig.send(ack(7, "A"), delta(7, 5), line=0)
    rig.send(ack(9, "A"), delta(9, 6), delta(7, 7), line=1)
    assert said(rig) == ["A=75", "A=96", "quarantined"]


def test_a_mistake_in_alias_is_that_messages_trouble() -> None:
    """It is told; the line goes on."""
    rig = Rig(OWN)
    rig.open()
    said(rig)
    rig.send(ack([], "A"))
    told = rig.items[0]
    assert isinstance(told, Quarantined)
    assert told.reason == "alias: TypeError: unhashable type: 'list'"


@pytest.mark.parametrize(("sent", "field"), [([ack(1, "A"), ack(2, "A")], "alias"), ([delta(1, 1), delta(2, 1)], "key='k'")])
def test_too_many_ids_end_the_stream(sent: list[Any], field: str) -> None:
    """An id for each message would fill the memory, whether it is told or not."""
    rig = Rig(change(OWN, max_keys=1))
    rig.open()
    rig.send(*sent)
    assert str(rig.failure()).startswith(f"{field}: more than max_keys=1 different values")


def test_a_key_that_is_not_wanted_is_not_in_doubt() -> None:
    """What came of it before it was named is nobody's loss."""
    rig = Rig(OWN, topics=["A"])
    rig.open()
    rig.send(ack(1, "A"), delta(1, 5))
    rig.engine.unsubscribe(["A"], (), rig.now)
    said(rig)
    rig.send(delta(2, 1), ack(2, "A"))
    assert said(rig) == ["quarantined"]


def test_ten_ids_without_a_name_say_what_is_wrong() -> None:
    """By the first-data deadline, where nothing could be used."""
    rig = Rig(OWN)
    rig.open()
    rig.send(*(delta(7, number) for number in range(10)))
    rig.wait(31.0)
    assert str(rig.failure()) == "alias: nothing has told yet which key 7 is on this connection (10 messages)"


def test_where_the_key_stands_is_read_from_the_message_itself() -> None:
    """The positions that a snapshot joins are in what came, not in what is delivered."""
    version = {"splice": Contiguous("v"), "splice_first": lambda m: m["v"], "splice_last": lambda m: m["v"]}
    rig = Rig(aliased(HEALED, scope=Scope.CONNECTION, **version))
    rig.open()
    rig.send(ack(7, "A"), delta(7, 5, v=3))
    rig.answer("A", 3)
    rig.send(delta(7, 6, v=4))
    said(rig)
    rig.send(delta(7, 8, v=6))
    assert said(rig) == ["gap A hole 6..8 healing"]
    assert rig.keys.syncs["A"].delivered == 4


@pytest.mark.parametrize("rules", [NUMBERED, HEALED, PLAIN, change(NUMBERED, scope=Scope.CONNECTION)])
@given(steps=st.lists(st.tuples(st.sampled_from("AB"), st.integers(-1, 3)), max_size=30), cut=st.integers(0, 30))
def test_names_change_nothing_else(rules: Rules, steps: list[tuple[str, int]], cut: int) -> None:
    """For any messages and a cut among them: what comes out of ids is what comes out of keys."""
    rules = change(rules, classify=kind_of)
    plain, named = Rig(rules), Rig(aliased(rules))
    ids = {"A": 1, "B": 2}
    at = 10
    for rig in (plain, named):
        rig.open()
        rig.send(*(ack(ids[key], key) for key in ids))
    for index, (key, step) in enumerate(steps):
        at += step
        if index == cut:
            ids = {"A": 2, "B": 3}
            for rig in (plain, named):
                rig.reopen()
                rig.send(*(ack(ids[one], one) for one in ids))
        plain.send(delta(key, at))
        named.send(delta(ids[key], at))
        for rig in (plain, named):
            if step == 3 and key in rig.fetches:
                rig.answer(key, at)
    came = [item.message["n"] if isinstance(item, Named) else item for item in named.items]
    assert came == [item if isinstance(item, Event) else item["n"] for item in plain.items]
    assert [item.key for item in named.items] == [item.key if isinstance(item, Event) else item["k"] for item in plain.items]
    assert not [item for item in named.items if isinstance(item, Gap) and item.reason == "unnamed"]


@pytest.mark.parametrize("cut", [0, 1, 2])
def test_a_new_connection_forgets_the_names_of_its_own_line_only(cut: int) -> None:
    """The other lines go on with theirs."""
    rig = Rig(OWN, lines=3)
    rig.start()
    for line in range(3):
        rig.open(line)
        rig.send(ack(7, "A"), line=line)
    rig.order.begun(cut)
    assert [aliases.keys for aliases in rig.order.aliases] == [{} if line == cut else {7: "A"} for line in range(3)]


def test_a_mark_with_an_id_is_one_of_its_key() -> None:
    """A hole before it is seen with it; one of an id that nobody has told says nothing, and keeps no counter."""
    rig = Rig(change(OWN, idle=lambda message: message.get("t") == "beat"))
    rig.open()
    said(rig)
    rig.send(ack(7, "A"), delta(7, 1), delta(7, 2), delta(7, 3, t="beat"), delta(9, 3, t="beat"))
    assert said(rig) == ["A=71", "A=72", "gap A hole 2..4 told"]
    assert list(rig.order.counters) == ["A"]
