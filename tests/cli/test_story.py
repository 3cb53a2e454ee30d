"""Tests of the story: which lines events become."""

from __future__ import annotations

from typing import Any

import pytest

from syncstream import Closed, Connected, Disconnected, Dropped, Event, Gap, Quarantined, Resynced, Snapshot, Stale
from syncstream.cli.schedule import Call, Step
from syncstream.cli.story import Story, span


class Told:
    """Owned by: one test. A story of two symbols, and all it told, in order, as (now, text)."""

    def __init__(self) -> None:
        self.lines: list[tuple[float, str]] = []
        self.story = Story(("ABC", "XYZ"), lambda entry, now: self.lines.append((now, str(entry))))

    def after(self, *events: tuple[float, Event]) -> list[str]:
        """The lines that these events, each at its moment, added."""
        before = len(self.lines)
        for now, event in events:
            self.story.event(event, now)
        return [line for _, line in self.lines[before:]]

    def begin(self) -> None:
        """Connected and complete."""
        self.after((0.0, Connected()), *((0.1, resynced(key)) for key in ("ABC", "XYZ")))


def resynced(key: str, seconds: float = 0.012, replayed: int = 0) -> Resynced:
    return Resynced(key=key, seconds=seconds, replayed=replayed)


def hole(key: str, after: int, missing: int) -> Gap:
    return Gap(key=key, reason="hole", after=after, before=after + missing + 1, missing=missing, healing=True)


def test_the_beginning_is_one_entry() -> None:
    """The first connect is told at once, and again when the last symbol is complete."""
    told = Told()
    snapshots: list[tuple[float, Event]] = [(0.02, Snapshot(key="ABC")), (0.02, resynced("ABC"))]

    assert told.after((0.0, Connected()), *snapshots) == ["connected …"]
    assert told.after((0.05, resynced("XYZ"))) == ["connected … all complete in 50 ms, 1 by snapshot"]
    assert told.lines[-1][0] == 0.05
    assert len(told.story.entries) == 1


def test_a_hole_and_its_healing() -> None:
    """The words of the issue: what is missing after what, healed how and how fast."""
    told = Told()
    told.begin()

    assert told.after((1.0, hole("XYZ", 4711, 2))) == ["XYZ: 2 messages missing after 4711 …"]
    assert told.after((1.0, Snapshot(key="XYZ")), (1.0, resynced("XYZ", 0.012))) == [
        "XYZ: 2 messages missing after 4711 … healed by snapshot in 12 ms"
    ]
    assert told.story.longest_repair == 0.012


def test_a_second_hole_joins_the_first() -> None:
    """Holes of a symbol that is being healed are one entry, with their sum."""
    told = Told()
    told.begin()

    told.after((1.0, hole("XYZ", 4711, 2)), (1.1, hole("XYZ", 4720, 3)))

    assert told.after((1.2, resynced("XYZ", 0.2, replayed=4))) == [
        "XYZ: 5 messages missing in 2 holes after 4711 … healed by snapshot in 200 ms, 4 held ones replayed"
    ]


def test_a_lost_line_and_its_return() -> None:
    """Loss, failed attempts and the return are told; what was missing is summed up over all symbols."""
    told = Told()
    told.begin()
    lost = Disconnected(reason="the connection broke: [Errno 104] Connection reset by peer", code=1006, retry_in=0.08)
    refused = Disconnected(
        reason='ws://127.0.0.1:4/feed: upgrade: refused with status 503 Service Unavailable: {"error": "x"}', retry_in=1.25
    )

    assert told.after((2.0, lost), (2.1, refused), (3.4, Connected(attempt=3))) == [
        "line lost, retry in 80 ms: Connection reset by peer",
        "no line, retry in 1.2 s: refused with status 503 Service Unavailable",
        "back after 1.4 s …",
    ]
    assert told.after((3.41, hole("ABC", 7, 3)), (3.41, hole("XYZ", 9, 4)), (3.42, Snapshot(key="ABC"))) == []
    assert told.after((3.42, resynced("ABC")), (3.43, resynced("XYZ"))) == [
        "back after 1.4 s … all complete in 30 ms, 7 missing healed"
    ]


