"""Worlds in which the engine once broke a rule: found by dice, shrunk, and kept. Each runs to its end, the calm after it too."""

from __future__ import annotations

from .config import Config
from .run import run_script


def test_a_hole_found_while_an_incomplete_key_is_asked_for_again_is_told() -> None:
    """The source was given up; while it is asked again a restart throws away what is held, and that is told."""
    config = Config(
        source="whole", keys=4, classify=False, restart_after=30, concurrency=4, attempts=2, flow=0.02, calm_latency=0.05
    )
    script = [("rest", "odd", 5.0, 0.0), ("wait", 2.5), ("restart", 2), ("mute", 0, True), ("wait", 7.0), ("wait", 7.0)]
    run_script(config, script, seed=2017)


def test_a_loss_while_an_incomplete_key_is_asked_for_again_is_told() -> None:
    """The same, with a line lost while nothing is held: what comes after does not go on from what was delivered before."""
    config = Config(scope="connection", ranges="overlap", heartbeat=2.0, concurrency=1, attempts=8, calm_latency=1.0)
    script = [
        ("wait", 1.0),
        ("trade", 3, 1, "", 0),
        ("trade", 2, 5, "swap", 2),
        ("rest", "fail", 0.05, 0.0),
        ("jump", 100.0),
        ("wait", 0.3),
        ("wait", 1.0),
        ("dials", "fatal", 0.0, 0.0),
        ("trade", 3, 1, "", 1),
        ("wait", 2.5),
        ("wait", 7.0),
        ("dials", "open", 0.05, 0.0),
        ("rest", "fail", 1.5, 0.0),
        ("wait", 2.5),
        ("trade", 4, 1, "", 0),
        ("wait", 7.0),
        ("trade", 4, 1, "", 1),
        ("trade", 2, 1, "skip", 2),
        ("wait", 1.0),
    ]
    run_script(config, script, seed=3022)


def test_an_incomplete_key_that_no_message_proved_is_not_unbroken() -> None:
    """It is asked for again after the line was lost, in vain: what was missed in between is told."""
    config = Config(
        scope="connection", ranges="range", keys=4, heartbeat=2.0, restart_after=8, concurrency=4, attempts=2, calm_interval=0.5
    )
    script = [
        ("wait", 2.5),
        ("trade", 2, 2, "twice", 0),
        ("rest", "slow", 0.05, 0.0),
        ("jump", 0.5),
        ("trade", 2, 5, "skip", 0),
        ("wait", 2.5),
        ("wait", 2.5),
    ]
    run_script(config, script, seed=3123)


def test_what_is_thrown_away_when_a_key_is_given_up_does_not_hide_a_hole() -> None:
    """Versions start anew behind a channel's counter while a key is held: they look old, and what comes next has to join."""
    config = Config(
        scope="shared",
        ranges="overlap",
        lines=2,
        keys=4,
        heartbeat=2.0,
        classify=False,
        restart_after=30,
        concurrency=1,
        attempts=2,
        flow=0.02,
        calm_latency=1.0,
        calm_interval=0.5,
    )
    script = [("wait", 2.5), ("trade", 4, 2, "skip", 2), ("trade", 3, 1, "", 2), ("restart", 3), ("wait", 2.5)]
    run_script(config, script, seed=5375)


def test_a_restart_that_only_snapshots_show_is_seen_though_the_source_is_given_up_again_and_again() -> None:
    """A silent key: its snapshots stay behind for a minute, longer than the source gets each time."""
    config = Config(
        scope="connection",
        keys=4,
        reorder=0.4,
        heartbeat=2.0,
        classify=False,
        start=True,
        restart_after=30,
        concurrency=4,
        attempts=2,
        hold_limit=8,
        maxsize=64,
        calm_latency=0.05,
        calm_interval=0.5,
    )
    script = [
        ("wait", 0.005),
        ("wait", 7.0),
        ("recount",),
        ("rest", "lost", 1.5, 1.0),
        ("ping", 0),
        ("trade", 1, 1, "late", 2),
        ("dials", "open", 3.5, 0.0),
        ("trade", 4, 1, "", 0),
        ("wait", 7.0),
        ("take", 4),
        ("restart", 0),
        ("wait", 0.005),
    ]
    run_script(config, script, seed=286)


def test_a_restart_right_after_a_state_in_band_is_seen_on_two_lines() -> None:
    """The state in-band is the last the lines have shown: numbers below it go backwards, and are not those of a slower line."""
    for source in ("none", "rest"):
        config = Config(source=source, lines=2, calm_interval=0.5)
        run_script(config, [("wait", 0.3), ("whole", 1), ("restart", 1)])


