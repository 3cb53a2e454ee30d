"""Which threads a test has left behind. Used by the fixture in conftest.py, and tested by itself."""

from __future__ import annotations

import sys
import threading
import time
import traceback
from typing import Collection


def threads_left(before: Collection[threading.Thread], *, grace: float) -> list[threading.Thread]:
    """The threads that are alive, were not there `before`, and do not end within `grace` seconds all together."""
    deadline = time.monotonic() + grace
    while True:
        left = [thread for thread in threading.enumerate() if thread not in before]
        # A foreign thread that merely called into `threading` has a dummy object: it counts, but cannot be joined.
        joinable = [thread for thread in left if not isinstance(thread, threading._DummyThread)]
        remaining = deadline - time.monotonic()
        if not joinable or remaining <= 0:
            return left
        # One at a time, then asked again: a thread that ends may have started another one first.
        try:
            joinable[0].join(remaining)
        except RuntimeError:  # it is listed a moment before it can be joined
            time.sleep(0.001)


def describe(threads: Collection[threading.Thread]) -> str:
    """Name and place of each thread: what one needs to find out who should have ended it."""
    frames = sys._current_frames()
    lines = []
    for thread in threads:
        lines.append(f"{thread.name} ({'daemon' if thread.daemon else 'not a daemon'}), now at:")
        frame = frames.get(thread.ident or 0)
        lines.append("".join(traceback.format_stack(frame)) if frame else "  (no Python frame)\n")
    return "\n".join(lines)
