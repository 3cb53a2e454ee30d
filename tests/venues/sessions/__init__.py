"""Each adapter with the recorded session it is shown on: what the tests and the table of `venues/README.md` run.

One module for each venue, whose `SESSIONS` are joined here; nothing has to be entered anywhere else.
"""

from __future__ import annotations

import importlib
import pkgutil

from .base import QUICK, Session

SESSIONS: tuple[Session, ...] = tuple(
    session
    for module in sorted(found.name for found in pkgutil.iter_modules(__path__))
    for session in getattr(importlib.import_module(f"{__name__}.{module}"), "SESSIONS", ())
)

__all__ = ["QUICK", "SESSIONS", "Session"]
