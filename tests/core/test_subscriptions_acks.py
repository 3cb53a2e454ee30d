"""`core/subscriptions.py`: every way to acknowledge."""

from __future__ import annotations

from typing import Any

import pytest

from syncstream.core.subscriptions import Acks
from syncstream.errors import FeedError

from .topics import NOW, ask, leave, made, states, tick


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"by": "name"}, "by='name': expected 'id', 'key', 'count' or 'cumulative'"),
        ({"by": "count", "each": "symbol"}, "each='symbol': expected 'request' or 'topic'"),
        ({"by": "id", "each": "topic"}, "each='topic': says how answers are counted; it goes with by='count'"),
        (
            {"by": "id", "unsubscribes": False},
            "unsubscribes=False: False says that they are not counted; it goes with by='count'",
        ),
        (
            {"by": "count", "unsubscribes": 2},
            "unsubscribes=2: False says that they are not counted; it goes with by='count'",
        ),
        ({"by": "id", "id": "a..b"}, "id='a..b': expected a field name, a dotted path, or a callable"),
        ({"by": "id", "sent": 5}, "sent=5: expected a field name, a dotted path, or a callable"),
        ({"by": "cumulative"}, "topics=None: say where a cumulative acknowledgement lists what is subscribed"),
        ({"by": "count", "within": 0}, "within=0: expected a number of seconds above zero"),
        ({"by": "count", "attempts": 0}, "attempts=0: expected a whole number above zero"),
    ],
)
def test_acks_that_cannot_be_are_refused(fields: dict[str, Any], said: str) -> None:
    """The field is named, and what it should have been."""
    with pytest.raises(FeedError) as caught:
        Acks(**fields)
    assert str(caught.value) == said


def test_what_need_not_be_said() -> None:
    """The id is called so, a request has one answer, an unsubscription too; ten seconds for it, and four attempts."""
    said = Acks(by="count", id="id", sent=None, topics=None, each="request", unsubscribes=True, within=10.0, attempts=4)
    assert Acks(by="count") == said


def test_where_something_stands_may_be_a_callable() -> None:
    """Of the message, or of the payload."""
    acks = Acks(by="id", id=len, sent=len, topics=len)
    assert (acks.id, acks.sent, acks.topics) == (len, len, len)


def test_by_id() -> None:
    """The message names the request; an id that is used again goes to the oldest."""
    it = made(Acks(by="id"))
    it.sent(ask("A", ident=1), NOW)
    it.sent(ask("B", ident=2), NOW)
    it.sent(ask("C", ident=1), NOW)
    assert it.acknowledged({"id": 2}, NOW) == ["B"]
    assert it.acknowledged({"id": 1}, NOW) == ["A"]
    assert it.acknowledged({"id": 1}, NOW) == ["C"]
    assert not it._idents  # what was answered is forgotten
    others: list[Any] = [{"id": 1}, {"id": 9}, {}, []]
    assert [it.acknowledged(message, NOW) for message in others] == [[], [], [], []]


def test_one_request_of_several_topics() -> None:
    """Its answer is about those that are left, and about those that nothing else is asked for."""
    it = made(Acks(by="id"))
    it.sent(ask("A", "B", ident=1), NOW)
    it.left(["A"])
    assert it.acknowledged({"id": 1}, NOW) == ["B"]
    it = made(Acks(by="id"))
    it.sent(ask("A", "B", ident=1), NOW)
    it.sent(ask("A", ident=2), NOW)
    assert it.acknowledged({"id": 1}, NOW) == ["B"]


def test_a_topic_of_two_requests_needs_both() -> None:
    """Its payloads are acknowledged one by one."""
    it = made(Acks(by="id"))
    it.sent(ask("A", ident=1), NOW)
    it.sent(ask("A", ident=2), NOW)
    assert it.acknowledged({"id": 1}, NOW) == []
    assert it.acknowledged({"id": 2}, NOW) == ["A"]
    assert it.status()["A"].asked == 1
    it = made(Acks(by="count"))
    it.sent(ask("A"), NOW)
    it.sent(ask("A"), NOW)
    assert [it.acknowledged({}, NOW) for _ in range(2)] == [[], ["A"]]


def test_what_names_a_topic_is_about_all_requests_for_it() -> None:
    """One answer is enough: it does not say which of them it answers."""
    it = made(Acks(by="key"))
    it.sent(ask("A"), NOW)
    it.sent(ask("A"), NOW)
    assert it.acknowledged({"k": "A"}, NOW) == ["A"]
    assert len(it._row) == 0  # nothing is counted


def test_by_key() -> None:
    """The message's own key, or what it names as topics: one, or several."""
    it = made(Acks(by="key"))
    it.sent(ask("A", "B"), NOW)
    assert (it.acknowledged({"k": "B"}, NOW), it.acknowledged({}, NOW)) == (["B"], [])
    it = made(Acks(by="key", topics="args"))
    it.sent(ask("A", "B", ("C", 1)), NOW)
    assert it.acknowledged({"args": ["A", "Z"]}, NOW) == ["A"]
    assert it.acknowledged({"args": ("C", 1)}, NOW) == [("C", 1)]
    assert it.acknowledged({"args": ("B", "A")}, NOW) == ["B"]
    assert it.acknowledged({"args": "Z"}, NOW) == []
    it = made(Acks(by="key", topics="args"))
    it.sent(ask("A"), NOW)
    assert it.acknowledged({"args": "AB"}, NOW) == []  # a topic, not the letters of one
    it = made(Acks(by="key"), key_of=None, keyed=None)
    it.sent(ask("A", "B"), NOW)
    assert it.acknowledged({}, NOW) == ["A", "B"]  # without a key in the feed it is about everything


