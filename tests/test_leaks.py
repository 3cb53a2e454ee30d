"""Tests of the check that every other test relies on."""

from __future__ import annotations

import threading
from typing import Iterator

import pytest

from tests.leaks import describe, threads_left


@pytest.fixture
def waiting() -> Iterator[threading.Thread]:
    """A thread that waits until the test is over."""
    release = threading.Event()
    thread = threading.Thread(target=release.wait, name="the-waiting-one")
    thread.start()
    yield thread
    release.set()
    thread.join()


def test_a_thread_that_stays_is_found_and_named(waiting: threading.Thread) -> None:
    """A thread that does not end within the grace is returned, and the text names it and the place where it waits."""
    before = frozenset(threading.enumerate()) - {waiting}

    left = threads_left(before, grace=0.05)

    assert left == [waiting]
    assert "the-waiting-one (not a daemon)" in describe(left)
    assert "in wait" in describe(left)


def test_a_thread_that_was_there_before_is_not_counted(waiting: threading.Thread) -> None:
    """Only what is new counts."""
    assert threads_left(frozenset(threading.enumerate()), grace=0.05) == []


def test_a_thread_on_its_way_out_is_waited_for() -> None:
    """A thread that ends within the grace is not a leak."""
    before = frozenset(threading.enumerate())
    release = threading.Event()
    thread = threading.Thread(target=release.wait)
    thread.start()
    timer = threading.Timer(0.1, release.set)
    timer.start()

    assert threads_left(before, grace=30.0) == []


def test_a_thread_that_is_just_being_started_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is listed before it can be joined."""
    before = frozenset(threading.enumerate())
    thread = threading.Thread(target=int)
    listed = threading.enumerate
    monkeypatch.setattr(threading, "enumerate", lambda: [*listed(), *([] if thread.ident else [thread])])
    starter = threading.Timer(0.1, thread.start)
    starter.start()

    assert threads_left(before | {starter}, grace=30.0) == []
    assert thread.ident
    starter.join()


def test_a_successor_is_waited_for_too() -> None:
    """A thread that ends but has started another one does not hide it: the other one gets the rest of the grace."""
    before = frozenset(threading.enumerate())
    successor = threading.Timer(0.1, int)
    parent = threading.Thread(target=successor.start)
    parent.start()

    assert threads_left(before, grace=30.0) == []
    assert not successor.is_alive()
