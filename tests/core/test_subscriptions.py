"""`core/subscriptions.py`: how topics are asked for, what data says of them, and what is left or asked for anew."""

from __future__ import annotations

import re
from typing import Any, Hashable, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncstream.core import subscriptions as module
from syncstream.core.actions import Payload
from syncstream.core.frames import TEXT
from syncstream.core.subscriptions import Acks, Batch, State, Subscriptions
from syncstream.errors import FeedError

from .topics import NOW, ask, made, states, tick


@pytest.mark.parametrize(
    ("batch", "expected"),
    [
        (Batch(), [["A", "BB", "CCC", "D"]]),
        (Batch(topics=2), [["A", "BB"], ["CCC", "D"]]),
        (Batch(characters=4), [["A", "BB"], ["CCC"], ["D"]]),
        (Batch(characters=5), [["A", "BB"], ["CCC", "D"]]),
        (Batch(characters=1), [["A"], ["BB"], ["CCC"], ["D"]]),
        (Batch(topics=1, characters=100), [["A"], ["BB"], ["CCC"], ["D"]]),
        (Batch(characters=8, each=3), [["A", "BB"], ["CCC"], ["D"]]),
        (Batch(characters=9, each=3), [["A", "BB"], ["CCC", "D"]]),
    ],
)
def test_a_batch_is_as_long_as_it_may_be(batch: Batch, expected: list[list[str]]) -> None:
    """By count and by characters, what comes with each topic counted; one that is too long goes alone."""
    assert batch.split(["A", "BB", "CCC", "D"]) == expected
    assert batch.split([]) == []


@given(
    topics=st.lists(st.text(max_size=9)),
    most=st.none() | st.integers(1, 5),
    characters=st.none() | st.integers(1, 20),
    prefix=st.text(max_size=3),
)
def test_batches_are_the_topics_in_their_order(
    topics: list[str], most: Optional[int], characters: Optional[int], prefix: str
) -> None:
    """None is lost, none is empty, none is longer than it may be with what is put before each topic."""
    each = 1 if characters is None else len(prefix) + 1
    batches = Batch(topics=most, characters=characters, each=each).split(topics)
    assert [topic for batch in batches for topic in batch] == topics
    assert all(batches)
    assert most is None or all(len(batch) <= most for batch in batches)
    said = [",".join(prefix + topic for topic in batch) for batch in batches]
    assert characters is None or all(len(batch) == 1 or len(text) <= characters for batch, text in zip(batches, said))


@pytest.mark.parametrize(
    "fields", [{"topics": 0}, {"topics": True}, {"characters": 1.5}, {"each": 0, "characters": 9}, {"each": 2, "topics": 5}]
)
def test_a_batch_is_a_whole_number(fields: dict[str, Any]) -> None:
    """The field is named; `each` says nothing without `characters`."""
    with pytest.raises(FeedError, match=f"^{next(iter(fields))}=.*(above zero|goes with characters=)$"):
        Batch(**fields)


def test_data_makes_a_topic_live() -> None:
    """Without acknowledgements too; it is told once, and the key's next data is asked for."""
    watched: list[Hashable] = []
    it = made(watch=watched.append)
    it.sent(ask("A", "B"), NOW)
    assert (states(it), watched, it.deadline()) == ({"A": "sent", "B": "sent"}, ["A", "B"], None)
    assert (it.came("A"), it.came("A"), it.came("Z")) == (["A"], [], [])
    assert (states(it), it.pending) == ({"A": "live", "B": "sent"}, {"B": ["B"]})


def test_topics_of_one_key_come_together() -> None:
    """Nobody can tell them apart; where the feed has no keys any data is everybody's."""
    it = made(keyed=lambda topic: topic.split(".")[1])
    it.sent(ask("trades.A", "book.A"), NOW)
    assert it.came("A") == ["trades.A", "book.A"]
    it = made(keyed=None)
    it.sent(ask("A", "B"), NOW)
    assert it.came(None) == ["A", "B"]


