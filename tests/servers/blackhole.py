"""A port that lets everybody wait who connects to it. Linux only."""

from __future__ import annotations

import contextlib
import socket
import time
from typing import Iterator


@contextlib.contextmanager
def blackhole() -> Iterator[int]:
    """A port whose SYNs are not answered: its queue is full and nobody accepts."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        time.sleep(0.05)  # nothing tells that the queue is full
        yield listener.getsockname()[1]
