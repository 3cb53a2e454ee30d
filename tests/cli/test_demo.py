"""Tests of the demo itself, on a real venue and a real stream, in this process."""

from __future__ import annotations

import io
import logging
import signal
import threading
from typing import Any, Callable, Optional

from syncstream import Snapshot, StreamFailed
from syncstream.cli.arguments import Options
from syncstream.cli.demo import Demo, feed_of, settings_of
from syncstream.cli.picture import About, Picture
from syncstream.cli.plain import Plain
from syncstream.cli.story import Entry
from syncstream.testing import Broker, Replica


class Watching(Plain):
    """Owned by: one test. A view that keeps what it was shown; at the first pictures it does what it was given, one each."""

    def __init__(self, *acts: Callable[[], None]) -> None:
        super().__init__(io.StringIO())
        self.about: Optional[About] = None
        self.pictures: list[Picture] = []
        self.entries: list[Entry] = []
        self._acts = list(acts)

    def began(self, about: About) -> None:
        super().began(about)
        self.about = about

    def told(self, entry: Entry, now: float) -> None:
        super().told(entry, now)
        self.entries.append(entry)

    def show(self, picture: Picture) -> None:
        super().show(picture)
        self.pictures.append(picture)
        if self._acts:
            self._acts.pop(0)()


def options(**given: Any) -> Options:
    return Options(**{"seed": 1, "duration": 1.0, "symbols": ("ABC", "XYZ"), "faults": (), **given})


def interrupt() -> None:
    """Ctrl-C."""
    signal.raise_signal(signal.SIGINT)


class Forgetful(Replica):
    """Owned by: one test. Misses the twentieth message it is given."""

    def __init__(self) -> None:
        super().__init__()
        self._seen = 0

    def apply(self, item: Any) -> None:
        self._seen += not isinstance(item, Snapshot)
        if self._seen != 20 or isinstance(item, Snapshot):
            super().apply(item)


def test_three_seconds_of_faults_end_equal() -> None:
    """Messages are lost and the line is cut; both are noticed, healed and told, and the state is the venue's in the end."""
    view = Watching()
    result = Demo(options(duration=3.0, faults=("drop", "cut")), view).run()

    assert (result.verdict, result.exit_code, result.differences) == ("equal", 0, ())
    assert (result.lost, result.duplicated, result.out_of_order) == (0, 0, 0)
    assert result.faults == {"drop": 1, "cut": 1}
    assert result.venue["dropped"] >= 1
    assert result.venue["cut"] == 1
    assert result.gaps_found == result.gaps_healed >= 1
    assert (result.reconnects, result.events["Disconnected"]) == (1, 1)
    assert result.messages > 150
    assert all(symbol.position == symbol.true_position for symbol in result.symbols.values())
    assert {"drop", "cut", ""} <= {picture.fault for picture in view.pictures}
    assert all(not entry.open for entry in view.entries)
    assert view.pictures[-1].rows[0].gaps_found == result.symbols["ABC"].gaps_found


def test_the_figures_are_measured() -> None:
    """The rate on screen is about the venue's, and a message on the loopback takes more than nothing and less than a while."""
    view = Watching()
    result = Demo(options(symbols=("ABC",)), view).run()
    rows = [picture.rows[0] for picture in view.pictures if 0.7 < picture.elapsed < 1.0]

    assert view.about is not None
    assert rows
    assert all(0.3 * view.about.rate < row.rate < 1.5 * view.about.rate for row in rows)
    assert all(row.lag is not None and 0.0 < row.lag < 0.5 for row in rows)
    assert result.symbols["ABC"].worst_lag_ms > 0.0


def test_a_lie_is_found() -> None:
    """A state from which one message is missing is not equal, and the verdict says what was lost."""
    result = Demo(options(), Watching(), Forgetful()).run()

    assert (result.verdict, result.exit_code, result.lost) == ("unequal", 1, 1)
    assert any("lost without a word" in difference for difference in result.differences)
    assert any("volume" in difference for difference in result.differences)


def test_a_stream_that_fails_is_told() -> None:
    """What ends the stream for good ends the demo with exit code 1, named."""

    def fail() -> None:
        raise StreamFailed("it is over")

    result = Demo(options(), Watching(fail)).run()

    assert result.exit_code == 1
    assert result.differences[0] == "the stream ended: StreamFailed: it is over"


def test_ctrl_c_ends_it_with_a_verdict() -> None:
    """Ctrl-C at any moment: no traceback, a result that says so, and all threads ended."""
    result = Demo(options(duration=3600.0), Watching(interrupt)).run()

    assert (result.verdict, result.exit_code) == ("interrupted", 130)
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("syncstream-")]


def test_warnings_of_the_library_become_lines() -> None:
    """A log line would tear the screen; it is told with the events, and the logger is as before afterwards."""
    view = Watching(lambda: logging.getLogger("syncstream.reader").warning("%s took long", "key="), lambda: None, interrupt)
    before = list(logging.getLogger("syncstream").handlers)
    Demo(options(), view).run()

    assert "warning: key= took long" in [entry.text for entry in view.entries]
    assert logging.getLogger("syncstream").handlers == before


def test_the_settings_told_are_those_of_the_feed() -> None:
    """What the screen calls the quick settings is read from the feed."""
    with Broker(symbols=("ABC",), rate=0) as broker:
        feed = feed_of(broker)
    told = " ".join(settings_of(feed))

    for setting in (feed.heartbeat, feed.verify_after, feed.restart_after):
        assert f"={setting}" in told
    assert "backoff: 0.1 to 1 s" in told
    assert (feed.backoff.base, feed.backoff.maximum) == (0.1, 1.0)
