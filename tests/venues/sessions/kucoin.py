"""KuCoin, spot. The address of a line is asked for at a site of its own, as the venue has it."""

from __future__ import annotations

import contextlib
from typing import Callable, Iterator
from urllib.parse import parse_qs, urlsplit

from syncstream import Feed
from syncstream.venues import kucoin
from tests import replay
from tests.snapshots.site import Site, Visit
from tests.venues import run, speed

from .base import QUICK, SLOW_BOOK, Session

CAPTURE = "kucoin_level2_20210425"
LEVEL2, MATCH, TICKER = "trade.l2update", "trade.l3match", "trade.ticker"

Make = Callable[[replay.ReplayServer], Feed]


def part(subject: str) -> replay.History:
    """What the venue sends of this subject, and what belongs to each connection."""
    return run.only(replay.history(CAPTURE), lambda message: message.get("subject") == subject)


@contextlib.contextmanager
def entrance() -> Iterator[str]:
    """A site that says where to dial: where its query says."""

    def bullet(visit: Visit) -> None:
        endpoint = parse_qs(urlsplit(visit.path).query)["line"][0]
        server = {"endpoint": endpoint, "protocol": "websocket", "encrypt": True, "pingInterval": 18000, "pingTimeout": 10000}
        visit.json({"code": "200000", "data": {"token": "T", "instanceServers": [server]}})

    site = Site({"/bullet": bullet})
    try:
        yield site.base + "/bullet"
    finally:
        site.close()


def symbols(history: replay.History) -> list[str]:
    topics = [history.venue.decode(frame.data)["topic"] for frame in history.frames]
    return sorted({topic.partition(":")[2] for topic in topics})


def depth(url: str) -> Make:
    return lambda server: kucoin.depth(
        symbols(server.history),
        url=f"{url}?line={server.ws_url}",
        rest_url=server.rest_url,
        backoff=QUICK,
        verify_after=1.0,
        dial_budget=run.DIALS,
    )


def trades(url: str) -> Make:
    return lambda server: kucoin.trades(symbols(server.history), url=f"{url}?line={server.ws_url}", dial_budget=run.DIALS)


def ticker(url: str) -> Make:
    return lambda server: kucoin.ticker(symbols(server.history), url=f"{url}?line={server.ws_url}", dial_budget=run.DIALS)


def _depth() -> run.Result:
    with run.play(part(LEVEL2), rate=3000.0) as server, entrance() as url:
        return run.books(lambda: depth(url)(server), server)


def _depth_rate() -> float:
    numbers = ("data.sequenceStart", "data.sequenceEnd", "data.changes.bids.*.2", "data.changes.asks.*.2")
    with entrance() as url:
        return speed.rate(depth(url), part(LEVEL2), key="topic", numbers=numbers)


def _session(make: Callable[[str], Make], subject: str) -> run.Result:
    with entrance() as url:
        return run.session(make(url), part(subject))


def _rate(make: Callable[[str], Make], subject: str) -> float:
    with entrance() as url:
        return speed.rate(make(url), part(subject), key="topic", numbers=("data.sequence",))


SESSIONS = (
    Session("kucoin.depth", CAPTURE, _depth, _depth_rate, against="best prices of `ticker`", note=SLOW_BOOK),
    Session("kucoin.trades", CAPTURE, lambda: _session(trades, MATCH), lambda: _rate(trades, MATCH)),
    Session("kucoin.ticker", CAPTURE, lambda: _session(ticker, TICKER), lambda: _rate(ticker, TICKER)),
)
