"""`core/subscriptions.py`: what does not come in time."""

from __future__ import annotations

from syncstream.core.subscriptions import Acks, Missed

from .topics import NOW, ask, made, states, tick


def test_an_acknowledgement_that_does_not_come() -> None:
    """Told each time, asked for again with the back-off, and given up at last."""
    it = made(Acks(by="key", within=10.0, attempts=3))
    it.sent(ask("A", "B"), NOW)
    it.acknowledged({"k": "B"}, NOW)
    now, told = NOW, []
    for wait in (0.5, 1.0):
        assert it.deadline() == now + 10.0
        now += 10.0
        missed, again = tick(it, now)
        assert (missed, again) == ([Missed("A", "no acknowledgement within 10 s", wait)], [])
        told += missed
        assert it.deadline() == now + wait
        now += wait
        assert tick(it, now) == ([], ["A"])
        it.sent(ask("A"), now)
    now += 10.0
    assert tick(it, now) == ([Missed("A", "no acknowledgement within 10 s", None)], [])
    assert (states(it), it.status()["A"].asked, it.deadline()) == ({"A": "refused", "B": "acknowledged"}, 3, None)


def test_an_answer_that_comes_late_still_counts() -> None:
    """While the next request waits, and after it was given up."""
    it = made(Acks(by="key", within=10.0, attempts=1))
    it.sent(ask("A"), NOW)
    tick(it, NOW + 10.0)
    assert states(it) == {"A": "refused"}
    assert it.acknowledged({"k": "A"}, NOW + 11.0) == ["A"]
    assert states(it) == {"A": "acknowledged"}


def test_data_that_does_not_come() -> None:
    """From the acknowledgement on, or from the request where there is none."""
    it = made(Acks(by="key", within=10.0, attempts=1), data_limit=5.0)
    it.sent(ask("A"), NOW)
    it.acknowledged({"k": "A"}, NOW + 3.0)
    assert tick(it, NOW + 7.9) == ([], [])
    assert tick(it, NOW + 8.0) == ([Missed("A", "no data within 5 s", None)], [])
    it = made(data_limit=5.0)
    it.sent(ask("A"), NOW)
    assert tick(it, NOW + 5.0) == ([Missed("A", "no data within 5 s", 0.5)], [])
    assert it.came("A") == ["A"]
    assert tick(it, NOW + 100.0) == ([], [])


def test_a_callable_that_does_not_say_what_to_send() -> None:
    """Counts like a request that was not answered; one that never comes back, too."""
    it = made(Acks(by="key", within=10.0, attempts=3), call_limit=4.0)
    it.sent(ask("A"), NOW)
    tick(it, NOW + 10.0)
    assert tick(it, NOW + 10.5) == ([], ["A"])
    assert [missed.retry_in for missed in it.failed(["A", "unknown"], "raised", NOW + 11.0, 0.5)] == [1.0]
    assert tick(it, NOW + 12.0) == ([], ["A"])
    assert [missed.topic for missed in tick(it, NOW + 16.0)[0]] == ["A"]


def test_what_came_while_the_callable_was_asked_stays_live() -> None:
    """The second request changes nothing then."""
    it = made(Acks(by="key", within=10.0))
    it.sent(ask("A"), NOW)
    tick(it, NOW + 10.0)
    tick(it, NOW + 10.5)
    it.came("A")
    it.sent(ask("A"), NOW + 11.0)
    assert (states(it), it.deadline()) == ({"A": "live"}, None)


def test_without_acknowledgements_a_topic_is_asked_for_four_times() -> None:
    """Where data has a limit; then it is refused."""
    it = made(data_limit=5.0)
    now = NOW
    for wait in (0.5, 1.0, 2.0, None):
        it.sent(ask("A"), now)
        now += 5.0
        assert tick(it, now) == ([Missed("A", "no data within 5 s", wait)], [])
        now += wait or 0.0
        assert tick(it, now) == ([], ["A"] if wait else [])
    assert (states(it), it.deadline()) == ({"A": "refused"}, None)


def test_the_dice_are_thrown_for_what_is_late_and_nothing_else() -> None:
    """Once for all that are late together, so that they are asked for together, in their order; what is asked for has waited."""
    it = made(Acks(by="key", within=10.0))
    it.sent(ask("B", "A"), NOW)
    throws = iter([0.5])
    missed, _ = it.tick(NOW + 10.0, lambda: next(throws))
    assert [(one.topic, one.retry_in) for one in missed] == [("B", 0.5), ("A", 0.5)]
    assert it.tick(NOW + 10.5, lambda: next(throws)) == ([], ["B", "A"])


def test_what_is_asked_for_before_its_time_is_late_again() -> None:
    """By whoever asks: the answer has its whole time, and what does not come is told."""
    it = made(Acks(by="key", within=10.0))
    it.sent(ask("A"), NOW)
    tick(it, NOW + 10.0)
    assert it.status()["A"].reason == "no acknowledgement within 10 s"
    it.sent(ask("A"), NOW + 10.1)
    assert (it.status()["A"].reason, it.deadline()) == ("", NOW + 20.1)
    assert tick(it, NOW + 20.1) == ([Missed("A", "no acknowledgement within 10 s", 1.0)], [])


def test_what_is_acknowledged_late_is_not_asked_for_again() -> None:
    """From there its data has its time, and if that does not come it is told."""
    it = made(Acks(by="key", within=10.0), data_limit=5.0)
    it.sent(ask("A"), NOW)
    tick(it, NOW + 10.0)
    assert it.acknowledged({"k": "A"}, NOW + 10.1) == ["A"]
    assert (it.status()["A"].reason, it.deadline()) == ("", NOW + 15.1)
    assert tick(it, NOW + 15.1) == ([Missed("A", "no data within 5 s", 0.5)], [])


def test_what_comes_late_is_not_asked_for_again() -> None:
    """Until a cumulative answer lists it no more, and then it is told that it is missing."""
    it = made(Acks(by="cumulative", topics="all", within=10.0))
    it.sent(ask("A"), NOW)
    tick(it, NOW + 10.0)
    assert (it.came("A"), it.status()["A"].reason, it.deadline()) == (["A"], "", None)
    it.acknowledged({"all": []}, NOW + 11.0)
    assert tick(it, NOW + 21.0) == ([Missed("A", "no acknowledgement within 10 s", 0.5)], [])
