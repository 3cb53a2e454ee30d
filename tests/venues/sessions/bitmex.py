"""BitMEX. A book is kept here, of rows by their `id`, for its messages do not say enough for `stream.books`."""

from __future__ import annotations

from typing import Any

import msgspec

from syncstream import Event, Feed, Snapshot, Stream
from syncstream.venues import bitmex
from tests import replay
from tests.replay.venues.bitmex import Rows, change
from tests.venues import run, speed

from .base import QUICK, Session

CAPTURE = "bitmex_20210722"
DECIMALS = "every number is a `Decimal`"
QUIET = 0.5  # seconds without a message: that was all


def part(table: str) -> replay.History:
    """What the venue sends of this table."""
    return run.only(replay.history(CAPTURE), lambda message: message.get("table") == table)


def symbols(history: replay.History) -> list[str]:
    return sorted({str(topic).partition(":")[2] for topic in history.topics})


def depth(server: replay.ReplayServer) -> Feed:
    return bitmex.depth(symbols(server.history), url=server.ws_url, backoff=QUICK)


def trades(server: replay.ReplayServer) -> Feed:
    return bitmex.trades(symbols(server.history), url=server.ws_url)


def quotes(server: replay.ReplayServer) -> Feed:
    return bitmex.quotes(symbols(server.history), url=server.ws_url)


def follow(**faults: Any) -> run.Result:
    """The rows that a consumer has, to the end of the session: of each that is changed it is asked whether it was there."""
    history = part("orderBookL2")
    truth: Rows = {}
    for frame in history.frames:
        change(truth, history.venue.decode(frame.data))
    own: Rows = {}
    compared = orphans = messages = 0
    with run.play(history, **faults) as server, Stream(depth(server), queue_size=100_000) as stream:
        while True:
            items = stream.get_many(timeout=QUIET)
            if not items and server.finished:
                break
            for item in items:
                if isinstance(item, Event) and not isinstance(item, Snapshot):
                    continue
                message = plain(item.state if isinstance(item, Snapshot) else item)
                messages += not isinstance(item, Snapshot)
                compared += len(message["data"]) if message["action"] in ("update", "delete") else 0
                orphans += change(own, message)
        result = run.result_of(stream, len(history.frames), messages)
    result.compared, result.contradicted = compared, orphans
    result.whole = {symbol: _levels(rows) for symbol, rows in own.items()} == {
        symbol: _levels(rows) for symbol, rows in truth.items()
    }
    return result


def plain(message: bitmex.Message[bitmex.Row]) -> Any:
    """As the venue wrote it, without what it left out."""
    rows = [{name: value for name, value in msgspec.structs.asdict(row).items() if value is not None} for row in message.data]
    return {"action": message.action, "filter": {"symbol": message.symbol}, "data": rows}


def _levels(rows: dict[int, dict[str, Any]]) -> dict[int, Any]:
    return {number: (row["side"], float(row["price"]), float(row["size"])) for number, row in rows.items()}


SESSIONS = (
    Session(
        "bitmex.depth",
        CAPTURE,
        lambda: follow(rate=2000.0),
        lambda: speed.rate(depth, part("orderBookL2")),
        against="rows that a change is about",
        note="the first message of each instrument is its book, up to 9,352 rows with two `Decimal`s each",
    ),
    Session(
        "bitmex.trades",
        CAPTURE,
        lambda: run.session(trades, part("trade")),
        lambda: speed.rate(trades, part("trade")),
        note=DECIMALS,
    ),
    Session(
        "bitmex.quotes",
        CAPTURE,
        lambda: run.session(quotes, part("quote")),
        lambda: speed.rate(quotes, part("quote")),
        note=DECIMALS,
    ),
)
