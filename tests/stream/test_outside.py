"""A stream in a program of its own: Ctrl-C in every blocking call, the end of the interpreter, fork, and what is printed."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Iterator

import pytest

from syncstream import Feed, Stream
from syncstream.testing import Broker
from tests.deadlines import SLACK

from .outside import Program, interrupt_every_call, subscribed
from .setting import PATIENCE

SECOND = 1.0


@pytest.fixture
def broker() -> Iterator[Broker]:
    with Broker(symbols=("ABC",), rate=0, heartbeat=0.2) as broker:
        yield broker


# ---------------------------------------------------------------- Ctrl-C


def test_ctrl_c_ends_every_blocking_call(broker: Broker) -> None:
    """Within a second, with KeyboardInterrupt; nothing is printed, and the stream goes on."""
    took = interrupt_every_call(broker)
    assert {name: seconds for name, seconds in took.items() if seconds > SECOND + SLACK} == {}


SIGNALLED = """
    TOOK = {
        "for": lambda: [item for item in stream],
        "get_nowait": lambda: [stream.get_nowait() for _ in iter(int, 1)],
        "get_many": lambda: [stream.get_many(max_items=1) for _ in iter(int, 1)],
        "qsize": lambda: [stream.queue.qsize() for _ in iter(lambda: stream.closed, True)],
        "status": lambda: [stream.status for _ in iter(lambda: stream.closed, True)],
        "run": lambda: stream.run(markers="ignore"),
    }
    for name in TOOK:
        for turn in range(5):
            stream = Stream(FEED, queue_size=100_000)
            stream.on()(lambda item: None)
            signal.signal(signal.SIGTERM, lambda number, frame: reports.append(stream.close(5.0)))
            reports = []
            say("ready", name)
            sys.stdin.readline()
            while stream.queue.qsize() < 3000:
                time.sleep(0.001)
            threading.Timer(0.002 * turn, os.kill, (os.getpid(), signal.SIGTERM)).start()
            try:
                TOOK[name]()
            except (StreamClosed, Empty):
                pass
            while not reports:
                time.sleep(0.001)
            began = time.monotonic()
            say(stream.close(5.0).threads, time.monotonic() - began < 3.0)
"""


def test_a_signal_handler_may_close_whatever_it_has_interrupted(broker: Broker) -> None:
    """A program that is told to end while it is busy with the stream: no call waits for itself."""
    with Program(SIGNALLED, broker) as program:
        for name in ("for", "get_nowait", "get_many", "qsize", "status", "run"):
            for _ in range(5):
                assert program.hear() == f"ready {name}"
                subscribed(broker)
                broker.publish("ABC", 3000)
                program.go_on()
                assert program.hear() == "() True", name
        assert program.end() == (0, [], "")


def test_ctrl_c_leaves_a_with_block(broker: Broker) -> None:
    """The loop ends, the block closes the stream, and the program ends as any other does."""
    source = """
        with Stream(FEED) as stream:
            say("ready")
            for item in stream:
                pass
    """
    with Program(source, broker) as program:
        assert program.hear() == "ready"
        subscribed(broker)
        program.interrupt()
        assert program.ends_within(SECOND + SLACK)
        code, said, errors = program.end()
    assert code != 0
    assert said == []
    assert errors.rstrip().endswith("KeyboardInterrupt")
    assert errors.count("Traceback") == 1
    broker.wait_for(lambda: not broker.connections, PATIENCE)


# ---------------------------------------------------------------- the end of the interpreter

ENDINGS = {
    "streams in use": """
        class Owner: pass

        Stream(FEED).close()
        used = Stream(FEED)
        owner = Owner()
        owner.itself, owner.stream = owner, Stream(FEED)
        gc.disable()
        looped = Stream(FEED)
        threading.Thread(target=lambda: list(looped), daemon=True).start()
        watched = Stream(FEED)
        watched.on()(lambda item: None)
        watched.start(workers=3, markers="ignore")
        used.get()
    """,
    "whatever can hang": """
        hanging = []

        def hang(*whatever):
            hanging.append(True)
            threading.Event().wait()

        rest = Rest(hang, position="seq")
        dialing = Stream(Feed(hang))
        fetching = Stream(Feed(URL, subscribe=SUBSCRIBE, key="symbol", sequence=Contiguous("seq"), snapshot=rest))
        reading = Stream(Feed(URL, subscribe=SUBSCRIBE, key=hang))
        handling = Stream(FEED)
        handling.on()(hang)
        handling.start(markers="ignore")
        fine = Stream(FEED)
        while len(hanging) < 4:
            time.sleep(0.001)
    """,
    "half-open": """
        streams = [Stream(FEED) for _ in range(8)]
        for stream in streams:
            stream.get()
    """,
}
"""One after the other the eight half-open ones would take eight seconds: more than a second and what a busy machine may add."""


@pytest.mark.parametrize("name", ENDINGS)
def test_the_interpreter_ends_in_time(broker: Broker, name: str) -> None:
    """In one second for all streams together, silently, with the right code, and with a goodbye where somebody can hear it."""
    source = ENDINGS[name] + '\n        say("over")\n        sys.stdin.readline()\n        sys.exit(7)\n'
    with Program(source, broker) as program:
        subscribed(broker, 8 if name == "half-open" else 4)
        broker.publish("ABC")
        assert program.hear() == "over"
        if name == "half-open":
            broker.faults.half_open()
        program.go_on()
        assert program.ends_within(SECOND + SLACK)
        assert program.end() == (7, [], "")
    broker.wait_for(lambda: not broker.connections, PATIENCE)


EXECUTOR = """
    from concurrent.futures import ThreadPoolExecutor
    stream = Stream(FEED)
    pause = threading.Event()
    stream.on()(lambda item: (say("handles") if item["seq"] == 1 else None, pause.wait(0.002)))
    stream.start(ThreadPoolExecutor(2), markers="ignore")
    sys.stdin.readline()
    sys.exit(7)
