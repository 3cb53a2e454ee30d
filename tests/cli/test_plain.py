"""Tests of the plain view: a line for each event, one for each second, and nothing but text."""

from __future__ import annotations

import io

import msgspec

from syncstream.cli.plain import Plain
from syncstream.cli.story import Entry
from tests.cli.pictures import RUN, about, delta, judged, picture, snapshot


def lines_of(out: io.StringIO) -> list[str]:
    return out.getvalue().splitlines()


def test_the_beginning_says_what_this_is() -> None:
    """What it promises, with which seed, settings and faults, and what there was no time for."""
    out = io.StringIO()
    Plain(out).began(about())
    said = out.getvalue()

    for part in (
        "on purpose",
        "exactly what the venue has",
        "seed 7, 5 symbols",
        "15 faults",
        "heartbeat=0.5",
        "no time for: mute",
    ):
        assert part in said


def test_events_and_seconds() -> None:
    """An event is a line at its moment; of many pictures in a second one becomes a line."""
    out = io.StringIO()
    plain = Plain(out)

    plain.told(Entry(1.0, "fault", "cuts the line"), 1.0)
    for tenth in range(11, 40):
        plain.show(picture(elapsed=tenth / 10))
    plain.told(Entry(1.0, "good", "ABC: well"), 4.25)

    assert lines_of(out) == [
        "  1.00  VENUE   cuts the line",
        *(
            f"  {at}  ------  4/5 complete, 198 msg/s, lag 0.4 ms, gaps 10 found 9 healed, reconnects 3; "
            "so far 0 lost, 0 twice, 0 out of order"
            for at in ("1.10", "2.00", "3.00")
        ),
        "  4.25  stream  ABC: well",
    ]


def test_verdicts_in_words() -> None:
    """Each verdict begins with its name; differences stand below it, and what the venue did is counted."""
    equal, unequal, interrupted = io.StringIO(), io.StringIO(), io.StringIO()
    good = (snapshot(), delta(11), delta(12), delta(13))
    Plain(equal).verdict(judged(*good))
    Plain(unequal).verdict(judged(*good[:-1]))
    Plain(interrupted).verdict(judged(*good[:-1], run=msgspec.structs.replace(RUN, interrupted=True)))

    assert lines_of(equal)[1:] == [
        "VERDICT: equal. The symbol is exactly as at the venue: position, price levels, sizes, volume.",
        "delivered: 3 messages; 0 lost, 0 duplicated, 0 out of order",
        "the venue: messages lost 5",
        "the stream: gaps found 2, healed 2; reconnects 1; longest repair 0.0 ms",
    ]
    assert lines_of(unequal)[1] == "VERDICT: NOT EQUAL"
    assert lines_of(unequal)[2].startswith("  ABC: position 12, true 13")
    assert lines_of(interrupted)[1] == "VERDICT: interrupted, nothing was compared"
