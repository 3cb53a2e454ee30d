"""Wakes a thread that waits in a selector. Any thread may call `wake`, a finalizer too: it takes no lock.

The pair of sockets is closed when the last one who could wake is gone, never before: a number of a closed descriptor may by
then be somebody else's. (In the child of a fork nobody waits: there its copies are closed at once.)
"""

from __future__ import annotations

import contextlib
import socket


class _End(socket.socket):
    """Owned by: its `Waker`. In a cycle that is collected either may come first; a plain socket would warn that it is open."""

    def __del__(self) -> None:
        self.close()


class Waker:
    """Owned by: everybody who holds it. The reader calls fileno() and drain(), others wake()."""

    def __init__(self) -> None:
        self._sockets = [_End(fileno=end.detach()) for end in socket.socketpair()]
        self._ear, self._mouth = self._sockets
        self._ear.setblocking(False)
        self._mouth.setblocking(False)

    def fileno(self) -> int:
        """The descriptor to select for reading."""
        return self._ear.fileno()

    def wake(self) -> None:
        """Make the selector return, now or when it is entered next."""
        with contextlib.suppress(BlockingIOError):  # full: it is awake as it is
            self._mouth.send(b"\0")

    def drain(self) -> None:
        """Forget the calls so far."""
        with contextlib.suppress(BlockingIOError):
            while self._ear.recv(4096):
                pass

    def close(self) -> None:
        """Only where nobody can wake any more."""
        for sock in self._sockets:
            sock.close()

    def __del__(self) -> None:
        if hasattr(self, "_sockets"):  # else there was none to be had
            self.close()
