"""Snapshots by REST, fetched on threads of their own.

    pool      the threads: who asks next, what becomes of a request that hangs, how it all ends
    once      one request of a callable of the feed's: a token, an endpoint
    client    one request, asked once. The only file that imports `requests`
    source    what the user said about the source, as pure functions; which failure is final

Whether and when to ask again is not decided here but by the engine.
"""

from .once import ask
from .pool import Fetched, Snapshots

__all__ = ["Fetched", "Snapshots", "ask"]