def test_a_line_lost_again_before_all_is_well() -> None:
    """The return that did not last is ended, and the next one counts anew."""
    told = Told()
    told.begin()

    told.after((1.0, Disconnected(reason="a")), (1.1, Connected()), (1.2, hole("ABC", 7, 3)), (1.2, resynced("ABC")))
    assert told.after((1.3, Disconnected(reason="b"))) == ["line lost: b", "back after 100 ms … lost again"]
    assert told.after((1.4, Connected()), (1.5, resynced("ABC")), (1.5, resynced("XYZ"))) == [
        "back after 100 ms …",
        "back after 100 ms … all complete in 100 ms",
    ]


def test_a_restart_is_told_even_on_the_way_back() -> None:
    """Numbers that begin again are an entry of their own, also while the return of a line is open."""
    told = Told()
    gap = Gap(key="ABC", reason="restart", after=4711, before=21, healing=True)

    assert told.after((0.0, Connected()), (0.1, gap), (0.2, resynced("ABC", 0.1)), (0.2, resynced("XYZ"))) == [
        "connected …",
        "ABC: numbers start again, 21 after 4711 …",
        "ABC: numbers start again, 21 after 4711 … healed by snapshot in 100 ms",
        "connected … all complete in 200 ms",
    ]


def test_a_gap_that_stays() -> None:
    """Where no snapshot helps, the entry of the repair is ended, and what stays is said."""
    told = Told()
    told.begin()

    told.after((1.0, hole("XYZ", 4711, 2)))

    assert told.after((2.0, Gap(key="XYZ", reason="unhealed", after=4711))) == [
        "XYZ: 2 messages missing after 4711 … not healed",
        "XYZ: the gap after 4711 stays, no snapshot could heal it",
    ]


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (Quarantined(reason="x", raw=b"{not json \xff"), "put aside what cannot be read: '{not json \N{REPLACEMENT CHARACTER}'"),
        (Dropped(key="ABC", count=3), "ABC: 3 messages thrown away, this program is too slow"),
        (Stale(silence=60.0), "no data for 60.0 s"),
        (Gap(key="ABC", reason="reconnect", after=7, healing=True), "ABC: reconnect after 7 …"),
    ],
)
def test_other_events(event: Event, line: str) -> None:
    """Each has its words."""
    told = Told()
    told.begin()

    assert told.after((1.0, event)) == [line]


def test_events_are_counted_by_name() -> None:
    """Told or not, each event counts."""
    told = Told()
    told.begin()
    told.after((1.0, Closed()), (1.0, hole("ABC", 1, 1)))

    assert told.story.counts == {"Connected": 1, "Resynced": 2, "Closed": 1, "Gap": 1}


def test_faults_notes_and_what_was_held_back() -> None:
    """What is no event of the stream is told the same way."""
    told = Told()
    told.story.fault(Step(1.0, 0.5, "cut", "cuts the line", (Call("cut", {}),)), 1.02)
    told.story.note("warning: slow", 1.5)
    told.story.held_back(1, 2.0)

    assert told.lines == [(1.02, "cuts the line"), (1.5, "warning: slow"), (2.0, "held back 1 message that came twice or late")]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0004, "0.4 ms"), (0.00996, "10 ms"), (0.0123, "12 ms"), (0.9994, "999 ms"), (0.9996, "1.0 s"), (75.0, "75.0 s")],
)
def test_spans(seconds: float, text: str) -> None:
    """Short spans in milliseconds, long ones in seconds, and never "1000 ms"."""
    assert span(seconds) == text


def test_only_so_many_entries_are_kept() -> None:
    """A demo of an hour does not keep all it told."""
    story: Any = Story(("ABC",), lambda *_: None)
    for number in range(1000):
        story.note(str(number), 0.0)

    assert [entry.text for entry in story.entries] == [str(number) for number in range(900, 1000)]
