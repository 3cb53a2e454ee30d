"""Waking a thread that waits in a selector: from other threads, from finalizers, and what is left behind."""

from __future__ import annotations

import gc
import os
import selectors
import socket
import sys
import threading
import weakref
from typing import Any

import pytest

from syncstream.clock import now
from syncstream.wake import Waker

PATIENCE = 10.0


@pytest.fixture
def unraised(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What finalizers raised."""
    found: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", found.append)
    return found


def waits(waker: Waker, timeout: float = 0.0) -> bool:
    """Whether a selector would go on waiting."""
    with selectors.DefaultSelector() as selector:
        selector.register(waker, selectors.EVENT_READ)
        return not selector.select(timeout)


class Sleeper:
    """Owned by: the test. A thread that is in the selector until it is woken."""

    def __init__(self, waker: Waker) -> None:
        self.woken_at: list[float] = []
        self._waker = waker
        self._selector = selectors.DefaultSelector()
        self._selector.register(waker, selectors.EVENT_READ)
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._sleep, name="sleeper")

    def __enter__(self) -> Sleeper:
        self._thread.start()
        assert self._ready.wait(PATIENCE)
        return self

    def __exit__(self, *error: object) -> None:
        self._thread.join(PATIENCE)
        self._selector.close()

    def _sleep(self) -> None:
        self._ready.set()
        if self._selector.select(PATIENCE):
            self.woken_at.append(now())
            self._waker.drain()


def test_a_wake_before_the_wait_is_not_lost() -> None:
    """The selector returns when it is entered next; once drained it waits again."""
    waker = Waker()
    assert waits(waker)
    waker.wake()
    assert not waits(waker)
    waker.drain()
    assert waits(waker)


def test_another_thread_is_woken() -> None:
    """One that is in the selector already returns at once."""
    waker = Waker()
    began = now()
    with Sleeper(waker) as sleeper:
        waker.wake()
    assert sleeper.woken_at
    assert sleeper.woken_at[0] - began < PATIENCE / 2
    assert waits(waker)


def test_any_number_of_calls_never_blocks() -> None:
    """When the pipe is full the reader is awake anyway; one drain forgets them all, and then it works again."""
    waker = Waker()
    for _ in range(100_000):
        waker.wake()
    assert not waits(waker)
    waker.drain()
    assert waits(waker)
    waker.wake()
    assert not waits(waker)


def test_many_threads_may_wake_at_once() -> None:
    """No call raises, and none is lost: after the last one the selector returns."""
    waker = Waker()
    failures: list[BaseException] = []

    def wake() -> None:
        try:
            for _ in range(5000):
                waker.wake()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=wake) for _ in range(8)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        waker.drain()
    for thread in threads:
        thread.join()
    assert failures == []
    waker.drain()
    waker.wake()
    assert not waits(waker)


class Owner:
    """What wakes when it is dropped."""

    def __init__(self, waker: Waker) -> None:
        self._waker = waker
        self.itself: Any = None

    def __del__(self) -> None:
        self._waker.wake()


@pytest.mark.parametrize("cycle", [False, True], ids=["dropped", "cycle"])
def test_a_finalizer_may_wake(cycle: bool, unraised: list[Any]) -> None:
    """Also one that the collector runs, wherever it runs it."""
    waker = Waker()
    with Sleeper(waker) as sleeper:
        owner = Owner(waker)
        if cycle:
            owner.itself = owner
        del owner
        gc.collect()
    assert sleeper.woken_at
    assert unraised == []


def test_it_lives_as_long_as_somebody_can_wake() -> None:
    """The bound method alone keeps it: its descriptors cannot be anybody else's by the time it is called."""
    wake = Waker().wake
    gc.collect()
    wake()


def test_its_descriptors_are_released_with_it() -> None:
    """Without a ResourceWarning, which would be an error here."""
    waker = Waker()
    numbers = [sock.fileno() for sock in waker._sockets]
    gone = weakref.ref(waker)
    for number in numbers:
        os.fstat(number)
    del waker
    gc.collect()
    assert gone() is None
    for number in numbers:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(number)


def test_closing_twice_does_nothing(unraised: list[Any]) -> None:
    """The child of a fork closes its copies, and drops the object later."""
    waker = Waker()
    waker.close()
    waker.close()
    del waker
    gc.collect()
    assert unraised == []


def test_out_of_descriptors_is_one_error(monkeypatch: pytest.MonkeyPatch, unraised: list[Any]) -> None:
    """And the half-made object says nothing more when it goes."""

    def none_left() -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(socket, "socketpair", none_left)
    with pytest.raises(OSError, match="Too many open files"):
        Waker()
    gc.collect()
    assert unraised == []


def test_the_sockets_may_be_finalized_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """The collector takes the members of a cycle in any order: whoever comes first closes, and nothing is said."""
    unraised: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", unraised.append)
    waker = Waker()
    for end in waker._sockets:
        end.__del__()
    del end, waker
    assert unraised == []