"""


def test_a_busy_executor_does_not_hold_up_the_end(broker: Broker) -> None:
    """The interpreter waits for the threads of every executor; ours give them back, though ten seconds of one key wait."""
    with Program(EXECUTOR, broker) as program:
        subscribed(broker)
        broker.publish("ABC", 5000)
        assert program.hear() == "handles"
        program.go_on()
        assert program.ends_within(SECOND + SLACK)
        assert program.end() == (7, [], "")


FORKED_BY_MULTIPROCESSING = """
    import multiprocessing

    def child():
        try:
            stream.get(timeout=1)
        except UsageError as error:
            say("child:", error)

    stream = Stream(FEED)
    stream.get()
    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    process.join()
    say("code", process.exitcode)
    try:
        multiprocessing.get_context("spawn").Process(target=print, args=(stream,)).start()
    except TypeError as error:
        say("spawn:", error)
    say("parent got", stream.get(timeout=10)["seq"])
    stream.close()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_multiprocessing_leaves_the_parent_alone(broker: Broker) -> None:
    """A forked child is told, and ends well; a spawned one is never begun, for a reason; the parent's stream goes on."""
    with Program(FORKED_BY_MULTIPROCESSING, broker, "-W", "ignore::DeprecationWarning") as program:
        subscribed(broker)
        broker.publish("ABC")
        assert "made in another process" in (program.hear() or "")
        assert program.hear() == "code 0"
        assert "cannot be pickled" in (program.hear() or "")
        broker.publish("ABC")
        assert program.hear() == "parent got 2"
        assert program.end() == (0, [], "")
    assert broker.counts["connects"] == 1


def test_signals_stay_the_users(broker: Broker) -> None:
    """No handler is set or replaced, no signal is blocked, whatever a stream does."""
    before = {number: signal.getsignal(number) for number in signal.valid_signals()}
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    with Stream(Feed(broker.url, subscribe=broker.subscribe, key="symbol")) as stream:
        stream.on()(lambda item: None)
        stream.start(2, markers="ignore")
        subscribed(broker)
        assert {number: signal.getsignal(number) for number in signal.valid_signals()} == before
    assert {number: signal.getsignal(number) for number in signal.valid_signals()} == before
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == blocked


def test_an_unhandled_error_ends_the_program_as_ever(broker: Broker) -> None:
    """Its traceback is all that is printed."""
    source = """
        stream = Stream(FEED)
        for item in stream:
            raise LookupError("mine")
    """
    with Program(source, broker) as program:
        subscribed(broker)
        broker.publish("ABC")
        code, said, errors = program.end()
    assert (code, said) == (1, [])
    assert errors.count("Traceback") == 1
    assert errors.rstrip().endswith("LookupError: mine")


# ---------------------------------------------------------------- what is printed


