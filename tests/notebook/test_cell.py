"""Tests of notebook/cell.py: what IPython means to a stream, with an IPython that the test makes."""

from __future__ import annotations

import sys
import types
from typing import Any, Callable

import pytest

from syncstream import Contiguous, Feed, Stream, UsageError
from syncstream.notebook import cell


class Older:
    """Owned by: one test. A stream that notes when it is closed."""

    def __init__(self, feed: Feed, name: str) -> None:
        self.feed = feed
        self.name = name
        self.closed = False

    def close(self, timeout: float = 5.0, *, drain: bool = False) -> None:
        self.closed = True


def feed(url: str = "ws://127.0.0.1:9/", **options: Any) -> Feed:
    return Feed(url, key="symbol", sequence=Contiguous("seq"), **options)


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """An IPython with a shell; what it displays."""
    shown: list[Any] = []

    class Handle:
        def update(self, thing: Any) -> None:
            shown.append(thing)

    def display(thing: Any, display_id: bool) -> Handle:
        assert display_id
        shown.append(thing)
        return Handle()

    package, part = types.ModuleType("IPython"), types.ModuleType("IPython.display")
    package.__dict__["get_ipython"] = object
    part.__dict__.update(HTML=lambda html: f"<html>{html}", display=display)
    monkeypatch.setitem(sys.modules, "IPython", package)
    monkeypatch.setitem(sys.modules, "IPython.display", part)
    return shown


@pytest.fixture
def no_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "IPython", raising=False)


def test_a_program_is_no_notebook(no_shell: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is one that only imports IPython."""
    assert not cell.in_ipython()
    package = types.ModuleType("IPython")
    monkeypatch.setitem(sys.modules, "IPython", package)
    assert not cell.in_ipython()
    package.__dict__["get_ipython"] = lambda: None
    assert not cell.in_ipython()


CASES: dict[str, tuple[str, str, Callable[[], Feed], bool]] = {
    "the same name": ("quotes", "quotes", lambda: feed("ws://127.0.0.1:10/"), True),
    "an equal feed": ("", "", feed, True),
    "an equal feed, now named": ("", "quotes", feed, True),
    "an equal feed, named before": ("quotes", "", feed, True),
    "two names for one feed": ("fast", "slow", feed, False),
    "another feed": ("", "", lambda: feed("ws://127.0.0.1:10/"), False),
    "another function": ("", "", lambda: feed(subscribe=lambda topics: []), False),
}


@pytest.mark.parametrize("case", CASES)
def test_which_one_is_closed(shell: list[Any], case: str) -> None:
    """The same name, or an equal feed where not both have names of their own."""
    older_name, name, newer, closes = CASES[case]
    older = Older(feed(), older_name)
    cell.close_older([older], newer(), name)
    assert older.closed is closes


def test_outside_of_ipython_nothing_is_closed(no_shell: None) -> None:
    """Two streams of one feed are a program's own affair."""
    older = Older(feed(), "quotes")
    cell.close_older([older], feed(), "quotes")
    assert not older.closed


def test_a_feed_that_cannot_be_compared_is_another_one(shell: list[Any]) -> None:
    """As with arrays in it."""

    class Array:
        def __eq__(self, other: object) -> bool:
            raise ValueError("the truth value of an array is ambiguous")

        __hash__ = None  # type: ignore[assignment]

    older = Older(feed(subscribe=lambda topics: [], timestamp=Array.__eq__), "")
    older.feed = Array()  # type: ignore[assignment]
    cell.close_older([older], feed(), "")
    assert not older.closed


def test_a_stream_takes_the_place_of_the_older_one(shell: list[Any]) -> None:
    """Through the public name."""
    with Stream(feed(), name="quotes") as older, Stream(feed(), name="quotes") as newer:
        assert (older.closed, newer.closed) == (True, False)


def test_what_is_shown_can_be_replaced(shell: list[Any]) -> None:
    """In its place."""
    update = cell.show("one")
    update("two")
    assert shell == ["<html>one", "<html>two"]


def test_elsewhere_there_is_nothing_to_show_it_in(no_shell: None) -> None:
    """It says what works everywhere."""
    with pytest.raises(UsageError, match="notebook"):
        cell.show("one")
    with Stream(feed()) as stream, pytest.raises(UsageError, match="notebook"):
        stream.live()
