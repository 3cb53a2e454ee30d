"""Many random worlds, from dice and from Hypothesis; and that the same seed is always the same world."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .config import NAMED, OTHER_KINDS, Config, draw_config
from .lines import LineWatch
from .run import LINE_SEEDS, Found, plan, run_script, run_worlds, violation_of
from .script import steps
from .silences import Silences
from .violation import Violation

WORLDS, STEPS = 1000, 200


@pytest.mark.slow
@pytest.mark.timeout(170)
@pytest.mark.parametrize("share", range(5))
def test_random_worlds_keep_every_rule(share: int) -> None:
    """A thousand worlds of two hundred steps, each calmed down at the end, without a violation."""
    found = run_worlds(share * WORLDS // 5, WORLDS // 5, STEPS)
    assert found is None, str(found)


@pytest.mark.slow
@pytest.mark.timeout(170)
def test_random_worlds_of_other_kinds_keep_every_rule() -> None:
    """Chains whose numbers skip, counters that only say where they stand or start anew by right, and packed frames."""
    found = run_worlds(OTHER_KINDS, 200, STEPS)
    assert found is None, str(found)


@pytest.mark.slow
@pytest.mark.timeout(170)
def test_random_worlds_with_names_of_the_connection_keep_every_rule() -> None:
    """Ids that another key had on the connection before, over every other kind of feed."""
    found = run_worlds(NAMED, 200, STEPS)
    assert found is None, str(found)


@settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None)
@given(seed=st.integers(0, 10_000), script=st.lists(steps(), max_size=60))
def test_worlds_that_hypothesis_draws(seed: int, script: list[Any]) -> None:
    """Scripts of another distribution than the dice's; a failing one is shrunk to its shortest."""
    config = draw_config(random.Random(seed))
    violation = violation_of(config, script, seed)
    if violation is not None:
        raise AssertionError(str(Found(violation, seed, len(script), config, script)))


def test_hours_of_refusal() -> None:
    """More attempts in a row than an exponent can stand; then the venue is back, and all is well within the bound."""
    script = [("wait", 1.0), ("trade", 0, 1, "", 2), ("dials", "retry", 0.0, 0.0), ("cut", 0, False), ("wait", 2500.0)]
    report = run_script(Config(), script)
    assert report.items > 1100


def test_a_world_is_the_same_each_time() -> None:
    """The same seed gives the same steps, faults, deliveries and recovery."""
    config, script = plan(7, 150)
    assert run_script(config, script, 7) == run_script(config, script, 7)


def test_a_violation_says_how_to_see_it_again() -> None:
    """Its text has the check, the configuration, the script and the command."""
    violation = violation_of(Config(keys=0), [("trade", 0, 1, "", 2)], 0)
    assert violation is not None
    text = str(Found(violation, 3, 200, Config(keys=1), [("wait", 1.0)]))
    assert "Config(keys=1)" in text
    assert "('wait', 1.0)" in text
    assert "python -m tests.world --seed 3 --steps 200 --worlds 1" in text


def test_a_full_queue_of_a_closed_stream_is_no_violation() -> None:
    """The consumer takes what is left, a few at a time: nothing is read any more, whatever is queued."""
    config = Config(lines=2, keys=1, policy="block", maxsize=64, flow=0.02)
    run_script(config, [("stall", True), ("wait", 2.8), ("close",), ("take", 4), ("take", 4)], seed=10000107)


