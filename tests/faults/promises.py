"""What systems of this kind promise, P1 to P16, and the tests that hold this one to each. `test_promises.py` checks the table."""

from __future__ import annotations

from typing import NamedTuple


class Promise(NamedTuple):
    """`tests` are node ids without parameters: file, from the folder of the tests, and function."""

    text: str
    tests: tuple[str, ...]


PROMISES = {
    "P1": Promise(
        "every blocking call has a total deadline, close holds its own in every state",
        (
            "stream/test_close.py::test_close_in_every_state",
            "stream/test_close.py::test_close_from_many_threads_at_once",
            "stream/test_close.py::test_every_blocking_call_is_woken",
            "faults/test_close.py::test_close_in_every_state",
            "test_transport.py::test_a_slow_answer_ends_at_the_deadline",
            "test_proxy.py::test_a_proxy_cannot_hold_the_dial",
            "snapshots/test_client.py::test_a_server_that_drips_is_cut_off",
        ),
    ),
    "P2": Promise(
        "a dead peer is found in time, also in mid-frame and while a callback is slow; no healthy one is held for dead",
        (
            "faults/test_scenarios.py::test_the_fault_is_noticed_and_mended_in_time",
            "faults/test_promises.py::test_p2_silence_in_mid_frame_is_noticed",
            "faults/test_promises.py::test_p2_dripping_bytes_are_no_data",
            "faults/test_promises.py::test_p2_a_dead_line_is_noticed_while_a_callback_blocks",
            "stream/test_overload.py::test_the_pings_of_the_venue_are_answered",
        ),
    ),
    "P3": Promise(
        "memory is bounded by configuration",
        (
            "faults/test_promises.py::test_p3_hostile_venues_cannot_fill_the_memory",
            "core/test_frames.py::test_message_too_big",
            "core/test_frames.py::test_header_alone_takes_no_memory",
            "core/test_frames.py::test_fragments_are_counted",
            "test_transport.py::test_an_endless_header_costs_little_memory",
            "core/test_keys_bounds.py::*",
        ),
    ),
    "P4": Promise(
        "messages come in order, none twice, none altered; loss only across a gap that is told",
        (
            "faults/test_matrix.py::test_whatever_happens_all_is_whole_again",
            "stream/test_healing.py::test_a_fault_is_healed",
            "stream/test_healing.py::test_without_a_source_the_gap_is_told",
            "stream/test_healing.py::test_where_loss_cannot_be_seen_every_reconnect_is_told",
            "world/test_worlds.py::test_random_worlds_keep_every_rule",
        ),
    ),
    "P5": Promise(
        "after recovery the state is the authoritative one",
        (
            "faults/test_matrix.py::test_whatever_happens_all_is_whole_again",
            "stream/test_healing.py::test_a_bad_snapshot_is_asked_for_again",
            "captures/test_binance_spot.py::*",
            "captures/test_kucoin.py::*",
            "world/test_worlds.py::test_worlds_that_hypothesis_draws",
        ),
    ),
    "P6": Promise(
        "every subscription is restored once after a reconnect; what was left in between stays out",
        (
            "stream/test_topics.py::test_changes_hold_after_a_reconnect",
            "stream/test_topics.py::test_changes_while_no_line_is_open_are_not_lost",
            "stream/test_topics.py::test_whatever_happens_the_venue_is_asked_for_what_is_wanted",
            "stream/test_healing.py::test_subscribing_again_after_every_reconnect",
        ),
    ),
    "P7": Promise(
        "what is sent is delivered, failed or unknown; never silently dropped, never half and then the next",
        (
            "stream/test_send.py::test_a_line_that_is_lost_meanwhile_leaves_it_open",
            "stream/test_send.py::test_a_message_of_which_half_is_out_in_time_ends_the_line",
            "stream/test_send.py::test_a_message_that_has_not_begun_in_time_is_never_sent",
            "stream/test_send.py::test_without_a_line_nothing_is_sent",
            "stream/test_send.py::test_a_large_message_arrives_whole",
        ),
    ),
    "P8": Promise(
        "back-off with full jitter, a cap, a reset after stability, Retry-After obeyed; no storm",
        (
            "core/test_backoff.py::test_the_ceiling_doubles_up_to_the_maximum",
            "core/test_backoff.py::test_the_jitter_is_full",
            "core/test_backoff.py::test_what_the_venue_asked_for_is_the_least",
            "faults/test_dialing.py::test_a_venue_that_asks_to_wait_is_obeyed",
            "faults/test_promises.py::test_p8_many_streams_do_not_come_back_at_once",
            "faults/test_scenarios.py::test_the_fault_is_noticed_and_mended_in_time",
        ),
    ),
    "P9": Promise(
        "a slow consumer meets one policy, and is always told",
        (
            "stream/test_overload.py::test_overflow_comes_after_what_was_queued",
            "stream/test_overload.py::test_a_slow_consumer_loses_what_is_old_and_is_healed",
            "stream/test_overload.py::test_block_loses_nothing",
        ),
    ),
    "P10": Promise(
        "nothing leaks; fork, the end of the interpreter and Ctrl-C are safe",
        (
            "faults/test_promises.py::test_p10_a_thousand_reconnects_leave_nothing",
            "stream/test_life.py::test_streams_leave_no_descriptor_and_no_thread",
            "stream/test_outside.py::test_a_fork_leaves_the_parent_alone",
            "stream/test_outside.py::test_the_interpreter_ends_in_time",
            "stream/test_outside.py::test_ctrl_c_ends_every_blocking_call",
        ),
    ),
    "P11": Promise(
        "what the user's code raises never breaks the connection unasked, and is always told",
        (
            "stream/test_on_error.py::test_the_stream_goes_on",
            "stream/test_on_error.py::test_raise_is_the_default_and_chains_the_original",
            "faults/test_secrets.py::test_a_callable_on_the_reader",
            "faults/test_secrets.py::test_a_callable_on_the_dialer",
            "faults/test_secrets.py::test_a_callable_of_a_snapshot",
        ),
    ),
    "P12": Promise(
        "a hostile peer, proxy or redirect cannot read secrets, inject, hang or exhaust",
        (
            "faults/test_secrets.py::test_a_refused_upgrade",
            "faults/test_dialing.py::test_a_redirect_to_another_host_is_followed_and_takes_nothing_along",
            "faults/test_dialing.py::test_a_redirect_is_refused_where_none_may_be_followed",
            "faults/test_dialing.py::test_a_bad_certificate",
            "test_transport.py::test_a_hostile_answer",
            "test_transport.py::test_a_header_with_a_line_break_is_never_sent",
            "test_transport.py::test_the_library_keeps_and_sends_no_cookie",
        ),
    ),
    "P13": Promise(
        "RFC 6455",
        (
            "core/test_frames.py::test_rule",
            "core/test_frames.py::test_any_frames_in_any_chunks",
            "core/test_frames.py::test_reference_agrees",
        ),
    ),
    "P14": Promise(
        "any public call from any thread at any time, over TLS too",
        (
            "faults/test_promises.py::test_p14_any_call_from_any_thread",
            "stream/test_send.py::test_many_threads_may_send_at_once",
            "stream/test_topics.py::test_threads_may_change_topics_at_once",
        ),
    ),
    "P15": Promise(
        "a deterministic simulation of the core",
        (
            "world/test_worlds.py::test_random_worlds_keep_every_rule",
            "world/test_worlds.py::test_a_world_is_the_same_each_time",
            "world/test_worlds.py::test_hours_of_refusal",
        ),
    ),
    "P16": Promise(
        "real middleboxes",
        (
            "faults/test_middleboxes.py::test_an_idle_line_is_cut_and_healed",
            "faults/test_middleboxes.py::test_a_reload_keeps_the_line",
            "faults/test_middleboxes.py::test_a_stop_cuts_and_a_start_heals",
            "faults/test_dialing.py::test_a_real_http_proxy",
            "faults/test_dialing.py::test_a_real_socks_proxy",
        ),
    ),
}