def test_a_key_that_has_to_join_still_has_to_when_its_source_was_asked_again_in_vain() -> None:
    """Versions start anew behind a channel's counter, and look old; a second give-up must remember that."""
    config = Config(
        scope="shared",
        ranges="overlap",
        lines=2,
        reorder=0.05,
        heartbeat=2.0,
        attempts=2,
        policy="drop_oldest",
        maxsize=24,
        view="default",
        calm_interval=0.5,
    )
    script = [
        ("wait", 1.0),
        ("trade", 2, 1, "", 1),
        ("trade", 1, 1, "skip", 2),
        ("trade", 0, 1, "", 2),
        ("restart", 0),
        ("trade", 2, 1, "", 2),
        ("wait", 2.5),
    ]
    run_script(config, script, seed=10004028)


def test_a_line_that_went_mute_while_the_other_was_away_has_covered_nothing() -> None:
    """Line 1 is opened after the last message of line 0: what was lost in between is found, though a line was always open."""
    config = Config(lines=2, keys=2, calm_interval=0.5)
    script = [
        ("wait", 0.3),
        ("trade", 0, 3, "", 2),
        ("trade", 1, 3, "", 2),
        ("wait", 1.0),
        ("half", 0),
        ("cut", 1, False),
        ("trade", 0, 2, "", 2),
        ("wait", 7.0),
    ]
    for seed in range(8):
        run_script(config, script, seed)


def test_a_dial_that_is_refused_for_good_is_not_abandoned() -> None:
    """The first dial ends the stream with its refusal; it is over, and nobody is told to give it up."""
    run_script(Config(first_dial="fatal"), [("wait", 1.0)])


def test_nothing_is_dialled_at_the_moment_at_which_the_stream_gives_up() -> None:
    """The clock stands past the wait of a line and past the limit of the first connection: the limit counts."""
    run_script(Config(first_dial="slow"), [("wait", 0.1), ("jump", 100.0)])


def test_a_line_that_was_just_pinged_is_not_pinged_again_when_reading_stops() -> None:
    """What fills the queue comes at the moment of the ping: a subscription that was not acknowledged is told."""
    config = Config(source="none", acks="id", policy="block")
    run_script(config, [("wait", 0.3), ("stall", True), ("trade", 0, 15, "", 2), ("lost", 1), ("subscribe", 1), ("wait", 2.5)])


def test_what_counts_anew_twice_while_a_key_is_given_up_is_not_left_out() -> None:
    """Held are the old numbers, one message of lower ones and then higher ones: each follows on the channel, and is delivered."""
    config = Config(
        scope="shared", ranges="overlap", keys=1, heartbeat=2.0, restart_after=30, attempts=2, maxsize=24, flow=0.02,
        calm_latency=1.0, calm_interval=0.1, script=True, lifetime=12.0, keepalive=1.5, budget=4,
    )  # fmt: skip
    script = [
        ("wait", 2.5),
        ("rest", "fatal", 0.0, 0.0),
        ("trade", 1, 1, "late", 2),
        ("wait", 7.0),
        ("rest", "ok", 5.0, 0.0),
        ("wait", 2.5),
        ("restart", 0),
        ("trade", 1, 1, "", 1),
        ("restart", 0),
        ("wait", 2.5),
    ]
    run_script(config, script, seed=30004758)


def test_snapshots_wait_for_the_call_that_asks_for_everything() -> None:
    """The venue resumes while the topics of two silent keys are being asked for again: their answers are not taken for it."""
    config = Config(
        scope="growing", keys=5, heartbeat=2.0, restart_after=3, concurrency=4, attempts=2, policy="raise", maxsize=64,
        view="default", flow=0.3, calm_latency=0.05, calm_interval=0.5, acks="key", quiet_after=3.0,
    )  # fmt: skip
    run_script(config, [("wait", 2.5), ("jump", 3.0), ("notice", 0, "resume")], seed=30018376)


