"""Real programs started by a test: proxies and middleboxes on a loopback port, ended when the test ends."""

from __future__ import annotations

import contextlib
import socket
import subprocess
from collections.abc import Iterator

from syncstream.clock import now

PATIENCE = 10.0


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


@contextlib.contextmanager
def listening(port: int, *command: str) -> Iterator[subprocess.Popen[bytes]]:
    """The program, once it listens. It is asked to end at the end, and killed if it does not."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait(process, port)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(process: subprocess.Popen[bytes], port: int) -> None:
    end = now() + PATIENCE
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        assert process.poll() is None, f"{process.args!r} has ended"
        assert now() < end, f"{process.args!r} does not listen"
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.02)
