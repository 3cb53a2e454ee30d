"""A `Broker` as its user would describe it: the `Feed` that uses all it offers. Pure; the broker has to be started.

Deliberately not here: the shapes themselves; they stand in broker.py, and this follows them.
"""

from __future__ import annotations

from typing import Any, Callable, Optional, Sequence, Union

from ..core.opening import Step
from ..core.rules import Kind
from ..core.sequence import Contiguous
from ..core.sources import Resubscribe
from ..core.subscriptions import Acks
from ..feed import CONNECTION, Feed, Rest
from ..levels import Levels

Row = tuple[str, int]

_KINDS = {
    "heartbeat": Kind.HEARTBEAT,
    "subscribed": Kind.ACK,
    "unsubscribed": Kind.IGNORE,
    "error": Kind.ERROR,
    "welcome": Kind.IGNORE,
    "login": Kind.IGNORE,
    "snapshot": Kind.SNAPSHOT,
}


def describe(
    url: str,
    snapshot_url: str,
    *,
    symbols: Sequence[str],
    headers: dict[str, str],
    per_connection: bool,
    numbered_control: bool,
    heartbeat: Optional[float],
    acks: Union[bool, str],
    welcome: bool,
    login: Optional[str],
    in_band: bool,
    fields: dict[str, Any],
) -> Feed:
    """The feed of that venue, with `fields` of its own.

    Where heartbeats and acks are numbered they have to reach the counter, so none of them is classified.
    """
    position = "version" if per_connection else "seq"
    settings: dict[str, Any] = {
        "headers": headers,
        "subscribe": lambda topics: {"action": "subscribe", "symbols": list(topics)},
        "unsubscribe": lambda topics: {"action": "unsubscribe", "symbols": list(topics)},
        "topics": symbols,
        "opening": _opening(welcome, login),
        "key": "symbol",
        "sequence": Contiguous("seq"),
        "snapshot": Resubscribe() if in_band else Rest(snapshot_url, position=position, headers=headers),
        "book": Levels(bids=_rows("bid"), asks=_rows("ask"), snapshot_bids="bids", snapshot_asks="asks"),
        "timestamp": "ts_ns",
        "timestamp_unit": "ns",
        "heartbeat": heartbeat,
    }
    if per_connection:
        settings.update(counter=CONNECTION, splice=Contiguous(position))
    if in_band:
        settings["classify"] = _snapshot
    if not numbered_control:
        settings["classify"] = _kind
        settings["acks"] = Acks(by="cumulative" if acks == "cumulative" else "key", topics="symbols") if acks else None
    return Feed(url, **{**settings, **fields})


def _kind(message: Any) -> Optional[Kind]:
    return _KINDS.get(message["type"])


def _snapshot(message: Any) -> Optional[Kind]:
    return Kind.SNAPSHOT if message["type"] == "snapshot" else None


def _rows(side: str) -> Callable[[Any], Optional[list[Row]]]:
    """A delta is one row of one side."""
    return lambda message: [(message["price"], message["size"])] if message.get("side") == side else None


def _opening(welcome: bool, login: Optional[str]) -> list[Step]:
    steps = []
    if welcome:
        steps.append(Step(expect=lambda message: message["type"] == "welcome"))
    if login is not None:
        steps.append(
            Step(
                send={"action": "login", "key": login},
                expect=lambda message: message["type"] == "login",
                fail=lambda message: message["type"] == "error" and message["message"],
            )
        )
    return steps
