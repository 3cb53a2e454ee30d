"""How often each host is dialled, by all streams of this process together. Dialer threads only.

Every dial of a host counts in every budget that any feed has declared for it, and a dial needs room in its own feed's. A host
is a name and a port, as the URL has them: what stands behind two names nobody can know.
"""

from __future__ import annotations

import os
import threading
from typing import Callable
from urllib.parse import urlsplit

from . import clock
from .core.budget import Budget, Ledger
from .errors import DialError

PATIENCE = 4.0
"""Seconds an attempt waits here at most; if it would take longer it is refused with the time as its `retry_after`."""

FRESH = 1.0
"""Seconds; who has waited longer has its endpoint asked once more, for a token or a signature may be good for seconds only."""

_POLL = 0.1
_HOSTS_LEAST = 1000

_lock = threading.Lock()  # guards _hosts
_hosts: dict[str, dict[Budget, Ledger]] = {}


def host_of(url: str) -> str:
    """What counts as one host: its name and port."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port or (443 if parts.scheme == 'wss' else 80)}"


def enter(url: str, budget: Budget, *, cancelled: Callable[[], bool], patience: float = PATIENCE) -> float:
    """Wait until this host may be dialled, and count the dial; returns the seconds that took.

    Raises `DialError` if it would take more than `patience`, or if cancelled.
    """
    host = host_of(url)
    began = clock.now()
    until = began + min(patience, PATIENCE)
    pause = threading.Event()  # nobody sets it: an attempt is cancelled by a flag
    while True:
        if cancelled():
            raise DialError("cancelled")
        now = clock.now()
        room_at = _take(host, budget, now)
        if room_at <= now:
            return now - began
        if room_at > until:
            text = f"{host}: its dial budget ({budget.count} within {budget.per:g} s) is used up"
            raise DialError(text, retry_after=room_at - now, cause="budget")
        clock.wait_event(pause, min(_POLL, room_at - now))


def _take(host: str, budget: Budget, now: float) -> float:
    """When there is room; the dial is counted if that is now."""
    with _lock:
        if host not in _hosts and len(_hosts) >= _HOSTS_LEAST:
            _hosts.pop(next(iter(_hosts)))
        ledgers = _hosts.setdefault(host, {})
        own = ledgers.setdefault(budget, Ledger(budget))
        room_at = own.room_at()
        if room_at <= now:
            for ledger in ledgers.values():
                ledger.spend(now)
        return room_at


def _forget() -> None:
    """In the child of a fork nobody holds the lock."""
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