def test_a_fixed_payload_is_one_topic() -> None:
    """Any data is its own."""
    it = made(Acks(by="count"), keyed=str.upper, wanted=set())
    it.sent(ask(None), NOW)
    assert it.came("A") == [None]
    assert states(it) == {None: "live"}


def test_data_after_the_acknowledgement() -> None:
    """What was told is told no more."""
    it = made(Acks(by="key"))
    it.sent(ask("A"), NOW)
    assert (it.acknowledged({"k": "A"}, NOW), it.came("A")) == (["A"], [])


def test_what_is_live_does_not_keep_others_from_being_asked_for() -> None:
    """One payload may be for both."""
    it = made()
    it.sent(ask("A"), NOW)
    it.came("A")
    it.sent(ask("A", "B"), NOW)
    assert states(it) == {"A": "live", "B": "sent"}


def test_data_before_the_acknowledgement() -> None:
    """The topic is live; the acknowledgement that follows changes nothing and is told no more."""
    it = made(Acks(by="key"))
    it.sent(ask("A"), NOW)
    assert it.came("A") == ["A"]
    assert it.acknowledged({"k": "A"}, NOW) == []
    assert (states(it), tick(it, NOW + 100)) == ({"A": "live"}, ([], []))


def test_a_request_without_topics_is_not_followed() -> None:
    """An unsubscription, a keepalive."""
    it = made(Acks(by="count"))
    it.sent(Payload(TEXT, b"x"), NOW)
    assert (it.status(), it.deadline(), it.acknowledged({}, NOW)) == ({}, None, [])


def test_what_is_not_wanted_any_more_is_not_followed() -> None:
    """It was left between the dial and the opening."""
    it = made(wanted={"A"})
    it.sent(ask("B", "A"), NOW)
    assert states(it) == {"A": "sent"}


def test_what_was_left_is_forgotten() -> None:
    """Its deadline, its answer and its data are nobody's."""
    it = made(Acks(by="count", within=10.0))
    it.sent(ask("A", "B"), NOW)
    it.left(["A", "unknown"])
    assert (it.pending, it.acknowledged({}, NOW), it.came("A")) == ({"B": ["B"]}, ["B"], [])
    it.left(["B"])
    assert (it.status(), it.deadline(), it.pending) == ({}, None, {})


def test_an_answer_for_what_was_left() -> None:
    """It says nothing any more, good or bad."""
    it = made(Acks(by="id"))
    for ident in (1, 2):
        it.sent(ask("A", ident=ident), NOW)
    it.left(["A"])
    assert (it.acknowledged({"id": 1}, NOW), it.refused({"id": 2})) == ([], [])


def test_two_topics_of_a_key_and_one_is_left() -> None:
    """The other waits on."""
    it = made(keyed=lambda topic: "A")
    it.sent(ask("x", "y"), NOW)
    it.left(["x"])
    assert it.came("A") == ["y"]
    it.sent(ask("z"), NOW)
    it.left(["y"])
    assert (states(it), it.pending) == ({"z": "sent"}, {"A": ["z"]})


def test_what_was_asked_for_twice_is_left_once() -> None:
    """Its data is nobody's then."""
    it = made()
    it.sent(ask("A"), NOW)
    it.sent(ask("A"), NOW)
    it.left(["A"])
    assert (it.pending, it.came("A")) == ({}, [])


def test_asked_anew_it_begins_from_the_start() -> None:
    """The venue has forgotten it; the attempts of before do not count."""
    it = made(Acks(by="key", attempts=1))
    it.sent(ask("A"), NOW)
    it.acknowledged({"k": "A"}, NOW)
    it.came("A")
    it.anew(["A", "unknown"])
    assert states(it) == {"A": "sent"}
    it.sent(ask("A"), NOW + 1.0)
    assert it.acknowledged({"k": "A"}, NOW + 1.0) == ["A"]
    it = made(Acks(by="count"))
    it.sent(ask("A"), NOW)
    it.refused({})
    it.sent(ask("A"), NOW)
    it.anew(["A"])
    assert (it.status()["A"].reason, it.pending) == ("", {})
    it.sent(ask("A"), NOW + 1.0)
    assert [it.acknowledged({}, NOW + 1.0) for _ in range(2)] == [[], ["A"]]  # the first answer is to what was asked before


