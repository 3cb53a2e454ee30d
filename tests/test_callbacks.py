"""The callbacks while they run: started once, what is refused beside them, what they leave. (As users see it: tests/stream.)"""

from __future__ import annotations

import threading
from typing import Any, Iterator

import pytest

from syncstream import FeedError, Gap, Quarantined, UsageError
from syncstream.callbacks import Callbacks
from syncstream.delivery import Delivery
from syncstream.inbox import Fail, Tell

PATIENCE = 8.0


class Inbox:
    """Owned by: the test. Stands for the reader: what is posted to it."""

    def __init__(self) -> None:
        self.posted: list[Any] = []
        self.came = threading.Event()

    def post(self, item: Any) -> None:
        self.posted.append(item)
        self.came.set()


@pytest.fixture
def delivery() -> Iterator[Delivery]:
    delivery = Delivery(100, key=lambda message: message)
    yield delivery
    delivery.close(drain=False)


def callbacks(delivery: Delivery, inbox: Inbox, *, heals: bool = False, drops: bool = False) -> Callbacks:
    return Callbacks(delivery, inbox, key=lambda message: message, heals=heals, drops=drops)  # type: ignore[arg-type]


def test_they_run_once_at_a_time(delivery: Delivery) -> None:
    """A second start and a new callback are refused while they run, and possible afterwards."""
    made = callbacks(delivery, Inbox())
    made.add((), lambda item: None)
    assert made.join(0) is None
    made.start(2, markers="ignore", on_error="raise")
    assert made.join(0.01) is False
    with pytest.raises(UsageError, match="running already"):
        made.start(1, markers="ignore", on_error="raise")
    with pytest.raises(UsageError, match="before run"):
        made.add((), lambda item: None)
    assert made.stop(PATIENCE) == []
    assert made.running is False
    assert made.stop(PATIENCE) == []
    made.add((Gap,), lambda item: None)
    made.start(1, markers="handle", on_error="raise")
    assert made.stop(PATIENCE) == []


def test_what_ends_the_stream_is_posted_to_the_reader(delivery: Delivery) -> None:
    """As a failure whose cause is what the callback raised."""
    inbox = Inbox()
    made = callbacks(delivery, inbox)
    error = KeyError("mine")

    def fails(item: Any) -> None:
        raise error

    made.add((), fails)
    made.start(1, markers="ignore", on_error="raise")
    delivery.put_batch(["A"], 0.0)
    assert made.join(PATIENCE) is True
    assert [type(item) for item in inbox.posted] == [Fail]
    assert inbox.posted[0].error is made.error
    assert made.error is not None
    assert made.error.__cause__ is error
    assert made.stop(0) == []


def test_what_is_set_aside_is_posted_to_the_reader(delivery: Delivery) -> None:
    """As a marker for the order of the stream; nothing ends."""
    inbox = Inbox()
    made = callbacks(delivery, inbox)

    def fails(item: Any) -> None:
        raise KeyError("mine")

    made.add((), fails)
    made.start(1, markers="ignore", on_error="quarantine")
    delivery.put_batch(["A"], 0.0)
    assert inbox.came.wait(PATIENCE)
    assert [type(item) for item in inbox.posted] == [Tell]
    assert isinstance(inbox.posted[0].event, Quarantined)
    assert (made.count, made.set_aside[0].item, made.error) == (1, "A", None)
    assert made.stop(PATIENCE) == []


@pytest.mark.parametrize(("heals", "drops", "missing"), [(False, False, "Gap"), (True, True, "Gap, Snapshot, Dropped")])
def test_markers_need_a_handler(delivery: Delivery, heals: bool, drops: bool, missing: str) -> None:
    """Those that this stream can yield; a start that is refused has started nothing and fixed no view."""
    made = callbacks(delivery, Inbox(), heals=heals, drops=drops)
    made.add((), lambda item: None)
    with pytest.raises(UsageError, match=f"no handler takes {missing},"):
        made.start(1, markers="handle", on_error="raise")
    assert (made.running, delivery.view) == (False, None)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"markers": "maybe", "on_error": "raise"}, "markers="),
        ({"markers": "ignore", "on_error": "x"}, "on_error="),
    ],
)
def test_a_wrong_option_is_refused(delivery: Delivery, options: dict[str, Any], said: str) -> None:
    """By its name, before a thread starts."""
    made = callbacks(delivery, Inbox())
    made.add((), lambda item: None)
    with pytest.raises(FeedError, match=said):
        made.start(1, **options)
    assert (made.running, delivery.view) == (False, None)
