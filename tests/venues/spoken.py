"""A venue of a few words, for adapters without a recorded session: what their documentation says is said on a real socket.

It shows that an adapter understands its documentation, not that the venue keeps to it.
"""

from __future__ import annotations

import contextlib
import threading
from typing import Any, Callable, Iterator, Sequence

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

Answer = Callable[[str], Sequence[str]]


class Spoken:
    """Owned by: the test. Others may read: `url`; `heard`, what clients have said; `paths`, what they asked for."""

    def __init__(self, greeting: Sequence[str], answer: Answer) -> None:
        self.heard: list[str] = []
        self.paths: list[str] = []
        self._greeting = greeting
        self._answer = answer
        self._server = serve(self._talk, "127.0.0.1", 0, compression=None, ping_interval=None, close_timeout=1.0)
        self.url = f"ws://127.0.0.1:{self._server.socket.getsockname()[1]}"
        self._lines: list[ServerConnection] = []
        self._threads: list[threading.Thread] = []
        self._thread = threading.Thread(target=self._server.serve_forever, name="spoken-accept", daemon=True)
        self._thread.start()

    def cut(self) -> None:
        """Ends what is open."""
        for line in self._lines:
            line.close()

    def close(self) -> None:
        self.cut()
        self._server.shutdown()
        self._thread.join()
        for thread in self._threads:
            thread.join(10)

    def _talk(self, line: ServerConnection) -> None:
        self._lines.append(line)
        self._threads.append(threading.current_thread())
        assert line.request is not None
        self.paths.append(line.request.path)
        with contextlib.suppress(ConnectionClosed):
            for text in self._greeting:
                line.send(text)
            for message in line:
                self.heard.append(str(message))
                for text in self._answer(str(message)):
                    line.send(text)


@contextlib.contextmanager
def spoken(greeting: Sequence[str] = (), answer: Answer = lambda text: ()) -> Iterator[Spoken]:
    """The venue says `greeting` to everyone, then what `answer` makes of each text it hears."""
    venue = Spoken(greeting, answer)
    try:
        yield venue
    finally:
        venue.close()


def taken(stream: Any, count: int) -> list[Any]:
    """So many items of a stream."""
    return [stream.get(timeout=10) for _ in range(count)]
