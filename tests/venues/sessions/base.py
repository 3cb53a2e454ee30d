"""`Session`: an adapter with the recorded session it is shown on."""

from __future__ import annotations

from typing import Callable, NamedTuple

from syncstream import Backoff
from tests.venues.run import Result

QUICK = Backoff(base=0.01, maximum=0.02)

SLOW_BOOK = "a book is kept: each changed level is a `Decimal` put in its place"


class Session(NamedTuple):
    """`adapter` is the name in `syncstream.venues`, `capture` that of the recording.

    `run`: along the whole session. `rate`: messages a second, see `speed`. `against`: the word of the venue's that the states are
    compared with. `note`: what has to be said; why, if it takes less than `speed.ENOUGH` messages a second.
    """

    adapter: str
    capture: str
    run: Callable[[], Result]
    rate: Callable[[], float]
    against: str = ""
    note: str = ""