def test_nothing_is_printed_where_no_logging_is_set_up(broker: Broker) -> None:
    """Overflow, a slow callable, a failing callback, a broken reader, a refused snapshot: all raised or logged, none shown."""
    source = """
        import logging

        def fails(feed, **options):
            stream = Stream(feed, **options)
            try:
                while True:
                    stream.get(timeout=10)
                    time.sleep(0.002)
            except StreamFailed as error:
                say(type(error).__name__)
            stream.close()

        slept = []

        def slow(item):
            slept or time.sleep(0.06)
            slept.append(True)
            return "one"

        nobody = Rest("http://127.0.0.1:9/{key}", whole=True, attempts=1)
        fails(Feed(URL, subscribe=SUBSCRIBE, key=slow, snapshot=nobody), queue_size=3)
        fails(Feed(URL, subscribe=SUBSCRIBE), queue_size=3)
        fails(Feed(URL, subscribe=SUBSCRIBE, key=lambda item: sys.exit()))
        nowhere = Rest(SNAPSHOT + "/nowhere", position="seq")
        fails(Feed(URL, subscribe=SUBSCRIBE, key="symbol", sequence=Contiguous("seq"), snapshot=nowhere))
        stream = Stream(FEED)
        stream.on()(lambda item: 1 / 0)
        try:
            stream.run(workers=2, markers="ignore")
        except HandlerFailed as error:
            say(type(error).__name__)
        stream.close()
        logger = logging.getLogger("syncstream")
        say(logger.propagate, logger.level)
    """
    with Broker(symbols=("ABC",), rate=2000, heartbeat=0.2) as market, Program(source, market) as program:
        code, said, errors = program.end()
    assert (code, errors) == (0, "")
    assert said == ["Overflow", "Overflow", "StreamFailed", "SnapshotFailed", "HandlerFailed", "True 0"]


# ---------------------------------------------------------------- fork

FORKED = """
    import pickle

    stream = Stream(FEED, name="mine")
    items, work, latest = iter(stream), stream.queue, stream.latest
    stream.get()
    broken = Stream(Feed("ws://127.0.0.1:9/", first_live_limit=0.01))
    while not broken.closed:
        time.sleep(0.01)
    held = threading.Event()

    def hold():  # as the reader may, at the moment of the fork
        with stream._delivery.mutex, stream._lock:
            held.set()
            time.sleep(0.3)

    threading.Thread(target=hold).start()
    held.wait()

    def sockets():
        links = [f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd")]
        return sum(os.readlink(link).startswith("socket") for link in links if os.path.islink(link))

    ours = sockets()
    pid = os.fork()
    if pid == 0:
        signal.alarm(20)
        calls = [
            stream.get, stream.get_nowait, stream.get_many, lambda: iter(stream), stream.events, stream.messages, stream.join,
            lambda: next(items), work.get, work.qsize, work.empty, work.join, work.task_done, lambda: stream.queue,
            lambda: stream.latest, lambda: stream.status, lambda: stream.send("x"), lambda: stream.subscribe("A"),
            lambda: stream.unsubscribe("A"), stream.start, stream.run, lambda: stream.on(dict), lambda: stream.set_aside,
            lambda: latest["ABC"],
            stream.stats, stream.stamped, stream.table, stream.live, lambda: merge(stream),
        ]
        for number, call in enumerate(calls):
            try:
                call()
            except UsageError as error:
                assert "another process" in str(error), number
            else:
                raise AssertionError(number)
        assert "another process" in repr(stream)
        assert "another process" in stream._repr_html_()
        assert streams() == []
        assert stream.close() == Report()
        with stream, broken:
            pass
        try:
            with stream:
                raise LookupError
        except LookupError as error:
            assert error.__context__ is None
        say("child", ours, sockets())
        if ENDING != "exit":
            del stream, items, work, latest, calls, call
            gc.collect()
        say("child done")
        sys.stdin.readline()
        sys.exit(5) if ENDING == "exit" else os._exit(5)
    say("parent")
    say("got", stream.get(timeout=10)["seq"])
    stream.send({"action": "unsubscribe", "symbols": []})
    say("closed", stream.close().threads)
    say("code", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs fork, and a look at the descriptors")
@pytest.mark.parametrize("ending", ["exit", "del, _exit"])
def test_a_fork_leaves_the_parent_alone(broker: Broker, ending: str) -> None:
    """The child is told at every use, waits for no lock, keeps no descriptor; the parent's line goes on and can be hung up."""
    source = f"    ENDING = {ending!r}" + FORKED
    with Program(source, broker, "-W", "ignore::DeprecationWarning") as program:
        subscribed(broker)
        broker.publish("ABC")
        heard = {program.hear() for _ in range(3)}
        child = next(line for line in heard if line.startswith("child ") and line != "child done")
        assert heard == {"parent", "child done", child}
        assert int(child.split()[1]) >= 3
        assert child.split()[2] == "0"
        broker.publish("ABC")
        assert program.hear() == "got 2"
        assert program.hear() == "closed ()"
        broker.wait_for(lambda: not broker.connections, 1.0)  # though the child lives
        assert broker.counts["connects"] == 1
        program.go_on()
        assert program.hear() == "code 5"
        assert program.end() == (0, [], "")