ACKS = Acks(by="key", within=10.0, attempts=2)


def in_state(state: str) -> Subscriptions:
    """Topic A is there, and has been asked for once."""
    it = made(ACKS, data_limit=10.0)
    it.sent(ask("A"), NOW)
    if state == "ACKNOWLEDGED":
        it.acknowledged({"k": "A"}, NOW)
    elif state == "REFUSED":
        it.refused({"k": "A"})
    elif state == "LIVE":
        it.came("A")
    assert states(it) == {"A": State[state].value}
    return it


def test_the_table_of_moves() -> None:
    """Each cell of it: where it leads, and that what has no deadline is not overdue."""
    assert module.__doc__ is not None
    _, *rows = module.__doc__.partition("Table of moves\n")[2].rstrip().splitlines()
    assert len(rows) == len(State)
    for row in rows:
        state, sent, acknowledged, refused, overdue, came = re.split(r" {2,}", row.strip())
        it = in_state(state)
        it.sent(ask("A"), NOW)
        assert states(it) == {"A": State[sent].value}
        it = in_state(state)
        it.acknowledged({"k": "A"}, NOW)
        assert states(it) == {"A": State[acknowledged if acknowledged != "-" else state].value}
        it = in_state(state)
        it.refused({"k": "A"})
        assert states(it) == {"A": State[refused].value}
        it = in_state(state)
        assert it.deadline() == (None if overdue == "-" else NOW + 10.0)
        if overdue == "asked again, then REFUSED":
            tick(it, NOW + 10.0)
            assert tick(it, NOW + 20.0) == ([], ["A"])
            it.sent(ask("A"), NOW + 20.0)
            tick(it, NOW + 30.0)
            assert states(it) == {"A": "refused"}
        it = in_state(state)
        it.came("A")
        assert states(it) == {"A": State[came].value}


MOVES = st.lists(
    st.tuples(st.sampled_from(["sent", "ack", "error", "came", "left", "anew", "wait"]), st.sampled_from("ABC")), max_size=60
)


@given(moves=MOVES, by=st.sampled_from(["id", "key", "count", "cumulative"]), limit=st.none() | st.just(3.0))
def test_whatever_happens(moves: list[tuple[str, str]], by: str, limit: Optional[float]) -> None:
    """Nothing is due in the past, and what is live is not pending, needs nothing and has no reason."""
    acks = Acks(by=by, topics=None if by in ("id", "count", "key") else "all", within=2.0, attempts=3)
    it = made(acks, data_limit=limit)
    now = NOW
    for move, name in moves:
        if move == "sent":
            it.sent(ask(name, ident=name), now)
        elif move == "ack":
            it.acknowledged({"id": name, "k": name, "all": [name]}, now)
        elif move == "error":
            it.refused({"id": name, "k": name})
        elif move == "came":
            it.came(name)
        elif move == "left":
            it.left([name])
        elif move == "anew":
            it.anew([name])
        else:
            now += 1.0
        _, again = tick(it, now)
        for topic in again:
            it.sent(ask(topic, ident=topic), now)
        deadline = it.deadline()
        assert deadline is None or deadline > now or deadline == pytest.approx(now)
        for topic, status in it.status().items():
            assert status.state != "live" or topic not in it.pending
            assert status.state != "live" or status.reason == ""


def test_what_is_refused_is_known_until_it_comes_after_all() -> None:
    """Of a topic nobody knows of, too."""
    it = made(Acks(by="key"))
    it.sent(ask("A"), NOW)
    assert (it.refuses("A"), it.refuses("B")) == (False, False)
    it.refused({"k": "A"})
    assert it.refuses("A")
    it.came("A")
    assert not it.refuses("A")
