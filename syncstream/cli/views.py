"""Which view shows the demo: the live one on a terminal that can move its cursor, lines everywhere else; JSON beside either.

Deliberately not here: the views themselves (screen.py, plain.py).
"""

from __future__ import annotations

import os
import sys
from types import TracebackType
from typing import Optional, TextIO

import msgspec

from .arguments import Options
from .picture import View
from .plain import Plain
from .verdict import Result


def choose(options: Options) -> View:
    """With `--json` stdout is for the object alone, and what people read goes to stderr."""
    if not options.json:
        return _shown_on(sys.stdout)
    return Json(_shown_on(sys.stderr), sys.stdout)


def _shown_on(out: TextIO) -> View:
    if hasattr(out, "reconfigure"):
        out.reconfigure(errors="replace")  # a terminal that cannot write "…" gets a "?", not a traceback
    dumb = sys.platform != "win32" and os.environ.get("TERM") in (None, "", "dumb")
    if dumb or not out.isatty():
        return Plain(out)
    try:
        from .screen import Screen
    except ImportError:  # rich is an extra
        return Plain(out)
    return Screen(out)


class Json:
    """Owned by: the thread of the demo. Another view, and the result as one line of JSON on `out` behind it."""

    def __init__(self, view: View, out: TextIO) -> None:
        self._view = view
        self._out = out
        self.began = view.began
        self.told = view.told
        self.show = view.show

    def __enter__(self) -> Json:
        self._view.__enter__()
        return self

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], traceback: Optional[TracebackType]
    ) -> None:
        self._view.__exit__(kind, error, traceback)

    def verdict(self, result: Result) -> None:
        self._view.verdict(result)
        print(msgspec.json.encode(result).decode(), file=self._out, flush=True)
