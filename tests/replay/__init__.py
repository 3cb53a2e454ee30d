"""A venue that plays recorded sessions, for tests that need real data on a real socket.

    history = replay.history("binance_spot_10sym_20210405")         # skips the test where the captures are absent
    with replay.ReplayServer(history, rate=2500, leave_out=0.01, seed=1, cut_after=500) as server:
        ...  server.ws_url, server.rest_url

How it works:

* `recording.py` reads a file of the captures folder (`../shared/captures` beside the repository, or SYNCSTREAM_CAPTURES): frames
  with their times and kinds, REST bodies with their place among the frames, and what that day's client sent.
* `venues/` knows what a venue's messages mean: deltas, the ticker that serves as oracle, snapshots, and the control frames of a
  connection (welcome, acks), which every new connection gets for itself. A capture without such a reading is played as it is.
* `history.py` lines both up. `Books` follows *every* recorded delta from the recorded REST bodies on, so it is the truth at each
  position of the tape, whatever a replay leaves out. `books.py` is exact and refuses holes.
* `line.py` is one connection: `Line` gets every frame as it was. `subscriber.py` is one of a venue with in-band snapshots: it
  gets what it subscribes, first a snapshot as of where the tape is, in the venue's words, and numbers of its own connection.
* `tape.py` is venue time: the recorded times made faster, or capped at a number of frames a second. It goes on while a client is
  away. It passes only while this process runs, so a loaded machine changes no figure.
* `server.py` serves lines and REST on one port. A REST request is answered in the venue's own shape with the book as of the
  position played by then (or a little before it, `rest_lag`); before that key's recorded body was due, with that body. Snapshots
  hold every level the venue's book has: `limit` is ignored, so a rebuilt book can be compared whole.

The oracle is independent of all this code: Binance's `bookTicker` and KuCoin's `ticker` state the best prices and sizes at an
update number. `tests/captures/test_oracle.py` checks it without any network; the other files there through the public API.
"""

from __future__ import annotations

import functools

from .books import Book, Delta, Hole, Level, Top
from .history import Books, History
from .recording import Recording, folder, require
from .server import ReplayServer
from .venues import CAPTURES, BinanceSpot, BinanceUsdm, KuCoin, Venue

__all__ = [
    "BinanceSpot",
    "BinanceUsdm",
    "Book",
    "Books",
    "Delta",
    "History",
    "Hole",
    "KuCoin",
    "Level",
    "Recording",
    "ReplayServer",
    "Top",
    "Venue",
    "folder",
    "history",
    "require",
]


def history(name: str) -> History:
    """The capture of that name, understood; skips the test that asks where the captures are absent."""
    return _understood(require(name))


@functools.lru_cache(maxsize=2)  # decoding a session takes a good part of a second
def _understood(recording: Recording) -> History:
    return History(recording, CAPTURES.get(recording.name, Venue()))
