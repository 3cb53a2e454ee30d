"""Real threads, real sockets, the public API: what a stream does when threads, processes and signals meet it at any moment.

`python -m tests.threads --repeat 50` runs this folder fifty times in a row. The table says which tests prove what; those that
stand elsewhere are named, not repeated. `tests/test_threads.py` checks that each of them exists.
"""

from __future__ import annotations

HERE = "tests/threads/"
CLOSE = "tests/stream/test_close.py::"
LIFE = "tests/stream/test_life.py::"
OUTSIDE = "tests/stream/test_outside.py::"
WORKERS = "tests/test_workers.py::"

IN_EACH_STATE = f"{CLOSE}test_close_in_every_state"
FURTHER = f"{HERE}test_states.py::test_close_in_the_further_states"
WOKEN = f"{CLOSE}test_every_blocking_call_is_woken"
FROM_WITHIN = f"{CLOSE}test_close_from_a_callback"
EACH_CALL = f"{HERE}test_each_call.py::test_close_at_each_call_of_a_thread"
HURRIED = (
    f"{HERE}test_lives.py::test_streams_side_by_side",
    f"{HERE}test_lives.py::test_start_and_close_at_once",
    f"{HERE}test_lives.py::test_many_threads_ask_a_closed_stream",
    f"{HERE}test_consumers.py::test_consumers_share_every_message_once",
    f"{HERE}test_consumers.py::test_order_per_key_on_many_workers",
    f"{HERE}test_consumers.py::test_callbacks_that_raise_together",
    f"{HERE}test_consumers.py::test_any_call_from_any_thread",
)

PROOFS: dict[str, tuple[str, ...]] = {
    "start and stop 200 times": (f"{HERE}test_lives.py::test_two_hundred_streams_one_after_the_other",),
    "close during a dial": (
        IN_EACH_STATE,
        FURTHER,
        EACH_CALL,
        f"{HERE}test_states.py::test_close_during_the_very_first_dial",
        f"{CLOSE}test_close_before_anything_was_live",
    ),
    "close during an upgrade": (IN_EACH_STATE, FURTHER, f"{HERE}test_states.py::test_close_during_the_very_first_dial"),
    "close during a read": (IN_EACH_STATE, FURTHER, EACH_CALL),
    "close during a back-off": (IN_EACH_STATE, FURTHER),
    "close during a fetch": (IN_EACH_STATE, EACH_CALL),
    "close during a blocked get, get_many, iteration, join": (WOKEN, FURTHER),
    "close during a send": (f"{CLOSE}test_a_send_that_is_stuck_is_woken",),
    "close during a callback, from within": (FROM_WITHIN, f"{CLOSE}test_draining_from_a_callback_lets_the_rest_follow"),
    "close during a callback, from outside": (
        FURTHER,
        f"{CLOSE}test_draining_ends_when_its_time_is_over",
        f"{CLOSE}test_a_callback_that_fails_while_the_stream_closes_is_heard",
    ),
    "close by many threads at once": (f"{CLOSE}test_close_from_many_threads_at_once",),
    "close at each call of a thread": (EACH_CALL,),
    "two consumers, ten consumers": (
        f"{HERE}test_consumers.py::test_consumers_share_every_message_once",
        f"{HERE}test_consumers.py::test_all_consumers_hear_of_a_failure",
    ),
    "order per key with many workers": (
        f"{HERE}test_consumers.py::test_order_per_key_on_many_workers",
        f"{HERE}test_consumers.py::test_who_waits_for_the_end_takes_no_wake_up_from_a_worker",
        f"{WORKERS}test_every_item_once_and_in_order_per_key",
        f"{WORKERS}test_a_busy_key_does_not_hold_up_others",
    ),
    "a callback that raises": (
        f"{HERE}test_consumers.py::test_callbacks_that_raise_together",
        "tests/stream/test_consuming.py::test_a_callback_that_raises_ends_the_stream_loudly",
        f"{CLOSE}test_a_callback_may_close_and_then_fail",
        f"{WORKERS}test_whatever_a_handler_raises_is_reported_once",
    ),
    "a dropped stream, in each state": (
        f"{HERE}test_states.py::test_a_stream_dropped_in_each_state",
        f"{HERE}test_states.py::test_a_stream_may_be_dropped_by_its_own_threads",
        f"{LIFE}test_a_dropped_stream_closes_itself",
        f"{LIFE}test_a_stream_in_a_cycle_closes_when_it_is_collected",
        f"{LIFE}test_a_stream_may_be_dropped_wherever_a_finalizer_runs",
    ),
    "fork, in each state": (
        f"{HERE}test_processes.py::test_a_fork_in_each_state",
        f"{HERE}test_processes.py::test_the_child_keeps_no_dial_that_is_under_way",
        f"{OUTSIDE}test_a_fork_leaves_the_parent_alone",
    ),
    "the end of the interpreter, in each state": (
        f"{HERE}test_processes.py::test_the_end_of_the_interpreter_in_each_state",
        f"{HERE}test_lives.py::test_the_end_of_the_interpreter_while_others_open_streams",
        f"{OUTSIDE}test_the_interpreter_ends_in_time",
        f"{LIFE}test_the_end_of_the_interpreter_is_one_second_for_all",
    ),
    "Ctrl-C in each blocking wait": (
        f"{HERE}test_processes.py::test_ctrl_c_in_the_further_waits",
        f"{OUTSIDE}test_ctrl_c_ends_every_blocking_call",
        f"{OUTSIDE}test_ctrl_c_leaves_a_with_block",
    ),
    "a switch of threads at every moment": HURRIED,
    "any call from any thread": (f"{HERE}test_consumers.py::test_any_call_from_any_thread",),
    "many streams at once": (f"{HERE}test_lives.py::test_streams_side_by_side",),
    "descriptors, threads and memory stay flat": (
        f"{HERE}test_lives.py::test_nothing_grows_over_many_reconnects",
        f"{HERE}test_lives.py::test_two_hundred_streams_one_after_the_other",
        f"{LIFE}test_streams_leave_no_descriptor_and_no_thread",
    ),
    "deadlines are held, and a test of them can fail": (
        "tests/test_deadlines.py::test_a_check_that_could_not_fail_is_refused",
        f"{HERE}test_states.py::test_a_close_that_ignores_its_deadline_would_be_found",
    ),
}
"""What issue 3 asks of real threads, and which tests prove it."""

ELSEWHERE = sorted({test for tests in PROOFS.values() for test in tests if not test.startswith(HERE)})