def test_the_end_of_a_line_that_was_never_live_puts_nothing_off() -> None:
    """Line 1 is live and its keys are being verified when line 0 gets no answer to its opening: they are asked for in time."""
    config = Config(
        ranges="range", lines=2, keys=4, restart_after=3, hold_limit=8, policy="drop_oldest", maxsize=24, view="default",
        calm_interval=0.5, script=True, acks="count", quiet_after=3.0,
    )  # fmt: skip
    script = [
        ("lost", 4),
        ("wait", 2.5),
        ("entry", ""),
        ("whole", 0),
        ("trade", 3, 1, "", 2),
        ("cut", 1, True),
        ("wait", 2.5),
        ("wait", 0.3),
        ("trade", 2, 5, "", 0),
        ("wait", 2.5),
        ("trade", 1, 1, "", 1),
        ("echo", 0),
        ("rest", "slow", 0.4, 0.0),
        ("whole", 2),
        ("trade", 3, 5, "", 2),
        ("cut", 1, False),
        ("rest", "lost", 0.05, 0.0),
        ("trade", 2, 1, "skip", 0),
        ("wait", 0.3),
        ("trade", 4, 1, "", 2),
        ("wait", 2.5),
        ("rest", "stale", 0.0, 1.0),
        ("wait", 2.5),
        ("garbage", 0, "masked"),
        ("rest", "ok", 0.4, 0.0),
        ("wait", 0.3),
    ]
    run_script(config, script, seed=10001378)


def test_a_hole_ends_the_time_that_messages_have_to_prove_a_key() -> None:
    """It is found in the same bytes as the notice to subscribe again: the request that was waiting goes out as it was due."""
    config = Config(ranges="overlap", source="whole", keys=1, reorder=0.4, concurrency=1, policy="block", maxsize=24)
    script = [
        ("wait", 0.3),
        ("whole", 4),
        ("lag", 1, True),
        ("rest", "slow", 0.05, 0.0),
        ("trade", 1, 2, "twice", 2),
        ("wait", 7.0),
        ("trade", 4, 1, "", 1),
        ("notice", 0, "resubscribe"),
    ]
    run_script(config, script, seed=20001793)


def test_a_close_frame_behind_what_cannot_be_read_closes_nothing() -> None:
    """They come in one read: the line ends with the reorder window, as for broken frames."""
    config = Config(
        scope="connection", ranges="range", keys=3, reorder=0.4, restart_after=3, concurrency=1, hold_limit=8, policy="block",
        maxsize=64, flow=0.02, calm_interval=0.5, acks="id", quiet_after=3.0,
    )  # fmt: skip
    script = [
        ("wait", 0.1),
        ("wait", 0.02),
        ("trade", 3, 5, "late", 0),
        ("wait", 0.3),
        ("rest", "ok", 5.0, 1.0),
        ("stall", True),
        ("wait", 0.3),
        ("restart", 0),
        ("wait", 0.3),
        ("wait", 7.0),
        ("jump", 3.0),
        ("jump", 100.0),
        ("wait", 7.0),
        ("unsubscribe", 2),
        ("wait", 7.0),
        ("wait", 1.0),
        ("wait", 1.0),
        ("wait", 7.0),
        ("garbage", 1, "huge"),
        ("bye", 0, 0),
    ]
    run_script(config, script, seed=30019146)


def test_what_leaves_a_topic_names_it_as_the_dialer_does() -> None:
    """By count its answer has a place in the row, and is not taken for that of the subscription that follows."""
    config = Config(
        scope="shared", ranges="range", keys=1, heartbeat=2.0, restart_after=30, concurrency=4, attempts=8, hold_limit=60,
        policy="block", maxsize=24, calm_interval=0.1, acks="count", lifetime=40.0, quiet_after=3.0, keepalive=1.5, budget=4,
    )  # fmt: skip
    script = [
        ("dials", "open", 0.5, 1.5),
        ("unsubscribe", 2),
        ("wait", 0.1),
        ("lag", 1, True),
        ("wait", 0.3),
        ("deaf", 3),
        ("wait", 2.5),
        ("unsubscribe", 4),
        ("subscribe", 4),
        ("wait", 1.0),
    ]
    run_script(config, script, seed=50003794)


def test_what_comes_late_behind_a_new_subscription_says_nothing_of_where_the_key_stands() -> None:
    """Without numbers an old message is delivered like any other, and the next one does not follow it."""
    config = Config(scope="none", source="none", keys=4, classify=False, policy="block", maxsize=24, calm_latency=1.0)
    script = [("wait", 1.0), ("trade", 2, 1, "late", 2), ("trade", 2, 5, "", 2), ("unsubscribe", 2), ("subscribe", 2)]
    run_script(config, script, seed=60009268)


