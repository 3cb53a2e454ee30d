"""How far a stream has come: each brings a rig there."""

from __future__ import annotations

from typing import Callable

from .rig import Rig

Phase = Callable[[Rig], None]


def idle(rig: Rig) -> None:
    pass


def dialing(rig: Rig) -> None:
    rig.start()


def waiting(rig: Rig) -> None:
    rig.open()
    rig.cut()


def live(rig: Rig) -> None:
    rig.open()


def closing(rig: Rig) -> None:
    rig.open()
    rig.engine.close(rig.now)


def closed(rig: Rig) -> None:
    rig.start()
    rig.engine.close(rig.now)
