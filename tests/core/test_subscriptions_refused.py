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


@pytest.mark.parametrize("proof", ["came", "acknowledged"])
def test_what_was_subscribed_before_is_not_refused_for_good(proof: str) -> None:
    """It is left and asked for again to be healed: a limit of requests, say, must not cost the topic."""
    it = made(Acks(by="id", attempts=3))
    it.sent(ask("A", ident=1), NOW)
    if proof == "came":
        it.came("A")
    else:
        it.acknowledged({"id": 1}, NOW)
    it.anew(["A"])
    for ident in (2, 3):
        it.sent(ask("A", ident=ident), NOW)
        (missed,) = it.refused({"id": ident, "error": "no"}, NOW, 0.5)
        assert missed.retry_in == 0.5 * 2.0 ** (ident - 2)
        assert it.tick(NOW + missed.retry_in, lambda: 0.5) == ([], ["A"])
    it.sent(ask("A", ident=4), NOW)
    assert it.refused({"id": 4}, NOW, 0.5)[0].retry_in is None
    assert (states(it), it.refuses("A")) == ({"A": "refused"}, False)


def test_what_is_put_off_is_asked_for_again() -> None:
    """The venue limits how much may be asked for; what streams has nothing to wait for."""
    it = made(Acks(by="id", attempts=2))
    it.sent(ask("A", ident=1), NOW)
    it.sent(ask("B", ident=2), NOW)
    it.came("B")
    assert it.refused({"id": 2}, NOW, 0.5, passing=True) == []
    assert [missed.retry_in for missed in it.refused({"id": 1}, NOW, 0.5, passing=True)] == [0.5]
    assert (states(it)["B"], it.hopeless, it.refuses("A")) == ("live", False, False)
