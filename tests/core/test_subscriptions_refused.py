"""`core/subscriptions.py`: what the venue refuses."""

from __future__ import annotations

from typing import Optional

import pytest

from syncstream.core.subscriptions import Acks, Missed

from .topics import NOW, ask, made, states


def test_a_refusal_is_matched_like_an_acknowledgement() -> None:
    """It is final on this connection, and its reason is kept."""
    it = made(Acks(by="id"))
    it.sent(ask("A", ident=1), NOW)
    it.sent(ask("B", ident=2), NOW)
    assert it.refused({"id": 2, "error": "no"}) == [Missed("B", "{'id': 2, 'error': 'no'}", None)]
    assert (states(it), it.hopeless) == ({"A": "sent", "B": "refused"}, False)
    assert it.status()["B"].reason == "{'id': 2, 'error': 'no'}"
    assert it.refused({"id": 1}) != []
    assert (it.hopeless, it.deadline()) == (True, None)


@pytest.mark.parametrize("acks", [None, Acks(by="id"), Acks(by="cumulative", topics="all")])
def test_an_error_that_names_none_is_about_the_only_one(acks: Optional[Acks]) -> None:
    """With two under way nobody knows."""
    it = made(acks)
    it.sent(ask("A", ident=1), NOW)
    it.sent(ask("B", ident=2), NOW)
    assert it.refused({"error": "no"}) == []
    it.came("A")
    assert [missed.topic for missed in it.refused({"error": "no"})] == ["B"]


def test_a_cumulative_error_does_not_say_what_it_is_about() -> None:
    """It lists what is subscribed, and refuses none of that."""
    it = made(Acks(by="cumulative", topics="all"))
    it.sent(ask("A", "B"), NOW)
    assert it.refused({"all": ["A"], "error": "no"}) == []


def test_an_error_beyond_what_is_counted() -> None:
    """It is about the only one that waits, as where nothing is counted."""
    it = made(Acks(by="count", within=10.0, attempts=1))
    it.sent(ask("A"), NOW)
    it.acknowledged({}, NOW)
    it.sent(ask("B"), NOW)
    it._row.clear()
    assert [missed.topic for missed in it.refused({"error": "no"})] == ["B"]


def test_what_is_refused_and_comes_all_the_same() -> None:
    """Data is stronger: "already subscribed" is said of what streams."""
    it = made(Acks(by="key"))
    it.sent(ask("A"), NOW)
    it.came("A")
    it.refused({"k": "A"})
    assert states(it) == {"A": "refused"}
    assert it.came("A") == ["A"]
    assert (states(it), it.hopeless) == ({"A": "live"}, False)


def test_nothing_asked_for_is_not_hopeless() -> None:
    """There is nothing that could have been refused."""
    assert not made().hopeless


def test_a_long_reason_is_cut() -> None:
    """It goes into events and errors."""
    it = made()
    it.sent(ask("A"), NOW)
    assert len(it.refused("x" * 1000)[0].reason) == 200


def test_an_error_that_names_what_is_not_asked_for() -> None:
    """It is about the only one under way: venues spell a topic in their own way."""
    it = made(Acks(by="key", topics="args"))
    it.sent(ask("A"), NOW)
    assert [missed.topic for missed in it.refused({"args": ["a@usual"]})] == ["A"]


def test_what_was_refused_and_is_asked_for_again() -> None:
    """It is one request more, and one answer settles it."""
    it = made(Acks(by="id"))
    it.sent(ask("A", ident=1), NOW)
    it.refused({"id": 1})
    it.sent(ask("A", ident=2), NOW)
    assert (states(it), it.status()["A"].asked) == ({"A": "sent"}, 2)
    assert it.acknowledged({"id": 2}, NOW) == ["A"]