def test_by_count() -> None:
    """In the order of the requests, one for each of them or one for each topic."""
    it = made(Acks(by="count"))
    it.sent(ask("A", "B"), NOW)
    it.sent(ask("C"), NOW)
    assert [it.acknowledged({}, NOW) for _ in range(3)] == [["A", "B"], ["C"], []]
    it = made(Acks(by="count", each="topic"))
    it.sent(ask("A", "B"), NOW)
    assert [it.acknowledged({}, NOW) for _ in range(2)] == [["A"], ["B"]]


def test_by_count_what_leaves_a_topic_is_answered_too() -> None:
    """In its place in the row, once or once for each topic; its answer, good or bad, says nothing of what waits."""
    it = made(Acks(by="count"))
    it.sent(leave("X", "Y"), NOW)
    it.sent(ask("A"), NOW)
    assert [it.acknowledged({}, NOW) for _ in range(2)] == [[], ["A"]]
    it = made(Acks(by="count", each="topic"))
    it.sent(leave("X", "Y"), NOW)
    it.sent(ask("A"), NOW)
    assert [it.acknowledged({}, NOW) for _ in range(3)] == [[], [], ["A"]]
    it = made(Acks(by="count"))
    it.sent(leave("X"), NOW)
    it.sent(ask("A"), NOW)
    assert (it.refused({"error": "not subscribed"}), it.acknowledged({}, NOW)) == ([], ["A"])


def test_by_count_what_was_left_and_is_asked_for_again() -> None:
    """The first answer is that of the first request."""
    it = made(Acks(by="count"))
    it.sent(ask("A"), NOW)
    it.left(["A"])
    it.sent(ask("A"), NOW)
    assert [it.acknowledged({}, NOW) for _ in range(2)] == [[], ["A"]]


def test_by_count_a_request_that_was_given_up_leaves_the_row() -> None:
    """The next answer is then for the next one."""
    it = made(Acks(by="count", within=10.0))
    it.sent(ask("A"), NOW)
    it.sent(ask("B"), NOW + 5.0)
    tick(it, NOW + 10.0)
    assert it.acknowledged({}, NOW + 11.0) == ["B"]


def test_where_nothing_is_counted_what_leaves_a_topic_is_nothing() -> None:
    """No answers are declared, or they say themselves what they are about."""
    for acks in (None, Acks(by="id")):
        it = made(acks)
        it.sent(leave("X"), NOW)
        assert (it.status(), it.acknowledged({}, NOW), len(it._row)) == ({}, [], 0)


def test_a_venue_that_does_not_answer_what_leaves_a_topic() -> None:
    """The feed says so; where it does not, one request too many is made, and all is well again."""
    it = made(Acks(by="count", unsubscribes=False))
    it.sent(leave("X"), NOW)
    it.sent(ask("A"), NOW)
    assert it.acknowledged({}, NOW) == ["A"]
    it = made(Acks(by="count", within=10.0))
    it.sent(leave("X"), NOW)
    it.sent(ask("A"), NOW)
    assert it.acknowledged({}, NOW) == []
    tick(it, NOW + 10.0)
    assert tick(it, NOW + 10.5) == ([], ["A"])
    it.sent(ask("A"), NOW + 10.6)
    assert it.acknowledged({}, NOW + 11.0) == ["A"]


def test_cumulative() -> None:
    """Each answer lists everything; what was on the list once and is not now is missing again."""
    it = made(Acks(by="cumulative", topics="all", within=10.0))
    it.sent(ask("A", "B", "C"), NOW)
    assert it.acknowledged({"all": ["A"]}, NOW) == ["A"]
    assert it.acknowledged({"all": ["A", "B", "Z"]}, NOW) == ["B"]
    it.came("B")
    assert it.acknowledged({"all": ["A", "C"]}, NOW + 1.0) == ["C"]
    assert states(it) == {"A": "acknowledged", "B": "sent", "C": "acknowledged"}
    assert [missed.topic for missed in tick(it, NOW + 11.0)[0]] == ["B"]
    assert it.came("B") == ["B"]


def test_what_is_asked_for_again_is_not_missing_once_more() -> None:
    """A cumulative answer without it is that to an older request: it changes no deadline."""
    it = made(Acks(by="cumulative", topics="all", within=10.0))
    it.sent(ask("A"), NOW)
    it.acknowledged({"all": ["A"]}, NOW)
    it.sent(ask("A"), NOW + 1.0)
    assert (it.acknowledged({"all": []}, NOW + 5.0), it.deadline()) == ([], NOW + 11.0)
    assert it.acknowledged({"all": ["A"]}, NOW + 6.0) == []  # it was told


def test_a_cumulative_answer_to_a_fixed_payload() -> None:
    """Whatever it lists."""
    it = made(Acks(by="cumulative", topics="all"))
    it.sent(ask(None), NOW)
    assert it.acknowledged({"all": ["A"]}, NOW) == [None]


def test_without_acks_nothing_is_acknowledged() -> None:
    """A message that was classified so for another reason."""
    it = made()
    it.sent(ask("A"), NOW)
    assert (it.acknowledged({"k": "A"}, NOW), states(it)) == ([], {"A": "sent"})
