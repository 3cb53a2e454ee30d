"""`Display`: the calls of a stream that show it in a notebook. Any thread."""

from __future__ import annotations

import os
from html import escape
from typing import Any, Optional

from ..delivery import Delivery
from ..events import Status
from ..stats import Stats
from ..views import Latest
from . import card, cell, table
from .live import Live


class Display:
    """Owned by: nobody; it has no state but that of the stream it is part of."""

    _delivery: Delivery
    _raised: bool
    _pid: int

    @property
    def _shown(self) -> str:
        """What the stream is called where people read it."""
        raise NotImplementedError

    @property
    def status(self) -> Status:
        raise NotImplementedError

    @property
    def latest(self) -> Latest[Any]:
        raise NotImplementedError

    @property
    def closed(self) -> bool:
        raise NotImplementedError

    def stats(self) -> Stats:
        raise NotImplementedError

    def _check_process(self) -> None:
        raise NotImplementedError

    def _get_stamped(self, timeout: Optional[float] = None) -> Any:
        raise NotImplementedError

    def table(self) -> Any:
        """The latest value of each key as a pandas DataFrame: a row per key, a typed column per field. Needs no consumer.

        Raises `UsageError` where pandas is not installed (`pip install 'syncstream[pandas]'`).
        """
        latest = self.latest()
        return table.frame(list(latest.values()), table.keys(list(latest)))

    def to_pandas(self, seconds: float = 5.0) -> Any:
        """The messages of the next `seconds` as a pandas DataFrame, indexed by when they came (UTC); typed columns.

        It consumes them, like a loop over `stamped()`. Markers are left out, which the log says, and counted by their kinds in
        `frame.attrs["markers"]`: `{"Gap": 1}`. Ends earlier if the stream ends; a failure is raised by the next call, or by this
        one if no message came before it. `UsageError` where pandas is not installed.
        """
        return table.collect(self, seconds)

    def live(self, every: float = 1.0) -> Live:
        """In a notebook: show the health card below this cell and refresh it `every` so many seconds, until `stop()`."""
        self._check_process()
        return Live(self, cell.show, every=every)

    def _repr_html_(self) -> str:
        """The health card."""
        if os.getpid() != self._pid:
            return escape(repr(self))
        return card.card(self._shown, self.status, self.stats(), bound=self._delivery.maxsize)
