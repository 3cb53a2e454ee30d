"""A health card that keeps itself fresh below its cell. One thread, `syncstream-card`, until it is stopped or the stream ends."""

from __future__ import annotations

import threading
import weakref
from typing import Callable, Optional, Protocol

from ..errors import FeedError
from ..logs import logger

_log = logger("syncstream.notebook")


class Shown(Protocol):
    """What this needs of a stream."""

    @property
    def closed(self) -> bool: ...

    def _repr_html_(self) -> str: ...


class Live:
    """Owned by: its own thread. Others may call: stop(). It does not keep the stream alive."""

    def __init__(self, stream: Shown, show: Callable[[str], Callable[[str], None]], *, every: float) -> None:
        if isinstance(every, bool) or not 0 < every < threading.TIMEOUT_MAX:
            raise FeedError("every", every, "expected a number of seconds above zero")
        self._stream = weakref.ref(stream)
        self._every = every
        self._update = show(stream._repr_html_())
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="syncstream-card", daemon=True)
        self._thread.start()

    def stop(self, timeout: Optional[float] = 2.0) -> None:
        """Leave the card as it is. Waits up to `timeout` seconds for the last change to be shown."""
        self._stop.set()
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout)

    def _run(self) -> None:
        try:
            while not self._stop.wait(self._every):
                stream = self._stream()
                if stream is None:
                    return
                ended = stream.closed
                self._update(stream._repr_html_())
                del stream  # not while it waits
                if ended:
                    return
        except Exception as error:  # the notebook went away, or cannot show it
            _log.warning("the card is not refreshed any more: %s: %s", type(error).__name__, error)

    def __repr__(self) -> str:
        return f"<card, refreshed every {self._every:g} s{'' if self._thread.is_alive() else ', stopped'}>"