def test_the_first_bytes_of_what_cannot_be_read_may_say_so() -> None:
    """The clock jumps past a lifetime with half of a masked frame read; the rest shows in time that the line is over."""
    config = Config(
        scope="none", source="none", keys=1, attempts=2, policy="raise", maxsize=24, calm_interval=0.1, script=True, acks="id",
        lifetime=12.0, quiet_after=3.0, keepalive=1.5,
    )  # fmt: skip
    script = [
        ("wait", 0.3),
        ("chunks", 1, 3, 7),
        ("jump", 3.0),
        ("trade", 3, 1, "", 0),
        ("garbage", 0, "masked"),
        ("jump", 100.0),
    ]
    run_script(config, script, seed=90019632)


def test_a_silence_that_was_told_late_is_told_next_after_more_than_it_was() -> None:
    """One look, a hundred seconds late, tells it for all the times it was missed."""
    watch = LineWatch(0, Config(quiet_after=3.0))
    watch.open = 1
    silences = Silences(3.0, 0.0)
    silences.delivered("A", 0.0, counts=True)
    silences.stale("A", [watch], 100.0)
    silences.check([watch], 100.0 + 192.0)
    with pytest.raises(Violation, match="quiet"):
        silences.check([watch], 100.0 + 192.0 * 1.3 + 3.0)


def test_a_silence_that_was_told_late_may_be_told_soon_again() -> None:
    """The look was 22 s after the key spoke, and the next moment is 24 s after it, whatever jumps in between."""
    script = [
        ("wait", 7.0),
        ("deaf", 4),
        ("garbage", 0, "huge-in-pieces"),
        ("wait", 2.5),
        ("wait", 2.5),
        ("jump", 20.0),
        ("half", 1),
        ("jump", 0.5),
    ]
    config = Config(
        ranges="range", policy="raise", maxsize=64, view="default", flow=0.3, calm_latency=0.05, calm_interval=0.5, acks="id",
        lifetime=40.0, quiet_after=3.0, packed=True,
    )  # fmt: skip
    run_script(config, script, seed=20004449)


def test_an_old_message_behind_a_gap_says_nothing_of_where_the_key_stands() -> None:
    """Without numbers it is held like any other when too much was held, and delivered when the source is given up."""
    config = Config(
        scope="none", source="whole", heartbeat=2.0, classify=False, concurrency=1, attempts=2, hold_limit=8, policy="conflate",
        maxsize=24, view="default", flow=0.3, calm_latency=0.05, calm_interval=0.5,
    )  # fmt: skip
    script = [
        ("wait", 0.1),
        ("wait", 1.0),
        ("wait", 2.5),
        ("lag", 1, True),
        ("wait", 7.0),
        ("rest", "ok", 5.0, 0.0),
        ("wait", 0.1),
        ("wait", 0.3),
        ("echo", 3),
        ("echo", 2),
        ("cut", 0, True),
        ("wait", 1.0),
        ("wait", 2.5),
        ("cut", 1, True),
        ("deaf", 3),
        ("wait", 1.0),
        ("trade", 0, 1, "", 1),
        ("wait", 2.5),
        ("rest", "slow", 0.4, 0.0),
        ("trade", 0, 1, "", 0),
        ("trade", 0, 2, "", 1),
        ("again", 0, 3),
        ("wait", 2.5),
    ]
    run_script(config, script, seed=92029172)


@pytest.mark.slow
@pytest.mark.timeout(170)
@pytest.mark.parametrize("share", range(3))
def test_worlds_whose_snapshots_come_over_the_line_keep_every_rule(share: int) -> None:
    """Subscribed again, connected anew, asked for by request; and keys that a checksum has shown to be wrong."""
    found = run_worlds(LINE_SEEDS + share * 100, 100, STEPS)
    assert found is None, str(found)
