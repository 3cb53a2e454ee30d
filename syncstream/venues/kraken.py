"""Kraken, WebSocket v1: `depth` with books that a CRC32 is checked on. For v2, which sends JSON numbers, see `venues.kraken_v2`.

Where the rules come from (VENUE: docs.kraken.com, WebSocket v1, as it was in 2026-11; DATA: a session of ten pairs at 1,000
levels recorded on 2021-04-17, which the tests replay):

* One `subscriptionStatus` for each pair of a subscription, then the snapshot of each, then what changes. DATA.
* A message is `[channelID, {...}, "book-1000", pair]`; one that changes both sides has two, the checksum in the last. DATA.
* Nothing is numbered. `c` is the CRC32 of the ten best levels of both sides after the message was applied and what stands behind
  the subscribed depth was cut off; the venue does not send a deletion for it. VENUE; DATA: equal on 4,269 of 4,269 messages.
* So loss is seen when it reaches the ten best levels, and healed by leaving the pair and subscribing it again: the
  server of the tests, not run. A line that was lost is subscribed anew, with snapshots. DATA.
* `{"event": "heartbeat"}` once a second while nothing else is sent. DATA: 31 in 31 s.
* A refused pair is answered by a `subscriptionStatus` with `status: error` and an `errorMessage`. VENUE, not run. What answers an
  `unsubscribe` brings its `reqid` back; a refused one says nothing of the subscription that follows.
* `{"Error": "Exceeded msg rate"}` names nothing: it is told as `Quarantined`, in these words, and what was not acknowledged is
  asked for again. NautilusTrader's constants, read 2026-11-22; not run.
* Depths (`depth=`) of 10, 25, 100, 500 or 1000 levels. VENUE; DATA: 1000.
"""

from __future__ import annotations

from typing import Any, Optional, Sequence, Union

import msgspec

from ..book import kraken_checksum
from ..core.rules import Kind
from ..core.sources import Resubscribe
from ..core.subscriptions import Acks
from ..feed import Feed
from ..levels import Levels
from ._names import asking, one_of

STREAM_URL = "wss://ws.kraken.com"

_DEPTHS = (10, 25, 100, 500, 1000)
_LEAVING = 2  # the `reqid` of what unsubscribes
_NOT_THERE = "Subscription Not Found"  # nothing but an `unsubscribe` can be answered so
_HEARTBEAT = 5.0  # it comes every second, but not to the millisecond

Rows = Sequence[Sequence[str]]


class Depth(msgspec.Struct, frozen=True):
    """Levels that have changed, or all of them (`snapshot`). A row is price, new size, time in s since 1970, and `"r"` where the
    venue says that it repeats itself; all as text. `checksum`: of the book with this applied; a snapshot has none."""

    pair: str
    bids: Rows
    asks: Rows
    checksum: Optional[str]
    snapshot: bool


class Event(msgspec.Struct, frozen=True):
    """What the venue says of itself and of subscriptions. It is not delivered."""

    event: str = ""
    pair: Optional[str] = None
    status: str = ""
    reason: str = msgspec.field(name="errorMessage", default="")
    request: int = msgspec.field(name="reqid", default=0)
    error: str = msgspec.field(name="Error", default="")

    def __str__(self) -> str:
        """What is told of a refusal."""
        return self.reason or repr(self)


class _Part(msgspec.Struct, frozen=True):
    """One object of a message, as it is sent."""

    all_bids: Optional[Rows] = msgspec.field(name="bs", default=None)
    all_asks: Optional[Rows] = msgspec.field(name="as", default=None)
    bids: Rows = msgspec.field(name="b", default=())
    asks: Rows = msgspec.field(name="a", default=())
    checksum: Optional[str] = msgspec.field(name="c", default=None)


_event = msgspec.json.Decoder(Event).decode
_parts = msgspec.json.Decoder(list[Union[int, str, _Part]]).decode


class Say(msgspec.Struct, frozen=True):
    """The `subscribe=` and `unsubscribe=` of a feed."""

    event: str
    depth: int

    def __call__(self, topics: Sequence[str]) -> dict[str, Any]:
        asked: dict[str, Any] = {"event": self.event, "pair": list(topics), "subscription": {"name": "book", "depth": self.depth}}
        return asked if self.event == "subscribe" else {**asked, "reqid": _LEAVING}


def depth(pairs: Sequence[str], *, depth: int = 1000, url: str = STREAM_URL, **settings: Any) -> Feed:
    """Order books: messages are `Depth`, `stream.books["XBT/EUR"]` is kept, each state of it is checked.

    `depth`: levels a side. `settings`: other fields of the `Feed`, such as `backoff`.
    """
    one_of("depth", depth, _DEPTHS)

    fields: dict[str, Any] = {
        **asking(pairs, Say("subscribe", depth), r"[^/\s]+/[^/\s]+", "XBT/EUR", field="pairs"),
        "unsubscribe": Say("unsubscribe", depth),
        "acks": Acks(by="key"),
        "decode": decode,
        "key": "pair",
        "classify": kind_of,
        "snapshot": Resubscribe(),
        "book": Levels(bids="bids", asks="asks", depth=depth, checksum=kraken_checksum, expected="checksum"),
        "heartbeat": _HEARTBEAT,
        **settings,
    }
    return Feed(url, **fields)


def decode(text: str) -> Union[Depth, Event]:
    """A frame of the venue."""
    if text[0] == "{":
        return _event(text)
    parts = _parts(text)
    one, pair = parts[1], parts[-1]
    assert isinstance(one, _Part)
    assert isinstance(pair, str)
    if one.all_asks is not None:
        return Depth(pair, one.all_bids or (), one.all_asks, None, True)
    other = parts[2] if isinstance(parts[2], _Part) else one
    return Depth(pair, one.bids or other.bids, one.asks or other.asks, other.checksum, False)


def kind_of(message: Union[Depth, Event]) -> Kind:
    """What it is to the stream. Raises `ValueError` for an error that is about nothing that one could name."""
    if isinstance(message, Depth):
        return Kind.SNAPSHOT if message.snapshot else Kind.DATA
    if message.error:
        raise ValueError(message.error)
    leaving = message.request == _LEAVING or message.reason == _NOT_THERE
    if message.event == "subscriptionStatus" and not leaving:
        return {"subscribed": Kind.ACK, "error": Kind.ERROR}.get(message.status, Kind.IGNORE)
    return Kind.HEARTBEAT if message.event == "heartbeat" else Kind.IGNORE


__all__ = ["Depth", "Event", "depth"]
