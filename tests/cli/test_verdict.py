"""Tests of the verdict: equal only if all is equal, and the differences named."""

from __future__ import annotations

import msgspec
import pytest

from syncstream import Gap
from tests.cli.pictures import RUN, delta, judged, snapshot


def test_equal() -> None:
    """A snapshot and all that followed is the true state: exit code 0, nothing to name."""
    result = judged(snapshot(), delta(11), delta(12), delta(13))

    assert (result.verdict, result.exit_code, result.differences) == ("equal", 0, ())
    assert (result.messages, result.lost, result.duplicated, result.out_of_order) == (3, 0, 0, 0)
    assert (result.gaps_found, result.gaps_healed, result.reconnects) == (2, 2, 1)
    assert result.symbols["ABC"].equal


def test_the_run_is_in_the_result() -> None:
    """What was injected, what the venue counted of it, and for how long."""
    result = judged(snapshot(), delta(11), delta(12), delta(13))

    assert (result.seed, result.duration, result.faults, result.left_out) == (7, 20.412, {"drop": 2}, ("mute",))
    assert result.venue == {"dropped": 5}, "only faults, and only those that happened"


@pytest.mark.parametrize(
    ("items", "differences"),
    [
        (
            [snapshot(), delta(11), delta(13)],
            ("ABC: volume 12, true 13; bids at 9.12 0, true 1", "ABC: 1 message lost without a word"),
        ),
        (
            [snapshot(), delta(11), delta(11), delta(12), delta(13)],
            ("ABC: volume 14, true 13", "ABC: 1 message delivered twice"),
        ),
        ([snapshot(), delta(12), delta(11), delta(13)], ("ABC: 1 message delivered out of order",)),
        ([snapshot(), delta(11), delta(12)], ("ABC: position 12, true 13; volume 12, true 13; bids at 9.13 0, true 1",)),
        ([snapshot(), delta(11), delta(12), delta(13, size=2)], ("ABC: bids at 9.13 2, true 1",)),
        (
            [snapshot(), delta(11), Gap(key="ABC", reason="unhealed"), delta(13)],
            ("ABC: unknown since a gap (unhealed), true position 13",),
        ),
        ([], ("ABC: nothing received, true position 13",)),
    ],
    ids=["lost", "twice", "out of order", "behind", "wrong size", "unhealed", "nothing"],
)
def test_unequal(items: list[object], differences: tuple[str, ...]) -> None:
    """Whatever is wrong makes exit code 1 and is named, also where the states happen to be equal."""
    result = judged(*items)

    assert (result.verdict, result.exit_code, result.differences) == ("unequal", 1, differences)


def test_a_stream_that_ended_early_is_not_equal() -> None:
    """Even with the true state at hand: the stream should not have ended."""
    result = judged(snapshot(), delta(11), delta(12), delta(13), run=msgspec.structs.replace(RUN, error="Overflow: too slow"))

    assert (result.exit_code, result.differences) == (1, ("the stream ended: Overflow: too slow",))


def test_interrupted() -> None:
    """Ctrl-C is neither equal nor unequal: the market went on meanwhile, so nothing is said against the stream."""
    result = judged(snapshot(), delta(11), run=msgspec.structs.replace(RUN, interrupted=True))

    assert (result.verdict, result.exit_code, result.differences) == ("interrupted", 130, ())
    assert result.messages == 1
