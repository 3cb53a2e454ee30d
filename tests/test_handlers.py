"""Which callback takes what, which view that needs, and what is refused before anything runs."""

from __future__ import annotations

import threading
from typing import Any, Callable

import msgspec
import pytest

from syncstream import (
    Closed,
    Connected,
    Disconnected,
    Dropped,
    Event,
    FeedError,
    Gap,
    HandlerFailed,
    Quarantined,
    Resynced,
    Snapshot,
    Stale,
    StreamFailed,
    UsageError,
)
from syncstream.handlers import ExecutorTrouble, Failure, Handlers


class Trade(msgspec.Struct):
    """A user's own type."""

    price: int = 0


class BlockTrade(Trade):
    """And a kind of it."""


class Quote(msgspec.Struct):
    """Another one."""


def calls(*registered: tuple[type, ...]) -> tuple[Handlers, list[tuple[int, Any]]]:
    """Handlers for these types, and the list in which each call is noted: which handler, what item."""
    handlers = Handlers()
    noted: list[tuple[int, Any]] = []

    def note(number: int) -> Callable[[Any], None]:
        return lambda item: noted.append((number, item))

    for number, types in enumerate(registered):
        handlers.add(types, note(number))
    return handlers, noted


def broken(item: Any) -> None:
    raise KeyError("missing")


def test_each_item_goes_to_every_handler_of_its_type() -> None:
    """In the order they were added; a subclass is of the type too."""
    handlers, noted = calls((Trade,), (Quote,), (Trade, Quote), (BlockTrade,))
    trade, block, quote = Trade(), BlockTrade(), Quote()
    for item in (trade, block, quote):
        handlers(item)
    assert noted == [(0, trade), (2, trade), (0, block), (2, block), (3, block), (1, quote), (2, quote)]


def test_without_types_a_handler_takes_messages_and_no_marker() -> None:
    """Whatever the messages are: dicts, text, None, a type itself."""
    handlers, noted = calls(())
    messages = [{"a": 1}, "text", b"bytes", None, 0, Trade(), Gap]
    for item in [*messages, Gap(), Snapshot(), Dropped(), Connected(), Event()]:
        handlers(item)
    assert noted == [(0, message) for message in messages]


def test_an_item_that_nobody_takes_is_let_go() -> None:
    """Those that must not be are found by check."""
    handlers, noted = calls((Trade,))
    handlers({"a": 1})
    handlers(Gap())
    assert noted == []


def test_a_handler_that_raises_ends_the_item() -> None:
    """The error is the caller's; later handlers are not called for this item."""
    handlers, noted = calls((Trade,))
    handlers.add((Quote,), broken)
    handlers.add((Quote,), lambda item: noted.append((9, item)))
    with pytest.raises(KeyError, match="missing"):
        handlers(Quote())
    assert noted == []


@pytest.mark.parametrize("kind", [Connected, Disconnected, Resynced, Stale, Quarantined, Closed, Event, object])
def test_the_life_of_the_stream_needs_the_view_of_events(kind: type) -> None:
    """Else a handler for it would never be called, and nobody would know why."""
    handlers, _ = calls((Trade,), (kind,))
    assert handlers.view == "events"


@pytest.mark.parametrize("types", [(), (Trade,), (Gap, Snapshot, Dropped), (dict,)])
def test_otherwise_the_default_view_is_enough(types: tuple[type, ...]) -> None:
    """It has every message, and every marker that changes a local state."""
    handlers, _ = calls(types)
    assert handlers.view == "default"


@pytest.mark.parametrize("kind", ["Trade", None, 5, Trade(), lambda item: None, list[int], Callable[[], None]])
def test_what_is_no_type_is_refused(kind: Any) -> None:
    """`@stream.on` without brackets, a name in quotes, a generic: isinstance could not tell."""
    with pytest.raises(FeedError, match=r"^on=.*expected types: @stream\.on\(Trade\)"):
        Handlers().add((Trade, kind), lambda item: None)


@pytest.mark.parametrize("handler", [None, "name", 5])
def test_what_cannot_be_called_is_refused(handler: Any) -> None:
    """At once, not with the first message."""
    with pytest.raises(FeedError, match=r"^on=.*a function to call"):
        Handlers().add((), handler)


@pytest.mark.parametrize(
    ("types", "snapshots", "drops", "missing"),
    [
        ((), False, False, "Gap"),
        ((), True, False, "Gap, Snapshot"),
        ((), True, True, "Gap, Snapshot, Dropped"),
        ((Snapshot,), True, True, "Gap, Dropped"),
        ((Gap,), False, True, "Dropped"),
        ((Gap,), False, False, ""),
        ((Gap, Snapshot), True, False, ""),
        ((Event,), True, True, ""),
        ((object,), True, True, ""),
    ],
)
def test_markers_that_the_stream_can_yield_need_a_handler(
    types: tuple[type, ...], snapshots: bool, drops: bool, missing: str
) -> None:
    """The error says which, and both ways out of it."""
    handlers, _ = calls(types)
    if not missing:
        handlers.check(snapshots=snapshots, drops=drops)
        return
    with pytest.raises(UsageError) as caught:
        handlers.check(snapshots=snapshots, drops=drops)
    assert f"no handler takes {missing}," in str(caught.value)
    assert f"@stream.on({missing})" in str(caught.value)
    assert "run(markers='ignore')" in str(caught.value)


def test_no_handler_at_all_is_refused() -> None:
    """Everything would be thrown away."""
    with pytest.raises(UsageError, match="no handler: add one"):
        Handlers().check(snapshots=False, drops=False)


def test_a_handler_knows_that_it_is_one() -> None:
    """Only its own thread is inside."""
    handlers = Handlers()
    seen: list[bool] = []
    handlers.add((), lambda item: seen.append(handlers.inside))
    thread = threading.Thread(target=handlers, args=("item",))
    thread.start()
    thread.join()
    assert seen == [True]
    assert not handlers.inside


def test_what_a_callback_raised_becomes_the_failure_of_the_stream() -> None:
    """With the original as its cause; whoever asks later finds it."""
    told: list[Any] = []
    failure = Failure(told.append)
    before = failure.error
    original = KeyError("mine")
    failure(original)
    assert (before, told) == (None, [failure.error])
    assert isinstance(told[0], HandlerFailed)
    assert told[0].__cause__ is original
    assert str(told[0]) == "a callback raised KeyError: 'mine'"


def test_trouble_with_an_executor_is_not_told_as_a_callbacks() -> None:
    """No callback has raised: the stream failed, and the executor's own error is the cause."""
    told: list[Any] = []
    original = RuntimeError("after shutdown")
    trouble = ExecutorTrouble("the executor refused it")
    trouble.__cause__ = original
    Failure(told.append)(trouble)
    assert (type(told[0]), str(told[0]), told[0].__cause__) == (StreamFailed, "the executor refused it", original)


def test_a_coroutine_function_is_refused() -> None:
    """Nobody would await it, and its messages would be counted as handled."""

    async def handler(item: Any) -> None:
        raise AssertionError(item)

    with pytest.raises(FeedError, match="awaited"):
        Handlers().add((), handler)
