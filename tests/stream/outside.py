"""A Python program of its own that uses a stream: what it prints, how it ends, what a signal does to it."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from types import TracebackType
from typing import Optional

from syncstream.clock import now
from syncstream.testing import Broker

from .setting import PATIENCE

ROOT = Path(__file__).parent.parent.parent
LONG = 30.0

BEGINNING = """
import gc, os, signal, sys, threading, time
if hasattr(signal, "alarm"):
    signal.alarm(25)
from syncstream import *
URL, SNAPSHOT = sys.argv[1:]
SUBSCRIBE = {"action": "subscribe", "symbols": ["ABC"]}
FEED = Feed(URL, subscribe=SUBSCRIBE, key="symbol", sequence=Contiguous("seq"))

def say(*words):  # in one piece: a child of a fork may speak too
    os.write(1, (" ".join(map(str, words)) + chr(10)).encode())
"""


class Program:
    """Owned by: the test. `source` runs in a child with warnings as errors; use it in a `with`. It is killed at the end."""

    def __init__(self, source: str, broker: Broker, *options: str) -> None:
        arguments = [sys.executable, "-X", "dev", "-W", "error", *options, "-c", BEGINNING + textwrap.dedent(source)]
        self._process = subprocess.Popen(
            [*arguments, broker.url, broker.snapshot_url],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._said: queue.Queue[Optional[str]] = queue.Queue()
        self._errors: list[str] = []
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._readers = [
            threading.Thread(target=self._listen, args=(self._process.stdout,)),
            threading.Thread(target=lambda stream: self._errors.append(stream.read()), args=(self._process.stderr,)),
        ]

    def __enter__(self) -> Program:
        for reader in self._readers:
            reader.start()
        return self

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        with contextlib.suppress(ProcessLookupError):  # it and its children have ended
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for reader in self._readers:
            reader.join()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            assert pipe is not None
            pipe.close()

    def _listen(self, stream: object) -> None:
        for line in stream:  # type: ignore[attr-defined]
            self._said.put(line.rstrip("\n"))
        self._said.put(None)

    def hear(self) -> str:
        """The next line it says. If it says none in time, it tells where it stands, and ends."""
        try:
            line = self._said.get(timeout=LONG)
        except queue.Empty:
            self._process.send_signal(signal.SIGABRT)  # in dev mode that shows what each thread does
            self._readers[1].join(LONG)
            raise AssertionError(f"the program hangs:\n{''.join(self._errors)}") from None
        if line is None:
            self._readers[1].join()
            raise AssertionError(f"the program has ended:\n{''.join(self._errors)}")
        return line

    def go_on(self) -> None:
        """Give it the line it waits for."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def interrupt(self) -> None:
        """As Ctrl-C does."""
        self._process.send_signal(signal.SIGINT)

    def end(self) -> tuple[int, list[str], str]:
        """Wait for its end: the return code, what it still said, what stands on stderr."""
        code = self._process.wait(LONG)
        for reader in self._readers:
            reader.join()
        rest: list[str] = []
        while (line := self._said.get()) is not None:
            rest.append(line)
        return code, rest, "".join(self._errors)

    def ends_within(self, seconds: float) -> bool:
        """Whether it ends in time, counted from now."""
        began = now()
        self._process.wait(LONG)
        return now() - began < seconds


def subscribed(broker: Broker, connections: int = 1) -> None:
    """Wait until so many streams have said what they want."""
    broker.wait_for(lambda: len(broker.subscriptions) == connections and all(broker.subscriptions.values()), PATIENCE)


INTERRUPTED = """
    FEED = Feed(URL, subscribe=SUBSCRIBE, key="symbol", sequence=Contiguous("seq"), failures={1009: Severity.RETRY})
    stream = Stream(FEED)
    hanging = threading.Event()
    busy = []

    @stream.on()
    def message(item):
        if busy:
            hanging.wait()

    def run_busy():
        busy.append(True)
        stream.run(workers=2, markers="ignore")

    CALLS = {
        "for": lambda: [item for item in stream],
        "get": stream.get,
        "get with time-out": lambda: stream.get(timeout=60),
        "get_many": lambda: stream.get_many(timeout=60),
        "queue": stream.queue.get,
        "queue, time-out": lambda: stream.queue.get(timeout=60),
        "queue.join": stream.queue.join,
        "join": stream.join,
        "join with time-out": lambda: stream.join(60),
        "run": lambda: stream.run(markers="ignore"),
        "run, callbacks busy": run_busy,
        "send": lambda: stream.send("x" * 20_000_000, timeout=60),
        "close": lambda: stream.close(60),
    }
    for name in CALLS:
        say("ready", name)
        sys.stdin.readline()
        try:
            CALLS[name]()
        except KeyboardInterrupt:
            say("interrupted")
        else:
            say("returned")
        hanging.set()
        if name != "close":
            say("usable?")
            say("got", stream.get(timeout=5)["symbol"])
    say("closed", stream.close().threads)
"""


def interrupt_every_call(broker: Broker) -> dict[str, float]:
    """Ctrl-C in each blocking call, one after the other on one stream, which must stay usable. Seconds until each ended."""
    took: dict[str, float] = {}
    with Program(INTERRUPTED, broker) as program:
        for _ in range(INTERRUPTED.count('": ')):
            name = program.hear().partition("ready ")[2]
            subscribed(broker)
            lock = broker._venue.lock if name == "send" else threading.Lock()
            with lock:  # a venue that reads nothing
                if name == "run, callbacks busy":
                    broker.publish("ABC", 3)
                if name == "close":
                    broker.faults.half_open()
                program.go_on()
                threading.Event().wait(0.15)
                began = now()
                program.interrupt()
                assert program.hear() == "interrupted", name
                took[name] = now() - began
            if name != "close":
                assert program.hear() == "usable?", name
                if name == "send":
                    try:  # it was on its way already: the venue takes no message of that size, and closes
                        broker.wait_for(lambda: broker.counts["disconnects"], 1.0)
                    except TimeoutError:  # it was taken back, and the line is as good as before
                        broker.faults.cut()
                    broker.wait_for(lambda: broker.counts["connects"] == 2, PATIENCE)
                    subscribed(broker)
                broker.publish("ABC")
                assert program.hear() == "got ABC", name
        assert program.hear() == "closed ()"
        assert program.end() == (0, [], "")
    return took
