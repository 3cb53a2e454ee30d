"""Threads of a test: each runs one call, and what became of it is told at the end."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Callable, Iterator, Optional

from tests.deadlines import SLACK

PATIENCE = 20.0
"""Seconds after which a test gives up waiting. Nothing waits that long when all is well."""


class Crew:
    """Owned by: the test. Threads that run calls. At the end of the `with` all must have ended, and none may have failed."""

    def __init__(self) -> None:
        self.results: list[Any] = []
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Crew:
        return self

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        if error is None:
            self.end()

    def start(self, call: Callable[..., Any], *arguments: Any) -> threading.Thread:
        """Run it on a thread of its own. An exception is a result."""

        def run() -> None:
            try:
                result = call(*arguments)
            except BaseException as error:
                result = error
            self.results.append(result)  # one bytecode: no lock

        thread = threading.Thread(target=run, name=f"crew-{len(self._threads)}", daemon=True)
        self._threads.append(thread)
        thread.start()
        return thread

    def end(self, timeout: float = PATIENCE) -> list[Any]:
        """Wait for all; the results in the order in which they came. An `AssertionError` among them is raised."""
        for thread in self._threads:
            thread.join(timeout)
        hanging = [thread.name for thread in self._threads if thread.is_alive()]
        assert hanging == [], f"these hang: {hanging}; results so far: {self.results}"
        for result in self.results:
            if isinstance(result, AssertionError):
                raise result
        return self.results

    def woken(self) -> list[Any]:
        """What `end` says, for calls that would wait for ever if nobody woke them."""
        return self.end(SLACK)


@contextlib.contextmanager
def hurried() -> Iterator[None]:
    """The interpreter changes threads as often as it can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def open_files() -> int:
    """How many descriptors this process has, without those of garbage; 0 where the system does not tell."""
    gc.collect()
    place = Path("/proc/self/fd")
    return len(os.listdir(place)) if place.exists() else 0


WAITS = ("wait", "join", "_wait_for_tstate_lock")  # of threading.py


def waits(thread: threading.Thread, function: str) -> bool:
    """Whether this thread is within that function now, and waits there for another thread."""
    frame = sys._current_frames().get(thread.ident or 0)
    if frame is None or frame.f_code.co_filename != threading.__file__ or frame.f_code.co_name not in WAITS:
        return False
    while frame is not None and frame.f_code.co_name != function:
        frame = frame.f_back
    return frame is not None