def test_what_flows_though_it_was_refused_once_more_may_be_asked_for_again() -> None:
    """The venue refuses a topic that it goes on to send; when that falls silent it is not as if it had never come."""
    config = Config(
        scope="growing", keys=5, heartbeat=2.0, restart_after=3, concurrency=4, attempts=2, policy="raise", maxsize=64,
        view="default", flow=0.3, calm_latency=0.05, calm_interval=0.5, acks="key", quiet_after=3.0,
    )  # fmt: skip
    script = [
        ("rest", "slow", 5.0, 1.0),
        ("wait", 2.5),
        ("jump", 3.0),
        ("notice", 0, "resume"),
        ("deaf", 2),
        ("wait", 2.5),
        ("jump", 20.0),
    ]
    run_script(config, script, seed=30018376)


def test_a_goodbye_in_the_read_that_ends_the_stream_is_not_waited_for() -> None:
    """The only topic is refused, and the venue closes behind it: the connection is over at once."""
    config = Config(
        scope="growing", keys=1, heartbeat=2.0, concurrency=4, attempts=2, hold_limit=60, policy="raise", maxsize=24,
        view="default", script=True, acks="id", lifetime=12.0, quiet_after=3.0, keepalive=1.5,
    )  # fmt: skip
    script = [("unsubscribe", 0), ("wait", 0.3), ("deaf", 0), ("subscribe", 4), ("bye", 0, 1008)]
    run_script(config, script, seed=40020448)


def test_a_resubscription_under_way_is_not_said_when_the_last_topic_is_left() -> None:
    """The venue asks for it, and the user leaves all before the callable has said how."""
    config = Config(
        source="none", reorder=0.05, heartbeat=2.0, restart_after=3, concurrency=4, hold_limit=8, policy="drop_oldest",
        maxsize=64, calm_interval=0.5, acks="id", quiet_after=3.0, keepalive=1.5,
    )  # fmt: skip
    script = [
        ("unsubscribe", 4),
        ("wait", 0.1),
        ("notice", 1, "resubscribe"),
        ("unsubscribe", 1),
        ("notice", 1, "pause"),
        ("lag", 1, True),
        ("wait", 2.5),
    ]
    run_script(config, script, seed=92002697)


def test_what_a_loss_of_the_line_hides_before_numbers_that_start_anew_is_told() -> None:
    """A key is given up with what was held before the loss; the first message of the new line says that it counts anew."""
    config = Config(
        heartbeat=2.0, concurrency=1, attempts=2, hold_limit=8, maxsize=64, calm_latency=0.05, calm_interval=0.5,
        idle=True, resets=True,
    )  # fmt: skip
    script = [
        ("dials", "open", 0.5, 0.0),
        ("wait", 1.0),
        ("trade", 4, 1, "twice", 2),
        ("cut", 0, True),
        ("wait", 2.5),
        ("trade", 1, 2, "", 1),
        ("wait", 0.1),
        ("cut", 0, False),
        ("trade", 3, 1, "twice", 0),
        ("wait", 1.0),
        ("wait", 0.1),
        ("trade", 1, 2, "", 2),
        ("cut", 1, True),
        ("wait", 2.5),
        ("notice", 0, "resume"),
        ("wait", 7.0),
        ("rest", "ok", 1.5, 0.0),
        ("stands", 1),
        ("trade", 4, 1, "late", 0),
        ("cut", 0, True),
        ("trade", 1, 5, "", 2),
        ("wait", 2.5),
        ("trade", 2, 5, "skip", 1),
        ("wait", 7.0),
        ("stands", 2),
        ("trade", 4, 1, "skip", 0),
        ("rest", "lost", 0.0, 1.0),
        ("trade", 0, 1, "", 2),
        ("wait", 2.5),
        ("trade", 3, 1, "skip", 0),
        ("trade", 1, 1, "", 2),
        ("wait", 1.0),
        ("wait", 0.3),
        ("rest", "ok", 0.4, 0.0),
        ("trade", 0, 1, "swap", 2),
        ("cut", 1, True),
        ("trade", 3, 1, "", 1),
        ("restart", 1),
        ("wait", 7.0),
    ]
    run_script(config, script, seed=71002897)


def test_an_answer_to_an_older_request_is_not_joined_where_much_was_let_go_of() -> None:
    """More came than may be held, the request is out of time, and its late answer comes right behind the next one."""
    config = Config(
        scope="growing", source="asked", keys=5, concurrency=4, attempts=2, hold_limit=8, policy="block", maxsize=24,
        view="default", flow=0.02, calm_latency=0.05, calm_interval=0.5, quiet_after=3.0, keepalive=1.5, packed=True,
        alias=True,
    )  # fmt: skip
    run_script(config, [("rest", "stale", 5.0, 0.0), ("wait", 7.0)], seed=2073002307)
