"""`turnstile.py`: how often a host is dialled, by the whole process together."""

from __future__ import annotations

import os
import threading
from typing import Any

import pytest

from syncstream import clock, turnstile
from syncstream.core.budget import Budget
from syncstream.errors import DialError, Severity
from tests.deadlines import SLACK

URL = "wss://venue.example/stream?token=s3cr3t"


def enter(url: str = URL, budget: Budget = Budget(count=1, per=0.3), cancelled: Any = lambda: False) -> float:  # noqa: B008
    """How long it took."""
    began = clock.now()
    turnstile.enter(url, budget, cancelled=cancelled)
    return clock.now() - began


def test_within_the_budget_nobody_waits() -> None:
    """Each host for itself: a name and a port."""
    budget = Budget(count=1, per=60.0)
    assert enter(budget=budget) < SLACK
    assert enter("wss://venue.example:8443/", budget) < SLACK
    assert enter("wss://other.example/", budget) < SLACK


def test_beyond_it_one_waits_until_there_is_room() -> None:
    """Whatever the path, the query and the user name are."""
    enter()
    assert enter("wss://user:pass@VENUE.example/other") >= 0.25


def test_a_port_is_the_same_written_or_not() -> None:
    """443 with TLS, 80 without."""
    for port, url in ((443, "wss://venue.example"), (80, "ws://venue.example")):
        enter(f"{url}/")
        assert enter(f"{url}:{port}/") >= 0.25


def test_a_dial_counts_in_every_budget_of_its_host() -> None:
    """A feed with a generous one uses up the strict one of another."""
    enter()
    enter(budget=Budget(count=100, per=1.0))
    assert enter() >= 0.25


def test_a_long_wait_is_a_refusal() -> None:
    """With the time it takes, so that the back-off waits it out; the text holds no secret."""
    budget = Budget(count=1, per=100.0)
    enter(budget=budget)
    began = clock.now()
    with pytest.raises(DialError) as caught:
        enter(budget=budget)
    assert clock.now() - began < 1.0 + SLACK
    error = caught.value
    assert str(error) == "venue.example:443: its dial budget (1 within 100 s) is used up"
    assert error.retry_after == pytest.approx(100.0, abs=1.0)
    assert (error.severity, error.cause) == (Severity.RETRY, "budget")


def test_a_wait_is_as_long_as_it_took() -> None:
    """Nothing where there is room."""
    budget = Budget(count=1, per=0.3)
    assert turnstile.enter(URL, budget, cancelled=lambda: False) < 0.25
    assert turnstile.enter(URL, budget, cancelled=lambda: False) >= 0.25


def test_who_has_less_patience_is_refused_sooner() -> None:
    """And has used nothing up."""
    enter()
    for _ in range(3):
        with pytest.raises(DialError, match="used up"):
            turnstile.enter(URL, Budget(count=1, per=0.3), cancelled=lambda: False, patience=0.0)
    assert enter() <= 0.3 + SLACK


def test_a_wait_can_be_cancelled() -> None:
    """Soon; and what was cancelled has not used anything up."""
    budget = Budget(count=1, per=3.0)
    enter(budget=budget)
    flag = threading.Event()
    timer = threading.Timer(0.1, flag.set)
    timer.start()
    began = clock.now()
    with pytest.raises(DialError, match="cancelled"):
        enter(budget=budget, cancelled=flag.is_set)
    assert clock.now() - began < 1.5
    timer.join()


def test_many_threads_share_one_budget() -> None:
    """Exactly as many get through at once as it says."""
    budget = Budget(count=5, per=100.0)
    through: list[int] = []

    def one(number: int) -> None:
        try:
            enter(budget=budget)
            through.append(number)
        except DialError:
            pass  # refused, as it should be

    threads = [threading.Thread(target=one, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(through) == 5


def test_hosts_are_forgotten_beyond_a_bound() -> None:
    """A process that dials a new host each time must not grow."""
    for number in range(turnstile._HOSTS_LEAST + 10):
        enter(f"ws://host-{number}/")
    assert len(turnstile._hosts) == turnstile._HOSTS_LEAST


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_in_the_child_of_a_fork_nobody_holds_the_lock() -> None:
    """Though a thread of the parent did."""
    with turnstile._lock:
        pid = os.fork()
        if not pid:
            os._exit(0 if turnstile._lock.acquire(timeout=1.0) else 1)
    assert os.waitpid(pid, 0)[1] == 0
